//! The server's half of signalling by plain HTTP: offers wait under a name for their answers. A machine without sockets.
//!
//! The driver reports requests, those that were given up, and time; each request gets one [`Reply`], at once or when its
//! wait is over, to be drained after every call. Nothing here grows without limit: names, offers, bytes and waiting
//! requests have bounds in [`Settings`].

mod offers;
pub mod request;
mod settings;
mod waits;

pub use settings::Settings;

use crate::access::AccessToken;
use crate::id::{OfferId, RoomName};
use core::net::IpAddr;
use offers::{Offers, State};
use peerage_base::limit::Limiter;
use peerage_base::rng::Rng;
use peerage_base::time::{Instant, earliest};
use request::{Refusal, Reply, Request, TEXT_MAX, Text};
use std::collections::{BTreeSet, HashMap, VecDeque};
use waits::{Wait, Waits};

/// A request that was made; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(u64);

/// All offers of a server.
#[derive(Debug)]
pub struct Exchange {
    settings: Settings,
    rng: Rng,
    requests: Limiter,
    names: HashMap<RoomName, Place>,
    /// Until when names that are not in use are kept.
    kept: BTreeSet<(Instant, RoomName)>,
    offers: Offers,
    waits: Waits,
    next: u64,
    output: VecDeque<(RequestId, Reply)>,
}

/// What there is under one name.
#[derive(Debug, Default)]
struct Place {
    /// Offers that are not over, in the order in which they came.
    offers: Vec<OfferId>,
    /// Who waits for offers, in the order in which they came.
    takers: VecDeque<RequestId>,
    /// How many wait for answers.
    offerers: usize,
    /// Until when it is there without being used.
    until: Option<Instant>,
}

impl Place {
    fn is_unused(&self) -> bool {
        self.offers.is_empty() && self.takers.is_empty() && self.until.is_none()
    }
}

impl Exchange {
    /// No offers yet. Their names are drawn from `rng`.
    pub fn new(settings: Settings, mut rng: Rng) -> Self {
        let requests = Limiter::new(settings.request_rate, 14, &mut rng);
        Self {
            settings,
            rng,
            requests,
            names: HashMap::new(),
            kept: BTreeSet::new(),
            offers: Offers::default(),
            waits: Waits::default(),
            next: 0,
            output: VecDeque::new(),
        }
    }

    /// Somebody at `source` wants something. The reply to it comes by [`poll_output`](Self::poll_output).
    pub fn handle_request(&mut self, now: Instant, source: IpAddr, request: Request) -> RequestId {
        let id = RequestId(self.next);
        self.next += 1;
        let done = if self.requests.allow(now, source) {
            match request {
                Request::Offer { name, offer, wait, token } => {
                    let wait = wait.min(self.settings.longest_wait);
                    let kept = self.keep(now, source, &name, offer, token.as_ref());
                    kept.and_then(|offer| self.await_answer(now, id, offer, now + wait))
                }
                Request::Take { name, wait, token } => {
                    let wait = wait.min(self.settings.longest_wait);
                    self.take(now, id, name, now + wait, token.as_ref())
                }
                Request::Answer { name, offer, answer } => self.answer(now, id, &name, offer, answer),
                Request::Await { name, offer, wait } => {
                    let wait = wait.min(self.settings.longest_wait);
                    let known = self.offers.find(&name, offer).map(|_| ());
                    known.and_then(|()| self.await_answer(now, id, offer, now + wait))
                }
                Request::Withdraw { name, offer } => self.withdraw(now, id, &name, offer),
            }
        } else {
            Err(Refusal::TooMany)
        };
        if let Err(refusal) = done {
            self.output.push_back((id, Reply::Refused(refusal)));
        }
        id
    }

    /// Whoever made the request is gone, and so its reply leads nowhere.
    pub fn handle_cancel(&mut self, request: RequestId) {
        self.stop_waiting(request);
    }

    /// An offer that was given to a request that is gone: the next one gets it.
    pub fn handle_undelivered(&mut self, now: Instant, offer: OfferId) {
        if let Some(name) = self.offers.give_back(offer) {
            self.hand_out(now, &name);
        }
    }

    /// Does what is due at `now`. Early or repeated calls are harmless.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(request) = self.waits.due(now) {
            match self.stop_waiting(request) {
                Some(Wait::Offers(_)) => self.output.push_back((request, Reply::Nobody)),
                Some(Wait::Answer(_, offer)) => self.output.push_back((request, Reply::Kept(offer))),
                None => {}
            }
        }
        while let Some(name) = self.offers.next_returned(now) {
            self.hand_out(now, &name);
        }
        while let Some(offer) = self.offers.next_ended(now) {
            self.end(now, offer, Refusal::Expired);
        }
        while let Some((at, name)) = self.kept.first().cloned().filter(|(at, _)| *at <= now) {
            self.kept.remove(&(at, name.clone()));
            if let Some(place) = self.names.get_mut(&name) {
                place.until = None;
            }
            self.tidy(&name);
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is next due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let kept = self.kept.first().map(|(at, _)| *at);
        [self.waits.next_due(), self.offers.next_due()].into_iter().fold(kept, earliest)
    }

    /// The next reply; `None` once everything has been handed out.
    pub fn poll_output(&mut self) -> Option<(RequestId, Reply)> {
        self.output.pop_front()
    }

    /// Offers that are not over.
    pub fn offer_count(&self) -> usize {
        self.offers.live()
    }

    /// Requests that wait.
    pub fn wait_count(&self) -> usize {
        self.waits.len()
    }

    /// Names, bytes of texts, and everything else that is held: nothing, once all is over and forgotten.
    pub fn held(&self) -> (usize, usize, usize) {
        (self.names.len(), self.offers.bytes(), self.offers.len())
    }

    /// Keeps an offer, or finds it again, and gives it to whoever waits for one.
    fn keep(
        &mut self,
        now: Instant,
        source: IpAddr,
        name: &RoomName,
        offer: Text,
        token: Option<&AccessToken>,
    ) -> Result<OfferId, Refusal> {
        check(&offer)?;
        self.open(now, name, token)?;
        let result = self.find_or_keep(now, source, name, offer);
        self.tidy(name);
        result
    }

    fn find_or_keep(&mut self, now: Instant, source: IpAddr, name: &RoomName, offer: Text) -> Result<OfferId, Refusal> {
        let Some(place) = self.names.get_mut(name) else { return Err(Refusal::Full) };
        if let Some(known) = self.offers.same(&place.offers, &offer) {
            self.offers.renew(known, now + self.settings.life);
            return Ok(known);
        }
        if place.offers.len() >= self.settings.offers_per_name {
            return Err(Refusal::Full);
        }
        let id = OfferId::generate(&mut self.rng);
        self.offers.insert(now, &self.settings, (id, name.clone()), source, offer)?;
        place.offers.push(id);
        self.hand_out(now, name);
        Ok(id)
    }

    fn take(
        &mut self,
        now: Instant,
        id: RequestId,
        name: RoomName,
        until: Instant,
        token: Option<&AccessToken>,
    ) -> Result<(), Refusal> {
        self.open(now, &name, token)?;
        let result = self.give_or_wait(now, id, &name, until);
        self.tidy(&name);
        result
    }

    fn give_or_wait(&mut self, now: Instant, id: RequestId, name: &RoomName, until: Instant) -> Result<(), Refusal> {
        let Some(place) = self.names.get_mut(name) else { return Err(Refusal::Full) };
        if let Some(offer) = self.offers.lend(&place.offers, now + self.settings.lease) {
            self.give(id, offer);
        } else if until <= now {
            self.output.push_back((id, Reply::Nobody));
        } else if place.takers.len() + place.offerers >= self.settings.waits_per_name {
            return Err(Refusal::Full);
        } else {
            self.waits.insert(&self.settings, id, Wait::Offers(name.clone()), until)?;
            place.takers.push_back(id);
        }
        Ok(())
    }

    fn answer(
        &mut self,
        now: Instant,
        id: RequestId,
        name: &RoomName,
        offer: OfferId,
        answer: Text,
    ) -> Result<(), Refusal> {
        check(&answer)?;
        match &self.offers.find(name, offer)?.state {
            State::Open { .. } => {}
            // Whoever did not hear that it was taken says it again.
            State::Answered(known) if *known == answer => {
                self.output.push_back((id, Reply::Answered));
                return Ok(());
            }
            State::Answered(_) => return Err(Refusal::Answered),
            State::Over(why) => return Err(*why),
        }
        self.offers.answer(&self.settings, offer, answer.clone(), now + self.settings.life)?;
        self.output.push_back((id, Reply::Answered));
        let waiting = self.offers.waiting(offer);
        if !waiting.is_empty() {
            self.offers.fetched(offer, now + self.settings.afterwards);
        }
        for request in waiting {
            self.stop_waiting(request);
            self.output.push_back((request, Reply::Answer(offer, answer.clone())));
        }
        Ok(())
    }

    fn await_answer(&mut self, now: Instant, id: RequestId, offer: OfferId, until: Instant) -> Result<(), Refusal> {
        let Some(known) = self.offers.get(offer) else { return Err(Refusal::Unknown) };
        let name = known.name.clone();
        match &known.state {
            State::Over(why) => return Err(*why),
            State::Answered(answer) => {
                self.output.push_back((id, Reply::Answer(offer, answer.clone())));
                self.offers.fetched(offer, now + self.settings.afterwards);
            }
            State::Open { .. } if until <= now => self.output.push_back((id, Reply::Kept(offer))),
            State::Open { .. } => {
                let Some(place) = self.names.get_mut(&name) else { return Err(Refusal::Unknown) };
                if place.takers.len() + place.offerers >= self.settings.waits_per_name {
                    return Err(Refusal::Full);
                }
                self.waits.insert(&self.settings, id, Wait::Answer(name, offer), until)?;
                place.offerers += 1;
                self.offers.listen(offer, id);
            }
        }
        Ok(())
    }

    fn withdraw(&mut self, now: Instant, id: RequestId, name: &RoomName, offer: OfferId) -> Result<(), Refusal> {
        if let State::Over(why) = self.offers.find(name, offer)?.state {
            return Err(why);
        }
        self.end(now, offer, Refusal::Withdrawn);
        self.output.push_back((id, Reply::Withdrawn));
        Ok(())
    }

    /// Makes sure that there is a place of this name, which not everybody may begin.
    fn open(&mut self, now: Instant, name: &RoomName, token: Option<&AccessToken>) -> Result<(), Refusal> {
        let may_begin = self.settings.access.admits(token);
        if !self.names.contains_key(name) {
            if !may_begin {
                return Err(Refusal::Forbidden);
            }
            if self.names.len() >= self.settings.names {
                return Err(Refusal::Full);
            }
        }
        let place = self.names.entry(name.clone()).or_default();
        // Others find it open for as long as an offer lives, even while nobody waits there.
        if may_begin && !self.settings.access.is_empty() {
            let until = now + self.settings.life;
            if let Some(before) = place.until.replace(until) {
                self.kept.remove(&(before, name.clone()));
            }
            self.kept.insert((until, name.clone()));
        }
        Ok(())
    }

    /// Forgets a name that nobody uses.
    fn tidy(&mut self, name: &RoomName) {
        if self.names.get(name).is_some_and(Place::is_unused) {
            self.names.remove(name);
        }
    }

    /// Gives offers to those who wait for them.
    fn hand_out(&mut self, now: Instant, name: &RoomName) {
        while let Some(place) = self.names.get_mut(name)
            && let Some(taker) = place.takers.front().copied()
            && let Some(offer) = self.offers.lend(&place.offers, now + self.settings.lease)
        {
            self.stop_waiting(taker);
            self.give(taker, offer);
        }
    }

    fn give(&mut self, to: RequestId, offer: OfferId) {
        if let Some(known) = self.offers.get(offer) {
            self.output.push_back((to, Reply::Offer(offer, known.offer.clone())));
        }
    }

    /// An offer is over; whoever waits for its answer is told.
    fn end(&mut self, now: Instant, offer: OfferId, why: Refusal) {
        for request in self.offers.waiting(offer) {
            self.stop_waiting(request);
            self.output.push_back((request, Reply::Refused(why)));
        }
        if let Some(name) = self.offers.end(now, &self.settings, offer, why) {
            if let Some(place) = self.names.get_mut(&name) {
                place.offers.retain(|known| *known != offer);
            }
            self.tidy(&name);
        }
    }

    /// Takes a request out of those that wait.
    fn stop_waiting(&mut self, request: RequestId) -> Option<Wait> {
        let wait = self.waits.remove(request)?;
        match &wait {
            Wait::Offers(name) => {
                if let Some(place) = self.names.get_mut(name) {
                    place.takers.retain(|taker| *taker != request);
                }
                self.tidy(name);
            }
            Wait::Answer(name, offer) => {
                self.offers.unlisten(*offer, request);
                if let Some(place) = self.names.get_mut(name) {
                    place.offerers -= 1;
                }
            }
        }
        Some(wait)
    }
}

fn check(text: &Text) -> Result<(), Refusal> {
    if text.text.trim().is_empty() {
        return Err(Refusal::Empty);
    }
    if text.text.len() > TEXT_MAX { Err(Refusal::TooLong) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
