//! What is known of a NAT, in the words of RFC 4787, and what is not.

use alloc::vec::Vec;
use core::fmt;
use core::net::SocketAddr;
use peerage_base::time::Duration;

/// What a mapping or a filter depends on (RFC 4787 §4.1 and §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Behaviour {
    /// On nothing of the other side.
    EndpointIndependent,
    /// On its address.
    AddressDependent,
    /// On its address and port.
    AddressAndPortDependent,
}

/// Something that was found out, or why it was not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Finding<T> {
    /// It was seen.
    Known(T),
    /// It was not.
    Unknown(Reason),
}

/// Why something is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// Still to come.
    #[error("the test was not finished")]
    Unfinished,
    /// There was nobody to ask.
    #[error("no server was asked")]
    NoServer,
    /// From no server.
    #[error("no server answered")]
    NoAnswer,
    /// One address and port answered; that is nothing to compare.
    #[error("a single address of a server answered, and telling needs two")]
    OneServer,
    /// Several ports of one address answered, and saw the same: the port of the other side makes no difference, its
    /// address may.
    #[error("the servers share one address; the port makes no difference, whether the address does is not known")]
    OneAddress,
    /// Servers at different addresses saw different mappings, and there was none with two ports.
    #[error("the mapping depends on the destination; whether on its port, too, is not known")]
    AddressOrPort,
    /// No server has a second address (OTHER-ADDRESS).
    #[error("no server has a second address to answer from")]
    NoAlternate,
    /// The server names a second address, from which nothing is heard that must be.
    #[error("the server's second address does not answer")]
    AlternateSilent,
    /// The server does not answer from where it was asked to.
    #[error("the server does not answer from its second address")]
    Refused,
    /// There is no NAT.
    #[error("there is no NAT")]
    NotTranslated,
    /// The NAT maps and filters by destination: a packet that turned back would not have passed the filter.
    #[error("the mapping depends on the destination")]
    Dependent,
}

/// The types of RFC 3489 §5, and the cases without a NAT (§10.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Classic {
    /// No NAT, and no filter.
    Open,
    /// No NAT, and a filter.
    Firewall,
    /// Anybody may send to the mapped address.
    FullCone,
    /// Addresses that were sent to may.
    AddressRestricted,
    /// Addresses and ports that were sent to may.
    PortRestricted,
    /// Another mapping for other destinations, whatever the filter.
    Symmetric,
}

/// One answer: who saw us as whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Seen {
    /// The server's address that was asked.
    pub server: SocketAddr,
    /// Our address as it saw it.
    pub mapped: SocketAddr,
    /// The round-trip time, where it was measured.
    pub round_trip: Option<Duration>,
}

/// What is known of the NAT between one address of this host and the servers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// The address that was asked from.
    pub local: SocketAddr,
    /// What servers saw, those that were named first.
    pub seen: Vec<Seen>,
    /// Whether there is a NAT.
    pub translated: Finding<bool>,
    /// Whether the NAT kept our port numbers. True without a NAT.
    pub port_preserved: Finding<bool>,
    /// What the mapping depends on. Endpoint-independent without a NAT.
    pub mapping: Finding<Behaviour>,
    /// Who may send to a mapping, or past the firewall.
    pub filtering: Finding<Behaviour>,
    /// Whether packets to a mapped address turn back inside.
    pub hairpin: Finding<bool>,
}

impl<T> Finding<T> {
    /// What was found out, if anything.
    pub fn known(self) -> Option<T> {
        match self {
            Self::Known(what) => Some(what),
            Self::Unknown(_) => None,
        }
    }

    /// Why nothing was found out.
    pub fn reason(&self) -> Option<Reason> {
        match self {
            Self::Known(_) => None,
            Self::Unknown(reason) => Some(*reason),
        }
    }
}

impl Report {
    /// The type's name of RFC 3489; `None` where what is known does not suffice, or no such name exists.
    pub fn classic(&self) -> Option<Classic> {
        let filtering = self.filtering.known();
        match (self.translated.known()?, self.is_dependent()?) {
            (_, true) => Some(Classic::Symmetric),
            (false, false) => Some(match filtering? {
                Behaviour::EndpointIndependent => Classic::Open,
                _ => Classic::Firewall,
            }),
            (true, false) => Some(match filtering? {
                Behaviour::EndpointIndependent => Classic::FullCone,
                Behaviour::AddressDependent => Classic::AddressRestricted,
                Behaviour::AddressAndPortDependent => Classic::PortRestricted,
            }),
        }
    }

    /// Whether the mapping depends on the destination at all; `None` if that is not known. It may be known where what
    /// exactly it depends on is not.
    pub fn is_dependent(&self) -> Option<bool> {
        match self.mapping {
            Finding::Known(behaviour) => Some(behaviour != Behaviour::EndpointIndependent),
            Finding::Unknown(Reason::AddressOrPort) => Some(true),
            Finding::Unknown(_) => None,
        }
    }
}

impl fmt::Display for Behaviour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EndpointIndependent => "endpoint-independent",
            Self::AddressDependent => "address-dependent",
            Self::AddressAndPortDependent => "address and port-dependent",
        })
    }
}

impl fmt::Display for Classic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "open",
            Self::Firewall => "firewall",
            Self::FullCone => "full cone",
            Self::AddressRestricted => "address-restricted cone",
            Self::PortRestricted => "port-restricted cone",
            Self::Symmetric => "symmetric",
        })
    }
}
