//! Sections of audio and video in a peer's offer.

mod common;

use common::{MINIMAL, Peer, browser, section, swapped, without};
use peerage_jsep::description::SdpType::{Answer, Offer};
use peerage_jsep::description::SessionDescription;
use peerage_jsep::error::ErrorKind;

fn answered(offer: &str) -> (String, peerage_jsep::plan::Plan) {
    let (answer, _, plan) = Peer::new(1).answer(SessionDescription::new(Offer, offer));
    (answer.sdp, plan)
}

#[test]
fn browser_offers_keep_their_data_section_and_the_carrier_of_its_transport() {
    for (name, opus, vp8) in [("chromium-156-offer.sdp", "111", "96"), ("firefox-153-offer.sdp", "109", "120")] {
        let (answer, plan) = answered(&browser(name));
        assert!(answer.contains("a=group:BUNDLE 0 2\r\n"), "{name}");
        let audio = section(&answer, "audio");
        assert!(audio.starts_with(&format!("m=audio 9 UDP/TLS/RTP/SAVPF {opus}\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:")));
        for line in ["a=setup:active", "a=mid:0", "a=inactive", "a=rtcp-mux", &format!("a=rtpmap:{opus} opus/48000/2")]
        {
            assert!(audio.contains(&format!("{line}\r\n")), "{name} {line}");
        }
        let video = format!(
            "m=video 0 UDP/TLS/RTP/SAVPF {vp8}\r\nc=IN IP4 0.0.0.0\r\na=mid:1\r\na=inactive\r\na=rtpmap:{vp8} VP8/90000\r\n"
        );
        assert_eq!(section(&answer, "video"), video);
        assert!(section(&answer, "application").contains("a=mid:2\r\n"));
        assert!(plan.data.is_some() && !plan.data_rejected);
        assert_eq!(plan.sections.iter().map(|s| s.rejected).collect::<Vec<_>>(), [false, true, false]);
    }
}

#[test]
fn an_offer_without_data_is_refused_section_by_section_and_leaves_no_transport() {
    let offer = browser("chromium-156-offer.sdp");
    let offer = swapped(&offer[..offer.find("m=application").unwrap()], "BUNDLE 0 1 2", "BUNDLE 0 1");
    let (answer, plan) = answered(&offer);
    assert!(answer.contains("a=group:BUNDLE\r\n"));
    assert_eq!(answer.matches(" 0 UDP/TLS/RTP/SAVPF").count(), 2);
    assert!(plan.transport.is_none() && plan.data.is_none() && plan.local_ufrag.is_none());
    assert!(!plan.transport_closed, "there was none");
}

#[test]
fn without_bundle_the_data_section_has_its_own_transport() {
    let offer = without(&browser("chromium-156-offer.sdp"), "a=group");
    let offer =
        swapped(&offer, "m=application 9", "m=application 9").replacen("a=ice-ufrag:rgqw", "a=ice-ufrag:other", 1);
    let (answer, plan) = answered(&offer);
    assert!(!answer.contains("a=group"));
    assert_eq!(answer.matches(" 0 UDP/TLS/RTP/SAVPF").count(), 2);
    assert_eq!(plan.transport.unwrap().remote_ufrag, "rgqw");
}

#[test]
fn a_bundle_only_data_section_lives_on_the_transport_of_the_tagged_one() {
    let offer = browser("firefox-153-offer.sdp");
    let (head, data) = offer.split_at(offer.find("m=application").unwrap());
    let data = swapped(data, "m=application 9", "m=application 0").replace("a=mid:2", "a=bundle-only\r\na=mid:2");
    let data = without(&without(&data, "a=ice-ufrag"), "a=ice-pwd");
    let (answer, plan) = answered(&format!("{head}{data}"));
    assert_eq!(plan.transport.unwrap().remote_ufrag, "68678928");
    assert!(section(&answer, "application").starts_with("m=application 9 "));
    assert!(!answer.contains("bundle-only"));
}

#[test]
fn a_section_with_port_zero_outside_a_bundle_is_refused() {
    let (answer, plan) = answered(&swapped(&without(MINIMAL, "a=group"), "m=application 9", "m=application 0"));
    assert!(answer.contains("m=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\n") && plan.data.is_none());
}

#[test]
fn only_the_first_data_section_is_taken() {
    let second = section(MINIMAL, "application").replace("a=mid:0", "a=mid:1");
    let (answer, plan) = answered(&format!("{}{second}", swapped(MINIMAL, "BUNDLE 0", "BUNDLE 0 1")));
    assert!(answer.contains("a=group:BUNDLE 0\r\n") && answer.contains("m=application 0 "));
    assert_eq!(plan.sections.iter().map(|s| s.data).collect::<Vec<_>>(), [true, false]);
}

#[test]
fn other_applications_and_protocols_are_refused() {
    for line in [
        "m=application 9 UDP/BFCP *",
        "m=application 9 DTLS/SCTP 5000 webrtc-other",
        "m=image 9 udptl t38",
        "m=text 9 RTP/AVP 98",
    ] {
        let offer = swapped(MINIMAL, "m=application 9 UDP/DTLS/SCTP webrtc-datachannel", line);
        let offer = format!("{offer}a=sctpmap:5000 webrtc-other 16\r\n");
        let (answer, plan) = answered(&offer);
        assert!(answer.contains(" 0 ") && plan.data.is_none(), "{line}");
    }
}

#[test]
fn groups_have_to_name_sections_once() {
    for (group, good) in
        [("BUNDLE 0", true), ("BUNDLE 0 1", false), ("BUNDLE 0 0", false), ("BUNDLE 0\r\na=group:BUNDLE 0", false)]
    {
        let outcome = Peer::new(1).takes(Offer, &swapped(MINIMAL, "BUNDLE 0", group));
        assert_eq!(outcome.err(), (!good).then_some(ErrorKind::InvalidAccess), "{group}");
    }
}

#[test]
fn two_sections_of_one_name_are_refused() {
    let text = format!("{MINIMAL}m=audio 9 UDP/TLS/RTP/SAVPF 0\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\n");
    assert_eq!(Peer::new(1).takes(Offer, &text).unwrap_err(), ErrorKind::InvalidAccess);
}

#[test]
fn an_answer_has_the_sections_of_the_offer() {
    for (spoil, what) in [
        (format!("{MINIMAL}m=audio 0 RTP/AVP 0\r\n"), "one more"),
        (MINIMAL[..MINIMAL.find("m=").unwrap()].replace("a=group:BUNDLE 0\r\n", ""), "none"),
        (MINIMAL.replace("a=mid:0", "a=mid:9").replace("BUNDLE 0", "BUNDLE 9"), "another name"),
        (MINIMAL.replace("m=application", "m=audio"), "another kind"),
        (MINIMAL.replace("UDP/DTLS/SCTP webrtc-datachannel", "UDP/BFCP *"), "another protocol"),
    ] {
        let mut peer = Peer::with_data(1);
        peer.offer();
        let text = spoil.replace("actpass", "active");
        assert_eq!(peer.takes(Answer, &text).unwrap_err(), ErrorKind::InvalidAccess, "{what}");
    }
}

#[test]
fn channels_wanted_after_media_was_refused_get_a_section_of_their_own() {
    let offer = browser("firefox-153-offer.sdp");
    let offer = swapped(&offer[..offer.find("m=application").unwrap()], "BUNDLE 0 1 2", "BUNDLE 0 1");
    let mut peer = Peer::new(1);
    peer.answer(SessionDescription::new(Offer, offer));
    peer.negotiation.want_data();
    assert!(peer.negotiation.needs_negotiation());
    let again = peer.offer().sdp;
    let kinds: Vec<&str> = again.lines().filter(|l| l.starts_with("m=")).collect();
    assert_eq!(
        kinds,
        [
            "m=audio 0 UDP/TLS/RTP/SAVPF 109",
            "m=video 0 UDP/TLS/RTP/SAVPF 120",
            "m=application 9 UDP/DTLS/SCTP webrtc-datachannel"
        ]
    );
    assert!(again.contains("a=group:BUNDLE 2\r\n") && section(&again, "application").contains("a=mid:2\r\n"));
}

#[test]
fn a_carrier_without_media_stays_in_later_offers() {
    let mut peer = Peer::new(1);
    peer.answer(SessionDescription::new(Offer, browser("chromium-156-offer.sdp")));
    let again = peer.offer().sdp;
    assert!(again.contains("a=group:BUNDLE 0 2\r\n"));
    assert!(section(&again, "audio").contains("a=inactive\r\na=rtcp-mux\r\n"));
    assert!(section(&again, "audio").contains("a=setup:actpass\r\n"));
    assert!(section(&again, "video").starts_with("m=video 0 "));
}
