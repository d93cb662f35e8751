//! The key schedule of DTLS 1.3 without pre-shared keys (RFC 8446 §7.1, RFC 9147 §5.9).
//!
//! ```text
//! 0 ─extract(0)─► early ─derived─► ─extract(shared)─► handshake ─derived─► ─extract(0)─► master
//!                                                      ├ c hs traffic                     ├ c ap traffic
//!                                                      └ s hs traffic                     ├ s ap traffic
//!                                                                                         └ exp master
//! ```

use peerage_crypto::aead::Algorithm;
use peerage_crypto::hash::{Digest, Hash};
use peerage_crypto::secret::Secret;

use crate::config::Role;
use crate::schedule::exporter::Exporter;
use crate::schedule::iv::Iv;
use crate::schedule::kdf::Kdf;

/// What one side protects the records of one epoch with.
#[derive(Clone, Debug)]
pub(crate) struct TrafficSecret {
    kdf: Kdf,
    secret: Secret,
}

/// The secrets between the ServerHello and the Finished messages.
#[derive(Debug)]
pub(crate) struct HandshakeSecrets {
    pub client: TrafficSecret,
    pub server: TrafficSecret,
    kdf: Kdf,
    master: Secret,
}

/// The secrets of a handshake that is complete.
#[derive(Debug)]
pub(crate) struct ApplicationSecrets {
    pub client: TrafficSecret,
    pub server: TrafficSecret,
    pub exporter: Exporter,
}

/// Keys of one epoch and direction.
#[derive(Debug)]
pub(crate) struct RecordKeys {
    pub key: Secret,
    pub iv: Iv,
    /// What hides the record numbers (RFC 9147 §4.2.3).
    pub number: Secret,
}

impl HandshakeSecrets {
    /// From the secret of the key exchange and the transcript up to and including the ServerHello.
    pub(crate) fn new(hash: Hash, shared: &Secret, transcript: &Digest) -> Self {
        Self::from_kdf(Kdf::new(hash), shared, transcript)
    }

    /// The verify data of the Finished that `side` sends; `transcript` goes up to the message before it
    /// (RFC 8446 §4.4.4).
    pub(crate) fn finished(&self, side: Role, transcript: &Digest) -> Digest {
        let traffic = match side {
            Role::Client => &self.client,
            Role::Server => &self.server,
        };
        let key = self.kdf.derive(&traffic.secret, b"finished", &[]);
        self.kdf.mac(&key, transcript.as_ref())
    }

    /// The next secrets; `transcript` goes up to and including the server's Finished. Those of the handshake stay, for
    /// the client's last flight.
    pub(crate) fn application(&self, transcript: &Digest) -> ApplicationSecrets {
        let kdf = self.kdf;
        let secret = |label| kdf.derive(&self.master, label, transcript.as_ref());
        ApplicationSecrets {
            client: TrafficSecret { kdf, secret: secret(b"c ap traffic") },
            server: TrafficSecret { kdf, secret: secret(b"s ap traffic") },
            exporter: Exporter::dtls13(kdf, secret(b"exp master")),
        }
    }

    fn from_kdf(kdf: Kdf, shared: &Secret, transcript: &Digest) -> Self {
        let (zeros, nothing) = (kdf.zeros(), kdf.digest(&[]));
        let early = kdf.extract(&zeros, &zeros);
        let handshake = kdf.extract(&kdf.derive(&early, b"derived", nothing.as_ref()), shared);
        let master = kdf.extract(&kdf.derive(&handshake, b"derived", nothing.as_ref()), &zeros);
        let traffic = |label| TrafficSecret { kdf, secret: kdf.derive(&handshake, label, transcript.as_ref()) };
        Self { client: traffic(b"c hs traffic"), server: traffic(b"s hs traffic"), kdf, master }
    }
}

impl TrafficSecret {
    /// The secret of the epoch after this one (RFC 8446 §7.2).
    #[must_use]
    pub(crate) fn next(&self) -> Self {
        Self { kdf: self.kdf, secret: self.kdf.derive(&self.secret, b"traffic upd", &[]) }
    }

    /// Keys for records under `algorithm` (RFC 8446 §7.3).
    pub(crate) fn keys(&self, algorithm: Algorithm) -> RecordKeys {
        let mut keys = RecordKeys {
            key: Secret::zero(algorithm.key_len()),
            iv: Iv::default(),
            number: Secret::zero(algorithm.key_len()),
        };
        self.kdf.expand(&self.secret, b"key", &[], keys.key.as_mut());
        self.kdf.expand(&self.secret, b"iv", &[], &mut *keys.iv);
        self.kdf.expand(&self.secret, b"sn", &[], keys.number.as_mut());
        keys
    }
}

/// For key logs.
impl AsRef<[u8]> for TrafficSecret {
    fn as_ref(&self) -> &[u8] {
        self.secret.as_ref()
    }
}

#[cfg(test)]
impl TrafficSecret {
    /// A secret from a key log.
    pub(crate) fn from_log(hash: Hash, secret: &[u8]) -> Self {
        Self { kdf: Kdf::new(hash), secret: Secret::from_slice(secret) }
    }
}

#[cfg(test)]
impl HandshakeSecrets {
    /// Secrets from a key log, which does not have what comes after them.
    pub(crate) fn from_log(hash: Hash, client: &[u8], server: &[u8]) -> Self {
        let (client, server) = (TrafficSecret::from_log(hash, client), TrafficSecret::from_log(hash, server));
        Self { client, server, kdf: Kdf::new(hash), master: Secret::zero(hash.len()) }
    }

    /// [`new`](Self::new) with the labels of TLS, whose vectors are published.
    pub(crate) fn tls13(hash: Hash, shared: &Secret, transcript: &Digest) -> Self {
        Self::from_kdf(Kdf::tls13(hash), shared, transcript)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use alloc::vec::Vec;

    use peerage_testkit::fixtures::hex;

    /// No vectors are published for SHA-384 or for the labels of DTLS: the values were computed with Python's `hmac`.
    #[test]
    fn another_implementation_derives_the_same_with_sha_384() {
        let hash = Hash::Sha384;
        let shared: Vec<u8> = (0..64).collect();
        let transcript = hash.digest(b"client hello, server hello");
        let secrets = HandshakeSecrets::new(hash, &Secret::from_slice(&shared), &transcript);
        let expected =
            "3dcdde4816f4bbba195db1f877f18fad970e7417b50ad23fcd884e7d8407d83bf53410fe0cfe6af6fc25337c557dad6f";
        assert_eq!(secrets.client.as_ref(), hex(expected));
        let expected =
            "e49e123db2457e6e710a2eb9e2bac06da4086b14f201cc5a7de32d1692ca21095caf87ea53f98b6cb9a7b74d850b97f7";
        assert_eq!(secrets.server.as_ref(), hex(expected));
        let expected =
            "68ddc60bac69477dca8de9f6aec3eb6f7651484b2851e39a9062cb51470e113079df59073eaeaf929046ebeded38066e";
        assert_eq!(secrets.finished(Role::Client, &transcript).as_ref(), hex(expected));
        assert_ne!(secrets.finished(Role::Server, &transcript).as_ref(), hex(expected));

        let application = secrets.application(&hash.digest(b"all of it"));
        let expected =
            "3675c964dbe9369ff9d73d72f6fd24049201c0538c810c59db270baf7204f16d788a6714ad8c39db7cf8042ad31f838d";
        assert_eq!(application.client.as_ref(), hex(expected));
        let keys = application.client.keys(Algorithm::Aes256Gcm);
        assert_eq!(keys.key.as_ref(), hex("8654810147802b62c1dd1321d9c1580b733e55964706869e4e6f6413db9dac9b"));
        assert_eq!(keys.iv[..], hex("bb8b2c301671eae0fee05c21"));
        assert_eq!(keys.number.as_ref(), hex("ed25bc2dd6e43783d76ebba1d7af3933b4d5c3bb37dab6f5873224a65b0ed88f"));
        let mut exported = [0; 60];
        application.exporter.export(b"label", Some(b"context"), &mut exported);
        let expected = "ec51ed08efd91d89dee8f0876b407f17040da9809df228809387fa3b63731397\
            94155c6602c95c4b2bb4493ae4b9cdf6aa70664be4d930262eaa1794";
        assert_eq!(exported[..], hex(expected));
    }

    #[test]
    fn another_implementation_updates_to_the_same_secret() {
        let secret = hex("7ee87c7c0718aa427dd9a84b7655a836834a0c072cd5fdc1b656432221795f78");
        let next = TrafficSecret::from_log(Hash::Sha256, &secret).next();
        assert_eq!(next.as_ref(), hex("6089ad1acce8a97b95a75358b7b109a502e869a9324dea32cf27ef2b39245db4"));
    }
}
