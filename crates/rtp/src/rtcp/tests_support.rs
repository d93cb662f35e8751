//! What every packet is put through.

use super::compound::Compound;
use super::packet::Packet;
use super::write::Writer;
use peerage_base::slot::Slot;
use std::vec;
use std::vec::Vec;

/// What `write` writes into 1500 bytes.
pub(crate) fn written(write: impl FnOnce(&mut Writer<'_, '_>)) -> Vec<u8> {
    let mut buf = vec![0xEE; 1500];
    let mut slot = Slot::new(&mut buf, 0, 0, 1500);
    let mut writer = Writer::new(&mut slot);
    write(&mut writer);
    writer.finish();
    slot.packet().to_vec()
}

/// The one packet in `bytes`.
pub(crate) fn parse(bytes: &[u8]) -> Packet<'_> {
    let mut packets = Compound::parse(bytes).unwrap().packets();
    let packet = packets.next().unwrap().unwrap();
    assert!(packets.next().is_none());
    packet
}

/// The packet in `bytes` is refused with fewer words, be it cut or be it framed to be shorter.
pub(crate) fn assert_refuses_shorter(bytes: &[u8]) {
    assert_refuses_shorter_than(bytes, bytes.len());
}

/// The same where the packet would be whole with `whole` bytes already.
pub(crate) fn assert_refuses_shorter_than(bytes: &[u8], whole: usize) {
    let _ = parse(bytes);
    for len in 0..bytes.len() {
        assert!(Compound::parse(&bytes[..len]).is_err(), "cut to {len}");
    }
    for len in (4..whole).step_by(4) {
        let mut framed = bytes[..len].to_vec();
        framed[3] = (len / 4 - 1) as u8;
        let read = Compound::parse(&framed).unwrap().packets().next().unwrap();
        assert!(read.is_err(), "framed to {len}: {read:?}");
    }
}
