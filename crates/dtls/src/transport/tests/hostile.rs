//! Input that no honest peer sends.

use alloc::vec;
use alloc::vec::Vec;

use peerage_base::rng::Rng;
use peerage_base::time::Instant;

use super::world::{End, World, millis, sealer};
use crate::alert::{Alert, AlertDescription, ParseError};
use crate::config::Role;
use crate::extension::list::List;
use crate::message::ack::{Ack, AckedRecord};
use crate::message::handshake_header::Fragment;
use crate::message::kind::HandshakeType;
use crate::protect::sealer::Sealer;
use crate::suite::{Epoch, Version};
use crate::transport::Input;
use crate::transport::epochs::Epochs;
use crate::wire::ContentType;

const VERSIONS: [Version; 2] = [Version::Dtls13, Version::Dtls12];

/// A record in the clear.
fn plain(sequence: u64, content_type: ContentType, content: &[u8]) -> Vec<u8> {
    let (mut epochs, mut out) = (Epochs::default(), Vec::new());
    epochs.continue_from(sequence);
    epochs.write(Epoch::PLAIN, content_type, content, &mut out).unwrap();
    out
}

fn sealed(sealer: Sealer, content_type: ContentType, contents: &[&[u8]]) -> Vec<Vec<u8>> {
    let mut epochs = Epochs::default();
    let epoch = sealer.epoch();
    epochs.install_sealer(sealer);
    let seal = |content: &&[u8]| {
        let mut out = Vec::new();
        epochs.write(epoch, content_type, content, &mut out).unwrap();
        out
    };
    contents.iter().map(seal).collect()
}

fn fragment(kind: HandshakeType, message_seq: u16, length: u32, offset: u32, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    Fragment { kind, length, message_seq, offset, body }.write(&mut out);
    out
}

fn ack(numbers: impl IntoIterator<Item = (u64, u64)>) -> Vec<u8> {
    let numbers: Vec<_> = numbers.into_iter().map(|(epoch, sequence)| AckedRecord { epoch, sequence }).collect();
    let mut out = Vec::new();
    Ack { record_numbers: List::new(&numbers) }.write(&mut out);
    out
}

/// A client that sent its hello, at 1000 ms.
fn client() -> World {
    let mut world = World::new(Version::Dtls13, 1200, 0);
    world.start();
    world.transmit();
    world
}

/// A server whose flight is on its way.
fn answered(version: Version) -> World {
    let mut world = World::new(version, 1200, 0);
    world.start();
    world.run(|world| !world.server.received.is_empty());
    world
}

fn feed(end: &mut End, now: Instant, packets: impl IntoIterator<Item = Vec<u8>>) {
    for mut packet in packets {
        end.handle(now, &mut packet);
    }
}

#[test]
fn acks_of_records_never_sent_say_nothing() {
    for count in [0, 1, 1023] {
        let mut world = client();
        let numbers = (0..count).map(|i| (i % 5, 1_000_000 + i));
        let now = world.now;
        feed(&mut world.client, now, (0..50).map(|i| plain(i, ContentType::ACK, &ack(numbers.clone()))));
        assert_eq!(world.client.poll_all(now).len(), 0, "what just left is not sent again");
        assert_eq!(world.client.transport.flight().count(), 2);
        // Later they look like an empty ACK, which may ask for the flight, but not without end.
        let mut resent = 0;
        for i in 0..100 {
            let later = now + millis(60) + 100 * millis(i) / 100;
            feed(&mut world.client, later, [plain(9, ContentType::ACK, &ack(numbers.clone()))]);
            resent += world.client.poll_all(later).len() / 2;
        }
        assert!(resent <= 8, "{resent}");
        world.run(World::is_complete);
        assert!(world.is_complete());
    }
}

#[test]
fn a_forged_ack_does_not_keep_a_hello_from_being_sent_again() {
    for numbers in [0..1, 0..2] {
        let mut world = World::new(Version::Dtls13, 1200, 0);
        world.start();
        let now = world.now;
        assert_eq!(world.client.poll_all(now).len(), 2, "both are lost");
        feed(&mut world.client, now, [plain(0, ContentType::ACK, &ack(numbers.map(|i| (0, i))))]);
        world.run(World::is_complete);
        assert!(world.is_complete());
    }
}

#[test]
fn a_forged_ack_says_nothing_while_something_else_carries_the_flight() {
    let mut world = World::new(Version::Dtls13, 1200, 0);
    world.start();
    let now = world.now;
    world.client.transport.hold(now, true);
    feed(&mut world.client, now, [plain(0, ContentType::ACK, &ack([(0, 0), (0, 1)]))]);
    assert_eq!(world.client.transport.flight().count(), 2);
    // Nor when it came before.
    world.client.transport.hold(now, false);
    feed(&mut world.client, now, [plain(1, ContentType::ACK, &ack([(0, 0), (0, 1)]))]);
    world.client.transport.hold(now, true);
    assert_eq!(world.client.transport.flight().count(), 2);
}

#[test]
fn records_beyond_the_limit_that_the_peer_was_told_are_dropped() {
    for (version, role, epoch, tail) in
        [(Version::Dtls13, Role::Client, Epoch::APPLICATION, 1), (Version::Dtls12, Role::Client, Epoch::FINISHED, 0)]
    {
        let mut world = World::new(version, 1200, 0);
        world.start();
        world.run(World::is_complete);
        let transport = &mut world.server.transport;
        transport.set_own_record_limit(100 + tail);
        world.server.inbox.open();
        // Keys that are used from the beginning take no number that was used.
        transport.install_opener(epoch, super::world::opener(version, role, epoch));
        let (data, long) = ([7; 100], [7; 101]);
        let packets = sealed(sealer(version, role, epoch), ContentType::APPLICATION_DATA, &[&data, &long, &data]);
        let before = world.server.transport.counters();
        let now = world.now;
        feed(&mut world.server, now, packets);
        let after = world.server.transport.counters();
        assert_eq!((after.opened - before.opened, after.unexpected - before.unexpected), (2, 1), "{version}");
    }
}

#[test]
fn an_ack_in_the_clear_says_nothing_of_records_under_keys() {
    let mut world = World::new(Version::Dtls13, 400, 0);
    world.start();
    world.run(|world| !world.server.received.is_empty());
    let flight = world.server.transport.flight().count();
    assert!(flight > 4);
    let now = world.now + millis(300);
    let all = ack((2..4).flat_map(|epoch| (0..50).map(move |i| (epoch, i))).chain([(u64::MAX, 0), (1 << 16, 0)]));
    feed(&mut world.server, now, [plain(1, ContentType::ACK, &all)]);
    assert_eq!(world.server.transport.flight().count(), flight);
    world.run(World::is_complete);
    assert!(world.is_complete());
}

#[test]
fn malformed_contents_are_counted_and_forgotten() {
    let mut world = client();
    let now = world.now;
    let contents = [&[][..], &[0], &[0, 16, 1, 2, 3], &[0, 1, 7], &[255; 2000]];
    for kind in [ContentType::ACK, ContentType::ALERT, ContentType::HANDSHAKE, ContentType::APPLICATION_DATA] {
        feed(&mut world.client, now, contents.iter().map(|content| plain(0, kind, content)));
    }
    assert!(world.client.inputs.is_empty() && world.client.received.is_empty());
    assert!(world.client.transport.counters().unexpected > 15);
    world.run(World::is_complete);
    assert!(world.is_complete());
}

#[test]
fn a_flood_of_alerts_is_bounded_and_hides_no_authentic_one() {
    let mut world = answered(Version::Dtls13);
    let now = world.now;
    for i in 0..=255 {
        let mut packet = plain(i.into(), ContentType::ALERT, &[2, i]);
        world.server.transport.handle_datagram(now, &mut packet, &mut world.server.inbox);
    }
    let secret = sealer(Version::Dtls13, Role::Client, Epoch::HANDSHAKE);
    for mut packet in sealed(secret, ContentType::ALERT, &[&[2, 40]]) {
        world.server.transport.handle_datagram(now, &mut packet, &mut world.server.inbox);
    }
    // Now the client has keys, and nothing in the clear counts any more.
    let mut packet = plain(999, ContentType::ALERT, &[2, 80]);
    world.server.transport.handle_datagram(now, &mut packet, &mut world.server.inbox);
    world.server.read(now);
    let authentic = Input::Alert { alert: Alert::fatal(AlertDescription::HANDSHAKE_FAILURE), authenticated: true };
    assert_eq!(world.server.inputs.len(), 4);
    assert!(world.server.inputs.contains(&authentic));
    assert_eq!(world.server.transport.counters().plaintext, 1);
}

#[test]
fn what_was_forged_in_the_clear_before_the_server_hello_is_gone_behind_it() {
    let mut world = client();
    let now = world.now;
    let forged = fragment(HandshakeType::ENCRYPTED_EXTENSIONS, 1, 6, 0, b"forged");
    feed(&mut world.client, now, [plain(0, ContentType::HANDSHAKE, &forged)]);
    world.run(World::is_complete);
    assert!(world.is_complete());
    assert!(world.client.received.iter().skip(1).all(|message| message.epoch != Epoch::PLAIN));
}

#[test]
fn messages_come_only_under_the_epoch_that_is_theirs() {
    let mut world = answered(Version::Dtls13);
    world.run(|world| world.client.is_done);
    // Both have all keys; the next message of each is free to forge in the clear.
    for (end, seq) in [(&mut world.client, 6), (&mut world.server, 4)] {
        for kind in [1, 2, 4, 8, 11, 20, 24] {
            let forged = fragment(HandshakeType(kind), seq, 4, 0, b"nope");
            feed(end, world.now, [plain(77, ContentType::HANDSHAKE, &forged)]);
        }
        assert!(end.received.iter().all(|message| message.body != b"nope"));
    }
    // Under the keys of the handshake there is nothing new either.
    let forged = fragment(HandshakeType::KEY_UPDATE, 4, 1, 0, &[0]);
    let secret = sealer(Version::Dtls13, Role::Client, Epoch::HANDSHAKE);
    let before = world.server.received.len();
    let packets = sealed(secret, ContentType::HANDSHAKE, &[&[0; 12], &forged, &forged, &forged]);
    feed(&mut world.server, world.now, packets.into_iter().skip(3));
    assert_eq!(world.server.received.len(), before);
}

#[test]
fn a_finished_in_the_clear_ends_no_handshake_of_dtls_12() {
    let mut world = answered(Version::Dtls12);
    let now = world.now;
    let forged = fragment(HandshakeType::FINISHED, 1, 12, 0, b"not finished");
    feed(&mut world.server, now, [plain(50, ContentType::HANDSHAKE, &forged)]);
    assert_eq!(world.server.transport.counters().unexpected, 1);
    world.run(World::is_complete);
    assert!(world.is_complete());
}

#[test]
fn a_peer_that_changes_a_message_under_keys_is_blamed() {
    let mut world = answered(Version::Dtls13);
    let now = world.now;
    let piece = |body: &[u8]| fragment(HandshakeType::CERTIFICATE, 1, 100, 0, body);
    let secret = sealer(Version::Dtls13, Role::Client, Epoch::HANDSHAKE);
    let contents =
        [piece(b"one"), piece(b"one and more"), piece(b"two"), fragment(HandshakeType(8), 1, 9, 20, b"x"), vec![1; 11]];
    let contents: Vec<_> = contents.iter().map(|content| &content[..]).collect();
    feed(&mut world.server, now, sealed(secret, ContentType::HANDSHAKE, &contents));
    let blamed: Vec<_> = world
        .server
        .inputs
        .iter()
        .map(|input| match input {
            Input::Violation(ParseError { alert, .. }) => *alert,
            other => panic!("{other:?}"),
        })
        .collect();
    let (changed, malformed) = (AlertDescription::ILLEGAL_PARAMETER, AlertDescription::DECODE_ERROR);
    assert_eq!(blamed, [changed, malformed, malformed], "a fragment behind its end, a header cut off");
}

#[test]
fn floods_of_fragments_delay_nobody() {
    for version in VERSIONS {
        let mut world = World::new(version, 600, 0);
        let now = world.now;
        let mut rng = Rng::from_u64(1);
        for i in 0..3000 {
            let (seq, length) = (rng.below(12) as u16, rng.below(70_000) as u32);
            let body = vec![i as u8; rng.below(1000) as usize];
            let content =
                fragment(HandshakeType::CLIENT_HELLO, seq, length, rng.below(u64::from(length) + 1) as u32, &body);
            let mut packet = plain(i, ContentType::HANDSHAKE, &content);
            world.server.transport.handle_datagram(now, &mut packet, &mut world.server.inbox);
        }
        assert!(world.server.transport.assembly.held() <= 1 << 16);
        world.start();
        world.run(World::is_complete);
        assert!(world.is_complete(), "{version:?}");
        assert!(world.now < now + millis(150));
    }
}

#[test]
fn floods_of_records_that_nobody_can_open_delay_nobody_for_long() {
    for version in VERSIONS {
        let mut world = client();
        (world.client.version, world.server.version) = (version, version);
        let epoch = if version == Version::Dtls13 { Epoch::HANDSHAKE } else { Epoch::FINISHED };
        let junk = [7; 1000];
        let contents = vec![&junk[..]; 500];
        let now = world.now;
        feed(&mut world.client, now, sealed(sealer(version, Role::Client, epoch), ContentType::HANDSHAKE, &contents));
        assert!(world.client.transport.counters().full > 400);
        world.run(World::is_complete);
        assert!(world.is_complete(), "{version:?}");
        assert!(world.client.transport.counters().forged >= 60);
        assert!(world.now < now + millis(2000), "{version:?}: {}", world.now);
    }
}

#[test]
fn a_forged_provocation_is_not_worth_much() {
    for version in VERSIONS {
        let mut world = answered(version);
        world.server.transport.set_rtt(Some(millis(10)));
        let content = fragment(HandshakeType::CLIENT_HELLO, 0, 1450, 0, b"again");
        let mut bytes = [0; 2];
        for i in 0..20_000 {
            let packet = plain(i, ContentType::HANDSHAKE, &content);
            bytes[0] += packet.len();
            // All within one timeout.
            let now = world.now + millis(i / 60);
            feed(&mut world.server, now, [packet]);
            bytes[1] += world.server.poll_all(now).iter().map(Vec::len).sum::<usize>();
        }
        assert!(bytes[1] < bytes[0] / 10, "{bytes:?}");
        assert_eq!(world.server.transport.counters().resent, 8);
        world.run(World::is_complete);
        assert!(world.is_complete());
    }
}

#[test]
fn damaged_datagrams_change_nothing_under_keys() {
    for version in VERSIONS {
        for seed in 0..30 {
            let mut rng = Rng::from_u64(seed);
            let mut world = answered(version);
            world.run(|world| !world.client.sent.is_empty() && world.client.sent.len() > 1);
            // The client's last flight is about to leave; the server sees 100 damaged copies of what is under keys first.
            let flight: Vec<_> = world.client.transport.flight().map(<[u8]>::to_vec).collect();
            for _ in 0..100 {
                let mut packet = flight[flight.len() - 1].clone();
                let at = packet.len() - 1 - rng.below(30) as usize;
                packet[at] ^= 1 << rng.below(8);
                packet.truncate(packet.len() - (rng.below(3) as usize) * rng.below(40) as usize);
                world.server.handle(world.now, &mut packet);
            }
            world.run(World::is_complete);
            assert!(world.is_complete(), "{version:?}, seed {seed}");
        }
    }
}

#[test]
fn no_bytes_upset_a_transport_in_any_state() {
    for version in VERSIONS {
        for seed in 0..60 {
            let mut rng = Rng::from_u64(seed);
            let mut world = World::new(version, 256 + rng.below(1100) as usize, seed);
            world.start();
            let mut seen: Vec<Vec<u8>> = Vec::new();
            for _ in 0..150 {
                world.transmit();
                seen.extend(world.under_way.iter().take(2).map(|(.., packet)| packet.clone()));
                let mut packet = match seen.len() {
                    0 => Vec::new(),
                    n => seen[rng.below(n as u64) as usize].clone(),
                };
                for _ in 0..rng.below(6) {
                    if packet.is_empty() {
                        break;
                    }
                    let at = rng.below(packet.len() as u64) as usize;
                    match rng.below(4) {
                        0 => packet[at] = rng.u32() as u8,
                        1 => packet.truncate(at),
                        2 => packet.extend_from_slice(&seen[rng.below(seen.len() as u64) as usize]),
                        _ => packet[at % 26] ^= 1 << rng.below(8),
                    }
                    packet.truncate(4000);
                }
                let end = if rng.below(2) == 0 { &mut world.client } else { &mut world.server };
                end.handle(world.now, &mut packet);
                match rng.below(12) {
                    0 => end.transport.set_mtu(rng.below(1500) as usize),
                    1 => end.transport.hold(world.now, rng.below(2) == 0),
                    2 => end.transport.send_alert(Alert::CLOSE),
                    3 => end.transport.decline(),
                    4 => end.transport.set_rtt(Some(millis(rng.below(300)))),
                    _ => {}
                }
                if !world.step() {
                    break;
                }
                for end in [&world.client, &world.server] {
                    assert!(end.transport.assembly.held() <= 1 << 16);
                }
            }
        }
    }
}
