//! RTCP packets, read and written; and feedback that is built.

use alloc::collections::BTreeSet;
use alloc::vec;
use alloc::vec::Vec;

use peerage_base::ecn::Ecn;
use peerage_base::reader::Reader;
use peerage_base::serial::Serial;
use peerage_base::slot::Slot;
use peerage_base::time::{Duration, Instant};

use crate::ntp::Compact;
use crate::numbers::{SequenceNumber, Ssrc};
use crate::rtcp::ccfb;
use crate::rtcp::compound::Compound;
use crate::rtcp::packet::Packet;
use crate::rtcp::sdes::Sdes;
use crate::rtcp::twcc::{self, Run};
use crate::rtcp::write::Writer;
use crate::rtcp::xr::{Block, ExtendedReport};
use crate::rtcp::{bye, fir, lrr, nack, pli, receiver_report, remb, sdes, sender_report, tmmb, xr};

/// Writes what was read, if there is a way to, and compares what is read then. What was read fits `room` bytes.
pub(super) fn written(packet: &Packet<'_>, room: usize) {
    match packet {
        Packet::SenderReport(report) => {
            again(packet, room, |writer| sender_report::write(writer, &report.info, report.blocks()).is_some())
        }
        Packet::ReceiverReport(report) => {
            again(packet, room, |writer| receiver_report::write(writer, report.sender, report.blocks()).is_some())
        }
        Packet::Sdes(sdes) => description(sdes, room),
        Packet::Bye(goodbye) if goodbye.sources().len() > 0 => {
            let sources: Vec<_> = goodbye.sources().collect();
            again(packet, room, |writer| bye::write(writer, &sources, goodbye.reason));
        }
        Packet::App(app) if app.data.len().is_multiple_of(4) => again(packet, room, |writer| app.write(writer)),
        Packet::ExtendedReport(report) => extended(report, room),
        Packet::Nack(missing) => {
            let packets: Vec<_> = missing.packets().collect();
            let write_all = |writer: &mut Writer<'_, '_>| nack::write(writer, missing.sender, missing.media, &packets);
            let bytes = write(room, |writer| write_all(writer) == Some(packets.len()));
            let Packet::Nack(read) = read(&bytes) else { panic!("{bytes:?}") };
            let set = |packets: &mut dyn Iterator<Item = SequenceNumber>| packets.map(|number| number.0).collect();
            let (told, meant): (BTreeSet<u16>, BTreeSet<u16>) =
                (set(&mut read.packets()), set(&mut packets.into_iter()));
            assert_eq!(told, meant);
        }
        Packet::MaxBitRateRequest(request) => {
            let limits: Vec<_> = request.limits().collect();
            if limits.is_empty() {
                return;
            }
            let bytes =
                write(room, |writer| tmmb::write_request(writer, request.sender, &limits) == Some(limits.len()));
            let Packet::MaxBitRateRequest(read) = read(&bytes) else { panic!("{bytes:?}") };
            assert!(read.limits().eq(limits));
        }
        Packet::MaxBitRateNotification(told) => {
            let limits: Vec<_> = told.limits().collect();
            let bytes =
                write(room, |writer| tmmb::write_notification(writer, told.sender, &limits) == Some(limits.len()));
            let Packet::MaxBitRateNotification(read) = read(&bytes) else { panic!("{bytes:?}") };
            assert!(read.limits().eq(limits));
        }
        Packet::TransportFeedback(feedback) => transport(feedback, room),
        Packet::CongestionFeedback(feedback) => congestion(feedback, room),
        Packet::PictureLoss(loss) => again(packet, room, |writer| pli::write(writer, loss.sender, loss.media)),
        Packet::FullIntra(request) => {
            let requests: Vec<_> = request.requests().collect();
            let bytes = write(room, |writer| fir::write(writer, request.sender, &requests) == Some(requests.len()));
            let Packet::FullIntra(read) = read(&bytes) else { panic!("{bytes:?}") };
            assert!(read.requests().eq(requests));
        }
        Packet::LayerRefresh(request) => {
            let requests: Vec<_> = request.requests().collect();
            let bytes = write(room, |writer| lrr::write(writer, request.sender, &requests) == Some(requests.len()));
            let Packet::LayerRefresh(read) = read(&bytes) else { panic!("{bytes:?}") };
            assert!(read.requests().eq(requests));
        }
        Packet::Remb(estimate) => {
            let sources: Vec<_> = estimate.sources().collect();
            again(packet, room, |writer| remb::write(writer, estimate.sender, estimate.rate, &sources));
        }
        Packet::SliceLoss(loss) => assert!(loss.slices().len() > 0),
        Packet::ReferencePicture(picture) => assert!(picture.unused_bits < 8 && !picture.bits.is_empty()),
        _ => {}
    }
}

fn write(room: usize, write: impl FnOnce(&mut Writer<'_, '_>) -> bool) -> Vec<u8> {
    let mut buf = vec![0xEE; room];
    let mut slot = Slot::new(&mut buf, 0, 0, room);
    let mut writer = Writer::new(&mut slot);
    assert!(write(&mut writer), "there is room");
    writer.finish();
    slot.packet().to_vec()
}

fn read(bytes: &[u8]) -> Packet<'_> {
    let mut packets = Compound::parse(bytes).expect("what was written can be read").packets();
    let packet = packets.next().expect("one was written").expect("what was written can be read");
    assert!(packets.next().is_none());
    packet
}

fn again(packet: &Packet<'_>, room: usize, how: impl FnOnce(&mut Writer<'_, '_>) -> bool) {
    assert_eq!(&read(&write(room, how)), packet);
}

fn description(sdes: &Sdes<'_>, room: usize) {
    for chunk in sdes.chunks() {
        let items: Vec<_> = chunk.items().map(|item| (item.item_type, item.value)).collect();
        let bytes = write(room, |writer| sdes::write(writer, chunk.ssrc, &items));
        let Packet::Sdes(read) = read(&bytes) else { panic!("{bytes:?}") };
        assert!(read.chunks().eq([chunk]));
    }
}

fn extended(report: &ExtendedReport<'_>, room: usize) {
    for block in report.blocks() {
        let bytes = match block {
            Block::ReceiverReferenceTime(now) => {
                write(room, |writer| xr::write_reference_time(writer, report.sender, now))
            }
            Block::Dlrr(items) if items.iter().len() > 0 => {
                write(room, |writer| xr::write_dlrr(writer, report.sender, items.iter()) == Some(items.iter().len()))
            }
            _ => continue,
        };
        let Packet::ExtendedReport(read) = read(&bytes) else { panic!("{bytes:?}") };
        assert!(read.blocks().eq([block]));
    }
}

/// Feedback is built of what was told, and tells the same.
fn transport(feedback: &twcc::TransportFeedback<'_>, room: usize) {
    assert!(feedback.runs().count() <= usize::from(feedback.statuses));
    // Far enough from the origin that no sum of deltas goes before it.
    let start = i64::from(u32::MAX) + i64::from(feedback.reference.units()) * twcc::TICKS_PER_REFERENCE;
    let mut ticks = start;
    let mut arrivals = Vec::new();
    for run in feedback.runs() {
        if let Run::Received { number, delta } = run {
            ticks += i64::from(delta);
            let at = Instant::ORIGIN + Duration::from_nanos(ticks as u64 * twcc::TICK.as_nanos() as u64);
            arrivals.push(twcc::build::Arrival { number, at });
        }
    }
    let report = twcc::build::Report { begin: feedback.base, arrivals: &arrivals };
    assert_eq!(all_of_transport(report, room), arrivals.iter().map(|arrival| arrival.number).collect::<Vec<_>>());
}

fn all_of_transport(mut report: twcc::build::Report<'_>, size: usize) -> Vec<SequenceNumber> {
    let mut builder = twcc::build::Builder::new();
    let mut told = Vec::new();
    let mut buf = vec![0xEE; size];
    while !report.arrivals.is_empty() {
        let left = report.arrivals.len();
        let mut slot = Slot::new(&mut buf, 0, 0, size);
        let mut writer = Writer::new(&mut slot);
        assert!(builder.write(&mut writer, Ssrc(1), Ssrc(2), 3, &mut report), "there is room");
        writer.finish();
        assert!(report.arrivals.len() < left);
        let Packet::TransportFeedback(read) = read(slot.packet()) else { panic!("{:?}", slot.packet()) };
        told.extend(read.packets().filter_map(|(number, delta)| delta.map(|_| number)));
    }
    told
}

fn congestion(feedback: &ccfb::CongestionFeedback<'_>, room: usize) {
    for stream in feedback.streams() {
        let now = Instant::from_millis(20_000);
        let arrivals: Vec<_> = stream
            .packets()
            .filter_map(|(number, metric)| {
                let metric = metric?;
                let at = metric.offset.span().map_or(now + Duration::from_millis(1), |span| now - span);
                Some(ccfb::build::Arrival { number, at, ecn: metric.ecn })
            })
            .collect();
        let report = ccfb::build::Report { ssrc: stream.ssrc, begin: stream.begin, arrivals: &arrivals };
        let told = all_of_congestion(report, now, room);
        assert!(told.into_iter().eq(arrivals.iter().map(|arrival| (arrival.number, arrival.ecn))));
    }
}

fn all_of_congestion(report: ccfb::build::Report<'_>, at: Instant, size: usize) -> Vec<(SequenceNumber, Ecn)> {
    let mut reports = [report];
    let mut told = Vec::new();
    let mut buf = vec![0xEE; size];
    while !reports[0].arrivals.is_empty() {
        let before = (reports[0].arrivals.len(), reports[0].begin);
        let mut slot = Slot::new(&mut buf, 0, 0, size);
        let mut writer = Writer::new(&mut slot);
        let time = ccfb::build::ReportTime { at, ntp: Compact(1) };
        assert!(ccfb::build::write(&mut writer, Ssrc(1), time, &mut reports), "there is room");
        writer.finish();
        assert_ne!((reports[0].arrivals.len(), reports[0].begin), before);
        let Packet::CongestionFeedback(read) = read(slot.packet()) else { panic!("{:?}", slot.packet()) };
        let stream = read.streams().next().expect("one was told");
        told.extend(stream.packets().filter_map(|(number, metric)| Some((number, metric?.ecn))));
    }
    told
}

/// Arrivals in any order and at any time, told in packets of any size.
pub(super) fn arrivals(data: &[u8]) {
    let mut r = Reader::new(data);
    let (Some(begin), Some(size)) = (r.u16(), r.u8()) else { return };
    let size = 36 + 4 * usize::from(size);
    let (mut number, mut at) = (SequenceNumber(begin), Instant::from_millis(1 << 22));
    let (mut transport, mut congestion) = (Vec::new(), Vec::new());
    while let (Some(step), Some(time)) = (r.u16(), r.u16()) {
        // Mostly near each other, and sometimes not.
        let modulus = if step % 64 == 0 {
            0x8000
        } else if step % 8 == 0 {
            200
        } else {
            3
        };
        number = number.plus((step / 2 % modulus).into());
        let far = if time % 8 == 0 { 1_000_000 } else { 1_000 };
        at += Duration::from_micros(u64::from(time) * far / 100);
        if time % 5 == 0 {
            at = at - Duration::from_millis(u64::from(time));
        }
        transport.push(twcc::build::Arrival { number, at });
        congestion.push(ccfb::build::Arrival { number, at, ecn: Ecn::from_bits(step as u8) });
    }
    let report = twcc::build::Report { begin: SequenceNumber(begin), arrivals: &transport };
    let mut numbers: Vec<_> = transport.iter().map(|arrival| arrival.number).collect();
    numbers.dedup();
    let told = all_of_transport(report, size);
    assert_eq!(told, numbers);
    let report = ccfb::build::Report { ssrc: Ssrc(1), begin: SequenceNumber(begin), arrivals: &congestion };
    let told = all_of_congestion(report, at, size);
    assert!(told.into_iter().map(|(number, _)| number).eq(numbers));
}
