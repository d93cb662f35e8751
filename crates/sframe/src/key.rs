//! What is derived from a base key (RFC 9605 §4.4.2), and the ciphers under it (§4.4.3, §4.5.1).

use alloc::boxed::Box;
use alloc::vec::Vec;

use peerage_crypto::aead::{Aead, Algorithm};
use peerage_crypto::constant_time;
use peerage_crypto::counter::{BLOCK_LEN, Counter};
use peerage_crypto::hash::Digest;
use peerage_crypto::hkdf;
use peerage_crypto::hmac;
use peerage_crypto::secret::Secret;

use crate::error::DecryptError;
use crate::header::Header;
use crate::key_id::KeyId;
use crate::suite::{MAX_TAG, NONCE, Suite};

/// A key that is ready to use.
#[derive(Debug)]
pub(crate) struct Key {
    suite: Suite,
    id: KeyId,
    salt: [u8; NONCE],
    cipher: Cipher,
}

#[derive(Debug)]
enum Cipher {
    Gcm(Aead),
    /// Encrypts, then authenticates, as SRTP does.
    CtrHmac(Box<(Counter, hmac::Key)>),
}

impl Key {
    pub(crate) fn new(suite: Suite, id: KeyId, base_key: &[u8]) -> Self {
        let secret = hkdf::extract(suite.hash(), &[], base_key);
        let expand = |label: &[u8], out: &mut [u8]| {
            let (id, suite_number) = (id.0.to_be_bytes(), suite.number().to_be_bytes());
            hkdf::expand(suite.hash(), &secret, &[label, &id, &suite_number], out);
        };
        let key = |len| {
            let mut key = Secret::zero(len);
            expand(b"SFrame 1.0 Secret key ", key.as_mut());
            key
        };
        let mut salt = [0; NONCE];
        expand(b"SFrame 1.0 Secret salt ", &mut salt);
        let cipher = match suite {
            Suite::Aes128GcmSha256Tag128 => Cipher::Gcm(Aead::new(Algorithm::Aes128Gcm, key(16).as_ref())),
            Suite::Aes256GcmSha512Tag128 => Cipher::Gcm(Aead::new(Algorithm::Aes256Gcm, key(32).as_ref())),
            _ => {
                let key = key(16 + suite.hash().len());
                let (encryption, authentication) = key.as_ref().split_at(16);
                Cipher::CtrHmac(Box::new((Counter::new(encryption), hmac::Key::new(suite.hash(), authentication))))
            }
        };
        Self { suite, id, salt, cipher }
    }

    /// Encrypts what follows the first `clear` bytes of a frame under this number. `aad` is room that is used again.
    pub(crate) fn seal(&self, counter: u64, frame: &mut Vec<u8>, clear: usize, metadata: &[u8], aad: &mut Vec<u8>) {
        let header = Header { key_id: self.id, counter }.write();
        let clear = clear.min(frame.len());
        gather(aad, header.as_ref(), frame.get(..clear).unwrap_or_default(), metadata);
        let nonce = self.nonce(counter);
        let body = frame.get_mut(clear..).unwrap_or_default();
        let mut tag = [0; MAX_TAG];
        match &self.cipher {
            Cipher::Gcm(aead) => tag = aead.seal_in_place(&nonce, aad, body),
            Cipher::CtrHmac(keys) => {
                let (cipher, authentication) = &**keys;
                cipher.apply(&first_block(&nonce), body);
                tag.copy_from_slice(&self.tag(authentication, &nonce, aad, body).as_ref()[..MAX_TAG]);
            }
        }
        frame.extend_from_slice(&tag[..self.suite.tag_len()]);
        frame.splice(clear..clear, header.as_ref().iter().copied());
    }

    /// Decrypts a frame whose header, `header_len` bytes, comes after `clear` bytes. After an error the frame is unspecified.
    pub(crate) fn open(
        &self,
        header: (Header, usize),
        frame: &mut Vec<u8>,
        clear: usize,
        metadata: &[u8],
        aad: &mut Vec<u8>,
    ) -> Result<(), DecryptError> {
        let (Header { counter, .. }, header_len) = header;
        let start = clear + header_len;
        let (before, sealed) = frame.split_at_mut_checked(start).ok_or(DecryptError::Malformed)?;
        let end = sealed.len().checked_sub(self.suite.tag_len()).ok_or(DecryptError::Malformed)?;
        let (visible, header) = before.split_at_checked(clear).ok_or(DecryptError::Malformed)?;
        gather(aad, header, visible, metadata);
        let nonce = self.nonce(counter);
        match &self.cipher {
            Cipher::Gcm(aead) => {
                aead.open_in_place(&nonce, aad, sealed).map_err(|_| DecryptError::NotAuthentic)?;
            }
            Cipher::CtrHmac(keys) => {
                let (cipher, authentication) = &**keys;
                let (body, tag) = sealed.split_at_mut(end);
                let expected = self.tag(authentication, &nonce, aad, body);
                if !constant_time::equal(&expected.as_ref()[..tag.len()], tag) {
                    return Err(DecryptError::NotAuthentic);
                }
                cipher.apply(&first_block(&nonce), body);
            }
        }
        frame.truncate(start + end);
        frame.drain(clear..start);
        Ok(())
    }

    fn nonce(&self, counter: u64) -> [u8; NONCE] {
        let mut nonce = self.salt;
        nonce.iter_mut().skip(NONCE - 8).zip(counter.to_be_bytes()).for_each(|(salt, byte)| *salt ^= byte);
        nonce
    }

    fn tag(&self, key: &hmac::Key, nonce: &[u8], aad: &[u8], body: &[u8]) -> Digest {
        let lengths = [aad.len(), body.len(), self.suite.tag_len()].map(|len| (len as u64).to_be_bytes());
        key.digest(&[lengths.as_flattened(), nonce, aad, body])
    }
}

/// What is authenticated and not encrypted. What stays in the clear is metadata (RFC 9605 §4.4.3).
fn gather(aad: &mut Vec<u8>, header: &[u8], clear: &[u8], metadata: &[u8]) {
    aad.clear();
    [header, clear, metadata].into_iter().for_each(|part| aad.extend_from_slice(part));
}

fn first_block(nonce: &[u8; NONCE]) -> [u8; BLOCK_LEN] {
    let mut block = [0; BLOCK_LEN];
    block[..NONCE].copy_from_slice(nonce);
    block
}

/// The next base key of a ratchet (RFC 9605 §5.1).
pub(crate) fn ratchet(suite: Suite, base_key: &[u8]) -> Secret {
    let hash = suite.hash();
    let mut next = Secret::zero(hash.len());
    hkdf::expand(hash, &hkdf::extract(hash, &[], base_key), &[b"SFrame 1.0 Ratchet"], next.as_mut());
    next
}

#[cfg(test)]
pub(crate) mod testing {
    use alloc::vec::Vec;

    /// The bytes that `text` writes in hexadecimal.
    pub(crate) fn hex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::testing::hex;
    use super::*;

    /// RFC 9605 §C.3: all suites, with the key 0x0123 and the counter 0x4567.
    #[test]
    fn published_vectors() {
        let base_key = hex("000102030405060708090a0b0c0d0e0f");
        let metadata = hex("4945544620534672616d65205747");
        let plain = hex("64726166742d696574662d736672616d652d656e63");
        let sealed = [
            "9901234567449408b6f490086165b9d6f62b24ae1a59a56486b4ae8ed036b88912e24f11",
            "99012345673f31438db4d09434e43afa0f8a2f00867a2be085046a9f5cb4f101d607",
            "990123456717fc8af28a5a695afcfc6c8df6358a17e26b2fcb3bae32e443",
            "9901234567b7412c2513a1b66dbb48841bbaf17f598751176ad847681a69c6d0b091c07018ce4adb34eb",
            "990123456794f509d36e9beacb0e261d99c7d1e972f1fed787d4049f17ca21353c1cc24d56ceabced279",
        ];
        for (suite, sealed) in Suite::ALL.into_iter().zip(sealed) {
            let key = Key::new(suite, KeyId(0x0123), &base_key);
            let (mut frame, mut aad) = (plain.clone(), Vec::new());
            key.seal(0x4567, &mut frame, 0, &metadata, &mut aad);
            assert_eq!(frame, hex(sealed), "{suite:?}");
            let header = Header::parse(&frame).unwrap();
            key.open(header, &mut frame, 0, &metadata, &mut aad).unwrap();
            assert_eq!(frame, plain);
        }
    }
}
