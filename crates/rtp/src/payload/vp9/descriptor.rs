//! The payload descriptor (RFC 9628 §4.2).
//!
//! ```text
//! | I | P | L | F | B | E | V | Z |
//! | M | picture id (7) |               if I; 15 bits in two bytes if M
//! | TID (3) | U | SID (3) | D |        if L
//! | TL0PICIDX (8) |                    if L and not F
//! | P_DIFF (7) | N |                   if F and P; again while N, at most three
//! | scalability structure |            if V
//! ```

use super::structure::{References, Structure};
use crate::error::ParseError;
use crate::payload::info::PictureId;
use crate::payload::misuse::Misuse;
use crate::payload::vp8::descriptor::renumber_picture;
use peerage_base::reader::Reader;

/// Longest descriptor without its structure, in bytes.
pub const MAX_LEN: usize = 8;

/// Layers of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Temporal layer, 0 to 7.
    pub temporal: u8,
    /// Spatial layer, 0 to 7.
    pub spatial: u8,
    /// One may go up to this temporal layer here.
    pub is_switching_point: bool,
    /// It depends on the spatial layer below.
    pub is_layer_predicted: bool,
}

/// What precedes a part of a frame of one spatial layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Descriptor<'a> {
    /// Number of the picture.
    pub picture_id: Option<PictureId>,
    /// It depends on earlier pictures.
    pub is_predicted: bool,
    /// Layers.
    pub layer: Option<Layer>,
    /// Each frame names what it depends on, rather than following a structure.
    pub is_flexible: bool,
    /// The frame starts here.
    pub is_start: bool,
    /// The frame ends here.
    pub is_end: bool,
    /// Higher spatial layers of the picture do not depend on it.
    pub is_not_for_upper: bool,
    /// Number of the last picture of temporal layer 0, this one included; sent with `layer` unless flexible.
    pub tl0_index: Option<u8>,
    /// What a predicted frame depends on, if flexible.
    pub references: References,
    /// The structure of the stream.
    pub structure: Option<Structure<'a>>,
}

impl<'a> Descriptor<'a> {
    /// Reads the descriptor and answers what follows it.
    ///
    /// # Errors
    /// If it is truncated, names more than three references or references by no number, or nothing follows.
    pub fn parse(payload: &'a [u8]) -> Result<(Self, &'a [u8]), ParseError> {
        let mut r = Reader::new(payload);
        let descriptor = Self::read(&mut r).ok_or(ParseError::Invalid("VP9 payload descriptor"))?;
        match r.rest() {
            [] => Err(ParseError::Truncated("VP9 payload")),
            rest => Ok((descriptor, rest)),
        }
    }

    /// Whether the picture is a key frame, as seen from this packet: nothing earlier and no lower layer is needed.
    pub fn is_key(&self) -> bool {
        !self.is_predicted && self.layer.is_none_or(|layer| layer.spatial == 0 && !layer.is_layer_predicted)
    }

    /// Length in bytes, without the structure.
    pub fn size(&self) -> usize {
        let picture_id = self.picture_id.map_or(0, |id| 1 + usize::from(id.bits() == 15));
        let layer = self.layer.map_or(0, |_| 1 + usize::from(!self.is_flexible));
        let references = if self.names_references() { self.references.as_slice().len() } else { 0 };
        1 + picture_id + layer + references
    }

    /// Whether every field has a value that can be written.
    ///
    /// # Errors
    /// If one is out of range.
    pub fn check(&self) -> Result<(), Misuse> {
        let references = self.references.as_slice();
        match self {
            Self { layer: Some(Layer { temporal: 8.., .. } | Layer { spatial: 8.., .. }), .. } => {
                Err(Misuse::Range("VP9 layer"))
            }
            _ if references.iter().any(|distance| *distance > 127) => Err(Misuse::Range("VP9 reference")),
            _ if self.names_references() && (references.is_empty() || self.picture_id.is_none()) => {
                Err(Misuse::Malformed("VP9 payload descriptor"))
            }
            _ => Ok(()),
        }
    }

    /// Writes the descriptor to the start of `out` and answers its length; `None` if it does not fit.
    pub fn write(&self, out: &mut [u8]) -> Option<usize> {
        let structure = self.structure.map_or(&[][..], |structure| structure.as_bytes());
        let (head, rest) = out.split_at_mut_checked(self.size())?;
        rest.get_mut(..structure.len())?.copy_from_slice(structure);
        let mut at = 0;
        let mut put = |byte: u8| {
            head[at] = byte;
            at += 1;
        };
        put(self.flags());
        if let Some(id) = self.picture_id {
            let [high, low] = id.value().to_be_bytes();
            if id.bits() == 15 {
                put(0x80 | high);
            }
            put(low);
        }
        if let Some(layer) = self.layer {
            let switching = u8::from(layer.is_switching_point) << 4;
            put((layer.temporal << 5) | switching | ((layer.spatial & 7) << 1) | u8::from(layer.is_layer_predicted));
            if !self.is_flexible {
                put(self.tl0_index.unwrap_or_default());
            }
        }
        if self.names_references() {
            let distances = self.references.as_slice();
            for (n, distance) in distances.iter().enumerate() {
                put((distance << 1) | u8::from(n + 1 < distances.len()));
            }
        }
        Some(head.len() + structure.len())
    }

    /// The same without the structure.
    pub(crate) fn without_structure(&self) -> Descriptor<'static> {
        Descriptor {
            picture_id: self.picture_id,
            is_predicted: self.is_predicted,
            layer: self.layer,
            is_flexible: self.is_flexible,
            is_start: self.is_start,
            is_end: self.is_end,
            is_not_for_upper: self.is_not_for_upper,
            tl0_index: self.tl0_index,
            references: self.references,
            structure: None,
        }
    }

    fn names_references(&self) -> bool {
        self.is_flexible && self.is_predicted
    }

    fn flags(&self) -> u8 {
        let flags = [
            self.picture_id.is_some(),
            self.is_predicted,
            self.layer.is_some(),
            self.is_flexible,
            self.is_start,
            self.is_end,
            self.structure.is_some(),
            self.is_not_for_upper,
        ];
        flags.into_iter().fold(0, |byte, flag| (byte << 1) | u8::from(flag))
    }

    fn read(r: &mut Reader<'a>) -> Option<Self> {
        let first = r.u8()?;
        let mut descriptor = Self {
            is_predicted: first & 0x40 != 0,
            is_flexible: first & 0x10 != 0,
            is_start: first & 0x08 != 0,
            is_end: first & 0x04 != 0,
            is_not_for_upper: first & 0x01 != 0,
            ..Self::default()
        };
        if first & 0x80 != 0 {
            let byte = r.u8()?;
            descriptor.picture_id = Some(match byte & 0x80 {
                0 => PictureId::narrow(byte),
                _ => PictureId::wide(u16::from_be_bytes([byte, r.u8()?])),
            });
        }
        if first & 0x20 != 0 {
            let byte = r.u8()?;
            descriptor.layer = Some(Layer {
                temporal: byte >> 5,
                spatial: (byte >> 1) & 7,
                is_switching_point: byte & 0x10 != 0,
                is_layer_predicted: byte & 1 != 0,
            });
            if !descriptor.is_flexible {
                descriptor.tl0_index = Some(r.u8()?);
            }
        }
        if descriptor.names_references() {
            // Distances are between picture numbers.
            descriptor.picture_id?;
            loop {
                let byte = r.u8()?;
                descriptor.references.push(byte >> 1)?;
                if byte & 1 == 0 {
                    break;
                }
            }
        }
        if first & 0x02 != 0 {
            descriptor.structure = Some(Structure::parse(r)?);
        }
        Some(descriptor)
    }
}

/// Gives the picture of a payload another number, and the last picture of temporal layer 0 too, as a forwarder does: in place,
/// as far as the descriptor has them, and in as many bits.
pub fn renumber(payload: &mut [u8], picture_id: u16, tl0_index: u8) {
    let Some(first) = payload.first().copied() else { return };
    let mut at = 1;
    if first & 0x80 != 0 {
        at += renumber_picture(payload, at, picture_id);
    }
    // With layers, and not flexible.
    if first & 0x30 == 0x20
        && let Some(byte) = payload.get_mut(at + 1)
    {
        *byte = tl0_index;
    }
}

#[cfg(test)]
mod tests {
    use super::super::structure::Layers;
    use super::*;
    use crate::payload::info::Dimensions;
    use alloc::vec::Vec;

    fn layer(temporal: u8, spatial: u8, is_switching_point: bool, is_layer_predicted: bool) -> Option<Layer> {
        Some(Layer { temporal, spatial, is_switching_point, is_layer_predicted })
    }

    #[test]
    fn layouts_are_as_drawn() {
        let sizes = [Dimensions { width: 640, height: 360 }];
        let structure = Structure::encode(Layers::Sized(&sizes), &[]).unwrap();
        let cases: [(&[u8], Descriptor<'_>); 5] = [
            (&[0x0C], Descriptor { is_start: true, is_end: true, ..Descriptor::default() }),
            (
                &[0x88, 0x91, 0x23],
                Descriptor { is_start: true, picture_id: Some(PictureId::wide(0x1123)), ..Descriptor::default() },
            ),
            (
                &[0xE0, 0x12, 0x33, 0x44],
                Descriptor {
                    picture_id: Some(PictureId::narrow(0x12)),
                    is_predicted: true,
                    layer: layer(1, 1, true, true),
                    tl0_index: Some(0x44),
                    ..Descriptor::default()
                },
            ),
            (
                &[0xF5, 0x12, 0x62, 0x03, 0x05, 0x06],
                Descriptor {
                    picture_id: Some(PictureId::narrow(0x12)),
                    is_predicted: true,
                    is_flexible: true,
                    is_end: true,
                    is_not_for_upper: true,
                    layer: layer(3, 1, false, false),
                    references: References::new(&[1, 2, 3]).unwrap(),
                    ..Descriptor::default()
                },
            ),
            (
                &[0x0A, 0x10, 2, 0x80, 1, 0x68],
                Descriptor {
                    is_start: true,
                    structure: Structure::parse(&mut Reader::new(&structure)),
                    ..Descriptor::default()
                },
            ),
        ];
        for (bytes, descriptor) in cases {
            let payload: Vec<u8> = bytes.iter().copied().chain([7]).collect();
            assert_eq!(Descriptor::parse(&payload).unwrap(), (descriptor, &[7][..]));
            let mut out = [0; 40];
            assert_eq!(descriptor.write(&mut out), Some(bytes.len()));
            assert_eq!(&out[..bytes.len()], bytes);
            assert!(descriptor.check().is_ok());
            for len in 0..payload.len() {
                assert!(Descriptor::parse(&payload[..len]).is_err(), "{len}");
                assert!(len >= bytes.len() || descriptor.write(&mut out[..len]).is_none());
            }
        }
    }

    #[test]
    fn a_fourth_reference_or_one_without_a_number_is_refused() {
        assert!(Descriptor::parse(&[0xD0, 1, 3, 5, 7, 8, 9]).is_err());
        assert!(Descriptor::parse(&[0x50, 2, 9, 9]).is_err());
        let flexible = Descriptor { is_flexible: true, is_predicted: true, ..Descriptor::default() };
        assert!(flexible.check().is_err());
        assert!(Descriptor { layer: layer(8, 0, false, false), ..Descriptor::default() }.check().is_err());
    }

    #[test]
    fn upper_layers_of_a_key_picture_are_no_key_frames_of_their_own() {
        assert!(Descriptor::default().is_key());
        assert!(Descriptor { layer: layer(0, 0, false, false), ..Descriptor::default() }.is_key());
        assert!(!Descriptor { layer: layer(0, 1, false, true), ..Descriptor::default() }.is_key());
        assert!(!Descriptor { is_predicted: true, ..Descriptor::default() }.is_key());
    }

    #[test]
    fn pictures_are_renumbered_in_place_and_nothing_else_is() {
        let plain = Descriptor { picture_id: Some(PictureId::wide(7)), ..Descriptor::default() };
        let layered = Descriptor { layer: layer(1, 2, false, true), tl0_index: Some(9), ..plain };
        let flexible = Descriptor { layer: layer(1, 2, false, true), is_flexible: true, ..plain };
        let narrow = Descriptor { picture_id: Some(PictureId::narrow(7)), ..layered };
        let none = Descriptor { picture_id: None, ..layered };
        for before in [plain, layered, flexible, narrow, none, Descriptor::default()] {
            let mut bytes = [0xEE; MAX_LEN + 3];
            let len = before.write(&mut bytes).unwrap();
            renumber(&mut bytes[..len + 3], 0x5123, 0x77);
            let (after, rest) = Descriptor::parse(&bytes[..len + 3]).unwrap();
            let number =
                |id: PictureId| if id.bits() == 15 { PictureId::wide(0x5123) } else { PictureId::narrow(0x23) };
            let picture_id = before.picture_id.map(number);
            assert_eq!(after, Descriptor { picture_id, tl0_index: before.tl0_index.map(|_| 0x77), ..before });
            assert_eq!(rest, [0xEE; 3]);
            (0..len).for_each(|short| renumber(&mut bytes[..short], 1, 1));
        }
    }
}
