//! Packets on byte streams: where one ends and the next begins.

use core::fmt;
use core::ops::Range;

use alloc::vec::Vec;

use crate::slot::Slot;

/// How packets are told apart on a byte stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Framing {
    /// Each packet follows its length in two bytes, RFC 4571 §2: ICE-TCP.
    Length,
    /// STUN messages and ChannelData that tell their own length, padded to four bytes, RFC 8489 §6.2.2 and
    /// RFC 8656 §12.5: TURN.
    Turn,
}

/// Why a stream cannot be read any further: close it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// A packet of `length` bytes was announced where at most `max` are taken.
    TooLong {
        /// What was announced, in bytes.
        length: usize,
        /// The most that is taken, in bytes.
        max: usize,
    },
    /// What stands where a packet must begin is neither STUN nor ChannelData.
    NotTurn(
        /// The first byte.
        u8,
    ),
}

/// Finds the packets in what a stream delivers, in place.
///
/// Read into [`room`](Self::room), say how much with [`filled`](Self::filled), take packets with [`next`](Self::next)
/// until there is none, and begin again. The buffer is allocated at the first read and grows with what arrives, never
/// with what was merely announced.
#[derive(Debug)]
pub struct Deframer {
    framing: Framing,
    /// Most bytes of one packet.
    max: usize,
    buffer: Vec<u8>,
    /// First byte that no packet was made of yet.
    start: usize,
    /// One past the last byte that was read.
    end: usize,
}

/// First size of the buffer: a packet of usual size and its frame.
const FIRST: usize = 2048;
/// Size that the buffer may reach even for smaller packets, so that many are read at once.
const MANY: usize = 16 * 1024;
/// Bytes of a STUN header, RFC 8489 §5.
const STUN_HEADER: usize = 20;
/// Bytes of a ChannelData header, RFC 8656 §12.4.
const CHANNEL_HEADER: usize = 4;

impl Framing {
    /// Most bytes that a frame adds before and after a packet.
    pub fn overhead(self) -> (usize, usize) {
        match self {
            Self::Length => (2, 0),
            Self::Turn => (0, 3),
        }
    }

    /// Frames the packet that `slot` holds; `None`, and nothing changed, if the slot has no room for that or the packet is
    /// too long for a frame.
    pub fn frame(self, slot: &mut Slot<'_>) -> Option<()> {
        match self {
            Self::Length => {
                let length = u16::try_from(slot.len()).ok()?;
                slot.prepend(2)?.copy_from_slice(&length.to_be_bytes());
            }
            Self::Turn => {
                let padding = padding(slot.len());
                slot.append(padding)?.fill(0);
            }
        }
        Some(())
    }

    /// Where the packet at the head of `bytes` lies and how many bytes its frame has; `None` if too few bytes are here.
    fn measure(self, bytes: &[u8], max: usize) -> Result<Option<(Range<usize>, usize)>, FrameError> {
        let (packet, frame) = match (self, bytes) {
            (Self::Length, [high, low, ..]) => {
                let end = 2 + usize::from(u16::from_be_bytes([*high, *low]));
                (2..end, end)
            }
            // Old clients take channels up to 0x7FFF, RFC 5766 §11.
            (Self::Turn, [first @ 0x00..=0x7F, _, high, low, ..]) => {
                let header = if *first < 0x40 { STUN_HEADER } else { CHANNEL_HEADER };
                let end = header + usize::from(u16::from_be_bytes([*high, *low]));
                if header == STUN_HEADER && end % 4 != 0 {
                    return Err(FrameError::NotTurn(*first));
                }
                (0..end, end + padding(end))
            }
            (Self::Turn, [first @ 0x80..=0xFF, ..]) => return Err(FrameError::NotTurn(*first)),
            _ => return Ok(None),
        };
        if packet.len() > max {
            return Err(FrameError::TooLong { length: packet.len(), max });
        }
        Ok((frame <= bytes.len()).then_some((packet, frame)))
    }
}

impl Deframer {
    /// A deframer that takes packets of at most `max` bytes.
    pub fn new(framing: Framing, max: usize) -> Self {
        Self { framing, max, buffer: Vec::new(), start: 0, end: 0 }
    }

    /// Where the next read goes; empty only if whole packets fill the buffer that were not taken.
    pub fn room(&mut self) -> &mut [u8] {
        if self.start > 0 {
            // What is left is less than a packet once all were taken, mostly nothing.
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.end == self.buffer.len() {
            let (head, tail) = self.framing.overhead();
            let most = (head + self.max + tail).max(MANY);
            self.buffer.resize((2 * self.buffer.len()).clamp(FIRST, most), 0);
        }
        &mut self.buffer[self.end..]
    }

    /// Copies the beginning of `bytes` into the room and gives back what did not fit: for who cannot read into it. As after
    /// [`filled`](Self::filled), packets are to be taken before the rest is given; then there is room again, unless the
    /// stream is unusable.
    pub fn feed<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let room = self.room();
        let (now, rest) = bytes.split_at(room.len().min(bytes.len()));
        room[..now.len()].copy_from_slice(now);
        self.filled(now.len());
        rest
    }

    /// Says that the first `n` bytes of the room were read.
    pub fn filled(&mut self, n: usize) {
        self.end = (self.end + n).min(self.buffer.len());
    }

    /// The next packet, without its frame; `None` until more was read.
    ///
    /// A ChannelData message comes with its header and without padding. Packets without a byte are passed over.
    ///
    /// # Errors
    ///
    /// If the stream is unusable from here on; every later call says the same.
    #[allow(clippy::should_implement_trait, reason = "packets are lent from the buffer, which an iterator cannot do")]
    pub fn next(&mut self) -> Result<Option<&mut [u8]>, FrameError> {
        loop {
            let Some((packet, frame)) = self.framing.measure(&self.buffer[self.start..self.end], self.max)? else {
                return Ok(None);
            };
            let packet = self.start + packet.start..self.start + packet.end;
            self.start += frame;
            if !packet.is_empty() {
                return Ok(Some(&mut self.buffer[packet]));
            }
        }
    }

    /// Whether part of a packet was read that is not complete.
    pub fn is_partial(&self) -> bool {
        self.start != self.end
    }
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { length, max } => write!(f, "a packet of {length} bytes on a stream that takes {max}"),
            Self::NotTurn(first) => write!(f, "neither STUN nor ChannelData begins with {first:#04x}"),
        }
    }
}

impl core::error::Error for FrameError {}

/// Bytes that bring `len` to a multiple of four.
fn padding(len: usize) -> usize {
    len.next_multiple_of(4) - len
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes out when `stream` arrives in pieces of `step` bytes.
    fn deframe(framing: Framing, max: usize, stream: &[u8], step: usize) -> Result<Vec<Vec<u8>>, FrameError> {
        let mut deframer = Deframer::new(framing, max);
        let mut packets = Vec::new();
        for piece in stream.chunks(step) {
            let mut piece = piece;
            while !piece.is_empty() {
                let rest = deframer.feed(piece);
                assert!(rest.len() < piece.len(), "a drained deframer has room");
                piece = rest;
                while let Some(packet) = deframer.next()? {
                    packets.push(packet.to_vec());
                }
            }
        }
        assert!(!deframer.is_partial());
        Ok(packets)
    }

    fn framed(framing: Framing, packet: &[u8]) -> Vec<u8> {
        let (head, tail) = framing.overhead();
        let mut buffer = alloc::vec![0xEE; head + packet.len() + tail];
        let mut slot = Slot::new(&mut buffer, head, tail, packet.len());
        slot.room()[..packet.len()].copy_from_slice(packet);
        slot.fill(packet.len());
        framing.frame(&mut slot).expect("the slot has room for the frame");
        slot.packet().to_vec()
    }

    /// A STUN message of `body` bytes, a multiple of four, or ChannelData of any.
    fn turn_packet(first: u8, body: u16) -> Vec<u8> {
        let header = if first < 0x40 { STUN_HEADER } else { CHANNEL_HEADER };
        let mut packet = alloc::vec![7; header + usize::from(body)];
        packet[0] = first;
        packet[2..4].copy_from_slice(&body.to_be_bytes());
        packet
    }

    #[test]
    fn packets_come_out_as_they_went_in_however_the_stream_is_cut() {
        let lengths: Vec<_> = [1, 2, 1200, 65_535, 3].iter().map(|len| alloc::vec![*len as u8; *len]).collect();
        let turn: Vec<_> = [(0, 0), (0x40, 1), (0x7F, 1199), (1, 64), (0x40, 0), (0x41, 65_531)]
            .iter()
            .map(|(first, body)| turn_packet(*first, *body))
            .collect();
        for (framing, packets) in [(Framing::Length, lengths), (Framing::Turn, turn)] {
            let stream: Vec<u8> = packets.iter().flat_map(|packet| framed(framing, packet)).collect();
            for step in [1, 2, 3, 5, 1000, 4096, stream.len()] {
                assert_eq!(deframe(framing, 65_535, &stream, step).as_ref(), Ok(&packets), "{framing:?} by {step}");
            }
        }
    }

    #[test]
    fn a_frame_is_as_the_standards_draw_it() {
        assert_eq!(framed(Framing::Length, b"abc"), b"\0\x03abc");
        assert_eq!(framed(Framing::Turn, b"\x40\x00\x00\x01a"), b"\x40\x00\x00\x01a\0\0\0");
    }

    #[test]
    fn empty_packets_are_passed_over() {
        assert_eq!(deframe(Framing::Length, 10, b"\0\0\0\0\0\x01a\0\0", 9), Ok(alloc::vec![b"a".to_vec()]));
    }

    #[test]
    fn what_cannot_be_a_packet_ends_the_stream() {
        let too_long = FrameError::TooLong { length: 256, max: 255 };
        assert_eq!(deframe(Framing::Length, 255, &[1, 0], 1), Err(too_long));
        for first in [0x80, 0x90, 0xC0, 0xFF] {
            assert_eq!(deframe(Framing::Turn, 9999, &[first], 1), Err(FrameError::NotTurn(first)));
        }
        // A STUN message is a multiple of four bytes long.
        assert_eq!(deframe(Framing::Turn, 9999, &[0, 1, 0, 2], 4), Err(FrameError::NotTurn(0)));
        // A web browser that took the port for another.
        assert!(deframe(Framing::Turn, 2048, b"GET / HTTP/1.1\r\n", 16).is_err());
    }

    #[test]
    fn an_unusable_stream_stays_unusable() {
        let mut deframer = Deframer::new(Framing::Turn, 2048);
        deframer.room()[0] = 0x80;
        deframer.filled(1);
        assert_eq!(deframer.next(), Err(FrameError::NotTurn(0x80)));
        deframer.room()[0] = 0;
        deframer.filled(1);
        assert_eq!(deframer.next(), Err(FrameError::NotTurn(0x80)));
    }

    #[test]
    fn memory_follows_what_arrived_not_what_was_announced() {
        let mut deframer = Deframer::new(Framing::Length, 65_535);
        deframer.room()[..2].copy_from_slice(&[0xFF, 0xFF]);
        deframer.filled(2);
        assert_eq!(deframer.next(), Ok(None));
        deframer.room();
        assert_eq!(deframer.buffer.len(), FIRST);
    }

    #[test]
    fn a_packet_without_room_for_its_frame_is_left_alone() {
        let mut buffer = [0; 5];
        let mut slot = Slot::new(&mut buffer, 0, 0, 5);
        slot.fill(5);
        assert_eq!(Framing::Length.frame(&mut slot), None);
        assert_eq!(Framing::Turn.frame(&mut slot), None);
        assert_eq!(slot.len(), 5);
    }
}
