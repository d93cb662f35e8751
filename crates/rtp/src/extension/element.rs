//! What every element of a header extension can do.

use super::kind::Kind;

/// The value of one header extension element, read or to be written.
pub trait Element<'a>: Sized {
    /// Which element it is.
    const KIND: Kind;

    /// Reads a value; `None` if its length or contents make no sense.
    fn parse(value: &'a [u8]) -> Option<Self>;

    /// Length of the value in bytes.
    fn size(&self) -> usize;

    /// Writes the value to `out`, which is [`size`](Self::size) bytes long.
    fn write(&self, out: &mut [u8]);
}
