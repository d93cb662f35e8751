//! What a reserved port is, apart from the procedures around it.

use crate::server::event::RelayId;
use crate::server::quota::Seat;
use alloc::boxed::Box;
use peerage_base::time::Instant;

/// A port that waits for the request that shows its token.
#[derive(Debug)]
pub(super) struct Reservation {
    pub(super) relay: RelayId,
    pub(super) seat: Seat,
    /// Who reserved it; nobody else gets it.
    pub(super) user: Box<str>,
    pub(super) expires: Instant,
}
