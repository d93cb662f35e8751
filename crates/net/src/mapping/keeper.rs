//! One port, kept mapped.

use std::net::SocketAddr;
use std::time::Duration;

use peerage_base::redact::Redacted;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::lease::Lease;
use super::{Config, Mapping, Transport};

/// The least time between two looks, whatever a router grants.
const LEAST: Duration = Duration::from_secs(1);

/// What keepers are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Keep the port mapped; another number: begin again.
    Keep(u64),
    /// Take the mapping away and end.
    Stop,
}

/// Keeps one port mapped.
pub(super) struct Keeper {
    config: Config,
    transport: Transport,
    port: u16,
    news: mpsc::Sender<Mapping>,
    orders: watch::Receiver<Order>,
    /// What was told last.
    told: Option<Mapping>,
}

impl Keeper {
    pub(super) fn new(
        config: Config,
        transport: Transport,
        port: u16,
        news: mpsc::Sender<Mapping>,
        orders: watch::Receiver<Order>,
    ) -> Self {
        Self { config, transport, port, news, orders, told: None }
    }

    pub(super) async fn run(mut self) {
        loop {
            let order = *self.orders.borrow_and_update();
            if order == Order::Stop {
                return;
            }
            let made = tokio::select! {
                made = Lease::make(&self.config, self.transport, self.port) => made,
                () = changed(&mut self.orders) => continue,
            };
            match made {
                Some(lease) => self.keep(lease).await,
                None => {
                    tracing::debug!(port = self.port, "no router maps ports here");
                    tokio::select! {
                        () = tokio::time::sleep(self.config.again) => {}
                        () = changed(&mut self.orders) => {}
                    }
                }
            }
        }
    }

    /// Looks after a mapping until it is lost or not wanted.
    async fn keep(&mut self, mut lease: Lease) {
        let mut end = Instant::now() + lease.granted();
        let mut renew = Instant::now() + (lease.granted() / 2).max(LEAST);
        loop {
            self.tell(Some(&lease)).await;
            let look = renew.min(Instant::now() + self.config.check.max(LEAST));
            tokio::select! {
                () = tokio::time::sleep_until(look) => {}
                () = changed(&mut self.orders) => {
                    lease.remove().await;
                    return self.tell(None).await;
                }
            }
            let now = Instant::now();
            let done = if now >= renew { lease.renew(&self.config).await } else { lease.check().await };
            match done {
                Ok(true) => {
                    end = now + lease.granted();
                    renew = now + (lease.granted() / 2).max(LEAST);
                }
                Ok(false) => {}
                Err(error) => {
                    tracing::debug!(%error, port = self.port, "a port mapping was not renewed");
                    if now + LEAST >= end {
                        return self.tell(None).await;
                    }
                    // RFC 6886 §3.3, RFC 6887 §11.2.1: again after half of what is left.
                    renew = now + (end.saturating_duration_since(now) / 2).max(LEAST);
                }
            }
        }
    }

    async fn tell(&mut self, lease: Option<&Lease>) {
        let mapping = match (lease, self.told) {
            (Some(lease), _) => Mapping {
                transport: self.transport,
                internal: lease.internal(),
                external: lease.external().filter(is_usable),
                via: lease.via(),
            },
            (None, Some(told)) => Mapping { external: None, ..told },
            (None, None) => return,
        };
        if self.told == Some(mapping) || (self.told.is_none() && mapping.external.is_none()) {
            return;
        }
        tracing::debug!(via = ?mapping.via, external = %Redacted(format!("{:?}", mapping.external)), "port mapping");
        // A mapping of another internal address takes the place of one that is gone.
        if let Some(told) = self.told.filter(|told| told.internal != mapping.internal && told.external.is_some()) {
            let _ = self.news.send(Mapping { external: None, ..told }).await;
        }
        self.told = Some(mapping);
        let _ = self.news.send(mapping).await;
    }
}

/// Waits for another order.
async fn changed(orders: &mut watch::Receiver<Order>) {
    // Who gave them goes only after the order to stop, which is seen at the next look.
    let _ = orders.changed().await;
}

/// Whether the world could find somebody at an address.
fn is_usable(external: &SocketAddr) -> bool {
    let ip = external.ip();
    external.port() != 0 && !ip.is_unspecified() && !ip.is_loopback() && !ip.is_multicast()
}
