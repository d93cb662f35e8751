//! Batched UDP sockets.
//!
//! One [`Socket`] is one address of one family. It is driven by readiness: wait for [`Socket::readable`], then
//! [`Socket::try_recv`] until `WouldBlock`; [`Socket::try_send`] until it refuses, then wait for [`Socket::writable`].
//!
//! Limits of the system interface below: every datagram is sent with "don't fragment" where the platform knows that
//! ([`Socket::may_fragment`] tells), and the differentiated-services codepoint is always 0.

mod icmp;
mod receive;
mod send;
mod timestamp;

pub use icmp::{PathError, PathErrorKind};
pub use receive::{Received, RecvBatch, Run};
pub use send::{Outgoing, SendError};

use quinn_udp::{UdpSockRef, UdpSocketState};
use socket2::{Domain, Protocol, SockRef, Socket as RawSocket, Type};
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};
use std::task::{Context, Poll};
use tracing::debug;

/// How a socket is set up.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Receive buffer asked of the kernel, in bytes. Default 4 MiB: a burst of 10 Gbit/s lasts 3 ms in it. The kernel may
    /// give less, see [`Socket::buffers`]; less means loss when the driver is late.
    pub receive_buffer: usize,
    /// Send buffer asked of the kernel, in bytes. Default 4 MiB. Less means that `try_send` refuses earlier.
    pub send_buffer: usize,
    /// Lets several sockets share the address, each with its part of the senders (Linux, Android). Default off.
    pub reuse_port: bool,
    /// Reports ICMP errors through [`Socket::try_path_error`] (Linux, Android). Default off. ICMP can be forged by whoever
    /// guesses the ports: what is reported is a hint.
    pub path_errors: bool,
    /// Takes the time of a datagram from the kernel rather than from when it was read (Linux, Android). Default off:
    /// more exact under load, but the datagrams of a run that the kernel joined then lose their congestion marks, because
    /// the layer below has no room for all that is told about them.
    pub kernel_time: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            receive_buffer: 4 << 20,
            send_buffer: 4 << 20,
            reuse_port: false,
            path_errors: false,
            kernel_time: false,
        }
    }
}

/// Sizes of a socket's kernel buffers in bytes, as the kernel tells them. Linux tells twice what holds payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Buffers {
    /// Of the receive buffer.
    pub receive: usize,
    /// Of the send buffer.
    pub send: usize,
}

/// A bound, non-blocking UDP socket of one family.
#[derive(Debug)]
pub struct Socket {
    io: tokio::net::UdpSocket,
    /// Replaced when the layer below gave up abilities because of one bad destination.
    state: RwLock<UdpSocketState>,
    /// Whether the kernel was seen to refuse runs that it takes in pieces.
    whole_only: AtomicBool,
    local: SocketAddr,
    buffers: Buffers,
    path_errors: bool,
    kernel_time: bool,
}

impl Socket {
    /// Binds `address`: a specific one, or the unspecified one for all of its family. Port 0 lets the system choose.
    ///
    /// An IPv6 socket takes IPv6 only, so that every address seen is of the socket's family.
    ///
    /// # Errors
    /// What the system says: the address is not this host's, or it is taken.
    ///
    /// # Panics
    /// Outside a tokio runtime with I/O enabled.
    pub fn bind(address: SocketAddr, config: &Config) -> io::Result<Self> {
        let raw = RawSocket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        if address.is_ipv6() {
            raw.set_only_v6(true)?;
        }
        if config.reuse_port {
            share_port(&raw)?;
        }
        let receive = grow(config.receive_buffer, |size| raw.set_recv_buffer_size(size), || raw.recv_buffer_size())?;
        let send = grow(config.send_buffer, |size| raw.set_send_buffer_size(size), || raw.send_buffer_size())?;
        raw.set_nonblocking(true)?;
        raw.bind(&address.into())?;
        let io = tokio::net::UdpSocket::from_std(raw.into())?;
        let state = new_state(&io, config.kernel_time)?;
        if config.path_errors {
            state.enable_transport_errors(UdpSockRef::from(&io))?;
        }
        let local = io.local_addr()?;
        let buffers = Buffers { receive, send };
        debug!(port = local.port(), ?buffers, gso = state.max_gso_segments(), "socket bound");
        Ok(Self {
            io,
            state: RwLock::new(state),
            whole_only: AtomicBool::new(false),
            local,
            buffers,
            path_errors: config.path_errors,
            kernel_time: config.kernel_time,
        })
    }

    /// Lets sockets that are opened later with [`Config::reuse_port`] have the address too. So whoever bound it first knows
    /// that it was free, which such a socket does not.
    ///
    /// # Errors
    /// `Unsupported` where there is no such thing.
    pub fn share(&self) -> io::Result<()> {
        share_port(&SockRef::from(&self.io))
    }

    /// Waits until there may be something to receive.
    ///
    /// # Errors
    /// When the runtime is shut down.
    pub async fn readable(&self) -> io::Result<()> {
        self.io.readable().await
    }

    /// Waits until there may be room to send.
    ///
    /// # Errors
    /// When the runtime is shut down.
    pub async fn writable(&self) -> io::Result<()> {
        self.io.writable().await
    }

    /// [`readable`](Self::readable) for a driver that polls several sockets. The waker of the last call is woken.
    pub fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io.poll_recv_ready(cx)
    }

    /// [`writable`](Self::writable) for a driver that polls several sockets. The waker of the last call is woken.
    pub fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io.poll_send_ready(cx)
    }

    /// The address it is bound to, with the port that the system chose.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// What buffers the kernel gave.
    pub fn buffers(&self) -> Buffers {
        self.buffers
    }

    /// Most datagrams that one run sends in one call to the system; 1 if the platform cannot. Falls to 1 when the kernel
    /// turns out to be unable.
    pub fn max_segments(&self) -> usize {
        if self.whole_only.load(Ordering::Relaxed) { 1 } else { self.state().max_gso_segments() }
    }

    /// Whether routers may fragment what is sent, because the platform cannot forbid it.
    pub fn may_fragment(&self) -> bool {
        self.state().may_fragment()
    }

    fn state(&self) -> RwLockReadGuard<'_, UdpSocketState> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Finds out anew what the socket can do.
    fn renew(&self) {
        match new_state(&self.io, self.kernel_time) {
            Ok(state) => *self.state.write().unwrap_or_else(PoisonError::into_inner) = state,
            Err(error) => debug!(%error, "the abilities of a socket are not known again"),
        }
    }
}

/// Sets the socket up for batches, and finds out what it can do.
fn new_state(io: &tokio::net::UdpSocket, kernel_time: bool) -> io::Result<UdpSocketState> {
    let state = UdpSocketState::new(UdpSockRef::from(io))?;
    if !kernel_time {
        timestamp::disable(io)?;
    }
    Ok(state)
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn share_port(raw: &RawSocket) -> io::Result<()> {
    raw.set_reuse_port(true)
}

// Elsewhere the option exists, but the last socket gets all that arrives.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn share_port(_raw: &RawSocket) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Asks for `want` bytes, or half of it and so on where the system refuses rather than gives less. Says what it gave.
fn grow(want: usize, set: impl Fn(usize) -> io::Result<()>, is: impl Fn() -> io::Result<usize>) -> io::Result<usize> {
    let mut size = want;
    while is()? < size && set(size).is_err() {
        size /= 2;
    }
    is()
}

#[cfg(test)]
mod tests;
