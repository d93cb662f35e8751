//! One run: a process of its own, with a limit to its time.

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::figures::Figures;

const PAUSE: Duration = Duration::from_millis(10);

/// Runs a program until its end, or ends it when its time is over.
///
/// # Errors
/// It gave no figures; says what it did instead.
pub fn run(program: &Path, args: &[String], limit: Duration) -> Result<Figures, String> {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|e| format!("does not start: {e}"))?;
    let (out, err) = (collect(child.stdout.take()), collect(child.stderr.take()));
    let status = wait(&mut child, limit)?;
    let join = |reader: thread::JoinHandle<String>| reader.join().unwrap_or_default();
    let (out, err) = (join(out), join(err));
    let Some(status) = status else { return Err(format!("gave no result in {} s", limit.as_secs())) };
    if !status.success() {
        let said = err.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("nothing");
        return Err(format!("ended with {status}, saying: {said}"));
    }
    out.lines().last().and_then(Figures::from_json).ok_or_else(|| format!("wrote no figures but: {out}"))
}

/// Reads all that a process writes while it runs, so that it never waits for its reader.
fn collect(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What was read before an error is what there is.
        let _ = pipe.map(|mut pipe| pipe.read_to_end(&mut bytes));
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// How it ended; `None` if it had to be ended.
fn wait(child: &mut Child, limit: Duration) -> Result<Option<ExitStatus>, String> {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait().map_err(|e| format!("cannot be waited for: {e}"))? {
            return Ok(Some(status));
        }
        if begun.elapsed() >= limit {
            child.kill().and_then(|()| child.wait()).map_err(|e| format!("cannot be ended: {e}"))?;
            return Ok(None);
        }
        thread::sleep(PAUSE);
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn shell(script: &str, limit: Duration) -> Result<Figures, String> {
        run(Path::new("/bin/sh"), &["-c".to_owned(), script.to_owned()], limit)
    }

    #[test]
    fn the_last_line_has_the_figures() {
        let figures = shell("echo noise; echo '{\"wall_s\":2}'", Duration::from_secs(20));
        assert_eq!(figures, Ok(Figures::default().with("wall_s", 2.0)));
    }

    #[test]
    fn a_program_that_fails_hangs_or_is_not_there_is_a_reason() {
        let reason = shell("echo '{\"wall_s\":2}'; echo broken >&2; exit 3", Duration::from_secs(20)).unwrap_err();
        assert!(reason.contains('3') && reason.contains("broken"), "{reason}");
        assert!(shell("exec sleep 20", Duration::from_millis(50)).unwrap_err().contains("no result"));
        assert!(shell("echo done", Duration::from_secs(20)).unwrap_err().contains("done"));
        assert!(run(Path::new("/nowhere"), &[], PAUSE).unwrap_err().contains("start"));
    }
}
