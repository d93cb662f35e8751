//! Room for one outgoing packet inside a larger buffer.
//!
//! `session` knows how a packet will be wrapped (DTLS, ChannelData, stream framing), lends a leaf a slot that leaves that
//! much head and tail room, and the wrapping is then written around the packet without moving it.

/// A window of a buffer: head room, one packet, tail room.
#[derive(Debug)]
pub struct Slot<'a> {
    buf: &'a mut [u8],
    /// First byte of the packet.
    start: usize,
    /// One past the last byte of the packet.
    end: usize,
    /// Most bytes that the packet itself may have.
    max: usize,
}

impl<'a> Slot<'a> {
    /// A slot for a packet of at most `max` bytes with `head` bytes before it and `tail` after it.
    ///
    /// `max` shrinks to what `buf` has room for.
    pub fn new(buf: &'a mut [u8], head: usize, tail: usize, max: usize) -> Self {
        let head = head.min(buf.len());
        let max = max.min((buf.len() - head).saturating_sub(tail));
        Self { buf, start: head, end: head, max }
    }

    /// The room a leaf may write its packet to.
    pub fn room(&mut self) -> &mut [u8] {
        &mut self.buf[self.start..self.start + self.max]
    }

    /// Most bytes that the packet itself may have.
    pub fn max(&self) -> usize {
        self.max
    }

    /// Declares the first `len` bytes of the room to be the packet.
    pub fn fill(&mut self, len: usize) {
        assert!(len <= self.max, "a leaf wrote past its slot");
        self.end = self.start + len;
    }

    /// Length of the packet so far, wrapping included.
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    /// Whether nothing was written yet.
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// The packet so far, wrapping included.
    pub fn packet(&self) -> &[u8] {
        &self.buf[self.start..self.end]
    }

    /// The packet so far, to be rewritten in place.
    pub fn packet_mut(&mut self) -> &mut [u8] {
        &mut self.buf[self.start..self.end]
    }

    /// Extends the packet by `n` bytes of head room and lends them; `None` if there is not as much.
    pub fn prepend(&mut self, n: usize) -> Option<&mut [u8]> {
        self.start = self.start.checked_sub(n)?;
        Some(&mut self.buf[self.start..self.start + n])
    }

    /// Extends the packet by `n` bytes of tail room and lends them; `None` if there is not as much.
    pub fn append(&mut self, n: usize) -> Option<&mut [u8]> {
        let from = self.end;
        let to = from.checked_add(n).filter(|to| *to <= self.buf.len())?;
        self.end = to;
        Some(&mut self.buf[from..to])
    }

    /// Where the packet lies in the buffer the slot was made of.
    pub fn range(&self) -> core::ops::Range<usize> {
        self.start..self.end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrapping_grows_around_the_packet() {
        let mut buf = [0; 16];
        let mut slot = Slot::new(&mut buf, 2, 3, 8);
        slot.room()[..4].copy_from_slice(b"body");
        slot.fill(4);
        slot.prepend(2).unwrap().copy_from_slice(b"<<");
        slot.append(3).unwrap().copy_from_slice(b">>>");
        assert_eq!(slot.packet(), b"<<body>>>");
        assert_eq!(slot.range(), 0..9);
        assert!(slot.prepend(1).is_none());
    }

    #[test]
    fn room_never_exceeds_the_buffer() {
        let mut buf = [0; 8];
        assert_eq!(Slot::new(&mut buf, 2, 2, 100).max(), 4);
        assert_eq!(Slot::new(&mut buf, 9, 2, 100).max(), 0);
    }
}
