//! Bodies of fuzz targets.

use alloc::borrow::ToOwned as _;
use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;

use peerage_sdp::attribute::direction::Direction;
use peerage_sdp::attribute::rid::RidId;
use peerage_sdp::description::Description;

use crate::candidate::CandidateInit;
use crate::capability::MediaConfig;
use crate::config::Config;
use crate::description::{SdpType, SessionDescription};
use crate::error::Error;
use crate::local::LocalTransport;
use crate::negotiation::{Negotiation, OfferOptions};
use crate::transceiver::{MediaKind, Transceiver, TransceiverInit};

/// A peer's offer: refused without a trace, or answered by something that can be applied. With audio and video and
/// without.
pub fn offer(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else { return };
    offer_to(text, Negotiation::new(Config::new(1)));
    offer_to(text, Negotiation::new(with_media(1)));
}

fn offer_to(text: &str, mut negotiation: Negotiation) {
    if negotiation.set_remote(SessionDescription::new(SdpType::Offer, text)).is_err() {
        assert!(negotiation.remote_description().is_none(), "a refused offer left something behind");
        assert!(negotiation.transceivers().is_empty(), "a refused offer left a transceiver behind");
        return;
    }
    let local = transport(0, 0);
    let answer = negotiation.create_answer(&local).expect("an offer that was taken can be answered");
    let sections = |text: &str| Description::parse(text).expect("a description that was taken can be read").media.len();
    assert_eq!(sections(&answer.sdp), sections(text));
    let plan = negotiation.set_local(Some(answer), &local).expect("the answer that was created can be applied");
    for media in &plan.media {
        assert!(!media.codecs.is_empty() && negotiation.transceiver(media.transceiver).is_some());
    }
    assert!(!negotiation.needs_negotiation(), "an answer says all that there is to say");
    negotiation.create_offer(&local, OfferOptions::default()).expect("an offer can follow");
}

fn with_media(seed: u64) -> Config {
    let mut config = Config::new(seed);
    config.media = Some(Arc::new(MediaConfig::default()));
    config
}

/// Two sides: a sequence of calls, and of descriptions that are changed on their way.
pub fn negotiations(data: &[u8]) {
    run(data, [Config::new(1), Config::new(2)]);
}

/// The same of two sides that have audio and video, with what applications ask of their transceivers.
pub fn media_negotiations(data: &[u8]) {
    run(data, [with_media(1), with_media(2)]);
}

fn run(data: &[u8], configs: [Config; 2]) {
    let media = configs[0].media.is_some();
    let wire = [VecDeque::new(), VecDeque::new()];
    let mut world = World { sides: configs.map(Negotiation::new), generations: [0; 2], wire, media };
    world.sides[0].want_data();
    for step in data.chunks(4).take(128) {
        world.step(step);
    }
}

/// Two sides and the descriptions between.
struct World {
    sides: [Negotiation; 2],
    generations: [u8; 2],
    wire: [VecDeque<SessionDescription>; 2],
    /// Whether commands for transceivers are among the steps.
    media: bool,
}

fn transport(side: usize, generation: u8) -> LocalTransport {
    LocalTransport {
        ufrag: format!("side{side}g{generation}"),
        pwd: "0123456789abcdefghijklmn".into(),
        fingerprints: vec![format!("sha-256 {}", [if side == 0 { "0A" } else { "0B" }; 32].join(":"))],
        sctp_init: Some(vec![1, side as u8]),
        ..LocalTransport::default()
    }
}

/// A command for a transceiver.
fn transceiver(negotiation: &mut Negotiation, how: &[u8]) -> Result<(), Error> {
    let &[command, which, value] = how else { return Ok(()) };
    let kind = if which & 1 == 0 { MediaKind::Audio } else { MediaKind::Video };
    let direction = Direction::new(value & 1 != 0, value & 2 != 0);
    let rids = ["a", "b", "c"].iter().take(usize::from(value >> 6)).filter_map(|name| RidId::new(name)).collect();
    let init = TransceiverInit { direction, rids, ..TransceiverInit::default() };
    let count = negotiation.transceivers().len();
    let picked = negotiation.transceivers().get(usize::from(which) % count.max(1)).map(Transceiver::id);
    match (command % 8, picked) {
        (0, _) if count < 16 => negotiation.add_transceiver(kind, init).map(drop),
        (1, _) if count < 16 => {
            negotiation.add_track(kind, format!("track{value}"), vec![format!("stream{value}")]).map(drop)
        }
        (2, Some(id)) => negotiation.set_direction(id, direction),
        (3, Some(id)) => negotiation.stop_transceiver(id),
        (4, Some(id)) => negotiation.remove_track(id),
        (5, Some(id)) => negotiation.set_streams(id, vec![format!("stream{value}")]),
        (6, Some(id)) => negotiation.set_track(id, value & 1 != 0),
        (7, Some(id)) => {
            let kind = negotiation.transceiver(id).map_or(kind, Transceiver::kind);
            let table = MediaConfig::default();
            let codecs = table.codecs(kind);
            let chosen = codecs.get(usize::from(value) % codecs.len()..).unwrap_or_default();
            negotiation.set_codec_preferences(id, chosen)
        }
        _ => Ok(()),
    }
}

impl World {
    fn step(&mut self, step: &[u8]) {
        let [op, rest @ ..] = step else { return };
        let side = usize::from(op >> 7);
        let local = transport(side, self.generations[side]);
        if op & 0x10 != 0 {
            self.sides.iter_mut().for_each(Negotiation::rest);
        }
        if self.media && op & 0x20 != 0 {
            return self.attempt(side, |negotiation| transceiver(negotiation, rest));
        }
        match op & 0x0F {
            0..=1 => self.say(side, |negotiation| negotiation.create_offer(&local, OfferOptions::default())),
            2..=3 => self.say(side, |negotiation| negotiation.create_answer(&local)),
            4 => {
                self.generations[side] = self.generations[side].wrapping_add(1);
                let renewed = transport(side, self.generations[side]);
                self.say(side, |negotiation| negotiation.create_offer(&renewed, OfferOptions { ice_restart: true }));
            }
            5..=7 => self.hear(side),
            8 => self.change(side, rest),
            9 => self.attempt(side, |negotiation| {
                negotiation.set_local(Some(SessionDescription::new(SdpType::Rollback, "")), &local).map(drop)
            }),
            10 => self.attempt(side, |negotiation| {
                negotiation.set_remote(SessionDescription::new(SdpType::Rollback, "")).map(drop)
            }),
            11 => self.sides[side].want_data(),
            12 => self.sides[side].want_ice_restart(),
            13 => self.candidate(side, rest),
            14 => {
                let first = self.wire[side].pop_front();
                self.wire[side].extend(first);
            }
            _ if rest.first() == Some(&0) => self.sides[side].close(),
            _ => self.attempt(side, |negotiation| negotiation.set_local(None, &local).map(drop)),
        }
    }

    /// Makes a description, applies it, and puts it on its way.
    fn say(&mut self, side: usize, make: impl FnOnce(&mut Negotiation) -> Result<SessionDescription, Error>) {
        let Ok(made) = make(&mut self.sides[side]) else { return };
        Description::parse(&made.sdp).expect("what was created can be read");
        let local = transport(side, self.generations[side]);
        self.attempt(side, |negotiation| negotiation.set_local(Some(made.clone()), &local).map(drop));
        if self.sides[side].local_description().is_some_and(|applied| applied == made) && self.wire[side].len() < 8 {
            self.wire[side].push_back(made);
        }
    }

    fn hear(&mut self, side: usize) {
        if let Some(description) = self.wire[1 - side].pop_front() {
            self.attempt(side, |negotiation| negotiation.set_remote(description).map(drop));
        }
    }

    /// A description on its way loses, repeats or alters a line.
    fn change(&mut self, side: usize, how: &[u8]) {
        let Some(description) = self.wire[side].front_mut() else { return };
        let &[at, kind, value] = how else { return };
        let mut lines: VecDeque<String> = description.sdp.lines().map(str::to_owned).collect();
        let at = usize::from(at) % lines.len().max(1);
        match kind % 4 {
            0 => drop(lines.remove(at)),
            1 => lines.extend(lines.get(at).cloned()),
            2 => lines.rotate_left(at),
            _ => {
                if let Some(line) = lines.get_mut(at) {
                    line.pop();
                    line.push(char::from(value));
                }
            }
        }
        if kind & 0x80 != 0 {
            description.kind = if value & 1 == 0 { SdpType::Offer } else { SdpType::PrAnswer };
        }
        description.sdp = lines.into_iter().map(|line| line + "\r\n").collect();
    }

    fn candidate(&mut self, side: usize, how: &[u8]) {
        let &[kind, index, port] = how else { return };
        let text = format!("candidate:1 1 udp 2130706431 192.0.2.{side} {port} typ host");
        let init = CandidateInit {
            candidate: if kind & 1 == 0 { text.clone() } else { String::new() },
            mid: (kind & 2 == 0).then(|| "0".into()),
            mline_index: (kind & 4 == 0).then_some(index.into()),
            ufrag: (kind & 8 == 0).then(|| transport(1 - side, self.generations[1 - side]).ufrag),
        };
        self.attempt(side, |negotiation| negotiation.add_remote_candidate(&init).map(drop));
        let ufrag = transport(side, self.generations[side]).ufrag;
        self.attempt(side, |negotiation| negotiation.add_local_candidate(&ufrag, &text).map(drop));
        if kind & 16 != 0 {
            self.sides[side].end_local_candidates(&ufrag);
        }
    }

    /// A call that fails changes nothing.
    fn attempt(&mut self, side: usize, call: impl FnOnce(&mut Negotiation) -> Result<(), Error>) {
        let negotiation = &mut self.sides[side];
        let said = |negotiation: &Negotiation| {
            (
                [negotiation.current_local_description(), negotiation.pending_local_description()],
                [negotiation.current_remote_description(), negotiation.pending_remote_description()],
                negotiation.needs_negotiation(),
                format!("{:?}", negotiation.transceivers()),
            )
        };
        let before = said(negotiation);
        if call(negotiation).is_err() {
            assert!(said(negotiation) == before, "a call that failed changed something");
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn offers() {
        peerage_testkit::replay::replay(concat!(env!("CARGO_MANIFEST_DIR"), "/../sdp/corpus"), super::offer);
    }

    #[test]
    fn sequences() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/negotiations");
        peerage_testkit::replay::replay(folder, super::negotiations);
        peerage_testkit::replay::replay(folder, super::media_negotiations);
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig { cases: 120, ..Default::default() })]

        #[test]
        fn any_sequence_with_transceivers(steps in proptest::collection::vec(step(), 0..48)) {
            super::media_negotiations(&steps.concat());
        }
    }

    /// Steps of which many make whole exchanges.
    fn step() -> impl proptest::strategy::Strategy<Value = [u8; 4]> {
        use proptest::prelude::*;
        let side = prop::sample::select(alloc::vec![0, 0x80]);
        let op = prop_oneof![4 => Just(0), 4 => Just(2), 8 => Just(5), 6 => Just(0x20), 3 => 0..0x40u8];
        (side, op, any::<[u8; 3]>()).prop_map(|(side, op, [a, b, c]): (u8, u8, [u8; 3])| [side | op, a, b, c])
    }
}
