//! Messages: questions and records of addresses and services (RFC 1035 §4.1, RFC 2782, RFC 6762 §18).
//!
//! ```text
//! | id | flags | questions | answers | authorities | additionals |   16 bits each
//! question: | name | type (16) | unicast wanted (1) | class (15) |
//! record:   | name | type (16) | flush (1) | class (15) | ttl (32) | length (16) | data |
//! ```

use crate::mdns::name::Name;
use peerage_base::reader::Reader;
use std::net::IpAddr;

const HEADER: usize = 12;
/// Most questions and records that are looked at in one message.
const MAX_ENTRIES: u16 = 64;
const RESPONSE: u16 = 0x8000;
const AUTHORITATIVE: u16 = 0x0400;
const OPCODE_AND_RCODE: u16 = 0x780F;
const CLASS_IN: u16 = 1;
const CLASS_ANY: u16 = 255;
const TOP_BIT: u16 = 0x8000;

/// The type of a record, or the type a question is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordType(pub u16);

impl RecordType {
    /// An IPv4 address.
    pub const A: Self = Self(1);
    /// Another name: of a service's kind, the name of one that offers it.
    pub const PTR: Self = Self(12);
    /// What there is to say of a service.
    pub const TXT: Self = Self(16);
    /// An IPv6 address.
    pub const AAAA: Self = Self(28);
    /// Where a service is.
    pub const SRV: Self = Self(33);
    /// All there is.
    pub const ANY: Self = Self(255);

    /// The type of a record for `ip`.
    pub const fn of(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(_) => Self::A,
            IpAddr::V6(_) => Self::AAAA,
        }
    }
}

/// What somebody wants to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// About whom.
    pub name: Name,
    /// Which records.
    pub kind: RecordType,
    /// Whether the answer is wanted by unicast (RFC 6762 §5.4).
    pub unicast: bool,
}

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// An address of a host.
    Address(IpAddr),
    /// Another name.
    Pointer(Name),
    /// The host and the port of a service; priority and weight are 0, as there is one.
    Service {
        /// The host.
        host: Name,
        /// The port.
        port: u16,
    },
    /// What there is to say of a service, as it is on the wire.
    Text(Box<[u8]>),
}

impl Data {
    /// The type of such a record.
    pub const fn kind(&self) -> RecordType {
        match self {
            Self::Address(ip) => RecordType::of(*ip),
            Self::Pointer(_) => RecordType::PTR,
            Self::Service { .. } => RecordType::SRV,
            Self::Text(_) => RecordType::TXT,
        }
    }

    fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Address(IpAddr::V4(ip)) => ip.octets().to_vec(),
            Self::Address(IpAddr::V6(ip)) => ip.octets().to_vec(),
            Self::Pointer(name) => name.as_bytes().to_vec(),
            Self::Service { host, port } => [&[0; 4][..], &port.to_be_bytes(), host.as_bytes()].concat(),
            Self::Text(text) => text.to_vec(),
        }
    }
}

/// One thing that is known of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Of whom.
    pub name: Name,
    /// What.
    pub data: Data,
    /// Seconds that it may be believed; 0 takes it back.
    pub ttl: u32,
    /// Whether it replaces what was known before (RFC 6762 §10.2).
    pub flush: bool,
}

impl Record {
    /// The address, if it is one.
    pub fn ip(&self) -> Option<IpAddr> {
        if let Data::Address(ip) = self.data { Some(ip) } else { None }
    }
}

/// A query or a response. Records of other kinds are left out, and so is the authority section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// 0 in multicast; echoed to those who ask from another port than 5353.
    pub id: u16,
    /// Whether it answers.
    pub response: bool,
    /// What is asked.
    pub questions: Vec<Question>,
    /// In a response what is answered; in a query what the asker knows already.
    pub records: Vec<Record>,
}

impl Message {
    /// Reads a message. `None` if it is malformed, an operation other than a query, or an error (RFC 6762 §18.3, §18.11).
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let mut header = Reader::new(bytes.get(..HEADER)?);
        let (id, flags) = (header.u16()?, header.u16()?);
        let [questions, answers, authorities, additionals] =
            [header.u16()?, header.u16()?, header.u16()?, header.u16()?];
        if flags & OPCODE_AND_RCODE != 0 {
            return None;
        }
        let mut message = Self { id, response: flags & RESPONSE != 0, questions: Vec::new(), records: Vec::new() };
        let mut at = HEADER;
        let mut left = MAX_ENTRIES;
        for _ in 0..questions {
            left = left.checked_sub(1)?;
            let (question, end) = read_question(bytes, at)?;
            message.questions.extend(question);
            at = end;
        }
        for (count, kept) in [(answers, true), (authorities, false), (additionals, true)] {
            for _ in 0..count {
                left = left.checked_sub(1)?;
                let (record, end) = read_record(bytes, at)?;
                message.records.extend(record.filter(|_| kept));
                at = end;
            }
        }
        Some(message)
    }

    /// Its wire form, names uncompressed.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER + 300);
        let flags = if self.response { RESPONSE | AUTHORITATIVE } else { 0 };
        for field in [self.id, flags, self.questions.len() as u16, self.records.len() as u16, 0, 0] {
            out.extend(field.to_be_bytes());
        }
        let top = |set: bool| if set { TOP_BIT | CLASS_IN } else { CLASS_IN };
        for question in &self.questions {
            out.extend(question.name.as_bytes());
            out.extend(question.kind.0.to_be_bytes());
            out.extend(top(question.unicast).to_be_bytes());
        }
        for record in &self.records {
            out.extend(record.name.as_bytes());
            out.extend(record.data.kind().0.to_be_bytes());
            out.extend(top(record.flush).to_be_bytes());
            out.extend(record.ttl.to_be_bytes());
            let data = record.data.to_bytes();
            out.extend((data.len() as u16).to_be_bytes());
            out.extend(data);
        }
        out
    }
}

/// The question at `at`, if it is of a class that exists here, and where it ends.
fn read_question(bytes: &[u8], at: usize) -> Option<(Option<Question>, usize)> {
    let (name, at) = Name::read(bytes, at)?;
    let mut reader = Reader::new(bytes.get(at..)?);
    let (kind, class) = (RecordType(reader.u16()?), reader.u16()?);
    let question = Question { name, kind, unicast: class & TOP_BIT != 0 };
    Some((matches!(class & !TOP_BIT, CLASS_IN | CLASS_ANY).then_some(question), at + 4))
}

/// The record at `at`, if it is of a kind that is known here, and where it ends.
fn read_record(bytes: &[u8], at: usize) -> Option<(Option<Record>, usize)> {
    let (name, at) = Name::read(bytes, at)?;
    let mut reader = Reader::new(bytes.get(at..)?);
    let (kind, class, ttl, len) = (RecordType(reader.u16()?), reader.u16()?, reader.u32()?, reader.u16()?);
    let data = reader.bytes(usize::from(len))?;
    let (start, end) = (at + 10, at + 10 + data.len());
    // Names in it may point back into the message, but have to end where the record does.
    let name_at = |at: usize| Name::read(bytes, at).filter(|(_, after)| *after == end).map(|(name, _)| name);
    let data = match kind {
        RecordType::A => Some(Data::Address(<[u8; 4]>::try_from(data).ok()?.into())),
        RecordType::AAAA => Some(Data::Address(<[u8; 16]>::try_from(data).ok()?.into())),
        RecordType::PTR => Some(Data::Pointer(name_at(start)?)),
        RecordType::SRV => {
            let port = u16::from_be_bytes([*data.get(4)?, *data.get(5)?]);
            Some(Data::Service { host: name_at(start + 6)?, port })
        }
        RecordType::TXT => Some(Data::Text(data.into())),
        _ => None,
    };
    let data = data.filter(|_| class & !TOP_BIT == CLASS_IN);
    Some((data.map(|data| Record { name, data, ttl, flush: class & TOP_BIT != 0 }), end))
}

#[cfg(test)]
mod tests {
    use super::{Data, IpAddr, Message, Name, Question, Record, RecordType};
    use proptest::prelude::{any, prop, prop_assert_eq, proptest};

    fn sample() -> Message {
        let name = Name::host("host.local").unwrap();
        let question = |kind, unicast| Question { name: name.clone(), kind, unicast };
        let record = |data, ttl, flush| Record { name: name.clone(), data, ttl, flush };
        let address = |ip: &str| Data::Address(ip.parse().unwrap());
        Message {
            id: 7,
            response: true,
            questions: vec![question(RecordType::A, true), question(RecordType::ANY, false)],
            records: vec![
                record(address("192.0.2.1"), 120, true),
                record(address("2001:db8::1"), 0, false),
                record(Data::Pointer(Name::host("other.local").unwrap()), 120, false),
                record(Data::Service { host: name.clone(), port: 8080 }, 120, true),
                record(Data::Text(b"\x03v=1"[..].into()), 120, true),
            ],
        }
    }

    #[test]
    fn a_response_of_another_implementation_reads_as_it_should() {
        // Compressed, with a record of an unknown kind between others.
        let bytes = b"\x00\x00\x84\x00\x00\x00\x00\x03\x00\x00\x00\x01\
            \x04Host\x05local\x00\x00\x01\x80\x01\x00\x00\x00\x78\x00\x04\xC0\x00\x02\x01\
            \xC0\x0C\x00\x2F\x80\x01\x00\x00\x00\x78\x00\x04\xC0\x0C\x00\x00\
            \xC0\x0C\x00\x21\x80\x01\x00\x00\x00\x78\x00\x08\x00\x00\x00\x00\x1F\x90\xC0\x0C\
            \xC0\x0C\x00\x1C\x00\x01\x00\x00\x00\x0A\x00\x10\x20\x01\x0D\xB8\0\0\0\0\0\0\0\0\0\0\0\x01";
        let message = Message::parse(bytes).unwrap();
        let name = Name::host("host.local").unwrap();
        assert!(message.response && message.questions.is_empty());
        let record = |data, ttl, flush| Record { name: name.clone(), data, ttl, flush };
        let expected = [
            record(Data::Address([192, 0, 2, 1].into()), 120, true),
            record(Data::Service { host: name.clone(), port: 8080 }, 120, true),
            record(Data::Address("2001:db8::1".parse().unwrap()), 10, false),
        ];
        assert_eq!(message.records, expected);
    }

    #[test]
    fn a_message_survives_the_wire_and_no_part_of_it_does() {
        let bytes = sample().to_bytes();
        assert_eq!(Message::parse(&bytes), Some(sample()));
        for len in 0..bytes.len() {
            assert_eq!(Message::parse(&bytes[..len]), None, "{len}");
        }
    }

    #[test]
    fn other_operations_errors_and_crowds_are_refused() {
        let mut bytes = sample().to_bytes();
        bytes[3] = 3;
        assert_eq!(Message::parse(&bytes), None);
        (bytes[2], bytes[3]) = (0x28, 0);
        assert_eq!(Message::parse(&bytes), None);
        let question = sample().questions[0].clone();
        let crowd = |n| Message { questions: vec![question.clone(); n], records: vec![], ..sample() };
        assert!(Message::parse(&crowd(64).to_bytes()).is_some());
        assert_eq!(Message::parse(&crowd(65).to_bytes()), None);
    }

    #[test]
    fn the_seeds_are_read_without_a_panic() {
        macro_rules! seeds {
            ($($n:literal)*) => { [$(&include_bytes!(concat!("../../corpus/mdns/", $n, ".mdns"))[..]),*] };
        }
        let seeds = seeds!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20);
        for seed in seeds {
            for len in 0..=seed.len() {
                if let Some(message) = Message::parse(&seed[..len]) {
                    assert_eq!(Message::parse(&message.to_bytes()).unwrap().records, message.records);
                }
            }
            for bit in 0..seed.len() * 8 {
                let mut flipped = seed.to_vec();
                flipped[bit / 8] ^= 1 << (bit % 8);
                let _ = Message::parse(&flipped);
            }
        }
        assert_eq!(seeds.iter().filter(|seed| Message::parse(seed).is_some()).count(), 0);
    }

    proptest! {
        #[test]
        fn any_message_survives_the_wire(
            id in any::<u16>(), response in any::<bool>(),
            hosts in prop::collection::vec(("[a-z0-9-]{1,63}", any::<IpAddr>(), any::<u32>(), any::<bool>()), 0..15),
        ) {
            let name = |label: &str| Name::host(&format!("{label}.local")).unwrap();
            let message = Message {
                id,
                response,
                questions: hosts.iter().map(|(label, ip, _, unicast)| Question {
                    name: name(label), kind: RecordType::of(*ip), unicast: *unicast,
                }).collect(),
                records: hosts.iter().flat_map(|(label, ip, ttl, flush)| {
                    let record = |data| Record { name: name(label), data, ttl: *ttl, flush: *flush };
                    [record(Data::Address(*ip)), record(Data::Service { host: name(label), port: *ttl as u16 })]
                }).collect(),
            };
            prop_assert_eq!(Message::parse(&message.to_bytes()), Some(message));
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..100), at in 0usize..120) {
            let _ = Message::parse(&bytes);
            let _ = Name::read(&bytes, at);
        }
    }
}
