//! What publishing and viewing are told.

use core::net::IpAddr;
use core::time::Duration;
use peerage_signal::access::AccessToken;

/// How the server takes what is published, and offers it to viewers.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct WhipConfig {
    /// Tokens of those who may publish. Default none: one is made at every start, [`Server::whip_token`](crate::Server).
    pub publish: Vec<AccessToken>,
    /// Tokens of those who may view. Default none: everybody may.
    pub view: Vec<AccessToken>,
    /// UDP and TCP port of audio and video. Default 0: any free one. A firewall has to let it through.
    pub port: u16,
    /// Addresses of this host that audio and video go by. Default: the listen addresses; all of the host's if one of those is a
    /// wildcard or loopback, which browsers do not use.
    pub addresses: Vec<IpAddr>,
    /// Addresses under which the world knows this host, if a 1:1 NAT stands before it: one per family at most. Default: those
    /// of the relay, [`TurnConfig::public_ips`](crate::TurnConfig).
    pub public_ips: Vec<IpAddr>,
    /// Answer the checks of peers and send none (ICE lite, RFC 8445 §2.5): for a server that everyone can reach, whom it saves
    /// packets and timers. Default: no, which works behind NATs too.
    pub ice_lite: bool,
    /// No ICE over TCP (RFC 6544), which reaches peers in networks that let no UDP through. Default: it is offered.
    pub no_tcp: bool,
    /// Whether a publisher takes the name of another one, whose viewers then come again. Default: no, it is refused while the
    /// other one is there.
    pub replace: bool,
    /// What may be used at most.
    pub limits: WhipLimits,
}

/// What publishers and viewers may use at most. Beyond, they are refused with 429 (their own share) or 503 (the whole).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct WhipLimits {
    /// Publishers at a time. Default 16.
    pub publishers: usize,
    /// Viewers of one name at a time. Default 200.
    pub viewers_per_name: usize,
    /// Viewers at a time in all. Default 1,000.
    pub viewers: usize,
    /// Length of a description, in bytes. Default 64 KiB; beyond, 413.
    pub description: usize,
    /// Requests a minute from one source address (IPv6: one /64), preflights apart. Default 120.
    pub requests_per_minute: u32,
    /// How long a publisher may send nothing. Default 30 s; beyond, it is ended.
    pub idle: Duration,
    /// How long a session may take to connect. Default 15 s; beyond, it is ended.
    pub connect: Duration,
}

impl Default for WhipLimits {
    fn default() -> Self {
        Self {
            publishers: 16,
            viewers_per_name: 200,
            viewers: 1000,
            description: 64 << 10,
            requests_per_minute: 120,
            idle: Duration::from_secs(30),
            connect: Duration::from_secs(15),
        }
    }
}
