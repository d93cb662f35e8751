//! What losses cost when packets are sent again: a sender, a path that loses, and a receiver that asks for what is missing.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use peerage_base::rng::Rng;
use peerage_base::slot::Slot;
use peerage_base::time::{Duration, Instant};
use peerage_media::rtcp::cname::Cname;
use peerage_media::rtcp::compose::Composer;
use peerage_media::rtcp::receive::Receiver;
use peerage_media::send::budget::Budget;
use peerage_media::send::config::{Companion, Config, StreamConfig};
use peerage_media::send::frame::Frame;
use peerage_media::send::ready::Kind;
use peerage_media::send::sender::Sender;
use peerage_rtp::ntp::WallClock;
use peerage_rtp::numbers::{PayloadType, SequenceNumber, Ssrc, Timestamp};
use peerage_rtp::packet::Packet;
use peerage_rtp::payload::codec::Codec;
use peerage_rtp::payload::format::Format;
use peerage_rtp::payload::rtx;

const MEDIA: Ssrc = Ssrc(1);
const RTX: Ssrc = Ssrc(2);
const MILLI: Duration = Duration::from_millis(1);

/// Losses by themselves, or in bursts (Gilbert and Elliott).
struct Loss {
    rng: Rng,
    rate: f64,
    /// Mean length of a burst; none if losses are by themselves.
    burst: Option<Duration>,
    is_bad: bool,
}

impl Loss {
    /// To be called every millisecond.
    fn step(&mut self) {
        let Some(burst) = self.burst else { return };
        let leave = MILLI.as_secs_f64() / burst.as_secs_f64();
        let change = if self.is_bad { leave } else { leave * self.rate / (1.0 - self.rate) };
        self.is_bad ^= self.rng.unit() < change;
    }

    fn loses(&mut self) -> bool {
        if self.burst.is_some() { self.is_bad } else { self.rng.unit() < self.rate }
    }
}

/// What has arrived, and what is missing with the time at which it is asked for next.
#[derive(Default)]
struct Inbox {
    highest: Option<u64>,
    missing: BTreeMap<u64, Instant>,
    arrived: BTreeMap<u64, Instant>,
}

impl Inbox {
    fn packet(&mut self, now: Instant, bytes: &[u8]) {
        let packet = Packet::parse(bytes).unwrap();
        let number = match packet.header.ssrc == RTX {
            true => rtx::parse(packet.payload).unwrap().0,
            false => packet.header.sequence_number,
        };
        let number = number.nearest(self.highest.unwrap_or(number.0.into()));
        let from = self.highest.map_or(number, |highest| highest + 1);
        (from..number).for_each(|lost| {
            self.missing.insert(lost, now);
        });
        self.highest = self.highest.max(Some(number));
        self.missing.remove(&number);
        self.arrived.entry(number).or_insert(now);
    }

    fn wanted(&mut self, now: Instant, round_trip: Duration) -> Vec<SequenceNumber> {
        let due: Vec<u64> = self.missing.iter().filter(|(_, at)| **at <= now).map(|(number, _)| *number).collect();
        for number in &due {
            self.missing.insert(*number, now + round_trip + 10 * MILLI);
        }
        due.into_iter().map(|number| SequenceNumber(number as u16)).collect()
    }
}

/// Packets on their way, and when they arrive.
type Way = VecDeque<(Instant, Vec<u8>)>;

fn arrived(way: &mut Way, now: Instant) -> Option<Vec<u8>> {
    way.front().filter(|(at, _)| *at <= now)?;
    way.pop_front().map(|(_, bytes)| bytes)
}

struct Figures {
    /// Longest time from one frame that could be decoded to the next.
    gap: Duration,
    /// From the capture of a frame to when it and all before it were there: of 95 in 100 frames.
    p95: Duration,
    /// Bytes sent again, of all.
    again: f64,
}

/// Half a minute of video at 30 frames and 1.5 Mbit/s over a path that loses both ways.
fn run(seed: u64, round_trip: Duration, rate: f64, burst: Option<Duration>) -> Figures {
    const FRAMES: u64 = 900;
    let wall = WallClock::new(Instant::ORIGIN, Duration::ZERO);
    let mut sender = Sender::new(Config::default(), wall, Rng::from_u64(seed));
    let mut config = StreamConfig::new(MEDIA, PayloadType::from_byte(96), Codec::Vp8);
    config.rtx = Some(Companion { ssrc: RTX, payload_type: PayloadType::from_byte(97) });
    let id = sender.add(config).unwrap();
    sender.set_round_trip(round_trip);
    let mut receiver = Receiver::new(wall, true);
    let mut composer = Composer::new(Ssrc(9), Cname::new(&mut Rng::from_u64(2)), true);
    let mut losses =
        ["there", "back"].map(|way| Loss { rng: Rng::from_u64(seed).split(way), rate, burst, is_bad: false });
    let (mut there, mut back) = (Way::new(), Way::new());
    let mut inbox = Inbox::default();
    // The last packet of each frame.
    let mut frames = Vec::new();
    let (mut now, mut all, mut again) = (Instant::ORIGIN, 0, 0);
    let mut buf = [0; 1300];
    while now < Instant::from_millis(34 * FRAMES + 3000) {
        let sent = frames.len() as u64;
        let is_due = sent < FRAMES && now.since(Instant::ORIGIN) >= Duration::from_nanos(33_333_333 * sent);
        if is_due {
            let payload = Bytes::from(vec![7; 6250]);
            let mut frame = Frame::new(payload, Format::plain(Codec::Vp8), Timestamp(3000 * sent as u32), now);
            frame.is_key = sent == 0;
            sender.send_frame(now, id, frame).unwrap();
        }
        let mut last = None;
        loop {
            let mut slot = Slot::new(&mut buf, 0, 0, 1300);
            let Some(packet) = sender.poll_transmit(now, &mut slot, &Budget::unlimited(1200)) else { break };
            (all, again) = (all + packet.size, again + if packet.kind == Kind::Video { 0 } else { packet.size });
            last = Some(packet).filter(|packet| packet.kind == Kind::Video).or(last);
            if !losses[0].loses() || sent == 0 {
                there.push_back((now + round_trip / 2, slot.packet().to_vec()));
            }
        }
        if is_due {
            let number = last.expect("a frame has packets").sequence_number;
            let before = frames.last().map_or(number.0.into(), |(number, _)| *number);
            frames.push((number.nearest(before), now));
        }
        while let Some(bytes) = arrived(&mut there, now) {
            inbox.packet(now, &bytes);
        }
        composer.nack(MEDIA, inbox.wanted(now, round_trip));
        loop {
            let mut slot = Slot::new(&mut buf, 0, 0, 1200);
            if composer.poll(&mut slot, |_| false).is_none() {
                break;
            }
            if !losses[1].loses() {
                back.push_back((now + round_trip / 2, slot.packet().to_vec()));
            }
        }
        while let Some(bytes) = arrived(&mut back, now) {
            receiver.handle(now, &bytes, |event| sender.handle_feedback(now, &event));
        }
        losses.iter_mut().for_each(Loss::step);
        now += MILLI;
    }
    assert_eq!(frames.len() as u64, FRAMES);
    figures(&frames, &inbox, again as f64 / all as f64)
}

fn figures(frames: &[(u64, Instant)], inbox: &Inbox, again: f64) -> Figures {
    let first = *inbox.arrived.keys().next().unwrap();
    let (mut begin, mut there) = (first, Instant::ORIGIN);
    let (mut gap, mut delays) = (Duration::ZERO, Vec::new());
    for (last, captured) in frames {
        let complete =
            (begin..=*last).map(|number| *inbox.arrived.get(&number).expect("it came at last")).max().unwrap();
        let decodable = complete.max(there);
        if begin > first {
            gap = gap.max(decodable.since(there));
        }
        delays.push(decodable.since(*captured));
        (begin, there) = (last + 1, decodable);
    }
    delays.sort();
    Figures { gap, p95: delays[delays.len() * 95 / 100], again }
}

#[test]
fn one_loss_in_twenty_at_150_ms_stops_no_picture_for_half_a_second() {
    for seed in 1..5 {
        let Figures { gap, p95, again } = run(seed, Duration::from_millis(150), 0.05, None);
        println!("seed {seed}: longest gap {gap:?}, 95 % within {p95:?}, {:.1} % sent again", 100.0 * again);
        assert!(gap < Duration::from_millis(500), "{gap:?}");
        assert!((0.04..0.08).contains(&again), "{again}");
    }
}

#[test]
fn bursts_of_200_ms_on_average_are_over_soon_after_their_end() {
    for seed in 1..5 {
        let Figures { gap, p95, again } = run(seed, Duration::from_millis(150), 0.05, Some(Duration::from_millis(200)));
        println!("seed {seed}: longest gap {gap:?}, 95 % within {p95:?}, {:.1} % sent again", 100.0 * again);
        assert!(gap < Duration::from_millis(1200), "{gap:?}");
    }
}

#[test]
fn without_losses_nothing_is_sent_again() {
    let Figures { gap, p95, again } = run(1, Duration::from_millis(40), 0.0, None);
    assert!(gap <= Duration::from_millis(34) && p95 <= Duration::from_millis(20), "{gap:?} {p95:?}");
    assert_eq!(again, 0.0);
}
