//! Streams whose packets are made elsewhere: by a publisher, or by an application that cuts its frames itself.

pub mod passed;
pub mod raw;

mod commands;
pub(in crate::send) mod held;
pub(in crate::send) mod stream;
mod transmit;

#[cfg(test)]
mod tests;
