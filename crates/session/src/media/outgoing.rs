//! What leaves, and how fast: the pace of media, bursts that probe the path, and what is left for data.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use peerage_base::time::{Duration, Instant, earliest};
use peerage_jsep::transceiver::TransceiverId;
use peerage_media::estimate::event::{ClusterId, Probe};
use peerage_media::send::sender::Packet;
use peerage_rtp::numbers::Ssrc;

use super::arrivals::FeedbackKind;
use super::section::Sending;
use crate::path::{Pace, Pacer};

/// A probe that finds nothing to send for so long is given up.
const PROBE_PATIENCE: Duration = Duration::from_millis(500);
/// Most probes that wait; the estimator asks for two at first.
const MAX_PROBES: usize = 4;
/// Over how long the rate of media is measured.
const WINDOW: Duration = Duration::from_millis(500);
/// What data may use however much media there is, as a part of the estimate.
const LEAST_SHARE: u64 = 10;

/// What has left and what may.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    pacer: Pacer,
    probes: VecDeque<Probing>,
    /// Streams that are not sent now, and what they go on with.
    resting: Vec<Sending>,
    /// Formats that were chosen.
    chosen: Vec<(TransceiverId, usize)>,
    /// What the peer says of arrivals, and so how packets are called.
    pub(crate) kind: FeedbackKind,
    /// The most that the peer wants, in bits per second.
    pub(crate) limited: Option<u64>,
    /// A packet that is ready and was too long for the run.
    pub(crate) held: Vec<u8>,
    /// Bytes of media: in the last window and in this one, which began then.
    sent: (u64, u64),
    since: Option<Instant>,
}

/// A packet that leaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Departing {
    pub(crate) packet: Packet,
    /// Its bytes, with the headers of the lower layers once it is wrapped.
    pub(crate) size: usize,
    /// The burst that it is part of.
    pub(crate) probe: Option<ClusterId>,
}

#[derive(Clone, Copy, Debug)]
struct Probing {
    probe: Probe,
    packets: u32,
    bytes: u64,
    /// When its first packet could have left.
    began: Option<Instant>,
}

impl Outgoing {
    /// The pace of what leaves now: that of the probe, if there is one.
    pub(crate) fn rate(&self, usual: u64) -> u64 {
        self.probes.front().map_or(usual, |probing| probing.probe.rate.max(usual))
    }

    /// Bytes that may leave now.
    pub(crate) fn grant(&mut self, now: Instant, pace: Pace) -> usize {
        usize::try_from(self.pacer.grant(now, pace)).unwrap_or(usize::MAX)
    }

    /// What the probe wants beyond what there is to send, in bytes, and what its packets are marked with.
    pub(crate) fn probing(&mut self, now: Instant) -> Option<(usize, ClusterId)> {
        let probing = self.probes.front_mut()?;
        probing.began.get_or_insert(now);
        let bytes = usize::try_from(probing.bytes).unwrap_or(usize::MAX);
        Some((bytes, probing.probe.cluster))
    }

    /// A packet left; `bytes` with the headers of the lower layers.
    pub(crate) fn sent(&mut self, now: Instant, bytes: usize, pace: Pace, is_media: bool) {
        self.pacer.sent(bytes as u64, Some(pace));
        if is_media {
            self.roll(now);
            self.sent.1 += bytes as u64;
        }
        let Some(probing) = self.probes.front_mut() else { return };
        probing.packets = probing.packets.saturating_sub(1);
        probing.bytes = probing.bytes.saturating_sub(bytes as u64);
        if probing.packets == 0 && probing.bytes == 0 {
            self.probes.pop_front();
        }
    }

    /// The estimator wants a burst.
    pub(crate) fn begin_probe(&mut self, probe: Probe) {
        if self.probes.len() < MAX_PROBES {
            self.probes.push_back(Probing { probe, packets: probe.packets, bytes: probe.bytes, began: None });
        }
    }

    /// Packets leave by another path, of which nothing is known.
    pub(crate) fn path_changed(&mut self) {
        self.pacer = Pacer::default();
        self.probes.clear();
        // It is wrapped for the path that was.
        self.held.clear();
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.pacer.wake(now);
        self.give_up_probe(now);
    }

    /// When more may leave, if there is anything.
    pub(crate) fn deadline(&self, has_waiting: bool) -> Option<Instant> {
        let probing = self.probes.front().and_then(|probing| Some(probing.began? + PROBE_PATIENCE));
        let paced = self.pacer.deadline().filter(|_| has_waiting || !self.probes.is_empty());
        earliest(probing, paced)
    }

    /// What data may have of an estimate, in bits per second; `None` while there is no media.
    pub(crate) fn left_for_data(&mut self, now: Instant, estimate: u64) -> Option<u64> {
        self.since?;
        self.roll(now);
        let media = self.sent.0.max(self.sent.1) * 8 * 1000 / WINDOW.as_millis() as u64;
        (media > 0).then(|| estimate.saturating_sub(media).max(estimate / LEAST_SHARE))
    }

    /// Keeps a stream that is not sent for now.
    pub(crate) fn rest(&mut self, sending: Sending) {
        self.resting.push(sending);
    }

    /// Takes up a stream that rested.
    pub(crate) fn wake(&mut self, ssrc: Ssrc) -> Option<Sending> {
        let at = self.resting.iter().position(|sending| sending.ssrc == ssrc)?;
        Some(self.resting.swap_remove(at))
    }

    /// A transceiver is to send in the format at this place.
    pub(crate) fn choose(&mut self, id: TransceiverId, place: usize) {
        self.chosen.retain(|(of, _)| *of != id);
        self.chosen.push((id, place));
    }

    /// The place of the format that was chosen; the first.
    pub(crate) fn chosen(&self, id: TransceiverId) -> usize {
        self.chosen.iter().find(|(of, _)| *of == id).map_or(0, |(_, place)| *place)
    }

    fn give_up_probe(&mut self, now: Instant) {
        let is_late = |probing: &Probing| probing.began.is_some_and(|began| now.since(began) >= PROBE_PATIENCE);
        if self.probes.front().is_some_and(is_late) {
            self.probes.pop_front();
        }
    }

    fn roll(&mut self, now: Instant) {
        let since = *self.since.get_or_insert(now);
        let passed = now.since(since);
        if passed >= 2 * WINDOW {
            (self.sent, self.since) = ((0, 0), Some(now));
        } else if passed >= WINDOW {
            (self.sent, self.since) = ((self.sent.1, 0), Some(since + WINDOW));
        }
    }
}
