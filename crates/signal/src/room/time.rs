//! What happens by itself.

use super::{Refusal, Rooms};
use crate::message::ErrorCode;
use peerage_base::time::{Instant, earliest};

impl Rooms {
    /// Does what is due at `now`. Early or repeated calls are harmless.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((_, conn)) = self.silent.first().filter(|(at, _)| *at <= now).copied() {
            self.refuse(now, conn, &Refusal::new(ErrorCode::BadRequest, "no message arrived in time"));
        }
        while self.away.first().is_some_and(|(at, ..)| *at <= now) {
            if let Some((_, room, peer)) = self.away.pop_first() {
                self.remove(now, &room, peer);
            }
        }
        while self.empty.first().is_some_and(|(at, _)| *at <= now) {
            if let Some((_, room)) = self.empty.pop_first() {
                self.discard(&room);
            }
        }
        self.expire_nameplates(now);
        self.grant_again(now);
        if self.next_sweep.is_some_and(|at| at <= now) {
            self.sweep(now);
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is next due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let silent = self.silent.first().map(|(at, _)| *at);
        let away = self.away.first().map(|(at, ..)| *at);
        let empty = self.empty.first().map(|(at, _)| *at);
        let grant = self.grants.first().map(|(at, _)| *at);
        [away, empty, grant, self.plates.next_expiry(), self.next_sweep].into_iter().fold(silent, earliest)
    }

    /// Drops connected members that withhold acknowledgements, so that what is kept for them does not stay.
    fn sweep(&mut self, now: Instant) {
        let timeout = self.settings.ack_timeout;
        let overdue: Vec<_> = self
            .rooms
            .iter()
            .flat_map(|(name, room)| room.members.iter().map(move |member| (name, member)))
            .filter(|(_, member)| member.conn().is_some() && member.queue.overdue(now, timeout))
            .map(|(name, member)| (name.clone(), member.id))
            .collect();
        for (room, peer) in overdue {
            self.evict(now, &room, peer);
        }
        self.next_sweep = (self.queued_bytes > 0).then(|| now + timeout);
    }
}
