//! What prediction and probing add to plain ICE.

use std::time::Duration;

use peerage_lab::outcome::{Outcome, Way};
use peerage_lab::scenario::Scenario;
use peerage_sim::nat::config::Config;

fn classic(symmetric: fn() -> Config) -> [Config; 4] {
    [Config::full_cone(), Config::address_restricted(), Config::port_restricted(), symmetric()]
}

fn is_whole(outcome: &Outcome) -> bool {
    outcome.messages.0 > 0 && outcome.messages.0 == outcome.messages.1
}

#[test]
fn sequential_symmetric_nats_are_crossed_directly_in_all_sixteen_cells() {
    let mut wrong = Vec::new();
    for (i, a) in classic(Config::symmetric_sequential).into_iter().enumerate() {
        for (j, b) in classic(Config::symmetric_sequential).into_iter().enumerate() {
            let outcome = Scenario::between(a.clone(), b).run();
            let in_time = outcome.settled_after.is_some_and(|after| after <= Duration::from_secs(10));
            if outcome.way != Way::Direct || !in_time || !is_whole(&outcome) {
                let Outcome { way, settled_after, messages, .. } = outcome;
                wrong.push(format!("{i} against {j}: {way} after {settled_after:?}, {messages:?} messages"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// How many of some runs are direct within 20 s.
fn direct(runs: u64, a: fn() -> Config, b: fn() -> Config) -> usize {
    let run = |seed: u64| {
        // Either one may be the one that offers.
        let (a, b) = if seed.is_multiple_of(2) { (a(), b()) } else { (b(), a()) };
        let outcome = Scenario::between(a, b).seeded(seed).run();
        assert!(is_whole(&outcome), "seed {seed}: {:?}", outcome.messages);
        outcome.way == Way::Direct && outcome.settled_after.is_some_and(|after| after <= Duration::from_secs(20))
    };
    (1..=runs).filter(|seed| run(*seed)).count()
}

#[test]
fn most_random_symmetric_nats_are_crossed_from_behind_a_port_restricted_one() {
    let count = direct(10, Config::port_restricted, Config::symmetric);
    assert!(count >= 8, "{count} of 10");
}

#[test]
#[ignore = "minutes: part of the long matrix"]
fn four_of_five_random_symmetric_nats_are_crossed_in_two_hundred_runs() {
    let count = direct(200, Config::port_restricted, Config::symmetric);
    println!("{count} of 200 runs direct within 20 s");
    assert!(count >= 160, "{count} of 200");
}

#[test]
fn two_random_symmetric_nats_are_relayed_and_lose_nothing() {
    let outcome = Scenario::between(Config::symmetric(), Config::symmetric()).run();
    assert_eq!(outcome.way, Way::Relayed);
    assert!(is_whole(&outcome), "{:?}", outcome.messages);
}
