//! Sealing: what keeps the server from reading or changing what peers say, and from replaying it.
//!
//! Per direction of a pair of peers, a key from HKDF-SHA256 and ChaCha20-Poly1305 under a counter; the layout is in
//! `docs/signalling.md`.

use crate::code::Code;
use crate::id::{PeerId, RoomName};
use crate::message::DATA_MAX;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use peerage_crypto::aead::{Aead, Algorithm, TAG_LEN};
use peerage_crypto::hkdf;

const COUNTER_LEN: usize = 8;
/// The longest plaintext whose sealed form fits a message, in bytes.
pub const PLAIN_MAX: usize = DATA_MAX / 4 * 3 - COUNTER_LEN - TAG_LEN;

/// Why sealed data was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Not base64url, or too short or too long to be sealed data.
    #[error("this is not sealed data")]
    Malformed,
    /// The counter is not above the highest one opened.
    #[error("this was said before")]
    Replayed,
    /// Sealed under another key: another secret, room or pair of peers, or changed on the way.
    #[error("the seal does not open")]
    Unauthentic,
}

/// The plaintext is longer than [`PLAIN_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a message of {0} bytes is too long to seal")]
pub struct TooLong(pub usize);

/// Seals what one peer says to another one.
#[derive(Debug)]
pub struct Sealer {
    channel: Channel,
    counter: u64,
}

impl Sealer {
    /// For messages from `from` to `to`.
    pub fn new(code: &Code, from: PeerId, to: PeerId) -> Self {
        Self { channel: Channel::new(code, from, to), counter: 0 }
    }

    /// Seals `plaintext` under the next counter; the result is base64url.
    ///
    /// # Errors
    /// [`TooLong`]; no counter is used up.
    pub fn seal(&mut self, plaintext: &[u8]) -> Result<String, TooLong> {
        if plaintext.len() > PLAIN_MAX {
            return Err(TooLong(plaintext.len()));
        }
        self.counter += 1;
        let counter = self.counter.to_be_bytes();
        let mut sealed = Vec::with_capacity(COUNTER_LEN + plaintext.len() + TAG_LEN);
        sealed.extend_from_slice(&counter);
        sealed.extend_from_slice(plaintext);
        let tag = self.channel.aead.seal_in_place(&nonce(counter), &self.channel.aad, &mut sealed[COUNTER_LEN..]);
        sealed.extend_from_slice(&tag);
        Ok(URL_SAFE_NO_PAD.encode(sealed))
    }
}

/// Opens what one peer says to another one.
#[derive(Debug)]
pub struct Opener {
    channel: Channel,
    highest: u64,
}

impl Opener {
    /// For messages from `from` to `to`.
    pub fn new(code: &Code, from: PeerId, to: PeerId) -> Self {
        Self { channel: Channel::new(code, from, to), highest: 0 }
    }

    /// Opens `data` and returns the plaintext.
    ///
    /// # Errors
    /// [`OpenError`]; the opener is then unchanged.
    pub fn open(&mut self, data: &str) -> Result<Vec<u8>, OpenError> {
        if data.len() > DATA_MAX {
            return Err(OpenError::Malformed);
        }
        let mut sealed = URL_SAFE_NO_PAD.decode(data).map_err(|_| OpenError::Malformed)?;
        let (counter, body) = sealed.split_first_chunk_mut::<COUNTER_LEN>().ok_or(OpenError::Malformed)?;
        if body.len() < TAG_LEN {
            return Err(OpenError::Malformed);
        }
        let number = u64::from_be_bytes(*counter);
        if number <= self.highest {
            return Err(OpenError::Replayed);
        }
        let plaintext = self
            .channel
            .aead
            .open_in_place(&nonce(*counter), &self.channel.aad, body)
            .map_err(|_| OpenError::Unauthentic)?
            .to_vec();
        self.highest = number;
        Ok(plaintext)
    }
}

/// One direction of a pair.
#[derive(Debug)]
struct Channel {
    aead: Aead,
    aad: Vec<u8>,
}

impl Channel {
    fn new(code: &Code, from: PeerId, to: PeerId) -> Self {
        let room: &RoomName = code.room();
        let mut key = [0; 32];
        hkdf::sha256(
            format!("peerage-signal-1|{room}").as_bytes(),
            code.secret().as_bytes(),
            format!("{from}|{to}").as_bytes(),
            &mut key,
        );
        Self { aead: Aead::new(Algorithm::ChaCha20Poly1305, &key), aad: format!("{room}|{from}|{to}").into_bytes() }
    }
}

fn nonce(counter: [u8; COUNTER_LEN]) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&counter);
    nonce
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const A: PeerId = PeerId::from_bytes([1; 16]);
    const B: PeerId = PeerId::from_bytes([2; 16]);

    fn code() -> Code {
        Code::parse("k7m2xq-0123456789abcdefghjk").unwrap()
    }

    #[test]
    fn what_is_sealed_opens_once_and_in_order() {
        let (mut seal, mut open) = (Sealer::new(&code(), A, B), Opener::new(&code(), A, B));
        let first = seal.seal(b"one").unwrap();
        let second = seal.seal(b"").unwrap();
        let third = seal.seal(b"three").unwrap();
        assert_eq!(open.open(&first).unwrap(), b"one");
        assert_eq!(open.open(&first), Err(OpenError::Replayed));
        assert_eq!(open.open(&third).unwrap(), b"three");
        assert_eq!(open.open(&second), Err(OpenError::Replayed));
    }

    #[test]
    fn another_secret_room_or_direction_does_not_open() {
        let sealed = Sealer::new(&code(), A, B).seal(b"x").unwrap();
        let other = |text| Code::parse(text).unwrap();
        for mut open in [
            Opener::new(&other("k7m2xq-0123456789abcdefghjm"), A, B),
            Opener::new(&other("k7m2xr-0123456789abcdefghjk"), A, B),
            Opener::new(&code(), B, A),
            Opener::new(&code(), A, A),
        ] {
            assert_eq!(open.open(&sealed), Err(OpenError::Unauthentic));
        }
    }

    #[test]
    fn a_forged_counter_does_not_advance_the_highest() {
        let (mut seal, mut open) = (Sealer::new(&code(), A, B), Opener::new(&code(), A, B));
        let sealed = seal.seal(b"x").unwrap();
        let mut forged = URL_SAFE_NO_PAD.decode(&sealed).unwrap();
        forged[0] = 0xFF;
        assert_eq!(open.open(&URL_SAFE_NO_PAD.encode(forged)), Err(OpenError::Unauthentic));
        assert_eq!(open.open(&sealed).unwrap(), b"x");
    }

    #[test]
    fn every_changed_bit_and_every_truncation_is_noticed() {
        let sealed = URL_SAFE_NO_PAD.decode(Sealer::new(&code(), A, B).seal(b"hello").unwrap()).unwrap();
        for bit in 0..sealed.len() * 8 {
            let mut bad = sealed.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(Opener::new(&code(), A, B).open(&URL_SAFE_NO_PAD.encode(bad)).is_err(), "bit {bit}");
        }
        for len in 0..sealed.len() {
            assert!(Opener::new(&code(), A, B).open(&URL_SAFE_NO_PAD.encode(&sealed[..len])).is_err(), "{len} bytes");
        }
    }

    #[test]
    fn the_longest_plaintext_fits_a_message_and_one_more_byte_is_refused() {
        let mut seal = Sealer::new(&code(), A, B);
        let sealed = seal.seal(&vec![b'x'; PLAIN_MAX]).unwrap();
        assert!(sealed.len() <= DATA_MAX);
        assert_eq!(Opener::new(&code(), A, B).open(&sealed).unwrap().len(), PLAIN_MAX);
        assert_eq!(seal.seal(&vec![b'x'; PLAIN_MAX + 1]), Err(TooLong(PLAIN_MAX + 1)));
        assert_eq!(Opener::new(&code(), A, B).open(&"A".repeat(DATA_MAX + 4)), Err(OpenError::Malformed));
    }

    proptest! {
        #[test]
        fn no_text_panics_or_opens(data in "\\PC{0,100}") {
            prop_assert!(Opener::new(&code(), A, B).open(&data).is_err());
        }

        #[test]
        fn no_bytes_panic_or_open(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            prop_assert!(Opener::new(&code(), A, B).open(&URL_SAFE_NO_PAD.encode(bytes)).is_err());
        }
    }
}
