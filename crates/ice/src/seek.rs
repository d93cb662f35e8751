//! Looking for a better pair while a relay carries the data, and for any pair once the selected one falls silent.

use alloc::vec::Vec;
use core::net::SocketAddr;

use peerage_base::path::LocalId;
use peerage_base::time::{Duration, Instant};

use crate::agent::Agent;
use crate::candidate::CandidateKind;
use crate::generation::{Remote, Seeking};
use crate::pair::{Pair, PairId};
use crate::stats::PairState;

/// Waits between two rounds of checks of direct pairs: the first, doubled each time up to the last.
const FIRST_WAIT: Duration = Duration::from_secs(2);
const LAST_WAIT: Duration = Duration::from_secs(64);
/// Pairs that a round checks.
const MAX_ROUND: usize = 20;
/// Least time between two times that everything is tried again.
const REVIVAL_INTERVAL: Duration = Duration::from_secs(30);
/// Least time between two checks that the owner asks for.
const HASTE_INTERVAL: Duration = Duration::from_secs(1);

impl Agent {
    /// Checks the selected pair now, once per second at most: the owner sees that what it sends is not acknowledged.
    ///
    /// A path that died is found out, and another one taken, within a second or two instead of after the next consent
    /// check, which may be six seconds off.
    pub fn hasten(&mut self, now: Instant) {
        let Some(path) = self.selected.map(|chosen| chosen.announced.path) else { return };
        if self.hastened_at.is_none_or(|at| at + HASTE_INTERVAL <= now) {
            self.hastened_at = Some(now);
            self.hasten_checks(now, |pair| pair.path == path);
        }
    }

    /// While the selected pair is relayed, direct pairs that failed are checked again from time to time: what stood in
    /// the way may have been a NAT that the other side had not opened yet, or a network since left.
    pub(crate) fn seek_direct(&mut self, now: Instant) {
        if !self.is_relayed() {
            self.current.seeking = None;
            return;
        }
        let seeking = self.current.seeking.get_or_insert(Seeking { rounds: 0, next: now + FIRST_WAIT });
        if seeking.next > now || seeking.rounds >= self.config.direct_rounds {
            return;
        }
        seeking.rounds += 1;
        seeking.next = now + (FIRST_WAIT * (1 << seeking.rounds.min(8))).min(LAST_WAIT);
        self.pair_again(true);
        self.recheck(|pair| !pair.is_relayed());
    }

    /// While nothing was found, failed pairs are checked again from time to time, if the owner wants it.
    pub(crate) fn seek_again(&mut self, now: Instant) {
        if self.next_recheck().is_some_and(|at| at <= now) {
            self.current.revived_at = Some(now);
            self.recheck(|_| true);
        }
    }

    /// When that is due.
    pub(crate) fn next_recheck(&self) -> Option<Instant> {
        let (every, begun) = (self.config.recheck?, self.current.started_at?);
        let at = self.current.revived_at.unwrap_or(begun) + every;
        let wanted = self.selected.is_none() && !self.own.lite && !self.failed && at < begun + self.config.patience;
        wanted.then_some(at)
    }

    /// Pairs what is not paired: losers that were dropped, and addresses that a peer's check through a relay showed,
    /// which may be open for others too. Not beyond as many pairs as a list may have, all that ever were in it counted:
    /// a peer that names third parties gains nothing.
    fn pair_again(&mut self, direct: bool) {
        let locals: Vec<LocalId> =
            self.locals.iter().filter(|local| !direct || !local.kind().is_relay()).map(|local| local.id).collect();
        let named = |remote: &&Remote| !direct || remote.candidate.kind != CandidateKind::Relayed;
        let remotes: Vec<(SocketAddr, bool)> =
            self.current.remotes.iter().filter(named).map(|remote| (remote.address, remote.is_tcp())).collect();
        for (address, tcp) in remotes {
            for id in &locals {
                if (self.current.pairs_made as usize) < self.config.max_pairs {
                    self.make_pair(*id, address, tcp, false);
                }
            }
        }
        if self.current.concluded {
            self.current.busy_at = Some(self.decided_at);
        }
    }

    /// When the next round begins.
    pub(crate) fn next_round(&self) -> Option<Instant> {
        self.current.seeking.filter(|seeking| seeking.rounds < self.config.direct_rounds).map(|seeking| seeking.next)
    }

    /// Whether a relayed pair of this generation carries the data for good, as far as anyone knows.
    pub(crate) fn is_relayed(&self) -> bool {
        let chosen = self.selected.filter(|chosen| chosen.generation == self.current.number);
        let relayed = |pair: &Pair| pair.is_relayed() && pair.nominated.is_some();
        chosen.is_some() && !self.own.lite && self.chosen_pair().is_some_and(relayed)
    }

    /// Tries again whatever could work instead of a selected pair that owes answers or is gone, without a restart: pairs
    /// that were dropped as losers are made anew, those that failed are checked again.
    pub(crate) fn revive(&mut self, now: Instant) {
        let recent = self.current.revived_at.is_some_and(|at| at + REVIVAL_INTERVAL > now);
        if recent || self.own.lite || self.current.peer.is_none() {
            return;
        }
        self.current.revived_at = Some(now);
        self.pair_again(false);
        self.recheck(|_| true);
    }

    /// Lets the best of the failed pairs that the predicate names be checked again, by few packets.
    fn recheck(&mut self, named: impl Fn(&Pair) -> bool) {
        let failed = |pair: &&Pair| pair.state == PairState::Failed && named(pair) && self.can_retry(pair);
        let mut failed: Vec<(u64, PairId)> =
            self.current.checklist.iter().filter(failed).map(|pair| (pair.priority, pair.id)).collect();
        failed.sort_by_key(|(priority, _)| core::cmp::Reverse(*priority));
        for (_, id) in failed.into_iter().take(MAX_ROUND) {
            self.current.checklist.retry(id);
            if let Some(pair) = self.current.checklist.get_mut(id) {
                pair.rechecked = true;
            }
        }
    }
}
