//! Transport addresses, plain and XORed (RFC 8489 §14.1, §14.2).
//!
//! ```text
//! | 0 (8) | family (8) | port (16) | address (32 or 128) |
//! ```

use crate::header::{MAGIC_COOKIE, TransactionId};
use crate::room::Room;
use core::net::{IpAddr, SocketAddr};
use peerage_base::reader::Reader;

/// The family byte of an address attribute (RFC 8489 §14.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AddressFamily(pub u8);

impl AddressFamily {
    /// IPv4.
    pub const V4: Self = Self(1);
    /// IPv6.
    pub const V6: Self = Self(2);

    /// The family of `ip`.
    pub const fn of(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }
}

/// The bytes that XORed addresses are mixed with: the cookie for IPv4, cookie and transaction id for IPv6.
fn mask(id: &TransactionId) -> [u8; 16] {
    let mut mask = [0; 16];
    mask[..4].copy_from_slice(&MAGIC_COOKIE.to_be_bytes());
    mask[4..].copy_from_slice(&id.0);
    mask
}

pub(crate) fn parse(value: &[u8]) -> Option<SocketAddr> {
    parse_masked(value, &[0; 16])
}

pub(crate) fn parse_xor(value: &[u8], id: &TransactionId) -> Option<SocketAddr> {
    parse_masked(value, &mask(id))
}

fn parse_masked(value: &[u8], mask: &[u8; 16]) -> Option<SocketAddr> {
    let mut reader = Reader::new(value);
    let _reserved = reader.u8()?;
    let family = AddressFamily(reader.u8()?);
    let port = reader.u16()? ^ u16::from_be_bytes([mask[0], mask[1]]);
    let ip: IpAddr = match family {
        AddressFamily::V4 => xor(reader.array::<4>()?, mask).into(),
        AddressFamily::V6 => xor(reader.array::<16>()?, mask).into(),
        _ => return None,
    };
    reader.is_empty().then_some(SocketAddr::new(ip, port))
}

pub(crate) fn write(room: &mut Room<'_>, address: SocketAddr) -> Option<()> {
    write_masked(room, address, &[0; 16])
}

pub(crate) fn write_xor(room: &mut Room<'_>, address: SocketAddr, id: &TransactionId) -> Option<()> {
    write_masked(room, address, &mask(id))
}

fn write_masked(room: &mut Room<'_>, address: SocketAddr, mask: &[u8; 16]) -> Option<()> {
    room.put(&[0, AddressFamily::of(address.ip()).0])?;
    room.put(&(address.port() ^ u16::from_be_bytes([mask[0], mask[1]])).to_be_bytes())?;
    match address.ip() {
        IpAddr::V4(ip) => room.put(&xor(ip.octets(), mask)),
        IpAddr::V6(ip) => room.put(&xor(ip.octets(), mask)),
    }
}

fn xor<const N: usize>(mut bytes: [u8; N], mask: &[u8; 16]) -> [u8; N] {
    bytes.iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
    bytes
}

#[cfg(test)]
mod tests {
    use super::{parse, parse_xor};
    use crate::header::TransactionId;

    const ID: TransactionId = TransactionId(*b"abcdefghijkl");

    #[test]
    fn an_address_of_an_unknown_family_or_a_wrong_length_is_refused() {
        assert!(parse(&[0, 1, 0, 80, 1, 2, 3, 4]).is_some());
        for bad in
            [&[0, 3, 0, 80, 1, 2, 3, 4][..], &[0, 2, 0, 80, 1, 2, 3, 4], &[0, 1, 0, 80, 1, 2, 3, 4, 5], &[0, 1, 0], &[]]
        {
            assert_eq!(parse(bad), None, "{bad:?}");
            assert_eq!(parse_xor(bad, &ID), None, "{bad:?}");
        }
    }

    #[test]
    fn the_reserved_byte_is_ignored() {
        assert_eq!(parse(&[7, 1, 0, 80, 1, 2, 3, 4]), Some("1.2.3.4:80".parse().unwrap()));
    }
}
