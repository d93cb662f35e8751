//! A candidate: two bits for the kind of address, two for how it was found, two for the transport, the address, the port.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::bits::{BitReader, BitWriter, Unreadable};
use super::description::{Address, Candidate, CandidateKind, Transport, Uuid};
use super::error::DoesNotFit;
use super::wire_text as text;

/// Where a name is, the bits of the kind say which kind of name; only a host has one.
const MDNS: u64 = 0;
const OTHER_NAME: u64 = 1;

const KINDS: [CandidateKind; 4] =
    [CandidateKind::Host, CandidateKind::ServerReflexive, CandidateKind::PeerReflexive, CandidateKind::Relayed];
const TRANSPORTS: [Transport; 4] =
    [Transport::Udp, Transport::TcpPassive, Transport::TcpSimultaneous, Transport::TcpActive];

/// Writes a candidate that comes behind `before`, whose address it may share.
pub(crate) fn put(out: &mut BitWriter, candidate: &Candidate, before: Option<&Candidate>) -> Result<(), DoesNotFit> {
    let Candidate { kind, transport, address, port } = candidate;
    let same = before.is_some_and(|before| before.address == *address);
    let named = matches!(address, Address::Mdns(_) | Address::Name(_));
    if named && *kind != CandidateKind::Host {
        return Err(DoesNotFit::Lacks("addresses instead of names in candidates of servers"));
    }
    let family = match address {
        _ if same => 3,
        Address::V4(_) => 0,
        Address::V6(_) => 1,
        Address::Mdns(_) | Address::Name(_) => 2,
    };
    let second = match address {
        Address::Mdns(_) if !same => MDNS,
        Address::Name(_) if !same => OTHER_NAME,
        _ => code(&KINDS, kind),
    };
    out.put(family << 4 | second << 2 | code(&TRANSPORTS, transport), 6);
    if !same {
        match address {
            Address::V4(ip) => out.put(ip.to_bits().into(), 32),
            Address::V6(ip) => out.bytes(&ip.octets()),
            Address::Mdns(uuid) => {
                let bits = Uuid(*uuid).random_bits();
                out.put((bits >> 64) as u64, 58);
                out.put(bits as u64, 64);
            }
            Address::Name(name) => text::put(out, name)?,
        }
    }
    out.put((*port).into(), 16);
    Ok(())
}

/// Bits that a candidate takes behind `before`, with the one that says whether another follows.
pub(crate) fn bits(candidate: &Candidate, before: Option<&Candidate>) -> Result<usize, DoesNotFit> {
    let mut out = BitWriter::default();
    put(&mut out, candidate, before)?;
    Ok(out.len() + 1)
}

pub(crate) fn take(from: &mut BitReader<'_>, before: Option<&Candidate>) -> Result<Candidate, Unreadable> {
    let (family, second, transport) = (from.small(2)?, from.small(2)?, from.small(2)?);
    let mut kind = KINDS[usize::from(second & 3)];
    let address = match (family, u64::from(second)) {
        (0, _) => Address::V4(Ipv4Addr::from_bits(from.take(32)? as u32)),
        (1, _) => Address::V6(Ipv6Addr::from(from.bytes::<16>()?)),
        (2, MDNS) => {
            let bits = u128::from(from.take(58)?) << 64 | u128::from(from.take(64)?);
            Address::Mdns(Uuid::from_random_bits(bits).0)
        }
        (2, OTHER_NAME) => Address::Name(name(&text::take(from)?)?),
        (3, _) => before.ok_or(Unreadable::Nonsense)?.address.clone(),
        _ => return Err(Unreadable::Nonsense),
    };
    if matches!(address, Address::Mdns(_) | Address::Name(_)) {
        kind = CandidateKind::Host;
    }
    let port = from.take(16)? as u16;
    Ok(Candidate { kind, transport: TRANSPORTS[usize::from(transport & 3)], address, port })
}

/// A host name, as a candidate may have one: an address written out would be another candidate.
fn name(text: &str) -> Result<String, Unreadable> {
    match Address::parse(text) {
        Some(Address::Name(name)) => Ok(name),
        _ => Err(Unreadable::Nonsense),
    }
}

fn code<T: PartialEq>(table: &[T], value: &T) -> u64 {
    table.iter().position(|known| known == value).unwrap_or_default() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(kind: CandidateKind, transport: Transport, address: &str) -> Candidate {
        Candidate { kind, transport, address: Address::parse(address).unwrap(), port: 54_321 }
    }

    fn size(candidate: &Candidate, before: Option<&Candidate>) -> usize {
        let mut out = BitWriter::default();
        put(&mut out, candidate, before).unwrap();
        let len = out.len();
        assert_eq!(bits(candidate, before), Ok(len + 1));
        assert_eq!(take(&mut BitReader::new(&out.finish()), before).as_ref(), Ok(candidate));
        len
    }

    #[test]
    fn candidates_have_the_documented_sizes() {
        use CandidateKind::{Host, Relayed, ServerReflexive};
        let host = candidate(Host, Transport::Udp, "192.0.2.1");
        assert_eq!(size(&host, None), 54);
        assert_eq!(size(&candidate(Host, Transport::TcpPassive, "192.0.2.1"), Some(&host)), 22, "the same address");
        assert_eq!(size(&candidate(Relayed, Transport::Udp, "2001:db8::1"), Some(&host)), 150);
        let mdns = candidate(Host, Transport::Udp, "7fdc82f2-7c7d-4a1a-938e-9574a87f9729.local");
        assert_eq!(size(&mdns, None), 144);
        assert_eq!(
            size(&candidate(Host, Transport::TcpActive, "7fdc82f2-7c7d-4a1a-938e-9574a87f9729.local"), Some(&mdns)),
            22
        );
        assert_eq!(size(&candidate(Host, Transport::Udp, "a-host.local"), None), 6 + 6 + 12 * 7 + 16);
        assert_eq!(size(&candidate(ServerReflexive, Transport::TcpSimultaneous, "203.0.113.9"), Some(&mdns)), 54);
    }

    #[test]
    fn what_no_candidate_is_is_refused() {
        let named = candidate(CandidateKind::Relayed, Transport::Udp, "relay.example");
        assert!(put(&mut BitWriter::default(), &named, None).is_err());
        for bytes in [[0b1110_0000, 0, 0, 0], [0b1011_0000, 0, 0, 0], [0b1001_0000, 0b1000_0010, 0x04, 0x08]] {
            assert_eq!(take(&mut BitReader::new(&bytes), None), Err(Unreadable::Nonsense), "{bytes:?}");
        }
    }
}
