//! Which addresses of this machine are offered.

use std::net::IpAddr;
use std::time::Duration;

use peerage_net::interfaces::{Filter, local};

use crate::configuration::Settings;

/// Most addresses that one connection offers; checks grow with their square.
const MAX_ADDRESSES: usize = 16;

/// The addresses to offer, the best first.
pub(crate) fn usable(settings: &Settings) -> Vec<IpAddr> {
    if !settings.addresses.is_empty() {
        return settings.addresses.iter().copied().take(MAX_ADDRESSES).collect();
    }
    let mut filter = Filter::default();
    filter.limit = MAX_ADDRESSES;
    filter.loopback = settings.include_loopback == Some(true);
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

/// Waits for the next look at the interfaces; for ever where none is wanted.
pub(crate) async fn interface_tick(poll: Duration) {
    if poll.is_zero() {
        std::future::pending::<()>().await;
    }
    tokio::time::sleep(poll).await;
}
