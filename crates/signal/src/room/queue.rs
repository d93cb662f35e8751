//! What a client was told and has not acknowledged.

use super::settings::Settings;
use crate::message::ACK_EVERY;
use peerage_base::time::{Duration, Instant};
use std::collections::VecDeque;
use std::sync::Arc;

/// The queue has no room for another message.
#[derive(Debug)]
pub(super) struct Full;

#[derive(Debug, Default)]
pub(super) struct Queue {
    /// The number of the last acknowledged message.
    acked: u64,
    messages: VecDeque<(Arc<str>, Instant)>,
    bytes: usize,
}

impl Queue {
    /// The number of the next message.
    pub fn next_seq(&self) -> u64 {
        self.last_seq() + 1
    }

    /// Keeps the message that was numbered [`next_seq`](Self::next_seq).
    pub fn push(&mut self, now: Instant, settings: &Settings, frame: Arc<str>) -> Result<(), Full> {
        if self.messages.len() >= settings.queue_messages || self.bytes + frame.len() > settings.queue_bytes {
            return Err(Full);
        }
        self.bytes += frame.len();
        self.messages.push_back((frame, now));
        Ok(())
    }

    /// Forgets everything up to `received` and says how many bytes that were; `None` if it was never sent.
    pub fn ack(&mut self, received: u64) -> Option<usize> {
        if received > self.last_seq() {
            return None;
        }
        let before = self.bytes;
        while self.acked < received {
            let (frame, _) = self.messages.pop_front()?;
            self.bytes -= frame.len();
            self.acked += 1;
        }
        Some(before - self.bytes)
    }

    /// Whether a client that has seen everything up to `received` can still be told the rest.
    pub fn reaches_back_to(&self, received: u64) -> bool {
        (self.acked..=self.last_seq()).contains(&received)
    }

    /// What is not acknowledged, oldest first.
    pub fn pending(&self) -> impl Iterator<Item = Arc<str>> + '_ {
        self.messages.iter().map(|(frame, _)| frame.clone())
    }

    /// Starts the wait for acknowledgements anew: what is pending has just been sent again.
    pub fn restart(&mut self, now: Instant) {
        for (_, at) in &mut self.messages {
            *at = now;
        }
    }

    /// Whether an acknowledgement has been due for longer than `timeout`.
    pub fn overdue(&self, now: Instant, timeout: Duration) -> bool {
        self.messages.get(ACK_EVERY as usize - 1).is_some_and(|(_, at)| now.since(*at) > timeout)
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    fn last_seq(&self) -> u64 {
        self.acked + self.messages.len() as u64
    }
}
