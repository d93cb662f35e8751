//! Which message carries what of the owner's packets, and the checks that are sent ahead of their turn for them.

use alloc::boxed::Box;
use core::cmp::Reverse;

use peerage_base::path::Path;
use peerage_base::slot::Slot;
use peerage_base::time::{Duration, Instant};
use peerage_stun::header::TransactionId;
use peerage_stun::message::Message;

use crate::agent::Agent;
use crate::attachment::{
    Attachments, LIKELY, Load, MAX_ACKS, MAX_ASKING, MAX_EARLY, MAX_LOADS, MAX_PACKET, MAX_PACKETS, MAX_RECEIVED,
    MAX_UNPROVEN, MAX_WAITING, Packet, Received,
};
use crate::event::Event;
use crate::pair::{Pair, PairId};
use crate::stats::PairState;

/// A packet is not carried on a pair again sooner: one burst is no occasion to repeat what it has just carried.
const REPEAT: Duration = Duration::from_millis(20);

impl Agent {
    /// Says what checks and answers to them carry from now on; `None`: nothing, and what comes is ignored.
    ///
    /// Answers carry it only to checks that did too: whoever sent one without knows nothing of it.
    pub fn attach(&mut self, attachments: Option<Attachments>) {
        self.attachments = attachments.map(|mut attachments| {
            attachments.acks.truncate(MAX_ACKS);
            attachments.packets.retain(|packet| !packet.bytes.is_empty() && packet.bytes.len() <= MAX_PACKET);
            attachments.packets.truncate(MAX_PACKETS);
            Box::new(attachments)
        });
        let packets = self.attachments.as_ref().map_or(&[][..], |attachments| &attachments.packets);
        for pair in self.current.checklist.iter_mut() {
            pair.carried.retain(|(tag, _)| packets.iter().any(|packet| packet.tag == *tag));
        }
    }

    /// When the packet last left on the path, carried by a check or an answer.
    pub fn carried_at(&self, path: Path, tag: u32) -> Option<Instant> {
        self.current.checklist.by_path(path)?.carried_at(tag)
    }

    /// Hands the owner what an authenticated message of the present generation carried, or that it carried nothing.
    pub(crate) fn take_attachments(&mut self, path: Path, message: &Message<'_>) {
        let (packet, acks) = (message.dtls_in_stun(), message.dtls_in_stun_ack());
        if self.attachments.is_none() {
            if packet.is_some_and(|packet| !packet.as_bytes().is_empty()) {
                self.drops.count().attachment += 1;
            }
            return;
        }
        if self.waiting >= MAX_WAITING || packet.is_some_and(|packet| packet.as_bytes().len() > MAX_RECEIVED) {
            self.drops.count().attachment += 1;
            return;
        }
        self.waiting += 1;
        self.events.push_back(Event::Attachment(Received {
            path,
            acks: acks.map(|acks| acks.iter().collect()),
            packet: packet.map(|packet| packet.as_bytes().into()),
        }));
    }

    /// The packet that a check on the pair, sent for the first time, may carry.
    pub(crate) fn packet_for_check(&self, now: Instant, pair: &Pair) -> Option<&Packet> {
        // The first check after an unanswered one is to find out whether the pair works, not whether it carries much.
        if pair.valid.is_some_and(|valid| valid.owed > 1) { None } else { self.packet_for(now, pair) }
    }

    /// The packet that an answer on the pair may carry.
    pub(crate) fn packet_for_answer(&self, now: Instant, pair: &Pair) -> Option<&Packet> {
        // Every other one would get through where nothing long does: the peer's consent hangs on it.
        let alternates = pair.valid.is_some() && !pair.responses_sent.is_multiple_of(2);
        if alternates { None } else { self.packet_for(now, pair) }
    }

    fn packet_for(&self, now: Instant, pair: &Pair) -> Option<&Packet> {
        let attachments = self.attachments.as_ref().filter(|_| self.may_load(pair))?;
        let due = |packet: &&Packet| pair.carried_at(packet.tag).is_none_or(|at| at + REPEAT <= now);
        // `None` is less than any time; of equals the first.
        attachments.packets.iter().filter(due).min_by_key(|packet| pair.carried_at(packet.tag))
    }

    /// What the message carries: the packet, or word that there is none.
    pub(crate) fn load<'a>(&'a self, packet: Option<&'a Packet>) -> Option<Load<'a>> {
        let attachments = self.attachments.as_ref()?;
        let empty = (attachments.unfinished || !attachments.packets.is_empty()).then_some(&[][..]);
        Some(Load { acks: &attachments.acks, packet: packet.map(|packet| &packet.bytes[..]).or(empty) })
    }

    /// Notes that the pair carried the packet.
    pub(crate) fn carried(&mut self, now: Instant, id: PairId, tag: u32) {
        let Some(pair) = self.current.checklist.get_mut(id) else { return };
        pair.carried.retain(|(known, _)| *known != tag);
        pair.carried.push((tag, now));
        if pair.valid.is_none() {
            pair.loads += 1;
            self.current.unproven += 1;
        }
    }

    /// Whether the answer was given before: the peer did not hear it, which may be for its length.
    pub(crate) fn is_repeated(&mut self, path: Path, id: TransactionId) -> bool {
        let pair = self.current.checklist.iter_mut().find(|pair| pair.path == path);
        pair.is_some_and(|pair| pair.answered.replace(id) == Some(id))
    }

    /// A check ahead of its turn, if a likely pair has something new to carry, or a lite peer may have.
    pub(crate) fn send_early(&mut self, now: Instant, slot: &mut Slot<'_>) -> Option<(Path, usize)> {
        let id = self.early_pair().filter(|_| self.early_at() <= now)?;
        let number = self.current.number;
        // Repeated in its turn is the check that the pair has already.
        let check = self.new_check(now, number, id, None);
        let pair = self.current.checklist.get_mut(id)?;
        pair.early += 1;
        pair.push_check(now, check);
        self.early_sent_at = Some(now);
        self.write_check(now, slot, number, id, &check)
    }

    /// When a check ahead of its turn is due.
    pub(crate) fn next_early(&self) -> Option<Instant> {
        self.early_pair().map(|_| self.early_at())
    }

    fn early_at(&self) -> Instant {
        let last = self.paced_at.max(self.early_sent_at);
        last.map_or(self.decided_at, |at| at + self.early_gap())
    }

    fn early_pair(&self) -> Option<PairId> {
        let attachments = self.attachments.as_ref()?;
        let asks = self.remote_lite && attachments.unfinished;
        if !asks && attachments.packets.is_empty() {
            return None;
        }
        self.current.peer.as_ref().filter(|_| !self.own.lite)?;
        // What is proven needs no checks to carry packets, and what was not checked yet will be.
        let waits = |pair: &&Pair| pair.state == PairState::InProgress && pair.valid.is_none() && !pair.is_tcp();
        let mut likely = [None; LIKELY];
        for pair in self.current.checklist.iter().filter(waits).filter(|pair| self.is_up(pair)) {
            let rank = Reverse((pair.claimed, pair.priority));
            let mut candidate = Some((rank, pair.id));
            for place in &mut likely {
                if let Some((rank, _)) = candidate
                    && place.is_none_or(|(other, _)| rank < other)
                {
                    core::mem::swap(place, &mut candidate);
                }
            }
        }
        let has_news = |pair: &&Pair| {
            let news = attachments.packets.iter().any(|packet| pair.carried_at(packet.tag).is_none());
            news && self.may_load(pair) || asks && pair.early < MAX_ASKING
        };
        let pairs = likely.iter().flatten().filter_map(|(_, id)| self.current.checklist.get(*id));
        pairs.filter(has_news).find(|pair| pair.early < MAX_EARLY).map(|pair| pair.id)
    }

    const fn may_load(&self, pair: &Pair) -> bool {
        !pair.spared && (pair.valid.is_some() || pair.loads < MAX_LOADS && self.current.unproven < MAX_UNPROVEN)
    }
}
