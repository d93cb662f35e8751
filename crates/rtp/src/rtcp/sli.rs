//! Slice loss indication (RFC 4585 §6.3.2). Read only: no sender of today makes use of it.
//!
//! ```text
//! | first (13) | number (13) | picture id (6) |
//! ```

use super::feedback::{self, Feedback};
use crate::error::ParseError;
use crate::numbers::Ssrc;

/// Macroblocks that are lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    /// The first, in scan order.
    pub first: u16,
    /// How many.
    pub number: u16,
    /// The low six bits of the picture's id.
    pub picture: u8,
}

/// Parts of pictures cannot be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SliceLoss<'a> {
    /// Who cannot.
    pub sender: Ssrc,
    /// Whose pictures.
    pub media: Ssrc,
    items: &'a [[u8; 4]],
}

impl<'a> SliceLoss<'a> {
    /// Reads the control information.
    pub(super) fn parse(feedback: &Feedback<'a>) -> Result<Self, ParseError> {
        let items = feedback::items(feedback.fci, "slice loss indication")?;
        Ok(Self { sender: feedback.sender, media: feedback.media, items })
    }

    /// The slices in order.
    pub fn slices(&self) -> impl ExactSizeIterator<Item = Slice> + Clone + use<'a> {
        self.items.iter().map(|item| {
            let bits = u32::from_be_bytes(*item);
            Slice { first: (bits >> 19) as u16, number: (bits >> 6) as u16 & 0x1FFF, picture: bits as u8 & 0x3F }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtcp::packet::Packet;
    use crate::rtcp::tests_support::{assert_refuses_shorter, parse};

    #[test]
    fn slices_are_read() {
        let bytes = [0x82, 206, 0, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0b1000_0000, 0b0000_1100, 0b0000_0000, 0b0110_0001];
        let Packet::SliceLoss(loss) = parse(&bytes) else { panic!("not a slice loss") };
        assert!(loss.slices().eq([Slice { first: 0x1001, number: 0x1001, picture: 0x21 }]));
        assert_refuses_shorter(&bytes);
    }
}
