//! Nomination and selection (RFC 8445 §8.1, §12.1).

use core::cmp::Reverse;

use peerage_base::redact::Redacted;
use peerage_base::time::{Duration, Instant};

use crate::agent::{Agent, Chosen};
use crate::config::Role;
use crate::event::{Event, Selected};
use crate::generation::Generation;
use crate::pair::{Pair, PairId};
use crate::priority::pair_priority;

impl Agent {
    /// Nominates the best pair once it is clear, or clear enough, that it is the best.
    ///
    /// RFC 8445 §8.1.1 ends with the first nomination. A later one here goes to a pair of higher priority, which peers
    /// that follow the highest and peers that follow the latest nomination take alike, or to a backup when the nominated
    /// pair died, where there is nothing to lose.
    pub(crate) fn nominate(&mut self, now: Instant) {
        if self.role != Role::Controlling || self.current.peer.is_none() {
            return;
        }
        // Without a better pair, the probes of this one go on to say it: a new nomination would say no more.
        let stands = |pair: &Pair| self.is_usable(pair) && !self.is_demoted(&self.current, pair);
        if let Some((id, _)) = self.current.nominating
            && !self.current.checklist.get(id).is_some_and(stands)
        {
            self.current.nominating = None;
        }
        let Some(best) = self.best(&self.current, |pair| Reverse(self.is_demoted(&self.current, pair))) else { return };
        let target = self.current.nominating.map(|(id, _)| id).or_else(|| self.nominated().map(|pair| pair.id));
        let target = target.and_then(|id| self.current.checklist.get(id));
        let go = match target {
            None => self.is_ripe(now, best),
            Some(target) if target.id == best.id => false,
            Some(target) if self.is_demoted(&self.current, target) => true,
            Some(target) => self.seen_priority(best) > self.seen_priority(target) && self.is_ripe(now, best),
        };
        if go {
            let id = best.id;
            self.begin_nomination(now, id);
        }
    }

    /// The answer to a check with USE-CANDIDATE came (RFC 8445 §7.2.5.3.4).
    pub(crate) fn nomination_heard(&mut self, now: Instant, id: PairId) {
        let current = &mut self.current;
        let value = current.nominating.filter(|(pair, _)| *pair == id).map(|(_, value)| value);
        let Some(pair) = current.checklist.get_mut(id) else { return };
        let newly = value.is_some() || pair.nominated.is_none();
        pair.nominated = value.or(pair.nominated).or(Some(0));
        if value.is_some() {
            current.nominating = None;
        }
        if newly {
            current.busy_at = Some(now);
        }
    }

    /// A check of the peer nominates the pair: now if it is valid, else once it is (RFC 8445 §7.3.1.5).
    pub(crate) fn nominated_by_peer(&mut self, now: Instant, id: PairId, value: u32) {
        let Some(pair) = self.current.checklist.get_mut(id) else { return };
        if pair.valid.is_none() {
            pair.to_nominate = Some(value);
            return;
        }
        // A nomination without a value says nothing of order: aggressive peers give it to every pair.
        let moved = value > 0 && pair.nominated_order != self.current.heard_nominations;
        if moved || value > 0 && pair.nominated_order == 0 {
            self.current.heard_nominations += 1;
            pair.nominated_order = self.current.heard_nominations;
        }
        if pair.nominated.replace(value) != Some(value) {
            self.current.busy_at = Some(now);
            // The peer may have moved, as behind a NAT that forgot it: whether the selected pair still works shows soon.
            let selected = self.selected.map(|chosen| chosen.pair);
            self.hasten_checks(now, |pair| Some(pair.id) == selected);
        }
    }

    /// Chooses the pair to send on and tells of changes.
    pub(crate) fn select(&mut self, now: Instant) {
        let choice = self.choice(now).map(|(generation, pair)| (generation.number, pair.id, announcement(pair)));
        let before = self.selected.map(|chosen| chosen.announced);
        match choice {
            Some((generation, pair, announced)) => {
                self.selected = Some(Chosen { generation, pair, announced });
                self.lost_at = None;
                self.failed = false;
                if before.is_none_or(|before| Selected { rtt: None, ..before } != Selected { rtt: None, ..announced }) {
                    tracing::debug!(
                        local = %announced.path.local, remote = %Redacted(announced.path.remote), nominated = announced.nominated,
                        "pair selected"
                    );
                    self.events.push_back(Event::Selected(announced));
                    self.keep_fresh(now, generation, pair);
                } else if let Some(chosen) = &mut self.selected {
                    chosen.announced = before.unwrap_or(announced);
                }
                if generation == self.current.number && self.chosen_pair().is_some_and(Pair::is_failing) {
                    self.revive(now);
                }
            }
            None => {
                if self.selected.take().is_some() {
                    self.lost_at = Some(now);
                    self.revive(now);
                }
            }
        }
    }

    /// When a pair that was just answered is checked again.
    pub(crate) fn next_check(&mut self, now: Instant, generation: u32, id: PairId) -> Instant {
        let backup = self
            .selected
            .is_some_and(|chosen| chosen.announced.nominated && (chosen.generation, chosen.pair) != (generation, id));
        let mean = if backup { self.config.keepalive } else { self.config.consent_interval };
        self.randomised(now, mean)
    }

    /// Whether data could be sent on the pair.
    pub(crate) fn is_usable(&self, pair: &Pair) -> bool {
        pair.valid.is_some() && self.is_up(pair)
    }

    /// The nominated pair; the latest, then the best, of several.
    fn nominated(&self) -> Option<&Pair> {
        let nominated = self.current.checklist.iter().filter(|pair| pair.nominated.is_some() && self.is_usable(pair));
        nominated.max_by_key(|pair| (pair.nominated, self.seen_priority(pair)))
    }

    fn choice(&self, now: Instant) -> Option<(&Generation, &Pair)> {
        let rank =
            |g: &Generation, pair: &Pair| (Reverse(self.is_demoted(g, pair)), pair.nominated, pair.nominated_order);
        let new = self.best(&self.current, |pair| rank(&self.current, pair)).map(|pair| (&self.current, pair));
        let old = self.previous.as_deref().and_then(|g| Some((g, self.best(g, |pair| rank(g, pair))?)));
        match (new, old) {
            // Make before break: what carries data goes on until its successor is agreed on, or is needed.
            (Some((_, new)), Some((old_generation, old)))
                if new.nominated.is_none() && !old.is_silent(now, self.config.disconnected_after) =>
            {
                Some((old_generation, old))
            }
            (new, old) => new.or(old),
        }
    }

    /// The usable pair of the highest rank, then of the highest priority.
    fn best<'a, R: Ord>(&'a self, generation: &'a Generation, rank: impl Fn(&Pair) -> R) -> Option<&'a Pair> {
        let usable = generation.checklist.iter().filter(|pair| self.is_usable(pair));
        usable.max_by_key(|pair| (rank(pair), self.seen_priority(pair)))
    }

    /// The priority of a valid pair as both sides know it: with the local candidate that the peer sees, which need not be
    /// the one that was paired (RFC 8445 §7.2.5.3.2).
    fn seen_priority(&self, pair: &Pair) -> u64 {
        pair.valid.map_or(pair.priority, |valid| pair_priority(self.role, valid.local.priority, pair.remote.priority))
    }

    /// Whether the pair owes answers while another one gave some: not if the whole network is gone.
    fn is_demoted(&self, generation: &Generation, pair: &Pair) -> bool {
        let Some(valid) = pair.valid.filter(|_| pair.is_failing()) else { return false };
        let usable = generation.checklist.iter().filter(|other| self.is_usable(other)).filter_map(|other| other.valid);
        usable.into_iter().any(|other| other.answered_at > valid.owed_since)
    }

    /// Whether no better pair is worth waiting for any longer.
    fn is_ripe(&self, now: Instant, best: &Pair) -> bool {
        let priority = self.seen_priority(best);
        let better = |pair: &Pair| pair.priority > priority && pair.is_promising() && self.is_up(pair);
        let waited = self.current.first_valid_at.is_none_or(|at| at + self.settle_time(best) <= now);
        waited || !self.current.checklist.iter().any(better)
    }

    pub(crate) fn settle_time(&self, pair: &Pair) -> Duration {
        if pair.is_relayed() { self.config.settle_relayed } else { self.config.settle }
    }

    fn begin_nomination(&mut self, now: Instant, id: PairId) {
        self.current.last_nomination += 1;
        self.current.nominating = Some((id, self.current.last_nomination));
        if let Some(valid) = self.current.checklist.get_mut(id).and_then(|pair| pair.valid.as_mut()) {
            valid.next_check = now;
        }
    }

    /// A pair that was kept warm is checked for consent as often as a selected one has to be.
    fn keep_fresh(&mut self, now: Instant, generation: u32, id: PairId) {
        let at = self.randomised(now, self.config.consent_interval);
        let pair = self.generation_mut(generation).and_then(|g| g.checklist.get_mut(id));
        if let Some(valid) = pair.and_then(|pair| pair.valid.as_mut()) {
            valid.next_check = valid.next_check.min(at);
        }
    }
}

fn announcement(pair: &Pair) -> Selected {
    let local = pair.valid.map_or(pair.local, |valid| valid.local);
    Selected {
        path: pair.path,
        local: local.kind,
        remote: pair.remote.kind,
        local_address: local.address,
        remote_address: pair.remote.address,
        tcp: pair.is_tcp(),
        rtt: pair.rtt,
        nominated: pair.nominated.is_some(),
    }
}
