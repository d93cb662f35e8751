//! What a packet is, in one line.

use std::fmt::{self, Write as _};
use std::net::SocketAddr;

use peerage_sim::packet::{Packet, Protocol};
use peerage_stun::attribute::Attribute;
use peerage_stun::header::{Class, HEADER, Method, is_stun};
use peerage_stun::message::Message;
use peerage_turn::channel;

use crate::relay::PORT;

/// Records of one datagram that are named.
const RECORDS: usize = 4;
/// Bytes of a DTLS 1.2 record header (RFC 6347 §4.1).
const RECORD: usize = 13;

/// What a packet is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purpose {
    /// Asks a STUN server for the own address.
    Address,
    /// A connectivity check or its answer.
    Check,
    /// Control of a relay.
    Relay,
    /// The secure channel is being set up.
    Handshake,
    /// Secured data.
    Data,
    /// Anything else.
    Other,
}

/// A packet in one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// A few words: `Binding request`.
    pub title: String,
    /// What is worth knowing of its contents; may be empty.
    pub details: String,
    /// What it is for. Of relayed ones: what is inside.
    pub purpose: Purpose,
    /// What a relay's header around it says: `ChannelData 0x4000`, `Send indication to 192.0.2.1:5000`.
    pub wrapper: Option<String>,
}

impl Summary {
    /// What this packet is. Of a stream, the first message of the piece.
    pub fn of(packet: &Packet) -> Self {
        let bytes = &packet.payload[..];
        if packet.protocol == Protocol::Udp {
            return payload(bytes);
        }
        if [packet.source.port(), packet.destination.port()].contains(&PORT) {
            return payload(first_turn(bytes));
        }
        // RFC 4571: the length comes first.
        match bytes.split_first_chunk() {
            Some((length, rest)) => payload(rest.get(..u16::from_be_bytes(*length).into()).unwrap_or(rest)),
            None => payload(bytes),
        }
    }

    fn new(title: impl Into<String>, purpose: Purpose) -> Self {
        Self { title: title.into(), details: String::new(), purpose, wrapper: None }
    }

    fn inside(self, wrapper: String) -> Self {
        Self { wrapper: Some(wrapper), ..self }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.wrapper {
            Some(wrapper) => write!(f, "{wrapper} [{}]", self.title),
            None => f.write_str(&self.title),
        }
    }
}

/// By the first byte (RFC 7983).
fn payload(bytes: &[u8]) -> Summary {
    match bytes.first() {
        None => Summary::new("nothing", Purpose::Other),
        Some(0..=3) if is_stun(bytes) => stun(bytes),
        Some(20..=63) => dtls(bytes),
        Some(64..=79) => match channel::parse(bytes) {
            Some((number, range)) => {
                let inner = payload(bytes.get(range).unwrap_or_default());
                inner.inside(format!("ChannelData 0x{:04X}", number.to_wire()))
            }
            None => Summary::new(format!("broken ChannelData, {} bytes", bytes.len()), Purpose::Other),
        },
        Some(_) => Summary::new(format!("{} bytes", bytes.len()), Purpose::Other),
    }
}

/// The first message of what a client and a relay say over a stream (RFC 8656 §3.1).
fn first_turn(bytes: &[u8]) -> &[u8] {
    let Some(&[_, _, high, low]) = bytes.first_chunk() else { return bytes };
    let header = if bytes[0] < 4 { HEADER } else { channel::HEADER };
    bytes.get(..header + usize::from(u16::from_be_bytes([high, low]))).unwrap_or(bytes)
}

fn stun(bytes: &[u8]) -> Summary {
    let Ok(message) = Message::parse(bytes) else {
        return Summary::new(format!("broken STUN, {} bytes", bytes.len()), Purpose::Other);
    };
    let class = match message.class() {
        Class::Request => " request",
        Class::Indication => " indication",
        Class::Success => " success",
        Class::Error => " error",
    };
    let title = format!("{}{class}", method(message.method()));
    if let Some(range) = message.data_range() {
        let peer = message.xor_peer_addresses().next().map_or_else(String::new, |peer| peer.to_string());
        let preposition = if message.method() == Method::SEND { "to" } else { "from" };
        return payload(bytes.get(range).unwrap_or_default()).inside(format!("{title} {preposition} {peer}"));
    }
    let has = |wanted: fn(&Attribute<'_>) -> bool| message.attributes().any(|attribute| wanted(&attribute));
    let purpose = match message.method() {
        // A check carries credentials; so do answers, and queries do not.
        Method::BINDING if message.has_integrity() => Purpose::Check,
        Method::BINDING if has(|a| matches!(a, Attribute::IceControlling(_) | Attribute::IceControlled(_))) => {
            Purpose::Check
        }
        Method::BINDING => Purpose::Address,
        _ => Purpose::Relay,
    };
    let details: Vec<_> = message.attributes().filter_map(|attribute| detail(&attribute)).collect();
    Summary { title, details: details.join(", "), purpose, wrapper: None }
}

fn method(method: Method) -> String {
    match method {
        Method::BINDING => "Binding".into(),
        Method::ALLOCATE => "Allocate".into(),
        Method::REFRESH => "Refresh".into(),
        Method::SEND => "Send".into(),
        Method::DATA => "Data".into(),
        Method::CREATE_PERMISSION => "CreatePermission".into(),
        Method::CHANNEL_BIND => "ChannelBind".into(),
        Method(other) => format!("method 0x{other:03X}"),
    }
}

/// An attribute that tells something of the way.
fn detail(attribute: &Attribute<'_>) -> Option<String> {
    let address = |name: &str, address: &SocketAddr| Some(format!("{name} {address}"));
    match attribute {
        Attribute::XorMappedAddress(of) => address("seen as", of),
        Attribute::XorRelayedAddress(of) => address("relayed address", of),
        Attribute::XorPeerAddress(of) => address("peer", of),
        Attribute::AlternateServer(of) => address("ask instead", of),
        Attribute::ErrorCode(error) => Some(match error.reason {
            "" => format!("error {}", error.code),
            reason => format!("error {} {reason}", error.code),
        }),
        Attribute::ChannelNumber(number) => Some(format!("channel 0x{number:04X}")),
        Attribute::Lifetime(seconds) => Some(format!("lifetime {seconds} s")),
        Attribute::Username(name) => Some(format!("user {name}")),
        Attribute::IceControlling(_) => Some("controlling".into()),
        Attribute::IceControlled(_) => Some("controlled".into()),
        Attribute::Priority(priority) => Some(format!("priority {priority}")),
        Attribute::UseCandidate => Some("USE-CANDIDATE".into()),
        _ => None,
    }
}

/// Records, one after another (RFC 6347 §4.1, RFC 9147 §4).
fn dtls(bytes: &[u8]) -> Summary {
    let mut names: Vec<String> = Vec::new();
    let mut purpose = Purpose::Data;
    let mut rest = bytes;
    while let Some(first) = rest.first().copied().filter(|_| names.len() < RECORDS) {
        // The short header of DTLS 1.3: everything behind it is encrypted.
        if first & 0xE0 == 0x20 {
            names.push("encrypted".into());
            break;
        }
        let (Some(header), Some(body)) = (rest.get(..RECORD), rest.get(RECORD..)) else { break };
        let (epoch, length) = (header[3] | header[4], usize::from(u16::from_be_bytes([header[11], header[12]])));
        let name = match (first, epoch) {
            (20, _) => "ChangeCipherSpec",
            (21, _) => "Alert",
            (22, 0) => body.first().map_or("Handshake", |kind| handshake(*kind)),
            (22, _) => "Handshake, encrypted",
            (23, _) => "application data",
            _ => "record",
        };
        if first != 23 {
            purpose = Purpose::Handshake;
        }
        if names.last().is_none_or(|last| last != name) {
            names.push(name.into());
        }
        rest = body.get(length..).unwrap_or_default();
    }
    if names.is_empty() {
        return Summary::new(format!("broken DTLS, {} bytes", bytes.len()), Purpose::Other);
    }
    let mut title = String::from("DTLS ");
    let _ = write!(title, "{}", names.join(", "));
    Summary { details: format!("{} bytes", bytes.len()), ..Summary::new(title, purpose) }
}

/// RFC 5246 §7.4, RFC 6347 §4.3.2, RFC 8446 §4.
fn handshake(kind: u8) -> &'static str {
    match kind {
        1 => "ClientHello",
        2 => "ServerHello",
        3 => "HelloVerifyRequest",
        11 => "Certificate",
        12 => "ServerKeyExchange",
        13 => "CertificateRequest",
        14 => "ServerHelloDone",
        15 => "CertificateVerify",
        16 => "ClientKeyExchange",
        20 => "Finished",
        _ => "Handshake",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn udp(bytes: impl Into<Vec<u8>>) -> Summary {
        Summary::of(&Packet::udp(address(1), address(2), bytes))
    }

    fn address(port: u16) -> SocketAddr {
        ([192, 0, 2, 1], port).into()
    }

    /// A Binding request without attributes (RFC 8489 §5).
    fn binding() -> Vec<u8> {
        let mut bytes = vec![0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42];
        bytes.extend([7; 12]);
        bytes
    }

    fn record(kind: u8, epoch: u8, body: &[u8]) -> Vec<u8> {
        let mut bytes = vec![kind, 0xFE, 0xFD, 0, epoch, 0, 0, 0, 0, 0, 0, 0, body.len() as u8];
        bytes.extend(body);
        bytes
    }

    #[test]
    fn a_query_is_told_from_the_channel_data_around_it() {
        let summary = udp(binding());
        assert_eq!((summary.title.as_str(), summary.purpose), ("Binding request", Purpose::Address));
        let mut wrapped = vec![0x40, 0x02, 0, 20];
        wrapped.extend(binding());
        let summary = udp(wrapped);
        assert_eq!(summary.to_string(), "ChannelData 0x4002 [Binding request]");
    }

    #[test]
    fn records_are_named_in_order() {
        let mut flight = record(22, 0, &[16, 0, 0]);
        flight.extend(record(20, 0, &[1]));
        flight.extend(record(22, 1, &[9; 40]));
        let summary = udp(flight);
        assert_eq!(summary.title, "DTLS ClientKeyExchange, ChangeCipherSpec, Handshake, encrypted");
        assert_eq!(summary.purpose, Purpose::Handshake);
        assert_eq!(udp(record(23, 1, &[0; 20])).purpose, Purpose::Data);
        assert_eq!(udp([0x2F, 1, 2, 3]).purpose, Purpose::Data);
    }

    #[test]
    fn pieces_of_streams_are_read_by_their_framing() {
        let mut framed = vec![0, 20];
        framed.extend(binding());
        let ice = Summary::of(&Packet::tcp(address(1), address(2), framed));
        let mut two = binding();
        two.extend(binding());
        let relay = Summary::of(&Packet::tcp(address(1), address(PORT), two));
        assert_eq!((ice.title.as_str(), relay.title.as_str()), ("Binding request", "Binding request"));
    }

    #[test]
    fn anything_at_all_has_a_summary() {
        let mut wrapped = vec![0x40, 0x02, 0, 20];
        wrapped.extend(binding());
        for whole in [binding(), record(22, 0, &[1, 2]), wrapped, vec![200; 30]] {
            for len in 0..=whole.len() {
                for summary in [udp(&whole[..len]), Summary::of(&Packet::tcp(address(1), address(PORT), &whole[..len]))]
                {
                    assert!(!summary.title.is_empty());
                }
            }
        }
        for byte in 0..=255 {
            assert!(!udp([byte; 40]).title.is_empty());
        }
    }
}
