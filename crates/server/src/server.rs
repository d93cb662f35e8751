//! The whole of it.

use crate::accept;
use crate::admission::Admission;
use crate::bind::{self, BindError};
use crate::config::ServerConfig;
use crate::exchange::desk::Desk;
use crate::guard::Guard;
use crate::http::router;
use crate::hub::Hub;
use crate::metrics;
use crate::site::Site;
use crate::stop;
use crate::tls::{self, Identity};
use crate::turn::driver::{Driver, Query};
use crate::turn::handle::TurnHandle;
use crate::turn::start::{Parts, start};
use crate::urls::Urls;
use crate::whip::config::WhipConfig;
use crate::whip::desk::Whip;
use crate::whip::name::hex;
use crate::whip::peers::Peers;
use core::fmt;
use core::net::{IpAddr, SocketAddr};
use peerage_base::rng::Rng;
use peerage_net::interfaces::{self, Filter};
use peerage_signal::access::AccessToken;
use peerage_signal::entropy;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

/// A server with its ports taken. It answers once [`run`](Self::run) is polled.
#[derive(Debug)]
pub struct Server {
    listeners: Vec<TcpListener>,
    addresses: Vec<SocketAddr>,
    own_addresses: Vec<IpAddr>,
    relay: Relay,
    metrics: Vec<TcpListener>,
    identity: Option<Identity>,
    whip_token: Option<String>,
    site: Arc<Site>,
    shutdown: Arc<Shutdown>,
}

/// STUN, and TURN if there is a relay.
struct Relay {
    driver: Driver,
    handle: Option<TurnHandle>,
    queries: mpsc::Sender<Query>,
    addresses: Vec<SocketAddr>,
    tls: Vec<SocketAddr>,
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay").field("addresses", &self.addresses).field("tls", &self.tls).finish_non_exhaustive()
    }
}

/// The wish to stop, and that it be at once.
#[derive(Debug)]
struct Shutdown {
    stop: watch::Sender<bool>,
    at_once: watch::Sender<bool>,
}

/// Stops a server from elsewhere.
#[derive(Clone, Debug)]
pub struct ServerHandle(Arc<Shutdown>);

impl ServerHandle {
    /// Ends [`Server::run`]: nothing new is accepted, clients are told, and what is relayed may go on for a while
    /// ([`TurnConfig::drain`](crate::TurnConfig)). Called again, it ends that too.
    pub fn shutdown(&self) {
        if self.0.stop.send_replace(true) {
            self.0.at_once.send_replace(true);
        }
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
        let bound = bind::stun(&config.stun, &addresses, config.turn.is_some())?;
        let metrics = if config.metrics.is_empty() { Vec::new() } else { bind::listeners(&config.metrics)? };
        let stun_addresses = bound.named.clone();
        let mut stun_ports: Vec<u16> = stun_addresses.iter().map(SocketAddr::port).collect();
        stun_ports.sort_unstable();
        stun_ports.dedup();
        let own_addresses = own_addresses();
        let public_host = config.public_url.as_ref().map(|url| url.host());
        let names = tls::names(public_host, own_addresses.iter().copied().chain(addresses.iter().map(SocketAddr::ip)));
        let identity = Identity::load(&config.tls, &names)?;
        let whip = peers(&config, &addresses)?;
        let parts = Parts {
            bound,
            stun_rate: config.stun_rate,
            identity: identity.as_ref(),
            own: &own_addresses,
            own_ports: whip.iter().flat_map(|(_, peers)| peers.ports()).collect(),
            rng: rng.split("relay"),
        };
        let started = start(config.turn.as_ref(), parts)?;
        let relay = Relay {
            driver: started.driver,
            handle: started.handle,
            queries: started.queries,
            addresses: stun_addresses,
            tls: started.tls,
        };
        let (shutdown, watch) = watch::channel(false);
        let whip_token = publishing_token(&config, &mut rng.split("whip token"));
        let made = whip_token.as_deref().and_then(|token| AccessToken::parse(token).ok());
        let whip = whip.map(|(settings, peers)| {
            let parts = (rng.split("whip"), relay.handle.clone());
            Arc::new(Whip::new(settings, peers, made.as_ref(), parts))
        });
        let site = Site {
            whip,
            guard: Guard::new(config.public_url.clone(), &config.allow_origin),
            hub: Arc::new(Hub::new(config.rooms.clone(), rng.split("rooms"), relay.handle.clone())),
            exchange: Arc::new(Desk::new(&config, rng.split("exchange"))),
            admission: Admission::new(config.max_connections, config.max_connections_per_address),
            stun_ports,
            shutdown: watch,
            config,
        };
        let shutdown = Arc::new(Shutdown { stop: shutdown, at_once: watch::Sender::new(false) });
        let site = Arc::new(site);
        Ok(Self { listeners, addresses, own_addresses, relay, metrics, identity, whip_token, site, shutdown })
    }

    /// Where HTTP and WebSocket are served, with the ports that were taken.
    pub fn local_addrs(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Where STUN is served, and TURN if there is a relay.
    pub fn stun_addrs(&self) -> &[SocketAddr] {
        &self.relay.addresses
    }

    /// Where TURN is served over TLS.
    pub fn turn_tls_addrs(&self) -> &[SocketAddr] {
        &self.relay.tls
    }

    /// Where what is counted can be read.
    pub fn metrics_addrs(&self) -> Vec<SocketAddr> {
        self.metrics.iter().filter_map(|listener| listener.local_addr().ok()).collect()
    }

    /// Issues credentials for the relay; `None` if there is none.
    pub fn turn(&self) -> Option<TurnHandle> {
        self.relay.handle.clone()
    }

    /// Whether WHIP and WHEP are served.
    pub fn takes_publishers(&self) -> bool {
        self.site.whip.is_some()
    }

    /// The token that lets somebody publish, where the settings have none: it was made at random. To be shown to the person who
    /// started the server, once.
    pub fn whip_token(&self) -> Option<&str> {
        self.whip_token.as_deref()
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
        let Self { listeners, relay, metrics, identity, site, shutdown, .. } = self;
        // However this future ends, connections must hear of it.
        let _stop_on_drop = StopOnDrop(shutdown.clone());
        let acceptor = identity.map(|i| TlsAcceptor::from(i.config));
        let router = router(site.clone());
        let mut tasks = JoinSet::new();
        for listener in listeners {
            tasks.spawn(accept::run(listener, acceptor.clone(), site.clone(), router.clone()));
        }
        let sources = metrics::Sources {
            relay: relay.queries,
            admission: site.admission.clone(),
            hub: site.hub.clone(),
            exchange: site.exchange.clone(),
            whip: site.whip.clone(),
        };
        // Can be read to the end.
        let mut read = JoinSet::new();
        for listener in metrics {
            read.spawn(metrics::run(listener, sources.clone()));
        }
        let mut relaying = JoinSet::new();
        relaying.spawn(relay.driver.run(shutdown.stop.subscribe()));
        let hub = site.hub.clone();
        tasks.spawn(async move { hub.keep_time().await });
        let exchange = site.exchange.clone();
        tasks.spawn(async move { exchange.keep_time().await });
        stop::requested(&mut shutdown.stop.subscribe()).await;
        tasks.shutdown().await;
        site.whip.iter().for_each(|whip| whip.stage.end());
        let connections = async {
            if timeout(site.config.shutdown_grace, site.admission.all_returned()).await.is_err() {
                tracing::debug!("some connections did not end in time");
            }
        };
        let mut at_once = shutdown.at_once.subscribe();
        tokio::select! {
            _ = async { tokio::join!(connections, relaying.join_next()) } => {}
            () = stop::requested(&mut at_once) => {}
        }
    }
}

/// A token for those who publish, unless there are some.
fn publishing_token(config: &ServerConfig, rng: &mut Rng) -> Option<String> {
    config.whip.as_ref().filter(|whip| whip.publish.is_empty()).map(|_| hex(&rng.bytes::<16>()))
}

/// Takes the port of audio and video, if anybody may publish.
fn peers(config: &ServerConfig, listen: &[SocketAddr]) -> Result<Option<(WhipConfig, Peers)>, BindError> {
    let Some(settings) = config.whip.clone() else { return Ok(None) };
    let peers = Peers::new(config, &settings, listen).map_err(BindError::Media)?;
    Ok(Some((settings, peers)))
}

struct StopOnDrop(Arc<Shutdown>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stop.send_replace(true);
    }
}

/// The addresses of this host, best first; none if the system does not tell, which costs only the hints for people.
fn own_addresses() -> Vec<IpAddr> {
    let interfaces = interfaces::local(&Filter::default()).unwrap_or_default();
    interfaces.into_iter().map(|i| i.ip).collect()
}
