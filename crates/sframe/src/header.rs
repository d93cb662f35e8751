//! The header of an encrypted frame (RFC 9605 §4.3).
//!
//! ```text
//!  0 1 2 3 4 5 6 7
//! +-+-----+-+-----+---------------------+---------------------+
//! |X|  K  |Y|  C  | KID (K + 1 bytes)   | CTR (C + 1 bytes)   |
//! +-+-----+-+-----+---------------------+---------------------+
//! ```
//! Without X the three bits of K are the key identifier itself, and likewise Y, C and the counter.

use crate::error::DecryptError;
use crate::key_id::KeyId;

/// The longest header.
pub const MAX_LEN: usize = 17;

/// Values below this fit the first byte.
const SHORT: u64 = 8;

/// A header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The key that the frame is encrypted by.
    pub key_id: KeyId,
    /// The number of the frame under it.
    pub counter: u64,
}

/// A header as it is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Written {
    bytes: [u8; MAX_LEN],
    len: usize,
}

impl AsRef<[u8]> for Written {
    fn as_ref(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

impl Header {
    pub(crate) fn write(self) -> Written {
        let mut written = Written { bytes: [0; MAX_LEN], len: 1 };
        let key_id = written.append(self.key_id.0);
        let counter = written.append(self.counter);
        written.bytes[0] = key_id << 4 | counter;
        written
    }

    /// The header that `bytes` begin with, and its length.
    ///
    /// # Errors
    /// `Malformed` if they end within it, or a number is longer than need be.
    pub fn parse(bytes: &[u8]) -> Result<(Self, usize), DecryptError> {
        let (first, rest) = bytes.split_first().ok_or(DecryptError::Malformed)?;
        let (key_id, rest) = read(first >> 4, rest)?;
        let (counter, rest) = read(first & 0x0F, rest)?;
        Ok((Self { key_id: KeyId(key_id), counter }, bytes.len() - rest.len()))
    }
}

impl Written {
    /// The four bits that stand for a value; its bytes are appended if it has any.
    fn append(&mut self, value: u64) -> u8 {
        if value < SHORT {
            return value as u8;
        }
        let skip = value.leading_zeros() as usize / 8;
        let bytes = &value.to_be_bytes()[skip..];
        self.bytes[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
        0b1000 | (bytes.len() as u8 - 1)
    }
}

/// The value that four bits stand for, with the bytes that follow.
fn read(bits: u8, bytes: &[u8]) -> Result<(u64, &[u8]), DecryptError> {
    if bits & 0b1000 == 0 {
        return Ok((bits.into(), bytes));
    }
    let (value, rest) = bytes.split_at_checked(usize::from(bits & 0b0111) + 1).ok_or(DecryptError::Malformed)?;
    let number = value.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
    // RFC 9605 §4.3: no more bytes than the value needs.
    if number < SHORT || value.first() == Some(&0) {
        return Err(DecryptError::Malformed);
    }
    Ok((number, rest))
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use crate::key::testing::hex;
    use proptest::prelude::*;

    /// RFC 9605 §C.1, rows of each form.
    #[test]
    fn published_vectors() {
        for (key_id, counter, encoded) in [
            (0, 0, "00"),
            (0, 1, "01"),
            (0, 0xFF, "08ff"),
            (0, 0x0100, "090100"),
            (0, u64::MAX, "0fffffffffffffffff"),
            (1, 0x0001_0000, "1a010000"),
            (0xFF, 0, "80ff"),
            (0xFF, 0xFFFF_FFFF, "8bffffffffff"),
            (0x0100, 0x0100, "9901000100"),
            (0xFFFF, 0x0100_0000_0000, "9dffff010000000000"),
            (0x00FF_FFFF, 1, "a1ffffff"),
            (0x0100_0000_0000_0000, 0x00FF_FFFF, "fa0100000000000000ffffff"),
            (u64::MAX, u64::MAX, "ffffffffffffffffffffffffffffffffff"),
        ] {
            let header = Header { key_id: KeyId(key_id), counter };
            assert_eq!(header.write().as_ref(), hex(encoded));
            assert_eq!(Header::parse(&hex(encoded)), Ok((header, encoded.len() / 2)));
        }
    }

    #[test]
    fn numbers_longer_than_need_be_are_refused() {
        for encoded in ["", "80", "8007", "9000ff", "0807", "9901", "8f0000000000000000"] {
            assert_eq!(Header::parse(&hex(encoded)), Err(DecryptError::Malformed), "{encoded}");
        }
    }

    proptest! {
        #[test]
        fn whatever_parses_is_written_the_same(bytes in prop::collection::vec(any::<u8>(), 0..20)) {
            if let Ok((header, len)) = Header::parse(&bytes) {
                let written = header.write();
                prop_assert_eq!(written.as_ref(), &bytes[..len]);
            }
        }
    }
}
