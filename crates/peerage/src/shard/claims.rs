//! Which connection has a 4-tuple: the news of it, and the checks that ask for one.
//!
//! Whoever receives for a session or sends for it settles this at once: what the peer sends next may be here before the
//! home shard has its turn, and would find nobody.

use std::sync::Arc;

use peerage_base::path::Path;
use peerage_base::time::Instant;
use peerage_session::demux::{Route, route};
use peerage_session::event::Event;

use super::routes::Routes;
use crate::cell::{Cell, State};

/// Tells all that a session has to say. `true`: somebody may have been woken who waited for a message.
pub(super) fn tell_news(cell: &Arc<Cell>, state: &mut State, routes: &Routes) -> bool {
    let mut readable = false;
    while let Some(event) = state.session.poll_event() {
        readable |= matches!(event, Event::ChannelReadable(_));
        match event {
            Event::Claimed(path) => claim(cell, state, routes, path),
            Event::Released(path) => release(cell, state, routes, path),
            event => state.tell(cell, event),
        }
    }
    readable
}

/// Sees to it that answers to what leaves on a path that is not claimed find their way. `false`: it must not leave, because
/// the 4-tuple is another connection's.
pub(super) fn lead_back(
    cell: &Arc<Cell>,
    state: &mut State,
    routes: &Routes,
    now: Instant,
    path: Path,
    contents: &[u8],
) -> bool {
    let Some(tuple) = state.ends.tuple(path) else { return true };
    if !matches!(route(contents), Route::Request { .. }) {
        return true;
    }
    // Both sides must give a 4-tuple to the same connection, so the side that decides does: no other one of its own checks
    // on it. The other side's checks tell such a side, if it is another stack, that somebody has the 4-tuple already.
    if !state.session.is_controlling() {
        if routes.is_promised(&tuple, cell.key()) {
            return false;
        }
    } else if !routes.reserve(tuple, cell) {
        state.crowded = true;
        return false;
    } else if !state.reserved.contains(&tuple) && !state.claimed.iter().any(|(_, of)| *of == tuple) {
        state.reserved.push(tuple);
    }
    routes.sent(now, cell, contents);
    true
}

/// Gives up the 4-tuples that checks left on and nobody came back over.
pub(super) fn give_up(cell: &Cell, state: &mut State, routes: &Routes) {
    for tuple in std::mem::take(&mut state.reserved) {
        routes.release(&tuple, cell.key());
    }
}

/// Gives up all of them.
pub(super) fn give_up_all(cell: &Cell, state: &mut State, routes: &Routes) {
    give_up(cell, state, routes);
    for (_, tuple) in std::mem::take(&mut state.claimed) {
        routes.release(&tuple, cell.key());
    }
}

fn claim(cell: &Arc<Cell>, state: &mut State, routes: &Routes, path: Path) {
    let Some(tuple) = state.ends.tuple(path) else {
        if state.ends.has_streams() {
            state.needs.push_back(Event::Claimed(path));
        }
        return;
    };
    if routes.claim(tuple, cell, state.session.is_controlling()) {
        state.reserved.retain(|of| *of != tuple);
        state.claimed.push((path, tuple));
    }
}

fn release(cell: &Cell, state: &mut State, routes: &Routes, path: Path) {
    if let Some(index) = state.claimed.iter().position(|(claimed, _)| *claimed == path) {
        let (_, tuple) = state.claimed.swap_remove(index);
        // An end that was taken away and added again has another name and the same address.
        if !state.claimed.iter().any(|(_, of)| *of == tuple) {
            routes.release(&tuple, cell.key());
        }
    }
}
