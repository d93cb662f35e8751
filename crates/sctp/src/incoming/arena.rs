//! Room for small messages: many share one allocation, and each is handed out as a slice of it.

use bytes::{Bytes, BytesMut};

/// Bytes per allocation.
const BLOCK: usize = 16 * 1024;
/// Messages up to this size are put here. One that is kept for long keeps its whole block.
const SMALL: usize = 2 * 1024;

#[derive(Debug, Default)]
pub(crate) struct Arena {
    block: BytesMut,
}

impl Arena {
    /// Copies a message, into the shared block if it is small.
    pub(crate) fn copy(&mut self, payload: &[u8]) -> Bytes {
        if payload.len() > SMALL {
            return Bytes::copy_from_slice(payload);
        }
        if self.block.capacity() < payload.len() {
            // Takes the old block again if nobody holds a slice of it any more.
            self.block.reserve(BLOCK);
        }
        self.block.extend_from_slice(payload);
        self.block.split().freeze()
    }

    /// Lets go of a block that is not in use.
    pub(crate) fn shrink(&mut self) {
        self.block = BytesMut::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn small_messages_share_a_block_and_keep_their_bytes() {
        let mut arena = Arena::default();
        let all: Vec<Bytes> = (0..100u8).map(|n| arena.copy(&[n; 100])).collect();
        assert!(all.iter().enumerate().all(|(n, bytes)| bytes[..] == [n as u8; 100]));
        let neighbours = all.windows(2).filter(|w| w[0].as_ptr() as usize + 100 == w[1].as_ptr() as usize).count();
        assert!(neighbours >= 98, "{neighbours}");
    }

    #[test]
    fn a_block_that_nobody_holds_is_used_again() {
        let mut arena = Arena::default();
        let first = arena.copy(&[1; 1000]).as_ptr();
        let reused = (0..100).any(|_| arena.copy(&[2; 1000]).as_ptr() == first);
        assert!(reused);
    }
}
