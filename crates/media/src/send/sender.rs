//! All that one connection sends: its streams, in the order of their urgency.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

use peerage_base::rng::Rng;
use peerage_base::slot::Slot;
use peerage_base::time::{Duration, Instant};
use peerage_rtp::extension::kind::Kind as Extension;
use peerage_rtp::extension::playout_delay::PlayoutDelay;
use peerage_rtp::extension::video_layers_allocation::VideoLayersAllocation;
use peerage_rtp::ntp::WallClock;
use peerage_rtp::numbers::{PayloadType, SequenceNumber, Ssrc};
use peerage_rtp::payload::codec::Codec;
use peerage_rtp::rtcp::sender_report::SenderInfo;

use super::asks::Asks;
use super::budget::Budget;
use super::config::{Config, StreamConfig};
use super::departures::{Departed, Departures};
use super::event::Event;
use super::extensions::Departure;
use super::fec::Share;
use super::forward::store::Store;
use super::frame::Frame;
use super::line::Written;
use super::misuse::Misuse;
use super::outlet::Outlet;
use super::ready::{Kind, Ready};
use super::statistics::Statistics;
use super::stream::Stream;
use super::stream_id::StreamId;
use super::streams::Streams;

/// The round trip that is reckoned with before any is known.
const FIRST_ROUND_TRIP: Duration = Duration::from_millis(100);
/// Most events that wait for their owner.
const MAX_EVENTS: usize = 1024;

/// A packet that was written into the slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// What it is for.
    pub kind: Kind,
    /// The stream that it belongs to.
    pub stream: StreamId,
    /// Its source: of a retransmission another than that of the media.
    pub ssrc: Ssrc,
    /// Its number.
    pub sequence_number: SequenceNumber,
    /// Its number across all streams of the connection: counted whether the peer is told or not.
    pub transport_number: u64,
    /// Its length in bytes.
    pub size: usize,
}

/// Sends the streams of one connection.
///
/// A frame goes in by [`send_frame`](Self::send_frame); its packets come out of [`poll_transmit`](Self::poll_transmit), one by one,
/// as the path lets them: audio first, then what the peer misses, then video, then what repairs it, then padding. What the peer says
/// goes in by [`handle_feedback`](Self::handle_feedback).
#[derive(Debug)]
pub struct Sender {
    pub(super) config: Config,
    pub(super) wall: WallClock,
    pub(super) rng: Rng,
    pub(super) streams: Streams,
    pub(super) sources: BTreeMap<Ssrc, u16>,
    pub(super) ready: Ready,
    pub(super) departures: Departures,
    pub(super) round_trip: Duration,
    /// The stream that pads.
    padding: Option<u16>,
    asks: Asks,
    /// Packets of the application that have elements.
    pub(super) store: Store,
    events: VecDeque<Event>,
    trim_at: Option<Instant>,
}

impl Sender {
    /// Without streams. `wall` is the clock of sender reports, capture times and send times.
    pub fn new(config: Config, wall: WallClock, rng: Rng) -> Self {
        Self {
            store: Store::new(config.history_bytes),
            config,
            wall,
            rng,
            streams: Streams::default(),
            sources: BTreeMap::new(),
            ready: Ready::default(),
            departures: Departures::default(),
            round_trip: FIRST_ROUND_TRIP,
            padding: None,
            asks: Asks::default(),
            events: VecDeque::new(),
            trim_at: None,
        }
    }

    /// Adds a stream.
    ///
    /// # Errors
    /// If there are too many, or another has one of its sources.
    pub fn add(&mut self, config: StreamConfig) -> Result<StreamId, Misuse> {
        let stream = Stream::new(config, &self.config, &mut self.rng);
        self.add_outlet(Outlet::Frames(Box::new(stream)))
    }

    /// Changes what a stream is sent as: formats, extensions, repair. Its numbers go on, so that no packet is sealed twice under
    /// one number; what waits stays if the codec does, and is dropped otherwise.
    ///
    /// # Errors
    /// If there is no such stream, its source is another, or one of the others belongs to another stream.
    pub fn reconfigure(&mut self, id: StreamId, config: StreamConfig) -> Result<(), Misuse> {
        let stream = self.streams.find(id).ok_or(Misuse::NoStream)?;
        let sources = config.sources();
        let is_taken = |source: &Ssrc| self.sources.get(source).is_some_and(|index| *index != id.index);
        if config.ssrc != stream.line().config.ssrc || sources.clone().any(|source| is_taken(&source)) {
            return Err(Misuse::SsrcTaken);
        }
        self.sources.extend(sources.map(|source| (source, id.index)));
        stream.reconfigure(config);
        Ok(())
    }

    /// Ends a stream. What waits in it is dropped; its sources, to say goodbye for, are answered.
    pub fn remove(&mut self, id: StreamId) -> Vec<Ssrc> {
        let Some(stream) = self.streams.remove(id) else { return Vec::new() };
        self.ready.remove(id.index);
        self.padding = self.padding.filter(|index| *index != id.index);
        self.sources.retain(|_, index| *index != id.index);
        stream.line().config.sources().collect()
    }

    /// Takes a frame to send.
    ///
    /// # Errors
    /// If there is no such stream, too much waits, a key frame must come first or the frame cannot be cut into packets.
    /// Frames that wait are not lost by it.
    pub fn send_frame(&mut self, now: Instant, id: StreamId, frame: Frame<'_>) -> Result<(), Misuse> {
        self.drop_stale(now, id.index);
        let Some(Outlet::Frames(stream)) = self.streams.find(id) else { return Err(Misuse::NoStream) };
        stream.queue(now, frame, (&self.config, &self.wall))?;
        self.queued(now, id);
        Ok(())
    }

    /// Drops what waits in a stream: its next frame must be a key frame if it is video. How many frames
    /// it were; of a stream of packets, how many packets.
    pub fn drop_waiting(&mut self, id: StreamId) -> usize {
        self.streams.find(id).map_or(0, Outlet::drop_waiting)
    }

    /// Ends a stream for now: what waits in it is dropped, and it pads no more. It goes on with the next frame, which must be a key
    /// frame if it is video.
    pub fn pause(&mut self, id: StreamId) {
        self.drop_waiting(id);
        self.padding = self.padding.filter(|index| *index != id.index);
    }

    /// How much of a stream is protected by repair packets; nothing if none were agreed on.
    pub fn protect(&mut self, id: StreamId, share: Share) {
        if let Some(protector) = self.streams.find(id).and_then(|stream| stream.line_mut().protector.as_mut()) {
            protector.protect(share);
        }
    }

    /// How many earlier frames each packet of an audio stream repeats; nothing if RED was not agreed on.
    pub fn set_redundancy(&mut self, id: StreamId, depth: usize) {
        if let Some(Outlet::Frames(stream)) = self.streams.find(id) {
            stream.set_redundancy(depth);
        }
    }

    /// Limits on how long the peer may keep frames of a stream before it shows them, told until the peer has heard it, if that
    /// was agreed on; `None` leaves it to the peer, who keeps to what it was told last.
    pub fn set_playout_delay(&mut self, id: StreamId, delay: Option<PlayoutDelay>) {
        if let Some(Outlet::Frames(stream)) = self.streams.find(id) {
            stream.announced.set_delay(delay);
        }
    }

    /// The layers of the encodings that a stream is one of, told with its next frame and its key frames, if that was agreed on.
    pub fn set_layers(&mut self, id: StreamId, layers: Option<VideoLayersAllocation>) {
        if let Some(Outlet::Frames(stream)) = self.streams.find(id) {
            stream.announced.set_allocation(layers);
        }
    }

    /// The round trip of the path: a packet is not sent again more often.
    pub fn set_round_trip(&mut self, round_trip: Duration) {
        self.round_trip = round_trip;
    }

    /// Writes the most urgent packet that may leave now into `slot`; `None` if there is none. The slot has room for the longest
    /// packet of all streams, whatever the budget says.
    pub fn poll_transmit(&mut self, now: Instant, slot: &mut Slot<'_>, budget: &Budget) -> Option<Packet> {
        let number = self.departures.next();
        let at = Departure {
            now,
            ntp: self.wall.ntp(now),
            number: SequenceNumber(number as u16),
            request: self.asks.due(now, number, self.config.feedback_interval),
        };
        for kind in Kind::LISTED {
            if kind != Kind::Audio && budget.bytes < budget.max_packet {
                return None;
            }
            while let Some(index) = self.ready.front(kind) {
                if matches!(kind, Kind::Audio | Kind::Video) {
                    self.drop_stale(now, index);
                }
                if let Some((kind, written)) = self.write(kind, index, &at, slot) {
                    return Some(self.departed((kind, index), &at, written));
                }
            }
        }
        let index = self.padding.filter(|_| budget.padding > 0)?;
        let (_, stream) = self.streams.at(index)?;
        let size = (self.round_trip, budget.padding.min(budget.max_packet));
        let written = stream.write_padding((&self.config, &at), size, slot)?;
        Some(self.departed((Kind::Padding, index), &at, written))
    }

    /// Forgets frames that nobody will ask for any more. Early or repeated calls are harmless.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.trim_at.is_none_or(|at| now < at) {
            return;
        }
        let mut keeps = false;
        for stream in self.streams.iter_mut() {
            keeps |= stream.trim(now, &self.config);
        }
        self.trim_at = keeps.then_some(now + self.config.history);
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.trim_at
    }

    /// The next thing that the owner has to know.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// What the sender reports of all streams say at `now`: of those that have sent anything.
    pub fn sender_reports(&self, now: Instant) -> impl Iterator<Item = SenderInfo> {
        self.streams.iter().filter_map(move |stream| stream.sender_info(now, &self.wall))
    }

    /// The numbers of a stream.
    pub fn statistics(&self, id: StreamId) -> Option<&Statistics> {
        self.streams.get(id).map(|stream| &stream.line().statistics)
    }

    /// The format of a stream, and its number.
    pub fn format(&self, id: StreamId) -> Option<(Codec, PayloadType)> {
        self.streams.get(id).map(|stream| (stream.line().config.codec, stream.line().config.payload_type))
    }

    /// How many frames wait in a stream, of a stream of packets packets, and since when the oldest does.
    pub fn waiting(&mut self, id: StreamId) -> Option<(usize, Option<Instant>)> {
        self.streams.get(id).map(Outlet::waiting)
    }

    /// Bytes of media that a stream keeps, waiting or to be sent again: those of a publisher are shared with other streams.
    pub fn kept_bytes(&self, id: StreamId) -> usize {
        self.streams.get(id).map_or(0, Outlet::bytes)
    }

    /// Whether something waits that a budget would let go, padding aside.
    pub fn has_waiting(&self) -> bool {
        Kind::LISTED.iter().any(|kind| self.ready.front(*kind).is_some())
    }

    pub(super) fn add_outlet(&mut self, stream: Outlet) -> Result<StreamId, Misuse> {
        if self.streams.free() >= self.config.max_streams.min(usize::from(u16::MAX)) {
            return Err(Misuse::TooManyStreams);
        }
        let sources: Vec<Ssrc> = stream.line().config.sources().collect();
        let is_doubled = sources.iter().enumerate().any(|(n, source)| sources[..n].contains(source));
        if is_doubled || sources.iter().any(|source| self.sources.contains_key(source)) {
            return Err(Misuse::SsrcTaken);
        }
        let id = self.streams.add(stream);
        self.sources.extend(sources.into_iter().map(|source| (source, id.index)));
        Ok(id)
    }

    /// Media waits in a stream.
    pub(super) fn queued(&mut self, now: Instant, id: StreamId) {
        let Some(stream) = self.streams.find(id) else { return };
        let kind = if stream.line().config.codec.is_video() { Kind::Video } else { Kind::Audio };
        self.ready.list(kind, id.index, &mut stream.line_mut().listed);
        self.trim_at.get_or_insert(now + self.config.history);
    }

    pub(super) fn stream_of(&mut self, source: Ssrc) -> Option<(StreamId, &mut Outlet)> {
        let index = *self.sources.get(&source)?;
        self.streams.at(index)
    }

    pub(super) fn list(&mut self, kind: Kind, id: StreamId) {
        if let Some(stream) = self.streams.find(id) {
            self.ready.list(kind, id.index, &mut stream.line_mut().listed);
        }
    }

    pub(super) fn tell(&mut self, event: Event) {
        if self.events.len() == MAX_EVENTS {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    /// Asks the encoder for a key frame, unless it was asked a moment ago.
    pub(super) fn request_key_frame(&mut self, now: Instant, id: StreamId) {
        let interval = self.config.key_frame_interval;
        let Some(stream) = self.streams.find(id).filter(|stream| stream.line().config.codec.is_video()) else {
            return;
        };
        let requested = &mut stream.line_mut().key_requested;
        if requested.is_none_or(|at| now.since(at) >= interval) {
            *requested = Some(now);
            self.tell(Event::KeyFrameRequested { stream: id });
        }
    }

    /// Writes one packet of a stream, and takes it off the list or lets the next have its turn.
    fn write(&mut self, kind: Kind, index: u16, at: &Departure, slot: &mut Slot<'_>) -> Option<(Kind, Written)> {
        let Some((_, stream)) = self.streams.at(index) else {
            self.ready.pop(kind);
            return None;
        };
        let limits = (&self.config, at);
        // What repairs a group leaves before the next group takes its place.
        if kind == Kind::Video
            && stream.line().repairs_wait()
            && let (Some(written), _) = stream.write(Kind::Repair, limits, slot)
        {
            return Some((Kind::Repair, written));
        }
        let (written, is_more) = stream.write(kind, limits, slot);
        let line = stream.line_mut();
        if written.is_none() || !is_more {
            self.ready.pop(kind);
            line.listed[kind as usize] = false;
        } else if written.is_some_and(|written| written.ends_frame) {
            self.ready.rotate(kind);
        }
        if matches!(kind, Kind::Audio | Kind::Video) && written.is_some() {
            if line.resends.is_ready() {
                self.ready.list(Kind::Retransmission, index, &mut line.listed);
            }
            if line.repairs_wait() {
                self.ready.list(Kind::Repair, index, &mut line.listed);
            }
            if kind == Kind::Video {
                self.padding = Some(index);
            }
        }
        written.map(|written| (kind, written))
    }

    fn departed(&mut self, (kind, index): (Kind, u16), at: &Departure, written: Written) -> Packet {
        let number = self.departures.next();
        let stream = self.streams.at(index).map(|(id, stream)| {
            let map = &stream.line().config.extensions;
            let asks = map.id(Extension::TransportSequenceNumber).is_none()
                && map.id(Extension::TransportSequenceNumberV2).is_some();
            if at.request.is_some() && asks {
                self.asks.asked(at.now, number);
            }
            id
        });
        let stream = stream.unwrap_or(StreamId { index, generation: 0 });
        let transport_number = self.departures.push(Departed { stream, original: written.original });
        let Written { ssrc, number, size, .. } = written;
        Packet { kind, stream, ssrc, sequence_number: number, transport_number, size }
    }

    /// Drops what has waited for too long.
    pub(super) fn drop_stale(&mut self, now: Instant, index: u16) {
        let limit = self.config.max_wait;
        let Some((id, stream)) = self.streams.at(index) else { return };
        let frames = stream.drop_stale(now, limit);
        if frames == 0 {
            return;
        }
        let needs_key = stream.needs_key();
        let line = stream.line_mut();
        tracing::debug!(frames, source = %line.config.ssrc, "media waited too long");
        if needs_key {
            // The one that was asked for may be among the dropped: no matter how long ago that was.
            line.key_requested = None;
        }
        self.tell(Event::Dropped { stream: id, frames });
        if needs_key {
            self.request_key_frame(now, id);
        }
    }
}
