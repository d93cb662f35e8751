//! Credentials for the relay: only for peers that are present together, and only as long as they are.

use super::{ConnId, Output, Room, Rooms};
use crate::id::{PeerId, RoomName};
use peerage_base::time::{Duration, Instant};

/// No shorter interval is kept, whatever the settings say.
const MIN_INTERVAL: Duration = Duration::from_secs(1);

impl Rooms {
    /// A peer came or came back. The second one present brings credentials for everybody; later ones get their own.
    pub(super) fn grant_on_arrival(&mut self, now: Instant, name: &RoomName, peer: PeerId) {
        let Some(interval) = self.settings.grant_interval else { return };
        let Some(room) = self.rooms.get_mut(name).filter(|room| room.is_for_relay()) else { return };
        let is_first = room.next_grant.is_none();
        if is_first {
            let at = now + interval.max(MIN_INTERVAL);
            room.next_grant = Some(at);
            self.grants.insert((at, name.clone()));
        }
        let to = room.grantees(|id| is_first || id == peer);
        self.grant(name, to);
    }

    /// A peer went: nothing is renewed for one that is alone.
    pub(super) fn pause_grants(&mut self, name: &RoomName) {
        let Some(room) = self.rooms.get_mut(name).filter(|room| room.present() < 2) else { return };
        if let Some(at) = room.next_grant.take() {
            self.grants.remove(&(at, name.clone()));
        }
    }

    /// Renews what is due.
    pub(super) fn grant_again(&mut self, now: Instant) {
        let Some(interval) = self.settings.grant_interval else { return };
        while self.grants.first().is_some_and(|(at, _)| *at <= now) {
            let Some((_, name)) = self.grants.pop_first() else { return };
            let Some(room) = self.rooms.get_mut(&name) else { continue };
            let at = now + interval.max(MIN_INTERVAL);
            room.next_grant = Some(at);
            self.grants.insert((at, name.clone()));
            let to = room.grantees(|_| true);
            self.grant(&name, to);
        }
    }

    fn grant(&mut self, name: &RoomName, to: Vec<ConnId>) {
        if to.is_empty() {
            return;
        }
        if let Some(room) = self.rooms.get_mut(name) {
            room.granted = true;
        }
        self.output.push_back(Output::Grant(name.clone(), to));
    }
}

impl Room {
    /// Whether its members may need the relay. At a nameplate nobody connects.
    fn is_for_relay(&self) -> bool {
        self.mailbox.is_none() && self.present() >= 2
    }

    /// Members that have a connection.
    pub(super) fn present(&self) -> usize {
        self.members.iter().filter(|member| member.conn().is_some()).count()
    }

    fn grantees(&self, wanted: impl Fn(PeerId) -> bool) -> Vec<ConnId> {
        let known = self.members.iter().filter(|member| member.accepts_grants && wanted(member.id));
        known.filter_map(|member| member.conn()).collect()
    }
}

#[cfg(test)]
mod tests;
