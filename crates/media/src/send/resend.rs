//! Which packets are to be sent again, and how many bytes of that a stream may send.

use alloc::collections::VecDeque;

use peerage_base::serial::Serial as _;
use peerage_base::time::{Duration, Instant};
use peerage_rtp::numbers::SequenceNumber;

use super::config::Config;
use super::history::History;

/// Most packets that wait to be sent again.
const MAX_QUEUED: usize = 1024;
/// Least time between two times that a packet is sent, whatever the round trip is said to be.
const MIN_INTERVAL: Duration = Duration::from_millis(5);

/// Requests of the peer that wait for the path.
#[derive(Debug)]
pub(super) struct Resends {
    queue: VecDeque<SequenceNumber>,
    /// Bytes that may be sent again.
    credit: i64,
}

impl Resends {
    pub(super) fn new(config: &Config) -> Self {
        Self { queue: VecDeque::new(), credit: config.resend_burst.into() }
    }

    /// The peer misses a packet: whether it will be sent again. Not if it is unknown, waits already, has arrived, was sent less
    /// than a round trip ago (the request crossed it then) or too often.
    pub(super) fn request<P>(
        &mut self,
        now: Instant,
        number: SequenceNumber,
        (history, round_trip): (&mut History<P>, Duration),
        config: &Config,
    ) -> bool {
        let Some(sent) = history.get(number) else { return false };
        let is_done = sent.place.is_none() || sent.is_queued || sent.is_acknowledged;
        // What was sent once may be asked for as soon as later packets arrive; what was sent again, only after a round trip.
        let is_recent = sent.resends > 0 && now.since(sent.left) < round_trip.max(MIN_INTERVAL);
        if is_done || is_recent || sent.resends >= config.max_resends || self.queue.len() >= MAX_QUEUED {
            return false;
        }
        sent.is_queued = true;
        // The oldest first: later ones are of no use without it.
        let place = self.queue.iter().rposition(|other| other.before(number)).map_or(0, |at| at + 1);
        self.queue.insert(place, number);
        true
    }

    /// The next packet that may leave, if the bytes for it are there.
    pub(super) fn next(&mut self) -> Option<SequenceNumber> {
        if self.credit <= 0 { None } else { self.queue.pop_front() }
    }

    /// Whether a packet may leave.
    pub(super) fn is_ready(&self) -> bool {
        self.credit > 0 && !self.queue.is_empty()
    }

    /// New media of `bytes` has left.
    pub(super) fn earn(&mut self, bytes: usize, config: &Config) {
        let earned = (bytes as i64 * i64::from(config.resend_percent)) / 100;
        self.credit = (self.credit + earned).min(config.resend_burst.into());
    }

    /// A packet of `bytes` was sent again.
    pub(super) fn spend(&mut self, bytes: usize) {
        self.credit -= bytes as i64;
    }
}
