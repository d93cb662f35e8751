//! Ports that the router opens for us: PCP (RFC 6887), NAT-PMP (RFC 6886) and UPnP IGD behind one face.
//!
//! A [`Mapper`] keeps ports mapped for as long as it lives: it finds out what the router speaks, maps, renews at half of
//! the lease, follows a changed external address, and takes the mappings away when it is closed. Routers are of the local
//! network: what they say is checked for form, and an external address that cannot be one is not told.

mod keeper;
mod lease;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use keeper::{Keeper, Order};

/// How ports are mapped.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The router that PCP and NAT-PMP are spoken with. Default: `None`, that of the default route.
    pub gateway: Option<Ipv4Addr>,
    /// Where routers that speak UPnP are searched. Default: the multicast group of SSDP, 239.255.255.250:1900.
    pub search: SocketAddr,
    /// PCP, and NAT-PMP where the router has only that. Default: on.
    pub pcp: bool,
    /// UPnP IGD, where there is nothing better. Default: on.
    pub upnp: bool,
    /// How long a mapping is asked for. Default: 1 h. What is left behind by a crash stays for as long.
    pub lease: Duration,
    /// How long each protocol has to answer at all. Default: 2 s.
    pub patience: Duration,
    /// How often a standing mapping is looked after, at least: a router may start anew or get another address. Default:
    /// 2 min.
    pub check: Duration,
    /// How long to wait before asking again where no protocol answered. Default: 10 min.
    pub again: Duration,
    /// What routers show their owner as the purpose. Default: `peerage`.
    pub description: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            gateway: None,
            search: (Ipv4Addr::new(239, 255, 255, 250), 1900).into(),
            pcp: true,
            upnp: true,
            lease: Duration::from_secs(3600),
            patience: Duration::from_secs(2),
            check: Duration::from_secs(120),
            again: Duration::from_secs(600),
            description: "peerage".into(),
        }
    }
}

/// What is mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// A UDP port.
    Udp,
    /// A TCP port.
    Tcp,
}

/// The protocol that a router speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Via {
    /// Port Control Protocol, RFC 6887.
    Pcp,
    /// NAT Port Mapping Protocol, RFC 6886.
    NatPmp,
    /// Universal Plug and Play, Internet Gateway Device.
    Upnp,
}

/// A mapping that came, changed or went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// What is mapped.
    pub transport: Transport,
    /// The address of this host that it leads to.
    pub internal: SocketAddr,
    /// Where the world finds it; `None`: there is no mapping any more.
    pub external: Option<SocketAddr>,
    /// Who made it.
    pub via: Via,
}

/// A protocol that was found, for whoever wants to know what the router can.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// The protocol.
    pub via: Via,
    /// The external address that the router told, if it did.
    pub external: Option<IpAddr>,
}

/// Keeps ports mapped.
pub struct Mapper {
    orders: watch::Sender<Order>,
    news: mpsc::Receiver<Mapping>,
    keepers: JoinSet<()>,
}

impl Mapper {
    /// Begins to map ports of this host, each in a task of its own.
    ///
    /// # Panics
    /// Outside a tokio runtime with I/O and time enabled.
    pub fn start(config: &Config, ports: impl IntoIterator<Item = (Transport, u16)>) -> Self {
        let (orders, heard) = watch::channel(Order::Keep(0));
        let (tell, news) = mpsc::channel(16);
        let mut keepers = JoinSet::new();
        for (transport, port) in ports {
            let keeper = Keeper::new(config.clone(), transport, port, tell.clone(), heard.clone());
            keepers.spawn(keeper.run());
        }
        Self { orders, news, keepers }
    }

    /// Waits for a mapping that came, changed or went. Dropping the future loses nothing.
    pub async fn changed(&mut self) -> Mapping {
        match self.news.recv().await {
            Some(mapping) => mapping,
            None => std::future::pending().await,
        }
    }

    /// The network is another one: begins again, at once.
    pub fn renew(&self) {
        self.orders.send_modify(|order| {
            if let Order::Keep(generation) = order {
                *generation = generation.wrapping_add(1);
            }
        });
    }

    /// Takes all mappings away, and waits for that as long as one request may take.
    pub async fn close(mut self) {
        let _ = self.orders.send(Order::Stop);
        // Nobody hears the news any more, and nobody may wait to tell them.
        self.news.close();
        while self.keepers.join_next().await.is_some() {}
    }
}

impl Drop for Mapper {
    fn drop(&mut self) {
        let _ = self.orders.send(Order::Stop);
        // Dropped without `close`, the keepers still take their mappings away, if the runtime goes on.
        self.keepers.detach_all();
    }
}

impl fmt::Debug for Mapper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mapper").field("ports", &self.keepers.len()).finish_non_exhaustive()
    }
}

/// What the router speaks. PCP is recognised by mapping the port `spare` of this host for a moment: an unused one.
pub async fn discover(config: &Config, spare: u16) -> Vec<Found> {
    lease::discover(config, spare).await
}

// Every address of 127.0.0.0/8 is there on Linux alone.
#[cfg(all(test, target_os = "linux"))]
mod tests;
