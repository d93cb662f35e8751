//! Samples between a thread of the system's and the user's.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// One end of a queue; both are the same.
#[derive(Clone, Debug)]
pub struct Queue(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    state: Mutex<State>,
    changed: Condvar,
    most: usize,
}

#[derive(Debug, Default)]
struct State {
    samples: VecDeque<i16>,
    dropped: u64,
    /// Why no more will come.
    failed: Option<String>,
}

impl Queue {
    /// One for so many samples.
    pub fn new(most: usize) -> Self {
        let state = State { samples: VecDeque::with_capacity(most), ..State::default() };
        Self(Arc::new(Inner { state: Mutex::new(state), changed: Condvar::new(), most }))
    }

    /// Appends samples; the oldest give way.
    pub fn push(&self, samples: impl ExactSizeIterator<Item = i16>) {
        let mut state = self.lock();
        let over = (state.samples.len() + samples.len()).saturating_sub(self.0.most);
        let drained = over.min(state.samples.len());
        state.samples.drain(..drained);
        // No allocation: a callback of the system's must not wait for one.
        let skip = over - drained;
        state.samples.extend(samples.skip(skip));
        state.dropped += over as u64;
        drop(state);
        self.0.changed.notify_all();
    }

    /// Takes what is there, up to a full buffer; returns how many samples that was.
    pub fn take(&self, out: &mut [i16]) -> usize {
        let mut state = self.lock();
        let count = state.samples.len().min(out.len());
        for (slot, sample) in out.iter_mut().zip(state.samples.drain(..count)) {
            *slot = sample;
        }
        drop(state);
        self.0.changed.notify_all();
        count
    }

    /// Waits until a buffer can be filled. `Ok(false)` after `most` without that.
    pub fn fill(&self, out: &mut [i16], most: Duration) -> Result<bool, String> {
        let guard = self.lock();
        let waits = |state: &mut State| state.samples.len() < out.len() && state.failed.is_none();
        let (state, _) = self.0.changed.wait_timeout_while(guard, most, waits).unwrap_or_else(PoisonError::into_inner);
        if state.samples.len() >= out.len() {
            drop(state);
            return Ok(self.take(out) == out.len());
        }
        state.failed.clone().map_or(Ok(false), Err)
    }

    /// No more will come or be taken.
    pub fn fail(&self, reason: String) {
        self.lock().failed.get_or_insert(reason);
        self.0.changed.notify_all();
    }

    /// Samples that wait.
    pub fn len(&self) -> usize {
        self.lock().samples.len()
    }

    /// Samples that gave way to later ones.
    pub fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    /// Why no more will come, if so.
    pub fn failed(&self) -> Option<String> {
        self.lock().failed.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_samples_give_way_and_are_counted() {
        let queue = Queue::new(4);
        queue.push([1, 2, 3].into_iter());
        queue.push([4, 5, 6].into_iter());
        let mut out = [0; 3];
        assert_eq!((queue.take(&mut out), out, queue.dropped()), (3, [3, 4, 5], 2));
        queue.push(0..9i16);
        assert_eq!((queue.len(), queue.dropped()), (4, 8));
        assert_eq!((queue.take(&mut out), out), (3, [5, 6, 7]));
    }

    #[test]
    fn a_wait_ends_with_samples_in_time_or_with_the_reason() {
        let queue = Queue::new(100);
        let mut out = [0; 2];
        assert_eq!(queue.fill(&mut out, Duration::from_millis(1)), Ok(false));
        let other = queue.clone();
        let thread = std::thread::spawn(move || other.push([7, 8].into_iter()));
        assert_eq!(queue.fill(&mut out, Duration::from_secs(10)), Ok(true));
        assert_eq!(out, [7, 8]);
        thread.join().unwrap();
        queue.fail("unplugged".to_owned());
        assert_eq!(queue.fill(&mut out, Duration::from_secs(10)), Err("unplugged".to_owned()));
    }
}
