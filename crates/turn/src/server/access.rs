//! Who asks: the long-term credentials of RFC 8489 §9.2.4, without memory.

use crate::server::allocation::Seal;
use crate::server::config::{Config, Secret, User, is_realm};
use crate::server::credentials::password;
use crate::server::nonce::{Nonce, Nonces, offers_algorithms};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;
use peerage_base::rng::Rng;
use peerage_base::time::Duration;
use peerage_stun::attribute::lists::PasswordAlgorithms;
use peerage_stun::credentials::{Algorithm, Key, userhash};
use peerage_stun::message::Message;

/// Longest user name in bytes.
const MAX_TEXT: usize = 128;

/// Why a request is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// 400.
    BadRequest,
    /// 401.
    Unauthenticated,
    /// 438.
    StaleNonce,
}

/// Who a request is from. Only [`Access::check`] makes one.
#[derive(Debug)]
pub(super) struct Proven {
    pub(super) user: Box<str>,
    /// Where the name begins in `user`.
    name: usize,
    /// Unix time in seconds; `None` is never.
    pub(super) expiry: Option<u64>,
    pub(super) seal: Seal,
}

impl Proven {
    /// The name that quotas and liveness go by.
    pub(super) fn name(&self) -> &str {
        self.user.get(self.name..).unwrap_or_default()
    }
}

/// What a user name says, before its password is known to be right.
struct Claim {
    user: Box<str>,
    name: usize,
    expiry: Option<u64>,
    /// All that would be right: one per secret.
    passwords: Vec<String>,
}

/// Secrets, users and nonces.
#[derive(Debug)]
pub(super) struct Access {
    /// Nobody gets in without.
    realm: Option<Box<str>>,
    secrets: Vec<Secret>,
    users: BTreeMap<String, User>,
    /// Users by USERHASH.
    by_hash: BTreeMap<[u8; 32], String>,
    nonces: Nonces,
}

impl Access {
    pub(super) fn new(config: &Config, rng: &mut Rng) -> Self {
        let realm = is_realm(&config.realm).then(|| config.realm.as_str().into());
        let users: BTreeMap<_, _> = config
            .users
            .iter()
            .filter(|user| is_plain(&user.name))
            .map(|user| (user.name.clone(), user.clone()))
            .collect();
        let by_hash = users.keys().map(|name| (userhash(name, &config.realm), name.clone())).collect();
        let key = config.nonce_key.clone().unwrap_or_else(|| Secret::new(rng.bytes::<32>()));
        // Names that only their holders know cannot be found by their hash.
        let anonymity = config.secrets.is_empty() && !users.is_empty();
        let nonces = Nonces::new(key, config.nonce_lifetime, anonymity);
        Self { realm, secrets: config.secrets.clone(), users, by_hash, nonces }
    }

    pub(super) fn realm(&self) -> &str {
        self.realm.as_deref().unwrap_or_default()
    }

    pub(super) fn nonce(&self, client: SocketAddr, unix: Duration) -> Nonce {
        self.nonces.make(client, unix)
    }

    /// Who sent the request, in the order of checks of RFC 8489 §9.2.4.
    pub(super) fn check(&self, message: &Message<'_>, client: SocketAddr, unix: Duration) -> Result<Proven, Refusal> {
        if !message.has_integrity() {
            return Err(Refusal::Unauthenticated);
        }
        let identified = message.username().is_some() || message.userhash().is_some();
        let (true, Some(realm), Some(nonce)) = (identified, message.realm(), message.nonce()) else {
            return Err(Refusal::BadRequest);
        };
        let chosen = chosen_algorithm(message, nonce)?;
        let claim = self.claim(message).ok_or(Refusal::Unauthenticated)?;
        if self.realm.as_deref() != Some(realm) {
            return Err(Refusal::Unauthenticated);
        }
        let algorithm = chosen.unwrap_or(Algorithm::Md5);
        let keys = claim.passwords.iter().map(|password| Key::long_term(&claim.user, realm, password, algorithm));
        let key =
            keys.into_iter().find(|key| message.check_integrity(key).is_some()).ok_or(Refusal::Unauthenticated)?;
        if !self.nonces.check(nonce, client, unix) {
            return Err(Refusal::StaleNonce);
        }
        let seal = Seal { key, sha256: chosen.is_some(), fingerprint: message.has_fingerprint() };
        Ok(Proven { user: claim.user, name: claim.name, expiry: claim.expiry, seal })
    }

    fn claim(&self, message: &Message<'_>) -> Option<Claim> {
        let user = match message.username() {
            Some(user) => user,
            None => self.by_hash.get(message.userhash()?)?,
        };
        if !is_plain(user) {
            return None;
        }
        if let Some(known) = self.users.get(user) {
            let passwords = Vec::from([known.password.clone()]);
            return Some(Claim { user: user.into(), name: 0, expiry: None, passwords });
        }
        let (expiry, name) = user.split_once(':')?;
        // `u64` would take a leading plus, and so a second user name for the same name and time.
        if name.is_empty() || !expiry.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let expiry = Some(expiry.parse().ok()?);
        let passwords = self.secrets.iter().map(|secret| password(secret.as_bytes(), user)).collect();
        Some(Claim { user: user.into(), name: user.len() - name.len(), expiry, passwords })
    }
}

/// The algorithm that the client chose; `None` if it knows of none, and means MD5.
fn chosen_algorithm(message: &Message<'_>, nonce: &str) -> Result<Option<Algorithm>, Refusal> {
    if !offers_algorithms(nonce) {
        return Ok(None);
    }
    match (message.password_algorithms(), message.password_algorithm()) {
        (None, None) => Ok(None),
        // Who was offered another list was lied to (RFC 8489 §9.2.1).
        (Some(PasswordAlgorithms::SHA256_MD5), Some(chosen)) => {
            Algorithm::from_wire(&chosen).map(Some).ok_or(Refusal::BadRequest)
        }
        _ => Err(Refusal::BadRequest),
    }
}

/// Printable ASCII, without what would have to be quoted in a header or a log.
fn is_plain(text: &str) -> bool {
    (1..=MAX_TEXT).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\')
}
