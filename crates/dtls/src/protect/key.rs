//! A cipher with its keys expanded, and how it makes nonces.

use alloc::boxed::Box;

use peerage_crypto::aead::{Aead, Algorithm, NONCE_LEN};
use peerage_crypto::header::HeaderKey;
use peerage_crypto::secret::Secret;

use crate::schedule::dtls12::TrafficKeys;
use crate::schedule::dtls13::TrafficSecret;
use crate::schedule::iv::Iv;
use crate::suite::CipherSuite;
use crate::wire::plaintext::{self, PlaintextHeader};

/// Length of the part of an AES-GCM nonce that DTLS 1.2 sends along, in bytes (RFC 5288 §3).
pub(super) const EXPLICIT: usize = 8;

/// Keys of one direction and epoch, expanded while they are in use.
#[derive(Debug)]
pub(super) struct RecordKey {
    pub form: Form,
    algorithm: Algorithm,
    /// The key of the cipher, in DTLS 1.3 followed by the one of as many bytes that hides record numbers.
    bytes: Secret,
    iv: Iv,
    /// Whether it was used since it was last asked to rest.
    used: bool,
    ciphers: Option<Box<Ciphers>>,
}

/// How records look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Dtls13,
    /// With the explicit part of the nonce in front of the content.
    Dtls12Explicit,
    Dtls12,
}

/// What the keys expand to: more than a kilobyte.
#[derive(Debug)]
pub(super) struct Ciphers {
    pub aead: Aead,
    /// What hides record numbers; those of DTLS 1.2 are in the clear.
    pub mask: Option<HeaderKey>,
    iv: Iv,
}

impl RecordKey {
    pub(super) fn new13(suite: CipherSuite, secret: &TrafficSecret) -> Self {
        let algorithm = suite.aead().expect("a handshake chooses a suite that it knows");
        let keys = secret.keys(algorithm);
        let mut bytes = Secret::zero(2 * algorithm.key_len());
        let (key, number) = bytes.as_mut().split_at_mut(algorithm.key_len());
        key.copy_from_slice(keys.key.as_ref());
        number.copy_from_slice(keys.number.as_ref());
        Self { form: Form::Dtls13, algorithm, bytes, iv: keys.iv, used: false, ciphers: None }
    }

    pub(super) fn new12(keys: &TrafficKeys) -> Self {
        let (algorithm, bytes, iv) = (keys.algorithm, keys.key.clone(), keys.iv.clone());
        let form = if is_gcm(algorithm) { Form::Dtls12Explicit } else { Form::Dtls12 };
        Self { form, algorithm, bytes, iv, used: false, ciphers: None }
    }

    /// The keys ready for use.
    #[inline]
    pub(super) fn wake(&mut self) -> &Ciphers {
        self.used = true;
        self.ciphers.get_or_insert_with(|| Box::new(Ciphers::new(self.algorithm, &self.bytes, &self.iv)))
    }

    /// Keeps no more than the keys themselves, if they were not used since the last call.
    pub(super) fn rest(&mut self) {
        if !core::mem::take(&mut self.used) {
            self.ciphers = None;
        }
    }

    /// Whether the cipher wears out: AES-GCM does (RFC 8446 §5.5).
    pub(super) const fn is_gcm(&self) -> bool {
        is_gcm(self.algorithm)
    }
}

impl Ciphers {
    #[cold]
    fn new(algorithm: Algorithm, bytes: &Secret, iv: &Iv) -> Self {
        let (key, number) = bytes.as_ref().split_at(algorithm.key_len());
        let mask = (!number.is_empty()).then(|| HeaderKey::new(algorithm, number));
        Self { aead: Aead::new(algorithm, key), mask, iv: iv.clone() }
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
