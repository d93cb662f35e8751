//! The ICE agent (RFC 8445), full or lite, over UDP and TCP (RFC 6544), with trickle (RFC 8838), consent freshness
//! (RFC 7675), patience (RFC 8863) and renomination (draft-thatcher-ice-renomination).
//!
//! [`agent::Agent`] is a machine: it owns no socket, no clock and no randomness. It is told of local ends, of the peer's
//! credentials and candidates, of datagrams and of time; it answers with packets to send and with events. A relay is one
//! more local end: the owner wraps what leaves from it.
//!
//! ```
//! use peerage_base::{path::LocalId, rng::Rng, slot::Slot, time::Instant};
//! use peerage_ice::{agent::Agent, config::{Config, Role}, event::Event, local::LocalKind};
//!
//! let now = Instant::ORIGIN;
//! let mut agent = Agent::new(Config::default(), Role::Controlling, Rng::from_u64(1), now);
//! agent.add_local(now, LocalId(0), "192.0.2.1:5000".parse()?, LocalKind::Host, u16::MAX);
//! agent.local_addresses_done(now);
//! // Into the offer, as are the credentials; the peer's go to `set_remote_credentials` and `add_remote`.
//! let Some(Event::GatheringState(_)) = agent.poll_event() else { panic!() };
//! let Some(Event::LocalCandidate(candidate)) = agent.poll_event() else { panic!() };
//! assert!(candidate.to_string().starts_with("candidate:1 1 udp 2130706431 192.0.2.1 5000 typ host ufrag "));
//! // After every batch of inputs: transmits, then events, then the deadline.
//! let mut buf = [0; 1200];
//! assert!(agent.poll_transmit(now, &mut Slot::new(&mut buf, 0, 0, 1200)).is_none());
//! assert!(agent.poll_timeout().is_none());
//! # Ok::<(), core::net::AddrParseError>(())
//! ```
//!
//! Who does what: `ends` and `gather` find local candidates, `pairing` makes pairs, `connections` opens those of TCP,
//! `checks` decides what is sent when, `requests` and `responses` take the peer's checks and its answers, `nominate`
//! chooses, `carry` lets checks carry the owner's packets, `seek` looks for something better than a relay or than silence, `lite` follows instead of checking,
//! `progress` draws conclusions, and `punch` tries what plain ICE cannot.
//!
//! Out of scope: more than one component or data stream, which BUNDLE and rtcp-mux leave no use for, TCP candidates of
//! relays (RFC 6062), and server-reflexive TCP candidates other than those that the owner knows of.
#![no_std]

extern crate alloc;

pub mod agent;
pub mod attachment;
#[cfg(test)]
mod browsers;
pub mod candidate;
mod carry;
mod checklist;
mod checks;
pub mod config;
mod connections;
pub mod credentials;
mod ends;
pub mod error;
pub mod event;
#[cfg(any(test, feature = "fuzz"))]
#[doc(hidden)]
pub mod fuzz;
mod gather;
mod generation;
mod lite;
pub mod local;
mod nominate;
mod pair;
mod pairing;
pub mod priority;
mod progress;
pub mod punch;
mod requests;
mod responses;
mod seek;
mod servers;
mod shrink;
pub mod stats;
mod wire;
