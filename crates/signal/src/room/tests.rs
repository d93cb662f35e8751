//! Every rule of the rooms, by raw frames.

use super::*;
use peerage_base::limit::Rate;
use peerage_base::rng::Rng;
use peerage_base::time::Duration;
use proptest::prelude::*;
use serde_json::{Value, json};

const SOURCE: IpAddr = IpAddr::V4(core::net::Ipv4Addr::new(192, 0, 2, 1));

pub(super) struct World {
    pub rooms: Rooms,
    pub now: Instant,
    /// Rooms whose credentials ended.
    pub revoked: Vec<String>,
}

/// What one connection was told, and whether it was closed.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Told {
    pub frames: Vec<Value>,
    pub closed: bool,
}

impl Told {
    pub fn error(&self) -> &str {
        assert!(self.closed, "{self:?}");
        self.frames.last().and_then(|f| f["code"].as_str()).unwrap_or("none")
    }

    pub fn types(&self) -> Vec<&str> {
        self.frames.iter().filter_map(|f| f["type"].as_str()).collect()
    }
}

impl World {
    pub fn new(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings::default();
        change(&mut settings);
        Self { rooms: Rooms::new(settings, Rng::from_u64(1)), now: Instant::from_millis(5), revoked: Vec::new() }
    }

    pub fn connect(&mut self) -> ConnId {
        let ice = IceServer { urls: vec!["stun:h:1".into()], username: None, credential: None };
        self.rooms.connect(self.now, SOURCE, vec![ice])
    }

    pub fn say(&mut self, conn: ConnId, frame: Value) {
        self.rooms.handle_frame(self.now, conn, &frame.to_string());
    }

    pub fn drain(&mut self) -> HashMap<ConnId, Told> {
        let mut told: HashMap<ConnId, Told> = HashMap::new();
        while let Some(output) = self.rooms.poll_output() {
            match output {
                Output::Frame(conn, frame) => {
                    let told = told.entry(conn).or_default();
                    assert!(!told.closed, "nothing is sent after a close");
                    told.frames.push(serde_json::from_str(&frame).unwrap());
                }
                Output::Close(conn) => told.entry(conn).or_default().closed = true,
                Output::Grant(room, to) => {
                    for conn in to {
                        let told = told.entry(conn).or_default();
                        assert!(!told.closed, "nothing is sent after a close");
                        told.frames.push(json!({"type": "ice_servers", "room": room}));
                    }
                }
                Output::Revoke(room) => self.revoked.push(room.to_string()),
            }
        }
        told
    }

    pub fn told(&mut self, conn: ConnId) -> Told {
        self.drain().remove(&conn).unwrap_or_default()
    }

    pub fn enter(&mut self, how: &str, room: &str, who: u8) -> (ConnId, Told) {
        let conn = self.connect();
        self.say(conn, json!({"type": how, "room": room, "peer": peer(who)}));
        let told = self.told(conn);
        (conn, told)
    }

    pub fn signal(&mut self, conn: ConnId, seq: u64, to: u8, data: &str) {
        self.say(conn, json!({"type": "signal", "seq": seq, "to": peer(to), "data": data}));
    }

    pub fn wait(&mut self, time: Duration) {
        self.now += time;
        self.rooms.handle_timeout(self.now);
    }

    pub fn resume(&mut self, who: u8, token: &Value, received: u64) -> (ConnId, Told) {
        let conn = self.connect();
        self.say(
            conn,
            json!({"type": "resume", "room": "abcd", "peer": peer(who), "token": token, "received": received}),
        );
        let told = self.told(conn);
        (conn, told)
    }
}

pub(super) fn peer(n: u8) -> String {
    PeerId::from_bytes([n; 16]).to_string()
}

fn two(change: impl FnOnce(&mut Settings)) -> (World, ConnId, ConnId, Value) {
    let mut world = World::new(change);
    let (a, told) = world.enter("open", "abcd", 1);
    let token = told.frames[0]["token"].clone();
    let (b, _) = world.enter("join", "abcd", 2);
    (world, a, b, token)
}

#[test]
fn who_enters_is_told_who_is_there_and_the_others_are_told_who_came() {
    let mut world = World::new(|_| {});
    let (a, told) = world.enter("open", "abcd", 1);
    assert_eq!(told.frames[0]["peers"], json!([]));
    assert_eq!(told.frames[0]["ice_servers"], json!([{"urls": ["stun:h:1"]}]));
    assert_eq!(told.frames[0]["grace_ms"], 30_000);
    let b = world.connect();
    world.say(b, json!({"type": "join", "room": "abcd", "peer": peer(2)}));
    let told = world.drain();
    assert_eq!(told[&b].frames[0]["peers"], json!([peer(1)]));
    assert_eq!(told[&a].frames, [json!({"type": "peer_joined", "seq": 1, "peer": peer(2)})]);
}

#[test]
fn signals_are_numbered_and_handed_on_unchanged_and_a_repeated_one_is_not() {
    let (mut world, a, b, _) = two(|_| {});
    world.signal(a, 1, 2, "xyz");
    world.signal(a, 1, 2, "xyz");
    let expected = json!({"type": "signal", "seq": 1, "from": peer(1), "data": "xyz"});
    assert_eq!(world.told(b).frames, [expected]);
    world.signal(a, 3, 2, "xyz");
    assert_eq!(world.told(a).error(), "bad_request");
}

#[test]
fn the_server_acknowledges_every_sixteen_signals_even_to_peers_that_left() {
    let (mut world, a, _, _) = two(|_| {});
    for seq in 1..=16 {
        world.signal(a, seq, 9, "x");
    }
    assert_eq!(world.told(a).frames, [json!({"type": "ack", "received": 16})]);
}

#[test]
fn unknown_full_and_expired_rooms_get_one_answer() {
    let mut world = World::new(|s| s.peers_per_room = 2);
    let (_, unknown) = world.enter("join", "abcd", 1);
    let (a, _) = world.enter("open", "abcd", 1);
    let (b, _) = world.enter("open", "abcd", 2);
    let (_, full) = world.enter("join", "abcd", 3);
    let (_, full_too) = world.enter("open", "abcd", 3);
    world.rooms.handle_disconnect(world.now, a);
    world.rooms.handle_disconnect(world.now, b);
    world.wait(Duration::from_secs(31));
    let (c, lingering) = world.enter("join", "abcd", 3);
    assert_eq!(lingering.types(), ["joined"], "a room outlives its peers for a while");
    world.rooms.handle_disconnect(world.now, c);
    world.wait(Duration::from_secs(31));
    world.wait(Duration::from_secs(3600));
    let (_, expired) = world.enter("join", "abcd", 4);
    assert_eq!(unknown.error(), "unavailable");
    for other in [full, full_too, expired] {
        assert_eq!(other, unknown);
    }
    assert_eq!(world.rooms.room_count(), 0);
}

#[test]
fn leaving_is_told_at_once_and_the_last_one_takes_the_room_along() {
    let (mut world, a, b, _) = two(|_| {});
    world.say(b, json!({"type": "leave"}));
    let told = world.drain();
    assert!(told[&b].closed);
    assert_eq!(told[&a].frames, [json!({"type": "peer_left", "seq": 2, "peer": peer(2)})]);
    world.say(a, json!({"type": "leave"}));
    assert_eq!((world.rooms.room_count(), world.rooms.poll_timeout().is_some()), (0, world.rooms.next_sweep.is_some()));
}

#[test]
fn a_lost_client_keeps_its_seat_for_the_grace_period() {
    let (mut world, a, b, _) = two(|_| {});
    world.rooms.handle_disconnect(world.now, a);
    assert_eq!(world.rooms.poll_timeout(), Some(world.now + Duration::from_secs(30)));
    world.wait(Duration::from_millis(29_999));
    assert!(world.told(b).frames.is_empty());
    world.wait(Duration::from_millis(1));
    assert_eq!(world.told(b).types(), ["peer_left"]);
}

#[test]
fn a_resumed_client_gets_what_it_missed_and_no_more() {
    let (mut world, a, b, token) = two(|_| {});
    for seq in 1..=3 {
        world.signal(b, seq, 1, &format!("m{seq}"));
    }
    world.drain();
    world.rooms.handle_disconnect(world.now, a);
    world.signal(b, 4, 1, "m4");
    // Numbers 1 (peer_joined) and 2 (m1) had arrived.
    let (a, told) = world.resume(1, &token, 2);
    assert_eq!(told.frames[0], json!({"type": "resumed", "received": 0, "peers": [peer(2)]}));
    assert_eq!(told.frames[1..].iter().map(|f| f["data"].as_str().unwrap()).collect::<Vec<_>>(), ["m2", "m3", "m4"]);
    world.say(a, json!({"type": "ack", "received": 5}));
    assert_eq!(world.rooms.queued_bytes(), 0);
    assert!(world.drain().is_empty());
}

#[test]
fn a_resume_takes_over_from_a_connection_that_only_seems_alive() {
    let (mut world, a, _, token) = two(|_| {});
    let conn = world.connect();
    world.say(conn, json!({"type": "resume", "room": "abcd", "peer": peer(1), "token": token, "received": 1}));
    let told = world.drain();
    assert!(told[&a].closed && told[&conn].types() == ["resumed"]);
    world.signal(a, 1, 2, "late");
    world.rooms.handle_disconnect(world.now, a);
    assert!(world.drain().is_empty(), "the old connection has no say any more");
}

#[test]
fn only_the_right_token_room_peer_and_number_resume() {
    let (mut world, a, _, token) = two(|_| {});
    let wrong = json!(peer(7));
    assert_eq!(world.resume(1, &wrong, 0).1.error(), "gone");
    assert_eq!(world.resume(2, &token, 0).1.error(), "gone");
    assert_eq!(world.resume(3, &token, 0).1.error(), "gone");
    assert_eq!(world.resume(1, &token, 2).1.error(), "gone", "a number that was never sent");
    world.say(a, json!({"type": "ack", "received": 1}));
    assert_eq!(world.resume(1, &token, 0).1.error(), "gone", "what was acknowledged is not kept");
    world.say(a, json!({"type": "ack", "received": 0}));
    assert!(world.drain().is_empty(), "an old acknowledgement says nothing new");
    assert_eq!(world.resume(1, &token, 1).1.types(), ["resumed"]);
}

#[test]
fn a_peer_id_is_taken_once_a_room() {
    let (mut world, ..) = two(|_| {});
    assert_eq!(world.enter("join", "abcd", 1).1.error(), "taken");
    assert_eq!(world.enter("open", "efgh", 1).1.types(), ["joined"]);
}

#[test]
fn frames_out_of_turn_or_out_of_form_are_refused_and_cost_the_seat() {
    for (frame, code) in [
        (json!({"type": "join", "room": "abcd", "peer": peer(3)}), "bad_request"),
        (json!({"type": "ack", "received": 99}), "bad_request"),
        (json!({"type": "signal", "seq": 1, "to": peer(1), "data": "x"}), "bad_request"),
        (json!({"type": "signal", "seq": 0, "to": peer(2), "data": "!"}), "bad_request"),
        (json!([]), "bad_request"),
        (json!({"type": "x".repeat(60_000)}), "bad_request"),
        (json!("x".repeat(70_000)), "too_large"),
    ] {
        let (mut world, a, b, token) = two(|_| {});
        world.say(a, frame);
        let told = world.drain();
        assert_eq!(told[&a].error(), code);
        assert!(told[&a].frames[0].to_string().len() < 1000, "an answer is not longer than needed");
        assert_eq!(told[&b].types(), ["peer_left"]);
        assert_eq!(world.resume(1, &token, 1).1.error(), "gone");
    }
    let mut world = World::new(|_| {});
    let conn = world.connect();
    world.say(conn, json!({"type": "leave"}));
    assert_eq!(world.told(conn).error(), "bad_request");
}

#[test]
fn a_silent_connection_is_closed() {
    let mut world = World::new(|_| {});
    let conn = world.connect();
    world.wait(Duration::from_millis(9_999));
    assert!(world.drain().is_empty());
    world.wait(Duration::from_millis(1));
    assert_eq!(world.told(conn).error(), "bad_request");
    assert_eq!(world.rooms.poll_timeout(), None);
}

#[test]
fn one_address_enters_only_so_often() {
    let mut world = World::new(|s| s.entry_rate = Rate::new(3, 1));
    for _ in 0..3 {
        assert_eq!(world.enter("join", "abcd", 1).1.error(), "unavailable");
    }
    assert_eq!(world.enter("join", "abcd", 1).1.error(), "rate_limited");
    assert_eq!(world.enter("open", "abcd", 1).1.error(), "rate_limited");
    world.wait(Duration::from_secs(1));
    assert_eq!(world.enter("open", "abcd", 1).1.types(), ["joined"]);
}

#[test]
fn a_client_that_floods_is_dropped() {
    let (mut world, a, b, _) = two(|s| s.signal_rate = Rate::new(10, 1));
    for seq in 1..=11 {
        world.signal(a, seq, 9, "x");
    }
    let told = world.drain();
    assert_eq!(told[&a].error(), "rate_limited");
    assert_eq!(told[&b].types(), ["peer_left"]);
    let (mut world, a, ..) = two(|s| s.byte_rate = Rate::new(1000, 1));
    world.signal(a, 1, 9, &"x".repeat(1000));
    assert!(world.drain().is_empty());
    world.signal(a, 2, 9, "x");
    assert_eq!(world.told(a).error(), "rate_limited");
}

#[test]
fn who_fills_the_queue_of_a_peer_that_had_no_chance_is_the_one_to_go() {
    let (mut world, a, b, _) = two(|s| s.queue_messages = 20);
    for seq in 1..=21 {
        world.signal(a, seq, 2, "x");
    }
    let told = world.drain();
    assert_eq!(told[&a].error(), "rate_limited");
    // The queue is full, so the departure cannot be told either.
    assert_eq!(told[&b].error(), "rate_limited");
    assert_eq!(world.rooms.queued_bytes(), 0);
}

#[test]
fn who_withholds_acknowledgements_is_the_one_to_go() {
    let (mut world, a, b, _) = two(|s| s.ack_timeout = Duration::from_secs(1000));
    for seq in 1..=17 {
        world.signal(a, seq, 2, "x");
    }
    world.drain();
    world.wait(Duration::from_secs(1001));
    let told = world.drain();
    assert_eq!(told[&b].error(), "rate_limited");
    assert_eq!(told[&a].types(), ["peer_left"]);
}

#[test]
fn a_client_that_has_no_acknowledgement_due_may_stay_for_ever() {
    let (mut world, a, _, _) = two(|_| {});
    for seq in 1..=15 {
        world.signal(a, seq, 2, "x");
    }
    world.drain();
    for _ in 0..100 {
        world.wait(Duration::from_secs(60));
    }
    assert!(world.drain().is_empty());
}

#[test]
fn all_queues_together_have_a_limit() {
    let (mut world, a, _, _) = two(|s| s.total_queue_bytes = 1000);
    world.signal(a, 1, 2, &"x".repeat(500));
    assert!(!world.told(a).closed);
    world.signal(a, 2, 2, &"x".repeat(500));
    assert_eq!(world.told(a).error(), "rate_limited");
    assert!(world.rooms.queued_bytes() <= 1000);
}

#[test]
fn the_oldest_empty_room_makes_way_and_otherwise_a_new_one_is_unavailable() {
    let mut world = World::new(|s| s.rooms = 2);
    let (a, _) = world.enter("open", "aaaa", 1);
    let (b, _) = world.enter("open", "bbbb", 1);
    assert_eq!(world.enter("open", "cccc", 1).1.error(), "unavailable");
    for conn in [b, a] {
        world.rooms.handle_disconnect(world.now, conn);
        world.wait(Duration::from_secs(31));
    }
    assert_eq!(world.enter("open", "cccc", 1).1.types(), ["joined"]);
    assert_eq!(world.enter("join", "bbbb", 2).1.error(), "unavailable");
    assert_eq!(world.enter("join", "aaaa", 2).1.types(), ["joined"]);
    assert_eq!(world.rooms.room_count(), 2);
}

#[test]
fn the_same_seed_and_input_give_the_same_output() {
    let run = || {
        let mut world = World::new(|_| {});
        (world.enter("open", "abcd", 1).1, world.enter("join", "abcd", 2).1)
    };
    assert_eq!(run(), run());
}

/// What the bookkeeping must agree on at any time.
fn check(rooms: &Rooms) {
    let members = || rooms.rooms.values().flat_map(|r| &r.members);
    assert_eq!(rooms.queued_bytes, members().map(|m| m.queue.bytes()).sum::<usize>());
    assert_eq!(rooms.away.len(), members().filter(|m| m.conn().is_none()).count());
    assert_eq!(rooms.empty.len(), rooms.rooms.values().filter(|r| r.members.is_empty()).count());
    assert_eq!(rooms.empty.len(), rooms.rooms.values().filter(|r| r.expires.is_some()).count());
    let together = rooms.rooms.values().filter(|r| r.present() >= 2 && rooms.settings.grant_interval.is_some());
    assert_eq!(rooms.grants.len(), together.count(), "credentials are due exactly where two peers are present");
    assert_eq!(rooms.grants.len(), rooms.rooms.values().filter(|r| r.next_grant.is_some()).count());
    let seated = rooms.conns.values().filter(|c| matches!(c.state, ConnState::Seated { .. })).count();
    assert_eq!(seated, members().filter(|m| m.conn().is_some()).count());
    assert_eq!(rooms.silent.len() + seated, rooms.conns.len());
    assert!(rooms.rooms.len() <= rooms.settings.rooms);
    assert!(rooms.rooms.values().all(|r| r.members.len() <= rooms.settings.peers_per_room));
    assert!(rooms.queued_bytes <= rooms.settings.total_queue_bytes);
}

#[derive(Clone, Debug)]
enum Op {
    Connect,
    Frame(usize, String),
    Disconnect(usize),
    Wait(u64),
}

fn frame() -> impl Strategy<Value = String> {
    let room = prop_oneof![Just("aaaa"), Just("bbbb"), Just("cccc"), Just("x")];
    let entering = (prop_oneof![Just("open"), Just("join")], room, 1u8..5).prop_map(|(how, room, who)| {
        json!({"type": how, "room": room, "peer": peer(who), "accepts": ["ice_servers"]}).to_string()
    });
    let signal = (1u64..5, 1u8..5, 0usize..200).prop_map(|(seq, to, n)| {
        json!({"type": "signal", "seq": seq, "to": peer(to), "data": "x".repeat(n)}).to_string()
    });
    let rest = prop_oneof![
        (0u64..6).prop_map(|n| json!({"type": "ack", "received": n}).to_string()),
        Just(json!({"type": "leave"}).to_string()),
        (1u8..5)
            .prop_map(|n| json!({"type": "resume", "room": "aaaa", "peer": peer(n), "token": peer(n), "received": 0})
                .to_string()),
        "\\PC{0,40}",
    ];
    prop_oneof![4 => entering, 4 => signal, 2 => rest]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        3 => Just(Op::Connect),
        10 => (0usize..12, frame()).prop_map(|(at, text)| Op::Frame(at, text)),
        1 => (0usize..12).prop_map(Op::Disconnect),
        1 => (0u64..40_000).prop_map(Op::Wait),
    ]
}

proptest! {
    #[test]
    fn whatever_strangers_do_the_books_balance_and_the_limits_hold(ops in proptest::collection::vec(op(), 0..150)) {
        let mut world = World::new(|s| {
            s.rooms = 2;
            s.peers_per_room = 3;
            s.queue_messages = 4;
            s.queue_bytes = 500;
            s.total_queue_bytes = 900;
            s.entry_rate = Rate::new(1000, 1000);
            s.grant_interval = Some(Duration::from_secs(10));
        });
        let mut conns = Vec::new();
        for op in ops {
            let waited = matches!(op, Op::Wait(_));
            match op {
                Op::Connect => conns.push(world.connect()),
                Op::Frame(at, text) => {
                    if let Some(conn) = conns.get(conns.len().saturating_sub(at + 1)) {
                        world.rooms.handle_frame(world.now, *conn, &text);
                    }
                }
                Op::Disconnect(at) => {
                    if let Some(conn) = conns.get(at) {
                        world.rooms.handle_disconnect(world.now, *conn);
                    }
                }
                Op::Wait(millis) => world.wait(Duration::from_millis(millis)),
            }
            world.drain();
            check(&world.rooms);
            prop_assert!(world.rooms.poll_timeout().is_none_or(|at| at > world.now) || !waited);
        }
        world.wait(Duration::from_secs(10));
        for conn in conns {
            world.rooms.handle_disconnect(world.now, conn);
        }
        world.wait(Duration::from_secs(31));
        world.wait(Duration::from_secs(3601));
        check(&world.rooms);
        prop_assert_eq!((world.rooms.room_count(), world.rooms.conns.len()), (0, 0));
    }
}
