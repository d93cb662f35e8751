//! Data-channel offers and answers between our own kind and with what browsers write.

mod common;

use common::{MINIMAL, Peer, browser, exchange, section, swapped, transport, without};
use peerage_jsep::description::SdpType::{Answer, Offer};
use peerage_jsep::error::ErrorKind;
use peerage_jsep::plan::DtlsRole;
use peerage_jsep::signaling::SignalingState;

#[test]
fn an_offer_and_its_answer_settle_the_transport_on_both_sides() {
    let (mut alice, mut bob) = (Peer::with_data(1), Peer::new(2));
    assert!(alice.negotiation.needs_negotiation());
    let (offer, gathering) = alice.offer_and_plan();
    assert_eq!(gathering.local_ufrag.as_deref(), Some("p1g0uf"));
    assert!(gathering.transport.is_none());
    let (answer, heard, settled) = bob.answer(offer);
    assert_eq!(heard.signaling_state, SignalingState::HaveRemoteOffer);
    let (early, late) = (heard.transport.unwrap(), settled.transport.unwrap());
    assert_eq!((early.dtls, early.remote_ufrag.as_str(), early.controlling), (None, "p1g0uf", false));
    assert_eq!(late.fingerprints, alice.transport.fingerprints);
    let dtls = late.dtls.unwrap();
    assert_eq!((dtls.role, dtls.new_association), (DtlsRole::Client, true));
    let plan = alice.negotiation.set_remote(answer).unwrap();
    let (dtls, data) = (plan.transport.clone().unwrap().dtls.unwrap(), plan.data.unwrap());
    assert_eq!((dtls.role, plan.transport.unwrap().controlling), (DtlsRole::Server, true));
    assert_eq!((data.remote_port, data.max_message_size, data.new_association), (5000, Some(262_144), true));
    assert_eq!(plan.signaling_state, SignalingState::Stable);
    assert!(!alice.negotiation.needs_negotiation() && !bob.negotiation.needs_negotiation());
}

#[test]
fn our_offer_has_the_lines_both_browsers_require_in_their_order() {
    let offer = Peer::with_data(1).offer().sdp;
    let digest = vec!["01"; 32].join(":");
    let expected = format!(
        "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
         m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:p1g0uf\r\n\
         a=ice-pwd:p1g00123456789abcdefghijklmn\r\na=ice-options:trickle\r\na=fingerprint:sha-256 {digest}\r\n\
         a=setup:actpass\r\na=mid:0\r\na=sctp-port:5000\r\na=max-message-size:262144\r\n"
    );
    assert_eq!(offer, expected);
}

/// The rows of the acceptance matrix that was measured on both browsers, from their side of the table: what they accept
/// from others we accept from them, and what makes an exchange impossible is named.
#[test]
fn an_offer_is_refused_only_for_what_makes_it_useless() {
    for (line, expected) in [
        ("v=0", Some(ErrorKind::Syntax { line: 1 })),
        ("o=-", Some(ErrorKind::Syntax { line: 2 })),
        ("t=0", Some(ErrorKind::Syntax { line: 5 })),
        ("a=ice-ufrag", Some(ErrorKind::InvalidAccess)),
        ("a=ice-pwd", Some(ErrorKind::InvalidAccess)),
        ("a=fingerprint", Some(ErrorKind::InvalidAccess)),
        ("a=mid", Some(ErrorKind::InvalidAccess)),
        ("s=", None),
        ("c=", None),
        ("a=group", None),
        ("a=ice-options", None),
        ("a=setup", None),
        ("a=sctp-port", None),
        ("a=max-message-size", None),
    ] {
        let plan = Peer::new(1).takes(Offer, &without(MINIMAL, line));
        assert_eq!(plan.as_ref().err().copied(), expected, "without {line}");
        if let Ok(plan) = plan {
            assert!(plan.transport.is_some(), "without {line}");
        }
    }
}

#[test]
fn odd_but_usable_offers_are_taken() {
    let lower = MINIMAL
        .to_ascii_lowercase()
        .replace("in ip4", "IN IP4")
        .replace("bundle", "BUNDLE")
        .replace("udp/dtls/sctp", "UDP/DTLS/SCTP");
    let lite = swapped(MINIMAL, "t=0 0\r\n", "t=0 0\r\na=ice-lite\r\n");
    let unnamed = without(&without(MINIMAL, "a=mid"), "a=group");
    for text in [lower, lite, unnamed, MINIMAL.replace('\r', ""), format!("{MINIMAL}a=foo:bar\r\na=sctp-init:AQ==\r\n")]
    {
        let mut peer = Peer::new(1);
        let (answer, _, plan) = peer.answer(peerage_jsep::description::SessionDescription::new(Offer, text));
        assert!(plan.data.is_some());
        assert!(
            !answer.sdp.contains("foo") && !answer.sdp.contains("sctp-init"),
            "unknown attributes are not repeated"
        );
    }
}

#[test]
fn session_level_credentials_and_fingerprints_are_inherited() {
    let lines: String = MINIMAL
        .split_inclusive("\r\n")
        .filter(|l| ["a=ice-ufrag", "a=ice-pwd", "a=fingerprint", "a=setup"].iter().any(|p| l.starts_with(p)))
        .collect();
    let mut text = MINIMAL.to_owned();
    for prefix in ["a=ice-ufrag", "a=ice-pwd", "a=fingerprint", "a=setup"] {
        text = without(&text, prefix);
    }
    let text = swapped(&text, "t=0 0\r\n", &format!("t=0 0\r\n{lines}"));
    let transport = Peer::new(1).takes(Offer, &text).unwrap().transport.unwrap();
    assert_eq!(transport.remote_ufrag, "abcd");
    assert!(transport.fingerprints[0].starts_with("sha-256 04:A4:68"));
}

#[test]
fn credentials_of_the_wrong_length_or_alphabet_name_their_line() {
    for (old, new, line) in [
        ("ice-ufrag:abcd", "ice-ufrag:abc", 8),
        ("ice-ufrag:abcd", "ice-ufrag:ab:cd", 8),
        ("ice-pwd:abcdefghijklmnopqrstuvwx", "ice-pwd:abcdefghijklmnopqrstu", 9),
        ("sha-256 04:A4", "sha-256 04", 11),
        ("sctp-port:5000", "sctp-port:70000", 14),
        ("setup:actpass", "setup:both", 12),
    ] {
        let kind = Peer::new(1).takes(Offer, &swapped(MINIMAL, old, new)).unwrap_err();
        assert_eq!(kind, ErrorKind::Syntax { line }, "{new}");
    }
}

#[test]
fn every_role_in_an_offer_has_its_counterpart() {
    for (offered, answered, role) in [
        ("a=setup:actpass\r\n", "active", DtlsRole::Client),
        ("a=setup:active\r\n", "passive", DtlsRole::Server),
        ("a=setup:passive\r\n", "active", DtlsRole::Client),
        ("", "passive", DtlsRole::Server),
    ] {
        let mut peer = Peer::new(1);
        let text = swapped(MINIMAL, "a=setup:actpass\r\n", offered);
        let (answer, _, plan) = peer.answer(peerage_jsep::description::SessionDescription::new(Offer, text));
        assert!(answer.sdp.contains(&format!("a=setup:{answered}\r\n")), "{offered}");
        assert_eq!(plan.transport.unwrap().dtls.unwrap().role, role);
    }
    let hold = swapped(MINIMAL, "setup:actpass", "setup:holdconn");
    assert_eq!(Peer::new(1).takes(Offer, &hold).unwrap_err(), ErrorKind::InvalidAccess);
}

#[test]
fn an_answer_has_to_choose_a_role() {
    for (setup, expected) in [
        ("a=setup:active\r\n", Ok(DtlsRole::Server)),
        ("a=setup:passive\r\n", Ok(DtlsRole::Client)),
        ("", Ok(DtlsRole::Server)),
        ("a=setup:actpass\r\n", Err(ErrorKind::InvalidAccess)),
    ] {
        let mut peer = Peer::with_data(1);
        peer.offer();
        let plan = peer.takes(Answer, &swapped(MINIMAL, "a=setup:actpass\r\n", setup));
        assert_eq!(plan.map(|p| p.transport.unwrap().dtls.unwrap().role), expected, "{setup}");
    }
}

#[test]
fn message_sizes_follow_the_standard() {
    for (line, expected) in [
        ("a=max-message-size:0\r\n", None),
        ("a=max-message-size:100000\r\n", Some(100_000)),
        ("a=max-message-size:1073741823\r\n", Some(1_073_741_823)),
        ("", Some(65_536)),
    ] {
        let mut peer = Peer::new(1);
        let text = swapped(MINIMAL, "a=max-message-size:262144\r\n", line);
        let (_, _, plan) = peer.answer(peerage_jsep::description::SessionDescription::new(Offer, text));
        assert_eq!(plan.data.unwrap().max_message_size, expected, "{line}");
    }
}

#[test]
fn the_form_before_rfc_8841_is_answered_in_kind() {
    let text = swapped(MINIMAL, "UDP/DTLS/SCTP webrtc-datachannel", "DTLS/SCTP 5001");
    let text = swapped(&text, "a=sctp-port:5000", "a=sctpmap:5001 webrtc-datachannel 256");
    let mut peer = Peer::new(1);
    let (answer, _, plan) = peer.answer(peerage_jsep::description::SessionDescription::new(Offer, text));
    let ours = section(&answer.sdp, "application 9 DTLS/SCTP 5000");
    assert!(ours.contains("a=sctpmap:5000 webrtc-datachannel 1024\r\n") && !ours.contains("sctp-port"));
    assert_eq!(plan.data.unwrap().remote_port, 5001);
    let again = peer.offer();
    assert!(again.sdp.contains("m=application 9 DTLS/SCTP 5000\r\n"), "and offered again in the same form");
}

#[test]
fn every_certificate_of_the_peer_is_handed_on() {
    let other = format!("a=fingerprint:sha-1 {}\r\na=setup", ["0a"; 20].join(":"));
    let text = swapped(MINIMAL, "a=setup", &other);
    let transport = Peer::new(1).takes(Offer, &text).unwrap().transport.unwrap();
    assert_eq!(transport.fingerprints.len(), 2);
    assert_eq!(transport.fingerprints[0], format!("sha-1 {}", ["0A"; 20].join(":")));
}

#[test]
fn a_lite_peer_leaves_control_to_us() {
    let text = swapped(MINIMAL, "t=0 0\r\n", "t=0 0\r\na=ice-lite\r\n");
    let transport = Peer::new(1).takes(Offer, &text).unwrap().transport.unwrap();
    assert!(transport.remote_lite && transport.controlling);
}

#[test]
fn the_answers_of_both_browsers_complete_our_offer() {
    for name in ["chromium-156-answer.sdp", "firefox-153-answer.sdp"] {
        let text = browser(name);
        let head = text[..text.find("m=audio").unwrap()].replace("BUNDLE 0 1 2", "BUNDLE 0");
        let answer = head + &section(&text, "application").replace("a=mid:2", "a=mid:0");
        let mut peer = Peer::with_data(1);
        peer.offer();
        let plan = peer.takes(Answer, &answer).unwrap();
        assert_eq!(plan.transport.unwrap().dtls.unwrap().role, DtlsRole::Server, "{name}");
        assert_eq!(plan.data.unwrap().remote_port, 5000);
    }
}

#[test]
fn candidates_and_their_end_are_part_of_the_description() {
    let mut peer = Peer::with_data(1);
    peer.transport.candidates = vec!["candidate:1 1 udp 1 192.0.2.1 4000 typ host".into()];
    peer.transport.end_of_candidates = true;
    let offer = peer.offer();
    assert!(offer.sdp.contains("m=application 4000 ") && offer.sdp.contains("c=IN IP4 192.0.2.1\r\n"));
    assert!(offer.sdp.ends_with("a=candidate:1 1 udp 1 192.0.2.1 4000 typ host\r\na=end-of-candidates\r\n"));
    let transport = Peer::new(2).takes(Offer, &offer.sdp).unwrap().transport.unwrap();
    assert_eq!(transport.candidates, peer.transport.candidates);
    assert!(transport.end_of_candidates && transport.remote_trickle);
}

#[test]
fn trickle_is_answered_only_if_it_was_offered() {
    let mut peer = Peer::new(1);
    let text = without(MINIMAL, "a=ice-options");
    let (answer, heard, _) = peer.answer(peerage_jsep::description::SessionDescription::new(Offer, text));
    assert!(!answer.sdp.contains("ice-options") && !heard.transport.unwrap().remote_trickle);
}

#[test]
fn a_tls_id_is_answered_only_if_it_was_offered() {
    let (mut alice, mut bob) = (Peer::with_data(1), Peer::new(2));
    bob.transport.tls_id = Some("bbbbbbbbbbbbbbbbbbbb".into());
    let offer = alice.offer();
    assert!(!bob.answer(offer).0.sdp.contains("tls-id"));
    let (mut alice, mut bob) = (Peer::with_data(1), Peer::new(2));
    alice.transport.tls_id = Some("aaaaaaaaaaaaaaaaaaaa".into());
    bob.transport.tls_id = Some("bbbbbbbbbbbbbbbbbbbb".into());
    let offer = alice.offer();
    assert!(bob.answer(offer).0.sdp.contains("a=tls-id:bbbbbbbbbbbbbbbbbbbb\r\n"));
}

#[test]
fn a_transport_that_cannot_be_written_is_refused() {
    for spoil in [
        |t: &mut peerage_jsep::local::LocalTransport| t.ufrag = "ab".into(),
        |t: &mut peerage_jsep::local::LocalTransport| t.pwd = "short".into(),
        |t: &mut peerage_jsep::local::LocalTransport| t.fingerprints.clear(),
        |t: &mut peerage_jsep::local::LocalTransport| t.fingerprints = vec!["sha-256 00\r\na=x".into()],
        |t: &mut peerage_jsep::local::LocalTransport| {
            t.candidates = vec!["candidate:1 1 udp 1 h 1 typ host\r\nm=x".into()]
        },
        |t: &mut peerage_jsep::local::LocalTransport| t.tls_id = Some("short".into()),
    ] {
        let mut peer = Peer::with_data(1);
        let mut bad = transport("gen0", 1);
        spoil(&mut bad);
        let error = peer.negotiation.create_offer(&bad, Default::default()).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Operation);
    }
}

#[test]
fn the_first_exchange_fixes_the_ice_role_for_good() {
    let (mut alice, mut bob) = (Peer::with_data(1), Peer::new(2));
    exchange(&mut alice, &mut bob);
    let (bob_plan, alice_plan) = exchange(&mut bob, &mut alice);
    assert!(!bob_plan.transport.unwrap().controlling);
    assert!(alice_plan.transport.unwrap().controlling);
}
