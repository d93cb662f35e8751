//! Changing a packet in place, as a forwarder does: the payload is not touched, and the length stays.

use super::raw::Parts;
use crate::error::ParseError;
use crate::extension::block::{self, Cursor, Form};
use crate::numbers::{PayloadType, SequenceNumber, Ssrc, Timestamp};

/// An opened packet whose headers can be changed.
#[derive(Debug)]
pub struct PacketMut<'a> {
    bytes: &'a mut [u8],
    /// Where the body of the extension begins; where the headers end if there is none.
    extension: usize,
    profile: u16,
    header_len: usize,
}

impl<'a> PacketMut<'a> {
    /// A packet that fills `bytes` exactly; padding is not looked at.
    ///
    /// # Errors
    /// If the version is not 2 or the headers exceed the bytes.
    pub fn new(bytes: &'a mut [u8]) -> Result<Self, ParseError> {
        let parts = Parts::of(bytes)?;
        let (extension, profile) = match parts.profile {
            Some(profile) => (parts.csrcs_end + block::HEADER_LEN, profile),
            None => (parts.header_len, 0),
        };
        Ok(Self { bytes, extension, profile, header_len: parts.header_len })
    }

    /// Names another stream.
    pub fn set_ssrc(&mut self, ssrc: Ssrc) {
        self.bytes[8..12].copy_from_slice(&ssrc.0.to_be_bytes());
    }

    /// Gives it another place in the stream.
    pub fn set_sequence_number(&mut self, number: SequenceNumber) {
        self.bytes[2..4].copy_from_slice(&number.0.to_be_bytes());
    }

    /// Gives it another sampling instant.
    pub fn set_timestamp(&mut self, timestamp: Timestamp) {
        self.bytes[4..8].copy_from_slice(&timestamp.0.to_be_bytes());
    }

    /// Gives the format its number on another connection.
    pub fn set_payload_type(&mut self, payload_type: PayloadType) {
        self.bytes[1] = self.bytes[1] & 0x80 | payload_type.value();
    }

    /// Sets the marker.
    pub fn set_marker(&mut self, marker: bool) {
        self.bytes[1] = self.bytes[1] & 0x7F | u8::from(marker) << 7;
    }

    /// The value of the first element with `id`, to be overwritten; its length stays.
    pub fn element(&mut self, id: u8) -> Option<&mut [u8]> {
        let body = &mut self.bytes[self.extension..self.header_len];
        let mut cursor = Cursor::new(self.profile);
        loop {
            let place = cursor.next(body)?;
            if place.id == id {
                return body.get_mut(place.value);
            }
        }
    }

    /// Gives every element the id that `map` answers, and turns those for which it answers `None`, and those whose new id
    /// the form of the block cannot carry, into padding. What follows a malformed element becomes padding too, so that
    /// nothing passes that was not understood; a block that holds no elements at all is not touched.
    pub fn map_elements(&mut self, mut map: impl FnMut(u8) -> Option<u8>) {
        let Some(form) = Form::of(self.profile) else { return };
        let body = &mut self.bytes[self.extension..self.header_len];
        let mut cursor = Cursor::new(self.profile);
        let mut end = 0;
        while let Some(place) = cursor.next(body) {
            end = place.value.end;
            let id = map(place.id).filter(|id| form.takes(*id, place.value.len()));
            match (id, form) {
                (Some(id), Form::OneByte) => body[place.start] = id << 4 | body[place.start] & 0x0F,
                (Some(id), Form::TwoByte) => body[place.start] = id,
                (None, _) => body[place.start..place.value.end].fill(0),
            }
        }
        body[end..].fill(0);
    }

    /// What follows the headers: payload and padding.
    pub fn body(&mut self) -> &mut [u8] {
        &mut self.bytes[self.header_len..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::Packet;
    use std::vec::Vec;

    const ONE_BYTE: &[u8] = b"\x91\xE0\x00\x01\x00\x00\x00\x02\x00\x00\x00\x03\x00\x00\x00\x04\xBE\xDE\x00\x03\
                              \x10\xA1\x00\x21\xB1\xB2\x30\xC1\xF7\x42\xFF\xFFbody";

    fn elements(bytes: &[u8]) -> Vec<(u8, &[u8])> {
        Packet::parse(bytes).unwrap().extension.elements().collect()
    }

    #[test]
    fn fields_change_and_the_rest_stays() {
        let mut bytes = ONE_BYTE.to_vec();
        let mut packet = PacketMut::new(&mut bytes).unwrap();
        packet.set_ssrc(Ssrc(9));
        packet.set_sequence_number(SequenceNumber(8));
        packet.set_timestamp(Timestamp(7));
        packet.set_payload_type(PayloadType::new(5).unwrap());
        assert_eq!(packet.body(), b"body");
        let after = Packet::parse(&bytes).unwrap();
        assert_eq!((after.header.ssrc, after.header.sequence_number), (Ssrc(9), SequenceNumber(8)));
        assert_eq!((after.header.timestamp, after.header.payload_type.value()), (Timestamp(7), 5));
        assert!(after.header.marker);
        assert_eq!(bytes[12..], ONE_BYTE[12..]);
        PacketMut::new(&mut bytes).unwrap().set_marker(false);
        assert_eq!(bytes[1], 5);
    }

    #[test]
    fn a_value_is_overwritten_in_place() {
        let mut bytes = ONE_BYTE.to_vec();
        let mut packet = PacketMut::new(&mut bytes).unwrap();
        packet.element(2).unwrap().copy_from_slice(&[1, 2]);
        assert!(packet.element(4).is_none(), "it stands after the id that stops");
        assert_eq!(elements(&bytes), [(1, &[0xA1][..]), (2, &[1, 2]), (3, &[0xC1])]);
    }

    #[test]
    fn ids_change_and_what_has_none_becomes_padding() {
        let mut bytes = ONE_BYTE.to_vec();
        // Two ids swap: an element is not seen again under its new id.
        let map = |id| [(1, 3), (3, 1), (2, 15)].iter().find(|pair| pair.0 == id).map(|pair| pair.1);
        PacketMut::new(&mut bytes).unwrap().map_elements(map);
        assert_eq!(elements(&bytes), [(3, &[0xA1][..]), (1, &[0xC1])]);
        assert_eq!(bytes[20..32], [0x30, 0xA1, 0, 0, 0, 0, 0x10, 0xC1, 0, 0, 0, 0]);
        assert_eq!(bytes[32..], *b"body");
    }

    #[test]
    fn two_byte_elements_take_any_id_but_zero() {
        let head = b"\x90\xE0\x00\x01\x00\x00\x00\x02\x00\x00\x00\x03\x10\x00\x00\x02";
        let mut bytes = [&head[..], &[1, 1, 0xA1, 2, 0, 3, 1, 0xC1]].concat();
        PacketMut::new(&mut bytes).unwrap().map_elements(|id| Some([0, 200, 15, 0][usize::from(id)]));
        assert_eq!(elements(&bytes), [(200, &[0xA1][..]), (15, &[])]);
    }

    #[test]
    fn packets_without_elements_have_none_to_change() {
        let mut plain = ONE_BYTE[..16].to_vec();
        plain[0] = 0x81;
        let mut other = ONE_BYTE.to_vec();
        other[16] = 0xC0;
        for bytes in [plain, other] {
            let mut changed = bytes.clone();
            let mut packet = PacketMut::new(&mut changed).unwrap();
            assert!(packet.element(1).is_none());
            packet.map_elements(|_| None);
            assert_eq!(changed, bytes);
        }
    }

    #[test]
    fn headers_that_are_cut_short_cannot_be_changed() {
        for len in 0..32 {
            assert!(PacketMut::new(&mut ONE_BYTE[..len].to_vec()).is_err());
        }
    }
}
