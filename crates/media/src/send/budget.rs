//! What the path lets go.

/// What the owner of the path grants at one poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Bytes of RTP packets that may leave now. Audio is not held back, but counts; all else waits until a full packet fits.
    pub bytes: usize,
    /// Most bytes of an RTP packet on this path. Frames that were cut for a larger path exceed it: their packets must be sent
    /// without "don't fragment".
    pub max_packet: usize,
    /// Bytes that are to leave even if there is nothing to send: padding, so that the path can be probed. `bytes` must let a
    /// full packet go for that too. What else leaves counts, and is for the owner to subtract.
    pub padding: usize,
}

impl Budget {
    /// No limit but the packet size, and no padding.
    pub const fn unlimited(max_packet: usize) -> Self {
        Self { bytes: usize::MAX, max_packet, padding: 0 }
    }
}
