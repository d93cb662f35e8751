//! Names of keys (RFC 9605 §4.4.1).

/// Names a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub u64);
