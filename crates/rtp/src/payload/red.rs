//! Redundant audio (RFC 2198 §3): earlier payloads again, each behind a header of its own, then the present one.
//!
//! ```text
//! | 1 | payload type (7) | timestamp offset (14) | length (10) |   per earlier payload
//! | 0 | payload type (7) |                                         the present one
//! | earlier payloads ... | present payload |
//! ```

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use crate::error::ParseError;
use crate::numbers::{PayloadType, Timestamp};
use peerage_base::serial::Serial as _;

/// Most payloads in a packet that is read.
pub const MAX_BLOCKS: usize = 32;
/// Furthest back in time that a payload can be told to be, in ticks.
pub const MAX_OFFSET: u32 = (1 << 14) - 1;
/// Longest earlier payload in bytes.
pub const MAX_LEN: usize = (1 << 10) - 1;

const EARLIER_HEADER_LEN: usize = 4;
const PRESENT_HEADER_LEN: usize = 1;

/// One of the payloads in a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block<'a> {
    /// Its format.
    pub payload_type: PayloadType,
    /// By how many ticks it is earlier than the timestamp of the packet; 0 for the present one.
    pub offset: u32,
    /// The payload.
    pub payload: &'a [u8],
    /// Whether it is the present one, which comes last.
    pub is_present: bool,
}

/// The payloads of a packet, as sent: earlier ones first.
#[derive(Clone, Debug)]
pub struct Blocks<'a> {
    headers: &'a [u8],
    data: &'a [u8],
}

/// Reads a payload.
///
/// # Errors
/// If a header or a payload ends early, or there are more than [`MAX_BLOCKS`].
pub fn parse(payload: &[u8]) -> Result<Blocks<'_>, ParseError> {
    let (mut at, mut sum) = (0, 0);
    for _ in 0..MAX_BLOCKS {
        let rest = payload.get(at..).unwrap_or_default();
        match *rest {
            [first, ..] if first & 0x80 == 0 => {
                let (headers, data) = payload.split_at(at + PRESENT_HEADER_LEN);
                return if sum > data.len() {
                    Err(ParseError::Truncated("redundant payload"))
                } else {
                    Ok(Blocks { headers, data })
                };
            }
            [_, _, high, low, ..] => {
                sum += usize::from(u16::from_be_bytes([high & 3, low]));
                at += EARLIER_HEADER_LEN;
            }
            _ => return Err(ParseError::Truncated("header of redundant payload")),
        }
    }
    Err(ParseError::Invalid("count of redundant payloads"))
}

impl<'a> Iterator for Blocks<'a> {
    type Item = Block<'a>;

    fn next(&mut self) -> Option<Block<'a>> {
        let block = match *self.headers {
            [first] => {
                let payload = core::mem::take(&mut self.data);
                self.headers = &[];
                Block { payload_type: PayloadType::from_byte(first), offset: 0, payload, is_present: true }
            }
            [first, a, b, c, ref rest @ ..] => {
                let word = u32::from_be_bytes([0, a, b, c]);
                let (payload, data) = self.data.split_at_checked((word & 0x3FF) as usize)?;
                (self.headers, self.data) = (rest, data);
                Block { payload_type: PayloadType::from_byte(first), offset: word >> 10, payload, is_present: false }
            }
            _ => return None,
        };
        Some(block)
    }
}

/// An earlier payload, kept to be sent again.
#[derive(Clone, Debug)]
struct Kept {
    payload_type: PayloadType,
    timestamp: Timestamp,
    payload: Vec<u8>,
}

/// Adds to each payload those before it.
#[derive(Clone, Debug)]
pub struct Encoder {
    depth: usize,
    /// Earlier payloads, the oldest first; their buffers are used again.
    kept: VecDeque<Kept>,
}

impl Encoder {
    /// For up to `depth` earlier payloads in each packet, at most [`MAX_BLOCKS`] - 1. Browsers send one.
    pub fn new(depth: usize) -> Self {
        let depth = depth.min(MAX_BLOCKS - 1);
        Self { depth, kept: VecDeque::with_capacity(depth) }
    }

    /// Writes a payload with as many of those before it as fit, the latest first, and keeps it for the next ones. Answers
    /// the length, or `None` if `room` does not take the present payload, which is then not kept.
    pub fn write(
        &mut self,
        payload_type: PayloadType,
        timestamp: Timestamp,
        payload: &[u8],
        room: &mut [u8],
    ) -> Option<usize> {
        let mut left = room.len().checked_sub(PRESENT_HEADER_LEN + payload.len())?;
        let carried = |kept: &&Kept, left: &mut usize| {
            let cost = EARLIER_HEADER_LEN + kept.payload.len();
            let fits = cost <= *left && offset(timestamp, kept.timestamp).is_some();
            *left -= if fits { cost } else { 0 };
            fits
        };
        // An earlier one that does not fit hides those before it: gaps in what is repeated are of little use.
        let count = self.kept.iter().rev().take_while(|kept| carried(kept, &mut left)).count();
        let mut at = 0;
        let mut put = |bytes: &[u8]| {
            room[at..at + bytes.len()].copy_from_slice(bytes);
            at += bytes.len();
        };
        let skipped = self.kept.len() - count;
        for kept in self.kept.iter().skip(skipped) {
            let offset = offset(timestamp, kept.timestamp).unwrap_or_default();
            let word = (offset << 10) | kept.payload.len() as u32;
            let [_, a, b, c] = word.to_be_bytes();
            put(&[0x80 | kept.payload_type.value(), a, b, c]);
        }
        put(&[payload_type.value()]);
        self.kept.iter().skip(skipped).for_each(|kept| put(&kept.payload));
        put(payload);
        self.keep(payload_type, timestamp, payload);
        Some(at)
    }

    /// Forgets earlier payloads, for a stream that starts anew.
    pub fn clear(&mut self) {
        self.kept.clear();
    }

    fn keep(&mut self, payload_type: PayloadType, timestamp: Timestamp, payload: &[u8]) {
        if self.depth == 0 {
            return;
        }
        let mut buffer = match self.kept.len() < self.depth {
            true => Vec::new(),
            false => self.kept.pop_front().map(|kept| kept.payload).unwrap_or_default(),
        };
        buffer.clear();
        // One that is too long to be repeated ends what can be.
        if payload.is_empty() || payload.len() > MAX_LEN {
            return self.kept.clear();
        }
        buffer.extend_from_slice(payload);
        self.kept.push_back(Kept { payload_type, timestamp, payload: buffer });
    }
}

/// How far back `earlier` is, if that can be told.
fn offset(now: Timestamp, earlier: Timestamp) -> Option<u32> {
    u32::try_from(now.distance(earlier)).ok().filter(|offset| (1..=MAX_OFFSET).contains(offset))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    const OPUS: PayloadType = PayloadType::from_byte(111);

    fn encode(encoder: &mut Encoder, timestamp: u32, payload: &[u8], max: usize) -> Vec<u8> {
        let mut room = vec![0; max];
        let len = encoder.write(OPUS, Timestamp(timestamp), payload, &mut room).unwrap();
        room.truncate(len);
        room
    }

    fn read(payload: &[u8]) -> Vec<(u32, Vec<u8>)> {
        parse(payload).unwrap().map(|block| (block.offset, block.payload.to_vec())).collect()
    }

    /// In the shape of the figure of RFC 2198 §4: DVI4 (5) behind LPC (7) of 14 bytes.
    #[test]
    fn the_header_is_laid_out_as_in_the_example() {
        let bytes = [0x80 | 7, 0x00, 0x40, 0x0E, 5];
        let mut payload = bytes.to_vec();
        payload.extend([1; 14]);
        payload.extend([2; 84]);
        let blocks: Vec<_> = parse(&payload).unwrap().collect();
        assert_eq!((blocks[0].payload_type.value(), blocks[0].offset, blocks[0].payload), (7, 16, &[1; 14][..]));
        assert_eq!((blocks[1].payload_type.value(), blocks[1].is_present, blocks[1].payload), (5, true, &[2; 84][..]));
        for len in 0..19 {
            assert!(parse(&payload[..len]).is_err(), "{len}");
        }
    }

    #[test]
    fn earlier_payloads_follow_the_present_one_across_the_wrap() {
        let mut encoder = Encoder::new(2);
        let start = u32::MAX - 1000;
        assert_eq!(read(&encode(&mut encoder, start, b"one", 100)), [(0, b"one".to_vec())]);
        encode(&mut encoder, start.wrapping_add(960), b"two", 100);
        let third = encode(&mut encoder, start.wrapping_add(1920), b"three", 100);
        assert_eq!(read(&third), [(1920, b"one".to_vec()), (960, b"two".to_vec()), (0, b"three".to_vec())]);
        let fourth = encode(&mut encoder, start.wrapping_add(2880), b"4", 100);
        assert_eq!(read(&fourth), [(1920, b"two".to_vec()), (960, b"three".to_vec()), (0, b"4".to_vec())]);
    }

    #[test]
    fn what_does_not_fit_is_left_out_oldest_first() {
        let mut encoder = Encoder::new(2);
        encode(&mut encoder, 0, b"one", 100);
        encode(&mut encoder, 960, b"two", 100);
        assert_eq!(read(&encode(&mut encoder, 1920, b"three", 13)), [(960, b"two".to_vec()), (0, b"three".to_vec())]);
        assert_eq!(read(&encode(&mut encoder, 1920 + MAX_OFFSET + 1, b"far", 100)), [(0, b"far".to_vec())]);
        let mut room = [0; 3];
        assert_eq!(encoder.write(OPUS, Timestamp(0), b"abc", &mut room), None);
    }

    #[test]
    fn a_payload_too_long_to_repeat_is_not_repeated() {
        let mut encoder = Encoder::new(1);
        encode(&mut encoder, 0, &[1; MAX_LEN + 1], 2000);
        assert_eq!(read(&encode(&mut encoder, 960, b"x", 2000)).len(), 1);
        encode(&mut encoder, 1920, &[1; MAX_LEN], 2000);
        assert_eq!(read(&encode(&mut encoder, 2880, b"x", 2000))[0], (960, vec![1; MAX_LEN]));
        assert_eq!(read(&encode(&mut Encoder::new(0), 0, b"x", 2000)).len(), 1);
    }

    #[test]
    fn headers_without_end_are_refused() {
        assert_eq!(parse(&[0x80; 400]).unwrap_err(), ParseError::Invalid("count of redundant payloads"));
    }
}
