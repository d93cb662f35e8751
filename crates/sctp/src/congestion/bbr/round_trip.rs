//! The least round trip, and letting the pipe run half empty to measure it.

use super::model::Round;
use super::{Bbr, State, UNIT};
use crate::congestion::Ack;
use peerage_base::time::{Duration, Instant};

/// A least round trip older than this is put to the test.
const INTERVAL: Duration = Duration::from_secs(5);
/// And forgotten after this.
const WINDOW: Duration = Duration::from_secs(10);
/// How long the pipe stays half empty, so that flows that share a queue do so together.
const STAY: Duration = Duration::from_millis(200);
/// A round trip below this, in nanoseconds, is taken for as much: queues that short harm nobody, and less than a batch of
/// packets or a turn of the scheduler could not be in flight.
const NEAR: u64 = 2_000_000;

/// A round whose least round trip exceeds the least known by this, in hundredths, saw a queue.
const QUEUE: u64 = 125;

/// Times are nanoseconds; 0 stands for unknown, which keeps this small.
#[derive(Clone, Debug, Default)]
pub(super) struct RoundTrip {
    least: u64,
    least_at: Instant,
    /// Least since it was last put to the test.
    recent: u64,
    recent_at: Instant,
    /// Least of the round that ended last, and of this one.
    last_round: u64,
    this_round: u64,
    /// While measuring: until when, once the flight has shrunk; before that the origin.
    until: Instant,
}

/// The lesser one of those that are known.
fn lesser(a: u64, b: u64) -> u64 {
    if a == 0 || b == 0 { a.max(b) } else { a.min(b) }
}

/// What `rate` bytes per second make of `nanos`, times `gain` hundredths.
fn bytes(rate: u64, nanos: u64, gain: u64) -> usize {
    let bytes = u128::from(rate) * u128::from(nanos) / 1_000_000_000 * u128::from(gain) / u128::from(UNIT);
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

fn nanos(rtt: Option<Duration>) -> u64 {
    rtt.map_or(0, |rtt| u64::try_from(rtt.as_nanos()).unwrap_or(u64::MAX).max(1))
}

impl RoundTrip {
    pub(super) fn update(&mut self, ack: &Ack, round: Round) {
        if round.ended {
            self.last_round = core::mem::take(&mut self.this_round);
        }
        let rtt = nanos(ack.rtt);
        if rtt == 0 {
            return;
        }
        self.this_round = lesser(self.this_round, rtt);
        if lesser(self.recent, rtt) == rtt {
            (self.recent, self.recent_at) = (rtt, ack.now);
        }
        if lesser(self.least, rtt) == rtt || ack.now.since(self.least_at) > WINDOW {
            (self.least, self.least_at) = (self.recent, self.recent_at);
        }
    }

    /// In nanoseconds, once measured.
    pub(super) fn least(&self) -> Option<u64> {
        (self.least > 0).then_some(self.least)
    }

    /// Whether a queue stood throughout the round that ended last.
    pub(super) fn queue_stands(&self) -> bool {
        self.least > 0 && self.last_round > (self.least.max(NEAR) / UNIT).saturating_mul(QUEUE)
    }

    pub(super) fn is_near(&self) -> bool {
        self.least().is_some_and(|least| least < NEAR)
    }

    /// Whether this round trip saw a queue, or whatever else lengthens it by as much.
    pub(super) fn shows_queue(&self, rtt: Option<Duration>) -> bool {
        self.least > 0 && nanos(rtt) > (self.least / UNIT).saturating_mul(QUEUE)
    }

    /// Bytes that `rate` delivers within the least round trip, or within what is taken for it, times `gain` hundredths.
    pub(super) fn product(&self, rate: u64, gain: u64) -> Option<usize> {
        self.least().filter(|_| rate > 0).map(|least| bytes(rate, least.max(NEAR), gain))
    }

    /// The same within the least round trip as it was measured: what losses bound may be shorter than what is let stand.
    pub(super) fn exact_product(&self, rate: u64) -> usize {
        bytes(rate, self.least, UNIT)
    }
}

impl Bbr {
    pub(super) fn enter_probe_rtt_if_due(&mut self, ack: &Ack) {
        let trip = &mut self.round_trip;
        if ack.now.since(trip.recent_at) <= INTERVAL || trip.recent == 0 || !self.plateau.reached {
            return;
        }
        trip.recent = nanos(ack.rtt);
        trip.recent_at = ack.now;
        if self.state != State::ProbeRtt && !trip.is_near() {
            self.prior_window = self.window;
            self.state = State::ProbeRtt;
            self.round_trip.until = Instant::ORIGIN;
        }
    }

    pub(super) fn check_probe_rtt(&mut self, ack: &Ack) {
        let target = self.inflight(State::ProbeRtt.window_gain()).max(self.min_window());
        match self.round_trip.until {
            Instant::ORIGIN if ack.in_flight <= target => {
                let round = Duration::from_nanos(self.round_trip.least);
                self.round_trip.until = ack.now + STAY.max(round);
            }
            until if until > Instant::ORIGIN && until <= ack.now => {
                self.round_trip.until = Instant::ORIGIN;
                (self.round_trip.least, self.round_trip.least_at) = (self.round_trip.recent, self.round_trip.recent_at);
                self.window = self.window.max(self.prior_window);
                self.bounds.lift_low();
                self.enter_down(ack);
                self.enter_cruise(3);
            }
            _ => {}
        }
    }
}
