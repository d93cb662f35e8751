//! The life of transceivers: directions, stopping, sections used again, rollback, glare, simulcast.

mod common;

use std::sync::Arc;

use common::{MINIMAL, Peer, browser, exchange, section, swapped};
use peerage_jsep::capability::{CodecCapability, MediaConfig};
use peerage_jsep::config::Config;
use peerage_jsep::description::SdpType::{Offer, PrAnswer};
use peerage_jsep::description::SessionDescription;
use peerage_jsep::error::ErrorKind;
use peerage_jsep::negotiation::{Negotiation, OfferOptions};
use peerage_jsep::plan::TrackEvent;
use peerage_jsep::transceiver::MediaKind::{Audio, Video};
use peerage_jsep::transceiver::TransceiverInit;
use peerage_sdp::attribute::direction::Direction::{Inactive, RecvOnly, SendOnly, SendRecv};
use peerage_sdp::attribute::rid::RidId;

fn rids(names: &[&str]) -> Vec<RidId> {
    names.iter().map(|name| RidId::new(name).unwrap()).collect()
}

fn m_lines(text: &str) -> Vec<&str> {
    text.lines().filter(|line| line.starts_with("m=")).map(|line| line.split(" UDP").next().unwrap()).collect()
}

/// A call of audio and video between two sides that both send.
fn call() -> (Peer, Peer) {
    let (mut alice, mut bob) = (Peer::with_media(1), Peer::with_media(2));
    for peer in [&mut alice, &mut bob] {
        peer.sends(Audio, "mic");
        peer.sends(Video, "cam");
    }
    exchange(&mut alice, &mut bob);
    (alice, bob)
}

#[test]
fn without_a_configuration_there_are_no_transceivers() {
    let mut peer = Peer::new(1);
    let refused = peer.negotiation.add_transceiver(Audio, TransceiverInit::default()).unwrap_err();
    assert_eq!(refused.kind, ErrorKind::InvalidState);
    assert!(peer.negotiation.transceivers().is_empty());
}

#[test]
fn names_that_no_description_can_hold_are_refused() {
    let mut peer = Peer::with_media(1);
    for (track, stream) in [("a b", "s"), ("", "s"), ("t", "-"), ("t", "x\r\ny"), ("t", &"x".repeat(65))] {
        let outcome = peer.negotiation.add_track(Audio, track.into(), vec![stream.into()]);
        assert_eq!(outcome.unwrap_err().kind, ErrorKind::Type, "{track:?} {stream:?}");
    }
    for (kind, names) in [(Video, &["a", "a"][..]), (Video, &["a-b", "c"]), (Audio, &["a", "b"])] {
        let init = TransceiverInit { rids: rids(names), ..TransceiverInit::default() };
        assert_eq!(peer.negotiation.add_transceiver(kind, init).unwrap_err().kind, ErrorKind::Type, "{names:?}");
    }
    assert!(peer.negotiation.transceivers().is_empty() && !peer.negotiation.needs_negotiation());
    for _ in 0..256 {
        peer.adds(Audio, SendRecv);
    }
    let outcome = peer.negotiation.add_transceiver(Audio, TransceiverInit::default());
    assert_eq!(outcome.unwrap_err().kind, ErrorKind::Operation);
}

#[test]
fn every_pair_of_directions_meets_in_what_both_want() {
    for ours in [SendRecv, SendOnly, RecvOnly, Inactive] {
        for theirs in [SendRecv, SendOnly, RecvOnly, Inactive] {
            let (mut alice, mut bob) = (Peer::with_media(1), Peer::with_media(2));
            let id = alice.adds(Audio, ours);
            bob.negotiation.set_remote(alice.offer()).unwrap();
            let other = bob.negotiation.transceivers()[0].id();
            assert_eq!(bob.of(other).direction(), RecvOnly);
            bob.negotiation.set_direction(other, theirs).unwrap();
            let answer = bob.negotiation.create_answer(&bob.transport).unwrap();
            let settled = bob.negotiation.set_local(Some(answer.clone()), &bob.transport).unwrap();
            let plan = alice.negotiation.set_remote(answer).unwrap();
            let expected = ours.and(theirs.reversed());
            assert_eq!(alice.of(id).current_direction(), Some(expected), "{ours:?} {theirs:?}");
            assert_eq!(bob.of(other).current_direction(), Some(expected.reversed()));
            assert_eq!((plan.media[0].direction, settled.media[0].direction), (expected, expected.reversed()));
            assert_eq!(plan.tracks.len(), usize::from(expected.receives()));
            assert!(!alice.negotiation.needs_negotiation() && !bob.negotiation.needs_negotiation());
        }
    }
}

#[test]
fn a_track_is_told_when_it_comes_mutes_and_returns() {
    let (mut alice, mut bob) = call();
    let sender = alice.negotiation.transceivers()[1].id();
    let receiver = bob.negotiation.transceivers()[1].id();
    alice.negotiation.set_direction(sender, RecvOnly).unwrap();
    assert!(alice.negotiation.needs_negotiation());
    let (_, heard, _) = bob.answer(alice.offer());
    assert_eq!(heard.tracks, [TrackEvent::Removed { transceiver: receiver }]);
    assert!(bob.of(receiver).receiver_streams().is_empty());
    // The offer was never answered as far as we know: begin again.
    let rolled = alice.negotiation.set_local(Some(SessionDescription::rollback()), &alice.transport).unwrap();
    assert!(rolled.tracks.is_empty());
    alice.negotiation.set_direction(sender, SendRecv).unwrap();
    alice.negotiation.set_streams(sender, vec!["one".into(), "two".into(), "one".into()]).unwrap();
    let (answer, heard, _) = bob.answer(alice.offer());
    let [TrackEvent::Added { transceiver, track, streams }] = &heard.tracks[..] else { panic!("{:?}", heard.tracks) };
    assert_eq!((*transceiver, track.as_deref()), (receiver, Some("cam")));
    assert_eq!(*streams, ["one", "two"]);
    alice.negotiation.set_remote(answer).unwrap();
    alice.negotiation.set_streams(sender, vec!["two".into()]).unwrap();
    assert!(alice.negotiation.needs_negotiation(), "the streams are others");
    let (answer, heard, _) = bob.answer(alice.offer());
    assert_eq!(heard.tracks, [TrackEvent::Streams { transceiver: receiver, streams: vec!["two".into()] }]);
    alice.negotiation.set_remote(answer).unwrap();
    assert!(!alice.negotiation.needs_negotiation() && !bob.negotiation.needs_negotiation());
}

#[test]
fn a_stopped_transceiver_closes_its_section() {
    let (mut alice, mut bob) = call();
    let (first, second) = (alice.negotiation.transceivers()[0].id(), alice.negotiation.transceivers()[1].id());
    alice.negotiation.stop_transceiver(first).unwrap();
    assert!(alice.of(first).is_stopping() && alice.negotiation.needs_negotiation());
    assert_eq!(alice.negotiation.set_direction(first, SendRecv).unwrap_err().kind, ErrorKind::InvalidState);
    let offer = alice.offer();
    assert_eq!(m_lines(&offer.sdp), ["m=audio 0", "m=video 9"]);
    assert!(offer.sdp.contains("a=group:BUNDLE 1\r\n"), "the closed section leaves the group");
    let ended = bob.negotiation.transceivers()[0].id();
    let (answer, heard, settled) = bob.answer(offer);
    assert_eq!(heard.tracks, [TrackEvent::Ended { transceiver: ended }]);
    assert_eq!((settled.media.len(), settled.media[0].index), (1, 1));
    let plan = alice.negotiation.set_remote(answer).unwrap();
    assert!(plan.tracks.contains(&TrackEvent::Ended { transceiver: first }));
    assert!(alice.negotiation.transceiver(first).is_none() && bob.negotiation.transceiver(ended).is_none());
    assert!(!alice.negotiation.needs_negotiation() && !bob.negotiation.needs_negotiation());
    assert!(!plan.transport.unwrap().dtls.unwrap().new_association);

    // Chromium takes none before the one that carries the transport.
    bob.adds(Video, SendOnly);
    let offer = bob.offer();
    assert_eq!(m_lines(&offer.sdp), ["m=audio 0", "m=video 9", "m=video 9"]);
    assert!(offer.sdp.contains("a=group:BUNDLE 1 2\r\n"));
    let (answer, heard, _) = alice.answer(offer);
    assert_eq!(heard.tracks.len(), 1);
    bob.negotiation.set_remote(answer).unwrap();
    assert_eq!((alice.of(second).mid(), alice.negotiation.transceivers().len()), (Some("1"), 2));
}

#[test]
fn a_closed_section_is_used_again_under_a_new_name_even_for_another_kind() {
    let (mut alice, mut bob) = call();
    let closed = alice.negotiation.transceivers()[1].id();
    alice.negotiation.stop_transceiver(closed).unwrap();
    exchange(&mut alice, &mut bob);
    let again = bob.adds(Audio, SendOnly);
    let offer = bob.offer();
    assert_eq!(m_lines(&offer.sdp), ["m=audio 9", "m=audio 9"]);
    assert_eq!(bob.of(again).mid(), Some("2"), "a name that was never used");
    assert!(offer.sdp.contains("a=group:BUNDLE 0 2\r\n"));
    let (answer, heard, _) = alice.answer(offer);
    assert_eq!(heard.tracks.len(), 1);
    let plan = bob.negotiation.set_remote(answer).unwrap();
    assert_eq!((plan.media.len(), plan.media[1].transceiver), (2, again));
    assert_eq!(alice.negotiation.transceivers().len(), 2);
    assert!(!alice.negotiation.needs_negotiation() && !bob.negotiation.needs_negotiation());
}

#[test]
fn the_section_that_carries_the_transport_stays_the_first_of_its_group() {
    let mut peer = Peer::with_media(1);
    let offer = swapped(&browser("chromium-156-offer.sdp"), "BUNDLE 0 1 2", "BUNDLE 1 0 2");
    let (answer, ..) = peer.answer(SessionDescription::new(Offer, offer));
    assert!(answer.sdp.contains("a=group:BUNDLE 1 0 2\r\n"));
    peer.adds(Video, SendOnly);
    peer.transport.candidates.push("candidate:1 1 udp 1 192.0.2.1 4000 typ host".into());
    let again = peer.offer().sdp;
    assert!(again.contains("a=group:BUNDLE 1 0 2 3\r\n"), "{again}");
    assert!(section(&again, "video 4000").contains("a=mid:1\r\n"), "with the candidates");
    assert_eq!(again.matches("a=candidate").count(), 1);
}

#[test]
fn data_and_media_are_refused_each_on_its_own() {
    for (refused, rejected, media) in [("application", true, 1), ("video", false, 0)] {
        let (mut alice, mut bob) = (Peer::with_media(1), Peer::with_media(2));
        alice.negotiation.want_data();
        let id = alice.sends(Video, "cam");
        let (answer, ..) = bob.answer(alice.offer());
        let mid = if refused == "video" { "0" } else { "1" };
        let text = swapped(&answer.sdp, &format!("m={refused} 9"), &format!("m={refused} 0"));
        let text = swapped(&text, "BUNDLE 0 1", if mid == "0" { "BUNDLE 1" } else { "BUNDLE 0" });
        let plan = alice.negotiation.set_remote(SessionDescription::new(answer.kind, text)).unwrap();
        assert_eq!((plan.data_rejected, plan.data.is_none(), plan.media.len()), (rejected, rejected, media));
        assert!(!plan.transport_closed && plan.transport.is_some());
        assert_eq!(alice.negotiation.transceiver(id).is_some(), media == 1);
        assert!(!alice.negotiation.needs_negotiation());
        alice.negotiation.rest();
        assert!(alice.negotiation.local_description().is_some());
        let again = alice.offer().sdp;
        assert_eq!(again.contains("m=application 9"), !rejected);
    }
}

#[test]
fn one_that_stops_before_anybody_heard_of_it_leaves_no_trace() {
    let mut peer = Peer::with_media(1);
    let id = peer.adds(Audio, SendRecv);
    peer.negotiation.stop_transceiver(id).unwrap();
    assert!(peer.negotiation.transceiver(id).is_none() && !peer.negotiation.needs_negotiation());
    // Between an offer's making and its use, the offer still has the section.
    let id = peer.adds(Audio, SendRecv);
    let offer = peer.negotiation.create_offer(&peer.transport, OfferOptions::default()).unwrap();
    peer.negotiation.stop_transceiver(id).unwrap();
    peer.negotiation.set_local(Some(offer), &peer.transport).unwrap();
    assert_eq!(peer.of(id).mid(), Some("0"));
    let closed = peer.offer();
    assert_eq!(m_lines(&closed.sdp), ["m=audio 0"]);
}

#[test]
fn a_track_takes_over_a_transceiver_that_never_sent() {
    let (mut alice, mut bob) = (Peer::with_media(1), Peer::with_media(2));
    alice.sends(Audio, "mic");
    exchange(&mut alice, &mut bob);
    let received = bob.negotiation.transceivers()[0].id();
    assert_eq!(bob.of(received).direction(), RecvOnly);
    assert_eq!(bob.sends(Audio, "reply"), received);
    assert!(bob.negotiation.needs_negotiation());
    let (plan, _) = exchange(&mut bob, &mut alice);
    assert_eq!(plan.media[0].direction, SendRecv);
    bob.negotiation.remove_track(received).unwrap();
    assert_eq!(bob.of(received).direction(), RecvOnly);
    assert_ne!(bob.sends(Audio, "third"), received, "one that has sent stays with its track");
}

#[test]
fn a_rollback_returns_every_transceiver() {
    let (mut alice, mut bob) = call();
    let before = format!("{:?}", alice.negotiation.transceivers());
    let added = alice.adds(Video, SendRecv);
    let kept = alice.negotiation.transceivers()[0].id();
    alice.negotiation.stop_transceiver(kept).unwrap();
    alice.offer();
    assert_eq!(alice.of(added).mid(), Some("2"));
    alice.negotiation.set_local(Some(SessionDescription::rollback()), &alice.transport).unwrap();
    assert_eq!((alice.of(added).mid(), alice.of(kept).mid()), (None, Some("0")));
    assert!(alice.of(kept).is_stopping() && !alice.of(kept).is_stopped(), "the wish remains");
    assert!(alice.negotiation.needs_negotiation());

    bob.adds(Audio, SendRecv);
    let ours = bob.negotiation.transceivers()[1].id();
    bob.negotiation.set_direction(ours, RecvOnly).unwrap();
    let heard = alice.negotiation.set_remote(bob.offer()).unwrap();
    assert_eq!(heard.tracks.len(), 2, "{:?}", heard.tracks);
    let plan = alice.negotiation.set_remote(SessionDescription::rollback()).unwrap();
    assert!(
        matches!(plan.tracks[..], [TrackEvent::Added { .. }, TrackEvent::Removed { .. }, TrackEvent::Ended { .. }]),
        "{:?}",
        plan.tracks
    );
    alice.negotiation.stop_transceiver(added).unwrap();
    let after = format!("{:?}", alice.negotiation.transceivers()[1]);
    assert!(before.ends_with(&format!("{after}]")), "{before}\n{after}");
}

#[test]
fn one_made_by_an_offer_that_is_rolled_back_stays_if_it_was_given_a_track() {
    for (gives, count) in [(false, 0), (true, 1)] {
        let (mut alice, mut bob) = (Peer::with_media(1), Peer::with_media(2));
        alice.sends(Audio, "mic");
        bob.negotiation.set_remote(alice.offer()).unwrap();
        if gives {
            bob.sends(Audio, "reply");
        }
        let plan = bob.negotiation.set_remote(SessionDescription::rollback()).unwrap();
        assert!(matches!(plan.tracks[0], TrackEvent::Removed { .. }), "{:?}", plan.tracks);
        assert_eq!(bob.negotiation.transceivers().len(), count);
        assert_eq!(bob.negotiation.needs_negotiation(), gives);
    }
}

#[test]
fn in_a_glare_the_peers_sections_come_first_and_ours_follow() {
    let (mut polite, mut impolite) = (Peer::with_media(1), Peer::with_media(2));
    let camera = polite.sends(Video, "cam");
    let screen = polite.adds(Video, SendOnly);
    impolite.sends(Audio, "mic");
    impolite.sends(Video, "theirs");
    polite.offer();
    let (answer, heard, settled) = polite.answer(impolite.offer());
    assert!(heard.rolled_back);
    assert_eq!(settled.media.iter().map(|m| m.kind).collect::<Vec<_>>(), [Audio, Video]);
    assert_eq!(settled.media[1].transceiver, camera, "an added track meets the peer's section");
    assert_eq!(polite.of(screen).mid(), None);
    impolite.negotiation.set_remote(answer).unwrap();
    assert!(polite.negotiation.needs_negotiation());
    let (plan, _) = exchange(&mut polite, &mut impolite);
    assert_eq!((plan.media.len(), plan.media[2].transceiver), (3, screen));
    assert!(!polite.negotiation.needs_negotiation() && !impolite.negotiation.needs_negotiation());
}

#[test]
fn a_second_offer_in_place_of_a_pending_one_keeps_the_places() {
    let mut peer = Peer::with_media(1);
    peer.negotiation.want_data();
    let first = peer.offer();
    assert_eq!(m_lines(&first.sdp), ["m=application 9"]);
    let audio = peer.adds(Audio, SendRecv);
    let second = peer.offer();
    assert_eq!(m_lines(&second.sdp), ["m=application 9", "m=audio 9"]);
    assert_eq!(peer.of(audio).mid(), Some("1"));
    peer.negotiation.stop_transceiver(audio).unwrap();
    peer.adds(Video, RecvOnly);
    assert_eq!(m_lines(&peer.offer().sdp), ["m=application 9", "m=audio 0", "m=video 9"]);
}

#[test]
fn an_offer_that_replaces_a_pending_one_takes_its_transceivers_away() {
    let mut bob = Peer::with_media(2);
    let whole = browser("chromium-156-offer.sdp");
    let audio = swapped(&whole[..whole.find("m=video").unwrap()], "BUNDLE 0 1 2", "BUNDLE 0");
    assert_eq!(bob.takes(Offer, &whole).unwrap().tracks.len(), 2);
    let plan = bob.takes(Offer, &audio).unwrap();
    assert!(matches!(plan.tracks[..], [TrackEvent::Ended { .. }]), "{:?}", plan.tracks);
    assert_eq!(bob.negotiation.transceivers().len(), 1);
}

#[test]
fn a_provisional_answer_settles_for_now() {
    let (mut alice, mut bob) = (Peer::with_media(1), Peer::with_media(2));
    let id = alice.sends(Audio, "mic");
    bob.negotiation.set_remote(alice.offer()).unwrap();
    let answer = bob.negotiation.create_answer(&bob.transport).unwrap();
    let provisional = SessionDescription::new(PrAnswer, answer.sdp.clone());
    assert_eq!(alice.negotiation.set_remote(provisional).unwrap().media.len(), 1);
    assert_eq!(alice.of(id).current_direction(), Some(SendOnly));
    assert_eq!(alice.negotiation.set_remote(answer).unwrap().media.len(), 1);
}

#[test]
fn preferences_choose_and_order_codecs() {
    let table = MediaConfig::default();
    let of = |name: &str| table.video.iter().find(|codec| codec.name == name).unwrap().clone();
    let mut peer = Peer::with_media(1);
    let id = peer.adds(Video, RecvOnly);
    peer.negotiation.set_codec_preferences(id, &[of("AV1"), of("VP8"), of("AV1")]).unwrap();
    let offer = peer.negotiation.create_offer(&peer.transport, OfferOptions::default()).unwrap();
    assert!(offer.sdp.contains("m=video 9 UDP/TLS/RTP/SAVPF 45 46 96 97\r\n"), "{}", offer.sdp);
    let unknown = peer.negotiation.set_codec_preferences(id, &[CodecCapability::h265()]);
    assert_eq!(unknown.unwrap_err().kind, ErrorKind::InvalidModification);
    let useless = peer.negotiation.set_codec_preferences(id, &[of("red")]);
    assert_eq!(useless.unwrap_err().kind, ErrorKind::InvalidModification);
    peer.negotiation.set_codec_preferences(id, &[]).unwrap();
    assert!(peer.offer().sdp.contains("SAVPF 96 97 98"));

    let mut bob = Peer::with_media(2);
    bob.takes(Offer, &browser("chromium-156-offer.sdp")).unwrap();
    let video = bob.negotiation.transceivers()[1].id();
    bob.negotiation.set_codec_preferences(video, &[of("AV1"), of("VP8")]).unwrap();
    let answer = bob.negotiation.create_answer(&bob.transport).unwrap();
    assert!(answer.sdp.contains("m=video 9 UDP/TLS/RTP/SAVPF 45 46 96 97\r\n"), "{}", answer.sdp);
}

#[test]
fn h265_is_negotiated_where_it_is_configured() {
    let with = |id: u8| {
        let mut peer = Peer::new(id);
        let mut media = MediaConfig::default();
        media.video.insert(0, CodecCapability::h265());
        let mut config = Config::new(id.into());
        config.media = Some(Arc::new(media));
        peer.negotiation = Negotiation::new(config);
        peer
    };
    let (mut alice, mut bob) = (with(1), with(2));
    alice.adds(Video, SendRecv);
    let (plan, _) = exchange(&mut alice, &mut bob);
    assert_eq!(plan.media[0].codecs[0].name, "H265");
    let mut alice = with(1);
    alice.adds(Video, SendRecv);
    let (plan, _) = exchange(&mut alice, &mut Peer::with_media(2));
    assert_eq!(plan.media[0].codecs[0].name, "VP8");
}

#[test]
fn simulcast_is_offered_taken_and_answered() {
    let (mut alice, mut bob) = (Peer::with_media(1), Peer::with_media(2));
    let init = TransceiverInit { rids: rids(&["h", "m", "l"]), ..TransceiverInit::default() };
    let id = alice.negotiation.add_transceiver(Video, init).unwrap();
    let offer = alice.offer();
    let video = section(&offer.sdp, "video");
    assert!(video.contains("a=rid:h send\r\na=rid:m send\r\na=rid:l send\r\na=simulcast:send h;m;l\r\n"), "{video}");
    assert!(!video.contains("a=ssrc"), "packets tell their encoding by its name");
    let (answer, _, settled) = bob.answer(offer);
    assert!(answer.sdp.contains("a=rid:l recv\r\na=simulcast:recv h;m;l\r\n"), "{}", answer.sdp);
    assert_eq!(settled.media[0].receive_rids, rids(&["h", "m", "l"]));
    let fewer = answer.sdp.replace("a=rid:m recv\r\n", "").replace("recv h;m;l", "recv h;~l");
    let plan = alice.negotiation.set_remote(SessionDescription::new(answer.kind, fewer)).unwrap();
    let sent: Vec<_> = plan.media[0].encodings.iter().map(|e| (e.rid.clone().unwrap().to_string(), e.paused)).collect();
    assert_eq!(sent, [("h".to_owned(), false), ("l".to_owned(), true)]);
    assert_eq!(alice.of(id).encodings().len(), 2, "what was not taken is gone");
}

#[test]
fn a_peer_without_simulcast_gets_the_first_encoding_alone() {
    let (mut alice, mut bob) = (Peer::with_media(1), Peer::with_media(2));
    let init = TransceiverInit { rids: rids(&["h", "l"]), ..TransceiverInit::default() };
    let id = alice.negotiation.add_transceiver(Video, init).unwrap();
    let first = alice.of(id).encodings()[0].ssrc;
    let (answer, ..) = bob.answer(alice.offer());
    let plain: String = answer
        .sdp
        .split_inclusive("\r\n")
        .filter(|l| !l.starts_with("a=rid") && !l.starts_with("a=simulcast"))
        .collect();
    let plan = alice.negotiation.set_remote(SessionDescription::new(answer.kind, plain)).unwrap();
    let [only] = &plan.media[0].encodings[..] else { panic!("one encoding") };
    assert_eq!((&only.rid, only.ssrc), (&None, first));
    assert!(alice.offer().sdp.contains(&format!("a=ssrc:{first} cname:")));
}

#[test]
fn simulcast_that_a_forwarder_wants_is_sent() {
    let offer = browser("simulcast.2.sdp").replace("a=setup:active", "a=setup:actpass");
    let mut peer = Peer::with_media(1);
    let id = peer.sends(Video, "cam");
    let (answer, _, plan) = peer.answer(SessionDescription::new(Offer, offer));
    assert!(answer.sdp.contains("a=simulcast:send f;h;q\r\n"), "{}", answer.sdp);
    assert_eq!(plan.media[0].encodings.len(), 3);
    assert_eq!(peer.of(id).encodings().len(), 3);
}

#[test]
fn browsers_simulcast_is_received() {
    let mut peer = Peer::with_media(1);
    let (answer, _, plan) = peer.answer(SessionDescription::new(Offer, browser("simulcast.1.sdp")));
    assert!(answer.sdp.contains("a=rid:f recv\r\na=rid:h recv\r\na=rid:q recv\r\na=simulcast:recv f;h;q\r\n"));
    assert_eq!(plan.media[0].receive_rids, rids(&["f", "h", "q"]));
}

#[test]
fn the_same_seed_writes_the_same_bytes_and_streams_are_never_alike() {
    let text = || {
        let mut peer = Peer::with_media(7);
        for _ in 0..40 {
            peer.adds(Video, SendRecv);
        }
        let streams: Vec<u32> = peer
            .negotiation
            .transceivers()
            .iter()
            .flat_map(|t| t.encodings().iter().flat_map(|e| [e.ssrc, e.repair_ssrc]))
            .collect();
        let mut distinct = streams.clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), streams.len());
        peer.offer().sdp
    };
    assert_eq!(text(), text());
}

#[test]
fn one_offer_cannot_make_transceivers_without_end() {
    let head = swapped(&MINIMAL[..MINIMAL.find("m=").unwrap()], "a=group:BUNDLE 0\r\n", "");
    let whole = browser("chromium-156-offer.sdp");
    let audio = section(&whole, "audio");
    let mids: String = (0..512).map(|mid| format!(" {mid}")).collect();
    let sections: String = (0..512).map(|mid| audio.replace("a=mid:0", &format!("a=mid:{mid}"))).collect();
    let offer = format!("{head}a=group:BUNDLE{mids}\r\n{sections}");
    let mut peer = Peer::with_media(1);
    let (answer, ..) = peer.answer(SessionDescription::new(Offer, offer.clone()));
    assert_eq!(m_lines(&answer.sdp).len(), 512);
    assert_eq!(peer.negotiation.transceivers().len(), 512);
    let more = format!("{offer}{}", audio.replace("a=mid:0", "a=mid:999"));
    assert!(matches!(peer.takes(Offer, &more).unwrap_err(), ErrorKind::Syntax { .. }));
}

#[test]
fn a_connection_with_media_rests_and_wakes_the_same() {
    let (mut alice, mut bob) = call();
    let offer = |peer: &mut Peer| peer.negotiation.create_offer(&peer.transport, OfferOptions::default()).unwrap();
    let awake = offer(&mut alice);
    alice.negotiation.rest();
    assert!(!alice.negotiation.needs_negotiation());
    assert_eq!(offer(&mut alice), awake);
    bob.negotiation.rest();
    let (plan, theirs) = exchange(&mut bob, &mut alice);
    assert_eq!((plan.media.len(), theirs.media.len()), (2, 2));
    assert!(plan.tracks.is_empty() && theirs.tracks.is_empty(), "nothing is new");
    assert_eq!(plan.media[0].direction, SendRecv);
}
