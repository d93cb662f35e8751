//! How many connections there may be.

use core::net::IpAddr;
use peerage_base::limit::source_key;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Counts connections, in all and by source.
#[derive(Debug)]
pub(crate) struct Admission {
    total: Arc<Semaphore>,
    max: usize,
    max_per_source: usize,
    sources: Mutex<HashMap<u128, usize>>,
}

/// The right to hold one connection.
#[derive(Debug)]
pub(crate) struct Permit {
    _total: OwnedSemaphorePermit,
    _source: Option<SourcePermit>,
}

/// One of the connections of a source.
#[derive(Debug)]
pub(crate) struct SourcePermit {
    admission: Arc<Admission>,
    key: u128,
}

impl Admission {
    pub fn new(max: usize, max_per_source: usize) -> Arc<Self> {
        let max = max.min(u32::MAX as usize).min(Semaphore::MAX_PERMITS);
        Arc::new(Self { total: Arc::new(Semaphore::new(max)), max, max_per_source, sources: Mutex::default() })
    }

    /// Admits a connection; `source` is `None` for a proxy, whose clients are counted instead.
    pub fn admit(self: &Arc<Self>, source: Option<IpAddr>) -> Option<Permit> {
        let total = self.total.clone().try_acquire_owned().ok()?;
        let source = match source {
            Some(source) => Some(self.admit_source(source)?),
            None => None,
        };
        Some(Permit { _total: total, _source: source })
    }

    /// Counts one more connection of a source.
    pub fn admit_source(self: &Arc<Self>, source: IpAddr) -> Option<SourcePermit> {
        let key = source_key(source);
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        let count = sources.entry(key).or_default();
        if *count >= self.max_per_source {
            if *count == 0 {
                sources.remove(&key);
            }
            return None;
        }
        *count += 1;
        Some(SourcePermit { admission: self.clone(), key })
    }

    /// Permits that are out.
    pub fn in_use(&self) -> usize {
        self.max - self.total.available_permits()
    }

    /// Completes once every permit has been returned.
    pub async fn all_returned(&self) {
        // The maximum was clamped to what fits.
        let all = u32::try_from(self.max).unwrap_or(u32::MAX);
        let _ = self.total.acquire_many(all).await;
    }
}

impl Drop for SourcePermit {
    fn drop(&mut self) {
        let mut sources = self.admission.sources.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = sources.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                sources.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_limits_hold_and_permits_come_back() {
        let admission = Admission::new(3, 2);
        let source = |n: u8| Some(IpAddr::from([192, 0, 2, n]));
        let a = admission.admit(source(1)).unwrap();
        let b = admission.admit(source(1)).unwrap();
        assert!(admission.admit(source(1)).is_none(), "two of one source");
        let c = admission.admit(source(2)).unwrap();
        assert!(admission.admit(source(3)).is_none(), "three in all");
        assert!(admission.admit(None).is_none());
        drop(a);
        assert!(admission.admit(source(1)).is_some());
        drop((b, c));
        assert!(admission.sources.lock().unwrap().is_empty(), "nothing is kept of sources that left");
    }
}
