//! What a packet tells.

use super::sps;
use super::unit::{self, IRAP, LAST_SLICE, SPS};
use crate::error::ParseError;
use crate::payload::info::{Dimensions, Info, Layers, Start};
use crate::payload::nal::payload::Payload;

/// What one packet tells.
///
/// # Errors
/// If the payload is malformed.
pub fn inspect(payload: &[u8], marker: bool) -> Result<Info, ParseError> {
    let mut seen = Seen::default();
    match unit::parse(payload)? {
        Payload::Single(bytes) => seen.unit(bytes),
        Payload::Aggregate(units) => units.for_each(|bytes| seen.unit(bytes)),
        Payload::Fragment(fragment) if fragment.is_start => seen.start_of_unit(fragment.header, fragment.data),
        Payload::Fragment(fragment) => seen.rest_of_unit(fragment.header),
    }
    Ok(Info {
        start: seen.start.unwrap_or_default(),
        end: marker,
        end_of_picture: marker,
        is_key: seen.is_key,
        layers: Layers { temporal: seen.temporal, ..Layers::default() },
        dimensions: seen.dimensions,
        ..Info::default()
    })
}

#[derive(Default)]
struct Seen {
    /// What the first unit says.
    start: Option<Start>,
    is_key: bool,
    temporal: Option<u8>,
    dimensions: Option<Dimensions>,
}

impl Seen {
    fn unit(&mut self, bytes: &[u8]) {
        let Some((header, body)) = bytes.split_first_chunk() else { return };
        if unit::kind(*header) == SPS {
            self.dimensions = sps::dimensions(bytes).or(self.dimensions);
        }
        self.start_of_unit(*header, body);
    }

    fn start_of_unit(&mut self, header: [u8; 2], body: &[u8]) {
        // The first bit of a slice tells whether it is the first of its picture.
        let is_later = unit::kind(header) <= LAST_SLICE && body.first().is_some_and(|byte| byte & 0x80 == 0);
        self.start.get_or_insert(if is_later { Start::No } else { Start::Possible });
        self.rest_of_unit(header);
    }

    fn rest_of_unit(&mut self, header: [u8; 2]) {
        let kind = unit::kind(header);
        self.is_key |= IRAP.contains(&kind) || kind == SPS;
        if kind <= LAST_SLICE {
            self.temporal = self.temporal.or(unit::temporal(header));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_tell_starts_keys_and_layers() {
        let told = |payload: &[u8]| {
            let info = inspect(payload, true).unwrap();
            (info.start, info.is_key, info.layers.temporal)
        };
        assert_eq!(told(&[0x26, 0x01, 0xAF]), (Start::Possible, true, Some(0)));
        assert_eq!(told(&[0x02, 0x03, 0x2F]), (Start::No, false, Some(2)));
        assert_eq!(told(&[0x62, 0x01, 0x93, 0xAF]), (Start::Possible, true, Some(0)));
        assert_eq!(told(&[0x62, 0x01, 0x13, 0xAF]), (Start::No, true, Some(0)));
        assert_eq!(told(&[0x60, 0x01, 0, 2, 0x40, 1, 0, 3, 0x26, 1, 0x80]), (Start::Possible, true, Some(0)));
        for bad in [&[][..], &[0x26], &[0x62, 1], &[0x64, 1, 2], &[0x62, 1, 0xB0, 2], &[0x60, 1, 0, 1, 0x40]] {
            assert!(inspect(bad, true).is_err(), "{bad:?}");
        }
    }
}
