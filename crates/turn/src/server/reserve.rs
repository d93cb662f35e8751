//! Reserved ports (RFC 8656 §7.2): each has a seat, a deadline and an owner, so that none is left behind.

use crate::server::Server;
use crate::server::event::RelayId;
use crate::server::quota::Seat;
use crate::server::relays::Owner;
use crate::server::reservation::Reservation;
use crate::server::timers::Timer;
use alloc::boxed::Box;
use peerage_base::time::Instant;

impl Server {
    /// Reserves a bound relay and names it.
    pub(super) fn reserve(&mut self, now: Instant, relay: RelayId, seat: Seat, user: Box<str>) -> [u8; 8] {
        let mut token = self.rng.bytes();
        while self.reservations.contains_key(&token) {
            token = self.rng.bytes();
        }
        if let Some(relay) = self.relays.at_mut(relay) {
            relay.owner = Owner::Reservation(token);
        }
        let expires = now + self.config.reservation;
        self.timers.start(expires, Timer::Reservation(token));
        self.reservations.insert(token, Reservation { relay, seat, user, expires });
        token
    }

    /// Gives a reserved port back.
    pub(super) fn unreserve(&mut self, now: Instant, token: [u8; 8]) {
        let Some(Reservation { relay, seat, expires, .. }) = self.reservations.remove(&token) else { return };
        self.timers.cancel(expires, Timer::Reservation(token));
        self.unbind(relay);
        self.ledger.vacate(now, seat);
        self.counters.unclaimed += 1;
    }
}
