//! A publisher, what stands between, and what viewers see, in simulated time.

use alloc::vec;
use alloc::vec::Vec;

use bytes::Bytes;
use peerage_base::rng::Rng;
use peerage_base::serial::Serial as _;
use peerage_base::slot::Slot;
use peerage_base::time::{Duration, Instant};
use peerage_rtp::extension::abs_capture_time::AbsCaptureTime;
use peerage_rtp::extension::kind::Kind as Extension;
use peerage_rtp::extension::map::Map;
use peerage_rtp::extension::mid::Mid;
use peerage_rtp::extension::transmission_offset::TransmissionOffset;
use peerage_rtp::extension::transport_sequence_number::TransportSequenceNumber;
use peerage_rtp::extension::video_orientation::{Rotation, VideoOrientation};
use peerage_rtp::ntp::WallClock;
use peerage_rtp::numbers::{PayloadType, SequenceNumber, Ssrc, Timestamp};
use peerage_rtp::packet::write::PacketWriter;
use peerage_rtp::packet::{Header, Packet as Opened};
use peerage_rtp::payload::codec::Codec;
use peerage_rtp::payload::info::PictureId;
use peerage_rtp::payload::rtx;
use peerage_rtp::payload::vp8::descriptor::{Descriptor, Temporal};
use peerage_rtp::rtcp::twcc::build::{Arrival, Builder, Report};
use peerage_rtp::rtcp::write::Writer;
use peerage_rtp::rtcp::{nack, pli};
use proptest::prelude::*;

use super::passed::Passed;
use super::raw::RawPacket;
use crate::rtcp::receive;
use crate::send::budget::Budget;
use crate::send::config::{Companion, Config, StreamConfig};
use crate::send::event::Event;
use crate::send::fec::Share;
use crate::send::forward::intake::Intake;
use crate::send::forward::store::{Shared, Store};
use crate::send::forward::targets::Limit;
use crate::send::frame::Frame;
use crate::send::misuse::Misuse;
use crate::send::ready::Kind;
use crate::send::sender::{Packet, Sender};
use crate::send::stream_id::StreamId;

const MEDIA: Ssrc = Ssrc(0x1111);
const RTX: Ssrc = Ssrc(0x2222);
const LOW: Ssrc = Ssrc(1);
const HIGH: Ssrc = Ssrc(2);

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

fn map(first: u8) -> Map {
    let mut map = Map::new(true);
    let kinds = [
        Extension::TransportSequenceNumber,
        Extension::AbsSendTime,
        Extension::Mid,
        Extension::VideoOrientation,
        Extension::TransmissionOffset,
    ];
    kinds.iter().zip(first..).for_each(|(kind, id)| map.insert(*kind, id).unwrap());
    map
}

/// Three packets to a picture, in two temporal layers.
struct Publisher {
    ssrc: Ssrc,
    intake: Intake,
    number: u16,
    picture: u16,
}

impl Publisher {
    fn new(ssrc: Ssrc) -> Self {
        Self { ssrc, intake: Intake::new(Codec::Vp8, map(1)), number: 65_500, picture: 0 }
    }

    fn picture(&mut self, store: &mut Store, n: u64, is_key: bool) -> Vec<Shared> {
        self.picture += 1;
        (0..3).map(|part| self.packet(store, n, part, is_key)).collect()
    }

    fn packet(&mut self, store: &mut Store, n: u64, part: usize, is_key: bool) -> Shared {
        self.number = self.number.wrapping_add(1);
        let header = Header {
            marker: part == 2,
            payload_type: PayloadType::from_byte(100),
            sequence_number: SequenceNumber(self.number),
            timestamp: Timestamp(3000 * n as u32),
            ssrc: self.ssrc,
        };
        let descriptor = Descriptor {
            is_start: part == 0,
            picture_id: Some(PictureId::wide(self.picture)),
            tl0_index: Some(self.picture as u8 / 2),
            temporal: Some(Temporal { id: if is_key { 0 } else { n as u8 % 2 }, is_switching_point: false }),
            ..Descriptor::default()
        };
        let mut buf = [0; 1300];
        let mut slot = Slot::new(&mut buf, 0, 0, 1300);
        let mut writer = PacketWriter::new(&mut slot, &header, &[Ssrc(77)]).unwrap();
        writer.extensions(map(1).forms(), |block| {
            map(1).write(block, &TransportSequenceNumber(SequenceNumber(self.number)));
            map(1).write(block, &Mid("in"));
            if part == 2 {
                map(1).write(block, &VideoOrientation { rotation: Rotation::Quarter, ..VideoOrientation::default() });
            }
        });
        let room = writer.room();
        let len = descriptor.write(room).unwrap();
        // The lowest bit of a frame's first byte says that it is no key frame.
        room[len] = 0x10 | u8::from(!is_key);
        room[len + 1..len + 1000].fill(self.picture as u8);
        writer.finish(len + 1000, 0).unwrap();
        self.intake.take(at(33 * n), &Opened::parse(slot.packet()).unwrap(), store).unwrap()
    }
}

fn config() -> StreamConfig {
    let mut config = StreamConfig::new(MEDIA, PayloadType::from_byte(96), Codec::Vp8);
    config.extensions = map(5);
    config.mid = Some("out".into());
    config.rtx = Some(Companion { ssrc: RTX, payload_type: PayloadType::from_byte(97) });
    config
}

fn sender(limits: Config) -> (Sender, StreamId) {
    let wall = WallClock::new(at(0), Duration::from_secs(1_700_000_000));
    let mut sender = Sender::new(limits, wall, Rng::from_u64(7));
    let id = sender.add_forwarded(config()).unwrap();
    (sender, id)
}

fn viewer() -> (Sender, StreamId) {
    let (mut sender, id) = sender(Config::default());
    sender.select(at(0), id, Some(LOW), Limit::NONE);
    assert_eq!(events(&mut sender), [Event::KeyFrameRequested { stream: id }]);
    (sender, id)
}

fn events(sender: &mut Sender) -> Vec<Event> {
    core::iter::from_fn(|| sender.poll_event()).collect()
}

fn poll(sender: &mut Sender, now: Instant, budget: &Budget) -> Option<(Packet, Vec<u8>)> {
    let mut buf = [0; 1400];
    let mut slot = Slot::new(&mut buf, 20, 40, 1300);
    let packet = sender.poll_transmit(now, &mut slot, budget)?;
    Some((packet, slot.packet().to_vec()))
}

fn drain(sender: &mut Sender, now: Instant) -> Vec<(Packet, Vec<u8>)> {
    core::iter::from_fn(|| poll(sender, now, &Budget::unlimited(1200))).collect()
}

fn rtcp(sender: &mut Sender, now: Instant, write: impl FnOnce(&mut Writer<'_, '_>)) {
    let mut buf = [0; 500];
    let mut slot = Slot::new(&mut buf, 0, 0, 500);
    let mut writer = Writer::new(&mut slot);
    write(&mut writer);
    writer.finish();
    let wall = WallClock::new(at(0), Duration::from_secs(1_700_000_000));
    receive::Receiver::new(wall, true).handle(now, slot.packet(), |event| sender.handle_feedback(now, &event));
}

fn ask(sender: &mut Sender, now: Instant, numbers: &[SequenceNumber]) {
    rtcp(sender, now, |writer| {
        nack::write(writer, Ssrc(9), MEDIA, numbers).unwrap();
    });
}

#[test]
fn packets_reach_every_viewer_as_those_of_its_connection() {
    let mut store = Store::new(1 << 20);
    let mut publisher = Publisher::new(LOW);
    let mut viewers = [viewer(), viewer()];
    for n in 0..4 {
        let packets = publisher.picture(&mut store, n, n == 0);
        for (sender, id) in &mut viewers {
            for packet in &packets {
                assert_eq!(sender.forward(at(33 * n), *id, packet), Ok(Passed::Queued));
            }
            let sent = drain(sender, at(33 * n + 10));
            assert_eq!(sent.len(), 3);
            for ((packet, bytes), original) in sent.iter().zip(&packets) {
                let opened = Opened::parse(bytes).unwrap();
                assert_eq!((opened.header.ssrc, opened.header.payload_type.value()), (MEDIA, 96));
                assert_eq!((packet.kind, packet.stream), (Kind::Video, *id));
                assert!(opened.csrcs().eq([Ssrc(77)]));
                assert_eq!(opened.header.marker, original.incoming().header.marker);
                let number = map(5).get::<TransportSequenceNumber>(&opened.extension).unwrap();
                assert_eq!(u64::from(number.0.0), packet.transport_number);
                assert_eq!(map(5).get::<Mid<'_>>(&opened.extension), Some(Mid("out")));
                let turned = map(5).get::<VideoOrientation>(&opened.extension).is_some();
                assert_eq!(turned, opened.header.marker, "what tells of the picture is passed on");
                let lead = map(5).get::<TransmissionOffset>(&opened.extension).unwrap().0;
                assert_eq!(lead, 900, "10 ms after it came");
                let (a, b) =
                    (Descriptor::parse(opened.payload).unwrap(), Descriptor::parse(original.payload()).unwrap());
                assert_eq!((a.1, a.0.is_start), (b.1, b.0.is_start));
            }
        }
    }
    for (sender, id) in &viewers {
        let statistics = sender.statistics(*id).unwrap();
        assert_eq!((statistics.packets, statistics.frames, statistics.key_frames), (12, 4, 1));
        let report = sender.sender_reports(at(200)).next().unwrap();
        assert_eq!((report.ssrc, report.packets), (MEDIA, 12));
    }
    assert!(store.size() <= 64 << 10, "both viewers have the same bytes");
}

#[test]
fn what_a_viewer_misses_is_sent_again_from_what_is_kept() {
    let mut store = Store::new(1 << 20);
    let mut publisher = Publisher::new(LOW);
    let (mut sender, id) = viewer();
    let mut sent = Vec::new();
    for n in 0..5 {
        for packet in publisher.picture(&mut store, n, n == 0) {
            sender.forward(at(33 * n), id, &packet).unwrap();
        }
        sent.extend(drain(&mut sender, at(33 * n)));
    }
    let missed = [&sent[2], &sent[7]];
    ask(&mut sender, at(200), &missed.map(|(packet, _)| packet.sequence_number));
    let again = drain(&mut sender, at(200));
    assert_eq!(again.len(), 2);
    for ((packet, bytes), (original, first)) in again.iter().zip(missed) {
        let (opened, first) = (Opened::parse(bytes).unwrap(), Opened::parse(first).unwrap());
        assert_eq!(
            (packet.kind, opened.header.ssrc, opened.header.payload_type.value()),
            (Kind::Retransmission, RTX, 97)
        );
        assert_eq!(rtx::parse(opened.payload), Some((original.sequence_number, first.payload)));
        assert_eq!((opened.header.timestamp, opened.header.marker), (first.header.timestamp, first.header.marker));
    }
    ask(&mut sender, at(201), &[missed[0].0.sequence_number, sent[14].0.sequence_number.next()]);
    assert!(drain(&mut sender, at(201)).is_empty(), "sent a moment ago, and never sent");
    assert_eq!(sender.statistics(id).unwrap().refused_resends, 2);
    sender.handle_timeout(at(4000));
    assert_eq!(sender.kept_bytes(id), 0, "two seconds are kept");
    ask(&mut sender, at(4001), &[missed[0].0.sequence_number]);
    assert!(drain(&mut sender, at(4001)).is_empty());
}

#[test]
fn a_packet_that_comes_twice_leaves_once_and_a_late_one_finds_its_place() {
    let mut store = Store::new(1 << 20);
    let mut publisher = Publisher::new(LOW);
    let (mut sender, id) = viewer();
    let packets: Vec<_> = (0..4).flat_map(|n| publisher.picture(&mut store, n, n == 0)).collect();
    let order = [0, 1, 2, 2, 4, 5, 6, 3, 3, 4, 7, 0];
    for n in order {
        sender.forward(at(0), id, &packets[n]).unwrap();
    }
    let numbers: Vec<_> = drain(&mut sender, at(0)).iter().map(|(packet, _)| packet.sequence_number).collect();
    let steps: Vec<_> = numbers.iter().map(|number| number.distance(numbers[0])).collect();
    assert_eq!(steps, [0, 1, 2, 4, 5, 6, 3, 7]);
    assert_eq!(sender.statistics(id).unwrap().dropped_packets, 4);
}

#[test]
fn what_waits_too_long_is_dropped_up_to_a_key_frame_and_leaves_no_gap() {
    let mut store = Store::new(1 << 20);
    let mut publisher = Publisher::new(LOW);
    let (mut sender, id) = viewer();
    let pass = |sender: &mut Sender, publisher: &mut Publisher, store: &mut Store, n: u64, is_key: bool| {
        let packets = publisher.picture(store, n, is_key);
        packets.iter().map(|packet| sender.forward(at(33 * n), id, packet).unwrap()).collect::<Vec<_>>()
    };
    pass(&mut sender, &mut publisher, &mut store, 0, true);
    let first = drain(&mut sender, at(0));
    // The path stands for more than two seconds: a key frame waits amid what came.
    for n in 1..=30 {
        pass(&mut sender, &mut publisher, &mut store, n, n == 20);
    }
    let second = drain(&mut sender, at(33 * 30 + 1500));
    assert_eq!(second.len(), 33, "from the key frame on");
    assert_eq!(second[0].0.sequence_number, first[2].0.sequence_number.next(), "receivers see no loss");
    let dropped = Event::Dropped { stream: id, frames: 57 };
    assert_eq!(events(&mut sender), [dropped]);
    // Now there is no key frame: one is asked for, and all before it is of no use.
    pass(&mut sender, &mut publisher, &mut store, 80, false);
    let dropped = Event::Dropped { stream: id, frames: 3 };
    assert!(drain(&mut sender, at(33 * 80 + 2500)).is_empty());
    assert_eq!(events(&mut sender), [dropped, Event::KeyFrameRequested { stream: id }]);
    assert_eq!(pass(&mut sender, &mut publisher, &mut store, 160, false), [Passed::KeyFrameWanted(LOW); 3]);
    assert_eq!(pass(&mut sender, &mut publisher, &mut store, 161, true), [Passed::Queued; 3]);
    let third = drain(&mut sender, at(33 * 161));
    assert_eq!(third[0].0.sequence_number, second[32].0.sequence_number.next());
    // What was dropped is not there to be sent again.
    ask(&mut sender, at(33 * 161), &[first[2].0.sequence_number.plus(40)]);
    assert!(drain(&mut sender, at(33 * 161)).is_empty());
    assert_eq!(sender.statistics(id).unwrap().dropped_packets, 60);
}

#[test]
fn what_comes_late_from_before_a_gap_takes_nobody_elses_place() {
    let mut store = Store::new(1 << 20);
    let mut publisher = Publisher::new(LOW);
    let (mut sender, id) = sender(Config { max_wait: Duration::from_millis(100), ..Config::default() });
    sender.select(at(0), id, Some(LOW), Limit::NONE);
    let packets: Vec<_> = (0..3).flat_map(|n| publisher.picture(&mut store, n, n != 1)).collect();
    let pass = |sender: &mut Sender, millis: u64, order: &[usize]| {
        order.iter().for_each(|n| assert_eq!(sender.forward(at(millis), id, &packets[*n]), Ok(Passed::Queued), "{n}"));
    };
    // One is missing, and its number free.
    pass(&mut sender, 0, &[0, 2]);
    let first = drain(&mut sender, at(0))[0].0.sequence_number;
    pass(&mut sender, 10, &[3, 5]);
    pass(&mut sender, 90, &[6, 7]);
    let numbers: Vec<_> = drain(&mut sender, at(150)).iter().map(|(packet, _)| packet.sequence_number).collect();
    assert_eq!(numbers, [first.plus(3), first.plus(4)], "two were dropped");
    pass(&mut sender, 150, &[4, 1, 8]);
    let numbers: Vec<_> = drain(&mut sender, at(150)).iter().map(|(packet, _)| packet.sequence_number).collect();
    assert_eq!(numbers, [first.plus(5)]);
}

#[test]
fn too_many_packets_push_out_the_oldest() {
    let mut store = Store::new(1 << 20);
    let mut publisher = Publisher::new(LOW);
    let (mut sender, id) = sender(Config { max_packets: 30, ..Config::default() });
    sender.select(at(0), id, Some(LOW), Limit::NONE);
    for n in 0..9 {
        publisher.picture(&mut store, n, n == 0 || n == 6).iter().for_each(|packet| {
            sender.forward(at(n), id, packet).unwrap();
        });
    }
    assert_eq!(sender.waiting(id).unwrap().0, 27);
    publisher.picture(&mut store, 9, false).iter().for_each(|packet| {
        sender.forward(at(9), id, packet).unwrap();
    });
    publisher.picture(&mut store, 10, false).iter().for_each(|packet| {
        sender.forward(at(10), id, packet).unwrap();
    });
    assert_eq!(sender.waiting(id).unwrap().0, 15, "the first picture is now the key frame");
    assert_eq!(drain(&mut sender, at(20)).len(), 15);
}

#[test]
fn a_viewer_changes_to_another_encoding_at_its_key_frame() {
    let mut store = Store::new(1 << 20);
    let (mut low, mut high) = (Publisher::new(LOW), Publisher::new(HIGH));
    high.number = 17;
    let (mut sender, id) = viewer();
    let mut out = Vec::new();
    for n in 0..20 {
        if n == 8 {
            sender.select(at(33 * n), id, Some(HIGH), Limit { spatial: 0, temporal: 0 });
        }
        let packets = [low.picture(&mut store, n, n == 0), high.picture(&mut store, n, n == 0 || n == 12)].concat();
        let passed: Vec<_> = packets.iter().map(|packet| sender.forward(at(33 * n), id, packet).unwrap()).collect();
        let wants_key = passed.iter().any(|passed| matches!(passed, Passed::KeyFrameWanted(HIGH)));
        assert_eq!(wants_key, (8..12).contains(&n), "{n}");
        out.extend(drain(&mut sender, at(33 * n)));
    }
    let numbers: Vec<_> = out.iter().map(|(packet, _)| packet.sequence_number).collect();
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0].next()));
    assert_eq!(
        numbers.len(),
        3 * (8 + 3 + 4),
        "all pictures of the first eight, then every other; the twelfth of both"
    );
    let asked = events(&mut sender).len();
    assert_eq!(asked, 1, "no more often than every 300 ms, and then the key frame had come");
    sender.select(at(700), id, None, Limit::NONE);
    assert_eq!(sender.forward(at(700), id, &high.picture(&mut store, 21, true)[0]), Ok(Passed::LeftOut));
}

#[test]
fn padding_of_the_publisher_leaves_no_gap_and_probes_repeat_what_is_kept() {
    let mut store = Store::new(1 << 20);
    let mut publisher = Publisher::new(LOW);
    let (mut sender, id) = viewer();
    let mut packets = publisher.picture(&mut store, 0, true);
    publisher.number += 1;
    let header =
        Header { ssrc: LOW, sequence_number: SequenceNumber(publisher.number), ..packets[2].incoming().header };
    let mut buf = [0; 100];
    let mut slot = Slot::new(&mut buf, 0, 0, 100);
    PacketWriter::new(&mut slot, &header, &[]).unwrap().finish(0, 50).unwrap();
    packets.push(publisher.intake.take(at(1), &Opened::parse(slot.packet()).unwrap(), &mut store).unwrap());
    packets.extend(publisher.picture(&mut store, 1, false));
    let passed: Vec<_> = packets.iter().map(|packet| sender.forward(at(0), id, packet).unwrap()).collect();
    assert_eq!(passed.iter().position(|passed| *passed == Passed::LeftOut), Some(3));
    let sent = drain(&mut sender, at(0));
    assert!(sent.windows(2).all(|pair| pair[1].0.sequence_number == pair[0].0.sequence_number.next()));
    let budget = Budget { padding: 2000, ..Budget::unlimited(1200) };
    let (packet, bytes) = poll(&mut sender, at(500), &budget).unwrap();
    assert_eq!((packet.kind, packet.ssrc), (Kind::Padding, RTX));
    let (number, payload) = rtx::parse(Opened::parse(&bytes).unwrap().payload).unwrap();
    assert_eq!((number, payload.len()), (sent[5].0.sequence_number, Opened::parse(&sent[5].1).unwrap().payload.len()));
}

#[test]
fn a_viewer_that_lost_a_picture_has_its_publisher_asked() {
    let mut store = Store::new(1 << 20);
    let mut publisher = Publisher::new(LOW);
    let (mut sender, id) = viewer();
    for packet in publisher.picture(&mut store, 0, true) {
        sender.forward(at(0), id, &packet).unwrap();
    }
    drain(&mut sender, at(0));
    let say = |writer: &mut Writer<'_, '_>| {
        assert!(pli::write(writer, Ssrc(9), MEDIA));
    };
    [400, 500, 800].into_iter().for_each(|millis| rtcp(&mut sender, at(millis), say));
    assert_eq!(events(&mut sender), [Event::KeyFrameRequested { stream: id }; 2]);
    assert_eq!(sender.forwarder(id).and_then(|forwarder| forwarder.wanted()), Some(LOW));
}

#[test]
fn repair_packets_of_a_viewer_are_made_of_what_it_gets() {
    let mut store = Store::new(1 << 20);
    let mut publisher = Publisher::new(LOW);
    let wall = WallClock::new(at(0), Duration::from_secs(1_700_000_000));
    let mut sender = Sender::new(Config::default(), wall, Rng::from_u64(7));
    let mut config = config();
    let companion = Companion { ssrc: Ssrc(5), payload_type: PayloadType::from_byte(98) };
    let scheme = peerage_rtp::payload::fec::header::Scheme::Flex03;
    config.protection = Some(crate::send::config::Protection::Flex { companion, scheme });
    let id = sender.add_forwarded(config).unwrap();
    sender.select(at(0), id, Some(LOW), Limit::NONE);
    sender.protect(id, Share { key: 128, delta: 86 });
    let mut repairs = 0;
    for n in 0..10 {
        for packet in publisher.picture(&mut store, n, n == 0) {
            sender.forward(at(33 * n), id, &packet).unwrap();
        }
        repairs += drain(&mut sender, at(33 * n)).iter().filter(|(packet, _)| packet.ssrc == Ssrc(5)).count();
    }
    assert!((10..=12).contains(&repairs), "{repairs}");
}

#[test]
fn what_has_arrived_is_let_go_of_before_its_time() {
    let mut store = Store::new(1 << 20);
    let mut publisher = Publisher::new(LOW);
    let (mut sender, id) = viewer();
    for packet in publisher.picture(&mut store, 0, true) {
        sender.forward(at(0), id, &packet).unwrap();
    }
    let sent = drain(&mut sender, at(0));
    let kept = sender.kept_bytes(id);
    let arrivals = [0, 2].map(|n| Arrival { number: SequenceNumber(n), at: at(30) });
    for _ in 0..2 {
        rtcp(&mut sender, at(40), |writer| {
            let mut report = Report { begin: SequenceNumber(0), arrivals: &arrivals };
            assert!(Builder::new().write(writer, Ssrc(9), MEDIA, 0, &mut report));
        });
        assert_eq!(
            sender.kept_bytes(id),
            (kept - 3) / 3,
            "that of the second one; the last one told how it is turned in three bytes"
        );
    }
    ask(&mut sender, at(50), &[0, 1, 2].map(|n: usize| sent[n].0.sequence_number));
    assert_eq!(drain(&mut sender, at(50)).len(), 1);
    let timeouts: Vec<_> = core::iter::from_fn(|| {
        let at = sender.poll_timeout()?;
        sender.handle_timeout(at);
        Some(at)
    })
    .take(10)
    .collect();
    assert_eq!((sender.kept_bytes(id), timeouts), (0, [at(2000), at(4000)].to_vec()));
    assert_eq!(sender.remove(id), [MEDIA, RTX]);
}

#[test]
fn audio_that_waits_too_long_is_dropped_by_itself() {
    let wall = WallClock::new(at(0), Duration::from_secs(1_700_000_000));
    let mut sender = Sender::new(Config::default(), wall, Rng::from_u64(7));
    let mut config = StreamConfig::new(MEDIA, PayloadType::from_byte(96), Codec::Opus);
    config.extensions = map(5);
    let id = sender.add_forwarded(config).unwrap();
    sender.select(at(0), id, Some(LOW), Limit::NONE);
    let mut intake = Intake::new(Codec::Opus, map(1));
    let mut store = Store::new(1 << 20);
    for n in 0..150u16 {
        let header = Header {
            sequence_number: SequenceNumber(n),
            timestamp: Timestamp(960 * u32::from(n)),
            ssrc: LOW,
            ..Header::default()
        };
        let mut buf = [0; 200];
        let mut slot = Slot::new(&mut buf, 0, 0, 200);
        let mut writer = PacketWriter::new(&mut slot, &header, &[]).unwrap();
        writer.room()[..80].fill(7);
        writer.finish(80, 0).unwrap();
        let packet = intake.take(at(20 * u64::from(n)), &Opened::parse(slot.packet()).unwrap(), &mut store).unwrap();
        assert_eq!(sender.forward(at(20 * u64::from(n)), id, &packet), Ok(Passed::Queued));
    }
    let sent = drain(&mut sender, at(3000));
    assert_eq!((sent.len(), sent[0].0.kind), (100, Kind::Audio), "two seconds of it");
    assert!(sent.windows(2).all(|pair| pair[1].0.sequence_number == pair[0].0.sequence_number.next()));
    let told: Vec<_> = events(&mut sender);
    assert!(told.iter().all(|event| matches!(event, Event::Dropped { .. })), "no key frame is asked for");
    assert_eq!(sender.statistics(id).unwrap().dropped_packets, 50);
    assert_eq!(sender.kept_bytes(id), 0, "without retransmission nothing is kept");
}

#[test]
fn the_time_of_capture_is_told_with_the_clock_that_it_is_of() {
    let mut sides = map(5);
    sides.insert(Extension::AbsCaptureTime, 14).unwrap();
    let wall = WallClock::new(at(0), Duration::from_secs(1_700_000_000));
    let mut sender = Sender::new(Config::default(), wall, Rng::from_u64(7));
    let id = sender.add_forwarded(StreamConfig { extensions: sides.clone(), ..config() }).unwrap();
    sender.select(at(0), id, Some(LOW), Limit::NONE);
    let mut intake = Intake::new(Codec::Vp8, sides.clone());
    let mut store = Store::new(1 << 20);
    let captured = wall.ntp(at(0)).plus(Duration::from_secs(7));
    let mut pass = |sender: &mut Sender, n: u16, clock_offset: Option<i64>| {
        let header = Header {
            sequence_number: SequenceNumber(n),
            timestamp: Timestamp(3000 * u32::from(n)),
            ssrc: LOW,
            ..Header::default()
        };
        let mut buf = [0; 200];
        let mut slot = Slot::new(&mut buf, 0, 0, 200);
        let mut writer = PacketWriter::new(&mut slot, &header, &[]).unwrap();
        writer.extensions(sides.forms(), |block| sides.write(block, &AbsCaptureTime { captured, clock_offset }));
        writer.room()[..3].copy_from_slice(&[0x10, 0x10, 0]);
        writer.finish(11, 0).unwrap();
        let packet = intake.take(at(500), &Opened::parse(slot.packet()).unwrap(), &mut store).unwrap();
        sender.forward(at(500), id, &packet).unwrap();
        let sent = drain(sender, at(500));
        sides.get::<AbsCaptureTime>(&Opened::parse(&sent[0].1).unwrap().extension).unwrap()
    };
    assert_eq!(pass(&mut sender, 1, None), AbsCaptureTime { captured, clock_offset: None });
    // The publisher's clock is seven seconds ahead.
    sender.source_report(at(100), id, LOW, (wall.ntp(at(100)).plus(Duration::from_secs(7)), Timestamp(0)));
    for (offset, wanted) in [(None, 7), (Some(2 << 32), 9), (Some(-(8 << 32)), -1)] {
        let told = pass(&mut sender, 2 + wanted as u16 % 16, offset);
        let seconds = told.clock_offset.unwrap() as f64 / (1u64 << 32) as f64;
        assert!((seconds - f64::from(wanted)).abs() < 0.001 && told.captured == captured, "{seconds}");
    }
}

fn raw(sender: &mut Sender, id: StreamId, n: u32, number: Option<u16>) -> Result<(), Misuse> {
    let mut packet = RawPacket::new(Bytes::from(vec![n as u8; 100]), Timestamp(3000 * n), true);
    packet.sequence_number = number.map(SequenceNumber);
    packet.begins_key_frame = n.is_multiple_of(100);
    sender.send_rtp(at(n.into()), id, packet)
}

#[test]
fn packets_of_an_application_leave_as_they_are() {
    let wall = WallClock::new(at(0), Duration::from_secs(1_700_000_000));
    let mut sender = Sender::new(Config::default(), wall, Rng::from_u64(7));
    let id = sender.add_raw(config()).unwrap();
    let mut packet = RawPacket::new(Bytes::from_static(&[0x90, 0xC0, 0x81, 5, 9, 0x11]), Timestamp(77), false);
    let orientation = [2u8];
    let elements: [(_, &[u8]); 2] = [(Extension::VideoOrientation, &orientation), (Extension::AudioLevel, &[1])];
    packet.elements = &elements;
    packet.csrcs = &[Ssrc(3)];
    packet.payload_type = Some(PayloadType::from_byte(101));
    sender.send_rtp(at(0), id, packet).unwrap();
    let sent = drain(&mut sender, at(10));
    let opened = Opened::parse(&sent[0].1).unwrap();
    assert_eq!((opened.header.timestamp, opened.header.payload_type.value()), (Timestamp(77), 101));
    assert_eq!(opened.payload, [0x90, 0xC0, 0x81, 5, 9, 0x11], "no number in it changes");
    assert_eq!(opened.extension.get(8), Some(&[2][..]));
    assert!(opened.csrcs().eq([Ssrc(3)]));
    assert_eq!(opened.extension.elements().count(), 5, "what was not agreed on is left out");
    let report = sender.sender_reports(at(1000)).next().unwrap();
    assert_eq!(report.timestamp, Timestamp(77 + 90_000));
}

#[test]
fn numbers_of_an_application_are_kept_and_none_is_used_twice() {
    let wall = WallClock::new(at(0), Duration::from_secs(1_700_000_000));
    let mut sender = Sender::new(Config { max_packets: 5, ..Config::default() }, wall, Rng::from_u64(7));
    let id = sender.add_raw(config()).unwrap();
    for (n, number) in [(0, 65_534), (1, 65_535), (2, 3), (3, 1)] {
        raw(&mut sender, id, n, Some(number)).unwrap();
    }
    let numbers: Vec<_> = drain(&mut sender, at(4)).iter().map(|(packet, _)| packet.sequence_number.0).collect();
    assert_eq!(numbers, [65_534, 65_535, 3, 1]);
    for number in [65_534, 3, 1, 65_000] {
        assert_eq!(raw(&mut sender, id, 5, Some(number)), Err(Misuse::NumberTaken), "{number}");
    }
    raw(&mut sender, id, 6, Some(2)).unwrap();
    raw(&mut sender, id, 6, Some(2)).unwrap();
    raw(&mut sender, id, 6, None).unwrap();
    let numbers: Vec<_> = drain(&mut sender, at(6)).iter().map(|(packet, _)| packet.sequence_number.0).collect();
    assert_eq!(numbers, [2], "twice among what waits is once, and so is the one after it");
    raw(&mut sender, id, 7, Some(4)).unwrap();
    raw(&mut sender, id, 7, None).unwrap();
    let numbers: Vec<_> = drain(&mut sender, at(7)).iter().map(|(packet, _)| packet.sequence_number.0).collect();
    assert_eq!(numbers, [4, 5]);
    ask(&mut sender, at(100), &[3, 1].map(SequenceNumber));
    assert_eq!(drain(&mut sender, at(100)).len(), 2);
}

#[test]
fn an_application_learns_that_its_packets_wait_too_long() {
    let wall = WallClock::new(at(0), Duration::from_secs(1_700_000_000));
    let mut sender = Sender::new(Config { max_packets: 5, ..Config::default() }, wall, Rng::from_u64(7));
    let id = sender.add_raw(config()).unwrap();
    (0..5).for_each(|n| raw(&mut sender, id, n, None).unwrap());
    assert_eq!(raw(&mut sender, id, 5, None), Err(Misuse::QueueFull));
    assert_eq!(raw(&mut sender, id, 3001, None), Err(Misuse::KeyFrameNeeded));
    assert_eq!(
        events(&mut sender),
        [Event::Dropped { stream: id, frames: 5 }, Event::KeyFrameRequested { stream: id }]
    );
    raw(&mut sender, id, 3100, None).unwrap();
    assert_eq!(drain(&mut sender, at(3100)).len(), 1);
    let frame = Frame::new(Bytes::new(), peerage_rtp::payload::format::Format::plain(Codec::Vp8), Timestamp(0), at(0));
    assert_eq!(sender.send_frame(at(0), id, frame), Err(Misuse::NoStream));
    let other = sender.add_forwarded(StreamConfig { ssrc: Ssrc(50), rtx: None, ..config() }).unwrap();
    assert_eq!(raw(&mut sender, other, 0, None), Err(Misuse::NoStream));
    let packet = Publisher::new(LOW).picture(&mut Store::new(1 << 20), 0, true)[0].clone();
    assert_eq!(sender.forward(at(0), id, &packet), Err(Misuse::NoStream));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn whatever_is_lost_late_doubled_or_waits_no_number_leaves_twice_and_kept_bytes_are_true(
        steps in prop::collection::vec((0u8..8, any::<u8>()), 1..300),
    ) {
        let mut store = Store::new(4 << 20);
        let mut publisher = Publisher::new(LOW);
        let limits = Config { max_packets: 40, history_bytes: 60_000, history_packets: 50, ..Config::default() };
        let (mut sender, id) = sender(limits);
        sender.select(at(0), id, Some(LOW), Limit::NONE);
        let (mut n, mut now) = (0u64, 0u64);
        let mut late = Vec::new();
        let mut used = alloc::collections::BTreeSet::new();
        for (step, argument) in steps {
            match step {
                0..=2 => {
                    for (part, packet) in publisher.picture(&mut store, n, n == 0 || argument < 30).iter().enumerate() {
                        match (argument >> part) & 3 {
                            0 => late.push(packet.clone()),
                            _ => { sender.forward(at(now), id, packet).unwrap(); }
                        }
                    }
                    n += 1;
                }
                3 => if !late.is_empty() {
                    let packet = late.swap_remove(usize::from(argument) % late.len());
                    sender.forward(at(now), id, &packet).unwrap();
                    sender.forward(at(now), id, &packet).unwrap();
                },
                4 => now += u64::from(argument) * 10,
                5 => sender.handle_timeout(at(now)),
                _ => for _ in 0..argument % 20 {
                    let Some((packet, _)) = poll(&mut sender, at(now), &Budget::unlimited(1200)) else { break };
                    prop_assert!(used.insert((packet.ssrc, packet.sequence_number.0)), "{packet:?}");
                    ask(&mut sender, at(now), &[packet.sequence_number]);
                },
            }
            prop_assert!(sender.kept_bytes(id) <= 61_200);
            prop_assert!(sender.waiting(id).unwrap().0 <= 40);
        }
        drain(&mut sender, at(now));
        sender.handle_timeout(at(now + 10_000));
        prop_assert_eq!(sender.kept_bytes(id), 0);
    }
}
