//! Heartbeats: whether the peer still answers while nothing else is under way (RFC 9260 §8.3).

use super::Association;
use crate::chunk::HEARTBEAT_ACK;
use crate::packet::CHUNK_HEADER_LEN;
use alloc::vec::Vec;
use peerage_base::reader::Reader;
use peerage_base::time::{Duration, Instant};

/// Parameter type of the heartbeat information.
const INFO: u16 = 1;
/// Length of the body: parameter header, nonce, time.
pub(crate) const BODY_LEN: usize = 4 + 8 + 8;

/// Longest HEARTBEAT that is echoed, in bytes: no stack needs more, and one that fits no packet would stand in the way.
const MAX_ECHO: usize = 512;

#[derive(Debug)]
pub(crate) struct Heartbeat {
    interval: Duration,
    /// When the next one falls due, or the outstanding one is taken for lost.
    deadline: Instant,
    due: bool,
    /// Nonce of the one under way, and when it left: what comes back may say what it likes.
    outstanding: Option<(u64, Instant)>,
}

impl Heartbeat {
    pub(crate) fn new(interval: Duration, now: Instant) -> Self {
        Self { interval, deadline: now + interval, due: false, outstanding: None }
    }

    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    pub(crate) fn is_due(&self) -> bool {
        self.due
    }

    /// Takes note of the time; answers whether a heartbeat went unanswered.
    pub(crate) fn expire(&mut self, now: Instant, busy: bool) -> bool {
        if self.deadline > now {
            return false;
        }
        let unanswered = self.outstanding.take().is_some();
        self.due = !busy;
        self.deadline = now + self.interval;
        unanswered
    }

    /// The body of a heartbeat that leaves now.
    pub(crate) fn send(&mut self, now: Instant, nonce: u64) -> [u8; BODY_LEN] {
        self.due = false;
        self.outstanding = Some((nonce, now));
        body(now, nonce)
    }

    /// Takes an answer; when the heartbeat left, if it is to the outstanding one.
    fn answered(&mut self, nonce: u64) -> Option<Instant> {
        self.outstanding.take_if(|(sent, _)| *sent == nonce).map(|(_, sent_at)| sent_at)
    }
}

/// The body of a heartbeat: its information parameter, with a nonce that nobody off the path can guess.
pub(super) fn body(now: Instant, nonce: u64) -> [u8; BODY_LEN] {
    let mut body = [0; BODY_LEN];
    body[0..2].copy_from_slice(&INFO.to_be_bytes());
    body[2..4].copy_from_slice(&(BODY_LEN as u16).to_be_bytes());
    body[4..12].copy_from_slice(&nonce.to_be_bytes());
    body[12..20].copy_from_slice(&now.as_nanos().to_be_bytes());
    body
}

/// Nonce of an echoed body, which has come back whole.
fn read(body: &[u8]) -> Option<u64> {
    let mut r = Reader::new(body);
    r.u32()?;
    let nonce = r.u64()?;
    r.u64()?;
    Some(nonce)
}

impl Association {
    /// Echoes what the peer sent.
    pub(super) fn on_heartbeat(&mut self, body: &[u8]) {
        let Ok(len) = u16::try_from(body.len() + CHUNK_HEADER_LEN) else { return };
        if usize::from(len) > MAX_ECHO {
            return;
        }
        let mut chunk = Vec::with_capacity(len.into());
        chunk.extend_from_slice(&[HEARTBEAT_ACK, 0]);
        chunk.extend_from_slice(&len.to_be_bytes());
        chunk.extend_from_slice(body);
        self.replies.push_chunk(chunk);
    }

    pub(super) fn on_heartbeat_ack(&mut self, now: Instant, body: &[u8]) {
        let Some(nonce) = read(body) else { return };
        self.probe_answered(nonce);
        if let Some(sent_at) = self.heartbeat.as_mut().and_then(|h| h.answered(nonce)) {
            self.sender.rto.sample(now, now.since(sent_at));
            self.sender.timeouts = 0;
        }
    }
}
