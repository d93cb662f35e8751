//! What distinguishes one NAT from another.

use std::ops::RangeInclusive;

use peerage_base::time::Duration;

use crate::packet::Protocol;

/// The three behaviours that both mapping and filtering may have (RFC 4787 §4.1 and §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Behaviour {
    /// The other side does not matter.
    EndpointIndependent,
    /// The address of the other side matters.
    AddressDependent,
    /// Address and port of the other side matter.
    AddressAndPortDependent,
}

/// Which external port a new row gets (RFC 4787 §4.2, and what is seen in the field).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Allocation {
    /// The internal one if it is free, else a random one.
    Preserving,
    /// The last one plus this step, or the free one that follows; it begins at random.
    Sequential(u16),
    /// Any free one.
    Random,
    /// A random one of the subscriber's block of so many ports; a full block is followed by another one.
    Block(u16),
}

/// Which of several external addresses a new row gets (RFC 4787 §4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pooling {
    /// All rows of a subscriber have the same one.
    Paired,
    /// A random one.
    Arbitrary,
}

/// What becomes of a packet from inside to an external address of the NAT (RFC 4787 §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hairpin {
    /// It is dropped.
    Off,
    /// It turns back, with the external address and port of its sender: what REQ-9 asks for.
    ExternalSource,
    /// It turns back with the sender's internal address and port.
    InternalSource,
}

/// What becomes of IPv6, which is never translated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ipv6 {
    /// It does not pass.
    Off,
    /// It goes out freely and comes in as this filter says.
    Firewall(Behaviour),
    /// It passes both ways.
    Open,
}

/// A kind of NAT. The default is what RFC 4787 asks for, with the stringent filter that home routers have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Whether IPv4 is translated. Default yes; without it the box is a stateful firewall.
    pub translate: bool,
    /// When a row is used again for another destination. Default endpoint-independent (REQ-1).
    pub mapping: Behaviour,
    /// Who may send to a row: permissions belong to the row over which the inside has sent. Default address and
    /// port-dependent.
    pub filtering: Behaviour,
    /// Which port a new row gets. Default preserving.
    pub allocation: Allocation,
    /// External ports that may be given out. Default 1024 to 65535.
    pub ports: RangeInclusive<u16>,
    /// Which of several external addresses a row gets. Default paired (REQ-2).
    pub pooling: Pooling,
    /// Whether packets turn back. Default with the external source (REQ-9).
    pub hairpin: Hairpin,
    /// Whether rows of several internal endpoints may have one external port, as long as the other sides differ.
    /// Default no (REQ-3).
    pub overload: bool,
    /// Idle time after which a UDP row goes, and the permission of a remote endpoint. Default 5 minutes (REQ-5).
    pub udp_timeout: Duration,
    /// The same while a remote endpoint has not answered yet. Default as if it had.
    pub udp_unreplied_timeout: Option<Duration>,
    /// Idle time after which a TCP row goes. Default 2 hours 4 minutes (RFC 5382 REQ-5).
    pub tcp_timeout: Duration,
    /// Whether packets from outside keep a row alive too; those from inside always do (REQ-6). Default no.
    pub inbound_refresh: bool,
    /// Most rows of one internal address; a packet that needs one more is dropped. Default unlimited.
    pub rows_per_subscriber: Option<usize>,
    /// Whether UDP passes at all. Default yes.
    pub udp: bool,
    /// Remote ports to which TCP may go. Default all.
    pub tcp_ports: Option<Vec<u16>>,
    /// What becomes of IPv6. Default a firewall with address and port-dependent filtering.
    pub ipv6: Ipv6,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            translate: true,
            mapping: Behaviour::EndpointIndependent,
            filtering: Behaviour::AddressAndPortDependent,
            allocation: Allocation::Preserving,
            ports: 1024..=u16::MAX,
            pooling: Pooling::Paired,
            hairpin: Hairpin::ExternalSource,
            overload: false,
            udp_timeout: Duration::from_secs(300),
            udp_unreplied_timeout: None,
            tcp_timeout: Duration::from_secs(2 * 3600 + 4 * 60),
            inbound_refresh: false,
            rows_per_subscriber: None,
            udp: true,
            tcp_ports: None,
            ipv6: Ipv6::Firewall(Behaviour::AddressAndPortDependent),
        }
    }
}

impl Config {
    /// A cell of the table mapping x filtering. Ports are random where the mapping depends on the destination, else
    /// preserved.
    pub fn cell(mapping: Behaviour, filtering: Behaviour) -> Self {
        let allocation = match mapping {
            Behaviour::EndpointIndependent => Allocation::Preserving,
            _ => Allocation::Random,
        };
        Self { mapping, filtering, allocation, ..Self::default() }
    }

    /// Full cone (RFC 3489 §5): one row for all destinations, and anybody may send to it.
    pub fn full_cone() -> Self {
        Self::cell(Behaviour::EndpointIndependent, Behaviour::EndpointIndependent)
    }

    /// Restricted cone (RFC 3489 §5): one row for all destinations; addresses that were sent to may send.
    pub fn address_restricted() -> Self {
        Self::cell(Behaviour::EndpointIndependent, Behaviour::AddressDependent)
    }

    /// Port-restricted cone (RFC 3489 §5): one row for all destinations; endpoints that were sent to may send.
    pub fn port_restricted() -> Self {
        Self::cell(Behaviour::EndpointIndependent, Behaviour::AddressAndPortDependent)
    }

    /// Symmetric (RFC 3489 §5), with random ports: a row for each destination, which alone may send to it.
    pub fn symmetric() -> Self {
        Self::cell(Behaviour::AddressAndPortDependent, Behaviour::AddressAndPortDependent)
    }

    /// Symmetric, with one port after another.
    pub fn symmetric_sequential() -> Self {
        Self { allocation: Allocation::Sequential(1), ..Self::symmetric() }
    }

    /// `masquerade` of Linux: keeps the row of an internal endpoint and its port wherever the remote endpoint allows
    /// to tell packets apart, and gives a random port where it does not. Packets do not turn back. Timeouts are
    /// those of `nf_conntrack_udp_timeout` and `nf_conntrack_udp_timeout_stream`.
    pub fn linux_masquerade() -> Self {
        Self {
            overload: true,
            hairpin: Hairpin::Off,
            udp_timeout: Duration::from_secs(120),
            udp_unreplied_timeout: Some(Duration::from_secs(30)),
            inbound_refresh: true,
            ..Self::port_restricted()
        }
    }

    /// `masquerade random` or `masquerade fully-random` of Linux: a row with a random port for each destination.
    pub fn linux_masquerade_random() -> Self {
        let (mapping, allocation) = (Behaviour::AddressAndPortDependent, Allocation::Random);
        Self { mapping, allocation, ..Self::linux_masquerade() }
    }

    /// UDP does not pass; TCP does.
    pub fn blocked() -> Self {
        Self { udp: false, ..Self::default() }
    }

    /// Nothing but TCP to the ports of the web, 80 and 443.
    pub fn web_only() -> Self {
        Self { tcp_ports: Some(vec![80, 443]), ..Self::blocked() }
    }

    /// A stateful firewall that translates nothing: whoever was sent to may answer.
    pub fn firewall() -> Self {
        Self { translate: false, ..Self::default() }
    }

    /// How long a permission lasts.
    pub(super) fn timeout(&self, protocol: Protocol, replied: bool) -> Duration {
        match (protocol, replied) {
            (Protocol::Tcp, _) => self.tcp_timeout,
            (Protocol::Udp, true) => self.udp_timeout,
            (Protocol::Udp, false) => self.udp_unreplied_timeout.unwrap_or(self.udp_timeout),
        }
    }

    /// Whether a packet may go out at all.
    pub(super) fn permits(&self, protocol: Protocol, remote_port: u16) -> bool {
        match protocol {
            Protocol::Udp => self.udp,
            Protocol::Tcp => self.tcp_ports.as_ref().is_none_or(|ports| ports.contains(&remote_port)),
        }
    }
}
