//! A repair packet made while the packets that it protects leave, one by one: nothing of them is kept.

use alloc::vec::Vec;

use super::header::{Fields, Scheme};
use super::pattern::Mask;
use crate::numbers::{SequenceNumber, Ssrc};

/// Length of the header that every RTP packet has.
const FIXED: usize = 12;

/// Parity of some packets of one stream.
#[derive(Clone, Debug)]
pub struct Builder {
    scheme: Scheme,
    source: Option<(Ssrc, SequenceNumber)>,
    mask: Mask,
    fields: Fields,
    parity: Vec<u8>,
}

impl Builder {
    /// Protects nothing yet.
    pub const fn new(scheme: Scheme) -> Self {
        Self {
            scheme,
            source: None,
            mask: Mask(0),
            fields: Fields { first: 0, len: 0, timestamp: 0 },
            parity: Vec::new(),
        }
    }

    /// Protects one packet more: whole, later than those before, of the same stream. `false`, and nothing changes, if it is no
    /// packet, of another stream, or too far from the first.
    pub fn absorb(&mut self, packet: &[u8]) -> bool {
        self.absorb_parts(packet, &[])
    }

    /// The same of a packet in two parts, of which the first holds at least the fixed header.
    pub fn absorb_parts(&mut self, head: &[u8], rest: &[u8]) -> bool {
        let (Some((ssrc, number)), Some(beyond)) = (source(head), head.get(FIXED..)) else { return false };
        let (first, base) = self.source.unwrap_or((ssrc, number));
        let (distance, len) = (number.steps_from(base), beyond.len() + rest.len());
        let mut mask = self.mask;
        if first != ssrc || u32::from(distance) >= self.scheme.span() || !mask.insert(distance) {
            return false;
        }
        let mut fields = self.fields;
        if fields.absorb_parts(head, len).is_none() {
            return false;
        }
        (self.source, self.mask, self.fields) = (Some((ssrc, base)), mask, fields);
        if self.parity.len() < len {
            self.parity.resize(len, 0);
        }
        let (over_head, over_rest) = self.parity.split_at_mut(beyond.len());
        over_head.iter_mut().zip(beyond).for_each(|(parity, byte)| *parity ^= byte);
        over_rest.iter_mut().zip(rest).for_each(|(parity, byte)| *parity ^= byte);
        true
    }

    /// Writes the payload of the repair packet, as [`build`](super::repair::build) does: its length, or `None` if nothing is
    /// protected or `room` is too short.
    pub fn write(&self, room: &mut [u8]) -> Option<usize> {
        let (ssrc, base) = self.source?;
        let (header, rest) = room.split_at_mut_checked(self.scheme.header_len(self.mask))?;
        rest.get_mut(..self.parity.len())?.copy_from_slice(&self.parity);
        self.scheme.write(self.fields, ssrc, base, self.mask, self.parity.len() as u16, header);
        Some(header.len() + self.parity.len())
    }

    /// Forgets all packets; memory is kept.
    pub fn clear(&mut self) {
        (self.source, self.mask, self.fields) = (None, Mask(0), Fields::default());
        self.parity.clear();
    }

    /// How many packets are protected.
    pub fn packets(&self) -> u32 {
        self.mask.0.count_ones()
    }

    /// The source of the packets.
    pub fn source(&self) -> Option<Ssrc> {
        self.source.map(|(ssrc, _)| ssrc)
    }
}

fn source(packet: &[u8]) -> Option<(Ssrc, SequenceNumber)> {
    let [_, _, high, low, _, _, _, _, a, b, c, d] = *packet.first_chunk::<FIXED>()?;
    Some((Ssrc(u32::from_be_bytes([a, b, c, d])), SequenceNumber(u16::from_be_bytes([high, low]))))
}

impl Fields {
    /// Adds the fields of a packet with `len` bytes after its fixed header; `None` if it is no packet.
    fn absorb_parts(&mut self, head: &[u8], len: usize) -> Option<()> {
        let [a, b, _, _, c, d, e, f, ..] = *head.first_chunk::<FIXED>()?;
        self.len ^= u16::try_from(len).ok()?;
        self.first ^= u16::from_be_bytes([a, b]);
        self.timestamp ^= u32::from_be_bytes([c, d, e, f]);
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::fec::repair::build;
    use alloc::vec;

    fn packet(number: u16, len: usize) -> Vec<u8> {
        let mut packet = vec![number as u8; FIXED + len];
        packet[..2].copy_from_slice(&[0x80, 96]);
        packet[2..4].copy_from_slice(&number.to_be_bytes());
        packet[8..12].fill(1);
        packet
    }

    #[test]
    fn the_same_packet_comes_out_as_from_all_at_once() {
        for scheme in [Scheme::Ulp, Scheme::Flex03, Scheme::Flex] {
            let packets: Vec<_> = [(65534, 40), (65535, 900), (1, 7), (20, 300)].map(|(n, len)| packet(n, len)).into();
            let mut builder = Builder::new(scheme);
            let (mut room, mut wanted) = ([0; 1200], [0; 1200]);
            assert_eq!(builder.write(&mut room), None);
            // A second time with what the first left behind.
            for _ in 0..2 {
                builder.clear();
                for (n, packet) in packets.iter().enumerate() {
                    let (head, rest) = packet.split_at(FIXED + n);
                    assert!(builder.absorb_parts(head, rest));
                    assert!(!builder.absorb(packet), "it is in already");
                }
                assert!(!builder.absorb(&packet(200, 5)) && !builder.absorb(&[0x80; 11]));
                let len = builder.write(&mut room).unwrap();
                let same = build(scheme, packets.iter().map(|packet| &packet[..]), &mut wanted).unwrap();
                assert_eq!((&room[..len], builder.packets()), (&wanted[..same], 4));
                assert_eq!(builder.write(&mut [0; 900]), None, "the longest does not fit");
            }
        }
    }
}
