//! The task that owns a way to signal and the connection to one peer on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use peerage::{Configuration, DataChannel, Event as PcEvent, Message};
use peerage_signal::client::event::{CloseReason, DescriptionKind, RoomEvent};
use peerage_signal::id::PeerId;
use peerage_signal::message::ErrorCode;
use peerage_signal::plain::{Candidate, Plain, Role};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use super::comparing::{Comparing, Outcome};
use super::link::Link;
use super::visit::ice_server;
use super::way::{Carries, Way};
use super::{Command, Event, channel_of, command_of, fits, further};
use crate::ending::{Ending, Kind};

const CHECK_INTERVAL: Duration = Duration::from_millis(250);
/// A peer that failed is tried again, but not in a tight circle.
const PAUSE: Duration = Duration::from_secs(1);
/// Candidates kept of a peer that waits.
const MAX_WAITING: usize = 64;
/// How long closing a connection may take.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(500);
pub const CHAT: (&str, &str) = ("chat", "peerage.chat.1");

/// A peer that could be talked to.
struct Peer {
    id: PeerId,
    role: Role,
    /// We were here first.
    first: bool,
    met: Instant,
    not_before: Instant,
    /// Its offer, while another connection is not yet given up.
    offer: Option<String>,
    candidates: Vec<Candidate>,
}

pub(super) struct Driver {
    way: Way,
    carries: Carries,
    role: Role,
    events: mpsc::Sender<Event>,
    commands: mpsc::Receiver<Command>,
    busy: Arc<AtomicBool>,
    configuration: Configuration,
    comparing: Comparing,
    joined: Instant,
    peers: Vec<Peer>,
    link: Option<Link>,
    /// The server is out of reach.
    cut_off: bool,
    /// The room is closed; the connection may go on without it.
    closed: Option<Ending>,
}

/// What woke the driver.
enum Wake {
    Room(Option<RoomEvent>),
    Link(Option<PcEvent>),
    Command(Option<Command>),
    Check,
}

impl Driver {
    pub(super) fn new(
        way: Way,
        role: Role,
        events: mpsc::Sender<Event>,
        commands: mpsc::Receiver<Command>,
        busy: Arc<AtomicBool>,
        comparing: Comparing,
        relay_only: bool,
    ) -> Self {
        let (joined, carries) = (Instant::now(), way.carries());
        let configuration = carries.configuration(relay_only);
        let (peers, link, cut_off, closed) = (Vec::new(), None, false, None);
        Self {
            way,
            carries,
            role,
            events,
            commands,
            busy,
            configuration,
            comparing,
            joined,
            peers,
            link,
            cut_off,
            closed,
        }
    }

    pub(super) async fn run(mut self) {
        let mut check = interval(CHECK_INTERVAL);
        check.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let wake = {
                let Self { way, link, commands, closed, .. } = &mut self;
                let pc = link.as_ref().map(|link| &link.pc);
                tokio::select! {
                    biased;
                    command = commands.recv() => Wake::Command(command),
                    event = way.next_event(), if closed.is_none() => Wake::Room(event),
                    event = async { pc.expect("guarded").next_event().await }, if pc.is_some() => Wake::Link(event),
                    _ = check.tick() => Wake::Check,
                }
            };
            match wake {
                Wake::Room(event) => self.room_event(event).await,
                Wake::Link(event) => self.link_event(event).await,
                Wake::Command(Some(Command::Drop)) => self.dropped().await,
                Wake::Command(Some(Command::Open(reply))) => self.open(reply),
                Wake::Command(Some(Command::Verified)) => self.verified().await,
                Wake::Command(Some(Command::Leave(reason))) => return self.leave(reason).await,
                Wake::Command(None) => return self.leave("ended".into()).await,
                Wake::Check => self.check().await,
            }
        }
    }

    async fn room_event(&mut self, event: Option<RoomEvent>) {
        match event {
            Some(RoomEvent::Joined { ice_servers, .. }) => {
                self.joined = Instant::now();
                self.cut_off = false;
                self.ice_servers(ice_servers);
            }
            Some(RoomEvent::IceServers { ice_servers, .. }) => self.ice_servers(ice_servers),
            Some(RoomEvent::PeerHello { peer, role, first, .. }) => self.hello(peer, role, first).await,
            Some(RoomEvent::Description { peer, kind, sdp }) => self.description(peer, kind, sdp).await,
            Some(RoomEvent::Candidate { peer, candidate }) => self.candidate(peer, candidate).await,
            Some(RoomEvent::Reconnecting) => self.cut_off = true,
            Some(RoomEvent::Resumed) => self.cut_off = false,
            Some(RoomEvent::Bye { peer, reason }) => {
                if self.link.as_ref().is_some_and(|link| link.peer == peer) {
                    self.left(format!("the other side left: {reason}")).await;
                }
            }
            Some(RoomEvent::Verify { peer, commit, nonce }) => self.compare(peer, commit, nonce).await,
            Some(RoomEvent::PeerLeft { peer }) => self.peer_left(peer).await,
            Some(RoomEvent::WrongCode { .. }) => {
                self.tell(Event::Note("Somebody tried to join with a wrong code".into())).await;
            }
            Some(RoomEvent::Closed(reason)) => self.closed(&reason).await,
            None => self.closed(&CloseReason::Unreachable).await,
            Some(_) => {}
        }
    }

    /// Servers for the next connection, and for a restart of the one that stands.
    fn ice_servers(&mut self, servers: Vec<peerage_signal::message::IceServer>) {
        self.configuration.ice_servers = servers.into_iter().map(ice_server).collect();
        if let Some(link) = &self.link
            && let Err(error) = link.pc.set_ice_servers(&self.configuration.ice_servers)
        {
            tracing::debug!(%error, "renewed servers are not used");
        }
    }

    async fn link_event(&mut self, event: Option<PcEvent>) {
        let Some(link) = &mut self.link else { return };
        match event {
            Some(PcEvent::NegotiationNeeded) => {
                let offer = link.negotiate().await;
                self.answer(offer).await;
            }
            Some(PcEvent::IceCandidate(candidate)) => {
                let plain = link.found(candidate);
                self.answer(Ok(plain)).await;
            }
            Some(PcEvent::ConnectionStateChange(state)) => {
                let stood = link.stood;
                if let Some(reason) = link.state_changed(state) {
                    return self.lost(reason).await;
                }
                if link.stood && !stood {
                    self.stands().await;
                }
            }
            Some(PcEvent::SelectedCandidatePairChange(_)) => {
                if let Some(connected) = link.connected() {
                    self.tell(Event::Connected(connected)).await;
                }
            }
            Some(PcEvent::DataChannel(channel)) => self.channel(channel).await,
            Some(PcEvent::Closed(reason)) => self.lost(reason.to_string()).await,
            None => self.lost("the connection closed".into()).await,
            Some(_) => {}
        }
    }

    async fn hello(&mut self, id: PeerId, role: Role, first: bool) {
        if !fits(self.role, role) {
            let own = self.role;
            self.tell(Event::Note(format!("Somebody joined to {role}, which does not go with {own}"))).await;
            return;
        }
        let now = Instant::now();
        // A newcomer met the others when it joined.
        let met = if first { now } else { self.joined };
        self.peers.push(Peer { id, role, first, met, not_before: now, offer: None, candidates: Vec::new() });
        self.next_peer().await;
    }

    /// Turns to the first peer that waits, if there is nobody else: offers, or answers the offer of one that was here
    /// before.
    async fn next_peer(&mut self) {
        if self.link.is_some() {
            return;
        }
        if let Some(peer) = self.peers.iter_mut().find(|peer| peer.offer.is_some()) {
            let (id, sdp) = (peer.id, peer.offer.take().unwrap_or_default());
            let candidates = std::mem::take(&mut peer.candidates);
            self.description(id, DescriptionKind::Offer, sdp).await;
            for candidate in candidates {
                self.candidate(id, candidate).await;
            }
            return;
        }
        let now = Instant::now();
        let ready = |peer: &&Peer| peer.first && peer.not_before <= now && self.closed.is_none();
        let Some(peer) = self.peers.iter().find(ready) else { return };
        let (id, role, met) = (peer.id, peer.role, peer.met);
        if !self.begin(id, true, met).await {
            return;
        }
        // The offer needs a channel in it. Pages expect to chat; a receiver has nothing else to open.
        let chats = role == Role::Page || self.role == Role::Receive;
        let channels = [chats.then_some(CHAT), (self.role != Role::Receive).then(|| channel_of(self.role))];
        for channel in channels.into_iter().flatten() {
            match self.link.as_ref().map(|link| link.open(channel)) {
                Some(Ok(channel)) => self.channel(channel).await,
                Some(Err(error)) => return self.lost(error.to_string()).await,
                None => return,
            }
        }
    }

    async fn begin(&mut self, id: PeerId, first: bool, met: Instant) -> bool {
        match Link::new(id, first, met, self.configuration.clone(), self.carries.clone()) {
            Ok(link) => {
                self.link = Some(link);
                self.comparing.begin(first);
                true
            }
            Err(error) => {
                self.tell(Event::Lost { reason: error.to_string(), never_stood: true }).await;
                false
            }
        }
    }

    async fn description(&mut self, id: PeerId, kind: DescriptionKind, mut sdp: String) {
        let offered = kind == DescriptionKind::Offer && self.link.is_none();
        if offered && let Some(peer) = self.peers.iter().find(|peer| peer.id == id) {
            let (first, met) = (peer.first, peer.met);
            if !self.begin(id, first, met).await {
                return;
            }
        }
        match self.link.as_mut().filter(|link| link.peer == id) {
            Some(link) => {
                let answer = link.describe(kind, sdp).await;
                self.answer(answer).await;
            }
            // One that was killed and came back may offer before its earlier self is given up.
            None if kind == DescriptionKind::Offer => {
                for peer in self.peers.iter_mut().filter(|peer| peer.id == id) {
                    peer.offer = Some(std::mem::take(&mut sdp));
                    peer.candidates.clear();
                }
            }
            None => {}
        }
    }

    async fn candidate(&mut self, id: PeerId, candidate: Candidate) {
        if let Some(link) = self.link.as_mut().filter(|link| link.peer == id) {
            link.add(candidate).await;
        } else if let Some(peer) = self.peers.iter_mut().find(|peer| peer.id == id)
            && peer.candidates.len() < MAX_WAITING
        {
            peer.candidates.push(candidate);
        }
    }

    /// Says what negotiation brought, or ends a connection that cannot come about.
    async fn answer(&mut self, plain: peerage::error::Result<Option<Plain>>) {
        let Some(link) = &self.link else { return };
        match plain {
            Ok(None) => {}
            Ok(Some(plain)) => {
                if let Err(error) = self.way.send(link.peer, &plain) {
                    tracing::debug!(%error, "not signalled");
                }
            }
            Err(error) => self.lost(format!("the other side's description cannot be used: {error}")).await,
        }
    }

    async fn stands(&mut self) {
        let Some(link) = &self.link else { return };
        let connected = link.connected();
        // A sender that came later opens its channel now; one that was first has it in the offer.
        let late = self.role == Role::Send && !self.peers.iter().any(|peer| peer.id == link.peer && peer.first);
        let opened = late.then(|| link.open(channel_of(self.role)));
        if let Some(connected) = connected {
            self.tell(Event::Connected(connected)).await;
        }
        let compared = self.comparing.stands();
        self.compared(compared).await;
        match opened {
            Some(Ok(channel)) => self.channel(channel).await,
            Some(Err(error)) => self.lost(error.to_string()).await,
            None => {}
        }
    }

    /// A channel, opened here or there: ours to use, one to read aloud, or none of our business.
    async fn channel(&mut self, channel: DataChannel) {
        let label = channel.label();
        let named = [Some(channel_of(self.role)), further(self.role)].iter().flatten().any(|(own, _)| *own == label);
        // Whoever was handed a text by another program than this may call its channel anything.
        let any = self.role == Role::Pipe && self.carries.is_once() && command_of(&label).is_none();
        if named || any {
            if let Some(channel) = self.comparing.hold(channel) {
                self.tell(Event::Channel(channel)).await;
            }
        } else if label == CHAT.0 {
            let events = self.events.clone();
            tokio::spawn(async move {
                while let Some(message) = channel.recv().await {
                    let Message::Text(text) = message else { continue };
                    // Whoever chats faster than it can be read loses lines, not the transfer.
                    let _ = events.try_send(Event::Note(format!("The other side says: {text}")));
                }
            });
        } else {
            channel.close();
            // In a room the roles tell.
            if let Some(command) = command_of(&label).filter(|_| self.carries.is_once()) {
                self.left(format!("the other side runs `peerage {command}`, which does not go with this command"))
                    .await;
            }
        }
    }

    /// Another channel; nobody is told if there is no peer.
    fn open(&self, reply: oneshot::Sender<DataChannel>) {
        let Some(link) = self.link.as_ref().filter(|link| link.stood) else { return };
        match further(self.role).map(|channel| link.open(channel)) {
            Some(Ok(channel)) => drop(reply.send(channel)),
            Some(Err(error)) => tracing::debug!(%error, "no further channel"),
            None => {}
        }
    }

    /// A step of comparing words.
    async fn compare(&mut self, id: PeerId, commit: Option<String>, nonce: Option<String>) {
        if let Some(link) = self.link.as_ref().filter(|link| link.peer == id) {
            let stood = link.stood;
            let compared = self.comparing.handle(stood, commit, nonce);
            self.compared(compared).await;
        }
    }

    async fn compared(&mut self, outcomes: Vec<Outcome>) {
        for outcome in outcomes {
            let Some(link) = &self.link else { return };
            match outcome {
                Outcome::Say(plain) => self.answer(Ok(Some(plain))).await,
                Outcome::Known => {
                    let words = link.fingerprints().and_then(|(ours, theirs)| self.comparing.words(&ours, &theirs));
                    match words {
                        Some(words) => self.tell(Event::Words { words, ask: self.comparing.is_wanted() }).await,
                        None => self.lost("the certificates of the connection cannot be compared".into()).await,
                    }
                }
                Outcome::Failed(why) => self.distrusted(why).await,
            }
        }
    }

    async fn verified(&mut self) {
        for channel in self.comparing.release() {
            self.tell(Event::Channel(channel)).await;
        }
    }

    /// Ends with a peer that words cannot be compared with: nothing is to be sent to it.
    async fn distrusted(&mut self, why: String) {
        self.give_up().await;
        self.tell(Event::Closed(Ending::new(Kind::Refused, why))).await;
    }

    async fn peer_left(&mut self, id: PeerId) {
        self.peers.retain(|peer| peer.id != id);
        let Some(link) = self.link.as_mut().filter(|link| link.peer == id) else { return };
        // Leaving the room does not end a connection that works.
        link.left = true;
        if !link.stood {
            self.left("the other side left".into()).await;
        }
    }

    async fn closed(&mut self, reason: &CloseReason) {
        let kind = match reason {
            CloseReason::WrongCode | CloseReason::Refused { code: ErrorCode::Unavailable, .. } => Kind::Code,
            _ => Kind::Path,
        };
        let ending = Ending::new(kind, reason.to_string());
        self.closed = Some(ending.clone());
        if self.link.is_none() {
            self.tell(Event::Closed(ending)).await;
        }
    }

    async fn check(&mut self) {
        let wanted = self.link.as_ref().is_some_and(|link| self.peers.iter().any(|peer| peer.id != link.peer));
        let busy = self.busy.load(Ordering::Relaxed);
        let doubted = wanted || self.cut_off;
        match &mut self.link {
            Some(link) => {
                if let Some(reason) = link.check(busy, doubted) {
                    self.lost(reason).await;
                } else if let Some(why) = self.comparing.overdue() {
                    self.distrusted(why).await;
                } else if let Some(plain) = link.gathered() {
                    self.answer(Ok(Some(plain))).await;
                }
            }
            None => self.next_peer().await,
        }
    }

    /// The connection is over, whoever ended it.
    async fn lost(&mut self, reason: String) {
        let never_stood = self.link.as_ref().is_some_and(|link| !link.stood);
        self.over(reason, never_stood).await;
    }

    /// The peer went away: that says nothing against the path to the next one.
    async fn left(&mut self, reason: String) {
        self.over(reason, false).await;
    }

    async fn over(&mut self, reason: String, never_stood: bool) {
        if self.link.is_none() {
            return;
        }
        self.give_up().await;
        if self.carries.is_once() {
            return self.spent(never_stood, reason).await;
        }
        self.tell(Event::Lost { reason, never_stood }).await;
        if let Some(ending) = self.closed.clone() {
            self.tell(Event::Closed(ending)).await;
        }
    }

    /// Whoever owns us wants another try with the peer.
    async fn dropped(&mut self) {
        self.give_up().await;
        if self.carries.is_once() {
            self.spent(false, "the connection was given up".into()).await;
        }
    }

    /// There is no second connection by this way.
    async fn spent(&mut self, never_stood: bool, reason: String) {
        if self.closed.is_none() {
            let ending = Ending::new(if never_stood { Kind::Path } else { Kind::Gone }, reason);
            self.closed = Some(ending.clone());
            self.tell(Event::Closed(ending)).await;
        }
    }

    /// Ends the connection. Its peer hears of it, so that both begin anew at the same time.
    async fn give_up(&mut self) {
        let Some(link) = self.link.take() else { return };
        let _ = self.way.send(link.peer, &Plain::Bye { reason: "the connection was given up".into() });
        let _ = timeout(CLOSE_TIMEOUT, link.pc.close()).await;
        for peer in self.peers.iter_mut().filter(|peer| peer.id == link.peer) {
            peer.not_before = Instant::now() + PAUSE;
            peer.met = Instant::now();
            peer.candidates.clear();
        }
        // A peer that left cannot be offered to; one that waits goes first.
        self.peers.sort_by_key(|peer| peer.not_before);
    }

    async fn leave(mut self, reason: String) {
        if let Some(link) = self.link.take() {
            let _ = self.way.send(link.peer, &Plain::Bye { reason });
            // The closing of the channel and the last acknowledgements are still on their way.
            sleep(Duration::from_millis(20)).await;
            let _ = timeout(CLOSE_TIMEOUT, link.pc.close()).await;
        }
        drop(self.events);
        self.way.leave().await;
    }

    async fn tell(&self, event: Event) {
        let _ = self.events.send(event).await;
    }
}
