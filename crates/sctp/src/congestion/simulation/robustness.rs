//! Worlds beyond the table: near and far, slow and fast, jittery, lossy, policed, marked, and changing.

use super::table::{Kind, of, runs};
use super::{Link, MILLISECOND, PACKET, Report, SECOND, run};
use alloc::vec::Vec;
use std::println;

/// Runs one flow and answers its use of the link from a moment on.
fn alone(name: &str, kind: Kind, link: &Link, seconds: u64, from: f64) -> f64 {
    show(name, kind, &[run(link, [(0.0, kind.build())].into(), seconds, 1)], seconds as f64, from)
}

fn show(name: &str, kind: Kind, reports: &[Report], seconds: f64, from: f64) -> f64 {
    let share = of(reports, |r| r.utilisation(from, seconds));
    println!(
        "{kind:?}, {name}: use {share:.3}, 90 % at {:.1} s, queue p50 {:.2} p95 {:.2} max {:.2} BDP, lost {:.4}, timeouts {:?}",
        of(reports, |r| r.reached(0, 0.9)),
        of(reports, |r| r.queue(from, 0.5)),
        of(reports, |r| r.queue(from, 0.95)),
        of(reports, |r| r.queue(0.0, 1.0)),
        of(reports, |r| r.lost(0)),
        reports.iter().map(|r| r.timeouts.iter().sum::<u32>()).collect::<Vec<_>>(),
    );
    share
}

#[test]
fn a_loopback_is_not_held_back_whatever_batches_its_acknowledgements_come_in() {
    for aggregation in [0, 200_000, 1_000_000] {
        let mut near = Link::new(1000.0, 0.05, 80.0);
        near.aggregation = aggregation;
        for kind in [Kind::Bbr, Kind::Cubic] {
            let share = alone("loopback", kind, &near, 1, 0.5);
            assert!(share > 0.98, "{kind:?}, {aggregation}: {share}");
        }
    }
}

#[test]
fn a_local_network_with_a_short_queue_is_filled() {
    let near = Link::new(1000.0, 0.3, 5.0);
    assert!(alone("local network", Kind::Bbr, &near, 2, 0.5) > 0.95);
}

#[test]
fn a_near_path_with_a_short_queue_loses_a_little_at_the_start_and_nothing_later() {
    // Gigabits and milliseconds; bytes of queue, most packets lost: about what the path holds, as doubling costs.
    for (gigabits, millis, queue, most) in [
        (1.0, 1.0, 131_072, 300),
        (1.0, 0.3, 131_072, 200),
        (0.1, 2.0, 65_536, 80),
        (0.1, 0.5, 65_536, 80),
        (10.0, 0.05, 212_992, 400),
    ] {
        let mut link = Link::new(gigabits * 1000.0, millis, 1.0);
        link.queue = queue;
        let [begun, all] = [1, 3].map(|seconds| run(&link, [(0.0, Kind::Bbr.build())].into(), seconds, 1));
        let [begun_lost, lost] = [&begun, &all].map(|report| report.missed[0] / PACKET as u64);
        let share = all.utilisation(1.0, 3.0);
        println!("{gigabits} Gbit/s, {millis} ms, {queue} bytes: {begun_lost} lost, {lost} in all, use {share:.3}");
        assert!(begun_lost <= most && lost <= begun_lost + 20, "{gigabits} {millis}: {begun_lost} {lost}");
        assert!(share > 0.95, "{gigabits} {millis}: {share}");
    }
}

#[test]
fn small_flows_do_not_mind_loss_either() {
    for (megabits, millis) in [(20.0, 20.0), (20.0, 40.0), (5.0, 20.0)] {
        let link = Link::new(megabits, millis, 1.0).with_loss(0.01);
        let share = alone("1 % lost", Kind::Bbr, &link, 20, 3.0);
        assert!(share > 0.9, "{megabits} Mbit/s, {millis} ms: {share}");
    }
}

#[test]
fn heavy_loss_does_not_end_it() {
    let link = Link::new(10.0, 50.0, 1.0);
    assert!(alone("5 % lost", Kind::Bbr, &link.clone().with_loss(0.05), 40, 5.0) > 0.7);
    assert!(alone("10 % lost", Kind::Bbr, &link.with_loss(0.1), 40, 10.0) > 0.5);
}

#[test]
fn a_modem_with_a_second_of_buffer_is_filled_and_its_buffer_is_not() {
    for (megabits, bdps) in [(0.5, 20.0), (0.256, 40.0)] {
        let link = Link::new(megabits, 50.0, bdps);
        let reports = runs(&link, &[(0.0, Kind::Bbr)], 60);
        assert!(show("modem", Kind::Bbr, &reports, 60.0, 5.0) > 0.9);
        // Four packets are in flight at least, which is more than this line holds.
        let queue = of(&reports, |r| r.queue(5.0, 0.95)) / bdps;
        assert!(queue < 0.25, "{queue} of the buffer");
    }
}

#[test]
fn shallow_buffers_are_enough() {
    assert!(alone("a tenth of the product", Kind::Bbr, &Link::new(50.0, 100.0, 0.1), 20, 5.0) > 0.85);
    assert!(alone("a fiftieth", Kind::Bbr, &Link::new(50.0, 100.0, 0.02), 20, 5.0) > 0.7);
}

#[test]
fn jitter_and_batches_of_acknowledgements_do_not_stall_it() {
    let mut wifi = Link::new(50.0, 20.0, 2.0);
    wifi.jitter = 20 * MILLISECOND;
    assert!(alone("jitter", Kind::Bbr, &wifi, 20, 3.0) > 0.85);
    wifi.aggregation = 10 * MILLISECOND;
    assert!(alone("jitter and batches", Kind::Bbr, &wifi, 20, 3.0) > 0.8);
    assert!(alone("jitter, batches and loss", Kind::Bbr, &wifi.with_loss(0.01), 20, 3.0) > 0.5);
}

#[test]
fn a_policer_is_served_at_its_rate_with_little_loss() {
    let mut link = Link::new(100.0, 40.0, 1.0);
    link.policer = Some((1_250_000, 200_000));
    let reports = runs(&link, &[(0.0, Kind::Bbr)], 40);
    let share = show("policed to a tenth", Kind::Bbr, &reports, 40.0, 5.0);
    assert!(share > 0.09, "{share}");
    assert!(of(&reports, |r| r.lost(0)) < 0.1);
}

#[test]
fn congestion_marks_are_heeded() {
    for kind in [Kind::Bbr, Kind::Cubic] {
        let mut link = Link::new(50.0, 40.0, 4.0);
        link.marks_above = Some(link.bdp() / 4);
        let reports = runs(&link, &[(0.0, kind)], 20);
        assert!(show("marks above a quarter", kind, &reports, 20.0, 5.0) > 0.8);
        let queue = of(&reports, |r| r.queue(5.0, 0.95));
        assert!(queue < 0.6, "{kind:?}: {queue}");
    }
}

#[test]
fn a_rate_that_falls_is_followed_within_two_seconds_and_the_queue_drains() {
    let mut link = Link::new(40.0, 40.0, 2.0);
    link.rates.push((10 * SECOND, 1_250_000));
    let reports = runs(&link, &[(0.0, Kind::Bbr)], 20);
    show("a quarter from 10 s on", Kind::Bbr, &reports, 20.0, 12.0);
    assert!(of(&reports, |r| r.utilisation(12.0, 20.0)) > 0.2, "of 0.25");
    assert!(of(&reports, |r| r.queue(12.0, 0.95)) < 0.5);
}

#[test]
fn a_rate_that_rises_is_found_within_a_few_seconds() {
    let mut link = Link::new(20.0, 40.0, 2.0);
    link.rates.push((10 * SECOND, 10_000_000));
    let reports = runs(&link, &[(0.0, Kind::Bbr)], 20);
    show("four times from 10 s on", Kind::Bbr, &reports, 20.0, 14.0);
    assert!(of(&reports, |r| r.utilisation(14.0, 20.0)) > 3.5, "of 4");
}
