//! Command lines.

use std::num::NonZero;
use std::path::PathBuf;
use std::time::Duration;

use crate::pattern::MAX_MESSAGE;
use crate::scenario::Scenario;

/// What one run of one stack is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// The scenario.
    pub scenario: Scenario,
    /// How much to move, in MiB (`data`).
    pub mib: u64,
    /// Bytes in each message (`data`).
    pub message: usize,
    /// How many pairs to connect (`connect`).
    pub pairs: usize,
    /// How many connections stand in the end, each with both its ends (`idle`).
    pub connections: usize,
    /// Round trips: in all (`pingpong`), at each number of connections (`idle`).
    pub rounds: u64,
    /// On how many cores, and how many threads the runtime has: the first of the machine, or as many as there are, at most
    /// two, if 0.
    pub cores: usize,
}

impl Run {
    /// With the scenario's defaults.
    pub fn new(scenario: Scenario) -> Self {
        let rounds = if scenario == Scenario::Idle { 5_000 } else { 20_000 };
        Self { scenario, mib: 512, message: 16 << 10, pairs: 50, connections: 1_000, rounds, cores: 0 }
    }

    /// From a command line without the program's name.
    ///
    /// # Errors
    /// It makes no sense; says why.
    pub fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let names = || Scenario::ALL.map(Scenario::name).join(", ");
        let name = args.next().ok_or_else(|| format!("which scenario? {}", names()))?;
        let scenario = Scenario::ALL.into_iter().find(|scenario| scenario.name() == name);
        let mut run =
            Self::new(scenario.ok_or_else(|| format!("there is no scenario '{name}'; there are: {}", names()))?);
        while let Some(arg) = args.next() {
            if !run.take(&arg, &mut args)? {
                return Err(format!("unknown option {arg}"));
            }
        }
        Ok(run)
    }

    /// Takes the option if it is one of a run's.
    fn take(&mut self, arg: &str, rest: &mut impl Iterator<Item = String>) -> Result<bool, String> {
        match arg {
            "--mib" => self.mib = number(arg, rest)?,
            "--message" => self.message = message(&rest.next().unwrap_or_default())?,
            "--pairs" => self.pairs = small(arg, rest)?,
            "--connections" => self.connections = small(arg, rest)?,
            "--rounds" => self.rounds = number(arg, rest)?,
            "--cores" => self.cores = small(arg, rest)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The command line that says the same.
    pub fn to_args(self) -> Vec<String> {
        let mut args = vec![self.scenario.name().to_owned()];
        let mut option = |name: &str, value: u64| args.extend([name.to_owned(), value.to_string()]);
        option("--mib", self.mib);
        option("--message", self.message as u64);
        option("--pairs", self.pairs as u64);
        option("--connections", self.connections as u64);
        option("--rounds", self.rounds);
        if self.cores > 0 {
            option("--cores", self.cores as u64);
        }
        args
    }

    /// How many messages that makes; at least as much as was asked for.
    pub fn messages(self) -> u64 {
        (self.mib << 20).div_ceil(self.message as u64)
    }

    /// How many bytes that makes.
    pub fn bytes(self) -> u64 {
        self.messages() * self.message as u64
    }
}

/// What the driver is asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Driver {
    /// What every stack does; [`messages`](Self::messages) and [`cores`](Self::cores) make several of it.
    pub run: Run,
    /// Sizes of messages, one table each (`data`). Default: 16,384, 65,536 and 1,200.
    pub messages: Vec<usize>,
    /// Numbers of cores, one table each (`pingpong`). Default: 1 and 2.
    pub cores: Vec<usize>,
    /// How often each stack runs; the median is told. Default: 5, and 1 of `idle`.
    pub runs: usize,
    /// Names of the stacks to run. Default: all.
    pub stacks: Vec<String>,
    /// What one run may take. Default: 180 s.
    pub limit: Duration,
    /// Whether to write JSON rather than tables.
    pub json: bool,
    /// Where to draw the figures.
    pub svg: Option<PathBuf>,
    /// Where to write the tables for a document.
    pub markdown: Option<PathBuf>,
    /// Whether to measure without optimisation, which says nothing about speed and builds sooner.
    pub debug: bool,
}

impl Driver {
    /// How its command line looks.
    pub const USAGE: &str = "[--stacks A,B] [--runs N] [--limit SECONDS] [--json] [--svg FILE] [--markdown FILE] [--debug]\n\
        data: [--mib N] [--message BYTES,..]   connect: [--pairs N]\n\
        idle: [--connections N] [--rounds N]   pingpong: [--rounds N] [--cores N,..]";

    /// From a command line without the program's name.
    ///
    /// # Errors
    /// It makes no sense; says why.
    pub fn parse(scenario: Scenario, mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut driver = Self::new(scenario);
        while let Some(arg) = args.next() {
            if !driver.take(&arg, &mut args)? && !driver.run.take(&arg, &mut args)? {
                return Err(format!("unknown option {arg}"));
            }
        }
        Ok(driver)
    }

    fn new(scenario: Scenario) -> Self {
        Self {
            run: Run::new(scenario),
            messages: vec![16 << 10, 64 << 10, 1_200],
            cores: vec![1, 2],
            runs: if scenario == Scenario::Idle { 1 } else { 5 },
            stacks: Vec::new(),
            limit: Duration::from_secs(180),
            json: false,
            svg: None,
            markdown: None,
            debug: false,
        }
    }

    fn take(&mut self, arg: &str, rest: &mut impl Iterator<Item = String>) -> Result<bool, String> {
        match arg {
            "--json" => self.json = true,
            "--debug" => self.debug = true,
            "--runs" => self.runs = small(arg, rest)?,
            "--limit" => self.limit = Duration::from_secs(number(arg, rest)?),
            "--svg" => self.svg = Some(rest.next().ok_or("--svg needs a file")?.into()),
            "--markdown" => self.markdown = Some(rest.next().ok_or("--markdown needs a file")?.into()),
            "--stacks" => self.stacks = list(arg, rest, |name| Ok(name.to_owned()))?,
            "--message" => self.messages = list(arg, rest, message)?,
            "--cores" => self.cores = list(arg, rest, |text| small("--cores", &mut [text.to_owned()].into_iter()))?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// What is run, with the name that it is told under.
    pub fn plan(&self) -> Vec<(String, Run)> {
        let name = self.run.scenario.name();
        match self.run.scenario {
            Scenario::Data => self
                .messages
                .iter()
                .map(|size| (format!("{name}-{size}"), Run { message: *size, ..self.run }))
                .collect(),
            Scenario::Pingpong => {
                self.cores.iter().map(|cores| (format!("{name}-{cores}"), Run { cores: *cores, ..self.run })).collect()
            }
            Scenario::Connect | Scenario::Idle => vec![(name.to_owned(), self.run)],
        }
    }
}

fn list<T>(
    option: &str,
    rest: &mut impl Iterator<Item = String>,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<Vec<T>, String> {
    let values = rest.next().ok_or_else(|| format!("{option} needs a value, or several with commas between them"))?;
    values.split(',').map(parse).collect()
}

fn message(text: &str) -> Result<usize, String> {
    let bytes = text.parse().ok().filter(|bytes| (1..=MAX_MESSAGE).contains(bytes));
    bytes.ok_or_else(|| format!("--message needs a number from 1 to {MAX_MESSAGE}"))
}

fn number(option: &str, rest: &mut impl Iterator<Item = String>) -> Result<u64, String> {
    let value = rest.next().and_then(|value| value.parse::<NonZero<u64>>().ok());
    value.map(NonZero::get).filter(|n| *n < 1 << 40).ok_or_else(|| format!("{option} needs a number above 0"))
}

fn small(option: &str, rest: &mut impl Iterator<Item = String>) -> Result<usize, String> {
    let value = number(option, rest)?;
    usize::try_from(value).ok().filter(|n| *n <= 1 << 20).ok_or_else(|| format!("{option} is out of range"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(line: &str) -> impl Iterator<Item = String> {
        line.split_whitespace().map(str::to_owned)
    }

    #[test]
    fn a_stack_understands_what_the_driver_tells_it() {
        for scenario in Scenario::ALL {
            let run = Run { mib: 3, message: 1200, pairs: 7, connections: 9, rounds: 11, cores: 1, scenario };
            assert_eq!(Run::parse(run.to_args().into_iter()), Ok(run));
            assert_eq!(Run::parse(Run::new(scenario).to_args().into_iter()), Ok(Run::new(scenario)));
            assert_eq!(run.messages(), 2622);
            assert!(run.bytes() >= 3 << 20);
        }
    }

    #[test]
    fn nonsense_is_refused() {
        let lines = ["", "fast", "data --mib", "data --mib 0", "idle --connections x", "data --message 262145"];
        for line in lines.into_iter().chain(["data --runs 2", "data --message 1,2", "connect --pairs 9999999"]) {
            assert!(Run::parse(args(line)).is_err(), "{line}");
        }
        for line in ["--runs 0", "--stacks", "--message 16,", "--svg", "--cores 0", "data"] {
            assert!(Driver::parse(Scenario::Data, args(line)).is_err(), "{line}");
        }
    }

    #[test]
    fn the_driver_makes_a_table_of_each_size() {
        let driver = Driver::parse(Scenario::Data, args("--json --mib 8 --stacks limit,peerage")).unwrap();
        assert_eq!((driver.runs, driver.json, driver.debug), (5, true, false));
        assert_eq!(driver.stacks, ["limit", "peerage"]);
        let plan = driver.plan();
        let names: Vec<&str> = plan.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["data-16384", "data-65536", "data-1200"]);
        assert!(plan.iter().all(|(_, run)| run.mib == 8));
        let driver = Driver::parse(Scenario::Pingpong, args("--cores 1 --rounds 5")).unwrap();
        let run = Run { cores: 1, rounds: 5, ..Run::new(Scenario::Pingpong) };
        assert_eq!(driver.plan(), [("pingpong-1".to_owned(), run)]);
    }
}
