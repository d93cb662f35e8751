//! Every cryptographic primitive of the project, over aws-lc-rs.
//!
//! No other crate names a crypto library, so that the choice can be changed in one place. Functions here work on slices
//! and fixed-size arrays, never allocate on the packet path and know nothing of protocols. Key generation, key agreement
//! and signing go through one trait ([`keys::Keys`]), so that a whole run can be repeated from one seed.
//!
//! MD5 is here for one reason: RFC 8489 §9.2.2 derives the long-term STUN key with it.
#![no_std]

extern crate alloc;

pub mod aead;
pub mod agreement;
pub mod constant_time;
pub mod counter;
pub mod cpace;
pub mod hash;
pub mod header;
pub mod hkdf;
pub mod hmac;
pub mod hmac_sha1;
pub mod keys;
pub mod prf;
pub mod random;
pub mod secret;
pub mod signature;
#[cfg(test)]
mod vector;
