//! Messages of 64 bytes to and fro, one at a time.

use std::time::Instant;

use bytes::Bytes;
use tokio::sync::oneshot;

use super::{Column, column};
use crate::figures::{Figures, high, middle};
use crate::meter::{Cost, Meter};
use crate::options::Run;
use crate::pattern::Pattern;
use crate::stack::{End, Outcome, Stack};

/// Bytes in a message.
pub const MESSAGE: usize = 64;
/// What is told of it.
pub const COLUMNS: [Column; 3] = [
    column("median_us", "median us", 1, true),
    column("p95_us", "p95 us", 1, false),
    column("cpu_us", "CPU us", 1, true),
];

/// Sends as many messages as asked for and waits for each to come back.
pub async fn run<S: Stack>(stack: &S, run: &Run) -> Outcome<Figures> {
    let (mut near, far) = stack.connect().await?;
    let (done, over) = oneshot::channel();
    let echo = tokio::spawn(echo(far, over));
    let here = tokio::spawn({
        let run = *run;
        async move {
            let figures = measure(&mut near, &run).await?;
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>((figures, near))
        }
    });
    let (figures, near) = here.await??;
    drop(done);
    echo.await??;
    drop(near);
    Ok(figures)
}

/// The figures of these round trips, in microseconds.
pub fn figures(trips: &[f64], cost: Cost) -> Outcome<Figures> {
    let quantile = |of: fn(Vec<f64>) -> Option<f64>| of(trips.to_vec()).ok_or("no round trips were asked for");
    Ok(Figures::default()
        .with("median_us", quantile(middle)?)
        .with("p95_us", quantile(high)?)
        .with("cpu_us", cost.cpu * 1e6 / trips.len() as f64))
}

async fn measure<E: End>(end: &mut E, run: &Run) -> Outcome<Figures> {
    let pattern = Pattern::new(MESSAGE);
    // What comes first pays for what is made only once.
    for number in 0..run.rounds.div_ceil(10) {
        trip(end, &pattern, number).await?;
    }
    let (meter, mut trips) = (Meter::start(), Vec::with_capacity(usize::try_from(run.rounds)?));
    for number in 0..run.rounds {
        let begun = Instant::now();
        trip(end, &pattern, number).await?;
        trips.push(begun.elapsed().as_secs_f64() * 1e6);
    }
    figures(&trips, meter.stop())
}

async fn trip<E: End>(end: &mut E, pattern: &Pattern, number: u64) -> Outcome<()> {
    end.send(pattern.message(number)).await?;
    end.flush().await?;
    Ok(pattern.check(number, end.recv().await?.as_ref())?)
}

async fn echo<E: End>(mut end: E, mut over: oneshot::Receiver<()>) -> Outcome<()> {
    loop {
        let message = tokio::select! {
            message = end.recv() => message?,
            _ = &mut over => return Ok(()),
        };
        end.send(Bytes::copy_from_slice(message.as_ref())).await?;
        end.flush().await?;
    }
}
