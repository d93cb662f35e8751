//! A stretch of fragments of one message with consecutive TSNs.

use crate::chunk::data::Data;
use crate::numbers::{Ppid, Ssn, StreamId, Tsn};
use alloc::collections::VecDeque;
use bytes::{Bytes, BytesMut};

/// Fragments of one message, gathered so far. Bytes that arrive in order are appended to one buffer that grows with them; only
/// around a gap are there several buffers, joined when the message is complete.
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
    pieces: VecDeque<BytesMut>,
    len: usize,
}

impl Run {
    pub(crate) fn new(data: &Data<'_>) -> Self {
        let h = &data.header;
        let mut pieces = VecDeque::with_capacity(1);
        pieces.push_back(piece(data.payload));
        Self {
            first: h.tsn,
            last: h.tsn,
            stream: h.stream,
            ssn: h.ssn,
            unordered: h.unordered,
            ppid: h.ppid,
            begun: h.begin,
            ended: h.end,
            pieces,
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
        match self.pieces.back_mut() {
            Some(tail) => tail.extend_from_slice(data.payload),
            None => self.pieces.push_back(piece(data.payload)),
        }
    }

    pub(crate) fn prepend(&mut self, data: &Data<'_>) {
        self.first = data.header.tsn;
        self.begun = data.header.begin;
        self.ppid = data.header.ppid;
        self.len += data.payload.len();
        self.pieces.push_front(piece(data.payload));
    }

    /// Takes over a run that goes on where this one ends.
    pub(crate) fn join(&mut self, mut later: Self) {
        self.last = later.last;
        self.ended = later.ended;
        self.len += later.len;
        if later.pieces.len() <= self.pieces.len() {
            self.pieces.append(&mut later.pieces);
        } else {
            while let Some(piece) = self.pieces.pop_back() {
                later.pieces.push_front(piece);
            }
            self.pieces = later.pieces;
        }
    }

    pub(crate) fn has_begun(&self) -> bool {
        self.begun
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.begun && self.ended
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The message.
    pub(crate) fn finish(mut self) -> (Ppid, Bytes) {
        let mut message = self.pieces.pop_front().unwrap_or_default();
        if !self.pieces.is_empty() {
            message.reserve(self.len - message.len());
            self.pieces.iter().for_each(|piece| message.extend_from_slice(piece));
        }
        (self.ppid, message.freeze())
    }

    fn is_of(&self, data: &Data<'_>) -> bool {
        let h = &data.header;
        h.stream == self.stream && h.unordered == self.unordered && (h.unordered || h.ssn == self.ssn)
    }
}

fn piece(payload: &[u8]) -> BytesMut {
    // A second fragment is likely, more than that is not known.
    let mut piece = BytesMut::with_capacity(2 * payload.len());
    piece.extend_from_slice(payload);
    piece
}
