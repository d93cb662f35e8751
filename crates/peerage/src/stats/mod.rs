//! Figures of a connection, as the dictionaries of W3C's webrtc-stats have them.
//!
//! Names are those of the dictionaries in snake case, and with the feature `serde` the dictionaries' own; times are
//! [`Duration`]s, and seconds when written out. Entries refer to each other by their `id`s, which stay the same from report to
//! report. What only an encoder or decoder knows (frames decoded, quality) is not here: it is the application's.

mod build;
pub mod rtp;
pub mod transport;

use std::time::Duration;

use self::rtp::{
    CodecStats, InboundRtpStats, MediaPlayoutStats, OutboundRtpStats, RemoteInboundRtpStats, RemoteOutboundRtpStats,
};
use self::transport::{
    CandidatePairStats, CandidateStats, CertificateStats, DataChannelStats, PeerConnectionStats, TransportStats,
};

/// Everything of one moment (W3C `RTCStatsReport`).
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct StatsReport {
    /// When that was, since 1970.
    #[cfg_attr(feature = "serde", serde(serialize_with = "seconds"))]
    pub timestamp: Duration,
    /// What there is to tell.
    pub entries: Vec<StatsEntry>,
}

/// One dictionary (W3C `RTCStats`); the variant is its `type`.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(tag = "type", rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum StatsEntry {
    /// The connection as a whole.
    PeerConnection(PeerConnectionStats),
    /// What carries everything.
    Transport(TransportStats),
    /// A way that is tried or used.
    CandidatePair(CandidatePairStats),
    /// An end of ours of such a way.
    LocalCandidate(CandidateStats),
    /// An end of the peer's.
    RemoteCandidate(CandidateStats),
    /// Who one of the sides is.
    Certificate(CertificateStats),
    /// A data channel.
    DataChannel(DataChannelStats),
    /// A format in use.
    Codec(CodecStats),
    /// A stream of the peer's.
    InboundRtp(InboundRtpStats),
    /// A stream of ours.
    OutboundRtp(OutboundRtpStats),
    /// What the peer tells of a stream of ours.
    RemoteInboundRtp(RemoteInboundRtpStats),
    /// What the peer tells of a stream of its own.
    RemoteOutboundRtp(RemoteOutboundRtpStats),
    /// Sound that is played by a [`Playout`](crate::media::playout::Playout).
    MediaPlayout(MediaPlayoutStats),
}

impl StatsReport {
    /// The entry of this id.
    pub fn entry(&self, id: &str) -> Option<&StatsEntry> {
        self.entries.iter().find(|entry| entry.id() == id)
    }

    /// Streams of the peer's.
    pub fn inbound(&self) -> impl Iterator<Item = &InboundRtpStats> {
        self.entries.iter().filter_map(|entry| match entry {
            StatsEntry::InboundRtp(stats) => Some(stats),
            _ => None,
        })
    }

    /// Streams of ours.
    pub fn outbound(&self) -> impl Iterator<Item = &OutboundRtpStats> {
        self.entries.iter().filter_map(|entry| match entry {
            StatsEntry::OutboundRtp(stats) => Some(stats),
            _ => None,
        })
    }
}

impl StatsEntry {
    /// What others refer to it by.
    pub fn id(&self) -> &str {
        match self {
            Self::PeerConnection(stats) => &stats.id,
            Self::Transport(stats) => &stats.id,
            Self::CandidatePair(stats) => &stats.id,
            Self::LocalCandidate(stats) | Self::RemoteCandidate(stats) => &stats.id,
            Self::Certificate(stats) => &stats.id,
            Self::DataChannel(stats) => &stats.id,
            Self::Codec(stats) => &stats.id,
            Self::InboundRtp(stats) => &stats.id,
            Self::OutboundRtp(stats) => &stats.id,
            Self::RemoteInboundRtp(stats) => &stats.id,
            Self::RemoteOutboundRtp(stats) => &stats.id,
            Self::MediaPlayout(stats) => &stats.id,
        }
    }
}

/// As the dictionaries have times.
#[cfg(feature = "serde")]
fn seconds<S: serde::Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(time.as_secs_f64())
}

#[cfg(feature = "serde")]
fn maybe_seconds<S: serde::Serializer>(time: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => to.serialize_some(&time.as_secs_f64()),
        None => to.serialize_none(),
    }
}

#[cfg(all(test, feature = "serde"))]
mod tests {
    use super::*;

    #[test]
    fn reports_are_written_with_the_names_of_the_dictionaries() {
        let mut pair = CandidatePairStats { id: "CP".into(), ..Default::default() };
        pair.total_round_trip_time = Duration::from_millis(1500);
        let entries = vec![StatsEntry::CandidatePair(pair), StatsEntry::InboundRtp(InboundRtpStats::default())];
        let report = StatsReport { timestamp: Duration::from_secs(7), entries };
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["timestamp"], 7.0);
        assert_eq!(json["entries"][0]["type"], "candidate-pair");
        assert_eq!(json["entries"][0]["totalRoundTripTime"], 1.5);
        assert_eq!(json["entries"][0]["currentRoundTripTime"], serde_json::Value::Null);
        assert_eq!(json["entries"][1]["type"], "inbound-rtp");
        assert_eq!(json["entries"][1]["pliCount"], 0);
    }
}
