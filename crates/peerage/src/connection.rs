//! What every handle of one connection holds.

use std::sync::Arc;

use peerage_session::session::Session;

use crate::cell::Cell;
use crate::shared::Shared;

/// Keeps a connection alive: dropped with the last handle, it closes the session.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) cell: Arc<Cell>,
    /// The endpoint must outlive its connections.
    pub(crate) _endpoint: Arc<Shared>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.cell.command(Session::close);
    }
}
