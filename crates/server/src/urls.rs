//! How to open the page.

use core::net::{IpAddr, SocketAddr};
use peerage_signal::link::ServerAddress;

/// How to open the page, without a slash at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Urls {
    /// From this machine.
    pub local: String,
    /// From other machines, best first: the public URL, then addresses. Empty if the server listens on loopback alone.
    pub others: Vec<String>,
}

impl Urls {
    /// The best one to hand to somebody else; the local one if there is no other.
    pub fn best(&self) -> &str {
        self.others.first().unwrap_or(&self.local)
    }

    pub(crate) fn new(bound: &[SocketAddr], own: &[IpAddr], public: Option<&ServerAddress>, tls: bool) -> Self {
        let scheme = if tls { "https" } else { "http" };
        let url = |host: String, port: u16| format!("{scheme}://{host}:{port}");
        let mut others: Vec<String> = public.iter().map(ToString::to_string).collect();
        for address in bound.iter().flat_map(|b| reachable(*b, own)).filter(|a| !a.ip().is_loopback()) {
            let url = format!("{scheme}://{address}");
            if !others.contains(&url) {
                others.push(url);
            }
        }
        let local = bound.iter().find(|b| b.ip().is_loopback() || b.ip().is_unspecified());
        let local = match local {
            Some(b) if b.ip().is_unspecified() || b.ip() == IpAddr::from([127, 0, 0, 1]) => {
                url("localhost".into(), b.port())
            }
            Some(b) => format!("{scheme}://{b}"),
            None => bound.first().map(|b| format!("{scheme}://{b}")).unwrap_or_default(),
        };
        Self { local, others }
    }
}

/// The addresses that a bound address stands for.
fn reachable(bound: SocketAddr, own: &[IpAddr]) -> Vec<SocketAddr> {
    let ip = bound.ip().to_canonical();
    if !ip.is_unspecified() {
        return vec![SocketAddr::new(ip, bound.port())];
    }
    let usable = |a: &&IpAddr| (a.is_ipv4() || ip.is_ipv6()) && !is_link_local(**a);
    let mut addresses: Vec<IpAddr> = own.iter().filter(usable).copied().collect();
    // IPv4 first: shorter to type, and every device has it.
    addresses.sort_by_key(IpAddr::is_ipv6);
    addresses.into_iter().map(|a| SocketAddr::new(a, bound.port())).collect()
}

/// Link-local IPv6 addresses need a zone, which URLs in browsers cannot carry.
fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urls(bound: &[&str], own: &[&str], public: Option<&str>, tls: bool) -> (String, Vec<String>) {
        let bound: Vec<_> = bound.iter().map(|b| b.parse().unwrap()).collect();
        let own: Vec<_> = own.iter().map(|a| a.parse().unwrap()).collect();
        let public = public.map(|p| ServerAddress::parse(p).unwrap());
        let urls = Urls::new(&bound, &own, public.as_ref(), tls);
        (urls.local, urls.others)
    }

    #[test]
    fn a_wildcard_stands_for_every_address_but_itself() {
        let own = ["::1", "127.0.0.1", "fe80::1", "2001:db8::1", "192.0.2.7"];
        let (local, others) = urls(&["[::]:8080"], &own, None, false);
        assert_eq!(local, "http://localhost:8080");
        assert_eq!(others, ["http://192.0.2.7:8080", "http://[2001:db8::1]:8080"]);
        let (_, others) = urls(&["0.0.0.0:80"], &own, None, true);
        assert_eq!(others, ["https://192.0.2.7:80"]);
    }

    #[test]
    fn loopback_is_offered_to_this_machine_alone() {
        let (local, others) = urls(&["127.0.0.1:1"], &["192.0.2.7"], None, false);
        assert_eq!((local.as_str(), others.len()), ("http://localhost:1", 0));
        let (local, _) = urls(&["[::1]:1"], &[], None, false);
        assert_eq!(local, "http://[::1]:1");
        let (local, others) = urls(&["192.0.2.7:1"], &[], None, false);
        assert_eq!((local.as_str(), others), ("http://192.0.2.7:1", vec!["http://192.0.2.7:1".to_owned()]));
    }

    #[test]
    fn the_public_url_comes_first() {
        let (_, others) = urls(&["0.0.0.0:80"], &["192.0.2.7"], Some("https://example.org/"), false);
        assert_eq!(others, ["https://example.org", "http://192.0.2.7:80"]);
    }
}
