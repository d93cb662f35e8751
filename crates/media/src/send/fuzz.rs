//! Bodies of fuzz targets.

use alloc::vec;
use alloc::vec::Vec;

use bytes::Bytes;
use peerage_base::reader::Reader;
use peerage_base::rng::Rng;
use peerage_base::slot::Slot;
use peerage_base::time::{Duration, Instant};
use peerage_rtp::extension::kind::Kind as Extension;
use peerage_rtp::extension::map::Map;
use peerage_rtp::extension::playout_delay::PlayoutDelay;
use peerage_rtp::ntp::{Ntp, WallClock};
use peerage_rtp::numbers::{PayloadType, SequenceNumber, Ssrc, Timestamp};
use peerage_rtp::packet::write::PacketWriter;
use peerage_rtp::packet::{Header, Packet};
use peerage_rtp::payload::codec::Codec;
use peerage_rtp::payload::depacketizer::{Depacketizer, Limits};
use peerage_rtp::payload::fec::header::Scheme;
use peerage_rtp::payload::format::Format;

use super::budget::Budget;
use super::config::{Companion, Config, Protection, StreamConfig};
use super::fec::Share;
use super::forward::forwarder::{self, Forwarder, Incoming};
use super::forward::intake::Intake;
use super::forward::store::{Shared, Store};
use super::forward::targets::Limit;
use super::forward::write::Departing;
use super::frame::Frame;
use super::packets::raw::RawPacket;
use super::sender::Sender;
use crate::rtcp::receive::Receiver;

const MAX_PACKET: usize = 1200;
/// Most packets that one call can bring about: those that wait, and padding.
const MAX_BURST: usize = 4000;

/// A sequence of frames, packets of a publisher and of the application, polls, delays and RTCP of a peer that lies: every packet can be read, none is too long, and what is
/// kept is bounded.
pub fn sender(data: &[u8]) {
    let mut input = Reader::new(data);
    let mut limits = Config::default();
    (limits.history_bytes, limits.max_frames, limits.history_packets) = (200_000, 40, 300);
    let wall = WallClock::new(Instant::ORIGIN, Duration::from_secs(1_700_000_000));
    let mut sender = Sender::new(limits, wall, Rng::from_u64(1));
    let mut receiver = Receiver::new(wall, true);
    let streams = [video(1, Codec::Vp8, Scheme::Ulp), video(10, Codec::H264, Scheme::Flex03), audio(20)];
    let ids = streams.map(|config| sender.add(config).expect("sources differ"));
    let passing = sender.add_forwarded(video(30, Codec::Vp8, Scheme::Flex)).expect("sources differ");
    let raw = sender.add_raw(video(40, Codec::Vp9, Scheme::Flex03)).expect("sources differ");
    let mut publisher = Publisher::new();
    let mut now = Instant::from_millis(1);
    while let Some(step) = input.u8() {
        let Some(argument) = input.u8() else { break };
        let id = ids[usize::from(argument) % ids.len()];
        match step % 16 {
            8 => {
                sender.select(now, passing, source(argument), Limit { spatial: step >> 4, temporal: argument >> 4 & 3 })
            }
            9 => publisher.packet(now, argument, &mut input, |packet| {
                let _ = sender.forward(now, passing, packet);
            }),
            10 => {
                let _ = sender.send_rtp(now, raw, raw_packet((step, argument), &mut input));
            }
            11 => {
                let (ntp, timestamp) = (input.u32().unwrap_or(0), input.u32().unwrap_or(0));
                let told = (Ntp(u64::from(ntp) << 30), Timestamp(timestamp));
                sender.source_report(now, passing, Ssrc(u32::from(argument & 3)), told);
            }
            12 => publisher.store.shrink(),
            13 => {
                sender.drop_waiting([passing, raw][usize::from(argument & 1)]);
                let delay = Duration::from_millis(argument.into());
                sender.set_playout_delay(id, PlayoutDelay::new(Duration::ZERO, delay));
            }
            0 | 1 => {
                let len = usize::from(argument) * 37 + 1;
                let codec = [Codec::Vp8, Codec::H264, Codec::Opus][usize::from(argument) % 3];
                let _ = sender.send_frame(now, id, frame(codec, len, step & 16 != 0, now));
            }
            2 => now += Duration::from_millis(u64::from(argument) * u64::from(step >> 3)),
            3 => sender.protect(id, Share { key: step, delta: argument }),
            4 | 14 => {
                // Feedback as it came, of a stream that exists.
                let body = input.bytes(usize::from(argument) & !3).unwrap_or_default();
                let kind = [201, 205, 206, 207][usize::from(step >> 6)];
                let mut rtcp = vec![0x80 | (step >> 3) & 0x1F, kind, 0, (body.len() / 4 + 1) as u8, 0, 0, 0, 9];
                rtcp.extend_from_slice(body);
                receiver.handle(now, &rtcp, |event| sender.handle_feedback(now, &event));
            }
            5 => {
                sender.set_redundancy(id, usize::from(argument & 3));
                sender.set_round_trip(Duration::from_millis(argument.into()));
            }
            6 => sender.handle_timeout(now),
            _ => {
                let budget = Budget {
                    bytes: usize::from(argument) * 100,
                    max_packet: MAX_PACKET,
                    padding: usize::from(step >> 4) * 20,
                };
                drain(&mut sender, now, budget);
            }
        }
        while sender.poll_event().is_some() {}
        assert!([passing, raw].iter().all(|id| sender.kept_bytes(*id) <= 200_000 + MAX_PACKET));
    }
    drain(&mut sender, now, Budget::unlimited(MAX_PACKET));
    assert!(!sender.has_waiting());
}

/// Packets of three sources of VP8 that are anything, some with a dependency descriptor.
struct Publisher {
    intakes: [Intake; 3],
    store: Store,
}

impl Publisher {
    fn new() -> Self {
        let intakes = [(); 3].map(|()| Intake::new(Codec::Vp8, publisher_extensions()));
        Self { intakes, store: Store::new(256 << 10) }
    }

    fn packet(&mut self, now: Instant, argument: u8, input: &mut Reader<'_>, pass: impl FnOnce(&Shared)) {
        let source = usize::from(argument & 3);
        let Some(intake) = self.intakes.get_mut(source) else { return };
        let header = Header {
            marker: argument & 4 != 0,
            payload_type: PayloadType::from_byte(96),
            sequence_number: SequenceNumber(input.u16().unwrap_or(0)),
            timestamp: Timestamp(input.u32().unwrap_or(0)),
            ssrc: Ssrc(source as u32),
        };
        let mut buf = [0; 300];
        let mut slot = Slot::new(&mut buf, 0, 0, 300);
        let csrcs = [Ssrc(5)];
        let Some(mut writer) = PacketWriter::new(&mut slot, &header, &csrcs[..usize::from(argument >> 7)]) else {
            return;
        };
        let descriptor = input.bytes(usize::from(argument >> 5)).unwrap_or_default();
        writer.extensions(publisher_extensions().forms(), |block| block.value(9, descriptor));
        let payload = input.bytes(usize::from(argument >> 3)).unwrap_or_default();
        let Some(room) = writer.room().get_mut(..payload.len()) else { return };
        room.copy_from_slice(payload);
        writer.finish(payload.len(), 0).expect("there is room");
        let packet = Packet::parse(slot.packet()).expect("what was written can be read");
        if let Ok(shared) = intake.take(now, &packet, &mut self.store) {
            assert_eq!(shared.payload(), payload);
            pass(&shared);
        }
    }
}

fn publisher_extensions() -> Map {
    let mut map = Map::new(true);
    map.insert(Extension::DependencyDescriptor, 9).expect("ids differ");
    map
}

fn source(argument: u8) -> Option<Ssrc> {
    Some(Ssrc(u32::from(argument & 3))).filter(|source| source.0 < 3)
}

fn raw_packet(bits: (u8, u8), input: &mut Reader<'_>) -> RawPacket<'static> {
    let (step, argument) = bits;
    let payload = Bytes::from(vec![7; usize::from(argument) * 4]);
    let mut packet = RawPacket::new(payload, Timestamp(u32::from(step) << 20), argument & 1 != 0);
    packet.sequence_number = (step & 16 != 0).then(|| SequenceNumber(input.u16().unwrap_or(0)));
    packet.begins_key_frame = step & 32 != 0;
    if step & 64 != 0 {
        packet.elements = &[(Extension::VideoOrientation, &[1]), (Extension::Mid, b"9")];
        packet.csrcs = &[Ssrc(4), Ssrc(5)];
    }
    packet
}

fn drain(sender: &mut Sender, now: Instant, mut budget: Budget) {
    let mut buf = [0; 1400];
    for _ in 0..MAX_BURST {
        let mut slot = Slot::new(&mut buf, 20, 40, MAX_PACKET + 100);
        let Some(sent) = sender.poll_transmit(now, &mut slot, &budget) else { return };
        let packet = Packet::parse(slot.packet()).expect("what was written can be read");
        assert_eq!((packet.header.ssrc, packet.header.sequence_number), (sent.ssrc, sent.sequence_number));
        assert!(sent.size <= MAX_PACKET, "{} bytes", sent.size);
        budget.bytes = budget.bytes.saturating_sub(sent.size);
        budget.padding = budget.padding.saturating_sub(sent.size);
    }
    panic!("it does not end");
}

/// What was said to be wanted of the forwarder, and packets of several sources that are anything: what is passed on has one source,
/// and numbers that come back to where they came from.
pub fn forward(data: &[u8]) {
    let mut input = Reader::new(data);
    let codec = [Codec::Vp8, Codec::Vp9, Codec::H264, Codec::Opus][usize::from(input.u8().unwrap_or(0)) % 4];
    let mut config = forwarder::Config::new(Ssrc(99), PayloadType::from_byte(120), codec);
    config.descriptor_id = Some(7);
    let mut forwarder = Forwarder::new(config, &mut Rng::from_u64(1));
    let mut now = Instant::from_millis(1);
    while let (Some(step), Some(argument)) = (input.u8(), input.u8()) {
        let source = Ssrc(u32::from(argument & 3));
        match step % 4 {
            0 => forwarder.select(Some(source).filter(|source| source.0 > 0)),
            1 if argument & 64 != 0 => forwarder.limit_spatial(argument & 3),
            1 => forwarder.limit_temporal(argument & 3),
            2 => {
                let (ntp, timestamp) = (input.u32().unwrap_or(0), input.u32().unwrap_or(0));
                forwarder.sender_report(now, source, Ntp(u64::from(ntp) << 30), Timestamp(timestamp));
            }
            _ => {
                now += Duration::from_millis(u64::from(step >> 2));
                let header = Header {
                    marker: argument & 4 != 0,
                    payload_type: PayloadType::from_byte(96),
                    sequence_number: SequenceNumber(input.u16().unwrap_or(0)),
                    timestamp: Timestamp(input.u32().unwrap_or(0)),
                    ssrc: source,
                };
                let payload = input.bytes(usize::from(argument >> 3)).unwrap_or_default();
                pass(&mut forwarder, now, &header, (codec, payload));
            }
        }
    }
}

fn pass(forwarder: &mut Forwarder, now: Instant, header: &Header, (codec, payload): (Codec, &[u8])) {
    let Ok(info) = Depacketizer::new(codec, Limits::default()).inspect(payload, header.marker) else { return };
    let frame_number = Some(header.sequence_number.0 / 4);
    let incoming =
        Incoming { header: *header, info, frame_number, payload_len: payload.len() as u32, ..Incoming::default() };
    let Some(rewrite) = forwarder.forward(now, &incoming) else { return };
    assert_eq!(forwarder.source(), Some(header.ssrc));
    assert_eq!(forwarder.origin(rewrite.sequence_number), Some((header.ssrc, header.sequence_number)));
    let mut bytes = vec![0x80, 96, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    bytes.extend_from_slice(payload);
    let (map, mut buf) = (extensions(), [0; 300]);
    let departing =
        Departing { incoming: &map, outgoing: &map, mid: None, now: Ntp(0), transport_number: rewrite.sequence_number };
    let mut slot = Slot::new(&mut buf, 0, 0, 300);
    let before = Packet::parse(&bytes).expect("it is a packet");
    forwarder.write(&mut slot, &before, &rewrite, &departing).expect("there is room");
    let anew = Packet::parse(slot.packet()).expect("what was written can be read").payload;
    forwarder.rewrite(&mut bytes, &rewrite).expect("it is a packet");
    let packet = Packet::parse(&bytes).expect("it is a packet still");
    assert_eq!((packet.header.ssrc, packet.header.sequence_number), (Ssrc(99), rewrite.sequence_number));
    assert_eq!((packet.payload.len(), packet.payload), (payload.len(), anew));
}

fn video(first: u32, codec: Codec, scheme: Scheme) -> StreamConfig {
    let companion =
        |n, payload_type| Companion { ssrc: Ssrc(first + n), payload_type: PayloadType::from_byte(payload_type) };
    let (red, ulpfec) = (PayloadType::from_byte(98), PayloadType::from_byte(99));
    let mut config = StreamConfig::new(Ssrc(first), PayloadType::from_byte(96), codec);
    config.extensions = extensions();
    config.mid = Some("1".into());
    config.rtx = Some(companion(1, 97));
    config.protection = Some(match scheme {
        Scheme::Ulp => Protection::Ulp { red, ulpfec },
        scheme => Protection::Flex { companion: companion(2, 100), scheme },
    });
    config
}

fn audio(first: u32) -> StreamConfig {
    let mut config = StreamConfig::new(Ssrc(first), PayloadType::from_byte(111), Codec::Opus);
    config.extensions = extensions();
    config.redundancy = Some((PayloadType::from_byte(63), 1));
    config
}

fn extensions() -> Map {
    let mut map = Map::default();
    for (kind, id) in [(Extension::TransportSequenceNumber, 3), (Extension::AbsSendTime, 2), (Extension::Mid, 4)] {
        map.insert(kind, id).expect("ids differ");
    }
    map
}

fn frame(codec: Codec, len: usize, is_key: bool, now: Instant) -> Frame<'static> {
    let head: &[u8] = if codec == Codec::H264 { &[0, 0, 0, 1, 0x65, 0x88] } else { &[0x10] };
    let payload: Vec<u8> = head.iter().copied().chain((0..len).map(|n| n as u8 | 1)).collect();
    let timestamp = Timestamp((now.as_nanos() / 11_111) as u32);
    let mut frame = Frame::new(Bytes::from(payload), Format::plain(codec), timestamp, now);
    frame.is_key = is_key;
    frame
}

#[cfg(test)]
mod tests {
    use super::*;
    use peerage_testkit::replay::replay;
    use proptest::prelude::*;

    #[test]
    fn feedback_that_was_seen_before_breaks_no_sender() {
        replay(concat!(env!("CARGO_MANIFEST_DIR"), "/../rtp/corpus/rtcp"), sender);
        replay(concat!(env!("CARGO_MANIFEST_DIR"), "/../rtp/corpus/rtp"), forward);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn no_peer_and_no_application_breaks_a_sender(data in proptest::collection::vec(any::<u8>(), 0..1500)) {
            sender(&data);
        }

        #[test]
        fn no_packet_breaks_a_forwarder(data in proptest::collection::vec(any::<u8>(), 0..1500)) {
            forward(&data);
        }
    }
}
