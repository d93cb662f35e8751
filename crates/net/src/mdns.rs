//! Multicast DNS (RFC 6762), as far as WebRTC needs it.
//!
//! Browsers hide the addresses of a host behind random names of the form `<uuid>.local`
//! (draft-ietf-mmusic-mdns-ice-candidates). [`resolver::Resolver`] looks such names up; [`responder::Responder`] makes
//! names for our own addresses and answers for them. Of the discovery of services (RFC 6763) there is what those need who know
//! whom they look for: one offers a service under a name, the other finds where it is. No cache; no names of hosts that are not
//! random, and so no probing for those either. Whoever names a service has to see to it that nobody else has the name.

mod link;
pub mod message;
pub mod name;
pub mod resolver;
pub mod responder;

use std::time::Duration;

/// The port of multicast DNS.
pub const PORT: u16 = 5353;

/// How a resolver or a responder works.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// UDP port of the group. Default 5353; with another one only software set to the same is met.
    pub port: u16,
    /// How long a name is looked for. Default 5 s; longer holds up the end of the checks for names nobody answers for.
    pub timeout: Duration,
    /// Wait before the second query for a name, doubled for each further one. Default 500 ms.
    pub retry: Duration,
    /// Most names looked up at once, or published. Default 32; further ones are refused.
    pub max_names: usize,
    /// Most answers sent per second. Default 20; further questions get none, and are repeated by those who care.
    pub max_answers: u32,
    /// Believes answers that name a loopback address. Default off: a peer has no business there.
    pub loopback: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            port: PORT,
            timeout: Duration::from_secs(5),
            retry: Duration::from_millis(500),
            max_names: 32,
            max_answers: 20,
            loopback: false,
        }
    }
}

/// Why a name was not resolved or not published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The name is not a single label under `local`, or not one of a service.
    #[error("not a host name of multicast DNS")]
    Name,
    /// There are [`Config::max_names`] already.
    #[error("too many names at once")]
    Busy,
    /// Nobody answered.
    #[error("nobody answered for the name")]
    TimedOut,
    /// The runtime is shutting down.
    #[error("the task behind it has ended")]
    Closed,
}

#[cfg(test)]
mod tests;
