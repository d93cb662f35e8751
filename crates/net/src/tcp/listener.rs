//! Accepting TCP connections.

use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};

use peerage_base::framing::Framing;
use socket2::{Domain, Protocol, Socket as RawSocket, Type};
use tokio::net::TcpListener;

use super::Config;
use super::stream::Stream;

/// Connections that the system keeps until they are accepted.
const BACKLOG: i32 = 128;

/// A listening TCP socket of one family.
#[derive(Debug)]
pub struct Listener {
    io: TcpListener,
    local: SocketAddr,
    framing: Framing,
    config: Config,
}

impl Listener {
    /// Listens at `address`; port 0 lets the system choose. Accepted streams carry packets in `framing`.
    ///
    /// # Errors
    /// What the system says: the address is not this host's, or it is taken.
    ///
    /// # Panics
    /// Outside a tokio runtime with I/O enabled.
    pub fn bind(address: SocketAddr, framing: Framing, config: Config) -> io::Result<Self> {
        let raw = RawSocket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        if address.is_ipv6() {
            raw.set_only_v6(true)?;
        }
        // Elsewhere the option would let another program take the port over.
        #[cfg(unix)]
        {
            raw.set_reuse_address(true)?;
            raw.set_reuse_port(config.share_port)?;
        }
        raw.set_nonblocking(true)?;
        raw.bind(&address.into())?;
        raw.listen(BACKLOG)?;
        let io = TcpListener::from_std(raw.into())?;
        let local = io.local_addr()?;
        Ok(Self { io, local, framing, config })
    }

    /// The address it listens at, with the port that the system chose.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// The next connection. The waker of the last call is woken.
    ///
    /// # Errors
    /// What the system says; most often that too many files are open. Later calls may succeed.
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<Stream>> {
        self.io.poll_accept(cx).map(|accepted| {
            let (io, remote) = accepted?;
            Stream::accept(io, remote, self.framing, self.config)
        })
    }
}
