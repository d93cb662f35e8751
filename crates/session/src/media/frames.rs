//! What the application gets to read.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::{Bytes, BytesMut};
use peerage_base::time::Instant;
use peerage_media::send::forward::meter::LayerRate;
use peerage_media::send::forward::store::Shared;
use peerage_rtp::extension::audio_level::AudioLevel;
use peerage_rtp::extension::video_orientation::VideoOrientation;
use peerage_rtp::ntp::Ntp;
use peerage_rtp::numbers::{PayloadType, Ssrc, Timestamp};
use peerage_rtp::payload::codec::Codec;
use peerage_rtp::payload::info::Layers;

/// Most bytes that wait for an application that does not read, of each transceiver.
const MAX_BYTES: usize = 8 << 20;
/// Most items.
const MAX_ITEMS: usize = 1024;
/// Packets share blocks of this size, so that not every one costs an allocation.
const BLOCK: usize = 32 << 10;

/// An encoded frame that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct IncomingFrame {
    /// The bytes for the decoder.
    pub payload: Bytes,
    /// Their format.
    pub codec: Codec,
    /// Its number in this direction.
    pub payload_type: PayloadType,
    /// Sampling instant, in ticks of the format's clock; wraps.
    pub timestamp: Timestamp,
    /// Decoding can start here. True of all audio.
    pub is_key: bool,
    /// Something before it is missing and will not come.
    pub follows_gap: bool,
    /// When to show or play it, as far as is known: in the past if it is late. Of audio when it arrived.
    pub render_at: Instant,
    /// The stream.
    pub ssrc: Ssrc,
    /// The encoding, where the peer sends several side by side.
    pub rid: Option<Arc<str>>,
    /// Layers, where the format tells them.
    pub layers: Layers,
    /// When it was captured by the peer's wall clock, once a sender report has told.
    pub captured: Option<Ntp>,
    /// Loudness, if told.
    pub audio_level: Option<AudioLevel>,
    /// How the picture is to be turned, if told.
    pub orientation: Option<VideoOrientation>,
}

/// A packet that arrived, opened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct IncomingPacket {
    /// The whole packet, headers included, as the peer first sent it.
    pub bytes: Bytes,
    /// Its sequence number with the wraps counted.
    pub index: u64,
    /// Its format.
    pub codec: Codec,
    /// When it arrived.
    pub arrived: Instant,
    /// The encoding, where the peer sends several side by side.
    pub rid: Option<Arc<str>>,
}

/// Something to be sent on by other sessions.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Forwardable {
    /// A packet.
    Packet {
        /// The packet, kept once for all who get it.
        shared: Shared,
        /// Its format.
        codec: Codec,
        /// The encoding, where the peer sends several side by side.
        rid: Option<Arc<str>>,
    },
    /// What the peer says of the clock of a source.
    Report {
        /// The source.
        source: Ssrc,
        /// The peer's wall clock.
        ntp: Ntp,
        /// The source's clock at that moment.
        timestamp: Timestamp,
    },
}

/// A source that is sent on, as it comes: what is chosen from.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Source {
    /// Its number.
    pub ssrc: Ssrc,
    /// The encoding, where the peer sends several side by side.
    pub rid: Option<Arc<str>>,
    /// Its format.
    pub codec: Codec,
    /// Pixels of its largest picture; 0 if that is not known.
    pub pixels: u64,
    /// Its layers and their rates; none if it is not being sent.
    pub layers: Vec<LayerRate>,
}

/// What waits to be read.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    items: VecDeque<T>,
    bytes: usize,
    /// Items that were dropped because nobody read.
    pub(crate) dropped: u64,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { items: VecDeque::new(), bytes: 0, dropped: 0 }
    }
}

/// What takes room.
pub(crate) trait Weighs {
    fn size(&self) -> usize;
}

impl Weighs for IncomingFrame {
    fn size(&self) -> usize {
        self.payload.len()
    }
}

impl Weighs for Forwardable {
    fn size(&self) -> usize {
        match self {
            Self::Packet { shared, .. } => shared.payload().len(),
            Self::Report { .. } => 0,
        }
    }
}

impl Weighs for IncomingPacket {
    fn size(&self) -> usize {
        self.bytes.len()
    }
}

impl<T: Weighs> Queue<T> {
    /// Adds an item; the oldest give way. Whether it is the first one, and whether any gave way.
    pub(crate) fn push(&mut self, item: T) -> (bool, bool) {
        let is_first = self.items.is_empty();
        self.bytes += item.size();
        self.items.push_back(item);
        let before = self.dropped;
        while self.items.len() > 1 && (self.items.len() > MAX_ITEMS || self.bytes > MAX_BYTES) {
            self.pop();
            self.dropped += 1;
        }
        (is_first, self.dropped > before)
    }

    pub(crate) fn pop(&mut self) -> Option<T> {
        let item = self.items.pop_front()?;
        self.bytes -= item.size();
        Some(item)
    }

    pub(crate) fn clear(&mut self) {
        *self = Self { dropped: self.dropped, ..Self::default() };
    }
}

/// Makes owned bytes of received ones, many to an allocation.
#[derive(Debug, Default)]
pub(crate) struct Arena(BytesMut);

impl Arena {
    pub(crate) fn copy(&mut self, bytes: &[u8]) -> Bytes {
        if self.0.capacity() < bytes.len() {
            self.0 = BytesMut::with_capacity(BLOCK.max(bytes.len()));
        }
        self.0.extend_from_slice(bytes);
        self.0.split().freeze()
    }
}
