//! Identifiers of header extensions: those that one byte cannot tell, and those that are only proposed.

mod common;

use std::sync::Arc;

use common::{Peer, browser, exchange, section, swapped};
use peerage_jsep::capability::{ExtensionCapability, MediaConfig};
use peerage_jsep::config::Config;
use peerage_jsep::description::SdpType::{Answer, Offer};
use peerage_jsep::description::SessionDescription;
use peerage_jsep::negotiation::Negotiation;
use peerage_jsep::plan::MediaPlan;
use peerage_jsep::transceiver::MediaKind::{Audio, Video};

const MID: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";
const SEND_TIME: &str = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time";
const NUMBERS: &str = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
const ORIENTATION: &str = "urn:3gpp:video-orientation";
const DELAY: &str = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay";

fn id(plan: &MediaPlan, uri: &str) -> Option<u8> {
    plan.extensions.iter().find(|extension| extension.uri == uri).map(|extension| extension.id)
}

/// A side whose table of video has more extensions than one byte can tell.
fn with_many(id: u8, count: u16) -> Peer {
    let mut table = MediaConfig::default();
    table.video_extensions.extend((0..count).map(|n| ExtensionCapability::new(format!("urn:example:{n}"), 1)));
    let mut config = Config::new(id.into());
    config.media = Some(Arc::new(table));
    let mut peer = Peer::new(id);
    peer.negotiation = Negotiation::new(config);
    peer
}

#[test]
fn identifiers_beyond_one_byte_go_up_to_255_and_no_further() {
    let (mut alice, mut bob) = (with_many(1, 400), with_many(2, 400));
    alice.sends(Video, "cam");
    let (ours, theirs) = exchange(&mut alice, &mut bob);
    let (ours, theirs) = (&ours.media[0], &theirs.media[0]);
    assert_eq!(ours.extensions, theirs.extensions);
    assert!(ours.mixed_extensions && theirs.mixed_extensions);
    // A section has at most 64, which is more than a packet holds.
    let mut ids: Vec<u8> = ours.extensions.iter().map(|extension| extension.id).collect();
    assert_eq!(ids.len(), 64);
    ids.sort_unstable();
    ids.dedup();
    assert!(ids.len() == 64 && !ids.contains(&0) && !ids.contains(&15) && ids.iter().any(|id| *id > 14), "{ids:?}");
    assert_eq!(id(ours, MID), Some(4), "what browsers know keeps a number of one byte");
    let (offer, _) = with_many(3, 400).tap_offer();
    let highest =
        offer.sdp.lines().filter_map(|line| line.strip_prefix("a=extmap:")?.split(' ').next()?.parse::<u16>().ok());
    assert_eq!(highest.max(), Some(255), "and there it ends");
}

impl Peer {
    fn tap_offer(&mut self) -> (SessionDescription, peerage_jsep::plan::Plan) {
        self.sends(Video, "cam");
        self.offer_and_plan()
    }
}

#[test]
fn a_peer_that_does_not_mix_forms_is_told_so() {
    let offer = browser("chromium-156-offer.sdp").replace("a=extmap-allow-mixed\r\n", "");
    let offer = swapped(&offer, &format!("a=extmap:4 {MID}"), &format!("a=extmap:200 {MID}"));
    let (answer, _, plan) = Peer::with_media(1).answer(SessionDescription::new(Offer, offer));
    assert!(!answer.sdp.contains("a=extmap-allow-mixed"));
    for media in &plan.media {
        assert!(!media.mixed_extensions);
        assert_eq!(id(media, MID), Some(200));
    }
}

#[test]
fn what_is_only_proposed_gets_an_identifier_that_is_free_in_every_section() {
    let mut offer = browser("chromium-156-offer.sdp");
    for (uri, before, after) in [(MID, 4, 4096), (SEND_TIME, 2, 4097), (ORIENTATION, 13, 4098), (DELAY, 5, 4099)] {
        offer = swapped(&offer, &format!("a=extmap:{before} {uri}"), &format!("a=extmap:{after} {uri}"));
    }
    // The place that ours would like to have is another's.
    offer = swapped(
        &offer,
        "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level",
        "a=extmap:4 urn:ietf:params:rtp-hdrext:ssrc-audio-level",
    );
    let mut peer = Peer::with_media(1);
    let (answer, _, plan) = peer.answer(SessionDescription::new(Offer, offer.clone()));
    let [sound, picture] = &plan.media[..] else { panic!("two sections") };
    assert_eq!(id(sound, "urn:ietf:params:rtp-hdrext:ssrc-audio-level"), Some(4));
    let mid = id(sound, MID).expect("it was proposed, and ours has it");
    assert!(mid != 4 && mid < 15, "{mid}");
    assert_eq!(id(picture, MID), Some(mid), "one meaning in all sections");
    for (uri, wanted) in [(SEND_TIME, Some(2)), (ORIENTATION, Some(13)), (DELAY, Some(5)), (NUMBERS, Some(3))] {
        assert_eq!(id(picture, uri), wanted, "{uri}");
    }
    let ids: Vec<u8> = picture.extensions.iter().map(|extension| extension.id).collect();
    assert!((1..ids.len()).all(|n| !ids[..n].contains(&ids[n])), "{ids:?}");
    assert!(!answer.sdp.contains(":409"), "nothing that packets cannot tell is answered");
    assert!(section(&answer.sdp, "video").contains(&format!("a=extmap:{mid} {MID}\r\n")));
    // The same offer again means the same.
    let again = swapped(&offer, "o=- 6530429695245271835 2", "o=- 6530429695245271835 3");
    let (_, _, plan) = peer.answer(SessionDescription::new(Offer, again));
    assert_eq!(id(&plan.media[1], MID), Some(mid));
}

#[test]
fn of_alternatives_under_one_proposal_one_is_taken() {
    let mut offer = browser("chromium-156-offer.sdp");
    for (uri, before) in [(ORIENTATION, 13), (DELAY, 5)] {
        offer = swapped(&offer, &format!("a=extmap:{before} {uri}"), &format!("a=extmap:4096 {uri}"));
    }
    let (_, _, plan) = Peer::with_media(1).answer(SessionDescription::new(Offer, offer));
    let picture = &plan.media[1];
    assert_eq!((id(picture, ORIENTATION), id(picture, DELAY)), (Some(13), None));
}

#[test]
fn identifiers_that_do_not_exist_are_passed_over() {
    for number in ["0", "256", "4095", "4352", "65535", "65536", "99999999999", "-1", "x"] {
        let offer = swapped(
            &browser("chromium-156-offer.sdp"),
            &format!("a=extmap:13 {ORIENTATION}"),
            &format!("a=extmap:{number} {ORIENTATION}"),
        );
        let (answer, _, plan) = Peer::with_media(1).answer(SessionDescription::new(Offer, offer));
        assert_eq!((id(&plan.media[1], ORIENTATION), id(&plan.media[1], MID)), (None, Some(4)), "{number}");
        assert!(!answer.sdp.contains(ORIENTATION));
    }
}

#[test]
fn an_answer_under_another_identifier_is_of_no_use() {
    let (mut alice, mut bob) = (Peer::with_media(1), Peer::with_media(2));
    alice.sends(Audio, "mic");
    let (answer, ..) = bob.answer(alice.offer());
    let changed = swapped(&answer.sdp, &format!("a=extmap:4 {MID}"), &format!("a=extmap:9 {MID}"));
    let plan = alice.takes(Answer, &changed).unwrap();
    assert_eq!((id(&plan.media[0], MID), id(&plan.media[0], NUMBERS)), (None, Some(3)));
}

#[test]
fn what_a_description_says_of_all_sections_counts_in_each() {
    let offer = browser("chromium-156-offer.sdp");
    let line = format!("a=extmap:4 {MID}\r\n");
    let offer =
        swapped(&offer, &line, "").replacen("a=extmap-allow-mixed\r\n", &format!("a=extmap-allow-mixed\r\n{line}"), 1);
    let (_, _, plan) = Peer::with_media(1).answer(SessionDescription::new(Offer, offer));
    assert!(plan.media.iter().all(|media| id(media, MID) == Some(4)));
}
