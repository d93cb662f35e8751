//! Servers that tell addresses and relay, and Peerage servers that are asked which ones.

use std::time::Duration;

use peerage::IceServer;
use peerage_signal::client::event::RoomEvent;
use peerage_signal::client::options::{Intent, RoomOptions};
use peerage_signal::client::room::Room;
use peerage_signal::code::Code;
use peerage_signal::link::ServerAddress;
use peerage_signal::plain::Role;
use tokio::time::timeout;

use super::refused;
use crate::args::servers::ServersArgs;
use crate::ending::{Ending, Kind, Outcome};
use crate::meet::rng;

/// How long the server may take to name its relay, once it has somebody to relay for.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long entering a room may take.
const ENTER: Duration = Duration::from_secs(5);

/// What was named: ICE servers as they are, and those that Peerage servers name.
pub async fn servers(args: &ServersArgs) -> Outcome<(Vec<IceServer>, Vec<Visit>)> {
    let (mut servers, mut visits) = (Vec::new(), Vec::new());
    for url in args.server.iter().map(|url| url.trim()).filter(|url| !url.is_empty()) {
        let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
        match scheme.to_ascii_lowercase().as_str() {
            "stun" | "stuns" => servers.push(IceServer::new(url)),
            "turn" | "turns" => servers.push(IceServer {
                urls: vec![url.to_owned()],
                username: args.turn_user.clone().unwrap_or_default(),
                credential: args.turn_password.clone().unwrap_or_default(),
            }),
            _ => {
                let address = ServerAddress::parse(url).map_err(|error| {
                    let what = "name a server as stun:HOST, turn:HOST, turns:HOST or https://HOST";
                    Ending::new(Kind::Usage, format!("--server {url}: {error}; {what}"))
                })?;
                let visit = Visit::pay(address, args).await?;
                servers.extend_from_slice(&visit.ice_servers);
                visits.push(visit);
            }
        }
    }
    Ok((servers, visits))
}

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
        *named = ice_servers.into_iter().map(ice_server).collect();
        if all {
            return;
        }
    }
}

/// A server as signalling names it.
pub fn ice_server(server: peerage_signal::message::IceServer) -> IceServer {
    IceServer {
        urls: server.urls,
        username: server.username.unwrap_or_default(),
        credential: server.credential.unwrap_or_default(),
    }
}
