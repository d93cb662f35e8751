//! Clients against the rooms of the server, both without sockets.

use super::*;
use crate::access::{AccessList, AccessToken};
use crate::link::ServerAddress;
use crate::plain::Candidate;
use crate::room::{ConnId, Output, Rooms, Settings};
use peerage_base::rng::Rng;
use peerage_base::time::{Duration, Instant};
use proptest::prelude::*;

const SECRET: &str = "k7m2xq-0123456789abcdefghjk";

struct Client {
    machine: Machine,
    conn: Option<ConnId>,
    /// Frames of the server on their way here; lost with the connection.
    inbox: VecDeque<std::sync::Arc<str>>,
    log: Vec<RoomEvent>,
}

struct World {
    rooms: Rooms,
    now: Instant,
    clients: Vec<Client>,
}

impl World {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings { entry_rate: peerage_base::limit::Rate::new(10_000, 1000), ..Settings::default() };
        change(&mut settings);
        Self { rooms: Rooms::new(settings, Rng::from_u64(7)), now: Instant::from_millis(1), clients: Vec::new() }
    }

    fn add(&mut self, code: &str, intent: Intent) -> usize {
        let server = ServerAddress::parse("http://localhost").unwrap();
        let rng = Rng::from_u64(100 + self.clients.len() as u64);
        let options = RoomOptions::new(server, Code::parse(code).unwrap(), intent, Role::Send, rng);
        self.clients.push(Client {
            machine: Machine::new(&options),
            conn: None,
            inbox: VecDeque::new(),
            log: Vec::new(),
        });
        let at = self.clients.len() - 1;
        self.dial(at);
        at
    }

    fn dial(&mut self, at: usize) {
        self.clients[at].conn = Some(self.rooms.connect(self.now, [192, 0, 2, 1].into(), Vec::new()));
        self.clients[at].machine.handle_connected();
    }

    /// Cuts the connection; what is on its way in either direction is lost.
    fn cut(&mut self, at: usize) {
        self.clients[at].inbox.clear();
        if let Some(conn) = self.clients[at].conn.take() {
            self.clients[at].machine.handle_lost();
            self.rooms.handle_disconnect(self.now, conn);
        }
    }

    /// One frame of the client reaches the server.
    fn up(&mut self, at: usize) -> bool {
        let Some(conn) = self.clients[at].conn else { return false };
        let Some(frame) = self.clients[at].machine.poll_frame() else { return false };
        self.rooms.handle_frame(self.now, conn, &frame);
        self.deliver();
        true
    }

    /// One frame of the server reaches the client.
    fn down(&mut self, at: usize) -> bool {
        let Some(frame) = self.clients[at].inbox.pop_front() else { return false };
        let next = self.clients[at].machine.handle_frame(&frame);
        if next == Next::Reenter {
            self.clients[at].conn = None;
            self.dial(at);
        }
        while let Some(event) = self.clients[at].machine.poll_event() {
            self.clients[at].log.push(event);
        }
        true
    }

    fn deliver(&mut self) {
        while let Some(output) = self.rooms.poll_output() {
            let (to, frame) = match output {
                Output::Frame(conn, frame) => (vec![conn], frame),
                Output::Grant(_, to) => (to, self.grant()),
                Output::Close(_) | Output::Revoke(_) => continue,
            };
            for client in self.clients.iter_mut().filter(|c| c.conn.is_some_and(|conn| to.contains(&conn))) {
                client.inbox.push_back(frame.clone());
            }
        }
    }

    /// Credentials that tell when they were made.
    fn grant(&self) -> std::sync::Arc<str> {
        let made = self.now.since(Instant::from_millis(0)).as_secs();
        let server = IceServer {
            urls: vec!["turn:h:3478".into()],
            username: Some(format!("{made}:room")),
            credential: Some("password".into()),
        };
        ServerMessage::IceServers { ice_servers: vec![server], expires_ms: 600_000 }.to_json().into()
    }

    fn settle(&mut self) {
        while (0..self.clients.len()).fold(false, |busy, at| self.up(at) | self.down(at) | busy) {}
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
        self.rooms.handle_timeout(self.now);
        self.deliver();
        self.settle();
    }

    fn me(&self, at: usize) -> PeerId {
        self.clients[at].machine.me
    }

    fn say(&mut self, from: usize, to: usize, text: &str) {
        let to = self.me(to);
        let candidate = Candidate { candidate: text.into(), mid: None, ufrag: None };
        self.clients[from].machine.send(to, &Plain::Candidate(candidate)).unwrap();
    }

    fn heard(&self, at: usize) -> Vec<String> {
        let text = |e: &RoomEvent| match e {
            RoomEvent::Candidate { candidate, .. } => Some(candidate.candidate.clone()),
            _ => None,
        };
        self.clients[at].log.iter().filter_map(text).collect()
    }

    fn saw(&self, at: usize, event: &RoomEvent) -> bool {
        self.clients[at].log.contains(event)
    }
}

fn pair() -> World {
    let mut world = World::new();
    world.add(SECRET, Intent::Open);
    world.settle();
    world.add(SECRET, Intent::Join);
    world.settle();
    world
}

#[test]
fn two_peers_greet_each_other_and_the_first_one_knows_that_it_is() {
    let world = pair();
    let hello = |peer, first| RoomEvent::PeerHello {
        peer,
        role: Role::Send,
        agent: concat!("peerage/", env!("CARGO_PKG_VERSION")).into(),
        first,
    };
    assert!(world.saw(0, &hello(world.me(1), true)));
    assert!(world.saw(1, &hello(world.me(0), false)));
    assert_eq!(
        world.clients[1].log[0],
        RoomEvent::Joined { me: world.me(1), peers: vec![world.me(0)], ice_servers: vec![] }
    );
}

/// When the credentials that a client was told were made, in order.
fn granted(world: &World, at: usize) -> Vec<String> {
    let made = |event: &RoomEvent| match event {
        RoomEvent::IceServers { ice_servers, expires_in } => {
            assert_eq!(*expires_in, core::time::Duration::from_secs(600));
            ice_servers[0].username.clone()
        }
        _ => None,
    };
    world.clients[at].log.iter().filter_map(made).collect()
}

#[test]
fn credentials_come_before_the_hello_and_are_renewed() {
    let mut world = World::with(|s| s.grant_interval = Some(Duration::from_secs(300)));
    world.add(SECRET, Intent::Open);
    world.settle();
    assert!(granted(&world, 0).is_empty());
    world.add(SECRET, Intent::Join);
    world.settle();
    for client in &world.clients {
        let place = |wanted: fn(&RoomEvent) -> bool| client.log.iter().position(wanted).unwrap();
        let hello = place(|e| matches!(e, RoomEvent::PeerHello { .. }));
        assert!(place(|e| matches!(e, RoomEvent::IceServers { .. })) < hello, "{:?}", client.log);
    }
    world.wait(Duration::from_secs(300));
    assert_eq!(
        (granted(&world, 0), granted(&world, 1)),
        (vec!["0:room".into(), "300:room".into()], granted(&world, 0))
    );
}

#[test]
fn an_owner_that_does_not_look_finds_the_newest_credentials_alone() {
    let mut world = World::with(|s| s.grant_interval = Some(Duration::from_secs(300)));
    world.add(SECRET, Intent::Open);
    world.settle();
    world.add(SECRET, Intent::Join);
    world.settle();
    let machine = &mut world.clients[0].machine;
    for made in 0..1000 {
        let frame = format!(
            r#"{{"type":"ice_servers","ice_servers":[{{"urls":["turn:h"],"username":"{made}","credential":"c"}}],"expires_ms":1}}"#
        );
        assert_eq!(machine.handle_frame(&frame), Next::Continue);
    }
    let Some(RoomEvent::IceServers { ice_servers, .. }) = machine.poll_event() else { panic!("no event") };
    assert_eq!(ice_servers[0].username.as_deref(), Some("999"));
    assert_eq!(machine.poll_event(), None);
}

#[test]
fn a_message_of_a_later_version_is_passed_over() {
    let mut world = pair();
    assert_eq!(world.clients[0].machine.handle_frame(r#"{"type":"weather","seq":99}"#), Next::Continue);
    world.say(1, 0, "still here");
    world.settle();
    assert_eq!(world.heard(0), ["still here"]);
}

fn with_access(world: &mut World, intent: Intent, token: &str) -> (usize, RoomOptions) {
    let server = ServerAddress::parse("http://localhost").unwrap();
    let rng = Rng::from_u64(500 + world.clients.len() as u64);
    let mut options = RoomOptions::new(server, Code::parse(SECRET).unwrap(), intent, Role::Send, rng);
    options.access_token = Some(AccessToken::parse(token).unwrap());
    let at = world.add(SECRET, intent);
    // What was queued to be said came without the token.
    world.clients[at].machine = Machine::new(&options);
    world.clients[at].machine.handle_connected();
    (at, options)
}

#[test]
fn the_access_token_opens_rooms_and_is_not_shown_to_a_server_that_somebody_else_chose() {
    const TOKEN: &str = "correct-horse-battery";
    let list = AccessList::new([&AccessToken::parse(TOKEN).unwrap()]);
    let mut world = World::with(|s| s.access = list.clone());
    let at = world.add(SECRET, Intent::Open);
    world.settle();
    let refused = world.clients[at].log.last();
    assert!(
        matches!(refused, Some(RoomEvent::Closed(CloseReason::Refused { code: ErrorCode::Forbidden, message })) if message.contains("access token")),
        "{refused:?}"
    );
    let (opener, _) = with_access(&mut world, Intent::Open, TOKEN);
    world.settle();
    let (joiner, _) = with_access(&mut world, Intent::Join, TOKEN);
    assert!(!world.clients[joiner].machine.ledger.pending().any(|frame| frame.contains(TOKEN)));
    world.settle();
    world.say(joiner, opener, "hi");
    world.settle();
    assert_eq!(world.heard(opener), ["hi"]);

    // The server is started anew: the joiner comes back first, may not open the room, and waits until it is there.
    world.rooms = Rooms::new(Settings { access: list, ..Settings::default() }, Rng::from_u64(8));
    world.clients.iter_mut().for_each(|client| client.conn = None);
    world.dial(joiner);
    for _ in 0..8 {
        world.up(joiner);
        world.down(joiner);
    }
    assert!(!world.clients[joiner].machine.is_over() && !world.clients[joiner].machine.is_in());
    assert!(!world.clients[joiner].machine.ledger.pending().any(|frame| frame.contains(TOKEN)));
    world.dial(opener);
    world.settle();
    world.dial(joiner);
    world.settle();
    world.say(joiner, opener, "again");
    world.settle();
    assert_eq!(world.heard(opener), ["hi", "again"]);
}

#[test]
fn one_that_is_kept_out_for_good_says_why() {
    let mut world = pair();
    let machine = &mut world.clients[1].machine;
    assert_eq!(machine.handle_frame(r#"{"type":"error","code":"gone","message":"m"}"#), Next::Reenter);
    machine.handle_connected();
    assert_eq!(machine.handle_frame(r#"{"type":"error","code":"forbidden","message":"no token"}"#), Next::BackOff);
    machine.give_up();
    let reason = CloseReason::Refused { code: ErrorCode::Forbidden, message: "no token".into() };
    assert!(std::iter::from_fn(|| machine.poll_event()).any(|e| e == RoomEvent::Closed(reason.clone())));
}

#[test]
fn what_is_said_while_away_arrives_once_and_in_order() {
    let mut world = pair();
    world.cut(1);
    for i in 0..20 {
        world.say(0, 1, &format!("a{i}"));
        world.say(1, 0, &format!("b{i}"));
    }
    world.settle();
    assert!(world.heard(1).is_empty());
    world.dial(1);
    world.settle();
    assert_eq!(world.heard(1), (0..20).map(|i| format!("a{i}")).collect::<Vec<_>>());
    assert_eq!(world.heard(0), (0..20).map(|i| format!("b{i}")).collect::<Vec<_>>());
    assert!(world.saw(1, &RoomEvent::Reconnecting) && world.saw(1, &RoomEvent::Resumed));
    let both = (world.me(0), world.me(1));
    assert!(!world.saw(0, &RoomEvent::PeerLeft { peer: both.1 }));
}

#[test]
fn staying_away_too_long_means_a_new_stay_under_a_new_identity() {
    let mut world = pair();
    let before = world.me(1);
    world.cut(1);
    world.wait(Duration::from_secs(31));
    assert!(world.saw(0, &RoomEvent::PeerLeft { peer: before }));
    world.dial(1);
    world.settle();
    assert_ne!(world.me(1), before);
    assert!(world.saw(1, &RoomEvent::PeerLeft { peer: world.me(0) }));
    world.say(0, 1, "again");
    world.settle();
    assert_eq!(world.heard(1), ["again"]);
}

#[test]
fn a_restarted_server_finds_everybody_again() {
    let mut world = pair();
    world.rooms = Rooms::new(Settings::default(), Rng::from_u64(8));
    for at in 0..2 {
        world.clients[at].conn = None;
        world.clients[at].inbox.clear();
        world.dial(at);
    }
    world.settle();
    world.say(1, 0, "hi");
    world.settle();
    assert_eq!(world.heard(0), ["hi"]);
}

#[test]
fn a_wrong_code_ends_the_newcomer_and_not_the_one_that_waits() {
    let mut world = World::new();
    world.add(SECRET, Intent::Open);
    world.settle();
    world.add("k7m2xq-0123456789abcdefghjm", Intent::Join);
    world.settle();
    assert!(world.saw(0, &RoomEvent::WrongCode { peer: world.me(1) }));
    assert!(world.saw(1, &RoomEvent::Closed(CloseReason::WrongCode)));
    assert!(world.saw(0, &RoomEvent::PeerLeft { peer: world.me(1) }));
    world.add(SECRET, Intent::Join);
    world.settle();
    world.say(2, 0, "right");
    world.settle();
    assert_eq!(world.heard(0), ["right"]);
}

#[test]
fn a_stranger_in_the_room_does_not_drive_a_newcomer_with_the_right_code_away() {
    let mut world = World::new();
    world.add(SECRET, Intent::Open);
    world.add("k7m2xq-0123456789abcdefghjm", Intent::Open);
    // The stranger is here already, and has not noticed anybody.
    world.up(0);
    world.up(1);
    world.add(SECRET, Intent::Open);
    world.settle();
    world.say(2, 0, "right");
    world.settle();
    assert_eq!(world.heard(0), ["right"]);
    assert!(world.saw(2, &RoomEvent::WrongCode { peer: world.me(1) }));
}

#[test]
fn joining_a_room_that_is_not_there_is_refused() {
    let mut world = World::new();
    world.add(SECRET, Intent::Join);
    world.settle();
    let Some(RoomEvent::Closed(CloseReason::Refused { code, .. })) = world.clients[0].log.last() else {
        panic!("{:?}", world.clients[0].log)
    };
    assert_eq!(*code, ErrorCode::Unavailable);
}

#[test]
fn more_than_the_queue_holds_is_refused_and_nothing_too_long_is_sealed() {
    let mut world = pair();
    let peer = world.me(0);
    world.cut(1);
    let machine = &mut world.clients[1].machine;
    let offer = Plain::Offer { sdp: "x".repeat(PLAIN_MAX) };
    assert_eq!(machine.send(peer, &offer), Err(SendError::TooLong));
    let bye = Plain::Bye { reason: String::new() };
    let sent = (0..1000).take_while(|_| machine.send(peer, &bye).is_ok()).count();
    assert!(sent <= 256, "{sent}");
    assert_eq!(machine.send(peer, &bye), Err(SendError::Full));
    assert_eq!(machine.send(PeerId::from_bytes([9; 16]), &bye), Err(SendError::NoSuchPeer));
    machine.leave();
    assert_eq!(machine.send(peer, &bye), Err(SendError::Closed));
}

#[test]
fn a_server_that_breaks_the_protocol_is_left() {
    for frame in [
        "nonsense",
        r#"{"type":"ack","received":99}"#,
        r#"{"type":"peer_joined","seq":99,"peer":"AQEBAQEBAQEBAQEBAQEBAQ"}"#,
        r#"{"type":"joined","token":"AQEBAQEBAQEBAQEBAQEBAQ","peers":[],"ice_servers":[],"grace_ms":1}"#,
    ] {
        let mut world = pair();
        assert_eq!(world.clients[0].machine.handle_frame(frame), Next::Close, "{frame}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever breaks and whenever, within the grace period: everything said arrives once and in order.
    #[test]
    fn nothing_is_lost_or_said_twice_however_connections_break(steps in proptest::collection::vec((0u8..10, 0usize..2), 1..300)) {
        let mut world = pair();
        let mut said = [Vec::new(), Vec::new()];
        for (what, at) in steps {
            match what {
                0 => {
                    world.cut(at);
                    world.dial(at);
                }
                1..=3 if said[at].len() < 100 => {
                    let text = said[at].len().to_string();
                    world.say(at, 1 - at, &text);
                    said[at].push(text);
                }
                4..=6 => {
                    world.up(at);
                }
                7..=8 => {
                    world.down(at);
                }
                _ => world.now += Duration::from_millis(100),
            }
        }
        world.settle();
        prop_assert_eq!(&world.heard(1), &said[0]);
        prop_assert_eq!(&world.heard(0), &said[1]);
    }

    #[test]
    fn no_frame_of_a_server_panics(frames in proptest::collection::vec("\\PC{0,60}|\\{\"type\":\"(ack|resumed|signal|peer_left)\",\"seq\":[0-9],\"received\":[0-9],\"peers\":\\[\\],\"peer\":\"AQEBAQEBAQEBAQEBAQEBAQ\",\"from\":\"AQEBAQEBAQEBAQEBAQEBAQ\",\"data\":\"[a-z]{0,9}\"\\}", 0..20)) {
        let mut world = pair();
        for frame in frames {
            world.clients[0].machine.handle_frame(&frame);
        }
    }
}
