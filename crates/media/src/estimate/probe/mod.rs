//! Bursts that show whether there is more: when to send them, and what they have shown.

pub(super) mod cluster;
pub(super) mod plan;
