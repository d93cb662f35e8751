//! What the machines ask of the disk, and what it answers.

use peerage_crypto::hash::Sha256;

use crate::value::Digest;

/// Disk work: read `length` bytes of an entry from `offset`, and answer by `Sender::handle_read`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Read {
    /// Which entry.
    pub index: usize,
    /// From where.
    pub offset: u64,
    /// How much; 0 for an empty file, which must still be there.
    pub length: u32,
}

/// The beginning of a file that an earlier run stored, verified.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Which entry.
    pub index: usize,
    /// How many bytes from its start.
    pub size: u64,
    /// The hash of these bytes, to go on with.
    pub hash: Sha256,
}

/// Disk work, to be done in order; each is answered by `Receiver::handle_result`, in the same order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Task {
    /// Content of an entry follows from `offset`: what is stored of it beyond that is void.
    Start {
        /// Which entry.
        index: usize,
        /// From where.
        offset: u64,
    },
    /// Verified content of the entry that was started.
    Write {
        /// It.
        data: Vec<u8>,
        /// Its hash, for a later run that must verify it.
        sha256: Digest,
    },
    /// The entry that was started is complete: put it in its place.
    Finish {
        /// Of the whole file.
        sha256: Digest,
    },
    /// All files are complete: make what folders are missing and tidy up.
    Complete,
}

/// What a task brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Done,
    /// A finished file went here, relative to the output directory.
    Placed(String),
}
