//! Packets through one NAT, against what RFC 4787 says of each kind.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use peerage_base::rng::Rng;
use peerage_base::time::{Duration, Instant};
use peerage_sim::element::{Element, Interface};
use peerage_sim::nat::config::{Allocation, Behaviour, Hairpin, Ipv6, Pooling};
use peerage_sim::nat::element::{INSIDE, OUTSIDE};
use peerage_sim::nat::{Config, Nat};
use peerage_sim::packet::{Packet, Protocol};
use peerage_sim::step::{Refusal, Step};

use Behaviour::{AddressAndPortDependent, AddressDependent, EndpointIndependent};

const X: &str = "192.168.1.2:5000";
const X2: &str = "192.168.1.3:5000";
const Y1: [&str; 2] = ["198.51.100.1:1000", "198.51.100.1:2000"];
const Y2: [&str; 2] = ["198.51.100.2:1000", "198.51.100.2:2000"];
const ALL: [Behaviour; 3] = [EndpointIndependent, AddressDependent, AddressAndPortDependent];
const SECOND: Duration = Duration::from_secs(1);

struct Bench {
    nat: Nat,
    now: Instant,
    steps: Vec<Step>,
}

impl Bench {
    fn new(config: Config) -> Self {
        Self::with_addresses(config, &["203.0.113.1"])
    }

    fn with_addresses(config: Config, external: &[&str]) -> Self {
        let external: Vec<IpAddr> = external.iter().map(|text| text.parse().unwrap()).collect();
        let nat = Nat::new(config, &external, Rng::from_u64(4787));
        Self { nat, now: Instant::ORIGIN, steps: Vec::new() }
    }

    fn pass(&mut self, from: Interface, packet: Packet) -> Option<(Interface, Packet)> {
        self.nat.handle_packet(self.now, from, packet);
        self.steps = std::iter::from_fn(|| self.nat.poll_step()).collect();
        let outgoing = self.nat.poll_packet(self.now)?;
        assert_eq!(self.nat.poll_packet(self.now), None, "one packet in, one out");
        Some((outgoing.by.unwrap(), outgoing.packet))
    }

    /// Sends from inside to the world; how it looks there.
    fn out(&mut self, from: &str, to: &str) -> Option<SocketAddr> {
        let (by, packet) = self.pass(INSIDE, udp(from, to))?;
        assert_eq!((by, packet.destination), (OUTSIDE, address(to)));
        Some(packet.source)
    }

    /// Sends from the world; who gets it inside.
    fn back(&mut self, from: &str, to: SocketAddr) -> Option<SocketAddr> {
        let (by, packet) = self.pass(OUTSIDE, Packet::udp(address(from), to, *b"x"))?;
        assert_eq!((by, packet.source), (INSIDE, address(from)));
        Some(packet.destination)
    }

    /// Sends from inside to an external address; source and destination as they turn back.
    fn turn(&mut self, from: &str, to: SocketAddr) -> Option<(SocketAddr, SocketAddr)> {
        let (by, packet) = self.pass(INSIDE, Packet::udp(address(from), to, *b"x"))?;
        assert_eq!(by, INSIDE);
        Some((packet.source, packet.destination))
    }

    fn refusal(&self) -> Option<Refusal> {
        match self.steps.last() {
            Some(Step::Refused(refusal)) => Some(*refusal),
            _ => None,
        }
    }
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn udp(from: &str, to: &str) -> Packet {
    Packet::udp(address(from), address(to), *b"x")
}

fn allocations() -> [Allocation; 4] {
    [Allocation::Preserving, Allocation::Sequential(1), Allocation::Random, Allocation::Block(64)]
}

/// RFC 4787 §4.1: which of the four destinations of `mapping_is_as_the_rfc_says` share the row of the first.
fn expected_sharing(mapping: Behaviour) -> [bool; 4] {
    match mapping {
        EndpointIndependent => [true, true, true, true],
        AddressDependent => [true, true, false, false],
        AddressAndPortDependent => [true, false, false, false],
    }
}

/// RFC 4787 §5: who may send to a row that was made by sending to the first of Y1.
fn expected_admission(filtering: Behaviour) -> [bool; 4] {
    match filtering {
        EndpointIndependent => [true, true, true, true],
        AddressDependent => [true, true, false, false],
        AddressAndPortDependent => [true, false, false, false],
    }
}

fn four() -> [&'static str; 4] {
    [Y1[0], Y1[1], Y2[0], Y2[1]]
}

#[test]
fn mapping_is_as_the_rfc_says_in_every_cell_and_with_every_allocation() {
    for (mapping, filtering, allocation) in cells() {
        let mut bench = Bench::new(Config { allocation, ..Config::cell(mapping, filtering) });
        let seen = four().map(|to| bench.out(X, to).unwrap());
        let shared = seen.map(|source| source == seen[0]);
        assert_eq!(shared, expected_sharing(mapping), "{mapping:?} {filtering:?} {allocation:?}");
        let rows = [1, 2, 4][mapping as usize];
        assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), rows, "{mapping:?}: Y2 has two ports, too");
        assert_eq!(four().map(|to| bench.out(X, to).unwrap()), seen, "rows stay");
        assert!(seen.iter().all(|source| source.ip() == address("203.0.113.1:1").ip()));
    }
}

#[test]
fn filtering_is_as_the_rfc_says_in_every_cell_and_with_every_allocation() {
    for (mapping, filtering, allocation) in cells() {
        let mut bench = Bench::new(Config { allocation, ..Config::cell(mapping, filtering) });
        let mapped = bench.out(X, Y1[0]).unwrap();
        let answered = four().map(|from| bench.back(from, mapped));
        let expected = expected_admission(filtering).map(|may| may.then(|| address(X)));
        assert_eq!(answered, expected, "{mapping:?} {filtering:?} {allocation:?}");
        // Another destination of the same row lets that one in as well, if it is the same row.
        let other = bench.out(X, Y2[1]).unwrap();
        assert_eq!(bench.back(Y2[1], other), Some(address(X)));
        assert_eq!(other == mapped, mapping == EndpointIndependent);
        let nobody = SocketAddr::new(mapped.ip(), 1);
        assert_eq!((bench.back(Y1[0], nobody), bench.refusal()), (None, Some(Refusal::NoRow)));
    }
}

fn cells() -> Vec<(Behaviour, Behaviour, Allocation)> {
    let pairs = ALL.into_iter().flat_map(|mapping| ALL.map(|filtering| (mapping, filtering)));
    pairs.flat_map(|(mapping, filtering)| allocations().map(|allocation| (mapping, filtering, allocation))).collect()
}

#[test]
fn a_refusal_says_what_the_inside_never_did() {
    for (filtering, from, expected) in [
        (AddressDependent, Y2[0], Refusal::FilteredAddress(address(Y2[0]).ip())),
        (AddressAndPortDependent, Y1[1], Refusal::FilteredEndpoint(address(Y1[1]))),
    ] {
        let mut bench = Bench::new(Config::cell(EndpointIndependent, filtering));
        let mapped = bench.out(X, Y1[0]).unwrap();
        assert_eq!((bench.back(from, mapped), bench.refusal()), (None, Some(expected)));
    }
    let mut bench = Bench::new(Config::full_cone());
    bench.back(Y1[0], address("203.0.113.99:5000"));
    assert_eq!(bench.refusal(), Some(Refusal::NotOurs));
    assert_eq!((bench.nat.passed(), bench.nat.refused()), (0, 1));
}

#[test]
fn the_presets_are_the_four_classic_types() {
    let classic = [
        (Config::full_cone(), EndpointIndependent, EndpointIndependent),
        (Config::address_restricted(), EndpointIndependent, AddressDependent),
        (Config::port_restricted(), EndpointIndependent, AddressAndPortDependent),
        (Config::symmetric(), AddressAndPortDependent, AddressAndPortDependent),
        (Config::symmetric_sequential(), AddressAndPortDependent, AddressAndPortDependent),
    ];
    for (config, mapping, filtering) in classic {
        let mut bench = Bench::new(config);
        let seen = four().map(|to| bench.out(X, to).unwrap());
        assert_eq!(seen.map(|source| source == seen[0]), expected_sharing(mapping));
        let fresh = bench.out("192.168.1.2:7000", Y1[0]).unwrap();
        let answered = four().map(|from| bench.back(from, fresh).is_some());
        assert_eq!(answered, expected_admission(filtering));
    }
}

#[test]
fn a_preserved_port_is_the_internal_one_until_it_is_taken() {
    let mut bench = Bench::new(Config::port_restricted());
    assert_eq!(bench.out(X, Y1[0]), Some(address("203.0.113.1:5000")));
    let second = bench.out(X2, Y1[0]).unwrap();
    assert!(second.port() != 5000 && second.port() >= 1024, "{second}");
    assert_eq!(bench.out("192.168.1.3:5001", Y1[0]), Some(address("203.0.113.1:5001")));
}

#[test]
fn sequential_ports_follow_each_other_and_wrap_around() {
    for step in [1, 2, 7] {
        let config = Config { allocation: Allocation::Sequential(step), ports: 2000..=2099, ..Config::symmetric() };
        let mut bench = Bench::new(config);
        let ports: Vec<u16> = (1..=60).map(|n| bench.out(X, &format!("198.51.100.1:{n}")).unwrap().port()).collect();
        let expected = |from: u16| 2000 + (from - 2000 + step) % 100;
        // With a step of 2 the odd half is never reached, and 50 are all there are.
        let until = if step == 2 { 50 } else { 60 };
        assert!(ports.len() == 60 || step == 2);
        assert!(ports[..until].windows(2).all(|pair| pair[1] == expected(pair[0])), "{ports:?}");
        assert_eq!(ports.iter().collect::<BTreeSet<_>>().len(), 60);
    }
}

#[test]
fn random_ports_are_spread_and_differ_from_seed_to_seed() {
    let ports = |seed| -> Vec<u16> {
        let mut nat = Nat::new(Config::symmetric(), &["203.0.113.1".parse().unwrap()], Rng::from_u64(seed));
        let mut port = |n: u16| {
            nat.handle_packet(Instant::ORIGIN, INSIDE, udp(X, &format!("198.51.100.1:{n}")));
            nat.poll_packet(Instant::ORIGIN).unwrap().packet.source.port()
        };
        (1..=400).map(&mut port).collect()
    };
    let first = ports(1);
    assert_eq!(first, ports(1));
    assert_ne!(first, ports(2));
    assert_eq!(first.iter().collect::<BTreeSet<_>>().len(), 400, "no port is given out twice");
    let quarters = first.iter().fold([0; 4], |mut quarters, port| {
        quarters[usize::from((port - 1024) / 16128)] += 1;
        quarters
    });
    assert!(quarters.iter().all(|count| (60..140).contains(count)), "{quarters:?}");
}

#[test]
fn a_subscriber_draws_from_its_block_until_it_is_full() {
    let config = Config { allocation: Allocation::Block(32), ports: 4096..=8191, ..Config::symmetric() };
    let mut bench = Bench::new(config);
    let mut blocks_of = |from: &str, count: u16| -> BTreeSet<u16> {
        let ports: Vec<u16> =
            (1..=count).map(|n| bench.out(from, &format!("198.51.100.1:{n}")).unwrap().port()).collect();
        assert!(ports.iter().all(|port| (4096..8192).contains(port)));
        ports.iter().map(|port| (port - 4096) / 32).collect()
    };
    let first = blocks_of(X, 32);
    let second = blocks_of(X2, 32);
    assert_eq!((first.len(), second.len()), (1, 1));
    assert!(first.is_disjoint(&second));
    let both = blocks_of(X, 64);
    assert!(both.len() == 2 && both.is_superset(&first) && both.is_disjoint(&second));
}

#[test]
fn when_no_port_is_left_a_packet_is_dropped() {
    for allocation in allocations() {
        let config = Config { allocation, ports: 5000..=5063, ..Config::symmetric() };
        let mut bench = Bench::new(config);
        let out = |bench: &mut Bench, n: u16| bench.out(X, &format!("198.51.100.1:{n}"));
        assert!((1..=64).all(|n| out(&mut bench, n).is_some()), "{allocation:?}");
        assert_eq!((out(&mut bench, 65), bench.refusal()), (None, Some(Refusal::NoPort)));
        assert!(out(&mut bench, 64).is_some(), "who has a row keeps it");
    }
}

#[test]
fn a_subscriber_has_no_more_rows_than_it_may() {
    let config = Config { rows_per_subscriber: Some(3), ..Config::symmetric() };
    let mut bench = Bench::new(config);
    let out = |bench: &mut Bench, from: &str, n: u16| bench.out(from, &format!("198.51.100.1:{n}"));
    assert!((1..=3).all(|n| out(&mut bench, X, n).is_some()));
    assert_eq!(out(&mut bench, X, 4), None);
    assert_eq!(bench.refusal(), Some(Refusal::SubscriberLimit(address(X).ip())));
    assert_eq!(out(&mut bench, "192.168.1.2:6000", 4), None, "all ports of a subscriber count");
    assert!(out(&mut bench, X2, 4).is_some());
    bench.now += 301 * SECOND;
    assert!(out(&mut bench, X, 4).is_some(), "what has gone does not count");
}

#[test]
fn several_addresses_are_paired_with_subscribers_or_not() {
    let addresses = ["203.0.113.1", "203.0.113.2", "203.0.113.3"];
    let spread = |pooling| {
        let mut bench = Bench::with_addresses(Config { pooling, ..Config::symmetric() }, &addresses);
        let mut of = |from: &str| -> BTreeSet<IpAddr> {
            (1..=40).map(|n| bench.out(from, &format!("198.51.100.1:{n}")).unwrap().ip()).collect()
        };
        [of(X), of(X2), of("192.168.1.4:1")]
    };
    let paired = spread(Pooling::Paired);
    assert!(paired.iter().all(|of| of.len() == 1), "REQ-2");
    assert_eq!(paired.iter().flatten().collect::<BTreeSet<_>>().len(), 3);
    assert!(spread(Pooling::Arbitrary).iter().all(|of| of.len() == 3));
}

#[test]
fn hairpins_show_the_source_that_is_configured() {
    let external = |hairpin| {
        let mut bench = Bench::new(Config { hairpin, ..Config::full_cone() });
        let inner = bench.out(X2, Y1[0]).unwrap();
        bench.turn(X, inner)
    };
    let (mapped, inside) = (address("203.0.113.1:5000"), address(X));
    // X2 was first and has port 5000.
    let (source, to) = external(Hairpin::ExternalSource).unwrap();
    assert!(source.ip() == mapped.ip() && source != mapped && to == address(X2), "{source}");
    assert_eq!(external(Hairpin::InternalSource), Some((inside, address(X2))));
    assert_eq!(external(Hairpin::Off), None);
}

#[test]
fn the_filter_holds_for_packets_that_turn_back() {
    let mut bench = Bench::new(Config::port_restricted());
    let (a, b) = (bench.out(X, Y1[0]).unwrap(), bench.out(X2, Y1[0]).unwrap());
    assert_eq!((bench.turn(X, b), bench.refusal()), (None, Some(Refusal::FilteredEndpoint(a))));
    assert_eq!(bench.turn(X2, a), Some((b, address(X))), "X has sent to b before");
    assert_eq!(bench.turn(X, b), Some((a, address(X2))));
    let mut symmetric = Bench::new(Config::symmetric());
    let (a, b) = (symmetric.out(X, Y1[0]).unwrap(), symmetric.out(X2, Y1[0]).unwrap());
    for _ in 0..3 {
        assert_eq!((symmetric.turn(X, b), symmetric.turn(X2, a)), (None, None));
    }
}

#[test]
fn idle_rows_go_and_only_packets_from_inside_keep_them() {
    for (inbound_refresh, alive) in [(false, false), (true, true)] {
        let config = Config { udp_timeout: 120 * SECOND, inbound_refresh, ..Config::port_restricted() };
        let mut bench = Bench::new(config);
        let mapped = bench.out(X, Y1[0]).unwrap();
        bench.now += 119 * SECOND;
        assert!(bench.back(Y1[0], mapped).is_some());
        bench.now += 2 * SECOND;
        assert_eq!(bench.back(Y1[0], mapped).is_some(), alive, "REQ-6a");
    }
    let mut bench = Bench::new(Config::port_restricted());
    let mapped = bench.out(X, Y1[0]).unwrap();
    for _ in 0..10 {
        bench.now += 299 * SECOND;
        assert_eq!(bench.out(X, Y1[0]), Some(mapped), "REQ-6: outbound refresh");
    }
    bench.now += 299 * SECOND;
    assert!(bench.back(Y1[0], mapped).is_some(), "REQ-5: five minutes");
    bench.now += 2 * SECOND;
    assert_eq!((bench.back(Y1[0], mapped), bench.refusal()), (None, Some(Refusal::NoRow)));
    assert!(bench.nat.rows(bench.now).0.is_empty());
}

#[test]
fn a_permission_goes_by_itself_while_the_row_is_kept_by_others() {
    let mut bench = Bench::new(Config::port_restricted());
    let mapped = bench.out(X, Y1[0]).unwrap();
    bench.now += 200 * SECOND;
    bench.out(X, Y2[0]).unwrap();
    bench.now += 200 * SECOND;
    assert!(bench.back(Y1[0], mapped).is_none() && bench.back(Y2[0], mapped).is_some());
    assert_eq!(bench.nat.rows(bench.now).0[0].remotes, [address(Y2[0])]);
}

#[test]
fn what_never_answered_is_forgotten_sooner() {
    let mut bench = Bench::new(Config::linux_masquerade());
    let mapped = bench.out(X, Y1[0]).unwrap();
    bench.now += 31 * SECOND;
    assert_eq!(bench.back(Y1[0], mapped), None);
    let mapped = bench.out(X, Y1[0]).unwrap();
    bench.back(Y1[0], mapped).unwrap();
    bench.now += 119 * SECOND;
    assert!(bench.back(Y1[0], mapped).is_some());
}

#[test]
fn overloaded_ports_are_told_apart_by_the_other_side() {
    let mut bench = Bench::new(Config::linux_masquerade());
    let shared = bench.out(X, Y1[0]).unwrap();
    assert_eq!(bench.out(X2, Y2[0]), Some(shared), "the other sides differ");
    assert_eq!(bench.back(Y1[0], shared), Some(address(X)));
    assert_eq!(bench.back(Y2[0], shared), Some(address(X2)));
    let moved = bench.out(X2, Y1[0]).unwrap();
    assert_ne!(moved, shared, "here they do not");
    assert_eq!(bench.back(Y1[0], moved), Some(address(X2)));
    assert_eq!(bench.out(X2, Y2[0]), Some(shared), "what runs keeps its port");
    assert_eq!(bench.back(Y2[0], moved), None);
}

#[test]
fn linux_keeps_one_port_for_all_destinations_unless_random_is_asked_for() {
    let seen = |config| {
        let mut bench = Bench::new(config);
        four().map(|to| bench.out(X, to).unwrap().port())
    };
    assert_eq!(seen(Config::linux_masquerade()), [5000; 4]);
    assert_eq!(seen(Config::linux_masquerade_random()).iter().collect::<BTreeSet<_>>().len(), 4);
}

#[test]
fn a_row_made_by_hand_lets_anybody_in_and_stays() {
    let mut bench = Bench::new(Config::symmetric());
    let external = bench.nat.map(bench.now, Protocol::Udp, address(X), 40_000).unwrap();
    assert_eq!(external, address("203.0.113.1:40000"));
    assert_eq!(bench.nat.map(bench.now, Protocol::Udp, address(X2), 40_000), None, "taken");
    bench.now += 100_000 * SECOND;
    assert_eq!(bench.back(Y2[1], external), Some(address(X)));
    assert_eq!([bench.out(X, Y1[0]), bench.out(X, Y2[0])], [Some(external); 2], "and is used on the way out");
    bench.now += 100_000 * SECOND;
    assert_eq!(bench.nat.rows(bench.now).0[0].expires, None);
    bench.nat.rebind();
    assert_eq!(bench.out(X, Y1[0]), Some(external));
    assert!(bench.nat.unmap(Protocol::Udp, external) && !bench.nat.unmap(Protocol::Udp, external));
    assert_eq!(bench.back(Y2[1], external), None);
}

#[test]
fn rebinding_moves_every_row_and_keeps_who_may_answer() {
    let mut bench = Bench::new(Config::port_restricted());
    let old = [X, X2].map(|from| bench.out(from, Y1[0]).unwrap());
    bench.nat.rebind();
    assert_eq!(old.map(|to| bench.back(Y1[0], to)), [None; 2]);
    let new = bench.nat.rows(bench.now).0.iter().map(|row| row.external).collect::<Vec<_>>();
    assert_eq!(bench.back(Y1[0], new[0]), Some(address(X)), "before the inside has sent anything");
    assert_eq!([X, X2].map(|from| bench.out(from, Y1[0]).unwrap()).to_vec(), new);
    assert!(new.iter().all(|to| !old.contains(to)));

    bench.nat.readdress(&["203.0.113.77".parse().unwrap()]);
    assert_eq!(bench.out(X, Y1[0]).unwrap().ip(), address("203.0.113.77:1").ip());
    bench.nat.flush();
    assert!(bench.nat.rows(bench.now).0.is_empty());
    let after = bench.out(X, Y2[0]).unwrap();
    assert_eq!(bench.back(Y1[0], after), None, "nobody is remembered");
}

#[test]
fn blocked_udp_stops_both_ways_and_tcp_goes_on() {
    let mut bench = Bench::new(Config::blocked());
    assert_eq!((bench.out(X, Y1[0]), bench.refusal()), (None, Some(Refusal::Policy(Protocol::Udp))));
    bench.nat.map(bench.now, Protocol::Udp, address(X), 6000).unwrap();
    assert_eq!(bench.back(Y1[0], address("203.0.113.1:6000")), None);
    let (by, piece) = bench.pass(INSIDE, Packet::tcp(address(X), address(Y1[0]), *b"x")).unwrap();
    assert_eq!(by, OUTSIDE);
    let answer = bench.pass(OUTSIDE, Packet::tcp(address(Y1[0]), piece.source, *b"x")).unwrap();
    assert_eq!(answer.1.destination, address(X));
    assert!(bench.pass(OUTSIDE, Packet::udp(address(Y1[0]), piece.source, *b"x")).is_none());

    let mut web = Bench::new(Config::web_only());
    assert!(web.pass(INSIDE, Packet::tcp(address(X), address("198.51.100.1:443"), *b"x")).is_some());
    assert!(web.pass(INSIDE, Packet::tcp(address(X), address("198.51.100.1:3478"), *b"x")).is_none());
}

#[test]
fn streams_and_datagrams_have_rows_of_their_own() {
    let mut bench = Bench::new(Config::full_cone());
    let mapped = bench.out(X, Y1[0]).unwrap();
    assert!(bench.pass(OUTSIDE, Packet::tcp(address(Y1[0]), mapped, *b"x")).is_none());
    let (_, piece) = bench.pass(INSIDE, Packet::tcp(address(X), address(Y1[0]), *b"x")).unwrap();
    assert_eq!(piece.source, mapped, "the port of the other protocol is free");
    bench.now += Duration::from_secs(2 * 3600);
    let rows = bench.nat.rows(bench.now).0;
    assert_eq!(rows.iter().map(|row| row.protocol).collect::<Vec<_>>(), [Protocol::Tcp]);
}

#[test]
fn ipv6_is_filtered_and_never_rewritten() {
    let (inside, [y1, y1b, y2]) =
        ("[2001:db8:1::2]:5000", ["[2001:db8::1]:1000", "[2001:db8::1]:2000", "[2001:db8::2]:1000"]);
    let firewall = |filtering| Config { ipv6: Ipv6::Firewall(filtering), ..Config::symmetric() };
    let answers = |config| {
        let mut bench = Bench::new(config);
        let out = bench.out(inside, y1);
        assert!(out.is_none_or(|source| source == address(inside)));
        [y1, y1b, y2].map(|from| bench.back(from, address(inside)).is_some())
    };
    assert_eq!(answers(firewall(AddressAndPortDependent)), [true, false, false]);
    assert_eq!(answers(firewall(AddressDependent)), [true, true, false]);
    assert_eq!(answers(firewall(EndpointIndependent)), [true; 3]);
    assert_eq!(answers(Config { ipv6: Ipv6::Open, ..Config::symmetric() }), [true; 3]);
    assert_eq!(answers(Config { ipv6: Ipv6::Off, ..Config::symmetric() }), [false; 3]);
    let mut bench = Bench::new(firewall(EndpointIndependent));
    assert_eq!((bench.back(y1, address(inside)), bench.refusal()), (None, Some(Refusal::NoRow)), "unasked");
    bench.out(inside, y1).unwrap();
    bench.now += 301 * SECOND;
    assert_eq!(bench.back(y1, address(inside)), None);
}

#[test]
fn a_firewall_leaves_ipv4_as_it_is() {
    let mut bench = Bench::with_addresses(Config::firewall(), &[]);
    let host = "198.18.1.2:5000";
    assert_eq!(bench.back(Y1[0], address(host)), None);
    assert_eq!(bench.out(host, Y1[0]), Some(address(host)));
    assert_eq!(four().map(|from| bench.back(from, address(host)).is_some()), [true, false, false, false]);
    bench.nat.rebind();
    assert_eq!(bench.out(host, Y1[0]), Some(address(host)));
}

#[test]
fn each_packet_is_told_step_by_step() {
    let mut bench = Bench::new(Config::port_restricted());
    let mut told = |from: Interface, packet: Packet| -> Vec<String> {
        bench.pass(from, packet);
        bench.steps.iter().map(Step::to_string).collect()
    };
    assert_eq!(
        told(INSIDE, udp(X, Y1[0])),
        [
            "new row: UDP 192.168.1.2:5000 = 203.0.113.1:5000, towards 198.51.100.1:1000",
            "source rewritten: 192.168.1.2:5000 => 203.0.113.1:5000",
        ]
    );
    assert_eq!(
        told(OUTSIDE, udp(Y1[0], "203.0.113.1:5000")),
        [
            "row: UDP 192.168.1.2:5000 = 203.0.113.1:5000, towards 198.51.100.1:1000",
            "filter: let in, the inside has sent to 198.51.100.1:1000",
            "translated back: 203.0.113.1:5000 => 192.168.1.2:5000",
        ]
    );
    assert_eq!(told(OUTSIDE, udp(Y2[0], "203.0.113.1:5000")), ["dropped: the inside never sent to 198.51.100.2:1000"]);
    bench.now += 60 * SECOND;
    let table = bench.nat.rows(bench.now).to_string();
    let row = "UDP 192.168.1.2:5000       203.0.113.1:5000          60.0s   240.0s 198.51.100.1:1000";
    assert_eq!(table.lines().nth(1), Some(row), "{table}");
}
