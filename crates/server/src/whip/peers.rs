//! The server's own peers: their endpoint, and how they are reached.

use crate::config::ServerConfig;
use crate::whip::config::WhipConfig;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use peerage::configuration::{MediaOptions, Nat1to1, Settings, Tcp};
use peerage::{Configuration, Endpoint, PeerConnection};
use std::sync::Arc;

/// Makes connections, all of them on one port.
#[derive(Debug)]
pub(crate) struct Peers {
    endpoint: Endpoint,
    media: Arc<MediaOptions>,
}

impl Peers {
    /// Takes the port. `listen` is where HTTP is served.
    pub fn new(server: &ServerConfig, whip: &WhipConfig, listen: &[SocketAddr]) -> peerage::error::Result<Self> {
        let settings = settings(server, whip, listen);
        let media = settings.media.clone().unwrap_or_default();
        Ok(Self { endpoint: Endpoint::new(settings)?, media })
    }

    /// A connection.
    pub fn connect(&self) -> peerage::error::Result<PeerConnection> {
        self.endpoint.peer_connection(Configuration::default())
    }

    /// UDP ports that audio and video go by.
    pub fn ports(&self) -> Vec<u16> {
        let mut ports: Vec<u16> = self.endpoint.local_addrs().iter().map(SocketAddr::port).collect();
        ports.sort_unstable();
        ports.dedup();
        ports
    }

    /// Formats that can be published and viewed.
    pub fn media(&self) -> &MediaOptions {
        &self.media
    }
}

fn settings(server: &ServerConfig, whip: &WhipConfig, listen: &[SocketAddr]) -> Settings {
    let mut settings = Settings::default();
    settings.port = whip.port;
    settings.addresses = addresses(whip, listen);
    // Whoever reaches HTTP on loopback is to reach the rest there.
    let is_loopback = |address: &SocketAddr| address.ip().to_canonical().is_loopback();
    settings.include_loopback = Some(listen.iter().any(is_loopback) || listen.iter().any(|a| a.ip().is_unspecified()));
    let turn = server.turn.as_ref().map_or(&[][..], |turn| &turn.public_ips);
    let public = if whip.public_ips.is_empty() { turn } else { &whip.public_ips };
    settings.nat_1to1 = public.iter().map(|external| Nat1to1 { internal: None, external: *external }).collect();
    settings.tcp = if whip.no_tcp { Tcp::Off } else { Tcp::Listen { port: whip.port, simultaneous_open: false } };
    settings.ice_lite = whip.ice_lite;
    // A server is where its operator put it: it asks no router for a port, and tries nothing that needs luck.
    settings.port_mapping = false;
    settings.predict_ports = false;
    settings.birthday_probing = false;
    if whip.ice_lite {
        settings.interface_poll = Duration::from_secs(30);
    }
    settings
}

/// Those that were named, else those that HTTP is served on; none, which is all of them, if one of these is a wildcard or
/// loopback: browsers do not use loopback, and reach a server on their own machine by its other addresses.
fn addresses(whip: &WhipConfig, listen: &[SocketAddr]) -> Vec<IpAddr> {
    if !whip.addresses.is_empty() {
        return whip.addresses.clone();
    }
    let mut addresses: Vec<IpAddr> = listen.iter().map(|address| address.ip().to_canonical()).collect();
    if addresses.iter().any(|ip| ip.is_unspecified() || ip.is_loopback()) {
        return Vec::new();
    }
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::turn::config::TurnConfig;

    fn of(listen: &[&str], change: impl FnOnce(&mut ServerConfig, &mut WhipConfig)) -> Settings {
        let (mut server, mut whip) = (ServerConfig::default(), WhipConfig::default());
        change(&mut server, &mut whip);
        let listen: Vec<SocketAddr> = listen.iter().map(|address| address.parse().unwrap()).collect();
        settings(&server, &whip, &listen)
    }

    #[test]
    fn media_goes_where_http_is_reached() {
        let one = of(&["192.0.2.7:80", "[2001:db8::1]:80"], |_, _| ());
        assert_eq!(one.addresses, ["192.0.2.7", "2001:db8::1"].map(|ip| ip.parse::<IpAddr>().unwrap()));
        assert_eq!(one.include_loopback, Some(false));
        let all = of(&["[::]:80", "192.0.2.7:80"], |_, _| ());
        assert!(all.addresses.is_empty() && all.include_loopback == Some(true));
        let local = of(&["127.0.0.1:8080"], |_, _| ());
        assert!(local.addresses.is_empty() && local.include_loopback == Some(true));
    }

    #[test]
    fn behind_a_1_to_1_nat_the_address_of_the_relay_is_told() {
        let public: Vec<IpAddr> = vec!["198.51.100.9".parse().unwrap()];
        let behind = of(&["0.0.0.0:80"], |server, _| {
            server.turn = Some(TurnConfig { public_ips: public.clone(), ..TurnConfig::default() });
        });
        assert_eq!(behind.nat_1to1, [Nat1to1 { internal: None, external: public[0] }]);
        let own = of(&["0.0.0.0:80"], |server, whip| {
            server.turn = None;
            whip.public_ips.clone_from(&public);
        });
        assert_eq!(own.nat_1to1.len(), 1);
    }

    #[test]
    fn tcp_and_lite_are_settings() {
        let plain = of(&["0.0.0.0:80"], |_, whip| whip.port = 5000);
        assert!(matches!(plain.tcp, Tcp::Listen { port: 5000, .. }) && !plain.ice_lite && plain.port == 5000);
        let lite = of(&["0.0.0.0:80"], |_, whip| (whip.ice_lite, whip.no_tcp) = (true, true));
        assert!(lite.tcp == Tcp::Off && lite.ice_lite);
    }
}
