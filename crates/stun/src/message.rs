//! The message: header, walk over the attributes, integrity and fingerprint (RFC 8489 §5, §14.5 to §14.7).
//!
//! ```text
//! | 0 0 (2) | type (14) | length (16) | magic cookie (32) | transaction id (96) | attributes ... |
//! ```

use crate::attribute::dtls_in_stun::DtlsInStun;
use crate::attribute::dtls_in_stun_ack::DtlsInStunAck;
use crate::attribute::error_code::ErrorCode;
use crate::attribute::kind::AttributeType;
use crate::attribute::lists::{PasswordAlgorithm, PasswordAlgorithms, UnknownAttributes};
use crate::attribute::{Attribute, NetworkInfo};
use crate::credentials::Key;
use crate::header::{Class, HEADER, Method, TransactionId, is_stun, split_type};
use crate::integrity::{self, FINGERPRINT, INTEGRITY};
use core::fmt;
use core::net::SocketAddr;
use core::ops::Range;
use peerage_base::reader::Reader;
use peerage_crypto::constant_time;

/// Why bytes are not a STUN message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Shorter than a header, a first byte above 3, or no magic cookie.
    #[error("not a STUN message")]
    NotStun,
    /// The length field is not a multiple of 4, or not what follows the header.
    #[error("the length field does not fit the message")]
    Length,
    /// An attribute runs past the end.
    #[error("{0} is cut short")]
    Truncated(AttributeType),
    /// A known comprehension-required attribute has a value that makes no sense.
    #[error("{0} is malformed")]
    Malformed(AttributeType),
}

/// Proves that a message was authenticated with a key. Only [`Message::check_integrity`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Authentic(());

/// A received message, walked once and found well formed; borrows from the packet.
#[derive(Clone, Copy)]
pub struct Message<'a> {
    bytes: &'a [u8],
    class: Class,
    method: Method,
    id: TransactionId,
    /// Where the attributes that count end: at the first computed one, or at the end of the message.
    content_end: usize,
    /// Where MESSAGE-INTEGRITY begins.
    integrity: Option<usize>,
    /// Where MESSAGE-INTEGRITY-SHA256 begins, and how long its value is.
    integrity_sha256: Option<(usize, usize)>,
    /// Where FINGERPRINT begins.
    fingerprint: Option<usize>,
}

impl<'a> Message<'a> {
    /// Reads a message that fills `bytes` exactly.
    ///
    /// # Errors
    /// Says what is wrong with the bytes; such a packet is to be dropped. A request with a malformed attribute could be
    /// answered with 400, but whoever sends one is not helped by it.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        if !is_stun(bytes) {
            return Err(ParseError::NotStun);
        }
        let mut header = Reader::new(bytes);
        let (Some(bits), Some(length), Some(_cookie), Some(id)) =
            (header.u16(), header.u16(), header.u32(), header.array())
        else {
            return Err(ParseError::NotStun);
        };
        if !length.is_multiple_of(4) || usize::from(length) != bytes.len() - HEADER {
            return Err(ParseError::Length);
        }
        let (class, method) = split_type(bits);
        let mut message = Self {
            bytes,
            class,
            method,
            id: TransactionId(id),
            content_end: bytes.len(),
            integrity: None,
            integrity_sha256: None,
            fingerprint: None,
        };
        message.walk()?;
        Ok(message)
    }

    /// Checks every attribute that counts and notes where the computed ones are.
    fn walk(&mut self) -> Result<(), ParseError> {
        let mut walk = Walk { bytes: self.bytes, at: HEADER };
        for element in walk.by_ref() {
            let Element { at, kind, value } = element?;
            let sealed = self.integrity.is_some() || self.integrity_sha256.is_some();
            match kind {
                AttributeType::MESSAGE_INTEGRITY if !sealed => {
                    value.len().eq(&20).then_some(()).ok_or(ParseError::Malformed(kind))?;
                    self.integrity = Some(at);
                }
                AttributeType::MESSAGE_INTEGRITY_SHA256 if self.integrity_sha256.is_none() => {
                    let valid = (16..=32).contains(&value.len()) && value.len().is_multiple_of(4);
                    valid.then_some(()).ok_or(ParseError::Malformed(kind))?;
                    self.integrity_sha256 = Some((at, value.len()));
                }
                AttributeType::FINGERPRINT if value.len() == 4 => self.fingerprint = Some(at),
                // What follows the integrity is not covered by it: anyone may have added it (RFC 8489 §14.5).
                _ if sealed => continue,
                _ => {
                    Attribute::parse(kind, value, &self.id).ok_or(ParseError::Malformed(kind))?;
                    continue;
                }
            }
            self.content_end = self.content_end.min(at);
            if self.fingerprint.is_some() {
                break;
            }
        }
        // Framing is checked to the end even where the contents do not count.
        walk.try_for_each(|element| element.map(drop))
    }

    /// Request, indication, success or error.
    pub fn class(&self) -> Class {
        self.class
    }

    /// What it asks for or answers.
    pub fn method(&self) -> Method {
        self.method
    }

    /// What ties request and response.
    pub fn transaction_id(&self) -> TransactionId {
        self.id
    }

    /// The whole message.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The attributes up to the first of MESSAGE-INTEGRITY, MESSAGE-INTEGRITY-SHA256 and FINGERPRINT.
    pub fn attributes(&self) -> impl Iterator<Item = Attribute<'a>> + use<'a> {
        let id = self.id;
        let content = self.bytes.get(..self.content_end).unwrap_or_default();
        let walk = Walk { bytes: content, at: HEADER };
        walk.map_while(move |element| {
            let Element { kind, value, .. } = element.ok()?;
            Attribute::parse(kind, value, &id)
        })
    }

    /// Whether it ends with a FINGERPRINT of the right form.
    pub fn has_fingerprint(&self) -> bool {
        self.fingerprint.is_some_and(|at| at + FINGERPRINT == self.bytes.len())
    }

    /// Whether it ends with the right FINGERPRINT (RFC 8489 §14.7).
    pub fn check_fingerprint(&self) -> bool {
        let Some(at) = self.fingerprint.filter(|_| self.has_fingerprint()) else { return false };
        self.bytes.get(at + 4..)
            == integrity::fingerprint(self.bytes, at).map(u32::to_be_bytes).as_ref().map(|b| &b[..])
    }

    /// Whether it carries MESSAGE-INTEGRITY or MESSAGE-INTEGRITY-SHA256.
    pub fn has_integrity(&self) -> bool {
        self.integrity.is_some() || self.integrity_sha256.is_some()
    }

    /// Whether it carries MESSAGE-INTEGRITY-SHA256.
    pub fn has_integrity_sha256(&self) -> bool {
        self.integrity_sha256.is_some()
    }

    /// Proof that the sender knows `key`, in constant time; `None` if the code is missing or wrong.
    ///
    /// Of both codes the stronger one decides (RFC 8489 §9.1.3). A SHA-256 code must have its full 32 bytes: no user of
    /// this crate has agreed on a truncation (§14.6).
    pub fn check_integrity(&self, key: &Key) -> Option<Authentic> {
        let matches = if let Some((at, len)) = self.integrity_sha256 {
            constant_time::equal(self.bytes.get(at + 4..at + 4 + len)?, &integrity::sha256(key, self.bytes, at, len)?)
        } else {
            let at = self.integrity?;
            constant_time::equal(self.bytes.get(at + 4..at + INTEGRITY)?, &integrity::sha1(key, self.bytes, at)?)
        };
        matches.then_some(Authentic(()))
    }

    /// The comprehension-required types that the codec does not know, in order (RFC 8489 §6.3).
    pub fn unknown_required(&self) -> impl Iterator<Item = u16> + use<'a> {
        self.attributes().filter_map(|attribute| match attribute {
            Attribute::Unknown { kind, .. } if kind.is_required() => Some(kind.0),
            _ => None,
        })
    }

    /// The reflexive address: XOR-MAPPED-ADDRESS, else MAPPED-ADDRESS.
    pub fn xor_mapped_address(&self) -> Option<SocketAddr> {
        let plain = || {
            self.find(|attribute| match attribute {
                Attribute::MappedAddress(address) => Some(address),
                _ => None,
            })
        };
        self.find(|attribute| match attribute {
            Attribute::XorMappedAddress(address) => Some(address),
            _ => None,
        })
        .or_else(plain)
    }

    /// Every XOR-PEER-ADDRESS; CreatePermission may carry several.
    pub fn xor_peer_addresses(&self) -> impl Iterator<Item = SocketAddr> + use<'a> {
        self.attributes().filter_map(|attribute| match attribute {
            Attribute::XorPeerAddress(address) => Some(address),
            _ => None,
        })
    }

    /// Where the value of DATA lies in the message.
    pub fn data_range(&self) -> Option<Range<usize>> {
        let content = self.bytes.get(..self.content_end).unwrap_or_default();
        let mut walk = Walk { bytes: content, at: HEADER }.map_while(Result::ok);
        let Element { at, value, .. } = walk.find(|element| element.kind == AttributeType::DATA)?;
        Some(at + 4..at + 4 + value.len())
    }

    /// Whether USE-CANDIDATE is there.
    pub fn use_candidate(&self) -> bool {
        self.attributes().any(|attribute| attribute == Attribute::UseCandidate)
    }

    fn find<T>(&self, pick: impl Fn(Attribute<'a>) -> Option<T>) -> Option<T> {
        self.attributes().find_map(pick)
    }
}

macro_rules! finders {
    ($($(#[$doc:meta])* $name:ident: $variant:ident -> $type:ty;)*) => {
        /// Finders: each the value of the first attribute of its type.
        impl<'a> Message<'a> {
            $($(#[$doc])*
            pub fn $name(&self) -> Option<$type> {
                self.find(|attribute| match attribute {
                    Attribute::$variant(value) => Some(value),
                    _ => None,
                })
            })*
        }
    };
}

finders! {
    /// USERNAME.
    username: Username -> &'a str;
    /// REALM.
    realm: Realm -> &'a str;
    /// NONCE.
    nonce: Nonce -> &'a str;
    /// SOFTWARE.
    software: Software -> &'a str;
    /// ERROR-CODE.
    error_code: ErrorCode -> ErrorCode<'a>;
    /// UNKNOWN-ATTRIBUTES.
    unknown_attributes: UnknownAttributes -> UnknownAttributes<'a>;
    /// ALTERNATE-SERVER.
    alternate_server: AlternateServer -> SocketAddr;
    /// PASSWORD-ALGORITHM.
    password_algorithm: PasswordAlgorithm -> PasswordAlgorithm<'a>;
    /// PASSWORD-ALGORITHMS.
    password_algorithms: PasswordAlgorithms -> PasswordAlgorithms<'a>;
    /// USERHASH.
    userhash: Userhash -> &'a [u8; 32];
    /// PRIORITY.
    priority: Priority -> u32;
    /// Tie-breaker of a controlling sender.
    controlling: IceControlling -> u64;
    /// Tie-breaker of a controlled sender.
    controlled: IceControlled -> u64;
    /// NOMINATION.
    nomination: Nomination -> u32;
    /// GOOG-NETWORK-INFO.
    network_info: NetworkInfo -> NetworkInfo;
    /// META-DTLS-IN-STUN: one DTLS packet, or nothing.
    dtls_in_stun: DtlsInStun -> DtlsInStun<'a>;
    /// META-DTLS-IN-STUN-ACK.
    dtls_in_stun_ack: DtlsInStunAck -> DtlsInStunAck<'a>;
    /// XOR-RELAYED-ADDRESS.
    xor_relayed_address: XorRelayedAddress -> SocketAddr;
    /// The first XOR-PEER-ADDRESS.
    xor_peer_address: XorPeerAddress -> SocketAddr;
    /// LIFETIME, in seconds.
    lifetime: Lifetime -> u32;
    /// CHANNEL-NUMBER.
    channel_number: ChannelNumber -> u16;
    /// DATA.
    data: Data -> &'a [u8];
    /// REQUESTED-TRANSPORT: an IP protocol number.
    requested_transport: RequestedTransport -> u8;
    /// RESERVATION-TOKEN.
    reservation_token: ReservationToken -> [u8; 8];
}

impl Message<'_> {
    /// The cost in GOOG-NETWORK-INFO.
    pub fn network_cost(&self) -> Option<u16> {
        self.network_info().map(|info| info.cost)
    }
}

impl fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Attributes carry addresses and credentials: only their types are shown.
        f.debug_struct("Message")
            .field("class", &self.class)
            .field("method", &self.method)
            .field("transaction_id", &self.id)
            .field("len", &self.bytes.len())
            .finish_non_exhaustive()
    }
}

/// One attribute as it lies in the message.
struct Element<'a> {
    at: usize,
    kind: AttributeType,
    value: &'a [u8],
}

/// Walks the attributes by their lengths, whatever they are. Ends after the first that is cut short.
struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Walk<'a> {
    type Item = Result<Element<'a>, ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        let at = self.at;
        let mut reader = Reader::new(self.bytes.get(at..).filter(|rest| !rest.is_empty())?);
        self.at = self.bytes.len();
        // The message is a multiple of 4 long, so that a header is never cut.
        let kind = AttributeType(reader.u16()?);
        let len = usize::from(reader.u16()?);
        let padded = len.next_multiple_of(4);
        let Some(value) = reader.bytes(padded).and_then(|value| value.get(..len)) else {
            return Some(Err(ParseError::Truncated(kind)));
        };
        self.at = at + 4 + padded;
        Some(Ok(Element { at, kind, value }))
    }
}

#[cfg(test)]
pub(crate) mod tests;
