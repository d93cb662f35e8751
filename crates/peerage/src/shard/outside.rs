//! What the machine and its router are seen to offer, watched by one task for all shards of an endpoint.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use peerage_base::rng::Rng;
use peerage_net::mapping::{Config, Mapper, Mapping, Transport};
use peerage_net::route;
use peerage_net::watch::Watch;
use tokio::sync::{mpsc, watch};

use super::addresses;
use super::ready::Ready;
use crate::configuration::{IpHandling, Settings};
use crate::resolve::Publisher;

/// How long taking the mappings away may hold up the end of an endpoint.
const FAREWELL: Duration = Duration::from_secs(1);

/// One moment's view.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outside {
    /// The addresses to offer, the best first.
    pub(crate) addresses: Vec<IpAddr>,
    /// The names that stand for them, where they are hidden.
    pub(crate) names: HashMap<IpAddr, String>,
    /// The ports that a router opens for all connections.
    pub(crate) mappings: Vec<Mapping>,
}

impl Outside {
    /// Where the world finds an address of this machine.
    pub(crate) fn external(&self, transport: Transport, internal: SocketAddr) -> Option<SocketAddr> {
        let of = |mapping: &&Mapping| (mapping.transport, mapping.internal) == (transport, internal);
        self.mappings.iter().find(of).and_then(|mapping| mapping.external)
    }
}

/// A shard's view.
#[derive(Clone, Debug)]
pub(crate) struct View {
    latest: watch::Receiver<Option<Arc<Outside>>>,
    /// Asks for ports at the router. Without any of these the watcher ends.
    wanted: mpsc::UnboundedSender<()>,
    /// Whether that was done.
    begun: Arc<AtomicBool>,
}

impl View {
    /// What there is once the first look was taken; `None`: the runtime is going down.
    pub(super) async fn first(&mut self) -> Option<Arc<Outside>> {
        self.latest.wait_for(Option::is_some).await.ok()?.clone()
    }

    /// What there is, if it is new.
    pub(super) fn news(&mut self) -> Option<Arc<Outside>> {
        if !self.latest.has_changed().unwrap_or(false) {
            return None;
        }
        self.latest.borrow_and_update().clone()
    }

    /// Ports at the router are wanted, by a connection that gathers.
    pub(super) fn want_mapping(&self, addresses: &[IpAddr]) {
        if addresses.iter().any(is_translated) && !self.begun.load(Ordering::Relaxed) {
            let _ = self.wanted.send(());
        }
    }
}

/// The task.
pub(crate) struct Watcher {
    settings: Settings,
    seen: Outside,
    mapper: Option<Mapper>,
    /// Ports that a router could open.
    ports: Vec<(Transport, u16)>,
    publisher: Publisher,
    tell: watch::Sender<Option<Arc<Outside>>>,
    wanted: mpsc::UnboundedReceiver<()>,
    begun: Arc<AtomicBool>,
    shards: Vec<Arc<Ready>>,
}

impl Watcher {
    /// A watcher, and the view of it that every shard gets a clone of. `ports`: those that a router could open.
    pub(crate) fn new(
        settings: &Settings,
        rng: Rng,
        ports: Vec<(Transport, u16)>,
        shards: Vec<Arc<Ready>>,
    ) -> (Self, View) {
        let seen = Outside { addresses: addresses::usable(settings), ..Outside::default() };
        let (tell, latest) = watch::channel(None);
        let (wanted, wants) = mpsc::unbounded_channel();
        let publisher = Publisher::new(rng, seen.addresses.iter().any(IpAddr::is_loopback));
        let begun = Arc::new(AtomicBool::new(false));
        let view = View { latest, wanted, begun: begun.clone() };
        let settings = settings.clone();
        (Self { settings, seen, mapper: None, ports, publisher, tell, wanted: wants, begun, shards }, view)
    }

    /// Whether loopback addresses are offered.
    pub(crate) fn has_loopback(&self) -> bool {
        self.seen.addresses.iter().any(IpAddr::is_loopback)
    }

    /// Runs until every shard has ended.
    pub(crate) async fn run(mut self) {
        self.publish().await;
        self.tell();
        let mut watch = Watch::new(self.settings.interface_poll);
        loop {
            tokio::select! {
                wanted = self.wanted.recv() => match wanted {
                    Some(()) => self.begin_mapping(),
                    None => break,
                },
                mapping = changed(&mut self.mapper) => self.mapping_changed(mapping),
                () = watch.changed() => self.interfaces_changed().await,
            }
        }
        if let Some(mapper) = self.mapper.take() {
            let _ = tokio::time::timeout(FAREWELL, mapper.close()).await;
        }
    }

    fn tell(&self) {
        self.tell.send_replace(Some(Arc::new(self.seen.clone())));
        self.shards.iter().for_each(|ready| ready.wake());
    }

    async fn publish(&mut self) {
        if self.settings.publish_mdns {
            self.seen.names = self.publisher.publish(&self.seen.addresses).await;
        }
    }

    async fn interfaces_changed(&mut self) {
        let addresses = addresses::usable(&self.settings);
        if addresses == self.seen.addresses {
            return;
        }
        tracing::debug!(before = self.seen.addresses.len(), after = addresses.len(), "addresses changed");
        self.seen.addresses = addresses;
        self.publish().await;
        self.tell();
        // The network is another one, and perhaps the router.
        match &self.mapper {
            Some(mapper) => mapper.renew(),
            None => self.begin_mapping(),
        }
    }

    /// Asks the router for ports, once, if there is likely to be one that translates addresses.
    fn begin_mapping(&mut self) {
        if self.mapper.is_none() && self.settings.port_mapping && self.may_map() {
            self.mapper = Some(Mapper::start(&Config::default(), self.ports.iter().copied()));
            self.begun.store(true, Ordering::Relaxed);
        }
    }

    /// A mapping came, changed or went.
    fn mapping_changed(&mut self, mapping: Mapping) {
        let of = (mapping.transport, mapping.internal);
        self.seen.mappings.retain(|standing| (standing.transport, standing.internal) != of);
        if mapping.external.is_some() {
            self.seen.mappings.push(mapping);
        }
        self.tell();
    }

    /// Whether the address that packets leave from is offered, and is one that the world cannot reach.
    fn may_map(&self) -> bool {
        // Most ask in vain, and asking for the route is a socket.
        if self.settings.ip_handling == IpHandling::RelayOnly || !self.seen.addresses.iter().any(is_translated) {
            return false;
        }
        route::default_address(true).is_some_and(|ip| is_translated(&ip) && self.seen.addresses.contains(&ip))
    }
}

/// Whether an address is of those that a translator stands before.
fn is_translated(ip: &IpAddr) -> bool {
    match ip {
        // RFC 6598: a shared address is one behind the translator of the provider.
        IpAddr::V4(ip) => ip.is_private() || ip.octets()[0] == 100 && ip.octets()[1] & 0xC0 == 64,
        IpAddr::V6(_) => false,
    }
}

/// Waits for a mapping that came, changed or went.
async fn changed(mapper: &mut Option<Mapper>) -> Mapping {
    match mapper {
        Some(mapper) => mapper.changed().await,
        None => std::future::pending().await,
    }
}
