//! Two machines with the rooms of a server between them, and servers that cheat.

use super::*;
use crate::room::{ConnId, Output, Rooms, Settings};
use crate::word_code::WordCode;
use peerage_base::time::{Duration, Instant};
use serde_json::{Value, json};
use std::collections::HashMap;

fn plate(side: Side, code: &str, seed: u64) -> Plate {
    let WordCode { nameplate, words } = WordCode::parse(code).unwrap();
    Plate::new(Wish { side, nameplate: Some(nameplate), words, access_token: None }, Rng::from_u64(seed))
}

fn host(code: &str) -> Plate {
    plate(Side::Host, code, 1)
}

fn guest(code: &str) -> Plate {
    plate(Side::Guest, code, 2)
}

/// A server, and which machine is at which connection.
struct World {
    rooms: Rooms,
    now: Instant,
    at: HashMap<ConnId, usize>,
    plates: Vec<Plate>,
    conns: Vec<Option<ConnId>>,
    /// What the server makes of what it hands on: by receiver.
    cheat: fn(usize, &mut Value),
}

impl World {
    fn new(plates: Vec<Plate>, cheat: fn(usize, &mut Value)) -> Self {
        let rooms = Rooms::new(Settings::default(), Rng::from_u64(9));
        let conns = plates.iter().map(|_| None).collect();
        Self { rooms, now: Instant::from_millis(1), at: HashMap::new(), plates, conns, cheat }
    }

    fn connect(&mut self, who: usize) {
        let id = self.rooms.connect(self.now, [192, 0, 2, who as u8].into(), Vec::new());
        self.at.insert(id, who);
        self.conns[who] = Some(id);
        self.plates[who].handle_connected();
        self.settle();
    }

    fn cut(&mut self, who: usize) {
        let id = self.conns[who].take().unwrap();
        self.rooms.handle_disconnect(self.now, id);
        self.at.remove(&id);
        self.plates[who].handle_lost();
        self.settle();
    }

    fn settle(&mut self) {
        loop {
            let mut quiet = true;
            for who in 0..self.plates.len() {
                let Some(conn) = self.conns[who] else { continue };
                while let Some(frame) = self.plates[who].poll_frame() {
                    quiet = false;
                    self.rooms.handle_frame(self.now, conn, &frame);
                }
            }
            while let Some(output) = self.rooms.poll_output() {
                quiet = false;
                match output {
                    Output::Frame(conn, frame) => {
                        let Some(&who) = self.at.get(&conn) else { continue };
                        let mut value = serde_json::from_str(&frame).unwrap();
                        (self.cheat)(who, &mut value);
                        if !self.plates[who].is_over() {
                            self.plates[who].handle_frame(&value.to_string());
                        }
                    }
                    Output::Close(conn) => {
                        if let Some(who) = self.at.remove(&conn) {
                            self.conns[who] = None;
                        }
                    }
                    Output::Grant(..) | Output::Revoke(_) => panic!("the relay is not for nameplates"),
                }
            }
            if quiet {
                return;
            }
        }
    }

    fn events(&mut self, who: usize) -> Vec<PlateEvent> {
        std::iter::from_fn(|| self.plates[who].poll_event()).collect()
    }

    /// The code that a machine got, or why it got none.
    fn outcome(&mut self, who: usize) -> Result<Code, CloseReason> {
        match self.events(who).pop() {
            Some(PlateEvent::Agreed(code)) => Ok(code),
            Some(PlateEvent::Closed(reason)) => Err(reason),
            other => panic!("{who} has not ended: {other:?}"),
        }
    }
}

fn honest(_: usize, _: &mut Value) {}

fn meet(plates: Vec<Plate>, cheat: fn(usize, &mut Value)) -> World {
    let mut world = World::new(plates, cheat);
    for who in 0..world.plates.len() {
        world.connect(who);
    }
    world
}

#[test]
fn two_with_the_same_words_get_the_same_code_whoever_comes_first() {
    for order in [vec![host("7-guitar-sunset"), guest("7-guitar-sunset")], vec![guest("7-act-act"), host("7-act-act")]]
    {
        let mut world = meet(order, honest);
        let (a, b) = (world.outcome(0).unwrap(), world.outcome(1).unwrap());
        assert_eq!(a, b);
        assert_eq!((world.rooms.room_count(), world.rooms.nameplate_count()), (0, 0), "both have left");
    }
}

#[test]
fn a_number_of_the_servers_choice_is_reported() {
    let words = WordCode::parse("7-act-act").unwrap().words;
    let wish = Wish { side: Side::Host, nameplate: None, words, access_token: None };
    let mut world = meet(vec![Plate::new(wish, Rng::from_u64(1))], honest);
    let [PlateEvent::Claimed(number)] = world.events(0)[..] else { panic!() };
    world.plates.push(guest(&format!("{number}-act-act")));
    world.conns.push(None);
    world.connect(1);
    assert_eq!(world.outcome(0).unwrap(), world.outcome(1).unwrap());
}

#[test]
fn one_wrong_guess_is_told_to_both_and_spends_the_code() {
    let mut world = meet(vec![host("7-guitar-sunset"), guest("7-guitar-sunny")], honest);
    assert_eq!(world.outcome(0), Err(CloseReason::WrongWords));
    assert_eq!(world.outcome(1), Err(CloseReason::WrongWords));
    world.plates.push(guest("7-guitar-sunset"));
    world.conns.push(None);
    world.connect(2);
    let Err(CloseReason::Refused { code, .. }) = world.outcome(2) else { panic!() };
    assert_eq!(code, ErrorCode::Spent);
}

#[test]
fn a_third_is_turned_away_and_changes_nothing() {
    let mut world = World::new(vec![host("7-act-act"), guest("7-act-act"), guest("7-act-act")], honest);
    world.connect(1);
    world.connect(2);
    let Err(CloseReason::Refused { code, .. }) = world.outcome(2) else { panic!() };
    assert_eq!(code, ErrorCode::Taken);
    world.connect(0);
    assert_eq!(world.outcome(0).unwrap(), world.outcome(1).unwrap());
}

#[test]
fn a_server_that_changes_or_swaps_what_is_said_keeps_them_apart() {
    // Another valid share, so that the exchange goes on to the tags.
    fn swap_shares(_: usize, frame: &mut Value) {
        if frame["data"].as_str().is_some_and(|data| data.len() == 44) {
            let other = Run::begin(
                &WordCode::parse("7-zoo-zoo").unwrap().words,
                Nameplate::new(7).unwrap(),
                Side::Host,
                PeerId::from_bytes([1; 16]),
                PeerId::from_bytes([2; 16]),
                &mut Rng::from_u64(5),
            );
            frame["data"] = json!(other.share());
        }
    }
    fn flip_tags(_: usize, frame: &mut Value) {
        let Some(data) = frame["data"].as_str().filter(|data| data.len() == 87) else { return };
        let flipped = if data.ends_with('A') { 'Q' } else { 'A' };
        frame["data"] = json!(format!("{}{flipped}", &data[..86]));
    }
    // Who is there is somebody else than the one who speaks.
    fn swap_names(who: usize, frame: &mut Value) {
        let alias = PeerId::from_bytes([who as u8 + 50; 16]);
        for field in ["peer", "from"] {
            if frame[field].is_string() {
                frame[field] = json!(alias);
            }
        }
    }
    fn other_number(_: usize, frame: &mut Value) {
        if frame["type"] == "claimed" {
            frame["nameplate"] = json!(8);
        }
    }
    for cheat in [swap_shares, flip_tags] {
        let mut world = meet(vec![host("7-act-act"), guest("7-act-act")], cheat);
        assert_eq!((world.outcome(0), world.outcome(1)), (Err(CloseReason::WrongWords), Err(CloseReason::WrongWords)));
    }
    // What is addressed to an alias never arrives, so that neither gets as far as a key.
    let mut world = meet(vec![host("7-act-act"), guest("7-act-act")], swap_names);
    for who in 0..2 {
        let events = world.events(who);
        assert!(!events.iter().any(|event| matches!(event, PlateEvent::Agreed(_))), "{events:?}");
    }
    let mut world = meet(vec![host("7-act-act")], other_number);
    assert!(matches!(world.outcome(0), Err(CloseReason::Protocol(_))));
}

/// Speaks for the server to one machine.
fn claimed(plate: &mut Plate) -> PeerId {
    plate.handle_connected();
    let me = plate.me;
    let claimed = json!({"type": "claimed", "nameplate": 7, "room": "abcd", "token": me, "grace_ms": 1});
    assert_eq!(plate.handle_frame(&claimed.to_string()), Next::Continue);
    me
}

#[test]
fn a_server_that_takes_part_itself_has_one_guess_and_no_more() {
    let mut victim = host("7-guitar-sunset");
    let me = claimed(&mut victim);
    let peer = PeerId::from_bytes([9; 16]);
    victim.handle_frame(&json!({"type": "peer_joined", "seq": 1, "peer": peer}).to_string());
    let words = WordCode::parse("7-guitar-sunny").unwrap().words;
    let run = Run::begin(&words, Nameplate::new(7).unwrap(), Side::Guest, peer, me, &mut Rng::from_u64(3));
    victim.handle_frame(&json!({"type": "signal", "seq": 2, "from": peer, "data": run.share()}).to_string());
    assert!(matches!(victim.exchange, Exchange::Tagged(..)), "it has our tag, and so its one guess");
    // It would like to have another one.
    assert_eq!(victim.handle_frame(r#"{"type":"error","code":"gone","message":"m"}"#), Next::Close);
    assert_eq!(victim.events.pop_back(), Some(PlateEvent::Closed(CloseReason::Vanished)));
    assert!(victim.is_over());
    victim.handle_connected();
    let said: Vec<String> = std::iter::from_fn(|| victim.poll_frame()).collect();
    assert!(said.is_empty(), "{said:?}");
}

#[test]
fn a_second_peer_a_message_of_a_stranger_and_a_number_left_out_end_it() {
    let peer = PeerId::from_bytes([9; 16]);
    for frames in [
        vec![
            json!({"type": "peer_joined", "seq": 1, "peer": peer}),
            json!({"type": "peer_joined", "seq": 2, "peer": peer}),
        ],
        vec![json!({"type": "signal", "seq": 1, "from": peer, "data": "AQ"})],
        vec![json!({"type": "peer_joined", "seq": 2, "peer": peer})],
        vec![json!({"type": "joined", "token": peer, "peers": [], "ice_servers": [], "grace_ms": 1})],
        vec![json!({"type": "claimed", "nameplate": 7, "room": "abcd", "token": peer, "grace_ms": 1})],
    ] {
        let mut machine = host("7-act-act");
        claimed(&mut machine);
        for frame in &frames {
            machine.handle_frame(&frame.to_string());
        }
        let last = machine.events.pop_back();
        assert!(matches!(last, Some(PlateEvent::Closed(CloseReason::Protocol(_)))), "{frames:?}: {last:?}");
    }
}

#[test]
fn whoever_comes_and_says_nothing_true_has_spent_the_code() {
    for data in ["AQ", "AAAA"] {
        let mut machine = host("7-act-act");
        claimed(&mut machine);
        let peer = PeerId::from_bytes([9; 16]);
        machine.handle_frame(&json!({"type": "peer_joined", "seq": 1, "peer": peer}).to_string());
        machine.handle_frame(&json!({"type": "signal", "seq": 2, "from": peer, "data": data}).to_string());
        assert_eq!(machine.events.pop_back(), Some(PlateEvent::Closed(CloseReason::WrongWords)));
    }
    let mut world = World::new(vec![host("7-act-act")], honest);
    world.connect(0);
    let id = world.rooms.connect(world.now, [192, 0, 2, 9].into(), Vec::new());
    let claim = json!({"type": "claim", "nameplate": 7, "peer": PeerId::from_bytes([9; 16]), "side": "guest"});
    world.rooms.handle_frame(world.now, id, &claim.to_string());
    world.settle();
    world.rooms.handle_frame(world.now, id, r#"{"type":"leave"}"#);
    world.settle();
    assert_eq!(world.outcome(0), Err(CloseReason::Vanished));
}

#[test]
fn a_connection_cut_while_waiting_and_between_any_two_messages_loses_nothing() {
    let mut world = World::new(vec![host("7-act-act"), guest("7-act-act")], honest);
    world.connect(0);
    world.cut(0);
    world.connect(1);
    assert_eq!(world.events(1), [PlateEvent::Claimed(Nameplate::new(7).unwrap())], "nobody is there to be met");
    world.cut(1);
    world.now += Duration::from_secs(3000);
    world.rooms.handle_timeout(world.now);
    world.connect(0);
    world.connect(1);
    assert_eq!(world.outcome(0).unwrap(), world.outcome(1).unwrap());
}

#[test]
fn a_server_that_was_started_anew_is_told_the_number_again() {
    let mut machine = host("7-act-act");
    claimed(&mut machine);
    machine.handle_lost();
    machine.handle_connected();
    assert!(machine.poll_frame().unwrap().contains(r#""type":"resume""#));
    assert_eq!(machine.handle_frame(r#"{"type":"error","code":"gone","message":"m"}"#), Next::Reenter);
    machine.handle_connected();
    let frame: Value = serde_json::from_str(&machine.poll_frame().unwrap()).unwrap();
    assert_eq!((&frame["type"], &frame["nameplate"], &frame["side"]), (&json!("claim"), &json!(7), &json!("host")));
    assert_eq!(machine.handle_frame(r#"{"type":"error","code":"rate_limited","message":"m"}"#), Next::BackOff);
    machine.give_up();
    assert!(matches!(machine.events.pop_back(), Some(PlateEvent::Closed(CloseReason::Refused { .. }))));
}
