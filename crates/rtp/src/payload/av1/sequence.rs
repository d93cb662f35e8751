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
    use crate::payload::bits::BitWriter;

    /// Fields and how many bits each has, then 160 x 120 in 8 and 7 bits.
    fn read(fields: &[(u32, u32)]) -> [Option<Dimensions>; 2] {
        let mut bytes = [0; 64];
        let mut w = BitWriter::new(&mut bytes);
        for (value, bits) in fields.iter().chain(&[(7, 4), (6, 4), (159, 8), (119, 7)]) {
            w.bits(*value, *bits).unwrap();
        }
        let len = w.finish();
        [dimensions(&bytes[..len]), dimensions(&bytes[..len - 1])]
    }

    #[test]
    fn the_size_lies_behind_what_may_be_there() {
        let expected = [Some(Dimensions { width: 160, height: 120 }), None];
        // Profile and still; reduced, and a level.
        assert_eq!(read(&[(0, 4), (1, 1), (5, 5)]), expected);
        // No timing, no display delay, one operating point of a low level; two, of which one has a tier.
        assert_eq!(read(&[(0, 4), (0, 1), (0, 1), (0, 1), (0, 5), (0, 12), (7, 5)]), expected);
        let second = [(0, 12), (8, 5), (1, 1)];
        let two = [&[(0, 4), (0, 1), (0, 1), (0, 1), (1, 5), (0, 12), (7, 5)][..], &second].concat();
        assert_eq!(read(&two), expected);
        // Timing with equal pictures (a number of 3 bits) and a decoder model of 10 bits; display delay.
        let timing =
            [(0, 4), (0, 1), (1, 1), (1, 32), (30, 32), (1, 1), (0b010, 3), (1, 1), (9, 5), (1, 32), (0, 10), (1, 1)];
        let point = [(0, 5), (0, 12), (5, 5), (1, 1), (0x15_5555, 21), (1, 1), (9, 4)];
        assert_eq!(read(&[&timing[..], &point].concat()), expected);
    }
}
