//! Writing a packet into the slot that it leaves in: headers first, then the payload by whoever knows the format.

use super::{HEADER_LEN, Header, MAX_CSRCS};
use crate::extension::block::{self, Forms};
use crate::numbers::Ssrc;
use peerage_base::slot::Slot;

/// Writes one packet. Nothing counts as written until [`finish`](Self::finish).
#[derive(Debug)]
pub struct PacketWriter<'s, 'b> {
    slot: &'s mut Slot<'b>,
    /// Bytes of headers so far.
    len: usize,
}

impl<'s, 'b> PacketWriter<'s, 'b> {
    /// A packet with the fixed header and the first 15 of `csrcs`; `None` if the slot has no room for them.
    pub fn new(slot: &'s mut Slot<'b>, header: &Header, csrcs: &[Ssrc]) -> Option<Self> {
        let csrcs = &csrcs[..csrcs.len().min(MAX_CSRCS)];
        let len = HEADER_LEN + 4 * csrcs.len();
        let out = slot.room().get_mut(..len)?;
        out[0] = 0x80 | csrcs.len() as u8;
        out[1] = u8::from(header.marker) << 7 | header.payload_type.value();
        out[2..4].copy_from_slice(&header.sequence_number.0.to_be_bytes());
        out[4..8].copy_from_slice(&header.timestamp.0.to_be_bytes());
        out[8..12].copy_from_slice(&header.ssrc.0.to_be_bytes());
        for (word, csrc) in out[HEADER_LEN..].chunks_exact_mut(4).zip(csrcs) {
            word.copy_from_slice(&csrc.0.to_be_bytes());
        }
        Some(Self { slot, len })
    }

    /// Appends the block of header extensions that `write` fills, or none if it stays empty. To be called at most once,
    /// and before the payload is written.
    pub fn extensions<R>(&mut self, forms: Forms, write: impl FnOnce(&mut block::Writer<'_>) -> R) -> R {
        let (head, room) = self.slot.room().split_at_mut(self.len);
        let mut writer = block::Writer::new(room, forms);
        let answer = write(&mut writer);
        let len = writer.finish();
        if len > 0 {
            head[0] |= 0x10;
        }
        self.len += len;
        answer
    }

    /// Sets the marker, which whoever wrote the payload knows.
    pub fn set_marker(&mut self, marker: bool) {
        let byte = &mut self.slot.room()[1];
        *byte = *byte & 0x7F | u8::from(marker) << 7;
    }

    /// Where the payload goes: all that is left.
    pub fn room(&mut self) -> &mut [u8] {
        let len = self.len;
        &mut self.slot.room()[len..]
    }

    /// Length of the headers in bytes.
    pub fn header_len(&self) -> usize {
        self.len
    }

    /// Declares the first `payload` bytes of the room to be the payload, pads it by `padding` bytes and fills the slot: its
    /// length. `None`, and the slot is as it was, if that is more than the room.
    pub fn finish(self, payload: usize, padding: u8) -> Option<usize> {
        let start = self.len.checked_add(payload)?;
        let end = start.checked_add(padding.into())?;
        let tail = self.slot.room().get_mut(start..end)?;
        tail.fill(0);
        if let Some(last) = tail.last_mut() {
            *last = padding;
            self.slot.room()[0] |= 0x20;
        }
        self.slot.fill(end);
        Some(end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numbers::{PayloadType, SequenceNumber, Timestamp};
    use crate::packet::Packet;
    use proptest::prelude::*;
    use std::vec;
    use std::vec::Vec;

    fn header() -> Header {
        Header {
            marker: true,
            payload_type: PayloadType::new(111).unwrap(),
            sequence_number: SequenceNumber(65_535),
            timestamp: Timestamp(0x0102_0304),
            ssrc: Ssrc(0xDEAD_BEEF),
        }
    }

    #[test]
    fn a_packet_is_written_byte_for_byte() {
        let mut buf = [0xEE; 64];
        let mut slot = Slot::new(&mut buf, 5, 10, 100);
        let mut writer = PacketWriter::new(&mut slot, &header(), &[Ssrc(1)]).unwrap();
        assert!(writer.extensions(Forms::OneByte, |block| block.value(3, &[9, 8])));
        writer.set_marker(false);
        writer.room()[..2].copy_from_slice(b"hi");
        assert_eq!(writer.header_len(), 24);
        assert_eq!(writer.finish(2, 3), Some(29));
        let expected = b"\xB1\x6F\xFF\xFF\x01\x02\x03\x04\xDE\xAD\xBE\xEF\x00\x00\x00\x01\xBE\xDE\x00\x01\x31\x09\x08\x00hi\x00\x00\x03";
        assert_eq!(slot.packet(), expected);
        assert_eq!(slot.range(), 5..34);
    }

    #[test]
    fn an_empty_block_is_left_out() {
        let mut buf = [0xEE; 12];
        let mut slot = Slot::new(&mut buf, 0, 0, 100);
        let mut writer = PacketWriter::new(&mut slot, &header(), &[]).unwrap();
        writer.extensions(Forms::Mixed, |block| assert!(!block.value(3, &[9])));
        assert_eq!(writer.finish(0, 0), Some(12));
        assert_eq!(slot.packet()[..2], [0x80, 0xEF]);
    }

    #[test]
    fn more_than_the_room_fills_nothing() {
        let mut buf = [0; 16];
        let mut slot = Slot::new(&mut buf, 0, 0, 16);
        for (payload, padding) in [(5, 0), (4, 1), (0, 5), (usize::MAX, 1), (usize::MAX - 12, 255)] {
            let writer = PacketWriter::new(&mut slot, &header(), &[]).unwrap();
            assert_eq!(writer.finish(payload, padding), None);
            assert!(slot.is_empty());
        }
        assert!(PacketWriter::new(&mut slot, &header(), &[Ssrc(1), Ssrc(2)]).is_none());
    }

    #[test]
    fn csrcs_beyond_what_a_packet_can_have_are_left_out() {
        let mut buf = [0; 100];
        let mut slot = Slot::new(&mut buf, 0, 0, 100);
        PacketWriter::new(&mut slot, &header(), &[Ssrc(7); 20]).unwrap().finish(0, 0);
        assert_eq!(Packet::parse(slot.packet()).unwrap().csrcs().len(), 15);
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(
            marker: bool, kind in 0u8..128, sequence_number: u16, timestamp: u32, ssrc: u32,
            csrcs in prop::collection::vec(any::<u32>(), 0..16),
            value in prop::collection::vec(any::<u8>(), 0..20),
            payload in prop::collection::vec(any::<u8>(), 0..50),
            padding: u8,
        ) {
            let header = Header {
                marker,
                payload_type: PayloadType::new(kind).unwrap(),
                sequence_number: SequenceNumber(sequence_number),
                timestamp: Timestamp(timestamp),
                ssrc: Ssrc(ssrc),
            };
            let csrcs: Vec<_> = csrcs.into_iter().map(Ssrc).collect();
            let mut buf = vec![0xEE; 500];
            let mut slot = Slot::new(&mut buf, 0, 0, 500);
            let mut writer = PacketWriter::new(&mut slot, &header, &csrcs).unwrap();
            prop_assert!(writer.extensions(Forms::Mixed, |block| block.value(7, &value)));
            writer.room()[..payload.len()].copy_from_slice(&payload);
            writer.finish(payload.len(), padding).unwrap();
            let packet = Packet::parse(slot.packet()).unwrap();
            prop_assert_eq!(packet.header, header);
            prop_assert!(packet.csrcs().eq(csrcs));
            prop_assert_eq!(packet.extension.get(7), Some(&value[..]));
            prop_assert_eq!((packet.payload, packet.padding), (&payload[..], padding));
        }
    }
}
