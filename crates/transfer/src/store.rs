//! Writing what arrives, below one directory and nowhere else.
//!
//! Content gathers in a folder `.peerage-partial-…` inside the output directory, with the hash of every chunk, and moves
//! to its place when it is complete. Nothing that exists is overwritten, and no symbolic link is followed on the way.

mod dir;
mod journal;

use std::fs::{File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use peerage_base::rng::Rng;
use peerage_crypto::hash::Sha256;
use rustix::io::Errno;

use self::dir::Dir;
use self::journal::{Line, Log, Placed};
use crate::disk::{Kept, Outcome, Task};
use crate::manifest::Manifest;
use crate::path::{MAX_NAME, check};
use crate::protocol::{Entry, EntryKind};
use crate::value::Digest;

const PREFIX: &str = ".peerage-partial-";
/// Names tried for one file before giving up.
const MAX_NUMBER: u32 = 9_999;

/// What keeps a transfer from being stored.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk, or the user's share of it, is full.
    #[error("the disk is full")]
    Full,
    /// Less room than the transfer needs.
    #[error("{needed} bytes are needed and {free} are free")]
    Space {
        /// Bytes still to come.
        needed: u64,
        /// Bytes that the disk has.
        free: u64,
    },
    /// A symbolic link, or a file, stands where a directory of the transfer should be.
    #[error("{0} is not a directory of this transfer")]
    Foreign(String),
    /// Anything else.
    #[error("{path}: {error}")]
    Io {
        /// Where, relative to the output directory.
        path: String,
        /// What the system says.
        error: io::Error,
    },
}

/// What an earlier run left.
#[derive(Debug, Default)]
pub struct Resumed {
    /// Verified beginnings, in the order of the entries.
    pub kept: Vec<Kept>,
    /// Entries that began to arrive from a source that is another now; they start afresh.
    pub void: Vec<usize>,
}

impl Resumed {
    /// Bytes that need not come again.
    pub fn bytes(&self) -> u64 {
        self.kept.iter().map(|kept| kept.size).sum()
    }
}

/// Does the disk work of a [`Receiver`](crate::receiver::Receiver); blocking.
#[derive(Debug)]
pub struct Store {
    out: Dir,
    partial: Dir,
    partial_name: String,
    manifest: Arc<Manifest>,
    log: Log,
    current: Option<Current>,
}

#[derive(Debug)]
struct Current {
    index: usize,
    /// None: the file is in its place since an earlier run.
    files: Option<(File, File)>,
}

/// A fresh name for the folder of an unfinished transfer.
pub fn partial_name(rng: &mut Rng) -> String {
    format!("{PREFIX}{:016x}", rng.u64())
}

/// Bytes that may still be written below `out`.
pub fn free_space(out: &Path) -> io::Result<u64> {
    Dir::open(out)?.free_space()
}

/// Throws away what an unfinished transfer left in `out`.
pub fn discard(out: &Path, partial_name: &str) -> io::Result<()> {
    if !is_partial_name(partial_name) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a folder of an unfinished transfer"));
    }
    Dir::open(out)?.remove_dir(partial_name)
}

fn is_partial_name(name: &str) -> bool {
    name.strip_prefix(PREFIX).is_some_and(|rest| rest.len() == 16 && rest.bytes().all(|b| b.is_ascii_hexdigit()))
}

impl Store {
    /// Opens the folder `partial_name` in `out`, or makes it, and verifies what is kept of `manifest`.
    pub fn open(out: &Path, partial_name: &str, manifest: Arc<Manifest>) -> Result<(Self, Resumed), StoreError> {
        if !is_partial_name(partial_name) {
            return Err(StoreError::Foreign(partial_name.to_owned()));
        }
        let out_dir = Dir::open(out).map_err(io_error("."))?;
        match out_dir.make(partial_name, 0o700) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            result => result.map_err(io_error(partial_name))?,
        }
        let partial = out_dir.child(partial_name).map_err(io_error(partial_name))?;
        let log = Log::open(&partial).map_err(io_error(partial_name))?;
        let partial_name = partial_name.to_owned();
        let mut store = Self { out: out_dir, partial, partial_name, manifest, log, current: None };
        let resumed = store.verify()?;
        Ok((store, resumed))
    }

    /// Whether the disk has room for `needed` more bytes.
    pub fn check_space(&self, needed: u64) -> Result<(), StoreError> {
        let free = self.out.free_space().map_err(io_error("."))?;
        if free < needed { Err(StoreError::Space { needed, free }) } else { Ok(()) }
    }

    /// Does one task.
    pub fn execute(&mut self, task: Task) -> Result<Outcome, StoreError> {
        match task {
            Task::Start { index, offset } => self.start(index, offset)?,
            Task::Write { data, sha256 } => self.write(&data, sha256)?,
            Task::Finish { sha256 } => return self.finish(sha256).map(Outcome::Placed),
            Task::Complete => self.complete()?,
        }
        Ok(Outcome::Done)
    }

    fn verify(&mut self) -> Result<Resumed, StoreError> {
        let mut resumed = Resumed::default();
        let manifest = self.manifest.clone();
        for (index, entry, size) in manifest.files() {
            if let Some(hash) = self.verify_placed(entry, size)? {
                resumed.kept.push(Kept { index, size, hash });
                continue;
            }
            // What is not as it was noted must not count as finished later.
            let other_size = self.log.placed.remove(&entry.path).is_some_and(|placed| placed.size != size);
            match self.verify_partial(entry, size)? {
                Some((verified, hash)) if verified > 0 => {
                    resumed.kept.push(Kept { index, size: verified, hash });
                }
                partial if other_size || partial.is_some() => resumed.void.push(index),
                _ => {}
            }
        }
        Ok(resumed)
    }

    fn verify_placed(&self, entry: &Entry, size: u64) -> Result<Option<Sha256>, StoreError> {
        // A source that grew may still begin with the file, but that file is finished: it is not continued in place.
        let as_noted = |placed: &&Placed| placed.size == size && check(&placed.at).is_ok();
        let Some(placed) = self.log.placed.get(&entry.path).filter(as_noted) else { return Ok(None) };
        let (folder, name) = split(&placed.at);
        let mut parent = None;
        for part in folder {
            let next = parent.as_ref().unwrap_or(&self.out).child(part);
            match next {
                Ok(next) => parent = Some(next),
                Err(_) => return Ok(None),
            }
        }
        let Ok(mut file) = parent.as_ref().unwrap_or(&self.out).file(name, false) else { return Ok(None) };
        let hash = journal::hash_file(&mut file, size).map_err(io_error(&placed.at))?;
        Ok(hash.filter(|hash| Digest(hash.clone().finish()) == placed.sha256))
    }

    /// How much of an unfinished file is as it was written, and its hash; nothing if there was none.
    fn verify_partial(&self, entry: &Entry, size: u64) -> Result<Option<(u64, Sha256)>, StoreError> {
        let (data, sums) = partial_files(&entry.path);
        let mut data = match self.partial.file(&data, true) {
            Err(missing) if missing.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.map_err(io_error(&entry.path))?,
        };
        let mut sums = match self.partial.file(&sums, true) {
            Err(missing) if missing.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.map_err(io_error(&entry.path))?,
        };
        let had = sums.metadata().map_err(io_error(&entry.path))?.len();
        let verified = journal::verify(&mut data, &mut sums, size).map_err(io_error(&entry.path))?;
        Ok((had > 0).then_some(verified))
    }

    fn start(&mut self, index: usize, offset: u64) -> Result<(), StoreError> {
        let manifest = self.manifest.clone();
        let Some(entry) = manifest.entry(index) else { return Err(StoreError::Foreign(index.to_string())) };
        let in_place = self.log.placed.get(&entry.path).is_some_and(|placed| placed.size == offset);
        if in_place {
            self.current = Some(Current { index, files: None });
            return Ok(());
        }
        let (data, sums) = partial_files(&entry.path);
        let mut files = [data, sums].map(|name| match self.partial.file(&name, true) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.partial.create(&name),
            file => file,
        });
        for file in &mut files {
            if let Ok(open) = file
                && let Err(error) = if offset == 0 { journal::cut(open, 0) } else { to_end(open) }
            {
                *file = Err(error);
            }
        }
        let [data, sums] = files;
        let files = (data.map_err(io_error(&entry.path))?, sums.map_err(io_error(&entry.path))?);
        if files.0.metadata().map_err(io_error(&entry.path))?.len() != offset {
            return Err(StoreError::Foreign(entry.path.clone()));
        }
        self.current = Some(Current { index, files: Some(files) });
        Ok(())
    }

    fn write(&mut self, content: &[u8], sha256: Digest) -> Result<(), StoreError> {
        let Some(Current { files: Some((data, sums)), .. }) = &mut self.current else {
            return Err(StoreError::Foreign("content without a file".into()));
        };
        // The record follows its content: what a crash leaves without one is cut off by the next run.
        data.write_all(content)
            .and_then(|()| journal::add_record(sums, content.len() as u32, sha256))
            .map_err(io_error("content"))
    }

    fn finish(&mut self, sha256: Digest) -> Result<String, StoreError> {
        let Some(Current { index, files }) = self.current.take() else {
            return Err(StoreError::Foreign("an end without a file".into()));
        };
        let manifest = self.manifest.clone();
        let Some(entry) = manifest.entry(index) else { return Err(StoreError::Foreign(index.to_string())) };
        let Some((data, sums)) = files else {
            return Ok(self.log.placed.get(&entry.path).map_or_else(|| entry.path.clone(), |p| p.at.clone()));
        };
        let error = io_error(&entry.path);
        restore(&data, entry).map_err(error)?;
        drop((data, sums));
        let (folder, name) = split(&entry.path);
        let (parent, prefix) = self.walk(&folder)?;
        let parent = parent.as_ref().unwrap_or(&self.out);
        let (data, sums) = partial_files(&entry.path);
        for number in 0..=MAX_NUMBER {
            let name = numbered(name, number, true);
            let at = format!("{prefix}{name}");
            let size = entry.file_size().unwrap_or(0);
            // Noted before it is true: whether it came true is found out by the hash.
            let line = Line::File { path: entry.path.clone(), at: at.clone(), size, sha256 };
            self.log.add(&line).map_err(io_error(&entry.path))?;
            match self.partial.place(&data, parent, &name) {
                Err(taken) if taken.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(io_error(&entry.path)(error)),
                Ok(()) => {
                    self.partial.remove(&sums).map_err(io_error(&entry.path))?;
                    self.log.placed.insert(entry.path.clone(), Placed { at: at.clone(), size, sha256 });
                    return Ok(at);
                }
            }
        }
        Err(io_error(&entry.path)(io::ErrorKind::AlreadyExists.into()))
    }

    fn complete(&mut self) -> Result<(), StoreError> {
        let manifest = self.manifest.clone();
        for entry in manifest.entries().iter().filter(|entry| entry.kind == EntryKind::Dir) {
            let folder: Vec<&str> = entry.path.split('/').collect();
            self.walk(&folder)?;
        }
        self.out.remove_dir(&self.partial_name).map_err(io_error(&self.partial_name))
    }

    /// Opens a directory below the output directory, making what is missing. Also gives its path, with a slash at the end.
    fn walk(&mut self, folder: &[&str]) -> Result<(Option<Dir>, String), StoreError> {
        let Some((first, rest)) = folder.split_first() else { return Ok((None, String::new())) };
        let (mut dir, top) = self.top(first)?;
        let mut path = format!("{top}/");
        for name in rest {
            path.push_str(name);
            match dir.make(name, 0o777) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                result => result.map_err(io_error(&path))?,
            }
            dir = dir.child(name).map_err(|error| foreign(&path, error))?;
            path.push('/');
        }
        Ok((Some(dir), path))
    }

    /// The directory for a first name: one of its own, never one that was there before this transfer.
    fn top(&mut self, name: &str) -> Result<(Dir, String), StoreError> {
        if let Some(at) = self.log.tops.get(name).filter(|at| check(at).is_ok() && !at.contains('/')) {
            match self.out.child(at) {
                Ok(dir) => return Ok((dir, at.clone())),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(foreign(at, error)),
            }
        }
        for number in 0..=MAX_NUMBER {
            let at = numbered(name, number, false);
            match self.out.make(&at, 0o777) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                result => result.map_err(io_error(&at))?,
            }
            let line = Line::Top { name: name.to_owned(), at: at.clone() };
            self.log.add(&line).map_err(io_error(&at))?;
            self.log.tops.insert(name.to_owned(), at.clone());
            let dir = self.out.child(&at).map_err(|error| foreign(&at, error))?;
            return Ok((dir, at));
        }
        Err(io_error(name)(io::ErrorKind::AlreadyExists.into()))
    }
}

/// The names of an entry's content and chunk hashes in the folder. Not made of the path's own text, which may be as long
/// as a name can be.
fn partial_files(path: &str) -> (String, String) {
    let mut key = Digest::of(path.as_bytes()).to_string();
    key.truncate(32);
    (format!("{key}.data"), format!("{key}.sums"))
}

fn split(path: &str) -> (Vec<&str>, &str) {
    match path.rsplit_once('/') {
        Some((folder, name)) => (folder.split('/').collect(), name),
        None => (Vec::new(), path),
    }
}

/// `name`, or `name (1)` and so on; the extension of a file stays at the end.
fn numbered(name: &str, number: u32, is_file: bool) -> String {
    if number == 0 {
        return name.to_owned();
    }
    let dot = name.rfind('.').filter(|&dot| is_file && dot > 0 && name.len() - dot < 32);
    let (stem, extension) = name.split_at(dot.unwrap_or(name.len()));
    let mark = format!(" ({number})");
    let mut end = stem.len().min(MAX_NAME - mark.len() - extension.len());
    while !stem.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{mark}{extension}", &stem[..end])
}

fn to_end(file: &mut File) -> io::Result<()> {
    io::Seek::seek(file, io::SeekFrom::End(0)).map(|_| ())
}

/// Gives a file the time and the permission to execute that its source has.
fn restore(file: &File, entry: &Entry) -> io::Result<()> {
    let EntryKind::File { mtime, exec, .. } = entry.kind else { return Ok(()) };
    if exec {
        let mode = file.metadata()?.permissions().mode();
        // Whoever may read it may execute it.
        file.set_permissions(Permissions::from_mode(mode | (mode & 0o444) >> 2))?;
    }
    let time = mtime.and_then(|seconds| {
        let distance = Duration::from_secs(seconds.unsigned_abs());
        if seconds < 0 {
            SystemTime::UNIX_EPOCH.checked_sub(distance)
        } else {
            SystemTime::UNIX_EPOCH.checked_add(distance)
        }
    });
    if let Some(time) = time {
        // A time that this file system cannot hold is not worth failing for.
        let _ = file.set_modified(time);
    }
    Ok(())
}

fn io_error(path: &str) -> impl FnOnce(io::Error) -> StoreError + use<> {
    let path = path.to_owned();
    move |error| match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => StoreError::Full,
        _ => StoreError::Io { path, error },
    }
}

/// A link and a file in the place of a directory are the same offence; other errors stay what they are.
fn foreign(path: &str, error: io::Error) -> StoreError {
    match Errno::from_io_error(&error) {
        Some(Errno::NOTDIR | Errno::LOOP) => StoreError::Foreign(path.to_owned()),
        _ => io_error(path)(error),
    }
}

#[cfg(test)]
mod tests;
