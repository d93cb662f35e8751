//! The jitter buffer for sound: decides every 10 ms what is heard, in the manner of libwebrtc's NetEq.
//!
//! [`AudioReceiver::next`] is asked again and again until it says [`Decision::Play`]. What it says before that adds to the
//! samples that the caller keeps ahead, or stretches them; `Play` takes 10 ms off their front. So the caller keeps a short
//! buffer of samples, a decoder, and [`stretch`](super::stretch); this keeps packets, time and the decisions. Time is counted
//! in ticks of the RTP clock throughout.

pub mod decision;
pub mod level;
pub mod stats;

mod fill;
mod queue;

use alloc::vec::Vec;

use peerage_base::time::{Duration, Instant};
use peerage_rtp::numbers::{PayloadType, SequenceNumber, Ssrc, Timestamp};
use peerage_rtp::packet::Packet;
use peerage_rtp::payload::codec::Codec;
use peerage_rtp::payload::red;
use peerage_rtp::rtcp::report_block::ReportBlock;
use peerage_rtp::rtcp::sender_report::SenderInfo;
use tracing::{debug, trace};

use self::decision::Decision;
use self::fill::GAP_PART;
use self::level::{Level, Speed};
use self::queue::{Entry, Insertion, Queue, measure};
use self::stats::Stats;
use super::nack::{self, Lost, Nacks, Origin};
use super::source::{self, Source, Verdict};

/// How sound is received.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Ticks of the timestamp in a second, the same for all formats of the stream.
    pub clock_rate: u32,
    /// The formats agreed on. Packets of others are dropped; telephone events are for others to read.
    pub formats: Vec<(PayloadType, Codec)>,
    /// The payload type of redundant audio (RFC 2198); none.
    pub red: Option<PayloadType>,
    /// How much is kept ahead.
    pub level: level::Config,
    /// How missing packets are asked for, if that was agreed on; none. What cannot come within `level.most_for_outages` is not
    /// asked for.
    pub nack: Option<nack::Config>,
    /// Most packets that wait; 200, which is 4 s of 20 ms. Beyond it the oldest are dropped until the target is met.
    pub packets: usize,
}

impl Config {
    /// Defaults for sound of one format.
    pub fn new(payload_type: PayloadType, codec: Codec) -> Self {
        Self {
            clock_rate: codec.clock_rate(),
            formats: alloc::vec![(payload_type, codec)],
            red: None,
            level: level::Config::default(),
            nack: None,
            packets: 200,
        }
    }
}

/// Samples that are to be ahead for stretching, in ticks of 10 ms: two periods of the voice to leave one out, one to repeat the
/// one played before.
const ACCELERATE_TICKS: u32 = 3;
const SLOW_TICKS: u32 = 2;
/// Ticks of 10 ms from one stretch to the next.
const STRETCH_PAUSE: u32 = 5;

/// What sounds at present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Nothing has come; a packet arrived at this moment, if one has.
    Waiting(Option<Instant>),
    /// Decoded sound.
    Sound,
    /// Made-up sound: so many ticks, of them so many for which time did not go on.
    Gap { ticks: u64, owed: u64 },
    /// The sender is silent: so many ticks of noise since its last packet, and so many added to restore the delay.
    Quiet { ticks: u64, held: u64 },
}

/// How a payload came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Sent,
    /// In a retransmission.
    Again,
    /// As redundancy of another.
    Repeated,
}

/// One stream.
#[derive(Clone, Debug)]
pub struct AudioReceiver {
    config: Config,
    source: Source,
    queue: Queue,
    level: Level,
    nacks: Option<Nacks>,
    round_trip: Duration,
    /// When a packet came that was sent for the first time.
    heard: Option<Instant>,
    lost: Vec<Lost>,
    mode: Mode,
    /// Where decoding goes on.
    next: u64,
    /// Ticks that the caller has ahead.
    ahead: u32,
    /// The payload that was handed out last.
    current: Option<Entry>,
    /// The speed was decided on for this tick.
    is_begun: bool,
    wish: Speed,
    pause: u32,
    stats: Stats,
}

impl AudioReceiver {
    /// A stream of which nothing has come.
    pub fn new(ssrc: Ssrc, mut config: Config) -> Self {
        config.clock_rate = config.clock_rate.max(100);
        let source = source::Config { clock_rate: config.clock_rate, ..source::Config::default() };
        Self {
            source: Source::new(ssrc, source),
            queue: Queue::new(config.packets.max(1)),
            level: Level::new(config.level, config.clock_rate),
            nacks: config
                .nack
                .map(|nack| Nacks::new(nack::Config { age: nack.age.min(config.level.most_for_outages), ..nack })),
            round_trip: config.nack.map_or(Duration::ZERO, |nack| nack.round_trip),
            heard: None,
            lost: Vec::new(),
            mode: Mode::Waiting(None),
            next: 0,
            ahead: 0,
            current: None,
            is_begun: false,
            wish: Speed::Right,
            pause: 0,
            stats: Stats::default(),
            config,
        }
    }

    /// A packet of this stream.
    pub fn handle_packet(&mut self, now: Instant, packet: &Packet<'_>) {
        let header = &packet.header;
        match self.source.handle_packet(now, header.sequence_number, header.timestamp, packet.payload.len()) {
            Verdict::Invalid => {
                self.stats.packets_discarded += 1;
                return;
            }
            Verdict::Restarted { index } => {
                self.restart();
                self.watch(now, index);
            }
            Verdict::Valid { index } => self.watch(now, index),
        }
        self.handle_blocks(now, packet, Way::Sent);
    }

    /// A packet of this stream that was sent again, as it was first sent.
    pub fn handle_retransmission(&mut self, now: Instant, packet: &Packet<'_>) {
        self.stats.retransmitted += 1;
        if let Some((nacks, index)) = self.nacks.as_mut().zip(self.source.index_of(packet.header.sequence_number)) {
            nacks.handle_packet(now, index, Origin::Retransmitted);
        }
        if !self.is_waiting() {
            self.handle_blocks(now, packet, Way::Again);
        }
    }

    fn handle_blocks(&mut self, now: Instant, packet: &Packet<'_>, way: Way) {
        let header = &packet.header;
        if packet.payload.is_empty() {
            return;
        }
        if self.config.red != Some(header.payload_type) {
            return self.handle_payload(now, header.payload_type, header.timestamp, packet.payload, way);
        }
        let Ok(blocks) = red::parse(packet.payload) else {
            self.stats.malformed += 1;
            return;
        };
        // What one sent again repeats is asked for itself, if it is missing. The present one first: it tells whether the stream has jumped.
        let wanted: &[bool] = if way == Way::Again { &[true] } else { &[true, false] };
        for &wanted in wanted {
            for block in blocks.clone().filter(|block| block.is_present == wanted && !block.payload.is_empty()) {
                let timestamp = Timestamp(header.timestamp.0.wrapping_sub(block.offset));
                let way = if wanted { way } else { Way::Repeated };
                self.handle_payload(now, block.payload_type, timestamp, block.payload, way);
                if !wanted {
                    self.repeated(now, header.sequence_number, block.offset);
                }
            }
        }
    }

    /// A sender report of this stream.
    pub fn handle_sender_report(&mut self, now: Instant, info: &SenderInfo) {
        self.source.handle_sender_report(now, info);
    }

    /// The sound must be at least so late, for the picture that goes with it.
    pub fn set_least_delay(&mut self, delay: Duration) {
        self.level.set_at_least(delay);
    }

    /// The round trip has been measured.
    pub fn set_round_trip(&mut self, round_trip: Duration) {
        self.round_trip = round_trip;
        self.level.set_round_trip(round_trip);
        if let Some(nacks) = &mut self.nacks {
            nacks.set_round_trip(round_trip);
        }
    }

    /// Appends the packets that are to be asked for now to `ask`, for one or more NACKs. To be called after packets and every
    /// 10 ms.
    pub fn poll_nack(&mut self, now: Instant, ask: &mut Vec<SequenceNumber>) {
        let is_in_time = self.round_trip <= self.config.level.most_for_outages;
        if let Some((nacks, config)) = self.nacks.as_mut().zip(self.config.nack).filter(|_| is_in_time) {
            self.lost.clear();
            nacks.poll(now, config.limit, ask, &mut self.lost);
        }
    }

    /// What to do next. To be asked until it says [`Decision::Play`], every 10 ms.
    pub fn next(&mut self, now: Instant) -> Decision<'_> {
        if let Some(entry) = self.current.take() {
            self.queue.give_back(entry.payload);
        }
        if !self.is_begun {
            self.begin_tick();
        }
        let step = self.step();
        let needed = match self.wish {
            Speed::Right => step,
            Speed::Slower => SLOW_TICKS * step,
            Speed::Faster | Speed::MuchFaster => ACCELERATE_TICKS * step,
        };
        if self.ahead < needed
            && let Some(fill) = self.fill(now, self.ahead < step)
        {
            return self.decision(fill);
        }
        let wish = core::mem::replace(&mut self.wish, Speed::Right);
        if self.ahead >= needed && wish != Speed::Right {
            self.pause = STRETCH_PAUSE;
            return match wish {
                Speed::Slower => Decision::Slow,
                _ => Decision::Accelerate { is_urgent: wish == Speed::MuchFaster },
            };
        }
        self.is_begun = false;
        self.ahead = self.ahead.saturating_sub(step);
        self.stats.played += u64::from(step);
        Decision::Play { ticks: step }
    }

    /// What came of [`Decision::Accelerate`] or [`Decision::Slow`]: so many ticks more are ahead, or fewer. What cannot be,
    /// more removed than there is or more than 100 ms added, is cut.
    pub fn stretched(&mut self, ticks: i32) {
        let more = ticks.clamp(-(self.ahead.min(i32::MAX as u32) as i32), (self.config.clock_rate / 10) as i32);
        self.ahead = self.ahead.saturating_add_signed(more);
        match more {
            0.. => self.stats.slowed += u64::from(more.unsigned_abs()),
            _ => self.stats.accelerated += u64::from(more.unsigned_abs()),
        }
        let by = i64::from(more) * 1_000_000_000 / i64::from(self.config.clock_rate);
        self.level.shift(by);
    }

    /// The block for the next report.
    pub fn report_block(&mut self, now: Instant) -> Option<ReportBlock> {
        self.source.report_block(now)
    }

    /// The stream as it arrives.
    pub const fn source(&self) -> &Source {
        &self.source
    }

    /// Ticks of the timestamp in a second.
    pub const fn clock_rate(&self) -> u32 {
        self.config.clock_rate
    }

    /// What is aimed at: the sound that is kept ahead, with the packet that is being played.
    pub fn target(&self) -> Duration {
        self.level.target()
    }

    /// The sound that is there: decoded or waiting.
    pub fn there(&self) -> Duration {
        let waiting =
            if matches!(self.mode, Mode::Waiting(_)) { 0 } else { self.queue.span(self.next, self.part(GAP_PART)) };
        self.span(waiting + u64::from(self.ahead))
    }

    /// The timestamp of what is heard next; `None` while nothing has come.
    pub fn playing(&self) -> Option<Timestamp> {
        (!self.is_waiting()).then(|| Timestamp(self.next.wrapping_sub(self.ahead.into()) as u32))
    }

    /// Counts since the start.
    pub fn stats(&self) -> Stats {
        let nack = self.nacks.as_ref().map(Nacks::stats).unwrap_or_default();
        Stats { source: self.source.stats(), nack, ..self.stats }
    }

    fn handle_payload(
        &mut self,
        now: Instant,
        payload_type: PayloadType,
        timestamp: Timestamp,
        payload: &[u8],
        way: Way,
    ) {
        let codec = self.config.formats.iter().find(|(known, _)| *known == payload_type).map(|(_, codec)| *codec);
        let Some((codec, (ticks, covers, kind))) = codec.and_then(|codec| Some((codec, measure(codec, payload)?)))
        else {
            trace!(%payload_type, "no sound");
            self.stats.malformed += 1;
            return;
        };
        let is_redundant = way == Way::Repeated;
        let at = match way {
            Way::Repeated => self.place_redundant(now, timestamp),
            Way::Again => self.place_again(now, timestamp),
            Way::Sent => self.place(now, timestamp, self.span(ticks.into())),
        };
        let Some(at) = at else { return };
        // Redundancy that is needed was worth waiting for.
        let before = at.saturating_sub(covers.into());
        if covers > 0 && !self.is_waiting() && before >= self.next && !self.queue.has(before) {
            self.level.repaired(now, Timestamp(before as u32));
        }
        let entry =
            Entry { at, ticks, covers, kind, is_redundant, codec, payload_type, arrived: now, payload: Vec::new() };
        let mut insertion = self.queue.insert(entry.clone(), payload);
        if insertion == Insertion::Full {
            self.make_room();
            insertion = self.queue.insert(entry, payload);
        }
        match insertion {
            Insertion::New | Insertion::Better => {}
            _ if is_redundant => self.stats.redundant_discarded += 1,
            Insertion::Duplicate => self.stats.duplicates += 1,
            Insertion::Full => self.stats.packets_discarded += 1,
        }
        if let Mode::Waiting(since @ None) = &mut self.mode {
            *since = Some(now);
        }
    }

    /// Where a payload belongs; `None` if its time is over.
    fn place(&mut self, now: Instant, timestamp: Timestamp, lasts: Duration) -> Option<u64> {
        let lateness = self.level.arrived(now, timestamp, lasts);
        if lateness.is_reset {
            debug!("the timestamps jump");
            self.forget();
            return Some(lateness.ticks);
        }
        let quiet = match self.mode {
            Mode::Quiet { ticks, .. } => ticks,
            _ => 0,
        };
        // Noise that went on for longer than the silence is played instead of nothing, so going back is no harm.
        if !self.is_waiting() && lateness.ticks < self.next.saturating_sub(quiet) {
            self.stats.packets_discarded += 1;
            return None;
        }
        Some(lateness.ticks)
    }

    fn place_again(&mut self, now: Instant, timestamp: Timestamp) -> Option<u64> {
        let at = self.level.ticks(timestamp);
        self.level.sent_again(now, timestamp);
        if at < self.next {
            self.stats.packets_discarded += 1;
            return None;
        }
        Some(at)
    }

    /// Watches what is missing before a packet that was sent for the first time.
    fn watch(&mut self, now: Instant, index: u64) {
        let Some(nacks) = &mut self.nacks else { return };
        let silent = self.heard.map_or(Duration::ZERO, |heard| now.since(heard));
        let before = nacks.len();
        if nacks.handle_packet(now, index, Origin::Sent).is_some() {
            debug!(index, "too many packets are missing");
        }
        let missing = nacks.len().saturating_sub(before) as u32;
        if missing > 0 {
            // The pauses of a speaker are no outages.
            self.level.missed(now, silent.min(self.level.packet() * missing.saturating_add(1)));
        }
        self.heard = Some(now);
    }

    /// A packet repeats what another had: that one need not be asked for.
    fn repeated(&mut self, now: Instant, number: SequenceNumber, offset: u32) {
        let ticks = self.ticks(self.level.packet()).max(1);
        let Some(nacks) = self.nacks.as_mut().filter(|_| u64::from(offset) % ticks == 0) else { return };
        let index = self.source.index_of(number).and_then(|index| index.checked_sub(u64::from(offset) / ticks));
        if let Some(index) = index {
            nacks.handle_packet(now, index, Origin::Recovered);
        }
    }

    fn place_redundant(&mut self, now: Instant, timestamp: Timestamp) -> Option<u64> {
        self.stats.redundant_received += 1;
        let at = self.level.ticks(timestamp);
        // What came before the first packet, or is there, or is over, is not needed.
        if self.is_waiting() || at < self.next || self.queue.has(at) {
            self.stats.redundant_discarded += 1;
            return None;
        }
        self.level.repaired(now, timestamp);
        Some(at)
    }

    /// Drops the oldest until what is left meets the target.
    fn make_room(&mut self) {
        let keep = self.ticks(self.level.target());
        let Some(end) = self.queue.last().map(Entry::end) else { return };
        let from = end.saturating_sub(keep);
        debug!("too many packets are waiting");
        self.stats.packets_discarded += self.queue.drop_while(|entry| entry.at < from);
        // However long one is: there must be room.
        if self.queue.len() >= self.config.packets {
            self.stats.packets_discarded += 1;
            if let Some(entry) = self.queue.pop() {
                self.queue.give_back(entry.payload);
            }
        }
        self.next = self.queue.first().map_or(end, |entry| entry.at);
    }

    fn begin_tick(&mut self) {
        self.is_begun = true;
        self.pause = self.pause.saturating_sub(1);
        let there = self.there();
        self.level.measure(there);
        let speed = self.level.speed(there);
        self.wish = match self.mode {
            Mode::Sound if self.pause == 0 || speed == Speed::MuchFaster => speed,
            _ => Speed::Right,
        };
    }

    fn is_waiting(&self) -> bool {
        matches!(self.mode, Mode::Waiting(_))
    }

    /// Drops what waits; what the caller has ahead is played still.
    fn forget(&mut self) {
        self.stats.packets_discarded += self.queue.drop_while(|_| true);
        self.mode = Mode::Waiting(None);
    }

    fn restart(&mut self) {
        debug!("the stream starts anew");
        self.nacks.iter_mut().for_each(Nacks::clear);
        self.heard = None;
        self.forget();
        self.level.clear();
    }

    const fn step(&self) -> u32 {
        self.config.clock_rate / 100
    }

    const fn part(&self, of_a_second: u64) -> u64 {
        self.config.clock_rate as u64 / of_a_second
    }

    fn ticks(&self, span: Duration) -> u64 {
        (span.as_nanos() * u128::from(self.config.clock_rate) / 1_000_000_000) as u64
    }

    fn span(&self, ticks: u64) -> Duration {
        Duration::from_nanos((u128::from(ticks) * 1_000_000_000 / u128::from(self.config.clock_rate)) as u64)
    }
}

#[cfg(test)]
mod tests;
