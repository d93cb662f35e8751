//! Who is in a call, and a connection to each of them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use peerage::{Configuration, IceServer};
use peerage_signal::client::event::{CloseReason, DescriptionKind, RoomEvent};
use peerage_signal::id::PeerId;
use peerage_signal::message::ErrorCode;
use peerage_signal::plain::{Candidate, Plain, Role};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::member::{Member, News, Stage, Told};
use crate::connect::fits;
use crate::connect::visit::ice_server;
use crate::connect::way::{Carries, Way};
use crate::ending::{Ending, Kind};

const CHECK_INTERVAL: Duration = Duration::from_millis(250);
/// A participant whose connection failed is tried again, but not in a tight circle.
const PAUSE: Duration = Duration::from_secs(1);
/// How long connections may take to close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// What waits for a participant's task; more is a flood.
const INBOX: usize = 256;
/// Participants a room has beside us, those who come back after a crash counted twice.
const MOST_PEERS: usize = 16;

/// What comes of the room.
#[derive(Debug)]
pub enum Event {
    /// News of a participant, by its number.
    News(u32, News),
    /// Somebody came.
    Joined {
        /// The number that it has from now on.
        number: u32,
        /// Its program.
        agent: String,
    },
    /// Somebody said goodbye.
    Left {
        /// Its number.
        number: u32,
        /// What it said.
        reason: String,
    },
    /// Something for a person to read; may hold text of a peer.
    Note(String),
    /// The room is closed; connections may go on without it.
    Closed(Ending),
}

struct Peer {
    number: u32,
    role: Role,
    first: bool,
    met: Instant,
    not_before: Instant,
    running: Option<(mpsc::Sender<Told>, JoinHandle<()>)>,
    /// It said goodbye: nothing more is begun with it unless it begins.
    said_bye: bool,
    /// It is not in the room any more; its connection may still stand.
    left_room: bool,
    /// What came while there was no connection to give it to.
    early: Vec<Candidate>,
}

/// A place in a room or among two, with a connection to everybody else there.
pub struct Mesh {
    way: Way,
    carries: Carries,
    stage: Arc<Stage>,
    configuration: Configuration,
    peers: BTreeMap<PeerId, Peer>,
    count: u32,
    joined: Instant,
    to_members: mpsc::Sender<(PeerId, News)>,
    news: mpsc::Receiver<(PeerId, News)>,
    check: tokio::time::Interval,
    is_closed: bool,
    /// What happened and was not yet told.
    early: VecDeque<Event>,
}

impl Mesh {
    /// Over a way that is open.
    pub fn new(way: Way, stage: Arc<Stage>, relay_only: bool) -> Self {
        let (to_members, news) = mpsc::channel(64);
        let carries = way.carries();
        let configuration = carries.configuration(relay_only);
        let mut check = interval(CHECK_INTERVAL);
        check.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (peers, count, joined, is_closed) = (BTreeMap::new(), 0, Instant::now(), false);
        let early = VecDeque::new();
        Self { way, carries, stage, configuration, peers, count, joined, to_members, news, check, is_closed, early }
    }

    /// What happens next. Nothing is lost if the future is dropped.
    pub async fn next(&mut self) -> Event {
        if let Some(event) = self.early.pop_front() {
            return event;
        }
        loop {
            let event = tokio::select! {
                event = self.way.next_event(), if !self.is_closed => self.room_event(event),
                Some((id, news)) = self.news.recv() => self.member_news(id, news),
                _ = self.check.tick() => {
                    self.begin_due();
                    None
                }
            };
            if let Some(event) = event {
                return event;
            }
        }
    }

    /// Goes on while something else is done; what happens then is told later.
    pub async fn meanwhile<T>(&mut self, other: impl Future<Output = T>) -> T {
        let mut other = std::pin::pin!(other);
        let mut early = VecDeque::new();
        let done = loop {
            tokio::select! {
                done = &mut other => break done,
                event = self.next(), if early.len() < INBOX => early.push_back(event),
            }
        };
        self.early.append(&mut early);
        done
    }

    /// How many connections there are or are being made, those left out that were said goodbye to.
    pub fn count(&self) -> usize {
        self.peers.values().filter(|peer| peer.running.is_some() && !peer.said_bye).count()
    }

    /// Whether somebody who is lost may come back, and others may come.
    pub fn may_return(&self) -> bool {
        !self.carries.is_once()
    }

    /// Says goodbye to everybody and leaves.
    pub async fn leave(mut self, reason: &str) {
        let mut tasks = Vec::new();
        for (id, peer) in &mut self.peers {
            if let Some((inbox, task)) = peer.running.take() {
                let _ = self.way.send(*id, &Plain::Bye { reason: reason.to_owned() });
                let _ = inbox.try_send(Told::End);
                tasks.push(task);
            }
        }
        // Their last words wait for room in the channel.
        self.news.close();
        let all = async {
            for task in tasks {
                let _ = task.await;
            }
        };
        let _ = timeout(CLOSE_TIMEOUT, all).await;
        self.way.leave().await;
    }

    fn room_event(&mut self, event: Option<RoomEvent>) -> Option<Event> {
        match event {
            Some(RoomEvent::Joined { ice_servers, .. }) => {
                self.joined = Instant::now();
                self.ice_servers(ice_servers);
                None
            }
            Some(RoomEvent::IceServers { ice_servers, .. }) => {
                self.ice_servers(ice_servers);
                None
            }
            Some(RoomEvent::PeerHello { peer, role, agent, first }) => self.hello(peer, role, agent, first),
            Some(RoomEvent::Description { peer, kind, sdp }) => self.description(peer, kind, sdp),
            Some(RoomEvent::Candidate { peer, candidate }) => {
                self.candidate(peer, candidate);
                None
            }
            Some(RoomEvent::Bye { peer, reason }) => self.bye(peer, reason),
            Some(RoomEvent::PeerLeft { peer }) => {
                self.peer_left(peer);
                None
            }
            Some(RoomEvent::WrongCode { .. }) => Some(Event::Note("Somebody tried to join with a wrong code".into())),
            Some(RoomEvent::Closed(reason)) => Some(self.closed(&reason)),
            None => Some(self.closed(&CloseReason::Unreachable)),
            Some(_) => None,
        }
    }

    fn member_news(&mut self, id: PeerId, news: News) -> Option<Event> {
        if let News::Signal(plain) = news {
            if let Err(error) = self.way.send(id, &plain) {
                tracing::debug!(%error, "not signalled");
            }
            return None;
        }
        let peer = self.peers.get_mut(&id)?;
        let number = peer.number;
        if let News::Over { .. } = news {
            peer.running = None;
            self.is_closed |= self.carries.is_once();
            let now = Instant::now();
            (peer.met, peer.not_before) = (now, now + PAUSE);
            let (said_bye, left_room) = (peer.said_bye, peer.left_room);
            if left_room {
                self.peers.remove(&id);
            }
            // That it left was told when it said so.
            if said_bye {
                return None;
            }
        }
        Some(Event::News(number, news))
    }

    /// Servers for the next connections, and for restarts of those that stand.
    fn ice_servers(&mut self, servers: Vec<peerage_signal::message::IceServer>) {
        self.configuration.ice_servers = servers.into_iter().map(ice_server).collect::<Vec<IceServer>>();
        let ids: Vec<_> = self.peers.keys().copied().collect();
        for id in ids {
            self.tell(id, Told::IceServers(self.configuration.ice_servers.clone()));
        }
    }

    fn hello(&mut self, id: PeerId, role: Role, agent: String, first: bool) -> Option<Event> {
        if !fits(Role::Call, role) {
            return Some(Event::Note(format!("Somebody joined to {role}, which does not go with a call")));
        }
        if self.peers.len() >= MOST_PEERS {
            return Some(Event::Note("Somebody joined who is one too many".into()));
        }
        self.count += 1;
        let (number, now) = (self.count, Instant::now());
        // A newcomer met the others when it joined.
        let met = if first { now } else { self.joined };
        let (running, said_bye, left_room, early) = (None, false, false, Vec::new());
        let peer = Peer { number, role, first, met, not_before: now, running, said_bye, left_room, early };
        self.peers.insert(id, peer);
        self.begin_due();
        // A text says nothing of who will come with it.
        self.may_return().then_some(Event::Joined { number, agent })
    }

    /// Makes offers to those who are to get one from us.
    fn begin_due(&mut self) {
        if self.is_closed {
            return;
        }
        let now = Instant::now();
        let is_due = |peer: &Peer| peer.first && peer.running.is_none() && !peer.said_bye && peer.not_before <= now;
        let due: Vec<_> = self.peers.iter().filter(|(_, peer)| is_due(peer)).map(|(id, _)| *id).collect();
        for id in due {
            self.begin(id);
        }
    }

    fn begin(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let whom = (id, peer.role, peer.first);
        let terms = (self.configuration.clone(), self.carries.clone());
        let member = Member::new(whom, peer.met, terms, self.stage.clone(), self.to_members.clone());
        match member {
            Ok(member) => {
                let (inbox, told) = mpsc::channel(INBOX);
                peer.running = Some((inbox, tokio::spawn(member.run(told))));
            }
            Err(error) => {
                peer.not_before = Instant::now() + PAUSE;
                let _ = self.stage.notes.send(format!("No connection: {error}"));
            }
        }
    }

    fn description(&mut self, id: PeerId, kind: DescriptionKind, sdp: String) -> Option<Event> {
        let peer = self.peers.get_mut(&id)?;
        let offered = kind == DescriptionKind::Offer;
        let begins = peer.running.is_none() && offered;
        if begins {
            peer.said_bye = false;
            self.begin(id);
        }
        self.tell(id, Told::Description(kind, sdp));
        let early = if begins { self.peers.get_mut(&id).map(|peer| std::mem::take(&mut peer.early)) } else { None };
        for candidate in early.into_iter().flatten() {
            self.tell(id, Told::Candidate(candidate));
        }
        None
    }

    fn candidate(&mut self, id: PeerId, candidate: Candidate) {
        match self.peers.get_mut(&id) {
            Some(peer) if peer.running.is_none() && peer.early.len() < INBOX / 4 => peer.early.push(candidate),
            _ => self.tell(id, Told::Candidate(candidate)),
        }
    }

    /// Tells a participant's task. One whose peer floods it ends.
    fn tell(&mut self, id: PeerId, told: Told) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        if let Some((inbox, task)) = &peer.running
            && let Err(mpsc::error::TrySendError::Full(_)) = inbox.try_send(told)
        {
            task.abort();
            peer.running = None;
            peer.not_before = Instant::now() + PAUSE;
        }
    }

    fn bye(&mut self, id: PeerId, reason: String) -> Option<Event> {
        let peer = self.peers.get_mut(&id)?;
        peer.early.clear();
        let number = peer.number;
        let is_news = !std::mem::replace(&mut peer.said_bye, true);
        self.tell(id, Told::End);
        is_news.then_some(Event::Left { number, reason })
    }

    fn peer_left(&mut self, id: PeerId) {
        // A connection that works goes on without the room.
        self.tell(id, Told::LeftRoom);
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.left_room = true;
            if peer.running.is_none() {
                self.peers.remove(&id);
            }
        }
    }

    fn closed(&mut self, reason: &CloseReason) -> Event {
        self.is_closed = true;
        let kind = match reason {
            CloseReason::WrongCode | CloseReason::Refused { code: ErrorCode::Unavailable, .. } => Kind::Code,
            _ => Kind::Path,
        };
        Event::Closed(Ending::new(kind, reason.to_string()))
    }
}
