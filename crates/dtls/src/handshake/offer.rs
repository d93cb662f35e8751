//! What a client offers.

use alloc::boxed::Box;
use alloc::vec::Vec;

use peerage_crypto::agreement::{Group as Agreement, PrivateHalf};
use peerage_crypto::secret::Secret;

use crate::config::Config;
use crate::extension::alpn::ProtocolName;
use crate::extension::client::ClientExtensions;
use crate::extension::key_share::KeyShare;
use crate::extension::kind::ExtensionSet;
use crate::extension::list::List;
use crate::extension::use_srtp::UseSrtp;
use crate::handshake::context::Context;
use crate::handshake::failure::Failure;
use crate::handshake::negotiate;
use crate::message::client_hello::ClientHello;
use crate::suite::{CipherSuite, Group, SignatureScheme, SrtpProfile, Version};

/// Shares are sent for this many groups. With the default order that is the hybrid group and X25519, as browsers do, so
/// that a server has to know neither post-quantum cryptography nor NIST curves to answer at once.
const SHARES: usize = 2;

/// The ClientHello, before and after it was asked to be sent again.
pub(crate) struct Offer {
    /// Which extensions a server may answer to.
    pub(crate) extensions: ExtensionSet,
    random: [u8; 32],
    shares: Vec<Share>,
    /// What a HelloRetryRequest wants to have returned.
    cookie: Vec<u8>,
    /// What a HelloVerifyRequest wants to have returned.
    legacy_cookie: Vec<u8>,
}

/// A key share whose other half is awaited.
struct Share {
    group: Group,
    half: Box<dyn PrivateHalf>,
}

impl Offer {
    /// A fresh random, and shares if DTLS 1.3 is offered.
    pub(crate) fn new(cx: &mut Context<'_>) -> Self {
        let mut offer = Self {
            extensions: ExtensionSet::default(),
            random: cx.rng.bytes(),
            shares: Vec::new(),
            cookie: Vec::new(),
            legacy_cookie: Vec::new(),
        };
        if negotiate::speaks(cx.config, Version::Dtls13) {
            for group in negotiate::groups(cx.config, Version::Dtls13).take(SHARES) {
                offer.add_share(group, cx);
            }
        }
        offer
    }

    /// Sends a share of this group alone from now on.
    pub(crate) fn replace_shares(&mut self, group: Group, cx: &mut Context<'_>) {
        self.shares.clear();
        self.add_share(group, cx);
    }

    /// Returns the cookie of a HelloRetryRequest from now on.
    pub(crate) fn set_cookie(&mut self, cookie: &[u8]) {
        self.cookie = cookie.to_vec();
    }

    /// Returns the cookie of a HelloVerifyRequest from now on.
    pub(crate) fn set_legacy_cookie(&mut self, cookie: &[u8]) {
        self.legacy_cookie = cookie.to_vec();
    }

    /// Writes the body of the ClientHello.
    pub(crate) fn write(&mut self, config: &Config, out: &mut Vec<u8>) {
        let speaks = |version| negotiate::speaks(config, version);
        let of_both = [Version::Dtls13, Version::Dtls12];
        let suites: Vec<CipherSuite> = of_both
            .into_iter()
            .filter(|version| speaks(*version))
            .flat_map(|version| negotiate::suites(config, version))
            .collect();
        let newest = if speaks(Version::Dtls13) { Version::Dtls13 } else { Version::Dtls12 };
        let groups: Vec<Group> = negotiate::groups(config, newest).collect();
        let versions: Vec<u16> = [(Version::Dtls13, negotiate::DTLS13), (Version::Dtls12, negotiate::DTLS12)]
            .into_iter()
            .filter_map(|(version, number)| speaks(version).then_some(number))
            .collect();
        let shares: Vec<KeyShare<'_>> =
            self.shares.iter().map(|share| KeyShare { group: share.group, key_exchange: share.half.share() }).collect();
        let profiles: Vec<u16> = config.srtp_profiles.iter().copied().map(SrtpProfile::number).collect();
        let names: Vec<ProtocolName<'_>> = config.alpn.iter().map(|alpn| ProtocolName(alpn.id())).collect();
        let is_13 = newest == Version::Dtls13;
        let is_12 = speaks(Version::Dtls12);
        let extensions = ClientExtensions {
            supported_versions: is_13.then_some(List::new(&versions)),
            supported_groups: Some(List::new(&groups)),
            key_share: is_13.then_some(List::new(&shares)),
            signature_algorithms: Some(List::new(&SignatureScheme::ALL)),
            cookie: Some(self.cookie.as_slice()).filter(|cookie| !cookie.is_empty()),
            use_srtp: (!profiles.is_empty()).then_some(UseSrtp { profiles: List::new(&profiles), mki: &[] }),
            alpn: (!names.is_empty()).then_some(List::new(&names)),
            record_size_limit: Some(negotiate::own_record_limit(config, newest)),
            extended_master_secret: is_12,
            ec_point_formats: is_12,
            renegotiation_info: is_12,
        };
        let hello = ClientHello {
            legacy_version: negotiate::DTLS12,
            random: self.random,
            // Nothing is resumed, and DTLS 1.3 has no compatibility with middleboxes to keep (RFC 9147 §5.3).
            session_id: &[],
            cookie: &self.legacy_cookie,
            cipher_suites: List::new(&suites),
            compression: &[0],
            extensions,
        };
        hello.write(out);
        self.extensions = extensions.present();
    }

    /// Agrees on a secret with the server's share, which has to be of a group that a share was sent of.
    pub(crate) fn agree(self, share: KeyShare<'_>) -> Result<Secret, Failure> {
        let own = self.shares.into_iter().find(|own| own.group == share.group);
        let own = own.ok_or_else(|| Failure::illegal("the server's share is of a group that no share was sent of"))?;
        own.half.agree(share.key_exchange).map_err(|_| Failure::illegal("the server's share is no share"))
    }

    /// Whether a share of this group is sent.
    pub(crate) fn has_share(&self, group: Group) -> bool {
        self.shares.iter().any(|share| share.group == group)
    }

    /// The client's random.
    pub(crate) const fn random(&self) -> &[u8; 32] {
        &self.random
    }

    fn add_share(&mut self, group: Group, cx: &mut Context<'_>) {
        // Groups that are not known are never taken from the configuration.
        let Some(agreement) = group.agreement() else { return };
        let part = match agreement {
            Agreement::X25519 => self.shares.iter().find_map(|share| share.half.x25519()),
            _ => None,
        };
        let half = part.unwrap_or_else(|| cx.config.keys.generate(agreement, cx.rng));
        self.shares.push(Share { group, half });
    }
}
