//! Sending a packet allocates nothing, whatever its format; nor does looking at one that arrives.

use allocation_counter::measure;
use peerage_rtp::numbers::{PayloadType, Timestamp};
use peerage_rtp::payload::budget::Budget;
use peerage_rtp::payload::codec::Codec;
use peerage_rtp::payload::depacketizer::{Depacketizer, Limits};
use peerage_rtp::payload::fec::header::Scheme;
use peerage_rtp::payload::fec::repair::{Repair, build};
use peerage_rtp::payload::format::Format;
use peerage_rtp::payload::packetizer::Packetizer;
use peerage_rtp::payload::red;

fn frame(codec: Codec) -> Vec<u8> {
    let head: &[u8] = match codec {
        Codec::H264 => &[0, 0, 0, 1, 0x67, 1, 0, 0, 0, 1, 0x68, 1, 0, 0, 0, 1, 0x65, 0x88],
        Codec::H265 => &[0, 0, 0, 1, 0x40, 1, 1, 0, 0, 0, 1, 0x26, 1, 0x80],
        Codec::Av1 => &[0x12, 0, 0x0A, 1, 0, 0x30],
        _ => &[0x10],
    };
    [head, &[7; 5000]].concat()
}

#[test]
fn packets_are_written_and_read_without_allocating() {
    for codec in [Codec::Vp8, Codec::Vp9, Codec::H264, Codec::H265, Codec::Av1] {
        let frame = frame(codec);
        let mut packetizer = Packetizer::new(&frame, &Format::plain(codec), &Budget::uniform(1200)).unwrap();
        let depacketizer = Depacketizer::new(codec, Limits::default());
        let mut room = [0; 1200];
        let mut packets = 0;
        let used = measure(|| {
            while let Some(piece) = packetizer.write(&mut room) {
                depacketizer.inspect(&room[..piece.len], piece.marker).unwrap();
                packets += 1;
            }
        });
        assert!(packets >= 5, "{codec:?}");
        assert_eq!(used.count_total, 0, "{codec:?}");
    }
}

#[test]
fn a_frame_that_needs_no_list_of_parts_is_cut_without_allocating() {
    for codec in [Codec::Opus, Codec::Vp8, Codec::Vp9] {
        let frame = frame(codec);
        let used = measure(|| {
            let packetizer = Packetizer::new(&frame, &Format::plain(codec), &Budget::uniform(6000)).unwrap();
            assert_eq!(packetizer.remaining(), 1);
        });
        assert_eq!(used.count_total, 0, "{codec:?}");
    }
}

#[test]
fn redundancy_and_repair_packets_are_made_without_allocating() {
    let mut encoder = red::Encoder::new(2);
    let mut room = [0; 1200];
    let mut write = |n: u32| encoder.write(PayloadType::from_byte(111), Timestamp(n * 960), &[1; 80], &mut room);
    (0..3).for_each(|n| assert!(write(n).is_some()));
    let used = measure(|| (3..20).for_each(|n| assert!(write(n).is_some_and(|len| len == 9 + 240))));
    assert_eq!(used.count_total, 0);

    let packet = |number: u8| [&[0x80, 96, 0, number][..], &[0; 8], &[number; 900]].concat();
    let packets = [packet(1), packet(2), packet(3)];
    let mut recovered = Vec::with_capacity(1200);
    let used = measure(|| {
        let len = build(Scheme::Flex03, packets.iter().map(|packet| &packet[..]), &mut room).unwrap();
        let repair = Repair::parse(Scheme::Flex03, &room[..len], []).unwrap();
        let find = |_, number: peerage_rtp::numbers::SequenceNumber| {
            packets.get(usize::from(number.0) - 1).filter(|_| number.0 != 2).map(|packet| &packet[..])
        };
        repair.recover(find, &mut recovered).unwrap();
    });
    assert_eq!((used.count_total, &recovered), (0, &packets[1]));
}
