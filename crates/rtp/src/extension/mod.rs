//! Header extensions (RFC 8285): the block, and one file per element.

pub mod block;
pub mod element;
