//! Congestion control: how much may be in flight, and how fast it may leave.
//!
//! The association tells a [`Controller`] what leaves, what arrives and what is lost; the controller answers with a window
//! and a rate. The owner of the path paces: there is no Max.Burst (RFC 9260 §7.2.4) here. Bytes are bytes of chunks on the
//! wire, their headers counted, packet headers not.

#![allow(dead_code)]

mod reno;

use crate::budget::Rate;
use peerage_base::time::{Duration, Instant};
use reno::Reno;

/// Answers how much may be in flight. All time is passed in; nothing is allocated after construction.
pub(crate) trait Controller {
    /// A packet with user data left, new or again.
    fn sent(&mut self, sent: &Sent);

    /// A SACK acknowledged something, or something is taken for lost. Also called with no bytes acknowledged when a timer
    /// of loss detection found losses.
    fn acknowledged(&mut self, ack: &Ack);

    /// The retransmission timer expired, and all that was in flight was taken for lost: `in_flight` bytes before that. A
    /// tail-loss probe is not this.
    fn timed_out(&mut self, now: Instant, in_flight: usize);

    /// The latest loss episode turned out to be reordering or delay: its cut is taken back.
    fn spurious(&mut self, now: Instant);

    /// Bytes that may be in flight.
    fn window(&self) -> usize;

    /// How fast packets may leave; `None` before a round trip is known: the initial window may leave at once.
    fn pacing_rate(&self) -> Option<Rate>;

    /// Packets have another size now, in bytes.
    fn set_packet(&mut self, bytes: usize);

    /// The path is another one; nothing is known of it.
    fn path_changed(&mut self, now: Instant);
}

/// A packet with user data that left.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    pub(crate) now: Instant,
    /// Bytes of its chunks with user data.
    pub(crate) bytes: usize,
    /// Bytes in flight, this packet included.
    pub(crate) in_flight: usize,
    /// Whether the window had room for more and nothing more was to be sent, or the peer's window or the application's
    /// budget forbade it. Waiting for the pacer is not this.
    pub(crate) app_limited: bool,
}

/// What a SACK, or a timer of loss detection, settled.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ack {
    pub(crate) now: Instant,
    /// Bytes newly acknowledged, by cumulative TSN or gap report.
    pub(crate) bytes: usize,
    /// Bytes newly taken for lost.
    pub(crate) lost: usize,
    /// Bytes in flight before this.
    pub(crate) in_flight_before: usize,
    /// Bytes in flight after this.
    pub(crate) in_flight: usize,
    /// Round trip of the newest packet acknowledged whose newest transmission it must have been.
    pub(crate) rtt: Option<Duration>,
    /// Bytes acknowledged since the start, these included.
    pub(crate) delivered: u64,
    /// How fast data arrived lately.
    pub(crate) rate: Option<RateSample>,
    /// Congestion marks that the peer reported with this.
    pub(crate) marks: u32,
    /// Whether losses of one flight are being repaired: what was in flight when the first was found is not settled yet.
    pub(crate) in_recovery: bool,
}

/// How fast data arrived between the departure and the acknowledgement of the newest packet that a SACK acknowledges
/// (draft-cheng-iccrg-delivery-rate-estimation).
#[derive(Clone, Copy, Debug)]
pub(crate) struct RateSample {
    /// Bytes delivered over `interval`.
    pub(crate) delivered: u64,
    /// The longer one of the time it took to send these bytes and the time it took to hear of them. Samples shorter than the
    /// least round trip do not come here.
    pub(crate) interval: Duration,
    /// Bytes delivered since the start when that packet left: marks round trips.
    pub(crate) prior_delivered: u64,
    /// Bytes in flight when that packet had left, the packet included.
    pub(crate) in_flight_at_send: usize,
    /// Bytes taken for lost since that packet left.
    pub(crate) lost_since_send: u64,
    /// Whether the application sent less than it could have when that packet left.
    pub(crate) app_limited: bool,
}

/// The controllers to choose from.
#[derive(Clone, Debug)]
pub(crate) enum Congestion {
    Reno(Reno),
}

impl Congestion {
    /// With an initial window of `initial` packets of `packet` bytes.
    pub(crate) fn new(packet: usize, initial: usize) -> Self {
        Self::Reno(Reno::new(packet, initial))
    }

    fn inner(&self) -> &dyn Controller {
        match self {
            Self::Reno(reno) => reno,
        }
    }

    fn inner_mut(&mut self) -> &mut dyn Controller {
        match self {
            Self::Reno(reno) => reno,
        }
    }
}

impl Controller for Congestion {
    fn sent(&mut self, sent: &Sent) {
        self.inner_mut().sent(sent);
    }

    fn acknowledged(&mut self, ack: &Ack) {
        self.inner_mut().acknowledged(ack);
    }

    fn timed_out(&mut self, now: Instant, in_flight: usize) {
        self.inner_mut().timed_out(now, in_flight);
    }

    fn spurious(&mut self, now: Instant) {
        self.inner_mut().spurious(now);
    }

    fn window(&self) -> usize {
        self.inner().window()
    }

    fn pacing_rate(&self) -> Option<Rate> {
        self.inner().pacing_rate()
    }

    fn set_packet(&mut self, bytes: usize) {
        self.inner_mut().set_packet(bytes);
    }

    fn path_changed(&mut self, now: Instant) {
        self.inner_mut().path_changed(now);
    }
}
