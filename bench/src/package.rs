//! Builds the packages of this workspace, one at a time: nobody pays for a rival that he does not measure.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

/// Builds a package and runs its program with the arguments of this one, but for `--debug`, which is for the build.
pub fn run(package: &str) -> ExitCode {
    let (debug, rest): (Vec<String>, Vec<String>) = env::args().skip(1).partition(|arg| arg == "--debug");
    let status = build(package, !debug.is_empty())
        .and_then(|program| Command::new(program).args(rest).status().map_err(|e| format!("it does not start: {e}")));
    match status {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        // It has said itself what was wrong.
        Ok(status) => ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)),
        Err(reason) => {
            eprintln!("{reason}");
            ExitCode::FAILURE
        }
    }
}

/// Builds one package and no other; says where its program is.
///
/// # Errors
/// It does not build; cargo has said why.
pub fn build(package: &str, debug: bool) -> Result<PathBuf, String> {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .args(["build", "--quiet", "--package", package, "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
    if !debug {
        command.arg("--release");
    }
    let target = target()?;
    command.env("CARGO_TARGET_DIR", &target).stdout(Stdio::null());
    let status = command.status().map_err(|e| format!("cargo does not start: {e}"))?;
    if !status.success() {
        return Err(format!("{package} does not build"));
    }
    Ok(target.join(if debug { "debug" } else { "release" }).join(format!("{package}{}", env::consts::EXE_SUFFIX)))
}

/// The folder that this program was built into, which has the profile's folder in it.
fn target() -> Result<PathBuf, String> {
    let program = env::current_exe().map_err(|e| format!("where this program is: {e}"))?;
    let target = program.parent().and_then(Path::parent);
    target.map(Path::to_owned).ok_or_else(|| "this program is in no target folder".into())
}
