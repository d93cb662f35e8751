//! A cipher with its keys expanded, and how it makes nonces.

use alloc::boxed::Box;

use peerage_crypto::aead::{Aead, Algorithm, NONCE_LEN};
use peerage_crypto::header::HeaderKey;

use crate::schedule::dtls12::TrafficKeys;
use crate::schedule::dtls13::TrafficSecret;
use crate::schedule::iv::Iv;
use crate::suite::CipherSuite;
use crate::wire::plaintext::{self, PlaintextHeader};

/// Length of the part of an AES-GCM nonce that DTLS 1.2 sends along, in bytes (RFC 5288 §3).
pub(super) const EXPLICIT: usize = 8;

/// Keys of one direction and epoch.
#[derive(Debug)]
pub(super) struct RecordKey {
    pub aead: Aead,
    pub form: Form,
    iv: Iv,
    gcm: bool,
}

/// How records look.
#[derive(Debug)]
pub(super) enum Form {
    /// With what hides their numbers. It is large, and whoever holds a sealer moves it about.
    Dtls13(Box<HeaderKey>),
    /// With the explicit part of the nonce in front of the content.
    Dtls12Explicit,
    Dtls12,
}

impl RecordKey {
    pub(super) fn new13(suite: CipherSuite, secret: &TrafficSecret) -> Self {
        let algorithm = suite.aead().expect("a handshake chooses a suite that it knows");
        let keys = secret.keys(algorithm);
        let form = Form::Dtls13(Box::new(HeaderKey::new(algorithm, keys.number.as_ref())));
        Self { aead: Aead::new(algorithm, keys.key.as_ref()), form, iv: keys.iv, gcm: is_gcm(algorithm) }
    }

    pub(super) fn new12(keys: &TrafficKeys) -> Self {
        let gcm = is_gcm(keys.algorithm);
        let form = if gcm { Form::Dtls12Explicit } else { Form::Dtls12 };
        Self { aead: Aead::new(keys.algorithm, keys.key.as_ref()), form, iv: keys.iv.clone(), gcm }
    }

    /// The nonce of a record: in DTLS 1.3 of its sequence number (RFC 8446 §5.3), in DTLS 1.2 of epoch and sequence
    /// number as one (RFC 7905 §2). With AES-GCM in DTLS 1.2 the bytes of the key block end where these begin, so that
    /// the same sum gives salt and explicit part one after the other.
    #[inline]
    pub(super) fn nonce(&self, number: [u8; EXPLICIT]) -> [u8; NONCE_LEN] {
        let mut nonce = *self.iv;
        for (to, from) in nonce[NONCE_LEN - EXPLICIT..].iter_mut().zip(number) {
            *to ^= from;
        }
        nonce
    }

    /// Whether the cipher wears out: AES-GCM does (RFC 8446 §5.5).
    pub(super) const fn is_gcm(&self) -> bool {
        self.gcm
    }
}

const fn is_gcm(algorithm: Algorithm) -> bool {
    matches!(algorithm, Algorithm::Aes128Gcm | Algorithm::Aes256Gcm)
}

/// What DTLS 1.2 authenticates along with the content, whose length `header` has (RFC 6347 §4.1.2.1).
pub(super) fn additional_data(header: PlaintextHeader) -> [u8; 13] {
    let mut out = [0; 13];
    out[..8].copy_from_slice(&header.epoch_and_sequence());
    out[8] = header.content_type.0;
    out[9..11].copy_from_slice(&plaintext::VERSION);
    out[11..].copy_from_slice(&header.length.to_be_bytes());
    out
}
