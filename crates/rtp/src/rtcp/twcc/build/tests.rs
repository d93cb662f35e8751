use super::*;
use crate::rtcp::packet::Packet;
use crate::rtcp::tests_support::{parse, written};
use crate::rtcp::twcc::TransportFeedback;
use peerage_base::slot::Slot;
use peerage_base::time::Duration;
use proptest::prelude::*;
use std::vec;

/// Packets by their steps from the one before, and by ticks.
fn arrivals(first: u16, start: u64, steps: &[(u16, i64)]) -> Vec<Arrival> {
    let (mut number, mut at) = (SequenceNumber(first), start as i64);
    let mut next = |step: u16, delta: i64| {
        number = number.plus(step.into());
        at = (at + delta).max(0);
        Arrival { number, at: Instant::ORIGIN + TICK * at as u32 }
    };
    steps.iter().map(|(step, delta)| next(*step, *delta)).collect()
}

/// What feedback tells of packets that have arrived: number and ticks from the origin, unless those have wrapped.
fn told(feedback: &TransportFeedback<'_>) -> Vec<(SequenceNumber, i64)> {
    let mut at = i64::from(feedback.reference.units()) * TICKS_PER_REFERENCE;
    feedback
        .packets()
        .filter_map(|(number, delta)| {
            at += i64::from(delta?);
            Some((number, at))
        })
        .collect()
}

/// All of a report in packets of `size` bytes; each is checked against what it was made of.
fn write_all(begin: u16, arrivals: &[Arrival], size: usize) -> usize {
    let mut builder = Builder::new();
    let mut report = Report { begin: SequenceNumber(begin), arrivals };
    let mut packets = 0;
    while !report.arrivals.is_empty() {
        let before = report;
        let mut buf = vec![0xEE; size];
        let mut slot = Slot::new(&mut buf, 0, 0, size);
        let mut writer = Writer::new(&mut slot);
        assert!(builder.write(&mut writer, Ssrc(1), Ssrc(2), packets as u8, &mut report), "{report:?}");
        writer.finish();
        let Packet::TransportFeedback(feedback) = parse(slot.packet()) else { panic!("not transport feedback") };
        assert_eq!((feedback.sender, feedback.media, feedback.number), (Ssrc(1), Ssrc(2), packets as u8));
        let taken = &before.arrivals[..before.arrivals.len() - report.arrivals.len()];
        let mut expected: Vec<_> = taken.iter().map(|arrival| (arrival.number, ticks(arrival.at))).collect();
        expected.dedup_by_key(|(number, _)| *number);
        assert_eq!(told(&feedback), expected);
        assert_eq!(feedback.base.plus(feedback.statuses.into()), report.begin);
        if builder.symbols.len() < 500 {
            assert_eq!(builder.chunks(), slowly(&builder.symbols), "{:?}", builder.symbols);
        }
        packets += 1;
    }
    packets
}

/// The fewest chunks that tell `symbols`, tried from the end.
fn slowly(symbols: &[Symbol]) -> u16 {
    let mut fewest = vec![0u16; symbols.len() + 1];
    for start in (0..symbols.len()).rev() {
        let rest = &symbols[start..];
        let run = rest.iter().take(MAX_RUN.into()).take_while(|symbol| **symbol == rest[0]).count();
        let run = (1..=run).map(|len| fewest[start + len]).min().unwrap();
        let after = |len: usize| fewest[(start + len).min(symbols.len())];
        let mut best = run.min(after(7));
        if !rest.iter().take(14).any(|symbol| *symbol == Symbol::Large) {
            best = best.min(after(14));
        }
        fewest[start] = best + 1;
    }
    fewest[0]
}

#[test]
fn feedback_is_written_byte_for_byte() {
    let arrivals = arrivals(10, 1000, &[(0, 0), (1, 4), (2, 300), (1, -1)]);
    let mut report = Report { begin: SequenceNumber(9), arrivals: &arrivals };
    let bytes = written(|writer| assert!(Builder::new().write(writer, Ssrc(1), Ssrc(2), 7, &mut report)));
    // 1000 ticks are 3 times 64 ms and 232 ticks. Lost, small, small, lost, large, large.
    let expected = b"\x8F\xCD\0\x06\0\0\0\x01\0\0\0\x02\0\x09\0\x06\0\0\x03\x07\xC5\x28\xE8\x04\x01\x2C\xFF\xFF";
    assert_eq!(bytes[..], expected[..]);
    assert_eq!((report.begin, report.arrivals.len()), (SequenceNumber(15), 0));
}

#[test]
fn the_chunks_are_the_fewest() {
    use Symbol::{Large, Lost, Small};
    let alternating = [Small, Lost].repeat(7);
    for (symbols, fewest) in [
        (vec![Small; 8191], 1),
        (vec![Small; 8192], 2),
        (alternating.clone(), 1),
        ([alternating.clone(), vec![Large]].concat(), 2),
        // The longest chunk first would take three: 14, 6 and one more.
        ([vec![Small; 20], vec![Large, Lost, Large, Small, Lost, Small, Large]].concat(), 2),
        ([alternating, vec![Lost; 20_000]].concat(), 4),
        (vec![Large; 7], 1),
        (vec![Large, Small, Large, Lost, Large, Small, Large, Small], 2),
    ] {
        let mut builder = Builder::new();
        builder.clear();
        symbols.iter().for_each(|symbol| builder.push(*symbol));
        assert_eq!(builder.chunks(), fewest, "{symbols:?}");
    }
}

#[test]
fn what_cannot_be_told_in_one_packet_goes_into_another() {
    // More than 8 s between them.
    assert_eq!(write_all(0, &arrivals(0, 9, &[(0, 0), (1, 40_000), (1, 1)]), 100), 2);
    // Back by more than 8 s.
    assert_eq!(write_all(0, &arrivals(0, 90_000, &[(0, 0), (1, -40_000)]), 100), 2);
    // Farther apart than numbers can tell, then just not.
    assert_eq!(write_all(0, &arrivals(0, 9, &[(0, 0), (0x8000, 1)]), 100), 2);
    assert_eq!(write_all(0, &arrivals(0, 9, &[(0, 0), (0x7FFF, 1)]), 100), 1);
    // Nothing was told of for long.
    assert_eq!(write_all(1, &arrivals(0x9000, 9, &[(0, 0)]), 100), 1);
}

#[test]
fn repetitions_are_skipped() {
    assert_eq!(write_all(0, &arrivals(0, 9, &[(0, 0), (0, 5), (1, 1), (0, 1), (0, 1)]), 100), 1);
}

#[test]
fn without_room_or_arrivals_nothing_is_written() {
    let arrivals = arrivals(3, 9, &[(0, 0)]);
    for size in 0..24 {
        let mut buf = vec![0; size];
        let mut slot = Slot::new(&mut buf, 0, 0, size);
        let mut report = Report { begin: SequenceNumber(3), arrivals: &arrivals };
        assert!(!Builder::new().write(&mut Writer::new(&mut slot), Ssrc(1), Ssrc(2), 7, &mut report), "{size}");
        assert_eq!(report.arrivals.len(), 1);
    }
    assert_eq!(write_all(3, &arrivals, 24), 1);
    let mut report = Report { begin: SequenceNumber(3), arrivals: &[] };
    written(|writer| assert!(!Builder::new().write(writer, Ssrc(1), Ssrc(2), 7, &mut report)));
}

#[test]
fn the_reference_time_wraps() {
    let at = Instant::ORIGIN + Duration::from_millis(64) * ((1 << 24) + 5);
    let arrivals = [Arrival { number: SequenceNumber(3), at }];
    let mut report = Report { begin: SequenceNumber(3), arrivals: &arrivals };
    let bytes = written(|writer| assert!(Builder::new().write(writer, Ssrc(1), Ssrc(2), 7, &mut report)));
    let Packet::TransportFeedback(feedback) = parse(&bytes) else { panic!("not transport feedback") };
    assert_eq!(feedback.reference, ReferenceTime::new(5));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn everything_is_told_whatever_the_size(
        begin: u16, ahead in 0u16..50, start in 0u64..1 << 20, size in 36usize..300,
        steps in prop::collection::vec((prop_oneof![12 => 1u16..3, 2 => 0u16..40, 1 => 0u16..20_000], prop_oneof![
            8 => 0i64..256, 2 => -2000i64..9000, 1 => -80_000i64..80_000,
        ]), 1..150),
    ) {
        write_all(begin, &arrivals(begin.wrapping_add(ahead), start, &steps), size);
    }

    #[test]
    fn chunks_are_the_fewest_for_any_statuses(pattern in prop::collection::vec((0u8..3, prop_oneof![6 => 1usize..3, 1 => 1usize..40]), 1..60)) {
        let symbols: Vec<_> = pattern
            .iter()
            .flat_map(|(symbol, len)| vec![[Symbol::Lost, Symbol::Small, Symbol::Large][usize::from(*symbol)]; *len])
            .collect();
        let mut builder = Builder::new();
        builder.clear();
        for (at, symbol) in symbols.iter().enumerate() {
            builder.push(*symbol);
            if at % 5 == 0 || at + 1 == symbols.len() {
                prop_assert_eq!(builder.chunks(), slowly(&symbols[..=at]));
            }
        }
        let mut out = vec![0; 2 * usize::from(builder.chunks())];
        builder.write_chunks(&mut out);
        let read: Vec<_> = out
            .as_chunks()
            .0
            .iter()
            .map(Chunk::parse)
            .flat_map(|chunk| (0..chunk.len()).map(move |at| chunk.symbol(at)))
            .collect();
        prop_assert_eq!(&read[..symbols.len()], &symbols[..]);
        prop_assert!(read[symbols.len()..].iter().all(|symbol| *symbol == Symbol::Lost));
    }
}
