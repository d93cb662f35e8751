//! Counters.

use peerage_base::time::Duration;

/// What an association has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// SCTP packets sent.
    pub packets_sent: u64,
    /// Bytes of these packets.
    pub bytes_sent: u64,
    /// SCTP packets taken.
    pub packets_received: u64,
    /// Bytes of these packets.
    pub bytes_received: u64,
    /// Messages of channels whose last byte was sent once.
    pub messages_sent: u64,
    /// Messages of channels received in whole.
    pub messages_received: u64,
    /// DATA chunks sent again.
    pub retransmissions: u64,
    /// Expiries of the retransmission timer for data.
    pub timeouts: u64,
    /// Probes sent because an acknowledgement was overdue.
    pub loss_probes: u64,
    /// Episodes of loss that turned out to be reordering or delay.
    pub spurious_losses: u64,
    /// Messages given up for their reliability limit.
    pub messages_abandoned: u64,
    /// DATA chunks received that had been received before.
    pub duplicates_received: u64,
    /// Packets that arrived with a congestion mark.
    pub congestion_marks: u64,
    /// Packets of ours that arrived with a congestion mark, as the peer tells.
    pub congestion_marks_told: u64,
    /// Congestion window in bytes.
    pub congestion_window: usize,
    /// Bytes per second at which packets with user data may leave; `None` before a round trip is known.
    pub pacing_rate: Option<u64>,
    /// Bytes sent and not yet acknowledged.
    pub in_flight: usize,
    /// Receive window that the peer announced last, in bytes.
    pub peer_window: usize,
    /// Smoothed round-trip time, once measured.
    pub round_trip: Option<Duration>,
    /// Whether messages of several channels are sent and taken a fragment at a time (RFC 8260).
    pub interleaving: bool,
    /// What was dropped, by reason.
    pub drops: Drops,
}

/// Received packets and chunks that were dropped, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Drops {
    /// Packets or chunks that do not parse.
    pub malformed: u64,
    /// Packets with a wrong checksum.
    pub checksum: u64,
    /// Packets for another port.
    pub port: u64,
    /// Packets with a wrong verification tag.
    pub tag: u64,
    /// Chunks that the state of the association has no use for.
    pub state: u64,
    /// Chunks of an unknown type.
    pub unknown: u64,
    /// COOKIE ECHOs whose cookie is forged, foreign or stale.
    pub cookie: u64,
    /// DATA chunks for which there was no room, or beyond the bounds of reordering.
    pub no_room: u64,
    /// DATA chunks on a stream that does not exist.
    pub stream: u64,
    /// Messages that no channel wanted: an unknown payload protocol, or a channel closed by the owner.
    pub unwanted: u64,
}
