//! Nonces that need no memory (RFC 8489 §9.2, RFC 7616 §5.4).
//!
//! ```text
//! | cookie: "obMatJos2", security features (13 characters) | base64 of time (32), code (96) (22 characters) |
//! ```
//! The code is HMAC-SHA256 over the client's address and the time, cut to 96 bits: a nonce holds for one address and
//! port, and for servers that share key and clock.

use crate::server::config::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use core::net::{IpAddr, SocketAddr};
use peerage_base::time::Duration;
use peerage_crypto::{constant_time, hmac};
use peerage_stun::nonce::{COOKIE, Features};

const CODE: usize = 12;
const STAMP: usize = 22;
/// Length of a nonce in bytes.
const LENGTH: usize = COOKIE + STAMP;
/// How far the clock of another server of a fleet may be ahead, in seconds.
const SKEW: u32 = 5;

/// A nonce as it stands in the attribute.
#[derive(Clone, Copy, Debug)]
pub(super) struct Nonce([u8; LENGTH]);

impl Nonce {
    pub(super) fn as_str(&self) -> &str {
        core::str::from_utf8(&self.0).expect("base64 is ASCII")
    }
}

/// Makes and checks nonces.
#[derive(Debug)]
pub(super) struct Nonces {
    key: Secret,
    lifetime: u32,
    cookie: [u8; COOKIE],
}

impl Nonces {
    /// `anonymity` offers USERHASH; PASSWORD-ALGORITHMS is always offered.
    pub(super) fn new(key: Secret, lifetime: Duration, anonymity: bool) -> Self {
        let lifetime = u32::try_from(lifetime.as_secs()).unwrap_or(u32::MAX).max(3600);
        let cookie = Features { password_algorithms: true, username_anonymity: anonymity }.cookie();
        Self { key, lifetime, cookie }
    }

    /// A nonce for `client` at `unix`.
    pub(super) fn make(&self, client: SocketAddr, unix: Duration) -> Nonce {
        let time = unix.as_secs() as u32;
        let mut stamp = [0; 4 + CODE];
        stamp[..4].copy_from_slice(&time.to_be_bytes());
        stamp[4..].copy_from_slice(&self.code(client, time));
        let mut nonce = [0; LENGTH];
        let (cookie, rest) = nonce.split_at_mut(COOKIE);
        cookie.copy_from_slice(&self.cookie);
        STANDARD_NO_PAD.encode_slice(stamp, rest).expect("16 bytes are 22 characters");
        Nonce(nonce)
    }

    /// Whether this server gave the nonce to `client`, not too long ago.
    pub(super) fn check(&self, nonce: &str, client: SocketAddr, unix: Duration) -> bool {
        let Some(stamp) = nonce.as_bytes().strip_prefix(&self.cookie) else { return false };
        let mut bytes = [0; 4 + CODE];
        if stamp.len() != STAMP || STANDARD_NO_PAD.decode_slice(stamp, &mut bytes) != Ok(bytes.len()) {
            return false;
        }
        let Some((time, code)) = bytes.split_first_chunk::<4>() else { return false };
        let time = u32::from_be_bytes(*time);
        // The 32 bits of the time may run over.
        let age = (unix.as_secs() as u32).wrapping_add(SKEW).wrapping_sub(time);
        constant_time::equal(code, &self.code(client, time)) && age <= self.lifetime.saturating_add(SKEW)
    }

    fn code(&self, client: SocketAddr, time: u32) -> [u8; CODE] {
        let ip = match client.ip() {
            IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
            IpAddr::V6(ip) => ip.octets(),
        };
        let parts: [&[u8]; 3] = [&ip, &client.port().to_be_bytes(), &time.to_be_bytes()];
        let [code @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] =
            hmac::sha256(self.key.as_bytes(), &parts);
        code
    }
}

/// Whether the nonce says that its server offers PASSWORD-ALGORITHMS (RFC 8489 §9.2).
pub(super) fn offers_algorithms(nonce: &str) -> bool {
    Features::of_nonce(nonce).is_some_and(|features| features.password_algorithms)
}

#[cfg(test)]
mod tests {
    use super::{Nonces, offers_algorithms};
    use crate::server::config::Secret;
    use core::net::SocketAddr;
    use peerage_base::time::Duration;

    const HOUR: Duration = Duration::from_secs(3600);
    const T: Duration = Duration::from_secs(1_800_000_000);

    fn client(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_nonce_holds_for_an_hour_and_for_one_address_and_port() {
        let nonces = Nonces::new(Secret::from("k"), HOUR, false);
        let here = client("192.0.2.1:4000");
        let nonce = nonces.make(here, T);
        assert!(nonces.check(nonce.as_str(), here, T));
        assert!(nonces.check(nonce.as_str(), here, T + HOUR));
        assert!(!nonces.check(nonce.as_str(), here, T + HOUR + Duration::from_secs(1)));
        assert!(!nonces.check(nonce.as_str(), client("192.0.2.1:4001"), T));
        assert!(!nonces.check(nonce.as_str(), client("192.0.2.2:4000"), T));
        assert!(!Nonces::new(Secret::from("l"), HOUR, false).check(nonce.as_str(), here, T));
    }

    #[test]
    fn a_nonce_of_another_server_of_the_fleet_may_come_from_a_little_ahead() {
        let nonces = Nonces::new(Secret::from("k"), HOUR, false);
        let here = client("[2001:db8::1]:4000");
        let nonce = nonces.make(here, T + Duration::from_secs(5));
        assert!(nonces.check(nonce.as_str(), here, T));
        let nonce = nonces.make(here, T + Duration::from_secs(6));
        assert!(!nonces.check(nonce.as_str(), here, T));
    }

    #[test]
    fn no_changed_character_goes_unseen() {
        let nonces = Nonces::new(Secret::from("k"), HOUR, true);
        let here = client("192.0.2.1:4000");
        let nonce = nonces.make(here, T);
        let text = nonce.as_str();
        for at in 0..text.len() {
            for other in ["A", "B", "z", "0", "/", "!"] {
                let mut changed = alloc::string::String::from(text);
                changed.replace_range(at..=at, other);
                assert_eq!(nonces.check(&changed, here, T), changed == text, "{changed}");
            }
            assert!(!nonces.check(&text[..at], here, T));
        }
    }

    #[test]
    fn the_cookie_tells_what_is_offered() {
        let plain = Nonces::new(Secret::from("k"), HOUR, false).make(client("1.2.3.4:5"), T);
        let anonymous = Nonces::new(Secret::from("k"), HOUR, true).make(client("1.2.3.4:5"), T);
        assert!(plain.as_str().starts_with("obMatJos2gAAA"));
        assert!(anonymous.as_str().starts_with("obMatJos2wAAA"));
        assert!(offers_algorithms(plain.as_str()) && offers_algorithms(anonymous.as_str()));
        assert!(
            !offers_algorithms("obMatJos2AAAA") && !offers_algorithms("other") && !offers_algorithms("obMatJos2gA")
        );
    }
}
