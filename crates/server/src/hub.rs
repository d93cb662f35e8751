//! Drives the rooms: the clock, the lock, a bounded outbox per WebSocket, and credentials for the relay.

use crate::turn::handle::TurnHandle;
use core::net::IpAddr;
use core::time::Duration;
use peerage_base::redact::Redacted;
use peerage_base::rng::Rng;
use peerage_base::time::Instant;
use peerage_net::clock::Clock;
use peerage_signal::id::RoomName;
use peerage_signal::message::{IceServer, ServerMessage};
use peerage_signal::room::{ConnId, Output, Rooms, Settings};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, mpsc};

/// Frames that may wait for one socket: a full queue of the rooms, and acknowledgements besides.
const OUTBOX: usize = 512;

#[derive(Debug)]
pub(crate) struct Hub {
    state: Mutex<State>,
    /// The next deadline may have come closer.
    rearm: Notify,
    clock: Clock,
    turn: Option<TurnHandle>,
}

#[derive(Debug)]
struct State {
    rooms: Rooms,
    outboxes: HashMap<ConnId, Outbox>,
}

/// What the hub knows of a socket.
#[derive(Debug)]
struct Outbox {
    /// Dropping it closes the socket once all has been sent.
    frames: mpsc::Sender<Arc<str>>,
    found: Found,
}

/// What a client is to use for ICE, as it depends on how it found us.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    /// The name or address under which it reached the server.
    pub host: String,
    /// Servers that ask for no credentials.
    pub open: Vec<IceServer>,
}

impl Hub {
    /// Rooms whose members are told credentials for the relay, if there is one.
    pub fn new(mut settings: Settings, rng: Rng, turn: Option<TurnHandle>) -> Self {
        settings.grant_interval = turn.as_ref().map(|turn| turn.lifetime() / 2);
        let state = State { rooms: Rooms::new(settings, rng), outboxes: HashMap::new() };
        Self { state: Mutex::new(state), rearm: Notify::new(), clock: Clock::new(), turn }
    }

    /// Whether members of a room are told credentials for a relay.
    pub fn relays(&self) -> bool {
        self.turn.is_some()
    }

    /// Rooms that there are now.
    pub fn rooms(&self) -> usize {
        self.lock().rooms.room_count()
    }

    /// A new WebSocket; the receiver yields what to send and ends when the socket is to be closed.
    pub fn connect(&self, source: IpAddr, found: Found) -> (ConnId, mpsc::Receiver<Arc<str>>) {
        let (outbox, frames) = mpsc::channel(OUTBOX);
        let id = self.with(|state, now| {
            let id = state.rooms.connect(now, source, found.open.clone());
            state.outboxes.insert(id, Outbox { frames: outbox, found });
            id
        });
        (id, frames)
    }

    pub fn handle_frame(&self, conn: ConnId, text: &str) {
        self.with(|state, now| state.rooms.handle_frame(now, conn, text));
    }

    pub fn handle_disconnect(&self, conn: ConnId) {
        self.with(|state, now| {
            state.outboxes.remove(&conn);
            state.rooms.handle_disconnect(now, conn);
        });
    }

    /// Keeps the deadlines of the rooms; never returns.
    pub async fn keep_time(&self) {
        loop {
            let deadline = self.lock().rooms.poll_timeout();
            tokio::select! {
                () = self.clock.sleep_until(deadline) => self.with(|state, now| state.rooms.handle_timeout(now)),
                () = self.rearm.notified() => {}
            }
        }
    }

    /// Runs one input of the machine and delivers everything it answers.
    fn with<T>(&self, input: impl FnOnce(&mut State, Instant) -> T) -> T {
        let mut state = self.lock();
        let now = self.clock.now();
        let before = state.rooms.poll_timeout();
        let result = input(&mut state, now);
        while let Some(output) = state.rooms.poll_output() {
            match output {
                Output::Frame(conn, frame) => state.deliver(now, conn, frame),
                Output::Close(conn) => {
                    state.outboxes.remove(&conn);
                }
                Output::Grant(room, to) => self.grant(&mut state, now, &room, &to),
                Output::Revoke(room) => {
                    if let Some(turn) = &self.turn {
                        turn.revoke(room.as_str());
                    }
                }
            }
        }
        if state.rooms.poll_timeout() != before {
            self.rearm.notify_one();
        }
        result
    }

    /// Tells these sockets credentials for the relay, and the relay that the room is in use.
    fn grant(&self, state: &mut State, now: Instant, room: &RoomName, to: &[ConnId]) {
        let Some(turn) = &self.turn else { return };
        let mut until = Duration::ZERO;
        for conn in to {
            let Some(found) = state.outboxes.get(conn).map(|outbox| &outbox.found) else { continue };
            let credentials = turn.credentials(&found.host, room.as_str());
            until = until.max(credentials.expires);
            let ice_servers = found.open.iter().cloned().chain(credentials.ice_servers()).collect();
            let expires_ms = u64::try_from(credentials.lifetime.as_millis()).unwrap_or(u64::MAX);
            let frame = ServerMessage::IceServers { ice_servers, expires_ms }.to_json();
            state.deliver(now, *conn, frame.into());
        }
        tracing::debug!(room = %Redacted(room), members = to.len(), "granted the relay");
        // Nobody was left to tell: what they have goes on until their credentials end, in case they come back.
        if !until.is_zero() {
            turn.set_live(room.as_str(), until);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// A socket that lets too much pile up is as good as lost; its client may resume.
    fn deliver(&mut self, now: Instant, conn: ConnId, frame: Arc<str>) {
        if self.outboxes.get(&conn).is_some_and(|outbox| outbox.frames.try_send(frame).is_err()) {
            self.outboxes.remove(&conn);
            self.rooms.handle_disconnect(now, conn);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::turn::config::Secret;
    use crate::turn::handle::{Endpoints, Wish};
    use peerage_signal::id::PeerId;
    use serde_json::{Value, json};

    fn hub(lifetime: Duration) -> (Hub, TurnHandle) {
        let endpoints = Endpoints { udp: vec![3478], tcp: Vec::new(), tls: Vec::new() };
        let turn = TurnHandle::new(Secret::parse("north wind").unwrap(), lifetime, endpoints, Clock::new());
        (Hub::new(Settings::default(), Rng::from_u64(1), Some(turn.clone())), turn)
    }

    /// A client that reached the server as `host`, and what it is told.
    struct Client {
        conn: ConnId,
        frames: mpsc::Receiver<Arc<str>>,
    }

    impl Client {
        fn enter(hub: &Hub, host: &str, who: u8) -> Self {
            let open = vec![IceServer::open(vec![format!("stun:{host}:3478")])];
            let (conn, frames) = hub.connect([192, 0, 2, who].into(), Found { host: host.to_owned(), open });
            let peer = PeerId::from_bytes([who; 16]);
            let open = json!({"type": "open", "room": "garden", "peer": peer, "accepts": ["ice_servers"]});
            hub.handle_frame(conn, &open.to_string());
            Self { conn, frames }
        }

        fn told(&mut self) -> Vec<Value> {
            core::iter::from_fn(|| self.frames.try_recv().ok()).map(|f| serde_json::from_str(&f).unwrap()).collect()
        }

        /// The user name of the one grant among what was told since.
        fn granted(&mut self) -> String {
            let told = self.told();
            let grants: Vec<&Value> = told.iter().filter(|f| f["type"] == "ice_servers").collect();
            assert_eq!(grants.len(), 1, "{told:?}");
            grants[0]["ice_servers"][1]["username"].as_str().unwrap().to_owned()
        }
    }

    #[tokio::test]
    async fn members_that_are_together_are_told_the_relay_as_each_of_them_reaches_it() {
        let (hub, turn) = hub(Duration::from_secs(600));
        let mut a = Client::enter(&hub, "192.0.2.7", 1);
        let alone = a.told();
        assert!(alone.len() == 1 && !alone[0].to_string().contains("turn:"), "{alone:?}");
        assert!(turn.wishes().take().is_empty(), "nothing is kept alive for one");
        let mut b = Client::enter(&hub, "example.org", 2);
        let (to_a, to_b) = (a.told(), b.told());
        assert_eq!((&to_a[0]["type"], &to_a[1]["type"]), (&json!("ice_servers"), &json!("peer_joined")));
        assert_eq!((&to_b[0]["type"], &to_b[1]["type"]), (&json!("joined"), &json!("ice_servers")));
        assert_eq!(to_a[0]["expires_ms"], 600_000);
        for (grant, host) in [(&to_a[0], "192.0.2.7"), (&to_b[1], "example.org")] {
            let [stun, relay] = &grant["ice_servers"].as_array().unwrap()[..] else { panic!("{grant}") };
            assert_eq!(stun["urls"], json!([format!("stun:{host}:3478")]));
            assert_eq!(relay["urls"], json!([format!("turn:{host}:3478?transport=udp")]));
            let (_, name) = relay["username"].as_str().unwrap().split_once(':').unwrap();
            assert!(name.starts_with("room/") && !name.contains("garden"));
        }
        let wishes = turn.wishes().take();
        let until = to_a[0]["ice_servers"][1]["username"].as_str().unwrap().split_once(':').unwrap().0.to_owned();
        let lives = wishes.values().any(|w| matches!(w, Wish::Live(at) if at.as_secs().to_string() >= until));
        assert!(wishes.len() == 1 && lives, "{wishes:?}");
    }

    #[tokio::test]
    async fn credentials_are_renewed_before_they_expire_and_end_with_the_room() {
        let lifetime = Duration::from_secs(2);
        let (hub, turn) = hub(lifetime);
        let hub = Arc::new(hub);
        let timer = tokio::spawn({
            let hub = hub.clone();
            async move { hub.keep_time().await }
        });
        let (mut a, mut b) = (Client::enter(&hub, "h", 1), Client::enter(&hub, "h", 2));
        a.granted();
        b.granted();
        turn.wishes().take();
        tokio::time::sleep(lifetime / 2 + Duration::from_millis(300)).await;
        a.granted();
        b.granted();
        assert!(matches!(turn.wishes().take().into_values().next(), Some(Wish::Live(_))));
        for client in [&a, &b] {
            hub.handle_frame(client.conn, r#"{"type":"leave"}"#);
        }
        assert_eq!(turn.wishes().take().into_values().collect::<Vec<_>>(), [Wish::Revoked]);
        tokio::time::sleep(lifetime / 2 + Duration::from_millis(100)).await;
        assert!(turn.wishes().take().is_empty());
        timer.abort();
    }
}
