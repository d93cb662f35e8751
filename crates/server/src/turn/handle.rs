//! What the rest of the server asks of the relay.

use crate::turn::config::Secret;
use core::fmt;
use core::time::Duration;
use peerage_crypto::hash::sha256;
use peerage_net::clock::Clock;
use peerage_signal::message::IceServer;
use peerage_turn::server::credentials::{ROOM, issue};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;

/// Wishes that may wait for the relay's task. They replace one another by room, so that only more rooms than this in the
/// time of one turn of the task could fill them.
const WISHES: usize = 65_536;

/// Issues credentials and says which rooms live. Cheap to clone; never blocks on the relay.
#[derive(Clone)]
pub struct TurnHandle {
    issuer: Arc<Issuer>,
    wishes: Arc<Wishes>,
}

struct Issuer {
    secret: Secret,
    lifetime: Duration,
    endpoints: Endpoints,
    clock: Clock,
}

/// Ports on which TURN is answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Endpoints {
    pub udp: Vec<u16>,
    pub tcp: Vec<u16>,
    pub tls: Vec<u16>,
}

/// Time-limited credentials for one room.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Who they are.
    pub username: String,
    /// What proves it.
    pub password: String,
    /// Until when new allocations can be made with them, since 1970-01-01 UTC.
    pub expires: Duration,
    /// How long that is from now.
    pub lifetime: Duration,
    urls: Vec<String>,
}

impl Credentials {
    /// The relay as clients are told of it: one entry with all URLs, best first.
    pub fn ice_servers(&self) -> Vec<IceServer> {
        if self.urls.is_empty() {
            return Vec::new();
        }
        let (username, credential) = (Some(self.username.clone()), Some(self.password.clone()));
        vec![IceServer { urls: self.urls.clone(), username, credential }]
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("lifetime", &self.lifetime).finish_non_exhaustive()
    }
}

impl TurnHandle {
    pub(crate) fn new(secret: Secret, lifetime: Duration, endpoints: Endpoints, clock: Clock) -> Self {
        let issuer = Issuer { secret, lifetime, endpoints, clock };
        Self { issuer: Arc::new(issuer), wishes: Arc::default() }
    }

    /// Credentials for the members of `room`, valid from now on. `host` is the name or address under which the client
    /// reached the server; it goes into the URLs.
    pub fn credentials(&self, host: &str, room: &str) -> Credentials {
        let issuer = &self.issuer;
        // The scheme counts whole seconds.
        let expires = Duration::from_secs((issuer.clock.wall().unix + issuer.lifetime).as_secs());
        let (username, password) = issue(issuer.secret.as_str().as_bytes(), &name(room), expires.as_secs());
        Credentials { username, password, expires, lifetime: issuer.lifetime, urls: issuer.endpoints.urls(host) }
    }

    /// How long credentials are valid.
    pub fn lifetime(&self) -> Duration {
        self.issuer.lifetime
    }

    /// Keeps the allocations of `room` alive until `until` (since 1970-01-01 UTC), beyond the expiry of the credentials
    /// that they were made with. To be repeated while two members are there.
    pub fn set_live(&self, room: &str, until: Duration) {
        self.wish(room, Wish::Live(until));
    }

    /// Ends the allocations of `room`, whose credentials make no new ones either.
    pub fn revoke(&self, room: &str) {
        self.wish(room, Wish::Revoked);
    }

    pub(crate) fn wishes(&self) -> Arc<Wishes> {
        self.wishes.clone()
    }

    fn wish(&self, room: &str, wish: Wish) {
        let mut pending = self.wishes.pending.lock().unwrap_or_else(PoisonError::into_inner);
        let name = name(room);
        // A room that is not kept alive loses its relay when its credentials expire; one that is not revoked keeps it.
        if pending.len() < WISHES || wish == Wish::Revoked || pending.contains_key(&name) {
            pending.insert(name, wish);
            self.wishes.arrived.notify_one();
        }
    }
}

impl fmt::Debug for TurnHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TurnHandle").field("endpoints", &self.issuer.endpoints).finish_non_exhaustive()
    }
}

/// What is to become of a room's allocations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    Live(Duration),
    Revoked,
}

/// What the relay's task has not heard of yet, the latest wish of each room.
#[derive(Debug, Default)]
pub(crate) struct Wishes {
    pending: Mutex<HashMap<String, Wish>>,
    pub arrived: Notify,
}

impl Wishes {
    /// All of them, by the name in the credentials.
    pub fn take(&self) -> HashMap<String, Wish> {
        core::mem::take(&mut *self.pending.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The name of a room in credentials. They travel in the clear, and a room's name is half of what opens it.
fn name(room: &str) -> String {
    let digest = sha256(format!("peerage-turn-room|{room}").as_bytes());
    let tag = digest.iter().take(8).fold(String::new(), |tag, byte| format!("{tag}{byte:02x}"));
    format!("{ROOM}{tag}")
}

impl Endpoints {
    /// UDP first: what arrives late over TCP holds up what follows it.
    fn urls(&self, host: &str) -> Vec<String> {
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        let all = |ports: &[u16], scheme: &str, transport: &str| {
            ports.iter().map(|port| format!("{scheme}:{host}:{port}?transport={transport}")).collect::<Vec<_>>()
        };
        let (udp, tcp) = (all(&self.udp, "turn", "udp"), all(&self.tcp, "turn", "tcp"));
        [udp, tcp, all(&self.tls, "turns", "tcp")].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handle() -> TurnHandle {
        let endpoints = Endpoints { udp: vec![3478], tcp: vec![3478], tls: vec![5349] };
        TurnHandle::new(Secret::parse("north wind").unwrap(), Duration::from_secs(600), endpoints, Clock::new())
    }

    #[tokio::test]
    async fn credentials_name_every_transport_and_hide_the_room() {
        let handle = handle();
        let before = Clock::new().wall().unix.as_secs();
        let credentials = handle.credentials("2001:db8::1", "attic");
        let [server] = &credentials.ice_servers()[..] else { panic!("one entry") };
        let host = "[2001:db8::1]";
        let urls = ["turn:HOST:3478?transport=udp", "turn:HOST:3478?transport=tcp", "turns:HOST:5349?transport=tcp"];
        assert_eq!(server.urls, urls.map(|url| url.replace("HOST", host)));
        let (expiry, name) = credentials.username.split_once(':').unwrap();
        assert!((before + 600..before + 610).contains(&expiry.parse().unwrap()));
        assert_eq!(credentials.expires.as_secs().to_string(), expiry);
        assert_eq!((name.len(), &name[..5]), (21, "room/"));
        assert!(!credentials.username.contains("attic"));
        assert_eq!(server.credential.as_deref(), Some(&*credentials.password));
        assert!(!format!("{credentials:?}").contains(&credentials.password));
        assert_ne!(handle.credentials("h", "cellar").username, credentials.username);
    }

    #[tokio::test]
    async fn the_latest_wish_of_a_room_counts() {
        let handle = handle();
        handle.set_live("attic", Duration::from_secs(5));
        handle.revoke("attic");
        handle.set_live("cellar", Duration::from_secs(7));
        let wishes = handle.wishes();
        wishes.arrived.notified().await;
        let taken = wishes.take();
        assert_eq!(taken.get(&name("attic")), Some(&Wish::Revoked));
        assert_eq!(taken.get(&name("cellar")), Some(&Wish::Live(Duration::from_secs(7))));
        assert!(wishes.take().is_empty());
    }

    #[tokio::test]
    async fn wishes_are_bounded_but_no_revocation_is_lost() {
        let handle = handle();
        for room in 0..WISHES + 10 {
            handle.set_live(&room.to_string(), Duration::ZERO);
        }
        handle.revoke("attic");
        let taken = handle.wishes().take();
        assert_eq!(taken.len(), WISHES + 1);
        assert_eq!(taken.get(&name("attic")), Some(&Wish::Revoked));
    }
}
