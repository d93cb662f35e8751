//! When a run begins and ends, and what it does next.

use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::net::SocketAddr;

use peerage_base::path::LocalId;
use peerage_base::time::{Duration, Instant, earliest};
use peerage_stun::header::TransactionId;

use crate::agent::Agent;
use crate::candidate::{CandidateKind, canonical, is_usable};
use crate::config::Role;
use crate::event::{Event, Need, NeedId, Selected};
use crate::local::{Local, LocalCandidate, LocalKind};
use crate::punch::aim::{Outside, Theirs};
use crate::punch::mapping::{Mapping, predicted};
use crate::punch::notice::{EXTENSION, FOUNDATION, Notice};
use crate::punch::walk::Walk;
use crate::punch::{Measure, Question, Run, Socket, Summary, Task, Volley};

/// Rounds of prediction in one run; the peer can ask for more of them than time allows.
const MAX_ROUNDS: u32 = 16;
/// Ports predicted in the first rounds; the last value holds for all that follow. NATs that are busy give out many ports
/// between the measurement and the probe.
const WIDTHS: [u32; 3] = [16, 32, 64];
/// How long a round lasts, beyond the checks of its candidates by a peer that does one per [`FOREIGN_PACE`].
const ROUND: Duration = Duration::from_millis(2500);
/// The pace of Chromium's checks.
const FOREIGN_PACE: Duration = Duration::from_millis(48);
/// Guessed candidates that are told at once, and how long Chromium is busy with them.
const BATCH: usize = 32;
const BATCH_TIME: Duration = Duration::from_millis(1500);
/// STUN servers that a fresh socket asks: two tell the step.
const MEASURED_BY: usize = 2;
/// How often, and after what time, an unanswered query is repeated.
const QUERIES: u32 = 4;
const QUERY_AGAIN: Duration = Duration::from_millis(250);

impl Agent {
    /// Says whether the peer knows punching (the ICE option `punch` of its description). It is told then of this side's
    /// NAT in extensions of candidates; otherwise it is given guessed candidates to check.
    pub fn set_remote_punch(&mut self, knows: bool) {
        self.punch.peer_knows = knows;
    }

    /// Adds a socket that [`Need::Probes`] asked for: `base` is its address. One that is not needed any more is given
    /// back by [`Event::ReleaseLocal`] at once.
    pub fn add_probe(&mut self, now: Instant, need: NeedId, id: LocalId, base: SocketAddr) {
        if self.local(id).is_some() || self.punch.owns(id) {
            return;
        }
        let base = canonical(base);
        let wanted = self.punch.run.as_mut().filter(|run| {
            is_usable(base)
                && base.is_ipv4() == run.base.is_ipv4()
                && run.need.is_some_and(|(id, n)| id == need && n > 0)
        });
        match wanted {
            Some(run) => {
                run.need = run.need.map(|(id, n)| (id, n - 1));
                run.sockets.push(Socket { id, base });
            }
            None => self.events.push_back(Event::ReleaseLocal(id)),
        }
        self.decide(now);
    }

    /// Says that no more sockets come for [`Need::Probes`]; fewer than asked for will do.
    pub fn probes_done(&mut self, now: Instant, need: NeedId) {
        let Some(run) = self.punch.run.as_mut().filter(|run| run.need.is_some_and(|(id, _)| id == need)) else {
            return;
        };
        run.need = None;
        if run.sockets.is_empty() {
            self.finish_run(true);
        }
        self.decide(now);
    }

    /// What was tried beyond plain ICE.
    pub fn punch_summary(&self) -> Summary {
        let run = self.punch.run.as_ref();
        Summary {
            running: run.is_some(),
            sockets: run.map_or(0, |run| run.sockets.len()) + self.punch.winners.len(),
            peer: self.punch.notice.map(|notice| notice.mapping),
            ..self.punch.summary
        }
    }

    /// Begins, carries on or ends a run. Part of every decision.
    pub(crate) fn punch(&mut self, now: Instant) {
        self.end_run(now);
        self.begin_run(now);
        self.release_winners();
        if self.punch.run.is_some() && !self.is_direct() {
            self.advance(now);
        }
    }

    /// When there is something to decide.
    pub(crate) fn next_punch(&self) -> Option<Instant> {
        let Some(run) = &self.punch.run else {
            let wanted = !self.punch.over && self.selected.is_none_or(|chosen| !is_direct(&chosen.announced));
            return self.current.started_at.filter(|_| wanted).map(|at| at + self.config.punch.start_after);
        };
        let measure = if let Task::Measure(measure) = &run.task { Some(measure.again) } else { None };
        let round = run.round.map(|(_, ends_at)| ends_at);
        [measure, round, run.guess_at].into_iter().fold(Some(run.ends_at), earliest)
    }

    /// Forgets the run and what the peer said: a new generation begins, or nothing more does.
    pub(crate) fn reset_punch(&mut self) {
        self.finish_run(false);
        self.punch.notice = None;
    }

    /// A local end is gone.
    pub(crate) fn forget_probe(&mut self, id: LocalId) {
        self.punch.winners.retain(|winner| *winner != id);
        let Some(run) = &mut self.punch.run else { return };
        run.sockets.retain(|socket| socket.id != id);
        if run.local == id {
            self.finish_run(false);
        }
    }

    fn begin_run(&mut self, now: Instant) {
        // A peer that said something has waited already.
        let told = self.punch.notice.is_some();
        let waited = self.current.started_at.is_some_and(|at| at + self.config.punch.start_after <= now);
        if !(told || waited) || !self.may_punch() {
            return;
        }
        let Some(Outside { local, mapping, seen }) = self.outside() else { return };
        if mapping == Mapping::Unknown && !waited {
            return;
        }
        let run = Run {
            ends_at: now + self.config.punch.patience,
            local: local.id,
            base: local.base,
            preference: local.preference,
            seen,
            mapping,
            told: false,
            need: None,
            sockets: Vec::new(),
            task: Task::Idle,
            round: None,
            rounds: 0,
            guesses: None,
            guess_at: None,
            due: now,
            outstanding: VecDeque::new(),
        };
        tracing::debug!(?mapping, local = %run.local, "beyond plain ICE");
        self.punch.summary.runs += 1;
        self.punch.summary.mapping = mapping;
        self.punch.run = Some(run);
    }

    fn end_run(&mut self, now: Instant) {
        let Some(run) = &self.punch.run else { return };
        let direct = self.selected.is_some_and(|chosen| chosen.announced.nominated && is_direct(&chosen.announced));
        if direct || self.failed || !self.local(run.local).is_some_and(|local| local.up) {
            self.finish_run(false);
        } else if run.ends_at <= now {
            self.finish_run(true);
        }
    }

    /// Ends the run and gives its sockets back, but for those that found the peer.
    fn finish_run(&mut self, for_good: bool) {
        self.punch.over = for_good;
        let Some(run) = self.punch.run.take() else { return };
        tracing::debug!(summary = ?self.punch.summary, "run ended");
        self.events.extend(run.sockets.iter().map(|socket| Event::ReleaseLocal(socket.id)));
    }

    /// Gives sockets back that found the peer and are not needed after all.
    fn release_winners(&mut self) {
        let in_use = |id: LocalId| self.generations().any(|g| g.checklist.iter().any(|pair| pair.path.local == id));
        let Some(id) = self.punch.winners.iter().copied().find(|id| !in_use(*id)) else { return };
        self.punch.winners.retain(|winner| *winner != id);
        self.locals.retain(|local| local.id != id);
        self.candidates.retain(|candidate| candidate.local != id);
        self.responses.retain(|response| response.path.local != id);
        self.events.push_back(Event::ReleaseLocal(id));
        self.release_winners();
    }

    fn advance(&mut self, now: Instant) {
        self.learn_mapping();
        let Some(run) = &self.punch.run else { return };
        let theirs = self.theirs(run);
        self.tell_mapping();
        let Some(run) = &mut self.punch.run else { return };
        match (run.mapping, theirs) {
            (Mapping::Sequential(_), Theirs::Random(_)) => {}
            (Mapping::Sequential(_), _) if self.config.punch.predict => self.advance_round(now, theirs),
            (Mapping::Random | Mapping::Unknown, Theirs::Independent(target)) if self.config.punch.birthday => {
                self.advance_spread(now, target);
            }
            (Mapping::Independent | Mapping::Unknown, Theirs::Sequential(at, step)) => self.scan(now, at, step),
            (Mapping::Independent | Mapping::Unknown, Theirs::Random(at)) => self.sweep(at),
            _ => {}
        }
    }

    /// Takes notice of servers that answered late.
    fn learn_mapping(&mut self) {
        if !self.punch.run.as_ref().is_some_and(|run| run.mapping == Mapping::Unknown) {
            return;
        }
        let Some(Outside { local, mapping, seen }) = self.outside() else { return };
        let id = local.id;
        if let Some(run) = self.punch.run.as_mut().filter(|run| run.local == id && mapping != Mapping::Unknown) {
            (run.mapping, run.seen, run.told) = (mapping, seen, false);
            self.punch.summary.mapping = mapping;
        }
    }

    /// Probes what a peer whose NAT counts predicted.
    fn scan(&mut self, now: Instant, at: SocketAddr, step: i16) {
        let answers = self.punch.notice;
        let Some(run) = &mut self.punch.run else { return };
        if matches!(&run.task, Task::Volley(volley) if volley.answers == answers) {
            return;
        }
        let width = answers.map_or(WIDTHS[WIDTHS.len() - 1], |notice| 2 * width(u32::from(notice.round)));
        let targets = (1..=width).filter_map(|nth| predicted(at, step, nth)).collect();
        run.task = Task::Volley(Volley::new(now, run.local, targets, answers));
    }

    /// Probes the ports of a peer whose NAT takes any.
    fn sweep(&mut self, at: SocketAddr) {
        let Some(run) = &mut self.punch.run else { return };
        if matches!(&run.task, Task::Sweep { ip, .. } if *ip == at.ip()) {
            return;
        }
        run.task = Task::Sweep { ip: at.ip(), walk: Walk::new(at.port(), &mut self.rng) };
    }

    /// Tells a peer that knows punching how this side's NAT maps; one that counts is told of in every round.
    fn tell_mapping(&mut self) {
        let Some(run) = &mut self.punch.run else { return };
        if !self.punch.peer_knows || run.told || matches!(run.mapping, Mapping::Sequential(_)) {
            return;
        }
        run.told = true;
        let (base, notice) = (run.base, Notice { mapping: run.mapping, round: 0, address: run.seen });
        self.tell_guess(base, notice.address, Some(notice.value()));
    }

    /// One round after the other: a fresh socket, its measurement, the prediction, the probes.
    fn advance_round(&mut self, now: Instant, theirs: Theirs) {
        let Some(run) = &mut self.punch.run else { return };
        let asked = self.punch.notice.filter(|n| matches!(n.mapping, Mapping::Sequential(_))).map(|n| n.round);
        let next = match run.round {
            None => Some(asked.unwrap_or(0)),
            Some((round, _)) if asked.is_some_and(|asked| asked > round) => asked,
            Some((round, ends_at)) if ends_at <= now => Some(round.saturating_add(1)),
            Some(_) => None,
        };
        if let Some(round) = next {
            return self.begin_round(now, round);
        }
        match &mut run.task {
            Task::Idle if run.need.is_none() && !run.sockets.is_empty() => self.begin_measure(now),
            Task::Measure(measure) if measure.is_done() || measure.again <= now && measure.sent >= QUERIES => {
                self.end_measure(theirs);
                self.advance(now);
            }
            Task::Measure(measure) if measure.again <= now => measure.repeat(now),
            Task::Measured => self.aim(now, theirs),
            _ => {}
        }
    }

    fn begin_round(&mut self, now: Instant, round: u16) {
        let Some(run) = &mut self.punch.run else { return };
        if run.rounds >= MAX_ROUNDS {
            run.round = None;
            return;
        }
        run.rounds += 1;
        self.punch.summary.rounds += 1;
        let foreign = if self.punch.peer_knows { Duration::ZERO } else { FOREIGN_PACE * width(run.rounds - 1) };
        run.round = Some((round, now + ROUND + foreign));
        run.task = Task::Idle;
        let old = core::mem::take(&mut run.sockets);
        self.events.extend(old.iter().map(|socket| Event::ReleaseLocal(socket.id)));
        let count = if self.measuring_servers().len() < MEASURED_BY { 2 } else { 1 };
        self.ask_for_sockets(count);
    }

    fn ask_for_sockets(&mut self, count: usize) {
        let Some(run) = &mut self.punch.run else { return };
        let need = NeedId(self.next_need);
        self.next_need = self.next_need.wrapping_add(1);
        run.need = Some((need, count));
        self.events.push_back(Event::Need(need, Need::Probes { base: run.local, count }));
    }

    /// The servers that see what a fresh socket is given.
    fn measuring_servers(&self) -> Vec<SocketAddr> {
        let Some(run) = &self.punch.run else { return Vec::new() };
        let answered = self.gatherer.queries.iter().filter(|query| query.local == run.local && query.mapped.is_some());
        answered.map(|query| query.server).take(MEASURED_BY).collect()
    }

    fn begin_measure(&mut self, now: Instant) {
        let servers = self.measuring_servers();
        let Some(run) = &mut self.punch.run else { return };
        let rng = &mut self.rng;
        let mut queries = Vec::new();
        for socket in &run.sockets {
            for server in &servers {
                let id = TransactionId::random(rng);
                queries.push(Question { local: socket.id, server: *server, id, queued: true, seen: None });
            }
        }
        run.task = Task::Measure(Measure { queries, again: now + QUERY_AGAIN, sent: 1 });
    }

    /// Tells the peer what it is to expect; what this side's NAT does may turn out to be something else.
    fn end_measure(&mut self, theirs: Theirs) {
        let Some(run) = &mut self.punch.run else { return };
        let Task::Measure(measure) = core::mem::replace(&mut run.task, Task::Idle) else { return };
        let seen: Vec<SocketAddr> = measure.queries.iter().filter_map(|query| query.seen).collect();
        let (Some(at), Some(socket)) = (seen.last().copied(), run.sockets.last()) else { return };
        run.mapping = refined(run.mapping, Mapping::of(&seen), run.sockets.len());
        self.punch.summary.mapping = run.mapping;
        let (Mapping::Sequential(step), Some((round, _))) = (run.mapping, run.round) else {
            run.round = None;
            let old = core::mem::take(&mut run.sockets);
            self.events.extend(old.iter().map(|socket| Event::ReleaseLocal(socket.id)));
            return;
        };
        run.task = Task::Measured;
        let (base, width) = (socket.base, width(run.rounds.saturating_sub(1)));
        if self.punch.peer_knows {
            let notice = Notice { mapping: run.mapping, round, address: at };
            return self.tell_guess(base, at, Some(notice.value()));
        }
        let stride = if matches!(theirs, Theirs::Sequential(..)) { 2 } else { 1 };
        let guesses: Vec<SocketAddr> = (0..width).filter_map(|i| predicted(at, step, stride * i + 1)).collect();
        guesses.into_iter().for_each(|guess| self.tell_guess(base, guess, None));
    }

    /// Probes the peer from the fresh socket: at once where the peer's address is known, else once its prediction is.
    ///
    /// If both NATs count and gave out `a` and `b` ports meanwhile, the `i`-th probe of the controlling side leaves from
    /// the `i + a`-th prediction towards the `i`-th, the `j`-th of the other from the `j + b`-th towards the `2j`-th: those
    /// with `j = a + b` and `i = j + b` meet.
    fn aim(&mut self, now: Instant, theirs: Theirs) {
        let (role, known) = (self.role, self.punch.peer_knows);
        let Some(run) = &mut self.punch.run else { return };
        let (Some(socket), Some((round, _))) = (run.sockets.last(), run.round) else { return };
        let targets = match theirs {
            Theirs::Independent(target) => Vec::from([target]),
            Theirs::Sequential(last, step) => {
                if known && self.punch.notice.is_none_or(|notice| notice.round != round) {
                    return;
                }
                let stride = if known && role == Role::Controlled { 2 } else { 1 };
                let width = 2 * width(run.rounds.saturating_sub(1));
                (0..width).filter_map(|i| predicted(last, step, stride * i + 1)).collect()
            }
            _ => return,
        };
        run.task = Task::Volley(Volley::new(now, socket.id, targets, self.punch.notice));
    }

    /// Many sockets that probe the peer; one that does not know punching is told where they may be.
    fn advance_spread(&mut self, now: Instant, target: SocketAddr) {
        let (limit, knows) = (self.config.punch.sockets, self.punch.peer_knows);
        let Some(run) = &mut self.punch.run else { return };
        match &run.task {
            Task::Idle if run.need.is_some() => {}
            Task::Idle if run.sockets.is_empty() => self.ask_for_sockets(limit),
            Task::Spread { target: known, .. } if *known == target => {}
            _ => run.task = Task::Spread { target, next: 0, passes: 0 },
        }
        if knows {
            return;
        }
        let Some(run) = &mut self.punch.run else { return };
        if run.guess_at.is_some_and(|at| at > now) {
            return;
        }
        run.guess_at = Some(now + BATCH_TIME);
        let walk = run.guesses.get_or_insert_with(|| Walk::new(run.seen.port(), &mut self.rng));
        let (base, ip) = (run.base, run.seen.ip());
        let ports: Vec<u16> = walk.take(BATCH).collect();
        ports.into_iter().for_each(|port| self.tell_guess(base, SocketAddr::new(ip, port), None));
    }

    /// Tells a candidate that is a guess, or that carries a notice.
    fn tell_guess(&mut self, base: SocketAddr, address: SocketAddr, notice: Option<String>) {
        let Some(run) = &self.punch.run else { return };
        if notice.is_none() {
            if self.punch.summary.guesses >= self.config.punch.guesses {
                return;
            }
            self.punch.summary.guesses += 1;
        }
        let local =
            Local { id: run.local, base, kind: LocalKind::Host, preference: run.preference, foundation: 0, up: true };
        let told = LocalCandidate::new(&local, CandidateKind::ServerReflexive, address, 0);
        let mut candidate = told.signalled(&self.current.local.ufrag, false);
        // Each of its own: a peer that freezes pairs would check those of one foundation one after the other.
        candidate.foundation = format!("{FOUNDATION}{}", self.punch.summary.guesses);
        candidate.extensions.extend(notice.map(|value| (EXTENSION.to_string(), value)));
        self.events.push_back(Event::LocalCandidate(candidate));
    }
}

impl Measure {
    fn is_done(&self) -> bool {
        self.queries.iter().all(|query| query.seen.is_some())
    }

    fn repeat(&mut self, now: Instant) {
        self.sent += 1;
        self.again = now + QUERY_AGAIN;
        self.queries.iter_mut().for_each(|query| query.queued = query.seen.is_none());
    }
}

impl Volley {
    fn new(now: Instant, local: LocalId, targets: Vec<SocketAddr>, answers: Option<Notice>) -> Self {
        Self { local, targets, next: 0, passes: 0, began: now, answers }
    }
}

/// Whether no relay is on the way.
fn is_direct(selected: &Selected) -> bool {
    selected.local != CandidateKind::Relayed && selected.remote != CandidateKind::Relayed
}

/// Ports predicted in a round.
fn width(round: u32) -> u32 {
    WIDTHS.get(round as usize).copied().unwrap_or(WIDTHS[WIDTHS.len() - 1])
}

/// What a measurement showed in addition: the smaller of two steps in one direction is the NAT's. Several sockets that
/// one server saw show the step alone.
fn refined(before: Mapping, fresh: Mapping, sockets: usize) -> Mapping {
    match (before, fresh) {
        (Mapping::Sequential(a), Mapping::Sequential(b)) if a.signum() == b.signum() && a.abs() < b.abs() => before,
        (_, Mapping::Sequential(_)) => fresh,
        (_, Mapping::Unknown) => before,
        _ if sockets > 1 => before,
        _ => fresh,
    }
}
