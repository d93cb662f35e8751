//! Which connection a datagram belongs to.
//!
//! Checks name the local user-name fragment; answers repeat a transaction id that left here; all else belongs to the
//! connection that claimed the 4-tuple by a check with a valid MAC.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};

use peerage_base::time::{Duration, Instant};
use peerage_session::demux::{Route, TransactionId, route};

use super::ready::Key;

/// How long an answer to a STUN request may take.
const TRANSACTION_LIFE: Duration = Duration::from_secs(40);
/// Most transactions remembered; the oldest give way.
const MAX_TRANSACTIONS: usize = 1 << 16;

/// A local socket and address, and the remote address it talks to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Tuple {
    /// Index of the socket.
    pub(crate) socket: usize,
    /// The address of this machine that the datagram was sent to.
    pub(crate) local: IpAddr,
    /// The other side.
    pub(crate) remote: SocketAddr,
}

/// The tables.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    ufrags: HashMap<String, Key>,
    tuples: HashMap<Tuple, Key>,
    transactions: HashMap<TransactionId, Key>,
    /// In order of their end.
    transaction_ends: VecDeque<(Instant, TransactionId)>,
}

impl Routes {
    /// The connection that `payload` from `tuple` belongs to, and the one that the 4-tuple does.
    pub(crate) fn find(&self, tuple: &Tuple, payload: &[u8]) -> (Option<Key>, Option<Key>) {
        let owner = self.tuples.get(tuple).copied();
        let named = match route(payload) {
            Route::Request { local_ufrag, .. } => self.named(local_ufrag),
            Route::Response { transaction } => self.transactions.get(&transaction).copied(),
            Route::Other => None,
        };
        (named.or(owner), owner)
    }

    /// The connection that a user-name fragment of this side names.
    pub(crate) fn named(&self, ufrag: &str) -> Option<Key> {
        self.ufrags.get(ufrag).copied()
    }

    /// Remembers where the answer to an outgoing STUN request belongs.
    pub(crate) fn sent(&mut self, now: Instant, key: Key, payload: &[u8]) {
        let Route::Request { transaction, .. } = route(payload) else { return };
        while let Some((_, oldest)) = self
            .transaction_ends
            .front()
            .filter(|(end, _)| *end <= now || self.transaction_ends.len() >= MAX_TRANSACTIONS)
        {
            self.transactions.remove(oldest);
            self.transaction_ends.pop_front();
        }
        if self.transactions.insert(transaction, key).is_none() {
            self.transaction_ends.push_back((now + TRANSACTION_LIFE, transaction));
        }
    }

    pub(crate) fn add_ufrag(&mut self, ufrag: String, key: Key) {
        self.ufrags.insert(ufrag, key);
    }

    pub(crate) fn remove_ufrag(&mut self, ufrag: &str) {
        self.ufrags.remove(ufrag);
    }

    /// Gives a 4-tuple to a connection. `false`: it belongs to another one already.
    pub(crate) fn claim(&mut self, tuple: Tuple, key: Key) -> bool {
        *self.tuples.entry(tuple).or_insert(key) == key
    }

    pub(crate) fn release(&mut self, tuple: &Tuple, key: Key) {
        if self.tuples.get(tuple) == Some(&key) {
            self.tuples.remove(tuple);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tuple(port: u16) -> Tuple {
        Tuple { socket: 0, local: [127, 0, 0, 1].into(), remote: ([127, 0, 0, 1], port).into() }
    }

    #[test]
    fn a_tuple_belongs_to_who_claimed_it_first() {
        let mut routes = Routes::default();
        assert!(routes.claim(tuple(1), Key(1)));
        assert!(routes.claim(tuple(1), Key(1)));
        assert!(!routes.claim(tuple(1), Key(2)));
        routes.release(&tuple(1), Key(2));
        assert_eq!(routes.find(&tuple(1), &[22]), (Some(Key(1)), Some(Key(1))));
        routes.release(&tuple(1), Key(1));
        assert_eq!(routes.find(&tuple(1), &[22]), (None, None));
        assert!(routes.claim(tuple(1), Key(2)));
    }

    #[test]
    fn answers_find_the_connection_that_asked_until_they_are_too_late() {
        let mut request = [0u8; 20];
        request[1] = 1;
        request[4..8].copy_from_slice(&0x2112_A442u32.to_be_bytes());
        request[8] = 9;
        let mut answer = request;
        answer[0] = 1;
        let mut routes = Routes::default();
        routes.sent(Instant::ORIGIN, Key(5), &request);
        assert_eq!(routes.find(&tuple(1), &answer), (Some(Key(5)), None));
        let mut other = request;
        other[8] = 10;
        routes.sent(Instant::ORIGIN + TRANSACTION_LIFE, Key(6), &other);
        assert_eq!(routes.find(&tuple(1), &answer), (None, None));
    }
}
