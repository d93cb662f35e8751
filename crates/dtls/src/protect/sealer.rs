//! Outgoing records.

use thiserror::Error;

use peerage_base::slot::Slot;
use peerage_crypto::aead::TAG_LEN;
use peerage_crypto::header::HeaderKey;

use crate::protect::key::{Ciphers, EXPLICIT, Form, RecordKey, additional_data};
use crate::schedule::dtls12::TrafficKeys;
use crate::schedule::dtls13::TrafficSecret;
use crate::suite::{CipherSuite, Epoch};
use crate::wire::number::{MAX_SEQUENCE, RecordNumber};
use crate::wire::plaintext::PlaintextHeader;
use crate::wire::unified::{SAMPLE, UnifiedHeader};
use crate::wire::{ContentType, MAX_CONTENT, plaintext, unified};

/// Records under one key of AES-GCM after which an update is due: a third of the limit leaves time for it.
const WORN: u64 = 1 << 23;
/// Records under one key of AES-GCM at most, 2^24.5 (RFC 8446 §5.5).
const GCM_LIMIT: u64 = 23_726_566;

/// Protects the records of one epoch.
#[derive(Debug)]
pub(crate) struct Sealer {
    key: RecordKey,
    epoch: Epoch,
    /// Sequence number of the next record.
    next: u64,
    /// How many records make an update due, and how many there may be.
    worn: u64,
    limit: u64,
}

/// What protection adds to a packet, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Overhead {
    /// In front of it.
    pub head: usize,
    /// Behind it.
    pub tail: usize,
}

/// Why a record was not sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum SealError {
    /// The key has protected as many records as it may.
    #[error("the key is used up")]
    Exhausted,
    /// The content is longer than [`MAX_CONTENT`], or than the peer takes.
    #[error("the content is too long for a record")]
    TooLong,
    /// The slot has less head or tail room than [`Sealer::overhead`] asks for. What it holds is spoilt.
    #[error("the slot has too little room around the packet")]
    NoRoom,
}

impl Sealer {
    /// For an epoch of DTLS 1.3.
    ///
    /// # Panics
    /// If `suite` is unknown.
    pub(crate) fn new13(suite: CipherSuite, secret: &TrafficSecret, epoch: Epoch) -> Self {
        let key = RecordKey::new13(suite, secret);
        // ChaCha20 has no limit that could be reached; the sequence numbers are it.
        let (worn, limit) = if key.is_gcm() { (WORN, GCM_LIMIT) } else { (MAX_SEQUENCE / 2, MAX_SEQUENCE + 1) };
        Self { key, epoch, next: 0, worn, limit }
    }

    /// For the only epoch of DTLS 1.2 with keys. Those cannot be updated; but nonces that count never repeat, and the
    /// version has no limit but that of its sequence numbers.
    pub(crate) fn new12(keys: &TrafficKeys) -> Self {
        let key = RecordKey::new12(keys);
        Self { key, epoch: Epoch::FINISHED, next: 0, worn: u64::MAX, limit: MAX_SEQUENCE + 1 }
    }

    /// Protects the packet in `slot` in place and wraps it into a record.
    ///
    /// # Errors
    /// [`SealError`]. No sequence number is used up then.
    #[inline]
    pub(crate) fn seal(&mut self, content_type: ContentType, slot: &mut Slot<'_>) -> Result<RecordNumber, SealError> {
        if self.next >= self.limit {
            return Err(SealError::Exhausted);
        }
        if slot.len() > MAX_CONTENT {
            return Err(SealError::TooLong);
        }
        let number = RecordNumber { epoch: self.epoch, sequence: self.next };
        let overhead = self.overhead();
        let ciphers = self.key.wake();
        match &ciphers.mask {
            Some(mask) => seal13(ciphers, mask, content_type, number, slot),
            None => seal12(ciphers, overhead, content_type, number, slot),
        }
        .ok_or(SealError::NoRoom)?;
        self.next += 1;
        Ok(number)
    }

    /// What [`seal`](Self::seal) adds.
    pub(crate) const fn overhead(&self) -> Overhead {
        match self.key.form {
            Form::Dtls13 => Overhead { head: unified::LEN, tail: 1 + TAG_LEN },
            Form::Dtls12Explicit => Overhead { head: plaintext::LEN + EXPLICIT, tail: TAG_LEN },
            Form::Dtls12 => Overhead { head: plaintext::LEN, tail: TAG_LEN },
        }
    }

    /// Keeps no more than the keys themselves, if there was no record since the last call.
    pub(crate) fn rest(&mut self) {
        self.key.rest();
    }

    /// The epoch of the records.
    pub(crate) const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// How many records there were.
    #[cfg(any(test, feature = "fuzz"))]
    pub(crate) const fn sealed(&self) -> u64 {
        self.next
    }

    /// Whether an update of the key is due (RFC 9147 §4.5.3); never in DTLS 1.2, which has none.
    pub(crate) const fn is_worn(&self) -> bool {
        self.next >= self.worn
    }
}

fn seal13(
    ciphers: &Ciphers,
    mask: &HeaderKey,
    content_type: ContentType,
    number: RecordNumber,
    slot: &mut Slot<'_>,
) -> Option<()> {
    let inner = slot.len() + 1;
    slot.append(1 + TAG_LEN)?[0] = content_type.0;
    slot.prepend(unified::LEN)?;
    let (head, sealed) = slot.packet_mut().split_first_chunk_mut::<{ unified::LEN }>()?;
    *head = UnifiedHeader::bytes(number.epoch, number.sequence, (inner + TAG_LEN) as u16);
    let (body, tag) = sealed.split_at_mut(inner);
    let nonce = ciphers.nonce(number.sequence.to_be_bytes());
    tag.copy_from_slice(&ciphers.aead.seal_in_place(&nonce, head, body));
    let mask = mask.mask(sealed.first_chunk::<SAMPLE>()?);
    head[1] ^= mask[0];
    head[2] ^= mask[1];
    Some(())
}

fn seal12(
    ciphers: &Ciphers,
    Overhead { head, tail }: Overhead,
    content_type: ContentType,
    number: RecordNumber,
    slot: &mut Slot<'_>,
) -> Option<()> {
    let len = slot.len();
    slot.append(tail)?;
    slot.prepend(head)?;
    let (head, sealed) = slot.packet_mut().split_at_mut(head);
    let (header, explicit) = head.split_first_chunk_mut::<{ plaintext::LEN }>()?;
    let plain = PlaintextHeader { content_type, number, length: len as u16 };
    let nonce = plain.epoch_and_sequence();
    *header = PlaintextHeader { length: (explicit.len() + sealed.len()) as u16, ..plain }.to_bytes();
    // All of it or, if the nonce is not sent along, nothing.
    explicit.copy_from_slice(&nonce[..explicit.len()]);
    let (body, tag) = sealed.split_at_mut(len);
    let nonce = ciphers.nonce(nonce);
    tag.copy_from_slice(&ciphers.aead.seal_in_place(&nonce, &additional_data(plain), body));
    Some(())
}

#[cfg(any(test, feature = "fuzz"))]
impl Sealer {
    /// Lets records up to `sequence` be as good as sealed.
    pub(crate) fn skip_to(&mut self, sequence: u64) {
        self.next = sequence;
    }
}
