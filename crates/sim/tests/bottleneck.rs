//! Hosts that share a narrow line.

use std::net::SocketAddr;

use peerage_base::path::{LocalId, Path};
use peerage_base::time::{Duration, Instant};
use peerage_sim::bottleneck::{Bottleneck, Side};
use peerage_sim::link::Link;
use peerage_sim::world::Id;
use peerage_sim::{Host, World};

mod common;

use common::Peer;

const MS: Duration = Duration::from_millis(1);
const SOCKET: LocalId = LocalId(0);

/// A host of its own, 5 ms away from the router.
fn host(world: &mut World, between: &mut Bottleneck, side: Side) -> (Id<Host<Peer>>, SocketAddr) {
    let seat = between.seat(side);
    let address = SocketAddr::new(seat.address, 9);
    let id = world.add("host", Host::new(Peer::default()).with_socket(SOCKET, address));
    seat.attach(world, id, Link::with_delay(5 * MS), Link::default());
    (id, address)
}

fn send(world: &mut World, (from, _): (Id<Host<Peer>>, SocketAddr), remote: SocketAddr, len: usize) {
    world.get_mut(from).node.outbox.push_back((Path { local: SOCKET, remote }, vec![0; len]));
}

#[test]
fn all_hosts_of_a_side_share_the_line_and_its_queue() {
    let mut world = World::new(1);
    // 1000 bytes take 1 ms to the right and 10 ms to the left.
    let right = Link { rate: Some(8_000_000), queue: 3000, ..Link::with_delay(20 * MS) };
    let left = Link { rate: Some(800_000), ..Link::with_delay(40 * MS) };
    let mut between = Bottleneck::new(&mut world, right, left);
    let near = [(); 2].map(|()| host(&mut world, &mut between, Side::Left));
    let far = [(); 2].map(|()| host(&mut world, &mut between, Side::Right));
    for flow in [0, 1, 0, 1] {
        send(&mut world, near[flow], far[flow].1, 972);
    }
    send(&mut world, far[1], near[0].1, 972);
    world.run_until(Instant::from_millis(5), |_| false);
    assert_eq!((between.waiting(&world, Side::Right), between.waiting(&world, Side::Left)), (3000, 1000));
    world.run_until(Instant::from_millis(6), |_| false);
    assert_eq!(between.waiting(&world, Side::Right), 2000);
    world.run_until(Instant::from_millis(28), |_| false);
    assert_eq!(far.map(|(id, _)| world.get(id).node.inbox.len()), [2, 1], "the fourth found the queue full");
    world.run_until(Instant::from_millis(54), |_| false);
    assert_eq!(world.get(near[0].0).node.inbox.len(), 0);
    world.run_until(Instant::from_millis(55), |_| false);
    assert_eq!(world.get(near[0].0).node.inbox.len(), 1, "5 + 10 + 40");
    let counters = between.counters(&world, Side::Right);
    assert_eq!((counters.packets, counters.bytes, counters.queue_full, counters.most_waiting), (3, 3000, 1, 3000));
}

#[test]
fn hosts_of_one_side_do_not_go_through_the_line_and_nothing_goes_round() {
    let mut world = World::new(2);
    let mut between = Bottleneck::new(&mut world, Link::default(), Link::default());
    let near = [(); 2].map(|()| host(&mut world, &mut between, Side::Left));
    send(&mut world, near[0], near[1].1, 1);
    send(&mut world, near[0], "203.0.113.1:9".parse().unwrap(), 1);
    world.run_for(100 * MS);
    assert_eq!(world.get(near[1].0).node.inbox.len(), 1);
    assert_eq!(between.counters(&world, Side::Right).packets, 0);
    assert_eq!(world.unroutable(), 1, "the router drops what the other network does not know");
}

#[test]
fn the_line_changes_in_mid_flight() {
    let mut world = World::new(3);
    let mut between = Bottleneck::new(&mut world, Link::with_delay(20 * MS), Link::default());
    let near = host(&mut world, &mut between, Side::Left);
    let far = host(&mut world, &mut between, Side::Right);
    let narrow = Link { mtu: Some(1280), ..between.link(&world, Side::Right) };
    between.set(&mut world, Side::Right, narrow);
    for len in [1252, 1253] {
        send(&mut world, near, far.1, len);
    }
    world.run_for(100 * MS);
    assert_eq!(world.get(far.0).node.inbox.len(), 1);
    assert_eq!(between.counters(&world, Side::Right).too_long, 1);
}
