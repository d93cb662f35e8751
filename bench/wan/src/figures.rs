//! What a run came to, and the median of several.

use bench::figures::middle;
use peerage_base::time::Duration;
use peerage_lab::wan::record::Record;
use serde_json::{Value, json};

/// What a row came to on one stack, or on several at once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    /// Application data of each flow, in MiB per second.
    pub goodput: Vec<f64>,
    /// The application data of those towards the right as a share of the line.
    pub share: f64,
    /// The share of the line that was in use, headers and repetitions included.
    pub used: f64,
    /// Seconds until nine tenths of the line were in use for a second; none if they never were.
    pub reached: Option<f64>,
    /// Bytes that waited for the line: mean, 95th percentile and most, in bandwidth-delay products.
    pub queue: [f64; 3],
    /// The share of packets that were sent again, of all flows; none where a stack does not tell.
    pub repeated: f64,
    /// Time-outs of all flows.
    pub timeouts: f64,
    /// Jain's index over the last three quarters.
    pub fairness: f64,
    /// Seconds from the end of a disturbance until data flowed, and until nine tenths of the line were in use.
    pub recovery: Option<[Option<f64>; 2]>,
}

impl Figures {
    /// Of one run that took `time`, with a disturbance that was over at `over`.
    pub fn new(record: &Record, time: Duration, over: Option<Duration>) -> Self {
        let flows = 0..record.names.len();
        let goodput: Vec<f64> = flows.clone().map(|flow| record.goodput(flow, Duration::ZERO)).collect();
        let (sent, again) = flows
            .clone()
            .map(|flow| record.last(flow).sender)
            .fold((0, 0), |(sent, again), sender| (sent + sender.sent, again + sender.again));
        let queue = record.queue(Duration::ZERO);
        let recovery = over.filter(|over| *over < time).map(|over| {
            let since = |at: Option<Duration>| at.map(|at| at.saturating_sub(over).as_secs_f64());
            [since(record.delivers_after(0, over)), since(record.reaches(0.9, over))]
        });
        Self {
            share: record.share(Duration::ZERO),
            goodput: goodput.into_iter().map(|rate| rate / f64::from(1 << 20)).collect(),
            used: record.used(Duration::ZERO),
            reached: record.reaches(0.9, Duration::ZERO).map(|at| at.as_secs_f64()),
            queue: [queue.mean, queue.p95, queue.max],
            repeated: again as f64 / sent.max(1) as f64,
            timeouts: flows.map(|flow| record.timeouts(flow)).sum::<u64>() as f64,
            fairness: record.fairness(time / 4),
            recovery,
        }
    }

    /// The median of each figure by itself. A time that is missing in half of the runs is missing.
    pub fn median(runs: &[Self]) -> Self {
        let of = |figure: &dyn Fn(&Self) -> f64| middle(runs.iter().map(figure)).unwrap_or_default();
        let when = |figure: &dyn Fn(&Self) -> Option<f64>| {
            let at = of(&|run| figure(run).unwrap_or(f64::INFINITY));
            Some(at).filter(|at| at.is_finite())
        };
        let flows = runs.first().map_or(0, |run| run.goodput.len());
        let recovers = runs.iter().any(|run| run.recovery.is_some());
        Self {
            goodput: (0..flows).map(|flow| of(&|run| run.goodput[flow])).collect(),
            share: of(&|run| run.share),
            used: of(&|run| run.used),
            reached: when(&|run| run.reached),
            queue: [0, 1, 2].map(|which| of(&|run| run.queue[which])),
            repeated: of(&|run| run.repeated),
            timeouts: of(&|run| run.timeouts),
            fairness: of(&|run| run.fairness),
            recovery: recovers.then(|| [0, 1].map(|which| when(&|run| run.recovery.and_then(|at| at[which])))),
        }
    }

    /// As JSON.
    pub fn to_json(&self) -> Value {
        let [mean, p95, max] = self.queue;
        let mut value = json!({
            "goodput_mib_s": self.goodput.iter().sum::<f64>(),
            "goodput_share": self.share,
            "link_share": self.used,
            "reached_s": self.reached,
            "queue_mean_bdp": mean,
            "queue_p95_bdp": p95,
            "queue_max_bdp": max,
            "repeated": self.repeated,
            "timeouts": self.timeouts,
        });
        if self.goodput.len() > 1 {
            value["flows_mib_s"] = json!(self.goodput);
            value["jain"] = json!(self.fairness);
        }
        if let Some([flows, full]) = self.recovery {
            value["flows_again_s"] = json!(flows);
            value["full_again_s"] = json!(full);
        }
        value
    }
}
