//! Offers that meet, are taken back, or restart: what the transports make of it.

mod common;

use bytes::Bytes;
use common::{A, B, Duo, MS, SEC, Setup, local, messages};
use peerage_session::event::{Event, IceCandidate};
use peerage_session::face::{OfferOptions, SdpType, SessionDescription, SignalingState};
use peerage_sim::link::Link;
use peerage_testkit::fixtures;

fn rollback(duo: &mut Duo, side: usize) {
    let now = duo.now();
    let description = SessionDescription::new(SdpType::Rollback, String::new());
    duo.session(side).set_local_description(now, Some(description)).unwrap();
}

/// An exchange by `side` that carries a message over `id` proves that all is well.
fn works(duo: &mut Duo, label: &str) {
    assert_eq!(duo.errors, [], "{label}");
    for side in [A, B] {
        assert_eq!(duo.peer(side).session.signaling_state(), SignalingState::Stable, "{label}");
        let count = duo.peer(1 - side).channels.len();
        let id = duo.open(side, label);
        assert!(duo.until(10 * SEC, |duo| duo.peer(1 - side).channels.len() > count), "{label}");
        let other = duo.incoming(1 - side);
        let sent = messages(100_000, 10_000, 7);
        sent.iter().for_each(|m| duo.send(side, id, m.clone()));
        duo.expect(1 - side, other, &sent, 10 * SEC);
    }
}

#[test]
fn both_may_offer_at_once() {
    for polite in [A, B] {
        for (descriptions, candidates) in [(20, 20), (50, 1), (1, 50)] {
            let mut duo = Duo::new(1);
            duo.polite = polite;
            (duo.signal_delay, duo.candidate_delay) = (descriptions * MS, candidates * MS);
            // What the impolite side ignores it must not trip over.
            let ids = [duo.open(A, "of a"), duo.open(B, "of b")];
            duo.send(A, ids[A], &b"a"[..]);
            duo.send(B, ids[B], &b"b"[..]);
            duo.offer(A);
            duo.offer(B);
            assert!(duo.until(60 * SEC, Duo::are_connected), "{polite} {descriptions} {candidates}");
            let done = |duo: &Duo| [A, B].iter().all(|side| duo.peer(*side).received() == 1);
            assert!(duo.until(10 * SEC, done), "{polite} {descriptions} {candidates}");
            duo.errors.clear();
            works(&mut duo, "after glare");
        }
    }
}

#[test]
fn offers_that_meet_while_connected_disturb_nothing() {
    // Whether either restarts ICE or not, and whoever yields.
    for case in 0..8 {
        let (polite, by_a, by_b) = (case & 1, case & 2 != 0, case & 4 != 0);
        let (mut duo, _) = Duo::connected(Setup::new(2, Link::with_delay(10 * MS)));
        duo.polite = polite;
        duo.run(SEC);
        duo.offer_with(A, OfferOptions { ice_restart: by_a });
        duo.offer_with(B, OfferOptions { ice_restart: by_b });
        duo.run(20 * SEC);
        // Candidates of an offer that was ignored have no description to belong to.
        duo.errors.clear();
        works(&mut duo, &format!("case {case}"));
        duo.run(60 * SEC);
        works(&mut duo, &format!("case {case}, later"));
        // Another exchange by each side must still be possible.
        for side in [A, B] {
            duo.restart(side);
            duo.run(10 * SEC);
            duo.offer(side);
            duo.run(10 * SEC);
        }
        works(&mut duo, &format!("case {case}, at the end"));
        assert!(duo.are_connected(), "case {case}");
    }
}

#[test]
fn an_offer_may_be_taken_back() {
    for restart in [false, true] {
        let (mut duo, _) = Duo::connected(Setup::new(3, Link::with_delay(10 * MS)));
        duo.run(SEC);
        let now = duo.now();
        let offer = duo.session(A).create_offer(now, OfferOptions { ice_restart: restart }).unwrap();
        duo.session(A).set_local_description(now, Some(offer)).unwrap();
        duo.run(SEC);
        rollback(&mut duo, A);
        assert_eq!(duo.peer(A).session.signaling_state(), SignalingState::Stable);
        duo.errors.clear();
        // The peer's plain offer finds the generation that both know.
        duo.offer(B);
        duo.run(60 * SEC);
        works(&mut duo, "answered after a rollback");
        let now = duo.now();
        duo.session(A).set_local_description(now, None).unwrap();
        rollback(&mut duo, A);
        duo.offer(A);
        duo.run(60 * SEC);
        works(&mut duo, "offered after a rollback");
        assert!(duo.are_connected());
    }
}

#[test]
fn a_first_offer_may_be_taken_back_and_made_again() {
    let mut duo = Duo::new(4);
    let id = duo.open(A, "first");
    let now = duo.now();
    duo.session(A).set_local_description(now, None).unwrap();
    duo.run(SEC);
    rollback(&mut duo, A);
    duo.run(MS);
    assert_eq!(duo.peer(A).count(|e| *e == Event::NegotiationNeeded), 2, "the need is still there");
    duo.errors.clear();
    duo.early = Default::default();
    duo.offer(A);
    duo.send(A, id, &b"hello"[..]);
    duo.connect();
    assert!(duo.until(10 * SEC, |duo| duo.peer(B).received() == 5));
    let other = duo.incoming(B);
    assert_eq!(duo.peer(B).inbox[&other], [Bytes::from_static(b"hello")]);
}

#[test]
fn a_restart_tells_its_candidates_as_a_new_gathering() {
    let (mut duo, _) = Duo::connected(Setup::new(5, Link::with_delay(10 * MS)));
    duo.run(SEC);
    for restarter in [A, B] {
        let seen = [A, B].map(|side| duo.peer(side).log.len());
        duo.restart(restarter);
        duo.run(10 * SEC);
        for side in [A, B] {
            let peer = duo.peer(side);
            let gathering: Vec<_> = peer.log[seen[side]..]
                .iter()
                .filter_map(|(_, event)| match event {
                    Event::IceGatheringState(state) => Some(format!("{state:?}")),
                    Event::IceCandidate(Some(c)) if c.candidate.is_empty() => Some("end".into()),
                    Event::IceCandidate(Some(candidate)) => {
                        assert_eq!(candidate.username_fragment.as_deref(), Some(peer.session.local_ufrag()));
                        Some("candidate".into())
                    }
                    Event::IceCandidate(None) => Some("null".into()),
                    _ => None,
                })
                .collect();
            assert_eq!(gathering, ["Gathering", "candidate", "end", "Complete", "null"]);
        }
    }
}

#[test]
fn a_late_end_of_candidates_belongs_to_its_own_generation() {
    let mut duo = Duo::new(6);
    duo.open(A, "first");
    duo.offer(A);
    // Candidates crawl: those of the first generation arrive during the restart.
    duo.candidate_delay = 700 * MS;
    duo.connect();
    duo.restart(A);
    duo.run(20 * SEC);
    duo.errors.clear();
    works(&mut duo, "late candidates");
    assert!(duo.are_connected());
}

#[test]
fn a_late_candidate_belongs_to_its_own_generation() {
    let (mut duo, _) = Duo::connected(Setup::new(7, Link::with_delay(10 * MS)));
    duo.run(SEC);
    let late = IceCandidate {
        candidate: "candidate:9 1 udp 2130706431 192.0.2.77 5000 typ host".into(),
        sdp_mid: Some("0".into()),
        username_fragment: Some(duo.peer(B).session.local_ufrag().into()),
        ..IceCandidate::default()
    };
    duo.restart(A);
    let now = duo.now();
    duo.session(A).add_ice_candidate(now, &late).unwrap();
    duo.run(2 * SEC);
    let pairs = duo.peer(A).session.stats().pairs;
    assert!(pairs.iter().all(|pair| pair.path.remote != fixtures::v4(77, 5000)), "{pairs:?}");
    works(&mut duo, "after a late candidate");
}

#[test]
fn candidates_found_while_nothing_names_them_are_told_by_and_by() {
    let mut setup = Setup::new(8, Link::with_delay(10 * MS));
    setup.hosts[A].clear();
    let mut duo = setup.build();
    duo.open(A, "of a");
    duo.open(B, "of b");
    let now = duo.now();
    duo.session(A).set_local_description(now, None).unwrap();
    let offer = duo.session(B).create_offer(now, OfferOptions::default()).unwrap();
    duo.session(A).set_remote_description(now, offer).unwrap();
    let answer = duo.session(A).create_answer(now).unwrap();
    duo.session(A).add_local(now, local(fixtures::v4(1, 5000)));
    duo.run(MS);
    let told = |duo: &Duo| {
        duo.peer(A).count(|e| matches!(e, Event::IceCandidate(Some(c)) if c.candidate.contains("192.0.2.1")))
    };
    assert_eq!(told(&duo), 0, "the offer is taken back and the answer not yet given");
    let now = duo.now();
    duo.session(A).set_local_description(now, Some(answer)).unwrap();
    duo.run(MS);
    assert_eq!(told(&duo), 1);
}
