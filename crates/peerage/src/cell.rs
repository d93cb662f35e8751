//! One session, shared by its handles and its driver.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use peerage_base::datagram::Transmit;
use peerage_base::path::Path;
use peerage_base::time::Instant;
use peerage_net::clock::Clock;
use peerage_session::event::Event;
use peerage_session::face::{ChannelId, Kind, SendError};
use peerage_session::session::Session;
use tokio::sync::Notify;

use crate::events::Events;
use crate::media::line::{Lines, has_ended};
use crate::senders::Senders;
use crate::shard::ends::{Ends, Tuple};
use crate::shard::outlet::Outlet;
use crate::shard::ready::{Key, Ready};

/// A session under its lock, and the way to tell its home shard that there is work.
pub(crate) struct Cell {
    key: Key,
    clock: Clock,
    /// Position of its home shard.
    home: usize,
    ready: Arc<Ready>,
    /// Whether the key is in the ready queue already.
    queued: AtomicBool,
    state: Mutex<State>,
    /// Signalled when `State::events` has become non-empty or the session closed.
    pub(crate) events: Notify,
    /// Signalled when a state changed.
    pub(crate) changed: Notify,
}

/// What the lock guards.
pub(crate) struct State {
    pub(crate) session: Session,
    /// Where its packets leave.
    pub(crate) ends: Ends,
    /// Sealed packets that a socket has refused: they leave before anything else is asked for.
    pub(crate) refused: Option<Box<Refused>>,
    /// Paths whose datagrams are known to be this session's, without a look at what they name.
    pub(crate) claimed: Vec<(Path, Tuple)>,
    /// 4-tuples that checks of this session, which decides, left on before they were claimed: no other one is to use them.
    pub(crate) reserved: Vec<Tuple>,
    /// Whether a check was held back because its 4-tuple is another session's.
    pub(crate) crowded: bool,
    /// What only the home shard can see to.
    pub(crate) needs: VecDeque<Event>,
    /// Events that the application has not taken yet.
    pub(crate) events: Events,
    /// Channels that were opened and closed so far.
    pub(crate) channel_counts: (u32, u32),
    /// Those who wait on channels.
    channels: HashMap<ChannelId, Arc<ChannelWaiters>>,
    /// What is wanted of transceivers, and those who wait on them.
    pub(crate) lines: Lines,
    /// Those who wait for room to send.
    pub(crate) senders: Senders,
    /// When the home shard will look at the session by itself, at the latest.
    pub(crate) armed: Option<Instant>,
    /// When packets last left.
    pub(crate) flushed_at: Instant,
    /// Whether all that was to leave has left since readers were woken: a caller that sent an answer has seen to it.
    pub(crate) answered: bool,
    /// Whether a caller has flushed since the application last read a message: sending more without an answer, it streams.
    pub(crate) bursting: bool,
    /// Whether a shard that is not its home has it on its list.
    pub(crate) visited: bool,
    /// Set once the session is over and will say nothing more.
    pub(crate) over: bool,
}

/// What is left of a transmit.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) outlet: Arc<Outlet>,
    pub(crate) transmit: Transmit,
    pub(crate) source: Option<IpAddr>,
    pub(crate) rest: Vec<u8>,
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
    /// The channel was closed for what it held unread.
    pub(crate) overrun: AtomicBool,
}

impl Cell {
    pub(crate) fn new(key: Key, session: Session, clock: Clock, home: usize, ready: Arc<Ready>) -> Arc<Self> {
        let state = State {
            session,
            ends: Ends::default(),
            refused: None,
            claimed: Vec::new(),
            reserved: Vec::new(),
            crowded: false,
            needs: VecDeque::new(),
            events: Events::default(),
            channel_counts: (0, 0),
            channels: HashMap::new(),
            lines: Lines::default(),
            senders: Senders::default(),
            armed: None,
            flushed_at: Instant::ORIGIN,
            answered: false,
            bursting: false,
            visited: false,
            over: false,
        };
        Arc::new(Self {
            key,
            clock,
            home,
            ready,
            queued: AtomicBool::new(false),
            state: Mutex::new(state),
            events: Notify::new(),
            changed: Notify::new(),
        })
    }

    pub(crate) fn key(&self) -> Key {
        self.key
    }

    pub(crate) fn home(&self) -> usize {
        self.home
    }

    /// The lock. A panic while it was held cannot have left a torn packet behind, so poison is ignored.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub(crate) fn now(&self) -> Instant {
        self.clock.now()
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Runs a command on the session and tells the driver.
    pub(crate) fn command<T>(&self, run: impl FnOnce(&mut Session, Instant) -> T) -> T {
        let now = self.now();
        let out = run(&mut self.lock().session, now);
        self.mark_ready();
        out
    }

    /// Puts the session into the ready queue of its home, once.
    pub(crate) fn mark_ready(&self) {
        if !self.queued.swap(true, Ordering::AcqRel) {
            self.ready.push(self.key);
        }
    }

    /// Whether its home is about to serve it.
    pub(crate) fn is_queued(&self) -> bool {
        self.queued.load(Ordering::Acquire)
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

    /// The channels that anybody cares for.
    pub(crate) fn channel_ids(&self) -> impl Iterator<Item = ChannelId> {
        self.channels.keys().copied()
    }

    /// Hands a message over if there is room.
    pub(crate) fn offer(&mut self, now: Instant, id: ChannelId, kind: Kind, payload: Bytes) -> Offered {
        if self.session.can_take(payload.len()) {
            return Offered::Settled(self.session.send(now, id, kind, payload));
        }
        // The attempt is what makes the association tell of room later.
        match self.session.send(now, id, kind, payload.clone()) {
            Err(full @ SendError::BufferFull { .. }) => Offered::Full(payload, full),
            settled => Offered::Settled(settled),
        }
    }

    /// Whether what arrives on a path finds the session by its 4-tuple.
    pub(crate) fn is_claimed(&self, path: Path) -> bool {
        self.claimed.iter().any(|(claimed, _)| *claimed == path)
    }

    /// When the session wants to be looked at, if its home shard would sleep beyond that.
    pub(crate) fn earlier(&self) -> Option<Instant> {
        self.session.poll_timeout().filter(|deadline| self.armed.is_none_or(|armed| *deadline < armed))
    }

    /// Wakes whoever an event concerns, and queues it where the application wants to hear of it, or the home shard has to
    /// see to it.
    pub(crate) fn tell(&mut self, cell: &Cell, event: Event) {
        match event {
            Event::ChannelReadable(id) => self.with_waiters(id, |waiters| waiters.readable.notify_waiters()),
            Event::ChannelOpen(id) | Event::ChannelBufferedAmountLow(id) | Event::ChannelClosing(id) => {
                self.channel_counts.0 += u32::from(matches!(event, Event::ChannelOpen(_)));
                self.with_waiters(id, |waiters| waiters.changed.notify_waiters());
            }
            Event::ChannelShareExceeded(id) => self.waiters(id).overrun.store(true, Ordering::Relaxed),
            Event::ChannelClosed(id) => {
                self.channel_counts.1 += 1;
                self.with_waiters(id, |waiters| {
                    waiters.readable.notify_waiters();
                    waiters.changed.notify_waiters();
                });
                self.channels.remove(&id);
                // A send that waits for room must learn that there will be none.
                self.senders.call_all();
            }
            Event::Writable => self.senders.call(self.session.send_room()),
            Event::LocalUfrags
            | Event::Need(..)
            | Event::Connect(_)
            | Event::Disconnect(_)
            | Event::ReleaseLocal(_)
            | Event::KeyLog(_) => self.needs.push_back(event),
            Event::TrackReadable(_) | Event::KeyFrameRequested { .. } | Event::TargetBitrate { .. } => {
                self.tell_line(event);
            }
            Event::Track { .. } | Event::TrackMuted(_) | Event::TrackEnded(_) => {
                if let Some(event) = self.tell_track(event) {
                    self.queue(cell, event);
                }
            }
            event => {
                self.channel_counts.0 += u32::from(matches!(event, Event::Channel(_)));
                self.queue(cell, event);
            }
        }
    }

    fn queue(&mut self, cell: &Cell, event: Event) {
        self.events.push(event);
        cell.events.notify_waiters();
        cell.changed.notify_waiters();
    }

    /// What the handles of a transceiver care for.
    fn tell_line(&mut self, event: Event) {
        let Self { session, lines, .. } = self;
        match event {
            Event::TrackReadable(id) => {
                let line = lines.line(session, id);
                line.is_muted = false;
                line.waiters.readable.notify_waiters();
            }
            Event::KeyFrameRequested { transceiver, encoding } => {
                lines.line(session, transceiver).want_key_frame(encoding);
            }
            Event::TargetBitrate { transceiver, encoding, bitrate } => {
                lines.line(session, transceiver).want_bitrate(encoding, bitrate);
            }
            _ => {}
        }
    }

    /// What became of a track of the peer's, as the application is to hear of it.
    fn tell_track(&mut self, event: Event) -> Option<Event> {
        let Self { session, lines, .. } = self;
        match event {
            Event::Track { transceiver, .. } => lines.line(session, transceiver).is_muted = false,
            Event::TrackEnded(id) if has_ended(session, id) => lines.line(session, id).wake(),
            // A goodbye in RTCP ends a stream; others may follow (W3C webrtc-pc §5.3: the track is muted).
            Event::TrackEnded(id) | Event::TrackMuted(id) => {
                let again = std::mem::replace(&mut lines.line(session, id).is_muted, true);
                return (!again).then_some(Event::TrackMuted(id));
            }
            _ => {}
        }
        Some(event)
    }

    /// The session is over: everybody who waits learns it, and its sockets are let go.
    pub(crate) fn finish(&mut self, cell: &Cell) {
        self.over = true;
        for waiters in self.channels.values() {
            waiters.readable.notify_waiters();
            waiters.changed.notify_waiters();
        }
        self.channels = HashMap::new();
        self.lines.wake_all();
        self.senders.call_all();
        (self.ends, self.refused) = (Ends::default(), None);
        cell.events.notify_waiters();
        cell.changed.notify_waiters();
    }

    fn with_waiters(&self, id: ChannelId, wake: impl FnOnce(&ChannelWaiters)) {
        if let Some(waiters) = self.channels.get(&id) {
            wake(waiters);
        }
    }
}

/// What became of a message.
#[derive(Debug)]
pub(crate) enum Offered {
    /// It was taken, or never will be.
    Settled(Result<(), SendError>),
    /// There is no room for it now.
    Full(Bytes, SendError),
}

impl fmt::Debug for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cell({:?})", self.key)
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;
    use peerage_base::rng::Rng;
    use peerage_session::config::Config;
    use peerage_session::face::Certificate;

    /// A cell whose session does nothing yet.
    pub(crate) fn cell(key: Key) -> Arc<Cell> {
        let mut rng = Rng::from_u64(key.0);
        let certificate = Arc::new(Certificate::generate(&mut rng, 1_700_000_000).unwrap());
        let session = Session::new(Config::default(), certificate, rng, Instant::from_millis(1));
        Cell::new(key, session, Clock::new(), 0, Arc::default())
    }
}
