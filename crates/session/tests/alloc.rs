//! What a packet costs in allocations once a transfer is under way.

use std::sync::Arc;

use bytes::Bytes;
use peerage_base::datagram::Datagram;
use peerage_base::ecn::Ecn;
use peerage_base::path::{LocalId, Path};
use peerage_base::rng::Rng;
use peerage_base::slot::Slot;
use peerage_base::time::{Duration, Instant};
use peerage_dtls::config::{Config as DtlsConfig, Role};
use peerage_dtls::connection::Dtls;
use peerage_dtls::fingerprint::HashAlgorithm;
use peerage_session::config::{Config, LocalAddress};
use peerage_session::event::{Event, Need};
use peerage_session::face::{Certificate, ChannelId, ChannelInit, Kind};
use peerage_session::session::Session;
use peerage_testkit::fixtures;

const RUN: usize = 65_536;
static PAYLOAD: [u8; 50_000] = [7; 50_000];

struct Pair {
    now: Instant,
    ends: [Session; 2],
    buf: Box<[u8]>,
    received: u64,
    packets: u64,
    /// Runs with data.
    runs: u64,
    /// Packets of the longest run.
    longest: usize,
}

impl Pair {
    fn connected() -> (Self, ChannelId) {
        let now = Instant::from_millis(1);
        let end = |seed| Session::new(Config::default(), certificate(seed), Rng::from_u64(seed), now);
        let mut ends = [end(1), end(2)];
        let id = ends[0].create_data_channel(now, ChannelInit::new("bulk")).unwrap();
        for (n, end) in ends.iter_mut().enumerate() {
            let address = address(n);
            end.add_local(now, LocalAddress::udp(address, 1));
            end.local_addresses_done(now);
        }
        let offer = ends[0].create_offer(now, Default::default()).unwrap();
        ends[0].set_local_description(now, Some(offer.clone())).unwrap();
        ends[1].set_remote_description(now, offer).unwrap();
        let answer = ends[1].create_answer(now).unwrap();
        ends[1].set_local_description(now, Some(answer.clone())).unwrap();
        ends[0].set_remote_description(now, answer).unwrap();
        for n in 0..2 {
            while let Some(event) = ends[n].poll_event() {
                if let Event::IceCandidate(Some(candidate)) = event {
                    ends[1 - n].add_ice_candidate(now, &candidate).unwrap();
                }
            }
        }
        let mut pair = Self { now, ends, buf: vec![0; RUN].into(), received: 0, packets: 0, runs: 0, longest: 0 };
        for _ in 0..500 {
            pair.exchange();
        }
        assert!(pair.ends.iter().all(|end| end.stats().security.is_some()));
        (pair, id)
    }

    /// Carries everything that each end has to send to the other, which reads it all.
    fn exchange(&mut self) {
        self.now += Duration::from_millis(5);
        for from in 0..2 {
            let [a, b] = &mut self.ends;
            let (sender, receiver) = if from == 0 { (a, b) } else { (b, a) };
            let path = Path { local: LocalId(0), remote: address(from) };
            while let Some(transmit) = sender.poll_transmit(self.now, &mut self.buf) {
                self.runs += u64::from(transmit.len > 200);
                self.longest = self.longest.max(transmit.len / transmit.segment.unwrap_or(transmit.len));
                let run = &mut self.buf[..transmit.len];
                for payload in run.chunks_mut(transmit.segment.unwrap_or(transmit.len)) {
                    self.packets += 1;
                    let datagram = Datagram { path, ecn: Ecn::NotEct, received_at: self.now, payload };
                    receiver.handle_datagram(self.now, datagram);
                }
            }
            for end in [sender, receiver] {
                end.handle_timeout(self.now);
                while let Some(event) = end.poll_event() {
                    match event {
                        Event::ChannelReadable(id) => {
                            while let Some(message) = end.recv(self.now, id) {
                                self.received += message.payload.len() as u64;
                            }
                        }
                        Event::Need(_, need) => assert_eq!(need, Need::LocalAddresses),
                        _ => {}
                    }
                }
            }
        }
    }

    fn transfer(&mut self, id: ChannelId, len: usize, total: u64) {
        let goal = self.received + total;
        let mut queued = 0;
        while self.received < goal {
            while queued < total && self.ends[0].buffered_amount(id) < 1 << 20 {
                self.ends[0].send(self.now, id, Kind::Binary, Bytes::from_static(&PAYLOAD[..len])).unwrap();
                queued += len as u64;
            }
            self.exchange();
        }
    }
}

fn address(n: usize) -> std::net::SocketAddr {
    fixtures::v4(n as u8 + 1, 5000)
}

fn certificate(seed: u64) -> Arc<Certificate> {
    Arc::new(Certificate::generate(&mut Rng::from_u64(seed), fixtures::UNIX_TIME).unwrap())
}

/// Allocations per packet of a session pair in a transfer that follows an equal one.
fn session_cost(len: usize) -> f64 {
    let (mut pair, id) = Pair::connected();
    let total = (8_000_000 / len * len) as u64;
    pair.transfer(id, len, total);
    let before = pair.packets;
    let info = allocation_counter::measure(|| pair.transfer(id, len, total));
    let packets = pair.packets - before;
    assert!(packets > 5000, "{packets}");
    info.count_total as f64 / packets as f64
}

/// Allocations per packet of sealing and opening alone.
fn dtls_cost() -> f64 {
    let now = Instant::from_millis(1);
    let certificates = [certificate(1), certificate(2)];
    let end = |own: usize, role| {
        let mut config = DtlsConfig::new(certificates[own].clone(), role);
        config.expected = vec![certificates[1 - own].fingerprint(HashAlgorithm::Sha256)];
        Dtls::new(config, Rng::from_u64(own as u64), now)
    };
    let mut ends = [end(0, Role::Client), end(1, Role::Server)];
    let mut buf = vec![0; 2048];
    for _ in 0..20 {
        for from in 0..2 {
            let mut slot = Slot::new(&mut buf, 0, 0, 1500);
            while ends[from].poll_transmit(now, &mut slot) {
                ends[1 - from].handle_datagram(now, slot.packet_mut());
                slot = Slot::new(&mut buf, 0, 0, 1500);
            }
        }
    }
    assert!(ends.iter().all(Dtls::is_connected));
    let mut carry = |count: u32| {
        for _ in 0..count {
            let overhead = ends[0].overhead();
            let mut slot = Slot::new(&mut buf, overhead.head, overhead.tail, 1178);
            slot.room().fill(9);
            slot.fill(1178);
            ends[0].seal(&mut slot).unwrap();
            let packet = slot.packet_mut();
            ends[1].handle_datagram(now, packet);
            assert_eq!(ends[1].poll_data(packet).map(|data| data.len()), Some(1178));
        }
    };
    carry(1000);
    allocation_counter::measure(|| carry(5000)).count_total as f64 / 5000.0
}

#[test]
fn a_packet_costs_hardly_an_allocation_and_none_for_its_protection() {
    let protection = dtls_cost();
    assert!(protection == 0.0, "{protection} for sealing and opening");
    for len in [1000, 50_000] {
        let cost = session_cost(len);
        println!("{len} bytes a message: {cost:.3} allocations per packet");
        // Arenas, growing messages, acknowledgements.
        assert!(cost < 0.35, "{cost}");
    }
}

#[test]
fn messages_that_fill_no_packet_leave_in_runs_as_well() {
    // One to a packet, two, and more than one with a rest.
    for len in [1000, 600, 2000, 50_000] {
        let (mut pair, id) = Pair::connected();
        pair.transfer(id, len, (1_000_000 / len * len) as u64);
        assert!(pair.longest >= if len == 2000 { 2 } else { 20 }, "{len} bytes a message: runs of {}", pair.longest);
    }
}

#[test]
fn messages_that_are_cut_leave_in_long_runs_wherever_they_end() {
    for (len, least) in [(3000, 12), (16_384, 20), (50_000, 20)] {
        let (mut pair, id) = Pair::connected();
        pair.transfer(id, len, (2_000_000 / len * len) as u64);
        let (packets, runs) = (pair.packets, pair.runs);
        pair.transfer(id, len, (8_000_000 / len * len) as u64);
        let (packets, runs) = (pair.packets - packets, pair.runs - runs);
        println!("{len} bytes a message: {packets} packets in {runs} runs");
        assert!(packets > least * runs, "{packets} packets in {runs} runs");
    }
}
