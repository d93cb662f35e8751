//! What a session asks of its home shard.

use std::sync::{Arc, PoisonError};

use peerage_base::path::Path;
use peerage_session::event::{Event, Need};

use super::driver::{Driver, Entry};
use super::ends::Way;
use super::ready::Key;
use super::routes::Routes;
use crate::cell::{Cell, State};

impl Driver {
    pub(super) fn see_to(&mut self, cell: &Arc<Cell>, state: &mut State, need: Event) {
        let key = cell.key();
        match need {
            Event::Claimed(path) => self.settle(state, path),
            Event::LocalUfrags => {
                if let Some(entry) = self.connections.get_mut(&key) {
                    entry.add_ufrag(state.session.local_ufrag(), &self.routes);
                }
            }
            Event::Need(_, Need::LocalAddresses) => self.give_addresses(key, state),
            Event::Need(id, Need::ResolveHost(name)) => self.names.host(name, id, Arc::downgrade(cell)),
            Event::Need(id, Need::ResolveMdns(name)) => self.names.local(name, id, Arc::downgrade(cell)),
            Event::Need(id, Need::Probes { base, count }) => self.give_probes(key, state, id, base, count),
            Event::Connect(wanted) => self.connect(key, state, wanted),
            Event::Disconnect(path) => self.disconnect(state, path),
            Event::ReleaseLocal(id) => self.release_local(state, id),
            Event::KeyLog(line) => {
                if let Some(log) = &self.key_log {
                    log.lock().unwrap_or_else(PoisonError::into_inner).write(&line.0);
                }
            }
            _ => {}
        }
    }

    /// A connection is new here: what names it must lead to it.
    pub(super) fn learn_ufrag(&mut self, key: Key) {
        let Some(entry) = self.connections.get_mut(&key) else { return };
        let cell = entry.cell.clone();
        entry.add_ufrag(cell.lock().session.local_ufrag(), &self.routes);
    }

    /// An accepted stream has proved to be the connection's.
    fn settle(&mut self, state: &State, path: Path) {
        if let Some(Way::Stream(id)) = state.ends.ways().get(&path)
            && let Some(owner) = self.streams.get_mut(*id).and_then(|entry| entry.owner.as_mut())
        {
            owner.settled = true;
        }
    }
}

impl Entry {
    /// Keeps the latest generations answerable: a restart needs the one before it.
    fn add_ufrag(&mut self, ufrag: &str, routes: &Routes) {
        const GENERATIONS: usize = 3;
        if self.ufrags.iter().any(|of| **of == *ufrag) {
            return;
        }
        if self.ufrags.len() == GENERATIONS {
            routes.remove_ufrag(&self.ufrags.remove(0));
        }
        routes.add_ufrag(ufrag, &self.cell);
        self.ufrags.push(ufrag.into());
    }
}
