//! What the peer is told of this machine's addresses, and what of them stands in descriptions.

mod common;

use std::net::SocketAddr;

use common::{Peer, local};
use peerage_base::path::PathChange;
use peerage_base::time::Instant;
use peerage_session::config::{Config, IceTransportPolicy, Server};
use peerage_session::event::{Event, IceCandidate};
use peerage_session::explain::Cause;
use peerage_session::face::{ChannelInit, OfferOptions};
use peerage_session::relay::RelayFailure;

fn told(config: Config, addresses: &[&str]) -> Vec<IceCandidate> {
    let locals = addresses.iter().map(|a| local(a.parse::<SocketAddr>().unwrap())).collect();
    let mut peer = Peer::new(config, 7, locals);
    let now = Instant::ORIGIN;
    peer.session.create_data_channel(now, ChannelInit::new("x")).unwrap();
    let offer = peer.session.create_offer(now, OfferOptions::default()).unwrap();
    peer.session.set_local_description(now, Some(offer)).unwrap();
    peer.pump(now);
    let candidates = peer.facts(|event| if let Event::IceCandidate(found) = event { found.clone() } else { None });
    candidates.into_iter().filter(|candidate| !candidate.candidate.is_empty()).collect()
}

#[test]
fn private_addresses_are_kept_back_where_that_is_wanted_and_public_ones_are_not() {
    let addresses =
        ["192.168.1.2:5000", "100.64.0.9:5000", "198.51.100.7:5000", "[fd00::1]:5000", "[2001:db8::1]:5000"];
    assert_eq!(told(Config::default(), &addresses).len(), 5);
    let mut config = Config::default();
    config.tell_private = false;
    let told: Vec<String> = told(config, &addresses).into_iter().map(|candidate| candidate.candidate).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].contains("198.51.100.7") && told[1].contains("2001:db8::1"), "{told:?}");
}

#[test]
fn a_side_that_may_use_relays_only_tells_what_is_wrong_with_its_relay_first() {
    let mut config = Config::default();
    config.ice_transport_policy = IceTransportPolicy::Relay;
    let url = "turn:192.0.2.9?transport=tcp".parse().unwrap();
    config.servers = vec![Server { url, username: "user".into(), credential: "password".into() }];
    let mut peer = Peer::new(config, 7, vec![local("198.51.100.7:5000".parse().unwrap())]);
    let now = Instant::ORIGIN;
    peer.session.create_data_channel(now, ChannelInit::new("x")).unwrap();
    let offer = peer.session.create_offer(now, OfferOptions::default()).unwrap();
    peer.session.set_local_description(now, Some(offer)).unwrap();
    peer.pump(now);
    let paths = peer.facts(|event| if let Event::Connect(wanted) = event { Some(wanted.path) } else { None });
    let [path] = paths[..] else { panic!("one relay: {paths:?}") };
    peer.session.handle_path(now, path, PathChange::Down);
    let explanation = peer.session.explain();
    let first = explanation.causes.first();
    assert!(matches!(first, Some(Cause::Relay { failure: RelayFailure::Unreachable, .. })), "{explanation:?}");
    assert!(explanation.causes.contains(&Cause::NoLocalCandidates), "{explanation:?}");
}
