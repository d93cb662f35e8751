//! Received DATA and FORWARD TSN (RFC 9260 §6.2, RFC 3758 §3.6).

use super::{Association, State};
use crate::chunk::data::Data;
use crate::chunk::forward_tsn::ForwardTsn;
use crate::chunk::{self, cause};
use crate::error::{CloseReason, ParseError};
use crate::event::Event;
use crate::incoming::reassembly::Refusal;
use crate::incoming::streams::Complete;
use crate::incoming::tracker::Arrival;
use crate::message::{Kind, Message};
use crate::numbers::{Ppid, StreamId};
use bytes::Bytes;
use peerage_base::serial::Serial;

impl Association {
    pub(super) fn on_data(&mut self, flags: u8, body: &[u8]) {
        if !matches!(self.state, State::Established | State::ShutdownPending | State::ShutdownSent(_)) {
            self.stats.drops.state += 1;
            return;
        }
        let data = match Data::parse(flags, body) {
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
        match arrival {
            Arrival::Duplicate => {
                self.stats.duplicates_received += 1;
                self.receiver.tracker.note_duplicate(tsn);
                self.receiver.sack_now();
            }
            Arrival::Next | Arrival::BeyondGap if self.receiver.has_room(arrival == Arrival::Next) => {
                self.take_data(&data);
            }
            Arrival::Next | Arrival::BeyondGap | Arrival::OutOfReach => {
                self.stats.drops.no_room += 1;
                self.receiver.sack_now();
            }
        }
    }

    pub(super) fn on_forward_tsn(&mut self, body: &[u8]) {
        if !self.state.is_up() {
            self.stats.drops.state += 1;
            return;
        }
        let Ok(forward) = ForwardTsn::parse(body) else {
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
            let known = forward.streams().filter(|(stream, _)| stream.0 < streams);
            self.receiver.reassembly.forward(forward.cumulative, known);
            self.deliver();
        }
        self.perform_deferred_reset();
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
        match self.receiver.reassembly.add(data) {
            Ok(()) => {}
            Err(Refusal::TooMany) => {
                self.stats.drops.no_room += 1;
                return;
            }
            Err(Refusal::TooLarge) => {
                self.send_abort(cause::PROTOCOL_VIOLATION, b"message too large");
                return self.go_down(CloseReason::MessageTooLarge);
            }
        }
        self.receiver.tracker.take(header.tsn);
        self.deliver();
        self.perform_deferred_reset();
    }

    /// Hands over the messages that have their turn.
    fn deliver(&mut self) {
        while let Some(message) = self.receiver.reassembly.pop() {
            self.route(message);
        }
    }

    fn route(&mut self, Complete { stream, ppid, payload }: Complete) {
        if ppid == Ppid::DCEP {
            return self.on_dcep(stream, &payload);
        }
        let Some(message) = interpret(ppid, payload) else {
            self.stats.drops.unwanted += 1;
            return;
        };
        let id = self.channels.on_stream(stream);
        // What follows the reset of a stream is for the next channel on it.
        match id.filter(|id| self.channels.get(*id).is_none_or(|c| !c.closing.incoming_done)) {
            Some(id) => self.deliver_to(id, message),
            None => {
                self.receiver.hold(&message);
                self.receiver.early.entry(stream).or_default().push_back(message);
            }
        }
    }

    fn deliver_to(&mut self, id: crate::channel::ChannelId, message: Message) {
        let Some(channel) = self.channels.get_mut(id).filter(|c| !c.closing.by_owner) else {
            self.stats.drops.unwanted += 1;
            return;
        };
        self.stats.messages_received += 1;
        self.receiver.hold(&message);
        if channel.inbox.is_empty() {
            self.events.push_back(Event::Readable(id));
        }
        channel.inbox.push_back(message);
    }

    /// Gives a new channel what arrived on its stream before.
    pub(super) fn deliver_early(&mut self, id: crate::channel::ChannelId, stream: StreamId) {
        for message in self.receiver.early.remove(&stream).into_iter().flatten() {
            self.receiver.release(&message);
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
