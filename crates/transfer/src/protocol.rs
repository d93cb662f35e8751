//! The messages of a transfer and their bounds.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::value::{Digest, ResumeSecret, TransferId};

/// The version of the protocol that this crate speaks.
pub const VERSION: u32 = 1;
/// Bytes of the longest message, text or binary.
pub const MAX_MESSAGE: usize = 65_536;
/// Bytes of content that one hash covers, at most.
pub const MAX_CHUNK: u32 = 262_144;
/// The largest number that every JSON reader holds exactly (2^53 - 1); no size is beyond it.
pub const MAX_SIZE: u64 = (1 << 53) - 1;
/// The smallest window that a receiver may grant, in bytes; below it a transfer would crawl.
pub const MIN_WINDOW: u64 = 65_536;
/// Characters of a `message` that are kept; the rest is cut.
const MAX_WORDS: usize = 500;

/// A text message. Layouts: `docs/transfer.md`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Message {
    /// A transfer is proposed.
    Offer {
        /// [`VERSION`].
        version: u32,
        /// The transfer.
        id: TransferId,
        /// What both keep.
        resume: ResumeSecret,
        /// How many entries follow.
        entries: u64,
        /// Bytes of all files together.
        bytes: u64,
    },
    /// The next entries, in order.
    Entries {
        /// At least one.
        list: Vec<Entry>,
    },
    /// What the receiver holds already.
    Have {
        /// In the order of the entries.
        list: Vec<Have>,
    },
    /// Begin.
    Accept {
        /// The secret of the offer.
        resume: ResumeSecret,
        /// Bytes that may be sent beyond the last `ack`.
        window: u64,
    },
    /// No.
    Reject {
        /// Why.
        kind: RejectKind,
        /// In words.
        #[serde(default)]
        message: String,
    },
    /// Content of one entry follows.
    File {
        /// Which.
        index: u64,
        /// From where.
        offset: u64,
        /// Bytes that the receiver kept were not those of the source.
        #[serde(default, skip_serializing_if = "is_false")]
        restarted: bool,
    },
    /// The next bytes of content.
    Chunk {
        /// How many.
        length: u32,
        /// Their hash.
        sha256: Digest,
    },
    /// One entry is complete.
    End {
        /// Which.
        index: u64,
        /// Its bytes.
        size: u64,
        /// The hash of the whole file.
        sha256: Digest,
    },
    /// Content bytes of this channel that are with the disk.
    Ack {
        /// How many, since the channel opened.
        bytes: u64,
    },
    /// Everything was sent (sender), or stored (receiver).
    Done {
        /// Bytes of all files together; only the sender says it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        bytes: Option<u64>,
        /// Of the only file, or of the manifest.
        sha256: Digest,
    },
    /// The transfer ends.
    Error {
        /// What failed.
        kind: ErrorKind,
        /// In words.
        #[serde(default)]
        message: String,
    },
}

/// What a message of the peer was wrong about.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Longer than [`MAX_MESSAGE`].
    #[error("a message of {0} bytes is too long")]
    TooLong(usize),
    /// Not JSON, or not of a known form.
    #[error("{0}")]
    Malformed(String),
    /// A number outside its bounds.
    #[error("{0} is out of bounds")]
    OutOfBounds(&'static str),
}

impl Message {
    /// Reads a text message and checks every number against its bounds.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        if text.len() > MAX_MESSAGE {
            return Err(ParseError::TooLong(text.len()));
        }
        let mut message: Self = serde_json::from_str(text).map_err(|e| ParseError::Malformed(e.to_string()))?;
        message.check()?;
        Ok(message)
    }

    /// The message as text.
    pub fn encode(&self) -> String {
        serde_json::to_string(self).expect("a message holds strings and numbers only")
    }

    fn check(&mut self) -> Result<(), ParseError> {
        let in_bounds = |name, ok: bool| if ok { Ok(()) } else { Err(ParseError::OutOfBounds(name)) };
        match self {
            Self::Offer { entries, bytes, .. } => {
                in_bounds("entries", *entries >= 1)?;
                in_bounds("bytes", *bytes <= MAX_SIZE)
            }
            Self::Entries { list } => in_bounds("list", !list.is_empty()),
            Self::Have { list } => in_bounds("size", list.iter().all(|have| have.size <= MAX_SIZE)),
            Self::Accept { window, .. } => in_bounds("window", (MIN_WINDOW..=MAX_SIZE).contains(window)),
            Self::File { offset, .. } => in_bounds("offset", *offset <= MAX_SIZE),
            Self::Chunk { length, .. } => in_bounds("length", (1..=MAX_CHUNK).contains(length)),
            Self::End { size, .. } => in_bounds("size", *size <= MAX_SIZE),
            Self::Ack { bytes } => in_bounds("bytes", *bytes <= MAX_SIZE),
            Self::Done { bytes, .. } => in_bounds("bytes", bytes.is_none_or(|bytes| bytes <= MAX_SIZE)),
            Self::Reject { message, .. } | Self::Error { message, .. } => {
                *message = words(message);
                Ok(())
            }
        }
    }
}

/// `text`, cut to what a message may say.
pub(crate) fn words(text: &str) -> String {
    text.chars().take(MAX_WORDS).collect()
}

fn is_false(value: &bool) -> bool {
    !value
}

/// What goes out on the channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outgoing {
    /// A text message.
    Text(String),
    /// File content.
    Binary(Bytes),
}

/// A file or a directory of a transfer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "WireEntry", into = "WireEntry")]
pub struct Entry {
    /// Where it goes: relative, parts separated by `/`.
    pub path: String,
    /// What it is.
    pub kind: EntryKind,
}

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A file.
    File {
        /// Bytes.
        size: u64,
        /// When it was changed last, in unix seconds.
        mtime: Option<i64>,
        /// Whether it may be executed.
        exec: bool,
    },
    /// A directory that would not exist for its files alone.
    Dir,
}

impl Entry {
    /// Bytes of a file, nothing for a directory.
    pub fn file_size(&self) -> Option<u64> {
        match self.kind {
            EntryKind::File { size, .. } => Some(size),
            EntryKind::Dir => None,
        }
    }
}

#[derive(Clone, Serialize, Deserialize)]
struct WireEntry {
    path: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mtime: Option<i64>,
    #[serde(default, skip_serializing_if = "is_false")]
    exec: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    dir: bool,
}

impl TryFrom<WireEntry> for Entry {
    type Error = &'static str;

    fn try_from(wire: WireEntry) -> Result<Self, Self::Error> {
        let kind = match (wire.dir, wire.size) {
            (true, None) => EntryKind::Dir,
            (false, Some(size)) if size <= MAX_SIZE => EntryKind::File { size, mtime: wire.mtime, exec: wire.exec },
            (false, Some(_)) => return Err("the size of an entry is out of bounds"),
            (true, Some(_)) => return Err("a directory has no size"),
            (false, None) => return Err("a file needs a size"),
        };
        Ok(Self { path: wire.path, kind })
    }
}

impl From<Entry> for WireEntry {
    fn from(entry: Entry) -> Self {
        let (size, mtime, exec, dir) = match entry.kind {
            EntryKind::File { size, mtime, exec } => (Some(size), mtime, exec, false),
            EntryKind::Dir => (None, None, false, true),
        };
        Self { path: entry.path, size, mtime, exec, dir }
    }
}

/// The beginning of a file that the receiver holds already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Have {
    /// Which entry.
    pub index: u64,
    /// How many bytes, from the start.
    pub size: u64,
    /// Their hash.
    pub sha256: Digest,
}

/// Why a receiver declines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RejectKind {
    /// Whoever was asked said no.
    Declined,
    /// The disk has less room than announced.
    Space,
    /// A name that is not safe to write, or two that are one on some disks.
    Names,
    /// Too many entries.
    Entries,
    /// Another transfer is under way.
    Busy,
}

impl RejectKind {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Declined => "declined",
            Self::Space => "space",
            Self::Names => "names",
            Self::Entries => "entries",
            Self::Busy => "busy",
        }
    }
}

/// What ends a transfer that had begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// A file could not be read, or changed while it was sent.
    Source,
    /// The receiver's disk is full or fails.
    Disk,
    /// The other side broke the rules of the protocol.
    Protocol,
    /// Content does not match its hash.
    Hash,
    /// Somebody stopped it.
    Cancelled,
}

impl ErrorKind {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Disk => "disk",
            Self::Protocol => "protocol",
            Self::Hash => "hash",
            Self::Cancelled => "cancelled",
        }
    }
}

#[cfg(test)]
mod tests;
