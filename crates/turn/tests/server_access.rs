//! Who is let in by the server: RFC 8489 §9.2.4, time-limited credentials, floods of who is not.

mod server_kit;

use peerage_base::path::{LocalId, Path};
use peerage_stun::attribute::Attribute;
use peerage_stun::attribute::lists::{PasswordAlgorithm, PasswordAlgorithms};
use peerage_stun::credentials::{Algorithm, userhash};
use peerage_stun::header::{Class, Method};
use peerage_stun::write::Writer;
use peerage_turn::server::config::{Config, Secret};
use peerage_turn::server::counters::Drop;
use peerage_turn::server::event::Transport;
use server_kit::{Login, SECRET, UDP, UNIX, World, build, client, config, seconds};

const NOW: u64 = UNIX.as_secs();

fn world() -> World {
    World::new(config())
}

/// A request with exactly these attributes, sealed with SHA-1 if there is a key.
fn sealed(world: &mut World, attributes: &[Attribute<'_>], login: Option<&Login>, sha256: bool) -> Vec<u8> {
    let mut buf = vec![0; 2000];
    let mut writer = Writer::new(&mut buf, Class::Request, Method::ALLOCATE, world.next());
    for attribute in attributes {
        writer.attribute(attribute).unwrap();
    }
    match login {
        Some(login) if sha256 => _ = writer.integrity_sha256(&login.key()).unwrap(),
        Some(login) => _ = writer.integrity(&login.key()).unwrap(),
        None => {}
    }
    let len = writer.finish();
    buf.truncate(len);
    buf
}

fn code(world: &mut World, packet: &[u8]) -> u16 {
    world.give_by(Transport::Tcp, client(1), packet).1.expect("an answer").code()
}

#[test]
fn a_first_request_is_told_realm_nonce_and_algorithms_and_nothing_is_kept() {
    let mut world = world();
    let request = build(Class::Request, Method::ALLOCATE, world.next(), &[UDP], None);
    let answer = world.give(client(1), &request).1.unwrap();
    let message = answer.message();
    assert_eq!((answer.code(), message.realm()), (401, Some("x.org")));
    assert_eq!(message.password_algorithms(), Some(PasswordAlgorithms::SHA256_MD5));
    assert!(message.nonce().unwrap().starts_with("obMatJos2gAAA"), "anonymity is not offered beside secrets");
    assert!(!message.has_integrity() && message.software().is_none() && !message.has_fingerprint());
    assert_eq!(message.error_code().unwrap().reason, "");
    assert_eq!((world.server.counters().allocations, world.server.counters().refused(401)), (0, 1));
    assert_eq!(world.server.poll_timeout(), None);
}

#[test]
fn a_request_that_lacks_a_part_of_its_credentials_is_a_bad_one() {
    let mut world = world();
    let mut alice = Login::alice();
    alice.nonce = world.nonce(client(1));
    let parts = [Attribute::Username("alice"), Attribute::Realm("x.org"), Attribute::Nonce(&alice.nonce)];
    for missing in 0..3 {
        let mut attributes = vec![UDP];
        attributes.extend(parts.iter().enumerate().filter(|(at, _)| *at != missing).map(|(_, part)| *part));
        let packet = sealed(&mut world, &attributes, Some(&alice), false);
        assert_eq!(code(&mut world, &packet), 400, "{missing}");
        let packet = sealed(&mut world, &attributes, None, false);
        assert_eq!(code(&mut world, &packet), 401, "without a code nothing else counts");
    }
}

#[test]
fn md5_and_sha256_are_taken_and_answered_in_kind() {
    for algorithm in [None, Some(Algorithm::Md5), Some(Algorithm::Sha256)] {
        for login in [Login::alice(), Login::issued("room/a", NOW + 100)] {
            let mut world = world();
            let login = Login { algorithm, ..login };
            let answer = world.ask(client(1), &login, Method::ALLOCATE, &[UDP]);
            assert_eq!(answer.code(), 0, "{algorithm:?}");
            assert!(answer.is_sealed_by(&login), "{algorithm:?}");
            let answer = world.ask(client(1), &login, Method::ALLOCATE, &[UDP]);
            assert_eq!(answer.code(), 437);
            assert!(answer.is_sealed_by(&login), "{algorithm:?}");
        }
    }
}

#[test]
fn a_list_of_algorithms_that_was_tampered_with_is_refused() {
    let only_md5 = PasswordAlgorithms::from_bytes(&[0, 1, 0, 0]).unwrap();
    let other = PasswordAlgorithm { number: 9, parameters: &[] };
    let mut world = world();
    let nonce = world.nonce(client(1));
    let alice = Login { nonce: nonce.clone(), algorithm: Some(Algorithm::Sha256), ..Login::alice() };
    let (list, choice) = (Attribute::PasswordAlgorithms, Attribute::PasswordAlgorithm);
    for (extra, expected) in [
        (vec![list(only_md5), choice(PasswordAlgorithm::MD5)], 400),
        (vec![list(PasswordAlgorithms::SHA256_MD5)], 400),
        (vec![choice(PasswordAlgorithm::SHA256)], 400),
        (vec![list(PasswordAlgorithms::SHA256_MD5), choice(other)], 400),
        (vec![list(PasswordAlgorithms::SHA256_MD5), choice(PasswordAlgorithm::SHA256)], 0),
    ] {
        let mut attributes =
            vec![UDP, Attribute::Username("alice"), Attribute::Realm("x.org"), Attribute::Nonce(&nonce)];
        attributes.extend(extra);
        let packet = sealed(&mut world, &attributes, Some(&alice), true);
        assert_eq!(code(&mut world, &packet), expected, "{attributes:?}");
    }
}

#[test]
fn wrong_users_passwords_and_realms_are_not_let_in() {
    for login in [
        Login::new("alice", "wrong"),
        Login::new("mallory", "wonder"),
        Login::new("", "wonder"),
        Login::new(&"a".repeat(129), "wonder"),
        Login::new("ali\"ce", "wonder"),
        Login::new("ali ce", "wonder"),
        Login::new("al\u{ef}ce", "wonder"),
        Login::new(&format!("{}:bob", NOW + 100), "wonder"),
        Login::new("nonsense:bob", "wonder"),
    ] {
        let mut world = world();
        let answer = world.ask(client(1), &login, Method::ALLOCATE, &[UDP]);
        assert_eq!(answer.code(), 401, "{login:?}");
        assert!(answer.message().nonce().is_some() && answer.message().realm().is_some());
        assert_eq!(world.server.counters().allocations, 0);
    }
    let mut other_realm = config();
    other_realm.realm = "y.org".into();
    assert_eq!(World::new(other_realm).ask(client(1), &Login::alice(), Method::ALLOCATE, &[UDP]).code(), 401);
    assert_eq!(World::new(Config::default()).ask(client(1), &Login::alice(), Method::ALLOCATE, &[UDP]).code(), 401);
}

#[test]
fn a_forged_request_fails_whatever_bit_is_changed() {
    let mut world = world();
    let alice = Login::alice();
    let id = world.id();
    let valid = world.request(client(1), &alice, Method::REFRESH, id, &[Attribute::Lifetime(0)]);
    let unallocated = code(&mut world, &valid);
    assert_eq!(unallocated, 437);
    world.allocate(client(1), &alice);
    for at in 0..valid.len() * 8 {
        let mut forged = valid.clone();
        forged[at / 8] ^= 1 << (at % 8);
        let (forward, answer) = world.give_by(Transport::Tcp, client(1), &forged);
        assert_eq!(forward, None);
        assert!(answer.is_none_or(|answer| answer.code() != 0), "bit {at}");
        assert_eq!(world.server.counters().allocations, 1, "bit {at}");
    }
    assert_eq!(code(&mut world, &valid), 0);
}

#[test]
fn a_nonce_goes_stale_after_an_hour_and_is_nobody_elses() {
    let mut world = world();
    let mut alice = Login::alice();
    alice.nonce = world.nonce(client(1));
    let answer = world.ask(client(2), &alice, Method::ALLOCATE, &[UDP]);
    assert_eq!(answer.code(), 438, "replayed from elsewhere");
    assert_eq!(answer.message().realm(), Some("x.org"));
    assert_eq!(answer.message().password_algorithms(), Some(PasswordAlgorithms::SHA256_MD5));
    let fresh = answer.message().nonce().unwrap().to_owned();
    assert_eq!(world.ask(client(2), &Login { nonce: fresh, ..alice.clone() }, Method::ALLOCATE, &[UDP]).code(), 0);
    world.wait(seconds(3600));
    assert_eq!(world.ask(client(1), &alice, Method::ALLOCATE, &[UDP]).code(), 0);
    world.wait(seconds(1));
    assert_eq!(world.refresh(client(1), &alice, 600).code(), 438);
    for made_up in ["x", "obMatJos2gAAA", "obMatJos2gAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
        assert_eq!(world.refresh(client(1), &Login { nonce: made_up.into(), ..alice.clone() }, 600).code(), 438);
    }
}

#[test]
fn servers_of_a_fleet_take_each_others_nonces() {
    let mut fleet = config();
    fleet.nonce_key = Some(Secret::from("shared"));
    let (mut one, mut two) = (World::new(fleet.clone()), World::new(fleet));
    let alice = Login { nonce: one.nonce(client(1)), ..Login::alice() };
    assert_eq!(two.ask(client(1), &alice, Method::ALLOCATE, &[UDP]).code(), 0);
    assert_eq!(World::new(config()).ask(client(1), &alice, Method::ALLOCATE, &[UDP]).code(), 438);
}

#[test]
fn what_follows_the_integrity_is_not_read() {
    let (mut world, alice) = (world(), Login::alice());
    world.allocate(client(1), &alice);
    let id = world.id();
    let mut packet = world.request(client(1), &alice, Method::CREATE_PERMISSION, id, &[]);
    let tail = build(
        Class::Request,
        Method::CREATE_PERMISSION,
        id,
        &[Attribute::XorPeerAddress("9.9.9.9:1".parse().unwrap())],
        None,
    );
    packet.extend(&tail[20..]);
    let len = (packet.len() - 20) as u16;
    packet[2..4].copy_from_slice(&len.to_be_bytes());
    assert_eq!(code(&mut world, &packet), 400, "there is no peer");
    assert_eq!(world.send(client(1), "9.9.9.9:1", b"x"), None);
}

#[test]
fn a_user_may_show_a_hash_where_all_users_are_known() {
    let mut known = config();
    known.secrets.clear();
    let mut world = World::new(known);
    let alice = Login { nonce: world.nonce(client(1)), algorithm: Some(Algorithm::Sha256), ..Login::alice() };
    assert!(alice.nonce.starts_with("obMatJos2wAAA"));
    let ask = |world: &mut World, user: &str| {
        let hash = userhash(user, "x.org");
        let attributes = [
            UDP,
            Attribute::Userhash(&hash),
            Attribute::Realm("x.org"),
            Attribute::Nonce(&alice.nonce),
            Attribute::PasswordAlgorithms(PasswordAlgorithms::SHA256_MD5),
            Attribute::PasswordAlgorithm(PasswordAlgorithm::SHA256),
        ];
        let packet = sealed(world, &attributes, Some(&alice), true);
        code(world, &packet)
    };
    assert_eq!(ask(&mut world, "mallory"), 401);
    assert_eq!(ask(&mut world, "alice"), 0);
}

#[test]
fn either_of_two_secrets_signs_while_they_rotate() {
    let mut rotating = config();
    rotating.secrets.insert(0, Secret::from("the next secret"));
    let old = Login::issued("room/a", NOW + 100);
    let (user, password) = peerage_turn::server::credentials::issue(b"the next secret", "room/a", NOW + 100);
    let new = Login::new(&user, &password);
    let mut world = World::new(rotating);
    world.allocate(client(1), &old);
    world.allocate(client(2), &new);
    let mut rotated = config();
    rotated.secrets = vec![Secret::from("the next secret")];
    let mut world = World::new(rotated);
    world.allocate(client(2), &new);
    assert_eq!(world.ask(client(1), &old, Method::ALLOCATE, &[UDP]).code(), 401);
}

#[test]
fn issued_credentials_are_those_of_other_implementations() {
    let (user, password) = peerage_turn::server::credentials::issue(b"north", "alice", 1_700_000_000);
    assert_eq!(user, "1700000000:alice");
    // printf 1700000000:alice | openssl dgst -sha1 -hmac north -binary | base64
    assert_eq!(password, "Cd/49soE35ICqcJF/bCTn8Z4OyE=");
}

#[test]
fn credentials_of_a_room_are_good_until_they_expire_or_as_long_as_it_is_live() {
    let (mut world, room) = (world(), Login::issued("room/a", NOW + 300));
    let answer = world.ask(client(1), &room, Method::ALLOCATE, &[UDP, Attribute::Lifetime(3600)]);
    assert_eq!((answer.code(), answer.lifetime()), (0, 300), "no longer than the credentials");
    world.wait(seconds(200));
    assert_eq!(world.refresh(client(1), &room, 3600).lifetime(), 100);
    world.server.set_live(world.now, "room/a", UNIX + seconds(1000));
    assert_eq!(world.refresh(client(1), &room, 3600).lifetime(), 800, "live beyond the expiry");
    world.wait(seconds(300));
    world.allocate(client(2), &room);
    assert_eq!(world.server.counters().allocations, 2);
    world.wait(seconds(500));
    assert_eq!(world.server.counters().allocations, 0, "not beyond what is live");
    assert_eq!(world.ask(client(1), &room, Method::ALLOCATE, &[UDP]).code(), 401);
    assert_eq!(world.server.poll_timeout(), None);
}

#[test]
fn a_name_that_is_live_for_a_shorter_time_shortens_what_it_has() {
    let (mut world, room) = (world(), Login::issued("room/a", NOW + 10_000));
    world.allocate(client(1), &room);
    let other = Login::issued("room/b", NOW + 10_000);
    world.allocate(client(2), &other);
    world.server.set_live(world.now, "room/a", UNIX + seconds(60));
    world.wait(seconds(60));
    assert_eq!(world.server.counters().allocations, 1);
    world.server.set_live(world.now, "room/b", UNIX);
    assert_eq!(world.server.counters().allocations, 0);
    world.allocate(client(2), &other);
}

#[test]
fn a_revoked_name_loses_everything_and_gets_nothing() {
    let (mut world, room) = (world(), Login::issued("room/a", NOW + 200_000));
    let other = Login::issued("room/ab", NOW + 10_000);
    world.ask(client(1), &room, Method::ALLOCATE, &[UDP, Attribute::EvenPort { reserve: true }]);
    world.allocate(client(2), &room);
    world.allocate(client(3), &other);
    world.server.revoke(world.now, "room/a");
    world.drive();
    assert_eq!((world.sockets.len(), world.server.counters().revoked), (1, 2));
    assert_eq!(world.ask(client(1), &room, Method::ALLOCATE, &[UDP]).code(), 401);
    world.server.set_live(world.now, "room/a", UNIX + seconds(100));
    world.allocate(client(1), &room);
    world.server.revoke(world.now, "room/a");
    world.wait(seconds(24 * 3600));
    world.allocate(client(1), &room);
}

#[test]
fn credentials_of_others_start_nothing_after_their_expiry_but_go_on_for_one_longest_lifetime() {
    let (mut world, bob) = (world(), Login::issued("bob", NOW + 100));
    let answer = world.ask(client(1), &bob, Method::ALLOCATE, &[UDP, Attribute::Lifetime(3600)]);
    assert_eq!(answer.lifetime(), 3600);
    world.wait(seconds(100));
    assert_eq!(world.ask(client(2), &bob, Method::ALLOCATE, &[UDP]).code(), 401);
    assert_eq!(world.permit(client(1), &bob, &["9.9.9.9:1"]), 0);
    world.wait(seconds(3000));
    assert_eq!(world.refresh(client(1), &bob, 3600).lifetime(), 600);
    world.wait(seconds(599));
    assert_eq!(world.refresh(client(1), &bob, 3600).lifetime(), 1);
    world.wait(seconds(1));
    assert_eq!(world.server.counters().allocations, 0);
    assert_eq!(world.refresh(client(1), &bob, 3600).code(), 401);
    // A room's do not.
    let room = Login::issued("room/a", NOW + 3800);
    world.allocate(client(3), &room);
    world.wait(seconds(100));
    assert_eq!(world.server.counters().allocations, 0);
    assert_eq!(world.refresh(client(3), &room, 3600).code(), 401);
}

#[test]
fn a_flood_from_one_source_gets_less_back_than_it_sends() {
    let mut world = world();
    let request = build(Class::Request, Method::ALLOCATE, world.next(), &[UDP], None);
    let (mut sent, mut got) = (0, 0);
    for n in 0..10_000u16 {
        let from = Path { local: LocalId(1), remote: format!("192.0.2.1:{}", 1024 + n).parse().unwrap() };
        sent += request.len();
        got += world.give(from, &request).1.map_or(0, |answer| answer.0.len());
        world.now += peerage_base::time::Duration::from_millis(1);
    }
    // Ten seconds at ten answers, and the burst of twenty.
    assert!(got <= 121 * 100 && got < sent / 20, "{got} for {sent}");
    assert!(world.dropped(Drop::Amplification) > 9_800);
    assert_eq!(world.server.poll_timeout(), None, "nothing is kept");
    // Another source is not hit by it.
    assert!(world.give(client(300), &request).1.is_some());
}

#[test]
fn an_unauthenticated_request_that_pays_for_its_answer_is_always_answered() {
    let mut world = world();
    let padded =
        [UDP, Attribute::Software("a client whose name is long enough to make up for what it gets back, and a bit")];
    let request = build(Class::Request, Method::ALLOCATE, world.next(), &padded, None);
    for _ in 0..1000 {
        let answer = world.give(client(1), &request).1.unwrap();
        assert!(answer.0.len() <= request.len());
    }
}

#[test]
fn ports_that_reflect_are_not_answered() {
    let mut world = world();
    let request = build(Class::Request, Method::BINDING, world.next(), &[], None);
    for (port, answered) in [(0, false), (19, false), (53, false), (54, true), (1024, true)] {
        let from = Path { local: LocalId(1), remote: format!("192.0.2.1:{port}").parse().unwrap() };
        assert_eq!(world.give(from, &request).1.is_some(), answered, "{port}");
    }
    assert_eq!((world.dropped(Drop::Port), world.server.counters().bindings), (3, 2));
}

#[test]
fn answers_that_nobody_polls_are_bounded() {
    let mut world = world();
    let request = build(Class::Request, Method::BINDING, world.next(), &[], None);
    for _ in 0..5000 {
        world.server.handle_client(world.now, Transport::Udp, client(1), &mut request.clone());
    }
    let mut answers = 0;
    while world.answer().is_some() {
        answers += 1;
    }
    assert_eq!((answers, world.dropped(Drop::Backlog)), (1024, 5000 - 1024));
}

#[test]
fn what_is_not_for_a_relay_is_dropped_and_a_stream_of_it_closed() {
    let mut world = world();
    let mut wrong_fingerprint = vec![0; 100];
    let mut writer = Writer::new(&mut wrong_fingerprint, Class::Request, Method::BINDING, world.next());
    writer.fingerprint().unwrap();
    let len = writer.finish();
    wrong_fingerprint.truncate(len);
    wrong_fingerprint[27] ^= 1;
    let (id, response, connect) = (world.next(), Class::Success, Method::CONNECT);
    for (packet, why, close) in [
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), Drop::Malformed, true),
        (vec![], Drop::Malformed, true),
        (vec![0x90, 0, 0, 0], Drop::Malformed, true),
        (vec![0x40, 0, 0, 9, 1], Drop::Malformed, true),
        (wrong_fingerprint, Drop::Fingerprint, false),
        (build(response, Method::ALLOCATE, id, &[], None), Drop::Unexpected, false),
        (build(Class::Request, connect, id, &[], None), Drop::Unexpected, false),
        (build(Class::Indication, Method::DATA, id, &[], None), Drop::Unexpected, false),
    ] {
        let before = world.dropped(why);
        assert_eq!(world.give(client(1), &packet), (None, None));
        assert!(world.closed.is_empty(), "there is nothing to close");
        assert_eq!(world.give_by(Transport::Tls, client(1), &packet), (None, None));
        assert_eq!(std::mem::take(&mut world.closed), if close { vec![client(1)] } else { vec![] });
        assert_eq!(world.dropped(why), before + 2);
    }
    let keep_alive = build(Class::Indication, Method::BINDING, world.next(), &[], None);
    assert_eq!(world.give(client(1), &keep_alive), (None, None));
}

#[test]
fn secrets_do_not_print_themselves() {
    let mut config = config();
    config.nonce_key = Some(Secret::from("k3y"));
    let text = format!("{config:?} {:?}", World::new(config.clone()).server);
    for secret in [SECRET, "wonder", "k3y"] {
        assert!(!text.contains(secret));
    }
}
