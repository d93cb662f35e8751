//! Video timing, of libwebrtc: where a frame spent its time, on the last packet of some frames.
//!
//! ```text
//! | flags (8) | six times (16 each) |   the flags may be missing, as they were once
//! ```

use super::element::Element;
use super::kind::Kind;
use peerage_base::reader::Reader;

/// Milliseconds from the capture of a frame (its timestamp) to what befell it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VideoTiming {
    /// The frame tells because it is one of every so many.
    pub by_timer: bool,
    /// The frame tells because it is larger than usual.
    pub by_size: bool,
    /// Encoding began.
    pub encode_start: u16,
    /// Encoding ended.
    pub encode_finish: u16,
    /// The frame was packetised.
    pub packetized: u16,
    /// The last packet left the pacer.
    pub pacer_exit: u16,
    /// For whoever passes it on.
    pub network: u16,
    /// For whoever passes it on after that.
    pub network2: u16,
}

/// Flags of an element that is to be ignored.
const INVALID: u8 = 0xFF;

impl Element<'_> for VideoTiming {
    const KIND: Kind = Kind::VideoTiming;

    fn parse(value: &[u8]) -> Option<Self> {
        let mut r = Reader::new(value);
        let flags = if value.len() == 12 { 0 } else { r.u8().filter(|flags| *flags != INVALID)? };
        let timing = Self {
            by_timer: flags & 1 != 0,
            by_size: flags & 2 != 0,
            encode_start: r.u16()?,
            encode_finish: r.u16()?,
            packetized: r.u16()?,
            pacer_exit: r.u16()?,
            network: r.u16()?,
            network2: r.u16()?,
        };
        r.is_empty().then_some(timing)
    }

    fn size(&self) -> usize {
        13
    }

    fn write(&self, out: &mut [u8]) {
        out[0] = u8::from(self.by_timer) | u8::from(self.by_size) << 1;
        let times =
            [self.encode_start, self.encode_finish, self.packetized, self.pacer_exit, self.network, self.network2];
        for (out, time) in out[1..].chunks_exact_mut(2).zip(times) {
            out.copy_from_slice(&time.to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extension::tests_support::{assert_only_lengths, assert_wire};

    const BYTES: [u8; 13] = [2, 0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 1, 6];

    #[test]
    fn it_is_flags_and_times() {
        let timing = VideoTiming {
            by_timer: false,
            by_size: true,
            encode_start: 1,
            encode_finish: 2,
            packetized: 3,
            pacer_exit: 4,
            network: 5,
            network2: 0x106,
        };
        assert_wire(&timing, &BYTES);
        assert_eq!(VideoTiming::parse(&BYTES[1..]), Some(VideoTiming { by_size: false, ..timing }));
        assert_only_lengths::<VideoTiming>(&[12, 13]);
    }

    #[test]
    fn invalid_ones_are_ignored() {
        let mut bytes = BYTES;
        bytes[0] = 0xFF;
        assert_eq!(VideoTiming::parse(&bytes), None);
    }
}
