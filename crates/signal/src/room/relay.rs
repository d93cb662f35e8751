//! Handing messages on.

use super::member::Presence;
use super::queue::Full;
use super::{Output, Refusal, Rooms};
use crate::id::{PeerId, RoomName};
use crate::message::{ACK_EVERY, Data, ErrorCode, ServerMessage};
use peerage_base::time::Instant;
use std::sync::Arc;

impl Rooms {
    pub(super) fn relay(
        &mut self,
        now: Instant,
        name: &RoomName,
        from: PeerId,
        seq: u64,
        to: PeerId,
        data: Data,
    ) -> Result<(), Refusal> {
        let (signal_rate, byte_rate) = (self.settings.signal_rate, self.settings.byte_rate);
        self.check_mailbox(name, seq, &data)?;
        let Some(sender) = self.member(name, from) else { return Ok(()) };
        let size = u32::try_from(data.as_str().len()).unwrap_or(u32::MAX);
        if !(sender.signals.take(now, signal_rate, 1) && sender.bytes.take(now, byte_rate, size)) {
            return Err(Refusal::new(ErrorCode::RateLimited, "too many messages"));
        }
        if seq <= sender.received {
            return Ok(());
        }
        if seq != sender.received + 1 {
            return Err(Refusal::new(ErrorCode::BadRequest, "a number was left out"));
        }
        sender.received = seq;
        if sender.received - sender.acked >= ACK_EVERY {
            sender.acked = sender.received;
            if let Some(conn) = sender.conn() {
                let ack = ServerMessage::Ack { received: seq }.to_json();
                self.output.push_back(Output::Frame(conn, ack.into()));
            }
        }
        if to == from {
            return Err(Refusal::new(ErrorCode::BadRequest, "a peer cannot signal itself"));
        }
        match self.tell(now, name, to, |seq| ServerMessage::Signal { seq, from, data }) {
            Ok(()) => Ok(()),
            Err(Full) if self.is_overdue(now, name, to) => {
                self.evict(now, name, to);
                Ok(())
            }
            // Whoever fills the queue of a peer that had no chance to acknowledge is the one to go: otherwise a
            // stranger could drive others out of their room.
            Err(Full) => Err(Refusal::new(ErrorCode::RateLimited, "the other peer does not keep up")),
        }
    }

    pub(super) fn ack(&mut self, name: &RoomName, peer: PeerId, received: u64) -> Result<(), Refusal> {
        let Some(member) = self.member(name, peer) else { return Ok(()) };
        let freed = member
            .queue
            .ack(received)
            .ok_or_else(|| Refusal::new(ErrorCode::BadRequest, "this number was never sent"))?;
        self.queued_bytes -= freed;
        Ok(())
    }

    /// Numbers, keeps and sends a message. A peer that has left is told nothing, which is no error.
    fn tell(
        &mut self,
        now: Instant,
        name: &RoomName,
        to: PeerId,
        message: impl FnOnce(u64) -> ServerMessage,
    ) -> Result<(), Full> {
        let Some(member) = self.rooms.get_mut(name).and_then(|r| r.members.iter_mut().find(|m| m.id == to)) else {
            return Ok(());
        };
        let frame: Arc<str> = message(member.queue.next_seq()).to_json().into();
        if self.queued_bytes + frame.len() > self.settings.total_queue_bytes {
            return Err(Full);
        }
        member.queue.push(now, &self.settings, frame.clone())?;
        self.queued_bytes += frame.len();
        self.next_sweep.get_or_insert(now + self.settings.ack_timeout);
        if let Some(conn) = member.conn() {
            self.output.push_back(Output::Frame(conn, frame));
        }
        Ok(())
    }

    /// Tells a member who came or went; one that has no room for that has lost track of the others and must go.
    pub(super) fn announce(
        &mut self,
        now: Instant,
        name: &RoomName,
        to: PeerId,
        message: impl FnOnce(u64) -> ServerMessage,
    ) {
        if self.tell(now, name, to, message).is_err() {
            self.evict(now, name, to);
        }
    }

    /// Drops a member that does not keep up. Depth is bounded by the seats of the room: every level takes one away.
    pub(super) fn evict(&mut self, now: Instant, name: &RoomName, peer: PeerId) {
        let Some(member) = self.member(name, peer) else { return };
        match member.presence {
            Presence::Here(conn) => {
                self.refuse(now, conn, &Refusal::new(ErrorCode::RateLimited, "too many messages are not acknowledged"));
            }
            Presence::Away { .. } => self.remove(now, name, peer),
        }
    }

    fn is_overdue(&mut self, now: Instant, name: &RoomName, peer: PeerId) -> bool {
        let timeout = self.settings.ack_timeout;
        self.member(name, peer).is_some_and(|m| m.conn().is_some() && m.queue.overdue(now, timeout))
    }
}
