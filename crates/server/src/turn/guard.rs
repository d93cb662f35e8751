//! Which addresses are this host's own, as they come and go: a relay must not lead to them.

use core::net::IpAddr;
use core::time::Duration;
use peerage_net::interfaces;
use peerage_net::watch::Watch;

/// How often to look where the system does not tell of changes.
const LOOK: Duration = Duration::from_secs(30);

/// Looks after them.
#[derive(Debug)]
pub(crate) struct Guard {
    /// Those that stay: listeners, and what a 1:1 NAT gives.
    fixed: Vec<IpAddr>,
    watch: Watch,
}

impl Guard {
    pub fn new(fixed: Vec<IpAddr>) -> Self {
        Self { fixed, watch: Watch::new(LOOK) }
    }

    /// All of them, those too that nobody is told of.
    pub fn addresses(&self) -> Vec<IpAddr> {
        let unknown =
            |error: &std::io::Error| tracing::warn!(%error, "the relay does not know all addresses of this host");
        let mut own = interfaces::every_address().inspect_err(unknown).unwrap_or_default();
        own.extend(&self.fixed);
        own.retain(|ip| !ip.is_unspecified());
        own.sort_unstable();
        own.dedup();
        own
    }

    /// Waits until they may be others. Dropping the future loses nothing.
    pub async fn changed(&mut self) {
        self.watch.changed().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_named_and_what_the_host_has_are_its_own() {
        let named: IpAddr = "198.51.100.9".parse().unwrap();
        let own = Guard::new(vec![named, IpAddr::from([0, 0, 0, 0]), named]).addresses();
        assert!(own.contains(&IpAddr::from([127, 0, 0, 1])) && !own.iter().any(IpAddr::is_unspecified));
        assert_eq!(own.iter().filter(|ip| **ip == named).count(), 1);
    }
}
