//! A Peerage server, asked for the STUN and TURN servers that it names.

use std::time::Duration;

use peerage::IceServer;
use peerage_signal::client::event::RoomEvent;
use peerage_signal::client::options::{Intent, RoomOptions};
use peerage_signal::client::room::Room;
use peerage_signal::code::Code;
use peerage_signal::link::ServerAddress;
use peerage_signal::plain::Role;
use tokio::time::timeout;

use crate::args::servers::ServersArgs;
use crate::connect::refused;
use crate::ending::{Ending, Kind, Outcome};
use crate::meet::rng;

/// How long the server may take to name its relay, once it has somebody to relay for.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long entering a room may take.
const ENTER: Duration = Duration::from_secs(5);

/// Two seats in a room of our own, as long as the credentials are needed: they end with the meeting.
pub struct Visit {
    /// What the server named.
    pub ice_servers: Vec<IceServer>,
    rooms: [Room; 2],
}

impl Visit {
    /// Enters a new room twice, since a server gives credentials for its relay only to two who have met.
    pub async fn pay(server: ServerAddress, args: &ServersArgs) -> Outcome<Self> {
        let mut rng = rng()?;
        let code = Code::generate(&mut rng);
        let access_token = args.access.token().map_err(|message| Ending::new(Kind::Usage, message))?;
        let enter = |intent, label: &str| {
            let mut options = RoomOptions::new(server.clone(), code.clone(), intent, Role::Other, rng.split(label));
            options.tls.fingerprint = args.server_fingerprint;
            options.connect_timeout = ENTER;
            options.access_token = access_token.clone().filter(|_| intent == Intent::Open);
            Room::connect(options)
        };
        let mut first = enter(Intent::Open, "first").await.map_err(|error| refused(&error))?;
        let second = enter(Intent::Join, "second").await.map_err(|error| refused(&error))?;
        let mut ice_servers = Vec::new();
        let _ = timeout(PATIENCE, listen(&mut first, &mut ice_servers)).await;
        Ok(Self { ice_servers, rooms: [first, second] })
    }

    /// Leaves.
    pub async fn end(self) {
        let [first, second] = self.rooms;
        tokio::join!(first.leave(), second.leave());
    }
}

/// Waits until the relay is named, keeping what is named before.
async fn listen(room: &mut Room, named: &mut Vec<IceServer>) {
    while let Some(event) = room.next_event().await {
        let (ice_servers, all) = match event {
            RoomEvent::Joined { ice_servers, .. } => (ice_servers, false),
            RoomEvent::IceServers { ice_servers, .. } => (ice_servers, true),
            _ => continue,
        };
        *named = ice_servers.into_iter().map(server).collect();
        if all {
            return;
        }
    }
}

fn server(server: peerage_signal::message::IceServer) -> IceServer {
    IceServer {
        urls: server.urls,
        username: server.username.unwrap_or_default(),
        credential: server.credential.unwrap_or_default(),
    }
}
