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

impl Ssn {
    /// The number after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }
}

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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
