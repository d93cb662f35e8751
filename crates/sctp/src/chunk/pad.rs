//! PAD (RFC 4820 §3.2): bytes that mean nothing and make a packet as long as it shall be.

use super::PAD;
use crate::packet::{CHUNK_HEADER_LEN, PacketWriter};

/// Fills the rest of the packet up to its limit. What is left must have room for a chunk header, or be nothing.
pub fn fill(packet: &mut PacketWriter<'_>) {
    let Some(len) = packet.room().checked_sub(CHUNK_HEADER_LEN) else { return };
    if let Some(body) = packet.chunk(PAD, 0, len) {
        body.fill(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numbers::Tag;
    use crate::packet::Packet;

    #[test]
    fn it_fills_the_packet_to_the_last_byte_whatever_the_buffer_held() {
        for len in [12, 16, 20, 1472] {
            let mut buf = [0xAA; 1500];
            let mut packet = PacketWriter::new(&mut buf, len, 1, 2, Tag(3)).unwrap();
            fill(&mut packet);
            assert_eq!(packet.finish(true), len);
            let packet = Packet::parse(&buf[..len]).unwrap();
            let mut chunks = packet.chunks().map(Result::unwrap);
            let pad = chunks.next();
            assert_eq!(pad.map(|pad| (pad.kind, pad.body.len())), (len >= 16).then_some((PAD, len.saturating_sub(16))));
            assert!(pad.is_none_or(|pad| pad.body.iter().all(|byte| *byte == 0)) && chunks.next().is_none());
        }
    }
}
