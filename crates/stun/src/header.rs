//! The header: class, method, transaction (RFC 8489 §5).
//!
//! ```text
//! | 0 0 (2) | type (14) | length (16) | magic cookie (32) | transaction id (96) |
//! ```

use core::fmt;
use peerage_base::rng::Rng;

/// Bytes 4 to 8 of every message.
pub const MAGIC_COOKIE: u32 = 0x2112_A442;
/// Length of the header in bytes.
pub const HEADER: usize = 20;

/// What kind of message it is (RFC 8489 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Wants a response.
    Request,
    /// Wants none.
    Indication,
    /// The request was carried out.
    Success,
    /// The request was refused.
    Error,
}

/// What the message asks for or answers: 12 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Method(pub u16);

impl Method {
    /// RFC 8489 §18.2.
    pub const BINDING: Self = Self(0x001);
    /// RFC 8656 §17.
    pub const ALLOCATE: Self = Self(0x003);
    /// RFC 8656 §17.
    pub const REFRESH: Self = Self(0x004);
    /// RFC 8656 §17.
    pub const SEND: Self = Self(0x006);
    /// RFC 8656 §17.
    pub const DATA: Self = Self(0x007);
    /// RFC 8656 §17.
    pub const CREATE_PERMISSION: Self = Self(0x008);
    /// RFC 8656 §17.
    pub const CHANNEL_BIND: Self = Self(0x009);
    /// RFC 6062 §6.1.
    pub const CONNECT: Self = Self(0x00A);
    /// RFC 6062 §6.1.
    pub const CONNECTION_BIND: Self = Self(0x00B);
    /// RFC 6062 §6.1.
    pub const CONNECTION_ATTEMPT: Self = Self(0x00C);
}

/// Ties a response to its request.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransactionId(pub [u8; 12]);

impl TransactionId {
    /// A fresh one.
    pub fn random(rng: &mut Rng) -> Self {
        Self(rng.bytes())
    }
}

impl fmt::Debug for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The first two bytes: class and method, interleaved (RFC 8489 §5 figure 3).
pub(crate) const fn type_bits(class: Class, method: Method) -> u16 {
    let m = method.0;
    let class = match class {
        Class::Request => 0x000,
        Class::Indication => 0x010,
        Class::Success => 0x100,
        Class::Error => 0x110,
    };
    (m & 0xF80) << 2 | (m & 0x070) << 1 | m & 0x00F | class
}

pub(crate) const fn split_type(bits: u16) -> (Class, Method) {
    let class = match bits & 0x110 {
        0x000 => Class::Request,
        0x010 => Class::Indication,
        0x100 => Class::Success,
        _ => Class::Error,
    };
    (class, Method((bits & 0x3E00) >> 2 | (bits & 0x00E0) >> 1 | bits & 0x000F))
}

/// Whether `packet` is to be taken for STUN among everything else that shares a socket (RFC 9443, RFC 8489 §5).
pub fn is_stun(packet: &[u8]) -> bool {
    packet.len() >= HEADER && packet[0] < 4 && packet[4..8] == MAGIC_COOKIE.to_be_bytes()
}
