//! Which records this side owes an acknowledgement, and when (RFC 9147 §7.1).

use alloc::vec::Vec;

use peerage_base::time::Instant;

use crate::suite::Epoch;
use crate::wire::number::RecordNumber;

/// Most records remembered. A flight of a 16 KiB certificate in the smallest datagrams has about 90; with more, the
/// peer sends the rest again.
const MAX: usize = 96;

#[derive(Debug, Default)]
pub(super) struct Acks {
    /// Sorted, without repetition.
    numbers: Vec<RecordNumber>,
    /// When an ACK falls due.
    due: Option<Instant>,
    /// It fell due.
    wanted: bool,
}

impl Acks {
    /// Takes note of a record whose messages were all taken in. One number more than there is room for displaces the
    /// oldest, which is likeliest to be acknowledged already.
    pub(super) fn note(&mut self, number: RecordNumber) {
        let Err(at) = self.numbers.binary_search(&number) else { return };
        if self.numbers.len() < MAX {
            self.numbers.insert(at, number);
        } else if at > 0 {
            self.numbers.remove(0);
            self.numbers.insert(at - 1, number);
        }
    }

    /// Has an ACK leave at `at`, or before if one was due before.
    pub(super) fn by(&mut self, at: Instant) {
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }

    /// Has an ACK leave now.
    pub(super) fn at_once(&mut self) {
        (self.due, self.wanted) = (None, true);
    }

    /// Gives back what is not used.
    pub(super) fn shrink(&mut self) {
        self.numbers.shrink_to_fit();
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if self.due.is_some_and(|due| due <= now) {
            self.at_once();
        }
    }

    /// Nothing is owed any more.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Starts an ACK that fell due: the newest records it may name, as many as `max`, in rising order.
    pub(super) fn take(&mut self, epoch: Epoch, max: usize) -> Option<&[RecordNumber]> {
        if !core::mem::take(&mut self.wanted) {
            return None;
        }
        self.due = None;
        let to = self.numbers.partition_point(|number| may_acknowledge(epoch, number.epoch));
        self.numbers.get(to.saturating_sub(max)..to)
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.numbers.capacity()
    }

    pub(super) fn is_wanted(&self) -> bool {
        self.wanted
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.due
    }
}

/// Whether an ACK under `epoch` may speak of a record under `acked`. During the handshake nothing is acknowledged under
/// a lower epoch, so what is in the clear says nothing of what has keys; afterwards each direction counts its own
/// (RFC 9147 §7).
pub(super) fn may_acknowledge(epoch: Epoch, acked: Epoch) -> bool {
    acked <= epoch || epoch >= Epoch::APPLICATION
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(epoch: u16, sequence: u64) -> RecordNumber {
        RecordNumber { epoch: Epoch(epoch), sequence }
    }

    #[test]
    fn numbers_come_out_rising_and_once() {
        let mut acks = Acks::default();
        for (epoch, sequence) in [(2, 3), (0, 1), (2, 1), (2, 3)] {
            acks.note(number(epoch, sequence));
        }
        assert_eq!(acks.take(Epoch(2), 99), None, "nothing is due");
        acks.at_once();
        assert_eq!(acks.take(Epoch(2), 99), Some(&[number(0, 1), number(2, 1), number(2, 3)][..]));
        assert_eq!(acks.take(Epoch(2), 99), None, "once");
        acks.at_once();
        assert_eq!(acks.take(Epoch(0), 99), Some(&[number(0, 1)][..]), "never under a lower epoch");
        acks.note(number(7, 0));
        acks.at_once();
        assert_eq!(acks.take(Epoch(3), 1), Some(&[number(7, 0)][..]), "but then each side counts its own");
        acks.at_once();
        assert_eq!(acks.take(Epoch(2), 2), Some(&[number(2, 1), number(2, 3)][..]));
    }

    #[test]
    fn the_list_is_bounded_and_keeps_the_newest() {
        let mut acks = Acks::default();
        for sequence in 0..10_000 {
            acks.note(number(2, sequence));
        }
        acks.note(number(0, 0));
        acks.at_once();
        let numbers = acks.take(Epoch(2), usize::MAX).unwrap();
        assert_eq!((numbers.len(), numbers[0].sequence), (MAX, 10_000 - MAX as u64));
        assert!(numbers.is_sorted());
    }

    #[test]
    fn the_earliest_wish_counts() {
        let mut acks = Acks::default();
        acks.by(Instant::from_millis(30));
        acks.by(Instant::from_millis(10));
        acks.by(Instant::from_millis(20));
        acks.handle_timeout(Instant::from_millis(9));
        assert!(!acks.is_wanted());
        acks.handle_timeout(Instant::from_millis(10));
        assert!(acks.is_wanted() && acks.deadline().is_none());
        acks.clear();
        assert_eq!(acks.take(Epoch(9), 9), None);
    }
}
