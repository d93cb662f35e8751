//! One direction of a path: what it loses, how fast it is, and how long it takes.

use std::collections::VecDeque;

use peerage_base::rng::Rng;
use peerage_base::time::{Duration, Instant};

/// What is lost.
#[derive(Clone, Copy, Debug)]
pub enum Loss {
    Nothing,
    /// Each packet by itself, with this likelihood.
    Random(f64),
    /// All for a while, by the model of Gilbert and Elliott in time: mean length in seconds, share of the time.
    Bursts(f64, f64),
    /// All for so long, every ten seconds.
    Outages(Duration),
}

/// One direction.
pub struct Link {
    rng: Rng,
    loss: Loss,
    /// Bits per second.
    rate: f64,
    delay: Duration,
    /// How much may wait, in time.
    queue: Duration,
    is_bad: bool,
    stepped: Instant,
    /// When the last packet is through the bottleneck.
    busy: Instant,
    way: VecDeque<(Instant, Vec<u8>)>,
    /// The time in the bad state since it was entered, and each such time.
    bad_since: Option<Instant>,
    pub outages: Vec<(Instant, Duration)>,
}

const STEP: Duration = Duration::from_millis(1);

impl Link {
    pub fn new(rng: Rng, loss: Loss, rate: f64, delay: Duration) -> Self {
        let queue = Duration::from_millis(300);
        let (is_bad, bad_since, outages) = (false, None, Vec::new());
        let (stepped, busy, way) = (Instant::ORIGIN, Instant::ORIGIN, VecDeque::new());
        Self { rng, loss, rate, delay, queue, is_bad, stepped, busy, way, bad_since, outages }
    }

    /// To be called every millisecond.
    pub fn step(&mut self, now: Instant) {
        self.stepped = now;
        let was_bad = self.is_bad;
        match self.loss {
            Loss::Nothing | Loss::Random(_) => {}
            Loss::Bursts(mean, share) => {
                let leave = STEP.as_secs_f64() / mean;
                let change = if self.is_bad { leave } else { leave * share / (1.0 - share) };
                self.is_bad ^= self.rng.unit() < change;
            }
            Loss::Outages(length) => {
                // Not in step with frames or reports.
                let at = now.since(Instant::ORIGIN).as_millis() as u64;
                let (round, at) = (at / 10_000, at % 10_000);
                let start = 4_000 + 37 * round % 1_000;
                self.is_bad = round > 0 && (start..start + length.as_millis() as u64).contains(&at);
            }
        }
        if self.is_bad && !was_bad {
            self.bad_since = Some(now);
        } else if let Some(since) = self.bad_since.filter(|_| !self.is_bad) {
            (self.bad_since, _) = (None, self.outages.push((since, now.since(since))));
        }
    }

    pub fn send(&mut self, now: Instant, packet: &[u8]) {
        let start = self.busy.max(now);
        if start.since(now) > self.queue {
            return;
        }
        self.busy = start + Duration::from_nanos((8e9 * (packet.len() + 40) as f64 / self.rate) as u64);
        let is_lost = match self.loss {
            Loss::Random(share) => self.rng.unit() < share,
            _ => self.is_bad,
        };
        if !is_lost {
            self.way.push_back((self.busy + self.delay, packet.to_vec()));
        }
    }

    pub fn receive(&mut self, now: Instant) -> Option<Vec<u8>> {
        self.way.front().filter(|(at, _)| *at <= now)?;
        self.way.pop_front().map(|(_, packet)| packet)
    }
}
