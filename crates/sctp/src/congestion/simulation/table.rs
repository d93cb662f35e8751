//! The table that the controllers have to meet: 100 ms of round trip, queues of 1 and 4 bandwidth-delay products. Flows alone
//! run at 100 Mbit/s, pairs at 20 to be quick; [`the_whole_table`] prints all at 100.

use super::tcp::{Reno, Tcp};
use super::{Link, PACKET, Report, run};
use crate::congestion::Controller;
use crate::congestion::bbr::Bbr;
use crate::congestion::cubic::Cubic;
use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;
use std::println;

const SEEDS: [u64; 3] = [1, 2, 3];

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    Bbr,
    Cubic,
    /// CUBIC as TCP has it.
    Tcp,
    /// What other stacks have.
    Reno,
}

impl Kind {
    pub(super) fn build(self) -> Box<dyn Controller> {
        match self {
            Self::Bbr => Box::new(Bbr::new(PACKET, 10)),
            Self::Cubic => Box::new(Cubic::new(PACKET, 10)),
            Self::Tcp => Box::new(Tcp::new()),
            Self::Reno => Box::new(Reno::new()),
        }
    }
}

pub(super) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

pub(super) fn runs(link: &Link, kinds: &[(f64, Kind)], seconds: u64) -> Vec<Report> {
    SEEDS
        .iter()
        .map(|seed| {
            // Seeds move the starts, too: without random loss nothing else would differ.
            let flows = kinds.iter().enumerate().map(|(i, (start, kind))| {
                (start + i as f64 * 0.013 * *seed as f64 + *seed as f64 * 0.003, kind.build())
            });
            run(link, flows.collect(), seconds, *seed)
        })
        .collect()
}

/// The median of the runs.
pub(super) fn of(reports: &[Report], figure: impl Fn(&Report) -> f64) -> f64 {
    median(reports.iter().map(figure).collect())
}

/// Prints and answers the figures of one row: use of the link after three seconds, and fairness.
fn row(name: &str, link: &Link, kinds: &[(f64, Kind)], seconds: u64) -> Vec<Report> {
    let reports = runs(link, kinds, seconds);
    let end = seconds as f64;
    let shares: Vec<f64> = (0..kinds.len()).map(|i| of(&reports, |r| r.share(i, 15.0, end))).collect();
    println!(
        "{name}: use {:.3}, 90 % at {:.1} s, queue p50 {:.2} p95 {:.2} max {:.2} BDP, Jain {:.3} {shares:.2?}, lost {:.4}, timeouts {:?}",
        of(&reports, |r| r.utilisation(3.0, end)),
        of(&reports, |r| r.reached(0, 0.9)),
        of(&reports, |r| r.queue(3.0, 0.5)),
        of(&reports, |r| r.queue(3.0, 0.95)),
        of(&reports, |r| r.queue(0.0, 1.0)),
        of(&reports, |r| r.jain(0.0, end)),
        of(&reports, |r| r.lost(0)),
        reports.iter().map(|r| r.timeouts.iter().sum::<u32>()).collect::<Vec<_>>(),
    );
    reports
}

/// Two flows that begin almost together: their fairness over the whole minute, with queues of 1 and 4.
fn fairness(first: Kind, second: Kind) -> [f64; 2] {
    [1.0, 4.0].map(|bdps| {
        let link = Link::new(20.0, 100.0, bdps);
        let reports = row(&format!("{first:?} + {second:?}, {bdps} BDP"), &link, &[(0.0, first), (0.0, second)], 60);
        of(&reports, |r| r.jain(0.0, 60.0))
    })
}

#[test]
fn the_default_fills_the_link_within_three_seconds_and_keeps_the_queue_below_one_product() {
    for bdps in [1.0, 4.0] {
        let link = Link::new(100.0, 100.0, bdps);
        let report = run(&link, [(0.0, Kind::Bbr.build())].into(), 20, 1);
        assert!(report.reached(0, 0.9) <= 3.0, "{}", report.reached(0, 0.9));
        assert!(report.utilisation(3.0, 20.0) > 0.95, "{}", report.utilisation(3.0, 20.0));
        assert!(report.queue(3.0, 0.95) < 0.6, "{}", report.queue(3.0, 0.95));
        assert!(report.queue(0.0, 1.0) < 1.3, "not even at the start: {}", report.queue(0.0, 1.0));
    }
}

#[test]
fn the_default_does_not_mind_random_loss() {
    for loss in [0.001, 0.01] {
        let report = run(&Link::new(100.0, 100.0, 1.0).with_loss(loss), [(0.0, Kind::Bbr.build())].into(), 20, 1);
        assert!(report.utilisation(3.0, 20.0) > 0.9, "{loss}: {}", report.utilisation(3.0, 20.0));
        assert!(report.reached(0, 0.9) <= 3.0, "{loss}: {}", report.reached(0, 0.9));
    }
}

#[test]
fn cubic_fills_the_link_within_three_seconds() {
    for bdps in [1.0, 4.0] {
        let report = run(&Link::new(100.0, 100.0, bdps), [(0.0, Kind::Cubic.build())].into(), 10, 1);
        assert!(report.reached(0, 0.9) <= 3.0, "{}", report.reached(0, 0.9));
        assert!(report.utilisation(3.0, 10.0) > 0.95, "{}", report.utilisation(3.0, 10.0));
    }
}

#[test]
fn cubic_is_not_behind_reno_under_random_loss() {
    for loss in [0.001, 0.01] {
        let link = Link::new(100.0, 100.0, 1.0).with_loss(loss);
        let [cubic, reno] = [Kind::Cubic, Kind::Reno].map(|kind| {
            let reports = row(&format!("{kind:?}, {loss} lost"), &link, &[(0.0, kind)], 60);
            of(&reports, |r| r.utilisation(0.0, 60.0))
        });
        assert!(cubic >= reno, "{loss}: {cubic} {reno}");
    }
}

#[test]
fn two_flows_of_the_default_share_alike() {
    let [shallow, deep] = fairness(Kind::Bbr, Kind::Bbr);
    assert!(shallow >= 0.95 && deep >= 0.95, "{shallow} {deep}");
}

#[test]
fn the_default_and_cubic_leave_each_other_a_share() {
    let [shallow, deep] = fairness(Kind::Bbr, Kind::Cubic);
    assert!(shallow >= 0.8 && deep >= 0.8, "{shallow} {deep}");
}

#[test]
fn the_default_and_tcp_leave_each_other_a_share() {
    let [shallow, deep] = fairness(Kind::Bbr, Kind::Tcp);
    assert!(shallow >= 0.8 && deep >= 0.8, "{shallow} {deep}");
}

#[test]
fn two_flows_of_cubic_share_alike() {
    let [shallow, deep] = fairness(Kind::Cubic, Kind::Cubic);
    assert!(shallow >= 0.95 && deep >= 0.9, "{shallow} {deep}");
}

#[test]
fn cubic_and_tcp_leave_each_other_a_share() {
    let [shallow, deep] = fairness(Kind::Cubic, Kind::Tcp);
    assert!(shallow >= 0.8 && deep >= 0.8, "{shallow} {deep}");
}

#[test]
fn a_flow_of_the_default_that_comes_later_gets_its_share_of_any_other() {
    for first in [Kind::Bbr, Kind::Tcp] {
        let link = Link::new(20.0, 100.0, 1.0);
        let reports = row(&format!("{first:?}, Bbr later"), &link, &[(0.0, first), (5.0, Kind::Bbr)], 60);
        let jain = of(&reports, |r| r.jain(15.0, 60.0));
        assert!(jain >= 0.75, "{first:?}: {jain}");
    }
}

#[test]
#[ignore = "takes a minute or two: prints the table in full"]
fn the_whole_table() {
    use Kind::{Bbr, Cubic, Reno, Tcp};
    for bdps in [1.0, 4.0] {
        let link = Link::new(100.0, 100.0, bdps);
        for kind in [Bbr, Cubic, Reno, Tcp] {
            for loss in [0.0, 0.001, 0.01] {
                row(&format!("{bdps} BDP, {kind:?}, {loss} lost"), &link.clone().with_loss(loss), &[(0.0, kind)], 60);
            }
        }
        for (a, b) in [(Bbr, Bbr), (Cubic, Cubic), (Bbr, Cubic), (Bbr, Tcp), (Cubic, Tcp)] {
            for (later, (a, b)) in [(0.0, (a, b)), (5.0, (a, b)), (5.0, (b, a))] {
                row(&format!("{bdps} BDP, {a:?} + {b:?} {later} s later"), &link, &[(0.0, a), (later, b)], 60);
            }
        }
    }
}
