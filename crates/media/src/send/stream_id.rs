//! The name of a stream among those of a sender.

/// Names a stream; not used again when the stream is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId {
    pub(super) index: u16,
    pub(super) generation: u16,
}
