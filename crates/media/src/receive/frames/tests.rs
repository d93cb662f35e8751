//! Pictures of packets in any order.

use super::*;
use alloc::vec;
use peerage_base::time::Duration;
use peerage_rtp::payload::codec::Codec;
use peerage_rtp::payload::depacketizer::Limits;
use proptest::prelude::*;

const BOUNDS: Bounds = Bounds { places: 1_024, bytes: 1 << 20 };

fn part(codec: Codec, timestamp: u32, payload: &[u8], marker: bool) -> Part {
    Part {
        timestamp: Timestamp(timestamp),
        info: (!payload.is_empty()).then(|| depacketizer(codec).inspect(payload, marker).unwrap()),
        dependency: None,
        arrived: Instant::from_millis(timestamp.into()),
        origin: Origin::Sent,
    }
}

fn depacketizer(codec: Codec) -> Depacketizer {
    Depacketizer::new(codec, Limits::default())
}

/// A VP8 payload: start of frame or not, key frame or not.
fn vp8(starts: bool, key: bool, body: u8) -> Vec<u8> {
    if starts { vec![0x10, u8::from(!key), 0, 0, 0x9d, 1, 0x2a, 64, 0, 48, 0, body] } else { vec![0, body] }
}

fn put(frames: &mut Frames, index: u64, timestamp: u32, payload: &[u8], marker: bool) {
    assert_eq!(frames.insert(index, part(Codec::Vp8, timestamp, payload, marker), payload), Insertion::New);
}

fn complete(frames: &Frames) -> Vec<(u64, u64, bool)> {
    frames.pictures().map(|picture| (picture.first, picture.last, picture.is_key)).collect()
}

#[test]
fn a_picture_is_complete_once_all_its_packets_are_there() {
    let mut frames = Frames::new(BOUNDS);
    put(&mut frames, 102, 1, &vp8(false, false, 3), true);
    put(&mut frames, 100, 1, &vp8(true, true, 1), false);
    assert_eq!(complete(&frames), []);
    put(&mut frames, 103, 2, &vp8(true, false, 4), true);
    put(&mut frames, 101, 1, &vp8(false, false, 2), false);
    assert_eq!(complete(&frames), [(100, 102, true), (103, 103, false)]);
    let mut out = vec![9];
    let picture = frames.take(&depacketizer(Codec::Vp8), &mut out).unwrap();
    assert_eq!((picture.bytes, picture.was_repaired, &out[12..]), (12 + 2 + 2, false, &[2, 3][..]));
    assert_eq!((frames.len(), frames.first()), (1, 103));
    assert!(frames.is_next(frames.pictures().next().unwrap()));
}

#[test]
fn a_missing_marker_is_made_up_for_by_the_next_timestamp() {
    for order in [[100, 101, 102], [102, 101, 100], [101, 102, 100]] {
        let mut frames = Frames::new(BOUNDS);
        for index in order {
            let (timestamp, starts) = [(1, true), (1, false), (2, true)][index as usize - 100];
            put(&mut frames, index, timestamp, &vp8(starts, index == 100, 1), false);
        }
        assert_eq!(complete(&frames), [(100, 101, true)], "{order:?}");
    }
}

#[test]
fn padding_within_and_between_pictures_is_passed_over() {
    for order in [[100, 101, 102, 103, 104, 105], [105, 104, 103, 102, 101, 100], [103, 101, 100, 105, 102, 104]] {
        let mut frames = Frames::new(BOUNDS);
        for index in order {
            let (timestamp, payload, marker) = match index {
                100 => (1, vp8(true, true, 1), false),
                102 => (1, vp8(false, false, 2), true),
                105 => (2, vp8(true, false, 3), true),
                _ => (1, vec![], false),
            };
            put(&mut frames, index, timestamp, &payload, marker);
        }
        assert_eq!(complete(&frames), [(100, 102, true), (105, 105, false)], "{order:?}");
        let mut out = Vec::new();
        frames.take(&depacketizer(Codec::Vp8), &mut out).unwrap();
        assert!(out.ends_with(&[1, 2]));
        assert!(frames.is_next(frames.pictures().next().unwrap()));
    }
}

#[test]
fn where_the_format_does_not_say_a_picture_begins_behind_the_end_of_another() {
    let (idr, slice) = ([0x65, 0x80, 1], [0x41, 0x80, 1]);
    let mut frames = Frames::new(BOUNDS);
    let put = |frames: &mut Frames, index, timestamp, payload: &[u8], marker| {
        frames.insert(index, part(Codec::H264, timestamp, payload, marker), payload);
    };
    put(&mut frames, 10, 1, &idr, true);
    assert_eq!(complete(&frames), [(10, 10, true)]);
    put(&mut frames, 12, 2, &slice, true);
    put(&mut frames, 14, 3, &idr, true);
    assert_eq!(complete(&frames).len(), 1, "what comes before may belong to it");
    put(&mut frames, 11, 2, &slice, false);
    assert_eq!(complete(&frames), [(10, 10, true), (11, 12, false)]);
    frames.give_up(13);
    assert_eq!(complete(&frames), [(10, 10, true), (11, 12, false), (14, 14, true)]);
}

#[test]
fn what_is_dropped_frees_the_way_for_what_follows() {
    let slice = [0x41, 0x80, 1];
    let mut frames = Frames::new(BOUNDS);
    frames.insert(10, part(Codec::H264, 1, &slice, true), &slice);
    assert_eq!(complete(&frames), []);
    frames.drop_before(10);
    assert_eq!(complete(&frames), [(10, 10, false)]);
    frames.clear();
    assert!(frames.is_empty() && frames.take(&depacketizer(Codec::H264), &mut Vec::new()).is_err());
}

#[test]
fn layers_of_a_picture_stay_together() {
    // Flexible VP9 with layers: I, L, F, B, E set; spatial layers 0 and 1 in one picture.
    let base = [0x80 | 0x20 | 0x10 | 0x08 | 0x04, 0x05, 0, 7];
    let upper = [0x80 | 0x20 | 0x10 | 0x08 | 0x04, 0x05, 0x03, 8];
    for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2]] {
        let mut frames = Frames::new(BOUNDS);
        for n in order {
            let (timestamp, payload, marker) = [(1, base, false), (1, upper, true), (2, base, false)][n];
            frames.insert(50 + n as u64, part(Codec::Vp9, timestamp, &payload, marker), &payload);
        }
        assert_eq!(complete(&frames), [(50, 51, true)], "{order:?}");
        let mut out = Vec::new();
        frames.take(&depacketizer(Codec::Vp9), &mut out).unwrap();
        assert_eq!(out, [7, 8]);
    }
}

proptest! {
    #[test]
    fn every_order_gives_the_same_pictures(sizes in prop::collection::vec(1usize..6, 1..20), seed: u64, start in 65_500u64..70_000) {
        let mut packets = Vec::new();
        for (n, size) in sizes.iter().enumerate() {
            for at in 0..*size {
                packets.push((n as u32, vp8(at == 0, n == 0, at as u8), at + 1 == *size));
            }
        }
        let mut order: Vec<usize> = (0..packets.len()).collect();
        let mut rng = peerage_base::rng::Rng::from_u64(seed);
        for n in (1..order.len()).rev() {
            order.swap(n, rng.below(n as u64 + 1) as usize);
        }
        let mut frames = Frames::new(BOUNDS);
        for n in order {
            let (timestamp, payload, marker) = &packets[n];
            put(&mut frames, start + n as u64, *timestamp, payload, *marker);
        }
        let told: Vec<usize> = frames.pictures().map(|p| (p.last - p.first + 1) as usize).collect();
        prop_assert_eq!(told, sizes);
    }

    #[test]
    fn noise_makes_no_harm_and_stays_bounded(
        packets in prop::collection::vec((70_000u64..71_500, 0u32..5, prop::collection::vec(any::<u8>(), 0..12), any::<bool>()), 1..300),
        codec in prop::sample::select(vec![Codec::Vp8, Codec::Vp9, Codec::H264, Codec::H265, Codec::Av1]),
    ) {
        let mut frames = Frames::new(BOUNDS);
        let mut out = Vec::new();
        for (n, (index, timestamp, payload, marker)) in packets.into_iter().enumerate() {
            let Ok(info) = depacketizer(codec).inspect(&payload, marker) else { continue };
            let part = Part {
                timestamp: Timestamp(timestamp), info: Some(info), dependency: None,
                arrived: Instant::ORIGIN + Duration::from_millis(n as u64), origin: Origin::Sent,
            };
            frames.insert(index, part, &payload);
            match index % 50 {
                0 => frames.drop_before(index),
                1 => frames.give_up(index),
                2 => { let _ = frames.take(&depacketizer(codec), &mut out); }
                _ => {}
            }
            prop_assert!(frames.pictures().count() <= frames.len());
            prop_assert!(frames.pictures().map(|p| p.last).is_sorted());
            prop_assert!(frames.pictures().zip(frames.pictures().skip(1)).all(|(a, b)| a.last < b.first));
        }
    }
}
