//! What the driver asks of a machine, whichever it is.

use super::event::CloseReason;
use super::ledger::Ledger;

/// What the driver must do after a frame.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    Continue,
    /// The stay is lost; connect again for a new one.
    Reenter,
    /// The server wants to be left alone for a while.
    BackOff,
    /// Nothing more to do here.
    Close,
}

/// The client's half of a protocol on one WebSocket after another.
pub(super) trait Protocol: Send + 'static {
    /// A WebSocket stands: what to say first.
    fn handle_connected(&mut self);
    /// The WebSocket is lost.
    fn handle_lost(&mut self);
    /// A frame of the server.
    fn handle_frame(&mut self, text: &str) -> Next;
    /// Ends because the server stayed out of reach, or kept us out.
    fn give_up(&mut self);
    fn ledger(&mut self) -> &mut Ledger;
    fn is_in(&self) -> bool;
    fn is_over(&self) -> bool;
    /// Whether the owner keeps up with events.
    fn wants_frames(&self) -> bool;
    /// Why it ended before it was in.
    fn refusal(&mut self) -> Option<CloseReason>;

    /// Acknowledges what has not been yet: for quiet moments.
    fn acknowledge(&mut self) {
        if self.is_in() {
            self.ledger().acknowledge();
        }
    }

    fn poll_frame(&mut self) -> Option<String> {
        self.ledger().poll_frame()
    }
}
