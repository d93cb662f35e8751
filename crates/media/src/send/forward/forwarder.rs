//! One outgoing stream made of one of several incoming ones: the encodings of a simulcast sender, or the speakers of a call.

use peerage_base::rng::Rng;
use peerage_base::serial::Serial as _;
use peerage_base::time::Instant;
use peerage_rtp::error::ParseError;
use peerage_rtp::ntp::{Ntp, WallClock};
use peerage_rtp::numbers::{PayloadType, SequenceNumber, Ssrc, Timestamp};
use peerage_rtp::packet::Header;
use peerage_rtp::packet::rewrite::PacketMut;
use peerage_rtp::payload::codec::Codec;
use peerage_rtp::payload::info::{Info, PictureId, Start};
use peerage_rtp::payload::{vp8, vp9};
use peerage_rtp::rtcp::sender_report::SenderInfo;

use super::clocks::{Clocks, go_on};
use super::numbers::Numbers;
use super::scalable::Scalable;
use super::targets::{Limit, Targets};

/// What an outgoing stream is.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Its source.
    pub ssrc: Ssrc,
    /// Number of its format on this connection.
    pub payload_type: PayloadType,
    /// Its format, that of all incoming streams.
    pub codec: Codec,
    /// Ticks of the timestamp in a second; that of the codec.
    pub clock_rate: u32,
    /// Identifier of the dependency descriptor in the packets that leave; none.
    pub descriptor_id: Option<u8>,
}

impl Config {
    /// An outgoing stream.
    pub const fn new(ssrc: Ssrc, payload_type: PayloadType, codec: Codec) -> Self {
        Self { ssrc, payload_type, codec, clock_rate: codec.clock_rate(), descriptor_id: None }
    }
}

/// A packet that came, opened.
#[derive(Clone, Copy, Debug, Default)]
pub struct Incoming {
    /// Its header.
    pub header: Header,
    /// What its payload tells.
    pub info: Info,
    /// Number of its frame, if it has a dependency descriptor.
    pub frame_number: Option<u16>,
    /// Length of its payload in bytes, for sender reports.
    pub payload_len: u32,
    /// What its frame is under each limit of layers, if it has a dependency descriptor.
    pub targets: Option<Targets>,
    /// It holds padding only, and is left out.
    pub is_padding: bool,
}

/// How a packet is to be changed to be part of the outgoing stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rewrite {
    /// Its new number.
    pub sequence_number: SequenceNumber,
    /// Its new timestamp.
    pub timestamp: Timestamp,
    /// Its marker: where higher spatial layers are left out, another packet is the last of the picture.
    pub marker: bool,
    /// New number of its picture, for formats that have one.
    pub picture_id: u16,
    /// New number of the last picture of temporal layer 0.
    pub tl0_index: u8,
    /// New number of its frame, if it has a dependency descriptor.
    pub frame_number: Option<u16>,
}

impl Rewrite {
    /// Changes what the payload itself says of its number.
    pub(in crate::send) fn payload(&self, codec: Codec, payload: &mut [u8]) {
        match codec {
            Codec::Vp8 => vp8::descriptor::renumber(payload, self.picture_id, self.tl0_index),
            Codec::Vp9 => vp9::descriptor::renumber(payload, self.picture_id, self.tl0_index),
            _ => {}
        }
    }
}

/// The last packet that left.
#[derive(Clone, Copy, Debug)]
struct Last {
    timestamp: Timestamp,
    at: Instant,
    tl0_index: u8,
    frame_number: u16,
}

/// Where the outgoing stream comes from.
#[derive(Clone, Debug)]
struct Current {
    source: Ssrc,
    timestamp_offset: u32,
    tl0_offset: u8,
    frame_offset: u16,
    /// Timestamp of the newest frame, as it came, and the temporal layer up to which it is passed on.
    newest: Timestamp,
    temporal: u8,
    /// The spatial layer up to which pictures are passed on.
    spatial: u8,
    /// Layers that are wanted have come, and cannot be decoded before a key picture.
    needs_key: bool,
    /// The same for streams whose frames tell what they depend on.
    scalable: Scalable,
}

/// Chooses and renumbers packets. A switch between sources takes place at a key frame of the new one, and until it comes the old one
/// goes on: ask for it when [`wants_key_frame`](Self::wants_key_frame) says so.
#[derive(Clone, Debug)]
pub struct Forwarder {
    pub(super) config: Config,
    wanted: Option<Ssrc>,
    max_temporal: u8,
    max_spatial: u8,
    /// What the first number is seen as, and what is added to timestamps of the first source.
    first: (u16, u32),
    current: Option<Current>,
    numbers: Option<Numbers>,
    pictures: Option<Numbers>,
    clocks: Clocks,
    last: Option<Last>,
    /// Packets and bytes of payload that were passed on.
    counts: (u32, u32),
}

impl Forwarder {
    /// An outgoing stream that has no source yet.
    pub fn new(config: Config, rng: &mut Rng) -> Self {
        Self {
            config,
            wanted: None,
            max_temporal: u8::MAX,
            max_spatial: u8::MAX,
            // Below half, so that the first wrap comes late enough for both ends to agree on the rollover counter.
            first: (rng.below(0x8000) as u16, rng.u32()),
            current: None,
            numbers: None,
            pictures: None,
            clocks: Clocks::default(),
            last: None,
            counts: (0, 0),
        }
    }

    /// Goes on as another format, or under another number of it.
    pub fn reconfigure(&mut self, config: Config) {
        self.config = config;
    }

    /// Chooses the source; `None` ends the stream until there is another.
    pub fn select(&mut self, source: Option<Ssrc>) {
        self.wanted = source;
        if source.is_none() {
            self.current = None;
        }
    }

    /// Leaves out what is above a temporal layer: at once if that is less than before, else from where one may switch to it.
    pub fn limit_temporal(&mut self, layer: u8) {
        self.max_temporal = layer;
    }

    /// Leaves out what is above a spatial layer: from the next picture on if that is less than before, else from the next key
    /// picture on. Where frames tell what they depend on, from the first one on that allows it: layers of which each has its
    /// own chain between key pictures need one for less, too.
    pub fn limit_spatial(&mut self, layer: u8) {
        self.max_spatial = layer;
    }

    /// A sender report of a source has come: by it timestamps go on rightly when sources change.
    pub fn sender_report(&mut self, now: Instant, source: Ssrc, ntp: Ntp, timestamp: Timestamp) {
        self.clocks.report(now, source, ntp, timestamp);
    }

    /// What a sender report of the outgoing stream says at `now`; `None` before the first packet. Streams of one sender stay
    /// aligned as far as its reports took equally long to come.
    pub fn sender_info(&self, now: Instant, wall: &WallClock) -> Option<SenderInfo> {
        let (timestamp, (packets, bytes)) = (self.timestamp(now)?, self.counts);
        Some(SenderInfo { ssrc: self.config.ssrc, ntp: wall.ntp(now), timestamp, packets, bytes })
    }

    /// The clock of the outgoing stream at `now`; `None` before the first packet.
    pub fn timestamp(&self, now: Instant) -> Option<Timestamp> {
        let last = self.last?;
        let told = self.current.as_ref().and_then(|current| {
            let (timestamp, at) = self.clocks.last(current.source)?;
            Some((timestamp.plus(current.timestamp_offset), at))
        });
        let (timestamp, at) = told.unwrap_or((last.timestamp, last.at));
        let passed = (now.since(at).as_nanos() * u128::from(self.config.clock_rate) / 1_000_000_000) as u32;
        Some(timestamp.plus(passed))
    }

    /// How far the clock of the publisher is ahead of ours, which says `ntp` at `now`, in units of 2^-32 s; `None` before its first
    /// sender report. Less by the time that one was on its way.
    pub(in crate::send) fn clock_ahead(&self, now: Instant, ntp: Ntp) -> Option<i64> {
        self.clocks.ahead(self.source()?, now, ntp)
    }

    /// What becomes of a packet; `None` if it is not passed on.
    pub fn forward(&mut self, now: Instant, packet: &Incoming) -> Option<Rewrite> {
        let source = packet.header.ssrc;
        let may_start = packet.info.is_key && packet.info.start != Start::No;
        if self.wanted == Some(source) && may_start && self.current.as_ref().is_none_or(|now| now.source != source) {
            self.switch(now, packet);
        }
        let current = self.current.as_mut().filter(|current| current.source == source)?;
        let (timestamp, limit) = (packet.header.timestamp, limit(self.max_spatial, self.max_temporal));
        let (leave_out, is_top) = current.leaves_out(packet, limit);
        let picture_id = match packet.info.picture_id {
            // A picture whose other packets were left out is left out as a whole, and one that was passed on as well.
            Some(id) => picture(&mut self.pictures, self.config.codec, id, leave_out),
            None => Some(0).filter(|_| !leave_out),
        };
        let number = packet.header.sequence_number.0;
        let mapped = self.numbers.as_mut()?.map(number, picture_id.is_none());
        let (sequence_number, picture_id) = (SequenceNumber(mapped?), picture_id?);
        let rewrite = Rewrite {
            sequence_number,
            timestamp: timestamp.plus(current.timestamp_offset),
            marker: packet.header.marker || is_top,
            picture_id,
            tl0_index: packet.info.tl0_index.unwrap_or(0).wrapping_add(current.tl0_offset),
            frame_number: packet.frame_number.map(|number| number.wrapping_add(current.frame_offset)),
        };
        self.note(now, &rewrite);
        self.counts = (self.counts.0.wrapping_add(1), self.counts.1.wrapping_add(packet.payload_len));
        Some(rewrite)
    }

    /// Changes a packet in place. Identifiers of header extensions are those that leave; the length stays.
    ///
    /// # Errors
    /// If it is no packet.
    pub fn rewrite(&self, packet: &mut [u8], rewrite: &Rewrite) -> Result<(), ParseError> {
        let mut packet = PacketMut::new(packet)?;
        packet.set_ssrc(self.config.ssrc);
        packet.set_payload_type(self.config.payload_type);
        packet.set_sequence_number(rewrite.sequence_number);
        packet.set_timestamp(rewrite.timestamp);
        packet.set_marker(rewrite.marker);
        if let (Some(id), Some(number)) = (self.config.descriptor_id, rewrite.frame_number)
            && let Some(place) = packet.element(id).and_then(|value| value.get_mut(1..3))
        {
            place.copy_from_slice(&number.to_be_bytes());
        }
        rewrite.payload(self.config.codec, packet.body());
        Ok(())
    }

    /// The source of which a key frame has to come: before anything of it is passed on, or layers that are wanted.
    pub fn wants_key_frame(&self) -> Option<Ssrc> {
        let is_had = |current: &Current| Some(current.source) == self.wanted && !current.needs_key();
        self.wanted.filter(|_| !self.current.as_ref().is_some_and(is_had))
    }

    /// The source that was chosen, be it passed on yet or not.
    pub fn wanted(&self) -> Option<Ssrc> {
        self.wanted
    }

    /// Where the outgoing stream comes from now.
    pub fn source(&self) -> Option<Ssrc> {
        self.current.as_ref().map(|current| current.source)
    }

    /// The packet of the current source that left with this number: what a receiver asks for by NACK.
    pub fn origin(&self, number: SequenceNumber) -> Option<(Ssrc, SequenceNumber)> {
        let source = self.source()?;
        Some((source, SequenceNumber(self.numbers.as_ref()?.origin(number.0)?)))
    }

    fn switch(&mut self, now: Instant, packet: &Incoming) {
        let Header { ssrc: source, sequence_number, timestamp, .. } = packet.header;
        let (last, before) = (self.last, self.current.as_ref());
        match &mut self.numbers {
            Some(numbers) => numbers.restart(sequence_number.0),
            None => self.numbers = Some(Numbers::new(sequence_number.0, self.first.0)),
        }
        if let Some(id) = packet.info.picture_id {
            match &mut self.pictures {
                Some(pictures) => pictures.restart(id.value()),
                None => self.pictures = Some(Numbers::new(id.value(), id.value())),
            }
        }
        let told = before.and_then(|before| {
            let between = self.clocks.between(before.source, source, self.config.clock_rate)?;
            Some(between.wrapping_add(before.timestamp_offset))
        });
        let tl0 = packet.info.tl0_index.unwrap_or(0);
        let frame = packet.frame_number.unwrap_or(0);
        self.current = Some(Current {
            source,
            timestamp_offset: last.map_or(self.first.1, |last| {
                go_on(told, timestamp, (last.timestamp, last.at), (now, self.config.clock_rate))
            }),
            tl0_offset: last.map_or(0, |last| last.tl0_index.wrapping_add(1).wrapping_sub(tl0)),
            frame_offset: last.map_or(0, |last| last.frame_number.wrapping_add(1).wrapping_sub(frame)),
            newest: timestamp,
            temporal: self.max_temporal,
            spatial: self.max_spatial,
            needs_key: false,
            scalable: Scalable::new(limit(self.max_spatial, self.max_temporal)),
        });
    }

    fn note(&mut self, now: Instant, rewrite: &Rewrite) {
        let Some(last) = &mut self.last else {
            self.last = Some(Last {
                timestamp: rewrite.timestamp,
                at: now,
                tl0_index: rewrite.tl0_index,
                frame_number: rewrite.frame_number.unwrap_or(0),
            });
            return;
        };
        if last.timestamp.before(rewrite.timestamp) {
            (last.timestamp, last.at) = (rewrite.timestamp, now);
        }
        if (rewrite.tl0_index.wrapping_sub(last.tl0_index) as i8) > 0 {
            last.tl0_index = rewrite.tl0_index;
        }
        if let Some(number) = rewrite.frame_number.filter(|number| last.frame_number.before(*number)) {
            last.frame_number = number;
        }
    }
}

impl Current {
    /// Whether a packet is left out, and whether the picture ends with it for those who do not get higher layers.
    fn leaves_out(&mut self, packet: &Incoming, wanted: Limit) -> (bool, bool) {
        if packet.is_padding {
            return (true, false);
        }
        let spatial = packet.info.layers.spatial.unwrap_or(0);
        if let (Some(targets), Some(number)) = (&packet.targets, packet.frame_number) {
            let leaves_out = self.scalable.leaves_out(number, targets, wanted, packet.info.is_key);
            return (leaves_out, packet.info.end && spatial == self.scalable.limit().spatial);
        }
        let timestamp = packet.header.timestamp;
        let temporal = packet.info.layers.temporal.unwrap_or(0);
        if self.newest.before(timestamp) {
            self.newest = timestamp;
            let may_rise = packet.info.layers.is_switching_point || packet.info.is_key;
            if wanted.temporal < self.temporal {
                self.temporal = wanted.temporal;
            } else if temporal > self.temporal && temporal <= wanted.temporal && may_rise {
                self.temporal = temporal;
            }
            let may_rise = packet.info.is_key;
            self.spatial = if may_rise { wanted.spatial } else { self.spatial.min(wanted.spatial) };
        }
        let is_missed = spatial > self.spatial && spatial <= wanted.spatial;
        self.needs_key = (self.needs_key || is_missed) && wanted.spatial > self.spatial;
        let is_above = temporal > self.temporal || spatial > self.spatial;
        (is_above, packet.info.end && spatial == self.spatial)
    }

    const fn needs_key(&self) -> bool {
        self.needs_key || self.scalable.needs_key()
    }
}

const fn limit(spatial: u8, temporal: u8) -> Limit {
    Limit { spatial, temporal }
}

/// What a picture's number is seen as; `None` if it is left out. Receivers of VP8 wait for pictures that are missing in the count; in
/// VP9 distances between pictures are told, and have to stay.
fn picture(pictures: &mut Option<Numbers>, codec: Codec, id: PictureId, leave_out: bool) -> Option<u16> {
    let Some(pictures) = pictures else { return Some(id.value()).filter(|_| !leave_out) };
    // The number with these low bits that is nearest to the newest.
    let unused = 16 - id.bits();
    let newest = pictures.newest();
    let step = (id.value().wrapping_sub(newest) << unused) as i16 >> unused;
    let number = newest.wrapping_add_signed(step);
    if codec == Codec::Vp8 {
        return pictures.map(number, leave_out);
    }
    pictures.map(number, false).filter(|_| !leave_out)
}
