//! A machine and its socket, and what passes between the two.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bench::stack::{End, Outcome};
use bytes::Bytes;
use peerage_net::clock::Clock;
use peerage_net::udp::{Config, RecvBatch, Socket};

use crate::machine::Machine;
use crate::run::Run;

/// When a machine wants nothing.
const LATER: Duration = Duration::from_secs(3600);

/// One end of a connection. It has no task: it makes progress while one of its methods is awaited.
pub struct Peer<M: Machine> {
    machine: M,
    socket: Socket,
    outbox: Outbox,
    messages: VecDeque<M::Message>,
}

/// What is read with, which only one peer needs at a time.
struct Inbox {
    clock: Clock,
    batch: RecvBatch,
}

/// What has not left yet; spare runs are used again.
#[derive(Default)]
struct Outbox {
    runs: VecDeque<Run>,
    spare: Vec<Run>,
}

thread_local! {
    static INBOX: std::cell::RefCell<Inbox> =
        std::cell::RefCell::new(Inbox { clock: Clock::new(), batch: RecvBatch::default() });
}

/// From nothing to a channel that is open at both ends.
///
/// # Errors
/// The system refuses a socket, or the stack a step.
pub async fn connect<M: Machine>() -> Outcome<(Peer<M>, Peer<M>)> {
    let bind = || Socket::bind(([127, 0, 0, 1], 0).into(), &Config::default());
    let (near, far) = (bind()?, bind()?);
    let (offerer, answerer) = M::pair(near.local_addr(), far.local_addr())?;
    let (mut near, mut far) = (Peer::new(offerer, near), Peer::new(answerer, far));
    loop {
        match (near.machine.is_open(), far.machine.is_open()) {
            (true, true) => break,
            // What one still has to say the other waits for.
            _ => tokio::select! {
                turned = near.turn() => turned?,
                turned = far.turn() => turned?,
            },
        }
    }
    near.flush().await?;
    far.flush().await?;
    Ok((near, far))
}

impl<M: Machine> Peer<M> {
    fn new(machine: M, socket: Socket) -> Self {
        Self { machine, socket, outbox: Outbox::default(), messages: VecDeque::new() }
    }

    /// Sends what there is, waits for datagrams or for the moment that the machine wants, and hands it what came.
    async fn turn(&mut self) -> Outcome<()> {
        let deadline = self.drain()?.unwrap_or_else(|| Instant::now() + LATER);
        self.outbox.send(&self.socket).await?;
        if deadline > Instant::now() {
            tokio::select! {
                readable = self.socket.readable() => {
                    readable?;
                    return self.receive();
                }
                () = tokio::time::sleep_until(deadline.into()) => {}
            }
        }
        self.machine.handle_timeout(Instant::now())?;
        self.drain().map(drop)
    }

    /// Takes everything out of the machine; says when it wants to be woken.
    fn drain(&mut self) -> Outcome<Option<Instant>> {
        let outbox = &mut self.outbox;
        let deadline = self.machine.drain(|destination, datagram| outbox.push(destination, datagram))?;
        while let Some(message) = self.machine.poll_message() {
            self.messages.push_back(message);
        }
        Ok(deadline)
    }

    /// The machines' rule is to be drained after each datagram.
    fn receive(&mut self) -> Outcome<()> {
        let local = self.socket.local_addr();
        INBOX.with_borrow_mut(|Inbox { clock, batch }| {
            match self.socket.try_recv(batch, clock) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            }
            let now = Instant::now();
            for datagram in batch.datagrams() {
                self.machine.handle_datagram(now, datagram.source, local, datagram.payload)?;
                self.drain()?;
            }
            Ok(())
        })
    }
}

impl<M: Machine> End for Peer<M> {
    type Message = M::Message;

    async fn send(&mut self, message: Bytes) -> Outcome<()> {
        loop {
            self.drain()?;
            self.outbox.send_full(&self.socket).await?;
            if self.machine.write(&message)? {
                return Ok(());
            }
            self.turn().await?;
        }
    }

    async fn flush(&mut self) -> Outcome<()> {
        self.drain()?;
        self.outbox.send(&self.socket).await
    }

    async fn recv(&mut self) -> Outcome<M::Message> {
        loop {
            if let Some(message) = self.messages.pop_front() {
                return Ok(message);
            }
            self.turn().await?;
        }
    }
}

impl Outbox {
    fn push(&mut self, destination: SocketAddr, datagram: &[u8]) {
        if self.runs.back_mut().is_some_and(|run| run.push(destination, datagram)) {
            return;
        }
        let mut run = self.spare.pop().unwrap_or_default();
        run.push(destination, datagram);
        self.runs.push_back(run);
    }

    /// Sends all.
    async fn send(&mut self, socket: &Socket) -> Outcome<()> {
        self.send_until(socket, 0).await
    }

    /// Sends those to which nothing can be added any more.
    async fn send_full(&mut self, socket: &Socket) -> Outcome<()> {
        self.send_until(socket, 1).await
    }

    async fn send_until(&mut self, socket: &Socket, left: usize) -> Outcome<()> {
        while self.runs.len() > left
            && let Some(run) = self.runs.front_mut()
        {
            while !run.send(socket)? {
                socket.writable().await?;
            }
            if let Some(run) = self.runs.pop_front()
                && self.spare.is_empty()
            {
                self.spare.push(run);
            }
        }
        Ok(())
    }
}
