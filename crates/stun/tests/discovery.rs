//! Discovery against simulated NATs of every kind, and servers of every kind.

use std::net::{IpAddr, SocketAddr};

use peerage_base::datagram::{Datagram, Transmit};
use peerage_base::ecn::Ecn;
use peerage_base::path::{LocalId, Path};
use peerage_base::rng::Rng;
use peerage_base::time::{Duration, Instant};
use peerage_sim::host::Node;
use peerage_sim::link::{Link, Loss};
use peerage_sim::nat::config::{Allocation, Behaviour as Axis, Config as NatConfig, Hairpin};
use peerage_sim::topology::{Families, Internet, Lines};
use peerage_sim::world::World;
use peerage_stun::discovery::machine::{Config, Discovery, Local};
use peerage_stun::discovery::report::{Behaviour, Classic, Finding, Reason, Report};
use peerage_stun::server::behaviour::{Origin, respond_behaviour};
use peerage_stun::server::respond_binding;

const ALL: [Axis; 3] = [Axis::EndpointIndependent, Axis::AddressDependent, Axis::AddressAndPortDependent];
const PORTS: [u16; 2] = [3478, 3479];

/// How far a server goes.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// RFC 5780 in full.
    Behaviour,
    /// Names another address that is not there.
    Boasts,
    /// Answers from where it was asked, whatever is asked for.
    Stays,
    /// RFC 8489 alone.
    Simple,
    /// Says nothing.
    Silent,
    /// Names somebody inside as its other address.
    Lies,
}

/// A server with all four combinations of two IPs and two ports.
struct Server {
    kind: Kind,
    sockets: Vec<SocketAddr>,
    out: Vec<(Path, Vec<u8>)>,
    /// Which of them were asked, and from which port.
    asked: Vec<(SocketAddr, u16)>,
}

impl Server {
    fn other(&self, local: SocketAddr) -> SocketAddr {
        match self.kind {
            Kind::Boasts => "192.0.2.99:3479".parse().unwrap(),
            Kind::Lies => "192.168.1.1:53".parse().unwrap(),
            _ => *self.sockets.iter().find(|s| s.ip() != local.ip() && s.port() != local.port()).unwrap(),
        }
    }
}

impl Node for Server {
    fn handle_datagram(&mut self, _: Instant, datagram: Datagram<'_>) {
        let Path { local, remote } = datagram.path;
        let local = self.sockets[local.0 as usize];
        self.asked.push((local, remote.port()));
        let mut out = vec![0; 600];
        let origin = Origin { local, other: self.other(local) };
        let answer = match self.kind {
            Kind::Silent => None,
            Kind::Simple => respond_binding(datagram.payload, remote, None, &mut out).map(|len| (local, len)),
            Kind::Stays => respond_behaviour(datagram.payload, remote, origin, &mut out).map(|a| (local, a.len)),
            _ => respond_behaviour(datagram.payload, remote, origin, &mut out).map(|a| (a.from, a.len)),
        };
        let Some((from, len)) = answer else { return };
        // Where it only boasts, there is no such socket.
        let Some(socket) = self.sockets.iter().position(|socket| *socket == from) else { return };
        out.truncate(len);
        self.out.push((Path { local: LocalId(socket as u32), remote }, out));
    }

    fn handle_timeout(&mut self, _: Instant) {}

    fn poll_transmit(&mut self, _: Instant, buf: &mut [u8]) -> Option<Transmit> {
        let (path, bytes) = self.out.pop()?;
        buf[..bytes.len()].copy_from_slice(&bytes);
        Some(Transmit::single(path, bytes.len()))
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }
}

struct Client(Discovery);

impl Node for Client {
    fn handle_datagram(&mut self, now: Instant, datagram: Datagram<'_>) {
        self.0.handle_datagram(now, &datagram);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.0.handle_timeout(now);
    }

    fn poll_transmit(&mut self, now: Instant, buf: &mut [u8]) -> Option<Transmit> {
        self.0.poll_transmit(now, buf)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.0.poll_timeout()
    }
}

/// What to examine: a NAT, if any, and servers.
struct Scene {
    nat: Option<NatConfig>,
    servers: Vec<Kind>,
    /// Which addresses the client is told: server, IP and port.
    told: Vec<(usize, usize, usize)>,
    access: Link,
    seed: u64,
}

struct Outcome {
    report: Report,
    took: Duration,
    /// Where each server was asked, and from which port.
    asked: Vec<Vec<(SocketAddr, u16)>>,
    external: Option<IpAddr>,
}

impl Scene {
    fn new(nat: Option<NatConfig>, servers: &[Kind]) -> Self {
        let told = (0..servers.len()).map(|server| (server, 0, 0)).collect();
        Self { nat, servers: servers.to_vec(), told, access: Link::default(), seed: 5 }
    }

    fn run(self) -> Outcome {
        let mut world = World::new(self.seed);
        let mut internet = Internet::new(&mut world, Lines::default());
        let mut servers = Vec::new();
        let mut addresses: Vec<Vec<SocketAddr>> = Vec::new();
        for kind in &self.servers {
            let ips = [internet.seat(Families::V4), internet.seat(Families::V4)].map(|seat| seat.addresses[0]);
            let sockets: Vec<_> = ips.iter().flat_map(|ip| PORTS.map(|port| SocketAddr::new(*ip, port))).collect();
            let ids: Vec<_> = (0..).map(LocalId).zip(sockets.iter().copied()).collect();
            let node = Server { kind: *kind, sockets: sockets.clone(), out: Vec::new(), asked: Vec::new() };
            servers.push(world.add_host("server", node, internet.network, &ids, [Link::default(); 2]));
            addresses.push(sockets);
        }
        let (seat, nat) = match &self.nat {
            Some(config) => {
                let mut site = internet.site(&mut world, config);
                (site.seat(Families::V4), Some(site.routers[0].nat))
            }
            None => (internet.seat(Families::V4), None),
        };
        let locals = locals(seat.addresses[0]);
        let told: Vec<_> = self.told.iter().map(|(server, ip, port)| addresses[*server][ip * 2 + port]).collect();
        let rng = world.rng("discovery");
        let discovery = Discovery::new(Config::default(), &told, locals, rng, world.now());
        let sockets = locals.map(|local| (local.id, local.address));
        let client = world.add_host("client", Client(discovery), seat.network, &sockets, [self.access; 2]);
        let begin = world.now();
        let done = world.run_until(Instant::from_millis(20_000), |world| world.get(client).node.0.is_done());
        assert!(done, "it ends");
        let report = world.get(client).node.0.report();
        let asked = servers.iter().map(|id| world.get(*id).node.asked.clone()).collect();
        let external = nat.and_then(|nat| world.get(nat).external().first().copied());
        Outcome { report, took: world.now().since(begin), asked, external }
    }
}

fn locals(ip: IpAddr) -> [Local; 2] {
    [(0, 40_000), (1, 40_001)].map(|(id, port)| Local { id: LocalId(id), address: SocketAddr::new(ip, port) })
}

fn known(axis: Axis) -> Finding<Behaviour> {
    Finding::Known(match axis {
        Axis::EndpointIndependent => Behaviour::EndpointIndependent,
        Axis::AddressDependent => Behaviour::AddressDependent,
        Axis::AddressAndPortDependent => Behaviour::AddressAndPortDependent,
    })
}

fn examine(nat: NatConfig) -> Report {
    Scene::new(Some(nat), &[Kind::Behaviour]).run().report
}

#[test]
fn every_cell_of_mapping_and_filtering_is_told() {
    let allocations = [Allocation::Preserving, Allocation::Random, Allocation::Sequential(1), Allocation::Block(64)];
    for mapping in ALL {
        for filtering in ALL {
            for allocation in allocations {
                let cell = NatConfig { allocation, ..NatConfig::cell(mapping, filtering) };
                let outcome = Scene::new(Some(cell), &[Kind::Behaviour]).run();
                let report = outcome.report;
                let cell = format!("{mapping:?}, {filtering:?}, {allocation:?}: {report:?}");
                assert_eq!(report.mapping, known(mapping), "{cell}");
                assert_eq!(report.filtering, known(filtering), "{cell}");
                assert_eq!(report.translated, Finding::Known(true));
                let kept = allocation == Allocation::Preserving && mapping == Axis::EndpointIndependent;
                assert_eq!(report.port_preserved, Finding::Known(kept), "{cell}");
                assert_eq!(report.seen[0].mapped.ip(), outcome.external.unwrap());
                assert!(outcome.took < Duration::from_secs(4), "{}", outcome.took.as_millis());
            }
        }
    }
}

#[test]
fn the_classic_types_have_their_names() {
    for (config, name) in [
        (NatConfig::full_cone(), Classic::FullCone),
        (NatConfig::address_restricted(), Classic::AddressRestricted),
        (NatConfig::port_restricted(), Classic::PortRestricted),
        (NatConfig::symmetric(), Classic::Symmetric),
        (NatConfig::symmetric_sequential(), Classic::Symmetric),
        (NatConfig::linux_masquerade(), Classic::PortRestricted),
        (NatConfig::linux_masquerade_random(), Classic::Symmetric),
        (NatConfig::firewall(), Classic::Firewall),
    ] {
        assert_eq!(examine(config.clone()).classic(), Some(name), "{config:?}");
    }
    assert_eq!(Scene::new(None, &[Kind::Behaviour]).run().report.classic(), Some(Classic::Open));
}

#[test]
fn without_a_nat_the_address_is_ones_own() {
    let report = Scene::new(None, &[Kind::Behaviour]).run().report;
    let open = known(Axis::EndpointIndependent);
    assert_eq!(report.translated, Finding::Known(false));
    assert_eq!(report.port_preserved, Finding::Known(true));
    assert_eq!((report.mapping, report.filtering), (open, open));
    assert_eq!(report.hairpin, Finding::Unknown(Reason::NotTranslated));
    assert_eq!(report.seen[0].mapped, report.local);
    // One simple server suffices to see that.
    let report = Scene::new(None, &[Kind::Simple]).run().report;
    assert_eq!((report.translated, report.mapping), (Finding::Known(false), open));
    assert_eq!((report.filtering, report.classic()), (Finding::Unknown(Reason::NoAlternate), None));
}

#[test]
fn blocked_udp_leaves_everything_unknown() {
    let report = examine(NatConfig::blocked());
    let none = Reason::NoAnswer;
    assert!(report.seen.is_empty());
    assert_eq!((report.translated, report.hairpin), (Finding::Unknown(none), Finding::Unknown(none)));
    assert_eq!((report.mapping, report.filtering), (Finding::Unknown(none), Finding::Unknown(none)));
    assert_eq!(report.port_preserved, Finding::Unknown(none));
    assert_eq!((report.classic(), report.is_dependent()), (None, None));
}

#[test]
fn a_hairpin_is_seen_where_there_is_one() {
    for filtering in ALL {
        for (hairpin, turns) in [(Hairpin::Off, false), (Hairpin::ExternalSource, true)] {
            let config = NatConfig { hairpin, ..NatConfig::cell(Axis::EndpointIndependent, filtering) };
            assert_eq!(examine(config).hairpin, Finding::Known(turns), "{filtering:?}, {hairpin:?}");
        }
    }
    // The packet would have come from a mapping that nobody sent to.
    for hairpin in [Hairpin::Off, Hairpin::ExternalSource] {
        let report = examine(NatConfig { hairpin, ..NatConfig::symmetric() });
        assert_eq!(report.hairpin, Finding::Unknown(Reason::Dependent), "{hairpin:?}");
    }
    let open = NatConfig::cell(Axis::AddressAndPortDependent, Axis::EndpointIndependent);
    assert_eq!(examine(open).hairpin, Finding::Known(true));
}

#[test]
fn one_simple_server_tells_the_address_and_no_more() {
    for config in [NatConfig::full_cone(), NatConfig::symmetric()] {
        let report = Scene::new(Some(config), &[Kind::Simple]).run().report;
        assert_eq!(report.translated, Finding::Known(true));
        assert_eq!(report.mapping, Finding::Unknown(Reason::OneServer));
        assert_eq!(report.filtering, Finding::Unknown(Reason::NoAlternate));
        assert_eq!(report.classic(), None);
    }
}

#[test]
fn several_simple_servers_tell_as_much_of_the_mapping_as_they_can() {
    let run = |mapping, servers: usize, told: &[(usize, usize, usize)]| {
        let nat = NatConfig::cell(mapping, Axis::EndpointIndependent);
        let mut scene = Scene::new(Some(nat), &vec![Kind::Simple; servers]);
        scene.told = told.to_vec();
        let report = scene.run().report;
        assert_eq!(report.filtering, Finding::Unknown(Reason::NoAlternate));
        report
    };
    let [eim, adm, apdm] = ALL;
    let two: &[_] = &[(0, 0, 0), (1, 0, 0)];
    assert_eq!(run(eim, 2, two).mapping, known(eim));
    for mapping in [adm, apdm] {
        let report = run(mapping, 2, two);
        assert_eq!(report.mapping, Finding::Unknown(Reason::AddressOrPort));
        assert_eq!((report.is_dependent(), report.classic()), (Some(true), Some(Classic::Symmetric)));
    }
    let ports: &[_] = &[(0, 0, 0), (0, 0, 1)];
    for mapping in [eim, adm] {
        assert_eq!(run(mapping, 1, ports).mapping, Finding::Unknown(Reason::OneAddress));
    }
    assert_eq!(run(apdm, 1, ports).mapping, known(apdm));
    let three: &[_] = &[(0, 0, 0), (0, 0, 1), (1, 0, 0)];
    for mapping in ALL {
        assert_eq!(run(mapping, 2, three).mapping, known(mapping));
    }
}

#[test]
fn a_server_whose_other_address_is_silent_proves_no_filter() {
    for filtering in ALL {
        let nat = NatConfig::cell(Axis::EndpointIndependent, filtering);
        let report = Scene::new(Some(nat), &[Kind::Boasts]).run().report;
        assert_eq!(report.filtering, Finding::Unknown(Reason::AlternateSilent));
        // One address is left, with the two ports that were tried on it.
        assert_eq!(report.mapping, Finding::Unknown(Reason::OneAddress));
    }
}

#[test]
fn a_server_that_answers_from_where_it_was_asked_proves_no_filter() {
    let report = Scene::new(Some(NatConfig::port_restricted()), &[Kind::Stays]).run().report;
    assert_eq!(report.filtering, Finding::Unknown(Reason::Refused));
    assert_eq!(report.mapping, known(Axis::EndpointIndependent));
}

#[test]
fn a_server_outside_cannot_have_somebody_inside_asked() {
    let outcome = Scene::new(Some(NatConfig::full_cone()), &[Kind::Lies]).run();
    assert_eq!(outcome.report.filtering, Finding::Unknown(Reason::NoAlternate));
    assert_eq!(outcome.report.mapping, Finding::Unknown(Reason::OneServer));
}

#[test]
fn silent_and_simple_servers_do_not_keep_from_testing_with_a_better_one() {
    let kinds = [Kind::Silent, Kind::Simple, Kind::Behaviour];
    let outcome = Scene::new(Some(NatConfig::address_restricted()), &kinds).run();
    assert_eq!(outcome.report.classic(), Some(Classic::AddressRestricted));
    assert!(outcome.took < Duration::from_secs(3), "silence costs nothing: {}", outcome.took.as_millis());
}

#[test]
fn the_filter_is_tested_with_a_socket_that_has_sent_to_one_address_alone() {
    // All addresses of one server are named: the first socket asks them all, the second must not.
    for filtering in ALL {
        let nat = NatConfig::cell(Axis::EndpointIndependent, filtering);
        let mut scene = Scene::new(Some(nat), &[Kind::Behaviour]);
        scene.told = vec![(0, 0, 0), (0, 1, 1), (0, 1, 0), (0, 0, 0)];
        let outcome = scene.run();
        assert_eq!(outcome.report.filtering, known(filtering));
        assert_eq!(outcome.report.seen.len(), 4, "each address once");
        let mut fresh: Vec<_> = outcome.asked[0].iter().filter(|(_, from)| *from == 40_001).map(|(to, _)| to).collect();
        fresh.dedup();
        assert_eq!(fresh.len(), 1, "{fresh:?}");
    }
}

#[test]
fn lost_packets_are_sent_again() {
    let mut told = 0;
    for seed in 0..40 {
        let mut scene = Scene::new(Some(NatConfig::port_restricted()), &[Kind::Behaviour]);
        scene.access = Link { loss: Loss::Random(0.1), ..Link::default() };
        scene.seed = seed;
        let report = scene.run().report;
        assert_eq!(report.mapping, known(Axis::EndpointIndependent), "{seed}");
        told += usize::from(report.classic() == Some(Classic::PortRestricted));
    }
    assert!(told >= 38, "{told} of 40");
}

#[test]
fn a_report_in_the_middle_says_what_is_open() {
    let server: SocketAddr = "192.0.2.1:3478".parse().unwrap();
    let v6: SocketAddr = "[2001:db8::1]:3478".parse().unwrap();
    let new = |servers: &[SocketAddr]| {
        let locals = locals([10, 0, 0, 2].into());
        Discovery::new(Config::default(), servers, locals, Rng::from_u64(1), Instant::ORIGIN)
    };
    let discovery = new(&[server]);
    assert!(!discovery.is_done());
    assert_eq!(discovery.report().mapping, Finding::Unknown(Reason::Unfinished));
    let none = new(&[v6]);
    assert!(none.is_done() && none.poll_timeout().is_none());
    assert_eq!(none.report().mapping, Finding::Unknown(Reason::NoServer));
}

#[test]
fn garbage_and_answers_from_strangers_change_nothing() {
    let server: SocketAddr = "192.0.2.1:3478".parse().unwrap();
    let locals = locals([10, 0, 0, 2].into());
    let mut discovery = Discovery::new(Config::default(), &[server], locals, Rng::from_u64(1), Instant::ORIGIN);
    let (mut request, mut reply) = ([0; 64], [0; 600]);
    let len = discovery.poll_transmit(Instant::ORIGIN, &mut request).unwrap().len;
    assert!(discovery.poll_transmit(Instant::ORIGIN, &mut [0; 64]).is_none());
    let mapped: SocketAddr = "203.0.113.1:7".parse().unwrap();
    let reply_len = respond_binding(&request[..len], mapped, None, &mut reply).unwrap();
    let mut hand = |local: u32, remote: SocketAddr, bytes: &[u8]| {
        let path = Path { local: LocalId(local), remote };
        let (now, mut payload) = (Instant::from_millis(10), bytes.to_vec());
        let datagram = Datagram { path, ecn: Ecn::NotEct, received_at: now, payload: &mut payload };
        discovery.handle_datagram(now, &datagram);
        discovery.report().seen.len()
    };
    let reply = &reply[..reply_len];
    assert_eq!(hand(0, server, b"garbage"), 0);
    assert_eq!(hand(0, server, &request[..len]), 0, "a request");
    assert_eq!(hand(0, "192.0.2.66:3478".parse().unwrap(), reply), 0);
    assert_eq!(hand(1, server, reply), 0, "the wrong socket");
    assert_eq!(hand(0, server, reply), 1);
    assert_eq!(hand(0, server, reply), 1, "once");
}

#[test]
fn whatever_a_server_says_it_ends_and_asks_a_few_addresses_only() {
    let servers: Vec<SocketAddr> = (1..=20).map(|n| SocketAddr::from(([192, 0, 2, n], 3478))).collect();
    for seed in 0..300 {
        let mut rng = Rng::from_u64(seed);
        let locals = locals([10, 0, 0, 2].into());
        let mut now = Instant::ORIGIN;
        let mut discovery = Discovery::new(Config::default(), &servers, locals, Rng::from_u64(seed), now);
        let mut asked: Vec<SocketAddr> = Vec::new();
        let mut sent = 0;
        while !discovery.is_done() {
            let mut request = [0; 64];
            while let Some(transmit) = discovery.poll_transmit(now, &mut request) {
                sent += 1;
                asked.push(transmit.path.remote);
                answer_at_random(&mut discovery, now, transmit.path, &request[..transmit.len], &mut rng);
            }
            let Some(due) = discovery.poll_timeout() else { break };
            assert!(due >= now, "{seed}: a deadline in the past");
            now = due;
            discovery.handle_timeout(now);
            discovery.report();
        }
        assert!(discovery.is_done() && now < Instant::from_millis(10_000), "{seed}");
        asked.sort_unstable();
        asked.dedup();
        let inside = |ip: IpAddr| matches!(ip, IpAddr::V4(v4) if v4.is_private() || v4.is_loopback());
        assert!(!asked.iter().any(|address| inside(address.ip())), "{seed}: {asked:?}");
        // Eight servers, three more addresses of one, and two mapped addresses.
        assert!(asked.len() <= 13 && sent <= 16 * 4, "{seed}: {sent} to {asked:?}");
    }
}

/// Nothing, an answer, a damaged one, or a lie; from where it was asked, or elsewhere.
fn answer_at_random(discovery: &mut Discovery, now: Instant, path: Path, request: &[u8], rng: &mut Rng) {
    let mut address = || {
        let mut bytes: [u8; 6] = rng.bytes();
        if bytes[5].is_multiple_of(4) {
            bytes[0] = if bytes[5].is_multiple_of(8) { 10 } else { 127 };
        }
        SocketAddr::from(([bytes[0], bytes[1], bytes[2], bytes[3]], u16::from_be_bytes([bytes[4], bytes[5]])))
    };
    let (mapped, other, stranger) = (address(), address(), address());
    let mut reply = [0; 600];
    let Some(answer) = respond_behaviour(request, mapped, Origin { local: path.remote, other }, &mut reply) else {
        return;
    };
    let reply = &mut reply[..answer.len];
    match rng.below(4) {
        0 => return,
        1 => {
            let at = rng.below(reply.len() as u64) as usize;
            reply[at] ^= rng.u32() as u8;
        }
        _ => {}
    }
    let remote = [path.remote, answer.from, stranger][rng.below(3) as usize];
    let local = if rng.below(4) == 0 { LocalId(1) } else { path.local };
    let path = Path { local, remote };
    let datagram = Datagram { path, ecn: Ecn::NotEct, received_at: now, payload: reply };
    discovery.handle_datagram(now, &datagram);
}
