//! The whole way of a packet, as an observer is told it.

mod common;

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;

use common::Peer;
use peerage_base::path::LocalId;
use peerage_base::time::{Duration, Instant};
use peerage_sim::World;
use peerage_sim::nat::Config;
use peerage_sim::observer::Observer;
use peerage_sim::packet::PacketId;
use peerage_sim::step::Step;
use peerage_sim::topology::{Behind, Families, Plan, Shape};

const SOCKET: LocalId = LocalId(0);

#[derive(Default)]
struct Story(Vec<(PacketId, String)>);

impl Observer for Story {
    fn step(&mut self, now: Instant, at: &str, packet: PacketId, step: &Step) {
        let millis = now.as_nanos() / 1_000_000;
        self.0.push((packet, format!("{millis} ms, {at}: {step}")));
    }
}

impl Story {
    fn of(&self, number: u64) -> Vec<&str> {
        self.0.iter().filter(|(id, _)| *id == PacketId(number)).map(|(_, line)| line.as_str()).collect()
    }
}

#[test]
fn each_packet_keeps_its_number_from_host_to_host_and_back_through_two_nats() {
    let mut world = World::new(3);
    let story = Rc::new(RefCell::new(Story::default()));
    world.observe(story.clone());
    let double = Behind::Double { home: Config::port_restricted(), carrier: Config::full_cone() };
    let pair = Plan::new(Shape::Apart(double, Behind::Nothing)).build(&mut world);
    let [(a, _), (b, _)] =
        [0, 1].map(|side| pair.seats[side].put_node(&mut world, ["a", "b"][side], Peer::default(), 5000));
    let to = SocketAddr::new(pair.seats[1].addresses[0], 5000);
    world.get_mut(a).node.send(SOCKET, to, b"there");
    world.run_for(Duration::from_millis(50));
    let from = world.get(b).node.sender_of(b"there").unwrap();
    world.get_mut(b).node.send(SOCKET, from, b"back");
    world.run_for(Duration::from_millis(50));
    world.get_mut(b).node.send(SOCKET, "203.0.113.9:1".parse().unwrap(), b"lost");
    world.run_for(Duration::from_millis(50));

    let story = story.borrow();
    assert_eq!(
        story.of(1),
        [
            "0 ms, a: UDP 192.168.2.2:5000 -> 192.0.2.1:5000, 33 bytes",
            "0 ms, a: same subnet? no: to the router, NAT 2",
            "1 ms, NAT 2: arrived: 192.168.2.2:5000 -> 192.0.2.1:5000",
            "1 ms, NAT 2: new row: UDP 192.168.2.2:5000 = 100.64.1.2:5000, towards 192.0.2.1:5000",
            "1 ms, NAT 2: source rewritten: 192.168.2.2:5000 => 100.64.1.2:5000",
            "1 ms, NAT 2: UDP 100.64.1.2:5000 -> 192.0.2.1:5000, 33 bytes",
            "1 ms, NAT 2: same subnet? no: to the router, NAT 1",
            "10 ms, NAT 1: arrived: 100.64.1.2:5000 -> 192.0.2.1:5000",
            "10 ms, NAT 1: new row: UDP 100.64.1.2:5000 = 203.0.113.1:5000, towards 192.0.2.1:5000",
            "10 ms, NAT 1: source rewritten: 100.64.1.2:5000 => 203.0.113.1:5000",
            "10 ms, NAT 1: UDP 203.0.113.1:5000 -> 192.0.2.1:5000, 33 bytes",
            "10 ms, NAT 1: same subnet? yes: straight to b",
            "20 ms, b: arrived: 203.0.113.1:5000 -> 192.0.2.1:5000",
        ]
    );
    let back = story.of(2);
    assert_eq!(back.len(), 15, "{back:#?}");
    assert_eq!(back[3], "60 ms, NAT 1: row: UDP 100.64.1.2:5000 = 203.0.113.1:5000, towards 192.0.2.1:5000");
    assert_eq!(back[4], "60 ms, NAT 1: filter: let in, anybody may send here");
    assert_eq!(back[10], "69 ms, NAT 2: filter: let in, the inside has sent to 192.0.2.1:5000");
    assert_eq!(back[14], "70 ms, a: arrived: 192.0.2.1:5000 -> 192.168.2.2:5000");
    assert_eq!(story.of(3)[1], "100 ms, b: same subnet? no; no router knows the destination: dropped");
}

#[test]
fn what_is_under_way_to_a_host_that_leaves_is_lost() {
    let mut world = World::new(3);
    let story = Rc::new(RefCell::new(Story::default()));
    world.observe(story.clone());
    let pair = Plan::new(Shape::Apart(Behind::Nothing, Behind::Nothing)).build(&mut world);
    let [(a, _), (b, attachment)] =
        [0, 1].map(|side| pair.seats[side].put_node(&mut world, ["a", "b"][side], Peer::default(), 5000));
    world.get_mut(a).node.send(SOCKET, SocketAddr::new(pair.seats[1].addresses[0], 5000), b"late");
    world.run_for(Duration::from_micros(1500));
    world.detach(attachment);
    world.run_for(Duration::from_millis(50));
    assert!(world.get(b).node.inbox.is_empty());
    assert_eq!(story.borrow().of(1).last(), Some(&"2 ms, b: lost on the line: the receiver has left the network"));
    world.get_mut(b).node.send(SOCKET, SocketAddr::new(pair.seats[0].addresses[0], 5000), b"gone");
    world.run_for(Duration::from_millis(50));
    assert!(world.get(a).node.inbox.is_empty() && world.unroutable() == 1);
}

#[test]
fn a_host_with_two_lines_uses_the_one_whose_address_it_sends_from() {
    let mut world = World::new(3);
    let plan = Plan::new(Shape::Apart(Behind::Nat(Config::full_cone()), Behind::Nat(Config::full_cone())));
    let mut pair = plan.build(&mut world);
    let (host, _) = pair.seats[0].put_node(&mut world, "host", Peer::default(), 5000);
    let second = &pair.seats[1];
    second.join(&mut world, host);
    world.get_mut(host).bind(LocalId(1), (second.addresses[0], 5000).into());
    let seat = pair.internet.seat(Families::V4);
    let (server, _) = seat.put_node(&mut world, "server", Peer::default(), 1000);
    for line in 0..2 {
        world.get_mut(host).node.send(LocalId(line), (seat.addresses[0], 1000).into(), &[line as u8]);
    }
    world.run_for(Duration::from_millis(50));
    let seen = [[0], [1]].map(|payload| world.get(server).node.sender_of(&payload).unwrap().to_string());
    assert_eq!(seen, ["203.0.113.1:5000", "203.0.113.2:5000"]);
}
