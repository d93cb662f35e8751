//! Opened application data on its way to the owner.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::ops::Range;

/// Most records of one datagram.
const MAX_OPENED: usize = 64;
/// Most records held until they may be delivered.
const MAX_HELD: usize = 32;
/// Most bytes of them.
const MAX_HELD_BYTES: usize = 64 * 1024;

/// Where opened records lie: in the datagram they came in, or, if they came early, in buffers of their own.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    /// Whether data may leave: the peer is known.
    deliverable: bool,
    /// Ranges of the datagram handled last, not read yet.
    opened: VecDeque<Range<usize>>,
    held: VecDeque<Vec<u8>>,
    held_bytes: usize,
    /// The held record lent last.
    lent: Vec<u8>,
}

impl Inbox {
    /// From now on data may leave, what was held first.
    pub(crate) fn open(&mut self) {
        self.deliverable = true;
    }

    /// Gives back what is not used.
    pub(crate) fn shrink(&mut self) {
        self.opened.shrink_to_fit();
    }

    /// Forgets what was not read of the datagram before: its buffer is gone.
    pub(crate) fn begin(&mut self) {
        self.opened.clear();
    }

    /// Takes a record opened in place, which is `range` of the datagram. Answers whether there was room.
    #[inline]
    pub(crate) fn take(&mut self, data: &[u8], range: Range<usize>) -> bool {
        if !self.deliverable {
            return self.hold(data);
        }
        let fits = self.opened.len() < MAX_OPENED;
        if fits {
            self.opened.push_back(range);
        }
        fits
    }

    /// Takes a record from elsewhere than the datagram. Answers whether there was room.
    pub(crate) fn hold(&mut self, data: &[u8]) -> bool {
        let fits = self.held.len() < MAX_HELD && self.held_bytes + data.len() <= MAX_HELD_BYTES;
        if fits {
            self.held_bytes += data.len();
            self.held.push_back(data.to_vec());
        }
        fits
    }

    /// The next record; `payload` is the buffer that was handled last.
    pub(crate) fn pop<'a>(&'a mut self, payload: &'a mut [u8]) -> Option<&'a mut [u8]> {
        if !self.deliverable {
            return None;
        }
        if let Some(data) = self.held.pop_front() {
            self.held_bytes -= data.len();
            self.lent = data;
            return Some(&mut self.lent);
        }
        if self.held.capacity() > 0 {
            (self.held, self.lent) = (VecDeque::new(), Vec::new());
        }
        payload.get_mut(self.opened.pop_front()?)
    }

    /// Drops everything.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open() -> Inbox {
        Inbox { deliverable: true, ..Inbox::default() }
    }

    #[test]
    fn records_of_one_datagram_come_out_of_its_buffer() {
        let (mut inbox, mut payload) = (open(), *b"-abc-de-");
        inbox.begin();
        assert!(inbox.take(b"abc", 1..4));
        assert!(inbox.take(b"de", 5..7));
        assert_eq!(inbox.pop(&mut payload).unwrap(), b"abc");
        assert_eq!(inbox.pop(&mut payload).unwrap(), b"de");
        assert!(inbox.pop(&mut payload).is_none());
    }

    #[test]
    fn unread_records_do_not_outlive_their_buffer() {
        let (mut inbox, mut payload) = (open(), *b"abcd");
        inbox.take(b"abc", 0..3);
        inbox.begin();
        assert!(inbox.pop(&mut payload).is_none());
        inbox.take(b"abc", 0..3);
        assert!(inbox.pop(&mut []).is_none(), "a wrong buffer yields nothing");
    }

    #[test]
    fn early_records_wait_in_order_and_are_bounded() {
        let mut inbox = Inbox::default();
        for i in 0..MAX_HELD as u8 {
            inbox.begin();
            assert!(inbox.take(&[i], 0..1));
        }
        assert!(!inbox.take(b"x", 0..1));
        assert!(inbox.pop(&mut []).is_none(), "the peer is not known yet");
        inbox.open();
        let mut payload = [99];
        assert!(inbox.take(&[99], 0..1));
        for i in 0..MAX_HELD as u8 {
            assert_eq!(inbox.pop(&mut payload).unwrap(), [i]);
        }
        assert_eq!(inbox.pop(&mut payload).unwrap(), [99]);
        assert!(inbox.pop(&mut payload).is_none());
        assert_eq!(inbox.held.capacity(), 0, "what only the handshake needed is given back");
        assert!(!inbox.hold(&[0; MAX_HELD_BYTES + 1]));
    }

    #[test]
    fn one_datagram_of_crumbs_is_bounded() {
        let mut inbox = open();
        let taken = (0..1000).filter(|_| inbox.take(&[0], 0..1)).count();
        assert_eq!(taken, MAX_OPENED);
    }
}
