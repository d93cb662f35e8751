//! What a stack has to offer so that every scenario runs on it.

use std::error::Error;

use bytes::Bytes;

use crate::options::Run;

/// What went wrong ends the run; its words are told.
pub type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// An implementation of WebRTC, and whatever its connections share.
pub trait Stack: Sized + Send + Sync + 'static {
    /// One end of a connection with its one channel, reliable and ordered.
    type End: End;

    /// With its settings for a run, which says on how many cores.
    ///
    /// # Errors
    /// The system refuses what it needs.
    fn new(run: &Run) -> Outcome<Self>;

    /// From nothing to a channel that is open at both ends; descriptions are handed over within the process.
    fn connect(&self) -> impl Future<Output = Outcome<(Self::End, Self::End)>> + Send;
}

/// One end of a channel. It closes the connection when it is dropped. Those of sans-IO stacks make progress only while one of
/// these is awaited.
pub trait End: Send + 'static {
    /// A message as the stack hands it out.
    type Message: AsRef<[u8]> + Send;

    /// Hands a message over as soon as there is room; more may follow before any leaves.
    fn send(&mut self, message: Bytes) -> impl Future<Output = Outcome<()>> + Send;

    /// Lets what was handed over leave.
    fn flush(&mut self) -> impl Future<Output = Outcome<()>> + Send {
        async { Ok(()) }
    }

    /// The next message. Nothing is lost if it is no longer awaited.
    fn recv(&mut self) -> impl Future<Output = Outcome<Self::Message>> + Send;
}
