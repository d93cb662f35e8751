//! How packets leave, and news come out of a session: by its home shard, by another shard that received for it, or by
//! whoever has just sent a message.

use std::cell::RefCell;
use std::sync::Arc;

use peerage_base::path::PathChange;
use peerage_base::time::{Duration, Instant};

use super::claims::{lead_back, tell_news};
use super::ends::Exit;
use super::outlet::Sent;
use super::routes::Routes;
use super::streams::Streams;
use crate::cell::{Cell, Refused, State};

/// Runs that one connection may send before others have their turn.
pub(crate) const RUNS: usize = 16;
/// Runs that a caller sends before it leaves the rest to the home shard.
pub(crate) const CALLERS_RUNS: usize = 2;
/// A session that sent nothing for so long is not under load: what it sends now is not part of a run.
const LULL: Duration = Duration::from_millis(1);
/// Room for the longest run.
const BUFFER: usize = 64 << 10;

thread_local! {
    /// What packets are written into: one for each thread that sends, from its first packet on.
    static WRITTEN: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Why a flush ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// All that may leave now has left.
    Nothing,
    /// There is more, after the others had their turn.
    More,
    /// A socket is full.
    Blocked,
}

/// Sends what a session has, up to `runs` of it, and tells its news. `streams`: those of its home shard.
pub(crate) fn flush(
    cell: &Arc<Cell>,
    state: &mut State,
    routes: &Routes,
    streams: Option<&mut Streams>,
    now: Instant,
    runs: usize,
) -> Left {
    let left = WRITTEN.with_borrow_mut(|buffer| {
        buffer.resize(BUFFER, 0);
        transmit(cell, state, routes, streams, now, runs, buffer)
    });
    tell_news(cell, state, routes);
    state.answered = left == Left::Nothing && state.needs.is_empty();
    left
}

/// After a command that gave the session something to send. On a session that is idle it leaves at once, from here, as an
/// answer does; under load, or when one message follows another, that is left to the home shard, so that messages join into
/// packets, and packets into runs; a whole run leaves.
///
/// `true`: the home shard has to be told.
pub(crate) fn depart(cell: &Arc<Cell>, state: &mut State, routes: &Routes, now: Instant) -> bool {
    let idle = !state.bursting && state.session.is_settled() || now.since(state.flushed_at) > LULL;
    if cell.is_queued() || state.over {
        return true;
    }
    if !idle && !state.session.has_run(now) {
        // A deadline that its home knows of is enough.
        return !state.session.is_gathering() || state.earlier().is_some();
    }
    state.bursting = true;
    visit(cell, state, routes, now, CALLERS_RUNS)
}

/// Flushes for the home shard. `true`: it has to be told, because something is left that only it can do.
pub(crate) fn visit(cell: &Arc<Cell>, state: &mut State, routes: &Routes, now: Instant, runs: usize) -> bool {
    if state.ends.has_streams() || state.session.close_reason().is_some() {
        return true;
    }
    let left = flush(cell, state, routes, None, now, runs);
    left != Left::Nothing
        || !state.needs.is_empty()
        || state.crowded
        || state.earlier().is_some()
        || state.session.close_reason().is_some()
}

fn transmit(
    cell: &Arc<Cell>,
    state: &mut State,
    routes: &Routes,
    mut streams: Option<&mut Streams>,
    now: Instant,
    runs: usize,
    buffer: &mut [u8],
) -> Left {
    if let Some(refused) = state.refused.take()
        && !again(state, refused)
    {
        return Left::Blocked;
    }
    for _ in 0..runs {
        if state.ends.any_full() {
            return Left::Blocked;
        }
        let Some(transmit) = state.session.poll_transmit(now, buffer) else { return Left::Nothing };
        state.flushed_at = now;
        let contents = &buffer[..transmit.len];
        // Answers on a path that is this session's find it without being remembered.
        if !state.is_claimed(transmit.path) && !lead_back(cell, state, routes, now, transmit.path, contents) {
            continue;
        }
        let (outlet, source) = match state.ends.exit(transmit.path) {
            None => continue,
            Some(Exit::Stream(id)) => {
                let full = streams.as_mut().is_some_and(|streams| streams.write(id, contents, transmit.segment));
                if full {
                    state.session.handle_path(now, transmit.path, PathChange::Writable(0));
                }
                continue;
            }
            Some(Exit::Socket { outlet, source }) => (outlet, source),
        };
        match outlet.send(source, &transmit, contents) {
            Sent::Done => {}
            Sent::TooBig => {
                let size = transmit.segment.unwrap_or(transmit.len);
                state.session.handle_path(now, transmit.path, PathChange::TooBig(size.saturating_sub(1)));
            }
            Sent::Unreachable => state.session.handle_path(now, transmit.path, PathChange::Down),
            Sent::Refused(sent) => {
                let (outlet, rest) = (outlet.clone(), contents[sent..].to_vec());
                state.refused = Some(Box::new(Refused { outlet, transmit, source, rest }));
                return Left::Blocked;
            }
        }
    }
    Left::More
}

/// Sends what a socket has refused. `false`: it has no room yet.
fn again(state: &mut State, mut refused: Box<Refused>) -> bool {
    if !refused.outlet.is_full() {
        match refused.outlet.send(refused.source, &refused.transmit, &refused.rest) {
            Sent::Refused(sent) => drop(refused.rest.drain(..sent)),
            // A run that is too large now was not before: its packets count as lost.
            Sent::Done | Sent::TooBig | Sent::Unreachable => return true,
        }
    }
    state.refused = Some(refused);
    false
}
