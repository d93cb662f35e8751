//! Addresses, payloads and lines that tests share.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use peerage_base::time::Duration;
use peerage_sim::link::{Link, Loss};

/// A wall-clock moment in seconds since 1970, for certificates and credentials: 2026-10-01 00:00 UTC.
pub const UNIX_TIME: u64 = 1_790_812_800;

/// An IPv4 address for documentation (RFC 5737): 192.0.2.`host`.
pub const fn v4(host: u8, port: u16) -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(192, 0, 2, host)), port)
}

/// An IPv6 address for documentation (RFC 3849): 2001:db8::`host`.
pub const fn v6(host: u16, port: u16) -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V6(Ipv6Addr::new(0x2001, 0x0DB8, 0, 0, 0, 0, 0, host)), port)
}

/// `len` bytes in which any piece shows where it belongs: each 32-bit word is its own offset, whitened.
pub fn pattern(len: usize) -> Vec<u8> {
    (0..len.div_ceil(4) as u32).flat_map(|word| word.wrapping_mul(0x9E37_79B1).to_be_bytes()).take(len).collect()
}

/// Bytes from hexadecimal digits; anything else between them is skipped, so that dumps can be pasted.
///
/// # Panics
/// If the number of digits is odd.
pub fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.chars().filter_map(|c| c.to_digit(16)).map(|d| d as u8).collect();
    assert!(digits.len().is_multiple_of(2), "half a byte is left over");
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// A local network: a gigabit, half a millisecond.
pub fn lan() -> Link {
    Link { rate: Some(1_000_000_000), mtu: Some(1500), ..Link::with_delay(Duration::from_micros(500)) }
}

/// A good line across a continent: 50 Mbit/s, 25 ms, a little jitter.
pub fn wan() -> Link {
    Link {
        jitter: Duration::from_millis(2),
        rate: Some(50_000_000),
        mtu: Some(1500),
        ..Link::with_delay(Duration::from_millis(25))
    }
}

/// A mobile line: 10 Mbit/s with a deep queue, 40 ms, bursts of loss.
pub fn mobile() -> Link {
    Link {
        jitter: Duration::from_millis(15),
        loss: Loss::Burst { enter: 0.002, leave: 0.2 },
        rate: Some(10_000_000),
        queue: 512 * 1024,
        mtu: Some(1400),
        ..Link::with_delay(Duration::from_millis(40))
    }
}

/// A line on which everything goes wrong: a fifth is lost, a tenth comes twice, a tenth is overtaken.
pub fn awful() -> Link {
    Link {
        jitter: Duration::from_millis(30),
        loss: Loss::Random(0.2),
        reorder: 0.1,
        held_back: Duration::from_millis(40),
        duplicate: 0.1,
        ..Link::with_delay(Duration::from_millis(50))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_for_documentation() {
        assert_eq!(v4(7, 80).to_string(), "192.0.2.7:80");
        assert_eq!(v6(7, 80).to_string(), "[2001:db8::7]:80");
    }

    #[test]
    fn no_two_pieces_of_a_pattern_are_alike() {
        let bytes = pattern(100_000);
        assert_eq!(bytes.len(), 100_000);
        let mut words: Vec<_> = bytes.chunks(4).collect();
        words.sort_unstable();
        assert!(words.windows(2).all(|pair| pair[0] != pair[1]));
    }

    #[test]
    fn dumps_can_be_pasted() {
        assert_eq!(hex("00:01 fe-FF\n10"), [0, 1, 0xFE, 0xFF, 0x10]);
    }
}
