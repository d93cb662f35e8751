//! Which extension it is, and sets of them.

use core::fmt;

/// An extension by its number in the TLS registry, two bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ExtensionType(pub u16);

/// Which of the extensions known here a message carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ExtensionSet(u16);

impl ExtensionType {
    pub(crate) const SUPPORTED_GROUPS: Self = Self(10);
    pub(crate) const EC_POINT_FORMATS: Self = Self(11);
    pub(crate) const SIGNATURE_ALGORITHMS: Self = Self(13);
    pub(crate) const USE_SRTP: Self = Self(14);
    pub(crate) const ALPN: Self = Self(16);
    pub(crate) const EXTENDED_MASTER_SECRET: Self = Self(23);
    pub(crate) const RECORD_SIZE_LIMIT: Self = Self(28);
    pub(crate) const PRE_SHARED_KEY: Self = Self(41);
    pub(crate) const SUPPORTED_VERSIONS: Self = Self(43);
    pub(crate) const COOKIE: Self = Self(44);
    pub(crate) const KEY_SHARE: Self = Self(51);
    pub(crate) const RENEGOTIATION_INFO: Self = Self(0xFF01);

    /// Those with a meaning here. PRE_SHARED_KEY is known for its place alone.
    const KNOWN: [Self; 11] = [
        Self::SUPPORTED_GROUPS,
        Self::EC_POINT_FORMATS,
        Self::SIGNATURE_ALGORITHMS,
        Self::USE_SRTP,
        Self::ALPN,
        Self::EXTENDED_MASTER_SECRET,
        Self::RECORD_SIZE_LIMIT,
        Self::SUPPORTED_VERSIONS,
        Self::COOKIE,
        Self::KEY_SHARE,
        Self::RENEGOTIATION_INFO,
    ];

    pub(crate) fn is_known(self) -> bool {
        Self::KNOWN.contains(&self)
    }

    fn bit(self) -> u16 {
        Self::KNOWN.iter().position(|known| *known == self).map_or(0, |i| 1 << i)
    }
}

impl ExtensionSet {
    /// Adds an extension if it is one that is known here, and if `present`.
    #[must_use]
    pub(crate) fn with(self, kind: ExtensionType, present: bool) -> Self {
        if present { Self(self.0 | kind.bit()) } else { self }
    }

    pub(crate) fn contains(self, kind: ExtensionType) -> bool {
        self.0 & kind.bit() != 0
    }

    /// Whether all of these are in `other`.
    pub(crate) const fn is_subset_of(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }
}

impl fmt::Debug for ExtensionType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "extension {}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_knows_each_extension_apart() {
        for kind in ExtensionType::KNOWN {
            let alone = ExtensionSet::default().with(kind, true);
            assert_eq!(alone.with(kind, false), alone);
            for other in ExtensionType::KNOWN {
                assert_eq!(alone.contains(other), kind == other);
                assert_eq!(alone.is_subset_of(ExtensionSet::default().with(other, true)), kind == other);
            }
        }
        let all = ExtensionType::KNOWN.iter().fold(ExtensionSet::default(), |set, kind| set.with(*kind, true));
        assert!(ExtensionSet::default().is_subset_of(all) && !all.is_subset_of(ExtensionSet::default()));
    }

    #[test]
    fn an_unknown_extension_is_in_no_set() {
        let unknown = ExtensionType(0x1A1A);
        assert!(!unknown.is_known());
        assert_eq!(ExtensionSet::default().with(unknown, true), ExtensionSet::default());
    }
}
