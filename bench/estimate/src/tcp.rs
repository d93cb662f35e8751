//! A TCP to compete with: the window of CUBIC (RFC 9438), each packet acknowledged, nothing paced. It sends always, or loads
//! files with pauses between them.

use std::collections::{BTreeSet, VecDeque};

use peerage_base::datagram::{Datagram, Transmit};
use peerage_base::path::Path;
use peerage_base::rng::Rng;
use peerage_base::time::{Duration, Instant};
use peerage_lab::wan::tcp::cubic::Cubic;
use peerage_sim::host::Node;

use crate::tally::Shared;

/// Bytes of a segment as payload of UDP: 1,500 on the line.
const PAYLOAD: usize = 1472;
/// Packets at first (RFC 6928).
const WINDOW: f64 = 10.0;
/// Acknowledgements of later packets that show that one is lost.
const REORDERING: u64 = 3;
/// Silence that counts as the loss of everything.
const TIMEOUT: Duration = Duration::from_secs(1);
/// Bytes of the least file and what the greatest has more, and the mean pause after one (RFC 8868 §4).
const FILE: (f64, f64) = (100e3, 900e3);
const PAUSE: f64 = 10.0;

/// What sends.
#[derive(Debug)]
pub struct Source {
    path: Path,
    /// When it has data.
    on: (Instant, Instant),
    cubic: Cubic,
    /// Packets on their way, and when they left.
    outstanding: VecDeque<(u64, Instant)>,
    round_trip: Duration,
    next: u64,
    /// No loss below this cuts the window again.
    recovery: u64,
    acked_at: Instant,
    /// Of one that loads files: the randomness, and packets of the present one that have not left.
    files: Option<(Rng, u64)>,
    /// When it wants to be woken while nothing is on its way.
    wake: Option<Instant>,
}

impl Source {
    /// One that always sends within `on`.
    pub fn new(path: Path, on: (Instant, Instant)) -> Self {
        Self {
            path,
            on,
            cubic: Cubic::new(WINDOW),
            outstanding: VecDeque::new(),
            round_trip: Duration::ZERO,
            next: 0,
            recovery: 0,
            acked_at: on.0,
            files: None,
            wake: Some(on.0),
        }
    }

    /// One that loads files, the first within ten seconds.
    pub fn files(path: Path, mut rng: Rng, (from, to): (Instant, Instant)) -> Self {
        let from = from + Duration::from_secs_f64(rng.unit() * PAUSE);
        Self { files: Some((rng, 0)), ..Self::new(path, (from, to)) }
    }

    /// Begins the next file, after a pause if the last one has arrived.
    fn next_file(&mut self, now: Instant) {
        let Some((rng, left)) = &mut self.files else { return };
        if *left > 0 || !self.outstanding.is_empty() || now < self.on.0 {
            return;
        }
        *left = ((FILE.0 + FILE.1 * rng.unit()) / (PAYLOAD + 28) as f64) as u64;
        (self.cubic, self.recovery) = (Cubic::new(WINDOW), self.next);
        self.acked_at = now;
    }

    fn acknowledged(&mut self, now: Instant, number: u64) {
        self.acked_at = now;
        let flight = self.outstanding.len() as f64;
        if let Some((_, left)) = self.outstanding.iter().find(|(out, _)| *out == number) {
            let sample = now.since(*left);
            self.round_trip = if self.round_trip.is_zero() { sample } else { (self.round_trip * 7 + sample) / 8 };
        }
        self.outstanding.retain(|(out, _)| *out != number);
        let is_lost = |(out, _): &(u64, Instant)| *out + REORDERING < number;
        let newest_lost = self.outstanding.iter().copied().filter(is_lost).map(|(out, _)| out).max();
        self.outstanding.retain(|out| !is_lost(out));
        match newest_lost {
            Some(lost) if lost >= self.recovery => {
                self.cubic.lost(flight);
                self.recovery = self.next;
            }
            Some(_) => {}
            None => self.cubic.acknowledged(now, 1.0, self.round_trip),
        }
        if let Some((rng, 0)) = &mut self.files
            && self.outstanding.is_empty()
        {
            self.on.0 = now + Duration::from_secs_f64(-PAUSE * (1.0 - rng.unit()).ln());
        }
    }
}

impl Node for Source {
    fn handle_datagram(&mut self, now: Instant, datagram: Datagram<'_>) {
        if let Some(number) = datagram.payload.first_chunk::<8>() {
            self.acknowledged(now, u64::from_be_bytes(*number));
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        if !self.outstanding.is_empty() && now >= self.acked_at + TIMEOUT {
            self.cubic.timed_out(self.outstanding.len() as f64);
            self.outstanding.clear();
            self.acked_at = now;
        }
    }

    fn poll_transmit(&mut self, now: Instant, buf: &mut [u8]) -> Option<Transmit> {
        let (from, to) = self.on;
        self.wake = (now < from).then_some(from);
        self.next_file(now);
        if !(from..to).contains(&now) || self.outstanding.len() as f64 >= self.cubic.window() {
            return None;
        }
        match &mut self.files {
            Some((_, 0)) => return None,
            Some((_, left)) => *left -= 1,
            None => {}
        }
        if self.outstanding.is_empty() {
            self.acked_at = now;
        }
        self.outstanding.push_back((self.next, now));
        buf.get_mut(..8)?.copy_from_slice(&self.next.to_be_bytes());
        self.next += 1;
        Some(Transmit::single(self.path, PAYLOAD))
    }

    fn poll_timeout(&self) -> Option<Instant> {
        if self.outstanding.is_empty() { self.wake } else { Some(self.acked_at + TIMEOUT) }
    }
}

/// What acknowledges each packet.
#[derive(Debug)]
pub struct Sink {
    path: Path,
    tally: Shared,
    acks: BTreeSet<u64>,
}

impl Sink {
    /// One that counts in `tally`.
    pub fn new(path: Path, tally: Shared) -> Self {
        Self { path, tally, acks: BTreeSet::new() }
    }
}

impl Node for Sink {
    fn handle_datagram(&mut self, now: Instant, datagram: Datagram<'_>) {
        self.tally.borrow_mut().received(now, datagram.payload.len() + crate::host::LOWER_LAYERS);
        if let Some(number) = datagram.payload.first_chunk::<8>() {
            self.acks.insert(u64::from_be_bytes(*number));
        }
    }

    fn handle_timeout(&mut self, _: Instant) {}

    fn poll_transmit(&mut self, _: Instant, buf: &mut [u8]) -> Option<Transmit> {
        let number = self.acks.pop_first()?;
        buf.get_mut(..8)?.copy_from_slice(&number.to_be_bytes());
        Some(Transmit::single(self.path, 8))
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }
}
