//! What stands between two peers, and the run that shows what they make of it.

use std::net::IpAddr;

use bytes::Bytes;
use peerage_base::time::{Duration, Instant, earliest};
use peerage_session::config::{Config, Server};
use peerage_session::event::SelectedPair;
use peerage_session::face::CandidateKind;
use peerage_session::ice_server::{Host, Scheme, ServerUrl};
use peerage_sim::nat::config::Config as NatConfig;
use peerage_sim::network::AttachmentId;
use peerage_sim::topology::{Behind, Families, Pair, Plan, Shape};
use peerage_sim::world::{Id, World};

use crate::outcome::{Outcome, Way};
use crate::peer::Peer;
use crate::relay::{PASSWORD, PORT, RelayServer, USER};

/// What the peers may use.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Scenario {
    /// What stands between the two.
    pub plan: Plan,
    /// Repeats the run. Default 1.
    pub seed: u64,
    /// Whether there are two STUN servers. Default yes.
    pub stun: bool,
    /// Whether there is a relay. Default yes.
    pub turn: bool,
    /// Only what RFC 8445 has: no port prediction, no probing. Default no.
    pub plain_ice: bool,
    /// Whether TCP candidates are offered. Default no.
    pub tcp: bool,
    /// How long signalling takes from one peer to the other. Default 20 ms.
    pub signalling: Duration,
    /// The end of the run where nothing better is to be hoped for. Default 30 s.
    pub limit: Duration,
    /// Test messages that the offerer sends, 50 in a second from when it is connected. Default 20.
    pub messages: usize,
}

/// A world that runs.
pub struct Run {
    /// The world.
    pub world: World,
    /// The two peers.
    pub peers: [Id<Peer>; 2],
    /// Where they are attached.
    pub attachments: [AttachmentId; 2],
    /// The networks.
    pub pair: Pair,
    /// The server with STUN and the relay.
    pub relay: Option<Id<RelayServer>>,
    /// A second STUN server.
    pub second: Option<Id<RelayServer>>,
    scenario: Scenario,
    sent: usize,
    next_message: Instant,
}

impl Scenario {
    /// One NAT on either side.
    pub fn between(a: NatConfig, b: NatConfig) -> Self {
        Self::new(Plan::new(Shape::Apart(Behind::Nat(a), Behind::Nat(b))))
    }

    /// The defaults, with this between the two.
    pub fn new(plan: Plan) -> Self {
        Self {
            plan,
            seed: 1,
            stun: true,
            turn: true,
            plain_ice: false,
            tcp: false,
            signalling: Duration::from_millis(20),
            limit: Duration::from_secs(30),
            messages: 20,
        }
    }

    /// The same without what goes beyond RFC 8445.
    #[must_use]
    pub fn plain(mut self) -> Self {
        self.plain_ice = true;
        self
    }

    /// The same with another seed.
    #[must_use]
    pub fn seeded(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Builds the world; nothing has happened in it yet.
    pub fn build(&self) -> Run {
        let mut world = World::new(self.seed);
        let mut pair = self.plan.build(&mut world);
        let now = world.now();
        let families = Families::BOTH;
        let mut server = |world: &mut World, name: &str, wanted: bool, turn: bool| {
            wanted.then(|| {
                let seat = pair.internet.seat(families);
                let rng = world.rng(name);
                let id = world.add(name, RelayServer::new(seat.addresses.clone(), turn, rng, now));
                seat.attach(world, id);
                (id, seat.addresses)
            })
        };
        let first = server(&mut world, "relay", self.stun || self.turn, self.turn);
        let second = server(&mut world, "stun", self.stun, false);
        let ips = [&first, &second].map(|server| server.as_ref().map_or(&[][..], |(_, ips)| ips));
        let seats = pair.seats.clone();
        let mut place = |index: usize, name: &str| {
            let mut config = Config::default();
            config.predict_ports = !self.plain_ice;
            config.birthday_probing = !self.plain_ice;
            // Simulated networks have addresses of documentation, which are never probed elsewhere.
            config.probe_anywhere = true;
            let addresses = seats[index].addresses.clone();
            config.servers = self.servers(ips, &addresses);
            let rng = world.rng(name);
            let id = world.add(name, Peer::new(config, addresses, self.tcp, rng, now));
            let attachment = seats[index].attach(&mut world, id);
            (id, attachment)
        };
        let (a, b) = (place(0, "a"), place(1, "b"));
        Run {
            world,
            peers: [a.0, b.0],
            attachments: [a.1, b.1],
            pair,
            relay: first.as_ref().map(|(id, _)| *id),
            second: second.as_ref().map(|(id, _)| *id),
            scenario: self.clone(),
            sent: 0,
            next_message: now,
        }
    }

    /// Runs it to its end.
    pub fn run(&self) -> Outcome {
        let mut run = self.build();
        run.start();
        run.finish();
        run.outcome()
    }

    /// What a peer with these addresses is told of the servers: what it can reach, as names in DNS would tell it.
    fn servers(&self, [first, second]: [&[IpAddr]; 2], own: &[IpAddr]) -> Vec<Server> {
        let url = |scheme, ip, tcp| ServerUrl { scheme, host: Host::Ip(ip), port: PORT, tcp };
        let reachable = |ip: &&IpAddr| own.iter().any(|own| own.is_ipv4() == ip.is_ipv4());
        let mut servers = Vec::new();
        if self.stun {
            let ips = first.iter().chain(second).filter(reachable);
            servers.extend(ips.map(|ip| Server::from(url(Scheme::Stun, *ip, false))));
        }
        for ip in first.iter().filter(reachable).filter(|_| self.turn) {
            for tcp in [false, true] {
                let (username, credential) = (USER.into(), PASSWORD.into());
                servers.push(Server { url: url(Scheme::Turn, *ip, tcp), username, credential });
            }
        }
        servers
    }
}

impl Run {
    /// The first peer makes its offer.
    pub fn start(&mut self) {
        let now = self.world.now();
        self.world.get_mut(self.peers[0]).offer(now);
    }

    /// Lets the offerer send so many test messages more.
    pub fn send_more(&mut self, messages: usize) {
        self.scenario.messages += messages;
    }

    /// Lets time pass until `done` or for `limit`; signalling goes on meanwhile. Whether it was `done`.
    pub fn until(&mut self, limit: Duration, mut done: impl FnMut(&World, &[Id<Peer>; 2]) -> bool) -> bool {
        let deadline = self.world.now() + limit;
        let (peers, delay) = (self.peers, self.scenario.signalling);
        loop {
            // The application speaks at moments of its own.
            self.speak();
            let next = (self.sent < self.scenario.messages).then_some(self.next_message);
            let pause = earliest(next.filter(|at| *at > self.world.now()), Some(deadline)).unwrap_or(deadline);
            let over = self.world.run_until(pause, |world| {
                carry(world, peers, delay);
                done(world, &peers)
            });
            if over || self.world.now() >= deadline {
                return over;
            }
        }
    }

    /// Lets it go on until nothing better is to be hoped for, or the scenario's limit.
    pub fn finish(&mut self) {
        let limit = self.scenario.limit;
        self.until(limit, |world, peers| peers.iter().all(|id| way(world.get(*id)) == Way::Direct));
        // The last messages arrive, and both sides agree on the pair.
        self.until(Duration::from_secs(2), |_, _| false);
    }

    /// What has happened so far.
    pub fn outcome(&self) -> Outcome {
        let peers = self.peers.map(|id| self.world.get(id));
        let since = |at: Option<Instant>| at.map(|at| at.since(Instant::ORIGIN));
        let way = peers.map(way).into_iter().max().unwrap_or(Way::None);
        let both = |of: fn(&Peer) -> Option<Instant>| match peers.map(of) {
            [Some(a), Some(b)] => Some(a.max(b)),
            _ => None,
        };
        let settled = match way {
            Way::None => None,
            Way::Direct => both(|peer| peer.selected_at(false)),
            Way::Relayed => both(|peer| peer.selected_at(true)),
        };
        let explanations = peers.map(|peer| peer.session().explain());
        let arrived = peers[1].received();
        Outcome {
            way,
            connected_after: since(both(Peer::connected_at)),
            settled_after: since(settled),
            checks: explanations.iter().map(|e| e.ice.checks_sent).sum(),
            selected: peers.map(|peer| peer.selected().copied()),
            explanations,
            messages: (self.sent, arrived.iter().enumerate().filter(|(n, m)| ***m == message(*n)).count()),
        }
    }

    /// The next test message, once the offerer is connected.
    fn speak(&mut self) {
        let now = self.world.now();
        let peer = self.world.get_mut(self.peers[0]);
        if self.sent < self.scenario.messages && now >= self.next_message {
            self.next_message = now + Duration::from_millis(20);
            if peer.is_connected() {
                peer.send(now, message(self.sent));
                self.sent += 1;
            }
        }
    }
}

fn message(number: usize) -> Bytes {
    Bytes::from(format!("message {number} {}", "-".repeat(900)))
}

/// The way that one side uses.
fn way(peer: &Peer) -> Way {
    let relayed = |pair: &SelectedPair| [pair.local, pair.remote].contains(&CandidateKind::Relayed);
    match peer.selected() {
        Some(pair) if peer.is_connected() => {
            if relayed(pair) {
                Way::Relayed
            } else {
                Way::Direct
            }
        }
        _ => Way::None,
    }
}

/// Takes what the peers want to tell each other, to arrive after `delay`.
fn carry(world: &mut World, peers: [Id<Peer>; 2], delay: Duration) {
    let at = world.now() + delay;
    for (from, to) in [(peers[0], peers[1]), (peers[1], peers[0])] {
        let signals = world.get_mut(from).take_signals();
        for signal in signals {
            world.get_mut(to).deliver(at, signal);
        }
    }
}
