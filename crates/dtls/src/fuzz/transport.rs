//! Two transports whose owners follow a script, and records between them that nobody pushed.

use alloc::collections::VecDeque;
use alloc::vec;
use alloc::vec::Vec;

use peerage_base::reader::Reader;
use peerage_base::slot::Slot;
use peerage_base::time::{Duration, Instant, earliest};
use peerage_crypto::aead::Algorithm;
use peerage_crypto::hash::Hash;
use peerage_crypto::secret::Secret;

use crate::config::Role;
use crate::message::handshake_header::Fragment;
use crate::message::kind::HandshakeType;
use crate::protect::opener::Opener;
use crate::protect::sealer::Sealer;
use crate::schedule::dtls12::TrafficKeys;
use crate::schedule::dtls13::{HandshakeSecrets, TrafficSecret};
use crate::suite::{CipherSuite, Epoch, Version};
use crate::transport::inbox::Inbox;
use crate::transport::{Expects, Input, Limits, Message, Transport};
use crate::wire::number::RecordNumber;
use crate::wire::plaintext::PlaintextHeader;
use crate::wire::{ContentType, MAX_CONTENT};

const OPS: usize = 128;
const MAX_REST: usize = 2_000;
/// Datagrams that one side may send without any input in between.
const MAX_BURST: usize = 200;
/// Most bytes that a peer can make a transport hold: what is assembled, what came early, and what is small.
const MAX_HELD: usize = 2 * (1 << 16) + 4096;
const TIMEOUT: Duration = Duration::from_secs(120);
const SUITE: CipherSuite = CipherSuite::AES_128_GCM;
/// Where the numbers of forged records begin, ahead of those that are sent.
const FORGED: u64 = 100;

/// The first bytes say how long messages are and how small datagrams; what follows is what happens.
pub(super) fn run(data: &[u8]) -> World {
    let mut input = Reader::new(data);
    let mut world = World::new(input.u8().unwrap_or(0), input.u16().unwrap_or(300), input.u16().unwrap_or(1200));
    world.transmit();
    for _ in 0..OPS {
        if world.step(&mut input).is_none() {
            break;
        }
        world.transmit();
    }
    if world.is_untouched {
        world.finish();
    }
    world
}

/// One side: a transport, and the handshake's part played from a script.
struct End {
    transport: Transport,
    inbox: Inbox,
    role: Role,
    version: Version,
    /// Length of the certificate, in bytes.
    certificate: usize,
    /// Whether a second hello is asked for.
    asks_again: bool,
    hellos: usize,
    /// The epochs of application data.
    own: Epoch,
    peer: Epoch,
    next: u32,
    updating: bool,
    sent: Vec<(HandshakeType, usize)>,
    received: Vec<(HandshakeType, usize)>,
    is_done: bool,
    timed_out: bool,
    data: usize,
}

impl End {
    fn new(role: Role, version: Version, choice: u8, certificate: usize, mtu: usize) -> Self {
        let limits = Limits { role, mtu, rtt: None, handshake_timeout: TIMEOUT };
        Self {
            transport: Transport::new(limits),
            inbox: Inbox::default(),
            role,
            version,
            certificate,
            asks_again: choice & 2 != 0 && role == Role::Server,
            hellos: 0,
            own: Epoch::APPLICATION,
            peer: Epoch::APPLICATION,
            next: 0,
            updating: false,
            sent: Vec::new(),
            received: Vec::new(),
            is_done: false,
            timed_out: false,
            data: 0,
        }
    }

    fn start(&mut self, now: Instant) {
        self.flight(now, &[(Epoch::PLAIN, HandshakeType::CLIENT_HELLO, 1450)], Expects::Reply);
    }

    fn flight(&mut self, now: Instant, lines: &[(Epoch, HandshakeType, usize)], expects: Expects) {
        self.transport.begin_flight();
        lines.iter().for_each(|line| self.push(*line));
        self.transport.flush(now, expects);
    }

    fn push(&mut self, (epoch, kind, len): (Epoch, HandshakeType, usize)) {
        self.sent.push((kind, len));
        self.transport.push(epoch, kind, (0..len).map(|i| (i % 251) as u8).collect());
    }

    fn install(&mut self, epoch: Epoch) {
        self.transport.install_sealer(epoch, sealer(self.version, self.role, epoch));
        self.install_opener(epoch);
    }

    fn install_opener(&mut self, epoch: Epoch) {
        let opener = match self.version {
            Version::Dtls13 => Opener::new13(SUITE, &secret13(other(self.role), epoch), epoch),
            Version::Dtls12 => Opener::new12(&keys12(other(self.role))),
        };
        self.transport.install_opener(epoch, opener);
    }

    fn hear(&mut self, now: Instant, mut datagram: Vec<u8>) {
        self.transport.handle_datagram(now, &mut datagram, &mut self.inbox);
        self.read(now);
        while let Some(data) = self.inbox.pop(&mut datagram) {
            assert!(data.len() <= MAX_CONTENT);
            self.data += 1;
        }
        assert!(self.transport.held() <= MAX_HELD, "{} bytes are held", self.transport.held());
    }

    fn read(&mut self, now: Instant) {
        while let Some(input) = self.transport.next_input(now, &mut self.inbox) {
            match input {
                Input::Message(message) => {
                    self.check(&message);
                    self.received.push((message.kind, message.body.len()));
                    self.play(now, &message);
                }
                Input::Acknowledged => {
                    self.is_done = true;
                    if core::mem::take(&mut self.updating) {
                        self.own = Epoch(self.own.0 + 1);
                        self.transport.install_sealer(self.own, sealer(self.version, self.role, self.own));
                    }
                }
                Input::TimedOut => self.timed_out = true,
                Input::Alert { .. } | Input::Violation(_) | Input::Spent => {}
            }
        }
    }

    /// What the handshake relies on.
    fn check(&mut self, message: &Message) {
        use HandshakeType as T;
        let Message { kind, seq, epoch, .. } = *message;
        let is_hello = matches!(kind, T::CLIENT_HELLO | T::SERVER_HELLO);
        let begins_anew = self.is_done && matches!(kind, T::HELLO_REQUEST | T::CLIENT_HELLO);
        if self.version == Version::Dtls12 && epoch == Epoch::FINISHED && begins_anew {
            return;
        }
        assert_eq!(u32::from(seq), self.next, "out of order");
        self.next += 1;
        assert!(kind != T::FINISHED || epoch != Epoch::PLAIN, "a Finished in the clear");
        match self.transport.version() {
            Some(Version::Dtls12) => assert!(epoch == Epoch::PLAIN || kind == T::FINISHED, "{message:?}"),
            Some(Version::Dtls13) => {
                assert!(epoch != Epoch::PLAIN || is_hello, "{message:?}");
                assert!(epoch < Epoch::APPLICATION || self.is_done || !is_hello, "{message:?}");
            }
            None => assert_eq!(epoch, Epoch::PLAIN),
        }
    }

    fn play(&mut self, now: Instant, message: &Message) {
        if message.kind == HandshakeType::KEY_UPDATE && message.epoch == self.peer && self.transport_is_up() {
            self.peer = Epoch(self.peer.0 + 1);
            self.install_opener(self.peer);
        }
        if self.transport_is_up() {
            return;
        }
        match (self.version, self.role) {
            (Version::Dtls13, Role::Client) => self.play_client13(now, message),
            (Version::Dtls13, Role::Server) => self.play_server13(now, message),
            (Version::Dtls12, Role::Client) => self.play_client12(now, message),
            (Version::Dtls12, Role::Server) => self.play_server12(now, message),
        }
    }

    fn play_client13(&mut self, now: Instant, message: &Message) {
        const EPOCH: Epoch = Epoch::HANDSHAKE;
        match message.kind {
            HandshakeType::SERVER_HELLO if message.body.len() < 100 => {
                self.transport.set_version(Version::Dtls13);
                self.start(now);
            }
            HandshakeType::SERVER_HELLO => {
                self.transport.set_version(Version::Dtls13);
                self.install(EPOCH);
            }
            HandshakeType::FINISHED if message.epoch == EPOCH => {
                self.transport.begin_flight();
                self.push((EPOCH, HandshakeType::CERTIFICATE, self.certificate));
                self.push((EPOCH, HandshakeType::CERTIFICATE_VERIFY, 79));
                self.push((EPOCH, HandshakeType::FINISHED, 32));
                self.install(Epoch::APPLICATION);
                self.transport.flush(now, Expects::Ack);
                self.end(now);
                // Until the acknowledgement.
                self.is_done = false;
            }
            _ => {}
        }
    }

    fn play_server13(&mut self, now: Instant, message: &Message) {
        const EPOCH: Epoch = Epoch::HANDSHAKE;
        match message.kind {
            HandshakeType::CLIENT_HELLO if self.asks_again && self.hellos == 0 => {
                self.hellos = 1;
                self.transport.set_version(Version::Dtls13);
                self.flight(now, &[(Epoch::PLAIN, HandshakeType::SERVER_HELLO, 90)], Expects::Reply);
            }
            HandshakeType::CLIENT_HELLO if message.epoch == Epoch::PLAIN => {
                self.transport.set_version(Version::Dtls13);
                self.transport.begin_flight();
                self.push((Epoch::PLAIN, HandshakeType::SERVER_HELLO, 1190));
                self.install(EPOCH);
                self.push((EPOCH, HandshakeType::ENCRYPTED_EXTENSIONS, 20));
                self.push((EPOCH, HandshakeType::CERTIFICATE, self.certificate));
                self.push((EPOCH, HandshakeType::FINISHED, 32));
                self.install(Epoch::APPLICATION);
                self.transport.flush(now, Expects::Reply);
            }
            HandshakeType::FINISHED if message.epoch == EPOCH => {
                self.transport.acknowledge();
                self.end(now);
            }
            _ => {}
        }
    }

    fn play_client12(&mut self, now: Instant, message: &Message) {
        match message.kind {
            HandshakeType::HELLO_VERIFY_REQUEST if self.hellos == 0 => {
                self.hellos = 1;
                self.start(now);
            }
            HandshakeType::SERVER_HELLO => self.transport.set_version(Version::Dtls12),
            HandshakeType::SERVER_HELLO_DONE => {
                self.transport.set_version(Version::Dtls12);
                self.transport.begin_flight();
                self.push((Epoch::PLAIN, HandshakeType::CERTIFICATE, self.certificate));
                self.push((Epoch::PLAIN, HandshakeType::CLIENT_KEY_EXCHANGE, 66));
                self.transport.push_change_cipher_spec();
                self.install(Epoch::FINISHED);
                self.push((Epoch::FINISHED, HandshakeType::FINISHED, 12));
                self.transport.flush(now, Expects::Reply);
            }
            HandshakeType::FINISHED => self.end(now),
            _ => {}
        }
    }

    fn play_server12(&mut self, now: Instant, message: &Message) {
        match message.kind {
            HandshakeType::CLIENT_HELLO if self.asks_again && self.hellos == 0 => {
                self.hellos = 1;
                self.flight(now, &[(Epoch::PLAIN, HandshakeType::HELLO_VERIFY_REQUEST, 35)], Expects::Nothing);
            }
            HandshakeType::CLIENT_HELLO => {
                self.transport.set_version(Version::Dtls12);
                let lines = [
                    (Epoch::PLAIN, HandshakeType::SERVER_HELLO, 90),
                    (Epoch::PLAIN, HandshakeType::CERTIFICATE, self.certificate),
                    (Epoch::PLAIN, HandshakeType::SERVER_HELLO_DONE, 0),
                ];
                self.flight(now, &lines, Expects::Reply);
            }
            HandshakeType::CLIENT_KEY_EXCHANGE => self.install_opener(Epoch::FINISHED),
            HandshakeType::FINISHED => {
                self.transport.begin_flight();
                self.transport.push_change_cipher_spec();
                self.transport.install_sealer(Epoch::FINISHED, sealer(self.version, self.role, Epoch::FINISHED));
                self.push((Epoch::FINISHED, HandshakeType::FINISHED, 12));
                self.transport.flush(now, Expects::Nothing);
                self.end(now);
            }
            _ => {}
        }
    }

    fn end(&mut self, now: Instant) {
        self.transport.release(now);
        self.inbox.open();
        self.own = self.transport.sending_epoch();
        self.peer = self.own;
        self.is_done = true;
        self.hellos = usize::MAX;
    }

    fn transport_is_up(&self) -> bool {
        self.hellos == usize::MAX
    }

    fn update(&mut self, now: Instant) {
        let is_free = self.version == Version::Dtls13 && self.is_done && !self.updating;
        if is_free && !self.transport.is_flight_outstanding() {
            self.updating = true;
            self.flight(now, &[(self.own, HandshakeType::KEY_UPDATE, 1)], Expects::Ack);
        }
    }

    fn poll(&mut self, now: Instant, room: usize) -> Option<Vec<u8>> {
        let mut buf = vec![0; room];
        let mut slot = Slot::new(&mut buf, 0, 0, room);
        self.transport.poll_transmit(now, &mut slot).then(|| slot.packet().to_vec())
    }

    fn say(&mut self, len: usize) -> Option<Vec<u8>> {
        let overhead = self.transport.overhead();
        let mut buf = vec![0; overhead.head + len + overhead.tail];
        let mut slot = Slot::new(&mut buf, overhead.head, overhead.tail, len);
        slot.fill(len);
        self.transport.seal(&mut slot).ok().map(|()| slot.packet().to_vec())
    }
}

/// Both sides, the client first, and what is under way from each.
pub(super) struct World {
    begun: Instant,
    now: Instant,
    ends: [End; 2],
    wire: [VecDeque<Vec<u8>>; 2],
    /// Forged records of each side.
    forged: [u64; 2],
    is_untouched: bool,
}

impl World {
    fn new(choice: u8, certificate: u16, mtu: u16) -> Self {
        let now = Instant::from_millis(1000);
        let version = if choice & 1 == 0 { Version::Dtls13 } else { Version::Dtls12 };
        // In the smallest datagrams the largest certificate has more ranges than are kept track of.
        let (certificate, mtu) = (usize::from(certificate) % 16_000, usize::from(mtu) % 1_400 + 200);
        let end = |role| End::new(role, version, choice, certificate, mtu);
        let mut ends = [end(Role::Client), end(Role::Server)];
        ends[0].start(now);
        Self { begun: now, now, ends, wire: Default::default(), forged: [0; 2], is_untouched: true }
    }

    /// One thing that happens; `None` when the input is at its end.
    fn step(&mut self, input: &mut Reader<'_>) -> Option<()> {
        let op = input.u8()?;
        let side = usize::from(op >> 7);
        match op & 0x0F {
            0..=4 => {
                if let Some(datagram) = self.wire[side].pop_front() {
                    self.ends[1 - side].hear(self.now, datagram);
                }
            }
            5 => drop(self.wire[side].pop_front()),
            6 => {
                let first = self.wire[side].front().cloned();
                self.wire[side].extend(first);
            }
            7 => {
                let first = self.wire[side].pop_front();
                self.wire[side].extend(first);
            }
            8 => self.pass(),
            9 => {
                self.now += Duration::from_millis(u64::from(input.u16()?));
                self.time_out();
            }
            10 => self.forge_fragments(side, input)?,
            11 => self.forge_ack(side, input)?,
            12 => {
                let (epoch, content_type) = (epoch(input)?, ContentType(input.u8()?));
                let len = usize::from(input.u8()?).min(input.len());
                let content = input.bytes(len)?.to_vec();
                self.forge(side, epoch, content_type, &content);
            }
            13 => {
                let (at, value) = (usize::from(input.u16()?), input.u8()?);
                self.is_untouched = false;
                let datagram = self.wire[side].front_mut()?;
                let at = at % datagram.len().max(1);
                match datagram.get_mut(at) {
                    Some(byte) if value != 0 => *byte ^= value,
                    _ => datagram.truncate(at),
                }
            }
            14 => self.order(side, input)?,
            _ => {
                let len = 1 + usize::from(input.u8()?);
                let said = self.ends[side].say(len);
                self.wire[side].extend(said);
            }
        }
        Some(())
    }

    fn order(&mut self, side: usize, input: &mut Reader<'_>) -> Option<()> {
        let now = self.now;
        let End { transport, .. } = &mut self.ends[side];
        match input.u8()? % 8 {
            0 => transport.hold(now, true),
            1 => transport.hold(now, false),
            2 => transport.set_mtu(200 + usize::from(input.u16()?) % 1_400),
            3 => transport.set_rtt(Some(Duration::from_millis(u64::from(input.u16()?)))),
            4 => transport.set_record_limit(64 + usize::from(input.u16()?) % MAX_CONTENT),
            5 => self.ends[side].update(now),
            6 => {
                let packets: Vec<_> = transport.flight().map(<[u8]>::to_vec).collect();
                packets.into_iter().for_each(|packet| self.ends[1 - side].hear(now, packet));
            }
            _ => {
                self.is_untouched = false;
                transport.stop();
            }
        }
        Some(())
    }

    /// Pieces of messages, several to a record, with any number, length and place.
    fn forge_fragments(&mut self, side: usize, input: &mut Reader<'_>) -> Option<()> {
        let (epoch, count) = (epoch(input)?, input.u8()? % 4 + 1);
        let mut content = Vec::new();
        for _ in 0..count {
            let (kind, message_seq) = (HandshakeType(input.u8()?), u16::from(input.u8()?));
            let (length, offset, len) = (u32::from(input.u16()?), u32::from(input.u16()?), usize::from(input.u16()?));
            // Some begin where the honest ones do, so that they agree with them.
            let body: Vec<u8> = (0..len % 2_000).map(|i| ((i + offset as usize) % 251) as u8).collect();
            let length = if input.u8()? & 1 == 0 { length } else { offset + body.len() as u32 };
            Fragment { kind, length, message_seq, offset, body: &body }.write(&mut content);
        }
        self.forge(side, epoch, ContentType::HANDSHAKE, &content);
        Some(())
    }

    fn forge_ack(&mut self, side: usize, input: &mut Reader<'_>) -> Option<()> {
        let (epoch, count) = (epoch(input)?, u16::from(input.u8()? % 64));
        let mut content = (count * 16).to_be_bytes().to_vec();
        for _ in 0..count {
            let (epoch, sequence) = (u64::from(input.u8()?), u64::from(input.u8()?));
            content.extend_from_slice(&epoch.to_be_bytes());
            content.extend_from_slice(&sequence.to_be_bytes());
        }
        self.forge(side, epoch, ContentType::ACK, &content);
        Some(())
    }

    /// A record as if by `side`, under its keys.
    fn forge(&mut self, side: usize, epoch: Epoch, content_type: ContentType, content: &[u8]) {
        self.is_untouched = false;
        let end = &self.ends[side];
        let sequence = FORGED + self.forged[side];
        self.forged[side] += 1;
        let fits = match end.version {
            Version::Dtls12 => epoch == Epoch::FINISHED,
            Version::Dtls13 => epoch >= Epoch::HANDSHAKE,
        };
        let record = if fits {
            let mut sealer = sealer(end.version, end.role, epoch);
            sealer.skip_to(sequence);
            let overhead = sealer.overhead();
            let mut buf = vec![0; overhead.head + content.len() + overhead.tail];
            let mut slot = Slot::new(&mut buf, overhead.head, overhead.tail, content.len());
            slot.room().copy_from_slice(content);
            slot.fill(content.len());
            sealer.seal(content_type, &mut slot).map(|_| buf).unwrap_or_default()
        } else {
            let number = RecordNumber { epoch, sequence };
            let header = PlaintextHeader { content_type, number, length: content.len() as u16 };
            [&header.to_bytes()[..], content].concat()
        };
        self.ends[1 - side].hear(self.now, record);
    }

    fn deadline(&self) -> Option<Instant> {
        earliest(self.ends[0].transport.poll_timeout(), self.ends[1].transport.poll_timeout())
    }

    fn pass(&mut self) {
        if let Some(deadline) = self.deadline() {
            self.now = deadline.max(self.now);
        }
        self.time_out();
    }

    fn time_out(&mut self) {
        let now = self.now;
        for end in &mut self.ends {
            end.transport.handle_timeout(now);
            end.read(now);
        }
        self.transmit();
        for end in &self.ends {
            assert!(end.transport.poll_timeout().is_none_or(|deadline| deadline > now), "a deadline stayed");
        }
    }

    fn transmit(&mut self) {
        for (end, wire) in self.ends.iter_mut().zip(&mut self.wire) {
            for burst in 0.. {
                assert!(burst < MAX_BURST, "a side sends without end");
                let Some(packet) = end.poll(self.now, 2048) else { break };
                assert!(!packet.is_empty());
                wire.push_back(packet);
            }
        }
    }

    /// Over a link that loses nothing more, the script comes to its end unless it is too late, and then there is peace.
    fn finish(&mut self) {
        for end in &mut self.ends {
            end.transport.hold(self.now, false);
        }
        for _ in 0..MAX_REST {
            self.transmit();
            for side in [0, 1] {
                for datagram in core::mem::take(&mut self.wire[side]) {
                    self.ends[1 - side].hear(self.now, datagram);
                }
            }
            self.transmit();
            if self.wire.iter().all(VecDeque::is_empty) {
                let Some(deadline) = self.deadline() else { return self.compare() };
                assert!(deadline >= self.now, "a deadline in the past");
                self.pass();
            }
        }
        panic!("no end of it");
    }

    fn compare(&self) {
        let [client, server] = &self.ends;
        if self.now >= self.begun + TIMEOUT {
            return;
        }
        assert!(client.is_done && server.is_done, "the script stopped: {} {}", client.is_done, server.is_done);
        assert_eq!((&client.received, &server.received), (&server.sent, &client.sent));
    }
}

fn epoch(input: &mut Reader<'_>) -> Option<Epoch> {
    Some(Epoch(u16::from(input.u8()? % 6)))
}

const fn other(role: Role) -> Role {
    match role {
        Role::Client => Role::Server,
        Role::Server => Role::Client,
    }
}

fn sealer(version: Version, role: Role, epoch: Epoch) -> Sealer {
    match version {
        Version::Dtls13 => Sealer::new13(SUITE, &secret13(role, epoch), epoch),
        Version::Dtls12 => Sealer::new12(&keys12(role)),
    }
}

fn secret13(role: Role, epoch: Epoch) -> TrafficSecret {
    let digest = Hash::Sha256.digest(b"transcript");
    let secrets = HandshakeSecrets::new(Hash::Sha256, &Secret::from_slice(b"shared"), &digest);
    if epoch == Epoch::HANDSHAKE {
        return if role == Role::Client { secrets.client } else { secrets.server };
    }
    let secrets = secrets.application(&digest);
    let first = if role == Role::Client { secrets.client } else { secrets.server };
    (Epoch::APPLICATION.0..epoch.0).fold(first, |secret, _| secret.next())
}

fn keys12(role: Role) -> TrafficKeys {
    let byte = role as u8;
    TrafficKeys { algorithm: Algorithm::Aes128Gcm, key: Secret::from_slice(&[byte; 16]), iv: [byte; 12].into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replay() {
        let run = |data: &[u8]| drop(run(data));
        peerage_testkit::replay::replay(concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/transport"), run);
    }

    #[test]
    fn the_script_comes_to_its_end() {
        for choice in 0..4 {
            for certificate in [0, 300, 15_999] {
                let world = run(&[&[choice][..], &u16::to_be_bytes(certificate), &[4, 176]].concat());
                assert!(world.ends.iter().all(|end| end.is_done), "{choice} {certificate}");
            }
        }
    }

    #[test]
    fn keys_are_updated_again_and_again() {
        // Deliveries from either side in turn, updates of the client, and data.
        let turns = [0, 0, 0, 0x80, 0x80, 0x80].repeat(4);
        let update = [&[14, 5][..], &turns[..9], &[15, 9], &[0]].concat();
        let world = run(&[&[0, 1, 44, 4, 176][..], &turns, &update.repeat(3)].concat());
        assert_eq!(world.ends[0].own, Epoch(6));
        assert_eq!(world.ends[1].data, 3);
    }
}
