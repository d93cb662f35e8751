//! A stream of packets: what waits in it, and what has left as far back as it can be sent again.

use alloc::collections::VecDeque;

use peerage_base::rng::Rng;
use peerage_base::serial::Serial as _;
use peerage_base::time::{Duration, Instant};
use peerage_rtp::ntp::WallClock;
use peerage_rtp::numbers::{SequenceNumber, Timestamp};
use peerage_rtp::payload::info::Start;
use peerage_rtp::rtcp::sender_report::SenderInfo;

use super::held::Held;
use super::raw::RawPacket;
use crate::send::config::{Config, StreamConfig};
use crate::send::forward::forwarder::{self, Forwarder, Rewrite};
use crate::send::forward::store::{Shared, Store};
use crate::send::history::{History, Sent};
use crate::send::line::Line;
use crate::send::misuse::Misuse;

/// A number this far beyond the last gap that was closed is not from before it.
const FORGET_GAP: i64 = 4096;

/// A packet that has not left.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) held: Held,
    /// It keeps its number, come what may.
    pub(super) is_fixed: bool,
    pub(super) begins_key_frame: bool,
    pub(super) queued: Instant,
}

/// One stream.
#[derive(Debug)]
pub(in crate::send) struct PacketStream {
    pub(in crate::send) line: Line,
    /// `None` of an application's own packets.
    pub(in crate::send) forwarder: Option<Forwarder>,
    pub(super) waiting: VecDeque<Waiting>,
    pub(in crate::send) history: History<Held>,
    /// Of all that waits or is kept.
    bytes: usize,
    /// Whether a packet has left.
    has_begun: bool,
    /// What numbers are less than they were given: as many as were dropped after that.
    shed: u16,
    /// Packets were dropped: the next one closes the gap.
    has_gap: bool,
    /// The first number, as given, after the last gap: what is before it comes too late.
    floor: Option<SequenceNumber>,
    needs_key: bool,
    /// What leaves is part of a key frame.
    pub(super) is_in_key: bool,
    /// Next number of an application's own packets.
    next: SequenceNumber,
    /// The application's last timestamp, and when it was sampled.
    clock: Option<(Timestamp, Instant)>,
}

impl PacketStream {
    pub(super) fn new(config: StreamConfig, forwarder: bool, limits: &Config, rng: &mut Rng) -> Self {
        let config = without_red(config);
        let outgoing = outgoing(&config);
        let line = Line::new(config, limits, rng);
        Self {
            forwarder: forwarder.then(|| Forwarder::new(outgoing, rng)),
            waiting: VecDeque::new(),
            history: History::default(),
            bytes: 0,
            has_begun: false,
            shed: 0,
            has_gap: false,
            floor: None,
            needs_key: false,
            is_in_key: false,
            next: line.next,
            clock: None,
            line,
        }
    }

    /// Goes on as something else.
    pub(in crate::send) fn reconfigure(&mut self, config: StreamConfig) {
        let old = self.line.reconfigure(without_red(config));
        if let Some(forwarder) = &mut self.forwarder {
            forwarder.reconfigure(outgoing(&self.line.config));
        }
        if self.line.config.codec != old.codec {
            self.drop_waiting();
        }
    }

    /// Takes a packet of a publisher; `false` if it is not passed on.
    pub(super) fn forward(&mut self, now: Instant, packet: &Shared, limits: &Config) -> bool {
        let incoming = packet.incoming();
        let rewrite = self.forwarder.as_mut().and_then(|forwarder| forwarder.forward(now, incoming));
        let Some(rewrite) = rewrite else { return false };
        let begins_key_frame = incoming.info.is_key && incoming.info.start != Start::No;
        let held = Held::forwarded(packet.parts(), self.line.config.codec, rewrite);
        self.make_room(held.len(), limits);
        self.wait(Waiting { held, is_fixed: false, begins_key_frame, queued: now })
    }

    /// Takes a packet of the application.
    ///
    /// # Errors
    /// If its number is not free, a key frame must come first, too much waits, or it is too long.
    pub(super) fn send(
        &mut self,
        now: Instant,
        packet: RawPacket<'_>,
        (store, limits): (&mut Store, &Config),
    ) -> Result<(), Misuse> {
        if packet.sequence_number.is_some_and(|number| !self.history.is_free(number) && self.has_begun) {
            return Err(Misuse::NumberTaken);
        }
        if self.needs_key && !packet.begins_key_frame {
            return Err(Misuse::KeyFrameNeeded);
        }
        let parts = if packet.elements.is_empty() && packet.csrcs.is_empty() {
            (packet.payload, 0)
        } else {
            let elements = packet.elements.iter().copied();
            let csrcs = packet.csrcs.iter().copied();
            let kept = store.put(forwarder::Incoming::default(), csrcs, elements, &packet.payload);
            kept.ok_or(Misuse::QueueFull)?.parts()
        };
        self.forget_sent(parts.0.len(), limits);
        if self.is_full(parts.0.len(), limits) {
            return Err(Misuse::QueueFull);
        }
        let sequence_number = packet.sequence_number.unwrap_or(self.next);
        self.next = sequence_number.next();
        let rewrite = Rewrite {
            sequence_number,
            timestamp: packet.timestamp,
            marker: packet.marker,
            picture_id: 0,
            tl0_index: 0,
            frame_number: None,
        };
        let held = Held::raw(parts, packet.payload_type, rewrite);
        let is_fixed = packet.sequence_number.is_some();
        self.clock = Some((packet.timestamp, packet.captured.unwrap_or(now)));
        self.wait(Waiting { held, is_fixed, begins_key_frame: packet.begins_key_frame, queued: now });
        Ok(())
    }

    /// Drops what has waited for longer than `limit`: video up to the next key frame, as nothing before it could be decoded. How
    /// many packets it were.
    pub(in crate::send) fn drop_stale(&mut self, now: Instant, limit: Duration) -> usize {
        if self.waiting_since().is_none_or(|since| now.since(since) <= limit) {
            return 0;
        }
        let is_video = self.is_video();
        self.drop_until(|packet| now.since(packet.queued) <= limit && (packet.begins_key_frame || !is_video))
    }

    /// Drops all that waits.
    pub(in crate::send) fn drop_waiting(&mut self) -> usize {
        self.drop_until(|_| false)
    }

    /// Forgets packets that nobody will ask for any more.
    pub(in crate::send) fn trim(&mut self, now: Instant, limits: &Config) {
        while let Some(sent) = self.history.forget(now, limits.history_packets, limits.history) {
            release(&mut self.bytes, &sent);
        }
    }

    /// A packet of media is known to have arrived.
    pub(in crate::send) fn acknowledge(&mut self, number: SequenceNumber) {
        if let Some(sent) = self.history.get(number).filter(|sent| sent.size > 0) {
            sent.is_acknowledged = true;
            self.bytes -= sent.place.take().map_or(0, |held| held.len());
        }
    }

    /// The number that a packet leaves with; `None` if it must not leave: it comes too late, or one with its number has left. The
    /// same number sealed twice would give away keys (RFC 7714 §8.1).
    pub(super) fn number(&mut self, waiting: &Waiting) -> Option<SequenceNumber> {
        let given = waiting.held.rewrite.sequence_number;
        if waiting.is_fixed {
            return Some(given).filter(|number| !self.has_begun || self.history.is_free(*number));
        }
        if core::mem::take(&mut self.has_gap) && self.has_begun {
            self.shed = given.steps_from(self.line.next);
            self.floor = Some(given);
        }
        match self.floor.map(|floor| given.distance(floor)) {
            Some(..0) => return None,
            Some(FORGET_GAP..) => self.floor = None,
            _ => {}
        }
        let number = SequenceNumber(given.0.wrapping_sub(self.shed));
        (!self.has_begun || self.history.is_free(number)).then_some(number)
    }

    /// Notes that a packet has left with this number.
    pub(super) fn left(&mut self, now: Instant, number: SequenceNumber, (held, size): (Held, usize), limits: &Config) {
        let is_newest = !self.has_begun || !number.before(self.line.next);
        if is_newest {
            self.line.next = number.next();
        }
        self.has_begun = true;
        let place = self.line.config.rtx.is_some().then_some(held);
        self.bytes += place.as_ref().map_or(0, Held::len);
        if self.history.is_far(number, limits.history_packets) {
            while let Some(sent) = self.history.forget(now, 0, Duration::ZERO) {
                release(&mut self.bytes, &sent);
            }
        }
        self.history.insert(number, Sent::new(place, now, size));
        for _ in 0..2 {
            let forgotten = self.history.forget(now, limits.history_packets, limits.history);
            forgotten.iter().for_each(|sent| release(&mut self.bytes, sent));
        }
    }

    /// The oldest packet that waits.
    pub(in crate::send) fn waiting_since(&self) -> Option<Instant> {
        self.waiting.front().map(|packet| packet.queued)
    }

    /// The next packet that waits is taken, to leave or not to.
    pub(super) fn take(&mut self) -> Option<Waiting> {
        let waiting = self.waiting.pop_front()?;
        self.bytes -= waiting.held.len();
        Some(waiting)
    }

    /// Bytes of all that waits or is kept.
    pub(in crate::send) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many packets wait.
    pub(in crate::send) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Whether nothing but a key frame would be taken.
    pub(in crate::send) fn needs_key(&self) -> bool {
        self.needs_key
    }

    /// What a sender report says now; `None` before the first packet.
    pub(in crate::send) fn sender_info(&self, now: Instant, wall: &WallClock) -> Option<SenderInfo> {
        let (packets, bytes) = self.line.reported;
        let timestamp = self.timestamp(now).filter(|_| self.has_begun)?;
        Some(SenderInfo { ssrc: self.line.config.ssrc, ntp: wall.ntp(now), timestamp, packets, bytes })
    }

    /// The stream's clock at `now`; `None` before the first packet.
    pub(in crate::send) fn timestamp(&self, now: Instant) -> Option<Timestamp> {
        if let Some(forwarder) = &self.forwarder {
            return forwarder.timestamp(now);
        }
        let (timestamp, captured) = self.clock?;
        let rate = u128::from(self.line.config.clock_rate);
        let ticks = |span: Duration| (span.as_nanos() * rate / 1_000_000_000) as u32;
        Some(timestamp.plus(ticks(now.since(captured)).wrapping_sub(ticks(captured.since(now)))))
    }

    pub(super) fn has_begun(&self) -> bool {
        self.has_begun
    }

    fn wait(&mut self, packet: Waiting) -> bool {
        if self.needs_key && !packet.begins_key_frame {
            return false;
        }
        self.needs_key = false;
        self.bytes += packet.held.len();
        self.waiting.push_back(packet);
        true
    }

    /// Lets go of what waits longest, up to a key frame, until there is room for another packet.
    fn make_room(&mut self, bytes: usize, limits: &Config) {
        self.forget_sent(bytes, limits);
        if self.is_full(bytes, limits) {
            let is_video = self.is_video();
            // The first that waits may begin a key frame: it is one of those that are too many.
            self.drop_first();
            self.drop_until(|packet| packet.begins_key_frame || !is_video);
        }
    }

    /// Forgets what has left, as far as `bytes` more need its room.
    fn forget_sent(&mut self, bytes: usize, limits: &Config) {
        while self.bytes + bytes > limits.history_bytes
            && let Some(sent) =
                self.history.forget(Instant::ORIGIN, self.history.len().saturating_sub(1), Duration::MAX)
        {
            release(&mut self.bytes, &sent);
        }
    }

    fn is_full(&self, bytes: usize, limits: &Config) -> bool {
        self.waiting.len() >= limits.max_packets || self.bytes + bytes > limits.history_bytes
    }

    /// Drops packets up to the first for which `keep` holds, or all: how many they were.
    fn drop_until(&mut self, keep: impl Fn(&Waiting) -> bool) -> usize {
        let mut dropped = 0;
        while self.waiting.front().is_some_and(|packet| !keep(packet)) {
            self.drop_first();
            dropped += 1;
        }
        dropped
    }

    fn drop_first(&mut self) {
        let Some(packet) = self.waiting.pop_front() else { return };
        self.bytes -= packet.held.len();
        self.has_gap |= !packet.is_fixed;
        self.line.statistics.dropped_packets += 1;
        self.line.statistics.dropped_frames += u64::from(packet.held.rewrite.marker);
        self.needs_key |= self.is_video() && self.waiting.is_empty();
    }

    fn is_video(&self) -> bool {
        self.line.config.codec.is_video()
    }
}

/// Packets leave as they were made: nothing can be put before their payloads.
fn without_red(config: StreamConfig) -> StreamConfig {
    let protection = config.protection.filter(|protection| !protection.is_inside_red());
    StreamConfig { redundancy: None, protection, ..config }
}

fn outgoing(config: &StreamConfig) -> forwarder::Config {
    let outgoing = forwarder::Config::new(config.ssrc, config.payload_type, config.codec);
    forwarder::Config { clock_rate: config.clock_rate, ..outgoing }
}

fn release(bytes: &mut usize, sent: &Sent<Held>) {
    *bytes -= sent.place.as_ref().map_or(0, Held::len);
}
