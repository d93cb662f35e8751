//! `cargo xtask bench NAME`: one binary of the workspace in `bench/`, or `browsers` of the one in `interop/`.

use std::path::{Path, PathBuf};

use crate::packages;
use crate::process::{cargo, check};
use crate::{Failure, tree};

/// What is measured with browsers, and so lives where they are driven.
const BROWSERS: &str = "browsers";

/// Builds a benchmark with optimisation and runs it with the options given.
pub fn run(args: &[&str]) -> Result<(), Failure> {
    let folder = tree::root().join("bench");
    let mut known = names(&folder);
    known.push(BROWSERS.to_owned());
    let list = known.join(", ");
    let Some((name, options)) = args.split_first().filter(|(name, _)| !name.starts_with('-')) else {
        return Err(Failure::Usage(format!("bench takes a name; there are: {list}")));
    };
    if !known.iter().any(|k| k == name) {
        return Err(Failure::Usage(format!("there is no benchmark '{name}'; there are: {list}")));
    }
    let folder = if *name == BROWSERS { with_browsers()? } else { folder };
    let mut command = cargo(&["run", "--quiet", "--release", "--bin", name, "--manifest-path"]);
    command.arg(folder.join("Cargo.toml")).arg("--").args(options).env("CARGO_TARGET_DIR", tree::target());
    if options.contains(&"--json") {
        // A reader of JSON wants nothing else on the standard output.
        let status = command.status().map_err(|e| format!("{name} does not start: {e}"))?;
        return if status.success() { Ok(()) } else { Err(format!("{name} failed").into()) };
    }
    Ok(check(name, &mut command)?)
}

/// The workspace that drives browsers, once they are there.
fn with_browsers() -> Result<PathBuf, Failure> {
    let missing = packages::provide(packages::BROWSERS);
    if missing.is_empty() { Ok(tree::root().join("interop")) } else { Err(packages::advice(&missing).into()) }
}

/// The binaries of the workspace: files and folders of `src/bin`.
fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder.join("src/bin")) else { return Vec::new() };
    let mut names: Vec<String> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_dir() || path.extension().is_some_and(|e| e == "rs"))
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .collect();
    names.sort();
    names
}
