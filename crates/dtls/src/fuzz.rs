//! Bodies of fuzz targets. Keys come from the system, so that two runs of one input differ in their bytes.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use std::sync::OnceLock;

use peerage_base::reader::Reader;
use peerage_base::rng::Rng;
use peerage_base::slot::Slot;
use peerage_base::time::{Duration, Instant, earliest};

use crate::certificate::Certificate;
use crate::config::{Config, Role, Versions};
use crate::connection::{Dtls, MAX_PLAINTEXT};
use crate::event::Event;
use crate::fingerprint::HashAlgorithm;
use crate::wire::datagram::Records;

const MTU: usize = 1200;
/// Datagrams that one side may send without any input in between.
const MAX_BURST: usize = 1_000;
/// The one thing that either side ever says.
const SECRET: &[u8] = b"only the peer says this";

/// One datagram at a connection that has just begun, of either role.
pub fn datagram(data: &[u8]) {
    let mut copy = data.to_vec();
    assert!(Records::new(&mut copy).map(|record| record.bytes.len()).sum::<usize>() <= data.len());
    for role in [Role::Client, Role::Server] {
        let mut pair = Pair::new(Versions::Any);
        let side = usize::from(role == Role::Server);
        pair.drain();
        pair.hand(side, data.to_vec());
        pair.drain();
        assert!(pair.sides[side].received.is_empty(), "a stranger was heard");
    }
}

/// Two sides: a sequence of deliveries, losses and changes, before and after they are connected.
pub fn connections(data: &[u8]) {
    run(data);
}

fn run(data: &[u8]) -> Pair {
    let mut input = Reader::new(data);
    let versions = match input.u8().unwrap_or(0) % 3 {
        0 => Versions::Any,
        1 => Versions::Dtls12,
        _ => Versions::Dtls13,
    };
    let mut pair = Pair::new(versions);
    pair.drain();
    for _ in 0..128 {
        let Some(op) = input.u8() else { break };
        if pair.step(op, &mut input).is_none() {
            break;
        }
        pair.drain();
    }
    pair
}

struct Side {
    dtls: Dtls,
    received: Vec<Vec<u8>>,
}

/// Two sides and the datagrams between.
struct Pair {
    now: Instant,
    sides: [Side; 2],
    wire: [VecDeque<Vec<u8>>; 2],
}

/// Of both sides; making them is what takes longest.
fn certificates() -> &'static [Arc<Certificate>; 2] {
    static MADE: OnceLock<[Arc<Certificate>; 2]> = OnceLock::new();
    let make = |seed| {
        let made = Certificate::generate(&mut Rng::from_u64(seed), 1_790_000_000);
        Arc::new(made.expect("a certificate can be made"))
    };
    MADE.get_or_init(|| [make(1), make(2)])
}

impl Pair {
    fn new(versions: Versions) -> Self {
        let now = Instant::from_millis(1);
        let side = |own: usize, role| {
            let certificates = certificates();
            let mut config = Config::new(certificates[own].clone(), role);
            config.expected = vec![certificates[1 - own].fingerprint(HashAlgorithm::Sha256)];
            config.versions = versions;
            Side { dtls: Dtls::new(config, Rng::from_u64(own as u64), now), received: Vec::new() }
        };
        let sides = [side(0, Role::Client), side(1, Role::Server)];
        Self { now, sides, wire: [VecDeque::new(), VecDeque::new()] }
    }

    /// One thing that happens; `None` when the input is at its end.
    fn step(&mut self, op: u8, input: &mut Reader<'_>) -> Option<()> {
        let side = usize::from(op >> 7);
        match op & 0x0F {
            0..=5 => {
                if let Some(datagram) = self.wire[side].pop_front() {
                    self.hand(1 - side, datagram);
                }
            }
            6 => drop(self.wire[side].pop_front()),
            7 => {
                let first = self.wire[side].front().cloned();
                self.wire[side].extend(first);
            }
            8 => {
                let first = self.wire[side].pop_front();
                self.wire[side].extend(first);
            }
            9 => {
                let deadline = earliest(self.sides[0].dtls.poll_timeout(), self.sides[1].dtls.poll_timeout());
                self.now = deadline.map_or(self.now, |deadline| deadline.max(self.now));
                self.time_out();
            }
            10 => {
                self.now += Duration::from_millis(u64::from(input.u16()?));
                self.time_out();
            }
            11 => {
                let (at, value) = (usize::from(input.u16()?), input.u8()?);
                let datagram = self.wire[side].front_mut()?;
                let at = at % datagram.len().max(1);
                match datagram.get_mut(at) {
                    Some(byte) if value != 0 => *byte ^= value,
                    _ => datagram.truncate(at),
                }
            }
            12 => {
                let len = usize::from(input.u8()?).min(input.len());
                let forged = input.bytes(len)?.to_vec();
                self.hand(side, forged);
            }
            13..=14 => self.say(side),
            _ if input.u8()? % 4 == 0 => self.sides[side].dtls.close(self.now),
            _ => {}
        }
        Some(())
    }

    fn say(&mut self, side: usize) {
        let dtls = &mut self.sides[side].dtls;
        let overhead = dtls.overhead();
        let mut buf = vec![0; overhead.head + SECRET.len() + overhead.tail];
        let mut slot = Slot::new(&mut buf, overhead.head, overhead.tail, SECRET.len());
        slot.room().copy_from_slice(SECRET);
        slot.fill(SECRET.len());
        let connected = dtls.is_connected();
        if dtls.seal(&mut slot).is_ok() {
            assert!(connected, "sealed before the peer was verified");
            self.wire[side].push_back(slot.packet().to_vec());
        }
    }

    fn hand(&mut self, side: usize, mut datagram: Vec<u8>) {
        let Side { dtls, received } = &mut self.sides[side];
        dtls.handle_datagram(self.now, &mut datagram);
        while let Some(data) = dtls.poll_data(&mut datagram) {
            assert!(data.len() <= MAX_PLAINTEXT);
            received.push(data.to_vec());
        }
        assert!(received.iter().all(|data| data == SECRET), "something was heard that nobody said");
    }

    fn time_out(&mut self) {
        for side in &mut self.sides {
            side.dtls.handle_timeout(self.now);
        }
        self.drain();
        for side in &self.sides {
            assert!(side.dtls.poll_timeout().is_none_or(|deadline| deadline > self.now), "a deadline stayed");
        }
    }

    fn drain(&mut self) {
        let mut buf = [0; MTU];
        for (Side { dtls, .. }, wire) in self.sides.iter_mut().zip(&mut self.wire) {
            for burst in 0.. {
                assert!(burst < MAX_BURST, "a side sends without end");
                let mut slot = Slot::new(&mut buf, 0, 0, MTU);
                if !dtls.poll_transmit(self.now, &mut slot) {
                    break;
                }
                wire.push_back(slot.packet().to_vec());
            }
            while let Some(event) = dtls.poll_event() {
                assert!(!matches!(event, Event::Connected(_)) || dtls.peer_certificate().is_some());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn seeds_reach_application_data() {
        for seed in [&include_bytes!("../corpus/connections/any")[..], include_bytes!("../corpus/connections/v12")] {
            assert!(super::run(seed).sides.iter().all(|side| !side.received.is_empty()));
        }
    }

    #[test]
    fn datagrams() {
        peerage_testkit::replay::replay(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures"), super::datagram);
    }

    #[test]
    fn sequences() {
        peerage_testkit::replay::replay(concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/connections"), super::connections);
    }
}
