//! A transfer from one host to another, whatever moves it.

use std::fmt;

use peerage_base::time::{Duration, Instant};
use peerage_sim::bottleneck::{Bottleneck, Side};
use peerage_sim::host::{Host, Node};
use peerage_sim::world::Id;
use peerage_sim::world::World;

/// What moves data.
pub trait Stack {
    /// What it is called in tables.
    fn name(&self) -> String;

    /// Puts two connected or connecting hosts into the world, the sender on the side `from`.
    fn put(&self, world: &mut World, between: &mut Bottleneck, from: Side, seed: u64) -> Flow;
}

/// A host that sends or receives as much as it can.
pub trait Bulk: Node {
    /// What the two ends tell each other out of band.
    type Signal;

    /// Whether data can be sent.
    fn is_open(&self) -> bool;

    /// Sends from now on, and always has more.
    fn start(&mut self, now: Instant);

    /// Bytes of application data that arrived, in order and whole.
    fn delivered(&self) -> u64;

    /// Messages that arrived, or that were given up before a later one arrived; 0 if nobody counts them.
    fn next(&self) -> u64 {
        0
    }

    /// The sending side's view.
    fn sender(&self) -> Sender;

    /// Whether there is something to tell the other end out of band.
    fn has_signals(&self) -> bool {
        false
    }

    /// What that is.
    fn take_signals(&mut self) -> Vec<Self::Signal> {
        Vec::new()
    }

    /// The other end has told something.
    fn hear(&mut self, now: Instant, signal: Self::Signal) {
        let _ = (now, signal);
    }

    /// The line has told that packets of more than `mtu` bytes, headers included, do not pass.
    fn too_big(&mut self, now: Instant, mtu: usize) {
        let _ = (now, mtu);
    }
}

/// What a sender knows; what a stack does not tell is 0 or `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sender {
    /// Packets or chunks with data that were sent, repetitions included.
    pub sent: u64,
    /// Those of them that were repetitions.
    pub again: u64,
    /// Expiries of the retransmission timer.
    pub timeouts: u64,
    /// Congestion window, in bytes.
    pub window: usize,
    /// Pacing rate, in bytes per second.
    pub rate: Option<u64>,
    /// Bytes sent and not acknowledged.
    pub in_flight: usize,
    /// Smoothed round-trip time.
    pub rtt: Option<Duration>,
    /// Largest datagram, in bytes of UDP payload.
    pub datagram: usize,
    /// Bytes of messages that wait to be sent for the first time.
    pub queued: usize,
    /// Messages that were given up, as there was no room for them or they had become too old.
    pub given_up: u64,
}

/// What a flow looks like at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Progress {
    /// Bytes of application data that arrived.
    pub delivered: u64,
    /// Messages that arrived, or that a later one has overtaken: the number of the next one that may come.
    pub next: u64,
    /// The sender.
    pub sender: Sender,
}

/// Two hosts in a world.
pub struct Flow {
    name: String,
    from: Side,
    probe: Box<dyn Probe>,
}

impl Flow {
    /// A flow between these two.
    pub fn new<S: Bulk, R: Bulk<Signal = S::Signal>>(
        name: String,
        from: Side,
        sender: Id<Host<S>>,
        receiver: Id<Host<R>>,
    ) -> Self {
        Self { name, from, probe: Box::new(Pair { sender, receiver }) }
    }

    /// What moves it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The side that sends.
    pub fn from(&self) -> Side {
        self.from
    }

    /// Whether both ends are ready.
    pub fn is_open(&self, world: &World) -> bool {
        self.probe.is_open(world)
    }

    /// Lets the sender begin.
    pub fn start(&self, world: &mut World) {
        self.probe.start(world);
    }

    /// How it goes.
    pub fn progress(&self, world: &World) -> Progress {
        self.probe.progress(world)
    }

    /// Carries what the two ends have to tell each other out of band.
    pub fn signal(&self, world: &mut World) {
        self.probe.signal(world);
    }

    /// Tells the sender how long packets may be.
    pub fn too_big(&self, world: &mut World, mtu: usize) {
        self.probe.too_big(world, mtu);
    }
}

impl fmt::Debug for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flow").field("name", &self.name).field("from", &self.from).finish_non_exhaustive()
    }
}

/// What hides the types of two hosts.
trait Probe {
    fn is_open(&self, world: &World) -> bool;
    fn start(&self, world: &mut World);
    fn progress(&self, world: &World) -> Progress;
    fn signal(&self, world: &mut World);
    fn too_big(&self, world: &mut World, mtu: usize);
}

struct Pair<S, R> {
    sender: Id<Host<S>>,
    receiver: Id<Host<R>>,
}

impl<S: Bulk, R: Bulk<Signal = S::Signal>> Probe for Pair<S, R> {
    fn is_open(&self, world: &World) -> bool {
        world.get(self.sender).node.is_open() && world.get(self.receiver).node.is_open()
    }

    fn start(&self, world: &mut World) {
        let now = world.now();
        world.get_mut(self.sender).node.start(now);
    }

    fn progress(&self, world: &World) -> Progress {
        let (sender, receiver) = (&world.get(self.sender).node, &world.get(self.receiver).node);
        Progress { delivered: receiver.delivered(), next: receiver.next(), sender: sender.sender() }
    }

    fn signal(&self, world: &mut World) {
        let now = world.now();
        if world.get(self.sender).node.has_signals() {
            let signals = world.get_mut(self.sender).node.take_signals();
            signals.into_iter().for_each(|signal| world.get_mut(self.receiver).node.hear(now, signal));
        }
        if world.get(self.receiver).node.has_signals() {
            let signals = world.get_mut(self.receiver).node.take_signals();
            signals.into_iter().for_each(|signal| world.get_mut(self.sender).node.hear(now, signal));
        }
    }

    fn too_big(&self, world: &mut World, mtu: usize) {
        let now = world.now();
        world.get_mut(self.sender).node.too_big(now, mtu);
    }
}
