//! Consent freshness, keep-alives, failure and failover.

mod common;

use common::{A, B, Nat, NatKind, World, addr, config};
use peerage_base::path::{LocalId, PathChange};
use peerage_base::time::Duration;
use peerage_ice::config::Role;
use peerage_ice::event::{Event, State};
use peerage_stun::header::Class;
use peerage_stun::message::Message;

const SECOND: Duration = Duration::from_secs(1);

fn requests(world: &World, side: usize) -> Vec<(peerage_base::time::Instant, Vec<u8>)> {
    let sent = world.sides[side].sent.iter();
    let requests = sent.filter(|(_, _, bytes)| Message::parse(bytes).unwrap().class() == Class::Request);
    requests.map(|(at, _, bytes)| (*at, bytes.clone())).collect()
}

#[test]
fn consent_checks_come_every_four_to_six_seconds_with_fresh_transactions() {
    let mut world = World::connect_hosts(1);
    world.run(5 * SECOND);
    world.sides[A].sent.clear();
    world.run(120 * SECOND);
    let sent = requests(&world, A);
    assert!((20..=30).contains(&sent.len()), "{}", sent.len());
    for pair in sent.windows(2) {
        let gap = pair[1].0.since(pair[0].0);
        assert!(gap >= Duration::from_millis(4_000) && gap <= Duration::from_millis(6_100), "{gap:?}");
        assert_ne!(pair[0].1[8..20], pair[1].1[8..20]);
    }
    let gaps: std::collections::BTreeSet<_> = sent.windows(2).map(|w| w[1].0.since(w[0].0).as_millis()).collect();
    assert!(gaps.len() > 10, "randomised");
}

#[test]
fn silence_is_disconnected_first_and_failed_after_thirty_seconds() {
    let mut world = World::connect_hosts(2);
    world.run(10 * SECOND);
    let path = world.selected(A).path;
    let start = world.now;
    world.loss = 1000;
    assert!(world.run_until(40 * SECOND, |w| w.state(A) == State::Disconnected));
    let after = world.now.since(start);
    assert!(after >= 4 * SECOND && after <= 12 * SECOND, "{after:?}");
    assert!(world.sides[A].agent.may_send(path), "consent still stands");
    assert!(world.run_until(40 * SECOND, |w| w.state(A) == State::Failed));
    let after = world.now.since(start);
    assert!(after >= 24 * SECOND && after <= 30 * SECOND, "{after:?}");
    assert!(!world.sides[A].agent.may_send(path) && !world.sides[A].agent.is_valid_path(path));
    assert!(world.sides[A].agent.selected().is_none());
    assert!(world.sides[A].events.iter().any(|(_, e)| *e == Event::Released(path)));
    // B notices by itself; nothing more is sent then.
    assert!(world.run_until(10 * SECOND, |w| w.state(B) == State::Failed));
    world.sides[A].sent.clear();
    world.run(60 * SECOND);
    assert!(world.sides[A].sent.is_empty());
}

#[test]
fn a_nomination_that_goes_unanswered_is_repeated_by_the_probes_alone() {
    let mut world = World::connect_hosts(13);
    assert!(world.run_until(SECOND, |w| w.sides[A].agent.selected().is_some()));
    assert!(!world.selected(A).nominated);
    world.loss = 1000;
    world.sides[A].sent.clear();
    world.run(25 * SECOND);
    assert!(!world.selected(A).nominated);
    let sent = requests(&world, A);
    assert!((10..=40).contains(&sent.len()), "{} checks", sent.len());
    world.loss = 0;
    assert!(world.run_until(2 * SECOND, World::is_agreed));
}

#[test]
fn answers_that_come_back_heal_the_connection() {
    let mut world = World::connect_hosts(3);
    world.run(10 * SECOND);
    world.loss = 1000;
    assert!(world.run_until(40 * SECOND, |w| w.state(A) == State::Disconnected));
    world.loss = 0;
    assert!(world.run_until(2 * SECOND, |w| w.state(A) == State::Completed && w.state(B) == State::Completed));
}

fn two_networks(seed: u64) -> World {
    let mut world = World::new(seed);
    for (side, port) in [(A, 5000), (B, 6000)] {
        world.host(side, 0, &format!("192.0.2.{}:{port}", side + 1));
        world.host(side, 1, &format!("198.51.100.{}:{port}", side + 11));
    }
    world.exchange();
    world.finish_candidates();
    assert!(world.run_until(SECOND, World::is_agreed));
    world.run(20 * SECOND);
    assert_eq!(world.selected(A).path.local, LocalId(0));
    world
}

#[test]
fn when_a_network_dies_silently_a_backup_takes_over_on_both_sides() {
    for seed in 0..5 {
        let mut world = two_networks(40 + seed);
        let start = world.now;
        world.dead.insert(addr("192.0.2.1:5000"));
        let moved = |w: &World| {
            w.is_agreed()
                && w.selected(A).path.local == LocalId(1)
                && w.selected(B).remote_address == addr("198.51.100.11:5000")
        };
        assert!(world.run_until(15 * SECOND, moved));
        let after = world.now.since(start);
        assert!(after <= 10 * SECOND, "{after:?}");
        world.run(40 * SECOND);
        assert!(world.is_agreed());
        assert!(!world.states(A).contains(&State::Failed) && !world.states(B).contains(&State::Failed));
    }
}

#[test]
fn when_a_local_end_goes_down_or_away_a_backup_takes_over_at_once() {
    for remove in [false, true] {
        let mut world = two_networks(5);
        if remove {
            world.sides[A].agent.remove_local(world.now, LocalId(0));
        } else {
            world.sides[A].agent.handle_path(world.now, LocalId(0), None, PathChange::Down);
        }
        assert_eq!(world.selected(A).path.local, LocalId(1));
        world.dead.insert(addr("192.0.2.1:5000"));
        assert!(
            world.run_until(15 * SECOND, |w| w.is_agreed()
                && w.selected(B).remote_address == addr("198.51.100.11:5000"))
        );
    }
}

#[test]
fn an_end_that_comes_up_again_in_time_is_used_again() {
    let mut world = World::connect_hosts(6);
    world.run(10 * SECOND);
    world.sides[A].agent.handle_path(world.now, LocalId(0), None, PathChange::Down);
    assert_eq!(world.state(A), State::Disconnected);
    world.run(2 * SECOND);
    world.sides[A].agent.handle_path(world.now, LocalId(0), None, PathChange::Up);
    assert!(world.run_until(SECOND, World::is_agreed));
    world.sides[A].agent.handle_path(world.now, LocalId(0), None, PathChange::Down);
    world.run(40 * SECOND);
    assert_eq!(world.state(A), State::Failed);
}

#[test]
fn a_nat_that_forgets_the_controlling_side_is_followed() {
    let mut world = World::new(12);
    world.sides[A].nat = Some(Nat::new(NatKind::Cone, "203.0.113.1"));
    world.host(A, 0, "10.0.0.1:5000");
    world.host(B, 0, "192.0.2.2:6000");
    world.exchange();
    world.finish_candidates();
    assert!(world.run_until(5 * SECOND, World::is_agreed));
    world.run(20 * SECOND);
    let before = world.selected(B).remote_address;
    let start = world.now;
    if let Some(nat) = &mut world.sides[A].nat {
        nat.reset();
    }
    assert!(world.run_until(20 * SECOND, |w| w.is_agreed() && w.selected(B).remote_address != before));
    assert!(world.now.since(start) <= 9 * SECOND, "{:?}", world.now.since(start));
    world.run(60 * SECOND);
    assert_eq!(world.selected(A).local_address, world.selected(B).remote_address);
    assert!(!world.states(B).contains(&State::Failed) && !world.states(A).contains(&State::Failed));
}

#[test]
fn a_forged_unreachable_costs_one_check() {
    let mut world = World::connect_hosts(7);
    world.run(10 * SECOND);
    let path = world.selected(A).path;
    let before = requests(&world, A).len();
    for _ in 0..100 {
        world.sides[A].agent.handle_path(world.now, path.local, Some(path.remote), PathChange::Down);
        world.settle();
    }
    world.run(Duration::from_millis(100));
    assert_eq!(requests(&world, A).len(), before + 1);
    assert!(world.is_agreed());
}

#[test]
fn checks_without_any_answer_fail_after_patience_and_not_before() {
    let mut world = World::connect_hosts(8);
    world.loss = 1000;
    let start = world.now;
    world.run(Duration::from_millis(39_400));
    assert_eq!(world.state(A), State::Checking);
    assert!(world.run_until(60 * SECOND, |w| w.state(A) == State::Failed));
    let after = world.now.since(start);
    assert!(after >= Duration::from_millis(39_500) && after <= 45 * SECOND, "{after:?}");
}

#[test]
fn a_peer_without_candidates_is_waited_for() {
    let mut world = World::new(9);
    world.host(A, 0, "192.0.2.1:5000");
    world.tell_credentials(A);
    world.finish_candidates();
    world.run(39 * SECOND);
    assert_ne!(world.state(A), State::Failed);
    world.run(SECOND);
    assert_eq!(world.state(A), State::Failed);
}

#[test]
fn patience_can_be_shortened_and_the_fallback_stands_in_for_the_end_of_candidates() {
    for (ended, expected) in [(true, 12), (false, 30)] {
        let mut impatient = config();
        impatient.patience = 2 * SECOND;
        impatient.attempts = 4;
        impatient.end_of_candidates_fallback = Some(30 * SECOND);
        let mut world = World::with(10, impatient, config(), [Role::Controlling, Role::Controlled]);
        world.loss = 1000;
        world.host(A, 0, "192.0.2.1:5000");
        world.host(B, 0, "192.0.2.2:6000");
        world.exchange();
        if ended {
            world.finish_candidates();
        }
        let start = world.now;
        assert!(world.run_until(120 * SECOND, |w| w.state(A) == State::Failed));
        let after = world.now.since(start);
        assert!(after <= expected * SECOND + SECOND && after >= (expected - 2) * SECOND, "{after:?}");
    }
}

#[test]
fn nothing_happens_after_close() {
    let mut world = World::connect_hosts(11);
    world.run(10 * SECOND);
    world.sides[A].agent.close(world.now);
    world.settle();
    assert_eq!(world.state(A), State::Closed);
    assert!(world.sides[A].agent.poll_timeout().is_none());
    world.sides[A].sent.clear();
    world.run(10 * SECOND);
    assert!(world.sides[A].sent.is_empty());
    assert!(world.sides[A].agent.stats().closed > 0);
    assert!(matches!(world.sides[A].events.last(), Some((_, Event::State(State::Closed)))));
    world.run(40 * SECOND);
    assert_eq!(world.state(B), State::Failed);
}
