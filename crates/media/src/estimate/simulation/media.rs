//! A video sender that follows the estimator, and its receiver.

use super::{Flow, MILLI, Nanos, Packet, SECOND, instant, report};
use crate::estimate::config::Config;
use crate::estimate::estimator::{Estimator, Number, Sent};
use crate::estimate::event::{Event, Probe};
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use peerage_base::ecn::Ecn;
use peerage_base::rng::Rng;
use peerage_rtp::numbers::SequenceNumber;
use peerage_rtp::rtcp::packet::Packet as Rtcp;

/// Most bytes of a packet.
const PACKET: usize = 1200;
const FRAME: Nanos = SECOND / 30;

/// What kind of sender it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setup {
    pub(super) config: Config,
    /// In milliseconds.
    pub(super) one_way: u64,
    /// When it begins and ends, and when it pauses; in seconds.
    pub(super) from: u64,
    pub(super) to: u64,
    pub(super) pause: (u64, u64),
    /// More is never produced.
    pub(super) most: f64,
    /// Feedback of RFC 8888 instead of transport-wide feedback, and the mark of its packets.
    pub(super) streams: bool,
    pub(super) ecn: Ecn,
    /// Every so many milliseconds.
    pub(super) feedback: u64,
    /// No feedback comes from then on until then; in seconds.
    pub(super) deaf: (u64, u64),
    /// Share of feedback that is lost.
    pub(super) feedback_loss: f64,
    /// The direction of a path with two bottlenecks that it takes; its feedback takes the other. None if there is one alone.
    pub(super) direction: Option<usize>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            config: Config::default(),
            one_way: 50,
            from: 0,
            to: u64::MAX / SECOND,
            pause: (0, 0),
            most: 1e12,
            streams: false,
            ecn: Ecn::NotEct,
            feedback: 75,
            deaf: (0, 0),
            feedback_loss: 0.0,
            direction: None,
        }
    }
}

pub(super) struct Media {
    id: usize,
    setup: Setup,
    estimator: Estimator,
    rng: Rng,
    frame_at: Nanos,
    /// Sizes of packets that wait for the pacer, and when it may send.
    waiting: VecDeque<usize>,
    next_at: Nanos,
    /// Bursts that are to be sent, with what of each has left.
    probes: VecDeque<(Probe, u32, u64)>,
    number: u64,
    /// At the receiver: what arrives, and when and how it is told.
    arriving: VecDeque<(Nanos, u64, Ecn)>,
    arrived: Vec<(u16, Nanos, Ecn)>,
    begin: u16,
    told_at: Nanos,
    feedbacks: u8,
    /// Feedback that waits for the other bottleneck, by its number.
    queued: VecDeque<(u64, Vec<u8>)>,
    told: u64,
    /// On the way back.
    returning: VecDeque<(Nanos, Vec<u8>)>,
}

impl Media {
    pub(super) fn new(id: usize, setup: Setup) -> Self {
        Self {
            id,
            setup,
            estimator: Estimator::new(setup.config),
            rng: Rng::from_u64(100 + id as u64),
            frame_at: setup.from * SECOND,
            waiting: VecDeque::new(),
            next_at: 0,
            probes: VecDeque::new(),
            number: 65_000,
            arriving: VecDeque::new(),
            arrived: Vec::new(),
            begin: 65_000,
            told_at: 0,
            feedbacks: 0,
            queued: VecDeque::new(),
            told: 0,
            returning: VecDeque::new(),
        }
    }

    /// Produces frames of the target's size, 20 % more or less.
    fn encode(&mut self, now: Nanos) {
        let (from, to) = self.setup.pause;
        while self.frame_at <= now {
            let is_on =
                self.frame_at < self.setup.to * SECOND && !(from * SECOND..to * SECOND).contains(&self.frame_at);
            self.frame_at += FRAME;
            let backlog: usize = self.waiting.iter().sum();
            let rate = (self.estimator.target() as f64).min(self.setup.most);
            if !is_on || backlog as f64 * 8.0 > 0.25 * rate {
                continue;
            }
            let size = (rate / 8.0 / 30.0 * (0.8 + 0.4 * self.rng.unit())) as usize;
            let packets = size.div_ceil(PACKET).max(1);
            self.waiting.extend(core::iter::repeat_n((size / packets).max(50), packets));
        }
    }

    fn pace(&mut self, now: Nanos, send: &mut Vec<Packet>) {
        while self.next_at <= now {
            let probe = self.probes.front_mut();
            let (size, is_media) = match (self.waiting.pop_front(), &probe) {
                (Some(size), _) => (size, true),
                (None, Some(_)) => (PACKET, false),
                (None, None) => break,
            };
            let at = self.next_at.max(now - super::STEP);
            let (mut rate, mut cluster) = (self.estimator.pacing_rate(), None);
            if let Some((probe, packets, bytes)) = probe {
                (rate, cluster) = (probe.rate, Some(probe.cluster));
                *packets += 1;
                *bytes += size as u64;
                if *packets >= probe.packets && *bytes >= probe.bytes {
                    self.probes.pop_front();
                }
            }
            let number = SequenceNumber(self.number as u16);
            let number = if self.setup.streams { Number::Stream(number) } else { Number::Transport(number) };
            let (ssrc, ecn) = (report::SSRC, self.setup.ecn);
            self.estimator.sent(instant(at), &Sent { ssrc, number: Some(number), size, probe: cluster, is_media, ecn });
            send.push(Packet { flow: self.id, number: self.number, size, ecn, at, is_feedback: false });
            self.number += 1;
            self.next_at = at + ((size * 8) as f64 / rate as f64 * 1e9) as Nanos;
            self.drain();
        }
    }

    fn drain(&mut self) {
        while let Some(event) = self.estimator.poll_event() {
            match event {
                Event::Probe(probe) => self.probes.push_back((probe, 0, 0)),
                Event::TargetChanged { target } => assert_eq!(target, self.estimator.target()),
                Event::Cease(cause) => panic!("{cause:?}"),
            }
        }
    }

    /// The receiver's part.
    fn tell(&mut self, now: Nanos, send: &mut Vec<Packet>) {
        while let Some((at, number, ecn)) = super::due(&mut self.arriving, |(at, ..)| *at <= now) {
            self.arrived.push((number as u16, at, ecn));
        }
        if now < self.told_at + self.setup.feedback * MILLI || self.arrived.is_empty() {
            return;
        }
        self.told_at = now;
        let begin = self.begin;
        self.arrived.sort_by_key(|(number, ..)| number.wrapping_sub(begin));
        let bytes = if self.setup.streams {
            let arrivals: Vec<_> = self.arrived.iter().map(|(n, at, ecn)| (*n, instant(*at), *ecn)).collect();
            report::stream_bytes(begin, &arrivals, instant(now))
        } else {
            let arrivals: Vec<_> = self.arrived.iter().map(|(n, at, _)| (*n, instant(*at))).collect();
            report::transport_bytes(begin, self.feedbacks, &arrivals)
        };
        self.feedbacks = self.feedbacks.wrapping_add(1);
        self.begin = self.arrived.last().map_or(begin, |(number, ..)| number.wrapping_add(1));
        self.arrived.clear();
        let (from, to) = self.setup.deaf;
        let is_deaf = (from * SECOND..to * SECOND).contains(&now) || self.rng.unit() < self.setup.feedback_loss;
        if is_deaf {
            return;
        }
        if self.setup.direction.is_none() {
            self.returning.push_back((now + self.setup.one_way * MILLI, bytes));
            return;
        }
        let (number, size) = (self.told, bytes.len() + 50);
        send.push(Packet { flow: self.id, number, size, ecn: Ecn::NotEct, at: now, is_feedback: true });
        self.queued.push_back((number, bytes));
        self.told += 1;
    }
}

impl Flow for Media {
    fn step(&mut self, now: Nanos, send: &mut Vec<Packet>) {
        self.tell(now, send);
        while let Some((at, bytes)) = super::due(&mut self.returning, |(at, _)| *at <= now) {
            let estimator = &mut self.estimator;
            report::read(&bytes, |packet| match packet {
                Rtcp::TransportFeedback(feedback) => estimator.transport_feedback(instant(at), feedback),
                Rtcp::CongestionFeedback(feedback) => estimator.stream_feedback(instant(at), feedback),
                packet => panic!("{packet:?}"),
            });
            self.drain();
        }
        if self.estimator.poll_timeout().is_some_and(|at| at <= instant(now)) {
            self.estimator.handle_timeout(instant(now));
            let next = self.estimator.poll_timeout();
            assert!(next.is_none_or(|next| next > instant(now)), "a deadline that does not pass");
            self.drain();
        }
        self.encode(now);
        self.pace(now, send);
    }

    fn arrives(&mut self, packet: &Packet, at: Nanos) {
        if packet.is_feedback {
            // Those before it were lost.
            while let Some((number, bytes)) = super::due(&mut self.queued, |(number, _)| *number <= packet.number) {
                if number == packet.number {
                    self.returning.push_back((at, bytes));
                }
            }
            return;
        }
        self.arriving.push_back((at, packet.number, packet.ecn));
    }

    fn link(&self) -> usize {
        self.setup.direction.unwrap_or(0)
    }

    fn one_way(&self) -> Nanos {
        self.setup.one_way * MILLI
    }

    fn estimate(&self) -> Option<f64> {
        let config = self.setup.config;
        let estimate = self.estimator.estimate();
        assert!((config.min..=config.max).contains(&estimate));
        Some(estimate as f64)
    }
}
