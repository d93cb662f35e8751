//! Room for small messages: many share one allocation, and each is handed out as a slice of it.
//!
//! An unread message keeps its whole block, so it is blocks that count against the receive window; where few messages keep
//! much room they are moved out.

use alloc::vec::Vec;
use bytes::{Bytes, BytesMut};

/// Bytes of the first block and of the greatest, which only a steady flow of messages is given.
const LEAST: usize = 1024;
const MOST: usize = 16 * 1024;
/// Messages up to this size are put here.
const SMALL: usize = 2 * 1024;

/// The block that a message lies in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Block(u32);

impl Block {
    /// The message has an allocation of its own.
    pub(crate) const NONE: Self = Self(0);
}

/// A block with messages that have not been read.
#[derive(Debug)]
struct Live {
    id: Block,
    size: usize,
    messages: u32,
    bytes: usize,
}

#[derive(Debug, Default)]
pub(crate) struct Arena {
    room: BytesMut,
    current: Block,
    /// Bytes of the present block, and of the next one; 0 while one message at a time comes, which needs no block.
    size: usize,
    next_size: usize,
    /// Bytes of messages since the last pause.
    in_batch: usize,
    live: Vec<Live>,
    /// Bytes of the blocks that are live, and of the messages in them.
    pinned: usize,
    used: usize,
    /// What was idle in live blocks after messages were moved out of sparse ones.
    settled: usize,
}

impl Arena {
    /// Copies a message, into the shared block if it is small, and counts it as unread.
    pub(crate) fn copy(&mut self, payload: &[u8]) -> (Bytes, Block) {
        if payload.len() > SMALL {
            return (Bytes::copy_from_slice(payload), Block::NONE);
        }
        self.in_batch += payload.len();
        if self.room.capacity() < payload.len() {
            if self.next_size == 0 {
                self.next_size = LEAST;
                return (Bytes::copy_from_slice(payload), Block::NONE);
            }
            if self.size == MOST && self.next_size == MOST {
                // Takes the old block again if nobody holds a slice of it any more.
                self.room.reserve(MOST);
            } else {
                self.room = BytesMut::with_capacity(self.next_size.max(payload.len()));
            }
            self.size = self.room.capacity();
            self.next_size = (self.next_size * 2).min(MOST);
            self.current = Block(self.current.0.wrapping_add(1).max(1));
        }
        self.room.extend_from_slice(payload);
        self.hold(payload.len());
        (self.room.split().freeze(), self.current)
    }

    /// A message of `len` bytes was read, or dropped.
    pub(crate) fn release(&mut self, block: Block, len: usize) {
        if block == Block::NONE {
            return;
        }
        // Messages are read about in the order in which they came.
        let Some(at) = self.live.iter().position(|live| live.id == block) else { return };
        let live = &mut self.live[at];
        live.messages -= 1;
        live.bytes -= len;
        self.used -= len;
        if live.messages == 0 {
            self.pinned -= live.size;
            self.live.remove(at);
            self.settled = self.settled.min(self.idle());
        }
    }

    /// A batch of packets has been dealt with: the next one is expected to be like it. Without a flow of messages no block
    /// is kept for it.
    pub(crate) fn pause(&mut self) {
        if self.in_batch < self.next_size {
            self.next_size = if self.next_size > LEAST { self.next_size / 2 } else { 0 };
        }
        self.in_batch = 0;
        if self.live.is_empty() && self.next_size < MOST {
            self.room = BytesMut::new();
        }
    }

    /// Lets go of what is not in use.
    pub(crate) fn shrink(&mut self) {
        self.room = BytesMut::new();
        self.live.shrink_to_fit();
        (self.next_size, self.in_batch) = (0, 0);
    }

    /// Whether more than `limit` bytes could be had by moving messages out of sparse blocks.
    pub(crate) fn wants_moving(&self, limit: usize) -> bool {
        self.idle() > limit + 2 * self.settled
    }

    /// Moves a message out of its block if that is sparse; answers whether it did.
    pub(crate) fn move_out(&mut self, payload: &mut Bytes, block: &mut Block) -> bool {
        let Some(live) = self.live.iter().find(|live| live.id == *block) else { return false };
        if live.bytes > live.size / 2 {
            return false;
        }
        *payload = Bytes::copy_from_slice(payload);
        self.release(*block, payload.len());
        *block = Block::NONE;
        true
    }

    /// Every message has been given the chance to move out.
    pub(crate) fn moved(&mut self) {
        self.settled = self.idle();
    }

    /// Bytes of the blocks that unread messages lie in.
    pub(crate) fn pinned(&self) -> usize {
        self.pinned
    }

    /// Panics if the books are wrong.
    #[cfg(any(test, feature = "fuzz"))]
    pub(crate) fn audit(&self) {
        assert_eq!(self.pinned, self.live.iter().map(|live| live.size).sum::<usize>());
        assert_eq!(self.used, self.live.iter().map(|live| live.bytes).sum::<usize>());
        assert!(self.live.iter().all(|live| live.messages > 0 && live.bytes <= live.size));
    }

    fn hold(&mut self, len: usize) {
        self.used += len;
        match self.live.last_mut() {
            Some(live) if live.id == self.current => {
                live.messages += 1;
                live.bytes += len;
            }
            _ => {
                self.pinned += self.size;
                self.live.push(Live { id: self.current, size: self.size, messages: 1, bytes: len });
            }
        }
    }

    fn idle(&self) -> usize {
        self.pinned - self.used
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An arena that has seen a flow.
    fn flowing() -> Arena {
        Arena { next_size: MOST, ..Arena::default() }
    }

    #[test]
    fn small_messages_share_a_block_and_keep_their_bytes() {
        let mut arena = flowing();
        let all: Vec<Bytes> = (0..100u8).map(|n| arena.copy(&[n; 100]).0).collect();
        assert!(all.iter().enumerate().all(|(n, bytes)| bytes[..] == [n as u8; 100]));
        let neighbours = all.windows(2).filter(|w| w[0].as_ptr() as usize + 100 == w[1].as_ptr() as usize).count();
        assert!(neighbours >= 98, "{neighbours}");
    }

    #[test]
    fn a_block_that_nobody_holds_is_used_again() {
        let mut arena = flowing();
        let first = arena.copy(&[1; 1000]).0.as_ptr();
        let reused = (0..100).any(|_| arena.copy(&[2; 1000]).0.as_ptr() == first);
        assert!(reused);
    }

    #[test]
    fn one_message_at_a_time_takes_no_block_and_a_flow_takes_greater_ones() {
        let mut arena = Arena::default();
        for _ in 0..3 {
            assert_eq!(arena.copy(&[1; 64]).1, Block::NONE);
            arena.pause();
        }
        assert_eq!((arena.pinned(), arena.room.capacity()), (0, 0));
        let mut greatest = 0;
        for _ in 0..2000 {
            arena.copy(&[1; 64]);
            greatest = greatest.max(arena.size);
        }
        assert_eq!(greatest, MOST);
        for _ in 0..8 {
            arena.pause();
        }
        assert_eq!(arena.next_size, 0);
    }

    #[test]
    fn a_block_counts_until_its_last_message_is_read() {
        let mut arena = flowing();
        let all: Vec<_> = (0..40).map(|_| arena.copy(&[1; 1000])).collect();
        assert_eq!(arena.pinned(), 3 * MOST);
        for (payload, block) in &all[1..16] {
            arena.release(*block, payload.len());
        }
        assert_eq!(arena.pinned(), 3 * MOST, "the first message keeps its block");
        arena.release(all[0].1, 1000);
        assert_eq!(arena.pinned(), 2 * MOST);
        for (payload, block) in &all[16..] {
            arena.release(*block, payload.len());
        }
        assert_eq!((arena.pinned(), arena.used, arena.live.len()), (0, 0, 0));
    }

    #[test]
    fn few_messages_that_keep_many_blocks_are_moved_out() {
        let mut arena = flowing();
        let mut kept = Vec::new();
        for n in 0..160 {
            let message = arena.copy(&[n as u8; 1000]);
            if n % 16 == 0 {
                kept.push(message);
            } else {
                arena.release(message.1, 1000);
            }
        }
        assert!(arena.pinned() >= 10 * MOST);
        assert!(arena.wants_moving(4 * MOST));
        for (payload, block) in &mut kept {
            assert!(arena.move_out(payload, block));
        }
        arena.moved();
        assert_eq!((arena.pinned(), arena.wants_moving(0)), (0, false));
        assert!(kept.iter().enumerate().all(|(n, (payload, _))| payload[..] == [(n * 16) as u8; 1000]));
    }
}
