//! Counts for statistics.

/// What an estimator has seen; all counts since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Stats {
    /// Packets that left with a number.
    pub packets_sent: u64,
    /// Bytes of these.
    pub bytes_sent: u64,
    /// Packets that the peer has told to have arrived.
    pub packets_acknowledged: u64,
    /// Bytes of these.
    pub bytes_acknowledged: u64,
    /// Packets that the peer has told not to have arrived, less those that it told to have done so later.
    pub packets_lost: u64,
    /// Packets whose numbers feedback spoke of although nothing with these was sent, or too long ago.
    pub packets_unknown: u64,
    /// Packets that arrived with a congestion mark.
    pub packets_marked: u64,
    /// Feedback that told of packets.
    pub feedbacks: u64,
    /// Bursts that were asked for.
    pub probes: u64,
    /// Of these, bursts that showed a rate.
    pub probe_results: u64,
    /// Times at which growing delay had the rate lowered.
    pub overuses: u64,
    /// Times at which feedback stayed out for so long that the rate was lowered.
    pub stalls: u64,
}
