//! One stream: its numbers, its clock, and the frames that wait in it.

use peerage_base::rng::Rng;
use peerage_base::serial::Serial as _;
use peerage_base::time::{Duration, Instant};
use peerage_rtp::ntp::WallClock;
use peerage_rtp::numbers::{SequenceNumber, Timestamp};
use peerage_rtp::payload::budget::{Budget, Mark};
use peerage_rtp::payload::packetizer::Packetizer;
use peerage_rtp::payload::red;
use peerage_rtp::rtcp::sender_report::SenderInfo;

use super::announced::Announced;
use super::config::{Config, StreamConfig};
use super::extensions::{FrameElements, Shape, payload_budget};
use super::frame::Frame;
use super::history::History;
use super::kept::{Frames, Kept};
use super::line::{Line, media_names, repair_names};
use super::misuse::Misuse;

/// A stream of frames: its numbers, its clock, and what waits in it.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) line: Line,
    /// What is added to the application's timestamps.
    offset: u32,
    /// The last frame's timestamp on the wire, and when it was sampled.
    clock: Option<(Timestamp, Instant)>,
    pub(super) frames: Frames,
    pub(super) history: History<(u32, Mark)>,
    pub(super) redundancy: Option<red::Encoder>,
    frame_number: u16,
    needs_key: bool,
    capture_told: Option<Instant>,
    /// What packets of the last frame could carry, for those that are like it.
    measured: Option<(Shape, Budget)>,
    pub(super) announced: Announced,
}

impl Stream {
    pub(super) fn new(config: StreamConfig, limits: &Config, rng: &mut Rng) -> Self {
        let line = Line::new(config, limits, rng);
        Self {
            offset: rng.u32(),
            clock: None,
            frames: Frames::default(),
            history: History::default(),
            redundancy: line.config.redundancy.map(|(_, depth)| red::Encoder::new(depth)),
            frame_number: 0,
            needs_key: line.config.codec.is_video(),
            capture_told: None,
            measured: None,
            announced: Announced::default(),
            line,
        }
    }

    /// Goes on as something else.
    pub(super) fn reconfigure(&mut self, config: StreamConfig) {
        let old = self.line.reconfigure(config);
        self.measured = None;
        if self.line.config.codec != old.codec {
            self.drop_waiting();
        }
        if self.line.config.redundancy.map(|(number, _)| number) != old.redundancy.map(|(number, _)| number) {
            self.redundancy = self.line.config.redundancy.map(|(_, depth)| red::Encoder::new(depth));
        }
    }

    /// Takes a frame, to be cut into packets as they leave.
    ///
    /// # Errors
    /// If too much waits, a key frame must come first, or the frame cannot be cut.
    pub(super) fn queue(
        &mut self,
        now: Instant,
        frame: Frame<'_>,
        (limits, wall): (&Config, &WallClock),
    ) -> Result<(), Misuse> {
        if self.needs_key && !frame.is_key {
            return Err(Misuse::KeyFrameNeeded);
        }
        // Room is made by what was sent before anything that is new is refused.
        self.frames.trim(now, limits.history, limits.history_bytes.saturating_sub(frame.payload.len()));
        let bytes = self.frames.bytes().saturating_add(frame.payload.len());
        if self.frames.waiting() >= limits.max_frames || bytes > limits.history_bytes {
            return Err(Misuse::QueueFull);
        }
        let tells_capture = self.capture_told.is_none_or(|told| now.since(told) >= limits.capture_time_interval);
        let elements = FrameElements {
            audio_level: frame.audio_level,
            orientation: frame.orientation,
            captured: tells_capture.then(|| wall.ntp(frame.captured)),
            playout_delay: self.announced.delay_for(frame.is_key),
            allocation: self.announced.allocation_for(frame.is_key),
            scalability: frame.scalability,
            frame_number: self.frame_number,
            is_key: frame.is_key,
            payload_type: frame.payload_type,
        };
        let budget = self.measure(&elements);
        let packetizer = Packetizer::new(frame.payload, &frame.format, &budget)?;
        let timestamp = frame.timestamp.plus(self.offset);
        self.frames.push(Kept::new(packetizer, timestamp, elements, now));
        self.clock = Some((timestamp, frame.captured));
        self.frame_number = self.frame_number.wrapping_add(1);
        self.needs_key = false;
        self.announced.told();
        if tells_capture {
            self.capture_told = Some(now);
        }
        self.line.statistics.frames += 1;
        self.line.statistics.key_frames += u64::from(frame.is_key);
        Ok(())
    }

    /// Drops what has waited for longer than `limit`: video up to the next key frame, as nothing before it could be decoded.
    /// How many frames it were.
    pub(super) fn drop_stale(&mut self, now: Instant, limit: Duration) -> usize {
        if self.frames.waiting_since().is_none_or(|since| now.since(since) <= limit) {
            return 0;
        }
        let is_video = self.line.config.codec.is_video();
        let dropped =
            self.frames.drop_until(|frame| now.since(frame.queued) <= limit && (frame.elements.is_key || !is_video));
        self.needs_key |= is_video && self.frames.waiting() == 0;
        self.line.statistics.dropped_frames += dropped as u64;
        dropped
    }

    /// Drops all that waits, as after a change of the encoder: the next frame must be a key frame.
    pub(super) fn drop_waiting(&mut self) -> usize {
        let dropped = self.frames.drop_until(|_| false);
        self.needs_key = self.line.config.codec.is_video();
        self.line.statistics.dropped_frames += dropped as u64;
        dropped
    }

    /// Forgets frames that nobody will ask for any more.
    pub(super) fn trim(&mut self, now: Instant, limits: &Config) {
        self.frames.trim(now, limits.history, limits.history_bytes);
        if self.frames.is_empty() {
            self.history.clear();
        }
    }

    /// The timestamp of the last frame that was taken; `None` before the first.
    pub(super) fn last_timestamp(&self) -> Option<Timestamp> {
        self.clock.map(|(timestamp, _)| timestamp)
    }

    /// Repeats so many earlier frames from now on, where RED was agreed on.
    pub(super) fn set_redundancy(&mut self, depth: usize) {
        if let Some((_, now)) = self.line.config.redundancy.as_mut().filter(|(_, now)| *now != depth) {
            *now = depth;
            self.redundancy = Some(red::Encoder::new(depth));
        }
    }

    /// A packet of media is known to have arrived.
    pub(super) fn acknowledge(&mut self, number: SequenceNumber) {
        let Some(sent) = self.history.get(number).filter(|sent| !sent.is_acknowledged) else { return };
        sent.is_acknowledged = true;
        if let Some((frame, _)) = sent.place {
            self.frames.acknowledge(frame);
        }
    }

    /// Whether nothing but a key frame would be taken.
    pub(super) fn needs_key(&self) -> bool {
        self.needs_key
    }

    /// What a sender report says now; `None` before the first packet.
    pub(super) fn sender_info(&self, now: Instant, wall: &WallClock) -> Option<SenderInfo> {
        let (packets, bytes) = self.line.reported;
        Some(SenderInfo {
            ssrc: self.line.config.ssrc,
            ntp: wall.ntp(now),
            timestamp: self.timestamp(now).filter(|_| packets > 0)?,
            packets,
            bytes,
        })
    }

    /// The stream's clock at `now`; `None` before the first frame.
    pub(super) fn timestamp(&self, now: Instant) -> Option<Timestamp> {
        let (timestamp, captured) = self.clock?;
        let rate = u64::from(self.line.config.clock_rate);
        // Only the low bits count, so seconds may wrap.
        let ticks = |span: Duration| {
            span.as_secs().wrapping_mul(rate).wrapping_add(u64::from(span.subsec_nanos()) * rate / 1_000_000_000) as u32
        };
        Some(timestamp.plus(ticks(now.since(captured)).wrapping_sub(ticks(captured.since(now)))))
    }

    /// What each packet of a frame may carry. Writing headers to measure them costs as much as a packet of audio does, and most
    /// frames of a stream have the same.
    fn measure(&mut self, elements: &FrameElements) -> Budget {
        let beside = self.beside();
        let line = &self.line;
        let shape = Shape::of(elements, [line.is_known, line.is_rtx_known], beside);
        if let Some((_, budget)) = self.measured.filter(|(measured, _)| Some(*measured) == shape) {
            return budget;
        }
        let rtx = line.config.rtx.map(|_| repair_names(&line.config, line.is_rtx_known));
        let budget = payload_budget(
            (&line.config.extensions, elements, line.config.codec.is_video()),
            (media_names(&line.config, line.is_known), rtx),
            beside,
            line.config.max_packet,
        );
        self.measured = shape.map(|shape| (shape, budget));
        budget
    }

    /// Bytes of each packet that its frame cannot have.
    fn beside(&self) -> usize {
        let red = match &self.line.config.redundancy {
            // The header of the present block; earlier ones take what is left.
            Some(_) => 1,
            None => 0,
        };
        red + self.line.protector.as_ref().map_or(0, |protector| protector.beside(&self.line.config))
    }
}
