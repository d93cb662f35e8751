//! Many connections at rest: their memory, what wakes them, and what a message costs among so many.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::pingpong::MESSAGE;
use super::{Column, column};
use crate::figures::{Figures, middle};
use crate::meter::{Meter, resident, wake_ups};
use crate::options::Run;
use crate::pattern::Pattern;
use crate::stack::{End, Outcome, Stack};

/// What is told of it.
pub const COLUMNS: [Column; 9] = [
    column("rss_kib_per_connection", "KiB/connection", 1, true),
    column("cpu_us_100", "CPU us @100", 1, true),
    column("cpu_us_1000", "@1,000", 1, false),
    column("cpu_us_10000", "@10,000", 1, false),
    column("flatness", "last/first", 2, false),
    column("median_us", "trip us", 1, false),
    column("wake_ups_per_s", "wake-ups/s", 1, true),
    column("idle_cpu_ms_per_s", "CPU ms/s at rest", 2, false),
    column("connections", "connections", 0, false),
];
/// Connections between which a message is sent to a random one; and as many as there are in the end.
const STAGES: [usize; 3] = [100, 1_000, 10_000];
/// Pairs that connect at the same time.
const AT_ONCE: usize = 16;
/// How long a process may take to give back what connecting needed.
const SETTLE: Duration = Duration::from_secs(3);
/// How long it is watched at rest.
const REST: Duration = Duration::from_secs(10);

type Pair<S> = (<S as Stack>::End, <S as Stack>::End);

/// Connects as many as asked for and measures on the way.
pub async fn run<S: Stack>(stack: &Arc<S>, run: &Run) -> Outcome<Figures> {
    // What a process does only once belongs to nobody.
    let first = stack.connect().await?;
    tokio::time::sleep(SETTLE).await;
    let before = resident();
    let mut pairs: Vec<Pair<S>> = Vec::with_capacity(run.connections);
    let mut figures = Figures::default().with("connections", run.connections as f64);
    let (mut costs, mut trip) = (Vec::new(), 0.0);
    for stage in STAGES.into_iter().filter(|stage| *stage < run.connections).chain([run.connections]) {
        connect(stack, &mut pairs, stage).await?;
        tokio::time::sleep(SETTLE).await;
        let grown = (resident() - before).max(0.0) / (2 * stage) as f64;
        figures = figures.with("rss_kib_per_connection", grown);
        let cost;
        (cost, trip) = trips::<S>(&mut pairs, run.rounds).await?;
        if STAGES.contains(&stage) {
            figures = figures.with(&format!("cpu_us_{stage}"), cost);
        }
        costs.push(cost);
    }
    let flatness = costs.last().zip(costs.first()).map_or(1.0, |(last, first)| last / first);
    let figures = figures.with("flatness", flatness).with("median_us", trip);
    let figures = rest::<S>(pairs, figures).await?;
    drop(first);
    Ok(figures)
}

/// Adds pairs until there are `count`.
async fn connect<S: Stack>(stack: &Arc<S>, pairs: &mut Vec<Pair<S>>, count: usize) -> Outcome<()> {
    let mut connecting = JoinSet::new();
    while pairs.len() < count {
        while connecting.len() < AT_ONCE.min(count - pairs.len()) {
            let stack = stack.clone();
            connecting.spawn(async move { stack.connect().await });
        }
        if let Some(pair) = connecting.join_next().await {
            pairs.push(pair??);
        }
    }
    Ok(())
}

/// Microseconds of processor time for each round trip over a random connection, and the median by the clock.
async fn trips<S: Stack>(pairs: &mut [Pair<S>], rounds: u64) -> Outcome<(f64, f64)> {
    let (pattern, count) = (Pattern::new(MESSAGE), pairs.len());
    let (mut random, mut times) = (0x2545_f491_4f6c_dd1d_u64, Vec::with_capacity(usize::try_from(rounds)?));
    let meter = Meter::start();
    for number in 0..rounds {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let begun = Instant::now();
        let (near, far) = pairs.get_mut((random >> 11) as usize % count).ok_or("there are no connections")?;
        hand_over(near, far, &pattern, number).await?;
        hand_over(far, near, &pattern, number).await?;
        near.flush().await?;
        times.push(begun.elapsed().as_secs_f64() * 1e6);
    }
    let cost = meter.stop();
    Ok((cost.cpu * 1e6 / rounds as f64, middle(times).ok_or("no round trips were asked for")?))
}

async fn hand_over<E: End>(from: &mut E, to: &mut E, pattern: &Pattern, number: u64) -> Outcome<()> {
    from.send(pattern.message(number)).await?;
    from.flush().await?;
    Ok(pattern.check(number, to.recv().await?.as_ref())?)
}

/// What all of them cost while each waits for a message that does not come.
async fn rest<S: Stack>(pairs: Vec<Pair<S>>, figures: Figures) -> Outcome<Figures> {
    let (over, _) = watch::channel(());
    let mut waiting = JoinSet::new();
    for end in pairs.into_iter().flat_map(|(near, far)| [near, far]) {
        let mut over = over.subscribe();
        waiting.spawn(async move { wait(end, &mut over).await });
    }
    tokio::time::sleep(SETTLE).await;
    let (meter, woken) = (Meter::start(), wake_ups());
    tokio::time::sleep(REST).await;
    let (woken, cost) = (wake_ups() - woken, meter.stop());
    over.send_replace(());
    let mut ends = Vec::with_capacity(waiting.len());
    while let Some(end) = waiting.join_next().await {
        ends.push(end??);
    }
    Ok(figures.with("wake_ups_per_s", woken / cost.wall).with("idle_cpu_ms_per_s", cost.cpu * 1e3 / cost.wall))
}

async fn wait<E: End>(mut end: E, over: &mut watch::Receiver<()>) -> Outcome<E> {
    tokio::select! {
        message = end.recv() => {
            message?;
            return Err("there was a message that nobody sent".into());
        }
        changed = over.changed() => changed?,
    }
    Ok(end)
}
