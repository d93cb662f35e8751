//! Captures that tcpdump and Wireshark read.
//!
//! The classic format: a file header of 24 bytes, then for each packet a header of 16 bytes (seconds, nanoseconds,
//! captured and original length) and the packet from its IP header on.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};

use peerage_base::time::Instant;

use crate::observer::Observer;
use crate::packet::{Packet, Protocol};

/// Nanosecond time stamps, host-independent: all is written in little-endian order.
const MAGIC: u32 = 0xA1B2_3C4D;
/// Packets begin with their IP header.
const LINKTYPE_RAW: u32 = 101;
const UDP: u8 = 17;
const TCP: u8 = 6;
/// Flags ACK and PSH.
const PIECE: u8 = 0x18;

/// Writes every packet that is sent, before the network does anything to it.
#[derive(Debug)]
pub struct PcapWriter<W: Write> {
    out: W,
    /// Bytes that each direction of each stream has carried.
    streams: BTreeMap<(SocketAddr, SocketAddr), u32>,
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
        Ok(Self { out, streams: BTreeMap::new(), failed: None })
    }

    /// Ends the capture: the writer, or the first error that writing met.
    pub fn finish(mut self) -> io::Result<W> {
        self.out.flush()?;
        self.failed.map_or(Ok(self.out), Err)
    }

    fn write(&mut self, now: Instant, packet: &Packet) -> io::Result<()> {
        let bytes = self.ip_packet(packet);
        let seconds = (now.as_nanos() / 1_000_000_000) as u32;
        let nanos = (now.as_nanos() % 1_000_000_000) as u32;
        let len = bytes.len() as u32;
        for word in [seconds, nanos, len, len] {
            self.out.write_all(&word.to_le_bytes())?;
        }
        self.out.write_all(&bytes)
    }

    fn ip_packet(&mut self, packet: &Packet) -> Vec<u8> {
        let back = self.streams.get(&(packet.destination, packet.source)).copied().unwrap_or(0);
        let mut sequence = 0;
        if packet.protocol == Protocol::Tcp {
            let sent = self.streams.entry((packet.source, packet.destination)).or_default();
            sequence = *sent;
            *sent = sent.wrapping_add(packet.payload.len() as u32);
        }
        let addresses = addresses(packet.source, packet.destination);
        with_ip_header(packet, &addresses, &segment(packet, &addresses, sequence, back))
    }
}

impl<W: Write> Observer for PcapWriter<W> {
    fn sent(&mut self, now: Instant, packet: &Packet) {
        if self.failed.is_none() {
            self.failed = self.write(now, packet).err();
        }
    }
}

/// The packet as UDP or TCP have it, with its checksum.
fn segment(packet: &Packet, addresses: &[u8], sequence: u32, acknowledged: u32) -> Vec<u8> {
    let ports = [packet.source.port().to_be_bytes(), packet.destination.port().to_be_bytes()].concat();
    let (number, at, mut out) = match packet.protocol {
        Protocol::Udp => {
            let len = (8 + packet.payload.len()) as u16;
            (UDP, 6, [&ports[..], &len.to_be_bytes(), &[0, 0]].concat())
        }
        Protocol::Tcp => {
            let rest = [0x50, PIECE, 0xFF, 0xFF, 0, 0, 0, 0];
            (TCP, 16, [&ports[..], &sequence.to_be_bytes(), &acknowledged.to_be_bytes(), &rest].concat())
        }
    };
    out.extend_from_slice(&packet.payload);
    let len = out.len() as u16;
    let pseudo = [addresses, &[0, number], &len.to_be_bytes()].concat();
    // A computed zero is sent as its complement: zero says "no checksum" in UDP (RFC 768).
    let sum = match checksum(&[&pseudo, &out]) {
        0 => 0xFFFF,
        sum => sum,
    };
    out[at..at + 2].copy_from_slice(&sum.to_be_bytes());
    out
}

fn with_ip_header(packet: &Packet, addresses: &[u8], segment: &[u8]) -> Vec<u8> {
    let number = match packet.protocol {
        Protocol::Udp => UDP,
        Protocol::Tcp => TCP,
    };
    let mut out = if addresses.len() == 8 {
        let [high, low] = ((20 + segment.len()) as u16).to_be_bytes();
        let mut header = vec![0x45, packet.ecn.to_bits(), high, low, 0, 0, 0x40, 0, 64, number, 0, 0];
        header.extend_from_slice(addresses);
        let sum = checksum(&[&header]);
        header[10..12].copy_from_slice(&sum.to_be_bytes());
        header
    } else {
        let [high, low] = (segment.len() as u16).to_be_bytes();
        let mut header = vec![0x60, packet.ecn.to_bits() << 4, 0, 0, high, low, number, 64];
        header.extend_from_slice(addresses);
        header
    };
    out.extend_from_slice(segment);
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
        let mut writer = PcapWriter::new(Vec::new()).unwrap();
        let v4 = writer.ip_packet(&packet("192.0.2.1:1000", "198.51.100.2:2000"));
        assert_eq!(v4.len(), 33);
        assert_eq!((v4[1], &v4[2..4], &v4[12..16]), (2, &[0, 33][..], &[192, 0, 2, 1][..]));
        assert_eq!(checksum(&[&v4[..20]]), 0, "a correct header sums to zero");
        let pseudo = [&v4[12..20], &[0, 17, 0, 13]].concat();
        assert_eq!(checksum(&[&pseudo, &v4[20..]]), 0);

        let v6 = writer.ip_packet(&packet("[2001:db8::1]:1000", "[2001:db8::2]:2000"));
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
    fn the_pieces_of_a_stream_are_numbered_in_bytes() {
        let mut writer = PcapWriter::new(Vec::new()).unwrap();
        let piece = |from, to| Packet { protocol: Protocol::Tcp, ..packet(from, to) };
        let (a, b) = ("192.0.2.1:1000", "198.51.100.2:443");
        let first = writer.ip_packet(&piece(a, b));
        assert_eq!((first.len(), first[9], &first[24..32]), (45, TCP, &[0; 8][..]));
        assert_eq!(writer.ip_packet(&piece(a, b))[24..32], [0, 0, 0, 5, 0, 0, 0, 0]);
        let back = writer.ip_packet(&piece(b, a));
        assert_eq!(back[24..32], [0, 0, 0, 0, 0, 0, 0, 10]);
        let pseudo = [&back[12..20], &[0, TCP, 0, 25]].concat();
        assert_eq!(checksum(&[&pseudo, &back[20..]]), 0);
    }

    #[test]
    fn a_full_disk_is_told_at_the_end() {
        let mut room = [0; 30];
        let mut writer = PcapWriter::new(&mut room[..]).unwrap();
        writer.sent(Instant::ORIGIN, &packet("192.0.2.1:1", "192.0.2.2:2"));
        assert!(writer.finish().is_err());
    }
}
