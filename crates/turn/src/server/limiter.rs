//! How often a source may be answered before it proved anything.

use alloc::vec;
use alloc::vec::Vec;
use core::net::IpAddr;
use peerage_base::rng::Rng;
use peerage_base::time::{Duration, Instant};

/// Sources that are told apart; two that fall on the same place share its rate.
const PLACES: usize = 4096;

/// Token buckets in a table of fixed size, so that a flood of forged sources costs no memory. Where a source falls is
/// decided by a secret: nobody can aim at another's bucket.
#[derive(Debug)]
pub(super) struct Limiter {
    /// When each bucket will be full again.
    full_at: Vec<Instant>,
    cost: Duration,
    key: [u128; 2],
}

impl Limiter {
    /// `per_second` answers, twice as many at once; 0 is none at all.
    pub(super) fn new(per_second: u32, rng: &mut Rng) -> Self {
        let cost = Duration::from_secs(1).checked_div(per_second).unwrap_or(Duration::MAX);
        let mut draw = || u128::from_be_bytes(rng.bytes()) | 1;
        Self { full_at: vec![Instant::ORIGIN; PLACES], cost, key: [draw(), draw()] }
    }

    /// Takes one answer for that source, if there is one.
    pub(super) fn take(&mut self, now: Instant, source: IpAddr) -> bool {
        let place = self.place(source);
        let Some(full_at) = self.full_at.get_mut(place) else { return false };
        let next = (*full_at).max(now) + self.cost;
        let fits = next.since(now) <= Duration::from_secs(2);
        if fits {
            *full_at = next;
        }
        fits
    }

    /// Multiply and shift: enough where nobody sees the place.
    fn place(&self, source: IpAddr) -> usize {
        let bits = source_prefix(source).1;
        let [a, b] = self.key;
        let mixed =
            ((bits >> 64) ^ b.rotate_left(17)).wrapping_mul(a).wrapping_add((bits as u64 as u128 ^ a).wrapping_mul(b));
        (mixed >> (128 - PLACES.ilog2())) as usize
    }
}

/// What counts as one source: an IPv4 address, or an IPv6 /64. Of a canonical address.
pub(super) fn source_prefix(ip: IpAddr) -> (bool, u128) {
    match ip {
        IpAddr::V4(ip) => (true, u32::from(ip).into()),
        IpAddr::V6(ip) => (false, u128::from(ip) >> 64 << 64),
    }
}

#[cfg(test)]
mod tests {
    use super::{Limiter, PLACES};
    use alloc::collections::BTreeSet;
    use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
    use peerage_base::rng::Rng;
    use peerage_base::time::{Duration, Instant};

    #[test]
    fn a_source_gets_a_burst_and_then_its_rate() {
        let mut limiter = Limiter::new(10, &mut Rng::from_u64(1));
        let (a, b): (IpAddr, IpAddr) = ("192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap());
        let mut now = Instant::ORIGIN + Duration::from_secs(5);
        assert_eq!((0..100).filter(|_| limiter.take(now, a)).count(), 20);
        assert!(limiter.take(now, b));
        let mut taken = 0;
        for _ in 0..1000 {
            now += Duration::from_millis(10);
            taken += usize::from(limiter.take(now, a));
        }
        assert_eq!(taken, 100);
    }

    #[test]
    fn addresses_of_one_ipv6_network_are_one_source() {
        let mut limiter = Limiter::new(10, &mut Rng::from_u64(1));
        let ip = |n: u128| IpAddr::from(Ipv6Addr::from(0x2001_0db8_u128 << 96 | n));
        assert_eq!((0..100).filter(|n| limiter.take(Instant::ORIGIN, ip(*n))).count(), 20);
        assert!(limiter.take(Instant::ORIGIN, ip(1 << 64)));
    }

    #[test]
    fn sources_spread_over_the_table() {
        let limiter = Limiter::new(10, &mut Rng::from_u64(1));
        let places: BTreeSet<_> = (0..10_000u32).map(|n| limiter.place(Ipv4Addr::from(n << 8).into())).collect();
        assert!(places.iter().all(|place| *place < PLACES));
        assert!(places.len() > PLACES / 2, "{}", places.len());
    }

    #[test]
    fn a_rate_of_zero_is_silence() {
        let mut limiter = Limiter::new(0, &mut Rng::from_u64(1));
        assert!(!limiter.take(Instant::from_millis(9_000_000), "192.0.2.1".parse().unwrap()));
    }
}
