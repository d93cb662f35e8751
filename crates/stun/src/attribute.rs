//! Attributes as values.

pub mod address;
pub mod dtls_in_stun;
pub mod dtls_in_stun_ack;
pub mod error_code;
pub mod kind;
pub mod lists;

use crate::attribute::address::AddressFamily;
use crate::attribute::dtls_in_stun::DtlsInStun;
use crate::attribute::dtls_in_stun_ack::DtlsInStunAck;
use crate::attribute::error_code::ErrorCode;
use crate::attribute::kind::AttributeType;
use crate::attribute::lists::{PasswordAlgorithm, PasswordAlgorithms, UnknownAttributes};
use crate::header::TransactionId;
use crate::room::Room;
use core::net::SocketAddr;
use peerage_base::reader::Reader;

/// Longest USERNAME taken, in bytes (RFC 5389 §15.3; RFC 8489 §14.3 allows 508).
pub const MAX_USERNAME: usize = 513;
/// Longest REALM, NONCE, SOFTWARE or reason phrase taken, in bytes (RFC 8489 §14.8 to §14.14).
pub const MAX_TEXT: usize = 763;

/// One attribute of a message (RFC 8489 §14).
///
/// MESSAGE-INTEGRITY, MESSAGE-INTEGRITY-SHA256 and FINGERPRINT are not among the values: they are functions of the bytes
/// before them, which [`Message`](crate::message::Message) checks and [`Writer`](crate::write::Writer) computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Attribute<'a> {
    /// The sender's address as the server saw it, in plain (a rewriting NAT may have changed it).
    MappedAddress(SocketAddr),
    /// Asks for an answer from another address or port.
    ChangeRequest {
        /// From the other address.
        ip: bool,
        /// From the other port.
        port: bool,
    },
    /// Who sends, by the credentials.
    Username(&'a str),
    /// Why the request failed.
    ErrorCode(ErrorCode<'a>),
    /// The types that were not understood.
    UnknownAttributes(UnknownAttributes<'a>),
    /// A TURN channel.
    ChannelNumber(u16),
    /// Seconds that an allocation lives.
    Lifetime(u32),
    /// The peer behind a relay.
    XorPeerAddress(SocketAddr),
    /// Relayed payload.
    Data(&'a [u8]),
    /// Realm of the long-term credentials.
    Realm(&'a str),
    /// The server's nonce.
    Nonce(&'a str),
    /// The relay's address for this client.
    XorRelayedAddress(SocketAddr),
    /// Family wanted for the relay address.
    RequestedAddressFamily(AddressFamily),
    /// Asks for an even relay port, and to reserve the next one.
    EvenPort {
        /// Whether the next higher port is to be reserved.
        reserve: bool,
    },
    /// The IP protocol number of the transport to the peer: 17 is UDP, 6 is TCP.
    RequestedTransport(u8),
    /// Asks the relay to set DF towards the peer.
    DontFragment,
    /// An OAuth token.
    AccessToken(&'a [u8]),
    /// The algorithm a client chose.
    PasswordAlgorithm(PasswordAlgorithm<'a>),
    /// SHA-256 over `user:realm`, in place of USERNAME.
    Userhash(&'a [u8; 32]),
    /// The sender's address as the server saw it.
    XorMappedAddress(SocketAddr),
    /// Names a reserved relay port.
    ReservationToken([u8; 8]),
    /// The priority that a peer-reflexive candidate would get.
    Priority(u32),
    /// Nominates the pair.
    UseCandidate,
    /// Filler, to see what size gets through.
    Padding(&'a [u8]),
    /// The port an answer is wanted on.
    ResponsePort(u16),
    /// A TCP connection of a relay.
    ConnectionId(u32),
    /// A second family wanted for relay addresses.
    AdditionalAddressFamily(AddressFamily),
    /// Why the second family was refused.
    AddressErrorCode(AddressFamily, ErrorCode<'a>),
    /// What the server accepts.
    PasswordAlgorithms(PasswordAlgorithms<'a>),
    /// Name that the alternate server's certificate carries.
    AlternateDomain(&'a str),
    /// An ICMP error that the relay got from the direction of the peer.
    Icmp {
        /// ICMP type, 7 bits.
        kind: u8,
        /// ICMP code, 9 bits.
        code: u16,
        /// MTU for "too big", else 0.
        data: u32,
    },
    /// What program the sender is.
    Software(&'a str),
    /// The server to ask instead.
    AlternateServer(SocketAddr),
    /// The sender is controlled; its tie-breaker.
    IceControlled(u64),
    /// The sender is controlling; its tie-breaker.
    IceControlling(u64),
    /// Where the answer was sent from.
    ResponseOrigin(SocketAddr),
    /// The server's other address.
    OtherAddress(SocketAddr),
    /// Identifies an allocation after the client moved.
    MobilityTicket(&'a [u8]),
    /// Nominates the pair, later values overriding earlier ones.
    Nomination(u32),
    /// The network that a check leaves from.
    NetworkInfo(NetworkInfo),
    /// One DTLS packet; empty if there is none to carry.
    DtlsInStun(DtlsInStun<'a>),
    /// Which DTLS packets arrived.
    DtlsInStunAck(DtlsInStunAck<'a>),
    /// A type the codec does not know, or a value of an optional type that makes no sense.
    Unknown {
        /// Its type.
        kind: AttributeType,
        /// Its value, without padding.
        value: &'a [u8],
    },
}

/// GOOG-NETWORK-INFO: 16 bits each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkInfo {
    /// The sender's number for the network.
    pub id: u16,
    /// What the network costs, 0 (ethernet) to 999.
    pub cost: u16,
}

impl<'a> Attribute<'a> {
    /// Its type.
    pub const fn kind(&self) -> AttributeType {
        match self {
            Self::MappedAddress(_) => AttributeType::MAPPED_ADDRESS,
            Self::ChangeRequest { .. } => AttributeType::CHANGE_REQUEST,
            Self::Username(_) => AttributeType::USERNAME,
            Self::ErrorCode(_) => AttributeType::ERROR_CODE,
            Self::UnknownAttributes(_) => AttributeType::UNKNOWN_ATTRIBUTES,
            Self::ChannelNumber(_) => AttributeType::CHANNEL_NUMBER,
            Self::Lifetime(_) => AttributeType::LIFETIME,
            Self::XorPeerAddress(_) => AttributeType::XOR_PEER_ADDRESS,
            Self::Data(_) => AttributeType::DATA,
            Self::Realm(_) => AttributeType::REALM,
            Self::Nonce(_) => AttributeType::NONCE,
            Self::XorRelayedAddress(_) => AttributeType::XOR_RELAYED_ADDRESS,
            Self::RequestedAddressFamily(_) => AttributeType::REQUESTED_ADDRESS_FAMILY,
            Self::EvenPort { .. } => AttributeType::EVEN_PORT,
            Self::RequestedTransport(_) => AttributeType::REQUESTED_TRANSPORT,
            Self::DontFragment => AttributeType::DONT_FRAGMENT,
            Self::AccessToken(_) => AttributeType::ACCESS_TOKEN,
            Self::PasswordAlgorithm(_) => AttributeType::PASSWORD_ALGORITHM,
            Self::Userhash(_) => AttributeType::USERHASH,
            Self::XorMappedAddress(_) => AttributeType::XOR_MAPPED_ADDRESS,
            Self::ReservationToken(_) => AttributeType::RESERVATION_TOKEN,
            Self::Priority(_) => AttributeType::PRIORITY,
            Self::UseCandidate => AttributeType::USE_CANDIDATE,
            Self::Padding(_) => AttributeType::PADDING,
            Self::ResponsePort(_) => AttributeType::RESPONSE_PORT,
            Self::ConnectionId(_) => AttributeType::CONNECTION_ID,
            Self::AdditionalAddressFamily(_) => AttributeType::ADDITIONAL_ADDRESS_FAMILY,
            Self::AddressErrorCode(..) => AttributeType::ADDRESS_ERROR_CODE,
            Self::PasswordAlgorithms(_) => AttributeType::PASSWORD_ALGORITHMS,
            Self::AlternateDomain(_) => AttributeType::ALTERNATE_DOMAIN,
            Self::Icmp { .. } => AttributeType::ICMP,
            Self::Software(_) => AttributeType::SOFTWARE,
            Self::AlternateServer(_) => AttributeType::ALTERNATE_SERVER,
            Self::IceControlled(_) => AttributeType::ICE_CONTROLLED,
            Self::IceControlling(_) => AttributeType::ICE_CONTROLLING,
            Self::ResponseOrigin(_) => AttributeType::RESPONSE_ORIGIN,
            Self::OtherAddress(_) => AttributeType::OTHER_ADDRESS,
            Self::MobilityTicket(_) => AttributeType::MOBILITY_TICKET,
            Self::Nomination(_) => AttributeType::NOMINATION,
            Self::NetworkInfo(_) => AttributeType::GOOG_NETWORK_INFO,
            Self::DtlsInStun(_) => AttributeType::META_DTLS_IN_STUN,
            Self::DtlsInStunAck(_) => AttributeType::META_DTLS_IN_STUN_ACK,
            Self::Unknown { kind, .. } => *kind,
        }
    }

    /// The value of type `kind`; `None` if the type is comprehension-required, known, and the value makes no sense.
    ///
    /// A senseless value of an optional type is as good as an unknown type: its receiver may ignore it.
    pub(crate) fn parse(kind: AttributeType, value: &'a [u8], id: &TransactionId) -> Option<Self> {
        let unknown = Self::Unknown { kind, value };
        match Self::parse_known(kind, value, id) {
            Some(known) => Some(known),
            None if kind.is_required() && kind.name().is_some() => None,
            None => Some(unknown),
        }
    }

    fn parse_known(kind: AttributeType, value: &'a [u8], id: &TransactionId) -> Option<Self> {
        Some(match kind {
            AttributeType::MAPPED_ADDRESS => Self::MappedAddress(address::parse(value)?),
            AttributeType::CHANGE_REQUEST => {
                let flags = exact_u32(value)?;
                Self::ChangeRequest { ip: flags & 0b100 != 0, port: flags & 0b10 != 0 }
            }
            AttributeType::USERNAME => Self::Username(text(value, MAX_USERNAME)?),
            AttributeType::ERROR_CODE => Self::ErrorCode(ErrorCode::parse(value)?.1),
            AttributeType::UNKNOWN_ATTRIBUTES => Self::UnknownAttributes(UnknownAttributes::from_bytes(value)?),
            // Two bytes of number, two that are to be ignored.
            AttributeType::CHANNEL_NUMBER => Self::ChannelNumber((exact_u32(value)? >> 16) as u16),
            AttributeType::LIFETIME => Self::Lifetime(exact_u32(value)?),
            AttributeType::XOR_PEER_ADDRESS => Self::XorPeerAddress(address::parse_xor(value, id)?),
            AttributeType::DATA => Self::Data(value),
            AttributeType::REALM => Self::Realm(text(value, MAX_TEXT)?),
            AttributeType::NONCE => Self::Nonce(text(value, MAX_TEXT)?),
            AttributeType::XOR_RELAYED_ADDRESS => Self::XorRelayedAddress(address::parse_xor(value, id)?),
            AttributeType::REQUESTED_ADDRESS_FAMILY => Self::RequestedAddressFamily(family(value)?),
            AttributeType::EVEN_PORT => Self::EvenPort { reserve: exact::<1>(value)?[0] & 0x80 != 0 },
            AttributeType::REQUESTED_TRANSPORT => Self::RequestedTransport(exact::<4>(value)?[0]),
            AttributeType::DONT_FRAGMENT => exact::<0>(value).map(|_| Self::DontFragment)?,
            AttributeType::ACCESS_TOKEN => Self::AccessToken(value),
            AttributeType::PASSWORD_ALGORITHM => {
                let mut reader = Reader::new(value);
                let algorithm = PasswordAlgorithm::parse(&mut reader)?;
                reader.is_empty().then_some(Self::PasswordAlgorithm(algorithm))?
            }
            AttributeType::USERHASH => Self::Userhash(value.try_into().ok()?),
            AttributeType::XOR_MAPPED_ADDRESS => Self::XorMappedAddress(address::parse_xor(value, id)?),
            AttributeType::RESERVATION_TOKEN => Self::ReservationToken(exact(value)?),
            AttributeType::PRIORITY => Self::Priority(exact_u32(value)?),
            AttributeType::USE_CANDIDATE => exact::<0>(value).map(|_| Self::UseCandidate)?,
            AttributeType::PADDING => Self::Padding(value),
            AttributeType::RESPONSE_PORT => Self::ResponsePort(response_port(value)?),
            AttributeType::CONNECTION_ID => Self::ConnectionId(exact_u32(value)?),
            _ => return Self::parse_optional(kind, value),
        })
    }

    /// The comprehension-optional half of the types.
    fn parse_optional(kind: AttributeType, value: &'a [u8]) -> Option<Self> {
        Some(match kind {
            AttributeType::ADDITIONAL_ADDRESS_FAMILY => Self::AdditionalAddressFamily(family(value)?),
            AttributeType::ADDRESS_ERROR_CODE => {
                let (family, code) = ErrorCode::parse(value)?;
                Self::AddressErrorCode(family, code)
            }
            AttributeType::PASSWORD_ALGORITHMS => Self::PasswordAlgorithms(PasswordAlgorithms::from_bytes(value)?),
            AttributeType::ALTERNATE_DOMAIN => Self::AlternateDomain(text(value, 255)?),
            AttributeType::ICMP => {
                let mut reader = Reader::new(value);
                let what = reader.u32()?;
                let data = reader.u32()?;
                let icmp = Self::Icmp { kind: (what >> 9 & 0x7F) as u8, code: (what & 0x1FF) as u16, data };
                reader.is_empty().then_some(icmp)?
            }
            AttributeType::SOFTWARE => Self::Software(text(value, MAX_TEXT)?),
            AttributeType::ALTERNATE_SERVER => Self::AlternateServer(address::parse(value)?),
            AttributeType::ICE_CONTROLLED => Self::IceControlled(u64::from_be_bytes(exact(value)?)),
            AttributeType::ICE_CONTROLLING => Self::IceControlling(u64::from_be_bytes(exact(value)?)),
            AttributeType::RESPONSE_ORIGIN => Self::ResponseOrigin(address::parse(value)?),
            AttributeType::OTHER_ADDRESS => Self::OtherAddress(address::parse(value)?),
            AttributeType::MOBILITY_TICKET => Self::MobilityTicket(value),
            AttributeType::NOMINATION => Self::Nomination(exact_u32(value)?),
            AttributeType::GOOG_NETWORK_INFO => {
                let [a, b, c, d] = exact(value)?;
                Self::NetworkInfo(NetworkInfo { id: u16::from_be_bytes([a, b]), cost: u16::from_be_bytes([c, d]) })
            }
            AttributeType::META_DTLS_IN_STUN => Self::DtlsInStun(DtlsInStun::from_bytes(value)?),
            AttributeType::META_DTLS_IN_STUN_ACK => Self::DtlsInStunAck(DtlsInStunAck::from_bytes(value)?),
            _ => return None,
        })
    }

    /// Whether the value may be written at all; lengths that a receiver would refuse are a mistake of the caller.
    pub(crate) fn is_valid(&self) -> bool {
        match self {
            Self::Username(text) => text.len() <= MAX_USERNAME,
            Self::Realm(text) | Self::Nonce(text) | Self::Software(text) => text.len() <= MAX_TEXT,
            Self::AlternateDomain(text) => text.len() <= 255,
            Self::ErrorCode(error) | Self::AddressErrorCode(_, error) => {
                error.is_valid() && error.reason.len() <= MAX_TEXT
            }
            Self::PasswordAlgorithm(algorithm) => u16::try_from(algorithm.parameters.len()).is_ok(),
            Self::Icmp { kind, code, .. } => *kind < 0x80 && *code < 0x200,
            Self::Unknown { kind, .. } => kind.name().is_none(),
            _ => true,
        }
    }

    /// Writes the value, without header and padding; `None` if there is no room.
    pub(crate) fn write(&self, room: &mut Room<'_>, id: &TransactionId) -> Option<()> {
        match *self {
            Self::MappedAddress(a) | Self::AlternateServer(a) | Self::ResponseOrigin(a) | Self::OtherAddress(a) => {
                address::write(room, a)
            }
            Self::XorPeerAddress(a) | Self::XorRelayedAddress(a) | Self::XorMappedAddress(a) => {
                address::write_xor(room, a, id)
            }
            Self::ChangeRequest { ip, port } => room.put(&[0, 0, 0, u8::from(ip) << 2 | u8::from(port) << 1]),
            Self::Username(text)
            | Self::Realm(text)
            | Self::Nonce(text)
            | Self::Software(text)
            | Self::AlternateDomain(text) => room.put(text.as_bytes()),
            Self::ErrorCode(error) => error.write(room, AddressFamily(0)),
            Self::AddressErrorCode(family, error) => error.write(room, family),
            Self::UnknownAttributes(list) => room.put(list.as_bytes()),
            Self::PasswordAlgorithms(list) => room.put(list.as_bytes()),
            Self::ChannelNumber(n) | Self::ResponsePort(n) => room.put(&(u32::from(n) << 16).to_be_bytes()),
            Self::Lifetime(n) | Self::Priority(n) | Self::ConnectionId(n) | Self::Nomination(n) => {
                room.put(&n.to_be_bytes())
            }
            Self::RequestedAddressFamily(family) | Self::AdditionalAddressFamily(family) => {
                room.put(&[family.0, 0, 0, 0])
            }
            Self::EvenPort { reserve } => room.put(&[u8::from(reserve) << 7]),
            Self::RequestedTransport(protocol) => room.put(&[protocol, 0, 0, 0]),
            Self::DontFragment | Self::UseCandidate => Some(()),
            Self::PasswordAlgorithm(algorithm) => {
                room.put(&algorithm.number.to_be_bytes())?;
                room.put(&(algorithm.parameters.len() as u16).to_be_bytes())?;
                room.put(algorithm.parameters)
            }
            Self::Userhash(hash) => room.put(hash),
            Self::ReservationToken(token) => room.put(&token),
            Self::Icmp { kind, code, data } => {
                room.put(&(u32::from(kind) << 9 | u32::from(code)).to_be_bytes())?;
                room.put(&data.to_be_bytes())
            }
            Self::IceControlled(n) | Self::IceControlling(n) => room.put(&n.to_be_bytes()),
            Self::NetworkInfo(NetworkInfo { id, cost }) => {
                room.put(&id.to_be_bytes())?;
                room.put(&cost.to_be_bytes())
            }
            Self::DtlsInStun(packet) => room.put(packet.as_bytes()),
            Self::DtlsInStunAck(list) => room.put(list.as_bytes()),
            Self::Data(value)
            | Self::AccessToken(value)
            | Self::Padding(value)
            | Self::MobilityTicket(value)
            | Self::Unknown { value, .. } => room.put(value),
        }
    }
}

fn exact<const N: usize>(value: &[u8]) -> Option<[u8; N]> {
    value.try_into().ok()
}

fn exact_u32(value: &[u8]) -> Option<u32> {
    exact(value).map(u32::from_be_bytes)
}

fn text(value: &[u8], max: usize) -> Option<&str> {
    if value.len() > max {
        return None;
    }
    core::str::from_utf8(value).ok()
}

fn family(value: &[u8]) -> Option<AddressFamily> {
    let [family, ..] = exact::<4>(value)?;
    Some(AddressFamily(family))
}

/// RFC 5780 §7.5 draws two bytes of port and two reserved ones, and states a length of 4; 2 is seen as well.
fn response_port(value: &[u8]) -> Option<u16> {
    let mut reader = Reader::new(value);
    let port = reader.u16()?;
    matches!(reader.len(), 0 | 2).then_some(port)
}

#[cfg(test)]
mod tests {
    use super::Attribute;
    use crate::attribute::kind::AttributeType;
    use crate::header::TransactionId;

    const ID: TransactionId = TransactionId([7; 12]);

    #[test]
    fn a_senseless_required_value_is_refused_and_a_senseless_optional_one_is_unknown() {
        assert_eq!(Attribute::parse(AttributeType::PRIORITY, &[1, 2, 3], &ID), None);
        assert_eq!(Attribute::parse(AttributeType::USERNAME, &[0xFF], &ID), None);
        assert_eq!(Attribute::parse(AttributeType::USE_CANDIDATE, &[0], &ID), None);
        let value = &[1, 2, 3][..];
        let kind = AttributeType::ICE_CONTROLLED;
        assert_eq!(Attribute::parse(kind, value, &ID), Some(Attribute::Unknown { kind, value }));
    }

    #[test]
    fn an_icmp_attribute_splits_type_and_code_after_seven_bits() {
        let value = [0, 0, 3 << 1, 4, 0, 0, 5, 0];
        let icmp = Attribute::parse(AttributeType::ICMP, &value, &ID);
        assert_eq!(icmp, Some(Attribute::Icmp { kind: 3, code: 4, data: 1280 }));
    }

    #[test]
    fn a_text_longer_than_the_standard_allows_is_refused() {
        assert!(Attribute::parse(AttributeType::NONCE, &[b'n'; 763], &ID).is_some());
        assert_eq!(Attribute::parse(AttributeType::NONCE, &[b'n'; 764], &ID), None);
    }
}
