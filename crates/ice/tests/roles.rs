//! Role conflicts, and lite peers.

mod common;

use common::{A, B, World, addr, config};
use peerage_base::path::{LocalId, Path};
use peerage_base::time::Duration;
use peerage_ice::config::Role;
use peerage_ice::event::{Event, State};
use peerage_stun::attribute::Attribute;
use peerage_stun::attribute::error_code::ErrorCode;
use peerage_stun::credentials::Key;
use peerage_stun::header::{Class, Method, TransactionId};
use peerage_stun::message::Message;
use peerage_stun::write::Writer;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn two_of_the_same_role_agree_on_one_each() {
    for seed in 0..10 {
        for role in [Role::Controlling, Role::Controlled] {
            let mut world = World::with(seed, config(), config(), [role, role]);
            world.host(A, 0, "192.0.2.1:5000");
            world.host(B, 0, "192.0.2.2:6000");
            world.exchange();
            world.finish_candidates();
            assert!(world.run_until(2 * SECOND, World::is_agreed), "{seed} {role:?}");
            world.run(20 * SECOND);
            assert_eq!(world.sides[A].agent.role(), world.sides[B].agent.role().opposite());
            let changes = world.sides.iter().flat_map(|side| &side.events);
            let changes = changes.filter(|(_, event)| matches!(event, Event::RoleChanged(_))).count();
            assert_eq!(changes, 1, "{seed} {role:?}");
        }
    }
}

#[test]
fn a_conflict_survives_loss() {
    for seed in 0..10 {
        let mut world = World::with(seed, config(), config(), [Role::Controlling, Role::Controlling]);
        world.loss = 300;
        world.host(A, 0, "192.0.2.1:5000");
        world.host(B, 0, "192.0.2.2:6000");
        world.exchange();
        assert!(world.run_until(15 * SECOND, World::is_agreed), "{seed}");
    }
}

#[test]
fn the_role_that_signalling_says_is_taken() {
    let mut world = World::with(1, config(), config(), [Role::Controlled, Role::Controlled]);
    world.sides[A].agent.set_role(world.now, Role::Controlling);
    world.host(A, 0, "192.0.2.1:5000");
    world.host(B, 0, "192.0.2.2:6000");
    world.exchange();
    assert!(world.run_until(SECOND, World::is_agreed));
    assert_eq!((world.sides[A].agent.role(), world.sides[B].agent.role()), (Role::Controlling, Role::Controlled));
}

/// A lite peer: answers every check, sends none.
#[test]
fn a_lite_peer_that_only_answers_is_connected_to() {
    let mut world = World::with(2, config(), config(), [Role::Controlled, Role::Controlled]);
    world.host(A, 0, "192.0.2.1:5000");
    let lite = World::new(77).sides[B].agent.local_credentials().clone();
    let key = Key::short_term(&lite.pwd);
    world.sides[A].agent.set_remote_lite(true);
    world.sides[A].agent.set_role(world.now, Role::Controlled);
    assert_eq!(world.sides[A].agent.role(), Role::Controlling, "a lite peer cannot control");
    world.sides[A].agent.set_remote_credentials(world.now, lite).unwrap();
    world.sides[A]
        .agent
        .add_remote(world.now, "candidate:1 1 udp 1 198.51.100.5 7000 typ host".parse().unwrap())
        .unwrap();
    world.settle();
    let (mut answered, mut nominations) = (0, 0);
    for _ in 0..40 {
        while let Some((_, path, bytes)) = world.sides[A].sent.get(answered).cloned() {
            answered += 1;
            let request = Message::parse(&bytes).unwrap();
            nominations += u32::from(request.use_candidate());
            assert!(request.check_integrity(&key).is_some() && request.controlling().is_some());
            let mut buf = [0; 100];
            let mut writer = Writer::new(&mut buf, Class::Success, Method::BINDING, request.transaction_id());
            writer.attribute(&Attribute::XorMappedAddress(addr("192.0.2.1:5000"))).unwrap();
            writer.integrity(&key).unwrap().fingerprint().unwrap();
            let len = writer.finish();
            world.deliver(A, path, &mut buf[..len]);
            world.settle();
        }
        world.run(Duration::from_millis(500));
    }
    assert_eq!(world.state(A), State::Connected);
    assert!(world.selected(A).nominated && nominations >= 1);
}

/// A request as `theirs` would send it to `agent`.
fn request(world: &World, side: usize, write: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let ours = world.sides[side].agent.local_credentials();
    let theirs = world.sides[1 - side].agent.local_credentials();
    let mut buf = [0; 400];
    let mut writer = Writer::new(&mut buf, Class::Request, Method::BINDING, TransactionId([9; 12]));
    writer.attribute(&Attribute::Username(&format!("{}:{}", ours.ufrag, theirs.ufrag))).unwrap();
    write(&mut writer);
    writer.integrity(&Key::short_term(&ours.pwd)).unwrap().fingerprint().unwrap();
    let len = writer.finish();
    buf[..len].to_vec()
}

#[test]
fn the_larger_tie_breaker_keeps_its_role() {
    let path = Path { local: LocalId(0), remote: addr("192.0.2.2:6000") };
    for (role, theirs, keeps) in [
        (Role::Controlling, 0, true),
        (Role::Controlling, u64::MAX, false),
        (Role::Controlled, 0, false),
        (Role::Controlled, u64::MAX, true),
    ] {
        let mut world = World::with(3, config(), config(), [role, role]);
        world.host(A, 0, "192.0.2.1:5000");
        let tie_breaker = match role {
            Role::Controlling => Attribute::IceControlling(theirs),
            Role::Controlled => Attribute::IceControlled(theirs),
        };
        let mut bytes = request(&world, A, |w| {
            w.attribute(&Attribute::Priority(1)).unwrap().attribute(&tie_breaker).unwrap();
        });
        world.deliver(A, path, &mut bytes);
        world.settle();
        let (_, to, answer) = world.sides[A].sent.pop().unwrap();
        let answer = Message::parse(&answer).unwrap();
        assert_eq!(to, path);
        assert!(answer.check_integrity(&Key::short_term(&world.sides[A].agent.local_credentials().pwd)).is_some());
        // The controlled side that has the larger number switches, the controlling one stays (RFC 8445 §7.3.1.1).
        let switches = match role {
            Role::Controlling => !keeps,
            Role::Controlled => theirs == 0,
        };
        assert_eq!(world.sides[A].agent.role() != role, switches, "{role:?} {theirs}");
        assert_eq!(answer.class() == Class::Error, !switches);
        assert_eq!(answer.error_code().map(|e| e.code), (!switches).then_some(487));
    }
}

#[test]
fn a_487_switches_the_role_and_the_tie_breaker_once() {
    let mut world = World::with(5, config(), config(), [Role::Controlling, Role::Controlled]);
    world.host(A, 0, "192.0.2.1:5000");
    world.host(B, 0, "192.0.2.2:6000");
    world.tell_credentials(A);
    world.loss = 1000;
    world.run(Duration::from_millis(510));
    let (_, path, first) = world.sides[A].sent[0].clone();
    let before = Message::parse(&first).unwrap().controlling().unwrap();
    let mut buf = [0; 200];
    let mut writer =
        Writer::new(&mut buf, Class::Error, Method::BINDING, Message::parse(&first).unwrap().transaction_id());
    writer.attribute(&Attribute::ErrorCode(ErrorCode::ROLE_CONFLICT)).unwrap();
    writer.integrity(&Key::short_term(&world.sides[B].agent.local_credentials().pwd)).unwrap().fingerprint().unwrap();
    let len = writer.finish();
    for _ in 0..2 {
        world.deliver(A, path, &mut buf[..len]);
    }
    world.run(Duration::from_millis(60));
    assert_eq!(world.sides[A].agent.role(), Role::Controlled);
    let (_, to, next) = world.sides[A].sent.last().unwrap().clone();
    let next = Message::parse(&next).unwrap();
    assert_eq!(to, path);
    assert!(next.controlled().is_some_and(|tie_breaker| tie_breaker != before) && next.controlling().is_none());
    assert!(!next.use_candidate());
}

#[test]
fn a_request_without_priority_is_refused_and_an_unknown_attribute_is_named() {
    let path = Path { local: LocalId(0), remote: addr("192.0.2.2:6000") };
    let mut world = World::new(4);
    world.host(A, 0, "192.0.2.1:5000");
    let mut bytes = request(&world, A, |_| ());
    world.deliver(A, path, &mut bytes);
    let kind = peerage_stun::attribute::kind::AttributeType(0x7ABC);
    let mut bytes = request(&world, A, |w| {
        w.attribute(&Attribute::Unknown { kind, value: &[1, 2, 3] }).unwrap();
    });
    world.deliver(A, path, &mut bytes);
    world.settle();
    let codes: Vec<_> =
        world.sides[A].sent.iter().map(|(_, _, b)| Message::parse(b).unwrap().error_code().unwrap().code).collect();
    assert_eq!(codes, [400, 420]);
    let (_, _, last) = &world.sides[A].sent[1];
    let named: Vec<_> = Message::parse(last).unwrap().unknown_attributes().unwrap().iter().collect();
    assert_eq!(named, [kind]);
    assert_eq!(world.sides[A].agent.pairs().count(), 0);
}
