//! What has happened to the sound.

use peerage_base::time::Duration;

use crate::receive::{nack, source};

/// Counts since the start, in ticks where they are samples. Those of W3C's `inbound-rtp` are named beside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Ticks played, whatever they were (`totalSamplesReceived`).
    pub played: u64,
    /// Ticks that were made up (`concealedSamples`), comfort noise not among them.
    pub concealed: u64,
    /// Ticks that were made up after what is made up had faded (`silentConcealedSamples`): a gap that is heard.
    pub silent_concealed: u64,
    /// Gaps that were hidden (`concealmentEvents`).
    pub concealment_events: u64,
    /// The longest of them, in ticks.
    pub longest_concealment: u64,
    /// Ticks of comfort noise.
    pub comfort_noise: u64,
    /// Ticks taken out to speed up (`removedSamplesForAcceleration`).
    pub accelerated: u64,
    /// Ticks repeated to slow down (`insertedSamplesForDeceleration`).
    pub slowed: u64,
    /// Time from arrival to playing, over all ticks decoded (`jitterBufferDelay`).
    pub jitter_buffer_delay: Duration,
    /// What was aimed at, over all ticks decoded (`jitterBufferTargetDelay`).
    pub jitter_buffer_target_delay: Duration,
    /// Ticks decoded (`jitterBufferEmittedCount`).
    pub emitted: u64,
    /// Packets that came too late, or that there was no room for (`packetsDiscarded`).
    pub packets_discarded: u64,
    /// Packets that came again.
    pub duplicates: u64,
    /// Packets that are malformed or of no known format.
    pub malformed: u64,
    /// Repetitions that came in redundant packets (`fecPacketsReceived`).
    pub redundant_received: u64,
    /// Repetitions that were not needed (`fecPacketsDiscarded`).
    pub redundant_discarded: u64,
    /// Times that redundancy stood in for what was lost.
    pub redundancy_used: u64,
    /// Packets that came as retransmissions (`retransmittedPacketsReceived`).
    pub retransmitted: u64,
    /// Missing packets (`nackCount` is `rounds`).
    pub nack: nack::Stats,
    /// The stream as it arrived.
    pub source: source::Stats,
}
