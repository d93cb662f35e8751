//! Chunks that have a TSN and are not cumulatively acknowledged: a ring addressed by TSN.
//!
//! Those in flight also form a list in the order in which they left. A SACK that acknowledges a packet sent later than the
//! head of that list is a miss indication for it, so each chunk is looked at three times at most per transmission and the cost
//! of a SACK is that of what it newly says. This is the rule of highest-TSN-newly-acknowledged (RFC 9260 §7.2.4) with
//! "TSN" replaced by "time of departure", so it holds for retransmissions too: a lost one is repaired by the SACKs that follow
//! it, where the RFC would wait for the timer.

use super::blocks;
use crate::channel::ChannelId;
use crate::chunk::data::{DATA_HEADER_LEN, DataHeader};
use crate::chunk::sack::{Block, Sack};
use crate::numbers::{Ssn, StreamId, Tsn};
use crate::packet::padded;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use bytes::Bytes;
use peerage_base::serial::Serial;
use peerage_base::time::{Duration, Instant};
use smallvec::SmallVec;

/// Miss indications after which a chunk is taken for lost.
const MISSES: u8 = 3;

/// When to give up on a message (RFC 7496).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    Never,
    Retransmissions(u32),
    Until(Instant),
}

/// The greatest stream sequence number skipped, per ordered stream.
pub(crate) type Skipped = SmallVec<[(StreamId, Ssn); 8]>;

/// Names an outgoing message within an association.
pub(crate) type MessageId = u64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    InFlight,
    Lost,
    Acked,
    Abandoned,
}

/// A chunk on its way.
#[derive(Clone, Debug)]
pub(crate) struct Chunk {
    pub(crate) header: DataHeader,
    pub(crate) payload: Bytes,
    pub(crate) message: MessageId,
    pub(crate) channel: ChannelId,
    pub(crate) limit: Limit,
    state: State,
    misses: u8,
    transmissions: u32,
    /// Acknowledged before, and taken back: being acknowledged again, it tells nothing of when it arrived.
    taken_back: bool,
    sent_at: Instant,
    /// Number of the packet in which it left last.
    departure: u64,
    earlier: Option<Tsn>,
    later: Option<Tsn>,
}

impl Chunk {
    pub(crate) fn new(
        header: DataHeader,
        payload: Bytes,
        message: MessageId,
        channel: ChannelId,
        limit: Limit,
    ) -> Self {
        Self {
            header,
            payload,
            message,
            channel,
            limit,
            state: State::InFlight,
            misses: 0,
            transmissions: 0,
            taken_back: false,
            sent_at: Instant::ORIGIN,
            departure: 0,
            earlier: None,
            later: None,
        }
    }

    /// Bytes that the chunk takes in a packet.
    pub(crate) fn wire_len(&self) -> usize {
        DATA_HEADER_LEN + padded(self.payload.len())
    }

    fn is_given_up(&self, now: Instant) -> bool {
        match self.limit {
            Limit::Never => false,
            Limit::Retransmissions(n) => self.transmissions > n,
            Limit::Until(deadline) => deadline <= now,
        }
    }
}

/// What a SACK changed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    /// Bytes on the wire newly acknowledged.
    pub(crate) bytes: usize,
    /// Whether the cumulative TSN advanced.
    pub(crate) advanced: bool,
    /// When the latest unambiguous one of the newly acknowledged chunks was sent.
    pub(crate) sent_at: Option<Instant>,
    /// Whether chunks are newly taken for lost.
    pub(crate) lost: bool,
}

/// A message that was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Abandoned {
    pub(crate) message: MessageId,
    pub(crate) channel: ChannelId,
    /// Fields of its last chunk that has a TSN; the message goes on after it unless `end` is set.
    pub(crate) last: DataHeader,
}

#[derive(Debug)]
pub(crate) struct Flight {
    ring: VecDeque<Chunk>,
    /// TSN of the front of the ring.
    first: Tsn,
    head: Option<Tsn>,
    tail: Option<Tsn>,
    /// Taken for lost, ascending; entries whose chunk has been settled since are skipped when reached.
    lost: VecDeque<Tsn>,
    acked: Vec<Block>,
    spare: Vec<Block>,
    departures: u64,
    /// Bytes on the wire in flight.
    in_flight: usize,
    /// User bytes in flight.
    in_flight_payload: usize,
    /// User bytes in the ring.
    held: usize,
}

impl Flight {
    /// Lets go of room that is not in use.
    pub(crate) fn shrink(&mut self) {
        self.ring.shrink_to_fit();
        self.lost.shrink_to_fit();
        self.acked.shrink_to_fit();
        self.spare = Vec::new();
    }

    pub(crate) fn new(initial: Tsn) -> Self {
        Self {
            ring: VecDeque::new(),
            first: initial,
            head: None,
            tail: None,
            lost: VecDeque::new(),
            acked: Vec::new(),
            spare: Vec::new(),
            departures: 0,
            in_flight: 0,
            in_flight_payload: 0,
            held: 0,
        }
    }

    /// Counts one more packet; what is sent next leaves in it.
    pub(crate) fn begin_packet(&mut self) {
        self.departures += 1;
    }

    /// Takes a chunk whose header carries [`next_tsn`](Self::next_tsn) and which leaves in this packet.
    pub(crate) fn push(&mut self, now: Instant, chunk: Chunk) {
        let tsn = self.next_tsn();
        debug_assert_eq!(chunk.header.tsn, tsn);
        self.held += chunk.payload.len();
        self.ring.push_back(chunk);
        self.depart(tsn, now);
    }

    /// Assigns the next TSN to a chunk that is abandoned from the start: it stands for the rest of a message that was given
    /// up half sent, so that FORWARD TSN has something to pass even if all that was sent has arrived.
    pub(crate) fn push_abandoned(&mut self, abandoned: &Abandoned) {
        let header = DataHeader { tsn: self.next_tsn(), begin: false, end: true, ..abandoned.last };
        let mut chunk = Chunk::new(header, Bytes::new(), abandoned.message, abandoned.channel, Limit::Never);
        chunk.state = State::Abandoned;
        self.ring.push_back(chunk);
    }

    /// Takes a SACK; `None` if it acknowledges what was never sent or is older than one seen before.
    pub(crate) fn sack(&mut self, now: Instant, sack: &Sack<'_>, plausible: Duration) -> Option<Outcome> {
        let steps = sack.cumulative.distance(self.first.previous());
        if steps < 0 || steps > self.ring.len() as i64 {
            return None;
        }
        let mut tally = Tally { now, plausible, outcome: Outcome::default(), latest: [0; MISSES as usize] };
        tally.outcome.advanced = steps > 0;
        for _ in 0..steps {
            self.settle_front(&mut tally);
        }
        self.settle_gaps(sack, &mut tally);
        tally.outcome.lost = self.indicate_misses(tally.latest);
        Some(tally.outcome)
    }

    /// Takes everything in flight for lost (RFC 9260 §6.3.3 E3).
    pub(crate) fn lose_all(&mut self) {
        while let Some(tsn) = self.head {
            self.lose(tsn);
        }
    }

    /// The earliest chunk to send again, or a message to be given up instead.
    pub(crate) fn next_lost(&mut self, now: Instant) -> Option<Result<&Chunk, Abandoned>> {
        loop {
            let tsn = *self.lost.front()?;
            match self.get(tsn) {
                Some(chunk) if chunk.state == State::Lost => {
                    if chunk.is_given_up(now) {
                        return self.abandon(tsn).map(Err);
                    }
                    break;
                }
                _ => self.lost.pop_front(),
            };
        }
        let tsn = *self.lost.front()?;
        self.get(tsn).map(Ok)
    }

    /// The chunk that [`next_lost`](Self::next_lost) named leaves again in this packet.
    pub(crate) fn resent(&mut self, now: Instant) {
        if let Some(tsn) = self.lost.pop_front() {
            self.depart(tsn, now);
        }
    }

    /// Gives up the message in whose midst the sender stands, if a chunk of it is still unsettled.
    pub(crate) fn abandon_unfinished(&mut self, message: MessageId) -> Option<Abandoned> {
        let tsn = self.next_tsn().previous();
        match self.get(tsn) {
            Some(chunk) if chunk.message == message => self.abandon(tsn),
            _ => None,
        }
    }

    /// The TSN of the next new chunk.
    pub(crate) fn next_tsn(&self) -> Tsn {
        self.first.plus(self.ring.len() as u32)
    }

    /// Everything up to here is acknowledged.
    pub(crate) fn cumulative(&self) -> Tsn {
        self.first.previous()
    }

    /// Whether nothing is unacknowledged.
    pub(crate) fn is_empty(&self) -> bool {
        self.ring.is_empty()
    }

    /// Whether a chunk waits to be sent again.
    pub(crate) fn has_lost(&self) -> bool {
        self.lost.iter().any(|tsn| self.get(*tsn).is_some_and(|c| c.state == State::Lost))
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// User bytes that are kept until they are acknowledged.
    pub(crate) fn held(&self) -> usize {
        self.held
    }

    pub(crate) fn in_flight_payload(&self) -> usize {
        self.in_flight_payload
    }

    /// How far the peer can be told to go on, and the streams skipped on the way, at most `max_streams` of them
    /// (RFC 3758 §3.5 C2); `None` if the front of the ring is not abandoned.
    pub(crate) fn forward(&self, max_streams: usize) -> Option<(Tsn, Skipped)> {
        let mut streams = Skipped::new();
        let mut to = None;
        for chunk in self.ring.iter().take_while(|c| c.state == State::Abandoned) {
            let header = chunk.header;
            if !header.unordered {
                match streams.iter().position(|(stream, _)| *stream == header.stream) {
                    Some(at) => streams[at].1 = header.ssn,
                    None if streams.len() == max_streams => break,
                    None => streams.push((header.stream, header.ssn)),
                }
            }
            to = Some(header.tsn);
        }
        to.map(|tsn| (tsn, streams))
    }

    /// Whether the front of the ring is abandoned, so that the peer has to be told.
    pub(crate) fn can_forward(&self) -> bool {
        self.ring.front().is_some_and(|c| c.state == State::Abandoned)
    }

    fn index(&self, tsn: Tsn) -> usize {
        tsn.steps_from(self.first) as usize
    }

    fn get(&self, tsn: Tsn) -> Option<&Chunk> {
        self.ring.get(self.index(tsn))
    }

    fn get_mut(&mut self, tsn: Tsn) -> Option<&mut Chunk> {
        let index = self.index(tsn);
        self.ring.get_mut(index)
    }

    /// A chunk leaves in this packet.
    fn depart(&mut self, tsn: Tsn, now: Instant) {
        if let Some(chunk) = self.get_mut(tsn) {
            chunk.taken_back = false;
            chunk.transmissions += 1;
            chunk.sent_at = now;
            self.join(tsn);
        }
    }

    /// Puts a chunk at the end of the departure list.
    fn join(&mut self, tsn: Tsn) {
        let (tail, departure) = (self.tail, self.departures);
        let Some(chunk) = self.get_mut(tsn) else { return };
        chunk.state = State::InFlight;
        chunk.misses = 0;
        chunk.departure = departure;
        (chunk.earlier, chunk.later) = (tail, None);
        let (wire, payload) = (chunk.wire_len(), chunk.payload.len());
        self.in_flight += wire;
        self.in_flight_payload += payload;
        match tail.and_then(|t| self.get_mut(t)) {
            Some(previous) => previous.later = Some(tsn),
            None => self.head = Some(tsn),
        }
        self.tail = Some(tsn);
    }

    /// Takes a chunk off the departure list, if it is on it.
    fn land(&mut self, tsn: Tsn, state: State) {
        let Some(chunk) = self.get_mut(tsn) else { return };
        let was = core::mem::replace(&mut chunk.state, state);
        if was != State::InFlight {
            return;
        }
        let (earlier, later) = (chunk.earlier.take(), chunk.later.take());
        let (wire, payload) = (chunk.wire_len(), chunk.payload.len());
        self.in_flight -= wire;
        self.in_flight_payload -= payload;
        match earlier.and_then(|t| self.get_mut(t)) {
            Some(c) => c.later = later,
            None => self.head = later,
        }
        match later.and_then(|t| self.get_mut(t)) {
            Some(c) => c.earlier = earlier,
            None => self.tail = earlier,
        }
    }

    fn settle_front(&mut self, tally: &mut Tally) {
        let tsn = self.first;
        if let Some(chunk) = self.get(tsn).filter(|c| matches!(c.state, State::InFlight | State::Lost)) {
            tally.count(chunk);
        }
        self.land(tsn, State::Acked);
        self.held -= self.ring.pop_front().map_or(0, |chunk| chunk.payload.len());
        self.first = tsn.next();
    }

    fn settle_gaps(&mut self, sack: &Sack<'_>, tally: &mut Tally) {
        let cumulative = self.cumulative();
        let mut known = core::mem::take(&mut self.acked);
        let mut told = core::mem::take(&mut self.spare);
        // What the cumulative TSN has passed is known no longer as a gap.
        known.retain_mut(|block| {
            if !block.0.distance(cumulative).is_positive() {
                block.0 = cumulative.next();
            }
            block.1.distance(cumulative).is_positive()
        });
        told.clear();
        blocks::sanitize(sack.blocks(), cumulative, self.next_tsn().previous(), &mut told);
        if known != told {
            blocks::difference(&told, &known, cumulative, |from, to| {
                self.each(from, to, |flight, tsn| flight.settle_gap(tsn, tally));
            });
            // A gap report may be taken back (RFC 9260 §6.2.1). Mostly that is an older SACK which was overtaken.
            blocks::difference(&known, &told, cumulative, |from, to| self.each(from, to, Self::renege));
        }
        self.acked = told;
        self.spare = known;
    }

    fn each(&mut self, from: Tsn, to: Tsn, mut act: impl FnMut(&mut Self, Tsn)) {
        for step in 0..=to.steps_from(from) {
            act(self, from.plus(step));
        }
    }

    fn settle_gap(&mut self, tsn: Tsn, tally: &mut Tally) {
        let Some(chunk) = self.get(tsn) else { return };
        if matches!(chunk.state, State::InFlight | State::Lost) {
            tally.count(chunk);
            self.land(tsn, State::Acked);
        }
    }

    fn renege(&mut self, tsn: Tsn) {
        if let Some(chunk) = self.get_mut(tsn).filter(|c| c.state == State::Acked) {
            chunk.taken_back = true;
            self.join(tsn);
        }
    }

    /// Counts miss indications against what left before the newly acknowledged packets, `latest` being the departures of the
    /// last three of these. Answers whether something is newly taken for lost.
    fn indicate_misses(&mut self, latest: [u64; MISSES as usize]) -> bool {
        let mut any = false;
        let mut next = self.head;
        while let Some(tsn) = next {
            let Some(chunk) = self.get_mut(tsn) else { break };
            let misses = latest.iter().filter(|d| chunk.departure < **d).count() as u8;
            if misses == 0 {
                break;
            }
            next = chunk.later;
            chunk.misses = chunk.misses.saturating_add(misses);
            if chunk.misses >= MISSES {
                self.lose(tsn);
                any = true;
            }
        }
        any
    }

    fn lose(&mut self, tsn: Tsn) {
        self.land(tsn, State::Lost);
        self.set_lost(tsn);
    }

    fn set_lost(&mut self, tsn: Tsn) {
        if let Some(chunk) = self.get_mut(tsn) {
            chunk.state = State::Lost;
        }
        // Almost always at the end, as what left earlier is taken for lost earlier.
        let at = self.lost.partition_point(|other| other.before(tsn));
        if self.lost.get(at) != Some(&tsn) {
            self.lost.insert(at, tsn);
        }
    }

    /// Abandons every chunk of the message that `tsn` belongs to (RFC 3758 §3.5 A3).
    fn abandon(&mut self, tsn: Tsn) -> Option<Abandoned> {
        let message = self.get(tsn)?.message;
        let mut from = tsn;
        while from != self.first && self.get(from.previous()).is_some_and(|c| c.message == message) {
            from = from.previous();
        }
        let mut last = None;
        let mut at = from;
        while let Some(chunk) = self.get(at).filter(|c| c.message == message) {
            last = Some(Abandoned { message, channel: chunk.channel, last: chunk.header });
            self.land(at, State::Abandoned);
            let payload = self.get_mut(at).map(|chunk| core::mem::take(&mut chunk.payload));
            self.held -= payload.map_or(0, |payload| payload.len());
            at = at.next();
        }
        last
    }
}

/// Gathers what one SACK acknowledges.
struct Tally {
    now: Instant,
    /// An acknowledgement sooner than this after a retransmission is for an earlier transmission.
    plausible: Duration,
    outcome: Outcome,
    /// Departures of the latest packets acknowledged, descending, zero for none.
    latest: [u64; MISSES as usize],
}

impl Tally {
    fn count(&mut self, chunk: &Chunk) {
        self.outcome.bytes += chunk.wire_len();
        if chunk.taken_back {
            return;
        }
        if chunk.transmissions == 1 {
            self.outcome.sent_at = self.outcome.sent_at.max(Some(chunk.sent_at));
        } else if self.now.since(chunk.sent_at) < self.plausible {
            return;
        }
        // A lost chunk that arrived after all says nothing about what left after it.
        if chunk.state == State::InFlight && !self.latest.contains(&chunk.departure) {
            let at = self.latest.iter().position(|d| *d < chunk.departure);
            if let Some(at) = at {
                self.latest[at..].rotate_right(1);
                self.latest[at] = chunk.departure;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::sack;
    use crate::numbers::{Ppid, Tag};
    use crate::packet::{Packet, PacketWriter};

    const FIRST: Tsn = Tsn(u32::MAX - 2);
    const AT: Instant = Instant::from_millis(1000);

    fn header(tsn: Tsn, begin: bool, end: bool) -> DataHeader {
        let (stream, ssn, ppid) = (StreamId(1), Ssn(4), Ppid::BINARY);
        DataHeader { tsn, stream, ssn, ppid, begin, end, unordered: false, immediate: false }
    }

    /// `n` packets of one chunk with 100 bytes, each a message of its own.
    fn flight(n: u32, limit: Limit) -> Flight {
        let mut flight = Flight::new(FIRST);
        for message in 0..n {
            flight.begin_packet();
            let header = header(flight.next_tsn(), true, true);
            let payload = Bytes::from_static(&[0; 100]);
            flight.push(AT, Chunk::new(header, payload, u64::from(message), ChannelId::of_test(0), limit));
        }
        flight
    }

    /// Acknowledges `cumulative` chunks and the given ones (both counted from 1).
    fn sack(flight: &mut Flight, cumulative: u32, gaps: &[(u32, u32)]) -> Option<Outcome> {
        let base = FIRST.previous();
        let blocks: Vec<_> = gaps.iter().map(|(a, b)| (base.plus(*a), base.plus(*b))).collect();
        let mut buf = [0; 1000];
        let mut w = PacketWriter::new(&mut buf, 1000, 0, 0, Tag(0)).unwrap();
        assert!(sack::write(base.plus(cumulative), 0, blocks.into_iter(), &[], &mut w));
        let len = w.finish(false);
        let raw = Packet::parse(&buf[..len]).unwrap().chunks().next().unwrap().unwrap();
        flight.sack(AT + Duration::from_millis(50), &Sack::parse(raw.body).unwrap(), Duration::from_millis(10))
    }

    fn lost(flight: &mut Flight) -> Vec<u32> {
        let mut out = Vec::new();
        while let Some(Ok(chunk)) = flight.next_lost(AT) {
            out.push(chunk.header.tsn.steps_from(FIRST.previous()));
            flight.begin_packet();
            flight.resent(AT);
        }
        out
    }

    #[test]
    fn a_sack_settles_what_it_names_and_nothing_twice() {
        let mut f = flight(10, Limit::Never);
        assert_eq!(f.in_flight(), 10 * 116);
        let out = sack(&mut f, 2, &[(4, 5)]).unwrap();
        assert_eq!((out.bytes, out.advanced, f.held()), (4 * 116, true, 800));
        let out = sack(&mut f, 2, &[(4, 6)]).unwrap();
        assert_eq!((out.bytes, out.advanced, f.held()), (116, false, 800));
        let out = sack(&mut f, 10, &[]).unwrap();
        assert_eq!((out.bytes, f.held()), (5 * 116, 0));
        assert_eq!((f.in_flight(), f.in_flight_payload(), f.is_empty()), (0, 0, true));
    }

    #[test]
    fn acknowledging_what_was_never_sent_or_is_long_acknowledged_is_refused() {
        let mut f = flight(3, Limit::Never);
        assert!(sack(&mut f, 4, &[]).is_none());
        assert!(sack(&mut f, 2, &[]).is_some());
        assert!(sack(&mut f, 1, &[]).is_none());
    }

    #[test]
    fn three_later_packets_mark_a_loss_in_one_sack_or_in_three() {
        let mut f = flight(10, Limit::Never);
        assert!(!sack(&mut f, 0, &[(2, 2)]).unwrap().lost);
        assert!(!sack(&mut f, 0, &[(2, 3)]).unwrap().lost);
        assert!(sack(&mut f, 0, &[(2, 4)]).unwrap().lost);
        assert_eq!(lost(&mut f), [1]);
        let mut f = flight(10, Limit::Never);
        assert!(sack(&mut f, 0, &[(2, 2), (4, 6)]).unwrap().lost);
        assert_eq!(lost(&mut f), [1, 3]);
    }

    #[test]
    fn chunks_of_one_packet_count_as_one_indication() {
        let mut f = Flight::new(FIRST);
        for n in 0..5 {
            if n < 2 {
                f.begin_packet();
            }
            let header = header(f.next_tsn(), true, true);
            f.push(AT, Chunk::new(header, Bytes::from_static(b"x"), n, ChannelId::of_test(0), Limit::Never));
        }
        assert!(!sack(&mut f, 0, &[(2, 5)]).unwrap().lost);
    }

    #[test]
    fn a_lost_retransmission_is_seen_by_what_left_after_it() {
        let mut f = flight(4, Limit::Never);
        assert!(sack(&mut f, 0, &[(2, 4)]).unwrap().lost);
        assert_eq!(lost(&mut f), [1]);
        for n in 4..7 {
            f.begin_packet();
            let header = header(f.next_tsn(), true, true);
            f.push(AT, Chunk::new(header, Bytes::from_static(b"x"), n, ChannelId::of_test(0), Limit::Never));
        }
        assert!(!sack(&mut f, 0, &[(2, 6)]).unwrap().lost);
        assert!(sack(&mut f, 0, &[(2, 7)]).unwrap().lost);
        assert_eq!(lost(&mut f), [1]);
    }

    #[test]
    fn what_a_peer_takes_back_is_in_flight_again_and_an_overtaken_sack_repairs_itself() {
        let mut f = flight(5, Limit::Never);
        sack(&mut f, 0, &[(2, 3)]).unwrap();
        assert!(!sack(&mut f, 0, &[(3, 3)]).unwrap().lost);
        assert_eq!(f.in_flight(), 4 * 116);
        let again = sack(&mut f, 0, &[(2, 3)]).unwrap();
        assert_eq!((f.in_flight(), again.sent_at), (3 * 116, None));
        sack(&mut f, 0, &[(3, 3)]).unwrap();
        f.lose_all();
        assert_eq!(lost(&mut f), [1, 2, 4, 5]);
        assert!(sack(&mut f, 5, &[]).is_some());
        assert_eq!(f.in_flight(), 0);
    }

    #[test]
    fn a_message_out_of_retransmissions_is_abandoned_whole() {
        let mut f = Flight::new(FIRST);
        for (message, begin, end) in [(0, true, true), (1, true, false), (1, false, false), (1, false, true)] {
            f.begin_packet();
            let header = header(f.next_tsn(), begin, end);
            let limit = Limit::Retransmissions(1);
            f.push(AT, Chunk::new(header, Bytes::from_static(b"x"), message, ChannelId::of_test(0), limit));
        }
        sack(&mut f, 1, &[(2, 2)]).unwrap();
        f.lose_all();
        assert_eq!(lost(&mut f), [3, 4]);
        f.lose_all();
        let abandoned = f.next_lost(AT).unwrap().unwrap_err();
        assert_eq!((abandoned.message, abandoned.last.end), (1, true));
        let (tsn, streams) = f.forward(10).unwrap();
        assert_eq!((tsn, &streams[..]), (FIRST.plus(3), &[(StreamId(1), Ssn(4))][..]));
        assert!(f.next_lost(AT).is_none());
        assert_eq!(f.in_flight(), 0);
    }

    #[test]
    fn a_half_sent_message_that_is_given_up_keeps_a_number_for_its_rest() {
        let mut f = Flight::new(FIRST);
        f.begin_packet();
        let limit = Limit::Until(AT);
        f.push(AT, Chunk::new(header(FIRST, true, false), Bytes::from_static(b"x"), 7, ChannelId::of_test(0), limit));
        let abandoned = f.abandon_unfinished(7).unwrap();
        assert!(!abandoned.last.end);
        f.push_abandoned(&abandoned);
        assert_eq!(f.forward(10).unwrap().0, FIRST.next());
        assert!(sack(&mut f, 2, &[]).unwrap().advanced);
        assert!(f.is_empty());
    }

    #[test]
    fn ambiguous_acknowledgements_give_no_round_trip() {
        let mut f = flight(2, Limit::Never);
        f.lose_all();
        lost(&mut f);
        assert_eq!(sack(&mut f, 2, &[]).unwrap().sent_at, None);
        let mut f = flight(2, Limit::Never);
        assert_eq!(sack(&mut f, 2, &[]).unwrap().sent_at, Some(AT));
    }
}
