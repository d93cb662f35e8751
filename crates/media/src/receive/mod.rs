//! From packets to frames.
//!
//! What a receiver does with RTP once SRTP is taken off. [`source`] keeps the statistics of a stream and tells where in it a
//! packet belongs; [`video`] puts frames together, asks for what is missing and says when to show what; [`audio`] is the
//! jitter buffer that decides every 10 ms what is heard, with [`stretch`] for the samples. [`repair`] undoes retransmission and
//! redundancy before that, [`passing`] passes packets on as they are, [`sync`] holds sound and picture together, [`feedback`] records arrivals for the peer's
//! estimator. Nothing here decodes.

pub mod audio;
pub mod feedback;
pub mod frames;
pub mod freezes;
#[cfg(any(test, feature = "fuzz"))]
#[doc(hidden)]
pub mod fuzz;
pub mod histogram;
pub mod key_request;
pub mod nack;
pub mod noise;
pub mod outages;
pub mod packets;
pub mod passing;
pub mod playback;
pub mod playout;
pub mod references;
pub mod repair;
pub mod source;
pub mod stretch;
pub mod sync;
pub mod transit;
pub mod video;
