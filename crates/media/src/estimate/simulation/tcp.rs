//! A sender like TCP's with the window of CUBIC (RFC 9438): it always has data, or loads files.

use super::{Flow, Nanos, Packet, SECOND};
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use peerage_base::ecn::Ecn;
use peerage_base::rng::Rng;

const PACKET: usize = 1500;
/// Acknowledgements of later packets that show that one is lost.
const REORDERING: u64 = 3;

/// RFC 9438 §4.6 and §5.
const CUT: f64 = 0.7;
const STEEPNESS: f64 = 0.4;
const RENO: f64 = 3.0 * (1.0 - CUT) / (1.0 + CUT);

pub(super) struct Tcp {
    id: usize,
    one_way: Nanos,
    /// When it has data; in nanoseconds.
    from: Nanos,
    to: Nanos,
    window: f64,
    threshold: f64,
    /// The window before the last cut, when growth began after it, and what Reno's would be since.
    most: f64,
    grows_since: Option<Nanos>,
    reno: f64,
    /// Numbers that are on the way.
    outstanding: VecDeque<u64>,
    next: u64,
    /// No loss below this cuts the window again.
    recovery: u64,
    acks: VecDeque<(Nanos, u64)>,
    acked_at: Nanos,
    /// Of one that loads files: the randomness, and packets of the present one that have not left.
    files: Option<(Rng, u64)>,
}

impl Tcp {
    /// One way in milliseconds, times in seconds.
    pub(super) fn new(id: usize, one_way: u64, from: u64, to: u64) -> Self {
        Self {
            id,
            one_way: one_way * super::MILLI,
            from: from * SECOND,
            to: to * SECOND,
            window: 10.0,
            threshold: f64::INFINITY,
            most: 0.0,
            grows_since: None,
            reno: 0.0,
            outstanding: VecDeque::new(),
            next: 0,
            recovery: 0,
            acks: VecDeque::new(),
            acked_at: 0,
            files: None,
        }
    }

    /// One that loads files of 100 kB to 1 MB, with pauses of 10 s on average after each (RFC 8868 §4).
    pub(super) fn short(id: usize, one_way: u64) -> Self {
        let mut rng = Rng::from_u64(300 + id as u64);
        let from = rng.unit() * 10e9;
        Self { from: from as Nanos, files: Some((rng, 0)), ..Self::new(id, one_way, 0, 1_000_000) }
    }

    /// Begins the next file, after a pause if the last one has arrived.
    fn next_file(&mut self, now: Nanos) {
        let Some((rng, left)) = &mut self.files else { return };
        if *left > 0 || !self.outstanding.is_empty() || now < self.from {
            return;
        }
        if self.next > 0 {
            self.from = now + (-10e9 * (1.0 - rng.unit()).ln()) as Nanos;
        }
        *left = ((100e3 + 900e3 * rng.unit()) / PACKET as f64) as u64;
        (self.window, self.threshold, self.recovery, self.acked_at) = (10.0, f64::INFINITY, self.next, self.from);
        (self.most, self.grows_since) = (0.0, None);
    }

    fn acknowledged(&mut self, now: Nanos, number: u64) {
        self.acked_at = now;
        self.outstanding.retain(|out| *out != number);
        let is_lost = |out: &u64| *out + REORDERING < number;
        let newest_lost = self.outstanding.iter().copied().filter(is_lost).max();
        self.outstanding.retain(|out| !is_lost(out));
        match newest_lost {
            Some(lost) if lost >= self.recovery => {
                // Others have come if it is lost before it is back (§4.7).
                self.most = self.window * if self.window < self.most { (1.0 + CUT) / 2.0 } else { 1.0 };
                self.window = (self.window * CUT).max(2.0);
                (self.threshold, self.recovery, self.grows_since) = (self.window, self.next, None);
            }
            Some(_) => {}
            None if self.window < self.threshold => self.window += 1.0,
            None => self.grow(now),
        }
    }

    /// A packet arrived and none was lost: along the curve to the window before the last cut and beyond it, and no slower than
    /// Reno.
    fn grow(&mut self, now: Nanos) {
        if self.grows_since.is_none() {
            (self.most, self.reno) = (self.most.max(self.window), self.window);
        }
        let since = (now - *self.grows_since.get_or_insert(now)) as f64 / 1e9;
        let back = ((self.most - self.threshold.min(self.most)) / STEEPNESS).cbrt();
        self.reno += if self.reno < self.most { RENO } else { 1.0 } / self.window;
        let curve = STEEPNESS * (since - back).powi(3) + self.most;
        let target = curve.clamp(self.window, 1.5 * self.window);
        self.window = (self.window + (target - self.window) / self.window).max(self.reno);
    }
}

impl Flow for Tcp {
    fn step(&mut self, now: Nanos, send: &mut Vec<Packet>) {
        while let Some((at, number)) = super::due(&mut self.acks, |(at, _)| *at <= now) {
            self.acknowledged(at, number);
        }
        self.next_file(now);
        if !(self.from..self.to).contains(&now) {
            return;
        }
        // Everything was lost: a timeout.
        if !self.outstanding.is_empty() && now > self.acked_at.max(self.from) + SECOND {
            self.outstanding.clear();
            (self.threshold, self.window, self.acked_at) = (self.window / 2.0, 2.0, now);
            self.grows_since = None;
        }
        while (self.outstanding.len() as f64) < self.window {
            match &mut self.files {
                Some((_, 0)) => return,
                Some((_, left)) => *left -= 1,
                None => {}
            }
            self.outstanding.push_back(self.next);
            send.push(Packet {
                flow: self.id,
                number: self.next,
                size: PACKET,
                ecn: Ecn::NotEct,
                at: now,
                is_feedback: false,
            });
            self.next += 1;
        }
    }

    fn arrives(&mut self, packet: &Packet, at: Nanos) {
        self.acks.push_back((at + self.one_way, packet.number));
    }

    fn one_way(&self) -> Nanos {
        self.one_way
    }
}
