//! This host's addresses, the best first.

use peerage_base::cidr::Cidr;
use std::cmp::Ordering;
use std::io;
use std::net::{IpAddr, Ipv6Addr};
use tracing::debug;

/// Which addresses are wanted.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Filter {
    /// Loopback too. Default off: of use only to peers on this host.
    pub loopback: bool,
    /// Link-local IPv6 and IPv4 too. Default off: they mean something on one link only, and the peer's scope is unknown.
    pub link_local: bool,
    /// Most addresses taken, the best first. Default 16; more make more candidates, and checks grow with their square.
    pub limit: usize,
    /// IPv4 addresses. Default on.
    pub v4: bool,
    /// IPv6 addresses. Default on.
    pub v6: bool,
    /// Names of the only interfaces taken; one that ends in `*` stands for all that begin so. Default: empty, all.
    pub only: Vec<String>,
    /// Names of interfaces left out, written likewise. Default: empty, none.
    pub except: Vec<String>,
    /// Kinds of interfaces left out. Default: empty, none. Without [`Kind::Vpn`] a tunnel may be gone around, and its owner
    /// be found out.
    pub except_kinds: Vec<Kind>,
    /// The only networks whose addresses are taken. Default: empty, all.
    pub networks: Vec<Cidr>,
    /// Networks whose addresses are left out. Default: empty, none.
    pub except_networks: Vec<Cidr>,
}

impl Default for Filter {
    fn default() -> Self {
        Self {
            loopback: false,
            link_local: false,
            limit: 16,
            v4: true,
            v6: true,
            only: Vec::new(),
            except: Vec::new(),
            except_kinds: Vec::new(),
            networks: Vec::new(),
            except_networks: Vec::new(),
        }
    }
}

impl Filter {
    /// Whether an address is of a family and in a network that is wanted.
    pub fn takes_ip(&self, ip: IpAddr) -> bool {
        let within = |networks: &[Cidr]| networks.iter().any(|network| network.contains(ip));
        (if ip.is_ipv4() { self.v4 } else { self.v6 })
            && (self.networks.is_empty() || within(&self.networks))
            && !within(&self.except_networks)
    }

    fn takes_interface(&self, interface: &Interface) -> bool {
        let named = |patterns: &[String]| patterns.iter().any(|pattern| is_like(&interface.name, pattern));
        (self.only.is_empty() || named(&self.only))
            && !named(&self.except)
            && !self.except_kinds.contains(&interface.kind)
    }
}

/// Whether a name is `pattern`, or begins with what stands before its final `*`.
fn is_like(name: &str, pattern: &str) -> bool {
    pattern.strip_suffix('*').map_or(name == pattern, |prefix| name.starts_with(prefix))
}

/// What kind of network an interface seems to lead to. Better kinds come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A cable.
    Ethernet,
    /// A wireless LAN.
    Wifi,
    /// Nothing known.
    Unknown,
    /// A tunnel.
    Vpn,
    /// A mobile network, probably paid by volume.
    Cellular,
    /// Between containers or virtual machines of this host.
    Virtual,
    /// This host only.
    Loopback,
}

impl Kind {
    /// A guess by the interface's name, as systems give them.
    pub fn of_name(name: &str) -> Self {
        const PREFIXES: [(&str, Kind); 33] = [
            ("lo", Kind::Loopback),
            ("wlan", Kind::Wifi),
            ("wlp", Kind::Wifi),
            ("wlx", Kind::Wifi),
            ("wl", Kind::Wifi),
            ("wi-fi", Kind::Wifi),
            ("ath", Kind::Wifi),
            ("wwan", Kind::Cellular),
            ("wwp", Kind::Cellular),
            ("rmnet", Kind::Cellular),
            ("ccmni", Kind::Cellular),
            ("pdp_ip", Kind::Cellular),
            ("v4-rmnet", Kind::Cellular),
            ("tun", Kind::Vpn),
            ("tap", Kind::Vpn),
            ("utun", Kind::Vpn),
            ("ipsec", Kind::Vpn),
            ("ppp", Kind::Vpn),
            ("wg", Kind::Vpn),
            ("tailscale", Kind::Vpn),
            ("zt", Kind::Vpn),
            ("nordlynx", Kind::Vpn),
            ("docker", Kind::Virtual),
            ("br-", Kind::Virtual),
            ("veth", Kind::Virtual),
            ("virbr", Kind::Virtual),
            ("vmnet", Kind::Virtual),
            ("vboxnet", Kind::Virtual),
            ("cni", Kind::Virtual),
            ("vethernet", Kind::Virtual),
            ("eth", Kind::Ethernet),
            // enp3s0, eno1, ens5, enx..., and en0 of Apple systems.
            ("en", Kind::Ethernet),
            ("em", Kind::Ethernet),
        ];
        let name = name.to_ascii_lowercase();
        PREFIXES.iter().find(|(prefix, _)| name.starts_with(prefix)).map_or(Self::Unknown, |(_, kind)| *kind)
    }

    /// What libwebrtc says such a network costs, in GOOG-NETWORK-INFO.
    pub const fn cost(self) -> u16 {
        match self {
            Self::Ethernet | Self::Vpn | Self::Virtual | Self::Loopback => 0,
            Self::Wifi => 10,
            Self::Unknown => 50,
            Self::Cellular => 900,
        }
    }
}

/// One address of this host.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Interface {
    /// Name of the interface it belongs to.
    pub name: String,
    /// Number of that interface, where the system tells.
    pub index: Option<u32>,
    /// The address.
    pub ip: IpAddr,
    /// Length of the prefix that is on the link, in bits.
    pub prefix: u8,
    /// What kind of network it leads to.
    pub kind: Kind,
    /// An IPv6 address that changes for the sake of privacy (RFC 8981).
    pub temporary: bool,
}

/// The usable addresses of this host, the best first. The same system state gives the same order.
///
/// Left out are addresses of interfaces that are down, multicast, unspecified and IPv4-mapped ones, and those that the
/// system means to give up or has not yet verified. Where an interface has a temporary IPv6 address, its stable ones
/// are left out (RFC 8981 §3.6: the stable one identifies the host).
///
/// # Errors
/// What the system says.
pub fn local(filter: &Filter) -> io::Result<Vec<Interface>> {
    let flags = AddressFlags::load();
    let all = if_addrs::get_if_addrs()?.into_iter().filter(|found| found.is_oper_up() || found.is_loopback());
    let found = all.filter_map(|found| {
        let ip = found.ip();
        let flag = flags.of(ip);
        let prefix = match &found.addr {
            if_addrs::IfAddr::V4(v4) => v4.prefixlen,
            if_addrs::IfAddr::V6(v6) => v6.prefixlen,
        };
        let kind = if ip.is_loopback() { Kind::Loopback } else { Kind::of_name(&found.name) };
        let temporary = flag & AddressFlags::TEMPORARY != 0;
        let interface = Interface { index: found.index, ip, prefix, kind, temporary, name: found.name };
        (flag & AddressFlags::UNFIT == 0).then_some(interface)
    });
    Ok(choose(found.collect(), filter))
}

/// Every address of this host, whatever its state and use: for rules that guard the host itself, which [`local`] has too
/// few for.
///
/// # Errors
/// What the system says.
pub fn every_address() -> io::Result<Vec<IpAddr>> {
    let mut ips: Vec<IpAddr> = if_addrs::get_if_addrs()?.iter().map(if_addrs::Interface::ip).collect();
    ips.sort_unstable();
    ips.dedup();
    Ok(ips)
}

/// Applies the filter and the order.
fn choose(mut found: Vec<Interface>, filter: &Filter) -> Vec<Interface> {
    found.retain(|interface| {
        is_usable(interface.ip, filter) && filter.takes_ip(interface.ip) && filter.takes_interface(interface)
    });
    let private: Vec<String> = found.iter().filter(|i| i.temporary).map(|i| i.name.clone()).collect();
    found.retain(|i| i.temporary || !is_global_v6(i.ip) || !private.contains(&i.name));
    found.sort_by(preference);
    found.dedup_by(|a, b| a.ip == b.ip && a.name == b.name);
    if found.len() > filter.limit {
        debug!(found = found.len(), limit = filter.limit, "more addresses than are used");
        found.truncate(filter.limit);
    }
    found
}

fn is_usable(ip: IpAddr, filter: &Filter) -> bool {
    if ip.is_unspecified() || ip.is_multicast() {
        return false;
    }
    let link_local = match ip {
        IpAddr::V4(v4) => v4.is_link_local(),
        // Mapped addresses, and the site-local ones that RFC 3879 withdrew.
        IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some() || v6.segments()[0] & 0xFFC0 == 0xFEC0 => return false,
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    (filter.loopback || !ip.is_loopback()) && (filter.link_local || !link_local)
}

fn is_global_v6(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(v6) if !v6.is_unicast_link_local() && !v6.is_loopback())
}

/// The better network first; within one, IPv6 before IPv4 (RFC 8421 §4), then by name and address.
fn preference(a: &Interface, b: &Interface) -> Ordering {
    let key = |i: &Interface| (i.kind, i.ip.is_ipv4(), i.ip.is_loopback());
    key(a).cmp(&key(b)).then_with(|| a.name.cmp(&b.name)).then_with(|| a.ip.cmp(&b.ip))
}

/// What the kernel knows of IPv6 addresses beyond the addresses themselves.
struct AddressFlags(Vec<(Ipv6Addr, u8)>);

impl AddressFlags {
    /// `IFA_F_TEMPORARY`.
    const TEMPORARY: u8 = 0x01;
    /// `IFA_F_DADFAILED`, `IFA_F_DEPRECATED` and `IFA_F_TENTATIVE`.
    const UNFIT: u8 = 0x08 | 0x20 | 0x40;

    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn load() -> Self {
        // Without it (no IPv6, or no access) every address counts as fit.
        Self::parse(&std::fs::read_to_string("/proc/net/if_inet6").unwrap_or_default())
    }

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    fn load() -> Self {
        Self(Vec::new())
    }

    /// Lines of: address in hex, interface number, prefix length, scope, flags, name.
    #[cfg(any(target_os = "linux", target_os = "android", test))]
    fn parse(table: &str) -> Self {
        let line = |line: &str| {
            let mut fields = line.split_ascii_whitespace();
            let ip = u128::from_str_radix(fields.next()?, 16).ok()?;
            // Flags beyond a byte are not of interest here.
            let flags = u32::from_str_radix(fields.nth(3)?, 16).ok()? as u8;
            Some((Ipv6Addr::from_bits(ip), flags))
        };
        Self(table.lines().filter_map(line).collect())
    }

    fn of(&self, ip: IpAddr) -> u8 {
        self.0.iter().find(|(v6, _)| ip == *v6).map_or(0, |(_, flags)| *flags)
    }
}

#[cfg(test)]
mod tests {
    use super::{AddressFlags, Filter, Interface, Kind, choose, every_address, local};
    use std::net::IpAddr;

    fn interface(name: &str, ip: &str) -> Interface {
        let ip: IpAddr = ip.parse().unwrap();
        let kind = if ip.is_loopback() { Kind::Loopback } else { Kind::of_name(name) };
        Interface { name: name.into(), index: None, ip, prefix: 24, kind, temporary: false }
    }

    fn chosen(found: &[Interface], filter: &Filter) -> Vec<String> {
        choose(found.to_vec(), filter).iter().map(|i| i.ip.to_string()).collect()
    }

    #[test]
    fn the_loopback_of_this_host_is_listed_only_when_asked_for() {
        let with = local(&Filter { loopback: true, ..Filter::default() }).unwrap();
        assert!(with.iter().any(|i| i.ip == IpAddr::from([127, 0, 0, 1]) && i.kind == Kind::Loopback));
        let without = local(&Filter::default()).unwrap();
        assert!(without.iter().all(|i| !i.ip.is_loopback()));
    }

    #[test]
    fn no_address_is_missing_from_those_that_guard_the_host() {
        let every = every_address().unwrap();
        assert!(every.contains(&IpAddr::from([127, 0, 0, 1])));
        let filter = Filter { loopback: true, link_local: true, limit: usize::MAX, ..Filter::default() };
        assert!(local(&filter).unwrap().iter().all(|interface| every.contains(&interface.ip)));
    }

    #[test]
    fn better_networks_come_first_and_ipv6_before_ipv4() {
        let found = [
            interface("lo", "127.0.0.1"),
            interface("docker0", "172.17.0.1"),
            interface("rmnet0", "100.64.0.9"),
            interface("wlan0", "192.168.1.5"),
            interface("eth0", "10.0.0.2"),
            interface("eth0", "2001:db8::2"),
            interface("mystery0", "10.9.0.2"),
            interface("wg0", "10.8.0.2"),
        ];
        let filter = Filter { loopback: true, ..Filter::default() };
        let expected =
            ["2001:db8::2", "10.0.0.2", "192.168.1.5", "10.9.0.2", "10.8.0.2", "100.64.0.9", "172.17.0.1", "127.0.0.1"];
        assert_eq!(chosen(&found, &filter), expected);
        let mut reversed = found.to_vec();
        reversed.reverse();
        assert_eq!(chosen(&reversed, &filter), expected);
        let few = Filter { limit: 2, ..Filter::default() };
        assert_eq!(chosen(&found, &few), expected[..2]);
    }

    #[test]
    fn addresses_that_lead_nowhere_are_left_out() {
        let found = ["0.0.0.0", "224.0.0.1", "::", "ff02::1", "::ffff:10.0.0.1", "fec0::1", "fe80::1", "169.254.0.1"]
            .map(|ip| interface("eth0", ip));
        assert_eq!(chosen(&found, &Filter::default()), [""; 0]);
        let link_local = Filter { link_local: true, ..Filter::default() };
        assert_eq!(chosen(&found, &link_local), ["fe80::1", "169.254.0.1"]);
    }

    #[test]
    fn a_temporary_address_hides_the_stable_one_of_its_interface() {
        let mut temporary = interface("eth0", "2001:db8::abcd");
        temporary.temporary = true;
        let found = [
            interface("eth0", "2001:db8::1"),
            temporary,
            interface("eth0", "10.0.0.2"),
            interface("eth1", "2001:db8:1::1"),
        ];
        assert_eq!(chosen(&found, &Filter::default()), ["2001:db8::abcd", "2001:db8:1::1", "10.0.0.2"]);
    }

    #[test]
    fn the_kernel_table_tells_deprecated_and_temporary_addresses() {
        let table = "fd000000000000000000000000000002 04 40 00 82     eth0\n\
                     20010db8000000000000000000000001 04 40 00 20     eth0\n\
                     20010db8000000000000000000000002 04 40 00 01     eth0\n\
                     garbage\n\n20010db8 04\n";
        let flags = AddressFlags::parse(table);
        let of = |ip: &str| flags.of(ip.parse().unwrap());
        assert_eq!(of("fd00::2") & (AddressFlags::UNFIT | AddressFlags::TEMPORARY), 0);
        assert_ne!(of("2001:db8::1") & AddressFlags::UNFIT, 0);
        assert_eq!(of("2001:db8::2"), AddressFlags::TEMPORARY);
        assert_eq!(of("10.0.0.1"), 0);
    }

    #[test]
    fn names_tell_the_kind() {
        for (name, kind) in [
            ("enp3s0", Kind::Ethernet),
            ("en0", Kind::Ethernet),
            ("wlp2s0", Kind::Wifi),
            ("Wi-Fi", Kind::Wifi),
            ("wwan0", Kind::Cellular),
            ("utun3", Kind::Vpn),
            ("vethernet (wsl)", Kind::Virtual),
            ("br-1234", Kind::Virtual),
            ("something", Kind::Unknown),
        ] {
            assert_eq!(Kind::of_name(name), kind, "{name}");
        }
    }

    #[test]
    fn interfaces_and_networks_are_left_out_as_asked() {
        let found = [
            interface("eth0", "2001:db8::2"),
            interface("eth0", "10.0.0.2"),
            interface("eth1", "10.1.0.2"),
            interface("wg0", "10.8.0.2"),
        ];
        let filter = |change: fn(&mut Filter)| {
            let mut filter = Filter::default();
            change(&mut filter);
            chosen(&found, &filter)
        };
        assert_eq!(filter(|f| f.only = vec!["eth*".into()]), ["2001:db8::2", "10.0.0.2", "10.1.0.2"]);
        assert_eq!(filter(|f| f.only = vec!["eth".into()]), [""; 0]);
        assert_eq!(filter(|f| f.except = vec!["eth0".into(), "wg*".into()]), ["10.1.0.2"]);
        assert_eq!(filter(|f| f.except_kinds = vec![Kind::Ethernet]), ["10.8.0.2"]);
        assert_eq!(filter(|f| f.v4 = false), ["2001:db8::2"]);
        assert_eq!(filter(|f| f.v6 = false).len(), 3);
        assert_eq!(filter(|f| f.networks = vec!["10.0.0.0/15".parse().unwrap()]), ["10.0.0.2", "10.1.0.2"]);
        assert_eq!(filter(|f| f.except_networks = vec!["10.0.0.0/8".parse().unwrap()]), ["2001:db8::2"]);
    }
}
