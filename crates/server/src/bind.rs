//! Taking addresses and ports.

use crate::config::Stun;
use crate::tls::TlsError;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use tokio::net::{TcpListener, UdpSocket};

const STUN_PORT: u16 = 3478;
const BACKLOG: i32 = 1024;

/// Why a server cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// No address to listen on.
    #[error("there is no address to listen on")]
    NoAddress,
    /// An address that cannot be taken.
    #[error("cannot listen on {address} ({protocol}): {}", explain(.source))]
    Address {
        /// TCP or UDP.
        protocol: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// Certificate or key.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

fn explain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "another program uses this port".to_owned(),
        io::ErrorKind::PermissionDenied => {
            "the system does not permit it (ports below 1024 need privileges)".to_owned()
        }
        io::ErrorKind::AddrNotAvailable => "this machine does not have that address".to_owned(),
        _ => error.to_string(),
    }
}

/// Takes every TCP address.
pub(crate) fn listeners(addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, BindError> {
    if addresses.is_empty() {
        return Err(BindError::NoAddress);
    }
    let dual = !addresses.iter().any(is_ipv4_wildcard);
    let listen = |address| {
        let socket = open(address, Type::STREAM, Protocol::TCP, dual)?;
        socket.listen(BACKLOG)?;
        TcpListener::from_std(socket.into())
    };
    addresses
        .iter()
        .map(|a| or_ipv4(*a, listen).map_err(|source| BindError::Address { protocol: "TCP", address: *a, source }))
        .collect()
}

/// Takes the UDP addresses of STUN; `bound` is where TCP ended up.
pub(crate) fn stun_sockets(stun: &Stun, bound: &[SocketAddr]) -> Result<Vec<UdpSocket>, BindError> {
    let wanted = if let Stun::At(addresses) = stun { addresses } else { bound };
    let dual = !wanted.iter().any(is_ipv4_wildcard);
    let listen = |address| UdpSocket::from_std(open(address, Type::DGRAM, Protocol::UDP, dual)?.into());
    let error = |address| move |source| BindError::Address { protocol: "UDP", address, source };
    match stun {
        Stun::Off => Ok(Vec::new()),
        Stun::At(addresses) => addresses.iter().map(|a| or_ipv4(*a, listen).map_err(error(*a))).collect(),
        Stun::Default => {
            let mut ips: Vec<IpAddr> = bound.iter().map(SocketAddr::ip).collect();
            ips.sort();
            ips.dedup();
            let bind = |ip| {
                let address = SocketAddr::new(ip, STUN_PORT);
                or_ipv4(address, listen).or_else(|e| {
                    tracing::info!(%address, error = %e, "port 3478 is taken; using a free one for STUN");
                    or_ipv4(SocketAddr::new(ip, 0), listen).map_err(error(address))
                })
            };
            ips.into_iter().map(bind).collect()
        }
    }
}

/// `[::]` also means IPv4; where there is no IPv6 at all, it means that alone.
fn or_ipv4<T>(address: SocketAddr, listen: impl Fn(SocketAddr) -> io::Result<T>) -> io::Result<T> {
    listen(address).or_else(|e| {
        let no_ipv6 = !matches!(e.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied);
        if address.is_ipv6() && address.ip().is_unspecified() && no_ipv6 {
            listen(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), address.port()))
        } else {
            Err(e)
        }
    })
}

/// Whether IPv4 has a wildcard of its own, so that `[::]` must leave it alone.
fn is_ipv4_wildcard(address: &SocketAddr) -> bool {
    address.ip() == IpAddr::V4(Ipv4Addr::UNSPECIFIED)
}

/// `dual`: `[::]` takes IPv4 along.
fn open(address: SocketAddr, kind: Type, protocol: Protocol, dual: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    if address.is_ipv6() {
        socket.set_only_v6(!(dual && address.ip().is_unspecified()))?;
    }
    // A restarted server must not wait for old connections to time out. On Windows the option means something else.
    if cfg!(unix) && kind == Type::STREAM {
        socket.set_reuse_address(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}
