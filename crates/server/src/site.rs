//! What the handlers of HTTP share.

use crate::address::{Authority, stun_url};
use crate::admission::{Admission, SourcePermit};
use crate::client::Client;
use crate::config::ServerConfig;
use crate::exchange::desk::Desk;
use crate::guard::Guard;
use crate::hub::{Found, Hub};
use crate::proxy;
use crate::whip::desk::Whip;
use axum::http::HeaderMap;
use core::net::IpAddr;
use peerage_signal::message::IceServer;
use std::sync::Arc;
use tokio::sync::watch;

/// A source has as many connections as it may.
#[derive(Debug)]
pub(crate) struct TooMany;

/// What the handlers share.
#[derive(Debug)]
pub(crate) struct Site {
    pub config: ServerConfig,
    pub guard: Guard,
    pub hub: Arc<Hub>,
    pub exchange: Arc<Desk>,
    pub admission: Arc<Admission>,
    pub stun_ports: Vec<u16>,
    pub whip: Option<Arc<Whip>>,
    pub shutdown: watch::Receiver<bool>,
}

impl Site {
    /// STUN and the relay where the client found us: that name or address works for it. A proxy may have put its own in
    /// place of it.
    pub fn found(&self, client: &Client, authority: &Authority) -> Found {
        let public = self.config.public_url.as_ref().filter(|_| client.is_proxy);
        let host = public.map_or(authority.host(), |url| url.host());
        let own = self.stun_ports.iter().map(|port| stun_url(host, *port));
        let urls: Vec<_> = own.chain(self.config.ice_servers.iter().cloned()).collect();
        let open = if urls.is_empty() { Vec::new() } else { vec![IceServer::open(urls)] };
        Found { host: host.to_owned(), open }
    }

    /// Who asks, behind proxies that are believed.
    pub fn source(&self, client: &Client, headers: &HeaderMap) -> IpAddr {
        proxy::client(client.address, &self.config.trusted_proxies, headers)
    }

    /// Counts one more lasting request of a client that a proxy stands before, whose connections are not its own. An error:
    /// it has as many as it may.
    pub fn admit(&self, client: &Client, source: IpAddr) -> Result<Option<SourcePermit>, TooMany> {
        if client.is_proxy { self.admission.admit_source(source).map(Some).ok_or(TooMany) } else { Ok(None) }
    }

    pub fn is_proxy(&self, address: IpAddr) -> bool {
        self.config.trusted_proxies.iter().any(|block| block.contains(address))
    }
}
