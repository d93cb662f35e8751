//! Bodies of fuzz targets.

use alloc::borrow::ToOwned as _;
use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::String;
use alloc::vec;

use peerage_sdp::description::Description;

use crate::candidate::CandidateInit;
use crate::config::Config;
use crate::description::{SdpType, SessionDescription};
use crate::error::Error;
use crate::local::LocalTransport;
use crate::negotiation::{Negotiation, OfferOptions};

/// A peer's offer: refused without a trace, or answered by something that can be applied.
pub fn offer(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else { return };
    let mut negotiation = Negotiation::new(Config::new(1));
    if negotiation.set_remote(SessionDescription::new(SdpType::Offer, text)).is_err() {
        assert!(negotiation.remote_description().is_none(), "a refused offer left something behind");
        return;
    }
    let local = transport(0, 0);
    let answer = negotiation.create_answer(&local).expect("an offer that was taken can be answered");
    let sections = |text: &str| Description::parse(text).expect("a description that was taken can be read").media.len();
    assert_eq!(sections(&answer.sdp), sections(text));
    negotiation.set_local(Some(answer), &local).expect("the answer that was created can be applied");
}

/// Two sides: a sequence of calls, and of descriptions that are changed on their way.
pub fn negotiations(data: &[u8]) {
    let mut world = World {
        sides: [Negotiation::new(Config::new(1)), Negotiation::new(Config::new(2))],
        generations: [0; 2],
        wire: [VecDeque::new(), VecDeque::new()],
    };
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

impl World {
    fn step(&mut self, step: &[u8]) {
        let [op, rest @ ..] = step else { return };
        let side = usize::from(op >> 7);
        let local = transport(side, self.generations[side]);
        if op & 0x10 != 0 {
            self.sides.iter_mut().for_each(Negotiation::rest);
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
        peerage_testkit::replay::replay(
            concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/negotiations"),
            super::negotiations,
        );
    }
}
