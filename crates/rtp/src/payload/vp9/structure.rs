//! The scalability structure (RFC 9628 §4.2.1): the spatial layers of a stream and, if it repeats itself, how.
//!
//! ```text
//! | N_S (3) | Y | G | reserved (3) |
//! | width (16) | height (16) |       per spatial layer, N_S + 1 of them, if Y
//! | N_G (8) |                        if G
//! | TID (3) | U | R (2) | reserved (2) | P_DIFF (8) ... |   per picture of the group, R references each
//! ```

use alloc::vec::Vec;

use crate::payload::info::Dimensions;
use crate::payload::misuse::Misuse;
use peerage_base::reader::Reader;

/// Most spatial layers.
pub const MAX_LAYERS: usize = 8;
/// Most references of one picture.
pub const MAX_REFERENCES: usize = 3;

/// The pictures that one depends on, as distances back in picture ids; at most three.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct References {
    distances: [u8; MAX_REFERENCES],
    len: u8,
}

impl References {
    /// `None` if there are more than [`MAX_REFERENCES`].
    pub fn new(distances: &[u8]) -> Option<Self> {
        let mut references = Self::default();
        distances.iter().try_for_each(|distance| references.push(*distance))?;
        Some(references)
    }

    /// The distances, as sent.
    pub fn as_slice(&self) -> &[u8] {
        &self.distances[..self.len.into()]
    }

    pub(crate) fn push(&mut self, distance: u8) -> Option<()> {
        *self.distances.get_mut(usize::from(self.len))? = distance;
        self.len += 1;
        Some(())
    }
}

/// One picture of the group that repeats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Picture {
    /// Temporal layer, 0 to 7.
    pub temporal: u8,
    /// One may go up to this temporal layer here.
    pub is_switching_point: bool,
    /// What it depends on.
    pub references: References,
}

/// A structure, as it lies in a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Structure<'a> {
    bytes: &'a [u8],
}

impl<'a> Structure<'a> {
    /// Reads a structure and moves past it; `None` if it is truncated.
    pub fn parse(r: &mut Reader<'a>) -> Option<Self> {
        let all = r.rest();
        let first = r.u8()?;
        if first & 0x10 != 0 {
            r.bytes(4 * (usize::from(first >> 5) + 1))?;
        }
        if first & 0x08 != 0 {
            for _ in 0..r.u8()? {
                let picture = r.u8()?;
                r.bytes(usize::from((picture >> 2) & 3))?;
            }
        }
        Some(Self { bytes: &all[..all.len() - r.len()] })
    }

    /// A structure that was read before; `None` for no bytes.
    pub(crate) fn of(bytes: &'a [u8]) -> Option<Self> {
        (!bytes.is_empty()).then_some(Self { bytes })
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// How many spatial layers there are, 1 to 8.
    pub fn layers(&self) -> u8 {
        self.bytes.first().map_or(0, |first| first >> 5) + 1
    }

    /// The size of a spatial layer's pictures, if sizes are told.
    pub fn dimensions(&self, layer: u8) -> Option<Dimensions> {
        let (first, rest) = self.bytes.split_first()?;
        if first & 0x10 == 0 || layer >= self.layers() {
            return None;
        }
        let [a, b, c, d] = *rest.get(4 * usize::from(layer)..)?.first_chunk()?;
        Some(Dimensions { width: u16::from_be_bytes([a, b]).into(), height: u16::from_be_bytes([c, d]).into() })
    }

    /// The pictures of the group that repeats; none if the stream does not say.
    pub fn pictures(&self) -> impl Iterator<Item = Picture> + 'a {
        let mut r = Reader::new(self.bytes);
        let first = r.u8().unwrap_or_default();
        if first & 0x10 != 0 {
            r.bytes(4 * usize::from(self.layers()));
        }
        let count = if first & 0x08 != 0 { r.u8().unwrap_or_default() } else { 0 };
        (0..count).map_while(move |_| {
            let byte = r.u8()?;
            let references = References::new(r.bytes(usize::from((byte >> 2) & 3))?)?;
            Some(Picture { temporal: byte >> 5, is_switching_point: byte & 0x10 != 0, references })
        })
    }

    /// The bytes of a structure: sizes of all spatial layers, or only their number, and the group that repeats (may be
    /// empty).
    ///
    /// # Errors
    /// If there are no layers, more than [`MAX_LAYERS`] or 255 pictures, or a number has no bits.
    pub fn encode(layers: Layers<'_>, pictures: &[Picture]) -> Result<Vec<u8>, Misuse> {
        let (count, sizes) = match layers {
            Layers::Sized(sizes) => (sizes.len(), sizes),
            Layers::Count(count) => (count.into(), &[][..]),
        };
        if !(1..=MAX_LAYERS).contains(&count) {
            return Err(Misuse::Range("VP9 spatial layers"));
        }
        let mut out = Vec::with_capacity(2 + 4 * sizes.len() + 4 * pictures.len());
        let flags = (u8::from(!sizes.is_empty()) << 4) | (u8::from(!pictures.is_empty()) << 3);
        out.push((((count - 1) as u8) << 5) | flags);
        for size in sizes.iter().flat_map(|size| [size.width, size.height]) {
            out.extend(u16::try_from(size).map_err(|_| Misuse::Range("VP9 picture size"))?.to_be_bytes());
        }
        if !pictures.is_empty() {
            out.push(u8::try_from(pictures.len()).map_err(|_| Misuse::Range("VP9 picture group"))?);
        }
        for picture in pictures {
            if picture.temporal > 7 {
                return Err(Misuse::Range("VP9 temporal layer"));
            }
            let references = picture.references.as_slice();
            let switching = u8::from(picture.is_switching_point) << 4;
            out.push((picture.temporal << 5) | switching | ((references.len() as u8) << 2));
            out.extend(references);
        }
        Ok(out)
    }
}

/// The spatial layers of a structure.
#[derive(Clone, Copy, Debug)]
pub enum Layers<'a> {
    /// Their sizes.
    Sized(&'a [Dimensions]),
    /// Only how many there are.
    Count(u8),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_structure_round_trips_and_is_refused_at_every_truncation() {
        let sizes = [Dimensions { width: 320, height: 180 }, Dimensions { width: 640, height: 360 }];
        let pictures = [
            Picture { temporal: 0, is_switching_point: true, references: References::default() },
            Picture { temporal: 2, is_switching_point: false, references: References::new(&[1, 2, 3]).unwrap() },
        ];
        let bytes = Structure::encode(Layers::Sized(&sizes), &pictures).unwrap();
        assert_eq!(bytes[..10], [0x38, 1, 0x40, 0, 180, 2, 0x80, 1, 104, 2]);
        assert_eq!(bytes[10..], [0x10, 0x4C, 1, 2, 3]);
        let mut r = Reader::new(&bytes);
        let structure = Structure::parse(&mut r).unwrap();
        assert!(r.is_empty() && structure.layers() == 2 && structure.pictures().eq(pictures));
        assert_eq!([0, 1, 2].map(|n| structure.dimensions(n)), [Some(sizes[0]), Some(sizes[1]), None]);
        for len in 0..bytes.len() {
            assert_eq!(Structure::parse(&mut Reader::new(&bytes[..len])), None, "{len}");
        }
    }

    #[test]
    fn a_count_alone_is_one_byte() {
        assert_eq!(Structure::encode(Layers::Count(3), &[]).unwrap(), [0x40]);
        assert_eq!(Structure::parse(&mut Reader::new(&[0x40])).unwrap().dimensions(0), None);
        assert!(Structure::encode(Layers::Count(0), &[]).is_err());
        assert!(Structure::encode(Layers::Count(9), &[]).is_err());
    }
}
