//! An audio or video section as both sides agreed on it: what is sent in it, and what is received.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use peerage_base::time::Instant;
use peerage_jsep::plan::{Codec as Agreed, MediaPlan, Rtx};
use peerage_jsep::transceiver::{MediaKind, TransceiverId};
use peerage_media::receive::repair::{Config as RecoveryConfig, Recovery, Rewriter, Stats as RecoveryStats};
use peerage_media::send::config::{Companion, Protection, StreamConfig};
use peerage_media::send::forward::store::Store;
use peerage_media::send::stream_id::StreamId;
use peerage_rtp::extension::kind::Kind as Extension;
use peerage_rtp::extension::map::Map;
use peerage_rtp::numbers::{PayloadType, Ssrc};
use peerage_rtp::packet::Packet;
use peerage_rtp::payload::codec::Codec;
use peerage_rtp::payload::fec::header::Scheme;
use peerage_rtp::rtcp::sender_report::SenderInfo;
use peerage_sdp::attribute::payload_type::PayloadType as SdpNumber;
use peerage_sdp::attribute::rtcp_fb::Feedback;

use super::frames::{Forwardable, IncomingFrame, IncomingPacket, Queue, Source};
use super::limits::{EncodingLimits, MAX_ENCODINGS};
use super::stream::{Reading, Receiver, Stream};
use crate::delivery::Delivery;
use crate::memory::Wish;

/// Most streams of media that the peer may send in one section: its encodings, and some that came before them.
pub(crate) const MAX_STREAMS: usize = 8;

/// What audio of one stream is given of the rate, in bits per second: more than speech needs, less than would be missed.
pub(crate) const AUDIO_RATE: u64 = 64_000;
/// What one video can make use of, if nothing else is said, in bits per second: more is not looked for.
const VIDEO_RATE: u64 = 5_000_000;

/// Most bytes that packets which are sent on take: what the slowest of those who get them may still ask for.
const STORE: usize = 32 << 20;

/// A section.
#[derive(Debug)]
pub(crate) struct Section {
    pub(crate) plan: MediaPlan,
    /// Where what is agreed on of received packets lies.
    pub(crate) extensions: Map,
    pub(crate) formats: Formats,
    /// What we send, by encoding.
    pub(crate) sending: Vec<Sending>,
    pub(crate) streams: Vec<Stream>,
    pub(crate) rewriter: Rewriter,
    pub(crate) recovery: Option<Recovering>,
    /// Counts of what recovered before that.
    recovered: RecoveryStats,
    pub(crate) delivery: Delivery,
    /// The most that the application sends, in bits per second.
    pub(crate) max_bitrate: Option<u64>,
    pub(crate) frames: Queue<IncomingFrame>,
    pub(crate) packets: Queue<IncomingPacket>,
    pub(crate) shared: Queue<Forwardable>,
    /// Where packets that are sent on lie.
    pub(crate) store: Store,
    /// What is sent comes as packets of other sessions.
    pub(crate) forwards: bool,
    limits: [EncodingLimits; MAX_ENCODINGS],
}

/// What repairs the streams of a section, from the first repair packet on: until then nothing is kept for it.
#[derive(Debug)]
pub(crate) struct Recovering {
    pub(crate) scheme: Scheme,
    pub(crate) recovery: Box<Recovery>,
    /// Packets of media since the last repair packet.
    idle: u32,
}

/// Packets of media without any repair packet after which none is expected any more: some ten seconds.
const MAX_IDLE: u32 = 4096;

/// An encoding that we send.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sending {
    pub(crate) ssrc: Ssrc,
    pub(crate) stream: StreamId,
    /// Pictures sent so far: what VP8 and VP9 number them by.
    pub(crate) pictures: u16,
    /// Its share of what may be sent, in bits per second, as told last.
    pub(crate) target: u64,
    /// Whether anything of it is sent.
    pub(crate) is_active: bool,
}

/// What the numbers of received packets stand for.
#[derive(Debug, Default)]
pub(crate) struct Formats {
    /// Media.
    pub(crate) media: Vec<(PayloadType, Codec)>,
    /// Retransmissions, and what they are of.
    pub(crate) rtx: Vec<(PayloadType, PayloadType)>,
    pub(crate) red: Option<PayloadType>,
    /// Repair packets.
    pub(crate) repair: Vec<(PayloadType, Scheme)>,
}

/// Names of the formats of repair packets, the preferred first: a stream of its own leaves the packets of media as they are.
const SCHEMES: [(&str, Scheme); 3] =
    [("flexfec", Scheme::Flex), ("flexfec-03", Scheme::Flex03), ("ulpfec", Scheme::Ulp)];

/// A number of a description as one of packets.
pub(crate) const fn number(number: SdpNumber) -> PayloadType {
    PayloadType::from_byte(number.get())
}

impl Formats {
    fn of(plan: &MediaPlan) -> Self {
        let mut formats = Self::default();
        for codec in &plan.codecs {
            let received = number(codec.receive_payload_type);
            let scheme = SCHEMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(&codec.name));
            match (Codec::from_name(&codec.name), scheme) {
                (Some(known), _) => formats.media.push((received, known)),
                (None, Some((_, scheme))) => formats.repair.push((received, *scheme)),
                (None, None) if codec.name.eq_ignore_ascii_case("red") => formats.red = Some(received),
                _ => {}
            }
            if let Some(rtx) = codec.rtx {
                formats.rtx.push((number(rtx.receive_payload_type), received));
            }
        }
        formats
    }

    /// The format of a number, wrapped or not.
    pub(crate) fn codec(&self, payload_type: PayloadType) -> Option<Codec> {
        self.media.iter().find(|(known, _)| *known == payload_type).map(|(_, codec)| *codec)
    }

    /// Whether packets with this number are retransmissions.
    pub(crate) fn is_rtx(&self, payload_type: PayloadType) -> bool {
        self.rtx.iter().any(|(rtx, _)| *rtx == payload_type)
    }

    /// How packets with this number repair others.
    pub(crate) fn scheme(&self, payload_type: PayloadType) -> Option<Scheme> {
        self.repair.iter().find(|(repair, _)| *repair == payload_type).map(|(_, scheme)| *scheme)
    }

    /// Whether the section has any use for this number.
    pub(crate) fn has(&self, payload_type: PayloadType) -> bool {
        let helps = self.red == Some(payload_type) || self.scheme(payload_type).is_some();
        helps || self.codec(payload_type).is_some() || self.is_rtx(payload_type)
    }
}

impl Section {
    pub(crate) fn new(plan: MediaPlan) -> Self {
        let mut section = Self {
            extensions: Map::default(),
            formats: Formats::default(),
            sending: Vec::new(),
            streams: Vec::new(),
            rewriter: Rewriter::new(),
            recovery: None,
            recovered: RecoveryStats::default(),
            delivery: Delivery::default(),
            max_bitrate: None,
            frames: Queue::default(),
            packets: Queue::default(),
            shared: Queue::default(),
            store: Store::new(STORE),
            forwards: false,
            limits: [EncodingLimits::default(); MAX_ENCODINGS],
            plan,
        };
        section.agree();
        section
    }

    /// Another exchange has changed what is agreed on.
    pub(crate) fn update(&mut self, plan: MediaPlan) {
        if self.plan != plan {
            self.plan = plan;
            self.agree();
        }
    }

    pub(crate) fn id(&self) -> TransceiverId {
        self.plan.transceiver
    }

    /// The most that can be made use of, in bits per second: what the application and the peer say.
    pub(crate) fn most(&self) -> u64 {
        let usual = if self.is_video() { VIDEO_RATE } else { AUDIO_RATE };
        let active = (0..self.sending.len()).filter(|encoding| self.is_active(*encoding));
        let allowed = active.fold(0, |sum: u64, encoding| sum.saturating_add(self.allowed(encoding)));
        self.max_bitrate.unwrap_or(usual).min(self.plan.max_bitrate.unwrap_or(u64::MAX)).min(allowed)
    }

    /// Whether an encoding is to be sent: the application and the peer may switch it off.
    pub(crate) fn is_active(&self, encoding: usize) -> bool {
        let is_paused = self.plan.encodings.get(encoding).is_some_and(|sent| sent.paused);
        !is_paused && self.limits.get(encoding).is_none_or(|limits| limits.active)
    }

    /// The most that an encoding may be given, in bits per second.
    pub(crate) fn allowed(&self, encoding: usize) -> u64 {
        self.limits.get(encoding).and_then(|limits| limits.max_bitrate).unwrap_or(u64::MAX)
    }

    /// Whether anything is sent.
    pub(crate) fn sends(&self) -> bool {
        self.sending.iter().any(|sending| sending.is_active)
    }

    pub(crate) fn is_video(&self) -> bool {
        self.plan.kind == MediaKind::Video
    }

    /// Whether the peer gives and takes this feedback for some format of the section.
    pub(crate) fn has_feedback(&self, feedback: &Feedback) -> bool {
        self.plan.codecs.iter().any(|codec| codec.feedback.contains(feedback))
    }

    /// Formats of media that can be sent, the preferred first: place in the plan, and what it is.
    pub(crate) fn sendable(&self) -> impl Iterator<Item = (&Agreed, Codec)> {
        self.plan.codecs.iter().filter_map(|codec| {
            let known = Codec::from_name(&codec.name)?;
            let is_media = !matches!(known, Codec::TelephoneEvent | Codec::ComfortNoise);
            is_media.then_some((codec, known))
        })
    }

    /// The one at this place, or the first.
    pub(crate) fn format(&self, place: usize) -> Option<(&Agreed, Codec)> {
        self.sendable().nth(place).or_else(|| self.sendable().next())
    }

    /// How the encoding at this place is sent in this format; `None` if there is no such encoding.
    pub(crate) fn stream_config(
        &self,
        encoding: usize,
        (agreed, codec): (&Agreed, Codec),
        max_packet: usize,
    ) -> Option<StreamConfig> {
        let sent = self.plan.encodings.get(encoding)?;
        let mut config = StreamConfig::new(Ssrc(sent.ssrc), number(agreed.send_payload_type), codec);
        config.clock_rate = agreed.clock_rate;
        config.extensions = self.map(|direction| direction.sends());
        config.mid = self.plan.mid.as_deref().map(Box::from);
        config.rid = sent.rid.as_ref().map(|rid| rid.as_str().into());
        let nacks = agreed.feedback.contains(&Feedback::Nack);
        let companion =
            |rtx: Rtx| Companion { ssrc: Ssrc(sent.repair_ssrc), payload_type: number(rtx.send_payload_type) };
        config.rtx = agreed.rtx.filter(|_| nacks).map(companion);
        config.max_packet = max_packet;
        let named = |name: &str| self.plan.codecs.iter().find(|codec| codec.name.eq_ignore_ascii_case(name));
        if codec == Codec::Opus {
            config.redundancy = named("red").map(|red| (number(red.send_payload_type), 0));
        }
        if !codec.is_video() {
            return Some(config);
        }
        let found = SCHEMES.iter().find_map(|(name, scheme)| Some((named(name)?, *scheme)));
        match found.map(|(repair, scheme)| (number(repair.send_payload_type), scheme)) {
            // Browsers take no repair of H.264 by RED: its packets cannot be told to begin a frame once one is missing. What is
            // wrapped in RED is sent again as RED, so that has to have retransmissions of its own, if the format has.
            Some((ulpfec, Scheme::Ulp)) => {
                let red = named("red").filter(|red| config.rtx.is_none() || red.rtx.is_some());
                if let Some(red) = red.filter(|_| matches!(codec, Codec::Vp8 | Codec::Vp9)) {
                    config.protection = Some(Protection::Ulp { red: number(red.send_payload_type), ulpfec });
                    config.rtx = config.rtx.and(red.rtx.map(companion));
                }
            }
            Some((payload_type, scheme)) => {
                let companion = Companion { ssrc: Ssrc(sent.fec_ssrc), payload_type };
                config.protection = Some(Protection::Flex { companion, scheme });
            }
            None => {}
        }
        Some(config)
    }

    /// A sender report of some stream of the peer's. Whether there is something to read now, after there was nothing.
    pub(crate) fn sender_report(&mut self, now: Instant, info: &SenderInfo) -> bool {
        let Some(stream) = self.streams.iter_mut().find(|stream| stream.ssrc == info.ssrc) else { return false };
        stream.sender_report(now, info);
        if self.delivery != Delivery::Forward {
            return false;
        }
        let (source, ntp, timestamp) = (info.ssrc, info.ntp, info.timestamp);
        // The packet behind it is not the first one any more: whoever waits is woken for this.
        self.shared.push(Forwardable::Report { source, ntp, timestamp }).0
    }

    /// What comes, to be chosen from.
    pub(crate) fn sources(&self, now: Instant) -> Vec<Source> {
        let tell = |stream: &Stream| {
            let Receiver::Packets(_, Reading::Layers(intake)) = &stream.receiver else { return None };
            let size = intake.dimensions();
            Some(Source {
                ssrc: stream.ssrc,
                rid: stream.rid.clone(),
                codec: stream.codec,
                pixels: size.map_or(0, |size| u64::from(size.width) * u64::from(size.height)),
                layers: intake.meter().rates(now).collect(),
            })
        };
        self.streams.iter().filter_map(tell).collect()
    }

    /// The application wants something else.
    pub(crate) fn wish(&mut self, wish: Wish) {
        self.max_bitrate = wish.max_bitrate;
        self.forwards = wish.forwards;
        self.limits = wish.encodings;
        if self.delivery != wish.delivery {
            self.delivery = wish.delivery;
            self.frames.clear();
            self.packets.clear();
            self.shared.clear();
        }
    }

    /// A repair packet has come.
    pub(crate) fn handle_repair(&mut self, packet: &Packet<'_>, scheme: Scheme) {
        if !self.is_video() {
            return;
        }
        if self.recovery.as_ref().is_some_and(|recovering| recovering.scheme != scheme) {
            self.end_recovery();
        }
        let recovering = self.recovery.get_or_insert_with(|| Recovering {
            scheme,
            recovery: Box::new(Recovery::new(scheme, RecoveryConfig::default())),
            idle: 0,
        });
        recovering.idle = 0;
        recovering.recovery.handle_repair(packet);
    }

    /// A packet of media has come as it was sent: others may be recovered by it. One that was sent again does not do, because its
    /// header extensions are others.
    pub(crate) fn keep_for_repair(&mut self, packet: &[u8]) {
        let Some(recovering) = &mut self.recovery else { return };
        recovering.idle += 1;
        if recovering.idle > MAX_IDLE {
            self.end_recovery();
        } else {
            recovering.recovery.handle_media(packet);
        }
    }

    /// The stream of the encoding of this name that has none of retransmissions yet; without a name, the only one.
    pub(crate) fn repaired(&self, rid: Option<&str>) -> Option<Ssrc> {
        let mut named = self.streams.iter().filter(|stream| rid.is_none() || stream.rid.as_deref() == rid);
        let found = named.next_back()?.ssrc;
        (rid.is_some() || named.next().is_none()).then_some(found)
    }

    /// A name of the peer's, if it was agreed on.
    pub(crate) fn known_rid(&self, rid: &str) -> Option<Arc<str>> {
        self.plan.receive_rids.iter().find(|known| known.as_str() == rid).map(|known| known.as_str().into())
    }

    /// What repair packets were good for, of whichever kind they were.
    pub(crate) fn recovery_stats(&self) -> RecoveryStats {
        let RecoveryStats { repairs, unused, recovered, malformed, .. } = self.recovered;
        let mut all = self.recovery.as_ref().map(|recovering| recovering.recovery.stats()).unwrap_or_default();
        all.repairs += repairs;
        all.unused += unused;
        all.recovered += recovered;
        all.malformed += malformed;
        all
    }

    fn end_recovery(&mut self) {
        self.recovered = self.recovery_stats();
        self.recovery = None;
    }

    fn agree(&mut self) {
        self.extensions = self.map(|direction| direction.receives());
        self.formats = Formats::of(&self.plan);
        self.rewriter = {
            let mut rewriter = core::mem::take(&mut self.rewriter);
            self.formats.rtx.iter().for_each(|(rtx, of)| rewriter.associate(*rtx, *of));
            for stream in &self.plan.remote_streams {
                if let Some(repair) = stream.repair_ssrc {
                    rewriter.pair(Ssrc(repair), Ssrc(stream.ssrc));
                }
            }
            rewriter.set_red(self.formats.red.filter(|_| self.is_video()));
            rewriter
        };
        let scheme = self.recovery.as_ref().map(|recovering| recovering.scheme);
        if scheme.is_some_and(|scheme| !self.formats.repair.iter().any(|(_, agreed)| *agreed == scheme)) {
            self.end_recovery();
        }
    }

    fn map(&self, goes: impl Fn(peerage_sdp::attribute::direction::Direction) -> bool) -> Map {
        let mut map = Map::new(self.plan.mixed_extensions);
        for extension in self.plan.extensions.iter().filter(|extension| goes(extension.direction)) {
            if let Some(kind) = Extension::of_uri(&extension.uri) {
                // Descriptions give no identifier twice.
                let _ = map.insert(kind, extension.id);
            }
        }
        map
    }
}
