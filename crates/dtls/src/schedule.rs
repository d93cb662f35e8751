//! From shared secrets and transcripts to keys: RFC 8446 §7 with the labels of RFC 9147 §5.9, and RFC 5246 §8.1 with
//! RFC 7627.

pub(crate) mod dtls12;
pub(crate) mod dtls13;
pub(crate) mod exporter;
pub(crate) mod iv;
mod kdf;
pub(crate) mod transcript;

#[cfg(test)]
mod tests;
