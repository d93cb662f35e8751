//! Reading and writing packets does not allocate.

use peerage_base::ecn::Ecn;
use peerage_base::slot::Slot;
use peerage_base::time::{Duration, Instant};
use peerage_rtp::extension::abs_send_time::AbsSendTime;
use peerage_rtp::extension::kind::Kind;
use peerage_rtp::extension::map::Map;
use peerage_rtp::extension::mid::Mid;
use peerage_rtp::ntp::{Compact, Ntp};
use peerage_rtp::numbers::{SequenceNumber, Ssrc};
use peerage_rtp::packet::rewrite::PacketMut;
use peerage_rtp::packet::write::PacketWriter;
use peerage_rtp::packet::{Header, Packet, raw};
use peerage_rtp::rtcp::compound::Compound;
use peerage_rtp::rtcp::packet::Packet as Rtcp;
use peerage_rtp::rtcp::report_block::ReportBlock;
use peerage_rtp::rtcp::sdes::ItemType;
use peerage_rtp::rtcp::sender_report::SenderInfo;
use peerage_rtp::rtcp::write::Writer;
use peerage_rtp::rtcp::{ccfb, nack, sdes, sender_report, twcc};

fn assert_none(what: &str, run: impl FnOnce()) {
    let info = allocation_counter::measure(run);
    assert_eq!(info.count_total, 0, "{what}: {info:?}");
}

#[test]
fn an_rtp_packet_is_written_read_and_changed_without_allocating() {
    let mut map = Map::new(true);
    map.insert(Kind::Mid, 4).unwrap();
    map.insert(Kind::AbsSendTime, 20).unwrap();
    let mut buf = [0; 1500];
    assert_none("RTP", || {
        let mut slot = Slot::new(&mut buf, 0, 16, 1200);
        let mut writer = PacketWriter::new(&mut slot, &Header::default(), &[Ssrc(1)]).unwrap();
        let written = writer
            .extensions(map.forms(), |block| map.write(block, &Mid("0")) && map.write(block, &AbsSendTime::new(1)));
        assert!(written);
        writer.finish(1000, 0).unwrap();
        assert_eq!(raw::header_len(slot.packet()), Some(12 + 4 + 4 + 8));
        let packet = Packet::parse(slot.packet()).unwrap();
        assert_eq!(map.values(packet.extension).count(), 2);
        assert_eq!(map.get(&packet.extension), Some(AbsSendTime::new(1)));
        let mut packet = PacketMut::new(slot.packet_mut()).unwrap();
        packet.set_ssrc(Ssrc(2));
        packet.map_elements(|id| Some(id + 1));
    });
}

#[test]
fn rtcp_is_written_and_read_without_allocating() {
    let arrivals: Vec<_> = (0..300u16)
        .filter(|n| n % 7 != 0)
        .map(|n| (SequenceNumber(n), Instant::from_millis(1000) + Duration::from_micros(u64::from(n) * 700)))
        .collect();
    let transport: Vec<_> =
        arrivals.iter().map(|(number, at)| twcc::build::Arrival { number: *number, at: *at }).collect();
    let congestion: Vec<_> =
        arrivals.iter().map(|(number, at)| ccfb::build::Arrival { number: *number, at: *at, ecn: Ecn::Ect1 }).collect();
    let missing: Vec<_> = (0..40).map(|n| SequenceNumber(7 * n)).collect();
    let time = ccfb::build::ReportTime { at: Instant::from_millis(2000), ntp: Ntp(0).compact() };
    let mut builder = twcc::build::Builder::new();
    let mut buf = [0; 4000];
    let mut write = |builder: &mut twcc::build::Builder| {
        let mut slot = Slot::new(&mut buf, 0, 16, 3900);
        let mut writer = Writer::new(&mut slot);
        let block = ReportBlock { last_sender_report: Compact(1), ..ReportBlock::default() };
        sender_report::write(&mut writer, &SenderInfo::default(), [block; 3].into_iter()).unwrap();
        assert!(sdes::write(&mut writer, Ssrc(1), &[(ItemType::CNAME, b"me")]));
        nack::write(&mut writer, Ssrc(1), Ssrc(2), &missing).unwrap();
        let mut report = twcc::build::Report { begin: SequenceNumber(0), arrivals: &transport };
        assert!(builder.write(&mut writer, Ssrc(1), Ssrc(2), 0, &mut report));
        let mut reports = [ccfb::build::Report { ssrc: Ssrc(2), begin: SequenceNumber(0), arrivals: &congestion }];
        assert!(ccfb::build::write(&mut writer, Ssrc(1), time, &mut reports));
        assert!(writer.is_compound());
        writer.finish();
        let mut told = 0;
        for packet in Compound::parse(slot.packet()).unwrap().packets() {
            told += match packet.unwrap() {
                Rtcp::SenderReport(report) => report.blocks().len(),
                Rtcp::Sdes(sdes) => sdes.chunks().flat_map(|chunk| chunk.items()).count(),
                Rtcp::Nack(nack) => nack.packets().count(),
                Rtcp::TransportFeedback(feedback) => feedback.packets().filter(|(_, delta)| delta.is_some()).count(),
                Rtcp::CongestionFeedback(feedback) => feedback.streams().map(|stream| stream.packets().len()).sum(),
                other => panic!("{other:?}"),
            };
        }
        assert_eq!(told, 3 + 1 + 40 + 257 + 300);
    };
    // The builder of transport feedback keeps its room.
    write(&mut builder);
    assert_none("RTCP", || write(&mut builder));
}
