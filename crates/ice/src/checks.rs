//! What is sent and when: responses, connectivity checks, consent checks (RFC 8445 §6.1.4, §14, RFC 7675 §5.1).

use alloc::collections::VecDeque;

use peerage_base::datagram::Transmit;
use peerage_base::path::Path;
use peerage_base::slot::Slot;
use peerage_base::time::{Duration, Instant, earliest};
use peerage_stun::header::TransactionId;

use crate::agent::Agent;
use crate::config::{Nomination, Role};
use crate::event::State;
use crate::pair::{Check, Pair, PairId};
use crate::stats::PairState;
use crate::wire::{self, Request};

/// The smallest Ta that RFC 8445 §14.2 allows.
const MIN_TA: Duration = Duration::from_millis(5);
/// Bounds of the wait for an answer of a valid pair before it is probed.
const MIN_PROBE: Duration = Duration::from_millis(200);
const MAX_PROBE: Duration = Duration::from_secs(1);

/// How far apart the ticks are that checks of valid pairs leave at.
const TICK: Duration = Duration::from_millis(100);
const TICK_NANOS: u64 = 100_000_000;

/// Every how many turns a relayed pair goes first while nothing works.
const RELAY_TURN: u32 = 3;
/// How many Ta triggered checks may go before all others.
const STARVED: u32 = 3;
/// How often a check of a pair that failed before is sent.
const RECHECK_ATTEMPTS: u32 = 2;
/// Ti of RFC 8489 §6.2.2.
const RELIABLE_TIMEOUT: Duration = Duration::from_millis(39_500);

impl Agent {
    /// Writes the next packet into the slot. A slot that is too small for a packet loses it. May cause events.
    pub fn poll_transmit(&mut self, now: Instant, slot: &mut Slot<'_>) -> Option<Transmit> {
        if self.state == State::Closed {
            return None;
        }
        loop {
            let (path, len) = match self.send_response(now, slot) {
                Some(sent) => sent,
                None if self.own.lite => return None,
                None => {
                    let sent = self.retransmit_check(now, slot);
                    let sent = sent.or_else(|| self.send_consent_check(now, slot));
                    let sent = sent.or_else(|| self.retransmit_query(now, slot));
                    let sent = sent.or_else(|| self.send_paced(now, slot));
                    let sent = sent.or_else(|| self.send_early(now, slot));
                    let sent = sent.or_else(|| self.send_probe(now, slot))?;
                    // One more unanswered check may be what makes another pair the better one: the next input may be far.
                    self.decide(now);
                    sent
                }
            };
            if len > 0 {
                slot.fill(len);
                return Some(Transmit::single(path, len));
            }
        }
    }

    /// When the next packet is due.
    pub(crate) fn next_transmit(&self) -> Option<Instant> {
        let due = |pair: &Pair| pair.next_due().filter(|_| self.is_up(pair) && !self.own.lite);
        let checks = self.generations().flat_map(|g| g.checklist.iter()).map(due).fold(None, earliest);
        let responses = (!self.responses.is_empty()).then_some(self.decided_at);
        let own = earliest(earliest(checks, self.next_query()), earliest(responses, self.next_paced()));
        earliest(earliest(own, self.next_early()), self.next_probe())
    }

    /// Checks the valid pairs now that the predicate names, unless an answer is awaited anyway.
    pub(crate) fn hasten_checks(&mut self, now: Instant, named: impl Fn(&Pair) -> bool) {
        for generation in self.generations_mut() {
            for pair in generation.checklist.iter_mut().filter(|pair| named(pair)) {
                if let Some(valid) = pair.valid.as_mut().filter(|valid| valid.owed == 0) {
                    valid.next_check = valid.next_check.min(now);
                }
            }
        }
    }

    /// Whether packets can leave from the pair's local end.
    pub(crate) fn is_up(&self, pair: &Pair) -> bool {
        self.local(pair.path.local).is_some_and(|local| local.up)
    }

    pub(crate) fn ta(&self) -> Duration {
        self.remote_pacing.unwrap_or_default().max(self.config.pacing).max(MIN_TA)
    }

    /// After `mean`, randomised by a fifth either way (RFC 7675 §5.1). Where that range is wide enough it is at a tick that
    /// all agents have in common, so that whoever drives many of them wakes up for many at a time.
    pub(crate) fn randomised(&mut self, now: Instant, mean: Duration) -> Instant {
        let (least, width) = (now + mean.mul_f64(0.8), mean.mul_f64(0.4));
        let at = least + width.mul_f64(self.rng.unit());
        let since = Duration::from_nanos(at.as_nanos() % TICK_NANOS);
        match at - since {
            _ if width < TICK => at,
            tick if tick < least => tick + TICK,
            tick => tick,
        }
    }

    /// The length that was written, counted as dropped if nothing was.
    pub(crate) fn written(&mut self, len: Option<usize>) -> usize {
        len.unwrap_or_else(|| {
            self.drops.count().slot += 1;
            0
        })
    }

    fn send_response(&mut self, now: Instant, slot: &mut Slot<'_>) -> Option<(Path, usize)> {
        let response = self.responses.pop_front()?;
        if self.current.concluded && self.responses.is_empty() {
            self.responses = VecDeque::new();
        }
        let path = response.path;
        let repeated = self.is_repeated(path, response.id);
        let Some(generation) = self.generations().find(|generation| generation.number == response.generation) else {
            return Some((path, 0));
        };
        let pair = generation.checklist.by_path(path);
        let packet = pair.filter(|_| response.carries && !repeated).and_then(|pair| self.packet_for_answer(now, pair));
        let load = self.load(packet).filter(|_| response.carries);
        let (id, tag) = (pair.map(|pair| pair.id), packet.map(|packet| packet.tag));
        let (room, answer) = (slot.room(), &response.answer);
        let written = wire::write_response(room, response.id, answer, path.remote, &generation.key(), load).ok();
        if let Some(pair) = self.generation_mut(response.generation).and_then(|g| g.checklist.get_mut(id?)) {
            pair.responses_sent += 1;
        }
        if let (Some(id), Some(tag), true) = (id, tag, written.is_some_and(|written| written.carried)) {
            self.carried(now, id, tag);
        }
        Some((path, self.written(written.map(|written| written.len))))
    }

    fn retransmit_check(&mut self, now: Instant, slot: &mut Slot<'_>) -> Option<(Path, usize)> {
        let (number, id) = self.find_pair(|pair| pair.checks.iter().any(|check| check.is_due(now)))?;
        let pair = self.generation_mut(number)?.checklist.get_mut(id)?;
        pair.sent(now);
        pair.spared |= pair.loads > 0 && pair.valid.is_none();
        let check = pair.due_retransmission(now)?;
        check.resent(now);
        let check = *check;
        self.write_check(now, slot, number, id, &check)
    }

    /// Valid pairs are checked for consent, and warm ones to keep their mappings (RFC 7675 §5.1, RFC 8445 §11).
    ///
    /// A consent check is never repeated; while one is unanswered the pair is probed by ordinary connectivity checks, so
    /// that loss is told from death within a second or two and another pair can take over.
    fn send_consent_check(&mut self, now: Instant, slot: &mut Slot<'_>) -> Option<(Path, usize)> {
        let (number, id) = self.find_pair(|pair| pair.valid.is_some_and(|valid| valid.next_check <= now))?;
        let check = self.new_check(now, number, id, None);
        let pair = self.generation_mut(number)?.checklist.get_mut(id)?;
        pair.push_check(now, check);
        // TCP repeats what is lost by itself.
        let probe =
            pair.rtt.filter(|_| !pair.is_tcp()).map_or(MAX_PROBE / 2, |rtt| rtt * 3).clamp(MIN_PROBE, MAX_PROBE);
        let valid = pair.valid.as_mut()?;
        let doubled = 1 << valid.owed.saturating_sub(1).min(3);
        valid.next_check = now + (probe * doubled).min(MAX_PROBE);
        if valid.owed == 2 && self.selected.is_some_and(|chosen| (chosen.generation, chosen.pair) == (number, id)) {
            self.hasten_checks(now, |_| true);
        }
        self.write_check(now, slot, number, id, &check)
    }

    /// A new transaction, no more often than every Ta (RFC 8445 §14.2).
    fn send_paced(&mut self, now: Instant, slot: &mut Slot<'_>) -> Option<(Path, usize)> {
        if self.next_paced().is_none_or(|at| at > now) {
            return None;
        }
        let previous = self.paced_at.replace(now);
        let own_account = previous.is_none_or(|at| at + self.ta() <= now);
        // Behind NATs that renumber with every packet each check triggers another, without end: they must leave room.
        let starved = *self.own_at.get_or_insert(now) + self.ta() * STARVED <= now;
        let waits = starved && (self.has_queued_query() || self.next_ordinary().is_some());
        let triggered = self.next_triggered().filter(|_| !waits);
        if triggered.is_none() {
            self.own_at = Some(now);
        }
        if triggered.is_none() && own_account && self.query_turn && self.has_queued_query() {
            self.query_turn = false;
            return self.start_query(now, slot);
        }
        self.query_turn = true;
        match triggered.or_else(|| self.next_in_turn()) {
            Some(id) => self.send_first_check(now, id, slot),
            None => self.start_query(now, slot),
        }
    }

    fn next_paced(&self) -> Option<Instant> {
        if self.own.lite {
            return None;
        }
        let triggered = self.next_triggered().is_some();
        if !triggered && !self.has_queued_query() && self.next_ordinary().is_none() {
            return None;
        }
        let gap = if triggered { self.config.triggered_pacing.min(self.ta()) } else { self.ta() };
        let due = self.paced_at.map_or(self.decided_at, |at| at + gap);
        Some(self.early_sent_at.map_or(due, |at| due.max(at + MIN_TA)))
    }

    /// Least time between a check that is sent for what it carries and any before it.
    pub(crate) fn early_gap(&self) -> Duration {
        self.config.triggered_pacing.clamp(MIN_TA, self.ta())
    }

    fn next_triggered(&self) -> Option<PairId> {
        let may_send = |pair: &Pair| self.is_ready(pair);
        self.current.peer.as_ref().and_then(|_| self.current.checklist.next_triggered(may_send))
    }

    fn next_ordinary(&self) -> Option<PairId> {
        let may_send = |pair: &Pair| self.is_ready(pair);
        self.current.peer.as_ref().and_then(|_| self.current.checklist.next_ordinary(may_send))
    }

    /// The next pair to be checked on this side's own account. As long as nothing works every third turn is a relayed
    /// pair's: by priority alone they would wait for all others, which is seconds where there are many addresses.
    fn next_in_turn(&mut self) -> Option<PairId> {
        self.current.peer.as_ref()?;
        self.current.turns = self.current.turns.wrapping_add(1);
        let relay = self.current.turns.is_multiple_of(RELAY_TURN) && self.current.valid().next().is_none();
        let both = self.current.turns.is_multiple_of(2 * RELAY_TURN);
        let relayed = if relay { self.current.checklist.next_relayed(both, |pair| self.is_ready(pair)) } else { None };
        relayed.or_else(|| self.next_ordinary())
    }

    fn send_first_check(&mut self, now: Instant, id: PairId, slot: &mut Slot<'_>) -> Option<(Path, usize)> {
        if !self.connect(now, id) {
            return None;
        }
        let number = self.current.number;
        let pair = self.current.checklist.get(id)?;
        let (timeout, attempts) = match (pair.is_tcp(), pair.rechecked) {
            // Sent once (RFC 6544 §7.1), with the timeout of reliable transports.
            (true, _) => (RELIABLE_TIMEOUT, 1),
            (false, rechecked) => {
                let active = u32::try_from(self.current.checklist.active()).unwrap_or(u32::MAX);
                let attempts =
                    if rechecked { self.config.attempts.min(RECHECK_ATTEMPTS) } else { self.config.attempts };
                (self.config.rto.max(self.ta() * active), attempts)
            }
        };
        let check = self.new_check(now, number, id, Some((timeout, attempts)));
        self.current.checklist.untrigger(id);
        let pair = self.current.checklist.get_mut(id)?;
        pair.state = PairState::InProgress;
        pair.cancel_checks();
        pair.push_check(now, check);
        self.write_check(now, slot, number, id, &check)
    }

    /// A check that is repeated after a timeout so many times, or sent once only.
    pub(crate) fn new_check(&mut self, now: Instant, number: u32, id: PairId, again: Option<(Duration, u32)>) -> Check {
        let use_candidate = self.role == Role::Controlling && number == self.current.number && self.nominates(id);
        Check {
            id: TransactionId::random(&mut self.rng),
            role: self.role,
            use_candidate,
            sent_at: now,
            sent: 1,
            attempts: again.map_or(1, |(_, attempts)| attempts),
            again: again.map(|(timeout, _)| now + timeout),
            timeout: again.map_or(Duration::ZERO, |(timeout, _)| timeout),
        }
    }

    /// Whether checks of the pair carry USE-CANDIDATE, given that this side is controlling.
    fn nominates(&self, id: PairId) -> bool {
        let current = &self.current;
        let chosen = match current.nominating {
            Some((pair, _)) => pair == id,
            // Repeated with every consent check: a peer that lost the nomination, or that restarted its own choice, hears it.
            None => current
                .checklist
                .get(id)
                .is_some_and(|pair| pair.nominated.is_some_and(|n| n == current.last_nomination)),
        };
        chosen || self.config.nomination == Nomination::Aggressive
    }

    pub(crate) fn write_check(
        &mut self,
        now: Instant,
        slot: &mut Slot<'_>,
        number: u32,
        id: PairId,
        check: &Check,
    ) -> Option<(Path, usize)> {
        let generation = self.generations().find(|generation| generation.number == number)?;
        let pair = generation.checklist.get(id)?;
        let path = pair.path;
        let (Some(peer), Some(local)) = (&generation.peer, self.local(path.local)) else { return Some((path, 0)) };
        let value = generation.nominating.filter(|(pair, _)| *pair == id).map(|(_, value)| value).or(pair.nominated);
        // What is sent again may have been too long for the path.
        let carries = number == self.current.number;
        let packet = if carries && check.sent == 1 { self.packet_for_check(now, pair) } else { None };
        let tag = packet.map(|packet| packet.tag);
        let request = Request {
            id: check.id,
            username: &peer.username,
            key: &peer.key(),
            priority: local.check_priority(),
            role: check.role,
            tie_breaker: self.tie_breaker,
            use_candidate: check.use_candidate,
            nomination: value.filter(|value| check.use_candidate && *value > 0 && self.renominates()),
            load: self.load(packet).filter(|_| carries),
        };
        let written = wire::write_request(slot.room(), &request).ok();
        self.counters.checks_sent += 1;
        if let (Some(tag), true) = (tag, written.is_some_and(|written| written.carried)) {
            self.carried(now, id, tag);
        }
        Some((path, self.written(written.map(|written| written.len))))
    }

    /// Whether both sides follow the latest nomination.
    pub(crate) fn renominates(&self) -> bool {
        self.config.renomination && self.remote_renomination
    }

    /// The first pair of any generation that may be checked and that the predicate names.
    fn find_pair(&self, named: impl Fn(&Pair) -> bool) -> Option<(u32, PairId)> {
        let found =
            self.generations().filter(|g| g.peer.is_some()).flat_map(|g| g.checklist.iter().map(move |p| (g, p)));
        found
            .filter(|(_, pair)| named(pair))
            .find(|(_, pair)| self.is_up(pair) && pair.is_open())
            .map(|(g, pair)| (g.number, pair.id))
    }
}
