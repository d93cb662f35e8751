//! The session: its parts, its verbs, and what each part's news means to the others.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::ToString as _;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use peerage_base::datagram::{Datagram, Transmit};
use peerage_base::ecn::Ecn;
use peerage_base::path::{Path, PathChange};
use peerage_base::rng::Rng;
use peerage_base::time::{Instant, earliest};
use peerage_dtls::certificate::Certificate;
use peerage_dtls::connection::Dtls;
use peerage_dtls::event::{CloseReason as DtlsClose, Event as DtlsEvent, Info};
use peerage_ice::agent::Agent;
use peerage_ice::config::{Config as IceConfig, Policy, Role as IceRole};
use peerage_ice::credentials::Credentials;
use peerage_ice::event::{Event as IceEvent, Selected, State as IceState};
use peerage_jsep::negotiation::Negotiation;
use peerage_sctp::association::Association;
use peerage_sctp::channel::Role as SctpRole;
use peerage_sctp::event::Event as SctpEvent;

use crate::config::{Config, IceTransportPolicy};
use crate::counters::{Drops, Traffic};
use crate::demux::{Kind, classify};
use crate::error::SessionError;
use crate::event::{CloseReason, Event, SelectedPair};
use crate::media::Room;
use crate::memory::{Gather, Look, Pending, States, Wish};
use crate::path::PathState;
use crate::relay::Relay;
use crate::sped::Sped;
use crate::srtp::Srtp;

/// Most paths over which packets of the peer are accepted: the pairs of two generations. Two NATs that map by address and
/// port and filter nothing show each other a new path with every check.
const MAX_CLAIMED: usize = 200;
/// Most DTLS datagrams kept until the peer's description tells which side we are.
pub(crate) const MAX_EARLY: usize = 4;
/// Longest of them, in bytes.
const MAX_EARLY_LEN: usize = 1500;

/// A peer connection without I/O.
pub struct Session {
    pub(crate) config: Config,
    pub(crate) certificate: Arc<Certificate>,
    pub(crate) rng: Rng,
    pub(crate) negotiation: Negotiation,
    pub(crate) pending: Pending,
    pub(crate) ice: Agent,
    pub(crate) gather: Gather,
    pub(crate) relays: Vec<Relay>,
    pub(crate) dtls: Option<Box<Dtls>>,
    /// The handshake inside checks, as long as it is there.
    pub(crate) sped: Option<Box<Sped>>,
    /// What DTLS agreed on, once it has.
    pub(crate) secure: Option<Info>,
    /// DTLS datagrams that came before our role was known.
    pub(crate) early: Vec<Vec<u8>>,
    pub(crate) association: Option<Box<Association>>,
    /// How many associations were dropped before this one, which sets their tags apart.
    pub(crate) associations_dropped: u32,
    /// The peer's INIT chunk, until the association begins from it.
    pub(crate) remote_init: Option<Vec<u8>>,
    /// Whether both descriptions have a data section that was not rejected.
    pub(crate) data_agreed: bool,
    /// A sealed packet that still has to leave, after the end.
    pub(crate) last_words: Option<Vec<u8>>,
    /// Our side's stream parity, once DTLS has a role.
    pub(crate) data_role: Option<SctpRole>,
    /// Whether the association was told to connect.
    pub(crate) data_started: bool,
    /// Audio and video, once they are agreed on.
    pub(crate) media: Room,
    /// What the application wants of its transceivers, beyond what descriptions say.
    pub(crate) wishes: Vec<Wish>,
    /// What protects them.
    pub(crate) srtp: Option<Box<Srtp>>,
    pub(crate) path: PathState,
    /// Transports that take no data now.
    pub(crate) full: Vec<Path>,
    /// Paths that proved to belong to this session by a valid MAC.
    pub(crate) claimed: Vec<Path>,
    pub(crate) states: States,
    pub(crate) events: VecDeque<Event>,
    pub(crate) close_reason: Option<CloseReason>,
    /// When to look next for what can be given back.
    pub(crate) look: Look,
    pub(crate) drops: Drops,
    /// Bytes and datagrams in each direction, all protocols together.
    pub(crate) traffic: Traffic,
}

impl Session {
    /// A session that does nothing yet.
    pub fn new(config: Config, certificate: Arc<Certificate>, rng: Rng, now: Instant) -> Self {
        let mut session = Self {
            ice: agent(&config, rng.split("ice"), now),
            negotiation: Self::negotiation(&config, &rng),
            pending: Pending::default(),
            gather: Gather::default(),
            relays: Vec::new(),
            path: PathState::new(&config),
            config,
            certificate,
            rng,
            dtls: None,
            sped: None,
            secure: None,
            early: Vec::new(),
            association: None,
            associations_dropped: 0,
            remote_init: None,
            data_agreed: false,
            last_words: None,
            data_role: None,
            data_started: false,
            media: None,
            wishes: Vec::new(),
            srtp: None,
            full: Vec::new(),
            claimed: Vec::new(),
            states: States::default(),
            events: VecDeque::new(),
            close_reason: None,
            look: Look::default(),
            drops: Drops::default(),
            traffic: Traffic::default(),
        };
        session.begin_embedding();
        session
    }

    /// Closes the session and every channel: tells the peer by what `poll_transmit` still hands out. What was received can
    /// still be read.
    pub fn close(&mut self, now: Instant) {
        self.end(now, CloseReason::Local);
    }

    /// Takes in a datagram. Whatever it is, it cannot fail: what does not belong here is dropped and counted.
    pub fn handle_datagram(&mut self, now: Instant, mut datagram: Datagram<'_>) {
        self.traffic.received(datagram.payload.len());
        if self.close_reason.is_some() {
            self.drops.closed += 1;
        } else if !self.handle_relayed(now, &mut datagram) {
            self.handle_unwrapped(now, datagram);
        }
    }

    /// Takes in a datagram as the peer sent it.
    pub(crate) fn handle_unwrapped(&mut self, now: Instant, datagram: Datagram<'_>) {
        match classify(datagram.payload) {
            Kind::Stun => {
                self.ice.handle_datagram(now, datagram);
                self.after_ice(now);
            }
            Kind::Dtls if !self.is_claimed(datagram.path) => self.drops.unclaimed += 1,
            Kind::Dtls => self.handle_dtls(now, datagram),
            Kind::Rtp if !self.is_claimed(datagram.path) => self.drops.unclaimed += 1,
            Kind::Rtp => self.handle_media(now, datagram),
            Kind::Unknown => self.drops.unknown += 1,
        }
    }

    /// Acts on time. Early and repeated calls are harmless.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.close_reason.is_some() {
            return;
        }
        self.path.handle_timeout(now);
        self.relays_timeout(now);
        self.ice.handle_timeout(now);
        self.after_ice(now);
        self.embedding_timeout(now);
        if let Some(dtls) = &mut self.dtls {
            dtls.handle_timeout(now);
            self.after_dtls(now, Ecn::NotEct, &mut []);
        }
        if let Some(association) = &mut self.association {
            let before = association.stats().timeouts;
            association.handle_timeout(now);
            let silent = association.stats().timeouts > before;
            self.after_sctp(now);
            if silent {
                self.path.timed_out(now);
                // Nothing came back for what was sent: the path is to prove itself sooner than consent asks for.
                self.ice.hasten(now);
                self.after_ice(now);
            }
        }
        self.media_timeout(now);
        self.give_back(now);
    }

    /// Hears what the world says of a path, or of the transport that carries it.
    ///
    /// One that is not writable gets no data until it is again; checks, which are small and rare, go on.
    pub fn handle_path(&mut self, now: Instant, path: Path, change: PathChange) {
        if let PathChange::TooBig(bytes) = change {
            self.too_big(now, path, bytes);
        }
        match change {
            PathChange::Writable(0) if self.full.contains(&path) => return,
            PathChange::Writable(0) => return self.full.push(path),
            PathChange::TooBig(_) => {}
            PathChange::Up | PathChange::Down | PathChange::Writable(_) => self.full.retain(|of| *of != path),
        }
        if self.close_reason.is_some() || self.relay_path(now, path, change) {
            return;
        }
        self.ice.handle_path(now, path.local, Some(path.remote), change);
        self.after_ice(now);
    }

    /// Writes one datagram, or a run of equal-sized ones, to the start of `buf`. Call until `None`.
    ///
    /// 64 KiB of room make the longest runs; less than the largest datagram writes nothing.
    pub fn poll_transmit(&mut self, now: Instant, buf: &mut [u8]) -> Option<Transmit> {
        let transmit = self.write(now, buf)?;
        self.traffic.sent(transmit.len, transmit.segment);
        Some(transmit)
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.close_reason.is_some() {
            return None;
        }
        let dtls = self.dtls.as_ref().and_then(|dtls| dtls.poll_timeout());
        let sctp = self.association.as_ref().and_then(|association| {
            let paced = self.path.deadline().filter(|_| association.wants_budget());
            earliest(association.poll_timeout(), paced)
        });
        let dtls = earliest(dtls, self.embedding_deadline());
        let own = earliest(self.look.deadline(), self.relays_deadline());
        let media = self.media_deadline();
        earliest(earliest(self.ice.poll_timeout(), own), earliest(earliest(dtls, sctp), media))
    }

    /// Whether the session is over and has nothing more to send or say.
    pub fn is_finished(&self) -> bool {
        self.close_reason.is_some() && self.events.is_empty()
    }

    /// The pair that carries packets, if there is one.
    pub fn selected_pair(&self) -> Option<SelectedPair> {
        self.ice.selected().map(|selected| self.described(selected))
    }

    /// Why the session ended, once it has.
    pub fn close_reason(&self) -> Option<&CloseReason> {
        self.close_reason.as_ref()
    }

    /// The user-name fragments that checks for this session name: the present one, then an earlier one.
    pub fn local_ufrag(&self) -> &str {
        &self.ice.local_credentials().ufrag
    }

    /// Whether this side decides which pair carries packets (RFC 8445 §6.1.1).
    pub fn is_controlling(&self) -> bool {
        self.ice.role() == IceRole::Controlling
    }

    pub(crate) fn open(&self) -> Result<(), SessionError> {
        if self.close_reason.is_some() { Err(SessionError::closed()) } else { Ok(()) }
    }

    fn handle_dtls(&mut self, now: Instant, datagram: Datagram<'_>) {
        let Some(dtls) = &mut self.dtls else {
            // The answerer's first flight often overtakes its answer.
            if self.early.len() < MAX_EARLY && datagram.payload.len() <= MAX_EARLY_LEN {
                if let Some(sped) = &mut self.sped {
                    sped.arrived(datagram.payload);
                }
                self.early.push(datagram.payload.to_vec());
            } else {
                self.drops.early += 1;
            }
            return;
        };
        if let Some(sped) = &mut self.sped {
            sped.arrived(datagram.payload);
        }
        dtls.handle_datagram(now, datagram.payload);
        self.after_dtls(now, datagram.ecn, datagram.payload);
    }

    /// Takes over ICE's news.
    pub(crate) fn after_ice(&mut self, now: Instant) {
        while let Some(event) = self.ice.poll_event() {
            if self.close_reason.is_some() {
                // What a check carried ended it.
                return;
            }
            match event {
                IceEvent::LocalCandidate(candidate) => self.local_candidate(&candidate),
                IceEvent::GatheringState(state) => self.gathering_state(state),
                IceEvent::State(IceState::Disconnected) => self.doubt_relays(now),
                IceEvent::State(_) | IceEvent::RoleChanged(_) => {}
                IceEvent::Selected(selected) => self.selected(now, selected),
                IceEvent::Attachment(received) => self.handle_attachment(now, received),
                IceEvent::Claimed(path) => self.claim(now, path),
                IceEvent::Released(path) => {
                    self.claimed.retain(|p| *p != path);
                    self.path.forget(path);
                    self.release(path);
                }
                IceEvent::Need(id, need) => self.ice_need(id, need),
                IceEvent::ReleaseLocal(local) => self.events.push_back(Event::ReleaseLocal(local)),
                IceEvent::Disconnect(path) => self.events.push_back(Event::Disconnect(path)),
                IceEvent::CandidateError(error) => {
                    tracing::debug!(code = error.code, reason = %error.reason, "a server gave no candidate");
                    self.gather.stun_errors.retain(|(server, _)| *server != error.server);
                    self.gather.stun_errors.push((error.server, error.code));
                }
                _ => {}
            }
        }
        self.update_embedding(now);
        self.update_states(now);
    }

    /// Takes over what DTLS has to say and to deliver. `payload` is the datagram it was given last.
    pub(crate) fn after_dtls(&mut self, now: Instant, ecn: Ecn, payload: &mut [u8]) {
        let Some(dtls) = &mut self.dtls else { return };
        let (mut closed, mut news) = (None, false);
        while let Some(event) = dtls.poll_event() {
            news = true;
            match event {
                DtlsEvent::Connected(info) => {
                    tracing::debug!(version = ?info.version, suite = ?info.cipher_suite, "secured");
                    self.secure = Some(info);
                }
                DtlsEvent::KeyLog(line) => self.events.push_back(Event::KeyLog(line)),
                DtlsEvent::Closed(reason) => closed = Some(reason),
            }
        }
        if self.secure.is_some() {
            self.connect_media();
            self.connect_data(now);
        }
        // The association must exist before data that came with the last flight is delivered.
        let (Some(dtls), Some(association)) = (&mut self.dtls, &mut self.association) else {
            return self.dtls_closed(now, closed);
        };
        while let Some(packet) = dtls.poll_data(payload) {
            association.handle_packet(now, ecn, packet);
            if let Some(sped) = &mut self.sped {
                sped.heard_data();
            }
        }
        self.after_sctp(now);
        // Data alone changes no state, and the handshake is over once nothing embeds it.
        if news || self.sped.is_some() {
            self.dtls_closed(now, closed);
        }
    }

    fn dtls_closed(&mut self, now: Instant, reason: Option<DtlsClose>) {
        if let Some(reason) = reason {
            let reason = match reason {
                DtlsClose::Local => CloseReason::Local,
                DtlsClose::CloseNotify => CloseReason::Remote,
                DtlsClose::FingerprintMismatch { .. } => CloseReason::FingerprintMismatch,
                other => CloseReason::Dtls(other.to_string()),
            };
            self.end(now, reason);
        }
        self.update_embedding(now);
        self.update_states(now);
    }

    /// Takes over what SCTP has to say.
    pub(crate) fn after_sctp(&mut self, now: Instant) {
        let Some(association) = &mut self.association else { return };
        let mut down = None;
        while let Some(event) = association.poll_event() {
            self.events.push_back(match event {
                SctpEvent::Channel(id) => Event::Channel(id),
                SctpEvent::Open(id) => Event::ChannelOpen(id),
                SctpEvent::Readable(id) => Event::ChannelReadable(id),
                SctpEvent::BufferedAmountLow(id) => Event::ChannelBufferedAmountLow(id),
                SctpEvent::Writable => Event::Writable,
                SctpEvent::Closing(id) => Event::ChannelClosing(id),
                SctpEvent::ShareExceeded(id) => Event::ChannelShareExceeded(id),
                SctpEvent::Closed(id) => Event::ChannelClosed(id),
                SctpEvent::Down(reason) => {
                    down = Some(reason);
                    continue;
                }
                _ => continue,
            });
        }
        if let Some(reason) = down {
            use peerage_sctp::error::CloseReason as Sctp;
            let reason = match reason {
                Sctp::Shutdown | Sctp::AbortedByPeer { .. } => CloseReason::Remote,
                other => CloseReason::Sctp(other.to_string()),
            };
            self.end(now, reason);
        }
    }

    fn selected(&mut self, now: Instant, selected: Selected) {
        self.take_path(now, selected);
        if let Some(sped) = &mut self.sped {
            sped.select(now, selected.rtt);
        }
        self.prefer_channel(now, selected.path);
        self.events.push_back(Event::SelectedPair(self.described(selected)));
    }

    /// A pair as ICE chose it, with what only the session knows of it.
    fn described(&self, selected: Selected) -> SelectedPair {
        let relay = self.relays.iter().find(|relay| relay.has(selected.path.local));
        SelectedPair::new(selected, relay.map(Relay::protocol))
    }

    fn claim(&mut self, now: Instant, path: Path) {
        if self.claimed.contains(&path) {
            return;
        }
        if self.claimed.len() == MAX_CLAIMED {
            // The path in use must stay, however many others the peer sends checks over.
            let oldest = usize::from(self.claimed.first() == self.path.selected().as_ref());
            let old = self.claimed.remove(oldest);
            self.release(old);
        }
        self.claimed.push(path);
        // What comes over a relay is told apart by the relay.
        if self.relay_of(path.local).is_none() {
            self.events.push_back(Event::Claimed(path));
        }
        tracing::trace!(%now, "claimed a path");
    }

    fn is_claimed(&self, path: Path) -> bool {
        self.path.selected() == Some(path) || self.claimed.contains(&path)
    }

    fn release(&mut self, path: Path) {
        if self.relay_of(path.local).is_none() {
            self.events.push_back(Event::Released(path));
        }
    }

    /// No section uses the transport any more: the next one that does begins with nothing.
    pub(crate) fn close_transport(&mut self, now: Instant) {
        (self.dtls, self.secure, self.data_role) = (None, None, None);
        self.srtp = None;
        self.early.clear();
        self.path.clear();
        for path in core::mem::take(&mut self.claimed) {
            self.release(path);
        }
        // A label of its own, or the credentials would come again.
        self.ice = agent(&self.config, self.rng.split(self.local_ufrag()), now);
        self.begin_embedding();
        self.pending.forget_transport();
        self.events.push_back(Event::LocalUfrags);
        self.gather_again(now);
    }

    /// Ends the session, once.
    pub(crate) fn end(&mut self, now: Instant, reason: CloseReason) {
        if self.close_reason.is_some() {
            return;
        }
        self.farewell(now);
        self.end_embedding(now);
        self.early = Vec::new();
        // The last words leave as the local ends of streams want it, and no name is given twice.
        let Gather { locals, next_local, next_need, .. } = core::mem::take(&mut self.gather);
        self.gather = Gather { locals, next_local, next_need, ..Gather::default() };
        self.close_reason = Some(reason.clone());
        self.negotiation.close();
        self.update_states(now);
        self.events.push_back(Event::Closed(reason));
    }
}

fn agent(config: &Config, rng: Rng, now: Instant) -> Agent {
    let mut ice = IceConfig::default();
    ice.ufrag_prefix = (!config.ufrag_prefix.is_empty()).then(|| config.ufrag_prefix.clone());
    ice.policy = match config.ice_transport_policy {
        IceTransportPolicy::All => Policy::All,
        IceTransportPolicy::Relay => Policy::Relay,
    };
    ice.lite = config.ice_lite;
    ice.credentials = config.credentials.clone().and_then(|(ufrag, pwd)| Credentials::new(ufrag, pwd).ok());
    if let Some(patience) = config.patience {
        ice.patience = patience.max(ice.patience);
        // As often as mappings of NATs are kept alive.
        ice.recheck = Some(ice.keepalive);
    }
    ice.punch.predict = config.predict_ports;
    ice.punch.birthday = config.birthday_probing;
    ice.punch.private = config.probe_anywhere;
    // The offerer controls; until the first offer goes one way or the other, the role has no effect.
    Agent::new(ice, IceRole::Controlling, rng, now)
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (signaling, connection) = (self.signaling_state(), self.states.connection);
        f.debug_struct("Session")
            .field("signaling", &signaling)
            .field("connection", &connection)
            .finish_non_exhaustive()
    }
}
