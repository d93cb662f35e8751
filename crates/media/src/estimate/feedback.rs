//! From feedback to what became of each packet.
//!
//! Nobody but the peer knows its clock, so times of arrival are nanoseconds since some moment, and only their differences mean
//! anything. They are whatever the peer says: they may stand still, jump, or run backwards.

use super::history::{History, Key, Record};
use alloc::vec::Vec;
use peerage_base::ecn::Ecn;
use peerage_base::serial::Serial;
use peerage_base::time::Instant;
use peerage_rtp::ntp::Compact;
use peerage_rtp::numbers::SequenceNumber;
use peerage_rtp::rtcp::ccfb::CongestionFeedback;
use peerage_rtp::rtcp::twcc::{ReferenceTime, Run, TICK, TransportFeedback};

/// Nanoseconds of a unit of receive deltas.
const TICK_NANOS: i64 = TICK.as_nanos() as i64;

/// What became of a packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outcome {
    /// What it was when it left.
    pub(super) record: Record,
    /// How it arrived, if it has.
    pub(super) arrival: Option<Arrival>,
}

/// How a packet arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Arrival {
    /// When, in nanoseconds on the peer's clock; `None` if it does not tell.
    pub(super) at: Option<i64>,
    /// With which mark; `None` if it does not tell.
    pub(super) ecn: Option<Ecn>,
}

/// Reads feedback. Keeps the room it has needed.
#[derive(Clone, Debug, Default)]
pub(super) struct Reading {
    /// What the last feedback told, arrivals in the order of their times.
    pub(super) outcomes: Vec<Outcome>,
    /// Whether feedback before it is missing, so that packets are that nothing is known of.
    pub(super) is_after_hole: bool,
    /// Packets that it spoke of in vain, up to now.
    pub(super) unknown: u64,
    /// The number of the last transport-wide feedback.
    number: Option<u8>,
    /// The last reference time, and what it was on the clock.
    reference: Option<(ReferenceTime, i64)>,
    /// The same of report times.
    report: Option<(Compact, i64)>,
}

impl Reading {
    /// Transport-wide feedback.
    pub(super) fn transport(&mut self, history: &mut History, feedback: &TransportFeedback<'_>) {
        self.outcomes.clear();
        // A peer that does not count does not tell of holes.
        self.is_after_hole = self.number.is_some_and(|last| feedback.number.wrapping_sub(last) > 1);
        self.number = Some(feedback.number);
        let mut at = self.reference_time(feedback.reference);
        let is_timed = feedback.is_timed;
        for run in feedback.runs() {
            match run {
                Run::Lost { first, count } => self.lost(history, first, count),
                Run::Received { number, delta } => {
                    at = at.saturating_add(i64::from(delta) * TICK_NANOS);
                    let arrival = Arrival { at: is_timed.then_some(at), ecn: None };
                    self.arrived(history, Key::transport(number), arrival);
                }
                Run::Arrived { first, count } => {
                    for number in Self::within(history, first, count) {
                        self.arrived(history, Key::transport(number), Arrival { at: None, ecn: None });
                    }
                }
            }
        }
        self.sort();
    }

    /// Feedback of RFC 8888.
    pub(super) fn streams(&mut self, history: &mut History, feedback: &CongestionFeedback<'_>) {
        (self.is_after_hole, self.number) = (false, None);
        self.outcomes.clear();
        let reported_at = self.report_time(feedback.report_time);
        for stream in feedback.streams() {
            for (number, metric) in stream.packets() {
                let key = Key::stream(stream.ssrc, number);
                let Some(metric) = metric else {
                    self.outcomes.extend(history.lost(key).map(|record| Outcome { record, arrival: None }));
                    continue;
                };
                let before = metric.offset.span().map(|span| span.as_nanos() as i64);
                let at = before.map(|before| reported_at.saturating_sub(before));
                self.arrived(history, key, Arrival { at, ecn: Some(metric.ecn) });
            }
        }
        self.sort();
    }

    /// The clocks of the next peer are others.
    pub(super) fn forget_clocks(&mut self) {
        (self.reference, self.report, self.number) = (None, None, None);
    }

    fn arrived(&mut self, history: &mut History, key: Key, arrival: Arrival) {
        match history.arrived(key) {
            Some(record) => self.outcomes.push(Outcome { record, arrival: Some(arrival) }),
            None if !history.knows(key) => self.unknown += 1,
            None => {}
        }
    }

    fn lost(&mut self, history: &mut History, first: SequenceNumber, count: u16) {
        for number in Self::within(history, first, count) {
            let lost = history.lost(Key::transport(number));
            self.outcomes.extend(lost.map(|record| Outcome { record, arrival: None }));
        }
    }

    /// Those of the numbers that may be known: a few bytes can speak of 32768.
    fn within(history: &History, first: SequenceNumber, count: u16) -> impl Iterator<Item = SequenceNumber> + use<> {
        let ends = history.ends().and_then(|(oldest, newest)| Some((oldest.as_transport()?, newest.as_transport()?)));
        let (skip, take) = match ends {
            Some((oldest, newest)) => {
                let skip = oldest.distance(first).clamp(0, i64::from(count));
                let end = (newest.distance(first) + 1).clamp(skip, i64::from(count));
                (skip, end - skip)
            }
            // Named otherwise.
            None => (0, 0),
        };
        (0..take as u32).map(move |n| first.plus(skip as u32 + n))
    }

    /// Packets overtake each other, and streams are told of one after the other.
    fn sort(&mut self) {
        self.outcomes
            .sort_unstable_by_key(|outcome| outcome.arrival.map(|arrival| (arrival.at, outcome.record.sent_at)));
    }

    fn reference_time(&mut self, reference: ReferenceTime) -> i64 {
        let at = match self.reference {
            Some((last, at)) => at.saturating_add(reference.ticks_since(last) * TICK_NANOS),
            None => 0,
        };
        self.reference = Some((reference, at));
        at
    }

    fn report_time(&mut self, time: Compact) -> i64 {
        let at = match self.report {
            Some((last, at)) => {
                let units = i64::from(time.minus(last).0 as i32);
                at.saturating_add((units * 1_000_000_000) >> 16)
            }
            None => 0,
        };
        self.report = Some((time, at));
        at
    }
}

/// Whether a packet that left at `sent_at` was told of now, for the round trip: feedback on it cannot be older.
pub(super) fn newest_sent(outcomes: &[Outcome]) -> Option<Instant> {
    outcomes.iter().filter(|outcome| outcome.arrival.is_some()).map(|outcome| outcome.record.sent_at).max()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::estimate::simulation::report;
    use peerage_rtp::rtcp::packet::Packet;
    use std::vec::Vec;

    fn sent(numbers: &[u16]) -> History {
        let mut history = History::new();
        for (n, number) in numbers.iter().enumerate() {
            let key = Key::transport(SequenceNumber(*number));
            history.push(Record::new(key, Instant::from_millis(n as u64), 100));
        }
        history
    }

    /// Times of arrival in milliseconds after the first; `None` for what is lost.
    fn told(reading: &Reading) -> Vec<Option<i64>> {
        let at = |outcome: &Outcome| outcome.arrival.map(|arrival| arrival.at.unwrap_or(-1) / 1_000_000);
        reading.outcomes.iter().map(at).collect()
    }

    #[test]
    fn arrivals_are_on_one_clock_from_feedback_to_feedback() {
        let numbers = [65_534, 65_535, 0, 1, 2, 3];
        let (mut history, mut reading) = (sent(&numbers), Reading::default());
        let arrivals = [(65_534, 1000), (0, 1010), (1, 1005)];
        report::transport(65_534, &arrivals, |feedback| reading.transport(&mut history, feedback));
        let first = reading.outcomes[1].arrival.unwrap().at.unwrap();
        assert_eq!(told(&reading).len(), 4);
        assert_eq!(reading.outcomes[0].arrival, None);
        let at = |n: usize, reading: &Reading| (reading.outcomes[n].arrival.unwrap().at.unwrap() - first) / 1_000_000;
        assert_eq!((at(2, &reading), at(3, &reading)), (5, 10));
        // The one that was lost came after all; one was never sent.
        report::transport(65_535, &[(65_535, 2000), (2, 3001), (9, 3002)], |feedback| {
            reading.transport(&mut history, feedback);
        });
        let known: Vec<_> = reading.outcomes.iter().filter(|outcome| outcome.arrival.is_some()).collect();
        assert_eq!(known.len(), 2);
        assert_eq!((known[1].arrival.unwrap().at.unwrap() - first) / 1_000_000, 2001);
        assert!(known[0].record.was_lost());
        assert_eq!(reading.unknown, 1);
        assert_eq!(newest_sent(&reading.outcomes), Some(Instant::from_millis(4)));
    }

    #[test]
    fn feedback_that_is_missing_leaves_a_hole() {
        let (mut history, mut reading) = (sent(&[1, 2, 3, 4, 5]), Reading::default());
        let holes: Vec<_> = [(1, 255), (2, 0), (3, 1), (4, 3), (5, 3)]
            .into_iter()
            .map(|(packet, number)| {
                let bytes = report::transport_bytes(packet, number, &[(packet, Instant::from_millis(packet.into()))]);
                report::read(&bytes, |packet| match packet {
                    Packet::TransportFeedback(feedback) => reading.transport(&mut history, feedback),
                    packet => panic!("{packet:?}"),
                });
                reading.is_after_hole
            })
            .collect();
        assert_eq!(holes, [false, false, false, true, false]);
    }

    #[test]
    fn reports_of_streams_tell_times_and_marks() {
        let (mut history, mut reading) = (History::new(), Reading::default());
        for n in 0..3 {
            let key = Key::stream(report::SSRC, SequenceNumber(n));
            history.push(Record::new(key, Instant::from_millis(n.into()), 100));
        }
        let arrivals = [(0, 100, Ecn::Ect1), (2, 200, Ecn::Ce)];
        report::streams(0, &arrivals, 300, |feedback| reading.streams(&mut history, feedback));
        let found: Vec<_> = reading.outcomes.iter().filter_map(|outcome| outcome.arrival).collect();
        assert_eq!((reading.outcomes.len(), found.len()), (3, 2));
        assert_eq!((found[0].ecn, found[1].ecn), (Some(Ecn::Ect1), Some(Ecn::Ce)));
        let between = found[1].at.unwrap() - found[0].at.unwrap();
        assert!((between - 100_000_000).abs() < 1_000_000, "{between}");
    }

    #[test]
    fn a_claim_of_many_numbers_costs_no_more_than_what_is_known() {
        let history = sent(&[10, 11, 12]);
        let within = |first, count| Reading::within(&history, SequenceNumber(first), count).map(|n| n.0).collect();
        let all: Vec<u16> = within(0, 0x8000);
        assert_eq!(all, [10, 11, 12]);
        let some: Vec<u16> = within(11, 1);
        assert_eq!(some, [11]);
        for (first, count) in [(13, 0x8000), (0, 10), (40_000, 100)] {
            let none: Vec<u16> = within(first, count);
            assert!(none.is_empty(), "{first}");
        }
        assert_eq!(Reading::within(&History::new(), SequenceNumber(0), 9).count(), 0);
    }
}
