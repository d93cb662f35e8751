//! Beyond plain ICE: prediction and birthday probing across simulated NATs.

mod lab;

use lab::browser::Browser;
use lab::{Lab, Native, Servers, base, build, introduced, seat};
use peerage_base::time::{Duration, Instant};
use peerage_ice::config::Config;
use peerage_sim::Link;
use peerage_sim::link::Loss;
use peerage_sim::nat;
use peerage_sim::nat::config::Allocation;
use peerage_sim::network::Direction;

const SECOND: Duration = Duration::from_secs(1);

/// Two native peers that were told of each other.
fn natives(seed: u64, [a, b]: [nat::Config; 2], configs: [Config; 2], relayed: bool) -> Lab<Native, Native> {
    let (world, pair, servers) = build(seed, a, b);
    introduced(world, pair, servers, seed, configs, [relayed, false])
}

/// A native peer and a browser.
fn with_browser(seed: u64, native: nat::Config, browser: nat::Config) -> Lab<Native, Browser> {
    let (world, pair, servers) = build(seed, native, browser);
    let mut a = Native::new(0, Config::default(), seed, servers, base(&pair, 0), true);
    let b = Browser::new(seed, servers, a.agent.local_credentials().clone());
    a.agent.set_remote_credentials(Instant::ORIGIN, b.credentials.clone()).unwrap();
    seat(world, pair, a, b)
}

fn direct(lab: &mut Lab<Native, Native>, limit: Duration) -> Option<Instant> {
    let (a, b) = (lab.a, lab.b);
    lab.run_until(limit, |world| world.get(a).node.is_direct() && world.get(b).node.is_direct())
}

fn kinds() -> [(&'static str, nat::Config); 4] {
    [
        ("full cone", nat::Config::full_cone()),
        ("address-restricted", nat::Config::address_restricted()),
        ("port-restricted", nat::Config::port_restricted()),
        ("symmetric", nat::Config::symmetric_sequential()),
    ]
}

#[test]
fn all_cells_are_direct_where_symmetric_nats_count() {
    for (seed, (name, a)) in kinds().into_iter().enumerate() {
        for (more, (other, b)) in kinds().into_iter().enumerate() {
            let seed = (4 * seed + more) as u64;
            let mut lab = natives(seed, [a.clone(), b], [Config::default(), Config::default()], true);
            let at = direct(&mut lab, 10 * SECOND);
            println!("{name} x {other}: {at:?}");
            assert!(at.is_some(), "{name} x {other}");
        }
    }
}

/// Runs seeds and says how many were direct, and when.
fn share(name: &str, seeds: u64, run: impl Fn(u64) -> Option<Instant>) -> usize {
    let mut times: Vec<Duration> = (0..seeds).filter_map(|seed| Some(run(seed)?.since(Instant::ORIGIN))).collect();
    times.sort();
    println!(
        "{name}: {} of {seeds} direct; median {:?}, slowest {:?}",
        times.len(),
        times.get(times.len() / 2),
        times.last()
    );
    times.len()
}

fn random_natives(seed: u64, swapped: bool) -> Option<Instant> {
    let mut nats = [nat::Config::port_restricted(), nat::Config::symmetric()];
    if swapped {
        nats.reverse();
    }
    let mut lab = natives(seed, nats, [Config::default(), Config::default()], true);
    direct(&mut lab, 20 * SECOND)
}

fn random_native_and_browser(seed: u64) -> Option<Instant> {
    let mut lab = with_browser(seed, nat::Config::symmetric(), nat::Config::port_restricted());
    let a = lab.a;
    lab.run_until(20 * SECOND, |world| world.get(a).node.is_direct())
}

#[test]
fn random_symmetric_and_port_restricted_natives_meet() {
    assert!(share("port-restricted x symmetric", 5, |seed| random_natives(seed, false)) >= 4);
    assert!(share("symmetric x port-restricted", 5, |seed| random_natives(seed, true)) >= 4);
}

#[test]
#[ignore = "200 runs take a minute"]
fn random_symmetric_and_port_restricted_natives_meet_in_eight_of_ten_runs() {
    assert!(share("port-restricted x symmetric", 200, |seed| random_natives(seed, false)) >= 160);
    assert!(share("symmetric x port-restricted", 200, |seed| random_natives(seed, true)) >= 160);
}

#[test]
fn a_random_symmetric_native_and_a_browser_meet() {
    assert!(share("symmetric x Chromium", 6, random_native_and_browser) >= 3);
}

#[test]
#[ignore = "200 runs take a minute"]
fn a_random_symmetric_native_and_a_browser_meet_in_seven_of_ten_runs() {
    assert!(share("symmetric x Chromium", 200, random_native_and_browser) >= 140);
}

fn counting(step: u16) -> nat::Config {
    nat::Config { allocation: Allocation::Sequential(step), ..nat::Config::symmetric() }
}

fn symmetric_natives(seed: u64, a: nat::Config, b: nat::Config, disturbed: Option<Duration>) -> Option<Instant> {
    let mut lab = natives(seed, [a, b], [Config::default(), Config::default()], true);
    if let Some(every) = disturbed {
        let anywhere = "192.0.2.77:9".parse().unwrap();
        lab.disturb(0, every, anywhere);
        lab.disturb(1, every * 2, anywhere);
    }
    let at = direct(&mut lab, 20 * SECOND);
    if let Some(every) = disturbed {
        let passed = lab.world.get(lab.pair.routers(0)[0].nat).passed();
        assert!(u128::from(passed) > lab.world.now().since(Instant::ORIGIN).as_nanos() / every.as_nanos());
    }
    at
}

#[test]
fn other_traffic_behind_the_same_nats_does_not_spoil_predictions() {
    let busy = Some(Duration::from_millis(100));
    let restricted = nat::Config::port_restricted;
    assert!(share("busy, one", 10, |seed| symmetric_natives(seed, counting(1), restricted(), busy)) >= 9);
    assert!(share("busy, both", 10, |seed| symmetric_natives(seed, counting(1), counting(1), busy)) >= 9);
    let busier = Some(Duration::from_millis(30));
    assert!(share("busier, one", 10, |seed| symmetric_natives(seed, restricted(), counting(1), busier)) >= 9);
    assert!(share("busier, both", 10, |seed| symmetric_natives(seed, counting(1), counting(1), busier)) >= 9);
}

#[test]
fn one_server_will_do_where_the_peers_relay_tells_the_rest() {
    let pairs = [
        [nat::Config::port_restricted(), nat::Config::symmetric()],
        [nat::Config::symmetric(), nat::Config::port_restricted()],
        [nat::Config::port_restricted(), counting(1)],
        [counting(2), nat::Config::port_restricted()],
        [counting(1), counting(1)],
    ];
    for [a, b] in pairs {
        let name = format!("{:?} x {:?}", a.allocation, b.allocation);
        let run = |seed| {
            let (world, pair, servers) = build(seed, a.clone(), b.clone());
            let servers = Servers { stun: [servers.stun[0]; 2], ..servers };
            let mut lab = introduced(world, pair, servers, seed, [Config::default(), Config::default()], [true, true]);
            direct(&mut lab, 20 * SECOND)
        };
        assert_eq!(share(&name, 3, run), 3);
    }
}

#[test]
fn other_steps_and_blocks_are_found_out() {
    let block = || nat::Config { allocation: Allocation::Block(512), ..nat::Config::symmetric() };
    let restricted = nat::Config::port_restricted;
    assert_eq!(share("step 2 x 3", 5, |seed| symmetric_natives(seed, counting(2), counting(3), None)), 5);
    assert_eq!(share("block", 5, |seed| symmetric_natives(seed, block(), restricted(), None)), 5);
}

#[test]
fn a_nat_that_keeps_the_port_of_a_first_destination_is_predicted() {
    let keeping = || nat::Config { allocation: Allocation::Preserving, ..nat::Config::symmetric() };
    let restricted = nat::Config::port_restricted;
    let quick = |at: Option<Instant>| at.filter(|at| *at < Instant::from_millis(5000));
    assert_eq!(share("keeping, one", 5, |seed| quick(symmetric_natives(seed, keeping(), restricted(), None))), 5);
    assert_eq!(share("keeping, both", 5, |seed| quick(symmetric_natives(seed, keeping(), keeping(), None))), 5);
    assert_eq!(share("keeping, counting", 5, |seed| quick(symmetric_natives(seed, keeping(), counting(1), None))), 5);
    let browser = |seed| {
        let mut lab = with_browser(seed, keeping(), restricted());
        let a = lab.a;
        lab.run_until(5 * SECOND, |world| world.get(a).node.is_direct())
    };
    assert_eq!(share("keeping x Chromium", 5, browser), 5);
}

#[test]
fn a_counting_nat_on_either_side_of_a_browser_is_predicted() {
    let restricted = nat::Config::port_restricted;
    let run = |seed, native: nat::Config, browser: nat::Config| {
        let mut lab = with_browser(seed, native, browser);
        let a = lab.a;
        lab.run_until(20 * SECOND, |world| world.get(a).node.is_direct())
    };
    assert_eq!(share("counting x Chromium", 5, |seed| run(seed, counting(1), restricted())), 5);
    assert_eq!(share("native x Chromium behind counting", 5, |seed| run(seed, restricted(), counting(1))), 5);
    assert_eq!(share("counting x Chromium behind counting", 5, |seed| run(seed, counting(1), counting(1))), 5);
}

#[test]
fn what_found_the_peer_stays_and_all_else_is_given_back() {
    for nats in [
        [nat::Config::port_restricted(), nat::Config::symmetric()],
        [nat::Config::symmetric(), nat::Config::port_restricted()],
        [counting(1), nat::Config::port_restricted()],
        [counting(1), counting(1)],
    ] {
        let swept = nats[0].mapping != nats[1].mapping;
        let mut lab = natives(3, nats, [Config::default(), Config::default()], true);
        let at = direct(&mut lab, 20 * SECOND).unwrap().since(Instant::ORIGIN);
        let probes =
            |lab: &Lab<Native, Native>| [lab.a, lab.b].map(|id| lab.world.get(id).node.agent.punch_summary().probes);
        let before = probes(&lab);
        lab.run_until(at + 2 * SECOND, |_| false);
        let mut kept = 0;
        for id in [lab.a, lab.b] {
            let native = &lab.world.get(id).node;
            let path = native.agent.selected().unwrap().path;
            assert!(native.open.iter().all(|open| *open == path.local), "{:?} beside {path:?}", native.open);
            kept += native.open.len();
            assert!(!native.agent.punch_summary().running);
        }
        assert_eq!(kept, if swept { 1 } else { 2 });
        assert_eq!(probes(&lab), before);
        // Consent is asked for on a path that lives.
        lab.run_until(at + 60 * SECOND, |_| false);
        assert!([lab.a, lab.b].iter().all(|id| lab.world.get(*id).node.is_direct()));
        assert_eq!(probes(&lab), before);
    }
}

#[test]
fn a_restart_keeps_what_was_found() {
    let nats = [nat::Config::symmetric(), nat::Config::port_restricted()];
    let mut lab = natives(3, nats, [Config::default(), Config::default()], true);
    let at = direct(&mut lab, 20 * SECOND).unwrap();
    let (a, b) = (lab.a, lab.b);
    let path = lab.world.get(a).node.agent.selected().unwrap().path;
    lab.world.get_mut(a).node.agent.restart(at);
    let credentials = lab.world.get(a).node.agent.local_credentials().clone();
    lab.world.get_mut(b).node.agent.set_remote_credentials(at, credentials).unwrap();
    let credentials = lab.world.get(b).node.agent.local_credentials().clone();
    lab.world.get_mut(a).node.agent.set_remote_credentials(at, credentials).unwrap();
    lab.run_until(at.since(Instant::ORIGIN) + 30 * SECOND, |_| false);
    let native = &lab.world.get(a).node;
    assert!(native.is_direct() && lab.world.get(b).node.is_direct());
    assert_eq!(native.agent.selected().unwrap().path, path);
    assert_eq!(native.open, [path.local]);
    assert!(native.agent.pairs().all(|pair| !pair.previous), "the new generation carries it");
}

#[test]
fn lost_packets_and_a_missing_relay_do_not_stop_it() {
    let lossy = |seed, nats: [nat::Config; 2], relayed| {
        let mut lab = natives(seed, nats, [Config::default(), Config::default()], relayed);
        let loss = Link { loss: Loss::Random(0.05), ..Link::with_delay(Duration::from_millis(25)) };
        for side in 0..2 {
            let outer = lab.pair.routers(side)[0].outer;
            lab.world.set_link(outer, Direction::Up, loss);
            lab.world.set_link(outer, Direction::Down, loss);
        }
        direct(&mut lab, 20 * SECOND)
    };
    let restricted = nat::Config::port_restricted;
    assert!(share("lossy, one", 8, |seed| lossy(seed, [counting(1), restricted()], true)) >= 7);
    assert!(share("lossy, both", 8, |seed| lossy(seed, [counting(1), counting(1)], true)) >= 7);
    assert!(share("lossy, random", 8, |seed| lossy(seed, [restricted(), nat::Config::symmetric()], true)) >= 7);
    assert!(share("no relay, one", 8, |seed| lossy(seed, [restricted(), counting(1)], false)) >= 7);
    assert!(share("no relay, both", 8, |seed| lossy(seed, [counting(1), counting(1)], false)) >= 7);
}
