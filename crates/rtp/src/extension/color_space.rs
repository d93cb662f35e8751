//! Colour space and HDR metadata, of libwebrtc; on the last packet of key frames and wherever it changes.
//!
//! ```text
//! | primaries | transfer | matrix | 0 0 range (2) horizontal (2) vertical (2) |   then, if HDR:
//! | luminance max, min | red x, y | green x, y | blue x, y | white x, y | MaxCLL | MaxFALL |   16 bits each
//! ```

use super::element::Element;
use super::kind::Kind;
use peerage_base::reader::Reader;

/// Length with HDR metadata in bytes.
const LONG: usize = 28;
/// Length without.
const SHORT: usize = 4;
/// A chromaticity coordinate of 1.
const ONE: u16 = 50_000;

/// Which values samples take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Range {
    /// Not told.
    #[default]
    Invalid,
    /// 16 to 235 and the like.
    Limited,
    /// All.
    Full,
    /// As transfer and matrix imply.
    Derived,
}

/// Where chroma samples lie between luma samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChromaSiting {
    /// Not told.
    #[default]
    Unspecified,
    /// Where a luma sample lies.
    Collocated,
    /// Half way between two.
    Half,
}

/// A point of the chromaticity diagram in units of 1/50000, each coordinate at most 50000.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Chromaticity {
    /// Horizontally.
    pub x: u16,
    /// Vertically.
    pub y: u16,
}

/// The display on which a film was graded, and how bright it gets (SMPTE ST 2086, CTA 861.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hdr {
    /// Brightest, in cd/m2.
    pub luminance_max: u16,
    /// Darkest, in units of 1/10000 cd/m2.
    pub luminance_min: u16,
    /// Red, green and blue primary.
    pub primaries: [Chromaticity; 3],
    /// White point.
    pub white: Chromaticity,
    /// Brightest pixel, in cd/m2.
    pub max_content_light_level: u16,
    /// Brightest average of a frame, in cd/m2.
    pub max_frame_average_light_level: u16,
}

/// What the samples of a frame mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ColorSpace {
    /// Colour primaries, by their number in ITU-T H.273 §8.1.
    pub primaries: u8,
    /// Transfer characteristics (§8.2).
    pub transfer: u8,
    /// Matrix coefficients (§8.3).
    pub matrix: u8,
    /// Which values samples take.
    pub range: Range,
    /// Where chroma samples lie horizontally.
    pub siting_horizontal: ChromaSiting,
    /// Where chroma samples lie vertically.
    pub siting_vertical: ChromaSiting,
    /// HDR metadata. With it the element needs the two-byte form.
    pub hdr: Option<Hdr>,
}

impl Element<'_> for ColorSpace {
    const KIND: Kind = Kind::ColorSpace;

    fn parse(value: &[u8]) -> Option<Self> {
        let mut r = Reader::new(value);
        let [primaries, transfer, matrix, bits] = r.array()?;
        let range = match bits >> 4 & 3 {
            0 => Range::Invalid,
            1 => Range::Limited,
            2 => Range::Full,
            _ => Range::Derived,
        };
        let hdr = if r.is_empty() { None } else { Some(parse_hdr(&mut r)?) };
        r.is_empty().then_some(Self {
            primaries,
            transfer,
            matrix,
            range,
            siting_horizontal: siting(bits >> 2)?,
            siting_vertical: siting(bits)?,
            hdr,
        })
    }

    fn size(&self) -> usize {
        if self.hdr.is_some() { LONG } else { SHORT }
    }

    fn write(&self, out: &mut [u8]) {
        let bits = (self.range as u8) << 4 | (self.siting_horizontal as u8) << 2 | self.siting_vertical as u8;
        out[..SHORT].copy_from_slice(&[self.primaries, self.transfer, self.matrix, bits]);
        let Some(hdr) = self.hdr else { return };
        let [red, green, blue] = hdr.primaries;
        let points = [red.x, red.y, green.x, green.y, blue.x, blue.y, hdr.white.x, hdr.white.y].map(|at| at.min(ONE));
        let fields = [hdr.luminance_max, hdr.luminance_min]
            .into_iter()
            .chain(points)
            .chain([hdr.max_content_light_level, hdr.max_frame_average_light_level]);
        for (out, field) in out[SHORT..].chunks_exact_mut(2).zip(fields) {
            out.copy_from_slice(&field.to_be_bytes());
        }
    }
}

fn siting(bits: u8) -> Option<ChromaSiting> {
    [ChromaSiting::Unspecified, ChromaSiting::Collocated, ChromaSiting::Half].get(usize::from(bits & 3)).copied()
}

fn parse_hdr(r: &mut Reader<'_>) -> Option<Hdr> {
    Some(Hdr {
        luminance_max: r.u16()?,
        luminance_min: r.u16()?,
        primaries: [chromaticity(r)?, chromaticity(r)?, chromaticity(r)?],
        white: chromaticity(r)?,
        max_content_light_level: r.u16()?,
        max_frame_average_light_level: r.u16()?,
    })
}

fn chromaticity(r: &mut Reader<'_>) -> Option<Chromaticity> {
    let (x, y) = (r.u16()?, r.u16()?);
    (x <= ONE && y <= ONE).then_some(Chromaticity { x, y })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extension::tests_support::{assert_only_lengths, assert_wire};

    const BT709: ColorSpace = ColorSpace {
        primaries: 1,
        transfer: 1,
        matrix: 1,
        range: Range::Limited,
        siting_horizontal: ChromaSiting::Half,
        siting_vertical: ChromaSiting::Collocated,
        hdr: None,
    };

    #[test]
    fn four_bytes_do_without_hdr() {
        assert_wire(&BT709, &[1, 1, 1, 0b0001_1001]);
        assert_only_lengths::<ColorSpace>(&[4, 28]);
    }

    #[test]
    fn hdr_follows() {
        let point = |n| Chromaticity { x: n, y: n + 1 };
        let hdr = Hdr {
            luminance_max: 1000,
            luminance_min: 50,
            primaries: [point(1), point(3), point(5)],
            white: point(7),
            max_content_light_level: 9,
            max_frame_average_light_level: 10,
        };
        let bytes = [1, 1, 1, 0x19, 3, 232, 0, 50, 0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 8, 0, 9, 0, 10];
        assert_wire(&ColorSpace { hdr: Some(hdr), ..BT709 }, &bytes);
    }

    #[test]
    fn values_that_mean_nothing_are_refused() {
        assert_eq!(ColorSpace::parse(&[1, 1, 1, 0b0000_0011]), None);
        assert_eq!(ColorSpace::parse(&[1, 1, 1, 0b0000_1100]), None);
        let mut bytes = [0; 28];
        bytes[8..10].copy_from_slice(&50_001u16.to_be_bytes());
        assert_eq!(ColorSpace::parse(&bytes), None);
    }
}
