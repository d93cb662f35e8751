//! Audio and video in the statistics.

use std::time::Duration;

/// A format in use (W3C `RTCCodecStats`).
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "camelCase"))]
#[non_exhaustive]
pub struct CodecStats {
    /// What others refer to it by.
    pub id: String,
    /// What carries it.
    pub transport_id: String,
    /// Its kind and name, `video/VP8`.
    pub mime_type: String,
    /// Its number in packets.
    pub payload_type: u8,
    /// Ticks of timestamps in a second.
    pub clock_rate: u32,
    /// Channels of audio.
    pub channels: Option<u8>,
    /// What the receiver asked for.
    pub sdp_fmtp_line: Option<String>,
}

/// A stream of the peer's (W3C `RTCInboundRtpStreamStats`). What does not apply to its kind, or to how it is read, is zero.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "camelCase"))]
#[non_exhaustive]
pub struct InboundRtpStats {
    /// What others refer to it by.
    pub id: String,
    /// The number of the stream.
    pub ssrc: u32,
    /// `audio` or `video`.
    pub kind: String,
    /// The name of its section.
    pub mid: Option<String>,
    /// Its name among the encodings, under simulcast.
    pub rid: Option<String>,
    /// What carries it.
    pub transport_id: String,
    /// Its format.
    pub codec_id: String,
    /// What the peer tells of it.
    pub remote_id: Option<String>,
    /// How it is played.
    pub playout_id: Option<String>,
    /// Packets that came, again or late ones among them.
    pub packets_received: u64,
    /// Bytes of their payload.
    pub bytes_received: u64,
    /// Packets that did not come, less those that came twice.
    pub packets_lost: i64,
    /// How unevenly they come.
    #[cfg_attr(feature = "serde", serde(serialize_with = "super::seconds"))]
    pub jitter: Duration,
    /// Packets that came too late to be of use.
    pub packets_discarded: u64,
    /// Packets that were sent again.
    pub retransmitted_packets_received: u64,
    /// Repair packets, or repetitions within audio.
    pub fec_packets_received: u64,
    /// Those of no use.
    pub fec_packets_discarded: u64,
    /// Times that packets were asked for again.
    pub nack_count: u32,
    /// Times that a key frame was asked for.
    pub pli_count: u32,
    /// Pictures that came whole.
    pub frames_received: u64,
    /// Pictures that came whole and could not be used.
    pub frames_dropped: u64,
    /// Key frames that were handed out. Not in the dictionary, which counts those decoded.
    pub key_frames_received: u64,
    /// Pictures of several packets.
    pub frames_assembled_from_multiple_packets: u64,
    /// From the first packet of such a picture to the last, over all of them.
    #[cfg_attr(feature = "serde", serde(serialize_with = "super::seconds"))]
    pub total_assembly_time: Duration,
    /// Times that a picture stood too long.
    pub freeze_count: u32,
    /// How long these times were.
    #[cfg_attr(feature = "serde", serde(serialize_with = "super::seconds"))]
    pub total_freezes_duration: Duration,
    /// Times between pictures.
    #[cfg_attr(feature = "serde", serde(serialize_with = "super::seconds"))]
    pub total_inter_frame_delay: Duration,
    /// Their squares, in s².
    pub total_squared_inter_frame_delay: f64,
    /// From arrival to being shown or played, over all frames or samples.
    #[cfg_attr(feature = "serde", serde(serialize_with = "super::seconds"))]
    pub jitter_buffer_delay: Duration,
    /// What was aimed at likewise.
    #[cfg_attr(feature = "serde", serde(serialize_with = "super::seconds"))]
    pub jitter_buffer_target_delay: Duration,
    /// How many these were.
    pub jitter_buffer_emitted_count: u64,
    /// Samples played, whatever they were.
    pub total_samples_received: u64,
    /// Samples made up.
    pub concealed_samples: u64,
    /// Samples made up in gaps too long to be hidden.
    pub silent_concealed_samples: u64,
    /// Gaps that were hidden.
    pub concealment_events: u64,
    /// Samples repeated to wait for late packets.
    pub inserted_samples_for_deceleration: u64,
    /// Samples left out to catch up.
    pub removed_samples_for_acceleration: u64,
}

/// A stream of ours (W3C `RTCOutboundRtpStreamStats`).
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "camelCase"))]
#[non_exhaustive]
pub struct OutboundRtpStats {
    /// What others refer to it by.
    pub id: String,
    /// The number of the stream.
    pub ssrc: u32,
    /// `audio` or `video`.
    pub kind: String,
    /// The name of its section.
    pub mid: Option<String>,
    /// Its name among the encodings, under simulcast.
    pub rid: Option<String>,
    /// What carries it.
    pub transport_id: String,
    /// Its format.
    pub codec_id: String,
    /// What the peer tells of it.
    pub remote_id: Option<String>,
    /// Its place among the encodings.
    pub encoding_index: usize,
    /// Whether it is given any of the rate.
    pub active: bool,
    /// Packets, retransmissions and padding among them.
    pub packets_sent: u64,
    /// Bytes of their payload and padding.
    pub bytes_sent: u64,
    /// Bytes of their headers.
    pub header_bytes_sent: u64,
    /// Packets sent again.
    pub retransmitted_packets_sent: u64,
    /// Bytes of their payload.
    pub retransmitted_bytes_sent: u64,
    /// What the encoder was told to produce, in bits per second.
    pub target_bitrate: u64,
    /// Frames.
    pub frames_sent: u64,
    /// Key frames among them. Not in the dictionary, which counts those encoded.
    pub key_frames_sent: u64,
    /// Frames that waited too long for the path. Not in the dictionary.
    pub frames_dropped: u64,
    /// How long packets waited here, over all of them.
    #[cfg_attr(feature = "serde", serde(serialize_with = "super::seconds"))]
    pub total_packet_send_delay: Duration,
    /// Times that the peer asked for packets again.
    pub nack_count: u32,
    /// Times that it asked for a key frame by PLI.
    pub pli_count: u32,
    /// Times that it did by FIR.
    pub fir_count: u32,
}

/// What the peer tells of a stream of ours (W3C `RTCRemoteInboundRtpStreamStats`).
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "camelCase"))]
#[non_exhaustive]
pub struct RemoteInboundRtpStats {
    /// What others refer to it by.
    pub id: String,
    /// The number of the stream.
    pub ssrc: u32,
    /// `audio` or `video`.
    pub kind: String,
    /// The stream.
    pub local_id: String,
    /// Packets that did not arrive.
    pub packets_lost: i64,
    /// The share of those lost lately, 0 to 1.
    pub fraction_lost: f64,
    /// How unevenly they arrive.
    #[cfg_attr(feature = "serde", serde(serialize_with = "super::seconds"))]
    pub jitter: Duration,
    /// The last round trip.
    #[cfg_attr(feature = "serde", serde(serialize_with = "super::maybe_seconds"))]
    pub round_trip_time: Option<Duration>,
    /// All round trips together.
    #[cfg_attr(feature = "serde", serde(serialize_with = "super::seconds"))]
    pub total_round_trip_time: Duration,
    /// How many these were.
    pub round_trip_time_measurements: u64,
}

/// What the peer tells of a stream of its own (W3C `RTCRemoteOutboundRtpStreamStats`).
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "camelCase"))]
#[non_exhaustive]
pub struct RemoteOutboundRtpStats {
    /// What others refer to it by.
    pub id: String,
    /// The number of the stream.
    pub ssrc: u32,
    /// `audio` or `video`.
    pub kind: String,
    /// The stream.
    pub local_id: String,
    /// When it told that, since 1970 by its clock.
    #[cfg_attr(feature = "serde", serde(serialize_with = "super::maybe_seconds"))]
    pub remote_timestamp: Option<Duration>,
}

/// Sound that is played (W3C `RTCAudioPlayoutStats`).
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "camelCase"))]
#[non_exhaustive]
pub struct MediaPlayoutStats {
    /// What others refer to it by.
    pub id: String,
    /// `audio`.
    pub kind: String,
    /// How much was made up.
    #[cfg_attr(feature = "serde", serde(serialize_with = "super::seconds"))]
    pub synthesized_samples_duration: Duration,
    /// How often.
    pub synthesized_samples_events: u64,
    /// How much was played.
    #[cfg_attr(feature = "serde", serde(serialize_with = "super::seconds"))]
    pub total_samples_duration: Duration,
    /// The same in samples of the stream's clock.
    pub total_samples_count: u64,
}
