//! Scenarios, their figures, and what must hold of these. Run with `--nocapture` to see the figures.

use super::media::{Media, Setup};
use super::tcp::Tcp;
use super::{Flow, Link, MILLI, Record, SECOND, jain, run, run_over};
use crate::estimate::config::Config;
use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use peerage_base::ecn::Ecn;
use std::println;

const MEGA: f64 = 1e6;

fn media(setups: &[Setup]) -> Vec<Box<dyn Flow>> {
    setups.iter().enumerate().map(|(id, setup)| Box::new(Media::new(id, *setup)) as Box<dyn Flow>).collect()
}

/// Share of what the link could carry that all flows together got.
fn used(link: &Link, records: &[Record], from: u64, to: u64) -> f64 {
    let got: f64 = records.iter().map(|record| record.rate(from, to)).sum();
    got * (to - from) as f64 / link.capacity(from * SECOND, to * SECOND)
}

fn show(name: &str, link: &Link, records: &[Record], from: u64, to: u64) {
    let all = used(link, records, from, to);
    println!("{name:<34} {from:>3}-{to:<3} s: {:>5.1} % used", 100.0 * all);
    for (n, record) in records.iter().enumerate() {
        println!(
            "    flow {n}: {:>6.2} Mbit/s, queue p95 {:>5.1} ms, lost {:>5.2} %",
            record.rate(from, to) / MEGA,
            record.wait95(from, to),
            100.0 * record.loss(from, to)
        );
    }
}

#[test]
fn a_constant_path_is_used_and_its_queue_is_short() {
    for (rate, one_way) in [(1.0, 50), (5.0, 50), (20.0, 50), (5.0, 10), (5.0, 150)] {
        let link = Link::new(rate * MEGA);
        let records = run(&link, &mut media(&[Setup { one_way, ..Setup::default() }]), 60, 1);
        show(&std::format!("constant {rate} Mbit/s, {one_way} ms"), &link, &records, 5, 60);
        let converged = records[0].reaches(0, 0.8 * rate * MEGA);
        println!("    80 % after {converged:?} s");
        assert!(used(&link, &records, 5, 60) >= 0.85);
        assert!(records[0].wait95(5, 60) < 50.0);
        assert!(records[0].loss(5, 60) < 0.01);
        assert!(converged.is_some_and(|seconds| seconds < 5.0), "{converged:?}");
    }
}

#[test]
fn a_path_that_varies_is_followed() {
    // RFC 8867 §5.1: one flow, 300 ms of queue.
    let mut link = Link::new(MEGA);
    link.rates = vec![(0, MEGA), (40, 2.5 * MEGA), (60, 0.6 * MEGA), (80, MEGA)];
    link.jitter = 10;
    let records = run(&link, &mut media(&[Setup::default()]), 100, 2);
    for (from, to) in [(5, 40), (40, 60), (60, 80), (80, 100)] {
        show("variable", &link, &records, from, to);
    }
    assert!(used(&link, &records, 5, 40) > 0.8);
    assert!(used(&link, &records, 50, 60) > 0.8);
    assert!(used(&link, &records, 62, 80) > 0.75);
    assert!(used(&link, &records, 85, 100) > 0.75);
    // Within two seconds of the fall the queue is short again.
    assert!(records[0].wait95(62, 80) < 80.0, "{}", records[0].wait95(62, 80));
    assert!(records[0].loss(0, 100) < 0.03);
}

#[test]
fn flows_follow_a_path_that_varies_together() {
    // RFC 8867 §5.2.
    let mut link = Link::new(4.0 * MEGA);
    link.rates = vec![(0, 4.0 * MEGA), (25, 2.0 * MEGA), (50, 3.5 * MEGA), (75, MEGA), (100, 2.0 * MEGA)];
    link.jitter = 10;
    let records = run(&link, &mut media(&[Setup::default(), Setup::default()]), 125, 17);
    for (from, to, least) in [(5, 25, 0.8), (28, 50, 0.8), (52, 75, 0.7), (78, 100, 0.7), (102, 125, 0.7)] {
        show("several, variable", &link, &records, from, to);
        let rates: Vec<f64> = records.iter().map(|record| record.rate(from, to)).collect();
        println!("    fairness {:.3}", jain(&rates));
        assert!(used(&link, &records, from, to) > least);
        assert!(jain(&rates) > 0.8);
    }
}

#[test]
fn feedback_that_waits_in_a_queue_itself_will_do() {
    // RFC 8867 §5.3.
    let (mut there, mut back) = (Link::new(2.0 * MEGA), Link::new(2.0 * MEGA));
    there.rates = vec![(0, 2.0 * MEGA), (20, MEGA), (40, 0.5 * MEGA), (60, 2.0 * MEGA)];
    back.rates = vec![(0, 2.0 * MEGA), (35, 0.8 * MEGA), (70, 2.0 * MEGA)];
    (there.jitter, back.jitter) = (10, 10);
    let setups = [0, 1].map(|way| Setup { direction: Some(way), ..Setup::default() });
    let records = run_over(&[&there, &back], &mut media(&setups), 100, 18);
    for (link, record, spans) in [
        (&there, &records[0], &[(5, 20), (23, 40), (43, 60), (65, 100)][..]),
        (&back, &records[1], &[(5, 35), (38, 70), (75, 100)]),
    ] {
        for (from, to) in spans {
            show("both ways", link, core::slice::from_ref(record), *from, *to);
            assert!(used(link, core::slice::from_ref(record), *from, *to) > 0.7);
            assert!(record.loss(*from, *to) < 0.03);
        }
    }
}

#[test]
fn files_that_others_load_leave_something() {
    // RFC 8867 §5.7.
    let link = Link::new(2.0 * MEGA);
    let mut flows = media(&[Setup { from: 5, ..Setup::default() }, Setup { from: 5, ..Setup::default() }]);
    flows.extend((2..12).map(|id| Box::new(Tcp::short(id, 50)) as Box<dyn Flow>));
    let records = run(&link, &mut flows, 200, 19);
    show("short TCP", &link, &records, 20, 200);
    // Twelve flows with more to send than twice what there is.
    assert!(records[0].rate(20, 200) + records[1].rate(20, 200) > 0.12 * MEGA);
    assert!(used(&link, &records, 20, 200) > 0.9);
}

#[test]
fn flows_share_where_packets_are_lost_at_random() {
    let mut link = Link::new(3.5 * MEGA);
    link.loss = 0.01;
    let records = run(&link, &mut media(&[Setup::default(), Setup::default(), Setup::default()]), 90, 20);
    show("three flows, 1 % lost", &link, &records, 30, 90);
    assert!(used(&link, &records, 30, 90) > 0.8);
    assert!(records.iter().all(|record| record.wait95(30, 90) < 150.0));
}

#[test]
fn a_fall_of_the_capacity_is_over_within_two_and_a_half_seconds() {
    for (before, after) in [(5.0, 1.0), (5.0, 2.5), (20.0, 4.0)] {
        let mut link = Link::new(before * MEGA);
        link.rates.push((30, after * MEGA));
        link.queue = 1000;
        let records = run(&link, &mut media(&[Setup::default()]), 45, 3);
        show(&std::format!("fall {before} to {after} Mbit/s"), &link, &records, 30, 45);
        let late = records[0].waits.iter().filter(|(_, wait)| *wait > 100 * MILLI).map(|(at, _)| *at).max();
        let over = late.map_or(0.0, |at| at as f64 / 1e9 - 30.0);
        println!("    the queue is below 100 ms after {over:.2} s");
        assert!(over < 2.5, "{over}");
        assert!(used(&link, &records, 33, 45) > 0.7);
    }
}

#[test]
fn a_rise_of_the_capacity_is_used_within_seconds() {
    let mut link = Link::new(MEGA);
    link.rates.push((20, 5.0 * MEGA));
    let records = run(&link, &mut media(&[Setup::default()]), 60, 4);
    show("rise 1 to 5 Mbit/s", &link, &records, 20, 60);
    let reached = records[0].reaches(20, 4.0 * MEGA);
    println!("    80 % after {reached:?} s");
    assert!(reached.is_some_and(|seconds| seconds < 15.0));
}

#[test]
fn flows_share() {
    // RFC 8867 §5.4: one after the other.
    let link = Link::new(3.5 * MEGA);
    let setups = [0, 20, 40].map(|from| Setup { from, ..Setup::default() });
    let records = run(&link, &mut media(&setups), 120, 5);
    show("three flows", &link, &records, 60, 120);
    let rates: Vec<f64> = records.iter().map(|record| record.rate(60, 120)).collect();
    println!("    fairness {:.3}", jain(&rates));
    assert!(jain(&rates) > 0.8);
    assert!(used(&link, &records, 60, 120) > 0.85);
    let two = media(&[Setup::default(), Setup { from: 15, ..Setup::default() }]);
    let (link, mut two) = (Link::new(4.0 * MEGA), two);
    let records = run(&link, &mut two, 90, 6);
    show("two flows", &link, &records, 40, 90);
    let rates: Vec<f64> = records.iter().map(|record| record.rate(40, 90)).collect();
    println!("    fairness {:.3}", jain(&rates));
    assert!(jain(&rates) > 0.8);
}

#[test]
fn round_trips_that_differ_still_share() {
    // RFC 8867 §5.5.
    let link = Link::new(4.0 * MEGA);
    let setups = [(0, 10), (10, 25), (20, 50), (30, 100), (40, 150)];
    let setups = setups.map(|(from, one_way)| Setup { from, one_way, ..Setup::default() });
    let records = run(&link, &mut media(&setups), 120, 7);
    show("round trips", &link, &records, 60, 120);
    let rates: Vec<f64> = records.iter().map(|record| record.rate(60, 120)).collect();
    println!("    fairness {:.3}", jain(&rates));
    assert!(jain(&rates) > 0.7);
}

#[test]
fn a_flow_that_pauses_gets_its_share_back() {
    // RFC 8867 §5.8.
    let link = Link::new(3.5 * MEGA);
    let paused = Setup { pause: (40, 60), ..Setup::default() };
    let records = run(&link, &mut media(&[paused, Setup::default(), Setup::default()]), 100, 8);
    for (from, to) in [(20, 40), (45, 60), (70, 100)] {
        show("pause", &link, &records, from, to);
    }
    assert!(used(&link, &records, 45, 60) > 0.8);
    assert!(records[0].rate(70, 100) > 0.35 * MEGA);
}

#[test]
fn a_flow_like_tcp_leaves_something() {
    // RFC 8867 §5.6.
    for queue in [50, 150, 300] {
        let mut link = Link::new(2.0 * MEGA);
        link.queue = queue;
        let mut flows = media(&[Setup::default()]);
        flows.push(Box::new(Tcp::new(1, 50, 20, 80)));
        let records = run(&link, &mut flows, 120, 9);
        for (from, to) in [(5, 20), (25, 80), (85, 120)] {
            show(&std::format!("TCP, queue of {queue} ms"), &link, &records, from, to);
        }
        assert!(records[0].rate(25, 80) > 0.6 * MEGA, "{}", records[0].rate(25, 80));
        assert!(records[1].rate(25, 80) > 0.6 * MEGA, "{}", records[1].rate(25, 80));
        assert!(records[0].rate(90, 120) > 1.5 * MEGA);
    }
}

#[test]
fn random_loss_and_jitter_do_not_collapse_the_rate() {
    for (loss, jitter) in [(0.02, 0), (0.05, 0), (0.0, 30), (0.02, 20)] {
        let mut link = Link::new(3.0 * MEGA);
        (link.loss, link.jitter) = (loss, jitter);
        let records = run(&link, &mut media(&[Setup::default()]), 60, 10);
        show(&std::format!("{} % lost, {jitter} ms of jitter", 100.0 * loss), &link, &records, 10, 60);
        assert!(used(&link, &records, 10, 60) > 0.7);
    }
}

#[test]
fn a_path_slower_than_the_start_is_found() {
    let link = Link::new(0.15 * MEGA);
    let records = run(&link, &mut media(&[Setup { one_way: 5, ..Setup::default() }]), 40, 20);
    show("0.15 Mbit/s", &link, &records, 10, 40);
    assert!(used(&link, &records, 10, 40) > 0.7);
    assert!(records[0].loss(10, 40) < 0.05);
    assert!(records[0].wait95(10, 40) < 200.0);
}

#[test]
fn a_short_queue_is_noticed_by_what_it_drops() {
    let mut link = Link::new(3.0 * MEGA);
    link.queue = 30;
    let records = run(&link, &mut media(&[Setup::default()]), 60, 11);
    show("queue of 30 ms", &link, &records, 10, 60);
    assert!(used(&link, &records, 10, 60) > 0.6);
    assert!(records[0].loss(10, 60) < 0.12);
}

#[test]
fn feedback_that_is_rare_or_gets_lost_will_do() {
    for (feedback, feedback_loss) in [(250, 0.0), (75, 0.2)] {
        let link = Link::new(3.0 * MEGA);
        let setup = Setup { feedback, feedback_loss, ..Setup::default() };
        let records = run(&link, &mut media(&[setup]), 60, 12);
        show(&std::format!("feedback every {feedback} ms, {feedback_loss} lost"), &link, &records, 10, 60);
        assert!(used(&link, &records, 10, 60) > 0.75);
    }
}

#[test]
fn without_feedback_it_backs_off_and_comes_back() {
    let link = Link::new(3.0 * MEGA);
    let records = run(&link, &mut media(&[Setup { deaf: (20, 26), ..Setup::default() }]), 60, 13);
    show("no feedback from 20 to 26 s", &link, &records, 10, 60);
    assert!(records[0].rate(24, 26) < 0.6 * MEGA, "{}", records[0].rate(24, 26));
    assert!(records[0].rate(40, 60) > 2.0 * MEGA, "{}", records[0].rate(40, 60));
}

#[test]
fn what_the_owner_does_not_need_is_found_when_it_does() {
    let link = Link::new(5.0 * MEGA);
    let records = run(&link, &mut media(&[Setup { most: 0.5 * MEGA, ..Setup::default() }]), 30, 14);
    show("limited to 0.5 Mbit/s", &link, &records, 10, 30);
    assert!(records[0].wait95(10, 30) < 30.0);
    assert!(records[0].estimates[250] > 1.0 * MEGA, "{:?}", &records[0].estimates[240..260]);
}

#[test]
fn reports_of_streams_do_as_well_as_transport_wide_feedback() {
    let link = Link::new(5.0 * MEGA);
    let records = run(&link, &mut media(&[Setup { streams: true, ..Setup::default() }]), 60, 15);
    show("RFC 8888, 5 Mbit/s", &link, &records, 5, 60);
    assert!(used(&link, &records, 5, 60) > 0.85);
    assert!(records[0].wait95(5, 60) < 50.0);
}

#[test]
fn marks_keep_the_queue_short() {
    for (ecn, above) in [(Ecn::Ect1, 2), (Ecn::Ect0, 20)] {
        let mut link = Link::new(5.0 * MEGA);
        link.marks_above = Some(above);
        let setup = Setup {
            streams: true,
            ecn,
            config: Config { pacing_factor: 1.1, ..Config::default() },
            ..Setup::default()
        };
        let records = run(&link, &mut media(&[setup]), 60, 16);
        show(&std::format!("marks above {above} ms"), &link, &records, 5, 60);
        assert!(used(&link, &records, 5, 60) > 0.6);
        assert!(records[0].wait95(5, 60) < 30.0);
    }
}
