//! Restarts: make before break.

mod common;

use common::{A, B, Nat, NatKind, SERVER, World, addr};
use peerage_base::time::Duration;
use peerage_ice::error::Misuse;
use peerage_ice::event::{Event, State};

const SECOND: Duration = Duration::from_secs(1);

/// `initiator` restarts, the other follows as soon as it hears.
fn restart(world: &mut World, initiator: usize) {
    world.sides[initiator].agent.restart(world.now);
    world.settle();
    world.run(Duration::from_millis(30));
    world.tell_credentials(1 - initiator);
    world.run(Duration::from_millis(30));
    world.tell_credentials(initiator);
}

fn on_current(world: &World) -> bool {
    let current = |side: usize| {
        let agent = &world.sides[side].agent;
        agent
            .pairs()
            .any(|pair| pair.nominated && !pair.previous && Some(pair.path) == agent.selected().map(|s| s.path))
    };
    world.is_agreed() && current(A) && current(B)
}

#[test]
fn either_side_can_restart_and_data_may_flow_all_the_time() {
    for initiator in [A, B] {
        let mut world = World::connect_hosts(1);
        assert!(world.run_until(SECOND, World::is_agreed));
        world.run(10 * SECOND);
        let before = world.sides.each_ref().map(|side| side.agent.local_credentials().clone());
        restart(&mut world, initiator);
        for side in [A, B] {
            let agent = &world.sides[side].agent;
            assert_ne!(agent.local_credentials().ufrag, before[side].ufrag);
            assert_ne!(agent.local_credentials().pwd, before[side].pwd);
            assert!(agent.accepts_ufrag(&before[side].ufrag) && agent.accepts_ufrag(&agent.local_credentials().ufrag));
            assert!(agent.may_send(agent.selected().unwrap().path));
        }
        let events = world.sides.each_ref().map(|side| side.events.len());
        assert!(world.run_until(SECOND, on_current), "initiator {initiator}");
        for side in [A, B] {
            // The old pair is left for one that both decided for, never for one that merely works.
            let selected = world.sides[side].events[events[side]..].iter().filter_map(|(_, event)| match event {
                Event::Selected(selected) => Some(selected.nominated),
                _ => None,
            });
            assert!(selected.into_iter().all(|nominated| nominated));
        }
        world.run(20 * SECOND);
        for side in [A, B] {
            let agent = &world.sides[side].agent;
            assert!(!agent.accepts_ufrag(&before[side].ufrag), "the old generation is dropped");
            assert!(agent.pairs().all(|pair| !pair.previous));
            assert!(world.states(side).iter().all(|s| !matches!(s, State::Disconnected | State::Failed)));
        }
    }
}

#[test]
fn local_candidates_are_told_again_with_the_new_fragment() {
    let mut world = World::connect_hosts(2);
    assert!(world.run_until(SECOND, World::is_agreed));
    world.sides[A].agent.restart(world.now);
    world.settle();
    let ufrags: Vec<String> = world.sides[A]
        .events
        .iter()
        .filter_map(|(_, event)| match event {
            Event::LocalCandidate(candidate) => Some(candidate.ufrag().unwrap().to_string()),
            _ => None,
        })
        .collect();
    assert_eq!(ufrags.len(), 2);
    assert_eq!(ufrags[1], world.sides[A].agent.local_credentials().ufrag);
    assert_ne!(ufrags[0], ufrags[1]);
}

#[test]
fn a_restart_moves_to_another_network() {
    let mut world = World::connect_hosts(3);
    assert!(world.run_until(SECOND, World::is_agreed));
    world.host(A, 1, "198.51.100.20:5000");
    world.dead.insert(addr("192.0.2.1:5000"));
    restart(&mut world, A);
    assert!(world.run_until(3 * SECOND, on_current));
    assert_eq!(world.selected(A).local_address, addr("198.51.100.20:5000"));
    assert_eq!(world.selected(B).remote_address, addr("198.51.100.20:5000"));
}

#[test]
fn a_restart_after_failure_connects_again() {
    let mut world = World::connect_hosts(4);
    assert!(world.run_until(SECOND, World::is_agreed));
    world.loss = 1000;
    assert!(world.run_until(60 * SECOND, |w| w.state(A) == State::Failed && w.state(B) == State::Failed));
    world.loss = 0;
    world.run(60 * SECOND);
    assert_eq!(world.state(A), State::Failed, "only new credentials bring consent back");
    restart(&mut world, B);
    assert_eq!(world.state(B), State::Checking);
    assert!(world.run_until(SECOND, on_current));
}

#[test]
fn candidates_of_the_generation_before_are_refused() {
    let mut world = World::connect_hosts(5);
    world.trickle = None;
    assert!(world.run_until(SECOND, World::is_agreed));
    let Some((_, Event::LocalCandidate(old))) =
        world.sides[B].events.iter().find(|(_, e)| matches!(e, Event::LocalCandidate(_))).cloned()
    else {
        panic!()
    };
    world.sides[A].agent.restart(world.now);
    assert_eq!(world.sides[A].agent.add_remote(world.now, old.clone()), Err(Misuse::OtherGeneration));
    world.settle();
    world.tell_credentials(B);
    world.tell_credentials(A);
    assert_eq!(world.sides[A].agent.add_remote(world.now, old), Err(Misuse::OtherGeneration));
}

#[test]
fn restarts_in_quick_succession_leave_the_pair_that_works_in_use() {
    let mut world = World::connect_hosts(6);
    assert!(world.run_until(SECOND, World::is_agreed));
    let path = world.selected(A).path;
    for _ in 0..5 {
        world.sides[A].agent.restart(world.now);
        world.settle();
        world.run(Duration::from_millis(7));
        assert_eq!(world.selected(A).path, path);
        assert!(world.sides[A].agent.may_send(path));
    }
    world.tell_credentials(B);
    world.tell_credentials(A);
    assert!(world.run_until(SECOND, on_current));
}

#[test]
fn a_restart_asks_the_servers_again() {
    let mut world = World::new(7);
    world.sides[A].nat = Some(Nat::new(NatKind::Cone, "203.0.113.1"));
    world.sides[A].agent.add_stun_server(world.now, addr(SERVER));
    world.host(A, 0, "10.0.0.1:5000");
    world.host(B, 0, "192.0.2.2:6000");
    world.exchange();
    world.finish_candidates();
    assert!(world.run_until(SECOND, World::is_agreed));
    world.run(30 * SECOND);
    // A new NAT: the old mapping is gone.
    world.sides[A].nat = Some(Nat::new(NatKind::Cone, "203.0.113.50"));
    restart(&mut world, A);
    assert!(world.run_until(3 * SECOND, on_current));
    assert_eq!(world.selected(B).remote_address.ip(), addr("203.0.113.50:1").ip());
    world.run(10 * SECOND);
    assert_eq!(world.sides[A].agent.local_candidates().count(), 2, "the old mapping is forgotten");
}

#[test]
fn equal_credentials_change_nothing() {
    let mut world = World::connect_hosts(8);
    assert!(world.run_until(SECOND, World::is_agreed));
    let before = world.sides[A].agent.local_credentials().clone();
    world.exchange();
    assert_eq!(*world.sides[A].agent.local_credentials(), before);
    assert!(world.is_agreed());
}
