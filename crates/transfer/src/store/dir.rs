//! Directories by descriptor: no step below one follows a symbolic link, whoever moves things meanwhile.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;

const OPEN_DIR: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// An open directory.
#[derive(Debug)]
pub(super) struct Dir(OwnedFd);

impl Dir {
    /// Opens the directory that the user named; that may be a link.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(rustix::fs::openat(CWD, path, OPEN_DIR, Mode::empty())?))
    }

    /// Opens a directory in this one; a link is an error.
    pub(super) fn child(&self, name: &str) -> io::Result<Self> {
        Ok(Self(rustix::fs::openat(&self.0, name, OPEN_DIR | OFlags::NOFOLLOW, Mode::empty())?))
    }

    /// Makes a directory in this one; an error if the name is taken.
    pub(super) fn make(&self, name: &str, mode: u32) -> io::Result<()> {
        Ok(rustix::fs::mkdirat(&self.0, name, Mode::from_raw_mode(mode))?)
    }

    /// Creates a file for writing; an error if the name is taken.
    pub(super) fn create(&self, name: &str) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(rustix::fs::openat(&self.0, name, flags, Mode::from_raw_mode(0o666))?.into())
    }

    /// Opens a regular file for reading and, on demand, writing; a link is an error.
    pub(super) fn file(&self, name: &str, write: bool) -> io::Result<File> {
        let access = if write { OFlags::RDWR } else { OFlags::RDONLY };
        let flags = access | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = File::from(rustix::fs::openat(&self.0, name, flags, Mode::empty())?);
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        Ok(file)
    }

    /// Moves a file of this directory to another one; an error if the name is taken there.
    pub(super) fn place(&self, from: &str, to: &Self, name: &str) -> io::Result<()> {
        match rename_new(self, from, to, name) {
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => self.place_by_claim(from, to, name),
            result => Ok(result?),
        }
    }

    /// For file systems that cannot refuse to replace: taking the name first never replaces what another wrote.
    pub(super) fn place_by_claim(&self, from: &str, to: &Self, name: &str) -> io::Result<()> {
        drop(to.create(name)?);
        rustix::fs::renameat(&self.0, from, &to.0, name).map_err(|error| {
            let _ = to.remove(name);
            io::Error::from(error)
        })
    }

    /// Removes a file; that there is none is fine.
    pub(super) fn remove(&self, name: &str) -> io::Result<()> {
        match rustix::fs::unlinkat(&self.0, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes a directory that holds nothing but files, with them; that there is none is fine.
    pub(super) fn remove_dir(&self, name: &str) -> io::Result<()> {
        let dir = match self.child(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            dir => dir?,
        };
        for entry in rustix::fs::Dir::read_from(&dir.0)? {
            let entry = entry?;
            let name = entry.file_name();
            if name != c"." && name != c".." {
                rustix::fs::unlinkat(&dir.0, name, AtFlags::empty())?;
            }
        }
        Ok(rustix::fs::unlinkat(&self.0, name, AtFlags::REMOVEDIR)?)
    }

    /// Bytes that may still be written to this file system.
    pub(super) fn free_space(&self) -> io::Result<u64> {
        let stat = rustix::fs::fstatvfs(&self.0)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn rename_new(from_dir: &Dir, from: &str, to_dir: &Dir, to: &str) -> Result<(), Errno> {
    rustix::fs::renameat_with(&from_dir.0, from, &to_dir.0, to, rustix::fs::RenameFlags::NOREPLACE)
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
fn rename_new(_: &Dir, _: &str, _: &Dir, _: &str) -> Result<(), Errno> {
    Err(Errno::NOSYS)
}
