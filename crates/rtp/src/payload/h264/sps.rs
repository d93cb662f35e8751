//! Sequence parameter set (H.264 §7.3.2.1.1), as far as the size of pictures.

use crate::payload::bits::BitReader;
use crate::payload::info::Dimensions;

/// What a sequence parameter set says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sps {
    /// `profile_idc`.
    pub profile: u8,
    /// The constraint flags, from the top bit down.
    pub constraints: u8,
    /// `level_idc`.
    pub level: u8,
    /// Size of the pictures, cropped.
    pub dimensions: Dimensions,
}

impl Sps {
    /// Reads a NAL unit, its header included; `None` if it makes no sense.
    pub fn parse(unit: &[u8]) -> Option<Self> {
        let mut r = BitReader::escaped(unit.get(1..)?);
        let (profile, constraints, level) = (r.bits(8)? as u8, r.bits(8)? as u8, r.bits(8)? as u8);
        r.ue()?;
        let chroma = if has_chroma_format(profile) { chroma_format(&mut r)? } else { Chroma::Planes420 };
        r.ue()?;
        picture_order(&mut r)?;
        r.ue()?;
        r.bit()?;
        let (columns, rows) = (r.ue()?.checked_add(1)?, r.ue()?.checked_add(1)?);
        let is_frame_only = r.bit()?;
        if !is_frame_only {
            r.bit()?;
        }
        r.bit()?;
        let fields = if is_frame_only { 1 } else { 2 };
        let size = [columns.checked_mul(16)?, rows.checked_mul(16 * fields)?];
        let [width, height] = if r.bit()? { cropped(&mut r, size, chroma, fields)? } else { size };
        (width > 0 && height > 0).then_some(Self {
            profile,
            constraints,
            level,
            dimensions: Dimensions { width, height },
        })
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Chroma {
    Planes420,
    Planes422,
    /// Monochrome, 4:4:4 or colours apart: cropping counts in pixels.
    Whole,
}

const fn has_chroma_format(profile: u8) -> bool {
    matches!(profile, 100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128 | 138 | 139 | 134 | 135)
}

fn chroma_format(r: &mut BitReader<'_>) -> Option<Chroma> {
    let format = r.ue()?;
    if format == 3 {
        r.bit()?;
    }
    r.ue()?;
    r.ue()?;
    r.bit()?;
    if r.bit()? {
        for list in 0..if format == 3 { 12 } else { 8 } {
            if r.bit()? {
                skip_scaling_list(r, if list < 6 { 16 } else { 64 })?;
            }
        }
    }
    match format {
        1 => Some(Chroma::Planes420),
        2 => Some(Chroma::Planes422),
        0 | 3 => Some(Chroma::Whole),
        _ => None,
    }
}

fn skip_scaling_list(r: &mut BitReader<'_>, len: usize) -> Option<()> {
    let mut last = 8i32;
    for _ in 0..len {
        // Once the next scale is 0, the rest repeats the last one and is not written.
        let next = (i64::from(last) + i64::from(r.se()?)).rem_euclid(256) as i32;
        if next == 0 {
            return Some(());
        }
        last = next;
    }
    Some(())
}

fn picture_order(r: &mut BitReader<'_>) -> Option<()> {
    match r.ue()? {
        0 => r.ue().map(drop),
        1 => {
            r.bit()?;
            r.se()?;
            r.se()?;
            let count = r.ue()?;
            // H.264 §7.4.2.1.1.
            (0..(count <= 255).then_some(count)?).try_for_each(|_| r.se().map(drop))
        }
        2 => Some(()),
        _ => None,
    }
}

fn cropped(r: &mut BitReader<'_>, [width, height]: [u32; 2], chroma: Chroma, fields: u32) -> Option<[u32; 2]> {
    let (x, y) = match chroma {
        Chroma::Planes420 => (2, 2 * fields),
        Chroma::Planes422 => (2, fields),
        Chroma::Whole => (1, fields),
    };
    let (left, right, top, bottom) = (r.ue()?, r.ue()?, r.ue()?, r.ue()?);
    let width = width.checked_sub(left.checked_add(right)?.checked_mul(x)?)?;
    let height = height.checked_sub(top.checked_add(bottom)?.checked_mul(y)?)?;
    Some([width, height])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(unit: &[u8]) -> Option<(u32, u32)> {
        Sps::parse(unit).map(|sps| (sps.dimensions.width, sps.dimensions.height))
    }

    /// Parameter sets in libwebrtc's tests.
    #[test]
    fn sizes_of_published_parameter_sets() {
        let sets: [(&[u8], (u32, u32)); 3] = [
            (
                &[
                    0x67, 0x7A, 0x00, 0x1F, 0xBC, 0xD9, 0x40, 0x50, 0x05, 0xBA, 0x10, 0x00, 0x00, 0x03, 0x00, 0xC0,
                    0x00, 0x00, 0x2A, 0xE0, 0xF1, 0x83, 0x19, 0x60,
                ],
                (1280, 720),
            ),
            (
                &[
                    0x67, 0x7A, 0x00, 0x1E, 0xBC, 0xD9, 0x40, 0xA0, 0x2F, 0xF8, 0x98, 0x40, 0x00, 0x00, 0x03, 0x01,
                    0x80, 0x00, 0x00, 0x56, 0x83, 0xC5, 0x8B, 0x65, 0x80,
                ],
                (640, 360),
            ),
            (
                &[
                    0x67, 0x7A, 0x00, 0x0D, 0xBC, 0xD9, 0x43, 0x43, 0x3E, 0x5E, 0x10, 0x00, 0x00, 0x03, 0x00, 0x60,
                    0x00, 0x00, 0x15, 0xA0, 0xF1, 0x42, 0x99, 0x60,
                ],
                (200, 400),
            ),
        ];
        for (set, expected) in &sets {
            assert_eq!(size(set), Some(*expected));
            for len in 0..9 {
                assert_eq!(size(&set[..len]), None, "{len}");
            }
        }
    }

    #[test]
    fn cropping_more_than_there_is_is_refused() {
        // Baseline, one macroblock, cropped by 8 chroma columns.
        let mut bytes = [0; 16];
        let mut w = crate::payload::bits::BitWriter::new(&mut bytes);
        w.bits(0x67, 8).unwrap();
        w.bits(0x42_00_0A, 24).unwrap();
        // id, frame number, order type 2, references; gaps; 1 x 1; frames only, inference; cropped.
        for (value, n) in [(1, 1), (1, 1), (0b011, 3), (1, 1), (0, 1), (1, 1), (1, 1), (1, 1), (1, 1), (1, 1)] {
            w.bits(value, n).unwrap();
        }
        // 8, 0, 0, 0.
        w.bits(0b000_1001, 7).unwrap();
        w.bits(0b111, 3).unwrap();
        w.finish();
        assert_eq!(Sps::parse(&bytes), None);
    }
}
