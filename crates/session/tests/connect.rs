//! How two sessions come together, by every order of signals.

mod common;

use common::{A, B, Duo, MS, SEC, Setup, Signal, local, messages};
use peerage_base::time::{Duration, Instant};
use peerage_crypto::keys::seeded::SEEDED;
use peerage_session::event::{ConnectionState, Event, IceConnectionState, IceGatheringState};
use peerage_session::face::{SdpType, SessionDescription, SignalingState};
use peerage_sim::link::Link;
use peerage_testkit::fixtures;

/// Both sides send a message each way over one channel.
fn talk(duo: &mut Duo, opener: usize) {
    let id = duo.open(opener, "talk");
    let before = duo.peer(1 - opener).channels.len();
    assert!(duo.until(5 * SEC, |duo| duo.peer(1 - opener).channels.len() > before));
    let other = duo.incoming(1 - opener);
    let (there, back) = (messages(3000, 1000, 1), messages(3000, 1000, 2));
    there.iter().for_each(|m| duo.send(opener, id, m.clone()));
    back.iter().for_each(|m| duo.send(1 - opener, other, m.clone()));
    duo.expect(1 - opener, other, &there, 5 * SEC);
    duo.expect(opener, id, &back, 5 * SEC);
}

/// The description with its data section rejected.
fn rejected(sdp: &str) -> String {
    let line = sdp.lines().find(|line| line.starts_with("m=application ")).unwrap();
    let port = line.split(' ').nth(1).unwrap();
    sdp.replace(line, &line.replacen(port, "0", 1))
}

#[test]
fn either_side_may_offer_and_each_open_channels() {
    for offerer in [A, B] {
        for (descriptions, candidates) in [(0, 0), (20, 20), (200, 5), (5, 200), (3000, 1)] {
            let mut duo = Duo::new(1);
            (duo.signal_delay, duo.candidate_delay) = (descriptions * MS, candidates * MS);
            duo.open(offerer, "first");
            duo.offer(offerer);
            duo.connect();
            assert_eq!(duo.early.each_ref().map(Vec::len), [0, 0], "candidates were let in after the description");
            talk(&mut duo, A);
            talk(&mut duo, B);
        }
    }
}

#[test]
fn a_lite_agent_is_reached_by_a_full_one_whoever_offers() {
    for lite in [[true, false], [false, true]] {
        for offerer in [A, B] {
            let mut setup = Setup::new(3, Link::with_delay(10 * MS));
            setup.lite = lite;
            let mut duo = setup.build();
            duo.open(offerer, "first");
            duo.offer(offerer);
            duo.connect();
            let side = usize::from(lite[1]);
            let sdp = duo.peer(side).session.local_description().unwrap().sdp;
            assert!(sdp.contains("\r\na=ice-lite\r\n"), "{sdp}");
            assert!(!duo.peer(side).session.is_controlling() && duo.peer(1 - side).session.is_controlling());
            talk(&mut duo, A);
            talk(&mut duo, B);
        }
    }
}

#[test]
fn descriptions_with_all_candidates_are_enough() {
    for offerer in [A, B] {
        let mut duo = Duo::new(2);
        duo.trickle = false;
        duo.open(offerer, "first");
        duo.offer(offerer);
        duo.connect();
        talk(&mut duo, 1 - offerer);
    }
}

#[test]
fn one_side_may_know_no_candidate_of_the_other() {
    // The side that hears no candidate learns the address from the checks.
    for deaf in [A, B] {
        let mut duo = Duo::new(3);
        duo.tamper = Box::new(move |from, signal| match signal {
            Signal::Candidate(_) if from != deaf => None,
            signal => Some(signal),
        });
        duo.open(A, "first");
        duo.offer(A);
        duo.connect();
        talk(&mut duo, B);
    }
}

#[test]
fn a_connection_takes_no_more_round_trips_than_its_protocols_need() {
    let mut duo = Setup::new(4, Link::with_delay(50 * MS)).build();
    duo.signal_delay = Duration::ZERO;
    duo.candidate_delay = Duration::ZERO;
    let id = duo.open(A, "first");
    duo.offer(A);
    let connected = |duo: &mut Duo, side: usize| {
        assert!(duo.until(10 * SEC, |duo| duo.peer(side).is_connected()));
        duo.now().since(Instant::ORIGIN)
    };
    let (at_b, at_a) = (connected(&mut duo, B), connected(&mut duo, A));
    assert!(duo.until(10 * SEC, |duo| duo.peer(B).channels.len() == 1));
    let channel = duo.now().since(Instant::ORIGIN);
    duo.send(A, id, &b"x"[..]);
    println!("with 100 ms of round trip: connected after {at_a:?} and {at_b:?}, channel at the peer after {channel:?}");
    // One for checks, one and a half for DTLS, none for SCTP; the channel travels with the first data.
    assert!(at_a.max(at_b) <= 310 * MS, "{at_a:?} {at_b:?}");
    assert!(channel <= 360 * MS, "{channel:?}");
}

#[test]
fn a_run_repeats_byte_for_byte() {
    let run = |seed: u64| {
        let mut setup = Setup::new(seed, Link::with_delay(20 * MS));
        setup.config.keys = SEEDED;
        let (mut duo, _) = Duo::connected(setup);
        talk(&mut duo, A);
        talk(&mut duo, B);
        [A, B].map(|side| duo.peer(side).digest.clone().finish())
    };
    assert_eq!(run(21), run(21));
    assert_ne!(run(21), run(22));
}

#[test]
fn states_and_candidates_are_told_in_the_order_of_the_standard() {
    let (duo, _) = Duo::connected(Setup::new(5, Link::with_delay(10 * MS)));
    for side in [A, B] {
        let peer = duo.peer(side);
        assert_eq!(peer.connection_states(), [ConnectionState::Connecting, ConnectionState::Connected]);
        let ice = peer.ice_states();
        assert_eq!(ice[..2], [IceConnectionState::Checking, IceConnectionState::Connected]);
        let gathering = peer.facts(|event| match event {
            Event::IceGatheringState(state) => Some(format!("{state:?}")),
            Event::IceCandidate(Some(candidate)) if candidate.candidate.is_empty() => Some("end".into()),
            Event::IceCandidate(Some(_)) => Some("candidate".into()),
            Event::IceCandidate(None) => Some("null".into()),
            _ => None,
        });
        assert_eq!(gathering, ["Gathering", "candidate", "end", "Complete", "null"]);
        assert_eq!(peer.session.ice_gathering_state(), IceGatheringState::Complete);
    }
    let signaling = |side: usize| {
        duo.peer(side).facts(|event| if let Event::SignalingState(state) = event { Some(*state) } else { None })
    };
    assert_eq!(signaling(A), [SignalingState::HaveLocalOffer, SignalingState::Stable]);
    assert_eq!(signaling(B), [SignalingState::HaveRemoteOffer, SignalingState::Stable]);
    assert_eq!(duo.peer(A).count(|e| *e == Event::NegotiationNeeded), 1, "the first channel needs an offer");
    assert_eq!(duo.peer(B).count(|e| *e == Event::NegotiationNeeded), 0);
    assert_eq!(duo.peer(A).count(|e| matches!(e, Event::ChannelOpen(_))), 1);
}

#[test]
fn negotiation_is_asked_for_once_per_need() {
    let mut duo = Duo::new(6);
    for label in ["one", "two", "three"] {
        duo.open(A, label);
    }
    let needed = |duo: &Duo, side: usize| duo.peer(side).count(|e| *e == Event::NegotiationNeeded);
    duo.run(MS);
    assert_eq!(needed(&duo, A), 1);
    duo.offer(A);
    duo.connect();
    duo.open(A, "four");
    duo.open(B, "five");
    duo.run(SEC);
    assert_eq!([needed(&duo, A), needed(&duo, B)], [1, 0], "the data section is there");
    let now = duo.now();
    duo.session(B).restart_ice(now);
    duo.session(B).restart_ice(now);
    duo.run(SEC);
    assert_eq!([needed(&duo, A), needed(&duo, B)], [1, 1]);
    duo.offer(B);
    duo.run(10 * SEC);
    assert_eq!([needed(&duo, A), needed(&duo, B)], [1, 1], "the restart has happened");
    assert!(duo.are_connected());
}

#[test]
fn a_need_that_arises_during_an_exchange_is_told_when_it_is_over() {
    let mut duo = Duo::new(7);
    duo.open(A, "first");
    duo.offer(A);
    duo.connect();
    duo.offer(A);
    let now = duo.now();
    duo.session(A).restart_ice(now);
    let needed = |duo: &Duo| duo.peer(A).count(|e| *e == Event::NegotiationNeeded);
    duo.run(MS);
    assert_eq!(needed(&duo), 1, "not while an offer is out");
    duo.run(SEC);
    assert_eq!(needed(&duo), 2);
}

#[test]
fn candidates_need_a_description_and_must_belong_to_it() {
    use peerage_session::error::SessionError;
    use peerage_session::event::IceCandidate;
    let mut duo = Duo::new(8);
    let now = duo.now();
    let candidate = IceCandidate {
        candidate: "candidate:1 1 udp 2130706431 192.0.2.7 5000 typ host".into(),
        sdp_mid: Some("0".into()),
        ..IceCandidate::default()
    };
    let refused = duo.session(B).add_ice_candidate(now, &candidate);
    assert!(matches!(refused, Err(SessionError::InvalidState(_))), "{refused:?}");
    duo.open(A, "first");
    duo.offer(A);
    duo.connect();
    let now = duo.now();
    duo.session(B).add_ice_candidate(now, &candidate).unwrap();
    let unknown = IceCandidate { sdp_mid: Some("nine".into()), ..candidate.clone() };
    assert!(matches!(duo.session(B).add_ice_candidate(now, &unknown), Err(SessionError::Operation(_))));
    let broken = IceCandidate { candidate: "candidate:1 1 udp".into(), ..candidate };
    assert!(matches!(duo.session(B).add_ice_candidate(now, &broken), Err(SessionError::Operation(_))));
}

#[test]
fn the_answerers_handshake_may_overtake_its_answer() {
    // The answerer is the DTLS client, and its checks reach the offerer long before its description does.
    let mut duo = Duo::new(9);
    duo.open(A, "first");
    duo.offer(A);
    duo.signal_delay = 500 * MS;
    let claimed = |duo: &Duo| duo.peer(A).count(|e| matches!(e, Event::Claimed(_))) == 1;
    assert!(duo.until(200 * MS, claimed), "by a check that names the offer");
    duo.run(100 * MS);
    assert_eq!(duo.peer(A).session.signaling_state(), SignalingState::HaveLocalOffer);
    let received = duo.peer(A).session.stats().traffic.packets_received;
    assert!(received >= 1, "a check with a hello in it");
    duo.connect();
    // What came early was kept: nobody had to wait for the hello to be repeated.
    let connected = duo.now().since(Instant::ORIGIN);
    assert!(connected < 600 * MS, "{connected:?}");
    assert_eq!(duo.peer(A).session.stats().drops.early, 0);
    talk(&mut duo, A);
}

#[test]
fn a_browsers_media_sections_are_rejected_and_its_data_section_is_answered() {
    for browser in ["chrome", "firefox"] {
        let path = format!("{}/tests/fixtures/{browser}-offer.sdp", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).unwrap();
        let mut duo = Duo::new(10);
        let now = duo.now();
        duo.session(B).set_remote_description(now, SessionDescription::new(SdpType::Offer, text)).unwrap();
        let answer = duo.session(B).create_answer(now).unwrap();
        duo.session(B).set_local_description(now, Some(answer.clone())).unwrap();
        let sections: Vec<_> = answer.sdp.lines().filter(|line| line.starts_with("m=")).collect();
        assert_eq!(sections.len(), 3, "{browser}");
        assert!(sections[1].starts_with("m=video 0 "), "{browser}: {sections:?}");
        assert!(sections[2].starts_with("m=application 9 UDP/DTLS/SCTP"), "{browser}: {sections:?}");
        assert!(!answer.sdp.contains("a=sendrecv"), "{browser}: no media flows");
        duo.run(SEC);
        assert!(duo.peer(B).count(|e| matches!(e, Event::IceCandidate(Some(_)))) >= 2, "{browser}");
        assert_eq!(duo.peer(B).session.signaling_state(), SignalingState::Stable);
        assert_eq!(duo.peer(B).closed(), None);
    }
}

#[test]
fn a_refused_data_section_closes_the_channels() {
    let mut duo = Duo::new(11);
    let id = duo.open(A, "first");
    duo.tamper = Box::new(|from, signal| match signal {
        Signal::Description(mut description) if from == B => {
            description.sdp = rejected(&description.sdp);
            Some(Signal::Description(description))
        }
        signal => Some(signal),
    });
    duo.offer(A);
    assert!(duo.until(SEC, |duo| duo.peer(A).count(|e| *e == Event::ChannelClosed(id)) == 1));
    assert_eq!(duo.peer(A).session.signaling_state(), SignalingState::Stable);
    duo.run(SEC);
    assert_eq!(duo.peer(A).count(|e| *e == Event::NegotiationNeeded), 1, "asking again would never end");
    assert_eq!(duo.peer(A).closed(), None);
    // A later wish is a new need.
    duo.open(A, "second");
    duo.run(SEC);
    assert_eq!(duo.peer(A).count(|e| *e == Event::NegotiationNeeded), 2);
}

#[test]
fn a_data_section_that_is_rejected_later_can_be_had_again() {
    for rejecter in [A, B] {
        let (mut duo, id) = Duo::connected(Setup::new(15, Link::with_delay(10 * MS)));
        duo.run(SEC);
        let ids = [id, duo.incoming(B)];
        duo.tamper = Box::new(move |from, signal| match signal {
            Signal::Description(mut description) if from == rejecter => {
                description.sdp = rejected(&description.sdp);
                Some(Signal::Description(description))
            }
            signal => Some(signal),
        });
        // Only an answer rejects here; the rejecter itself believes to have accepted, as one does that was tampered with.
        duo.offer(1 - rejecter);
        duo.run(SEC);
        let heard = 1 - rejecter;
        assert_eq!(duo.peer(heard).count(|e| *e == Event::ChannelClosed(ids[heard])), 1);
        assert_eq!(duo.peer(heard).session.connection_state(), ConnectionState::New);
        assert_eq!(duo.peer(heard).session.stats().pairs.len(), 0);
        assert_eq!(duo.peer(heard).closed(), None);
        duo.open(heard, "again");
        let now = duo.now();
        let offer = duo.session(heard).create_offer(now, Default::default()).unwrap();
        duo.session(heard).set_local_description(now, Some(offer.clone())).unwrap();
        assert!(offer.sdp.contains("m=application 9 "), "{}", offer.sdp);
        duo.run(SEC);
        let description = duo.peer(heard).session.local_description().unwrap().sdp;
        assert!(description.contains("a=candidate:"), "gathered anew: {description}");
    }
}

#[test]
fn named_candidates_are_resolved_and_hide_their_address_everywhere() {
    let mut setup = Setup::new(12, Link::with_delay(10 * MS));
    setup.hosts[A][0].mdns_name = Some("a2a2.local".into());
    setup.hosts[B][0].mdns_name = Some("b3b3.local".into());
    let mut duo = setup.build();
    for side in [A, B] {
        let names = [("a2a2.local".into(), fixtures::v4(1, 0).ip()), ("b3b3.local".into(), fixtures::v4(2, 0).ip())];
        duo.peer_mut(side).names = names.into();
    }
    duo.open(A, "first");
    duo.offer(A);
    duo.connect();
    // A restart tells everything anew.
    duo.restart(B);
    duo.run(10 * SEC);
    for side in [A, B] {
        let (own, name) = (["192.0.2.1", "192.0.2.2"][side], ["a2a2.local", "b3b3.local"][side]);
        let mut told = duo.peer(side).session.local_description().unwrap().sdp;
        let candidates =
            duo.peer(side).facts(|e| if let Event::IceCandidate(Some(c)) = e { Some(c.clone()) } else { None });
        assert!(candidates.len() >= 4, "two generations");
        candidates.iter().for_each(|candidate| told += &candidate.candidate);
        assert!(!told.contains(own), "{told}");
        assert!(told.contains(name), "{told}");
    }
    talk(&mut duo, A);
}

#[test]
fn names_that_nobody_knows_leave_the_other_direction() {
    let mut setup = Setup::new(13, Link::with_delay(10 * MS));
    setup.hosts[A][0].mdns_name = Some("a2a2.local".into());
    let mut duo = setup.build();
    duo.open(A, "first");
    duo.offer(A);
    duo.connect();
    assert!(duo.are_connected());
}

#[test]
fn several_addresses_of_both_families_end_in_one_pair() {
    let mut setup = Setup::new(14, Link::with_delay(10 * MS));
    setup.hosts[A].push(local(fixtures::v6(1, 5000)));
    setup.hosts[B].push(local(fixtures::v6(2, 6000)));
    setup.hosts[B].push(local(fixtures::v4(3, 6000)));
    let (mut duo, _) = Duo::connected(setup);
    duo.run(5 * SEC);
    let selected = [A, B].map(|side| duo.peer(side).session.stats().selected.unwrap());
    assert_eq!(selected[A].local_address, selected[B].remote_address);
    assert_eq!(selected[A].remote_address, selected[B].local_address);
    assert!(selected.iter().all(|pair| pair.nominated));
}
