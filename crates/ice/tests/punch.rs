//! Beyond plain ICE: prediction and birthday probing across simulated NATs.

mod lab;

use lab::browser::Browser;
use lab::{Lab, Native, Servers, base, build, introduced, seat};
use peerage_base::time::{Duration, Instant};
use peerage_ice::config::Config;
use peerage_sim::nat;
use peerage_sim::nat::config::Allocation;

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
