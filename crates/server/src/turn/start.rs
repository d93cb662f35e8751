//! From settings to a driver with its sockets.

use crate::bind::{BindError, Bound, turn_tls};
use crate::stun::Responder;
use crate::tls::Identity;
use crate::turn::config::{Secret, TurnConfig};
use crate::turn::driver::{Driver, Query};
use crate::turn::guard::Guard;
use crate::turn::handle::{Endpoints, TurnHandle, Wishes};
use crate::turn::listeners::Listeners;
use crate::turn::ready::Ready;
use crate::turn::relays::{Home, Relays};
use crate::turn::streams::Streams;
use crate::turn::traffic::Traffic;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use peerage_base::limit::Rate;
use peerage_base::rng::Rng;
use peerage_net::clock::Clock;
use peerage_net::route;
use peerage_turn::server::Server;
use peerage_turn::server::config::{Config, is_realm};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

/// Snapshots that may be asked for at a time.
const QUERIES: usize = 8;

/// What the rest of the server has of the driver.
pub(crate) struct Started {
    pub driver: Driver,
    pub handle: Option<TurnHandle>,
    pub queries: mpsc::Sender<Query>,
    /// Where TURN is answered over TLS.
    pub tls: Vec<SocketAddr>,
}

/// What the driver is made of besides its settings.
pub(crate) struct Parts<'a> {
    pub bound: Bound,
    pub stun_rate: Rate,
    pub identity: Option<&'a Identity>,
    /// The addresses of this host, the best first.
    pub own: &'a [IpAddr],
    /// UDP ports of this host that relays may lead to.
    pub own_ports: Vec<u16>,
    pub rng: Rng,
}

/// Takes what is missing of the ports. Without `config`, or without an address, there is no relay.
pub(crate) fn start(config: Option<&TurnConfig>, parts: Parts<'_>) -> Result<Started, BindError> {
    let Parts { mut bound, stun_rate, identity, own, own_ports, rng } = parts;
    let config = config.filter(|_| !bound.udp.is_empty());
    let (clock, ready) = (Clock::new(), Arc::new(Ready::default()));
    let public: &[IpAddr] = config.map_or(&[], |config| &config.public_ips);
    // Behind a 1:1 NAT the two addresses are not those that clients could be told.
    let pair = bound.pair.filter(|pair| public.iter().all(|ip| ip.is_ipv4() != pair.primary.is_ipv4()));
    let responder = Responder::new(stun_rate, pair, rng.split("stun"));
    let (queries, asked) = mpsc::channel(QUERIES);
    let tcp = core::mem::take(&mut bound.tcp);
    let mut listening = Vec::new();
    let (mut machine, mut handle, mut guard, mut tls) = (None, None, None, Vec::new());
    let limits = config.map(|config| config.limits).unwrap_or_default();
    let mut streams = Streams::new(&limits, ready.clone());
    let mut relays = Relays::new([None, None], 0..=0, rng.split("ports"), ready.clone());
    if let Some(config) = config {
        check(config)?;
        let acceptor = acceptor(config, identity)?;
        let tls_listeners = turn_tls(&config.tls)?;
        tls = tls_listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect();
        listening.extend(tcp.into_iter().map(|listener| (listener, None)));
        listening.extend(tls_listeners.into_iter().map(|listener| (listener, acceptor.clone())));
        let homes = [true, false].map(|v4| home(v4, &bound.named, own, public));
        relays = Relays::new(homes, config.relay_ports.clone(), rng.split("ports"), ready.clone());
        let secrets = secrets(config, &mut rng.split("secret"));
        if let Some(secret) = secrets.first() {
            let ports = endpoints(&bound, &listening, &tls);
            handle = Some(TurnHandle::new(secret.clone(), config.credential_lifetime, ports, clock));
        }
        let known = own.iter().chain(public).copied().chain(bound.named.iter().map(SocketAddr::ip));
        let own = guard.insert(Guard::new(known.collect())).addresses();
        let mut settings = settings(config, &secrets, homes, own);
        settings.own_ports = own_ports;
        let wall = clock.wall();
        machine = Some(Server::new(settings, rng.split("turn"), wall.now, wall.unix));
    }
    for (listener, tls) in listening {
        streams.listen(listener, tls);
    }
    let listeners = Listeners::new(bound.udp, &ready);
    let traffic = Traffic::new(machine, responder, listeners, relays, streams);
    let wishes = handle.as_ref().map_or_else(|| Arc::new(Wishes::default()), TurnHandle::wishes);
    let drain = config.map_or(Duration::ZERO, |config| config.drain);
    let driver = Driver::new(traffic, clock, ready, wishes, asked, guard, drain);
    Ok(Started { driver, handle, queries, tls })
}

fn check(config: &TurnConfig) -> Result<(), BindError> {
    let (first, last) = (*config.relay_ports.start(), *config.relay_ports.end());
    if first == 0 || first > last {
        return Err(BindError::RelayPorts { first, last });
    }
    for v4 in [true, false] {
        if let [_, second, ..] = config.public_ips.iter().filter(|ip| ip.is_ipv4() == v4).collect::<Vec<_>>()[..] {
            return Err(BindError::PublicAddresses(*second));
        }
    }
    if !is_realm(&config.realm) {
        return Err(BindError::Realm);
    }
    Ok(())
}

fn acceptor(config: &TurnConfig, identity: Option<&Identity>) -> Result<Option<TlsAcceptor>, BindError> {
    if config.tls.is_empty() {
        return Ok(None);
    }
    let mut tls = rustls::ServerConfig::clone(&identity.ok_or(BindError::NoCertificate)?.config);
    // Some clients name TURN (RFC 7443) and some name nothing; there is nothing else on this port to choose from.
    tls.alpn_protocols.clear();
    Ok(Some(TlsAcceptor::from(Arc::new(tls))))
}

/// Where relays of a family are: where clients reach the server if that is one address, else where the way to the
/// Internet begins.
fn home(v4: bool, named: &[SocketAddr], own: &[IpAddr], public: &[IpAddr]) -> Option<Home> {
    let of_family = |ip: &IpAddr| ip.is_ipv4() == v4;
    let ips: Vec<IpAddr> = named.iter().map(SocketAddr::ip).filter(of_family).collect();
    let told = public.iter().copied().find(of_family);
    let is_local = |ip: &IpAddr| own.contains(ip) || ip.is_loopback();
    let specific = ips.iter().copied().find(|ip| !ip.is_unspecified());
    let any = || {
        let usable = |ip: &IpAddr| of_family(ip) && !matches!(ip, IpAddr::V6(v6) if v6.is_unicast_link_local());
        route::default_address(v4).or_else(|| own.iter().copied().find(usable)).or_else(|| {
            let loopback = if v4 { IpAddr::from([127, 0, 0, 1]) } else { IpAddr::V6(core::net::Ipv6Addr::LOCALHOST) };
            own.is_empty().then_some(loopback)
        })
    };
    // An address of this host is bound itself.
    let bind = told.filter(is_local).or(specific).or_else(|| ips.first().and_then(|_| any()))?;
    Some(Home { bind, told: told.unwrap_or(bind) })
}

/// The secrets, the first of which signs; one that is made up if none was given.
fn secrets(config: &TurnConfig, rng: &mut Rng) -> Vec<Secret> {
    if !config.secrets.is_empty() {
        return config.secrets.clone();
    }
    let made = rng.bytes::<32>().iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    Secret::parse(&made).into_iter().collect()
}

fn endpoints(bound: &Bound, listening: &[(TcpListener, Option<TlsAcceptor>)], tls: &[SocketAddr]) -> Endpoints {
    let plain =
        listening.iter().filter(|(_, tls)| tls.is_none()).filter_map(|(listener, _)| listener.local_addr().ok());
    let ports = |addresses: &mut dyn Iterator<Item = SocketAddr>| {
        let mut ports: Vec<u16> = addresses.map(|address| address.port()).collect();
        ports.sort_unstable();
        ports.dedup();
        ports
    };
    Endpoints {
        udp: ports(&mut bound.named.iter().copied()),
        tcp: ports(&mut plain.into_iter()),
        tls: ports(&mut tls.iter().copied()),
    }
}

fn settings(config: &TurnConfig, secrets: &[Secret], homes: [Option<Home>; 2], own: Vec<IpAddr>) -> Config {
    let mut settings = Config::default();
    settings.realm.clone_from(&config.realm);
    settings.secrets = secrets.iter().map(|secret| secret.as_str().into()).collect();
    [settings.relay_v4, settings.relay_v6] = homes.map(|home| home.is_some());
    settings.own = own;
    settings.allow.clone_from(&config.allow_peers);
    settings.deny.clone_from(&config.deny_peers);
    settings.quota = config.limits.quota();
    settings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ips(list: &[&str]) -> Vec<IpAddr> {
        list.iter().map(|ip| ip.parse().unwrap()).collect()
    }

    fn at(v4: bool, named: &[&str], own: &[&str], public: &[&str]) -> Option<(String, String)> {
        let named: Vec<_> = named.iter().map(|address| address.parse().unwrap()).collect();
        home(v4, &named, &ips(own), &ips(public)).map(|home| (home.bind.to_string(), home.told.to_string()))
    }

    fn pair(bind: &str, told: &str) -> Option<(String, String)> {
        Some((bind.to_owned(), told.to_owned()))
    }

    #[test]
    fn relays_are_where_clients_reach_the_server() {
        let named = ["192.0.2.1:3478", "192.0.2.2:3478", "[2001:db8::1]:3478"];
        assert_eq!(at(true, &named, &[], &[]), pair("192.0.2.1", "192.0.2.1"));
        assert_eq!(at(false, &named, &[], &[]), pair("2001:db8::1", "2001:db8::1"));
        assert_eq!(at(false, &["127.0.0.1:1"], &["2001:db8::1"], &[]), None, "no listener of that family");
    }

    #[test]
    fn behind_a_1_to_1_nat_the_public_address_is_told() {
        let own = ["10.0.0.5"];
        assert_eq!(at(true, &["10.0.0.5:1"], &own, &["198.51.100.9"]), pair("10.0.0.5", "198.51.100.9"));
        let own = ["10.0.0.5", "198.51.100.9"];
        assert_eq!(at(true, &["10.0.0.5:1"], &own, &["198.51.100.9"]), pair("198.51.100.9", "198.51.100.9"));
    }

    #[test]
    fn an_unusable_setting_is_refused_in_words() {
        let mut config = TurnConfig::default();
        assert!(check(&config).is_ok());
        config.public_ips = ips(&["192.0.2.1", "2001:db8::1", "192.0.2.2"]);
        assert!(matches!(check(&config), Err(BindError::PublicAddresses(ip)) if ip == ips(&["192.0.2.2"])[0]));
        config.realm = "a \"b\"".into();
        config.public_ips.pop();
        assert!(matches!(check(&config), Err(BindError::Realm)));
        #[expect(clippy::reversed_empty_ranges, reason = "that is the mistake")]
        let reversed = 5..=4;
        config.relay_ports = reversed;
        assert!(matches!(check(&config), Err(BindError::RelayPorts { first: 5, last: 4 })));
        let config = TurnConfig { tls: vec!["127.0.0.1:0".parse().unwrap()], ..TurnConfig::default() };
        assert!(matches!(acceptor(&config, None), Err(BindError::NoCertificate)));
    }
}
