//! State of the receiving half: what has arrived, what is held, and when to say so.

use crate::config::Config;
use crate::incoming::acks::Acks;
use crate::incoming::inbox::Unread;
use crate::incoming::reassembly::Reassembly;
use crate::incoming::tracker::Tracker;
use crate::incoming::window::{Waited, Window};
use crate::numbers::{StreamId, Tsn};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use peerage_base::time::{Duration, Instant};

/// After this long without a packet what only a flow needs is given back.
const QUIET: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct Receiver {
    pub(crate) tracker: Tracker,
    pub(crate) reassembly: Reassembly,
    pub(crate) acks: Acks,
    pub(crate) window: Window,
    /// Messages on streams that no channel has yet, in order of arrival: the peer was faster, or its OPEN is still missing.
    early: BTreeMap<(StreamId, u32), Unread>,
    early_arrivals: u32,
    early_weight: usize,
    /// What messages that wait to be read count for, early ones included, blocks that they lie in excluded.
    unread: usize,
    /// When something last arrived, until room has been given back since.
    active: Option<Instant>,
}

impl Receiver {
    pub(crate) fn new(config: &Config, initial: Tsn) -> Self {
        Self {
            tracker: Tracker::new(initial, config.limits.gaps.into()),
            reassembly: Reassembly::new(config.max_message_size, config.limits.incomplete.into()),
            acks: Acks::new(config.sack_delay, initial.previous()),
            window: Window::new(config),
            early: BTreeMap::new(),
            early_arrivals: 0,
            early_weight: 0,
            unread: 0,
            active: None,
        }
    }

    /// Starts over with a peer that begins at `initial`; messages that wait to be read stay, with the blocks they lie in.
    pub(crate) fn restart(&mut self, config: &Config, initial: Tsn) {
        self.drop_early(None);
        self.reassembly.reset(None);
        self.window.announced(config.receive_window);
        let fresh = Self::new(config, initial);
        self.tracker = fresh.tracker;
        self.acks = fresh.acks;
    }

    /// Takes note of a packet.
    pub(crate) fn packet_arrived(&mut self, now: Instant) {
        self.active = Some(now);
    }

    /// Takes note of a packet that had data.
    pub(crate) fn packet_had_data(&mut self, now: Instant) {
        self.acks.packet_had_data(now, &self.tracker);
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if self.acks.expire(now) {
            self.reassembly.arena.pause();
        }
    }

    /// Whether nothing has come for a while, so that room can be given back; answers so once.
    pub(crate) fn fell_quiet(&mut self, now: Instant) -> bool {
        let quiet = self.active.take_if(|active| now.since(*active) >= QUIET).is_some();
        if quiet {
            self.reassembly.shrink();
            self.tracker.shrink();
        }
        quiet
    }

    /// A SACK was written that told everything and announced `window`.
    pub(crate) fn sack_sent(&mut self, window: usize) {
        self.acks.all_told(&self.tracker);
        self.reassembly.arena.pause();
        self.window.announced(window);
        self.tracker.reported();
    }

    /// A SACK shall leave at once.
    pub(crate) fn sack_now(&mut self) {
        self.acks.now();
    }

    /// A message waits to be read.
    pub(crate) fn hold(&mut self, message: &Unread) {
        self.unread += message.cost();
    }

    /// A message was read or dropped. Tells the peer if that opens a window that was small.
    pub(crate) fn release(&mut self, message: &Unread) {
        self.unread -= message.cost();
        self.reassembly.arena.release(message.block, message.message.payload.len());
        self.tell_if_opened();
    }

    /// Tells the peer if there is much more room than it knows of.
    pub(crate) fn tell_if_opened(&mut self) {
        if self.window.has_opened(self.held()) {
            self.acks.now();
        }
    }

    /// Keeps a message for a channel that may be opened on its stream.
    pub(crate) fn hold_early(&mut self, stream: StreamId, message: Unread) {
        self.hold(&message);
        self.early_weight += message.weight();
        self.early.insert((stream, self.early_arrivals), message);
        self.early_arrivals = self.early_arrivals.wrapping_add(1);
    }

    /// What came early on a stream, released.
    pub(crate) fn take_early(&mut self, stream: StreamId) -> Vec<Unread> {
        let keys: Vec<_> = self.early.range((stream, 0)..=(stream, u32::MAX)).map(|(key, _)| *key).collect();
        let taken: Vec<Unread> = keys.iter().filter_map(|key| self.early.remove(key)).collect();
        for message in &taken {
            self.unread -= message.cost();
            self.early_weight -= message.weight();
        }
        if self.early.is_empty() {
            // An emptied map keeps a node.
            self.early = BTreeMap::new();
        }
        taken
    }

    /// Drops what came early on streams, all of them or those listed in ascending order.
    pub(crate) fn drop_early(&mut self, which: Option<&[StreamId]>) {
        if self.early.is_empty() {
            return;
        }
        let Some(streams) = which else {
            for message in core::mem::take(&mut self.early).into_values() {
                self.early_weight -= message.weight();
                self.release(&message);
            }
            return;
        };
        for stream in streams {
            for message in self.take_early(*stream) {
                self.reassembly.arena.release(message.block, message.message.payload.len());
            }
        }
        self.tell_if_opened();
    }

    /// Moves messages that the receiver holds itself, and those of `inboxes`, out of sparse blocks, if that is worth it.
    pub(crate) fn move_out<'a>(&mut self, inboxes: impl Iterator<Item = &'a mut Unread>) {
        self.reassembly.move_out();
        let arena = &mut self.reassembly.arena;
        let mut moved = 0;
        let mut move_out = |unread: &mut Unread| {
            if arena.move_out(&mut unread.message.payload, &mut unread.block) {
                moved += unread.message.payload.len();
            }
        };
        inboxes.for_each(&mut move_out);
        self.early.values_mut().for_each(move_out);
        arena.moved();
        self.unread += moved;
    }

    /// Whether many blocks are kept by few messages.
    pub(crate) fn wants_moving(&self) -> bool {
        self.reassembly.arena.wants_moving(self.window.size() / 8)
    }

    /// Whether a chunk may be taken.
    pub(crate) fn has_room(&self, waited: Waited) -> bool {
        self.window.has_room(self.held(), self.unread, waited)
    }

    /// Grants more if messages that were begun, and cannot be read before they are whole, fill the window. One sender after
    /// the other of several would not do so; interleaved, all of them hold room.
    pub(crate) fn make_room(&mut self) {
        if self.reassembly.unreadable() > self.window.size() / 2 {
            self.window.widen();
        }
    }

    /// Whether the owner has nothing to read that would make room: only what comes next can finish what was begun.
    pub(crate) fn is_starved(&self) -> bool {
        self.unread == 0
    }

    /// Whether streams without a channel hold as much as one channel may.
    pub(crate) fn is_full_of_early(&self) -> bool {
        self.early_weight >= self.window.share()
    }

    /// Panics if the books are wrong; channels hold `unread`, and as many as `over` more than their share.
    #[cfg(any(test, feature = "fuzz"))]
    pub(crate) fn audit(&self, unread: usize, over: usize, max_message: usize) {
        self.reassembly.audit();
        assert_eq!(self.unread, unread + self.early.values().map(Unread::cost).sum::<usize>());
        assert_eq!(self.early_weight, self.early.values().map(Unread::weight).sum::<usize>());
        self.window.audit(self.held(), over, max_message);
    }

    /// Bytes that may be announced.
    pub(crate) fn free(&self) -> usize {
        self.window.free(self.held())
    }

    /// Bytes held, overheads included.
    pub(crate) fn held(&self) -> usize {
        self.reassembly.held() + self.unread
    }
}
