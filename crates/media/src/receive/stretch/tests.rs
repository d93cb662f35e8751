//! Tones, noise and silence, stretched and made up.

use super::*;
use alloc::vec;
use peerage_base::rng::Rng;
use proptest::prelude::*;
use std::println;

fn format(rate: u32, channels: u8) -> Format {
    Format::new(rate, channels).unwrap()
}

/// A tone with an overtone, `millis` long; the channels differ in level.
fn tone(format: Format, hertz: f64, millis: u32) -> Vec<i16> {
    let frames = format.millis(millis);
    let at = |n: usize| {
        let phase = n as f64 * hertz / f64::from(format.rate) * std::f64::consts::TAU;
        8_000.0 * phase.sin() + 3_000.0 * (2.0 * phase).sin()
    };
    (0..frames).flat_map(|n| (0..format.channels).map(move |c| (at(n) / (c + 1) as f64) as i16)).collect()
}

fn noise(format: Format, millis: u32) -> Vec<i16> {
    let mut rng = Rng::from_u64(1);
    (0..format.millis(millis) * format.channels).map(|_| rng.u32() as i16 / 4).collect()
}

/// The greatest step between neighbours of one channel.
fn steepest(samples: &[i16], channels: usize) -> i32 {
    samples.iter().zip(&samples[channels..]).map(|(a, b)| (i32::from(*a) - i32::from(*b)).abs()).max().unwrap()
}

/// How often the first channel goes up through zero.
fn crossings(samples: &[i16], channels: usize) -> usize {
    let first: Vec<_> = samples.iter().step_by(channels).collect();
    first.windows(2).filter(|pair| *pair[0] < 0 && *pair[1] >= 0).count()
}

const FORMATS: [(u32, u8); 6] = [(8_000, 1), (16_000, 2), (24_000, 1), (32_000, 1), (44_100, 2), (48_000, 2)];

#[test]
fn formats_are_bounded() {
    assert!(Format::new(7_999, 1).is_none() && Format::new(48_001, 1).is_none());
    assert!(Format::new(48_000, 0).is_none() && Format::new(48_000, 3).is_none());
}

#[test]
fn a_tone_keeps_its_pitch_and_has_no_clicks_when_stretched() {
    for (rate, channels) in FORMATS {
        for hertz in [100.0, 180.0, 300.0] {
            let format = format(rate, channels);
            let original = tone(format, hertz, 100);
            let limit = steepest(&original, format.channels) * 5 / 4 + 50;
            for faster in [true, false] {
                let mut samples = original.clone();
                let mut stretch = Stretch::new(format);
                let lag = if faster {
                    stretch.accelerate(&mut samples, false)
                } else {
                    stretch.slow(&mut samples, format.millis(50))
                };
                assert!(lag >= format.min_lag() && lag <= format.max_lag(), "{rate} {hertz} {lag}");
                let change = samples.len() as i64 - original.len() as i64;
                assert_eq!(change.unsigned_abs() as usize, lag * format.channels);
                assert_eq!(change < 0, faster);
                // A whole number of periods.
                let periods = lag as f64 * hertz / f64::from(rate);
                assert!((periods - periods.round()).abs() < 0.06, "{rate} {hertz}: {periods}");
                assert!(steepest(&samples, format.channels) <= limit, "{rate} {hertz}");
                let expected = crossings(&original, format.channels) as i64
                    + if faster { -(periods.round() as i64) } else { periods.round() as i64 };
                assert!((crossings(&samples, format.channels) as i64 - expected).abs() <= 1);
            }
        }
    }
}

#[test]
fn noise_is_left_alone_unless_it_is_urgent_and_silence_is_not() {
    let format = format(16_000, 1);
    let mut stretch = Stretch::new(format);
    let mut samples = noise(format, 60);
    assert_eq!((stretch.accelerate(&mut samples, false), stretch.slow(&mut samples, 400)), (0, 0));
    let mut silence = vec![0; format.millis(60)];
    assert!(stretch.accelerate(&mut silence, false) > 0 && stretch.slow(&mut silence, 300) > 0);
    let mut short = tone(format, 200.0, 29);
    assert_eq!(stretch.accelerate(&mut short, true), 0);
    let mut ends = tone(format, 200.0, 60);
    for played in [0, 100, format.millis(50), format.millis(60), usize::MAX / 4] {
        assert_eq!(stretch.slow(&mut ends, played), 0);
    }
}

#[test]
fn a_gap_in_a_tone_goes_on_fades_and_comes_back_without_clicks() {
    for (rate, channels) in FORMATS {
        let format = format(rate, channels);
        let whole = tone(format, 150.0, 400);
        let piece = |from: u32, to: u32| {
            whole[format.millis(from) * format.channels..format.millis(to) * format.channels].to_vec()
        };
        let limit = steepest(&whole, format.channels) * 3 / 2 + 100;
        let mut samples = piece(0, 100);
        let mut concealment = Concealment::new(format);
        concealment.conceal(&mut samples, format.millis(10));
        concealment.conceal(&mut samples, format.millis(10));
        // At first it is what would have come.
        let made = &samples[format.millis(100) * format.channels..];
        let real = piece(100, 120);
        let error: i64 = made.iter().zip(&real).map(|(a, b)| i64::from(*a - *b).pow(2)).sum();
        let energy: i64 = real.iter().map(|a| i64::from(*a).pow(2)).sum();
        assert!(error * 10 < energy, "{rate}: {error} of {energy}");
        let mut decoded = piece(120, 140);
        concealment.recover(&mut decoded);
        samples.extend(decoded);
        assert!(
            steepest(&samples, format.channels) <= limit,
            "{rate}: {} > {limit}",
            steepest(&samples, format.channels)
        );
        // A long one fades, and falls silent.
        let from = samples.len();
        concealment.conceal(&mut samples, format.millis(500));
        let loudest = |from_ms, to_ms| {
            let range = from + format.millis(from_ms) * format.channels..from + format.millis(to_ms) * format.channels;
            samples[range].iter().map(|sample| sample.unsigned_abs()).max().unwrap()
        };
        assert!(loudest(0, 15) > 9 * loudest(200, 215) && loudest(200, 215) > loudest(0, 15) / 14);
        assert!(concealment.is_silent());
        assert!(samples[samples.len() - 20..].iter().all(|sample| *sample == 0));
    }
}

#[test]
fn what_has_no_period_is_not_given_one() {
    let format = format(16_000, 1);
    let mut samples = noise(format, 60);
    let mut concealment = Concealment::new(format);
    let from = samples.len();
    concealment.conceal(&mut samples, format.millis(60));
    let made = &samples[from..];
    // Not like itself a lag on, as a buzz would be.
    let worst = (format.min_lag()..=format.max_lag()).map(|lag| likeness(&made[..2 * format.max_lag()], lag));
    assert!(worst.fold(0.0f32, f32::max) < 0.5);
    assert!(made.iter().any(|sample| *sample != 0));
}

#[test]
fn without_a_past_there_is_silence() {
    let mut samples = vec![5; 10];
    let mut concealment = Concealment::new(format(8_000, 1));
    concealment.recover(&mut samples);
    assert_eq!(samples, [5; 10]);
    concealment.conceal(&mut samples, 80);
    assert!(samples[10..].iter().all(|sample| *sample == 0) && samples.len() == 90);
}

#[test]
fn steady_use_allocates_nothing_and_its_gain_is_told() {
    let format = format(48_000, 2);
    let (mut stretch, mut concealment) = (Stretch::new(format), Concealment::new(format));
    let mut samples = Vec::with_capacity(100_000);
    let source = tone(format, 150.0, 60);
    let mut run = || {
        samples.clear();
        samples.extend_from_slice(&source);
        let fewer = stretch.accelerate(&mut samples, false);
        let more = stretch.slow(&mut samples, format.millis(20));
        concealment.conceal(&mut samples, 960);
        concealment.recover(&mut samples);
        (fewer, more)
    };
    let (fewer, more) = run();
    println!("48 kHz, 150 Hz: {fewer} instants fewer, {more} more at a time");
    let info = allocation_counter::measure(|| {
        run();
    });
    assert_eq!(info.count_total, 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_samples_are_stretched_and_made_up_without_harm(
        seed: u64, len in 0usize..4_000, loud in any::<bool>(), (rate, channels) in prop::sample::select(FORMATS.to_vec()),
    ) {
        let format = format(rate, channels);
        let mut rng = Rng::from_u64(seed);
        let mut samples: Vec<i16> = (0..len / format.channels * format.channels)
            .map(|_| if loud { if rng.u32() & 1 == 0 { i16::MIN } else { i16::MAX } } else { rng.u32() as i16 })
            .collect();
        let before = samples.len();
        let fewer = Stretch::new(format).accelerate(&mut samples, true);
        prop_assert_eq!(samples.len() + fewer * format.channels, before);
        let played = rng.below(4_000) as usize;
        let more = Stretch::new(format).slow(&mut samples, played);
        prop_assert_eq!(samples.len() + fewer * format.channels, before + more * format.channels);
        let mut concealment = Concealment::new(format);
        concealment.conceal(&mut samples, 333);
        let mut decoded = vec![i16::MAX; 7 * format.channels];
        concealment.recover(&mut decoded);
    }
}
