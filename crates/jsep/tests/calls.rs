//! Whatever two applications ask of their transceivers, both sides settle on the same calls.

mod common;

use common::{Peer, exchange};
use peerage_jsep::description::SdpType::Offer;
use peerage_jsep::description::SessionDescription;
use peerage_jsep::plan::{MediaPlan, Plan};
use peerage_jsep::transceiver::{MediaKind, Transceiver, TransceiverInit};
use peerage_sdp::attribute::direction::Direction;
use peerage_sdp::attribute::rid::RidId;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Wish {
    Add(MediaKind, Direction, usize),
    Track(MediaKind),
    Direct(usize, Direction),
    Stop(usize),
    Streams(usize, u8),
    Data,
    Exchange,
    Glare,
    Rollback,
}

fn wish() -> impl Strategy<Value = (bool, Wish)> {
    let kind = prop::sample::select(vec![MediaKind::Audio, MediaKind::Video]);
    let direction = (any::<bool>(), any::<bool>()).prop_map(|(sends, receives)| Direction::new(sends, receives));
    let wish = prop_oneof![
        3 => (kind.clone(), direction.clone(), 0..4usize).prop_map(|(kind, direction, rids)| Wish::Add(kind, direction, rids)),
        3 => kind.prop_map(Wish::Track),
        3 => (0..8usize, direction).prop_map(|(which, direction)| Wish::Direct(which, direction)),
        2 => (0..8usize).prop_map(Wish::Stop),
        1 => (0..8usize, 0..3u8).prop_map(|(which, stream)| Wish::Streams(which, stream)),
        1 => Just(Wish::Data),
        4 => Just(Wish::Exchange),
        1 => Just(Wish::Glare),
        1 => Just(Wish::Rollback),
    ];
    (any::<bool>(), wish)
}

fn grant(peers: &mut [Peer; 2], who: bool, wish: Wish) {
    let [one, two] = peers;
    let (peer, other) = if who { (one, two) } else { (two, one) };
    let nth = |peer: &Peer, which: usize| {
        let all = peer.negotiation.transceivers();
        all.get(which % all.len().max(1)).filter(|t| !t.is_stopping()).map(Transceiver::id)
    };
    match wish {
        Wish::Add(kind, direction, rids) => {
            let rids = match kind {
                MediaKind::Video => ["a", "b", "c"].iter().take(rids).filter_map(|name| RidId::new(name)).collect(),
                MediaKind::Audio => Vec::new(),
            };
            let init = TransceiverInit { direction, rids, ..TransceiverInit::default() };
            peer.negotiation.add_transceiver(kind, init).unwrap();
        }
        Wish::Track(kind) => drop(peer.sends(kind, "track")),
        Wish::Direct(which, direction) => {
            if let Some(id) = nth(peer, which) {
                peer.negotiation.set_direction(id, direction).unwrap();
            }
        }
        Wish::Stop(which) => {
            if let Some(id) = nth(peer, which) {
                peer.negotiation.stop_transceiver(id).unwrap();
            }
        }
        Wish::Streams(which, stream) => {
            if let Some(id) = nth(peer, which) {
                peer.negotiation.set_streams(id, vec![format!("s{stream}")]).unwrap();
            }
        }
        Wish::Data => peer.negotiation.want_data(),
        Wish::Exchange => whole_exchange(peer, other),
        Wish::Glare => {
            other.offer();
            let offer = peer.offer();
            let (answer, heard, theirs) = other.answer(offer);
            assert!(heard.rolled_back);
            let plan = peer.negotiation.set_remote(answer).unwrap();
            assert_mirrored(&plan, &theirs);
        }
        Wish::Rollback => {
            let offer = peer.offer();
            other.takes(Offer, &offer.sdp).unwrap();
            for side in [peer, other] {
                let rollback = SessionDescription::rollback();
                match side.negotiation.signaling_state().as_str() {
                    "have-local-offer" => side.negotiation.set_local(Some(rollback), &side.transport).map(drop),
                    _ => side.negotiation.set_remote(rollback).map(drop),
                }
                .unwrap();
            }
        }
    }
}

fn whole_exchange(offerer: &mut Peer, answerer: &mut Peer) {
    let (plan, theirs) = exchange(offerer, answerer);
    assert_mirrored(&plan, &theirs);
}

fn assert_mirrored(ours: &Plan, theirs: &Plan) {
    assert_eq!(ours.media.len(), theirs.media.len());
    for (ours, theirs) in ours.media.iter().zip(&theirs.media) {
        let MediaPlan { index, mid, kind, direction, codecs, .. } = ours;
        assert_eq!((index, mid, kind), (&theirs.index, &theirs.mid, &theirs.kind));
        assert_eq!(*direction, theirs.direction.reversed());
        for (codec, other) in codecs.iter().zip(&theirs.codecs) {
            assert_eq!(codec.send_payload_type, other.receive_payload_type);
            assert_eq!(codec.receive_payload_type, other.send_payload_type);
            assert_eq!(codec.rtx.is_some(), other.rtx.is_some());
        }
        assert_eq!(codecs.len(), theirs.codecs.len());
        let ids = |plan: &MediaPlan| plan.extensions.iter().map(|e| (e.id, e.uri.clone())).collect::<Vec<_>>();
        assert_eq!(ids(ours), ids(theirs));
        if direction.sends() && ours.encodings.len() > 1 {
            let names: Vec<_> = ours.encodings.iter().filter_map(|e| e.rid.clone()).collect();
            assert_eq!(names, theirs.receive_rids);
        } else if direction.sends() {
            assert_eq!(theirs.remote_streams[0].ssrc, ours.encodings[0].ssrc);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn both_sides_come_to_rest_in_the_same_call(wishes in prop::collection::vec(wish(), 0..24)) {
        let mut peers = [Peer::with_media(1), Peer::with_media(2)];
        for (who, wish) in wishes {
            grant(&mut peers, who, wish);
        }
        let [one, two] = &mut peers;
        for _ in 0..2 {
            if one.negotiation.needs_negotiation() {
                whole_exchange(one, two);
            }
            if two.negotiation.needs_negotiation() {
                whole_exchange(two, one);
            }
        }
        prop_assert!(!one.negotiation.needs_negotiation() && !two.negotiation.needs_negotiation());
        for peer in [&*one, &*two] {
            for transceiver in peer.negotiation.transceivers() {
                prop_assert!(transceiver.mid().is_some() && !transceiver.is_stopping());
                prop_assert!(transceiver.current_direction().is_some());
            }
        }
        prop_assert_eq!(one.negotiation.transceivers().len(), two.negotiation.transceivers().len());
    }
}
