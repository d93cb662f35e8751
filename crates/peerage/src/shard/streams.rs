//! The TCP and TLS connections of an endpoint, and its TCP listeners.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use peerage_base::path::Path;
use peerage_base::time::{Duration, Instant, earliest};
use peerage_net::tcp::{Listener, Stream, Written};

use super::ready::{Bell, Io, Key, Ready};

/// Index of a connection. Never used twice.
pub(crate) type StreamId = usize;

/// How long an accepted connection has to name the session it is for.
const NAMING: Duration = Duration::from_secs(5);
/// Most accepted connections that have not done so; the oldest give way.
const MAX_NAMELESS: usize = 64;
/// Most of them from one address.
const MAX_NAMELESS_FROM: usize = 8;
/// Most connections of one session.
const MAX_OWNED: usize = 32;
/// Bytes queued on a stream from which on no more data is written: with a whole run on top there is still room for
/// checks.
const ENOUGH: usize = 128 << 10;
/// How long a listener rests that cannot accept, mostly because too many files are open.
const REST: Duration = Duration::from_millis(100);

/// All connections and listeners.
#[derive(Debug)]
pub(crate) struct Streams {
    streams: HashMap<StreamId, Entry>,
    next: StreamId,
    /// Accepted connections that have named no session, the oldest first.
    nameless: VecDeque<(Instant, StreamId)>,
    listeners: Vec<(Listener, Arc<Bell>)>,
    /// When listeners that rest are to be looked at again.
    rested: Option<Instant>,
    ready: Arc<Ready>,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) stream: Stream,
    pub(crate) owner: Option<Owner>,
    bell: Arc<Bell>,
    waker: Waker,
    /// Whether its session was told that it takes nothing now.
    full: bool,
}

/// Whom a connection serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) key: Key,
    pub(crate) path: Path,
    /// Whether the session asked for it, or found that the peer is at the other end: it must not give way to others.
    pub(crate) settled: bool,
}

impl Streams {
    pub(crate) fn new(ready: Arc<Ready>) -> Self {
        Self { streams: HashMap::new(), next: 0, nameless: VecDeque::new(), listeners: Vec::new(), rested: None, ready }
    }

    pub(crate) fn add_listener(&mut self, listener: Listener) {
        let bell = Bell::rung(Io::Listener(self.listeners.len()), &self.ready);
        self.listeners.push((listener, bell));
    }

    /// Where a listener of a family is.
    pub(crate) fn listening(&self, v4: bool) -> Option<SocketAddr> {
        self.listeners.iter().map(|(listener, _)| listener.local_addr()).find(|address| address.is_ipv4() == v4)
    }

    /// Takes a connection over. The driver is rung for it.
    pub(crate) fn insert(&mut self, stream: Stream, owner: Option<Owner>) -> StreamId {
        let id = self.next;
        self.next += 1;
        let bell = Bell::rung(Io::Stream(id), &self.ready);
        self.streams.insert(id, Entry { stream, owner, waker: bell.waker(), bell, full: false });
        id
    }

    pub(crate) fn remove(&mut self, id: StreamId) -> Option<Entry> {
        self.nameless.retain(|(_, nameless)| *nameless != id);
        self.streams.remove(&id)
    }

    pub(crate) fn get_mut(&mut self, id: StreamId) -> Option<&mut Entry> {
        self.streams.get_mut(&id)
    }

    /// Writes framed packets, each of `segment` bytes but the last. `true`: it has enough, and no more data may be written
    /// until [`Entry::renew`] says so. Checks still may, for which there is room in the queue.
    pub(crate) fn write(&mut self, id: StreamId, contents: &[u8], segment: Option<usize>) -> bool {
        let Some(entry) = self.streams.get_mut(&id) else { return false };
        for packet in contents.chunks(segment.unwrap_or(contents.len()).max(1)) {
            if entry.stream.write(packet) == Written::Full {
                tracing::debug!(queued = entry.stream.queued(), "a stream that takes nothing lost a packet");
            }
        }
        if let Poll::Ready(Err(_)) = entry.stream.poll_flush(&mut Context::from_waker(&entry.waker)) {
            // The error is told once more, where it is dealt with.
            entry.bell.ring();
        }
        entry.full |= entry.stream.queued() > ENOUGH;
        entry.full
    }

    /// Accepts what waits at a listener, a bounded number at a time.
    pub(crate) fn accept(&mut self, index: usize, now: Instant) {
        const AT_ONCE: usize = 16;
        for turn in 0.. {
            let Some((listener, bell)) = self.listeners.get(index) else { return };
            bell.still();
            if turn == AT_ONCE {
                return bell.ring();
            }
            match listener.poll_accept(&mut Context::from_waker(&bell.waker())) {
                Poll::Pending => return,
                Poll::Ready(Ok(stream)) => self.accepted(now, stream),
                Poll::Ready(Err(error)) if is_of_connection(&error) => {}
                Poll::Ready(Err(error)) => {
                    tracing::warn!(%error, "a TCP listener rests");
                    self.rested = Some(now + REST);
                    return;
                }
            }
        }
    }

    fn accepted(&mut self, now: Instant, stream: Stream) {
        let from = stream.remote_addr().ip();
        let same = |id: &StreamId| self.streams.get(id).is_some_and(|entry| entry.stream.remote_addr().ip() == from);
        if self.nameless.iter().filter(|(_, id)| same(id)).count() >= MAX_NAMELESS_FROM {
            tracing::debug!("too many connections from one address that name no session");
            return;
        }
        if self.nameless.len() == MAX_NAMELESS
            && let Some((_, oldest)) = self.nameless.pop_front()
        {
            self.streams.remove(&oldest);
        }
        let id = self.insert(stream, None);
        self.nameless.push_back((now + NAMING, id));
    }

    /// A connection has named its session. `None`: that has too many already. Otherwise the one that had to give way.
    pub(crate) fn named(&mut self, id: StreamId, owner: Owner) -> Option<Option<Owner>> {
        let owned = |entry: &&Entry| entry.owner.is_some_and(|of| of.key == owner.key);
        let mut gone = None;
        if self.streams.values().filter(owned).count() >= MAX_OWNED {
            // Whoever knows the name may open connections; only the peer can settle one.
            let unsettled = |(id, entry): (&StreamId, &Entry)| {
                entry.owner.filter(|o| o.key == owner.key && !o.settled).map(|_| *id)
            };
            let oldest = self.streams.iter().filter_map(unsettled).min()?;
            gone = self.streams.remove(&oldest).and_then(|entry| entry.owner);
        }
        self.nameless.retain(|(_, nameless)| *nameless != id);
        self.streams.get_mut(&id)?.owner = Some(owner);
        Some(gone)
    }

    /// When something is due here.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        earliest(self.nameless.front().map(|(end, _)| *end), self.rested)
    }

    /// Closes what named no session in time, and wakes listeners that have rested.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        while let Some((_, id)) = self.nameless.front().filter(|(end, _)| *end <= now).copied() {
            self.nameless.pop_front();
            self.streams.remove(&id);
        }
        if self.rested.is_some_and(|at| at <= now) {
            self.rested = None;
            self.listeners.iter().for_each(|(_, bell)| bell.ring());
        }
    }
}

impl Entry {
    /// Whether data may be written again: told once, when what was queued has left but for a little.
    pub(crate) fn renew(&mut self) -> bool {
        self.full && self.stream.queued() <= ENOUGH / 4 && std::mem::take(&mut self.full)
    }

    /// Begins to look at the connection; what happens from now on rings again.
    pub(crate) fn still(&self) -> Waker {
        self.bell.still();
        self.waker.clone()
    }

    /// Has the driver look again, after the others had their turn.
    pub(crate) fn again(&self) {
        self.bell.ring();
    }

    /// The address of this machine that it is at.
    pub(crate) fn local_ip(&self) -> Option<IpAddr> {
        self.stream.local_addr().map(|address| address.ip())
    }
}

/// Whether an error of `accept` is that of the one connection.
fn is_of_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, NotConnected};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | NotConnected)
}

#[cfg(test)]
mod tests {
    use super::*;
    use peerage_base::framing::Framing;
    use peerage_base::path::LocalId;
    use peerage_net::tcp::Config;
    use tokio::net::TcpStream;

    const NOW: Instant = Instant::from_millis(1000);

    /// As many connections, accepted; the other ends must be kept.
    async fn accepted(streams: &mut Streams, count: usize) -> Vec<TcpStream> {
        let listener = Listener::bind(([127, 0, 0, 1], 0).into(), Framing::Length, Config::default()).unwrap();
        let address = listener.local_addr();
        let mut ends = Vec::new();
        for _ in 0..count {
            ends.push(TcpStream::connect(address).await.unwrap());
            let stream = std::future::poll_fn(|cx| listener.poll_accept(cx)).await.unwrap();
            streams.accepted(NOW, stream);
        }
        ends
    }

    #[tokio::test]
    async fn connections_that_name_no_session_are_few_and_end_in_time() {
        let mut streams = Streams::new(Arc::default());
        let _ends = accepted(&mut streams, MAX_NAMELESS_FROM + 3).await;
        assert_eq!(streams.streams.len(), MAX_NAMELESS_FROM);
        let end = streams.deadline().unwrap();
        assert_eq!(end, NOW + NAMING);
        streams.handle_timeout(end - Duration::from_millis(1));
        assert_eq!(streams.streams.len(), MAX_NAMELESS_FROM);
        streams.handle_timeout(end);
        assert!(streams.streams.is_empty() && streams.deadline().is_none());
    }

    #[tokio::test]
    async fn a_stream_that_is_not_read_has_enough_loses_nothing_and_says_when_it_has_room() {
        use tokio::io::AsyncReadExt as _;
        let mut streams = Streams::new(Arc::default());
        let mut end = accepted(&mut streams, 1).await.remove(0);
        let packet = [7; 1000];
        let mut written = 0;
        while !streams.write(0, &packet, None) {
            written += packet.len();
        }
        written += packet.len();
        let queued = |streams: &mut Streams| streams.get_mut(0).unwrap().stream.queued();
        assert!((ENOUGH..ENOUGH + 2 * packet.len()).contains(&queued(&mut streams)));
        assert!(!streams.get_mut(0).unwrap().renew());
        let mut read = vec![0; 1 << 16];
        let (mut got, mut renewed) = (0, false);
        while got < written {
            got += end.read(&mut read).await.unwrap();
            let entry = streams.get_mut(0).unwrap();
            let _ = entry.stream.poll_flush(&mut Context::from_waker(Waker::noop()));
            renewed |= entry.renew();
            tokio::task::yield_now().await;
        }
        assert_eq!((got, queued(&mut streams)), (written, 0));
        assert!(renewed && !streams.write(0, &packet, None));
    }

    #[tokio::test]
    async fn a_session_keeps_what_is_settled_and_the_latest_of_the_rest() {
        let mut streams = Streams::new(Arc::default());
        let owner = |settled| Owner {
            key: Key(1),
            path: Path { local: LocalId(0), remote: ([127, 0, 0, 1], 1).into() },
            settled,
        };
        let mut ends = Vec::new();
        for n in 0..MAX_OWNED {
            ends.extend(accepted(&mut streams, 1).await);
            assert_eq!(streams.named(n, owner(n > 0)), Some(None));
        }
        ends.extend(accepted(&mut streams, 2).await);
        assert_eq!(streams.named(MAX_OWNED, owner(true)), Some(Some(owner(false))), "the one unsettled gave way");
        assert_eq!(streams.named(MAX_OWNED + 1, owner(false)), None, "all others are settled");
        assert_eq!(streams.streams.len(), MAX_OWNED + 1);
    }
}
