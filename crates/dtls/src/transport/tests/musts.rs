//! Rules of RFC 9147 about records and acknowledgements, one at a time.

use alloc::vec::Vec;

use super::world::{World, opener, sealer};
use crate::config::Role;
use crate::message::ack::Ack;
use crate::message::handshake_header::Fragment;
use crate::message::kind::HandshakeType;
use crate::protect::opener::Opener;
use crate::protect::sealer::SealError;
use crate::suite::{Epoch, Version};
use crate::transport::Input;
use crate::transport::epochs::Epochs;
use crate::wire::ContentType;
use crate::wire::datagram::{Header, Records};
use crate::wire::number::{MAX_SEQUENCE, RecordNumber};

/// A server whose flight is on its way.
fn answered() -> World {
    let mut world = World::new(Version::Dtls13, 1200, 0);
    world.start();
    world.run(|world| !world.server.received.is_empty());
    world.server.poll_all(world.now);
    world
}

fn seal(epochs: &mut Epochs, epoch: Epoch, content_type: ContentType, content: &[u8]) -> (RecordNumber, Vec<u8>) {
    let mut out = Vec::new();
    let number = epochs.write(epoch, content_type, content, &mut out).unwrap();
    (number, out)
}

fn fragment(kind: HandshakeType, message_seq: u16, length: u32, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    Fragment { kind, length, message_seq, offset: 0, body }.write(&mut out);
    out
}

/// The record numbers that the ACKs among `packets` name.
fn acked(opener: &mut Opener, packets: Vec<Vec<u8>>) -> Vec<(u64, u64)> {
    let mut numbers = Vec::new();
    for mut packet in packets {
        for record in Records::new(&mut packet) {
            let Header::Unified(_) = record.header else { continue };
            let Ok(opened) = opener.open(record.bytes) else { continue };
            if opened.content_type == ContentType::ACK {
                let ack = Ack::parse(&record.bytes[opened.content]).unwrap();
                numbers.extend(ack.record_numbers.iter().map(|number| (number.epoch, number.sequence)));
            }
        }
    }
    numbers
}

#[test]
fn only_handshake_records_that_were_taken_are_acknowledged() {
    let mut world = answered();
    let (now, epoch) = (world.now, Epoch::HANDSHAKE);
    let mut client = Epochs::default();
    client.install_sealer(sealer(Version::Dtls13, Role::Client, epoch));
    let mut next = |content_type, content: &[u8]| seal(&mut client, epoch, content_type, content);
    // Further ahead than is kept; longer than any message; an alert; data; forged; and at last one to keep.
    let records = [
        next(ContentType::HANDSHAKE, &fragment(HandshakeType::FINISHED, 40, 32, &[1; 32])),
        next(ContentType::HANDSHAKE, &fragment(HandshakeType::CERTIFICATE, 1, 1 << 20, &[1; 32])),
        next(ContentType::ALERT, &[1, 90]),
        next(ContentType::APPLICATION_DATA, b"data"),
        next(ContentType::HANDSHAKE, &fragment(HandshakeType::CERTIFICATE, 1, 900, &[2; 40])),
        next(ContentType::HANDSHAKE, &fragment(HandshakeType::CERTIFICATE, 1, 900, &[1; 32])),
    ];
    for (i, (_, record)) in records.iter().enumerate() {
        let mut record = record.clone();
        if i == 4 {
            *record.last_mut().unwrap() ^= 1;
        }
        world.server.handle(now, &mut record);
    }
    let mut packets = Vec::new();
    for _ in 0..3 {
        let at = world.server.transport.poll_timeout().unwrap();
        world.server.transport.handle_timeout(at);
        packets.extend(world.server.poll_all(at));
    }
    // They come under the highest epoch for sending that there is (RFC 9147 §7).
    let mut numbers = acked(&mut opener(Version::Dtls13, Role::Server, Epoch::APPLICATION), packets);
    numbers.dedup();
    assert_eq!(numbers, [(2, records[5].0.sequence)]);
}

#[test]
fn as_many_forgeries_as_the_keys_allow_are_the_end() {
    let mut world = answered();
    let epoch = Epoch::HANDSHAKE;
    let mut client = Epochs::default();
    client.install_sealer(sealer(Version::Dtls13, Role::Client, epoch));
    let (_, mut record) = seal(&mut client, epoch, ContentType::ALERT, &[1, 90]);
    *record.last_mut().unwrap() ^= 1;
    let header = Records::new(&mut record.clone()).next().unwrap().header;
    world.server.transport.epochs.opener(&header).unwrap().suppose_forged((1 << 36) - 2);
    world.server.handle(world.now, &mut record.clone());
    assert!(world.server.inputs.is_empty(), "one is left");
    world.server.handle(world.now, &mut record);
    assert_eq!(world.server.inputs, [Input::Spent]);
    assert_eq!(world.server.transport.counters().forged, 2);
}

#[test]
fn numbers_in_the_clear_end_before_they_wrap() {
    let mut epochs = Epochs::default();
    epochs.continue_from(MAX_SEQUENCE);
    let mut out = Vec::new();
    epochs.write(Epoch::PLAIN, ContentType::ALERT, &[1, 0], &mut out).unwrap();
    assert_eq!(out[3..11], [0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]);
    let again = epochs.write(Epoch::PLAIN, ContentType::ALERT, &[1, 0], &mut out);
    assert_eq!((again, out.len()), (Err(SealError::Exhausted), 15));
}

#[test]
fn fragments_do_not_overlap_and_lie_in_one_datagram_each() {
    for mtu in [128, 300, 1200] {
        let mut world = World::new(Version::Dtls12, mtu, 0);
        (world.client.certificate, world.server.certificate) = (3000, 3000);
        world.start();
        let mut ranges: Vec<(bool, u16, u32, usize)> = Vec::new();
        while !world.is_complete() {
            world.transmit();
            for (_, to_server, packet) in &world.under_way {
                let mut packet = packet.clone();
                assert!(packet.len() <= mtu);
                let mut records = Records::new(&mut packet);
                for record in records.by_ref() {
                    let Header::Plaintext(header) = record.header else { continue };
                    if header.number.epoch == Epoch::PLAIN && header.content_type == ContentType::HANDSHAKE {
                        let content = &record.bytes[crate::wire::plaintext::LEN..];
                        for fragment in crate::message::handshake_header::Fragments::new(content) {
                            let fragment = fragment.unwrap();
                            ranges.push((*to_server, fragment.message_seq, fragment.offset, fragment.body.len()));
                        }
                    }
                }
                assert!(records.rest().is_empty(), "a record is whole in its datagram");
            }
            if !world.step() {
                break;
            }
        }
        assert!(world.is_complete());
        ranges.sort_unstable();
        ranges.dedup();
        for pair in ranges.windows(2) {
            if (pair[0].0, pair[0].1) == (pair[1].0, pair[1].1) {
                assert_eq!(pair[0].2 + pair[0].3 as u32, pair[1].2, "at {mtu}");
            }
        }
        assert!(ranges.len() > 6);
    }
}
