//! What carries everything, in the statistics.

use std::time::Duration;

/// The connection (W3C `RTCPeerConnectionStats`).
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "camelCase"))]
#[non_exhaustive]
pub struct PeerConnectionStats {
    /// What others refer to it by.
    pub id: String,
    /// Channels that were open at some time.
    pub data_channels_opened: u32,
    /// Those that are closed again.
    pub data_channels_closed: u32,
}

/// What carries everything (W3C `RTCTransportStats`).
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "camelCase"))]
#[non_exhaustive]
pub struct TransportStats {
    /// What others refer to it by.
    pub id: String,
    /// Datagrams sent.
    pub packets_sent: u64,
    /// Datagrams received.
    pub packets_received: u64,
    /// Bytes of UDP payload sent.
    pub bytes_sent: u64,
    /// Bytes of UDP payload received.
    pub bytes_received: u64,
    /// The state of ICE.
    pub ice_state: String,
    /// The state of the connection as DTLS sees it.
    pub dtls_state: String,
    /// The pair in use.
    pub selected_candidate_pair_id: Option<String>,
    /// Who we are.
    pub local_certificate_id: Option<String>,
    /// Who the peer is.
    pub remote_certificate_id: Option<String>,
    /// The version of DTLS.
    pub tls_version: Option<String>,
    /// Its cipher suite.
    pub dtls_cipher: Option<String>,
}

/// A pair of candidates (W3C `RTCIceCandidatePairStats`).
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "camelCase"))]
#[non_exhaustive]
pub struct CandidatePairStats {
    /// What others refer to it by.
    pub id: String,
    /// Whose it is.
    pub transport_id: String,
    /// Our end.
    pub local_candidate_id: String,
    /// The peer's end.
    pub remote_candidate_id: String,
    /// `frozen`, `waiting`, `in-progress`, `succeeded` or `failed`.
    pub state: String,
    /// Whether the controlling side has settled on it.
    pub nominated: bool,
    /// Its priority.
    pub priority: u64,
    /// All measured round trips together.
    #[cfg_attr(feature = "serde", serde(serialize_with = "super::seconds"))]
    pub total_round_trip_time: Duration,
    /// The last one.
    #[cfg_attr(feature = "serde", serde(serialize_with = "super::maybe_seconds"))]
    pub current_round_trip_time: Option<Duration>,
    /// Bits per second that it bears, if it is in use and audio or video is sent.
    pub available_outgoing_bitrate: Option<u64>,
    /// Checks received.
    pub requests_received: u64,
    /// Checks sent.
    pub requests_sent: u64,
    /// Answers received.
    pub responses_received: u64,
    /// Answers sent.
    pub responses_sent: u64,
}

/// An end of a pair (W3C `RTCIceCandidateStats`).
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "camelCase"))]
#[non_exhaustive]
pub struct CandidateStats {
    /// What others refer to it by.
    pub id: String,
    /// Whose it is.
    pub transport_id: String,
    /// Its address.
    pub address: String,
    /// Its port.
    pub port: u16,
    /// `udp` or `tcp`.
    pub protocol: String,
    /// `host`, `srflx`, `prflx` or `relay`.
    pub candidate_type: String,
}

/// A certificate (W3C `RTCCertificateStats`).
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "camelCase"))]
#[non_exhaustive]
pub struct CertificateStats {
    /// What others refer to it by.
    pub id: String,
    /// Its hash, in pairs of digits.
    pub fingerprint: String,
    /// What that was made by.
    pub fingerprint_algorithm: String,
}

/// A data channel (W3C `RTCDataChannelStats`).
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "camelCase"))]
#[non_exhaustive]
pub struct DataChannelStats {
    /// What others refer to it by.
    pub id: String,
    /// Its label.
    pub label: String,
    /// Its subprotocol.
    pub protocol: String,
    /// Its stream, once it has one.
    pub data_channel_identifier: Option<u16>,
    /// `connecting`, `open`, `closing` or `closed`.
    pub state: String,
    /// Bytes that wait to be sent. Not in the dictionary.
    pub buffered_amount: usize,
}
