//! What a session text says.

use core::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use peerage_base::redact::Redacted;
use peerage_sdp::attribute::direction::Direction;
use peerage_sdp::attribute::setup::Setup;

use super::derive::OfferTag;
use super::error::TextError;

/// Seconds that one unit of [`Description::created`] has.
pub const TIME_UNIT: u64 = 256;

/// Seconds that a text is good for, unless the application chooses otherwise: 30 minutes, as long as an offerer keeps its
/// way through a NAT open.
pub const LIFETIME: u64 = 30 * 60;

/// Seconds that the clocks of two sides may differ.
const CLOCKS_DIFFER: u64 = 24 * 3600;

/// Which half of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The first half.
    Offer,
    /// The second half.
    Answer,
}

/// Whose manner a description is written in. It decides what needs no bytes because that side always writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// A native peer.
    Native,
    /// Chromium and what is made of it; Safari, which shares its WebRTC, is nearest to it.
    Chromium,
    /// Firefox.
    Firefox,
}

/// An offer or an answer, without what the other side can write itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Description {
    /// Offer or answer.
    pub kind: Kind,
    /// Whose manner it is written in.
    pub origin: Origin,
    /// When it was made, in seconds since 1970, rounded down to [`TIME_UNIT`].
    pub created: u64,
    /// The offer that an answer belongs to; `None` in an offer.
    pub answers: Option<OfferTag>,
    /// The DTLS role.
    pub setup: Setup,
    /// SHA-256 of the certificate.
    pub fingerprint: [u8; 32],
    /// The ICE user name fragment.
    pub ufrag: String,
    /// The ICE password.
    pub pwd: String,
    /// The ICE options; browsers usually write `trickle`, native peers `renomination` and `punch` too.
    pub ice_options: Vec<String>,
    /// The candidates, the best one first.
    pub candidates: Vec<Candidate>,
    /// The session level, as a pattern (see [`Section::body`]), without the lines that every description has.
    pub session: String,
    /// The media sections.
    pub sections: Vec<Section>,
}

/// A media section.
#[derive(Clone, PartialEq, Eq)]
pub struct Section {
    /// What it carries.
    pub media: MediaKind,
    /// Its name.
    pub mid: String,
    /// Whether it is refused (port 0).
    pub rejected: bool,
    /// Which way media flows, if the section says so.
    pub direction: Option<Direction>,
    /// Its lines below `c=`, separated by line feeds, with names in braces for what other fields say: `{ufrag}`, `{pwd}`,
    /// `{options}`, `{fingerprint}`, `{setup}`, `{mid}`, `{direction}` and those of [`Values`]. Candidates are not in it.
    pub body: String,
    /// The identifiers that the body names.
    pub values: Values,
}

/// Random identifiers of a section.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Values {
    /// `{stream}`: the stream of the first `msid`.
    pub stream: Option<String>,
    /// `{track}`: its track.
    pub track: Option<String>,
    /// `{ssrc}`: the first source.
    pub ssrc: Option<u32>,
    /// `{rtx}`: the source of its retransmissions.
    pub rtx: Option<u32>,
    /// `{fec}`: the source of its repair packets.
    pub fec: Option<u32>,
    /// `{cname}`: the canonical name of the sources.
    pub cname: Option<String>,
}

/// What a section carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MediaKind {
    /// `m=audio`
    Audio,
    /// `m=video`
    Video,
    /// `m=application`: data channels.
    Application,
}

/// A candidate. Its foundation, its priority and what it was derived from are written anew.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Candidate {
    /// How it was found.
    pub kind: CandidateKind,
    /// How it is reached.
    pub transport: Transport,
    /// Where.
    pub address: Address,
    /// The port.
    pub port: u16,
}

/// How a candidate was found (RFC 8445 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CandidateKind {
    /// An address of the host.
    Host,
    /// As a server saw it.
    ServerReflexive,
    /// As the other side saw it.
    PeerReflexive,
    /// An address on a relay.
    Relayed,
}

/// How a candidate is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// UDP.
    Udp,
    /// TCP; the candidate accepts connections.
    TcpPassive,
    /// TCP; both sides open at once.
    TcpSimultaneous,
    /// TCP; the candidate opens connections.
    TcpActive,
}

/// Where a candidate is.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// An IPv6 address.
    V6(Ipv6Addr),
    /// A name in the manner of browsers, that multicast DNS resolves: the UUID before `.local`.
    Mdns(u128),
    /// Another name.
    Name(String),
}

impl Kind {
    /// The role that needs no bytes: an offer leaves the choice, an answer makes the first move.
    pub(crate) const fn usual_setup(self) -> Setup {
        match self {
            Self::Offer => Setup::Actpass,
            Self::Answer => Setup::Active,
        }
    }
}

impl Origin {
    /// The ICE options that need no bytes.
    pub(crate) fn usual_ice_options(self) -> Vec<String> {
        let options: &[&str] = match self {
            Self::Native => &["trickle", "renomination", "punch"],
            Self::Chromium | Self::Firefox => &["trickle"],
        };
        options.iter().map(|&option| option.to_owned()).collect()
    }
}

impl Description {
    /// The tag that an answer to this offer carries.
    pub fn tag(&self) -> OfferTag {
        OfferTag::new(&self.fingerprint, &self.ufrag)
    }

    /// Seconds since it was made, to within [`TIME_UNIT`]; 0 if that is still to come. `now`: seconds since 1970.
    pub fn age(&self, now: u64) -> u64 {
        now.saturating_sub(self.created)
    }

    /// Holds it to what it is used for. `now`: seconds since 1970. `lifetime`: seconds, such as [`LIFETIME`]; a text is
    /// accepted up to [`TIME_UNIT`] longer, since its time is no more precise than that.
    ///
    /// # Errors
    /// [`TextError::WrongKind`] and [`TextError::Expired`]; [`TextError::Altered`] for one that was made more than a day from
    /// now.
    pub fn check(&self, kind: Kind, now: u64, lifetime: u64) -> Result<(), TextError> {
        if self.kind != kind {
            return Err(TextError::WrongKind { answer: self.kind == Kind::Answer });
        }
        // Made tomorrow: then the checksum fits by chance, since the time is part of it.
        if self.created > now + CLOCKS_DIFFER {
            return Err(TextError::Altered);
        }
        match self.age(now) {
            age if age > lifetime + TIME_UNIT => Err(TextError::Expired { age, limit: lifetime }),
            _ => Ok(()),
        }
    }

    /// Holds an answer to the offer that was made.
    ///
    /// # Errors
    /// [`TextError::OtherOffer`].
    pub fn check_answers(&self, offer: OfferTag) -> Result<(), TextError> {
        if self.answers == Some(offer) { Ok(()) } else { Err(TextError::OtherOffer) }
    }
}

impl fmt::Debug for Description {
    /// Without credentials and addresses.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Description")
            .field("kind", &self.kind)
            .field("origin", &self.origin)
            .field("created", &self.created)
            .field("setup", &self.setup)
            .field("candidates", &self.candidates)
            .field("sections", &self.sections.iter().map(|section| section.media).collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, transport, address, port } = self;
        write!(f, "{kind:?}/{transport:?}@{:?}", Redacted((address, port)))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(ip) => ip.fmt(f),
            Self::V6(ip) => ip.fmt(f),
            Self::Mdns(uuid) => write!(f, "{}.local", Uuid(*uuid)),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A UUID as text, in lower case (RFC 9562 §4).
pub(crate) struct Uuid(pub(crate) u128);

/// What the version (4) and the variant take of a random UUID (RFC 9562 §5.4).
const UUID_MASK: u128 = 0xF << 76 | 3 << 62;
const UUID_FIXED: u128 = 4 << 76 | 2 << 62;

impl Uuid {
    /// Reads 36 characters, of a random UUID only.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let hyphen = |index| matches!(index, 8 | 13 | 18 | 23);
        let shaped = text.len() == 36
            && text
                .bytes()
                .enumerate()
                .all(|(at, b)| if hyphen(at) { b == b'-' } else { matches!(b, b'0'..=b'9' | b'a'..=b'f') });
        let value = u128::from_str_radix(&text.replace('-', ""), 16).ok().filter(|_| shaped)?;
        (value & UUID_MASK == UUID_FIXED).then_some(Self(value))
    }

    /// The 122 bits that are random.
    pub(crate) const fn random_bits(&self) -> u128 {
        let value = self.0;
        let (top, middle, low) = (value >> 80, value >> 64 & 0xFFF, value & ((1 << 62) - 1));
        top << 74 | middle << 62 | low
    }

    /// The UUID with these random bits.
    pub(crate) const fn from_random_bits(bits: u128) -> Self {
        let (top, middle, low) = (bits >> 74 & ((1 << 48) - 1), bits >> 62 & 0xFFF, bits & ((1 << 62) - 1));
        Self(top << 80 | 4 << 76 | middle << 64 | 2 << 62 | low)
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = format!("{:032x}", self.0);
        let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
        write!(f, "{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_random_uuid_is_122_bits() {
        for text in [
            "7fdc82f2-7c7d-4a1a-938e-9574a87f9729",
            "00000000-0000-4000-8000-000000000000",
            "ffffffff-ffff-4fff-bfff-ffffffffffff",
        ] {
            let uuid = Uuid::parse(text).unwrap();
            assert!(uuid.random_bits() < 1 << 122);
            assert_eq!(Uuid::from_random_bits(uuid.random_bits()).to_string(), text);
        }
    }

    #[test]
    fn what_is_no_random_uuid_is_not_taken_for_one() {
        for text in [
            "",
            "7fdc82f2-7c7d-1a1a-938e-9574a87f9729",
            "7fdc82f2-7c7d-4a1a-c38e-9574a87f9729",
            "7FDC82F2-7c7d-4a1a-938e-9574a87f9729",
            "7fdc82f2-7c7d-4a1a-938e-9574a87f972",
            "7fdc82f2+7c7d-4a1a-938e-9574a87f9729",
            "7fdc82f27-c7d-4a1a-938e-9574a87f9729",
        ] {
            assert!(Uuid::parse(text).is_none(), "{text}");
        }
    }
}
