//! Flights: what is sent again, when, and in which form.

use alloc::vec;
use alloc::vec::Vec;

use peerage_base::time::{Duration, Instant};

use super::world::{End, Link, World, millis};
use crate::config::Role;
use crate::message::handshake_header::{Fragment, Fragments};
use crate::message::kind::HandshakeType;
use crate::suite::{Epoch, Version};
use crate::transport::{Input, MIN_MTU, Transport};
use crate::wire::datagram::{Header, Records};
use crate::wire::plaintext;

const VERSIONS: [Version; 2] = [Version::Dtls13, Version::Dtls12];

fn at(ms: u64) -> Instant {
    Instant::from_millis(ms)
}

fn client(mtu: usize) -> (End, Vec<Vec<u8>>) {
    let mut end = End::new(Role::Client, Version::Dtls13, mtu);
    end.start(at(0));
    let packets = end.poll_all(at(0));
    (end, packets)
}

fn flight(transport: &Transport) -> Vec<Vec<u8>> {
    transport.flight().map(<[u8]>::to_vec).collect()
}

/// Record numbers in the clear, and the ranges of the messages in them.
fn plain(packet: &[u8]) -> Vec<(u64, u16, u32, usize)> {
    let mut packet = packet.to_vec();
    let mut out = Vec::new();
    for record in Records::new(&mut packet) {
        let Header::Plaintext(header) = record.header else { continue };
        for fragment in Fragments::new(&record.bytes[plaintext::LEN..]) {
            let fragment = fragment.unwrap();
            out.push((header.number.sequence, fragment.message_seq, fragment.offset, fragment.body.len()));
        }
    }
    out
}

#[test]
fn a_flight_is_the_same_bytes_until_it_is_sent_again_and_then_has_new_numbers() {
    let (mut end, packets) = client(1200);
    assert_eq!(packets.len(), 2);
    assert_eq!(flight(&end.transport), packets);
    assert_eq!(plain(&packets[0]), [(0, 0, 0, 1175)]);
    assert_eq!(plain(&packets[1]), [(1, 0, 1175, 275)]);
    assert_eq!(end.transport.poll_timeout(), Some(at(400)));
    end.transport.handle_timeout(at(399));
    assert!(end.poll(at(399)).is_none(), "early");
    end.transport.handle_timeout(at(400));
    end.transport.handle_timeout(at(400));
    let again = end.poll_all(at(400));
    assert_eq!(again.len(), 2, "once");
    assert_eq!(plain(&again[0]), [(2, 0, 0, 1175)]);
    assert_eq!(flight(&end.transport), again);
    assert_eq!(end.transport.poll_timeout(), Some(at(1200)));
}

#[test]
fn nothing_leaves_and_no_timer_runs_while_a_flight_is_held() {
    for version in VERSIONS {
        let mut end = End::new(Role::Client, version, 900);
        end.transport.hold(at(0), true);
        end.start(at(0));
        assert!(end.poll(at(0)).is_none());
        let held = flight(&end.transport);
        assert_eq!(held.len(), 2);
        assert_eq!(end.transport.poll_timeout(), None, "whoever carries it decides how long it may take");
        end.transport.handle_timeout(at(5000));
        end.transport.set_mtu(900);
        assert_eq!(flight(&end.transport), held);
        end.transport.hold(at(5000), false);
        assert_eq!(end.poll_all(at(5000)), held, "as they were, once");
        assert_eq!(end.transport.poll_timeout(), Some(at(5400)));
        end.transport.hold(at(5100), true);
        assert_eq!(end.transport.poll_timeout(), None);
        end.transport.hold(at(5200), false);
        assert_eq!(end.poll_all(at(5200)), held);
    }
}

#[test]
fn a_handshake_may_run_over_carriers_that_only_read_flights() {
    for version in VERSIONS {
        let mut world = World::new(version, 900, 0);
        let now = world.now;
        world.client.transport.hold(now, true);
        world.server.transport.hold(now, true);
        world.start();
        for _ in 0..4 {
            for packet in &mut flight(&world.client.transport) {
                world.server.handle(now, packet);
            }
            for packet in &mut flight(&world.server.transport) {
                world.client.handle(now, packet);
            }
        }
        if version == Version::Dtls13 {
            assert!(world.server.is_done && !world.client.is_done, "the ACK is no flight");
            let mut ack = world.server.poll(now).unwrap();
            world.client.handle(now, &mut ack);
        }
        assert!(world.is_complete());
    }
}

#[test]
fn a_smaller_size_cuts_what_has_not_left() {
    let mut end = End::new(Role::Client, Version::Dtls13, 1200);
    end.start(at(0));
    let first = end.poll(at(0)).unwrap();
    end.transport.set_mtu(256);
    let rest = end.poll_all(at(0));
    assert_eq!(plain(&first), [(0, 0, 0, 1175)]);
    assert_eq!(rest.len(), 2, "275 bytes");
    assert!(rest.iter().all(|packet| packet.len() <= 256));
    assert_eq!(plain(&rest[0])[0].2, 1175);
    end.transport.set_mtu(1200);
    end.transport.handle_timeout(at(400));
    assert_eq!(end.poll_all(at(400)).len(), 2, "what is sent again takes the size there is");
    end.transport.set_mtu(0);
    end.transport.handle_timeout(at(1200));
    assert!(end.poll_all(at(1200)).iter().all(|packet| packet.len() <= MIN_MTU));
}

#[test]
fn a_slot_that_is_too_short_is_filled_with_what_fits() {
    let mut end = End::new(Role::Client, Version::Dtls13, 1200);
    end.start(at(0));
    let mut buf = [0; 500];
    let mut lens = Vec::new();
    loop {
        let mut slot = peerage_base::slot::Slot::new(&mut buf, 0, 0, 500);
        if !end.transport.poll_transmit(at(0), &mut slot) {
            break;
        }
        lens.push(slot.len());
    }
    assert_eq!(lens, [500, 500, 500, 50], "1450 bytes and 25 for each");
    assert_eq!(end.transport.counters().oversize, 0);
}

#[test]
fn large_flights_leave_in_portions() {
    let mut world = World::new(Version::Dtls13, 256, 0);
    world.server.certificate = 16_000;
    world.start();
    world.run(|world| !world.server.received.is_empty());
    let now = world.now;
    let mut total = world.left[1];
    assert_eq!(total, 10);
    let mut at = now;
    while world.server.transport.flight().count() > total {
        at = world.server.transport.poll_timeout().unwrap();
        assert!(at.since(now) <= millis(1000));
        world.server.transport.handle_timeout(at);
        let portion = world.server.poll_all(at).len();
        assert!(portion <= 10);
        total += portion;
    }
    assert!(total > 70);
    assert_eq!(world.server.transport.counters().resent, 0);
    assert_eq!(world.server.transport.poll_timeout(), Some(at + millis(400)), "the timer runs from the last on");
}

#[test]
fn a_flight_that_overtakes_the_server_hello_is_opened_when_that_comes() {
    for version in VERSIONS {
        let mut world = World::new(version, 256, 0);
        world.start();
        world.run(|world| !world.server.received.is_empty());
        let mut packets: Vec<_> = world.under_way.drain(..).map(|(.., packet)| packet).collect();
        assert!(packets.len() > 2);
        packets.reverse();
        for packet in &mut packets {
            world.client.handle(world.now, packet);
        }
        world.run(World::is_complete);
        assert!(world.is_complete(), "{version:?}");
        assert_eq!(world.client.transport.counters().full, 0);
    }
}

#[test]
fn a_lost_datagram_in_mid_flight_is_all_that_is_sent_again() {
    let run = |lose| {
        let mut world = World::new(Version::Dtls13, 400, 0);
        (world.server.certificate, world.lose) = (1500, lose);
        world.start();
        world.run(World::is_complete);
        assert!(world.is_complete());
        world
    };
    let good = run(vec![]);
    assert_eq!(good.left[1], 8 + 1, "the flight and the ACK");
    // A part of the certificate.
    let world = run(vec![(false, 5)]);
    assert_eq!(world.server.transport.counters().resent, 1);
    assert_eq!(world.left[1], good.left[1] + 1);
    assert_eq!(world.left[0], good.left[0] + 1, "the ACK that asked for it");
    // The client measured 50 ms, so its timeout is 100: an eighth of it, and there and back.
    assert_eq!(world.now.since(good.now), Duration::from_micros(12_500 + 50_000));
}

#[test]
fn a_part_of_an_answer_under_keys_keeps_the_flight_from_being_sent_again() {
    let mut world = World::new(Version::Dtls13, 400, 0);
    world.client.certificate = 3000;
    world.start();
    world.run(|world| world.client.transport.sending_epoch() == Epoch::APPLICATION);
    let now = world.now;
    assert!(world.server.transport.flight().count() > 0);
    let mut part = world.client.transport.flight().nth(3).unwrap().to_vec();
    world.server.handle(now, &mut part);
    assert_eq!(world.server.transport.flight().count(), 0);
    // An eighth of the timeout later it asks for the rest, and so it goes on.
    for _ in 0..3 {
        let at = world.server.transport.poll_timeout().unwrap();
        world.server.transport.handle_timeout(at);
        let packets = world.server.poll_all(at);
        assert!(packets.len() == 1 && packets[0].len() < 60, "an ACK");
    }
    assert_eq!(world.server.transport.counters().resent, 0);
    world.run(World::is_complete);
    assert!(world.is_complete());
}

#[test]
fn a_lost_server_hello_is_asked_for_by_an_empty_ack() {
    // 1190 bytes take two datagrams of 700; the second holds more.
    let mut world = World::new(Version::Dtls13, 700, 0);
    world.lose = vec![(false, 0), (false, 1)];
    world.start();
    world.run(World::is_complete);
    assert!(world.is_complete());
    assert!(world.now < at(1400), "{}", world.now);
    assert_eq!(world.client.transport.counters().resent, 0);
}

#[test]
fn a_lost_ack_is_sent_again_when_the_last_flight_comes_again() {
    let mut world = World::new(Version::Dtls13, 1200, 0);
    world.link = Link { ..Link::GOOD };
    // The server's flight takes two datagrams, then come the ACKs.
    world.lose = vec![(false, 2), (false, 3)];
    world.start();
    world.run(World::is_complete);
    assert!(world.is_complete());
    assert_eq!(world.client.transport.counters().resent, 2);
    assert_eq!(world.left, [5, 5]);
    assert_eq!(world.client.inputs.len(), 1, "acknowledged once");
}

#[test]
fn the_last_flight_of_dtls_12_answers_its_retransmission_and_then_goes() {
    let mut world = World::new(Version::Dtls12, 1200, 0);
    world.lose = vec![(false, 1), (false, 2)];
    world.start();
    world.run(World::is_complete);
    assert!(world.is_complete());
    assert_eq!((world.client.transport.counters().resent, world.server.transport.counters().resent), (2, 2));
    assert_eq!(world.server.transport.flight().count(), 1);
    let later = world.now + millis(240_001);
    let mut data = world.client.seal(b"data");
    world.server.handle(later, &mut data);
    assert_eq!(world.server.transport.flight().count(), 0);
}

#[test]
fn the_peers_flight_again_brings_ours_again_once() {
    for version in VERSIONS {
        let mut world = World::new(version, 256, 0);
        world.start();
        let hello = flight(&world.client.transport);
        assert!(hello.len() > 5);
        for packet in &hello {
            world.server.handle(at(1000), &mut packet.clone());
        }
        let answer = world.server.poll_all(at(1000)).len();
        for (now, resent) in [(1001, 0), (1200, 1), (1220, 1), (1300, 2)] {
            for packet in &hello {
                world.server.handle(at(now), &mut packet.clone());
                world.server.poll_all(at(now));
            }
            assert_eq!(world.server.transport.counters().resent, resent, "{version:?} at {now}");
        }
        assert!(world.server.transport.flight().count() <= answer);
    }
}

#[test]
fn records_of_dtls_13_hold_several_messages_and_those_of_dtls_12_one() {
    for (version, expected) in [(Version::Dtls13, [0x16, 0x20]), (Version::Dtls12, [0x16, 0x10])] {
        let mut world = World::new(version, 1200, 0);
        world.start();
        world.run(|world| !world.server.received.is_empty());
        let (.., last) = world.under_way.back_mut().unwrap();
        let kinds: Vec<_> = Records::new(last).map(|record| record.bytes[0]).collect();
        assert_eq!(kinds.len(), if version == Version::Dtls13 { 2 } else { 5 }, "{kinds:?}");
        assert_eq!([kinds[0], kinds[1] & 0xF0], expected);
    }
}

#[test]
fn a_hello_that_was_declined_does_not_stop_the_true_one_or_its_own_retransmission() {
    let (mut end, _) = client(1200);
    let forged = |body: &[u8], offset| {
        let mut content = Vec::new();
        let kind = HandshakeType::SERVER_HELLO;
        Fragment { kind, length: 2 * body.len() as u32, message_seq: 0, offset, body }.write(&mut content);
        let mut packet = vec![22, 0xFE, 0xFD, 0, 0, 0, 0, 0, 0, 0, 0, 0, content.len() as u8];
        packet.extend(content);
        packet
    };
    let mut packets = [forged(b"bad ", 0), forged(b"true", 0), forged(b"hello", 5), forged(b"halo", 4)];
    for packet in &mut packets {
        end.transport.handle_datagram(at(10), packet, &mut end.inbox);
    }
    let mut bodies = Vec::new();
    while let Some(Input::Message(message)) = end.transport.next_input(at(10), &mut end.inbox) {
        bodies.push(message.body);
        end.transport.decline();
        if bodies.len() == 2 {
            break;
        }
    }
    bodies.sort();
    assert_eq!(bodies, [b"bad halo", b"truehalo"]);
    end.transport.handle_timeout(at(400));
    assert_eq!(end.poll_all(at(400)).len(), 2);
}

#[test]
fn a_server_of_dtls_12_counts_its_records_from_the_clients_on() {
    for asks_again in [false, true] {
        let mut world = World::new(Version::Dtls12, 1200, 0);
        world.server.asks_again = asks_again;
        world.start();
        world.run(|world| !world.server.received.is_empty());
        let (.., packet) = world.under_way.front().unwrap();
        assert_eq!(plain(packet)[0].0, 1, "the hello came in records 0 and 1");
    }
}

#[test]
fn the_handshake_gives_up_in_the_end() {
    let (mut end, _) = client(1200);
    let mut now = at(0);
    while let Some(next) = end.transport.poll_timeout() {
        assert!(next > now);
        now = next;
        end.transport.handle_timeout(now);
        end.poll_all(now);
        end.read(now);
    }
    assert_eq!(now, at(120_000));
    assert_eq!(end.inputs, [Input::TimedOut]);
    assert!(end.poll(now).is_none() && end.transport.flight().count() == 0);
}

#[test]
fn the_peers_limit_on_records_is_kept() {
    let mut world = World::new(Version::Dtls13, 1200, 0);
    world.server.transport.set_record_limit(64);
    world.server.certificate = 900;
    world.start();
    world.run(|world| !world.server.received.is_empty());
    for (.., packet) in &mut world.under_way {
        for record in Records::new(packet) {
            if matches!(record.header, Header::Unified(_)) {
                assert!(record.bytes.len() <= 5 + 64 + 17);
            }
        }
    }
    world.run(World::is_complete);
    assert!(world.is_complete());
}
