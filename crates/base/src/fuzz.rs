//! Bodies of fuzz targets.

use alloc::vec;
use alloc::vec::Vec;

use crate::framing::{Deframer, FrameError, Framing};
use crate::reader::Reader;
use crate::slot::Slot;

/// Most bytes that the buffer of a deframer may take beyond what one packet needs.
const MANY: usize = 16 * 1024;

/// A stream: however it arrives, the same packets are in it, and each of them can be framed again.
pub fn framing(data: &[u8]) {
    let mut input = Reader::new(data);
    let (Some(kind), Some(step)) = (input.u8(), input.u8()) else { return };
    let framing = if kind & 1 == 0 { Framing::Length } else { Framing::Turn };
    let max = [0, 1, 20, 64, 548, 1500, 4096, 0xFFFF][usize::from(kind >> 5)];
    let stream = input.rest();
    let whole = deframe(framing, max, stream, usize::MAX);
    assert_eq!(deframe(framing, max, stream, 1), whole, "byte by byte");
    assert_eq!(deframe(framing, max, stream, usize::from(step) + 2), whole, "piece by piece");
    let mut again = Vec::new();
    for packet in &whole.0 {
        assert!(!packet.is_empty() && packet.len() <= max);
        again.extend(framed(framing, packet));
    }
    assert_eq!(deframe(framing, max, &again, usize::MAX), (whole.0, None, false), "framed again");
}

/// The packets of a stream that arrives in pieces of at most `step` bytes, what is wrong with it, and whether it ends
/// amid a packet.
fn deframe(framing: Framing, max: usize, stream: &[u8], step: usize) -> (Vec<Vec<u8>>, Option<FrameError>, bool) {
    let mut deframer = Deframer::new(framing, max);
    let mut packets = Vec::new();
    let mut rest = stream;
    while !rest.is_empty() {
        let room = deframer.room();
        assert!(!room.is_empty(), "a drained deframer has room");
        assert!(room.len() <= (max + 5).max(MANY), "the buffer grows without limit");
        let (now, later) = rest.split_at(room.len().min(step).min(rest.len()));
        room[..now.len()].copy_from_slice(now);
        deframer.filled(now.len());
        rest = later;
        loop {
            match deframer.next() {
                Ok(Some(packet)) => packets.push(packet.to_vec()),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(deframer.next().map(|_| ()), Err(error), "it heals");
                    return (packets, Some(error), true);
                }
            }
        }
    }
    (packets, None, deframer.is_partial())
}

fn framed(framing: Framing, packet: &[u8]) -> Vec<u8> {
    let (head, tail) = framing.overhead();
    let mut buf = vec![0; head + packet.len() + tail];
    let mut slot = Slot::new(&mut buf, head, tail, packet.len());
    slot.room().copy_from_slice(packet);
    slot.fill(packet.len());
    assert!(framing.frame(&mut slot).is_some(), "there is room for its frame");
    slot.packet().to_vec()
}

#[cfg(test)]
mod tests {
    const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/framing");

    #[test]
    fn streams() {
        peerage_testkit::replay::replay(CORPUS, super::framing);
    }

    #[test]
    fn seeds_hold_packets() {
        use crate::framing::Framing;
        let count = |seed: &[u8], framing| super::deframe(framing, 1500, &seed[2..], 7).0.len();
        assert_eq!(count(include_bytes!("../corpus/framing/length"), Framing::Length), 3);
        assert_eq!(count(include_bytes!("../corpus/framing/turn"), Framing::Turn), 3);
    }
}
