//! A publisher of three encodings, and a viewer whose path changes: what it gets follows what the path carries.

use peerage_base::rng::Rng;
use peerage_base::slot::Slot;
use peerage_base::time::{Duration, Instant};
use peerage_media::send::budget::Budget;
use peerage_media::send::config::{Companion, Config, StreamConfig};
use peerage_media::send::event::Event;
use peerage_media::send::forward::intake::Intake;
use peerage_media::send::forward::selector::{self, Encoding, Selector};
use peerage_media::send::forward::store::Store;
use peerage_media::send::sender::Sender;
use peerage_rtp::extension::map::Map;
use peerage_rtp::ntp::WallClock;
use peerage_rtp::numbers::{PayloadType, SequenceNumber, Ssrc, Timestamp};
use peerage_rtp::packet::write::PacketWriter;
use peerage_rtp::packet::{Header, Packet};
use peerage_rtp::payload::codec::Codec;
use peerage_rtp::payload::depacketizer::{Depacketizer, Limits};
use peerage_rtp::payload::info::{PictureId, Start};
use peerage_rtp::payload::vp8::descriptor::{Descriptor, Temporal};

const RATES: [usize; 3] = [150_000, 500_000, 1_500_000];

/// One encoder of 30 pictures a second in two temporal layers; key frames are three times as large.
struct Encoder {
    ssrc: Ssrc,
    rate: usize,
    number: u16,
    picture: u16,
    is_key_wanted: bool,
}

impl Encoder {
    fn new(n: usize) -> Self {
        Self { ssrc: Ssrc(n as u32 + 1), rate: RATES[n], number: 1000 * n as u16, picture: 0, is_key_wanted: true }
    }

    fn picture(&mut self, timestamp: u32, mut each: impl FnMut(&Packet<'_>)) {
        let is_key = std::mem::take(&mut self.is_key_wanted);
        let size = self.rate / 8 / 30 * if is_key { 3 } else { 1 };
        let packets = size.div_ceil(1100);
        self.picture += 1;
        for part in 0..packets {
            self.number = self.number.wrapping_add(1);
            let header = Header {
                marker: part + 1 == packets,
                payload_type: PayloadType::from_byte(100),
                sequence_number: SequenceNumber(self.number),
                timestamp: Timestamp(timestamp),
                ssrc: self.ssrc,
            };
            let temporal = if is_key { 0 } else { (self.picture % 2) as u8 };
            let descriptor = Descriptor {
                is_start: part == 0,
                picture_id: Some(PictureId::wide(self.picture)),
                tl0_index: Some((self.picture / 2) as u8),
                temporal: Some(Temporal { id: temporal, is_switching_point: true }),
                ..Descriptor::default()
            };
            let mut buf = [0; 1300];
            let mut slot = Slot::new(&mut buf, 0, 0, 1300);
            let mut writer = PacketWriter::new(&mut slot, &header, &[]).unwrap();
            let len = descriptor.write(writer.room()).unwrap();
            writer.room()[len] = 0x10 | u8::from(!is_key);
            // The size of the picture, behind its start code, as libwebrtc's key frames have it.
            writer.room()[len + 3..len + 10].copy_from_slice(&[0x9D, 1, 0x2A, 64, 1, 180, 0]);
            writer.finish(len + size / packets, 0).unwrap();
            each(&Packet::parse(slot.packet()).unwrap());
        }
    }
}

/// What the viewer has got.
#[derive(Default)]
struct Seen {
    numbers: Vec<u16>,
    /// When pictures were complete, with their timestamps and sizes.
    pictures: Vec<(Instant, u32, usize)>,
    size: usize,
    is_open: bool,
}

impl Seen {
    fn packet(&mut self, now: Instant, bytes: &[u8]) {
        let packet = Packet::parse(bytes).unwrap();
        let info =
            Depacketizer::new(Codec::Vp8, Limits::default()).inspect(packet.payload, packet.header.marker).unwrap();
        assert_eq!(info.start == Start::Yes, !self.is_open, "pictures are whole");
        self.numbers.push(packet.header.sequence_number.0);
        self.size += packet.payload.len();
        self.is_open = !packet.header.marker;
        if packet.header.marker {
            self.pictures.push((now, packet.header.timestamp.0, std::mem::take(&mut self.size)));
        }
    }

    /// Bits per second and pictures from one second to another.
    fn rate(&self, from: u64, to: u64) -> (usize, usize) {
        let within = |at: &Instant| (Instant::from_millis(1000 * from)..Instant::from_millis(1000 * to)).contains(at);
        let pictures: Vec<_> = self.pictures.iter().filter(|(at, ..)| within(at)).collect();
        let seconds = (to - from) as usize;
        (pictures.iter().map(|(.., size)| 8 * size).sum::<usize>() / seconds, pictures.len() / seconds)
    }
}

#[test]
fn a_viewer_gets_what_its_path_carries() {
    let capacity = |second: u64| match second {
        0..10 => 3_000_000,
        10..20 => 700_000,
        20..30 => 200_000,
        _ => 3_000_000,
    };
    let wall = WallClock::new(Instant::ORIGIN, Duration::ZERO);
    let mut sender = Sender::new(Config::default(), wall, Rng::from_u64(1));
    let mut config = StreamConfig::new(Ssrc(99), PayloadType::from_byte(96), Codec::Vp8);
    config.rtx = Some(Companion { ssrc: Ssrc(98), payload_type: PayloadType::from_byte(97) });
    let id = sender.add_forwarded(config).unwrap();
    let mut encoders = [0, 1, 2].map(Encoder::new);
    let mut intakes = [(); 3].map(|()| Intake::new(Codec::Vp8, Map::default()));
    let mut store = Store::new(16 << 20);
    let mut selector = Selector::new(selector::Config::default());
    let (mut seen, mut credit, mut wanted) = (Seen::default(), 0, Vec::new());
    for millis in 0..45_000u64 {
        let now = Instant::from_millis(millis);
        if millis % 33 == 0 {
            for (encoder, intake) in encoders.iter_mut().zip(&mut intakes) {
                encoder.picture(millis as u32 * 90, |packet| {
                    let shared = intake.take(now, packet, &mut store).unwrap();
                    sender.forward(now, id, &shared).unwrap();
                });
            }
        }
        let rate = capacity(millis / 1000);
        if millis % 100 == 0 {
            let rates = intakes.each_ref().map(|intake| intake.meter().rates(now).collect::<Vec<_>>());
            let encoding =
                |n: usize| Encoding { source: Ssrc(n as u32 + 1), pixels: 57_600 << (2 * n), layers: &rates[n] };
            let encodings = [0, 1, 2].map(encoding);
            let before = selector.current();
            let choice = selector.choose(now, rate, &encodings);
            if let Some(choice) =
                choice.filter(|choice| before.map(|b| (b.source, b.limit)) != Some((choice.source, choice.limit)))
            {
                sender.select(now, id, Some(choice.source), choice.limit);
                wanted.push((millis, choice.source.0, choice.limit.temporal));
            }
        }
        while let Some(event) = sender.poll_event() {
            assert_eq!(event, Event::KeyFrameRequested { stream: id }, "nothing waits too long");
            // The publisher is half a round trip away, and answers with its next picture.
            let source = sender.forwarder(id).and_then(|forwarder| forwarder.wanted()).unwrap();
            encoders[source.0 as usize - 1].is_key_wanted = true;
        }
        credit = (credit + rate as i64 / 8000).min(3000);
        while credit > 0 {
            let mut buf = [0; 1400];
            let mut slot = Slot::new(&mut buf, 0, 0, 1400);
            let Some(packet) = sender.poll_transmit(now, &mut slot, &Budget::unlimited(1200)) else { break };
            credit -= packet.size as i64;
            seen.packet(now, slot.packet());
        }
    }
    assert!(seen.numbers.windows(2).all(|pair| pair[1] == pair[0].wrapping_add(1)), "nothing is missed");
    assert!(seen.pictures.windows(2).all(|pair| pair[0].1 < pair[1].1), "and time goes on");
    println!("{wanted:?}");
    let sources: Vec<_> = wanted.iter().map(|(at, source, temporal)| (at / 1000, *source, *temporal)).collect();
    assert_eq!(sources, [(1, 3, 1), (10, 2, 1), (20, 1, 1), (33, 3, 1)], "down at once, up after three seconds");
    let near =
        |(bits, pictures): (usize, usize), rate: usize| bits.abs_diff(rate) < rate / 8 && (29..=31).contains(&pictures);
    for (from, to, rate) in [(3, 9, RATES[2]), (12, 19, RATES[1]), (22, 29, RATES[0]), (36, 44, RATES[2])] {
        assert!(near(seen.rate(from, to), rate), "{:?} from {from} s on, not {rate}", seen.rate(from, to));
    }
    // Large pictures that waited when the path became narrow are the longest that anything has to wait for.
    let gap = seen.pictures.windows(2).map(|pair| pair[1].0.since(pair[0].0)).max().unwrap();
    assert!(gap < Duration::from_millis(900), "{gap:?}");
}
