//! Probes of the packet size (RFC 8899 §6.2.1): HEARTBEAT and PAD in a packet of the size in question.
//!
//! The owner of the path decides what is probed and when; here it is learnt whether a probe arrived. A probe does not
//! count against the congestion window, and a lost one is no sign of congestion.

use super::Association;
use super::heartbeat::{self, BODY_LEN};
use crate::chunk::{self, pad};
use crate::packet::{CHUNK_HEADER_LEN, HEADER_LEN, PacketWriter};
use peerage_base::slot::Slot;
use peerage_base::time::{Duration, Instant};

/// Least time that a probe is waited for (RFC 8899 §5.1.1). Four round trips, if that is longer.
const MIN_PROBE_TIMER: Duration = Duration::from_secs(1);
/// Least length of a probe, in bytes.
pub const MIN_PROBE: usize = HEADER_LEN + CHUNK_HEADER_LEN + BODY_LEN + CHUNK_HEADER_LEN;

/// What became of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbeResult {
    /// Length of the SCTP packet in bytes.
    pub len: usize,
    /// What became of it.
    pub fate: Fate,
}

/// Whether a probe arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The peer answered it.
    Delivered,
    /// It was not answered, while other packets of the peer came.
    Lost,
    /// Nothing at all came from the peer: that tells nothing about the size.
    Unknown,
}

/// The probe that is under way, or the last one.
#[derive(Debug, Default)]
pub(super) struct Probe {
    waiting: Option<Waiting>,
    result: Option<ProbeResult>,
}

#[derive(Debug)]
struct Waiting {
    nonce: u64,
    len: usize,
    deadline: Instant,
    /// Packets taken from the peer when it left.
    received: u64,
}

impl Probe {
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.waiting.as_ref().map(|waiting| waiting.deadline)
    }

    fn end(&mut self, fate: Fate) {
        if let Some(Waiting { len, .. }) = self.waiting.take() {
            self.result = Some(ProbeResult { len, fate });
        }
    }
}

impl Association {
    /// Writes a probe of `len` bytes, rounded down to a multiple of four, into the slot, and answers its length. `None` if
    /// the association is not up, if the slot is too small, or if `len` is below [`MIN_PROBE`]. A probe that is still under way
    /// is forgotten.
    ///
    /// The packet must be sent with "don't fragment". [`poll_probe`](Self::poll_probe) tells what became of it.
    pub fn write_probe(&mut self, now: Instant, len: usize, slot: &mut Slot<'_>) -> Option<usize> {
        let len = len & !3;
        if !self.state.may_send() || len > slot.max() || len < MIN_PROBE {
            return None;
        }
        let (source, destination) = (self.config.local_port, self.config.remote_port);
        let nonce = self.rng.u64();
        let mut packet = PacketWriter::new(slot.room(), len, source, destination, self.peer.tag)?;
        packet.chunk(chunk::HEARTBEAT, 0, BODY_LEN)?.copy_from_slice(&heartbeat::body(now, nonce));
        pad::fill(&mut packet);
        let lacks_checksum = self.config.zero_checksum && self.peer.extensions.zero_checksum;
        let len = packet.finish(!lacks_checksum);
        slot.fill(len);
        let patience = (4 * self.sender.rto.smoothed().unwrap_or_default()).max(MIN_PROBE_TIMER);
        let received = self.stats.packets_received;
        let waiting = Waiting { nonce, len, deadline: now + patience, received };
        self.probe = Probe { waiting: Some(waiting), result: None };
        self.stats.packets_sent += 1;
        self.stats.bytes_sent += len as u64;
        Some(len)
    }

    /// What became of the last probe; told once.
    pub fn poll_probe(&mut self) -> Option<ProbeResult> {
        self.probe.result.take()
    }

    pub(super) fn probe_answered(&mut self, nonce: u64) {
        if self.probe.waiting.as_ref().is_some_and(|waiting| waiting.nonce == nonce) {
            self.probe.end(Fate::Delivered);
        }
    }

    pub(super) fn expire_probe(&mut self, now: Instant) {
        let received = self.stats.packets_received;
        if let Some(waiting) = self.probe.waiting.as_ref().filter(|waiting| waiting.deadline <= now) {
            let fate = if received > waiting.received { Fate::Lost } else { Fate::Unknown };
            self.probe.end(fate);
        }
    }

    /// The path is another one: what is under way tells nothing of it.
    pub(super) fn forget_probe(&mut self) {
        self.probe = Probe::default();
    }
}
