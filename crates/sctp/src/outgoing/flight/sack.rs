//! What a SACK says (RFC 9260 §6.2.1), believed as far as it can be true.

use super::chunk::State;
use super::packets::Packet;
use super::tlp::Probe;
use super::{Flight, MAX_SACK_DELAY};
use crate::chunk::sack::Sack;
use crate::congestion::RateSample;
use crate::numbers::Tsn;
use crate::outgoing::blocks;
use crate::rto::RoundTrip;
use peerage_base::serial::Serial;
use peerage_base::time::{Duration, Instant};

/// Time between two occasions on which a peer may take its gap reports back, at least; in between, T3 finds out.
const TAKE_BACK_INTERVAL: Duration = Duration::from_millis(100);

/// What a SACK changed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    /// Bytes on the wire newly acknowledged.
    pub(crate) bytes: usize,
    /// Whether the cumulative TSN advanced.
    pub(crate) advanced: bool,
    /// Round trip of the newest packet that this acknowledges, if it was sent once only.
    pub(crate) rtt: Option<Duration>,
    /// That packet had been sent before, but is acknowledged as fast as is usual.
    pub(crate) confirmed: bool,
    pub(crate) rate: Option<RateSample>,
    /// Bytes whose loss a probe has repaired.
    pub(crate) repaired: usize,
    /// The latest episode of loss was none.
    pub(crate) spurious: bool,
}

/// Gathers what one SACK acknowledges.
struct Tally {
    now: Instant,
    round_trip: RoundTrip,
    outcome: Outcome,
    newest: Option<Newest>,
    /// The same among those that had chunks which were sent once only.
    newest_once: Option<Newest>,
    /// Packet of the last chunk acknowledged by a gap report.
    sacked: Option<u32>,
    /// Something taken for lost had arrived; how long it took, where that is known.
    mistaken: bool,
    lateness: Option<Duration>,
    /// The probe, if this acknowledges it, and whether that was for its earlier transmission.
    probe: Option<(Probe, bool)>,
    duplicates: u32,
}

/// The packet that left last of those acknowledged.
#[derive(Clone, Copy)]
struct Newest {
    departure: u32,
    packet: Packet,
}

impl Flight {
    /// Takes a SACK; `None` if it acknowledges what was never sent or is older than one seen before. To be followed by
    /// [`detect`](Self::detect).
    pub(crate) fn sack(&mut self, now: Instant, sack: &Sack<'_>, round_trip: RoundTrip) -> Option<Outcome> {
        let steps = sack.cumulative.distance(self.cumulative());
        if steps < 0 || steps > self.ring.len() as i64 {
            return None;
        }
        let mut tally = Tally {
            now,
            round_trip,
            outcome: Outcome { advanced: steps > 0, ..Outcome::default() },
            newest: None,
            newest_once: None,
            sacked: None,
            mistaken: false,
            lateness: None,
            probe: None,
            duplicates: 0,
        };
        for _ in 0..steps {
            self.settle_first(&mut tally);
        }
        if self.ring.acked == 0 {
            self.sacked = 0;
        }
        self.settle_gaps(sack, &mut tally);
        self.note_reneging(sack, &mut tally);
        self.rack.passed(sack.cumulative);
        self.note_duplicates(sack, &mut tally);
        if self.recovery.passed(sack.cumulative) {
            self.rack.recovered();
        }
        Some(self.conclude(tally))
    }

    fn settle_gaps(&mut self, sack: &Sack<'_>, tally: &mut Tally) {
        let last = self.next_tsn().previous();
        for (start, end) in blocks::valid(sack.blocks(), self.cumulative(), last) {
            let mut tsn = self.ring.unsettled_from(start);
            while !end.before(tsn) {
                self.settle_gap(tsn, tally);
                tsn = self.ring.unsettled_from(tsn);
            }
        }
    }

    fn settle_gap(&mut self, tsn: Tsn, tally: &mut Tally) {
        let departure = self.ring.get(tsn).map(|chunk| chunk.departure);
        if tally.sacked != departure {
            tally.sacked = departure;
            self.sacked = self.sacked.saturating_add(1);
        }
        self.settle(tsn, tally);
    }

    /// A receiver that has a chunk cannot acknowledge the one before it cumulatively without it.
    fn note_reneging(&mut self, sack: &Sack<'_>, tally: &mut Tally) {
        let interval = tally.round_trip.smoothed.max(TAKE_BACK_INTERVAL);
        let is_time = tally.now.since(self.taken_back_at) >= interval;
        if is_time && self.ring.front().is_some_and(|chunk| chunk.state == State::Acked) {
            self.take_back(tally.now);
            self.settle_gaps(sack, tally);
        }
    }

    /// The first chunk has arrived, and all before it.
    fn settle_first(&mut self, tally: &mut Tally) {
        let first = self.ring.first();
        if self.note_settled(first, tally) {
            self.forget_departure(first);
            if self.ring.pop_head() {
                return;
            }
            self.ring.land(first, State::Acked);
        }
        self.ring.pop();
    }

    /// A chunk has arrived.
    fn settle(&mut self, tsn: Tsn, tally: &mut Tally) {
        if self.note_settled(tsn, tally) {
            self.forget_departure(tsn);
            self.ring.land(tsn, State::Acked);
        }
    }

    /// Counts a chunk that has arrived; `false` if it was settled before.
    fn note_settled(&mut self, tsn: Tsn, tally: &mut Tally) -> bool {
        let Some(chunk) = self.ring.get(tsn).filter(|chunk| !chunk.is_settled()) else { return false };
        let (wire, departure, once) = (chunk.wire_len(), chunk.departure, chunk.transmissions == 1);
        let was_lost = chunk.state == State::Lost;
        // What was taken back and not sent again since counted when it was acknowledged first.
        if let Some(packet) = self.packets.get(departure).filter(|_| !chunk.taken_back) {
            let took = tally.now.since(packet.sent_at);
            let size = usize::from(packet.bytes);
            // Much sooner than a round trip, it must have been an earlier transmission that arrived. Not at the least round
            // trip itself, as RFC 8985 §6.2 has it: the answer to a probe is not delayed, others may all have been.
            let early = !once && packet.on_path && took < tally.round_trip.min * 3 / 4;
            tally.outcome.bytes += wire;
            let is_newer = |than: &Option<Newest>| than.is_none_or(|newest| newest.departure.before(departure));
            if !early && is_newer(&tally.newest) {
                tally.newest = Some(Newest { departure, packet: *packet });
            }
            if once && is_newer(&tally.newest_once) {
                tally.newest_once = Some(Newest { departure, packet: *packet });
            }
            self.delivery.delivered += wire as u64;
            self.note_arrival(tsn, Arrival { once, early, was_lost, took, packet: size }, tally);
        }
        true
    }

    fn note_arrival(&mut self, tsn: Tsn, arrival: Arrival, tally: &mut Tally) {
        let probe = self.tlp.take(tsn);
        if let Some(probe) = probe {
            tally.probe = Some((probe, arrival.early));
        } else if arrival.was_lost || arrival.early {
            self.recovery.refute(arrival.early);
            tally.mistaken |= !self.recovery.is_by_timeout();
            tally.lateness = tally.lateness.max(arrival.was_lost.then_some(arrival.took));
        }
        if !arrival.early {
            self.rack.arrived(tsn, arrival.once);
            if arrival.packet > self.large.above {
                self.large.lost = 0;
            }
        }
    }

    /// Duplicates that the peer reports tell of retransmissions that were not needed (RFC 8985 §6.2 step 4), or of a probe
    /// that was not (§7.4).
    fn note_duplicates(&mut self, sack: &Sack<'_>, tally: &mut Tally) {
        for tsn in sack.duplicate_tsns() {
            tally.duplicates += 1;
            if tally.probe.is_some_and(|(probe, _)| probe.tsn == tsn) {
                tally.probe = None;
                self.tlp.in_vain();
            } else if self.tlp.suspected == Some(tsn) {
                self.tlp.suspected = None;
                self.tlp.in_vain();
                self.recovery.refute(false);
            } else if self.recovery.duplicate() {
                tally.mistaken = true;
            }
        }
    }

    fn conclude(&mut self, mut tally: Tally) -> Outcome {
        let after_timeout = self.recovery.is_by_timeout();
        self.judge(&mut tally);
        let Tally { now, round_trip, mut outcome, mut newest, newest_once, duplicates, .. } = tally;
        // What T3 had sent again, answered later than is usual: more likely the path is slow, and the answer is for the first
        // transmission. It tells nothing of what left in between.
        if after_timeout && newest.is_some_and(|n| now.since(n.packet.sent_at) > 2 * round_trip.smoothed) {
            newest = newest_once;
        }
        if outcome.bytes > 0 {
            self.delivery.heard(now);
        }
        let Some(Newest { departure, packet }) = newest else { return outcome };
        let rtt = now.since(packet.sent_at);
        self.rack.advance(departure, rtt);
        outcome.rate = self.delivery.sample(now, &packet, round_trip.min);
        if !packet.on_path {
            return outcome;
        }
        if newest_once.is_some_and(|once| once.departure == departure) {
            outcome.rtt = Some(rtt);
            self.tlp.measured();
        } else {
            outcome.confirmed = duplicates == 0 && rtt <= 2 * round_trip.smoothed + MAX_SACK_DELAY;
        }
        outcome
    }

    /// Decides what the SACK says of losses concluded before.
    fn judge(&mut self, tally: &mut Tally) {
        if let Some((probe, false)) = tally.probe.filter(|(probe, _)| probe.repeated > 0) {
            // The probe arrived, and what it repeats did not: one loss, repaired already.
            tally.outcome.repaired = probe.repeated as usize;
            self.recovery.lost(1, self.next_tsn());
            self.tlp.suspected = Some(probe.tsn);
        }
        if tally.mistaken {
            self.rack.mistaken(self.next_tsn(), tally.lateness, tally.round_trip);
        }
        let by_timeout = self.recovery.is_by_timeout();
        if !self.recovery.take_mistaken() {
            return;
        }
        tally.outcome.spurious = true;
        if by_timeout {
            self.ring.find_lost(self.packets.oldest());
        }
    }
}

/// How a chunk arrived.
#[derive(Clone, Copy)]
struct Arrival {
    /// It was sent once only.
    once: bool,
    /// So soon after its last transmission that it was an earlier one.
    early: bool,
    was_lost: bool,
    /// Time since the last transmission.
    took: Duration,
    /// Bytes of the packet.
    packet: usize,
}
