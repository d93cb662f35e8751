//! What both sides said so far, as signatures and Finished messages cover it (RFC 8446 §4.4.1, RFC 9147 §5.2,
//! RFC 6347 §4.2.6).

use alloc::vec::Vec;
use core::mem;

use peerage_crypto::hash::{Digest, Hash, Hasher};

use crate::message::kind::HandshakeType;
use crate::suite::Version;

/// Length of the header of a message in DTLS 1.2, in bytes; DTLS 1.3 hashes the first four of them.
const HEADER: usize = 12;
const SHORT_HEADER: usize = 4;

/// The handshake messages of both sides, in order, each as if it had come in one piece.
#[derive(Debug)]
pub(crate) struct Transcript(State);

#[derive(Debug)]
enum State {
    /// Nobody has chosen a version and a hash yet; messages with headers of DTLS 1.2.
    Open(Vec<u8>),
    Dtls13(Hash, Hasher),
    /// A client may have to sign all of it with a hash other than the suite's, so the messages are kept.
    Dtls12(Hash, Vec<u8>),
}

impl Transcript {
    /// Of nothing yet.
    pub(crate) const fn new() -> Self {
        Self(State::Open(Vec::new()))
    }

    /// Adds a message of either side.
    pub(crate) fn add(&mut self, kind: HandshakeType, message_seq: u16, body: &[u8]) {
        let header = header(kind, message_seq, body.len());
        match &mut self.0 {
            State::Open(messages) | State::Dtls12(_, messages) => {
                messages.extend_from_slice(&header);
                messages.extend_from_slice(body);
            }
            State::Dtls13(_, hasher) => {
                hasher.update(&header[..SHORT_HEADER]);
                hasher.update(body);
            }
        }
    }

    /// Fixes the form of messages and the hash. Has no effect when repeated, as after a HelloRetryRequest.
    pub(crate) fn select(&mut self, hash: Hash, version: Version) {
        let State::Open(messages) = &mut self.0 else { return };
        let messages = mem::take(messages);
        self.0 = match version {
            Version::Dtls12 => State::Dtls12(hash, messages),
            Version::Dtls13 => State::Dtls13(hash, without_dtls_headers(hash, &messages)),
        };
    }

    /// Replaces the first ClientHello by its digest before a HelloRetryRequest is added (RFC 8446 §4.4.1). Only for
    /// DTLS 1.3, after [`select`](Self::select).
    pub(crate) fn replace_with_message_hash(&mut self) {
        if let State::Dtls13(hash, hasher) = &self.0 {
            *self = Self::behind(*hash, hasher.snapshot().as_ref());
        }
    }

    /// What [`replace_with_message_hash`](Self::replace_with_message_hash) makes of a ClientHello with this digest.
    pub(crate) fn behind(hash: Hash, first: &[u8]) -> Self {
        let mut hasher = Hasher::new(hash);
        hasher.update(&header(HandshakeType::MESSAGE_HASH, 0, first.len())[..SHORT_HEADER]);
        hasher.update(first);
        Self(State::Dtls13(hash, hasher))
    }

    /// Forgets everything before a choice was made: a HelloVerifyRequest and the ClientHello before it are no part of
    /// the handshake (RFC 6347 §4.2.6).
    pub(crate) fn clear(&mut self) {
        if let State::Open(messages) = &mut self.0 {
            messages.clear();
        }
    }

    /// The digest of everything so far.
    ///
    /// # Panics
    /// Before [`select`](Self::select).
    pub(crate) fn hash(&self) -> Digest {
        match &self.0 {
            State::Open(_) => panic!("the hash is selected before it is needed"),
            State::Dtls13(_, hasher) => hasher.snapshot(),
            State::Dtls12(hash, messages) => hash.digest(messages),
        }
    }

    /// Everything so far, which a CertificateVerify of DTLS 1.2 signs (RFC 5246 §7.4.8). Empty in DTLS 1.3, once that is
    /// selected.
    pub(crate) fn messages(&self) -> &[u8] {
        match &self.0 {
            State::Open(messages) | State::Dtls12(_, messages) => messages,
            State::Dtls13(..) => &[],
        }
    }
}

fn header(kind: HandshakeType, message_seq: u16, len: usize) -> [u8; HEADER] {
    let [_, a, b, c] = (len as u32).to_be_bytes();
    let [s, t] = message_seq.to_be_bytes();
    [kind.0, a, b, c, s, t, 0, 0, 0, a, b, c]
}

/// A hasher that took in messages with the headers of TLS.
fn without_dtls_headers(hash: Hash, mut messages: &[u8]) -> Hasher {
    let mut hasher = Hasher::new(hash);
    while let Some((header, rest)) = messages.split_first_chunk::<HEADER>() {
        let [_, a, b, c, ..] = *header;
        let (body, rest) = rest.split_at(u32::from_be_bytes([0, a, b, c]) as usize);
        hasher.update(&header[..SHORT_HEADER]);
        hasher.update(body);
        messages = rest;
    }
    hasher
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: Hash = Hash::Sha256;

    /// `kinds` with bodies of that many bytes, numbered from 0.
    fn said(transcript: &mut Transcript, kinds: &[u8]) {
        for (seq, kind) in kinds.iter().enumerate() {
            transcript.add(HandshakeType(*kind), seq as u16, &[*kind; 20][..usize::from(*kind)]);
        }
    }

    #[test]
    fn it_does_not_matter_when_the_version_becomes_known() {
        for version in [Version::Dtls12, Version::Dtls13] {
            let [mut early, mut late] = [Transcript::new(), Transcript::new()];
            early.select(HASH, version);
            said(&mut early, &[1, 2, 11]);
            said(&mut late, &[1, 2, 11]);
            late.select(HASH, version);
            late.select(Hash::Sha384, Version::Dtls12);
            assert_eq!(early.hash(), late.hash(), "{version}");
        }
    }

    #[test]
    fn headers_are_those_of_the_version() {
        let mut transcript = Transcript::new();
        said(&mut transcript, &[1, 2]);
        let long = [1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 0, 0, 2, 0, 1, 0, 0, 0, 0, 0, 2, 2, 2];
        assert_eq!(transcript.messages(), long);
        transcript.select(HASH, Version::Dtls12);
        assert_eq!(transcript.hash(), HASH.digest(&long));
        assert_eq!(transcript.messages(), long);

        let mut transcript = Transcript::new();
        said(&mut transcript, &[1, 2]);
        transcript.select(HASH, Version::Dtls13);
        assert_eq!(transcript.hash(), HASH.digest(&[1, 0, 0, 1, 1, 2, 0, 0, 2, 2, 2]));
        assert!(transcript.messages().is_empty());
    }

    #[test]
    fn a_retry_leaves_only_the_digest_of_the_first_hello() {
        for hash in [Hash::Sha256, Hash::Sha384] {
            let mut transcript = Transcript::new();
            said(&mut transcript, &[1]);
            transcript.select(hash, Version::Dtls13);
            transcript.replace_with_message_hash();
            said(&mut transcript, &[2]);
            let first = hash.digest(&[1, 0, 0, 1, 1]);
            let mut expected = alloc::vec![254, 0, 0, hash.len() as u8];
            expected.extend_from_slice(first.as_ref());
            expected.extend_from_slice(&[2, 0, 0, 2, 2, 2]);
            assert_eq!(transcript.hash(), hash.digest(&expected));
        }
    }

    #[test]
    fn a_cookie_exchange_of_dtls_1_2_leaves_nothing() {
        let mut transcript = Transcript::new();
        said(&mut transcript, &[1, 3]);
        transcript.clear();
        transcript.add(HandshakeType::CLIENT_HELLO, 1, b"");
        transcript.select(HASH, Version::Dtls12);
        assert_eq!(transcript.hash(), HASH.digest(&[1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]));
    }
}
