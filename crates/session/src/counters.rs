//! What is counted as it passes.

/// Bytes and datagrams in each direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes of UDP payload sent.
    pub bytes_sent: u64,
    /// Bytes of UDP payload received.
    pub bytes_received: u64,
    /// Datagrams sent.
    pub packets_sent: u64,
    /// Datagrams received.
    pub packets_received: u64,
}

/// Datagrams that were dropped before any protocol saw them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drops {
    /// The session was over.
    pub closed: u64,
    /// No protocol of ours begins with that byte.
    pub unknown: u64,
    /// No check with a valid MAC ever came over that path.
    pub unclaimed: u64,
    /// DTLS before our role was known, beyond what is kept.
    pub early: u64,
    /// Audio and video before there were keys.
    pub media_early: u64,
    /// DTLS packets that checks carried once more, or that nobody waited for.
    pub embedded: u64,
}

impl Traffic {
    pub(crate) fn sent(&mut self, len: usize, segment: Option<usize>) {
        self.bytes_sent += len as u64;
        self.packets_sent += segment.map_or(1, |size| len.div_ceil(size)) as u64;
    }

    pub(crate) fn received(&mut self, len: usize) {
        self.bytes_received += len as u64;
        self.packets_received += 1;
    }
}
