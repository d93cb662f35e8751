//! Two peers that report to each other, in simulated time.

use alloc::vec;
use alloc::vec::Vec;

use peerage_base::rng::Rng;
use peerage_base::slot::Slot;
use peerage_base::time::{Duration, Instant};
use peerage_rtp::ntp::{Compact, Ntp, WallClock};
use peerage_rtp::numbers::{SequenceNumber, Ssrc, Timestamp};
use peerage_rtp::rtcp::compound::Compound;
use peerage_rtp::rtcp::packet::Packet;
use peerage_rtp::rtcp::report_block::ReportBlock;
use peerage_rtp::rtcp::sender_report::SenderInfo;
use peerage_rtp::rtcp::tmmb::Limit;
use peerage_rtp::rtcp::xr::Dlrr;
use peerage_rtp::rtcp::{fir, pli};
use peerage_testkit::replay::replay;
use proptest::prelude::*;

use super::cname::Cname;
use super::compose::Composer;
use super::fuzz;
use super::receive::{Event, Receiver};

const LOCAL: Ssrc = Ssrc(1);

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

fn wall() -> WallClock {
    WallClock::new(at(0), Duration::from_secs(1_700_000_000))
}

fn composer(reduced_size: bool) -> Composer {
    Composer::new(LOCAL, Cname::new(&mut Rng::from_u64(1)), reduced_size)
}

fn written(composer: &mut Composer, max: usize) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    let mut buf = [0; 1500];
    loop {
        let mut slot = Slot::new(&mut buf, 0, 0, max);
        let Some(len) = composer.poll(&mut slot, |_| false) else { return all };
        assert!(len <= max && len == slot.len() && all.len() < 1000);
        all.push(slot.packet().to_vec());
    }
}

fn info(ssrc: u32) -> SenderInfo {
    SenderInfo { ssrc: Ssrc(ssrc), ntp: wall().ntp(at(5)), timestamp: Timestamp(7), packets: 3, bytes: 4 }
}

fn blocks(count: u32) -> impl Iterator<Item = ReportBlock> {
    (0..count).map(|n| ReportBlock { ssrc: Ssrc(1000 + n), ..ReportBlock::default() })
}

/// What a peer makes of datagrams, as names.
fn heard(receiver: &mut Receiver, now: Instant, datagrams: &[Vec<u8>]) -> Vec<&'static str> {
    let mut names = Vec::new();
    for datagram in datagrams {
        receiver.handle(now, datagram, |event| {
            names.push(match event {
                Event::Nack(_) => "nack",
                Event::PictureLoss(_) => "pli",
                Event::FullIntra(_) => "fir",
                Event::Remb(_) => "remb",
                Event::MaxBitRate { .. } => "tmmbr",
                Event::Report(_) => "report",
                Event::SenderReport(_) => "sr",
                Event::RoundTrip(_) => "rtt",
                Event::Cname { .. } => "cname",
                Event::Bye(_) => "bye",
                _ => "other",
            });
        });
    }
    names
}

#[test]
fn every_source_and_every_block_is_told_once_in_compounds_that_fit() {
    for (senders, count, max) in [(0, 0, 100), (1, 0, 100), (3, 70, 1200), (40, 200, 1200), (200, 3, 500), (2, 90, 120)]
    {
        let mut composer = composer(false);
        composer.report((0..senders).map(|n| info(10 + n)), blocks(count));
        let compounds = written(&mut composer, max);
        assert!(composer.is_empty());
        let (mut told, mut reported) = (Vec::new(), Vec::new());
        for bytes in &compounds {
            let compound = Compound::parse(bytes).unwrap();
            assert!(compound.begins_with_report());
            let mut names = Vec::new();
            for packet in compound.packets() {
                match packet.unwrap() {
                    Packet::SenderReport(report) => {
                        told.push(report.info.ssrc.0 - 10);
                        names.push(report.info.ssrc);
                        reported.extend(report.blocks().map(|block| block.ssrc.0 - 1000));
                    }
                    Packet::ReceiverReport(report) => {
                        assert_eq!(report.sender, LOCAL);
                        reported.extend(report.blocks().map(|block| block.ssrc.0 - 1000));
                    }
                    Packet::Sdes(sdes) => {
                        for chunk in sdes.chunks() {
                            assert_eq!(chunk.cname().map(<[u8]>::len), Some(16));
                            names.retain(|ssrc| *ssrc != chunk.ssrc);
                        }
                    }
                    other => panic!("{other:?}"),
                }
            }
            assert!(names.is_empty(), "every sender has its name in the compound");
        }
        assert_eq!((told, reported), ((0..senders).collect(), (0..count).collect()), "{senders} {count} {max}");
        let least = (senders as usize * 56 + count as usize * 24).div_ceil(max).max(1);
        assert!(compounds.len() <= 2 * least, "{} compounds for {least}", compounds.len());
    }
}

#[test]
fn feedback_goes_by_itself_only_if_that_was_agreed_on() {
    for (reduced_size, wanted) in
        [(true, vec!["pli", "fir", "nack", "remb"]), (false, vec!["cname", "pli", "fir", "nack", "remb"])]
    {
        let mut composer = composer(reduced_size);
        assert!(composer.is_empty() && written(&mut composer, 1200).is_empty());
        composer.nack(Ssrc(5), [1, 2, 30].map(SequenceNumber));
        composer.picture_loss(Ssrc(5));
        composer.picture_loss(Ssrc(5));
        composer.full_intra(fir::Request { ssrc: Ssrc(6), number: 1 });
        composer.bit_rate(1_000_000, &[Ssrc(5)]);
        assert!(!composer.is_empty());
        let compounds = written(&mut composer, 1200);
        assert_eq!(compounds.len(), 1);
        assert_eq!(heard(&mut Receiver::new(wall(), reduced_size), at(0), &compounds), wanted);
    }
    let mut composer = composer(true);
    composer.picture_loss(Ssrc(5));
    let mut strict = Receiver::new(wall(), false);
    assert!(heard(&mut strict, at(0), &written(&mut composer, 1200)).is_empty());
    assert_eq!(strict.dropped().reduced, 1);
}

#[test]
fn what_others_build_goes_in_behind_the_reports() {
    for (reduced_size, packets) in [(true, 1), (false, 3)] {
        let mut composer = composer(reduced_size);
        let mut buf = [0; 200];
        let mut slot = Slot::new(&mut buf, 0, 0, 200);
        composer.poll(&mut slot, |writer| pli::write(writer, LOCAL, Ssrc(3))).unwrap();
        assert_eq!(Compound::parse(slot.packet()).unwrap().packets().count(), packets);
    }
}

#[test]
fn a_goodbye_is_the_last_that_is_said() {
    let mut composer = composer(true);
    composer.report([info(10)], blocks(100));
    composer.goodbye(Ssrc(10));
    let compounds = written(&mut composer, 500);
    let last = Compound::parse(compounds.last().unwrap()).unwrap().packets().last().unwrap();
    assert!(matches!(last, Ok(Packet::Bye(bye)) if bye.sources().eq([Ssrc(10)])));
    composer.goodbye(Ssrc(11));
    let alone = written(&mut composer, 500);
    assert_eq!(heard(&mut Receiver::new(wall(), false), at(0), &alone), ["cname", "bye"]);
}

#[test]
fn the_round_trip_is_told_by_reports_and_by_extended_ones() {
    // A peer that answers 30 ms after what it got, over a path of 40 ms each way.
    let mut spans = Vec::new();
    let told = wall().ntp(at(1000)).compact();
    let delay = Compact::from_span(Duration::from_millis(30));
    let mut composer = composer(true);
    composer.report([], [ReportBlock { last_sender_report: told, delay, ..ReportBlock::default() }]);
    composer.answer_references([Dlrr { ssrc: LOCAL, last_reference: told, delay }]);
    for bytes in written(&mut composer, 1200) {
        Receiver::new(wall(), true).handle(at(1110), &bytes, |event| match event {
            Event::Report(report) => spans.extend(report.round_trip),
            Event::RoundTrip(span) => spans.push(span),
            _ => {}
        });
    }
    assert_eq!(spans.len(), 2);
    assert!(spans.iter().all(|span| span.abs_diff(Duration::from_millis(80)) < Duration::from_micros(50)), "{spans:?}");
}

#[test]
fn reference_times_are_answered_with_their_age_for_as_many_as_there_may_be() {
    let mut receiver = Receiver::new(wall(), true);
    for n in 0..200 {
        let mut composer = Composer::new(Ssrc(100 + n), Cname::new(&mut Rng::from_u64(1)), true);
        composer.reference_time(Ntp(u64::from(n) << 16));
        heard(&mut receiver, at(0), &written(&mut composer, 1200));
    }
    let answers: Vec<_> = receiver.references(at(500)).collect();
    assert_eq!((answers.len(), answers[63].ssrc, answers[63].last_reference), (64, Ssrc(299), Compact(199)));
    assert_eq!(answers[63].delay, Compact(0x8000));
}

#[test]
fn a_repeated_request_for_a_picture_is_one_request() {
    let mut receiver = Receiver::new(wall(), true);
    let mut ask = |number| {
        let mut composer = composer(true);
        composer.full_intra(fir::Request { ssrc: Ssrc(6), number });
        heard(&mut receiver, at(0), &written(&mut composer, 1200)).len()
    };
    assert_eq!([ask(255), ask(255), ask(0), ask(0), ask(1)], [1, 0, 1, 0, 1]);
}

#[test]
fn lies_about_the_round_trip_and_floods_are_dropped() {
    let mut receiver = Receiver::new(wall(), true);
    let mut composer = composer(true);
    let old = wall().ntp(at(0)).minus(Duration::from_secs(3600)).compact();
    composer.report([], [ReportBlock { last_sender_report: old, ..ReportBlock::default() }]);
    let lie = written(&mut composer, 1200);
    receiver.handle(at(0), &lie[0], |event| {
        if let Event::Report(report) = event {
            assert_eq!(report.round_trip, None);
        }
    });
    let many = vec![lie[0].clone(); 2000];
    assert!(heard(&mut receiver, at(0), &many).len() <= 1000);
    assert_eq!(receiver.dropped().flood, 1501);
    receiver.handle(at(0), &[0x80, 201, 0, 9], |_| panic!("nothing is said"));
    assert_eq!(receiver.dropped().malformed, 1);
    assert!(!heard(&mut receiver, at(1000), &many[..1]).is_empty(), "a second later it listens again");
}

#[test]
fn what_waits_is_bounded() {
    let mut composer = composer(true);
    for n in 0..5000u32 {
        composer.nack(Ssrc(n), (0..100).map(SequenceNumber));
        composer.picture_loss(Ssrc(n));
        composer.full_intra(fir::Request { ssrc: Ssrc(n), number: 1 });
        composer.goodbye(Ssrc(n));
    }
    composer.notify_limits(&[Limit { ssrc: Ssrc(1), rate: 1, overhead: 1 }; 3000]);
    composer.report((0..3000).map(info), blocks(3000));
    let bytes: usize = written(&mut composer, 1200).iter().map(Vec::len).sum();
    assert!(composer.is_empty() && bytes < 200_000, "{bytes}");
}

#[test]
fn seeds_are_read() {
    replay(concat!(env!("CARGO_MANIFEST_DIR"), "/../rtp/corpus/rtcp"), fuzz::receive);
}

proptest! {
    #[test]
    fn whatever_comes_is_read_and_said_back(mut data in proptest::collection::vec(any::<u8>(), 0..600), kind in 200u8..208) {
        fuzz::receive(&data);
        if data.len() >= 8 {
            data.truncate(data.len() & !3);
            (data[0], data[1]) = (0x80 | data[0] & 0x1F, kind);
            let words = (data.len() / 4 - 1) as u16;
            data[2..4].copy_from_slice(&words.to_be_bytes());
            fuzz::receive(&data);
        }
    }
}
