//! What was said and heard by number, so that a connection that was lost can be taken up again.

use crate::id::PeerId;
use crate::message::{ACK_EVERY, ClientMessage, Data};
use std::collections::VecDeque;

/// Signals that the server has not acknowledged: what the server keeps for the other side.
const UNACKED_MESSAGES: usize = 256;
const UNACKED_BYTES: usize = 1 << 20;

#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// The last number that arrived from the server, and the last one acknowledged.
    received: u64,
    acked: u64,
    /// The number of the last signal, and those that the server has not acknowledged.
    sent: u64,
    unacked: VecDeque<(u64, String)>,
    unacked_bytes: usize,
    frames: VecDeque<String>,
}

impl Ledger {
    /// Numbers a signal and keeps it; `now`: it may also be sent now.
    pub fn signal(&mut self, to: PeerId, data: Data, now: bool) {
        self.sent += 1;
        let frame = ClientMessage::Signal { seq: self.sent, to, data }.to_json();
        self.unacked_bytes += frame.len();
        self.unacked.push_back((self.sent, frame.clone()));
        if now {
            self.frames.push_back(frame);
        }
    }

    /// Queues what has no number.
    pub fn say(&mut self, message: &ClientMessage) {
        self.frames.push_back(message.to_json());
    }

    /// A connection stands, and this is said first on it.
    pub fn begin(&mut self, first: &ClientMessage) {
        self.frames.clear();
        self.acked = self.received;
        self.say(first);
    }

    /// Forgets what has not been sent; signals are kept.
    pub fn clear(&mut self) {
        self.frames.clear();
    }

    /// Queues again what the server has not acknowledged.
    pub fn repeat(&mut self) {
        self.frames.extend(self.unacked.iter().map(|(_, frame)| frame.clone()));
    }

    /// Lets a numbered message in once and in order; false: it was here before.
    pub fn accept(&mut self, seq: u64) -> Result<bool, String> {
        if seq <= self.received {
            return Ok(false);
        }
        if seq != self.received + 1 {
            return Err("a number was left out".into());
        }
        self.received = seq;
        Ok(true)
    }

    /// The server has our signals up to `received`.
    pub fn acknowledged(&mut self, received: u64) -> Result<(), String> {
        if received > self.sent {
            return Err("an acknowledgement of something never sent".into());
        }
        while self.unacked.front().is_some_and(|(seq, _)| *seq <= received) {
            let freed = self.unacked.pop_front().map_or(0, |(_, frame)| frame.len());
            self.unacked_bytes -= freed;
        }
        Ok(())
    }

    /// Acknowledges what has not been yet.
    pub fn acknowledge(&mut self) {
        if self.acked < self.received {
            self.acked = self.received;
            self.say(&ClientMessage::Ack { received: self.received });
        }
    }

    pub fn poll_frame(&mut self) -> Option<String> {
        self.frames.pop_front()
    }

    /// Whether another `bytes` would be too much to keep.
    pub fn is_full(&self, bytes: usize) -> bool {
        self.unacked.len() >= UNACKED_MESSAGES || self.unacked_bytes + bytes > UNACKED_BYTES
    }

    /// Whether it is time to acknowledge: at half of what is allowed, as an acknowledgement may be on its way for a while.
    pub fn is_due(&self) -> bool {
        self.received - self.acked >= ACK_EVERY / 2
    }

    /// What is to be sent.
    #[cfg(test)]
    pub fn pending(&self) -> impl Iterator<Item = &String> {
        self.frames.iter()
    }

    pub fn received(&self) -> u64 {
        self.received
    }
}
