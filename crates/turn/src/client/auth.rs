//! Long-term credentials as a server asked for them (RFC 8489 §9.2).

use alloc::boxed::Box;
use alloc::string::String;

use peerage_stun::attribute::Attribute;
use peerage_stun::attribute::lists::PasswordAlgorithms;
use peerage_stun::credentials::{Algorithm, Key, userhash};
use peerage_stun::message::{Authentic, Message};
use peerage_stun::nonce::Features;
use peerage_stun::write::{Misuse, Writer};

use crate::client::config::Config;

/// Longest offer that is repeated: many times what the two registered algorithms need.
const MAX_OFFER: usize = 256;

/// What a server wants requests to be signed with.
#[derive(Clone, Debug)]
pub(crate) struct Challenge {
    realm: String,
    nonce: String,
    /// The server's offer, byte for byte, and what was chosen of it; `None` for servers before RFC 8489.
    offer: Option<(Box<[u8]>, Algorithm)>,
    /// In place of the user name, where the server takes it.
    userhash: Option<[u8; 32]>,
    key: Key,
    /// Grows with every nonce, so that a request knows whether there was a new one meanwhile.
    generation: u32,
}

/// Why a challenge cannot be met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unmet {
    /// REALM or NONCE is missing: not a challenge at all.
    Incomplete,
    /// The nonce speaks of an offer that is not there.
    BidDown,
    /// Nothing in the offer is known here.
    Algorithms,
}

impl Challenge {
    /// Reads a 401.
    pub(crate) fn read(response: &Message<'_>, config: &Config, generation: u32) -> Result<Self, Unmet> {
        let (Some(realm), Some(nonce)) = (response.realm(), response.nonce()) else { return Err(Unmet::Incomplete) };
        let offer = response.password_algorithms();
        if is_bid_down(response) {
            return Err(Unmet::BidDown);
        }
        if offer.is_some_and(|offer| offer.as_bytes().len() > MAX_OFFER) {
            return Err(Unmet::Algorithms);
        }
        let chosen = offer.map(|offer| choose(&offer).ok_or(Unmet::Algorithms)).transpose()?;
        let anonymous = Features::of_nonce(nonce).is_some_and(|features| features.username_anonymity);
        let algorithm = chosen.unwrap_or(Algorithm::Md5);
        Ok(Self {
            realm: realm.into(),
            nonce: nonce.into(),
            offer: offer.zip(chosen).map(|(offer, chosen)| (offer.as_bytes().into(), chosen)),
            userhash: anonymous.then(|| userhash(&config.username, realm)),
            key: Key::long_term(&config.username, realm, &config.password, algorithm),
            generation,
        })
    }

    /// Takes the nonce of a 438. False if there is none, if it is the one that is stale, or if the rest of the challenge
    /// would change with it, which nothing vouches for.
    pub(crate) fn renew(&mut self, response: &Message<'_>) -> bool {
        let Some(nonce) = response.nonce().filter(|nonce| *nonce != self.nonce) else { return false };
        let same_realm = response.realm().is_none_or(|realm| realm == self.realm);
        let offer = response.password_algorithms();
        let same_offer = offer.as_ref().map(|offer| offer.as_bytes()) == self.offer.as_ref().map(|(offer, _)| &**offer);
        if !same_realm || !same_offer || is_bid_down(response) {
            return false;
        }
        self.nonce = nonce.into();
        self.generation += 1;
        true
    }

    /// Whether `other` asks for other credentials than this one.
    pub(crate) fn differs(&self, other: &Self) -> bool {
        self.realm != other.realm || self.offer != other.offer || self.userhash != other.userhash
    }

    /// Signs what was written so far (RFC 8489 §9.2.5). The signature is at the end of the request.
    pub(crate) fn sign(&self, username: &str, writer: &mut Writer<'_>) -> Result<(), Misuse> {
        match &self.userhash {
            Some(hash) => writer.attribute(&Attribute::Userhash(hash))?,
            None => writer.attribute(&Attribute::Username(username))?,
        };
        writer.attribute(&Attribute::Realm(&self.realm))?.attribute(&Attribute::Nonce(&self.nonce))?;
        let Some((offer, chosen)) = &self.offer else { return writer.integrity(&self.key).map(drop) };
        if let Some(offer) = PasswordAlgorithms::from_bytes(offer) {
            writer.attribute(&Attribute::PasswordAlgorithms(offer))?;
        }
        writer.attribute(&Attribute::PasswordAlgorithm(chosen.to_wire()))?;
        writer.integrity_sha256(&self.key).map(drop)
    }

    /// Proof that the server made the response. Where SHA-256 was agreed on, SHA-1 does not do.
    pub(crate) fn verify(&self, response: &Message<'_>) -> Option<Authentic> {
        if self.offer.is_some() && !response.has_integrity_sha256() {
            return None;
        }
        response.check_integrity(&self.key)
    }

    /// Which nonce this is.
    pub(crate) fn generation(&self) -> u32 {
        self.generation
    }
}

/// Whether the nonce speaks of PASSWORD-ALGORITHMS that somebody took away (RFC 8489 §9.2.5).
pub(crate) fn is_bid_down(response: &Message<'_>) -> bool {
    let promised = response.nonce().and_then(Features::of_nonce).is_some_and(|features| features.password_algorithms);
    promised && response.password_algorithms().is_none()
}

/// The first of the server's list that is known here; a list is in the server's order of preference.
fn choose(offer: &PasswordAlgorithms<'_>) -> Option<Algorithm> {
    offer.iter().find_map(|algorithm| Algorithm::from_wire(&algorithm))
}
