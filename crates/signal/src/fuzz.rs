//! Bodies of fuzz targets.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr};

use peerage_base::rng::Rng;
use peerage_base::time::{Duration, Instant};

use crate::code::Code;
use crate::compact::condense::{Half, Options, condense};
use crate::compact::description::Description;
use crate::compact::find::find;
use crate::compact::wire;
use crate::exchange::request::{Media, Reply, Request, Text};
use crate::exchange::{self, Exchange, RequestId};
use crate::id::{Nameplate, OfferId, PeerId, RoomName, Side};
use crate::link::{AnyCode, ServerAddress, parse_link};
use crate::message::{ClientMessage, Data, ServerMessage};
use crate::pake::Run;
use crate::plain::Plain;
use crate::room::{ConnId, Output, Rooms, Settings};
use crate::seal::{Opener, Sealer};
use crate::word_code::Words;
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
    if let Ok((address, code)) = parse_link(text) {
        let base = address.map_or_else(|| "https://example.org".to_owned(), |address| address.origin());
        let (_, again) = parse_link(&code.link(&base)).expect("our own link can be read");
        // A chosen code whose canonical spelling happens to be words is read as words the second time.
        assert!(again == code || matches!((&code, again), (AnyCode::Room(_), AnyCode::Words(_))), "read differently");
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

/// A session text: as a message that somebody pasted, as bytes whose checksum fits, and as a description to be made one.
pub fn compact(data: &[u8]) {
    let same = |description: &Description| {
        // One that was made by hand may be longer than anything that is made from a description.
        let Ok(text) = description.to_text() else { return };
        let Ok(found) = find(&text) else {
            assert!(text.len() > 1024, "a text of our own is not found: {text}");
            return;
        };
        assert_eq!(found.all, core::slice::from_ref(description), "{text}");
    };
    if let Ok(text) = std::str::from_utf8(data) {
        if let Ok(found) = find(text) {
            found.all.iter().for_each(same);
        }
        if let Ok(condensed) = condense(Half::Offer, text, 1_795_338_425, Options::default()) {
            same(&condensed.description);
            let again = condense(Half::Offer, &condensed.description.to_sdp(), 1_795_338_425, Options::default());
            assert_eq!(again.map(|again| again.description), Ok(condensed.description));
        }
    }
    if let Some(bytes) = wire::sealed(data) {
        let Ok((description, len)) = wire::decode(&bytes) else { panic!("a checksum of our own does not fit") };
        assert_eq!(len, bytes.len());
        assert!(!description.to_sdp().contains("\n\n"));
        same(&description);
    }
}

/// A stranger at a nameplate: what it says in place of the two messages of the exchange.
pub fn nameplate(data: &[u8]) {
    let words = Words::generate(2, &mut Rng::from_u64(1));
    let (me, peer) = (PeerId::from_bytes([1; 16]), PeerId::from_bytes([2; 16]));
    let plate = Nameplate::new(7).expect("a number in range");
    let begin = |words, side, me, peer| Run::begin(words, plate, side, me, peer, &mut Rng::from_u64(2));
    let (first, second) = data.split_at(data.len() / 2);
    let said = |bytes: &[u8]| Data::new(String::from_utf8_lossy(bytes).into_owned());
    if let Some(confirming) = said(first).and_then(|share| begin(&words, Side::Host, me, peer).agree(&share).ok())
        && let Some(tag) = said(second)
    {
        assert!(confirming.confirm(&tag).is_err(), "a stranger's tag was believed");
    }
    // One that guesses: its words are what the input says.
    let guess = Words::generate(
        2,
        &mut Rng::from_u64(data.iter().fold(2u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)))),
    );
    if guess == words {
        return;
    }
    let (host, guest) = (begin(&words, Side::Host, me, peer), begin(&guess, Side::Guest, peer, me));
    let shares = (host.share(), guest.share());
    let host = host.agree(&shares.1).expect("an honest share is taken");
    let guest = guest.agree(&shares.0).expect("an honest share is taken");
    assert!(host.confirm(&guest.tag()).is_err(), "a wrong guess was believed");
}

/// A server: connections come and go and say things, and time passes.
pub fn rooms(data: &[u8]) {
    let mut settings = Settings::default();
    (settings.rooms, settings.queue_messages, settings.queue_bytes) = (4, 4, 4096);
    (settings.entry_rate, settings.claim_rate) = (Rate::new(16, 1), Rate::new(8, 1));
    (settings.nameplates, settings.nameplate_life) = (3, Duration::from_secs(90));
    (settings.nameplate_away, settings.nameplate_memory) = (Duration::from_secs(40), Duration::from_secs(20));
    settings.grant_interval = Some(Duration::from_secs(7));
    let mut world = World {
        now: Instant::from_millis(1),
        rooms: Rooms::new(settings, Rng::from_u64(1)),
        open: Vec::new(),
        peers: Vec::new(),
        stays: VecDeque::new(),
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
    let left = (world.rooms.room_count(), world.rooms.nameplate_count(), world.rooms.queued_bytes());
    assert_eq!(left, (0, 0, 0), "something was left behind");
}

/// An exchange: requests are made and given up, replies get lost, and time passes.
pub fn exchange(data: &[u8]) {
    let mut settings = exchange::Settings::default();
    (settings.request_rate, settings.life, settings.lease) = (Rate::new(32, 4), LIFE, Duration::from_secs(9));
    (settings.names, settings.offers, settings.offers_per_name, settings.offers_per_source) = (3, 6, 4, 4);
    (settings.waits, settings.waits_per_name, settings.bytes) = (8, 4, 600);
    let mut exchange = Exchange::new(settings, Rng::from_u64(1));
    let mut now = Instant::from_millis(1);
    // Requests without a reply, and the last offers that were named.
    let (mut waiting, mut known) = (Vec::new(), VecDeque::new());
    let mut steps = data.chunks_exact(2);
    for step in steps.by_ref() {
        let (op, argument) = (step[0], step[1]);
        let name = ["aaaa", "bbbb", "cccc", "dddd"][usize::from(argument & 3)];
        let name = RoomName::parse(name).expect("letters of the alphabet");
        let wait = Duration::from_secs(u64::from(argument >> 4));
        let said = || Text { media: Media::Plain, text: "x".repeat(usize::from(argument >> 2)).into() };
        let offer = known.get(usize::from(argument >> 2) % known.len().max(1)).cloned();
        let request = match (op & 7, offer) {
            (0 | 1, _) => Request::Offer { name, offer: said(), wait, token: None },
            (2, _) => Request::Take { name, wait, token: None },
            (3, Some((name, offer))) => Request::Answer { name, offer, answer: said() },
            (4, Some((name, offer))) => Request::Await { name, offer, wait },
            (5, Some((name, offer))) => Request::Withdraw { name, offer },
            (6, _) if !waiting.is_empty() => {
                let (gone, _) = waiting.swap_remove(usize::from(argument) % waiting.len());
                exchange.handle_cancel(gone);
                continue;
            }
            _ => {
                now += Duration::from_millis(u64::from(argument) * 250);
                exchange.handle_timeout(now);
                assert!(exchange.poll_timeout().is_none_or(|due| due > now), "a deadline stayed");
                settle(&mut exchange, now, &mut waiting, &mut known, op & 8 != 0);
                continue;
            }
        };
        let (Request::Offer { name, .. }
        | Request::Take { name, .. }
        | Request::Answer { name, .. }
        | Request::Await { name, .. }
        | Request::Withdraw { name, .. }) = &request;
        let name = name.clone();
        let id = exchange.handle_request(now, IpAddr::V4(Ipv4Addr::new(192, 0, 2, op >> 6)), request);
        waiting.push((id, name));
        settle(&mut exchange, now, &mut waiting, &mut known, op & 8 != 0);
        assert!(exchange.wait_count() == waiting.len() && waiting.len() <= 8, "who waits has a place");
        let (names, bytes, _) = exchange.held();
        assert!(exchange.offer_count() <= 6 && names <= 3 && bytes <= 600, "a limit was passed");
    }
    // Everything expires, and everybody was given something.
    for _ in 0..256 {
        let Some(deadline) = exchange.poll_timeout() else { break };
        now = deadline.max(now);
        exchange.handle_timeout(now);
        settle(&mut exchange, now, &mut waiting, &mut known, false);
    }
    assert!(waiting.is_empty() && exchange.wait_count() == 0, "somebody waits forever");
    assert_eq!(exchange.held(), (0, 0, 0), "something was left behind");
}

const LIFE: Duration = Duration::from_secs(40);

/// Takes the replies to those who wait, one each; `lost`: offers do not reach who was given them.
fn settle(
    exchange: &mut Exchange,
    now: Instant,
    waiting: &mut Vec<(RequestId, RoomName)>,
    known: &mut VecDeque<(RoomName, OfferId)>,
    lost: bool,
) {
    let mut returned = Vec::new();
    while let Some((id, reply)) = exchange.poll_output() {
        let at = waiting.iter().position(|(waits, _)| *waits == id).expect("nobody is told twice");
        let (_, name) = waiting.swap_remove(at);
        let offer = match reply {
            Reply::Offer(offer, _) if lost && !returned.contains(&offer) => {
                returned.push(offer);
                exchange.handle_undelivered(now, offer);
                offer
            }
            Reply::Offer(offer, _) | Reply::Answer(offer, _) | Reply::Kept(offer) => offer,
            _ => continue,
        };
        known.push_front((name, offer));
        known.truncate(8);
    }
}

struct Connection {
    id: ConnId,
}

struct World {
    now: Instant,
    rooms: Rooms,
    open: Vec<Connection>,
    peers: Vec<PeerId>,
    /// The last tokens that were given, to come back with, and the rooms behind nameplates that they are for.
    stays: VecDeque<(String, Option<String>)>,
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
                self.open.push(Connection { id });
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
                let stay = self.stays.get(usize::from(argument >> 3) % self.stays.len().max(1));
                let (token, behind) = stay.cloned().unwrap_or_default();
                let room = behind.as_deref().unwrap_or(room);
                let resume = format!(
                    r#"{{"type":"resume","room":"{room}","peer":"{peer}","token":"{token}","received":{}}}"#,
                    argument % 8
                );
                self.say(chosen, &resume);
            }
            14 if argument & 0x80 != 0 => {
                self.say(chosen, &format!(r#"{{"type":"allocate","peer":"{peer}"}}"#));
            }
            14 => {
                let (side, plate) = (["host", "guest"][usize::from(argument >> 6)], (argument >> 2) % 4);
                let claim = format!(r#"{{"type":"claim","nameplate":{plate},"peer":"{peer}","side":"{side}"}}"#);
                self.say(chosen, &claim);
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
                    let field = |name: &str| {
                        let value: serde_json::Value = serde_json::from_str(&text).ok()?;
                        Some(value.get(name)?.as_str()?.to_owned())
                    };
                    assert!(self.open.iter().any(|known| known.id == to), "said to nobody: {text}");
                    if let Some(token) = field("token") {
                        self.stays.push_front((token, field("room")));
                        self.stays.truncate(16);
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
    use proptest::prelude::*;

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
    fn compact() {
        replay(concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/compact"), super::compact);
    }

    #[test]
    fn nameplate() {
        replay(concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/nameplate"), super::nameplate);
    }

    #[test]
    fn exchange() {
        replay(concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/exchange"), super::exchange);
    }

    #[test]
    fn rooms() {
        replay(concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/rooms"), super::rooms);
    }

    proptest! {
        #[test]
        fn any_bytes_with_a_good_checksum_read_back(bytes in proptest::collection::vec(any::<u8>(), 36..400), detailed: bool) {
            let mut bytes = bytes;
            bytes[0] = if detailed { bytes[0] | 4 } else { bytes[0] & !4 };
            super::compact(&bytes);
        }
    }
}
