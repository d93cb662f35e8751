//! Video over simulated networks, with a sender that retransmits and makes key frames when asked.

use super::*;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec;
use peerage_base::rng::Rng;
use peerage_rtp::extension::dependency_descriptor::descriptor::Outgoing;
use peerage_rtp::extension::dependency_descriptor::structure::{Dependencies, FrameDiffs, Indication, Indications};
use peerage_rtp::numbers::{PayloadType, Timestamp};
use peerage_rtp::packet::Header;
use peerage_rtp::packet::write::PacketWriter;
use proptest::prelude::*;
use std::println;

/// Whether the next packet is lost.
type Loss = Box<dyn FnMut(&mut Rng) -> bool>;

const MS: Duration = Duration::from_millis(1);

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

fn packet(number: u16, timestamp: u32, marker: bool, payload: &[u8]) -> Vec<u8> {
    let header = Header {
        marker,
        payload_type: PayloadType::from_byte(96),
        sequence_number: SequenceNumber(number),
        timestamp: Timestamp(timestamp),
        ssrc: Ssrc(1),
    };
    let mut buf = vec![0; 2_000];
    let mut slot = peerage_base::slot::Slot::new(&mut buf, 0, 0, 2_000);
    let mut writer = PacketWriter::new(&mut slot, &header, &[]).unwrap();
    writer.room()[..payload.len()].copy_from_slice(payload);
    writer.finish(payload.len(), 0).unwrap();
    slot.packet().to_vec()
}

/// A part of a VP8 frame that says its frame's number.
fn vp8(frame: u32, starts: bool, is_key: bool) -> Vec<u8> {
    let mut payload = match (starts, is_key) {
        (true, true) => vec![0x10, 0, 0, 0, 0x9d, 1, 0x2a, 64, 0, 48, 0],
        (true, false) => vec![0x10, 1, 0, 0],
        (false, _) => vec![0],
    };
    payload.extend(frame.to_be_bytes());
    payload
}

fn receiver() -> VideoReceiver {
    VideoReceiver::new(Ssrc(1), Config::new(Codec::Vp8))
}

fn give(receiver: &mut VideoReceiver, millis: u64, bytes: &[u8], origin: Origin) {
    receiver.handle_packet(at(millis), &Packet::parse(bytes).unwrap(), origin);
}

/// 30 frames in a second; a sender, the network both ways and a receiver.
struct Call {
    receiver: VideoReceiver,
    rng: Rng,
    one_way: u64,
    jitter: u64,
    lost: Loss,
    nack: bool,
    sent: BTreeMap<u16, Vec<u8>>,
    number: u16,
    frame: u32,
    wants_key: bool,
    /// By arrival: packets and how they come, and what is asked of the sender.
    network: BTreeMap<(u64, u64), (Vec<u8>, Origin)>,
    asked: BTreeMap<(u64, u64), Option<SequenceNumber>>,
    count: u64,
    frames: Vec<(u32, Frame)>,
}

impl Call {
    fn new(one_way: u64, jitter: u64, lost: impl FnMut(&mut Rng) -> bool + 'static) -> Self {
        let mut receiver = receiver();
        receiver.set_round_trip(Duration::from_millis(2 * one_way + jitter));
        Self {
            receiver,
            rng: Rng::from_u64(11),
            one_way,
            jitter,
            lost: Box::new(lost),
            nack: true,
            sent: BTreeMap::new(),
            number: 65_000,
            frame: 0,
            wants_key: true,
            network: BTreeMap::new(),
            asked: BTreeMap::new(),
            count: 0,
            frames: Vec::new(),
        }
    }

    fn transmit(&mut self, millis: u64, bytes: Vec<u8>, origin: Origin) {
        self.count += 1;
        if !(self.lost)(&mut self.rng) {
            let arrives = millis + self.one_way + self.rng.below(self.jitter + 1);
            self.network.insert((arrives, self.count), (bytes, origin));
        }
    }

    fn send_frame(&mut self, millis: u64) {
        let is_key = core::mem::take(&mut self.wants_key);
        let packets = if is_key { 20 } else { 4 };
        for n in 0..packets {
            let payload = vp8(self.frame, n == 0, is_key);
            let bytes = packet(self.number, self.frame.wrapping_mul(3_000), n + 1 == packets, &payload);
            self.sent.insert(self.number, bytes.clone());
            self.number = self.number.wrapping_add(1);
            self.transmit(millis + n / 4, bytes, Origin::Sent);
        }
        self.frame += 1;
    }

    fn run(&mut self, from: u64, until: u64) {
        for millis in from..until {
            if millis * 30 / 1_000 != (millis + 1) * 30 / 1_000 {
                self.send_frame(millis);
            }
            while let Some(entry) = self.asked.first_entry().filter(|entry| entry.key().0 <= millis) {
                match entry.remove() {
                    None => self.wants_key = true,
                    Some(number) => {
                        let bytes = self.sent[&number.0].clone();
                        self.transmit(millis, bytes, Origin::Retransmitted);
                    }
                }
            }
            while let Some(entry) = self.network.first_entry().filter(|entry| entry.key().0 <= millis) {
                let (bytes, origin) = entry.remove();
                give(&mut self.receiver, millis, &bytes, origin);
            }
            self.poll(millis);
        }
    }

    fn poll(&mut self, millis: u64) {
        let mut out = Vec::new();
        while let Some(frame) = self.receiver.poll_frame(at(millis), &mut out) {
            let number = u32::from_be_bytes(*out.last_chunk().unwrap());
            self.frames.push((number, frame));
            out.clear();
        }
        let mut ask = Vec::new();
        self.receiver.poll_nack(at(millis), &mut ask);
        let pli = self.receiver.poll_key_request(at(millis)).then_some(None);
        let ask = ask.into_iter().map(Some).filter(|_| self.nack);
        for request in ask.chain(pli).collect::<Vec<_>>() {
            self.count += 1;
            if !(self.lost)(&mut self.rng) {
                self.asked.insert((millis + self.one_way, self.count), request);
            }
        }
        assert!(self.receiver.poll_timeout().is_none_or(|due| due > at(millis)), "a deadline in the past");
    }

    /// No frame is handed out without those that it needs.
    fn assert_decodable(&self) {
        let mut last = None;
        for (number, frame) in &self.frames {
            assert!(frame.picture.is_key || last == number.checked_sub(1), "{last:?} {number}");
            last = Some(*number);
        }
        assert!(self.frames.is_sorted_by_key(|(_, frame)| frame.render_at));
    }
}

#[test]
fn without_trouble_every_frame_comes_out_in_time() {
    let mut call = Call::new(20, 0, |_| false);
    call.run(1_000, 11_000);
    call.assert_decodable();
    let stats = call.receiver.stats();
    assert!(call.frames.len() >= 298 && stats.frames_dropped == 0 && stats.key_requests == 0, "{stats:?}");
    assert_eq!((stats.freezes.freezes, stats.nack.asked, stats.key_frames), (0, 0, 1));
    assert!(call.receiver.delay() <= 20 * MS, "{:?}", call.receiver.delay());
    assert_eq!(call.receiver.report_block(at(11_000)).unwrap().cumulative_lost, 0);
}

#[test]
fn losses_are_repaired_within_the_delay() {
    let mut call = Call::new(25, 5, |rng| rng.unit() < 0.02);
    call.run(1_000, 31_000);
    call.assert_decodable();
    let stats = call.receiver.stats();
    assert!(call.frames.len() >= 890, "{}", call.frames.len());
    assert!(stats.nack.repaired > 50 && stats.nack.abandoned == 0, "{stats:?}");
    assert!(stats.freezes.longest < 300 * MS, "{stats:?}");
}

#[test]
fn without_retransmission_a_key_frame_is_asked_for() {
    let mut call = Call::new(20, 0, |rng| rng.unit() < 0.01);
    call.nack = false;
    let mut config = Config::new(Codec::Vp8);
    config.nack.asks = 0;
    call.receiver = VideoReceiver::new(Ssrc(1), config);
    call.run(1_000, 21_000);
    call.assert_decodable();
    let stats = call.receiver.stats();
    assert!(stats.key_requests >= 5 && stats.key_frames > 3, "{stats:?}");
    assert!(stats.freezes.longest < 1_000 * MS, "{stats:?}");
    assert!(call.frames.len() > 400, "{}", call.frames.len());
}

#[test]
fn a_call_joined_late_asks_for_a_key_frame_at_once() {
    let mut call = Call::new(20, 0, |_| false);
    call.wants_key = false;
    call.run(1_000, 2_000);
    let stats = call.receiver.stats();
    assert_eq!((stats.key_requests, stats.key_frames), (1, 1));
    assert!(stats.frames_dropped > 0 && call.frames[0].1.picture.is_key);
    call.assert_decodable();
}

#[test]
fn upper_layers_may_be_missing_without_harm() {
    let mut config = Config::new(Codec::Vp8);
    config.nack.asks = 0;
    let mut receiver = VideoReceiver::new(Ssrc(1), config);
    // I, L and T: picture number, last base picture, layer.
    let payload = |n: u8, is_key: bool| {
        let (tl0, temporal) = (n / 2, n % 2);
        vec![0x90, 0xE0, n, tl0, temporal << 6 | 0x20, u8::from(!is_key), 0, 0, 0x9d, 1, 0x2a, 64, 0, 48, 0, n]
    };
    let mut told = Vec::new();
    for n in 0..40u8 {
        let millis = 1_000 + 33 * u64::from(n);
        if n % 8 != 3 {
            give(
                &mut receiver,
                millis,
                &packet(n.into(), 3_000 * u32::from(n), true, &payload(n, n == 0)),
                Origin::Sent,
            );
        }
        for millis in millis..millis + 33 {
            let (mut out, mut ask) = (Vec::new(), Vec::new());
            while receiver.poll_frame(at(millis), &mut out).is_some() {
                told.push(*out.last().unwrap());
            }
            receiver.poll_nack(at(millis), &mut ask);
            assert!(!receiver.poll_key_request(at(millis)), "{n}");
        }
    }
    assert!(told.iter().copied().eq((0..40).filter(|n| n % 8 != 3)), "{told:?}");
}

#[test]
fn a_jump_of_the_sequence_starts_anew() {
    let mut receiver = receiver();
    let mut out = Vec::new();
    give(&mut receiver, 0, &packet(1, 0, true, &vp8(0, true, true)), Origin::Sent);
    assert!(receiver.poll_frame(at(0), &mut out).is_some());
    for n in 0..3u16 {
        let key = vp8(n.into(), true, n > 0);
        give(&mut receiver, 100, &packet(30_000 + n, 1 << 30, true, &key), Origin::Sent);
    }
    let frame = receiver.poll_frame(at(100), &mut out).unwrap();
    assert!(frame.picture.is_key && frame.render_at <= at(2_200));
    assert_eq!(receiver.stats().source.restarts, 1);
}

#[test]
fn a_flood_of_half_frames_is_bounded() {
    let mut config = Config::new(Codec::Vp8);
    (config.packets, config.bytes) = (256, 20_000);
    let mut receiver = VideoReceiver::new(Ssrc(1), config);
    for n in 0..20_000u32 {
        // Every other packet is missing, and no frame ends.
        let payload = vp8(n, n % 3 == 0, n == 0);
        give(&mut receiver, n.into(), &packet((2 * n) as u16, n * 10, false, &payload), Origin::Sent);
        let (mut out, mut ask) = (Vec::new(), Vec::new());
        while receiver.poll_frame(at(n.into()), &mut out).is_some() {}
        receiver.poll_nack(at(n.into()), &mut ask);
        receiver.poll_key_request(at(n.into()));
        assert!(receiver.frames.len() <= 256 && receiver.nacks.len() <= 1_000 && ask.len() <= 1_000);
    }
    let stats = receiver.stats();
    assert!(stats.key_requests < 30 && stats.frames_emitted <= 1, "{stats:?}");
}

/// Two temporal layers told by the dependency descriptor alone, as Chromium sends with AV1 and H.264.
fn layered() -> Structure {
    let indications = |upper| {
        Indications::new([if upper { Indication::NotPresent } else { Indication::Required }, Indication::Required])
    };
    let template = |temporal, diffs: &[u16]| Dependencies {
        temporal,
        indications: indications(temporal > 0),
        frame_diffs: FrameDiffs::new(diffs).unwrap(),
        ..Dependencies::default()
    };
    let templates = vec![template(0, &[]), template(0, &[2]), template(1, &[1])];
    Structure { targets: 2, templates, ..Structure::default() }
}

fn described(number: u16, frame: u16, structure: &Structure, map: &Map) -> Vec<u8> {
    let header = Header {
        marker: true,
        payload_type: PayloadType::from_byte(96),
        sequence_number: SequenceNumber(number),
        timestamp: Timestamp(3_000 * u32::from(frame)),
        ssrc: Ssrc(1),
    };
    let is_key = frame == 0;
    let dependencies = &structure.templates[if is_key { 0 } else { 1 + usize::from(frame % 2) }];
    let descriptor = Outgoing {
        frame_number: frame,
        is_first: true,
        is_last: true,
        dependencies,
        structure,
        with_structure: is_key,
        active_targets: None,
    };
    let mut value = [0; 255];
    let len = descriptor.write(&mut value).unwrap();
    let mut buf = vec![0; 400];
    let mut slot = peerage_base::slot::Slot::new(&mut buf, 0, 0, 400);
    let mut writer = PacketWriter::new(&mut slot, &header, &[]).unwrap();
    writer.extensions(map.forms(), |block| {
        assert!(block.value(map.id(Kind::DependencyDescriptor).unwrap(), &value[..len]));
        let limits = PlayoutDelay::new(Duration::ZERO, 100 * MS).unwrap();
        assert!(map.write(block, &limits));
    });
    // An H.264 slice, of an IDR picture or not.
    let payload = [if is_key { 0x65 } else { 0x41 }, 0x80, frame as u8];
    writer.room()[..3].copy_from_slice(&payload);
    writer.finish(3, 0).unwrap();
    slot.packet().to_vec()
}

#[test]
fn descriptors_let_the_stream_go_on_where_upper_layers_are_missing() {
    let mut map = Map::new(true);
    map.insert(Kind::DependencyDescriptor, 3).unwrap();
    map.insert(Kind::PlayoutDelay, 4).unwrap();
    let mut config = Config::new(Codec::H264);
    (config.extensions, config.nack.asks) = (map.clone(), 0);
    let mut receiver = VideoReceiver::new(Ssrc(1), config);
    let structure = layered();
    let mut told = Vec::new();
    for frame in 0..60u16 {
        let start = 1_000 + 33 * u64::from(frame);
        // Frames of the upper layer are odd; late one of the base layer is lost.
        if frame % 4 != 1 && frame != 50 {
            give(&mut receiver, start, &described(frame, frame, &structure, &map), Origin::Sent);
        }
        for millis in start..start + 33 {
            let (mut out, mut ask) = (Vec::new(), Vec::new());
            while let Some(frame) = receiver.poll_frame(at(millis), &mut out) {
                assert!(frame.render_at <= at(millis) + 100 * MS);
                told.push(u16::from(*out.last().unwrap()));
            }
            receiver.poll_nack(at(millis), &mut ask);
            assert!(!receiver.poll_key_request(at(millis)) || frame > 50, "{frame}");
        }
    }
    assert!(told.iter().copied().eq((0..50).filter(|n| n % 4 != 1)), "{told:?}");
    assert!(receiver.stats().key_requests > 0);
}

#[test]
fn a_steady_stream_with_repair_allocates_nothing_per_packet() {
    let packets: Vec<_> = (0..1_200u32)
        .map(|n| (n, packet(n as u16, n / 4 * 3_000, n % 4 == 3, &vp8(n / 4, n % 4 == 0, n < 4))))
        .collect();
    let mut receiver = receiver();
    let (mut out, mut ask) = (Vec::with_capacity(1 << 16), Vec::with_capacity(100));
    let mut run = |packets: &[(u32, Vec<u8>)]| {
        let mut frames = 0;
        for (n, bytes) in packets {
            let millis = 1_000 + 8 * u64::from(*n);
            // Every tenth comes 80 ms later.
            if n % 10 != 5 {
                give(&mut receiver, millis, bytes, Origin::Sent);
            }
            if n % 10 == 5 && *n >= 10 {
                let late = &packets.iter().rev().find(|(m, _)| m + 10 == *n);
                if let Some((_, bytes)) = late {
                    give(&mut receiver, millis, bytes, Origin::Retransmitted);
                }
            }
            receiver.poll_nack(at(millis), &mut ask);
            receiver.poll_key_request(at(millis));
            ask.clear();
            while receiver.poll_frame(at(millis), &mut out).is_some() {
                frames += 1;
                out.clear();
            }
        }
        frames
    };
    run(&packets[..600]);
    let mut frames = 0;
    let info = allocation_counter::measure(|| frames = run(&packets[590..]));
    assert_eq!(info.count_total, 0);
    assert!(frames > 140, "{frames}");
}

/// Bursts by the model of Gilbert and Elliott, counted in packets: in the bad state everything is lost, both ways.
fn bursts(mean: f64, share: f64) -> impl FnMut(&mut Rng) -> bool {
    let leave = 1.0 / mean;
    let enter = leave * share / (1.0 - share);
    let mut is_bad = false;
    move |rng| {
        is_bad = if is_bad { rng.unit() >= leave } else { rng.unit() < enter };
        is_bad
    }
}

#[test]
fn freezes_under_loss_stay_in_bounds() {
    let scenarios: [(&str, Loss); 3] = [
        ("none", Box::new(|_| false)),
        ("5 % random", Box::new(|rng| rng.unit() < 0.05)),
        ("bursts of 200 ms, 5 %", Box::new(bursts(24.0, 0.05))),
    ];
    for (name, lost) in scenarios {
        let mut call = Call::new(75, 10, lost);
        call.run(1_000, 121_000);
        call.assert_decodable();
        let stats = call.receiver.stats();
        println!(
            "{name}: {} of {} frames shown, {} freezes, longest {} ms, {} key requests, {} of {} packets asked for again came, delay {} ms",
            stats.frames_emitted,
            call.frame,
            stats.freezes.freezes,
            stats.freezes.longest.as_millis(),
            stats.key_requests,
            stats.nack.repaired,
            stats.nack.asked,
            call.receiver.delay().as_millis(),
        );
        assert!(stats.freezes.longest < 500 * MS || name.starts_with("bursts"), "{name}: {stats:?}");
        assert!(stats.freezes.longest < 1_500 * MS, "{name}: {stats:?}");
        assert!(stats.frames_emitted * 100 >= u64::from(call.frame) * 90, "{name}: {stats:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn over_any_network_frames_are_whole_decodable_and_go_on(
        seed: u64, one_way in 1u64..150, jitter in 0u64..100, loss in 0.0f64..0.1,
    ) {
        let mut call = Call::new(one_way, jitter, move |rng| rng.unit() < loss);
        call.rng = Rng::from_u64(seed);
        call.run(1_000, 6_000);
        call.assert_decodable();
        prop_assert!(!call.frames.is_empty());
        // Once nothing is lost any more it recovers.
        call.lost = Box::new(|_| false);
        call.run(6_000, 9_000);
        call.assert_decodable();
        prop_assert!(call.frames.last().unwrap().0 + 30 > call.frame, "{:?}", call.receiver.stats());
    }

    #[test]
    fn noise_is_bounded_and_polling_ends(
        packets in prop::collection::vec((0u64..100, any::<u16>(), 0u32..10, any::<bool>(), prop::collection::vec(any::<u8>(), 0..10)), 1..200),
        codec in prop::sample::select(vec![Codec::Vp8, Codec::Vp9, Codec::H264, Codec::H265, Codec::Av1]),
    ) {
        let mut receiver = VideoReceiver::new(Ssrc(1), Config::new(codec));
        let mut now = 0;
        for (wait, number, timestamp, marker, payload) in packets {
            now += wait;
            let origin = [Origin::Sent, Origin::Retransmitted, Origin::Recovered][usize::from(number) % 3];
            give(&mut receiver, now, &packet(number % 700, timestamp << 28, marker, &payload), origin);
            let (mut out, mut ask) = (Vec::new(), Vec::new());
            while let Some(frame) = receiver.poll_frame(at(now), &mut out) {
                prop_assert!(frame.render_at >= at(now) && frame.render_at <= at(now) + Duration::from_secs(2));
            }
            receiver.poll_nack(at(now), &mut ask);
            receiver.poll_key_request(at(now));
            prop_assert!(receiver.poll_timeout().is_none_or(|due| due > at(now)));
        }
    }
}
