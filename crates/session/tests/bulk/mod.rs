//! Two sessions side by side, over a line without loss in virtual time, of which the first sends in bulk.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::sync::Arc;

use bytes::Bytes;
use peerage_base::datagram::Datagram;
use peerage_base::ecn::Ecn;
use peerage_base::path::{LocalId, Path};
use peerage_base::rng::Rng;
use peerage_base::time::{Duration, Instant};
use peerage_session::config::{Config, LocalAddress};
use peerage_session::event::{Event, Need};
use peerage_session::face::{Certificate, ChannelId, ChannelInit, Kind};
use peerage_session::session::Session;
use peerage_testkit::fixtures;

const RUN: usize = 65_536;
static PAYLOAD: [u8; 50_000] = [7; 50_000];

pub struct Pair {
    now: Instant,
    pub ends: [Session; 2],
    buf: Box<[u8]>,
    received: u64,
    pub packets: u64,
    /// Runs with data.
    pub runs: u64,
    /// Packets of the longest run.
    pub longest: usize,
}

impl Pair {
    pub fn connected() -> (Self, ChannelId) {
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

    pub fn transfer(&mut self, id: ChannelId, len: usize, total: u64) {
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

pub fn certificate(seed: u64) -> Arc<Certificate> {
    Arc::new(Certificate::generate(&mut Rng::from_u64(seed), fixtures::UNIX_TIME).unwrap())
}
