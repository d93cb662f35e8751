use alloc::vec::Vec;

use super::{Lab, SECOND, address, allocated, peer};
use crate::client::double::{Age, RELAYED, respond};
use crate::client::event::{Event, Failure};
use peerage_base::time::Duration;
use peerage_stun::attribute::Attribute;
use peerage_stun::attribute::error_code::ErrorCode;
use peerage_stun::attribute::lists::PasswordAlgorithms;
use peerage_stun::credentials::Key;
use peerage_stun::header::{Class, Method};
use peerage_stun::message::Message;

const NEW: Age = Age::New { userhash: false };

/// A lab whose client has just sent its signed Allocate, which is lost.
fn signed(age: Age) -> (Lab, Vec<u8>) {
    let mut lab = Lab::new(age);
    let first = lab.drain().remove(0);
    let challenge = lab.server.handle(&first).unwrap();
    lab.inject(&challenge);
    let request = lab.drain().remove(0);
    (lab, request)
}

fn challenge(request: &[u8], attributes: &[Attribute<'_>]) -> Vec<u8> {
    let mut all = [Attribute::ErrorCode(ErrorCode { code: 401, reason: "" })].to_vec();
    all.extend(attributes);
    respond(&Message::parse(request).unwrap(), Class::Error, &all, None, Age::Old)
}

#[test]
fn wrong_credentials_are_found_out_within_a_second() {
    for age in [Age::Old, NEW] {
        let mut lab = Lab::with(age, |config| config.password = "wrong".into());
        lab.run(Duration::from_millis(999));
        assert_eq!(lab.events(), []);
        lab.run(Duration::from_millis(1));
        assert_eq!(lab.events(), [Event::Failed(Failure::Unauthorized { reason: "".into() })]);
        assert!(lab.sent.len() <= 4);
    }
}

#[test]
fn a_forged_401_loses_against_the_servers_answer() {
    let (mut lab, request) = signed(NEW);
    let forged = lab.server.challenge(&Message::parse(&request).unwrap(), 401);
    lab.inject(&forged);
    let answer = lab.server.handle(&request).unwrap();
    lab.inject(&answer);
    assert_eq!(lab.events(), [allocated(RELAYED)]);
    lab.run(2 * SECOND);
    assert_eq!(lab.events(), []);
}

#[test]
fn forged_answers_end_nothing() {
    let keys = [None, Some(Key::short_term("guess"))];
    for (age, key) in [(Age::Old, &keys[0]), (Age::Old, &keys[1]), (NEW, &keys[0]), (NEW, &keys[1])] {
        let (mut lab, request) = signed(age);
        let relayed = Attribute::XorRelayedAddress(address("192.0.2.66:6"));
        let success = [relayed, Attribute::XorMappedAddress(address("192.0.2.66:6")), Attribute::Lifetime(600)];
        let message = Message::parse(&request).unwrap();
        lab.inject(&respond(&message, Class::Success, &success, key.as_ref(), age));
        for code in [400, 403, 437, 441, 486, 500, 508] {
            let error = [Attribute::ErrorCode(ErrorCode { code, reason: "" })];
            lab.inject(&respond(&message, Class::Error, &error, key.as_ref(), age));
        }
        assert_eq!(lab.client.counters().forged, 8);
        assert_eq!(lab.events(), []);
        let answer = lab.server.handle(&request).unwrap();
        lab.inject(&answer);
        assert_eq!(lab.events(), [allocated(RELAYED)]);
    }
}

#[test]
fn answers_that_are_all_forged_are_no_timeout() {
    let (mut lab, request) = signed(Age::Old);
    let message = Message::parse(&request).unwrap();
    lab.inject(&respond(&message, Class::Success, &[Attribute::Lifetime(600)], None, Age::Old));
    lab.lose = usize::MAX;
    lab.run(40 * SECOND);
    assert_eq!(lab.events(), [Event::Failed(Failure::Integrity)]);
}

#[test]
fn where_sha_256_was_agreed_on_sha_1_does_not_do() {
    let (mut lab, request) = signed(NEW);
    let message = Message::parse(&request).unwrap();
    let success = [
        Attribute::XorRelayedAddress(address(RELAYED)),
        Attribute::XorMappedAddress(address("198.51.100.7:4000")),
        Attribute::Lifetime(600),
    ];
    lab.inject(&respond(&message, Class::Success, &success, Some(&lab.server.key()), Age::Old));
    assert_eq!(lab.client.counters().forged, 1);
    assert_eq!(lab.events(), []);
}

#[test]
fn a_signed_answer_whose_nonce_speaks_of_an_offer_that_is_not_there_is_ignored() {
    let (mut lab, request) = signed(NEW);
    let nonce = lab.server.nonce_text();
    let message = Message::parse(&request).unwrap();
    let success = [
        Attribute::XorRelayedAddress(address(RELAYED)),
        Attribute::XorMappedAddress(address("198.51.100.7:4000")),
        Attribute::Lifetime(600),
        Attribute::Nonce(&nonce),
    ];
    let key = lab.server.key();
    lab.inject(&respond(&message, Class::Success, &success, Some(&key), NEW));
    assert_eq!((lab.client.counters().forged, lab.events()), (1, Vec::new()));
    lab.inject(&respond(&message, Class::Success, &success[..3], Some(&key), NEW));
    assert_eq!(lab.events(), [allocated(RELAYED)]);
}

#[test]
fn an_offer_that_was_taken_out_is_missed() {
    let mut lab = Lab::new(NEW);
    let request = lab.drain().remove(0);
    let nonce = lab.server.nonce_text();
    let stripped = challenge(&request, &[Attribute::Realm("example.org"), Attribute::Nonce(&nonce)]);
    lab.inject(&stripped);
    assert!(lab.drain().is_empty(), "no password is used for it");
    lab.lose = usize::MAX;
    lab.run(SECOND);
    assert_eq!(lab.events(), [Event::Failed(Failure::BidDown)]);
}

#[test]
fn an_offer_without_a_known_algorithm_is_declined() {
    for offer in [&[0, 9, 0, 0][..], &[0, 9, 0, 0].repeat(65)] {
        let mut lab = Lab::new(NEW);
        let request = lab.drain().remove(0);
        let nonce = lab.server.nonce_text();
        let offer = PasswordAlgorithms::from_bytes(offer).unwrap();
        let attributes = [Attribute::Realm("r"), Attribute::Nonce(&nonce), Attribute::PasswordAlgorithms(offer)];
        lab.inject(&challenge(&request, &attributes));
        assert!(lab.drain().is_empty());
        lab.lose = usize::MAX;
        lab.run(SECOND);
        assert_eq!(lab.events(), [Event::Failed(Failure::Algorithms)]);
    }
}

#[test]
fn the_first_known_algorithm_of_the_list_is_taken_and_the_list_repeated() {
    let mut lab = Lab::new(NEW);
    let request = lab.drain().remove(0);
    let nonce = lab.server.nonce_text();
    let offer = PasswordAlgorithms::from_bytes(&[0, 9, 0, 1, 7, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0]).unwrap();
    let attributes = [Attribute::Realm("r"), Attribute::Nonce(&nonce), Attribute::PasswordAlgorithms(offer)];
    lab.inject(&challenge(&request, &attributes));
    let signed = lab.drain().remove(0);
    let signed = Message::parse(&signed).unwrap();
    assert_eq!(signed.password_algorithms(), Some(offer));
    assert_eq!(signed.password_algorithm().map(|algorithm| algorithm.number), Some(1));
    assert!(signed.has_integrity_sha256());
}

#[test]
fn a_challenge_without_realm_or_nonce_is_none() {
    for attributes in [&[][..], &[Attribute::Realm("r")], &[Attribute::Nonce("n")]] {
        let mut lab = Lab::new(Age::Old);
        let request = lab.drain().remove(0);
        lab.inject(&challenge(&request, attributes));
        assert!(lab.drain().is_empty());
        assert_eq!(lab.client.counters().garbage, 1);
        lab.run(SECOND);
        assert_eq!(lab.events(), [allocated(RELAYED)]);
    }
}

#[test]
fn realms_that_keep_changing_are_followed_three_times() {
    let mut lab = Lab::new(Age::Old);
    for realm in ["a", "b", "c", "d", "e"] {
        let Some(request) = lab.drain().pop() else { break };
        lab.inject(&challenge(&request, &[Attribute::Realm(realm), Attribute::Nonce("n")]));
    }
    lab.lose = usize::MAX;
    lab.run(SECOND);
    assert_eq!(lab.events(), [Event::Failed(Failure::Unauthorized { reason: "".into() })]);
    assert_eq!(lab.sent.iter().filter(|(_, packet)| Message::parse(packet).unwrap().has_integrity()).count(), 4);
}

#[test]
fn a_stale_nonce_is_replaced_and_the_request_repeated() {
    for age in [Age::Old, NEW] {
        let mut lab = Lab::allocated(age);
        lab.server.nonce += 1;
        lab.client.permit(lab.now, peer(1));
        lab.exchange();
        assert_eq!(lab.events(), [Event::Permitted { peer: peer(1) }]);
        assert_eq!(lab.count(Method::CREATE_PERMISSION), 2);
    }
}

#[test]
fn several_requests_that_meet_the_same_stale_nonce_cost_one_repetition_each() {
    let mut lab = Lab::allocated(NEW);
    lab.server.nonce += 1;
    (1..=5).for_each(|n| lab.client.bind(lab.now, peer(n)));
    lab.exchange();
    assert_eq!(lab.count(Method::CHANNEL_BIND), 10);
    assert!((1..=5).all(|n| lab.client.is_bound(lab.now, peer(n))));
}

#[test]
fn a_server_whose_nonces_are_always_stale_is_not_asked_without_end() {
    let mut lab = Lab::allocated(Age::Old);
    lab.client.permit(lab.now, peer(1));
    for nonce in ["a", "b", "c", "d", "e", "f"] {
        let Some(request) = lab.drain().pop() else { break };
        let stale = [Attribute::ErrorCode(ErrorCode::STALE_NONCE), Attribute::Nonce(nonce)];
        lab.inject(&respond(&Message::parse(&request).unwrap(), Class::Error, &stale, None, Age::Old));
    }
    assert_eq!(lab.count(Method::CREATE_PERMISSION), 4);
    lab.lose = usize::MAX;
    lab.run(SECOND);
    let reason = ErrorCode::STALE_NONCE.reason.into();
    assert_eq!(lab.events(), [Event::PermissionRefused { peer: peer(1), code: 438, reason }]);
}

#[test]
fn a_438_that_changes_nothing_or_too_much_is_not_followed() {
    let (mut lab, request) = signed(NEW);
    let nonce = lab.server.nonce_text();
    let offer = Attribute::PasswordAlgorithms(PasswordAlgorithms::SHA256_MD5);
    let weaker = Attribute::PasswordAlgorithms(PasswordAlgorithms::from_bytes(&[0, 1, 0, 0]).unwrap());
    let other = "obMatJos2gAAAother";
    for attributes in [
        &[Attribute::Nonce(&nonce), offer][..],
        &[Attribute::Nonce(other)],
        &[Attribute::Nonce("plain")],
        &[Attribute::Nonce(other), weaker],
        &[Attribute::Nonce(other), offer, Attribute::Realm("elsewhere")],
        &[offer],
    ] {
        let mut all = [Attribute::ErrorCode(ErrorCode::STALE_NONCE)].to_vec();
        all.extend(attributes);
        lab.inject(&respond(&Message::parse(&request).unwrap(), Class::Error, &all, None, NEW));
        assert!(lab.drain().is_empty(), "{attributes:?}");
    }
    assert_eq!(lab.client.counters().forged, 6);
    let answer = lab.server.handle(&request).unwrap();
    lab.inject(&answer);
    assert_eq!(lab.events(), [allocated(RELAYED)]);
}

#[test]
fn on_a_stream_one_answer_that_is_not_authentic_ends_the_request_soon() {
    let mut lab = Lab::with(Age::Old, |config| config.reliable = true);
    let first = lab.drain().remove(0);
    let answer = lab.server.handle(&first).unwrap();
    lab.inject(&answer);
    let request = lab.drain().remove(0);
    let message = Message::parse(&request).unwrap();
    lab.inject(&respond(&message, Class::Success, &[Attribute::Lifetime(600)], None, Age::Old));
    lab.run(SECOND);
    assert_eq!(lab.events(), [Event::Failed(Failure::Integrity)]);
}

#[test]
fn responses_to_nothing_and_garbage_are_counted_and_dropped() {
    let mut lab = Lab::allocated(Age::Old);
    let mut other = Lab::new(Age::New { userhash: true });
    let request = other.drain().remove(0);
    let answer = other.server.handle(&request).unwrap();
    lab.inject(&answer);
    lab.inject(&request);
    lab.inject(b"hello");
    lab.inject(&[]);
    lab.inject(&[0x40, 0, 0, 9, 1]);
    let counters = lab.client.counters();
    assert_eq!((counters.unexpected, counters.garbage), (1, 4));
    assert_eq!(lab.events(), []);
    assert!(lab.drain().is_empty());
}
