//! One association and a peer that lies about everything, while its owner sends, reads or does neither.

use alloc::string::ToString as _;
use alloc::vec;
use alloc::vec::Vec;

use bytes::Bytes;
use peerage_base::ecn::Ecn;
use peerage_base::reader::Reader;
use peerage_base::rng::Rng;
use peerage_base::slot::Slot;
use peerage_base::time::{Duration, Instant};

use super::{MAX_BURST, lies};
use crate::association::Association;
use crate::budget::Budget;
use crate::channel::{ChannelId, ChannelInit, Role};
use crate::chunk;
use crate::config::{Config, CongestionControl, OnShareExceeded};
use crate::event::Event;
use crate::message::Kind;
use crate::packet::{CHUNK_HEADER_LEN, HEADER_LEN, Packet, padded};

/// Sizes of packets that paths carry, most of them.
const SIZES: [usize; 8] = [1191, 1191, 1191, 100, 548, 1443, 4000, 9000];
const LARGEST: usize = 9000;

pub(super) struct Liar {
    now: Instant,
    sctp: Association,
    /// The association that shook hands, and now only lies.
    peer: Association,
    budget: Budget,
    channels: Vec<ChannelId>,
    /// Body of the last heartbeat, cookie and tag of the last INIT ACK that the victim sent.
    heard: Vec<u8>,
    cookie: Option<(u32, Vec<u8>)>,
    /// What arrived last, to come again.
    last: Vec<u8>,
    reads: bool,
}

impl Liar {
    /// Both shake hands; `choices` decides between settings.
    pub(super) fn new(choices: u8) -> Self {
        let mut config = Config::default();
        (config.receive_window, config.send_buffer, config.max_streams) = (64 << 10, 256 << 10, 4096);
        (config.max_message_size, config.max_peer_channels, config.max_label) = (16 << 10, 8, 64);
        (config.limits.gaps, config.limits.incomplete, config.limits.refusals) = (64, 64, 8);
        if choices & 1 != 0 {
            config.congestion = CongestionControl::Cubic;
        }
        if choices & 2 != 0 {
            config.on_share_exceeded = OnShareExceeded::CloseChannel;
        }
        if choices & 4 != 0 {
            config.heartbeat_interval = Some(Duration::from_secs(2));
        }
        if choices & 8 != 0 {
            (config.max_retransmissions, config.max_init_retransmissions) = (Some(10), Some(8));
        }
        let now = Instant::ORIGIN;
        let mut sctp = Association::new(config, Rng::from_u64(1), now);
        let mut peer = Association::new(Config::default(), Rng::from_u64(2), now);
        sctp.set_role(Role::Client);
        peer.set_role(Role::Server);
        peer.connect(now);
        let budget = Budget::unlimited(SIZES[0]);
        let (heard, last) = (Vec::new(), Vec::new());
        let mut liar = Self { now, sctp, peer, budget, channels: vec![], heard, cookie: None, last, reads: true };
        liar.shake_hands();
        liar.open(0);
        liar.open(1);
        liar.open(5);
        liar
    }

    fn shake_hands(&mut self) {
        let mut buf = [0; LARGEST];
        let (now, budget) = (self.now, self.budget);
        for _ in 0..8 {
            while let Some(len) = self.peer.poll_transmit(now, &budget, &mut Slot::new(&mut buf, 0, 0, LARGEST)) {
                self.sctp.handle_packet(now, Ecn::NotEct, &buf[..len]);
            }
            while let Some(len) = self.sctp.poll_transmit(now, &budget, &mut Slot::new(&mut buf, 0, 0, LARGEST)) {
                self.peer.handle_packet(now, Ecn::NotEct, &buf[..len]);
            }
        }
        assert!(self.sctp.is_up());
    }

    /// Runs what the input says to its end.
    pub(super) fn run(&mut self, input: &mut Reader<'_>) {
        for _ in 0..512 {
            if self.step(input).is_none() {
                break;
            }
            self.sctp.audit();
        }
        self.finish();
    }

    fn step(&mut self, input: &mut Reader<'_>) -> Option<()> {
        match input.u8()? {
            op @ 0..=127 => self.lie(op, input)?,
            128..=143 => self.poll(usize::MAX),
            144..=151 => self.pass(Duration::from_micros(u64::from(input.u16()?) * 16)),
            152..=159 => self.pass(Duration::from_millis(u64::from(input.u16()?))),
            160..=175 => self.wait(),
            176..=207 => self.send(input.u8()?, input)?,
            208..=211 => self.open(input.u8()?),
            212..=215 => self.reads = !self.reads,
            216..=219 => self.resize(input.u8()?, input.u8()?),
            220..=223 => self.poll(usize::from(input.u16()?)),
            224..=231 => self.repeat(input.u8()?),
            232..=235 => self.restart(input)?,
            236..=239 => self.echo_cookie(),
            240..=243 => self.probe(input.u16()?),
            244..=247 => {
                let channel = self.channel(input.u8()?);
                self.sctp.close(self.now, channel);
            }
            248..=251 => {
                let kind = input.u8()?;
                self.change_path(kind);
            }
            op => self.noise(op, input)?,
        }
        self.collect();
        Some(())
    }

    /// A packet of one or more lies.
    fn lie(&mut self, op: u8, input: &mut Reader<'_>) -> Option<()> {
        let mut chunks = lies::chunk(op >> 2, &self.sctp, &self.heard, input)?;
        for _ in 0..[0, 0, 1, 4][usize::from(op & 3)] {
            let kind = input.u8()?;
            chunks.extend(lies::chunk(kind, &self.sctp, &self.heard, input)?);
        }
        // No record holds more.
        chunks.truncate((1 << 14) - HEADER_LEN);
        let packet = lies::packet(self.sctp.tag(), &chunks);
        self.give(packet, if op & 64 == 0 { Ecn::NotEct } else { Ecn::Ce });
        Some(())
    }

    fn noise(&mut self, op: u8, input: &mut Reader<'_>) -> Option<()> {
        let len = usize::from(input.u8()?).min(input.len());
        let chunks = input.bytes(len)?;
        let tag = if op & 1 == 0 { self.sctp.tag() } else { 0 };
        self.give(lies::packet(tag, chunks), Ecn::Ect0);
        Some(())
    }

    /// Hands a packet over. The work that it makes is in proportion to its length, but for what it costs to settle all that
    /// is on its way.
    fn give(&mut self, packet: Vec<u8>, ecn: Ecn) {
        let (before, chunks) = self.sctp.work();
        self.sctp.handle_packet(self.now, ecn, &packet);
        let (after, _) = self.sctp.work();
        let work = after.saturating_sub(before);
        let most = 200 + 8 * packet.len() as u64 + 48 * chunks as u64;
        assert!(work <= most, "{work} looks for {} bytes, {chunks} chunks on their way", packet.len());
        self.last = packet;
    }

    fn repeat(&mut self, times: u8) {
        for _ in 0..times {
            self.give(self.last.clone(), Ecn::NotEct);
            self.collect();
        }
    }

    /// An INIT of a peer that has lost its state.
    fn restart(&mut self, input: &mut Reader<'_>) -> Option<()> {
        let (window, streams) = (u32::from(input.u16()?) << 4, input.u16()?.to_be_bytes());
        let tsn = [input.u8()?; 4];
        let init = self.peer.local_init();
        let mut body = init.get(CHUNK_HEADER_LEN..)?.to_vec();
        body[..4].copy_from_slice(&(window | 1).to_be_bytes());
        body[4..8].copy_from_slice(&window.to_be_bytes());
        body[8..12].copy_from_slice(&[streams, streams].concat());
        body[12..16].copy_from_slice(&tsn);
        let len = u16::try_from(CHUNK_HEADER_LEN + body.len()).ok()?.to_be_bytes();
        let mut chunk = [&[chunk::INIT, 0, len[0], len[1]], &body[..]].concat();
        chunk.resize(padded(chunk.len()), 0);
        self.give(lies::packet(0, &chunk), Ecn::NotEct);
        Some(())
    }

    fn echo_cookie(&mut self) {
        let Some((tag, cookie)) = self.cookie.clone() else { return };
        let len = ((CHUNK_HEADER_LEN + cookie.len()) as u16).to_be_bytes();
        let mut chunk = [&[chunk::COOKIE_ECHO, 0, len[0], len[1]], &cookie[..]].concat();
        chunk.resize(padded(chunk.len()), 0);
        self.give(lies::packet(tag, &chunk), Ecn::NotEct);
    }

    fn resize(&mut self, max: u8, safe: u8) {
        let size = |n: u8| SIZES[usize::from(n) % SIZES.len()];
        self.budget = Budget { bytes: usize::MAX, max_packet: size(max), safe_packet: size(safe) };
    }

    fn probe(&mut self, len: u16) {
        let mut buf = [0; LARGEST];
        let len = usize::from(len) % LARGEST;
        if let Some(len) = self.sctp.write_probe(self.now, len, &mut Slot::new(&mut buf, 0, 0, LARGEST)) {
            self.hear(&buf[..len]);
        }
    }

    fn change_path(&mut self, kind: u8) {
        match kind % 4 {
            0 => self.sctp.path_changed(self.now),
            1 => self.sctp.hint_round_trip(Duration::from_millis(u64::from(kind) * 8)),
            2 => self.sctp.watch_large(usize::from(kind) * 8),
            _ => drop(self.sctp.poll_probe()),
        }
    }

    /// All that may leave with `bytes` of user data.
    fn poll(&mut self, bytes: usize) {
        let mut buf = [0; LARGEST];
        let mut budget = Budget { bytes, ..self.budget };
        for burst in 0.. {
            assert!(burst < MAX_BURST, "an association sends without end");
            let before = self.sctp.paced_bytes();
            let Some(len) = self.sctp.poll_transmit(self.now, &budget, &mut Slot::new(&mut buf, 0, 0, LARGEST)) else {
                break;
            };
            let paced = (self.sctp.paced_bytes() - before) as usize;
            assert!(paced == 0 || budget.bytes >= budget.max_packet, "data beyond what the path grants");
            budget.bytes = budget.bytes.saturating_sub(paced);
            self.hear(&buf[..len]);
        }
    }

    fn hear(&mut self, packet: &[u8]) {
        let packet = Packet::parse(packet).expect("a packet of our own");
        for chunk in packet.chunks() {
            let chunk = chunk.expect("a chunk of our own");
            match chunk.kind {
                chunk::HEARTBEAT => self.heard = chunk.body.to_vec(),
                chunk::INIT_ACK => {
                    let init = chunk::init::Init::parse(chunk.body).expect("an INIT ACK of our own").init;
                    self.cookie = init.cookie.map(|cookie| (init.tag.0, cookie.to_vec()));
                }
                _ => {}
            }
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.sctp.handle_timeout(self.now);
        if !self.sctp.is_down() {
            self.poll(usize::MAX);
        }
        self.sctp.audit_deadline(self.now);
    }

    fn wait(&mut self) {
        if let Some(deadline) = self.sctp.poll_timeout() {
            self.pass(deadline.since(self.now));
        }
    }

    fn channel(&self, n: u8) -> ChannelId {
        self.channels[usize::from(n) % self.channels.len()]
    }

    fn send(&mut self, which: u8, input: &mut Reader<'_>) -> Option<()> {
        let channel = self.channel(which);
        let (size, times) = match input.u8()? {
            n @ 0..=63 => (usize::from(n), 1),
            // Tiny ones in great number make many chunks.
            n @ 64..=95 => (1, usize::from(n) * 4),
            n => (usize::from(n) * 160, 1),
        };
        for _ in 0..times {
            // What is refused is refused.
            let _ = self.sctp.send(self.now, channel, Kind::Binary, Bytes::from(vec![7; size]));
        }
        Some(())
    }

    fn open(&mut self, kind: u8) {
        let mut init = ChannelInit::new(kind.to_string());
        init.ordered = kind & 1 == 0;
        match kind >> 1 & 3 {
            1 => init.max_retransmits = Some(u16::from(kind >> 4)),
            2 => init.max_packet_life_time = Some(u16::from(kind)),
            _ => {}
        }
        if self.channels.len() < 64
            && let Ok(id) = self.sctp.open(self.now, init)
        {
            self.channels.push(id);
        }
    }

    fn collect(&mut self) {
        while let Some(event) = self.sctp.poll_event() {
            match event {
                Event::Channel(id) => self.channels.push(id),
                Event::Readable(id) if self.reads => while self.sctp.recv(self.now, id).is_some() {},
                _ => {}
            }
        }
    }

    /// Everything is read, and hours pass in silence: nothing is held then but what waits for the peer.
    fn finish(&mut self) {
        self.reads = true;
        for id in self.channels.clone() {
            while self.sctp.recv(self.now, id).is_some() {}
        }
        for _ in 0..64 {
            self.wait();
            self.collect();
            self.sctp.audit();
        }
    }
}
