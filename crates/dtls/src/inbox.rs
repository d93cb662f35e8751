//! Opened application data on its way to the owner.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::ops::Range;

/// Most records held before the peer is verified.
const MAX_HELD: usize = 32;
/// Most bytes held before the peer is verified.
const MAX_HELD_BYTES: usize = 64 * 1024;

/// Where opened records lie: in the datagram they came in, or, if they were early, in buffers of their own.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    /// Ranges of the datagram handled last, not read yet.
    opened: VecDeque<Range<usize>>,
    /// End of the last range.
    filled: usize,
    held: VecDeque<Vec<u8>>,
    held_bytes: usize,
    /// The held record lent last.
    lent: Vec<u8>,
}

impl Inbox {
    /// Forgets what was not read of the datagram before: its buffer is gone.
    pub(crate) fn begin(&mut self) {
        self.opened.clear();
        self.filled = 0;
    }

    /// Puts a record into the datagram's buffer, or aside if it may not be delivered yet or came in an earlier
    /// datagram and does not fit. Answers whether there was room.
    pub(crate) fn push(&mut self, data: &[u8], payload: &mut [u8], deliverable: bool) -> bool {
        let range = self.filled..self.filled + data.len();
        if deliverable && let Some(room) = payload.get_mut(range.clone()) {
            room.copy_from_slice(data);
            self.filled = range.end;
            self.opened.push_back(range);
            return true;
        }
        let fits = self.held.len() < MAX_HELD && self.held_bytes + data.len() <= MAX_HELD_BYTES;
        if fits {
            self.held_bytes += data.len();
            self.held.push_back(data.to_vec());
        }
        fits
    }

    /// The next record; `payload` is the buffer that was handled last.
    pub(crate) fn pop<'a>(&'a mut self, payload: &'a mut [u8]) -> Option<&'a mut [u8]> {
        if let Some(data) = self.held.pop_front() {
            self.held_bytes -= data.len();
            self.lent = data;
            return Some(&mut self.lent);
        }
        self.lent = Vec::new();
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

    #[test]
    fn records_of_one_datagram_come_out_of_its_buffer() {
        let (mut inbox, mut payload) = (Inbox::default(), [0; 8]);
        inbox.begin();
        assert!(inbox.push(b"abc", &mut payload, true));
        assert!(inbox.push(b"de", &mut payload, true));
        assert_eq!(inbox.pop(&mut payload).unwrap(), b"abc");
        assert_eq!(inbox.pop(&mut payload).unwrap(), b"de");
        assert!(inbox.pop(&mut payload).is_none());
    }

    #[test]
    fn unread_records_do_not_outlive_their_buffer() {
        let (mut inbox, mut payload) = (Inbox::default(), [0; 8]);
        inbox.push(b"abc", &mut payload, true);
        inbox.begin();
        assert!(inbox.pop(&mut payload).is_none());
        inbox.push(b"abc", &mut payload, true);
        assert!(inbox.pop(&mut []).is_none(), "a wrong buffer yields nothing");
    }

    #[test]
    fn held_records_survive_and_are_bounded() {
        let mut inbox = Inbox::default();
        for _ in 0..MAX_HELD {
            assert!(inbox.push(b"early", &mut [0; 8], false));
        }
        assert!(!inbox.push(b"early", &mut [0; 8], false));
        inbox.begin();
        for _ in 0..MAX_HELD {
            assert_eq!(inbox.pop(&mut []).unwrap(), b"early");
        }
        assert!(inbox.pop(&mut []).is_none());
        assert!(!inbox.push(&[0; MAX_HELD_BYTES + 1], &mut [], false));
    }
}
