//! Two agents find each other.

mod common;

use common::{A, B, Nat, NatKind, SERVER, World, addr, config};
use peerage_base::path::LocalId;
use peerage_base::time::Duration;
use peerage_ice::candidate::{Candidate, CandidateKind};
use peerage_ice::config::{Nomination, Role};
use peerage_ice::event::{Event, GatheringState, State};
use peerage_ice::stats::PairState;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn two_hosts_connect_within_two_round_trips() {
    let mut world = World::connect_hosts(1);
    let start = world.now;
    assert!(world.run_until(5 * SECOND, World::is_connected));
    assert!(world.now.since(start) <= Duration::from_millis(50), "{:?}", world.now.since(start));
    assert!(world.run_until(5 * SECOND, World::is_agreed));
    assert!(world.now.since(start) <= Duration::from_millis(120), "{:?}", world.now.since(start));
    assert_eq!(world.selected(A).remote_address, world.selected(B).local_address);
    world.run(60 * SECOND);
    assert_eq!((world.state(A), world.state(B)), (State::Completed, State::Completed));
    assert_eq!(world.states(A), [State::Checking, State::Connected, State::Completed]);
}

#[test]
fn loopback_connects_in_a_few_milliseconds() {
    let mut world = World::new(2);
    world.delay = Duration::from_micros(50);
    for (side, port) in [(A, 5000), (B, 6000)] {
        for (id, host) in ["127.0.0.1", "192.0.2.1", "10.0.0.1"].into_iter().enumerate() {
            world.host(side, id as u32, &format!("{host}:{}", port + id));
        }
    }
    world.exchange();
    let start = world.now;
    assert!(world.run_until(SECOND, World::is_connected));
    assert!(world.now.since(start) < Duration::from_millis(10), "{:?}", world.now.since(start));
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let run = |seed| {
        let mut world = World::connect_hosts(seed);
        world.loss = 200;
        world.run(30 * SECOND);
        world.sides.map(|side| side.sent)
    };
    assert_eq!(run(3), run(3));
    assert_ne!(run(3), run(4));
}

#[test]
fn candidates_may_come_in_any_order_and_late() {
    // (credentials of A told, credentials of B told, candidates of A, candidates of B) in every order of four steps.
    let orders = [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1], [1, 3, 0, 2], [0, 2, 1, 3], [1, 0, 3, 2]];
    for order in orders {
        let mut world = World::new(5);
        world.trickle = None;
        world.host(A, 0, "192.0.2.1:5000");
        world.host(B, 0, "192.0.2.2:6000");
        for step in order {
            match step {
                0 => world.tell_credentials(A),
                1 => world.tell_credentials(B),
                2 => world.carry(A),
                _ => world.carry(B),
            }
            world.run(Duration::from_millis(700));
        }
        assert!(world.run_until(5 * SECOND, World::is_agreed), "{order:?}");
    }
}

#[test]
fn a_peer_without_any_candidate_of_ours_is_found_by_its_checks() {
    let mut world = World::new(6);
    world.trickle = None;
    world.host(A, 0, "192.0.2.1:5000");
    world.host(B, 0, "192.0.2.2:6000");
    world.exchange();
    world.carry(B);
    assert!(world.run_until(SECOND, World::is_agreed));
    assert_eq!(world.selected(B).remote, CandidateKind::PeerReflexive);
    // Signalling catches up: what was learned gets its name.
    world.carry(A);
    assert_eq!(world.selected(B).remote, CandidateKind::Host);
    assert_eq!(world.sides[B].agent.remote_candidates().count(), 1);
}

#[test]
fn checks_that_come_before_the_credentials_are_answered_and_answered_with_checks_later() {
    let mut world = World::new(7);
    world.host(A, 0, "192.0.2.1:5000");
    world.host(B, 0, "192.0.2.2:6000");
    world.tell_credentials(A);
    world.run(SECOND);
    assert!(matches!(world.state(A), State::Connected), "B answers with its own password alone");
    assert_eq!(world.state(B), State::New);
    assert!(world.sides[B].events.iter().any(|(_, event)| matches!(event, Event::Claimed(_))));
    world.tell_credentials(B);
    let start = world.now;
    assert!(world.run_until(SECOND, World::is_agreed));
    assert!(world.now.since(start) <= 2 * world.delay + Duration::from_millis(5));
}

#[test]
fn early_checks_of_somebody_else_are_forgotten() {
    let mut world = World::new(8);
    world.trickle = None;
    world.host(A, 0, "192.0.2.1:5000");
    world.host(B, 0, "192.0.2.2:6000");
    world.tell_credentials(A);
    world.carry(B);
    world.run(SECOND);
    assert_eq!(world.sides[B].agent.remote_candidates().count(), 1);
    let other = World::new(99).sides[A].agent.local_credentials().clone();
    world.sides[B].agent.set_remote_credentials(world.now, other).unwrap();
    world.settle();
    assert_eq!(world.sides[B].agent.remote_candidates().count(), 0);
    assert_eq!(world.sides[B].agent.pairs().count(), 0);
    assert!(world.sides[B].events.iter().any(|(_, event)| matches!(event, Event::Released(_))));
}

fn behind_nats(seed: u64, a: Option<NatKind>, b: Option<NatKind>) -> World {
    let mut world = World::new(seed);
    world.sides[A].nat = a.map(|kind| Nat::new(kind, "203.0.113.1"));
    world.sides[B].nat = b.map(|kind| Nat::new(kind, "203.0.113.2"));
    for side in [A, B] {
        world.sides[side].agent.add_stun_server(world.now, addr(SERVER));
    }
    world.host(A, 0, if a.is_some() { "10.0.0.1:5000" } else { "192.0.2.1:5000" });
    world.host(B, 0, if b.is_some() { "10.1.0.1:6000" } else { "192.0.2.2:6000" });
    world.exchange();
    world.finish_candidates();
    world
}

#[test]
fn two_cones_meet_by_server_reflexive_candidates() {
    let mut world = behind_nats(9, Some(NatKind::Cone), Some(NatKind::Cone));
    assert!(world.run_until(5 * SECOND, World::is_agreed));
    let selected = world.selected(A);
    assert_eq!((selected.local, selected.remote), (CandidateKind::ServerReflexive, CandidateKind::ServerReflexive));
    assert_eq!(selected.local_address.ip(), addr("203.0.113.1:1").ip());
    let gathering: Vec<GatheringState> = world.sides[A]
        .events
        .iter()
        .filter_map(|(_, e)| if let Event::GatheringState(state) = e { Some(*state) } else { None })
        .collect();
    assert_eq!(gathering, [GatheringState::Gathering, GatheringState::Complete]);
    assert_eq!(world.sides[A].agent.local_candidates().count(), 2);
}

#[test]
fn a_symmetric_nat_meets_a_cone_by_a_peer_reflexive_candidate() {
    for (a, b, prflx) in [(NatKind::Symmetric, NatKind::Cone, A), (NatKind::Cone, NatKind::Symmetric, B)] {
        let mut world = behind_nats(10, Some(a), Some(b));
        // A cone here filters by port, so that only its own packet to the very port lets the peer in.
        if let Some(nat) = &mut world.sides[1 - prflx].nat {
            nat.kind = NatKind::Cone;
        }
        let connected = world.run_until(5 * SECOND, World::is_agreed);
        assert!(!connected, "a port-restricted cone cannot know the port of a symmetric mapping");
    }
    for (a, b, prflx) in [(Some(NatKind::Symmetric), None, A), (None, Some(NatKind::Symmetric), B)] {
        let mut world = behind_nats(11, a, b);
        assert!(world.run_until(5 * SECOND, World::is_agreed));
        assert_eq!(world.selected(prflx).local, CandidateKind::PeerReflexive);
        assert_eq!(world.selected(1 - prflx).remote, CandidateKind::PeerReflexive);
    }
}

#[test]
fn a_relay_carries_what_nothing_else_does_and_is_nominated_later_than_a_direct_pair() {
    let mut world = behind_nats(12, Some(NatKind::Symmetric), Some(NatKind::Symmetric));
    world.relay(A, 9, "198.51.100.9:49152");
    let start = world.now;
    assert!(world.run_until(5 * SECOND, World::is_agreed));
    assert!(world.now.since(start) >= config().settle_relayed);
    assert_eq!((world.selected(A).local, world.selected(B).remote), (CandidateKind::Relayed, CandidateKind::Relayed));
    assert_eq!(world.selected(A).path.local, LocalId(9));
}

#[test]
fn a_direct_pair_that_appears_later_takes_over_from_the_relay() {
    let mut world = World::new(13);
    world.relay(A, 9, "198.51.100.9:49152");
    world.host(B, 0, "192.0.2.2:6000");
    world.exchange();
    assert!(world.run_until(5 * SECOND, World::is_agreed));
    assert_eq!(world.selected(A).local, CandidateKind::Relayed);
    world.run(20 * SECOND);
    world.host(A, 0, "192.0.2.1:5000");
    let direct = |w: &World| {
        w.sides.iter().all(|s| {
            s.agent
                .selected()
                .is_some_and(|s| s.nominated && s.local == CandidateKind::Host && s.remote != CandidateKind::Relayed)
        })
    };
    assert!(world.run_until(2 * SECOND, direct));
}

#[test]
fn a_third_of_loss_delays_but_does_not_prevent() {
    for seed in 0..20 {
        let mut world = World::new(100 + seed);
        world.loss = 300;
        world.host(A, 0, "192.0.2.1:5000");
        world.host(B, 0, "192.0.2.2:6000");
        world.exchange();
        world.finish_candidates();
        assert!(world.run_until(15 * SECOND, World::is_agreed), "seed {seed}");
        world.run(120 * SECOND);
        for side in [A, B] {
            assert!(!world.states(side).contains(&State::Failed), "seed {seed}: {:?}", world.states(side));
        }
    }
}

#[test]
fn an_aggressive_nominator_is_followed() {
    let mut aggressive = config();
    aggressive.nomination = Nomination::Aggressive;
    let mut world = World::with(14, aggressive, config(), [Role::Controlling, Role::Controlled]);
    for (side, port) in [(A, 5000), (B, 6000)] {
        world.host(side, 0, &format!("192.0.2.{}:{port}", side + 1));
        world.host(side, 1, &format!("[2001:db8::{}]:{port}", side + 1));
        world.host(side, 2, &format!("10.0.0.{}:{port}", side + 1));
    }
    world.exchange();
    world.finish_candidates();
    assert!(world.run_until(SECOND, World::is_agreed));
    world.run(30 * SECOND);
    assert_eq!(world.state(B), State::Completed);
    assert_eq!(world.selected(A).remote_address, world.selected(B).local_address);
    assert_eq!(world.selected(A).local_address, world.selected(B).remote_address);
    assert_eq!(world.selected(A).path.local, LocalId(0), "the highest priority");
}

#[test]
fn losing_pairs_are_dropped_and_two_backups_stay_warm() {
    let mut world = World::new(15);
    for (side, port) in [(A, 5000), (B, 6000)] {
        for id in 0..4 {
            world.host(side, id, &format!("192.0.2.{}:{port}", 10 * side as u32 + id));
        }
    }
    world.exchange();
    world.finish_candidates();
    assert!(world.run_until(SECOND, World::is_agreed));
    world.run(10 * SECOND);
    for side in [A, B] {
        assert_eq!(world.sides[side].agent.pairs().count(), 3);
        assert!(world.sides[side].agent.pairs().all(|pair| pair.state == PairState::Succeeded));
    }
    let sent = world.sides.iter().map(|side| side.sent.len()).sum::<usize>();
    world.run(60 * SECOND);
    let idle = world.sides.iter().map(|side| side.sent.len()).sum::<usize>() - sent;
    // Per side a check in 5 s and two in 15 s, and their answers: about 80 in a minute.
    assert!((60..140).contains(&idle), "{idle}");
    let claimed = |world: &World| world.sides[A].events.iter().filter(|(_, e)| matches!(e, Event::Claimed(_))).count();
    let released =
        |world: &World| world.sides[A].events.iter().filter(|(_, e)| matches!(e, Event::Released(_))).count();
    assert_eq!(claimed(&world) - released(&world), 3);
}

#[test]
fn a_check_of_the_peer_is_checked_back_before_everything_that_waits() {
    let mut world = World::new(22);
    world.trickle = None;
    world.host(A, 0, "192.0.2.1:5000");
    world.host(B, 0, "192.0.2.2:6000");
    for port in 1..40 {
        let line = format!("candidate:{port} 1 udp {} 203.0.113.200 {port} typ host", u32::MAX - port);
        world.sides[B].agent.add_remote(world.now, Candidate::parse(&line).unwrap()).unwrap();
    }
    world.exchange();
    world.carry(B);
    assert!(world.run_until(Duration::from_millis(60), |w| w.state(B) == State::Connected));
}

#[test]
fn the_first_success_frees_the_pairs_of_its_foundation() {
    let mut world = World::new(23);
    world.trickle = None;
    world.host(A, 0, "192.0.2.1:5000");
    world.host(B, 0, "192.0.2.2:6000");
    for (priority, port) in [(100, 6000), (50, 6001), (40, 6002), (30, 6003)] {
        let line = format!("candidate:1 1 udp {priority} 192.0.2.2 {port} typ host");
        world.sides[A].agent.add_remote(world.now, Candidate::parse(&line).unwrap()).unwrap();
    }
    world.exchange();
    let frozen = |w: &World| w.sides[A].agent.pairs().filter(|pair| pair.state == PairState::Frozen).count();
    world.run(Duration::from_millis(15));
    assert_eq!(frozen(&world), 3);
    assert!(world.run_until(Duration::from_millis(30), |w| w.state(A) == State::Connected));
    assert_eq!(frozen(&world), 0);
}

#[test]
fn a_hundred_pairs_are_the_limit() {
    let mut world = World::new(16);
    for id in 0..20 {
        world.host(A, id, &format!("192.0.2.{}:5000", id + 1));
    }
    world.tell_credentials(A);
    for port in 0..60 {
        let line = format!("candidate:{port} 1 udp {} 198.51.100.77 {} typ host", 1000 + port, 7000 + port);
        world.sides[A].agent.add_remote(world.now, Candidate::parse(&line).unwrap()).unwrap();
        world.settle();
        assert!(world.sides[A].agent.pairs().count() <= 100);
    }
    assert_eq!(world.sides[A].agent.pairs().count(), 100);
    world.run(60 * SECOND);
}

#[test]
fn new_transactions_are_paced() {
    let mut world = World::new(17);
    for id in 0..5 {
        world.host(A, id, &format!("192.0.2.{}:5000", id + 1));
    }
    world.tell_credentials(A);
    for port in 0..8 {
        let line = format!("candidate:{port} 1 udp {} 198.51.100.77 {} typ host", 1000 + port, 7000 + port);
        world.sides[A].agent.add_remote(world.now, Candidate::parse(&line).unwrap()).unwrap();
    }
    world.run(3 * SECOND);
    let mut first: Vec<_> = Vec::new();
    let mut ids = std::collections::BTreeSet::new();
    for (at, _, bytes) in &world.sides[A].sent {
        if ids.insert(bytes[8..20].to_vec()) {
            first.push(*at);
        }
    }
    assert_eq!(first.len(), 40);
    assert!(first.windows(2).all(|w| w[1].since(w[0]) >= Duration::from_millis(50)));
}

#[test]
fn the_turn_of_a_check_whose_end_is_gone_goes_to_the_next_end() {
    let mut world = World::new(31);
    world.host(A, 0, "192.0.2.1:5000");
    world.tell_credentials(A);
    let remote = Candidate::parse("candidate:1 1 udp 1000 198.51.100.77 7000 typ host").unwrap();
    world.sides[A].agent.add_remote(world.now, remote).unwrap();
    world.settle();
    assert_eq!(world.sides[A].sent.len(), 1, "the first check leaves at once");
    world.sides[A].agent.remove_local(world.now, LocalId(0));
    world.host(A, 1, "192.0.2.1:5001");
    world.host(A, 2, "192.0.2.1:5002");
    let locals: Vec<_> = world.sides[A].sent.iter().map(|(_, path, _)| path.local).collect();
    assert_eq!(locals, [LocalId(0), LocalId(1)], "and so does one from the next end, but no third");
}

#[test]
fn a_name_is_asked_for_and_paired_once_it_is_known() {
    let mut world = World::new(18);
    world.trickle = None;
    world.host(A, 0, "192.0.2.1:5000");
    world.host(B, 0, "192.0.2.2:6000");
    world.exchange();
    let line = "candidate:1 1 udp 2113937151 4f2c9a6e-1b1d-4c55-9a52-0d4b0ee7e5f1.local 6000 typ host";
    world.sides[A].agent.add_remote(world.now, Candidate::parse(line).unwrap()).unwrap();
    world.sides[A].agent.add_remote(world.now, Candidate::parse(line).unwrap()).unwrap();
    world.settle();
    assert_eq!(world.state(A), State::Checking);
    assert_eq!(world.sides[A].needs.len(), 1, "asked once");
    let (need, name) = world.sides[A].needs.remove(0);
    assert!(name.ends_with(".local"));
    world.sides[A].agent.supply(world.now, need, Some("192.0.2.2".parse().unwrap()));
    assert!(world.run_until(SECOND, World::is_agreed));
    world.sides[A].agent.supply(world.now, need, None);
    assert!(world.is_agreed());
}

#[test]
fn a_server_that_is_silent_is_reported_and_does_not_hold_up_gathering_for_ever() {
    let mut world = World::new(19);
    world.answers_stun = false;
    world.sides[A].agent.add_stun_server(world.now, addr(SERVER));
    world.host(A, 0, "192.0.2.1:5000");
    world.sides[A].agent.local_addresses_done(world.now);
    world.run(39 * SECOND);
    assert_eq!(world.sides[A].agent.gathering_state(), GatheringState::Gathering);
    world.run(60 * SECOND);
    assert_eq!(world.sides[A].agent.gathering_state(), GatheringState::Complete);
    let errors: Vec<u16> = world.sides[A]
        .events
        .iter()
        .filter_map(|(_, e)| if let Event::CandidateError(error) = e { Some(error.code) } else { None })
        .collect();
    assert_eq!(errors, [701]);
    assert_eq!(world.sides[A].sent.len(), 7);
    assert_eq!(world.sides[A].agent.poll_timeout(), None);
}

#[test]
fn a_mapping_is_kept_alive_while_signalling_takes_its_time_and_a_new_one_is_told() {
    let mut world = World::new(20);
    world.sides[A].nat = Some(Nat::new(NatKind::Cone, "203.0.113.1"));
    world.sides[A].agent.add_stun_server(world.now, addr(SERVER));
    world.host(A, 0, "10.0.0.1:5000");
    world.sides[A].agent.local_addresses_done(world.now);
    world.run(120 * SECOND);
    assert!((8..=10).contains(&world.sides[A].sent.len()), "{}", world.sides[A].sent.len());
    if let Some(nat) = &mut world.sides[A].nat {
        nat.reset();
    }
    world.run(20 * SECOND);
    let told = world.sides[A].events.iter().filter(|(_, e)| matches!(e, Event::LocalCandidate(_))).count();
    assert_eq!(told, 3);
    assert_eq!(world.sides[A].agent.local_candidates().count(), 2);
}

#[test]
fn families_are_not_mixed_in_a_pair() {
    let mut world = World::new(21);
    world.host(A, 0, "192.0.2.1:5000");
    world.host(A, 1, "[2001:db8::1]:5000");
    world.host(A, 2, "[fe80::1]:5000");
    world.host(B, 0, "192.0.2.2:6000");
    world.host(B, 1, "[2001:db8::2]:6000");
    world.host(B, 2, "[fe80::2]:6000");
    world.exchange();
    world.run(Duration::from_millis(20));
    for pair in world.sides[A].agent.pairs() {
        assert_eq!(pair.local_address.is_ipv4(), pair.path.remote.is_ipv4());
    }
    assert_eq!(world.sides[A].agent.pairs().count(), 3);
}
