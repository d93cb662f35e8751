//! What the owner does with channels.

use super::sender::OVERHEAD;
use super::{Association, ChannelInfo, State};
use crate::channel::{Channel, ChannelId, ChannelInit, ChannelState, OutgoingReset};
use crate::dcep::{Dcep, Open, Reliability};
use crate::error::{Misuse, SendError};
use crate::event::Event;
use crate::message::{Kind, Message};
use crate::numbers::{Mid, Ppid, StreamId};
use crate::outgoing::flight::chunk::{Limit, MessageId};
use crate::outgoing::queue::Outgoing;
use bytes::Bytes;
use peerage_base::time::{Duration, Instant};

impl Association {
    /// Opens a channel. It can be sent on at once; what is sent waits for the association.
    pub fn open(&mut self, _now: Instant, init: ChannelInit) -> Result<ChannelId, Misuse> {
        if !self.state.is_open() {
            return Err(Misuse::Closed);
        }
        if init.max_retransmits.is_some() && init.max_packet_life_time.is_some() {
            return Err(Misuse::TwoReliabilities);
        }
        if init.label.len().max(init.protocol.len()) > usize::from(u16::MAX) {
            return Err(Misuse::LabelTooLong);
        }
        let stream = init.negotiated.map(|stream| self.check_negotiated(stream)).transpose()?;
        if stream.is_none() && self.knows_peer() && self.role.is_some_and(|role| self.free_stream(role).is_none()) {
            return Err(Misuse::NoStreamLeft);
        }
        let mut channel = Channel::new(init);
        channel.stream = stream;
        channel.acknowledged = stream.is_some();
        let id = self.channels.insert(channel);
        if let Some(stream) = stream {
            self.deliver_early(id, stream);
        }
        if self.knows_peer() {
            self.ready_channels();
        }
        Ok(id)
    }

    /// Queues a message. It is copied once, into the packet in which it leaves.
    pub fn send(&mut self, now: Instant, id: ChannelId, kind: Kind, payload: Bytes) -> Result<(), SendError> {
        let (held, limit, max) = (self.sender.held(), self.config.send_buffer, self.max_message_size());
        let has_room = self.can_take(payload.len());
        let channel = self.channels.get_mut(id).ok_or(SendError::NotOpen)?;
        match channel.state {
            ChannelState::Closed => return Err(SendError::NotOpen),
            ChannelState::Closing => return Err(SendError::Closing),
            ChannelState::Connecting | ChannelState::Open if !self.state.is_open() => return Err(SendError::Closing),
            ChannelState::Connecting | ChannelState::Open => {}
        }
        if payload.len() > max {
            return Err(SendError::TooLarge { max });
        }
        if !has_room {
            self.sender.refused = self.sender.refused.max(Some(payload.len() + OVERHEAD));
            return Err(SendError::BufferFull { held, limit });
        }
        let limit = match channel.init.reliability() {
            Reliability::Reliable => Limit::Never,
            Reliability::Retransmissions(n) => Limit::Retransmissions(n),
            Reliability::Lifetime(ms) => Limit::Until(now + Duration::from_millis(ms.into())),
        };
        let (ppid, counted) = (ppid_of(kind, payload.is_empty()), payload.len());
        // SCTP has no empty user messages: one byte stands for it (RFC 8831 §6.6).
        let payload = if payload.is_empty() { Bytes::from_static(&[0]) } else { payload };
        let unordered = !channel.init.ordered;
        self.enqueue(id, ppid, payload, counted, unordered, limit);
        Ok(())
    }

    /// Whether a message of `len` bytes finds room in the send buffer now. One larger than the buffer goes when it is the
    /// only one.
    pub fn can_take(&self, len: usize) -> bool {
        let held = self.sender.held();
        held == 0 || held + len + OVERHEAD <= self.config.send_buffer
    }

    /// Bytes that the send buffer has room for.
    pub fn send_room(&self) -> usize {
        self.config.send_buffer.saturating_sub(self.sender.held())
    }

    /// Whether nothing that was sent waits for acknowledgement.
    pub fn is_settled(&self) -> bool {
        self.sender.is_settled()
    }

    /// Whether a SACK wants to leave at once, be it because reading has opened the window.
    pub fn owes_sack(&self) -> bool {
        self.receiver.acks.is_due()
    }

    /// The next message of a channel, also after it was closed. Reading opens the receive window again.
    pub fn recv(&mut self, now: Instant, id: ChannelId) -> Option<Message> {
        let unread = self.take_unread(id)?;
        self.receiver.window.read(now, unread.weight(), self.sender.rto.smoothed());
        if self.channels.get(id).is_some_and(|c| c.state == ChannelState::Closed && c.inbox.is_empty()) {
            self.channels.forget(id);
        }
        Some(unread.message)
    }

    /// Closes a channel: what was queued is sent first, what arrives from now on is not wanted.
    pub fn close(&mut self, _now: Instant, id: ChannelId) {
        self.close_now(id);
    }

    pub(super) fn close_now(&mut self, id: ChannelId) {
        let known = self.knows_peer();
        let Some(channel) = self.channels.get_mut(id).filter(|c| !c.closing.by_owner) else { return };
        channel.closing.by_owner = true;
        while self.take_unread(id).is_some() {}
        let Some(channel) = self.channels.get(id) else { return };
        match channel.state {
            ChannelState::Closed => self.channels.forget(id),
            ChannelState::Closing => {}
            // Nobody else knows of it.
            ChannelState::Connecting if !known || channel.stream.is_none() => self.finish_channel(id),
            ChannelState::Connecting | ChannelState::Open => {
                if let Some(channel) = self.channels.get_mut(id) {
                    channel.state = ChannelState::Closing;
                }
                self.advance_closing(id);
            }
        }
    }

    /// Sets the buffered amount, in bytes, at or below which [`Event::BufferedAmountLow`] comes; default 0.
    pub fn set_buffered_amount_low_threshold(&mut self, id: ChannelId, threshold: usize) {
        if let Some(channel) = self.channels.get_mut(id) {
            channel.low_threshold = threshold;
        }
    }

    /// The stream id of a channel, once known.
    pub fn stream_id(&self, id: ChannelId) -> Option<u16> {
        self.channels.get(id)?.stream.map(|stream| stream.0)
    }

    /// What a channel is; `None` once it is closed and read empty.
    pub fn channel(&self, id: ChannelId) -> Option<ChannelInfo<'_>> {
        let channel = self.channels.get(id)?;
        let stream_id = channel.stream.map(|stream| stream.0);
        Some(ChannelInfo { init: &channel.init, stream_id, state: channel.state, by_peer: channel.by_peer })
    }

    /// Bytes that were given to `send` on this channel and have not left yet.
    pub fn buffered_amount(&self, id: ChannelId) -> usize {
        self.channels.get(id).map_or(0, |channel| channel.queue.buffered())
    }

    /// Bytes that were given to `send` on any channel and have not left yet.
    pub fn total_buffered(&self) -> usize {
        self.sender.queued.bytes
    }

    /// Most bytes of a message that the peer takes; `usize::MAX` if it set no limit.
    pub fn max_message_size(&self) -> usize {
        match self.config.remote_max_message_size {
            0 => usize::MAX,
            max => max,
        }
    }

    /// Bytes that this end takes in one message, to be announced as `a=max-message-size`.
    pub fn local_max_message_size(&self) -> usize {
        self.config.max_message_size
    }

    /// Puts every channel that waits for the association on its way, as far as that is known by now.
    pub(super) fn ready_channels(&mut self) {
        let is_up = matches!(self.state, State::Established);
        for id in self.channels.pick(|c| c.state == ChannelState::Connecting) {
            if !self.ready(id) {
                continue;
            }
            if is_up && let Some(channel) = self.channels.get_mut(id) {
                channel.state = ChannelState::Open;
                self.events.push_back(Event::Open(id));
            }
        }
    }

    /// Makes sure that a channel has its stream and has queued its OPEN.
    fn ready(&mut self, id: ChannelId) -> bool {
        let Some(channel) = self.channels.get(id) else { return false };
        if channel.stream.is_none() {
            let Some(role) = self.role else { return false };
            let Some(stream) = self.free_stream(role) else {
                self.finish_channel(id);
                return false;
            };
            self.channels.bind(id, stream);
            let Some(channel) = self.channels.get(id) else { return false };
            let init = channel.init.clone();
            let (ordered, reliability, priority) = (init.ordered, init.reliability(), init.priority);
            let open = Open { ordered, reliability, priority, label: &init.label, protocol: &init.protocol };
            self.enqueue_dcep(id, &Dcep::Open(open));
        } else if channel.stream.is_some_and(|stream| stream.0 >= self.outbound_streams()) {
            self.finish_channel(id);
            return false;
        }
        self.activate(id);
        true
    }

    /// Queues a DCEP message before all others: no other was begun, as OPEN and ACK come first.
    pub(super) fn enqueue_dcep(&mut self, id: ChannelId, message: &Dcep<'_>) {
        let payload = message.to_vec().into();
        let message = Outgoing::new(self.sender.message_id(), Ppid::DCEP, payload, 0, false, Limit::Never);
        if let Some(channel) = self.channels.get_mut(id) {
            let load = channel.queue.load();
            channel.queue.push_front(message);
            self.sender.requeued(load, channel.queue.load());
            self.activate(id);
        }
    }

    fn enqueue(&mut self, id: ChannelId, ppid: Ppid, payload: Bytes, counted: usize, unordered: bool, limit: Limit) {
        let message = Outgoing::new(self.sender.message_id(), ppid, payload, counted, unordered, limit);
        let known = self.knows_peer();
        let Some(channel) = self.channels.get_mut(id) else { return };
        let load = channel.queue.load();
        channel.queue.push(message);
        self.sender.requeued(load, channel.queue.load());
        if known && channel.stream.is_some() {
            self.activate(id);
        }
    }

    /// Gives a channel with something to send its turns.
    fn activate(&mut self, id: ChannelId) {
        if let Some(channel) = self.channels.get_mut(id)
            && !channel.active
            && !channel.queue.is_empty()
        {
            channel.active = true;
            self.scheduler.activate(id, &mut channel.finish);
        }
    }

    /// Drops from the front of a queue the message that was given up, if it is there.
    pub(super) fn drop_unsent(&mut self, id: ChannelId, message: MessageId) {
        let Some(channel) = self.channels.get_mut(id) else { return };
        if channel.queue.front().map(|m| m.id) != Some(message) {
            return;
        }
        if let Some(front) = channel.queue.front().filter(|front| front.begun()) {
            self.sender.advanced(front.payload.len(), front.beside);
        }
        self.scheduler.readmit();
        let load = channel.queue.load();
        channel.queue.drop_front();
        self.sender.requeued(load, channel.queue.load());
        self.turn_done(id, load.bytes);
    }

    /// A channel is done with its message, or with a fragment of it where those of others may follow: notes progress and
    /// passes the turn on if it has it.
    pub(super) fn turn_done(&mut self, id: ChannelId, buffered_before: usize) {
        if let Some(channel) = self.channels.get_mut(id)
            && self.scheduler.serves(id)
        {
            let len = core::mem::take(&mut channel.sent_of_turn) as usize;
            channel.active = !channel.queue.is_empty();
            self.scheduler.served(len, channel.init.priority, &mut channel.finish, channel.active);
        }
        self.note_drained(id, buffered_before);
        self.advance_closing(id);
    }

    /// Tells the owner if the buffered amount fell to the threshold.
    pub(super) fn note_drained(&mut self, id: ChannelId, before: usize) {
        if let Some(channel) = self.channels.get(id)
            && before > channel.low_threshold
            && channel.queue.buffered() <= channel.low_threshold
        {
            self.events.push_back(Event::BufferedAmountLow(id));
        }
    }

    /// Asks for the reset of the outgoing stream once nothing more is to be sent on it (RFC 8831 §6.7).
    pub(super) fn advance_closing(&mut self, id: ChannelId) {
        let reconfig = self.peer.extensions.reconfig;
        let Some(channel) = self.channels.get_mut(id) else { return };
        let flushing = channel.closing.outgoing == OutgoingReset::Flushing;
        if channel.state != ChannelState::Closing || !flushing || !channel.queue.is_empty() {
            return;
        }
        channel.closing.outgoing = OutgoingReset::Requested;
        match channel.stream {
            Some(stream) if reconfig => self.request_reset(stream, Some(id)),
            // The peer cannot take part: closed for this end, and the stream is not used again.
            _ => self.retire_channel(id),
        }
    }

    /// Closed in both directions, and its stream free again.
    pub(super) fn finish_channel(&mut self, id: ChannelId) {
        self.channels.unbind(id);
        self.retire_channel(id);
    }

    fn retire_channel(&mut self, id: ChannelId) {
        let Some(channel) = self.channels.get_mut(id).filter(|c| c.state != ChannelState::Closed) else { return };
        channel.state = ChannelState::Closed;
        let load = channel.queue.load();
        channel.queue.clear();
        self.sender.requeued(load, channel.queue.load());
        let is_over = channel.inbox.is_empty();
        self.events.push_back(Event::Closed(id));
        if is_over {
            self.channels.forget(id);
        }
    }

    /// The peer is known, so that streams can be assigned and used.
    fn knows_peer(&self) -> bool {
        !matches!(self.state, State::Idle | State::CookieWait(_) | State::Down)
    }

    fn free_stream(&self, role: crate::channel::Role) -> Option<StreamId> {
        self.channels.free_stream(role, self.outbound_streams())
    }

    fn check_negotiated(&self, id: u16) -> Result<StreamId, Misuse> {
        let stream = StreamId(id);
        if id == u16::MAX || id >= self.config.max_streams || self.knows_peer() && id >= self.outbound_streams() {
            return Err(Misuse::StreamId(id));
        }
        match self.channels.on_stream(stream) {
            Some(_) => Err(Misuse::StreamInUse(id)),
            None => Ok(stream),
        }
    }
}

impl Channel {
    /// Whether the front message leaves regardless of order: not before the peer knows of the channel (RFC 8832 §6).
    pub(super) fn front_is_unordered(&self) -> bool {
        self.acknowledged && self.queue.front().is_some_and(|m| m.unordered)
    }

    /// Takes the number of a message that begins now.
    pub(super) fn take_mid(&mut self, unordered: bool) -> Mid {
        let next = if unordered { &mut self.next_unordered } else { &mut self.next_ordered };
        let mid = *next;
        *next = mid.next();
        mid
    }
}

fn ppid_of(kind: Kind, is_empty: bool) -> Ppid {
    match (kind, is_empty) {
        (Kind::Text, false) => Ppid::STRING,
        (Kind::Text, true) => Ppid::STRING_EMPTY,
        (Kind::Binary, false) => Ppid::BINARY,
        (Kind::Binary, true) => Ppid::BINARY_EMPTY,
    }
}
