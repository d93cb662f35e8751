//! What the path lets go.

/// What the owner of the path grants at one poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Bytes of SCTP packets that may leave now. Packets with user data wait until a full one fits; packets without
    /// (SACK, handshake) are not held back.
    pub bytes: usize,
    /// Most bytes of an SCTP packet on this path. Only a retransmission of a chunk that was sized for a larger path may
    /// exceed it, as far as the slot has room: such a packet must be sent without "don't fragment".
    pub max_packet: usize,
    /// Bytes of an SCTP packet that every path in question carries: no chunk with user data is made longer than fits one, so
    /// that it can be sent again on any of them. Packets beyond that size carry several chunks. Above `max_packet` it means
    /// no less than that.
    pub safe_packet: usize,
}

impl Budget {
    /// No limit but the packet size.
    pub const fn unlimited(max_packet: usize) -> Self {
        Self { bytes: usize::MAX, max_packet, safe_packet: max_packet }
    }
}

/// How fast packets may leave, in bytes per second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rate(pub u64);
