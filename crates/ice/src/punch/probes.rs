//! What a run sends, and when.

use core::net::SocketAddr;

use peerage_base::path::Path;
use peerage_base::slot::Slot;
use peerage_base::time::{Duration, Instant};
use peerage_stun::header::TransactionId;

use crate::agent::Agent;
use crate::candidate::CandidateKind;
use crate::priority::candidate_priority;
use crate::punch::{Outstanding, Run, Task};
use crate::wire::{self, Request};

const MIN_PACING: Duration = Duration::from_millis(5);
/// How often a list is probed, and the least time from one pass to the next: the peer may be late, and its filter only
/// opens with its own probe.
const PASSES: u32 = 5;
const PASS: Duration = Duration::from_millis(400);

impl Agent {
    /// When the next packet of a run is due.
    pub(crate) fn next_probe(&self) -> Option<Instant> {
        let run = self.punch.run.as_ref()?;
        if let Task::Measure(measure) = &run.task {
            return measure.queries.iter().any(|query| query.queued).then_some(self.decided_at);
        }
        let paused = self.punch.summary.probes >= self.config.punch.probes || self.is_direct();
        run.next_probe().filter(|_| !paused)
    }

    /// Sends what is due: a query of a fresh socket, or a probe.
    pub(crate) fn send_probe(&mut self, now: Instant, slot: &mut Slot<'_>) -> Option<(Path, usize)> {
        if self.next_probe()? > now {
            return None;
        }
        let pacing = self.config.punch.pacing.max(MIN_PACING);
        let run = self.punch.run.as_mut()?;
        if let Task::Measure(measure) = &mut run.task {
            let query = measure.queries.iter_mut().find(|query| query.queued)?;
            query.queued = false;
            let (id, path) = (query.id, Path { local: query.local, remote: query.server });
            return Some((path, self.written(wire::write_query(slot.room(), id).ok())));
        }
        let path = run.next_path(now)?;
        // The first pass opens the way; what follows keeps it open.
        let again = matches!(run.task, Task::Spread { passes, .. } if passes > 0);
        run.due = now + if again { pacing * 2 } else { pacing };
        self.punch.summary.probes += 1;
        self.counters.checks_sent += 1;
        let id = TransactionId::random(&mut self.rng);
        run.remember(Outstanding { id, path, role: self.role, sent_at: now });
        let peer = self.current.peer.as_ref()?;
        let request = Request {
            id,
            username: &peer.username,
            key: &peer.key(),
            priority: candidate_priority(CandidateKind::PeerReflexive, run.preference),
            role: self.role,
            tie_breaker: self.tie_breaker,
            use_candidate: false,
            nomination: None,
            // Never a packet, but a probe without the attributes would say that this side knows nothing of them.
            load: self.load(None),
        };
        let written = wire::write_request(slot.room(), &request).map(|written| written.len).ok();
        Some((path, self.written(written)))
    }
}

impl Run {
    fn next_probe(&self) -> Option<Instant> {
        match &self.task {
            Task::Volley(volley) if volley.passes < PASSES && !volley.targets.is_empty() => {
                Some(self.due.max(volley.began))
            }
            Task::Sweep { walk, .. } if !walk.is_done() => Some(self.due),
            Task::Spread { .. } if !self.sockets.is_empty() => Some(self.due),
            _ => None,
        }
    }

    /// Where the next probe leaves and goes.
    fn next_path(&mut self, now: Instant) -> Option<Path> {
        match &mut self.task {
            Task::Volley(volley) => {
                let remote = *volley.targets.get(volley.next)?;
                volley.next += 1;
                if volley.next == volley.targets.len() {
                    volley.next = 0;
                    volley.passes += 1;
                    volley.began = now.max(volley.began + PASS);
                }
                Some(Path { local: volley.local, remote })
            }
            Task::Sweep { ip, walk } => Some(Path { local: self.local, remote: SocketAddr::new(*ip, walk.next()?) }),
            Task::Spread { target, next, passes } => {
                let socket = self.sockets.get(*next).or_else(|| self.sockets.first())?;
                *next += 1;
                if *next >= self.sockets.len() {
                    *next = 0;
                    *passes = passes.saturating_add(1);
                }
                Some(Path { local: socket.id, remote: *target })
            }
            Task::Idle | Task::Measure(_) | Task::Measured => None,
        }
    }
}
