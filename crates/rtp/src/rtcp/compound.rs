//! What arrives in one datagram: RTCP packets end to end (RFC 3550 §6.1).

use super::header::{PacketType, Raw};
use super::packet::Packet;
use crate::error::ParseError;
use peerage_base::reader::Reader;

/// One or more RTCP packets whose framing has been checked.
#[derive(Clone, Copy, Debug)]
pub struct Compound<'a> {
    bytes: &'a [u8],
}

impl<'a> Compound<'a> {
    /// Checks the framing: versions, lengths that add up, padding that fits. Any packet may come first, as reduced-size RTCP
    /// lets it (RFC 5506): whether that was agreed on is not known here. Any packet may be padded, and by any number of bytes,
    /// as libwebrtc pads its transport feedback; RFC 3550 §6.4.1 has whole words on the last one only.
    ///
    /// # Errors
    /// If the framing is broken. Packets are looked into later, one by one.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        let mut rest = Reader::new(bytes);
        loop {
            Raw::read(&mut rest)?;
            if rest.is_empty() {
                return Ok(Self { bytes });
            }
        }
    }

    /// The packets in order; a faulty one does not hide those after it.
    pub fn packets(&self) -> impl Iterator<Item = Result<Packet<'a>, ParseError>> + Clone + use<'a> {
        self.raw_packets().map(|raw| Packet::parse(&raw))
    }

    /// The packets in order, unread.
    pub fn raw_packets(&self) -> impl Iterator<Item = Raw<'a>> + Clone + use<'a> {
        let mut rest = Reader::new(self.bytes);
        core::iter::from_fn(move || Raw::read(&mut rest).ok())
    }

    /// Whether it begins with a report, as every compound must unless reduced-size RTCP was agreed on.
    pub fn begins_with_report(&self) -> bool {
        let reports = [PacketType::SENDER_REPORT, PacketType::RECEIVER_REPORT];
        self.raw_packets().next().is_some_and(|raw| reports.contains(&raw.packet_type))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numbers::Ssrc;
    use crate::rtcp::pli::PictureLoss;
    use std::vec::Vec;

    const PLI: [u8; 12] = [0x81, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2];
    const EMPTY_RR: [u8; 8] = [0x80, 201, 0, 1, 0, 0, 0, 9];

    #[test]
    fn packets_are_found_end_to_end() {
        let bytes = [&EMPTY_RR[..], &PLI, &PLI].concat();
        let compound = Compound::parse(&bytes).unwrap();
        assert!(compound.begins_with_report());
        let packets: Vec<_> = compound.packets().collect();
        let pli = Packet::PictureLoss(PictureLoss { sender: Ssrc(1), media: Ssrc(2) });
        assert_eq!(packets.len(), 3);
        assert_eq!(packets[1..], [Ok(pli), Ok(pli)]);
        assert!(!Compound::parse(&PLI).unwrap().begins_with_report());
    }

    #[test]
    fn lengths_must_add_up() {
        let bytes = [&EMPTY_RR[..], &PLI].concat();
        for len in 0..bytes.len() {
            assert_eq!(Compound::parse(&bytes[..len]).is_ok(), len == 8, "{len}");
        }
        assert!(Compound::parse(&[&PLI[..], &[0]].concat()).is_err());
    }

    #[test]
    fn every_packet_has_the_version() {
        for first in [0x01, 0x41, 0xC1] {
            let mut bytes = [EMPTY_RR, EMPTY_RR].concat();
            bytes[8] = first;
            assert_eq!(Compound::parse(&bytes).map(drop), Err(ParseError::Invalid("RTCP version")));
        }
    }

    #[test]
    fn padding_fits_its_packet_and_is_something() {
        let padded = |n: u8| [0xA0, 201, 0, 2, 0, 0, 0, 9, 0, 0, 0, n];
        let good = padded(4);
        let raw = Compound::parse(&good).unwrap().raw_packets().next().unwrap();
        assert_eq!((raw.body, raw.padding), (&[0, 0, 0, 9][..], 4));
        assert_eq!(Compound::parse(&[&padded(3)[..], &PLI].concat()).unwrap().packets().count(), 2);
        for n in [0, 9, 255] {
            assert_eq!(Compound::parse(&padded(n)).map(drop), Err(ParseError::Invalid("RTCP padding")), "{n}");
        }
        assert!(Compound::parse(&[0xA0, 201, 0, 0]).is_err());
    }

    #[test]
    fn padding_of_255_bytes_is_told_from_none() {
        let mut bytes = [0; 260];
        bytes[..4].copy_from_slice(&[0xA0, 199, 0, 64]);
        assert!(Compound::parse(&bytes).is_err());
        bytes[259] = 255;
        assert_eq!(Compound::parse(&bytes).unwrap().raw_packets().next().unwrap().body.len(), 1);
    }

    #[test]
    fn a_faulty_packet_does_not_hide_the_next() {
        // A sender report of one word, then a picture loss.
        let bytes = [&[0x80, 200, 0, 1, 0, 0, 0, 9][..], &PLI].concat();
        let packets: Vec<_> = Compound::parse(&bytes).unwrap().packets().map(|packet| packet.is_ok()).collect();
        assert_eq!(packets, [false, true]);
    }
}
