//! I-FORWARD-TSN: FORWARD TSN where messages are interleaved (RFC 8260 §2.3.1).
//!
//! ```text
//!  0                   2                   4
//! +---------------------------------------+
//! | new cumulative TSN                    |
//! | stream id         | reserved        |U|   per stream and order skipped
//! | message identifier                    |
//! ```

use super::I_FORWARD_TSN;
use super::forward_tsn::{Form, Skipped};
use crate::numbers::{Mid, StreamId};
use peerage_base::reader::Reader;

/// I-FORWARD-TSN as a form of FORWARD TSN.
pub const INTERLEAVED: Form = Form { kind: I_FORWARD_TSN, entry_len: 8, read, write };

const FLAG_UNORDERED: u16 = 1;

fn read(r: &mut Reader<'_>) -> Option<Skipped> {
    let (stream, flags, mid) = (StreamId(r.u16()?), r.u16()?, Mid(r.u32()?));
    Some(Skipped { stream, unordered: flags & FLAG_UNORDERED != 0, mid })
}

fn write(skipped: &Skipped, entry: &mut [u8]) {
    let flags = u16::from(skipped.unordered) * FLAG_UNORDERED;
    entry[0..2].copy_from_slice(&skipped.stream.0.to_be_bytes());
    entry[2..4].copy_from_slice(&flags.to_be_bytes());
    entry[4..8].copy_from_slice(&skipped.mid.0.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numbers::{Tag, Tsn};
    use crate::packet::{HEADER_LEN, PacketWriter};
    use std::vec::Vec;

    /// By hand from the figure in RFC 8260 §2.3.1.
    const CHUNK: [u8; 24] = [194, 0, 0, 24, 1, 2, 3, 4, 0, 5, 0, 0, 0xFE, 0, 0, 9, 0, 5, 0, 1, 0, 1, 0, 2];

    #[test]
    fn ordered_and_unordered_messages_of_a_stream_are_skipped_by_themselves() {
        let forward = INTERLEAVED.parse(&CHUNK[4..]).unwrap();
        let skipped = [(false, 0xFE00_0009), (true, 0x1_0002)].map(|(unordered, mid)| Skipped {
            stream: StreamId(5),
            unordered,
            mid: Mid(mid),
        });
        assert_eq!((forward.cumulative, forward.skipped().collect::<Vec<_>>()), (Tsn(0x0102_0304), skipped.to_vec()));
        let mut buf = [0xFF; 64];
        let mut w = PacketWriter::new(&mut buf, 64, 0, 0, Tag(0)).unwrap();
        assert!(INTERLEAVED.write(Tsn(0x0102_0304), &skipped, &mut w));
        assert_eq!(w.finish(false), HEADER_LEN + CHUNK.len());
        assert_eq!(buf[HEADER_LEN..HEADER_LEN + CHUNK.len()], CHUNK);
    }

    #[test]
    fn reserved_bits_are_ignored_and_odd_lengths_refused() {
        let mut bytes = CHUNK;
        bytes[10..12].copy_from_slice(&[0xFF, 0xFE]);
        bytes[18..20].fill(0xFF);
        let orders: Vec<bool> = INTERLEAVED.parse(&bytes[4..]).unwrap().skipped().map(|s| s.unordered).collect();
        assert_eq!(orders, [false, true]);
        for len in 0..CHUNK.len() - 4 {
            assert_eq!(INTERLEAVED.parse(&CHUNK[4..4 + len]).is_ok(), len % 8 == 4, "{len}");
        }
    }
}
