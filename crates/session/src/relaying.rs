//! What a session does with relays: their allocations are local ends of ICE like any other.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::SocketAddr;

use peerage_base::datagram::Datagram;
use peerage_base::framing::Framing;
use peerage_base::path::{LocalId, Path, PathChange};
use peerage_base::redact::Redacted;
use peerage_base::slot::Slot;
use peerage_base::time::{Duration, Instant, earliest};
use peerage_ice::local::LocalKind;
use peerage_turn::client::Client;
use peerage_turn::client::config::{Config as ClientConfig, Families};
use peerage_turn::client::event::{Event as ClientEvent, Failure};

use crate::config::Server;
use crate::event::{Connect, Event, Protocol};
use crate::relay::{Relay, RelayFailure, Stage, protocol};
use crate::session::Session;

/// Most relays of one connection, spare ones included.
const MAX_RELAYS: usize = 16;
/// How long a better transport to a server has before the next one is tried beside it: UDP before TCP before TLS.
const STAGGER: Duration = Duration::from_millis(300);
/// Most times that a server may send us on to another one.
const MAX_REDIRECTS: u8 = 5;
/// Most fresh transports for one that was lost.
const MAX_RECONNECTS: u8 = 3;
/// Rank of a relayed end among those of its kind: the transports to the server are told apart by ICE.
const PREFERENCE: u16 = u16::MAX;

impl Session {
    /// Begins with a server whose address is known.
    pub(crate) fn add_relay(&mut self, now: Instant, server: Server, address: SocketAddr) {
        let Some(protocol) = protocol(&server) else { return };
        let known = |relay: &Relay| relay.address == address && relay.protocol == protocol && relay.failure().is_none();
        if self.relays.len() >= MAX_RELAYS || self.relays.iter().any(known) {
            return;
        }
        let transport = self.gather.mint_local();
        self.relays.push(Relay {
            server,
            address,
            protocol,
            transport,
            since: now,
            stage: Stage::Waiting,
            redirects: 0,
            reconnects: 0,
            refused: None,
        });
        self.begin_relays(now);
    }

    /// When a relay that waits is to be tried; `None`: not while a better transport works.
    fn begins_at(&self, relay: &Relay) -> Option<Instant> {
        if !matches!(relay.stage, Stage::Waiting) {
            return None;
        }
        let mut hopeful = 0;
        for better in self.relays.iter().filter(|other| other.is_before(relay)) {
            if better.works() {
                return None;
            }
            hopeful += u32::from(better.failure().is_none());
        }
        Some(relay.since + STAGGER * hopeful)
    }

    /// Asks for the transports whose turn has come.
    fn begin_relays(&mut self, now: Instant) {
        for index in 0..self.relays.len() {
            if self.begins_at(&self.relays[index]).is_some_and(|at| at <= now) {
                self.connect_relay(index);
            }
        }
    }

    fn connect_relay(&mut self, index: usize) {
        let Some(relay) = self.relays.get_mut(index) else { return };
        relay.stage = Stage::Connecting;
        let (path, protocol, framing) = (relay.path(), relay.protocol.clone(), relay.framing());
        tracing::debug!(server = %Redacted(path.remote), ?protocol, "asking for a relay");
        self.events.push_back(Event::Connect(Connect { path, protocol, framing, from: None }));
    }

    /// Hears of the transport to a relay; false if the path is no such thing.
    pub(crate) fn relay_path(&mut self, now: Instant, path: Path, change: PathChange) -> bool {
        let Some(index) = self.relays.iter().position(|relay| relay.path() == path) else { return false };
        let relay = &mut self.relays[index];
        match (change, &mut relay.stage) {
            (PathChange::Up, Stage::Connecting) => {
                let mut config = ClientConfig::default();
                config.username = relay.server.username.clone();
                config.password = relay.server.credential.clone();
                config.reliable = relay.protocol != Protocol::Udp;
                // A relayed IPv4 address is what every peer can reach, if need be by a relay of its own.
                config.families = if relay.address.is_ipv6() { Families::Both } else { Families::V4 };
                let rng = self.rng.split("relay").split(&alloc::format!("{}", relay.transport));
                let client = Box::new(Client::new(config, relay.address, rng, now));
                relay.stage = Stage::Running { client, allocated: Vec::new() };
            }
            (PathChange::Down, Stage::Connecting) => self.fail_relay(now, index, RelayFailure::Unreachable),
            (PathChange::Down, Stage::Running { client, .. }) if relay.protocol != Protocol::Udp => {
                client.transport_down(now);
                // The client is at its end, which asks for a fresh connection while there are any left to try.
                self.after_relay(now, index);
            }
            // Anybody can make up an ICMP message; the server's silence says more.
            (PathChange::Down, Stage::Running { client, .. }) => {
                client.probe(now);
                self.after_relay(now, index);
            }
            _ => {}
        }
        true
    }

    /// Takes in what a relay sent; false if the path leads to none.
    pub(crate) fn handle_relayed(&mut self, now: Instant, datagram: &mut Datagram<'_>) -> bool {
        let Some(index) = self.relays.iter().position(|relay| relay.path() == datagram.path) else { return false };
        let Stage::Running { client, allocated } = &mut self.relays[index].stage else { return true };
        let received = client.handle_datagram(now, datagram.payload);
        let inner = received.and_then(|received| {
            let (local, ..) = allocated.iter().find(|(_, relayed, _)| *relayed == received.relayed)?;
            Some((Path { local: *local, remote: received.peer }, received.range))
        });
        let Some((path, range)) = inner else {
            self.after_relay(now, index);
            return true;
        };
        if let Some(payload) = datagram.payload.get_mut(range) {
            let (ecn, received_at) = (datagram.ecn, datagram.received_at);
            self.handle_unwrapped(now, Datagram { path, ecn, received_at, payload });
        }
        true
    }

    /// Lets time pass for relays.
    pub(crate) fn relays_timeout(&mut self, now: Instant) {
        for index in 0..self.relays.len() {
            if let Some(client) = self.relays[index].client_mut() {
                client.handle_timeout(now);
                self.after_relay(now, index);
            }
        }
        self.begin_relays(now);
    }

    /// When a relay has something to do.
    pub(crate) fn relays_deadline(&self) -> Option<Instant> {
        self.relays
            .iter()
            .map(|relay| relay.client().map_or_else(|| self.begins_at(relay), |client| client.poll_timeout()))
            .fold(None, earliest)
    }

    /// Writes the next request to a relay.
    pub(crate) fn write_relay_request(&mut self, now: Instant, buf: &mut [u8], max: usize) -> Option<(Path, usize)> {
        for relay in &mut self.relays {
            let (path, framing) = (relay.path(), relay.framing());
            let (head, tail) = framing.map_or((0, 0), Framing::overhead);
            let mut slot = Slot::new(buf, head, tail, max);
            if relay.client_mut().is_some_and(|client| client.poll_transmit(now, &mut slot)) {
                if let Some(framing) = framing {
                    framing.frame(&mut slot)?;
                }
                let range = slot.range();
                buf.copy_within(range.clone(), 0);
                return Some((path, range.len()));
            }
        }
        None
    }

    /// The peer has fallen silent, and the relay that it was heard over may be why.
    pub(crate) fn doubt_relays(&mut self, now: Instant) {
        for index in 0..self.relays.len() {
            if let Some(client) = self.relays[index].client_mut() {
                client.probe(now);
                self.after_relay(now, index);
            }
        }
    }

    /// The relay that has a local end.
    pub(crate) fn relay_of(&self, local: LocalId) -> Option<usize> {
        self.relays.iter().position(|relay| relay.has(local))
    }

    /// Data is going to take this path: over a relay it deserves a channel.
    pub(crate) fn prefer_channel(&mut self, now: Instant, path: Path) {
        if let Some(index) = self.relay_of(path.local)
            && let Some(client) = self.relays[index].client_mut()
        {
            client.bind(now, path.remote);
        }
    }

    /// Whether gathering waits for a relay.
    pub(crate) fn relays_pending(&self) -> bool {
        self.relays.iter().any(|relay| relay.is_trying() || self.begins_at(relay).is_some())
    }

    /// Tells every relay that it is not needed any more.
    pub(crate) fn close_relays(&mut self, now: Instant) {
        for relay in &mut self.relays {
            if let Some(client) = relay.client_mut() {
                client.close(now);
            }
        }
    }

    /// Takes over what a client has to say.
    pub(crate) fn after_relay(&mut self, now: Instant, index: usize) {
        loop {
            let Stage::Running { client, allocated } = &mut self.relays[index].stage else { return };
            let Some(event) = client.poll_event() else { break };
            match event {
                ClientEvent::Allocated { relayed, mapped } => {
                    let id = self.gather.mint_local();
                    allocated.push((id, relayed, mapped));
                    self.add_relayed(now, index, id, relayed, mapped);
                    self.servers_done(now);
                    self.after_ice(now);
                }
                ClientEvent::Released { relayed } => {
                    let lost: Vec<LocalId> =
                        allocated.extract_if(.., |(_, of, _)| *of == relayed).map(|(id, ..)| id).collect();
                    lost.into_iter().for_each(|id| self.ice.remove_local(now, id));
                    self.after_ice(now);
                }
                ClientEvent::Redirect { server, .. } => return self.redirect_relay(now, index, server),
                ClientEvent::Failed(failure) => {
                    return self.relay_failed(now, index, failure);
                }
                ClientEvent::PermissionRefused { peer, code, reason } => {
                    self.relays[index].refused = Some(code);
                    tracing::debug!(peer = %Redacted(peer), code, %reason, "the relay does not serve this peer");
                }
                _ => {}
            }
        }
    }

    /// Tells a new agent of what is allocated.
    pub(crate) fn relays_again(&mut self, now: Instant) {
        for index in 0..self.relays.len() {
            for (id, relayed, mapped) in self.relays[index].allocated().to_vec() {
                self.add_relayed(now, index, id, relayed, mapped);
            }
        }
    }

    fn add_relayed(&mut self, now: Instant, index: usize, id: LocalId, relayed: SocketAddr, mapped: SocketAddr) {
        let relay = &self.relays[index];
        let kind = LocalKind::Relay { mapped, server: relay.address, protocol: relay.protocol() };
        self.ice.add_local(now, id, relayed, kind, PREFERENCE);
    }

    fn redirect_relay(&mut self, now: Instant, index: usize, server: SocketAddr) {
        let transport = self.gather.mint_local();
        let relay = &mut self.relays[index];
        let leaps = server.ip().is_loopback() && !relay.address.ip().is_loopback();
        if relay.redirects >= MAX_REDIRECTS || leaps || server.is_ipv4() != relay.address.is_ipv4() {
            return self.fail_relay(now, index, RelayFailure::Redirects);
        }
        relay.redirects += 1;
        self.abandon_transport(now, index);
        let relay = &mut self.relays[index];
        (relay.address, relay.transport) = (server, transport);
        self.connect_relay(index);
    }

    /// The client is at its end: a fresh transport may help, or nothing does.
    fn relay_failed(&mut self, now: Instant, index: usize, failure: Failure) {
        let transport = self.gather.mint_local();
        let relay = &mut self.relays[index];
        if !failure.needs_new_transport() || relay.reconnects >= MAX_RECONNECTS {
            return self.fail_relay(now, index, RelayFailure::Refused(failure));
        }
        relay.reconnects += 1;
        self.abandon_transport(now, index);
        self.relays[index].transport = transport;
        self.connect_relay(index);
        self.after_ice(now);
    }

    fn fail_relay(&mut self, now: Instant, index: usize, failure: RelayFailure) {
        tracing::debug!(server = %Redacted(self.relays[index].address), %failure, "a relay is of no use");
        self.abandon_transport(now, index);
        self.relays[index].stage = Stage::Failed(failure);
        self.begin_relays(now);
        self.servers_done(now);
        self.after_ice(now);
    }

    /// Lets go of a relay's transport, and of what was allocated over it.
    fn abandon_transport(&mut self, now: Instant, index: usize) {
        let relay = &mut self.relays[index];
        self.events.push_back(Event::Disconnect(relay.path()));
        if let Stage::Running { allocated, .. } = core::mem::replace(&mut relay.stage, Stage::Waiting) {
            allocated.into_iter().for_each(|(id, ..)| self.ice.remove_local(now, id));
        }
    }

    /// A restart: relays that failed get another chance, with other servers or credentials where those were given.
    pub(crate) fn retry_relays(&mut self, now: Instant) {
        let failed: Vec<Relay> = self.relays.extract_if(.., |relay| relay.failure().is_some()).collect();
        if self.config.servers.is_empty() {
            for Relay { server, address, .. } in failed {
                self.add_relay(now, server, address);
            }
        } else {
            self.seek_servers(now);
        }
    }
}
