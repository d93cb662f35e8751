//! Network address translators, of every kind that RFC 4787 describes.
//!
//! A [`Nat`] is attached to the network inside first and to the one outside second, with its external addresses there,
//! and is made the gateway of the one inside:
//!
//! ```
//! use peerage_sim::nat::{Config, Nat};
//! use peerage_sim::{Link, World};
//!
//! let mut world = World::new(7);
//! let (home, internet) = (world.add_network(), world.add_network());
//! let external = "203.0.113.1".parse().unwrap();
//! let rng = world.rng("nat");
//! let nat = world.add("nat", Nat::new(Config::port_restricted(), &[external], rng));
//! let inner = world.attach(nat, home, &["192.168.1.1".parse().unwrap()], Link::default(), Link::default());
//! world.attach(nat, internet, &[external], Link::default(), Link::default());
//! world.set_gateway(home, Some(inner));
//! ```
//!
//! What it does to a packet it tells as [`Step`](crate::step::Step)s, and its [table](Nat::rows) can be read and
//! printed at any time. Errors by ICMP and resets of TCP are not modelled: a packet that may not pass is dropped.

pub mod config;
pub mod element;
mod ports;
pub mod table;

pub use config::Config;
pub use element::Nat;
