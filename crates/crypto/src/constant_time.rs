//! Comparison that takes as long for a near miss as for a far one.

/// Whether `a` and `b` are equal. Only their lengths influence the time taken.
#[must_use]
pub fn equal(a: &[u8], b: &[u8]) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(a, b).is_ok()
}

#[cfg(test)]
mod tests {
    use super::equal;

    #[test]
    fn compares_like_slices_do() {
        assert!(equal(b"", b""));
        assert!(equal(b"ab", b"ab"));
        assert!(!equal(b"ab", b"ac"));
        assert!(!equal(b"ab", b"abc"));
    }
}
