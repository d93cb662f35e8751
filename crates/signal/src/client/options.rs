//! How to enter a room.

use super::tls::TlsOptions;
use crate::access::AccessToken;
use crate::code::Code;
use crate::link::ServerAddress;
use crate::plain::Role;
use core::time::Duration;
use peerage_base::rng::Rng;

/// Whether the room must exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    /// Create it if it does not exist: for whoever made the code.
    Open,
    /// It must exist: for whoever was given the code, so that a mistyped one is noticed.
    Join,
}

/// How to enter a room.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RoomOptions {
    /// Where the server is.
    pub server: ServerAddress,
    /// Room and secret.
    pub code: Code,
    /// Whether the room must exist.
    pub intent: Intent,
    /// What opens rooms on a server that does not let everybody. Shown only with [`Intent::Open`], to a server of our own
    /// choice: the server of a link that somebody sent must not learn it. Default none.
    pub access_token: Option<AccessToken>,
    /// What we tell others we are here for.
    pub role: Role,
    /// Program and version, for people. Default `peerage/VERSION`.
    pub agent: String,
    /// What to believe in a TLS handshake.
    pub tls: TlsOptions,
    /// Where identities and jitter come from.
    pub rng: Rng,
    /// Time for entering: name resolution, TCP, TLS, HTTP and the server's answer. Default 15 s.
    pub connect_timeout: Duration,
    /// How long to go on trying when the server is out of reach. Default one hour.
    pub give_up_after: Duration,
    /// How often the server is pinged. Default 20 s.
    pub ping_interval: Duration,
    /// After how much silence the connection counts as lost. Default 45 s.
    pub silence: Duration,
}

impl RoomOptions {
    /// Options with every default. `rng` must be seeded from the system's entropy, as [`entropy::rng`](crate::entropy::rng)
    /// is: the identity drawn from it keeps sealing keys from being used twice.
    pub fn new(server: ServerAddress, code: Code, intent: Intent, role: Role, rng: Rng) -> Self {
        Self {
            server,
            code,
            intent,
            access_token: None,
            role,
            agent: concat!("peerage/", env!("CARGO_PKG_VERSION")).to_owned(),
            tls: TlsOptions::default(),
            rng,
            connect_timeout: Duration::from_secs(15),
            give_up_after: Duration::from_secs(3600),
            ping_interval: Duration::from_secs(20),
            silence: Duration::from_secs(45),
        }
    }
}
