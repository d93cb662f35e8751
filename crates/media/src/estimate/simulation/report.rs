//! Feedback through the real codecs.

use alloc::vec;
use alloc::vec::Vec;
use peerage_base::ecn::Ecn;
use peerage_base::slot::Slot;
use peerage_base::time::Instant;
use peerage_rtp::ntp::Compact;
use peerage_rtp::numbers::{SequenceNumber, Ssrc};
use peerage_rtp::rtcp::ccfb::build::{Report as StreamReport, ReportTime, write as write_streams};
use peerage_rtp::rtcp::ccfb::{self, CongestionFeedback};
use peerage_rtp::rtcp::compound::Compound;
use peerage_rtp::rtcp::packet::Packet;
use peerage_rtp::rtcp::twcc::TransportFeedback;
use peerage_rtp::rtcp::twcc::build::{Arrival, Builder, Report};
use peerage_rtp::rtcp::write::Writer;

/// The one stream.
pub(in crate::estimate) const SSRC: Ssrc = Ssrc(0x1234_5678);

fn written(write: impl FnOnce(&mut Writer<'_, '_>)) -> Vec<u8> {
    let mut buf = vec![0; 8000];
    let mut slot = Slot::new(&mut buf, 0, 0, 8000);
    let mut writer = Writer::new(&mut slot);
    write(&mut writer);
    writer.finish();
    slot.packet().to_vec()
}

/// Reads what was written.
pub(in crate::estimate) fn read(bytes: &[u8], mut read: impl FnMut(&Packet<'_>)) {
    for packet in Compound::parse(bytes).unwrap().packets() {
        read(&packet.unwrap());
    }
}

/// Transport-wide feedback on what has arrived from `begin` on.
pub(in crate::estimate) fn transport_bytes(begin: u16, number: u8, arrivals: &[(u16, Instant)]) -> Vec<u8> {
    let arrivals: Vec<_> =
        arrivals.iter().map(|(number, at)| Arrival { number: SequenceNumber(*number), at: *at }).collect();
    let mut report = Report { begin: SequenceNumber(begin), arrivals: &arrivals };
    written(|writer| {
        let mut builder = Builder::new();
        let mut number = number;
        while !report.arrivals.is_empty() && builder.write(writer, Ssrc(1), SSRC, number, &mut report) {
            number = number.wrapping_add(1);
        }
        assert!(report.arrivals.is_empty());
    })
}

/// Feedback of RFC 8888 on what has arrived from `begin` on.
pub(in crate::estimate) fn stream_bytes(begin: u16, arrivals: &[(u16, Instant, Ecn)], now: Instant) -> Vec<u8> {
    let arrivals: Vec<_> = arrivals
        .iter()
        .map(|(number, at, ecn)| ccfb::build::Arrival { number: SequenceNumber(*number), at: *at, ecn: *ecn })
        .collect();
    let units = (now.as_nanos() as u128 * 65_536 / 1_000_000_000) as u32;
    let time = ReportTime { at: now, ntp: Compact(units) };
    let mut reports = [StreamReport { ssrc: SSRC, begin: SequenceNumber(begin), arrivals: &arrivals }];
    written(|writer| assert!(write_streams(writer, Ssrc(1), time, &mut reports)))
}

/// The same, read at once; times in milliseconds.
pub(in crate::estimate) fn transport(
    begin: u16,
    arrivals: &[(u16, u64)],
    mut each: impl FnMut(&TransportFeedback<'_>),
) {
    let mut arrivals: Vec<_> = arrivals.iter().map(|(number, at)| (*number, Instant::from_millis(*at))).collect();
    arrivals.sort_by_key(|(number, _)| number.wrapping_sub(begin));
    read(&transport_bytes(begin, 0, &arrivals), |packet| match packet {
        Packet::TransportFeedback(feedback) => each(feedback),
        packet => panic!("{packet:?}"),
    });
}

/// The same, read at once; times in milliseconds.
pub(in crate::estimate) fn streams(
    begin: u16,
    arrivals: &[(u16, u64, Ecn)],
    now: u64,
    mut each: impl FnMut(&CongestionFeedback<'_>),
) {
    let arrivals: Vec<_> = arrivals.iter().map(|(n, at, ecn)| (*n, Instant::from_millis(*at), *ecn)).collect();
    read(&stream_bytes(begin, &arrivals, Instant::from_millis(now)), |packet| match packet {
        Packet::CongestionFeedback(feedback) => each(feedback),
        packet => panic!("{packet:?}"),
    });
}
