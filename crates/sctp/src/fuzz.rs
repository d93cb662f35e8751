//! Bodies of fuzz targets.

mod liar;
mod lies;

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec;
use alloc::vec::Vec;

use bytes::Bytes;
use peerage_base::crc::crc32c;
use peerage_base::ecn::Ecn;
use peerage_base::reader::Reader;
use peerage_base::rng::Rng;
use peerage_base::slot::Slot;
use peerage_base::time::{Duration, Instant, earliest};

use crate::association::Association;
use crate::budget::Budget;
use crate::channel::{ChannelId, ChannelInit, ChannelState, Role};
use crate::chunk;
use crate::config::Config;
use crate::event::Event;
use crate::message::Kind;
use crate::numbers::Tsn;
use crate::packet::{HEADER_LEN, Packet};

const MTU: usize = 1191;
/// Most bytes of a packet.
const LARGEST: usize = 9000;
/// Packets that one association may send without any input in between.
const MAX_BURST: usize = 20_000;

/// A packet as it arrives at an association that has just begun, as it is and with a checksum that fits.
pub fn packet(data: &[u8]) {
    let mut fitting = data.to_vec();
    seal(&mut fitting);
    for bytes in [data, &fitting] {
        if let Ok(packet) = Packet::parse(bytes) {
            let len: usize = packet.chunks().flatten().map(|chunk| chunk.body.len()).sum();
            assert!(len <= bytes.len());
        }
        for connecting in [false, true] {
            let mut link = Link::new(true);
            if connecting {
                link.ends[0].sctp.connect(link.now);
                link.drain();
            }
            link.ends[0].sctp.handle_packet(link.now, Ecn::NotEct, bytes);
            link.drain();
            link.wait();
        }
    }
    signalled(data.get(HEADER_LEN..).unwrap_or(data));
}

/// An INIT chunk as the peer's description carries it: refused without a trace, or the association is up and goes on.
fn signalled(chunk: &[u8]) {
    let mut link = Link::new(true);
    let sctp = &mut link.ends[0].sctp;
    let told = sctp.local_init();
    if sctp.start_with(link.now, chunk).is_err() {
        assert_eq!(sctp.poll_event(), None, "a refused chunk left something behind");
    }
    assert_eq!(sctp.local_init(), told);
    link.send(0, 1000);
    link.drain();
    link.wait();
}

/// Two associations: a sequence of calls, of losses, and of forged packets that pass as the peer's.
pub fn association(data: &[u8]) {
    for interleaving in [true, false] {
        run(Link::new(interleaving), data, |link| link.ends[0].sctp.connect(link.now));
    }
    // The same of two that began from their descriptions, and of one that did not and shakes hands.
    run(Link::new(true), data, |link| {
        link.start(0);
        link.start(1);
    });
    run(Link::new(true), data, |link| {
        link.start(0);
        link.ends[1].sctp.connect(link.now);
    });
}

/// An association and a peer that lies in everything it says, while time passes, paths change and the owner sends and reads.
pub fn liar(data: &[u8]) {
    let mut input = Reader::new(data);
    let choices = input.u8().unwrap_or(0);
    liar::Liar::new(choices).run(&mut input);
}

fn run(mut link: Link, data: &[u8], begin: impl Fn(&mut Link)) {
    let mut input = Reader::new(data);
    begin(&mut link);
    link.drain();
    for _ in 0..256 {
        let Some(op) = input.u8() else { break };
        if link.step(op, &mut input).is_none() {
            break;
        }
        link.drain();
    }
    link.settle();
}

/// Puts the checksum that fits into a packet (RFC 9260 §6.8).
fn seal(packet: &mut [u8]) {
    let Some(field) = packet.get_mut(8..HEADER_LEN) else { return };
    field.fill(0);
    let crc = crc32c(packet).to_le_bytes();
    packet[8..HEADER_LEN].copy_from_slice(&crc);
}

/// One association and what it has to keep its word on.
struct End {
    sctp: Association,
    /// Channels, ours and the peer's, in the order in which they were known.
    channels: Vec<ChannelId>,
    /// Numbers of the messages that were sent on the first channel, and arrived on it.
    sent: u32,
    arrived: u32,
    /// Messages that arrived on it out of turn.
    wrong: u32,
    /// The last header that was sent, which has the tag that the peer takes.
    header: Option<[u8; HEADER_LEN]>,
    /// The last TSN that was sent.
    tsn: Tsn,
    /// Bytes of a packet on its path.
    mtu: usize,
    down: bool,
}

/// Two of them, and the packets between.
struct Link {
    now: Instant,
    ends: [End; 2],
    wire: [VecDeque<Vec<u8>>; 2],
    /// Nothing was forged and nothing was closed: what was sent has to arrive.
    honest: bool,
}

impl Link {
    fn new(interleaving: bool) -> Self {
        let end = |seed, role| {
            let mut config = Config { interleaving, ..Config::default() };
            (config.receive_window, config.send_buffer, config.max_streams) = (64 << 10, 256 << 10, 16);
            config.max_message_size = 32 << 10;
            let mut sctp = Association::new(config, Rng::from_u64(seed), Instant::ORIGIN);
            sctp.set_role(role);
            // Agreed outside, so that both ends have it from the start.
            let mut init = ChannelInit::new("first");
            init.negotiated = Some(0);
            let first = sctp.open(Instant::ORIGIN, init).expect("the first channel can be opened");
            End {
                sctp,
                channels: vec![first],
                sent: 0,
                arrived: 0,
                wrong: 0,
                header: None,
                tsn: Tsn(0),
                mtu: MTU,
                down: false,
            }
        };
        let ends = [end(1, Role::Client), end(2, Role::Server)];
        Self { now: Instant::ORIGIN, ends, wire: [VecDeque::new(), VecDeque::new()], honest: true }
    }

    /// Begins from what the other side has signalled.
    fn start(&mut self, side: usize) {
        let signalled = self.ends[1 - side].sctp.local_init();
        self.ends[side].sctp.start_with(self.now, &signalled).expect("an INIT of our own can be read");
    }

    /// One thing that happens; `None` when the input is at its end.
    fn step(&mut self, op: u8, input: &mut Reader<'_>) -> Option<()> {
        let side = usize::from(op >> 7);
        match op & 0x70 {
            0x60 => {
                self.ends[side].mtu = [600, MTU, 1400, LARGEST][usize::from(op & 3)];
                return Some(());
            }
            0x70 if self.ends.iter().all(|end| end.sctp.is_up()) => return self.lie(side, op & 0x0F, input),
            _ => {}
        }
        match op & 0x0F {
            0..=3 => self.deliver(side),
            4 => drop(self.wire[side].pop_front()),
            5 => {
                let first = self.wire[side].front().cloned();
                self.wire[side].extend(first);
            }
            6 => {
                let first = self.wire[side].pop_front();
                self.wire[side].extend(first);
            }
            7 => self.wait(),
            8 => {
                self.now += Duration::from_millis(u64::from(input.u16()?));
                self.time_out();
            }
            9 => self.send(side, usize::from(input.u16()?) % (33 << 10)),
            10 => self.send_elsewhere(side, input)?,
            11 => self.open(side, input)?,
            12 => self.forge(side, input)?,
            13 => self.change(side, input)?,
            14 => {
                let id = self.channel(side, input)?;
                self.honest &= id != self.ends[side].channels[0];
                self.ends[side].sctp.close(self.now, id);
            }
            _ => self.end(side, input)?,
        }
        Some(())
    }

    fn channel(&self, side: usize, input: &mut Reader<'_>) -> Option<ChannelId> {
        let channels = &self.ends[side].channels;
        channels.get(usize::from(input.u8()?) % channels.len()).copied()
    }

    fn deliver(&mut self, side: usize) {
        if let Some(packet) = self.wire[side].pop_front() {
            self.ends[1 - side].sctp.handle_packet(self.now, Ecn::NotEct, &packet);
        }
    }

    /// Sends the next number on the first channel, in a message of this size at least.
    fn send(&mut self, side: usize, size: usize) {
        let end = &mut self.ends[side];
        let mut message = vec![0xA5; size.max(4)];
        message[..4].copy_from_slice(&end.sent.to_be_bytes());
        if end.sctp.send(self.now, end.channels[0], Kind::Binary, message.into()).is_ok() {
            end.sent += 1;
        }
    }

    fn send_elsewhere(&mut self, side: usize, input: &mut Reader<'_>) -> Option<()> {
        let id = self.channel(side, input)?;
        let size = usize::from(input.u16()?);
        if id != self.ends[side].channels[0] {
            let kind = if size % 2 == 0 { Kind::Text } else { Kind::Binary };
            // What is refused is refused.
            let _ = self.ends[side].sctp.send(self.now, id, kind, Bytes::from(vec![b'x'; size]));
        }
        Some(())
    }

    fn open(&mut self, side: usize, input: &mut Reader<'_>) -> Option<()> {
        let (kind, limit) = (input.u8()?, u16::from(input.u8()?));
        let mut init = ChannelInit::new("another");
        init.ordered = kind & 1 == 0;
        match kind >> 1 & 3 {
            1 => init.max_retransmits = Some(limit),
            2 => init.max_packet_life_time = Some(limit),
            _ => {}
        }
        if kind & 8 != 0 {
            init.negotiated = Some(limit);
        }
        if let Ok(id) = self.ends[side].sctp.open(self.now, init) {
            self.ends[side].channels.push(id);
        }
        Some(())
    }

    /// Chunks from the input in a packet that passes as the other side's. The TSN of the first, where it has one, is counted
    /// from the last that the other side has sent.
    fn forge(&mut self, side: usize, input: &mut Reader<'_>) -> Option<()> {
        let len = usize::from(input.u8()?).min(input.len());
        let mut chunks = input.bytes(len)?.to_vec();
        let End { header, tsn, .. } = self.ends[1 - side];
        let header = header?;
        if let [chunk::DATA | chunk::I_DATA | chunk::FORWARD_TSN | chunk::I_FORWARD_TSN, _, _, _, a, b, c, d, ..] =
            &mut chunks[..]
        {
            let near = tsn.0.wrapping_add_signed(i8::from_be_bytes([*d]).into());
            [*a, *b, *c, *d] = near.to_be_bytes();
        }
        let mut packet = [&header[..], &chunks].concat();
        seal(&mut packet);
        self.honest = false;
        self.ends[side].sctp.handle_packet(self.now, Ecn::NotEct, &packet);
        Some(())
    }

    /// One lie that costs only who tells it: what is sent arrives all the same.
    fn lie(&mut self, side: usize, kind: u8, input: &mut Reader<'_>) -> Option<()> {
        let sctp = &mut self.ends[side].sctp;
        let chunk = lies::chunk(kind % lies::HARMLESS, sctp, &[], input)?;
        sctp.handle_packet(self.now, Ecn::NotEct, &lies::packet(sctp.tag(), &chunk));
        Some(())
    }

    /// A packet under way is changed and its checksum made to fit.
    fn change(&mut self, side: usize, input: &mut Reader<'_>) -> Option<()> {
        let (at, value) = (usize::from(input.u16()?), input.u8()?);
        let packet = self.wire[side].front_mut()?;
        let at = at % packet.len();
        packet[at] ^= value;
        seal(packet);
        self.honest = false;
        Some(())
    }

    fn end(&mut self, side: usize, input: &mut Reader<'_>) -> Option<()> {
        let sctp = &mut self.ends[side].sctp;
        self.honest = false;
        match input.u8()? % 4 {
            0 => sctp.abort(self.now, "no more"),
            1 => sctp.shutdown(self.now),
            2 => sctp.path_changed(self.now),
            _ => sctp.connect(self.now),
        }
        Some(())
    }

    /// Lets time pass until the next deadline.
    fn wait(&mut self) {
        let deadline = earliest(self.ends[0].sctp.poll_timeout(), self.ends[1].sctp.poll_timeout());
        self.now = deadline.map_or(self.now, |deadline| deadline.max(self.now));
        self.time_out();
    }

    fn time_out(&mut self) {
        for end in &mut self.ends {
            end.sctp.handle_timeout(self.now);
        }
        self.drain();
        for end in &self.ends {
            assert!(end.sctp.poll_timeout().is_none_or(|deadline| deadline > self.now), "a deadline stayed");
        }
    }

    fn drain(&mut self) {
        for (end, wire) in self.ends.iter_mut().zip(&mut self.wire) {
            end.drain(self.now, wire);
            end.sctp.audit();
        }
    }

    /// A network that loses nothing any more: honest associations deliver all that was sent, once and in order.
    fn settle(&mut self) {
        if !self.honest {
            return;
        }
        for _ in 0..10_000 {
            assert!(self.ends.iter().all(|end| end.wrong == 0), "a message arrived out of turn");
            let idle = self.wire.iter().all(VecDeque::is_empty);
            if self.ends.iter().any(|end| end.down) {
                // The losses were more than the association puts up with.
                return;
            }
            if idle && self.ends[0].sent == self.ends[1].arrived && self.ends[1].sent == self.ends[0].arrived {
                return;
            }
            if idle {
                self.wait();
            }
            for side in 0..2 {
                self.deliver(side);
                self.drain();
            }
        }
        let [a, b] = &self.ends;
        let of = |end: &End| (end.sent, end.arrived, end.sctp.stats(), end.sctp.numbers(), end.sctp.poll_timeout());
        panic!("what was sent did not arrive at {:?}: {:?}, {:?}", self.now, of(a), of(b));
    }
}

impl End {
    fn drain(&mut self, now: Instant, wire: &mut VecDeque<Vec<u8>>) {
        let mut buf = [0; LARGEST];
        for burst in 0.. {
            assert!(burst < MAX_BURST, "an association sends without end");
            let budget = Budget { bytes: usize::MAX, max_packet: self.mtu, safe_packet: self.mtu.min(MTU) };
            let Some(len) = self.sctp.poll_transmit(now, &budget, &mut Slot::new(&mut buf, 0, 0, LARGEST)) else {
                break;
            };
            let packet = &buf[..len];
            let chunks = Packet::parse(packet).expect("a packet of our own can be read").chunks();
            for data in chunks.flatten().filter(|raw| matches!(raw.kind, chunk::DATA | chunk::I_DATA)) {
                self.tsn = Reader::new(data.body).u32().map_or(self.tsn, Tsn);
            }
            self.header = packet.first_chunk().copied();
            wire.push_back(packet.to_vec());
        }
        let mut readable: BTreeMap<ChannelId, ()> = BTreeMap::new();
        while let Some(event) = self.sctp.poll_event() {
            match event {
                Event::Channel(id) => self.channels.push(id),
                Event::Readable(id) => drop(readable.insert(id, ())),
                Event::Down(_) => self.down = true,
                _ => {}
            }
        }
        for id in readable.into_keys() {
            self.read(now, id);
        }
        assert!(
            self.channels.iter().all(|id| {
                !self.down || self.sctp.channel(*id).is_none_or(|info| info.state == ChannelState::Closed)
            })
        );
    }

    fn read(&mut self, now: Instant, id: ChannelId) {
        while let Some(message) = self.sctp.recv(now, id) {
            assert!(message.payload.len() <= self.sctp.local_max_message_size());
            if id != self.channels[0] {
                continue;
            }
            // Counted here and judged in the end: a forger may say what it likes.
            if message.payload.get(..4) == Some(&self.arrived.to_be_bytes()) {
                self.arrived += 1;
            } else {
                self.wrong += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/corpus");

    #[test]
    fn packets() {
        peerage_testkit::replay::replay(CORPUS, super::packet);
    }

    #[test]
    fn associations() {
        peerage_testkit::replay::replay(CORPUS, super::association);
    }

    #[test]
    fn liars() {
        peerage_testkit::replay::replay(CORPUS, super::liar);
        let mut rng = peerage_base::rng::Rng::from_u64(8);
        for _ in 0..60 {
            let mut input = [0; 600];
            rng.fill(&mut input);
            super::liar(&input);
        }
    }
}
