//! CUBIC (RFC 9438) with HyStart++, paced.

use super::hystart::HyStart;
use super::{Ack, Controller, Sent};
use crate::budget::Rate;
use peerage_base::time::Instant;

/// What remains of the window after a loss (RFC 9438 §4.6).
const BETA: f64 = 0.7;
/// Packets per cubic second (RFC 9438 §5).
const C: f64 = 0.4;
/// Growth in packets per round trip that equals Reno's on average, given the milder cut (RFC 9438 §4.3).
const ALPHA: f64 = 3.0 * (1.0 - BETA) / (1.0 + BETA);
/// Packets to which the window falls at most when losses are found (RFC 9260 §7.2.3).
const MIN_PACKETS: usize = 4;
/// Bytes per second below which pacing never goes: a packet of 1200 bytes each 300 ms.
const MIN_RATE: u64 = 4000;
/// Windows beyond this are of no use, and would not be exact.
const MAX_WINDOW: f64 = (1u64 << 40) as f64;

/// Growth since the last cut.
#[derive(Clone, Copy, Debug)]
struct Epoch {
    began: Instant,
    /// Seconds until the window is what it was.
    k: f64,
    /// The window that Reno would have, in bytes.
    friendly: f64,
}

#[derive(Clone, Debug)]
pub(crate) struct Cubic {
    packet: usize,
    initial: usize,
    /// Bytes; fractions matter while it grows by less than one per acknowledgement.
    window: f64,
    threshold: f64,
    /// The window at the last cut, in bytes.
    greatest: f64,
    epoch: Option<Epoch>,
    hystart: HyStart,
    /// Smoothed round trip in nanoseconds.
    round_trip: Option<u64>,
    /// Bytes delivered or lost since the start.
    settled: u64,
    /// A loss before so much is settled belongs to the last cut: the packet left before it. Counted here, as losses of
    /// what is sent again may prolong the repair of one flight, and a window that is still too large has to fall again.
    episode: u64,
    app_limited: bool,
    last: Instant,
    /// Window, threshold and greatest window before the last cut.
    saved: Option<(f64, f64, f64)>,
}

impl Cubic {
    /// With an initial window of `initial` packets of `packet` bytes.
    pub(crate) fn new(packet: usize, initial: usize) -> Self {
        let packet = packet.max(1);
        Self::with_window(packet, packet.saturating_mul(initial.max(1)))
    }

    fn with_window(packet: usize, initial: usize) -> Self {
        Self {
            packet,
            initial,
            window: (initial as f64).min(MAX_WINDOW),
            threshold: f64::INFINITY,
            greatest: 0.0,
            epoch: None,
            hystart: HyStart::default(),
            round_trip: None,
            settled: 0,
            episode: 0,
            app_limited: false,
            last: Instant::ORIGIN,
            saved: None,
        }
    }

    fn packet(&self) -> f64 {
        self.packet as f64
    }

    fn least(&self) -> f64 {
        (MIN_PACKETS * self.packet) as f64
    }

    fn is_slow_start(&self) -> bool {
        self.window < self.threshold
    }

    /// RFC 9438 §4.6, with fast convergence (§4.7).
    fn cut(&mut self) {
        self.saved = Some((self.window, self.threshold, self.greatest));
        self.greatest = if self.window < self.greatest { self.window * (1.0 + BETA) / 2.0 } else { self.window };
        self.threshold = (self.window * BETA).max(self.least());
        self.epoch = None;
    }

    /// Congestion avoidance (RFC 9438 §4.2 to §4.5).
    fn grow(&mut self, ack: &Ack) {
        let (packet, window) = (self.packet(), self.window);
        let greatest = self.greatest.max(window);
        let epoch = self.epoch.get_or_insert_with(|| Epoch {
            began: ack.now,
            k: cube_root((greatest - window) / packet / C),
            friendly: window,
        });
        let acked = ack.bytes as f64;
        let alpha = if epoch.friendly >= greatest { 1.0 } else { ALPHA };
        epoch.friendly = (epoch.friendly + alpha * packet * acked / window).min(MAX_WINDOW);
        let elapsed = ack.now.since(epoch.began).as_nanos() as f64 / 1e9;
        let ahead = elapsed + self.round_trip.unwrap_or(0) as f64 / 1e9;
        let cubic = |t: f64| C * packet * cube((t - epoch.k).min(1e4)) + greatest;
        let friendly = epoch.friendly;
        self.window = if cubic(elapsed) < friendly {
            window.max(friendly)
        } else {
            let target = cubic(ahead).clamp(window, 1.5 * window);
            window + (target - window) * acked / window
        }
        .min(MAX_WINDOW);
        self.greatest = greatest;
    }

    fn note_round_trip(&mut self, ack: &Ack) {
        if let Some(rtt) = ack.rtt {
            let rtt = u64::try_from(rtt.as_nanos()).unwrap_or(u64::MAX).max(1);
            self.round_trip = Some(self.round_trip.map_or(rtt, |old| old - old / 8 + rtt / 8));
        }
    }
}

impl Controller for Cubic {
    fn sent(&mut self, sent: &Sent) {
        self.app_limited = sent.app_limited;
    }

    fn acknowledged(&mut self, ack: &Ack) {
        self.note_round_trip(ack);
        self.settled = self.settled.saturating_add((ack.bytes + ack.lost) as u64);
        let recovering = self.settled <= self.episode;
        if (ack.lost > 0 || ack.marks > 0) && !recovering {
            self.cut();
            self.window = self.threshold;
            self.episode = self.settled.saturating_add(ack.in_flight as u64);
        }
        let passed = ack.now.since(self.last);
        self.last = ack.now;
        if self.settled <= self.episode || ack.bytes == 0 {
            return;
        }
        if self.app_limited {
            // The time in which the window was not used does not count as time to grow in (RFC 9438 §5.8).
            if let Some(epoch) = &mut self.epoch {
                epoch.began += passed;
            }
            return;
        }
        if self.is_slow_start() {
            match self.hystart.growth(ack) {
                Some(bytes) => self.window = (self.window + bytes as f64).min(self.threshold.min(MAX_WINDOW)),
                None => self.threshold = self.window,
            }
        } else {
            self.grow(ack);
        }
    }

    fn timed_out(&mut self, _: Instant, _: usize) {
        self.cut();
        self.window = self.packet();
        self.hystart = HyStart::default();
    }

    fn spurious(&mut self, _: Instant) {
        if let Some((window, threshold, greatest)) = self.saved.take() {
            self.window = self.window.max(window);
            self.threshold = threshold;
            self.greatest = greatest;
            self.epoch = None;
        }
    }

    fn window(&self) -> usize {
        self.window as usize
    }

    fn pacing_rate(&self) -> Option<Rate> {
        // Faster than one window per round trip, so that the window decides and not the pacer.
        let gain = if self.is_slow_start() { 2.0 } else { 1.2 };
        self.round_trip.map(|trip| Rate(((self.window * gain * 1e9 / trip as f64) as u64).max(MIN_RATE)))
    }

    fn set_packet(&mut self, bytes: usize) {
        self.packet = bytes.max(1);
        self.window = self.window.max(self.packet());
    }

    fn path_changed(&mut self, _: Instant) {
        *self = Self::with_window(self.packet, self.initial);
    }
}

fn cube(x: f64) -> f64 {
    x * x * x
}

/// By Newton's method, as there is none without the standard library. Exact to a millionth for what occurs.
fn cube_root(x: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    // From above, the method falls without overshooting.
    let mut root = x.max(1.0);
    for _ in 0..100 {
        let next = (2.0 * root + x / (root * root)) / 3.0;
        if root - next <= root * 1e-7 {
            return next;
        }
        root = next;
    }
    root
}

#[cfg(test)]
mod tests {
    use super::*;
    use peerage_base::time::Duration;

    const PACKET: usize = 1000;

    fn ack(c: &Cubic, now: u64, bytes: usize) -> Ack {
        Ack {
            now: Instant::from_millis(now),
            bytes,
            lost: 0,
            in_flight_before: c.window(),
            in_flight: c.window().saturating_sub(bytes),
            rtt: Some(Duration::from_millis(100)),
            delivered: bytes as u64,
            rate: None,
            marks: 0,
            in_recovery: false,
        }
    }

    /// Acknowledges one window's worth packet by packet.
    fn round(c: &mut Cubic, now: u64) {
        for _ in 0..c.window() / PACKET {
            c.acknowledged(&ack(c, now, PACKET));
        }
    }

    fn lose(c: &mut Cubic, now: u64) {
        c.acknowledged(&Ack { lost: PACKET, in_recovery: true, ..ack(c, now, 0) });
    }

    #[test]
    fn slow_start_doubles_and_one_flight_is_cut_once() {
        let mut c = Cubic::new(PACKET, 10);
        round(&mut c, 100);
        assert_eq!(c.window(), 20 * PACKET);
        lose(&mut c, 200);
        assert_eq!(c.window(), 14 * PACKET);
        lose(&mut c, 210);
        assert_eq!(c.window(), 14 * PACKET, "the same flight");
        c.acknowledged(&ack(&c, 300, 20 * PACKET));
        lose(&mut c, 310);
        assert!(c.window() < 11 * PACKET, "another one: {}", c.window());
    }

    #[test]
    fn a_cut_that_proves_wrong_is_taken_back() {
        let mut c = Cubic::new(PACKET, 40);
        lose(&mut c, 200);
        assert_eq!(c.window(), 28 * PACKET);
        c.spurious(Instant::from_millis(250));
        assert_eq!(c.window(), 40 * PACKET);
        assert!(c.is_slow_start());
    }

    #[test]
    fn the_window_is_back_where_it_was_after_k_seconds_and_levels_off_there() {
        let mut c = Cubic::new(PACKET, 1000);
        lose(&mut c, 0);
        c.acknowledged(&ack(&c, 100, 1_000_000));
        // K is the cube root of 300 / 0.4: 9.09 s.
        let mut at = |seconds: u64| {
            while c.last < Instant::from_millis(seconds * 1000) {
                let now = c.last.as_nanos() / 1_000_000 + 100;
                round(&mut c, now);
            }
            c.window() / PACKET
        };
        let (early, middle, back) = (at(1), at(5), at(9));
        assert!((740..860).contains(&early), "{early}");
        assert!((960..1000).contains(&middle), "{middle}");
        assert!((995..1005).contains(&back), "{back}");
    }

    #[test]
    fn a_flow_that_loses_before_it_is_back_leaves_room_for_others() {
        let mut c = Cubic::new(PACKET, 100);
        lose(&mut c, 0);
        assert_eq!(c.greatest as usize, 100 * PACKET);
        c.acknowledged(&ack(&c, 100, 100 * PACKET));
        lose(&mut c, 200);
        assert!(c.greatest < 66.0 * PACKET as f64, "{}", c.greatest);
    }

    #[test]
    fn an_application_that_does_not_use_the_window_does_not_make_it_grow() {
        let mut c = Cubic::new(PACKET, 10);
        c.sent(&Sent { now: Instant::ORIGIN, bytes: PACKET, in_flight: PACKET, app_limited: true });
        round(&mut c, 100);
        assert_eq!(c.window(), 10 * PACKET);
    }

    #[test]
    fn cube_roots_are_exact_enough() {
        for x in [0.0, 1e-9, 0.001, 0.5, 1.0, 8.0, 750.0, 1e6, 1e12] {
            let root = cube_root(x);
            assert!((cube(root) - x).abs() <= x * 1e-5, "{x}: {root}");
        }
        assert_eq!(cube_root(-1.0), 0.0);
    }
}
