use super::*;
use crate::rtcp::compound::Compound;
use crate::rtcp::packet::Packet;
use crate::rtcp::tests_support::{assert_refuses_shorter_than, parse};
use proptest::prelude::*;
use std::vec;
use std::vec::Vec;

/// A packet with the given statuses, chunks and deltas.
fn packet(base: u16, statuses: u16, rest: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x8F, 205, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2];
    bytes.extend(base.to_be_bytes());
    bytes.extend(statuses.to_be_bytes());
    bytes.extend([0xFF, 0xFF, 0xFE, 9]);
    bytes.extend(rest);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    let words = (bytes.len() / 4 - 1) as u16;
    bytes[2..4].copy_from_slice(&words.to_be_bytes());
    bytes
}

fn read(bytes: &[u8]) -> Result<TransportFeedback<'_>, ParseError> {
    match Compound::parse(bytes).unwrap().packets().next().unwrap()? {
        Packet::TransportFeedback(feedback) => Ok(feedback),
        other => panic!("{other:?}"),
    }
}

fn lost(first: u16, count: u16) -> Run {
    Run::Lost { first: SequenceNumber(first), count }
}

fn received(number: u16, delta: i16) -> Run {
    Run::Received { number: SequenceNumber(number), delta }
}

#[test]
fn every_kind_of_chunk_is_read() {
    // Two-bit symbols: small, lost, large, lost, lost, lost, small. A run of 5 lost. One-bit: lost, small, 12 lost.
    let chunks = [0b1101_0010, 0b0000_0001, 0x00, 0x05, 0b1001_0000, 0b0000_0000];
    let deltas = [10, 0xFF, 0xFE, 20, 30];
    let bytes = packet(65_533, 14, &[&chunks[..], &deltas].concat());
    let feedback = read(&bytes).unwrap();
    assert_eq!((feedback.sender, feedback.media, feedback.number), (Ssrc(1), Ssrc(2), 9));
    assert_eq!((feedback.base, feedback.statuses), (SequenceNumber(65_533), 14));
    assert!(feedback.is_timed);
    let runs = [
        received(65_533, 10),
        lost(65_534, 1),
        received(65_535, -2),
        lost(0, 3),
        received(3, 20),
        lost(4, 5),
        lost(9, 1),
        received(10, 30),
    ];
    assert!(feedback.runs().eq(runs));
    let packets: Vec<_> = feedback.packets().map(|(number, delta)| (number.0, delta)).collect();
    assert_eq!(packets[..3], [(65_533, Some(10)), (65_534, None), (65_535, Some(-2))]);
    assert_eq!((packets.len(), packets[13]), (14, (10, Some(30))));
    // With the chunks alone it would be feedback without times.
    assert_refuses_shorter_than(&bytes, 28);
}

#[test]
fn padding_of_any_length_is_none_of_the_deltas() {
    // As libwebrtc pads.
    let mut bytes = packet(1, 1, &[0x20, 0x01, 7]);
    bytes[0] |= 0x20;
    *bytes.last_mut().unwrap() = 1;
    assert!(read(&bytes).unwrap().runs().eq([received(1, 7)]));
}

#[test]
fn feedback_without_times_tells_what_has_arrived() {
    let bytes = packet(1, 3, &[0b1011_0000, 0x00]);
    let feedback = read(&bytes).unwrap();
    assert!(feedback.is_timed, "two bytes of padding pass for deltas");
    let bytes = packet(1, 14, &[0b1011_1111, 0xFF]);
    let feedback = read(&bytes).unwrap();
    assert!(!feedback.is_timed);
    assert!(feedback.runs().eq([Run::Arrived { first: SequenceNumber(1), count: 14 }]));
    assert!(feedback.packets().eq((1..15).map(|n| (SequenceNumber(n), Some(0)))));
}

#[test]
fn claims_that_are_not_met_are_refused() {
    for (statuses, rest) in [
        // None, or more than there are numbers for.
        (0, &[0x20, 0x01, 7, 0][..]),
        (0x8001, &[0x1F, 0xFF, 0x1F, 0xFF, 0x1F, 0xFF, 0x1F, 0xFF, 0x1F, 0xFF][..]),
        // Chunks, then deltas that are missing.
        (15, &[0x80, 0x00][..]),
        (12, &[0x20, 0x0C, 1, 2, 3, 4, 5, 6, 7, 8]),
        // A status that means nothing, told or in a run.
        (2, &[0xDC, 0x00, 0, 0]),
        (1, &[0x60, 0x01, 0, 0]),
    ] {
        assert!(read(&packet(0, statuses, rest)).is_err(), "{statuses} {rest:?}");
    }
    // After the last status it may stand.
    assert!(read(&packet(0, 1, &[0xD3, 0xFF, 5])).is_ok());
}

#[test]
fn a_claim_of_many_packets_without_times_is_a_few_steps() {
    let rest = [128, 0, 5, 0, 0, 0, 7, 0, 89, 0, 46, 111, 40, 69, 45, 179, 21];
    let bytes = packet(0, 24_181, &rest);
    let feedback = read(&bytes).unwrap();
    assert!(!feedback.is_timed && feedback.runs().count() < 8 * bytes.len());
    assert_eq!(feedback.packets().count(), 24_181);
}

#[test]
fn a_claim_of_many_lost_packets_is_a_few_steps() {
    let chunks: Vec<u8> = [0x1F, 0xFF].repeat(5);
    let bytes = packet(7, 0x8000, &chunks);
    let feedback = read(&bytes).unwrap();
    assert_eq!(feedback.runs().count(), 5);
    assert_eq!(feedback.packets().count(), 0x8000);
    // Runs of nothing cost no more than their bytes.
    let bytes = packet(7, 1, &[[0; 2000].as_slice(), &[0x00, 0x01]].concat());
    assert!(read(&bytes).unwrap().runs().eq([lost(7, 1)]));
}

#[test]
fn reference_times_are_compared_over_the_wrap() {
    let bytes = packet(1, 1, &[0x20, 0x01, 7]);
    let Packet::TransportFeedback(feedback) = parse(&bytes) else { panic!("not transport feedback") };
    assert_eq!(feedback.reference, ReferenceTime::new(0xFFFF_FFFE));
    assert_eq!(ReferenceTime::new(1).ticks_since(feedback.reference), 3 * 256);
    assert_eq!(feedback.reference.ticks_since(ReferenceTime::new(1)), -3 * 256);
}

proptest! {
    #[test]
    fn whatever_it_claims_the_work_is_bounded(statuses: u16, rest in prop::collection::vec(any::<u8>(), 0..200)) {
        let bytes = packet(0, statuses, &rest);
        if let Ok(feedback) = read(&bytes) {
            prop_assert!(feedback.runs().count() <= 8 * bytes.len());
            let told: u32 = feedback.runs().map(|run| match run {
                Run::Lost { count, .. } | Run::Arrived { count, .. } => count.into(),
                Run::Received { .. } => 1,
            }).sum();
            prop_assert_eq!(told, u32::from(statuses));
            prop_assert_eq!(feedback.packets().count(), usize::from(statuses));
        }
    }
}
