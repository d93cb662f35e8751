//! `cargo xtask ci`: what a change has to pass.

use crate::process::{cargo, check};
use crate::{Failure, layers, packages, tests};

/// Every check, the quick ones first, then every test.
pub fn run() -> Result<(), Failure> {
    check("format", &mut cargo(&["fmt", "--all", "--check"]))?;
    println!("== layers");
    layers::run()?;
    packages::setup()?;
    check("clippy", &mut cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    check("documentation", cargo(&["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"))?;
    tests::run(false)
}
