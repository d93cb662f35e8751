//! Feedback read back by the parsers.

use super::*;
use alloc::collections::BTreeSet;
use alloc::vec;
use peerage_base::slot::Slot;
use peerage_rtp::ntp::Compact;
use peerage_rtp::rtcp::compound::Compound;
use peerage_rtp::rtcp::packet::Packet;
use proptest::prelude::*;

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

fn written(size: usize, mut write: impl FnMut(&mut Writer<'_, '_>) -> bool) -> Option<Vec<u8>> {
    let mut buf = vec![0; size];
    let mut slot = Slot::new(&mut buf, 0, 0, size);
    let mut writer = Writer::new(&mut slot);
    let is_written = write(&mut writer);
    writer.finish();
    is_written.then(|| slot.packet().to_vec())
}

/// The numbers told as arrived, and how many are told in all.
fn told(bytes: &[u8]) -> (Vec<u16>, usize) {
    let compound = Compound::parse(bytes).unwrap();
    let packet = compound.packets().next().unwrap().unwrap();
    match packet {
        Packet::TransportFeedback(feedback) => {
            let all: Vec<_> = feedback.packets().collect();
            let arrived = all.iter().filter(|(_, at)| at.is_some()).map(|(number, _)| number.0).collect();
            (arrived, all.len())
        }
        Packet::CongestionFeedback(feedback) => {
            let all: Vec<_> = feedback.streams().flat_map(|stream| stream.packets().collect::<Vec<_>>()).collect();
            let arrived = all.iter().filter(|(_, metric)| metric.is_some()).map(|(number, _)| number.0).collect();
            (arrived, all.len())
        }
        _ => panic!("no feedback"),
    }
}

fn time(millis: u64) -> ReportTime {
    ReportTime { at: at(millis), ntp: Compact(7) }
}

#[test]
fn feedback_goes_out_once_in_an_interval_with_what_was_lost_between() {
    let mut feedback = TransportWide::new(Config::default());
    assert_eq!(feedback.poll_timeout(), None);
    feedback.handle_arrival(at(5), Ssrc(9), SequenceNumber(65_534));
    assert_eq!(feedback.poll_timeout(), Some(at(5)));
    let bytes = written(1_200, |writer| feedback.poll(at(5), writer, Ssrc(1))).unwrap();
    assert_eq!(told(&bytes), (vec![65_534], 1));
    assert_eq!(feedback.poll_timeout(), None);
    for number in [1, 65_535, 3, 3] {
        feedback.handle_arrival(at(10), Ssrc(9), SequenceNumber(number));
    }
    assert_eq!(feedback.poll_timeout(), Some(at(105)));
    assert!(written(1_200, |writer| feedback.poll(at(104), writer, Ssrc(1))).is_none());
    let bytes = written(1_200, |writer| feedback.poll(at(105), writer, Ssrc(1))).unwrap();
    assert_eq!(told(&bytes), (vec![65_535, 1, 3], 5));
    // 0 and 2 come after all.
    feedback.handle_arrival(at(110), Ssrc(9), SequenceNumber(2));
    let bytes = written(1_200, |writer| feedback.poll(at(205), writer, Ssrc(1))).unwrap();
    assert_eq!(told(&bytes), (vec![2], 1));
    feedback.handle_arrival(at(900), Ssrc(9), SequenceNumber(0));
    assert_eq!((feedback.poll_timeout(), feedback.dropped()), (None, 1));
}

#[test]
fn streams_are_told_together_with_their_marks() {
    let mut feedback = PerStream::new(Config::default());
    feedback.handle_arrival(at(1), Ssrc(5), SequenceNumber(10), Ecn::Ect1);
    feedback.handle_arrival(at(1), Ssrc(6), SequenceNumber(65_535), Ecn::Ect1);
    feedback.handle_arrival(at(2), Ssrc(5), SequenceNumber(12), Ecn::Ect1);
    feedback.handle_arrival(at(2), Ssrc(5), SequenceNumber(10), Ecn::Ce);
    let bytes = written(1_200, |writer| feedback.poll(time(2), writer, Ssrc(1))).unwrap();
    assert_eq!(told(&bytes), (vec![10, 12, 65_535], 4));
    let compound = Compound::parse(&bytes).unwrap();
    let Packet::CongestionFeedback(read) = compound.packets().next().unwrap().unwrap() else { panic!("no feedback") };
    let first = read.streams().next().unwrap().packets().next().unwrap();
    assert_eq!(first.1.map(|metric| metric.ecn), Some(Ecn::Ce));
    feedback.handle_arrival(at(3), Ssrc(5), SequenceNumber(11), Ecn::Ect1);
    let bytes = written(1_200, |writer| feedback.poll(time(102), writer, Ssrc(1))).unwrap();
    assert_eq!(told(&bytes), (vec![11], 1));
    feedback.handle_arrival(at(110), Ssrc(6), SequenceNumber(0), Ecn::Ect1);
    feedback.forget(Ssrc(6));
    assert_eq!(feedback.poll_timeout(), None);
}

#[test]
fn floods_are_bounded() {
    let mut wide = TransportWide::new(Config::default());
    let mut streams = PerStream::new(Config::default());
    for n in 0..10_000u32 {
        wide.handle_arrival(at(1), Ssrc(n), SequenceNumber((n * 7) as u16));
        streams.handle_arrival(at(1), Ssrc(n), SequenceNumber(n as u16), Ecn::NotEct);
    }
    assert!(wide.arrivals.len() <= 4_000 && wide.dropped() > 0);
    assert!(streams.streams.len() <= MAX_STREAMS && streams.waiting <= 4_000 && streams.dropped() > 0);
    // All of it can be told, and then there is room again.
    let mut packets = 0;
    while written(1_200, |writer| wide.poll(at(200), writer, Ssrc(1))).is_some() {
        packets += 1;
    }
    while written(1_200, |writer| streams.poll(time(200), writer, Ssrc(1))).is_some() {
        packets += 1;
    }
    assert!(packets > 2 && wide.arrivals.is_empty() && streams.waiting == 0);
    assert_eq!((wide.poll_timeout(), streams.poll_timeout()), (None, None));
}

#[test]
fn steady_feedback_allocates_nothing() {
    let mut wide = TransportWide::new(Config::default());
    let mut streams = PerStream::new(Config::default());
    let mut buf = vec![0; 1_200];
    let mut run = |range: core::ops::Range<u64>| {
        for n in range {
            wide.handle_arrival(at(n), Ssrc(1), SequenceNumber(n as u16));
            streams.handle_arrival(at(n), Ssrc(1), SequenceNumber(n as u16), Ecn::Ect1);
            let mut slot = Slot::new(&mut buf, 0, 0, 1_200);
            let mut writer = Writer::new(&mut slot);
            wide.poll(at(n), &mut writer, Ssrc(1));
            streams.poll(time(n), &mut writer, Ssrc(1));
            writer.finish();
        }
    };
    run(0..1_000);
    let info = allocation_counter::measure(|| run(1_000..2_000));
    assert_eq!(info.count_total, 0);
}

proptest! {
    #[test]
    fn every_arrival_is_told_once(steps in prop::collection::vec((0u64..30, -3i64..5), 1..300), size in 60usize..1_200) {
        let mut wide = TransportWide::new(Config::default());
        let (mut now, mut number) = (1_000, 70_000i64);
        let (mut given, mut read) = (BTreeSet::new(), Vec::new());
        for (wait, step) in steps {
            now += wait;
            number += step;
            if given.insert(number as u16) {
                wide.handle_arrival(at(now), Ssrc(1), SequenceNumber(number as u16));
            }
            while let Some(bytes) = written(size, |writer| wide.poll(at(now), writer, Ssrc(1))) {
                read.extend(told(&bytes).0);
            }
        }
        while let Some(bytes) = written(size, |writer| wide.poll(at(now + 100), writer, Ssrc(1))) {
            read.extend(told(&bytes).0);
        }
        // But for those that came long after the last feedback, and were told as lost in it.
        prop_assert_eq!(read.len() as u64 + wide.dropped(), given.len() as u64);
        prop_assert!(read.iter().all(|number| given.contains(number)));
        prop_assert_eq!(read.iter().collect::<BTreeSet<_>>().len(), read.len());
    }
}
