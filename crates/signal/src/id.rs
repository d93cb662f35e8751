//! Names on the wire: rooms, peers, resume tokens.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use core::fmt;
use peerage_base::rng::Rng;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::sync::Arc;

/// Crockford's base32, lower case.
pub(crate) const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// The name of a room in canonical form: 4 to 32 characters of Crockford's base32, lower case.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoomName(Arc<str>);

impl RoomName {
    /// Reads a canonical name; `None` if it is not one. Nothing is normalised: two spellings must not be two rooms.
    pub fn parse(text: &str) -> Option<Self> {
        let valid = (4..=32).contains(&text.len()) && text.bytes().all(|b| ALPHABET.contains(&b));
        valid.then(|| Self(text.into()))
    }

    /// A name that nobody can guess: 100 random bits.
    pub(crate) fn random(rng: &mut Rng) -> Self {
        let text: String = (0..20).map(|_| char::from(ALPHABET[rng.below(32) as usize])).collect();
        Self(text.into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RoomName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RoomName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The number of a nameplate, where the two that have a spoken code find each other: 1 to 999,999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Nameplate(u32);

impl Nameplate {
    /// The largest number.
    pub const MAX: u32 = 999_999;

    /// The nameplate with this number; `None` if there is none.
    pub fn new(number: u32) -> Option<Self> {
        (1..=Self::MAX).contains(&number).then_some(Self(number))
    }
}

impl TryFrom<u32> for Nameplate {
    type Error = &'static str;

    fn try_from(number: u32) -> Result<Self, Self::Error> {
        Self::new(number).ok_or("a nameplate is a number from 1 to 999999")
    }
}

impl From<Nameplate> for u32 {
    fn from(plate: Nameplate) -> Self {
        plate.0
    }
}

impl fmt::Display for Nameplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Which of the two one is at a nameplate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// Made the code, and opens the room that it leads to.
    Host,
    /// Was given the code, and joins that room.
    Guest,
}

impl Side {
    /// The other one.
    pub fn other(self) -> Self {
        match self {
            Self::Host => Self::Guest,
            Self::Guest => Self::Host,
        }
    }

    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Guest => "guest",
        }
    }
}

/// The identity of one run of one client: 16 random bytes, 22 characters of base64url on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerId([u8; 16]);

impl PeerId {
    /// A fresh identity.
    pub fn generate(rng: &mut Rng) -> Self {
        Self(rng.bytes())
    }

    /// The identity with these bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Reads the form on the wire; `None` if it is not one.
    pub fn parse(text: &str) -> Option<Self> {
        decode(text).map(Self)
    }
}

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        encode(&self.0, f)
    }
}

impl fmt::Debug for PeerId {
    /// The first characters, enough to follow a peer through a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PeerId({:02x}{:02x}{:02x})", self.0[0], self.0[1], self.0[2])
    }
}

/// The name of an offer in the exchange, which nobody can guess: 16 random bytes, 22 characters of base64url on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OfferId([u8; 16]);

impl OfferId {
    /// A fresh name.
    pub fn generate(rng: &mut Rng) -> Self {
        Self(rng.bytes())
    }

    /// Reads the form on the wire; `None` if it is not one.
    pub fn parse(text: &str) -> Option<Self> {
        decode(text).map(Self)
    }
}

impl fmt::Display for OfferId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        encode(&self.0, f)
    }
}

impl fmt::Debug for OfferId {
    /// Hides it: whoever has it may answer.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OfferId([redacted])")
    }
}

/// What proves to the server that a resuming client is the one that left; 16 random bytes.
#[derive(Clone, Copy)]
pub struct Token([u8; 16]);

impl Token {
    /// A fresh token.
    pub fn generate(rng: &mut Rng) -> Self {
        Self(rng.bytes())
    }

    /// Reads the form on the wire; `None` if it is not one.
    pub fn parse(text: &str) -> Option<Self> {
        decode(text).map(Self)
    }

    /// Whether both are the same, in constant time.
    pub fn matches(&self, other: &Self) -> bool {
        peerage_crypto::constant_time::equal(&self.0, &other.0)
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        encode(&self.0, f)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token([redacted])")
    }
}

fn decode(text: &str) -> Option<[u8; 16]> {
    let mut out = [0; 16];
    if text.len() != 22 {
        return None;
    }
    let len = URL_SAFE_NO_PAD.decode_slice_unchecked(text, &mut out).ok()?;
    (len == 16).then_some(out)
}

fn encode(bytes: &[u8; 16], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut out = [0; 22];
    let len = URL_SAFE_NO_PAD.encode_slice(bytes, &mut out).map_err(|_| fmt::Error)?;
    f.write_str(core::str::from_utf8(&out[..len]).map_err(|_| fmt::Error)?)
}

macro_rules! as_text {
    ($name:ident, $what:literal) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                struct Visitor;
                impl de::Visitor<'_> for Visitor {
                    type Value = $name;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($what)
                    }

                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$name, E> {
                        $name::parse(text).ok_or_else(|| E::custom(concat!("not ", $what)))
                    }
                }
                from.deserialize_str(Visitor)
            }
        }
    };
}

as_text!(RoomName, "a room of 4 to 32 characters of lower-case Crockford base32");
as_text!(PeerId, "a peer id of 22 characters of base64url");
as_text!(Token, "a token of 22 characters of base64url");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_id_has_22_characters_and_one_spelling() {
        let id = PeerId::from_bytes([0xFB; 16]);
        assert_eq!(id.to_string(), "-_v7-_v7-_v7-_v7-_v7-w");
        assert_eq!(PeerId::parse("-_v7-_v7-_v7-_v7-_v7-w"), Some(id));
        for bad in
            ["", "-_v7-_v7-_v7-_v7-_v7-", "+/v7-_v7-_v7-_v7-_v7-w", "-_v7-_v7-_v7-_v7-_v7-x", "-_v7-_v7-_v7-_v7-_v7-w="]
        {
            assert_eq!(PeerId::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_room_is_canonical_or_refused() {
        assert!(RoomName::parse("0z9k").is_some());
        assert!(RoomName::parse(&"a".repeat(32)).is_some());
        for bad in ["", "abc", "ABCD", "ab-d", "abcu", "abcl", "ab d", "\u{e9}bcd", &"a".repeat(33)] {
            assert_eq!(RoomName::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_nameplate_is_a_number_that_people_can_say() {
        assert_eq!(serde_json::from_str::<Nameplate>("999999").unwrap().to_string(), "999999");
        for bad in ["0", "1000000", "-1", "1.5", "\"7\"", "null"] {
            assert!(serde_json::from_str::<Nameplate>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_token_matches_itself_alone() {
        let mut rng = Rng::from_u64(1);
        let (a, b) = (Token::generate(&mut rng), Token::generate(&mut rng));
        assert!(a.matches(&Token::parse(&a.to_string()).unwrap()));
        assert!(!a.matches(&b));
    }
}
