//! What every handle of one connection holds.

use std::sync::{Arc, MutexGuard};

use peerage_base::time::Instant;
use peerage_session::session::Session;

use crate::cell::{Cell, State};
use crate::shard::flush;
use crate::shared::Shared;

/// Keeps a connection alive: dropped with the last handle, it closes the session.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) cell: Arc<Cell>,
    /// The endpoint must outlive its connections.
    pub(crate) endpoint: Arc<Shared>,
}

impl Connection {
    /// Runs a command on the session. What follows from it leaves from here; the home shard is told of what only it can do.
    pub(crate) fn command<T>(&self, run: impl FnOnce(&mut Session, Instant) -> T) -> T {
        let now = self.cell.now();
        let mut state = self.cell.lock();
        let out = run(&mut state.session, now);
        // Otherwise it is about to look.
        let tell = !self.cell.is_queued()
            && flush::visit(&self.cell, &mut state, &self.endpoint.routes, now, flush::CALLERS_RUNS);
        drop(state);
        if tell {
            self.cell.mark_ready();
        }
        out
    }

    /// Lets what the session was just given leave: from here if it is idle, by its home shard under load.
    pub(crate) fn depart(&self, mut state: MutexGuard<'_, State>, now: Instant) {
        let tell = flush::depart(&self.cell, &mut state, &self.endpoint.routes, now);
        drop(state);
        if tell {
            self.cell.mark_ready();
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.cell.command(Session::close);
    }
}
