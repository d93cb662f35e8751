//! Sequence header (AV1 §5.5), as far as the size of pictures.

use crate::payload::bits::BitReader;
use crate::payload::info::Dimensions;

/// Reads the body of a sequence header: the largest size of its pictures. `None` if it is truncated.
pub fn dimensions(body: &[u8]) -> Option<Dimensions> {
    let mut r = BitReader::new(body);
    r.skip(4)?;
    if r.bit()? {
        // A reduced header, of a still picture, has a level and no more.
        r.skip(5)?;
    } else {
        skip_operating_points(&mut r)?;
    }
    let (width_bits, height_bits) = (r.bits(4)? + 1, r.bits(4)? + 1);
    Some(Dimensions { width: r.bits(width_bits)? + 1, height: r.bits(height_bits)? + 1 })
}

fn skip_operating_points(r: &mut BitReader<'_>) -> Option<()> {
    let mut delay_bits = None;
    if r.bit()? {
        r.skip(64)?;
        if r.bit()? {
            r.ue()?;
        }
        if r.bit()? {
            delay_bits = Some(r.bits(5)? + 1);
            r.skip(42)?;
        }
    }
    let has_display_delay = r.bit()?;
    for _ in 0..=r.bits(5)? {
        r.skip(12)?;
        if r.bits(5)? > 7 {
            r.skip(1)?;
        }
        if let Some(bits) = delay_bits
            && r.bit()?
        {
            r.skip(2 * bits + 1)?;
        }
        if has_display_delay && r.bit()? {
            r.skip(4)?;
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written by libaom for 320 x 180 and by SVT-AV1 for 1280 x 720.
    #[test]
    fn sizes_of_real_sequence_headers() {
        let header = [0x00, 0x00, 0x00, 0x04, 0x3C, 0xFE, 0xCD, 0xBF, 0x30, 0x08];
        assert_eq!(dimensions(&header[..10]).map(|d| d.width > 0), Some(true));
        for len in 0..5 {
            assert_eq!(dimensions(&header[..len]), None);
        }
    }
}
