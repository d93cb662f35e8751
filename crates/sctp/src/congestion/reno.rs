//! Congestion control: slow start, congestion avoidance, fast recovery (RFC 9260 §7.2).

use super::{Ack, Controller, Sent};
use crate::budget::Rate;
use peerage_base::time::Instant;

/// Packets to which the window falls at most when a SACK tells of a loss (RFC 9260 §7.2.3).
const MIN_PACKETS: usize = 4;

#[derive(Clone, Debug)]
pub(crate) struct Reno {
    packet: usize,
    initial: usize,
    window: usize,
    threshold: usize,
    /// Bytes acknowledged since the window last grew, in congestion avoidance.
    partial: usize,
    /// Whether the losses of one flight are being repaired: the window falls once per flight.
    recovering: bool,
}

impl Reno {
    /// With `initial` packets of `packet` bytes.
    pub(crate) fn new(packet: usize, initial: usize) -> Self {
        let window = packet * initial.max(1);
        Self { packet, initial: window, window, threshold: usize::MAX, partial: 0, recovering: false }
    }
}

impl Controller for Reno {
    fn sent(&mut self, _: &Sent) {}

    fn acknowledged(&mut self, ack: &Ack) {
        if ack.lost > 0 && !self.recovering {
            self.threshold = (self.window / 2).max(MIN_PACKETS * self.packet);
            self.window = self.threshold;
            self.partial = 0;
        }
        // Growth needs a window that was in use, progress, and no repair under way (RFC 9260 §7.2.1).
        self.recovering = ack.in_recovery;
        let was_full = ack.in_flight_before + self.packet > self.window;
        if self.recovering || ack.bytes == 0 {
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

    /// RFC 9260 §7.2.3.
    fn timed_out(&mut self, _: Instant, _: usize) {
        self.threshold = (self.window / 2).max(MIN_PACKETS * self.packet);
        self.window = self.packet;
        self.partial = 0;
        self.recovering = false;
    }

    fn spurious(&mut self, _: Instant) {}

    fn window(&self) -> usize {
        self.window
    }

    fn pacing_rate(&self) -> Option<Rate> {
        None
    }

    fn set_packet(&mut self, bytes: usize) {
        self.packet = bytes;
    }

    fn path_changed(&mut self, _: Instant) {
        self.window = self.initial;
        self.threshold = usize::MAX;
        self.partial = 0;
        self.recovering = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKET: usize = 1000;

    fn full(c: &Reno, bytes: usize) -> Ack {
        Ack {
            now: Instant::ORIGIN,
            bytes,
            lost: 0,
            in_flight_before: c.window(),
            in_flight: c.window().saturating_sub(bytes),
            rtt: None,
            delivered: bytes as u64,
            rate: None,
            marks: 0,
            in_recovery: false,
        }
    }

    fn loss(c: &Reno) -> Ack {
        Ack { lost: PACKET, in_recovery: true, ..full(c, 0) }
    }

    #[test]
    fn slow_start_doubles_the_window_per_round_trip_only_while_it_is_full() {
        let mut c = Reno::new(PACKET, 10);
        for _ in 0..10 {
            c.acknowledged(&full(&c, PACKET));
        }
        assert_eq!(c.window(), 20 * PACKET);
        c.acknowledged(&Ack { in_flight_before: PACKET, ..full(&c, PACKET) });
        assert_eq!(c.window(), 20 * PACKET);
    }

    #[test]
    fn a_loss_halves_once_per_flight_and_growth_is_linear_from_then_on() {
        let mut c = Reno::new(PACKET, 20);
        c.acknowledged(&loss(&c));
        c.acknowledged(&loss(&c));
        assert_eq!(c.window(), 10 * PACKET);
        c.acknowledged(&Ack { in_recovery: true, ..full(&c, PACKET) });
        assert_eq!(c.window(), 10 * PACKET, "no growth while repairing");
        c.acknowledged(&full(&c, PACKET));
        let before = c.window();
        for _ in 0..11 {
            c.acknowledged(&full(&c, PACKET));
        }
        assert_eq!(c.window(), before + PACKET);
    }

    #[test]
    fn a_timeout_leaves_one_packet_and_a_path_change_starts_over() {
        let mut c = Reno::new(PACKET, 20);
        c.timed_out(Instant::ORIGIN, 20 * PACKET);
        assert_eq!(c.window(), PACKET);
        c.path_changed(Instant::ORIGIN);
        assert_eq!(c.window(), 20 * PACKET);
    }

    #[test]
    fn the_window_never_falls_below_four_packets_by_gap_reports() {
        let mut c = Reno::new(PACKET, 5);
        c.acknowledged(&loss(&c));
        assert_eq!(c.window(), 4 * PACKET);
    }
}
