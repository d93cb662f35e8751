//! Master keys, and where they lie in what a handshake exports.

use peerage_crypto::secret::Secret;

use crate::profile::Profile;

/// A master key and its salt: all that one direction is protected under. Wiped when dropped.
#[derive(Clone, Debug)]
pub struct Master {
    profile: Profile,
    key: Secret,
    salt: Secret,
}

impl Master {
    /// A master key of `profile`; `None` if `key` or `salt` has another length than the profile's.
    #[must_use]
    pub fn new(profile: Profile, key: &[u8], salt: &[u8]) -> Option<Self> {
        (key.len() == profile.key_len() && salt.len() == profile.salt_len()).then(|| Self {
            profile,
            key: Secret::from_slice(key),
            salt: Secret::from_slice(salt),
        })
    }

    /// The master keys of what the DTLS client sends and of what the DTLS server sends, out of what was exported with the
    /// label `EXTRACTOR-dtls_srtp`: client key, server key, client salt, server salt (RFC 5764 §4.2). `None` if `exported`
    /// has another length than [`Profile::export_len`].
    #[must_use]
    pub fn from_export(profile: Profile, exported: &[u8]) -> Option<(Self, Self)> {
        let (keys, salts) = exported.split_at_checked(2 * profile.key_len())?;
        let (client_key, server_key) = keys.split_at(profile.key_len());
        let (client_salt, server_salt) = salts.split_at_checked(profile.salt_len())?;
        Some((Self::new(profile, client_key, client_salt)?, Self::new(profile, server_key, server_salt)?))
    }

    /// The profile that the key is for.
    #[must_use]
    pub fn profile(&self) -> Profile {
        self.profile
    }

    pub(crate) fn key(&self) -> &[u8] {
        self.key.as_ref()
    }

    pub(crate) fn salt(&self) -> &[u8] {
        self.salt.as_ref()
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn keys_come_before_salts_and_the_client_before_the_server() {
        for profile in Profile::ALL {
            let exported: Vec<u8> = (0..profile.export_len() as u8).collect();
            let (client, server) = Master::from_export(profile, &exported).unwrap();
            let (key, salt) = (profile.key_len(), profile.salt_len());
            assert_eq!(client.key(), &exported[..key]);
            assert_eq!(server.key(), &exported[key..2 * key]);
            assert_eq!(client.salt(), &exported[2 * key..2 * key + salt]);
            assert_eq!(server.salt(), &exported[2 * key + salt..]);
            assert_eq!(client.profile(), profile);
        }
    }

    #[test]
    fn another_length_is_refused() {
        for profile in Profile::ALL {
            let exported = [7; 90];
            for len in (0..exported.len()).filter(|len| *len != profile.export_len()) {
                assert!(Master::from_export(profile, &exported[..len]).is_none(), "{profile:?} {len}");
            }
            assert!(
                Master::new(profile, &exported[..profile.key_len()], &exported[..profile.salt_len() - 1]).is_none()
            );
            assert!(
                Master::new(profile, &exported[..profile.key_len() + 1], &exported[..profile.salt_len()]).is_none()
            );
        }
    }

    #[test]
    fn a_key_is_not_printed() {
        let master = Master::new(Profile::AeadAes128Gcm, &[0xA5; 16], &[0x5A; 12]).unwrap();
        let text = std::format!("{master:?}");
        assert!(!text.contains("165") && !text.to_lowercase().contains("a5"), "{text}");
    }
}
