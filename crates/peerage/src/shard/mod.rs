//! The driver of an endpoint: tasks, each of which owns sockets, buffers and the deadlines of the connections that are at
//! home there.

pub(crate) mod arrivals;
pub(crate) mod crew;
pub(crate) mod driver;
pub(crate) mod ends;
pub(crate) mod flush;
pub(crate) mod outlet;
pub(crate) mod outside;
pub(crate) mod ports;
pub(crate) mod ready;
pub(crate) mod routes;
pub(crate) mod streams;

mod accept;
mod addresses;
mod claims;
mod connect;
mod gather;
mod needs;
mod receive;
mod timers;
