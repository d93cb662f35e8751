//! What a later run needs to go on with a transfer: small files, for the user's eyes alone, for seven days.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use peerage_crypto::hash::Sha256;
use rustix::fs::OFlags;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::value::{Digest, ResumeSecret, TransferId};

/// How long an unfinished transfer can be gone on with.
pub const LIFETIME: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Why nothing can be remembered.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Another process is at the same transfer.
    #[error("another process is at this transfer")]
    InUse,
    /// The folder or a file in it fails.
    #[error("{}: {error}", .path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// What a sender goes on with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sending {
    /// The code that the receiver knows.
    pub code: String,
    /// The transfer.
    pub id: TransferId,
    /// What proves it.
    pub resume: ResumeSecret,
    /// The port of the server inside the sender, which the receiver's command names.
    pub port: Option<u16>,
}

/// What a receiver goes on with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receiving {
    /// The transfer.
    pub id: TransferId,
    /// What proves it.
    pub resume: ResumeSecret,
    /// The output directory.
    #[serde(serialize_with = "path_to_bytes", deserialize_with = "path_from_bytes")]
    pub out: PathBuf,
    /// The folder in it that holds what arrived.
    pub partial: String,
    /// The [outline](crate::manifest::Manifest::outline) of what was accepted.
    pub accepted: Digest,
}

/// What two agreed on who met under a code that was good for one try: where a later run goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agreed {
    /// The code of the room that they went on in.
    pub code: String,
}

/// What can be remembered.
pub trait Record: Serialize + DeserializeOwned {
    /// The beginning of its file names.
    const PREFIX: &'static str;
}

impl Record for Sending {
    const PREFIX: &'static str = "send-";
}

impl Record for Receiving {
    const PREFIX: &'static str = "receive-";
}

impl Record for Agreed {
    const PREFIX: &'static str = "agreed-";
}

/// The folder.
#[derive(Clone, Debug)]
pub struct State {
    dir: PathBuf,
}

impl State {
    /// Where the folder belongs: `$XDG_STATE_HOME/peerage`, or `~/.local/state/peerage`. `var` looks up a variable.
    pub fn default_dir(var: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
        let absolute = |name| var(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let base = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")))?;
        Some(base.join("peerage"))
    }

    /// Opens the folder, or makes it, readable by its owner alone.
    pub fn open(dir: &Path) -> Result<Self, StateError> {
        let result = DirBuilder::new().recursive(true).mode(0o700).create(dir);
        result.and_then(|()| fs::set_permissions(dir, Permissions::from_mode(0o700))).map_err(state_error(dir))?;
        Ok(Self { dir: dir.to_owned() })
    }

    /// Takes what is remembered under `key` for this process alone.
    pub fn claim<T: Record>(&self, key: &[&[u8]], now: SystemTime) -> Result<Claim<T>, StateError> {
        let mut hash = Sha256::new();
        for part in key {
            hash.update(&(part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        let mut name = Digest(hash.finish()).to_string();
        name.truncate(32);
        self.claim_file(&format!("{}{name}", T::PREFIX), now)
    }

    /// Forgets what is older than [`LIFETIME`] and is not in use. What receivers left is returned, to be discarded.
    pub fn expire(&self, now: SystemTime) -> Result<Vec<Receiving>, StateError> {
        let mut left = Vec::new();
        for file in fs::read_dir(&self.dir).map_err(state_error(&self.dir))? {
            let path = file.map_err(state_error(&self.dir))?.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".json")) else { continue };
            let Ok(text) = fs::read(&path) else { continue };
            let alive =
                serde_json::from_slice::<Saved<serde_json::Value>>(&text).is_ok_and(|saved| saved.is_alive(now));
            if alive {
                continue;
            }
            if name.starts_with(Receiving::PREFIX) {
                let Ok(claim) = self.claim_file::<Receiving>(name, now) else { continue };
                left.extend(serde_json::from_slice::<Saved<Receiving>>(&text).ok().map(|saved| saved.record));
                claim.forget()?;
            } else if name.starts_with(Sending::PREFIX)
                && let Ok(claim) = self.claim_file::<Sending>(name, now)
            {
                claim.forget()?;
            } else if name.starts_with(Agreed::PREFIX)
                && let Ok(claim) = self.claim_file::<Agreed>(name, now)
            {
                claim.forget()?;
            }
        }
        Ok(left)
    }

    fn claim_file<T: Record>(&self, name: &str, now: SystemTime) -> Result<Claim<T>, StateError> {
        let path = self.dir.join(format!("{name}.json"));
        let lock_path = self.dir.join(format!("{name}.lock"));
        let lock = lock(&lock_path)?;
        let record = match fs::read(&path) {
            Ok(text) => serde_json::from_slice::<Saved<T>>(&text).ok(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(state_error(&path)(error)),
        };
        let record = record.filter(|saved| saved.is_alive(now)).map(|saved| saved.record);
        Ok(Claim { path, lock_path, _lock: lock, record })
    }
}

/// One remembered transfer, held by this process until it is dropped.
#[derive(Debug)]
pub struct Claim<T> {
    path: PathBuf,
    lock_path: PathBuf,
    _lock: File,
    record: Option<T>,
}

impl<T: Record> Claim<T> {
    /// What an earlier run saved, if it is not too old.
    pub fn record(&self) -> Option<&T> {
        self.record.as_ref()
    }

    /// Saves `record` for [`LIFETIME`] from `now`.
    pub fn save(&mut self, record: T, now: SystemTime) -> Result<(), StateError> {
        let saved = Saved { at: seconds(now), record };
        let text = serde_json::to_vec(&saved).expect("a record holds strings and numbers only");
        let fresh = self.path.with_extension("new");
        let write = || -> io::Result<()> {
            let flags = OFlags::NOFOLLOW.bits().cast_signed();
            let mut options = OpenOptions::new();
            let mut file =
                options.write(true).create(true).truncate(true).mode(0o600).custom_flags(flags).open(&fresh)?;
            file.write_all(&text)?;
            file.sync_all()?;
            fs::rename(&fresh, &self.path)
        };
        write().map_err(state_error(&self.path))?;
        self.record = Some(saved.record);
        Ok(())
    }

    /// Forgets the transfer.
    pub fn forget(self) -> Result<(), StateError> {
        for path in [&self.path, &self.lock_path] {
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(state_error(path)(error)),
                _ => {}
            }
        }
        Ok(())
    }
}

#[derive(Serialize, Deserialize)]
struct Saved<T> {
    /// Unix seconds.
    at: u64,
    record: T,
}

impl<T> Saved<T> {
    fn is_alive(&self, now: SystemTime) -> bool {
        seconds(now).saturating_sub(self.at) < LIFETIME.as_secs()
    }
}

/// Locks a file that the last owner may be removing: the lock counts only if the file is still the one of that name.
fn lock(path: &Path) -> Result<File, StateError> {
    loop {
        let flags = OFlags::NOFOLLOW.bits().cast_signed();
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(false).mode(0o600).custom_flags(flags).open(path);
        let file = file.map_err(state_error(path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StateError::InUse),
            Err(TryLockError::Error(error)) => return Err(state_error(path)(error)),
        }
        let inode = file.metadata().map_err(state_error(path))?.ino();
        if fs::symlink_metadata(path).is_ok_and(|meta| meta.ino() == inode) {
            return Ok(file);
        }
    }
}

fn seconds(now: SystemTime) -> u64 {
    now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn state_error(path: &Path) -> impl FnOnce(io::Error) -> StateError + use<> {
    let path = path.to_owned();
    move |error| StateError::Io { path, error }
}

fn path_to_bytes<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    path.as_os_str().as_bytes().serialize(serializer)
}

fn path_from_bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
    Vec::<u8>::deserialize(deserializer).map(|bytes| OsString::from_vec(bytes).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;

    fn state() -> (tempfile::TempDir, State) {
        let root = tempfile::tempdir().unwrap();
        let state = State::open(&root.path().join("a/peerage")).unwrap();
        (root, state)
    }

    fn receiving() -> Receiving {
        Receiving {
            id: TransferId([1; 16]),
            resume: ResumeSecret([2; 32]),
            out: OsString::from_vec(b"/out/\xFF".to_vec()).into(),
            partial: ".peerage-partial-0".into(),
            accepted: Digest([3; 32]),
        }
    }

    fn sending() -> Sending {
        Sending { code: "abc".into(), id: TransferId([1; 16]), resume: ResumeSecret([2; 32]), port: Some(7) }
    }

    #[test]
    fn what_was_saved_is_there_for_seven_days_under_its_key_alone() {
        let (_root, state) = state();
        let mut claim = state.claim::<Receiving>(&[b"code", b"/out"], NOW).unwrap();
        assert_eq!(claim.record(), None);
        claim.save(receiving(), NOW).unwrap();
        drop(claim);
        let record = |key: &[&[u8]], now| state.claim::<Receiving>(key, now).unwrap().record().cloned();
        let last = NOW + LIFETIME - Duration::from_secs(1);
        assert_eq!(record(&[b"code", b"/out"], last), Some(receiving()));
        assert_eq!(record(&[b"code", b"/out"], NOW + LIFETIME), None);
        assert_eq!(record(&[b"code/", b"out"], NOW), None);
    }

    #[test]
    fn a_second_process_is_refused_until_the_first_is_through() {
        let (_root, state) = state();
        let first = state.claim::<Sending>(&[b"k"], NOW).unwrap();
        assert!(matches!(state.claim::<Sending>(&[b"k"], NOW), Err(StateError::InUse)));
        assert!(state.claim::<Receiving>(&[b"k"], NOW).is_ok());
        first.forget().unwrap();
        assert!(state.claim::<Sending>(&[b"k"], NOW).is_ok());
    }

    #[test]
    fn nobody_else_can_read_it() {
        let (_root, state) = state();
        let mut claim = state.claim::<Sending>(&[b"k"], NOW).unwrap();
        claim.save(sending(), NOW).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&state.dir), 0o700);
        assert_eq!(mode(&claim.path), 0o600);
        assert_eq!(mode(&claim.lock_path), 0o600);
    }

    #[test]
    fn expired_entries_go_and_those_of_receivers_are_named() {
        let (_root, state) = state();
        let mut claim = state.claim::<Receiving>(&[b"old"], NOW).unwrap();
        claim.save(receiving(), NOW).unwrap();
        let mut busy = state.claim::<Receiving>(&[b"busy"], NOW).unwrap();
        busy.save(receiving(), NOW).unwrap();
        let mut sender = state.claim::<Sending>(&[b"old"], NOW).unwrap();
        sender.save(sending(), NOW).unwrap();
        let mut agreed = state.claim::<Agreed>(&[b"old"], NOW).unwrap();
        agreed.save(Agreed { code: "abc".into() }, NOW).unwrap();
        drop((claim, sender, agreed));
        let later = NOW + LIFETIME;
        let mut fresh = state.claim::<Sending>(&[b"new"], later).unwrap();
        fresh.save(sending(), later).unwrap();
        assert_eq!(state.expire(later).unwrap(), [receiving()]);
        let mut names: Vec<_> = fs::read_dir(&state.dir).unwrap().map(|file| file.unwrap().path()).collect();
        names.sort();
        let mut expected = vec![busy.path.clone(), busy.lock_path.clone(), fresh.path.clone(), fresh.lock_path.clone()];
        expected.sort();
        assert_eq!(names, expected);
    }

    #[test]
    fn a_damaged_entry_counts_as_none() {
        let (_root, state) = state();
        let claim = state.claim::<Sending>(&[b"k"], NOW).unwrap();
        fs::write(&claim.path, "{\"at\":").unwrap();
        drop(claim);
        assert_eq!(state.claim::<Sending>(&[b"k"], NOW).unwrap().record(), None);
    }

    #[test]
    fn the_folder_follows_the_variables() {
        let dir = |pairs: &'static [(&str, &str)]| {
            State::default_dir(move |name| pairs.iter().find(|pair| pair.0 == name).map(|pair| pair.1.into()))
        };
        assert_eq!(dir(&[("XDG_STATE_HOME", "/s"), ("HOME", "/h")]), Some("/s/peerage".into()));
        assert_eq!(dir(&[("XDG_STATE_HOME", "s"), ("HOME", "/h")]), Some("/h/.local/state/peerage".into()));
        assert_eq!(dir(&[]), None);
    }
}
