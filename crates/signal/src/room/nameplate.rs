//! Nameplates: where two that have a code of words find each other, once.
//!
//! Behind each stands a room for a host and a guest that nobody can enter by its name. They learn of each other when both
//! have a connection; from then on the nameplate is used, whatever becomes of it.

use super::member::{Member, Presence};
use super::settings::Settings;
use super::{ConnId, Output, Refusal, Rooms};
use crate::id::{Nameplate, PeerId, RoomName, Side, Token};
use crate::message::{Data, ErrorCode, ServerMessage};
use peerage_base::limit::Limiter;
use peerage_base::rng::Rng;
use peerage_base::time::{Instant, earliest};
use std::collections::{BTreeSet, HashMap};

/// What numbers are given out up to, shorter ones first.
const TIERS: [u32; 4] = [99, 999, 9_999, 99_999];
/// What the two of them say to each other fits many times.
const DATA_MAX: usize = 256;
const SIGNALS_MAX: u64 = 8;

/// Who comes to a nameplate that it knows the number of.
pub(super) struct Claim {
    pub nameplate: Nameplate,
    pub peer: PeerId,
    pub side: Side,
    /// It may open rooms on this server, or need not.
    pub admitted: bool,
}

/// What a room is for that stands behind a nameplate.
#[derive(Debug)]
pub(super) struct Mailbox {
    plate: Nameplate,
    host: Option<PeerId>,
    guest: Option<PeerId>,
    /// The server chose the number: without the host that it was given to it means nothing.
    allocated: bool,
    /// Both were told of each other.
    paired: bool,
    /// When it ends in any case.
    until: Instant,
}

impl Mailbox {
    pub fn is_paired(&self) -> bool {
        self.paired
    }

    fn seat(&mut self, side: Side) -> &mut Option<PeerId> {
        match side {
            Side::Host => &mut self.host,
            Side::Guest => &mut self.guest,
        }
    }
}

/// What is known of a nameplate.
#[derive(Debug)]
enum Plate {
    /// Somebody is at it.
    Live(RoomName),
    /// It is over, and why.
    Over(ErrorCode),
}

/// All nameplates of a server.
#[derive(Debug)]
pub(super) struct Plates {
    claims: Limiter,
    known: HashMap<Nameplate, Plate>,
    /// When those that somebody is at end in any case.
    live: BTreeSet<(Instant, Nameplate)>,
    /// Until when it is remembered that they are over.
    over: BTreeSet<(Instant, Nameplate)>,
    /// Rooms behind nameplates that were used, in which one of the two is left: it may still fetch what was said last.
    closing: BTreeSet<(Instant, RoomName)>,
    /// Those at which guests wait without a host.
    hostless: BTreeSet<Nameplate>,
}

impl Plates {
    pub fn new(settings: &Settings, rng: &mut Rng) -> Self {
        let claims = Limiter::new(settings.claim_rate, 14, rng);
        Self {
            claims,
            known: HashMap::new(),
            live: BTreeSet::new(),
            over: BTreeSet::new(),
            closing: BTreeSet::new(),
            hostless: BTreeSet::new(),
        }
    }

    pub fn next_expiry(&self) -> Option<Instant> {
        let live = self.live.first().map(|(at, _)| *at);
        let over = self.over.first().map(|(at, _)| *at);
        let closing = self.closing.first().map(|(at, _)| *at);
        earliest(earliest(live, over), closing)
    }

    /// A free number with as few digits as possible; not simply the next one, so that who mistypes one seldom meets
    /// somebody else's.
    fn free(&self, rng: &mut Rng) -> Option<Nameplate> {
        TIERS.iter().find_map(|&end| {
            let start = rng.below(u64::from(end)) as u32;
            let mut numbers = (0..end).filter_map(|step| Nameplate::new(1 + (start + step) % end));
            numbers.find(|plate| !self.known.contains_key(plate))
        })
    }

    fn is_full(&self, side: Side, settings: &Settings) -> bool {
        let guests = side == Side::Guest && self.hostless.len() >= settings.nameplates / 2;
        guests || self.live.len() >= settings.nameplates
    }

    fn begin(&mut self, plate: Nameplate, room: RoomName, until: Instant) {
        self.known.insert(plate, Plate::Live(room));
        self.live.insert((until, plate));
    }

    fn note(&mut self, plate: Nameplate, has_host: bool) {
        if has_host {
            self.hostless.remove(&plate)
        } else {
            self.hostless.insert(plate)
        };
    }

    /// Takes a nameplate out of those that somebody is at; remembers why, unless that says nothing to anybody. What is
    /// over already stays as it is.
    fn end(&mut self, now: Instant, plate: Nameplate, until: Instant, code: Option<ErrorCode>, settings: &Settings) {
        if !self.live.remove(&(until, plate)) {
            return;
        }
        self.known.remove(&plate);
        self.hostless.remove(&plate);
        let Some(code) = code else { return };
        if self.over.len() >= settings.nameplates
            && let Some((_, oldest)) = self.over.pop_first()
        {
            self.known.remove(&oldest);
        }
        let until = now + settings.nameplate_memory;
        self.known.insert(plate, Plate::Over(code));
        self.over.insert((until, plate));
    }

    fn forget(&mut self, now: Instant) {
        while self.over.first().is_some_and(|(at, _)| *at <= now) {
            if let Some((_, plate)) = self.over.pop_first() {
                self.known.remove(&plate);
            }
        }
    }
}

impl super::Room {
    /// Whether members are told of each other.
    pub(super) fn introduces(&self) -> bool {
        self.mailbox.as_ref().is_none_or(Mailbox::is_paired)
    }
}

impl Rooms {
    /// Nameplates that somebody is at.
    pub fn nameplate_count(&self) -> usize {
        self.plates.live.len()
    }

    /// Gives a nameplate to a host.
    pub(super) fn allocate(&mut self, now: Instant, conn: ConnId, peer: PeerId, admitted: bool) -> Result<(), Refusal> {
        self.charge_entry(now, conn)?;
        if !admitted {
            return Err(Refusal::forbidden());
        }
        self.plates.forget(now);
        let free = if self.plates.is_full(Side::Host, &self.settings) { None } else { self.plates.free(&mut self.rng) };
        let plate = free.ok_or_else(no_plates)?;
        let room = self.put_up(now, plate, true)?;
        self.take_seat(now, conn, room, peer, Side::Host);
        Ok(())
    }

    /// Lets a client wait at the nameplate that it names.
    pub(super) fn claim(&mut self, now: Instant, conn: ConnId, claim: Claim) -> Result<(), Refusal> {
        self.charge_entry(now, conn)?;
        self.charge_claim(now, conn)?;
        let Claim { nameplate, peer, side, admitted } = claim;
        if !admitted {
            return Err(Refusal::forbidden());
        }
        self.plates.forget(now);
        let room = match self.plates.known.get(&nameplate) {
            Some(Plate::Over(code)) => return Err(over(*code)),
            Some(Plate::Live(room)) => {
                let room = room.clone();
                self.make_way(&room, side)?;
                room
            }
            None => {
                if self.plates.is_full(side, &self.settings) {
                    return Err(no_plates());
                }
                self.put_up(now, nameplate, false)?
            }
        };
        if self.member(&room, peer).is_some() {
            return Err(Refusal::new(ErrorCode::Taken, "this peer id is in use"));
        }
        self.take_seat(now, conn, room, peer, side);
        Ok(())
    }

    /// A host and a guest that both have a connection are told of each other.
    pub(super) fn pair(&mut self, now: Instant, name: &RoomName) {
        let Some(room) = self.rooms.get_mut(name) else { return };
        let both_here = room.present() == 2;
        let Some(mailbox) = room.mailbox.as_mut().filter(|mailbox| both_here && !mailbox.paired) else { return };
        let (Some(host), Some(guest)) = (mailbox.host, mailbox.guest) else { return };
        mailbox.paired = true;
        tracing::debug!(plate = %mailbox.plate, "two met at a nameplate");
        self.announce(now, name, host, |seq| ServerMessage::PeerJoined { seq, peer: guest });
        self.announce(now, name, guest, |seq| ServerMessage::PeerJoined { seq, peer: host });
    }

    /// What is said at a nameplate is short, and only to somebody who is there.
    pub(super) fn check_mailbox(&self, name: &RoomName, seq: u64, data: &Data) -> Result<(), Refusal> {
        let Some(mailbox) = self.rooms.get(name).and_then(|room| room.mailbox.as_ref()) else { return Ok(()) };
        if !mailbox.paired {
            return Err(Refusal::new(ErrorCode::BadRequest, "nobody else is at this nameplate yet"));
        }
        if seq > SIGNALS_MAX || data.as_str().len() > DATA_MAX {
            return Err(Refusal::new(ErrorCode::TooLarge, "a nameplate is for the exchange of keys alone"));
        }
        Ok(())
    }

    /// A member left the room; if that stands behind a nameplate, it is used, or free, or means nothing any more.
    pub(super) fn left_nameplate(&mut self, now: Instant, name: &RoomName, peer: PeerId) {
        let Some(room) = self.rooms.get_mut(name) else { return };
        let is_empty = room.members.is_empty();
        let Some(mailbox) = room.mailbox.as_mut() else { return };
        let was_host = mailbox.host == Some(peer);
        let side = if was_host { Side::Host } else { Side::Guest };
        *mailbox.seat(side) = None;
        let (plate, until, paired) = (mailbox.plate, mailbox.until, mailbox.paired);
        let orphaned = mailbox.allocated && was_host && !paired;
        if paired {
            self.plates.end(now, plate, until, Some(ErrorCode::Spent), &self.settings);
        } else if orphaned || is_empty {
            self.plates.end(now, plate, until, orphaned.then_some(ErrorCode::Expired), &self.settings);
        } else {
            self.plates.note(plate, !was_host);
        }
        if is_empty {
            self.discard_empty(name);
        } else if paired {
            self.plates.closing.insert((now + self.settings.grace, name.clone()));
        } else if orphaned {
            self.turn_away(now, name, ErrorCode::Expired);
        }
    }

    /// Ends the nameplates whose time is over, and forgets those that were used long ago.
    pub(super) fn expire_nameplates(&mut self, now: Instant) {
        while let Some((until, plate)) = self.plates.live.first().copied().filter(|(at, _)| *at <= now) {
            let room = match self.plates.known.get(&plate) {
                Some(Plate::Live(room)) => Some(room.clone()),
                _ => None,
            };
            self.plates.end(now, plate, until, Some(ErrorCode::Expired), &self.settings);
            if let Some(room) = room {
                self.turn_away(now, &room, ErrorCode::Expired);
            }
        }
        while self.plates.closing.first().is_some_and(|(at, _)| *at <= now) {
            if let Some((_, room)) = self.plates.closing.pop_first() {
                self.turn_away(now, &room, ErrorCode::Spent);
            }
        }
        self.plates.forget(now);
    }

    /// Makes room for `side`: whoever has its place and lost its connection may be an earlier run of the same program.
    fn make_way(&mut self, name: &RoomName, side: Side) -> Result<(), Refusal> {
        let taken = || Refusal::new(ErrorCode::Taken, "somebody else is at this nameplate with a code");
        let Some(mailbox) = self.rooms.get_mut(name).and_then(|room| room.mailbox.as_mut()) else { return Ok(()) };
        let (paired, allocated, sitting) = (mailbox.paired, mailbox.allocated, *mailbox.seat(side));
        let Some(sitting) = sitting else { return if paired { Err(taken()) } else { Ok(()) } };
        let away = self.member(name, sitting).is_some_and(|member| member.conn().is_none());
        if paired || !away || (allocated && side == Side::Host) {
            return Err(taken());
        }
        self.vacate(name, sitting, side);
        Ok(())
    }

    /// Takes somebody out who is away, and leaves the nameplate as it is.
    fn vacate(&mut self, name: &RoomName, peer: PeerId, side: Side) {
        let Some(room) = self.rooms.get_mut(name) else { return };
        let Some(index) = room.members.iter().position(|member| member.id == peer) else { return };
        let member = room.members.remove(index);
        if let Some(mailbox) = &mut room.mailbox {
            *mailbox.seat(side) = None;
        }
        self.queued_bytes -= member.queue.bytes();
        if let Presence::Away { until } = member.presence {
            self.away.remove(&(until, name.clone(), peer));
        }
    }

    /// Opens a room behind a nameplate that nobody is at.
    fn put_up(&mut self, now: Instant, plate: Nameplate, allocated: bool) -> Result<RoomName, Refusal> {
        let name = RoomName::random(&mut self.rng);
        self.create(&name)?;
        let until = now + self.settings.nameplate_life;
        if let Some(room) = self.rooms.get_mut(&name) {
            room.mailbox = Some(Mailbox { plate, host: None, guest: None, allocated, paired: false, until });
        }
        self.plates.begin(plate, name.clone(), until);
        Ok(name)
    }

    fn take_seat(&mut self, now: Instant, conn: ConnId, name: RoomName, peer: PeerId, side: Side) {
        self.seat(conn, &name, peer);
        let token = Token::generate(&mut self.rng);
        let Some(room) = self.rooms.get_mut(&name) else { return };
        let Some(mailbox) = &mut room.mailbox else { return };
        *mailbox.seat(side) = Some(peer);
        let nameplate = mailbox.plate;
        self.plates.note(nameplate, mailbox.host.is_some());
        room.members.push(Member::new(peer, token, conn, false));
        let grace_ms = u64::try_from(self.settings.nameplate_away.as_millis()).unwrap_or(u64::MAX);
        let claimed = ServerMessage::Claimed { nameplate, room: name.clone(), token, grace_ms };
        self.output.push_back(Output::Frame(conn, claimed.to_json().into()));
        self.pair(now, &name);
    }

    /// Sends everybody away from a nameplate that is over.
    fn turn_away(&mut self, now: Instant, name: &RoomName, code: ErrorCode) {
        let members: Vec<(PeerId, Option<ConnId>)> = match self.rooms.get(name) {
            Some(room) => room.members.iter().map(|member| (member.id, member.conn())).collect(),
            None => return,
        };
        for (peer, conn) in members {
            match conn {
                Some(conn) => self.refuse(now, conn, &over(code)),
                None => self.remove(now, name, peer),
            }
        }
    }

    fn charge_claim(&mut self, now: Instant, conn: ConnId) -> Result<(), Refusal> {
        let Some(source) = self.conns.get(&conn).map(|c| c.source) else { return Ok(()) };
        if self.plates.claims.allow(now, source) {
            return Ok(());
        }
        let message = "too many codes were tried from this address; wait a minute and try again";
        Err(Refusal::new(ErrorCode::RateLimited, message))
    }
}

fn no_plates() -> Refusal {
    Refusal::new(ErrorCode::Unavailable, "all nameplates of this server are in use; try again later")
}

fn over(code: ErrorCode) -> Refusal {
    let message = match code {
        ErrorCode::Spent => "this code was used already; it is good for one try",
        _ => "this code has expired: nobody came in time, or whoever made it has left",
    };
    Refusal::new(code, message)
}

#[cfg(test)]
mod tests;
