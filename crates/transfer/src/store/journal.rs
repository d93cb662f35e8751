//! What the folder of an unfinished transfer remembers: where things went, and the hash of every chunk.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};

use peerage_crypto::hash::Sha256;
use serde::{Deserialize, Serialize};

use super::dir::Dir;
use crate::protocol::MAX_CHUNK;
use crate::value::Digest;

const LOG: &str = "log";
/// A chunk's record: its length (4 bytes, little endian) and its SHA-256.
const RECORD: usize = 36;

/// One line of the log.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub(super) enum Line {
    /// A first name of the manifest that is a directory, and the name it got.
    Top { name: String, at: String },
    /// A file that is about to be put in its place.
    File { path: String, at: String, size: u64, sha256: Digest },
}

/// A finished file.
#[derive(Clone, Debug)]
pub(super) struct Placed {
    /// Relative to the output directory.
    pub(super) at: String,
    pub(super) size: u64,
    pub(super) sha256: Digest,
}

/// The log, read and open for more.
#[derive(Debug)]
pub(super) struct Log {
    file: File,
    pub(super) tops: HashMap<String, String>,
    pub(super) placed: HashMap<String, Placed>,
}

impl Log {
    /// Opens the log of a folder, or begins it.
    pub(super) fn open(folder: &Dir) -> io::Result<Self> {
        let file = match folder.file(LOG, true) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => folder.create(LOG)?,
            file => file?,
        };
        let mut log = Self { file, tops: HashMap::new(), placed: HashMap::new() };
        let mut reader = BufReader::new(&log.file);
        let mut text = Vec::new();
        loop {
            text.clear();
            // A line that does not read is one that a crash cut off; what it said is found out again.
            if (&mut reader).take(64 << 10).read_until(b'\n', &mut text)? == 0 {
                break;
            }
            match serde_json::from_slice(&text) {
                Ok(Line::Top { name, at }) => drop(log.tops.insert(name, at)),
                Ok(Line::File { path, at, size, sha256 }) => {
                    log.placed.insert(path, Placed { at, size, sha256 });
                }
                Err(_) => {}
            }
        }
        // Whatever comes next stands on a line of its own.
        if !text.ends_with(b"\n") {
            log.file.write_all(b"\n")?;
        }
        Ok(log)
    }

    /// Adds a line. It is in the file when this returns.
    pub(super) fn add(&mut self, line: &Line) -> io::Result<()> {
        let mut text = serde_json::to_string(line).expect("a line holds strings and numbers only");
        text.push('\n');
        self.file.seek(SeekFrom::End(0))?;
        self.file.write_all(text.as_bytes())
    }
}

/// Adds the record of a chunk.
pub(super) fn add_record(sums: &mut File, length: u32, sha256: Digest) -> io::Result<()> {
    let mut record = [0; RECORD];
    record[..4].copy_from_slice(&length.to_le_bytes());
    record[4..].copy_from_slice(&sha256.0);
    sums.write_all(&record)
}

/// Reads content back and compares it with its records, as far as both go and `limit` allows.
///
/// Both files are cut to what was verified, and left at their end. Gives how much that is and its hash.
pub(super) fn verify(data: &mut File, sums: &mut File, limit: u64) -> io::Result<(u64, Sha256)> {
    let (mut size, mut records, mut hash) = (0, 0, Sha256::new());
    data.seek(SeekFrom::Start(0))?;
    sums.seek(SeekFrom::Start(0))?;
    let mut list = BufReader::new(&mut *sums);
    let mut record = [0; RECORD];
    let mut chunk = Vec::new();
    while read_all(&mut list, &mut record)? {
        let length = u32::from_le_bytes([record[0], record[1], record[2], record[3]]);
        if !(1..=MAX_CHUNK).contains(&length) || size + u64::from(length) > limit {
            break;
        }
        chunk.resize(length as usize, 0);
        if !read_all(data, &mut chunk)? || Digest::of(&chunk).0[..] != record[4..] {
            break;
        }
        hash.update(&chunk);
        size += u64::from(length);
        records += 1;
    }
    drop(list);
    cut(data, size)?;
    cut(sums, records * RECORD as u64)?;
    Ok((size, hash))
}

/// Hashes a finished file; nothing if its size is another.
pub(super) fn hash_file(file: &mut File, size: u64) -> io::Result<Option<Sha256>> {
    if file.metadata()?.len() != size {
        return Ok(None);
    }
    let mut hash = Sha256::new();
    let mut left = size;
    let mut chunk = vec![0; MAX_CHUNK as usize];
    while left > 0 {
        let length = u64::from(MAX_CHUNK).min(left) as usize;
        if !read_all(file, &mut chunk[..length])? {
            return Ok(None);
        }
        hash.update(&chunk[..length]);
        left -= length as u64;
    }
    Ok(Some(hash))
}

/// Cuts a file and goes to its end.
pub(super) fn cut(file: &mut File, size: u64) -> io::Result<()> {
    file.set_len(size)?;
    file.seek(SeekFrom::Start(size)).map(|_| ())
}

/// Fills `buffer`; false if the file ends before.
fn read_all(file: &mut impl io::Read, buffer: &mut [u8]) -> io::Result<bool> {
    match file.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}
