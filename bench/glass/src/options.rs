//! The command line.

use std::path::PathBuf;

/// How it is used.
pub const USAGE: &str =
    "usage: glass [--rows A,B] [--stacks A,B] [--seconds N] [--runs N] [--json] [--svg FILE] [--markdown FILE]";

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Rows, by any part of their names: `640x480`, `audio`. Default: all.
    pub rows: Vec<String>,
    /// Stacks. Default: all.
    pub stacks: Vec<String>,
    /// Seconds of each run that count. Default: 20.
    pub seconds: u32,
    /// Runs of each stack. Default: 3.
    pub runs: usize,
    /// Whether to write JSON rather than tables.
    pub json: bool,
    /// Where to draw.
    pub svg: Option<PathBuf>,
    /// Where to write tables.
    pub markdown: Option<PathBuf>,
}

impl Options {
    /// From a command line without the program's name.
    ///
    /// # Errors
    /// It makes no sense; says why.
    pub fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options =
            Self { rows: Vec::new(), stacks: Vec::new(), seconds: 20, runs: 3, json: false, svg: None, markdown: None };
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
            match arg.as_str() {
                "--json" => options.json = true,
                "--rows" => options.rows = names(&value()?),
                "--stacks" => options.stacks = names(&value()?),
                "--seconds" => options.seconds = number(&arg, &value()?, 3600)?,
                "--runs" => options.runs = number(&arg, &value()?, 1000)? as usize,
                "--svg" => options.svg = Some(value()?.into()),
                "--markdown" => options.markdown = Some(value()?.into()),
                _ => return Err(format!("unknown option {arg}")),
            }
        }
        Ok(options)
    }

    /// Whether a row was asked for.
    pub fn wants_row(&self, name: &str) -> bool {
        let means = |wanted: &String| format!("-{name}-").contains(&format!("-{wanted}-"));
        self.rows.is_empty() || self.rows.iter().any(means)
    }

    /// Whether a stack was asked for.
    pub fn wants_stack(&self, name: &str) -> bool {
        self.stacks.is_empty() || self.stacks.iter().any(|wanted| wanted == name)
    }
}

fn names(list: &str) -> Vec<String> {
    list.split(',').map(str::to_owned).collect()
}

fn number(option: &str, value: &str, most: u32) -> Result<u32, String> {
    let number = value.parse::<u32>().ok().filter(|number| (1..=most).contains(number));
    number.ok_or_else(|| format!("{option} needs a number from 1 to {most}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, String> {
        Options::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn rows_are_meant_by_any_part_of_their_names() {
        let options = parse("--rows 640x480 --stacks limit --seconds 5").unwrap();
        let wanted = ["glass-640x480", "glass-640x480-audio", "glass-1280x720"].map(|row| options.wants_row(row));
        assert_eq!(wanted, [true, true, false]);
        assert!(options.wants_stack("limit") && !options.wants_stack("peerage"));
        assert_eq!((options.seconds, options.runs), (5, 3));
    }

    #[test]
    fn nonsense_is_refused() {
        for line in ["--rows", "--runs 0", "--seconds x", "fast"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
