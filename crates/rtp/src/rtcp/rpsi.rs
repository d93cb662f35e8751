//! Reference picture selection indication (RFC 4585 §6.3.3). Read only: no sender of today makes use of it.
//!
//! ```text
//! | padding bits (8) | 0 (1) payload type (7) | bits as the codec defines, padded to whole words |
//! ```

use super::feedback::Feedback;
use crate::error::ParseError;
use crate::numbers::{PayloadType, Ssrc};
use peerage_base::reader::Reader;

/// A picture that can be referred to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReferencePicture<'a> {
    /// Who has it.
    pub sender: Ssrc,
    /// Whose picture.
    pub media: Ssrc,
    /// In which format.
    pub payload_type: PayloadType,
    /// Which picture, as the codec tells; of the last byte the low `unused_bits` have no meaning.
    pub bits: &'a [u8],
    /// 0 to 7.
    pub unused_bits: u8,
}

impl<'a> ReferencePicture<'a> {
    /// Reads the control information.
    pub(super) fn parse(feedback: &Feedback<'a>) -> Result<Self, ParseError> {
        let mut r = Reader::new(feedback.fci);
        let mut read = || Some((r.u8()?, PayloadType::from_byte(r.u8()?)));
        let (padding, payload_type) = read().ok_or(ParseError::Truncated("reference picture"))?;
        let len = r.len().checked_sub(usize::from(padding / 8)).ok_or(ParseError::Invalid("reference picture"))?;
        let bits = r.bytes(len).filter(|bits| !bits.is_empty()).ok_or(ParseError::Truncated("reference picture"))?;
        Ok(Self { sender: feedback.sender, media: feedback.media, payload_type, bits, unused_bits: padding % 8 })
    }
}

#[cfg(test)]
mod tests {
    use crate::rtcp::compound::Compound;
    use crate::rtcp::packet::Packet;
    use crate::rtcp::tests_support::{assert_refuses_shorter, parse};

    #[test]
    fn the_bits_of_the_codec_are_read() {
        let mut bytes = [0x83, 206, 0, 3, 0, 0, 0, 1, 0, 0, 0, 2, 11, 0xE0, 0x12, 0x34];
        let Packet::ReferencePicture(picture) = parse(&bytes) else { panic!("not a reference picture") };
        assert_eq!((picture.payload_type.value(), picture.bits, picture.unused_bits), (0x60, &[0x12][..], 3));
        assert_refuses_shorter(&bytes);
        for padding in [16, 255] {
            bytes[12] = padding;
            let raw = Compound::parse(&bytes).unwrap().packets().next().unwrap();
            assert!(raw.is_err(), "{padding} bits of padding");
        }
    }
}
