use super::{Lab, SECOND, peer};
use crate::client::double::Age;
use crate::client::event::{Event, Wrapped};
use peerage_base::time::Duration;
use peerage_stun::header::Method;

fn bound(n: u8) -> Lab {
    let mut lab = Lab::allocated(Age::New { userhash: false });
    lab.client.bind(lab.now, peer(n));
    lab.exchange();
    assert_eq!(lab.events(), [Event::Permitted { peer: peer(n) }, Event::ChannelBound { peer: peer(n) }]);
    assert_eq!(lab.sent.len(), 1, "the channel brings the permission along");
    lab.sent.clear();
    lab
}

#[test]
fn a_channel_saves_32_bytes() {
    let mut lab = bound(1);
    assert_eq!(lab.client.overhead(peer(1)), (4, 0));
    assert_eq!(lab.send(peer(1), b"abc"), Wrapped::Ready);
    assert_eq!(lab.sent[0].1, [0x40, 0, 0, 3, b'a', b'b', b'c']);
    assert_eq!(lab.server.data, [(peer(1), b"abc".to_vec())]);
    let received = lab.inject(&[0x40, 0, 0, 2, 7, 8, 0, 0]).unwrap();
    assert_eq!((received.peer, received.range), (peer(1), 4..6));
}

#[test]
fn a_channel_is_refreshed_before_it_runs_out() {
    let mut lab = bound(1);
    lab.run(539 * SECOND);
    assert_eq!(lab.count(Method::CHANNEL_BIND), 0);
    assert!(lab.count(Method::CREATE_PERMISSION) >= 1, "permissions run out earlier");
    lab.lose = 6;
    lab.run(60 * SECOND);
    assert!(lab.client.is_bound(lab.now, peer(1)));
    lab.run(3000 * SECOND);
    assert!(lab.client.is_bound(lab.now, peer(1)) && lab.client.is_permitted(lab.now, peer(1)));
    assert_eq!(lab.events(), []);
    assert_eq!(lab.server.channels.len(), 1);
}

#[test]
fn a_peer_that_is_forgotten_and_named_again_gets_its_number_back() {
    let mut lab = bound(1);
    lab.client.forget(peer(1));
    lab.client.bind(lab.now, peer(2));
    lab.exchange();
    lab.client.bind(lab.now, peer(1));
    lab.exchange();
    assert!(lab.client.is_bound(lab.now, peer(1)) && lab.client.is_bound(lab.now, peer(2)));
    assert_eq!(lab.server.channels.get(&0x4000), Some(&peer(1)));
    assert_eq!(lab.server.channels.get(&0x4001), Some(&peer(2)));
}

#[test]
fn data_on_a_channel_that_was_given_up_is_dropped() {
    let mut lab = bound(1);
    lab.client.forget(peer(1));
    assert_eq!(lab.inject(&[0x40, 0, 0, 0]), None);
    assert_eq!(lab.inject(&[0x4F, 0xFF, 0, 0]), None);
    assert_eq!(lab.client.counters().unpermitted, 2);
    assert_eq!(lab.send(peer(1), b"x"), Wrapped::Refused);
}

#[test]
fn a_server_without_channels_is_sent_indications() {
    let mut lab = Lab::allocated(Age::Old);
    lab.server.errors.insert(Method::CHANNEL_BIND.0, 508);
    lab.client.bind(lab.now, peer(1));
    lab.exchange();
    assert_eq!(lab.events(), [Event::Permitted { peer: peer(1) }]);
    assert_eq!(lab.send(peer(1), b"hello"), Wrapped::Ready);
    assert_eq!(lab.server.data, [(peer(1), b"hello".to_vec())]);
    for _ in 0..29 {
        lab.client.bind(lab.now, peer(1));
        lab.run(SECOND);
    }
    lab.run(100 * SECOND);
    assert_eq!(lab.count(Method::CHANNEL_BIND), 1, "a refusal stands");
    lab.server.errors.clear();
    lab.client.bind(lab.now, peer(1));
    lab.exchange();
    assert_eq!(lab.events(), [Event::ChannelBound { peer: peer(1) }]);
}

#[test]
fn a_channel_to_a_forbidden_peer_is_a_refused_permission() {
    let mut lab = Lab::allocated(Age::Old);
    lab.server.forbidden.insert(peer(1).ip());
    lab.client.bind(lab.now, peer(1));
    lab.exchange();
    assert_eq!(lab.events(), [Event::PermissionRefused { peer: peer(1), code: 403, reason: "no".into() }]);
    assert_eq!(lab.count(Method::CREATE_PERMISSION), 0);
}

#[test]
fn data_may_overtake_the_answer_to_the_binding() {
    let mut lab = Lab::permitted(Age::Old, peer(1));
    lab.client.bind(lab.now, peer(1));
    lab.lose_answers = 1;
    lab.exchange();
    assert!(lab.inject(&[0x40, 0, 0, 1, 9]).is_some());
    assert!(!lab.client.is_bound(lab.now, peer(1)));
    lab.run(Duration::from_millis(500));
    assert!(lab.client.is_bound(lab.now, peer(1)));
}

#[test]
fn a_binding_that_nobody_answers_is_tried_again_with_the_same_number() {
    let mut lab = Lab::allocated(Age::Old);
    lab.client.bind(lab.now, peer(1));
    lab.lose = 7;
    lab.run(60 * SECOND);
    assert!(lab.client.is_bound(lab.now, peer(1)));
    assert_eq!(lab.server.channels.keys().copied().collect::<alloc::vec::Vec<_>>(), [0x4000]);
}
