//! What has left, until feedback tells what became of it.

use super::event::ClusterId;
use alloc::boxed::Box;
use alloc::vec;
use peerage_base::ecn::Ecn;
use peerage_base::time::{Duration, Instant};
use peerage_rtp::numbers::{SequenceNumber, Ssrc};

/// How long packets are kept that no feedback speaks of.
const KEPT: Duration = Duration::from_secs(10);
/// How long lost packets are kept: feedback may tell later that they came after all.
const LOST_KEPT: Duration = Duration::from_secs(1);
/// Room at first.
const LEAST: usize = 256;
/// Most packets that are kept: 8 s at 20 Mbit/s. Less than half of the transport-wide numbers, so that none is there twice.
const MOST: usize = 16_384;
/// No packet.
const NONE: u32 = u32::MAX;

/// What feedback will call a packet by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key(u64);

impl Key {
    /// A number across all streams.
    pub(super) fn transport(number: SequenceNumber) -> Self {
        Self(1 << 48 | u64::from(number.0))
    }

    /// A number of one stream.
    pub(super) fn stream(ssrc: Ssrc, number: SequenceNumber) -> Self {
        Self(u64::from(ssrc.0) << 16 | u64::from(number.0))
    }

    /// The number across all streams, if that is what it is.
    pub(super) fn as_transport(self) -> Option<SequenceNumber> {
        (self.0 >> 48 == 1).then_some(SequenceNumber(self.0 as u16))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Unknown,
    Lost,
    Arrived,
}

/// A packet that has left.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    key: Key,
    /// When it left.
    pub(super) sent_at: Instant,
    /// Its bytes.
    pub(super) size: u32,
    /// Bytes of others that left between the one before it and this one.
    pub(super) other: u32,
    /// The probe that it is part of.
    pub(super) cluster: Option<ClusterId>,
    /// The next older one of its bucket.
    next: u32,
    /// Its mark when it left.
    pub(super) ecn: Ecn,
    fate: Fate,
}

impl Record {
    pub(super) fn new(key: Key, sent_at: Instant, size: u32) -> Self {
        Self { key, sent_at, size, other: 0, cluster: None, next: NONE, ecn: Ecn::NotEct, fate: Fate::Unknown }
    }

    /// Whether it was told as lost before.
    pub(super) fn was_lost(&self) -> bool {
        self.fate == Fate::Lost
    }

    fn is_in_flight(&self) -> bool {
        self.fate == Fate::Unknown
    }
}

/// Packets in the order in which they left, to be found by their numbers: a ring, and chains through it by the numbers' hashes.
#[derive(Clone, Debug)]
pub(super) struct History {
    /// Its length is a power of two.
    ring: Box<[Record]>,
    /// The newest packet of each bucket; as many as there is room for packets.
    buckets: Box<[u32]>,
    /// Which packet the oldest is, and one past the newest, counted from the first of all.
    oldest: u64,
    end: u64,
    in_flight: u64,
}

impl History {
    pub(super) fn new() -> Self {
        Self { ring: Box::default(), buckets: Box::default(), oldest: 0, end: 0, in_flight: 0 }
    }

    /// A packet has left.
    pub(super) fn push(&mut self, record: Record) {
        if self.len() == self.ring.len() {
            if self.ring.len() < MOST {
                self.grow();
            } else {
                self.pop();
            }
        }
        self.in_flight += u64::from(record.size);
        self.link(self.end, record);
        self.end += 1;
    }

    /// The packet has arrived; `None` if it is not known, or was told so before.
    pub(super) fn arrived(&mut self, key: Key) -> Option<Record> {
        self.settle(key, Fate::Arrived)
    }

    /// The packet is lost; `None` if it is not known, or was told of before.
    pub(super) fn lost(&mut self, key: Key) -> Option<Record> {
        self.settle(key, Fate::Lost)
    }

    /// Forgets what is settled or too old. Feedback has told of a packet that left at `told`: what left long before that and
    /// was not told of will not be any more.
    pub(super) fn expire(&mut self, now: Instant, told: Option<Instant>) {
        while let Some(record) = self.front() {
            let age = match told.filter(|_| record.is_in_flight()) {
                Some(told) if told.since(record.sent_at) > LOST_KEPT => KEPT,
                _ => now.since(record.sent_at),
            };
            let limit = match record.fate {
                Fate::Arrived => Duration::ZERO,
                Fate::Lost => LOST_KEPT,
                Fate::Unknown => KEPT,
            };
            if age < limit {
                break;
            }
            self.pop();
        }
    }

    pub(super) fn clear(&mut self) {
        while self.len() > 0 {
            self.pop();
        }
    }

    /// Whether something of this name is kept.
    pub(super) fn knows(&self, key: Key) -> bool {
        self.find(key).is_some()
    }

    /// Bytes of packets that nothing is known of yet.
    pub(super) fn in_flight(&self) -> u64 {
        self.in_flight
    }

    /// How many packets are kept.
    pub(super) fn len(&self) -> usize {
        (self.end - self.oldest) as usize
    }

    /// The oldest packet that is kept, and the newest.
    pub(super) fn ends(&self) -> Option<(Key, Key)> {
        let newest = self.ring.get(self.slot(self.end.checked_sub(1)?))?;
        self.front().map(|oldest| (oldest.key, newest.key))
    }

    fn front(&self) -> Option<&Record> {
        (self.len() > 0).then(|| &self.ring[self.slot(self.oldest)])
    }

    fn settle(&mut self, key: Key, fate: Fate) -> Option<Record> {
        let record = self.find(key).map(|slot| &mut self.ring[slot])?;
        let before = *record;
        let is_news = match before.fate {
            Fate::Unknown => true,
            Fate::Lost => fate == Fate::Arrived,
            Fate::Arrived => false,
        };
        if !is_news {
            return None;
        }
        record.fate = fate;
        if before.is_in_flight() {
            self.in_flight -= u64::from(before.size);
        }
        Some(before)
    }

    fn find(&self, key: Key) -> Option<usize> {
        let mut at = *self.buckets.get(self.bucket(key))?;
        while let Some(record) = self.ring.get(at as usize) {
            if record.key == key {
                return Some(at as usize);
            }
            at = record.next;
        }
        None
    }

    /// Puts the packet that is `nth` of all into its slot, and before the others of its bucket.
    fn link(&mut self, nth: u64, record: Record) {
        let (slot, bucket) = (self.slot(nth), self.bucket(record.key));
        self.ring[slot] = Record { next: self.buckets[bucket], ..record };
        self.buckets[bucket] = slot as u32;
    }

    /// Forgets the oldest.
    fn pop(&mut self) {
        let slot = self.slot(self.oldest);
        let record = self.ring[slot];
        if record.is_in_flight() {
            self.in_flight -= u64::from(record.size);
        }
        let bucket = self.bucket(record.key);
        // The oldest of all is the last of its chain.
        let mut at = self.buckets[bucket] as usize;
        if at == slot {
            self.buckets[bucket] = record.next;
        } else {
            while self.ring[at].next as usize != slot {
                at = self.ring[at].next as usize;
            }
            self.ring[at].next = record.next;
        }
        self.oldest += 1;
    }

    fn grow(&mut self) {
        let len = (self.ring.len() * 2).max(LEAST);
        let empty = Record::new(Key(u64::MAX), Instant::ORIGIN, 0);
        let old = core::mem::replace(&mut self.ring, vec![empty; len].into());
        self.buckets = vec![NONE; len].into();
        for nth in self.oldest..self.end {
            self.link(nth, old[nth as usize & (old.len() - 1)]);
        }
    }

    fn slot(&self, nth: u64) -> usize {
        nth as usize & self.ring.len().wrapping_sub(1)
    }

    fn bucket(&self, Key(key): Key) -> usize {
        let len = self.ring.len().max(1);
        // Numbers of one stream fall into buckets next to each other, streams anywhere.
        let stream = (key >> 16).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        key.wrapping_add(stream) as usize & (len - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    fn record(number: u16, millis: u64) -> Record {
        Record::new(Key::transport(SequenceNumber(number)), at(millis), 100)
    }

    fn key(number: u16) -> Key {
        Key::transport(SequenceNumber(number))
    }

    #[test]
    fn a_packet_is_told_of_once_as_lost_and_once_as_arrived() {
        let mut history = History::new();
        assert!(history.arrived(key(1)).is_none());
        history.push(record(1, 0));
        assert_eq!(history.in_flight(), 100);
        assert!(history.lost(key(1)).is_some_and(|record| !record.was_lost()));
        assert!(history.lost(key(1)).is_none());
        assert_eq!(history.in_flight(), 0);
        assert!(history.arrived(key(1)).is_some_and(|record| record.was_lost()));
        assert!(history.arrived(key(1)).is_none() && history.lost(key(1)).is_none());
        assert!(history.knows(key(1)) && !history.knows(key(2)));
    }

    #[test]
    fn numbers_of_streams_and_of_the_transport_do_not_mix() {
        let mut history = History::new();
        let number = SequenceNumber(9);
        history.push(record(9, 0));
        for ssrc in [1, 2, 1 << 31] {
            assert!(history.arrived(Key::stream(Ssrc(ssrc), number)).is_none());
            history.push(Record::new(Key::stream(Ssrc(ssrc), number), at(0), 1));
            assert!(history.arrived(Key::stream(Ssrc(ssrc), number)).is_some());
        }
        assert_eq!(Key::stream(Ssrc(u32::MAX), number).as_transport(), None);
        assert_eq!(key(9).as_transport(), Some(number));
        assert!(history.arrived(key(9)).is_some());
    }

    #[test]
    fn what_is_settled_goes_first_and_what_is_not_told_of_after_ten_seconds() {
        let mut history = History::new();
        for n in 0..4 {
            history.push(record(n, 0));
        }
        history.arrived(key(0));
        history.lost(key(1));
        history.expire(at(999), None);
        assert_eq!(history.len(), 3);
        history.expire(at(1000), None);
        assert_eq!((history.len(), history.in_flight()), (2, 200));
        history.expire(at(9999), None);
        assert_eq!(history.len(), 2);
        history.expire(at(10_000), None);
        assert_eq!((history.len(), history.in_flight()), (0, 0));
        history.push(record(5, 1000));
        history.expire(at(2500), Some(at(2000)));
        assert_eq!(history.len(), 1);
        history.expire(at(2500), Some(at(2001)));
        assert_eq!((history.len(), history.in_flight()), (0, 0));
    }

    #[test]
    fn only_so_many_are_kept() {
        let mut history = History::new();
        for n in 0..100_000u32 {
            history.push(record(n as u16, 0));
        }
        assert_eq!((history.len(), history.in_flight()), (MOST, MOST as u64 * 100));
        let newest = 99_999u32 as u16;
        assert!(history.arrived(key(newest)).is_some());
        assert!(history.arrived(key(newest.wrapping_sub(MOST as u16))).is_none());
        assert_eq!(history.ends(), Some((key(newest.wrapping_sub(MOST as u16 - 1)), key(newest))));
        history.clear();
        assert_eq!((history.len(), history.in_flight(), history.ends()), (0, 0, None));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn packets_are_found_as_in_a_map(ops in prop::collection::vec((0u8..4, 0u32..3, 0u16..600), 0..2000)) {
            let mut history = History::new();
            let mut model: BTreeMap<(u32, u16), bool> = BTreeMap::new();
            let mut next = [0u16; 3];
            for (op, ssrc, number) in ops {
                let name = Key::stream(Ssrc(ssrc.wrapping_mul(0x1234_5678)), SequenceNumber(number));
                match op {
                    0 | 1 => {
                        let number = next[ssrc as usize];
                        next[ssrc as usize] += 1;
                        let name = Key::stream(Ssrc(ssrc.wrapping_mul(0x1234_5678)), SequenceNumber(number));
                        history.push(Record::new(name, at(0), 1));
                        model.insert((ssrc, number), false);
                    }
                    2 => {
                        let is_news = model.get_mut(&(ssrc, number)).is_some_and(|told| !core::mem::replace(told, true));
                        prop_assert_eq!(history.arrived(name).is_some(), is_news);
                    }
                    _ => prop_assert_eq!(history.knows(name), model.contains_key(&(ssrc, number))),
                }
                prop_assert_eq!(history.in_flight(), model.values().filter(|told| !**told).count() as u64);
            }
        }
    }
}
