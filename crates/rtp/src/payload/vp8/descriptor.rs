//! The payload descriptor (RFC 7741 §4.2).
//!
//! ```text
//! | X | R | N | S | R | PID (3) |
//! | I | L | T | K | RSV (4)     |   if X
//! | M | picture id (7)          |   if I; 15 bits in two bytes if M
//! | TL0PICIDX (8)               |   if L
//! | TID (2) | Y | KEYIDX (5)    |   if T or K
//! ```

use crate::error::ParseError;
use crate::payload::info::PictureId;
use crate::payload::misuse::Misuse;
use peerage_base::reader::Reader;

/// Longest descriptor in bytes.
pub const MAX_LEN: usize = 6;

/// Temporal layer of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Temporal {
    /// 0 to 3, 0 being the base.
    pub id: u8,
    /// The frame depends on the base layer only, so that one may go up to this layer here.
    pub is_switching_point: bool,
}

/// What precedes a part of a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Descriptor {
    /// No other frame depends on this one.
    pub is_discardable: bool,
    /// A partition starts here.
    pub is_start: bool,
    /// The partition that the first byte belongs to, 0 to 7.
    pub partition: u8,
    /// Number of the picture.
    pub picture_id: Option<PictureId>,
    /// Number of the last picture of temporal layer 0, this one included; means something only with `temporal`.
    pub tl0_index: Option<u8>,
    /// Temporal layer.
    pub temporal: Option<Temporal>,
    /// Number of the last key frame, 0 to 31.
    pub key_index: Option<u8>,
}

impl Descriptor {
    /// Reads the descriptor and answers what follows it.
    ///
    /// # Errors
    /// If it is truncated, or nothing follows.
    pub fn parse(payload: &[u8]) -> Result<(Self, &[u8]), ParseError> {
        let mut r = Reader::new(payload);
        let descriptor = Self::read(&mut r).ok_or(ParseError::Truncated("VP8 payload descriptor"))?;
        match r.rest() {
            [] => Err(ParseError::Truncated("VP8 payload")),
            rest => Ok((descriptor, rest)),
        }
    }

    /// Whether a frame starts here.
    pub const fn starts_frame(&self) -> bool {
        self.is_start && self.partition == 0
    }

    /// Length in bytes.
    pub fn size(&self) -> usize {
        let picture_id = self.picture_id.map_or(0, |id| 1 + usize::from(id.bits() == 15));
        let fields = picture_id + usize::from(self.tl0_index.is_some()) + usize::from(self.has_layer_byte());
        1 + fields + usize::from(fields > 0)
    }

    /// Whether every field has a value that can be written.
    ///
    /// # Errors
    /// If one is out of range.
    pub fn check(&self) -> Result<(), Misuse> {
        match self {
            Self { partition: 8.., .. } => Err(Misuse::Range("VP8 partition")),
            Self { temporal: Some(Temporal { id: 4.., .. }), .. } => Err(Misuse::Range("VP8 temporal layer")),
            Self { key_index: Some(32..), .. } => Err(Misuse::Range("VP8 key frame index")),
            _ => Ok(()),
        }
    }

    /// Writes the descriptor to the start of `out` and answers its length; `None` if it does not fit.
    pub fn write(&self, out: &mut [u8]) -> Option<usize> {
        let out = out.get_mut(..self.size())?;
        let mut at = 0;
        let mut put = |byte: u8| {
            out[at] = byte;
            at += 1;
        };
        let extended = u8::from(self.size() > 1) << 7;
        put(extended | (u8::from(self.is_discardable) << 5) | (u8::from(self.is_start) << 4) | (self.partition & 7));
        if extended != 0 {
            let present = [
                self.picture_id.is_some(),
                self.tl0_index.is_some(),
                self.temporal.is_some(),
                self.key_index.is_some(),
            ];
            put(present.into_iter().fold(0, |byte, bit| (byte << 1) | u8::from(bit)) << 4);
        }
        if let Some(id) = self.picture_id {
            let [high, low] = id.value().to_be_bytes();
            if id.bits() == 15 {
                put(0x80 | high);
            }
            put(low);
        }
        self.tl0_index.into_iter().for_each(&mut put);
        if self.has_layer_byte() {
            let temporal = self.temporal.unwrap_or(Temporal { id: 0, is_switching_point: false });
            let key_index = self.key_index.unwrap_or_default() & 0x1F;
            put(((temporal.id & 3) << 6) | (u8::from(temporal.is_switching_point) << 5) | key_index);
        }
        Some(at)
    }

    fn has_layer_byte(&self) -> bool {
        self.temporal.is_some() || self.key_index.is_some()
    }

    fn read(r: &mut Reader<'_>) -> Option<Self> {
        let first = r.u8()?;
        let mut descriptor = Self {
            is_discardable: first & 0x20 != 0,
            is_start: first & 0x10 != 0,
            partition: first & 7,
            ..Self::default()
        };
        if first & 0x80 == 0 {
            return Some(descriptor);
        }
        let present = r.u8()?;
        if present & 0x80 != 0 {
            let byte = r.u8()?;
            descriptor.picture_id = Some(match byte & 0x80 {
                0 => PictureId::narrow(byte),
                _ => PictureId::wide(u16::from_be_bytes([byte, r.u8()?])),
            });
        }
        if present & 0x40 != 0 {
            descriptor.tl0_index = Some(r.u8()?);
        }
        if present & 0x30 != 0 {
            let byte = r.u8()?;
            let temporal = Temporal { id: byte >> 6, is_switching_point: byte & 0x20 != 0 };
            descriptor.temporal = (present & 0x20 != 0).then_some(temporal);
            descriptor.key_index = (present & 0x10 != 0).then_some(byte & 0x1F);
        }
        Some(descriptor)
    }
}

/// Gives the picture of a payload another number, and the last picture of temporal layer 0 too, as a forwarder does: in place,
/// as far as the descriptor has them, and in as many bits.
pub fn renumber(payload: &mut [u8], picture_id: u16, tl0_index: u8) {
    let (Some([first, present]), mut at) = (payload.first_chunk::<2>().copied(), 2) else { return };
    if first & 0x80 == 0 {
        return;
    }
    if present & 0x80 != 0 {
        at += renumber_picture(payload, at, picture_id);
    }
    if present & 0x40 != 0
        && let Some(byte) = payload.get_mut(at)
    {
        *byte = tl0_index;
    }
}

/// Changes a picture number of 7 or 15 bits: how many bytes it has.
pub(crate) fn renumber_picture(payload: &mut [u8], at: usize, picture_id: u16) -> usize {
    let [high, low] = (picture_id & 0x7FFF).to_be_bytes();
    match payload.get_mut(at..) {
        Some([first, second, ..]) if *first & 0x80 != 0 => {
            (*first, *second) = (0x80 | high, low);
            2
        }
        Some([first, ..]) => {
            *first = low & 0x7F;
            1
        }
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    /// RFC 7741 §4.5 has no bytes; these are its layouts by hand.
    #[test]
    fn layouts_are_as_drawn() {
        let cases: [(&[u8], Descriptor); 5] = [
            (&[0x10], Descriptor { is_start: true, ..Descriptor::default() }),
            (&[0x23], Descriptor { is_discardable: true, partition: 3, ..Descriptor::default() }),
            (
                &[0x90, 0x80, 0x11],
                Descriptor { is_start: true, picture_id: Some(PictureId::narrow(0x11)), ..Descriptor::default() },
            ),
            (
                &[0x90, 0xE0, 0xC1, 0x11, 0x22, 0x60],
                Descriptor {
                    is_start: true,
                    picture_id: Some(PictureId::wide(0x4111)),
                    tl0_index: Some(0x22),
                    temporal: Some(Temporal { id: 1, is_switching_point: true }),
                    ..Descriptor::default()
                },
            ),
            (&[0x80, 0x10, 0x1F], Descriptor { key_index: Some(31), ..Descriptor::default() }),
        ];
        for (bytes, descriptor) in cases {
            let payload: Vec<u8> = bytes.iter().copied().chain([7]).collect();
            assert_eq!(Descriptor::parse(&payload).unwrap(), (descriptor, &[7][..]));
            let mut out = [0; MAX_LEN];
            assert_eq!(descriptor.write(&mut out), Some(bytes.len()));
            assert_eq!(&out[..bytes.len()], bytes);
            for len in 0..payload.len() {
                assert!(Descriptor::parse(&payload[..len]).is_err(), "{len}");
                assert!(len >= bytes.len() || descriptor.write(&mut out[..len]).is_none());
            }
        }
    }

    #[test]
    fn values_without_bits_are_refused() {
        let fine = Descriptor::default();
        assert!(fine.check().is_ok());
        let temporal = Some(Temporal { id: 4, is_switching_point: false });
        assert!(Descriptor { temporal, ..fine }.check().is_err());
        assert!(Descriptor { key_index: Some(32), ..fine }.check().is_err());
        assert!(Descriptor { partition: 8, ..fine }.check().is_err());
    }

    #[test]
    fn pictures_are_renumbered_in_place_and_nothing_else_is() {
        let descriptors =
            [(true, true), (true, false), (false, true), (false, false)].map(|(has_id, has_tl0)| Descriptor {
                picture_id: has_id.then_some(PictureId::wide(7)),
                tl0_index: has_tl0.then_some(9),
                temporal: Some(Temporal { id: 2, is_switching_point: true }),
                ..Descriptor::default()
            });
        let narrow = Descriptor { picture_id: Some(PictureId::narrow(7)), tl0_index: Some(9), ..Descriptor::default() };
        for before in descriptors.into_iter().chain([narrow, Descriptor::default()]) {
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
