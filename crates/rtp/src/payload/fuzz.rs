//! Bodies of fuzz targets.

use alloc::vec;
use alloc::vec::Vec;

use super::budget::Budget;
use super::codec::Codec;
use super::comfort_noise::ComfortNoise;
use super::depacketizer::{Depacketizer, Limits};
use super::fec::header::Scheme;
use super::fec::repair::Repair;
use super::format::Format;
use super::nal::units::{Framing, LengthSize};
use super::packetizer::Packetizer;
use super::telephone_event::Report;
use super::{h264, h265, opus, red, rtx, vp8, vp9};
use crate::extension::dependency_descriptor::descriptor::{Descriptor, MAX_LEN, Outgoing};
use crate::extension::dependency_descriptor::structure::Structure;
use crate::numbers::Ssrc;

/// Payloads of every format, alone and several after each other: what is put together can be cut again, and comes back.
pub fn depacketizer(data: &[u8]) {
    let pieces: Vec<&[u8]> = pieces(data);
    for codec in Codec::ALL {
        let depacketizer = Depacketizer::new(codec, Limits::default());
        let mut out = vec![1, 2, 3];
        for piece in [data].iter().chain(&pieces) {
            let is_read = depacketizer.inspect(piece, true).is_ok();
            let is_joined = depacketizer.assemble([*piece], &mut out).is_ok();
            assert!(is_read || !is_joined);
        }
        out.truncate(3);
        let is_joined = depacketizer.assemble(pieces.iter().copied(), &mut out).is_ok();
        assert!(is_joined || out == [1, 2, 3]);
        frame(codec, &out[3..]);
    }
    others(data);
}

/// Frames of every format: if they can be cut they come back, in as many packets as were told, each within its budget.
pub fn packetizer(data: &[u8]) {
    for codec in Codec::ALL {
        frame(codec, data);
    }
    for size in [LengthSize::One, LengthSize::Two, LengthSize::Four] {
        let format = Format::H264 { framing: Framing::Lengths(size), mode: h264::packetizer::Mode::NonInterleaved };
        cut(data, &format, &Budget::uniform(20));
        cut(data, &Format::H265 { framing: Framing::Lengths(size) }, &Budget::uniform(20));
    }
}

/// Dependency descriptors, each after its length in a byte: what is read can be written, and reads the same.
pub fn dependency_descriptor(data: &[u8]) {
    let mut known: Option<Structure> = None;
    for value in [data].into_iter().chain(pieces(data)) {
        let Ok(read) = Descriptor::parse(value, known.as_ref()) else { continue };
        known = read.structure.clone().or(known);
        let Some(structure) = &known else { unreachable!("a descriptor was read without a structure") };
        let outgoing = Outgoing {
            frame_number: read.frame_number,
            is_first: read.is_first,
            is_last: read.is_last,
            dependencies: &read.dependencies,
            structure,
            with_structure: read.structure.is_some(),
            active_targets: read.active_targets,
        };
        // More chains than targets, and the like, can be read in bits that are never written.
        let mut out = [0; 2 * MAX_LEN];
        if let Some(len) = outgoing.write(&mut out) {
            assert_eq!(Descriptor::parse(&out[..len], known.as_ref()).as_ref(), Ok(&read));
        }
    }
}

/// Repair packets of every scheme, whose protected packets are all there but the first.
pub fn repair(data: &[u8]) {
    let packet = [&[0x80, 0x60][..], data].concat();
    for scheme in [Scheme::Ulp, Scheme::Flex03, Scheme::Flex] {
        for sources in [&[Ssrc(1)][..], &[Ssrc(1), Ssrc(2)], &[]] {
            let Ok(repair) = Repair::parse(scheme, data, sources.iter().copied()) else { continue };
            let first = repair.packets().next();
            let mut out = Vec::new();
            let found = repair.recover(|ssrc, number| (first != Some((ssrc, number))).then_some(&packet[..]), &mut out);
            assert!(found.is_err() || found.ok() == first && out.len() >= 12 && out.len() <= 12 + data.len());
        }
    }
}

fn others(data: &[u8]) {
    if let Ok(packet) = opus::Packet::parse(data) {
        assert!(packet.duration() <= opus::MAX_DURATION && (1..=48).contains(&packet.frames()));
        let _ = packet.has_redundancy();
    }
    if let Ok(blocks) = red::parse(data) {
        let last = blocks.clone().last();
        assert!(last.is_some_and(|block| block.is_present) && blocks.count() <= red::MAX_BLOCKS);
    }
    if let Some((number, rest)) = rtx::parse(data) {
        let mut room = vec![0; data.len()];
        assert_eq!(rtx::write(number, rest, &mut room), Some(data.len()));
        assert_eq!(room, data);
    }
    if let Ok(report) = Report::parse(data) {
        assert_eq!(Report::parse(&report.to_bytes()), Ok(report));
    }
    if let Ok(noise) = ComfortNoise::parse(data) {
        assert!(noise.level() < 128 && noise.reflection_coefficients().len() < data.len());
    }
    if let Ok((descriptor, rest)) = vp8::descriptor::Descriptor::parse(data) {
        let mut room = [0; vp8::descriptor::MAX_LEN];
        let len = descriptor.write(&mut room).expect("what was read can be written");
        let again = [&room[..len], rest].concat();
        assert_eq!(vp8::descriptor::Descriptor::parse(&again), Ok((descriptor, rest)));
    }
    if let Ok((descriptor, rest)) = vp9::descriptor::Descriptor::parse(data) {
        let mut room = vec![0; data.len() + 1];
        let len = descriptor.write(&mut room).expect("what was read can be written");
        let again = [&room[..len], rest].concat();
        assert_eq!(vp9::descriptor::Descriptor::parse(&again), Ok((descriptor, rest)));
        if let Some(structure) = descriptor.structure {
            assert!(structure.pictures().count() <= 255);
        }
    }
    let _ = (h264::sps::Sps::parse(data), h265::sps::dimensions(data), super::av1::sequence::dimensions(data));
}

fn frame(codec: Codec, bytes: &[u8]) {
    for budget in [Budget::uniform(1200), Budget::uniform(12), Budget { only: 9, first: 7, middle: 11, last: 8 }] {
        cut(bytes, &Format::plain(codec), &budget);
        let Ok(mut packetizer) = Packetizer::new(bytes, &Format::plain(codec), &budget) else { continue };
        let mut payloads: Vec<Vec<u8>> = Vec::new();
        let mut room = [0; 1200];
        while let Some(piece) = packetizer.write(&mut room) {
            payloads.push(room[..piece.len].to_vec());
        }
        let depacketizer = Depacketizer::new(codec, Limits::default());
        let mut once = Vec::new();
        // A payload type of H.264 beyond 23, or the like, may be in a frame that nobody encoded.
        if depacketizer.assemble(payloads.iter().map(|payload| &payload[..]), &mut once).is_ok() {
            let mut again = Packetizer::new(&once, &Format::plain(codec), &Budget::uniform(1 << 20)).expect("joined");
            let mut room = vec![0; 1 << 20];
            let piece = again.write(&mut room).expect("a packet");
            let mut twice = Vec::new();
            if piece.position.is_last() {
                depacketizer.assemble([&room[..piece.len]], &mut twice).expect("cut");
                assert_eq!(once, twice);
            }
        }
    }
}

fn cut(bytes: &[u8], format: &Format<'_>, budget: &Budget) {
    let Ok(mut packetizer) = Packetizer::new(bytes, format, budget) else { return };
    let mut room = [0; 1200];
    while let Some(position) = packetizer.position() {
        let left = packetizer.remaining();
        let max = budget.at(position);
        let piece = packetizer.write(&mut room[..max]).expect("a budget is room enough");
        assert_eq!((piece.position, packetizer.remaining()), (position, left - 1));
        assert!(piece.len > 0 && piece.len <= max);
    }
    assert_eq!(packetizer.write(&mut room), None);
}

/// The input as pieces, each after its length in a byte.
fn pieces(mut data: &[u8]) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    while let Some((len, rest)) = data.split_first() {
        let (piece, rest) = rest.split_at(usize::from(*len).min(rest.len()));
        pieces.push(piece);
        data = rest;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use peerage_testkit::replay::replay;

    const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/payload");

    #[test]
    fn depacketizers() {
        replay(CORPUS, depacketizer);
    }

    #[test]
    fn packetizers() {
        replay(CORPUS, packetizer);
    }

    #[test]
    fn repairs() {
        replay(CORPUS, repair);
    }

    #[test]
    fn dependency_descriptors() {
        replay(concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/dependency_descriptor"), dependency_descriptor);
    }
}
