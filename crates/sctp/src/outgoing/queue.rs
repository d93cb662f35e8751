//! Messages of one channel that wait for their turn.

use super::flight::chunk::{Limit, MessageId};
use crate::numbers::{Fsn, Mid, Ppid, Tsn};
use alloc::collections::VecDeque;
use bytes::Bytes;
use peerage_base::time::Instant;

/// A message to send.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    pub(crate) id: MessageId,
    pub(crate) ppid: Ppid,
    pub(crate) payload: Bytes,
    pub(crate) unordered: bool,
    pub(crate) limit: Limit,
    /// The application's bytes in it: none for DCEP and for the byte that stands for an empty message.
    pub(crate) counted: usize,
    /// Fragments that have left.
    pub(crate) fragments: u32,
    /// Given by the first fragment.
    pub(crate) mid: Mid,
    /// Begun without room for the rest of all messages under way.
    pub(crate) beside: bool,
    /// TSN of the last fragment that has left.
    pub(crate) last: Tsn,
}

/// A piece of a message, cut to fit.
#[derive(Clone, Debug)]
pub(crate) struct Fragment {
    pub(crate) payload: Bytes,
    pub(crate) mid: Mid,
    pub(crate) fsn: Fsn,
    pub(crate) begin: bool,
    pub(crate) end: bool,
}

/// What queues hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Load {
    /// The application's bytes.
    pub(crate) bytes: usize,
    pub(crate) messages: usize,
}

#[derive(Debug, Default)]
pub(crate) struct Queue {
    messages: VecDeque<Outgoing>,
    /// The application's bytes that have not left yet.
    buffered: usize,
}

impl Queue {
    pub(crate) fn push(&mut self, message: Outgoing) {
        self.buffered += message.counted;
        self.messages.push_back(message);
    }

    /// Puts a message before all others; none of them may have been begun.
    pub(crate) fn push_front(&mut self, message: Outgoing) {
        self.buffered += message.counted;
        self.messages.push_front(message);
    }

    /// Cuts at most `len` bytes off the front message, which goes with its last byte, to leave as `tsn`. A message not begun
    /// takes `mid`.
    pub(crate) fn cut(&mut self, len: usize, mid: Mid, tsn: Tsn) -> Option<Fragment> {
        let message = self.messages.front_mut()?;
        let begin = !message.begun();
        if begin {
            message.mid = mid;
        }
        let (mid, fsn) = (message.mid, Fsn(message.fragments));
        message.fragments += 1;
        message.last = tsn;
        let len = len.min(message.payload.len());
        let payload = message.payload.split_to(len);
        let counted = len.min(message.counted);
        message.counted -= counted;
        let end = message.payload.is_empty();
        self.buffered -= counted;
        if end {
            self.messages.pop_front();
        }
        Some(Fragment { payload, mid, fsn, begin, end })
    }

    /// Drops the front message, begun or not.
    pub(crate) fn drop_front(&mut self) {
        self.buffered -= self.messages.pop_front().map_or(0, |m| m.counted);
    }

    /// Drops every message that has not been begun.
    pub(crate) fn clear(&mut self) {
        self.messages.truncate(usize::from(self.messages.front().is_some_and(Outgoing::begun)));
        self.buffered = self.messages.front().map_or(0, |m| m.counted);
    }

    /// Lets go of room that is not in use.
    pub(crate) fn shrink(&mut self) {
        self.messages.shrink_to_fit();
    }

    pub(crate) fn front(&self) -> Option<&Outgoing> {
        self.messages.front()
    }

    pub(crate) fn front_mut(&mut self) -> Option<&mut Outgoing> {
        self.messages.front_mut()
    }

    pub(crate) fn load(&self) -> Load {
        Load { bytes: self.buffered, messages: self.messages.len() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    pub(crate) fn buffered(&self) -> usize {
        self.buffered
    }
}

impl Outgoing {
    pub(crate) fn new(
        id: MessageId,
        ppid: Ppid,
        payload: Bytes,
        counted: usize,
        unordered: bool,
        limit: Limit,
    ) -> Self {
        Self { id, ppid, payload, unordered, limit, counted, fragments: 0, mid: Mid(0), beside: false, last: Tsn(0) }
    }

    /// Whether a fragment of it has left.
    pub(crate) fn begun(&self) -> bool {
        self.fragments > 0
    }

    /// Whether its lifetime is over.
    pub(crate) fn has_expired(&self, now: Instant) -> bool {
        matches!(self.limit, Limit::Until(deadline) if deadline <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(id: MessageId, payload: &'static [u8]) -> Outgoing {
        let payload = Bytes::from_static(payload);
        let counted = payload.len();
        Outgoing::new(id, Ppid::BINARY, payload, counted, false, Limit::Never)
    }

    #[test]
    fn a_message_is_cut_into_what_fits() {
        let mut queue = Queue::default();
        queue.push(message(1, b"abcdefg"));
        let cuts: alloc::vec::Vec<_> = core::iter::from_fn(|| queue.cut(3, Mid(5), Tsn(7))).collect();
        let seen: alloc::vec::Vec<_> = cuts.iter().map(|f| (&f.payload[..], f.fsn.0, f.begin, f.end)).collect();
        assert_eq!(seen, [(&b"abc"[..], 0, true, false), (&b"def"[..], 1, false, false), (&b"g"[..], 2, false, true)]);
        assert!(cuts.iter().all(|f| f.mid == Mid(5)));
        assert_eq!(queue.buffered(), 0);
    }

    #[test]
    fn clearing_spares_a_message_that_was_begun() {
        let mut queue = Queue::default();
        queue.push(message(1, b"abc"));
        queue.push(message(2, b"defg"));
        queue.cut(1, Mid(0), Tsn(0));
        queue.clear();
        assert_eq!(queue.load(), Load { bytes: 2, messages: 1 });
        queue.drop_front();
        assert_eq!(queue.load(), Load::default());
    }
}
