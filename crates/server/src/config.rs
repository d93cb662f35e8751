//! What a server is told.

use crate::turn::config::TurnConfig;
use crate::whip::config::WhipConfig;
use core::net::{IpAddr, Ipv6Addr, SocketAddr};
use core::time::Duration;
use peerage_base::cidr::Cidr;
use peerage_base::limit::Rate;
use peerage_signal::exchange;
use peerage_signal::link::ServerAddress;
use peerage_signal::room;
use std::path::PathBuf;

/// How a server behaves.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServerConfig {
    /// TCP addresses of HTTP and WebSocket; port 0 takes a free one. Default `[::]:8080`, which is IPv4 as well.
    pub listen: Vec<SocketAddr>,
    /// Addresses of STUN (UDP) and of the relay (UDP and TCP). Default: port 3478 of the listen addresses.
    pub stun: Stun,
    /// The relay. Default: with the settings of [`TurnConfig`]; `None`: none, STUN alone.
    pub turn: Option<TurnConfig>,
    /// Publishing by WHIP and viewing by WHEP. Default: with the settings of [`WhipConfig`]; `None`: neither.
    pub whip: Option<WhipConfig>,
    /// Encryption of HTTP and WebSocket. Default off: plain HTTP, for localhost, a LAN or behind a proxy. Browsers
    /// give a page less to work with when it is neither encrypted nor on localhost.
    pub tls: Tls,
    /// How the server is reached from outside. Its host is then a valid `Host`, its origin may open WebSockets, and
    /// clients behind a proxy are told to use STUN there. Default none.
    pub public_url: Option<ServerAddress>,
    /// Further origins, `https://example.org`, whose pages may open WebSockets here, and exchange offers and answers. Default
    /// none.
    pub allow_origin: Vec<String>,
    /// Proxies whose `X-Forwarded-For` is believed. Default none: the header is then ignored.
    pub trusted_proxies: Vec<Cidr>,
    /// STUN servers to tell clients of besides this one, as `stun:` URLs. Default none.
    pub ice_servers: Vec<String>,
    /// Limits of the rooms.
    pub rooms: room::Settings,
    /// Limits of offers and answers over plain HTTP. Who may begin there is who may open rooms.
    pub exchange: exchange::Settings,
    /// STUN requests answered per source address. Default 40 at once, then 20 a second.
    pub stun_rate: Rate,
    /// TCP addresses where what is counted can be read at `/metrics`, for Prometheus. Anyone who reaches them can.
    /// Default none.
    pub metrics: Vec<SocketAddr>,
    /// TCP connections at a time. Default 4,096; beyond, new ones are closed.
    pub max_connections: usize,
    /// TCP connections at a time from one source address (IPv6: one /64). Default 64; beyond, new ones are closed.
    pub max_connections_per_address: usize,
    /// Time for a TLS handshake, and for the head of a request. Default 10 s.
    pub head_timeout: Duration,
    /// Time for a connection that has not become a WebSocket. Default 2 minutes.
    pub http_timeout: Duration,
    /// How often a WebSocket is pinged. Default 20 s.
    pub ping_interval: Duration,
    /// After how much silence a WebSocket counts as lost. Default 45 s.
    pub silence: Duration,
    /// How long [`Server::run`](crate::Server::run) waits for connections to end at shutdown. Default 3 s.
    pub shutdown_grace: Duration,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: vec![SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 8080)],
            stun: Stun::Default,
            turn: Some(TurnConfig::default()),
            whip: Some(WhipConfig::default()),
            tls: Tls::Off,
            public_url: None,
            allow_origin: Vec::new(),
            trusted_proxies: Vec::new(),
            ice_servers: Vec::new(),
            rooms: room::Settings::default(),
            exchange: exchange::Settings::default(),
            stun_rate: Rate::new(40, 20),
            metrics: Vec::new(),
            max_connections: 4096,
            max_connections_per_address: 64,
            head_timeout: Duration::from_secs(10),
            http_timeout: Duration::from_secs(120),
            ping_interval: Duration::from_secs(20),
            silence: Duration::from_secs(45),
            shutdown_grace: Duration::from_secs(3),
        }
    }
}

/// Where STUN is answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Stun {
    /// Port 3478 of every listen address; a free port where that one is taken, as clients are told the port anyway. A
    /// host with several public addresses should name them in [`Stun::At`], so that each answers for itself.
    #[default]
    Default,
    /// These addresses exactly; port 0 takes a free one. With two different IPs of one family, clients can also find out
    /// how their NAT behaves (RFC 5780): each IP then answers UDP on the port of the other one too, or if both have the
    /// same port, on the next port that is free on both.
    At(Vec<SocketAddr>),
    /// Nowhere, and there is no relay either.
    Off,
}

/// How HTTP is encrypted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Tls {
    /// Not at all.
    #[default]
    Off,
    /// With the certificate chain and the key in these PEM files.
    Files {
        /// The chain, the server's own certificate first.
        cert: PathBuf,
        /// The private key (PKCS#8, PKCS#1 or SEC1).
        key: PathBuf,
    },
    /// With a certificate made at start and kept nowhere; others compare its fingerprint.
    SelfSigned,
}
