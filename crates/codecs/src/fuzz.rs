//! Bodies of fuzz targets: whatever a file holds, its reader ends, with at most as much memory as a frame may have.

use std::io::Cursor;

use crate::bitstream;
use crate::encoded::{VideoCodec, opus_duration};
use crate::file::{ivf, matroska, ogg, wav, y4m};
use crate::picture::Picture;

/// An IVF file.
pub fn ivf(data: &[u8]) {
    let Ok(mut reader) = ivf::Reader::new(data) else { return };
    let mut bytes = 0;
    while let Ok(Some(frame)) = reader.next_frame() {
        bytes += frame.data.len();
    }
    assert!(bytes <= data.len());
}

/// A WebM or Matroska file.
pub fn matroska(data: &[u8]) {
    let Ok(mut reader) = matroska::reader::Reader::new(data) else { return };
    while let Ok(Some(item)) = reader.next_item() {
        if let matroska::reader::Item::Video(frame) = item {
            let codec = reader.video().expect("frames belong to a track").codec;
            let _ = matroska::tracks::VideoTrack::of(codec, &frame.data);
        }
    }
}

/// An Ogg Opus file.
pub fn ogg(data: &[u8]) {
    let Ok(mut reader) = ogg::Reader::new(Cursor::new(data)) else { return };
    while let Ok(Some(packet)) = reader.next_packet() {
        assert_eq!(opus_duration(&packet.data), Some(packet.duration));
    }
}

/// A WAV file.
pub fn wav(data: &[u8]) {
    let Ok(mut reader) = wav::Reader::new(data) else { return };
    let mut samples = Vec::new();
    while matches!(reader.read(1_000, &mut samples), Ok(1..)) {
        samples.clear();
    }
}

/// A Y4M file. Pictures are read only if the file can hold one, which is what bounds the memory.
pub fn y4m(data: &[u8]) {
    let Ok(mut reader) = y4m::Reader::new(data) else { return };
    let (width, height) = reader.size();
    if u64::from(width) * u64::from(height) > data.len() as u64 {
        return;
    }
    let mut picture = Picture::default();
    while let Ok(true) = reader.read(&mut picture) {}
}

/// The headers of coded video; the first byte chooses the codec.
pub fn bitstream(data: &[u8]) {
    let Some((&choice, frame)) = data.split_first() else { return };
    let codec = VideoCodec::ALL[usize::from(choice) % VideoCodec::ALL.len()];
    let size = bitstream::size(codec, frame);
    assert!(size.is_none_or(|(width, height)| width > 0 && height > 0));
    let _ = bitstream::is_key(codec, frame);
    if let Some((length_size, sets)) = bitstream::h264::read_configuration(frame) {
        let mut out = Vec::new();
        let _ = bitstream::h264::to_start_codes(&sets, length_size, &mut out);
    }
    let mut back = Vec::new();
    bitstream::h264::to_start_codes(&bitstream::h264::to_lengths(frame), 4, &mut back).expect("lengths are right");
    assert!(bitstream::h264::nal_units(&back).eq(bitstream::h264::nal_units(frame)));
}

#[cfg(test)]
mod tests {
    use peerage_testkit::replay::replay;
    use proptest::prelude::{ProptestConfig, any, prop, proptest};

    fn corpus(body: &str, run: fn(&[u8])) {
        replay(&format!("{}/corpus/{body}", env!("CARGO_MANIFEST_DIR")), run);
    }

    #[test]
    fn files() {
        corpus("ivf", super::ivf);
        corpus("matroska", super::matroska);
        corpus("ogg", super::ogg);
        corpus("wav", super::wav);
        corpus("y4m", super::y4m);
    }

    #[test]
    fn headers_of_coded_video() {
        corpus("bitstream", super::bitstream);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn any_bytes_end(data in prop::collection::vec(any::<u8>(), 0..300), start in 0usize..8) {
            let starts: [&[u8]; 8] = [
                b"", b"OggS\0\x02", b"DKIF\0\0\x20\0VP80", b"YUV4MPEG2 W16 H16 C420\n", b"RIFF\xff\0\0\0WAVEfmt \x10\0\0\0",
                &[0x1a, 0x45, 0xdf, 0xa3, 0x80, 0x18, 0x53, 0x80, 0x67, 0xff, 0x16, 0x54, 0xae, 0x6b, 0xa0, 0xae, 0x9e],
                &[1, 0, 0, 1, 0x67], &[3, 0x12, 0, 0x0a, 0x0b],
            ];
            let bytes = [starts[start], &data].concat();
            for body in [super::ivf, super::matroska, super::ogg, super::wav, super::y4m, super::bitstream] {
                body(&bytes);
            }
        }
    }
}
