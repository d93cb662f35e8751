//! Networks come and go in mid-connection; no restart.

mod common;

use common::{A, B, Nat, NatKind, World, addr, config};
use peerage_base::path::{LocalId, PathChange};
use peerage_base::time::Duration;
use peerage_ice::config::Role;
use peerage_ice::event::{Event, GatheringState, State};
use peerage_stun::header::Class;
use peerage_stun::message::Message;

const SECOND: Duration = Duration::from_secs(1);

fn connected(seed: u64, renomination: bool) -> World {
    let mut world = World::new(seed);
    for side in [A, B] {
        world.sides[side].agent.set_remote_renomination(renomination);
    }
    world.host(A, 0, "192.0.2.1:5000");
    world.host(B, 0, "192.0.2.2:6000");
    world.exchange();
    world.finish_candidates();
    assert!(world.run_until(SECOND, World::is_agreed));
    world.run(20 * SECOND);
    world
}

fn requests(world: &World, side: usize) -> usize {
    world.sides[side].sent.iter().filter(|(_, _, b)| Message::parse(b).unwrap().class() == Class::Request).count()
}

#[test]
fn a_new_network_is_told_and_paired_in_the_same_generation_and_takes_over_when_the_old_one_goes() {
    for (side, renomination) in [(A, false), (A, true), (B, false), (B, true)] {
        let mut world = connected(1, renomination);
        let ufrag = world.sides[side].agent.local_credentials().ufrag.clone();
        let next = if side == A { "198.51.100.1:5001" } else { "198.51.100.2:6001" };
        world.host(side, 1, next);
        let told = world.sides[side].events.iter().rev().find_map(|(_, event)| match event {
            Event::LocalCandidate(candidate) => Some(candidate.clone()),
            _ => None,
        });
        let told = told.unwrap();
        assert_eq!((told.ufrag(), told.socket_addr()), (Some(ufrag.as_str()), Some(addr(next))));
        assert_eq!(world.sides[side].agent.gathering_state(), GatheringState::Complete);
        world.run(5 * SECOND);
        assert_eq!(world.selected(side).path.local, LocalId(0), "no reason to move yet");

        let start = world.now;
        world.dead.insert(addr(if side == A { "192.0.2.1:5000" } else { "192.0.2.2:6000" }));
        world.sides[side].agent.remove_local(world.now, LocalId(0));
        world.settle();
        assert_eq!(world.selected(side).path.local, LocalId(1), "at once");
        let moved = |w: &World| w.is_agreed() && w.selected(1 - side).remote_address == addr(next);
        assert!(world.run_until(10 * SECOND, moved), "{side} {renomination}");
        let limit = if side == A { 8 * SECOND } else { 10 * SECOND };
        assert!(world.now.since(start) <= limit, "{side} {renomination} {:?}", world.now.since(start));
        world.run(60 * SECOND);
        assert!(moved(&world));
        for side in [A, B] {
            assert!(!world.states(side).contains(&State::Failed));
        }
        assert_eq!(world.sides[side].agent.report().restarts, 0);
    }
}

#[test]
fn a_network_that_is_replaced_without_overlap_is_recovered_from() {
    for side in [A, B] {
        let mut world = connected(2, true);
        world.dead.insert(addr(if side == A { "192.0.2.1:5000" } else { "192.0.2.2:6000" }));
        world.sides[side].agent.remove_local(world.now, LocalId(0));
        world.settle();
        assert!(world.sides[side].agent.selected().is_none());
        assert_eq!(world.state(side), State::Disconnected);
        world.run(5 * SECOND);
        world.host(side, 1, "198.51.100.1:5001");
        let moved = |w: &World| w.is_agreed() && w.selected(1 - side).remote_address == addr("198.51.100.1:5001");
        assert!(world.run_until(5 * SECOND, moved), "{side}");
        assert!(!world.states(A).contains(&State::Failed) && !world.states(B).contains(&State::Failed));
    }
}

#[test]
fn pairs_that_were_dropped_as_losers_are_made_again_when_the_selected_one_falls_silent() {
    let mut few = config();
    few.backups = 0;
    let mut world = World::with(3, few.clone(), few, [Role::Controlling, Role::Controlled]);
    for (side, port) in [(A, 5000), (B, 6000)] {
        world.host(side, 0, &format!("192.0.2.{}:{port}", side + 1));
        world.host(side, 1, &format!("198.51.100.{}:{port}", side + 11));
    }
    world.exchange();
    world.finish_candidates();
    assert!(world.run_until(SECOND, World::is_agreed));
    world.run(20 * SECOND);
    assert!(world.sides.iter().all(|side| side.agent.pairs().count() == 1), "nothing is kept warm");
    world.dead.insert(addr("192.0.2.1:5000"));
    let start = world.now;
    let moved = |w: &World| {
        w.is_agreed()
            && [A, B].iter().all(|side| w.selected(*side).remote_address.ip() != addr("192.0.2.1:1").ip())
            && w.selected(A).path.local == LocalId(1)
    };
    assert!(world.run_until(15 * SECOND, moved));
    assert!(world.now.since(start) <= 12 * SECOND, "{:?}", world.now.since(start));
    world.run(60 * SECOND);
    assert!(moved(&world));
}

#[test]
fn haste_finds_a_dead_path_within_two_seconds_and_is_bounded() {
    let mut world = World::new(4);
    for (side, port) in [(A, 5000), (B, 6000)] {
        world.host(side, 0, &format!("192.0.2.{}:{port}", side + 1));
        world.host(side, 1, &format!("198.51.100.{}:{port}", side + 11));
    }
    world.exchange();
    world.finish_candidates();
    assert!(world.run_until(SECOND, World::is_agreed));
    world.run(20 * SECOND);
    let before = requests(&world, A);
    for _ in 0..200 {
        world.sides[A].agent.hasten(world.now);
        world.run(Duration::from_millis(10));
    }
    // Two of haste, and one or two of the ordinary kind.
    assert!(requests(&world, A) - before <= 4, "{}", requests(&world, A) - before);
    world.dead.insert(addr("192.0.2.1:5000"));
    let start = world.now;
    while world.selected(A).path.local == LocalId(0) && world.now.since(start) < 10 * SECOND {
        world.sides[A].agent.hasten(world.now);
        world.run(Duration::from_millis(50));
    }
    assert!(world.now.since(start) <= 3 * SECOND, "{:?}", world.now.since(start));
}

#[test]
fn a_nat_that_forgets_either_side_is_followed_quickly_while_data_is_missed() {
    for side in [A, B] {
        let mut world = World::new(5);
        for side in [A, B] {
            world.sides[side].agent.set_remote_renomination(true);
        }
        world.sides[side].nat = Some(Nat::new(NatKind::Cone, "203.0.113.1"));
        world.host(A, 0, if side == A { "10.0.0.1:5000" } else { "192.0.2.1:5000" });
        world.host(B, 0, if side == B { "10.0.0.1:6000" } else { "192.0.2.2:6000" });
        world.exchange();
        world.finish_candidates();
        assert!(world.run_until(5 * SECOND, World::is_agreed));
        world.run(20 * SECOND);
        let before = world.selected(1 - side).remote_address;
        if let Some(nat) = &mut world.sides[side].nat {
            nat.reset();
        }
        let start = world.now;
        // Both sides see that nothing is acknowledged.
        let moved = |w: &World| w.is_agreed() && w.selected(1 - side).remote_address != before;
        while !moved(&world) && world.now.since(start) < 10 * SECOND {
            for side in [A, B] {
                world.sides[side].agent.hasten(world.now);
            }
            world.run(Duration::from_millis(50));
        }
        assert!(world.now.since(start) <= 3 * SECOND, "{side}: {:?}", world.now.since(start));
        world.run(60 * SECOND);
        assert!(moved(&world));
        assert_eq!(world.sides[side].agent.report().restarts, 0);
    }
}

#[test]
fn the_same_nomination_from_a_new_address_moves_the_controlled_side() {
    // The value names one pair of A's; B sees it come from another address once the NAT forgot A.
    let mut world = World::new(6);
    for side in [A, B] {
        world.sides[side].agent.set_remote_renomination(true);
    }
    world.sides[A].nat = Some(Nat::new(NatKind::Cone, "203.0.113.1"));
    world.host(A, 0, "10.0.0.1:5000");
    world.host(B, 0, "192.0.2.2:6000");
    world.exchange();
    world.finish_candidates();
    assert!(world.run_until(5 * SECOND, World::is_agreed));
    for _ in 0..3 {
        world.run(20 * SECOND);
        let before = world.selected(B).remote_address;
        // By priority alone the old pair would stay the better one.
        let line = format!("candidate:1 1 udp 2130706431 {} {} typ host", before.ip(), before.port());
        world.sides[B].agent.add_remote(world.now, line.parse().unwrap()).unwrap();
        if let Some(nat) = &mut world.sides[A].nat {
            nat.reset();
        }
        world.sides[A].agent.hasten(world.now);
        assert!(world.run_until(Duration::from_millis(200), |w| w.selected(B).remote_address != before));
    }
}

#[test]
fn an_end_that_is_down_is_not_used_and_comes_back() {
    let mut world = connected(7, true);
    world.host(A, 1, "198.51.100.1:5001");
    world.run(5 * SECOND);
    world.sides[A].agent.handle_path(world.now, LocalId(0), None, PathChange::Down);
    world.settle();
    assert_eq!(world.selected(A).path.local, LocalId(1));
    world.run(10 * SECOND);
    world.sides[A].agent.remove_local(world.now, LocalId(1));
    world.sides[A].agent.handle_path(world.now, LocalId(0), None, PathChange::Up);
    world.settle();
    assert!(world.run_until(10 * SECOND, |w| w.is_agreed()
        && w.selected(A).path.local == LocalId(0)
        && w.selected(B).remote_address == addr("192.0.2.1:5000")));
}
