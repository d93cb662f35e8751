//! Making feedback of what has arrived on each stream.

use super::{ArrivalOffset, MAX_REPORTS, Metric, STREAM_LEN, TIME_LEN};
use crate::ntp::Compact;
use crate::numbers::{SequenceNumber, Ssrc};
use crate::rtcp::feedback::transport;
use crate::rtcp::header::PacketType;
use crate::rtcp::write::Writer;
use peerage_base::ecn::Ecn;
use peerage_base::serial::Serial;
use peerage_base::time::Instant;

/// Length of the sender in bytes.
const SENDER_LEN: usize = 4;

/// A packet that has arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Its number.
    pub number: SequenceNumber,
    /// When the first of its copies did.
    pub at: Instant,
    /// The mark of that copy, or [`Ecn::Ce`] if any of them was marked so.
    pub ecn: Ecn,
}

/// What is still to be told of one stream.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// The stream.
    pub ssrc: Ssrc,
    /// The first packet to tell of: those from here on that are not among the arrivals are told as lost.
    pub begin: SequenceNumber,
    /// What has arrived from there on, in the order of the numbers; repetitions are skipped.
    pub arrivals: &'a [Arrival],
}

/// When the report is made, on both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReportTime {
    /// On the clock of the arrivals.
    pub at: Instant,
    /// The same moment on the clock of the sender reports.
    pub ntp: Compact,
}

/// Appends feedback on as much of `reports` as fits, and takes that off them; `false`, and nothing changes, if there is nothing
/// to tell or no room to tell it. To be called until no arrivals are left, each time with room in another packet: what lies
/// more than 16384 numbers apart cannot be told in one.
pub fn write(writer: &mut Writer<'_, '_>, sender: Ssrc, time: ReportTime, reports: &mut [Report<'_>]) -> bool {
    let Some(room) = writer.room_for_body().checked_sub(SENDER_LEN + TIME_LEN) else { return false };
    let mut left = room;
    let len: usize = reports
        .iter()
        .map_while(|report| {
            let len = Span::of(report, left).map_or(0, |span| span.len());
            // In order: a stream with less to tell does not come before one that found no room.
            (len > 0 || report.arrivals.is_empty()).then(|| left -= len)?;
            Some(len)
        })
        .sum();
    if len == 0 {
        return false;
    }
    let (packet_type, format) = (PacketType::TRANSPORT_FEEDBACK, transport::CCFB);
    let Some(body) = writer.packet(packet_type, format, SENDER_LEN + len + TIME_LEN) else { return false };
    let (head, rest) = body.split_at_mut(SENDER_LEN);
    let (mut streams, end) = rest.split_at_mut(len);
    head.copy_from_slice(&sender.0.to_be_bytes());
    end.copy_from_slice(&time.ntp.0.to_be_bytes());
    for report in reports {
        let Some(span) = Span::of(report, streams.len()) else { continue };
        let (own, others) = core::mem::take(&mut streams).split_at_mut(span.len());
        span.write(report, time.at, own);
        streams = others;
        report.begin = span.begin.plus(span.packets as u32);
        report.arrivals = &report.arrivals[span.arrivals..];
        if streams.is_empty() {
            break;
        }
    }
    true
}

/// The part of a report that one packet tells.
#[derive(Clone, Copy, Debug)]
struct Span {
    begin: SequenceNumber,
    /// How many packets are told of.
    packets: usize,
    /// How many of the arrivals these are, repetitions included.
    arrivals: usize,
}

impl Span {
    /// What fits `room` bytes; `None` if nothing does, or nothing is to be told.
    fn of(report: &Report<'_>, room: usize) -> Option<Self> {
        let first = report.arrivals.first()?;
        // Whole words, so an even number of packets.
        let most = (room.checked_sub(STREAM_LEN)? / 4 * 2).min(MAX_REPORTS.into());
        // Too far ahead for one packet, or behind: what is between them is not told.
        let near = usize::from(first.number.steps_from(report.begin)) < usize::from(MAX_REPORTS);
        let begin = if near { report.begin } else { first.number };
        let step = |arrival: &Arrival| usize::from(arrival.number.steps_from(begin));
        let arrivals = report.arrivals.iter().take_while(|arrival| step(arrival) < most).count();
        // Sorted, so the last is the highest. Where none is near enough, those before it are told as lost for now.
        let packets = report.arrivals.get(..arrivals)?.last().map_or(most, |last| step(last) + 1);
        (packets > 0).then_some(Self { begin, packets, arrivals })
    }

    /// Length in bytes.
    fn len(&self) -> usize {
        STREAM_LEN + 2 * self.packets.next_multiple_of(2)
    }

    fn write(&self, report: &Report<'_>, now: Instant, out: &mut [u8]) {
        out[..4].copy_from_slice(&report.ssrc.0.to_be_bytes());
        out[4..6].copy_from_slice(&self.begin.0.to_be_bytes());
        out[6..8].copy_from_slice(&(self.packets as u16).to_be_bytes());
        let (metrics, _) = out[STREAM_LEN..].as_chunks_mut::<2>();
        // From the last, so that of repetitions the first stays.
        for arrival in report.arrivals[..self.arrivals].iter().rev() {
            let offset = match arrival.at > now {
                true => ArrivalOffset::UNAVAILABLE,
                false => ArrivalOffset::from_span(now.since(arrival.at)),
            };
            let step = usize::from(arrival.number.steps_from(self.begin));
            if let Some(metric) = metrics.get_mut(step) {
                *metric = Metric { ecn: arrival.ecn, offset }.to_bytes();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtcp::packet::Packet;
    use crate::rtcp::tests_support::{parse, written};
    use peerage_base::slot::Slot;
    use proptest::prelude::*;
    use std::vec;
    use std::vec::Vec;

    const NOW: ReportTime = ReportTime { at: Instant::from_millis(10_000), ntp: Compact(0x0102_0304) };

    fn arrival(number: u16, millis: u64, ecn: Ecn) -> Arrival {
        Arrival { number: SequenceNumber(number), at: Instant::from_millis(millis), ecn }
    }

    /// What feedback tells of packets that have arrived: stream, number, mark and offset.
    fn told(bytes: &[u8]) -> Vec<(Ssrc, SequenceNumber, Metric)> {
        let Packet::CongestionFeedback(feedback) = parse(bytes) else { panic!("not congestion feedback") };
        assert_eq!((feedback.sender, feedback.report_time), (Ssrc(1), NOW.ntp));
        let packets = |stream: super::super::StreamReport<'_>| {
            stream.packets().filter_map(|(number, metric)| Some((stream.ssrc, number, metric?))).collect::<Vec<_>>()
        };
        feedback.streams().flat_map(packets).collect()
    }

    /// All of the reports in packets of `size` bytes.
    fn write_all(reports: &mut [Report<'_>], size: usize) -> (Vec<(Ssrc, SequenceNumber, Metric)>, usize) {
        let (mut all, mut packets) = (Vec::new(), 0);
        while reports.iter().any(|report| !report.arrivals.is_empty()) {
            let mut buf = vec![0xEE; size];
            let mut slot = Slot::new(&mut buf, 0, 0, size);
            let mut writer = Writer::new(&mut slot);
            assert!(write(&mut writer, Ssrc(1), NOW, reports), "{reports:?}");
            writer.finish();
            all.extend(told(slot.packet()));
            packets += 1;
        }
        (all, packets)
    }

    #[test]
    fn feedback_is_written_byte_for_byte() {
        let first = [arrival(65_535, 9_000, Ecn::NotEct), arrival(1, 10_001, Ecn::Ce), arrival(1, 9_000, Ecn::Ect0)];
        let second = [arrival(9, 1_000, Ecn::Ect1), arrival(10, 10_000, Ecn::Ect0)];
        let mut reports = [
            Report { ssrc: Ssrc(2), begin: SequenceNumber(65_535), arrivals: &first },
            Report { ssrc: Ssrc(3), begin: SequenceNumber(5), arrivals: &[] },
            Report { ssrc: Ssrc(4), begin: SequenceNumber(9), arrivals: &second },
        ];
        let bytes = written(|writer| assert!(write(writer, Ssrc(1), NOW, &mut reports)));
        let expected = b"\x8B\xCD\0\x09\0\0\0\x01\
            \0\0\0\x02\xFF\xFF\0\x03\x84\0\0\0\xFF\xFF\0\0\
            \0\0\0\x04\0\x09\0\x02\xBF\xFE\xC0\0\
            \x01\x02\x03\x04";
        assert_eq!(bytes[..], expected[..]);
        assert_eq!(reports.map(|report| (report.begin.0, report.arrivals.len())), [(2, 0), (5, 0), (11, 0)]);
    }

    #[test]
    fn what_lies_too_far_apart_goes_into_another_packet() {
        let far = [arrival(0, 1, Ecn::Ce), arrival(16_384, 1, Ecn::Ce), arrival(40_000, 1, Ecn::Ce)];
        let mut reports = [Report { ssrc: Ssrc(2), begin: SequenceNumber(0), arrivals: &far }];
        let (all, packets) = write_all(&mut reports, 40_000);
        assert_eq!((all.len(), packets), (3, 3));
        let mut reports = [Report { ssrc: Ssrc(2), begin: SequenceNumber(30_000), arrivals: &far[..1] }];
        assert_eq!(write_all(&mut reports, 40).0.len(), 1);
    }

    #[test]
    fn a_gap_without_room_is_told_bit_by_bit() {
        let far = [arrival(100, 1, Ecn::Ce)];
        let mut reports = [Report { ssrc: Ssrc(2), begin: SequenceNumber(0), arrivals: &far }];
        // 16 packets each time.
        let (all, packets) = write_all(&mut reports, 4 + 4 + 8 + 32 + 4);
        assert_eq!((all.len(), packets, reports[0].begin), (1, 7, SequenceNumber(101)));
    }

    #[test]
    fn without_room_or_arrivals_nothing_is_written() {
        let arrivals = [arrival(9, 1, Ecn::Ce)];
        let report = Report { ssrc: Ssrc(2), begin: SequenceNumber(9), arrivals: &arrivals };
        for size in 0..24 {
            let mut buf = vec![0; size];
            let mut slot = Slot::new(&mut buf, 0, 0, size);
            let mut reports = [report];
            assert!(!write(&mut Writer::new(&mut slot), Ssrc(1), NOW, &mut reports), "{size}");
            assert_eq!(reports[0].arrivals.len(), 1);
        }
        assert_eq!(write_all(&mut [report], 24).1, 1);
        written(|writer| assert!(!write(writer, Ssrc(1), NOW, &mut [Report { arrivals: &[], ..report }])));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn everything_is_told_whatever_the_size(
            size in 24usize..1500,
            streams in prop::collection::vec((any::<u16>(), prop::collection::vec(
                (prop_oneof![9 => 1u16..3, 1 => 1u16..100], 0u64..12_000, 0u8..4), 0..200,
            )), 1..5),
        ) {
            let arrivals: Vec<(u16, Vec<Arrival>)> = streams
                .iter()
                .map(|(begin, steps)| {
                    let mut number = begin.wrapping_sub(1);
                    let mut next = |step: u16| { number = number.wrapping_add(step); number };
                    let all = steps.iter().map(|(step, at, ecn)| arrival(next(*step), *at, Ecn::from_bits(*ecn)));
                    (*begin, all.collect())
                })
                .collect();
            let reports = arrivals.iter().enumerate().map(|(n, (begin, arrivals))| {
                Report { ssrc: Ssrc(n as u32), begin: SequenceNumber(*begin), arrivals }
            });
            let (mut all, _) = write_all(&mut reports.collect::<Vec<_>>(), size);
            all.sort_by_key(|(ssrc, ..)| *ssrc);
            let expected: Vec<_> = arrivals.iter().enumerate().flat_map(|(n, (_, arrivals))| {
                arrivals.iter().map(move |arrival| {
                    let early = arrival.at <= NOW.at;
                    let span = NOW.at.since(arrival.at);
                    let offset = if early { ArrivalOffset::from_span(span) } else { ArrivalOffset::UNAVAILABLE };
                    (Ssrc(n as u32), arrival.number, Metric { ecn: arrival.ecn, offset })
                })
            }).collect();
            prop_assert_eq!(all, expected);
        }
    }
}
