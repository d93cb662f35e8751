//! Command lines.

use std::num::NonZero;

use crate::pattern::MAX_MESSAGE;

/// What a stack is asked to do: scenario `data`, the only one so far. One channel, reliable and ordered, one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stack {
    /// How much to move, in MiB.
    pub mib: u64,
    /// Bytes in each message.
    pub message: usize,
}

impl Default for Stack {
    fn default() -> Self {
        Self { mib: 1024, message: 16 << 10 }
    }
}

impl Stack {
    /// From this process's command line; ends the process if it makes no sense.
    pub fn from_command_line() -> Self {
        Self::parse(std::env::args().skip(1)).unwrap_or_else(|reason| {
            eprintln!("{reason}\nusage: [--mib N] [--message BYTES]");
            std::process::exit(2)
        })
    }

    fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut stack = Self::default();
        while let Some(arg) = args.next() {
            if !stack.take(&arg, &mut args)? {
                return Err(format!("unknown option {arg}"));
            }
        }
        Ok(stack)
    }

    /// Takes the option if it is one of a stack's.
    fn take(&mut self, arg: &str, rest: &mut impl Iterator<Item = String>) -> Result<bool, String> {
        match arg {
            "--mib" => self.mib = number(arg, rest)?.get(),
            "--message" => {
                let bytes = number(arg, rest)?.get();
                let fits = usize::try_from(bytes).ok().filter(|bytes| *bytes <= MAX_MESSAGE);
                self.message = fits.ok_or_else(|| format!("messages have at most {MAX_MESSAGE} bytes"))?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The options that say the same.
    pub fn to_args(self) -> [String; 4] {
        ["--mib".into(), self.mib.to_string(), "--message".into(), self.message.to_string()]
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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Driver {
    /// The scenario.
    pub stack: Stack,
    /// How often each stack runs; the median is told. Default: 3.
    pub runs: usize,
    /// Names of the stacks to run. Default: all.
    pub stacks: Vec<String>,
    /// Whether to write lines of JSON rather than a table.
    pub json: bool,
    /// Whether to measure without optimisation, which says nothing about speed and builds sooner.
    pub debug: bool,
}

impl Driver {
    /// From a command line without the program's name.
    ///
    /// # Errors
    /// It makes no sense; says why.
    pub fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut driver = Self { runs: 3, ..Self::default() };
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--json" => driver.json = true,
                "--debug" => driver.debug = true,
                "--runs" => {
                    let runs = number(&arg, &mut args)?.get();
                    driver.runs = usize::try_from(runs).map_err(|_| "--runs is out of range".to_owned())?;
                }
                "--stacks" => {
                    let names = args.next().ok_or("--stacks needs names, with commas between them")?;
                    driver.stacks = names.split(',').map(str::to_owned).collect();
                }
                _ if driver.stack.take(&arg, &mut args)? => {}
                _ => return Err(format!("unknown option {arg}")),
            }
        }
        Ok(driver)
    }
}

fn number(option: &str, rest: &mut impl Iterator<Item = String>) -> Result<NonZero<u64>, String> {
    let value = rest.next().and_then(|value| value.parse::<NonZero<u64>>().ok());
    value.filter(|n| n.get() < 1 << 40).ok_or_else(|| format!("{option} needs a number above 0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(line: &str) -> impl Iterator<Item = String> {
        line.split_whitespace().map(str::to_owned)
    }

    #[test]
    fn a_stack_understands_what_the_driver_tells_it() {
        let stack = Stack { mib: 3, message: 1200 };
        assert_eq!(Stack::parse(stack.to_args().into_iter()), Ok(stack));
        assert_eq!(stack.messages(), 2622);
        assert!(stack.bytes() >= 3 << 20);
    }

    #[test]
    fn nonsense_is_refused() {
        for line in ["--mib", "--mib 0", "--mib x", "--message 262145", "--runs 2", "fast"] {
            assert!(Stack::parse(args(line)).is_err(), "{line}");
        }
        assert!(Driver::parse(args("--runs 0")).is_err());
        assert!(Driver::parse(args("--stacks")).is_err());
    }

    #[test]
    fn the_driver_has_defaults() {
        let driver = Driver::parse(args("--json --mib 8 --stacks floor,peerage")).unwrap();
        assert_eq!((driver.runs, driver.json, driver.debug), (3, true, false));
        assert_eq!(driver.stacks, ["floor", "peerage"]);
        assert_eq!(driver.stack, Stack { mib: 8, ..Stack::default() });
    }
}
