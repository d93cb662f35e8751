//! Finding out how the NAT in front of a client behaves (RFC 5780 §4).
//!
//! A [`machine::Discovery`] asks servers from two sockets, the second of which is fresh for the test of filtering, and
//! [reports](report::Report) what the answers prove. What could not be tested is reported as unknown, with the reason:
//! most servers have no second address, and with those filtering cannot be known. A single question, over whatever
//! transport, is a [`binding::Binding`].

pub mod binding;
pub mod machine;
pub mod report;
