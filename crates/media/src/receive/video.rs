//! A stream of video from packets to frames that can be decoded.

use alloc::vec::Vec;

use peerage_base::time::{Duration, Instant, earliest};
use peerage_rtp::extension::dependency_descriptor::descriptor::Descriptor;
use peerage_rtp::extension::dependency_descriptor::structure::Structure;
use peerage_rtp::extension::kind::Kind;
use peerage_rtp::extension::map::Map;
use peerage_rtp::extension::playout_delay::PlayoutDelay;
use peerage_rtp::numbers::{SequenceNumber, Ssrc};
use peerage_rtp::packet::Packet;
use peerage_rtp::payload::codec::Codec;
use peerage_rtp::payload::depacketizer::{Depacketizer, Limits};
use peerage_rtp::payload::info::{Info, Start};
use peerage_rtp::rtcp::report_block::ReportBlock;
use peerage_rtp::rtcp::sender_report::SenderInfo;
use tracing::{debug, trace};

use super::frames::{Frames, Part, Picture};
use super::freezes::{self, Freezes};
use super::key_request::{self, KeyRequests};
use super::nack::{self, Lost, Nacks, Origin};
use super::packets::{Bounds, Insertion};
use super::playout::{self, Playout};
use super::references::{Dependency, References, Standing};
use super::source::{self, Source, Verdict};

/// How video is received.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The format.
    pub codec: Codec,
    /// What header extensions are agreed on; none. Those used are playout-delay and the dependency descriptor.
    pub extensions: Map,
    /// How missing packets are asked for.
    pub nack: nack::Config,
    /// How key frames are asked for.
    pub key_request: key_request::Config,
    /// How long pictures are kept.
    pub playout: playout::Config,
    /// Most packets from the first that is missing to the last; 4,096, which is 2 s of 20 Mbit/s.
    pub packets: usize,
    /// Most bytes of payload that wait for others; 8 MiB.
    pub bytes: usize,
    /// How long a packet is missing before a key frame is asked for as well; 250 ms, or two round trips and a quarter or the
    /// delay at present if that is longer. Longer freezes are seen, shorter waits cost key frames that repair makes needless.
    pub patience: Duration,
}

impl Config {
    /// Defaults for video of this format.
    pub fn new(codec: Codec) -> Self {
        Self {
            codec,
            extensions: Map::default(),
            nack: nack::Config::default(),
            key_request: key_request::Config::default(),
            playout: playout::Config::default(),
            packets: 4_096,
            bytes: 8 << 20,
            patience: Duration::from_millis(250),
        }
    }
}

/// How long a picture stands at most, if a key frame can help.
const LONGEST_STILL: Duration = Duration::from_millis(430);
/// Complete pictures that are looked through for one to go on with.
const LOOKAHEAD: usize = 128;

/// A frame for the decoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// What it was made of.
    pub picture: Picture,
    /// When to show it; in the past if it is late.
    pub render_at: Instant,
    /// Something before it was left out.
    pub skips: bool,
}

/// Counts since the start. Those of W3C's `inbound-rtp` are named beside.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Stats {
    /// Pictures of which all packets came (`framesReceived`).
    pub frames_received: u64,
    /// Pictures handed to the decoder.
    pub frames_emitted: u64,
    /// Key frames handed to the decoder (`keyFramesDecoded`, if it decodes them).
    pub key_frames: u64,
    /// Pictures that came whole and could not be used (`framesDropped`).
    pub frames_dropped: u64,
    /// Pictures handed out that consist of several packets (`framesAssembledFromMultiplePackets`).
    pub frames_of_several: u64,
    /// From the first packet to the moment of showing, over all frames (`jitterBufferDelay`).
    pub jitter_buffer_delay: Duration,
    /// The delay that was aimed at, over all frames (`jitterBufferTargetDelay`).
    pub jitter_buffer_target_delay: Duration,
    /// From the first packet of a frame to the last, over all frames (`totalAssemblyTime`).
    pub assembly: Duration,
    /// Packets that came again.
    pub duplicates: u64,
    /// Packets that came too late, or too far ahead (`packetsDiscarded`).
    pub packets_discarded: u64,
    /// Packets that are malformed.
    pub malformed: u64,
    /// Packets that came as retransmissions (`retransmittedPacketsReceived`).
    pub retransmitted: u64,
    /// Packets that were recovered from redundancy.
    pub recovered: u64,
    /// Requests for key frames (`pliCount`).
    pub key_requests: u64,
    /// Missing packets (`nackCount` is `rounds`).
    pub nack: nack::Stats,
    /// How pictures followed each other (`freezeCount` and others).
    pub freezes: freezes::Stats,
    /// The stream as it arrived.
    pub source: source::Stats,
}

/// One stream. After packets, and when [`poll_timeout`](Self::poll_timeout) says so: take frames until there is none, then
/// ask what to ask for.
#[derive(Clone, Debug)]
pub struct VideoReceiver {
    config: Config,
    depacketizer: Depacketizer,
    source: Source,
    nacks: Nacks,
    keys: KeyRequests,
    frames: Frames,
    references: References,
    playout: Playout,
    freezes: Freezes,
    /// The structure of the dependency descriptors and the place of the packet that brought it.
    structure: Option<(Structure, u64)>,
    round_trip: Duration,
    /// When a packet came that was sent for the first time.
    heard: Option<Instant>,
    /// When the next picture is shown for which others are not waited for any more.
    wake: Option<Instant>,
    lost: Vec<Lost>,
    stats: Stats,
}

impl VideoReceiver {
    /// A stream of which nothing has come.
    pub fn new(ssrc: Ssrc, config: Config) -> Self {
        let mut limits = Limits::default();
        limits.frame = limits.frame.min(config.bytes);
        let source = source::Config { clock_rate: config.playout.clock_rate, ..source::Config::default() };
        Self {
            depacketizer: Depacketizer::new(config.codec, limits),
            source: Source::new(ssrc, source),
            nacks: Nacks::new(config.nack),
            keys: KeyRequests::new(config.key_request),
            frames: Frames::new(Bounds { places: config.packets, bytes: config.bytes }),
            references: References::new(),
            playout: Playout::new(config.playout),
            freezes: Freezes::default(),
            structure: None,
            round_trip: config.nack.round_trip,
            heard: None,
            wake: None,
            lost: Vec::new(),
            stats: Stats::default(),
            config,
        }
    }

    /// A packet of this stream: one that was repaired is as it was first sent.
    pub fn handle_packet(&mut self, now: Instant, packet: &Packet<'_>, origin: Origin) {
        let Some(index) = self.place(now, packet, origin) else {
            self.stats.packets_discarded += 1;
            return;
        };
        self.keys.heard(now);
        let silent = self.heard.map_or(Duration::ZERO, |heard| now.since(heard));
        let before = self.nacks.len();
        if let Some(Lost::Before { index }) = self.nacks.handle_packet(now, index, origin) {
            debug!(index, "too many packets are missing");
            self.give_up_before(now, index);
        }
        if origin == Origin::Sent {
            self.heard = Some(now);
            if self.nacks.len() > before && self.config.nack.asks > 0 {
                self.playout.missed(now, silent);
            }
        }
        let part = match self.part(now, index, packet, origin) {
            Ok(part) => part,
            Err(error) => {
                trace!(%error, "malformed payload");
                self.stats.malformed += 1;
                return;
            }
        };
        match self.frames.insert(index, part, packet.payload) {
            Insertion::New => {}
            Insertion::Duplicate => self.stats.duplicates += 1,
            Insertion::Late => self.stats.packets_discarded += 1,
            Insertion::TooFar => {
                debug!(index, "more packets are waiting than there is room for");
                self.give_up_before(now, index);
                self.stats.packets_discarded +=
                    u64::from(self.frames.insert(index, part, packet.payload) != Insertion::New);
            }
        }
        while let Some(picture) = self.frames.next_fresh() {
            self.stats.frames_received += 1;
            self.playout.handle_picture(now, picture.timestamp, picture.was_repaired);
        }
    }

    /// A sender report of this stream.
    pub fn handle_sender_report(&mut self, now: Instant, info: &SenderInfo) {
        self.source.handle_sender_report(now, info);
    }

    /// The round trip has been measured.
    pub fn set_round_trip(&mut self, round_trip: Duration) {
        self.round_trip = round_trip;
        self.nacks.set_round_trip(round_trip);
        self.keys.set_round_trip(round_trip);
        self.playout.set_round_trip(round_trip);
    }

    /// The delay must be at least this, for the sound that goes with it.
    pub fn set_least_delay(&mut self, delay: Duration) {
        self.playout.set_at_least(delay);
    }

    /// The decoder could not decode, or a viewer has joined: a key frame is needed.
    pub fn request_key_frame(&mut self, now: Instant) {
        self.keys.need(now);
    }

    /// The next frame that can be decoded, its bytes appended to `out`.
    pub fn poll_frame(&mut self, now: Instant, out: &mut Vec<u8>) -> Option<Frame> {
        loop {
            match self.choose(now)? {
                Choice::Drop(picture) => self.drop_picture(now, &picture),
                Choice::Take { picture, gap } => {
                    if let Some(frame) = self.take(now, &picture, gap, out) {
                        return Some(frame);
                    }
                }
            }
        }
    }

    /// Appends the packets that are to be asked for now to `ask`, for one or more NACKs.
    pub fn poll_nack(&mut self, now: Instant, ask: &mut Vec<SequenceNumber>) {
        self.lost.clear();
        self.nacks.poll(now, self.config.nack.limit, ask, &mut self.lost);
        for lost in &self.lost {
            if let Lost::Packet { index } = lost {
                self.frames.give_up(*index);
            }
        }
    }

    /// Whether to ask for a key frame now: by PLI or, where that is not agreed on, FIR.
    pub fn poll_key_request(&mut self, now: Instant) -> bool {
        if self.impatient_at().is_some_and(|at| at <= now) {
            self.keys.need(now);
        }
        self.keys.poll(now)
    }

    /// When to poll again: for frames, for packets to ask for, and for key frames.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let impatient = if self.keys.is_needed() { None } else { self.impatient_at() };
        let keys = earliest(self.keys.poll_timeout(), impatient);
        earliest(earliest(self.nacks.poll_timeout(), keys), self.wake)
    }

    /// The block for the next report.
    pub fn report_block(&mut self, now: Instant) -> Option<ReportBlock> {
        self.source.report_block(now)
    }

    /// The stream as it arrives.
    pub const fn source(&self) -> &Source {
        &self.source
    }

    /// The delay at present.
    pub fn delay(&self) -> Duration {
        self.playout.delay()
    }

    /// Counts since the start.
    pub fn stats(&self) -> Stats {
        Stats {
            key_requests: self.keys.asked(),
            nack: self.nacks.stats(),
            freezes: self.freezes.stats(),
            source: self.source.stats(),
            ..self.stats
        }
    }

    fn place(&mut self, now: Instant, packet: &Packet<'_>, origin: Origin) -> Option<u64> {
        let header = &packet.header;
        match origin {
            Origin::Sent => {
                let len = packet.payload.len();
                let verdict = self.source.handle_packet(now, header.sequence_number, header.timestamp, len);
                if let Verdict::Restarted { .. } = verdict {
                    debug!("the stream starts anew");
                    self.restart(now);
                }
                return verdict.index();
            }
            Origin::Retransmitted => self.stats.retransmitted += 1,
            Origin::Recovered => self.stats.recovered += 1,
        }
        self.source.index_of(header.sequence_number)
    }

    fn part(
        &mut self,
        now: Instant,
        index: u64,
        packet: &Packet<'_>,
        origin: Origin,
    ) -> Result<Part, peerage_rtp::error::ParseError> {
        let mut info = match packet.payload {
            [] => None,
            payload => Some(self.depacketizer.inspect(payload, packet.header.marker)?),
        };
        if let Some(limits) = self.config.extensions.get::<PlayoutDelay>(&packet.extension) {
            self.playout.set_limits(Some(limits));
        }
        let dependency = info.as_mut().and_then(|info| self.describe(index, packet, info));
        Ok(Part { timestamp: packet.header.timestamp, info, dependency, arrived: now, origin })
    }

    /// Reads the dependency descriptor, which knows better than the payload where a frame begins and what layer it is of.
    fn describe(&mut self, index: u64, packet: &Packet<'_>, info: &mut Info) -> Option<Dependency> {
        let value = packet.extension.get(self.config.extensions.id(Kind::DependencyDescriptor)?)?;
        let known = self.structure.as_ref().map(|(structure, _)| structure);
        let descriptor = Descriptor::parse(value, known).ok()?;
        if let Some(structure) = descriptor.structure
            && self.structure.as_ref().is_none_or(|(_, since)| *since <= index)
        {
            self.structure = Some((structure, index));
        }
        let dependencies = &descriptor.dependencies;
        info.start = if descriptor.is_first { Start::Yes } else { Start::No };
        info.layers.temporal = Some(dependencies.temporal);
        info.layers.spatial = Some(dependencies.spatial);
        descriptor.is_first.then_some(Dependency {
            number: descriptor.frame_number,
            diffs: dependencies.frame_diffs,
            is_enhancement: dependencies.temporal > 0 || dependencies.spatial > 0,
        })
    }

    fn choose(&mut self, now: Instant) -> Option<Choice> {
        self.wake = None;
        let first = self.frames.first();
        for (n, picture) in self.frames.pictures().take(LOOKAHEAD).enumerate() {
            let is_next = n == 0 && self.frames.is_next(picture);
            let frames = self.frames.dependencies(picture);
            let standing = self.references.judge(picture.is_key, is_next, &picture.info, frames);
            let is_awaiting = || self.nacks.is_awaiting(first, picture.first);
            match standing {
                Standing::Ready => return Some(Choice::Take { picture: *picture, gap: Gap::None }),
                Standing::Continues => return Some(Choice::Take { picture: *picture, gap: Gap::Empty }),
                Standing::Never => return Some(Choice::Drop(*picture)),
                Standing::Skips => {
                    let due = self.playout.due(now, picture.timestamp) - self.config.playout.allowance;
                    if due <= now || !is_awaiting() {
                        return Some(Choice::Take { picture: *picture, gap: Gap::Pictures });
                    }
                    self.wake = Some(due);
                    return None;
                }
                Standing::Waits if n == 0 && !is_awaiting() => return Some(Choice::Drop(*picture)),
                Standing::Waits => {}
            }
        }
        None
    }

    fn take(&mut self, now: Instant, picture: &Picture, gap: Gap, out: &mut Vec<u8>) -> Option<Frame> {
        let skips = gap == Gap::Pictures;
        if gap != Gap::None {
            let whole = self.frames.pictures().take_while(|other| other.first < picture.first).count();
            self.stats.frames_dropped += whole as u64;
            self.frames.drop_before(picture.first);
        }
        let dependency = self.frames.dependencies(picture).next().copied();
        self.references.decoded(picture.is_key, !skips, &picture.info, self.frames.dependencies(picture));
        let result = self.frames.take(&self.depacketizer, out);
        self.nacks.forget_before(self.frames.first());
        if let Err(error) = result {
            debug!(%error, "a frame cannot be put together");
            self.stats.frames_dropped += 1;
            self.references.clear();
            self.keys.need(now);
            return None;
        }
        if picture.is_key || is_base(picture, dependency.as_ref()) {
            self.keys.satisfied();
        }
        Some(self.emit(now, picture, skips))
    }

    fn emit(&mut self, now: Instant, picture: &Picture, skips: bool) -> Frame {
        let render_at = self.playout.render(now, picture.timestamp);
        self.freezes.shown(render_at);
        let stats = &mut self.stats;
        stats.frames_emitted += 1;
        stats.key_frames += u64::from(picture.is_key);
        stats.frames_of_several += u64::from(picture.first < picture.last);
        stats.jitter_buffer_delay += render_at.since(picture.first_arrived);
        stats.jitter_buffer_target_delay += self.playout.target(now);
        stats.assembly += picture.complete.since(picture.first_arrived);
        Frame { picture: *picture, render_at, skips }
    }

    /// A picture that cannot be decoded, and whatever is left of those before it.
    fn drop_picture(&mut self, now: Instant, picture: &Picture) {
        let dependency = self.frames.dependencies(picture).next().copied();
        self.stats.frames_dropped += 1;
        self.references.dropped(&picture.info);
        self.frames.drop_before(picture.last + 1);
        self.nacks.forget_before(self.frames.first());
        if is_base(picture, dependency.as_ref()) && !picture.info.is_discardable {
            self.keys.need(now);
        }
    }

    fn give_up_before(&mut self, now: Instant, index: u64) {
        let whole = self.frames.pictures().take_while(|picture| picture.first < index).count();
        self.stats.frames_dropped += whole as u64;
        self.frames.drop_before(index);
        self.references.clear();
        self.nacks.forget_before(index);
        self.keys.need(now);
    }

    fn restart(&mut self, now: Instant) {
        self.frames.clear();
        self.references.clear();
        self.nacks.clear();
        self.playout.clear();
        (self.structure, self.wake) = (None, None);
        self.keys.need(now);
    }

    /// When a key frame is asked for although repair is still hoped for.
    fn impatient_at(&self) -> Option<Instant> {
        let delay = self.delay();
        // The answer takes a round trip, and is to come before the picture has stood for too long.
        let latest = (LONGEST_STILL + delay).saturating_sub(self.round_trip);
        let usual = (2 * self.round_trip + self.round_trip / 4).min(latest);
        let patience = self.config.patience.max(usual).max(delay);
        Some(self.nacks.oldest()? + patience)
    }
}

#[derive(Clone, Copy, Debug)]
enum Choice {
    Take { picture: Picture, gap: Gap },
    Drop(Picture),
}

/// What is missing between a picture and the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gap {
    None,
    /// Numbers, but no pictures.
    Empty,
    Pictures,
}

/// Whether the stream cannot go on without it.
fn is_base(picture: &Picture, dependency: Option<&Dependency>) -> bool {
    let layers = picture.info.layers;
    match dependency {
        Some(dependency) => !dependency.is_enhancement,
        None => layers.temporal.unwrap_or(0) == 0 && layers.spatial.unwrap_or(0) == 0,
    }
}

#[cfg(test)]
mod tests;
