//! What a packet tells.

use super::sps::Sps;
use super::unit::{self, IDR, SLICE, SPS};
use crate::error::ParseError;
use crate::payload::info::{Info, Start};
use crate::payload::nal::payload::Payload;

/// What one packet tells. A packet with a sequence parameter set counts as a key frame's, as one with an IDR slice does.
///
/// # Errors
/// If the payload is malformed.
pub fn inspect(payload: &[u8], marker: bool) -> Result<Info, ParseError> {
    let mut seen = Seen { is_discardable: true, ..Seen::default() };
    match unit::parse(payload)? {
        Payload::Single(bytes) => seen.unit(bytes),
        Payload::Aggregate(units) => units.for_each(|bytes| seen.unit(bytes)),
        Payload::Fragment(fragment) => match fragment.is_start {
            true => seen.start_of_unit(fragment.header[0], fragment.data),
            false => seen.rest_of_unit(fragment.header[0]),
        },
    }
    Ok(Info {
        start: seen.start.unwrap_or_default(),
        end: marker,
        end_of_picture: marker,
        is_key: seen.is_key,
        is_discardable: seen.is_discardable,
        dimensions: seen.sps.map(|sps| sps.dimensions),
        ..Info::default()
    })
}

#[derive(Default)]
struct Seen {
    /// What the first unit says.
    start: Option<Start>,
    is_key: bool,
    is_discardable: bool,
    sps: Option<Sps>,
}

impl Seen {
    fn unit(&mut self, bytes: &[u8]) {
        let Some((header, body)) = bytes.split_first() else { return };
        if unit::kind(*header) == SPS {
            self.sps = Sps::parse(bytes).or(self.sps);
        }
        self.start_of_unit(*header, body);
    }

    fn start_of_unit(&mut self, header: u8, body: &[u8]) {
        let is_slice = matches!(unit::kind(header), SLICE..=IDR);
        // A slice that does not begin with the first macroblock (its number is a single bit then) starts no picture.
        let is_later = is_slice && body.first().is_some_and(|byte| byte & 0x80 == 0);
        self.start.get_or_insert(if is_later { Start::No } else { Start::Possible });
        self.rest_of_unit(header);
    }

    fn rest_of_unit(&mut self, header: u8) {
        self.is_key |= matches!(unit::kind(header), IDR | SPS);
        self.is_discardable &= header & 0x60 == 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(payload: &[u8]) -> (Start, bool, bool) {
        let info = inspect(payload, false).unwrap();
        (info.start, info.is_key, info.is_discardable)
    }

    #[test]
    fn slices_tell_starts_keys_and_what_may_be_dropped() {
        assert_eq!(told(&[0x65, 0x88, 1]), (Start::Possible, true, false));
        assert_eq!(told(&[0x65, 0x40, 1]), (Start::No, true, false));
        assert_eq!(told(&[0x41, 0x9A]), (Start::Possible, false, false));
        assert_eq!(told(&[0x01, 0x9A]), (Start::Possible, false, true));
        assert_eq!(told(&[0x7C, 0x85, 0x88]), (Start::Possible, true, false));
        assert_eq!(told(&[0x7C, 0x05, 0x88]), (Start::No, true, false));
        assert_eq!(told(&[0x1C, 0x41, 0x88]), (Start::No, false, true));
        // A picture parameter set and an IDR slice together.
        assert_eq!(told(&[0x78, 0, 1, 0x68, 0, 2, 0x65, 0x88]), (Start::Possible, true, false));
    }

    #[test]
    fn kinds_of_other_modes_are_refused() {
        for kind in [0, 25, 26, 27, 29, 30, 31] {
            assert!(inspect(&[0x60 | kind, 0x85, 1, 1, 1], false).is_err(), "{kind}");
        }
        assert!(inspect(&[], false).is_err());
        assert!(inspect(&[0x7C], false).is_err());
        assert!(inspect(&[0x7C, 0x98, 1], false).is_err());
    }
}
