//! Incoming records.

use core::ops::Range;

use thiserror::Error;

use peerage_base::reader::Reader;
use peerage_crypto::aead::TAG_LEN;

use crate::protect::key::{EXPLICIT, Form, RecordKey, additional_data};
use crate::schedule::dtls12::TrafficKeys;
use crate::schedule::dtls13::TrafficSecret;
use crate::suite::{CipherSuite, Epoch};
use crate::wire::number::{RecordNumber, reconstruct};
use crate::wire::plaintext::PlaintextHeader;
use crate::wire::replay::{NotNew, ReplayWindow};
use crate::wire::unified::{MAX_RECORD, SAMPLE, UnifiedHeader};
use crate::wire::{ContentType, MAX_CONTENT, plaintext};

/// Records that may fail to authenticate under one key (RFC 9147 §4.5.3).
const FORGERY_LIMIT: u64 = 1 << 36;

/// Opens the records of one epoch, each once.
#[derive(Debug)]
pub(crate) struct Opener {
    key: RecordKey,
    epoch: Epoch,
    window: ReplayWindow,
    forged: u64,
    /// Longest plaintext, in DTLS 1.3 with the content type and padding.
    limit: u16,
}

/// A record that proved authentic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Opened {
    pub content_type: ContentType,
    pub number: RecordNumber,
    /// Where the content lies in the record.
    pub content: Range<usize>,
}

/// A record that proved authentic, whatever it may contain.
struct Unsealed {
    /// Of DTLS 1.3, `None` if there is nothing but padding.
    content_type: Option<ContentType>,
    number: RecordNumber,
    content: Range<usize>,
    /// Length of the plaintext, whatever it is made of.
    len: usize,
}

/// Why a record was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum Refused {
    /// It is not a record of this version, or not a whole one, or shorter than protection makes any.
    #[error("malformed record")]
    Malformed,
    /// It belongs to other keys.
    #[error("record of another epoch")]
    OtherEpoch,
    /// It came already.
    #[error("replayed record")]
    Replayed,
    /// It is so late that nobody knows whether it came already.
    #[error("record too old")]
    TooOld,
    /// It, or its content, is longer than records may be.
    #[error("record too long")]
    TooLong,
    /// It is not what the peer sent.
    #[error("forged record")]
    Forged,
    /// It is the peer's, and has no content where there must be some (RFC 8446 §5.4).
    #[error("record without content")]
    Empty,
}

impl Opener {
    /// For an epoch of DTLS 1.3.
    ///
    /// # Panics
    /// If `suite` is unknown.
    pub(crate) fn new13(suite: CipherSuite, secret: &TrafficSecret, epoch: Epoch) -> Self {
        Self::new(RecordKey::new13(suite, secret), epoch)
    }

    /// For the only epoch of DTLS 1.2 with keys.
    pub(crate) fn new12(keys: &TrafficKeys) -> Self {
        Self::new(RecordKey::new12(keys), Epoch::FINISHED)
    }

    /// Opens a whole record, header included, in place.
    ///
    /// # Errors
    /// [`Refused`]; `record` is then unspecified.
    #[inline]
    pub(crate) fn open(&mut self, record: &mut [u8]) -> Result<Opened, Refused> {
        let unsealed = match self.key.form {
            Form::Dtls13 => self.unseal13(record),
            Form::Dtls12Explicit => self.unseal12(EXPLICIT, record),
            Form::Dtls12 => self.unseal12(0, record),
        };
        let Unsealed { content_type, number, content, len } = unsealed.inspect_err(|refused| {
            self.forged += u64::from(*refused == Refused::Forged);
        })?;
        self.window.check(number.sequence)?;
        self.window.insert(number.sequence);
        let content_type = content_type.ok_or(Refused::Empty)?;
        if content.len() > MAX_CONTENT || len > usize::from(self.limit) {
            return Err(Refused::TooLong);
        }
        if content.is_empty() && content_type != ContentType::APPLICATION_DATA {
            return Err(Refused::Empty);
        }
        Ok(Opened { content_type, number, content })
    }

    /// Refuses records with a longer plaintext than this from now on; in DTLS 1.3 the content type and padding count
    /// (RFC 8449 §4).
    pub(crate) const fn set_limit(&mut self, limit: u16) {
        self.limit = limit;
    }

    /// Keeps no more than the keys themselves, if there was no record since the last call.
    pub(crate) fn rest(&mut self) {
        self.key.rest();
    }

    /// The epoch of the records.
    pub(crate) const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// How many records failed to authenticate.
    #[cfg(any(test, feature = "fuzz"))]
    pub(crate) const fn forged(&self) -> u64 {
        self.forged
    }

    /// Whether so many records were forged that the key must not be used any more.
    pub(crate) const fn is_spent(&self) -> bool {
        self.forged >= FORGERY_LIMIT
    }

    fn new(key: RecordKey, epoch: Epoch) -> Self {
        Self { key, epoch, window: ReplayWindow::default(), forged: 0, limit: u16::MAX }
    }

    /// Whether the number is new is not asked before the record is open, or the time this takes would tell which number
    /// it had (RFC 9147 §4.5.1).
    fn unseal13(&mut self, record: &mut [u8]) -> Result<Unsealed, Refused> {
        let header = UnifiedHeader::read(&mut Reader::new(record)).ok_or(Refused::Malformed)?;
        let (head, sealed) = record.split_at_mut(header.len());
        if header.length.is_some_and(|length| usize::from(length) != sealed.len()) {
            return Err(Refused::Malformed);
        }
        if !header.is_of(self.epoch) {
            return Err(Refused::OtherEpoch);
        }
        if sealed.len() > MAX_RECORD {
            return Err(Refused::TooLong);
        }
        let sample = sealed.first_chunk::<SAMPLE>().ok_or(Refused::Malformed)?;
        let ciphers = self.key.wake();
        let mask = ciphers.mask.as_ref().ok_or(Refused::OtherEpoch)?;
        let low = header.unmask(head, mask.mask(sample));
        let sequence = reconstruct(self.window.next(), low, 8 * header.sequence_len() as u32);
        let nonce = ciphers.nonce(sequence.to_be_bytes());
        let inner = ciphers.aead.open_in_place(&nonce, head, sealed).map_err(|_| Refused::Forged)?;
        // The type stands behind the content and before the padding, a run of zeros (RFC 8446 §5.4).
        let end = inner.iter().rposition(|byte| *byte != 0);
        Ok(Unsealed {
            content_type: end.map(|end| ContentType(inner[end])),
            number: RecordNumber { epoch: self.epoch, sequence },
            content: header.len()..header.len() + end.unwrap_or_default(),
            len: inner.len(),
        })
    }

    /// `explicit` is how much of the nonce comes along. Here the number is in the clear, and a replay is known without
    /// opening it.
    fn unseal12(&mut self, explicit: usize, record: &mut [u8]) -> Result<Unsealed, Refused> {
        let header = PlaintextHeader::read(&mut Reader::new(record)).ok_or(Refused::Malformed)?;
        let whole = record.len() == plaintext::LEN + usize::from(header.length);
        // Once a version is chosen, protected records have it (RFC 6347 §4.1).
        if !whole || record.get(1..3) != Some(&plaintext::VERSION) {
            return Err(Refused::Malformed);
        }
        if header.number.epoch != self.epoch {
            return Err(Refused::OtherEpoch);
        }
        let (head, sealed) = record.split_at_mut_checked(plaintext::LEN + explicit).ok_or(Refused::Malformed)?;
        let len = sealed.len().checked_sub(TAG_LEN).ok_or(Refused::Malformed)?;
        if len > MAX_CONTENT {
            return Err(Refused::TooLong);
        }
        self.window.check(header.number.sequence)?;
        // The peer makes the explicit part as it likes (RFC 5288 §3).
        let ciphers = self.key.wake();
        let nonce = match head[plaintext::LEN..].first_chunk() {
            Some(explicit) => ciphers.nonce(*explicit),
            None => ciphers.nonce(header.epoch_and_sequence()),
        };
        let aad = additional_data(PlaintextHeader { length: len as u16, ..header });
        ciphers.aead.open_in_place(&nonce, &aad, sealed).map_err(|_| Refused::Forged)?;
        let content = head.len()..head.len() + len;
        Ok(Unsealed { content_type: Some(header.content_type), number: header.number, content, len })
    }
}

impl Refused {
    /// Whether the peer itself made the record so: a fault of its own, which a connection may end over.
    pub(crate) const fn is_by_peer(self) -> bool {
        matches!(self, Self::Empty)
    }
}

impl From<NotNew> for Refused {
    fn from(reason: NotNew) -> Self {
        match reason {
            NotNew::Replayed => Self::Replayed,
            NotNew::TooOld => Self::TooOld,
        }
    }
}

#[cfg(test)]
impl Opener {
    /// Lets `count` records be as good as forged.
    pub(crate) fn suppose_forged(&mut self, count: u64) {
        self.forged = count;
    }
}
