//! What of it may be done, and how much.

use peerage_base::time::Duration;

/// Limits of what is tried beyond plain ICE. All of it happens in the background and ends by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// Whether the next ports of a NAT that counts are predicted, of this side's NAT and of the peer's. Default: true.
    pub predict: bool,
    /// Whether many ports are tried where a NAT's choice is random: many sockets here, or many ports of the peer's
    /// address. Default: true.
    pub birthday: bool,
    /// Time that plain ICE gets first, from when checks could begin. Default: 2 s.
    pub start_after: Duration,
    /// Longest time that one attempt takes. Default: 22 s.
    pub patience: Duration,
    /// Least time between two probes. Below 5 ms counts as 5 ms. Default: 10 ms.
    pub pacing: Duration,
    /// Most sockets open at once. A NAT may allow a subscriber no more than a few hundred. Default: 256.
    pub sockets: usize,
    /// Most probes in the life of the agent, repetitions and all attempts included. Default: 2048.
    pub probes: usize,
    /// Most guessed candidates that a peer is told that does not know punching. Default: 448, which are as many as
    /// Chromium checks in 21 s.
    pub guesses: usize,
    /// Whether private, shared, link-local and loopback addresses are probed too, as laboratories have them. Default:
    /// false.
    pub private: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self::usual()
    }
}

impl Config {
    pub(super) const fn usual() -> Self {
        Self {
            predict: true,
            birthday: true,
            start_after: Duration::from_secs(2),
            patience: Duration::from_secs(22),
            pacing: Duration::from_millis(10),
            sockets: 256,
            probes: 2048,
            guesses: 448,
            private: false,
        }
    }
}
