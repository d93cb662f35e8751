//! The deadlines of an endpoint's connections, one each.

use std::collections::{BTreeSet, HashMap};

use peerage_base::time::Instant;

use super::ready::Key;

/// At most one deadline per connection, and the earliest of all at hand.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    queue: BTreeSet<(Instant, Key)>,
    of: HashMap<Key, Instant>,
}

impl Timers {
    /// Sets, moves or removes the deadline of a connection.
    pub(crate) fn set(&mut self, key: Key, deadline: Option<Instant>) {
        let old = match deadline {
            Some(deadline) => self.of.insert(key, deadline),
            None => self.of.remove(&key),
        };
        if old == deadline {
            return;
        }
        if let Some(old) = old {
            self.queue.remove(&(old, key));
        }
        if let Some(deadline) = deadline {
            self.queue.insert((deadline, key));
        }
    }

    /// The earliest deadline.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.queue.first().map(|(deadline, _)| *deadline)
    }

    /// Takes out a connection whose deadline is not after `now`.
    pub(crate) fn expired(&mut self, now: Instant) -> Option<Key> {
        let &(deadline, key) = self.queue.first().filter(|(deadline, _)| *deadline <= now)?;
        self.queue.remove(&(deadline, key));
        self.of.remove(&key);
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moved_deadline_fires_once_at_its_new_time() {
        let mut timers = Timers::default();
        timers.set(Key(1), Some(Instant::from_millis(5)));
        timers.set(Key(2), Some(Instant::from_millis(7)));
        timers.set(Key(1), Some(Instant::from_millis(9)));
        assert_eq!(timers.next(), Some(Instant::from_millis(7)));
        assert_eq!(timers.expired(Instant::from_millis(6)), None);
        assert_eq!(timers.expired(Instant::from_millis(9)), Some(Key(2)));
        assert_eq!(timers.expired(Instant::from_millis(9)), Some(Key(1)));
        assert_eq!(timers.next(), None);
        timers.set(Key(1), Some(Instant::from_millis(1)));
        timers.set(Key(1), None);
        assert_eq!(timers.expired(Instant::from_millis(100)), None);
    }
}
