//! A controller that models the path: how fast it delivers at most, and how short its round trip is at least
//! (the ideas of BBR version 3, draft-ietf-ccwg-bbr).
//!
//! Sending begins at a rate that doubles per round trip ([`startup`]) until delivery grows no more, lets the queue drain that
//! this built, and then keeps to the rate measured, testing now and then whether there is more ([`probe`]). Losses beyond
//! what the path loses anyway bound what may be in flight ([`bounds`]). Now and then it lets the pipe run half empty to
//! measure the round trip ([`round_trip`]).

mod bounds;
mod model;
mod probe;
mod round_trip;
mod startup;
#[cfg(test)]
mod tests;

use super::{Ack, Controller, Sent};
use crate::budget::Rate;
use bounds::Bounds;
use model::Model;
use peerage_base::time::Instant;
use probe::Cycle;
use round_trip::RoundTrip;
use startup::Plateau;

/// Packets that may always be in flight, or a delayed SACK would stop the flow.
const MIN_PACKETS: usize = 4;
/// Bytes per second below which pacing never goes: a packet of 1200 bytes each 300 ms.
const MIN_RATE: u64 = 4000;
/// Gains are in hundredths.
const UNIT: u64 = 100;
/// A flight of so much of what fills the pipe keeps it busy until its last packet is acknowledged, whatever the application
/// does meanwhile; in hundredths.
const FULL: u64 = 125;
/// The rate is kept this much below the one measured, lest rounding build a queue.
const MARGIN: u64 = 99;

/// What is being done, and how fast in relation to the measured rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Doubling per round trip.
    Startup,
    /// Draining the queue that this built.
    Drain,
    /// Draining what probing built, and making room for others.
    Down,
    /// Keeping to the rate.
    Cruise,
    /// Filling the pipe before probing, so that what is lost then is due to probing.
    Refill,
    /// Probing for a greater rate.
    Up,
    /// Measuring the round trip with the pipe half full.
    ProbeRtt,
}

impl State {
    fn pacing_gain(self) -> u64 {
        match self {
            // 2/ln 2 is the least that doubles per round trip.
            Self::Startup => 277,
            Self::Drain => 50,
            Self::Down => 90,
            Self::Up => 125,
            Self::Cruise | Self::Refill | Self::ProbeRtt => UNIT,
        }
    }

    fn window_gain(self) -> u64 {
        match self {
            Self::Up => 225,
            Self::ProbeRtt => 50,
            _ => 200,
        }
    }

    /// Whether losses tell of the present probe.
    fn is_probing(self) -> bool {
        matches!(self, Self::Startup | Self::Refill | Self::Up)
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Bbr {
    packet: usize,
    initial: usize,
    window: usize,
    /// Bytes per second; 0 before a round trip is known.
    rate: u64,
    state: State,
    model: Model,
    bounds: Bounds,
    plateau: Plateau,
    cycle: Cycle,
    round_trip: RoundTrip,
    /// Window before it was cut for a time-out or for measuring the round trip.
    prior_window: usize,
    /// Expiries of the retransmission timer in a row.
    timeouts: u8,
}

impl Bbr {
    /// With an initial window of `initial` packets of `packet` bytes.
    pub(crate) fn new(packet: usize, initial: usize) -> Self {
        let packet = packet.max(1);
        Self::with_window(packet, packet.saturating_mul(initial.max(1)))
    }

    fn with_window(packet: usize, initial: usize) -> Self {
        Self {
            packet,
            initial,
            window: initial,
            rate: 0,
            state: State::Startup,
            model: Model::default(),
            bounds: Bounds::default(),
            plateau: Plateau::default(),
            cycle: Cycle::default(),
            round_trip: RoundTrip::default(),
            prior_window: 0,
            timeouts: 0,
        }
    }

    /// Bytes per second that the path is believed to deliver now.
    fn bandwidth(&self) -> u64 {
        self.model.bandwidth().min(self.bounds.bandwidth)
    }

    /// Bytes that fill the pipe `gain` hundredths times.
    fn inflight(&self, gain: u64) -> usize {
        self.round_trip.product(self.bandwidth(), gain).unwrap_or(self.initial)
    }

    fn min_window(&self) -> usize {
        self.packet * MIN_PACKETS
    }

    /// What may be in flight beyond the pipe so that a run of packets and a batch of acknowledgements do not stop the flow.
    fn slack(&self) -> usize {
        let run = usize::try_from(self.rate / 1000).unwrap_or(usize::MAX);
        run.saturating_mul(2).max(2 * self.packet)
    }

    fn set_rate(&mut self) {
        let bandwidth = self.bandwidth();
        let Some(least) = self.round_trip.least() else { return };
        if bandwidth == 0 {
            // The first round trip is known and nothing of what it delivers.
            let spread = self.initial as u128 * 1_000_000_000 / u128::from(least.max(1_000_000));
            let spread = u64::try_from(spread).unwrap_or(u64::MAX);
            self.rate = (spread.saturating_mul(self.state.pacing_gain()) / UNIT).max(MIN_RATE);
            return;
        }
        let gain = match self.state {
            // On a near path timers are coarser than the queue is long: the window alone bounds it.
            State::Down | State::Cruise | State::Refill | State::Up if self.round_trip.is_near() => 200,
            state => state.pacing_gain(),
        };
        let rate = u128::from(bandwidth) * u128::from(gain * MARGIN) / u128::from(UNIT * UNIT);
        let rate = u64::try_from(rate).unwrap_or(u64::MAX).max(MIN_RATE);
        if self.plateau.reached || rate > self.rate {
            self.rate = rate;
        }
    }

    fn set_window(&mut self, ack: &Ack) {
        let most =
            self.inflight(self.state.window_gain()).saturating_add(self.model.extra()).saturating_add(self.slack());
        let grown = self.window.saturating_add(ack.bytes);
        if self.plateau.reached {
            self.window = grown.min(most);
        } else if self.window < most || ack.delivered < self.initial as u64 {
            self.window = grown;
        }
        self.window = self.window.min(self.bound()).max(self.min_window());
    }

    /// What losses bound while probing on a near path. The window alone bounds the flight there and doubles in each round
    /// trip, so it has to be told: a flight of twice what fills the pipe would not miss a greater rate if there were one.
    fn near_bound(&self) -> usize {
        let enough = self.round_trip.exact_product(self.bandwidth()).saturating_mul(2);
        match self.bounds.high {
            high if high < enough => high.saturating_mul(5) / 4,
            high => high,
        }
    }

    /// What losses have shown to be too much, less the headroom left for others.
    fn bound(&self) -> usize {
        let high = match self.state {
            State::Down | State::Cruise | State::ProbeRtt => self.headroom(),
            State::Up if self.round_trip.is_near() => self.near_bound(),
            State::Up => usize::MAX,
            _ => self.bounds.high,
        };
        let bound = high.min(self.bounds.low);
        match self.state {
            State::ProbeRtt => bound.min(self.inflight(State::ProbeRtt.window_gain())),
            _ => bound,
        }
    }
}

impl Controller for Bbr {
    fn sent(&mut self, sent: &Sent) {
        if sent.in_flight <= sent.bytes {
            self.model.restart_extra(sent.now);
        }
    }

    fn acknowledged(&mut self, ack: &Ack) {
        if ack.bytes > 0 {
            self.timeouts = 0;
        }
        let full = self.inflight(FULL);
        let round = self.model.update(ack, full, self.window, self.round_trip.least());
        self.round_trip.update(ack, round);
        self.note_losses(ack, round);
        match self.state {
            State::Startup => self.check_startup(ack, round),
            State::Drain => self.check_drain(ack),
            State::ProbeRtt => self.check_probe_rtt(ack),
            _ => self.check_cycle(ack, round),
        }
        self.enter_probe_rtt_if_due(ack);
        self.set_rate();
        self.set_window(ack);
    }

    fn timed_out(&mut self, _: Instant, _: usize) {
        self.timeouts = self.timeouts.saturating_add(1);
        if self.timeouts >= 2 {
            // Nothing came back for seconds: what was known of the path is of no use.
            *self = Self { timeouts: self.timeouts, ..Self::with_window(self.packet, self.initial) };
            self.window = self.packet;
            return;
        }
        self.bounds.save();
        // What is found lost from here on belongs to this episode and is not to be remembered as one of its own.
        self.bounds.in_recovery = true;
        self.prior_window = self.window;
        self.cycle.hurry();
        self.window = self.packet;
    }

    fn spurious(&mut self, _: Instant) {
        self.bounds.restore();
        self.window = self.window.max(self.prior_window);
    }

    fn window(&self) -> usize {
        self.window
    }

    fn pacing_rate(&self) -> Option<Rate> {
        (self.rate > 0).then_some(Rate(self.rate))
    }

    fn set_packet(&mut self, bytes: usize) {
        self.packet = bytes.max(1);
        self.window = self.window.max(self.min_window());
    }

    fn path_changed(&mut self, _: Instant) {
        *self = Self::with_window(self.packet, self.initial);
    }
}
