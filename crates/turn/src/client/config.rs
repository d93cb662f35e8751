//! How a client behaves.

use alloc::string::String;
use core::fmt;

use peerage_base::redact::Redacted;
use peerage_base::time::Duration;
use peerage_stun::transaction::Timing;

/// The address families that relayed addresses are wanted of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Families {
    /// IPv4 alone: what a server gives that is not asked for a family.
    #[default]
    V4,
    /// IPv6 alone.
    V6,
    /// One of each in one allocation (RFC 8656 §7.1). A server that cannot gives what it has.
    Both,
}

/// How a client behaves.
#[derive(Clone)]
#[non_exhaustive]
pub struct Config {
    /// Who asks. Default empty, which no server knows. Beyond ASCII it is to be handed in prepared (RFC 8265).
    pub username: String,
    /// Proves it. Default empty. Beyond ASCII it is to be handed in prepared (RFC 8265).
    pub password: String,
    /// Whether the transport repeats by itself (TCP, TLS): requests are sent once, and nothing keeps a NAT's binding
    /// alive. Default false.
    pub reliable: bool,
    /// The families wanted. Default [`Families::V4`].
    pub families: Families,
    /// The lifetime asked for, whole seconds. Default 600 s, what every server grants; it decides how long the server
    /// holds resources for a client that vanished.
    pub lifetime: Duration,
    /// Most peers at a time. Default 64. Where one more is named, the one that was used least recently gives way.
    pub max_peers: usize,
    /// When requests are repeated on UDP. Default that of RFC 8489.
    pub timing: Timing,
    /// Longest silence towards the server on UDP once there is an allocation. Default 20 s: NATs are known to forget
    /// after 30 s.
    pub keepalive: Duration,
}

impl Config {
    /// The default, with credentials.
    pub fn new(username: impl Into<String>, password: impl Into<String>) -> Self {
        Self { username: username.into(), password: password.into(), ..Self::default() }
    }

    /// When requests are repeated on this transport.
    pub(crate) fn request_timing(&self) -> Timing {
        if self.reliable { Timing::reliable() } else { self.timing }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            username: String::new(),
            password: String::new(),
            reliable: false,
            families: Families::default(),
            lifetime: Duration::from_secs(600),
            max_peers: 64,
            timing: Timing::default(),
            keepalive: Duration::from_secs(20),
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("username", &Redacted(&self.username))
            .field("reliable", &self.reliable)
            .field("families", &self.families)
            .field("lifetime", &self.lifetime)
            .field("max_peers", &self.max_peers)
            .field("timing", &self.timing)
            .field("keepalive", &self.keepalive)
            .finish_non_exhaustive()
    }
}
