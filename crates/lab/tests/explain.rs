//! Each reason for a missing connection is told as what it is.

use std::time::Duration;

use peerage_lab::scenario::Scenario;
use peerage_session::event::ConnectionState;
use peerage_session::explain::{Cause, Explanation};
use peerage_session::relay::RelayFailure;
use peerage_sim::link::{Link, Loss};
use peerage_sim::nat::config::Config;
use peerage_sim::network::Direction;
use peerage_sim::topology::{Behind, Families, Plan, Shape};

fn plain(mut scenario: Scenario) -> Scenario {
    (scenario.plain_ice, scenario.limit) = (true, Duration::from_secs(45));
    scenario
}

fn explained(scenario: &Scenario) -> [Explanation; 2] {
    scenario.run().explanations
}

#[test]
fn nats_that_let_nothing_through_and_no_relay() {
    let mut scenario = plain(Scenario::between(Config::symmetric(), Config::symmetric()));
    scenario.turn = false;
    for explanation in explained(&scenario) {
        assert_eq!(explanation.state, ConnectionState::Failed);
        assert_eq!(explanation.causes, [Cause::ChecksUnanswered, Cause::NoRelay]);
        let text = explanation.to_string();
        assert!(text.starts_with("not connected: no check was answered") && text.contains("TURN server"), "{text}");
    }
}

#[test]
fn a_network_without_udp() {
    let mut scenario = plain(Scenario::between(Config::blocked(), Config::full_cone()));
    scenario.turn = false;
    let [a, b] = explained(&scenario);
    assert_eq!(a.causes.first(), Some(&Cause::NoUdp), "{:?}", a.causes);
    assert!(a.to_string().contains("lets no UDP out"), "{a}");
    assert!(!b.causes.contains(&Cause::NoUdp), "{:?}", b.causes);
}

#[test]
fn a_relay_that_cannot_be_reached() {
    let mut scenario = plain(Scenario::between(Config::blocked(), Config::full_cone()));
    scenario.stun = false;
    let mut run = scenario.build();
    // Neither datagrams nor streams leave this network.
    let dead = Link { loss: Loss::Random(1.0), ..Link::default() };
    run.world.set_link(run.attachments[0], Direction::Up, dead);
    run.start();
    run.until(Duration::from_secs(90), |_, _| false);
    let explanation = run.world.get(run.peers[0]).session().explain();
    let relays = explanation.causes.iter().filter(|cause| matches!(cause, Cause::Relay { .. })).count();
    assert_eq!(relays, 2, "UDP and TCP: {:?}", explanation.causes);
    let timeout = |cause: &Cause| matches!(cause, Cause::Relay { failure: RelayFailure::Refused(failure), .. } if failure.code().is_none());
    assert!(explanation.causes.iter().any(timeout), "{:?}", explanation.causes);
}

#[test]
fn one_side_with_ipv4_and_one_with_ipv6() {
    let plan = Plan::new(Shape::Apart(Behind::Nothing, Behind::Nothing)).with_families(Families::V4, Families::V6);
    let mut scenario = plain(Scenario::new(plan));
    (scenario.turn, scenario.stun) = (false, false);
    for explanation in explained(&scenario) {
        assert_eq!(explanation.causes.first(), Some(&Cause::NoCommonFamily), "{:?}", explanation.causes);
    }
}

#[test]
fn nobody_answered_the_offer() {
    let scenario = plain(Scenario::between(Config::full_cone(), Config::full_cone()));
    let mut run = scenario.build();
    run.start();
    run.world.run_for(Duration::from_secs(3));
    let explanation = run.world.get(run.peers[0]).session().explain();
    assert_eq!(explanation.causes.first(), Some(&Cause::NoDescription));
}

#[test]
fn a_peer_that_fell_silent() {
    let scenario = plain(Scenario::between(Config::full_cone(), Config::full_cone()));
    let mut run = scenario.build();
    run.start();
    assert!(run.until(Duration::from_secs(10), |world, peers| peers.iter().all(|id| world.get(*id).is_connected())));
    let before = run.world.get(run.peers[0]).session().explain();
    assert_eq!((before.to_string().as_str(), before.causes.len()), ("connected directly", 0));
    run.world.detach(run.attachments[1]);
    run.until(Duration::from_secs(40), |_, _| false);
    let explanation = run.world.get(run.peers[0]).session().explain();
    assert_eq!(explanation.causes.first(), Some(&Cause::ConsentLost), "{:?}", explanation.causes);
}

#[test]
fn a_relayed_connection_says_so() {
    let scenario = plain(Scenario::between(Config::symmetric(), Config::symmetric()));
    for explanation in explained(&scenario) {
        assert!(explanation.to_string().starts_with("connected through a relay"), "{explanation}");
        // That the relay does not serve the private addresses of the peer is no cause of anything.
        assert!(
            !explanation.causes.iter().any(|cause| matches!(cause, Cause::RelayRefusesPeer { .. })),
            "{explanation}"
        );
    }
}
