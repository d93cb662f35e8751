//! The deadlines of a shard's connections, one each, on a hierarchical wheel.
//!
//! Slots of a millisecond, then of 64, 64² and so on. Setting a deadline links a node into a slot: no search and no
//! allocation. Slots know their earliest deadline exactly, so that nobody wakes up only to move timers down a level.

use peerage_base::time::Instant;

use super::ready::Key;

const BITS: u32 = 6;
const SLOTS: usize = 1 << BITS;
const LEVELS: usize = 6;
/// Milliseconds ahead that deadlines are kept apart: a year. What is later is looked at again then.
const REACH: u64 = 1 << (BITS * LEVELS as u32 - 1);
const NANOS_PER_TICK: u64 = 1_000_000;
/// No node, or no slot.
const NONE: u32 = u32::MAX;
/// The list of nodes whose time has come, behind all slots.
const DUE: usize = LEVELS * SLOTS;

/// Names a timer; freed by [`Timers::remove`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TimerId(u32);

/// At most one deadline per timer, and the earliest of all at hand.
#[derive(Debug)]
pub(super) struct Timers {
    nodes: Vec<Node>,
    free: u32,
    lists: Box<[List]>,
    /// Which slots of each level hold something.
    occupied: [u64; LEVELS],
    /// The millisecond up to which slots were emptied.
    tick: u64,
}

#[derive(Debug)]
struct Node {
    key: Key,
    deadline: Instant,
    /// The list that it is in.
    list: u32,
    next: u32,
    previous: u32,
}

#[derive(Clone, Copy, Debug)]
struct List {
    first: u32,
    /// No node is earlier; one that was may have left.
    earliest: Instant,
}

impl Default for Timers {
    fn default() -> Self {
        let empty = List { first: NONE, earliest: Instant::ORIGIN };
        Self { nodes: Vec::new(), free: NONE, lists: vec![empty; DUE + 1].into(), occupied: [0; LEVELS], tick: 0 }
    }
}

impl Timers {
    /// A timer of a connection, which does not run yet.
    pub(super) fn add(&mut self, key: Key) -> TimerId {
        let node = Node { key, deadline: Instant::ORIGIN, list: NONE, next: NONE, previous: NONE };
        if self.free == NONE {
            let id = u32::try_from(self.nodes.len()).unwrap_or(NONE);
            self.nodes.push(node);
            return TimerId(id);
        }
        let id = self.free;
        self.free = self.nodes[id as usize].next;
        self.nodes[id as usize] = node;
        TimerId(id)
    }

    /// Frees a timer. Its name is given to another one later.
    pub(super) fn remove(&mut self, id: TimerId) {
        self.unlink(id.0);
        self.nodes[id.0 as usize].next = self.free;
        self.free = id.0;
    }

    /// Sets, moves or removes a deadline.
    pub(super) fn set(&mut self, id: TimerId, deadline: Option<Instant>) {
        self.unlink(id.0);
        if let Some(deadline) = deadline {
            self.nodes[id.0 as usize].deadline = deadline;
            self.place(id.0);
        }
    }

    /// No deadline is earlier than this. One that was the earliest and moved on may still show.
    pub(super) fn next(&self) -> Option<Instant> {
        if self.lists[DUE].first != NONE {
            return Some(self.lists[DUE].earliest);
        }
        // What is on a lower level is earlier than all above it, and within a level slots are in the order of time.
        let level = (0..LEVELS).find(|level| self.occupied[*level] != 0)?;
        let present = slot_at(self.tick, level);
        let ahead = self.occupied[level].rotate_right(present).trailing_zeros();
        let slot = (present + ahead) as usize % SLOTS;
        Some(self.lists[level * SLOTS + slot].earliest)
    }

    /// Takes out a connection whose deadline is not after `now`; its timer does not run any more.
    pub(super) fn expired(&mut self, now: Instant) -> Option<Key> {
        if self.lists[DUE].first == NONE {
            self.advance(now);
        }
        let first = self.lists[DUE].first;
        if first == NONE {
            return None;
        }
        self.unlink(first);
        Some(self.nodes[first as usize].key)
    }

    /// Empties the slots that lie behind `now`: what is due goes to its list, the rest nearer.
    fn advance(&mut self, now: Instant) {
        let (old, new) = (self.tick, tick_of(now).max(self.tick));
        self.tick = new;
        for level in 0..LEVELS {
            let shift = BITS * level as u32;
            let passed = (new >> shift) - (old >> shift);
            // From the slot that the old moment lies in, which is empty above the lowest level, to that of the new one.
            let behind = u64::MAX >> (SLOTS as u64 - 1 - passed.min(SLOTS as u64 - 1));
            let mut slots = self.occupied[level] & behind.rotate_left(slot_at(old, level));
            while slots != 0 {
                self.empty(level * SLOTS + slots.trailing_zeros() as usize, now);
                slots &= slots - 1;
            }
            if passed == 0 {
                // Nothing above has moved either.
                break;
            }
        }
    }

    fn empty(&mut self, list: usize, now: Instant) {
        let mut at = std::mem::replace(&mut self.lists[list].first, NONE);
        self.occupied[list / SLOTS] &= !(1 << (list % SLOTS));
        while at != NONE {
            let next = self.nodes[at as usize].next;
            self.nodes[at as usize].list = NONE;
            if self.nodes[at as usize].deadline <= now {
                self.link(at, DUE, now);
            } else {
                self.place(at);
            }
            at = next;
        }
    }

    /// Puts a node where its deadline wants it. One that is late already shows as the earliest.
    fn place(&mut self, id: u32) {
        let deadline = self.nodes[id as usize].deadline;
        let at = tick_of(deadline).clamp(self.tick, self.tick + REACH);
        let differing = (self.tick ^ at) | (SLOTS as u64 - 1);
        let level = ((u64::BITS - 1 - differing.leading_zeros()) / BITS).min(LEVELS as u32 - 1) as usize;
        let slot = slot_at(at, level) as usize;
        let looked_at = deadline.min(Instant::from_nanos(at.saturating_add(1).saturating_mul(NANOS_PER_TICK)));
        self.link(id, level * SLOTS + slot, looked_at);
    }

    fn link(&mut self, id: u32, list: usize, deadline: Instant) {
        let head = &mut self.lists[list];
        let next = std::mem::replace(&mut head.first, id);
        head.earliest = if next == NONE { deadline } else { head.earliest.min(deadline) };
        let node = &mut self.nodes[id as usize];
        (node.list, node.next, node.previous) = (list as u32, next, NONE);
        if next != NONE {
            self.nodes[next as usize].previous = id;
        }
        if list != DUE {
            self.occupied[list / SLOTS] |= 1 << (list % SLOTS);
        }
    }

    fn unlink(&mut self, id: u32) {
        let Node { list, next, previous, .. } = self.nodes[id as usize];
        if list == NONE {
            return;
        }
        self.nodes[id as usize].list = NONE;
        if next != NONE {
            self.nodes[next as usize].previous = previous;
        }
        if previous != NONE {
            self.nodes[previous as usize].next = next;
            return;
        }
        let list = list as usize;
        self.lists[list].first = next;
        if next == NONE && list != DUE {
            self.occupied[list / SLOTS] &= !(1 << (list % SLOTS));
        }
    }
}

fn tick_of(at: Instant) -> u64 {
    at.as_nanos() / NANOS_PER_TICK
}

/// The slot of a level that a millisecond lies in.
fn slot_at(tick: u64, level: usize) -> u32 {
    (tick >> (BITS * level as u32)) as u32 % SLOTS as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use peerage_base::rng::Rng;
    use peerage_base::time::Duration;
    use std::collections::BTreeMap;

    #[test]
    fn a_moved_deadline_fires_once_at_its_new_time() {
        let mut timers = Timers::default();
        let (one, two) = (timers.add(Key(1)), timers.add(Key(2)));
        timers.set(one, Some(Instant::from_millis(5)));
        timers.set(two, Some(Instant::from_millis(7)));
        timers.set(one, Some(Instant::from_millis(9)));
        assert_eq!(timers.next(), Some(Instant::from_millis(7)));
        assert_eq!(timers.expired(Instant::from_millis(6)), None);
        let mut fired = [timers.expired(Instant::from_millis(9)), timers.expired(Instant::from_millis(9))];
        fired.sort();
        assert_eq!(fired, [Some(Key(1)), Some(Key(2))]);
        assert_eq!(timers.next(), None);
        timers.set(one, Some(Instant::from_millis(1)));
        timers.set(one, None);
        assert_eq!(timers.expired(Instant::from_millis(100)), None);
        timers.remove(one);
        assert_eq!(timers.add(Key(3)), one, "places are used again");
    }

    #[test]
    fn the_earliest_deadline_is_told_to_the_nanosecond_at_any_distance() {
        for distance in [0, 1, 999_999, 1_000_000, 77_000_000, 5_000_000_123, 400_000_000_000, 30_000_000_000_000_017] {
            let mut timers = Timers::default();
            let now = Instant::from_millis(4_999);
            assert_eq!(timers.expired(now), None);
            let (far, near) = (timers.add(Key(1)), timers.add(Key(2)));
            let deadline = now + Duration::from_nanos(distance);
            timers.set(far, Some(deadline + Duration::from_nanos(1)));
            timers.set(near, Some(deadline));
            assert_eq!(timers.next(), Some(deadline));
            if distance > 0 {
                assert_eq!(timers.expired(deadline - Duration::from_nanos(1)), None);
            }
            assert_eq!(timers.expired(deadline), Some(Key(2)), "{distance}");
            assert_eq!(timers.expired(deadline), None);
            assert_eq!(timers.expired(deadline + Duration::from_nanos(1)), Some(Key(1)));
        }
    }

    #[test]
    fn whatever_is_set_the_wheel_agrees_with_a_sorted_list() {
        let mut rng = Rng::from_u64(7);
        let mut timers = Timers::default();
        let ids: Vec<_> = (0..50).map(|n| timers.add(Key(n))).collect();
        let mut model = BTreeMap::new();
        let mut now = Instant::from_millis(1000);
        for _ in 0..20_000 {
            let n = rng.below(50);
            match rng.below(4) {
                0 => {
                    timers.set(ids[n as usize], None);
                    model.remove(&n);
                }
                1 | 2 => {
                    let scale = 1 << rng.below(46);
                    let deadline = now + Duration::from_nanos(rng.below(scale));
                    timers.set(ids[n as usize], Some(deadline));
                    model.insert(n, deadline);
                }
                _ => {
                    let wake = timers.next();
                    assert_eq!(wake.is_some(), !model.is_empty());
                    let earliest = model.values().min().copied();
                    assert!(wake <= earliest, "{wake:?} {earliest:?}");
                    let scale = 1 << rng.below(42);
                    now = if rng.below(2) == 0 {
                        now + Duration::from_nanos(rng.below(scale))
                    } else {
                        now.max(wake.unwrap_or(now))
                    };
                    let mut fired = Vec::new();
                    while let Some(key) = timers.expired(now) {
                        fired.push(key.0);
                    }
                    fired.sort_unstable();
                    let due: Vec<u64> = model.iter().filter(|(_, at)| **at <= now).map(|(n, _)| *n).collect();
                    assert_eq!(fired, due);
                    model.retain(|_, at| *at > now);
                }
            }
        }
    }

    #[test]
    fn an_idle_timer_costs_one_wake_up_not_one_per_level() {
        let mut timers = Timers::default();
        let id = timers.add(Key(1));
        let deadline = Instant::from_millis(5_432);
        timers.set(id, Some(deadline));
        assert_eq!(timers.next(), Some(deadline));
        assert_eq!(timers.expired(deadline), Some(Key(1)));
    }
}
