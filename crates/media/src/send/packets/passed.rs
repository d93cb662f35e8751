//! What becomes of a packet that is to be passed on.

use peerage_rtp::numbers::Ssrc;

/// What became of a packet that was to be passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passed {
    /// It waits for the path.
    Queued,
    /// It is not part of what the viewer gets.
    LeftOut,
    /// It is not, and nothing will be before a key frame of this source, which was asked for by an
    /// [`Event::KeyFrameRequested`](crate::send::event::Event::KeyFrameRequested) now or a moment ago.
    KeyFrameWanted(Ssrc),
}
