use alloc::string::String;
use alloc::vec::Vec;

use super::{Lab, SECOND, address, allocated};
use crate::client::config::Families;
use crate::client::double::{Age, RELAYED, RELAYED_V6};
use crate::client::event::{Event, Failure};
use peerage_base::time::Duration;
use peerage_stun::attribute::Attribute;
use peerage_stun::attribute::error_code::ErrorCode;
use peerage_stun::header::{Class, Method};
use peerage_stun::message::Message;

#[test]
fn an_allocation_takes_two_requests() {
    for age in [Age::Old, Age::New { userhash: false }, Age::New { userhash: true }] {
        let mut lab = Lab::new(age);
        lab.exchange();
        assert_eq!(lab.events(), [allocated(RELAYED)]);
        assert_eq!(lab.sent_methods(), [(Class::Request, Method::ALLOCATE); 2]);
        let first = Message::parse(&lab.sent[0].1).unwrap();
        assert!(first.username().is_none() && !first.has_integrity(), "the first request names nobody");
        let second = Message::parse(&lab.sent[1].1).unwrap();
        assert_eq!(second.has_integrity_sha256(), age != Age::Old);
        assert_eq!(second.userhash().is_some(), age == Age::New { userhash: true });
        assert_eq!(second.username().is_none(), age == Age::New { userhash: true });
        assert_eq!(second.requested_transport(), Some(17));
        assert_eq!(second.lifetime(), Some(600));
    }
}

#[test]
fn two_families_come_in_one_allocation() {
    let mut lab = Lab::with(Age::Old, |config| config.families = Families::Both);
    lab.exchange();
    assert_eq!(lab.events(), [allocated(RELAYED), allocated(RELAYED_V6)]);
    lab.client.close(lab.now);
    lab.exchange();
    let released = |relayed| Event::Released { relayed: address(relayed) };
    assert_eq!(lab.events(), [released(RELAYED), released(RELAYED_V6), Event::Closed]);
}

#[test]
fn a_family_that_is_refused_leaves_the_other() {
    for v6 in [true, false] {
        let mut lab = Lab::with(Age::Old, |config| config.families = Families::Both);
        *if v6 { &mut lab.server.v6 } else { &mut lab.server.v4 } = None;
        lab.exchange();
        let refused = Event::FamilyRefused { v6, code: 440, reason: "no such family".into() };
        assert_eq!(lab.events(), [allocated(if v6 { RELAYED } else { RELAYED_V6 }), refused]);
    }
}

#[test]
fn ipv6_alone_is_asked_for_by_name() {
    let mut lab = Lab::with(Age::Old, |config| config.families = Families::V6);
    lab.exchange();
    assert_eq!(lab.events(), [allocated(RELAYED_V6)]);
}

#[test]
fn lost_packets_are_repeated_with_the_same_bytes() {
    let mut lab = Lab::new(Age::Old);
    lab.lose = 2;
    lab.exchange();
    lab.lose_answers = 1;
    lab.run(8 * SECOND);
    assert_eq!(lab.events(), [allocated(RELAYED)]);
    let times: Vec<_> = lab.sent.iter().map(|(at, _)| at.as_nanos() / 1_000_000 - 1000).collect();
    assert_eq!(times, [0, 500, 1500, 3500, 3500]);
    assert!(lab.sent[..4].iter().all(|(_, packet)| *packet == lab.sent[0].1));
}

#[test]
fn a_server_that_is_silent_is_given_up_after_39_5_seconds() {
    for reliable in [false, true] {
        let mut lab = Lab::with(Age::Old, |config| config.reliable = reliable);
        lab.lose = usize::MAX;
        lab.run(Duration::from_millis(39_499));
        assert_eq!(lab.events(), []);
        lab.run(Duration::from_millis(1));
        assert_eq!(lab.events(), [Event::Failed(Failure::Timeout)]);
        assert_eq!(lab.sent.len(), if reliable { 1 } else { 7 });
        assert_eq!(lab.client.poll_timeout(), None);
    }
}

#[test]
fn every_refusal_is_reported_with_its_code() {
    for code in [400, 403, 420, 440, 441, 442, 443, 486, 500, 508] {
        let mut lab = Lab::new(Age::New { userhash: false });
        lab.server.errors.insert(Method::ALLOCATE.0, code);
        lab.exchange();
        let failure = Failure::Refused { code, reason: "no".into() };
        assert_eq!(failure.needs_new_transport(), code == 441);
        assert_eq!(lab.events(), [Event::Failed(failure)]);
        lab.run(100 * SECOND);
        assert_eq!(lab.sent.len(), 2, "nothing is sent after the end");
    }
}

#[test]
fn a_mismatch_asks_for_a_new_transport() {
    let mut lab = Lab::new(Age::Old);
    lab.server.errors.insert(Method::ALLOCATE.0, 437);
    lab.exchange();
    assert_eq!(lab.events(), [Event::Failed(Failure::Mismatch)]);
    assert!(Failure::Mismatch.needs_new_transport());
}

#[test]
fn a_redirection_names_the_alternate_of_the_same_family() {
    let mut lab = Lab::new(Age::Old);
    lab.server.errors.insert(Method::ALLOCATE.0, 300);
    lab.server.alternates = [address("[2001:db8::5]:1"), address("192.0.2.50:3479")].into();
    lab.exchange();
    let server = address("192.0.2.50:3479");
    assert_eq!(lab.events(), [Event::Redirect { server, domain: None }]);
    assert_eq!(lab.client.poll_timeout(), None);
}

#[test]
fn a_redirection_needs_no_signature_and_passes_the_domain_on() {
    let mut lab = Lab::new(Age::Old);
    let request = lab.drain().remove(0);
    let server = address("192.0.2.50:3479");
    let attributes = [
        Attribute::ErrorCode(ErrorCode::TRY_ALTERNATE),
        Attribute::AlternateServer(server),
        Attribute::AlternateDomain("turn.example.org"),
    ];
    let request = Message::parse(&request).unwrap();
    let answer = crate::client::double::respond(&request, Class::Error, &attributes, None, Age::Old);
    lab.inject(&answer);
    assert_eq!(lab.events(), [Event::Redirect { server, domain: Some("turn.example.org".into()) }]);
}

#[test]
fn a_redirection_to_nowhere_or_to_the_same_server_is_a_refusal() {
    for alternates in [Vec::new(), [address("192.0.2.1:3478")].to_vec()] {
        let mut lab = Lab::new(Age::Old);
        lab.server.errors.insert(Method::ALLOCATE.0, 300);
        lab.server.alternates = alternates;
        lab.exchange();
        assert_eq!(lab.events(), [Event::Failed(Failure::Refused { code: 300, reason: "no".into() })]);
    }
}

#[test]
fn a_success_that_says_too_little_is_no_allocation() {
    let relayed = Attribute::XorRelayedAddress(address(RELAYED));
    let mapped = Attribute::XorMappedAddress(address("198.51.100.7:4000"));
    let nowhere = Attribute::XorRelayedAddress(address("0.0.0.0:50000"));
    let portless = Attribute::XorRelayedAddress(address("203.0.113.1:0"));
    let answers = [
        [relayed, mapped].to_vec(),
        [relayed, Attribute::Lifetime(600)].to_vec(),
        [mapped, Attribute::Lifetime(600)].to_vec(),
        [relayed, mapped, Attribute::Lifetime(0)].to_vec(),
        [nowhere, mapped, Attribute::Lifetime(600)].to_vec(),
        [portless, mapped, Attribute::Lifetime(600)].to_vec(),
    ];
    for attributes in answers {
        let mut lab = Lab::new(Age::Old);
        let first = lab.drain().remove(0);
        let challenge = lab.server.handle(&first).unwrap();
        lab.inject(&challenge);
        let request = lab.drain().remove(0);
        let request = Message::parse(&request).unwrap();
        let key = lab.server.key();
        lab.inject(&crate::client::double::respond(&request, Class::Success, &attributes, Some(&key), Age::Old));
        assert_eq!(lab.events(), [Event::Failed(Failure::Malformed)], "{attributes:?}");
    }
}

#[test]
fn a_server_without_authentication_is_for_clients_without_credentials() {
    let mut lab = Lab::with(Age::Old, |config| (config.username, config.password) = (String::new(), String::new()));
    lab.server.open = true;
    lab.exchange();
    assert_eq!(lab.events(), [allocated(RELAYED)]);
    lab.client.permit(lab.now, super::peer(1));
    lab.run(1000 * SECOND);
    assert!(lab.client.is_permitted(lab.now, super::peer(1)));

    let mut lab = Lab::new(Age::Old);
    lab.server.open = true;
    lab.run(40 * SECOND);
    assert_eq!(lab.events(), [Event::Failed(Failure::Integrity)]);
}

#[test]
fn an_error_before_the_challenge_counts_unless_a_challenge_follows() {
    let mut lab = Lab::new(Age::Old);
    let first = lab.drain().remove(0);
    let request = Message::parse(&first).unwrap();
    lab.server.sign_errors = false;
    let overloaded = lab.server.error(&request, 508);
    lab.inject(&overloaded);
    assert_eq!(lab.events(), []);
    lab.run(2 * SECOND);
    assert_eq!(lab.events(), [allocated(RELAYED)], "the repeated request was challenged");

    let mut lab = Lab::new(Age::Old);
    let first = lab.drain().remove(0);
    lab.lose = usize::MAX;
    let overloaded = lab.server.error(&Message::parse(&first).unwrap(), 508);
    lab.inject(&overloaded);
    lab.run(2 * SECOND);
    assert_eq!(lab.events(), [Event::Failed(Failure::Refused { code: 508, reason: "no".into() })]);
}

#[test]
fn a_user_name_that_no_request_can_carry_is_said_so() {
    let mut lab = Lab::with(Age::Old, |config| config.username = "u".repeat(514));
    lab.exchange();
    assert_eq!(lab.events(), [Event::Failed(Failure::Oversized)]);
}
