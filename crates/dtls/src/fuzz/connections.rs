//! Connections as their owner sees them, and what a network or a stranger can do to them.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use std::sync::OnceLock;

use peerage_base::reader::Reader;
use peerage_base::rng::Rng;
use peerage_base::slot::Slot;
use peerage_base::time::{Duration, Instant, earliest};

use super::keys::FIXED;
use crate::certificate::Certificate;
use crate::config::{Config, Role, Versions};
use crate::connection::{Dtls, MAX_PLAINTEXT};
use crate::event::Event;
use crate::fingerprint::HashAlgorithm;
use crate::suite::Group;
use crate::wire::datagram::Records;

pub(super) const MTU: usize = 1200;
/// Datagrams that one side may send without any input in between.
pub(super) const MAX_BURST: usize = 1_000;
/// The one thing that either side ever says.
pub(super) const SECRET: &[u8] = b"only the peer says this";
/// Steps that a sequence has at most, and that what follows it may take.
const OPS: usize = 128;
const MAX_REST: usize = 1_000;

/// One datagram at a connection that has just begun, of either role.
pub(super) fn datagram(data: &[u8]) {
    let mut copy = data.to_vec();
    assert!(Records::new(&mut copy).map(|record| record.bytes.len()).sum::<usize>() <= data.len());
    for side in [0, 1] {
        let mut pair = Pair::new(0);
        pair.drain();
        pair.hand(side, data.to_vec());
        pair.drain();
        assert!(pair.sides[side].received.is_empty(), "a stranger was heard");
    }
}

/// The first byte chooses how the two are configured, the others what happens.
pub(super) fn run(data: &[u8]) -> Pair {
    let mut input = Reader::new(data);
    let mut pair = Pair::new(input.u8().unwrap_or(0));
    pair.drain();
    for _ in 0..OPS {
        let Some(op) = input.u8() else { break };
        if pair.step(op, &mut input).is_none() {
            break;
        }
        pair.drain();
    }
    if pair.is_untouched {
        pair.finish();
    }
    pair
}

pub(super) struct Side {
    dtls: Dtls,
    received: Vec<Vec<u8>>,
}

/// Two sides and the datagrams between.
pub(super) struct Pair {
    begun: Instant,
    now: Instant,
    sides: [Side; 2],
    wire: [VecDeque<Vec<u8>>; 2],
    /// Nobody but the two sides made a datagram, and neither closed.
    is_untouched: bool,
}

/// Of both sides.
pub(super) fn certificates() -> &'static [Arc<Certificate>; 2] {
    static MADE: OnceLock<[Arc<Certificate>; 2]> = OnceLock::new();
    let make = |seed| {
        let made = Certificate::generate_with(FIXED, &mut Rng::from_u64(seed), 1_790_000_000);
        Arc::new(made.expect("a certificate can be made"))
    };
    MADE.get_or_init(|| [make(1), make(2)])
}

/// One side's configuration. Of `choice`: which versions, whether the server sends a cookie, and which groups, among them
/// some that take a HelloRetryRequest to agree on.
pub(super) fn config(role: Role, choice: u8) -> Config {
    let (own, peer) = if role == Role::Client { (0, 1) } else { (1, 0) };
    let mut config = Config::new(certificates()[own].clone(), role);
    config.expected = vec![certificates()[peer].fingerprint(HashAlgorithm::Sha256)];
    config.keys = FIXED;
    config.versions = match choice % 3 {
        0 => Versions::Any,
        1 => Versions::Dtls12,
        _ => Versions::Dtls13,
    };
    let choice = choice / 3;
    config.cookie = choice & 1 != 0;
    config.groups = match (choice >> 1 & 3, role) {
        (0, _) => Group::ALL.to_vec(),
        (1, Role::Client) => vec![Group::X25519, Group::SECP384R1, Group::SECP256R1],
        (1, Role::Server) => vec![Group::SECP256R1],
        (2, _) => vec![Group::SECP256R1],
        (_, _) => vec![Group::X25519],
    };
    config
}

impl Pair {
    fn new(choice: u8) -> Self {
        let now = Instant::from_millis(1);
        let side = |role| {
            let mut config = config(role, choice);
            if choice & 0x80 != 0 && role == Role::Server {
                config.expected.clear();
            }
            Side { dtls: Dtls::new(config, Rng::from_u64(role as u64), now), received: Vec::new() }
        };
        let sides = [side(Role::Client), side(Role::Server)];
        Self { begun: now, now, sides, wire: [VecDeque::new(), VecDeque::new()], is_untouched: true }
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
                self.is_untouched = false;
                let datagram = self.wire[side].front_mut()?;
                let at = at % datagram.len().max(1);
                match datagram.get_mut(at) {
                    Some(byte) if value != 0 => *byte ^= value,
                    _ => datagram.truncate(at),
                }
            }
            12 => {
                let len = usize::from(input.u8()?).min(input.len());
                self.is_untouched = false;
                let forged = input.bytes(len)?.to_vec();
                self.hand(side, forged);
            }
            13..=14 => self.say(side),
            _ => self.order(side, input)?,
        }
        Some(())
    }

    /// What an owner asks for.
    fn order(&mut self, side: usize, input: &mut Reader<'_>) -> Option<()> {
        let now = self.now;
        let dtls = &mut self.sides[side].dtls;
        match input.u8()? % 8 {
            0 => {
                self.is_untouched = false;
                dtls.close(now);
            }
            1 => dtls.hold(now, true),
            2 => dtls.hold(now, false),
            3 => self.carry(side),
            4 => dtls.set_mtu(usize::from(input.u16()?)),
            5 => dtls.set_rtt(Some(Duration::from_millis(u64::from(input.u8()?)))),
            6 => dtls.update_keys(),
            _ => self.expect(side),
        }
        Some(())
    }

    fn expect(&mut self, side: usize) {
        let fingerprint = certificates()[1 - side].fingerprint(HashAlgorithm::Sha256);
        let Side { dtls, received } = &mut self.sides[side];
        dtls.set_expected(self.now, vec![fingerprint]);
        take(dtls, &mut [], received);
    }

    /// Something else brings the flight over, as checks of ICE do.
    fn carry(&mut self, side: usize) {
        let packets: Vec<_> = self.sides[side].dtls.flight().map(<[u8]>::to_vec).collect();
        assert!(packets.len() < MAX_BURST, "a flight without end");
        for packet in packets {
            self.hand(1 - side, packet);
        }
    }

    fn say(&mut self, side: usize) {
        let dtls = &mut self.sides[side].dtls;
        let connected = dtls.is_connected();
        let sealed = seal(dtls);
        assert!(connected || sealed.is_none(), "sealed before the peer was verified");
        self.wire[side].extend(sealed);
    }

    fn hand(&mut self, side: usize, mut datagram: Vec<u8>) {
        let Side { dtls, received } = &mut self.sides[side];
        hear(dtls, self.now, &mut datagram, received);
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
        for (Side { dtls, .. }, wire) in self.sides.iter_mut().zip(&mut self.wire) {
            drain(dtls, self.now, wire);
        }
    }

    /// Over a link that loses nothing more, they find each other unless it is too late, and then there is peace.
    fn finish(&mut self) {
        for side in [0, 1] {
            self.expect(side);
            self.sides[side].dtls.hold(self.now, false);
        }
        self.rest();
        let is_late = self.now >= self.begun + Duration::from_secs(30);
        let connected = self.sides.each_ref().map(|side| side.dtls.is_connected());
        if connected == [true; 2] {
            let heard = self.sides.each_ref().map(|side| side.received.len());
            for side in [0, 1] {
                self.say(side);
            }
            self.rest();
            assert_eq!(self.sides.each_ref().map(|side| side.received.len()), heard.map(|count| count + 1));
            let exported = self.sides.each_ref().map(|side| {
                let mut out = [0; 32];
                side.dtls.export("EXPERIMENTAL", None, &mut out).expect("the connection is up");
                out
            });
            assert_eq!(exported[0], exported[1]);
        } else {
            assert!(is_late, "they did not find each other: {connected:?}");
        }
    }

    /// Delivers and waits until nothing is left to do.
    fn rest(&mut self) {
        for _ in 0..MAX_REST {
            self.drain();
            for side in [0, 1] {
                for datagram in core::mem::take(&mut self.wire[side]) {
                    self.hand(1 - side, datagram);
                }
            }
            self.drain();
            if self.wire.iter().all(VecDeque::is_empty) {
                let deadline = earliest(self.sides[0].dtls.poll_timeout(), self.sides[1].dtls.poll_timeout());
                let Some(deadline) = deadline else { return };
                assert!(deadline >= self.now, "a deadline in the past");
                self.now = deadline;
                self.time_out();
            }
        }
        panic!("no end of it");
    }
}

/// A datagram with the one thing that is ever said, if the connection takes it.
pub(super) fn seal(dtls: &mut Dtls) -> Option<Vec<u8>> {
    let overhead = dtls.overhead();
    let mut buf = vec![0; overhead.head + SECRET.len() + overhead.tail];
    let mut slot = Slot::new(&mut buf, overhead.head, overhead.tail, SECRET.len());
    slot.room().copy_from_slice(SECRET);
    slot.fill(SECRET.len());
    dtls.seal(&mut slot).ok().map(|()| slot.packet().to_vec())
}

/// Hands a datagram over and takes out what it brought.
pub(super) fn hear(dtls: &mut Dtls, now: Instant, datagram: &mut [u8], received: &mut Vec<Vec<u8>>) {
    dtls.handle_datagram(now, datagram);
    take(dtls, datagram, received);
}

fn take(dtls: &mut Dtls, datagram: &mut [u8], received: &mut Vec<Vec<u8>>) {
    while let Some(data) = dtls.poll_data(datagram) {
        assert!(data.len() <= MAX_PLAINTEXT);
        received.push(data.to_vec());
    }
    assert!(received.iter().all(|data| data == SECRET), "something was heard that nobody said");
}

/// Takes out what wants to leave, and the events.
pub(super) fn drain(dtls: &mut Dtls, now: Instant, wire: &mut VecDeque<Vec<u8>>) {
    let mut buf = [0; MTU];
    for burst in 0.. {
        assert!(burst < MAX_BURST, "a side sends without end");
        let mut slot = Slot::new(&mut buf, 0, 0, MTU);
        if !dtls.poll_transmit(now, &mut slot) {
            break;
        }
        wire.push_back(slot.packet().to_vec());
    }
    while let Some(event) = dtls.poll_event() {
        assert!(!matches!(event, Event::Connected(_)) || dtls.peer_certificate().is_some());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_reach_application_data() {
        for seed in
            [&include_bytes!("../../corpus/connections/any")[..], include_bytes!("../../corpus/connections/v12")]
        {
            assert!(run(seed).sides.iter().all(|side| !side.received.is_empty()));
        }
    }

    #[test]
    fn every_configuration_connects() {
        for choice in 0..24 {
            let pair = run(&[choice]);
            assert!(pair.sides.iter().all(|side| side.dtls.is_connected()), "{choice}");
        }
    }

    #[test]
    fn datagrams() {
        peerage_testkit::replay::replay(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures"), datagram);
    }

    #[test]
    fn replay() {
        let run = |data: &[u8]| drop(run(data));
        peerage_testkit::replay::replay(concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/connections"), run);
    }
}
