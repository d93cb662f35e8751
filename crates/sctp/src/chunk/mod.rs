//! Chunks: one file per chunk type (RFC 9260 §3.3, RFC 3758 §3, RFC 6525 §3, RFC 8260 §2).

pub mod cause;
pub mod data;
pub mod ecne;
pub mod forward_tsn;
pub mod i_data;
pub mod i_forward_tsn;
pub mod init;
pub mod pad;
pub mod param;
pub mod reconfig;
pub mod sack;
pub mod user_data;

#[cfg(test)]
pub(crate) mod tests_support;

/// DATA.
pub const DATA: u8 = 0;
/// INIT.
pub const INIT: u8 = 1;
/// INIT ACK.
pub const INIT_ACK: u8 = 2;
/// SACK.
pub const SACK: u8 = 3;
/// HEARTBEAT.
pub const HEARTBEAT: u8 = 4;
/// HEARTBEAT ACK.
pub const HEARTBEAT_ACK: u8 = 5;
/// ABORT.
pub const ABORT: u8 = 6;
/// SHUTDOWN.
pub const SHUTDOWN: u8 = 7;
/// SHUTDOWN ACK.
pub const SHUTDOWN_ACK: u8 = 8;
/// ERROR.
pub const ERROR: u8 = 9;
/// COOKIE ECHO.
pub const COOKIE_ECHO: u8 = 10;
/// COOKIE ACK.
pub const COOKIE_ACK: u8 = 11;
/// ECN Echo.
pub const ECNE: u8 = 12;
/// SHUTDOWN COMPLETE.
pub const SHUTDOWN_COMPLETE: u8 = 14;
/// I-DATA (RFC 8260).
pub const I_DATA: u8 = 64;
/// RE-CONFIG (RFC 6525).
pub const RE_CONFIG: u8 = 130;
/// PAD (RFC 4820).
pub const PAD: u8 = 132;
/// FORWARD TSN (RFC 3758).
pub const FORWARD_TSN: u8 = 192;
/// I-FORWARD-TSN (RFC 8260).
pub const I_FORWARD_TSN: u8 = 194;

/// The T bit of ABORT and SHUTDOWN COMPLETE: the verification tag is the sender's, reflected (RFC 9260 §8.5.1).
pub const FLAG_T: u8 = 1;

/// What to do with a chunk or parameter of an unknown type, told by its two highest bits (RFC 9260 §3.2, §3.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// Go on with what follows; otherwise drop the rest.
    pub skip: bool,
    /// Tell the sender.
    pub report: bool,
}

impl Unknown {
    /// The rule for a chunk type.
    pub const fn chunk(kind: u8) -> Self {
        Self { skip: kind & 0x80 != 0, report: kind & 0x40 != 0 }
    }

    /// The rule for a parameter type.
    pub const fn param(kind: u16) -> Self {
        Self::chunk((kind >> 8) as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_high_bits_decide_on_unknown_types() {
        assert_eq!(Unknown::chunk(0x3F), Unknown { skip: false, report: false });
        assert_eq!(Unknown::chunk(0x7F), Unknown { skip: false, report: true });
        assert_eq!(Unknown::chunk(0x80), Unknown { skip: true, report: false });
        assert_eq!(Unknown::param(0xC123), Unknown { skip: true, report: true });
    }
}
