//! When to report, and what.
//!
//! [`schedule::Schedule`] says when a report is due and when feedback may leave before that; [`compose::Composer`] writes what
//! is to be said, compound by compound; [`receive::Receiver`] makes facts of what the peer says; [`cname::Cname`] is the name
//! that all sources of one peer share.

pub mod cname;
pub mod compose;
pub mod receive;
pub mod schedule;

#[cfg(any(test, feature = "fuzz"))]
#[doc(hidden)]
pub mod fuzz;
#[cfg(test)]
mod tests;
