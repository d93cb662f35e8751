//! The number of a packet across all streams of a connection (draft-holmer-rmcat-transport-wide-cc-extensions-01 §2), and
//! its second version, of libwebrtc, by which the sender asks for feedback.
//!
//! ```text
//! | sequence number (16) | T (1) number of packets (15) |   the latter half in version 2, and there optional
//! ```

use super::element::Element;
use super::kind::Kind;
use crate::numbers::SequenceNumber;
use peerage_base::reader::Reader;

/// A number across all streams of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TransportSequenceNumber(pub SequenceNumber);

impl Element<'_> for TransportSequenceNumber {
    const KIND: Kind = Kind::TransportSequenceNumber;

    fn parse(value: &[u8]) -> Option<Self> {
        Some(Self(SequenceNumber(u16::from_be_bytes(value.try_into().ok()?))))
    }

    fn size(&self) -> usize {
        2
    }

    fn write(&self, out: &mut [u8]) {
        out.copy_from_slice(&self.0.0.to_be_bytes());
    }
}

/// What feedback is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeedbackRequest {
    /// Whether it is to tell when packets arrived.
    pub timing: bool,
    /// On how many packets it is to report, this one being the last: 1 to 32767. Zero is no request.
    pub packets: u16,
}

/// A number across all streams of a connection, maybe with a request for feedback at once. When this version was agreed
/// on, feedback is sent on request only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TransportSequenceNumberV2 {
    /// The number.
    pub number: SequenceNumber,
    /// The request.
    pub request: Option<FeedbackRequest>,
}

impl Element<'_> for TransportSequenceNumberV2 {
    const KIND: Kind = Kind::TransportSequenceNumberV2;

    fn parse(value: &[u8]) -> Option<Self> {
        let mut r = Reader::new(value);
        let number = SequenceNumber(r.u16()?);
        let request = if r.is_empty() { 0 } else { r.u16()? };
        let request = FeedbackRequest { timing: request & 0x8000 != 0, packets: request & 0x7FFF };
        r.is_empty().then_some(Self { number, request: Some(request).filter(|request| request.packets > 0) })
    }

    fn size(&self) -> usize {
        if self.request.is_some() { 4 } else { 2 }
    }

    fn write(&self, out: &mut [u8]) {
        out[..2].copy_from_slice(&self.number.0.to_be_bytes());
        if let Some(request) = self.request {
            let bits = u16::from(request.timing) << 15 | request.packets.min(0x7FFF);
            out[2..].copy_from_slice(&bits.to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extension::tests_support::{assert_only_lengths, assert_wire};

    #[test]
    fn the_first_version_is_a_number() {
        assert_wire(&TransportSequenceNumber(SequenceNumber(0x1234)), &[0x12, 0x34]);
        assert_only_lengths::<TransportSequenceNumber>(&[2]);
    }

    #[test]
    fn the_second_version_may_ask() {
        let number = SequenceNumber(0x1234);
        assert_wire(&TransportSequenceNumberV2 { number, request: None }, &[0x12, 0x34]);
        let request = Some(FeedbackRequest { timing: true, packets: 0x102 });
        assert_wire(&TransportSequenceNumberV2 { number, request }, &[0x12, 0x34, 0x81, 0x02]);
        assert_only_lengths::<TransportSequenceNumberV2>(&[2, 4]);
    }

    #[test]
    fn a_request_for_no_packets_is_none() {
        let read = TransportSequenceNumberV2::parse(&[0, 1, 0x80, 0]).unwrap();
        assert_eq!(read.request, None);
    }
}
