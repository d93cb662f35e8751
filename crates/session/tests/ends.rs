//! How sessions end, and what must never connect.

mod common;

use bytes::Bytes;
use common::{A, B, Duo, MS, SEC, Setup, Signal, certificate};
use peerage_base::datagram::Datagram;
use peerage_base::ecn::Ecn;
use peerage_base::path::{LocalId, Path};
use peerage_session::event::{CloseReason, ConnectionState, Event};
use peerage_session::face::{ChannelState, SdpType};
use peerage_sim::host::Node as _;
use peerage_sim::link::Link;
use peerage_testkit::fixtures;

/// Replaces the value of an attribute wherever it stands.
fn swap(sdp: &str, attribute: &str, value: &str) -> String {
    let lines = sdp.split_inclusive("\r\n").map(|line| match line.strip_prefix(attribute) {
        Some(_) => format!("{attribute}{value}\r\n"),
        None => line.into(),
    });
    lines.collect()
}

fn swapping(from: usize, attribute: &'static str, value: String) -> common::Tamper {
    Box::new(move |side, signal| match signal {
        Signal::Description(mut description) if side == from => {
            description.sdp = swap(&description.sdp, attribute, &value);
            assert!(description.sdp.contains(&value));
            Some(Signal::Description(description))
        }
        signal => Some(signal),
    })
}

#[test]
fn a_swapped_fingerprint_ends_it_before_anything_is_delivered() {
    for (offerer, liar) in [(A, A), (A, B), (B, A), (B, B)] {
        let mut duo = Duo::new(1);
        let foreign = certificate(99).fingerprint(peerage_dtls::fingerprint::HashAlgorithm::Sha256);
        let value = foreign.to_string().split_once(' ').unwrap().1.to_owned();
        duo.tamper = swapping(liar, "a=fingerprint:sha-256 ", value);
        let id = duo.open(offerer, "secret");
        duo.send(offerer, id, &b"secret"[..]);
        duo.offer(offerer);
        let seer = 1 - liar;
        assert!(duo.until(30 * SEC, |duo| duo.peer(seer).closed().is_some()), "{offerer} {liar}");
        assert_eq!(duo.peer(seer).closed(), Some(CloseReason::FingerprintMismatch));
        assert_eq!(duo.peer(seer).connection_states().last(), Some(&ConnectionState::Failed));
        duo.run(40 * SEC);
        for side in [A, B] {
            assert_eq!(duo.peer(side).received(), 0, "nothing is delivered");
            assert_eq!(duo.peer(side).channels, []);
        }
        assert_ne!(duo.peer(liar).connection_states().last(), Some(&ConnectionState::Connected));
        assert_eq!(duo.peer(offerer).count(|e| *e == Event::ChannelOpen(id)), 0);
    }
}

#[test]
fn wrong_passwords_never_connect_and_fail_when_patience_ends() {
    let mut duo = Duo::new(2);
    duo.tamper = Box::new(|_, signal| match signal {
        Signal::Description(mut description) => {
            description.sdp = swap(&description.sdp, "a=ice-pwd:", "abcdefghijklmnopqrstuvwx");
            Some(Signal::Description(description))
        }
        signal => Some(signal),
    });
    duo.open(A, "first");
    duo.offer(A);
    let states = |duo: &Duo| [A, B].map(|side| duo.peer(side).session.connection_state());
    duo.run(39 * SEC);
    assert_eq!(states(&duo), [ConnectionState::Connecting; 2]);
    duo.run(10 * SEC);
    assert_eq!(states(&duo), [ConnectionState::Failed; 2]);
    for side in [A, B] {
        assert_eq!(duo.peer(side).connection_states(), [ConnectionState::Connecting, ConnectionState::Failed]);
        assert_eq!(duo.peer(side).count(|e| matches!(e, Event::SelectedPair(_) | Event::Claimed(_))), 0);
    }
}

#[test]
fn one_wrong_password_is_enough_not_to_connect() {
    for liar in [A, B] {
        // With the handshake in checks, the side that is believed has all that it needs in the answers to its own.
        let mut duo = Setup { sped: [false; 2], ..Setup::new(2, Link::with_delay(10 * MS)) }.build();
        duo.tamper = swapping(liar, "a=ice-pwd:", "abcdefghijklmnopqrstuvwx".into());
        let id = duo.open(A, "first");
        duo.send(A, id, &b"secret"[..]);
        duo.offer(A);
        duo.run(120 * SEC);
        for side in [A, B] {
            let peer = duo.peer(side);
            assert!(!peer.connection_states().contains(&ConnectionState::Connected), "{liar} {side}");
            assert_eq!(peer.received(), 0);
        }
        // The one that was lied to gets no answer that it can believe.
        assert_eq!(duo.peer(1 - liar).count(|e| matches!(e, Event::SelectedPair(_))), 0);
    }
}

#[test]
fn closing_is_seen_by_the_peer_after_half_a_round_trip() {
    for closer in [A, B] {
        let (mut duo, id) = Duo::connected(Setup::new(3, Link::with_delay(10 * MS)));
        duo.run(SEC);
        let ids = [id, duo.incoming(B)];
        let now = duo.now();
        duo.session(closer).close(now);
        duo.run(11 * MS);
        let seer = 1 - closer;
        assert_eq!(duo.peer(closer).closed(), Some(CloseReason::Local));
        assert_eq!(duo.peer(seer).closed(), Some(CloseReason::Remote));
        for side in [A, B] {
            let peer = duo.peer(side);
            assert_eq!(peer.session.connection_state(), ConnectionState::Closed);
            assert_eq!(peer.count(|e| *e == Event::ChannelClosed(ids[side])), 1);
            assert_eq!(peer.count(|e| matches!(e, Event::Closed(_))), 1);
            assert!(peer.session.is_finished());
            assert_eq!(peer.session.poll_timeout(), None);
        }
    }
}

#[test]
fn closing_is_told_in_two_ways_either_of_which_is_enough() {
    let (mut duo, _) = Duo::connected(Setup::new(4, Link::with_delay(10 * MS)));
    let now = duo.now();
    duo.session(A).close(now);
    let mut buf = vec![0; 65536];
    let mut words = Vec::new();
    while let Some(transmit) = duo.session(A).poll_transmit(now, &mut buf) {
        words.push((transmit.path, buf[..transmit.len].to_vec()));
    }
    assert_eq!(words.len(), 2, "the abort of the association and the close_notify");
    assert!(words.iter().all(|(path, _)| path.remote == fixtures::v4(2, 6000)));
    // The second alone does: the first may be lost.
    let path = Path { local: LocalId(0), remote: fixtures::v4(1, 5000) };
    let datagram = Datagram { path, ecn: Ecn::NotEct, received_at: now, payload: &mut words[1].1 };
    duo.peer_mut(B).handle_datagram(now, datagram);
    assert_eq!(duo.peer(B).closed(), Some(CloseReason::Remote));
}

#[test]
fn a_session_that_never_connected_closes_without_a_word() {
    for offered in [false, true] {
        let mut duo = Duo::new(8);
        let id = duo.open(A, "first");
        if offered {
            duo.offer(A);
            duo.run(MS);
        }
        let now = duo.now();
        duo.session(A).close(now);
        duo.run(SEC);
        let peer = duo.peer(A);
        assert!(peer.session.is_finished());
        assert_eq!(peer.session.stats().traffic.packets_sent, 0);
        assert_eq!(peer.count(|e| *e == Event::ChannelClosed(id)), 1);
        assert_eq!(peer.closed(), Some(CloseReason::Local));
    }
}

#[test]
fn what_arrived_before_the_end_can_still_be_read() {
    let (mut duo, id) = Duo::connected(Setup::new(5, Link::with_delay(10 * MS)));
    duo.send(A, id, &b"last"[..]);
    duo.run(15 * MS);
    let now = duo.now();
    duo.session(A).close(now);
    duo.run(100 * MS);
    let other = duo.incoming(B);
    assert_eq!(duo.peer(B).inbox[&other], [Bytes::from_static(b"last")]);
    assert_eq!(duo.peer(B).closed(), Some(CloseReason::Remote));
}

#[test]
fn a_closed_session_refuses_everything_and_stays_quiet() {
    let (mut duo, id) = Duo::connected(Setup::new(6, Link::with_delay(10 * MS)));
    let now = duo.now();
    let offer = duo.session(B).create_offer(now, Default::default()).unwrap();
    duo.session(A).close(now);
    duo.session(A).close(now);
    let session = duo.session(A);
    assert!(session.create_offer(now, Default::default()).is_err());
    assert!(session.create_answer(now).is_err());
    assert!(session.set_local_description(now, None).is_err());
    assert!(session.set_remote_description(now, offer).is_err());
    assert!(session.send(now, id, peerage_session::face::Kind::Binary, Bytes::from_static(b"x")).is_err());
    session.restart_ice(now);
    duo.run(60 * SEC);
    assert_eq!(duo.peer(A).count(|e| matches!(e, Event::Closed(_))), 1);
    assert_eq!(duo.peer(A).connection_states().last(), Some(&ConnectionState::Closed));
}

#[test]
fn another_certificate_in_another_offer_begins_the_channels_anew() {
    let (mut duo, id) = Duo::connected(Setup::new(7, Link::with_delay(10 * MS)));
    duo.run(SEC);
    // The peer shows no such certificate, so the new handshake must fail and deliver nothing.
    let foreign = certificate(98).fingerprint(peerage_dtls::fingerprint::HashAlgorithm::Sha256);
    let now = duo.now();
    let mut offer = duo.session(B).create_offer(now, Default::default()).unwrap();
    let value = foreign.to_string().split_once(' ').unwrap().1.to_owned();
    offer.sdp = swap(&offer.sdp, "a=fingerprint:sha-256 ", &value);
    assert_eq!(offer.kind, SdpType::Offer);
    duo.session(A).set_remote_description(now, offer).unwrap();
    duo.session(A).set_local_description(now, None).unwrap();
    assert_eq!(duo.channel_state(A, id), ChannelState::Closed);
    duo.run(SEC);
    assert_eq!(duo.peer(A).count(|e| *e == Event::ChannelClosed(id)), 1);
    assert_ne!(duo.peer(A).session.connection_state(), ConnectionState::Connected);
}
