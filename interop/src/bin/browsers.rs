//! Data between the library and browsers, and between two browsers of a kind for comparison: `cargo xtask bench browsers`.

use std::process::ExitCode;
use std::time::Duration;

use peerage_interop::browser::Kind;
use peerage_interop::flood::{Flood, Flow, Way};
use serde_json::{Value, json};

const USAGE: &str = "options: --browsers chromium,firefox  --runs N  --seconds N  --message BYTES  --json";
const MIB: f64 = (1 << 20) as f64;

/// What the command line says.
struct Options {
    kinds: Vec<Kind>,
    runs: usize,
    flood: Flood,
    json: bool,
}

/// One line of the table.
struct Row {
    kind: Kind,
    way: Way,
    flows: Vec<Flow>,
    failure: Option<String>,
}

#[tokio::main(worker_threads = 2)]
async fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("{error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let rows = measure(&options).await;
    if options.json {
        let rows: Vec<Value> = rows.iter().map(|row| row.json(&rows, options.flood)).collect();
        println!("{:#}", Value::from(rows));
    } else {
        table(&rows, &options);
    }
    if rows.iter().all(|row| row.failure.is_none()) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

impl Options {
    fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let flood = Flood { message: 16 << 10, time: Duration::from_secs(8) };
        let mut options = Self { kinds: vec![Kind::Chromium, Kind::Firefox], runs: 3, flood, json: false };
        while let Some(arg) = args.next() {
            if arg == "--json" {
                options.json = true;
                continue;
            }
            let value = args.next().ok_or_else(|| format!("{arg} wants a value"))?;
            let number = |most: usize| match value.parse() {
                Ok(n) if (1..=most).contains(&n) => Ok(n),
                _ => Err(format!("{arg} is a number from 1 to {most}, not {value}")),
            };
            match arg.as_str() {
                "--browsers" => options.kinds = value.split(',').map(kind).collect::<Result<_, _>>()?,
                "--runs" => options.runs = number(100)?,
                "--seconds" => options.flood.time = Duration::from_secs(number(60)? as u64),
                "--message" => options.flood.message = number(65_536)?,
                _ => return Err(format!("unknown option {arg}")),
            }
        }
        Ok(options)
    }
}

fn kind(name: &str) -> Result<Kind, String> {
    [Kind::Chromium, Kind::Firefox]
        .into_iter()
        .find(|kind| self::name(*kind) == name)
        .ok_or_else(|| format!("there is no browser '{name}'; there are chromium and firefox"))
}

fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Chromium => "chromium",
        Kind::Firefox => "firefox",
    }
}

/// All rows in turn, again and again, so that what else the machine does falls on all alike. One that fails is not tried
/// again.
async fn measure(options: &Options) -> Vec<Row> {
    let new = |kind| Way::ALL.map(|way| Row { kind, way, flows: Vec::new(), failure: None });
    let mut rows: Vec<Row> = options.kinds.iter().flat_map(|kind| new(*kind)).collect();
    for _ in 0..options.runs {
        for row in rows.iter_mut().filter(|row| row.failure.is_none()) {
            match row.way.measure(row.kind, options.flood).await {
                Ok(flow) => {
                    eprintln!("{}: {:.1} MiB/s", row.stack(), goodput(&flow));
                    row.flows.push(flow);
                }
                Err(error) => {
                    eprintln!("{}: {error}", row.stack());
                    row.failure = Some(error);
                }
            }
        }
    }
    rows
}

impl Row {
    fn stack(&self) -> String {
        let browser = name(self.kind);
        match self.way {
            Way::ToBrowser => format!("peerage to {browser}"),
            Way::FromBrowser => format!("{browser} to peerage"),
            Way::BetweenBrowsers => format!("{browser} to {browser}"),
        }
    }

    /// The middle one of all runs; none if one failed.
    fn median(&self, figure: impl Fn(&Flow) -> f64) -> Option<f64> {
        let mut all: Vec<f64> = self.flows.iter().map(figure).collect();
        all.sort_by(f64::total_cmp);
        all.get(all.len() / 2).copied().filter(|_| self.failure.is_none())
    }

    /// Goodput as a multiple of what two browsers of the kind reach.
    fn ratio(&self, rows: &[Self]) -> Option<f64> {
        let browsers = rows.iter().find(|row| row.kind == self.kind && row.way == Way::BetweenBrowsers)?;
        Some(self.median(goodput)? / browsers.median(goodput)?)
    }

    /// Processor seconds for each GiB: the library's, if it takes part, and the browsers'.
    fn costs(&self) -> [Option<f64>; 2] {
        let own = (self.way != Way::BetweenBrowsers).then(|| self.median(|flow| flow.own / gib(flow))).flatten();
        [own, self.median(|flow| flow.browsers / gib(flow))]
    }

    fn json(&self, rows: &[Self], flood: Flood) -> Value {
        let [own, browsers] = self.costs();
        json!({
            "scenario": format!("browsers-{}-{}", name(self.kind), flood.message),
            "stack": self.stack(),
            "runs": self.flows.len(),
            "goodput_mib_s": self.median(goodput),
            "ratio": self.ratio(rows),
            "cpu_s_per_gib": own,
            "browser_cpu_s_per_gib": browsers,
            "failure": self.failure,
        })
    }
}

fn goodput(flow: &Flow) -> f64 {
    flow.bytes / MIB / flow.seconds.max(1e-3)
}

fn gib(flow: &Flow) -> f64 {
    flow.bytes.max(1.0) / (1024.0 * MIB)
}

fn table(rows: &[Row], options: &Options) {
    let Options { runs, flood, .. } = options;
    println!("messages of {} bytes, {} s each, medians of {runs}", flood.message, flood.time.as_secs());
    println!("{:24}{:>8}{:>9}{:>14}{:>20}", "", "MiB/s", "ratio", "CPU s/GiB", "browsers' CPU s/GiB");
    for row in rows {
        if let Some(failure) = &row.failure {
            println!("{:24}{failure}", row.stack());
            continue;
        }
        let [own, browsers] = row.costs();
        let text = |figure: Option<f64>| figure.map_or_else(|| "-".to_owned(), |figure| format!("{figure:.2}"));
        let [goodput, ratio] = [row.median(goodput), row.ratio(rows)].map(text);
        println!("{:24}{goodput:>8}{ratio:>9}{:>14}{:>20}", row.stack(), text(own), text(browsers));
    }
}
