//! Captures that tcpdump and Wireshark read.
//!
//! The classic format: a file header of 24 bytes, then for each packet a header of 16 bytes (seconds, nanoseconds,
//! captured and original length) and the packet from its IP header on.

use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};

use peerage_base::time::Instant;

use crate::observer::Observer;
use crate::packet::Packet;

/// Nanosecond time stamps, host-independent: all is written in little-endian order.
const MAGIC: u32 = 0xA1B2_3C4D;
/// Packets begin with their IP header.
const LINKTYPE_RAW: u32 = 101;
const UDP: u8 = 17;

/// Writes every packet that is sent, before the network does anything to it.
#[derive(Debug)]
pub struct PcapWriter<W: Write> {
    out: W,
    failed: Option<io::Error>,
}

impl<W: Write> PcapWriter<W> {
    /// Begins a capture.
    pub fn new(mut out: W) -> io::Result<Self> {
        let mut header = Vec::with_capacity(24);
        header.extend_from_slice(&MAGIC.to_le_bytes());
        header.extend_from_slice(&[2, 0, 4, 0]);
        header.extend_from_slice(&[0; 8]);
        header.extend_from_slice(&u32::from(u16::MAX).to_le_bytes());
        header.extend_from_slice(&LINKTYPE_RAW.to_le_bytes());
        out.write_all(&header)?;
        Ok(Self { out, failed: None })
    }

    /// Ends the capture: the writer, or the first error that writing met.
    pub fn finish(mut self) -> io::Result<W> {
        self.out.flush()?;
        self.failed.map_or(Ok(self.out), Err)
    }

    fn write(&mut self, now: Instant, packet: &Packet) -> io::Result<()> {
        let bytes = ip_packet(packet);
        let seconds = (now.as_nanos() / 1_000_000_000) as u32;
        let nanos = (now.as_nanos() % 1_000_000_000) as u32;
        let len = bytes.len() as u32;
        for word in [seconds, nanos, len, len] {
            self.out.write_all(&word.to_le_bytes())?;
        }
        self.out.write_all(&bytes)
    }
}

impl<W: Write> Observer for PcapWriter<W> {
    fn sent(&mut self, now: Instant, packet: &Packet) {
        if self.failed.is_none() {
            self.failed = self.write(now, packet).err();
        }
    }
}

fn ip_packet(packet: &Packet) -> Vec<u8> {
    let udp_len = (8 + packet.payload.len()) as u16;
    let mut udp = Vec::with_capacity(udp_len.into());
    udp.extend_from_slice(&packet.source.port().to_be_bytes());
    udp.extend_from_slice(&packet.destination.port().to_be_bytes());
    udp.extend_from_slice(&udp_len.to_be_bytes());
    udp.extend_from_slice(&[0, 0]);
    udp.extend_from_slice(&packet.payload);
    let addresses = addresses(packet.source, packet.destination);
    let pseudo = [&addresses[..], &[0, UDP], &udp_len.to_be_bytes()].concat();
    // A computed zero is sent as its complement: zero says "no checksum" (RFC 768).
    let sum = match checksum(&[&pseudo, &udp]) {
        0 => 0xFFFF,
        sum => sum,
    };
    udp[6..8].copy_from_slice(&sum.to_be_bytes());
    let mut out = if addresses.len() == 8 {
        let total = (20 + udp.len()) as u16;
        let [high, low] = total.to_be_bytes();
        let mut header = vec![0x45, packet.ecn.to_bits(), high, low, 0, 0, 0x40, 0, 64, UDP, 0, 0];
        header.extend_from_slice(&addresses);
        let sum = checksum(&[&header]);
        header[10..12].copy_from_slice(&sum.to_be_bytes());
        header
    } else {
        let [high, low] = udp_len.to_be_bytes();
        let mut header = vec![0x60, packet.ecn.to_bits() << 4, 0, 0, high, low, UDP, 64];
        header.extend_from_slice(&addresses);
        header
    };
    out.extend_from_slice(&udp);
    out
}

/// Both addresses in one family; a packet between families, which no network carries, shows as IPv6.
fn addresses(source: SocketAddr, destination: SocketAddr) -> Vec<u8> {
    match (source.ip(), destination.ip()) {
        (IpAddr::V4(a), IpAddr::V4(b)) => [a.octets(), b.octets()].concat(),
        (a, b) => [v6(a), v6(b)].concat(),
    }
}

fn v6(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    }
}

/// The Internet checksum (RFC 1071) over parts of which all but the last have an even length.
fn checksum(parts: &[&[u8]]) -> u16 {
    let mut sum = 0u32;
    for part in parts {
        for pair in part.chunks(2) {
            sum += u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]));
        }
    }
    while sum > 0xFFFF {
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use peerage_base::ecn::Ecn;

    fn packet(from: &str, to: &str) -> Packet {
        let (source, destination) = (from.parse().unwrap(), to.parse().unwrap());
        Packet { ecn: Ecn::Ect0, ..Packet::udp(source, destination, *b"hello") }
    }

    #[test]
    fn headers_carry_addresses_lengths_and_checksums() {
        let v4 = ip_packet(&packet("192.0.2.1:1000", "198.51.100.2:2000"));
        assert_eq!(v4.len(), 33);
        assert_eq!((v4[1], &v4[2..4], &v4[12..16]), (2, &[0, 33][..], &[192, 0, 2, 1][..]));
        assert_eq!(checksum(&[&v4[..20]]), 0, "a correct header sums to zero");
        let pseudo = [&v4[12..20], &[0, 17, 0, 13]].concat();
        assert_eq!(checksum(&[&pseudo, &v4[20..]]), 0);

        let v6 = ip_packet(&packet("[2001:db8::1]:1000", "[2001:db8::2]:2000"));
        assert_eq!((v6.len(), v6[0], v6[1], v6[6]), (53, 0x60, 0x20, 17));
        let pseudo = [&v6[8..40], &[0, 17, 0, 13]].concat();
        assert_eq!(checksum(&[&pseudo, &v6[40..]]), 0);
    }

    #[test]
    fn a_capture_is_a_header_and_records() {
        let mut writer = PcapWriter::new(Vec::new()).unwrap();
        writer.sent(Instant::from_millis(1500), &packet("192.0.2.1:1", "192.0.2.2:2"));
        let bytes = writer.finish().unwrap();
        assert_eq!(bytes.len(), 24 + 16 + 33);
        assert_eq!(bytes[24..32], [1, 0, 0, 0, 0x00, 0x65, 0xCD, 0x1D]);
    }

    #[test]
    fn a_full_disk_is_told_at_the_end() {
        let mut room = [0; 30];
        let mut writer = PcapWriter::new(&mut room[..]).unwrap();
        writer.sent(Instant::ORIGIN, &packet("192.0.2.1:1", "192.0.2.2:2"));
        assert!(writer.finish().is_err());
    }
}
