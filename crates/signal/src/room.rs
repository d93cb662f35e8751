//! The server's half of signalling: rooms, as a machine without sockets.
//!
//! The driver reports connections, frames and time; [`Rooms`] answers with [`Output`]s, to be drained after every call.
//! Nothing here grows without limit: rooms, seats, queues and rates have bounds in [`Settings`]; the number of
//! connections is the driver's to limit.

mod enter;
mod grant;
mod member;
mod nameplate;
mod queue;
mod relay;
mod settings;
mod time;

pub use settings::Settings;

use crate::id::{PeerId, RoomName, Side};
use crate::message::{ClientMessage, ErrorCode, FrameError, IceServer, ServerMessage};
use core::net::IpAddr;
use enter::Entry;
use member::{Member, Presence};
use nameplate::{Claim, Mailbox, Plates};
use peerage_base::limit::Limiter;
use peerage_base::rng::Rng;
use peerage_base::time::{Duration, Instant};
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

/// A connection of the driver; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnId(u64);

/// What the driver must do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send a text frame.
    Frame(ConnId, Arc<str>),
    /// Close the connection once what was said before has been sent; there is no need to report it back.
    Close(ConnId),
    /// Make credentials for the relay that are bound to this room, and tell these connections now, before what follows.
    Grant(RoomName, Vec<ConnId>),
    /// The room is gone: credentials that were made for it end.
    Revoke(RoomName),
}

/// All rooms of a server.
#[derive(Debug)]
pub struct Rooms {
    settings: Settings,
    rng: Rng,
    entries: Limiter,
    plates: Plates,
    conns: HashMap<ConnId, Conn>,
    next_conn: u64,
    rooms: HashMap<RoomName, Room>,
    /// Connections that have said nothing yet.
    silent: BTreeSet<(Instant, ConnId)>,
    /// Members without a connection.
    away: BTreeSet<(Instant, RoomName, PeerId)>,
    /// Rooms without a member.
    empty: BTreeSet<(Instant, RoomName)>,
    /// Rooms in which credentials are due again.
    grants: BTreeSet<(Instant, RoomName)>,
    next_sweep: Option<Instant>,
    queued_bytes: usize,
    output: VecDeque<Output>,
}

#[derive(Debug)]
struct Conn {
    source: IpAddr,
    state: ConnState,
}

#[derive(Debug)]
enum ConnState {
    Silent { deadline: Instant, ice_servers: Vec<IceServer> },
    Seated { room: RoomName, peer: PeerId },
}

#[derive(Debug, Default)]
struct Room {
    members: Vec<Member>,
    expires: Option<Instant>,
    /// When credentials are due again; `None` while fewer than two peers are present.
    next_grant: Option<Instant>,
    /// Credentials were made for it.
    granted: bool,
    /// It is what stands behind a nameplate, and nobody enters it by its name.
    mailbox: Option<Mailbox>,
}

/// A refusal on its way to a client.
#[derive(Debug)]
struct Refusal {
    code: ErrorCode,
    message: String,
}

impl Refusal {
    fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        // What a parser says may quote the whole of what it did not like.
        let message: String = message.into();
        Self { code, message: message.chars().take(200).collect() }
    }

    fn forbidden() -> Self {
        let message = "this server opens rooms only for those who have its access token: ask whoever runs it for one, or \
                       join a room that somebody else opened";
        Self::new(ErrorCode::Forbidden, message)
    }

    fn unavailable() -> Self {
        Self::new(ErrorCode::Unavailable, "there is no such room, or it is full")
    }
}

impl Rooms {
    /// No rooms yet. Tokens are drawn from `rng`.
    pub fn new(settings: Settings, mut rng: Rng) -> Self {
        let entries = Limiter::new(settings.entry_rate, 14, &mut rng);
        let plates = Plates::new(&settings, &mut rng);
        Self {
            settings,
            rng,
            entries,
            plates,
            conns: HashMap::new(),
            next_conn: 0,
            rooms: HashMap::new(),
            silent: BTreeSet::new(),
            away: BTreeSet::new(),
            empty: BTreeSet::new(),
            grants: BTreeSet::new(),
            next_sweep: None,
            queued_bytes: 0,
            output: VecDeque::new(),
        }
    }

    /// A WebSocket was accepted from `source`; `ice_servers` is what this client will be told to use.
    pub fn connect(&mut self, now: Instant, source: IpAddr, ice_servers: Vec<IceServer>) -> ConnId {
        let id = ConnId(self.next_conn);
        self.next_conn += 1;
        let deadline = now + self.settings.first_frame;
        self.silent.insert((deadline, id));
        self.conns.insert(id, Conn { source, state: ConnState::Silent { deadline, ice_servers } });
        id
    }

    /// A text frame arrived. Frames of a connection that was told to close are ignored.
    pub fn handle_frame(&mut self, now: Instant, conn: ConnId, text: &str) {
        let Some(Conn { state, .. }) = self.conns.get(&conn) else { return };
        let seat = match state {
            ConnState::Silent { .. } => None,
            ConnState::Seated { room, peer } => Some((room.clone(), *peer)),
        };
        let done = match (ClientMessage::parse(text), seat) {
            (Err(FrameError::TooLarge), _) => Err(Refusal::new(ErrorCode::TooLarge, FrameError::TooLarge.to_string())),
            (Err(e), _) => Err(Refusal::new(ErrorCode::BadRequest, e.to_string())),
            (Ok(ClientMessage::Open { room, peer, accepts, access_token }), None) => {
                let may_create = self.settings.access.admits(access_token.as_ref());
                self.enter(now, conn, Entry { room, peer, accepts, create: Some(may_create) })
            }
            (Ok(ClientMessage::Join { room, peer, accepts }), None) => {
                self.enter(now, conn, Entry { room, peer, accepts, create: None })
            }
            (Ok(ClientMessage::Allocate { peer, access_token }), None) => {
                let admitted = self.settings.access.admits(access_token.as_ref());
                self.allocate(now, conn, peer, admitted)
            }
            (Ok(ClientMessage::Claim { nameplate, peer, side, access_token }), None) => {
                let admitted = side == Side::Guest || self.settings.access.admits(access_token.as_ref());
                self.claim(now, conn, Claim { nameplate, peer, side, admitted })
            }
            (Ok(ClientMessage::Resume { room, peer, token, received }), None) => {
                self.resume(now, conn, room, peer, token, received)
            }
            (Ok(ClientMessage::Signal { seq, to, data }), Some((room, peer))) => {
                self.relay(now, &room, peer, seq, to, data)
            }
            (Ok(ClientMessage::Ack { received }), Some((room, peer))) => self.ack(&room, peer, received),
            (Ok(ClientMessage::Leave), Some((room, peer))) => {
                self.leave(now, &room, peer);
                Ok(())
            }
            (Ok(_), None) => {
                Err(Refusal::new(ErrorCode::BadRequest, "the first message is open, join, allocate, claim or resume"))
            }
            (Ok(_), Some(_)) => Err(Refusal::new(ErrorCode::BadRequest, "this connection has entered a room already")),
        };
        if let Err(refusal) = done {
            self.refuse(now, conn, &refusal);
        }
    }

    /// The connection was lost or closed; its member keeps the seat for the grace period.
    pub fn handle_disconnect(&mut self, now: Instant, conn: ConnId) {
        match self.conns.remove(&conn).map(|c| c.state) {
            Some(ConnState::Silent { deadline, .. }) => {
                self.silent.remove(&(deadline, conn));
            }
            Some(ConnState::Seated { room, peer }) => {
                let until = now + self.patience(&room);
                if let Some(member) = self.member(&room, peer) {
                    member.presence = Presence::Away { until };
                    self.away.insert((until, room.clone(), peer));
                }
                self.pause_grants(&room);
            }
            None => {}
        }
    }

    /// What to do next; `None` once everything has been handed out.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.output.pop_front()
    }

    /// How many rooms there are, empty ones included.
    pub fn room_count(&self) -> usize {
        self.rooms.len()
    }

    /// Bytes held for clients that have not acknowledged them.
    pub fn queued_bytes(&self) -> usize {
        self.queued_bytes
    }

    /// The room has served its purpose.
    fn discard(&mut self, name: &RoomName) {
        let Some(room) = self.rooms.remove(name) else { return };
        if let Some(at) = room.next_grant {
            self.grants.remove(&(at, name.clone()));
        }
        if room.granted {
            self.output.push_back(Output::Revoke(name.clone()));
        }
    }

    /// How long a member of the room may be away.
    fn patience(&self, room: &RoomName) -> Duration {
        let waits =
            self.rooms.get(room).and_then(|room| room.mailbox.as_ref()).is_some_and(|mailbox| !mailbox.is_paired());
        if waits { self.settings.nameplate_away } else { self.settings.grace }
    }

    fn member(&mut self, room: &RoomName, peer: PeerId) -> Option<&mut Member> {
        self.rooms.get_mut(room)?.members.iter_mut().find(|m| m.id == peer)
    }

    /// Answers with an error and closes; a member loses its seat, or it would resume and do the same again.
    fn refuse(&mut self, now: Instant, conn: ConnId, refusal: &Refusal) {
        tracing::debug!(conn = conn.0, code = ?refusal.code, message = refusal.message, "refused");
        let Some(c) = self.conns.remove(&conn) else { return };
        let frame = ServerMessage::Error { code: refusal.code, message: refusal.message.clone() }.to_json();
        self.output.push_back(Output::Frame(conn, frame.into()));
        self.output.push_back(Output::Close(conn));
        match c.state {
            ConnState::Silent { deadline, .. } => {
                self.silent.remove(&(deadline, conn));
            }
            ConnState::Seated { room, peer } => self.remove(now, &room, peer),
        }
    }
}

#[cfg(test)]
mod tests;
