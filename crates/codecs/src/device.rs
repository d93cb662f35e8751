//! Microphones and speakers by `cpal`, cameras by `nokhwa`; feature `devices`.
//!
//! Sound comes and goes on threads of the system's, through queues that hold at most [`QUEUE`]: what is not fetched in time
//! is dropped rather than heard late.

pub mod camera;
pub mod microphone;
mod queue;
pub mod sound;
pub mod speaker;

use std::time::Duration;

/// What a queue between a device and its user holds at most.
pub const QUEUE: Duration = Duration::from_millis(200);
