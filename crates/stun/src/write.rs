//! Writes a message into the caller's buffer.

use crate::attribute::Attribute;
use crate::attribute::kind::AttributeType;
use crate::credentials::Key;
use crate::header::{Class, HEADER, MAGIC_COOKIE, Method, TransactionId, type_bits};
use crate::integrity::{self, INTEGRITY_SHA256};
use crate::room::Room;
use core::fmt;

/// What a caller of [`Writer`] did wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misuse {
    /// The buffer, or what a length field can say, is too small. What was written before stands.
    #[error("no room for {0}")]
    Full(AttributeType),
    /// The value is longer than the standard allows, out of range, or `Unknown` with a type that is known.
    #[error("the value of {0} cannot be written")]
    Value(AttributeType),
    /// After MESSAGE-INTEGRITY come only MESSAGE-INTEGRITY-SHA256 and FINGERPRINT, each once, in this order.
    #[error("{0} cannot follow what was written")]
    Order(AttributeType),
}

/// How far a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Attributes,
    Integrity,
    IntegritySha256,
    Fingerprint,
}

/// A message that is being written.
///
/// The length field is right after every step, so that the bytes written so far always are a message.
/// ```
/// # use peerage_stun::{attribute::Attribute, header::{Class, Method, TransactionId}, write::Writer};
/// let mut buf = [0; 548];
/// let mut writer = Writer::new(&mut buf, Class::Request, Method::BINDING, TransactionId([7; 12]));
/// writer.attribute(&Attribute::Priority(1))?.attribute(&Attribute::UseCandidate)?.fingerprint()?;
/// assert_eq!(writer.finish(), 20 + 8 + 4 + 8);
/// # Ok::<(), peerage_stun::write::Misuse>(())
/// ```
pub struct Writer<'b> {
    room: Room<'b>,
    id: TransactionId,
    stage: Stage,
    /// 0 on the wire; the vectors of RFC 5769 were made with spaces.
    padding: u8,
}

impl<'b> Writer<'b> {
    /// Writes the header. If `buf` has no room for its 20 bytes, nothing can be written and the length stays 0.
    pub fn new(buf: &'b mut [u8], class: Class, method: Method, id: TransactionId) -> Self {
        let mut room = Room { buf, len: 0 };
        let mut header = [0; HEADER];
        header[..2].copy_from_slice(&type_bits(class, method).to_be_bytes());
        header[4..8].copy_from_slice(&MAGIC_COOKIE.to_be_bytes());
        header[8..].copy_from_slice(&id.0);
        if room.put(&header).is_none() {
            room.buf = &mut [];
        }
        Self { room, id, stage: Stage::Attributes, padding: 0 }
    }

    /// Appends an attribute.
    ///
    /// # Errors
    /// See [`Misuse`]; the message stands as before the call.
    pub fn attribute(&mut self, attribute: &Attribute<'_>) -> Result<&mut Self, Misuse> {
        let kind = attribute.kind();
        if !attribute.is_valid() {
            return Err(Misuse::Value(kind));
        }
        let id = self.id;
        self.step(kind, Stage::Attributes, |room, _| attribute.write(room, &id))
    }

    /// Appends MESSAGE-INTEGRITY: 24 bytes.
    ///
    /// # Errors
    /// See [`Misuse`]; the message stands as before the call.
    pub fn integrity(&mut self, key: &Key) -> Result<&mut Self, Misuse> {
        self.step(AttributeType::MESSAGE_INTEGRITY, Stage::Integrity, |room, at| {
            let code = integrity::sha1(key, room.buf, at)?;
            room.put(&code)
        })
    }

    /// Appends MESSAGE-INTEGRITY-SHA256 at its full length: 36 bytes.
    ///
    /// # Errors
    /// See [`Misuse`]; the message stands as before the call.
    pub fn integrity_sha256(&mut self, key: &Key) -> Result<&mut Self, Misuse> {
        self.step(AttributeType::MESSAGE_INTEGRITY_SHA256, Stage::IntegritySha256, |room, at| {
            let code = integrity::sha256(key, room.buf, at, INTEGRITY_SHA256 - 4)?;
            room.put(&code)
        })
    }

    /// Appends FINGERPRINT: 8 bytes. Nothing can follow it.
    ///
    /// # Errors
    /// See [`Misuse`]; the message stands as before the call.
    pub fn fingerprint(&mut self) -> Result<&mut Self, Misuse> {
        self.step(AttributeType::FINGERPRINT, Stage::Fingerprint, |room, at| {
            // The CRC covers the length field as it will be sent.
            room.put(&[0; 4])?;
            set_length(room)?;
            room.len -= 4;
            let crc = integrity::fingerprint(room.buf, at)?;
            room.put(&crc.to_be_bytes())
        })
    }

    /// Length of the message in bytes.
    pub fn finish(&self) -> usize {
        self.room.len
    }

    /// Bytes that are left in the buffer.
    pub fn remaining(&self) -> usize {
        self.room.buf.len() - self.room.len
    }

    /// Writes one attribute whose value `write` appends, given where the attribute begins; or nothing at all.
    fn step(
        &mut self,
        kind: AttributeType,
        stage: Stage,
        write: impl FnOnce(&mut Room<'b>, usize) -> Option<()>,
    ) -> Result<&mut Self, Misuse> {
        if self.stage > stage || (self.stage == stage && stage != Stage::Attributes) {
            return Err(Misuse::Order(kind));
        }
        let at = self.room.len;
        if at < HEADER || self.append(kind, at, write).is_none() {
            self.room.len = at;
            // A shorter message than before the attempt always fits its length field.
            let _ = set_length(&mut self.room);
            return Err(Misuse::Full(kind));
        }
        self.stage = stage;
        Ok(self)
    }

    fn append(
        &mut self,
        kind: AttributeType,
        at: usize,
        write: impl FnOnce(&mut Room<'b>, usize) -> Option<()>,
    ) -> Option<()> {
        let room = &mut self.room;
        room.put(&kind.0.to_be_bytes())?;
        room.put(&[0, 0])?;
        write(room, at)?;
        let len = room.len - at - 4;
        room.set(at + 2, u16::try_from(len).ok()?)?;
        let padding = [self.padding; 3];
        room.put(padding.get(..len.next_multiple_of(4) - len)?)?;
        set_length(room)
    }
}

fn set_length(room: &mut Room<'_>) -> Option<()> {
    let length = u16::try_from(room.len.checked_sub(HEADER)?).ok()?;
    room.set(2, length)
}

impl fmt::Debug for Writer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The bytes carry addresses and credentials.
        f.debug_struct("Writer").field("id", &self.id).field("len", &self.room.len).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
