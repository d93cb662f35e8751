use super::*;
use crate::estimate::event::Probe;
use crate::estimate::simulation::report;
use alloc::vec::Vec;
use peerage_rtp::rtcp::packet::Packet;

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

fn packet(number: u16) -> Sent {
    Sent {
        ssrc: report::SSRC,
        number: Some(Number::Transport(SequenceNumber(number))),
        size: 1200,
        probe: None,
        is_media: true,
        ecn: Ecn::NotEct,
    }
}

fn told(estimator: &mut Estimator, now: u64, begin: u16, arrivals: &[(u16, u64)]) {
    report::transport(begin, arrivals, |feedback| estimator.transport_feedback(at(now), feedback));
}

/// A packet every 10 ms, 0.96 Mbit/s, fed back after 100 ms in tens, from packet `from` on.
fn run(estimator: &mut Estimator, from: u16, packets: u16) {
    for n in (from..from + packets).step_by(10) {
        (n..n + 10).for_each(|n| estimator.sent(at(10 * u64::from(n)), &packet(n)));
        let arrivals: Vec<_> = (n..n + 10).map(|n| (n, 10 * u64::from(n) + 1_000_000)).collect();
        told(estimator, 10 * u64::from(n) + 190, n, &arrivals);
    }
}

fn probes(estimator: &mut Estimator) -> Vec<Probe> {
    let probe = |event| if let Event::Probe(probe) = event { Some(probe) } else { None };
    core::iter::from_fn(|| estimator.poll_event()).filter_map(probe).collect()
}

#[test]
fn the_first_packet_asks_for_two_bursts() {
    let mut estimator = Estimator::new(Config::default());
    assert_eq!((estimator.poll_event(), estimator.poll_timeout()), (None, None));
    estimator.sent(at(0), &packet(0));
    let asked = probes(&mut estimator);
    assert_eq!(asked.iter().map(|probe| probe.rate).collect::<Vec<_>>(), [900_000, 1_800_000]);
    assert!(asked.iter().all(|probe| probe.packets >= 5 && probe.duration == Duration::from_millis(15)));
    assert_eq!(asked[1].bytes, 3375);
    let mut quiet = Estimator::new(Config { is_probing: false, ..Config::default() });
    quiet.sent(at(0), &packet(0));
    assert_eq!(quiet.poll_event(), None);
}

#[test]
fn what_arrives_is_measured_and_the_rate_grows() {
    let mut estimator = Estimator::new(Config { start: 1_000_000, ..Config::default() });
    run(&mut estimator, 0, 500);
    let arrives = estimator.acknowledged_rate().unwrap();
    assert!((900_000..1_000_000).contains(&arrives), "{arrives}");
    assert!(estimator.estimate() > 1_100_000, "{}", estimator.estimate());
    assert_eq!(estimator.target(), estimator.estimate());
    assert!(estimator.pacing_rate().abs_diff(estimator.estimate() * 3 / 2) <= 1);
    assert_eq!(estimator.smoothed_round_trip(), Some(Duration::from_millis(100)));
    let stats = estimator.stats();
    assert_eq!((stats.packets_sent, stats.packets_acknowledged, stats.packets_lost), (500, 500, 0));
    assert_eq!((stats.bytes_acknowledged, stats.feedbacks), (600_000, 50));
    assert_eq!(estimator.in_flight(), 0);
    let last =
        core::iter::from_fn(|| estimator.poll_event()).filter(|event| matches!(event, Event::TargetChanged { .. }));
    assert_eq!(last.count(), 1, "only the last one counts");
}

#[test]
fn frames_of_an_owner_that_sends_little_leave_at_once() {
    let mut estimator = Estimator::new(Config { start: 4_000_000, is_probing: false, ..Config::default() });
    run(&mut estimator, 0, 300);
    assert!(estimator.limited_since().is_some(), "a quarter of what it may");
    assert_eq!(estimator.pacing_rate(), 5 * estimator.estimate());
    // Packets that take ever longer: the queue is to empty.
    for n in (300..600u16).step_by(10) {
        (n..n + 10).for_each(|n| estimator.sent(at(10 * u64::from(n)), &packet(n)));
        let late = |n: u16| 10 * u64::from(n) + 1_000_000 + 3 * u64::from(n - 300);
        let arrivals: Vec<_> = (n..n + 10).map(|n| (n, late(n))).collect();
        told(&mut estimator, 10 * u64::from(n) + 190, n, &arrivals);
        if estimator.stats().overuses > 0 {
            let usual = estimator.estimate() as f64 * 1.5;
            assert!((estimator.pacing_rate() as f64 / usual - 1.0).abs() < 0.01);
            return;
        }
    }
    panic!("no overuse was seen");
}

#[test]
fn what_others_send_counts_as_used() {
    let mut estimator = Estimator::new(Config { start: 1_000_000, ..Config::default() });
    for n in (0..500).step_by(10) {
        for n in n..n + 10 {
            estimator.sent_other(at(10 * u64::from(n)), 1200);
            estimator.sent(at(10 * u64::from(n)), &packet(n));
        }
        let arrivals: Vec<_> = (n..n + 10).map(|n| (n, 10 * u64::from(n))).collect();
        told(&mut estimator, 10 * u64::from(n) + 190, n, &arrivals);
    }
    let arrives = estimator.acknowledged_rate().unwrap();
    assert!((1_800_000..2_000_000).contains(&arrives), "{arrives}");
    assert_eq!(estimator.stats().bytes_sent, 600_000);
}

#[test]
fn the_peer_may_set_a_limit_but_not_below_the_minimum() {
    let mut estimator = Estimator::new(Config::default());
    estimator.set_cap(at(0), Some(100_000));
    assert_eq!(estimator.poll_event(), Some(Event::TargetChanged { target: 100_000 }));
    estimator.set_cap(at(0), Some(0));
    assert_eq!(estimator.estimate(), 30_000);
    estimator.set_cap(at(0), None);
    assert_eq!(estimator.estimate(), 300_000);
}

#[test]
fn reports_stand_in_for_feedback_until_there_is_some() {
    let mut estimator = Estimator::new(Config { start: 1_000_000, ..Config::default() });
    let report = |estimator: &mut Estimator, now, lost| {
        estimator.sent(at(now), &Sent { number: None, ..packet(0) });
        let block = ReportBlock { ssrc: report::SSRC, fraction_lost: lost, highest: now as u32, ..Default::default() };
        estimator.report(at(now + 500), &block);
        estimator.estimate()
    };
    assert!(report(&mut estimator, 0, 128) < 760_000);
    assert!((2..5).map(|n| report(&mut estimator, 1000 * n, 0)).last().unwrap() > 850_000);
    run(&mut estimator, 1000, 100);
    let before = estimator.estimate();
    assert_eq!(report(&mut estimator, 12_000, 255), before);
}

#[test]
fn feedback_that_stays_out_lowers_the_rate_and_time_passes() {
    let mut estimator = Estimator::new(Config { start: 1_000_000, ..Config::default() });
    run(&mut estimator, 0, 100);
    let before = estimator.estimate();
    let mut now = 1100;
    let mut timeouts = 0;
    for n in 100..1000 {
        estimator.sent(at(now), &packet(n));
        while estimator.poll_timeout().is_some_and(|deadline| deadline <= at(now)) {
            estimator.handle_timeout(at(now));
            assert!(estimator.poll_timeout().is_none_or(|deadline| deadline > at(now)));
            timeouts += 1;
        }
        now += 10;
    }
    assert!(estimator.estimate() < before / 10, "{}", estimator.estimate());
    assert!(estimator.target() <= estimator.estimate());
    assert!((30..60).contains(&timeouts), "{timeouts}");
    assert!(estimator.stats().stalls >= 5);
    // Nothing is on the way any more after a while, and no time matters.
    estimator.handle_timeout(at(now + 20_000));
    assert_eq!((estimator.in_flight(), estimator.poll_timeout()), (0, None));
}

#[test]
fn media_without_any_report_is_stopped() {
    let mut estimator = Estimator::new(Config::default());
    for n in 0..160 {
        estimator.sent(at(100 * n), &packet(n as u16));
    }
    let deadline = estimator.poll_timeout().unwrap();
    assert!(deadline <= at(15_000));
    estimator.handle_timeout(at(15_900));
    let cause = core::iter::from_fn(|| estimator.poll_event()).find(|event| matches!(event, Event::Cease(_)));
    assert_eq!(cause, Some(Event::Cease(Cause::NoReports)));
    assert_eq!(estimator.ceased(), Some(Cause::NoReports));
    assert!(estimator.poll_timeout().is_none_or(|deadline| deadline > at(15_900)));
    estimator.path_changed(at(16_000));
    assert_eq!(estimator.ceased(), None);
    let mut careless = Estimator::new(Config { has_breaker: false, ..Config::default() });
    (0..160).for_each(|n| careless.sent(at(100 * n), &packet(n as u16)));
    careless.handle_timeout(at(15_900));
    assert_eq!(careless.ceased(), None);
}

#[test]
fn a_new_path_begins_with_part_of_the_old_and_new_bursts() {
    let mut estimator = Estimator::new(Config { start: 300_000, ..Config::default() });
    estimator.sent(at(0), &packet(0));
    let first = probes(&mut estimator);
    run(&mut estimator, 1, 100);
    estimator.path.aimd.probed(at(1200), 4e6);
    estimator.refresh(at(1200));
    estimator.path_changed(at(1300));
    assert_eq!(estimator.estimate(), 1_000_000);
    assert_eq!(estimator.in_flight(), 0);
    estimator.sent(at(1310), &packet(500));
    let second = probes(&mut estimator);
    assert_eq!(second.iter().map(|probe| probe.rate).collect::<Vec<_>>(), [3_000_000, 6_000_000]);
    assert!(second.iter().all(|probe| first.iter().all(|old| old.cluster != probe.cluster)));
}

#[test]
fn marks_lower_the_rate() {
    let mut estimator = Estimator::new(Config { start: 1_000_000, ..Config::default() });
    let sent = |n| Sent { number: Some(Number::Stream(SequenceNumber(n))), ecn: Ecn::Ect1, ..packet(n) };
    (0..10).for_each(|n| estimator.sent(at(10 * u64::from(n)), &sent(n)));
    let arrivals: Vec<_> = (0..10).map(|n| (n, 10 * u64::from(n) + 50, Ecn::Ce)).collect();
    report::streams(0, &arrivals, 150, |feedback| estimator.stream_feedback(at(200), feedback));
    assert_eq!(estimator.estimate(), 500_000);
    assert_eq!(estimator.stats().packets_marked, 10);
    assert!(estimator.ecn_survives());
}

#[test]
fn feedback_that_lies_stays_within_the_limits() {
    let config = Config { min: 100_000, max: 2_000_000, ..Config::default() };
    let mut estimator = Estimator::new(config);
    let mut number = 0u16;
    for round in 0..300u64 {
        let now = 100 * round;
        for n in 0..10 {
            estimator.sent(at(now + n), &packet(number));
            number = number.wrapping_add(1);
        }
        let begin = number.wrapping_sub(10);
        let arrivals: Vec<(u16, u64)> = match round % 5 {
            // Never sent; backwards; all at once; nothing but one; again what was told before.
            0 => (0..10).map(|n| (begin.wrapping_add(100 * n), 5000 + now)).collect(),
            1 => (0..10).map(|n| (begin.wrapping_add(n), 1_000_000 - 3 * now)).collect(),
            2 => (0..10).map(|n| (begin.wrapping_add(n), 7)).collect(),
            3 => [(begin, 40_000_000)].into(),
            _ => (0..10).map(|n| (begin.wrapping_sub(20).wrapping_add(n), 1 << 30)).collect(),
        };
        told(&mut estimator, now + 50, arrivals[0].0, &arrivals);
        estimator.handle_timeout(at(now + 60));
        for rate in [estimator.estimate(), estimator.target()] {
            assert!((config.min..=config.max).contains(&rate), "{rate}");
        }
        while estimator.poll_event().is_some() {}
    }
    assert!(estimator.stats().packets_unknown > 0);
    assert!(estimator.stats().packets_lost <= estimator.stats().packets_sent);
}

#[test]
fn events_that_nobody_asks_for_do_not_pile_up() {
    let mut estimator = Estimator::new(Config::default());
    estimator.sent(at(0), &packet(0));
    for n in 1..2000 {
        estimator.set_cap(at(n), Some(30_000 + 200 * (n % 1000)));
        estimator.path_changed(at(n));
        estimator.sent(at(n), &packet(n as u16));
    }
    assert!(estimator.events.len() <= MOST_EVENTS);
}

#[test]
fn the_steady_state_allocates_nothing() {
    let feedbacks: Vec<Vec<u8>> = (0..400u16)
        .map(|round| {
            let begin = 10 * round;
            let arrivals: Vec<_> = (begin..begin + 10).map(|n| (n, at(10 * u64::from(n)))).collect();
            report::transport_bytes(begin, round as u8, &arrivals)
        })
        .collect();
    let mut estimator = Estimator::new(Config { start: 1_000_000, ..Config::default() });
    let mut rounds = |range: core::ops::Range<u16>| {
        for round in range {
            for n in 10 * round..10 * round + 10 {
                estimator.sent(at(10 * u64::from(n)), &packet(n));
            }
            let now = at(100 * u64::from(round) + 190);
            report::read(&feedbacks[usize::from(round)], |packet| match packet {
                Packet::TransportFeedback(feedback) => estimator.transport_feedback(now, feedback),
                packet => panic!("{packet:?}"),
            });
            estimator.handle_timeout(now);
            while estimator.poll_event().is_some() {}
        }
    };
    rounds(0..100);
    assert_eq!(allocation_counter::measure(|| rounds(100..400)).count_total, 0);
}
