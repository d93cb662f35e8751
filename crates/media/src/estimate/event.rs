//! What an estimator tells its owner.

use super::breaker::Cause;
use core::num::NonZeroU32;
use peerage_base::time::Duration;

/// Names the packets of one probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClusterId(pub NonZeroU32);

/// A burst that is to be sent: the next packets to leave, media before repetitions before padding, each marked with the
/// cluster, at this rate instead of the pacing rate, until both as many packets and as many bytes have left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// What its packets are to be marked with.
    pub cluster: ClusterId,
    /// In bits per second.
    pub rate: u64,
    /// Fewest packets.
    pub packets: u32,
    /// Fewest bytes.
    pub bytes: u64,
    /// How long that takes at the rate.
    pub duration: Duration,
}

/// A fact, or something to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The owner should produce and send at another rate from now on, in bits per second. Told when it has changed by more
    /// than 2 %, or to one of its limits.
    TargetChanged {
        /// [`Estimator::target`](super::estimator::Estimator::target).
        target: u64,
    },
    /// A burst would show whether there is more.
    Probe(Probe),
    /// Sending must stop: the circuit breaker has opened (RFC 8083 §4.5). Sending may go on only after
    /// [`Estimator::path_changed`](super::estimator::Estimator::path_changed), or when a person wants so.
    Cease(Cause),
}
