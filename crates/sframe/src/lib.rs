//! SFrame: end-to-end encryption of media frames (RFC 9605), so that servers on the way forward what they cannot see or hear.
//!
//! Each sender has keys of its own: one [`Encryptor`](encryptor::Encryptor) for what it sends, and everybody else a
//! [`Decryptor`](decryptor::Decryptor) with its keys. Which keys these are is agreed on elsewhere; a key is given either for
//! encryption or for decryption, never both, and never to two senders. Keys move on by ratchet steps (RFC 9605 §5.1) or by new
//! generations.
//!
//! What a receiver needs to see of a frame to put it together or to tell a key frame can be left in the clear: it is authenticated
//! all the same. Out of scope: agreeing on keys, and signatures of senders, so that who can decrypt can forge.

#![no_std]

extern crate alloc;

pub mod decryptor;
pub mod encryptor;
pub mod error;
#[cfg(any(test, feature = "fuzz"))]
#[doc(hidden)]
pub mod fuzz;
pub mod header;
pub mod key_id;
pub mod sender_key;
pub mod suite;

mod key;
mod window;
