//! What a run came to.

use bench::figures::Figures;
use bench::scenario::Column;

use crate::network::Record;
use crate::scenario::{Flow, Scenario};

/// What of a goal counts as reached.
const REACHED: f64 = 0.8;

/// What is told.
pub const COLUMNS: [Column; 10] = [
    column("used_percent", "used %", 1),
    column("media_percent", "frames %", 1),
    column("queue_mean_ms", "queue ms", 1),
    column("queue_p95_ms", "p95", 1),
    column("lost_percent", "lost %", 2),
    column("frame_p95_ms", "frame p95 ms", 0),
    column("converged_s", "80 % after s", 1),
    column("fairness", "Jain", 3),
    column("tcp_percent", "TCP %", 1),
    column("missed_goal", "missed", 0),
];

const fn column(figure: &'static str, title: &'static str, digits: usize) -> Column {
    Column { figure, title, digits, compared: false }
}

/// The figures of a run.
pub fn figures(scenario: &Scenario, record: &Record) -> Figures {
    let flows = || scenario.flows.iter().zip(&record.flows);
    let media: Vec<_> =
        flows().filter(|(flow, _)| matches!(flow, Flow::Media { .. })).map(|(_, tally)| tally).collect();
    let capacity = scenario.capacity();
    let rates: Vec<(f64, f64)> = media.iter().map(|tally| tally.borrow().rates(scenario.span)).collect();
    let (sent, lost) = media
        .iter()
        .map(|tally| tally.borrow().losses(scenario.span))
        .fold((0.0, 0.0), |sum, next| (sum.0 + next.0, sum.1 + next.1));
    let mut delays: Vec<f64> =
        media.iter().flat_map(|tally| tally.borrow().delays(scenario.span).collect::<Vec<_>>()).collect();
    delays.sort_by(f64::total_cmp);
    let percent = |part: f64| 100.0 * part / capacity;
    let mut figures = Figures::default()
        .with("used_percent", percent(rates.iter().map(|(all, _)| all).sum()))
        .with("media_percent", percent(rates.iter().map(|(_, frames)| frames).sum()))
        .with("queue_mean_ms", record.waits.iter().sum::<f64>() / record.waits.len().max(1) as f64)
        .with("queue_p95_ms", high(&record.waits))
        .with("lost_percent", 100.0 * lost / sent.max(1.0))
        .with("frame_p95_ms", high(&delays));
    if let Some((from, rate)) = scenario.goal {
        match media.first().and_then(|tally| tally.borrow().reaches(from, REACHED * rate)) {
            Some(seconds) => figures = figures.with("converged_s", seconds),
            None => figures = figures.with("missed_goal", 1.0),
        }
    }
    // Both directions of a path share nothing.
    if media.len() > 1 && scenario.back.is_none() {
        figures = figures.with("fairness", jain(rates.iter().map(|(all, _)| *all)));
    }
    if media.len() < scenario.flows.len() {
        let others = flows().filter(|(flow, _)| !matches!(flow, Flow::Media { .. }));
        let got: f64 = others.map(|(_, tally)| tally.borrow().rates(scenario.span).0).sum();
        figures = figures.with("tcp_percent", percent(got));
    }
    figures
}

/// What all but one in twenty of sorted values do not exceed.
fn high(sorted: &[f64]) -> f64 {
    sorted.get((sorted.len() * 19).div_ceil(20).saturating_sub(1)).copied().unwrap_or_default()
}

/// Jain's index: 1 if all get the same, one by their number if one gets everything.
fn jain(rates: impl Iterator<Item = f64>) -> f64 {
    let (sum, squares, count) =
        rates.fold((0.0, 0.0, 0.0), |(sum, squares, count), rate| (sum + rate, squares + rate * rate, count + 1.0));
    if squares > 0.0 { sum * sum / (count * squares) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fairness_is_one_of_equals_and_a_half_where_one_of_two_gets_all() {
        assert!((jain([3.0, 3.0, 3.0].into_iter()) - 1.0).abs() < 1e-9);
        assert!((jain([3.0, 0.0].into_iter()) - 0.5).abs() < 1e-9);
        assert_eq!(jain([0.0, 0.0].into_iter()), 0.0);
    }

    #[test]
    fn one_in_twenty_may_wait_longer() {
        let waits: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!((high(&waits), high(&[])), (95.0, 0.0));
    }
}
