//! What has been sent and what the peer tells of it: the numbers of `outbound-rtp` and `remote-inbound-rtp` (W3C
//! webrtc-stats §8).

use peerage_base::time::Duration;

/// The numbers of one stream. Packets include retransmissions and padding, as the dictionaries have it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statistics {
    /// `packetsSent`.
    pub packets: u64,
    /// `bytesSent`: payload and padding.
    pub bytes: u64,
    /// `headerBytesSent`: headers of RTP.
    pub header_bytes: u64,
    /// `retransmittedPacketsSent`.
    pub resent_packets: u64,
    /// `retransmittedBytesSent`: payload.
    pub resent_bytes: u64,
    /// Repair packets.
    pub repair_packets: u64,
    /// Bytes of padding, those of repeated packets that nobody asked for included.
    pub padding_bytes: u64,
    /// `framesSent`.
    pub frames: u64,
    /// Key frames among them.
    pub key_frames: u64,
    /// Frames that were dropped because they had waited too long.
    pub dropped_frames: u64,
    /// Packets of a publisher or of the application that were dropped, because they had waited too long, too much waited, or they
    /// came after what had to leave first.
    pub dropped_packets: u64,
    /// `totalPacketSendDelay`: time that packets have waited here.
    pub send_delay: Duration,
    /// `nackCount`: requests to send again that have come.
    pub nacks: u64,
    /// Packets that they named and that were not sent again: unknown, too old, asked for too often.
    pub refused_resends: u64,
    /// `pliCount`.
    pub picture_losses: u64,
    /// `firCount`.
    pub full_intra_requests: u64,
    /// What the peer reported last.
    pub remote: Remote,
}

/// `remote-inbound-rtp`: what the peer reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Remote {
    /// Reports that have come.
    pub reports: u64,
    /// `packetsLost`, as told.
    pub packets_lost: i32,
    /// `fractionLost` of the last report, in 1/256.
    pub fraction_lost: u8,
    /// `jitter` in ticks of the stream's clock.
    pub jitter: u32,
    /// `roundTripTime`.
    pub round_trip: Option<Duration>,
    /// `totalRoundTripTime`.
    pub total_round_trip: Duration,
    /// `roundTripTimeMeasurements`.
    pub round_trips: u64,
}
