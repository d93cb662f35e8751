//! The driver of an endpoint: one task that owns the sockets, the buffers and the deadlines of all its connections.

pub(crate) mod arrivals;
pub(crate) mod driver;
pub(crate) mod ports;
pub(crate) mod ready;
pub(crate) mod streams;

mod addresses;
mod connect;
mod gather;
mod mapping;
mod receive;
mod routes;
mod timers;
