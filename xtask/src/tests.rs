//! `cargo xtask test`: every runner, one summary line.

use std::process::Command;

use crate::Failure;
use crate::again::again;
use crate::packages::{self, BROWSERS, DTLS, NODE, Tool};
use crate::process::{self, Counts, cargo};
use crate::tree;

/// Runs everything; `all` includes the tests that are ignored for their length.
pub fn run(all: bool) -> Result<(), Failure> {
    packages::setup()?;
    let mut counts = workspace(all)?;
    counts += page()?;
    counts += interop(all)?;
    if !counts.names.is_empty() {
        println!("failed: {}", counts.names.join(", "));
    }
    println!("{} passed, {} failed, {} skipped", counts.passed, counts.failed, counts.skipped);
    if counts.failed == 0 { Ok(()) } else { Err(Failure::Failed("tests failed".into())) }
}

/// The crates. Examples in the documentation are a run of their own, since an `ignore` there means another thing.
fn workspace(all: bool) -> Result<Counts, String> {
    let long: &[&str] = if all { &["--", "--include-ignored"] } else { &[] };
    let code = [&["test", "--workspace", "--no-fail-fast", "--lib", "--bins", "--tests", "--examples"], long].concat();
    let mut counts = process::count("tests of the workspace", &mut cargo(&code), process::libtest)?;
    let documentation = ["test", "--workspace", "--no-fail-fast", "--doc"];
    counts += process::count("examples in the documentation", &mut cargo(&documentation), process::libtest)?;
    Ok(counts)
}

/// The page that the server embeds, as far as it runs without a browser.
fn page() -> Result<Counts, String> {
    let web = tree::root().join("web");
    if tree::files(&web.join("test"), "mjs").is_empty() {
        return Ok(Counts::default());
    }
    if let Some(skipped) = unless(NODE, "the tests of the page")? {
        return Ok(skipped);
    }
    let files = tree::files(&web.join("test"), "mjs");
    let files = files.iter().filter(|path| path.to_string_lossy().contains(".test."));
    let mut node = Command::new("node");
    node.args(["--test", "--test-reporter=tap"]).args(files).current_dir(web);
    process::count("tests of the page", &mut node, process::tap)
}

/// Browsers and other stacks, in a workspace of their own that shares what is built.
fn interop(all: bool) -> Result<Counts, String> {
    let manifest = tree::root().join("interop/Cargo.toml");
    if !manifest.is_file() {
        return Ok(Counts::default());
    }
    let parts = [
        ("tests with other stacks of DTLS", "peerage-interop-dtls", DTLS),
        ("tests with browsers", "peerage-interop", BROWSERS),
    ];
    let mut counts = Counts::default();
    for (what, package, tools) in parts {
        if let Some(skipped) = unless(tools, &format!("the {what}"))? {
            counts += skipped;
            continue;
        }
        let run = |what: &str, args: &[&str]| {
            let mut command = cargo(&["test", "--no-fail-fast", "--package", package, "--manifest-path"]);
            command.arg(&manifest).env("CARGO_TARGET_DIR", tree::target()).arg("--").args(args);
            process::count(what, &mut command, process::libtest)
        };
        let first = run(what, if all { &["--include-ignored"] } else { &[] })?;
        counts += again(first, |names| {
            let args = [&["--include-ignored", "--test-threads=1", "--exact"], names].concat();
            run(&format!("{what} that failed, alone"), &args)
        })?;
    }
    Ok(counts)
}

/// Without its tools a runner is skipped, which counts as one, but in CI it is a failure.
fn unless(tools: &'static [Tool], what: &str) -> Result<Option<Counts>, String> {
    let missing = packages::provide(tools);
    if missing.is_empty() {
        return Ok(None);
    }
    let advice = packages::advice(&missing);
    if tree::is_ci() {
        return Err(format!("{what} cannot run: {advice}"));
    }
    println!("== {what} are skipped: {advice}");
    Ok(Some(Counts { skipped: 1, ..Counts::default() }))
}
