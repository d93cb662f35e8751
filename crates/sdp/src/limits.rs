//! How much text a parser accepts.

/// Bounds that hold before a line is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of the whole text. Default 1 MiB: a browser's offer of a hundred video sections is a third of that.
    pub bytes: usize,
    /// Lines of the whole text. Default 20 000.
    pub lines: usize,
    /// Media sections. Default 512.
    pub sections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 1 << 20, lines: 20_000, sections: 512 }
    }
}
