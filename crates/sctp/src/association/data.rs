//! Received DATA and FORWARD TSN, interleaved or not (RFC 9260 §6.2, RFC 3758 §3.6, RFC 8260 §2).

use super::{Association, State};
use crate::channel::ChannelId;
use crate::chunk::data::Data;
use crate::chunk::forward_tsn::{self, Skipped};
use crate::chunk::{self, cause, i_forward_tsn, user_data};
use crate::error::{CloseReason, ParseError};
use crate::event::Event;
use crate::incoming::arena::Block;
use crate::incoming::inbox::Unread;
use crate::incoming::reassembly::Refusal;
use crate::incoming::streams::Complete;
use crate::incoming::tracker::Arrival;
use crate::incoming::window::Waited;
use crate::message::{Kind, Message};
use crate::numbers::{Ppid, StreamId};
use crate::packet::RawChunk;
use bytes::Bytes;
use peerage_base::serial::Serial;
use peerage_base::time::Instant;
use smallvec::SmallVec;
use tracing::debug;

impl Association {
    pub(super) fn on_data(&mut self, raw: &RawChunk<'_>) {
        if !matches!(self.state, State::Established | State::ShutdownPending | State::ShutdownSent(_)) {
            self.stats.drops.state += 1;
            return;
        }
        let interleaved = raw.kind == chunk::I_DATA;
        if interleaved != self.sender.interleaves {
            return self.violation("DATA and I-DATA in one association");
        }
        let data = match user_data::parse(interleaved, raw.flags, raw.body) {
            Ok(data) => data,
            Err(ParseError::Invalid(what)) => return self.violation(what),
            Err(_) => {
                self.stats.drops.malformed += 1;
                return;
            }
        };
        if data.header.immediate {
            self.receiver.sack_now();
        }
        let tsn = data.header.tsn;
        let arrival = self.receiver.tracker.look_up(tsn);
        let waited = match arrival {
            Arrival::Next => Waited::First,
            _ if tsn.before(self.receiver.tracker.highest()) => Waited::Gap,
            _ => Waited::No,
        };
        match arrival {
            Arrival::Duplicate => {
                self.stats.duplicates_received += 1;
                self.receiver.tracker.note_duplicate(tsn);
                self.receiver.sack_now();
            }
            Arrival::Next | Arrival::BeyondGap if self.has_room(&data, waited) => {
                self.take_data(&data);
            }
            Arrival::Next if interleaved && self.receiver.is_starved() => {
                self.violation("messages begun that there is no room to finish");
            }
            Arrival::Next | Arrival::BeyondGap | Arrival::OutOfReach => {
                self.stats.drops.no_room += 1;
                self.receiver.sack_now();
            }
        }
    }

    pub(super) fn on_forward_tsn(&mut self, raw: &RawChunk<'_>) {
        if !self.state.is_up() {
            self.stats.drops.state += 1;
            return;
        }
        let interleaved = raw.kind == chunk::I_FORWARD_TSN;
        if interleaved != self.sender.interleaves {
            return self.violation("FORWARD TSN that does not go with the data");
        }
        let form = if interleaved { i_forward_tsn::INTERLEAVED } else { forward_tsn::PLAIN };
        let Ok(forward) = form.parse(raw.body) else {
            self.stats.drops.malformed += 1;
            return;
        };
        // Far beyond what could have been sent, it could only serve to break the association.
        if forward.cumulative.distance(self.receiver.tracker.cumulative()) > 1 << 20 {
            return self.violation("FORWARD TSN out of reach");
        }
        self.receiver.sack_now();
        if self.receiver.tracker.forward(forward.cumulative) {
            let streams = self.peer.outbound;
            let mut known: SmallVec<[Skipped; 16]> = forward.skipped().filter(|s| s.stream.0 < streams).collect();
            known.sort_by_key(|skipped| skipped.stream);
            self.receiver.reassembly.forward(forward.cumulative, interleaved, &known);
            self.deliver();
        }
        self.perform_deferred_reset();
    }

    /// Whether a chunk may be taken: not on a stream that no channel has if such streams hold as much as one channel may. An
    /// OPEN that is missing comes in its place then, and what was not taken comes again.
    fn has_room(&self, data: &Data<'_>, waited: Waited) -> bool {
        let header = &data.header;
        let is_open = || match header.interleaved && !header.begin {
            true => self.receiver.reassembly.ppid(header) == Some(Ppid::DCEP),
            false => header.ppid == Ppid::DCEP,
        };
        let is_early = || self.channels.on_stream(header.stream).is_none() && !is_open();
        self.receiver.has_room(waited) && !(self.receiver.is_full_of_early() && is_early())
    }

    fn take_data(&mut self, data: &Data<'_>) {
        let header = &data.header;
        if header.stream.0 >= self.peer.outbound.min(self.config.max_streams) {
            // Taken as far as the TSN goes, or it would come again and again (RFC 9260 §6.5).
            self.stats.drops.stream += 1;
            let [high, low] = header.stream.0.to_be_bytes();
            let error = cause::chunk(chunk::ERROR, 0, cause::INVALID_STREAM, &[high, low, 0, 0]);
            self.replies.push_chunk(error);
            self.receiver.tracker.take(header.tsn);
            return;
        }
        let room = self.receiver.free();
        match self.receiver.reassembly.add(data, room) {
            Ok(()) => {}
            Err(Refusal::TooMany) => {
                self.stats.drops.no_room += 1;
                return;
            }
            Err(Refusal::TooLarge) => {
                self.send_abort(cause::PROTOCOL_VIOLATION, b"message too large");
                return self.go_down(CloseReason::MessageTooLarge);
            }
            Err(Refusal::Repeated) => return self.violation("two fragments of one number"),
        }
        self.receiver.tracker.take(header.tsn);
        if header.interleaved {
            self.receiver.make_room();
        }
        self.deliver();
        self.perform_deferred_reset();
    }

    /// Hands over the messages that have their turn.
    fn deliver(&mut self) {
        while let Some(message) = self.receiver.reassembly.pop() {
            self.route(message);
        }
    }

    fn route(&mut self, Complete { stream, ppid, payload, block }: Complete) {
        if ppid == Ppid::DCEP {
            self.receiver.reassembly.arena.release(block, payload.len());
            return self.on_dcep(stream, &payload);
        }
        let len = payload.len();
        let Some(message) = interpret(ppid, payload) else {
            self.receiver.reassembly.arena.release(block, len);
            self.stats.drops.unwanted += 1;
            return;
        };
        let block = if message.payload.is_empty() {
            self.receiver.reassembly.arena.release(block, len);
            Block::NONE
        } else {
            block
        };
        let message = Unread { message, block };
        let id = self.channels.on_stream(stream);
        // What follows the reset of a stream is for the next channel on it.
        match id.filter(|id| self.channels.get(*id).is_none_or(|c| !c.closing.incoming_done)) {
            Some(id) => self.deliver_to(id, message),
            None => self.receiver.hold_early(stream, message),
        }
    }

    fn deliver_to(&mut self, id: ChannelId, message: Unread) {
        self.receiver.hold(&message);
        let Some(channel) = self.channels.get_mut(id).filter(|c| !c.closing.by_owner) else {
            self.receiver.release(&message);
            self.stats.drops.unwanted += 1;
            return;
        };
        self.stats.messages_received += 1;
        let is_first = channel.inbox.is_empty();
        channel.inbox.push(message);
        // A single message may be larger than the share.
        let goes_over = !is_first && !channel.inbox.is_over && channel.inbox.weight() > self.receiver.window.share();
        if goes_over {
            channel.inbox.is_over = true;
            self.receiver.window.went_over();
        }
        if is_first {
            self.events.push_back(Event::Readable(id));
        }
        if goes_over && self.receiver.window.closes_offender() {
            debug!(channel = ?id, "closed for what it holds unread");
            self.events.push_back(Event::ShareExceeded(id));
            self.close_now(id);
        }
    }

    /// Takes a message from what a channel holds.
    pub(super) fn take_unread(&mut self, id: ChannelId) -> Option<Unread> {
        let channel = self.channels.get_mut(id)?;
        let unread = channel.inbox.pop()?;
        let has_come_back = channel.inbox.is_over && channel.inbox.weight() <= self.receiver.window.share() / 2;
        if has_come_back {
            channel.inbox.is_over = false;
            self.receiver.window.came_back();
        }
        self.receiver.release(&unread);
        Some(unread)
    }

    /// Frees blocks that few unread messages keep.
    pub(super) fn tidy_blocks(&mut self) {
        if self.receiver.wants_moving() {
            self.receiver.move_out(self.channels.iter_mut().flat_map(|channel| channel.inbox.iter_mut()));
        }
    }

    /// Gives back what only a flow of messages needs, once nothing has come for a while.
    pub(super) fn give_back(&mut self, now: Instant) {
        if self.receiver.fell_quiet(now) {
            self.channels.shrink();
            self.events.shrink_to_fit();
            self.replies.shrink();
            self.sender.flight.shrink();
            self.scheduler.shrink();
        }
    }

    /// Gives a new channel what arrived on its stream before.
    pub(super) fn deliver_early(&mut self, id: ChannelId, stream: StreamId) {
        for message in self.receiver.take_early(stream) {
            self.deliver_to(id, message);
        }
    }

    /// The peer broke the protocol beyond repair.
    pub(super) fn violation(&mut self, what: &'static str) {
        self.send_abort(cause::PROTOCOL_VIOLATION, what.as_bytes());
        self.go_down(CloseReason::ProtocolViolation(what));
    }
}

/// The message that a payload protocol identifier makes of the bytes (RFC 8831 §8); `None` if it is an unknown one.
fn interpret(ppid: Ppid, payload: Bytes) -> Option<Message> {
    let (kind, payload) = match ppid {
        Ppid::STRING | Ppid::STRING_PARTIAL => (Kind::Text, payload),
        Ppid::BINARY | Ppid::BINARY_PARTIAL => (Kind::Binary, payload),
        Ppid::STRING_EMPTY => (Kind::Text, Bytes::new()),
        Ppid::BINARY_EMPTY => (Kind::Binary, Bytes::new()),
        _ => return None,
    };
    Some(Message { kind, payload })
}
