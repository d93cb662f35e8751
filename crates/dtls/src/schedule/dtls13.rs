//! The key schedule of DTLS 1.3 without pre-shared keys (RFC 8446 §7.1, RFC 9147 §5.9).
//!
//! ```text
//! 0 ─extract(0)─► early ─derived─► ─extract(shared)─► handshake ─derived─► ─extract(0)─► master
//!                                                      ├ c hs traffic                     ├ c ap traffic
//!                                                      └ s hs traffic                     ├ s ap traffic
//!                                                                                         └ exp master
//! ```

use peerage_crypto::aead::{Algorithm, NONCE_LEN};
use peerage_crypto::hash::{Digest, Hash};
use peerage_crypto::secret::Secret;
use peerage_crypto::{hkdf, hmac};

use crate::config::Role;
use crate::schedule::exporter::Exporter;
use crate::schedule::label::{derive, expand};

/// What one side protects the records of one epoch with.
#[derive(Clone, Debug)]
pub(crate) struct TrafficSecret {
    hash: Hash,
    secret: Secret,
}

/// The secrets between the ServerHello and the Finished messages.
#[derive(Debug)]
pub(crate) struct HandshakeSecrets {
    pub client: TrafficSecret,
    pub server: TrafficSecret,
    hash: Hash,
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
    pub iv: [u8; NONCE_LEN],
    /// What hides the record numbers (RFC 9147 §4.2.3).
    pub number: Secret,
}

impl HandshakeSecrets {
    /// From the secret of the key exchange and the transcript up to and including the ServerHello.
    pub(crate) fn new(hash: Hash, shared: &Secret, transcript: &Digest) -> Self {
        let zeros = Secret::zero(hash.len());
        let nothing = hash.digest(&[]);
        let early = hkdf::extract(hash, zeros.as_ref(), zeros.as_ref());
        let salt = derive(hash, &early, b"derived", nothing.as_ref());
        let handshake = hkdf::extract(hash, salt.as_ref(), shared.as_ref());
        let salt = derive(hash, &handshake, b"derived", nothing.as_ref());
        let traffic = |label| TrafficSecret { hash, secret: derive(hash, &handshake, label, transcript.as_ref()) };
        Self {
            client: traffic(b"c hs traffic"),
            server: traffic(b"s hs traffic"),
            hash,
            master: hkdf::extract(hash, salt.as_ref(), zeros.as_ref()),
        }
    }

    /// The verify data of the Finished that `side` sends; `transcript` goes up to the message before it
    /// (RFC 8446 §4.4.4).
    pub(crate) fn finished(&self, side: Role, transcript: &Digest) -> Digest {
        let traffic = match side {
            Role::Client => &self.client,
            Role::Server => &self.server,
        };
        let key = derive(self.hash, &traffic.secret, b"finished", &[]);
        hmac::digest(self.hash, key.as_ref(), &[transcript.as_ref()])
    }

    /// The next secrets; `transcript` goes up to and including the server's Finished. Those of the handshake stay, for
    /// the client's last flight.
    pub(crate) fn application(&self, transcript: &Digest) -> ApplicationSecrets {
        let hash = self.hash;
        let secret = |label| derive(hash, &self.master, label, transcript.as_ref());
        ApplicationSecrets {
            client: TrafficSecret { hash, secret: secret(b"c ap traffic") },
            server: TrafficSecret { hash, secret: secret(b"s ap traffic") },
            exporter: Exporter::dtls13(hash, secret(b"exp master")),
        }
    }
}

impl TrafficSecret {
    /// The secret of the epoch after this one (RFC 8446 §7.2).
    #[must_use]
    pub(crate) fn next(&self) -> Self {
        Self { hash: self.hash, secret: derive(self.hash, &self.secret, b"traffic upd", &[]) }
    }

    /// Keys for records under `algorithm` (RFC 8446 §7.3).
    pub(crate) fn keys(&self, algorithm: Algorithm) -> RecordKeys {
        let mut keys = RecordKeys {
            key: Secret::zero(algorithm.key_len()),
            iv: [0; _],
            number: Secret::zero(algorithm.key_len()),
        };
        expand(self.hash, &self.secret, b"key", &[], keys.key.as_mut());
        expand(self.hash, &self.secret, b"iv", &[], &mut keys.iv);
        expand(self.hash, &self.secret, b"sn", &[], keys.number.as_mut());
        keys
    }
}

/// For key logs.
impl AsRef<[u8]> for TrafficSecret {
    fn as_ref(&self) -> &[u8] {
        self.secret.as_ref()
    }
}
