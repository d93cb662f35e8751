//! Frames of every format, cut at every size and put together again.

use alloc::vec;
use alloc::vec::Vec;

use super::budget::{Budget, Mark, Position};
use super::codec::Codec;
use super::depacketizer::{Depacketizer, Limits};
use super::format::Format;
use super::h264::packetizer::Mode;
use super::info::{Dimensions, PictureId, Start};
use super::misuse::Misuse;
use super::nal::units::{Framing, LengthSize};
use super::packetizer::Packetizer;
use super::vp9::descriptor::Layer;
use super::vp9::structure::{Layers, Structure};
use super::{av1, vp8, vp9};
use peerage_base::reader::Reader;
use peerage_base::rng::Rng;
use proptest::prelude::*;

type Payloads = Vec<(Vec<u8>, bool, Position)>;

fn cut(frame: &[u8], format: &Format<'_>, budget: &Budget) -> Result<Payloads, Misuse> {
    let mut packetizer = Packetizer::new(frame, format, budget)?;
    let mut out = Vec::new();
    let count = packetizer.remaining();
    let mut marks = Vec::new();
    while let Some(position) = packetizer.position() {
        marks.push(packetizer.mark());
        let mut room = vec![0; budget.at(position)];
        let piece = packetizer.write(&mut room).expect("room");
        room.truncate(piece.len);
        assert_eq!((piece.position, position), (position, Position::of(out.len(), count)));
        out.push((room, piece.marker, position));
    }
    assert!(packetizer.write(&mut [0; 2000]).is_none() && out.len() == count);
    again(&mut packetizer, &marks, &out);
    Ok(out)
}

/// Every payload comes out the same when it is written again: the last first, and from the middle on to the end.
fn again(packetizer: &mut Packetizer<&[u8]>, marks: &[Mark], payloads: &Payloads) {
    let middle = marks.len() / 2;
    let order = (0..marks.len()).rev().map(|n| (n, 1)).chain([(middle, marks.len() - middle)]);
    for (from, count) in order {
        packetizer.rewind(marks[from]);
        for (payload, marker, position) in &payloads[from..from + count] {
            assert_eq!(packetizer.position(), Some(*position));
            let mut room = vec![0; 20_000];
            let piece = packetizer.write(&mut room).expect("it was written before");
            assert_eq!((&room[..piece.len], piece.marker), (&payload[..], *marker));
        }
        assert_eq!(packetizer.remaining(), marks.len() - from - count);
    }
}

fn join(codec: Codec, payloads: &Payloads) -> Vec<u8> {
    let mut out = Vec::new();
    let parts = payloads.iter().map(|(payload, ..)| &payload[..]);
    Depacketizer::new(codec, Limits::default()).assemble(parts, &mut out).unwrap();
    out
}

fn noise(rng: &mut Rng, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    rng.fill(&mut bytes);
    bytes
}

/// NAL units without start codes in them.
fn units(rng: &mut Rng, lens: &[usize], header: &[u8]) -> Vec<Vec<u8>> {
    let unit = |len: &usize| {
        // The top bit says that a slice is the first of its picture.
        let body = noise(rng, *len).into_iter().map(|byte| byte | 0x81);
        header.iter().copied().chain(body).collect()
    };
    lens.iter().map(unit).collect()
}

fn annex_b(units: &[Vec<u8>]) -> Vec<u8> {
    units.iter().flat_map(|unit| [&[0, 0, 0, 1], &unit[..]].concat()).collect()
}

fn obus(rng: &mut Rng, lens: &[usize]) -> Vec<u8> {
    let mut out = vec![0x12, 0];
    for (n, len) in lens.iter().enumerate() {
        let mut size = [0; 8];
        let digits = av1::leb128::write(*len, &mut size).unwrap();
        out.extend(if n % 2 == 0 { &[0x32][..] } else { &[0x36, 0x28] });
        out.extend(&size[..digits]);
        out.extend(noise(rng, *len));
    }
    out
}

/// A frame of each kind of video that comes back byte for byte.
fn frames(rng: &mut Rng, lens: &[usize]) -> Vec<(Codec, Vec<u8>)> {
    vec![
        (Codec::Vp8, noise(rng, lens.iter().sum::<usize>().max(1))),
        (Codec::Vp9, noise(rng, lens.iter().sum::<usize>().max(1))),
        (Codec::H264, annex_b(&units(rng, lens, &[0x65]))),
        (Codec::H265, annex_b(&units(rng, lens, &[0x26, 0x01]))),
        (Codec::Av1, obus(rng, lens)),
    ]
}

fn round(codec: Codec, frame: &[u8], budget: &Budget) -> Option<Payloads> {
    let payloads = match cut(frame, &Format::plain(codec), budget) {
        Ok(payloads) => payloads,
        Err(error) => {
            assert_eq!(error, Misuse::NoRoom);
            return None;
        }
    };
    assert!(join(codec, &payloads) == frame, "{codec:?} {budget:?}");
    let depacketizer = Depacketizer::new(codec, Limits::default());
    for (payload, marker, position) in &payloads {
        assert_eq!(*marker, position.is_last());
        let info = depacketizer.inspect(payload, *marker).unwrap();
        assert_eq!(info.end_of_picture, position.is_last());
        assert!(info.start != Start::No || !position.is_first(), "{codec:?}");
        assert!(info.start != Start::Yes || position.is_first(), "{codec:?}");
    }
    Some(payloads)
}

#[test]
fn frames_come_back_at_every_budget_from_tiny_to_huge() {
    let mut rng = Rng::from_u64(1);
    for lens in [&[1usize][..], &[2], &[50], &[300], &[5, 9, 200], &[1, 1, 1, 1, 1, 1], &[40, 1, 3, 7, 120, 2]] {
        for (codec, frame) in frames(&mut rng, lens) {
            let fitting = (1..400).filter(|max| round(codec, &frame, &Budget::uniform(*max)).is_some()).count();
            assert!(fitting >= 395, "{codec:?} {fitting}");
        }
    }
}

#[test]
fn packets_of_a_frame_are_equally_long() {
    let mut rng = Rng::from_u64(2);
    for (codec, frame) in frames(&mut rng, &[100_000]) {
        let payloads = round(codec, &frame, &Budget::uniform(1200)).unwrap();
        let lens: Vec<_> = payloads.iter().map(|(payload, ..)| payload.len()).collect();
        let (last, rest) = lens.split_last().unwrap();
        assert!(rest.iter().all(|len| *len == rest[0]) && *last <= rest[0], "{codec:?} {lens:?}");
        assert!(*last > 1100 && lens.len() <= 85, "{codec:?} {lens:?}");
    }
}

#[test]
fn audio_is_one_packet_or_refused() {
    let format = Format::Audio { is_onset: true };
    let payloads = cut(b"frame", &format, &Budget::uniform(5)).unwrap();
    assert_eq!(payloads, [(b"frame".to_vec(), true, Position::Only)]);
    assert_eq!(cut(b"frame", &format, &Budget::uniform(4)), Err(Misuse::NoRoom));
    assert_eq!(cut(b"", &format, &Budget::uniform(4)), Err(Misuse::Empty));
    for codec in [Codec::Opus, Codec::Pcmu, Codec::Pcma, Codec::G722] {
        assert_eq!(join(codec, &payloads), b"frame");
        assert!(Depacketizer::new(codec, Limits::default()).inspect(b"x", false).unwrap().is_key);
    }
}

#[test]
fn empty_and_malformed_frames_are_refused() {
    let budget = Budget::uniform(1200);
    for codec in Codec::ALL {
        assert_eq!(cut(&[], &Format::plain(codec), &budget), Err(Misuse::Empty), "{codec:?}");
    }
    assert_eq!(cut(&[1, 2, 3], &Format::plain(Codec::H264), &budget), Err(Misuse::Malformed("start codes")));
    assert_eq!(cut(&[0x12, 9], &Format::plain(Codec::Av1), &budget), Err(Misuse::Malformed("AV1")));
    assert_eq!(cut(&[0x12, 0], &Format::plain(Codec::Av1), &budget), Err(Misuse::Empty));
    assert_eq!(cut(&[0, 0, 1, 0x26], &Format::plain(Codec::H265), &budget), Err(Misuse::Malformed("NAL unit")));
}

#[test]
fn parameter_sets_and_small_slices_share_a_packet() {
    let mut rng = Rng::from_u64(3);
    let sets = [vec![0x67, 1, 2, 3], vec![0x68, 4, 5]];
    let slices = units(&mut rng, &[700, 700], &[0x65]);
    let frame = annex_b(&[&sets[..], &slices].concat());
    let payloads = round(Codec::H264, &frame, &Budget::uniform(720)).unwrap();
    assert_eq!(payloads.len(), 2);
    assert_eq!(payloads[0].0[..12], [0x78, 0, 4, 0x67, 1, 2, 3, 0, 3, 0x68, 4, 5]);
    assert_eq!(payloads[1].0[0], 0x65);
    // A slice that does not fit leaves them by themselves.
    let payloads = round(Codec::H264, &frame, &Budget::uniform(400)).unwrap();
    let kinds: Vec<_> = payloads.iter().map(|(payload, ..)| payload[0]).collect();
    assert_eq!(kinds, [0x78, 0x7C, 0x7C, 0x7C, 0x7C]);
    assert_eq!(payloads[1].0[1], 0x85);
    assert_eq!(payloads[2].0[1], 0x45);
    let info = Depacketizer::new(Codec::H264, Limits::default()).inspect(&payloads[0].0, false).unwrap();
    assert!(info.is_key && info.start == Start::Possible);
}

#[test]
fn mode_0_sends_each_unit_whole_or_not_at_all() {
    let mut rng = Rng::from_u64(4);
    let frame = annex_b(&units(&mut rng, &[3, 90, 5], &[0x41]));
    let format = Format::H264 { framing: Framing::StartCodes, mode: Mode::SingleUnit };
    let payloads = cut(&frame, &format, &Budget::uniform(91)).unwrap();
    assert_eq!(payloads.len(), 3);
    assert_eq!(join(Codec::H264, &payloads), frame);
    assert_eq!(cut(&frame, &format, &Budget::uniform(90)), Err(Misuse::NoRoom));
}

#[test]
fn frames_of_files_become_frames_with_start_codes() {
    let mut rng = Rng::from_u64(5);
    for (codec, header) in [(Codec::H264, &[0x65][..]), (Codec::H265, &[0x26, 1])] {
        let units = units(&mut rng, &[3, 90, 5], header);
        let lengths: Vec<u8> =
            units.iter().flat_map(|unit| [&(unit.len() as u32).to_be_bytes(), &unit[..]].concat()).collect();
        let framing = Framing::Lengths(LengthSize::Four);
        let format = match codec {
            Codec::H264 => Format::H264 { framing, mode: Mode::NonInterleaved },
            _ => Format::H265 { framing },
        };
        assert_eq!(join(codec, &cut(&lengths, &format, &Budget::uniform(50)).unwrap()), annex_b(&units));
    }
}

#[test]
fn a_frame_that_is_not_complete_is_refused_and_leaves_nothing() {
    let mut rng = Rng::from_u64(6);
    for codec in [Codec::H264, Codec::H265, Codec::Av1] {
        let frame = frames(&mut rng, &[500]).into_iter().find(|(other, _)| *other == codec).unwrap().1;
        let payloads = round(codec, &frame, &Budget::uniform(100)).unwrap();
        for lost in 0..payloads.len() {
            let rest = payloads.iter().enumerate().filter(|(n, _)| *n != lost).map(|(_, (payload, ..))| &payload[..]);
            let mut out = vec![7];
            let result = Depacketizer::new(codec, Limits::default()).assemble(rest, &mut out);
            // One lost in the middle is seen by its sequence number only.
            assert!(result.is_err() || (lost > 0 && lost + 1 < payloads.len()), "{codec:?} {lost}");
            assert!(result.is_ok() || out == [7]);
        }
    }
}

#[test]
fn a_frame_longer_than_the_limit_is_refused() {
    let limits = Limits { frame: 10 };
    let mut out = vec![0; 5];
    let depacketizer = Depacketizer::new(Codec::Vp8, limits);
    assert!(depacketizer.assemble([&[0x10, 1, 2, 3, 4, 5][..], &[0, 1, 2, 3, 4, 5]], &mut out).is_ok());
    assert!(depacketizer.assemble([&[0x10, 1, 2, 3, 4, 5][..], &[0, 1, 2, 3, 4, 5, 6]], &mut out).is_err());
    assert_eq!(out.len(), 15);
}

#[test]
fn what_is_said_of_a_vp8_frame_arrives() {
    let frame = [&[0x10, 0x02, 0x00, 0x9D, 0x01, 0x2A, 0x80, 0x02, 0xE0, 0x01][..], &[7; 20]].concat();
    let descriptor = vp8::descriptor::Descriptor {
        is_discardable: true,
        picture_id: Some(PictureId::wide(17)),
        tl0_index: Some(255),
        temporal: Some(vp8::descriptor::Temporal { id: 2, is_switching_point: true }),
        key_index: Some(3),
        ..Default::default()
    };
    let payloads = cut(&frame, &Format::Vp8(descriptor), &Budget::uniform(22)).unwrap();
    let depacketizer = Depacketizer::new(Codec::Vp8, Limits::default());
    let info = depacketizer.inspect(&payloads[0].0, false).unwrap();
    assert!(info.is_key && info.is_discardable && info.start == Start::Yes && !info.end);
    assert_eq!(info.dimensions, Some(Dimensions { width: 640, height: 480 }));
    assert_eq!((info.picture_id, info.tl0_index), (Some(PictureId::wide(17)), Some(255)));
    assert_eq!((info.layers.temporal, info.layers.is_switching_point), (Some(2), true));
    let info = depacketizer.inspect(&payloads[1].0, true).unwrap();
    assert!(info.start == Start::No && info.end && !info.is_key && info.picture_id == Some(PictureId::wide(17)));
}

#[test]
fn layers_of_a_vp9_picture_travel_by_themselves() {
    let sizes = [Dimensions { width: 320, height: 180 }, Dimensions { width: 640, height: 360 }];
    let structure = Structure::encode(Layers::Sized(&sizes), &[]).unwrap();
    let layer = |spatial| Layer { temporal: 0, spatial, is_switching_point: false, is_layer_predicted: spatial > 0 };
    let descriptor = |spatial| vp9::descriptor::Descriptor {
        picture_id: Some(PictureId::wide(5)),
        layer: Some(layer(spatial)),
        is_flexible: true,
        structure: Some(Structure::parse(&mut Reader::new(&structure)).unwrap()).filter(|_| spatial == 0),
        ..Default::default()
    };
    let budget = Budget::uniform(60);
    let lower = Format::Vp9 { descriptor: descriptor(0), is_end_of_picture: false };
    let upper = Format::Vp9 { descriptor: descriptor(1), is_end_of_picture: true };
    let mut payloads = cut(&[1; 100], &lower, &budget).unwrap();
    let count = payloads.len();
    payloads.extend(cut(&[2; 100], &upper, &budget).unwrap());
    assert_eq!(join(Codec::Vp9, &payloads), [[1; 100], [2; 100]].concat());
    let depacketizer = Depacketizer::new(Codec::Vp9, Limits::default());
    let infos: Vec<_> =
        payloads.iter().map(|(payload, marker, _)| depacketizer.inspect(payload, *marker).unwrap()).collect();
    assert_eq!((infos[0].is_key, infos[0].dimensions), (true, Some(sizes[0])));
    assert!(infos[count - 1].end && !infos[count - 1].end_of_picture);
    assert!(infos[count].start == Start::Yes && !infos[count].is_key && infos[count].layers.spatial == Some(1));
    assert!(infos.last().unwrap().end_of_picture);
    // The structure takes room in the first packet only.
    let lens: Vec<_> = payloads[..count].iter().map(|(payload, ..)| payload.len()).collect();
    assert_eq!((count, lens[0] - lens[1] < 15), (2, true));
}

proptest! {
    #[test]
    fn any_frame_comes_back_within_any_budget(
        seed in any::<u64>(), lens in proptest::collection::vec(0usize..400, 1..9),
        only in 1usize..300, first in 1usize..300, middle in 1usize..300, last in 1usize..300,
    ) {
        let mut rng = Rng::from_u64(seed);
        for (codec, frame) in frames(&mut rng, &lens) {
            round(codec, &frame, &Budget { only, first, middle, last });
        }
    }

    #[test]
    fn a_truncated_payload_is_read_or_refused(seed in any::<u64>(), lens in proptest::collection::vec(0usize..60, 1..5)) {
        let mut rng = Rng::from_u64(seed);
        for (codec, frame) in frames(&mut rng, &lens) {
            let depacketizer = Depacketizer::new(codec, Limits::default());
            for (payload, ..) in cut(&frame, &Format::plain(codec), &Budget::uniform(90)).unwrap() {
                for len in 0..payload.len() {
                    let _ = depacketizer.inspect(&payload[..len], true);
                    let mut out = Vec::new();
                    let joined = depacketizer.assemble([&payload[..len]], &mut out);
                    prop_assert!(joined.is_ok() || out.is_empty());
                }
            }
        }
    }
}
