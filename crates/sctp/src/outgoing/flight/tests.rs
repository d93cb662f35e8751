use super::chunk::Limit;
use super::sack::Outcome;
use super::*;
use crate::channel::ChannelId;
use crate::chunk::data::DataHeader;
use crate::chunk::forward_tsn::Skipped;
use crate::chunk::sack::Sack;
use crate::numbers::{Mid, Ppid, StreamId};
use bytes::Bytes;
use peerage_base::rng::Rng;
use std::vec;
use std::vec::Vec;

const FIRST: Tsn = Tsn(u32::MAX - 2);
const TRIP: RoundTrip = RoundTrip { min: Duration::from_millis(40), smoothed: Duration::from_millis(40) };
const MS: fn(u64) -> Duration = Duration::from_millis;
/// Bytes on the wire of a chunk of the tests.
const WIRE: usize = 116;

fn at(millis: u64) -> Instant {
    Instant::from_millis(1000 + millis)
}

fn chunk(flight: &Flight, message: u32, begin: bool, end: bool, limit: Limit) -> Chunk {
    let (tsn, stream, mid, ppid) = (flight.next_tsn(), StreamId(1), Mid(4), Ppid::BINARY);
    let header = DataHeader { tsn, stream, mid, ppid, begin, end, ..DataHeader::default() };
    Chunk::new(header, Bytes::from_static(&[0; 100]), message, ChannelId::of_test(0), limit)
}

/// A packet of one chunk with 100 bytes, a message of its own.
fn send(f: &mut Flight, now: Instant) {
    f.begin_packet();
    let chunk = chunk(f, f.next_tsn().steps_from(FIRST), true, true, Limit::Never);
    f.push(now, chunk);
    f.end_packet(false);
}

/// `n` packets, one per millisecond.
fn flight(n: u64) -> Flight {
    let mut flight = Flight::new(FIRST);
    (0..n).for_each(|n| send(&mut flight, at(n)));
    flight
}

/// A SACK in offsets from the first TSN, which is 1.
fn raw(cumulative: u32, blocks: &[(u32, u32)], duplicates: &[u32]) -> Vec<u8> {
    let mut body = FIRST.previous().plus(cumulative).0.to_be_bytes().to_vec();
    body.extend([0, 1, 0, 0]);
    body.extend((blocks.len() as u16).to_be_bytes());
    body.extend((duplicates.len() as u16).to_be_bytes());
    for (start, end) in blocks {
        body.extend(((start - cumulative) as u16).to_be_bytes());
        body.extend(((end - cumulative) as u16).to_be_bytes());
    }
    for n in duplicates {
        body.extend(FIRST.previous().plus(*n).0.to_be_bytes());
    }
    body
}

fn take(f: &mut Flight, now: Instant, raw: &[u8]) -> Option<(Outcome, usize)> {
    let outcome = f.sack(now, &Sack::parse(raw).unwrap(), TRIP)?;
    f.audit();
    let lost = f.detect(now, TRIP);
    f.audit();
    Some((outcome, lost))
}

fn sack(f: &mut Flight, now: Instant, cumulative: u32, blocks: &[(u32, u32)]) -> (Outcome, usize) {
    take(f, now, &raw(cumulative, blocks, &[])).unwrap()
}

/// Sends what is lost again, one packet each; answers what.
fn resend(f: &mut Flight, now: Instant) -> Vec<u32> {
    let mut out = Vec::new();
    while let Some(Ok(chunk)) = f.next_lost(now) {
        out.push(chunk.header.tsn.steps_from(FIRST) + 1);
        f.begin_packet();
        f.resent(now);
        f.end_packet(false);
    }
    f.audit();
    out
}

#[test]
fn three_packets_that_overtake_make_a_loss_at_once_and_one_does_so_after_a_quarter_of_a_round_trip() {
    let mut f = flight(6);
    assert_eq!(sack(&mut f, at(40), 0, &[(2, 2)]).1, 0);
    // Sent at 0, a round trip of 39, a window of 10.
    assert_eq!(f.deadline(), Some(at(49)));
    assert_eq!(f.detect(at(48), TRIP), 0);
    assert_eq!(f.detect(at(49), TRIP), WIRE);
    assert_eq!(resend(&mut f, at(49)), [1]);
    let mut f = flight(6);
    assert_eq!(sack(&mut f, at(43), 0, &[(2, 4)]).1, WIRE);
    assert_eq!(f.deadline(), None, "5 and 6 left later than what has arrived");
}

#[test]
fn chunks_of_one_packet_are_not_compared_with_each_other() {
    let mut f = Flight::new(FIRST);
    f.begin_packet();
    for n in 0..5 {
        let chunk = chunk(&f, n, true, true, Limit::Never);
        f.push(at(0), chunk);
    }
    assert_eq!(f.end_packet(true), Some((5 * WIRE, true)));
    assert_eq!(sack(&mut f, at(40), 0, &[(2, 5)]).1, 0);
    assert_eq!((f.deadline(), f.in_flight()), (None, WIRE));
    assert!(!f.sack_may_be_delayed(), "it was asked for");
}

#[test]
fn a_lost_retransmission_is_found_by_what_left_after_it() {
    let mut f = flight(5);
    assert_eq!(sack(&mut f, at(44), 0, &[(2, 4)]).1, WIRE);
    assert_eq!(resend(&mut f, at(44)), [1]);
    send(&mut f, at(45));
    assert_eq!(sack(&mut f, at(45), 0, &[(2, 5)]).1, 0);
    assert_eq!(sack(&mut f, at(85), 0, &[(2, 6)]).1, WIRE, "6 left a millisecond after the retransmission");
    assert_eq!(resend(&mut f, at(85)), [1]);
    let (outcome, lost) = sack(&mut f, at(125), 6, &[]);
    assert_eq!((outcome.bytes, outcome.rtt, lost), (WIRE, None, 0));
    assert!(f.is_empty() && !f.in_recovery());
}

#[test]
fn an_overtaken_sack_changes_nothing() {
    let mut f = flight(5);
    sack(&mut f, at(43), 0, &[(2, 3)]);
    let (outcome, _) = sack(&mut f, at(43), 0, &[(3, 3)]);
    assert_eq!((outcome.bytes, f.in_flight()), (0, 3 * WIRE));
    assert!(take(&mut f, at(44), &raw(1, &[], &[])).is_some());
    assert!(take(&mut f, at(44), &raw(0, &[], &[])).is_none());
}

#[test]
fn what_a_peer_drops_after_reporting_it_is_sent_again_at_the_proof() {
    let mut f = flight(6);
    sack(&mut f, at(44), 0, &[(2, 5)]);
    assert_eq!(resend(&mut f, at(44)), [1]);
    // With 2 in its hands, the peer could not say 1.
    let (outcome, _) = sack(&mut f, at(84), 1, &[(4, 4)]);
    assert_eq!(outcome.bytes, WIRE);
    assert_eq!(resend(&mut f, at(84)), [2, 3, 5, 6]);
    assert_eq!(f.delivered(), 5 * WIRE as u64, "counted once");
    let (outcome, _) = sack(&mut f, at(124), 6, &[]);
    assert_eq!((outcome.bytes, outcome.rtt), (4 * WIRE, None));
    assert!(f.is_empty());
}

#[test]
fn t3_finds_out_what_was_dropped_too_soon_after_another_time() {
    let mut f = flight(3);
    sack(&mut f, at(44), 0, &[(2, 3)]);
    f.time_out(at(500), TRIP);
    assert_eq!(resend(&mut f, at(500)), [1]);
    sack(&mut f, at(540), 1, &[(3, 3)]);
    assert_eq!(resend(&mut f, at(540)), [2]);
    sack(&mut f, at(580), 2, &[]);
    assert_eq!(resend(&mut f, at(580)), []);
    f.time_out(at(900), TRIP);
    assert_eq!(resend(&mut f, at(900)), [3]);
}

#[test]
fn only_the_newest_packet_of_a_sack_is_timed_and_only_if_it_was_sent_once() {
    // All SACKs are lost, T3 makes the peer speak: what arrived long ago must not be timed at its answer.
    let mut f = flight(10);
    f.time_out(at(500), TRIP);
    f.begin_packet();
    f.resent(at(500));
    f.end_packet(true);
    let (outcome, _) = sack(&mut f, at(540), 10, &[]);
    assert_eq!((outcome.rtt, outcome.confirmed), (None, true));
    assert!(outcome.spurious, "nothing was lost but SACKs");
    // What a gap report acknowledged is not timed when the cumulative TSN passes it.
    let mut f = flight(3);
    assert_eq!(sack(&mut f, at(42), 0, &[(3, 3)]).0.rtt, Some(MS(40)));
    f.detect(at(100), TRIP);
    assert_eq!(resend(&mut f, at(100)), [1, 2]);
    assert_eq!(sack(&mut f, at(3200), 3, &[]).0.rtt, None);
    // A lump is timed by what left last.
    let mut f = flight(10);
    assert_eq!(sack(&mut f, at(49), 10, &[]).0.rtt, Some(MS(40)));
}

#[test]
fn losses_that_were_none_are_told_and_widen_the_window() {
    let mut f = flight(8);
    assert_eq!(sack(&mut f, at(44), 0, &[(3, 5)]).1, 2 * WIRE);
    assert!(f.in_recovery());
    // The first arrives before it was sent again, the second one too soon after that for it to be the new one.
    let (outcome, _) = sack(&mut f, at(45), 1, &[(3, 5)]);
    assert!(!outcome.spurious);
    assert_eq!(resend(&mut f, at(46)), [2]);
    let (outcome, lost) = sack(&mut f, at(50), 5, &[]);
    assert!(outcome.spurious && lost == 0);
    assert!(!f.in_recovery());
    // It was seen that the first took 45 ms where 40 were usual.
    assert_eq!(f.rack.window(TRIP, false, 3), MS(20));
    (0..6).for_each(|n| send(&mut f, at(60 + n)));
    assert_eq!(sack(&mut f, at(104), 8, &[(11, 13)]).1, 0);
    assert_eq!(f.detection_deadline(), Some(at(60 + 40 + 20)), "60 plus a round trip and the window");
}

#[test]
fn a_duplicate_of_every_retransmission_refutes_the_losses() {
    let mut f = flight(8);
    assert_eq!(sack(&mut f, at(44), 0, &[(3, 5)]).1, 2 * WIRE);
    assert_eq!(resend(&mut f, at(44)), [1, 2]);
    sack(&mut f, at(88), 8, &[]);
    let (first, _) = take(&mut f, at(89), &raw(8, &[], &[1])).unwrap();
    let (second, _) = take(&mut f, at(89), &raw(8, &[], &[2])).unwrap();
    assert_eq!((first.spurious, second.spurious), (false, true));
    let (third, _) = take(&mut f, at(89), &raw(8, &[], &[1, 2, 1, 2])).unwrap();
    assert!(!third.spurious, "there are no more retransmissions to report");
}

#[test]
fn a_timeout_on_a_slow_path_is_undone_and_what_it_took_for_lost_is_found_in_order() {
    let mut f = flight(20);
    sack(&mut f, at(45), 5, &[]);
    f.time_out(at(500), TRIP);
    assert_eq!(f.in_flight(), 0);
    f.begin_packet();
    f.resent(at(500));
    f.end_packet(false);
    // The originals' answers come after all.
    let (outcome, lost) = sack(&mut f, at(501), 8, &[]);
    assert!(outcome.spurious && lost == 0 && !f.has_lost());
    assert_eq!(outcome.rtt, Some(at(501).since(at(7))), "the true round trip");
    assert_eq!(f.in_flight(), 12 * WIRE);
    assert_eq!(sack(&mut f, at(510), 20, &[]).0.bytes, 12 * WIRE);
    assert!(f.is_empty());
}

#[test]
fn after_a_timeout_what_left_lately_stays_in_flight() {
    let mut f = flight(3);
    sack(&mut f, at(42), 1, &[]);
    send(&mut f, at(490));
    f.time_out(at(500), TRIP);
    assert_eq!(f.in_flight(), WIRE);
    assert_eq!(resend(&mut f, at(500)), [2, 3]);
}

#[test]
fn a_probe_that_repairs_counts_as_one_loss_unless_both_arrived() {
    let probe = |f: &mut Flight| {
        sack(f, at(44), 4, &[]);
        f.plan_probe(at(124));
        assert_eq!(f.deadline(), Some(at(124)));
        assert!(f.expire_probe(at(124)) && f.probe_is_due());
        let (first, last) = f.last_packet(at(124)).unwrap();
        assert_eq!(first, last);
        f.begin_packet();
        assert_eq!(f.repeat(at(124), first), None);
        f.end_packet(true);
        f.probe_done(WIRE);
        f.plan_probe(at(125));
        assert_eq!(f.deadline(), None, "one at a time");
        f.audit();
    };
    let mut f = flight(5);
    probe(&mut f);
    let (outcome, _) = sack(&mut f, at(164), 5, &[]);
    assert_eq!((outcome.repaired, outcome.rtt), (WIRE, None));
    assert!(f.in_recovery());
    let (outcome, _) = take(&mut f, at(165), &raw(5, &[], &[5])).unwrap();
    assert!(outcome.spurious, "the duplicate came in a SACK of its own");

    let mut f = flight(5);
    probe(&mut f);
    let (outcome, _) = take(&mut f, at(164), &raw(5, &[], &[5])).unwrap();
    assert_eq!((outcome.repaired, f.in_recovery()), (0, false));

    let mut f = flight(5);
    probe(&mut f);
    let (outcome, _) = sack(&mut f, at(140), 5, &[]);
    assert_eq!(outcome.repaired, 0, "too soon for the probe's answer");
}

#[test]
fn an_acknowledgement_of_something_else_says_nothing_of_a_probe() {
    let mut f = flight(5);
    sack(&mut f, at(44), 3, &[]);
    f.plan_probe(at(124));
    assert!(f.expire_probe(at(124)));
    let (first, _) = f.last_packet(at(124)).unwrap();
    f.begin_packet();
    f.repeat(at(124), first);
    f.end_packet(true);
    f.probe_done(WIRE);
    let (outcome, _) = sack(&mut f, at(160), 4, &[]);
    assert_eq!((outcome.repaired, f.in_recovery()), (0, false));
    assert_eq!(sack(&mut f, at(164), 5, &[]).0.repaired, WIRE);
}

#[test]
fn a_probe_repeats_the_whole_packet_and_finds_all_that_was_lost_before() {
    let mut f = flight(4);
    f.begin_packet();
    for n in 0..3 {
        let chunk = chunk(&f, 10 + n, true, true, Limit::Never);
        f.push(at(5), chunk);
    }
    f.end_packet(false);
    let (first, last) = f.last_packet(at(85)).unwrap();
    assert_eq!((first, last), (FIRST.plus(4), FIRST.plus(6)));
    f.plan_probe(at(85));
    f.expire_probe(at(85));
    f.begin_packet();
    assert_eq!(f.repeat(at(85), first), Some(FIRST.plus(5)));
    assert_eq!(f.repeat(at(85), FIRST.plus(5)), Some(last));
    assert_eq!(f.repeat(at(85), last), Some(first));
    f.end_packet(true);
    f.probe_done(3 * WIRE);
    assert_eq!(f.in_flight(), 7 * WIRE);
    assert_eq!(sack(&mut f, at(125), 0, &[(5, 7)]).1, 4 * WIRE);
}

#[test]
fn there_is_no_probe_of_what_may_not_be_sent_again() {
    let mut f = Flight::new(FIRST);
    f.begin_packet();
    let limited = chunk(&f, 1, true, true, Limit::Retransmissions(0));
    f.push(at(0), limited);
    f.end_packet(false);
    assert_eq!(f.last_packet(at(100)), None);
}

#[test]
fn a_message_out_of_retransmissions_is_abandoned_whole() {
    let mut f = Flight::new(FIRST);
    for (message, begin, end) in [(0, true, true), (1, true, false), (1, false, false), (1, false, true)] {
        f.begin_packet();
        let chunk = chunk(&f, message, begin, end, Limit::Retransmissions(1));
        f.push(at(0), chunk);
        f.end_packet(false);
    }
    sack(&mut f, at(40), 1, &[(3, 3)]);
    f.time_out(at(500), TRIP);
    assert_eq!(resend(&mut f, at(500)), [2, 4]);
    f.time_out(at(1000), TRIP);
    let abandoned = f.next_lost(at(1000)).unwrap().unwrap_err();
    assert_eq!((abandoned.message, abandoned.last.end), (1, true));
    let (tsn, streams) = f.forward(10).unwrap();
    assert_eq!(
        (tsn, &streams[..]),
        (FIRST.plus(3), &[Skipped { stream: StreamId(1), unordered: false, mid: Mid(4) }][..])
    );
    assert!(f.next_lost(at(1000)).is_none());
    f.audit();
    assert_eq!(sack(&mut f, at(1040), 4, &[]).0.bytes, 0);
}

#[test]
fn a_half_sent_message_that_is_given_up_keeps_a_number_for_its_rest() {
    let mut f = Flight::new(FIRST);
    f.begin_packet();
    let begun = chunk(&f, 7, true, false, Limit::Until(at(0)));
    f.push(at(0), begun);
    let abandoned = f.abandon_unfinished(7, FIRST).unwrap();
    assert!(!abandoned.last.end);
    f.push_abandoned(&abandoned);
    assert_eq!(f.forward(10).unwrap().0, FIRST.next());
    assert!(sack(&mut f, at(40), 2, &[]).0.advanced);
    assert!(f.is_empty());
}

#[test]
fn a_rate_sample_spans_what_was_delivered_since_the_packet_left() {
    let mut f = flight(4);
    let first = sack(&mut f, at(40), 1, &[]).0.rate.unwrap();
    assert_eq!((first.delivered, first.interval, first.prior_delivered), (WIRE as u64, MS(40), 0));
    assert_eq!(first.in_flight_at_send, WIRE);
    send(&mut f, at(40));
    sack(&mut f, at(43), 4, &[]);
    let later = sack(&mut f, at(80), 5, &[]).0.rate.unwrap();
    assert_eq!((later.delivered, later.interval, later.prior_delivered), (4 * WIRE as u64, MS(40), WIRE as u64));
    assert_eq!(later.in_flight_at_send, 4 * WIRE);
    assert!(!later.app_limited);
    f.app_limited();
    send(&mut f, at(100));
    assert!(sack(&mut f, at(140), 6, &[]).0.rate.unwrap().app_limited);
    send(&mut f, at(150));
    assert!(!sack(&mut f, at(190), 7, &[]).0.rate.unwrap().app_limited);
}

#[test]
fn a_rate_sample_spans_the_time_that_sending_took_if_that_is_longer() {
    let mut f = flight(2);
    sack(&mut f, at(140), 1, &[]);
    send(&mut f, at(141));
    let rate = sack(&mut f, at(181), 3, &[]).0.rate.unwrap();
    assert_eq!((rate.interval, rate.delivered), (MS(141), 2 * WIRE as u64));
}

#[test]
fn a_rate_sample_tells_of_losses_since_and_is_left_out_if_shorter_than_a_round_trip() {
    let mut f = flight(4);
    sack(&mut f, at(43), 0, &[(2, 4)]);
    assert_eq!(resend(&mut f, at(44)), [1]);
    send(&mut f, at(45));
    let rate = sack(&mut f, at(85), 5, &[]).0.rate.unwrap();
    assert_eq!(rate.lost_since_send, 0);
    let mut f = flight(4);
    send(&mut f, at(5));
    sack(&mut f, at(43), 0, &[(2, 4)]);
    assert_eq!(sack(&mut f, at(45), 0, &[(2, 5)]).0.rate.unwrap().lost_since_send, WIRE as u64);
    send(&mut f, at(46));
    assert!(sack(&mut f, at(50), 0, &[(2, 6)]).0.rate.is_none());
}

#[test]
fn packets_of_another_path_are_not_timed_and_their_loss_is_found_all_the_same() {
    let mut f = flight(5);
    f.path_changed();
    assert!(f.probe_is_due());
    send(&mut f, at(50));
    f.probe_done(0);
    let (outcome, lost) = sack(&mut f, at(60), 0, &[(6, 6)]);
    assert_eq!((outcome.rtt, lost), (Some(MS(10)), 5 * WIRE));
    let mut f = flight(5);
    f.path_changed();
    let (outcome, _) = sack(&mut f, at(45), 5, &[]);
    assert!(outcome.rtt.is_none() && outcome.rate.is_none());
}

#[test]
fn losses_of_large_packets_are_counted_until_one_arrives() {
    let mut f = flight(10);
    f.watch_large(WIRE - 1);
    sack(&mut f, at(44), 0, &[(5, 8)]);
    assert_eq!(f.large_losses(), 4);
    resend(&mut f, at(44));
    sack(&mut f, at(50), 0, &[(5, 9)]);
    assert_eq!(f.large_losses(), 0);
    let mut f = flight(10);
    sack(&mut f, at(44), 0, &[(5, 8)]);
    assert_eq!(f.large_losses(), 0, "nobody watches");
}

#[test]
fn an_empty_flight_gives_its_memory_back() {
    let mut f = flight(500);
    sack(&mut f, at(540), 0, &[(100, 500)]);
    resend(&mut f, at(540));
    sack(&mut f, at(600), 500, &[]);
    f.shrink();
    assert_eq!(f.capacity(), 0);
}

/// Looks at chunks that a SACK costs.
fn cost(f: &mut Flight, now: Instant, raw: &[u8]) -> u64 {
    let before = f.ring.looks.get();
    let sack = Sack::parse(raw).unwrap();
    if f.sack(now, &sack, TRIP).is_some() {
        f.detect(now, TRIP);
    }
    f.ring.looks.get() - before
}

#[test]
fn sacks_that_toggle_their_gaps_cost_what_they_are_long() {
    let mut f = flight(5000);
    let all: Vec<_> = (1..1500).map(|n| (2 * n, 2 * n)).collect();
    let some: Vec<_> = (1..1500).filter(|n| n % 3 == 0).map(|n| (2 * n, 2 * n)).collect();
    let [all, some, none] = [raw(0, &all, &[]), raw(0, &some, &[]), raw(0, &[], &[])];
    cost(&mut f, at(5040), &all);
    resend(&mut f, at(5040));
    for n in 0..100 {
        assert!(cost(&mut f, at(5041 + n), &none) < 10);
        assert!(cost(&mut f, at(5041 + n), &some) < 4 * 500);
        assert!(cost(&mut f, at(5041 + n), &all) < 4 * 1500);
    }
    let wide = raw(0, &[(2, 4999)], &[]);
    (0..2).for_each(|_| _ = cost(&mut f, at(5200), &wide));
    assert!((0..1000).all(|_| cost(&mut f, at(5200), &wide) < 12), "one look, however many chunks a block covers");
}

#[test]
fn a_peer_that_keeps_dropping_what_it_reports_is_followed_at_a_bounded_pace() {
    let mut f = flight(4000);
    let mut total = 0;
    for n in 0..1000u32 {
        let now = at(4100 + u64::from(n));
        total += cost(&mut f, now, &raw(n, &[(n + 3, 4000)], &[]));
        total += cost(&mut f, now, &raw(n + 2 - 1, &[], &[]));
    }
    // A second: ten times a walk over all, and as many settled again.
    assert!(total < 11 * 4000 * 16, "{total}");
}

#[test]
fn as_many_blocks_as_a_packet_holds_cost_one_look_or_two_each() {
    let mut f = flight(40_000);
    let blocks: Vec<_> = (1..16_000).map(|n| (2 * n, 2 * n)).collect();
    let raw = raw(0, &blocks, &[]);
    cost(&mut f, at(40_040), &raw);
    resend(&mut f, at(40_040));
    let again = cost(&mut f, at(40_041), &raw);
    assert!(again < 16_000 * 4, "{again}");
}

#[test]
fn blocks_and_numbers_beyond_what_was_sent_are_not_believed() {
    let mut f = flight(5);
    assert!(take(&mut f, at(40), &raw(6, &[], &[])).is_none());
    let (outcome, _) = sack(&mut f, at(40), 0, &[(3, 9), (2, 2), (4, 3), (1, 1)]);
    assert_eq!(outcome.bytes, WIRE, "only 2 can be");
    assert_eq!(sack(&mut f, at(40), 0, &[(2, 65_535)]).0.bytes, 0);
    let (outcome, _) = take(&mut f, at(41), &raw(0, &[], &vec![1; 3000])).unwrap();
    assert!(!outcome.spurious);
    assert_eq!(f.rack.window(TRIP, true, 3), Duration::ZERO, "nothing was sent again that could be a duplicate");
}

#[test]
fn no_sequence_of_sacks_and_timers_breaks_the_books() {
    for seed in 0..60 {
        let mut rng = Rng::from_u64(seed);
        let mut f = Flight::new(FIRST);
        let mut now = at(0);
        for _ in 0..400 {
            now += MS(rng.below(8));
            let (from, len) = (f.cumulative().steps_from(FIRST.previous()), f.ring.len() as u32);
            match rng.below(12) {
                0..=4 => send(&mut f, now),
                5..=8 => {
                    let cumulative = from + if rng.below(3) == 0 { rng.below(u64::from(len) + 2) as u32 } else { 0 };
                    let mut blocks = Vec::new();
                    let mut next = cumulative + 2;
                    for _ in 0..rng.below(5) {
                        let start = next + rng.below(4) as u32;
                        let end = start + rng.below(3) as u32;
                        blocks.push((start, end));
                        next = end + 2;
                    }
                    let duplicates: Vec<u32> = (0..rng.below(3)).map(|_| from + rng.below(4) as u32).collect();
                    take(&mut f, now, &raw(cumulative, &blocks, &duplicates));
                }
                9 => {
                    resend(&mut f, now);
                }
                10 => {
                    f.plan_probe(now);
                    if f.expire_probe(now) {
                        f.begin_packet();
                        let last = f.last_packet(now);
                        let repeated = last.map_or(0, |(_, last)| {
                            f.repeat(now, last);
                            WIRE
                        });
                        f.end_packet(true);
                        f.probe_done(repeated);
                    }
                }
                _ => f.time_out(now, TRIP),
            }
            f.audit();
        }
        let all = f.next_tsn().previous().steps_from(FIRST.previous());
        sack(&mut f, now + MS(1000), all, &[]);
        assert!(f.is_empty() && f.packets.len() == 0 && f.in_flight() == 0);
    }
}
