//! Which header extensions a packet has, and how long its headers are for that.

use alloc::sync::Arc;

use peerage_base::slot::Slot;
use peerage_base::time::Instant;
use peerage_rtp::extension::abs_capture_time::AbsCaptureTime;
use peerage_rtp::extension::abs_send_time::AbsSendTime;
use peerage_rtp::extension::audio_level::AudioLevel;
use peerage_rtp::extension::block::Writer;
use peerage_rtp::extension::dependency_descriptor::descriptor::Outgoing;
use peerage_rtp::extension::kind::Kind;
use peerage_rtp::extension::map::Map;
use peerage_rtp::extension::mid::Mid;
use peerage_rtp::extension::playout_delay::PlayoutDelay;
use peerage_rtp::extension::repaired_rid::RepairedRid;
use peerage_rtp::extension::rid::Rid;
use peerage_rtp::extension::transmission_offset::TransmissionOffset;
use peerage_rtp::extension::transport_sequence_number::{
    FeedbackRequest, TransportSequenceNumber, TransportSequenceNumberV2,
};
use peerage_rtp::extension::video_layers_allocation::VideoLayersAllocation;
use peerage_rtp::extension::video_orientation::VideoOrientation;
use peerage_rtp::ntp::Ntp;
use peerage_rtp::numbers::{PayloadType, SequenceNumber};
use peerage_rtp::packet::Header;
use peerage_rtp::packet::write::PacketWriter;
use peerage_rtp::payload::budget::{Budget, Position};
use peerage_rtp::payload::rtx;

use super::frame::Scalability;

/// Room for the longest headers that are written: those with the structure of a scalable stream
/// and the rates of its layers.
const LONGEST: usize = 960;

/// The moment at which a packet leaves.
#[derive(Clone, Copy, Debug)]
pub(super) struct Departure {
    pub(super) now: Instant,
    pub(super) ntp: Ntp,
    /// Number across all streams of the connection.
    pub(super) number: SequenceNumber,
    /// The feedback to ask for, where it is sent on request only.
    pub(super) request: Option<FeedbackRequest>,
}

impl Departure {
    /// Any moment, with all that may be said: for measuring.
    const SOME: Self = Self {
        now: Instant::ORIGIN,
        ntp: Ntp(0),
        number: SequenceNumber(0),
        request: Some(FeedbackRequest { timing: true, packets: 1 }),
    };
}

/// How the peer is to know which stream it is: until it does.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Names<'a> {
    pub(super) mid: Option<&'a str>,
    pub(super) rid: Option<&'a str>,
    pub(super) repaired_rid: Option<&'a str>,
}

/// What the packets of one frame say of it.
#[derive(Clone, Debug, Default)]
pub(super) struct FrameElements {
    pub(super) audio_level: Option<AudioLevel>,
    pub(super) orientation: Option<VideoOrientation>,
    pub(super) captured: Option<Ntp>,
    pub(super) playout_delay: Option<PlayoutDelay>,
    pub(super) allocation: Option<Arc<VideoLayersAllocation>>,
    pub(super) scalability: Option<Scalability>,
    pub(super) frame_number: u16,
    pub(super) is_key: bool,
    /// Another format than the stream's.
    pub(super) payload_type: Option<PayloadType>,
}

/// The header extensions of one packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Elements<'a> {
    pub(super) map: &'a Map,
    pub(super) names: Names<'a>,
    /// The frame, and the packet's place in it; nothing for padding and repair.
    pub(super) frame: Option<(&'a FrameElements, Position)>,
    /// Ticks from its timestamp to its sending, if that is known.
    pub(super) lead: Option<i32>,
}

/// What the lengths of the headers of a frame's packets depend on, as long as the stream is sent as the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    elements: [bool; 4],
    /// Whether media, and retransmissions, say which stream it is.
    names: [bool; 2],
    beside: usize,
}

impl Shape {
    /// Of a frame, while the peer knows the stream and that of its retransmissions or not, and something else takes `beside`
    /// bytes in every packet; `None` if the frame has elements of any length.
    pub(super) fn of(frame: &FrameElements, known: [bool; 2], beside: usize) -> Option<Self> {
        let elements = [
            frame.audio_level.is_some(),
            frame.orientation.is_some(),
            frame.captured.is_some(),
            frame.playout_delay.is_some(),
        ];
        let is_fixed = frame.allocation.is_none() && frame.scalability.is_none();
        is_fixed.then_some(Self { elements, names: known.map(|known| !known), beside })
    }
}

impl<'a> Elements<'a> {
    /// What every packet has.
    pub(super) fn new(map: &'a Map) -> Self {
        Self { map, names: Names::default(), frame: None, lead: None }
    }

    /// Appends the block to a packet.
    pub(super) fn write(&self, packet: &mut PacketWriter<'_, '_>, departure: &Departure) {
        packet.extensions(self.map.forms(), |block| self.fill(block, departure));
    }

    /// Length of the headers with these extensions, in bytes.
    pub(super) fn header_len(&self) -> usize {
        let mut buf = [0; LONGEST];
        let mut slot = Slot::new(&mut buf, 0, 0, LONGEST);
        let Some(mut packet) = PacketWriter::new(&mut slot, &Header::default(), &[]) else { return LONGEST };
        self.write(&mut packet, &Departure::SOME);
        packet.header_len()
    }

    fn fill(&self, block: &mut Writer<'_>, departure: &Departure) {
        let map = self.map;
        // What is not agreed on is not written, and what does not fit is left out: the packet is worth more.
        head(map, self.names, departure, block);
        if let Some(lead) = self.lead {
            map.write(block, &TransmissionOffset(lead));
        }
        let Some((frame, position)) = self.frame else { return };
        if let Some(level) = &frame.audio_level {
            map.write(block, level);
        }
        if let Some(captured) = frame.captured.filter(|_| position.is_first()) {
            map.write(block, &AbsCaptureTime { captured, clock_offset: None });
        }
        if let Some(delay) = frame.playout_delay.filter(|_| position.is_first()) {
            map.write(block, &delay);
        }
        if let Some(allocation) = frame.allocation.as_deref().filter(|_| position.is_first()) {
            map.write(block, allocation);
        }
        if let Some(orientation) = frame.orientation.as_ref().filter(|_| position.is_last()) {
            map.write(block, orientation);
        }
        if let (Some(scalability), Some(id)) = (&frame.scalability, map.id(Kind::DependencyDescriptor)) {
            describe(block, id, frame, scalability, position);
        }
    }
}

/// What packets of every kind say: numbers, times and names.
pub(super) fn head(map: &Map, names: Names<'_>, departure: &Departure, block: &mut Writer<'_>) {
    let number = departure.number;
    // Feedback on request takes the place of feedback at regular times, if only that was agreed on.
    if !map.write(block, &TransportSequenceNumber(number)) {
        map.write(block, &TransportSequenceNumberV2 { number, request: departure.request });
    }
    map.write(block, &AbsSendTime::from_ntp(departure.ntp));
    if let Some(mid) = names.mid {
        map.write(block, &Mid(mid));
    }
    if let Some(rid) = names.rid {
        map.write(block, &Rid(rid));
    }
    if let Some(rid) = names.repaired_rid {
        map.write(block, &RepairedRid(rid));
    }
}

fn describe(block: &mut Writer<'_>, id: u8, frame: &FrameElements, scalability: &Scalability, position: Position) {
    let outgoing = Outgoing {
        frame_number: frame.frame_number,
        is_first: position.is_first(),
        is_last: position.is_last(),
        dependencies: &scalability.dependencies,
        structure: &scalability.structure,
        with_structure: frame.is_key && position.is_first(),
        active_targets: None,
    };
    if let Some(value) = outgoing.size().and_then(|size| block.reserve(id, size)) {
        outgoing.write(value);
    }
}

/// What each packet of a frame may carry, if it and the retransmission of it are to have `max` bytes at most. `media` and
/// `repair` are the names that they bear, `beside` the bytes that something else takes in every packet. Audio needs the
/// answer for whole frames only.
pub(super) fn payload_budget(
    (map, frame, is_video): (&Map, &FrameElements, bool),
    (media, repair): (Names<'_>, Option<Names<'_>>),
    beside: usize,
    max: usize,
) -> Budget {
    let at = |position| {
        let len = |names| Elements { map, names, frame: Some((frame, position)), lead: Some(0) }.header_len();
        let repair = repair.map_or(0, |names| len(names) + rtx::HEADER_LEN);
        max.saturating_sub(len(media).max(repair) + beside)
    };
    let only = at(Position::Only);
    if !is_video {
        return Budget::uniform(only);
    }
    Budget { only, first: at(Position::First), middle: at(Position::Middle), last: at(Position::Last) }
}
