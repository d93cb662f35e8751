//! Chunks that have a TSN and are not cumulatively acknowledged, and how their loss is found: RACK-TLP (RFC 8985) for SCTP.
//!
//! What is in flight forms a list in the order of departure. Something that left earlier than a packet that has arrived, by
//! more than a window for reordering, is lost: retransmissions, too. A tail-loss probe makes the peer speak where nothing
//! would follow. So the timer T3 remains for the case that a probe is lost as well, and even then only what is overdue is
//! taken for lost.
//!
//! Three things differ from the letter of RFC 8985. Whole packets are what departs, so that chunks of one packet are not
//! compared with each other. A probe is sent in recovery, too, if everything that could tell of a loss is on its way. And
//! where it is known how late something came, the window for reordering grows to that at once.
//!
//! A gap report is not taken back by a SACK that lacks it: such a SACK has mostly been overtaken, or had no room. A peer that
//! did drop what it had reported (RFC 9260 §6.2.1) is found out as soon as its cumulative TSN comes to stand before such a
//! chunk, or by T3. The cost of a SACK is that of its length and of what it newly says.
//!
//! A peer that acknowledges what it does not have harms its own data only, as every TSN is kept until then and none beyond
//! what was sent is believed; the rate that it can provoke thereby is bounded by the window that it announces per round trip
//! of the true path, since what was not sent cannot be acknowledged ahead.

pub(crate) mod abandon;
#[cfg(any(test, feature = "fuzz"))]
mod audit;
pub(crate) mod chunk;
mod packets;
mod rack;
mod rate;
mod recovery;
mod ring;
pub(crate) mod sack;
#[cfg(test)]
mod tests;
mod tlp;

use crate::numbers::Tsn;
use crate::rto::RoundTrip;
use chunk::{Abandoned, Chunk, State};
use packets::Packets;
use peerage_base::serial::Serial;
use peerage_base::time::{Duration, Instant, earliest};
use rack::Rack;
use rate::Delivery;
use recovery::Recovery;
use ring::Ring;
use tlp::{Probe, Tlp};

#[derive(Debug)]
pub(crate) struct Flight {
    ring: Ring,
    packets: Packets,
    delivery: Delivery,
    rack: Rack,
    tlp: Tlp,
    recovery: Recovery,
    /// The packet that is being written, once a chunk has entered it, and the bytes of its chunks.
    current: Option<u32>,
    current_bytes: usize,
    /// Packets acknowledged by gap reports since there are any.
    sacked: u32,
    /// When gap reports were taken back last.
    taken_back_at: Instant,
    large: Large,
}

/// What becomes of packets above the size that every path takes.
#[derive(Debug)]
struct Large {
    /// Packets with more bytes of chunks than this count.
    above: usize,
    /// Packets lost since one arrived.
    lost: u32,
    latest: Option<u32>,
}

impl Flight {
    pub(crate) fn new(initial: Tsn) -> Self {
        Self {
            ring: Ring::new(initial),
            packets: Packets::default(),
            delivery: Delivery::default(),
            rack: Rack::new(),
            tlp: Tlp::new(),
            recovery: Recovery::default(),
            current: None,
            current_bytes: 0,
            sacked: 0,
            taken_back_at: Instant::ORIGIN,
            large: Large { above: usize::MAX, lost: 0, latest: None },
        }
    }

    /// What is sent next leaves in a packet of its own.
    pub(crate) fn begin_packet(&mut self) {
        self.current = None;
        self.current_bytes = 0;
    }

    /// The packet leaves; `asks` if it makes the peer acknowledge at once. Answers the bytes of its chunks, and whether the
    /// earliest chunk that is not acknowledged is one of them; `None` if it has none.
    pub(crate) fn end_packet(&mut self, asks: bool) -> Option<(usize, bool)> {
        let number = self.current?;
        if let Some(packet) = self.packets.get_mut(number) {
            packet.in_flight = u32::try_from(self.ring.in_flight).unwrap_or(u32::MAX);
            packet.bytes = u16::try_from(self.current_bytes).unwrap_or(u16::MAX);
        }
        self.tlp.asked = asks;
        let has_first = self.ring.front().is_some_and(|c| c.departure == number && c.state == State::InFlight);
        Some((self.current_bytes, has_first))
    }

    /// Takes a chunk whose header carries [`next_tsn`](Self::next_tsn) and which leaves in this packet.
    pub(crate) fn push(&mut self, now: Instant, mut chunk: Chunk) {
        debug_assert_eq!(chunk.header.tsn, self.next_tsn());
        let number = self.departing(now);
        (chunk.transmissions, chunk.departure) = (1, number);
        self.current_bytes += chunk.wire_len();
        self.packets.enter(number);
        self.ring.push_departing(chunk);
    }

    /// The chunk that [`next_lost`](Self::next_lost) named leaves again in this packet.
    pub(crate) fn resent(&mut self, now: Instant) {
        if let Some(tsn) = self.ring.take_lost() {
            self.depart(tsn, now);
            self.recovery.resent();
        }
    }

    /// The earliest chunk to send again, or a message to be given up instead.
    pub(crate) fn next_lost(&mut self, now: Instant) -> Option<Result<&Chunk, Abandoned>> {
        let tsn = self.ring.first_lost()?;
        if self.ring.get(tsn)?.is_given_up(now) {
            return self.abandon(tsn).map(Err);
        }
        self.ring.get(tsn).map(Ok)
    }

    /// Takes for lost what left long enough before the newest packet that has arrived, and plans when to look again.
    /// Answers the bytes newly lost (RFC 8985 §6.2 step 5).
    pub(crate) fn detect(&mut self, now: Instant, round_trip: RoundTrip) -> usize {
        let window = self.rack.window(round_trip, self.recovery.is_on(), self.sacked);
        let before = self.delivery.lost;
        let mut chunks = 0;
        self.rack.deadline = None;
        while let Some(head) = self.ring.head() {
            let (tsn, departure) = (head.header.tsn, head.departure);
            let sent_at = self.packets.get(departure).map_or(now, |packet| packet.sent_at);
            let Some(expiry) = self.rack.expiry(departure, sent_at, window) else { break };
            if now < expiry {
                self.rack.deadline = Some(expiry);
                break;
            }
            self.lose(tsn);
            chunks += 1;
        }
        if chunks > 0 && self.recovery.lost(chunks, self.next_tsn()) {
            self.tlp.reset();
        }
        (self.delivery.lost - before) as usize
    }

    /// T3 expired: takes the earliest chunk for lost, and what else is overdue (RFC 8985 §6.3).
    pub(crate) fn time_out(&mut self, now: Instant, round_trip: RoundTrip) {
        let mut chunks = 0;
        if self.ring.front().is_some_and(|chunk| chunk.state == State::Acked) {
            self.take_back(now);
        }
        let first = self.ring.unsettled_from(self.ring.first());
        if self.ring.get(first).is_some_and(|chunk| chunk.state == State::InFlight) {
            self.lose(first);
            chunks += 1;
        }
        let patience = self.rack.rtt() + self.rack.window(round_trip, true, self.sacked);
        while let Some(head) = self.ring.head() {
            let (tsn, departure) = (head.header.tsn, head.departure);
            if self.packets.get(departure).is_some_and(|packet| now < packet.sent_at + patience) {
                break;
            }
            self.lose(tsn);
            chunks += 1;
        }
        self.recovery.timed_out(chunks, self.next_tsn());
        self.tlp.reset();
        self.rack.deadline = None;
    }

    /// First and last chunk of the packet that left last; `None` if one of them may not be sent again.
    pub(crate) fn last_packet(&self, now: Instant) -> Option<(Tsn, Tsn)> {
        let last = self.ring.tail()?;
        let mut first = last;
        loop {
            if first.is_given_up(now) {
                return None;
            }
            match self.ring.get(first.earlier) {
                Some(chunk) if first.earlier != first.header.tsn && chunk.departure == last.departure => first = chunk,
                _ => return Some((first.header.tsn, last.header.tsn)),
            }
        }
    }

    /// The chunk with this TSN.
    pub(crate) fn get(&self, tsn: Tsn) -> Option<&Chunk> {
        self.ring.get(tsn)
    }

    /// A chunk in flight leaves once more in this packet, as a probe. Answers what left after its last transmission.
    pub(crate) fn repeat(&mut self, now: Instant, tsn: Tsn) -> Option<Tsn> {
        let later = self.ring.later(tsn);
        self.ring.detach(tsn);
        self.depart(tsn, now);
        later
    }

    /// Whether something has arrived beyond what is missing.
    pub(crate) fn has_gaps(&self) -> bool {
        self.ring.acked > 0
    }

    /// Plans a probe at `at` if one may be sent (RFC 8985 §7.2), instead of what was planned.
    pub(crate) fn plan_probe(&mut self, at: Instant) {
        let waits = self.ring.in_flight > 0 && self.rack.deadline.is_none();
        self.tlp.deadline = (waits && self.tlp.is_allowed()).then_some(at);
    }

    /// No probe is wanted now.
    pub(crate) fn cancel_probe(&mut self) {
        self.tlp.deadline = None;
    }

    /// Takes note that the time for a probe has come, if it has.
    pub(crate) fn expire_probe(&mut self, now: Instant) -> bool {
        let expired = self.tlp.deadline.take_if(|deadline| *deadline <= now).is_some();
        self.tlp.due |= expired;
        expired
    }

    /// The packet was the probe that was due: `repeated` bytes of it had left before. Or nothing could leave: zero, and no
    /// chunk in the packet.
    pub(crate) fn probe_done(&mut self, repeated: usize) {
        let tail = self.ring.tail().map(|chunk| chunk.header.tsn).filter(|_| self.current.is_some());
        match tail {
            Some(tsn) => self.tlp.sent(Probe { tsn, repeated: u32::try_from(repeated).unwrap_or(u32::MAX) }),
            None => self.tlp.due = false,
        }
    }

    /// There is nothing that a probe could be.
    pub(crate) fn drop_probe(&mut self) {
        self.tlp.due = false;
    }

    /// There is room in the congestion window, and nothing to fill it with.
    pub(crate) fn app_limited(&mut self) {
        self.delivery.limit(self.ring.in_flight);
    }

    /// Acknowledgements of retransmissions came as fast as the path allows: a probe may be sent again.
    pub(crate) fn round_trip_confirmed(&mut self) {
        self.tlp.measured();
    }

    /// The path is another one. What is in flight is asked about at once, over the new path.
    pub(crate) fn path_changed(&mut self) {
        self.packets.path_changed();
        self.rack.path_changed();
        self.recovery = Recovery::default();
        self.tlp = Tlp::new();
        self.tlp.due = self.ring.in_flight > 0;
        self.large.lost = 0;
    }

    /// What has left goes again as I-DATA, or as DATA.
    pub(crate) fn set_interleaved(&mut self, interleaved: bool) {
        self.ring.set_interleaved(interleaved);
    }

    /// Packets with more than `above` bytes of chunks are counted from now on when they are lost.
    pub(crate) fn watch_large(&mut self, above: usize) {
        self.large = Large { above, lost: 0, latest: None };
    }

    /// Gives memory back if nothing is held.
    pub(crate) fn shrink(&mut self) {
        if self.ring.is_empty() {
            self.ring.release();
            self.packets.release();
        }
    }

    /// When [`detect`](Self::detect) or [`expire_probe`](Self::expire_probe) is to be called.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        earliest(self.rack.deadline, self.tlp.deadline)
    }

    /// When loss is to be looked for.
    pub(crate) fn detection_deadline(&self) -> Option<Instant> {
        self.rack.deadline
    }

    /// Whether a chunk has entered the packet that is being written.
    pub(crate) fn has_packet(&self) -> bool {
        self.current.is_some()
    }

    pub(crate) fn probe_is_due(&self) -> bool {
        self.tlp.due
    }

    /// Whether all that is in flight left in one packet that did not ask for a SACK at once: the peer may delay it.
    pub(crate) fn sack_may_be_delayed(&self) -> bool {
        let lone = self.ring.head().zip(self.ring.tail()).is_some_and(|(a, b)| a.departure == b.departure);
        lone && !self.tlp.asked
    }

    /// Whether losses of one flight are being repaired.
    pub(crate) fn in_recovery(&self) -> bool {
        self.recovery.is_on()
    }

    /// Packets above the size of [`watch_large`](Self::watch_large) that were lost since one arrived.
    pub(crate) fn large_losses(&self) -> u32 {
        self.large.lost
    }

    /// The TSN of the next new chunk.
    pub(crate) fn next_tsn(&self) -> Tsn {
        self.ring.first().plus(self.ring.len() as u32)
    }

    /// Everything up to here is acknowledged.
    pub(crate) fn cumulative(&self) -> Tsn {
        self.ring.first().previous()
    }

    /// Whether nothing is unacknowledged.
    pub(crate) fn is_empty(&self) -> bool {
        self.ring.is_empty()
    }

    /// Whether a chunk waits to be sent again.
    pub(crate) fn has_lost(&self) -> bool {
        self.ring.has_lost()
    }

    /// Bytes on the wire in flight.
    pub(crate) fn in_flight(&self) -> usize {
        self.ring.in_flight
    }

    /// User bytes that the peer still has to take: in flight, or lost and to be sent again.
    pub(crate) fn awaited_payload(&self) -> usize {
        self.ring.in_flight_payload + self.ring.lost_payload
    }

    /// User bytes that are kept until they are acknowledged.
    pub(crate) fn held(&self) -> usize {
        self.ring.held
    }

    /// Chunks that are kept until everything before them is acknowledged.
    pub(crate) fn chunks(&self) -> usize {
        self.ring.len()
    }

    /// Bytes on the wire acknowledged since the start.
    pub(crate) fn delivered(&self) -> u64 {
        self.delivery.delivered
    }

    #[cfg(test)]
    pub(crate) fn capacity(&self) -> usize {
        self.ring.capacity() + self.packets.capacity()
    }

    /// Number of the packet that is being written, which a chunk enters.
    fn departing(&mut self, now: Instant) -> u32 {
        match self.current {
            Some(number) => number,
            None => *self.current.insert(self.packets.push(self.delivery.packet(now, self.ring.in_flight))),
        }
    }

    /// A chunk that was sent before, and is on no list, leaves in this packet.
    fn depart(&mut self, tsn: Tsn, now: Instant) {
        let number = self.departing(now);
        let Some(chunk) = self.ring.get_mut(tsn) else { return };
        let had_left = (chunk.transmissions > 0 && !chunk.taken_back).then_some(chunk.departure);
        chunk.taken_back = false;
        chunk.transmissions = chunk.transmissions.saturating_add(1);
        chunk.departure = number;
        self.current_bytes += chunk.wire_len();
        self.packets.enter(number);
        if let Some(before) = had_left {
            self.packets.leave(before);
        }
        self.ring.join(tsn);
    }

    /// A chunk is settled: its packet needs to be remembered for it no longer.
    fn forget_departure(&mut self, tsn: Tsn) {
        if let Some(chunk) = self.ring.get(tsn).filter(|chunk| !chunk.is_settled() && !chunk.taken_back) {
            self.packets.leave(chunk.departure);
        }
    }

    fn lose(&mut self, tsn: Tsn) {
        let Some(chunk) = self.ring.get(tsn) else { return };
        let (wire, departure) = (chunk.wire_len(), chunk.departure);
        self.delivery.lost += wire as u64;
        let packet = self.packets.get(departure).map_or(0, |packet| usize::from(packet.bytes));
        if packet > self.large.above && self.large.latest != Some(departure) {
            self.large.lost = self.large.lost.saturating_add(1);
            self.large.latest = Some(departure);
        }
        self.tlp.take(tsn);
        self.ring.lose(tsn);
    }

    /// The peer has dropped what it reported: all gap reports are void.
    fn take_back(&mut self, now: Instant) {
        self.taken_back_at = now;
        self.ring.take_back();
        self.sacked = 0;
    }
}

/// Time that a peer may wait with a SACK (RFC 9260 §6.2): Chromium and Firefox wait up to 200 ms.
pub(crate) const MAX_SACK_DELAY: Duration = Duration::from_millis(200);
