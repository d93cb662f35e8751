//! Bodies of fuzz targets.

use alloc::collections::{BTreeSet, VecDeque};
use alloc::string::ToString as _;
use alloc::vec;
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
use crate::attachment::{Attachments, MAX_UNPROVEN, Packet as AttachedPacket};
use crate::candidate::{Candidate, TcpType};
use crate::config::{Config, Policy, Role};
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
    // The last byte of an input may say what kinds of agents there are.
    let mut world = World::new(match data.last() {
        Some(0xF1) => [false, true],
        Some(0xF2) => [true, true],
        _ => [false, false],
    });
    let mut input = Reader::new(data);
    world.drain();
    for _ in 0..256 {
        let Some(op) = input.u8() else { break };
        // What cannot be done in this state, as to deliver what was not sent, is left out.
        let _ = world.step(op, &mut input);
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
    /// Connections that were asked for, and those that are there.
    asked: Vec<Path>,
    open: BTreeSet<Path>,
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
    fn new(lite: [bool; 2]) -> Self {
        let now = Instant::from_millis(1);
        let end = |side: usize, role| {
            let config = Config { lite: lite[side], ..Config::default() };
            let mut agent = Agent::new(config, role, Rng::from_u64(side as u64), now);
            agent.add_local(now, LocalId(0), address(side, 0), LocalKind::Host, u16::MAX);
            agent.set_remote_lite(lite[1 - side]);
            End {
                agent,
                needs: Vec::new(),
                asked: Vec::new(),
                open: BTreeSet::new(),
                signalled: VecDeque::new(),
                connected: false,
            }
        };
        let mut ends = [end(0, Role::Controlling), end(1, Role::Controlled)];
        for side in 0..2 {
            let credentials = ends[1 - side].agent.local_credentials().clone();
            ends[side].agent.set_remote_credentials(now, credentials).expect("our own credentials are well formed");
        }
        Self { now, ends, wire: [VecDeque::new(), VecDeque::new()] }
    }

    /// One thing that happens; `None` if it cannot.
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
            23 => path(own, now, side, input)?,
            24 => self.inject(side, input)?,
            25 => self.change(side, input)?,
            26 => agent.set_remote_lite(input.u8()? & 1 == 0),
            27 if input.u8()? == 0 => agent.close(now),
            28 => more(agent, now, side, input)?,
            29 => self.connect(side, input)?,
            30 => attach(agent, input)?,
            _ => {}
        }
        Some(())
    }

    /// A connection that was asked for comes about or not, one of the peer's arrives, or one breaks.
    fn connect(&mut self, side: usize, input: &mut Reader<'_>) -> Option<()> {
        let (kind, choice) = (input.u8()?, usize::from(input.u8()?));
        let (now, own) = (self.now, &mut self.ends[side]);
        let (path, change) = match kind & 3 {
            0 | 1 => (own.asked.pop()?, if kind & 1 == 0 { PathChange::Up } else { PathChange::Down }),
            2 => {
                let path = Path { local: LocalId(u32::from(kind >> 2)), remote: address(1 - side, choice as u32) };
                if !own.agent.local(path.local)?.is_tcp() {
                    return None;
                }
                own.open.insert(path);
                (path, PathChange::Up)
            }
            _ => (*own.open.iter().nth(choice % own.open.len().max(1))?, PathChange::Down),
        };
        if change == PathChange::Down {
            own.open.remove(&path);
            own.asked.retain(|asked| *asked != path);
        }
        own.agent.handle_path(now, path.local, Some(path.remote), change);
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
                Event::Need(_, Need::Connect(path)) => {
                    assert!(self.open.insert(path), "a connection is asked for that is there");
                    self.asked.push(path);
                }
                Event::Disconnect(path) => {
                    self.open.remove(&path);
                    self.asked.retain(|asked| *asked != path);
                }
                _ => {}
            }
        }
        assert!(self.agent.current.unproven <= MAX_UNPROVEN, "an amplifier");
        if let Some(selected) = self.agent.selected() {
            assert!(self.agent.is_valid_path(selected.path), "the selected path is none");
        }
    }
}

fn hand(agent: &mut Agent, now: Instant, local: LocalId, remote: SocketAddr, payload: &mut [u8]) {
    let path = Path { local, remote };
    agent.handle_datagram(now, Datagram { path, ecn: Ecn::NotEct, received_at: now, payload });
}

fn path(own: &mut End, now: Instant, side: usize, input: &mut Reader<'_>) -> Option<()> {
    let (id, kind) = (LocalId(u32::from(input.u8()?)), input.u8()?);
    let change = match kind & 3 {
        0 => PathChange::Up,
        1 => PathChange::Down,
        2 => PathChange::TooBig(usize::from(kind)),
        _ => PathChange::Writable(usize::from(kind)),
    };
    let remote = (kind & 4 == 0).then(|| address(1 - side, 0));
    if let Some(remote) = remote.filter(|_| change == PathChange::Down) {
        own.open.remove(&Path { local: id, remote });
    }
    own.agent.handle_path(now, id, remote, change);
    Some(())
}

/// The rarer commands.
fn more(agent: &mut Agent, now: Instant, side: usize, input: &mut Reader<'_>) -> Option<()> {
    let (op, value) = (input.u8()?, input.u8()?);
    let local = u32::from(value);
    match op & 7 {
        0 => {
            let tcp_type = [TcpType::Active, TcpType::Passive, TcpType::SimultaneousOpen][usize::from(value % 3)];
            agent.add_local(now, LocalId(local), address(side, local), LocalKind::Tcp(tcp_type), 9);
        }
        1 => agent.add_mapped(now, LocalId(local), address(side, u32::from(input.u8()?))),
        2 => agent.remove_mapped(now, LocalId(local), address(side, u32::from(input.u8()?))),
        3 => agent.set_policy(if value & 1 == 0 { Policy::All } else { Policy::Relay }),
        4 => agent.set_remote_renomination(value & 1 == 0),
        5 => agent.set_remote_pacing(Duration::from_millis(u64::from(value) * 4)),
        6 => agent.hasten(now),
        _ => {
            let report = agent.report();
            assert!(report.checks_answered <= report.checks_sent);
        }
    }
    Some(())
}

/// What checks carry changes.
fn attach(agent: &mut Agent, input: &mut Reader<'_>) -> Option<()> {
    let (how, first) = (input.u8()?, u32::from(input.u8()?));
    let packet = |tag: u32| AttachedPacket { tag, bytes: vec![22; (tag as usize * 37) % 1000] };
    let attachments = Attachments {
        acks: (0..u32::from(how & 7)).collect(),
        packets: (first..first + u32::from(how >> 3 & 7)).map(packet).collect(),
        unfinished: how & 0x40 == 0,
    };
    agent.attach((how & 0x80 == 0).then_some(attachments));
    Some(())
}

fn relayed(input: &mut Reader<'_>) -> Option<LocalKind> {
    let server = u32::from(input.u8()?);
    Some(LocalKind::Relay { mapped: address(0, server), server: address(2, server), protocol: RelayProtocol::Udp })
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;
    use peerage_base::rng::Rng;

    #[test]
    fn seeds_reach_a_connection() {
        for seed in [&include_bytes!("../corpus/agents/connect")[..], include_bytes!("../corpus/agents/restart")] {
            assert!(super::run(seed).ends.iter().all(|end| end.connected));
        }
    }

    /// How many bytes the operation reads, for most.
    fn arguments(op: u8) -> usize {
        match op {
            10 | 23 | 25 | 28 | 29 | 30 => 2,
            11 | 24 => 3,
            12 | 14 | 20 | 21 | 22 | 26 | 27 => 1,
            _ => 0,
        }
    }

    #[test]
    fn any_sequence_is_survived() {
        let mut rng = Rng::from_u64(7);
        let (mut connected, mut connections) = (0, 0);
        for round in 0..150 {
            let mut input: Vec<u8> = Vec::new();
            for _ in 0..250 {
                // What makes connections, more often than chance would have it; arguments are small numbers mostly.
                let usual = [0, 0, 0, 0, 8, 8, 11, 13, 13, 18, 28, 28, 29, 29, 30];
                let op = if rng.below(8) > 0 { usual[rng.below(15) as usize] } else { rng.below(31) as u8 };
                input.push(op | (rng.below(2) as u8) << 7);
                for _ in 0..arguments(op) {
                    let most = if rng.below(4) > 0 { 4 } else { 256 };
                    input.push(rng.below(most) as u8);
                }
            }
            input.push([0, 0xF1, 0xF2][round % 3]);
            let world = super::run(&input);
            connected += world.ends.iter().filter(|end| end.connected).count();
            connections += world.ends.iter().map(|end| end.agent.report().connects).sum::<u64>();
        }
        assert!(
            connected > 50 && connections > 10,
            "{connected} agents connected, {connections} connections were asked for"
        );
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
