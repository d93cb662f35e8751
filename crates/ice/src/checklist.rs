//! The pairs of one generation and the order they are checked in (RFC 8445 §6.1.2, §6.1.4).

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::IpAddr;

use peerage_base::path::Path;
use peerage_stun::header::TransactionId;

use crate::config::Role;
use crate::pair::{Check, End, Foundation, Pair, PairId};
use crate::priority::pair_priority;
use crate::stats::PairState;

/// The pairs of one generation. At most one per path: what would be a second is redundant (RFC 8445 §6.1.2.4).
#[derive(Clone, Debug, Default)]
pub(crate) struct Checklist {
    pairs: Vec<Pair>,
    /// Pairs whose check answers a check of the peer, oldest first (RFC 8445 §6.1.4.1).
    triggered: VecDeque<PairId>,
    next_id: u32,
}

impl Checklist {
    /// Adds a pair, in place of the least one if `max` are there; `None` if it is the least itself.
    ///
    /// The pair that was put out is answered too.
    pub fn insert(
        &mut self,
        path: Path,
        (local, remote): (End, End),
        foundation: Foundation,
        role: Role,
        max: usize,
    ) -> Option<(PairId, Option<Pair>)> {
        let priority = pair_priority(role, local.priority, remote.priority);
        let evicted = if self.pairs.len() < max { None } else { Some(self.evict(priority)?) };
        let id = PairId(self.next_id);
        self.next_id = self.next_id.wrapping_add(1);
        let mut pair = Pair::new(id, path, (local, remote), foundation, priority);
        if !self.must_wait(foundation) {
            pair.state = PairState::Waiting;
        }
        self.pairs.push(pair);
        Some((id, evicted))
    }

    /// Removes the pairs that `drop_it` names and answers them.
    pub fn remove(&mut self, mut drop_it: impl FnMut(&Pair) -> bool) -> Vec<Pair> {
        let removed: Vec<Pair> = self.pairs.extract_if(.., |pair| drop_it(pair)).collect();
        if !removed.is_empty() {
            let pairs = &self.pairs;
            self.triggered.retain(|id| pairs.iter().any(|pair| pair.id == *id));
        }
        removed
    }

    /// Gives back what is not used.
    pub fn shrink(&mut self) {
        self.pairs.shrink_to_fit();
        self.triggered.shrink_to_fit();
        for pair in &mut self.pairs {
            pair.checks.shrink_to_fit();
            pair.carried.shrink_to_fit();
        }
    }

    /// Puts the pair into the triggered-check queue, unless it is there already (RFC 8445 §7.3.1.4).
    pub fn trigger(&mut self, id: PairId) {
        let Some(pair) = self.get_mut(id) else { return };
        pair.state = PairState::Waiting;
        pair.cancel_checks();
        if !self.triggered.contains(&id) {
            self.triggered.push_back(id);
        }
    }

    /// Lets the pair be checked again in its turn.
    pub fn retry(&mut self, id: PairId) {
        let Some(pair) = self.get_mut(id) else { return };
        pair.state = PairState::Waiting;
        pair.cancel_checks();
    }

    /// Takes the pair out of the triggered-check queue.
    pub fn untrigger(&mut self, id: PairId) {
        self.triggered.retain(|other| *other != id);
    }

    /// The pair whose check is to be sent next on request of the peer.
    pub fn next_triggered(&self, may_send: impl Fn(&Pair) -> bool) -> Option<PairId> {
        self.triggered.iter().copied().find(|id| self.get(*id).is_some_and(&may_send))
    }

    /// The pair whose check is to be sent next on this side's own account (RFC 8445 §6.1.4.2).
    pub fn next_ordinary(&self, may_send: impl Fn(&Pair) -> bool) -> Option<PairId> {
        let of =
            |state: PairState| self.pairs.iter().filter(move |pair| pair.state == state).filter(|pair| may_send(pair));
        let waiting = of(PairState::Waiting).max_by_key(|pair| pair.priority);
        let thawing = || of(PairState::Frozen).filter(|p| !self.must_wait(p.foundation)).max_by_key(|p| p.priority);
        waiting.or_else(thawing).map(|pair| pair.id)
    }

    /// The relayed pair that is the likeliest to work: towards an address that a relay can reach, then by priority; or,
    /// with `both`, one that is relayed at both ends, which works wherever relays are all that gets through.
    pub fn next_relayed(&self, both: bool, may_send: impl Fn(&Pair) -> bool) -> Option<PairId> {
        let free =
            |p: &Pair| p.state == PairState::Waiting || p.state == PairState::Frozen && !self.must_wait(p.foundation);
        let relayed = self.pairs.iter().filter(|pair| pair.is_relayed() && free(pair) && may_send(pair));
        let rank = |pair: &&Pair| (both && pair.is_relayed_twice(), is_global(pair.remote.address.ip()), pair.priority);
        relayed.max_by_key(rank).map(|pair| pair.id)
    }

    /// A check succeeded: pairs of the same foundation need not wait any more (RFC 8445 §7.2.5.3.3).
    pub fn unfreeze(&mut self, foundation: Foundation) {
        for pair in self.pairs.iter_mut().filter(|pair| pair.foundation == foundation) {
            if pair.state == PairState::Frozen {
                pair.state = PairState::Waiting;
            }
        }
    }

    /// Recomputes priorities for another role (RFC 8445 §7.3.1.1).
    pub fn set_role(&mut self, role: Role) {
        for pair in &mut self.pairs {
            pair.priority = pair_priority(role, pair.local.priority, pair.remote.priority);
        }
    }

    pub fn get(&self, id: PairId) -> Option<&Pair> {
        self.pairs.iter().find(|pair| pair.id == id)
    }

    pub fn get_mut(&mut self, id: PairId) -> Option<&mut Pair> {
        self.pairs.iter_mut().find(|pair| pair.id == id)
    }

    pub fn by_path(&self, path: Path) -> Option<&Pair> {
        self.pairs.iter().find(|pair| pair.path == path)
    }

    pub fn by_check(&mut self, id: TransactionId) -> Option<(&mut Pair, Check)> {
        self.pairs.iter_mut().find_map(|pair| pair.take_check(id).map(|check| (pair, check)))
    }

    pub fn iter(&self) -> impl Iterator<Item = &Pair> {
        self.pairs.iter()
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Pair> {
        self.pairs.iter_mut()
    }

    /// N·(waiting + in progress) of RFC 8445 §14.3.
    pub fn active(&self) -> usize {
        self.pairs.iter().filter(|p| matches!(p.state, PairState::Waiting | PairState::InProgress)).count()
    }

    /// Whether a pair of the foundation has to wait for another of it (RFC 8445 §6.1.2.6, RFC 8838 §12).
    ///
    /// One that is no longer promising holds nobody up: foundations are the peer's word, and some peers give all of their
    /// candidates the same.
    fn must_wait(&self, foundation: Foundation) -> bool {
        let same = || self.pairs.iter().filter(|pair| pair.foundation == foundation);
        let ahead =
            |pair: &Pair| matches!(pair.state, PairState::Waiting | PairState::InProgress) && pair.is_promising();
        !same().any(|pair| pair.state == PairState::Succeeded) && same().any(ahead)
    }

    /// Makes room for a pair of that priority; pairs that carried something authenticated stay.
    fn evict(&mut self, priority: u64) -> Option<Pair> {
        let expendable = self.pairs.iter().enumerate().filter(|(_, p)| p.valid.is_none() && !p.claimed && !p.revoked);
        let (index, least) = expendable.min_by_key(|(_, p)| (p.state != PairState::Failed, p.priority))?;
        if least.state != PairState::Failed && least.priority >= priority {
            return None;
        }
        let pair = self.pairs.remove(index);
        self.untrigger(pair.id);
        Some(pair)
    }
}

/// Whether the address may mean the same to hosts elsewhere.
fn is_global(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => {
            let shared = v4.octets()[0] == 100 && v4.octets()[1] & 0xC0 == 64;
            !v4.is_private() && !v4.is_loopback() && !v4.is_link_local() && !shared
        }
        IpAddr::V6(v6) => !v6.is_loopback() && !v6.is_unicast_link_local() && !v6.is_unique_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::candidate::CandidateKind;
    use core::net::SocketAddr;
    use peerage_base::path::LocalId;

    fn end(priority: u32) -> End {
        End { kind: CandidateKind::Host, address: SocketAddr::from(([192, 0, 2, 1], 5000)), priority }
    }

    fn insert(list: &mut Checklist, port: u16, priority: u32, foundation: Foundation, max: usize) -> Option<PairId> {
        let path = Path { local: LocalId(0), remote: SocketAddr::from(([192, 0, 2, 2], port)) };
        list.insert(path, (end(100), end(priority)), foundation, Role::Controlling, max).map(|(id, _)| id)
    }

    #[test]
    fn one_pair_of_a_foundation_goes_first_and_frees_the_others() {
        let mut list = Checklist::default();
        let first = insert(&mut list, 1, 10, (1, 1), 9).unwrap();
        let second = insert(&mut list, 2, 20, (1, 1), 9).unwrap();
        let other = insert(&mut list, 3, 5, (1, 2), 9).unwrap();
        assert_eq!(list.get(second).unwrap().state, PairState::Frozen);
        assert_eq!(list.next_ordinary(|_| true), Some(first));
        list.get_mut(first).unwrap().state = PairState::InProgress;
        assert_eq!(list.next_ordinary(|_| true), Some(other));
        list.get_mut(other).unwrap().state = PairState::InProgress;
        assert_eq!(list.next_ordinary(|_| true), None);
        list.get_mut(first).unwrap().state = PairState::Failed;
        assert_eq!(list.next_ordinary(|_| true), Some(second));
        list.unfreeze((1, 1));
        assert_eq!(list.get(second).unwrap().state, PairState::Waiting);
    }

    #[test]
    fn a_full_list_keeps_the_best_and_what_was_authenticated() {
        let mut list = Checklist::default();
        let low = insert(&mut list, 1, 10, (1, 1), 2).unwrap();
        let mid = insert(&mut list, 2, 20, (1, 2), 2).unwrap();
        assert_eq!(insert(&mut list, 3, 5, (1, 3), 2), None);
        list.get_mut(low).unwrap().claimed = true;
        let high = insert(&mut list, 4, 30, (1, 4), 2).unwrap();
        assert!(list.get(low).is_some() && list.get(mid).is_none() && list.get(high).is_some());
    }

    #[test]
    fn triggered_checks_are_first_in_first_out_and_once_each() {
        let mut list = Checklist::default();
        let a = insert(&mut list, 1, 10, (1, 1), 9).unwrap();
        let b = insert(&mut list, 2, 20, (1, 2), 9).unwrap();
        for id in [b, a, b] {
            list.trigger(id);
        }
        assert_eq!(list.next_triggered(|_| true), Some(b));
        list.untrigger(b);
        assert_eq!(list.next_triggered(|_| true), Some(a));
        list.remove(|pair| pair.id == a);
        assert_eq!(list.next_triggered(|_| true), None);
    }
}
