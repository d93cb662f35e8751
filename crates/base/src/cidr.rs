//! Blocks of addresses (RFC 4632).

use core::fmt;
use core::net::IpAddr;
use core::str::FromStr;

/// A block of addresses: `10.0.0.0/8`, `fc00::/7`, or a single address without a length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cidr {
    first: IpAddr,
    length: u8,
}

/// Why a text is not a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CidrError {
    /// What stands before the slash is not an IP address.
    Address,
    /// What stands after the slash is not a number of bits that the family has.
    Length,
    /// Bits beyond the prefix are set: probably a typing error, in a rule that guards something.
    HostBits,
}

impl Cidr {
    /// The block of `length` bits that begins at `first`.
    ///
    /// # Errors
    /// `Length` if the family has fewer bits, `HostBits` if `first` is not the first address of the block.
    pub fn new(first: IpAddr, length: u8) -> Result<Self, CidrError> {
        let (bits, width) = number(first);
        if length > width {
            return Err(CidrError::Length);
        }
        if bits & host_mask(width, length) != 0 {
            return Err(CidrError::HostBits);
        }
        Ok(Self { first, length })
    }

    /// The block of one address.
    pub fn single(ip: IpAddr) -> Self {
        Self { first: ip, length: number(ip).1 }
    }

    /// Whether `ip` lies in the block. Families never match each other.
    pub fn contains(&self, ip: IpAddr) -> bool {
        let (first, last) = self.bounds();
        self.first.is_ipv4() == ip.is_ipv4() && (first..=last).contains(&number(ip).0)
    }

    /// Whether it is a block of IPv4 addresses.
    pub const fn is_ipv4(&self) -> bool {
        self.first.is_ipv4()
    }

    /// First and last address as numbers.
    pub fn bounds(&self) -> (u128, u128) {
        let (bits, width) = number(self.first);
        (bits, bits | host_mask(width, self.length))
    }
}

/// The address as a number, and how many bits its family has.
fn number(ip: IpAddr) -> (u128, u8) {
    match ip {
        IpAddr::V4(ip) => (ip.to_bits().into(), 32),
        IpAddr::V6(ip) => (ip.to_bits(), 128),
    }
}

fn host_mask(width: u8, length: u8) -> u128 {
    u128::MAX.checked_shr(128 - u32::from(width - length)).unwrap_or(0)
}

impl FromStr for Cidr {
    type Err = CidrError;

    fn from_str(text: &str) -> Result<Self, CidrError> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let first: IpAddr = address.parse().map_err(|_| CidrError::Address)?;
        let Some(length) = length else { return Ok(Self::single(first)) };
        // `u8` would take a leading plus.
        if !length.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(CidrError::Length);
        }
        Self::new(first, length.parse().map_err(|_| CidrError::Length)?)
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.length)
    }
}

impl fmt::Display for CidrError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Address => "not an IP address",
            Self::Length => "the prefix length is not a number from 0 to 32 (IPv4) or 128 (IPv6)",
            Self::HostBits => "there are bits beyond the prefix length",
        })
    }
}

impl core::error::Error for CidrError {}

#[cfg(test)]
mod tests {
    use super::{Cidr, CidrError};
    use alloc::string::ToString;

    #[test]
    fn a_block_holds_its_first_and_last_address_and_no_neighbour() {
        for (block, inside, outside) in [
            ("10.0.0.0/8", ["10.0.0.0", "10.255.255.255"], ["9.255.255.255", "11.0.0.0"]),
            ("192.0.2.7", ["192.0.2.7", "192.0.2.7"], ["192.0.2.6", "192.0.2.8"]),
            ("fc00::/7", ["fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"], ["fbff::ffff", "fe00::"]),
            ("0.0.0.0/0", ["0.0.0.0", "255.255.255.255"], ["::", "::ffff:1.2.3.4"]),
            ("::/0", ["::", "ffff::"], ["0.0.0.0", "1.2.3.4"]),
            ("2001:db8::/33", ["2001:db8::", "2001:db8:7fff::1"], ["2001:db7:ffff::1", "2001:db8:8000::1"]),
            ("::1", ["::1", "::1"], ["::", "::2"]),
        ] {
            let block: Cidr = block.parse().unwrap();
            assert!(inside.iter().all(|ip| block.contains(ip.parse().unwrap())), "{block}");
            assert!(!outside.iter().any(|ip| block.contains(ip.parse().unwrap())), "{block}");
        }
    }

    #[test]
    fn a_text_that_is_no_block_says_why() {
        for (text, error) in [
            ("10.0.0/8", CidrError::Address),
            ("", CidrError::Address),
            ("10.0.0.0/33", CidrError::Length),
            ("::/129", CidrError::Length),
            ("10.0.0.0/", CidrError::Length),
            ("10.0.0.0/+8", CidrError::Length),
            ("10.0.0.0/8/9", CidrError::Length),
            ("/", CidrError::Address),
            ("10.0.0.1/8", CidrError::HostBits),
            ("2001:db8::1/64", CidrError::HostBits),
        ] {
            assert_eq!(text.parse::<Cidr>(), Err(error), "{text}");
        }
    }

    #[test]
    fn a_block_reads_as_it_was_written() {
        for text in ["10.0.0.0/8", "::/0", "192.0.2.7/32", "fe80::/10"] {
            assert_eq!(text.parse::<Cidr>().unwrap().to_string(), text);
        }
    }
}
