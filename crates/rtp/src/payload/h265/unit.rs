//! NAL units and the payloads that carry them (RFC 7798 §1.1.4, §4.4).
//!
//! ```text
//! | F | type (6) | layer (6) | TID (3) |        a NAL unit's header, and a packet's
//! | S | E | type (6) |                          after it, in a fragment (FU)
//! | length (16) | NAL unit | length (16) ...    after it, in an aggregate (AP)
//! ```

use crate::error::ParseError;
use crate::payload::nal::payload::{Aggregate, Fragment, Payload};

/// First and last type of pictures at which decoding may start (IRAP).
pub const IRAP: core::ops::RangeInclusive<u8> = 16..=23;
/// Last type of units that hold a part of a picture.
pub const LAST_SLICE: u8 = 31;
/// Video parameter set.
pub const VPS: u8 = 32;
/// Sequence parameter set.
pub const SPS: u8 = 33;
/// Picture parameter set.
pub const PPS: u8 = 34;

pub(crate) const AP: u8 = 48;
pub(crate) const FU: u8 = 49;

/// Type of the unit with this header.
pub const fn kind(header: [u8; 2]) -> u8 {
    (header[0] >> 1) & 0x3F
}

/// The same header with another type.
pub(crate) const fn with_kind(header: [u8; 2], kind: u8) -> [u8; 2] {
    [(header[0] & 0x81) | (kind << 1), header[1]]
}

/// Temporal layer of the unit with this header; `None` for 0 in the field, which is forbidden.
pub const fn temporal(header: [u8; 2]) -> Option<u8> {
    (header[1] & 7).checked_sub(1)
}

/// Reads a payload.
///
/// # Errors
/// If it is truncated or of a kind that is not supported.
pub fn parse(payload: &[u8]) -> Result<Payload<'_>, ParseError> {
    let (header, body) = payload.split_first_chunk::<2>().ok_or(ParseError::Truncated("H.265 payload"))?;
    match kind(*header) {
        0..AP => Ok(Payload::Single(payload)),
        AP => Aggregate::parse(body, 2).map(Payload::Aggregate),
        FU => {
            let (fragment, data) = body.split_first().ok_or(ParseError::Truncated("H.265 fragment"))?;
            if fragment & 0x3F >= AP {
                return Err(ParseError::Invalid("H.265 fragment"));
            }
            Ok(Payload::Fragment(Fragment {
                header: with_kind(*header, fragment & 0x3F),
                header_len: 2,
                is_start: fragment & 0x80 != 0,
                is_end: fragment & 0x40 != 0,
                data,
            }))
        }
        _ => Err(ParseError::Invalid("H.265 payload")),
    }
}
