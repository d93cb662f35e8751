//! The keys in use, one pair per epoch (RFC 9147 §6.1, §8; RFC 6347 §4.1).

use alloc::vec::Vec;

use peerage_base::slot::Slot;
use peerage_base::time::{Instant, earliest};

use crate::protect::opener::Opener;
use crate::protect::sealer::{Overhead, SealError, Sealer};
use crate::suite::Epoch;
use crate::wire::datagram::Header;
use crate::wire::number::{MAX_SEQUENCE, RecordNumber};
use crate::wire::plaintext::{self, PlaintextHeader};
use crate::wire::{ContentType, MAX_CONTENT};

#[derive(Debug, Default)]
pub(super) struct Epochs {
    /// Sequence number of the next record in the clear.
    next: u64,
    /// By rising epoch.
    sealers: Vec<Sealer>,
    openers: Vec<Keyed>,
    /// Longest record that the peer may send, if it was told of any.
    limit: Option<u16>,
}

#[derive(Debug)]
struct Keyed {
    opener: Opener,
    /// When it is dropped. Nothing wakes up for that: what comes later finds it gone.
    until: Option<Instant>,
}

impl Epochs {
    pub(super) fn install_sealer(&mut self, sealer: Sealer) {
        self.sealers.retain(|other| other.epoch() != sealer.epoch());
        let at = self.sealers.partition_point(|other| other.epoch() < sealer.epoch());
        self.sealers.insert(at, sealer);
    }

    pub(super) fn install_opener(&mut self, mut opener: Opener) {
        if let Some(limit) = self.limit {
            opener.set_limit(limit);
        }
        // Headers have two bits of the epoch, so that no record would find the keys of four epochs before.
        let means_another = |other: &Keyed| (other.opener.epoch().0 ^ opener.epoch().0) & 3 != 0;
        self.openers.retain(means_another);
        let at = self.openers.partition_point(|other| other.opener.epoch() < opener.epoch());
        self.openers.insert(at, Keyed { opener, until: None });
    }

    /// Writes one record behind `out`.
    pub(super) fn write(
        &mut self,
        epoch: Epoch,
        content_type: ContentType,
        content: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<RecordNumber, SealError> {
        if epoch == Epoch::PLAIN {
            return self.write_plain(content_type, content, out);
        }
        let sealer = self.sealers.iter_mut().find(|sealer| sealer.epoch() == epoch).ok_or(SealError::Exhausted)?;
        let (start, Overhead { head, tail }) = (out.len(), sealer.overhead());
        out.resize(start + head + content.len() + tail, 0);
        let mut slot = Slot::new(&mut out[start..], head, tail, content.len());
        slot.room().copy_from_slice(content);
        slot.fill(content.len());
        let sealed = sealer.seal(content_type, &mut slot);
        if sealed.is_err() {
            out.truncate(start);
        }
        sealed
    }

    /// Keeps of keys that are not in use no more than they are themselves.
    pub(super) fn rest(&mut self) {
        self.sealers.iter_mut().for_each(Sealer::rest);
        self.openers.iter_mut().for_each(|keyed| keyed.opener.rest());
        self.sealers.shrink_to_fit();
        self.openers.shrink_to_fit();
    }

    /// Has records in the clear go on from `sequence` at least.
    pub(super) fn continue_from(&mut self, sequence: u64) {
        self.next = self.next.max(sequence);
    }

    /// Has records longer than `limit` be refused.
    pub(super) fn limit_openers(&mut self, limit: u16) {
        self.limit = Some(limit);
        self.openers.iter_mut().for_each(|keyed| keyed.opener.set_limit(limit));
    }

    /// Drops the keys below `epoch` for sending.
    pub(super) fn drop_sealers_below(&mut self, epoch: Epoch) {
        self.sealers.retain(|sealer| sealer.epoch() >= epoch);
        self.sealers.shrink_to_fit();
    }

    /// Has the keys below `epoch` for receiving go at `until`, unless they go before.
    pub(super) fn retire_openers_below(&mut self, epoch: Epoch, until: Instant) {
        for keyed in self.openers.iter_mut().filter(|keyed| keyed.opener.epoch() < epoch) {
            keyed.until = Some(keyed.until.map_or(until, |before| before.min(until)));
        }
    }

    /// Whether there are keys below `epoch` that nobody has retired.
    pub(super) fn has_predecessors(&self, epoch: Epoch) -> bool {
        self.openers.iter().any(|keyed| keyed.opener.epoch() < epoch && keyed.until.is_none())
    }

    /// Drops what retired. Answers when there is something to drop next.
    pub(super) fn drop_retired(&mut self, now: Instant) -> Option<Instant> {
        self.openers.retain(|keyed| keyed.until.is_none_or(|until| until > now));
        self.openers.shrink_to_fit();
        self.openers.iter().fold(None, |at, keyed| earliest(at, keyed.until))
    }

    /// The keys for a record: of those that its header may mean the latest (RFC 9147 §4.2.2).
    pub(super) fn opener(&mut self, header: &Header) -> Option<&mut Opener> {
        let fits = |epoch: Epoch| match header {
            Header::Unified(header) => epoch != Epoch::FINISHED && header.is_of(epoch),
            Header::Plaintext(header) => epoch == Epoch::FINISHED && header.number.epoch == epoch,
        };
        self.openers.iter_mut().rev().map(|keyed| &mut keyed.opener).find(|opener| fits(opener.epoch()))
    }

    /// The keys for application data, acknowledgements and alerts: the latest.
    pub(super) fn sealer(&mut self) -> Option<&mut Sealer> {
        self.sealers.last_mut()
    }

    pub(super) fn sending(&self) -> Epoch {
        self.sealers.last().map_or(Epoch::PLAIN, Sealer::epoch)
    }

    pub(super) fn receiving(&self) -> Epoch {
        self.openers.last().map_or(Epoch::PLAIN, |keyed| keyed.opener.epoch())
    }

    pub(super) fn is_worn(&self) -> bool {
        self.sealers.last().is_some_and(Sealer::is_worn)
    }

    /// What a record of `epoch` adds to its content; `None` without keys.
    pub(super) fn overhead(&self, epoch: Epoch) -> Option<Overhead> {
        if epoch == Epoch::PLAIN {
            return Some(Overhead { head: plaintext::LEN, tail: 0 });
        }
        self.sealers.iter().find(|sealer| sealer.epoch() == epoch).map(Sealer::overhead)
    }

    /// Goes on as if the latest keys had sealed, and seen forged, as many records.
    #[cfg(test)]
    pub(super) fn suppose(&mut self, sealed: u64, forged: u64) {
        self.sealers.last_mut().expect("keys").skip_to(sealed);
        self.openers.last_mut().expect("keys").opener.suppose_forged(forged);
    }

    /// How many keys there are for sending and for receiving.
    #[cfg(test)]
    pub(super) fn count(&self) -> (usize, usize) {
        (self.sealers.len(), self.openers.len())
    }

    fn write_plain(
        &mut self,
        content_type: ContentType,
        content: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<RecordNumber, SealError> {
        let number = RecordNumber { epoch: Epoch::PLAIN, sequence: self.next };
        if number.sequence > MAX_SEQUENCE {
            return Err(SealError::Exhausted);
        }
        let length = u16::try_from(content.len()).ok().filter(|_| content.len() <= MAX_CONTENT);
        let header = PlaintextHeader { content_type, number, length: length.ok_or(SealError::TooLong)? };
        self.next += 1;
        out.extend_from_slice(&header.to_bytes());
        out.extend_from_slice(content);
        Ok(number)
    }
}
