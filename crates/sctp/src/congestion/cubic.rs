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
        self.round_trip.map(|trip| Rate((self.window * gain * 1e9 / trip as f64) as u64))
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
