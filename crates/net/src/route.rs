//! Which way packets leave this host: the address of the default route, the gateway, sizes.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// Somewhere on the public Internet, which a default route leads to. Nothing is sent there.
const ANYWHERE: [SocketAddr; 2] = [
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(8, 8, 8, 8)), 9),
    SocketAddr::new(IpAddr::V6(Ipv6Addr::new(0x2001, 0x4860, 0x4860, 0, 0, 0, 0, 0x8888)), 9),
];

/// The address that packets to the public Internet leave from, of IPv4 or of IPv6; `None` without such a route.
pub fn default_address(v4: bool) -> Option<IpAddr> {
    let [anywhere4, anywhere6] = ANYWHERE;
    address_towards(if v4 { anywhere4 } else { anywhere6 }).ok()
}

/// The address that packets to `remote` leave from. Nothing is sent.
///
/// # Errors
/// What the system says, most often that there is no route.
pub fn address_towards(remote: SocketAddr) -> io::Result<IpAddr> {
    Ok(towards(remote)?.local_addr()?.ip())
}

/// The greatest length of an IP packet to `remote`, in bytes, as far as the system knows: that of the interface, or less
/// where a router has said so (Linux, Android). Nothing is sent.
///
/// # Errors
/// What the system says; `Unsupported` elsewhere.
pub fn mtu_towards(remote: SocketAddr) -> io::Result<usize> {
    let socket = towards(remote)?;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        use rustix::net::sockopt::{ip_mtu, ipv6_mtu};
        let mtu = if remote.is_ipv4() { ip_mtu(&socket) } else { ipv6_mtu(&socket) }?;
        Ok(usize::try_from(mtu).unwrap_or(usize::MAX))
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    {
        drop(socket);
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// The IPv4 router of the default route (Linux, Android); elsewhere the first address of the default address's network,
/// which it mostly is.
pub fn gateway() -> Option<Ipv4Addr> {
    if let Ok(table) = std::fs::read_to_string("/proc/net/route") {
        return default_gateway(&table);
    }
    match default_address(true)? {
        IpAddr::V4(ip) if ip.is_private() => {
            let [a, b, c, _] = ip.octets();
            Some(Ipv4Addr::new(a, b, c, 1))
        }
        _ => None,
    }
}

fn towards(remote: SocketAddr) -> io::Result<UdpSocket> {
    let any: IpAddr = if remote.is_ipv4() { [0; 4].into() } else { [0; 16].into() };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect(remote)?;
    Ok(socket)
}

/// The default route of least metric in the kernel's table: interface, destination, gateway, flags, references, use,
/// metric, mask; addresses in hex, in the order of the machine's bytes.
pub(crate) fn default_gateway(table: &str) -> Option<Ipv4Addr> {
    const UP_AND_GATEWAY: u16 = 0x3;
    let route = |line: &str| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let mut hex = || u32::from_str_radix(fields.next()?, 16).ok();
        let (destination, gateway, flags) = (hex()?, hex()?, hex()?);
        let metric: u32 = fields.nth(2)?.parse().ok()?;
        let mask = u32::from_str_radix(fields.next()?, 16).ok()?;
        let is_default = destination == 0 && mask == 0 && flags as u16 & UP_AND_GATEWAY == UP_AND_GATEWAY;
        is_default.then(|| (metric, Ipv4Addr::from(gateway.to_ne_bytes())))
    };
    table.lines().filter_map(route).min_by_key(|(metric, _)| *metric).map(|(_, gateway)| gateway)
}

#[cfg(test)]
mod tests {
    use super::{address_towards, default_address, default_gateway, mtu_towards};
    use std::net::{IpAddr, Ipv4Addr};

    #[test]
    fn loopback_leads_to_loopback() {
        assert_eq!(address_towards(([127, 0, 0, 1], 9).into()).unwrap(), IpAddr::from([127, 0, 0, 1]));
        assert!(default_address(true).is_none_or(|ip| ip.is_ipv4() && !ip.is_unspecified()));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn loopback_has_its_usual_size() {
        // The length field of IPv4 ends where the link does not yet.
        assert_eq!(mtu_towards(([127, 0, 0, 1], 9).into()).unwrap(), 65_535);
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn the_gateway_is_that_of_the_best_default_route() {
        let table = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n\
            wlan0\t00000000\t0102A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\n\
            eth0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n\
            tun0\t00000000\t00000000\t0001\t0\t0\t50\t00000000\t0\t0\t0\n\
            eth0\t0001A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n\
            garbage\n\n";
        assert_eq!(default_gateway(table), Some(Ipv4Addr::new(192, 168, 1, 1)));
        assert_eq!(default_gateway("Iface\n"), None);
    }
}
