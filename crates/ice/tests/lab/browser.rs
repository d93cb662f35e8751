//! Chromium's checks, as far as they decide what a NAT lets through: one connection per remote candidate, one check per
//! 48 ms, connections that were never checked first, checks that answer one of the peer before them, dead ones dropped
//! after 15 s (libwebrtc, `BasicIceController`). It controls nothing and knows nothing of punching.

use std::collections::VecDeque;
use std::net::SocketAddr;

use peerage_base::datagram::{Datagram, Transmit};
use peerage_base::path::{LocalId, Path};
use peerage_base::rng::Rng;
use peerage_base::time::{Duration, Instant, earliest};
use peerage_ice::candidate::{Address, Candidate};
use peerage_ice::credentials::Credentials;
use peerage_ice::event::NeedId;
use peerage_stun::attribute::Attribute;
use peerage_stun::credentials::Key;
use peerage_stun::header::{Class, Method, TransactionId};
use peerage_stun::message::Message;
use peerage_stun::write::Writer;

use super::{HOST, Servers, Side, Sockets};

const WEAK: Duration = Duration::from_millis(48);
const STRONG: Duration = Duration::from_millis(480);
const DEAD: Duration = Duration::from_secs(15);
/// Checks of a connection before it is checked at the slow pace.
const MIN_PINGS: u32 = 3;

struct Connection {
    remote: SocketAddr,
    pings: u32,
    pinged_at: Option<Instant>,
    heard_at: Option<Instant>,
    writable: bool,
    made_at: Instant,
}

/// The peer.
pub struct Browser {
    pub credentials: Credentials,
    peer: Credentials,
    rng: Rng,
    servers: Servers,
    asked: Vec<(TransactionId, SocketAddr)>,
    reflexive: Vec<SocketAddr>,
    connections: Vec<Connection>,
    outgoing: VecDeque<(Path, Vec<u8>)>,
    outbox: Vec<String>,
    inbox: VecDeque<(Instant, String)>,
    next_ping: Instant,
    /// Checks of remote candidates that were never checked before.
    pub first_checks: u32,
}

impl Browser {
    pub fn new(seed: u64, servers: Servers, peer: Credentials) -> Self {
        let mut browser = Self {
            credentials: Credentials::new("brwz", "0123456789abcdefghijklmn").unwrap(),
            peer,
            rng: Rng::from_u64(seed).split("browser"),
            servers,
            asked: Vec::new(),
            reflexive: Vec::new(),
            connections: Vec::new(),
            outgoing: VecDeque::new(),
            outbox: Vec::new(),
            inbox: VecDeque::new(),
            next_ping: Instant::ORIGIN,
            first_checks: 0,
        };
        for server in servers.stun {
            let id = TransactionId::random(&mut browser.rng);
            let mut buf = [0; 100];
            let writer = Writer::new(&mut buf, Class::Request, Method::BINDING, id);
            let len = writer.finish();
            browser.asked.push((id, server));
            browser.outgoing.push_back((Path { local: HOST, remote: server }, buf[..len].to_vec()));
        }
        browser
    }

    fn connection(&mut self, now: Instant, remote: SocketAddr) -> &mut Connection {
        let index = self.connections.iter().position(|c| c.remote == remote).unwrap_or_else(|| {
            self.connections.push(Connection {
                remote,
                pings: 0,
                pinged_at: None,
                heard_at: None,
                writable: false,
                made_at: now,
            });
            self.connections.len() - 1
        });
        &mut self.connections[index]
    }

    /// The connection that is checked next: one the peer waits for, one that was never checked, the longest unchecked.
    fn next(&self) -> Option<usize> {
        let all = || self.connections.iter().enumerate();
        let triggered = all().find(|(_, c)| !c.writable && c.heard_at > c.pinged_at);
        let unpinged = all().find(|(_, c)| c.pings == 0);
        let oldest = all().min_by_key(|(_, c)| c.pinged_at);
        triggered.or(unpinged).or(oldest).map(|(index, _)| index)
    }

    fn ping(&mut self, now: Instant) {
        if now < self.next_ping {
            return;
        }
        self.connections.retain(|c| c.writable || now.since(c.heard_at.unwrap_or(c.made_at)) < DEAD);
        let weak = !self.connections.iter().any(|c| c.writable) || self.connections.iter().any(|c| c.pings < MIN_PINGS);
        self.next_ping = now + if weak { WEAK } else { STRONG };
        let Some(index) = self.next() else { return };
        let connection = &mut self.connections[index];
        self.first_checks += u32::from(connection.pings == 0);
        connection.pings += 1;
        connection.pinged_at = Some(now);
        let remote = connection.remote;
        let mut buf = [0; 200];
        let id = TransactionId::random(&mut self.rng);
        let mut writer = Writer::new(&mut buf, Class::Request, Method::BINDING, id);
        let username = format!("{}:{}", self.peer.ufrag, self.credentials.ufrag);
        writer.attribute(&Attribute::Username(&username)).unwrap();
        writer.attribute(&Attribute::IceControlled(1)).unwrap();
        writer.attribute(&Attribute::Priority(1_845_501_695)).unwrap();
        writer.integrity(&Key::short_term(&self.peer.pwd)).unwrap().fingerprint().unwrap();
        let len = writer.finish();
        self.outgoing.push_back((Path { local: HOST, remote }, buf[..len].to_vec()));
    }

    fn answer(&mut self, path: Path, id: TransactionId) {
        let mut buf = [0; 200];
        let mut writer = Writer::new(&mut buf, Class::Success, Method::BINDING, id);
        writer.attribute(&Attribute::XorMappedAddress(path.remote)).unwrap();
        writer.integrity(&Key::short_term(&self.credentials.pwd)).unwrap().fingerprint().unwrap();
        let len = writer.finish();
        self.outgoing.push_back((path, buf[..len].to_vec()));
    }

    fn reflexive(&mut self, mapped: SocketAddr) {
        if self.reflexive.contains(&mapped) {
            return;
        }
        self.reflexive.push(mapped);
        // Browsers hide the base.
        self.outbox.push(format!(
            "candidate:842163049 1 udp 1677729535 {} {} typ srflx raddr 0.0.0.0 rport 0 generation 0 ufrag {}",
            mapped.ip(),
            mapped.port(),
            self.credentials.ufrag
        ));
    }
}

impl super::Node for Browser {
    fn handle_datagram(&mut self, now: Instant, datagram: Datagram<'_>) {
        let path = datagram.path;
        let Ok(message) = Message::parse(datagram.payload) else { return };
        if path.local != HOST {
            return;
        }
        let id = message.transaction_id();
        if self.asked.contains(&(id, path.remote)) {
            self.reflexive(message.xor_mapped_address().unwrap());
        } else if message.class() == Class::Request {
            assert!(message.check_integrity(&Key::short_term(&self.credentials.pwd)).is_some());
            self.connection(now, path.remote).heard_at = Some(now);
            self.answer(path, id);
        } else if message.check_integrity(&Key::short_term(&self.peer.pwd)).is_some() {
            let connection = self.connection(now, path.remote);
            connection.heard_at = Some(now);
            connection.writable |= message.class() == Class::Success;
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        while self.inbox.front().is_some_and(|(at, _)| *at <= now) {
            let Some((_, line)) = self.inbox.pop_front() else { break };
            let candidate = Candidate::parse(&line).unwrap();
            let Address::Ip(remote) = candidate.address else { continue };
            self.connection(now, remote);
        }
        self.ping(now);
    }

    fn poll_transmit(&mut self, _: Instant, buf: &mut [u8]) -> Option<Transmit> {
        super::next(&mut self.outgoing, buf)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let ping = (!self.connections.is_empty()).then_some(self.next_ping);
        earliest(ping, self.inbox.front().map(|(at, _)| *at))
    }
}

impl Side for Browser {
    fn take_signals(&mut self) -> Vec<String> {
        std::mem::take(&mut self.outbox)
    }

    fn signal(&mut self, at: Instant, line: String) {
        self.inbox.push_back((at, line));
    }

    fn take_sockets(&mut self) -> Sockets {
        Sockets::default()
    }

    fn grant(&mut self, _: usize, _: &mut u16) -> Vec<(LocalId, SocketAddr)> {
        Vec::new()
    }

    fn opened(&mut self, _: Instant, _: NeedId, _: Vec<(LocalId, SocketAddr)>) {}
}
