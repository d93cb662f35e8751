//! Allocate responses (RFC 8656 §7.3, §7.4).

use core::net::SocketAddr;

use peerage_base::time::{Duration, Instant};
use peerage_stun::attribute::Attribute;
use peerage_stun::attribute::address::AddressFamily;
use peerage_stun::attribute::error_code::ErrorCode;
use peerage_stun::message::Message;

use crate::client::config::Families;
use crate::client::event::{Event, Failure};
use crate::client::machine::{Allocation, Client, State};
use crate::client::request::Refusal;

/// Longest lifetime believed. A server that lost its memory is found out by a Refresh.
const MAX_LIFETIME: Duration = Duration::from_secs(3600);

impl Client {
    /// There is an allocation.
    pub(crate) fn allocated(&mut self, now: Instant, response: &Message<'_>) {
        let (mut v4, mut v6) = (None, None);
        for attribute in response.attributes() {
            if let Attribute::XorRelayedAddress(relayed) = attribute {
                let place = if relayed.is_ipv4() { &mut v4 } else { &mut v6 };
                place.get_or_insert(relayed);
            }
        }
        let usable = |relayed: &SocketAddr| relayed.port() != 0 && !relayed.ip().is_unspecified();
        let relayed = [v4, v6].into_iter().flatten();
        let (Some(mapped), Some(lifetime)) = (response.xor_mapped_address(), lifetime(response)) else {
            return self.fail(Failure::Malformed);
        };
        if v4.or(v6).is_none() || !relayed.clone().all(|relayed| usable(&relayed)) {
            return self.fail(Failure::Malformed);
        }
        self.events.extend(relayed.map(|relayed| Event::Allocated { relayed, mapped }));
        if self.config.families == Families::Both && (v4.is_none() || v6.is_none()) {
            self.events.push_back(missing_family(response, v6.is_none()));
        }
        let refresh = Some(now + refresh_after(lifetime));
        let expires = now + lifetime;
        let allocation = Allocation { v4, v6, expires, refresh, refresh_began: now, heard: now, failure: None };
        self.state = State::Allocated(allocation);
    }

    /// There is none.
    pub(crate) fn allocation_refused(&mut self, refusal: &Refusal) {
        self.fail(failure(refusal));
    }

    /// Another server is to be asked (RFC 8489 §10).
    pub(crate) fn redirected(&mut self, response: &Message<'_>) {
        let alternates = || {
            response.attributes().filter_map(|attribute| match attribute {
                Attribute::AlternateServer(server) => Some(server),
                _ => None,
            })
        };
        let domain = response.attributes().find_map(|attribute| match attribute {
            Attribute::AlternateDomain(domain) => Some(domain.into()),
            _ => None,
        });
        let same_family = |server: &SocketAddr| server.is_ipv4() == self.server.is_ipv4();
        match alternates().find(same_family).or_else(|| alternates().next()) {
            Some(server) if server != self.server => self.end(Event::Redirect { server, domain }),
            _ => self.fail(failure(&Refusal::Code(
                ErrorCode::TRY_ALTERNATE.code,
                response.error_code().map_or("", |error| error.reason).into(),
            ))),
        }
    }
}

/// What the server grants; `None` if it says nothing or nothing is left of it.
pub(crate) fn lifetime(response: &Message<'_>) -> Option<Duration> {
    let lifetime = Duration::from_secs(response.lifetime()?.into());
    (!lifetime.is_zero()).then_some(lifetime.min(MAX_LIFETIME))
}

/// A minute before the end, so that a Refresh can be repeated to the last (RFC 8656 §8); half of what is short.
pub(crate) fn refresh_after(lifetime: Duration) -> Duration {
    let margin = Duration::from_secs(60);
    if lifetime >= 2 * margin { lifetime - margin } else { lifetime / 2 }
}

/// What it means for the owner that a request for the allocation itself came to nothing.
pub(crate) fn failure(refusal: &Refusal) -> Failure {
    match refusal {
        Refusal::Code(code, _) if *code == ErrorCode::ALLOCATION_MISMATCH.code => Failure::Mismatch,
        Refusal::Code(code, reason) if *code == ErrorCode::UNAUTHENTICATED.code => {
            Failure::Unauthorized { reason: reason.clone() }
        }
        Refusal::Code(code, reason) => Failure::Refused { code: *code, reason: reason.clone() },
        Refusal::Timeout => Failure::Timeout,
        Refusal::Integrity => Failure::Integrity,
        Refusal::BidDown => Failure::BidDown,
        Refusal::Algorithms => Failure::Algorithms,
    }
}

/// Why one of two families is not there. A server that knows nothing of two does not say.
fn missing_family(response: &Message<'_>, v6: bool) -> Event {
    let family = if v6 { AddressFamily::V6 } else { AddressFamily::V4 };
    let error = response.attributes().find_map(|attribute| match attribute {
        Attribute::AddressErrorCode(of, error) if of == family => Some(error),
        _ => None,
    });
    let error = error.unwrap_or(ErrorCode { reason: "", ..ErrorCode::ADDRESS_FAMILY_NOT_SUPPORTED });
    Event::FamilyRefused { v6, code: error.code, reason: error.reason.into() }
}
