//! One received datagram, and the description of one to send.

use crate::ecn::Ecn;
use crate::path::Path;
use crate::time::Instant;

/// A received datagram. The payload belongs to the driver's reused buffer and is opened in place.
#[derive(Debug)]
pub struct Datagram<'a> {
    /// Where it arrived, and from whom.
    pub path: Path,
    /// Its congestion mark.
    pub ecn: Ecn,
    /// When the kernel (or, where it does not say, the driver) saw it.
    pub received_at: Instant,
    /// The UDP payload.
    pub payload: &'a mut [u8],
}

/// Describes a datagram, or a run of equal-sized ones, that was written into the caller's buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a transmit that is not sent is a lost packet"]
pub struct Transmit {
    /// Where to send from and to.
    pub path: Path,
    /// The congestion mark to set.
    pub ecn: Ecn,
    /// The six-bit differentiated-services codepoint to set (RFC 8837); 0 is best effort.
    pub dscp: u8,
    /// Bytes written in all.
    pub len: usize,
    /// Size of each datagram but the last of a run; `None` for a single datagram.
    pub segment: Option<usize>,
    /// Whether routers must drop rather than fragment.
    pub dont_fragment: bool,
}

impl Transmit {
    /// One best-effort datagram of `len` bytes that routers may not fragment.
    pub const fn single(path: Path, len: usize) -> Self {
        Self { path, ecn: Ecn::NotEct, dscp: 0, len, segment: None, dont_fragment: true }
    }
}
