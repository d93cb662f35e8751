//! Two sessions side by side, over a line without delay in virtual time.

use std::hint::black_box;
use std::sync::Arc;

use bytes::Bytes;
use peerage_base::datagram::{Datagram, Transmit};
use peerage_base::ecn::Ecn;
use peerage_base::path::{LocalId, Path};
use peerage_base::rng::Rng;
use peerage_base::time::{Duration, Instant};
use peerage_session::config::{Config, LocalAddress};
use peerage_session::event::Event;
use peerage_session::face::{Certificate, ChannelId, ChannelInit, Kind};
use peerage_session::session::Session;

/// Runs that are under way at most, as many as the driver takes in one system call.
const RUNS: usize = 8;
/// Room for one run.
const RUN: usize = 65_536;
/// What is kept in the sender's queue.
const QUEUED: usize = 1 << 20;
/// A moment of validity of certificates, in seconds since 1970.
const UNIX_TIME: u64 = 1_790_812_800;

/// A connected pair of which the first end sends.
pub struct Pair {
    now: Instant,
    ends: [Session; 2],
    channel: ChannelId,
    runs: Vec<(Transmit, Box<[u8]>)>,
    spare: Vec<Box<[u8]>>,
    reply: Box<[u8]>,
    message: Bytes,
    /// Bytes of messages that were read.
    pub received: u64,
    /// Datagrams with data, and those that answered them.
    pub packets: u64,
    pub answers: u64,
}

impl Pair {
    /// Connects two sessions with one channel, for messages of `size` bytes.
    pub fn connected(size: usize) -> Result<Self, String> {
        let now = Instant::from_millis(1);
        let mut ends = [end(1, now)?, end(2, now)?];
        let failed = |error: peerage_session::error::SessionError| error.to_string();
        let channel = ends[0].create_data_channel(now, ChannelInit::new("bulk")).map_err(failed)?;
        for (n, end) in ends.iter_mut().enumerate() {
            end.add_local(now, LocalAddress::udp(address(n), 1));
            end.local_addresses_done(now);
        }
        let offer = ends[0].create_offer(now, Default::default()).map_err(failed)?;
        ends[0].set_local_description(now, Some(offer.clone())).map_err(failed)?;
        ends[1].set_remote_description(now, offer).map_err(failed)?;
        let answer = ends[1].create_answer(now).map_err(failed)?;
        ends[1].set_local_description(now, Some(answer.clone())).map_err(failed)?;
        ends[0].set_remote_description(now, answer).map_err(failed)?;
        for n in 0..2 {
            while let Some(event) = ends[n].poll_event() {
                if let Event::IceCandidate(Some(candidate)) = event {
                    ends[1 - n].add_ice_candidate(now, &candidate).map_err(failed)?;
                }
            }
        }
        let message = (0..size).map(|n| n as u8).collect();
        let spare = (0..RUNS).map(|_| vec![0; RUN].into()).collect();
        let (runs, reply) = (Vec::with_capacity(RUNS), vec![0; RUN].into());
        let mut pair = Self { now, ends, channel, runs, spare, reply, message, received: 0, packets: 0, answers: 0 };
        for _ in 0..500 {
            pair.round(Duration::from_millis(5));
        }
        match pair.ends.iter().all(|end| end.stats().security.is_some()) {
            true => Ok(pair),
            false => Err("the pair did not connect".into()),
        }
    }

    /// Moves `bytes` in messages.
    pub fn transfer(&mut self, bytes: u64) {
        (self.received, self.packets, self.answers) = (0, 0, 0);
        let mut queued = 0;
        while self.received < bytes {
            while queued < bytes && self.ends[0].buffered_amount(self.channel) < QUEUED {
                queue(&mut self.ends[0], self.now, self.channel, &self.message);
                queued += self.message.len() as u64;
            }
            self.round(Duration::from_micros(100));
        }
    }

    /// What is to be sent goes over, is read, and answered.
    fn round(&mut self, step: Duration) {
        self.now += step;
        let now = self.now;
        let [near, far] = &mut self.ends;
        while let Some(mut buf) = self.spare.pop() {
            match send(near, now, &mut buf) {
                Some(transmit) => self.runs.push((transmit, buf)),
                None => {
                    self.spare.push(buf);
                    break;
                }
            }
        }
        for (transmit, mut buf) in self.runs.drain(..) {
            self.packets += u64::from(datagrams(&transmit));
            receive(far, now, address(0), &transmit, &mut buf);
            self.received += read(far, now);
            self.spare.push(buf);
        }
        while let Some(transmit) = answer(far, now, &mut self.reply) {
            self.answers += u64::from(datagrams(&transmit));
            hear(near, now, address(1), &transmit, &mut self.reply);
        }
        for end in &mut self.ends {
            wake(end, now);
        }
    }
}

fn end(seed: u64, now: Instant) -> Result<Session, String> {
    let mut rng = Rng::from_u64(seed);
    let certificate = Certificate::generate(&mut rng, UNIX_TIME).map_err(|error| error.to_string())?;
    Ok(Session::new(Config::default(), Arc::new(certificate), rng, now))
}

fn address(n: usize) -> std::net::SocketAddr {
    ([192, 0, 2, n as u8 + 1], 5000).into()
}

fn datagrams(transmit: &Transmit) -> u32 {
    transmit.segment.map_or(1, |segment| transmit.len.div_ceil(segment)) as u32
}

fn deliver(end: &mut Session, now: Instant, remote: std::net::SocketAddr, transmit: &Transmit, buf: &mut [u8]) {
    let path = Path { local: LocalId(0), remote };
    for payload in buf[..transmit.len].chunks_mut(transmit.segment.unwrap_or(transmit.len)) {
        end.handle_datagram(now, Datagram { path, ecn: Ecn::NotEct, received_at: now, payload });
    }
}

// What is counted, each by its name: a hint to the compiler keeps those apart that do the same.
/// The sender takes a message.
#[inline(never)]
pub fn queue(end: &mut Session, now: Instant, channel: ChannelId, message: &Bytes) {
    // The buffer has room for more than is ever queued here.
    let _ = end.send(now, channel, Kind::Binary, message.clone());
}

/// The sender writes a run.
#[inline(never)]
pub fn send(end: &mut Session, now: Instant, buf: &mut [u8]) -> Option<Transmit> {
    end.poll_transmit(now, buf)
}

/// The receiver takes a run in.
#[inline(never)]
pub fn receive(end: &mut Session, now: Instant, remote: std::net::SocketAddr, transmit: &Transmit, buf: &mut [u8]) {
    deliver(end, now, remote, transmit, black_box(buf));
}

/// The receiver's application reads what there is; answers its length.
#[inline(never)]
pub fn read(end: &mut Session, now: Instant) -> u64 {
    let mut bytes = 0;
    while let Some(event) = end.poll_event() {
        if let Event::ChannelReadable(id) = event {
            while let Some(message) = end.recv(now, id) {
                bytes += message.payload.len() as u64;
            }
        }
    }
    bytes
}

/// The receiver acknowledges.
#[inline(never)]
pub fn answer(end: &mut Session, now: Instant, buf: &mut [u8]) -> Option<Transmit> {
    end.poll_transmit(now, black_box(buf))
}

/// The sender hears that.
#[inline(never)]
pub fn hear(end: &mut Session, now: Instant, remote: std::net::SocketAddr, transmit: &Transmit, buf: &mut [u8]) {
    deliver(end, now, remote, transmit, buf);
}

/// Time passes.
#[inline(never)]
pub fn wake(end: &mut Session, now: Instant) {
    if end.poll_timeout().is_some_and(|deadline| deadline <= now) {
        end.handle_timeout(now);
    }
    while end.poll_event().is_some() {}
}
