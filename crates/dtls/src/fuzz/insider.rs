//! A peer that has the keys and does not keep to the protocol: every message in every state, under keys.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use std::sync::{Mutex, MutexGuard, PoisonError};

use peerage_base::reader::Reader;
use peerage_base::rng::Rng;
use peerage_base::slot::Slot;
use peerage_base::time::{Duration, Instant, earliest};

use super::connections::{self, MAX_BURST, MTU, certificates, drain, hear};
use crate::alert::{Alert, AlertDescription};
use crate::config::{Config, Role, Versions};
use crate::connection::Dtls;
use crate::handshake::Handshake;
use crate::handshake::context::Context;
use crate::handshake::failure::Failure;
use crate::handshake::outcome::Outcome;
use crate::handshake::peer::Peer;
use crate::message::kind::HandshakeType;
use crate::schedule::transcript::Transcript;
use crate::suite::Epoch;
use crate::transport::inbox::Inbox;
use crate::transport::{Expects, Input, Limits, Meddle, Message, Transport};

/// Messages that are meddled with in one run, and what happens besides.
const MAX_ACTS: usize = 4;
const OPS: usize = 64;
const MAX_REST: usize = 400;
/// Longest message that is made here, in bytes.
const MAX_BODY: usize = 20_000;

/// Who is the insider, how both are configured, what is done to which messages, and what else happens.
pub(super) fn run(data: &[u8]) -> Pair {
    let mut input = Reader::new(data);
    let (choice, acts) = (input.u8().unwrap_or(0), input.u8().unwrap_or(0));
    let acts = (0..acts % (MAX_ACTS as u8 + 1)).map_while(|_| Act::read(&mut input)).collect();
    let role = if choice & 0x80 != 0 { Role::Client } else { Role::Server };
    let mut pair = Pair::new(role, choice & 0x7F, acts);
    pair.exchange();
    for _ in 0..OPS {
        if pair.step(&mut input).is_none() {
            break;
        }
        pair.exchange();
    }
    pair.finish();
    pair
}

/// What is done to one message.
#[derive(Clone, Debug)]
struct Act {
    /// Which, of those that the insider sends.
    index: usize,
    /// Whether the insider's transcript has what it sent instead of what it should have.
    is_consistent: bool,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    /// Changes bytes in place.
    Overwrite(usize, Vec<u8>),
    /// Cuts bytes out and puts others in.
    Splice(usize, usize, Vec<u8>),
    Truncate(usize),
    Append(Vec<u8>),
    /// Lets it grow to many bytes.
    Swell(u16),
    Replace(Vec<u8>),
    Omit,
    Twice,
    /// Sends it behind the next.
    Swap,
    Rename(HandshakeType),
    /// Sends another in front.
    Insert(HandshakeType, Vec<u8>),
    /// Sends it under another epoch.
    Expose,
}

impl Act {
    fn read(input: &mut Reader<'_>) -> Option<Self> {
        let (index, kind) = (input.u8()?, input.u8()?);
        let what = match kind & 0x0F {
            0..=2 => What::Overwrite(usize::from(input.u16()?), bytes_of(input)?),
            3 | 4 => What::Splice(usize::from(input.u16()?), usize::from(input.u8()?), bytes_of(input)?),
            5 => What::Truncate(usize::from(input.u16()?)),
            6 => What::Append(bytes_of(input)?),
            7 => What::Replace(bytes_of(input)?),
            8 => What::Omit,
            9 => What::Twice,
            10 => What::Swap,
            11 => What::Rename(HandshakeType(input.u8()?)),
            12 | 13 => What::Insert(HandshakeType(input.u8()?), bytes_of(input)?),
            14 => What::Swell(input.u16()?),
            _ => What::Expose,
        };
        Some(Self { index: usize::from(index & 0x0F), is_consistent: kind & 0x80 != 0, what })
    }
}

fn bytes_of(input: &mut Reader<'_>) -> Option<Vec<u8>> {
    let len = usize::from(input.u8()?).min(input.len());
    input.bytes(len).map(<[u8]>::to_vec)
}

/// What was done, by which the honest side may be judged.
#[derive(Debug, Default)]
struct Record {
    /// Something after which nobody may believe the handshake.
    is_broken: bool,
    /// Anything at all.
    is_touched: bool,
    /// The insider's Finished is on its way, as it should be or not.
    is_finished: bool,
    /// Messages that were to be sent.
    count: usize,
}

#[derive(Debug)]
struct Meddler {
    acts: Vec<Act>,
    record: Arc<Mutex<Record>>,
    /// Whether the transcript of a first hello is given up, by DTLS 1.2 with a cookie.
    forgets_first: bool,
    /// Waits for the next message to go first.
    swapped: Option<(Epoch, HandshakeType, Vec<u8>)>,
}

impl Meddle for Meddler {
    fn send(
        &mut self,
        transport: &mut Transport,
        transcript: &mut Transcript,
        epoch: Epoch,
        kind: HandshakeType,
        body: Vec<u8>,
    ) {
        let record = self.record.clone();
        let mut record = lock(&record);
        let index = record.count;
        record.count += 1;
        // Behind a Finished nothing can be spoilt any more.
        let is_before = !record.is_finished;
        record.is_finished |= kind == HandshakeType::FINISHED;
        let mut sent = Sent { epoch, kind, body: body.clone(), times: 1, is_swapped: false };
        let mut is_consistent = false;
        for act in self.acts.iter().filter(|act| act.index == index) {
            is_consistent |= act.is_consistent;
            if let What::Insert(kind, body) = &act.what {
                let seq = transport.push(epoch, *kind, body.clone());
                if act.is_consistent {
                    transcript.add(*kind, seq, body);
                }
                record.is_touched = true;
                record.is_broken |= is_before && !is_nothing(*kind);
            }
            sent.apply(&act.what, transport);
        }
        // Two changes may undo each other.
        if (sent.epoch, sent.kind, sent.times, sent.is_swapped) != (epoch, kind, 1, false) {
            let only_again = kind == HandshakeType::FINISHED && sent.times > 1 && sent.kind == kind;
            record.is_touched = true;
            record.is_broken |= is_before && !only_again;
        }
        if sent.body != body {
            record.is_touched = true;
            let may_differ = is_consistent || self.forgets_first && index == 0;
            record.is_broken |= is_before && (!may_differ || is_proof(kind));
        }
        let noted = if is_consistent { sent.body.clone() } else { body };
        let mut seq = None;
        if sent.is_swapped {
            self.swapped = Some((sent.epoch, sent.kind, sent.body));
        } else {
            for _ in 0..sent.times {
                seq = Some(transport.push(sent.epoch, sent.kind, sent.body.clone()));
            }
            if let Some((epoch, kind, body)) = self.swapped.take() {
                transport.push(epoch, kind, body);
            }
        }
        transcript.add(kind, seq.unwrap_or_default(), &noted);
    }
}

/// A message that proves who sent it: as it should be, or worthless. A ServerKeyExchange carries the signature over
/// itself.
fn is_proof(kind: HandshakeType) -> bool {
    use HandshakeType as T;
    [T::CERTIFICATE_VERIFY, T::SERVER_KEY_EXCHANGE, T::FINISHED].contains(&kind)
}

/// A message that a client of DTLS 1.2 ignores in the midst of a handshake, and leaves out of its transcript (RFC 5246
/// §7.4.1.1).
fn is_nothing(kind: HandshakeType) -> bool {
    kind == HandshakeType::HELLO_REQUEST
}

struct Sent {
    epoch: Epoch,
    kind: HandshakeType,
    body: Vec<u8>,
    times: usize,
    is_swapped: bool,
}

impl Sent {
    fn apply(&mut self, what: &What, transport: &Transport) {
        let body = &mut self.body;
        let place = |at: usize| at % (body.len() + 1);
        match what {
            What::Overwrite(at, bytes) => {
                let at = place(*at);
                body[at..].iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
            }
            What::Splice(at, len, bytes) => {
                let at = place(*at);
                let end = (at + len).min(body.len());
                body.splice(at..end, bytes.iter().copied());
            }
            What::Truncate(len) => body.truncate(place(*len)),
            What::Append(bytes) => body.extend_from_slice(bytes),
            What::Swell(len) => body.resize(body.len() + usize::from(*len) % MAX_BODY, 0x41),
            What::Replace(bytes) => body.clone_from(bytes),
            What::Omit => self.times = 0,
            What::Twice => self.times = 2,
            What::Swap => self.is_swapped = true,
            What::Rename(kind) => self.kind = *kind,
            What::Expose => {
                let other = if self.epoch == Epoch::PLAIN { transport.sending_epoch() } else { Epoch::PLAIN };
                self.epoch = other;
            }
            What::Insert(..) => {}
        }
    }
}

/// The side that does not keep to the protocol; but for its meddler it is one of ours.
struct Insider {
    config: Config,
    rng: Rng,
    transport: Transport,
    peer: Peer,
    refused: Option<Failure>,
    state: Option<Handshake>,
    outcome: Option<Box<Outcome>>,
    inbox: Inbox,
}

impl Insider {
    fn new(config: Config, now: Instant, meddler: Meddler) -> Self {
        let limits = Limits { role: config.role, mtu: MTU, rtt: None, handshake_timeout: config.handshake_timeout };
        let mut transport = Transport::new(limits);
        transport.meddler = Some(Box::new(meddler));
        let mut insider = Self {
            rng: Rng::from_u64(7),
            transport,
            peer: Peer::new(config.expected.clone()),
            refused: None,
            state: Some(Handshake::server()),
            outcome: None,
            inbox: Inbox::default(),
            config,
        };
        if insider.config.role == Role::Client {
            insider.go_on(now, |_, cx| Handshake::client(cx));
        }
        insider
    }

    fn go_on(&mut self, now: Instant, step: impl FnOnce(Handshake, &mut Context<'_>) -> Result<Handshake, Failure>) {
        let Some(state) = self.state.take() else { return };
        let mut context = Context {
            now,
            config: &self.config,
            rng: &mut self.rng,
            transport: &mut self.transport,
            peer: &mut self.peer,
            key_log: &mut Vec::new(),
            refused: &mut self.refused,
        };
        match step(state, &mut context) {
            Ok(Handshake::Complete(outcome)) => {
                self.transport.release(now);
                self.outcome = Some(outcome);
            }
            Ok(next) => self.state = Some(next),
            // It stays, to see what else the other side takes.
            Err(failure) => self.transport.send_alert(Alert { fatal: true, description: failure.alert }),
        }
    }

    fn hear(&mut self, now: Instant, mut datagram: Vec<u8>) {
        self.transport.handle_datagram(now, &mut datagram, &mut self.inbox);
        while let Some(input) = self.transport.next_input(now, &mut self.inbox) {
            self.take(now, input);
        }
        self.inbox.open();
        while self.inbox.pop(&mut datagram).is_some() {}
    }

    fn take(&mut self, now: Instant, input: Input) {
        match (input, &mut self.outcome) {
            (Input::Message(message), Some(outcome)) => {
                let _ = outcome.post.handle(now, &message, &mut self.transport);
            }
            (Input::Message(message), None) => self.handle(now, &message),
            (Input::Acknowledged, Some(outcome)) => outcome.post.acknowledged(now, &mut self.transport),
            _ => {}
        }
    }

    fn handle(&mut self, now: Instant, message: &Message) {
        self.go_on(now, |state, cx| state.handle(message, cx));
    }

    fn drain(&mut self, now: Instant, wire: &mut VecDeque<Vec<u8>>) {
        let mut buf = [0; MTU];
        for burst in 0.. {
            assert!(burst < MAX_BURST, "the insider sends without end");
            let mut slot = Slot::new(&mut buf, 0, 0, MTU);
            if !self.transport.poll_transmit(now, &mut slot) {
                return;
            }
            wire.push_back(slot.packet().to_vec());
        }
    }
}

/// The honest side and the insider.
pub(super) struct Pair {
    begun: Instant,
    now: Instant,
    honest: Dtls,
    insider: Insider,
    record: Arc<Mutex<Record>>,
    received: Vec<Vec<u8>>,
    was_connected: bool,
    to_honest: VecDeque<Vec<u8>>,
    to_insider: VecDeque<Vec<u8>>,
}

impl Pair {
    fn new(role: Role, choice: u8, acts: Vec<Act>) -> Self {
        let now = Instant::from_millis(1);
        let honest_role = if role == Role::Client { Role::Server } else { Role::Client };
        let (config, honest) = (connections::config(role, choice), connections::config(honest_role, choice));
        let record = Arc::new(Mutex::new(Record::default()));
        let meddler = Meddler {
            acts,
            record: record.clone(),
            forgets_first: config.cookie && config.versions == Versions::Dtls12,
            swapped: None,
        };
        Self {
            begun: now,
            now,
            honest: Dtls::new(honest, Rng::from_u64(8), now),
            insider: Insider::new(config, now, meddler),
            record,
            received: Vec::new(),
            was_connected: false,
            to_honest: VecDeque::new(),
            to_insider: VecDeque::new(),
        }
    }

    /// One thing that happens; `None` when the input is at its end.
    fn step(&mut self, input: &mut Reader<'_>) -> Option<()> {
        match input.u8()? % 16 {
            0..=3 => {
                if let Some(datagram) = self.to_honest.pop_front() {
                    self.hear(datagram);
                }
            }
            4..=6 => {
                if let Some(datagram) = self.to_insider.pop_front() {
                    self.insider.hear(self.now, datagram);
                }
            }
            7 => drop(self.to_honest.pop_front()),
            8 => drop(self.to_insider.pop_front()),
            9 => {
                let first = self.to_honest.pop_front();
                self.to_honest.extend(first);
            }
            10 => self.pass(),
            11 => self.push(input)?,
            12 => {
                let alert = Alert { fatal: input.u8()? & 1 != 0, description: AlertDescription(input.u8()?) };
                self.touch();
                self.insider.transport.send_alert(alert);
            }
            13 => {
                if let Some(outcome) = &mut self.insider.outcome {
                    outcome.post.update(self.now, &mut self.insider.transport);
                }
            }
            14 => self.honest.update_keys(),
            _ => {
                if self.honest.is_connected() {
                    let sealed = connections::seal(&mut self.honest);
                    self.to_insider.extend(sealed);
                }
                self.say();
            }
        }
        Some(())
    }

    /// A message out of turn, under the keys there are or in the clear.
    fn push(&mut self, input: &mut Reader<'_>) -> Option<()> {
        let (choice, kind) = (input.u8()?, HandshakeType(input.u8()?));
        let body = bytes_of(input)?;
        self.touch();
        let mut record = lock(&self.record);
        record.is_broken |= !record.is_finished && !is_nothing(kind);
        drop(record);
        let transport = &mut self.insider.transport;
        let epoch = if choice & 1 == 0 { transport.sending_epoch() } else { Epoch::PLAIN };
        if choice & 2 == 0 {
            transport.begin_flight();
        }
        transport.push(epoch, kind, body);
        let expects = [Expects::Reply, Expects::Ack, Expects::Nothing][usize::from(choice >> 2) % 3];
        transport.flush(self.now, expects);
        Some(())
    }

    fn touch(&self) {
        lock(&self.record).is_touched = true;
    }

    fn say(&mut self) {
        let overhead = self.insider.transport.overhead();
        let said = connections::SECRET;
        let mut buf = alloc::vec![0; overhead.head + said.len() + overhead.tail];
        let mut slot = Slot::new(&mut buf, overhead.head, overhead.tail, said.len());
        slot.room().copy_from_slice(said);
        slot.fill(said.len());
        if self.insider.transport.seal(&mut slot).is_ok() {
            self.to_honest.push_back(slot.packet().to_vec());
        }
    }

    fn hear(&mut self, mut datagram: Vec<u8>) {
        hear(&mut self.honest, self.now, &mut datagram, &mut self.received);
        self.judge();
    }

    /// Goes on to the next deadline.
    fn pass(&mut self) {
        let deadline = earliest(self.honest.poll_timeout(), self.insider.transport.poll_timeout());
        self.now = deadline.map_or(self.now, |deadline| deadline.max(self.now));
        self.honest.handle_timeout(self.now);
        self.insider.transport.handle_timeout(self.now);
        self.exchange();
        assert!(self.honest.poll_timeout().is_none_or(|deadline| deadline > self.now), "a deadline stayed");
        self.judge();
    }

    fn exchange(&mut self) {
        drain(&mut self.honest, self.now, &mut self.to_insider);
        self.insider.drain(self.now, &mut self.to_honest);
    }

    /// The honest side believes only what was proved.
    fn judge(&mut self) {
        if !self.honest.is_connected() {
            assert!(self.received.is_empty() || self.was_connected, "heard before the peer was verified");
            return;
        }
        self.was_connected = true;
        assert!(!lock(&self.record).is_broken, "a broken handshake was believed");
        let role = self.insider.config.role;
        let own = &certificates()[usize::from(role == Role::Server)];
        assert_eq!(self.honest.peer_certificate(), Some(own.der()), "another certificate was believed");
        if let Some(outcome) = &self.insider.outcome {
            let (mut here, mut there) = ([0; 32], [1; 32]);
            self.honest.export("EXPERIMENTAL", None, &mut here).expect("the connection is up");
            outcome.exporter.export(b"EXPERIMENTAL", None, &mut there);
            assert_eq!(here, there, "different keys");
        }
    }

    /// Lets things take their course.
    fn finish(&mut self) {
        for _ in 0..MAX_REST {
            self.exchange();
            for datagram in core::mem::take(&mut self.to_honest) {
                self.hear(datagram);
            }
            self.exchange();
            for datagram in core::mem::take(&mut self.to_insider) {
                self.insider.hear(self.now, datagram);
            }
            self.exchange();
            let is_over = self.honest.is_connected() || self.honest.is_closed();
            if self.to_honest.is_empty() && self.to_insider.is_empty() {
                if is_over || self.now > self.begun + Duration::from_secs(120) {
                    break;
                }
                self.pass();
            }
        }
        let is_late = self.now >= self.begun + Duration::from_secs(30);
        let is_over = self.honest.is_connected() || self.honest.is_closed();
        assert!(is_over || self.has_nothing_begun(), "neither up nor closed");
        if !lock(&self.record).is_touched && !is_late {
            assert!(self.honest.is_connected(), "nothing was wrong");
        }
    }

    /// A server that never heard anything waits for ever.
    fn has_nothing_begun(&self) -> bool {
        self.honest.poll_timeout().is_none()
    }
}

fn lock(record: &Mutex<Record>) -> MutexGuard<'_, Record> {
    record.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replay() {
        let run = |data: &[u8]| drop(run(data));
        peerage_testkit::replay::replay(concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/insider"), run);
    }

    #[test]
    fn an_insider_that_keeps_to_the_protocol_is_believed() {
        for choice in (0..24).flat_map(|choice| [choice, choice | 0x80]) {
            let pair = run(&[choice]);
            assert!(pair.was_connected && pair.insider.outcome.is_some(), "{choice}");
        }
    }

    #[test]
    fn no_message_can_be_left_out_doubled_swapped_or_replaced() {
        for choice in (0..24).flat_map(|choice| [choice, choice | 0x80]) {
            let count = messages(choice);
            assert!(count >= 3, "{choice}");
            for (index, kind) in (0..count).flat_map(|index| [8_u8, 9, 11].map(|kind| (index as u8, kind))) {
                let pair = run(&[choice, 1, index, kind, 99]);
                assert!(lock(&pair.record).is_touched);
                let is_last = usize::from(index) + 1 == count;
                assert!(!pair.was_connected || kind == 9 && is_last, "{choice} {index} {kind}");
            }
        }
    }

    #[test]
    fn no_byte_of_a_message_can_be_changed_behind_the_transcript() {
        for choice in [1, 2, 0x81, 0x82] {
            for index in 0..messages(choice) as u8 {
                for at in 0..40 {
                    let pair = run(&[choice, 1, index, 0, 0, at, 1, 0x5A]);
                    let is_touched = lock(&pair.record).is_touched;
                    assert!(!pair.was_connected || !is_touched, "{choice} {index} {at}");
                }
            }
        }
    }

    /// How many messages the insider sends that nobody disturbs.
    fn messages(choice: u8) -> usize {
        lock(&run(&[choice]).record).count
    }
}
