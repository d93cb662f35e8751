//! What Chromium and Firefox write, answered with audio and video.

mod common;

use common::{Peer, browser, exchange, section, swapped, without};
use peerage_jsep::description::SdpType::{Answer, Offer};
use peerage_jsep::description::SessionDescription;
use peerage_jsep::error::ErrorKind;
use peerage_jsep::plan::{Codec, MediaPlan, TrackEvent};
use peerage_jsep::transceiver::MediaKind::{Audio, Video};
use peerage_jsep::transceiver::TransceiverInit;
use peerage_sdp::attribute::direction::Direction;
use peerage_sdp::attribute::rid::RidId;
use peerage_sdp::attribute::rtcp_fb::Feedback;
use peerage_sdp::description::Description;

fn offered(name: &str) -> SessionDescription {
    SessionDescription::new(Offer, browser(name))
}

/// Names and numbers of codecs: `VP8 96 97` with retransmissions, `opus 111` without.
fn codecs(plan: &MediaPlan) -> Vec<String> {
    let line = |codec: &Codec| {
        assert_eq!(codec.send_payload_type, codec.receive_payload_type, "one number both ways");
        let rtx = codec.rtx.map(|rtx| format!(" {}", rtx.receive_payload_type)).unwrap_or_default();
        format!("{} {}{rtx}", codec.name, codec.receive_payload_type)
    };
    plan.codecs.iter().map(line).collect()
}

fn ids(plan: &MediaPlan) -> Vec<u8> {
    plan.extensions.iter().map(|extension| extension.id).collect()
}

#[test]
fn chromiums_offer_is_answered_with_its_numbers() {
    let mut peer = Peer::with_media(1);
    let (audio, video) = (peer.sends(Audio, "mic"), peer.sends(Video, "cam"));
    let (answer, heard, plan) = peer.answer(offered("chromium-156-offer.sdp"));
    assert_eq!(heard.tracks.len(), 2);
    let [sound, picture] = &plan.media[..] else { panic!("two sections") };
    assert_eq!((sound.transceiver, picture.transceiver), (audio, video), "tracks that were added are used");
    assert_eq!((sound.index, sound.mid.as_deref(), sound.direction), (0, Some("0"), Direction::SendRecv));
    assert_eq!(codecs(sound), ["opus 111", "red 63", "PCMU 0", "PCMA 8", "telephone-event 110", "telephone-event 126"]);
    assert_eq!(
        codecs(picture),
        [
            "VP8 96 97",
            "H264 102 103",
            "H264 104 107",
            "H264 108 109",
            "H264 114 115",
            "AV1 45 46",
            "VP9 98 99",
            "red 118 119",
            "ulpfec 120"
        ]
    );
    assert_eq!(
        picture.codecs[0].feedback,
        [Feedback::GoogRemb, Feedback::TransportCc, Feedback::CcmFir, Feedback::Nack, Feedback::NackPli]
    );
    assert_eq!((ids(sound), ids(picture)), (vec![1, 2, 3, 4], vec![14, 2, 13, 3, 5, 4, 10, 11]));
    assert!(sound.reduced_size && picture.mixed_extensions && plan.data.is_some());
    let streams = &picture.remote_streams;
    assert_eq!((streams[0].ssrc, streams[0].repair_ssrc, streams.len()), (3_105_415_124, Some(1_597_663_064), 1));
    assert_eq!(streams[0].cname.as_deref(), Some("X69i0HRw7K0ZqFxd"));
    assert!(answer.sdp.contains("a=group:BUNDLE 0 1 2\r\na=extmap-allow-mixed\r\n"));
    assert!(section(&answer.sdp, "video").contains("a=msid:stream cam\r\n"));
    assert!(section(&answer.sdp, "audio").contains("a=fmtp:63 111/111\r\n"));
    assert!(!peer.negotiation.needs_negotiation());
}

#[test]
fn firefoxs_offer_is_answered_with_its_numbers() {
    let mut peer = Peer::with_media(1);
    let (answer, heard, plan) = peer.answer(offered("firefox-153-offer.sdp"));
    let [TrackEvent::Added { track, streams, .. }, TrackEvent::Added { .. }] = &heard.tracks[..] else {
        panic!("two tracks: {:?}", heard.tracks)
    };
    assert_eq!(track.as_deref(), Some("{f383402d-8ec2-48e6-848d-eefecbedf11d}"));
    assert_eq!(*streams, ["{61f65b68-eb16-4ab3-a5fa-c5fdaf21d0ee}"]);
    let [sound, picture] = &plan.media[..] else { panic!("two sections") };
    assert_eq!((sound.direction, picture.direction), (Direction::RecvOnly, Direction::RecvOnly));
    assert_eq!(codecs(sound), ["opus 109", "PCMU 0", "PCMA 8", "telephone-event 101"]);
    assert_eq!(codecs(picture), ["VP8 120 124", "VP9 121 125", "AV1 99 100", "ulpfec 123", "red 122 119"]);
    assert_eq!((ids(sound), ids(picture)), (vec![1, 3, 7], vec![3, 4, 5, 6, 7]));
    let delay = &picture.extensions[3];
    assert_eq!(delay.direction, Direction::SendOnly, "Firefox takes the playout delay and does not send it");
    assert!(section(&answer.sdp, "video").contains("a=extmap:6/sendonly http://www.webrtc.org"));
    assert!(!sound.reduced_size && picture.reduced_size);
    assert!(!section(&answer.sdp, "audio").contains("rtcp-rsize"));
}

/// Firefox writes the feedback of formats that its application took out of the section by `setCodecPreferences`.
#[test]
fn feedback_of_formats_that_are_not_in_the_section_is_passed_over() {
    let offer = browser("firefox-153-offer.sdp");
    let begin = offer.find("m=video").unwrap();
    let line = offer[begin..].split("\r\n").next().unwrap().to_owned();
    let kept = swapped(&offer, &line, "m=video 9 UDP/TLS/RTP/SAVPF 120 124");
    let lines = kept.split_inclusive("\r\n").filter(|line| {
        let described = ["a=rtpmap:", "a=fmtp:"].iter().find_map(|name| line.strip_prefix(name));
        let number = described.and_then(|rest| rest.split(' ').next());
        !number.is_some_and(|number| {
            ["121", "125", "99", "100", "123", "122", "119", "126", "127", "97", "98"].contains(&number)
        })
    });
    let mut offer: String = lines.collect();
    for odd in [
        "a=rtcp-fb:121 nack\r\n",
        "a=rtcp-fb:126 nack pli\r\n",
        "a=rtcp-fb:99 ccm fir\r\n",
        "a=rtcp-fb:300 nack\r\n",
        "a=fmtp:126 profile-level-id=42e01f\r\n",
    ] {
        offer = swapped(&offer, "a=rtpmap:120 VP8/90000\r\n", &format!("{odd}a=rtpmap:120 VP8/90000\r\n"));
    }
    assert!(offer.contains("a=rtcp-fb:126") && !offer.contains("a=rtpmap:126"));
    let mut peer = Peer::with_media(1);
    peer.sends(Video, "cam");
    let (answer, _, plan) = peer.answer(SessionDescription::new(Offer, offer.clone()));
    let picture = plan.media.iter().find(|media| media.kind == Video).unwrap();
    assert_eq!(codecs(picture), ["VP8 120 124"]);
    assert!(picture.codecs[0].feedback.contains(&Feedback::NackPli));
    let section = section(&answer.sdp, "video");
    assert!(section.starts_with("m=video 9 UDP/TLS/RTP/SAVPF 120 124\r\n"));
    assert!(section.matches("a=rtcp-fb:").count() == section.matches("a=rtcp-fb:120 ").count(), "{section}");
    // The same in an answer to an offer of ours.
    let mut alice = Peer::with_media(3);
    alice.sends(Video, "cam");
    let mut bob = Peer::with_media(4);
    let (answer, ..) = bob.answer(alice.offer());
    let odd = swapped(&answer.sdp, "a=rtpmap:96 VP8/90000\r\n", "a=rtcp-fb:77 nack\r\na=rtpmap:96 VP8/90000\r\n");
    let plan = alice.takes(Answer, &odd).unwrap();
    assert!(plan.media[0].codecs.iter().any(|codec| codec.name == "VP8" && codec.feedback.contains(&Feedback::Nack)));
}

/// Every line of an answer that is required by one of the two browsers, in an order that both take.
#[test]
fn answers_and_offers_have_every_line_that_browsers_require() {
    let mut peer = Peer::with_media(1);
    let (answer, ..) = peer.answer(offered("chromium-156-offer.sdp"));
    let mut caller = Peer::with_media(2);
    caller.negotiation.want_data();
    caller.sends(Audio, "mic");
    caller.adds(Video, Direction::RecvOnly);
    for text in [answer.sdp, caller.offer().sdp] {
        let parsed = Description::parse(&text).unwrap();
        assert_eq!(parsed.to_string(), text);
        for media in &parsed.media {
            let names: Vec<&str> = media.section.attributes().map(|(name, _)| name).collect();
            let common = ["ice-ufrag", "ice-pwd", "ice-options", "fingerprint", "setup", "mid"];
            assert_eq!(names[..6], common, "{text}");
            assert!(media.section.value('c').is_some());
            let rtp = media.line.media != "application";
            assert_eq!(rtp, names.contains(&"rtcp-mux"));
            for format in media.line.formats.iter().filter(|_| rtp) {
                let described =
                    |(name, value): (&str, &str)| name == "rtpmap" && value.split(' ').next() == Some(format);
                assert!(media.section.attributes().any(described), "{format} is described");
            }
        }
    }
}

#[test]
fn both_browsers_answers_settle_an_offer_of_ours() {
    for (answer, opus, vp8) in [("chromium-156-answer.sdp", "111", "96"), ("firefox-153-answer.sdp", "109", "120")] {
        let mut peer = Peer::with_media(1);
        peer.negotiation.want_data();
        peer.sends(Audio, "mic");
        peer.sends(Video, "cam");
        let offer = peer.offer();
        assert!(offer.sdp.contains("a=group:BUNDLE 0 1 2\r\na=extmap-allow-mixed\r\nm=audio 9 "), "{}", offer.sdp);
        // Recorded for other offers: the answers' identifiers of extensions are theirs.
        let plan = peer.takes(Answer, &browser(answer)).unwrap();
        let [sound, picture] = &plan.media[..] else { panic!("two sections") };
        assert_eq!((sound.direction, picture.direction), (Direction::SendRecv, Direction::SendRecv));
        assert_eq!(sound.codecs[0].send_payload_type.to_string(), opus);
        assert_eq!(picture.codecs[0].send_payload_type.to_string(), vp8);
        assert_eq!(picture.codecs[0].receive_payload_type.to_string(), "96");
        assert!(picture.codecs[0].rtx.is_some() && plan.tracks.len() == 2);
        assert!(!peer.negotiation.needs_negotiation());
        assert!(plan.data.is_some() && plan.transport.is_some());
    }
}

#[test]
fn numbers_that_a_browser_chose_are_kept_in_our_later_offers() {
    let mut peer = Peer::with_media(1);
    peer.answer(offered("firefox-153-offer.sdp"));
    peer.sends(Audio, "second");
    let again = peer.offer().sdp;
    for line in ["a=rtpmap:109 opus/48000/2", "a=rtpmap:120 VP8/90000", "a=fmtp:124 apt=120", "a=rtpmap:99 AV1/90000"] {
        assert!(again.contains(&format!("{line}\r\n")), "{line}");
    }
    assert!(!again.contains("111 opus") && !again.contains("96 VP8"));
    assert!(section(&again, "audio").contains("a=extmap:7 http://www.ietf.org/id/draft-holmer"));
    let count = again.matches("a=rtpmap:109 opus").count();
    assert_eq!(count, 1, "the added track takes the section that was only received on");
}

#[test]
fn without_data_the_first_section_carries_the_transport() {
    let offer = browser("chromium-156-offer.sdp");
    let offer = swapped(&offer[..offer.find("m=application").unwrap()], "BUNDLE 0 1 2", "BUNDLE 0 1");
    let mut peer = Peer::with_media(1);
    let (answer, heard, plan) = peer.answer(SessionDescription::new(Offer, offer));
    assert_eq!(heard.transport.unwrap().remote_ufrag, "rgqw");
    assert!(plan.transport.unwrap().dtls.unwrap().new_association && plan.data.is_none() && !plan.data_rejected);
    assert!(answer.sdp.contains("a=group:BUNDLE 0 1\r\n"));
    peer.negotiation.want_data();
    let again = peer.offer().sdp;
    assert!(again.contains("a=group:BUNDLE 0 1 2\r\n") && section(&again, "application").contains("a=mid:2\r\n"));
}

#[test]
fn without_bundle_only_one_section_has_a_transport() {
    let offer = without(&browser("chromium-156-offer.sdp"), "a=group");
    let mut peer = Peer::with_media(1);
    let (answer, _, plan) = peer.answer(SessionDescription::new(Offer, offer.clone()));
    assert_eq!(answer.sdp.matches(" 0 UDP/TLS/RTP/SAVPF").count(), 2, "that of the data channels");
    assert!(plan.media.is_empty() && plan.data.is_some() && peer.negotiation.transceivers().is_empty());
    let offer = &offer[..offer.find("m=application").unwrap()];
    let (answer, _, plan) = Peer::with_media(1).answer(SessionDescription::new(Offer, offer));
    assert_eq!((plan.media.len(), plan.media[0].index), (1, 0));
    assert!(section(&answer.sdp, "video").starts_with("m=video 0 "));
}

#[test]
fn a_section_with_nothing_in_common_is_refused_or_carries_without_media() {
    let offer = browser("chromium-156-offer.sdp");
    let (head, audio, rest) =
        (&offer[..offer.find("m=audio").unwrap()], section(&offer, "audio"), &offer[offer.find("m=video").unwrap()..]);
    let foreign = "m=audio 9 UDP/TLS/RTP/SAVPF 127\r\n".to_owned()
        + &audio
            .lines()
            .skip(1)
            .filter(|l| !l.contains("rtpmap") && !l.contains("fmtp"))
            .map(|l| format!("{l}\r\n"))
            .collect::<String>()
        + "a=rtpmap:127 EVS/16000\r\n";
    let mut peer = Peer::with_media(1);
    let (answer, heard, plan) = peer.answer(SessionDescription::new(Offer, format!("{head}{foreign}{rest}")));
    assert_eq!((heard.tracks.len(), plan.media.len()), (1, 1));
    assert!(section(&answer.sdp, "audio").contains("a=inactive\r\n"), "it carries the transport");
    assert!(!peer.negotiation.needs_negotiation());
    let mut other = Peer::with_media(1);
    let swapped_group = swapped(&format!("{head}{foreign}{rest}"), "BUNDLE 0 1 2", "BUNDLE 1 0 2");
    let (answer, ..) = other.answer(SessionDescription::new(Offer, swapped_group));
    assert!(section(&answer.sdp, "audio").starts_with("m=audio 0 "));
    assert!(answer.sdp.contains("a=group:BUNDLE 1 2\r\n"));
}

#[test]
fn one_identifier_has_one_meaning_on_a_transport() {
    let (old, new) =
        ("a=extmap:14 urn:ietf:params:rtp-hdrext:toffset", "a=extmap:1 urn:ietf:params:rtp-hdrext:toffset");
    let mut peer = Peer::with_media(1);
    let offer = swapped(&browser("chromium-156-offer.sdp"), old, new);
    assert_eq!(peer.takes(Offer, &offer).unwrap_err(), ErrorKind::InvalidAccess);
    assert!(peer.negotiation.transceivers().is_empty());
}

/// As Firefox 153 has it in an offer after an answer of its own.
#[test]
fn a_payload_type_of_two_codecs_is_the_first_ones_alone() {
    let offer = browser("chromium-156-offer.sdp");
    let formats = |offer: String| {
        let mut peer = Peer::with_media(1);
        let (answer, ..) = peer.answer(SessionDescription::new(Offer, offer));
        let first =
            |kind| section(&answer.sdp, kind).lines().next().unwrap().split(' ').skip(3).map(str::to_owned).collect();
        let lists: [Vec<String>; 2] = [first("audio"), first("video")];
        peer.negotiation.rest();
        assert!(!peer.negotiation.needs_negotiation());
        lists
    };
    let [audio, video] = formats(offer.clone());
    assert!(audio.contains(&"111".into()) && video[..2] == ["96", "97"], "{video:?}");
    // The repetitions are opus, over there.
    let repetition = swapped(&offer, " 96 97 ", " 96 111 ").replace("a=rtpmap:97 rtx", "a=rtpmap:111 rtx");
    let [same, video] = formats(repetition.replace("a=fmtp:97 ", "a=fmtp:111 "));
    assert!(same == audio && video[0] == "96" && !video.contains(&"111".into()), "{video:?}");
    // So is the codec, and its repetitions go with it.
    let codec = swapped(&offer, " 96 97 ", " 111 97 ").replace("a=rtpmap:96 VP8", "a=rtpmap:111 VP8");
    let [same, video] = formats(codec.replace("apt=96\r", "apt=111\r"));
    assert!(same == audio && !["96", "97", "111"].iter().any(|gone| video.contains(&(*gone).into())), "{video:?}");
    assert!(!video.is_empty());
    // An answer chose, and should have chosen well.
    let (mut alice, mut bob) = (Peer::with_media(1), Peer::with_media(2));
    alice.sends(Audio, "mic");
    alice.sends(Video, "cam");
    let (answer, ..) = bob.answer(alice.offer());
    let odd = swapped(&answer.sdp, "a=rtpmap:96 VP8", "a=rtpmap:111 VP8").replace("SAVPF 96 ", "SAVPF 111 ");
    assert_eq!(alice.takes(Answer, &odd).unwrap_err(), ErrorKind::InvalidAccess);
}

#[test]
fn an_answer_that_leaves_the_transport_is_refused() {
    let taken = |change: fn(&str) -> String| {
        let (mut alice, mut bob) = (Peer::with_media(1), Peer::with_media(2));
        alice.sends(Audio, "mic");
        alice.sends(Video, "cam");
        let (answer, ..) = bob.answer(alice.offer());
        alice.takes(Answer, &change(&answer.sdp)).map(|plan| plan.media.len())
    };
    assert_eq!(taken(str::to_owned), Ok(2));
    assert_eq!(taken(|sdp| swapped(sdp, "BUNDLE 0 1", "BUNDLE 0")), Err(ErrorKind::InvalidAccess));
    assert_eq!(taken(|sdp| without(sdp, "a=rtcp-mux")), Err(ErrorKind::InvalidAccess));
    assert_eq!(taken(|sdp| sdp.replacen("UDP/TLS/RTP/SAVPF", "RTP/AVP", 1)), Err(ErrorKind::InvalidAccess));
}

#[test]
fn our_own_kind_settles_everything_both_ways() {
    let (mut alice, mut bob) = (Peer::with_media(1), Peer::with_media(2));
    let sent = alice.sends(Video, "cam");
    bob.sends(Video, "other");
    let (plan, theirs) = exchange(&mut alice, &mut bob);
    let (ours, theirs) = (&plan.media[0], &theirs.media[0]);
    assert_eq!(ours.codecs, theirs.codecs);
    assert_eq!(ours.extensions, theirs.extensions);
    assert_eq!(ours.remote_streams[0].ssrc, theirs.encodings[0].ssrc);
    assert_eq!(theirs.remote_streams[0].repair_ssrc, Some(ours.encodings[0].repair_ssrc));
    assert_eq!(theirs.remote_streams[0].cname.as_deref(), Some(&*ours.cname));
    assert!(ours.codecs[0].feedback.contains(&Feedback::AckCcfb));
    assert_eq!(alice.of(sent).current_direction(), Some(Direction::SendRecv));
    assert_eq!(alice.of(sent).receiver_track(), Some("other"));
}

/// The answers that both browsers gave to this offer of ours.
#[test]
fn both_browsers_took_an_offer_with_simulcast_of_which_they_receive_one_layer() {
    for (answer, count) in [("chromium-156-simulcast-answer.sdp", 9), ("firefox-153-simulcast-answer.sdp", 5)] {
        let mut peer = Peer::with_media(1);
        peer.negotiation.want_data();
        peer.sends(Audio, "mic");
        peer.sends(Video, "cam");
        let rids = ["h", "m", "l"].iter().filter_map(|name| RidId::new(name)).collect();
        let init = TransceiverInit { rids, direction: Direction::SendOnly, ..TransceiverInit::default() };
        let layered = peer.negotiation.add_transceiver(Video, init).unwrap();
        peer.offer();
        let plan = peer.takes(Answer, &browser(answer)).unwrap();
        let directions: Vec<Direction> = plan.media.iter().map(|media| media.direction).collect();
        assert_eq!(directions, [Direction::SendRecv, Direction::SendRecv, Direction::SendOnly], "{answer}");
        assert_eq!((plan.media[2].encodings.len(), plan.media[2].codecs.len()), (1, count));
        assert_eq!(peer.of(layered).encodings().len(), 1);
        // What they say of extensions is under our identifiers.
        let uris = |plan: &MediaPlan| plan.extensions.iter().map(|e| e.uri.clone()).collect::<Vec<_>>();
        assert!(uris(&plan.media[1]).iter().any(|uri| uri.contains("transport-wide-cc")), "{answer}");
        assert!(uris(&plan.media[0]).contains(&"urn:ietf:params:rtp-hdrext:sdes:mid".to_owned()));
        assert!(plan.media.iter().flat_map(|media| &media.codecs).filter(|c| c.name == "VP8").all(|c| c.rtx.is_some()));
        assert!(!peer.negotiation.needs_negotiation() && plan.data.is_some());
    }
}

#[test]
fn both_browsers_layers_are_received() {
    for name in ["chromium-156-simulcast-offer.sdp", "firefox-153-simulcast-offer.sdp"] {
        let (answer, _, plan) = Peer::with_media(1).answer(offered(name));
        let video = plan.media.iter().find(|media| media.kind == Video).unwrap();
        let names: Vec<&str> = video.receive_rids.iter().map(RidId::as_str).collect();
        assert_eq!(names, ["q", "h", "f"], "{name}");
        assert!(answer.sdp.contains("a=simulcast:recv q;h;f\r\n"));
    }
}
