//! A tone through packets, losses and jitter, heard again.

use super::*;
use crate::receive::audio;
use alloc::vec;
use core::f64::consts::TAU;
use peerage_base::rng::Rng;
use peerage_rtp::numbers::{PayloadType, SequenceNumber, Ssrc, Timestamp};
use peerage_rtp::packet::write::PacketWriter;
use peerage_rtp::packet::{Header, Packet};
use std::println;

const PCMU: PayloadType = PayloadType::from_byte(0);
const CN: PayloadType = PayloadType::from_byte(13);
const HERTZ: f64 = 250.0;

/// One byte a sample, coarse but enough.
struct Coarse;

impl Decoder for Coarse {
    fn decode(&mut self, encoded: &Encoded<'_>, out: &mut Vec<i16>) -> bool {
        out.extend(encoded.payload.iter().map(|byte| (i16::from(*byte) - 128) << 8));
        true
    }
}

fn give(receiver: &mut AudioReceiver, now: Instant, n: u64, kind: PayloadType, payload: &[u8]) {
    let header = Header {
        marker: false,
        payload_type: kind,
        sequence_number: SequenceNumber(n as u16),
        timestamp: Timestamp(160 * n as u32),
        ssrc: Ssrc(1),
    };
    let mut buf = [0; 400];
    let mut slot = peerage_base::slot::Slot::new(&mut buf, 0, 0, 400);
    let mut writer = PacketWriter::new(&mut slot, &header, &[]).unwrap();
    writer.room()[..payload.len()].copy_from_slice(payload);
    writer.finish(payload.len(), 0).unwrap();
    receiver.handle_packet(now, &Packet::parse(slot.packet()).unwrap());
}

fn receiver() -> AudioReceiver {
    let mut config = audio::Config::new(PCMU, Codec::Pcmu);
    config.formats.push((CN, Codec::ComfortNoise));
    AudioReceiver::new(Ssrc(1), config)
}

/// 20 ms of the tone.
fn tone(n: u64) -> Vec<u8> {
    let sample = |at: u64| 128.0 + 100.0 * (at as f64 * HERTZ / 8_000.0 * TAU).sin();
    (160 * n..160 * (n + 1)).map(|at| sample(at) as u8).collect()
}

/// What is heard of `packets` packets, each late by so many ms or lost.
fn hear(packets: u64, mut late: impl FnMut(u64) -> Option<u64>) -> (Vec<i16>, AudioReceiver) {
    let mut receiver = receiver();
    let mut playback = Playback::new(Format::new(8_000, 1).unwrap(), 8_000);
    let mut network: Vec<_> = (0..packets).filter_map(|n| Some((1_000 + 20 * n + late(n)?, n))).collect();
    network.sort_unstable();
    let mut network = network.into_iter().peekable();
    let mut heard = Vec::new();
    for millis in 1_000..1_000 + 20 * packets {
        while let Some((_, n)) = network.next_if(|(arrives, _)| *arrives <= millis) {
            give(&mut receiver, Instant::from_millis(millis), n, PCMU, &tone(n));
        }
        if millis % 10 == 0 {
            heard.extend_from_slice(playback.play(Instant::from_millis(millis), &mut receiver, &mut Coarse));
        }
    }
    (heard, receiver)
}

/// The longest stretch, in ms, without the tone: below a twentieth of its level.
fn longest_silence(heard: &[i16]) -> usize {
    let mut longest = 0;
    let mut present = 0;
    for part in heard.chunks(8) {
        present = if part.iter().all(|sample| sample.unsigned_abs() < 1_280) { present + 1 } else { 0 };
        longest = longest.max(present);
    }
    longest
}

fn steepest(heard: &[i16]) -> i32 {
    heard.windows(2).map(|pair| (i32::from(pair[0]) - i32::from(pair[1])).abs()).max().unwrap()
}

#[test]
fn without_trouble_the_tone_is_heard_as_it_was() {
    let (heard, _) = hear(250, |_| Some(20));
    let begin = heard.iter().position(|sample| sample.unsigned_abs() > 1_280).unwrap();
    assert!(begin < 8 * 120, "{begin}");
    let crossings = heard[begin..].windows(2).filter(|pair| pair[0] < 0 && pair[1] >= 0).count();
    let expected = (heard.len() - begin) as f64 / 8_000.0 * HERTZ;
    assert!((crossings as f64 - expected).abs() < 8.0, "{crossings} of {expected}");
    assert_eq!(longest_silence(&heard[begin..]), 0);
}

#[test]
fn losses_and_jitter_leave_no_gap_and_no_click() {
    let mut rng = Rng::from_u64(1);
    let (heard, receiver) = hear(3_000, |_| (rng.unit() >= 0.05).then(|| 20 + rng.below(40)));
    let stats = receiver.stats();
    let heard = &heard[8_000..];
    println!(
        "5 % lost, 40 ms of jitter: {} ms made up in {} gaps, {} ms taken out, {} ms repeated; longest silence {} ms",
        stats.concealed / 8,
        stats.concealment_events,
        stats.accelerated / 8,
        stats.slowed / 8,
        longest_silence(heard),
    );
    assert!(longest_silence(heard) <= 60, "{}", longest_silence(heard));
    // The tone itself has steps of up to 5,300 with its coarse samples.
    assert!(steepest(heard) < 12_000, "{}", steepest(heard));
}

#[test]
fn silence_that_is_told_sounds_as_loud_as_told() {
    let mut receiver = receiver();
    let mut playback = Playback::new(Format::new(8_000, 1).unwrap(), 8_000);
    let mut heard = Vec::new();
    for tick in 0..400u64 {
        let now = Instant::from_millis(1_000 + 10 * tick);
        match tick / 2 {
            n @ 0..50 if tick % 2 == 0 => give(&mut receiver, now, n, PCMU, &tone(n)),
            50 if tick % 2 == 0 => give(&mut receiver, now, 50, CN, &[40]),
            _ => {}
        }
        let part = playback.play(now, &mut receiver, &mut Coarse);
        assert_eq!(part.len(), 80);
        heard.extend_from_slice(part);
    }
    let rest = &heard[heard.len() - 8_000..];
    let energy = rest.iter().map(|sample| i64::from(*sample).pow(2)).sum::<i64>() / 8_000;
    // 40 dB below overload.
    assert!((60_000..180_000).contains(&energy), "{energy}");
    assert_eq!(receiver.stats().concealed, 0);
}

#[test]
fn a_decoder_that_fails_or_lies_is_made_up_for() {
    struct Liar(u32);
    impl Decoder for Liar {
        fn decode(&mut self, _encoded: &Encoded<'_>, out: &mut Vec<i16>) -> bool {
            self.0 += 1;
            out.extend(vec![7; (self.0 * 37 % 500) as usize]);
            self.0.is_multiple_of(2)
        }

        fn conceal(&mut self, frames: usize, out: &mut Vec<i16>) -> bool {
            out.extend(vec![7; frames * 2]);
            self.0.is_multiple_of(3)
        }
    }
    for (rate, channels, clock) in [(16_000, 2u8, 8_000), (8_000, 1, 48_000), (44_100, 2, 8_000)] {
        let mut receiver = receiver();
        let mut playback = Playback::new(Format::new(rate, channels).unwrap(), clock);
        let mut liar = Liar(0);
        for tick in 0..500u64 {
            let now = Instant::from_millis(10 * tick);
            if tick % 2 == 0 && tick % 14 != 0 {
                give(&mut receiver, now, tick / 2, PCMU, &tone(tick / 2));
            }
            let len = playback.play(now, &mut receiver, &mut liar).len();
            assert_eq!(len, 80 * rate as usize / clock as usize * usize::from(channels));
            assert!(playback.samples.len() < 100_000);
        }
    }
}
