//! The ready queue: connections that want to be served.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// Names a connection of an endpoint. Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key(pub(crate) u64);

/// What handles leave for the driver. Its lock is held for a push or a swap, and never together with a session's.
#[derive(Debug, Default)]
pub(crate) struct Ready {
    inbox: Mutex<Inbox>,
    notify: Notify,
}

/// What waits for the driver.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    /// Connections to serve.
    pub(crate) ready: Vec<Key>,
    /// Set when the endpoint is dropped.
    pub(crate) stop: bool,
    /// Set when the driver has ended, be it with its runtime.
    abandoned: bool,
}

impl Ready {
    pub(crate) fn push(&self, key: Key) {
        self.lock().ready.push(key);
        self.notify.notify_one();
    }

    /// Wakes the driver without naming a connection.
    pub(crate) fn wake(&self) {
        self.notify.notify_one();
    }

    pub(crate) fn stop(&self) {
        self.lock().stop = true;
        self.notify.notify_one();
    }

    /// Tells that nobody will look here again.
    pub(crate) fn abandon(&self) {
        self.lock().abandoned = true;
    }

    pub(crate) fn is_abandoned(&self) -> bool {
        self.lock().abandoned
    }

    /// Exchanges what has collected against the driver's empty vectors, so that neither side allocates.
    pub(crate) fn swap(&self, inbox: &mut Inbox) {
        std::mem::swap(&mut *self.lock(), inbox);
    }

    /// Completes when something was left.
    pub(crate) async fn wait(&self) {
        self.notify.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
