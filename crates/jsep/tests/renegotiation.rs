//! What comes after the first exchange: states, rollback, glare, restarts, refusals.

mod common;

use common::{MINIMAL, Peer, exchange, section, swapped, transport};
use peerage_jsep::description::SdpType::{Answer, Offer, PrAnswer, Rollback};
use peerage_jsep::description::SessionDescription;
use peerage_jsep::error::ErrorKind;
use peerage_jsep::negotiation::OfferOptions;
use peerage_jsep::plan::DtlsRole;
use peerage_jsep::signaling::SignalingState;

fn connected() -> (Peer, Peer) {
    let (mut alice, mut bob) = (Peer::with_data(1), Peer::new(2));
    exchange(&mut alice, &mut bob);
    (alice, bob)
}

#[test]
fn another_exchange_keeps_the_transport_and_its_roles() {
    let (mut alice, mut bob) = connected();
    for _ in 0..2 {
        let (plan, theirs) = exchange(&mut bob, &mut alice);
        let (dtls, data) = (plan.transport.unwrap().dtls.unwrap(), plan.data.unwrap());
        assert_eq!((dtls.role, dtls.new_association, data.new_association), (DtlsRole::Client, false, false));
        assert_eq!(theirs.transport.unwrap().dtls.unwrap().role, DtlsRole::Server);
        assert!(!plan.local_ice_restart && !plan.remote_ice_restart);
    }
}

#[test]
fn the_version_grows_with_a_change_and_only_then() {
    let (mut alice, _) = connected();
    let version = |d: &SessionDescription| d.sdp.lines().nth(1).unwrap().split(' ').nth(2).unwrap().to_owned();
    let same = alice.negotiation.create_offer(&alice.transport, OfferOptions::default()).unwrap();
    assert_eq!(version(&same), "1");
    alice.transport.candidates.push("candidate:1 1 udp 1 192.0.2.1 4000 typ host".into());
    let changed = alice.offer();
    assert_eq!(version(&changed), "2");
    assert_eq!(
        changed.sdp.lines().nth(1).unwrap().split(' ').nth(1),
        same.sdp.lines().nth(1).unwrap().split(' ').nth(1)
    );
    alice.negotiation.set_local(Some(SessionDescription::rollback()), &alice.transport).unwrap();
    alice.transport.candidates.push("candidate:2 1 udp 1 192.0.2.1 4001 typ host".into());
    assert_eq!(version(&alice.offer()), "3", "a version that was rolled back is not used for another text");
}

#[test]
fn commands_outside_their_state_are_refused_and_change_nothing() {
    let mut peer = Peer::with_data(1);
    let error = peer.negotiation.create_answer(&peer.transport).unwrap_err();
    assert_eq!((error.kind, error.kind.name()), (ErrorKind::InvalidState, "InvalidStateError"));
    assert_eq!(peer.takes(Answer, MINIMAL).unwrap_err(), ErrorKind::InvalidState);
    assert_eq!(peer.takes(PrAnswer, MINIMAL).unwrap_err(), ErrorKind::InvalidState);
    assert_eq!(peer.takes(Rollback, "").unwrap_err(), ErrorKind::InvalidState);
    peer.takes(Offer, MINIMAL).unwrap();
    let offer = peer.negotiation.create_offer(&peer.transport, OfferOptions::default());
    assert_eq!(offer.unwrap_err().kind, ErrorKind::InvalidState);
    assert_eq!(peer.negotiation.signaling_state(), SignalingState::HaveRemoteOffer);
    peer.negotiation.close();
    assert_eq!(peer.takes(Offer, MINIMAL).unwrap_err(), ErrorKind::InvalidState);
    assert!(!peer.negotiation.needs_negotiation());
}

#[test]
fn a_local_description_is_the_one_created() {
    let mut peer = Peer::with_data(1);
    let offer = peer.negotiation.create_offer(&peer.transport, OfferOptions::default()).unwrap();
    let munged = SessionDescription::new(Offer, swapped(&offer.sdp, "p1g0uf", "munged"));
    let error = peer.negotiation.set_local(Some(munged), &peer.transport).unwrap_err();
    assert_eq!(error.kind, ErrorKind::InvalidModification);
    assert_eq!(peer.negotiation.signaling_state(), SignalingState::Stable);
    peer.negotiation.set_local(Some(offer), &peer.transport).unwrap();
}

#[test]
fn implicit_descriptions_follow_the_state() {
    let (mut alice, mut bob) = (Peer::with_data(1), Peer::new(2));
    alice.negotiation.set_local(None, &alice.transport).unwrap();
    assert_eq!(alice.negotiation.signaling_state(), SignalingState::HaveLocalOffer);
    bob.negotiation.set_remote(alice.negotiation.local_description().unwrap()).unwrap();
    let empty = SessionDescription::new(Answer, "");
    assert!(bob.negotiation.set_local(Some(empty), &bob.transport).unwrap().data.is_some());
    let plan = alice.negotiation.set_remote(bob.negotiation.local_description().unwrap()).unwrap();
    assert_eq!(plan.signaling_state, SignalingState::Stable);
    assert!(alice.negotiation.pending_local_description().is_none());
    assert!(alice.negotiation.current_local_description().is_some());
}

#[test]
fn a_rolled_back_offer_leaves_nothing() {
    let mut alice = Peer::with_data(1);
    let first = alice.offer();
    let plan = alice.negotiation.set_local(Some(SessionDescription::rollback()), &alice.transport).unwrap();
    assert!(plan.rolled_back && plan.local_ufrag.is_none());
    assert_eq!(plan.signaling_state, SignalingState::Stable);
    assert!(alice.negotiation.local_description().is_none() && alice.negotiation.needs_negotiation());
    assert_eq!(alice.offer(), first, "the same offer again is the same text");
}

#[test]
fn a_rolled_back_restart_returns_to_the_running_generation_and_is_still_wanted() {
    let (mut alice, _) = connected();
    alice.negotiation.want_ice_restart();
    assert!(alice.negotiation.needs_negotiation());
    alice.renew("second");
    assert_eq!(alice.offer_and_plan().1.local_ufrag.as_deref(), Some("seconduf"));
    let plan = alice.negotiation.set_local(Some(SessionDescription::rollback()), &alice.transport).unwrap();
    assert_eq!(plan.local_ufrag.as_deref(), Some("p1g0uf"));
    assert!(alice.negotiation.needs_negotiation());
}

#[test]
fn a_remote_offer_can_be_rolled_back() {
    let mut peer = Peer::new(1);
    peer.takes(Offer, MINIMAL).unwrap();
    let plan = peer.takes(Rollback, "").unwrap();
    assert!(plan.rolled_back && peer.negotiation.remote_description().is_none());
    peer.takes(Offer, MINIMAL).unwrap();
}

#[test]
fn in_a_glare_the_remote_offer_wins_and_ours_is_made_again() {
    let (mut polite, mut impolite) = (Peer::with_data(1), Peer::with_data(2));
    polite.offer();
    let (answer, heard, _) = polite.answer(impolite.offer());
    assert!(heard.rolled_back);
    impolite.negotiation.set_remote(answer).unwrap();
    assert!(!polite.negotiation.needs_negotiation(), "one data section serves both");
    exchange(&mut polite, &mut impolite);
}

#[test]
fn a_bad_offer_in_a_glare_does_not_cost_us_ours() {
    let mut peer = Peer::with_data(1);
    peer.offer();
    assert_eq!(peer.takes(Offer, "v=0\r\n").unwrap_err(), ErrorKind::Syntax { line: 1 });
    assert_eq!(peer.negotiation.signaling_state(), SignalingState::HaveLocalOffer);
    assert!(peer.negotiation.pending_local_description().is_some());
}

#[test]
fn a_provisional_answer_opens_the_transport_and_the_final_one_keeps_it() {
    let (mut alice, mut bob) = (Peer::with_data(1), Peer::new(2));
    let offer = alice.offer();
    bob.negotiation.set_remote(offer).unwrap();
    let answer = bob.negotiation.create_answer(&bob.transport).unwrap();
    let provisional = SessionDescription::new(PrAnswer, answer.sdp.clone());
    let plan = bob.negotiation.set_local(Some(provisional.clone()), &bob.transport).unwrap();
    assert_eq!(plan.signaling_state, SignalingState::HaveLocalPrAnswer);
    assert!(plan.transport.unwrap().dtls.unwrap().new_association);
    let plan = alice.negotiation.set_remote(provisional).unwrap();
    assert!(plan.data.unwrap().new_association && plan.signaling_state == SignalingState::HaveRemotePrAnswer);
    for plan in [
        bob.negotiation.set_local(Some(answer.clone()), &bob.transport).unwrap(),
        alice.negotiation.set_remote(answer).unwrap(),
    ] {
        assert_eq!(plan.signaling_state, SignalingState::Stable);
        assert!(!plan.transport.unwrap().dtls.unwrap().new_association && !plan.data.unwrap().new_association);
    }
}

#[test]
fn an_ice_restart_changes_both_sides_credentials() {
    let (mut alice, mut bob) = connected();
    alice.renew("second");
    let early = alice.negotiation.create_offer(&alice.transport, OfferOptions::default()).unwrap_err();
    assert_eq!(early.kind, ErrorKind::Operation, "credentials change with a restart only");
    alice.negotiation.want_ice_restart();
    let (offer, plan) = alice.offer_and_plan();
    assert!(plan.local_ice_restart);
    let heard = bob.negotiation.set_remote(offer).unwrap();
    assert!(heard.remote_ice_restart);
    assert_eq!(heard.transport.unwrap().remote_ufrag, "seconduf");
    let stale = bob.negotiation.create_answer(&bob.transport).unwrap_err();
    assert_eq!(stale.kind, ErrorKind::Operation, "a restart is answered with fresh credentials");
    bob.renew("reply");
    let answer = bob.negotiation.create_answer(&bob.transport).unwrap();
    let settled = bob.negotiation.set_local(Some(answer.clone()), &bob.transport).unwrap();
    let plan = alice.negotiation.set_remote(answer).unwrap();
    assert!(
        plan.local_ice_restart && plan.remote_ice_restart && settled.local_ice_restart && settled.remote_ice_restart
    );
    assert!(!plan.transport.unwrap().dtls.unwrap().new_association, "DTLS lives on");
    assert!(!alice.negotiation.needs_negotiation());
}

#[test]
fn a_restart_needs_fresh_credentials() {
    let (mut alice, _) = connected();
    let options = OfferOptions { ice_restart: true };
    assert_eq!(alice.negotiation.create_offer(&alice.transport, options).unwrap_err().kind, ErrorKind::Operation);
}

#[test]
fn half_a_restart_is_refused() {
    let (mut alice, mut bob) = connected();
    let offer = alice.offer().sdp;
    let half = swapped(&offer, "a=ice-ufrag:p1g0uf", "a=ice-ufrag:newone");
    assert_eq!(bob.takes(Offer, &half).unwrap_err(), ErrorKind::InvalidAccess);
    let half = swapped(&offer, "a=ice-pwd:p1g0", "a=ice-pwd:newone");
    assert_eq!(bob.takes(Offer, &half).unwrap_err(), ErrorKind::InvalidAccess);
}

#[test]
fn an_answer_may_not_restart_on_its_own() {
    let (mut alice, mut bob) = connected();
    let (answer, _, _) = bob.answer(alice.offer());
    let restarted = swapped(&answer.sdp, "p2g0", "newgen");
    assert_eq!(alice.takes(Answer, &restarted).unwrap_err(), ErrorKind::InvalidAccess);
    alice.negotiation.set_remote(answer).unwrap();
}

#[test]
fn another_certificate_begins_another_association() {
    let (mut alice, mut bob) = connected();
    bob.transport.fingerprints = transport("x000", 9).fingerprints;
    let (plan, _) = exchange(&mut bob, &mut alice);
    assert!(plan.transport.unwrap().dtls.unwrap().new_association && plan.data.unwrap().new_association);
}

#[test]
fn a_role_that_changes_alone_keeps_the_association() {
    let (mut alice, mut bob) = connected();
    alice.negotiation.want_ice_restart();
    alice.renew("second");
    bob.renew("reply");
    let (answer, _, _) = bob.answer(alice.offer());
    let reversed = swapped(&answer.sdp, "a=setup:active", "a=setup:passive");
    let plan = alice.takes(Answer, &reversed).unwrap();
    let dtls = plan.transport.unwrap().dtls.unwrap();
    assert_eq!((dtls.role, dtls.new_association), (DtlsRole::Server, false), "Firefox says so after a restart");
}

#[test]
fn another_tls_id_begins_another_association() {
    let (mut alice, mut bob) = (Peer::with_data(1), Peer::new(2));
    alice.transport.tls_id = Some("aaaaaaaaaaaaaaaaaaaa".into());
    exchange(&mut alice, &mut bob);
    alice.transport.tls_id = Some("cccccccccccccccccccc".into());
    let (_, theirs) = exchange(&mut alice, &mut bob);
    assert!(theirs.transport.unwrap().dtls.unwrap().new_association);
}

#[test]
fn a_peer_that_refuses_data_closes_the_transport_and_is_not_asked_again() {
    let refusal = "v=0\r\no=- 1 2 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\n\
                   c=IN IP4 0.0.0.0\r\na=inactive\r\na=mid:0\r\n";
    let mut peer = Peer::with_data(1);
    peer.offer();
    let plan = peer.takes(Answer, refusal).unwrap();
    assert!(plan.data_rejected && plan.transport_closed && plan.local_ufrag.is_none() && plan.transport.is_none());
    peer.negotiation.want_ice_restart();
    assert!(!peer.negotiation.needs_negotiation(), "there is nothing to restart either");
    peer.negotiation.want_data();
    peer.renew("another");
    let offer = peer.offer().sdp;
    assert_eq!(offer.matches("m=").count(), 1, "the refused section is used again");
    assert!(section(&offer, "application 9").contains("a=mid:1\r\n"), "under a new name");
}

#[test]
fn a_data_section_that_the_peer_takes_back_closes_everything() {
    let (mut alice, mut bob) = connected();
    let closing = swapped(&bob.offer().sdp, "a=sctp-port:5000", "a=sctp-port:0");
    alice.takes(Offer, &closing).unwrap();
    let answer = alice.negotiation.create_answer(&alice.transport).unwrap();
    assert!(answer.sdp.contains("m=application 0 "));
    let plan = alice.negotiation.set_local(Some(answer), &alice.transport).unwrap();
    assert!(plan.data_rejected && plan.transport_closed);
}

#[test]
fn sections_neither_vanish_nor_change_places() {
    let (mut alice, mut bob) = connected();
    let offer = bob.offer().sdp;
    let none = swapped(&offer[..offer.find("m=").unwrap()], "a=group:BUNDLE 0\r\n", "");
    let renamed = swapped(&swapped(&offer, "a=mid:0", "a=mid:7"), "BUNDLE 0", "BUNDLE 7");
    for text in [none, renamed, swapped(&offer, "m=application", "m=audio")] {
        assert_eq!(alice.takes(Offer, &text).unwrap_err(), ErrorKind::InvalidAccess);
        assert_eq!(alice.negotiation.signaling_state(), SignalingState::Stable);
    }
}
