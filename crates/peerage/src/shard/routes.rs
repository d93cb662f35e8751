//! Which connection a datagram belongs to, for all shards of an endpoint.
//!
//! Checks name the local user-name fragment; answers repeat a transaction id that left here; all else belongs to the
//! connection that claimed the 4-tuple by a check with a valid MAC.
//!
//! The locks here are taken while that of a session may be held, for a look-up; nothing is locked under them.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};

use peerage_base::time::{Duration, Instant};
use peerage_session::demux::{Route, TransactionId, route};

use super::ends::Tuple;
use super::ready::Key;
use crate::cell::Cell;

/// How long an answer to a STUN request may take.
const TRANSACTION_LIFE: Duration = Duration::from_secs(40);
/// Most transactions remembered; the oldest give way.
const MAX_TRANSACTIONS: usize = 1 << 16;
/// Parts that the 4-tuples are divided into, so that shards seldom meet in one.
const STRIPES: usize = 16;

/// The tables.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    tuples: [RwLock<HashMap<Tuple, Target>>; STRIPES],
    ufrags: RwLock<HashMap<Box<str>, Target>>,
    transactions: Mutex<Transactions>,
    /// Connections that are not over.
    connections: AtomicUsize,
}

/// A connection, as long as there is one.
#[derive(Clone, Debug)]
struct Target {
    key: Key,
    cell: Weak<Cell>,
    /// Whether a check with a valid MAC came from there; for a 4-tuple that one has only left on, not yet.
    proven: bool,
}

#[derive(Debug, Default)]
struct Transactions {
    targets: HashMap<TransactionId, Target>,
    /// In order of their end.
    ends: VecDeque<(Instant, TransactionId)>,
}

impl Routes {
    /// A connection begins.
    pub(crate) fn enter(&self) {
        self.connections.fetch_add(1, Ordering::AcqRel);
    }

    /// A connection is over. `true`: it was the last one.
    pub(crate) fn leave(&self) -> bool {
        self.connections.fetch_sub(1, Ordering::AcqRel) == 1
    }

    /// How many connections are not over.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Acquire)
    }

    /// Whether there is no connection.
    pub(crate) fn is_empty(&self) -> bool {
        self.connections() == 0
    }

    /// The connection that has claimed a 4-tuple.
    pub(crate) fn owner(&self, tuple: &Tuple) -> Option<Arc<Cell>> {
        read(self.stripe(tuple)).get(tuple).filter(|target| target.proven)?.cell.upgrade()
    }

    /// The connection that a datagram names; `None`: it names none.
    pub(crate) fn named(&self, payload: &[u8]) -> Option<Arc<Cell>> {
        match route(payload) {
            Route::Request { local_ufrag, .. } => self.with_ufrag(local_ufrag),
            Route::Response { transaction } => lock(&self.transactions).targets.get(&transaction)?.cell.upgrade(),
            Route::Other => None,
        }
    }

    /// The connection that a user-name fragment of this side names.
    pub(crate) fn with_ufrag(&self, ufrag: &str) -> Option<Arc<Cell>> {
        read(&self.ufrags).get(ufrag)?.cell.upgrade()
    }

    /// Remembers where the answer to an outgoing STUN request belongs.
    pub(crate) fn sent(&self, now: Instant, cell: &Arc<Cell>, payload: &[u8]) {
        let Route::Request { transaction, .. } = route(payload) else { return };
        let Transactions { targets, ends } = &mut *lock(&self.transactions);
        while let Some((_, oldest)) = ends.front().filter(|(end, _)| *end <= now || ends.len() >= MAX_TRANSACTIONS) {
            targets.remove(oldest);
            ends.pop_front();
        }
        if targets.insert(transaction, Target::new(cell, false)).is_none() {
            ends.push_back((now + TRANSACTION_LIFE, transaction));
        }
    }

    pub(crate) fn add_ufrag(&self, ufrag: &str, cell: &Arc<Cell>) {
        write(&self.ufrags).insert(ufrag.into(), Target::new(cell, false));
    }

    pub(crate) fn remove_ufrag(&self, ufrag: &str) {
        write(&self.ufrags).remove(ufrag);
    }

    /// Gives a 4-tuple to a connection over which a check with a valid MAC came. `false`: it belongs to another one already.
    ///
    /// A reservation gives way to one that the peer decides about: where both sides begin connections to each other at once,
    /// each has reserved the 4-tuple for one of its own, and both move. It does not to one that is decided here, because
    /// that one moves.
    pub(crate) fn claim(&self, tuple: Tuple, cell: &Arc<Cell>, decides: bool) -> bool {
        let mut tuples = write(self.stripe(&tuple));
        let target = tuples.entry(tuple).or_insert_with(|| Target::new(cell, true));
        if target.key == cell.key() {
            target.proven = true;
        } else if !target.proven && !decides {
            *target = Target::new(cell, true);
        }
        target.key == cell.key()
    }

    /// Keeps a 4-tuple for a connection that is about to check it. `false`: it belongs to another one already.
    pub(crate) fn reserve(&self, tuple: Tuple, cell: &Arc<Cell>) -> bool {
        write(self.stripe(&tuple)).entry(tuple).or_insert_with(|| Target::new(cell, false)).key == cell.key()
    }

    /// Whether a 4-tuple is kept for another connection that has not claimed it yet.
    pub(crate) fn is_promised(&self, tuple: &Tuple, key: Key) -> bool {
        read(self.stripe(tuple)).get(tuple).is_some_and(|target| !target.proven && target.key != key)
    }

    pub(crate) fn release(&self, tuple: &Tuple, key: Key) {
        let mut tuples = write(self.stripe(tuple));
        if tuples.get(tuple).is_some_and(|target| target.key == key) {
            tuples.remove(tuple);
        }
    }

    fn stripe(&self, tuple: &Tuple) -> &RwLock<HashMap<Tuple, Target>> {
        &self.tuples[usize::from(tuple.remote.port()) % STRIPES]
    }
}

impl Target {
    fn new(cell: &Arc<Cell>, proven: bool) -> Self {
        Self { key: cell.key(), cell: Arc::downgrade(cell), proven }
    }
}

fn read<T>(lock: &RwLock<T>) -> std::sync::RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> std::sync::RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

fn lock<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::testing::cell;

    fn tuple(port: u16) -> Tuple {
        Tuple { local: ([127, 0, 0, 1], 9).into(), remote: ([127, 0, 0, 1], port).into() }
    }

    fn key(found: Option<Arc<Cell>>) -> Option<Key> {
        found.map(|cell| cell.key())
    }

    #[test]
    fn a_tuple_belongs_to_who_claimed_it_first() {
        let (one, two) = (cell(Key(1)), cell(Key(2)));
        let routes = Routes::default();
        assert!(routes.claim(tuple(1), &one, true));
        assert!(routes.claim(tuple(1), &one, true));
        assert!(!routes.claim(tuple(1), &two, false));
        routes.release(&tuple(1), Key(2));
        assert_eq!(key(routes.owner(&tuple(1))), Some(Key(1)));
        routes.release(&tuple(1), Key(1));
        assert_eq!(key(routes.owner(&tuple(1))), None);
        assert!(routes.claim(tuple(1), &two, true));
        drop(two);
        assert_eq!(key(routes.owner(&tuple(1))), None, "a connection that is gone gets nothing");
    }

    #[test]
    fn a_tuple_that_a_check_left_on_is_kept_from_others_that_are_decided_here_and_leads_nobody_before_it_is_claimed() {
        let (one, two, three) = (cell(Key(1)), cell(Key(2)), cell(Key(3)));
        let routes = Routes::default();
        assert!(routes.reserve(tuple(1), &one) && routes.reserve(tuple(1), &one));
        assert_eq!(key(routes.owner(&tuple(1))), None);
        assert!(!routes.reserve(tuple(1), &two) && !routes.claim(tuple(1), &two, true));
        assert!(routes.is_promised(&tuple(1), Key(2)) && !routes.is_promised(&tuple(1), Key(1)));
        // One that the peer decides about takes it, and keeps it.
        assert!(routes.claim(tuple(1), &three, false));
        assert_eq!(key(routes.owner(&tuple(1))), Some(Key(3)));
        assert!(!routes.reserve(tuple(1), &one) && !routes.claim(tuple(1), &one, true));
        assert!(!routes.is_promised(&tuple(1), Key(1)));
        routes.release(&tuple(1), Key(1));
        assert_eq!(key(routes.owner(&tuple(1))), Some(Key(3)));
    }

    #[test]
    fn answers_find_the_connection_that_asked_until_they_are_too_late() {
        let mut request = [0u8; 20];
        request[1] = 1;
        request[4..8].copy_from_slice(&0x2112_A442u32.to_be_bytes());
        request[8] = 9;
        let mut answer = request;
        answer[0] = 1;
        let (five, six) = (cell(Key(5)), cell(Key(6)));
        let routes = Routes::default();
        routes.sent(Instant::ORIGIN, &five, &request);
        assert_eq!(key(routes.named(&answer)), Some(Key(5)));
        let mut other = request;
        other[8] = 10;
        routes.sent(Instant::ORIGIN + TRANSACTION_LIFE, &six, &other);
        assert_eq!(key(routes.named(&answer)), None);
    }

    #[test]
    fn the_last_connection_to_leave_is_told() {
        let routes = Routes::default();
        routes.enter();
        routes.enter();
        assert!(!routes.leave() && !routes.is_empty());
        assert!(routes.leave() && routes.is_empty());
    }
}
