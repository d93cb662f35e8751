//! RTCP (RFC 3550 §6) and its feedback (RFC 4585 §6): compounds, and one file per packet.
//!
//! [`compound::Compound`] checks the framing of what arrived and yields [`packet::Packet`]s, each with its own fault or none.
//! Reading never allocates; lists are iterators over the bytes. [`write::Writer`] puts packets into a slot one by one and
//! knows whether they make a compound. A list that does not fit is written as far as it does, and the caller is told.

pub mod app;
pub mod bye;
pub mod ccfb;
pub mod compound;
pub mod feedback;
pub mod fir;
pub mod header;
pub mod lrr;
pub mod nack;
pub mod packet;
pub mod pli;
pub mod receiver_report;
pub mod remb;
pub mod report_block;
pub mod rpsi;
pub mod sdes;
pub mod sender_report;
pub mod sli;
pub mod tmmb;
pub mod twcc;
pub mod write;
pub mod xr;

mod rate;

#[cfg(test)]
pub(crate) mod tests_support;
