//! Other stacks in virtual time: those whose machines take the time as an argument and name their next deadline.
//!
//! Both run from the first handshake on in virtual time. Their keys and initial sequence numbers come from the system, so
//! their figures repeat nearly, and ours exactly. The async stacks read the clock themselves and cannot take part.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Instant as Moment;

use peerage_base::datagram::{Datagram, Transmit};
use peerage_base::path::{LocalId, Path};
use peerage_base::time::{Duration, Instant};
use peerage_lab::wan::flow::{Bulk, Flow, Sender, Stack};
use peerage_sim::bottleneck::{Bottleneck, Side};
use peerage_sim::{Host, Link, Node, World};

pub mod rtc;
pub mod str0m;

/// Bytes of each message, as ours.
const MESSAGE: usize = 16 << 10;
/// Messages of which each differs from its neighbours.
const DIFFERENT: usize = 251;
/// Least time between wake-ups of a machine that asks for the past.
const LEAST: Duration = Duration::from_micros(100);
/// Bytes of window and of send buffer, where a stack lets one choose and bears it; ours has as much.
pub const BUFFER: usize = 4 << 20;

/// A machine of another stack.
pub trait Machine: Sized + 'static {
    /// What it is called.
    const NAME: &'static str;

    /// Two that know each other, at these addresses; the first sends.
    fn pair(addresses: [SocketAddr; 2], now: Moment) -> [Self; 2];

    /// Takes a datagram in.
    fn receive(&mut self, now: Moment, from: SocketAddr, payload: &[u8]);

    /// Acts on time.
    fn timeout(&mut self, now: Moment);

    /// Takes everything out, and says when it wants to be woken.
    fn drain(&mut self, now: Moment, out: &mut Out) -> Option<Moment>;

    /// Hands a message over; says whether there was room.
    fn write(&mut self, now: Moment, message: &[u8]) -> bool;
}

/// What a machine had to say.
#[derive(Debug, Default)]
pub struct Out {
    /// Datagrams to send.
    pub datagrams: VecDeque<(SocketAddr, Vec<u8>)>,
    /// Messages that arrived.
    pub messages: Vec<Vec<u8>>,
    /// Whether the channel is open.
    pub is_open: bool,
}

/// A stack by its machine.
#[derive(Debug, Default)]
pub struct Rival<M>(std::marker::PhantomData<fn() -> M>);

impl<M: Machine> Rival<M> {
    /// The stack.
    pub fn new() -> Self {
        Self(std::marker::PhantomData)
    }
}

impl<M: Machine> Stack for Rival<M> {
    fn name(&self) -> String {
        M::NAME.into()
    }

    fn put(&self, world: &mut World, between: &mut Bottleneck, from: Side, _: u64) -> Flow {
        let to = if from == Side::Left { Side::Right } else { Side::Left };
        let seats = [between.seat(from), between.seat(to)];
        let addresses = seats.map(|seat| SocketAddr::new(seat.address, 50_000));
        let origin = Moment::now();
        let [near, far] = M::pair(addresses, origin);
        let ids = [(near, 0), (far, 1)].map(|(machine, side)| {
            let host = Host::new(Driven::new(machine, origin)).with_socket(LocalId(0), addresses[side]);
            let id = world.add(M::NAME, host);
            seats[side].attach(world, id, Link::default(), Link::default());
            id
        });
        Flow::new(self.name(), from, ids[0], ids[1])
    }
}

/// A machine and an application that sends, or checks what it receives.
struct Driven<M> {
    machine: M,
    /// The moment that is the origin of virtual time.
    origin: Moment,
    out: Out,
    deadline: Option<Instant>,
    sending: bool,
    content: Vec<u8>,
    count: usize,
    delivered: u64,
}

impl<M: Machine> Driven<M> {
    fn new(machine: M, origin: Moment) -> Self {
        let content = (0..MESSAGE + DIFFERENT).map(|i| (i % DIFFERENT) as u8).collect();
        let deadline = Some(Instant::ORIGIN);
        Self { machine, origin, out: Out::default(), deadline, sending: false, content, count: 0, delivered: 0 }
    }

    fn moment(&self, now: Instant) -> Moment {
        self.origin + now.since(Instant::ORIGIN)
    }

    /// Drains, and writes as much as there is room for.
    fn pump(&mut self, now: Instant) {
        let moment = self.moment(now);
        loop {
            let deadline = self.machine.drain(moment, &mut self.out);
            let at = deadline.map(|at| Instant::ORIGIN + at.saturating_duration_since(self.origin));
            self.deadline = at.map(|at| if at > now { at } else { now + LEAST });
            for message in std::mem::take(&mut self.out.messages) {
                assert!(
                    message == content_of(&self.content, self.count),
                    "message {} is not what was sent",
                    self.count
                );
                self.count += 1;
                self.delivered += message.len() as u64;
            }
            if !self.sending || !self.machine.write(moment, content_of(&self.content, self.count)) {
                return;
            }
            self.count += 1;
        }
    }
}

fn content_of(content: &[u8], number: usize) -> &[u8] {
    let start = number % DIFFERENT;
    &content[start..start + MESSAGE]
}

impl<M: Machine> Node for Driven<M> {
    fn handle_datagram(&mut self, now: Instant, datagram: Datagram<'_>) {
        let moment = self.moment(now);
        self.machine.receive(moment, datagram.path.remote, datagram.payload);
        self.pump(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.deadline.is_some_and(|deadline| deadline <= now) {
            let moment = self.moment(now);
            self.machine.timeout(moment);
            self.pump(now);
        }
    }

    fn poll_transmit(&mut self, _: Instant, buf: &mut [u8]) -> Option<Transmit> {
        let (remote, payload) = self.out.datagrams.pop_front()?;
        buf.get_mut(..payload.len())?.copy_from_slice(&payload);
        Some(Transmit::single(Path { local: LocalId(0), remote }, payload.len()))
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.deadline
    }
}

impl<M: Machine> Bulk for Driven<M> {
    type Signal = Infallible;

    fn is_open(&self) -> bool {
        self.out.is_open
    }

    fn start(&mut self, now: Instant) {
        self.sending = true;
        self.pump(now);
    }

    fn delivered(&self) -> u64 {
        self.delivered
    }

    fn sender(&self) -> Sender {
        Sender::default()
    }
}
