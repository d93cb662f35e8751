//! Numbers of the wire.

use core::fmt;
use peerage_base::serial::Serial;

/// Synchronisation source: names one stream of packets (RFC 3550 §3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ssrc(pub u32);

impl fmt::Display for Ssrc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Payload type: seven bits that name a format, by agreement in the description (RFC 3550 §5.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PayloadType(u8);

impl PayloadType {
    /// The payload type `value`; `None` beyond 127.
    pub const fn new(value: u8) -> Option<Self> {
        if value < 0x80 { Some(Self(value)) } else { None }
    }

    /// The low seven bits of the second byte of a packet.
    pub const fn from_byte(byte: u8) -> Self {
        Self(byte & 0x7F)
    }

    /// 0 to 127.
    pub const fn value(self) -> u8 {
        self.0
    }

    /// Whether its packets can be told from RTCP on the same port: not so from 64 to 95 (RFC 5761 §4).
    pub const fn is_demultiplexable(self) -> bool {
        !matches!(self.0, 64..=95)
    }
}

impl fmt::Display for PayloadType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Sequence number of a packet; wraps (RFC 3550 §5.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SequenceNumber(pub u16);

impl SequenceNumber {
    /// The number after this one.
    #[must_use]
    pub fn next(self) -> Self {
        self.plus(1)
    }

    /// Steps from `earlier` to `self`, going forward.
    pub fn steps_from(self, earlier: Self) -> u16 {
        self.0.wrapping_sub(earlier.0)
    }

    /// The number nearest to `reference` that has these low 16 bits: the count that goes on over the wraps.
    pub fn nearest(self, reference: u64) -> u64 {
        let distance = self.distance(Self(reference as u16));
        // Before the first of all numbers there is none.
        reference.checked_add_signed(distance).unwrap_or(u64::from(self.0))
    }
}

impl Serial for SequenceNumber {
    fn plus(self, n: u32) -> Self {
        Self(self.0.plus(n))
    }

    fn distance(self, earlier: Self) -> i64 {
        self.0.distance(earlier.0)
    }
}

impl fmt::Display for SequenceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Media timestamp in ticks of the format's clock; wraps (RFC 3550 §5.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Timestamp(pub u32);

impl Timestamp {
    /// The timestamp nearest to `reference` that has these low 32 bits: the count that goes on over the wraps.
    pub fn nearest(self, reference: u64) -> u64 {
        let distance = self.distance(Self(reference as u32));
        reference.checked_add_signed(distance).unwrap_or(u64::from(self.0))
    }
}

impl Serial for Timestamp {
    fn plus(self, n: u32) -> Self {
        Self(self.0.plus(n))
    }

    fn distance(self, earlier: Self) -> i64 {
        self.0.distance(earlier.0)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_survives_the_wrap() {
        assert_eq!(SequenceNumber(u16::MAX).next(), SequenceNumber(0));
        assert!(SequenceNumber(u16::MAX).before(SequenceNumber(3)));
        assert_eq!(SequenceNumber(2).steps_from(SequenceNumber(u16::MAX)), 3);
        assert_eq!(Timestamp(10).distance(Timestamp(u32::MAX - 9)), 20);
    }

    #[test]
    fn counts_go_on_over_the_wraps() {
        assert_eq!(SequenceNumber(3).nearest(0x1_FFFE), 0x2_0003);
        assert_eq!(SequenceNumber(0xFFFE).nearest(0x2_0003), 0x1_FFFE);
        assert_eq!(SequenceNumber(0xFFFE).nearest(3), 0xFFFE);
        assert_eq!(Timestamp(5).nearest(0x7_FFFF_FFF0), 0x8_0000_0005);
        assert_eq!(Timestamp(0xFFFF_FFFF).nearest(0), 0xFFFF_FFFF);
    }

    #[test]
    fn a_payload_type_has_seven_bits() {
        assert_eq!(PayloadType::new(127).map(PayloadType::value), Some(127));
        assert_eq!(PayloadType::new(128), None);
        assert_eq!(PayloadType::from_byte(0xE0).value(), 0x60);
    }

    #[test]
    fn payload_types_that_look_like_rtcp_are_told() {
        let clear = (0..128).filter_map(PayloadType::new).filter(|kind| !kind.is_demultiplexable());
        assert!(clear.map(PayloadType::value).eq(64..96));
    }
}
