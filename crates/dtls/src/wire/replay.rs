//! Which records of an epoch came already (RFC 9147 §4.5.1, RFC 6347 §4.1.2.6).

const WORDS: usize = 8;
const BITS: u64 = u64::BITS as u64;

/// How far behind the newest record one may come late, in records: 5 ms at a gigabit per second, which is more than
/// paths of different length reorder by.
pub(crate) const WIDTH: u64 = (WORDS as u64 - 1) * BITS;

/// The numbers of the last records. A ring of bits: going on clears whole words and moves none.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReplayWindow {
    seen: [u64; WORDS],
    /// One more than the highest number that came; 0 before the first.
    next: u64,
}

/// Why a number is not new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotNew {
    /// It came already.
    Replayed,
    /// It is so far behind that nobody knows.
    TooOld,
}

impl ReplayWindow {
    /// One more than the highest number that came.
    pub(crate) const fn next(&self) -> u64 {
        self.next
    }

    /// Whether `number` is new.
    pub(crate) fn check(&self, number: u64) -> Result<(), NotNew> {
        if number >= self.next {
            return Ok(());
        }
        if self.next - number > WIDTH {
            return Err(NotNew::TooOld);
        }
        let (word, bit) = place(number);
        if self.seen[word] & bit != 0 { Err(NotNew::Replayed) } else { Ok(()) }
    }

    /// Takes in a number that [`check`](Self::check) let pass, once its record proved authentic.
    pub(crate) fn insert(&mut self, number: u64) {
        if number >= self.next {
            self.go_on_to(number);
        }
        let (word, bit) = place(number);
        self.seen[word] |= bit;
    }

    fn go_on_to(&mut self, number: u64) {
        // The word of the last number that came stays; those after it, up to the new one's, are empty.
        let from = if self.next == 0 { 0 } else { (self.next - 1) / BITS };
        let words = (number / BITS - from).min(WORDS as u64);
        for i in 1..=words {
            self.seen[((from + i) % WORDS as u64) as usize] = 0;
        }
        self.next = number.saturating_add(1);
    }
}

const fn place(number: u64) -> (usize, u64) {
    ((number / BITS) as usize % WORDS, 1 << (number % BITS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;
    use proptest::prelude::*;

    #[test]
    fn the_first_record_may_have_any_number() {
        for first in [0, 1, 63, 64, WIDTH, 1 << 40, u64::MAX - 1] {
            let mut window = ReplayWindow::default();
            assert_eq!(window.check(first), Ok(()));
            window.insert(first);
            assert_eq!(window.check(first), Err(NotNew::Replayed));
            assert_eq!(window.next(), first + 1);
        }
    }

    #[test]
    fn the_edges_are_where_they_are_said_to_be() {
        let mut window = ReplayWindow::default();
        let newest = 10_000;
        window.insert(newest);
        let oldest = newest + 1 - WIDTH;
        assert_eq!(window.check(oldest), Ok(()));
        assert_eq!(window.check(oldest - 1), Err(NotNew::TooOld));
        window.insert(oldest);
        assert_eq!(window.check(oldest), Err(NotNew::Replayed));
        window.insert(newest + 1);
        assert_eq!(window.check(oldest), Err(NotNew::TooOld));
        assert_eq!(window.check(oldest + 1), Ok(()));
        assert_eq!(window.check(newest), Err(NotNew::Replayed));
    }

    #[test]
    fn a_jump_forgets_what_lay_before() {
        let mut window = ReplayWindow::default();
        (0..600).for_each(|n| window.insert(n));
        window.insert(100_000);
        for late in 100_001 - WIDTH..100_000 {
            assert_eq!(window.check(late), Ok(()), "{late}");
        }
    }

    proptest! {
        #[test]
        fn it_answers_as_a_set_of_all_numbers_would(steps in prop::collection::vec((-600_i64..600, 0..40_u8), 1..400)) {
            let mut window = ReplayWindow::default();
            let mut all = BTreeSet::new();
            let mut highest = 0_u64;
            for (step, jump) in steps {
                let step = if jump == 0 { step * 1_000 } else { step };
                let number = highest.saturating_add_signed(step);
                let expected = match all.last() {
                    Some(last) if last + 1 > number + WIDTH => Err(NotNew::TooOld),
                    _ if all.contains(&number) => Err(NotNew::Replayed),
                    _ => Ok(()),
                };
                prop_assert_eq!(window.check(number), expected);
                if expected.is_ok() {
                    window.insert(number);
                    all.insert(number);
                    highest = highest.max(number);
                }
            }
        }
    }
}
