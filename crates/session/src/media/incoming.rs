//! Packets of the peer: whose they are, what they repair, and what becomes of them.

use alloc::boxed::Box;
use alloc::vec::Vec;

use bytes::Bytes;
use peerage_base::ecn::Ecn;
use peerage_base::time::{Duration, Instant};
use peerage_jsep::transceiver::TransceiverId;
use peerage_media::receive::audio::{AudioReceiver, Config as AudioConfig};
use peerage_media::receive::nack::{self, Origin};
use peerage_media::receive::passing::{Config as PassingConfig, Passing};
use peerage_media::receive::repair::Unwrapped;
use peerage_media::receive::sync::Mapping;
use peerage_media::receive::video::{Config as VideoConfig, VideoReceiver};
use peerage_media::send::forward::intake::Intake;
use peerage_rtp::extension::audio_level::AudioLevel;
use peerage_rtp::extension::element::Element as _;
use peerage_rtp::extension::mid::Mid;
use peerage_rtp::extension::repaired_rid::RepairedRid;
use peerage_rtp::extension::rid::Rid;
use peerage_rtp::extension::transport_sequence_number::TransportSequenceNumber;
use peerage_rtp::extension::video_orientation::VideoOrientation;
use peerage_rtp::numbers::{PayloadType, Ssrc, Timestamp};
use peerage_rtp::packet::{Packet, raw};
use peerage_rtp::payload::codec::Codec;
use peerage_rtp::payload::depacketizer::{Depacketizer, Limits};
use peerage_rtp::payload::fec::header::Scheme;
use peerage_rtp::payload::info::{Layers, Start};
use peerage_rtp::payload::red;
use peerage_sdp::attribute::rtcp_fb::Feedback;

use super::Media;
use super::event::MediaEvent;
use super::frames::{Forwardable, IncomingFrame, IncomingPacket};
use super::section::{MAX_STREAMS, Section};
use super::stream::{Reading, Receiver, Recent, Stream};
use crate::delivery::Delivery;

/// How soon after a key frame that was asked for another one is, where many views share it.
const SHARED_PAUSE: Duration = Duration::from_secs(1);

/// Most sources of the peer that are told apart.
pub(crate) const MAX_SOURCES: usize = 256;

/// Whose packets a source's are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bound {
    pub(crate) transceiver: TransceiverId,
}

impl Media {
    /// Takes in a packet of RTP, opened.
    pub(crate) fn handle_rtp(&mut self, now: Instant, bytes: &mut [u8], ecn: Ecn) {
        let Ok(packet) = Packet::parse(bytes) else {
            self.drops.malformed += 1;
            return;
        };
        let header = packet.header;
        let Some(at) = self.route(&packet) else {
            self.drops.unknown += 1;
            return;
        };
        self.is_fresh = true;
        let section = &mut self.sections[at];
        let across = section.extensions.get::<TransportSequenceNumber>(&packet.extension).map(|number| number.0);
        self.arrivals.note(now, (header.ssrc, header.sequence_number), across, ecn);
        if section.formats.is_rtx(header.payload_type) {
            pair_by_name(section, &packet);
        }
        let (packet, origin) = match section.rewriter.unwrap(bytes) {
            Ok(Unwrapped::Sent(packet)) => (&*packet, Origin::Sent),
            Ok(Unwrapped::Retransmitted(packet)) => (&*packet, Origin::Retransmitted),
            Ok(Unwrapped::Padding) => return,
            Err(_) => {
                self.drops.malformed += 1;
                return;
            }
        };
        self.handle_unwrapped(now, at, packet, origin);
        self.recover(now, at);
        self.read_video(now, at);
    }

    /// The peer's announced streams are known before their packets come.
    pub(crate) fn bind_announced(&mut self) {
        let announced = self.sections.iter().filter(|section| section.plan.direction.receives()).flat_map(|section| {
            let id = section.id();
            let streams = section.plan.remote_streams.iter();
            streams.flat_map(move |stream| {
                [Some(stream.ssrc), stream.repair_ssrc, stream.fec_ssrc].into_iter().flatten().map(move |s| (s, id))
            })
        });
        for (ssrc, transceiver) in announced.take(MAX_SOURCES).collect::<Vec<_>>() {
            self.sources.insert(Ssrc(ssrc), Bound { transceiver });
        }
    }

    /// Reads what can be decoded now.
    pub(crate) fn read_video(&mut self, now: Instant, at: usize) {
        let Self { sections, events, .. } = self;
        let Some(section) = sections.get_mut(at).filter(|section| section.is_video()) else { return };
        let id = section.id();
        for stream in &mut section.streams {
            let Receiver::Video(video) = &mut stream.receiver else { continue };
            let mut payload = Vec::new();
            while let Some(frame) = video.poll_frame(now, &mut payload) {
                let picture = frame.picture;
                stream.shown = Some((picture.timestamp, frame.render_at));
                let item = IncomingFrame {
                    payload: Bytes::from(core::mem::take(&mut payload)),
                    codec: stream.codec,
                    payload_type: stream.payload_type,
                    timestamp: picture.timestamp,
                    is_key: picture.is_key,
                    follows_gap: frame.skips,
                    render_at: frame.render_at,
                    ssrc: stream.ssrc,
                    rid: stream.rid.clone(),
                    layers: picture.info.layers,
                    captured: stream.clock.captured(picture.timestamp),
                    audio_level: None,
                    orientation: stream.orientation,
                };
                let (is_first, overflowed) = section.frames.push(item);
                if is_first {
                    events.push_back(MediaEvent::Readable(id));
                }
                if overflowed {
                    // What is left cannot be decoded without what was dropped.
                    section.frames.clear();
                    video.request_key_frame(now);
                }
            }
        }
    }

    /// A source of the peer's has ended.
    pub(crate) fn forget_stream(&mut self, ssrc: Ssrc) {
        for section in &mut self.sections {
            section.streams.retain(|stream| stream.ssrc != ssrc);
        }
        self.sources.remove(&ssrc);
        self.arrivals.forget(ssrc);
    }

    /// The section that a packet belongs to (RFC 9143 §9.2): the one that it names, or that its source is known to be of, or the
    /// only one with its format.
    fn route(&mut self, packet: &Packet<'_>) -> Option<usize> {
        let header = &packet.header;
        let by_source = self.sources.get(&header.ssrc).map(|bound| bound.transceiver);
        // An identifier means the same in all sections of one transport (RFC 9143 §9.2, RFC 8285 §7).
        let name = self.mid.and_then(|id| Mid::parse(packet.extension.get(id)?));
        let at = match name {
            Some(Mid(name)) => self.sections.iter().position(|section| section.plan.mid.as_deref() == Some(name))?,
            None => match by_source {
                Some(id) => self.sections.iter().position(|section| section.id() == id)?,
                None => {
                    let has = |section: &Section| section.formats.has(header.payload_type);
                    let mut those = self.sections.iter().enumerate().filter(|(_, section)| has(section));
                    let (at, _) = those.next()?;
                    those.next().is_none().then_some(at)?
                }
            },
        };
        let section = &self.sections[at];
        if !section.plan.direction.receives() || !section.formats.has(header.payload_type) {
            return None;
        }
        if by_source != Some(section.id()) {
            if self.sources.len() >= MAX_SOURCES && by_source.is_none() {
                self.drops.sources += 1;
                return None;
            }
            self.sources.insert(header.ssrc, Bound { transceiver: section.id() });
        }
        Some(at)
    }

    /// A packet as it was first sent.
    fn handle_unwrapped(&mut self, now: Instant, at: usize, bytes: &[u8], origin: Origin) {
        let Self { sections, arena, events, drops, round_trip, .. } = self;
        let section = &mut sections[at];
        let Ok(mut packet) = Packet::parse(bytes) else {
            drops.malformed += 1;
            return;
        };
        let scheme = section.formats.scheme(packet.header.payload_type);
        match scheme {
            Some(scheme) => section.handle_repair(&packet, scheme),
            None if origin == Origin::Sent => section.keep_for_repair(bytes),
            None => {}
        }
        if scheme.is_some() || packet.payload.is_empty() {
            // Inside RED repair and padding have numbers among those of the media: for it there is nothing in them.
            let known = section.streams.iter().find(|stream| stream.ssrc == packet.header.ssrc);
            let Some(stream) = known.filter(|_| scheme.is_none_or(|scheme| scheme == Scheme::Ulp)) else { return };
            (packet.payload, packet.header.payload_type) = (&[], stream.payload_type);
        }
        let header = packet.header;
        let wrapped = !section.is_video() && section.formats.red == Some(header.payload_type);
        let inner = if wrapped { inner_type(packet.payload) } else { Some(header.payload_type) };
        let Some(codec) = inner.and_then(|inner| section.formats.codec(inner)) else {
            drops.unknown += 1;
            return;
        };
        let id = section.id();
        let Some(place) = find_stream(section, now, &packet, codec, *round_trip) else {
            drops.sources += 1;
            return;
        };
        let Section { extensions, formats, streams, frames, packets, shared, store, .. } = section;
        let stream = &mut streams[place];
        stream.heard = now;
        if let Some(orientation) = extensions.get::<VideoOrientation>(&packet.extension) {
            stream.orientation = Some(orientation);
        }
        let is_first = match &mut stream.receiver {
            Receiver::Video(video) => {
                video.handle_packet(now, &packet, origin);
                false
            }
            Receiver::Playout(audio) => {
                match origin {
                    Origin::Sent => audio.handle_packet(now, &packet),
                    _ => audio.handle_retransmission(now, &packet),
                }
                false
            }
            Receiver::Packets(passing, reading) => {
                let Some(index) = passing.handle_packet(now, &header, packet.payload.len(), origin) else { return };
                match reading {
                    Reading::Layers(intake) => {
                        let Ok(kept) = intake.take(now, &packet, store) else {
                            drops.malformed += 1;
                            return;
                        };
                        let info = kept.incoming().info;
                        if info.is_key && info.start != Start::No {
                            passing.key_frame();
                        }
                        shared.push(Forwardable::Packet { shared: kept, codec, rid: stream.rid.clone() }).0
                    }
                    Reading::Plain(_) if packet.payload.is_empty() => return,
                    Reading::Plain(depacketizer) => {
                        let info = depacketizer.inspect(packet.payload, header.marker).unwrap_or_default();
                        if info.is_key && info.start != Start::No {
                            passing.key_frame();
                        }
                        let bytes = arena.copy(bytes);
                        packets.push(IncomingPacket { bytes, index, codec, arrived: now, rid: stream.rid.clone() }).0
                    }
                }
            }
            Receiver::Audio(passing, recent) => {
                if passing.handle_packet(now, &header, packet.payload.len(), origin).is_none() {
                    return;
                }
                let mut is_first = false;
                let level = extensions.get::<AudioLevel>(&packet.extension);
                for (payload_type, timestamp, payload) in sounds(wrapped, &packet) {
                    let Some(codec) = formats.codec(payload_type).filter(|_| !payload.is_empty()) else { continue };
                    if !recent.is_new(timestamp) {
                        continue;
                    }
                    let item = IncomingFrame {
                        payload: arena.copy(payload),
                        codec,
                        payload_type,
                        timestamp,
                        is_key: true,
                        follows_gap: false,
                        render_at: now,
                        ssrc: header.ssrc,
                        rid: None,
                        layers: Layers::default(),
                        captured: stream.clock.captured(timestamp),
                        audio_level: level.filter(|_| timestamp == header.timestamp),
                        orientation: None,
                    };
                    is_first |= frames.push(item).0;
                }
                is_first
            }
        };
        if is_first {
            events.push_back(MediaEvent::Readable(id));
        }
    }

    /// Takes in what repair packets and others make up for.
    fn recover(&mut self, now: Instant, at: usize) {
        loop {
            let section = &mut self.sections[at];
            let found = section.recovery.as_mut().and_then(|recovering| recovering.recovery.poll());
            let Some(packet) = found.map(<[u8]>::to_vec) else { return };
            // What protects one section tells nothing of another.
            let source = raw::ssrc(&packet).and_then(|ssrc| self.sources.get(&ssrc));
            if source.is_none_or(|bound| bound.transceiver != section.id()) {
                self.drops.unknown += 1;
                continue;
            }
            self.handle_unwrapped(now, at, &packet, Origin::Recovered);
        }
    }
}

/// A stream of retransmissions that names what it repairs, or can only be of one stream.
fn pair_by_name(section: &mut Section, packet: &Packet<'_>) {
    let ssrc = packet.header.ssrc;
    if section.rewriter.media(ssrc).is_some() {
        return;
    }
    let rid = section.extensions.get::<RepairedRid<'_>>(&packet.extension).map(|rid| rid.0);
    if let Some(media) = section.repaired(rid) {
        section.rewriter.pair(ssrc, media);
    }
}

/// The format within RED.
fn inner_type(payload: &[u8]) -> Option<PayloadType> {
    let mut blocks = red::parse(payload).ok()?;
    blocks.find(|block| block.is_present).map(|block| block.payload_type)
}

/// The frames of a packet of audio, earlier ones that it repeats first.
fn sounds<'p>(wrapped: bool, packet: &Packet<'p>) -> impl Iterator<Item = (PayloadType, Timestamp, &'p [u8])> {
    let header = packet.header;
    let whole = (!wrapped).then_some((header.payload_type, header.timestamp, packet.payload));
    let blocks = if wrapped { red::parse(packet.payload).ok() } else { None };
    let blocks = blocks.into_iter().flatten().map(move |block| {
        (block.payload_type, Timestamp(header.timestamp.0.wrapping_sub(block.offset)), block.payload)
    });
    whole.into_iter().chain(blocks)
}

/// The stream that a packet is of, made if it is the first; `None` if there are too many.
fn find_stream(
    section: &mut Section,
    now: Instant,
    packet: &Packet<'_>,
    codec: Codec,
    round_trip: Option<Duration>,
) -> Option<usize> {
    let ssrc = packet.header.ssrc;
    let known = section.streams.iter().position(|stream| stream.ssrc == ssrc);
    let fits = |stream: &Stream| match &stream.receiver {
        Receiver::Video(_) => stream.codec == codec && !section.delivery.is_packets(),
        Receiver::Playout(_) => section.delivery == Delivery::Playout,
        Receiver::Audio(..) => section.delivery == Delivery::Frames,
        Receiver::Packets(_, Reading::Plain(_)) => stream.codec == codec && section.delivery == Delivery::Packets,
        Receiver::Packets(_, Reading::Layers(_)) => stream.codec == codec && section.delivery == Delivery::Forward,
    };
    if let Some(at) = known.filter(|at| fits(&section.streams[*at])) {
        let stream = &mut section.streams[at];
        (stream.codec, stream.payload_type) = (codec, packet.header.payload_type);
        return Some(at);
    }
    let rid = section.extensions.get::<Rid<'_>>(&packet.extension).and_then(|rid| section.known_rid(rid.0));
    let receiver = receiver(section, ssrc, packet.header.payload_type, codec);
    let clock_rate = clock_rate(section, packet.header.payload_type, codec);
    let mut stream = Stream {
        ssrc,
        rid,
        codec,
        payload_type: packet.header.payload_type,
        receiver,
        clock_rate,
        clock: Mapping::new(clock_rate),
        orientation: None,
        shown: None,
        heard: now,
    };
    if let Some(round_trip) = round_trip {
        stream.set_round_trip(round_trip);
    }
    if let Some(at) = known {
        // Another format, or another use of it: nothing of before helps.
        stream.rid = stream.rid.or(section.streams[at].rid.take());
        section.streams[at] = stream;
        return Some(at);
    }
    if section.streams.len() >= MAX_STREAMS {
        let (oldest, _) = section.streams.iter().enumerate().min_by_key(|(_, stream)| stream.heard)?;
        section.streams.remove(oldest);
    }
    section.streams.push(stream);
    Some(section.streams.len() - 1)
}

fn clock_rate(section: &Section, payload_type: PayloadType, codec: Codec) -> u32 {
    let of = section.plan.codecs.iter().find(|agreed| agreed.receive_payload_type.get() == payload_type.value());
    of.map_or(codec.clock_rate(), |agreed| agreed.clock_rate)
}

fn receiver(section: &Section, ssrc: Ssrc, payload_type: PayloadType, codec: Codec) -> Receiver {
    let nacks = section.has_feedback(&Feedback::Nack);
    let mut asks = nack::Config::default();
    if !nacks {
        asks.asks = 0;
    }
    let clock_rate = clock_rate(section, payload_type, codec);
    let passing = |nack| {
        let mut config = PassingConfig::new(clock_rate);
        config.nack = nack;
        if section.delivery == Delivery::Forward {
            // Viewers come and go, and each needs a key frame to begin with.
            config.key_request.pause = SHARED_PAUSE;
        }
        Box::new(Passing::new(ssrc, config))
    };
    match (section.delivery, codec.is_video()) {
        (Delivery::Packets | Delivery::Forward, is_video) => {
            let reading = match section.delivery {
                Delivery::Forward => Reading::Layers(Box::new(Intake::new(codec, section.extensions.clone()))),
                _ => Reading::Plain(Depacketizer::new(codec, Limits::default())),
            };
            Receiver::Packets(passing((nacks && is_video).then_some(asks)), reading)
        }
        (_, true) => {
            let mut config = VideoConfig::new(codec);
            config.extensions = section.extensions.clone();
            config.nack = asks;
            Receiver::Video(Box::new(VideoReceiver::new(ssrc, config)))
        }
        (Delivery::Frames, false) => Receiver::Audio(passing(None), Recent::default()),
        (Delivery::Playout, false) => {
            let mut config = AudioConfig::new(payload_type, codec);
            config.clock_rate = clock_rate;
            config.formats.clone_from(&section.formats.media);
            config.red = section.formats.red;
            config.nack = nacks.then_some(asks);
            Receiver::Playout(Box::new(AudioReceiver::new(ssrc, config)))
        }
    }
}
