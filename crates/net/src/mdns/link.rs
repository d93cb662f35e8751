//! Sockets of the group, one pair per link.

use crate::interfaces::Interface;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::task::{Context, Poll};
use tokio::io::ReadBuf;
use tokio::net::UdpSocket;
use tracing::{debug, trace};

const GROUP_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xFF02, 0, 0, 0, 0, 0, 0, 0xFB);
/// Most links that are taken part in.
const MAX_LINKS: usize = 8;
/// Largest message of multicast DNS, in bytes (RFC 6762 §17).
pub(super) const MAX_MESSAGE: usize = 9000;
/// Errors of one socket that are stepped over at once.
const MAX_ERRORS: usize = 8;

/// One link, by one family: where queries and answers of the group are sent and received.
pub(super) struct Link {
    interface: String,
    group: SocketAddr,
    /// Addresses of this host on the link, with the length of their prefixes.
    on_link: Vec<(IpAddr, u8)>,
    /// Bound to the group's port.
    shared: UdpSocket,
    /// Bound to a port of its own, for queries that are answered by unicast (RFC 6762 §6.7). A resolver's only.
    own: Option<UdpSocket>,
}

/// Where a message came in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    pub(super) link: usize,
    pub(super) source: SocketAddr,
    pub(super) len: usize,
}

impl Link {
    /// Takes part in the group on the links of `interfaces`. Links where that fails are left out.
    ///
    /// # Errors
    /// If none is left: the error of the last.
    pub(super) fn open_all(interfaces: &[Interface], port: u16, with_own: bool) -> io::Result<Vec<Self>> {
        let mut links: Vec<Self> = Vec::new();
        let mut seen: Vec<(&str, bool)> = Vec::new();
        let mut failure = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for interface in interfaces {
            let key = (interface.name.as_str(), interface.ip.is_ipv4());
            if let Some(known) = seen.iter().position(|seen| *seen == key) {
                links[known].on_link.push((interface.ip, interface.prefix));
                continue;
            }
            if links.len() == MAX_LINKS {
                debug!("more links than are taken part in");
                break;
            }
            match Self::open(interface, port, with_own) {
                Ok(link) => {
                    seen.push(key);
                    links.push(link);
                }
                Err(error) => {
                    debug!(interface = interface.name, %error, "no multicast DNS on this link");
                    failure = error;
                }
            }
        }
        if links.is_empty() { Err(failure) } else { Ok(links) }
    }

    fn open(interface: &Interface, port: u16, with_own: bool) -> io::Result<Self> {
        let (group, any): (SocketAddr, SocketAddr) = match interface.ip {
            IpAddr::V4(_) => ((GROUP_V4, port).into(), (Ipv4Addr::UNSPECIFIED, 0).into()),
            IpAddr::V6(_) => {
                let scope = interface.index.ok_or(io::ErrorKind::AddrNotAvailable)?;
                (SocketAddrV6::new(GROUP_V6, port, 0, scope).into(), (Ipv6Addr::UNSPECIFIED, 0).into())
            }
        };
        let shared = raw(interface)?;
        shared.set_reuse_address(true)?;
        #[cfg(unix)]
        shared.set_reuse_port(true)?;
        // Bound to the group, a socket takes no unicast away from other software on this port. Windows cannot.
        let at = if cfg!(windows) { SocketAddr::new(any.ip(), port) } else { group };
        shared.bind(&SockAddr::from(at))?;
        join(&shared, interface)?;
        let own = if with_own {
            let own = raw(interface)?;
            own.bind(&SockAddr::from(any))?;
            Some(UdpSocket::from_std(own.into())?)
        } else {
            None
        };
        let on_link = vec![(interface.ip, interface.prefix)];
        Ok(Self { interface: interface.name.clone(), group, on_link, shared: UdpSocket::from_std(shared.into())?, own })
    }

    /// Asks the group, so that the answer comes by unicast from those who can.
    pub(super) async fn ask(&self, message: &[u8]) {
        report(self.own.as_ref().unwrap_or(&self.shared).send_to(message, self.group).await);
    }

    /// Tells the group.
    pub(super) async fn tell(&self, message: &[u8]) {
        report(self.shared.send_to(message, self.group).await);
    }

    /// Tells one host, from the group's port.
    pub(super) async fn tell_one(&self, message: &[u8], to: SocketAddr) {
        report(self.shared.send_to(message, to).await);
    }

    /// The addresses that this host has there, by both families: among all its links.
    pub(super) fn addresses(&self, all: &[Self]) -> impl Iterator<Item = IpAddr> {
        let same = all.iter().filter(|link| link.interface == self.interface);
        same.flat_map(|link| link.on_link.iter().map(|(ip, _)| *ip))
    }

    /// Whether `source` is on this link: what comes from further away is forged or astray (RFC 6762 §11).
    pub(super) fn reaches(&self, source: SocketAddr) -> bool {
        match source.ip() {
            IpAddr::V6(v6) if v6.is_unicast_link_local() => true,
            ip => self.on_link.iter().any(|(own, prefix)| same_prefix(*own, ip, *prefix)),
        }
    }
}

fn same_prefix(a: IpAddr, b: IpAddr, prefix: u8) -> bool {
    match (a, b) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros() >= u32::from(prefix.min(32)),
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros() >= u32::from(prefix.min(128)),
        _ => false,
    }
}

/// A socket that sends to the group through this interface only.
fn raw(interface: &Interface) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address((interface.ip, 0).into()), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    match interface.ip {
        IpAddr::V4(ip) => {
            socket.set_multicast_if_v4(&ip)?;
            socket.set_multicast_loop_v4(true)?;
            // RFC 6762 §11: 255, which routers do not let through from elsewhere.
            socket.set_multicast_ttl_v4(255)?;
            socket.set_ttl_v4(255)?;
        }
        IpAddr::V6(_) => {
            socket.set_only_v6(true)?;
            socket.set_multicast_if_v6(interface.index.unwrap_or(0))?;
            socket.set_multicast_loop_v6(true)?;
            socket.set_multicast_hops_v6(255)?;
            socket.set_unicast_hops_v6(255)?;
        }
    }
    Ok(socket)
}

fn join(socket: &Socket, interface: &Interface) -> io::Result<()> {
    match interface.ip {
        IpAddr::V4(ip) => {
            // Linux hands every group that anyone on the host joined to every socket of the port, unless told not to.
            #[cfg(any(target_os = "linux", target_os = "android"))]
            socket.set_multicast_all_v4(false)?;
            socket.join_multicast_v4(&GROUP_V4, &ip)
        }
        IpAddr::V6(_) => {
            #[cfg(any(target_os = "linux", target_os = "android"))]
            socket.set_multicast_all_v6(false)?;
            socket.join_multicast_v6(&GROUP_V6, interface.index.unwrap_or(0))
        }
    }
}

/// The next message on any link.
pub(super) async fn receive(links: &[Link], buf: &mut [u8]) -> Arrival {
    poll_fn(|cx| {
        for (index, link) in links.iter().enumerate() {
            for socket in [Some(&link.shared), link.own.as_ref()].into_iter().flatten() {
                if let Poll::Ready((len, source)) = poll_socket(socket, cx, buf) {
                    return Poll::Ready(Arrival { link: index, source, len });
                }
            }
        }
        Poll::Pending
    })
    .await
}

fn poll_socket(socket: &UdpSocket, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<(usize, SocketAddr)> {
    for _ in 0..MAX_ERRORS {
        let mut read = ReadBuf::new(buf);
        match socket.poll_recv_from(cx, &mut read) {
            Poll::Ready(Ok(source)) => return Poll::Ready((read.filled().len(), source)),
            Poll::Ready(Err(error)) => trace!(%error, "error of an earlier message"),
            Poll::Pending => return Poll::Pending,
        }
    }
    // A socket that has nothing but errors is dead; the others go on.
    Poll::Pending
}

fn report(result: io::Result<usize>) {
    if let Err(error) = result {
        trace!(%error, "a message was not sent");
    }
}

#[cfg(test)]
mod tests {
    use super::same_prefix;

    #[test]
    fn an_address_is_on_the_link_if_its_prefix_is() {
        let same = |a: &str, b: &str, prefix| same_prefix(a.parse().unwrap(), b.parse().unwrap(), prefix);
        assert!(same("192.0.2.1", "192.0.2.200", 24));
        assert!(!same("192.0.2.1", "192.0.3.1", 24));
        assert!(same("192.0.2.1", "192.0.3.1", 23));
        assert!(same("192.0.2.1", "198.51.100.1", 0));
        assert!(!same("192.0.2.1", "::1", 0));
        assert!(same("2001:db8::1", "2001:db8::2", 64));
        assert!(!same("2001:db8::1", "2001:db8:0:1::1", 64));
        assert!(!same("2001:db8::1", "2001:db8::2", 200));
    }
}
