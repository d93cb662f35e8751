//! One stream of the peer's: a source of media, and what is made of its packets.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use peerage_base::time::{Duration, Instant};
use peerage_media::receive::audio::AudioReceiver;
use peerage_media::receive::passing::Passing;
use peerage_media::receive::source::Source;
use peerage_media::receive::sync::Mapping;
use peerage_media::receive::video::VideoReceiver;
use peerage_media::send::forward::intake::Intake;
use peerage_rtp::extension::video_orientation::VideoOrientation;
use peerage_rtp::numbers::{PayloadType, SequenceNumber, Ssrc, Timestamp};
use peerage_rtp::payload::codec::Codec;
use peerage_rtp::payload::depacketizer::Depacketizer;
use peerage_rtp::rtcp::report_block::ReportBlock;
use peerage_rtp::rtcp::sender_report::SenderInfo;

/// Timestamps of audio that are remembered, so that repetitions of what is there are told apart.
const RECENT: usize = 64;

/// A source of media.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) ssrc: Ssrc,
    /// Its encoding among those of its section.
    pub(crate) rid: Option<Arc<str>>,
    /// The format of its last packet.
    pub(crate) codec: Codec,
    pub(crate) payload_type: PayloadType,
    pub(crate) receiver: Receiver,
    /// Ticks of its timestamps in a second.
    pub(crate) clock_rate: u32,
    /// What its timestamps are on the peer's wall clock.
    pub(crate) clock: Mapping,
    /// How its pictures are to be turned, as told last.
    pub(crate) orientation: Option<VideoOrientation>,
    /// The last picture, and when it is to be shown.
    pub(crate) shown: Option<(Timestamp, Instant)>,
    pub(crate) heard: Instant,
}

/// What becomes of its packets.
#[derive(Debug)]
pub(crate) enum Receiver {
    Video(Box<VideoReceiver>),
    Playout(Box<AudioReceiver>),
    /// Audio frame by frame.
    Audio(Box<Passing>, Recent),
    Packets(Box<Passing>, Reading),
}

/// How packets that are passed on are looked into.
#[derive(Debug)]
pub(crate) enum Reading {
    /// For key frames alone.
    Plain(Depacketizer),
    /// For those who choose among layers.
    Layers(Box<Intake>),
}

/// Timestamps that came lately.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    timestamps: Vec<Timestamp>,
    next: usize,
}

impl Recent {
    /// Whether it comes for the first time.
    pub(crate) fn is_new(&mut self, timestamp: Timestamp) -> bool {
        if self.timestamps.contains(&timestamp) {
            return false;
        }
        if self.timestamps.len() < RECENT {
            self.timestamps.push(timestamp);
        } else if let Some(oldest) = self.timestamps.get_mut(self.next) {
            *oldest = timestamp;
            self.next = (self.next + 1) % RECENT;
        }
        true
    }
}

impl Stream {
    pub(crate) fn sender_report(&mut self, now: Instant, info: &SenderInfo) {
        self.clock.handle_sender_report(info);
        match &mut self.receiver {
            Receiver::Video(video) => video.handle_sender_report(now, info),
            Receiver::Playout(audio) => audio.handle_sender_report(now, info),
            Receiver::Audio(passing, _) | Receiver::Packets(passing, _) => passing.handle_sender_report(now, info),
        }
    }

    pub(crate) fn set_round_trip(&mut self, round_trip: Duration) {
        match &mut self.receiver {
            Receiver::Video(video) => video.set_round_trip(round_trip),
            Receiver::Playout(audio) => audio.set_round_trip(round_trip),
            Receiver::Audio(passing, _) | Receiver::Packets(passing, _) => passing.set_round_trip(round_trip),
        }
    }

    /// Asks for a key frame, now or as soon as it makes sense.
    pub(crate) fn request_key_frame(&mut self, now: Instant) {
        match &mut self.receiver {
            Receiver::Video(video) => video.request_key_frame(now),
            Receiver::Packets(passing, _) => passing.request_key_frame(now),
            Receiver::Playout(_) | Receiver::Audio(..) => {}
        }
    }

    /// Appends the packets that are to be asked for now.
    pub(crate) fn poll_nack(&mut self, now: Instant, ask: &mut Vec<SequenceNumber>) {
        match &mut self.receiver {
            Receiver::Video(video) => video.poll_nack(now, ask),
            Receiver::Packets(passing, _) | Receiver::Audio(passing, _) => passing.poll_nack(now, ask),
            Receiver::Playout(audio) => audio.poll_nack(now, ask),
        }
    }

    /// Whether to ask for a key frame now.
    pub(crate) fn poll_key_request(&mut self, now: Instant) -> bool {
        match &mut self.receiver {
            Receiver::Video(video) => video.poll_key_request(now),
            Receiver::Packets(passing, _) => passing.poll_key_request(now),
            Receiver::Playout(_) | Receiver::Audio(..) => false,
        }
    }

    pub(crate) fn report_block(&mut self, now: Instant) -> Option<ReportBlock> {
        match &mut self.receiver {
            Receiver::Video(video) => video.report_block(now),
            Receiver::Playout(audio) => audio.report_block(now),
            Receiver::Audio(passing, _) | Receiver::Packets(passing, _) => passing.report_block(now),
        }
    }

    pub(crate) fn source(&self) -> &Source {
        match &self.receiver {
            Receiver::Video(video) => video.source(),
            Receiver::Playout(audio) => audio.source(),
            Receiver::Audio(passing, _) | Receiver::Packets(passing, _) => passing.source(),
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        match &self.receiver {
            Receiver::Video(video) => video.poll_timeout(),
            Receiver::Playout(_) => None,
            Receiver::Audio(passing, _) | Receiver::Packets(passing, _) => passing.poll_timeout(),
        }
    }
}
