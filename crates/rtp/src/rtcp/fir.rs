//! Full intra request (RFC 5104 §4.3.1).
//!
//! ```text
//! | SSRC                            |   of whom it is asked
//! | command number (8) | 0 (24)     |   grows by one with each request that is no repetition
//! ```

use super::feedback::{self, Feedback, payload};
use super::header::PacketType;
use super::write::Writer;
use crate::error::ParseError;
use crate::numbers::Ssrc;

/// One request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Of whom it is asked.
    pub ssrc: Ssrc,
    /// Which request it is; wraps.
    pub number: u8,
}

/// Pictures are wanted that need no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FullIntra<'a> {
    /// Who wants them.
    pub sender: Ssrc,
    items: &'a [[u8; 8]],
}

impl<'a> FullIntra<'a> {
    /// Reads the control information.
    pub(super) fn parse(feedback: &Feedback<'a>) -> Result<Self, ParseError> {
        Ok(Self { sender: feedback.sender, items: feedback::items(feedback.fci, "full intra request")? })
    }

    /// The requests in order.
    pub fn requests(&self) -> impl ExactSizeIterator<Item = Request> + Clone + use<'a> {
        self.items.iter().map(|[a, b, c, d, number, ..]| Request {
            ssrc: Ssrc(u32::from_be_bytes([*a, *b, *c, *d])),
            number: *number,
        })
    }
}

/// Appends as many of `requests` as fit and answers how many did; `None` if none did.
pub fn write(writer: &mut Writer<'_, '_>, sender: Ssrc, requests: &[Request]) -> Option<usize> {
    if requests.is_empty() {
        return None;
    }
    let items = requests.iter().map(|request| {
        let [a, b, c, d] = request.ssrc.0.to_be_bytes();
        [a, b, c, d, request.number, 0, 0, 0]
    });
    // The source of media is told in the items.
    feedback::write_items(writer, PacketType::PAYLOAD_FEEDBACK, payload::FIR, (sender, Ssrc(0)), items)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtcp::packet::Packet;
    use crate::rtcp::tests_support::{assert_refuses_shorter_than, parse, written};

    #[test]
    fn requests_are_read_as_written() {
        let requests = [Request { ssrc: Ssrc(2), number: 255 }, Request { ssrc: Ssrc(3), number: 0 }];
        let bytes = written(|writer| assert_eq!(write(writer, Ssrc(1), &requests), Some(2)));
        let expected = b"\x84\xCE\0\x06\0\0\0\x01\0\0\0\0\0\0\0\x02\xFF\0\0\0\0\0\0\x03\0\0\0\0";
        assert_eq!(bytes[..], expected[..]);
        let Packet::FullIntra(read) = parse(&bytes) else { panic!("not a full intra request") };
        assert!(read.requests().eq(requests));
        assert_refuses_shorter_than(&bytes, 20);
        written(|writer| assert_eq!(write(writer, Ssrc(1), &[]), None));
    }
}
