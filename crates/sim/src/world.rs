//! The world: elements, networks, and one clock that jumps from event to event.

use std::any::Any;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt;
use std::marker::PhantomData;
use std::net::{IpAddr, SocketAddr};

use peerage_base::path::LocalId;
use peerage_base::rng::Rng;
use peerage_base::time::{Duration, Instant, earliest};

use crate::element::{Element, Interface, Outgoing};
use crate::host::{Host, Node};
use crate::link::{Counters, Drop as Dropped, Fate, Line, Link};
use crate::network::{Attachment, AttachmentId, Direction, Hop, NetworkId, Topology};
use crate::observer::Observer;
use crate::packet::{Packet, PacketId};
use crate::step::Step;

/// Rounds at one moment after which an element is taken to be stuck: a deadline that stays in the past, or two
/// elements that answer each other over lines without delay for ever.
const MAX_ROUNDS: usize = 10_000;
/// Packets that an element may send in one round.
const MAX_BURST: usize = 100_000;

/// An element of a world, by its type.
pub struct Id<T> {
    index: usize,
    of: PhantomData<fn() -> T>,
}

/// Elements and networks in virtual time.
pub struct World {
    seed: u64,
    rng: Rng,
    now: Instant,
    elements: Vec<Entry>,
    topology: Topology,
    flying: BinaryHeap<Reverse<Flight>>,
    launched: u64,
    named: u64,
    unroutable: u64,
    delivered: u64,
    observers: Vec<Box<dyn Observer>>,
}

struct Entry {
    name: String,
    element: Box<dyn Element>,
    attachments: Vec<usize>,
    /// Whether it was touched since its packets were taken.
    touched: bool,
}

/// A packet under way.
#[derive(Debug)]
struct Flight {
    at: Instant,
    /// Order among those of one moment.
    number: u64,
    stage: Stage,
    /// The attachment that it is for.
    to: usize,
    packet: Packet,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// It leaves the sender's line and enters the receiver's.
    Middle,
    /// It reaches the receiver.
    End,
}

impl World {
    /// An empty world at the origin of time. A panic while it exists prints the seed.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            rng: Rng::from_u64(seed),
            now: Instant::ORIGIN,
            elements: Vec::new(),
            topology: Topology::default(),
            flying: BinaryHeap::new(),
            launched: 0,
            named: 0,
            unroutable: 0,
            delivered: 0,
            observers: Vec::new(),
        }
    }

    /// Adds a network without members.
    pub fn add_network(&mut self) -> NetworkId {
        self.topology.add_network()
    }

    /// Adds an element; the name is for messages.
    pub fn add<T: Element>(&mut self, name: &str, element: T) -> Id<T> {
        let entry = Entry { name: name.into(), element: Box::new(element), attachments: Vec::new(), touched: true };
        self.elements.push(entry);
        Id { index: self.elements.len() - 1, of: PhantomData }
    }

    /// Adds a machine with its sockets and attaches it under the addresses of those.
    pub fn add_host<N: Node>(
        &mut self,
        name: &str,
        node: N,
        network: NetworkId,
        sockets: &[(LocalId, SocketAddr)],
        [up, down]: [Link; 2],
    ) -> Id<Host<N>> {
        let mut addresses: Vec<IpAddr> = sockets.iter().map(|(_, address)| address.ip()).collect();
        addresses.sort_unstable();
        addresses.dedup();
        let host = sockets.iter().fold(Host::new(node), |host, (id, address)| host.with_socket(*id, *address));
        let id = self.add(name, host);
        self.attach(id, network, &addresses, up, down);
        id
    }

    /// Attaches an element to a network under these addresses. An element may be attached several times: the first
    /// attachment is its interface 0, and [`Outgoing`] says by which one a packet leaves.
    ///
    /// # Panics
    /// If an address is taken in that network.
    pub fn attach<T>(
        &mut self,
        element: Id<T>,
        network: NetworkId,
        addresses: &[IpAddr],
        up: Link,
        down: Link,
    ) -> AttachmentId {
        let label = |direction| format!("line {} {direction}", self.topology.attachments.len());
        let up = Line::new(up, self.rng.split(&label("up")));
        let down = Line::new(down, self.rng.split(&label("down")));
        let attachment = Attachment { element: element.index, network: network.0, gone: false, up, down };
        let id = self.topology.attach(attachment, addresses);
        self.elements[element.index].attachments.push(id.0);
        id
    }

    /// Takes an element out of a network: what is under way to it is lost, and the attachment is of no use any more.
    /// A route or a gateway by it ends.
    pub fn detach(&mut self, attachment: AttachmentId) {
        self.topology.detach(attachment);
    }

    /// Moves an element from one network to another, as a telephone that leaves the house. Its lines stay as good as
    /// they were. The element itself is told nothing.
    ///
    /// # Panics
    /// If an address is taken in that network.
    pub fn roam<T>(&mut self, element: Id<T>, from: AttachmentId, to: NetworkId, addresses: &[IpAddr]) -> AttachmentId {
        let old = &self.topology.attachments[from.0];
        let (up, down) = (old.up.config, old.down.config);
        self.detach(from);
        self.attach(element, to, addresses, up, down)
    }

    /// Sends what is for the addresses that begin with the first `len` bits of `prefix`, and for none of the members,
    /// to a router; the longest prefix wins, and comes before the gateway.
    ///
    /// # Panics
    /// If the router is attached to another network, or `len` is more than an address has.
    pub fn add_route(&mut self, network: NetworkId, prefix: IpAddr, len: u8, router: AttachmentId) {
        self.topology.add_route(network, prefix, len, router);
    }

    /// Where a network sends what is for none of its members; `None` for nowhere.
    ///
    /// # Panics
    /// If the gateway is attached to another network.
    pub fn set_gateway(&mut self, network: NetworkId, gateway: Option<AttachmentId>) {
        self.topology.set_gateway(network, gateway);
    }

    /// Gives an attachment other addresses, as when a host changes networks.
    ///
    /// # Panics
    /// If an address is taken in that network.
    pub fn set_addresses(&mut self, attachment: AttachmentId, addresses: &[IpAddr]) {
        self.topology.set_addresses(attachment, addresses);
    }

    /// Changes a line from now on; what is under way, or waits for its rate, is not affected.
    pub fn set_link(&mut self, attachment: AttachmentId, direction: Direction, link: Link) {
        let now = self.now;
        self.line_mut(attachment, direction).reconfigure(now, link);
    }

    /// Adds an observer.
    pub fn observe(&mut self, observer: impl Observer + 'static) {
        self.observers.push(Box::new(observer));
    }

    /// An element, to give it commands or read what it has to say; its packets are taken before time passes.
    pub fn get_mut<T: Element>(&mut self, id: Id<T>) -> &mut T {
        let entry = &mut self.elements[id.index];
        entry.touched = true;
        let element: &mut dyn Any = entry.element.as_mut();
        element.downcast_mut().expect("an id is made with the type of its element")
    }

    /// An element.
    pub fn get<T: Element>(&self, id: Id<T>) -> &T {
        let element: &dyn Any = self.elements[id.index].element.as_ref();
        element.downcast_ref().expect("an id is made with the type of its element")
    }

    /// The name that an element was added by.
    pub fn name<T>(&self, id: Id<T>) -> &str {
        &self.elements[id.index].name
    }

    /// Lets time pass until `done` or `deadline`, and answers whether it was `done`. It is asked after each moment at
    /// which something happened. At the end it is `deadline`, unless `done`.
    ///
    /// # Panics
    /// If an element asks to be woken in the past for ever.
    pub fn run_until(&mut self, deadline: Instant, mut done: impl FnMut(&mut Self) -> bool) -> bool {
        let mut rounds = 0;
        loop {
            self.collect();
            if done(self) {
                return true;
            }
            self.collect();
            let next = self.next_event().filter(|next| *next <= deadline);
            let Some(next) = next else {
                self.now = self.now.max(deadline);
                return false;
            };
            rounds = if next > self.now { 0 } else { rounds + 1 };
            assert!(rounds < MAX_ROUNDS, "time stands still at {}: {}", self.now, self.culprits());
            self.now = self.now.max(next);
            self.deliver();
            self.wake();
        }
    }

    /// Lets time pass.
    pub fn run_for(&mut self, duration: Duration) {
        self.run_until(self.now + duration, |_| false);
    }

    /// The time.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// The seed that repeats this run.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// A generator for the test itself, by a label of its own.
    pub fn rng(&self, label: &str) -> Rng {
        self.rng.split("test").split(label)
    }

    /// What one direction of a line has done.
    pub fn counters(&self, attachment: AttachmentId, direction: Direction) -> Counters {
        self.line(attachment, direction).counters
    }

    /// What one direction of a line is like now.
    pub fn link(&self, attachment: AttachmentId, direction: Direction) -> Link {
        self.line(attachment, direction).config
    }

    /// Bytes that wait now for the rate of one direction of a line.
    pub fn waiting(&self, attachment: AttachmentId, direction: Direction) -> usize {
        self.line(attachment, direction).waiting(self.now)
    }

    /// Packets that reached an element.
    pub fn delivered(&self) -> u64 {
        self.delivered
    }

    /// Packets for which there was no way.
    pub fn unroutable(&self) -> u64 {
        self.unroutable
    }

    fn line(&self, attachment: AttachmentId, direction: Direction) -> &Line {
        let attachment = &self.topology.attachments[attachment.0];
        match direction {
            Direction::Up => &attachment.up,
            Direction::Down => &attachment.down,
        }
    }

    fn line_mut(&mut self, attachment: AttachmentId, direction: Direction) -> &mut Line {
        let attachment = &mut self.topology.attachments[attachment.0];
        match direction {
            Direction::Up => &mut attachment.up,
            Direction::Down => &mut attachment.down,
        }
    }

    fn next_event(&self) -> Option<Instant> {
        let arrival = self.flying.peek().map(|Reverse(flight)| flight.at);
        self.elements.iter().map(|entry| entry.element.poll_timeout()).fold(arrival, earliest)
    }

    /// Takes the packets of all elements that were touched.
    fn collect(&mut self) {
        for index in 0..self.elements.len() {
            if !std::mem::take(&mut self.elements[index].touched) {
                continue;
            }
            for sent in 0.. {
                assert!(sent < MAX_BURST, "{} never stops sending", self.elements[index].name);
                let Some(packet) = self.elements[index].element.poll_packet(self.now) else { break };
                self.send(index, packet);
            }
        }
    }

    fn send(&mut self, element: usize, Outgoing { mut packet, by }: Outgoing) {
        let id = *packet.id.get_or_insert_with(|| {
            self.named += 1;
            PacketId(self.named)
        });
        for observer in &mut self.observers {
            observer.sent(self.now, &packet);
        }
        let own = &self.elements[element].attachments;
        let own = by.map_or(own.as_slice(), |Interface(n)| own.get(n..=n).unwrap_or_default());
        let hop = self.topology.route(own, packet.source.ip(), packet.destination.ip());
        self.tell_sent(element, id, &packet, hop);
        let Some(Hop { from, to, .. }) = hop else {
            self.unroutable += 1;
            return self.tell_dropped(&packet, None, Dropped::Route);
        };
        let fate = self.topology.attachments[from].up.admit(self.now, &mut packet);
        self.launch(fate, Stage::Middle, to, packet);
    }

    fn launch(&mut self, fate: Fate, stage: Stage, to: usize, packet: Packet) {
        let (first, second) = match fate {
            Ok(arrivals) => arrivals,
            Err(reason) => return self.tell_dropped(&packet, Some(to), reason),
        };
        if let Some(at) = second {
            self.push(at, stage, to, packet.clone());
        }
        self.push(first, stage, to, packet);
    }

    fn push(&mut self, at: Instant, stage: Stage, to: usize, packet: Packet) {
        self.launched += 1;
        self.flying.push(Reverse(Flight { at, number: self.launched, stage, to, packet }));
    }

    /// Tells that a packet was dropped, on the line to `to` if that is known.
    fn tell_dropped(&mut self, packet: &Packet, to: Option<usize>, reason: Dropped) {
        for observer in &mut self.observers {
            observer.dropped(self.now, packet, reason);
        }
        if let (Some(to), Some(id)) = (to, packet.id) {
            self.tell(self.topology.attachments[to].element, id, &Step::Lost(reason));
        }
    }

    fn tell(&mut self, element: usize, id: PacketId, step: &Step) {
        for observer in &mut self.observers {
            observer.step(self.now, &self.elements[element].name, id, step);
        }
    }

    fn tell_sent(&mut self, element: usize, id: PacketId, packet: &Packet, hop: Option<Hop>) {
        if self.observers.is_empty() {
            return;
        }
        let Packet { source, destination, protocol, .. } = *packet;
        self.tell(element, id, &Step::Sent { source, destination, protocol, len: packet.wire_len() });
        let name = |to: usize| self.elements[self.topology.attachments[to].element].name.clone();
        let step = match hop {
            None => Step::NoRoute,
            Some(Hop { to, router: true, .. }) => Step::ToRouter { router: name(to) },
            Some(Hop { to, .. }) => Step::SameSubnet { to: name(to) },
        };
        self.tell(element, id, &step);
    }

    /// Moves on all packets whose time has come.
    fn deliver(&mut self) {
        while self.flying.peek().is_some_and(|Reverse(flight)| flight.at <= self.now) {
            let Some(Reverse(Flight { stage, to, mut packet, .. })) = self.flying.pop() else { return };
            let attachment = &mut self.topology.attachments[to];
            match stage {
                _ if attachment.gone => self.tell_dropped(&packet, Some(to), Dropped::Gone),
                Stage::Middle => {
                    let fate = attachment.down.admit(self.now, &mut packet);
                    self.launch(fate, Stage::End, to, packet);
                }
                Stage::End => self.arrive(to, packet),
            }
        }
    }

    /// Hands a packet to the element that it reached.
    fn arrive(&mut self, to: usize, packet: Packet) {
        self.delivered += 1;
        let element = self.topology.attachments[to].element;
        for observer in &mut self.observers {
            observer.delivered(self.now, &packet);
        }
        let id = packet.id.unwrap_or_default();
        let Packet { source, destination, .. } = packet;
        self.tell(element, id, &Step::Arrived { source, destination });
        let entry = &mut self.elements[element];
        let interface = entry.attachments.iter().position(|own| *own == to).unwrap_or_default();
        entry.touched = true;
        entry.element.handle_packet(self.now, Interface(interface), packet);
        while let Some(step) = self.elements[element].element.poll_step() {
            self.tell(element, id, &step);
        }
    }

    fn wake(&mut self) {
        for entry in &mut self.elements {
            if entry.element.poll_timeout().is_some_and(|deadline| deadline <= self.now) {
                entry.touched = true;
                entry.element.handle_timeout(self.now);
            }
        }
    }

    fn culprits(&self) -> String {
        let late = |entry: &&Entry| entry.element.poll_timeout().is_some_and(|deadline| deadline <= self.now);
        let names: Vec<_> = self.elements.iter().filter(late).map(|entry| entry.name.as_str()).collect();
        if names.is_empty() { "packets go round without delay".into() } else { format!("{names:?} want to be woken") }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("this run repeats with World::new({}); it was {}", self.seed, self.now);
        }
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.elements.iter().map(|entry| entry.name.as_str()).collect();
        f.debug_struct("World")
            .field("seed", &self.seed)
            .field("now", &self.now)
            .field("elements", &names)
            .field("flying", &self.flying.len())
            .finish_non_exhaustive()
    }
}

impl<T> Clone for Id<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Id<T> {}

impl<T> fmt::Debug for Id<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Id({})", self.index)
    }
}

impl Flight {
    fn key(&self) -> (Instant, u64) {
        (self.at, self.number)
    }
}

impl PartialEq for Flight {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Flight {}

impl PartialOrd for Flight {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Flight {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}
