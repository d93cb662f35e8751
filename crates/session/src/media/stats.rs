//! Figures of audio and video: what the dictionaries of W3C's webrtc-stats are made from.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use peerage_jsep::transceiver::TransceiverId;
use peerage_media::estimate::stats::Stats as Estimate;
use peerage_media::receive::audio::stats::Stats as AudioStats;
use peerage_media::receive::passing::Stats as PassingStats;
use peerage_media::receive::repair::Stats as RecoveryStats;
use peerage_media::receive::source::SenderClock;
use peerage_media::receive::video::Stats as VideoStats;
use peerage_media::send::statistics::Statistics;
use peerage_rtp::numbers::{PayloadType, Ssrc};
use peerage_rtp::payload::codec::Codec;

use super::Media;
use super::stream::Receiver;

/// Datagrams of audio and video that were dropped, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Drops {
    /// They were not protected by the peer, or changed on the way.
    pub not_authentic: u64,
    /// They came before, or so late that it cannot be told.
    pub replayed: u64,
    /// They were neither RTP nor RTCP, or not well formed once opened.
    pub malformed: u64,
    /// They belong to no section that receives, or have a format that was not agreed on.
    pub unknown: u64,
    /// More sources than a peer may have.
    pub sources: u64,
    /// Packets of ours that could not be protected.
    pub unsealed: u64,
    /// Frames and packets that nobody read in time.
    pub unread: u64,
}

/// Everything that audio and video can tell of themselves.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MediaStats {
    /// Datagrams and frames that were dropped, by reason.
    pub drops: Drops,
    /// Bits per second that the path bears (`availableOutgoingBitrate`).
    pub available_outgoing_bitrate: u64,
    /// How long packets wait in queues of the network.
    pub queueing_delay: Duration,
    /// Share of packets that are lost on the way to the peer, 0 to 1.
    pub loss: f64,
    /// What the estimator has seen.
    pub estimate: Estimate,
    /// The round trip that RTCP shows.
    pub round_trip: Option<Duration>,
    /// What is sent (`outbound-rtp`, `remote-inbound-rtp`).
    pub outbound: Vec<Outbound>,
    /// What arrives (`inbound-rtp`, `remote-outbound-rtp`).
    pub inbound: Vec<Inbound>,
}

/// A stream of ours.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Outbound {
    /// Whose it is.
    pub transceiver: TransceiverId,
    /// The name of its section.
    pub mid: Option<String>,
    /// Its place among the encodings of the transceiver.
    pub encoding: usize,
    /// Its name among them.
    pub rid: Option<String>,
    /// Its source.
    pub ssrc: Ssrc,
    /// Its format.
    pub codec: Codec,
    /// The number of its format.
    pub payload_type: PayloadType,
    /// Its share of the rate, in bits per second (`targetBitrate`).
    pub target_bitrate: u64,
    /// What was counted.
    pub statistics: Statistics,
}

/// A stream of the peer's.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Inbound {
    /// Whose it is.
    pub transceiver: TransceiverId,
    /// The name of its section.
    pub mid: Option<String>,
    /// Its name among the encodings of the peer.
    pub rid: Option<Arc<str>>,
    /// Its source.
    pub ssrc: Ssrc,
    /// Its format.
    pub codec: Codec,
    /// The number of its format.
    pub payload_type: PayloadType,
    /// Packets that did not arrive, less duplicates (`packetsLost`).
    pub packets_lost: i64,
    /// How unevenly they arrive (`jitter`).
    pub jitter: Duration,
    /// The last report of the peer on it.
    pub sender_clock: Option<SenderClock>,
    /// What was recovered from repair packets in its section.
    pub recovery: Option<RecoveryStats>,
    /// What was counted.
    pub statistics: InboundStatistics,
}

/// What is counted of a stream, by what becomes of it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum InboundStatistics {
    /// Video that is put together.
    Video(VideoStats),
    /// Audio in the jitter buffer.
    Playout(AudioStats),
    /// What is handed over as it comes.
    Passing(PassingStats),
}

impl Media {
    pub(crate) fn stats(&self) -> MediaStats {
        let waiting = self
            .sections
            .iter()
            .map(|section| section.frames.dropped + section.packets.dropped + section.shared.dropped)
            .sum();
        MediaStats {
            drops: Drops { unread: waiting, ..self.drops },
            available_outgoing_bitrate: self.estimator.estimate(),
            queueing_delay: self.estimator.queueing_delay(),
            loss: self.estimator.loss(),
            estimate: self.estimator.stats(),
            round_trip: self.round_trip,
            outbound: self.outbound(),
            inbound: self.inbound(),
        }
    }

    fn outbound(&self) -> Vec<Outbound> {
        let mut all = Vec::new();
        for section in &self.sections {
            for (encoding, sending) in section.sending.iter().enumerate() {
                let Some(statistics) = self.sender.statistics(sending.stream) else { continue };
                let Some((codec, payload_type)) = self.sender.format(sending.stream) else { continue };
                let rid = section.plan.encodings.get(encoding).and_then(|sent| sent.rid.as_ref());
                all.push(Outbound {
                    transceiver: section.id(),
                    mid: section.plan.mid.clone(),
                    encoding,
                    rid: rid.map(|rid| rid.as_str().into()),
                    ssrc: sending.ssrc,
                    codec,
                    payload_type,
                    target_bitrate: sending.target,
                    statistics: *statistics,
                });
            }
        }
        all
    }

    fn inbound(&self) -> Vec<Inbound> {
        let streams = self.sections.iter().flat_map(|section| section.streams.iter().map(move |s| (section, s)));
        let tell = |(section, stream): (&super::section::Section, &super::stream::Stream)| {
            let source = stream.source();
            let ticks = u64::from(source.jitter());
            Inbound {
                transceiver: section.id(),
                mid: section.plan.mid.clone(),
                rid: stream.rid.clone(),
                ssrc: stream.ssrc,
                codec: stream.codec,
                payload_type: stream.payload_type,
                packets_lost: source.lost(),
                jitter: Duration::from_nanos(ticks * 1_000_000_000 / u64::from(stream.clock_rate.max(1))),
                sender_clock: source.sender_clock(),
                recovery: (!section.formats.repair.is_empty()).then(|| section.recovery_stats()),
                statistics: match &stream.receiver {
                    Receiver::Video(video) => InboundStatistics::Video(video.stats()),
                    Receiver::Playout(audio) => InboundStatistics::Playout(audio.stats()),
                    Receiver::Audio(passing, _) | Receiver::Packets(passing, _) => {
                        InboundStatistics::Passing(passing.stats())
                    }
                },
            }
        };
        streams.map(tell).collect()
    }
}
