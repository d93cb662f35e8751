//! What the loop wants of a stack.

use std::net::SocketAddr;
use std::time::Instant;

use bench::stack::Outcome;
use bytes::Bytes;

/// One end of a connection, which has one channel.
pub trait Machine: Sized + Send + 'static {
    /// A message as the stack hands it out.
    type Message: AsRef<[u8]> + Send;

    /// Both ends, which know each other's description; their sockets have these addresses.
    ///
    /// # Errors
    /// The stack refuses a step.
    fn pair(near: SocketAddr, far: SocketAddr) -> Outcome<(Self, Self)>;

    /// Whether the channel is open.
    fn is_open(&self) -> bool;

    /// Takes out every datagram and every event there is; says when it wants to be woken.
    ///
    /// # Errors
    /// The connection has ended.
    fn drain(&mut self, datagram: impl FnMut(SocketAddr, &[u8])) -> Outcome<Option<Instant>>;

    /// A message that arrived.
    fn poll_message(&mut self) -> Option<Self::Message>;

    /// What came to `local`.
    ///
    /// # Errors
    /// The connection has ended.
    fn handle_datagram(&mut self, now: Instant, from: SocketAddr, local: SocketAddr, bytes: &[u8]) -> Outcome<()>;

    /// The moment that it asked for has come.
    ///
    /// # Errors
    /// The connection has ended.
    fn handle_timeout(&mut self, now: Instant) -> Outcome<()>;

    /// Hands a message over; says whether there was room. It is drained before and after.
    ///
    /// # Errors
    /// The channel is not open.
    fn write(&mut self, message: &Bytes) -> Outcome<bool>;
}
