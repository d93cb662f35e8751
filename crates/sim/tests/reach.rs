//! Who reaches whom: a plain prober behind every kind of NAT, against the closed rule and the published tables.
//!
//! The prober does what connectivity checks do and nothing else: it sends to every address of the other side that it
//! knows, learns the source of what comes in, and takes an answer only from where it has sent to.

mod common;

use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;

use common::Peer;
use peerage_base::datagram::{Datagram, Transmit};
use peerage_base::path::{LocalId, Path};
use peerage_base::time::{Duration, Instant};
use peerage_sim::nat::Config;
use peerage_sim::nat::config::{Behaviour, Hairpin};
use peerage_sim::topology::{Behind, Families, Internet, Pair, Plan, Shape};
use peerage_sim::world::Id;
use peerage_sim::{Host, Node, World};

use Behaviour::{AddressAndPortDependent, AddressDependent, EndpointIndependent};

const SOCKET: LocalId = LocalId(0);
const ROUND: Duration = Duration::from_millis(50);
const ROUNDS: u32 = 12;
const PORT: u16 = 5000;

/// Asks a server where it is seen, then probes.
#[derive(Default)]
struct Prober {
    server: Option<SocketAddr>,
    mapped: Option<SocketAddr>,
    /// Addresses of the other side: told, or learnt from what came in.
    remotes: BTreeSet<SocketAddr>,
    next: Option<Instant>,
    out: VecDeque<(SocketAddr, Vec<u8>)>,
    /// Where each probe has gone, by its number.
    probes: Vec<SocketAddr>,
    /// The socket of each family.
    sockets: [u32; 2],
    reached: bool,
}

impl Node for Prober {
    fn handle_datagram(&mut self, _: Instant, datagram: Datagram<'_>) {
        let from = datagram.path.remote;
        match &*datagram.payload {
            [b'?', number] => {
                self.remotes.insert(from);
                self.out.push_back((from, vec![b'!', *number]));
            }
            // As RFC 8445 §7.2.5.2.1: an answer from elsewhere is none.
            [b'!', number] => self.reached |= self.probes[usize::from(*number)] == from,
            text => self.mapped = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()),
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.next.is_some_and(|next| next <= now) {
            for remote in &self.remotes {
                self.out.push_back((*remote, vec![b'?', self.probes.len() as u8]));
                self.probes.push(*remote);
            }
            self.next = Some(now + ROUND);
        }
    }

    fn poll_transmit(&mut self, _: Instant, buf: &mut [u8]) -> Option<Transmit> {
        let first = self.server.take().map(|server| (server, b"where".to_vec()));
        let (remote, payload) = first.or_else(|| self.out.pop_front())?;
        buf[..payload.len()].copy_from_slice(&payload);
        let local = LocalId(self.sockets[usize::from(remote.is_ipv6())]);
        Some(Transmit::single(Path { local, remote }, payload.len()))
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.next
    }
}

/// Tells everybody where it sees them.
#[derive(Default)]
struct Mirror(VecDeque<SocketAddr>);

impl Node for Mirror {
    fn handle_datagram(&mut self, _: Instant, datagram: Datagram<'_>) {
        self.0.push_back(datagram.path.remote);
    }

    fn handle_timeout(&mut self, _: Instant) {}

    fn poll_transmit(&mut self, _: Instant, buf: &mut [u8]) -> Option<Transmit> {
        let remote = self.0.pop_front()?;
        let text = remote.to_string();
        buf[..text.len()].copy_from_slice(text.as_bytes());
        Some(Transmit::single(Path { local: SOCKET, remote }, text.len()))
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }
}

/// Whether two hosts reach each other; `host` says whether they tell their own addresses, too.
fn reach(plan: &Plan, host: bool) -> bool {
    let mut world = World::new(23);
    let Pair { mut internet, seats, .. } = plan.build(&mut world);
    let server = internet.seat(Families::BOTH);
    server.put_node(&mut world, "mirror", Mirror::default(), 3478);
    let ids = [0, 1].map(|side| {
        let seat = &seats[side];
        let family = |address: &&std::net::IpAddr| address.is_ipv6() == seat.addresses[0].is_ipv6();
        let server = server.addresses.iter().find(family).map(|address| (*address, 3478).into());
        let v6 = u32::from(seat.addresses.len() == 2);
        let prober = Prober { server, sockets: [0, v6], ..Prober::default() };
        seat.put_node(&mut world, ["a", "b"][side], prober, PORT).0
    });
    world.run_for(Duration::from_secs(1));
    for side in [0, 1] {
        let mut told: BTreeSet<_> = world.get(ids[1 - side]).node.mapped.into_iter().collect();
        if host {
            told.extend(seats[1 - side].addresses.iter().map(|address| SocketAddr::new(*address, PORT)));
        }
        let prober = &mut world.get_mut(ids[side]).node;
        prober.remotes = told;
        prober.next = Some(Instant::ORIGIN);
    }
    let both = |world: &mut World| ids.iter().all(|id: &Id<Host<Prober>>| world.get(*id).node.reached);
    world.run_until(world.now() + ROUND * ROUNDS, both)
}

fn apart(a: Config, b: Config) -> Plan {
    Plan::new(Shape::Apart(Behind::Nat(a), Behind::Nat(b)))
}

/// The closed rule: both endpoint-independent; or one, with a filter that does not look at ports; or neither, but then
/// no filter looks at ports, one is open, and one mapping depends on the address alone.
fn rule(a: (Behaviour, Behaviour), b: (Behaviour, Behaviour)) -> bool {
    match (a.0 == EndpointIndependent, b.0 == EndpointIndependent) {
        (true, true) => true,
        (true, false) => a.1 != AddressAndPortDependent,
        (false, true) => b.1 != AddressAndPortDependent,
        (false, false) => {
            a.1.max(b.1) != AddressAndPortDependent
                && a.1.min(b.1) == EndpointIndependent
                && a.0.min(b.0) == AddressDependent
        }
    }
}

/// Columns as rows: EIM, ADM, APDM, and in each EIF, ADF, APDF.
const GRID: [&str; 9] = [
    "yyyyyyyyy",
    "yyyyyyyyy",
    "yyynnnnnn",
    "yynyynyyn",
    "yynynnynn",
    "yynnnnnnn",
    "yynyynnnn",
    "yynynnnnn",
    "yynnnnnnn",
];

#[test]
fn every_cell_of_mapping_and_filtering_obeys_the_closed_rule_and_the_published_grid() {
    let all = [EndpointIndependent, AddressDependent, AddressAndPortDependent];
    let cells: Vec<_> = all.into_iter().flat_map(|mapping| all.map(|filtering| (mapping, filtering))).collect();
    for (row, a) in cells.iter().enumerate() {
        for (column, b) in cells.iter().enumerate() {
            let reached = reach(&apart(Config::cell(a.0, a.1), Config::cell(b.0, b.1)), true);
            let published = GRID[row].as_bytes()[column] == b'y';
            assert_eq!([reached, rule(*a, *b)], [published; 2], "{a:?} {b:?}");
        }
    }
}

fn classic() -> [Config; 4] {
    [Config::full_cone(), Config::address_restricted(), Config::port_restricted(), Config::symmetric()]
}

#[test]
fn the_classic_types_blocked_udp_and_public_hosts_are_as_published() {
    let mut kinds = vec![Behind::Nothing];
    kinds.extend(classic().map(Behind::Nat));
    kinds.push(Behind::Nat(Config::blocked()));
    let table = ["yyyyyn", "yyyyyn", "yyyyyn", "yyyynn", "yyynnn", "nnnnnn"];
    for (row, a) in kinds.iter().enumerate() {
        for (column, b) in kinds.iter().enumerate() {
            let reached = reach(&Plan::new(Shape::Apart(a.clone(), b.clone())), true);
            assert_eq!(reached, table[row].as_bytes()[column] == b'y', "{a:?} {b:?}");
        }
    }
}

#[test]
fn behind_one_nat_host_addresses_always_do_and_mapped_ones_need_a_hairpin() {
    for (kind, hairpinned) in classic().into_iter().zip([true, true, true, false]) {
        let same = |hairpin| Plan::new(Shape::SameNat(Config { hairpin, ..kind.clone() }));
        assert!(reach(&same(Hairpin::Off), true));
        assert!(!reach(&same(Hairpin::Off), false));
        assert_eq!(reach(&same(Hairpin::ExternalSource), false), hairpinned, "{kind:?}");
    }
}

#[test]
fn two_homes_behind_one_carrier_need_a_hairpin_there_and_one_mapping_for_all() {
    for (carrier, expected) in classic().into_iter().zip([true, true, true, false]) {
        for (hairpin, expected) in [(Hairpin::ExternalSource, expected), (Hairpin::Off, false)] {
            let carrier = Config { hairpin, ..carrier.clone() };
            let homes = [Config::port_restricted(), Config::port_restricted()];
            let plan = Plan { overlapping: true, ..Plan::new(Shape::SameCarrier { homes, carrier }) };
            assert_eq!(reach(&plan, false), expected, "{plan:?}");
        }
    }
}

#[test]
fn behind_two_nats_the_worse_one_decides() {
    let others = [(Config::port_restricted(), true), (Config::address_restricted(), false)];
    for (row, home) in classic().into_iter().enumerate() {
        for (column, carrier) in classic().into_iter().enumerate() {
            for (other, by_port) in &others {
                let behind = Behind::Double { home: home.clone(), carrier: carrier.clone() };
                let plan = Plan::new(Shape::Apart(behind, Behind::Nat(other.clone())));
                let symmetric = row.max(column) == 3;
                assert_eq!(reach(&plan, true), !(symmetric && *by_port), "{home:?} {carrier:?}");
            }
        }
    }
}

#[test]
fn with_ipv6_on_both_sides_firewalls_are_passed_and_symmetric_nats_do_not_matter() {
    let nats = || apart(Config::symmetric(), Config::symmetric());
    assert!(!reach(&nats(), true));
    assert!(reach(&nats().with_families(Families::V6, Families::V6), true));
    assert!(reach(&nats().with_families(Families::BOTH, Families::BOTH), true));
    assert!(!reach(&nats().with_families(Families::BOTH, Families::V4), true), "one side is not enough");
    assert!(!reach(&nats().with_families(Families::V6, Families::V4), true));
    let double = |config: Config| Behind::Double { home: config.clone(), carrier: config };
    let plan = Plan::new(Shape::Apart(double(Config::symmetric()), Behind::Nat(Config::symmetric())));
    assert!(reach(&plan.with_families(Families::V6, Families::V6), true), "through two firewalls");
    assert!(reach(&apart(Config::firewall(), Config::port_restricted()), true));
    assert!(!reach(&apart(Config::firewall(), Config::symmetric()), true), "a firewall looks at ports");
}

/// What a test of behaviour as in RFC 5780 finds out through all boxes on the way.
fn classify(behind: Behind) -> (Behaviour, Behaviour) {
    let mut world = World::new(5780);
    let Pair { mut internet, seats: [seat, _], .. } =
        Plan::new(Shape::Apart(behind, Behind::Nothing)).build(&mut world);
    let (client, _) = seat.put_node(&mut world, "client", Peer::default(), PORT);
    world.get_mut(client).bind(LocalId(1), (seat.addresses[0], PORT + 1).into());
    let seats = [internet.seat(Families::V4), internet.seat(Families::V4)];
    let servers = seats.each_ref().map(|seat| {
        let (id, _) = seat.put_node(&mut world, "server", Peer::default(), 1000);
        world.get_mut(id).bind(LocalId(1), (seat.addresses[0], 2000).into());
        id
    });
    let to = |server: usize, port: u16| SocketAddr::new(seats[server].addresses[0], port);
    // Where the servers see what the client sends from one socket to each of three places.
    let seen = |world: &mut World, local, places: &[(usize, u16)]| -> Vec<SocketAddr> {
        let places = places.iter().map(|(server, port)| {
            let name = format!("{local:?} {server} {port}").into_bytes();
            world.get_mut(client).node.send(local, to(*server, *port), &name);
            world.run_for(Duration::from_millis(100));
            world.get(servers[*server]).node.sender_of(&name).unwrap()
        });
        places.collect()
    };
    let sources = seen(&mut world, SOCKET, &[(0, 1000), (0, 2000), (1, 1000)]);
    let mapping = match (sources[0] == sources[1], sources[0] == sources[2]) {
        (true, true) => EndpointIndependent,
        (true, false) => AddressDependent,
        _ => AddressAndPortDependent,
    };
    let fresh = seen(&mut world, LocalId(1), &[(0, 1000)])[0];
    for (server, local) in [(0, 0), (0, 1), (1, 0)] {
        world.get_mut(servers[server]).node.send(LocalId(local), fresh, &[server as u8, local as u8]);
    }
    world.run_for(Duration::from_millis(100));
    let got = [[0, 0], [0, 1], [1, 0]].map(|from| world.get(client).node.sender_of(&from).is_some());
    let filtering = match got {
        [true, true, true] => EndpointIndependent,
        [true, true, false] => AddressDependent,
        [true, false, false] => AddressAndPortDependent,
        _ => panic!("{got:?}"),
    };
    (mapping, filtering)
}

#[test]
fn two_nats_in_a_row_behave_as_the_worse_of_both() {
    let all = [EndpointIndependent, AddressDependent, AddressAndPortDependent];
    let cells: Vec<_> = all.into_iter().flat_map(|mapping| all.map(|filtering| (mapping, filtering))).collect();
    for home in &cells {
        assert_eq!(classify(Behind::Nat(Config::cell(home.0, home.1))), *home);
        for carrier in &cells {
            let [home_nat, carrier_nat] = [home, carrier].map(|cell| Config::cell(cell.0, cell.1));
            let found = classify(Behind::Double { home: home_nat, carrier: carrier_nat });
            let worse = (home.0.max(carrier.0), home.1.max(carrier.1));
            assert_eq!(found, worse, "{home:?} {carrier:?}");
        }
    }
}

#[test]
fn a_host_that_moves_to_another_network_leaves_the_old_one_at_once() {
    let mut world = World::new(1);
    let mut internet = Internet::new(&mut world, Default::default());
    let (mut home, mut cafe) =
        (internet.site(&mut world, &Config::port_restricted()), internet.site(&mut world, &Config::symmetric()));
    let server_seat = internet.seat(Families::V4);
    let (server, _) = server_seat.put_node(&mut world, "server", Peer::default(), 1000);
    let to = SocketAddr::new(server_seat.addresses[0], 1000);
    let seat = home.seat(Families::V4);
    let (host, attachment) = seat.put_node(&mut world, "host", Peer::default(), PORT);

    world.get_mut(host).node.send(SOCKET, to, b"home");
    world.run_for(Duration::from_millis(100));
    let at_home = world.get(server).node.sender_of(b"home").unwrap();
    world.get_mut(server).node.send(SOCKET, at_home, b"late");
    world.run_for(Duration::from_millis(10));
    let seat = cafe.seat(Families::V4);
    seat.take(&mut world, host, attachment);
    let socket = SocketAddr::new(seat.addresses[0], PORT);
    world.get_mut(host).bind(SOCKET, socket);
    world.get_mut(host).node.send(SOCKET, to, b"cafe");
    world.run_for(Duration::from_millis(100));
    let at_cafe = world.get(server).node.sender_of(b"cafe").unwrap();
    assert_ne!(at_home.ip(), at_cafe.ip());
    world.get_mut(server).node.send(SOCKET, at_cafe, b"welcome");
    world.run_for(Duration::from_millis(100));
    let inbox = &world.get(host).node.inbox;
    assert_eq!(inbox.iter().map(|(_, payload)| payload.as_slice()).collect::<Vec<_>>(), [b"welcome"]);

    let router = cafe.routers[0];
    router.readdress(&mut world, "203.0.113.200".parse().unwrap());
    world.get_mut(host).node.send(SOCKET, to, b"lease");
    world.run_for(Duration::from_millis(100));
    let leased = world.get(server).node.sender_of(b"lease").unwrap();
    assert_eq!(leased.ip().to_string(), "203.0.113.200");
    world.get_mut(server).node.send(SOCKET, leased, b"again");
    world.run_for(Duration::from_millis(100));
    assert!(world.get(host).node.sender_of(b"again").is_some());
}
