use alloc::vec::Vec;

use super::{Lab, SECOND, address, peer};
use crate::client::config::Families;
use crate::client::double::Age;
use crate::client::event::Event;
use peerage_base::time::Duration;
use peerage_stun::header::Method;

#[test]
fn peers_named_together_go_into_one_request() {
    let mut lab = Lab::allocated(Age::Old);
    (1..=10).for_each(|n| lab.client.permit(lab.now, peer(n)));
    lab.exchange();
    assert_eq!(lab.server.seen.last(), Some(&(Method::CREATE_PERMISSION, 10)));
    assert_eq!(lab.count(Method::CREATE_PERMISSION), 1);
    assert_eq!(lab.events(), (1..=10).map(|n| Event::Permitted { peer: peer(n) }).collect::<Vec<_>>());
}

#[test]
fn peers_named_before_there_is_an_allocation_wait_for_it() {
    let mut lab = Lab::new(Age::Old);
    lab.client.permit(lab.now, peer(1));
    lab.exchange();
    assert!(lab.events().contains(&Event::Permitted { peer: peer(1) }));
}

#[test]
fn several_ports_of_one_address_need_one_permission() {
    let mut lab = Lab::allocated(Age::Old);
    let ports: Vec<_> = (1..=5).map(|port| address(&alloc::format!("192.0.2.9:{port}"))).collect();
    ports.iter().for_each(|peer| lab.client.permit(lab.now, *peer));
    lab.exchange();
    assert_eq!(lab.server.seen.last(), Some(&(Method::CREATE_PERMISSION, 1)));
    assert_eq!(lab.events().len(), 5);
    lab.client.forget(ports[0]);
    assert!(lab.client.is_permitted(lab.now, ports[1]), "the others still want it");
    ports.iter().for_each(|peer| lab.client.forget(*peer));
    assert!(!lab.client.is_permitted(lab.now, ports[1]));
}

#[test]
fn no_more_than_16_go_into_one_request_and_no_more_than_8_requests_are_under_way() {
    let mut lab = Lab::with(Age::Old, |config| config.max_peers = 250);
    lab.exchange();
    lab.sent.clear();
    (1..=200).for_each(|n| lab.client.permit(lab.now, peer(n)));
    let sent = lab.drain();
    assert_eq!(sent.len(), 8);
    assert!(sent.iter().all(|packet| packet.len() < 600));
    // What has no room yet does not wake anybody.
    lab.client.handle_timeout(lab.now);
    assert!(lab.client.poll_timeout().unwrap() > lab.now);
    assert!(lab.drain().is_empty());
    for packet in sent {
        let answer = lab.server.handle(&packet).unwrap();
        lab.inject(&answer);
    }
    lab.exchange();
    assert!((1..=200).all(|n| lab.client.is_permitted(lab.now, peer(n))));
    assert_eq!(lab.server.seen.iter().filter(|(_, peers)| *peers == 16).count(), 12);
}

#[test]
fn a_permission_is_refreshed_before_it_runs_out() {
    let mut lab = Lab::permitted(Age::Old, peer(1));
    lab.run(Duration::from_millis(239_999));
    assert_eq!(lab.count(Method::CREATE_PERMISSION), 0);
    // Almost all the repetitions are lost.
    lab.lose = 6;
    lab.run(60 * SECOND);
    assert!(lab.client.is_permitted(lab.now, peer(1)));
    assert_eq!(lab.count(Method::CREATE_PERMISSION), 7);
    lab.run(2000 * SECOND);
    assert!(lab.client.is_permitted(lab.now, peer(1)));
    assert_eq!(lab.events(), [], "a refresh is no news");
}

#[test]
fn what_is_soon_due_is_refreshed_along() {
    let mut lab = Lab::permitted(Age::Old, peer(1));
    lab.run(20 * SECOND);
    lab.client.permit(lab.now, peer(2));
    lab.run(221 * SECOND);
    assert_eq!(lab.count(Method::CREATE_PERMISSION), 2);
    assert_eq!(lab.server.seen.last(), Some(&(Method::CREATE_PERMISSION, 2)));
}

#[test]
fn a_permission_that_cannot_be_refreshed_runs_out() {
    let mut lab = Lab::permitted(Age::Old, peer(1));
    // Unsigned errors are not believed, and so there is no answer.
    lab.server.errors.insert(Method::CREATE_PERMISSION.0, 500);
    lab.server.sign_errors = false;
    lab.run(Duration::from_millis(279_499));
    assert!(lab.client.is_permitted(lab.now, peer(1)));
    assert_eq!(lab.events(), []);
    lab.run(Duration::from_millis(1));
    assert_eq!(lab.events(), [Event::PermissionRefused { peer: peer(1), code: 500, reason: "no".into() }]);
    assert!(!lab.client.is_permitted(lab.now, peer(1)));

    let mut lab = Lab::permitted(Age::Old, peer(1));
    lab.lose = usize::MAX;
    lab.run(Duration::from_millis(299_999));
    assert!(lab.client.is_permitted(lab.now, peer(1)));
    lab.run(Duration::from_millis(1));
    assert!(!lab.client.is_permitted(lab.now, peer(1)));
}

#[test]
fn of_a_batch_that_is_refused_each_is_asked_for_alone() {
    let mut lab = Lab::allocated(Age::Old);
    lab.server.forbidden.insert(peer(2).ip());
    (1..=4).for_each(|n| lab.client.permit(lab.now, peer(n)));
    lab.exchange();
    assert_eq!(lab.count(Method::CREATE_PERMISSION), 5);
    let events = lab.events();
    assert!(events.contains(&Event::PermissionRefused { peer: peer(2), code: 403, reason: "no".into() }));
    for n in [1, 3, 4] {
        assert!(events.contains(&Event::Permitted { peer: peer(n) }));
        assert!(lab.client.is_permitted(lab.now, peer(n)));
    }
    assert_eq!(events.len(), 4);
    assert!(!lab.client.is_permitted(lab.now, peer(2)));
    lab.sent.clear();
    for _ in 0..29 {
        lab.client.permit(lab.now, peer(2));
        lab.client.bind(lab.now, peer(2));
        lab.run(SECOND);
    }
    lab.run(100 * SECOND);
    assert_eq!(lab.count(Method::CREATE_PERMISSION), 0, "a refusal stands");
    assert_eq!(lab.count(Method::CHANNEL_BIND), 1, "the channel was another question");
    assert_eq!(lab.events().len(), 1);
    // Until the owner asks again.
    lab.server.forbidden.clear();
    lab.client.permit(lab.now, peer(2));
    lab.exchange();
    assert_eq!(lab.events(), [Event::Permitted { peer: peer(2) }]);
}

#[test]
fn a_peer_of_a_family_without_a_relayed_address_is_refused_here() {
    let mut lab = Lab::allocated(Age::Old);
    let peer = address("[2001:db8::7]:7");
    lab.client.bind(lab.now, peer);
    lab.exchange();
    assert_eq!(lab.events(), [Event::PermissionRefused { peer, code: 443, reason: "".into() }]);
    assert!(lab.sent.is_empty());
}

#[test]
fn both_families_may_go_into_one_request() {
    let mut lab = Lab::with(Age::Old, |config| config.families = Families::Both);
    lab.exchange();
    lab.client.permit(lab.now, peer(1));
    lab.client.permit(lab.now, address("[2001:db8::7]:7"));
    // The same address in another spelling.
    lab.client.permit(lab.now, address("[::ffff:192.0.2.1]:5001"));
    lab.exchange();
    assert_eq!(lab.server.seen.last(), Some(&(Method::CREATE_PERMISSION, 2)));
    assert!(lab.client.is_permitted(lab.now, address("[::ffff:192.0.2.1]:9")));
}

#[test]
fn of_too_many_peers_the_least_recently_used_gives_way() {
    let mut lab = Lab::with(Age::Old, |config| config.max_peers = 3);
    for n in 1..=3 {
        lab.client.permit(lab.now, peer(n));
        lab.run(SECOND);
    }
    assert_eq!(lab.send(peer(1), b"x"), crate::client::event::Wrapped::Ready);
    lab.run(SECOND);
    lab.client.permit(lab.now, peer(4));
    lab.exchange();
    let left: Vec<_> = (1..=4).filter(|n| lab.client.is_permitted(lab.now, peer(*n))).collect();
    assert_eq!(left, [1, 3, 4]);
}

#[test]
fn a_request_that_nobody_answers_is_made_again_while_the_server_lives() {
    let mut lab = Lab::allocated(Age::Old);
    lab.client.permit(lab.now, peer(1));
    lab.lose = 7;
    lab.run(60 * SECOND);
    assert_eq!(lab.events(), [Event::Permitted { peer: peer(1) }]);
    assert_eq!(lab.count(Method::REFRESH), 1, "it was asked whether the allocation is still there");
}
