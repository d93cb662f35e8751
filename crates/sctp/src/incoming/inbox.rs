//! Messages that wait to be read.

use super::arena::Block;
use crate::message::Message;
use alloc::collections::VecDeque;

/// What holding a message costs beside its bytes, so that a flood of tiny ones is bounded by the window too: its place in
/// a queue that has room for twice as many.
pub(crate) const OVERHEAD: usize = 96;
/// Places that an empty queue keeps while messages flow.
const KEPT: usize = 1024;

/// A message that waits to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unread {
    pub(crate) message: Message,
    pub(crate) block: Block,
}

impl Unread {
    /// What it counts for in the window beside the block that it lies in.
    pub(crate) fn cost(&self) -> usize {
        let own = if self.block == Block::NONE { self.message.payload.len() } else { 0 };
        own + OVERHEAD
    }

    /// What it counts for in the share of its channel.
    pub(crate) fn weight(&self) -> usize {
        self.message.payload.len() + OVERHEAD
    }
}

/// The unread messages of a channel.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    messages: VecDeque<Unread>,
    weight: usize,
    /// It has reached the channel's share, and not fallen to half of it since.
    pub(crate) is_over: bool,
}

impl Inbox {
    pub(crate) fn push(&mut self, message: Unread) {
        self.weight += message.weight();
        self.messages.push_back(message);
    }

    pub(crate) fn pop(&mut self) -> Option<Unread> {
        let message = self.messages.pop_front()?;
        self.weight -= message.weight();
        if self.messages.is_empty() {
            self.messages.shrink_to(KEPT);
        }
        Some(message)
    }

    /// Lets go of room that is not in use.
    pub(crate) fn shrink(&mut self) {
        self.messages.shrink_to_fit();
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Unread> {
        self.messages.iter_mut()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// What the messages count for in the window.
    #[cfg(any(test, feature = "fuzz"))]
    pub(crate) fn audit(&self) -> usize {
        assert_eq!(self.weight, self.messages.iter().map(Unread::weight).sum::<usize>());
        self.messages.iter().map(Unread::cost).sum()
    }

    /// Bytes that are unread, with what holding them costs.
    pub(crate) fn weight(&self) -> usize {
        self.weight
    }
}
