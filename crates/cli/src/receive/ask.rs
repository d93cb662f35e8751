//! Asking the person at the terminal.

use std::fs::File;
use std::io::{BufRead as _, BufReader, IsTerminal as _, Write as _, stderr, stdin, stdout};

use peerage_transfer::manifest::Manifest;

use super::prompt;
use crate::input::Input;
use crate::text::{count, plain, size};

/// Names shown before the rest is only counted.
const SHOWN: usize = 20;

/// The terminal of this process.
const TERMINAL: &str = "/dev/tty";

/// Whether there is a person to ask.
pub fn is_possible() -> bool {
    stdin().is_terminal() && stdout().is_terminal()
}

/// Asks for a line; `None` at the end of input. `input`: who reads standard input already.
pub async fn line(question: &str, input: Option<&mut Input>) -> Option<String> {
    let _ = write!(stderr(), "{question}");
    let _ = stderr().flush();
    if let Some(input) = input {
        return input.line().await;
    }
    let read = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        stdin().read_line(&mut line).ok().filter(|&length| length > 0).map(|_| line.trim().to_owned())
    });
    read.await.ok().flatten()
}

/// Asks for a code, with completion of words at a terminal; one that is piped in is read without a question.
pub async fn code() -> Option<String> {
    if stdin().is_terminal() && stderr().is_terminal() {
        return tokio::task::spawn_blocking(prompt::ask).await.ok().flatten();
    }
    line("", None).await.filter(|line| !line.is_empty())
}

/// Asks at the terminal itself, whatever standard input and output are; `None` where there is none.
pub async fn terminal(question: &str) -> Option<String> {
    let question = question.to_owned();
    let read = tokio::task::spawn_blocking(move || {
        let mut terminal = File::options().read(true).write(true).open(TERMINAL).ok()?;
        terminal.write_all(question.as_bytes()).ok()?;
        let mut line = String::new();
        BufReader::new(terminal).read_line(&mut line).ok().filter(|&length| length > 0)?;
        Some(line.trim().to_owned())
    });
    read.await.ok().flatten()
}

/// Whether there is a terminal to ask at, whatever standard input and output are.
pub fn has_terminal() -> bool {
    File::options().read(true).write(true).open(TERMINAL).is_ok()
}

/// What is offered, with names and sizes.
pub fn describe(manifest: &Manifest) -> String {
    let mut text = String::new();
    for entry in manifest.entries().iter().take(SHOWN) {
        let what = entry.file_size().map_or_else(|| "folder".to_owned(), size);
        text.push_str(&format!("  {what:>9}  {}\n", plain(&entry.path)));
    }
    let entries = manifest.entries().len();
    if entries > SHOWN {
        text.push_str(&format!("  and {} more\n", entries - SHOWN));
    }
    let files = manifest.files().count();
    text.push_str(&count(files, "file"));
    if entries > files {
        text.push_str(&format!(", {}", count(entries - files, "empty folder")));
    }
    text.push_str(&format!(", {}", size(manifest.bytes())));
    text
}

/// Whether an answer means yes; just Enter does.
pub fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_lowercase().as_str(), "" | "y" | "yes")
}

#[cfg(test)]
mod tests {
    use peerage_transfer::manifest::{Builder, Limits};
    use peerage_transfer::protocol::{Entry, EntryKind};

    use super::*;

    #[test]
    fn what_is_offered_is_shown_in_a_bounded_and_harmless_way() {
        let mut builder = Builder::new(Limits::default());
        let file = |path: String| Entry { path, kind: EntryKind::File { size: 1_500, mtime: None, exec: false } };
        builder.push(file("a\u{202e}b".into())).unwrap();
        builder.push(Entry { path: "folder".into(), kind: EntryKind::Dir }).unwrap();
        (0..30).for_each(|n| builder.push(file(format!("{n}"))).unwrap());
        let text = describe(&builder.finish());
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 22);
        assert_eq!(lines[..2], ["     1.5 kB  ab", "     folder  folder"]);
        assert_eq!(lines[20..], ["  and 12 more", "31 files, 1 empty folder, 46.5 kB"]);
    }

    #[test]
    fn only_a_clear_yes_or_enter_is_taken_for_one() {
        assert!(["", "y", "Y", " yes "].into_iter().all(is_yes));
        assert!(!["n", "no", "x", "yess"].into_iter().any(is_yes));
    }
}
