//! The NAT laboratory: two real [sessions](peerage_session::session::Session) in a simulated network, in virtual time.
//!
//! A [`Scenario`](scenario::Scenario) says what stands between the two; [`run`](scenario::Scenario::run) builds the
//! world, lets the two find each other through a signalling channel with delay, STUN servers and a relay, and tells the
//! [`Outcome`](outcome::Outcome): which path was found, when, and with how many checks. Nothing is mocked above the
//! network: ICE, TURN, DTLS, SCTP are those that real programs use, and the relay is the server's own machine.
//!
//! [`table`], [`types`] and [`topologies`] measure what connects, [`trace`] follows a run packet by packet, [`picture`]
//! draws it.
//!
//! Out of scope: real sockets, and networks of more than two peers.

pub mod decode;
pub mod measure;
pub mod outcome;
pub mod peer;
pub mod picture;
pub mod place;
pub mod record;
pub mod relay;
pub mod scenario;
pub mod table;
pub mod topologies;
pub mod trace;
pub mod types;
pub mod wan;
