//! What a receiver sees of a forwarder that switches and leaves out.

use alloc::vec::Vec;

use peerage_base::rng::Rng;
use peerage_base::serial::Serial as _;
use peerage_base::slot::Slot;
use peerage_base::time::{Duration, Instant};
use peerage_rtp::extension::block::Forms;
use peerage_rtp::extension::kind::Kind;
use peerage_rtp::extension::map::Map;
use peerage_rtp::ntp::{Ntp, WallClock};
use peerage_rtp::numbers::{PayloadType, SequenceNumber, Ssrc, Timestamp};
use peerage_rtp::packet::write::PacketWriter;
use peerage_rtp::packet::{Header, Packet, raw};
use peerage_rtp::payload::codec::Codec;
use peerage_rtp::payload::info::{Info, Layers, PictureId, Start};
use peerage_rtp::payload::vp8::descriptor::{Descriptor, Temporal};
use peerage_rtp::rtcp::sender_report::SenderInfo;

use super::forwarder::{Config, Forwarder, Incoming, Rewrite};
use super::write::Departing;
use crate::send::config::Companion;

const LOW: Ssrc = Ssrc(1);
const HIGH: Ssrc = Ssrc(2);

/// An encoder at 30 pictures a second, two packets each, in three temporal layers.
struct Source {
    ssrc: Ssrc,
    number: u16,
    /// Timestamp at the origin of time.
    start: u32,
    picture: u16,
    tl0: u8,
}

impl Source {
    fn picture(&mut self, n: u64, is_key: bool) -> Vec<Incoming> {
        let temporal = if is_key { 0 } else { [0, 2, 1, 2][n as usize % 4] };
        self.picture = self.picture.wrapping_add(1) & 0x7FFF;
        self.tl0 = self.tl0.wrapping_add(u8::from(temporal == 0));
        let packet = |part: u16| {
            self.number = self.number.wrapping_add(1);
            Incoming {
                header: Header {
                    marker: part == 1,
                    payload_type: PayloadType::from_byte(96),
                    sequence_number: SequenceNumber(self.number),
                    timestamp: Timestamp(self.start.wrapping_add(n as u32 * 3000)),
                    ssrc: self.ssrc,
                },
                info: Info {
                    start: if part == 0 { Start::Yes } else { Start::No },
                    end: part == 1,
                    is_key: is_key && part == 0,
                    layers: Layers { temporal: Some(temporal), spatial: None, is_switching_point: temporal == 1 },
                    picture_id: Some(PictureId::wide(self.picture)),
                    tl0_index: Some(self.tl0),
                    ..Info::default()
                },
                payload_len: 900,
                frame_number: Some((n as u16).wrapping_add((65_520 * self.ssrc.0) as u16)),
                ..Incoming::default()
            }
        };
        [0, 1].map(packet).into()
    }
}

fn sources() -> [Source; 2] {
    [
        Source { ssrc: LOW, number: 65_500, start: 0xFFFF_F000, picture: 32_760, tl0: 250 },
        Source { ssrc: HIGH, number: 100, start: 5_000_000, picture: 12, tl0: 3 },
    ]
}

fn at(n: u64) -> Instant {
    Instant::from_nanos(n * 33_333_333)
}

fn forwarder(codec: Codec) -> Forwarder {
    Forwarder::new(Config::new(Ssrc(99), PayloadType::from_byte(120), codec), &mut Rng::from_u64(1))
}

fn steps(out: &[Rewrite], of: impl Fn(&Rewrite) -> i64) -> Vec<i64> {
    out.windows(2).map(|pair| of(&pair[1]) - of(&pair[0])).collect()
}

#[test]
fn a_switch_waits_for_a_key_frame_and_leaves_no_gap() {
    for reported in [false, true] {
        let mut forwarder = forwarder(Codec::Vp8);
        let [mut low, mut high] = sources();
        let wall = WallClock::new(at(0), Duration::from_secs(1000));
        if reported {
            forwarder.sender_report(at(0), LOW, wall.ntp(at(300)), Timestamp(low.start.wrapping_add(900_000)));
            forwarder.sender_report(at(0), HIGH, wall.ntp(at(30)), Timestamp(high.start.wrapping_add(90_000)));
        }
        forwarder.select(Some(LOW));
        let mut out = Vec::new();
        for n in 0..60 {
            if n == 20 {
                forwarder.select(Some(HIGH));
            }
            // The network brings pictures of the high source 20 ms later.
            let now = if n >= 30 { at(n) + Duration::from_millis(20) } else { at(n) };
            for packet in high.picture(n, n == 0 || n == 30).iter().chain(&low.picture(n, n == 0)) {
                out.extend(forwarder.forward(now, packet));
            }
            assert_eq!(forwarder.source(), Some(if n < 30 { LOW } else { HIGH }));
            assert_eq!(forwarder.wants_key_frame(), (20..30).contains(&n).then_some(HIGH));
        }
        assert_eq!(out.len(), 120);
        let numbers = |pair: &[Rewrite]| pair[1].sequence_number.steps_from(pair[0].sequence_number);
        assert!(out.windows(2).all(|pair| numbers(pair) == 1));
        let pictures: Vec<_> = out.iter().step_by(2).copied().collect();
        assert!(
            pictures.windows(2).all(|pair| pair[0].picture_id.wrapping_add(1) & 0x7FFF == pair[1].picture_id & 0x7FFF)
        );
        assert!(
            pictures.windows(2).all(|pair| pair[1].frame_number == pair[0].frame_number.map(|n| n.wrapping_add(1)))
        );
        assert!(pictures.windows(2).all(|pair| pair[1].tl0_index.wrapping_sub(pair[0].tl0_index) <= 1));
        let ticks: Vec<_> = pictures.windows(2).map(|pair| pair[1].timestamp.distance(pair[0].timestamp)).collect();
        let at_switch = if reported { 3000 } else { 4799 };
        assert!(
            ticks.iter().enumerate().all(|(n, step)| (step - if n == 29 { at_switch } else { 3000 }).abs() <= 1),
            "{ticks:?}"
        );
    }
}

#[test]
fn temporal_layers_are_left_out_at_once_and_come_back_where_they_may() {
    let mut forwarder = forwarder(Codec::Vp8);
    let [mut low, _] = sources();
    forwarder.select(Some(LOW));
    let mut layers = Vec::new();
    let mut out = Vec::new();
    for n in 0..32 {
        match n {
            8 => forwarder.limit_temporal(0),
            18 => forwarder.limit_temporal(2),
            _ => {}
        }
        for packet in low.picture(n, n == 0) {
            if let Some(rewrite) = forwarder.forward(at(n), &packet) {
                out.push(rewrite);
                layers.push(packet.info.layers.temporal.unwrap());
            }
        }
    }
    let per_picture: Vec<_> = layers.iter().step_by(2).copied().collect();
    assert_eq!(per_picture[..12], [0, 2, 1, 2, 0, 2, 1, 2, 0, 0, 0, 1]);
    assert_eq!(
        steps(&out, |rewrite| i64::from(rewrite.sequence_number.0))
            .iter()
            .filter(|step| **step != 1 && **step != -65_535)
            .count(),
        0
    );
    let ids = steps(&out, |rewrite| i64::from(rewrite.picture_id & 0x7FFF));
    assert!(ids.iter().all(|step| [0, 1, -32_767].contains(step)), "{ids:?}");
}

#[test]
fn pictures_of_vp9_keep_their_distances() {
    let mut forwarder = forwarder(Codec::Vp9);
    let [mut low, _] = sources();
    low.picture = 100;
    forwarder.select(Some(LOW));
    forwarder.limit_temporal(0);
    let out: Vec<_> =
        (0..12).flat_map(|n| low.picture(n, n == 0)).filter_map(|p| forwarder.forward(at(0), &p)).collect();
    assert_eq!(steps(&out, |rewrite| i64::from(rewrite.picture_id)), [0, 4, 0, 4, 0]);
    assert!(steps(&out, |rewrite| i64::from(rewrite.sequence_number.0)).iter().all(|step| *step == 1));
}

#[test]
fn late_packets_and_requests_find_their_place() {
    let mut forwarder = forwarder(Codec::Vp8);
    let [mut low, mut high] = sources();
    forwarder.select(Some(LOW));
    let packets: Vec<_> = (0..8).flat_map(|n| low.picture(n, n == 0)).collect();
    let mut pass = |n: usize| forwarder.forward(at(0), &packets[n]).map(|rewrite| rewrite.sequence_number);
    let first = pass(0).unwrap();
    let (last, late, again) = (pass(9).unwrap(), pass(4).unwrap(), pass(4).unwrap());
    assert_eq!((last.steps_from(first), late.steps_from(first), again), (9, 4, late));
    assert_eq!(forwarder.origin(late), Some((LOW, packets[4].header.sequence_number)));
    assert_eq!(forwarder.origin(last.plus(1)), None);
    assert_eq!(forwarder.forward(at(0), &high.picture(1, true)[0]), None, "nobody wants it");
    forwarder.select(None);
    assert_eq!((forwarder.forward(at(0), &packets[10]), forwarder.origin(last)), (None, None));
}

#[test]
fn higher_spatial_layers_are_left_out_and_the_picture_ends_below_them() {
    let mut forwarder = forwarder(Codec::Vp9);
    forwarder.select(Some(LOW));
    let mut number = 0;
    // Three spatial layers of one packet each.
    let mut pass = |forwarder: &mut Forwarder, n: u32, is_key: bool| {
        let layer = |spatial: u8| {
            number += 1;
            let header = Header {
                marker: spatial == 2,
                sequence_number: SequenceNumber(number),
                timestamp: Timestamp(n * 3000),
                ssrc: LOW,
                ..Header::default()
            };
            let info = Info {
                start: Start::Yes,
                end: true,
                end_of_picture: spatial == 2,
                is_key: is_key && spatial == 0,
                layers: Layers { temporal: Some(0), spatial: Some(spatial), is_switching_point: false },
                picture_id: Some(PictureId::wide(n as u16)),
                ..Info::default()
            };
            Incoming { header, info, ..Incoming::default() }
        };
        let packets = [0, 1, 2].map(layer);
        packets
            .iter()
            .filter_map(|packet| forwarder.forward(at(n.into()), packet))
            .map(|out| out.marker)
            .collect::<Vec<_>>()
    };
    assert_eq!(pass(&mut forwarder, 1, true), [false, false, true]);
    forwarder.limit_spatial(1);
    assert_eq!(pass(&mut forwarder, 2, false), [false, true]);
    forwarder.limit_spatial(0);
    assert_eq!(pass(&mut forwarder, 3, false), [true]);
    assert_eq!(forwarder.wants_key_frame(), None);
    forwarder.limit_spatial(2);
    assert_eq!(pass(&mut forwarder, 4, false), [true], "upper layers cannot be decoded before a key picture");
    assert_eq!(forwarder.wants_key_frame(), Some(LOW));
    assert_eq!(pass(&mut forwarder, 5, true), [false, false, true]);
    assert_eq!(forwarder.wants_key_frame(), None);
}

#[test]
fn sender_reports_of_what_is_forwarded_follow_those_of_its_source() {
    let mut forwarder = forwarder(Codec::Vp8);
    let [mut low, _] = sources();
    let wall = WallClock::new(at(0), Duration::from_secs(1000));
    assert_eq!(forwarder.sender_info(at(0), &wall), None);
    forwarder.select(Some(LOW));
    let out: Vec<_> = low.picture(0, true).iter().filter_map(|packet| forwarder.forward(at(2), packet)).collect();
    let info = forwarder.sender_info(at(32), &wall).unwrap();
    assert_eq!((info.ssrc, info.packets, info.bytes), (Ssrc(99), 2, 1800));
    let since = |info: SenderInfo| info.timestamp.distance(out[0].timestamp);
    assert!((since(info) - 90_000).abs() <= 1, "a second after the picture came: {}", since(info));
    forwarder.sender_report(at(3), LOW, wall.ntp(at(2)), Timestamp(low.start.wrapping_add(6000)));
    let info = forwarder.sender_info(at(33), &wall).unwrap();
    assert!((since(info) - 96_000).abs() <= 1, "a second after the report came: {}", since(info));
}

#[test]
fn lying_clocks_do_not_move_time_back_nor_far_ahead() {
    for lie in [0u32, 1 << 20, 1 << 30, 1 << 31, u32::MAX] {
        let mut forwarder = forwarder(Codec::Vp8);
        let [mut low, mut high] = sources();
        let wall = WallClock::new(at(0), Duration::from_secs(1000));
        forwarder.sender_report(at(0), LOW, wall.ntp(at(0)), Timestamp(lie));
        forwarder.sender_report(at(0), HIGH, wall.ntp(at(3)), Timestamp(77));
        forwarder.select(Some(LOW));
        let last = forwarder.forward(at(10), &low.picture(10, true)[0]).unwrap();
        forwarder.select(Some(HIGH));
        let next = forwarder.forward(at(13), &high.picture(13, true)[0]).unwrap();
        let step = next.timestamp.distance(last.timestamp);
        assert!((1..=99_000).contains(&step), "{step}");
    }
}

#[test]
fn a_packet_is_written_anew_for_another_connection_and_again_for_those_who_missed_it() {
    let forwarder = forwarder(Codec::Vp8);
    let (mut incoming, mut outgoing) = (Map::new(true), Map::new(true));
    let kinds = [
        (Kind::TransportSequenceNumber, 1, 5),
        (Kind::AbsSendTime, 2, 6),
        (Kind::Mid, 3, 7),
        (Kind::DependencyDescriptor, 4, 20),
        (Kind::VideoOrientation, 8, 9),
        (Kind::VideoTiming, 10, 11),
    ];
    for (kind, from, to) in kinds {
        incoming.insert(kind, from).unwrap();
        outgoing.insert(kind, to).unwrap();
    }
    incoming.insert(Kind::PlayoutDelay, 12).unwrap();
    let mut buf = [0; 200];
    let mut slot = Slot::new(&mut buf, 0, 0, 200);
    let mut writer = PacketWriter::new(&mut slot, &Header::default(), &[Ssrc(50), Ssrc(51)]).unwrap();
    writer.extensions(Forms::Mixed, |block| {
        let values = [(1, &[0, 9][..]), (3, b"9"), (4, &[0xC0, 0, 1]), (8, &[2]), (10, &[0; 13]), (12, &[0; 3])];
        assert!(values.iter().all(|(id, value)| block.value(*id, value)));
    });
    writer.room()[..9].copy_from_slice(&[0x90, 0x80, 0x80, 5, 1, 1, 1, 1, 1]);
    writer.finish(9, 7).unwrap();
    let packet = Packet::parse(slot.packet()).unwrap();
    let rewrite = Rewrite {
        sequence_number: SequenceNumber(1000),
        timestamp: Timestamp(2000),
        marker: true,
        picture_id: 0x1234,
        tl0_index: 0,
        frame_number: Some(0x0203),
    };
    let departing = Departing {
        incoming: &incoming,
        outgoing: &outgoing,
        mid: Some("3"),
        now: Ntp(1 << 32),
        transport_number: SequenceNumber(77),
    };
    let rtx = Companion { ssrc: Ssrc(98), payload_type: PayloadType::from_byte(121) };
    for again in [false, true] {
        let mut buf = [0; 200];
        let mut slot = Slot::new(&mut buf, 0, 0, 200);
        match again {
            false => forwarder.write(&mut slot, &packet, &rewrite, &departing),
            true => forwarder.write_again(&mut slot, &packet, &rewrite, &departing, (rtx, SequenceNumber(4))),
        }
        .unwrap();
        let out = Packet::parse(slot.packet()).unwrap();
        let (ssrc, number) = if again { (Ssrc(98), 4) } else { (Ssrc(99), 1000) };
        assert_eq!(
            (out.header.ssrc, out.header.sequence_number, out.header.marker),
            (ssrc, SequenceNumber(number), true)
        );
        assert!(out.csrcs().eq([Ssrc(50), Ssrc(51)]));
        let elements: Vec<_> = out.extension.elements().collect();
        let wanted: [(u8, &[u8]); 5] = [(5, &[0, 77]), (6, &[4, 0, 0]), (7, b"3"), (20, &[0xC0, 2, 3]), (9, &[2])];
        assert_eq!(elements, wanted);
        let payload = [0x90, 0x80, 0x92, 0x34, 1, 1, 1, 1, 1];
        let original: &[u8] = if again { &[3, 0xE8] } else { &[] };
        assert_eq!(out.payload, [original, &payload].concat());
        let mut small = [0; 50];
        assert_eq!(forwarder.write(&mut Slot::new(&mut small, 0, 0, 50), &packet, &rewrite, &departing), None);
    }
}

#[test]
fn a_packet_is_changed_where_it_lies() {
    let forwarder = forwarder(Codec::Vp8);
    let descriptor = Descriptor {
        is_start: true,
        picture_id: Some(PictureId::wide(5)),
        tl0_index: Some(6),
        temporal: Some(Temporal { id: 0, is_switching_point: false }),
        ..Descriptor::default()
    };
    let mut packet = [0x80, 0xE0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 1].to_vec();
    let mut head = [0; 6];
    let len = descriptor.write(&mut head).unwrap();
    packet.extend_from_slice(&head[..len]);
    packet.extend_from_slice(b"frame");
    let rewrite = Rewrite {
        sequence_number: SequenceNumber(1000),
        timestamp: Timestamp(2000),
        marker: true,
        picture_id: 300,
        tl0_index: 40,
        frame_number: None,
    };
    forwarder.rewrite(&mut packet, &rewrite).unwrap();
    let opened = Packet::parse(&packet).unwrap();
    assert_eq!((opened.header.ssrc, opened.header.payload_type.value(), opened.header.marker), (Ssrc(99), 120, true));
    assert_eq!(
        (raw::sequence_number(&packet), raw::timestamp(&packet)),
        (Some(SequenceNumber(1000)), Some(Timestamp(2000)))
    );
    let (after, frame) = Descriptor::parse(opened.payload).unwrap();
    assert_eq!(after, Descriptor { picture_id: Some(PictureId::wide(300)), tl0_index: Some(40), ..descriptor });
    assert_eq!(frame, b"frame");
    assert!(forwarder.rewrite(&mut [0; 11], &rewrite).is_err());
}
