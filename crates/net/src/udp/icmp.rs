//! What routers and hosts said of datagrams sent earlier.

use crate::udp::Socket;
use quinn_udp::{TransportErrorPayload, UdpSockRef};
use std::io;
use std::net::SocketAddr;

/// An ICMP error. A hint: it can be forged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathError {
    /// Where the datagram was bound for, where the system tells.
    pub destination: Option<SocketAddr>,
    /// What happened to it.
    pub kind: PathErrorKind,
}

/// What happened to a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathErrorKind {
    /// Nobody listens there, or no route leads there.
    Unreachable,
    /// It is larger than this many bytes of IP packet, which is what goes through.
    TooBig(u32),
    /// Something else.
    Other,
}

impl Socket {
    /// The next ICMP error that came for this socket, if [`Config::path_errors`](crate::udp::Config::path_errors) is on.
    ///
    /// To be asked until it has none after [`try_recv`](Self::try_recv) ran dry, and after
    /// [`SendError::TooBig`](crate::udp::SendError::TooBig).
    ///
    /// # Errors
    /// What the system says.
    pub fn try_path_error(&self) -> io::Result<Option<PathError>> {
        if !self.path_errors {
            return Ok(None);
        }
        let error = match self.state().recv_transport_error(UdpSockRef::from(&self.io)) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            other => other?,
        };
        Ok(error.map(|error| PathError {
            destination: error.addr,
            kind: match error.payload {
                TransportErrorPayload::Unreachable => PathErrorKind::Unreachable,
                TransportErrorPayload::TooBig { mtu } => PathErrorKind::TooBig(mtu),
                _ => PathErrorKind::Other,
            },
        }))
    }
}
