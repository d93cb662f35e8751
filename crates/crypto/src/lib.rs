//! Every cryptographic primitive of the project, over aws-lc-rs.
//!
//! No other crate names a crypto library, so that the choice can be changed in one place. Functions here work on slices
//! and fixed-size arrays, never allocate on the packet path and know nothing of protocols.
//!
//! MD5 is here for one reason: RFC 8489 §9.2.2 derives the long-term STUN key with it.
#![no_std]

pub mod aead;
pub mod constant_time;
pub mod hash;
pub mod hkdf;
pub mod hmac;
pub mod random;
