//! Numbers of the wire.

use core::fmt;
use peerage_base::serial::Serial;

/// Transmission sequence number of a DATA chunk (RFC 9260 §1.6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Tsn(pub u32);

impl Tsn {
    /// The number after this one.
    #[must_use]
    pub fn next(self) -> Self {
        self.plus(1)
    }

    /// The number before this one.
    #[must_use]
    pub fn previous(self) -> Self {
        Self(self.0.wrapping_sub(1))
    }

    /// Steps from `earlier` to `self`, going forward.
    pub fn steps_from(self, earlier: Self) -> u32 {
        self.0.wrapping_sub(earlier.0)
    }
}

impl Serial for Tsn {
    fn plus(self, n: u32) -> Self {
        Self(self.0.plus(n))
    }

    fn distance(self, earlier: Self) -> i64 {
        self.0.distance(earlier.0)
    }
}

impl fmt::Display for Tsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Verification tag of an association end (RFC 9260 §8.5). Zero only stands in a packet that carries INIT.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tag(pub u32);

/// Stream sequence number: the order of messages within one stream (RFC 9260 §6.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ssn(pub u16);

/// Message identifier: names a message among the ordered, or the unordered, ones of a stream (RFC 8260 §2.1). A stream
/// sequence number is taken for the low half of one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mid(pub u32);

impl Mid {
    /// The number after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }

    /// The low half, as DATA carries it.
    #[must_use]
    pub fn ssn(self) -> Ssn {
        Ssn(self.0 as u16)
    }

    /// The number nearest to this one that has the low half `ssn`.
    #[must_use]
    pub fn nearest(self, ssn: Ssn) -> Self {
        let distance = ssn.0.wrapping_sub(self.0 as u16) as i16;
        Self(self.0.wrapping_add_signed(distance.into()))
    }
}

impl From<Ssn> for Mid {
    fn from(ssn: Ssn) -> Self {
        Self(ssn.0.into())
    }
}

/// Fragment sequence number: the place of a fragment in its message, the first being 0 (RFC 8260 §2.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fsn(pub u32);

/// Stream identifier; 65535 is not a legal one for a data channel (RFC 8832 §6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub u16);

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Sequence number of a stream reconfiguration request (RFC 6525 §4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestNumber(pub u32);

impl RequestNumber {
    /// The number after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }
}

/// Payload protocol identifier (RFC 8831 §8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ppid(pub u32);

impl Ppid {
    /// Data channel establishment protocol.
    pub const DCEP: Self = Self(50);
    /// Text.
    pub const STRING: Self = Self(51);
    /// Part of a binary message, deprecated.
    pub const BINARY_PARTIAL: Self = Self(52);
    /// Binary.
    pub const BINARY: Self = Self(53);
    /// Part of a text, deprecated.
    pub const STRING_PARTIAL: Self = Self(54);
    /// Empty text; the chunk carries one byte that means nothing.
    pub const STRING_EMPTY: Self = Self(56);
    /// Empty binary message; the chunk carries one byte that means nothing.
    pub const BINARY_EMPTY: Self = Self(57);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_identifier_is_found_by_its_low_half_in_both_directions_and_across_both_wraps() {
        for mid in [0u32, 1, 0x7FFF, 0xFFFF, 0x1_0000, 0xFFFF_FFFF] {
            for distance in [-0x7FFF, -1, 0, 1, 0x7FFF] {
                let there = Mid(mid.wrapping_add_signed(distance));
                assert_eq!(Mid(mid).nearest(there.ssn()), there, "{mid:x} {distance}");
            }
        }
    }
}
