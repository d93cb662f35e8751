//! SRTP and SRTCP (RFC 3711, 7714, 6904, 9335): packets are protected and unprotected in place, under the keys that a
//! DTLS handshake gave (RFC 5764).
//!
//! A [`sender::Sender`] protects everything that one side sends, of all its sources; a [`receiver::Receiver`] unprotects
//! everything that it receives. Both begin with a [`master::Master`] key, and know neither time nor addresses. Per packet
//! nothing is allocated; a new source costs once, and only after its first packet has proved authentic.
//!
//! | profile | hides by | proves by | packets of RTP grow by | of RTCP by |
//! |---|---|---|---|---|
//! | `AES128_CM_SHA1_80` | AES-128 counter mode | HMAC-SHA-1, 80 bits | 10 bytes | 14 |
//! | `AES128_CM_SHA1_32` | the same | the same, 32 bits; RTCP 80 | 4 | 14 |
//! | `AEAD_AES_128_GCM` | AES-128-GCM | the same | 16 | 20 |
//! | `AEAD_AES_256_GCM` | AES-256-GCM | the same | 16 | 20 |
//!
//! Not here, because WebRTC has no use for it: master key identifiers and key derivation rates other than zero (RFC 5764
//! §4.1.2 excludes them), null ciphers (RFC 8827 §6.5), RTCP that is not encrypted.
#![no_std]

extern crate alloc;

mod cryptex;
pub mod error;
pub mod extension;
#[cfg(any(test, feature = "fuzz"))]
#[doc(hidden)]
pub mod fuzz;
mod index;
mod kdf;
mod keys;
mod layout;
pub mod master;
pub mod profile;
pub mod receiver;
pub mod sender;
mod sources;
#[cfg(test)]
mod tests_support;
mod transform;
mod window;
