//! G.711 (RFC 3551 §4.5.14): a sample of 16 bits in a byte, by mu-law or A-law. A payload is such bytes, each a sample of
//! an interleaved channel.

/// Ticks of the timestamp, and samples, in a second.
pub const CLOCK_RATE: u32 = 8_000;

/// The mu-law byte of a sample.
pub const fn encode_mu(sample: i16) -> u8 {
    const BIAS: i32 = 0x84;
    const CLIP: i32 = 32_635;
    let sign = if sample < 0 { 0x80 } else { 0 };
    let magnitude = (sample as i32).abs();
    let magnitude = if magnitude > CLIP { CLIP } else { magnitude } + BIAS;
    // The bias makes the leading one lie at bit 7 or above.
    let segment = 24 - (magnitude as u32).leading_zeros();
    let step = (magnitude >> (segment + 3)) & 0x0F;
    !(sign | (segment << 4) as u8 | step as u8)
}

/// The sample of a mu-law byte.
pub const fn decode_mu(byte: u8) -> i16 {
    let byte = !byte;
    let magnitude = ((((byte & 0x0F) as i16) << 3) + 0x84) << ((byte >> 4) & 7);
    if byte & 0x80 != 0 { 0x84 - magnitude } else { magnitude - 0x84 }
}

/// The A-law byte of a sample.
pub const fn encode_a(sample: i16) -> u8 {
    // Negative values are mirrored at -1/2, so that 0 is positive.
    let (sign, magnitude) = if sample < 0 { (0, !sample) } else { (0x80, sample) };
    let magnitude = (magnitude >> 3) as u32;
    let coded = if magnitude < 32 {
        magnitude >> 1
    } else {
        let segment = 27 - magnitude.leading_zeros();
        (segment << 4) | ((magnitude >> segment) & 0x0F)
    };
    (sign | coded as u8) ^ 0x55
}

/// The sample of an A-law byte.
pub const fn decode_a(byte: u8) -> i16 {
    let byte = byte ^ 0x55;
    let (segment, step) = ((byte >> 4) & 7, ((byte & 0x0F) as i16) << 4);
    let magnitude = match segment {
        0 => step + 8,
        _ => (step + 0x108) << (segment - 1),
    };
    if byte & 0x80 != 0 { magnitude } else { -magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_and_the_middle_are_those_of_the_recommendation() {
        assert_eq!((decode_mu(0x80), decode_mu(0x00)), (32_124, -32_124));
        assert_eq!((decode_mu(0xFF), decode_mu(0x7F)), (0, 0));
        assert_eq!((decode_mu(0xFE), decode_mu(0xF0), decode_mu(0xEF)), (8, 120, 132));
        assert_eq!((decode_a(0xAA), decode_a(0x2A)), (32_256, -32_256));
        assert_eq!((decode_a(0xD5), decode_a(0x55)), (8, -8));
        assert_eq!((encode_mu(0), encode_a(0), encode_a(-1)), (0xFF, 0xD5, 0x55));
        assert_eq!((encode_mu(i16::MAX), encode_mu(i16::MIN)), (0x80, 0x00));
        assert_eq!((encode_a(i16::MAX), encode_a(i16::MIN)), (0xAA, 0x2A));
    }

    #[test]
    fn every_byte_comes_back() {
        for byte in 0..=255 {
            assert_eq!(encode_a(decode_a(byte)), byte);
            // Mu-law has two zeros, of which one is written.
            assert_eq!(encode_mu(decode_mu(byte)), if byte == 0x7F { 0xFF } else { byte });
        }
    }

    #[test]
    fn every_sample_comes_back_within_half_a_step() {
        for sample in i16::MIN..=i16::MAX {
            let size = f64::from(sample).abs();
            // Steps double with the size, and the largest of all are cut off.
            let bounds = [(size + 132.0) / 32.0, (size / 32.0).max(8.0)].map(|half| half.min(644.0));
            for (decoded, half) in [decode_mu(encode_mu(sample)), decode_a(encode_a(sample))].into_iter().zip(bounds) {
                let error = (f64::from(decoded) - f64::from(sample)).abs();
                assert!(error <= if size > 32_124.0 { 644.0 } else { half }, "{sample} {decoded}");
            }
        }
    }
}
