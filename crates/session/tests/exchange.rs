//! Offers that meet, are taken back, or restart: what the transports make of it.

mod common;

use bytes::Bytes;
use common::{A, B, Duo, MS, SEC, Setup, messages};
use peerage_session::event::Event;
use peerage_session::face::{OfferOptions, SdpType, SessionDescription, SignalingState};
use peerage_sim::link::Link;

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
