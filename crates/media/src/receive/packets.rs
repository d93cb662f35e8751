//! Packets of one stream by their place in it: a bounded window that moves on.

use alloc::vec::Vec;

/// Fewest places; grows from there.
const MIN_PLACES: usize = 64;
/// Most empty buffers that are kept to be used again.
const MAX_SPARE: usize = 128;

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Insertion {
    /// It is kept.
    New,
    /// There is one at its place already.
    Duplicate,
    /// Its place lies before the window.
    Late,
    /// Its place lies so far ahead that the window does not reach from the oldest packet to it, or it is too long.
    TooFar,
}

/// Bounds.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Most places from the oldest to the newest packet; rounded up to a power of two.
    pub places: usize,
    /// Most bytes of payload.
    pub bytes: usize,
}

#[derive(Clone, Debug)]
struct Kept<M> {
    index: u64,
    meta: M,
    payload: Vec<u8>,
}

/// Packets with what is known of each. Buffers are used again, so that nothing is allocated per packet once the window has
/// had its greatest size.
#[derive(Clone, Debug)]
pub struct Packets<M> {
    bounds: Bounds,
    places: Vec<Option<Kept<M>>>,
    spare: Vec<Vec<u8>>,
    /// No packet before this one is taken any more.
    first: u64,
    /// The lowest; `end` if there is none.
    low: u64,
    /// One past the highest.
    end: u64,
    len: usize,
    bytes: usize,
}

impl<M> Packets<M> {
    /// An empty window.
    pub fn new(bounds: Bounds) -> Self {
        let places = bounds.places.next_power_of_two().max(MIN_PLACES);
        let bounds = Bounds { places, ..bounds };
        Self { bounds, places: Vec::new(), spare: Vec::new(), first: 0, low: 0, end: 0, len: 0, bytes: 0 }
    }

    /// Keeps a packet.
    pub fn insert(&mut self, index: u64, meta: M, payload: &[u8]) -> Insertion {
        if index < self.first {
            return Insertion::Late;
        }
        if self.len == 0 {
            (self.low, self.end) = (index, index);
        }
        if self.meta(index).is_some() {
            return Insertion::Duplicate;
        }
        let low = self.low.min(index);
        let span = (self.end.max(index + 1) - low) as usize;
        if span > self.bounds.places || self.bytes.saturating_add(payload.len()) > self.bounds.bytes {
            return Insertion::TooFar;
        }
        self.grow(span);
        let mut buffer = self.spare.pop().unwrap_or_default();
        buffer.clear();
        buffer.extend_from_slice(payload);
        let place = self.place(index);
        self.places[place] = Some(Kept { index, meta, payload: buffer });
        (self.low, self.end) = (low, self.end.max(index + 1));
        self.len += 1;
        self.bytes += payload.len();
        Insertion::New
    }

    /// Drops a packet.
    pub fn remove(&mut self, index: u64) -> bool {
        let place = self.place(index);
        let Some(slot) = self.places.get_mut(place) else { return false };
        let Some(kept) = slot.take_if(|kept| kept.index == index) else { return false };
        self.len -= 1;
        self.bytes -= kept.payload.len();
        if index == self.low {
            self.low = (index + 1..self.end).find(|index| self.meta(*index).is_some()).unwrap_or(self.end);
        }
        if self.spare.len() < MAX_SPARE {
            self.spare.push(kept.payload);
        }
        true
    }

    /// Drops all packets before `index` and takes none of them any more.
    pub fn forget_before(&mut self, index: u64) {
        if index <= self.first {
            return;
        }
        while self.len > 0 && self.low < index {
            self.remove(self.low);
        }
        self.first = index;
    }

    /// Drops all packets, and takes any again.
    pub fn clear(&mut self) {
        self.forget_before(self.end);
        (self.first, self.low, self.end) = (0, 0, 0);
    }

    /// What is known of a packet, and its payload.
    pub fn get(&self, index: u64) -> Option<(&M, &[u8])> {
        let kept = self.places.get(self.place(index))?.as_ref()?;
        (kept.index == index).then_some((&kept.meta, &kept.payload[..]))
    }

    /// What is known of a packet.
    pub fn meta(&self, index: u64) -> Option<&M> {
        self.get(index).map(|(meta, _)| meta)
    }

    /// What is known of a packet, to be changed.
    pub fn meta_mut(&mut self, index: u64) -> Option<&mut M> {
        let place = self.place(index);
        let kept = self.places.get_mut(place)?.as_mut()?;
        (kept.index == index).then_some(&mut kept.meta)
    }

    /// The packets in order.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &M)> {
        let from = if self.len == 0 { self.end } else { self.low };
        (from..self.end).filter_map(|index| self.meta(index).map(|meta| (index, meta)))
    }

    /// How many packets there are.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes of payload that are kept.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// The first packet there is.
    pub fn lowest(&self) -> Option<u64> {
        (self.len > 0).then_some(self.low)
    }

    /// Places before this one are closed.
    pub const fn first(&self) -> u64 {
        self.first
    }

    /// One past the highest place that had a packet.
    pub const fn end(&self) -> u64 {
        self.end
    }

    fn place(&self, index: u64) -> usize {
        // Their number is a power of two, or none.
        index as usize & self.places.len().wrapping_sub(1)
    }

    fn grow(&mut self, span: usize) {
        if span <= self.places.len() {
            return;
        }
        let size = span.next_power_of_two().max(MIN_PLACES);
        let old = core::mem::take(&mut self.places);
        self.places.resize_with(size, || None);
        for kept in old.into_iter().flatten() {
            let place = self.place(kept.index);
            self.places[place] = Some(kept);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    const BOUNDS: Bounds = Bounds { places: 128, bytes: 10_000 };

    #[test]
    fn a_packet_is_kept_once_and_found_at_its_place() {
        let mut packets = Packets::new(BOUNDS);
        assert_eq!(packets.insert(70_000, 'a', b"one"), Insertion::New);
        assert_eq!(packets.insert(70_000, 'b', b"two"), Insertion::Duplicate);
        assert_eq!(packets.insert(69_990, 'c', b"three"), Insertion::New);
        assert_eq!(packets.get(70_000), Some((&'a', &b"one"[..])));
        assert_eq!((packets.len(), packets.bytes(), packets.end()), (2, 8, 70_001));
        packets.forget_before(70_000);
        assert_eq!(packets.get(69_990), None);
        assert_eq!(packets.insert(69_990, 'd', b""), Insertion::Late);
    }

    #[test]
    fn neither_distance_nor_bytes_go_beyond_their_bounds() {
        let mut packets = Packets::new(BOUNDS);
        packets.insert(1000, (), &[0; 9_000]);
        assert_eq!(packets.insert(1127, (), &[0; 1_000]), Insertion::New);
        assert_eq!(packets.insert(1128, (), &[]), Insertion::TooFar);
        assert_eq!(packets.insert(1001, (), &[0; 1]), Insertion::TooFar);
        packets.remove(1000);
        assert_eq!(packets.insert(1128, (), &[0; 1]), Insertion::New);
        packets.clear();
        assert!(packets.is_empty() && packets.bytes() == 0);
        assert_eq!(packets.insert(5, (), &[]), Insertion::New);
    }

    #[test]
    fn a_steady_stream_allocates_nothing_once_it_has_run_a_while() {
        let mut packets = Packets::new(BOUNDS);
        let mut run = |from: u64| {
            for index in from..from + 100 {
                assert_eq!(packets.insert(index, (), &[7; 90]), Insertion::New);
                packets.forget_before((index + 1).saturating_sub(50));
            }
        };
        run(100);
        let info = allocation_counter::measure(|| run(200));
        assert_eq!(info.count_total, 0);
    }

    proptest! {
        #[test]
        fn it_is_an_ordered_map_with_bounds(ops in prop::collection::vec((0u8..5, 900u64..1300), 1..300)) {
            let mut packets = Packets::new(BOUNDS);
            let mut model: BTreeMap<u64, u64> = BTreeMap::new();
            let mut first = 0;
            for (op, index) in ops {
                match op {
                    0 => {
                        packets.forget_before(index);
                        first = first.max(index);
                        model = model.split_off(&index);
                    }
                    1 => prop_assert_eq!(packets.remove(index), model.remove(&index).is_some()),
                    _ => match packets.insert(index, index, &[1; 20]) {
                        Insertion::New => prop_assert!(index >= first && model.insert(index, index).is_none()),
                        Insertion::Duplicate => prop_assert!(model.contains_key(&index)),
                        Insertion::Late => prop_assert!(index < first),
                        Insertion::TooFar => prop_assert!(!model.is_empty()),
                    },
                }
                prop_assert!(packets.iter().map(|(index, _)| index).eq(model.keys().copied()));
                prop_assert_eq!((packets.len(), packets.bytes()), (model.len(), 20 * model.len()));
            }
        }
    }
}
