//! Networks that are more than one NAT on either side.

use std::time::Duration;

use peerage_lab::outcome::{Outcome, Way};
use peerage_lab::place::Place;
use peerage_lab::scenario::Scenario;
use peerage_lab::table::Options;
use peerage_lab::topologies::Topology;
use peerage_sim::nat::config::{Config, Hairpin};
use peerage_sim::packet::Protocol;
use peerage_sim::topology::{Behind, Families, Plan, Shape};

const OPTIONS: Options = Options { plain_ice: false, turn: true, seed: 1, runs: 1 };

fn is_whole(outcome: &Outcome) -> bool {
    outcome.messages.0 > 0 && outcome.messages.0 == outcome.messages.1
}

fn run(name: &str) -> Outcome {
    let topology = Topology::named(name).unwrap_or_else(|| panic!("there is no topology {name}"));
    topology.scenario(OPTIONS).run()
}

#[test]
fn every_topology_connects_as_well_as_it_can_and_loses_nothing() {
    let expected = [
        ("public", Way::Direct),
        ("server", Way::Direct),
        ("same-nat", Way::Direct),
        ("same-carrier", Way::Direct),
        ("double", Way::Direct),
        ("double-both", Way::Direct),
        ("double-symmetric", Way::Relayed),
        ("udp-blocked", Way::Relayed),
        ("udp-blocked-both", Way::Relayed),
        ("overlapping", Way::Direct),
        ("ipv6-both", Way::Direct),
        ("ipv6-one", Way::Direct),
        ("ipv6-only-both", Way::Direct),
        ("ipv6-against-ipv4", Way::Relayed),
    ];
    let mut wrong = Vec::new();
    for (name, way) in expected {
        let outcome = run(name);
        if outcome.way != way || !is_whole(&outcome) {
            let Outcome { way: found, settled_after, messages, explanations, .. } = outcome;
            wrong.push(format!(
                "{name}: {found} instead of {way}, after {settled_after:?}, {messages:?} messages\n{}\n{}",
                explanations[0], explanations[1]
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn two_machines_of_one_network_use_their_own_addresses() {
    let outcome = run("same-nat");
    for pair in outcome.selected {
        let pair = pair.expect("a pair is in use");
        assert_eq!(pair.local_address.ip().to_string().rsplit_once('.').unwrap().0, "192.168.1", "{pair:?}");
        assert_eq!(pair.remote_address.ip().to_string().rsplit_once('.').unwrap().0, "192.168.1", "{pair:?}");
    }
}

#[test]
fn two_homes_of_one_carrier_are_relayed_where_packets_do_not_turn_back() {
    let outcome = run("same-carrier-no-hairpin");
    assert_eq!(outcome.way, Way::Relayed, "{}", outcome.explanations[0]);
    assert!(is_whole(&outcome));
}

#[test]
fn where_packets_turn_back_with_their_internal_source_a_way_is_found_too() {
    let home = || Config { hairpin: Hairpin::InternalSource, ..Config::full_cone() };
    let plan = Plan::new(Shape::SameCarrier { homes: [home(), home()], carrier: home() });
    let outcome = Scenario::new(plan).run();
    assert_ne!(outcome.way, Way::None, "{}", outcome.explanations[0]);
    assert!(is_whole(&outcome));
}

#[test]
fn ipv6_is_direct_where_ipv4_could_not_be() {
    let outcome = run("ipv6-both");
    let pair = outcome.selected[0].expect("a pair is in use");
    assert!(pair.local_address.is_ipv6() && pair.remote_address.is_ipv6(), "{pair:?}");
    let v4 = Plan::new(Shape::Apart(Behind::Nat(Config::symmetric()), Behind::Nat(Config::symmetric())));
    assert_eq!(OPTIONS.scenario(v4.with_families(Families::V4, Families::V4)).run().way, Way::Relayed);
}

#[test]
fn where_udp_is_blocked_the_relay_is_reached_over_tcp() {
    let blocked = Place::parse("udp-blocked").unwrap();
    let typical = Place::parse("port-restricted").unwrap();
    for (a, b, side) in [(&blocked, &typical, 0), (&typical, &blocked, 1)] {
        let mut run = OPTIONS.between(a, b).build();
        run.start();
        run.finish();
        let outcome = run.outcome();
        assert_eq!(outcome.way, Way::Relayed, "{}", outcome.explanations[side]);
        assert!(is_whole(&outcome));
        let nat = run.world.get(run.pair.routers(side)[0].nat);
        let rows = nat.rows(run.world.now()).0;
        assert!(!rows.is_empty() && rows.iter().all(|row| row.protocol == Protocol::Tcp), "{rows:?}");
        assert!(run.world.get(run.relay.unwrap()).relayed() > 0);
    }
}

#[test]
fn tcp_candidates_connect_directly_where_udp_is_blocked_and_the_other_side_can_be_reached() {
    let (blocked, public) = (Place::parse("udp-blocked").unwrap(), Place::parse("public").unwrap());
    for (a, b) in [(&blocked, &public), (&public, &blocked)] {
        let mut scenario = OPTIONS.between(a, b);
        (scenario.tcp, scenario.turn) = (true, false);
        let outcome = scenario.run();
        assert_eq!(outcome.way, Way::Direct, "{} / {}", outcome.explanations[0], outcome.explanations[1]);
        assert!(is_whole(&outcome));
    }
}

#[test]
fn a_closed_network_fails_and_says_so_in_time() {
    let (closed, public) = (Place::parse("closed").unwrap(), Place::parse("public").unwrap());
    let mut scenario = OPTIONS.between(&closed, &public);
    scenario.limit = Duration::from_secs(60);
    let outcome = scenario.run();
    assert_eq!((outcome.way, outcome.messages), (Way::None, (0, 0)));
    assert!(!outcome.explanations[0].causes.is_empty());
}
