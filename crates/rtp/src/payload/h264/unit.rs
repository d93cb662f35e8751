//! NAL units and the payloads that carry them (RFC 6184 §5.2 to §5.8).
//!
//! ```text
//! | F | NRI (2) | type (5) |                    a NAL unit's header, and a packet's
//! | S | E | R | type (5) |                      after it, in a fragment (FU-A)
//! | length (16) | NAL unit | length (16) ...    after it, in an aggregate (STAP-A)
//! ```

use crate::error::ParseError;
use crate::payload::nal::payload::{Aggregate, Fragment, Payload};

/// Slice of a picture that is no IDR picture.
pub const SLICE: u8 = 1;
/// Slice of an IDR picture: decoding may start there.
pub const IDR: u8 = 5;
/// Sequence parameter set.
pub const SPS: u8 = 7;
/// Picture parameter set.
pub const PPS: u8 = 8;

pub(crate) const STAP_A: u8 = 24;
pub(crate) const FU_A: u8 = 28;

/// Type of the unit with this header.
pub const fn kind(header: u8) -> u8 {
    header & 0x1F
}

/// Reads a payload.
///
/// # Errors
/// If it is truncated or of a kind that packetisation modes 0 and 1 have not.
pub fn parse(payload: &[u8]) -> Result<Payload<'_>, ParseError> {
    let (header, body) = payload.split_first().ok_or(ParseError::Truncated("H.264 payload"))?;
    match kind(*header) {
        1..=23 => Ok(Payload::Single(payload)),
        STAP_A => Aggregate::parse(body, 1).map(Payload::Aggregate),
        FU_A => {
            let (fragment, data) = body.split_first().ok_or(ParseError::Truncated("H.264 fragment"))?;
            if !matches!(kind(*fragment), 1..=23) {
                return Err(ParseError::Invalid("H.264 fragment"));
            }
            Ok(Payload::Fragment(Fragment {
                header: [(header & 0xE0) | kind(*fragment), 0],
                header_len: 1,
                is_start: fragment & 0x80 != 0,
                is_end: fragment & 0x40 != 0,
                data,
            }))
        }
        _ => Err(ParseError::Invalid("H.264 payload")),
    }
}
