//! Bodies of fuzz targets.

use alloc::collections::VecDeque;
use alloc::string::ToString as _;
use alloc::vec::Vec;
use core::net::SocketAddr;

use peerage_base::datagram::Datagram;
use peerage_base::ecn::Ecn;
use peerage_base::path::{LocalId, Path, PathChange};
use peerage_base::reader::Reader;
use peerage_base::rng::Rng;
use peerage_base::slot::Slot;
use peerage_base::time::{Duration, Instant, earliest};

use crate::agent::Agent;
use crate::candidate::Candidate;
use crate::config::{Config, Role};
use crate::credentials::Credentials;
use crate::event::{Event, Need, NeedId};
use crate::local::{LocalKind, RelayProtocol};

/// Packets that one agent may send without any input in between.
const MAX_BURST: usize = 2_000;
/// Packets that the network holds; what is sent beyond is lost.
const MAX_WIRE: usize = 256;

/// The text of a candidate: what was read is written, and what was written reads the same.
pub fn candidate(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else { return };
    let Ok(candidate) = Candidate::parse(text) else { return };
    let written = candidate.to_string();
    assert_eq!(Candidate::parse(&written).as_ref(), Ok(&candidate));
}

/// Two agents: a sequence of calls, of losses, and of packets from the input.
pub fn agents(data: &[u8]) {
    run(data);
}

fn run(data: &[u8]) -> World {
    let mut world = World::new();
    let mut input = Reader::new(data);
    world.drain();
    for _ in 0..256 {
        let Some(op) = input.u8() else { break };
        if world.step(op, &mut input).is_none() {
            break;
        }
        world.drain();
    }
    for _ in 0..16 {
        world.wait();
    }
    world
}

struct Packet {
    from: SocketAddr,
    to: SocketAddr,
    bytes: Vec<u8>,
}

/// One agent; the addresses of its local ends are a function of their number.
struct End {
    agent: Agent,
    needs: Vec<NeedId>,
    signalled: VecDeque<Candidate>,
    /// Whether there ever was a pair to send on.
    connected: bool,
}

struct World {
    now: Instant,
    ends: [End; 2],
    wire: [VecDeque<Packet>; 2],
}

fn address(side: usize, local: u32) -> SocketAddr {
    let (host, port) = (side as u8 + 1, 5000 + (local % 64) as u16);
    if local % 3 == 2 {
        SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::from(host)], port))
    } else {
        SocketAddr::from(([192, 0, 2, host], port))
    }
}

impl World {
    fn new() -> Self {
        let now = Instant::from_millis(1);
        let end = |side: usize, role| {
            let mut agent = Agent::new(Config::default(), role, Rng::from_u64(side as u64), now);
            agent.add_local(now, LocalId(0), address(side, 0), LocalKind::Host, u16::MAX);
            End { agent, needs: Vec::new(), signalled: VecDeque::new(), connected: false }
        };
        let mut ends = [end(0, Role::Controlling), end(1, Role::Controlled)];
        for side in 0..2 {
            let credentials = ends[1 - side].agent.local_credentials().clone();
            ends[side].agent.set_remote_credentials(now, credentials).expect("our own credentials are well formed");
        }
        Self { now, ends, wire: [VecDeque::new(), VecDeque::new()] }
    }

    /// One thing that happens; `None` when the input is at its end.
    fn step(&mut self, op: u8, input: &mut Reader<'_>) -> Option<()> {
        let (now, side) = (self.now, usize::from(op >> 7));
        let [own, other] = self.ends.get_disjoint_mut([side, 1 - side]).expect("there are two sides");
        let agent = &mut own.agent;
        match op & 0x1F {
            0..=5 => self.deliver(side),
            6 => drop(self.wire[side].pop_front()),
            7 => {
                let first = self.wire[side].pop_front();
                self.wire[side].extend(first);
            }
            8..=9 => self.wait(),
            10 => {
                self.now += Duration::from_millis(u64::from(input.u16()?));
                self.time_out();
            }
            11 => {
                let kind = if input.u8()? & 1 == 0 { LocalKind::Host } else { relayed(input)? };
                let local = u32::from(input.u8()?);
                agent.add_local(now, LocalId(local), address(side, local), kind, u16::from(input.u8()?));
            }
            12 => agent.remove_local(now, LocalId(u32::from(input.u8()?))),
            13 => {
                // Signalling is reliable, but may be late.
                let candidate = other.signalled.pop_front()?;
                let _ = agent.add_remote(now, candidate);
            }
            14 => {
                let len = usize::from(input.u8()?).min(input.len());
                let text = core::str::from_utf8(input.bytes(len)?).ok()?;
                let _ = agent.add_remote(now, Candidate::parse(text).ok()?);
            }
            15 => agent.end_of_remote_candidates(now),
            16 => agent.local_addresses_done(now),
            17 => agent.restart(now),
            18 => {
                let credentials = other.agent.local_credentials().clone();
                let _ = agent.set_remote_credentials(now, credentials);
            }
            19 => {
                let _ = agent.set_remote_credentials(now, Credentials::new("other", "0123456789abcdefghijkl").ok()?);
            }
            20 => agent.set_role(now, if input.u8()? & 1 == 0 { Role::Controlling } else { Role::Controlled }),
            21 => agent.add_stun_server(now, address(2, u32::from(input.u8()?))),
            22 => {
                let supplied = (input.u8()? & 1 == 0).then(|| address(1 - side, 0).ip());
                own.agent.supply(now, own.needs.pop()?, supplied);
            }
            23 => path(agent, now, side, input)?,
            24 => self.inject(side, input)?,
            25 => self.change(side, input)?,
            26 => agent.set_remote_lite(input.u8()? & 1 == 0),
            27 if input.u8()? == 0 => agent.close(now),
            _ => {}
        }
        Some(())
    }

    fn deliver(&mut self, side: usize) {
        let Some(mut packet) = self.wire[side].pop_front() else { return };
        let to = &mut self.ends[1 - side].agent;
        let Some(local) = (0..256).find(|local| address(1 - side, *local) == packet.to) else { return };
        hand(to, self.now, LocalId(local), packet.from, &mut packet.bytes);
    }

    /// Bytes of the input as a packet.
    fn inject(&mut self, side: usize, input: &mut Reader<'_>) -> Option<()> {
        let (local, from) = (u32::from(input.u8()?), u32::from(input.u8()?));
        let len = usize::from(input.u8()?).min(input.len());
        let mut bytes = input.bytes(len)?.to_vec();
        let from = address(1 + usize::from(from > 127), from);
        hand(&mut self.ends[side].agent, self.now, LocalId(local), from, &mut bytes);
        Some(())
    }

    /// A packet under way is changed, or comes from elsewhere.
    fn change(&mut self, side: usize, input: &mut Reader<'_>) -> Option<()> {
        let (at, value) = (usize::from(input.u8()?), input.u8()?);
        let packet = self.wire[side].front_mut()?;
        let place = at % packet.bytes.len().max(1);
        match value {
            0 => packet.from = address(side, at as u32),
            1 => packet.bytes.truncate(place),
            _ => packet.bytes.get_mut(place).into_iter().for_each(|byte| *byte ^= value),
        }
        Some(())
    }

    /// Lets time pass until the next deadline.
    fn wait(&mut self) {
        let deadline = earliest(self.ends[0].agent.poll_timeout(), self.ends[1].agent.poll_timeout());
        self.now = deadline.map_or(self.now, |deadline| deadline.max(self.now));
        self.time_out();
    }

    fn time_out(&mut self) {
        for end in &mut self.ends {
            end.agent.handle_timeout(self.now);
        }
        self.drain();
        for end in &self.ends {
            let deadline = end.agent.poll_timeout();
            assert!(deadline.is_none_or(|deadline| deadline > self.now), "a deadline stayed");
        }
    }

    fn drain(&mut self) {
        for (side, (end, wire)) in self.ends.iter_mut().zip(&mut self.wire).enumerate() {
            end.drain(self.now, side, wire);
        }
    }
}

impl End {
    fn drain(&mut self, now: Instant, side: usize, wire: &mut VecDeque<Packet>) {
        let mut buf = [0; 1500];
        for burst in 0.. {
            assert!(burst < MAX_BURST, "an agent sends without end");
            let mut slot = Slot::new(&mut buf, 0, 0, 1500);
            let Some(transmit) = self.agent.poll_transmit(now, &mut slot) else { break };
            let bytes = slot.packet().to_vec();
            assert_eq!(bytes.len(), transmit.len);
            if wire.len() < MAX_WIRE {
                wire.push_back(Packet { from: address(side, transmit.path.local.0), to: transmit.path.remote, bytes });
            }
        }
        while let Some(event) = self.agent.poll_event() {
            match event {
                Event::Selected(_) => self.connected = true,
                Event::LocalCandidate(candidate) => self.signalled.push_back(candidate),
                Event::Need(id, Need::Resolve(_)) => self.needs.push(id),
                _ => {}
            }
        }
        if let Some(selected) = self.agent.selected() {
            assert!(self.agent.is_valid_path(selected.path), "the selected path is none");
        }
    }
}

fn hand(agent: &mut Agent, now: Instant, local: LocalId, remote: SocketAddr, payload: &mut [u8]) {
    let path = Path { local, remote };
    agent.handle_datagram(now, Datagram { path, ecn: Ecn::NotEct, received_at: now, payload });
}

fn path(agent: &mut Agent, now: Instant, side: usize, input: &mut Reader<'_>) -> Option<()> {
    let (id, kind) = (LocalId(u32::from(input.u8()?)), input.u8()?);
    let change = match kind & 3 {
        0 => PathChange::Up,
        1 => PathChange::Down,
        2 => PathChange::TooBig(usize::from(kind)),
        _ => PathChange::Writable(usize::from(kind)),
    };
    agent.handle_path(now, id, (kind & 4 == 0).then(|| address(1 - side, 0)), change);
    Some(())
}

fn relayed(input: &mut Reader<'_>) -> Option<LocalKind> {
    let server = u32::from(input.u8()?);
    Some(LocalKind::Relay { mapped: address(0, server), server: address(2, server), protocol: RelayProtocol::Udp })
}

#[cfg(test)]
mod tests {
    #[test]
    fn seeds_reach_a_connection() {
        for seed in [&include_bytes!("../corpus/agents/connect")[..], include_bytes!("../corpus/agents/restart")] {
            assert!(super::run(seed).ends.iter().all(|end| end.connected));
        }
    }

    #[test]
    fn candidates() {
        peerage_testkit::replay::replay(concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/candidate"), super::candidate);
    }

    #[test]
    fn sequences() {
        peerage_testkit::replay::replay(concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/agents"), super::agents);
    }
}
