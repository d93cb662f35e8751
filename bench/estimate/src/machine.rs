//! What is wanted of a stack that sends one stream of video.

use std::net::SocketAddr;

use bytes::Bytes;
use peerage_base::datagram::{Datagram, Transmit};
use peerage_base::time::Instant;

/// What every stack begins with, in bits per second.
pub const START: u64 = 300_000;
/// What the encoder could use, in bits per second: more than any path here has.
pub const NEEDED: u64 = 25_000_000;

/// One end of a connection, driven by virtual time.
pub trait Machine: Sized + 'static {
    /// What it is called.
    const NAME: &'static str;

    /// Both ends, which know each other's description and address. The first sends.
    ///
    /// # Errors
    /// The stack refuses a step.
    fn pair(addresses: [SocketAddr; 2], seed: u64, now: Instant) -> Result<[Self; 2], String>;

    /// Takes a datagram in.
    fn receive(&mut self, now: Instant, datagram: Datagram<'_>);

    /// Acts on time.
    fn timeout(&mut self, now: Instant);

    /// Takes a frame to send.
    fn send(&mut self, now: Instant, frame: Vec<u8>, is_key: bool, timestamp: u32);

    /// Writes a datagram, or a run of them.
    fn transmit(&mut self, now: Instant, buf: &mut [u8]) -> Option<Transmit>;

    /// Takes what happened since: frames that arrived, and whether a key frame is wanted.
    fn happened(&mut self, frames: &mut Vec<Bytes>) -> bool;

    /// When it wants to be woken.
    fn deadline(&self) -> Option<Instant>;

    /// Bits per second that the encoder is to produce; `None` until media can be sent.
    fn target(&self) -> Option<u64>;
}
