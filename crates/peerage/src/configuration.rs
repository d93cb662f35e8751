//! What an application may choose: standard things in [`Configuration`], all else in [`Settings`].

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use peerage_session::face::Certificate;

/// Configuration of one connection (W3C `RTCConfiguration`).
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Configuration {
    /// STUN and TURN servers. Default: none, so that only addresses of this machine are offered.
    pub ice_servers: Vec<IceServer>,
    /// The identity of this side. Default: a fresh self-signed one for each connection; sharing one makes connections
    /// linkable and saves about a tenth of a millisecond.
    pub certificate: Option<Arc<Certificate>>,
}

/// A server that helps to find a path (W3C `RTCIceServer`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IceServer {
    /// `stun:host[:port]` URLs. `turn:` URLs are accepted and, until relays are built, not used.
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
    /// Addresses to offer, each of which must be one of this machine's. Default: empty, all usable ones.
    pub addresses: Vec<IpAddr>,
    /// Whether loopback addresses are offered too. Default: only where the machine has no other address. Connections
    /// within one machine need it then alone; offering it costs peers elsewhere two useless checks.
    pub include_loopback: Option<bool>,
    /// Whether host addresses are hidden behind random `.local` names, as browsers do. Default: false. Peers outside the
    /// local network then learn public addresses only, from STUN.
    pub publish_mdns: bool,
    /// How often interfaces are looked at for changes. Default: 3 s. Zero: never.
    pub interface_poll: Duration,
    /// Unread bytes that a connection holds before the peer must wait. Default: 4 MiB.
    pub receive_window: usize,
    /// Unsent bytes that a connection holds before `send` waits. Default: 4 MiB.
    pub send_buffer: usize,
    /// The largest message that is accepted, in bytes. Default: 256 KiB, as in Chromium.
    pub max_message_size: usize,
    /// Length of the largest datagram, in bytes of UDP payload. Default: 1200, which every path carries.
    pub max_datagram: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            port: 0,
            addresses: Vec::new(),
            include_loopback: None,
            publish_mdns: false,
            interface_poll: Duration::from_secs(3),
            receive_window: 4 << 20,
            send_buffer: 4 << 20,
            max_message_size: 256 << 10,
            max_datagram: 1200,
        }
    }
}
