//! The loop: look at the sockets that have news, hand packets to the machine, do what it wants, sleep.

use crate::stop;
use crate::stun::StunCounts;
use crate::turn::guard::Guard;
use crate::turn::handle::{Wish, Wishes};
use crate::turn::outbox::Lost;
use crate::turn::ready::{Ready, Token};
use crate::turn::streams::StreamCounts;
use crate::turn::traffic::Traffic;
use core::task::{Context, Poll};
use core::time::Duration;
use peerage_base::time::{Instant, earliest};
use peerage_net::clock::Clock;
use peerage_net::tcp::StreamError;
use peerage_net::udp::{RecvBatch, Socket};
use peerage_turn::server::Server;
use peerage_turn::server::counters::Counters;
use std::io;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot, watch};

/// Receive calls per socket and round, so that others get their turn.
const RECEIVES: usize = 8;
/// How often sockets that the system refused are tried again.
const RETRY: Duration = Duration::from_secs(2);

/// What is counted, at a moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshot {
    pub stun: StunCounts,
    pub lost: Lost,
    /// `None`: there is no relay.
    pub turn: Option<(Counters, StreamCounts)>,
}

/// Asks for a snapshot.
pub(crate) type Query = oneshot::Sender<Snapshot>;

/// Owns everything.
pub(crate) struct Driver {
    traffic: Traffic,
    clock: Clock,
    ready: Arc<Ready>,
    wishes: Arc<Wishes>,
    queries: mpsc::Receiver<Query>,
    /// `None`: there is no relay.
    guard: Option<Guard>,
    batch: RecvBatch,
    tokens: Vec<Token>,
    swept: Instant,
    /// Sockets that the system refused to read.
    failing: Vec<Token>,
    drain: Duration,
    /// When allocations have to end, once the server is to stop.
    ends: Option<Instant>,
}

impl Driver {
    pub fn new(
        traffic: Traffic,
        clock: Clock,
        ready: Arc<Ready>,
        wishes: Arc<Wishes>,
        queries: mpsc::Receiver<Query>,
        guard: Option<Guard>,
        drain: Duration,
    ) -> Self {
        Self {
            traffic,
            swept: clock.now(),
            clock,
            ready,
            wishes,
            queries,
            guard,
            batch: RecvBatch::default(),
            tokens: Vec::new(),
            failing: Vec::new(),
            drain,
            ends: None,
        }
    }

    /// Runs until the server is to stop and no allocation is left, or their time is over.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        loop {
            let deadline = self.deadline();
            tokio::select! {
                () = self.ready.filled() => {}
                () = self.wishes.arrived.notified() => self.grant(),
                () = changed(&mut self.guard) => self.guard(),
                Some(query) = self.queries.recv() => {
                    // Whoever asked may have gone.
                    let _ = query.send(self.snapshot());
                }
                () = stop::requested(&mut stop), if self.ends.is_none() => self.begin_to_end(),
                () = self.clock.sleep_until(deadline) => {}
            }
            self.look();
            let now = self.clock.now();
            if let Some(machine) = &mut self.traffic.machine
                && machine.poll_timeout().is_some_and(|deadline| deadline <= now)
            {
                machine.handle_timeout(now);
            }
            if now.since(self.swept) >= self.sweep_interval() {
                self.sweep(now);
            }
            self.traffic.settle(now);
            let drained = self.traffic.machine.as_ref().is_none_or(Server::is_drained);
            if self.ends.is_some_and(|ends| drained || ends <= now) {
                return;
            }
            // Sockets may be ready for ever; the runtime has other tasks.
            tokio::task::yield_now().await;
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let machine = self.traffic.machine.as_ref().and_then(Server::poll_timeout);
        let relays = machine.is_some() && self.traffic.relays.places() > 0;
        let restless = relays || !self.failing.is_empty() || self.traffic.streams.counts().open > 0;
        let sweep = restless.then_some(self.swept + self.sweep_interval());
        earliest(machine, earliest(sweep, self.ends))
    }

    fn sweep_interval(&self) -> Duration {
        RETRY.min(self.traffic.streams.sweep_interval())
    }

    /// Looks at every socket that has news.
    fn look(&mut self) {
        let mut tokens = core::mem::take(&mut self.tokens);
        self.ready.take(&mut tokens);
        let now = self.clock.now();
        for token in tokens.drain(..) {
            match token {
                Token::Listener(index) => self.listener(now, index),
                Token::Relay(index) => self.relay(now, index),
                Token::Stream(index) => self.stream(now, index),
                Token::Acceptor(index) => {
                    self.traffic.streams.acceptor_taken(index);
                    // While the server stops, clients are to look elsewhere.
                    if self.ends.is_none() && !self.traffic.streams.accept(now, index) {
                        self.failing.push(token);
                    }
                }
            }
            self.traffic.settle(now);
        }
        self.tokens = tokens;
    }

    fn listener(&mut self, now: Instant, index: usize) {
        let Self { traffic, batch, clock, .. } = self;
        let Some(listener) = traffic.listeners.entry(index) else { return };
        listener.source.taken();
        for _ in 0..RECEIVES {
            let Some(listener) = traffic.listeners.entry(index) else { return };
            match receive(&listener.socket, batch, clock, &mut listener.source.context()) {
                Ok(true) => {}
                Ok(false) => return,
                Err(_) => return self.failing.push(Token::Listener(index)),
            }
            for datagram in batch.datagrams() {
                traffic.client_datagram(now, index, datagram.destination, datagram.source, datagram.payload);
            }
            traffic.settle(now);
        }
        if let Some(listener) = traffic.listeners.entry(index) {
            listener.source.list();
        }
    }

    fn relay(&mut self, now: Instant, index: usize) {
        let Self { traffic, batch, clock, .. } = self;
        let Some(relay) = traffic.relays.entry(index) else { return };
        relay.source.taken();
        for _ in 0..RECEIVES {
            let Some(relay) = traffic.relays.entry(index) else { return };
            match receive(&relay.socket, batch, clock, &mut relay.source.context()) {
                Ok(true) => {}
                Ok(false) => return traffic.path_errors(now, index),
                Err(_) => return self.failing.push(Token::Relay(index)),
            }
            for datagram in batch.datagrams() {
                traffic.peer_datagram(now, index, datagram.source, datagram.payload);
            }
            traffic.flush();
        }
        if let Some(relay) = traffic.relays.entry(index) {
            relay.source.list();
        }
    }

    fn stream(&mut self, now: Instant, index: usize) {
        match self.traffic.stream(now, index) {
            Ok(false) => {}
            Ok(true) => {
                if let Some(connection) = self.traffic.streams.entry(index) {
                    connection.source.list();
                }
            }
            Err(error) => self.traffic.close(now, index, Some(&error)),
        }
    }

    /// Ends what is too slow, and tries again what the system refused.
    fn sweep(&mut self, now: Instant) {
        self.swept = now;
        self.traffic.relays.sweep(now);
        // The runtime wakes nobody for an error alone; these are hints that may come late.
        for index in 0..self.traffic.relays.places() {
            self.traffic.path_errors(now, index);
        }
        if let Some(machine) = &self.traffic.machine {
            for index in self.traffic.streams.overdue(now, |path| machine.serves(path)) {
                self.traffic.close(now, index, Some(&StreamError::TimedOut));
            }
        }
        for token in self.failing.drain(..) {
            match token {
                Token::Listener(index) => {
                    if let Some(listener) = self.traffic.listeners.entry(index) {
                        listener.source.list();
                    }
                }
                Token::Relay(index) => {
                    if let Some(relay) = self.traffic.relays.entry(index) {
                        relay.source.list();
                    }
                }
                Token::Acceptor(index) => self.traffic.streams.list_acceptor(index),
                Token::Stream(_) => {}
            }
        }
    }

    /// Tells the machine which rooms live and which do not.
    fn grant(&mut self) {
        let now = self.clock.now();
        let Some(machine) = &mut self.traffic.machine else { return };
        for (name, wish) in self.wishes.take() {
            match wish {
                Wish::Live(until) => machine.set_live(now, &name, until),
                Wish::Revoked => machine.revoke(now, &name),
            }
        }
    }

    /// Keeps clients from addresses that this host has got.
    fn guard(&mut self) {
        if let (Some(machine), Some(guard)) = (&mut self.traffic.machine, &self.guard) {
            machine.set_own(&guard.addresses());
        }
    }

    fn begin_to_end(&mut self) {
        let now = self.clock.now();
        self.ends = Some(now + self.drain);
        if let Some(machine) = &mut self.traffic.machine {
            machine.drain(now);
            let allocations = machine.counters().allocations;
            tracing::info!(allocations, "no new allocations; what there is may go on for a while");
        }
    }

    fn snapshot(&self) -> Snapshot {
        let streams = self.traffic.streams.counts();
        Snapshot {
            stun: self.traffic.responder.counts(),
            lost: self.traffic.outbox.lost(),
            turn: self.traffic.machine.as_ref().map(|machine| (machine.counters().clone(), streams)),
        }
    }
}

/// Waits until this host may have other addresses.
async fn changed(guard: &mut Option<Guard>) {
    match guard {
        Some(guard) => guard.changed().await,
        None => core::future::pending().await,
    }
}

/// Fills the batch; `false`: there is nothing, and the waker will be woken.
fn receive(socket: &Socket, batch: &mut RecvBatch, clock: &Clock, context: &mut Context<'_>) -> io::Result<bool> {
    loop {
        match socket.try_recv(batch, clock) {
            Ok(_) => return Ok(true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let Poll::Ready(readable) = socket.poll_readable(context) else { return Ok(false) };
                readable?;
            }
            Err(error) => {
                tracing::warn!(%error, "cannot receive");
                return Err(error);
            }
        }
    }
}
