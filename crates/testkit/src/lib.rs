//! For tests of the other crates: pairs of machines in a simulated world, checks of the contract that every machine
//! keeps, and fixtures.
//!
//! - [`driver::Driver`] is what a test says about a leaf machine (`sctp`, `dtls`); [`pair::Pair`] connects two of them.
//! - [`contract::Checked`] wraps any [`peerage_sim::Node`], a whole session too, and panics when it breaks the contract.
//! - [`contract::assert_repeats`] compares the bytes of two runs of one seed.
//! - [`replay`] runs the bodies of fuzz targets over their corpora.
//! - [`namespace`] gives a test a network of its own.
//! - [`codec`] holds what every parser is put through, [`fixtures`] addresses, payloads and lines.

pub mod codec;
pub mod contract;
pub mod driver;
pub mod fixtures;
pub mod namespace;
pub mod pair;
pub mod replay;

pub use contract::Checked;
pub use driver::Driver;
pub use pair::Pair;
