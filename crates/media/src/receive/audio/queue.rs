//! Sound that waits to be decoded, in the order of its timestamps.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use peerage_base::time::Instant;
use peerage_rtp::numbers::PayloadType;
use peerage_rtp::payload::codec::Codec;
use peerage_rtp::payload::comfort_noise::ComfortNoise;
use peerage_rtp::payload::opus;

/// What a payload is to the one who plays it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Sound.
    Sound,
    /// The sender is silent from here on (discontinuous transmission).
    Silence,
}

/// One payload.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its timestamp with the wraps counted.
    pub at: u64,
    /// How long it lasts, in ticks.
    pub ticks: u32,
    /// By how many ticks it can make up for sound missing right before it; 0 if it cannot.
    pub covers: u32,
    /// What it is.
    pub kind: Kind,
    /// It is a repetition, as yet the only copy.
    pub is_redundant: bool,
    /// Its format.
    pub codec: Codec,
    /// As it was sent.
    pub payload_type: PayloadType,
    /// When it arrived.
    pub arrived: Instant,
    /// The payload.
    pub payload: Vec<u8>,
}

impl Entry {
    /// One past its last tick.
    pub const fn end(&self) -> u64 {
        self.at + self.ticks as u64
    }
}

/// What a payload of a format is; `None` if it is malformed or no sound.
pub fn measure(codec: Codec, payload: &[u8]) -> Option<(u32, u32, Kind)> {
    match codec {
        Codec::Opus => {
            let packet = opus::Packet::parse(payload).ok()?;
            let kind = if packet.is_silent() { Kind::Silence } else { Kind::Sound };
            let covers = if packet.has_redundancy() { packet.frame_duration() } else { 0 };
            Some((packet.duration(), covers, kind))
        }
        // One byte in a tick.
        Codec::Pcmu | Codec::Pcma | Codec::G722 => {
            (!payload.is_empty()).then_some((payload.len() as u32, 0, Kind::Sound))
        }
        // Lasts until there is sound again.
        Codec::ComfortNoise => ComfortNoise::parse(payload).ok().map(|_| (0, 0, Kind::Silence)),
        _ => None,
    }
}

/// What became of a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Insertion {
    /// It waits.
    New,
    /// It takes the place of a repetition.
    Better,
    /// There is one like it.
    Duplicate,
    /// There is no room.
    Full,
}

/// Bounded; buffers are used again.
#[derive(Clone, Debug)]
pub struct Queue {
    entries: VecDeque<Entry>,
    spare: Vec<Vec<u8>>,
    limit: usize,
}

impl Queue {
    /// For at most `limit` payloads.
    pub const fn new(limit: usize) -> Self {
        Self { entries: VecDeque::new(), spare: Vec::new(), limit }
    }

    /// Adds `entry`, whose payload is empty as yet, with a copy of `payload`.
    pub fn insert(&mut self, mut entry: Entry, payload: &[u8]) -> Insertion {
        // Most come in order, so from the back.
        let behind = self.entries.iter().rev().take_while(|other| other.at > entry.at).count();
        let place = self.entries.len() - behind;
        if let Some(other) = place.checked_sub(1).and_then(|before| self.entries.get_mut(before))
            && other.at == entry.at
        {
            if !other.is_redundant || entry.is_redundant {
                return Insertion::Duplicate;
            }
            let mut buffer = core::mem::take(&mut other.payload);
            buffer.clear();
            buffer.extend_from_slice(payload);
            *other = Entry { payload: buffer, ..entry };
            return Insertion::Better;
        }
        if self.entries.len() >= self.limit {
            return Insertion::Full;
        }
        entry.payload = self.spare.pop().unwrap_or_default();
        entry.payload.clear();
        entry.payload.extend_from_slice(payload);
        self.entries.insert(place, entry);
        Insertion::New
    }

    /// Takes the first out. Its buffer is to be given back.
    pub fn pop(&mut self) -> Option<Entry> {
        self.entries.pop_front()
    }

    /// Gives a buffer back.
    pub fn give_back(&mut self, buffer: Vec<u8>) {
        if self.spare.len() < self.limit && buffer.capacity() > 0 {
            self.spare.push(buffer);
        }
    }

    /// Drops the first as long as `drop` says so; answers how many were sound sent once.
    pub fn drop_while(&mut self, mut drop: impl FnMut(&Entry) -> bool) -> u64 {
        let mut dropped = 0;
        while self.entries.front().is_some_and(&mut drop)
            && let Some(entry) = self.entries.pop_front()
        {
            dropped += u64::from(!entry.is_redundant);
            self.give_back(entry.payload);
        }
        dropped
    }

    /// The first.
    pub fn first(&self) -> Option<&Entry> {
        self.entries.front()
    }

    /// The first, to be changed.
    pub fn first_mut(&mut self) -> Option<&mut Entry> {
        self.entries.front_mut()
    }

    /// The last.
    pub fn last(&self) -> Option<&Entry> {
        self.entries.back()
    }

    /// Whether there is one that holds this tick.
    pub fn has(&self, tick: u64) -> bool {
        self.entries
            .iter()
            .rev()
            .find(|entry| entry.at <= tick)
            .is_some_and(|entry| entry.at == tick || tick < entry.end())
    }

    /// How much sound there is from `from` on, gaps included but none beyond `most` ticks.
    pub fn span(&self, from: u64, most: u64) -> u64 {
        let mut at = from;
        let mut sum = 0;
        for entry in &self.entries {
            sum += entry.at.saturating_sub(at).min(most) + entry.end().saturating_sub(entry.at.max(at));
            at = at.max(entry.end());
        }
        sum
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(at: u64, is_redundant: bool) -> Entry {
        Entry {
            at,
            ticks: 160,
            covers: 0,
            kind: Kind::Sound,
            is_redundant,
            codec: Codec::Pcmu,
            payload_type: PayloadType::from_byte(0),
            arrived: Instant::ORIGIN,
            payload: Vec::new(),
        }
    }

    #[test]
    fn payloads_are_ordered_and_repetitions_give_way() {
        let mut queue = Queue::new(3);
        assert_eq!(queue.insert(entry(320, false), b"c"), Insertion::New);
        assert_eq!(queue.insert(entry(0, true), b"a"), Insertion::New);
        assert_eq!(queue.insert(entry(160, false), b"b"), Insertion::New);
        assert_eq!(queue.insert(entry(480, false), b"d"), Insertion::Full);
        assert_eq!(queue.insert(entry(320, true), b"x"), Insertion::Duplicate);
        assert_eq!(queue.insert(entry(0, false), b"A"), Insertion::Better);
        assert!(queue.has(160) && queue.has(479) && !queue.has(480));
        assert_eq!(queue.span(80, 1_000), 400);
        assert_eq!(queue.drop_while(|entry| entry.at < 160), 1);
        let popped = queue.pop().unwrap();
        assert_eq!((popped.at, &popped.payload[..]), (160, &b"b"[..]));
        queue.give_back(popped.payload);
        assert_eq!((queue.len(), queue.first().map(|e| e.at), queue.last().map(|e| e.at)), (1, Some(320), Some(320)));
    }

    #[test]
    fn a_gap_counts_up_to_a_bound() {
        let mut queue = Queue::new(3);
        queue.insert(entry(1_000_000, false), b"a");
        assert_eq!(queue.span(0, 500), 660);
        assert_eq!(queue.span(2_000_000, 500), 0);
    }

    #[test]
    fn what_a_payload_is_follows_from_its_format() {
        assert_eq!(measure(Codec::Opus, &[0xF8, 1, 2]), Some((960, 0, Kind::Sound)));
        assert_eq!(measure(Codec::Opus, &[0x48, 0x40, 0]), Some((960, 960, Kind::Sound)));
        assert_eq!(measure(Codec::Opus, &[0xF8]), Some((960, 0, Kind::Silence)));
        assert_eq!(measure(Codec::Opus, &[]), None);
        assert_eq!(measure(Codec::Pcma, &[0; 80]), Some((80, 0, Kind::Sound)));
        assert_eq!(measure(Codec::ComfortNoise, &[40]), Some((0, 0, Kind::Silence)));
        assert_eq!(measure(Codec::Vp8, &[40]), None);
    }
}
