//! Worlds of small machines: routing, time, repeatability.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use peerage_base::datagram::{Datagram, Transmit};
use peerage_base::ecn::Ecn;
use peerage_base::path::{LocalId, Path};
use peerage_base::time::{Duration, Instant};
use peerage_sim::element::{Element, Interface, Outgoing};
use peerage_sim::link::{Drop, Loss};
use peerage_sim::network::Direction;
use peerage_sim::observer::Observer;
use peerage_sim::packet::Packet;
use peerage_sim::pcap::PcapWriter;
use peerage_sim::world::Id;
use peerage_sim::{Host, Link, Node, World};

const MS: Duration = Duration::from_millis(1);
const SOCKET: LocalId = LocalId(0);

/// Sends a numbered datagram each interval; answers requests; notes answers.
#[derive(Default)]
struct Pinger {
    peer: Option<SocketAddr>,
    interval: Duration,
    next: Option<Instant>,
    sent: u8,
    answers: VecDeque<(Path, Vec<u8>)>,
    pongs: Vec<(Instant, u8)>,
}

impl Pinger {
    fn towards(peer: &str, interval: Duration) -> Self {
        Self { peer: Some(address(peer)), interval, next: Some(Instant::ORIGIN), ..Self::default() }
    }
}

impl Node for Pinger {
    fn handle_datagram(&mut self, now: Instant, datagram: Datagram<'_>) {
        match *datagram.payload {
            [b'?', n] => self.answers.push_back((datagram.path, vec![b'!', n])),
            [b'!', n] => self.pongs.push((now, n)),
            _ => panic!("unexpected payload"),
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        if let (Some(next), Some(peer)) = (self.next.filter(|next| *next <= now), self.peer) {
            self.answers.push_back((Path { local: SOCKET, remote: peer }, vec![b'?', self.sent]));
            self.sent += 1;
            self.next = (self.sent < 100).then_some(next + self.interval);
        }
    }

    fn poll_transmit(&mut self, _: Instant, buf: &mut [u8]) -> Option<Transmit> {
        let (path, payload) = self.answers.pop_front()?;
        buf[..payload.len()].copy_from_slice(&payload);
        Some(Transmit { ecn: Ecn::Ect0, ..Transmit::single(path, payload.len()) })
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.next
    }
}

/// Forwards whatever it gets.
#[derive(Default)]
struct Router(VecDeque<Packet>);

impl Element for Router {
    fn handle_packet(&mut self, _: Instant, _: Interface, packet: Packet) {
        self.0.push_back(packet);
    }

    fn handle_timeout(&mut self, _: Instant) {}

    fn poll_packet(&mut self, _: Instant) -> Option<Outgoing> {
        Some(self.0.pop_front()?.into())
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn two_hosts(seed: u64, link: Link) -> (World, Id<Host<Pinger>>) {
    let mut world = World::new(seed);
    let internet = world.add_network();
    let (a, b) = ("192.0.2.1:1000", "192.0.2.2:2000");
    let lines = [link, Link::default()];
    let pinger = world.add_host("a", Pinger::towards(b, MS), internet, &[(SOCKET, address(a))], lines);
    world.add_host("b", Pinger::default(), internet, &[(SOCKET, address(b))], lines);
    (world, pinger)
}

#[test]
fn a_round_trip_takes_the_delay_of_both_lines() {
    let (mut world, pinger) = two_hosts(1, Link::with_delay(20 * MS));
    assert!(world.run_until(Instant::from_millis(1000), |w| !w.get(pinger).node.pongs.is_empty()));
    assert_eq!(world.now(), Instant::from_millis(40));
    assert_eq!(world.get(pinger).node.pongs, [(Instant::from_millis(40), 0)]);
}

#[test]
fn a_run_ends_at_its_deadline_even_if_nothing_happens() {
    let mut world = World::new(1);
    assert!(!world.run_until(Instant::from_millis(70), |_| false));
    assert_eq!(world.now(), Instant::from_millis(70));
    world.run_for(5 * MS);
    assert_eq!(world.now(), Instant::from_millis(75));
}

#[test]
fn the_same_seed_repeats_a_run_and_another_does_not() {
    let link =
        Link { jitter: 10 * MS, loss: Loss::Random(0.2), duplicate: 0.1, reorder: 0.1, ..Link::with_delay(20 * MS) };
    let run = |seed| {
        let (mut world, pinger) = two_hosts(seed, link);
        world.run_for(Duration::from_secs(2));
        (world.get(pinger).node.pongs.clone(), world.delivered())
    };
    assert_eq!(run(5), run(5));
    assert_ne!(run(5), run(6));
    let (pongs, _) = run(5);
    assert!((30..100).contains(&pongs.len()), "{}", pongs.len());
}

#[test]
fn lines_can_be_cut_and_mended() {
    let mut world = World::new(1);
    let internet = world.add_network();
    let pinger = world.add(
        "a",
        Host::new(Pinger::towards("[2001:db8::2]:2", 10 * MS)).with_socket(SOCKET, address("[2001:db8::1]:1")),
    );
    let line = world.attach(pinger, internet, &[ip("2001:db8::1")], Link::default(), Link::default());
    world.add_host("b", Pinger::default(), internet, &[(SOCKET, address("[2001:db8::2]:2"))], [Link::default(); 2]);
    world.set_link(line, Direction::Down, Link { loss: Loss::Random(1.0), ..Link::default() });
    world.run_for(95 * MS);
    assert!(world.get(pinger).node.pongs.is_empty());
    assert_eq!(world.counters(line, Direction::Down).lost, 10);
    world.set_link(line, Direction::Down, Link::default());
    world.run_for(50 * MS);
    assert_eq!(world.get(pinger).node.pongs.len(), 5);
    assert_eq!(world.counters(line, Direction::Up).packets, 15);
}

#[test]
fn unknown_addresses_have_no_route() {
    let mut world = World::new(1);
    let internet = world.add_network();
    let sockets = [(SOCKET, address("192.0.2.1:1"))];
    world.add_host("a", Pinger::towards("192.0.2.9:2", MS), internet, &sockets, [Link::default(); 2]);
    world.run_for(Duration::from_secs(1));
    assert_eq!((world.unroutable(), world.delivered()), (100, 0));
}

#[test]
fn an_element_between_networks_forwards_through_gateways() {
    let mut world = World::new(1);
    let (home, internet) = (world.add_network(), world.add_network());
    let inside = [(SOCKET, address("10.0.0.2:1"))];
    let pinger = world.add_host("inside", Pinger::towards("192.0.2.2:2", MS), home, &inside, [Link::with_delay(MS); 2]);
    let outside = [(SOCKET, address("192.0.2.2:2"))];
    world.add_host("outside", Pinger::default(), internet, &outside, [Link::with_delay(10 * MS); 2]);
    let router = world.add("router", Router::default());
    let port = world.attach(router, home, &[ip("10.0.0.1")], Link::default(), Link::default());
    let uplink = world.attach(router, internet, &[ip("192.0.2.1")], Link::with_delay(5 * MS), Link::default());
    world.set_gateway(home, Some(port));
    world.run_for(20 * MS);
    assert_eq!(world.unroutable(), 5, "the internet knows no way back yet");
    world.set_gateway(internet, Some(uplink));
    assert!(world.run_until(Instant::from_millis(60), |w| w.get(pinger).node.pongs.len() >= 3));
    let (at, n) = world.get(pinger).node.pongs[0];
    assert_eq!(at, Instant::from_millis(u64::from(n) + 1 + 5 + 10 + 10 + 1));
}

#[test]
fn a_host_can_move_to_another_address() {
    let mut world = World::new(1);
    let internet = world.add_network();
    let pinger =
        world.add("a", Host::new(Pinger::towards("192.0.2.2:2", 10 * MS)).with_socket(SOCKET, address("192.0.2.1:1")));
    let line = world.attach(pinger, internet, &[ip("192.0.2.1")], Link::default(), Link::default());
    world.add_host("b", Pinger::default(), internet, &[(SOCKET, address("192.0.2.2:2"))], [Link::default(); 2]);
    world.run_for(25 * MS);
    world.set_addresses(line, &[ip("198.51.100.7")]);
    world.run_for(20 * MS);
    assert_eq!((world.get(pinger).node.pongs.len(), world.unroutable()), (3, 2), "the old address leads nowhere");
    world.get_mut(pinger).bind(SOCKET, address("198.51.100.7:1"));
    world.run_for(20 * MS);
    assert_eq!(world.get(pinger).node.pongs.len(), 5);
}

#[derive(Default)]
struct Tally {
    sent: usize,
    delivered: Vec<Ecn>,
    dropped: Vec<Drop>,
}

impl Observer for Tally {
    fn sent(&mut self, _: Instant, _: &Packet) {
        self.sent += 1;
    }

    fn delivered(&mut self, _: Instant, packet: &Packet) {
        self.delivered.push(packet.ecn);
    }

    fn dropped(&mut self, _: Instant, _: &Packet, reason: Drop) {
        self.dropped.push(reason);
    }
}

#[test]
fn observers_see_packets_marks_and_drops() {
    // A packet of 30 bytes takes 3 ms at this rate and one enters each millisecond.
    let link = Link { rate: Some(80_000), queue: 100, mark_above: Some(50), ..Link::default() };
    let (mut world, _) = two_hosts(1, link);
    let tally = Rc::new(RefCell::new(Tally::default()));
    let capture = Rc::new(RefCell::new(PcapWriter::new(Vec::new()).unwrap()));
    world.observe(tally.clone());
    world.observe(capture.clone());
    world.run_for(Duration::from_secs(2));
    drop(world);
    let tally = tally.take();
    assert_eq!(tally.sent, tally.delivered.len() + tally.dropped.len());
    assert!(tally.dropped.len() > 30 && tally.dropped.iter().all(|d| *d == Drop::Queue));
    assert!(tally.delivered.contains(&Ecn::Ce) && tally.delivered.contains(&Ecn::Ect0));
    let capture = Rc::into_inner(capture).unwrap().into_inner().finish().unwrap();
    assert_eq!(capture.len(), 24 + tally.sent * (16 + 30));
}

/// Wants to be woken at a moment that has passed.
struct Stuck;

impl Element for Stuck {
    fn handle_packet(&mut self, _: Instant, _: Interface, _: Packet) {}

    fn handle_timeout(&mut self, _: Instant) {}

    fn poll_packet(&mut self, _: Instant) -> Option<Outgoing> {
        None
    }

    fn poll_timeout(&self) -> Option<Instant> {
        Some(Instant::from_millis(1))
    }
}

#[test]
#[should_panic(expected = "[\"stuck\"] want to be woken")]
fn a_deadline_that_stays_in_the_past_is_named() {
    let mut world = World::new(1);
    world.add("stuck", Stuck);
    world.run_for(Duration::from_secs(1));
}

#[test]
#[should_panic(expected = "192.0.2.1 is taken")]
fn an_address_belongs_to_one() {
    let mut world = World::new(1);
    let internet = world.add_network();
    for name in ["a", "b"] {
        let sockets = [(SOCKET, address("192.0.2.1:1"))];
        world.add_host(name, Pinger::default(), internet, &sockets, [Link::default(); 2]);
    }
}
