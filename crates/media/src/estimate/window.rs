//! Holding back when more is on the way than the path and the reports on it account for: feedback that stays out, or a queue
//! that the delay has not shown yet.

use peerage_base::time::Duration;

/// What may be on the way beyond a round trip: the time between reports, and some queue.
const ALLOWANCE: Duration = Duration::from_millis(350);
/// What the share is multiplied by when the window is full, overfull, and not full.
const FULL: f64 = 0.95;
const OVERFULL: f64 = 0.9;
const FREE: f64 = 1.05;
/// The window is overfull by this, and as good as empty below that.
const OVER: f64 = 1.5;
const EMPTY: f64 = 0.1;
/// The share never falls below this: what is left of it is for the estimate to lower.
const LEAST: f64 = 0.1;

/// The share of the estimate that may be produced.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    share: f64,
}

impl Window {
    pub(super) fn new() -> Self {
        Self { share: 1.0 }
    }

    /// `in_flight` bytes are on the way at an estimate of `rate` bits per second. To be told regularly.
    pub(super) fn update(&mut self, in_flight: u64, rate: f64, round_trip: Duration) {
        let window = rate / 8.0 * (round_trip + ALLOWANCE).as_secs_f64();
        let fill = in_flight as f64 / window.max(1.0);
        let factor = match fill {
            fill if fill > OVER => OVERFULL,
            fill if fill > 1.0 => FULL,
            fill if fill < EMPTY => 1.0 / LEAST,
            _ => FREE,
        };
        self.share = (self.share * factor).clamp(LEAST, 1.0);
    }

    /// 0.1 to 1.
    pub(super) fn share(&self) -> f64 {
        self.share
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_falls_while_too_much_is_on_the_way_and_comes_back() {
        let mut window = Window::new();
        let mut update = |in_flight, times: usize| {
            (0..times).for_each(|_| window.update(in_flight, 8e6, Duration::from_millis(50)));
            window.share()
        };
        assert_eq!(update(399_000, 9), 1.0);
        assert!((update(401_000, 1) - 0.95).abs() < 1e-9);
        assert_eq!(update(u64::MAX, 100), LEAST);
        assert!((update(300_000, 1) - 1.05 * LEAST).abs() < 1e-9);
        assert_eq!(update(0, 1), 1.0);
    }
}
