//! Payload formats: how encoded frames travel in packets.
//!
//! [`packetizer::Packetizer`] cuts a whole encoded frame into the payloads of its packets, each written straight into the
//! room of a datagram; [`depacketizer::Depacketizer`] reads one payload without decoding, and joins the payloads of a frame
//! into the form that decoders take. Both name the format by a [`codec::Codec`]; the formats themselves lie one below each
//! other, for those who need more of one. [`red`], [`rtx`] and [`fec`] carry payloads of other formats.

pub mod av1;
pub mod bits;
pub mod budget;
pub mod codec;
pub mod comfort_noise;
pub mod depacketizer;
pub mod fec;
pub mod format;
#[cfg(any(test, feature = "fuzz"))]
#[doc(hidden)]
pub mod fuzz;
pub mod g711;
pub mod h264;
pub mod h265;
pub mod info;
pub mod misuse;
pub mod nal;
pub mod opus;
pub mod packetizer;
pub mod red;
pub mod rtx;
pub mod telephone_event;
pub mod vp8;
pub mod vp9;
pub mod whole;

#[cfg(test)]
mod tests;
