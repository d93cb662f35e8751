//! Protection of records in place, one direction of one epoch at a time (RFC 9147 §4.2.3, §4.5; RFC 6347 §4.1.2).
//!
//! ```text
//! 1.3             header(5) | content, type(1), zeros | tag(16)      the sequence number of the header is masked
//! 1.2, AES-GCM    header(13) | explicit nonce(8) | content | tag(16)
//! 1.2, ChaCha20   header(13) | content | tag(16)
//! ```

mod key;
pub(crate) mod opener;
pub(crate) mod sealer;

#[cfg(test)]
mod tests;
