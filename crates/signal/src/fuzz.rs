//! Bodies of fuzz targets.

use std::net::{IpAddr, Ipv4Addr};

use peerage_base::rng::Rng;
use peerage_base::time::{Duration, Instant};

use crate::code::Code;
use crate::id::PeerId;
use crate::link::{ServerAddress, parse_link_or_code};
use crate::message::{ClientMessage, Data, ServerMessage};
use crate::plain::Plain;
use crate::room::{ConnId, Output, Rooms, Settings};
use crate::seal::{Opener, Sealer};
use peerage_base::limit::Rate;

/// Frames of both directions: what was read is written, and what was written reads the same.
pub fn frames(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(message) = ClientMessage::parse(text) {
        let written = message.to_json();
        assert_eq!(ClientMessage::parse(&written).map(|again| again.to_json()).ok(), Some(written));
    }
    if let Ok(message) = ServerMessage::parse(text) {
        let written = message.to_json();
        // What is optional or shortened when it is read may only make it shorter.
        assert_eq!(ServerMessage::parse(&written).map(|again| again.to_json()).ok(), Some(written));
    }
}

/// What a person types or pastes.
pub fn links(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(address) = ServerAddress::parse(text) {
        let again = ServerAddress::parse(&address.origin()).expect("an origin can be read");
        assert_eq!(again.origin(), address.origin());
    }
    if let Ok((address, code)) = parse_link_or_code(text) {
        let base = address.map_or_else(|| "https://example.org".to_owned(), |address| address.origin());
        let (_, again) = parse_link_or_code(&code.link(&base)).expect("our own link can be read");
        assert_eq!(again.room(), code.room());
    }
}

/// Sealed data from a stranger, and what is inside the seal from a peer.
pub fn sealed(data: &[u8]) {
    let mut rng = Rng::from_u64(1);
    let code = Code::generate(&mut rng);
    let (from, to) = (PeerId::generate(&mut rng), PeerId::generate(&mut rng));
    let mut opener = Opener::new(&code, from, to);
    if let Ok(text) = std::str::from_utf8(data) {
        assert!(opener.open(text).is_err(), "a stranger's data opened");
    }
    if let Ok(text) = Sealer::new(&code, from, to).seal(data) {
        assert!(Data::new(text.clone()).is_some(), "what was sealed is not data");
        assert_eq!(opener.open(&text).ok().as_deref(), Some(data));
        assert!(opener.open(&text).is_err(), "the same data opened twice");
    }
    if let Ok(plain) = Plain::parse(data) {
        let written = plain.to_json();
        assert_eq!(Plain::parse(&written).ok(), Some(plain));
    }
}

/// A server: connections come and go and say things, and time passes.
pub fn rooms(data: &[u8]) {
    let mut settings = Settings::default();
    (settings.rooms, settings.queue_messages, settings.queue_bytes) = (4, 4, 4096);
    settings.entry_rate = Rate::new(16, 1);
    settings.grant_interval = Some(Duration::from_secs(7));
    let mut world = World {
        now: Instant::from_millis(1),
        rooms: Rooms::new(settings, Rng::from_u64(1)),
        open: Vec::new(),
        peers: Vec::new(),
    };
    let mut rng = Rng::from_u64(2);
    world.peers.extend((0..4).map(|_| PeerId::generate(&mut rng)));
    let mut rest = data;
    while let [op, argument, tail @ ..] = rest {
        rest = world.step(*op, *argument, tail);
        world.drain();
    }
    // Everybody leaves and everything expires.
    for connection in std::mem::take(&mut world.open) {
        world.rooms.handle_disconnect(world.now, connection.id);
        world.drain();
    }
    for _ in 0..64 {
        let Some(deadline) = world.rooms.poll_timeout() else { break };
        world.now = deadline.max(world.now);
        world.time_out();
    }
    assert_eq!((world.rooms.room_count(), world.rooms.queued_bytes()), (0, 0), "something was left behind");
}

struct Connection {
    id: ConnId,
    /// The last token that it was given, to come back with.
    token: Option<String>,
}

struct World {
    now: Instant,
    rooms: Rooms,
    open: Vec<Connection>,
    peers: Vec<PeerId>,
}

impl World {
    /// One thing that happens; returns what is left of the input.
    fn step<'a>(&mut self, op: u8, argument: u8, rest: &'a [u8]) -> &'a [u8] {
        let chosen = usize::from(op >> 4) % self.open.len().max(1);
        let peer = self.peers[usize::from(argument) % self.peers.len()];
        let room = ["room", "r00m2", "another0"][usize::from(argument >> 4) % 3];
        match op & 0x0F {
            0..=1 if self.open.len() < 16 => {
                let source = IpAddr::V4(Ipv4Addr::new(192, 0, 2, argument % 4));
                let id = self.rooms.connect(self.now, source, Vec::new());
                self.open.push(Connection { id, token: None });
            }
            2 if !self.open.is_empty() => {
                let gone = self.open.swap_remove(chosen);
                self.rooms.handle_disconnect(self.now, gone.id);
            }
            3 => {
                self.now += Duration::from_millis(u64::from(argument) * 500);
                self.time_out();
            }
            4..=5 => self.say(chosen, &format!(r#"{{"type":"open","room":"{room}","peer":"{peer}"}}"#)),
            6..=7 => self.say(
                chosen,
                &format!(r#"{{"type":"join","room":"{room}","peer":"{peer}","accepts":["ice_servers"]}}"#),
            ),
            8..=10 => {
                let (seq, rest) = rest.split_first().unwrap_or((&1, rest));
                self.say(chosen, &format!(r#"{{"type":"signal","seq":{seq},"to":"{peer}","data":"AAAA"}}"#));
                return rest;
            }
            11 => self.say(chosen, &format!(r#"{{"type":"ack","received":{argument}}}"#)),
            12 => self.say(chosen, r#"{"type":"leave"}"#),
            13 => {
                let token = self.open.iter().find_map(|connection| connection.token.clone()).unwrap_or_default();
                let resume = format!(
                    r#"{{"type":"resume","room":"{room}","peer":"{peer}","token":"{token}","received":{}}}"#,
                    argument % 8
                );
                self.say(chosen, &resume);
            }
            _ => {
                let (text, rest) = rest.split_at(usize::from(argument).min(rest.len()));
                self.say(chosen, &String::from_utf8_lossy(text));
                return rest;
            }
        }
        rest
    }

    fn say(&mut self, chosen: usize, text: &str) {
        if let Some(connection) = self.open.get(chosen) {
            self.rooms.handle_frame(self.now, connection.id, text);
        }
    }

    fn time_out(&mut self) {
        self.rooms.handle_timeout(self.now);
        self.drain();
        assert!(self.rooms.poll_timeout().is_none_or(|deadline| deadline > self.now), "a deadline stayed");
    }

    fn drain(&mut self) {
        while let Some(output) = self.rooms.poll_output() {
            match output {
                Output::Frame(to, text) => {
                    assert!(ServerMessage::parse(&text).is_ok(), "a frame of our own cannot be read: {text}");
                    let token = text.split_once(r#""token":""#).and_then(|(_, rest)| rest.split('"').next());
                    if let (Some(token), Some(known)) = (token, self.open.iter_mut().find(|known| known.id == to)) {
                        known.token = Some(token.to_owned());
                    }
                }
                Output::Close(gone) => self.open.retain(|known| known.id != gone),
                Output::Grant(_, to) => {
                    assert!(to.iter().all(|id| self.open.iter().any(|known| known.id == *id)), "granted to nobody");
                }
                Output::Revoke(_) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use peerage_testkit::replay::replay;

    #[test]
    fn frames() {
        replay(concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/frames"), super::frames);
    }

    #[test]
    fn links() {
        replay(concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/links"), super::links);
    }

    #[test]
    fn sealed() {
        replay(concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/plain"), super::sealed);
    }

    #[test]
    fn rooms() {
        replay(concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/rooms"), super::rooms);
    }
}
