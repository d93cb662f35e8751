//! Files to send, and what tells that they arrived unharmed.

use std::path::{Path, PathBuf};

use peerage_crypto::hash::Sha256;
use tempfile::TempDir;

use crate::bidi::Result;

/// A file of `size` bytes that do not repeat, and its hash.
pub fn file(folder: &Path, name: &str, size: usize) -> Result<(PathBuf, String)> {
    let mut state = 0x9E37_79B9_7F4A_7C15u64;
    let mut bytes = Vec::with_capacity(size);
    while bytes.len() < size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    let path = folder.join(name);
    std::fs::write(&path, &bytes).map_err(|e| e.to_string())?;
    Ok((path, hash(&bytes)))
}

/// SHA-256 in hexadecimal.
pub fn hash(bytes: &[u8]) -> String {
    let mut hash = Sha256::new();
    hash.update(bytes);
    hash.finish().iter().map(|b| format!("{b:02x}")).collect()
}

/// A folder that is gone with its handle.
pub fn folder() -> Result<TempDir> {
    tempfile::tempdir().map_err(|e| e.to_string())
}
