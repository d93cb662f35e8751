//! When a run begins and ends, and what it does next.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::net::SocketAddr;

use peerage_base::path::LocalId;
use peerage_base::time::{Duration, Instant, earliest};

use crate::agent::Agent;
use crate::candidate::{CandidateKind, canonical, is_usable};
use crate::event::{Event, Need, NeedId};
use crate::local::{Local, LocalCandidate, LocalKind};
use crate::punch::aim::{Outside, Theirs};
use crate::punch::mapping::{Mapping, predicted};
use crate::punch::notice::{EXTENSION, FOUNDATION, Notice};
use crate::punch::rounds::{WIDEST, width};
use crate::punch::walk::Walk;
use crate::punch::{Run, Socket, Summary, Task, Volley};

/// Guessed candidates that are told at once, and how long Chromium is busy with them.
const BATCH: usize = 32;
const BATCH_TIME: Duration = Duration::from_millis(1500);

impl Agent {
    /// Says whether the peer knows punching (the ICE option `punch` of its description). It is told then of this side's
    /// NAT in extensions of candidates; otherwise it is given guessed candidates to check.
    pub fn set_remote_punch(&mut self, knows: bool) {
        self.punch.peer_knows = knows;
        self.decide(self.decided_at);
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
            peer: self.punch.notice.as_deref().map(|notice| notice.mapping),
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
            let wanted = !self.punch.over && !self.is_direct();
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
        self.punch.run = Some(Box::new(run));
    }

    fn end_run(&mut self, now: Instant) {
        let Some(run) = &self.punch.run else { return };
        // By the pair: a relay behind a NAT of its own is announced as something else.
        let direct = self.chosen_pair().is_some_and(|pair| pair.nominated.is_some() && !pair.is_relayed());
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

    pub(super) fn advance(&mut self, now: Instant) {
        self.learn_mapping();
        let Some(run) = &self.punch.run else { return };
        let theirs = self.theirs(run);
        self.tell_mapping();
        let Some(run) = &mut self.punch.run else { return };
        match (run.mapping, theirs) {
            (Mapping::Sequential(_) | Mapping::Preserving, Theirs::Random(_)) => {}
            (Mapping::Sequential(_) | Mapping::Preserving, _) if self.own.predict => self.advance_round(now, theirs),
            (Mapping::Random | Mapping::Unknown, Theirs::Independent(target)) if self.own.birthday => {
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
        let answers = self.punch.notice.as_deref().copied();
        let Some(run) = &mut self.punch.run else { return };
        if matches!(&run.task, Task::Volley(volley) if volley.answers == answers) {
            return;
        }
        let width = answers.map_or(WIDEST, |notice| 2 * width(u32::from(notice.round)));
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
        let predicts = matches!(run.mapping, Mapping::Sequential(_) | Mapping::Preserving);
        if !self.punch.peer_knows || run.told || predicts {
            return;
        }
        run.told = true;
        let (base, notice) = (run.base, Notice { mapping: run.mapping, round: 0, address: run.seen });
        self.tell_guess(base, notice.address, Some(notice.value()));
    }

    pub(super) fn ask_for_sockets(&mut self, count: usize) {
        let Some(run) = &mut self.punch.run else { return };
        let need = NeedId(self.next_need);
        self.next_need = self.next_need.wrapping_add(1);
        run.need = Some((need, count));
        self.events.push_back(Event::Need(need, Need::Probes { base: run.local, count }));
    }

    /// Many sockets that probe the peer; one that does not know punching is told where they may be.
    fn advance_spread(&mut self, now: Instant, target: SocketAddr) {
        let limit = self.config.punch.sockets.saturating_sub(self.punch.winners.len());
        let knows = self.punch.peer_knows;
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
    pub(super) fn tell_guess(&mut self, base: SocketAddr, address: SocketAddr, notice: Option<String>) {
        let Some(run) = &self.punch.run else { return };
        if notice.is_none() {
            if self.punch.summary.guesses >= self.config.punch.guesses {
                return;
            }
            self.punch.summary.guesses += 1;
        }
        let local = Local::new(run.local, base, LocalKind::Host, run.preference);
        let told = LocalCandidate::new(&local, CandidateKind::ServerReflexive, address, 0);
        let mut candidate = told.signalled(&self.current.local.ufrag, false);
        // Each of its own: a peer that freezes pairs would check those of one foundation one after the other.
        candidate.foundation = format!("{FOUNDATION}{}", self.punch.summary.guesses);
        candidate.extensions.extend(notice.map(|value| (EXTENSION.to_string(), value)));
        self.events.push_back(Event::LocalCandidate(candidate));
    }
}

impl Volley {
    pub fn new(now: Instant, local: LocalId, targets: Vec<SocketAddr>, answers: Option<Notice>) -> Self {
        Self { local, targets, next: 0, passes: 0, began: now, answers }
    }
}
