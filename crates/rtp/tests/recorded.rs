//! Packets that another implementation made of encoded frames give these frames back (see `fixtures/README.md`).

use std::fs;
use std::path::Path;

use peerage_rtp::packet::Packet;
use peerage_rtp::payload::budget::Budget;
use peerage_rtp::payload::codec::Codec;
use peerage_rtp::payload::depacketizer::{Depacketizer, Limits};
use peerage_rtp::payload::format::Format;
use peerage_rtp::payload::info::{Dimensions, Info, Start};
use peerage_rtp::payload::nal::units::{Framing, Units};
use peerage_rtp::payload::opus;
use peerage_rtp::payload::packetizer::Packetizer;

/// Values after their lengths, which have `SIZE` bytes.
fn values<const SIZE: usize>(name: &str) -> Vec<Vec<u8>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    let bytes = fs::read(&path).unwrap();
    let mut rest = &bytes[..];
    let mut values = Vec::new();
    while let Some((len, after)) = rest.split_first_chunk::<SIZE>() {
        let len = len.iter().fold(0, |len, byte| (len << 8) | usize::from(*byte));
        values.push(after[..len].to_vec());
        rest = &after[len..];
    }
    values
}

struct Recorded {
    codec: Codec,
    /// As the encoder gave them.
    frames: Vec<Vec<u8>>,
    /// Per frame, its payloads and markers.
    packets: Vec<Vec<(Vec<u8>, bool)>>,
}

impl Recorded {
    fn read(codec: Codec, name: &str) -> Self {
        let mut packets: Vec<Vec<(Vec<u8>, bool)>> = Vec::new();
        let mut last = None;
        for bytes in values::<2>(&format!("{name}.rtp")) {
            let packet = Packet::parse(&bytes).unwrap();
            if last.replace(packet.header.timestamp) != Some(packet.header.timestamp) {
                packets.push(Vec::new());
            }
            packets.last_mut().unwrap().push((packet.payload.to_vec(), packet.header.marker));
        }
        Self { codec, frames: values::<4>(&format!("{name}.frames")), packets }
    }

    fn depacketizer(&self) -> Depacketizer {
        Depacketizer::new(self.codec, Limits::default())
    }

    fn joined(&self) -> Vec<Vec<u8>> {
        let join = |packets: &Vec<(Vec<u8>, bool)>| {
            let mut out = Vec::new();
            self.depacketizer().assemble(packets.iter().map(|(payload, _)| &payload[..]), &mut out).unwrap();
            out
        };
        self.packets.iter().map(join).collect()
    }

    fn infos(&self) -> Vec<Vec<Info>> {
        let inspect = |(payload, marker): &(Vec<u8>, bool)| self.depacketizer().inspect(payload, *marker).unwrap();
        self.packets.iter().map(|frame| frame.iter().map(inspect).collect()).collect()
    }

    /// Our own packets of the same frames, of several sizes, give them back too.
    fn round(&self, same: impl Fn(&[u8], &[u8]) -> bool) {
        for (frame, max) in self.frames.iter().flat_map(|frame| [30, 200, 1200].map(|max| (frame, max))) {
            let format = Format::plain(self.codec);
            let mut packetizer = Packetizer::new(frame, &format, &Budget::uniform(max)).unwrap();
            let mut payloads = Vec::new();
            let mut room = vec![0; max];
            while let Some(piece) = packetizer.write(&mut room) {
                payloads.push(room[..piece.len].to_vec());
            }
            let mut out = Vec::new();
            self.depacketizer().assemble(payloads.iter().map(|payload| &payload[..]), &mut out).unwrap();
            assert!(same(&out, frame), "{:?} {max}", self.codec);
        }
    }
}

/// What holds for every recording: every fifth picture is a key frame and the first packet of it says so, markers end frames.
fn check(name: &str, codec: Codec, same: impl Fn(&[u8], &[u8]) -> bool) {
    let recorded = Recorded::read(codec, name);
    let joined = recorded.joined();
    assert_eq!(joined.len(), recorded.frames.len());
    for (n, (ours, theirs)) in joined.iter().zip(&recorded.frames).enumerate() {
        assert!(same(ours, theirs), "{name} {n}");
    }
    for (n, frame) in recorded.infos().iter().enumerate() {
        let (first, rest) = frame.split_first().unwrap();
        assert_ne!(first.start, Start::No, "{name} {n}");
        assert!(rest.iter().all(|info| info.start != Start::Yes), "{name} {n}");
        // The VP9 descriptors of FFmpeg never say that a picture depends on another.
        assert_eq!(frame.iter().any(|info| info.is_key), n % 5 == 0 || codec == Codec::Vp9, "{name} {n}");
        assert!(frame.iter().rev().skip(1).all(|info| !info.end) && frame.last().unwrap().end, "{name} {n}");
        if n == 0 && codec != Codec::Vp9 {
            let size = frame.iter().find_map(|info| info.dimensions);
            assert_eq!(size, Some(Dimensions { width: 160, height: 120 }), "{name}");
        }
    }
    assert!(recorded.packets.iter().any(|frame| frame.len() > 2), "{name} has frames of several packets");
    recorded.round(same);
}

/// Encoders mix start codes of three and four bytes.
fn same_units(a: &[u8], b: &[u8]) -> bool {
    let units = |frame: &[u8]| -> Vec<Vec<u8>> {
        Units::new(frame, Framing::StartCodes).map(|unit| frame[unit.unwrap()].to_vec()).collect()
    };
    units(a) == units(b)
}

#[test]
fn vp8() {
    check("vp8", Codec::Vp8, |a, b| a == b);
}

#[test]
fn vp9() {
    check("vp9", Codec::Vp9, |a, b| a == b);
}

#[test]
fn h264() {
    check("h264", Codec::H264, same_units);
}

#[test]
fn h265() {
    check("h265", Codec::H265, same_units);
}

#[test]
fn av1() {
    check("av1", Codec::Av1, |a, b| a == b);
}

#[test]
fn opus_packets_tell_their_duration() {
    let recorded = Recorded::read(Codec::Opus, "opus");
    assert_eq!(recorded.joined(), recorded.frames);
    for frame in &recorded.frames {
        let packet = opus::Packet::parse(frame).unwrap();
        assert_eq!((packet.duration(), packet.channels(), packet.is_silent()), (960, 1, false));
    }
}
