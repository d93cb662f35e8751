//! Names to addresses, and addresses to names, for the connections of an endpoint.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Weak;
use std::time::Duration;

use peerage_base::rng::Rng;
use peerage_net::interfaces::{self, Filter};
use peerage_net::mdns::Config;
use peerage_net::mdns::resolver::Resolver;
use peerage_net::mdns::responder::Responder;
use peerage_net::resolve::resolve;
use peerage_session::event::NeedId;

use crate::cell::Cell;

/// How long DNS may take.
const DNS_TIMEOUT: Duration = Duration::from_secs(5);

/// Looks names up in tasks of their own and supplies sessions with what they find.
#[derive(Debug)]
pub(crate) struct Names {
    rng: Rng,
    /// Whether names of this machine's loopback addresses are asked for too.
    loopback: bool,
    resolver: Option<Resolver>,
}

/// Publishes names of our own.
#[derive(Debug)]
pub(crate) struct Publisher {
    rng: Rng,
    /// Whether names of this machine's loopback addresses are answered too.
    loopback: bool,
    responder: Option<Responder>,
}

impl Names {
    pub(crate) fn new(rng: Rng, loopback: bool) -> Self {
        Self { rng, loopback, resolver: None }
    }

    /// Asks DNS for a server's address.
    pub(crate) fn host(&self, name: String, id: NeedId, cell: Weak<Cell>) {
        tokio::spawn(async move {
            let address = match resolve(&name, 0, DNS_TIMEOUT).await {
                Ok(addresses) => addresses.first().map(SocketAddr::ip),
                Err(error) => {
                    tracing::warn!(%error, server = %name, "a server's name was not resolved");
                    None
                }
            };
            supply(&cell, id, address);
        });
    }

    /// Asks the local links for a browser's address.
    pub(crate) fn local(&mut self, name: String, id: NeedId, cell: Weak<Cell>) {
        let resolver = self.resolver();
        tokio::spawn(async move {
            let address = match resolver {
                Some(resolver) => resolver.resolve(&name).await.ok().and_then(|found| found.first().copied()),
                None => None,
            };
            if address.is_none() {
                tracing::debug!("a .local name was not resolved");
            }
            supply(&cell, id, address);
        });
    }

    fn resolver(&mut self) -> Option<Resolver> {
        if self.resolver.is_none() {
            let made = Resolver::new(&links(self.loopback), config(self.loopback), self.rng.split("mdns resolver"));
            self.resolver = made.inspect_err(|error| tracing::debug!(%error, "no link for multicast DNS")).ok();
        }
        self.resolver.clone()
    }
}

impl Publisher {
    pub(crate) fn new(rng: Rng, loopback: bool) -> Self {
        Self { rng, loopback, responder: None }
    }

    /// Gives every address a name that peers on the local links can resolve.
    pub(crate) async fn publish(&mut self, addresses: &[IpAddr]) -> HashMap<IpAddr, String> {
        if self.responder.is_none() {
            let made = Responder::new(&links(self.loopback), config(self.loopback), self.rng.split("mdns responder"));
            self.responder = made.inspect_err(|error| tracing::warn!(%error, "addresses cannot be hidden")).ok();
        }
        let mut published = HashMap::new();
        let Some(responder) = &self.responder else { return published };
        for ip in addresses {
            if let Ok(name) = responder.publish(*ip).await {
                published.insert(*ip, name);
            }
        }
        published
    }
}

fn links(loopback: bool) -> Vec<interfaces::Interface> {
    let mut filter = Filter::default();
    filter.loopback = loopback;
    interfaces::local(&filter).unwrap_or_default()
}

fn config(loopback: bool) -> Config {
    let mut config = Config::default();
    config.loopback = loopback;
    config
}

fn supply(cell: &Weak<Cell>, id: NeedId, address: Option<IpAddr>) {
    if let Some(cell) = cell.upgrade() {
        cell.command(|session, now| session.supply(now, id, address));
    }
}
