//! How the application wants what arrives.

/// How what arrives on a transceiver is handed over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Delivery {
    /// As encoded frames: video in the order of decoding, repaired; audio as it arrives, each frame once.
    #[default]
    Frames,
    /// Audio is kept in the jitter buffer, which says every 10 ms what is to be heard; video as frames.
    Playout,
    /// As packets of RTP, each once and as it arrives: for those who pass them on.
    Packets,
    /// As packets to be sent on by other sessions, each kept once for all of them.
    Forward,
}

impl Delivery {
    /// Whether packets are handed over, not frames.
    pub(crate) const fn is_packets(self) -> bool {
        matches!(self, Self::Packets | Self::Forward)
    }
}
