//! Arithmetic that `core` lacks.

use peerage_base::time::{Duration, Instant};

/// Bits of a full packet of TCP: the smaller ones of a sender that has backed off are not to make it back off further
/// (RFC 4828).
pub(super) const SEGMENT: f64 = 11_680.0;

/// Square root of `x`; zero for what is not positive.
pub(super) fn sqrt(x: f64) -> f64 {
    if x <= 0.0 || !x.is_finite() {
        return 0.0;
    }
    // Half of the exponent is near enough for four steps of Newton's to reach every digit that matters.
    let mut root = f64::from_bits((x.to_bits() >> 1) + (1023 << 51));
    for _ in 0..4 {
        root = 0.5 * (root + x / root);
    }
    root
}

/// Nanoseconds from `earlier` to `later`, negative if it is the other way round.
pub(super) fn nanos_between(earlier: Instant, later: Instant) -> i64 {
    i64::try_from(later.as_nanos()).unwrap_or(i64::MAX) - i64::try_from(earlier.as_nanos()).unwrap_or(i64::MAX)
}

/// Bits per second of `bytes` in `span`.
pub(super) fn rate(bytes: u64, span: Duration) -> f64 {
    bytes as f64 * 8.0 / span.as_secs_f64().max(1e-6)
}

/// A rate as the interface has it.
pub(super) fn bits(rate: f64) -> u64 {
    // Saturates, and is zero for what is no number.
    rate as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_are_exact_to_nine_digits() {
        for x in [1e-12, 0.3, 1.0, 2.0, 4.0, 99.5, 1e6, 3.7e15] {
            assert!((sqrt(x) - x.sqrt()).abs() <= 1e-9 * x.sqrt(), "{x}");
        }
        for x in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(sqrt(x), 0.0);
        }
    }

    #[test]
    fn spans_have_a_sign() {
        let (a, b) = (Instant::from_millis(1), Instant::from_millis(3));
        assert_eq!(nanos_between(a, b), 2_000_000);
        assert_eq!(nanos_between(b, a), -2_000_000);
        assert_eq!(nanos_between(Instant::from_nanos(u64::MAX), a), 1_000_000 - i64::MAX);
        assert_eq!(rate(1000, Duration::from_millis(8)), 1e6);
        assert_eq!(bits(f64::NAN), 0);
    }
}
