//! Loss by time (RFC 8985 §6): what left earlier than something that has arrived, by more than a window for reordering, is
//! lost.

use crate::numbers::Tsn;
use crate::rto::RoundTrip;
use peerage_base::serial::Serial;
use peerage_base::time::{Duration, Instant};

/// Packets acknowledged by gap reports from which on loss is concluded at once, as long as no reordering was seen.
const DUPLICATE_THRESHOLD: u32 = 3;
/// Recoveries that the window for reordering stays wide for.
const PERSISTENCE: u8 = 16;

#[derive(Debug)]
pub(super) struct Rack {
    /// Number of the packet that left last of those that have arrived.
    newest: Option<u32>,
    /// Its round trip.
    rtt: Duration,
    /// Greatest TSN that has arrived.
    forward: Option<Tsn>,
    reordering_seen: bool,
    /// Width of the window in quarters of the least round trip.
    quarters: u32,
    persist: u8,
    /// The window does not grow again until this TSN is acknowledged.
    round_end: Option<Tsn>,
    /// When something that left before `newest` is to be taken for lost.
    pub(super) deadline: Option<Instant>,
}

impl Rack {
    pub(super) fn new() -> Self {
        Self {
            newest: None,
            rtt: Duration::ZERO,
            forward: None,
            reordering_seen: false,
            quarters: 1,
            persist: 0,
            round_end: None,
            deadline: None,
        }
    }

    /// A chunk has arrived; `once` if it was sent once only. Called in ascending order within a SACK (RFC 8985 §6.2 step 3).
    pub(super) fn arrived(&mut self, tsn: Tsn, once: bool) {
        match self.forward {
            Some(forward) if tsn.before(forward) => self.reordering_seen |= once,
            _ => self.forward = Some(tsn),
        }
    }

    /// A SACK acknowledges this packet as the newest one (RFC 8985 §6.2 step 2).
    pub(super) fn advance(&mut self, departure: u32, rtt: Duration) {
        self.rtt = rtt;
        if self.newest.is_none_or(|newest| newest.before(departure)) {
            self.newest = Some(departure);
        }
    }

    /// Something that was taken for lost has arrived by itself: widens the window once per round trip, and to `lateness` at
    /// once where that is known. `next` is the next new TSN (RFC 8985 §6.2 step 4).
    pub(super) fn mistaken(&mut self, next: Tsn, lateness: Option<Duration>, round_trip: RoundTrip) {
        self.reordering_seen = true;
        self.persist = PERSISTENCE;
        if self.round_end.is_none() {
            self.round_end = Some(next);
            self.quarters = self.quarters.saturating_add(1);
        }
        let quarter = (round_trip.min / 4).as_nanos().max(1);
        let beyond = lateness.map_or(0, |late| late.saturating_sub(self.rtt).as_nanos() / quarter + 1);
        let enough = round_trip.smoothed.as_nanos() / quarter + 1;
        self.quarters = self.quarters.max(beyond as u32).min(u32::try_from(enough).unwrap_or(u32::MAX).max(1));
    }

    /// Everything before `cumulative` and itself has arrived.
    pub(super) fn passed(&mut self, cumulative: Tsn) {
        if self.round_end.is_some_and(|end| !cumulative.before(end)) {
            self.round_end = None;
        }
    }

    /// A recovery is over.
    pub(super) fn recovered(&mut self) {
        self.persist = self.persist.saturating_sub(1);
        if self.persist == 0 {
            self.quarters = 1;
        }
    }

    /// The path is another one: round trips and reordering of the old one tell nothing. What left before something that
    /// arrives is taken for lost all the same.
    pub(super) fn path_changed(&mut self) {
        *self = Self { newest: self.newest, forward: self.forward, ..Self::new() };
    }

    /// When a packet is to be taken for lost, if that can be said: it left before what has arrived.
    pub(super) fn expiry(&self, departure: u32, sent_at: Instant, window: Duration) -> Option<Instant> {
        self.newest.filter(|newest| departure.before(*newest)).map(|_| sent_at + self.rtt + window)
    }

    /// How long a packet may be overtaken (RFC 8985 §6.2 step 4). `sacked` packets are acknowledged by gap reports.
    pub(super) fn window(&self, round_trip: RoundTrip, in_recovery: bool, sacked: u32) -> Duration {
        if !self.reordering_seen && (in_recovery || sacked >= DUPLICATE_THRESHOLD) {
            return Duration::ZERO;
        }
        (round_trip.min / 4).saturating_mul(self.quarters).min(round_trip.smoothed)
    }

    /// Round trip of the newest packet that has arrived.
    pub(super) fn rtt(&self) -> Duration {
        self.rtt
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;
    const TRIP: RoundTrip = RoundTrip { min: Duration::from_millis(40), smoothed: Duration::from_millis(60) };

    #[test]
    fn the_window_is_zero_for_three_packets_without_reordering_and_a_quarter_of_the_least_round_trip_else() {
        let mut rack = Rack::new();
        assert_eq!(rack.window(TRIP, false, 2), MS(10));
        assert_eq!(rack.window(TRIP, false, 3), MS(0));
        assert_eq!(rack.window(TRIP, true, 1), MS(0));
        rack.arrived(Tsn(5), true);
        rack.arrived(Tsn(4), false);
        assert_eq!(rack.window(TRIP, true, 3), MS(0), "a repaired loss is no reordering");
        rack.arrived(Tsn(3), true);
        assert_eq!(rack.window(TRIP, true, 3), MS(10));
    }

    #[test]
    fn mistakes_widen_the_window_once_per_round_trip_up_to_the_smoothed_one_and_sixteen_recoveries_forget_them() {
        let mut rack = Rack::new();
        rack.mistaken(Tsn(10), None, TRIP);
        rack.mistaken(Tsn(11), None, TRIP);
        assert_eq!(rack.window(TRIP, false, 3), MS(20));
        rack.passed(Tsn(9));
        rack.mistaken(Tsn(12), None, TRIP);
        assert_eq!(rack.window(TRIP, false, 3), MS(20));
        for _ in 0..9 {
            rack.passed(Tsn(13));
            rack.mistaken(Tsn(13), None, TRIP);
        }
        assert_eq!(rack.window(TRIP, false, 3), MS(60));
        (0..15).for_each(|_| rack.recovered());
        assert_eq!(rack.window(TRIP, false, 3), MS(60));
        rack.recovered();
        assert_eq!(rack.window(TRIP, false, 3), MS(10));
    }

    #[test]
    fn a_known_lateness_widens_the_window_to_it_at_once() {
        let mut rack = Rack::new();
        rack.advance(7, MS(40));
        rack.mistaken(Tsn(10), Some(MS(75)), TRIP);
        assert_eq!(rack.window(TRIP, false, 3), MS(40));
    }
}
