//! Congestion control: slow start, congestion avoidance, fast recovery (RFC 9260 §7.2).
//!
//! The rest of the crate sees a window and four occasions; another controller fits behind the same face. There is no
//! Max.Burst: the owner of the path paces.

/// Packets to which the window falls at most when a SACK tells of a loss (RFC 9260 §7.2.3).
const MIN_PACKETS: usize = 4;

#[derive(Clone, Debug)]
pub(crate) struct Congestion {
    packet: usize,
    initial: usize,
    window: usize,
    threshold: usize,
    /// Bytes acknowledged since the window last grew, in congestion avoidance.
    partial: usize,
    /// Whether the losses of one flight are being repaired: the window falls once per flight.
    recovering: bool,
}

/// What a SACK acknowledged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Acknowledged {
    /// Bytes newly acknowledged.
    pub(crate) bytes: usize,
    /// Bytes that were in flight before.
    pub(crate) in_flight: usize,
    /// Whether the cumulative TSN advanced.
    pub(crate) advanced: bool,
}

impl Congestion {
    /// With `initial` packets of `packet` bytes.
    pub(crate) fn new(packet: usize, initial: usize) -> Self {
        let window = packet * initial.max(1);
        Self { packet, initial: window, window, threshold: usize::MAX, partial: 0, recovering: false }
    }

    /// New data arrived at the peer.
    pub(crate) fn acknowledged(&mut self, ack: Acknowledged) {
        // Growth needs a window that was in use, progress, and no repair under way (RFC 9260 §7.2.1).
        let was_full = ack.in_flight + self.packet > self.window;
        if self.recovering || !ack.advanced {
            return;
        }
        if self.window <= self.threshold {
            if was_full {
                // Not capped at one packet per SACK: one SACK may answer a whole batch, and the pacer spreads the burst.
                self.window += ack.bytes;
            }
            return;
        }
        self.partial += ack.bytes;
        if self.partial >= self.window {
            self.partial -= self.window;
            if was_full {
                self.window += self.packet;
            }
        }
    }

    /// Chunks are taken for lost by gap reports.
    pub(crate) fn lost(&mut self) {
        if !self.recovering {
            self.recovering = true;
            self.threshold = (self.window / 2).max(MIN_PACKETS * self.packet);
            self.window = self.threshold;
            self.partial = 0;
        }
    }

    /// All that was in flight at the loss has been settled.
    pub(crate) fn recovered(&mut self) {
        self.recovering = false;
    }

    /// The retransmission timer expired (RFC 9260 §7.2.3).
    pub(crate) fn timed_out(&mut self) {
        self.threshold = (self.window / 2).max(MIN_PACKETS * self.packet);
        self.window = self.packet;
        self.partial = 0;
        self.recovering = false;
    }

    /// The path is another one; nothing is known of it.
    pub(crate) fn path_changed(&mut self) {
        self.window = self.initial;
        self.threshold = usize::MAX;
        self.partial = 0;
        self.recovering = false;
    }

    pub(crate) fn window(&self) -> usize {
        self.window
    }

    pub(crate) fn is_recovering(&self) -> bool {
        self.recovering
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKET: usize = 1000;

    fn full(c: &Congestion, bytes: usize) -> Acknowledged {
        Acknowledged { bytes, in_flight: c.window(), advanced: true }
    }

    #[test]
    fn slow_start_doubles_the_window_per_round_trip_only_while_it_is_full() {
        let mut c = Congestion::new(PACKET, 10);
        for _ in 0..10 {
            c.acknowledged(full(&c, PACKET));
        }
        assert_eq!(c.window(), 20 * PACKET);
        c.acknowledged(Acknowledged { bytes: PACKET, in_flight: PACKET, advanced: true });
        assert_eq!(c.window(), 20 * PACKET);
    }

    #[test]
    fn a_loss_halves_once_per_flight_and_growth_is_linear_from_then_on() {
        let mut c = Congestion::new(PACKET, 20);
        c.lost();
        c.lost();
        assert_eq!(c.window(), 10 * PACKET);
        c.acknowledged(full(&c, PACKET));
        assert_eq!(c.window(), 10 * PACKET, "no growth while repairing");
        c.recovered();
        c.acknowledged(full(&c, PACKET));
        let before = c.window();
        for _ in 0..11 {
            c.acknowledged(full(&c, PACKET));
        }
        assert_eq!(c.window(), before + PACKET);
    }

    #[test]
    fn a_timeout_leaves_one_packet_and_a_path_change_starts_over() {
        let mut c = Congestion::new(PACKET, 20);
        c.timed_out();
        assert_eq!(c.window(), PACKET);
        c.path_changed();
        assert_eq!(c.window(), 20 * PACKET);
    }

    #[test]
    fn the_window_never_falls_below_four_packets_by_gap_reports() {
        let mut c = Congestion::new(PACKET, 5);
        c.lost();
        assert_eq!(c.window(), 4 * PACKET);
    }
}
