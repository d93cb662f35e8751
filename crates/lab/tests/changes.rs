//! What changes in mid-transfer: the transfer goes on, and nothing is lost.

use std::net::Ipv4Addr;
use std::time::Duration;

use peerage_lab::outcome::Way;
use peerage_lab::scenario::{Run, Scenario};
use peerage_sim::nat::config::Config;
use peerage_sim::topology::Families;

/// Messages of a transfer: 50 in a second.
const MESSAGES: usize = 300;
/// For all of them, six seconds of sending included.
const LIMIT: Duration = Duration::from_secs(20);

fn transfer(a: Config, b: Config) -> Scenario {
    let mut scenario = Scenario::between(a, b);
    scenario.messages = MESSAGES;
    scenario
}

/// Runs until the transfer is under way on a path of this kind.
fn under_way(scenario: &Scenario, way: Way) -> Run {
    let mut run = scenario.build();
    run.start();
    let begun = run.until(Duration::from_secs(30), |world, peers| {
        peers.iter().all(|id| world.get(*id).selected_at(way == Way::Relayed).is_some())
            && world.get(peers[1]).received().len() >= 20
    });
    assert!(begun, "the transfer begins: {}", run.outcome().explanations[0]);
    assert_eq!(run.outcome().way, way);
    run
}

/// All messages arrive in time.
fn goes_on(run: &mut Run) {
    let before = run.world.get(run.peers[1]).received().len();
    assert!(before < MESSAGES, "the change came too late");
    let done = run.until(LIMIT, |world, peers| world.get(peers[1]).received().len() == MESSAGES);
    let outcome = run.outcome();
    assert!(
        done && outcome.messages == (MESSAGES, MESSAGES),
        "{before} before the change, {:?} after, {}\na: {}\nb: {}",
        outcome.messages,
        outcome.way,
        outcome.explanations[0],
        outcome.explanations[1]
    );
}

#[test]
fn a_nat_that_gives_other_ports_stops_nothing() {
    for (a, b) in [
        (Config::full_cone(), Config::full_cone()),
        (Config::port_restricted(), Config::full_cone()),
        (Config::port_restricted(), Config::port_restricted()),
    ] {
        for side in [0, 1] {
            let mut run = under_way(&transfer(a.clone(), b.clone()), Way::Direct);
            let router = run.pair.routers(side)[0];
            run.world.get_mut(router.nat).rebind();
            goes_on(&mut run);
        }
    }
}

#[test]
fn a_connection_of_old_standing_outlives_a_change_too() {
    for side in [0, 1] {
        let mut scenario = transfer(Config::port_restricted(), Config::port_restricted());
        // Long enough for everything to be gone that only connecting needed.
        scenario.messages = 0;
        let mut run = scenario.build();
        run.start();
        run.until(Duration::from_secs(100), |_, _| false);
        run.send_more(MESSAGES);
        run.until(Duration::from_secs(1), |_, _| false);
        assert_eq!(run.outcome().way, Way::Direct);
        let router = run.pair.routers(side)[0];
        run.world.get_mut(router.nat).rebind();
        goes_on(&mut run);
    }
}

#[test]
fn a_new_external_address_stops_nothing() {
    for side in [0, 1] {
        let mut run = under_way(&transfer(Config::port_restricted(), Config::address_restricted()), Way::Direct);
        run.pair.routers(side)[0].readdress(&mut run.world, Ipv4Addr::new(203, 0, 113, 200));
        goes_on(&mut run);
    }
}

#[test]
fn a_nat_that_lost_its_table_stops_nothing() {
    for side in [0, 1] {
        let mut run = under_way(&transfer(Config::port_restricted(), Config::port_restricted()), Way::Direct);
        let router = run.pair.routers(side)[0];
        run.world.get_mut(router.nat).flush();
        goes_on(&mut run);
    }
}

#[test]
fn a_telephone_that_changes_networks_goes_on() {
    for side in [0, 1] {
        let mut run = under_way(&transfer(Config::port_restricted(), Config::port_restricted()), Way::Direct);
        let mut site = run.pair.internet.site(&mut run.world, &Config::address_restricted());
        let seat = site.seat(Families::V4);
        run.attachments[side] = seat.take(&mut run.world, run.peers[side], run.attachments[side]);
        let now = run.world.now();
        run.world.get_mut(run.peers[side]).readdress(now, seat.addresses.clone());
        goes_on(&mut run);
        // What was found after the change is no worse than before.
        run.until(Duration::from_secs(20), |_, _| false);
        assert_eq!(run.outcome().way, Way::Direct, "{}", run.outcome().explanations[side]);
    }
}

#[test]
fn a_relayed_transfer_outlives_other_ports_of_a_nat() {
    for side in [0, 1] {
        let mut scenario = transfer(Config::symmetric(), Config::symmetric());
        scenario.plain_ice = true;
        let mut run = under_way(&scenario, Way::Relayed);
        let router = run.pair.routers(side)[0];
        run.world.get_mut(router.nat).rebind();
        goes_on(&mut run);
    }
}

#[test]
fn a_relay_that_starts_anew_is_found_again() {
    let mut scenario = transfer(Config::symmetric(), Config::symmetric());
    scenario.plain_ice = true;
    let mut run = under_way(&scenario, Way::Relayed);
    let now = run.world.now();
    let relay = run.relay.expect("there is one");
    run.world.get_mut(relay).restart(now);
    goes_on(&mut run);
    assert_eq!(run.outcome().way, Way::Relayed);
}
