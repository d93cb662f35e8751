//! Which frames came already.

/// Frames that are told apart, back from the highest: a few seconds of all layers of a video.
const WINDOW: u64 = 1024;

/// The last counters of one key.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    /// One past the highest.
    next: u128,
    bits: [u64; WINDOW as usize / 64],
}

impl Window {
    pub(crate) const fn new() -> Self {
        Self { next: 0, bits: [0; WINDOW as usize / 64] }
    }

    /// Whether a frame comes for the first time, as far as can be told.
    pub(crate) fn is_new(&self, counter: u64) -> bool {
        let counter = u128::from(counter);
        counter >= self.next || (counter + u128::from(WINDOW) >= self.next && !self.has(counter))
    }

    /// Notes an authentic one.
    pub(crate) fn note(&mut self, counter: u64) {
        let counter = u128::from(counter);
        if counter >= self.next {
            let from = self.next.max((counter + 1).saturating_sub(WINDOW.into()));
            for skipped in from..counter {
                self.set(skipped, false);
            }
            self.next = counter + 1;
        }
        self.set(counter, true);
    }

    fn has(&self, counter: u128) -> bool {
        let (word, bit) = place(counter);
        self.bits[word] >> bit & 1 == 1
    }

    fn set(&mut self, counter: u128, came: bool) {
        let (word, bit) = place(counter);
        self.bits[word] = self.bits[word] & !(1 << bit) | u64::from(came) << bit;
    }
}

fn place(counter: u128) -> (usize, u32) {
    let place = (counter % u128::from(WINDOW)) as usize;
    (place / 64, (place % 64) as u32)
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_far_behind_cannot_be_told_from_what_came() {
        let mut window = Window::new();
        window.note(u64::MAX);
        assert!(!window.is_new(u64::MAX) && window.is_new(u64::MAX - 1023) && !window.is_new(u64::MAX - 1024));
    }

    proptest! {
        #[test]
        fn nothing_is_new_twice(counters in prop::collection::vec(0..3000u64, 1..500)) {
            let mut window = Window::new();
            let mut seen = std::collections::BTreeSet::new();
            for counter in counters {
                if window.is_new(counter) {
                    window.note(counter);
                    prop_assert!(seen.insert(counter));
                } else {
                    prop_assert!(seen.contains(&counter) || counter + WINDOW <= *seen.last().unwrap());
                }
            }
        }
    }
}
