//! Flows against a scripted server, in simulated time.

mod allocate;
mod auth;
mod channels;
mod data;
mod life;
mod permissions;

use alloc::vec::Vec;
use core::net::SocketAddr;

use peerage_base::rng::Rng;
use peerage_base::slot::Slot;
use peerage_base::time::{Duration, Instant};
use peerage_stun::header::{Class, Method};
use peerage_stun::message::Message;

use crate::client::Client;
use crate::client::config::Config;
use crate::client::double::{Age, Double, MAPPED, PASSWORD, RELAYED, RELAYED_V6, USER};
use crate::client::event::{Event, Received, Wrapped};

pub(super) const SECOND: Duration = Duration::from_secs(1);
const SERVER: &str = "192.0.2.1:3478";

/// A client, its server, and the way between them.
pub(super) struct Lab {
    pub(super) now: Instant,
    pub(super) client: Client,
    pub(super) server: Double,
    /// Everything that the client sent, lost or not.
    pub(super) sent: Vec<(Instant, Vec<u8>)>,
    /// How many of the next packets to the server are lost.
    pub(super) lose: usize,
    /// How many of the next answers are lost.
    pub(super) lose_answers: usize,
}

pub(super) fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

pub(super) fn peer(n: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, n], 5000 + u16::from(n)))
}

impl Lab {
    pub(super) fn new(age: Age) -> Self {
        Self::with(age, |_| {})
    }

    pub(super) fn with(age: Age, change: impl FnOnce(&mut Config)) -> Self {
        let now = Instant::from_millis(1000);
        let mut config = Config::new(USER, PASSWORD);
        change(&mut config);
        let client = Client::new(config, address(SERVER), Rng::from_u64(7), now);
        Self { now, client, server: Double::new(age), sent: Vec::new(), lose: 0, lose_answers: 0 }
    }

    /// A lab with an allocation, its events read.
    pub(super) fn allocated(age: Age) -> Self {
        let mut lab = Self::new(age);
        lab.exchange();
        assert_eq!(lab.events(), [allocated(RELAYED)]);
        lab.sent.clear();
        lab
    }

    /// What the client has to send now. Keeps an eye on what every machine promises.
    pub(super) fn drain(&mut self) -> Vec<Vec<u8>> {
        let mut packets = Vec::new();
        let mut buf = [0; 1500];
        loop {
            let mut slot = Slot::new(&mut buf, 0, 0, 1500);
            if !self.client.poll_transmit(self.now, &mut slot) {
                break;
            }
            assert!(!slot.is_empty());
            self.sent.push((self.now, slot.packet().to_vec()));
            packets.push(slot.packet().to_vec());
            assert!(packets.len() < 1000, "it sends without end");
        }
        let mut slot = Slot::new(&mut buf, 0, 0, 1500);
        assert!(!self.client.poll_transmit(self.now, &mut slot), "drained means quiet");
        packets
    }

    /// Packets go to and fro until nobody has anything to say.
    pub(super) fn exchange(&mut self) {
        loop {
            let packets = self.drain();
            if packets.is_empty() {
                break;
            }
            for packet in packets {
                if self.lose > 0 {
                    self.lose -= 1;
                    continue;
                }
                let Some(mut answer) = self.server.handle(&packet) else { continue };
                if self.lose_answers > 0 {
                    self.lose_answers -= 1;
                    continue;
                }
                assert_eq!(self.client.handle_datagram(self.now, &mut answer), None);
            }
        }
        self.client.handle_timeout(self.now);
        assert!(self.drain().is_empty(), "an early timeout made a packet");
        assert!(self.client.poll_timeout().is_none_or(|at| at > self.now), "a deadline stayed");
    }

    /// Lets time pass, deadline by deadline.
    pub(super) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        self.exchange();
        while let Some(at) = self.client.poll_timeout().filter(|at| *at <= end) {
            self.now = at;
            self.client.handle_timeout(at);
            self.exchange();
        }
        self.now = end;
        self.client.handle_timeout(end);
        self.exchange();
    }

    pub(super) fn events(&mut self) -> Vec<Event> {
        core::iter::from_fn(|| self.client.poll_event()).collect()
    }

    /// Methods and classes of what was sent.
    pub(super) fn sent_methods(&self) -> Vec<(Class, Method)> {
        let read = |(_, packet): &(Instant, Vec<u8>)| {
            let message = Message::parse(packet).ok()?;
            Some((message.class(), message.method()))
        };
        self.sent.iter().filter_map(read).collect()
    }

    /// How many requests of that method were sent.
    pub(super) fn count(&self, method: Method) -> usize {
        self.sent_methods().iter().filter(|sent| **sent == (Class::Request, method)).count()
    }

    /// Hands a packet to the client.
    pub(super) fn inject(&mut self, packet: &[u8]) -> Option<Received> {
        self.client.handle_datagram(self.now, &mut packet.to_vec())
    }

    /// Wraps data for a peer; what is ready goes to the server.
    pub(super) fn send(&mut self, peer: SocketAddr, data: &[u8]) -> Wrapped {
        let mut buf = [0; 1500];
        let (head, tail) = self.client.overhead(peer);
        let mut slot = Slot::new(&mut buf, head, tail, data.len());
        slot.room().copy_from_slice(data);
        slot.fill(data.len());
        let wrapped = self.client.wrap(self.now, peer, &mut slot);
        if wrapped == Wrapped::Ready {
            let packet = slot.packet().to_vec();
            assert_eq!(self.server.handle(&packet), None);
            self.sent.push((self.now, packet));
        }
        wrapped
    }

    /// Lets the server refuse or forbid nothing, with a permission for `peer` there.
    pub(super) fn permitted(age: Age, peer: SocketAddr) -> Self {
        let mut lab = Self::allocated(age);
        lab.client.permit(lab.now, peer);
        lab.exchange();
        assert_eq!(lab.events(), [Event::Permitted { peer }]);
        lab.sent.clear();
        lab
    }
}

pub(super) fn allocated(relayed: &str) -> Event {
    Event::Allocated { relayed: address(relayed), mapped: address(MAPPED) }
}

#[test]
fn the_same_seed_makes_the_same_bytes() {
    let run = || {
        let mut lab = Lab::with(Age::New { userhash: true }, |config| {
            config.families = crate::client::config::Families::Both;
        });
        lab.lose = 2;
        (1..20).for_each(|n| lab.client.permit(lab.now, peer(n)));
        lab.client.bind(lab.now, peer(3));
        lab.run(700 * SECOND);
        let held = lab.send(peer(5), b"data");
        assert_eq!(held, Wrapped::Ready);
        lab.client.close(lab.now);
        lab.run(SECOND);
        assert!(lab.events().contains(&Event::Released { relayed: address(RELAYED_V6) }));
        lab.sent
    };
    let first = run();
    assert!(first.len() > 30);
    assert_eq!(first, run());
}
