//! The three attributes that are computed over what stands before them (RFC 8489 §14.5 to §14.7).

use crate::credentials::Key;
use crate::header::HEADER;
use peerage_base::crc::crc32;
use peerage_crypto::hmac;

/// Whole length of MESSAGE-INTEGRITY, header included.
pub(crate) const INTEGRITY: usize = 24;
/// Whole length of an untruncated MESSAGE-INTEGRITY-SHA256, header included.
pub(crate) const INTEGRITY_SHA256: usize = 36;
/// Whole length of FINGERPRINT, header included.
pub(crate) const FINGERPRINT: usize = 8;

/// Tells the CRC from that of a protocol that has one in the same place.
const FINGERPRINT_XOR: u32 = 0x5354_554E;

/// The code of a MESSAGE-INTEGRITY that begins at `at`.
pub(crate) fn sha1(key: &Key, message: &[u8], at: usize) -> Option<[u8; 20]> {
    let length = length_up_to(at + INTEGRITY)?;
    Some(hmac::sha1(key.as_bytes(), &[message.get(..2)?, &length, message.get(4..at)?]))
}

/// The code of a MESSAGE-INTEGRITY-SHA256 that begins at `at` and has a value of `len` bytes.
pub(crate) fn sha256(key: &Key, message: &[u8], at: usize, len: usize) -> Option<[u8; 32]> {
    let length = length_up_to(at + 4 + len)?;
    Some(hmac::sha256(key.as_bytes(), &[message.get(..2)?, &length, message.get(4..at)?]))
}

/// The value of a FINGERPRINT that begins at `at`; the length field has to count it already.
pub(crate) fn fingerprint(message: &[u8], at: usize) -> Option<u32> {
    Some(crc32(message.get(..at)?) ^ FINGERPRINT_XOR)
}

/// The length field of a message that ends at `end`: codes are computed as if theirs were the last attribute.
fn length_up_to(end: usize) -> Option<[u8; 2]> {
    u16::try_from(end.checked_sub(HEADER)?).ok().map(u16::to_be_bytes)
}
