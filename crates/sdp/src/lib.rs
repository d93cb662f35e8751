//! SDP text codec (RFC 8866).
//!
//! [`Description::parse`](description::Description::parse) turns text into lines grouped by section, and `Display` writes
//! them back: every line, known or not, keeps its place and its spelling, so text that ends its lines with CRLF comes
//! back byte for byte. Meaning is added only where it is asked for: a [`Section`](section::Section) answers questions
//! about one attribute through the types of [`attribute`], and an error names the line.
//!
//! Input is bounded by [`Limits`](limits::Limits) before anything is stored. Out of scope: which description may follow
//! which, and what an attribute asks of a transport; that is `peerage-jsep`.
#![no_std]

extern crate alloc;

pub mod attribute;
pub mod bandwidth;
pub mod description;
pub mod error;
#[cfg(any(test, feature = "fuzz"))]
#[doc(hidden)]
pub mod fuzz;
pub mod limits;
pub mod line;
pub mod media;
pub mod origin;
mod parse;
pub mod section;
pub mod text;
