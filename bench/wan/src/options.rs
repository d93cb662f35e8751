//! The command line.

use std::path::PathBuf;

use peerage_base::time::Duration;

/// How it is used.
pub const USAGE: &str = "usage: wan [--rows A,B] [--stacks A,B] [--seconds N] [--seeds N] [--jobs N] [--json] [--svg FILE] \
[--markdown FILE] [--trace FILE] [--list]";

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Rows, by name or by what their names begin with. Default: all.
    pub rows: Vec<String>,
    /// Stacks. Default: all.
    pub stacks: Vec<String>,
    /// Virtual time of each run. Default: 60 s.
    pub time: Duration,
    /// Seeds from 1 to this. Default: 5.
    pub seeds: u64,
    /// Runs at the same time. Default: one for each processor.
    pub jobs: usize,
    /// Whether to write JSON rather than lines.
    pub json: bool,
    /// Whether to tell the rows and do nothing.
    pub list: bool,
    /// Where to draw.
    pub svg: Option<PathBuf>,
    /// Where to write a table.
    pub markdown: Option<PathBuf>,
    /// Where to write the course of the first run.
    pub trace: Option<PathBuf>,
}

impl Options {
    /// From a command line without the program's name.
    ///
    /// # Errors
    /// It makes no sense; says why.
    pub fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let jobs = std::thread::available_parallelism().map_or(1, usize::from);
        let mut options = Self {
            rows: Vec::new(),
            stacks: Vec::new(),
            time: Duration::from_secs(60),
            seeds: 5,
            jobs,
            json: false,
            list: false,
            svg: None,
            markdown: None,
            trace: None,
        };
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
            match arg.as_str() {
                "--json" => options.json = true,
                "--list" => options.list = true,
                "--rows" => options.rows = names(&value()?),
                "--stacks" => options.stacks = names(&value()?),
                "--seconds" => options.time = Duration::from_secs(number(&arg, &value()?)?),
                "--seeds" => options.seeds = number(&arg, &value()?)?,
                "--jobs" => options.jobs = number(&arg, &value()?)? as usize,
                "--svg" => options.svg = Some(value()?.into()),
                "--markdown" => options.markdown = Some(value()?.into()),
                "--trace" => options.trace = Some(value()?.into()),
                _ => return Err(format!("unknown option {arg}")),
            }
        }
        Ok(options)
    }

    /// Whether a row was asked for.
    pub fn wants_row(&self, name: &str) -> bool {
        self.rows.is_empty() || self.rows.iter().any(|wanted| name == wanted || name.starts_with(&format!("{wanted}-")))
    }

    /// Whether a stack was asked for.
    pub fn wants_stack(&self, name: &str) -> bool {
        self.stacks.is_empty() || self.stacks.iter().any(|wanted| wanted == name)
    }
}

fn names(list: &str) -> Vec<String> {
    list.split(',').map(str::to_owned).collect()
}

fn number(option: &str, value: &str) -> Result<u64, String> {
    let number = value.parse::<u64>().ok().filter(|number| (1..=100_000).contains(number));
    number.ok_or_else(|| format!("{option} needs a number from 1 to 100000"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, String> {
        Options::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn rows_are_meant_by_name_or_by_group() {
        let options = parse("--rows clean,tcp-1 --stacks peerage --seconds 5 --seeds 3").unwrap();
        let wanted = ["clean-1", "clean-4", "tcp-1", "tcp-4", "cleaner"].map(|row| options.wants_row(row));
        assert_eq!(wanted, [true, true, true, false, false]);
        assert!(options.wants_stack("peerage") && !options.wants_stack("str0m"));
        assert_eq!((options.time, options.seeds), (Duration::from_secs(5), 3));
        assert!(parse("").unwrap().wants_row("anything"));
    }

    #[test]
    fn nonsense_is_refused() {
        for line in ["--rows", "--seconds 0", "--seeds x", "fast", "--jobs -1"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
