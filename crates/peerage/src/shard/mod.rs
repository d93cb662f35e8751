//! The driver of an endpoint: one task that owns the sockets, the buffers and the deadlines of all its connections.

pub(crate) mod arrivals;
pub(crate) mod driver;
pub(crate) mod ready;

pub(crate) mod ports;

mod addresses;
mod routes;
mod timers;
