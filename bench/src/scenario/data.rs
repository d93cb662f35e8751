//! One reliable, ordered channel over loopback, one way, as fast as it goes.

use std::time::Instant;

use tokio::sync::oneshot;

use super::{Column, column};
use crate::figures::Figures;
use crate::meter::{Cost, Meter, peak};
use crate::options::Run;
use crate::pattern::Pattern;
use crate::stack::{End, Outcome, Stack};

/// What is told of it.
pub const COLUMNS: [Column; 4] = [
    column("cpu_s_per_gib", "CPU s/GiB", 2, true),
    column("goodput_mib_s", "MiB/s", 0, true),
    column("peak_rss_mib", "RSS MiB", 1, false),
    column("connect_ms", "connect ms", 1, false),
];

/// Moves what was asked for and checks every byte of it.
pub async fn run<S: Stack>(stack: &S, run: &Run) -> Outcome<Figures> {
    let (pattern, count) = (Pattern::new(run.message), run.messages());
    let begun = Instant::now();
    let (near, mut far) = stack.connect().await?;
    let connect = begun.elapsed();
    let (done, over) = oneshot::channel();
    let meter = Meter::start();
    let sender = tokio::spawn(send(near, pattern.clone(), count, over));
    let receiver = tokio::spawn(async move {
        for number in 0..count {
            pattern.check(number, far.recv().await?.as_ref())?;
        }
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(far)
    });
    let far = receiver.await??;
    let cost = meter.stop();
    // The sender has answered until now; its peer is still there to be sent to.
    drop(done);
    sender.await??;
    drop(far);
    Ok(figures(run, cost).with("connect_ms", connect.as_secs_f64() * 1e3))
}

/// The figures of a run that cost this.
pub fn figures(run: &Run, cost: Cost) -> Figures {
    let bytes = run.bytes() as f64;
    Figures::default()
        .with("cpu_s_per_gib", cost.cpu * f64::from(1 << 30) / bytes)
        .with("goodput_mib_s", bytes / f64::from(1 << 20) / cost.wall)
        .with("peak_rss_mib", peak() / 1024.0)
}

/// Sends all messages, and then stays until the last one is there.
async fn send<E: End>(mut end: E, pattern: Pattern, count: u64, mut over: oneshot::Receiver<()>) -> Outcome<()> {
    for number in 0..count {
        end.send(pattern.message(number)).await?;
    }
    end.flush().await?;
    tokio::select! {
        message = end.recv() => {
            message?;
            Err("there was a message that nobody sent".into())
        }
        _ = &mut over => Ok(()),
    }
}
