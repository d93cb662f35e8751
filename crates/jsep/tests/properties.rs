//! Descriptions of any kind neither panic nor leave a state that is none.

mod common;

use common::{MINIMAL, Peer, browser};
use peerage_jsep::candidate::CandidateInit;
use peerage_jsep::description::{SdpType, SessionDescription};
use peerage_jsep::negotiation::OfferOptions;
use peerage_sdp::description::Description;
use proptest::prelude::*;

/// Lines of real descriptions, dropped, doubled, swapped and bent.
fn mangled() -> impl Strategy<Value = String> {
    let texts = vec![MINIMAL.to_owned(), browser("chromium-156-offer.sdp"), browser("firefox-153-answer.sdp")];
    (
        prop::sample::select(texts),
        prop::collection::vec((any::<prop::sample::Index>(), 0..5u8, any::<prop::sample::Index>()), 0..6),
    )
        .prop_map(|(text, edits)| {
            let mut lines: Vec<String> = text.split_inclusive("\r\n").map(Into::into).collect();
            for (at, edit, other) in edits {
                if lines.is_empty() {
                    break;
                }
                let (at, other) = (at.index(lines.len()), other.index(lines.len()));
                match edit {
                    0 => drop(lines.remove(at)),
                    1 => lines.insert(at, lines[other].clone()),
                    2 => lines.swap(at, other),
                    3 => lines[at] = lines[at].replace(['0', '9'], "1"),
                    _ => lines[at].truncate(other % 12),
                }
            }
            lines.concat()
        })
}

#[derive(Clone, Debug)]
enum Step {
    Offer(bool),
    Local(Option<SdpType>),
    Remote(SdpType, String),
    Candidate(String, Option<String>, Option<usize>),
    Want,
    Restart,
    Renew,
}

fn step() -> impl Strategy<Value = Step> {
    let kind = prop::sample::select(vec![SdpType::Offer, SdpType::PrAnswer, SdpType::Answer, SdpType::Rollback]);
    prop_oneof![
        1 => any::<bool>().prop_map(Step::Offer),
        1 => prop::option::of(kind.clone()).prop_map(Step::Local),
        3 => (kind, mangled()).prop_map(|(kind, text)| Step::Remote(kind, text)),
        1 => ("(candidate:1 1 udp 1 192.0.2.1 [0-9]{1,6} typ host)?", prop::option::of("[0-2]"), prop::option::of(0..4usize))
            .prop_map(|(text, mid, index)| Step::Candidate(text, mid, index)),
        1 => Just(Step::Want),
        1 => Just(Step::Restart),
        1 => Just(Step::Renew),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_is_survived_and_what_is_written_can_be_read(steps in prop::collection::vec(step(), 0..14)) {
        let mut peer = Peer::new(1);
        let mut generation = 0;
        for step in steps {
            let before = peer.negotiation.signaling_state();
            let failed = match step {
                Step::Offer(ice_restart) => peer.negotiation.create_offer(&peer.transport, OfferOptions { ice_restart }).is_err(),
                Step::Local(kind) => {
                    let description = kind.map(|kind| SessionDescription::new(kind, ""));
                    peer.negotiation.set_local(description, &peer.transport).is_err()
                }
                Step::Remote(kind, text) => peer.negotiation.set_remote(SessionDescription::new(kind, text)).is_err(),
                Step::Candidate(candidate, mid, mline_index) => {
                    let init = CandidateInit { candidate, mid, mline_index, ufrag: None };
                    peer.negotiation.add_remote_candidate(&init).is_err()
                }
                Step::Want => { peer.negotiation.want_data(); false }
                Step::Restart => { peer.negotiation.want_ice_restart(); false }
                Step::Renew => {
                    generation += 1;
                    peer.renew(&format!("gen{generation}"));
                    false
                }
            };
            if failed {
                prop_assert_eq!(peer.negotiation.signaling_state(), before);
            }
            for description in [peer.negotiation.local_description(), peer.negotiation.remote_description()].into_iter().flatten() {
                prop_assert!(Description::parse(&description.sdp).is_ok());
            }
        }
    }

    #[test]
    fn an_answer_always_has_the_sections_of_its_offer(text in mangled()) {
        let mut peer = Peer::new(1);
        let sections = |text: &str| Description::parse(text).unwrap().media.iter().map(|m| m.line.media.clone()).collect::<Vec<_>>();
        if peer.takes(SdpType::Offer, &text).is_ok() {
            let answer = peer.negotiation.create_answer(&peer.transport).unwrap();
            prop_assert_eq!(sections(&answer.sdp), sections(&text));
            prop_assert!(peer.negotiation.set_local(Some(answer), &peer.transport).is_ok());
        }
    }
}
