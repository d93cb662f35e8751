//! The bytes that are sent, and the proof that they arrived.

use bytes::Bytes;

/// Largest message, in bytes.
pub const MAX_MESSAGE: usize = 256 << 10;
/// How far the start of a message moves before it begins again. Odd, so that messages start at every alignment.
const TURN: usize = 49_151;

/// Numbered messages of one size, each a window of one random text. Making one copies nothing and checking one is a
/// comparison, so that neither weighs on what is measured; neighbours differ almost everywhere, so that a lost, doubled or
/// moved piece is noticed.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: Bytes,
    size: usize,
}

impl Pattern {
    /// Messages of `size` bytes, at most [`MAX_MESSAGE`].
    pub fn new(size: usize) -> Self {
        assert!((1..=MAX_MESSAGE).contains(&size), "messages have 1 to {MAX_MESSAGE} bytes");
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let text: Vec<u8> = std::iter::repeat_with(|| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()
        })
        .take((size + TURN).div_ceil(8))
        .flatten()
        .collect();
        Self { text: text.into(), size }
    }

    /// The message of this number.
    pub fn message(&self, number: u64) -> Bytes {
        let start = self.start(number);
        self.text.slice(start..start + self.size)
    }

    /// What is wrong with the message that arrived as the one of this number.
    ///
    /// # Errors
    /// Its size or its content is not what was sent.
    pub fn check(&self, number: u64, message: &[u8]) -> Result<(), String> {
        if message.len() != self.size {
            return Err(format!("message {number} has {} bytes of {}", message.len(), self.size));
        }
        self.check_part(number, 0, message)
    }

    /// As [`check`](Self::check), for a part of the message that begins at `offset`.
    ///
    /// # Errors
    /// It is not a part of that message.
    pub fn check_part(&self, number: u64, offset: usize, part: &[u8]) -> Result<(), String> {
        let start = self.start(number) + offset;
        let fits = offset + part.len() <= self.size;
        let same = self.text.get(start..start + part.len()).is_some_and(|sent| sent == part);
        if fits && same { Ok(()) } else { Err(format!("message {number} was changed after byte {offset}")) }
    }

    /// Bytes in each message.
    pub fn size(&self) -> usize {
        self.size
    }

    fn start(&self, number: u64) -> usize {
        // The remainder fits whatever a usize is.
        (number % TURN as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_is_told_from_its_neighbours() {
        let pattern = Pattern::new(1000);
        for number in [0, 1, 2, 49_150, 49_151, 1 << 40] {
            let message = pattern.message(number);
            assert_eq!(message.len(), 1000);
            pattern.check(number, &message).unwrap();
            pattern.check_part(number, 500, &message[500..]).unwrap();
            assert!(pattern.check(number + 1, &message).is_err());
            assert!(pattern.check(number, &message[1..]).is_err());
            assert!(pattern.check_part(number, 501, &message[500..999]).is_err());
            let mut changed = message.to_vec();
            changed[999] ^= 1;
            assert!(pattern.check(number, &changed).is_err());
        }
    }
}
