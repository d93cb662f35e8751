//! Pairs of connections, one after the other, each from nothing to a channel that is open at both ends.

use std::time::Duration;

use super::{Column, column};
use crate::figures::{Figures, high, middle};
use crate::meter::{Meter, peak};
use crate::options::Run;
use crate::stack::{Outcome, Stack};

/// What is told of it.
pub const COLUMNS: [Column; 4] = [
    column("cpu_ms_per_pair", "CPU ms/pair", 2, true),
    column("median_ms", "median ms", 2, true),
    column("p95_ms", "p95 ms", 2, false),
    column("peak_rss_mib", "RSS MiB", 1, false),
];
/// How long what the first pair left to do may take.
const SETTLE: Duration = Duration::from_millis(200);

/// Connects as many pairs as asked for. Each stays until the end, so that closing is not in the figures.
pub async fn run<S: Stack>(stack: &S, run: &Run) -> Outcome<Figures> {
    let mut pairs = Vec::with_capacity(run.pairs + 1);
    // What a process does only once belongs to nobody.
    pairs.push(stack.connect().await?);
    tokio::time::sleep(SETTLE).await;
    let (mut wall, mut cpu) = (Vec::with_capacity(run.pairs), 0.0);
    for _ in 0..run.pairs {
        let meter = Meter::start();
        pairs.push(stack.connect().await?);
        let cost = meter.stop();
        wall.push(cost.wall * 1e3);
        cpu += cost.cpu * 1e3;
    }
    let quantile = |of: fn(Vec<f64>) -> Option<f64>| of(wall.clone()).ok_or("no pairs were asked for");
    Ok(Figures::default()
        .with("cpu_ms_per_pair", cpu / run.pairs as f64)
        .with("median_ms", quantile(middle)?)
        .with("p95_ms", quantile(high)?)
        .with("peak_rss_mib", peak() / 1024.0))
}
