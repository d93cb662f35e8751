//! Content as it comes in: files in order, chunks within them, hashes over both.

use std::collections::BTreeMap;
use std::sync::Arc;

use peerage_crypto::hash::Sha256;

use super::{Kept, Task};
use crate::manifest::{Manifest, TotalHash};
use crate::protocol::{ErrorKind, MAX_MESSAGE, MIN_WINDOW};
use crate::value::Digest;

/// What ends a transfer from inside.
pub(super) type Fault = (ErrorKind, String);

/// A transfer that is under way.
#[derive(Debug)]
pub(super) struct Receiving {
    pub(super) manifest: Arc<Manifest>,
    kept: BTreeMap<usize, (u64, Sha256)>,
    current: Option<Current>,
    /// Entries below this were announced.
    pub(super) next: usize,
    total: TotalHash,
    received: u64,
    pub(super) written: u64,
    /// Bytes of `manifest` that are with the disk, whoever brought them.
    pub(super) progress: u64,
    pub(super) done: Option<Digest>,
}

#[derive(Debug)]
struct Current {
    index: usize,
    size: u64,
    position: u64,
    hash: Sha256,
    chunk: Option<Chunk>,
}

#[derive(Debug)]
struct Chunk {
    length: usize,
    sha256: Digest,
    data: Vec<u8>,
}

impl Receiving {
    /// Goes on from `kept`, which fits `manifest`.
    pub(super) fn new(manifest: Arc<Manifest>, kept: Vec<Kept>) -> Self {
        Self {
            manifest,
            progress: kept.iter().map(|kept| kept.size).sum(),
            kept: kept.into_iter().map(|kept| (kept.index, (kept.size, kept.hash))).collect(),
            current: None,
            next: 0,
            total: TotalHash::new(),
            received: 0,
            written: 0,
            done: None,
        }
    }

    /// Takes the announcement of the next file; says whether kept bytes are void.
    pub(super) fn file(&mut self, index: u64, offset: u64) -> Result<(Task, bool), Fault> {
        let expected = self.manifest.next_file(self.next);
        let Some((expected, size)) = expected.filter(|_| self.current.is_none() && self.done.is_none()) else {
            return protocol("a file out of turn");
        };
        if index != expected as u64 {
            return protocol("a file out of order");
        }
        let (kept, hash) = self.kept.remove(&expected).unwrap_or_else(|| (0, Sha256::new()));
        let restarted = offset == 0 && kept > 0;
        let hash = match offset {
            0 => Sha256::new(),
            offset if offset == kept => hash,
            _ => return protocol("a file that begins where nothing was kept"),
        };
        if restarted {
            self.progress -= kept;
        }
        self.next = expected + 1;
        self.current = Some(Current { index: expected, size, position: offset, hash, chunk: None });
        Ok((Task::Start { index: expected, offset }, restarted))
    }

    /// A chunk is announced.
    pub(super) fn chunk(&mut self, length: u32, sha256: Digest) -> Result<(), Fault> {
        let Some(current) = self.current.as_mut().filter(|current| current.chunk.is_none()) else {
            return protocol("a chunk out of turn");
        };
        if u64::from(length) > current.size - current.position {
            return protocol("a chunk beyond the end of its file");
        }
        current.chunk = Some(Chunk { length: length as usize, sha256, data: Vec::new() });
        Ok(())
    }

    /// Bytes of the chunk arrive; the last ones make it a task.
    pub(super) fn content(&mut self, content: &[u8], window: u64) -> Result<Option<Task>, Fault> {
        let Some(current) = &mut self.current else { return protocol("content out of turn") };
        let Some(chunk) = &mut current.chunk else { return protocol("content without a chunk") };
        if content.is_empty() || content.len() > MAX_MESSAGE || content.len() > chunk.length - chunk.data.len() {
            return protocol("content that does not fit its chunk");
        }
        self.received += content.len() as u64;
        if self.received - self.written > window.max(MIN_WINDOW) {
            return protocol("more content than the window allows");
        }
        if chunk.data.capacity() == 0 {
            chunk.data.reserve_exact(chunk.length);
        }
        chunk.data.extend_from_slice(content);
        if chunk.data.len() < chunk.length {
            return Ok(None);
        }
        let sha256 = Digest::of(&chunk.data);
        if sha256 != chunk.sha256 {
            return Err((ErrorKind::Hash, "content does not match its hash".into()));
        }
        current.hash.update(&chunk.data);
        current.position += chunk.data.len() as u64;
        let data = std::mem::take(&mut chunk.data);
        current.chunk = None;
        Ok(Some(Task::Write { data, sha256 }))
    }

    /// The file is complete.
    pub(super) fn end(&mut self, index: u64, size: u64, sha256: Digest) -> Result<Task, Fault> {
        let Some(current) = self.current.take_if(|current| current.chunk.is_none()) else {
            return protocol("an end out of turn");
        };
        if index != current.index as u64 || size != current.size || current.position != current.size {
            return protocol("a file that ends early");
        }
        if Digest(current.hash.finish()) != sha256 {
            return Err((ErrorKind::Hash, "a file does not match its hash".into()));
        }
        self.total.file(&self.manifest, current.index, sha256);
        Ok(Task::Finish { sha256 })
    }

    /// The sender says that everything was sent.
    pub(super) fn done(&mut self, bytes: Option<u64>, sha256: Digest) -> Result<(), Fault> {
        let complete = self.current.is_none() && self.manifest.next_file(self.next).is_none();
        if !complete || self.done.is_some() || bytes != Some(self.manifest.bytes()) {
            return protocol("an end before everything came");
        }
        if std::mem::take(&mut self.total).finish(&self.manifest) != sha256 {
            return Err((ErrorKind::Hash, "the manifest does not match its hash".into()));
        }
        self.done = Some(sha256);
        Ok(())
    }
}

/// The fault of a peer that does not keep to the protocol.
pub(super) fn protocol<T>(message: &str) -> Result<T, Fault> {
    Err((ErrorKind::Protocol, message.to_owned()))
}
