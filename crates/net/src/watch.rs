//! Tells when this host's addresses or routes may have changed.
//!
//! On Linux and Android the kernel says so, by netlink; everywhere they are looked at again from time to time as well,
//! because the kernel drops what it has to say to a program that is busy.

#[cfg(any(target_os = "linux", target_os = "android"))]
mod netlink;

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
        }
    }

    /// Waits until something may have changed. Dropping the future loses nothing but the time that it has waited for more
    /// to come.
    pub async fn changed(&mut self) {
        let interval = &mut self.interval;
        let tick = async {
            match interval {
                Some(interval) => {
                    interval.tick().await;
                }
                None => std::future::pending().await,
            }
        };
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if let Some(kernel) = &mut self.kernel {
            let heard = tokio::select! {
                () = tick => return,
                heard = kernel.heard() => heard,
            };
            match heard {
                Ok(()) => {
                    tokio::time::sleep(SETTLE).await;
                    kernel.discard();
                }
                Err(error) => {
                    tracing::warn!(%error, "the kernel does not tell of changes any more");
                    self.kernel = None;
                }
            }
            return;
        }
        tick.await;
    }
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
