//! The replay window: which of the latest indices were seen (RFC 3711 §3.3.2, in the manner of RFC 6479).

/// How many indices are remembered. Repair, probing and paths of different delay reorder by hundreds of packets.
pub(crate) const WINDOW: u64 = 1024;
const WORD: u64 = u64::BITS as u64;
/// One word more than the window needs, so that a word is wiped as a whole when the window moves into it.
const WORDS: usize = (WINDOW / WORD) as usize + 1;

/// What an index is to the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Never,
    Before,
    /// It is behind the window.
    Unknown,
}

/// Indices seen. It begins with one of them.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    highest: u64,
    /// A ring of bits by index; those above the highest, in the word that it is in, are zero.
    bits: [u64; WORDS],
}

impl Window {
    /// A window in which `index` is the highest and only one seen.
    pub fn begin(index: u64) -> Self {
        let mut window = Self { highest: index, bits: [0; WORDS] };
        window.mark(index);
        window
    }

    /// A window in which everything up to `highest` counts as seen.
    pub fn after(highest: u64) -> Self {
        let mut bits = [u64::MAX; WORDS];
        bits[Self::place(highest / WORD)] >>= WORD - 1 - highest % WORD;
        Self { highest, bits }
    }

    /// Notes that `index` was seen, which must not be behind the window.
    pub fn record(&mut self, index: u64) {
        if index > self.highest {
            let (from, to) = (self.highest / WORD, index / WORD);
            for word in from + 1..=to.min(from + WORDS as u64) {
                self.bits[Self::place(word)] = 0;
            }
            self.highest = index;
        }
        self.mark(index);
    }

    /// The highest index seen.
    pub fn highest(&self) -> u64 {
        self.highest
    }

    /// Whether `index` was seen.
    pub fn seen(&self, index: u64) -> Seen {
        if index > self.highest {
            Seen::Never
        } else if index + WINDOW <= self.highest {
            Seen::Unknown
        } else if self.bits[Self::place(index / WORD)] >> (index % WORD) & 1 == 0 {
            Seen::Never
        } else {
            Seen::Before
        }
    }

    fn mark(&mut self, index: u64) {
        self.bits[Self::place(index / WORD)] |= 1 << (index % WORD);
    }

    fn place(word: u64) -> usize {
        (word % WORDS as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;
    use proptest::prelude::*;

    #[test]
    fn the_window_has_1024_indices() {
        let mut window = Window::begin(5000);
        assert_eq!(window.seen(5000), Seen::Before);
        assert_eq!(window.seen(5000 - 1023), Seen::Never);
        assert_eq!(window.seen(5000 - 1024), Seen::Unknown);
        window.record(5000 - 1023);
        assert_eq!(window.seen(5000 - 1023), Seen::Before);
        assert_eq!(window.highest(), 5000);
    }

    #[test]
    fn a_resumed_window_has_seen_all_there_was() {
        for highest in [0, 63, 64, 5000, 5055] {
            let mut window = Window::after(highest);
            assert!((0..=highest).all(|index| window.seen(index) != Seen::Never), "{highest}");
            window.record(highest + 3);
            for index in [highest + 1, highest + 2, highest + 4, highest + 60, highest + 900] {
                assert_eq!(window.seen(index), Seen::Never, "{highest} {index}");
            }
            window.record(highest + 70);
            assert_eq!(window.seen(highest), Seen::Before);
            assert_eq!(window.seen(highest + 3), Seen::Before);
            assert_eq!(window.seen(highest + 64), Seen::Never);
        }
    }

    proptest! {
        #[test]
        fn it_remembers_like_a_set(
            start in 0u64..1 << 47,
            resumed: bool,
            steps in prop::collection::vec(prop_oneof![4 => -40i64..40, 2 => -1200i64..1200, 1 => 0i64..70_000], 1..300),
        ) {
            let mut window = if resumed { Window::after(start) } else { Window::begin(start) };
            let (mut set, mut highest) = (BTreeSet::from([start]), start);
            for step in steps {
                let Some(index) = highest.checked_add_signed(step) else { continue };
                let expected = if index + WINDOW <= highest {
                    Seen::Unknown
                } else if set.contains(&index) || (resumed && index <= start) {
                    Seen::Before
                } else {
                    Seen::Never
                };
                prop_assert_eq!(window.seen(index), expected, "{} at {}", index, highest);
                if expected == Seen::Never {
                    window.record(index);
                    set.insert(index);
                    highest = highest.max(index);
                }
                prop_assert_eq!(window.highest(), highest);
            }
        }
    }
}
