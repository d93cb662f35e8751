//! SCTP INIT chunks in offers and answers.

mod common;

use common::{MINIMAL, Peer, browser, exchange, section, swapped, transport, without};
use peerage_jsep::config::Config;
use peerage_jsep::description::SdpType::{Answer, Offer, PrAnswer};
use peerage_jsep::description::SessionDescription;
use peerage_jsep::error::ErrorKind;
use peerage_jsep::negotiation::{Negotiation, OfferOptions, OfferedInit};
use peerage_jsep::signaling::SignalingState;

/// What Chromium 156 signals.
const CHROME: &str = "a=sctp-init:AQAAHi+02FIAUAAA/////1VkjrfAAAAEgAgABoLA\r\n";
/// Base64 of a chunk that the check of these tests refuses.
const REFUSED: &str = "a=sctp-init:AgAA\r\n";

/// A chunk that tells whose it is; what begins otherwise is refused.
fn init(id: u8) -> Vec<u8> {
    vec![1, 0, 0, id]
}

fn line(id: u8) -> String {
    format!("a=sctp-init:AQAA{}\r\n", ["AA==", "AQ==", "Ag==", "Aw=="][usize::from(id)])
}

fn peer(id: u8) -> Peer {
    let mut config = Config::new(id.into());
    config.accepts_init = |chunk| chunk.first() == Some(&1);
    let mut peer = Peer { negotiation: Negotiation::new(config), transport: transport(&format!("p{id}g0"), id) };
    peer.transport.sctp_init = Some(init(id));
    peer
}

fn with_data(id: u8) -> Peer {
    let mut peer = peer(id);
    peer.negotiation.want_data();
    peer
}

/// A peer that does not speak of it.
fn silent(id: u8) -> Peer {
    let mut silent = peer(id);
    silent.transport.sctp_init = None;
    silent
}

fn offer(text: impl Into<String>) -> SessionDescription {
    SessionDescription::new(Offer, text)
}

#[test]
fn both_descriptions_carry_a_chunk_and_each_side_hears_of_the_others() {
    let (mut alice, mut bob) = (with_data(1), peer(2));
    let said = alice.offer();
    assert!(section(&said.sdp, "application").ends_with(&format!("a=max-message-size:262144\r\n{}", line(1))));
    assert_eq!(bob.negotiation.offered_init(), None);
    bob.negotiation.set_remote(said).unwrap();
    assert_eq!(bob.negotiation.offered_init(), Some(OfferedInit::Present));
    let answer = bob.negotiation.create_answer(&bob.transport).unwrap();
    assert_eq!(answer.sdp.matches("a=sctp-init:").count(), 1);
    let theirs = bob.negotiation.set_local(Some(answer.clone()), &bob.transport).unwrap().data.unwrap();
    let ours = alice.negotiation.set_remote(answer).unwrap().data.unwrap();
    assert_eq!((ours.local_init, ours.remote_init), (Some(init(1)), Some(init(2))));
    assert_eq!((theirs.local_init, theirs.remote_init), (Some(init(2)), Some(init(1))));
    assert_eq!(bob.negotiation.offered_init(), None, "nothing is left to answer");
}

#[test]
fn an_answer_carries_none_where_the_offer_has_none_and_an_offer_with_one_may_stay_alone() {
    let (mut alice, mut bob) = (silent(1), peer(2));
    alice.negotiation.want_data();
    let (answer, _, plan) = bob.answer(alice.offer());
    assert!(!answer.sdp.contains("sctp-init"));
    assert_eq!(plan.data.map(|data| (data.local_init, data.remote_init)), Some((None, None)));

    let (mut alice, mut bob) = (with_data(1), silent(2));
    let (answer, _, plan) = bob.answer(alice.offer());
    assert!(!answer.sdp.contains("sctp-init"));
    assert_eq!(plan.data.map(|data| (data.local_init, data.remote_init)), Some((None, None)));
    let data = alice.negotiation.set_remote(answer).unwrap().data.unwrap();
    assert_eq!((data.local_init, data.remote_init), (Some(init(1)), None));
}

#[test]
fn the_offer_of_chromium_is_answered_in_kind() {
    let mut bob = peer(2);
    let (answer, _, plan) = bob.answer(offer(browser("chromium-156-sped-offer.sdp")));
    assert!(section(&answer.sdp, "application").contains("a=sctp-init:"));
    let theirs = plan.data.unwrap().remote_init.unwrap();
    assert_eq!((theirs.len(), &theirs[4..8]), (30, &[0x2F, 0xB4, 0xD8, 0x52][..]));
}

#[test]
fn an_offered_chunk_that_is_no_good_is_passed_over() {
    for bad in [REFUSED, "a=sctp-init:\r\n", "a=sctp-init\r\n", "a=sctp-init:***\r\n", "a=sctp-init:AQAAAg\r\n"] {
        let mut bob = peer(2);
        let (answer, _, plan) = bob.answer(offer(format!("{MINIMAL}{bad}")));
        assert!(!answer.sdp.contains("sctp-init"), "{bad}");
        assert_eq!(plan.data.map(|data| (data.local_init, data.remote_init)), Some((None, None)), "{bad}");
    }
    let long = format!("{MINIMAL}a=sctp-init:{}\r\n", "AQAA".repeat(1 << 10));
    assert!(!peer(2).answer(offer(long)).0.sdp.contains("sctp-init"));
    // Only the first line of a name counts, and only in the data section.
    let twice = format!("{MINIMAL}{REFUSED}{CHROME}");
    assert!(!peer(2).answer(offer(twice)).0.sdp.contains("sctp-init"));
    let at_the_session = swapped(MINIMAL, "t=0 0\r\n", &format!("t=0 0\r\n{CHROME}"));
    assert!(!peer(2).answer(offer(at_the_session)).0.sdp.contains("sctp-init"));
}

#[test]
fn an_answered_chunk_that_is_no_good_spoils_the_answer_and_nothing_else() {
    for kind in [Answer, PrAnswer] {
        let (mut alice, mut bob) = (with_data(1), peer(2));
        let (answer, _, _) = bob.answer(alice.offer());
        let value = answer.sdp.lines().find(|line| line.starts_with("a=sctp-init:")).unwrap().to_owned();
        let number = answer.sdp.lines().position(|line| line == value).unwrap() + 1;
        for (bad, expected) in [
            (REFUSED.trim_end(), ErrorKind::InvalidAccess),
            ("a=sctp-init:***", ErrorKind::Syntax { line: number }),
            ("a=sctp-init:", ErrorKind::Syntax { line: number }),
        ] {
            assert_eq!(alice.takes(kind, &swapped(&answer.sdp, &value, bad)).unwrap_err(), expected);
            assert_eq!(alice.negotiation.signaling_state(), SignalingState::HaveLocalOffer);
        }
        let data = alice.takes(kind, &answer.sdp).unwrap().data.unwrap();
        assert_eq!(data.remote_init, Some(init(2)));
    }
    // Where ours was not offered, it means nothing.
    let mut alice = silent(1);
    alice.negotiation.want_data();
    let (answer, _, _) = peer(2).answer(alice.offer());
    let data = alice.takes(Answer, &format!("{}a=sctp-init:***\r\n", answer.sdp)).unwrap().data.unwrap();
    assert_eq!(data.remote_init, None);
}

#[test]
fn a_peer_that_repeats_what_it_does_not_know_has_said_nothing() {
    let (mut alice, mut bob) = (with_data(1), silent(2));
    let said = alice.offer();
    let ours = said.sdp.lines().find(|line| line.starts_with("a=sctp-init:")).unwrap().to_owned();
    let (answer, _, _) = bob.answer(said);
    let data = alice.takes(Answer, &format!("{}{ours}\r\n", answer.sdp)).unwrap().data.unwrap();
    assert_eq!((data.local_init, data.remote_init), (Some(init(1)), None));
    let (answer, _, plan) = peer(1).answer(offer(format!("{MINIMAL}{ours}\r\n")));
    assert!(!answer.sdp.contains("sctp-init") && plan.data.unwrap().remote_init.is_none());
}

#[test]
fn further_exchanges_repeat_the_chunks_and_begin_nothing() {
    let (mut alice, mut bob) = (with_data(1), peer(2));
    exchange(&mut alice, &mut bob);
    for _ in 0..2 {
        let said = bob.offer();
        alice.negotiation.set_remote(said).unwrap();
        assert_eq!(alice.negotiation.offered_init(), Some(OfferedInit::Present));
        let answer = alice.negotiation.create_answer(&alice.transport).unwrap();
        let plan = alice.negotiation.set_local(Some(answer.clone()), &alice.transport).unwrap();
        let data = plan.data.unwrap();
        assert_eq!((data.local_init, data.remote_init, data.new_association), (Some(init(1)), Some(init(2)), false));
        let data = bob.negotiation.set_remote(answer).unwrap().data.unwrap();
        assert_eq!((data.local_init, data.remote_init, data.new_association), (Some(init(2)), Some(init(1)), false));
    }
}

#[test]
fn an_offer_that_is_rolled_back_says_the_same_when_it_is_made_again() {
    let mut alice = with_data(1);
    let first = alice.offer();
    alice.negotiation.set_local(Some(SessionDescription::rollback()), &alice.transport).unwrap();
    assert_eq!(alice.offer(), first);
    let mut bob = peer(2);
    bob.negotiation.set_remote(first.clone()).unwrap();
    bob.negotiation.set_remote(SessionDescription::rollback()).unwrap();
    assert_eq!(bob.negotiation.offered_init(), None);
    let (answer, _, _) = bob.answer(first);
    assert_eq!(alice.negotiation.set_remote(answer).unwrap().data.unwrap().remote_init, Some(init(2)));
}

#[test]
fn an_answer_that_begins_another_association_is_told_so_first() {
    let (mut alice, mut bob) = (with_data(1), peer(2));
    exchange(&mut alice, &mut bob);
    bob.transport.fingerprints = transport("x000", 9).fingerprints;
    bob.transport.sctp_init = Some(init(3));
    alice.negotiation.set_remote(bob.offer()).unwrap();
    assert_eq!(alice.negotiation.offered_init(), Some(OfferedInit::Another));
    alice.transport.sctp_init = Some(init(0));
    let answer = alice.negotiation.create_answer(&alice.transport).unwrap();
    let data = alice.negotiation.set_local(Some(answer.clone()), &alice.transport).unwrap().data.unwrap();
    assert_eq!((data.local_init, data.remote_init, data.new_association), (Some(init(0)), Some(init(3)), true));
    let data = bob.negotiation.set_remote(answer).unwrap().data.unwrap();
    assert_eq!((data.local_init, data.remote_init, data.new_association), (Some(init(3)), Some(init(0)), true));
}

#[test]
fn an_ice_restart_repeats_the_chunk() {
    let (mut alice, mut bob) = (with_data(1), peer(2));
    exchange(&mut alice, &mut bob);
    alice.negotiation.want_ice_restart();
    alice.renew("second");
    bob.negotiation.set_remote(alice.offer()).unwrap();
    assert_eq!(bob.negotiation.offered_init(), Some(OfferedInit::Present));
    bob.renew("reply");
    let answer = bob.negotiation.create_answer(&bob.transport).unwrap();
    let data = alice.negotiation.set_remote(answer).unwrap().data.unwrap();
    assert_eq!((data.remote_init, data.new_association), (Some(init(2)), false));
}

#[test]
fn a_refused_section_carries_no_chunk_and_the_next_association_is_a_first_one() {
    let (mut alice, mut bob) = (with_data(1), peer(2));
    exchange(&mut alice, &mut bob);
    let closing = swapped(&bob.offer().sdp, "a=sctp-port:5000", "a=sctp-port:0");
    // Nobody reads what stands in a section that is refused.
    let closing = format!("{}a=sctp-init:***\r\n", without(&closing, "a=sctp-init"));
    alice.takes(Offer, &closing).unwrap();
    assert_eq!(alice.negotiation.offered_init(), None);
    let answer = alice.negotiation.create_answer(&alice.transport).unwrap();
    assert!(!answer.sdp.contains("sctp-init"));
    let plan = alice.negotiation.set_local(Some(answer), &alice.transport).unwrap();
    assert!(plan.data.is_none() && plan.data_rejected);
    alice.negotiation.want_data();
    (alice.transport.sctp_init, alice.transport.ufrag) = (Some(init(3)), "another".into());
    alice.transport.pwd = "another0123456789abcdefghijklmn".into();
    assert!(alice.offer().sdp.contains("a=sctp-init:AQAAAw=="));
}

#[test]
fn sections_of_the_old_form_have_no_place_for_it() {
    let legacy = swapped(MINIMAL, "UDP/DTLS/SCTP webrtc-datachannel", "DTLS/SCTP 5000");
    let legacy = swapped(&legacy, "a=sctp-port:5000\r\n", "a=sctpmap:5000 webrtc-datachannel 1024\r\n");
    let text = format!("{legacy}{CHROME}");
    let mut bob = peer(2);
    bob.takes(Offer, &text).unwrap();
    assert_eq!(bob.negotiation.offered_init(), None);
    let (answer, _, plan) = peer(2).answer(offer(text));
    assert!(!answer.sdp.contains("sctp-init"));
    assert_eq!(plan.data.unwrap().remote_init, None, "nor does one of the peer's count there");
}

#[test]
fn a_chunk_that_cannot_be_written_is_refused() {
    for chunk in [Vec::new(), vec![1; 2049]] {
        let mut peer = with_data(1);
        peer.transport.sctp_init = Some(chunk);
        let error = peer.negotiation.create_offer(&peer.transport, OfferOptions::default()).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Operation);
    }
}
