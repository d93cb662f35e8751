//! What a packet tells.

use super::obu::{Header, SEQUENCE_HEADER};
use super::payload::Payload;
use super::sequence;
use crate::error::ParseError;
use crate::payload::info::{Info, Layers, Start};

/// What one packet tells. Frames of several spatial layers in one temporal unit, and what may be dropped, are told by the
/// dependency descriptor only.
///
/// # Errors
/// If the payload is malformed.
pub fn inspect(payload: &[u8], marker: bool) -> Result<Info, ParseError> {
    let payload = Payload::parse(payload)?;
    let start = match (payload.is_continuing, payload.starts_sequence) {
        (true, _) => Start::No,
        (false, true) => Start::Yes,
        (false, false) => Start::Possible,
    };
    let mut info =
        Info { start, end: marker, end_of_picture: marker, is_key: payload.starts_sequence, ..Info::default() };
    let whole_from = usize::from(payload.is_continuing);
    for (header, rest) in payload.elements.skip(whole_from).filter_map(Header::parse) {
        if let Some((temporal, spatial)) = header.layers()
            && info.layers.temporal.is_none()
        {
            info.layers = Layers { temporal: Some(temporal), spatial: Some(spatial), is_switching_point: false };
        }
        if header.kind() == SEQUENCE_HEADER && !header.has_size() {
            info.dimensions = info.dimensions.or(sequence::dimensions(rest));
        }
    }
    Ok(info)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_and_layers_are_told() {
        let info = inspect(&[0x18, 0x0C, 0x28, 0, 0], true).unwrap();
        assert_eq!((info.start, info.is_key, info.end), (Start::Yes, true, true));
        assert_eq!((info.layers.temporal, info.layers.spatial), (Some(1), Some(1)));
        assert_eq!(inspect(&[0x90, 0x34, 0x28], false).unwrap().layers, Layers::default());
        assert_eq!(inspect(&[0x10, 0x30, 1], false).unwrap().start, Start::Possible);
        assert_eq!(inspect(&[0x90, 0x30, 1], false).unwrap().start, Start::No);
    }
}
