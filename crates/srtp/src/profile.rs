//! What a DTLS handshake negotiates for SRTP.

use peerage_crypto::aead;

/// Bytes that SRTCP adds beside the tag: the index and the bit that says the packet is encrypted.
pub(crate) const INDEX_LEN: usize = 4;
/// Tag of SRTCP in both profiles of counter mode, in bytes: also where that of SRTP is shorter (RFC 5764 §4.1.2).
const SRTCP_TAG_LEN: usize = 10;

/// A protection profile (RFC 5764 §4.1.2, RFC 7714 §14.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Profile {
    /// 0x0001, AES-128 in counter mode with HMAC-SHA-1 tags of 80 bits.
    Aes128CmSha1_80,
    /// 0x0002, the same with tags of 32 bits for SRTP; those of SRTCP keep 80.
    Aes128CmSha1_32,
    /// 0x0007, AES-128-GCM.
    AeadAes128Gcm,
    /// 0x0008, AES-256-GCM.
    AeadAes256Gcm,
}

impl Profile {
    /// Every profile.
    pub const ALL: [Self; 4] = [Self::Aes128CmSha1_80, Self::Aes128CmSha1_32, Self::AeadAes128Gcm, Self::AeadAes256Gcm];

    /// The profile of a number in the registry of RFC 5764; `None` if it is not known.
    #[must_use]
    pub const fn from_number(number: u16) -> Option<Self> {
        match number {
            0x0001 => Some(Self::Aes128CmSha1_80),
            0x0002 => Some(Self::Aes128CmSha1_32),
            0x0007 => Some(Self::AeadAes128Gcm),
            0x0008 => Some(Self::AeadAes256Gcm),
            _ => None,
        }
    }

    /// The number in the registry of RFC 5764.
    #[must_use]
    pub const fn number(self) -> u16 {
        match self {
            Self::Aes128CmSha1_80 => 0x0001,
            Self::Aes128CmSha1_32 => 0x0002,
            Self::AeadAes128Gcm => 0x0007,
            Self::AeadAes256Gcm => 0x0008,
        }
    }

    /// Length of a master key, in bytes, which is also that of a key of the cipher.
    #[must_use]
    pub const fn key_len(self) -> usize {
        match self {
            Self::Aes128CmSha1_80 | Self::Aes128CmSha1_32 | Self::AeadAes128Gcm => 16,
            Self::AeadAes256Gcm => 32,
        }
    }

    /// Length of a master salt, in bytes.
    #[must_use]
    pub const fn salt_len(self) -> usize {
        match self {
            Self::Aes128CmSha1_80 | Self::Aes128CmSha1_32 => 14,
            Self::AeadAes128Gcm | Self::AeadAes256Gcm => 12,
        }
    }

    /// How many bytes the handshake has to export: two master keys and two master salts.
    #[must_use]
    pub const fn export_len(self) -> usize {
        2 * (self.key_len() + self.salt_len())
    }

    /// Bytes by which an RTP packet grows at its end, cryptex aside.
    #[must_use]
    pub const fn rtp_overhead(self) -> usize {
        match self {
            Self::Aes128CmSha1_80 => 10,
            Self::Aes128CmSha1_32 => 4,
            Self::AeadAes128Gcm | Self::AeadAes256Gcm => aead::TAG_LEN,
        }
    }

    /// Bytes by which an RTCP packet grows at its end.
    #[must_use]
    pub const fn rtcp_overhead(self) -> usize {
        match self {
            Self::Aes128CmSha1_80 | Self::Aes128CmSha1_32 => INDEX_LEN + SRTCP_TAG_LEN,
            Self::AeadAes128Gcm | Self::AeadAes256Gcm => INDEX_LEN + aead::TAG_LEN,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_lead_to_profiles_and_back() {
        for profile in Profile::ALL {
            assert_eq!(Profile::from_number(profile.number()), Some(profile));
        }
        // NULL with HMAC, double encryption and ARIA are not spoken here.
        for number in [0, 3, 4, 5, 6, 9, 0xA, 0xB, 0xFFFF] {
            assert_eq!(Profile::from_number(number), None);
        }
    }

    /// RFC 5764 §4.1.2, RFC 7714 §12.
    #[test]
    fn lengths_are_those_of_the_registry() {
        assert_eq!(Profile::ALL.map(Profile::export_len), [60, 60, 56, 88]);
        assert_eq!(Profile::ALL.map(Profile::rtp_overhead), [10, 4, 16, 16]);
        assert_eq!(Profile::ALL.map(Profile::rtcp_overhead), [14, 14, 20, 20]);
    }
}
