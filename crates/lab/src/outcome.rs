//! What a run has shown.

use std::fmt;

use peerage_base::time::Duration;
use peerage_session::event::SelectedPair;
use peerage_session::explain::Explanation;

/// Which way the two found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Way {
    /// From one machine to the other, through whatever translates in between.
    Direct,
    /// Through a relay.
    Relayed,
    /// None.
    None,
}

/// What one run has shown.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Outcome {
    /// The way in use at the end.
    pub way: Way,
    /// When data could flow on both sides, from the first offer on.
    pub connected_after: Option<Duration>,
    /// When the way in use at the end was first taken by both.
    pub settled_after: Option<Duration>,
    /// Connectivity checks that both sides sent, probes and repetitions included.
    pub checks: u64,
    /// The pairs in use at the end.
    pub selected: [Option<SelectedPair>; 2],
    /// What either side says about it.
    pub explanations: [Explanation; 2],
    /// Test messages sent, and those that arrived, in order and unharmed.
    pub messages: (usize, usize),
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Direct => "direct",
            Self::Relayed => "relay",
            Self::None => "failed",
        })
    }
}
