//! Video through real codecs: the test picture is recognised, the rate is kept, damage is noticed.
#![cfg(feature = "codecs")]

use std::time::Duration;

use peerage_codecs::encoded::{EncodedVideo, VideoCodec};
use peerage_codecs::pattern::{self, Number};
use peerage_codecs::picture::Picture;
use peerage_codecs::quality::{psnr, ssim};
use peerage_codecs::video::{Config, Decoder, Encoder};

const CODECS: [VideoCodec; 3] = [VideoCodec::Vp8, VideoCodec::Vp9, VideoCodec::H264];

fn number(frame: u32) -> Number {
    // Thirty a second, as whole milliseconds.
    Number { frame, made: Duration::from_millis(u64::from(frame) * 100 / 3) }
}

fn drawn(frame: u32, width: u32, height: u32) -> Picture {
    let mut picture = Picture::new(width, height).unwrap();
    pattern::draw(number(frame), &mut picture).unwrap();
    picture
}

fn config(bitrate: u32) -> Config {
    let mut config = Config::default();
    config.bitrate = bitrate;
    config
}

/// Encodes frames from `from` on; the frames that were not left out.
fn encode(encoder: &mut Encoder, frames: std::ops::Range<u32>, width: u32, height: u32) -> Vec<(u32, EncodedVideo)> {
    let coded = frames.map(|frame| (frame, encoder.encode(&drawn(frame, width, height), false).unwrap()));
    coded.filter_map(|(frame, coded)| Some((frame, coded?))).collect()
}

fn rate(frames: &[(u32, EncodedVideo)], seconds: f64) -> f64 {
    frames.iter().map(|(_, frame)| frame.data.len() * 8).sum::<usize>() as f64 / seconds
}

#[test]
fn the_picture_is_recognised_after_a_megabit() {
    for codec in CODECS {
        let mut encoder = Encoder::new(codec, config(1_000_000)).unwrap();
        let mut decoder = Decoder::new(codec).unwrap();
        let mut picture = Picture::default();
        let coded = encode(&mut encoder, 0..45, 640, 360);
        assert!(coded.len() >= 40, "{codec}: {} of 45 frames", coded.len());
        assert!(coded[0].1.key && coded[1..].iter().all(|(_, frame)| !frame.key), "{codec}");
        for (frame, coded) in coded {
            assert!(decoder.decode(&coded.data, coded.timestamp, &mut picture).unwrap());
            assert_eq!(pattern::read(&picture), Some(number(frame)), "{codec}, frame {frame}");
            assert_eq!(picture.timestamp, number(frame).made);
            let original = drawn(frame, 640, 360);
            let (noise, likeness) = (psnr(&original, &picture).unwrap(), ssim(&original, &picture).unwrap());
            assert!(noise > 30.0 && likeness > 0.9, "{codec}, frame {frame}: {noise} dB, {likeness}");
        }
    }
}

#[test]
fn the_number_survives_a_tenth_of_a_megabit() {
    for codec in CODECS {
        let mut encoder = Encoder::new(codec, config(100_000)).unwrap();
        let mut decoder = Decoder::new(codec).unwrap();
        let mut picture = Picture::default();
        let coded = encode(&mut encoder, 0..90, 640, 360);
        assert!(coded.len() >= 15, "{codec}: {} of 90 frames", coded.len());
        let given = rate(&coded[1..], 3.0);
        assert!(given < 130_000.0, "{codec}: {given} bit/s");
        for (frame, coded) in coded {
            assert!(decoder.decode(&coded.data, coded.timestamp, &mut picture).unwrap());
            assert_eq!(pattern::read(&picture), Some(number(frame)), "{codec}, frame {frame}");
        }
    }
}

/// A picture in which every pixel changes, so that any rate can be filled.
fn noise(frame: u32) -> Picture {
    let mut picture = drawn(frame, 320, 180);
    let [luma, ..] = picture.planes_mut();
    let mut state = frame.wrapping_mul(2_654_435_761) | 1;
    for y in luma.data {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *y = y.saturating_add((state >> 27) as u8);
    }
    picture
}

#[test]
fn the_rate_of_a_running_encoder_is_changed_without_a_key_frame() {
    for codec in CODECS {
        let mut encoder = Encoder::new(codec, config(900_000)).unwrap();
        let mut frame = 0;
        let mut seconds = |encoder: &mut Encoder, seconds: u32| {
            let (mut bits, mut keys) = (0, 0);
            for _ in 0..seconds * 30 {
                if let Some(coded) = encoder.encode(&noise(frame), false).unwrap() {
                    bits += coded.data.len() * 8;
                    keys += u32::from(coded.key);
                }
                frame += 1;
            }
            (bits as f64 / f64::from(seconds), keys)
        };
        seconds(&mut encoder, 2);
        for target in [400_000, 900_000, 1_300_000, 600_000] {
            encoder.set_bitrate(target).unwrap();
            seconds(&mut encoder, 1);
            let (given, keys) = seconds(&mut encoder, 3);
            assert!((given / f64::from(target) - 1.0).abs() < 0.15, "{codec}: {target} wanted, {given} given");
            assert_eq!(keys, 0, "{codec}");
        }
        // Very far away it takes a key frame, and keeps that rate too.
        encoder.set_bitrate(100_000).unwrap();
        let (_, keys) = seconds(&mut encoder, 2);
        assert_eq!(keys, 1, "{codec}");
        let (given, _) = seconds(&mut encoder, 3);
        assert!(given < 125_000.0, "{codec}: {given}");
    }
}

#[test]
fn key_frames_come_when_asked_for_when_due_and_with_a_new_size() {
    for codec in CODECS {
        let mut encoder = Encoder::new(codec, config(500_000)).unwrap();
        let mut keys = vec![];
        for frame in 0..12 {
            let (width, height) = if frame < 9 { (320, 180) } else { (160, 90) };
            let coded = encoder.encode(&drawn(frame, width, height), frame == 5).unwrap();
            if coded.is_some_and(|coded| coded.key) {
                keys.push(frame);
            }
        }
        assert_eq!(keys, [0, 5, 9], "{codec}");
        let mut settings = config(500_000);
        settings.key_interval = Some(4);
        settings.drop_frames = false;
        let mut encoder = Encoder::new(codec, settings).unwrap();
        let coded = encode(&mut encoder, 0..12, 320, 180);
        let keys: Vec<u32> = coded.iter().filter(|(_, coded)| coded.key).map(|&(frame, _)| frame).collect();
        assert_eq!(keys, [0, 4, 8], "{codec}");
    }
}

#[test]
fn higher_temporal_layers_can_be_left_out() {
    for codec in [VideoCodec::Vp8, VideoCodec::Vp9] {
        for layers in [2, 3] {
            let mut settings = config(800_000);
            (settings.temporal_layers, settings.drop_frames) = (layers, false);
            let mut encoder = Encoder::new(codec, settings).unwrap();
            let coded = encode(&mut encoder, 0..24, 320, 180);
            for highest in 0..layers {
                let mut decoder = Decoder::new(codec).unwrap();
                let mut picture = Picture::default();
                let mut seen = 0;
                for (frame, coded) in coded.iter().filter(|(_, coded)| coded.temporal_layer <= highest) {
                    assert!(decoder.decode(&coded.data, coded.timestamp, &mut picture).unwrap());
                    assert_eq!(pattern::read(&picture), Some(number(*frame)), "{codec}, {highest} of {layers}");
                    let noise = psnr(&drawn(*frame, 320, 180), &picture).unwrap();
                    assert!(noise > 30.0, "{codec}, {highest} of {layers}, frame {frame}: {noise} dB");
                    seen += 1;
                }
                assert_eq!(seen, 24 >> (layers - 1 - highest), "{codec}, {highest} of {layers}");
            }
        }
    }
    let mut settings = config(800_000);
    settings.temporal_layers = 2;
    assert!(Encoder::new(VideoCodec::H264, settings).unwrap_err().to_string().contains("temporal layers"));
}

#[test]
fn a_frame_that_lacks_its_key_frame_is_refused_and_the_next_key_frame_heals() {
    for codec in CODECS {
        let mut encoder = Encoder::new(codec, config(500_000)).unwrap();
        let coded: Vec<EncodedVideo> =
            (0..8).map(|frame| encoder.encode(&drawn(frame, 320, 180), frame == 4).unwrap().unwrap()).collect();
        let mut decoder = Decoder::new(codec).unwrap();
        let mut picture = Picture::default();
        let mut decode = |frame: &[u8]| decoder.decode(frame, Duration::ZERO, &mut picture);
        assert!(decode(&coded[1].data).unwrap_err().to_string().contains("key frame before it is missing"), "{codec}");
        assert!(decode(&coded[0].data).unwrap());
        assert!(decode(&[]).is_err(), "{codec}");
        assert!(decode(&coded[2].data).is_err(), "{codec}: nothing to refer to any more");
        assert!(decode(&coded[4].data).unwrap());
        assert!(decode(&coded[5].data).unwrap());
    }
}

#[test]
fn damaged_frames_do_no_harm() {
    for codec in CODECS {
        let mut encoder = Encoder::new(codec, config(300_000)).unwrap();
        let coded = encode(&mut encoder, 0..6, 160, 90);
        let mut decoder = Decoder::new(codec).unwrap();
        let mut picture = Picture::default();
        let mut decode = |frame: &[u8]| drop(decoder.decode(frame, Duration::ZERO, &mut picture));
        let mut state = 7u32;
        for round in 0..60 {
            for (_, frame) in &coded {
                let mut bytes = frame.data.clone();
                for _ in 0..=round % 5 {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    let at = state as usize / 3 % bytes.len();
                    bytes[at] ^= (state >> 24) as u8;
                }
                let length = if round % 7 == 0 { state as usize / 5 % bytes.len() } else { bytes.len() };
                decode(&bytes[..length]);
            }
        }
        let (_, key) = &coded[0];
        for length in 0..key.data.len().min(200) {
            decode(&key.data[..length]);
        }
        let mut picture = Picture::default();
        assert!(decoder.decode(&key.data, Duration::ZERO, &mut picture).unwrap(), "{codec} goes on");
        assert_eq!(pattern::read(&picture), Some(number(0)), "{codec}");
    }
}
