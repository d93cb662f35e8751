//! The contract of machines, over simulated lines.

mod common;

use common::{certificate, fingerprint};
use peerage_base::rng::Rng;
use peerage_base::slot::Slot;
use peerage_base::time::{Duration, Instant};
use peerage_dtls::connection::Dtls;
use peerage_dtls::event::Event;
use peerage_dtls::{Config, Role, Versions};
use peerage_sim::link::Link;
use peerage_testkit::{Driver, Pair, fixtures};

struct Connection {
    dtls: Dtls,
    outgoing: Vec<Vec<u8>>,
    received: Vec<Vec<u8>>,
}

impl Connection {
    /// A client and a server that expect each other.
    fn pair(versions: Versions, seed: u64) -> [Self; 2] {
        let certificates = [certificate(1), certificate(2)];
        [Role::Client, Role::Server].map(|role| {
            let own = usize::from(role == Role::Server);
            let mut config = Config::new(certificates[own].clone(), role);
            config.expected = vec![fingerprint(&certificates[1 - own])];
            config.versions = versions;
            let dtls = Dtls::new(config, Rng::from_u64(seed + own as u64), Instant::ORIGIN);
            Self { dtls, outgoing: Vec::new(), received: Vec::new() }
        })
    }
}

impl Driver for Connection {
    type Event = Event;

    fn handle_packet(&mut self, now: Instant, payload: &mut [u8]) {
        self.dtls.handle_datagram(now, payload);
        while let Some(data) = self.dtls.poll_data(payload) {
            self.received.push(data.to_vec());
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.dtls.handle_timeout(now);
    }

    fn poll_packet(&mut self, now: Instant, buf: &mut [u8]) -> Option<usize> {
        let overhead = self.dtls.overhead();
        let mut slot = Slot::new(buf, 0, 0, 1500);
        if self.dtls.poll_transmit(now, &mut slot) {
            return Some(slot.len());
        }
        if !self.dtls.is_connected() {
            return None;
        }
        let plaintext = self.outgoing.pop()?;
        let mut slot = Slot::new(buf, overhead.head, overhead.tail, 1500);
        slot.room()[..plaintext.len()].copy_from_slice(&plaintext);
        slot.fill(plaintext.len());
        self.dtls.seal(&mut slot).unwrap();
        let range = slot.range();
        buf.copy_within(range.clone(), 0);
        Some(range.len())
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.dtls.poll_event()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.dtls.poll_timeout()
    }

    fn is_connected(&self) -> bool {
        self.dtls.is_connected()
    }
}

const VERSIONS: [Versions; 2] = [Versions::Any, Versions::Dtls12];

#[test]
fn the_contract_holds_on_every_line() {
    for versions in VERSIONS {
        for link in [fixtures::lan(), fixtures::wan(), fixtures::mobile(), fixtures::awful()] {
            for seed in 0..5 {
                let [client, server] = Connection::pair(versions, seed);
                let mut pair = Pair::new(seed, client, server, link);
                pair.connect();
                pair.a_mut().outgoing = vec![fixtures::pattern(1000); 50];
                pair.drive(Duration::from_secs(20));
                assert!(!pair.b().received.is_empty());
                assert!(pair.b().received.iter().all(|data| *data == fixtures::pattern(1000)));
                assert!(pair.events_of_a().len() == 1 && pair.events_of_b().len() == 1, "connected and no more");
            }
        }
    }
}

#[test]
fn a_handshake_takes_as_few_round_trips_as_its_version_allows() {
    for (versions, round_trips) in [(Versions::Any, 1), (Versions::Dtls12, 2)] {
        let [client, server] = Connection::pair(versions, 1);
        let one_way = Duration::from_millis(50);
        let mut pair = Pair::new(1, client, server, Link::with_delay(one_way));
        assert!(pair.drive_until(Duration::from_secs(5), |pair| pair.a().is_connected()));
        assert_eq!(pair.now(), Instant::ORIGIN + 2 * one_way * round_trips, "{versions:?}");
    }
}

#[test]
fn a_line_that_swallows_long_packets_gets_shorter_ones() {
    for versions in VERSIONS {
        let [client, server] = Connection::pair(versions, 1);
        let mut pair = Pair::new(1, client, server, Link { mtu: Some(600), ..fixtures::wan() });
        pair.connect();
    }
}

#[test]
fn no_timer_outlives_the_handshake() {
    let [client, server] = Connection::pair(Versions::Any, 1);
    let mut pair = Pair::new(1, client, server, fixtures::wan());
    pair.connect();
    pair.drive(Duration::from_secs(5));
    assert_eq!((pair.a().poll_timeout(), pair.b().poll_timeout()), (None, None));
}
