//! How fast a path may be used: bandwidth estimation at the sender.
//!
//! [`estimator::Estimator`] is told of every packet that leaves and of every feedback that comes, and says how many bits per
//! second the path bears ([`Estimator::estimate`](estimator::Estimator::estimate)), how many the owner should produce
//! ([`Estimator::target`](estimator::Estimator::target)) and how fast they may leave
//! ([`Estimator::pacing_rate`](estimator::Estimator::pacing_rate)). The ideas are those of draft-ietf-rmcat-gcc-02:
//!
//! 1. `history` finds the packet that feedback speaks of (`feedback`: transport-wide or RFC 8888).
//! 2. `acknowledged` measures what arrives, `queue` how long it waits on the way.
//! 3. `groups` and `trendline` tell whether that wait grows; `aimd` answers it. Where others keep the queue full until it overflows,
//!    it does as TCP would (`loss_events`), and finds out from time to time whether they are still there.
//! 4. `loss` finds the capacity that explains what is lost, apart from what is lost at any rate.
//! 5. `ecn` answers marks, of L4S and of classic queues.
//! 6. `probe` asks for short bursts that show whether there is more; `alr` knows when the owner does not use what there is.
//! 7. `window` holds back when feedback stays out, `reports` stands in where there are only receiver reports, and
//!    [`breaker`] is the last resort (RFC 8083).
//!
//! The lowest of what these allow is the estimate. It holds for everything on the path: what leaves besides media is counted
//! by [`Estimator::sent_other`](estimator::Estimator::sent_other).
//!
//! Out of scope: pacing itself, which belongs to the path; how the rate is shared among streams; making feedback.

pub mod breaker;
pub mod config;
pub mod estimator;
pub mod event;
#[cfg(any(test, feature = "fuzz"))]
#[doc(hidden)]
pub mod fuzz;
pub mod stats;

mod acknowledged;
mod aimd;
mod alr;
mod capacity;
mod ecn;
mod feedback;
mod groups;
mod history;
mod loss;
mod loss_events;
mod math;
mod probe;
mod queue;
mod reports;
mod trendline;
mod window;

#[cfg(test)]
mod simulation;
