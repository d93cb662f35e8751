//! The whole of it.

use crate::accept;
use crate::admission::Admission;
use crate::bind::{self, BindError};
use crate::config::ServerConfig;
use crate::guard::Guard;
use crate::http::{Site, router};
use crate::hub::Hub;
use crate::stop;
use crate::stun::Responder;
use crate::tls::{self, Identity};
use crate::urls::Urls;
use core::net::{IpAddr, SocketAddr};
use peerage_net::interfaces::{self, Filter};
use peerage_signal::entropy;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

/// A server with its ports taken. It answers once [`run`](Self::run) is polled.
#[derive(Debug)]
pub struct Server {
    listeners: Vec<TcpListener>,
    addresses: Vec<SocketAddr>,
    own_addresses: Vec<IpAddr>,
    stun: Vec<Responder>,
    stun_addresses: Vec<SocketAddr>,
    identity: Option<Identity>,
    site: Arc<Site>,
    shutdown: Arc<watch::Sender<bool>>,
}

/// Stops a server from elsewhere.
#[derive(Clone, Debug)]
pub struct ServerHandle(Arc<watch::Sender<bool>>);

impl ServerHandle {
    /// Ends [`Server::run`]: nothing new is accepted, clients are told.
    pub fn shutdown(&self) {
        self.0.send_replace(true);
    }
}

impl Server {
    /// Takes all ports and reads certificates. Needs a tokio runtime.
    ///
    /// # Errors
    /// [`BindError`], worded for the person who started the server.
    pub async fn bind(config: ServerConfig) -> Result<Self, BindError> {
        let rng = entropy::rng();
        let listeners = bind::listeners(&config.listen)?;
        let addresses: Vec<SocketAddr> = listeners.iter().filter_map(|l| l.local_addr().ok()).collect();
        let stun: Vec<Responder> = bind::stun_sockets(&config.stun, &addresses)?
            .into_iter()
            .enumerate()
            .map(|(i, socket)| Responder::new(socket, config.stun_rate, rng.split(&format!("stun {i}"))))
            .collect();
        let stun_addresses: Vec<SocketAddr> = stun.iter().filter_map(|s| s.local_addr().ok()).collect();
        let mut stun_ports: Vec<u16> = stun_addresses.iter().map(SocketAddr::port).collect();
        stun_ports.sort_unstable();
        stun_ports.dedup();
        let own_addresses = own_addresses();
        let public_host = config.public_url.as_ref().map(|url| url.host());
        let names = tls::names(public_host, own_addresses.iter().copied().chain(addresses.iter().map(SocketAddr::ip)));
        let identity = Identity::load(&config.tls, &names)?;
        let (shutdown, watch) = watch::channel(false);
        let site = Site {
            guard: Guard::new(config.public_url.clone(), &config.allow_origin),
            hub: Arc::new(Hub::new(config.rooms.clone(), rng.split("rooms"), None)),
            admission: Admission::new(config.max_connections, config.max_connections_per_address),
            stun_ports,
            shutdown: watch,
            config,
        };
        let (site, shutdown) = (Arc::new(site), Arc::new(shutdown));
        Ok(Self { listeners, addresses, own_addresses, stun, stun_addresses, identity, site, shutdown })
    }

    /// Where HTTP and WebSocket are served, with the ports that were taken.
    pub fn local_addrs(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Where STUN is served.
    pub fn stun_addrs(&self) -> &[SocketAddr] {
        &self.stun_addresses
    }

    /// How to open the page from here and from elsewhere.
    pub fn urls(&self) -> Urls {
        let public = self.site.config.public_url.as_ref();
        Urls::new(&self.addresses, &self.own_addresses, public, self.identity.is_some())
    }

    /// SHA-256 of the certificate in the form that browsers show; `None` without TLS.
    pub fn fingerprint(&self) -> Option<String> {
        self.identity.as_ref().map(|i| tls::display_fingerprint(&i.fingerprint))
    }

    /// SHA-256 of the certificate, for a client to insist on; `None` without TLS.
    pub fn certificate_hash(&self) -> Option<[u8; 32]> {
        self.identity.as_ref().map(|i| i.fingerprint)
    }

    /// What stops the server.
    pub fn handle(&self) -> ServerHandle {
        ServerHandle(self.shutdown.clone())
    }

    /// Serves until [`ServerHandle::shutdown`], then lets connections end. Dropping the future stops accepting, too.
    pub async fn run(self) {
        let Self { listeners, stun, identity, site, shutdown, .. } = self;
        // However this future ends, connections must hear of it.
        let _stop_on_drop = StopOnDrop(shutdown.clone());
        let acceptor = identity.map(|i| TlsAcceptor::from(i.config));
        let router = router(site.clone());
        let mut tasks = JoinSet::new();
        for listener in listeners {
            tasks.spawn(accept::run(listener, acceptor.clone(), site.clone(), router.clone()));
        }
        for responder in stun {
            tasks.spawn(responder.run());
        }
        let hub = site.hub.clone();
        tasks.spawn(async move { hub.keep_time().await });
        stop::requested(&mut shutdown.subscribe()).await;
        tasks.shutdown().await;
        if timeout(site.config.shutdown_grace, site.admission.all_returned()).await.is_err() {
            tracing::debug!("some connections did not end in time");
        }
    }
}

struct StopOnDrop(Arc<watch::Sender<bool>>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.send_replace(true);
    }
}

/// The addresses of this host, best first; none if the system does not tell, which costs only the hints for people.
fn own_addresses() -> Vec<IpAddr> {
    let interfaces = interfaces::local(&Filter::default()).unwrap_or_default();
    interfaces.into_iter().map(|i| i.ip).collect()
}
