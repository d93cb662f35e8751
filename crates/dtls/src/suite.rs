//! What a handshake negotiates: version, cipher suite, key-exchange group, SRTP profile.

use alloc::boxed::Box;
use core::fmt;

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

/// An SRTP protection profile (RFC 5764 §4.1.2, RFC 7714 §14.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SrtpProfile {
    /// 0x0001, AES-CM with HMAC-SHA1 tags of 80 bits.
    Aes128CmSha1_80,
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
    /// Stands for a suite that the handshake did not show in one piece.
    pub const UNKNOWN: Self = Self(0);

    /// The registered name, for reports and statistics.
    pub const fn name(self) -> &'static str {
        match self.0 {
            0x1301 => "TLS_AES_128_GCM_SHA256",
            0x1302 => "TLS_AES_256_GCM_SHA384",
            0x1303 => "TLS_CHACHA20_POLY1305_SHA256",
            0xC02B => "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
            0xC02C => "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
            0xCCA9 => "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
            _ => "unknown",
        }
    }
}

impl Group {
    /// The registered name, for reports and statistics.
    pub const fn name(self) -> &'static str {
        match self.0 {
            0x0017 => "secp256r1",
            0x0018 => "secp384r1",
            0x001D => "x25519",
            0x11EC => "X25519MLKEM768",
            _ => "unknown",
        }
    }
}

impl SrtpProfile {
    /// The number in the registry of RFC 5764.
    pub const fn number(self) -> u16 {
        match self {
            Self::Aes128CmSha1_80 => 0x0001,
            Self::AeadAes128Gcm => 0x0007,
            Self::AeadAes256Gcm => 0x0008,
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

impl fmt::Debug for SrtpKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SrtpKeys({:?})", self.profile)
    }
}
