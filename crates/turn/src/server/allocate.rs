//! Allocate requests, and the relays they wait for (RFC 8656 §7.2).

use crate::server::Server;
use crate::server::allocation::{Allocation, Binding, Granted, Half, Reserve, State};
use crate::server::counters::Drop;
use crate::server::event::{BindError, Event, Port, RelayId};
use crate::server::policy::canonical;
use crate::server::quota::{Accounts, Full, Seat};
use crate::server::relays::Owner;
use crate::server::request::{Call, Outcome, Reply};
use crate::server::reservation::Reservation;
use crate::server::timers::Timer;
use core::net::SocketAddr;
use peerage_base::redact::Redacted;
use peerage_base::time::{Duration, Instant};
use peerage_stun::attribute::Attribute;
use peerage_stun::attribute::address::AddressFamily;
use peerage_stun::attribute::error_code::ErrorCode;
use peerage_stun::header::Method;
use peerage_stun::message::Message;
use tracing::debug;

/// How long the driver may take to bind a relay.
const BIND: Duration = Duration::from_secs(10);
/// UDP's number in REQUESTED-TRANSPORT.
const UDP: u8 = 17;
const V4: usize = 0;
const V6: usize = 1;

/// What an Allocate asks for.
#[derive(Debug, Default)]
struct Wish {
    transport: Option<u8>,
    family: Option<AddressFamily>,
    additional: Option<AddressFamily>,
    /// EVEN-PORT, and its R bit.
    even: Option<bool>,
    token: Option<[u8; 8]>,
    lifetime: Option<u32>,
}

impl Wish {
    /// The first of each counts (RFC 8489 §14).
    fn read(message: &Message<'_>) -> Self {
        let mut wish = Self::default();
        for attribute in message.attributes() {
            match attribute {
                Attribute::RequestedTransport(protocol) => _ = wish.transport.get_or_insert(protocol),
                Attribute::RequestedAddressFamily(family) => _ = wish.family.get_or_insert(family),
                Attribute::AdditionalAddressFamily(family) => _ = wish.additional.get_or_insert(family),
                Attribute::EvenPort { reserve } => _ = wish.even.get_or_insert(reserve),
                Attribute::ReservationToken(token) => _ = wish.token.get_or_insert(token),
                Attribute::Lifetime(seconds) => _ = wish.lifetime.get_or_insert(seconds),
                _ => {}
            }
        }
        wish
    }

    /// Checks 3, 5, 6, 8 and 9 of RFC 8656 §7.2, and which families are wanted (7).
    fn families(&self) -> Result<[bool; 2], ErrorCode<'static>> {
        match self.transport {
            Some(UDP) => {}
            Some(_) => return Err(ErrorCode::UNSUPPORTED_TRANSPORT_PROTOCOL),
            None => return Err(ErrorCode::BAD_REQUEST),
        }
        let named = self.even.is_some() || self.family.is_some() || self.additional.is_some();
        let contradicts = (self.token.is_some() && named)
            || (self.family.is_some() && self.additional.is_some())
            || (self.even == Some(true) && self.additional.is_some())
            || self.additional.is_some_and(|family| family != AddressFamily::V6);
        match self.family {
            _ if contradicts => Err(ErrorCode::BAD_REQUEST),
            _ if self.additional.is_some() => Ok([true, true]),
            None | Some(AddressFamily::V4) => Ok([true, false]),
            Some(AddressFamily::V6) => Ok([false, true]),
            Some(_) => Err(ErrorCode::ADDRESS_FAMILY_NOT_SUPPORTED),
        }
    }
}

impl Server {
    pub(super) fn allocate(&mut self, call: &Call<'_>) -> Result<Outcome, Drop> {
        if let Some(index) = self.by_path.get(&call.path).copied() {
            return self.again(call, index);
        }
        Ok(self.allocate_new(call))
    }

    /// A retransmission is answered as the first time was; anything else is a mismatch.
    fn again(&self, call: &Call<'_>, index: u32) -> Result<Outcome, Drop> {
        let same = self
            .allocations
            .at(index)
            .filter(|allocation| allocation.id == call.message.transaction_id() && allocation.user == call.proven.user);
        match same {
            Some(allocation) if allocation.is_live() => Ok(Ok(Reply::Allocated(index))),
            Some(_) => Err(Drop::Pending),
            None => Ok(Err(ErrorCode::ALLOCATION_MISMATCH)),
        }
    }

    fn allocate_new(&mut self, call: &Call<'_>) -> Outcome {
        let wish = Wish::read(&call.message);
        let mut wanted = wish.families()?;
        if self.draining {
            return Err(ErrorCode { reason: "Shutting Down", ..ErrorCode::INSUFFICIENT_CAPACITY });
        }
        let lifetime = self.lifetime(call, wish.lifetime);
        if let Some(token) = wish.token {
            return self.claim(call, token, lifetime);
        }
        let mut failure = None;
        for (at, offered) in [self.config.relay_v4, self.config.relay_v6].into_iter().enumerate() {
            if wanted[at] && !offered {
                wanted[at] = false;
                failure = Some((family(at), 440));
            }
        }
        if wanted == [false, false] {
            return Err(ErrorCode::ADDRESS_FAMILY_NOT_SUPPORTED);
        }
        let mut seats = [None, None];
        for (at, seat) in seats.iter_mut().enumerate().filter(|(at, _)| wanted[*at]) {
            match self.seat(call) {
                Ok(taken) => *seat = Some(taken),
                // The second of two may be missing (check 9).
                Err(_) if at == V6 && wanted[V4] => failure = Some((AddressFamily::V6, 508)),
                Err(error) => return Err(error),
            }
        }
        let mut reserve = None;
        if wish.even == Some(true) {
            match self.seat(call) {
                Ok(seat) => reserve = Some(Reserve { seat, relay: None }),
                Err(error) => {
                    // The ledger has to hear of it, lest it keep the account of a name that has nothing.
                    seats.into_iter().flatten().for_each(|seat| self.ledger.vacate(call.now, seat));
                    return Err(error);
                }
            }
        }
        let port = wish.even.map_or(Port::Any, |reserve| if reserve { Port::EvenPair } else { Port::Even });
        let binding = Binding { lifetime, until: call.terms.until, deadline: call.now + BIND, failure, reserve };
        self.begin(call, seats, port, binding);
        Ok(Reply::Later)
    }

    fn seat(&mut self, call: &Call<'_>) -> Result<Seat, ErrorCode<'static>> {
        self.ledger.take(call.proven.name(), call.client.ip()).map_err(|full| match full {
            Full::Share => ErrorCode::ALLOCATION_QUOTA_REACHED,
            Full::Server => ErrorCode::INSUFFICIENT_CAPACITY,
        })
    }

    fn begin(&mut self, call: &Call<'_>, seats: [Option<Seat>; 2], port: Port, binding: Binding) {
        let Some(accounts) = seats.iter().flatten().next().map(Seat::accounts) else { return };
        let index = self.insert(call, accounts, State::Binding(binding));
        for (at, seat) in seats.into_iter().enumerate() {
            let Some(seat) = seat else { continue };
            let v4 = at == V4;
            let relay = self.relays.insert(v4, Owner::Allocation(index));
            self.events.push_back(Event::Bind { relay, v4, port });
            if let Some(allocation) = self.allocations.at_mut(index) {
                allocation.halves[at] = Some(Half { relay, seat, address: None, expires: call.now });
            }
        }
        self.schedule(index);
    }

    /// See [`Server::supply`].
    pub(super) fn bound(&mut self, now: Instant, relay: RelayId, result: Result<SocketAddr, BindError>) {
        let Some(waiting) = self.relays.at(relay).filter(|relay| relay.address.is_none()) else { return };
        let owner = waiting.owner;
        let bound = match result {
            Ok(address) if self.relays.bind(relay, canonical(address)) => Ok(canonical(address)),
            Ok(_) => {
                self.unbind(relay);
                Err(508)
            }
            Err(error) => {
                self.relays.remove(relay);
                Err(if error == BindError::Family { 440 } else { 508 })
            }
        };
        match owner {
            Owner::Allocation(index) => self.half_bound(now, index, relay, bound),
            Owner::Successor(index) => self.successor_bound(now, index, relay, bound),
            Owner::Reservation(_) => {}
        }
    }

    fn half_bound(&mut self, now: Instant, index: u32, relay: RelayId, bound: Result<SocketAddr, u16>) {
        let Some(allocation) = self.allocations.at_mut(index) else { return };
        let Some(at) = allocation.halves.iter().position(|half| half.as_ref().is_some_and(|half| half.relay == relay))
        else {
            return;
        };
        match (bound, &mut allocation.halves[at], &mut allocation.state) {
            (Ok(address), Some(half), _) => half.address = Some(address),
            (Err(code), half, State::Binding(binding)) => {
                // Out of ports is worth another try, and so the better reason.
                let code = binding.failure.map_or(code, |(_, before)| code.max(before));
                binding.failure = Some((family(at), code));
                if let Some(half) = half.take() {
                    self.ledger.vacate(now, half.seat);
                }
            }
            _ => {}
        }
        self.proceed(now, index);
    }

    /// Goes on once every relay is bound or cannot be.
    fn proceed(&mut self, now: Instant, index: u32) {
        let Some(allocation) = self.allocations.at_mut(index) else { return };
        let State::Binding(binding) = &mut allocation.state else { return };
        let mut halves = allocation.halves.iter().flatten();
        let Some(first) = halves.next() else {
            let code = binding.failure.map_or(508, |(_, code)| code);
            return self.fail(now, index, code);
        };
        let Some(address) = first.address else { return };
        if halves.any(|half| half.address.is_none()) {
            return;
        }
        let Some(reserve) = &mut binding.reserve else { return self.grant(now, index, None) };
        let Some(port) = address.port().checked_add(1).filter(|port| !port.is_multiple_of(2)) else {
            return self.fail(now, index, 508);
        };
        let relay = self.relays.insert(address.is_ipv4(), Owner::Successor(index));
        reserve.relay = Some(relay);
        self.events.push_back(Event::Bind { relay, v4: address.is_ipv4(), port: Port::Exact(port) });
    }

    fn successor_bound(&mut self, now: Instant, index: u32, relay: RelayId, bound: Result<SocketAddr, u16>) {
        let Some(allocation) = self.allocations.at_mut(index) else { return self.unbind(relay) };
        let first = allocation.halves.iter().flatten().find_map(|half| half.address);
        let State::Binding(binding) = &mut allocation.state else { return self.unbind(relay) };
        let next = first.and_then(|first| Some(SocketAddr::new(first.ip(), first.port().checked_add(1)?)));
        match (bound, binding.reserve.take()) {
            (Ok(address), Some(reserve)) if Some(address) == next => {
                let user = allocation.user.clone();
                let token = self.reserve(now, relay, reserve.seat, user);
                self.grant(now, index, Some(token));
            }
            (bound, reserve) => {
                if bound.is_ok() {
                    self.unbind(relay);
                }
                if let Some(reserve) = reserve {
                    self.ledger.vacate(now, reserve.seat);
                }
                self.fail(now, index, 508);
            }
        }
    }

    fn grant(&mut self, now: Instant, index: u32, token: Option<[u8; 8]>) {
        let Some(allocation) = self.allocations.at_mut(index) else { return };
        let State::Binding(Binding { lifetime, until, failure, .. }) = allocation.state else { return };
        let lifetime = until.map_or(lifetime, |until| lifetime.min(whole_seconds(until.since(now))));
        allocation.state = State::Live(Granted { lifetime, token, failure });
        for half in allocation.halves.iter_mut().flatten() {
            half.expires = now + lifetime;
        }
        self.counters.allocated += 1;
        let client = Redacted(allocation.path.remote);
        debug!(client = %client, lifetime = lifetime.as_secs(), "allocated");
        self.schedule(index);
        self.tell_allocated(index);
    }

    /// No relay for that request: the client is told, and nothing is left of it.
    pub(super) fn fail(&mut self, now: Instant, index: u32, code: u16) {
        let Some(allocation) = self.end(now, index) else { return };
        let error =
            if code == 440 { ErrorCode::ADDRESS_FAMILY_NOT_SUPPORTED } else { ErrorCode::INSUFFICIENT_CAPACITY };
        self.refuse_id(allocation.path, (Method::ALLOCATE, allocation.id), &allocation.seal, error, &[]);
    }

    /// An allocation on a reserved port.
    fn claim(&mut self, call: &Call<'_>, token: [u8; 8], lifetime: Duration) -> Outcome {
        let mine = self.reservations.get(&token).is_some_and(|kept| kept.user == call.proven.user);
        let kept = mine.then(|| self.reservations.remove(&token)).flatten();
        let Some(Reservation { relay, seat, expires, .. }) = kept else {
            return Err(ErrorCode { reason: "No Such Reservation", ..ErrorCode::INSUFFICIENT_CAPACITY });
        };
        self.timers.cancel(expires, Timer::Reservation(token));
        let state = State::Live(Granted { lifetime, token: None, failure: None });
        let index = self.insert(call, seat.accounts(), state);
        let address = self.relays.at_mut(relay).and_then(|kept| {
            kept.owner = Owner::Allocation(index);
            kept.address
        });
        let half = Half { relay, seat, address, expires: call.now + lifetime };
        if let Some(allocation) = self.allocations.at_mut(index) {
            let at = if address.is_some_and(|address| address.is_ipv6()) { V6 } else { V4 };
            allocation.halves[at] = Some(half);
        }
        self.counters.allocated += 1;
        self.schedule(index);
        Ok(Reply::Allocated(index))
    }

    fn insert(&mut self, call: &Call<'_>, accounts: Accounts, state: State) -> u32 {
        let index = self.allocations.insert(Allocation {
            path: call.path,
            user: call.proven.user.clone(),
            accounts,
            id: call.message.transaction_id(),
            seal: call.proven.seal.clone(),
            state,
            halves: [None, None],
            permissions: Default::default(),
            channels: Default::default(),
            due: None,
        });
        self.by_path.insert(call.path, index);
        self.by_name.insert((accounts.name, index));
        index
    }

    /// The lifetime to grant: what is asked for, but between the default and the longest, and no longer than the
    /// credentials are good.
    pub(super) fn lifetime(&self, call: &Call<'_>, asked: Option<u32>) -> Duration {
        let asked = asked.map_or(Duration::ZERO, |seconds| Duration::from_secs(seconds.into()));
        let lifetime = asked.max(self.config.default_lifetime).min(self.config.max_lifetime);
        let left = call.terms.until.map_or(lifetime, |until| until.since(call.now));
        whole_seconds(lifetime.min(left))
    }
}

/// A lifetime as the client is told it.
fn whole_seconds(lifetime: Duration) -> Duration {
    Duration::from_secs(lifetime.as_secs())
}

fn family(at: usize) -> AddressFamily {
    if at == V4 { AddressFamily::V4 } else { AddressFamily::V6 }
}
