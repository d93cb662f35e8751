//! Packets leave, are sent again, protected and forwarded without allocating.

use allocation_counter::measure;
use bytes::Bytes;
use peerage_base::rng::Rng;
use peerage_base::slot::Slot;
use peerage_base::time::{Duration, Instant};
use peerage_media::rtcp::cname::Cname;
use peerage_media::rtcp::compose::Composer;
use peerage_media::rtcp::receive::Receiver;
use peerage_media::send::budget::Budget;
use peerage_media::send::config::{Companion, Config, Protection, StreamConfig};
use peerage_media::send::fec::Share;
use peerage_media::send::forward::forwarder::{self, Forwarder, Incoming};
use peerage_media::send::forward::intake::Intake;
use peerage_media::send::forward::store::Store;
use peerage_media::send::forward::targets::Limit;
use peerage_media::send::forward::write::Departing;
use peerage_media::send::frame::Frame;
use peerage_media::send::packets::passed::Passed;
use peerage_media::send::ready::Kind;
use peerage_media::send::sender::Sender;
use peerage_media::send::stream_id::StreamId;
use peerage_rtp::extension::kind::Kind as Extension;
use peerage_rtp::extension::map::Map;
use peerage_rtp::extension::mid::Mid;
use peerage_rtp::extension::transport_sequence_number::TransportSequenceNumber;
use peerage_rtp::ntp::{Ntp, WallClock};
use peerage_rtp::numbers::{PayloadType, SequenceNumber, Ssrc, Timestamp};
use peerage_rtp::packet::write::PacketWriter;
use peerage_rtp::packet::{Header, Packet};
use peerage_rtp::payload::codec::Codec;
use peerage_rtp::payload::depacketizer::{Depacketizer, Limits};
use peerage_rtp::payload::fec::header::Scheme;
use peerage_rtp::payload::format::Format;

fn config(codec: Codec) -> StreamConfig {
    let mut extensions = Map::default();
    for (kind, id) in [(Extension::TransportSequenceNumber, 3), (Extension::AbsSendTime, 2), (Extension::Mid, 4)] {
        extensions.insert(kind, id).unwrap();
    }
    let companion =
        |ssrc, payload_type| Companion { ssrc: Ssrc(ssrc), payload_type: PayloadType::from_byte(payload_type) };
    let mut config = StreamConfig::new(Ssrc(1), PayloadType::from_byte(96), codec);
    config.extensions = extensions;
    config.mid = Some("0".into());
    config.rtx = Some(companion(2, 97));
    config.protection = Some(Protection::Flex { companion: companion(3, 98), scheme: Scheme::Flex03 });
    config
}

fn payload(codec: Codec) -> Bytes {
    let head: &[u8] = match codec {
        Codec::H264 => &[0, 0, 0, 1, 0x65, 0x88],
        Codec::Av1 => &[0x12, 0, 0x30],
        _ => &[0x10],
    };
    Bytes::from([head, &[7; 20_000]].concat())
}

#[test]
fn a_packet_costs_no_allocation() {
    for codec in [Codec::Vp8, Codec::H264, Codec::Av1] {
        let wall = WallClock::new(Instant::ORIGIN, Duration::ZERO);
        let mut sender = Sender::new(Config::default(), wall, Rng::from_u64(1));
        let id = sender.add(config(codec)).unwrap();
        sender.protect(id, Share { key: 40, delta: 40 });
        let mut composer = Composer::new(Ssrc(9), Cname::new(&mut Rng::from_u64(2)), true);
        let mut receiver = Receiver::new(wall, true);
        let (mut packets, mut again) = (0, 0);
        let mut buf = [0; 1400];
        let bytes = payload(codec);
        // Lists grow until they hold the two seconds that are kept.
        for n in 0..500u64 {
            let now = Instant::from_millis(33 * n);
            let mut frame = Frame::new(bytes.clone(), Format::plain(codec), Timestamp(n as u32 * 2970), now);
            frame.is_key = n == 0;
            sender.send_frame(now, id, frame).unwrap();
            let used = measure(|| {
                let mut lost = [SequenceNumber(0); 4];
                loop {
                    let mut slot = Slot::new(&mut buf, 40, 40, 1300);
                    let Some(packet) = sender.poll_transmit(now, &mut slot, &Budget::unlimited(1200)) else { break };
                    packets += 1;
                    again += u32::from(packet.kind == Kind::Retransmission);
                    if packet.kind == Kind::Video {
                        lost[usize::from(packet.sequence_number.0) % 4] = packet.sequence_number;
                    }
                }
                composer.nack(Ssrc(1), lost);
                composer.report(sender.sender_reports(now), []);
                let mut slot = Slot::new(&mut buf, 0, 0, 1200);
                composer.poll(&mut slot, |_| false).unwrap();
                receiver.handle(now, slot.packet(), |event| sender.handle_feedback(now, &event));
            });
            assert!(n < 400 || used.count_total == 0, "{codec:?}: {} at frame {n}", used.count_total);
        }
        assert!(packets > 4000 && again > 500, "{packets} {again}");
    }
}

/// A packet of VP8 in pictures of three packets, as a publisher sends it.
fn publish(buf: &mut [u8], number: u16, map: &Map) -> usize {
    let header = Header {
        marker: number % 3 == 2,
        payload_type: PayloadType::from_byte(100),
        sequence_number: SequenceNumber(number),
        timestamp: Timestamp(u32::from(number / 3) * 3000),
        ssrc: Ssrc(1),
    };
    let mut slot = Slot::new(buf, 0, 0, 1200);
    let mut packet = PacketWriter::new(&mut slot, &header, &[]).unwrap();
    packet.extensions(map.forms(), |block| {
        map.write(block, &TransportSequenceNumber(SequenceNumber(number)));
        map.write(block, &Mid("0"));
    });
    let first = number.is_multiple_of(3);
    let key = number < 3;
    let [high, low] = (number / 3).to_be_bytes();
    packet.room()[..7].copy_from_slice(&[0x80 | u8::from(first) << 4, 0xE0, 0x80 | high, low, 1, 0x20, u8::from(!key)]);
    packet.finish(1100, 0).unwrap()
}

/// Viewers of one publisher, and what is agreed on with all of them.
fn viewers(count: usize, wall: WallClock) -> (Map, Vec<(Sender, StreamId)>) {
    let mut config = config(Codec::Vp8);
    (config.protection, config.ssrc) = (None, Ssrc(10));
    let viewer = |n: usize| {
        let mut sender = Sender::new(Config::default(), wall, Rng::from_u64(n as u64));
        let id = sender.add_forwarded(config.clone()).unwrap();
        sender.select(Instant::ORIGIN, id, Some(Ssrc(1)), Limit::NONE);
        (sender, id)
    };
    (config.extensions.clone(), (0..count).map(viewer).collect())
}

#[test]
fn packets_of_a_publisher_reach_all_viewers_without_allocation() {
    const VIEWERS: usize = 5;
    let wall = WallClock::new(Instant::ORIGIN, Duration::ZERO);
    let (map, mut viewers) = viewers(VIEWERS, wall);
    let mut composer = Composer::new(Ssrc(9), Cname::new(&mut Rng::from_u64(2)), true);
    let mut receiver = Receiver::new(wall, true);
    let mut intake = Intake::new(Codec::Vp8, map.clone());
    let mut store = Store::new(16 << 20);
    let (mut buf, mut out) = ([0; 1300], [0; 1400]);
    let (mut sent, mut again) = (0, 0);
    for n in 0..6000u16 {
        let now = Instant::from_millis(11 * u64::from(n));
        let len = publish(&mut buf, n, &map);
        let used = measure(|| {
            let packet = Packet::parse(&buf[..len]).unwrap();
            let shared = intake.take(now, &packet, &mut store).unwrap();
            for (sender, id) in &mut viewers {
                assert_eq!(sender.forward(now, *id, &shared), Ok(Passed::Queued));
                loop {
                    let mut slot = Slot::new(&mut out, 40, 40, 1300);
                    let Some(packet) = sender.poll_transmit(now, &mut slot, &Budget::unlimited(1200)) else { break };
                    sent += 1;
                    again += u32::from(packet.kind == Kind::Retransmission);
                    if n % 20 == 0 && packet.kind == Kind::Video {
                        composer.nack(Ssrc(10), [packet.sequence_number]);
                        let mut rtcp = [0; 200];
                        let mut slot = Slot::new(&mut rtcp, 0, 0, 200);
                        composer.poll(&mut slot, |_| false).unwrap();
                        receiver.handle(now, slot.packet(), |event| sender.handle_feedback(now, &event));
                    }
                }
                while sender.poll_event().is_some() {}
                sender.handle_timeout(now);
            }
        });
        // Lists grow until they hold what is kept, and the last thousands of packets that feedback may speak of.
        assert!(n < 4000 || used.count_total == 0, "{} at packet {n}", used.count_total);
    }
    assert_eq!((sent, again), (6000 * 5 + 300 * 5, 300 * 5));
    // Two seconds of the publisher's packets, once.
    assert!(store.size() < 2 * (2000 / 11) * 1200, "{}", store.size());
}

/// How much it costs to pass a packet on, for `perf stat` or `valgrind` around it: `PACKETS` and `VIEWERS` are taken from the
/// environment, so that two runs differ by nothing but what is to be measured.
#[test]
#[ignore = "a measurement, for a release build under perf or valgrind"]
fn packets_for_a_measurement() {
    let from_env = |name: &str, usual: usize| std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(usual);
    let (packets, viewers) = (from_env("PACKETS", 1_000_000), from_env("VIEWERS", 10));
    let wall = WallClock::new(Instant::ORIGIN, Duration::ZERO);
    let (map, mut viewers) = self::viewers(viewers, wall);
    let mut intake = Intake::new(Codec::Vp8, map.clone());
    let mut store = Store::new(64 << 20);
    let (mut buf, mut out) = ([0; 1300], [0; 1400]);
    let mut bytes = 0;
    for n in 0..packets {
        let now = Instant::from_nanos(2_000_000 * n as u64 + 1);
        let len = publish(&mut buf, n as u16, &map);
        let packet = Packet::parse(&buf[..len]).unwrap();
        let shared = intake.take(now, &packet, &mut store).unwrap();
        for (sender, id) in &mut viewers {
            sender.forward(now, *id, &shared).unwrap();
            let mut slot = Slot::new(&mut out, 40, 40, 1300);
            bytes += sender.poll_transmit(now, &mut slot, &Budget::unlimited(1200)).map_or(0, |packet| packet.size);
        }
    }
    println!("{bytes} bytes to {} viewers", viewers.len());
}

#[test]
fn a_forwarded_packet_costs_no_allocation() {
    let config = forwarder::Config::new(Ssrc(7), PayloadType::from_byte(120), Codec::Vp8);
    let mut forwarder = Forwarder::new(config, &mut Rng::from_u64(1));
    forwarder.select(Some(Ssrc(1)));
    let mut packet =
        [&[0x80, 96, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0x90, 0xE0, 0x80, 1, 1, 0x20, 0x10][..], &[1; 900]].concat();
    let map = self::config(Codec::Vp8).extensions;
    let departing =
        Departing { incoming: &map, outgoing: &map, mid: Some("0"), now: Ntp(0), transport_number: SequenceNumber(0) };
    let mut buf = [0; 1200];
    let mut passed = 0;
    let mut pass = |number: u16| {
        packet[2..4].copy_from_slice(&number.to_be_bytes());
        packet[11] = 1;
        let opened = Packet::parse(&packet).unwrap();
        let info = Depacketizer::new(Codec::Vp8, Limits::default()).inspect(opened.payload, true).unwrap();
        let incoming = Incoming { header: opened.header, info, ..Incoming::default() };
        let rewrite = forwarder.forward(Instant::ORIGIN, &incoming).unwrap();
        let mut slot = Slot::new(&mut buf, 0, 0, 1200);
        forwarder.write(&mut slot, &opened, &rewrite, &departing).unwrap();
        forwarder.rewrite(&mut packet, &rewrite).unwrap();
        passed += 1;
    };
    pass(0);
    let used = measure(|| (1..1000).for_each(&mut pass));
    assert_eq!((used.count_total, passed), (0, 1000));
}
