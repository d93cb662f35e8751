//! Outgoing packets.

use super::{Association, State};
use crate::budget::Budget;
use crate::channel::ChannelId;
use crate::chunk::data::DataHeader;
use crate::chunk::{self, forward_tsn, i_forward_tsn, sack};
use crate::congestion::Controller;
use crate::numbers::Tag;
use crate::outgoing::flight::chunk::{Abandoned, Chunk, Limit};
use crate::outgoing::queue::Outgoing;
use crate::packet::{CHUNK_HEADER_LEN, HEADER_LEN, PacketWriter, padded};
use peerage_base::serial::Serial;
use peerage_base::slot::Slot;
use peerage_base::time::Instant;

/// A message that does not fit the rest of a packet is begun or gone on with there only if at least this much of it fits.
const MIN_FRAGMENT: usize = 256;

impl Association {
    /// Writes the next packet into the slot and answers its length; `None` if there is nothing to send now.
    ///
    /// The slot needs room for the largest [`Budget::safe_packet`] that ever was, even on a smaller path: a chunk that was
    /// sized for it cannot be cut again. A length beyond `budget.max_packet` tells that this is such a packet.
    pub fn poll_transmit(&mut self, now: Instant, budget: &Budget, slot: &mut Slot<'_>) -> Option<usize> {
        let len = match self.replies.pop_packet() {
            Some(packet) => {
                slot.room().get_mut(..packet.len())?.copy_from_slice(&packet);
                packet.len()
            }
            None => self.write_packet(now, budget, slot.room())?,
        };
        slot.fill(len);
        self.stats.packets_sent += 1;
        self.stats.bytes_sent += len as u64;
        Some(len)
    }

    /// Whether user data could leave if the path's budget allowed it: poll again when it does.
    pub fn wants_budget(&self) -> bool {
        let can_probe = self.sender.flight.in_flight() == 0;
        let flight = &self.sender.flight;
        let regardless = flight.has_lost() || flight.probe_is_due() || can_probe;
        self.has_data_to_send() && (regardless || self.sender.peer_room() > 0)
    }

    /// Whether all that could leave is new data, less than `run` bytes of it, while as much is on its way: who sends without
    /// end may have more to come, and the peer does not wait for it.
    pub fn is_short_of(&self, run: usize) -> bool {
        let (sender, flight) = (&self.sender, &self.sender.flight);
        let is_busy = sender.queued.bytes < run && flight.in_flight() >= run;
        is_busy && !flight.has_lost() && !flight.probe_is_due() && matches!(self.state, State::Established)
    }

    /// Whether the next packet is one of new data that begins with what is left of a message, whole, even if it may have no
    /// more than `limit` bytes.
    pub fn next_fits(&mut self, limit: usize) -> bool {
        let sender = &self.sender;
        let is_new = !self.replies.has_packet() && !sender.flight.has_lost() && sender.window_is_open();
        if !is_new || sender.flight.probe_is_due() || sender.peer_room() < limit || !self.state.may_send() {
            return false;
        }
        let header = sender.chunk_header_len();
        let front = self.scheduler.current().and_then(|id| self.channels.get(id)?.queue.front());
        front.is_some_and(|front| HEADER_LEN + padded(header + front.payload.len()) <= limit)
    }

    fn write_packet(&mut self, now: Instant, budget: &Budget, room: &mut [u8]) -> Option<usize> {
        match &self.state {
            State::Idle | State::Down => return None,
            State::CookieWait(repeat) => return repeat.is_due().then(|| self.write_init(now, room)).flatten(),
            State::CookieEchoed { echo, .. } if !echo.is_due() => return None,
            _ => {}
        }
        self.sender.set_packet(budget);
        let limit = budget.max_packet.min(room.len());
        let (source, destination) = (self.config.local_port, self.config.remote_port);
        let mut packet = PacketWriter::new(&mut *room, limit, source, destination, self.peer.tag)?;
        let echoes = self.write_cookie_echo(now, &mut packet);
        let may_send_data = self.may_send_data(budget, limit);
        if !echoes {
            self.write_control(now, may_send_data, &mut packet);
        }
        let owed_forward = self.sender.forward_due;
        if may_send_data {
            self.write_data(now, &mut packet);
        }
        if packet.is_empty() {
            // What was given up has to be told, or may have been all that shutting down waited for.
            let goes_on = !owed_forward && self.sender.forward_due || self.advance_shutdown();
            return goes_on.then(|| self.write_packet(now, budget, room)).flatten();
        }
        let lacks_checksum = self.config.zero_checksum && self.peer.extensions.zero_checksum && !echoes;
        Some(packet.finish(!lacks_checksum))
    }

    fn write_init(&mut self, now: Instant, room: &mut [u8]) -> Option<usize> {
        let body = self.init_body();
        let packet = self.lone_packet(Tag(0), chunk::INIT, 0, &body);
        room.get_mut(..packet.len())?.copy_from_slice(&packet);
        if let State::CookieWait(repeat) = &mut self.state {
            repeat.sent(now);
        }
        Some(packet.len())
    }

    fn write_cookie_echo(&mut self, now: Instant, packet: &mut PacketWriter<'_>) -> bool {
        let State::CookieEchoed { cookie, echo } = &mut self.state else { return false };
        let len = padded(CHUNK_HEADER_LEN + cookie.len());
        if packet.room() < len {
            packet.lift_limit(len);
        }
        let Some(body) = packet.chunk(chunk::COOKIE_ECHO, 0, cookie.len()) else { return false };
        body.copy_from_slice(cookie);
        echo.sent(now);
        true
    }

    /// Everything that is not user data, in the order in which it may stand in a packet.
    fn write_control(&mut self, now: Instant, may_send_data: bool, packet: &mut PacketWriter<'_>) {
        if self.replies.cookie_ack && packet.chunk(chunk::COOKIE_ACK, 0, 0).is_some() {
            self.replies.cookie_ack = false;
        }
        let acks = &self.receiver.acks;
        if acks.is_due() || acks.is_pending() && may_send_data && self.has_data_to_send() {
            self.write_echo(packet);
            self.write_sack(packet);
        }
        while let Some(reply) = self.replies.first_chunk() {
            if !packet.raw(reply) {
                // One that never fits must not stand in the way for ever.
                if packet.is_empty() {
                    self.replies.pop_chunk();
                }
                break;
            }
            self.replies.pop_chunk();
        }
        if self.replies.first_chunk().is_none() {
            self.resets.answered();
        }
        self.write_shutdown(now, packet);
        if self.sender.forward_due {
            self.write_forward_tsn(now, packet);
        }
        if self.state.may_send() && self.reset_is_due() {
            self.write_reset(now, packet);
        }
        self.write_heartbeat(now, packet);
    }

    fn write_sack(&mut self, packet: &mut PacketWriter<'_>) {
        let tracker = &self.receiver.tracker;
        // Less than a packet is told as nothing, lest the peer fill the window with crumbs (RFC 9260 §6.2.1).
        let free = self.receiver.free();
        let window = if free < self.config.max_packet { 0 } else { free };
        let told = u32::try_from(window).unwrap_or(u32::MAX);
        let blocks = tracker.blocks().iter().copied();
        if let Some(point) = self.receiver.acks.next_point(tracker) {
            let blocks = blocks.take_while(|b| !point.highest.before(b.0)).filter(|b| point.cumulative.before(b.0));
            let blocks =
                blocks.map(|(first, last)| (first, if point.highest.before(last) { point.highest } else { last }));
            if sack::write(point.cumulative, told, blocks, &[], packet) {
                self.receiver.acks.point_told(point);
            }
        } else if sack::write(tracker.cumulative(), told, blocks, tracker.duplicates(), packet) {
            self.receiver.sack_sent(window);
        }
    }

    fn write_shutdown(&mut self, now: Instant, packet: &mut PacketWriter<'_>) {
        let cumulative = self.receiver.tracker.cumulative();
        match &mut self.state {
            State::ShutdownSent(repeat) if repeat.is_due() => {
                if let Some(body) = packet.chunk(chunk::SHUTDOWN, 0, 4) {
                    body.copy_from_slice(&cumulative.0.to_be_bytes());
                    repeat.sent(now);
                }
            }
            State::ShutdownAckSent(repeat) if repeat.is_due() && packet.chunk(chunk::SHUTDOWN_ACK, 0, 0).is_some() => {
                repeat.sent(now);
            }
            _ => {}
        }
    }

    fn write_forward_tsn(&mut self, now: Instant, packet: &mut PacketWriter<'_>) {
        let sender = &mut self.sender;
        let form = if sender.interleaves { i_forward_tsn::INTERLEAVED } else { forward_tsn::PLAIN };
        let streams = form.most_streams(packet.room().saturating_sub(CHUNK_HEADER_LEN));
        let Some((tsn, streams)) = sender.flight.forward(streams) else {
            sender.forward_due = false;
            return;
        };
        if form.write(tsn, &streams, packet) {
            sender.forward_due = false;
            sender.forwarded_at = Some(now);
            sender.start_t3(now);
        }
    }

    fn write_heartbeat(&mut self, now: Instant, packet: &mut PacketWriter<'_>) {
        let nonce = match &self.heartbeat {
            Some(heartbeat) if heartbeat.is_due() && self.state.may_send() => self.rng.u64(),
            _ => return,
        };
        if let Some(heartbeat) = &mut self.heartbeat
            && let Some(body) = packet.chunk(chunk::HEARTBEAT, 0, super::heartbeat::BODY_LEN)
        {
            body.copy_from_slice(&heartbeat.send(now, nonce));
        }
    }

    fn may_send_data(&self, budget: &Budget, limit: usize) -> bool {
        budget.bytes >= limit && (self.state.may_send() || matches!(self.state, State::CookieEchoed { .. }))
    }

    fn has_data_to_send(&self) -> bool {
        let sender = &self.sender;
        let has_new = !self.scheduler.is_idle() && sender.window_is_open();
        self.state.may_send() && (sender.flight.has_lost() || sender.flight.probe_is_due() || has_new)
    }

    fn write_data(&mut self, now: Instant, packet: &mut PacketWriter<'_>) {
        self.sender.flight.begin_packet();
        self.write_lost(now, packet);
        let mut asks = self.write_new(now, packet);
        let is_probe = self.sender.flight.probe_is_due();
        let mut repeated = 0;
        if is_probe && !self.sender.flight.has_packet() {
            repeated = self.write_again(now, packet);
            asks |= repeated > 0;
        }
        let sent = self.sender.flight.end_packet(asks);
        if sent.is_some() || packet.is_empty() {
            self.sender.overdraft = false;
            if is_probe {
                self.sender.flight.probe_done(repeated);
            }
        }
        if let Some((bytes, has_first)) = sent {
            let app_limited = self.is_app_limited();
            let rearm = is_probe || has_first;
            self.sender.packet_sent(now, bytes, rearm, app_limited);
            if !matches!(self.state, State::CookieEchoed { .. }) {
                self.sender.plan_probe(now);
            }
        }
        if self.is_app_limited() {
            self.sender.flight.app_limited();
        }
    }

    /// Whether the congestion window has room and nothing may fill it: there is nothing, or the peer has no room.
    fn is_app_limited(&self) -> bool {
        let sender = &self.sender;
        let blocked = self.scheduler.is_idle() || sender.peer_room() < sender.full_payload();
        blocked && sender.window_is_open() && !sender.flight.has_lost()
    }

    /// Appends chunks that are taken for lost, earliest first.
    fn write_lost(&mut self, now: Instant, packet: &mut PacketWriter<'_>) {
        while let Some(next) = self.sender.flight.next_lost(now) {
            let chunk = match next {
                Ok(chunk) => chunk,
                Err(abandoned) => {
                    self.settle_abandoned(abandoned);
                    continue;
                }
            };
            let (header, payload, len) = (chunk.header, chunk.payload.clone(), chunk.wire_len());
            if !self.sender.window_is_open() {
                break;
            }
            if len > packet.room() && packet.is_empty() {
                packet.lift_limit(len);
            }
            if !header.write(&payload, packet) {
                break;
            }
            self.sender.flight.resent(now);
            self.stats.retransmissions += 1;
        }
    }

    /// Appends the chunks of the packet that left last, which asks the peer what it has (RFC 8985 §7.3). Answers their bytes.
    fn write_again(&mut self, now: Instant, packet: &mut PacketWriter<'_>) -> usize {
        let Some((first, last)) = self.sender.flight.last_packet(now) else { return 0 };
        let (mut at, mut repeated) = (first, 0);
        while let Some(chunk) = self.sender.flight.get(at) {
            let (header, payload, len) = (chunk.header, chunk.payload.clone(), chunk.wire_len());
            if len > packet.room() && packet.is_empty() {
                packet.lift_limit(len);
            }
            if !(DataHeader { immediate: true, ..header }).write(&payload, packet) {
                break;
            }
            repeated += len;
            self.stats.retransmissions += 1;
            let later = self.sender.flight.repeat(now, at);
            match later.filter(|_| at != last) {
                Some(later) => at = later,
                None => break,
            }
        }
        repeated
    }

    /// Cuts fragments off the messages whose turn it is. Answers whether the last one asks for a SACK at once.
    fn write_new(&mut self, now: Instant, packet: &mut PacketWriter<'_>) -> bool {
        let mut asks = false;
        while self.sender.window_is_open() {
            self.skip_idle_channels();
            let Some(id) = self.scheduler.current() else { break };
            if self.drop_expired(now, id) || self.must_wait(id) && self.scheduler.set_aside() {
                continue;
            }
            let Some(len) = self.fragment_len(id, packet) else { break };
            asks = self.write_fragment(now, id, len, packet);
        }
        asks
    }

    /// Whether the front message may not be begun beside those under way.
    fn must_wait(&self, id: ChannelId) -> bool {
        let front = self.channels.get(id).and_then(|channel| channel.queue.front());
        let is_new = |front: &Outgoing| !front.begun() && !self.sender.may_begin(front.payload.len());
        self.sender.interleaves && front.is_some_and(is_new)
    }

    /// How much of the front message goes into this packet; `None` for nothing.
    fn fragment_len(&self, id: ChannelId, packet: &PacketWriter<'_>) -> Option<usize> {
        let header = self.sender.chunk_header_len();
        let room = packet.room().checked_sub(header).filter(|room| *room > 0)?;
        let front = self.channels.get(id)?.queue.front()?;
        let (rest, full) = (front.payload.len(), self.sender.full_payload());
        // A message that fits a packet of its own is left whole; a fragment must be worth its header. What is left of one that
        // was cut already fills the packet: a short one would end the run.
        if rest > room && !packet.is_empty() && (rest <= full && !front.begun() || room < MIN_FRAGMENT) {
            return None;
        }
        let len = if rest <= full { rest.min(room) } else { rest.min(share(room, full, header)) };
        // With nothing on its way, one chunk probes a closed window (RFC 9260 §6.1 A).
        let fits = len <= self.sender.peer_room() || self.sender.flight.in_flight() == 0;
        fits.then_some(len)
    }

    fn write_fragment(&mut self, now: Instant, id: ChannelId, len: usize, packet: &mut PacketWriter<'_>) -> bool {
        let (gives_up, interleaved) = (self.sender.gives_up, self.sender.interleaves);
        let tsn = self.sender.flight.next_tsn();
        let Some(channel) = self.channels.get_mut(id) else { return false };
        let (Some(front), Some(stream)) = (channel.queue.front(), channel.stream) else { return false };
        let (message, ppid, begun, whole) = (front.id, front.ppid, front.begun(), front.payload.len());
        let limit = if gives_up { front.limit } else { Limit::Never };
        let unordered = if begun { front.unordered } else { channel.front_is_unordered() };
        let beside = if begun { front.beside } else { !self.sender.has_room_for_all(whole) };
        let mid = if begun { front.mid } else { channel.take_mid(unordered) };
        let load = channel.queue.load();
        if let Some(front) = channel.queue.front_mut() {
            // The rest of the message goes the way of its first fragment.
            front.unordered = unordered;
            front.beside = beside;
        }
        let Some(fragment) = channel.queue.cut(len, mid, tsn) else { return false };
        if fragment.begin {
            self.sender.begun(whole, beside);
        }
        self.sender.advanced(fragment.payload.len(), beside);
        channel.sent_of_turn = channel.sent_of_turn.saturating_add(fragment.payload.len() as u32);
        let is_idle = channel.queue.is_empty();
        self.sender.requeued(load, channel.queue.load());
        let header = DataHeader {
            tsn,
            stream,
            mid: fragment.mid,
            fsn: fragment.fsn,
            ppid,
            begin: fragment.begin,
            end: fragment.end,
            unordered,
            immediate: false,
            interleaved,
        };
        let chunk = Chunk::new(header, fragment.payload, message, id, limit);
        let immediate = self.is_last_for_now(is_idle, chunk.wire_len());
        DataHeader { immediate, ..header }.write(&chunk.payload, packet);
        self.sender.flight.push(now, chunk);
        if fragment.end {
            self.stats.messages_sent += u64::from(ppid != crate::numbers::Ppid::DCEP);
            self.scheduler.readmit();
        }
        // Nothing is interleaved as long as it may have to go again as DATA.
        if fragment.end || interleaved && !self.presumed {
            self.turn_done(id, load.bytes);
        } else {
            self.note_drained(id, load.bytes);
        }
        immediate
    }

    /// Whether nothing can follow this chunk until a SACK comes, so that delaying the SACK would only cost time (RFC 7053 §4).
    fn is_last_for_now(&self, channel_is_idle: bool, len: usize) -> bool {
        let sender = &self.sender;
        let fills_window = sender.flight.in_flight() + len >= sender.congestion.window();
        fills_window || channel_is_idle && self.scheduler.has_no_other()
    }

    /// Gives up the front message if its lifetime is over (RFC 7496 §4.1).
    fn drop_expired(&mut self, now: Instant, id: ChannelId) -> bool {
        let (gives_up, interleaved) = (self.sender.gives_up, self.sender.interleaves);
        let Some(channel) = self.channels.get(id) else { return false };
        let (Some(front), Some(stream)) = (channel.queue.front(), channel.stream) else { return false };
        if !front.has_expired(now) || front.begun() && !gives_up {
            return false;
        }
        let (message, ppid, unordered, mid) = (front.id, front.ppid, front.unordered, front.mid);
        if front.begun() {
            let in_flight = self.sender.flight.abandon_unfinished(message, front.last);
            // If all that was sent has been acknowledged, nothing of it is in flight any more.
            let last = DataHeader { stream, mid, ppid, unordered, interleaved, ..DataHeader::default() };
            self.settle_abandoned(in_flight.unwrap_or(Abandoned { message, channel: id, last }));
        } else {
            self.stats.messages_abandoned += 1;
            self.drop_unsent(id, message);
            self.announce_room();
        }
        true
    }

    /// Passes over channels whose queue was emptied while they waited for their turn.
    fn skip_idle_channels(&mut self) {
        while let Some(id) = self.scheduler.current() {
            if self.channels.get(id).is_some_and(|channel| !channel.queue.is_empty()) {
                break;
            }
            if let Some(channel) = self.channels.get_mut(id) {
                channel.active = false;
            }
            self.scheduler.skip();
        }
    }
}

/// Payload of the next chunk where packets have room for more than the longest one, `full`: as few chunks as can be, of equal
/// length, because a short one is not worth its header.
fn share(room: usize, full: usize, header: usize) -> usize {
    let (wire, each) = (room + header, full.max(1) + header);
    match wire.div_ceil(each) {
        0 | 1 => room,
        chunks => ((wire / chunks) & !3).saturating_sub(header).max(1),
    }
}
