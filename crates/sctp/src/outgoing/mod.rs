//! What goes out: messages waiting in their channels' turn, and chunks on their way.

pub(crate) mod blocks;
pub(crate) mod flight;
pub(crate) mod queue;
pub(crate) mod scheduler;
