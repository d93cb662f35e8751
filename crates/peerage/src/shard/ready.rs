//! The ready queue: connections that want to be served, and sockets that something happened at.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};

use tokio::sync::Notify;

use super::ports::PortId;
use super::streams::StreamId;

/// Names a connection of an endpoint. Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key(pub(crate) u64);

/// Something that the system tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Io {
    /// A UDP socket.
    Port(PortId),
    /// A TCP connection.
    Stream(StreamId),
    /// A TCP listener, by position.
    Listener(usize),
}

/// What handles and sockets leave for the driver. Its lock is held for a push or a swap, and no other is taken meanwhile.
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
    /// Sockets to look at.
    pub(crate) io: Vec<Io>,
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

/// The waker of one socket: puts it on the driver's list, once, so that a wake-up costs what happened and not what there
/// is.
#[derive(Debug)]
pub(crate) struct Bell {
    io: Io,
    rung: AtomicBool,
    ready: Arc<Ready>,
}

impl Bell {
    /// A bell that has rung already, so that the driver looks at the socket and leaves its waker there.
    pub(crate) fn rung(io: Io, ready: &Arc<Ready>) -> Arc<Self> {
        let bell = Arc::new(Self { io, rung: AtomicBool::new(false), ready: ready.clone() });
        bell.ring();
        bell
    }

    pub(crate) fn ring(&self) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            self.ready.lock().io.push(self.io);
            self.ready.notify.notify_one();
        }
    }

    /// Called by the driver before it looks at the socket, so that what comes later is heard.
    pub(crate) fn still(&self) {
        self.rung.store(false, Ordering::Release);
    }

    pub(crate) fn waker(self: &Arc<Self>) -> Waker {
        Waker::from(self.clone())
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.ring();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.ring();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bell_that_rings_often_is_heard_once_until_it_was_stilled() {
        let ready = Arc::new(Ready::default());
        let bell = Bell::rung(Io::Port(7), &ready);
        bell.waker().wake();
        let mut inbox = Inbox::default();
        ready.swap(&mut inbox);
        assert_eq!(inbox.io, [Io::Port(7)]);
        bell.waker().wake_by_ref();
        assert!(ready.lock().io.is_empty());
        bell.still();
        bell.ring();
        assert_eq!(ready.lock().io, [Io::Port(7)]);
    }
}
