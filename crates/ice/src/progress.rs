//! What follows from time and from what happened: expiry, conclusion, the connection state (RFC 8445 §8, RFC 8863).

use alloc::vec::Vec;

use peerage_base::path::{LocalId, Path};
use peerage_base::time::{Instant, earliest};

use crate::agent::Agent;
use crate::event::{Event, GatheringState, State};
use crate::pair::{Pair, PairId};
use crate::stats::{PairEvent, PairState};

impl Agent {
    /// Draws all conclusions. Ends every command and every input.
    pub(crate) fn decide(&mut self, now: Instant) {
        if self.state == State::Closed {
            return;
        }
        self.decided_at = self.decided_at.max(now);
        self.expire(now);
        self.conclude_gathering();
        self.choose_unchecked(now);
        self.nominate(now);
        self.select(now);
        self.conclude(now);
        // Whether mappings are kept alive may have changed with the pair.
        self.expire_queries(now);
        self.seek_direct(now);
        self.seek_again(now);
        self.punch(now);
        self.judge(now);
        self.set_state(self.judged_state(now));
        if self.current.concluded {
            // Checks of consent are seconds apart.
            self.rng.rest();
        }
    }

    /// When there is something to decide anew.
    pub(crate) fn next_decision(&self) -> Option<Instant> {
        let config = &self.config;
        let pairs = self.generations().flat_map(|g| g.checklist.iter());
        let valid = pairs
            .filter(|_| !self.is_both_lite())
            .filter_map(|pair| Some(pair.valid?.answered_at + config.consent_timeout));
        let settled =
            self.current.valid().filter_map(|pair| Some(self.current.first_valid_at? + self.settle_time(pair)));
        let silent = self.chosen_pair().and_then(|pair| pair.silent_at(config.disconnected_after));
        let lingered = self.current.busy_at.map(|at| at + config.linger);
        let lost = self.lost_at.map(|at| at + config.consent_timeout);
        let patient = self.current.started_at.map(|at| at + config.patience);
        let background = [self.next_connection(), self.next_round(), self.next_recheck(), self.next_punch()];
        let waiting = [silent, lingered, lost, patient, self.fallback_at()].into_iter().chain(background);
        let deadlines = valid.chain(settled).chain(waiting.flatten());
        // What was looked at already and led nowhere is no deadline any more.
        deadlines.filter(|at| *at > self.decided_at).fold(None, |first, at| earliest(first, Some(at)))
    }

    pub(crate) fn set_state(&mut self, state: State) {
        if self.state != state {
            tracing::debug!(from = ?self.state, to = ?state, "state");
            self.state = state;
            self.events.push_back(Event::State(state));
        }
    }

    /// A pair keeps its path no longer, but stays.
    pub(crate) fn released(&mut self, path: Path) {
        if !self.generations().any(|g| g.checklist.iter().any(|pair| pair.path == path && pair.claimed)) {
            self.events.push_back(Event::Released(path));
        }
    }

    /// Whether as many valid pairs are kept warm as are wanted; those that owe answers may all be dead, as behind a NAT
    /// that gave its inside other ports.
    pub(crate) fn has_enough_backups(&self) -> bool {
        self.current.valid().filter(|pair| !pair.is_failing()).count() > self.config.backups
    }

    /// Ends checks that ran out of attempts, and consent that ran out of time.
    fn expire(&mut self, now: Instant) {
        let (timeout, lite, unchecked) = (self.config.consent_timeout, self.own.lite, self.is_both_lite());
        let mut released: Vec<Path> = Vec::new();
        let mut timed_out = 0;
        for pair in self.generations_mut().flat_map(|generation| generation.checklist.iter_mut()) {
            if pair.expire_checks(now) && pair.state == PairState::InProgress {
                pair.fail();
                pair.note(now, PairEvent::TimedOut);
                timed_out += 1;
            }
            if pair.valid.is_some() && !unchecked && !pair.has_consent(now, timeout) {
                // Who sends no checks has no consent to lose, only a peer that went silent (RFC 7675 §4.1).
                if lite {
                    pair.fail()
                } else {
                    pair.revoke()
                }
                pair.note(now, PairEvent::ConsentLost);
                if core::mem::take(&mut pair.claimed) {
                    released.push(pair.path);
                }
            }
        }
        self.counters.checks_timed_out += timed_out;
        released.into_iter().for_each(|path| self.released(path));
        self.expire_connections(now);
        self.expire_queries(now);
    }

    /// Some time after the nomination, drops what only connecting needed.
    fn conclude(&mut self, now: Instant) {
        let Some(chosen) = self.selected.filter(|chosen| chosen.generation == self.current.number) else { return };
        if !chosen.announced.nominated || self.current.busy_at.is_none_or(|at| at + self.config.linger > now) {
            return;
        }
        self.current.busy_at = None;
        self.current.concluded = true;
        let backups = self.backups(chosen.pair, chosen.announced.path.local);
        // Behind a relay the search for a direct pair goes on.
        let sought = self.is_relayed();
        let is_kept = |pair: &Pair| {
            pair.revoked || pair.id == chosen.pair || backups.contains(&pair.id) || sought && !pair.is_relayed()
        };
        let mut dropped = self.current.checklist.remove(|pair| !is_kept(pair));
        if let Some(mut previous) = self.previous.take() {
            dropped.extend(previous.checklist.remove(|_| true));
        }
        self.release(dropped);
    }

    /// The valid pairs to keep beside the chosen one: over other local ends first, since those fail on their own, and a
    /// relayed one among them, since it outlives whatever happens to the NATs.
    fn backups(&self, chosen: PairId, local: LocalId) -> Vec<PairId> {
        let mut valid: Vec<&Pair> = self.current.valid().filter(|pair| pair.id != chosen).collect();
        valid.sort_by_key(|pair| core::cmp::Reverse((pair.path.local != local, pair.priority)));
        let kept = self.config.backups.min(valid.len());
        if let Some(relayed) = valid.iter().position(|pair| pair.is_relayed()).filter(|at| kept > 0 && *at >= kept) {
            valid.swap(kept - 1, relayed);
        }
        valid.iter().take(kept).map(|pair| pair.id).collect()
    }

    /// Whether the checks failed for good (RFC 8863 §4, RFC 7675 §5.1).
    fn judge(&mut self, now: Instant) {
        if self.selected.is_some() || self.failed || self.current.peer.is_none() {
            return;
        }
        let may_succeed = |pair: &Pair| {
            matches!(pair.state, PairState::Frozen | PairState::Waiting | PairState::InProgress)
                && self.is_up(pair)
                && !self.own.lite
                && !self.is_in_vain(pair)
        };
        let hopeless = !self.is_punching() && !self.current.checklist.iter().any(may_succeed);
        self.failed = match self.lost_at {
            Some(at) => {
                let revoked = self.current.checklist.iter().any(|pair| pair.revoked);
                hopeless && (revoked || at + self.config.consent_timeout <= now)
            }
            None => hopeless && self.is_out_of_patience(now),
        };
    }

    /// Whether the pair had more than one full series of checks without any answer: the peer's own checks can bring about
    /// series without end where one side has the wrong password.
    pub(crate) fn is_in_vain(&self, pair: &Pair) -> bool {
        pair.responses_received == 0 && pair.unanswered > self.config.attempts
    }

    /// Whether neither side can be expected to come up with more candidates.
    fn is_out_of_patience(&self, now: Instant) -> bool {
        let current = &self.current;
        let patient = current.started_at.is_none_or(|at| at + self.config.patience > now);
        let told =
            current.end_of_candidates && current.names.is_empty() && self.gathering_state == GatheringState::Complete;
        !patient && (told || self.fallback_at().is_some_and(|at| at <= now))
    }

    /// When a silent peer is taken to have no more candidates (RFC 8863 §5).
    fn fallback_at(&self) -> Option<Instant> {
        let last = self.current.started_at?.max(self.current.last_remote_at.unwrap_or_default());
        self.config.end_of_candidates_fallback.map(|fallback| last + fallback)
    }

    fn judged_state(&self, now: Instant) -> State {
        if let Some(pair) = self.chosen_pair() {
            if pair.is_silent(now, self.config.disconnected_after) {
                return State::Disconnected;
            }
            return if self.is_complete() { State::Completed } else { State::Connected };
        }
        let remote = !self.current.remotes.is_empty() || !self.current.names.is_empty();
        if self.failed {
            State::Failed
        } else if self.lost_at.is_some() {
            State::Disconnected
        } else if self.current.number > 0 || self.current.peer.is_some() && remote {
            State::Checking
        } else {
            State::New
        }
    }

    /// Whether the selected pair is final as far as anyone can tell.
    fn is_complete(&self) -> bool {
        let current = &self.current;
        let Some(chosen) = self.selected.filter(|chosen| chosen.generation == current.number) else { return false };
        let told =
            current.end_of_candidates && current.names.is_empty() && self.gathering_state == GatheringState::Complete;
        let done = |pair: &Pair| matches!(pair.state, PairState::Succeeded | PairState::Failed);
        chosen.announced.nominated
            && current.nominating.is_none()
            && told
            && (current.concluded || current.checklist.iter().all(done))
    }
}
