//! A stretch of fragments of one message without a gap.

use crate::chunk::data::{Data, DataHeader};
use crate::numbers::{Mid, Ppid, StreamId};
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use bytes::Bytes;
use peerage_base::serial::Serial;

/// What holding a run, or a piece of one, costs beside its bytes.
pub(crate) const OVERHEAD: usize = 192;
const PIECE_OVERHEAD: usize = 96;

/// Fragments of one message, gathered so far. Bytes that arrive in order are appended to one buffer, which begins with as
/// much room as such messages have needed; only around a gap are there several, joined when the message is complete.
#[derive(Debug)]
pub(crate) struct Run {
    /// Places of the first and the last fragment.
    pub(crate) first: u32,
    pub(crate) last: u32,
    pub(crate) stream: StreamId,
    pub(crate) mid: Mid,
    pub(crate) unordered: bool,
    pub(crate) interleaved: bool,
    ppid: Ppid,
    begun: bool,
    ended: bool,
    head: Vec<u8>,
    /// What follows the head.
    rest: VecDeque<Vec<u8>>,
    len: usize,
    /// Bytes of all pieces, unused room included.
    capacity: usize,
}

impl Run {
    /// Begins with a fragment, and with room for `expected` bytes.
    pub(crate) fn new(data: &Data<'_>, expected: usize) -> Self {
        let h = &data.header;
        let head = piece(data.payload, expected);
        Self {
            first: place(h),
            last: place(h),
            stream: h.stream,
            mid: h.mid,
            unordered: h.unordered,
            interleaved: h.interleaved,
            ppid: h.ppid,
            begun: h.begin,
            ended: h.end,
            capacity: head.capacity(),
            head,
            rest: VecDeque::new(),
            len: data.payload.len(),
        }
    }

    /// Whether `data`, whose place is behind this run, goes on with this message.
    pub(crate) fn continues_with(&self, data: &Data<'_>) -> bool {
        !self.ended && !data.header.begin && self.is_of(&data.header)
    }

    /// Whether this goes on with the message of `data`, whose place is before this run.
    pub(crate) fn continues(&self, data: &Data<'_>) -> bool {
        !self.begun && !data.header.end && self.is_of(&data.header)
    }

    pub(crate) fn append(&mut self, data: &Data<'_>) {
        self.last = place(&data.header);
        self.ended = data.header.end;
        self.len += data.payload.len();
        let tail = self.rest.back_mut().unwrap_or(&mut self.head);
        let before = tail.capacity();
        tail.extend_from_slice(data.payload);
        self.capacity += tail.capacity() - before;
    }

    pub(crate) fn prepend(&mut self, data: &Data<'_>) {
        self.first = place(&data.header);
        self.begun = data.header.begin;
        self.ppid = data.header.ppid;
        self.len += data.payload.len();
        let head = piece(data.payload, 0);
        self.capacity += head.capacity();
        self.rest.push_front(core::mem::replace(&mut self.head, head));
    }

    /// Takes over a run that goes on where this one ends.
    pub(crate) fn join(&mut self, mut later: Self) {
        self.last = later.last;
        self.ended = later.ended;
        self.len += later.len;
        self.capacity += later.capacity;
        if later.rest.len() < self.rest.len() {
            self.rest.push_back(later.head);
            self.rest.append(&mut later.rest);
        } else {
            later.rest.push_front(later.head);
            while let Some(piece) = self.rest.pop_back() {
                later.rest.push_front(piece);
            }
            self.rest = later.rest;
        }
    }

    /// Whether it stands before a fragment in the order in which runs are kept: by message and place, if messages are
    /// interleaved, else by place alone.
    pub(crate) fn is_before(&self, h: &DataHeader) -> bool {
        if h.interleaved {
            (self.stream, self.unordered, self.mid, self.first) < (h.stream, h.unordered, h.mid, h.fsn.0)
        } else {
            self.first.before(h.tsn.0)
        }
    }

    /// Whether its message comes after one that is skipped.
    pub(crate) fn is_behind(&self, skipped: Mid) -> bool {
        match self.interleaved {
            true => skipped.0.before(self.mid.0),
            false => skipped.ssn().0.before(self.mid.ssn().0),
        }
    }

    /// What the first fragment said the message is; `None` if that is missing.
    pub(crate) fn ppid(&self) -> Option<Ppid> {
        self.begun.then_some(self.ppid)
    }

    pub(crate) fn has_begun(&self) -> bool {
        self.begun
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.begun && self.ended
    }

    /// Bytes of user data.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// What it counts for in the window.
    pub(crate) fn cost(&self) -> usize {
        OVERHEAD + self.capacity + PIECE_OVERHEAD * self.rest.len()
    }

    /// The message.
    pub(crate) fn finish(self) -> (Ppid, Bytes) {
        let mut message = self.head;
        message.reserve_exact(self.len - message.len());
        self.rest.iter().for_each(|piece| message.extend_from_slice(piece));
        // Gives back what was expected and did not come: the allocator does that in place.
        message.shrink_to_fit();
        (self.ppid, message.into())
    }

    /// Whether a fragment is of the same message, as far as can be told without its place.
    pub(crate) fn is_of(&self, h: &DataHeader) -> bool {
        let is_numbered = h.interleaved || !h.unordered;
        h.stream == self.stream && h.unordered == self.unordered && (!is_numbered || h.mid == self.mid)
    }
}

/// Where a fragment stands: among the fragments of its message by FSN, if messages are interleaved, else among all by TSN.
pub(crate) fn place(h: &DataHeader) -> u32 {
    if h.interleaved { h.fsn.0 } else { h.tsn.0 }
}

fn piece(payload: &[u8], expected: usize) -> Vec<u8> {
    let mut piece = Vec::with_capacity(payload.len().max(expected));
    piece.extend_from_slice(payload);
    piece
}
