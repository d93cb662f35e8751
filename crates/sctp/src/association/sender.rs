//! State of the sending half.

use crate::config::Config;
use crate::congestion::Congestion;
use crate::numbers::Tsn;
use crate::outgoing::flight::{Flight, MessageId};
use crate::rto::Rto;
use peerage_base::time::{Duration, Instant};

#[derive(Debug)]
pub(crate) struct Sender {
    pub(crate) flight: Flight,
    pub(crate) congestion: Congestion,
    pub(crate) rto: Rto,
    /// Window that the peer announced last, in bytes.
    pub(crate) peer_window: usize,
    /// T3-rtx: runs while something waits for acknowledgement.
    pub(crate) t3: Option<Instant>,
    /// Expiries of T3 in a row.
    pub(crate) timeouts: u32,
    /// Fast recovery ends when this is acknowledged.
    pub(crate) recovery_exit: Tsn,
    /// One packet of retransmissions may leave regardless of the window (RFC 9260 §7.2.4 step 3).
    pub(crate) fast_retransmit: bool,
    /// A FORWARD TSN is owed.
    pub(crate) forward_due: bool,
    pub(crate) forwarded_at: Option<Instant>,
    /// The application's bytes in all queues.
    pub(crate) queued: usize,
    /// Size of the greatest message refused since the buffer was last writable.
    pub(crate) refused: Option<usize>,
    next_message: MessageId,
}

impl Sender {
    pub(crate) fn new(config: &Config, initial: Tsn) -> Self {
        Self {
            flight: Flight::new(initial),
            congestion: Congestion::new(config.max_packet, config.initial_window),
            rto: Rto::new(config.rto_initial, config.rto_min, config.rto_max),
            peer_window: 0,
            t3: None,
            timeouts: 0,
            recovery_exit: initial,
            fast_retransmit: false,
            forward_due: false,
            forwarded_at: None,
            queued: 0,
            refused: None,
            next_message: 0,
        }
    }

    pub(crate) fn message_id(&mut self) -> MessageId {
        self.next_message += 1;
        self.next_message
    }

    /// Starts T3 unless it runs.
    pub(crate) fn start_t3(&mut self, now: Instant) {
        self.t3.get_or_insert(now + self.rto.current());
    }

    pub(crate) fn path_changed(&mut self, now: Instant) {
        self.congestion.path_changed();
        self.rto.reset();
        self.timeouts = 0;
        if self.t3.is_some() {
            self.t3 = Some(now + self.rto.current());
        }
    }

    /// Whether nothing waits for acknowledgement.
    pub(crate) fn is_settled(&self) -> bool {
        self.flight.is_empty()
    }

    /// Application bytes that are held, queued or on their way.
    pub(crate) fn held(&self) -> usize {
        self.queued + self.flight.held()
    }

    /// An acknowledgement sooner than this after a retransmission cannot be for it.
    pub(crate) fn plausible(&self) -> Duration {
        self.rto.smoothed().unwrap_or_default() / 2
    }

    /// Whether the congestion window lets another chunk go.
    pub(crate) fn window_is_open(&self) -> bool {
        self.flight.in_flight() < self.congestion.window()
    }

    /// Bytes of user data that the peer has room for beyond what is on its way.
    pub(crate) fn peer_room(&self) -> usize {
        self.peer_window.saturating_sub(self.flight.in_flight_payload())
    }
}
