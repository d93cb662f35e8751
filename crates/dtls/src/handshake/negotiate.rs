//! What one side's settings make of the other side's lists.

use crate::config::{Config, Versions};
use crate::extension::alpn::ProtocolName;
use crate::extension::client::ClientExtensions;
use crate::extension::use_srtp::SelectedSrtp;
use crate::handshake::failure::Failure;
use crate::handshake::outcome::Agreed;
use crate::suite::{Alpn, CipherSuite, Group, SrtpProfile, Version};

/// Longest plaintext of a record, in bytes (RFC 9147 §4).
const MAX_PLAINTEXT: u16 = 1 << 14;
/// Shortest limit that a peer may ask for (RFC 8449 §4).
const MIN_RECORD_SIZE_LIMIT: u16 = 64;

/// DTLS 1.3 on the wire (RFC 9147 §5.3).
pub(crate) const DTLS13: u16 = 0xFEFC;
/// DTLS 1.2 on the wire, and the legacy version of DTLS 1.3.
pub(crate) const DTLS12: u16 = 0xFEFD;

/// Whether a version is offered and accepted: it is allowed, and there is something to speak it with.
pub(crate) fn speaks(config: &Config, version: Version) -> bool {
    let allowed = match config.versions {
        Versions::Any => true,
        Versions::Dtls12 => version == Version::Dtls12,
        Versions::Dtls13 => version == Version::Dtls13,
    };
    allowed && suites(config, version).next().is_some() && groups(config, version).next().is_some()
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

/// Server: what to answer to a client's extensions (RFC 5764 §4.1.1, RFC 7301 §3.2, RFC 8449 §4). What is not common is
/// left out; in particular names that mean nothing here are no reason to refuse, for RFC 8833 §3 leaves ALPN optional.
pub(crate) fn answer(config: &Config, version: Version, offer: &ClientExtensions<'_>) -> Agreed {
    let srtp = |profile: &SrtpProfile| offer.use_srtp.is_some_and(|srtp| srtp.profiles.contains(profile.number()));
    let alpn = |alpn: &Alpn| offer.alpn.is_some_and(|names| names.contains(ProtocolName(alpn.id())));
    Agreed {
        srtp: config.srtp_profiles.iter().copied().find(srtp),
        alpn: config.alpn.iter().copied().find(alpn),
        record_limit: offer.record_size_limit.map(|limit| record_limit(version, limit)),
    }
}

/// Client: what a server answered to ours. That it was asked for is checked before.
pub(crate) fn accept(
    config: &Config,
    version: Version,
    srtp: Option<SelectedSrtp<'_>>,
    alpn: Option<ProtocolName<'_>>,
    limit: Option<u16>,
) -> Result<Agreed, Failure> {
    let accept_srtp = |chosen: SelectedSrtp<'_>| {
        if !chosen.mki.is_empty() {
            return Err(Failure::illegal("the server chose a master key identifier that was not offered"));
        }
        SrtpProfile::from_number(chosen.profile)
            .filter(|profile| config.srtp_profiles.contains(profile))
            .ok_or_else(|| Failure::illegal("the server chose an SRTP profile that was not offered"))
    };
    let accept_alpn = |chosen: ProtocolName<'_>| {
        let known = config.alpn.iter().copied().find(|alpn| alpn.id() == chosen.0);
        known.ok_or_else(|| Failure::illegal("the server chose an application protocol that was not offered"))
    };
    Ok(Agreed {
        srtp: srtp.map(accept_srtp).transpose()?,
        alpn: alpn.map(accept_alpn).transpose()?,
        record_limit: limit.map(|limit| record_limit(version, limit)),
    })
}

/// What to put into our record_size_limit: in DTLS 1.3 it counts the byte of the inner content type (RFC 8449 §4).
pub(crate) fn own_record_limit(config: &Config, version: Version) -> u16 {
    config.record_size_limit.clamp(MIN_RECORD_SIZE_LIMIT, MAX_PLAINTEXT) + u16::from(version == Version::Dtls13)
}

/// What the peer's record_size_limit leaves for content. Limits beyond what a record can hold mean no limit.
fn record_limit(version: Version, limit: u16) -> u16 {
    match version {
        Version::Dtls12 => limit,
        Version::Dtls13 => limit - 1,
    }
    .min(MAX_PLAINTEXT)
}
