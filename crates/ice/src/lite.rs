//! A lite agent: it answers checks, sends none, and follows its peer (RFC 8445 §2.5, §6.2, §7.3.2).

use peerage_base::time::Instant;

use crate::agent::Agent;
use crate::config::Role;
use crate::pair::{PairId, Valid};
use crate::stats::PairState;

impl Agent {
    /// Whether both sides are lite: nobody checks anything.
    pub(crate) const fn is_both_lite(&self) -> bool {
        self.own.lite && self.remote_lite
    }

    /// Whether the role is one that this side can have: a lite agent controls only another one, and a full agent always
    /// controls a lite one (RFC 8445 §6.1.1).
    pub(crate) const fn allows_role(&self, role: Role) -> bool {
        match role {
            Role::Controlling => !self.own.lite || self.remote_lite,
            Role::Controlled => self.own.lite || !self.remote_lite,
        }
    }

    /// A check of the peer is all that a lite agent has to go by: it keeps a valid pair valid, and a nomination makes it
    /// one (RFC 8445 §7.3.2).
    pub(crate) fn follow_check(&mut self, now: Instant, id: PairId, nomination: Option<u32>) {
        let Some(pair) = self.current.checklist.get(id) else { return };
        if pair.valid.is_some() || nomination.is_some() {
            self.make_valid(now, id);
        }
        if let Some(value) = nomination {
            self.nominated_by_peer(now, id, value);
        }
    }

    /// Two lite agents take the pair of highest priority, since no check will ever tell them more (RFC 8445 §6.2).
    pub(crate) fn choose_unchecked(&mut self, now: Instant) {
        if !self.is_both_lite() || self.current.peer.is_none() {
            return;
        }
        let up = self.current.checklist.iter().filter(|pair| self.is_up(pair));
        let Some(best) = up.max_by_key(|pair| pair.priority) else { return };
        let (id, path, claimed) = (best.id, best.path, best.claimed);
        self.make_valid(now, id);
        for pair in self.current.checklist.iter_mut() {
            pair.nominated = (pair.id == id).then_some(0);
        }
        if let Some(pair) = self.current.checklist.get_mut(id).filter(|_| !claimed) {
            pair.claimed = true;
            self.claim(path);
        }
    }

    fn make_valid(&mut self, now: Instant, id: PairId) {
        let Some(pair) = self.current.checklist.get_mut(id) else { return };
        let since = pair.valid.map_or(now, |valid| valid.since);
        let local = pair.valid.map_or(pair.local, |valid| valid.local);
        pair.state = PairState::Succeeded;
        pair.valid = Some(Valid { local, since, answered_at: now, next_check: now, owed: 0, owed_since: now });
        self.current.first_valid_at.get_or_insert(now);
    }
}
