//! To and fro: bare datagrams over the same sockets and the same runtime, without any cipher.

use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use bench::figures::Figures;
use bench::meter::Meter;
use bench::options::Run;
use bench::pattern::Pattern;
use bench::scenario::pingpong::{MESSAGE, figures};
use bench::stack::Outcome;
use peerage_base::ecn::Ecn;
use peerage_net::clock::Clock;
use peerage_net::udp::{Config, Outgoing, RecvBatch, SendError, Socket};
use tokio::sync::oneshot;

/// A socket that talks to one other.
struct Peer {
    socket: Socket,
    destination: SocketAddr,
    clock: Clock,
    batch: RecvBatch,
}

/// Sends as many datagrams as asked for and waits for each to come back.
pub async fn run(run: &Run) -> Outcome<Figures> {
    let any: SocketAddr = ([127, 0, 0, 1], 0).into();
    let (near, far) = (Socket::bind(any, &Config::default())?, Socket::bind(any, &Config::default())?);
    let (here, there) = (near.local_addr(), far.local_addr());
    let (done, over) = oneshot::channel();
    let echo = tokio::spawn(echo(Peer::new(far, here), over));
    let figures = tokio::spawn(measure(Peer::new(near, there), *run)).await??;
    drop(done);
    echo.await??;
    Ok(figures)
}

async fn measure(mut peer: Peer, run: Run) -> Outcome<Figures> {
    let pattern = Pattern::new(MESSAGE);
    for number in 0..run.rounds.div_ceil(10) {
        peer.trip(&pattern, number).await?;
    }
    let (meter, mut trips) = (Meter::start(), Vec::with_capacity(usize::try_from(run.rounds)?));
    for number in 0..run.rounds {
        let begun = Instant::now();
        peer.trip(&pattern, number).await?;
        trips.push(begun.elapsed().as_secs_f64() * 1e6);
    }
    figures(&trips, meter.stop())
}

async fn echo(mut peer: Peer, mut over: oneshot::Receiver<()>) -> Outcome<()> {
    loop {
        let message = tokio::select! {
            message = peer.recv() => message?,
            _ = &mut over => return Ok(()),
        };
        peer.send(&message).await?;
    }
}

impl Peer {
    fn new(socket: Socket, destination: SocketAddr) -> Self {
        Self { socket, destination, clock: Clock::new(), batch: RecvBatch::default() }
    }

    async fn trip(&mut self, pattern: &Pattern, number: u64) -> Outcome<()> {
        self.send(&pattern.message(number)).await?;
        Ok(pattern.check(number, &self.recv().await?)?)
    }

    async fn send(&self, contents: &[u8]) -> Outcome<()> {
        let outgoing =
            Outgoing { destination: self.destination, source: None, ecn: Ecn::NotEct, segment: None, contents };
        loop {
            match self.socket.try_send(&outgoing) {
                Ok(_) => return Ok(()),
                Err(SendError::WouldBlock) => self.socket.writable().await?,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// One datagram; nobody sends a second one before it is answered.
    async fn recv(&mut self) -> Outcome<[u8; MESSAGE]> {
        loop {
            self.socket.readable().await?;
            match self.socket.try_recv(&mut self.batch, &self.clock) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(error) => return Err(error.into()),
            }
            if let Some(datagram) = self.batch.datagrams().next() {
                return Ok((&*datagram.payload).try_into()?);
            }
        }
    }
}
