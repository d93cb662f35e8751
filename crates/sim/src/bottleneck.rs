//! One narrow line that several flows share: hosts to the left and to the right of a router.
//!
//! ```
//! use peerage_sim::bottleneck::{Bottleneck, Side};
//! use peerage_sim::{Link, World};
//!
//! let mut world = World::new(7);
//! // Narrow to the right, and back a plain delay.
//! let narrow = Link { rate: Some(10_000_000), ..Link::default() };
//! let mut between = Bottleneck::new(&mut world, narrow, Link::default());
//! let seat = between.seat(Side::Left);
//! assert_eq!(between.waiting(&world, Side::Right), 0);
//! # let _ = seat;
//! ```

use std::net::{IpAddr, Ipv4Addr};

use crate::link::{Counters, Link};
use crate::network::{AttachmentId, Direction, NetworkId};
use crate::router::Router;
use crate::world::{Id, World};

/// A side of the narrow line; of a direction, the side that it leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// 198.18.0.0/16.
    Left,
    /// 198.19.0.0/16.
    Right,
}

/// Two networks and the line between them.
#[derive(Debug)]
pub struct Bottleneck {
    networks: [NetworkId; 2],
    line: AttachmentId,
    taken: [u16; 2],
}

/// A place for a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seat {
    /// The network.
    pub network: NetworkId,
    /// The address to have in it.
    pub address: IpAddr,
}

impl Bottleneck {
    /// Two networks, and a line that is like `right` on the way to the right and like `left` on the way back.
    pub fn new(world: &mut World, right: Link, left: Link) -> Self {
        let networks = [world.add_network(), world.add_network()];
        let router = world.add("bottleneck", Router::new());
        let near = world.attach(router, networks[0], &[], Link::default(), Link::default());
        let line = world.attach(router, networks[1], &[], right, left);
        world.set_gateway(networks[0], Some(near));
        world.set_gateway(networks[1], Some(line));
        Self { networks, line, taken: [0; 2] }
    }

    /// A place for one more host.
    ///
    /// # Panics
    /// If the network is full.
    pub fn seat(&mut self, side: Side) -> Seat {
        let taken = &mut self.taken[side as usize];
        *taken = taken.checked_add(1).expect("a side has room for 65535 hosts");
        let [high, low] = taken.to_be_bytes();
        let address = Ipv4Addr::new(198, 18 + side as u8, high, low).into();
        Seat { network: self.networks[side as usize], address }
    }

    /// Changes the line in one direction from now on.
    pub fn set(&self, world: &mut World, towards: Side, link: Link) {
        world.set_link(self.line, direction(towards), link);
    }

    /// What the line is like in one direction.
    pub fn link(&self, world: &World, towards: Side) -> Link {
        world.link(self.line, direction(towards))
    }

    /// What the line has done in one direction.
    pub fn counters(&self, world: &World, towards: Side) -> Counters {
        world.counters(self.line, direction(towards))
    }

    /// Bytes that wait for the line in one direction.
    pub fn waiting(&self, world: &World, towards: Side) -> usize {
        world.waiting(self.line, direction(towards))
    }
}

impl Seat {
    /// Puts an element here, with a line of its own to the network: `up` towards it, `down` from it.
    pub fn attach<T>(&self, world: &mut World, element: Id<T>, up: Link, down: Link) -> AttachmentId {
        world.attach(element, self.network, &[self.address], up, down)
    }
}

/// The line is the router's attachment to the network on the right.
fn direction(towards: Side) -> Direction {
    match towards {
        Side::Left => Direction::Down,
        Side::Right => Direction::Up,
    }
}
