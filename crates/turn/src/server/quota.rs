//! Who has how much: relayed addresses by guards that give back when they are dropped, and bytes by meters.

use crate::server::config::{Quota, Traffic};
use crate::server::counters::Drop;
use crate::server::slab::Slab;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use core::net::IpAddr;
use core::sync::atomic::{AtomicU32, Ordering};
use peerage_base::limit::source_key;
use peerage_base::time::{Duration, Instant};

const HOUR: Duration = Duration::from_secs(3600);

/// Whom an account is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Name(Arc<str>),
    Source(u128),
}

/// The two accounts that an allocation is charged to, besides the total.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Accounts {
    pub(super) name: u32,
    source: u32,
}

/// The right to one relayed address. Dropping it gives it back to all who were charged.
#[derive(Debug)]
pub(super) struct Seat {
    accounts: Accounts,
    held: [Arc<AtomicU32>; 3],
}

impl core::ops::Drop for Seat {
    fn drop(&mut self) {
        for count in &self.held {
            count.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Seat {
    pub(super) fn accounts(&self) -> Accounts {
        self.accounts
    }
}

/// Why there is no seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// The name or the source has its share: 486.
    Share,
    /// The server has no more: 508.
    Server,
}

#[derive(Debug)]
struct Account {
    key: Key,
    seats: Arc<AtomicU32>,
    meter: Meter,
    /// Its place in the queue of those without seats.
    idle: Option<Instant>,
}

/// All accounts. One without seats is kept until its hour is over, so that the volume is not forgotten.
#[derive(Debug)]
pub(super) struct Ledger {
    quota: Quota,
    seats: Arc<AtomicU32>,
    meter: Meter,
    accounts: Slab<Account>,
    by_key: BTreeMap<Key, u32>,
    /// Accounts without seats, by when they may be forgotten.
    idle: BTreeSet<(Instant, u32)>,
}

impl Ledger {
    pub(super) fn new(quota: Quota) -> Self {
        Self {
            quota,
            seats: Arc::default(),
            meter: Meter::default(),
            accounts: Slab::default(),
            by_key: BTreeMap::new(),
            idle: BTreeSet::new(),
        }
    }

    /// A seat for that name and source.
    pub(super) fn take(&mut self, name: &str, source: IpAddr) -> Result<Seat, Full> {
        if self.seats.load(Ordering::Relaxed) >= self.quota.total {
            return Err(Full::Server);
        }
        let keys = [Key::Name(name.into()), Key::Source(source_key(source))];
        for (key, limit) in keys.iter().zip([self.quota.per_name, self.quota.per_source]) {
            if self.seats_of(key) >= limit {
                return Err(Full::Share);
            }
        }
        let [name, source] = keys.map(|key| self.open(key));
        let held = [self.seats.clone(), self.count(name), self.count(source)];
        for count in &held {
            count.fetch_add(1, Ordering::Relaxed);
        }
        Ok(Seat { accounts: Accounts { name, source }, held })
    }

    /// Takes a seat back.
    pub(super) fn vacate(&mut self, now: Instant, seat: Seat) {
        let Accounts { name, source } = seat.accounts;
        drop(seat);
        for index in [name, source] {
            if let Some(account) = self.accounts.at_mut(index)
                && account.seats.load(Ordering::Relaxed) == 0
                && account.idle.is_none()
            {
                let at = account.meter.hour_ends.max(now);
                account.idle = Some(at);
                self.idle.insert((at, index));
            }
        }
        self.expire(now);
    }

    /// Charges a packet of `bytes` to everybody, or says whose quota it would exceed.
    pub(super) fn charge(&mut self, now: Instant, accounts: Accounts, bytes: usize) -> Result<(), Drop> {
        let bytes = bytes as u64;
        let Accounts { name, source } = accounts;
        let Quota { traffic, traffic_per_name, traffic_per_source, .. } = self.quota;
        self.meter.fits(now, bytes, &traffic)?;
        for (index, limit) in [(name, &traffic_per_name), (source, &traffic_per_source)] {
            self.accounts.at_mut(index).map_or(Ok(()), |account| account.meter.fits(now, bytes, limit))?;
        }
        self.meter.take(now, bytes, &traffic);
        for (index, limit) in [(name, &traffic_per_name), (source, &traffic_per_source)] {
            if let Some(account) = self.accounts.at_mut(index) {
                account.meter.take(now, bytes, limit);
            }
        }
        Ok(())
    }

    /// The account of a name, if there is one.
    pub(super) fn account_of(&self, name: &str) -> Option<u32> {
        self.by_key.get(&Key::Name(name.into())).copied()
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.idle.first().map(|(at, _)| *at)
    }

    /// Forgets idle accounts whose hour is over.
    pub(super) fn expire(&mut self, now: Instant) {
        while let Some((at, index)) = self.idle.first().copied()
            && at <= now
        {
            self.forget(at, index);
        }
    }

    /// How many accounts there are, with seats or without.
    #[cfg(any(test, feature = "fuzz"))]
    pub(super) fn len(&self) -> usize {
        self.accounts.len()
    }

    fn seats_of(&self, key: &Key) -> u32 {
        let account = self.by_key.get(key).and_then(|index| self.accounts.at(*index));
        account.map_or(0, |account| account.seats.load(Ordering::Relaxed))
    }

    fn count(&self, index: u32) -> Arc<AtomicU32> {
        self.accounts.at(index).map(|account| account.seats.clone()).unwrap_or_default()
    }

    fn open(&mut self, key: Key) -> u32 {
        if let Some(index) = self.by_key.get(&key).copied() {
            // It is about to have a seat.
            if let Some(at) = self.accounts.at_mut(index).and_then(|account| account.idle.take()) {
                self.idle.remove(&(at, index));
            }
            return index;
        }
        // As many may be idle as can be in use: there is always one to give way.
        if self.accounts.len() >= 4 * self.quota.total as usize
            && let Some((at, index)) = self.idle.first().copied()
        {
            self.forget(at, index);
        }
        let account = Account { key: key.clone(), seats: Arc::default(), meter: Meter::default(), idle: None };
        let index = self.accounts.insert(account);
        self.by_key.insert(key, index);
        index
    }

    fn forget(&mut self, at: Instant, index: u32) {
        self.idle.remove(&(at, index));
        if let Some(account) = self.accounts.remove(index) {
            self.by_key.remove(&account.key);
        }
    }
}

/// Bytes of one account.
#[derive(Debug, Default)]
struct Meter {
    /// When the bucket is full again (the virtual scheduling of ITU-T I.371: one number, no rounding down of small gains).
    full_at: Instant,
    hour_ends: Instant,
    this_hour: u64,
}

impl Meter {
    fn fits(&mut self, now: Instant, bytes: u64, limit: &Traffic) -> Result<(), Drop> {
        if now >= self.hour_ends {
            self.this_hour = 0;
        }
        if limit.bytes_per_hour.is_some_and(|most| self.this_hour.saturating_add(bytes) > most) {
            return Err(Drop::Volume);
        }
        let over = |rate: u64| (self.full_at.max(now) + cost(bytes, rate)).since(now) > burst(rate);
        if limit.bytes_per_second.is_some_and(over) {
            return Err(Drop::Rate);
        }
        Ok(())
    }

    fn take(&mut self, now: Instant, bytes: u64, limit: &Traffic) {
        if now >= self.hour_ends {
            self.hour_ends = now + HOUR;
        }
        self.this_hour = self.this_hour.saturating_add(bytes);
        if let Some(rate) = limit.bytes_per_second {
            self.full_at = self.full_at.max(now) + cost(bytes, rate);
        }
    }
}

fn cost(bytes: u64, rate: u64) -> Duration {
    Duration::from_nanos(bytes.saturating_mul(1_000_000_000).checked_div(rate).unwrap_or(u64::MAX))
}

/// A second's worth, and at least the largest datagram.
fn burst(rate: u64) -> Duration {
    cost(0xFFFF, rate).max(Duration::from_secs(1))
}

#[cfg(test)]
mod tests {
    use super::{Full, HOUR, Ledger};
    use crate::server::config::{Quota, Traffic};
    use crate::server::counters::Drop;
    use alloc::format;
    use alloc::vec::Vec;
    use core::net::{IpAddr, Ipv4Addr};
    use peerage_base::time::{Duration, Instant};

    const NOW: Instant = Instant::from_millis(1000);

    fn ip(n: u32) -> IpAddr {
        Ipv4Addr::from(n).into()
    }

    fn quota() -> Quota {
        Quota { total: 6, per_name: 2, per_source: 3, ..Quota::default() }
    }

    #[test]
    fn seats_are_limited_by_name_by_source_and_in_all() {
        let mut ledger = Ledger::new(quota());
        let mut seats = Vec::new();
        seats.extend([ledger.take("a", ip(1)).unwrap(), ledger.take("a", ip(2)).unwrap()]);
        assert_eq!(ledger.take("a", ip(3)).unwrap_err(), Full::Share);
        seats.extend([ledger.take("b", ip(1)).unwrap(), ledger.take("c", ip(1)).unwrap()]);
        assert_eq!(ledger.take("d", ip(1)).unwrap_err(), Full::Share);
        seats.extend([ledger.take("d", ip(4)).unwrap(), ledger.take("e", ip(4)).unwrap()]);
        assert_eq!(ledger.take("f", ip(5)).unwrap_err(), Full::Server);
        ledger.vacate(NOW, seats.remove(0));
        assert!(ledger.take("a", ip(9)).is_ok());
    }

    #[test]
    fn a_guard_that_is_dropped_anywhere_gives_its_seat_back() {
        let mut ledger = Ledger::new(quota());
        for _ in 0..100 {
            drop(ledger.take("a", ip(1)).unwrap());
        }
        assert!(ledger.take("a", ip(1)).is_ok());
    }

    #[test]
    fn accounts_without_seats_are_forgotten_and_never_too_many() {
        let mut ledger = Ledger::new(quota());
        for n in 0..1000 {
            let seat = ledger.take(&format!("{n}"), ip(n)).unwrap();
            ledger.charge(NOW, seat.accounts(), 1).unwrap();
            ledger.vacate(NOW, seat);
            assert!(ledger.accounts.len() <= 26, "{}", ledger.accounts.len());
        }
        assert_eq!(ledger.deadline(), Some(NOW + HOUR));
        ledger.expire(NOW + HOUR);
        assert_eq!((ledger.accounts.len(), ledger.by_key.len(), ledger.deadline()), (0, 0, None));
    }

    #[test]
    fn the_volume_of_an_hour_outlives_the_allocation() {
        let limit = Traffic { bytes_per_second: None, bytes_per_hour: Some(1000) };
        let mut ledger = Ledger::new(Quota { traffic_per_name: limit, ..quota() });
        for n in 0..10 {
            let seat = ledger.take("a", ip(n)).unwrap();
            ledger.charge(NOW, seat.accounts(), 100).unwrap();
            ledger.vacate(NOW, seat);
        }
        let seat = ledger.take("a", ip(1)).unwrap();
        assert_eq!(ledger.charge(NOW, seat.accounts(), 1), Err(Drop::Volume));
        assert_eq!(ledger.charge(NOW + HOUR, seat.accounts(), 1000), Ok(()));
    }

    #[test]
    fn a_rate_is_kept_for_each_and_a_dropped_packet_costs_nothing() {
        let limit = |rate| Traffic { bytes_per_second: Some(rate), bytes_per_hour: None };
        let quota = Quota { traffic_per_name: limit(100_000), traffic_per_source: limit(150_000), ..quota() };
        let mut ledger = Ledger::new(quota);
        let (a, b) = (ledger.take("a", ip(1)).unwrap(), ledger.take("b", ip(1)).unwrap());
        let mut sent = [0, 0];
        for step in 0..10_000u64 {
            let now = NOW + Duration::from_millis(step);
            for (sent, seat) in sent.iter_mut().zip([&a, &b]) {
                if ledger.charge(now, seat.accounts(), 1000).is_ok() {
                    *sent += 1000;
                }
            }
        }
        // Ten seconds, and the burst of one second.
        assert!(sent.iter().all(|sent| *sent <= 1_100_000), "{sent:?}");
        assert!((1_640_000..=1_650_000).contains(&(sent[0] + sent[1])), "{sent:?}");
    }

    #[test]
    fn a_rate_below_a_packet_still_lets_one_through() {
        let limit = Traffic { bytes_per_second: Some(100), bytes_per_hour: None };
        let mut ledger = Ledger::new(Quota { traffic: limit, ..quota() });
        let seat = ledger.take("a", ip(1)).unwrap();
        assert_eq!(ledger.charge(NOW, seat.accounts(), 60_000), Ok(()));
        assert_eq!(ledger.charge(NOW, seat.accounts(), 60_000), Err(Drop::Rate));
        assert_eq!(ledger.charge(NOW + Duration::from_secs(600), seat.accounts(), 60_000), Ok(()));
    }
}
