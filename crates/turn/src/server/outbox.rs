//! Answers that wait to be polled.

use alloc::collections::VecDeque;
use alloc::vec;
use alloc::vec::Vec;
use peerage_base::path::Path;

/// Answers that wait at most; a driver polls after each batch of packets.
const MAX_ANSWERS: usize = 1024;
/// The longest answer in bytes.
pub(super) const MAX_ANSWER: usize = 548;

/// A bounded queue; its buffers are used again.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    queue: VecDeque<(Path, usize, Vec<u8>)>,
    spare: Vec<Vec<u8>>,
}

impl Outbox {
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.queue.len() >= MAX_ANSWERS
    }

    /// Queues what `write` writes, unless it declines.
    pub(super) fn push(&mut self, to: Path, write: impl FnOnce(&mut [u8]) -> Option<usize>) {
        let mut buf = self.spare.pop().unwrap_or_else(|| vec![0; MAX_ANSWER]);
        match write(&mut buf) {
            Some(len) => self.queue.push_back((to, len.min(MAX_ANSWER), buf)),
            None => self.spare.push(buf),
        }
    }

    /// Copies the next answer into `room`; one that does not fit is lost.
    pub(super) fn pop(&mut self, room: &mut [u8]) -> Option<(Path, usize)> {
        while let Some((to, len, buf)) = self.queue.pop_front() {
            let answer = buf.get(..len).unwrap_or_default();
            let fits = room.get_mut(..len).map(|room| room.copy_from_slice(answer));
            self.spare.push(buf);
            if fits.is_some() {
                return Some((to, len));
            }
        }
        None
    }
}
