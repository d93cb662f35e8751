//! Bit rates as feedback has them: a mantissa of some bits, and an exponent of six that shifts it.

/// Exponent and mantissa of `mantissa_bits` bits of the highest rate not above `rate`.
pub(super) fn pack(rate: u64, mantissa_bits: u32) -> (u8, u32) {
    let exponent = (u64::BITS - rate.leading_zeros()).saturating_sub(mantissa_bits);
    (exponent as u8, (rate >> exponent) as u32)
}

/// The rate; `None` if it takes more than 64 bits.
pub(super) fn unpack(exponent: u8, mantissa: u32) -> Option<u64> {
    let rate = u64::from(mantissa).checked_shl(exponent.into())?;
    (rate >> exponent == u64::from(mantissa)).then_some(rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_rates_are_exact_and_large_ones_rounded_down() {
        assert_eq!(pack(0, 18), (0, 0));
        assert_eq!(pack(0x3_FFFF, 18), (0, 0x3_FFFF));
        assert_eq!(pack(0x4_0001, 18), (1, 0x2_0000));
        assert_eq!(pack(u64::MAX, 17), (47, 0x1_FFFF));
        assert_eq!(unpack(1, 0x2_0000), Some(0x4_0000));
    }

    #[test]
    fn rates_beyond_64_bits_are_none() {
        assert_eq!(unpack(63, 1), Some(1 << 63));
        assert_eq!(unpack(63, 2), None);
        assert_eq!(unpack(47, 0x1_FFFF), Some(0x1_FFFF << 47));
        assert_eq!(unpack(48, 0x1_FFFF), None);
    }
}
