//! Tables of cases: a line for each, and failures that are known.

use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Failures that are known: table, case, reason. One whose case passes, or is no longer there, fails the run.
const EXPECTED_FAILURES: &[(&str, &str, &str)] = &[
    (
        "openssl certs",
        "Client Ed25519",
        "a server of OpenSSL 3.0 has suites for Ed25519 in TLS 1.2 and not in DTLS 1.2",
    ),
    (
        "dimpl weather",
        "Client DTLS 1.2 a ClientHello in other pieces the second time",
        "a server of dimpl does not join pieces that overlap those of before",
    ),
];

/// A table whose cases all run before it is judged.
#[derive(Debug)]
pub struct Matrix {
    table: &'static str,
    seen: Vec<String>,
    wrong: Vec<String>,
}

impl Matrix {
    /// An empty table.
    pub fn new(table: &'static str) -> Self {
        Self { table, seen: Vec::new(), wrong: Vec::new() }
    }

    /// Runs one case, whose panic is a failure, and writes its line.
    pub fn case(&mut self, name: impl Into<String>, run: impl FnOnce() -> Result<(), String>) {
        let name = name.into();
        let outcome = catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| Err(words(&*panic)));
        let listed = EXPECTED_FAILURES.iter().find(|(table, case, _)| *table == self.table && *case == name);
        let verdict = match (outcome, listed) {
            (Ok(()), None) => "ok".to_owned(),
            (Err(error), Some((_, _, reason))) => format!("fails as expected ({reason}): {error}"),
            (Err(error), None) => self.object(&name, format!("FAILED: {error}")),
            (Ok(()), Some((_, _, reason))) => {
                self.object(&name, format!("PASSES NOW; take it off the list ({reason})"))
            }
        };
        // Written past the test harness, which would keep it to itself.
        let _ = writeln!(std::io::stderr(), "{:<18} {name:<76} {verdict}", self.table);
        self.seen.push(name);
    }

    /// Judges the table.
    ///
    /// # Panics
    /// If a case failed that is not listed, passed and is, or is listed and does not exist.
    pub fn finish(mut self) {
        for (_, case, _) in EXPECTED_FAILURES.iter().filter(|(table, ..)| *table == self.table) {
            if !self.seen.iter().any(|seen| seen == case) {
                self.wrong.push(format!("{case}: is on the list and nowhere else"));
            }
        }
        assert!(!self.seen.is_empty(), "{}: a table without cases", self.table);
        assert!(
            self.wrong.is_empty(),
            "{}: {} of {}:\n{}",
            self.table,
            self.wrong.len(),
            self.seen.len(),
            self.wrong.join("\n")
        );
    }

    fn object(&mut self, name: &str, verdict: String) -> String {
        self.wrong.push(format!("{name}: {verdict}"));
        verdict
    }
}

fn words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    format!("panicked: {}", text.unwrap_or("without words"))
}
