//! Two connections and a network between them that loses, delays and repeats, all in virtual time.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::sync::Arc;

use peerage_base::rng::Rng;
use peerage_base::slot::Slot;
use peerage_base::time::{Duration, Instant, earliest};
use peerage_dtls::connection::Dtls;
use peerage_dtls::event::{CloseReason, Event, Info, SealError};
use peerage_dtls::{Certificate, Config, Fingerprint, HashAlgorithm, Role, Versions};

pub fn certificate(seed: u64) -> Arc<Certificate> {
    Arc::new(Certificate::generate(&mut Rng::from_u64(seed), 1_790_000_000).unwrap())
}

pub fn fingerprint(certificate: &Certificate) -> Fingerprint {
    certificate.fingerprint(HashAlgorithm::Sha256)
}

pub fn config(seed: u64, role: Role, peer: &Certificate) -> Config {
    let mut config = Config::new(certificate(seed), role);
    config.expected = vec![fingerprint(peer)];
    config
}

/// Takes one handshake datagram.
pub fn transmit(dtls: &mut Dtls, now: Instant) -> Option<Vec<u8>> {
    let mut buf = [0; 2048];
    let mut slot = Slot::new(&mut buf, 0, 0, 1500);
    dtls.poll_transmit(now, &mut slot).then(|| slot.packet().to_vec())
}

/// Seals one packet with exactly the room that `overhead` asks for.
pub fn seal(dtls: &mut Dtls, plaintext: &[u8]) -> Result<Vec<u8>, SealError> {
    let overhead = dtls.overhead();
    let mut buf = vec![0; overhead.head + plaintext.len() + overhead.tail];
    let mut slot = Slot::new(&mut buf, overhead.head, overhead.tail, plaintext.len());
    slot.room().copy_from_slice(plaintext);
    slot.fill(plaintext.len());
    dtls.seal(&mut slot)?;
    Ok(slot.packet().to_vec())
}

/// One side and what it said.
pub struct Side {
    pub dtls: Dtls,
    pub info: Option<Info>,
    pub closed: Option<CloseReason>,
    pub received: Vec<Vec<u8>>,
    pub key_log: Vec<String>,
}

impl Side {
    pub fn new(config: Config, seed: u64, now: Instant) -> Self {
        let dtls = Dtls::new(config, Rng::from_u64(seed), now);
        Self { dtls, info: None, closed: None, received: Vec::new(), key_log: Vec::new() }
    }

    pub fn input(&mut self, now: Instant, datagram: &[u8]) {
        let mut payload = datagram.to_vec();
        self.dtls.handle_datagram(now, &mut payload);
        self.read(&mut payload);
    }

    pub fn read(&mut self, payload: &mut [u8]) {
        while let Some(event) = self.dtls.poll_event() {
            assert!(self.closed.is_none(), "an event after the last one");
            match event {
                Event::Connected(info) => assert!(self.info.replace(info).is_none(), "connected twice"),
                Event::KeyLog(line) => self.key_log.push(line.0),
                Event::Closed(reason) => self.closed = Some(reason),
            }
        }
        while let Some(data) = self.dtls.poll_data(payload) {
            assert!(self.info.is_some(), "data of an unverified peer");
            self.received.push(data.to_vec());
        }
    }
}

/// How the network treats a datagram.
#[derive(Clone, Copy, Debug, Default)]
pub struct Weather {
    pub loss: f64,
    pub duplication: f64,
    /// Most extra delay; reorders.
    pub jitter: Duration,
}

pub struct Pair {
    pub sides: [Side; 2],
    pub now: Instant,
    weather: Weather,
    rng: Rng,
    flying: Vec<(Instant, usize, Vec<u8>)>,
    /// Every datagram that was sent, with its sender.
    pub sent: Vec<(usize, Vec<u8>)>,
}

impl Pair {
    /// Client first.
    pub fn new(client: Config, server: Config, weather: Weather, seed: u64) -> Self {
        let now = Instant::from_millis(seed % 1000);
        let sides = [Side::new(client, seed, now), Side::new(server, seed + 1, now)];
        Self { sides, now, weather, rng: Rng::from_u64(seed).split("weather"), flying: Vec::new(), sent: Vec::new() }
    }

    /// A pair that trusts each other.
    pub fn trusting(versions: [Versions; 2], weather: Weather, seed: u64) -> Self {
        let (a, b) = (certificate(1), certificate(2));
        let mut client = Config::new(a.clone(), Role::Client);
        let mut server = Config::new(b.clone(), Role::Server);
        (client.expected, server.expected) = (vec![fingerprint(&b)], vec![fingerprint(&a)]);
        [client.versions, server.versions] = versions;
        Self::new(client, server, weather, seed)
    }

    pub fn send(&mut self, from: usize, datagram: Vec<u8>) {
        self.sent.push((from, datagram.clone()));
        let copies = 1 + usize::from(self.rng.unit() < self.weather.duplication);
        for _ in 0..copies {
            if self.rng.unit() >= self.weather.loss {
                let jitter = self.rng.below(self.weather.jitter.as_nanos() as u64 + 1);
                let at = self.now + Duration::from_millis(10) + Duration::from_nanos(jitter);
                self.flying.push((at, 1 - from, datagram.clone()));
            }
        }
    }

    pub fn flush(&mut self) {
        for side in 0..2 {
            while let Some(datagram) = transmit(&mut self.sides[side].dtls, self.now) {
                self.send(side, datagram);
            }
            self.sides[side].read(&mut []);
        }
    }

    /// Runs until nothing happens any more before `limit` passes; answers whether `done` came true.
    pub fn run_until(&mut self, limit: Duration, mut done: impl FnMut(&Self) -> bool) -> bool {
        let end = self.now + limit;
        loop {
            self.flush();
            if done(self) {
                return true;
            }
            let mut next = self.flying.iter().map(|f| f.0).min();
            for side in &self.sides {
                let deadline = side.dtls.poll_timeout();
                assert!(deadline.is_none_or(|d| d > self.now), "a deadline that is not ahead");
                next = earliest(next, deadline);
            }
            let Some(next) = next.filter(|next| *next <= end) else { return false };
            self.now = self.now.max(next);
            self.flying.sort_by_key(|f| f.0);
            while self.flying.first().is_some_and(|f| f.0 <= self.now) {
                let (_, to, datagram) = self.flying.remove(0);
                self.sides[to].input(self.now, &datagram);
            }
            for side in &mut self.sides {
                if side.dtls.poll_timeout().is_some_and(|d| d <= self.now) {
                    side.dtls.handle_timeout(self.now);
                    side.read(&mut []);
                }
            }
        }
    }

    pub fn connect(&mut self) {
        let done = self.run_until(Duration::from_secs(60), |p| p.sides.iter().all(|s| s.info.is_some()));
        let closed = [&self.sides[0].closed, &self.sides[1].closed];
        assert!(done, "no connection at {}: {closed:?}", self.now);
    }
}
