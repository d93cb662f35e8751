//! Offers and answers over plain HTTP, for which `curl` suffices.

pub(crate) mod desk;
mod request;
pub(crate) mod routes;
