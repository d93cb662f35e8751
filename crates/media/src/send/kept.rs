//! Frames that wait, leave, or may have to leave again: their bytes stay where the application put them.

use alloc::collections::VecDeque;

use bytes::Bytes;
use peerage_base::time::{Duration, Instant};
use peerage_rtp::numbers::Timestamp;
use peerage_rtp::payload::budget::{Mark, Piece, Position};
use peerage_rtp::payload::packetizer::Packetizer;

use super::extensions::FrameElements;

/// One frame.
#[derive(Debug)]
pub(super) struct Kept {
    /// `None` once all packets are known to have arrived.
    packetizer: Option<Packetizer<Bytes>>,
    /// The first packet that has not left.
    next: Mark,
    pub(super) timestamp: Timestamp,
    pub(super) elements: FrameElements,
    pub(super) queued: Instant,
    /// When the last packet left.
    sent: Instant,
    /// Packets that have left and are not known to have arrived.
    unacknowledged: u32,
    /// Whether a packet of it has left.
    pub(super) is_begun: bool,
    size: usize,
}

impl Kept {
    pub(super) fn new(
        packetizer: Packetizer<Bytes>,
        timestamp: Timestamp,
        elements: FrameElements,
        now: Instant,
    ) -> Self {
        let (next, size) = (packetizer.mark(), packetizer.frame().len());
        let packetizer = Some(packetizer);
        Self { packetizer, next, timestamp, elements, queued: now, sent: now, unacknowledged: 0, is_begun: false, size }
    }

    /// Goes to the first packet that has not left: where it is and its place in the frame; `None` if all have.
    pub(super) fn go_on(&mut self) -> Option<(Mark, Position)> {
        self.go_to(self.next).map(|position| (self.next, position))
    }

    /// Goes to a packet that has left: its place in the frame; `None` if the bytes are gone.
    pub(super) fn go_to(&mut self, mark: Mark) -> Option<Position> {
        let packetizer = self.packetizer.as_mut()?;
        packetizer.rewind(mark);
        packetizer.position()
    }

    /// Writes the payload of the packet that was gone to.
    pub(super) fn write(&mut self, room: &mut [u8]) -> Option<Piece> {
        self.packetizer.as_mut()?.write(room)
    }

    /// Notes that the packet just written, which is new, leaves.
    pub(super) fn leaves(&mut self, now: Instant) {
        if let Some(packetizer) = &self.packetizer {
            self.next = packetizer.mark();
        }
        (self.sent, self.is_begun) = (now, true);
        self.unacknowledged += 1;
    }

    /// The bytes, if they are still there.
    pub(super) fn payload(&self) -> Option<Bytes> {
        self.packetizer.as_ref().map(|packetizer| packetizer.frame().clone())
    }

    /// Packets that have not left; the frame need not have been gone to.
    pub(super) fn remaining(&mut self) -> usize {
        let Some(packetizer) = &mut self.packetizer else { return 0 };
        packetizer.rewind(self.next);
        packetizer.remaining()
    }
}

/// The frames of one stream: those of which all packets have left, then the others.
#[derive(Debug, Default)]
pub(super) struct Frames {
    frames: VecDeque<Kept>,
    /// Number of the first one; wraps.
    first: u32,
    /// How many have left.
    sent: usize,
    bytes: usize,
}

impl Frames {
    pub(super) fn push(&mut self, frame: Kept) {
        self.bytes += frame.size;
        self.frames.push_back(frame);
    }

    /// The frame whose packets leave now, and its number.
    pub(super) fn current(&mut self) -> Option<(u32, &mut Kept)> {
        let number = self.first.wrapping_add(self.sent as u32);
        self.frames.get_mut(self.sent).map(|frame| (number, frame))
    }

    /// Notes that all packets of the current frame have left, or those that have were all.
    pub(super) fn advance(&mut self) {
        self.sent = (self.sent + 1).min(self.frames.len());
    }

    pub(super) fn get(&mut self, number: u32) -> Option<&mut Kept> {
        self.frames.get_mut(number.wrapping_sub(self.first) as usize)
    }

    /// Notes that a packet of a frame has arrived; the bytes go when all have.
    pub(super) fn acknowledge(&mut self, number: u32) {
        let index = number.wrapping_sub(self.first) as usize;
        let Some(frame) = self.frames.get_mut(index) else { return };
        frame.unacknowledged = frame.unacknowledged.saturating_sub(1);
        if frame.unacknowledged == 0 && index < self.sent && frame.packetizer.take().is_some() {
            self.bytes -= frame.size;
            frame.size = 0;
        }
    }

    /// Forgets frames that left longer ago than `age`, those that have arrived, and as many more as it takes to keep no
    /// more than `most` bytes.
    pub(super) fn trim(&mut self, now: Instant, age: Duration, most: usize) {
        while self.sent > 0
            && let Some(front) = self.frames.front()
            && (front.packetizer.is_none() || now.since(front.sent) > age || self.bytes > most)
        {
            self.bytes -= front.size;
            self.frames.pop_front();
            self.first = self.first.wrapping_add(1);
            self.sent -= 1;
        }
    }

    /// Drops waiting frames up to the first for which `keep` holds, or all; of one that has begun, what has not left. How many
    /// it were.
    pub(super) fn drop_until(&mut self, keep: impl Fn(&Kept) -> bool) -> usize {
        let mut dropped = 0;
        if self.frames.get(self.sent).is_some_and(|frame| frame.is_begun && !keep(frame)) {
            self.advance();
            dropped += 1;
        }
        while let Some(frame) = self.frames.get(self.sent).filter(|frame| !keep(frame)) {
            self.bytes -= frame.size;
            self.frames.remove(self.sent);
            dropped += 1;
        }
        dropped
    }

    /// The oldest frame that waits.
    pub(super) fn waiting_since(&self) -> Option<Instant> {
        self.frames.get(self.sent).map(|frame| frame.queued)
    }

    /// How many frames wait.
    pub(super) fn waiting(&self) -> usize {
        self.frames.len() - self.sent
    }

    /// Bytes of all frames.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }
}
