//! What one side's settings make of the other side's lists.

use crate::config::{Config, Versions};
use crate::handshake::failure::Failure;
use crate::suite::{Alpn, CipherSuite, Group, SrtpProfile, Version};

/// Longest plaintext of a record, in bytes (RFC 9147 §4).
const MAX_PLAINTEXT: u16 = 1 << 14;
/// Shortest limit that a peer may ask for (RFC 8449 §4).
const MIN_RECORD_SIZE_LIMIT: u16 = 64;

/// Whether a version is offered and accepted.
pub(crate) fn speaks(config: &Config, version: Version) -> bool {
    match config.versions {
        Versions::Any => true,
        Versions::Dtls12 => version == Version::Dtls12,
        Versions::Dtls13 => version == Version::Dtls13,
    }
}

/// The cipher suites of a version, in order of preference.
pub(crate) fn suites(config: &Config, version: Version) -> impl Iterator<Item = CipherSuite> {
    config.cipher_suites.iter().copied().filter(move |suite| suite.version() == Some(version))
}

/// The groups of a version, in order of preference. Hybrid ones belong to DTLS 1.3 alone (RFC 10024).
pub(crate) fn groups(config: &Config, version: Version) -> impl Iterator<Item = Group> {
    config
        .groups
        .iter()
        .copied()
        .filter(|group| group.agreement().is_some())
        .filter(move |group| version == Version::Dtls13 || *group != Group::X25519_MLKEM768)
}

/// Server: the SRTP profile to answer with (RFC 5764 §4.1.1). With none in common the extension is left out.
pub(crate) fn choose_srtp(config: &Config, offered: impl Iterator<Item = u16> + Clone) -> Option<SrtpProfile> {
    config.srtp_profiles.iter().copied().find(|profile| offered.clone().any(|number| number == profile.number()))
}

/// Server: the application protocol to answer with. Names that mean nothing here are no reason to refuse (RFC 8833 §3
/// leaves ALPN optional), so the alert of RFC 7301 §3.2 is never sent.
pub(crate) fn choose_alpn<'a>(config: &Config, offered: impl Iterator<Item = &'a [u8]> + Clone) -> Option<Alpn> {
    config.alpn.iter().copied().find(|alpn| offered.clone().any(|id| id == alpn.id()))
}

/// Client: the profile that the server chose, which must be one and one of ours.
pub(crate) fn check_srtp(config: &Config, chosen: u16) -> Result<SrtpProfile, Failure> {
    SrtpProfile::from_number(chosen)
        .filter(|profile| config.srtp_profiles.contains(profile))
        .ok_or_else(|| Failure::illegal("the server chose an SRTP profile that was not offered"))
}

/// Client: the application protocol that the server chose, which must be one of ours.
pub(crate) fn check_alpn(config: &Config, chosen: &[u8]) -> Result<Alpn, Failure> {
    config
        .alpn
        .iter()
        .copied()
        .find(|alpn| alpn.id() == chosen)
        .ok_or_else(|| Failure::illegal("the server chose an application protocol that was not offered"))
}

/// What to put into our record_size_limit: in DTLS 1.3 it counts the byte of the inner content type (RFC 8449 §4).
pub(crate) fn own_record_limit(config: &Config, version: Version) -> u16 {
    config.record_size_limit.clamp(MIN_RECORD_SIZE_LIMIT, MAX_PLAINTEXT) + u16::from(version == Version::Dtls13)
}

/// What the peer's record_size_limit leaves for application data. Limits beyond what a record can hold mean no limit.
pub(crate) fn record_limit(version: Version, limit: u16) -> Result<u16, Failure> {
    if limit < MIN_RECORD_SIZE_LIMIT {
        return Err(Failure::illegal("a record size limit below 64 bytes"));
    }
    Ok(match version {
        Version::Dtls12 => limit,
        Version::Dtls13 => limit - 1,
    }
    .min(MAX_PLAINTEXT))
}
