//! Rate limits: token buckets, single and by source address.

use crate::rng::Rng;
use crate::time::{Duration, Instant};
use alloc::boxed::Box;
use alloc::vec;
use core::net::IpAddr;

/// How fast a bucket fills and how much it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Units at once; 0 is none at all.
    pub burst: u32,
    /// Time in which one unit comes back.
    pub interval: Duration,
}

impl Rate {
    /// `burst` units at once, `per_second` in the long run (at least one).
    pub const fn new(burst: u32, per_second: u32) -> Self {
        let per_second = if per_second == 0 { 1 } else { per_second };
        Self { burst, interval: Duration::from_nanos(1_000_000_000 / per_second as u64) }
    }
}

/// A token bucket, kept as the moment at which it will be full.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bucket(Instant);

impl Bucket {
    /// Takes `units` out and says whether there were that many; if not, nothing is taken.
    pub fn take(&mut self, now: Instant, rate: Rate, units: u32) -> bool {
        let full = self.0.max(now) + rate.interval * units;
        let enough = full.since(now) <= rate.interval * rate.burst;
        if enough {
            self.0 = full;
        }
        enough
    }
}

/// A bucket per source address, in a table that never grows.
///
/// Addresses share a bucket when a keyed hash says so: a flood of forged addresses can then slow strangers down but
/// not use up memory, and nobody can choose whom to collide with.
#[derive(Debug)]
pub struct Limiter {
    rate: Rate,
    buckets: Box<[Bucket]>,
    key: [u64; 3],
}

impl Limiter {
    /// A limiter with `1 << bits` buckets (16 bits at most).
    pub fn new(rate: Rate, bits: u32, rng: &mut Rng) -> Self {
        let buckets = vec![Bucket::default(); 1 << bits.min(16)].into_boxed_slice();
        Self { rate, buckets, key: [rng.u64() | 1, rng.u64() | 1, rng.u64()] }
    }

    /// Whether `source` may act once more.
    pub fn allow(&mut self, now: Instant, source: IpAddr) -> bool {
        let key = source_key(source);
        let [a, b, c] = self.key.map(u128::from);
        // Multiply-shift hashing of the two halves, universal over the secret factors.
        let mixed = a.wrapping_mul(key >> 64).wrapping_add(b.wrapping_mul(key & u128::from(u64::MAX))).wrapping_add(c);
        let mixed = ((mixed >> 64) as u64 ^ mixed as u64).wrapping_mul(self.key[0]);
        let slot = (mixed >> 40) as usize & (self.buckets.len() - 1);
        self.buckets[slot].take(now, self.rate, 1)
    }
}

/// What counts as one source: an IPv4 address, or the /64 of an IPv6 address, which one host owns whole.
pub fn source_key(source: IpAddr) -> u128 {
    match source.to_canonical() {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits() & !u128::from(u64::MAX) | 1 << 63,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate::new(3, 1);

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let mut bucket = Bucket::default();
        let start = Instant::from_millis(0);
        for _ in 0..3 {
            assert!(bucket.take(start, RATE, 1));
        }
        assert!(!bucket.take(start, RATE, 1));
        assert!(!bucket.take(start + Duration::from_millis(999), RATE, 1));
        assert!(bucket.take(start + Duration::from_secs(1), RATE, 1));
        assert!(!bucket.take(start + Duration::from_secs(1), RATE, 1));
        assert!(bucket.take(start + Duration::from_secs(100), RATE, 3));
        assert!(!bucket.take(start + Duration::from_secs(1000), RATE, 4));
    }

    #[test]
    fn a_bucket_without_room_gives_nothing() {
        let never = Rate::new(0, 0);
        assert!(!Bucket::default().take(Instant::from_millis(9_000_000), never, 1));
    }

    #[test]
    fn sources_do_not_share_a_bucket_but_a_slash_64_does() {
        let mut limiter = Limiter::new(RATE, 16, &mut Rng::from_u64(1));
        let now = Instant::from_millis(1);
        let allow = |limiter: &mut Limiter, ip: &str| limiter.allow(now, ip.parse().unwrap());
        for _ in 0..3 {
            assert!(allow(&mut limiter, "192.0.2.1"));
            assert!(allow(&mut limiter, "192.0.2.2"));
            assert!(allow(&mut limiter, "2001:db8::1"));
        }
        assert!(!allow(&mut limiter, "192.0.2.1"));
        assert!(!allow(&mut limiter, "::ffff:192.0.2.1"), "the mapped form is the same source");
        assert!(!allow(&mut limiter, "2001:db8::ffff"));
        assert!(allow(&mut limiter, "2001:db8:0:1::1"));
    }

    #[test]
    fn addresses_spread_over_the_table() {
        let mut limiter = Limiter::new(Rate::new(1, 1), 12, &mut Rng::from_u64(2));
        let allowed =
            (0..1000u32).filter(|i| limiter.allow(Instant::from_millis(1), IpAddr::V4((i * 256).into()))).count();
        assert!(allowed > 800, "{allowed} of 1000 found a bucket of their own");
    }
}
