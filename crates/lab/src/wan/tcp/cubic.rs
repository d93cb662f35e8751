//! The window of the model: RFC 9438, in segments and seconds as there.

use peerage_base::time::{Duration, Instant};

/// RFC 9438 §4.6.
const BETA: f64 = 0.7;
/// RFC 9438 §5.1.
const C: f64 = 0.4;
/// The least threshold (RFC 9438 §4.6).
const LEAST: f64 = 2.0;

/// A congestion window.
#[derive(Debug)]
pub struct Cubic {
    window: f64,
    threshold: f64,
    /// The window before the last reduction, lowered further while others join.
    max: f64,
    /// The window at the last reduction.
    prior: f64,
    /// What a Reno flow would have.
    reno: f64,
    /// When avoidance began, and how long it takes to come back to `max`.
    epoch: Option<(Instant, f64)>,
}

impl Cubic {
    /// In slow start.
    pub fn new(window: f64) -> Self {
        Self { window, threshold: f64::INFINITY, max: 0.0, prior: 0.0, reno: 0.0, epoch: None }
    }

    /// Segments arrived, and none were lost.
    pub fn acknowledged(&mut self, now: Instant, segments: f64, round_trip: Duration) {
        if self.window < self.threshold {
            // RFC 3465 §2.3: not more than two for one acknowledgement.
            self.window = (self.window + segments.min(2.0)).min(self.threshold.max(self.window));
            return;
        }
        let (begun, k) = *self.epoch.get_or_insert_with(|| {
            // §4.2: what is left to `max`; nothing after a slow start without loss.
            self.max = self.max.max(self.window);
            self.reno = self.window;
            (now, ((self.max - self.window) / C).cbrt())
        });
        let elapsed = now.since(begun).as_secs_f64();
        let curve = |t: f64| C * (t - k).powi(3) + self.max;
        // §4.3: the window of a Reno flow whose decrease is as gentle.
        let alpha = if self.reno < self.prior { 3.0 * (1.0 - BETA) / (1.0 + BETA) } else { 1.0 };
        self.reno += alpha * segments / self.window;
        if curve(elapsed) < self.reno {
            self.window = self.window.max(self.reno);
            return;
        }
        // §4.4, §4.5.
        let target = curve(elapsed + round_trip.as_secs_f64()).clamp(self.window, 1.5 * self.window);
        self.window += (target - self.window) / self.window * segments;
    }

    /// Segments of a flight were lost, once for each flight.
    pub fn lost(&mut self, flight: f64) {
        // §4.7: let newcomers in.
        self.max = if self.window < self.max { self.window * (1.0 + BETA) / 2.0 } else { self.window };
        self.reduce(flight);
        self.window = self.threshold;
    }

    /// Nothing came back at all.
    pub fn timed_out(&mut self, flight: f64) {
        // §4.8.
        self.max = self.window;
        self.reduce(flight);
        self.window = 1.0;
    }

    /// The window, in segments.
    pub fn window(&self) -> f64 {
        self.window
    }

    fn reduce(&mut self, flight: f64) {
        self.prior = self.window;
        self.threshold = (flight.min(self.window) * BETA).max(LEAST);
        self.epoch = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RTT: Duration = Duration::from_millis(100);

    /// A round trip in which everything arrives.
    fn round(cubic: &mut Cubic, now: &mut Instant) {
        let acks = (cubic.window() / 2.0).ceil() as u32;
        for _ in 0..acks {
            *now += RTT / acks;
            cubic.acknowledged(*now, 2.0, RTT);
        }
    }

    #[test]
    fn slow_start_doubles_and_a_loss_takes_three_tenths() {
        let (mut cubic, mut now) = (Cubic::new(10.0), Instant::ORIGIN);
        for expected in [20.0, 40.0, 80.0] {
            round(&mut cubic, &mut now);
            assert_eq!(cubic.window(), expected);
        }
        cubic.lost(80.0);
        assert!((cubic.window() - 56.0).abs() < 1e-9);
    }

    #[test]
    fn the_window_comes_back_after_k_seconds_and_then_probes() {
        let (mut cubic, mut now) = (Cubic::new(1000.0), Instant::ORIGIN);
        cubic.lost(1000.0);
        // K is the cube root of 300 / 0.4: 9.09 s.
        let begun = now;
        while now.since(begun) < Duration::from_millis(4500) {
            round(&mut cubic, &mut now);
        }
        assert!((960.0..990.0).contains(&cubic.window()), "concave: {}", cubic.window());
        while now.since(begun) < Duration::from_millis(9100) {
            round(&mut cubic, &mut now);
        }
        assert!((995.0..1005.0).contains(&cubic.window()), "back: {}", cubic.window());
        while now.since(begun) < Duration::from_millis(14_100) {
            round(&mut cubic, &mut now);
        }
        assert!((1040.0..1060.0).contains(&cubic.window()), "0.4 times five cubed on top: {}", cubic.window());
    }

    #[test]
    fn a_small_window_grows_as_renos_does() {
        let (mut cubic, mut now) = (Cubic::new(20.0), Instant::ORIGIN);
        cubic.lost(20.0);
        let before = cubic.window();
        for _ in 0..10 {
            round(&mut cubic, &mut now);
        }
        let grown = cubic.window() - before;
        assert!((4.5..7.0).contains(&grown), "0.53 segments for each round trip: {grown}");
    }

    #[test]
    fn a_second_loss_on_the_way_back_makes_room_for_others() {
        let mut cubic = Cubic::new(100.0);
        cubic.lost(100.0);
        assert_eq!(cubic.max, 100.0);
        cubic.lost(70.0);
        assert!((cubic.max - 59.5).abs() < 1e-9);
    }

    #[test]
    fn a_timeout_leaves_one_segment() {
        let mut cubic = Cubic::new(100.0);
        cubic.timed_out(100.0);
        assert_eq!((cubic.window(), cubic.threshold), (1.0, 70.0));
    }
}
