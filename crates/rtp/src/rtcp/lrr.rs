//! Layer refresh request (RFC 9627 §3).
//!
//! ```text
//! | SSRC                                                       |   of whom it is asked
//! | command number (8) | C (1) | payload type (7) | 0 (16)      |
//! | 0 (5) | TTID (3) | TLID (8) | 0 (5) | CTID (3) | CLID (8)   |   wanted; and had already, if C
//! ```

use super::feedback::{self, Feedback, payload};
use super::header::PacketType;
use super::write::Writer;
use crate::error::ParseError;
use crate::numbers::{PayloadType, Ssrc};

/// A layer of a scalable stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Temporal id, 0 to 7.
    pub temporal: u8,
    /// Spatial or quality id, as the format defines it.
    pub spatial: u8,
}

/// One request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Of whom it is asked.
    pub ssrc: Ssrc,
    /// Which request it is; grows with each that is no repetition, and wraps.
    pub number: u8,
    /// The format whose layers are meant.
    pub payload_type: PayloadType,
    /// The layer that is wanted.
    pub target: Layer,
    /// The layer that the receiver decodes already and need not be refreshed; `None` if all is to be refreshed.
    pub current: Option<Layer>,
}

impl Request {
    fn parse(item: &[u8; 12]) -> Self {
        let [a, b, c, d, number, kind, _, _, target_temporal, target, current_temporal, current] = *item;
        let layer = |temporal: u8, spatial| Layer { temporal: temporal & 7, spatial };
        Self {
            ssrc: Ssrc(u32::from_be_bytes([a, b, c, d])),
            number,
            payload_type: PayloadType::from_byte(kind),
            target: layer(target_temporal, target),
            current: (kind & 0x80 != 0).then_some(layer(current_temporal, current)),
        }
    }

    fn bytes(&self) -> [u8; 12] {
        let [a, b, c, d] = self.ssrc.0.to_be_bytes();
        let kind = u8::from(self.current.is_some()) << 7 | self.payload_type.value();
        let current = self.current.unwrap_or(Layer { temporal: 0, spatial: 0 });
        let (target_temporal, current_temporal) = (self.target.temporal & 7, current.temporal & 7);
        [a, b, c, d, self.number, kind, 0, 0, target_temporal, self.target.spatial, current_temporal, current.spatial]
    }
}

/// Layers are to be decodable without their past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerRefresh<'a> {
    /// Who wants it.
    pub sender: Ssrc,
    items: &'a [[u8; 12]],
}

impl<'a> LayerRefresh<'a> {
    /// Reads the control information.
    pub(super) fn parse(feedback: &Feedback<'a>) -> Result<Self, ParseError> {
        Ok(Self { sender: feedback.sender, items: feedback::items(feedback.fci, "layer refresh request")? })
    }

    /// The requests in order.
    pub fn requests(&self) -> impl ExactSizeIterator<Item = Request> + Clone + use<'a> {
        self.items.iter().map(Request::parse)
    }
}

/// Appends as many of `requests` as fit and answers how many did; `None` if none did.
pub fn write(writer: &mut Writer<'_, '_>, sender: Ssrc, requests: &[Request]) -> Option<usize> {
    if requests.is_empty() {
        return None;
    }
    let items = requests.iter().map(Request::bytes);
    // The source of media is told in the items.
    feedback::write_items(writer, PacketType::PAYLOAD_FEEDBACK, payload::LRR, (sender, Ssrc(0)), items)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtcp::packet::Packet;
    use crate::rtcp::tests_support::{assert_refuses_shorter_than, parse, written};

    #[test]
    fn requests_are_read_as_written() {
        let first = Request {
            ssrc: Ssrc(2),
            number: 7,
            payload_type: PayloadType::new(98).unwrap(),
            target: Layer { temporal: 2, spatial: 3 },
            current: Some(Layer { temporal: 1, spatial: 1 }),
        };
        let requests = [first, Request { ssrc: Ssrc(3), current: None, ..first }];
        let bytes = written(|writer| assert_eq!(write(writer, Ssrc(1), &requests), Some(2)));
        assert_eq!(bytes[..12], *b"\x8A\xCE\0\x08\0\0\0\x01\0\0\0\0");
        assert_eq!(bytes[12..24], [0, 0, 0, 2, 7, 0xE2, 0, 0, 2, 3, 1, 1]);
        assert_eq!(bytes[24..], [0, 0, 0, 3, 7, 0x62, 0, 0, 2, 3, 0, 0]);
        let Packet::LayerRefresh(read) = parse(&bytes) else { panic!("not a layer refresh request") };
        assert!(read.requests().eq(requests));
        assert_refuses_shorter_than(&bytes, 24);
        written(|writer| assert_eq!(write(writer, Ssrc(1), &[]), None));
    }
}
