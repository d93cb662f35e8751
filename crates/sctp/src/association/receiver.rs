//! State of the receiving half: what has arrived, what is held, and when to say so.

use crate::config::Config;
use crate::incoming::reassembly::{OVERHEAD, Reassembly};
use crate::incoming::tracker::Tracker;
use crate::message::Message;
use crate::numbers::{StreamId, Tsn};
use alloc::collections::{BTreeMap, VecDeque};
use peerage_base::time::{Duration, Instant};

#[derive(Debug)]
pub(crate) struct Receiver {
    pub(crate) tracker: Tracker,
    pub(crate) reassembly: Reassembly,
    /// Messages on streams that no channel has yet: the peer was faster, or its OPEN is still missing.
    pub(crate) early: BTreeMap<StreamId, VecDeque<Message>>,
    window: usize,
    /// What messages that wait to be read count for, early ones included.
    unread: usize,
    /// Window of the last SACK.
    announced: usize,
    delay: Duration,
    /// Packets with data since the last SACK.
    packets: u32,
    immediate: bool,
    deadline: Option<Instant>,
}

impl Receiver {
    pub(crate) fn new(config: &Config, initial: Tsn) -> Self {
        Self {
            tracker: Tracker::new(initial),
            reassembly: Reassembly::new(config.max_message_size),
            early: BTreeMap::new(),
            window: config.receive_window,
            unread: 0,
            announced: config.receive_window,
            delay: config.sack_delay,
            packets: 0,
            immediate: false,
            deadline: None,
        }
    }

    /// Starts over with a peer that begins at `initial`; messages that wait to be read stay.
    pub(crate) fn restart(&mut self, config: &Config, initial: Tsn) {
        let unread = self.unread - self.early_cost();
        *self = Self { unread, ..Self::new(config, initial) };
    }

    /// Takes note of a packet that had data.
    pub(crate) fn packet_had_data(&mut self, now: Instant) {
        self.packets += 1;
        self.immediate |= !self.tracker.blocks().is_empty();
        if !self.sack_is_due() {
            self.deadline.get_or_insert(now + self.delay);
        }
    }

    /// A SACK shall leave at once.
    pub(crate) fn sack_now(&mut self) {
        self.immediate = true;
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if self.deadline.is_some_and(|deadline| deadline <= now) {
            self.immediate = true;
            self.deadline = None;
            self.reassembly.trim();
        }
    }

    /// A SACK was written that announced `window`.
    pub(crate) fn sack_sent(&mut self, window: usize) {
        self.packets = 0;
        self.immediate = false;
        self.deadline = None;
        self.announced = window;
        self.tracker.reported();
    }

    /// A message waits to be read.
    pub(crate) fn hold(&mut self, message: &Message) {
        self.unread += cost(message);
    }

    /// A message was read or dropped. Tells the peer if that opens a window that was small.
    pub(crate) fn release(&mut self, message: &Message) {
        self.unread -= cost(message);
        if self.announced < self.window / 2 && self.free() >= self.announced + self.window / 8 {
            self.immediate = true;
        }
    }

    /// Whether a chunk may be taken. The one waited for next may go beyond the window a little, as it may be what frees it.
    pub(crate) fn has_room(&self, is_next: bool) -> bool {
        let slack = if is_next { self.window / 8 } else { 0 };
        self.held() < self.window + slack
    }

    /// Bytes that may be announced.
    pub(crate) fn free(&self) -> usize {
        self.window.saturating_sub(self.held())
    }

    /// Whether a SACK has to leave.
    pub(crate) fn sack_is_due(&self) -> bool {
        self.immediate || self.packets >= 2
    }

    /// Whether there is something that a SACK would tell.
    pub(crate) fn sack_is_pending(&self) -> bool {
        self.immediate || self.packets > 0
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Bytes held, overheads included.
    pub(crate) fn held(&self) -> usize {
        self.reassembly.held() + self.unread
    }

    fn early_cost(&self) -> usize {
        self.early.values().flatten().map(cost).sum()
    }
}

fn cost(message: &Message) -> usize {
    message.payload.len() + OVERHEAD
}
