//! Rounds of prediction: a fresh socket, what the NAT gives it, what is told of that, and the probes.

use alloc::vec::Vec;
use core::net::SocketAddr;

use peerage_base::time::{Duration, Instant};
use peerage_stun::header::TransactionId;

use crate::agent::Agent;
use crate::config::Role;
use crate::event::Event;
use crate::punch::aim::Theirs;
use crate::punch::mapping::{Mapping, predicted};
use crate::punch::notice::Notice;
use crate::punch::{Measure, Question, Task, Volley};

/// Rounds of prediction in one run; the peer can ask for more of them than time allows.
const MAX_ROUNDS: u32 = 16;
/// Ports predicted in the first rounds; the last value holds for all that follow. NATs that are busy give out many ports
/// between the measurement and the probe.
const WIDTHS: [u32; 3] = [16, 32, 64];
/// Ports predicted in the later rounds, and where the peer says nothing.
pub(super) const WIDEST: u32 = WIDTHS[WIDTHS.len() - 1];
/// Rounds in which a NAT is taken to keep ports.
const PRESERVING_ROUNDS: u32 = 2;
/// How long a round lasts, beyond the checks of its candidates by a peer that does one per [`FOREIGN_PACE`].
const ROUND: Duration = Duration::from_millis(2500);
/// The pace of Chromium's checks.
const FOREIGN_PACE: Duration = Duration::from_millis(48);
/// STUN servers that a fresh socket asks: two tell the step.
const MEASURED_BY: usize = 2;
/// How often, and after what time, an unanswered query is repeated.
const QUERIES: u32 = 4;
const QUERY_AGAIN: Duration = Duration::from_millis(250);

impl Agent {
    /// One round after the other: a fresh socket, its measurement, the prediction, the probes.
    pub(super) fn advance_round(&mut self, now: Instant, theirs: Theirs) {
        let Some(run) = &mut self.punch.run else { return };
        let asked =
            self.punch.notice.as_deref().filter(|n| matches!(n.mapping, Mapping::Sequential(_))).map(|n| n.round);
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
            Task::Idle if run.need.is_some() => {}
            Task::Idle if run.mapping == Mapping::Preserving => self.foretell(now, theirs),
            Task::Idle => self.begin_measure(now),
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
        if run.mapping == Mapping::Preserving && run.rounds >= PRESERVING_ROUNDS {
            // It kept the port of the ordinary socket by chance.
            self.remap(Mapping::Random);
            return self.advance(now);
        }
        run.rounds += 1;
        self.punch.summary.rounds += 1;
        let foreign = if self.punch.peer_knows { Duration::ZERO } else { FOREIGN_PACE * width(run.rounds - 1) };
        run.round = Some((round, now + ROUND + foreign));
        run.task = Task::Idle;
        let old = core::mem::take(&mut run.sockets);
        self.events.extend(old.iter().map(|socket| Event::ReleaseLocal(socket.id)));
        let counts = run.mapping != Mapping::Preserving;
        let count = if counts && self.measuring_servers().len() < MEASURED_BY { 2 } else { 1 };
        self.ask_for_sockets(count);
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
        if queries.is_empty() {
            return;
        }
        run.task = Task::Measure(Measure { queries, again: now + QUERY_AGAIN, sent: 1 });
    }

    /// Tells the peer what it is to expect; what this side's NAT does may turn out to be something else.
    fn end_measure(&mut self, theirs: Theirs) {
        let Some(run) = &mut self.punch.run else { return };
        let Task::Measure(measure) = core::mem::replace(&mut run.task, Task::Idle) else { return };
        let seen: Vec<SocketAddr> = measure.queries.iter().filter_map(|query| query.seen).collect();
        let (Some(at), Some(socket)) = (seen.last().copied(), run.sockets.last()) else { return };
        let base = socket.base;
        let mapping = refined(run.mapping, Mapping::of(&seen), run.sockets.len());
        if let Mapping::Sequential(step) = mapping {
            run.mapping = mapping;
            self.punch.summary.mapping = mapping;
            self.tell_prediction(base, at, step, theirs);
        } else {
            self.remap(mapping);
        }
    }

    /// A NAT that keeps the port of a socket for its first destination needs no measurement.
    fn foretell(&mut self, now: Instant, theirs: Theirs) {
        let Some(run) = &self.punch.run else { return };
        let Some(socket) = run.sockets.last() else { return };
        let at = SocketAddr::new(run.seen.ip(), socket.base.port().wrapping_sub(1));
        self.tell_prediction(socket.base, at, 1, theirs);
        self.advance(now);
    }

    /// This side's NAT does something else than it seemed to: there are no rounds any more.
    fn remap(&mut self, mapping: Mapping) {
        let Some(run) = &mut self.punch.run else { return };
        (run.mapping, run.told, run.round, run.task, run.need) = (mapping, false, None, Task::Idle, None);
        self.punch.summary.mapping = mapping;
        let old = core::mem::take(&mut run.sockets);
        self.events.extend(old.iter().map(|socket| Event::ReleaseLocal(socket.id)));
    }

    fn tell_prediction(&mut self, base: SocketAddr, at: SocketAddr, step: i16, theirs: Theirs) {
        let Some(run) = &mut self.punch.run else { return };
        let Some((round, _)) = run.round else { return };
        run.task = Task::Measured;
        let width = width(run.rounds.saturating_sub(1));
        if self.punch.peer_knows {
            let notice = Notice { mapping: Mapping::Sequential(step), round, address: at };
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
                if known && self.punch.notice.as_deref().is_none_or(|notice| notice.round != round) {
                    return;
                }
                let stride = if known && role == Role::Controlled { 2 } else { 1 };
                let width = 2 * width(run.rounds.saturating_sub(1));
                (0..width).filter_map(|i| predicted(last, step, stride * i + 1)).collect()
            }
            _ => return,
        };
        run.task = Task::Volley(Volley::new(now, socket.id, targets, self.punch.notice.as_deref().copied()));
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

/// Ports predicted in a round.
pub(super) fn width(round: u32) -> u32 {
    WIDTHS.get(round as usize).copied().unwrap_or(WIDEST)
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
