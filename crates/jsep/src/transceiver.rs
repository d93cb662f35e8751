//! A pair of a sender and a receiver, for one section (W3C `RTCRtpTransceiver`, RFC 9429 §3.4.1).

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use peerage_sdp::attribute::direction::Direction;
use peerage_sdp::attribute::mid::Mid;
use peerage_sdp::attribute::rid::RidId;

/// Names a transceiver for the life of its negotiation. Never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TransceiverId(pub(crate) u32);

/// Audio or video.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MediaKind {
    /// `m=audio`.
    Audio,
    /// `m=video`.
    Video,
}

/// What a transceiver begins with (W3C `RTCRtpTransceiverInit`).
#[derive(Clone, Debug)]
pub struct TransceiverInit {
    /// Which way media is wanted. Default both ways.
    pub direction: Direction,
    /// The identifier of the track that is sent, a token of up to 64 bytes; `None` makes one.
    pub track: Option<String>,
    /// The streams that the track is in, tokens of up to 64 bytes. Default none.
    pub streams: Vec<String>,
    /// Names of the encodings that are sent side by side (simulcast), letters and digits, the first one being the one that
    /// remains with a peer that takes no simulcast. Default none: one encoding without a name.
    pub rids: Vec<RidId>,
}

/// One encoding of what is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Encoding {
    /// Its name, under simulcast.
    pub rid: Option<RidId>,
    /// Its stream.
    pub ssrc: u32,
    /// The stream of its retransmissions.
    pub repair_ssrc: u32,
    /// The stream of its repair packets (FlexFEC).
    pub fec_ssrc: u32,
}

/// A transceiver. Commands are those of [`Negotiation`](crate::negotiation::Negotiation).
#[derive(Clone, Debug)]
pub struct Transceiver {
    pub(crate) id: TransceiverId,
    pub(crate) kind: MediaKind,
    /// The section, by its place and its name, from the description that associated it.
    pub(crate) place: Option<usize>,
    pub(crate) mid: Option<Mid>,
    pub(crate) direction: Direction,
    pub(crate) current: Option<Direction>,
    /// What was last told of the receiver (W3C `[[FiredDirection]]`).
    pub(crate) fired: Direction,
    pub(crate) stopping: bool,
    pub(crate) stopped: bool,
    /// Added for a track, so that a section of the peer's may use it (RFC 9429 §5.10).
    pub(crate) for_track: bool,
    /// Made by the pending remote offer, so that a rollback removes it.
    pub(crate) by_peer: bool,
    pub(crate) sender: Sender,
    pub(crate) receiver: Receiver,
    /// Places in the table of codecs, in order; empty is all of them.
    pub(crate) preferences: Vec<usize>,
    pub(crate) written: Option<Written>,
    pub(crate) saved: Option<Box<Saved>>,
}

#[derive(Clone, Debug)]
pub(crate) struct Sender {
    /// Whether there is a track.
    pub(crate) attached: bool,
    /// Whether it was ever agreed to send: then no other track takes it over (W3C `addTrack`).
    pub(crate) used: bool,
    pub(crate) track: String,
    pub(crate) streams: Vec<String>,
    /// One at least.
    pub(crate) encodings: Vec<Encoding>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Receiver {
    pub(crate) streams: Vec<String>,
    pub(crate) track: Option<String>,
}

/// What the last complete exchange says of a section: what another offer would have to change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) by_offer: bool,
    /// As our description has it.
    pub(crate) ours: Direction,
    /// As the peer's has it.
    pub(crate) theirs: Direction,
    pub(crate) streams: Vec<String>,
}

/// What a rollback returns to.
#[derive(Clone, Debug)]
pub(crate) struct Saved {
    pub(crate) place: Option<usize>,
    pub(crate) mid: Option<Mid>,
    pub(crate) current: Option<Direction>,
    pub(crate) fired: Direction,
    pub(crate) receiver: Receiver,
    pub(crate) encodings: Vec<Encoding>,
}

impl MediaKind {
    /// The word of an `m=` line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Audio => "audio",
            Self::Video => "video",
        }
    }

    /// The kind of this name.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Audio, Self::Video].into_iter().find(|kind| kind.as_str() == word)
    }
}

impl fmt::Display for MediaKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Default for TransceiverInit {
    fn default() -> Self {
        Self { direction: Direction::SendRecv, track: None, streams: Vec::new(), rids: Vec::new() }
    }
}

impl Transceiver {
    /// Ends it at once: nothing is sent or received any more.
    pub(crate) fn stop(&mut self) {
        self.stopping = true;
        self.stopped = true;
        self.direction = Direction::Inactive;
        self.current = None;
        self.fired = Direction::Inactive;
        self.receiver = Receiver::default();
    }

    /// Forgets the section.
    pub(crate) fn dissociate(&mut self) {
        self.place = None;
        self.mid = None;
    }

    /// Remembers what a rollback returns to.
    pub(crate) fn save(&mut self) {
        self.saved = Some(Box::new(Saved {
            place: self.place,
            mid: self.mid.clone(),
            current: self.current,
            fired: self.fired,
            receiver: self.receiver.clone(),
            encodings: self.sender.encodings.clone(),
        }));
    }

    /// Whether another offer would change its section (W3C "check if negotiation is needed").
    pub(crate) fn needs_negotiation(&self) -> bool {
        if self.place.is_none() {
            return !self.stopped;
        }
        // One whose section both sides have closed is no longer here.
        if self.stopping {
            return true;
        }
        let Some(written) = &self.written else { return true };
        if self.direction.sends() && written.ours.sends() && written.streams != self.sender.streams {
            return true;
        }
        if written.by_offer {
            self.direction != written.ours && self.direction != written.theirs.reversed()
        } else {
            self.direction.and(written.theirs.reversed()) != written.ours
        }
    }

    /// Its name.
    pub const fn id(&self) -> TransceiverId {
        self.id
    }

    /// Audio or video.
    pub const fn kind(&self) -> MediaKind {
        self.kind
    }

    /// The name of its section, once a description has it.
    pub fn mid(&self) -> Option<&str> {
        self.mid.as_ref().map(Mid::as_str)
    }

    /// Which way media is wanted.
    pub const fn direction(&self) -> Direction {
        self.direction
    }

    /// Which way media was agreed to flow; `None` before an answer, and once stopped.
    pub const fn current_direction(&self) -> Option<Direction> {
        self.current
    }

    /// Stopped by us, even if the peer has not heard of it.
    pub const fn is_stopping(&self) -> bool {
        self.stopping
    }

    /// Stopped for good; it goes when the exchange that closes its section is complete.
    pub const fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// Whether the sender has a track.
    pub const fn has_track(&self) -> bool {
        self.sender.attached
    }

    /// The identifier under which our track is described.
    pub fn sender_track(&self) -> &str {
        &self.sender.track
    }

    /// The streams that our track is in.
    pub fn sender_streams(&self) -> &[String] {
        &self.sender.streams
    }

    /// What is sent, one or several encodings of it; after an answer those that the peer takes.
    pub fn encodings(&self) -> &[Encoding] {
        &self.sender.encodings
    }

    /// The streams that the peer's track is in; empty while it sends nothing.
    pub fn receiver_streams(&self) -> &[String] {
        &self.receiver.streams
    }

    /// The identifier that the peer gives its track.
    pub fn receiver_track(&self) -> Option<&str> {
        self.receiver.track.as_deref()
    }
}
