//! Stream reset, which is how channels close (RFC 6525 §5, RFC 8831 §6.7).

use super::Association;
use super::timer::Repeat;
use crate::channel::{ChannelId, ChannelState, OutgoingReset};
use crate::chunk::RE_CONFIG;
use crate::chunk::reconfig::{self, Outcome, Reconfig, StreamList};
use crate::event::Event;
use crate::numbers::{RequestNumber, StreamId, Tsn};
use crate::packet::{CHUNK_HEADER_LEN, PacketWriter};
use alloc::boxed::Box;
use alloc::vec::Vec;
use peerage_base::serial::Serial;
use peerage_base::time::{Duration, Instant};
use tracing::trace;

/// Streams named in one request; more go into the next one.
const MAX_STREAMS: usize = 256;
/// Requests of the peer that are handled before they are answered: as many as one chunk may hold. Whoever waits for answers,
/// as RFC 6525 §5.1.1 has it, never sends more.
const MAX_UNANSWERED: u8 = 2;

/// Requests of both ends; each has one under way at most (RFC 6525 §5.1.1).
#[derive(Debug)]
pub(crate) struct Resets {
    next: RequestNumber,
    outstanding: Option<Box<Outstanding>>,
    /// Outgoing streams to be reset next.
    waiting: Vec<Target>,
    /// The request that the peer makes next.
    expected: RequestNumber,
    /// What became of the peer's last request.
    last_outcome: Outcome,
    deferred: Option<Box<Deferred>>,
    /// Requests handled since an answer left last.
    unanswered: u8,
}

#[derive(Debug)]
struct Outstanding {
    number: RequestNumber,
    last_tsn: Tsn,
    streams: Vec<Target>,
    repeat: Repeat,
}

/// An outgoing stream to be reset, and the channel on it, unless none was accepted there.
type Target = (StreamId, Option<ChannelId>);

/// A request that waits for data sent before it (RFC 6525 §5.2.2 E2).
#[derive(Debug)]
struct Deferred {
    number: RequestNumber,
    last_tsn: Tsn,
    /// In ascending order; none for all there are.
    streams: Vec<StreamId>,
}

impl Resets {
    /// Both ends number their requests from their initial TSN (RFC 6525 §4.1).
    pub(crate) fn new(local: Tsn, peer: Tsn) -> Self {
        Self {
            next: RequestNumber(local.0),
            outstanding: None,
            waiting: Vec::new(),
            expected: RequestNumber(peer.0),
            last_outcome: Outcome::NOTHING_TO_DO,
            deferred: None,
            unanswered: 0,
        }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.outstanding.as_ref().and_then(|o| o.repeat.deadline())
    }

    pub(crate) fn expire(&mut self, now: Instant, max: Duration) {
        if let Some(outstanding) = &mut self.outstanding {
            outstanding.repeat.expire(now, max);
        }
    }

    /// Every answer that was owed has left.
    pub(crate) fn answered(&mut self) {
        self.unanswered = 0;
    }

    /// The request that the peer makes next.
    #[cfg(any(test, feature = "fuzz"))]
    pub(crate) fn expected(&self) -> RequestNumber {
        self.expected
    }

    /// Streams that wait for their reset.
    #[cfg(any(test, feature = "fuzz"))]
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// The number of the peer's last request.
    fn seen(&self) -> RequestNumber {
        RequestNumber(self.expected.0.wrapping_sub(1))
    }
}

impl Association {
    /// Resets an outgoing stream as soon as no other request is under way.
    pub(super) fn request_reset(&mut self, stream: StreamId, channel: Option<ChannelId>) {
        let target = (stream, channel);
        let refusals = usize::from(self.config.limits.refusals);
        if channel.is_none() && self.resets.waiting.len() >= refusals {
            return;
        }
        if self.peer.extensions.reconfig && !self.resets.waiting.contains(&target) {
            self.resets.waiting.push(target);
        }
    }

    /// A peer that opens a channel on a stream that it has reset must have reset the other direction, too: the answer that
    /// says so is still on its way, or was lost.
    pub(super) fn infer_outgoing_done(&mut self, stream: StreamId) {
        if let Some(id) = self.channels.on_stream(stream)
            && let Some(channel) = self.channels.get(id)
            && channel.closing.incoming_done
            && channel.closing.outgoing == OutgoingReset::Requested
        {
            // A request that has not even left is void: else a peer that opens and resets without end makes this a long list.
            self.resets.waiting.retain(|(_, waits)| *waits != Some(id));
            self.outgoing_done(id);
        }
    }

    pub(super) fn on_reconfig(&mut self, now: Instant, body: &[u8]) {
        if !self.state.is_up() {
            self.stats.drops.state += 1;
            return;
        }
        // A chunk holds two parameters at most (RFC 6525 §3.1).
        for param in reconfig::parse(body).take(2) {
            match param {
                Ok(Reconfig::Response { request, outcome }) => self.on_reset_response(now, request, outcome),
                Ok(Reconfig::OutgoingReset { request, last_tsn, streams }) => {
                    if self.is_new_request(request) {
                        self.on_outgoing_reset(request, last_tsn, streams);
                    }
                }
                // Denied: resets of own streams follow from closing channels, and nothing that peers use needs the others.
                Ok(Reconfig::IncomingReset { request, .. } | Reconfig::Other { request }) => {
                    if self.is_new_request(request) {
                        self.conclude(request, Outcome::DENIED);
                    }
                }
                Ok(Reconfig::AddOutgoing { request, streams }) => {
                    if self.is_new_request(request) {
                        let outcome = self.add_streams(streams);
                        self.conclude(request, outcome);
                    }
                }
                Err(_) => self.stats.drops.malformed += 1,
            }
        }
    }

    /// Performs the peer's request that waited for data, if that has arrived.
    pub(super) fn perform_deferred_reset(&mut self) {
        let cumulative = self.receiver.tracker.cumulative();
        if let Some(deferred) = self.resets.deferred.take_if(|d| !cumulative.before(d.last_tsn)) {
            self.reset_incoming(&deferred.streams);
            self.conclude(deferred.number, Outcome::PERFORMED);
        }
    }

    /// Appends the request that is due, if it fits.
    pub(super) fn write_reset(&mut self, now: Instant, packet: &mut PacketWriter<'_>) {
        let resets = &mut self.resets;
        if resets.outstanding.is_none() && !resets.waiting.is_empty() {
            let rest = resets.waiting.split_off(resets.waiting.len().min(MAX_STREAMS));
            let streams = core::mem::replace(&mut resets.waiting, rest);
            let last_tsn = self.sender.flight.next_tsn().previous();
            let repeat = Repeat::new(self.sender.rto.current());
            resets.outstanding = Some(Box::new(Outstanding { number: resets.next, last_tsn, streams, repeat }));
            resets.next = resets.next.next();
        }
        let answered = resets.seen();
        let Some(request) = resets.outstanding.as_mut().filter(|o| o.repeat.is_due()) else { return };
        let streams: Vec<StreamId> = request.streams.iter().map(|(stream, _)| *stream).collect();
        let mut body = Vec::with_capacity(16 + 2 * streams.len());
        reconfig::write_outgoing_reset(request.number, answered, request.last_tsn, &streams, &mut body);
        if let Some(room) = packet.chunk(RE_CONFIG, 0, body.len()) {
            room.copy_from_slice(&body);
            request.repeat.sent(now);
        }
    }

    /// Whether a request is one to be handled; answers repeated and unexpected ones itself (RFC 6525 §5.2.1).
    fn is_new_request(&mut self, request: RequestNumber) -> bool {
        if request == self.resets.expected {
            let is_patient = self.resets.unanswered < MAX_UNANSWERED;
            self.resets.unanswered += u8::from(is_patient);
            self.stats.drops.no_room += u64::from(!is_patient);
            return is_patient;
        }
        let outcome =
            if request == self.resets.seen() { self.resets.last_outcome } else { Outcome::BAD_SEQUENCE_NUMBER };
        self.respond(request, outcome);
        false
    }

    fn on_outgoing_reset(&mut self, request: RequestNumber, last_tsn: Tsn, streams: StreamList<'_>) {
        // No stream named means all of them (RFC 6525 §4.1).
        let mut streams: Vec<StreamId> = streams.iter().collect();
        streams.sort_unstable();
        streams.dedup();
        // A peer with a new request has given up on the one before, whose data it has no claim to wait for any more.
        if let Some(given_up) = self.resets.deferred.take() {
            self.reset_incoming(&given_up.streams);
        }
        if self.receiver.tracker.cumulative().before(last_tsn) {
            self.resets.deferred = Some(Box::new(Deferred { number: request, last_tsn, streams }));
            return self.conclude(request, Outcome::IN_PROGRESS);
        }
        self.reset_incoming(&streams);
        self.conclude(request, Outcome::PERFORMED);
    }

    /// The peer may send on more streams.
    fn add_streams(&mut self, more: u16) -> Outcome {
        match self.peer.outbound.checked_add(more).filter(|sum| *sum <= self.config.max_streams) {
            Some(sum) => {
                self.peer.outbound = sum;
                Outcome::PERFORMED
            }
            None => Outcome::DENIED,
        }
    }

    fn conclude(&mut self, request: RequestNumber, outcome: Outcome) {
        self.resets.expected = request.next();
        self.resets.last_outcome = outcome;
        self.respond(request, outcome);
    }

    fn respond(&mut self, request: RequestNumber, outcome: Outcome) {
        let mut body = Vec::with_capacity(16);
        reconfig::write_response(request, outcome, &mut body);
        let mut chunk = Vec::from([RE_CONFIG, 0, 0, (CHUNK_HEADER_LEN + body.len()) as u8]);
        chunk.append(&mut body);
        self.replies.push_chunk(chunk);
    }

    /// The peer starts streams over, all of them if the list is empty: it sends nothing more for the channels there, and
    /// takes nothing.
    fn reset_incoming(&mut self, streams: &[StreamId]) {
        trace!(?streams, "incoming streams reset");
        let which = (!streams.is_empty()).then_some(streams);
        self.receiver.reassembly.reset(which);
        self.receiver.drop_early(which);
        for id in self.channels.on_streams(which) {
            self.incoming_done(id);
        }
    }

    fn incoming_done(&mut self, id: ChannelId) {
        let Some(channel) = self.channels.get_mut(id) else { return };
        channel.closing.incoming_done = true;
        if channel.closing.outgoing == OutgoingReset::Done {
            return self.finish_channel(id);
        }
        if channel.state != ChannelState::Closing {
            channel.state = ChannelState::Closing;
            // Nobody is there to take what was not begun.
            let load = channel.queue.load();
            channel.queue.clear();
            self.sender.requeued(load, channel.queue.load());
            self.events.push_back(Event::Closing(id));
            self.announce_room();
            self.advance_closing(id);
        }
    }

    fn on_reset_response(&mut self, now: Instant, request: RequestNumber, outcome: Outcome) {
        let Some(outstanding) = self.resets.outstanding.as_mut().filter(|o| o.number == request) else {
            return;
        };
        match outcome {
            // Asked again later under the same number (RFC 6525 §5.2.7).
            Outcome::IN_PROGRESS => {
                outstanding.repeat = Repeat::new(self.sender.rto.current());
                outstanding.repeat.sent(now);
            }
            // Asked again under a new number.
            Outcome::ALREADY_IN_PROGRESS => {
                let streams = core::mem::take(&mut outstanding.streams);
                self.resets.outstanding = None;
                self.resets.waiting.extend(streams);
            }
            // Done, or never to be done: in either case nothing more is to be had from asking.
            _ => {
                let streams = core::mem::take(&mut outstanding.streams);
                self.resets.outstanding = None;
                streams.into_iter().filter_map(|(_, id)| id).for_each(|id| self.outgoing_done(id));
            }
        }
    }

    fn outgoing_done(&mut self, id: ChannelId) {
        let Some(channel) = self.channels.get_mut(id) else { return };
        if channel.closing.outgoing != OutgoingReset::Requested {
            return;
        }
        channel.closing.outgoing = OutgoingReset::Done;
        if channel.closing.incoming_done {
            self.finish_channel(id);
        }
    }

    /// Whether a request waits to be sent.
    pub(super) fn reset_is_due(&self) -> bool {
        match &self.resets.outstanding {
            Some(outstanding) => outstanding.repeat.is_due(),
            None => !self.resets.waiting.is_empty(),
        }
    }
}
