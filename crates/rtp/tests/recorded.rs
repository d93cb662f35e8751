//! Packets that another implementation made of encoded frames give these frames back (see `fixtures/README.md`).

use std::fs;
use std::path::Path;

use peerage_rtp::numbers::{SequenceNumber, Timestamp};
use peerage_rtp::packet::Packet;
use peerage_rtp::payload::budget::Budget;
use peerage_rtp::payload::codec::Codec;
use peerage_rtp::payload::depacketizer::{Depacketizer, Limits};
use peerage_rtp::payload::fec::header::Scheme;
use peerage_rtp::payload::fec::repair::{Failure, Repair};
use peerage_rtp::payload::format::Format;
use peerage_rtp::payload::info::{Dimensions, Info, PictureId, Start};
use peerage_rtp::payload::nal::units::{Framing, Units};
use peerage_rtp::payload::opus;
use peerage_rtp::payload::packetizer::Packetizer;
use peerage_rtp::payload::{red, vp9};

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

#[test]
fn vp9_with_numbers_and_a_structure() {
    let recorded = Recorded::read(Codec::Vp9, "gst-vp9");
    assert_eq!(recorded.joined(), recorded.frames);
    let mut id = None;
    for (n, (frame, packets)) in recorded.infos().iter().zip(&recorded.packets).enumerate() {
        let (first, last) = (frame.first().unwrap(), frame.last().unwrap());
        assert!(first.start == Start::Yes && last.end && last.end_of_picture, "{n}");
        assert!(frame.iter().skip(1).all(|info| info.start == Start::No && !info.is_key), "{n}");
        assert!(frame.iter().rev().skip(1).all(|info| !info.end), "{n}");
        assert_eq!(first.is_key, n % 5 == 0, "{n}");
        assert_eq!(first.dimensions, first.is_key.then_some(Dimensions { width: 160, height: 120 }), "{n}");
        assert!(id.is_none_or(|id: PictureId| Some(id.next()) == first.picture_id), "{n}");
        id = first.picture_id;
        assert!(id.is_some() && frame.iter().all(|info| info.picture_id == id), "{n}");
        let structure = vp9::descriptor::Descriptor::parse(&packets[0].0).unwrap().0.structure;
        let group: Option<Vec<_>> = structure.map(|structure| structure.pictures().collect());
        // One picture that depends on the one before it.
        let expected = first.is_key.then(|| vec![(0, vec![1])]);
        let told = |pictures: Vec<vp9::structure::Picture>| {
            pictures
                .iter()
                .map(|picture| (picture.temporal, picture.references.as_slice().to_vec()))
                .collect::<Vec<_>>()
        };
        assert_eq!(group.map(told), expected, "{n}");
    }
}

#[test]
fn any_packet_that_a_repair_packet_protects_is_recovered() {
    let packets = values::<2>("gst-ulpfec.rtp");
    let header = |bytes: &[u8]| Packet::parse(bytes).unwrap().header;
    let media = |number: SequenceNumber| {
        packets.iter().find(|bytes| header(bytes).sequence_number == number).map(|bytes| &bytes[..])
    };
    let (mut recovered, mut largest) = (0, 0);
    for packet in packets.iter().map(|bytes| Packet::parse(bytes).unwrap()) {
        if packet.header.payload_type.value() != 122 {
            continue;
        }
        let repair = Repair::parse(Scheme::Ulp, packet.payload, [packet.header.ssrc]).unwrap();
        let mut out = Vec::new();
        assert_eq!(repair.recover(|_, number| media(number), &mut out), Err(Failure::NothingMissing));
        largest = largest.max(repair.packets().count());
        for (ssrc, lost) in repair.packets() {
            let known = |_, number| media(number).filter(|_| number != lost);
            assert_eq!(repair.recover(known, &mut out), Ok((ssrc, lost)));
            assert_eq!(Some(&out[..]), media(lost));
            recovered += 1;
        }
    }
    assert!(recovered >= 8 && largest >= 2, "{recovered} {largest}");
}

#[test]
fn redundant_audio_repeats_what_came_before() {
    let packets = values::<2>("gst-red.rtp");
    let mut earlier: Vec<(Timestamp, Vec<u8>)> = Vec::new();
    for bytes in &packets[1..] {
        let packet = Packet::parse(bytes).unwrap();
        for block in red::parse(packet.payload).unwrap() {
            assert_eq!(block.payload_type.value(), 0);
            let sent = Timestamp(packet.header.timestamp.0.wrapping_sub(block.offset));
            match block.is_present {
                true => earlier.push((sent, block.payload.to_vec())),
                false => {
                    let expected = earlier.iter().find(|(at, _)| *at == sent);
                    assert!(expected.is_none_or(|(_, payload)| payload == block.payload));
                    assert!(block.offset > 0 && (expected.is_some() || earlier.len() < 2));
                }
            }
        }
    }
    assert_eq!(earlier.len(), 7);
}
