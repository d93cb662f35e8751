//! Tells when this host's addresses or routes may have changed.
//!
//! On Linux and Android the kernel says so, by netlink; everywhere they are looked at again from time to time as well,
//! because the kernel drops what it has to say to a program that is busy.

#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) mod netlink;

use std::time::Duration;
use tokio::time::{Interval, MissedTickBehavior};

/// What belongs to one change comes within this time, such as an address and its route.
#[cfg(any(target_os = "linux", target_os = "android"))]
const SETTLE: Duration = Duration::from_millis(20);

/// Waits for changes.
#[derive(Debug)]
pub struct Watch {
    /// `None` where looking again and again is not wanted.
    interval: Option<Interval>,
    #[cfg(any(target_os = "linux", target_os = "android"))]
    kernel: Option<netlink::Netlink>,
    /// When what was heard of is complete.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    settled: Option<tokio::time::Instant>,
}

impl Watch {
    /// Begins to watch. Where the kernel says nothing, a change is suspected every `poll`; where it does, too, but a tenth
    /// as often. Zero: never.
    ///
    /// # Panics
    /// Outside a tokio runtime with I/O and time enabled.
    pub fn new(poll: Duration) -> Self {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        let kernel = netlink::Netlink::open()
            .inspect_err(|error| tracing::debug!(%error, "the kernel does not tell of changes"))
            .ok();
        #[cfg(any(target_os = "linux", target_os = "android"))]
        let poll = if kernel.is_some() { poll * 10 } else { poll };
        let interval = (!poll.is_zero()).then(|| {
            let mut interval = tokio::time::interval_at(tokio::time::Instant::now() + poll, poll);
            interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
            interval
        });
        Self {
            interval,
            #[cfg(any(target_os = "linux", target_os = "android"))]
            kernel,
            #[cfg(any(target_os = "linux", target_os = "android"))]
            settled: None,
        }
    }

    /// Waits until something may have changed. Dropping the future loses nothing.
    pub async fn changed(&mut self) {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if self.kernel.is_some() {
            let interval = &mut self.interval;
            tokio::select! {
                () = tick(interval) => {}
                () = hear(&mut self.kernel, &mut self.settled) => {}
            }
            return;
        }
        tick(&mut self.interval).await;
    }
}

async fn tick(interval: &mut Option<Interval>) {
    match interval {
        Some(interval) => {
            interval.tick().await;
        }
        None => std::future::pending().await,
    }
}

/// Waits for news of the kernel, and for what belongs to them.
#[cfg(any(target_os = "linux", target_os = "android"))]
async fn hear(kernel: &mut Option<netlink::Netlink>, settled: &mut Option<tokio::time::Instant>) {
    let Some(netlink) = kernel else { return };
    if settled.is_none() {
        if let Err(error) = netlink.heard().await {
            tracing::warn!(%error, "the kernel does not tell of changes any more");
            *kernel = None;
            return;
        }
        *settled = Some(tokio::time::Instant::now() + SETTLE);
    }
    if let Some(at) = *settled {
        tokio::time::sleep_until(at).await;
    }
    netlink.discard();
    *settled = None;
}

#[cfg(test)]
mod tests {
    use super::Watch;
    use std::time::Duration;

    #[tokio::test]
    async fn without_a_change_and_without_an_interval_nothing_is_told() {
        let mut watch = Watch::new(Duration::ZERO);
        assert!(tokio::time::timeout(Duration::from_millis(50), watch.changed()).await.is_err());
    }

    #[tokio::test]
    async fn a_change_is_suspected_from_time_to_time() {
        let mut watch = Watch::new(Duration::from_millis(5));
        for _ in 0..2 {
            tokio::time::timeout(Duration::from_secs(5), watch.changed()).await.unwrap();
        }
    }
}
