//! Lite agents (RFC 8445 §2.5).

mod common;

use common::{A, B, SERVER, World, addr, config};
use peerage_base::path::LocalId;
use peerage_base::time::Duration;
use peerage_ice::candidate::CandidateKind;
use peerage_ice::config::{Config, Role};
use peerage_ice::event::{Event, State};
use peerage_ice::local::{LocalKind, RelayProtocol};
use peerage_stun::header::Class;
use peerage_stun::message::Message;

const SECOND: Duration = Duration::from_secs(1);

fn lite() -> Config {
    let mut config = config();
    config.lite = true;
    config
}

/// A is full, B is lite; both know.
fn full_and_lite(seed: u64, roles: [Role; 2]) -> World {
    let mut world = World::with(seed, config(), lite(), roles);
    world.sides[A].agent.set_remote_lite(true);
    world.host(A, 0, "192.0.2.1:5000");
    world.host(B, 0, "192.0.2.2:6000");
    world.exchange();
    world.finish_candidates();
    world
}

#[test]
fn a_lite_agent_is_connected_to_sends_no_checks_and_never_controls() {
    for roles in [[Role::Controlling, Role::Controlled], [Role::Controlled, Role::Controlling]] {
        let mut world = full_and_lite(1, roles);
        assert_eq!((world.sides[A].agent.role(), world.sides[B].agent.role()), (Role::Controlling, Role::Controlled));
        assert!(world.run_until(SECOND, World::is_agreed));
        world.run(120 * SECOND);
        assert!(world.is_agreed());
        let requests =
            world.sides[B].sent.iter().filter(|(_, _, b)| Message::parse(b).unwrap().class() == Class::Request);
        assert_eq!(requests.count(), 0);
        assert_eq!(world.selected(B).remote_address, addr("192.0.2.1:5000"));
        assert_eq!(world.states(A), [State::Checking, State::Connected, State::Completed]);
        assert!(!world.states(B).contains(&State::Disconnected));
    }
}

#[test]
fn a_lite_agent_gathers_hosts_alone() {
    let mut world = World::with(2, lite(), config(), [Role::Controlled, Role::Controlling]);
    world.sides[A].agent.add_stun_server(world.now, addr(SERVER));
    world.host(A, 0, "192.0.2.1:5000");
    let kind = LocalKind::Relay { mapped: addr("192.0.2.1:1"), server: addr(SERVER), protocol: RelayProtocol::Udp };
    world.sides[A].agent.add_local(world.now, LocalId(9), addr("198.51.100.9:49152"), kind, u16::MAX);
    world.sides[A].agent.local_addresses_done(world.now);
    world.run(SECOND);
    assert!(world.sides[A].sent.is_empty());
    let kinds: Vec<CandidateKind> = world.sides[A].agent.local_candidates().map(|(_, c)| c.kind).collect();
    assert_eq!(kinds, [CandidateKind::Host]);
}

#[test]
fn a_full_agent_that_claims_to_be_controlled_is_refused_and_takes_control() {
    // A does not know that B is lite, and both were told to be controlled.
    let mut world = World::with(3, config(), lite(), [Role::Controlled, Role::Controlled]);
    world.host(A, 0, "192.0.2.1:5000");
    world.host(B, 0, "192.0.2.2:6000");
    world.exchange();
    world.finish_candidates();
    assert!(world.run_until(5 * SECOND, World::is_agreed));
    assert_eq!(world.sides[A].agent.role(), Role::Controlling);
    assert_eq!(world.sides[A].agent.report().checks_refused.as_slice(), [(487, 1)]);
}

#[test]
fn silence_ends_a_lite_connection_and_a_restart_brings_it_back() {
    let mut world = full_and_lite(4, [Role::Controlling, Role::Controlled]);
    assert!(world.run_until(SECOND, World::is_agreed));
    let path = world.selected(B).path;
    world.dead.insert(addr("192.0.2.1:5000"));
    assert!(world.run_until(40 * SECOND, |w| !w.sides[B].agent.may_send(path)));
    assert!(world.sides[B].events.iter().any(|(_, event)| *event == Event::Released(path)));
    assert!(world.run_until(60 * SECOND, |w| w.state(B) == State::Failed));
    world.dead.clear();
    world.sides[A].agent.restart(world.now);
    world.settle();
    world.tell_credentials(B);
    world.tell_credentials(A);
    world.finish_candidates();
    assert!(world.run_until(5 * SECOND, World::is_agreed));
}

#[test]
fn the_lite_side_follows_the_last_nomination() {
    let mut world = World::with(5, config(), lite(), [Role::Controlling, Role::Controlled]);
    for side in [A, B] {
        world.sides[side].agent.set_remote_renomination(true);
    }
    world.sides[A].agent.set_remote_lite(true);
    world.host(A, 0, "192.0.2.1:5000");
    world.host(A, 1, "198.51.100.1:5000");
    world.host(B, 0, "192.0.2.2:6000");
    world.exchange();
    world.finish_candidates();
    assert!(world.run_until(SECOND, World::is_agreed));
    world.run(10 * SECOND);
    world.sides[A].agent.remove_local(world.now, LocalId(0));
    world.settle();
    assert!(world.run_until(2 * SECOND, |w| w.selected(B).remote_address == addr("198.51.100.1:5000")));
}

#[test]
fn two_lite_agents_take_the_pair_of_highest_priority_unchecked() {
    let mut world = World::with(6, lite(), lite(), [Role::Controlling, Role::Controlled]);
    for side in [A, B] {
        world.sides[side].agent.set_remote_lite(true);
        world.sides[side].agent.set_remote_renomination(true);
    }
    world.host(A, 0, "192.0.2.1:5000");
    world.host(A, 1, "[2001:db8::1]:5000");
    world.host(B, 0, "192.0.2.2:6000");
    world.host(B, 1, "[2001:db8::2]:6000");
    world.exchange();
    world.finish_candidates();
    world.run(SECOND);
    assert!(world.is_agreed());
    assert_eq!((world.sides[A].agent.role(), world.sides[B].agent.role()), (Role::Controlling, Role::Controlled));
    assert_eq!(world.selected(A).remote_address, world.selected(B).local_address);
    assert_eq!(world.selected(A).path.local, LocalId(0));
    world.run(600 * SECOND);
    assert!(world.is_agreed());
    assert!(world.sides.iter().all(|side| side.sent.is_empty()));
    let path = world.selected(A).path;
    assert!(world.sides[A].agent.is_valid_path(path) && world.sides[A].agent.may_send(path));
    world.sides[A].agent.remove_local(world.now, LocalId(0));
    world.settle();
    assert_eq!(world.selected(A).path.local, LocalId(1));
}
