//! Entering, coming back, leaving.

use super::member::{Member, Presence};
use super::{ConnId, ConnState, Output, Refusal, Room, Rooms};
use crate::id::{PeerId, RoomName, Token};
use crate::message::{Accepts, ErrorCode, ServerMessage};
use peerage_base::time::Instant;

/// What a client that enters says.
pub(super) struct Entry {
    pub room: RoomName,
    pub peer: PeerId,
    pub accepts: Vec<Accepts>,
    /// It would create the room, and whether it may; `None`: it would not.
    pub create: Option<bool>,
}

impl Rooms {
    pub(super) fn enter(&mut self, now: Instant, conn: ConnId, entry: Entry) -> Result<(), Refusal> {
        self.charge_entry(now, conn)?;
        let Entry { room: name, peer, accepts, create } = entry;
        match self.rooms.get(&name) {
            Some(room) if room.mailbox.is_some() => return Err(Refusal::unavailable()),
            Some(room) if room.members.iter().any(|m| m.id == peer) => {
                return Err(Refusal::new(ErrorCode::Taken, "this peer id is in use"));
            }
            Some(room) if room.members.len() >= self.settings.peers_per_room => return Err(Refusal::unavailable()),
            Some(_) => {}
            None => match create {
                Some(true) => self.create(&name)?,
                Some(false) => return Err(Refusal::forbidden()),
                None => return Err(Refusal::unavailable()),
            },
        }
        let ice_servers = self.seat(conn, &name, peer);
        let token = Token::generate(&mut self.rng);
        let room = self.rooms.get_mut(&name).expect("found or created above");
        if let Some(expires) = room.expires.take() {
            self.empty.remove(&(expires, name.clone()));
        }
        let others: Vec<PeerId> = room.members.iter().map(|m| m.id).collect();
        room.members.push(Member::new(peer, token, conn, accepts.contains(&Accepts::IceServers)));
        let grace_ms = u64::try_from(self.settings.grace.as_millis()).unwrap_or(u64::MAX);
        let joined = ServerMessage::Joined { token, peers: others.clone(), ice_servers, grace_ms };
        self.output.push_back(Output::Frame(conn, joined.to_json().into()));
        self.grant_on_arrival(now, &name, peer);
        tracing::debug!(conn = conn.0, others = others.len(), "entered");
        for other in others {
            self.announce(now, &name, other, |seq| ServerMessage::PeerJoined { seq, peer });
        }
        Ok(())
    }

    pub(super) fn resume(
        &mut self,
        now: Instant,
        conn: ConnId,
        name: RoomName,
        peer: PeerId,
        token: Token,
        received: u64,
    ) -> Result<(), Refusal> {
        self.charge_entry(now, conn)?;
        let gone = || Refusal::new(ErrorCode::Gone, "there is nothing to resume");
        let member = self.member(&name, peer).filter(|m| m.token.matches(&token)).ok_or_else(gone)?;
        if !member.queue.reaches_back_to(received) {
            return Err(gone());
        }
        let freed = member.queue.ack(received).unwrap_or(0);
        member.queue.restart(now);
        let before = member.presence;
        member.presence = Presence::Here(conn);
        member.acked = member.received;
        let (resent, heard): (Vec<_>, u64) = (member.queue.pending().collect(), member.received);
        self.queued_bytes -= freed;
        match before {
            Presence::Away { until } => {
                self.away.remove(&(until, name.clone(), peer));
            }
            // The client noticed the loss before the server did.
            Presence::Here(old) => {
                self.conns.remove(&old);
                self.output.push_back(Output::Close(old));
            }
        }
        self.seat(conn, &name, peer);
        let peers = self.others(&name, peer);
        let resumed = ServerMessage::Resumed { received: heard, peers };
        self.output.push_back(Output::Frame(conn, resumed.to_json().into()));
        self.grant_on_arrival(now, &name, peer);
        tracing::debug!(conn = conn.0, resent = resent.len(), "resumed");
        self.output.extend(resent.into_iter().map(|frame| Output::Frame(conn, frame)));
        self.pair(now, &name);
        Ok(())
    }

    /// The member leaves of its own will; a room that is empty then has served its purpose.
    pub(super) fn leave(&mut self, now: Instant, name: &RoomName, peer: PeerId) {
        if let Some(conn) = self.member(name, peer).and_then(|m| m.conn()) {
            self.conns.remove(&conn);
            self.output.push_back(Output::Close(conn));
        }
        self.remove(now, name, peer);
        self.discard_empty(name);
    }

    /// Ends a room that nobody is in.
    pub(super) fn discard_empty(&mut self, name: &RoomName) {
        if let Some(expires) = self.rooms.get(name).and_then(|room| room.expires) {
            self.empty.remove(&(expires, name.clone()));
            self.discard(name);
        }
    }

    /// Takes the member out and tells the others. Its connection, if there is one, is the caller's to close.
    pub(super) fn remove(&mut self, now: Instant, name: &RoomName, peer: PeerId) {
        let Some(room) = self.rooms.get_mut(name) else { return };
        let Some(index) = room.members.iter().position(|m| m.id == peer) else { return };
        let member = room.members.remove(index);
        let others = self.others(name, peer);
        let Some(room) = self.rooms.get_mut(name) else { return };
        if room.members.is_empty() {
            let expires = now + self.settings.empty_room;
            room.expires = Some(expires);
            self.empty.insert((expires, name.clone()));
        }
        self.queued_bytes -= member.queue.bytes();
        if let Presence::Away { until } = member.presence {
            self.away.remove(&(until, name.clone(), peer));
        }
        self.pause_grants(name);
        for other in others {
            self.announce(now, name, other, |seq| ServerMessage::PeerLeft { seq, peer });
        }
        self.left_nameplate(now, name, peer);
    }

    /// Whom a member knows of.
    fn others(&self, name: &RoomName, peer: PeerId) -> Vec<PeerId> {
        let Some(room) = self.rooms.get(name).filter(|room| room.introduces()) else { return Vec::new() };
        room.members.iter().map(|m| m.id).filter(|id| *id != peer).collect()
    }

    pub(super) fn create(&mut self, name: &RoomName) -> Result<(), Refusal> {
        if self.rooms.len() >= self.settings.rooms {
            let (_, oldest) = self.empty.pop_first().ok_or_else(Refusal::unavailable)?;
            self.discard(&oldest);
        }
        self.rooms.insert(name.clone(), Room::default());
        Ok(())
    }

    pub(super) fn charge_entry(&mut self, now: Instant, conn: ConnId) -> Result<(), Refusal> {
        let Some(c) = self.conns.get(&conn) else { return Ok(()) };
        if self.entries.allow(now, c.source) {
            return Ok(());
        }
        Err(Refusal::new(ErrorCode::RateLimited, "too many attempts from this address; try again later"))
    }

    /// Seats the connection and hands out the ICE servers that were kept for it.
    pub(super) fn seat(&mut self, conn: ConnId, room: &RoomName, peer: PeerId) -> Vec<crate::message::IceServer> {
        let Some(c) = self.conns.get_mut(&conn) else { return Vec::new() };
        match core::mem::replace(&mut c.state, ConnState::Seated { room: room.clone(), peer }) {
            ConnState::Silent { deadline, ice_servers } => {
                self.silent.remove(&(deadline, conn));
                ice_servers
            }
            ConnState::Seated { .. } => Vec::new(),
        }
    }
}
