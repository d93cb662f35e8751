//! Bodies of fuzz targets.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::SocketAddr;

use peerage_base::reader::Reader;
use peerage_base::rng::Rng;
use peerage_base::slot::Slot;
use peerage_base::time::{Duration, Instant};
use peerage_stun::attribute::Attribute;
use peerage_stun::attribute::error_code::ErrorCode;
use peerage_stun::header::Class;
use peerage_stun::message::Message;

use crate::client::Client;
use crate::client::config::{Config, Families};
use crate::client::double::{Age, Double, PASSWORD, USER, respond};
use crate::client::event::{Event, Received, Wrapped};

/// Packets that a client may send without any input in between.
const MAX_BURST: usize = 100;
/// Packets that the network holds; what is sent beyond is lost.
const MAX_WIRE: usize = 64;
/// Peers that the client is configured for.
const MAX_PEERS: usize = 8;

/// A client and a server: a sequence of calls, of losses, and of packets from the input.
pub fn client(data: &[u8]) {
    run(data);
}

fn run(data: &[u8]) -> World {
    let mut input = Reader::new(data);
    let mut world = World::new(input.u8().unwrap_or_default());
    world.drain();
    for _ in 0..512 {
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

struct World {
    now: Instant,
    client: Client,
    server: Double,
    to_server: VecDeque<Vec<u8>>,
    to_client: VecDeque<Vec<u8>>,
    /// Whether the client said that it is at its end.
    ended: bool,
    /// Relayed addresses that were announced and not released.
    relayed: Vec<SocketAddr>,
    delivered: u32,
}

fn peer(n: u8) -> SocketAddr {
    let port = 5000 + u16::from(n % 3);
    match n % 4 {
        3 => SocketAddr::from(([0x2001, 0xDB8, 0, 0, 0, 0, 0, u16::from(n)], port)),
        2 => SocketAddr::from(([0, 0, 0, 0, 0, 0xFFFF, 0xC000, 0x200 | u16::from(n)], port)),
        _ => SocketAddr::from(([192, 0, 2, n], port)),
    }
}

impl World {
    fn new(kind: u8) -> Self {
        let now = Instant::from_millis(1);
        let mut config = Config::new(USER, PASSWORD);
        config.max_peers = MAX_PEERS;
        config.reliable = kind & 1 != 0;
        config.families = [Families::V4, Families::V6, Families::Both, Families::Both][usize::from(kind >> 1 & 3)];
        let ages = [Age::Old, Age::New { userhash: false }, Age::New { userhash: true }, Age::Old];
        let mut server = Double::new(ages[usize::from(kind >> 3 & 3)]);
        server.open = kind & 0x20 != 0;
        if server.open {
            config.username.clear();
        }
        let client = Client::new(config, SocketAddr::from(([192, 0, 2, 1], 3478)), Rng::from_u64(1), now);
        let (to_server, to_client) = (VecDeque::new(), VecDeque::new());
        Self { now, client, server, to_server, to_client, ended: false, relayed: Vec::new(), delivered: 0 }
    }

    /// One thing that happens; `None` when the input is at its end.
    fn step(&mut self, op: u8, input: &mut Reader<'_>) -> Option<()> {
        match op & 0x1F {
            0..=3 => self.serve(),
            4..=7 => self.answer(),
            8 => drop(self.to_server.pop_front()),
            9 => drop(self.to_client.pop_front()),
            10 => {
                let again = self.to_client.front().cloned();
                self.to_client.extend(again);
            }
            11 | 12 => self.wait(),
            13 => {
                self.now += Duration::from_millis(u64::from(input.u16()?) * 16);
                self.time_out();
            }
            14 => self.client.permit(self.now, peer(input.u8()?)),
            15 => self.client.bind(self.now, peer(input.u8()?)),
            16 => self.client.forget(peer(input.u8()?)),
            17 | 18 => self.wrap(input.u8()?, usize::from(input.u8()?)),
            19 => self.server.nonce += 1,
            20 => {
                let (method, code) = (u16::from(input.u8()? % 10), 300 + u16::from(input.u8()?));
                self.server.errors.insert(method, code);
                self.server.alternates = [peer(code as u8)].into();
            }
            21 => self.server.errors.clear(),
            22 => drop(self.server.forbidden.insert(peer(input.u8()?).ip())),
            23 => self.server.sign_errors = input.u8()? & 1 == 0,
            24 => self.server.lifetime = u32::from(input.u8()?),
            25 => self.forge(input)?,
            26 => self.change(input)?,
            27 => {
                let len = usize::from(input.u8()?).min(input.len());
                let packet = input.bytes(len)?.to_vec();
                self.hand(packet);
            }
            28 => self.data(input.u8()?, input.u8()?),
            29 if input.u8()? < 8 => self.client.close(self.now),
            30 if input.u8()? < 8 => self.client.transport_down(self.now),
            _ => {}
        }
        Some(())
    }

    /// The server takes the next packet.
    fn serve(&mut self) {
        let Some(packet) = self.to_server.pop_front() else { return };
        self.to_client.extend(self.server.handle(&packet));
    }

    /// The client takes the next answer.
    fn answer(&mut self) {
        let Some(packet) = self.to_client.pop_front() else { return };
        self.hand(packet);
    }

    fn hand(&mut self, mut packet: Vec<u8>) {
        let Some(Received { peer, relayed, range }) = self.client.handle_datagram(self.now, &mut packet) else {
            return;
        };
        assert!(packet.get(range).is_some(), "data lies in its packet");
        assert!(self.client.is_permitted(self.now, peer), "data of a stranger");
        self.drain_events();
        assert!(self.relayed.contains(&relayed), "data at an address that is not there");
        self.delivered += 1;
    }

    /// The application sends.
    fn wrap(&mut self, to: u8, len: usize) {
        let to = peer(to);
        let (head, tail) = self.client.overhead(to);
        let mut buf = [0; 512];
        let mut slot = Slot::new(&mut buf, head, tail, len);
        slot.fill(len);
        if self.client.wrap(self.now, to, &mut slot) == Wrapped::Ready {
            assert!(self.client.is_permitted(self.now, to), "sent without permission");
            assert!(Message::parse(slot.packet()).is_ok() || crate::channel::parse(slot.packet()).is_some());
            let packet = slot.packet().to_vec();
            self.transmit(packet);
        }
    }

    /// An error response that anyone could make who saw the request.
    fn forge(&mut self, input: &mut Reader<'_>) -> Option<()> {
        let code = 300 + u16::from(input.u8()?);
        let nonce = alloc::format!("{}", input.u8()?);
        let realm = alloc::format!("{}", input.u8()? & 3);
        let Ok(request) = Message::parse(self.to_server.front()?) else { return Some(()) };
        let attributes = [
            Attribute::ErrorCode(ErrorCode { code, reason: "" }),
            Attribute::Nonce(&nonce),
            Attribute::Realm(&realm),
            Attribute::AlternateServer(peer(code as u8)),
        ];
        let forged = respond(&request, Class::Error, &attributes, None, Age::Old);
        let before = self.client.counters().garbage;
        self.hand(forged);
        assert!(self.client.counters().garbage <= before + 1);
        Some(())
    }

    /// An answer under way is changed.
    fn change(&mut self, input: &mut Reader<'_>) -> Option<()> {
        let (at, value) = (usize::from(input.u8()?), input.u8()?);
        let packet = self.to_client.front_mut()?;
        let place = at % packet.len().max(1);
        match value {
            0 => packet.truncate(place),
            _ => packet.get_mut(place).into_iter().for_each(|byte| *byte ^= value),
        }
        Some(())
    }

    /// Data of a peer by way of the server, permitted or not.
    fn data(&mut self, from: u8, number: u8) {
        let number = 0x4000 | u16::from(number % 8);
        let mut packet = number.to_be_bytes().to_vec();
        packet.extend([0, 3, from, from, from, 0]);
        self.hand(packet);
        let id = peerage_stun::header::TransactionId([from; 12]);
        let mut buf = [0; 128];
        let method = peerage_stun::header::Method::DATA;
        let mut writer = peerage_stun::write::Writer::new(&mut buf, Class::Indication, method, id);
        let (from, data) = (Attribute::XorPeerAddress(peer(from)), Attribute::Data(b"data"));
        let written = writer.attribute(&from).and_then(|writer| writer.attribute(&data));
        assert!(written.is_ok(), "it fits");
        let len = writer.finish();
        self.hand(buf.get(..len).unwrap_or_default().to_vec());
    }

    /// Lets time pass until the next deadline.
    fn wait(&mut self) {
        self.now = self.client.poll_timeout().map_or(self.now, |deadline| deadline.max(self.now));
        self.time_out();
    }

    fn time_out(&mut self) {
        self.client.handle_timeout(self.now);
        self.drain();
        let deadline = self.client.poll_timeout();
        assert!(deadline.is_none_or(|deadline| deadline > self.now), "a deadline stayed");
    }

    fn drain(&mut self) {
        let mut buf = [0; 1500];
        for burst in 0.. {
            assert!(burst < MAX_BURST, "a client sends without end");
            let mut slot = Slot::new(&mut buf, 0, 0, 1500);
            if !self.client.poll_transmit(self.now, &mut slot) {
                break;
            }
            assert!(!self.ended, "it sends after its end");
            let packet = slot.packet().to_vec();
            self.transmit(packet);
        }
        self.drain_events();
        if self.ended {
            assert_eq!(self.client.poll_timeout(), None);
        }
    }

    fn transmit(&mut self, packet: Vec<u8>) {
        if self.to_server.len() < MAX_WIRE && self.to_client.len() < MAX_WIRE {
            self.to_server.push_back(packet);
        }
    }

    fn drain_events(&mut self) {
        while let Some(event) = self.client.poll_event() {
            assert!(!self.ended, "an event after the last");
            match event {
                Event::Allocated { relayed, .. } => self.relayed.push(relayed),
                Event::Released { relayed } => {
                    let before = self.relayed.len();
                    self.relayed.retain(|known| *known != relayed);
                    assert_eq!(self.relayed.len() + 1, before, "released what was not there");
                }
                Event::Failed(_) | Event::Closed | Event::Redirect { .. } => {
                    assert!(self.relayed.is_empty(), "what was there was not released");
                    self.ended = true;
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn seeds_reach_data() {
        for seed in [&include_bytes!("../../corpus/client/data")[..], include_bytes!("../../corpus/client/stale")] {
            let world = super::run(seed);
            assert!(world.delivered > 1 && world.server.data.len() > 1);
        }
    }

    #[test]
    fn sequences() {
        peerage_testkit::replay::replay(concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/client"), super::client);
    }

    #[test]
    fn random_sequences_break_no_promise() {
        let mut rng = peerage_base::rng::Rng::from_u64(9);
        for _ in 0..300 {
            let mut input = [0; 400];
            rng.fill(&mut input);
            super::client(&input);
        }
    }
}
