//! The capacity that explains what is lost.
//!
//! A path of capacity `C` that loses a share of everything, be it full or not, delivers `q * min(1, C / rate)` of what is
//! sent at a rate. For a given `C` the best `q` follows by least squares from how much was delivered of late, at the rates of
//! late; so a handful of candidates for `C` are tried, and the best is taken unless none at all explains the observations
//! about as well. Radio that loses 2 % of everything is then not taken for a full queue,
//! and a queue too short to show in the delay is still found.

use super::loss_events::LossEvents;
use super::math::{SEGMENT, rate, sqrt};
use peerage_base::time::{Duration, Instant};

/// Least length of an observation, in time and in packets.
const SPAN: Duration = Duration::from_millis(250);
const PACKETS: u32 = 10;
/// Observations that are kept, and how much each counts of the one after it.
const KEPT: usize = 20;
const FADING: f64 = 0.9;
/// Candidates, as shares of the highest rate observed.
const CANDIDATES: [f64; 10] = [1.0, 0.95, 0.9, 0.85, 0.8, 0.7, 0.6, 0.5, 0.35, 0.2];
/// No more than this is lost apart from congestion: beyond it, whatever the cause, less is to be sent.
const MOST_INHERENT: f64 = 0.1;
/// And no more than this while packets wait so long: a full queue is the likelier cause.
const MOST_WITH_QUEUE: f64 = 0.04;
const QUEUE: Duration = Duration::from_millis(30);
/// Lost packets come in bursts: so many of them are as one that is lost by itself.
const BURST: f64 = 3.0;
/// By how much a limit must explain the observations better to be preferred to none: the logarithm of how much likelier it
/// makes them.
const SIGNIFICANT: f64 = 2.5;
/// By what the limit grows with each observation that needs none.
const RELEASE: f64 = 1.04;
/// Nor is it lower than this part of what TCP would send (RFC 8083 §4.3), once so much is lost that this can be told.
const FRIENDLY: f64 = 0.5;
const LEAST_LOSS: f64 = 0.002;
/// The limit is no lower than this part of what is acknowledged; and no higher while a queue this long overflows by this much,
/// or it would stay full.
const LEAST: f64 = 0.85;
const LONG_QUEUE: Duration = Duration::from_millis(100);
const OVERFLOW: f64 = 0.1;

#[derive(Clone, Copy, Debug, Default)]
struct Observation {
    packets: f64,
    /// Share that arrived.
    delivered: f64,
    /// Bits per second that left.
    rate: f64,
}

/// How well a capacity explains the observations.
#[derive(Clone, Copy, Debug)]
struct Fit {
    /// In bits per second; infinite for none.
    capacity: f64,
    /// Share that is delivered below the capacity.
    delivered: f64,
    /// Weighted sum of the squares of what is not explained.
    error: f64,
}

/// The limit that losses set.
#[derive(Clone, Copy, Debug)]
pub(super) struct Loss {
    observations: [Observation; KEPT],
    len: usize,
    next: usize,
    /// The one that is made: packets, those lost, bytes, and when the first and the last of them left.
    packets: u32,
    lost: u32,
    bytes: u64,
    span: Option<(Instant, Instant)>,
    limit: Option<f64>,
    /// How long packets are queued.
    wait: Duration,
    inherent: f64,
    average: f64,
    events: LossEvents,
    round_trip: Duration,
}

impl Loss {
    pub(super) fn new() -> Self {
        Self {
            observations: [Observation::default(); KEPT],
            len: 0,
            next: 0,
            packets: 0,
            lost: 0,
            bytes: 0,
            span: None,
            limit: None,
            wait: Duration::ZERO,
            inherent: 0.0,
            average: 0.0,
            events: LossEvents::default(),
            round_trip: Duration::ZERO,
        }
    }

    /// A packet that left at `sent`, `bytes` with what else left before it, arrived or did not.
    pub(super) fn add(&mut self, sent: Instant, bytes: u64, is_lost: bool) {
        self.events.add(sent, is_lost, self.round_trip);
        self.packets += 1;
        self.lost += u32::from(is_lost);
        self.bytes += bytes;
        let (first, last) = self.span.unwrap_or((sent, sent));
        self.span = Some((first.min(sent), last.max(sent)));
    }

    /// A packet that was taken for lost has arrived.
    pub(super) fn recovered(&mut self) {
        self.lost = self.lost.saturating_sub(1);
    }

    /// After feedback: looks at the limit anew if there is a new observation. `allowed` is what would be sent without limit,
    /// `wait` how long packets are queued.
    /// The limit is no lower than `floor`.
    pub(super) fn update(
        &mut self,
        allowed: f64,
        acknowledged: Option<f64>,
        (wait, round_trip): (Duration, Duration),
        floor: f64,
    ) {
        self.round_trip = round_trip;
        let Some((first, last)) = self.span else { return };
        let span = last.since(first);
        if span < SPAN || self.packets < PACKETS {
            return;
        }
        let packets = f64::from(self.packets);
        let delivered = 1.0 - f64::from(self.lost) / packets;
        // One packet fewer left within the span than was counted.
        let rate = rate(self.bytes, span) * (packets - 1.0) / packets;
        self.observations[self.next] = Observation { packets, delivered, rate };
        self.next = (self.next + 1) % KEPT;
        self.len = (self.len + 1).min(KEPT);
        (self.packets, self.lost, self.bytes, self.span) = (0, 0, 0, None);
        self.wait = wait;
        self.judge(allowed, acknowledged, floor.max(self.friendly(round_trip)));
    }

    /// A probe has shown that the path bears as many bits per second.
    pub(super) fn probed(&mut self, rate: f64) {
        self.limit = self.limit.filter(|limit| *limit >= rate).or(self.limit.map(|_| rate));
    }

    /// In bits per second; `None` without limit.
    pub(super) fn limit(&self) -> Option<f64> {
        self.limit
    }

    /// Share of packets that is lost whatever the rate, 0 to 0.1.
    pub(super) fn inherent(&self) -> f64 {
        self.inherent
    }

    /// Share of packets lost in the last seconds.
    pub(super) fn average(&self) -> f64 {
        self.average
    }

    /// Half of what TCP would send at these losses, in bits per second: sending less would only leave room for it.
    pub(super) fn friendly(&self, round_trip: Duration) -> f64 {
        if self.average < LEAST_LOSS {
            return 0.0;
        }
        let tcp = SEGMENT / (round_trip.as_secs_f64().max(0.01) * sqrt(self.average * 2.0 / 3.0));
        FRIENDLY * tcp
    }

    /// When a packet left with whose loss the last event began.
    pub(super) fn last_event(&self) -> Option<Instant> {
        self.events.last()
    }

    /// What TCP with CUBIC would send in bits per second, as often as it would take losses for congestion; zero where there were
    /// none of late. Its average window is the greater of two (RFC 9438 §5.1 and §5.2): that of Reno, and on long or fast paths
    /// its own.
    pub(super) fn tcp(&self, round_trip: Duration) -> f64 {
        let round_trip = round_trip.as_secs_f64().max(0.01);
        let reno = |events: f64| SEGMENT / (round_trip * sqrt(events * 2.0 / 3.0));
        let cubic = |events: f64| 1.054 * SEGMENT / (sqrt(sqrt(round_trip)) * sqrt(events) * sqrt(sqrt(events)));
        self.events.rate().map_or(0.0, |events| reno(events).max(cubic(events)))
    }

    fn judge(&mut self, allowed: f64, acknowledged: Option<f64>, least: f64) {
        let (weight, delivered, highest) = self.weighed().fold((0.0, 0.0, 0.0f64), |sum, (weight, seen)| {
            (sum.0 + weight, sum.1 + weight * seen.delivered, sum.2.max(seen.rate))
        });
        self.average = (1.0 - delivered / weight.max(1.0)).clamp(0.0, 1.0);
        let fit = self.best(highest, acknowledged);
        self.inherent = (1.0 - fit.delivered).max(0.0);
        let floor = acknowledged.map_or(0.0, |rate| LEAST * rate);
        let is_overflowing = self.wait > LONG_QUEUE && self.average > OVERFLOW && floor > 0.0;
        let found = if is_overflowing { floor } else { fit.capacity.max(floor) };
        let found = found.max(least);
        if found < allowed {
            // Once found, it comes back step by step.
            let most = self.limit.map_or(f64::INFINITY, |limit| limit * RELEASE);
            self.limit = Some(found.min(most));
        } else {
            self.limit = self.limit.map(|limit| limit * RELEASE).filter(|limit| *limit < allowed);
        }
    }

    /// No capacity, if that is about as likely as the likeliest; else that.
    fn best(&self, highest: f64, acknowledged: Option<f64>) -> Fit {
        let lost = self.average.clamp(0.01, 0.5);
        let scale = 2.0 * BURST * lost * (1.0 - lost);
        let none = self.fit(f64::INFINITY);
        let capacities = CANDIDATES.into_iter().map(|share| share * highest).chain(acknowledged);
        let fits = capacities.map(|capacity| self.fit(capacity));
        fits.fold((none, none.error / scale - SIGNIFICANT), |(best, error), fit| match fit.error / scale {
            new if new < error => (fit, new),
            _ => (best, error),
        })
        .0
    }

    fn fit(&self, capacity: f64) -> Fit {
        let most_inherent = if self.wait > QUEUE { MOST_WITH_QUEUE } else { MOST_INHERENT };
        let share = |seen: &Observation| if seen.rate > capacity { capacity / seen.rate } else { 1.0 };
        let (over, under) = self.weighed().fold((0.0, 0.0), |(over, under), (weight, seen)| {
            let share = share(seen);
            (over + weight * share * seen.delivered, under + weight * share * share)
        });
        let delivered = if under > 0.0 { (over / under).clamp(1.0 - most_inherent, 1.0) } else { 1.0 };
        let error = self.weighed().map(|(weight, seen)| {
            let error = seen.delivered - delivered * share(seen);
            weight * error * error
        });
        Fit { capacity, delivered, error: error.sum() }
    }

    /// Observations and their weights, the newest first.
    fn weighed(&self) -> impl Iterator<Item = (f64, &Observation)> {
        let mut fading = 1.0;
        (1..=self.len).map(move |back| {
            let seen = &self.observations[(self.next + KEPT - back) % KEPT];
            let weight = fading * seen.packets;
            fading *= FADING;
            (weight, seen)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use peerage_base::rng::Rng;

    /// Sends for `seconds` at a rate that follows the limit, and grows by 8 % a second without one, over a path without
    /// queue that loses `loss` of everything and whatever is above `capacity`. The rate at the end.
    fn run(start: f64, capacity: f64, loss: f64, seconds: u64) -> (f64, Loss) {
        let (mut losses, mut rng) = (Loss::new(), Rng::from_u64(5));
        let (mut rate, mut now, mut tokens) = (start, 0.0, 0.0f64);
        let mut next = 0.1;
        let mut acknowledged = 0.0;
        while now < seconds as f64 {
            let gap = 9600.0 / rate;
            now += gap;
            tokens = (tokens + gap * capacity).min(30_000.0);
            let fits = tokens >= 9600.0;
            let arrives = fits && rng.unit() >= loss;
            tokens -= if fits { 9600.0 } else { 0.0 };
            acknowledged += if arrives { 9600.0 } else { 0.0 };
            losses.add(Instant::from_nanos((now * 1e9) as u64), 1200, !arrives);
            if now > next {
                rate = (rate * 1.008).min(1.5 * acknowledged / 0.1);
                losses.update(rate, Some(acknowledged / 0.1), (Duration::ZERO, Duration::from_millis(100)), 0.0);
                rate = rate.min(losses.limit().unwrap_or(f64::INFINITY));
                acknowledged = 0.0;
                next += 0.1;
            }
        }
        (rate, losses)
    }

    #[test]
    fn what_is_lost_at_any_rate_sets_no_limit() {
        for loss in [0.0, 0.02, 0.05] {
            let (rate, losses) = run(5e5, 1e9, loss, 20);
            assert!(rate > 2e6, "{loss}: {rate}");
            assert!((losses.inherent() - loss).abs() < 0.02, "{loss}: {}", losses.inherent());
        }
    }

    #[test]
    fn a_policer_is_found_by_what_it_drops() {
        for loss in [0.0, 0.02] {
            let (rate, losses) = run(5e5, 2e6, loss, 60);
            assert!((1.5e6..2.5e6).contains(&rate), "{loss}: {rate}");
            assert!(losses.average() < 0.2, "{losses:?}");
        }
    }

    #[test]
    fn losing_half_of_everything_lowers_the_rate() {
        let (rate, _) = run(2e6, 1e9, 0.5, 10);
        assert!(rate < 1e6, "{rate}");
    }

    #[test]
    fn the_same_loss_is_congestion_while_packets_wait() {
        let limit = |wait| {
            let mut losses = Loss::new();
            for n in 0..2000 {
                losses.add(Instant::from_millis(5 * n), 1200, n % 10 == 0);
                losses.update(1.92e6, Some(1.7e6), (Duration::from_millis(wait), Duration::from_millis(100)), 0.0);
            }
            losses.limit()
        };
        assert_eq!(limit(10), None);
        assert!(limit(45).is_some_and(|limit| limit < 1.9e6), "{:?}", limit(45));
    }

    #[test]
    fn what_tcp_would_send_follows_from_losses_and_round_trip() {
        let mut losses = Loss::new();
        for n in 0..2000 {
            losses.add(Instant::from_millis(5 * n), 1000, n % 10 == 0);
            losses.update(1e6, None, (Duration::ZERO, Duration::from_millis(100)), 0.0);
        }
        // 11,680 bits / (0.1 s * sqrt(2/3 * 0.1)), and half of that.
        let friendly = losses.friendly(Duration::from_millis(100));
        assert!((friendly / 226e3 - 1.0).abs() < 0.05, "{friendly}");
        assert_eq!(Loss::new().friendly(Duration::from_millis(100)), 0.0);
    }

    #[test]
    fn on_long_paths_with_few_losses_tcp_has_the_window_of_cubic() {
        let tcp = |each: u64, round_trip| {
            let mut losses = Loss::new();
            for n in 0..20_000 {
                losses.add(Instant::from_millis(n), 1200, n % each == 0);
                losses.update(1e7, None, (Duration::ZERO, round_trip), 0.0);
            }
            losses.tcp(round_trip) / 1e6
        };
        // 1.22 packets of 11,680 bits by the root of 1/100 in 20 ms.
        let short = tcp(100, Duration::from_millis(20));
        assert!((short / 7.15 - 1.0).abs() < 0.05, "{short}");
        // 1.054 packets by 2000 to the power of 3/4 and by the fourth root of the round trip; Reno's would be 1.60.
        let long = tcp(2000, Duration::from_millis(400));
        assert!((long / 4.62 - 1.0).abs() < 0.05, "{long}");
    }

    #[test]
    fn a_packet_that_comes_late_was_not_lost() {
        let mut losses = Loss::new();
        for n in 0..100 {
            losses.add(Instant::from_millis(10 * n), 1200, n % 2 == 0);
        }
        (0..60).for_each(|_| losses.recovered());
        losses.update(1e6, None, (Duration::ZERO, Duration::from_millis(100)), 0.0);
        assert_eq!((losses.average(), losses.limit()), (0.0, None));
    }
}
