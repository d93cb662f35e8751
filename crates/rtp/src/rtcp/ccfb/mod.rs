//! Congestion control feedback (RFC 8888 §3.1).
//!
//! ```text
//! | SSRC of the sender of this packet                   |
//! | SSRC | first number (16) | number of reports (16)   |   per stream
//! | R (1) | ECN (2) | arrival time offset (13)          |   per packet, padded to whole words
//! | report time                                         |   middle 32 bits of an NTP timestamp
//! ```

pub mod build;

use super::header::Raw;
use crate::error::ParseError;
use crate::ntp::Compact;
use crate::numbers::{SequenceNumber, Ssrc};
use peerage_base::ecn::Ecn;
use peerage_base::reader::Reader;
use peerage_base::serial::Serial;
use peerage_base::time::Duration;

/// Most packets of one stream that a report may tell of: a quarter of the sequence numbers.
pub const MAX_REPORTS: u16 = 16_384;

/// Length of what a stream has before its packets in bytes.
const STREAM_LEN: usize = 8;
/// Length of the report time in bytes.
const TIME_LEN: usize = 4;

/// How long before the report a packet arrived, in units of 1/1024 s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArrivalOffset(u16);

impl ArrivalOffset {
    /// The longest that can be told: just below 8 s.
    pub const LONGEST: Self = Self(0x1FFD);
    /// Longer than that.
    pub const OVER_RANGE: Self = Self(0x1FFE);
    /// Not known, or after the report.
    pub const UNAVAILABLE: Self = Self(0x1FFF);

    /// `span` to the nearest unit.
    pub fn from_span(span: Duration) -> Self {
        let units = (span.as_nanos() * 1024 + 500_000_000) / 1_000_000_000;
        u16::try_from(units).map(Self).ok().filter(|offset| offset.0 <= Self::LONGEST.0).unwrap_or(Self::OVER_RANGE)
    }

    /// How long; `None` if that is over range or not known.
    pub fn span(self) -> Option<Duration> {
        (self.0 <= Self::LONGEST.0).then(|| Duration::from_nanos((u64::from(self.0) * 1_000_000_000) >> 10))
    }
}

/// How a packet arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its mark.
    pub ecn: Ecn,
    /// When.
    pub offset: ArrivalOffset,
}

impl Metric {
    fn parse(bytes: &[u8; 2]) -> Option<Self> {
        let bits = u16::from_be_bytes(*bytes);
        let metric = Self { ecn: Ecn::from_bits((bits >> 13) as u8), offset: ArrivalOffset(bits & 0x1FFF) };
        (bits & 0x8000 != 0).then_some(metric)
    }

    fn to_bytes(self) -> [u8; 2] {
        (0x8000 | u16::from(self.ecn.to_bits()) << 13 | self.offset.0).to_be_bytes()
    }
}

/// How the packets of one stream arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamReport<'a> {
    /// The stream.
    pub ssrc: Ssrc,
    /// The first packet that is told of.
    pub begin: SequenceNumber,
    metrics: &'a [[u8; 2]],
}

impl<'a> StreamReport<'a> {
    /// Every packet in order, with how it arrived, if it has. 16384 at most, and each takes two bytes of the packet.
    pub fn packets(&self) -> impl ExactSizeIterator<Item = (SequenceNumber, Option<Metric>)> + Clone + use<'a> {
        let begin = self.begin;
        self.metrics.iter().enumerate().map(move |(n, bytes)| (begin.plus(n as u32), Metric::parse(bytes)))
    }
}

/// When the packets of each stream arrived, and how they were marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CongestionFeedback<'a> {
    /// Who tells.
    pub sender: Ssrc,
    /// When, on the clock of its sender reports.
    pub report_time: Compact,
    streams: &'a [u8],
}

impl<'a> CongestionFeedback<'a> {
    /// Reads the body: streams that are whole, and a report time after them.
    pub(super) fn parse(raw: &Raw<'a>) -> Result<Self, ParseError> {
        let truncated = ParseError::Truncated("congestion feedback");
        let (head, report_time) = raw.body.split_last_chunk::<TIME_LEN>().ok_or(truncated)?;
        let mut r = Reader::new(head);
        let sender = Ssrc(r.u32().ok_or(truncated)?);
        let streams = r.rest();
        while !r.is_empty() {
            let stream = read_stream(&mut r).ok_or(truncated)?;
            if stream.metrics.len() > MAX_REPORTS.into() {
                return Err(ParseError::Invalid("number of packet reports"));
            }
        }
        Ok(Self { sender, report_time: Compact(u32::from_be_bytes(*report_time)), streams })
    }

    /// The streams in order.
    pub fn streams(&self) -> impl Iterator<Item = StreamReport<'a>> + Clone + use<'a> {
        let mut rest = Reader::new(self.streams);
        core::iter::from_fn(move || read_stream(&mut rest))
    }
}

fn read_stream<'a>(r: &mut Reader<'a>) -> Option<StreamReport<'a>> {
    let (ssrc, begin, reports) = (Ssrc(r.u32()?), SequenceNumber(r.u16()?), usize::from(r.u16()?));
    // An odd number is padded to whole words.
    let words = r.bytes(reports.next_multiple_of(2) * 2)?;
    let (metrics, _) = words.as_chunks();
    Some(StreamReport { ssrc, begin, metrics: metrics.get(..reports)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtcp::header::PacketType;
    use crate::rtcp::packet::Packet;
    use crate::rtcp::tests_support::parse;
    use std::vec::Vec;

    const PACKET: &[u8] = b"\x8B\xCD\0\x0B\0\0\0\x01\
        \0\0\0\x02\xFF\xFF\0\x03\x84\0\0\0\xFF\xFF\0\0\
        \0\0\0\x03\0\x05\0\0\
        \0\0\0\x04\0\x09\0\x02\x9F\xFE\xC0\0\
        \x12\x34\x56\x78";

    #[test]
    fn every_stream_is_read() {
        let Packet::CongestionFeedback(feedback) = parse(PACKET) else { panic!("not congestion feedback") };
        assert_eq!((feedback.sender, feedback.report_time), (Ssrc(1), Compact(0x1234_5678)));
        let streams: Vec<_> = feedback.streams().collect();
        assert_eq!(streams.iter().map(|stream| stream.ssrc.0).collect::<Vec<_>>(), [2, 3, 4]);
        let metric = |ecn, offset| Some(Metric { ecn, offset: ArrivalOffset(offset) });
        let told: Vec<_> = streams[0].packets().map(|(number, metric)| (number.0, metric)).collect();
        assert_eq!(told, [(65_535, metric(Ecn::NotEct, 1024)), (0, None), (1, metric(Ecn::Ce, 0x1FFF))]);
        assert_eq!((streams[1].begin, streams[1].packets().len()), (SequenceNumber(5), 0));
        let told: Vec<_> = streams[2].packets().map(|(_, metric)| metric).collect();
        assert_eq!(told, [metric(Ecn::NotEct, 0x1FFE), metric(Ecn::Ect0, 0)]);
    }

    #[test]
    fn streams_that_are_cut_short_are_refused() {
        for len in (4..PACKET.len()).step_by(4) {
            let raw = Raw { packet_type: PacketType::TRANSPORT_FEEDBACK, count: 11, body: &PACKET[4..len], padding: 0 };
            // Whole with the sender and a time, and wherever a stream ends before what passes for a time.
            let whole = [12, 28, 36].contains(&len);
            assert_eq!(CongestionFeedback::parse(&raw).is_ok(), whole, "{len}");
        }
    }

    #[test]
    fn more_packets_than_there_may_be_are_refused() {
        let mut body = std::vec![0; 4 + 8 + 2 * 16_386 + 4];
        for (reports, ok) in [(16_384u16, true), (16_386, false)] {
            body.resize(4 + 8 + 2 * usize::from(reports) + 4, 0);
            body[10..12].copy_from_slice(&reports.to_be_bytes());
            let raw = Raw { packet_type: PacketType::TRANSPORT_FEEDBACK, count: 11, body: &body, padding: 0 };
            assert_eq!(CongestionFeedback::parse(&raw).is_ok(), ok);
        }
    }

    #[test]
    fn offsets_are_rounded_and_bounded() {
        let offset = |micros| ArrivalOffset::from_span(Duration::from_micros(micros));
        assert_eq!(offset(500_000), ArrivalOffset(512));
        assert_eq!((offset(488), offset(489)), (ArrivalOffset(0), ArrivalOffset(1)));
        assert_eq!(offset(7_997_070), ArrivalOffset::LONGEST);
        assert_eq!(offset(7_998_000), ArrivalOffset::OVER_RANGE);
        assert_eq!(ArrivalOffset::from_span(Duration::MAX), ArrivalOffset::OVER_RANGE);
        assert_eq!(ArrivalOffset(512).span(), Some(Duration::from_millis(500)));
        assert_eq!((ArrivalOffset::OVER_RANGE.span(), ArrivalOffset::UNAVAILABLE.span()), (None, None));
    }
}
