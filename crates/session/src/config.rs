//! What a session is made with.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use peerage_crypto::keys::Keys;
use peerage_crypto::keys::system::SYSTEM;
use peerage_dtls::config::Versions;
use peerage_dtls::suite::{CipherSuite, Group};
use peerage_jsep::capability::MediaConfig;
use peerage_media::estimate::config::Config as EstimateConfig;
use peerage_media::send::config::Config as SendConfig;
use peerage_media::send::repair::Config as RepairConfig;
use peerage_sctp::config::{CongestionControl, OnShareExceeded};

use crate::ice_server::ServerUrl;

/// Configuration of a session.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Servers to learn addresses from. Default: none.
    pub servers: Vec<Server>,
    /// Which candidates are used at all. Default: all.
    pub ice_transport_policy: IceTransportPolicy,
    /// Be a lite agent (RFC 8445 §2.5): host candidates only, checks are answered and none is sent. For hosts that
    /// everyone can reach; saves timers and packets. Default: no.
    pub ice_lite: bool,
    /// Whether the peer is told addresses of this machine that the Internet does not know (RFC 8828 §5.2, mode 3 does
    /// not). Checks leave from them nonetheless. Default: yes.
    pub tell_private: bool,
    /// Whether the next ports of a NAT that counts them up are predicted and offered, or tried, where plain ICE finds no
    /// direct way. Default: yes.
    pub predict_ports: bool,
    /// Whether many sockets probe for a way through a NAT that chooses ports at random, where nothing else finds a direct
    /// one. Default: yes.
    pub birthday_probing: bool,
    /// Whether probes go to any address of the peer, and not to public ones alone. Default: no. For simulated networks.
    pub probe_anywhere: bool,
    /// What DTLS offers and accepts. Default: all it has.
    pub dtls: DtlsOptions,
    /// Where keys, encapsulations and signatures come from. Default: the operating system. Runs of simulations repeat byte
    /// for byte with `SEEDED`, behind the feature `seeded`; nothing else may use it.
    pub keys: &'static dyn Keys,
    /// Whether what decrypts the connection comes out as [`Event::KeyLog`](crate::event::Event::KeyLog). Default: no.
    pub key_log: bool,
    /// Whether the association of the data channels begins from the descriptions, with peers that do the same
    /// (draft-hancke-tsvwg-snap-00), which saves its two round trips. Default: yes.
    pub snap: bool,
    /// Whether the DTLS handshake goes along with ICE's checks, if the peer takes that too (draft-hancke-webrtc-sped-00),
    /// which saves a round trip. Default: yes.
    pub sped: bool,
    /// Put in front of the local user-name fragment; names the shard that owns the session. Default: empty.
    pub ufrag_prefix: String,
    /// User-name fragment and password of the first ICE generation, where signalling tells them by another value, such as a
    /// fingerprint. They follow RFC 8839 §5.4, or are not used. Default: `None`, random ones.
    pub credentials: Option<(String, String)>,
    /// How long the peer may take to learn of our description, where a person carries it: so long checks and the DTLS
    /// handshake are repeated before the connection counts as failed. Default: `None`, 40 s and 30 s.
    pub patience: Option<Duration>,
    /// Length of the largest datagram that is sent without asking, in bytes of UDP payload: what every path is to carry.
    /// Larger ones are sent once a probe has shown that they pass. Default: 1200. Kept within 548 to 60 000.
    pub max_datagram: usize,
    /// Most bytes of UDP payload that are probed for (RFC 8899). Default: `None`, what Ethernet carries: 1472 over IPv4, 1452
    /// over IPv6. At `max_datagram` or below, nothing is probed.
    pub datagram_ceiling: Option<usize>,
    /// Unread bytes held before the peer must wait. Default: 4 MiB.
    pub receive_window: usize,
    /// Percentage of `receive_window` that one channel may hold unread. Default: 50.
    pub channel_share: u8,
    /// What becomes of a channel that holds more. Default: all channels wait until it is read.
    pub on_share_exceeded: OnShareExceeded,
    /// What decides how fast data channels send. Default: BBR.
    pub congestion: CongestionControl,
    /// Whether messages of several channels are sent a fragment at a time, if the peer does so too (RFC 8260). Default: true.
    pub interleaving: bool,
    /// Unsent bytes held before a send is refused. Default: 4 MiB.
    pub send_buffer: usize,
    /// The largest message that is accepted, in bytes. Default: 256 KiB.
    pub max_message_size: usize,
    /// Audio and video. Default: none, and the peer's offers of them are refused.
    pub media: Option<Arc<MediaOptions>>,
    /// The time since 1970 at the origin of the instants that the session is given: what sender reports tell. Default: zero.
    pub unix: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            ice_transport_policy: IceTransportPolicy::All,
            ice_lite: false,
            tell_private: true,
            predict_ports: true,
            birthday_probing: true,
            probe_anywhere: false,
            dtls: DtlsOptions::default(),
            keys: SYSTEM,
            key_log: false,
            snap: true,
            sped: true,
            ufrag_prefix: String::new(),
            credentials: None,
            patience: None,
            max_datagram: 1200,
            datagram_ceiling: None,
            receive_window: 4 << 20,
            channel_share: 50,
            on_share_exceeded: OnShareExceeded::Stall,
            congestion: CongestionControl::default(),
            interleaving: true,
            send_buffer: 4 << 20,
            max_message_size: 256 << 10,
            media: None,
            unix: Duration::ZERO,
        }
    }
}

/// Audio and video: what is offered and accepted, and how it is sent. Sessions share it.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct MediaOptions {
    /// Codecs and header extensions. Default: Opus, RED, G.711, VP8, VP9, H.264, AV1 and what browsers extend headers by.
    pub tables: Arc<MediaConfig>,
    /// How the rate of the path is estimated.
    pub estimate: EstimateConfig,
    /// What is kept of what is sent.
    pub send: SendConfig,
    /// From which loss and round trip on video is protected by repair packets, and by how many. Which formats of them are offered
    /// and taken is in the tables; none are made where [`most`](RepairConfig::most) is 0.
    pub repair: RepairConfig,
}

/// What DTLS offers and accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DtlsOptions {
    /// Versions. Default: 1.3, and 1.2 with peers that know no better.
    pub versions: Versions,
    /// Cipher suites of both versions, the preferred first. Default: [`CipherSuite::ALL`].
    pub cipher_suites: Vec<CipherSuite>,
    /// Key-exchange groups, the preferred first. Default: [`Group::ALL`], of which the first withstands quantum computers.
    /// With DTLS 1.2 P-256 has to be among them, because certificates are made on it.
    pub groups: Vec<Group>,
}

impl Default for DtlsOptions {
    fn default() -> Self {
        Self { versions: Versions::Any, cipher_suites: CipherSuite::ALL.to_vec(), groups: Group::ALL.to_vec() }
    }
}

/// A STUN or TURN server (one URL of a W3C `RTCIceServer`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Where and what it is.
    pub url: ServerUrl,
    /// User name; empty for STUN.
    pub username: String,
    /// Password; empty for STUN.
    pub credential: String,
}

impl From<ServerUrl> for Server {
    fn from(url: ServerUrl) -> Self {
        Self { url, username: String::new(), credential: String::new() }
    }
}

/// Which candidates are used (W3C `RTCIceTransportPolicy`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum IceTransportPolicy {
    /// All of them.
    #[default]
    All,
    /// Relayed ones alone: the peer learns no address of this machine.
    Relay,
}

/// How a local address is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AddressKind {
    /// A UDP socket.
    #[default]
    Udp,
    /// TCP connections are opened from it (RFC 6544 §4.1); its port is 9 by convention.
    TcpActive,
    /// A TCP listener.
    TcpPassive,
    /// TCP connections that both sides open at once.
    TcpSimultaneousOpen,
}

/// A local address that the owner can send from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalAddress {
    /// The transport address of the socket.
    pub address: SocketAddr,
    /// The `.local` name to signal in place of the address, where addresses are hidden.
    pub mdns_name: Option<String>,
    /// Preference among local addresses, the higher the better (RFC 8445 §5.1.2.1).
    pub preference: u16,
    /// How it is used.
    pub kind: AddressKind,
}

impl LocalAddress {
    /// A UDP socket whose address is told as it is.
    pub fn udp(address: SocketAddr, preference: u16) -> Self {
        Self { address, mdns_name: None, preference, kind: AddressKind::Udp }
    }
}
