//! Header extensions that are told now and then, as a receiver reads them.

use alloc::vec::Vec;

use bytes::Bytes;
use peerage_base::rng::Rng;
use peerage_base::slot::Slot;
use peerage_base::time::{Duration, Instant};
use peerage_rtp::extension::abs_capture_time::AbsCaptureTime;
use peerage_rtp::extension::kind::Kind as Extension;
use peerage_rtp::extension::map::Map;
use peerage_rtp::extension::playout_delay::PlayoutDelay;
use peerage_rtp::extension::transmission_offset::TransmissionOffset;
use peerage_rtp::extension::transport_sequence_number::{TransportSequenceNumber, TransportSequenceNumberV2};
use peerage_rtp::extension::video_layers_allocation::{Resolution, VideoLayersAllocation};
use peerage_rtp::ntp::{Ntp, WallClock};
use peerage_rtp::numbers::{PayloadType, SequenceNumber, Ssrc, Timestamp};
use peerage_rtp::packet::Packet as Opened;
use peerage_rtp::payload::codec::Codec;
use peerage_rtp::payload::format::Format;
use peerage_rtp::rtcp::receiver_report;
use peerage_rtp::rtcp::report_block::ReportBlock;
use peerage_rtp::rtcp::write::Writer;

use crate::rtcp::receive;
use crate::send::budget::Budget;
use crate::send::config::{Config, StreamConfig};
use crate::send::frame::Frame;
use crate::send::layers::{Allocator, Encoding, Rates};
use crate::send::sender::Sender;
use crate::send::stream_id::StreamId;

const MEDIA: Ssrc = Ssrc(1);
const UNIX: Duration = Duration::from_secs(1_700_000_000);

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

fn map(kinds: &[Extension]) -> Map {
    let mut map = Map::new(true);
    kinds.iter().zip(1..).for_each(|(kind, id)| map.insert(*kind, id).unwrap());
    map
}

fn sender(map: &Map) -> (Sender, StreamId) {
    let mut sender = Sender::new(Config::default(), WallClock::new(at(0), UNIX), Rng::from_u64(7));
    let mut config = StreamConfig::new(MEDIA, PayloadType::from_byte(96), Codec::Vp8);
    config.extensions = map.clone();
    let id = sender.add(config).unwrap();
    (sender, id)
}

/// The packets of a frame of `len` bytes, captured 20 ms before it is sent.
fn send(sender: &mut Sender, id: StreamId, millis: u64, is_key: bool, len: usize) -> Vec<Vec<u8>> {
    let payload = Bytes::from(alloc::vec![0x10; len]);
    let timestamp = Timestamp(90 * millis as u32);
    let mut frame = Frame::new(payload, Format::plain(Codec::Vp8), timestamp, at(millis));
    frame.is_key = is_key;
    sender.send_frame(at(millis + 20), id, frame).unwrap();
    let mut packets = Vec::new();
    loop {
        let mut buf = [0; 1300];
        let mut slot = Slot::new(&mut buf, 0, 0, 1300);
        let Some(packet) = sender.poll_transmit(at(millis + 20), &mut slot, &Budget::unlimited(1200)) else { break };
        assert!(packet.size <= 1200, "{}", packet.size);
        packets.push(slot.packet().to_vec());
    }
    packets
}

fn report(sender: &mut Sender, highest: u16) {
    let mut buf = [0; 100];
    let mut slot = Slot::new(&mut buf, 0, 0, 100);
    let mut writer = Writer::new(&mut slot);
    let block = ReportBlock { ssrc: MEDIA, highest: highest.into(), ..ReportBlock::default() };
    receiver_report::write(&mut writer, Ssrc(9), [block].into_iter()).unwrap();
    writer.finish();
    let mut receiver = receive::Receiver::new(WallClock::new(at(0), UNIX), true);
    receiver.handle(at(0), slot.packet(), |event| sender.handle_feedback(at(0), &event));
}

#[test]
fn feedback_is_asked_for_where_it_is_sent_on_request_only() {
    let map = map(&[Extension::TransportSequenceNumberV2]);
    let (mut sender, id) = sender(&map);
    let mut asked = Vec::new();
    for n in 0..20 {
        for bytes in send(&mut sender, id, 33 * n, n == 0, 3000) {
            let told: TransportSequenceNumberV2 = map.get(&Opened::parse(&bytes).unwrap().extension).unwrap();
            if let Some(request) = told.request {
                asked.push((n, told.number.0, request.packets));
            }
        }
    }
    let wanted: Vec<_> =
        (0..20).step_by(2).map(|n| (n, 3 * n as u16, if n < 4 { 3 * n as u16 + 1 } else { 12 })).collect();
    assert_eq!(asked, wanted, "every 66 ms, on what came since the request before the last");
    // The first version needs no request, and is what is told if both were agreed on.
    let both = self::map(&[Extension::TransportSequenceNumberV2, Extension::TransportSequenceNumber]);
    let (mut sender, id) = self::sender(&both);
    let packets = send(&mut sender, id, 0, true, 100);
    let block = Opened::parse(&packets[0]).unwrap().extension;
    assert_eq!(both.get::<TransportSequenceNumber>(&block), Some(TransportSequenceNumber(SequenceNumber(0))));
    assert_eq!(both.get::<TransportSequenceNumberV2>(&block), None);
}

#[test]
fn limits_on_the_playout_delay_are_told_until_they_are_heard() {
    let map = map(&[Extension::PlayoutDelay]);
    let (mut sender, id) = sender(&map);
    let zero = PlayoutDelay::default();
    let some = PlayoutDelay::new(Duration::from_millis(40), Duration::from_millis(400)).unwrap();
    let mut n = 0;
    let mut told = |sender: &mut Sender, is_key: bool| {
        n += 1;
        let packets = send(sender, id, 33 * n, is_key, 3000);
        let opened: Vec<_> = packets.iter().map(|bytes| Opened::parse(bytes).unwrap()).collect();
        assert!(opened[1..].iter().all(|packet| map.get::<PlayoutDelay>(&packet.extension).is_none()));
        (map.get::<PlayoutDelay>(&opened[0].extension), opened[0].header.sequence_number.0)
    };
    assert_eq!(told(&mut sender, true).0, None, "nobody asked for it");
    sender.set_playout_delay(id, Some(zero));
    let (first, number) = told(&mut sender, false);
    assert_eq!((first, told(&mut sender, false).0), (Some(zero), Some(zero)));
    report(&mut sender, number.wrapping_sub(1));
    assert_eq!(told(&mut sender, false).0, Some(zero), "that was before");
    report(&mut sender, number);
    assert_eq!((told(&mut sender, false).0, told(&mut sender, true).0), (None, Some(zero)));
    sender.set_playout_delay(id, Some(zero));
    assert_eq!(told(&mut sender, false).0, None, "it is the same");
    sender.set_playout_delay(id, Some(some));
    report(&mut sender, number);
    assert_eq!(told(&mut sender, false).0, Some(some));
}

#[test]
fn layers_are_told_when_they_change_and_with_key_frames() {
    let map = map(&[Extension::VideoLayersAllocation]);
    let (mut sender, id) = sender(&map);
    let encoding = |rate| Encoding {
        is_active: true,
        max: None,
        layers: alloc::vec![Rates { min: rate / 2, target: rate, max: rate }],
    };
    let mut allocator = Allocator::new([200_000, 800_000].map(encoding).to_vec());
    let size = |n: usize, _: usize| (3, Some(Resolution { width: 320 << n, height: 180 << n, frame_rate: 30 }));
    allocator.allocate(2_000_000);
    sender.set_layers(id, Some(allocator.describe(0, size)));
    let mut n = 0;
    let mut told = |sender: &mut Sender, is_key: bool| {
        n += 1;
        let packets = send(sender, id, 33 * n, is_key, 3000);
        let block = Opened::parse(&packets[0]).unwrap().extension;
        let allocation: Option<VideoLayersAllocation> = map.get(&block);
        allocation.map(|told| told.layers().iter().map(|l| (l.stream(), l.kbps().to_vec())).collect::<Vec<_>>())
    };
    let both = Some([(0, [80, 120, 200].to_vec()), (1, [320, 480, 800].to_vec())].to_vec());
    assert_eq!(
        (told(&mut sender, true), told(&mut sender, false), told(&mut sender, true)),
        (both.clone(), None, both)
    );
    allocator.allocate(150_000);
    sender.set_layers(id, Some(allocator.describe(0, size)));
    assert_eq!(told(&mut sender, false), Some([(0, [60, 90, 150].to_vec())].to_vec()));
    sender.set_layers(id, Some(allocator.describe(0, size)));
    assert_eq!(told(&mut sender, false), None);
    sender.set_layers(id, None);
    assert_eq!(told(&mut sender, true), None);
}

#[test]
fn a_packet_tells_how_long_after_its_capture_it_left() {
    let map = map(&[Extension::TransmissionOffset, Extension::AbsCaptureTime]);
    let (mut sender, id) = sender(&map);
    let mut captured = Vec::new();
    for n in 0..40 {
        for (part, bytes) in send(&mut sender, id, 33 * n, n == 0, 2000).iter().enumerate() {
            let opened = Opened::parse(bytes).unwrap();
            assert_eq!(map.get::<TransmissionOffset>(&opened.extension), Some(TransmissionOffset(20 * 90)));
            if let Some(told) = map.get::<AbsCaptureTime>(&opened.extension) {
                captured.push((n, part, told));
            }
        }
    }
    let told =
        |n: u64| AbsCaptureTime { captured: Ntp::from_unix(UNIX + Duration::from_millis(33 * n)), clock_offset: None };
    assert_eq!(captured, [(0, 0, told(0)), (31, 0, told(31))], "once a second, in the first packet of a frame");
}
