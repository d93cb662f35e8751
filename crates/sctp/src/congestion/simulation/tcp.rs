//! A model of a TCP sender with CUBIC as RFC 9438 has it: unpaced, clocked by acknowledgements, slow start until the first
//! loss. Written apart from the controllers, to measure them against something they do not share mistakes with.

use super::PACKET;
use crate::budget::Rate;
use crate::congestion::{Ack, Controller, Sent};
use peerage_base::time::Instant;

/// Losses of what was in flight together count once.
#[derive(Default)]
struct Episode {
    settled: u64,
    end: u64,
}

impl Episode {
    fn begins(&mut self, ack: &Ack) -> bool {
        self.settled += (ack.bytes + ack.lost) as u64;
        let begins = (ack.lost > 0 || ack.marks > 0) && self.settled > self.end;
        if begins {
            self.end = self.settled + ack.in_flight as u64;
        }
        begins
    }

    fn lasts(&self) -> bool {
        self.settled <= self.end
    }
}

pub(super) struct Tcp {
    /// Windows in segments.
    window: f64,
    threshold: f64,
    greatest: f64,
    epoch: Option<f64>,
    k: f64,
    friendly: f64,
    round_trip: f64,
    episode: Episode,
}

impl Tcp {
    pub(super) fn new() -> Self {
        Self {
            window: 10.0,
            threshold: f64::INFINITY,
            greatest: 0.0,
            epoch: None,
            k: 0.0,
            friendly: 0.0,
            round_trip: 0.1,
            episode: Episode::default(),
        }
    }

    fn cut(&mut self) {
        self.greatest = if self.window < self.greatest { self.window * 0.85 } else { self.window };
        self.threshold = (self.window * 0.7).max(2.0);
        self.epoch = None;
    }
}

impl Controller for Tcp {
    fn sent(&mut self, _: &Sent) {}

    fn acknowledged(&mut self, ack: &Ack) {
        if let Some(rtt) = ack.rtt {
            self.round_trip = 0.875 * self.round_trip + 0.125 * rtt.as_secs_f64();
        }
        if self.episode.begins(ack) {
            self.cut();
            self.window = self.threshold;
        }
        if self.episode.lasts() {
            return;
        }
        let acked = ack.bytes as f64 / PACKET as f64;
        if self.window < self.threshold {
            self.window += acked;
            return;
        }
        let now = ack.now.as_nanos() as f64 / 1e9;
        let epoch = *self.epoch.get_or_insert_with(|| {
            self.greatest = self.greatest.max(self.window);
            self.k = ((self.greatest - self.window) / 0.4).cbrt();
            self.friendly = self.window;
            now
        });
        let target = 0.4 * (now - epoch + self.round_trip - self.k).powi(3) + self.greatest;
        let alpha = if self.friendly >= self.greatest { 1.0 } else { 3.0 * 0.3 / 1.7 };
        self.friendly += alpha * acked / self.window;
        if 0.4 * (now - epoch - self.k).powi(3) + self.greatest < self.friendly {
            self.window = self.friendly.max(self.window);
        } else {
            self.window += (target.clamp(self.window, 1.5 * self.window) - self.window) / self.window * acked;
        }
    }

    fn timed_out(&mut self, _: Instant, _: usize) {
        self.cut();
        self.window = 1.0;
    }

    fn spurious(&mut self, _: Instant) {}

    fn window(&self) -> usize {
        (self.window * PACKET as f64) as usize
    }

    fn pacing_rate(&self) -> Option<Rate> {
        None
    }

    fn set_packet(&mut self, _: usize) {}

    fn path_changed(&mut self, _: Instant) {
        *self = Self::new();
    }
}

/// What other stacks have: Reno (RFC 9260 §7.2), unpaced, growing by a packet per round trip and halving at a loss.
pub(super) struct Reno {
    window: f64,
    threshold: f64,
    episode: Episode,
}

impl Reno {
    pub(super) fn new() -> Self {
        Self { window: 10.0, threshold: f64::INFINITY, episode: Episode::default() }
    }
}

impl Controller for Reno {
    fn sent(&mut self, _: &Sent) {}

    fn acknowledged(&mut self, ack: &Ack) {
        if self.episode.begins(ack) {
            self.threshold = (self.window / 2.0).max(4.0);
            self.window = self.threshold;
        }
        if !self.episode.lasts() {
            let acked = ack.bytes as f64 / PACKET as f64;
            self.window += if self.window < self.threshold { acked } else { acked / self.window };
        }
    }

    fn timed_out(&mut self, _: Instant, _: usize) {
        self.threshold = (self.window / 2.0).max(4.0);
        self.window = 1.0;
    }

    fn spurious(&mut self, _: Instant) {}

    fn window(&self) -> usize {
        (self.window * PACKET as f64) as usize
    }

    fn pacing_rate(&self) -> Option<Rate> {
        None
    }

    fn set_packet(&mut self, _: usize) {}

    fn path_changed(&mut self, _: Instant) {
        *self = Self::new();
    }
}
