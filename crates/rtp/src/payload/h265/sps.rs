//! Sequence parameter set (H.265 §7.3.2.2), as far as the size of pictures.

use crate::payload::bits::BitReader;
use crate::payload::info::Dimensions;

/// Reads a NAL unit, its header included: the size of pictures within the conformance window. `None` if it makes no sense.
pub fn dimensions(unit: &[u8]) -> Option<Dimensions> {
    let mut r = BitReader::escaped(unit.get(2..)?);
    r.skip(4)?;
    let sub_layers = r.bits(3)?;
    r.skip(1)?;
    skip_profile_tier_level(&mut r, sub_layers)?;
    r.ue()?;
    let (x, y) = match r.ue()? {
        1 => (2, 2),
        2 => (2, 1),
        3 => {
            r.skip(1)?;
            (1, 1)
        }
        0 => (1, 1),
        _ => return None,
    };
    let (mut width, mut height) = (r.ue()?, r.ue()?);
    if r.bit()? {
        let (left, right, top, bottom) = (r.ue()?, r.ue()?, r.ue()?, r.ue()?);
        width = width.checked_sub(left.checked_add(right)?.checked_mul(x)?)?;
        height = height.checked_sub(top.checked_add(bottom)?.checked_mul(y)?)?;
    }
    (width > 0 && height > 0).then_some(Dimensions { width, height })
}

/// H.265 §7.3.3, with a general profile.
fn skip_profile_tier_level(r: &mut BitReader<'_>, sub_layers: u32) -> Option<()> {
    const PROFILE: u32 = 88;
    const LEVEL: u32 = 8;
    r.skip(PROFILE + LEVEL)?;
    let mut present = [(false, false); 7];
    for layer in present.iter_mut().take(sub_layers as usize) {
        *layer = (r.bit()?, r.bit()?);
    }
    if sub_layers > 0 {
        r.skip(2 * 8u32.saturating_sub(sub_layers))?;
    }
    for (profile, level) in present {
        r.skip(if profile { PROFILE } else { 0 } + if level { LEVEL } else { 0 })?;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Parameter sets in libwebrtc's tests.
    #[test]
    fn sizes_of_published_parameter_sets() {
        let set = [
            0x42, 0x01, 0x01, 0x04, 0x08, 0x00, 0x00, 0x03, 0x00, 0x9D, 0x08, 0x00, 0x00, 0x03, 0x00, 0x00, 0x5D, 0xB0,
            0x02, 0x80, 0x80, 0x2D, 0x16, 0x59, 0x59, 0xA4, 0x93, 0x2B, 0x80, 0x40, 0x00, 0x00, 0x03, 0x00, 0x40, 0x00,
            0x00, 0x07, 0x82,
        ];
        assert_eq!(dimensions(&set), Some(Dimensions { width: 1280, height: 720 }));
        for len in 0..21 {
            assert_eq!(dimensions(&set[..len]), None, "{len}");
        }
    }
}
