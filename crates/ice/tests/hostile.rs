//! Packets and operations that nobody means well with.

mod common;

use common::{A, B, SERVER, World, addr, config};
use peerage_base::path::{LocalId, Path, PathChange};
use peerage_base::time::Duration;
use peerage_ice::candidate::Candidate;
use peerage_ice::config::{Nomination, Role};
use peerage_ice::credentials::Credentials;
use peerage_ice::error::Misuse;
use peerage_ice::event::{Event, NeedId, State};
use peerage_ice::stats::PairState;
use peerage_stun::attribute::Attribute;
use peerage_stun::attribute::error_code::ErrorCode;
use peerage_stun::credentials::Key;
use peerage_stun::header::{Class, Method, TransactionId};
use peerage_stun::message::Message;
use peerage_stun::write::Writer;
use proptest::prelude::*;

const SECOND: Duration = Duration::from_secs(1);

/// A check of `from` to the other side, with a transaction of that number.
fn check(world: &World, from: usize, number: u64, password: &str) -> Vec<u8> {
    let ours = world.sides[from].agent.local_credentials();
    let theirs = world.sides[1 - from].agent.local_credentials();
    let mut id = [0; 12];
    id[..8].copy_from_slice(&number.to_be_bytes());
    let mut buf = [0; 400];
    let mut writer = Writer::new(&mut buf, Class::Request, Method::BINDING, TransactionId(id));
    writer.attribute(&Attribute::Username(&format!("{}:{}", theirs.ufrag, ours.ufrag))).unwrap();
    writer.attribute(&Attribute::Priority(1_853_824_767)).unwrap();
    writer.attribute(&Attribute::IceControlling(u64::MAX)).unwrap();
    writer.integrity(&Key::short_term(password)).unwrap().fingerprint().unwrap();
    let len = writer.finish();
    buf[..len].to_vec()
}

#[test]
fn a_check_with_the_wrong_password_changes_nothing_and_gets_no_answer() {
    let mut world = World::connect_hosts(1);
    world.run(10 * SECOND);
    let mut forged = check(&world, A, 1, "not the password of the other side");
    // What an attacker might reflect: authenticated, but by the password of the wrong side.
    let mut reflected = check(&world, A, 1, &world.sides[A].agent.local_credentials().pwd);
    let (deadline, sent) = (world.sides[B].agent.poll_timeout(), world.sides[B].sent.len());
    for port in 1..1000 {
        let path = Path { local: LocalId(0), remote: addr(&format!("203.0.113.66:{port}")) };
        world.deliver(B, path, &mut forged);
        world.deliver(B, path, &mut reflected);
    }
    world.settle();
    let side = &world.sides[B];
    assert_eq!((side.agent.poll_timeout(), side.sent.len()), (deadline, sent));
    assert_eq!((side.agent.pairs().count(), side.agent.remote_candidates().count()), (1, 1));
    assert_eq!(side.agent.stats().integrity, 2 * 999);
}

#[test]
fn every_flipped_bit_of_a_check_or_of_an_answer_is_noticed() {
    let mut world = World::connect_hosts(2);
    world.run(Duration::from_millis(11));
    let packets: Vec<(Path, Vec<u8>)> =
        world.sides[A].sent.iter().map(|(_, path, bytes)| (*path, bytes.clone())).collect();
    assert!(packets.len() >= 2);
    let mut fresh = World::connect_hosts(2);
    fresh.run(Duration::from_millis(1));
    assert_eq!(fresh.sides[B].sent.len(), 1, "a check that waits for the answer among the packets");
    let before =
        fresh.sides[B].agent.pairs().map(|pair| (pair.requests_received, pair.responses_received)).collect::<Vec<_>>();
    for (_, bytes) in packets {
        for bit in 0..bytes.len() * 8 {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            fresh.deliver(B, Path { local: LocalId(0), remote: addr("192.0.2.1:5000") }, &mut bytes);
        }
    }
    let after =
        fresh.sides[B].agent.pairs().map(|pair| (pair.requests_received, pair.responses_received)).collect::<Vec<_>>();
    assert_eq!(before, after);
}

#[test]
fn an_authenticated_peer_that_floods_from_everywhere_is_bounded() {
    let mut world = World::connect_hosts(3);
    world.run(10 * SECOND);
    let password = world.sides[B].agent.local_credentials().pwd.clone();
    for number in 0..5_000u64 {
        let mut bytes = check(&world, A, number, &password);
        let remote = addr(&format!("203.0.{}.{}:{}", number / 250 % 250, number % 250 + 1, 1000 + number));
        world.deliver(B, Path { local: LocalId(0), remote }, &mut bytes);
        if number % 10 == 0 {
            world.settle();
        }
        if number % 100 == 0 {
            world.run(Duration::from_millis(20));
        }
        let agent = &world.sides[B].agent;
        assert!(agent.pairs().count() <= 100);
        assert!(agent.remote_candidates().count() <= 1 + config().max_peer_reflexive);
    }
    world.run(10 * SECOND);
    assert!(world.is_agreed());
    assert_eq!(world.selected(B).remote_address, addr("192.0.2.1:5000"));
}

#[test]
fn a_repeated_check_is_answered_and_does_no_more() {
    let mut world = World::connect_hosts(4);
    world.run(10 * SECOND);
    let password = world.sides[B].agent.local_credentials().pwd.clone();
    let mut bytes = check(&world, A, 7, &password);
    let path = Path { local: LocalId(0), remote: addr("192.0.2.1:5000") };
    let sent = world.sides[B].sent.len();
    for _ in 0..3 {
        world.deliver(B, path, &mut bytes);
    }
    world.settle();
    assert_eq!(world.sides[B].sent.len(), sent + 3);
    let answers: Vec<_> = world.sides[B].sent[sent..].iter().map(|(_, _, bytes)| bytes.clone()).collect();
    assert!(answers.windows(2).all(|w| w[0] == w[1]));
    assert_eq!(world.sides[B].agent.pairs().count(), 1);
}

#[test]
fn more_requests_than_can_be_answered_are_dropped() {
    let mut world = World::connect_hosts(5);
    world.run(10 * SECOND);
    let password = world.sides[B].agent.local_credentials().pwd.clone();
    let mut bytes = check(&world, A, 7, &password);
    let sent = world.sides[B].sent.len();
    for _ in 0..1000 {
        world.deliver(B, Path { local: LocalId(0), remote: addr("192.0.2.1:5000") }, &mut bytes);
    }
    world.settle();
    assert_eq!(world.sides[B].sent.len() - sent, config().max_responses);
    assert_eq!(world.sides[B].agent.stats().limit, 1000 - config().max_responses as u64);
}

#[test]
fn an_answer_from_elsewhere_fails_the_pair() {
    let mut world = World::new(6);
    world.host(A, 0, "192.0.2.1:5000");
    world.host(B, 0, "192.0.2.2:6000");
    world.exchange();
    world.run(Duration::from_millis(2));
    let (_, _, request) = world.sides[A].sent.last().unwrap().clone();
    let password = world.sides[B].agent.local_credentials().pwd.clone();
    let mut buf = [0; 100];
    let mut id = [0; 12];
    id.copy_from_slice(&request[8..20]);
    let mut writer = Writer::new(&mut buf, Class::Success, Method::BINDING, TransactionId(id));
    writer.attribute(&Attribute::XorMappedAddress(addr("192.0.2.1:5000"))).unwrap();
    writer.integrity(&Key::short_term(&password)).unwrap().fingerprint().unwrap();
    let len = writer.finish();
    world.deliver(A, Path { local: LocalId(0), remote: addr("192.0.2.2:6001") }, &mut buf[..len]);
    assert_eq!(world.sides[A].agent.stats().asymmetric, 1);
    assert!(world.sides[A].agent.selected().is_none());
}

/// An answer to the request, authenticated with the password.
fn answer(request: &[u8], class: Class, password: &str, attribute: &Attribute<'_>) -> Vec<u8> {
    let mut buf = [0; 200];
    let mut id = [0; 12];
    id.copy_from_slice(&request[8..20]);
    let mut writer = Writer::new(&mut buf, class, Method::BINDING, TransactionId(id));
    writer.attribute(attribute).unwrap();
    writer.integrity(&Key::short_term(password)).unwrap().fingerprint().unwrap();
    let len = writer.finish();
    buf[..len].to_vec()
}

#[test]
fn an_answer_with_the_wrong_password_is_dropped() {
    let mut world = World::new(8);
    world.host(A, 0, "192.0.2.1:5000");
    world.host(B, 0, "192.0.2.2:6000");
    world.exchange();
    world.run(Duration::from_millis(2));
    let (_, path, request) = world.sides[A].sent.last().unwrap().clone();
    let password = world.sides[A].agent.local_credentials().pwd.clone();
    let mapped = Attribute::XorMappedAddress(addr("192.0.2.1:5000"));
    world.deliver(A, path, &mut answer(&request, Class::Success, &password, &mapped));
    assert!(world.sides[A].agent.selected().is_none());
    assert_eq!(world.sides[A].agent.stats().integrity, 1);
    // The right one still counts.
    let password = world.sides[B].agent.local_credentials().pwd.clone();
    world.deliver(A, path, &mut answer(&request, Class::Success, &password, &mapped));
    assert!(world.sides[A].agent.selected().is_some());
}

#[test]
fn an_answer_without_an_address_fails_the_pair() {
    let mut world = World::new(9);
    world.host(A, 0, "192.0.2.1:5000");
    world.host(B, 0, "192.0.2.2:6000");
    world.exchange();
    world.run(Duration::from_millis(2));
    let (_, path, request) = world.sides[A].sent.last().unwrap().clone();
    let password = world.sides[B].agent.local_credentials().pwd.clone();
    world.deliver(A, path, &mut answer(&request, Class::Success, &password, &Attribute::Software("x")));
    assert_eq!(world.sides[A].agent.pairs().next().unwrap().state, PairState::Failed);
}

#[test]
fn forbidden_ends_consent_at_once() {
    let mut world = World::connect_hosts(10);
    world.run(Duration::from_millis(500));
    world.loss = 1000;
    world.sides[A].sent.clear();
    assert!(world.run_until(10 * SECOND, |w| !w.sides[A].sent.is_empty()));
    let (_, path, request) = world.sides[A].sent[0].clone();
    let password = world.sides[B].agent.local_credentials().pwd.clone();
    assert!(world.sides[A].agent.may_send(path));
    world.deliver(A, path, &mut answer(&request, Class::Error, &password, &Attribute::ErrorCode(ErrorCode::FORBIDDEN)));
    assert!(!world.sides[A].agent.may_send(path) && !world.sides[A].agent.is_valid_path(path));
    assert_eq!(world.state(A), State::Failed);
}

#[test]
fn a_check_after_consent_was_lost_is_not_answered_and_revives_nothing() {
    let mut world = World::connect_hosts(11);
    world.run(10 * SECOND);
    world.loss = 1000;
    assert!(world.run_until(60 * SECOND, |w| w.state(A) == State::Failed));
    world.loss = 0;
    let password = world.sides[A].agent.local_credentials().pwd.clone();
    let path = Path { local: LocalId(0), remote: addr("192.0.2.2:6000") };
    world.sides[A].sent.clear();
    let events = world.sides[A].events.len();
    let mut bytes = check(&world, B, 5, &password);
    world.deliver(A, path, &mut bytes);
    world.run(2 * SECOND);
    // An answer would be the peer's consent to a path on which nothing is taken any more.
    assert!(world.sides[A].sent.is_empty(), "{:?}", world.sides[A].sent);
    let claimed = world.sides[A].events[events..].iter().any(|(_, event)| matches!(event, Event::Claimed(_)));
    assert!(!claimed && !world.sides[A].agent.is_valid_path(path));
    assert_eq!(world.state(A), State::Failed);
}

/// One of two passwords is wrong: one side's checks are never answered, the other's are.
#[test]
fn with_one_wrong_password_of_two_both_sides_fail_after_patience() {
    for wrong in [A, B] {
        let mut world = World::new(21);
        world.host(A, 0, "192.0.2.1:5000");
        world.host(B, 0, "192.0.2.2:6000");
        for side in [A, B] {
            let mut credentials = world.sides[1 - side].agent.local_credentials().clone();
            if side == wrong {
                credentials.pwd = "0123456789abcdefghijkl".into();
            }
            world.sides[side].agent.set_remote_credentials(world.now, credentials).unwrap();
        }
        world.finish_candidates();
        let start = world.now;
        let failed = |w: &World| w.state(A) == State::Failed && w.state(B) == State::Failed;
        assert!(world.run_until(99 * SECOND, failed), "{:?}", [world.state(A), world.state(B)]);
        assert!(world.now.since(start) >= Duration::from_millis(39_500));
        let report = world.sides[wrong].agent.report();
        assert_eq!(report.checks_answered, 0);
        assert!(report.checks_received > 0 && report.checks_sent > 0);
        assert!(world.sides[1 - wrong].agent.stats().integrity > 0);
        world.run(60 * SECOND);
        assert!(failed(&world));
        // Quiet from then on but for what is bounded by the other side's own checks.
        let sent = world.sides.iter().map(|side| side.sent.len()).sum::<usize>();
        world.run(60 * SECOND);
        assert_eq!(world.sides.iter().map(|side| side.sent.len()).sum::<usize>(), sent);
        // New credentials are another matter.
        world.sides[A].agent.restart(world.now);
        world.settle();
        world.tell_credentials(B);
        world.tell_credentials(A);
        world.finish_candidates();
        assert!(world.run_until(5 * SECOND, World::is_agreed));
    }
}

/// A peer names third parties as its candidates. RFC 8445 §19.5.1 bounds that by the pairs and their checks.
#[test]
fn third_parties_get_no_more_checks_than_the_limits_say() {
    for honest in [false, true] {
        let mut world = World::new(22);
        for id in 0..4 {
            world.host(A, id, &format!("192.0.2.{}:5000", id + 1));
        }
        if honest {
            // Through a relay the peer is connected to, which keeps the search for a direct pair going.
            world.relay(B, 9, "198.51.100.9:49152");
        }
        world.exchange();
        world.run(Duration::from_millis(1));
        let victim = addr("198.51.100.77:53").ip();
        for n in 0..500u32 {
            let kind = ["host", "srflx", "prflx", "relay"][n as usize % 4];
            let line = format!("candidate:{n} 1 udp {} 198.51.100.77 {} typ {kind}", u32::MAX - n, 1 + n);
            let refused = world.sides[A].agent.add_remote(world.now, Candidate::parse(&line).unwrap());
            assert_eq!(refused.is_err(), n as usize >= config().max_remote_candidates - usize::from(honest), "{n}");
        }
        world.run(600 * SECOND);
        let sent = world.sides[A].sent.iter().filter(|(_, path, _)| path.remote.ip() == victim).collect::<Vec<_>>();
        let mut per_path = std::collections::BTreeMap::new();
        sent.iter().for_each(|(_, path, _)| *per_path.entry(*path).or_insert(0u32) += 1);
        let first = config().max_pairs as u32 * config().attempts;
        let later = 2 * config().direct_rounds;
        assert!(per_path.len() <= config().max_pairs, "{}", per_path.len());
        assert!(per_path.values().all(|count| *count <= config().attempts + if honest { later } else { 0 }));
        // A later round concerns twenty pairs at most.
        let limit = first + if honest { 20 * later } else { 0 };
        assert!(sent.len() as u32 <= limit, "{}", sent.len());
        // Never more than the pace and the retransmissions of one retransmission interval.
        let mut window = std::collections::VecDeque::new();
        for (at, _, bytes) in sent {
            assert!(bytes.len() <= 160, "{} bytes", bytes.len());
            window.push_back(*at);
            while window.front().is_some_and(|first| at.since(*first) > SECOND) {
                window.pop_front();
            }
            assert!(window.len() <= 60, "{} checks in a second", window.len());
        }
    }
}

/// Chromium checks every 48 ms while it has nothing; each check asks for one in return.
#[test]
fn a_peer_that_checks_faster_than_the_round_trip_is_still_connected_to() {
    let mut world = World::new(12);
    world.trickle = None;
    world.delay = Duration::from_millis(700);
    world.host(A, 0, "192.0.2.1:5000");
    world.host(B, 0, "192.0.2.2:6000");
    world.exchange();
    let password = world.sides[B].agent.local_credentials().pwd.clone();
    let path = Path { local: LocalId(0), remote: addr("192.0.2.1:5000") };
    for number in 0..60 {
        let mut bytes = check(&world, A, number, &password);
        world.deliver(B, path, &mut bytes);
        world.run(Duration::from_millis(48));
    }
    assert_eq!(world.state(B), State::Connected);
    let checks = world.sides[B].sent.iter().filter(|(_, _, b)| Message::parse(b).unwrap().class() == Class::Request);
    assert!(checks.count() <= 10);
}

#[test]
fn addresses_that_must_not_be_sent_to_are_refused() {
    let mut world = World::new(7);
    for address in
        ["0.0.0.0 5", "224.0.0.251 5353", "255.255.255.255 5", "192.0.2.1 0", ":: 5", "ff02::1 5", "::ffff:224.0.0.1 5"]
    {
        let candidate = Candidate::parse(&format!("candidate:1 1 udp 1 {address} typ host")).unwrap();
        assert_eq!(world.sides[A].agent.add_remote(world.now, candidate), Err(Misuse::UnusableAddress), "{address}");
    }
    let rtcp = Candidate::parse("candidate:1 2 udp 1 192.0.2.1 5 typ host").unwrap();
    assert_eq!(world.sides[A].agent.add_remote(world.now, rtcp), Err(Misuse::OtherComponent));
    let tcp = Candidate::parse("candidate:1 1 tcp 1 192.0.2.1 9 typ host tcptype active").unwrap();
    assert_eq!(world.sides[A].agent.add_remote(world.now, tcp), Ok(()));
    for port in 1..200 {
        let candidate = Candidate::parse(&format!("candidate:1 1 udp 1 192.0.2.1 {port} typ host")).unwrap();
        let answer = world.sides[A].agent.add_remote(world.now, candidate);
        assert_eq!(answer.is_err(), port > 63);
    }
    let broken = Credentials { ufrag: "a:b".into(), pwd: "x".into() };
    assert_eq!(world.sides[A].agent.set_remote_credentials(world.now, broken), Err(Misuse::BadCredentials));
}

#[derive(Clone, Debug)]
enum Op {
    Run(u64),
    Host(usize, u32),
    Relay(usize, u32),
    Remove(usize, u32),
    Server(usize),
    Tell(usize),
    Carry(usize),
    Restart(usize),
    Role(usize, bool),
    Lite(usize),
    Done(usize),
    End(usize),
    Remote(usize, u8, u16, bool),
    Supply(usize, u32, bool),
    Path(usize, u32, Option<u16>, bool),
    Junk(usize, u32, Vec<u8>),
    Replay(usize, usize, u16, Option<(usize, u8)>),
    Loss(u64),
    Close(usize),
}

fn op() -> impl Strategy<Value = Op> {
    let side = 0..2usize;
    let local = 0..5u32;
    prop_oneof![
        8 => prop_oneof![0..100u64, 100..40_000u64].prop_map(Op::Run),
        3 => (side.clone(), local.clone()).prop_map(|(s, l)| Op::Host(s, l)),
        1 => (side.clone(), local.clone()).prop_map(|(s, l)| Op::Relay(s, l)),
        1 => (side.clone(), local.clone()).prop_map(|(s, l)| Op::Remove(s, l)),
        1 => side.clone().prop_map(Op::Server),
        4 => side.clone().prop_map(Op::Tell),
        4 => side.clone().prop_map(Op::Carry),
        1 => side.clone().prop_map(Op::Restart),
        1 => (side.clone(), any::<bool>()).prop_map(|(s, r)| Op::Role(s, r)),
        1 => side.clone().prop_map(Op::Lite),
        1 => side.clone().prop_map(Op::Done),
        1 => side.clone().prop_map(Op::End),
        2 => (side.clone(), 0..4u8, 1..300u16, any::<bool>()).prop_map(|(s, h, p, n)| Op::Remote(s, h, p, n)),
        1 => (side.clone(), 0..4u32, any::<bool>()).prop_map(|(s, n, a)| Op::Supply(s, n, a)),
        1 => (side.clone(), local.clone(), proptest::option::of(0..4u16), any::<bool>()).prop_map(|(s, l, r, u)| Op::Path(s, l, r, u)),
        2 => (side.clone(), local, proptest::collection::vec(any::<u8>(), 0..80)).prop_map(|(s, l, b)| Op::Junk(s, l, b)),
        4 => (side.clone(), any::<usize>(), 0..2000u16, proptest::option::of((any::<usize>(), any::<u8>()))).prop_map(|(s, n, p, m)| Op::Replay(s, n, p, m)),
        1 => prop_oneof![Just(0), Just(300), Just(1000)].prop_map(Op::Loss),
        1 => side.prop_map(Op::Close),
    ]
}

fn apply(world: &mut World, op: Op, closes: bool) {
    let now = world.now;
    match op {
        Op::Run(millis) => world.run(Duration::from_millis(millis)),
        Op::Host(side, id) => world.host(side, id, &format!("192.0.2.{}:{}", side * 10 + 1, 5000 + id)),
        Op::Relay(side, id) => world.relay(side, id, &format!("198.51.100.9:{}", 49_000 + 10 * side as u32 + id)),
        Op::Remove(side, id) => world.sides[side].agent.remove_local(now, LocalId(id)),
        Op::Server(side) => world.sides[side].agent.add_stun_server(now, addr(SERVER)),
        Op::Tell(side) => {
            let credentials = world.sides[1 - side].agent.local_credentials().clone();
            let _ = world.sides[side].agent.set_remote_credentials(now, credentials);
        }
        Op::Carry(side) => world.carry(side),
        Op::Restart(side) => world.sides[side].agent.restart(now),
        Op::Role(side, controlling) => {
            let role = if controlling { Role::Controlling } else { Role::Controlled };
            world.sides[side].agent.set_role(now, role);
        }
        Op::Lite(side) => world.sides[side].agent.set_remote_lite(now.as_nanos().is_multiple_of(2)),
        Op::Done(side) => world.sides[side].agent.local_addresses_done(now),
        Op::End(side) => world.sides[side].agent.end_of_remote_candidates(now),
        Op::Remote(side, host, port, name) => {
            let host = if name { format!("h{host}.local") } else { format!("192.0.2.{}", 100 + host) };
            let line = format!("candidate:{} 1 udp {} {host} {port} typ srflx", port % 7, u32::from(port) << 20);
            let _ = world.sides[side].agent.add_remote(now, Candidate::parse(&line).unwrap());
        }
        Op::Supply(side, need, answer) => {
            let answer = answer.then(|| "192.0.2.200".parse().unwrap());
            world.sides[side].agent.supply(now, NeedId(need), answer);
        }
        Op::Path(side, id, remote, up) => {
            let remote = remote.map(|n| addr(&format!("192.0.2.{}:{}", (1 - side) * 10 + 1, 5000 + n)));
            let change = if up { PathChange::Up } else { PathChange::Down };
            world.sides[side].agent.handle_path(now, LocalId(id), remote, change);
        }
        Op::Junk(side, id, mut bytes) => {
            let remote = addr("192.0.2.77:7");
            world.deliver(side, Path { local: LocalId(id), remote }, &mut bytes);
        }
        Op::Replay(side, nth, port, mutation) => {
            let sent = &world.sides[1 - side].sent;
            if let Some((_, _, bytes)) = sent.get(nth % sent.len().max(1)) {
                let mut bytes = bytes.clone();
                if let Some((at, value)) = mutation {
                    let at = at % bytes.len();
                    bytes[at] = value;
                }
                let remote = addr(&format!("192.0.2.{}:{port}", 1 + port % 30));
                world.deliver(side, Path { local: LocalId(u32::from(port) % 5), remote }, &mut bytes);
            }
        }
        Op::Loss(loss) => world.loss = loss,
        Op::Close(side) if closes => world.sides[side].agent.close(now),
        Op::Close(_) => {}
    }
    world.settle();
}

fn world(seed: u64, aggressive: bool) -> World {
    let mut a = config();
    if aggressive {
        a.nomination = Nomination::Aggressive;
    }
    let mut world = World::with(seed, a, config(), [Role::Controlling, Role::Controlled]);
    world.trickle = None;
    world
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// `settle`, which ends every operation, checks that the drained machine is quiet, that no deadline lies in the past
    /// and that pairs are bounded.
    #[test]
    fn any_sequence_of_operations_is_survived_and_repeats_byte_for_byte(
        seed in 0..u64::MAX, aggressive: bool, ops in proptest::collection::vec(op(), 1..60)
    ) {
        let run = || {
            let mut world = world(seed, aggressive);
            for op in ops.clone() {
                apply(&mut world, op, true);
            }
            for side in &world.sides {
                prop_assert!(side.agent.remote_candidates().count() <= config().max_remote_candidates + config().max_peer_reflexive);
                prop_assert!(side.agent.local_candidates().count() <= 3 * config().max_locals + config().max_peer_reflexive);
            }
            Ok(world.sides.map(|side| side.sent))
        };
        let (first, second) = (run()?, run()?);
        prop_assert_eq!(first, second);
    }

    /// Whatever happened before, a restart on a network that works connects.
    #[test]
    fn a_restart_heals_whatever_happened(seed in 0..u64::MAX, ops in proptest::collection::vec(op(), 1..40)) {
        let mut world = world(seed, false);
        for op in ops {
            apply(&mut world, op, false);
        }
        world.loss = 0;
        for side in [A, B] {
            world.host(side, 20, &format!("203.0.113.{}:20", side + 1));
            world.sides[side].outbox.clear();
            world.sides[side].agent.set_remote_lite(false);
        }
        for side in [A, B] {
            world.sides[side].agent.restart(world.now);
            world.settle();
        }
        world.exchange();
        world.carry(A);
        world.carry(B);
        world.finish_candidates();
        prop_assert!(world.run_until(30 * SECOND, World::is_agreed), "{:?}", world.sides.each_ref().map(|s| s.agent.pairs().collect::<Vec<_>>()));
        world.run(20 * SECOND);
        prop_assert!(world.is_agreed());
        prop_assert!(world.sides.iter().all(|side| side.agent.state() == State::Completed), "{:?}", [world.state(A), world.state(B)]);
        prop_assert!(world.sides.iter().all(|side| side.agent.pairs().all(|pair| !pair.previous)));
        let (a, b) = (world.selected(A), world.selected(B));
        prop_assert_eq!((a.local_address, a.remote_address), (b.remote_address, b.local_address));
    }
}
