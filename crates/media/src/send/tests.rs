//! A sender and what a receiver sees of it, in simulated time.

use alloc::vec;
use alloc::vec::Vec;

use bytes::Bytes;
use peerage_base::rng::Rng;
use peerage_base::serial::Serial as _;
use peerage_base::slot::Slot;
use peerage_base::time::{Duration, Instant};
use peerage_rtp::extension::kind::Kind as Extension;
use peerage_rtp::extension::map::Map;
use peerage_rtp::extension::mid::Mid;
use peerage_rtp::extension::playout_delay::PlayoutDelay;
use peerage_rtp::extension::repaired_rid::RepairedRid;
use peerage_rtp::extension::rid::Rid;
use peerage_rtp::extension::transport_sequence_number::TransportSequenceNumber;
use peerage_rtp::extension::video_orientation::VideoOrientation;
use peerage_rtp::ntp::WallClock;
use peerage_rtp::numbers::{PayloadType, SequenceNumber, Ssrc, Timestamp};
use peerage_rtp::packet::Packet as Opened;
use peerage_rtp::payload::codec::Codec;
use peerage_rtp::payload::depacketizer::{Depacketizer, Limits};
use peerage_rtp::payload::fec::header::Scheme;
use peerage_rtp::payload::fec::repair::Repair;
use peerage_rtp::payload::format::Format;
use peerage_rtp::payload::{red, rtx};
use peerage_rtp::rtcp::nack;
use peerage_rtp::rtcp::report_block::ReportBlock;
use peerage_rtp::rtcp::twcc::build::{Arrival, Builder, Report};
use peerage_rtp::rtcp::write::Writer;
use proptest::prelude::*;

use super::budget::Budget;
use super::config::{Companion, Config, Protection, StreamConfig};
use super::event::Event;
use super::fec::Share;
use super::frame::Frame;
use super::misuse::Misuse;
use super::ready::Kind;
use super::sender::{Packet, Sender};
use super::stream_id::StreamId;
use crate::rtcp::receive;

const MEDIA: Ssrc = Ssrc(0x1111);
const RTX: Ssrc = Ssrc(0x2222);
const FLEX: Ssrc = Ssrc(0x3333);
const AUDIO: Ssrc = Ssrc(0x4444);

type Sent = (Packet, Vec<u8>);

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

fn payload_type(value: u8) -> PayloadType {
    PayloadType::from_byte(value)
}

fn extensions() -> Map {
    let mut map = Map::new(true);
    let kinds = [
        (Extension::TransportSequenceNumber, 3),
        (Extension::AbsSendTime, 2),
        (Extension::Mid, 4),
        (Extension::Rid, 10),
        (Extension::RepairedRid, 11),
    ];
    kinds.iter().for_each(|(kind, id)| map.insert(*kind, *id).unwrap());
    map
}

fn video(codec: Codec) -> StreamConfig {
    let mut config = StreamConfig::new(MEDIA, payload_type(96), codec);
    config.extensions = extensions();
    config.mid = Some("0".into());
    config.rid = Some("hi".into());
    config.rtx = Some(Companion { ssrc: RTX, payload_type: payload_type(97) });
    config
}

fn audio() -> StreamConfig {
    let mut config = StreamConfig::new(AUDIO, payload_type(111), Codec::Opus);
    config.extensions = extensions();
    config
}

fn sender_with(limits: Config, streams: impl IntoIterator<Item = StreamConfig>) -> (Sender, Vec<StreamId>) {
    let wall = WallClock::new(at(0), Duration::from_secs(1_700_000_000));
    let mut sender = Sender::new(limits, wall, Rng::from_u64(1));
    let ids = streams.into_iter().map(|config| sender.add(config).unwrap()).collect();
    (sender, ids)
}

fn sender(streams: impl IntoIterator<Item = StreamConfig>) -> (Sender, Vec<StreamId>) {
    sender_with(Config::default(), streams)
}

/// A frame of a format, `len` bytes long or a little more, whose bytes are told by `seed`.
fn bytes(codec: Codec, len: usize, seed: u8) -> Vec<u8> {
    let head: &[u8] = match codec {
        Codec::H264 => &[0, 0, 0, 1, 0x67, 1, 0, 0, 0, 1, 0x68, 1, 0, 0, 0, 1, 0x65, 0x88],
        Codec::H265 => &[0, 0, 0, 1, 0x40, 1, 1, 0, 0, 0, 1, 0x26, 1, 0x80],
        Codec::Av1 => &[0x12, 0, 0x0A, 1, 0, 0x30],
        _ => &[0x10],
    };
    let body = (0..len).map(|n| ((n as u8).wrapping_mul(31) ^ seed) | 0x81);
    head.iter().copied().chain(body).collect()
}

fn frame(codec: Codec, millis: u64, is_key: bool, payload: Vec<u8>) -> Frame<'static> {
    let ticks = millis * u64::from(codec.clock_rate()) / 1000;
    let mut frame = Frame::new(Bytes::from(payload), Format::plain(codec), Timestamp(ticks as u32), at(millis));
    frame.is_key = is_key;
    frame
}

fn send(sender: &mut Sender, id: StreamId, millis: u64, is_key: bool, len: usize) {
    let payload = bytes(Codec::Vp8, len, millis as u8);
    sender.send_frame(at(millis), id, frame(Codec::Vp8, millis, is_key, payload)).unwrap();
}

fn poll(sender: &mut Sender, now: Instant, budget: &Budget) -> Option<Sent> {
    let mut buf = [0; 1500];
    let mut slot = Slot::new(&mut buf, 40, 40, 1400);
    let packet = sender.poll_transmit(now, &mut slot, budget)?;
    assert_eq!(packet.size, slot.len());
    Some((packet, slot.packet().to_vec()))
}

fn drain(sender: &mut Sender, now: Instant) -> Vec<Sent> {
    core::iter::from_fn(|| poll(sender, now, &Budget::unlimited(1200))).collect()
}

fn open(bytes: &[u8]) -> Opened<'_> {
    Opened::parse(bytes).unwrap()
}

/// Lets the sender read RTCP that `write` makes.
fn feed(sender: &mut Sender, now: Instant, write: impl FnOnce(&mut Writer<'_, '_>)) {
    let mut buf = [0; 1400];
    let mut slot = Slot::new(&mut buf, 0, 0, 1400);
    let mut writer = Writer::new(&mut slot);
    write(&mut writer);
    writer.finish();
    let mut receiver = receive::Receiver::new(WallClock::new(at(0), Duration::ZERO), true);
    receiver.handle(now, slot.packet(), |event| sender.handle_feedback(now, &event));
}

fn ask(sender: &mut Sender, now: Instant, numbers: &[SequenceNumber]) {
    let written =
        |writer: &mut Writer<'_, '_>| assert_eq!(nack::write(writer, Ssrc(9), MEDIA, numbers), Some(numbers.len()));
    feed(sender, now, written);
}

/// A retransmission as the packet that it repeats.
fn restored(packet: &[u8]) -> Vec<u8> {
    let header_len = peerage_rtp::packet::raw::header_len(packet).unwrap();
    rtx::restore(&mut packet.to_vec(), header_len, MEDIA, payload_type(96)).unwrap().to_vec()
}

/// What must not change when a packet is sent again.
fn essence(packet: &[u8]) -> (SequenceNumber, Timestamp, bool, Vec<u8>) {
    let packet = open(packet);
    let header = packet.header;
    (header.sequence_number, header.timestamp, header.marker, packet.payload.to_vec())
}

#[test]
fn a_frame_leaves_in_even_packets_that_say_what_was_agreed_on() {
    for codec in [Codec::Vp8, Codec::Vp9, Codec::H264, Codec::H265, Codec::Av1] {
        let (mut sender, ids) = sender([video(codec)]);
        let payload = bytes(codec, 10_000, 1);
        sender.send_frame(at(5), ids[0], frame(codec, 5, true, payload.clone())).unwrap();
        let sent = drain(&mut sender, at(6));
        let first = open(&sent[0].1).header;
        assert!(first.sequence_number.0 < 0x8000);
        let map = extensions();
        for (n, (packet, bytes)) in sent.iter().enumerate() {
            let opened = open(bytes);
            let number = first.sequence_number.plus(n as u32);
            assert_eq!((packet.kind, packet.sequence_number, packet.ssrc), (Kind::Video, number, MEDIA));
            assert_eq!((opened.header.sequence_number, opened.header.timestamp), (number, first.timestamp));
            assert_eq!(opened.header.marker, n + 1 == sent.len());
            let transport = TransportSequenceNumber(SequenceNumber(n as u16));
            assert_eq!((map.get(&opened.extension), packet.transport_number), (Some(transport), n as u64));
            assert_eq!((map.get(&opened.extension), map.get(&opened.extension)), (Some(Mid("0")), Some(Rid("hi"))));
        }
        // Parameter sets go before, by themselves, and the last packet has what is left.
        let sizes: Vec<_> = sent[1..sent.len() - 1].iter().map(|(packet, _)| packet.size).collect();
        let (least, most) = (sizes.iter().min().unwrap(), sizes.iter().max().unwrap());
        assert!(*most <= 1200 && most - least <= 2, "{codec:?} {sizes:?}");
        let mut frame = Vec::new();
        let depacketizer = Depacketizer::new(codec, Limits::default());
        depacketizer.assemble(sent.iter().map(|(_, bytes)| open(bytes).payload), &mut frame).unwrap();
        if matches!(codec, Codec::Vp8 | Codec::Vp9) {
            assert_eq!(frame, payload);
        }
    }
}

#[test]
fn packets_of_every_frame_keep_to_the_limit_whatever_headers_they_have() {
    let mut config = video(Codec::Vp8);
    config.extensions.insert(Extension::PlayoutDelay, 5).unwrap();
    config.extensions.insert(Extension::VideoOrientation, 6).unwrap();
    config.max_packet = 300;
    let (mut sender, ids) = sender([config.clone()]);
    let mut longest = Vec::new();
    for round in 0..8u64 {
        if round == 3 {
            sender.set_playout_delay(ids[0], PlayoutDelay::new(Duration::ZERO, Duration::from_millis(50)));
        }
        if round == 5 {
            let block = ReportBlock { ssrc: MEDIA, ..ReportBlock::default() };
            feed(&mut sender, at(40 * round), |writer| {
                peerage_rtp::rtcp::receiver_report::write(writer, Ssrc(9), [block].into_iter()).unwrap();
            });
        }
        if round == 7 {
            config.max_packet = 250;
            sender.reconfigure(ids[0], config.clone()).unwrap();
        }
        let mut frame = frame(Codec::Vp8, 40 * round, round == 0, bytes(Codec::Vp8, 3000, round as u8));
        frame.orientation = (round % 2 == 1).then(VideoOrientation::default);
        sender.send_frame(at(40 * round), ids[0], frame).unwrap();
        let sizes = drain(&mut sender, at(40 * round)).into_iter().map(|(packet, _)| packet.size);
        longest.push(sizes.max().unwrap());
    }
    let limits = [300, 300, 300, 300, 300, 300, 300, 250];
    assert!(longest.iter().zip(limits).all(|(longest, limit)| *longest <= limit), "{longest:?}");
    // Packets of a frame are even, so none is much shorter than it may be.
    assert!(longest.iter().zip(limits).all(|(longest, limit)| *longest + 40 > limit), "{longest:?}");
}

#[test]
fn names_are_told_until_the_peer_reports_on_the_stream() {
    let (mut sender, ids) = sender([video(Codec::Vp8)]);
    let map = extensions();
    let told = |bytes: &[u8]| {
        let block = open(bytes).extension;
        (
            map.get(&block) == Some(Mid("0")),
            map.get(&block) == Some(Rid("hi")),
            map.get(&block) == Some(RepairedRid("hi")),
        )
    };
    send(&mut sender, ids[0], 0, true, 500);
    let sent = drain(&mut sender, at(0));
    assert_eq!(told(&sent[0].1), (true, true, false));
    ask(&mut sender, at(50), &[sent[0].0.sequence_number]);
    send(&mut sender, ids[0], 60, false, 500);
    let sent = drain(&mut sender, at(60));
    assert_eq!((sent[0].0.kind, told(&sent[0].1)), (Kind::Retransmission, (true, false, true)));
    assert_eq!(
        (sent[1].0.kind, told(&sent[1].1)),
        (Kind::Video, (false, false, false)),
        "a NACK tells that it is known"
    );
    let number = sent[1].0.sequence_number;
    let blocks = [RTX, MEDIA].map(|ssrc| ReportBlock { ssrc, ..ReportBlock::default() });
    feed(&mut sender, at(70), |writer| {
        peerage_rtp::rtcp::receiver_report::write(writer, Ssrc(9), blocks.into_iter()).unwrap();
    });
    ask(&mut sender, at(80), &[number]);
    let sent = drain(&mut sender, at(80));
    assert_eq!((sent[0].0.kind, told(&sent[0].1)), (Kind::Retransmission, (false, false, false)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn whatever_is_lost_is_sent_again_as_it_was(
        codec in prop::sample::select(vec![Codec::Vp8, Codec::Vp9, Codec::H264, Codec::H265, Codec::Av1]),
        lens in proptest::collection::vec(1usize..9000, 1..6),
        losses in proptest::collection::vec(any::<u8>(), 60),
        split in 0usize..20,
    ) {
        let (mut sender, ids) = sender([video(codec)]);
        for (n, len) in lens.iter().enumerate() {
            let millis = 33 * n as u64;
            sender.send_frame(at(millis), ids[0], frame(codec, millis, n == 0, bytes(codec, *len, n as u8))).unwrap();
        }
        let now = at(33 * lens.len() as u64);
        // Some packets are asked for while later ones of the same frame have not left.
        let mut sent: Vec<Sent> = (0..split).map_while(|_| poll(&mut sender, now, &Budget::unlimited(1200))).collect();
        let is_lost = |n: usize| losses[n % losses.len()] < 80;
        let early: Vec<_> = sent.iter().enumerate().filter(|(n, _)| is_lost(*n)).map(|(_, (p, _))| p.sequence_number).collect();
        if !early.is_empty() {
            ask(&mut sender, now, &early);
        }
        let rest = drain(&mut sender, now);
        let mut again: Vec<Sent> = Vec::new();
        for packet in rest {
            if packet.0.kind == Kind::Retransmission { again.push(packet) } else { sent.push(packet) }
        }
        let late: Vec<_> =
            (early.len().min(split)..sent.len()).filter(|n| is_lost(*n)).map(|n| sent[n].0.sequence_number).collect();
        let later = now + Duration::from_millis(500);
        if !late.is_empty() {
            ask(&mut sender, later, &late);
        }
        again.extend(drain(&mut sender, later));
        let mut repaired = sent.iter().map(|(_, bytes)| Some(essence(bytes))).collect::<Vec<_>>();
        for (n, place) in repaired.iter_mut().enumerate() {
            if is_lost(n) { *place = None }
        }
        let first = sent[0].0.sequence_number;
        for (packet, bytes) in &again {
            prop_assert!(packet.ssrc == RTX && packet.size <= 1200);
            let packet = essence(&restored(bytes));
            let place = usize::from(packet.0.steps_from(first));
            prop_assert_eq!(&packet, &essence(&sent[place].1));
            repaired[place] = Some(packet);
        }
        prop_assert!(repaired.iter().all(Option::is_some));
    }
}

#[test]
fn a_packet_is_not_sent_again_more_often_than_once_in_a_round_trip_nor_for_ever() {
    let (mut sender, ids) = sender([video(Codec::Vp8)]);
    sender.set_round_trip(Duration::from_millis(100));
    send(&mut sender, ids[0], 0, true, 3000);
    let number = drain(&mut sender, at(0))[1].0.sequence_number;
    let mut times = Vec::new();
    for millis in 1..1900 {
        // Also what was never sent, and what is long gone.
        ask(&mut sender, at(millis), &[number, number, number.plus(500), number.plus(40_000)]);
        let sent = drain(&mut sender, at(millis));
        assert!(sent.len() <= 1);
        times.extend(sent.iter().map(|_| millis));
    }
    assert_eq!(times, [1, 101, 201, 301, 401, 501, 601, 701, 801, 901]);
    let statistics = sender.statistics(ids[0]).unwrap();
    assert_eq!((statistics.resent_packets, statistics.nacks), (10, 1899));
    assert!(statistics.refused_resends > 5000);
}

#[test]
fn a_peer_that_asks_for_everything_gets_half_of_the_media_again_at_most() {
    let (mut sender, ids) = sender([video(Codec::Vp8)]);
    sender.set_round_trip(Duration::ZERO);
    let (mut media, mut again) = (0, 0);
    for n in 0..300u64 {
        send(&mut sender, ids[0], 33 * n, n == 0, 20_000);
        for (packet, _) in drain(&mut sender, at(33 * n)) {
            *(if packet.kind == Kind::Video { &mut media } else { &mut again }) += packet.size;
        }
        let (_, stream) = sender.stream_of(MEDIA).unwrap();
        let last = stream.line().next.0;
        let all: Vec<_> = (1..300).rev().map(|back| SequenceNumber(last.wrapping_sub(back))).collect();
        ask(&mut sender, at(33 * n + 10), &all);
    }
    assert!(again <= media / 2 + (129 << 10) && again > media / 3, "{again} of {media}");
    let (_, stream) = sender.stream_of(MEDIA).unwrap();
    assert!(stream.bytes() <= 20_100 * 62, "two seconds are kept");
}

#[test]
fn audio_goes_first_then_what_is_missing_then_video() {
    let (mut sender, ids) = sender([video(Codec::Vp8), audio()]);
    send(&mut sender, ids[0], 0, true, 3000);
    let sent = drain(&mut sender, at(0));
    ask(&mut sender, at(20), &[sent[0].0.sequence_number]);
    send(&mut sender, ids[0], 20, false, 2000);
    sender.send_frame(at(20), ids[1], frame(Codec::Opus, 20, false, vec![1; 80])).unwrap();
    let held = Budget { bytes: 1199, max_packet: 1200, padding: 0 };
    assert_eq!(poll(&mut sender, at(20), &held).unwrap().0.kind, Kind::Audio, "it does not wait for the path");
    assert!(poll(&mut sender, at(20), &held).is_none());
    let kinds: Vec<_> = drain(&mut sender, at(20)).iter().map(|(packet, _)| packet.kind).collect();
    assert_eq!(kinds, [Kind::Retransmission, Kind::Video, Kind::Video]);
    assert!(!sender.has_waiting());
}

#[test]
fn streams_of_video_take_turns_frame_by_frame() {
    let second = StreamConfig { ssrc: Ssrc(5), rtx: None, ..video(Codec::Vp8) };
    let (mut sender, ids) = sender([video(Codec::Vp8), second]);
    for millis in [0, 10] {
        ids.iter().for_each(|id| send(&mut sender, *id, millis, true, 2000));
    }
    let order: Vec<_> = drain(&mut sender, at(10)).iter().map(|(packet, _)| packet.ssrc).collect();
    assert_eq!(order, [MEDIA, MEDIA, Ssrc(5), Ssrc(5), MEDIA, MEDIA, Ssrc(5), Ssrc(5)]);
}

#[test]
fn video_that_waits_too_long_is_dropped_up_to_the_next_key_frame() {
    let (mut sender, ids) = sender([video(Codec::Vp8)]);
    let early = frame(Codec::Vp8, 0, false, bytes(Codec::Vp8, 10, 0));
    assert_eq!(sender.send_frame(at(0), ids[0], early), Err(Misuse::KeyFrameNeeded));
    send(&mut sender, ids[0], 0, true, 5000);
    poll(&mut sender, at(0), &Budget::unlimited(1200)).unwrap();
    for n in 1..=60 {
        send(&mut sender, ids[0], 33 * n, n == 50, 1000);
    }
    // A packet of the first frame has left; all before frame 50 is dropped.
    let sent = drain(&mut sender, at(2100));
    assert_eq!(sender.poll_event(), Some(Event::Dropped { stream: ids[0], frames: 50 }));
    assert_eq!((sent.len(), sender.poll_event()), (11, None));
    assert_eq!(sender.statistics(ids[0]).unwrap().dropped_frames, 50);

    send(&mut sender, ids[0], 3000, false, 1000);
    assert!(drain(&mut sender, at(6000)).is_empty(), "no key frame follows");
    let (dropped, wanted) = (sender.poll_event(), sender.poll_event());
    assert_eq!(dropped, Some(Event::Dropped { stream: ids[0], frames: 1 }));
    assert_eq!(wanted, Some(Event::KeyFrameRequested { stream: ids[0] }));
    let late = frame(Codec::Vp8, 6000, false, bytes(Codec::Vp8, 10, 0));
    assert_eq!(sender.send_frame(at(6000), ids[0], late), Err(Misuse::KeyFrameNeeded));
}

#[test]
fn late_audio_is_dropped_by_itself() {
    let (mut sender, ids) = sender([audio()]);
    for n in 0..150u64 {
        sender.send_frame(at(20 * n), ids[0], frame(Codec::Opus, 20 * n, false, vec![1; 80])).unwrap();
    }
    assert_eq!(drain(&mut sender, at(2980)).len(), 101);
}

#[test]
fn what_has_arrived_is_forgotten_and_what_has_not_after_two_seconds() {
    let (mut sender, ids) = sender([video(Codec::Vp8)]);
    send(&mut sender, ids[0], 0, true, 9000);
    send(&mut sender, ids[0], 0, false, 4000);
    let sent = drain(&mut sender, at(0));
    let bytes = |sender: &mut Sender| sender.stream_of(MEDIA).unwrap().1.bytes();
    assert_eq!(bytes(&mut sender), 13_002);
    let numbers = 0..sent.len() as u16 - 1;
    let arrivals: Vec<_> = numbers.map(|n| Arrival { number: SequenceNumber(n), at: at(30) }).collect();
    feed(&mut sender, at(40), |writer| {
        let mut report = Report { begin: SequenceNumber(0), arrivals: &arrivals };
        assert!(Builder::new().write(writer, Ssrc(9), MEDIA, 0, &mut report));
    });
    assert_eq!(bytes(&mut sender), 4001, "of the second frame one packet is missing");
    let last = sent.last().unwrap().0.sequence_number;
    ask(&mut sender, at(50), &[sent[0].0.sequence_number, last]);
    assert_eq!(drain(&mut sender, at(50)).len(), 1, "what has arrived is not sent again");
    let mut now = at(0);
    while let Some(at) = sender.poll_timeout() {
        assert!(at > now && now < Instant::from_millis(10_000));
        now = at;
        sender.handle_timeout(now);
    }
    assert_eq!(bytes(&mut sender), 0);
}

#[test]
fn padding_repeats_what_may_be_lost_or_is_empty() {
    let (mut sender, ids) = sender([video(Codec::Vp8)]);
    let budget = Budget { bytes: 5000, max_packet: 1200, padding: 1200 };
    assert!(poll(&mut sender, at(0), &budget).is_none(), "nothing was sent, and so there is no clock");
    send(&mut sender, ids[0], 0, true, 2000);
    let sent = drain(&mut sender, at(0));
    let (packet, bytes) = poll(&mut sender, at(200), &budget).unwrap();
    assert_eq!((packet.kind, packet.ssrc), (Kind::Padding, RTX));
    assert_eq!(essence(&restored(&bytes)), essence(&sent[1].1));
    poll(&mut sender, at(200), &budget).unwrap();
    let (_, bytes) = poll(&mut sender, at(200), &budget).unwrap();
    assert_eq!((open(&bytes).payload, open(&bytes).padding), (&[][..], 255), "both were repeated a moment ago");
    let small = Budget { padding: 60, ..budget };
    assert!(poll(&mut sender, at(200), &small).unwrap().0.size <= 60);
}

#[test]
fn without_retransmissions_padding_keeps_out_of_frames() {
    let (mut sender, ids) = sender([StreamConfig { rtx: None, ..video(Codec::Vp8) }]);
    send(&mut sender, ids[0], 0, true, 3000);
    let budget = Budget { bytes: 5000, max_packet: 1200, padding: 1200 };
    let kinds: Vec<_> = (0..5).map(|_| poll(&mut sender, at(0), &budget).unwrap()).collect();
    let numbers: Vec<_> =
        kinds.iter().map(|(packet, _)| packet.sequence_number.steps_from(kinds[0].0.sequence_number)).collect();
    assert_eq!(numbers, [0, 1, 2, 3, 4]);
    assert_eq!(kinds.iter().filter(|(packet, _)| packet.kind == Kind::Padding).count(), 2);
    ask(&mut sender, at(10), &[kinds[0].0.sequence_number]);
    assert!(drain(&mut sender, at(10)).is_empty(), "the same number twice would be sealed with the same nonce");
}

fn protected(scheme: Scheme) -> StreamConfig {
    let companion = Companion { ssrc: FLEX, payload_type: payload_type(98) };
    let protection = match scheme {
        Scheme::Ulp => Protection::Ulp { red: payload_type(99), ulpfec: payload_type(100) },
        scheme => Protection::Flex { companion, scheme },
    };
    StreamConfig { protection: Some(protection), ..video(Codec::Vp8) }
}

/// A packet of media as it is without RED.
fn without_red(bytes: &[u8]) -> Vec<u8> {
    let mut packet = bytes.to_vec();
    let header_len = peerage_rtp::packet::raw::header_len(bytes).unwrap();
    assert_eq!(packet[1] & 0x7F, 99);
    packet[1] = packet[1] & 0x80 | packet.remove(header_len);
    packet
}

#[test]
fn any_one_packet_of_a_group_is_made_from_the_others() {
    for scheme in [Scheme::Ulp, Scheme::Flex03, Scheme::Flex] {
        let (mut sender, ids) = sender([protected(scheme)]);
        sender.protect(ids[0], Share { key: 64, delta: 64 });
        for n in 0..10 {
            send(&mut sender, ids[0], 33 * n, n == 0, 400 + 1500 * n as usize);
        }
        let (mut media, mut repairs) = (Vec::new(), Vec::new());
        for (packet, bytes) in drain(&mut sender, at(400)) {
            assert!(packet.size <= 1200, "{scheme:?}");
            match packet.kind {
                Kind::Repair => repairs.push(bytes),
                _ if scheme == Scheme::Ulp => media.push(without_red(&bytes)),
                _ => media.push(bytes),
            }
        }
        assert!((media.len() / 5..=media.len() / 3).contains(&repairs.len()), "{} for {}", repairs.len(), media.len());
        let find = |number: SequenceNumber| media.iter().find(|bytes| open(bytes).header.sequence_number == number);
        let mut protects = 0;
        for bytes in &repairs {
            let packet = open(bytes);
            let payload = if scheme == Scheme::Ulp { &packet.payload[1..] } else { packet.payload };
            let sources: Vec<_> = if scheme == Scheme::Ulp { vec![MEDIA] } else { packet.csrcs().collect() };
            let repair = Repair::parse(scheme, payload, sources).unwrap();
            for (_, lost) in repair.packets() {
                let mut out = Vec::new();
                let others = |_, number| if number == lost { None } else { find(number).map(|bytes| &bytes[..]) };
                assert_eq!(repair.recover(others, &mut out), Ok((MEDIA, lost)), "{scheme:?}");
                assert_eq!(Some(&out), find(lost));
                protects += 1;
            }
        }
        assert!(protects >= media.len() - 3, "{protects} of {}", media.len());
        assert_eq!(sender.statistics(ids[0]).unwrap().repair_packets, repairs.len() as u64);
    }
}

#[test]
fn media_in_red_is_sent_again_in_red() {
    let (mut sender, ids) = sender([protected(Scheme::Ulp)]);
    send(&mut sender, ids[0], 0, true, 2500);
    let sent = drain(&mut sender, at(0));
    ask(&mut sender, at(10), &[sent[1].0.sequence_number]);
    let again = drain(&mut sender, at(10));
    assert_eq!(open(&restored(&again[0].1)).payload, open(&sent[1].1).payload);
    assert_eq!(open(&sent[1].1).payload[0], 96);
}

#[test]
fn audio_repeats_earlier_frames_as_far_as_was_asked() {
    let (mut sender, ids) = sender([StreamConfig { redundancy: Some((payload_type(63), 1)), ..audio() }]);
    let frames = |sender: &mut Sender, n: u8| {
        let millis = 20 * u64::from(n);
        sender.send_frame(at(millis), ids[0], frame(Codec::Opus, millis, false, vec![n; 80])).unwrap();
        let sent = drain(sender, at(millis));
        assert_eq!((sent.len(), open(&sent[0].1).header.payload_type.value()), (1, 63));
        red::parse(open(&sent[0].1).payload).unwrap().map(|block| block.payload[0]).collect::<Vec<_>>()
    };
    assert_eq!((frames(&mut sender, 1), frames(&mut sender, 2)), (vec![1], vec![1, 2]));
    sender.set_redundancy(ids[0], 2);
    assert_eq!(
        (frames(&mut sender, 3), frames(&mut sender, 4), frames(&mut sender, 5)),
        (vec![3], vec![3, 4], vec![3, 4, 5])
    );
    sender.set_redundancy(ids[0], 0);
    assert_eq!((frames(&mut sender, 6), frames(&mut sender, 7)), (vec![6], vec![7]));
}

#[test]
fn telephone_events_travel_among_audio_and_are_not_repeated() {
    let rtx = Some(Companion { ssrc: RTX, payload_type: payload_type(64) });
    let (mut sender, ids) =
        sender([StreamConfig { redundancy: Some((payload_type(63), 1)), rtx, ssrc: MEDIA, ..audio() }]);
    let mut sent = Vec::new();
    for n in 0..3 {
        let mut frame = frame(Codec::Opus, 20 * n, false, vec![n as u8; 4]);
        frame.payload_type = (n == 1).then_some(payload_type(126));
        sender.send_frame(at(20 * n), ids[0], frame).unwrap();
        sent.extend(drain(&mut sender, at(20 * n)));
    }
    let types: Vec<_> = sent.iter().map(|(_, bytes)| open(bytes).header.payload_type.value()).collect();
    assert_eq!(types, [63, 126, 63]);
    assert_eq!(open(&sent[1].1).payload, [1; 4]);
    let earlier = red::parse(open(&sent[2].1).payload).unwrap().next().unwrap().payload;
    assert_eq!(earlier, [0; 4], "the event is not what is repeated");
    ask(&mut sender, at(60), &[0, 1].map(|n: usize| sent[n].0.sequence_number));
    let again: Vec<_> = drain(&mut sender, at(60)).iter().map(|(_, bytes)| restored(bytes)).collect();
    assert_eq!(again.len(), 1);
    assert_eq!(open(&again[0]).payload, [111, 0, 0, 0, 0], "the frame in RED, without what it repeated");
}

#[test]
fn sender_reports_tell_what_left_and_the_time() {
    let (mut sender, ids) = sender([video(Codec::Vp8), audio()]);
    assert_eq!(sender.sender_reports(at(0)).count(), 0);
    send(&mut sender, ids[0], 1000, true, 3000);
    let sent = drain(&mut sender, at(1000));
    let info = sender.sender_reports(at(1500)).next().unwrap();
    let payload: usize = sent.iter().map(|(_, bytes)| open(bytes).payload.len()).sum();
    assert_eq!((info.ssrc, info.packets, info.bytes), (MEDIA, sent.len() as u32, payload as u32));
    assert_eq!(info.timestamp.distance(open(&sent[0].1).header.timestamp), 45_000, "half a second after the frame");
    let statistics = sender.statistics(ids[0]).unwrap();
    assert_eq!((statistics.frames, statistics.key_frames, statistics.bytes), (1, 1, payload as u64));
}

#[test]
fn key_frames_are_asked_for_a_few_times_a_second_at_most() {
    let (mut sender, ids) = sender([video(Codec::Vp8), audio()]);
    for millis in 0..1000 {
        for source in [MEDIA, AUDIO, Ssrc(77)] {
            sender.handle_feedback(at(millis), &receive::Event::PictureLoss(source));
            sender.handle_feedback(at(millis), &receive::Event::FullIntra(source));
        }
    }
    let events: Vec<_> = core::iter::from_fn(|| sender.poll_event()).collect();
    assert_eq!(events, [Event::KeyFrameRequested { stream: ids[0] }; 4]);
}

#[test]
fn streams_come_and_go_and_their_names_are_not_used_again() {
    let (mut sender, ids) = sender([video(Codec::Vp8)]);
    assert_eq!(sender.add(StreamConfig { ssrc: RTX, rtx: None, ..video(Codec::Vp8) }), Err(Misuse::SsrcTaken));
    assert_eq!(
        sender.add(StreamConfig {
            ssrc: Ssrc(1),
            rtx: Some(Companion { ssrc: Ssrc(1), payload_type: payload_type(1) }),
            ..video(Codec::Vp8)
        }),
        Err(Misuse::SsrcTaken)
    );
    send(&mut sender, ids[0], 0, true, 3000);
    assert_eq!(sender.remove(ids[0]), [MEDIA, RTX]);
    assert_eq!((sender.remove(ids[0]), drain(&mut sender, at(0)).len()), (vec![], 0));
    let again = sender.add(video(Codec::Vp8)).unwrap();
    assert_ne!(again, ids[0]);
    let late = frame(Codec::Vp8, 0, true, bytes(Codec::Vp8, 10, 0));
    assert_eq!(sender.send_frame(at(0), ids[0], late), Err(Misuse::NoStream));
    send(&mut sender, again, 0, true, 3000);
    assert_eq!(drain(&mut sender, at(0)).len(), 3);
}

#[test]
fn what_waits_is_bounded_in_frames_and_bytes() {
    let mut limits = Config::default();
    (limits.max_frames, limits.history_bytes) = (10, 50_000);
    let (mut sender, ids) = sender_with(limits, [video(Codec::Vp8)]);
    let offer = |sender: &mut Sender, len| {
        sender.send_frame(at(0), ids[0], frame(Codec::Vp8, 0, true, bytes(Codec::Vp8, len, 0)))
    };
    (0..10).for_each(|_| offer(&mut sender, 10).unwrap());
    assert_eq!(offer(&mut sender, 10), Err(Misuse::QueueFull));
    drain(&mut sender, at(0));
    assert_eq!(offer(&mut sender, 50_001), Err(Misuse::QueueFull));
    offer(&mut sender, 40_000).unwrap();
    drain(&mut sender, at(0));
    offer(&mut sender, 30_000).unwrap();
    assert_eq!(sender.stream_of(MEDIA).unwrap().1.bytes(), 30_001, "what was sent makes room");
}

#[test]
fn numbers_wrap_and_what_is_lost_about_the_wrap_is_sent_again() {
    let (mut sender, ids) = sender([video(Codec::Vp8)]);
    let mut wrapped = None;
    for n in 0..70_000u64 {
        send(&mut sender, ids[0], n, n == 0, 10);
        let sent = drain(&mut sender, at(n));
        if sent[0].0.sequence_number.0 == 3 {
            wrapped = Some(n);
            break;
        }
    }
    let now = at(wrapped.unwrap() + 30);
    ask(&mut sender, now, &[SequenceNumber(65_534), SequenceNumber(65_535), SequenceNumber(0), SequenceNumber(2)]);
    let again: Vec<_> = drain(&mut sender, now).iter().map(|(_, bytes)| essence(&restored(bytes)).0.0).collect();
    assert_eq!(again, [65_534, 65_535, 0, 2]);
}

#[test]
fn a_stream_goes_on_as_another_format_under_the_numbers_that_follow() {
    let (mut sender, ids) = sender([StreamConfig { rtx: None, ..video(Codec::Vp8) }, audio()]);
    send(&mut sender, ids[0], 0, true, 3000);
    let before = drain(&mut sender, at(0));
    assert_eq!(sender.reconfigure(ids[0], video(Codec::H264)), Ok(()));
    let payload = bytes(Codec::H264, 3000, 1);
    let delta = frame(Codec::H264, 33, false, payload.clone());
    assert_eq!(sender.send_frame(at(33), ids[0], delta), Err(Misuse::KeyFrameNeeded));
    sender.send_frame(at(33), ids[0], frame(Codec::H264, 33, true, payload)).unwrap();
    let after = drain(&mut sender, at(33));
    assert_eq!(after[0].0.sequence_number, before.last().unwrap().0.sequence_number.next());
    // It can be sent again now, which it could not before.
    ask(&mut sender, at(34), &[after[0].0.sequence_number]);
    assert_eq!(drain(&mut sender, at(34))[0].0.ssrc, RTX);
    // The sources of others are not to be had.
    let other =
        StreamConfig { rtx: Some(Companion { ssrc: AUDIO, payload_type: payload_type(97) }), ..video(Codec::Vp8) };
    assert_eq!(sender.reconfigure(ids[0], other), Err(Misuse::SsrcTaken));
    assert_eq!(sender.reconfigure(ids[0], audio()), Err(Misuse::SsrcTaken));
    assert_eq!(sender.remove(ids[0]), [MEDIA, RTX]);
}
