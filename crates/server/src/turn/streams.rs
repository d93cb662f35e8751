//! Connections of clients, over TCP and TLS: how many there may be, and how slow.

use crate::admission::{Admission, Permit};
use crate::turn::config::TurnLimits;
use crate::turn::ready::{Ready, Source, Token};
use core::net::SocketAddr;
use core::task::Poll;
use core::time::Duration;
use peerage_base::framing::Framing;
use peerage_base::path::{LocalId, Path};
use peerage_base::redact::Redacted;
use peerage_base::slot::Slot;
use peerage_base::time::Instant;
use peerage_net::tcp::{Config, Stream, StreamError, Written};
use peerage_turn::server::event::Transport;
use std::io;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// Local ids from here on are connections; those below are UDP.
const FIRST: u32 = 1 << 31;
/// Connections taken in a row, so that others get their turn.
const ACCEPTS: usize = 64;
/// Bytes that wait for a slow client. What is beyond is dropped, as a full network would.
const QUEUE: usize = 128 << 10;

/// A TCP socket that clients connect to.
pub(crate) struct Acceptor {
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    source: Source,
}

/// All connections.
pub(crate) struct Streams {
    acceptors: Vec<Acceptor>,
    table: Vec<Option<Connection>>,
    free: Vec<usize>,
    admission: Arc<Admission>,
    config: Config,
    idle: Duration,
    ready: Arc<Ready>,
    counts: StreamCounts,
}

/// What happened to connections so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct StreamCounts {
    /// That there are now.
    pub open: u64,
    /// Taken.
    pub accepted: u64,
    /// Closed at once, because there were too many in all or of one source.
    pub refused: u64,
    /// Closed for being slow or silent.
    pub timed_out: u64,
    /// Closed for carrying something else than TURN.
    pub unusable: u64,
    /// Packets dropped because the client took too little.
    pub full: u64,
}

/// One connection.
pub(crate) struct Connection {
    pub stream: Stream,
    pub path: Path,
    pub transport: Transport,
    pub source: Source,
    /// When the last whole packet came; at first, when it was accepted.
    heard: Instant,
    /// Since when part of a packet is there.
    partial: Option<Instant>,
    /// Since when the client takes nothing of what waits.
    stuck: Option<Instant>,
    _permit: Permit,
}

impl Streams {
    pub fn new(limits: &TurnLimits, ready: Arc<Ready>) -> Self {
        let mut config = Config::default();
        (config.queue, config.connect_timeout) = (QUEUE, limits.slow);
        let admission = Admission::new(limits.connections, limits.connections_per_source);
        Self {
            acceptors: Vec::new(),
            table: Vec::new(),
            free: Vec::new(),
            admission,
            config,
            idle: limits.idle,
            ready,
            counts: StreamCounts::default(),
        }
    }

    /// Takes connections of this socket from now on.
    pub fn listen(&mut self, listener: TcpListener, tls: Option<TlsAcceptor>) {
        let source = Source::new(&self.ready, Token::Acceptor(self.acceptors.len()));
        source.list();
        self.acceptors.push(Acceptor { listener, tls, source });
    }

    /// Takes what connects to the acceptor at `index`. `false`: the system refuses for now, so that looking again at once
    /// would only burn time.
    pub fn accept(&mut self, now: Instant, index: usize) -> bool {
        for _ in 0..ACCEPTS {
            let Some(acceptor) = self.acceptors.get(index) else { return true };
            match acceptor.listener.poll_accept(&mut acceptor.source.context()) {
                Poll::Ready(Ok((io, remote))) => {
                    let tls = acceptor.tls.clone();
                    if let Err(error) = self.enter(now, io, remote, tls) {
                        tracing::debug!(%error, "a connection failed at once");
                    }
                }
                Poll::Ready(Err(error)) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    return false;
                }
                Poll::Pending => return true,
            }
        }
        self.list_acceptor(index);
        true
    }

    /// Looks at the acceptor at `index` again.
    pub fn list_acceptor(&self, index: usize) {
        if let Some(acceptor) = self.acceptors.get(index) {
            acceptor.source.list();
        }
    }

    pub fn acceptor_taken(&self, index: usize) {
        if let Some(acceptor) = self.acceptors.get(index) {
            acceptor.source.taken();
        }
    }

    pub fn entry(&mut self, index: usize) -> Option<&mut Connection> {
        self.table.get_mut(index)?.as_mut()
    }

    /// Sends what is in the slot to the client at `path`, framed.
    pub fn send(&mut self, path: Path, slot: &mut Slot<'_>) {
        let Some(connection) = index_of(path.local).and_then(|index| self.table.get_mut(index)?.as_mut()) else {
            return;
        };
        if connection.path != path || Framing::Turn.frame(slot).is_none() {
            return;
        }
        if connection.stream.write(slot.packet()) == Written::Full {
            self.counts.full += 1;
        }
        // TLS sends nothing by itself, TCP what the system took at once.
        if connection.stream.queued() > 0 {
            connection.source.list();
        }
    }

    /// Closes a connection, and says which one it was.
    pub fn close(&mut self, index: usize, reason: Option<&StreamError>) -> Option<Path> {
        let connection = self.table.get_mut(index)?.take()?;
        self.free.push(index);
        self.counts.open -= 1;
        match reason {
            Some(StreamError::Frame(_)) => self.counts.unusable += 1,
            Some(StreamError::TimedOut) => self.counts.timed_out += 1,
            _ => {}
        }
        let reason = reason.map(ToString::to_string).unwrap_or_default();
        tracing::debug!(peer = %Redacted(connection.path.remote), reason, "a relay connection ended");
        Some(connection.path)
    }

    /// The connections that were too slow or silent too long; `serves` says whether one has an allocation.
    pub fn overdue(&self, now: Instant, serves: impl Fn(Path) -> bool) -> Vec<usize> {
        let overdue = |connection: &Connection| {
            let slow = connection.partial.is_some_and(|since| now.since(since) > self.config.connect_timeout);
            let stuck = connection.stuck.is_some_and(|since| now.since(since) > self.idle);
            let idle = now.since(connection.heard) > self.idle && connection.stream.is_connected();
            slow || stuck || (idle && !serves(connection.path))
        };
        let places = self.table.iter().enumerate();
        places.filter_map(|(index, place)| place.as_ref().is_some_and(overdue).then_some(index)).collect()
    }

    /// How often to look for them.
    pub fn sweep_interval(&self) -> Duration {
        self.config.connect_timeout.min(self.idle) / 4
    }

    pub fn counts(&self) -> StreamCounts {
        self.counts
    }

    fn enter(&mut self, now: Instant, io: TcpStream, remote: SocketAddr, tls: Option<TlsAcceptor>) -> io::Result<()> {
        let remote = SocketAddr::new(remote.ip().to_canonical(), remote.port());
        let Some(permit) = self.admission.admit(Some(remote.ip())) else {
            self.counts.refused += 1;
            tracing::debug!(peer = %Redacted(remote), "too many relay connections");
            return Ok(());
        };
        let (transport, stream) = match tls {
            None => (Transport::Tcp, Stream::accept(io, remote, Framing::Turn, self.config)?),
            Some(tls) => (Transport::Tls, Stream::accept_tls(io, remote, tls, Framing::Turn, self.config)?),
        };
        let index = self.free.pop().unwrap_or(self.table.len());
        let Ok(local) = u32::try_from(index) else { return Ok(()) };
        let path = Path { local: LocalId(FIRST | local), remote };
        let source = Source::new(&self.ready, Token::Stream(index));
        source.list();
        let connection =
            Connection { stream, path, transport, source, heard: now, partial: None, stuck: None, _permit: permit };
        match self.table.get_mut(index) {
            Some(place) => *place = Some(connection),
            None => self.table.push(Some(connection)),
        }
        self.counts.open += 1;
        self.counts.accepted += 1;
        Ok(())
    }
}

impl Connection {
    /// Sends what waits, and notes whether the client takes it.
    pub fn flush(&mut self, now: Instant) -> Result<(), StreamError> {
        let before = self.stream.queued();
        self.stuck = match self.stream.poll_flush(&mut self.source.context()) {
            Poll::Ready(result) => {
                result?;
                None
            }
            Poll::Pending if self.stream.queued() < before => Some(now),
            Poll::Pending => self.stuck.or(Some(now)),
        };
        Ok(())
    }

    /// A whole packet came.
    pub fn heard(&mut self, now: Instant) {
        self.heard = now;
        self.partial = None;
    }

    /// All whole packets were taken from what was read.
    pub fn drained(&mut self, now: Instant) {
        self.partial = self.stream.is_partial().then(|| self.partial.unwrap_or(now));
    }
}

/// The place of a connection, if the id is one's.
pub(crate) fn index_of(local: LocalId) -> Option<usize> {
    local.0.checked_sub(FIRST).map(|index| index as usize)
}
