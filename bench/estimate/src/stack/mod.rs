//! The stacks.

pub mod ours;
#[cfg(feature = "rivals")]
pub mod str0m;
