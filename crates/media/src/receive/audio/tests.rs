//! Sound over simulated networks.

use super::*;
use alloc::collections::BTreeMap;
use alloc::vec;
use core::ops::Range;
use peerage_base::rng::Rng;
use peerage_rtp::numbers::SequenceNumber;
use peerage_rtp::packet::Header;
use peerage_rtp::packet::write::PacketWriter;
use proptest::prelude::*;
use std::println;

const OPUS: PayloadType = PayloadType::from_byte(111);
const RED: PayloadType = PayloadType::from_byte(63);
const MS: Duration = Duration::from_millis(1);

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

fn receiver() -> AudioReceiver {
    let mut config = Config::new(OPUS, Codec::Opus);
    config.red = Some(RED);
    AudioReceiver::new(Ssrc(1), config)
}

fn packet(number: u16, timestamp: u32, kind: PayloadType, payload: &[u8]) -> Vec<u8> {
    let header = Header {
        marker: false,
        payload_type: kind,
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

fn give(receiver: &mut AudioReceiver, now: Instant, bytes: &[u8]) {
    receiver.handle_packet(now, &Packet::parse(bytes).unwrap());
}

/// 20 ms of sound number `n`, with redundancy in it or not.
fn sound(n: u64, redundancy: bool) -> Vec<u8> {
    let [a, b] = (n as u16).to_be_bytes();
    if redundancy { vec![0x48, 0x40, a, b] } else { vec![0xF8, 0, a, b] }
}

fn number(payload: &[u8]) -> u64 {
    u64::from(u16::from_be_bytes([payload[payload.len() - 2], payload[payload.len() - 1]]))
}

/// What is heard, by 10 ms.
#[derive(Debug, Default)]
struct Heard {
    /// Numbers of the packets decoded, in order.
    decoded: Vec<u64>,
    covered: usize,
    conceal: u64,
    noise: u64,
    silence: u64,
    accelerate: usize,
    slow: usize,
    ahead: i64,
}

impl Heard {
    fn tick(&mut self, receiver: &mut AudioReceiver, now: Instant) {
        for _ in 0..300 {
            let mut stretched = 0;
            let done = match receiver.next(now) {
                Decision::Decode(encoded) => {
                    if encoded.payload.len() > 2 {
                        self.decoded.push(number(encoded.payload));
                    }
                    self.ahead += i64::from(encoded.ticks);
                    false
                }
                Decision::DecodeRedundancy(encoded) => {
                    self.covered += 1;
                    self.ahead += i64::from(encoded.ticks);
                    false
                }
                Decision::Conceal { ticks } => {
                    self.conceal += u64::from(ticks);
                    self.ahead += i64::from(ticks);
                    false
                }
                Decision::ComfortNoise { ticks } => {
                    self.noise += u64::from(ticks);
                    self.ahead += i64::from(ticks);
                    false
                }
                Decision::Silence { ticks } => {
                    self.silence += u64::from(ticks);
                    self.ahead += i64::from(ticks);
                    false
                }
                Decision::Accelerate { .. } => {
                    self.accelerate += 1;
                    stretched = -384;
                    false
                }
                Decision::Slow => {
                    self.slow += 1;
                    stretched = 384;
                    false
                }
                Decision::Play { ticks } => {
                    self.ahead -= i64::from(ticks);
                    true
                }
            };
            if stretched != 0 {
                receiver.stretched(stretched);
                self.ahead += i64::from(stretched);
            }
            assert!((0..10 * 5_760).contains(&self.ahead), "{self:?}");
            if done {
                return;
            }
        }
        panic!("a tick does not end");
    }
}

/// Packets by the moment of arrival in ms.
type Arrivals = BTreeMap<(u64, u64), Vec<u8>>;

/// Sends packets `range`, one every 20 ms from 1 s on, each delayed by so many ms or lost.
fn send(
    range: Range<u64>,
    mut delay: impl FnMut(u64) -> Option<u64>,
    mut make: impl FnMut(u64) -> Vec<u8>,
) -> Arrivals {
    range.filter_map(|n| Some(((1_000 + 20 * n + delay(n)?, n), make(n)))).collect()
}

fn plain(n: u64) -> Vec<u8> {
    packet((65_500 + n) as u16, (u32::MAX - 100_000).wrapping_add(960 * n as u32), OPUS, &sound(n, false))
}

fn run(receiver: &mut AudioReceiver, arrivals: &Arrivals, from: u64, until: u64) -> Heard {
    let mut heard = Heard { ahead: receiver.ahead.into(), ..Heard::default() };
    let mut pending = arrivals.iter().peekable();
    for millis in from..until {
        while let Some((_, bytes)) = pending.next_if(|((arrives, _), _)| *arrives <= millis) {
            give(receiver, at(millis), bytes);
        }
        if millis % 10 == 3 {
            heard.tick(receiver, at(millis));
        }
    }
    heard
}

#[test]
fn without_trouble_everything_is_decoded_and_nothing_made_up() {
    let mut receiver = receiver();
    let heard = run(&mut receiver, &send(0..500, |_| Some(30), plain), 1_000, 11_000);
    assert_eq!(heard.decoded, (0..heard.decoded.len() as u64).collect::<Vec<_>>());
    assert!(heard.decoded.len() >= 495, "{heard:?}");
    assert_eq!((heard.conceal, heard.noise, heard.covered), (0, 0, 0));
    let stats = receiver.stats();
    assert_eq!((stats.concealed, stats.packets_discarded, stats.played), (0, 0, 480_000));
    let mean = stats.jitter_buffer_delay / stats.emitted as u32;
    assert!(mean < 60 * MS, "{mean:?}");
}

#[test]
fn what_is_out_of_order_or_comes_twice_is_decoded_once_and_in_order() {
    let mut receiver = receiver();
    let mut arrivals = send(0..300, |n| Some(if n % 5 == 0 { 55 } else { 10 }), plain);
    let twice: Vec<_> = arrivals.iter().map(|((at, n), bytes)| ((at + 7, n + 1_000), bytes.clone())).collect();
    arrivals.extend(twice);
    let heard = run(&mut receiver, &arrivals, 1_000, 7_500);
    assert!(heard.decoded.is_sorted_by(|a, b| a < b), "{:?}", heard.decoded);
    // At first it is not known how late packets can be.
    assert!(heard.decoded.len() >= 295, "{}", heard.decoded.len());
    let stats = receiver.stats();
    assert_eq!(stats.duplicates + stats.packets_discarded, 300 + 300 - heard.decoded.len() as u64);
}

#[test]
fn a_lost_packet_is_hidden_for_as_long_as_it_lasted() {
    let mut receiver = receiver();
    let heard = run(&mut receiver, &send(0..200, |n| (n % 50 != 25).then_some(20), plain), 1_000, 4_900);
    assert_eq!(heard.conceal, 4 * 960);
    let stats = receiver.stats();
    assert_eq!((stats.concealment_events, stats.longest_concealment, stats.silent_concealed), (4, 960, 0));
}

#[test]
fn redundancy_in_the_next_packet_stands_in_for_a_lost_one() {
    let mut receiver = receiver();
    let make = |n: u64| packet(n as u16, 960 * n as u32, OPUS, &sound(n, true));
    let heard = run(&mut receiver, &send(0..400, |n| (n % 10 != 5).then_some(20), make), 1_000, 8_900);
    // The first ones teach the buffer to wait for it.
    assert!(heard.covered >= 36 && heard.conceal <= 4 * 960, "{heard:?}");
    assert_eq!(receiver.stats().redundancy_used, heard.covered as u64);
}

#[test]
fn repetitions_stand_in_for_lost_packets_too() {
    let mut receiver = receiver();
    let mut encoder = red::Encoder::new(1);
    let mut make = |n: u64| {
        let mut room = [0; 100];
        let len = encoder.write(OPUS, Timestamp(960 * n as u32), &sound(n, false), &mut room).unwrap();
        packet(n as u16, 960 * n as u32, RED, &room[..len])
    };
    // All are made, some are lost.
    let all: Vec<_> = (0..400).map(&mut make).collect();
    let heard =
        run(&mut receiver, &send(0..400, |n| (n % 10 != 5).then_some(20), |n| all[n as usize].clone()), 1_000, 8_900);
    let stats = receiver.stats();
    assert!(heard.decoded.len() >= 385 && heard.conceal <= 4 * 960, "{heard:?}");
    assert!(heard.decoded.is_sorted_by(|a, b| a < b));
    assert!(stats.redundancy_used >= 36 && stats.redundant_discarded >= 300, "{stats:?}");
}

#[test]
fn the_delay_follows_the_jitter_up_and_down_by_stretching() {
    let mut receiver = receiver();
    let mut rng = Rng::from_u64(1);
    let arrivals = send(0..1_500, |n| Some(if (300..700).contains(&n) { 10 + rng.below(90) } else { 10 }), plain);
    let mut heard = Vec::new();
    let mut levels = Vec::new();
    for second in [7, 15, 31] {
        let start = if heard.is_empty() { 1_000 } else { 1_000 * [7, 15][heard.len() - 1] };
        let part: Arrivals = arrivals.range((start, 0)..).map(|(k, v)| (*k, v.clone())).collect();
        heard.push(run(&mut receiver, &part, start, 1_000 * second));
        levels.push(receiver.target());
    }
    assert!(levels[0] <= 40 * MS && levels[1] >= 90 * MS && levels[2] <= 50 * MS, "{levels:?}");
    assert!(heard[1].slow > 3 && heard[2].accelerate > 3, "{heard:?}");
    assert!(receiver.there() <= 80 * MS, "{:?}", receiver.there());
    assert!(receiver.stats().slowed > 0 && receiver.stats().accelerated > 0);
}

#[test]
fn a_clock_that_is_wrong_is_followed_without_gaps() {
    for skew in [-500i64, 500] {
        let mut receiver = receiver();
        // 500 ppm: 60 ms in two minutes.
        let delay = |n: u64| Some((100 + (20 * n) as i64 * skew / 1_000_000) as u64);
        let heard = run(&mut receiver, &send(0..6_000, delay, plain), 1_000, 120_500);
        let stats = receiver.stats();
        assert!(heard.conceal <= 2 * 480, "{skew}: {stats:?}");
        assert!(receiver.there() < 120 * MS, "{skew}: {:?}", receiver.there());
        assert!(if skew < 0 { stats.accelerated > 960 } else { stats.slowed > 960 }, "{skew}: {stats:?}");
    }
}

#[test]
fn silence_of_the_sender_is_noise_and_not_a_gap() {
    let mut receiver = receiver();
    // A second of sound, a second of silence with a packet every 400 ms, and so on.
    let make = |n: u64| {
        let payload = if (n / 50).is_multiple_of(2) { sound(n, false) } else { vec![0xF8] };
        packet(0, 960 * n as u32, OPUS, &payload)
    };
    let mut number = 0u16;
    let mut arrivals = Arrivals::new();
    for n in 0..500u64 {
        if (n / 50).is_multiple_of(2) || n % 50 % 20 == 0 {
            let mut bytes = make(n);
            bytes[2..4].copy_from_slice(&number.to_be_bytes());
            number += 1;
            arrivals.insert((1_000 + 20 * n + 20, n), bytes);
        }
    }
    let heard = run(&mut receiver, &arrivals, 1_000, 10_000);
    assert_eq!(heard.conceal, 0, "{heard:?}");
    assert!(heard.noise > 4 * 48_000 / 2, "{heard:?}");
    // The last ones wait still.
    assert!((245..=250).contains(&heard.decoded.len()), "{heard:?}");
    assert_eq!(receiver.stats().packets_discarded, 0);
}

#[test]
fn after_a_stall_the_delay_comes_down_again() {
    let mut receiver = receiver();
    let delay = |n: u64| Some(if (100..150).contains(&n) { 1_020 - 20 * (n - 100) } else { 20 });
    let heard = run(&mut receiver, &send(0..800, delay, plain), 1_000, 16_900);
    assert!(heard.accelerate > 20, "{heard:?}");
    assert!(receiver.there() < 1_100 * MS);
    assert!(heard.decoded.is_sorted_by(|a, b| a < b));
    let stats = receiver.stats();
    assert!(stats.silent_concealed > 0 && stats.longest_concealment <= 48_960, "{stats:?}");
}

#[test]
fn floods_and_jumps_are_bounded_and_the_sound_goes_on() {
    let mut receiver = receiver();
    run(&mut receiver, &send(0..50, |_| Some(20), plain), 1_000, 2_000);
    for n in 0..5_000u64 {
        give(&mut receiver, at(2_000), &plain(50 + n));
        assert!(receiver.queue.len() <= 200);
    }
    assert!(receiver.stats().packets_discarded > 4_000);
    let heard = run(&mut receiver, &BTreeMap::new(), 2_000, 2_200);
    assert!(!heard.decoded.is_empty());
    for timestamp in [0, 1 << 31, 5, u32::MAX / 3] {
        give(&mut receiver, at(2_300), &packet((65_500u64 + 5_050) as u16, timestamp, OPUS, &sound(1, false)));
        run(&mut receiver, &BTreeMap::new(), 2_300, 2_400);
    }
    // A new stream under the same name.
    let again = |n: u64| packet((20_000 + n) as u16, 960 * n as u32, OPUS, &sound(n, false));
    let heard = run(&mut receiver, &send(100..200, |_| Some(20), again), 3_000, 5_000);
    assert!(heard.decoded.len() >= 90, "{heard:?}");
    assert!(receiver.stats().source.restarts >= 1);
}

#[test]
fn what_is_no_sound_is_refused() {
    let mut receiver = receiver();
    give(&mut receiver, at(0), &packet(1, 0, PayloadType::from_byte(9), b"x"));
    give(&mut receiver, at(0), &packet(2, 0, OPUS, &[0xFB]));
    give(&mut receiver, at(0), &packet(3, 0, RED, &[0x80]));
    give(&mut receiver, at(0), &packet(4, 0, OPUS, &[]));
    assert_eq!((receiver.stats().malformed, receiver.queue.len()), (3, 0));
    let mut heard = Heard::default();
    heard.tick(&mut receiver, at(10));
    assert_eq!(heard.silence, 480);
}

/// Packet `n` sent at `n` times 20 ms; every tenth is lost once, and comes again 60 ms after it was asked for.
fn with_retransmission(
    receiver: &mut AudioReceiver,
    heard: &mut Heard,
    sent: Range<u64>,
    make: impl Fn(u64) -> Vec<u8>,
) {
    let (mut ask, mut again) = (Vec::new(), BTreeMap::new());
    for millis in 20 * sent.start..20 * sent.end {
        let (n, now) = (millis / 20, at(1_000 + millis));
        if millis % 20 == 0 && n % 10 != 5 {
            give(receiver, now, &make(n));
        }
        if let Some(n) = again.remove(&millis) {
            receiver.handle_retransmission(now, &Packet::parse(&make(n)).unwrap());
        }
        receiver.poll_nack(now, &mut ask);
        again.extend(ask.drain(..).map(|number| (millis + 60, u64::from(number.0))));
        if millis % 10 == 0 {
            heard.tick(receiver, now);
        }
    }
}

#[test]
fn what_is_missing_is_asked_for_and_waited_for_where_the_round_trip_is_short() {
    let plain = |n: u64| packet(n as u16, 960 * n as u32, OPUS, &sound(n, false));
    let mut config = Config::new(OPUS, Codec::Opus);
    config.nack = Some(nack::Config::default());
    let mut receiver = AudioReceiver::new(Ssrc(1), config.clone());
    receiver.set_round_trip(60 * MS);
    let mut heard = Heard::default();
    with_retransmission(&mut receiver, &mut heard, 0..200, plain);
    let before = receiver.stats();
    with_retransmission(&mut receiver, &mut heard, 200..1_000, plain);
    let stats = receiver.stats();
    assert_eq!((stats.nack.repaired - before.nack.repaired, stats.nack.abandoned), (80, 0));
    assert!(stats.concealed - before.concealed <= 4 * 960, "{stats:?}");
    assert!(heard.decoded.is_sorted() && heard.decoded.len() >= 970);
    assert!(receiver.target() <= 150 * MS, "{:?}", receiver.target());
    // Where it is long nothing is asked for.
    let mut receiver = AudioReceiver::new(Ssrc(1), config);
    receiver.set_round_trip(500 * MS);
    with_retransmission(&mut receiver, &mut Heard::default(), 0..200, plain);
    assert_eq!((receiver.stats().nack.asked, receiver.stats().retransmitted), (0, 0));
    assert!(receiver.target() <= 60 * MS);
}

#[test]
fn what_is_repeated_is_not_asked_for_and_asking_allocates_nothing() {
    let repeating = |n: u64| {
        // RFC 2198: the packet before, 960 ticks ago and 4 bytes long.
        let mut payload = vec![0x80 | 111, 0x0F, 0x00, 0x04, 111];
        payload.extend(sound(n.saturating_sub(1), false));
        payload.extend(sound(n, false));
        packet(n as u16, 960 * n as u32, RED, &payload)
    };
    let mut receiver = receiver();
    receiver.nacks = Some(Nacks::new(nack::Config::default()));
    receiver.config.nack = Some(nack::Config::default());
    receiver.set_round_trip(60 * MS);
    let mut heard = Heard::default();
    with_retransmission(&mut receiver, &mut heard, 0..400, repeating);
    let stats = receiver.stats();
    assert_eq!((stats.nack.asked, stats.retransmitted), (0, 0), "{stats:?}");
    assert!(heard.decoded.len() >= 395 && receiver.nacks.as_ref().is_some_and(Nacks::is_empty));
    let packets: Vec<_> = (400..500u64).map(repeating).collect();
    let mut ask = Vec::with_capacity(100);
    let mut run = |packets: &[Vec<u8>], from: u64| {
        for (n, bytes) in packets.iter().enumerate() {
            let now = at(1_000 + 20 * (from + n as u64));
            if n % 10 != 5 {
                give(&mut receiver, now, bytes);
            }
            receiver.poll_nack(now, &mut ask);
            for _ in 0..2 {
                while !matches!(receiver.next(now), Decision::Play { .. }) {}
            }
        }
    };
    run(&packets[..50], 400);
    assert_eq!(allocation_counter::measure(|| run(&packets[50..], 450)).count_total, 0);
}

#[test]
fn lip_sync_makes_the_sound_wait() {
    let mut receiver = receiver();
    receiver.set_least_delay(150 * MS);
    run(&mut receiver, &send(0..500, |_| Some(20), plain), 1_000, 10_900);
    assert!(receiver.there() >= 120 * MS, "{:?}", receiver.there());
}

#[test]
fn a_steady_stream_allocates_nothing_per_packet() {
    let mut receiver = receiver();
    let arrivals = send(0..600, |n| Some(20 + n % 3 * 5), plain);
    run(&mut receiver, &arrivals.range(..(7_000, 0)).map(|(k, v)| (*k, v.clone())).collect(), 1_000, 7_000);
    let rest: Arrivals = arrivals.range((7_000, 0)..).map(|(k, v)| (*k, v.clone())).collect();
    let mut heard = Heard { decoded: Vec::with_capacity(1_000), ..Heard::default() };
    let info = allocation_counter::measure(|| {
        for millis in 7_000..12_000 {
            for (_, bytes) in rest.range((millis, 0)..(millis + 1, 0)) {
                give(&mut receiver, at(millis), bytes);
            }
            if millis % 10 == 3 {
                heard.ahead = i64::from(receiver.ahead);
                heard.tick(&mut receiver, at(millis));
            }
        }
    });
    assert_eq!(info.count_total, 0);
    assert!(heard.decoded.len() > 240);
}

/// Bursts by the model of Gilbert and Elliott: in the bad state everything is lost.
fn bursts(mean: f64, share: f64, seed: u64) -> impl FnMut(u64) -> bool {
    let mut rng = Rng::from_u64(seed);
    let leave = 1.0 / mean;
    let enter = leave * share / (1.0 - share);
    let mut is_bad = false;
    move |_| {
        is_bad = if is_bad { rng.unit() >= leave } else { rng.unit() < enter };
        is_bad
    }
}

/// Ten minutes each: how much is made up, and the longest stretch of it.
#[test]
fn concealment_under_loss_stays_in_bounds() {
    let mut random = {
        let mut rng = Rng::from_u64(3);
        move |_: u64| rng.unit() < 0.05
    };
    let mut burst = bursts(10.0, 0.05, 4);
    let mut figures = Vec::new();
    for (name, redundancy, lost) in [
        ("5 % random", false, &mut random as &mut dyn FnMut(u64) -> bool),
        ("5 % random, redundancy", true, &mut |n| n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32 < 0x0CCC_CCCC),
        ("bursts of 200 ms, 5 %", false, &mut burst),
    ] {
        let mut receiver = receiver();
        let mut rng = Rng::from_u64(5);
        let make = |n: u64| packet(n as u16, 960 * n as u32, OPUS, &sound(n, redundancy));
        run(&mut receiver, &send(0..30_000, |n| (!lost(n)).then(|| 30 + rng.below(30)), make), 1_000, 600_900);
        let stats = receiver.stats();
        let share = 1000 * stats.concealed / stats.played;
        println!(
            "{name}: {}.{} % made up in {} gaps, longest {} ms; delay {} ms",
            share / 10,
            share % 10,
            stats.concealment_events,
            stats.longest_concealment / 48,
            (stats.jitter_buffer_delay / (stats.emitted / 1000) as u32).as_millis() / 1000,
        );
        figures.push((share, stats.longest_concealment / 48));
    }
    // No more is made up than was lost, and redundancy takes nearly all of it.
    assert!(figures[0].0 <= 60 && figures[1].0 <= 12 && figures[2].0 <= 70, "{figures:?}");
    assert!(figures[0].1 <= 150, "{figures:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_comes_every_tick_ends_and_samples_add_up(
        packets in prop::collection::vec((0u64..40, any::<u8>(), prop_oneof![0u32..100_000, any::<u32>()],
            prop_oneof![Just(OPUS), Just(RED)], prop::collection::vec(any::<u8>(), 0..20)), 1..150),
        stretch in -2_000i32..2_000,
    ) {
        let mut receiver = receiver();
        let mut heard = Heard::default();
        let mut now = 0;
        for (wait, number, timestamp, kind, payload) in packets {
            now += wait;
            give(&mut receiver, at(now), &packet(number.into(), timestamp, kind, &payload));
            prop_assert!(receiver.queue.len() <= 200);
            // Decoded counts are of no interest here.
            for _ in 0..2_000 {
                match receiver.next(at(now)) {
                    Decision::Decode(encoded) | Decision::DecodeRedundancy(encoded) => heard.ahead += i64::from(encoded.ticks),
                    Decision::Conceal { ticks } | Decision::ComfortNoise { ticks } | Decision::Silence { ticks } => {
                        heard.ahead += i64::from(ticks);
                    }
                    Decision::Accelerate { .. } | Decision::Slow => {
                        receiver.stretched(stretch);
                        heard.ahead = i64::from(receiver.ahead);
                    }
                    Decision::Play { ticks } => { heard.ahead -= i64::from(ticks); break; }
                }
            }
            prop_assert!(!receiver.is_begun, "the tick has ended");
            prop_assert_eq!(heard.ahead, i64::from(receiver.ahead));
        }
    }
}
