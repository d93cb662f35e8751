//! WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep): who publishes sends a description by HTTP and audio and video over WebRTC;
//! viewers do likewise, and get what is published as it comes, without decoding, in the layers that their paths carry.

pub mod config;
#[cfg(any(test, feature = "fuzz"))]
#[doc(hidden)]
pub mod fuzz;

mod access;
pub(crate) mod counters;
pub(crate) mod desk;
mod forward;
mod ice_servers;
pub(crate) mod name;
mod negotiate;
mod offer;
pub(crate) mod peers;
mod publish;
mod request;
pub(crate) mod routes;
mod sdpfrag;
mod session;
mod stage;
mod view;
