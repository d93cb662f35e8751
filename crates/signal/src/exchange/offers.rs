//! Offers, whatever has become of them.

use super::request::{Refusal, Text};
use super::{RequestId, Settings};
use crate::id::{OfferId, RoomName};
use core::net::IpAddr;
use peerage_base::limit::source_key;
use peerage_base::time::{Instant, earliest};
use std::collections::{BTreeSet, HashMap};

/// How far an offer is.
#[derive(Debug)]
pub(super) enum State {
    /// Nobody has answered. Whoever has it may do so alone until then.
    Open { lent: Option<Instant> },
    /// Somebody has.
    Answered(Text),
    /// It is remembered for those who come late; its texts are gone.
    Over(Refusal),
}

/// An offer under a name.
#[derive(Debug)]
pub(super) struct Offer {
    pub name: RoomName,
    pub offer: Text,
    pub state: State,
    source: u128,
    /// When it ends, or if it is over, is forgotten.
    until: Instant,
    /// Who waits for the answer.
    waiting: Vec<RequestId>,
}

/// All offers.
#[derive(Debug, Default)]
pub(super) struct Offers {
    by_id: HashMap<OfferId, Offer>,
    /// When those that are not over end.
    ends: BTreeSet<(Instant, OfferId)>,
    /// When those that are over are forgotten.
    forgotten: BTreeSet<(Instant, OfferId)>,
    /// When those that somebody has are given to others, too.
    lent: BTreeSet<(Instant, OfferId)>,
    /// How many that are not over each source has.
    sources: HashMap<u128, usize>,
    bytes: usize,
}

impl Offers {
    /// Those that are not over.
    pub fn live(&self) -> usize {
        self.ends.len()
    }

    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn next_due(&self) -> Option<Instant> {
        let first = |set: &BTreeSet<(Instant, OfferId)>| set.first().map(|(at, _)| *at);
        earliest(earliest(first(&self.ends), first(&self.forgotten)), first(&self.lent))
    }

    pub fn get(&self, id: OfferId) -> Option<&Offer> {
        self.by_id.get(&id)
    }

    /// The offer, if it is one of this name.
    pub fn find(&self, name: &RoomName, id: OfferId) -> Result<&Offer, Refusal> {
        self.get(id).filter(|offer| offer.name == *name).ok_or(Refusal::Unknown)
    }

    /// The one among these that says the same.
    pub fn same(&self, among: &[OfferId], text: &Text) -> Option<OfferId> {
        among.iter().copied().find(|id| self.get(*id).is_some_and(|offer| offer.offer == *text))
    }

    pub fn insert(
        &mut self,
        now: Instant,
        settings: &Settings,
        (id, name): (OfferId, RoomName),
        source: IpAddr,
        offer: Text,
    ) -> Result<(), Refusal> {
        let size = offer.text.len();
        if self.live() >= settings.offers || self.bytes + size > settings.bytes {
            return Err(Refusal::Full);
        }
        let source = source_key(source);
        let of_source = self.sources.entry(source).or_default();
        if *of_source >= settings.offers_per_source {
            if *of_source == 0 {
                self.sources.remove(&source);
            }
            return Err(Refusal::TooMany);
        }
        *of_source += 1;
        self.bytes += size;
        let until = now + settings.life;
        self.ends.insert((until, id));
        let state = State::Open { lent: None };
        self.by_id.insert(id, Offer { name, offer, state, source, until, waiting: Vec::new() });
        Ok(())
    }

    /// Somebody still wants the answer to an offer that nobody has answered.
    pub fn renew(&mut self, id: OfferId, until: Instant) {
        if self.get(id).is_some_and(|offer| matches!(offer.state, State::Open { .. })) {
            self.end_at(id, until);
        }
    }

    /// The answer is there.
    pub fn answer(&mut self, settings: &Settings, id: OfferId, answer: Text, until: Instant) -> Result<(), Refusal> {
        if self.bytes + answer.text.len() > settings.bytes {
            return Err(Refusal::Full);
        }
        self.give_back(id);
        if let Some(offer) = self.by_id.get_mut(&id) {
            self.bytes += answer.text.len();
            offer.state = State::Answered(answer);
        }
        self.end_at(id, until);
        Ok(())
    }

    /// Somebody was given the answer: it need not be kept for long.
    pub fn fetched(&mut self, id: OfferId, until: Instant) {
        if let Some(offer) = self.get(id) {
            let until = until.min(offer.until);
            self.end_at(id, until);
        }
    }

    fn end_at(&mut self, id: OfferId, until: Instant) {
        if let Some(offer) = self.by_id.get_mut(&id)
            && self.ends.remove(&(offer.until, id))
        {
            offer.until = until;
            self.ends.insert((until, id));
        }
    }

    /// The next one among these that is to be answered: one whose answer somebody waits for, if there is one. Nobody else
    /// gets it before `until`.
    pub fn lend(&mut self, among: &[OfferId], until: Instant) -> Option<OfferId> {
        let free: Vec<(OfferId, bool)> = among
            .iter()
            .filter_map(|id| Some((*id, self.get(*id)?)))
            .filter(|(_, offer)| matches!(offer.state, State::Open { lent: None }))
            .map(|(id, offer)| (id, !offer.waiting.is_empty()))
            .collect();
        let (id, _) = *free.iter().find(|(_, awaited)| *awaited).or(free.first())?;
        self.by_id.get_mut(&id)?.state = State::Open { lent: Some(until) };
        self.lent.insert((until, id));
        Some(id)
    }

    /// Whoever has the offer does not answer; the name that it is to be given out under.
    pub fn give_back(&mut self, id: OfferId) -> Option<RoomName> {
        let offer = self.by_id.get_mut(&id)?;
        let State::Open { lent } = &mut offer.state else { return None };
        let until = lent.take()?;
        self.lent.remove(&(until, id));
        Some(offer.name.clone())
    }

    /// The name of one that was lent for long enough.
    pub fn next_returned(&mut self, now: Instant) -> Option<RoomName> {
        let (_, id) = *self.lent.first().filter(|(at, _)| *at <= now)?;
        self.give_back(id)
    }

    /// One that is to end. Those that were over for long enough are forgotten.
    pub fn next_ended(&mut self, now: Instant) -> Option<OfferId> {
        while let Some((_, id)) = self.forgotten.first().copied().filter(|(at, _)| *at <= now) {
            self.forget(id);
        }
        self.ends.first().filter(|(at, _)| *at <= now).map(|(_, id)| *id)
    }

    /// Ends one that is not over; its name.
    pub fn end(&mut self, now: Instant, settings: &Settings, id: OfferId, why: Refusal) -> Option<RoomName> {
        self.give_back(id);
        let offer = self.by_id.get_mut(&id)?;
        if !self.ends.remove(&(offer.until, id)) {
            return None;
        }
        self.bytes -= offer.offer.text.len();
        if let State::Answered(answer) = &offer.state {
            self.bytes -= answer.text.len();
        }
        offer.offer.text = "".into();
        offer.state = State::Over(why);
        offer.until = now + settings.memory;
        if let Some(count) = self.sources.get_mut(&offer.source) {
            *count -= 1;
            if *count == 0 {
                self.sources.remove(&offer.source);
            }
        }
        let name = offer.name.clone();
        self.forgotten.insert((offer.until, id));
        if self.forgotten.len() > settings.offers
            && let Some((_, oldest)) = self.forgotten.first().copied()
        {
            self.forget(oldest);
        }
        Some(name)
    }

    fn forget(&mut self, id: OfferId) {
        if let Some(offer) = self.by_id.remove(&id) {
            self.forgotten.remove(&(offer.until, id));
        }
    }

    pub fn listen(&mut self, id: OfferId, request: RequestId) {
        if let Some(offer) = self.by_id.get_mut(&id) {
            offer.waiting.push(request);
        }
    }

    pub fn unlisten(&mut self, id: OfferId, request: RequestId) {
        if let Some(offer) = self.by_id.get_mut(&id) {
            offer.waiting.retain(|waiting| *waiting != request);
        }
    }

    /// Who waits for the answer.
    pub fn waiting(&self, id: OfferId) -> Vec<RequestId> {
        self.get(id).map(|offer| offer.waiting.clone()).unwrap_or_default()
    }
}
