//! Sound through libopus: a tone keeps its pitch, lost packets are made up for, the settings do what they say.
#![cfg(feature = "codecs")]

use std::time::Duration;

use peerage_codecs::audio::{Channels, samples_in};
use peerage_codecs::encoded::opus_duration;
use peerage_codecs::opus::decoder::Decoder;
use peerage_codecs::opus::encoder::{Config, Content, Encoder};
use peerage_codecs::tone::{Tone, frequency, power};

const FRAME: Duration = Duration::from_millis(20);

fn config(channels: Channels, frame: Duration) -> Config {
    let mut config = Config::default();
    (config.channels, config.frame) = (channels, frame);
    config
}

/// Packets of a tone.
fn packets(config: &Config, hertz: f64, count: usize) -> Vec<Vec<u8>> {
    let mut encoder = Encoder::new(config).unwrap();
    let mut tone = Tone::new(hertz, 0.4);
    let mut samples = vec![0; encoder.samples()];
    let mut packet = vec![];
    let coded = (0..count).map(|_| {
        tone.fill(config.channels, &mut samples);
        encoder.encode(&samples, &mut packet).unwrap();
        packet.clone()
    });
    coded.collect()
}

/// Something with the structure of a voice: a pulse of 110 Hz through two resonances, so that the speech coder is used.
fn voice(samples: usize) -> Vec<i16> {
    let mut out = Vec::with_capacity(samples);
    let mut states = [[0.0f64; 2]; 2];
    for index in 0..samples {
        let mut value = if index % 436 < 4 { 3_000.0 } else { 0.0 };
        for (state, (hertz, sharpness)) in states.iter_mut().zip([(600.0, 0.985), (1_700.0, 0.975)]) {
            let coefficient = 2.0 * sharpness * (std::f64::consts::TAU * hertz / 48_000.0f64).cos();
            let next = value + coefficient * state[0] - sharpness * sharpness * state[1];
            *state = [next, state[0]];
            value = next * 0.3;
        }
        out.push(value.clamp(-30_000.0, 30_000.0) as i16);
    }
    out
}

#[test]
fn a_tone_keeps_its_pitch_in_every_shape() {
    for channels in [Channels::Mono, Channels::Stereo] {
        for frame in [FRAME / 2, FRAME] {
            for content in [Content::Speech, Content::Music] {
                let mut config = config(channels, frame);
                config.content = content;
                let mut decoder = Decoder::new(Channels::Mono).unwrap();
                let (mut samples, mut heard) = (vec![], vec![]);
                for packet in packets(&config, 440.0, 40) {
                    assert_eq!(opus_duration(&packet), Some(frame));
                    decoder.decode(&packet, &mut samples).unwrap();
                    assert_eq!(samples.len(), samples_in(frame));
                    heard.extend_from_slice(&samples);
                }
                let found = frequency(&heard[heard.len() / 2..]).unwrap();
                assert!((found / 440.0 - 1.0).abs() < 0.01, "{channels:?} {frame:?} {content:?}: {found} Hz");
            }
        }
    }
}

#[test]
fn left_and_right_stay_apart() {
    let config = config(Channels::Stereo, FRAME);
    let mut encoder = Encoder::new(&config).unwrap();
    encoder.set_bitrate(128_000).unwrap();
    let (mut left, mut right) = (Tone::new(500.0, 0.3), Tone::new(1_200.0, 0.3));
    let mut decoder = Decoder::new(Channels::Stereo).unwrap();
    let (mut packet, mut samples, mut heard) = (vec![], vec![], [vec![], vec![]]);
    for _ in 0..30 {
        let (mut one, mut other) = ([0; 960], [0; 960]);
        left.fill(Channels::Mono, &mut one);
        right.fill(Channels::Mono, &mut other);
        let both: Vec<i16> = one.into_iter().zip(other).flat_map(|(left, right)| [left, right]).collect();
        encoder.encode(&both, &mut packet).unwrap();
        decoder.decode(&packet, &mut samples).unwrap();
        for pair in samples.chunks_exact(2) {
            heard[0].push(pair[0]);
            heard[1].push(pair[1]);
        }
    }
    let [left, right] = heard.map(|side| side[9_600..].to_vec());
    assert!(power(&left, 500.0) > 0.05 && power(&left, 1_200.0) < 0.005);
    assert!(power(&right, 1_200.0) > 0.05 && power(&right, 500.0) < 0.005);
}

#[test]
fn a_lost_packet_is_concealed_by_going_on() {
    let packets = packets(&config(Channels::Mono, FRAME), 440.0, 40);
    let mut decoder = Decoder::new(Channels::Mono).unwrap();
    let mut samples = vec![];
    for packet in &packets[..30] {
        decoder.decode(packet, &mut samples).unwrap();
    }
    decoder.conceal(FRAME, &mut samples).unwrap();
    assert_eq!(samples.len(), 960);
    let found = frequency(&samples).unwrap();
    // A frame is short: 50 Hz is its resolution.
    assert!((found / 440.0 - 1.0).abs() < 0.03, "{found} Hz");
    assert!(power(&samples, 440.0) > 0.02, "{}", power(&samples, 440.0));
    // Long after the last packet there is silence rather than a stuck note.
    for _ in 0..50 {
        decoder.conceal(FRAME, &mut samples).unwrap();
    }
    assert!(samples.iter().all(|sample| sample.unsigned_abs() < 300));
}

#[test]
fn the_copy_in_the_next_packet_is_nearer_to_the_lost_one_than_concealment() {
    let speech = voice(960 * 60);
    let mut settings = config(Channels::Mono, FRAME);
    (settings.bitrate, settings.expected_loss) = (24_000, 30);
    let mut encoder = Encoder::new(&settings).unwrap();
    let mut packet = vec![];
    // A word every fifth of a second, so that what comes is not what was.
    let packets: Vec<Vec<u8>> = speech
        .chunks_exact(960)
        .enumerate()
        .map(|(index, frame)| {
            let loud = if index % 10 < 5 { 1 } else { 8 };
            let frame: Vec<i16> = frame.iter().map(|sample| sample / loud).collect();
            encoder.encode(&frame, &mut packet).unwrap();
            packet.clone()
        })
        .collect();
    let energy = |samples: &[i16]| samples.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>();
    let (mut recovered, mut concealed) = (0.0, 0.0);
    for lost in (20..55).filter(|index| index % 10 == 0) {
        let decode_to = |index: usize| {
            let mut decoder = Decoder::new(Channels::Mono).unwrap();
            let mut samples = vec![];
            packets[..index].iter().for_each(|packet| decoder.decode(packet, &mut samples).unwrap());
            (decoder, samples)
        };
        let (_, truth) = decode_to(lost + 1);
        let error = |samples: &[i16]| (energy(samples).sqrt() / energy(&truth).sqrt() - 1.0).abs();
        let (mut decoder, mut samples) = decode_to(lost);
        decoder.recover(&packets[lost + 1], FRAME, &mut samples).unwrap();
        assert_eq!(samples.len(), 960);
        recovered += error(&samples);
        decoder.decode(&packets[lost + 1], &mut samples).unwrap();
        let (mut decoder, mut samples) = decode_to(lost);
        decoder.conceal(FRAME, &mut samples).unwrap();
        concealed += error(&samples);
    }
    assert!(recovered < concealed / 2.0, "with the copy {recovered}, without {concealed}");
}

#[test]
fn silence_costs_nothing_with_dtx_and_the_rate_is_kept() {
    let mut settings = config(Channels::Mono, FRAME);
    settings.dtx = true;
    let mut encoder = Encoder::new(&settings).unwrap();
    let mut packet = vec![];
    let lengths: Vec<usize> = (0..50)
        .map(|_| {
            encoder.encode(&[0; 960], &mut packet).unwrap();
            packet.len()
        })
        .collect();
    assert!(lengths[30..].iter().filter(|&&length| length <= 2).count() > 15, "{lengths:?}");
    for bitrate in [16_000, 96_000] {
        let mut settings = config(Channels::Mono, FRAME);
        (settings.bitrate, settings.content) = (bitrate, Content::Music);
        let mut encoder = Encoder::new(&settings).unwrap();
        let sum: usize = voice(48_000 * 2)
            .chunks_exact(960)
            .map(|frame| {
                encoder.encode(frame, &mut packet).unwrap();
                packet.len()
            })
            .sum();
        let given = sum as f64 * 8.0 / 2.0;
        assert!((given / f64::from(bitrate) - 1.0).abs() < 0.3, "{bitrate} wanted, {given} given");
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    let refused = |change: &dyn Fn(&mut Config)| {
        let mut settings = Config::default();
        change(&mut settings);
        Encoder::new(&settings).unwrap_err().to_string()
    };
    assert!(refused(&|settings| settings.frame = FRAME * 2).contains("use 10 or 20 ms"));
    assert!(refused(&|settings| settings.bitrate = 5_999).contains("6000 to 510000"));
    assert!(refused(&|settings| settings.expected_loss = 101).contains("at most 100"));
    let mut encoder = Encoder::new(&Config::default()).unwrap();
    assert!(encoder.encode(&[0; 959], &mut vec![]).unwrap_err().to_string().contains("has 960"));
    let mut decoder = Decoder::new(Channels::Stereo).unwrap();
    let mut samples = vec![];
    assert!(decoder.decode(&[], &mut samples).is_err());
    assert!(decoder.conceal(Duration::from_millis(7), &mut samples).is_err());
    assert!(decoder.conceal(Duration::from_millis(200), &mut samples).is_err());
    assert!(decoder.conceal(Duration::ZERO, &mut samples).is_err());
    // Whatever arrives, it ends, with at most 120 ms.
    let mut state = 3u32;
    for length in 0..200 {
        let bytes: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .take(length)
        .collect();
        let _ = decoder.decode(&bytes, &mut samples);
        let _ = decoder.recover(&bytes, FRAME, &mut samples);
        assert!(samples.len() <= 2 * 5_760);
    }
}
