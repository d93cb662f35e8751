//! Writing RTCP packets end to end into the slot that they leave in.

use super::header::{HEADER_LEN, PacketType};
use peerage_base::slot::Slot;

/// Most bytes after the header of a packet: the length field counts words in 16 bits.
const MAX_BODY: usize = 4 * u16::MAX as usize;

/// Writes packets until the slot is full. Nothing counts as written until [`finish`](Self::finish).
#[derive(Debug)]
pub struct Writer<'s, 'b> {
    slot: &'s mut Slot<'b>,
    len: usize,
    begins_with_report: bool,
    has_cname: bool,
}

impl<'s, 'b> Writer<'s, 'b> {
    /// No packet yet.
    pub fn new(slot: &'s mut Slot<'b>) -> Self {
        Self { slot, len: 0, begins_with_report: false, has_cname: false }
    }

    /// Appends a packet with a body of `len` bytes, a multiple of four, and lends it, zeroed; `None`, and nothing changes,
    /// if it does not fit. `count` is cut to its five bits.
    pub fn packet(&mut self, packet_type: PacketType, count: u8, len: usize) -> Option<&mut [u8]> {
        if len > self.room_for_body() || !len.is_multiple_of(4) {
            return None;
        }
        if self.len == 0 {
            self.begins_with_report = matches!(packet_type, PacketType::SENDER_REPORT | PacketType::RECEIVER_REPORT);
        }
        let (start, end) = (self.len, self.len + HEADER_LEN + len);
        let (header, body) = self.slot.room().get_mut(start..end)?.split_at_mut(HEADER_LEN);
        header[0] = 0x80 | count & 0x1F;
        header[1] = packet_type.0;
        header[2..].copy_from_slice(&((len / 4) as u16).to_be_bytes());
        body.fill(0);
        self.len = end;
        Some(body)
    }

    /// Fills the slot with what was written and answers its length in bytes.
    pub fn finish(self) -> usize {
        self.slot.fill(self.len);
        self.len
    }

    /// Notes that a packet tells the canonical name of a source.
    pub(super) fn note_cname(&mut self) {
        self.has_cname = true;
    }

    /// Most bytes that the body of one more packet can have; 0 too if there is no room for a header.
    pub fn room_for_body(&self) -> usize {
        ((self.slot.max() - self.len).saturating_sub(HEADER_LEN) & !3).min(MAX_BODY)
    }

    /// Bytes so far.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no packet was written.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether what was written may go to a peer that did not agree to reduced-size RTCP: it begins with a report and tells
    /// a canonical name (RFC 3550 §6.1).
    pub fn is_compound(&self) -> bool {
        self.begins_with_report && self.has_cname
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numbers::Ssrc;
    use crate::rtcp::sdes::{self, ItemType};
    use crate::rtcp::{pli, receiver_report};

    #[test]
    fn packets_are_written_end_to_end_within_the_room() {
        let mut buf = [0xEE; 64];
        let mut slot = Slot::new(&mut buf, 4, 14, 22);
        let mut writer = Writer::new(&mut slot);
        assert!(writer.is_empty());
        assert!(pli::write(&mut writer, Ssrc(1), Ssrc(2)));
        assert!(!pli::write(&mut writer, Ssrc(1), Ssrc(2)), "22 bytes hold one");
        assert_eq!(writer.room_for_body(), 4);
        assert!(writer.packet(PacketType::APP, 0, 8).is_none());
        assert!(writer.packet(PacketType::APP, 0xFF, 3).is_none(), "bodies are whole words");
        assert!(writer.packet(PacketType::APP, 0xFF, 4).is_some());
        assert_eq!((writer.room_for_body(), writer.len()), (0, 20));
        assert_eq!(writer.finish(), 20);
        assert_eq!(slot.packet(), b"\x81\xCE\0\x02\0\0\0\x01\0\0\0\x02\x9F\xCC\0\x01\0\0\0\0");
        assert_eq!(slot.range(), 4..24);
    }

    #[test]
    fn a_compound_begins_with_a_report_and_tells_a_name() {
        let mut buf = [0; 100];
        let mut slot = Slot::new(&mut buf, 0, 0, 100);
        let cname = [(ItemType::CNAME, &b"me"[..])];

        let mut writer = Writer::new(&mut slot);
        assert!(!writer.is_compound());
        assert_eq!(receiver_report::write(&mut writer, Ssrc(1), core::iter::empty()), Some(0));
        assert!(!writer.is_compound());
        assert!(sdes::write(&mut writer, Ssrc(1), &[(ItemType::TOOL, &b"x"[..])]));
        assert!(!writer.is_compound());
        assert!(sdes::write(&mut writer, Ssrc(1), &cname));
        assert!(writer.is_compound());

        let mut reduced = Writer::new(&mut slot);
        assert!(sdes::write(&mut reduced, Ssrc(1), &cname));
        assert_eq!(receiver_report::write(&mut reduced, Ssrc(1), core::iter::empty()), Some(0));
        assert!(!reduced.is_compound());
    }

    #[test]
    fn what_was_not_finished_was_not_written() {
        let mut buf = [0; 100];
        let mut slot = Slot::new(&mut buf, 0, 0, 100);
        assert!(pli::write(&mut Writer::new(&mut slot), Ssrc(1), Ssrc(2)));
        assert!(slot.is_empty());
    }
}
