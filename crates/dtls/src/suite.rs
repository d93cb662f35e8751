//! What a handshake negotiates: version, cipher suite, key-exchange group, SRTP profile.

use alloc::boxed::Box;
use core::fmt;

use peerage_crypto::aead::Algorithm;
use peerage_crypto::agreement;
use peerage_crypto::hash::Hash;
use peerage_crypto::signature::Scheme;

/// A protocol version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// DTLS 1.2, RFC 6347.
    Dtls12,
    /// DTLS 1.3, RFC 9147.
    Dtls13,
}

/// A cipher suite by its number in the TLS registry.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CipherSuite(pub u16);

/// A key-exchange group by its number in the TLS registry.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Group(pub u16);

/// A signature scheme by its number in the TLS registry (RFC 8446 §4.2.3). In DTLS 1.2 its bytes are a hash and a
/// signature algorithm, and an ECDSA scheme says nothing of the curve (RFC 5246 §7.4.1.4.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SignatureScheme(pub u16);

/// A generation of keys: 0 has none; DTLS 1.2 has one more, DTLS 1.3 counts on with every update (RFC 9147 §6.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u16);

/// An application protocol that a WebRTC peer may name (RFC 8833).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Alpn {
    /// Media and data that the application may see.
    WebRtc,
    /// Media that the application must not see.
    ConfidentialWebRtc,
}

/// An SRTP protection profile (RFC 5764 §4.1.2, RFC 7714 §14.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SrtpProfile {
    /// 0x0001, AES-CM with HMAC-SHA1 tags of 80 bits.
    Aes128CmSha1_80,
    /// 0x0002, the same with tags of 32 bits for SRTP; those of SRTCP keep 80.
    Aes128CmSha1_32,
    /// 0x0007.
    AeadAes128Gcm,
    /// 0x0008.
    AeadAes256Gcm,
}

/// Keys for SRTP, exported from the handshake (RFC 5764 §4.2).
#[derive(Clone, PartialEq, Eq)]
pub struct SrtpKeys {
    /// The profile that both sides chose.
    pub profile: SrtpProfile,
    /// Client key, server key, client salt, server salt, in this order.
    pub material: Box<[u8]>,
}

impl CipherSuite {
    /// `TLS_AES_128_GCM_SHA256`.
    pub const AES_128_GCM: Self = Self(0x1301);
    /// `TLS_AES_256_GCM_SHA384`.
    pub const AES_256_GCM: Self = Self(0x1302);
    /// `TLS_CHACHA20_POLY1305_SHA256`.
    pub const CHACHA20_POLY1305: Self = Self(0x1303);
    /// `TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256`.
    pub const ECDHE_ECDSA_AES_128_GCM: Self = Self(0xC02B);
    /// `TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384`.
    pub const ECDHE_ECDSA_AES_256_GCM: Self = Self(0xC02C);
    /// `TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256`.
    pub const ECDHE_ECDSA_CHACHA20_POLY1305: Self = Self(0xCCA9);
    /// `TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256`.
    pub const ECDHE_RSA_AES_128_GCM: Self = Self(0xC02F);
    /// `TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384`.
    pub const ECDHE_RSA_AES_256_GCM: Self = Self(0xC030);
    /// `TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256`.
    pub const ECDHE_RSA_CHACHA20_POLY1305: Self = Self(0xCCA8);

    /// Those of DTLS 1.3, then those of DTLS 1.2, in the order in which they are preferred. AES comes first because
    /// every processor of today has instructions for it.
    pub const ALL: [Self; 9] = [
        Self::AES_128_GCM,
        Self::AES_256_GCM,
        Self::CHACHA20_POLY1305,
        Self::ECDHE_ECDSA_AES_128_GCM,
        Self::ECDHE_ECDSA_CHACHA20_POLY1305,
        Self::ECDHE_RSA_AES_128_GCM,
        Self::ECDHE_RSA_CHACHA20_POLY1305,
        Self::ECDHE_ECDSA_AES_256_GCM,
        Self::ECDHE_RSA_AES_256_GCM,
    ];

    /// Stands for a suite that the handshake did not show in one piece.
    pub const UNKNOWN: Self = Self(0);

    /// The registered name, for reports and statistics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AES_128_GCM => "TLS_AES_128_GCM_SHA256",
            Self::AES_256_GCM => "TLS_AES_256_GCM_SHA384",
            Self::CHACHA20_POLY1305 => "TLS_CHACHA20_POLY1305_SHA256",
            Self::ECDHE_ECDSA_AES_128_GCM => "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
            Self::ECDHE_ECDSA_AES_256_GCM => "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
            Self::ECDHE_ECDSA_CHACHA20_POLY1305 => "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
            Self::ECDHE_RSA_AES_128_GCM => "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
            Self::ECDHE_RSA_AES_256_GCM => "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
            Self::ECDHE_RSA_CHACHA20_POLY1305 => "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
            _ => "unknown",
        }
    }

    /// The version that the suite belongs to; `None` if it is not known.
    pub const fn version(self) -> Option<Version> {
        match self.0 {
            0x1301..=0x1303 => Some(Version::Dtls13),
            0xC02B | 0xC02C | 0xC02F | 0xC030 | 0xCCA8 | 0xCCA9 => Some(Version::Dtls12),
            _ => None,
        }
    }

    /// The cipher of its records; `None` if the suite is not known.
    pub const fn aead(self) -> Option<Algorithm> {
        match self.0 {
            0x1301 | 0xC02B | 0xC02F => Some(Algorithm::Aes128Gcm),
            0x1302 | 0xC02C | 0xC030 => Some(Algorithm::Aes256Gcm),
            0x1303 | 0xCCA8 | 0xCCA9 => Some(Algorithm::ChaCha20Poly1305),
            _ => None,
        }
    }

    /// The hash of its key schedule and Finished; `None` if the suite is not known.
    pub const fn hash(self) -> Option<Hash> {
        match self.0 {
            0x1301 | 0x1303 | 0xC02B | 0xC02F | 0xCCA8 | 0xCCA9 => Some(Hash::Sha256),
            0x1302 | 0xC02C | 0xC030 => Some(Hash::Sha384),
            _ => None,
        }
    }

    /// Whether, in DTLS 1.2, the server signs with RSA.
    pub const fn is_signed_by_rsa(self) -> bool {
        matches!(self.0, 0xC02F | 0xC030 | 0xCCA8)
    }
}

impl Group {
    /// `X25519MLKEM768` (RFC 10024).
    pub const X25519_MLKEM768: Self = Self(0x11EC);
    /// `x25519`.
    pub const X25519: Self = Self(0x001D);
    /// `secp256r1`.
    pub const SECP256R1: Self = Self(0x0017);
    /// `secp384r1`.
    pub const SECP384R1: Self = Self(0x0018);

    /// All, in the order in which they are preferred.
    pub const ALL: [Self; 4] = [Self::X25519_MLKEM768, Self::X25519, Self::SECP256R1, Self::SECP384R1];

    /// The registered name, for reports and statistics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SECP256R1 => "secp256r1",
            Self::SECP384R1 => "secp384r1",
            Self::X25519 => "x25519",
            Self::X25519_MLKEM768 => "X25519MLKEM768",
            _ => "unknown",
        }
    }

    /// How keys are agreed in it; `None` if the group is not known.
    pub const fn agreement(self) -> Option<agreement::Group> {
        match self {
            Self::SECP256R1 => Some(agreement::Group::P256),
            Self::SECP384R1 => Some(agreement::Group::P384),
            Self::X25519 => Some(agreement::Group::X25519),
            Self::X25519_MLKEM768 => Some(agreement::Group::X25519MlKem768),
            _ => None,
        }
    }
}

impl SignatureScheme {
    /// `ecdsa_secp256r1_sha256`.
    pub const ECDSA_SECP256R1_SHA256: Self = Self(0x0403);
    /// `ecdsa_secp384r1_sha384`.
    pub const ECDSA_SECP384R1_SHA384: Self = Self(0x0503);
    /// `ed25519`.
    pub const ED25519: Self = Self(0x0807);
    /// `rsa_pss_rsae_sha256`.
    pub const RSA_PSS_RSAE_SHA256: Self = Self(0x0804);
    /// `rsa_pss_rsae_sha384`.
    pub const RSA_PSS_RSAE_SHA384: Self = Self(0x0805);
    /// `rsa_pss_rsae_sha512`.
    pub const RSA_PSS_RSAE_SHA512: Self = Self(0x0806);
    /// `rsa_pkcs1_sha256`; signs no handshake of DTLS 1.3 (RFC 8446 §4.2.3).
    pub const RSA_PKCS1_SHA256: Self = Self(0x0401);
    /// `rsa_pkcs1_sha384`; as above.
    pub const RSA_PKCS1_SHA384: Self = Self(0x0501);
    /// `rsa_pkcs1_sha512`; as above.
    pub const RSA_PKCS1_SHA512: Self = Self(0x0601);

    /// All that a peer may sign with, in the order in which they are preferred.
    pub const ALL: [Self; 9] = [
        Self::ECDSA_SECP256R1_SHA256,
        Self::ECDSA_SECP384R1_SHA384,
        Self::ED25519,
        Self::RSA_PSS_RSAE_SHA256,
        Self::RSA_PSS_RSAE_SHA384,
        Self::RSA_PSS_RSAE_SHA512,
        Self::RSA_PKCS1_SHA256,
        Self::RSA_PKCS1_SHA384,
        Self::RSA_PKCS1_SHA512,
    ];

    /// How such signatures are checked; `None` if the scheme is not known.
    pub const fn scheme(self) -> Option<Scheme> {
        match self {
            Self::ECDSA_SECP256R1_SHA256 => Some(Scheme::EcdsaSha256),
            Self::ECDSA_SECP384R1_SHA384 => Some(Scheme::EcdsaSha384),
            Self::ED25519 => Some(Scheme::Ed25519),
            Self::RSA_PSS_RSAE_SHA256 => Some(Scheme::RsaPssSha256),
            Self::RSA_PSS_RSAE_SHA384 => Some(Scheme::RsaPssSha384),
            Self::RSA_PSS_RSAE_SHA512 => Some(Scheme::RsaPssSha512),
            Self::RSA_PKCS1_SHA256 => Some(Scheme::RsaPkcs1Sha256),
            Self::RSA_PKCS1_SHA384 => Some(Scheme::RsaPkcs1Sha384),
            Self::RSA_PKCS1_SHA512 => Some(Scheme::RsaPkcs1Sha512),
            _ => None,
        }
    }
}

impl Epoch {
    /// Without protection.
    pub const PLAIN: Self = Self(0);
    /// Everything after the ChangeCipherSpec of DTLS 1.2.
    pub const FINISHED: Self = Self(1);
    /// The handshake of DTLS 1.3 behind the ServerHello.
    pub const HANDSHAKE: Self = Self(2);
    /// The first application data of DTLS 1.3.
    pub const APPLICATION: Self = Self(3);
}

impl Alpn {
    /// The protocol's identifier on the wire.
    pub const fn id(self) -> &'static [u8] {
        match self {
            Self::WebRtc => b"webrtc",
            Self::ConfidentialWebRtc => b"c-webrtc",
        }
    }
}

impl SrtpProfile {
    /// The number in the registry of RFC 5764.
    pub const fn number(self) -> u16 {
        match self {
            Self::Aes128CmSha1_80 => 0x0001,
            Self::Aes128CmSha1_32 => 0x0002,
            Self::AeadAes128Gcm => 0x0007,
            Self::AeadAes256Gcm => 0x0008,
        }
    }

    /// The profile of a number; `None` if it is not known.
    pub const fn from_number(number: u16) -> Option<Self> {
        match number {
            0x0001 => Some(Self::Aes128CmSha1_80),
            0x0002 => Some(Self::Aes128CmSha1_32),
            0x0007 => Some(Self::AeadAes128Gcm),
            0x0008 => Some(Self::AeadAes256Gcm),
            _ => None,
        }
    }

    /// Lengths of a master key and of a master salt, in bytes (RFC 5764 §4.1.2, RFC 7714 §12).
    pub const fn key_and_salt(self) -> (usize, usize) {
        match self {
            Self::Aes128CmSha1_80 | Self::Aes128CmSha1_32 => (16, 14),
            Self::AeadAes128Gcm => (16, 12),
            Self::AeadAes256Gcm => (32, 12),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dtls12 => "DTLS 1.2",
            Self::Dtls13 => "DTLS 1.3",
        })
    }
}

impl fmt::Debug for CipherSuite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (0x{:04X})", self.name(), self.0)
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (0x{:04X})", self.name(), self.0)
    }
}

impl fmt::Debug for SignatureScheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:04X}", self.0)
    }
}

impl fmt::Debug for SrtpKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SrtpKeys({:?})", self.profile)
    }
}
