//! The command line.

use std::path::PathBuf;

/// How it is used.
pub const USAGE: &str = "usage: media [--rows A,B] [--stacks A,B] [--runs N] [--packets N] [--streams N] [--json] [--svg FILE] \
[--markdown FILE]";

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Rows, by name or by what their names begin with or are of: `send`, `video`, `forward-video-20`. Default: all.
    pub rows: Vec<String>,
    /// Stacks. Default: all.
    pub stacks: Vec<String>,
    /// Runs of each stack. Default: 5.
    pub runs: usize,
    /// Packets of each run, at least. Default: 100,000.
    pub packets: u64,
    /// Streams of each connection. Default: 8.
    pub streams: usize,
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
        let mut options = Self {
            rows: Vec::new(),
            stacks: Vec::new(),
            runs: 5,
            packets: 100_000,
            streams: 8,
            json: false,
            svg: None,
            markdown: None,
        };
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
            match arg.as_str() {
                "--json" => options.json = true,
                "--rows" => options.rows = names(&value()?),
                "--stacks" => options.stacks = names(&value()?),
                "--runs" => options.runs = number(&arg, &value()?, 1000)? as usize,
                "--packets" => options.packets = number(&arg, &value()?, 100_000_000)?,
                "--streams" => options.streams = number(&arg, &value()?, 64)? as usize,
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

fn number(option: &str, value: &str, most: u64) -> Result<u64, String> {
    let number = value.parse::<u64>().ok().filter(|number| (1..=most).contains(number));
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
        let options = parse("--rows send,video-1 --stacks peerage --runs 3 --packets 500").unwrap();
        let wanted =
            ["send-video", "forward-video-1", "forward-video-20", "receive-video"].map(|row| options.wants_row(row));
        assert_eq!(wanted, [true, true, false, false]);
        assert!(options.wants_stack("peerage") && !options.wants_stack("rtc"));
        assert_eq!((options.runs, options.packets), (3, 500));
        assert!(parse("").unwrap().wants_row("anything"));
    }

    #[test]
    fn nonsense_is_refused() {
        for line in ["--rows", "--runs 0", "--packets x", "fast", "--streams 65"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
