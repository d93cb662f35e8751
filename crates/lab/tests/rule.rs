//! Every kind of NAT against every other, with nothing but RFC 8445: what can be direct is, all else is relayed.

use std::time::Duration;

use peerage_lab::outcome::Way;
use peerage_lab::scenario::Scenario;
use peerage_sim::nat::config::{Behaviour, Config};
use peerage_sim::topology::{Behind, Plan, Shape};

const KINDS: [Behaviour; 3] =
    [Behaviour::EndpointIndependent, Behaviour::AddressDependent, Behaviour::AddressAndPortDependent];

/// The rule that follows from RFC 4787's definitions: what each side's NAT does with packets to and from the other.
fn is_direct(a: &Config, b: &Config) -> bool {
    let independent = |nat: &Config| nat.mapping == Behaviour::EndpointIndependent;
    let strict = |nat: &Config| nat.filtering == Behaviour::AddressAndPortDependent;
    match (independent(a), independent(b)) {
        (true, true) => true,
        (true, false) => !strict(a),
        (false, true) => !strict(b),
        (false, false) => {
            let open = |nat: &Config| nat.filtering == Behaviour::EndpointIndependent;
            let by_address = |nat: &Config| nat.mapping == Behaviour::AddressDependent;
            !strict(a) && !strict(b) && (open(a) || open(b)) && (by_address(a) || by_address(b))
        }
    }
}

fn cells() -> Vec<Config> {
    KINDS.iter().flat_map(|mapping| KINDS.iter().map(|filtering| Config::cell(*mapping, *filtering))).collect()
}

#[test]
fn every_cell_of_plain_ice_is_as_the_rule_says_and_none_fails() {
    let mut wrong = Vec::new();
    for a in cells() {
        for b in cells() {
            let mut scenario = Scenario::between(a.clone(), b.clone()).plain();
            scenario.limit = Duration::from_secs(15);
            let outcome = scenario.run();
            let expected = if is_direct(&a, &b) { Way::Direct } else { Way::Relayed };
            // 20 ms to the public network on either side: 40 ms there and back between the two.
            let limit = Duration::from_millis(1000 + 2 * 40);
            let late = expected == Way::Relayed && outcome.connected_after.is_none_or(|after| after > limit);
            let whole = outcome.messages.0 == outcome.messages.1 && outcome.messages.0 > 0;
            if outcome.way != expected || !whole || late {
                wrong.push(format!(
                    "{:?}/{:?} against {:?}/{:?}: {} instead of {expected} after {:?}, {:?} messages",
                    a.mapping,
                    a.filtering,
                    b.mapping,
                    b.filtering,
                    outcome.way,
                    outcome.connected_after,
                    outcome.messages
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{} cells:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn two_public_machines_find_each_other() {
    let shape = Shape::Apart(Behind::Nothing, Behind::Nothing);
    let outcome = Scenario::new(Plan::new(shape)).run();
    assert_eq!(outcome.way, Way::Direct, "{outcome:#?}");
    assert_eq!(outcome.messages, (20, 20));
}

#[test]
fn a_relay_is_found_within_a_second_and_two_round_trips_where_nothing_is_direct() {
    let outcome = Scenario::between(Config::symmetric(), Config::symmetric()).plain().run();
    assert_eq!(outcome.way, Way::Relayed);
    // 20 ms to the public network on either side: 40 ms there and back between the two.
    let limit = Duration::from_millis(1000 + 2 * 40);
    assert!(outcome.connected_after.is_some_and(|after| after <= limit), "{:?}", outcome.connected_after);
}
