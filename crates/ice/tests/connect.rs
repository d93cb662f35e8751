//! Two agents find each other.

mod common;

use common::{A, B, World};
use peerage_base::time::Duration;
use peerage_ice::event::State;

#[test]
fn two_hosts_connect_within_two_round_trips() {
    let mut world = World::connect_hosts(1);
    let start = world.now;
    assert!(world.run_until(Duration::from_secs(5), World::is_connected));
    assert!(world.now.since(start) <= Duration::from_millis(50), "{:?}", world.now.since(start));
    assert!(world.run_until(Duration::from_secs(5), World::is_agreed));
    assert!(world.now.since(start) <= Duration::from_millis(120), "{:?}", world.now.since(start));
    assert_eq!(world.selected(A).remote_address, world.selected(B).local_address);
    world.run(Duration::from_secs(60));
    assert_eq!((world.state(A), world.state(B)), (State::Completed, State::Completed));
    assert_eq!(world.states(A), [State::Checking, State::Connected, State::Completed]);
}
