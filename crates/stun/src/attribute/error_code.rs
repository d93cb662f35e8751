//! ERROR-CODE (RFC 8489 §14.8) and ADDRESS-ERROR-CODE (RFC 8656 §18.12).
//!
//! ```text
//! | 0, or the family (8) | 0 (13) | class (3) | number (8) | reason phrase ... |
//! ```

use crate::attribute::address::AddressFamily;
use crate::room::Room;
use core::fmt;
use peerage_base::reader::Reader;

/// Why a request failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorCode<'a> {
    /// 300 to 699.
    pub code: u16,
    /// For humans. Empty if the sender's was not UTF-8.
    pub reason: &'a str,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $reason:literal;)*) => {
        impl ErrorCode<'static> {
            $($(#[$doc])* pub const $name: Self = Self { code: $code, reason: $reason };)*
        }
    };
}

codes! {
    /// RFC 8489 §14.8: ask the server named in ALTERNATE-SERVER.
    TRY_ALTERNATE = 300, "Try Alternate";
    /// RFC 8489 §14.8: the request was malformed.
    BAD_REQUEST = 400, "Bad Request";
    /// RFC 8489 §14.8: the credentials are missing or wrong.
    UNAUTHENTICATED = 401, "Unauthenticated";
    /// RFC 8656 §19: the peer or the operation is not allowed.
    FORBIDDEN = 403, "Forbidden";
    /// RFC 8016 §3: mobility is not offered.
    MOBILITY_FORBIDDEN = 405, "Mobility Forbidden";
    /// RFC 8489 §14.8: a comprehension-required attribute was not understood.
    UNKNOWN_ATTRIBUTE = 420, "Unknown Attribute";
    /// RFC 8656 §19: there is no allocation, or there is one already.
    ALLOCATION_MISMATCH = 437, "Allocation Mismatch";
    /// RFC 8489 §14.8: the nonce has expired.
    STALE_NONCE = 438, "Stale Nonce";
    /// RFC 8656 §19: no relay address of that family.
    ADDRESS_FAMILY_NOT_SUPPORTED = 440, "Address Family not Supported";
    /// RFC 8656 §19: the allocation belongs to other credentials.
    WRONG_CREDENTIALS = 441, "Wrong Credentials";
    /// RFC 8656 §19: the transport to the peer is not offered.
    UNSUPPORTED_TRANSPORT_PROTOCOL = 442, "Unsupported Transport Protocol";
    /// RFC 8656 §19: the peer address is of another family than the relay address.
    PEER_ADDRESS_FAMILY_MISMATCH = 443, "Peer Address Family Mismatch";
    /// RFC 6062 §6.3: there is a connection to that peer already.
    CONNECTION_ALREADY_EXISTS = 446, "Connection Already Exists";
    /// RFC 6062 §6.3: the peer could not be connected.
    CONNECTION_TIMEOUT_OR_FAILURE = 447, "Connection Timeout or Failure";
    /// RFC 8656 §19: the user has too many allocations.
    ALLOCATION_QUOTA_REACHED = 486, "Allocation Quota Reached";
    /// RFC 8445 §16.2: both agents took the same role.
    ROLE_CONFLICT = 487, "Role Conflict";
    /// RFC 8489 §14.8: temporary failure of the server.
    SERVER_ERROR = 500, "Server Error";
    /// RFC 8656 §19: the server is out of resources.
    INSUFFICIENT_CAPACITY = 508, "Insufficient Capacity";
}

impl<'a> ErrorCode<'a> {
    /// The hundreds digit, 3 to 6.
    pub const fn class(&self) -> u8 {
        (self.code / 100) as u8
    }

    /// The first byte (an address family, or nothing) and the code.
    pub(crate) fn parse(value: &'a [u8]) -> Option<(AddressFamily, Self)> {
        let mut reader = Reader::new(value);
        let family = AddressFamily(reader.u8()?);
        let _reserved = reader.u8()?;
        let class = u16::from(reader.u8()? & 0b111);
        let number = u16::from(reader.u8()?);
        if !(3..=6).contains(&class) || number > 99 {
            return None;
        }
        let reason = core::str::from_utf8(reader.rest()).unwrap_or_default();
        Some((family, Self { code: class * 100 + number, reason }))
    }

    pub(crate) fn write(&self, room: &mut Room<'_>, family: AddressFamily) -> Option<()> {
        room.put(&[family.0, 0, self.class(), (self.code % 100) as u8])?;
        room.put(self.reason.as_bytes())
    }

    pub(crate) const fn is_valid(&self) -> bool {
        self.code >= 300 && self.code <= 699
    }
}

impl fmt::Display for ErrorCode<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.reason)
    }
}

#[cfg(test)]
mod tests {
    use super::ErrorCode;

    #[test]
    fn a_code_outside_300_to_699_is_refused() {
        assert_eq!(ErrorCode::parse(&[0, 0, 4, 20]).unwrap().1.code, 420);
        assert_eq!(ErrorCode::parse(&[0, 0, 0xFC, 20]).unwrap().1.code, 420);
        for bad in [[0, 0, 2, 0], [0, 0, 7, 0], [0, 0, 4, 100]] {
            assert_eq!(ErrorCode::parse(&bad), None);
        }
        assert_eq!(ErrorCode::parse(&[0, 0, 4]), None);
    }

    #[test]
    fn a_reason_that_is_not_text_is_dropped_and_the_code_kept() {
        let (_, error) = ErrorCode::parse(&[0, 0, 4, 1, 0xFF, 0xFE]).unwrap();
        assert_eq!(error, ErrorCode { code: 401, reason: "" });
    }
}
