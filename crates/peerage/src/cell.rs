//! One session, shared by its handles and its driver.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use peerage_base::time::Instant;
use peerage_net::clock::Clock;
use peerage_session::event::Event;
use peerage_session::face::ChannelId;
use peerage_session::session::Session;
use tokio::sync::Notify;

use crate::shard::ready::{Key, Ready};

/// Most events that wait for the application.
const MAX_EVENTS: usize = 4096;

/// A session under its lock, and the way to tell its driver that there is work.
pub(crate) struct Cell {
    key: Key,
    clock: Clock,
    ready: Arc<Ready>,
    /// Whether the key is in the ready queue already.
    queued: AtomicBool,
    state: Mutex<State>,
    /// Signalled when `State::events` has become non-empty or the session closed.
    pub(crate) events: Notify,
    /// Signalled when a state changed.
    pub(crate) changed: Notify,
    /// Signalled when a refused send may be tried again.
    pub(crate) writable: Notify,
}

/// What the lock guards.
pub(crate) struct State {
    pub(crate) session: Session,
    /// Events that the application has not taken yet.
    pub(crate) events: VecDeque<Event>,
    /// Those who wait on channels.
    pub(crate) channels: HashMap<ChannelId, Arc<ChannelWaiters>>,
    /// Set once the session is over and will say nothing more.
    pub(crate) over: bool,
}

/// Wakes those who wait on one channel.
#[derive(Default)]
pub(crate) struct ChannelWaiters {
    /// Messages to read, or no more to come.
    pub(crate) readable: Notify,
    /// Opened, drained to the threshold, or closed.
    pub(crate) changed: Notify,
    /// Buffered bytes at which the channel counts as drained.
    pub(crate) low_threshold: AtomicUsize,
}

impl Cell {
    pub(crate) fn new(key: Key, session: Session, clock: Clock, ready: Arc<Ready>) -> Arc<Self> {
        let state = State { session, events: VecDeque::new(), channels: HashMap::new(), over: false };
        Arc::new(Self {
            key,
            clock,
            ready,
            queued: AtomicBool::new(false),
            state: Mutex::new(state),
            events: Notify::new(),
            changed: Notify::new(),
            writable: Notify::new(),
        })
    }

    /// The lock. A panic while it was held cannot have left a torn packet behind, so poison is ignored.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub(crate) fn now(&self) -> Instant {
        self.clock.now()
    }

    /// Runs a command on the session and tells the driver.
    pub(crate) fn command<T>(&self, run: impl FnOnce(&mut Session, Instant) -> T) -> T {
        let now = self.now();
        let out = run(&mut self.lock().session, now);
        self.mark_ready();
        out
    }

    /// Puts the session into the ready queue, once.
    pub(crate) fn mark_ready(&self) {
        if !self.queued.swap(true, Ordering::AcqRel) {
            self.ready.push(self.key);
        }
    }

    /// Called by the driver before it serves the session, so that what comes later queues it again.
    pub(crate) fn clear_ready(&self) {
        self.queued.store(false, Ordering::Release);
    }
}

impl State {
    pub(crate) fn waiters(&mut self, id: ChannelId) -> Arc<ChannelWaiters> {
        self.channels.entry(id).or_default().clone()
    }

    /// Wakes whoever an event concerns, and queues it where the application wants to hear of it.
    pub(crate) fn tell(&mut self, cell: &Cell, event: Event) {
        match event {
            Event::ChannelReadable(id) => self.with_waiters(id, |waiters| waiters.readable.notify_waiters()),
            Event::ChannelOpen(id) | Event::ChannelBufferedAmountLow(id) | Event::ChannelClosing(id) => {
                self.with_waiters(id, |waiters| waiters.changed.notify_waiters());
            }
            Event::ChannelClosed(id) => {
                self.with_waiters(id, |waiters| {
                    waiters.readable.notify_waiters();
                    waiters.changed.notify_waiters();
                });
                self.channels.remove(&id);
                // A send that waits for room must learn that there will be none.
                cell.writable.notify_waiters();
            }
            Event::Writable => cell.writable.notify_waiters(),
            event => {
                // An application that takes no events must not make them pile up; the states can always be asked for.
                if self.events.len() == MAX_EVENTS {
                    self.events.pop_front();
                }
                self.events.push_back(event);
                cell.events.notify_waiters();
                cell.changed.notify_waiters();
            }
        }
    }

    /// The session is over: everybody who waits learns it.
    pub(crate) fn finish(&mut self, cell: &Cell) {
        self.over = true;
        for waiters in self.channels.values() {
            waiters.readable.notify_waiters();
            waiters.changed.notify_waiters();
        }
        self.channels.clear();
        cell.writable.notify_waiters();
        cell.events.notify_waiters();
        cell.changed.notify_waiters();
    }

    fn with_waiters(&self, id: ChannelId, wake: impl FnOnce(&ChannelWaiters)) {
        if let Some(waiters) = self.channels.get(&id) {
            wake(waiters);
        }
    }
}

impl fmt::Debug for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cell({:?})", self.key)
    }
}
