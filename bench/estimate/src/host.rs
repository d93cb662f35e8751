//! A stack on a host of the simulated network, with a model of an encoder at the one end and an application at the other.

use bytes::Bytes;
use peerage_base::datagram::{Datagram, Transmit};
use peerage_base::rng::Rng;
use peerage_base::time::{Duration, Instant, earliest};
use peerage_sim::host::Node;

use crate::machine::Machine;
use crate::tally::Shared;

/// Headers of UDP and IP.
pub const LOWER_LAYERS: usize = 28;
/// Between two frames.
const FRAME: Duration = Duration::from_nanos(33_333_333);
/// Least time between wake-ups of a machine that asks for the past.
const LEAST: Duration = Duration::from_micros(100);
/// Where the time of its making is in a frame, behind the header of a key frame of VP8.
const MADE: std::ops::Range<usize> = 10..18;

/// The part of the rate that frames may have: the rest are the headers of their packets, which the rate is told with.
const FRAMES: f64 = 0.93;

/// An encoder that follows the rate: frames of the size that it allows, a fifth more or less.
#[derive(Debug)]
pub struct Encoder {
    rng: Rng,
    /// When it sends and when it pauses.
    on: (Instant, Instant),
    pause: (Instant, Instant),
    next: Option<Instant>,
    number: u32,
    wants_key: bool,
}

impl Encoder {
    /// One that sends within `on` and not within `pause`.
    pub fn new(rng: Rng, on: (Instant, Instant), pause: (Instant, Instant)) -> Self {
        Self { rng, on, pause, next: None, number: 0, wants_key: true }
    }

    /// The next frame, if one is due, and whether it is a key frame.
    fn frame(&mut self, now: Instant, target: u64) -> Option<(Vec<u8>, bool)> {
        let due = *self.next.get_or_insert(now);
        if due > now {
            return None;
        }
        self.next = Some(due + FRAME);
        self.number = self.number.wrapping_add(1);
        let size = (FRAMES * target as f64 / 8.0 / 30.0 * (0.8 + 0.4 * self.rng.unit())) as usize;
        let is_within = |(from, to): (Instant, Instant)| from <= now && now < to;
        if !is_within(self.on) || is_within(self.pause) {
            return None;
        }
        let is_key = std::mem::take(&mut self.wants_key);
        let mut frame = vec![0; size.max(50)];
        // RFC 7741 §4.3: the lowest bit tells a key frame, whose start code follows.
        frame[..10].copy_from_slice(&[u8::from(!is_key), 0, 0, 0x9D, 1, 0x2A, 64, 1, 240, 0]);
        frame[MADE].copy_from_slice(&now.as_nanos().to_be_bytes());
        Some((frame, is_key))
    }
}

/// An end.
pub struct Driven<M> {
    machine: M,
    encoder: Option<Encoder>,
    tally: Shared,
    deadline: Option<Instant>,
    frames: Vec<Bytes>,
}

impl<M: Machine> Driven<M> {
    /// An end that sends what `encoder` makes, or none.
    pub fn new(machine: M, encoder: Option<Encoder>, tally: Shared, now: Instant) -> Self {
        Self { machine, encoder, tally, deadline: Some(now), frames: Vec::new() }
    }

    /// Encodes what is due, takes what has come, and asks when to go on.
    fn settle(&mut self, now: Instant) {
        if let Some((encoder, target)) = self.encoder.as_mut().zip(self.machine.target()) {
            if let Some((frame, is_key)) = encoder.frame(now, target) {
                self.machine.send(now, frame, is_key, encoder.number.wrapping_mul(3000));
            }
        }
        let wants_key = self.machine.happened(&mut self.frames);
        if let Some(encoder) = &mut self.encoder {
            encoder.wants_key |= wants_key;
        }
        for frame in self.frames.drain(..) {
            let made = frame.get(MADE).and_then(|made| made.try_into().ok()).map(u64::from_be_bytes);
            let made = made.expect("frames arrive as they were sent");
            self.tally.borrow_mut().frame(now, frame.len(), Instant::from_nanos(made));
        }
        let next = self.encoder.as_ref().and_then(|encoder| encoder.next);
        let deadline = earliest(self.machine.deadline(), next);
        self.deadline = deadline.map(|at| if at > now { at } else { now + LEAST });
    }
}

impl<M: Machine> Node for Driven<M> {
    fn handle_datagram(&mut self, now: Instant, datagram: Datagram<'_>) {
        if self.encoder.is_none() {
            self.tally.borrow_mut().received(now, datagram.payload.len() + LOWER_LAYERS);
        }
        self.machine.receive(now, datagram);
        self.settle(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.deadline.is_some_and(|deadline| deadline <= now) {
            self.machine.timeout(now);
            self.settle(now);
        }
    }

    fn poll_transmit(&mut self, now: Instant, buf: &mut [u8]) -> Option<Transmit> {
        let Some(transmit) = self.machine.transmit(now, buf) else {
            self.settle(now);
            return None;
        };
        if self.encoder.is_some() {
            let datagrams = transmit.len.div_ceil(transmit.segment.unwrap_or(transmit.len).max(1));
            (0..datagrams).for_each(|_| self.tally.borrow_mut().sent(now));
        }
        Some(transmit)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.deadline
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_encoder_keeps_to_the_rate_and_to_its_hours() {
        let second = |at: u64| Instant::ORIGIN + Duration::from_secs(at);
        let mut encoder = Encoder::new(Rng::from_u64(1), (second(1), second(11)), (second(3), second(5)));
        let (mut bits, mut frames, mut keys) = (0, 0, 0);
        for millis in 0..15_000 {
            let now = Instant::from_millis(millis);
            if let Some((frame, is_key)) = encoder.frame(now, 1_000_000) {
                assert!((1..3).contains(&(millis / 1000)) || (5..11).contains(&(millis / 1000)), "{millis}");
                bits += frame.len() * 8;
                frames += 1;
                keys += usize::from(is_key);
            }
        }
        assert!((238..243).contains(&frames) && keys == 1, "{frames}, {keys}");
        assert!((7_250_000..7_650_000).contains(&bits), "{bits}");
    }
}
