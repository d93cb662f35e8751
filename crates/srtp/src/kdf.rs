//! Derivation of session keys from a master key (RFC 3711 §4.3), at a key derivation rate of zero: once.

use peerage_crypto::counter::{BLOCK_LEN, Counter};
use peerage_crypto::secret::Secret;

use crate::master::Master;

/// What a derived key is for (RFC 3711 §4.3.1 and §4.3.2, RFC 6904 §3).
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
pub(crate) enum Label {
    RtpCipher = 0,
    RtpMac = 1,
    RtpSalt = 2,
    RtcpCipher = 3,
    RtcpMac = 4,
    RtcpSalt = 5,
    ExtensionCipher = 6,
    ExtensionSalt = 7,
}

/// Where the label lies in a salt of 14 bytes; the packet index behind it is zero without a derivation rate.
const LABEL_AT: usize = 7;

/// The pseudorandom function of a master key: AES in counter mode (RFC 3711 §4.3.3, RFC 6188 §3.1 for 256 bits).
pub(crate) struct Kdf {
    cipher: Counter,
    /// The master salt. One of 12 bytes (RFC 7714) is padded at its end, and 16 bits of every salt count blocks.
    salt: [u8; BLOCK_LEN],
}

impl Kdf {
    pub(crate) fn new(master: &Master) -> Self {
        let mut salt = [0; BLOCK_LEN];
        salt[..master.salt().len()].copy_from_slice(master.salt());
        Self { cipher: Counter::new(master.key()), salt }
    }

    /// `len` bytes for one purpose.
    pub(crate) fn secret(&self, label: Label, len: usize) -> Secret {
        let mut out = Secret::zero(len);
        self.cipher.apply(&self.first(label), out.as_mut());
        out
    }

    /// A salt. Salts are no secrets (RFC 3711 §3.2.1).
    pub(crate) fn salt<const N: usize>(&self, label: Label) -> [u8; N] {
        let mut out = [0; N];
        self.cipher.apply(&self.first(label), &mut out);
        out
    }

    fn first(&self, label: Label) -> [u8; BLOCK_LEN] {
        let mut first = self.salt;
        first[LABEL_AT] ^= label as u8;
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Profile;
    use crate::tests_support::hex;

    /// RFC 3711 §B.3, its authentication key in full, and RFC 6904 §A.1.
    #[test]
    fn published_vectors() {
        let key = hex("e1f97a0d3e018be0d64fa32c06de4139");
        let salt = hex("0ec675ad498afeebb6960b3aabe6");
        let kdf = Kdf::new(&Master::new(Profile::Aes128CmSha1_80, &key, &salt).unwrap());
        assert_eq!(kdf.secret(Label::RtpCipher, 16).as_ref(), hex("c61e7a93744f39ee10734afe3ff7a087"));
        assert_eq!(kdf.salt::<14>(Label::RtpSalt)[..], hex("30cbbc08863d8c85d49db34a9ae1"));
        assert_eq!(kdf.secret(Label::RtpMac, 20).as_ref(), hex("cebe321f6ff7716b6fd4ab49af256a156d38baa4"));
        assert_eq!(
            kdf.secret(Label::RtpMac, 64).as_ref()[16..48],
            hex("6d38baa48f0a0acf3c34e2359e6cdbcee049646c43d9327ad175578ef7227098")
        );
        assert_eq!(kdf.secret(Label::ExtensionCipher, 16).as_ref(), hex("549752054d6fb708622c4a2e596a1b93"));
        assert_eq!(kdf.salt::<14>(Label::ExtensionSalt)[..], hex("ab01818174c40d39a3781f7c2d27"));
    }

    /// Of the same master key; computed by another implementation.
    #[test]
    fn keys_of_rtcp() {
        let key = hex("e1f97a0d3e018be0d64fa32c06de4139");
        let salt = hex("0ec675ad498afeebb6960b3aabe6");
        let kdf = Kdf::new(&Master::new(Profile::Aes128CmSha1_80, &key, &salt).unwrap());
        assert_eq!(kdf.secret(Label::RtcpCipher, 16).as_ref(), hex("4c1aa45a81f73d61c800bbb00fbb1eaa"));
        assert_eq!(kdf.secret(Label::RtcpMac, 20).as_ref(), hex("8d54534feb49ae8e7993a6bd0b844fc323a93dfd"));
        assert_eq!(kdf.salt::<14>(Label::RtcpSalt)[..], hex("9581c7ad87b3e530bf3e4454a8b3"));
    }

    /// RFC 9335 §A.2, which names the session key and salt of a master key with a salt of 12 bytes.
    #[test]
    fn a_short_salt_is_padded() {
        let key = hex("000102030405060708090a0b0c0d0e0f");
        let salt = hex("a0a1a2a3a4a5a6a7a8a9aaab");
        let kdf = Kdf::new(&Master::new(Profile::AeadAes128Gcm, &key, &salt).unwrap());
        assert_eq!(kdf.secret(Label::RtpCipher, 16).as_ref(), hex("077c6143cb221bc355ff23d5f984a16e"));
        assert_eq!(kdf.salt::<12>(Label::RtpSalt)[..], hex("9af3e95364ebac9c99c5a7c4"));
    }
}
