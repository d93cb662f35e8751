//! Which addresses of this machine are offered.

use std::net::IpAddr;

use peerage_net::interfaces::{Filter, local};
use peerage_net::route;

use crate::configuration::{IpHandling, Settings};

/// Most addresses that one connection offers; checks grow with their square.
const MAX_ADDRESSES: usize = 16;

/// The addresses to offer, the best first.
pub(crate) fn usable(settings: &Settings) -> Vec<IpAddr> {
    let mut found = found(settings);
    let default = |ip: &IpAddr| route::default_address(ip.is_ipv4()) == Some(*ip);
    if matches!(settings.ip_handling, IpHandling::DefaultRoute | IpHandling::DefaultPublicOnly) {
        // Within this machine there is nothing to hide.
        found.retain(|ip| ip.is_loopback() || default(ip));
    }
    found
}

fn found(settings: &Settings) -> Vec<IpAddr> {
    let mut filter = settings.interfaces.clone();
    if !settings.addresses.is_empty() {
        let named = settings.addresses.iter().copied().filter(|ip| filter.takes_ip(*ip));
        return named.take(MAX_ADDRESSES).collect();
    }
    filter.limit = filter.limit.min(MAX_ADDRESSES);
    filter.loopback |= settings.include_loopback == Some(true);
    let mut found = addresses(&filter);
    if found.is_empty() && settings.include_loopback.is_none() {
        filter.loopback = true;
        found = addresses(&filter);
    }
    found
}

fn addresses(filter: &Filter) -> Vec<IpAddr> {
    match local(filter) {
        Ok(interfaces) => interfaces.into_iter().map(|interface| interface.ip).collect(),
        Err(error) => {
            tracing::warn!(%error, "the interfaces cannot be listed");
            Vec::new()
        }
    }
}
