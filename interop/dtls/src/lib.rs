//! The DTLS of Peerage against other stacks: BoringSSL and dimpl in this process and in virtual time, OpenSSL and GnuTLS
//! as programs over loopback.
//!
//! A table of cases is a [`matrix::Matrix`]; each case is a [`case::Case`] or a conversation with a
//! [`program::Program`].
#![allow(clippy::disallowed_methods, reason = "programs live in real time, and dimpl counts in it")]

pub mod boring;
pub mod case;
pub mod dimpl;
pub mod foreign;
pub mod matrix;
pub mod network;
pub mod ours;
pub mod program;
