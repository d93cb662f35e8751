//! What an applied description does to transceivers (W3C "set a session description", RFC 9429 §5.9, §5.10).

use alloc::vec::Vec;

use peerage_sdp::attribute::direction::Direction;
use peerage_sdp::attribute::rid::{RidDirection, RidId};

use crate::agreement::Pair;
use crate::capability::MediaConfig;
use crate::compose::has_common;
use crate::facts::{Facts, SectionFacts};
use crate::media::{MAX_TRANSCEIVERS, Media};
use crate::plan::{MediaPlan, TrackEvent};
use crate::rtp::RtpFacts;
use crate::signaling::Side;
use crate::transceiver::{Receiver, Saved, Transceiver, TransceiverId, Written};

impl Media {
    /// An exchange begins.
    pub(crate) fn save(&mut self) {
        self.transceivers.iter_mut().for_each(Transceiver::save);
    }

    /// Our offer gives sections to those for whom they were written.
    pub(crate) fn offered_by_us(&mut self) {
        for place in core::mem::take(&mut self.offered) {
            // A closed section that is used again belongs to whom it is given now.
            for other in self.transceivers.iter_mut().filter(|t| t.place == Some(place.index)) {
                if other.id != place.transceiver {
                    other.dissociate();
                }
            }
            if let Some(transceiver) = self.get_mut(place.transceiver) {
                transceiver.place = Some(place.index);
                transceiver.mid = place.mid;
            }
        }
    }

    /// The peer's offer.
    pub(crate) fn offered_by_peer(&mut self, config: &MediaConfig, offer: &Facts, events: &mut Vec<TrackEvent>) {
        let count = offer.sections.len();
        // An offer that replaces a pending one may have fewer sections.
        let gone = |t: &&mut Transceiver| t.place.is_some_and(|place| place >= count);
        self.transceivers.iter_mut().filter(gone).for_each(Transceiver::dissociate);
        for (index, section) in offer.sections.iter().enumerate() {
            let other = |t: &&mut Transceiver| {
                t.place == Some(index) && (t.mid != section.mid || t.kind.as_str() != section.media)
            };
            self.transceivers.iter_mut().filter(other).for_each(Transceiver::dissociate);
            if section.rejected {
                self.end(index, events);
                continue;
            }
            let usable = |rtp: &&RtpFacts| section.carried && (self.at(index).is_some() || has_common(config, rtp));
            let Some(rtp) = section.rtp.as_deref().filter(usable) else { continue };
            let Some(id) = self.associated(index, section, rtp) else { continue };
            self.take_layers(id, &rtp.layers(RidDirection::Recv));
            if let Some(transceiver) = self.get_mut(id) {
                transceiver.hear(rtp, true, events);
            }
        }
        self.remove_orphans(events);
    }

    /// The answer of either side, provisional or not.
    pub(crate) fn answered(&mut self, ours: &Facts, theirs: &Facts, answerer: Side, events: &mut Vec<TrackEvent>) {
        for (index, (own, remote)) in ours.sections.iter().zip(&theirs.sections).enumerate() {
            if own.rejected || remote.rejected {
                self.end(index, events);
                continue;
            }
            let (Some(own), Some(remote)) = (&own.rtp, &remote.rtp) else { continue };
            let pair = Pair { ours: own, theirs: remote, answerer };
            if !pair.is_open() {
                self.end(index, events);
                continue;
            }
            let Some(transceiver) = self.at_mut(index) else { continue };
            let direction = pair.direction();
            match answerer {
                Side::Remote => transceiver.hear(remote, direction.receives(), events),
                Side::Local if !direction.receives() => transceiver.hear(remote, false, events),
                Side::Local => {}
            }
            if !transceiver.stopping {
                transceiver.fired = direction;
            }
            transceiver.current = Some(direction);
            transceiver.sender.used |= direction.sends();
        }
    }

    /// The exchange is complete.
    pub(crate) fn agreed(&mut self, ours: &Facts, theirs: &Facts, answerer: Side) {
        self.offered.clear();
        for transceiver in &mut self.transceivers {
            transceiver.saved = None;
            transceiver.by_peer = false;
            let Some(index) = transceiver.place else { continue };
            let (Some(own), Some(remote)) = (ours.rtp(index), theirs.rtp(index)) else { continue };
            let pair = Pair { ours: own, theirs: remote, answerer };
            let kept: Vec<u32> = pair.encodings(&transceiver.sender.encodings).iter().map(|e| e.ssrc).collect();
            // What the peer does not take is not offered again (W3C `sendEncodings` after an answer).
            if own.direction.sends() && remote.direction.receives() {
                transceiver.sender.encodings.retain(|encoding| kept.contains(&encoding.ssrc));
            }
            transceiver.written = Some(Written {
                by_offer: answerer == Side::Remote,
                ours: own.direction,
                theirs: remote.direction,
                streams: own.streams(),
            });
        }
        // One that only carries the transport is nobody's.
        let closed = |index: usize| match (ours.rtp(index), theirs.rtp(index)) {
            (Some(ours), Some(theirs)) => !Pair { ours, theirs, answerer }.is_open(),
            _ => true,
        };
        self.transceivers.retain(|t| !(t.stopped && t.place.is_none_or(closed)));
    }

    /// The exchange under way did not happen (W3C "rollback").
    pub(crate) fn roll_back(&mut self, events: &mut Vec<TrackEvent>) {
        self.offered.clear();
        for transceiver in &mut self.transceivers {
            let heard = transceiver.fired.receives();
            if let Some(saved) = transceiver.saved.take() {
                let Saved { place, mid, current, fired, receiver, encodings } = *saved;
                (transceiver.place, transceiver.mid) = (place, mid);
                transceiver.sender.encodings = encodings;
                // Whoever has stopped stays so.
                if !transceiver.stopping {
                    (transceiver.current, transceiver.fired) = (current, fired);
                    transceiver.restore(receiver, heard, events);
                }
            } else {
                transceiver.dissociate();
                transceiver.current = None;
                transceiver.fired = Direction::Inactive;
                transceiver.restore(Receiver::default(), heard, events);
            }
        }
        self.remove_orphans(events);
        for transceiver in &mut self.transceivers {
            // From here on it is the application's.
            transceiver.for_track |= transceiver.by_peer;
            transceiver.by_peer = false;
        }
    }

    /// What the owner has to do.
    pub(crate) fn plan(&self, ours: &Facts, theirs: &Facts, answerer: Side) -> Vec<MediaPlan> {
        let both = ours.sections.iter().zip(&theirs.sections).enumerate();
        let plan = |(index, (own, remote)): (usize, (&SectionFacts, &SectionFacts))| {
            if own.rejected || remote.rejected {
                return None;
            }
            let pair = Pair { ours: own.rtp.as_deref()?, theirs: remote.rtp.as_deref()?, answerer };
            let transceiver = self.at(index).filter(|t| !t.stopped && pair.is_open())?;
            Some(pair.plan(index, own.mid.as_ref(), transceiver, &self.cname))
        };
        both.filter_map(plan).collect()
    }

    /// The transceiver of a section that the peer offers: the one that has it, else one that was added for a track and has
    /// none, where the peer would receive it, else a new one.
    fn associated(&mut self, index: usize, section: &SectionFacts, rtp: &RtpFacts) -> Option<TransceiverId> {
        if let Some(known) = self.at(index) {
            return Some(known.id).filter(|_| !known.stopped);
        }
        let kind = rtp.kind;
        let free = |t: &&Transceiver| t.for_track && t.place.is_none() && t.kind == kind && !t.stopping;
        let id = match self.transceivers.iter().find(free).filter(|_| rtp.direction.receives()) {
            Some(free) => free.id,
            None if self.transceivers.len() >= 2 * MAX_TRANSCEIVERS => return None,
            None => {
                let made = self.add(kind, Direction::RecvOnly);
                made.by_peer = true;
                made.id
            }
        };
        let transceiver = self.get_mut(id)?;
        transceiver.place = Some(index);
        transceiver.mid.clone_from(&section.mid);
        Some(id)
    }

    /// The peer would take several encodings of one that has no names yet: they get those that it gives them
    /// (RFC 9429 §5.10).
    fn take_layers(&mut self, id: TransceiverId, layers: &[(RidId, bool)]) {
        let writable = |(rid, _): &&(RidId, bool)| rid.is_alphanumeric();
        let rids: Vec<RidId> = layers.iter().filter(writable).map(|(id, _)| id.clone()).collect();
        let plain = |t: &Transceiver| t.sender.encodings.iter().all(|e| e.rid.is_none()) && t.written.is_none();
        if rids.is_empty() || !self.get(id).is_some_and(plain) {
            return;
        }
        let mut encodings = self.encodings(&rids);
        let Some(transceiver) = self.get_mut(id) else { return };
        // The first one keeps its stream.
        if let (Some(first), Some(had)) = (encodings.first_mut(), transceiver.sender.encodings.first()) {
            (first.ssrc, first.repair_ssrc) = (had.ssrc, had.repair_ssrc);
        }
        transceiver.sender.encodings = encodings;
    }

    /// One that only the peer's offer made goes with it, unless it was given a track since (RFC 9429 §5.7).
    fn remove_orphans(&mut self, events: &mut Vec<TrackEvent>) {
        for transceiver in self.transceivers.iter().filter(|t| t.is_orphan() && !t.stopped) {
            events.push(TrackEvent::Ended { transceiver: transceiver.id });
        }
        self.transceivers.retain(|t| !t.is_orphan());
    }

    /// A section was closed.
    fn end(&mut self, index: usize, events: &mut Vec<TrackEvent>) {
        if let Some(transceiver) = self.at_mut(index).filter(|t| !t.stopped) {
            transceiver.stop();
            events.push(TrackEvent::Ended { transceiver: transceiver.id });
        }
    }
}

impl Transceiver {
    /// What the peer's description says of its track; `receives` as the whole of it would have it.
    fn hear(&mut self, theirs: &RtpFacts, receives: bool, events: &mut Vec<TrackEvent>) {
        // Who has stopped it needs to be told nothing of it.
        if self.stopping {
            return;
        }
        let (transceiver, before) = (self.id, self.fired.receives());
        let sends = theirs.direction.sends() && receives;
        let heard = match sends {
            true => Receiver { streams: theirs.streams(), track: theirs.track().map(Into::into) },
            false => Receiver::default(),
        };
        let Receiver { streams, track } = heard.clone();
        match (before, sends) {
            (false, true) => events.push(TrackEvent::Added { transceiver, track, streams }),
            (true, false) => events.push(TrackEvent::Removed { transceiver }),
            (true, true) if self.receiver.streams != streams => {
                events.push(TrackEvent::Streams { transceiver, streams });
            }
            _ => {}
        }
        self.receiver = heard;
        self.fired = if sends { theirs.direction.reversed() } else { Direction::Inactive };
    }

    /// A rollback takes back what was told of the receiver.
    fn restore(&mut self, receiver: Receiver, heard: bool, events: &mut Vec<TrackEvent>) {
        let transceiver = self.id;
        let Receiver { streams, track } = receiver.clone();
        match (heard, self.fired.receives()) {
            (true, false) => events.push(TrackEvent::Removed { transceiver }),
            (false, true) => events.push(TrackEvent::Added { transceiver, track, streams }),
            (true, true) if self.receiver.streams != streams => {
                events.push(TrackEvent::Streams { transceiver, streams });
            }
            _ => {}
        }
        self.receiver = receiver;
    }

    fn is_orphan(&self) -> bool {
        self.by_peer && !self.sender.attached && self.place.is_none()
    }
}
