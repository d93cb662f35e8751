//! Candidates that come after their description.

mod common;

use common::{MINIMAL, Peer, browser, exchange, swapped};
use peerage_jsep::candidate::CandidateInit;
use peerage_jsep::description::SdpType::Offer;
use peerage_jsep::description::SessionDescription;
use peerage_jsep::error::ErrorKind;

const HOST: &str = "candidate:1 1 udp 2122194687 192.0.2.7 57877 typ host";

fn init(candidate: &str, mid: &str) -> CandidateInit {
    CandidateInit { candidate: candidate.into(), mid: Some(mid.into()), ..CandidateInit::default() }
}

fn listening() -> Peer {
    let mut peer = Peer::new(1);
    peer.takes(Offer, MINIMAL).unwrap();
    peer
}

#[test]
fn a_candidate_goes_to_the_generation_of_its_section() {
    let mut peer = listening();
    let found = peer.negotiation.add_remote_candidate(&init(HOST, "0")).unwrap().unwrap();
    assert_eq!((found.ufrag.as_str(), found.candidate.as_deref()), ("abcd", Some(HOST)));
    let by_index = CandidateInit { mid: None, mline_index: Some(0), ..init(&format!("a={HOST}"), "") };
    assert_eq!(peer.negotiation.add_remote_candidate(&by_index).unwrap().unwrap().candidate.as_deref(), Some(HOST));
    let shown = peer.negotiation.remote_description().unwrap().sdp;
    assert_eq!(shown.matches(HOST).count(), 1, "the description shows it once");
    assert!(shown.contains("m=application 57877 ") && shown.contains("c=IN IP4 192.0.2.7\r\n"));
}

#[test]
fn the_end_of_candidates_has_many_spellings() {
    for text in ["", "candidate:", "a=end-of-candidates", "end-of-candidates"] {
        let mut peer = listening();
        for init in [init(text, "0"), CandidateInit { mid: None, ..init(text, "") }] {
            assert_eq!(peer.negotiation.add_remote_candidate(&init).unwrap().unwrap().candidate, None, "{text:?}");
        }
        assert!(peer.negotiation.remote_description().unwrap().sdp.ends_with("a=end-of-candidates\r\n"));
    }
}

#[test]
fn refusals_have_reasons() {
    let mut peer = listening();
    let mut refused = |init: &CandidateInit| peer.negotiation.add_remote_candidate(init).unwrap_err().kind;
    assert_eq!(refused(&CandidateInit { mid: None, ..init(HOST, "") }), ErrorKind::Type);
    assert_eq!(refused(&init(HOST, "9")), ErrorKind::Operation);
    assert_eq!(refused(&CandidateInit { mid: None, mline_index: Some(3), ..init(HOST, "") }), ErrorKind::Operation);
    assert_eq!(refused(&init("candidate:nonsense", "0")), ErrorKind::Operation);
    assert_eq!(refused(&init(&format!("{HOST}\r\na=x"), "0")), ErrorKind::Operation);
    assert_eq!(refused(&CandidateInit { ufrag: Some("other".into()), ..init(HOST, "0") }), ErrorKind::Operation);
    assert_eq!(refused(&init(&format!("{HOST} generation 0 ufrag othr"), "0")), ErrorKind::Operation);
    peer.negotiation.close();
    assert_eq!(peer.negotiation.add_remote_candidate(&init(HOST, "0")).unwrap_err().kind, ErrorKind::InvalidState);
    assert_eq!(
        Peer::new(2).negotiation.add_remote_candidate(&init(HOST, "0")).unwrap_err().kind,
        ErrorKind::InvalidState
    );
}

#[test]
fn candidates_without_limit_are_refused() {
    let mut peer = listening();
    let mut last = Ok(None);
    for port in 1..=257 {
        last = peer
            .negotiation
            .add_remote_candidate(&init(&format!("candidate:1 1 udp 1 192.0.2.7 {port} typ host"), "0"));
    }
    assert_eq!(last.unwrap_err().kind, ErrorKind::Operation);
}

#[test]
fn only_the_carrier_of_the_transport_counts() {
    let mut peer = Peer::new(1);
    peer.takes(Offer, &browser("chromium-156-offer.sdp")).unwrap();
    let with_ufrag = format!("{HOST} generation 0 ufrag rgqw network-id 1");
    let mut add = |mid| peer.negotiation.add_remote_candidate(&init(&with_ufrag, mid)).unwrap().is_some();
    assert_eq!((add("0"), add("1"), add("2")), (true, false, false));
    let rtcp = HOST.replacen(" 1 udp", " 2 UDP", 1);
    assert_eq!(peer.negotiation.add_remote_candidate(&init(&rtcp, "0")).unwrap(), None, "RTCP shares RTP's component");
}

#[test]
fn a_candidate_of_the_running_generation_is_taken_while_a_restart_is_pending() {
    let mut peer = Peer::new(1);
    peer.answer(SessionDescription::new(Offer, MINIMAL));
    let restart = swapped(&swapped(MINIMAL, "ufrag:abcd", "ufrag:efgh"), "pwd:abcd", "pwd:efgh");
    assert!(peer.takes(Offer, &restart).unwrap().remote_ice_restart);
    let mut generation = |ufrag: Option<&str>| {
        let init = CandidateInit { ufrag: ufrag.map(Into::into), ..init(HOST, "0") };
        peer.negotiation.add_remote_candidate(&init).unwrap().unwrap().ufrag
    };
    assert_eq!(generation(Some("abcd")), "abcd");
    assert_eq!(generation(Some("efgh")), "efgh");
    assert_eq!(generation(None), "efgh", "the newest, if none is named");
}

#[test]
fn gathered_candidates_appear_in_the_local_description_and_say_how_to_signal_them() {
    let (mut alice, mut bob) = (Peer::with_data(1), Peer::new(2));
    exchange(&mut alice, &mut bob);
    let signalled = alice.negotiation.add_local_candidate("p1g0uf", HOST).unwrap().unwrap();
    assert_eq!(
        (signalled.mid.as_deref(), signalled.mline_index, signalled.ufrag.as_deref()),
        (Some("0"), Some(0), Some("p1g0uf"))
    );
    assert!(bob.negotiation.add_remote_candidate(&signalled).unwrap().is_some());
    let end = alice.negotiation.end_local_candidates("p1g0uf").unwrap();
    assert_eq!(bob.negotiation.add_remote_candidate(&end).unwrap().unwrap().candidate, None);
    let shown = alice.negotiation.current_local_description().unwrap().sdp;
    assert!(shown.ends_with(&format!("a={HOST}\r\na=end-of-candidates\r\n")));
    assert_eq!(alice.negotiation.add_local_candidate("oldgen", HOST).unwrap(), None);
}
