//! Retransmission (RFC 4588 §4): the payload sent again, behind its sequence number, in a stream of its own.
//!
//! ```text
//! | original sequence number (16) | original payload |
//! ```

use crate::error::ParseError;
use crate::numbers::{PayloadType, SequenceNumber, Ssrc};

/// Bytes before the original payload.
pub const HEADER_LEN: usize = 2;

/// The original's sequence number and payload. `None` if there is neither: such a packet is padding that probes the path.
pub fn parse(payload: &[u8]) -> Option<(SequenceNumber, &[u8])> {
    let (number, rest) = payload.split_first_chunk()?;
    Some((SequenceNumber(u16::from_be_bytes(*number)), rest))
}

/// Writes the payload that repeats `original`; answers its length, or `None` if `room` is too short.
pub fn write(number: SequenceNumber, original: &[u8], room: &mut [u8]) -> Option<usize> {
    let (head, rest) = room.split_first_chunk_mut()?;
    rest.get_mut(..original.len())?.copy_from_slice(original);
    *head = number.0.to_be_bytes();
    Some(HEADER_LEN + original.len())
}

/// Makes a retransmission the packet that it repeats, in place, without touching the payload: the headers, extensions with
/// them, move forward over the number. `header_len` is their length; padding must be gone already (its flag is cleared).
///
/// # Errors
/// If the packet ends before the number does.
pub fn restore(
    packet: &mut [u8],
    header_len: usize,
    ssrc: Ssrc,
    payload_type: PayloadType,
) -> Result<&mut [u8], ParseError> {
    const TRUNCATED: ParseError = ParseError::Truncated("retransmission");
    let number = packet.get(header_len..).and_then(parse).ok_or(TRUNCATED)?.0;
    packet.copy_within(..header_len, HEADER_LEN);
    let restored = packet.get_mut(HEADER_LEN..).ok_or(TRUNCATED)?;
    let fixed: &mut [u8; 12] = restored.first_chunk_mut().filter(|_| header_len >= 12).ok_or(TRUNCATED)?;
    fixed[0] &= !0x20;
    fixed[1] = (fixed[1] & 0x80) | payload_type.value();
    fixed[2..4].copy_from_slice(&number.0.to_be_bytes());
    fixed[8..12].copy_from_slice(&ssrc.0.to_be_bytes());
    Ok(restored)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn a_payload_round_trips_and_short_ones_are_told() {
        let mut room = [0; 6];
        assert_eq!(write(SequenceNumber(0x1234), b"body", &mut room), Some(6));
        assert_eq!(parse(&room), Some((SequenceNumber(0x1234), &b"body"[..])));
        assert_eq!(parse(&room[..2]), Some((SequenceNumber(0x1234), &[][..])));
        assert_eq!(parse(&room[..1]), None);
        assert_eq!(write(SequenceNumber(1), b"bodys", &mut room), None);
    }

    #[test]
    fn a_retransmission_becomes_the_packet_it_repeats() {
        // An extension of one word stands between the fixed header and the payload.
        let header = [0x90, 0x80 | 97, 0, 9, 1, 2, 3, 4, 0xAA, 0, 0, 1, 0xBE, 0xDE, 0, 1, 0x10, 5, 0, 0];
        let mut packet: Vec<u8> = header.into_iter().chain([0x12, 0x34]).chain(*b"body").collect();
        let restored = restore(&mut packet, 20, Ssrc(0xBB00_0002), PayloadType::from_byte(96)).unwrap();
        let mut expected = header;
        expected[1] = 0x80 | 96;
        expected[2..4].copy_from_slice(&[0x12, 0x34]);
        expected[8..12].copy_from_slice(&[0xBB, 0, 0, 2]);
        assert_eq!(restored[..20], expected);
        assert_eq!(&restored[20..], b"body");
        for len in 0..22 {
            let mut cut = header.into_iter().chain([0x12, 0x34]).take(len).collect::<Vec<u8>>();
            assert!(restore(&mut cut, 20, Ssrc(1), PayloadType::from_byte(96)).is_err(), "{len}");
        }
        assert!(restore(&mut [0; 30], 4, Ssrc(1), PayloadType::from_byte(96)).is_err());
    }
}
