//! Temporary maximum media stream bit rate: request and notification (RFC 5104 §4.2.1, §4.2.2).
//!
//! ```text
//! | SSRC                                                  |   of whom it is asked; or whose request limits
//! | exponent (6) | mantissa (17) | overhead per packet (9) |
//! ```

use super::feedback::{self, Feedback, transport};
use super::header::PacketType;
use super::rate;
use super::write::Writer;
use crate::error::ParseError;
use crate::numbers::Ssrc;

/// Bits of the mantissa.
const MANTISSA_BITS: u32 = 17;

/// One limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Of whom it is asked; in a notification whose request it was.
    pub ssrc: Ssrc,
    /// Most bits per second, headers included; rounded down to 17 bits when written.
    pub rate: u64,
    /// Bytes of headers that a packet has on average, 0 to 511.
    pub overhead: u16,
}

/// Limits on the rate of media: a request if a receiver says it, a notification if a sender does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxBitRate<'a> {
    /// Who says it.
    pub sender: Ssrc,
    items: &'a [[u8; 8]],
}

impl<'a> MaxBitRate<'a> {
    /// Reads the control information. A notification may be empty: there is no limit.
    pub(super) fn parse(feedback: &Feedback<'a>) -> Result<Self, ParseError> {
        let (items, rest) = feedback.fci.as_chunks();
        let may_be_empty = feedback.format == transport::TMMBN;
        if !rest.is_empty() || (items.is_empty() && !may_be_empty) {
            return Err(ParseError::Invalid("maximum bit rate"));
        }
        Ok(Self { sender: feedback.sender, items })
    }

    /// The limits in order; without those beyond 64 bits per second, which are none.
    pub fn limits(&self) -> impl Iterator<Item = Limit> + Clone + use<'a> {
        self.items.iter().filter_map(|[a, b, c, d, bits @ ..]| {
            let bits = u32::from_be_bytes(*bits);
            let rate = rate::unpack((bits >> 26) as u8, bits >> 9 & 0x1_FFFF)?;
            Some(Limit { ssrc: Ssrc(u32::from_be_bytes([*a, *b, *c, *d])), rate, overhead: (bits & 0x1FF) as u16 })
        })
    }
}

/// Appends a request with as many of `limits` as fit and answers how many did; `None` if none did.
pub fn write_request(writer: &mut Writer<'_, '_>, sender: Ssrc, limits: &[Limit]) -> Option<usize> {
    if limits.is_empty() {
        return None;
    }
    write(writer, transport::TMMBR, sender, limits)
}

/// Appends a notification with as many of `limits` as fit and answers how many did; `None` if there are some and none did, or
/// if not even an empty one did.
pub fn write_notification(writer: &mut Writer<'_, '_>, sender: Ssrc, limits: &[Limit]) -> Option<usize> {
    write(writer, transport::TMMBN, sender, limits)
}

fn write(writer: &mut Writer<'_, '_>, format: u8, sender: Ssrc, limits: &[Limit]) -> Option<usize> {
    let items = limits.iter().map(|limit| {
        let (exponent, mantissa) = rate::pack(limit.rate, MANTISSA_BITS);
        let bits = u32::from(exponent) << 26 | mantissa << 9 | u32::from(limit.overhead.min(0x1FF));
        let ([a, b, c, d], [e, f, g, h]) = (limit.ssrc.0.to_be_bytes(), bits.to_be_bytes());
        [a, b, c, d, e, f, g, h]
    });
    // The source of media is told in the items.
    feedback::write_items(writer, PacketType::TRANSPORT_FEEDBACK, format, (sender, Ssrc(0)), items)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtcp::packet::Packet;
    use crate::rtcp::tests_support::{assert_refuses_shorter_than, parse, written};

    const LIMITS: [Limit; 2] = [
        Limit { ssrc: Ssrc(2), rate: 0x1_FFFF, overhead: 44 },
        Limit { ssrc: Ssrc(3), rate: 0x1_0000 << 30, overhead: 511 },
    ];

    #[test]
    fn a_request_is_read_as_written() {
        let bytes = written(|writer| assert_eq!(write_request(writer, Ssrc(1), &LIMITS), Some(2)));
        let expected = b"\x83\xCD\0\x06\0\0\0\x01\0\0\0\0\0\0\0\x02\x03\xFF\xFE\x2C\0\0\0\x03\x7A\0\x01\xFF";
        assert_eq!(bytes[..], expected[..]);
        let Packet::MaxBitRateRequest(request) = parse(&bytes) else { panic!("not a request") };
        assert_eq!(request.sender, Ssrc(1));
        assert!(request.limits().eq(LIMITS));
        assert_refuses_shorter_than(&bytes, 20);
    }

    #[test]
    fn a_notification_may_be_empty_and_a_request_not() {
        let bytes = written(|writer| assert_eq!(write_notification(writer, Ssrc(1), &[]), Some(0)));
        let Packet::MaxBitRateNotification(notification) = parse(&bytes) else { panic!("not a notification") };
        assert_eq!(notification.limits().count(), 0);
        written(|writer| assert_eq!(write_request(writer, Ssrc(1), &[]), None));
        let bytes = written(|writer| assert_eq!(write_notification(writer, Ssrc(1), &LIMITS), Some(2)));
        let Packet::MaxBitRateNotification(notification) = parse(&bytes) else { panic!("not a notification") };
        assert!(notification.limits().eq(LIMITS));
    }

    #[test]
    fn rates_beyond_64_bits_are_no_limits() {
        let mut bytes = written(|writer| assert!(write_request(writer, Ssrc(1), &LIMITS).is_some()));
        bytes[16..20].fill(0xFF);
        let Packet::MaxBitRateRequest(request) = parse(&bytes) else { panic!("not a request") };
        assert!(request.limits().eq([LIMITS[1]]));
    }
}
