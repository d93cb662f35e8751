//! Responses: challenges, stale nonces, and whether to believe the rest (RFC 8489 §9.2.5).

use peerage_base::time::Instant;
use peerage_stun::attribute::error_code::ErrorCode;
use peerage_stun::header::Class;
use peerage_stun::message::Message;

use crate::client::auth::{Challenge, Unmet, is_bid_down};
use crate::client::event::Failure;
use crate::client::machine::{Client, State};
use crate::client::request::{Kind, Refusal, Request};

/// Most challenges taken up: the first, and two from servers that change their minds.
const MAX_CHALLENGES: u8 = 3;
/// Most nonces that may be stale in a row for one request.
const MAX_STALE: u8 = 3;

const TRY_ALTERNATE: u16 = ErrorCode::TRY_ALTERNATE.code;
const BAD_REQUEST: u16 = ErrorCode::BAD_REQUEST.code;
const UNAUTHENTICATED: u16 = ErrorCode::UNAUTHENTICATED.code;
const MISMATCH: u16 = ErrorCode::ALLOCATION_MISMATCH.code;
const STALE_NONCE: u16 = ErrorCode::STALE_NONCE.code;

impl Client {
    /// Takes a response.
    pub(crate) fn respond(&mut self, now: Instant, response: &Message<'_>) {
        let error = match response.class() {
            Class::Success => None,
            _ => response.error_code(),
        };
        if error.is_none() && response.class() == Class::Error {
            self.counters.garbage += 1;
        } else if self.requests.find(response).is_none() {
            self.counters.unexpected += 1;
        } else {
            match error {
                Some(error) if error.code == UNAUTHENTICATED => self.challenged(now, response, error),
                Some(error) if error.code == STALE_NONCE => self.stale(now, response, error),
                _ => self.answered(now, response, error),
            }
        }
    }

    /// A request came to nothing.
    pub(crate) fn refused(&mut self, now: Instant, request: Request, refusal: &Refusal) {
        tracing::debug!(kind = request.kind.name(), code = refusal.code().0, "a request came to nothing");
        match request.kind {
            Kind::Allocate => self.allocation_refused(refusal),
            Kind::Refresh => self.refresh_refused(now, refusal),
            Kind::Delete => self.deleted(),
            Kind::Permit(peers) => self.permissions_refused(now, &peers, refusal),
            Kind::Bind { number, peer } => self.bind_refused(now, number, peer, refusal),
        }
    }

    fn succeeded(&mut self, now: Instant, request: Request, response: &Message<'_>) {
        match request.kind {
            Kind::Allocate => self.allocated(now, response),
            Kind::Refresh => self.refreshed(now, response),
            Kind::Delete => self.deleted(),
            Kind::Permit(peers) => self.permissions_granted(now, &peers),
            Kind::Bind { number, peer } => self.bound(now, number, peer),
        }
    }

    /// 401. Only the first is a matter of course; nobody vouches for any of them.
    fn challenged(&mut self, now: Instant, response: &Message<'_>, error: ErrorCode<'_>) {
        let generation = self.challenge.as_ref().map_or(0, |challenge| challenge.generation() + 1);
        let read = Challenge::read(response, &self.config, generation);
        let Some(request) = self.requests.find(response) else { return };
        let refusal = Refusal::Code(error.code, error.reason.into());
        if let State::Allocating { challenges } = &mut self.state
            && *challenges < MAX_CHALLENGES
        {
            match read {
                Ok(new) if self.challenge.as_ref().is_none_or(|old| old.differs(&new)) => {
                    *challenges += 1;
                    self.challenge = Some(new);
                    self.again(now, response, 0);
                }
                Ok(_) => request.doubt_soon(now, refusal),
                Err(Unmet::Incomplete) => self.counters.garbage += 1,
                Err(Unmet::BidDown) => request.doubt_soon(now, Refusal::BidDown),
                Err(Unmet::Algorithms) => request.doubt_soon(now, Refusal::Algorithms),
            }
        } else {
            request.doubt_soon(now, refusal);
        }
    }

    /// 438: the same again with another nonce, once for each nonce.
    fn stale(&mut self, now: Instant, response: &Message<'_>, error: ErrorCode<'_>) {
        let Some(request) = self.requests.find(response) else { return };
        let (Some(challenge), Some(generation)) = (&mut self.challenge, request.generation) else {
            self.counters.garbage += 1;
            return;
        };
        let stale = request.stale + 1;
        if stale > MAX_STALE {
            request.doubt_soon(now, Refusal::Code(error.code, error.reason.into()));
        } else if generation < challenge.generation() || challenge.renew(response) {
            self.again(now, response, stale);
        } else {
            self.counters.forged += 1;
        }
    }

    /// Asks the same once more with the present challenge.
    fn again(&mut self, now: Instant, response: &Message<'_>, stale: u8) {
        if let Some(request) = self.requests.take(response) {
            self.begin(now, request.kind, stale);
        }
    }

    /// Success, or any other error.
    fn answered(&mut self, now: Instant, response: &Message<'_>, error: Option<ErrorCode<'_>>) {
        if is_bid_down(response) || !self.is_believed(now, response, error) {
            self.counters.forged += 1;
            return;
        }
        let Some(request) = self.requests.take(response) else { return };
        if let State::Allocated(allocation) = &mut self.state {
            allocation.heard = now;
        }
        let Some(error) = error else { return self.succeeded(now, request, response) };
        let about_allocation = matches!(request.kind, Kind::Refresh | Kind::Permit(_) | Kind::Bind { .. });
        match error.code {
            TRY_ALTERNATE if request.kind == Kind::Allocate => self.redirected(response),
            MISMATCH if about_allocation => self.fail(Failure::Lost),
            code => self.refused(now, request, &Refusal::Code(code, error.reason.into())),
        }
    }

    /// Whether the response is the server's: authentic, or one that cannot be. What is not believed is noted as what the
    /// request will have come to if nothing better arrives.
    fn is_believed(&mut self, now: Instant, response: &Message<'_>, error: Option<ErrorCode<'_>>) -> bool {
        // Without credentials there is nothing to tell a server by.
        let anonymous = self.challenge.is_none() && self.config.username.is_empty();
        let authentic = self.challenge.as_ref().is_some_and(|challenge| challenge.verify(response).is_some());
        let Some(request) = self.requests.find(response) else { return false };
        let signed = request.generation.is_some();
        if anonymous || (signed && authentic) {
            return true;
        }
        match error {
            // A server that is leaving, or that balances load, may know no keys (RFC 8489 §10).
            Some(error) if error.code == TRY_ALTERNATE && request.kind == Kind::Allocate => return true,
            // To be dropped as if it had never come (RFC 8489 §9.2.5).
            Some(error) if error.code == BAD_REQUEST => request.doubt_late(Refusal::Integrity),
            Some(error) if !signed || self.config.reliable => {
                request.doubt_soon(now, Refusal::Code(error.code, error.reason.into()));
            }
            Some(error) => request.doubt_late(Refusal::Code(error.code, error.reason.into())),
            None if self.config.reliable => request.doubt_soon(now, Refusal::Integrity),
            None => request.doubt_late(Refusal::Integrity),
        }
        false
    }
}
