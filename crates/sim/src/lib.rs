//! Virtual time, links, networks and NATs for deterministic tests.
//!
//! A [`world::World`] holds elements and the networks between them. An element speaks the machine verbs at the level of
//! packets with addresses: a [`host::Host`] wraps a machine that implements [`host::Node`]; what sits between networks
//! (a router, a NAT) implements [`element::Element`] itself. Each attachment of an element to a network has a link in
//! either direction, with delay, jitter, loss, reordering, duplication, a rate with a bounded queue, an MTU and ECN marks.
//!
//! ```
//! use peerage_sim::{Link, World};
//! # use peerage_base::{datagram::{Datagram, Transmit}, time::Instant};
//! # use peerage_sim::host::{Host, Node};
//! # struct Silent;
//! # impl Node for Silent {
//! #     fn handle_datagram(&mut self, _: Instant, _: Datagram<'_>) {}
//! #     fn handle_timeout(&mut self, _: Instant) {}
//! #     fn poll_transmit(&mut self, _: Instant, _: &mut [u8]) -> Option<Transmit> { None }
//! #     fn poll_timeout(&self) -> Option<Instant> { None }
//! # }
//! let mut world = World::new(7);
//! let internet = world.add_network();
//! let host = world.add("host", Host::new(Silent));
//! world.attach(host, internet, &["192.0.2.1".parse().unwrap()], Link::default(), Link::default());
//! assert!(!world.run_until(Instant::from_millis(100), |_| false));
//! ```
//!
//! [`bottleneck`] lets several hosts share one narrow line, with a queue that is watched. [`nat`] has address translators of every kind, [`topology`] the worlds that come up again and again: two hosts and
//! what stands between them. What happens to each packet on its way can be [observed](observer::Observer::step) step by
//! step.
//!
//! Everything random comes from the seed of the world, which is printed when a test panics; the same seed repeats the
//! run.

pub mod bottleneck;
pub mod element;
pub mod host;
pub mod link;
pub mod nat;
pub mod network;
pub mod observer;
pub mod packet;
pub mod pcap;
pub mod router;
pub mod step;
pub mod topology;
pub mod world;

pub use host::{Host, Node};
pub use link::Link;
pub use nat::Nat;
pub use world::World;
