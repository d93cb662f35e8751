//! What every element of a header extension can do.

/// The value of one header extension element, read or to be written.
pub trait Element<'a>: Sized {
    /// The name by which descriptions agree on it (`a=extmap`).
    const URI: &'static str;

    /// Reads a value; `None` if its length or contents make no sense.
    fn parse(value: &'a [u8]) -> Option<Self>;

    /// Length of the value in bytes.
    fn size(&self) -> usize;

    /// Writes the value to `out`, which is [`size`](Self::size) bytes long.
    fn write(&self, out: &mut [u8]);
}
