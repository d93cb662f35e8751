//! What comes in: which TSNs have arrived, and messages put together from fragments.

pub(crate) mod acks;
pub(crate) mod arena;
pub(crate) mod inbox;
pub(crate) mod reassembly;
pub(crate) mod run;
pub(crate) mod streams;
pub(crate) mod tracker;
pub(crate) mod window;
