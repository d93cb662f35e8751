//! The association against sctp-proto, the stack of str0m, where both begin from signalled INIT chunks
//! (draft-hancke-tsvwg-snap-00), on a simulated link.
#![allow(clippy::disallowed_methods, reason = "the other side takes time in std's form; the clock is read once")]

use bytes::Bytes;
use peerage_base::ecn::Ecn;
use peerage_base::rng::Rng;
use peerage_base::slot::Slot;
use peerage_base::time::{Duration, Instant};
use peerage_sctp::association::Association;
use peerage_sctp::budget::Budget;
use peerage_sctp::channel::{ChannelId, ChannelInit, Role};
use peerage_sctp::config::Config;
use peerage_sctp::dcep::{Dcep, Open, Reliability};
use peerage_sctp::event::Event;
use peerage_sctp::message::Kind;
use sctp_proto::{
    Association as TheirAssociation, AssociationHandle, ClientConfig, DatagramEvent, Endpoint, EndpointConfig,
    Event as TheirEvent, Payload, PayloadProtocolIdentifier as Ppid, TransportConfig, generate_snap_token,
};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant as StdInstant;

const WAY: Duration = Duration::from_millis(15);

#[derive(Clone, Copy, PartialEq, Eq)]
enum To {
    Us,
    Them,
}

struct World {
    now: Instant,
    began: StdInstant,
    us: Association,
    endpoint: Endpoint,
    handle: AssociationHandle,
    them: TheirAssociation,
    loss: f64,
    rng: Rng,
    wire: BTreeMap<(Instant, u64), (To, Vec<u8>)>,
    sent: u64,
    events: Vec<Event>,
    ours: BTreeMap<ChannelId, Vec<Bytes>>,
    /// What came to them, by stream.
    theirs: BTreeMap<u16, Vec<Vec<u8>>>,
    connected: bool,
}

fn address() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 5000).into()
}

impl World {
    fn begun(seed: u64, loss: f64, config: Config) -> Self {
        let mut us = Association::new(config, Rng::from_u64(seed), Instant::ORIGIN);
        us.set_role(Role::Client);
        us.set_remote(5000, Some(262_144));
        let transport = TransportConfig::default().with_max_init_retransmits(None).with_max_data_retransmits(None);
        let token = generate_snap_token(&transport).unwrap();
        us.start_with(Instant::ORIGIN, &token).unwrap();
        let mut endpoint = Endpoint::new(Arc::new(EndpointConfig::new()), None);
        let mut client = ClientConfig::new();
        client.transport = Arc::new(transport);
        let (handle, them) = endpoint.connect(client.with_snap(token, us.local_init().into()), address()).unwrap();
        Self {
            now: Instant::ORIGIN,
            began: StdInstant::now(),
            us,
            endpoint,
            handle,
            them,
            loss,
            rng: Rng::from_u64(seed).split("link"),
            wire: BTreeMap::new(),
            sent: 0,
            events: Vec::new(),
            ours: BTreeMap::new(),
            theirs: BTreeMap::new(),
            connected: false,
        }
    }

    fn std_now(&self) -> StdInstant {
        self.began + self.now.since(Instant::ORIGIN)
    }

    fn post(&mut self, to: To, packet: Vec<u8>) {
        self.sent += 1;
        if self.rng.unit() >= self.loss {
            self.wire.insert((self.now + WAY, self.sent), (to, packet));
        }
    }

    fn flush(&mut self) {
        let mut buf = [0; 1600];
        loop {
            let mut slot = Slot::new(&mut buf, 0, 0, 1500);
            if self.us.poll_transmit(self.now, &Budget::unlimited(1191), &mut slot).is_none() {
                break;
            }
            let packet = slot.packet().to_vec();
            self.post(To::Them, packet);
        }
        while let Some(event) = self.us.poll_event() {
            if let Event::Readable(id) = event {
                while let Some(message) = self.us.recv(self.now, id) {
                    self.ours.entry(id).or_default().push(message.payload);
                }
            }
            self.events.push(event);
        }
        self.flush_theirs();
    }

    fn flush_theirs(&mut self) {
        loop {
            while let Some(event) = self.them.poll_endpoint_event() {
                if let Some(event) = self.endpoint.handle_event(self.handle, event) {
                    self.them.handle_event(event);
                }
            }
            while let Some(event) = self.them.poll() {
                self.connected |= matches!(event, TheirEvent::Connected);
                assert!(!matches!(event, TheirEvent::HandshakeFailed { .. } | TheirEvent::AssociationLost { .. }));
            }
            let now = self.std_now();
            let Some(transmit) = self.them.poll_transmit(now).or_else(|| self.endpoint.poll_transmit()) else { break };
            let Payload::RawEncode(packets) = transmit.payload else { panic!("not a packet") };
            packets.into_iter().for_each(|packet| self.post(To::Us, packet.to_vec()));
        }
        while self.them.accept_stream().is_some() {}
        for id in self.them.stream_ids() {
            while let Ok(Some(chunks)) = self.them.stream(id).unwrap().read() {
                let mut message = vec![0; chunks.len()];
                chunks.read(&mut message).unwrap();
                self.theirs.entry(id).or_default().push(message);
            }
        }
    }

    fn step(&mut self) -> bool {
        self.flush();
        let arrival = self.wire.keys().next().map(|(at, _)| *at);
        let theirs = self.them.poll_timeout().map(|at| Instant::ORIGIN + at.saturating_duration_since(self.began));
        let Some(next) = [arrival, self.us.poll_timeout(), theirs].into_iter().flatten().min() else { return false };
        self.now = self.now.max(next);
        let now = self.std_now();
        while let Some(entry) = self.wire.first_entry().filter(|entry| entry.key().0 <= self.now) {
            match entry.remove() {
                (To::Us, packet) => self.us.handle_packet(self.now, Ecn::NotEct, &packet),
                (To::Them, packet) => match self.endpoint.handle(now, address(), None, None, packet.into()) {
                    Some((_, DatagramEvent::AssociationEvent(event))) => self.them.handle_event(event),
                    Some(_) => panic!("another association"),
                    None => {}
                },
            }
        }
        self.us.handle_timeout(self.now);
        self.them.handle_timeout(now);
        self.flush();
        true
    }

    #[track_caller]
    fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let end = self.now + Duration::from_secs(300);
        while !done(self) {
            assert!(self.now < end && self.step(), "never came: {what} at {} {:?}", self.now, self.us.stats());
        }
    }

    fn their_send(&mut self, stream: u16, ppid: Ppid, payload: &[u8]) {
        self.them.stream(stream).unwrap().write_with_ppi(payload, ppid).unwrap();
    }

    /// They open a channel and send a message on it.
    fn their_open(&mut self, stream: u16) {
        self.them.open_stream(stream, Ppid::Binary).unwrap();
        let open =
            Open { ordered: true, reliability: Reliability::Reliable, priority: 256, label: "theirs", protocol: "" };
        self.their_send(stream, Ppid::Dcep, &Dcep::Open(open).to_vec());
    }
}

fn pattern(n: usize, len: usize) -> Vec<u8> {
    (0..len).map(|i| (i.wrapping_mul(31) ^ n.wrapping_mul(7)) as u8).collect()
}

fn configs() -> [Config; 2] {
    let mut checksums = Config::default();
    checksums.zero_checksum = false;
    [Config::default(), checksums]
}

#[test]
fn both_are_up_at_once_and_talk_after_one_way() {
    for config in configs() {
        let mut w = World::begun(1, 0.0, config);
        let id = w.us.open(w.now, ChannelInit::new("x")).unwrap();
        w.us.send(w.now, id, Kind::Binary, Bytes::from_static(b"hi")).unwrap();
        w.their_open(1);
        w.their_send(1, Ppid::Binary, b"hello");
        w.flush();
        assert!(w.connected && w.events.contains(&Event::Open(id)));
        w.until("both messages", |w| !w.ours.is_empty() && w.theirs.get(&0).is_some_and(|m| m.len() == 2));
        assert_eq!(w.now, Instant::ORIGIN + WAY);
        assert_eq!(w.theirs[&0][1], b"hi");
        assert_eq!(w.ours.values().next().unwrap()[..], [Bytes::from_static(b"hello")]);
    }
}

#[test]
fn bulk_crosses_both_ways_under_loss() {
    for (seed, config) in configs().into_iter().chain(configs()).enumerate() {
        let mut w = World::begun(seed as u64, if seed < 2 { 0.05 } else { 0.01 }, config);
        let id = w.us.open(w.now, ChannelInit::new("x")).unwrap();
        w.their_open(1);
        for n in 0..10 {
            w.us.send(w.now, id, Kind::Binary, pattern(n, 20_000).into()).unwrap();
            w.their_send(1, Ppid::Binary, &pattern(n, 20_000));
        }
        let done =
            |w: &World| w.ours.values().any(|m| m.len() == 10) && w.theirs.get(&0).is_some_and(|m| m.len() == 11);
        w.until("all of it", done);
        for n in 0..10 {
            assert_eq!(w.theirs[&0][n + 1], pattern(n, 20_000));
            assert_eq!(w.ours.values().next().unwrap()[n], pattern(n, 20_000));
        }
        assert!(w.us.stats().retransmissions > 0);
    }
}
