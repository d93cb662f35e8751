//! Reading what is sent: finding the files, and noticing when one changes meanwhile.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use rustix::fs::OFlags;

use crate::disk::Read;
use crate::manifest::{Builder, Limits, Manifest, ManifestError};
use crate::protocol::{Entry, EntryKind};

/// Why something cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A file or directory cannot be read.
    #[error("{}: {error}", .path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A file was changed since the transfer began.
    #[error("{} changed while it was being sent", .0.display())]
    Changed(PathBuf),
    /// A name that other systems could not store.
    #[error("{} cannot be sent: its name is not UTF-8", .0.display())]
    NotUtf8(PathBuf),
    /// A path such as `/` that leaves the receiver no name.
    #[error("{} has no name to send it under", .0.display())]
    Nameless(PathBuf),
    /// Names or sizes are not fit for a transfer.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
}

/// Why something below a directory is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SkipReason {
    /// It could lead anywhere.
    #[error("a symbolic link")]
    SymbolicLink,
    /// A pipe, socket or device.
    #[error("not a file")]
    Special,
}

/// Something that is not sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Where.
    pub path: PathBuf,
    /// Why.
    pub reason: SkipReason,
}

/// What was found.
#[derive(Clone, Debug)]
pub struct Scan {
    /// What to offer.
    pub manifest: Arc<Manifest>,
    /// Where the entries came from, for a [`Reader`].
    pub origins: Arc<[Origin]>,
    /// What is left out.
    pub skipped: Vec<Skipped>,
}

/// Where an entry came from, and how it looked.
#[derive(Clone, Debug)]
pub struct Origin {
    path: PathBuf,
    stamp: Stamp,
}

/// Changes whenever the content of a file does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

impl Stamp {
    fn of(meta: &Metadata) -> Self {
        Self { device: meta.dev(), inode: meta.ino(), size: meta.size(), modified: (meta.mtime(), meta.mtime_nsec()) }
    }
}

/// Finds everything below `paths`, in an order that is the same every time.
///
/// A path that is itself a symbolic link is followed, since it was named; links below a directory are not.
pub fn scan(paths: &[PathBuf], limits: Limits) -> Result<Scan, SourceError> {
    let mut walk = Walk { limits, builder: Builder::new(limits), origins: Vec::new(), skipped: Vec::new() };
    for path in paths {
        let real = path.canonicalize().map_err(io_error(path))?;
        let name = real.file_name().ok_or_else(|| SourceError::Nameless(real.clone()))?;
        let name = name.to_str().ok_or_else(|| SourceError::NotUtf8(real.clone()))?.to_owned();
        walk.visit(real, name)?;
    }
    Ok(Scan { manifest: Arc::new(walk.builder.finish()), origins: walk.origins.into(), skipped: walk.skipped })
}

struct Walk {
    limits: Limits,
    builder: Builder,
    origins: Vec<Origin>,
    skipped: Vec<Skipped>,
}

impl Walk {
    /// Visits `start` and everything below it; a list of its own instead of recursion, since depth is the source's choice.
    fn visit(&mut self, start: PathBuf, name: String) -> Result<(), SourceError> {
        let mut waiting = vec![(start, name)];
        while let Some((path, name)) = waiting.pop() {
            let meta = fs::symlink_metadata(&path).map_err(io_error(&path))?;
            if meta.is_dir() {
                let children = children(&path, &name, self.limits)?;
                if children.is_empty() {
                    self.add(path, &meta, Entry { path: name, kind: EntryKind::Dir })?;
                } else {
                    waiting.extend(children);
                }
            } else if meta.is_file() {
                // An unreadable file is better found now than after half of the transfer.
                let (_, meta) = open(&path)?;
                let exec = meta.permissions().mode() & 0o111 != 0;
                let kind = EntryKind::File { size: meta.size(), mtime: Some(meta.mtime()), exec };
                self.add(path, &meta, Entry { path: name, kind })?;
            } else {
                let reason = if meta.is_symlink() { SkipReason::SymbolicLink } else { SkipReason::Special };
                self.skipped.push(Skipped { path, reason });
            }
        }
        Ok(())
    }

    fn add(&mut self, path: PathBuf, meta: &Metadata, entry: Entry) -> Result<(), SourceError> {
        self.builder.push(entry)?;
        self.origins.push(Origin { path, stamp: Stamp::of(meta) });
        Ok(())
    }
}

/// What is in a directory, last name first.
fn children(path: &Path, name: &str, limits: Limits) -> Result<Vec<(PathBuf, String)>, SourceError> {
    let mut children = Vec::new();
    for child in fs::read_dir(path).map_err(io_error(path))? {
        if children.len() >= limits.entries {
            return Err(ManifestError::TooMany(limits.entries).into());
        }
        let child = child.map_err(io_error(path))?;
        let child_name = child.file_name();
        let child_name = child_name.to_str().ok_or_else(|| SourceError::NotUtf8(child.path()))?;
        children.push((child.path(), format!("{name}/{child_name}")));
    }
    children.sort_by(|a, b| b.1.cmp(&a.1));
    Ok(children)
}

/// Opens a regular file, never a link that took its place, and never waits for a pipe.
fn open(path: &Path) -> Result<(File, Metadata), SourceError> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file =
        OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path).map_err(io_error(path))?;
    let meta = file.metadata().map_err(io_error(path))?;
    if meta.is_file() { Ok((file, meta)) } else { Err(SourceError::Changed(path.to_owned())) }
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> SourceError {
    let path = path.to_owned();
    move |error| SourceError::Io { path, error }
}

/// Does the disk work of a [`Sender`](crate::sender::Sender); blocking.
#[derive(Debug)]
pub struct Reader {
    origins: Arc<[Origin]>,
    open: Option<(usize, File, u64)>,
}

impl Reader {
    /// Reads the files of a scan.
    pub fn new(origins: Arc<[Origin]>) -> Self {
        Self { origins, open: None }
    }

    /// Exactly the bytes asked for, from a file that is still as it was when it was found.
    pub fn read(&mut self, read: Read) -> Result<Bytes, SourceError> {
        let Origin { path, stamp } =
            self.origins.get(read.index).ok_or(SourceError::Manifest(ManifestError::TooMany(self.origins.len())))?;
        if self.open.as_ref().is_none_or(|(index, ..)| *index != read.index) {
            let (file, meta) = open(path)?;
            if Stamp::of(&meta) != *stamp {
                return Err(SourceError::Changed(path.clone()));
            }
            self.open = Some((read.index, file, 0));
        }
        let Some((_, file, position)) = &mut self.open else { return Err(SourceError::Changed(path.clone())) };
        if *position != read.offset {
            file.seek(SeekFrom::Start(read.offset)).map_err(io_error(path))?;
        }
        let mut data = vec![0; read.length as usize];
        file.read_exact(&mut data).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => SourceError::Changed(path.clone()),
            _ => SourceError::Io { path: path.clone(), error },
        })?;
        *position = read.offset + data.len() as u64;
        // Looked at after every read: what a later check would find was sent by then.
        if Stamp::of(&file.metadata().map_err(io_error(path))?) != *stamp {
            return Err(SourceError::Changed(path.clone()));
        }
        Ok(Bytes::from(data))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn paths(scan: &Scan) -> Vec<&str> {
        scan.manifest.entries().iter().map(|entry| entry.path.as_str()).collect()
    }

    #[test]
    fn files_and_empty_folders_are_found_in_order() {
        let root = tempfile::tempdir().unwrap();
        let top = root.path().join("top");
        fs::create_dir_all(top.join("b/empty")).unwrap();
        fs::write(top.join("b/two"), "22").unwrap();
        fs::write(top.join("a"), "1").unwrap();
        fs::write(top.join("c"), "").unwrap();
        let single = root.path().join("single");
        fs::write(&single, "333").unwrap();
        fs::set_permissions(&single, fs::Permissions::from_mode(0o700)).unwrap();
        let scan = scan(&[top, single], Limits::default()).unwrap();
        assert_eq!(paths(&scan), ["top/a", "top/b/empty", "top/b/two", "top/c", "single"]);
        assert_eq!(scan.manifest.bytes(), 6);
        assert!(matches!(scan.manifest.entries()[4].kind, EntryKind::File { size: 3, exec: true, mtime: Some(_) }));
        assert_eq!(scan.manifest.entries()[1].kind, EntryKind::Dir);
    }

    #[test]
    fn links_and_pipes_below_a_folder_are_left_out_and_named() {
        let root = tempfile::tempdir().unwrap();
        let top = root.path().join("top");
        fs::create_dir(&top).unwrap();
        fs::write(top.join("a"), "1").unwrap();
        symlink("/etc", top.join("link")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, top.join("pipe"), rustix::fs::Mode::RUSR).unwrap();
        let scan = scan(std::slice::from_ref(&top), Limits::default()).unwrap();
        assert_eq!(paths(&scan), ["top/a"]);
        let skipped: Vec<_> = scan.skipped.iter().map(|s| (s.path.clone(), s.reason)).collect();
        assert_eq!(skipped, [(top.join("link"), SkipReason::SymbolicLink), (top.join("pipe"), SkipReason::Special)]);
    }

    #[test]
    fn what_no_receiver_could_store_is_an_error() {
        let root = tempfile::tempdir().unwrap();
        let scan_of = |paths: &[PathBuf]| scan(paths, Limits::default());
        let odd = root.path().join("a\nb");
        fs::write(&odd, "").unwrap();
        assert!(matches!(scan_of(&[odd]), Err(SourceError::Manifest(ManifestError::Name { .. }))));
        let raw = root
            .path()
            .join(std::ffi::OsStr::new(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(b"\xFF")));
        fs::write(&raw, "").unwrap();
        assert!(matches!(scan_of(&[raw]), Err(SourceError::NotUtf8(_))));
        assert!(matches!(scan_of(&["/".into()]), Err(SourceError::Nameless(_))));
        assert!(matches!(scan_of(&[root.path().join("missing")]), Err(SourceError::Io { .. })));
        fs::create_dir(root.path().join("x")).unwrap();
        fs::write(root.path().join("x/f"), "").unwrap();
        fs::write(root.path().join("f"), "").unwrap();
        let twins = [root.path().join("f"), root.path().join("x/f")];
        assert!(matches!(scan_of(&twins), Err(SourceError::Manifest(ManifestError::Name { .. }))));
    }

    #[test]
    fn a_file_that_changes_after_the_scan_is_noticed() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("f");
        fs::write(&path, vec![1; 1000]).unwrap();
        let read = |offset, length| Read { index: 0, offset, length };
        let found = scan(std::slice::from_ref(&path), Limits::default()).unwrap();
        let mut reader = Reader::new(found.origins.clone());
        assert_eq!(reader.read(read(10, 20)).unwrap().len(), 20);

        OpenOptions::new().append(true).open(&path).unwrap().set_len(1001).unwrap();
        assert!(matches!(reader.read(read(30, 20)), Err(SourceError::Changed(_))));
        assert!(matches!(Reader::new(found.origins).read(read(0, 20)), Err(SourceError::Changed(_))));

        let found = scan(std::slice::from_ref(&path), Limits::default()).unwrap();
        fs::remove_file(&path).unwrap();
        symlink("/etc/passwd", &path).unwrap();
        assert!(Reader::new(found.origins).read(read(0, 20)).is_err());
    }
}
