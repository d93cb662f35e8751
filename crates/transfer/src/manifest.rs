//! What a transfer consists of.

use peerage_crypto::hash::Sha256;

use crate::path::{self, NameFault, Names};
use crate::protocol::{Entry, EntryKind, MAX_SIZE};
use crate::value::Digest;

/// How much a manifest may hold.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Most entries; default 100,000. A transfer with more is refused: pack it first.
    pub entries: usize,
    /// Bytes of all paths together; default 16 MiB. Bounds what an offer can make its receiver hold.
    pub path_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { entries: 100_000, path_bytes: 16 << 20 }
    }
}

/// Why entries do not make a manifest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// A name cannot be written safely everywhere.
    #[error("{fault}: {path:?}")]
    Name {
        /// What is wrong.
        fault: NameFault,
        /// Where.
        path: String,
    },
    /// Beyond [`Limits`].
    #[error("too many entries (at most {0})")]
    TooMany(usize),
    /// The sizes add up to more than a transfer may have.
    #[error("too many bytes")]
    TooLarge,
}

/// The entries of one transfer, checked: every path is safe, none collide, the sizes add up.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    entries: Vec<Entry>,
    bytes: u64,
}

impl Manifest {
    /// All entries, in order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The entry at `index`.
    pub fn entry(&self, index: usize) -> Option<&Entry> {
        self.entries.get(index)
    }

    /// Bytes of all files together.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Tells whether two manifests name the same files with the same sizes, as a person who is asked about one sees it.
    pub fn outline(&self) -> Digest {
        let mut hash = Sha256::new();
        for entry in &self.entries {
            let size = entry.file_size().map_or_else(|| "/".to_owned(), |size| size.to_string());
            hash.update(format!("{}\n{size}\n", entry.path).as_bytes());
        }
        Digest(hash.finish())
    }

    /// Files with their index and size, in order.
    pub fn files(&self) -> impl Iterator<Item = (usize, &Entry, u64)> {
        self.entries.iter().enumerate().filter_map(|(index, entry)| Some((index, entry, entry.file_size()?)))
    }

    /// The index and size of the first file at or after `from`.
    pub fn next_file(&self, from: usize) -> Option<(usize, u64)> {
        let rest = self.entries.get(from..)?;
        rest.iter().enumerate().find_map(|(n, entry)| Some((from + n, entry.file_size()?)))
    }
}

/// Takes entries one by one and refuses the first that does not fit.
#[derive(Debug)]
pub struct Builder {
    limits: Limits,
    manifest: Manifest,
    names: Names,
    path_bytes: usize,
}

impl Builder {
    /// An empty manifest within `limits`.
    pub fn new(limits: Limits) -> Self {
        Self { limits, manifest: Manifest::default(), names: Names::default(), path_bytes: 0 }
    }

    /// Adds the next entry.
    pub fn push(&mut self, entry: Entry) -> Result<(), ManifestError> {
        let name_error = |fault| ManifestError::Name { fault, path: entry.path.clone() };
        path::check(&entry.path).map_err(name_error)?;
        self.path_bytes += entry.path.len();
        // Folders that only paths name cost memory too; four for every entry is far beyond any real tree.
        let names_limit = self.limits.entries.saturating_mul(4);
        if self.manifest.entries.len() >= self.limits.entries
            || self.path_bytes > self.limits.path_bytes
            || self.names.count() > names_limit
        {
            return Err(ManifestError::TooMany(self.limits.entries));
        }
        self.names.add(&entry.path, entry.kind == EntryKind::Dir).map_err(name_error)?;
        let bytes = self.manifest.bytes.checked_add(entry.file_size().unwrap_or(0));
        self.manifest.bytes = bytes.filter(|&bytes| bytes <= MAX_SIZE).ok_or(ManifestError::TooLarge)?;
        self.manifest.entries.push(entry);
        Ok(())
    }

    /// Entries so far.
    pub fn count(&self) -> usize {
        self.manifest.entries.len()
    }

    /// The manifest.
    pub fn finish(self) -> Manifest {
        self.manifest
    }
}

/// Computes the hash of a whole transfer while its files complete in order: that of the only file, or of the manifest.
#[derive(Debug)]
pub struct TotalHash {
    hash: Sha256,
    next: usize,
    only: Option<Digest>,
}

impl TotalHash {
    /// Nothing is complete yet.
    pub fn new() -> Self {
        Self { hash: Sha256::new(), next: 0, only: None }
    }

    /// The file at `index`, after all files before it, has this hash.
    pub fn file(&mut self, manifest: &Manifest, index: usize, sha256: Digest) {
        self.folders(manifest, index);
        if let Some(entry) = manifest.entry(index) {
            self.hash.update(format!("{}\n{}\n{sha256}\n", entry.path, entry.file_size().unwrap_or(0)).as_bytes());
        }
        self.next = index + 1;
        self.only = (manifest.entries.len() == 1).then_some(sha256);
    }

    /// The hash, once every file was given.
    pub fn finish(mut self, manifest: &Manifest) -> Digest {
        self.folders(manifest, manifest.entries.len());
        self.only.unwrap_or_else(|| Digest(self.hash.finish()))
    }

    fn folders(&mut self, manifest: &Manifest, until: usize) {
        for entry in manifest.entries.get(self.next..until).unwrap_or_default() {
            self.hash.update(format!("{}/\n", entry.path).as_bytes());
        }
        self.next = until;
    }
}

impl Default for TotalHash {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, size: u64) -> Entry {
        Entry { path: path.into(), kind: EntryKind::File { size, mtime: None, exec: false } }
    }

    fn dir(path: &str) -> Entry {
        Entry { path: path.into(), kind: EntryKind::Dir }
    }

    fn manifest(entries: impl IntoIterator<Item = Entry>) -> Manifest {
        let mut builder = Builder::new(Limits::default());
        entries.into_iter().for_each(|entry| builder.push(entry).unwrap());
        builder.finish()
    }

    #[test]
    fn the_hash_of_one_file_is_that_of_the_file() {
        let manifest = manifest([file("a", 3)]);
        let mut total = TotalHash::new();
        total.file(&manifest, 0, Digest([5; 32]));
        assert_eq!(total.finish(&manifest), Digest([5; 32]));
    }

    #[test]
    fn the_hash_of_several_covers_paths_sizes_hashes_and_folders_in_order() {
        let manifest = manifest([dir("e"), file("a", 3), dir("m"), file("z/b", 0), dir("y")]);
        let (one, two) = (Digest([1; 32]), Digest([2; 32]));
        let mut total = TotalHash::new();
        total.file(&manifest, 1, one);
        total.file(&manifest, 3, two);
        let text = format!("e/\na\n3\n{one}\nm/\nz/b\n0\n{two}\ny/\n");
        assert_eq!(total.finish(&manifest), Digest::of(text.as_bytes()));
    }

    #[test]
    fn the_outline_tells_apart_what_a_person_would() {
        let outline = |entries: &[Entry]| manifest(entries.to_vec()).outline();
        let timed = Entry { path: "a".into(), kind: EntryKind::File { size: 1, mtime: Some(7), exec: true } };
        assert_eq!(outline(&[file("a", 1)]), outline(&[timed]));
        for other in [&[file("b", 1)][..], &[file("a", 2)], &[dir("a")], &[file("a", 1), dir("b")]] {
            assert_ne!(outline(&[file("a", 1)]), outline(other));
        }
    }

    #[test]
    fn a_lone_folder_is_hashed_as_a_manifest() {
        let manifest = manifest([dir("e")]);
        assert_eq!(TotalHash::new().finish(&manifest), Digest::of(b"e/\n"));
    }

    #[test]
    fn limits_hold_for_entries_paths_folders_and_bytes() {
        let limits = Limits { entries: 2, path_bytes: 100 };
        let mut builder = Builder::new(limits);
        builder.push(file("a", 1)).unwrap();
        builder.push(file("b", 1)).unwrap();
        assert_eq!(builder.push(file("c", 1)), Err(ManifestError::TooMany(2)));
        assert_eq!(builder.finish().bytes(), 2);

        let mut builder = Builder::new(limits);
        assert_eq!(builder.push(file(&"x".repeat(101), 1)), Err(ManifestError::TooMany(2)));
        let mut builder = Builder::new(limits);
        builder.push(file("1/2/3/4/5/6/7/8/9", 1)).unwrap();
        assert_eq!(builder.push(file("b", 1)), Err(ManifestError::TooMany(2)));
        let mut builder = Builder::new(limits);
        builder.push(file("a", MAX_SIZE)).unwrap();
        assert_eq!(builder.push(file("b", 1)), Err(ManifestError::TooLarge));
    }

    #[test]
    fn unsafe_and_colliding_names_are_refused() {
        let mut builder = Builder::new(Limits::default());
        builder.push(file("a", 1)).unwrap();
        let fault = |path: &str, fault| Err(ManifestError::Name { fault, path: path.into() });
        assert_eq!(builder.push(file("../b", 1)), fault("../b", NameFault::Dots));
        assert_eq!(builder.push(file("A", 1)), fault("A", NameFault::Collision));
    }
}
