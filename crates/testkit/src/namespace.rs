//! Tests that need a network of their own: the test program runs again, in a namespace that it makes itself.

use std::process::Command;

/// Runs a script of shell in a fresh network namespace; it sets the network up and then runs this program again, `$0`,
/// with one test that must pass. What that says on standard error; `None` where namespaces cannot be made.
///
/// # Panics
/// If the test inside fails; with CI set also where namespaces cannot be made.
pub fn in_a_namespace(script: &str) -> Option<String> {
    let able = Command::new("unshare").args(["-rn", "true"]).status().is_ok_and(|status| status.success());
    if !able {
        assert!(std::env::var_os("CI").is_none(), "no network namespace can be made here");
        eprintln!("skipped: no network namespace can be made here");
        return None;
    }
    let this = std::env::current_exe().expect("a running program has a path");
    let output =
        Command::new("unshare").args(["-rn", "sh", "-c", script]).arg(this).output().expect("unshare was just run");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && out.contains("1 passed"), "{out}{err}");
    Some(err.into_owned())
}
