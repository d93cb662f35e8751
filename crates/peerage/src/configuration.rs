//! What an application may choose: standard things in [`Configuration`], all else in [`Settings`].

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

pub use peerage_base::cidr::{Cidr, CidrError};
pub use peerage_net::interfaces::{Filter as InterfaceFilter, Kind as InterfaceKind};
pub use peerage_net::tcp::{TlsError, TlsOptions};
pub use peerage_session::config::{DtlsOptions, IceTransportPolicy, MediaOptions};
use peerage_session::face::Certificate;
pub use peerage_session::face::{CipherSuite, CongestionControl, DtlsVersions, Group, OnShareExceeded};
pub use peerage_session::face::{
    CodecCapability, EstimateConfig, ExtensionCapability, MediaConfig, RepairConfig, SendConfig,
};

/// Configuration of one connection (W3C `RTCConfiguration`).
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Configuration {
    /// STUN and TURN servers. Default: none, so that only addresses of this machine are offered.
    pub ice_servers: Vec<IceServer>,
    /// Which candidates are used (W3C `RTCIceTransportPolicy`). Default: all. With `Relay` the peer learns no address of this
    /// machine, and nothing works without a TURN server.
    pub ice_transport_policy: IceTransportPolicy,
    /// The identity of this side. Default: a fresh self-signed one for each connection; sharing one makes connections
    /// linkable and saves about a tenth of a millisecond.
    pub certificate: Option<Arc<Certificate>>,
    /// Makes ICE's user-name fragment and password of the SHA-256 fingerprint of the certificate, for descriptions that have
    /// to be short: the other side does the same, and they are not told. They last until ICE restarts. With it every
    /// connection needs a certificate of its own. Default: `None`, random ones.
    pub ice_credentials: Option<DeriveCredentials>,
    /// How long the peer may take to learn of our description, where a person carries it: so long checks and the DTLS
    /// handshake are repeated before the connection counts as failed. Default: `None`, about half a minute.
    pub patience: Option<Duration>,
}

/// Makes ICE's user-name fragment (4 to 256 letters, digits, `+`, `/`) and password (22 to 256) of a SHA-256 fingerprint.
pub type DeriveCredentials = fn(&[u8; 32]) -> (String, String);

/// A server that helps to find a path (W3C `RTCIceServer`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IceServer {
    /// `stun:host[:port]`, `turn:host[:port][?transport=tcp]` and `turns:host[:port]` URLs.
    pub urls: Vec<String>,
    /// User name at a TURN server.
    pub username: String,
    /// Password at a TURN server.
    pub credential: String,
}

impl IceServer {
    /// A server without credentials at one URL.
    pub fn new(url: impl Into<String>) -> Self {
        Self { urls: vec![url.into()], ..Self::default() }
    }
}

/// Settings of an endpoint, beyond the standard.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// UDP port of the endpoint's sockets. Default: 0, any free one.
    pub port: u16,
    /// Ports that sockets are opened on where none is named: all of UDP, those to relays and for probes too, and the TCP
    /// listener. Default: `None`, those of the system. A firewall can let a range through; one shorter than a few hundred
    /// leaves little for probes.
    pub port_range: Option<RangeInclusive<u16>>,
    /// Addresses to offer, each of which must be one of this machine's. Default: empty, all usable ones.
    pub addresses: Vec<IpAddr>,
    /// Which interfaces, families and networks addresses are taken from. Default: all that lead somewhere.
    pub interfaces: InterfaceFilter,
    /// How much of this machine's addresses and ways is used, and so told (RFC 8828 §5.2). Default: all.
    pub ip_handling: IpHandling,
    /// Addresses that the world knows this machine's by, where a 1:1 NAT stands before it, as in most clouds. Default: none.
    pub nat_1to1: Vec<Nat1to1>,
    /// What of TCP is offered to peers (RFC 6544). Default: connections are opened to peers that listen.
    pub tcp: Tcp,
    /// What DTLS offers and accepts. Default: version 1.3, then 1.2, with all that they have.
    pub dtls: DtlsOptions,
    /// Whether SCTP begins from INIT chunks in the descriptions where the peer does the same
    /// (draft-hancke-tsvwg-snap-00), which saves its two round trips. Default: true.
    pub snap: bool,
    /// Whether the DTLS handshake goes along with ICE's checks where the peer takes that too
    /// (draft-hancke-webrtc-sped), which saves its round trips. Default: true.
    pub sped: bool,
    /// A file that what decrypts every connection of the endpoint is appended to, in the format that Wireshark and NSS
    /// share. Default: none. Who reads it reads everything.
    pub key_log: Option<PathBuf>,
    /// What to believe of TURN servers over TLS. Default: Mozilla's certificate authorities.
    pub tls: TlsOptions,
    /// Whether the router is asked for a port by PCP, NAT-PMP or UPnP, which it is given back at the end. Default: true. It
    /// makes this side reachable for peers behind any NAT; it is asked only where the address that packets leave from is
    /// a private one.
    pub port_mapping: bool,
    /// Whether loopback addresses are offered too. Default: only where the machine has no other address. Connections
    /// within one machine need it then alone; offering it costs peers elsewhere two useless checks.
    pub include_loopback: Option<bool>,
    /// Whether host addresses are hidden behind random `.local` names, as browsers do. Default: false. Peers outside the
    /// local network then learn public addresses only, from STUN.
    pub publish_mdns: bool,
    /// Whether the next ports of a NAT that counts them up are predicted and offered, or tried, where plain ICE finds no
    /// direct way. Default: true.
    pub predict_ports: bool,
    /// Whether connections are lite agents (RFC 8445 §2.5): host candidates only, checks are answered and none is sent. For
    /// servers that everyone can reach. Default: false.
    pub ice_lite: bool,
    /// Whether hundreds of sockets probe for a way through a NAT that chooses ports at random, for some seconds, where
    /// nothing else finds a direct one. Default: true. They are at most 512 for all connections together.
    pub birthday_probing: bool,
    /// Whether probes go to any address of the peer, and not to public ones alone. Default: false. For simulated networks.
    pub probe_anywhere: bool,
    /// How often interfaces are looked at for changes. Default: 3 s. Zero: never. Where the kernel tells of changes, as on
    /// Linux, they are heard at once, and looked for a tenth as often.
    pub interface_poll: Duration,
    /// How many tasks share the work, each with sockets of its own on the same port (Linux, Android; elsewhere it is one).
    /// Default: `None`, one for each worker of the runtime, at most 8. More than the runtime has workers bring nothing.
    /// One begins; each further one does when there are as many connections as tasks, so a single connection has one.
    pub shards: Option<usize>,
    /// Unread bytes that a connection holds before the peer must wait. Default: 4 MiB. Less is granted until the
    /// application has shown that it reads: 512 KiB, or two of the largest messages.
    pub receive_window: usize,
    /// Percentage of `receive_window` that one channel may hold unread, because all channels of a connection share its
    /// one window. Default: 50. Kept within 1 to 100.
    pub channel_share: u8,
    /// What becomes of a channel that holds more than its share. Default: all channels wait until it is read, as in
    /// browsers. Otherwise it is closed, which [`DataChannel::error`](crate::DataChannel::error) tells.
    pub on_share_exceeded: OnShareExceeded,
    /// What decides how fast data channels send. Default: [`CongestionControl::Bbr`], which keeps queues short and does not
    /// mind random loss; CUBIC competes as TCP does.
    pub congestion: CongestionControl,
    /// Whether a large message on one channel lets those of other channels pass, by their priority, if the peer does so
    /// too (RFC 8260): Firefox does, Chromium does not. Default: true.
    pub interleaving: bool,
    /// Unsent bytes that a connection holds before `send` waits. Default: 4 MiB.
    pub send_buffer: usize,
    /// The largest message that is accepted, in bytes. Default: 256 KiB, as in Chromium.
    pub max_message_size: usize,
    /// Audio and video: which codecs and header extensions are offered and accepted, at what rates sending begins and ends, what
    /// is kept to be sent again. Default: Opus, G.711, VP8, VP9, H.264 and AV1 as browsers have them. `None`: none, and the peer's
    /// offers of them are refused. All connections share it; it costs those that use none of it nothing.
    pub media: Option<Arc<MediaOptions>>,
    /// Length of the largest datagram that is sent without asking, in bytes of UDP payload: what every path is to carry.
    /// Kept within 576 to 9000. Default: 1200.
    pub max_datagram: usize,
    /// Most bytes of UDP payload that a busy connection probes for, and uses once a probe has arrived (RFC 8899). Default:
    /// `None`, what Ethernet carries: 1472 over IPv4, 1452 over IPv6. More is for networks of jumbo frames; `Some(0)` never
    /// probes.
    pub datagram_ceiling: Option<usize>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            port: 0,
            port_range: None,
            addresses: Vec::new(),
            interfaces: InterfaceFilter::default(),
            ip_handling: IpHandling::All,
            nat_1to1: Vec::new(),
            tcp: Tcp::Active,
            dtls: DtlsOptions::default(),
            snap: true,
            sped: true,
            key_log: None,
            tls: TlsOptions::default(),
            port_mapping: true,
            predict_ports: true,
            ice_lite: false,
            birthday_probing: true,
            probe_anywhere: false,
            include_loopback: None,
            publish_mdns: false,
            interface_poll: Duration::from_secs(3),
            shards: None,
            receive_window: 4 << 20,
            channel_share: 50,
            on_share_exceeded: OnShareExceeded::Stall,
            congestion: CongestionControl::default(),
            interleaving: true,
            send_buffer: 4 << 20,
            max_message_size: 256 << 10,
            media: Some(usual_media()),
            max_datagram: 1200,
            datagram_ceiling: None,
        }
    }
}

/// The tables are some kilobytes, and mostly the same.
fn usual_media() -> Arc<MediaOptions> {
    static USUAL: OnceLock<Arc<MediaOptions>> = OnceLock::new();
    USUAL.get_or_init(Arc::default).clone()
}

/// How much of this machine's addresses and ways is used (RFC 8828 §5.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum IpHandling {
    /// All addresses: the best paths, and peers learn how this machine is connected (mode 1).
    #[default]
    All,
    /// Those that packets to the Internet leave from: a tunnel is not gone around (mode 2).
    DefaultRoute,
    /// The same, and peers learn only addresses that the Internet knows (mode 3).
    /// Peers of the same local network meet only if the router turns packets round.
    DefaultPublicOnly,
    /// Relays alone (stricter than mode 4), for all connections of the endpoint.
    RelayOnly,
}

/// What of TCP is offered to peers, for networks that let no UDP through (RFC 6544). Packets of a lossy path wait for
/// each other there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Tcp {
    /// Nothing.
    Off,
    /// Connections are opened to peers that listen.
    #[default]
    Active,
    /// Besides, this side listens.
    Listen {
        /// The TCP port; 0: any free one.
        port: u16,
        /// Whether connections are also opened from this port while the peer opens one to it, which some NATs let through
        /// (Unix).
        simultaneous_open: bool,
    },
}

/// A rule for a 1:1 NAT: the world knows an address of this machine by another one, with the same ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Nat1to1 {
    /// The address of this machine; `None`: any of the other's family.
    pub internal: Option<IpAddr>,
    /// What the world knows it by. Offered beside the internal one.
    pub external: IpAddr,
}

impl Nat1to1 {
    pub(crate) fn is_for(&self, ip: IpAddr) -> bool {
        match self.internal {
            Some(internal) => internal == ip,
            None => ip.is_ipv4() == self.external.is_ipv4() && !ip.is_loopback(),
        }
    }
}
