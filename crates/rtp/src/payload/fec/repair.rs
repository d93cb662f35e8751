//! Repair packets: made of media packets, and media packets made of them.

use alloc::vec::Vec;

use super::header::{Fields, Protected, Scheme, Streams};
use super::pattern::Mask;
use crate::error::ParseError;
use crate::numbers::{SequenceNumber, Ssrc};

/// Length of the header that every RTP packet has.
const FIXED: usize = 12;

/// A received repair packet.
#[derive(Clone, Copy, Debug)]
pub struct Repair<'a> {
    fields: Fields,
    streams: Streams,
    parity: &'a [u8],
}

/// Why a packet was not recovered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// All protected packets are there.
    NothingMissing,
    /// More than one is missing; another may arrive, or be recovered.
    TooManyMissing,
    /// What comes out is no packet: a repair packet of something else, or bytes changed.
    Malformed,
}

impl<'a> Repair<'a> {
    /// Reads the payload of a repair packet. `sources` are, by scheme: the source of the media (ULPFEC, whose repair packets
    /// travel in the same stream); nothing (draft 03, which says itself); the CSRCs of the repair packet (RFC 8627).
    ///
    /// # Errors
    /// If the header is truncated or of a form that is not supported, or protects more streams than
    /// [`MAX_STREAMS`](super::header::MAX_STREAMS).
    pub fn parse(
        scheme: Scheme,
        payload: &'a [u8],
        sources: impl IntoIterator<Item = Ssrc>,
    ) -> Result<Self, ParseError> {
        let (fields, streams, parity) = scheme.read(payload, sources)?;
        Ok(Self { fields, streams, parity })
    }

    /// What it protects.
    pub fn streams(&self) -> impl Iterator<Item = Protected> {
        self.streams.into_iter().flatten()
    }

    /// The packets it protects.
    pub fn packets(&self) -> impl Iterator<Item = (Ssrc, SequenceNumber)> {
        self.streams().flat_map(|stream| {
            let number = move |distance| SequenceNumber(stream.base.0.wrapping_add(distance));
            stream.pattern.distances().map(move |distance| (stream.ssrc, number(distance)))
        })
    }

    /// Makes the one packet that `find` does not know out of all the others, and replaces `out` by it: a whole packet, headers
    /// included, with padding. `find` answers whole packets (for ULPFEC: as they were before they were wrapped in RED).
    ///
    /// # Errors
    /// If other than one packet is missing, or no packet results.
    pub fn recover<'p>(
        &self,
        mut find: impl FnMut(Ssrc, SequenceNumber) -> Option<&'p [u8]>,
        out: &mut Vec<u8>,
    ) -> Result<(Ssrc, SequenceNumber), Failure> {
        let mut missing = self.packets().filter(|(ssrc, number)| find(*ssrc, *number).is_none());
        let (ssrc, number) = missing.next().ok_or(Failure::NothingMissing)?;
        if missing.next().is_some() {
            return Err(Failure::TooManyMissing);
        }
        drop(missing);
        out.clear();
        out.resize(FIXED, 0);
        out.extend_from_slice(self.parity);
        let mut fields = self.fields;
        for packet in self.packets().filter_map(|(ssrc, number)| find(ssrc, number)) {
            fields.absorb(packet).ok_or(Failure::Malformed)?;
            absorb(&mut out[FIXED..], &packet[FIXED..]);
        }
        let len = FIXED + usize::from(fields.len);
        if len > out.len() {
            return Err(Failure::Malformed);
        }
        out.truncate(len);
        out[..2].copy_from_slice(&(0x8000 | (fields.first & 0x3FFF)).to_be_bytes());
        out[2..4].copy_from_slice(&number.0.to_be_bytes());
        out[4..8].copy_from_slice(&fields.timestamp.to_be_bytes());
        out[8..FIXED].copy_from_slice(&ssrc.0.to_be_bytes());
        Ok((ssrc, number))
    }
}

/// Writes the payload of a repair packet that protects `packets`: whole ones of one source, by ascending sequence number, no
/// more than [`Scheme::span`] apart. Answers its length; `None` if they are none, not so, or `room` is too short. With
/// [`Scheme::Flex`] the source must be the one CSRC of the repair packet.
pub fn build<'p>(
    scheme: Scheme,
    packets: impl IntoIterator<Item = &'p [u8], IntoIter: Clone>,
    room: &mut [u8],
) -> Option<usize> {
    let packets = packets.into_iter();
    let (ssrc, base) = source(packets.clone().next()?)?;
    let mut mask = Mask::default();
    let (mut fields, mut longest) = (Fields::default(), 0);
    for packet in packets.clone() {
        fields.absorb(packet)?;
        let (other, number) = source(packet)?;
        if other != ssrc || !mask.insert(number.steps_from(base)) {
            return None;
        }
        longest = longest.max(packet.len() - FIXED);
    }
    if mask.span() > scheme.span() {
        return None;
    }
    let (header, rest) = room.split_at_mut_checked(scheme.header_len(mask))?;
    let parity = rest.get_mut(..longest)?;
    parity.fill(0);
    packets.for_each(|packet| absorb(parity, &packet[FIXED..]));
    scheme.write(fields, ssrc, base, mask, longest as u16, header);
    Some(header.len() + longest)
}

fn source(packet: &[u8]) -> Option<(Ssrc, SequenceNumber)> {
    let [_, _, high, low, _, _, _, _, a, b, c, d] = *packet.first_chunk::<FIXED>()?;
    Some((Ssrc(u32::from_be_bytes([a, b, c, d])), SequenceNumber(u16::from_be_bytes([high, low]))))
}

fn absorb(parity: &mut [u8], bytes: &[u8]) {
    parity.iter_mut().zip(bytes).for_each(|(parity, byte)| *parity ^= byte);
}

impl Fields {
    /// `None` if `packet` is no packet.
    fn absorb(&mut self, packet: &[u8]) -> Option<()> {
        let [a, b, _, _, c, d, e, f, ..] = *packet.first_chunk::<FIXED>()?;
        self.first ^= u16::from_be_bytes([a, b]);
        self.len ^= u16::try_from(packet.len() - FIXED).ok()?;
        self.timestamp ^= u32::from_be_bytes([c, d, e, f]);
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use proptest::prelude::*;

    const SSRC: Ssrc = Ssrc(0xDEAD_BEEF);

    fn packet(number: u16, marker: bool, timestamp: u32, body: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x80, (u8::from(marker) << 7) | 96];
        packet.extend(number.to_be_bytes());
        packet.extend(timestamp.to_be_bytes());
        packet.extend(SSRC.0.to_be_bytes());
        packet.extend(body);
        packet
    }

    fn sources(scheme: Scheme) -> Option<Ssrc> {
        (scheme != Scheme::Flex03).then_some(SSRC)
    }

    fn round(scheme: Scheme, packets: &[Vec<u8>]) {
        let mut room = vec![0xAA; 2000];
        let len = build(scheme, packets.iter().map(|p| &p[..]), &mut room).unwrap();
        let repair = Repair::parse(scheme, &room[..len], sources(scheme)).unwrap();
        let numbers = packets.iter().map(|p| source(p).unwrap());
        assert!(repair.packets().eq(numbers));
        for lost in packets {
            let known =
                |ssrc, number| packets.iter().find(|p| *p != lost && source(p) == Some((ssrc, number))).map(|p| &p[..]);
            let mut out = vec![1, 2, 3];
            assert_eq!(repair.recover(known, &mut out), Ok(source(lost).unwrap()));
            assert_eq!(&out, lost);
        }
        let mut out = Vec::new();
        let all = |_, number| packets.iter().find(|p| source(p).unwrap().1 == number).map(|p| &p[..]);
        assert_eq!(repair.recover(all, &mut out), Err(Failure::NothingMissing));
        if packets.len() > 1 {
            assert_eq!(repair.recover(|_, _| None, &mut out), Err(Failure::TooManyMissing));
        }
        assert!(build(scheme, packets.iter().map(|p| &p[..]), &mut room[..len - 1]).is_none());
        for len in 0..len {
            if let Ok(repair) = Repair::parse(scheme, &room[..len], sources(scheme)) {
                let lost = packets.iter().max_by_key(|p| p.len()).unwrap();
                let known =
                    |_, number| packets.iter().find(|p| *p != lost && source(p).unwrap().1 == number).map(|p| &p[..]);
                assert_eq!(repair.recover(known, &mut out), Err(Failure::Malformed), "{len}");
            }
        }
    }

    /// RFC 5109 §10.1: four packets of 200, 140, 100 and 340 bytes protected at level 0 by one repair packet.
    #[test]
    fn the_headers_of_the_example_in_rfc_5109_come_out() {
        let rows = [(8, true, 11, 3, 200), (9, false, 18, 5, 140), (10, true, 11, 7, 100), (11, false, 18, 9, 340)];
        let packets: Vec<_> = rows
            .into_iter()
            .map(|(number, marker, kind, timestamp, len)| {
                let mut packet = packet(number, marker, timestamp, &vec![number as u8; len]);
                packet[1] = (packet[1] & 0x80) | kind;
                packet
            })
            .collect();
        let mut room = [0; 400];
        let len = build(Scheme::Ulp, packets.iter().map(|p| &p[..]), &mut room).unwrap();
        assert_eq!(len, 14 + 340);
        // P, X, CC, M and PT cancel out; base 8, timestamp 8, length 372, protection length 340, mask 11110000 00000000.
        assert_eq!(room[..14], [0, 0, 0, 8, 0, 0, 0, 8, 0x01, 0x74, 0x01, 0x54, 0xF0, 0]);
        round(Scheme::Ulp, &packets);
    }

    #[test]
    fn every_scheme_gives_back_any_one_packet_across_the_wrap() {
        for scheme in [Scheme::Ulp, Scheme::Flex03, Scheme::Flex] {
            for distances in [&[0u16][..], &[0, 1, 2, 14], &[0, 15], &[0, 3, 16], &[0, 45], &[0, 47]] {
                let packets: Vec<_> = distances
                    .iter()
                    .map(|n| {
                        packet(
                            65_530u16.wrapping_add(*n),
                            *n == 3,
                            90 * u32::from(*n),
                            &vec![*n as u8; 10 + usize::from(*n)],
                        )
                    })
                    .collect();
                round(scheme, &packets);
            }
        }
        let far: Vec<_> = [0, 108].iter().map(|n| packet(*n, false, 1, &[1, 2])).collect();
        round(Scheme::Flex03, &far);
        round(Scheme::Flex, &far);
        let mut room = [0; 100];
        assert!(build(Scheme::Ulp, far.iter().map(|p| &p[..]), &mut room).is_none());
    }

    #[test]
    fn what_cannot_be_protected_together_is_refused() {
        let mut room = [0; 100];
        let (a, b) = (packet(5, false, 1, &[1]), packet(6, false, 1, &[1]));
        let mut foreign = b.clone();
        foreign[11] = 0;
        let mut refused = |packets: &[&[u8]]| build(Scheme::Flex, packets.iter().copied(), &mut room).is_none();
        assert!(
            refused(&[])
                && refused(&[&a, &a])
                && refused(&[&b, &a])
                && refused(&[&a, &foreign])
                && refused(&[&a[..11]])
        );
        assert!(!refused(&[&a, &b]));
    }

    #[test]
    fn rows_and_columns_are_read() {
        let header = |columns, rows| [0x40, 0, 0, 0, 0, 0, 0, 0, 0, 100, columns, rows];
        let numbers = |columns, rows| {
            let bytes = header(columns, rows);
            let repair = Repair::parse(Scheme::Flex, &bytes, [SSRC]);
            repair.map(|repair| repair.packets().map(|(_, number)| number.0).collect::<Vec<_>>()).ok()
        };
        assert_eq!(numbers(3, 0), Some(vec![100, 101, 102]));
        assert_eq!(numbers(3, 1), Some(vec![100, 101, 102]));
        assert_eq!(numbers(3, 2), Some(vec![100, 103]));
        assert_eq!(numbers(0, 0), None);
        assert!(Repair::parse(Scheme::Flex, &header(3, 2), []).is_err());
        assert!(Repair::parse(Scheme::Flex, &[0x80; 60], [SSRC]).is_err());
        assert!(Repair::parse(Scheme::Flex03, &[0x40; 60], []).is_err());
    }

    /// The layout of draft 03: one source, named in the header, and a short mask whose first bit tells that it is all.
    #[test]
    fn a_repair_packet_of_libwebrtc_is_laid_out_so() {
        let mut room = [0; 100];
        let packets = [packet(0x1234, false, 0x0102_0304, &[1, 2, 3]), packet(0x1236, false, 0x0102_0304, &[4])];
        let len = build(Scheme::Flex03, packets.iter().map(|p| &p[..]), &mut room).unwrap();
        let header = [0, 0, 0, 2, 0, 0, 0, 0, 1, 0, 0, 0, 0xDE, 0xAD, 0xBE, 0xEF, 0x12, 0x34, 0xD0, 0];
        assert_eq!(room[..len], [&header[..], &[1 ^ 4, 2, 3]].concat());
    }

    proptest! {
        #[test]
        fn noise_never_recovers_more_than_it_has(payload in proptest::collection::vec(any::<u8>(), 0..80)) {
            for scheme in [Scheme::Ulp, Scheme::Flex03, Scheme::Flex] {
                if let Ok(repair) = Repair::parse(scheme, &payload, [SSRC]) {
                    let mut out = Vec::new();
                    let first = repair.packets().next();
                    let noise = [0x55; 60];
                    let _ = repair.recover(|ssrc, number| (Some((ssrc, number)) != first).then_some(&noise[..]), &mut out);
                    prop_assert!(out.len() <= FIXED + payload.len());
                }
            }
        }
    }
}
