//! Taking addresses and ports.

use crate::config::Stun;
use crate::stun::Pair;
use crate::tls::TlsError;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use peerage_net::udp::{Config as UdpConfig, Socket as UdpSocket};
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use tokio::net::TcpListener;

const STUN_PORT: u16 = 3478;
const BACKLOG: i32 = 1024;
/// How often a port is looked for that is free for everything that needs it.
const FREE_PORT_TRIES: u16 = 32;

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
    /// TURN over TLS without a certificate.
    #[error("TURN over TLS needs the certificate of HTTPS, and there is none: name one, or have one made")]
    NoCertificate,
    /// A range of relay ports that holds none.
    #[error("the relay ports {first} to {last} are none: the first must not be 0 or above the last")]
    RelayPorts {
        /// The first.
        first: u16,
        /// The last.
        last: u16,
    },
    /// Several public addresses of one family.
    #[error("there is more than one public address of the family of {0}: relayed addresses can be told as one alone")]
    PublicAddresses(IpAddr),
    /// A realm that no client would take.
    #[error("the realm has to be 1 to 127 printable ASCII characters without quotes and backslashes")]
    Realm,
    /// No port for audio and video.
    #[error("cannot open the port of audio and video for WHIP and WHEP: {0}")]
    Media(#[source] peerage::Error),
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

/// Where STUN and the relay are answered.
#[derive(Debug, Default)]
pub(crate) struct Bound {
    /// UDP, each of one family.
    pub udp: Vec<UdpSocket>,
    /// TCP, on the same addresses. Empty without a relay.
    pub tcp: Vec<TcpListener>,
    /// The first addresses, by which clients are told of it; those for behaviour discovery are not among them.
    pub named: Vec<SocketAddr>,
    /// Two addresses for behaviour discovery.
    pub pair: Option<Pair>,
}

/// Takes the addresses of STUN, over TCP too if there is a relay; `http` is where HTTP ended up.
pub(crate) fn stun(stun: &Stun, http: &[SocketAddr], with_tcp: bool) -> Result<Bound, BindError> {
    let mut bound = Bound::default();
    match stun {
        Stun::Off => return Ok(bound),
        Stun::At(addresses) => {
            for address in addresses {
                bound.take(&families(*address, addresses), address.port(), with_tcp)?;
            }
            bound.pair = bound.pair_up();
        }
        Stun::Default => {
            let mut ips: Vec<IpAddr> = http.iter().map(SocketAddr::ip).collect();
            ips.sort();
            ips.dedup();
            for ip in ips {
                let families = families(SocketAddr::new(ip, STUN_PORT), http);
                if let Err(error) = bound.take(&families, STUN_PORT, with_tcp) {
                    tracing::info!(%ip, %error, "port 3478 is taken; using a free one for STUN");
                    bound.take(&families, 0, with_tcp)?;
                }
            }
        }
    }
    Ok(bound)
}

/// Takes the TCP addresses of TURN over TLS.
pub(crate) fn turn_tls(addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, BindError> {
    if addresses.is_empty() { Ok(Vec::new()) } else { listeners(addresses) }
}

/// The IPs that an address stands for: `[::]` means IPv4 as well, unless that has an entry of its own.
fn families(address: SocketAddr, all: &[SocketAddr]) -> Vec<IpAddr> {
    let ipv4 = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let dual = address.is_ipv6() && address.ip().is_unspecified() && !all.iter().any(is_ipv4_wildcard);
    if dual { vec![address.ip(), ipv4] } else { vec![address.ip()] }
}

impl Bound {
    /// Takes one port on all of `ips`; 0 takes one that is free on all of them.
    fn take(&mut self, ips: &[IpAddr], port: u16, with_tcp: bool) -> Result<(), BindError> {
        let mut tries = if port == 0 { FREE_PORT_TRIES } else { 1 };
        loop {
            tries -= 1;
            match Self::port(ips, port, with_tcp) {
                Ok(mut taken) => {
                    self.named.extend(taken.udp.iter().map(UdpSocket::local_addr));
                    self.udp.append(&mut taken.udp);
                    self.tcp.append(&mut taken.tcp);
                    return Ok(());
                }
                Err(error) if tries == 0 => return Err(error),
                Err(_) => {}
            }
        }
    }

    fn port(ips: &[IpAddr], mut port: u16, with_tcp: bool) -> Result<Self, BindError> {
        let mut bound = Self::default();
        for ip in ips {
            let address = SocketAddr::new(*ip, port);
            let fail = |protocol| move |source| BindError::Address { protocol, address, source };
            let udp = match UdpSocket::bind(address, &UdpConfig::default()) {
                Ok(udp) => udp,
                // Where there is no IPv6 at all, `[::]` means IPv4 alone.
                Err(error) if ips.len() > 1 && ip.is_ipv6() && is_no_family(&error) => continue,
                Err(error) => return Err(fail("UDP")(error)),
            };
            port = udp.local_addr().port();
            if with_tcp {
                let listen = || {
                    let socket = open(udp.local_addr(), Type::STREAM, Protocol::TCP, false)?;
                    socket.listen(BACKLOG)?;
                    TcpListener::from_std(socket.into())
                };
                bound.tcp.push(listen().map_err(fail("TCP"))?);
            }
            bound.udp.push(udp);
        }
        Ok(bound)
    }

    /// With two IPs of one family there can be behaviour discovery (RFC 5780 §6): each also gets the port of the other, or
    /// where both have the same port, the next one that is free on both.
    fn pair_up(&mut self) -> Option<Pair> {
        let usable = |a: &SocketAddr| !a.ip().is_unspecified();
        let mut pairs = self.named.iter().enumerate().flat_map(|(at, a)| {
            let others = self.named.iter().skip(at + 1);
            others.map(|b| (*a, *b)).collect::<Vec<_>>()
        });
        let (a, b) = pairs.find(|(a, b)| usable(a) && usable(b) && a.ip() != b.ip() && a.is_ipv4() == b.is_ipv4())?;
        let bind = |ip, port| UdpSocket::bind(SocketAddr::new(ip, port), &UdpConfig::default());
        let found = if a.port() == b.port() {
            let next = (1..=FREE_PORT_TRIES).filter_map(|step| a.port().checked_add(step));
            next.into_iter().find_map(|port| Some([bind(a.ip(), port).ok()?, bind(b.ip(), port).ok()?]))
        } else {
            bind(a.ip(), b.port()).and_then(|first| Ok([first, bind(b.ip(), a.port())?])).ok()
        };
        let Some(alternates) = found else {
            tracing::warn!(
                "no ports are free for behaviour discovery (RFC 5780) beside {a} and {b}; it is not offered"
            );
            return None;
        };
        let port = if a.port() == b.port() { alternates[0].local_addr().port() } else { b.port() };
        self.udp.extend(alternates);
        Some(Pair { primary: a, alternate: SocketAddr::new(b.ip(), port) })
    }
}

fn is_no_family(error: &io::Error) -> bool {
    !matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied)
}

/// `[::]` also means IPv4; where there is no IPv6 at all, it means that alone.
fn or_ipv4<T>(address: SocketAddr, listen: impl Fn(SocketAddr) -> io::Result<T>) -> io::Result<T> {
    listen(address).or_else(|e| {
        if address.is_ipv6() && address.ip().is_unspecified() && is_no_family(&e) {
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
