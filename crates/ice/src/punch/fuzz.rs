//! The body of a fuzz target: one agent that punches, and a world that answers as the input says.

use alloc::format;
use alloc::vec::Vec;
use core::net::SocketAddr;

use peerage_base::datagram::Datagram;
use peerage_base::ecn::Ecn;
use peerage_base::path::{LocalId, Path, PathChange};
use peerage_base::reader::Reader;
use peerage_base::rng::Rng;
use peerage_base::slot::Slot;
use peerage_base::time::{Duration, Instant};
use peerage_stun::attribute::Attribute;
use peerage_stun::attribute::error_code::ErrorCode;
use peerage_stun::credentials::Key;
use peerage_stun::header::{Class, Method, TransactionId};
use peerage_stun::message::Message;
use peerage_stun::write::Writer;

use crate::agent::Agent;
use crate::candidate::Candidate;
use crate::config::{Config, Role};
use crate::credentials::Credentials;
use crate::event::{Event, Need, NeedId};
use crate::local::LocalKind;

const PEER_PWD: &str = "0123456789abcdefghijklmn";
const PEER_UFRAG: &str = "peer";
const SERVERS: [&str; 2] = ["192.0.2.1:3478", "192.0.2.2:3478"];
/// Packets that may leave without any input in between.
const MAX_BURST: usize = 600;
/// Packets that wait for an answer.
const MAX_SENT: usize = 64;

/// One agent: a sequence of what its owner, its servers and its peer may do.
pub fn punching(data: &[u8]) {
    run(data);
}

fn run(data: &[u8]) -> World {
    let mut world = World::new();
    let mut input = Reader::new(data);
    world.drain();
    for _ in 0..512 {
        let Some(op) = input.u8() else { break };
        if world.step(op, &mut input).is_none() {
            break;
        }
        world.drain();
    }
    for _ in 0..64 {
        world.wait();
    }
    world
}

struct World {
    now: Instant,
    agent: Agent,
    needs: Vec<(NeedId, usize)>,
    open: Vec<LocalId>,
    next_socket: u32,
    sent: Vec<(Path, Vec<u8>)>,
    direct: bool,
}

fn parsed(text: &str) -> SocketAddr {
    text.parse().expect("a constant")
}

fn peer(port: u16) -> SocketAddr {
    SocketAddr::from(([198, 51, 100, 7], port.max(1)))
}

impl World {
    fn new() -> Self {
        let now = Instant::from_millis(1);
        let mut agent = Agent::new(Config::default(), Role::Controlling, Rng::from_u64(1), now);
        SERVERS.iter().for_each(|server| agent.add_stun_server(now, parsed(server)));
        agent.add_local(now, LocalId(0), parsed("10.0.0.2:5000"), LocalKind::Host, u16::MAX);
        let credentials = Credentials::new(PEER_UFRAG, PEER_PWD).expect("well formed");
        agent.set_remote_credentials(now, credentials).expect("well formed");
        let (needs, open, sent) = (Vec::new(), Vec::new(), Vec::new());
        Self { now, agent, needs, open, next_socket: 1, sent, direct: false }
    }

    /// One thing that happens; `None` when the input is at its end.
    fn step(&mut self, op: u8, input: &mut Reader<'_>) -> Option<()> {
        let now = self.now;
        match op & 0x0F {
            0..=2 => self.wait(),
            3 => {
                self.now += Duration::from_millis(u64::from(input.u16()?));
                self.time_out();
            }
            4 | 5 => self.answer(input)?,
            6 => self.request(input)?,
            7 => self.notice(op >> 4, input)?,
            8 => self.signal(&format!("{} {} typ srflx", peer(1).ip(), input.u16()?)),
            9 | 10 => self.grant(usize::from(input.u8()?)),
            11 => self.agent.set_remote_punch(op & 0x10 == 0),
            12 => {
                let change = if op & 0x10 == 0 { PathChange::Up } else { PathChange::Down };
                self.agent.handle_path(now, LocalId(0), None, change);
            }
            13 => self.agent.remove_local(now, LocalId(u32::from(input.u8()?))),
            14 if input.u8()? < 32 => {
                self.agent.restart(now);
                let credentials = Credentials::new(PEER_UFRAG, PEER_PWD).expect("well formed");
                let _ = self.agent.set_remote_credentials(now, credentials);
            }
            15 => self.agent.set_role(now, if op & 0x10 == 0 { Role::Controlling } else { Role::Controlled }),
            _ => {}
        }
        Some(())
    }

    fn signal(&mut self, what: &str) {
        let line = format!("candidate:1 1 udp 1694498815 {what}");
        if let Ok(candidate) = Candidate::parse(&line) {
            let _ = self.agent.add_remote(self.now, candidate);
        }
    }

    fn notice(&mut self, kind: u8, input: &mut Reader<'_>) -> Option<()> {
        let (port, round, step) = (input.u16()?, input.u8()?, input.u8()? as i8);
        let said = match kind & 3 {
            0 => format!("independent.{round}"),
            1 => format!("random.{round}"),
            2 => format!("unknown.{round}"),
            _ => format!("sequential.{round}.{step}"),
        };
        self.signal(&format!("{} {port} typ srflx punch {said}", peer(1).ip()));
        Some(())
    }

    /// Opens so many of the sockets that were asked for, or some of those that were not.
    fn grant(&mut self, count: usize) {
        let (need, wanted) = self.needs.pop().unwrap_or((NeedId(99), 1));
        for _ in 0..count.min(wanted + 1) {
            let id = LocalId(self.next_socket);
            self.next_socket += 1;
            self.open.push(id);
            let port = 6000 + (self.next_socket % 50_000) as u16;
            self.agent.add_probe(self.now, need, id, SocketAddr::from(([10, 0, 0, 2], port)));
        }
        self.agent.probes_done(self.now, need);
    }

    /// Answers one of the packets that were sent: as a server would, or as the peer.
    fn answer(&mut self, input: &mut Reader<'_>) -> Option<()> {
        let (which, port, kind) = (usize::from(input.u8()?), input.u16()?, input.u8()?);
        if self.sent.is_empty() {
            return Some(());
        }
        let (path, bytes) = self.sent.swap_remove(which % self.sent.len());
        let id = Message::parse(&bytes).ok()?.transaction_id();
        let mut buf = [0; 200];
        let class = if kind & 0x80 == 0 { Class::Success } else { Class::Error };
        let mut writer = Writer::new(&mut buf, class, Method::BINDING, id);
        let mapped = SocketAddr::from(([203, 0, 113, 1], port.max(1)));
        match class {
            Class::Error => writer.attribute(&Attribute::ErrorCode(ErrorCode::ROLE_CONFLICT)).ok()?,
            _ => writer.attribute(&Attribute::XorMappedAddress(mapped)).ok()?,
        };
        if !SERVERS.iter().any(|server| parsed(server) == path.remote) {
            writer.integrity(&Key::short_term(PEER_PWD)).ok()?.fingerprint().ok()?;
        }
        let len = writer.finish();
        let remote = if kind & 7 == 7 { peer(port) } else { path.remote };
        self.hand(Path { remote, ..path }, &mut buf[..len]);
        Some(())
    }

    /// An authentic check of the peer.
    fn request(&mut self, input: &mut Reader<'_>) -> Option<()> {
        let (local, port) = (u32::from(input.u8()?), input.u16()?);
        let local = match self.open.len() {
            0 => LocalId(local),
            open => self.open[local as usize % open],
        };
        let credentials = self.agent.local_credentials().clone();
        let mut buf = [0; 200];
        let id = TransactionId::random(&mut Rng::from_u64(u64::from(port)));
        let mut writer = Writer::new(&mut buf, Class::Request, Method::BINDING, id);
        writer.attribute(&Attribute::Username(&format!("{}:{PEER_UFRAG}", credentials.ufrag))).ok()?;
        writer.attribute(&Attribute::Priority(1_862_270_975)).ok()?;
        writer.attribute(&Attribute::IceControlled(5)).ok()?;
        writer.integrity(&Key::short_term(&credentials.pwd)).ok()?.fingerprint().ok()?;
        let len = writer.finish();
        self.hand(Path { local, remote: peer(port) }, &mut buf[..len]);
        Some(())
    }

    fn hand(&mut self, path: Path, payload: &mut [u8]) {
        let datagram = Datagram { path, ecn: Ecn::NotEct, received_at: self.now, payload };
        self.agent.handle_datagram(self.now, datagram);
    }

    fn wait(&mut self) {
        self.now = self.agent.poll_timeout().map_or(self.now, |deadline| deadline.max(self.now));
        self.time_out();
    }

    fn time_out(&mut self) {
        self.agent.handle_timeout(self.now);
        self.drain();
        assert!(self.agent.poll_timeout().is_none_or(|deadline| deadline > self.now), "a deadline stayed");
    }

    fn drain(&mut self) {
        let mut buf = [0; 1500];
        for burst in 0.. {
            assert!(burst < MAX_BURST, "the agent sends without end");
            self.take_events();
            let mut slot = Slot::new(&mut buf, 0, 0, 1200);
            let Some(transmit) = self.agent.poll_transmit(self.now, &mut slot) else { break };
            let path = transmit.path;
            if self.sent.len() == MAX_SENT {
                self.sent.remove(0);
            }
            self.sent.push((path, slot.packet().to_vec()));
            self.take_events();
            assert!(path.local == LocalId(0) || self.open.contains(&path.local), "a closed socket is sent from");
        }
        self.take_events();
        let (summary, limits) = (self.agent.punch_summary(), &self.agent.config.punch);
        assert!(summary.probes <= limits.probes && summary.guesses <= limits.guesses);
        assert!(summary.sockets <= limits.sockets + 16 && summary.sockets <= self.open.len());
    }

    fn take_events(&mut self) {
        while let Some(event) = self.agent.poll_event() {
            match event {
                Event::Need(id, Need::Probes { count, .. }) => self.needs.push((id, count)),
                Event::ReleaseLocal(id) => {
                    assert!(self.open.contains(&id), "a socket is given back twice");
                    self.open.retain(|open| *open != id);
                }
                Event::Selected(_) => self.direct = true,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The peer is known, servers answer, a notice comes, sockets are granted, and a check arrives at one of them.
    const CONNECT: &[u8] = include_bytes!("../../corpus/punch/connect");

    #[test]
    fn a_seed_reaches_the_sockets_and_a_connection() {
        let world = run(CONNECT);
        assert!(world.direct && world.agent.punch_summary().hits > 0, "{:?}", world.agent.punch_summary());
    }

    #[test]
    fn sequences() {
        peerage_testkit::replay::replay(concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/punch"), punching);
    }

    #[test]
    fn random_sequences() {
        let mut rng = Rng::from_u64(7);
        for _ in 0..150 {
            let mut input = CONNECT.to_vec();
            for _ in 0..rng.below(40) {
                let at = rng.below(input.len() as u64) as usize;
                match rng.below(3) {
                    0 => input[at] = rng.u32() as u8,
                    1 => input.insert(at, rng.u32() as u8),
                    _ => input.extend(rng.bytes::<4>()),
                }
            }
            punching(&input);
        }
    }
}
