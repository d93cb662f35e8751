//! What is tried beyond plain ICE stays within its bounds, whatever the peer says, and leaves nothing behind.

mod lab;

use std::collections::BTreeMap;
use std::net::IpAddr;

use lab::{HOST, Lab, Native, PROBES, base, build, introduced, seat};
use peerage_base::path::LocalId;
use peerage_base::time::{Duration, Instant};
use peerage_ice::candidate::Candidate;
use peerage_ice::config::Config;
use peerage_ice::credentials::Credentials;
use peerage_ice::event::{Event, Need, NeedId};
use peerage_ice::punch::mapping::Mapping;
use peerage_sim::nat;

const SECOND: Duration = Duration::from_secs(1);
/// Where the peer says it is.
const PEER: &str = "198.51.100.7";

/// A native peer behind this NAT; the other side is silent, and says what the test says.
fn alone(config: Config, nat: nat::Config, knows: bool) -> Lab<Native, Native> {
    let (world, pair, servers) = build(1, nat, nat::Config::blocked());
    let mut a = Native::new(0, config, 1, servers, base(&pair, 0), true);
    let b = Native::new(1, Config::default(), 1, servers, base(&pair, 1), false);
    a.agent
        .set_remote_credentials(Instant::ORIGIN, Credentials::new("peer", "0123456789abcdefghijklmn").unwrap())
        .unwrap();
    a.agent.set_remote_punch(knows);
    let mut lab = seat(world, pair, a, b);
    say(&mut lab, &format!("{PEER} 40000 typ srflx"));
    lab
}

/// A candidate of the peer.
fn say(lab: &mut Lab<Native, Native>, what: &str) {
    let (now, a) = (lab.world.now(), lab.a);
    let candidate = Candidate::parse(&format!("candidate:1 1 udp 1694498815 {what}")).unwrap();
    let node = &mut lab.world.get_mut(a).node;
    node.agent.add_remote(now, candidate).unwrap();
    node.take_events(now);
}

fn run(lab: &mut Lab<Native, Native>, limit: Duration) {
    lab.run_until(limit, |_| false);
}

fn agent(lab: &Lab<Native, Native>) -> &Native {
    &lab.world.get(lab.a).node
}

/// Checks sent to each address beyond those that plain ICE would have sent.
fn probed(native: &Native) -> BTreeMap<IpAddr, usize> {
    let mut probed = BTreeMap::new();
    for (_, path) in native.sent.iter().filter(|(at, _)| *at >= Instant::from_millis(2000)) {
        *probed.entry(path.remote.ip()).or_default() += 1;
    }
    probed
}

fn nats() -> [nat::Config; 3] {
    [nat::Config::port_restricted(), nat::Config::symmetric(), nat::Config::symmetric_sequential()]
}

/// Least time between two probes.
fn pace(native: &Native) -> Duration {
    let probes = native.sent.iter().filter(|(_, path)| path.local.0 >= PROBES || path.remote.port() != 40_000);
    let peer: IpAddr = PEER.parse().unwrap();
    let times: Vec<Instant> = probes.filter(|(_, path)| path.remote.ip() == peer).map(|(at, _)| *at).collect();
    times.windows(2).map(|two| two[1].since(two[0])).min().unwrap()
}

#[test]
fn many_sockets_are_bounded_paced_and_given_back() {
    let mut lab = alone(Config::default(), nat::Config::symmetric(), true);
    say(&mut lab, &format!("{PEER} 40000 typ srflx punch independent.0"));
    run(&mut lab, SECOND);
    assert_eq!(agent(&lab).open.len(), 256);
    run(&mut lab, 30 * SECOND);
    let native = agent(&lab);
    let summary = native.agent.punch_summary();
    assert!(!summary.running && summary.sockets == 0 && native.open.is_empty());
    assert_eq!(native.most_open, 256);
    assert!((256..=2048).contains(&summary.probes), "{summary:?}");
    assert!(pace(native) >= Duration::from_millis(10));
    assert_eq!((summary.mapping, summary.peer), (Mapping::Random, Some(Mapping::Independent)));
    let after = native.sent.len();
    run(&mut lab, 40 * SECOND);
    assert!(agent(&lab).sent[after..].iter().all(|(_, path)| path.local.0 < PROBES), "nothing goes on");
}

#[test]
fn swept_ports_are_bounded_and_of_the_signalled_address_alone() {
    let mut lab = alone(Config::default(), nat::Config::port_restricted(), true);
    say(&mut lab, &format!("{PEER} 41000 typ srflx punch random.0"));
    run(&mut lab, 60 * SECOND);
    let native = agent(&lab);
    let summary = native.agent.punch_summary();
    assert!((1500..=2048).contains(&summary.probes) && !summary.running, "{summary:?}");
    assert!(pace(native) >= Duration::from_millis(10));
    let peer: IpAddr = PEER.parse().unwrap();
    let mut ports: Vec<u16> = native
        .sent
        .iter()
        .filter(|(_, path)| path.remote.ip() == peer && path.remote.port() != 40_000)
        .map(|(_, path)| path.remote.port())
        .collect();
    let sent = ports.len();
    ports.sort_unstable();
    ports.dedup();
    assert_eq!(ports.len(), sent, "no port twice");
    assert!(ports[0] >= 1024);
    assert_eq!(native.most_open, 0);
}

#[test]
fn a_second_attempt_has_what_the_first_left() {
    let mut lab = alone(Config::default(), nat::Config::port_restricted(), true);
    say(&mut lab, &format!("{PEER} 41000 typ srflx punch random.0"));
    for round in 1..5 {
        run(&mut lab, round * 30 * SECOND);
        let now = lab.world.now();
        let agent = &mut lab.world.get_mut(lab.a).node.agent;
        agent.restart(now);
        let again = Credentials::new(format!("peer{round}"), "0123456789abcdefghijklmn").unwrap();
        agent.set_remote_credentials(now, again).unwrap();
        say(&mut lab, &format!("{PEER} 40000 typ srflx"));
        say(&mut lab, &format!("{PEER} 41000 typ srflx punch random.0"));
    }
    run(&mut lab, 150 * SECOND);
    assert_eq!(agent(&lab).agent.punch_summary().probes, 2048);
}

#[test]
fn addresses_that_the_peer_did_not_signal_or_that_are_not_public_are_not_probed() {
    let third = ["198.51.100.8 41000", "192.168.1.9 41000", "127.0.0.1 41000", "100.64.0.9 41000"];
    for address in third {
        for mapping in ["random.0", "independent.0", "sequential.0.1"] {
            for nat in nats() {
                let mut lab = alone(Config::default(), nat, true);
                // Signalled, but not public.
                let signalled = !address.starts_with(PEER.trim_end_matches('7'));
                if signalled {
                    say(&mut lab, &format!("{address} typ srflx"));
                }
                say(&mut lab, &format!("{address} typ srflx punch {mapping}"));
                run(&mut lab, 30 * SECOND);
                let ip: IpAddr = address.split(' ').next().unwrap().parse().unwrap();
                let checks = probed(agent(&lab)).get(&ip).copied().unwrap_or(0);
                let plain = if signalled { 20 } else { 0 };
                assert!(checks <= plain, "{checks} to {address}, {mapping}");
                assert_eq!(agent(&lab).agent.punch_summary().probes, 0);
            }
        }
    }
}

#[test]
fn a_flood_of_notices_opens_no_flood_of_sockets() {
    let mut lab = alone(Config::default(), nat::Config::symmetric_sequential(), true);
    for round in 0..300 {
        say(&mut lab, &format!("{PEER} {} typ srflx punch sequential.{round}.1", 41_000 + round));
        run(&mut lab, Duration::from_millis(50 * round));
    }
    run(&mut lab, 40 * SECOND);
    let native = agent(&lab);
    let asked = native.events.iter().filter(|(_, event)| matches!(event, Event::Need(_, Need::Probes { .. }))).count();
    let summary = native.agent.punch_summary();
    assert!(asked <= 16 && native.most_open == 1 && native.open.is_empty(), "{asked} {}", native.most_open);
    assert!(summary.probes <= 2048 && !summary.running);
    assert!(native.sent.len() < 3000);
}

#[test]
fn changing_ones_mind_all_the_time_costs_no_more() {
    let mut lab = alone(Config::default(), nat::Config::symmetric(), true);
    for round in 0..400 {
        let mapping = ["independent.0", "random.0", "unknown.0", "sequential.9.1"][round % 4];
        say(&mut lab, &format!("{PEER} {} typ srflx punch {mapping}", 41_000 + round));
        run(&mut lab, Duration::from_millis(20 * round as u64));
    }
    run(&mut lab, 40 * SECOND);
    let native = agent(&lab);
    let summary = native.agent.punch_summary();
    assert!(native.most_open <= 256 && native.open.is_empty() && summary.probes <= 2048, "{summary:?}");
    assert!(pace(native) >= Duration::from_millis(10));
}

#[test]
fn guessed_candidates_are_bounded_and_come_in_batches() {
    let mut lab = alone(Config::default(), nat::Config::symmetric(), false);
    run(&mut lab, 30 * SECOND);
    let native = agent(&lab);
    let guesses: Vec<Instant> =
        native.told.iter().filter(|(_, line)| line.starts_with("candidate:punch")).map(|(at, _)| *at).collect();
    assert!((400..=448).contains(&guesses.len()), "{}", guesses.len());
    assert!(guesses.windows(33).all(|some| some[32].since(some[0]) >= SECOND));
    assert_eq!(native.agent.punch_summary().guesses, guesses.len());
}

#[test]
fn two_random_nats_are_left_to_the_relay() {
    let (world, pair, servers) = build(3, nat::Config::symmetric(), nat::Config::symmetric());
    let mut lab = introduced(world, pair, servers, 3, [Config::default(), Config::default()], [true, false]);
    run(&mut lab, 30 * SECOND);
    for id in [lab.a, lab.b] {
        let native = &lab.world.get(id).node;
        assert!(native.agent.selected().is_some_and(|selected| selected.nominated) && !native.is_direct());
        let summary = native.agent.punch_summary();
        assert_eq!((summary.probes, summary.sockets, native.most_open, summary.running), (0, 0, 0, false));
    }
}

#[test]
fn what_is_switched_off_is_not_done() {
    for (predict, birthday) in [(false, false), (true, false), (false, true)] {
        for nat in nats() {
            for said in ["random.0", "independent.0", "sequential.0.1"] {
                let mut config = Config::default();
                (config.punch.predict, config.punch.birthday) = (predict, birthday);
                let restricted = nat == nat::Config::port_restricted();
                let predicts = nat == nat::Config::symmetric_sequential() && said != "random.0"
                    || restricted && said == "sequential.0.1";
                let gambles =
                    restricted && said == "random.0" || nat == nat::Config::symmetric() && said == "independent.0";
                let mut lab = alone(config, nat.clone(), true);
                say(&mut lab, &format!("{PEER} 41000 typ srflx punch {said}"));
                run(&mut lab, 10 * SECOND);
                let probes = agent(&lab).agent.punch_summary().probes;
                assert_eq!(probes > 0, predicts && predict || gambles && birthday, "{said} {predict} {birthday}");
            }
        }
    }
}

#[test]
fn sockets_that_nobody_wants_are_given_back_at_once() {
    let mut lab = alone(Config::default(), nat::Config::symmetric(), true);
    lab.world.get_mut(lab.a).node.grants = false;
    say(&mut lab, &format!("{PEER} 40000 typ srflx punch independent.0"));
    run(&mut lab, 5 * SECOND);
    assert!(!agent(&lab).agent.punch_summary().running, "an owner without sockets ends it");
    let now = lab.world.now();
    let agent = &mut lab.world.get_mut(lab.a).node.agent;
    let address = "192.168.1.2:9999".parse().unwrap();
    for (need, id) in [(NeedId(0), 500), (NeedId(77), 501)] {
        agent.add_probe(now, need, LocalId(id), address);
        assert_eq!(agent.poll_event(), Some(Event::ReleaseLocal(LocalId(id))));
    }
    agent.add_probe(now, NeedId(0), HOST, address);
    assert_eq!(agent.poll_event(), None, "a local end that is in use is not given back");
}

#[test]
fn a_run_ends_with_a_restart_with_its_local_end_and_with_the_agent() {
    let begin = || {
        let mut lab = alone(Config::default(), nat::Config::symmetric(), true);
        say(&mut lab, &format!("{PEER} 40000 typ srflx punch independent.0"));
        run(&mut lab, 3 * SECOND);
        assert_eq!(agent(&lab).open.len(), 256);
        lab
    };
    type End = fn(&mut peerage_ice::agent::Agent, Instant);
    let ends: [End; 3] =
        [|agent, now| agent.restart(now), |agent, now| agent.remove_local(now, HOST), |agent, now| agent.close(now)];
    for end in ends {
        let mut lab = begin();
        let (now, a) = (lab.world.now(), lab.a);
        let node = &mut lab.world.get_mut(a).node;
        end(&mut node.agent, now);
        node.take_events(now);
        assert!(node.open.is_empty() && !node.agent.punch_summary().running);
        let sent = node.sent.len();
        run(&mut lab, 8 * SECOND);
        assert!(agent(&lab).sent[sent..].iter().all(|(_, path)| path.local.0 < PROBES));
    }
}
