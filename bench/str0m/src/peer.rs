//! One peer: the machine, its socket, and what passes between the two.

use std::net::SocketAddr;
use std::time::Instant;

use peerage_net::clock::Clock;
use peerage_net::udp::{Config, RecvBatch, Socket};
use str0m::channel::ChannelId;
use str0m::net::{Protocol, Receive};
use str0m::{Event, Input, Output, Rtc};

use crate::Outcome;
use crate::run::Run;

/// A peer and what its loop needs.
pub struct Peer {
    /// The machine.
    pub rtc: Rtc,
    /// The channel, once it was created.
    pub channel: Option<ChannelId>,
    socket: Socket,
    clock: Clock,
    batch: RecvBatch,
    run: Run,
    open: bool,
    messages: Vec<Vec<u8>>,
}

impl Peer {
    /// Binds a socket on loopback.
    pub fn new(rtc: Rtc) -> Outcome<Self> {
        let socket = Socket::bind(([127, 0, 0, 1], 0).into(), &Config::default())?;
        let (clock, batch, run) = (Clock::new(), RecvBatch::default(), Run::default());
        Ok(Self { rtc, channel: None, socket, clock, batch, run, open: false, messages: Vec::new() })
    }

    /// Runs until the channel is open.
    pub async fn opened(&mut self) -> Outcome<()> {
        loop {
            let deadline = self.drain().await?;
            if self.open {
                return self.flush().await;
            }
            self.wait(deadline).await?;
        }
    }

    /// Takes everything out of the machine; says when it wants to be woken.
    pub async fn drain(&mut self) -> Outcome<Instant> {
        loop {
            match self.rtc.poll_output()? {
                Output::Timeout(deadline) => return Ok(deadline),
                Output::Transmit(transmit) => {
                    if !self.run.push(transmit.destination, &transmit.contents) {
                        self.flush().await?;
                        self.run.push(transmit.destination, &transmit.contents);
                    }
                }
                Output::Event(Event::ChannelOpen(id, _)) if Some(id) == self.channel => self.open = true,
                Output::Event(Event::ChannelData(data)) => self.messages.push(data.data),
                Output::Event(_) => {}
            }
        }
    }

    /// Hands a message over; says whether there was room. The machine must be drained before and after.
    pub fn write(&mut self, message: &[u8]) -> Outcome<bool> {
        let id = self.channel.ok_or("there is no channel")?;
        Ok(self.rtc.channel(id).ok_or("the channel is closed")?.write(true, message)?)
    }

    /// Sends what is pending, waits for datagrams or the deadline, and hands what came to the machine.
    pub async fn wait(&mut self, deadline: Instant) -> Outcome<()> {
        self.flush().await?;
        tokio::select! {
            readable = self.socket.readable() => readable?,
            () = tokio::time::sleep_until(deadline.into()) => {
                self.rtc.handle_input(Input::Timeout(Instant::now()))?;
                return Ok(());
            }
        }
        let mut batch = std::mem::take(&mut self.batch);
        let received = match self.socket.try_recv(&mut batch, &self.clock) {
            Ok(_) => self.take(&mut batch).await,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error.into()),
        };
        self.batch = batch;
        received
    }

    /// Sends what is pending.
    pub async fn flush(&mut self) -> Outcome<()> {
        while !self.run.send(&self.socket)? {
            self.socket.writable().await?;
        }
        Ok(())
    }

    /// The messages that arrived since the last call.
    pub fn messages(&mut self) -> impl Iterator<Item = Vec<u8>> {
        self.messages.drain(..)
    }

    /// Where the socket is bound.
    pub fn address(&self) -> SocketAddr {
        self.socket.local_addr()
    }

    /// The machine's rule is to drain it after each datagram.
    async fn take(&mut self, batch: &mut RecvBatch) -> Outcome<()> {
        let (now, destination) = (Instant::now(), self.address());
        for datagram in batch.datagrams() {
            let receive = Receive::new(Protocol::Udp, datagram.source, destination, datagram.payload)?;
            self.rtc.handle_input(Input::Receive(now, receive))?;
            self.drain().await?;
        }
        Ok(())
    }
}
