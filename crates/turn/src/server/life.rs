//! How allocations end: by time, by their client, by their name, with the server.

use crate::server::Server;
use crate::server::allocation::{Allocation, Half, State};
use crate::server::event::{Event, RelayId};
use crate::server::timers::Timer;
use alloc::vec::Vec;
use peerage_base::time::Instant;

impl Server {
    /// Does what is due.
    pub(super) fn expire(&mut self, now: Instant) {
        while let Some(timer) = self.timers.pop(now) {
            match timer {
                Timer::Allocation(index) => self.expire_allocation(now, index),
                Timer::Reservation(token) => self.unreserve(now, token),
            }
        }
        self.names.expire(now);
        self.ledger.expire(now);
    }

    fn expire_allocation(&mut self, now: Instant, index: u32) {
        let Some(allocation) = self.allocations.at_mut(index) else { return };
        allocation.due = None;
        if let State::Binding(binding) = &allocation.state {
            if binding.deadline <= now {
                return self.fail(now, index, 508);
            }
        } else {
            for v4 in [true, false] {
                if self.allocations.at(index).and_then(|a| a.half(v4)).is_some_and(|half| half.expires <= now) {
                    self.counters.expired += u64::from(self.end_half(now, index, v4));
                }
            }
        }
        self.schedule(index);
    }

    /// Ends one relay of an allocation, with what depends on it; whether that was the last.
    pub(super) fn end_half(&mut self, now: Instant, index: u32, v4: bool) -> bool {
        let Some(allocation) = self.allocations.at_mut(index) else { return false };
        if let Some(Half { relay, seat, .. }) = allocation.halves[usize::from(!v4)].take() {
            allocation.permissions.forget_family(v4);
            allocation.channels.forget_family(v4);
            self.unbind(relay);
            self.ledger.vacate(now, seat);
        }
        let last = self.allocations.at(index).is_some_and(|left| left.halves.iter().all(Option::is_none));
        if last {
            self.end(now, index);
        }
        last
    }

    /// Ends an allocation with all it has.
    pub(super) fn end(&mut self, now: Instant, index: u32) -> Option<Allocation> {
        let mut allocation = self.allocations.remove(index)?;
        if let Some(due) = allocation.due.take() {
            self.timers.cancel(due, Timer::Allocation(index));
        }
        self.by_path.remove(&allocation.path);
        self.by_name.remove(&(allocation.accounts.name, index));
        for Half { relay, seat, .. } in allocation.halves.iter_mut().filter_map(Option::take) {
            self.unbind(relay);
            self.ledger.vacate(now, seat);
        }
        if let State::Binding(binding) = &mut allocation.state
            && let Some(reserve) = binding.reserve.take()
        {
            reserve.relay.into_iter().for_each(|relay| self.unbind(relay));
            self.ledger.vacate(now, reserve.seat);
        }
        Some(allocation)
    }

    /// Gives a socket back, bound or not yet.
    pub(super) fn unbind(&mut self, relay: RelayId) {
        if self.relays.remove(relay).is_some() {
            self.events.push_back(Event::Unbind(relay));
        }
    }

    /// Puts an allocation where it belongs in the queue of timers.
    pub(super) fn schedule(&mut self, index: u32) {
        let Some(allocation) = self.allocations.at_mut(index) else { return };
        let due = allocation.deadline();
        let before = core::mem::replace(&mut allocation.due, due);
        if before == due {
            return;
        }
        if let Some(at) = before {
            self.timers.cancel(at, Timer::Allocation(index));
        }
        if let Some(at) = due {
            self.timers.start(at, Timer::Allocation(index));
        }
    }

    /// Ends what a name has.
    pub(super) fn end_name(&mut self, now: Instant, name: &str) {
        let Some(account) = self.ledger.account_of(name) else { return };
        for index in self.allocations_of(account) {
            self.counters.revoked += u64::from(self.end(now, index).is_some());
        }
        let reserved = self.reservations.iter().filter(|(_, kept)| kept.seat.accounts().name == account);
        let tokens: Vec<_> = reserved.map(|(token, _)| *token).collect();
        tokens.into_iter().for_each(|token| self.unreserve(now, token));
    }

    /// No allocation of a name lives longer than until then.
    pub(super) fn shorten(&mut self, name: &str, until: Instant) {
        let Some(account) = self.ledger.account_of(name) else { return };
        for index in self.allocations_of(account) {
            if let Some(allocation) = self.allocations.at_mut(index) {
                for half in allocation.halves.iter_mut().flatten() {
                    half.expires = half.expires.min(until);
                }
                if let State::Binding(binding) = &mut allocation.state {
                    binding.until = Some(binding.until.map_or(until, |before| before.min(until)));
                }
            }
            self.schedule(index);
        }
    }

    fn allocations_of(&self, account: u32) -> Vec<u32> {
        self.by_name.range((account, 0)..=(account, u32::MAX)).map(|(_, index)| *index).collect()
    }
}
