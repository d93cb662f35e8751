//! What happens to a packet on its way, step by step.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use crate::link::Drop as Lost;
use crate::packet::Protocol;

/// One step of a packet's way. Those of one packet, in order, are the workflow of translation as textbooks number it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// An element sends it.
    Sent {
        /// Sender, as it stands in the packet.
        source: SocketAddr,
        /// Receiver, as it stands in the packet.
        destination: SocketAddr,
        /// Datagram or stream.
        protocol: Protocol,
        /// Bytes on the wire.
        len: usize,
    },
    /// Same subnet? Yes: it goes straight to its destination.
    SameSubnet {
        /// The member of the network that it goes to.
        to: String,
    },
    /// Same subnet? No: it goes to the router of the network.
    ToRouter {
        /// The router.
        router: String,
    },
    /// Neither the network nor a router knows the destination.
    NoRoute,
    /// The line to the next element lost it.
    Lost(Lost),
    /// It reached an element.
    Arrived {
        /// Sender, as it now stands in the packet.
        source: SocketAddr,
        /// Receiver, as it now stands in the packet.
        destination: SocketAddr,
    },
    /// The NAT had no row for this sender, and adds one to its table.
    RowAdded(Binding),
    /// A row of the table applies.
    RowFound(Binding),
    /// The source was rewritten, on the way out.
    SourceRewritten {
        /// What it was.
        from: SocketAddr,
        /// What it is.
        to: SocketAddr,
    },
    /// It came from inside and is for the NAT's own outside: it turns back.
    Hairpinned,
    /// The filter lets it in.
    Admitted {
        /// Why.
        by: Admission,
    },
    /// The destination was translated back, on the way in.
    DestinationRewritten {
        /// What it was.
        from: SocketAddr,
        /// What it is.
        to: SocketAddr,
    },
    /// A firewall or a router lets it through with the addresses that it has.
    Passed,
    /// It goes no further.
    Refused(Refusal),
}

/// What a row of a translation table says of one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding {
    /// Datagrams or streams.
    pub protocol: Protocol,
    /// Address inside.
    pub internal: SocketAddr,
    /// Address outside.
    pub external: SocketAddr,
    /// The other side of this packet.
    pub remote: SocketAddr,
}

/// What a filter goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Anybody may send to a mapping.
    Anyone,
    /// The inside has sent to this address before.
    Address(IpAddr),
    /// The inside has sent to this address and port before.
    Endpoint(SocketAddr),
}

/// Why a NAT or a firewall let a packet go no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// No row of the table has this external address.
    NoRow,
    /// Address-dependent filtering: the inside has not sent to this address.
    FilteredAddress(IpAddr),
    /// Address and port-dependent filtering: the inside has not sent to this address and port.
    FilteredEndpoint(SocketAddr),
    /// Packets do not turn back here.
    NoHairpin,
    /// This protocol, or this port of it, may not go out.
    Policy(Protocol),
    /// The subscriber has as many rows as it may have.
    SubscriberLimit(IpAddr),
    /// No external port is left.
    NoPort,
    /// It is for nobody here.
    NotOurs,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sent { source, destination, protocol, len } => {
                write!(f, "{protocol} {source} -> {destination}, {len} bytes")
            }
            Self::SameSubnet { to } => write!(f, "same subnet? yes: straight to {to}"),
            Self::ToRouter { router } => write!(f, "same subnet? no: to the router, {router}"),
            Self::NoRoute => f.write_str("same subnet? no; no router knows the destination: dropped"),
            Self::Lost(reason) => write!(f, "lost on the line: {reason}"),
            Self::Arrived { source, destination } => write!(f, "arrived: {source} -> {destination}"),
            Self::RowAdded(row) => write!(f, "new row: {row}"),
            Self::RowFound(row) => write!(f, "row: {row}"),
            Self::SourceRewritten { from, to } => write!(f, "source rewritten: {from} => {to}"),
            Self::Hairpinned => f.write_str("for our own outside: it turns back"),
            Self::Admitted { by } => write!(f, "filter: let in, {by}"),
            Self::DestinationRewritten { from, to } => write!(f, "translated back: {from} => {to}"),
            Self::Passed => f.write_str("passed on, nothing rewritten"),
            Self::Refused(refusal) => write!(f, "dropped: {refusal}"),
        }
    }
}

impl fmt::Display for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { protocol, internal, external, remote } = self;
        write!(f, "{protocol} {internal} = {external}, towards {remote}")
    }
}

impl fmt::Display for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anyone => f.write_str("anybody may send here"),
            Self::Address(address) => write!(f, "the inside has sent to {address}"),
            Self::Endpoint(endpoint) => write!(f, "the inside has sent to {endpoint}"),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRow => f.write_str("no row for this destination"),
            Self::FilteredAddress(address) => write!(f, "the inside never sent to {address}"),
            Self::FilteredEndpoint(endpoint) => write!(f, "the inside never sent to {endpoint}"),
            Self::NoHairpin => f.write_str("for our own outside, and packets do not turn back here"),
            Self::Policy(protocol) => write!(f, "this {protocol} is blocked here"),
            Self::SubscriberLimit(address) => write!(f, "{address} has as many rows as it may have"),
            Self::NoPort => f.write_str("no external port is left"),
            Self::NotOurs => f.write_str("for nobody here"),
        }
    }
}
