//! Offer/answer as a pure function: state and description to plan (RFC 9429, RFC 3264, RFC 9143, RFC 8841, RFC 8842).
//!
//! A [`Negotiation`](negotiation::Negotiation) holds what both sides have said. It writes offers and answers, applies
//! them, and answers every application with a [`Plan`](plan::Plan): what the owner's transports have to do now. It makes
//! no keys, reads no clock and sends nothing. A call that fails changes nothing.
//!
//! ```
//! use peerage_jsep::config::Config;
//! use peerage_jsep::local::LocalTransport;
//! use peerage_jsep::negotiation::Negotiation;
//!
//! # let transport = |ufrag: &str| LocalTransport {
//! #     ufrag: ufrag.into(),
//! #     pwd: "0123456789abcdefghijklmn".into(),
//! #     fingerprints: vec![format!("sha-256 {}", ["00"; 32].join(":"))],
//! #     ..LocalTransport::default()
//! # };
//! let (here, there) = (transport("here"), transport("there"));
//! let mut offerer = Negotiation::new(Config::new(1));
//! let mut answerer = Negotiation::new(Config::new(2));
//! offerer.want_data();
//! let offer = offerer.create_offer(&here, Default::default())?;
//! offerer.set_local(Some(offer.clone()), &here)?;
//! answerer.set_remote(offer)?;
//! let answer = answerer.create_answer(&there)?;
//! answerer.set_local(Some(answer.clone()), &there)?;
//! let plan = offerer.set_remote(answer)?;
//! assert_eq!(plan.data.unwrap().remote_port, 5000);
//! # Ok::<(), peerage_jsep::error::Error>(())
//! ```
//!
//! One transport is negotiated, and on it one data section and, where [`Config::media`](config::Config::media) says what
//! our side has, audio and video: transceivers, whose sections an offer adds, closes and uses again, and what an answer
//! settles of them ([`Plan::media`](plan::Plan::media), [`Plan::tracks`](plan::Plan::tracks)). Without it, and for what has
//! no transport in common or no codec, sections of audio and video are refused one by one, in a form that both browsers
//! take, and never fail the exchange; only an RTP section that carries the transport of the others stays open, without
//! media.
//!
//! Where the owner gives one, descriptions carry the SCTP INIT chunk of the association (draft-hancke-tsvwg-snap-00), and
//! the plan has that of the peer.
#![no_std]

extern crate alloc;

mod agreement;
mod answer;
mod apply;
pub mod candidate;
pub mod capability;
mod check;
mod codec;
mod compose;
pub mod config;
pub mod description;
pub mod error;
mod facts;
mod folded;
#[cfg(any(test, feature = "fuzz"))]
#[doc(hidden)]
pub mod fuzz;
mod held;
pub mod local;
mod media;
pub mod negotiation;
mod numbers;
mod offer;
pub mod plan;
mod process;
mod rtp;
pub mod signaling;
pub mod transceiver;
mod transceivers;
mod write;
mod write_media;
