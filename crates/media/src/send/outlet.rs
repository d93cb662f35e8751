//! A stream of either kind, as the sender sees it.

use alloc::boxed::Box;

use peerage_base::slot::Slot;
use peerage_base::time::{Duration, Instant};
use peerage_rtp::ntp::WallClock;
use peerage_rtp::numbers::SequenceNumber;
use peerage_rtp::rtcp::sender_report::SenderInfo;

use super::config::{Config, StreamConfig};
use super::extensions::Departure;
use super::line::{Line, Written};
use super::packets::stream::PacketStream;
use super::ready::Kind;
use super::stream::Stream;

/// What a stream is made of.
#[derive(Debug)]
pub(super) enum Outlet {
    /// Frames, cut into packets here.
    Frames(Box<Stream>),
    /// Packets of a publisher, or that the application has made.
    Packets(Box<PacketStream>),
}

impl Outlet {
    /// Goes on as something else.
    pub(super) fn reconfigure(&mut self, config: StreamConfig) {
        match self {
            Self::Frames(stream) => stream.reconfigure(config),
            Self::Packets(stream) => stream.reconfigure(config),
        }
    }

    /// Writes a packet of one kind, and whether more of it wait.
    pub(super) fn write(
        &mut self,
        kind: Kind,
        (limits, at): (&Config, &Departure),
        slot: &mut Slot<'_>,
    ) -> (Option<Written>, bool) {
        let written = match (kind, &mut *self) {
            (Kind::Audio | Kind::Video, Self::Frames(stream)) => stream.write_media(limits, at, slot),
            (Kind::Audio | Kind::Video, Self::Packets(stream)) => stream.write_media(limits, at, slot),
            (Kind::Retransmission, _) => self.write_resend(limits, at, slot),
            (_, Self::Frames(stream)) => stream.write_repair(limits, at, slot),
            (_, Self::Packets(stream)) => stream.write_repair(at, slot),
        };
        let is_more = match kind {
            Kind::Audio | Kind::Video => self.waiting().0 > 0,
            Kind::Retransmission => self.line().resends.is_ready(),
            Kind::Repair | Kind::Padding => self.line().repairs_wait(),
        };
        (written, is_more)
    }

    /// Writes a packet of at most `size.1` bytes that is there to be counted; one that left less than `size.0` ago is not repeated.
    pub(super) fn write_padding(
        &mut self,
        (limits, at): (&Config, &Departure),
        size: (Duration, usize),
        slot: &mut Slot<'_>,
    ) -> Option<Written> {
        match self {
            Self::Frames(stream) => stream.write_padding((limits, at), size, slot),
            Self::Packets(stream) => stream.write_padding(at, size, slot),
        }
    }

    /// Drops what has waited for longer than `limit`: how much it was, in frames or packets.
    pub(super) fn drop_stale(&mut self, now: Instant, limit: Duration) -> usize {
        match self {
            Self::Frames(stream) => stream.drop_stale(now, limit),
            Self::Packets(stream) => stream.drop_stale(now, limit),
        }
    }

    /// Drops all that waits: how much it was.
    pub(super) fn drop_waiting(&mut self) -> usize {
        match self {
            Self::Frames(stream) => stream.drop_waiting(),
            Self::Packets(stream) => stream.drop_waiting(),
        }
    }

    /// Forgets what nobody will ask for any more: whether anything is left that will have to be forgotten.
    pub(super) fn trim(&mut self, now: Instant, limits: &Config) -> bool {
        match self {
            Self::Frames(stream) => {
                stream.trim(now, limits);
                !stream.frames.is_empty()
            }
            Self::Packets(stream) => {
                stream.trim(now, limits);
                stream.history.len() > 0 || stream.waiting() > 0
            }
        }
    }

    /// The peer misses a packet: whether it will be sent again.
    pub(super) fn request(
        &mut self,
        (now, round_trip): (Instant, Duration),
        number: SequenceNumber,
        limits: &Config,
    ) -> bool {
        match self {
            Self::Frames(stream) => stream.line.resends.request(now, number, (&mut stream.history, round_trip), limits),
            Self::Packets(stream) => {
                stream.line.resends.request(now, number, (&mut stream.history, round_trip), limits)
            }
        }
    }

    /// A packet of media is known to have arrived.
    pub(super) fn acknowledge(&mut self, number: SequenceNumber) {
        match self {
            Self::Frames(stream) => stream.acknowledge(number),
            Self::Packets(stream) => stream.acknowledge(number),
        }
    }

    /// The peer has seen a packet of media, or one after it.
    pub(super) fn seen(&mut self, highest: SequenceNumber) {
        if let Self::Frames(stream) = self {
            stream.announced.seen(highest);
        }
    }

    pub(super) fn line(&self) -> &Line {
        match self {
            Self::Frames(stream) => &stream.line,
            Self::Packets(stream) => &stream.line,
        }
    }

    pub(super) fn line_mut(&mut self) -> &mut Line {
        match self {
            Self::Frames(stream) => &mut stream.line,
            Self::Packets(stream) => &mut stream.line,
        }
    }

    /// How many frames or packets wait, and since when the oldest does.
    pub(super) fn waiting(&self) -> (usize, Option<Instant>) {
        match self {
            Self::Frames(stream) => (stream.frames.waiting(), stream.frames.waiting_since()),
            Self::Packets(stream) => (stream.waiting(), stream.waiting_since()),
        }
    }

    /// Bytes of media that it keeps.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Frames(stream) => stream.frames.bytes(),
            Self::Packets(stream) => stream.bytes(),
        }
    }

    /// Whether nothing but a key frame would be taken.
    pub(super) fn needs_key(&self) -> bool {
        match self {
            Self::Frames(stream) => stream.needs_key(),
            Self::Packets(stream) => stream.needs_key(),
        }
    }

    /// What a sender report says now; `None` before the first packet.
    pub(super) fn sender_info(&self, now: Instant, wall: &WallClock) -> Option<SenderInfo> {
        match self {
            Self::Frames(stream) => stream.sender_info(now, wall),
            Self::Packets(stream) => stream.sender_info(now, wall),
        }
    }

    /// Writes the next packet that the peer misses; `None` if none is wanted that is still there, or too many were.
    fn write_resend(&mut self, limits: &Config, at: &Departure, slot: &mut Slot<'_>) -> Option<Written> {
        while let Some(number) = self.line_mut().resends.next() {
            let written = match self {
                Self::Frames(stream) => {
                    stream.history.dequeued(number);
                    stream.write_again(number, at, slot)
                }
                Self::Packets(stream) => {
                    stream.history.dequeued(number);
                    stream.write_again(number, at, slot)
                }
            };
            if let Some(written) = written {
                self.line_mut().resends.spend(written.size);
                return Some(written);
            }
            self.line_mut().statistics.refused_resends += 1;
        }
        self.trim(at.now, limits);
        None
    }
}
