//! TCP connections of pairs (RFC 6544 §7.1, §11.1).

use alloc::vec::Vec;

use peerage_base::path::Path;
use peerage_base::time::{Instant, earliest};

use crate::agent::Agent;
use crate::candidate::TcpType;
use crate::event::{Event, Need, NeedId, State};
use crate::local::LocalKind;
use crate::pair::{Connection, Pair, PairId};
use crate::stats::{PairEvent, PairState};

/// How often a connection that had worked is opened again.
const MAX_REOPENED: u8 = 2;

impl Agent {
    /// Whether a check could leave on the pair now, or its connection be asked for.
    pub(crate) fn is_ready(&self, pair: &Pair) -> bool {
        let room = || self.generations().flat_map(|g| g.checklist.iter()).filter(|p| is_opening(p)).count();
        self.is_up(pair)
            && match pair.connection {
                Connection::Needless | Connection::Open => true,
                Connection::Absent => self.opens(pair) && room() < self.config.max_connecting,
                Connection::Opening(_) => false,
            }
    }

    /// Whether this side can try the pair again: a connection of the peer's making only the peer can repeat.
    pub(crate) fn can_retry(&self, pair: &Pair) -> bool {
        !pair.revoked && (!pair.is_tcp() || self.opens(pair))
    }

    /// Sees to the pair's connection before its first check; false if that has to wait for it.
    pub(crate) fn connect(&mut self, now: Instant, id: PairId) -> bool {
        let Some(pair) = self.current.checklist.get(id) else { return false };
        if pair.is_open() {
            return true;
        }
        let path = pair.path;
        // From before a restart, or opened by the peer at the same time: the connection is the same path.
        let shared = self.generations().any(|g| g.checklist.iter().any(|p| p.path == path && is_established(p)))
            || self.accepted.iter().any(|(accepted, _)| *accepted == path);
        let until = now + self.config.connect_timeout;
        let need = NeedId(self.next_need);
        self.current.checklist.untrigger(id);
        let Some(pair) = self.current.checklist.get_mut(id) else { return false };
        if shared {
            pair.connection = Connection::Open;
            self.identified(path);
            return true;
        }
        pair.state = PairState::InProgress;
        pair.connection = Connection::Opening(until);
        pair.note(now, PairEvent::Connecting);
        self.counters.connects += 1;
        self.next_need = self.next_need.wrapping_add(1);
        self.events.push_back(Event::Need(need, Need::Connect(path)));
        false
    }

    /// A connection is there: one that was asked for is checked at once, one of the peer's has to identify itself soon.
    pub(crate) fn connected(&mut self, now: Instant, path: Path) {
        let mut known = false;
        for pair in self.generations_mut().flat_map(|g| g.checklist.iter_mut()).filter(|pair| pair.path == path) {
            known |= pair.is_connecting();
            if is_opening(pair) {
                pair.connection = Connection::Open;
            }
        }
        if known {
            let waiting = self.current.checklist.by_path(path).filter(|pair| pair.state == PairState::InProgress);
            if let Some(id) = waiting.map(|pair| pair.id) {
                self.current.checklist.trigger(id);
            }
            return;
        }
        let accepts = self.state != State::Closed
            && self.local(path.local).is_some_and(|local| local.kind() != LocalKind::Tcp(TcpType::Active));
        let listed = self.accepted.iter().any(|(other, _)| *other == path);
        if accepts && (listed || self.accepted.len() < self.config.max_connecting) {
            if !listed {
                self.accepted.push((path, now + self.config.connect_timeout));
            }
        } else {
            if accepts {
                self.drops.count().limit += 1;
            }
            self.events.push_back(Event::Disconnect(path));
        }
    }

    /// A connection ended or could not be established. One that had worked is tried again.
    pub(crate) fn connection_lost(&mut self, now: Instant, path: Path) {
        self.accepted.retain(|(other, _)| *other != path);
        let opens = self.local(path.local).is_some_and(|local| opens(local.kind()));
        let current = self.current.number;
        let (mut released, mut lost) = (false, false);
        for generation in self.generations_mut() {
            let number = generation.number;
            for pair in generation.checklist.iter_mut().filter(|p| p.path == path && p.is_connecting()) {
                let again = opens && pair.valid.is_some() && pair.reopened < MAX_REOPENED && number == current;
                pair.fail();
                pair.connection = Connection::Absent;
                pair.note(now, PairEvent::Disconnected);
                lost = true;
                released |= core::mem::take(&mut pair.claimed);
                if again {
                    pair.reopened += 1;
                    pair.state = PairState::Waiting;
                }
            }
        }
        self.counters.connects_failed += u32::from(lost);
        if released {
            self.released(path);
        }
    }

    /// The peer identified itself on the connection: it belongs to a pair now.
    pub(crate) fn identified(&mut self, path: Path) {
        self.accepted.retain(|(other, _)| *other != path);
    }

    /// Gives up connections that take too long, and those of pairs that failed.
    pub(crate) fn expire_connections(&mut self, now: Instant) {
        let mut closed: Vec<Path> = Vec::new();
        let mut released: Vec<Path> = Vec::new();
        let mut failed = 0;
        for pair in self.generations_mut().flat_map(|g| g.checklist.iter_mut()).filter(|pair| pair.is_connecting()) {
            if matches!(pair.connection, Connection::Opening(until) if until <= now) {
                pair.fail();
                pair.note(now, PairEvent::Disconnected);
                failed += 1;
            }
            if pair.state == PairState::Failed {
                pair.connection = Connection::Absent;
                closed.push(pair.path);
                if core::mem::take(&mut pair.claimed) {
                    released.push(pair.path);
                }
            }
        }
        released.into_iter().for_each(|path| self.released(path));
        self.counters.connects_failed += failed;
        closed.extend(self.accepted.extract_if(.., |(_, until)| *until <= now).map(|(path, _)| path));
        closed.into_iter().for_each(|path| self.disconnected(path));
    }

    /// When a connection is given up.
    pub(crate) fn next_connection(&self) -> Option<Instant> {
        let opening = self.generations().flat_map(|g| g.checklist.iter()).filter_map(|pair| match pair.connection {
            Connection::Opening(until) => Some(until),
            _ => None,
        });
        earliest(opening.min(), self.accepted.iter().map(|(_, until)| *until).min())
    }

    /// Lets the owner close a connection that no pair uses any more.
    pub(crate) fn disconnected(&mut self, path: Path) {
        if !self.generations().any(|g| g.checklist.iter().any(|pair| pair.path == path && pair.is_connecting())) {
            self.events.push_back(Event::Disconnect(path));
        }
    }

    fn opens(&self, pair: &Pair) -> bool {
        self.local(pair.path.local).is_some_and(|local| opens(local.kind()))
    }
}

const fn opens(kind: LocalKind) -> bool {
    matches!(kind, LocalKind::Tcp(TcpType::Active | TcpType::SimultaneousOpen))
}

const fn is_opening(pair: &Pair) -> bool {
    matches!(pair.connection, Connection::Opening(_))
}

const fn is_established(pair: &Pair) -> bool {
    matches!(pair.connection, Connection::Open)
}
