//! A peer that learns of this side minutes later, because a person carries the description.

mod common;

use common::{A, B, World, config};
use peerage_base::time::Duration;
use peerage_ice::config::{Config, Role};
use peerage_ice::credentials::Credentials;
use peerage_ice::event::State;

const MINUTE: Duration = Duration::from_secs(60);

fn patient() -> Config {
    let mut config = config();
    config.patience = 30 * MINUTE;
    config.recheck = Some(Duration::from_secs(15));
    config
}

/// Two hosts between which nothing passes; A has all of B, and B nothing of A.
fn unheard(a: Config) -> World {
    let mut world = World::with(3, a, config(), [Role::Controlled, Role::Controlling]);
    world.host(A, 0, "192.0.2.1:5000");
    world.host(B, 0, "192.0.2.2:6000");
    world.loss = 1000;
    world.carry(B);
    world.tell_credentials(A);
    world
}

#[test]
fn failed_pairs_are_checked_again_until_patience_is_over() {
    let mut world = unheard(patient());
    world.run(10 * MINUTE);
    assert_eq!(world.state(A), State::Checking);
    world.sides[A].sent.clear();
    world.run(5 * MINUTE);
    // Two packets for each of the pairs, four times a minute.
    let sent = world.sides[A].sent.len();
    assert!((20..=60).contains(&sent), "{sent}");
    world.loss = 0;
    assert!(world.run_until(Duration::from_secs(20), |world| world.state(A) == State::Connected), "B answers");
    world.carry(A);
    world.tell_credentials(B);
    assert!(world.run_until(Duration::from_secs(2), World::is_agreed));
}

#[test]
fn after_that_they_fail_and_nothing_more_is_sent() {
    let mut world = unheard(patient());
    world.run(31 * MINUTE);
    assert_eq!(world.state(A), State::Failed);
    world.sides[A].sent.clear();
    world.run(10 * MINUTE);
    assert!(world.sides[A].sent.is_empty());
    // Others do not wait that long.
    let mut world = unheard(config());
    world.run(3 * MINUTE);
    assert_eq!(world.state(A), State::Failed);
}

#[test]
fn given_credentials_are_those_of_the_first_generation_alone() {
    let given = Credentials::new("abcdefgh", "abcdefghijklmnopqrstuvwx").unwrap();
    let mut config = config();
    config.credentials = Some(given.clone());
    let mut world = World::with(4, config, common::config(), [Role::Controlling, Role::Controlled]);
    assert_eq!(*world.sides[A].agent.local_credentials(), given);
    world.host(A, 0, "192.0.2.1:5000");
    world.host(B, 0, "192.0.2.2:6000");
    world.exchange();
    assert!(world.run_until(MINUTE, World::is_agreed));
    let now = world.now;
    world.sides[A].agent.restart(now);
    assert_ne!(*world.sides[A].agent.local_credentials(), given);
}
