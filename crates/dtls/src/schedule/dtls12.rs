//! The key schedule of DTLS 1.2 with the extended master secret, which is required (RFC 5246 §6.3, §8.1; RFC 7627).

use core::hint;

use peerage_crypto::aead::{Algorithm, NONCE_LEN};
use peerage_crypto::hash::{Digest, Hash};
use peerage_crypto::prf;
use peerage_crypto::secret::Secret;

use crate::config::Role;
use crate::schedule::exporter::Exporter;
use crate::schedule::iv::Iv;
use crate::suite::CipherSuite;

/// Length of the master secret, in bytes.
const MASTER_LEN: usize = 48;
/// Length of the verify data of a Finished, in bytes.
pub(crate) const FINISHED_LEN: usize = 12;

/// What everything else is derived from.
#[derive(Clone, Debug)]
pub(crate) struct MasterSecret {
    hash: Hash,
    secret: Secret,
}

/// Keys of one direction.
#[derive(Debug)]
pub(crate) struct TrafficKeys {
    pub algorithm: Algorithm,
    pub key: Secret,
    /// Of AES-GCM only the first four bytes are secret; the rest is zero, for the explicit part (RFC 5288 §3).
    pub iv: Iv,
}

impl MasterSecret {
    /// From the secret of the key exchange and the transcript up to and including the ClientKeyExchange
    /// (RFC 7627 §4).
    pub(crate) fn extended(hash: Hash, premaster: &Secret, session_hash: &Digest) -> Self {
        let mut secret = Secret::zero(MASTER_LEN);
        let seed = [session_hash.as_ref()];
        prf::tls12(hash, premaster.as_ref(), b"extended master secret", &seed, secret.as_mut());
        Self { hash, secret }
    }

    /// The keys of the client's and of the server's records.
    ///
    /// # Panics
    /// If `suite` is unknown.
    pub(crate) fn key_block(
        &self,
        suite: CipherSuite,
        client_random: &[u8; 32],
        server_random: &[u8; 32],
    ) -> (TrafficKeys, TrafficKeys) {
        let algorithm = suite.aead().expect("a handshake chooses a suite that it knows");
        let (key, iv) = (algorithm.key_len(), iv_len(algorithm));
        let mut block = [0; 2 * (32 + NONCE_LEN)];
        let (used, _) = block.split_at_mut(2 * (key + iv));
        prf::tls12(self.hash, self.secret.as_ref(), b"key expansion", &[server_random, client_random], used);
        let (keys, ivs) = used.split_at(2 * key);
        let side = |index: usize| {
            let key = Secret::from_slice(&keys[index * key..][..key]);
            let mut keys = TrafficKeys { algorithm, key, iv: Iv::default() };
            keys.iv[..iv].copy_from_slice(&ivs[index * iv..][..iv]);
            keys
        };
        let keys = (side(0), side(1));
        // The stack keeps no copy; without the hint the compiler would leave the wiping out.
        block.fill(0);
        hint::black_box(&block);
        keys
    }

    /// The verify data of the Finished that `side` sends; `transcript` goes up to the message before it.
    pub(crate) fn finished(&self, side: Role, transcript: &Digest) -> [u8; FINISHED_LEN] {
        let label: &[u8] = match side {
            Role::Client => b"client finished",
            Role::Server => b"server finished",
        };
        let mut out = [0; FINISHED_LEN];
        prf::tls12(self.hash, self.secret.as_ref(), label, &[transcript.as_ref()], &mut out);
        out
    }

    /// What exports keys to other protocols.
    pub(crate) fn exporter(&self, client_random: &[u8; 32], server_random: &[u8; 32]) -> Exporter {
        Exporter::dtls12(self.hash, self.secret.clone(), client_random, server_random)
    }
}

/// How much of a nonce comes from the key block, in bytes: the salt of AES-GCM (RFC 5288 §3), or the whole nonce of
/// ChaCha20 (RFC 7905 §2).
const fn iv_len(algorithm: Algorithm) -> usize {
    match algorithm {
        Algorithm::Aes128Gcm | Algorithm::Aes256Gcm => 4,
        Algorithm::ChaCha20Poly1305 => NONCE_LEN,
    }
}

/// For key logs.
impl AsRef<[u8]> for MasterSecret {
    fn as_ref(&self) -> &[u8] {
        self.secret.as_ref()
    }
}

#[cfg(test)]
impl MasterSecret {
    /// A secret from a key log.
    pub(crate) fn from_log(hash: Hash, secret: &[u8]) -> Self {
        Self { hash, secret: Secret::from_slice(secret) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use alloc::vec::Vec;

    use peerage_testkit::fixtures::hex;

    /// RFC 7627 has no vectors: the values were computed with Python's `hmac`. What follows from a master secret is
    /// compared with OpenSSL's.
    #[test]
    fn another_implementation_derives_the_same_master_secret() {
        let premaster = Secret::from_slice(&(0..32).collect::<Vec<u8>>());
        let cases = [
            (
                Hash::Sha256,
                "8e9a9d36e8e502fce65ab044711f8a9d00784c4cb8df62385c5f2360b9be132b7cfff74111012bf71173bf4e8ece07f9",
                "42d1cf1491de763aca58e577ba32d3579855a6c9",
            ),
            (
                Hash::Sha384,
                "7c6aecbf432b8334099cfafe6474ed454845c1873b275a1685c5e45dffa4c6c59335fc8f51a96806120cc5ed63bbb2e5",
                "b370e4c276207eed33c8e6a6bfdd133855ca27e6",
            ),
        ];
        for (hash, expected, exported) in cases {
            let master = MasterSecret::extended(hash, &premaster, &hash.digest(b"up to the key exchange"));
            assert_eq!(master.as_ref(), hex(expected));
            let mut out = [0; 20];
            master.exporter(&[1; 32], &[2; 32]).export(b"label", Some(b"context"), &mut out);
            assert_eq!(out[..], hex(exported));
        }
    }
}
