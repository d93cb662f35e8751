//! A buffer to write into.

/// A buffer that fills from the front.
pub(crate) struct Room<'b> {
    pub(crate) buf: &'b mut [u8],
    pub(crate) len: usize,
}

impl Room<'_> {
    /// Appends `bytes`, or nothing if they do not fit.
    pub(crate) fn put(&mut self, bytes: &[u8]) -> Option<()> {
        let end = self.len.checked_add(bytes.len())?;
        self.buf.get_mut(self.len..end)?.copy_from_slice(bytes);
        self.len = end;
        Some(())
    }

    pub(crate) fn set(&mut self, at: usize, value: u16) -> Option<()> {
        self.buf.get_mut(at..at + 2)?.copy_from_slice(&value.to_be_bytes());
        Some(())
    }
}
