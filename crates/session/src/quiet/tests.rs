//! What an idle connection costs: its memory, row by row, and its wake-ups.

extern crate std;

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::mem;
use std::println;

use bytes::Bytes;
use peerage_base::datagram::Datagram;
use peerage_base::ecn::Ecn;
use peerage_base::path::{LocalId, Path};
use peerage_base::rng::Rng;
use peerage_base::time::{Duration, Instant, earliest};
use peerage_dtls::certificate::Certificate;
use peerage_ice::agent::Agent;
use peerage_ice::config::{Config as IceConfig, Role};
use peerage_jsep::negotiation::Negotiation;
use peerage_sctp::channel::ChannelId;
use peerage_sctp::message::Kind;
use peerage_testkit::fixtures;

use crate::config::{Config, LocalAddress};
use crate::event::{ConnectionState, Event};
use crate::face::ChannelInit;
use crate::memory::{Gather, Pending};
use crate::session::Session;

/// Interval of the checks that renew consent, which is spread by a fifth at most (RFC 7675 §5.1), in milliseconds.
const LEAST_INTERVAL: u64 = 4_000;

struct Pair {
    now: Instant,
    ends: [Session; 2],
    buf: Vec<u8>,
    channel: ChannelId,
    received: usize,
    /// Calls of `handle_timeout` because a deadline had come, and datagrams.
    wakeups: u64,
    datagrams: u64,
}

impl Pair {
    /// Two sessions with one open channel, which has carried a message each way.
    fn connected() -> Self {
        let now = Instant::from_millis(1);
        let mut ends = [1, 2].map(|seed| {
            let certificate = Certificate::generate(&mut Rng::from_u64(seed), fixtures::UNIX_TIME).unwrap();
            Session::new(Config::default(), Arc::new(certificate), Rng::from_u64(seed), now)
        });
        let channel = ends[0].create_data_channel(now, ChannelInit::new("idle")).unwrap();
        for (n, end) in ends.iter_mut().enumerate() {
            end.add_local(now, LocalAddress::udp(address(n), 1));
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
        let mut pair = Self { now, ends, buf: vec![0; 65_536], channel, received: 0, wakeups: 0, datagrams: 0 };
        pair.pass(Duration::from_secs(1));
        assert!(pair.ends.iter().all(|end| end.states.connection == ConnectionState::Connected));
        pair.talk();
        pair
    }

    /// A message there and one back.
    fn talk(&mut self) {
        for n in 0..2 {
            self.ends[n].send(self.now, self.channel, Kind::Text, Bytes::from_static(b"a word")).unwrap();
            self.carry();
        }
        self.pass(Duration::from_secs(1));
        assert_eq!(mem::take(&mut self.received), 12);
    }

    /// Lets time pass as a driver does: nobody is woken but at a deadline.
    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        self.carry();
        while let Some(at) =
            earliest(self.ends[0].poll_timeout(), self.ends[1].poll_timeout()).filter(|at| *at <= until)
        {
            self.now = self.now.max(at);
            for end in &mut self.ends {
                if end.poll_timeout().is_some_and(|at| at <= self.now) {
                    end.handle_timeout(self.now);
                    self.wakeups += 1;
                }
            }
            self.carry();
        }
        self.now = until;
    }

    /// Carries what either end has to send, until nothing is left.
    fn carry(&mut self) {
        let mut busy = true;
        while mem::take(&mut busy) {
            for from in 0..2 {
                let [a, b] = &mut self.ends;
                let (sender, receiver) = if from == 0 { (a, b) } else { (b, a) };
                let path = Path { local: LocalId(0), remote: address(from) };
                while let Some(transmit) = sender.poll_transmit(self.now, &mut self.buf) {
                    busy = true;
                    for payload in self.buf[..transmit.len].chunks_mut(transmit.segment.unwrap_or(transmit.len)) {
                        self.datagrams += 1;
                        let datagram = Datagram { path, ecn: Ecn::NotEct, received_at: self.now, payload };
                        receiver.handle_datagram(self.now, datagram);
                    }
                }
            }
            for end in &mut self.ends {
                while let Some(event) = end.poll_event() {
                    if let Event::ChannelReadable(id) = event {
                        while let Some(message) = end.recv(self.now, id) {
                            self.received += message.payload.len();
                        }
                    }
                }
            }
        }
    }
}

fn address(n: usize) -> std::net::SocketAddr {
    fixtures::v4(n as u8 + 1, 5000)
}

/// Bytes on the heap that `drop` gives back. What the cipher library allocates by itself is not counted; in quiet times
/// there is nothing of it.
fn freed(drop: impl FnOnce()) -> usize {
    usize::try_from(-allocation_counter::measure(drop).bytes_current).unwrap()
}

/// Bytes of each part, inline and on the heap.
struct Rows {
    keys: usize,
    ice: usize,
    data: usize,
    descriptions: usize,
    rest: usize,
}

impl Rows {
    fn of(mut session: Session) -> Self {
        let now = Instant::from_millis(1);
        let agent = Agent::new(IceConfig::default(), Role::Controlling, Rng::from_u64(9), now);
        let negotiation = Session::negotiation(&session.config, &session.rng);
        let keys = freed(|| session.dtls = None);
        let data = freed(|| session.association = None);
        let old = mem::replace(&mut session.ice, agent);
        let ice = size_of::<Agent>() + freed(|| drop(old));
        let old = mem::replace(&mut session.negotiation, negotiation);
        let texts = size_of::<Negotiation>() + freed(|| drop(old));
        let (gather, pending) = (mem::take(&mut session.gather), mem::take(&mut session.pending));
        let gathered = size_of::<Gather>() + size_of::<Pending>() + freed(|| drop((gather, pending)));
        let inline = size_of::<Agent>() + size_of::<Negotiation>() + size_of::<Gather>() + size_of::<Pending>();
        let Session { events, claimed, relays, early, config, .. } = session;
        let rest = size_of::<Session>() - inline + freed(|| drop((events, claimed, relays, early, config)));
        Self { keys, ice, data, descriptions: texts + gathered, rest }
    }
}

#[test]
fn an_idle_connection_has_little_memory() {
    let mut pair = Pair::connected();
    pair.pass(Duration::from_secs(60));
    for session in pair.ends {
        let Rows { keys, ice, data, descriptions, rest } = Rows::of(session);
        println!("keys {keys}, ICE {ice}, data {data}, descriptions {descriptions}, session {rest} bytes");
        assert!(keys <= 2048, "{keys} for keys");
        assert!(ice <= 2048, "{ice} for ICE");
        assert!(descriptions <= 2304, "{descriptions} for descriptions");
        assert!(rest <= 1024, "{rest} for the session");
    }
}

#[test]
fn an_idle_connection_wakes_up_for_its_consent_alone() {
    let mut pair = Pair::connected();
    pair.pass(Duration::from_secs(60));
    let (wakeups, datagrams) = (pair.wakeups, pair.datagrams);
    pair.pass(Duration::from_secs(60));
    let checks = 2 * 60_000 / LEAST_INTERVAL;
    let (wakeups, datagrams) = (pair.wakeups - wakeups, pair.datagrams - datagrams);
    println!("{wakeups} wake-ups and {datagrams} datagrams in a minute");
    assert!(wakeups <= checks, "{wakeups} wake-ups of both ends");
    assert!(datagrams <= 2 * checks, "{datagrams} checks and answers");
}

#[test]
fn what_was_given_back_is_not_missed() {
    let mut pair = Pair::connected();
    for _ in 0..3 {
        pair.pass(Duration::from_secs(60));
        pair.talk();
        let now = pair.now;
        pair.pass(Duration::from_secs(60));
        pair.ends[0].restart_ice(now);
        let [a, b] = &mut pair.ends;
        let before = a.local_description().unwrap();
        a.set_local_description(now, None).unwrap();
        assert_ne!(a.local_ufrag(), "");
        b.set_remote_description(now, a.local_description().unwrap()).unwrap();
        b.set_local_description(now, None).unwrap();
        a.set_remote_description(now, b.local_description().unwrap()).unwrap();
        assert_ne!(a.local_description().unwrap(), before, "new credentials");
        pair.pass(Duration::from_secs(5));
        assert!(pair.ends.iter().all(|end| end.states.connection == ConnectionState::Connected));
        pair.talk();
    }
}
