//! Where packets leave from and go to.

use core::fmt;
use core::net::SocketAddr;

/// A local end that packets can leave from: a socket address, a TCP connection or a TURN allocation.
///
/// Minted by `session`; to everything below it is an opaque number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LocalId(pub u32);

/// A local end and the remote address it talks to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path {
    /// The local end.
    pub local: LocalId,
    /// The remote transport address.
    pub remote: SocketAddr,
}

/// What the world says of a path: TCP state, ICMP errors, interface changes, socket room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathChange {
    /// The path can carry packets.
    Up,
    /// The path cannot carry packets any more.
    Down,
    /// Datagrams larger than this many bytes of UDP payload do not get through.
    TooBig(usize),
    /// The socket takes this many more bytes.
    Writable(usize),
}

impl fmt::Display for LocalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}
