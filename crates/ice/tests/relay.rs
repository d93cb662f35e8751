//! Relays: who learns of what, when they are used, and how they are left.

mod common;

use common::{A, B, Nat, NatKind, SERVER, World, addr, config};
use peerage_base::path::LocalId;
use peerage_base::time::Duration;
use peerage_ice::candidate::{Candidate, CandidateKind};
use peerage_ice::config::{Config, Policy, Role};
use peerage_ice::event::{Event, State};
use peerage_ice::local::{LocalKind, RelayProtocol};
use peerage_stun::message::Message;

const SECOND: Duration = Duration::from_secs(1);
const ROLES: [Role; 2] = [Role::Controlling, Role::Controlled];

fn relay_only() -> Config {
    let mut config = config();
    config.policy = Policy::Relay;
    config
}

fn told(world: &World, side: usize) -> Vec<Candidate> {
    let told = world.sides[side].events.iter().filter_map(|(_, event)| match event {
        Event::LocalCandidate(candidate) => Some(candidate.clone()),
        _ => None,
    });
    told.collect()
}

#[test]
fn with_relays_only_nothing_else_is_told_asked_paired_or_answered_on() {
    let mut world = World::with(1, relay_only(), config(), ROLES);
    world.sides[A].agent.add_stun_server(world.now, addr(SERVER));
    world.host(A, 0, "192.0.2.1:5000");
    world.relay(A, 9, "198.51.100.9:49152");
    world.host(B, 0, "192.0.2.2:6000");
    world.exchange();
    world.finish_candidates();
    // B guesses the host's address; its checks are not answered.
    let line = "candidate:7 1 udp 2130706431 192.0.2.1 5000 typ host";
    world.sides[B].agent.add_remote(world.now, Candidate::parse(line).unwrap()).unwrap();
    assert!(world.run_until(2 * SECOND, World::is_agreed));
    world.run(10 * SECOND);
    let told = told(&world, A);
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].kind, CandidateKind::Relayed);
    assert_eq!(told[0].related, Some(addr("0.0.0.0:9")), "the mapped address is this host's");
    assert!(world.sides[A].sent.iter().all(|(_, path, _)| path.local == LocalId(9)));
    assert!(world.sides[A].agent.pairs().all(|pair| pair.path.local == LocalId(9)));
    assert!(world.sides[A].agent.stats().policy > 0);
    assert_eq!(world.selected(B).remote_address, addr("198.51.100.9:49152"));
    let report = world.sides[A].agent.report();
    assert_eq!((report.local.host, report.local.relayed, report.queries_sent), (0, 1, 0));
}

#[test]
fn another_policy_holds_from_the_next_restart_on() {
    let mut world = World::with(2, relay_only(), config(), ROLES);
    world.sides[A].agent.add_stun_server(world.now, addr(SERVER));
    world.host(A, 0, "192.0.2.1:5000");
    world.relay(A, 9, "198.51.100.9:49152");
    world.host(B, 0, "192.0.2.2:6000");
    world.exchange();
    assert!(world.run_until(2 * SECOND, World::is_agreed));
    world.sides[A].agent.set_policy(Policy::All);
    world.run(5 * SECOND);
    assert_eq!(told(&world, A).len(), 1);
    let restart = |world: &mut World| {
        world.sides[A].agent.restart(world.now);
        world.tell_credentials(B);
        world.tell_credentials(A);
        world.run(10 * SECOND);
        assert!(world.is_agreed());
    };
    restart(&mut world);
    assert_eq!(world.selected(A).local, CandidateKind::Host);
    assert_eq!(world.sides[A].agent.report().queries_sent, 1);
    world.sides[A].agent.set_policy(Policy::Relay);
    let before = told(&world, A).len();
    restart(&mut world);
    assert_eq!(told(&world, A)[before..].iter().map(|c| c.kind).collect::<Vec<_>>(), [CandidateKind::Relayed]);
    assert_eq!(world.selected(A).path.local, LocalId(9));
}

#[test]
fn a_relay_reached_over_udp_is_preferred_to_one_over_tcp_and_that_to_tls() {
    let mut world = World::new(3);
    world.trickle = None;
    for (id, protocol) in [(1, RelayProtocol::Tls), (2, RelayProtocol::Tcp), (3, RelayProtocol::Udp)] {
        let kind = LocalKind::Relay { mapped: addr("203.0.113.1:1"), server: addr("198.51.100.9:3478"), protocol };
        let base = addr(&format!("198.51.100.9:{}", 49_000 + id));
        // The preference of the end counts less than the protocol.
        world.sides[A].agent.add_local(world.now, LocalId(id), base, kind, u16::MAX - id as u16);
    }
    world.settle();
    let mut candidates = world.sides[A].outbox.clone();
    candidates.sort_by_key(|c| std::cmp::Reverse(c.priority));
    let ports: Vec<u16> = candidates.iter().map(|c| c.address.port()).collect();
    assert_eq!(ports, [49_003, 49_002, 49_001]);
    assert!(candidates.iter().all(|c| c.priority >> 24 == 0), "one type preference for one type");
    let foundations: std::collections::BTreeSet<_> = candidates.iter().map(|c| &c.foundation).collect();
    assert_eq!(foundations.len(), 3);
}

/// Many addresses on both sides, none of which reaches the other; both have a relay.
#[test]
fn a_relay_is_found_within_a_second_and_two_round_trips_among_many_addresses() {
    let mut world = World::new(4);
    world.delay = Duration::from_millis(50);
    for side in [A, B] {
        for id in 0..9u32 {
            let base = match id {
                0..4 => format!("10.{side}.0.{}:5000", id + 1),
                4..6 => format!("203.0.113.{}:5000", 10 * side as u32 + id),
                _ => format!("[2001:db8::{side}:{id}]:5000"),
            };
            world.dead.insert(addr(&base));
            world.host(side, id, &base);
        }
        world.relay(side, 20, &format!("198.51.100.9:{}", 49_000 + side));
    }
    world.exchange();
    world.finish_candidates();
    let start = world.now;
    assert!(world.run_until(10 * SECOND, World::is_connected));
    let after = world.now.since(start);
    assert!(after <= SECOND + 4 * world.delay, "{after:?}");
    assert!(world.run_until(2 * SECOND, World::is_agreed));
    assert_eq!(world.selected(A).local, CandidateKind::Relayed);
    world.run(300 * SECOND);
    assert!(!world.states(A).contains(&State::Failed) && !world.states(B).contains(&State::Failed));
}

#[test]
fn a_candidate_that_trickles_in_late_takes_over_and_the_relay_stays_as_a_backup() {
    for renomination in [false, true] {
        let mut world = World::new(5);
        for side in [A, B] {
            world.sides[side].agent.set_remote_renomination(renomination);
        }
        world.relay(A, 9, "198.51.100.9:49152");
        world.host(B, 0, "192.0.2.2:6000");
        world.exchange();
        assert!(world.run_until(5 * SECOND, World::is_agreed));
        world.run(30 * SECOND);
        world.sides[A].sent.clear();
        world.host(A, 0, "192.0.2.1:5000");
        let relayed = world.selected(B).path;
        let direct = |w: &World| {
            w.sides.iter().all(|s| {
                s.agent.selected().is_some_and(|s| s.nominated && s.remote_address != addr("198.51.100.9:49152"))
            }) && w.selected(A).path.local == LocalId(0)
        };
        assert!(world.run_until(SECOND, direct));
        // What was sent to the old path still arrives.
        assert!(world.sides[B].agent.may_send(relayed) && world.sides[A].agent.may_send(common_path(9)));
        world.run(60 * SECOND);
        assert!(direct(&world));
        assert!(world.sides[A].agent.may_send(common_path(9)), "warm, for when the direct path dies");
        let values =
            world.sides[A].sent.iter().filter(|(_, _, bytes)| Message::parse(bytes).unwrap().nomination().is_some());
        assert_eq!(values.count() > 0, renomination, "the value is for those that know it");
        // The direct path dies: the relay takes over.
        world.dead.insert(addr("192.0.2.1:5000"));
        assert!(world.run_until(15 * SECOND, |w| w.is_agreed()
            && w.selected(A).path.local == LocalId(9)
            && w.selected(B).remote_address == addr("198.51.100.9:49152")));
        assert!(!world.states(A).contains(&State::Failed) && !world.states(B).contains(&State::Failed));
    }
}

fn common_path(local: u32) -> peerage_base::path::Path {
    peerage_base::path::Path { local: LocalId(local), remote: addr("192.0.2.2:6000") }
}

#[test]
fn a_mapped_port_is_told_and_lets_a_symmetric_peer_in() {
    let mut world = World::new(6);
    world.sides[A].nat = Some(Nat::new(NatKind::Symmetric, "203.0.113.1"));
    world.relay(A, 9, "198.51.100.9:49152");
    world.host(A, 0, "10.0.0.1:5000");
    world.sides[B].nat = Some(Nat::new(NatKind::Cone, "203.0.113.2"));
    world.host(B, 0, "10.1.0.1:6000");
    world.exchange();
    assert!(world.run_until(5 * SECOND, World::is_connected));
    world.run(10 * SECOND);
    assert_eq!(world.selected(A).local, CandidateKind::Relayed);
    // B's router forwards 203.0.113.2:7777 from now on; here B simply is there.
    world.sides[B].nat = None;
    world.sides[B].sockets.insert(LocalId(0), addr("203.0.113.2:7777"));
    world.sides[B].agent.add_mapped(world.now, LocalId(0), addr("203.0.113.2:7777"));
    world.sides[B].agent.add_mapped(world.now, LocalId(0), addr("203.0.113.2:7777"));
    world.settle();
    let mapped: Vec<Candidate> =
        told(&world, B).into_iter().filter(|c| c.kind == CandidateKind::ServerReflexive).collect();
    assert_eq!(mapped.len(), 1, "told once");
    assert_eq!(mapped[0].related, Some(addr("10.1.0.1:6000")));
    assert!(world.run_until(5 * SECOND, |w| w.is_agreed() && w.selected(A).path.local == LocalId(0)));
    assert_eq!(world.selected(A).remote_address, addr("203.0.113.2:7777"));
    world.sides[B].agent.remove_mapped(world.now, LocalId(0), addr("203.0.113.2:7777"));
    world.settle();
    let before = told(&world, B).len();
    world.sides[B].agent.restart(world.now);
    world.settle();
    assert!(told(&world, B)[before..].iter().all(|c| c.kind == CandidateKind::Host));
}

#[test]
fn mapped_addresses_of_unknown_ends_relays_and_other_families_are_ignored_and_few_are_kept() {
    let mut world = World::new(7);
    world.host(A, 0, "10.0.0.1:5000");
    world.relay(A, 9, "198.51.100.9:49152");
    let before = told(&world, A).len();
    for (id, mapped) in [(5, "203.0.113.2:1"), (9, "203.0.113.2:1"), (0, "[2001:db8::1]:1"), (0, "0.0.0.0:1")] {
        world.sides[A].agent.add_mapped(world.now, LocalId(id), addr(mapped));
    }
    world.settle();
    assert_eq!(told(&world, A).len(), before);
    for port in 1..=20 {
        world.sides[A].agent.add_mapped(world.now, LocalId(0), addr(&format!("203.0.113.2:{port}")));
    }
    world.settle();
    assert_eq!(told(&world, A).len(), before + 4);
}

#[test]
fn the_slower_pace_of_both_sides_holds_within_reason() {
    for (pacing, gap) in [(20, 50), (80, 80), (60_000, 500)] {
        let mut world = World::new(8);
        world.sides[A].agent.set_remote_pacing(Duration::from_millis(pacing));
        world.host(A, 0, "192.0.2.1:5000");
        world.tell_credentials(A);
        for port in 1..4 {
            let line = format!("candidate:{port} 1 udp {port} 198.51.100.77 {port} typ host");
            world.sides[A].agent.add_remote(world.now, Candidate::parse(&line).unwrap()).unwrap();
        }
        world.run(2 * SECOND);
        let mut first = std::collections::BTreeMap::new();
        for (at, path, _) in &world.sides[A].sent {
            first.entry(path.remote).or_insert(*at);
        }
        let mut at: Vec<_> = first.into_values().collect();
        at.sort();
        assert!(at.windows(2).all(|w| w[1].since(w[0]) == Duration::from_millis(gap)), "{at:?}");
    }
}
