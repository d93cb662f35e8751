//! The agent: state, commands and queries. What it does with them is in the modules named after the procedures.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use peerage_base::path::{LocalId, Path};
use peerage_base::rng::Rng;
use peerage_base::time::{Duration, Instant, earliest};

use crate::attachment::Attachments;
use crate::candidate::{Address, Candidate, CandidateKind, TcpType, Transport, canonical, is_usable};
use crate::config::{Choices, Config, Numbers, Policy, Role};
use crate::credentials::Credentials;
use crate::error::Misuse;
use crate::event::{Event, GatheringState, Need, NeedId, Selected, State};
use crate::generation::{Generation, Remote};
use crate::local::{Foundations, Local, LocalCandidate, LocalKind};
use crate::pair::{Pair, PairId};
use crate::punch::Punch;
use crate::punch::notice::EXTENSION;
use crate::servers::Gatherer;
use crate::stats::{Counters, Dropped, Drops, PairState, PairStats, Report};
use crate::wire::Response;

/// The largest Ta that a peer can impose.
const MAX_TA: Duration = Duration::from_millis(500);

/// The ICE agent of one BUNDLE transport: one data stream, component 1, one checklist.
///
/// Feed it datagrams, time and what signalling brings; after a batch drain `poll_transmit`, then `poll_event`, then read
/// `poll_timeout`.
#[derive(Debug)]
pub struct Agent {
    pub(crate) own: Choices,
    pub(crate) config: Numbers,
    pub(crate) rng: Rng,
    pub(crate) role: Role,
    /// The role by the descriptions, which lite agents cannot always have.
    pub(crate) told_role: Role,
    pub(crate) tie_breaker: u64,
    pub(crate) remote_lite: bool,
    /// The peer follows the latest nomination.
    pub(crate) remote_renomination: bool,
    /// The peer's Ta (RFC 8445 §14.2).
    pub(crate) remote_pacing: Option<Duration>,
    /// The policy from the next restart on.
    pub(crate) next_policy: Policy,
    pub(crate) locals: Vec<Local>,
    pub(crate) candidates: Vec<LocalCandidate>,
    pub(crate) foundations: Foundations,
    pub(crate) gatherer: Gatherer,
    pub(crate) current: Generation,
    /// The generation before the last restart, while its pairs are still needed.
    pub(crate) previous: Option<Box<Generation>>,
    pub(crate) responses: VecDeque<Response>,
    pub(crate) events: VecDeque<Event>,
    pub(crate) state: State,
    pub(crate) gathering_state: GatheringState,
    pub(crate) selected: Option<Chosen>,
    /// When the last selected pair was lost without a substitute.
    pub(crate) lost_at: Option<Instant>,
    /// The checks failed for good.
    pub(crate) failed: bool,
    /// When the last new transaction began: what Ta counts from.
    pub(crate) paced_at: Option<Instant>,
    /// When a transaction last began that no check of the peer asked for.
    pub(crate) own_at: Option<Instant>,
    /// When a check last went ahead of its turn.
    pub(crate) early_sent_at: Option<Instant>,
    /// When a peer-reflexive candidate last gave way to another one.
    pub(crate) forgot_at: Option<Instant>,
    /// Until when deadlines that only ask for a decision have been looked at.
    pub(crate) decided_at: Instant,
    /// Whether a query goes before a check of this side's own account: they take turns.
    pub(crate) query_turn: bool,
    /// When the owner last asked for a check.
    pub(crate) hastened_at: Option<Instant>,
    /// TCP connections of the peer that have not identified themselves, and until when they may.
    pub(crate) accepted: Vec<(Path, Instant)>,
    pub(crate) next_need: u32,
    pub(crate) drops: Dropped,
    /// The counters of the report; the rest is counted when it is asked for.
    pub(crate) counters: Counters,
    pub(crate) punch: Punch,
    /// What checks carry for the owner.
    pub(crate) attachments: Option<Box<Attachments>>,
    /// Received attachments that the owner has not taken yet.
    pub(crate) waiting: u16,
}

/// The selected pair, and what was last said of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chosen {
    pub generation: u32,
    pub pair: PairId,
    pub announced: Selected,
}

impl Agent {
    /// An agent with fresh credentials. The same seed and the same calls give the same bytes.
    pub fn new(config: Config, role: Role, rng: Rng, now: Instant) -> Self {
        let (mut rng, mut config) = (rng, config);
        let given = config.credentials.take();
        let (own, config) = config.split();
        let random = Credentials::generate(&mut rng, own.ufrag_prefix.as_deref());
        let local = given.unwrap_or(random);
        let tie_breaker = rng.u64();
        let told_role = role;
        // Until the peer turns out to be lite too (RFC 8445 §6.1.1).
        let role = if own.lite { Role::Controlled } else { role };
        Self {
            next_policy: own.policy,
            own,
            config,
            rng,
            role,
            told_role,
            tie_breaker,
            remote_lite: false,
            remote_renomination: false,
            remote_pacing: None,
            locals: Vec::new(),
            candidates: Vec::new(),
            foundations: Foundations::default(),
            gatherer: Gatherer::default(),
            current: Generation::new(0, local),
            previous: None,
            responses: VecDeque::new(),
            events: VecDeque::new(),
            state: State::New,
            gathering_state: GatheringState::New,
            selected: None,
            lost_at: None,
            failed: false,
            paced_at: None,
            own_at: None,
            early_sent_at: None,
            forgot_at: None,
            decided_at: now,
            query_turn: true,
            hastened_at: None,
            accepted: Vec::new(),
            next_need: 0,
            drops: Dropped::default(),
            counters: Counters::default(),
            punch: Punch::default(),
            attachments: None,
            waiting: 0,
        }
    }

    /// Takes the role that the descriptions say; ignored where only one side is lite, which cannot control. A conflict with the
    /// peer's role is resolved by itself (RFC 8445 §7.3.1.1).
    pub fn set_role(&mut self, now: Instant, role: Role) {
        self.told_role = role;
        self.adopt_role(role);
        self.decide(now);
    }

    /// Takes the peer's credentials: at first, after `restart`, or because the peer restarted.
    ///
    /// If they differ from known ones and no restart was begun here, one begins, since both sides change them together
    /// (RFC 8445 §9): read `local_credentials` afterwards. Known ones change nothing.
    pub fn set_remote_credentials(&mut self, now: Instant, credentials: Credentials) -> Result<(), Misuse> {
        self.refuse_if_closed()?;
        credentials.check().map_err(|_| Misuse::BadCredentials)?;
        match &self.current.peer {
            Some(peer) if peer.credentials == credentials => return Ok(()),
            Some(_) => self.restart(now),
            None => {}
        }
        if self.current.early_ufrag.as_ref().is_some_and(|early| **early != *credentials.ufrag) {
            self.forget_early_checks();
        }
        self.current.names.retain(|(_, c)| c.ufrag().is_none_or(|ufrag| ufrag == credentials.ufrag));
        let stale = |c: &Candidate| c.ufrag().is_some_and(|ufrag| ufrag != credentials.ufrag);
        let stale: Vec<Remote> = self.current.remotes.extract_if(.., |remote| stale(&remote.candidate)).collect();
        let is_stale = |pair: &Pair| stale.iter().any(|remote| remote.is(pair.remote.address, pair.is_tcp()));
        let removed = self.current.checklist.remove(is_stale);
        self.release(removed);
        self.current.set_peer(credentials);
        self.current.started_at = Some(now);
        self.decide(now);
        Ok(())
    }

    /// Says whether the peer is a lite agent. This side is controlling then, unless it is lite as well (RFC 8445 §6.1.1).
    pub fn set_remote_lite(&mut self, lite: bool) {
        self.remote_lite = lite;
        let role = match (self.own.lite, lite) {
            (true, true) => self.told_role,
            (true, false) => Role::Controlled,
            (false, true) => Role::Controlling,
            (false, false) => self.role,
        };
        self.adopt_role(role);
        self.decide(self.decided_at);
    }

    /// Says whether the peer gave the ICE option `renomination`: that it follows the latest nomination.
    pub fn set_remote_renomination(&mut self, known: bool) {
        self.remote_renomination = known;
    }

    /// Takes the peer's `ice-pacing` (RFC 8839 §5.5); the larger of both sides' values holds. More than half a second
    /// counts as half a second.
    pub fn set_remote_pacing(&mut self, pacing: Duration) {
        self.remote_pacing = Some(pacing.min(MAX_TA));
    }

    /// Takes another policy, in effect from the next restart on (W3C WebRTC §4.4.1.6: it concerns what is gathered).
    pub fn set_policy(&mut self, policy: Policy) {
        self.next_policy = policy;
    }

    /// Begins a new generation: fresh credentials, no remote candidates, local candidates told anew (RFC 8445 §9).
    ///
    /// The selected pair stays in use until one of the new generation takes over.
    pub fn restart(&mut self, now: Instant) {
        if self.state == State::Closed {
            return;
        }
        let local = Credentials::generate(&mut self.rng, self.own.ufrag_prefix.as_deref());
        let number = self.current.number.wrapping_add(1);
        let mut old = core::mem::replace(&mut self.current, Generation::new(number, local));
        // The one that carries data stays; of two that carry none, the later.
        let keep_old = self.selected.is_none_or(|chosen| chosen.generation == old.number);
        let retired = if keep_old {
            let losers = old.checklist.remove(|pair| pair.valid.is_none());
            let retired = self.previous.replace(Box::new(old)).map(|old| *old);
            self.release(losers);
            retired
        } else {
            Some(old)
        };
        if let Some(mut retired) = retired {
            let pairs = retired.checklist.remove(|_| true);
            self.release(pairs);
        }
        self.failed = false;
        self.lost_at = None;
        self.own.policy = self.next_policy;
        self.reset_punch();
        self.regather();
        self.decide(now);
    }

    /// Adds a candidate of the peer. A name is asked for by [`Need::Resolve`]; an active TCP candidate is remembered until
    /// it connects; what is known already changes nothing.
    pub fn add_remote(&mut self, now: Instant, candidate: Candidate) -> Result<(), Misuse> {
        self.refuse_if_closed()?;
        if candidate.component != 1 {
            return Err(Misuse::OtherComponent);
        }
        let other_generation = match (candidate.ufrag(), &self.current.peer, &self.previous) {
            (Some(ufrag), Some(peer), _) => peer.credentials.ufrag != ufrag,
            (Some(ufrag), None, Some(old)) => old.peer.as_ref().is_some_and(|peer| peer.credentials.ufrag == ufrag),
            _ => false,
        };
        if other_generation {
            return Err(Misuse::OtherGeneration);
        }
        if candidate.extension(EXTENSION).is_some() {
            self.take_notice(now, &candidate);
            return Ok(());
        }
        if self.current.signalled() >= self.config.max_remote_candidates {
            return Err(Misuse::TooManyCandidates);
        }
        if candidate.transport == Transport::Tcp(TcpType::Active) {
            if !self.current.unpaired.contains(&candidate) {
                self.current.unpaired.push(candidate);
            }
            return Ok(());
        }
        match &candidate.address {
            Address::Ip(address) => {
                let address = canonical(*address);
                if !is_usable(address) {
                    return Err(Misuse::UnusableAddress);
                }
                self.insert_remote(now, candidate, address);
            }
            Address::Name(_, 0) => return Err(Misuse::UnusableAddress),
            Address::Name(name, _) => {
                let (address, transport) = (&candidate.address, candidate.transport);
                if self.current.names.iter().any(|(_, known)| known.address == *address && known.transport == transport)
                {
                    return Ok(());
                }
                let need = NeedId(self.next_need);
                self.next_need = self.next_need.wrapping_add(1);
                self.events.push_back(Event::Need(need, Need::Resolve(name.clone())));
                self.current.names.push((need, candidate));
            }
        }
        self.current.last_remote_at = Some(now);
        self.decide(now);
        Ok(())
    }

    /// Says that the peer has no more candidates in this generation (RFC 8838 §14).
    pub fn end_of_remote_candidates(&mut self, now: Instant) {
        self.current.end_of_candidates = true;
        self.decide(now);
    }

    /// Answers a [`Need::Resolve`]; `None` if the name has no address. Answers to needs of an earlier generation are
    /// ignored.
    pub fn supply(&mut self, now: Instant, need: NeedId, address: Option<IpAddr>) {
        let Some(index) = self.current.names.iter().position(|(id, _)| *id == need) else { return };
        let (_, candidate) = self.current.names.remove(index);
        if let Some(ip) = address {
            let address = canonical(SocketAddr::new(ip, candidate.address.port()));
            if is_usable(address) {
                self.insert_remote(now, candidate, address);
            }
        }
        self.decide(now);
    }

    /// Time has passed. Early and repeated calls are harmless.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.decide(now);
    }

    /// Forgets everything but the statistics; nothing is sent or answered any more.
    pub fn close(&mut self, now: Instant) {
        let mut pairs = self.current.checklist.remove(|_| true);
        if let Some(mut previous) = self.previous.take() {
            pairs.extend(previous.checklist.remove(|_| true));
        }
        self.release(pairs);
        for (path, _) in core::mem::take(&mut self.accepted) {
            self.disconnected(path);
        }
        self.current.names.clear();
        self.responses.clear();
        self.gatherer.close();
        self.reset_punch();
        self.attachments = None;
        self.selected = None;
        self.set_state(State::Closed);
        self.decided_at = now;
    }

    /// The next fact or need.
    pub fn poll_event(&mut self) -> Option<Event> {
        let event = self.events.pop_front()?;
        if self.current.concluded && self.events.is_empty() {
            self.events = VecDeque::new();
        }
        self.waiting -= u16::from(matches!(event, Event::Attachment(_)));
        Some(event)
    }

    /// When `handle_timeout` and `poll_transmit` have something to do.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.state == State::Closed {
            return None;
        }
        earliest(self.next_transmit(), self.next_decision())
    }

    /// The pair to send on.
    pub fn selected(&self) -> Option<Selected> {
        let chosen = self.selected?;
        Some(Selected { rtt: self.chosen_pair().and_then(|pair| pair.rtt), ..chosen.announced })
    }

    /// The role, conflicts resolved.
    pub fn role(&self) -> Role {
        self.role
    }

    /// The connection state.
    pub fn state(&self) -> State {
        self.state
    }

    /// The gathering state.
    pub fn gathering_state(&self) -> GatheringState {
        self.gathering_state
    }

    /// The credentials of the current generation, to be told to the peer.
    pub fn local_credentials(&self) -> &Credentials {
        &self.current.local
    }

    /// The peer's credentials of the current generation.
    pub fn remote_credentials(&self) -> Option<&Credentials> {
        self.current.peer.as_ref().map(|peer| &peer.credentials)
    }

    /// Whether consent to send data on the path stands (RFC 7675 §5.1).
    ///
    /// As of the last input: consent ends in the `handle_timeout` that `poll_timeout` asks for.
    pub fn may_send(&self, path: Path) -> bool {
        self.generations().any(|generation| generation.valid().any(|pair| pair.path == path))
    }

    /// Whether data that came over the path is the peer's.
    pub fn is_valid_path(&self, path: Path) -> bool {
        // The peer may send as soon as its own check was answered, which may be before ours is (RFC 8445 §12.2).
        self.generations().any(|g| g.checklist.iter().any(|pair| pair.path == path && pair.claimed && !pair.revoked))
    }

    /// Whether a check with this fragment of ours is for this agent: current or previous generation.
    pub fn accepts_ufrag(&self, ufrag: &str) -> bool {
        self.state != State::Closed && self.generations().any(|generation| generation.local.ufrag == ufrag)
    }

    /// All pairs, those of the generation before the last restart behind.
    pub fn pairs(&self) -> impl Iterator<Item = PairStats> + '_ {
        let current = self.current.number;
        self.generations().flat_map(move |g| g.checklist.iter().map(move |pair| pair.stats(g.number != current)))
    }

    /// The local candidates with the ends they belong to, peer-reflexive ones included.
    pub fn local_candidates(&self) -> impl Iterator<Item = (LocalId, &Candidate)> {
        self.candidates.iter().map(|local| (local.local, &local.candidate))
    }

    /// The peer's candidates of the current generation, peer-reflexive and unpaired ones included.
    pub fn remote_candidates(&self) -> impl Iterator<Item = &Candidate> {
        let paired = self.current.remotes.iter().map(|remote| &remote.candidate);
        paired.chain(self.current.names.iter().map(|(_, candidate)| candidate)).chain(&self.current.unpaired)
    }

    /// Packets that were dropped, by reason.
    pub fn stats(&self) -> Drops {
        self.drops.so_far()
    }

    /// All that tells why the agent connects or does not.
    pub fn report(&self) -> Report {
        let mut report = self.counters.report();
        report.restarts = self.current.number;
        self.current.checklist.iter().for_each(|pair| report.pairs.count(pair.state));
        // What the policy keeps to itself is as good as not there.
        let admitted = |id: LocalId| self.local(id).is_some_and(|local| self.admits(local.kind()));
        let local = self.local_candidates().filter(|(id, _)| admitted(*id));
        local.for_each(|(_, candidate)| report.local.count(candidate));
        self.remote_candidates().for_each(|candidate| report.remote.count(candidate));
        report
    }

    pub(crate) fn generations(&self) -> impl Iterator<Item = &Generation> {
        core::iter::once(&self.current).chain(self.previous.as_deref())
    }

    pub(crate) fn generations_mut(&mut self) -> impl Iterator<Item = &mut Generation> {
        core::iter::once(&mut self.current).chain(self.previous.as_deref_mut())
    }

    pub(crate) fn generation_mut(&mut self, number: u32) -> Option<&mut Generation> {
        self.generations_mut().find(|generation| generation.number == number)
    }

    pub(crate) fn chosen_pair(&self) -> Option<&Pair> {
        let chosen = self.selected?;
        let generation = self.generations().find(|generation| generation.number == chosen.generation)?;
        generation.checklist.get(chosen.pair)
    }

    /// Whether the policy lets the peer learn of the end.
    pub(crate) fn admits(&self, kind: LocalKind) -> bool {
        self.own.policy == Policy::All || kind.is_relay()
    }

    pub(crate) fn local(&self, id: LocalId) -> Option<&Local> {
        self.locals.iter().find(|local| local.id == id)
    }

    /// Tells the owner of paths that no pair uses any more.
    pub(crate) fn release(&mut self, removed: Vec<Pair>) {
        for pair in removed {
            if pair.claimed {
                self.released(pair.path);
            }
            if pair.is_connecting() {
                self.disconnected(pair.path);
            }
        }
    }

    pub(crate) fn adopt_role(&mut self, role: Role) {
        if self.role == role || !self.allows_role(role) {
            return;
        }
        self.role = role;
        self.current.nominating = None;
        self.current.last_nomination = 0;
        self.current.checklist.set_role(role);
        for pair in self.current.checklist.iter_mut() {
            // Said by, or to, a side that had no say.
            pair.nominated = None;
            pair.to_nominate = None;
        }
        // A check repeated in the old role would conflict once more.
        let in_progress: Vec<PairId> = self
            .current
            .checklist
            .iter()
            .filter(|pair| pair.state == PairState::InProgress && pair.is_open())
            .map(|pair| pair.id)
            .collect();
        in_progress.into_iter().for_each(|id| self.current.checklist.retry(id));
        tracing::debug!(?role, "role changed");
    }

    fn refuse_if_closed(&self) -> Result<(), Misuse> {
        if self.state == State::Closed { Err(Misuse::Closed) } else { Ok(()) }
    }

    /// What was learned from checks of someone whose credentials turned out to be others.
    fn forget_early_checks(&mut self) {
        self.current.remotes.retain(|remote| remote.candidate.kind != CandidateKind::PeerReflexive);
        let removed = self.current.checklist.remove(|pair| pair.remote.kind == CandidateKind::PeerReflexive);
        self.release(removed);
    }
}
