//! A stretch of fragments of one message with consecutive TSNs.

use crate::chunk::data::Data;
use crate::numbers::{Ppid, Ssn, StreamId, Tsn};
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use bytes::Bytes;

/// What holding a run, or a piece of one, costs beside its bytes.
pub(crate) const OVERHEAD: usize = 192;
const PIECE_OVERHEAD: usize = 96;

/// Fragments of one message, gathered so far. Bytes that arrive in order are appended to one buffer, which begins with as
/// much room as such messages have needed; only around a gap are there several, joined when the message is complete.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) first: Tsn,
    pub(crate) last: Tsn,
    pub(crate) stream: StreamId,
    pub(crate) ssn: Ssn,
    pub(crate) unordered: bool,
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
            first: h.tsn,
            last: h.tsn,
            stream: h.stream,
            ssn: h.ssn,
            unordered: h.unordered,
            ppid: h.ppid,
            begun: h.begin,
            ended: h.end,
            capacity: head.capacity(),
            head,
            rest: VecDeque::new(),
            len: data.payload.len(),
        }
    }

    /// Whether `data`, whose TSN follows the last one here, goes on with this message.
    pub(crate) fn continues_with(&self, data: &Data<'_>) -> bool {
        !self.ended && !data.header.begin && self.is_of(data)
    }

    /// Whether this goes on with the message of `data`, whose TSN precedes the first one here.
    pub(crate) fn continues(&self, data: &Data<'_>) -> bool {
        !self.begun && !data.header.end && self.is_of(data)
    }

    pub(crate) fn append(&mut self, data: &Data<'_>) {
        self.last = data.header.tsn;
        self.ended = data.header.end;
        self.len += data.payload.len();
        let tail = self.rest.back_mut().unwrap_or(&mut self.head);
        let before = tail.capacity();
        tail.extend_from_slice(data.payload);
        self.capacity += tail.capacity() - before;
    }

    pub(crate) fn prepend(&mut self, data: &Data<'_>) {
        self.first = data.header.tsn;
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

    fn is_of(&self, data: &Data<'_>) -> bool {
        let h = &data.header;
        h.stream == self.stream && h.unordered == self.unordered && (h.unordered || h.ssn == self.ssn)
    }
}

fn piece(payload: &[u8], expected: usize) -> Vec<u8> {
    let mut piece = Vec::with_capacity(payload.len().max(expected));
    piece.extend_from_slice(payload);
    piece
}
