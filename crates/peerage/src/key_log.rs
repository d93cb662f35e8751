//! The file that secrets go to where a person asked for them, in the format that Wireshark reads.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

/// An open key log.
#[derive(Debug)]
pub(crate) struct KeyLog {
    file: File,
    failed: bool,
}

impl KeyLog {
    /// Opens the file to append to it. One that is new can be read by its owner alone.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.create(true).append(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        Ok(Self { file: options.open(path)?, failed: false })
    }

    /// Adds a line, at once: a reader may follow a live capture. Failing once is told, and no reason to stop the
    /// connection.
    pub(crate) fn write(&mut self, line: &str) {
        if let Err(error) = self.file.write_all(format!("{line}\n").as_bytes())
            && !std::mem::replace(&mut self.failed, true)
        {
            tracing::warn!(%error, "the key log cannot be written");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_added_to_what_is_there_and_others_cannot_read_them() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys");
        KeyLog::open(&path).unwrap().write("CLIENT_RANDOM aa bb");
        KeyLog::open(&path).unwrap().write("EXPORTER_SECRET cc dd");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "CLIENT_RANDOM aa bb\nEXPORTER_SECRET cc dd\n");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
}
