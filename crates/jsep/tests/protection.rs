//! Repair packets in streams of their own: what is offered, answered and announced.

mod common;

use std::sync::Arc;

use common::{Peer, browser, exchange, section, swapped, without};
use peerage_jsep::capability::MediaConfig;
use peerage_jsep::config::Config;
use peerage_jsep::description::SdpType::Offer;
use peerage_jsep::description::SessionDescription;
use peerage_jsep::negotiation::Negotiation;
use peerage_jsep::plan::MediaPlan;
use peerage_jsep::transceiver::MediaKind::Video;
use peerage_jsep::transceiver::TransceiverInit;
use peerage_sdp::attribute::direction::Direction;
use peerage_sdp::attribute::rid::RidId;

fn names(plan: &MediaPlan) -> Vec<&str> {
    plan.codecs.iter().map(|codec| &*codec.name).filter(|name| name.contains("fec")).collect()
}

#[test]
fn our_own_kind_agrees_on_every_scheme_and_is_told_the_stream() {
    let (mut alice, mut bob) = (Peer::with_media(1), Peer::with_media(2));
    alice.sends(Video, "cam");
    bob.sends(Video, "other");
    let (ours, theirs) = exchange(&mut alice, &mut bob);
    let (ours, theirs) = (&ours.media[0], &theirs.media[0]);
    assert_eq!(names(ours), ["ulpfec", "flexfec", "flexfec-03"]);
    for (ours, theirs) in [(ours, theirs), (theirs, ours)] {
        let (told, sent) = (&ours.remote_streams, &theirs.encodings[0]);
        assert_eq!(told.len(), 1, "those beside it are no streams of their own");
        assert_eq!(
            (told[0].ssrc, told[0].repair_ssrc, told[0].fec_ssrc),
            (sent.ssrc, Some(sent.repair_ssrc), Some(sent.fec_ssrc))
        );
        assert!(sent.fec_ssrc != sent.ssrc && sent.fec_ssrc != sent.repair_ssrc);
    }
    let (offer, encoding) = (alice.offer().sdp, &ours.encodings[0]);
    let video = section(&offer, "video");
    for line in [
        format!("a=ssrc-group:FEC-FR {} {}\r\n", encoding.ssrc, encoding.fec_ssrc),
        format!("a=ssrc:{} cname:{}\r\n", encoding.fec_ssrc, ours.cname),
        "a=rtpmap:121 flexfec/90000\r\n".to_owned(),
        "a=fmtp:121 repair-window=1000000\r\n".to_owned(),
    ] {
        assert!(video.contains(&line), "{line} in {video}");
    }
}

#[test]
fn a_side_without_it_is_not_told_of_streams_that_it_cannot_read() {
    let mut table = MediaConfig::default();
    table.video.retain(|codec| !codec.name.starts_with("flexfec"));
    let mut config = Config::new(2);
    config.media = Some(Arc::new(table));
    let mut bob = Peer::new(2);
    bob.negotiation = Negotiation::new(config);
    bob.sends(Video, "other");
    let mut alice = Peer::with_media(1);
    alice.sends(Video, "cam");
    let (ours, theirs) = exchange(&mut alice, &mut bob);
    assert_eq!((names(&ours.media[0]), names(&theirs.media[0])), (vec!["ulpfec"], vec!["ulpfec"]));
    assert_eq!(ours.media[0].remote_streams[0].fec_ssrc, None);
    assert!(!bob.offer().sdp.contains("FEC-FR"));
}

/// Chromium with the field trial: as it writes the lines, the format in the middle of others.
#[test]
fn chromiums_form_is_answered_in_kind() {
    let mut offer = browser("chromium-156-offer.sdp");
    let first = offer.find("m=video").unwrap();
    let line = offer[first..].split("\r\n").next().unwrap().to_owned();
    offer = swapped(&offer, &line, &format!("{line} 35"));
    offer = swapped(
        &offer,
        "a=rtpmap:96 VP8/90000\r\n",
        "a=rtpmap:35 flexfec-03/90000\r\na=rtcp-fb:35 goog-remb\r\na=rtcp-fb:35 transport-cc\r\n\
         a=fmtp:35 repair-window=10000000\r\na=rtpmap:96 VP8/90000\r\n",
    );
    let group = "a=ssrc-group:FID 3105415124 1597663064\r\n";
    offer = swapped(
        &offer,
        group,
        &format!("{group}a=ssrc-group:FEC-FR 3105415124 77\r\na=ssrc:77 cname:X69i0HRw7K0ZqFxd\r\n"),
    );
    let mut peer = Peer::with_media(1);
    peer.sends(Video, "cam");
    let (answer, _, plan) = peer.answer(SessionDescription::new(Offer, offer.clone()));
    let picture = &plan.media[1];
    assert_eq!(names(picture), ["ulpfec", "flexfec-03"]);
    let fec = picture.codecs.iter().find(|codec| codec.name == "flexfec-03").unwrap();
    assert_eq!((fec.send_payload_type.get(), fec.feedback.len()), (35, 2));
    let streams = &picture.remote_streams;
    assert_eq!((streams.len(), streams[0].repair_ssrc, streams[0].fec_ssrc), (1, Some(1_597_663_064), Some(77)));
    let encoding = &picture.encodings[0];
    assert!(answer.sdp.contains(&format!("a=ssrc-group:FEC-FR {} {}\r\n", encoding.ssrc, encoding.fec_ssrc)));
    // A group of a stream that is not there, of one with itself, and of more than two say nothing.
    for group in ["FEC-FR 3105415124 5", "FEC-FR 3105415124 3105415124", "FEC-FR 3105415124 77 78", "FEC-FR 3105415124"]
    {
        let odd = swapped(&offer, "FEC-FR 3105415124 77", group);
        let (_, _, plan) = Peer::with_media(2).answer(SessionDescription::new(Offer, odd));
        assert!(plan.media[1].remote_streams.iter().all(|stream| stream.fec_ssrc.is_none()), "{group}");
    }
    let (_, _, plan) = Peer::with_media(3).answer(SessionDescription::new(Offer, without(&offer, "a=ssrc")));
    assert_eq!((names(&plan.media[1]), plan.media[1].remote_streams.len()), (vec!["ulpfec", "flexfec-03"], 0));
}

#[test]
fn encodings_side_by_side_have_repair_streams_that_are_not_announced() {
    let (mut alice, mut bob) = (Peer::with_media(1), Peer::with_media(2));
    let rids = ["h", "l"].into_iter().filter_map(RidId::new).collect();
    let init = TransceiverInit { rids, direction: Direction::SendOnly, ..TransceiverInit::default() };
    alice.negotiation.add_transceiver(Video, init).unwrap();
    let (plan, _) = exchange(&mut alice, &mut bob);
    let mut all: Vec<u32> = plan.media[0].encodings.iter().flat_map(|e| [e.ssrc, e.repair_ssrc, e.fec_ssrc]).collect();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 6, "no number twice");
    assert!(!alice.offer().sdp.contains("a=ssrc"));
}
