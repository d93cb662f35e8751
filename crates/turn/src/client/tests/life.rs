use super::{Lab, SECOND, address, allocated, peer};
use crate::client::double::{Age, RELAYED};
use crate::client::event::{Event, Failure, Wrapped};
use peerage_base::time::Duration;
use peerage_stun::header::{Class, Method};
use peerage_stun::message::Message;

fn released() -> Event {
    Event::Released { relayed: address(RELAYED) }
}

#[test]
fn an_allocation_is_refreshed_a_minute_before_its_end() {
    let mut lab = Lab::allocated(Age::New { userhash: true });
    lab.run(Duration::from_millis(539_999));
    assert_eq!(lab.count(Method::REFRESH), 0);
    lab.run(Duration::from_millis(1));
    assert_eq!(lab.count(Method::REFRESH), 1);
    lab.run(5400 * SECOND);
    assert_eq!(lab.count(Method::REFRESH), 11);
    assert_eq!(lab.events(), []);
}

#[test]
fn a_short_lifetime_is_refreshed_at_its_half() {
    let mut lab = Lab::new(Age::Old);
    lab.server.lifetime = 10;
    lab.run(101 * SECOND);
    assert_eq!(lab.count(Method::REFRESH), 20);
    assert_eq!(lab.events(), [allocated(RELAYED)]);
}

#[test]
fn a_lifetime_beyond_an_hour_is_not_relied_on() {
    let mut lab = Lab::new(Age::Old);
    lab.server.lifetime = u32::MAX;
    lab.run(3541 * SECOND);
    assert_eq!(lab.count(Method::REFRESH), 1);
}

#[test]
fn a_refresh_that_nobody_answers_is_the_end_of_a_silent_server() {
    let mut lab = Lab::allocated(Age::Old);
    lab.lose = usize::MAX;
    lab.run(579 * SECOND);
    assert_eq!(lab.events(), []);
    lab.run(SECOND);
    assert_eq!(lab.events(), [released(), Event::Failed(Failure::Timeout)]);
    assert_eq!(lab.client.poll_timeout(), None);
    assert_eq!(lab.send(peer(1), b"x"), Wrapped::Refused);
}

#[test]
fn a_server_that_forgot_the_allocation_is_believed_when_it_signs_that() {
    for method in [Method::REFRESH, Method::CREATE_PERMISSION, Method::CHANNEL_BIND] {
        for signed in [true, false] {
            let mut lab = Lab::allocated(Age::Old);
            lab.server.errors.insert(method.0, 437);
            lab.server.sign_errors = signed;
            match method {
                Method::CREATE_PERMISSION => lab.client.permit(lab.now, peer(1)),
                Method::CHANNEL_BIND => lab.client.bind(lab.now, peer(1)),
                _ => lab.run(530 * SECOND),
            }
            lab.run(11 * SECOND);
            let end = [released(), Event::Failed(Failure::Lost)];
            assert_eq!(lab.events(), if signed { &end[..] } else { &[] }, "{method:?}");
        }
    }
}

#[test]
fn an_allocation_that_may_not_be_refreshed_serves_to_its_end() {
    for (code, failure) in
        [(401, Failure::Unauthorized { reason: "".into() }), (508, Failure::Refused { code: 508, reason: "no".into() })]
    {
        let mut lab = Lab::permitted(Age::Old, peer(1));
        if code == 401 {
            // The server forgets the user: short-lived credentials have expired.
            lab.server.age = Age::New { userhash: true };
            lab.run(100 * SECOND);
        } else {
            lab.server.errors.insert(Method::REFRESH.0, code);
        }
        let rest = 599 * SECOND - lab.now.since(peerage_base::time::Instant::from_millis(1000));
        lab.run(rest);
        assert!(!lab.events().contains(&released()));
        lab.run(SECOND);
        assert!(lab.events().ends_with(&[released(), Event::Failed(failure)]));
        assert!(lab.count(Method::REFRESH) < 30);
    }
}

#[test]
fn closing_gives_the_allocation_back() {
    let mut lab = Lab::permitted(Age::New { userhash: false }, peer(1));
    lab.client.close(lab.now);
    assert_eq!(lab.events(), [released()]);
    lab.exchange();
    assert!(!lab.server.allocated);
    assert_eq!(lab.events(), [Event::Closed]);
    lab.client.close(lab.now);
    lab.client.permit(lab.now, peer(2));
    lab.run(700 * SECOND);
    assert_eq!(lab.events(), []);
    assert_eq!(lab.sent.len(), 1);
}

#[test]
fn a_farewell_survives_a_stale_nonce_and_a_lost_answer() {
    let mut lab = Lab::allocated(Age::Old);
    lab.server.nonce += 1;
    lab.client.close(lab.now);
    lab.lose_answers = 2;
    lab.run(2 * SECOND);
    assert!(!lab.server.allocated);
    assert_eq!(lab.events(), [released(), Event::Closed]);
}

#[test]
fn a_farewell_that_nobody_hears_is_over_in_a_few_seconds() {
    for reliable in [true, false] {
        let mut lab = Lab::with(Age::Old, |config| config.reliable = reliable);
        lab.exchange();
        lab.lose = usize::MAX;
        lab.client.close(lab.now);
        lab.run(6 * SECOND);
        assert_eq!(lab.events(), [allocated(RELAYED), released(), Event::Closed]);
    }
}

#[test]
fn closing_before_the_allocation_is_there_gives_back_what_may_have_been_granted() {
    let mut lab = Lab::new(Age::Old);
    lab.client.close(lab.now);
    assert_eq!(lab.events(), [Event::Closed]);
    assert!(lab.drain().is_empty());

    let mut lab = Lab::new(Age::Old);
    let first = lab.drain().remove(0);
    let challenge = lab.server.handle(&first).unwrap();
    lab.inject(&challenge);
    let request = lab.drain().remove(0);
    let late = lab.server.handle(&request).unwrap();
    lab.client.close(lab.now);
    lab.inject(&late);
    lab.exchange();
    assert!(!lab.server.allocated);
    assert_eq!(lab.events(), [Event::Closed]);
}

#[test]
fn a_lost_connection_is_the_end_of_everything_on_it() {
    let mut lab = Lab::allocated(Age::Old);
    lab.client.transport_down(lab.now);
    assert_eq!(lab.events(), [released(), Event::Failed(Failure::Disconnected)]);
    let mut lab = Lab::new(Age::Old);
    lab.client.transport_down(lab.now);
    lab.client.transport_down(lab.now);
    assert_eq!(lab.events(), [Event::Failed(Failure::Disconnected)]);
    let mut lab = Lab::allocated(Age::Old);
    lab.client.close(lab.now);
    lab.client.transport_down(lab.now);
    assert_eq!(lab.events(), [released(), Event::Closed]);
}

#[test]
fn a_quiet_client_keeps_its_nat_awake() {
    let mut lab = Lab::allocated(Age::Old);
    lab.run(61 * SECOND);
    assert_eq!(lab.sent_methods(), [(Class::Indication, Method::BINDING); 3]);
    assert!(lab.sent.iter().all(|(_, packet)| packet.len() == 20 && Message::parse(packet).is_ok()));
    // Data does the same.
    let mut lab = Lab::permitted(Age::Old, peer(1));
    for _ in 0..10 {
        assert_eq!(lab.send(peer(1), b"x"), Wrapped::Ready);
        lab.run(19 * SECOND);
    }
    assert_eq!(lab.sent_methods().iter().filter(|(_, method)| *method == Method::BINDING).count(), 0);
}

#[test]
fn a_stream_needs_no_keepalive() {
    let mut lab = Lab::with(Age::Old, |config| config.reliable = true);
    lab.run(500 * SECOND);
    assert_eq!(lab.sent.len(), 2);
}

#[test]
fn a_server_in_doubt_is_asked_and_its_silence_is_the_end() {
    let mut lab = Lab::allocated(Age::Old);
    for _ in 0..3 {
        lab.client.probe(lab.now);
        lab.run(SECOND);
    }
    assert_eq!(lab.count(Method::REFRESH), 3, "answered at once, each of them");
    assert_eq!(lab.events(), []);
    lab.lose = usize::MAX;
    for _ in 0..39 {
        lab.client.probe(lab.now);
        lab.run(SECOND);
    }
    assert_eq!(lab.events(), []);
    lab.run(SECOND);
    assert_eq!(lab.events(), [released(), Event::Failed(Failure::Timeout)]);
}
