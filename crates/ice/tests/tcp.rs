//! TCP candidates (RFC 6544).

mod common;

use common::{A, B, World, addr, config};
use peerage_base::path::{LocalId, Path, PathChange};
use peerage_base::time::Duration;
use peerage_ice::candidate::{Candidate, CandidateKind, TcpType, Transport};
use peerage_ice::config::Role;
use peerage_ice::event::{Event, State};
use peerage_ice::stats::{PairEvent, PairState};

const SECOND: Duration = Duration::from_secs(1);

/// A has an active end, B a passive one; nothing else unless UDP is there too.
fn client_and_server(seed: u64, udp: bool) -> World {
    let mut world = World::new(seed);
    if udp {
        world.host(A, 0, "192.0.2.1:5000");
        world.host(B, 0, "192.0.2.2:6000");
    }
    world.tcp(A, 1, "192.0.2.1:9", TcpType::Active);
    world.tcp(B, 1, "192.0.2.2:443", TcpType::Passive);
    world.exchange();
    world.finish_candidates();
    world
}

fn disconnects(world: &World, side: usize) -> usize {
    world.sides[side].events.iter().filter(|(_, event)| matches!(event, Event::Disconnect(_))).count()
}

#[test]
fn an_active_end_connects_to_a_passive_one_whoever_controls() {
    for roles in [[Role::Controlling, Role::Controlled], [Role::Controlled, Role::Controlling]] {
        let mut world = World::with(1, config(), config(), roles);
        world.tcp(A, 1, "192.0.2.1:9", TcpType::Active);
        world.tcp(B, 1, "192.0.2.2:443", TcpType::Passive);
        world.exchange();
        world.finish_candidates();
        let start = world.now;
        assert!(world.run_until(5 * SECOND, World::is_agreed));
        assert!(world.now.since(start) < SECOND, "{:?}", world.now.since(start));
        assert_eq!(world.selected(A).path, Path { local: LocalId(1), remote: addr("192.0.2.2:443") });
        assert_eq!(world.selected(A).local, CandidateKind::Host, "a port of its own makes no other candidate");
        assert_eq!(world.selected(B).remote, CandidateKind::PeerReflexive);
        assert_eq!(world.selected(B).remote_address.ip(), addr("192.0.2.1:1").ip());
        assert_eq!(world.connects.len(), 1);
        world.run(120 * SECOND);
        assert_eq!((world.state(A), world.state(B)), (State::Completed, State::Completed));
        assert_eq!((world.connects.len(), world.streams()), (1, 1));
        assert!(world.sides[A].agent.pairs().all(|pair| pair.tcp));
    }
}

#[test]
fn candidates_say_who_opens_and_active_ones_have_port_nine() {
    let mut world = World::new(2);
    world.trickle = None;
    world.tcp(A, 0, "192.0.2.1:50123", TcpType::Active);
    world.tcp(A, 1, "192.0.2.1:443", TcpType::Passive);
    world.tcp(A, 2, "192.0.2.1:444", TcpType::SimultaneousOpen);
    let lines: Vec<String> = world.sides[A].outbox.iter().map(ToString::to_string).collect();
    assert!(
        lines[0].contains(" tcp 1524629") && lines[0].contains(" 192.0.2.1 9 typ host tcptype active"),
        "{lines:?}"
    );
    assert!(lines[1].contains(" 192.0.2.1 443 typ host tcptype passive"), "{lines:?}");
    assert!(lines[2].contains(" 192.0.2.1 444 typ host tcptype so"), "{lines:?}");
    let foundations: std::collections::BTreeSet<_> = world.sides[A].outbox.iter().map(|c| &c.foundation).collect();
    assert_eq!(foundations.len(), 3);
}

#[test]
fn ends_are_paired_by_the_table_of_rfc_6544() {
    use TcpType::{Active, Passive, SimultaneousOpen};
    for (local, remote, paired) in [
        (Active, Passive, true),
        (SimultaneousOpen, SimultaneousOpen, true),
        // Waits for the peer to connect.
        (Passive, Active, false),
        (Active, Active, false),
        (Passive, Passive, false),
        (Active, SimultaneousOpen, false),
        (SimultaneousOpen, Passive, false),
    ] {
        let mut world = World::new(3);
        world.tcp(A, 0, "192.0.2.1:443", local);
        world.host(A, 1, "192.0.2.1:443");
        world.tell_credentials(A);
        let line = format!("candidate:1 1 tcp 1518280447 192.0.2.9 443 typ host tcptype {}", remote.token());
        world.sides[A].agent.add_remote(world.now, Candidate::parse(&line).unwrap()).unwrap();
        assert_eq!(world.sides[A].agent.pairs().count(), usize::from(paired), "{local:?} {remote:?}");
        assert_eq!(world.sides[A].agent.report().remote.tcp, 1);
    }
}

#[test]
fn simultaneous_opens_become_one_connection() {
    let mut world = World::new(4);
    world.tcp(A, 0, "192.0.2.1:7000", TcpType::SimultaneousOpen);
    world.tcp(B, 0, "192.0.2.2:7001", TcpType::SimultaneousOpen);
    world.exchange();
    world.finish_candidates();
    assert!(world.run_until(5 * SECOND, World::is_agreed));
    assert_eq!(world.streams(), 1);
    assert_eq!(world.selected(A).remote, CandidateKind::Host);
    world.run(60 * SECOND);
    assert!(world.is_agreed());
}

#[test]
fn udp_is_preferred_and_the_connection_closed_unless_it_is_kept_as_a_backup() {
    for (backups, streams) in [(0, 0), (2, 1)] {
        let mut few = config();
        few.backups = backups;
        let mut world = World::with(5, few.clone(), few, [Role::Controlling, Role::Controlled]);
        world.host(A, 0, "192.0.2.1:5000");
        world.host(B, 0, "192.0.2.2:6000");
        world.tcp(A, 1, "192.0.2.1:9", TcpType::Active);
        world.tcp(B, 1, "192.0.2.2:443", TcpType::Passive);
        world.exchange();
        world.finish_candidates();
        assert!(world.run_until(SECOND, World::is_agreed));
        assert_eq!(world.selected(A).path.local, LocalId(0));
        world.run(30 * SECOND);
        assert_eq!(world.streams(), streams);
        assert!(disconnects(&world, A) + disconnects(&world, B) >= 1 - streams);
    }
}

#[test]
fn tcp_takes_over_where_udp_is_blocked_and_when_udp_dies() {
    let mut world = World::new(6);
    world.no_udp = true;
    world.host(A, 0, "192.0.2.1:5000");
    world.host(B, 0, "192.0.2.2:6000");
    world.tcp(A, 1, "192.0.2.1:9", TcpType::Active);
    world.tcp(B, 1, "192.0.2.2:443", TcpType::Passive);
    world.exchange();
    world.finish_candidates();
    let start = world.now;
    assert!(world.run_until(5 * SECOND, World::is_agreed));
    assert!(world.now.since(start) < SECOND, "{:?}", world.now.since(start));
    assert_eq!(world.selected(B).path.local, LocalId(1));

    let mut world = client_and_server(7, true);
    world.run(20 * SECOND);
    assert_eq!(world.selected(A).path.local, LocalId(0));
    world.no_udp = true;
    let moved = |w: &World| w.is_agreed() && [A, B].iter().all(|side| w.selected(*side).path.local == LocalId(1));
    assert!(world.run_until(15 * SECOND, moved));
}

#[test]
fn checks_over_tcp_are_sent_once() {
    let mut patient = config();
    patient.connect_timeout = 100 * SECOND;
    let mut world = World::with(8, config(), patient, [Role::Controlling, Role::Controlled]);
    world.tcp(A, 1, "192.0.2.1:9", TcpType::Active);
    world.tcp(B, 1, "192.0.2.2:443", TcpType::Passive);
    // What A knows is somebody else's: B accepts the connection and answers nothing.
    let other = World::new(99).sides[B].agent.local_credentials().clone();
    world.sides[A].agent.set_remote_credentials(world.now, other).unwrap();
    let line = "candidate:1 1 tcp 1518280447 192.0.2.2 443 typ host tcptype passive";
    world.sides[A].agent.add_remote(world.now, Candidate::parse(line).unwrap()).unwrap();
    let start = world.now;
    world.run(120 * SECOND);
    assert_eq!(world.sides[A].sent.len(), 1);
    let pair = world.sides[A].agent.pairs().next().unwrap();
    assert_eq!((pair.state, pair.last), (PairState::Failed, PairEvent::TimedOut));
    assert!(pair.last_at.since(start) >= Duration::from_millis(39_500));
    assert_eq!(disconnects(&world, A), 1);
    assert_eq!(world.streams(), 0);
}

#[test]
fn connections_that_are_refused_or_never_answered_fail_and_few_are_opened_at_once() {
    let mut world = World::new(9);
    world.tcp(A, 1, "192.0.2.1:9", TcpType::Active);
    world.tell_credentials(A);
    for port in 1..=20 {
        let line = format!("candidate:{port} 1 tcp 1518280447 198.51.100.7 {port} typ host tcptype passive");
        world.sides[A].agent.add_remote(world.now, Candidate::parse(&line).unwrap()).unwrap();
        world.dead.insert(addr(&format!("198.51.100.7:{port}")));
    }
    world.dead.remove(&addr("198.51.100.7:20"));
    world.run(2 * SECOND);
    assert_eq!(world.connects.len(), config().max_connecting + 1, "one was refused, which makes room");
    world.run(60 * SECOND);
    assert_eq!(world.connects.len(), 20);
    assert_eq!(disconnects(&world, A), 19, "what did not answer is taken back");
    let report = world.sides[A].agent.report();
    assert_eq!((report.connects, report.connects_failed, report.pairs.failed), (20, 20, 20));
    assert!(world.sides[A].sent.is_empty());
}

#[test]
fn a_connection_that_breaks_is_opened_again_and_not_for_ever() {
    let mut world = client_and_server(10, false);
    assert!(world.run_until(SECOND, World::is_agreed));
    for round in 2..=3 {
        world.run(10 * SECOND);
        world.cut_streams();
        assert!(world.run_until(5 * SECOND, World::is_agreed), "round {round}");
        assert_eq!(world.connects.len(), round);
        assert!(world.run_until(5 * SECOND, |w| w.state(A) == State::Completed));
    }
    world.run(10 * SECOND);
    world.cut_streams();
    world.run(60 * SECOND);
    assert_eq!(world.connects.len(), 3);
    assert_eq!(world.state(A), State::Failed);
}

#[test]
fn a_restart_uses_the_connection_that_is_there() {
    let mut world = client_and_server(11, false);
    assert!(world.run_until(SECOND, World::is_agreed));
    world.run(10 * SECOND);
    let path = world.selected(A).path;
    world.sides[A].agent.restart(world.now);
    world.settle();
    world.tell_credentials(B);
    world.tell_credentials(A);
    world.finish_candidates();
    let ufrag = world.sides[A].agent.remote_credentials().unwrap().ufrag.clone();
    assert!(
        world.run_until(5 * SECOND, |w| w.is_agreed() && w.sides[A].agent.pairs().any(|p| !p.previous && p.nominated))
    );
    world.run(20 * SECOND);
    assert_eq!(world.selected(A).path, path);
    assert_eq!((world.connects.len(), world.streams()), (1, 1));
    assert_eq!(disconnects(&world, A) + disconnects(&world, B), 0);
    assert_eq!(world.sides[A].agent.remote_credentials().unwrap().ufrag, ufrag);
}

#[test]
fn accepted_connections_have_to_identify_themselves() {
    let mut world = World::new(12);
    world.tcp(B, 1, "192.0.2.2:443", TcpType::Passive);
    let start = world.now;
    for port in 0..20 {
        let remote = addr(&format!("203.0.113.5:{}", 1000 + port));
        world.sides[B].agent.handle_path(world.now, LocalId(1), Some(remote), PathChange::Up);
        world.settle();
    }
    assert_eq!(disconnects(&world, B), 20 - config().max_connecting, "no more than a few at a time");
    assert!(world.run_until(20 * SECOND, |w| disconnects(w, B) == 20));
    assert_eq!(world.now.since(start), config().connect_timeout);
    assert_eq!(world.sides[B].agent.pairs().count(), 0);
}

#[test]
fn removing_the_end_and_closing_the_agent_close_the_connection() {
    for close in [false, true] {
        let mut world = client_and_server(13, true);
        assert!(world.run_until(SECOND, |w| w.is_agreed() && w.streams() == 1));
        if close {
            world.sides[A].agent.close(world.now);
        } else {
            world.sides[A].agent.remove_local(world.now, LocalId(1));
        }
        world.settle();
        assert_eq!(world.streams(), 0);
        world.run(SECOND);
        let failed = world.sides[B].agent.pairs().find(|pair| pair.tcp).map(|pair| pair.state);
        assert!(failed.is_none_or(|state| state == PairState::Failed));
    }
}

#[test]
fn one_address_for_udp_and_tcp_makes_two_candidates_and_a_mapped_port_is_told() {
    let mut world = World::new(14);
    world.host(A, 0, "192.0.2.1:5000");
    world.tcp(A, 1, "192.0.2.1:9", TcpType::Active);
    world.tell_credentials(A);
    for protocol in ["udp", "tcp"] {
        let tail = if protocol == "tcp" { " tcptype passive" } else { "" };
        let line = format!("candidate:1 1 {protocol} 1000 192.0.2.2 443 typ host{tail}");
        world.sides[A].agent.add_remote(world.now, Candidate::parse(&line).unwrap()).unwrap();
    }
    assert_eq!(world.sides[A].agent.pairs().count(), 2);

    world.trickle = None;
    world.tcp(B, 1, "10.0.0.2:443", TcpType::Passive);
    world.sides[B].outbox.clear();
    world.sides[B].agent.add_mapped(world.now, LocalId(1), addr("203.0.113.2:4443"));
    world.settle();
    let told = &world.sides[B].outbox[0];
    assert_eq!(told.transport, Transport::Tcp(TcpType::Passive));
    assert_eq!((told.kind, told.socket_addr()), (CandidateKind::ServerReflexive, Some(addr("203.0.113.2:4443"))));
    assert_eq!(told.related, Some(addr("10.0.0.2:443")));
}
