//! Beyond plain ICE: prediction and birthday probing across simulated NATs.

mod lab;

use lab::browser::Browser;
use lab::{Lab, Native, base, build, seat};
use peerage_base::time::{Duration, Instant};
use peerage_ice::config::Config;
use peerage_sim::nat;

const SECOND: Duration = Duration::from_secs(1);

/// Two native peers that were told of each other.
fn natives(seed: u64, [a, b]: [nat::Config; 2], [first, second]: [Config; 2], relayed: bool) -> Lab<Native, Native> {
    let (world, pair, servers) = build(seed, a, b);
    let mut a = Native::new(0, first, seed, servers, base(&pair, 0), relayed);
    let mut b = Native::new(1, second, seed, servers, base(&pair, 1), false);
    let (ours, theirs) = (a.agent.local_credentials().clone(), b.agent.local_credentials().clone());
    a.agent.set_remote_credentials(Instant::ORIGIN, theirs).unwrap();
    b.agent.set_remote_credentials(Instant::ORIGIN, ours).unwrap();
    a.agent.set_remote_punch(true);
    b.agent.set_remote_punch(true);
    seat(world, pair, a, b)
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
