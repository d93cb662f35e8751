//! The command line.

use std::path::PathBuf;

/// How it is used.
pub const USAGE: &str = "usage: estimate [--rows A,B] [--stacks A,B] [--seeds N] [--jobs N] [--json] [--markdown FILE]";

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Rows, by what their names begin with. Default: all.
    pub rows: Vec<String>,
    /// Stacks. Default: all.
    pub stacks: Vec<String>,
    /// Seeds from 1 to this. Default: 5.
    pub seeds: u64,
    /// Runs at the same time. Default: one for each processor.
    pub jobs: usize,
    /// Whether to write JSON rather than a table.
    pub json: bool,
    /// Where to write a table.
    pub markdown: Option<PathBuf>,
}

impl Options {
    /// From a command line without the program's name.
    ///
    /// # Errors
    /// It makes no sense; says why.
    pub fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let jobs = std::thread::available_parallelism().map_or(1, usize::from);
        let mut options = Self { rows: Vec::new(), stacks: Vec::new(), seeds: 5, jobs, json: false, markdown: None };
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
            match arg.as_str() {
                "--json" => options.json = true,
                "--rows" => options.rows = names(&value()?),
                "--stacks" => options.stacks = names(&value()?),
                "--seeds" => options.seeds = number(&arg, &value()?)?,
                "--jobs" => options.jobs = number(&arg, &value()?)? as usize,
                "--markdown" => options.markdown = Some(value()?.into()),
                _ => return Err(format!("unknown option {arg}")),
            }
        }
        Ok(options)
    }

    /// Whether a row was asked for.
    pub fn wants_row(&self, name: &str) -> bool {
        self.rows.is_empty() || self.rows.iter().any(|wanted| name.starts_with(wanted.as_str()))
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
    let number = value.parse::<u64>().ok().filter(|number| (1..=1000).contains(number));
    number.ok_or_else(|| format!("{option} needs a number from 1 to 1000"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, String> {
        Options::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn rows_are_meant_by_what_they_begin_with() {
        let options = parse("--rows tcp,rise --seeds 3 --stacks str0m").unwrap();
        let wanted = ["tcp-300", "rise", "constant-5"].map(|row| options.wants_row(row));
        assert_eq!(wanted, [true, true, false]);
        assert!(options.wants_stack("str0m") && !options.wants_stack("peerage"));
        assert_eq!(options.seeds, 3);
    }

    #[test]
    fn nonsense_is_refused() {
        for line in ["--rows", "--seeds 0", "--jobs x", "fast"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
