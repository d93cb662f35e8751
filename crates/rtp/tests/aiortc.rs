//! Packets as another implementation writes them; `fixtures/write_aiortc.py` says how.

use peerage_base::slot::Slot;
use peerage_rtp::extension::abs_send_time::AbsSendTime;
use peerage_rtp::extension::audio_level::AudioLevel;
use peerage_rtp::extension::block::{Forms, TWO_BYTE};
use peerage_rtp::extension::kind::Kind;
use peerage_rtp::extension::map::Map;
use peerage_rtp::extension::mid::Mid;
use peerage_rtp::extension::repaired_rid::RepairedRid;
use peerage_rtp::extension::rid::Rid;
use peerage_rtp::extension::transport_sequence_number::TransportSequenceNumber;
use peerage_rtp::ntp::{Compact, Ntp};
use peerage_rtp::numbers::{PayloadType, SequenceNumber, Ssrc, Timestamp};
use peerage_rtp::packet::write::PacketWriter;
use peerage_rtp::packet::{Header, Packet};
use peerage_rtp::rtcp::compound::Compound;
use peerage_rtp::rtcp::packet::Packet as Rtcp;
use peerage_rtp::rtcp::report_block::ReportBlock;
use peerage_rtp::rtcp::sdes::ItemType;
use peerage_rtp::rtcp::sender_report::{self, SenderInfo};
use peerage_rtp::rtcp::write::Writer;
use peerage_rtp::rtcp::{bye, nack, pli, receiver_report, remb};

/// The kinds in the order of the identifiers.
const KINDS: [Kind; 6] =
    [Kind::Mid, Kind::AudioLevel, Kind::AbsSendTime, Kind::TransportSequenceNumber, Kind::Rid, Kind::RepairedRid];

fn fixture(name: &str) -> Vec<u8> {
    let line = include_str!("fixtures/aiortc.txt").lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    let hex = line.unwrap_or_else(|| panic!("no {name}")).as_bytes();
    hex.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn assert_rtp(name: &str, first_id: u8, rid: &str) {
    let bytes = fixture(name);
    let packet = Packet::parse(&bytes).unwrap();
    let header = Header {
        marker: true,
        payload_type: PayloadType::new(96).unwrap(),
        sequence_number: SequenceNumber(65_534),
        timestamp: Timestamp(0x89AB_CDEF),
        ssrc: Ssrc(0xDEAD_BEEF),
    };
    assert_eq!((packet.header, packet.payload, packet.padding), (header, &b"payload"[..], 5));
    let csrcs: Vec<_> = packet.csrcs().collect();
    assert_eq!(csrcs, [Ssrc(1), Ssrc(u32::MAX)]);

    let mut map = Map::new(false);
    for (id, kind) in (first_id..).zip(KINDS) {
        map.insert(kind, id).unwrap();
    }
    let block = packet.extension;
    assert_eq!(map.forms(), if block.profile == TWO_BYTE { Forms::TwoByte } else { Forms::OneByte });
    assert_eq!(map.values(block).count(), 6);
    assert_eq!(map.get(&block), Some(Mid("video")));
    assert_eq!(map.get(&block), Some(AudioLevel { level: 42, voice: true }));
    assert_eq!(map.get(&block), Some(AbsSendTime::new(0x12_3456)));
    assert_eq!(map.get(&block), Some(TransportSequenceNumber(SequenceNumber(0xFEDC))));
    assert_eq!(map.get(&block), Some(Rid(rid)));
    assert_eq!(map.get(&block), Some(RepairedRid("h")));

    let mut buf = [0; 200];
    let mut slot = Slot::new(&mut buf, 0, 0, 200);
    let mut writer = PacketWriter::new(&mut slot, &header, &csrcs).unwrap();
    writer.extensions(map.forms(), |out| {
        for (id, value) in block.elements() {
            assert!(out.value(id, value));
        }
    });
    writer.room()[..7].copy_from_slice(b"payload");
    writer.finish(7, 5).unwrap();
    // It pads with noise.
    let content = bytes.len() - 5;
    assert_eq!((&slot.packet()[..content], slot.len()), (&bytes[..content], bytes.len()));
}

#[test]
fn rtp_packets_of_both_forms_are_the_same() {
    assert_rtp("one-byte", 1, "q");
    assert_rtp("two-byte", 20, "a-rid-of-more-than-16-letters");
}

fn block(ssrc: u32, cumulative_lost: i32) -> ReportBlock {
    ReportBlock {
        ssrc: Ssrc(ssrc),
        fraction_lost: 3,
        cumulative_lost,
        highest: 0x10005,
        jitter: 77,
        last_sender_report: Compact(0x0102_0304),
        delay: Compact(65_536),
    }
}

/// What is written is what the other one writes, and is read back.
fn assert_rtcp(name: &str, write: impl FnOnce(&mut Writer<'_, '_>), check: impl FnOnce(Rtcp<'_>)) {
    let bytes = fixture(name);
    let mut buf = [0; 1200];
    let mut slot = Slot::new(&mut buf, 0, 0, 1200);
    let mut writer = Writer::new(&mut slot);
    write(&mut writer);
    if !writer.is_empty() {
        writer.finish();
        assert_eq!(slot.packet(), bytes, "{name}");
    }
    let mut packets = Compound::parse(&bytes).unwrap().packets();
    check(packets.next().unwrap().unwrap());
    assert!(packets.next().is_none());
}

#[test]
fn reports_are_the_same() {
    let info = SenderInfo {
        ssrc: Ssrc(7),
        ntp: Ntp(0xE4A1_B2C3_D4E5_F607),
        timestamp: Timestamp(4_000_000_000),
        packets: 12,
        bytes: 34_567,
    };
    let blocks = [block(9, -7), block(10, 123_456)];
    assert_rtcp(
        "sender-report",
        |writer| assert_eq!(sender_report::write(writer, &info, blocks.into_iter()), Some(2)),
        |packet| match packet {
            Rtcp::SenderReport(report) => {
                assert_eq!(report.info, info);
                assert!(report.blocks().eq(blocks));
            }
            other => panic!("{other:?}"),
        },
    );
    assert_rtcp(
        "receiver-report",
        |writer| assert_eq!(receiver_report::write(writer, Ssrc(7), [block(9, 0)].into_iter()), Some(1)),
        |packet| match packet {
            Rtcp::ReceiverReport(report) => assert!(report.sender == Ssrc(7) && report.blocks().eq([block(9, 0)])),
            other => panic!("{other:?}"),
        },
    );
}

#[test]
fn names_and_goodbyes_are_the_same() {
    assert_rtcp(
        "sdes",
        |_| {},
        |packet| match packet {
            Rtcp::Sdes(sdes) => {
                let chunks: Vec<_> = sdes.chunks().map(|chunk| (chunk.ssrc, chunk.cname().unwrap())).collect();
                assert_eq!(chunks, [(Ssrc(7), &b"{cname}"[..])]);
                let tool = sdes.chunks().next().unwrap().items().nth(1).unwrap();
                assert_eq!((tool.item_type, tool.text()), (ItemType::TOOL, Some("tool")));
            }
            other => panic!("{other:?}"),
        },
    );
    let sources = [Ssrc(7), Ssrc(8)];
    assert_rtcp(
        "bye",
        |writer| assert!(bye::write(writer, &sources, b"")),
        |packet| match packet {
            Rtcp::Bye(bye) => assert!(bye.sources().eq(sources)),
            other => panic!("{other:?}"),
        },
    );
}

#[test]
fn feedback_is_the_same() {
    assert_rtcp(
        "pli",
        |writer| assert!(pli::write(writer, Ssrc(7), Ssrc(9))),
        |packet| assert!(matches!(packet, Rtcp::PictureLoss(loss) if loss.media == Ssrc(9))),
    );
    let sources = [Ssrc(2_529_072_847), Ssrc(9)];
    assert_rtcp(
        "remb",
        |writer| assert!(remb::write(writer, Ssrc(7), 4_160_000, &sources)),
        |packet| match packet {
            Rtcp::Remb(remb) => assert!(remb.rate == 4_160_000 && remb.sources().eq(sources)),
            other => panic!("{other:?}"),
        },
    );
    let missing = [3, 5, 6, 21, 22, 400].map(SequenceNumber);
    assert_rtcp(
        "nack",
        |writer| assert_eq!(nack::write(writer, Ssrc(7), Ssrc(9), &missing), Some(6)),
        |packet| match packet {
            Rtcp::Nack(nack) => assert!(nack.media == Ssrc(9) && nack.packets().eq(missing)),
            other => panic!("{other:?}"),
        },
    );
}
