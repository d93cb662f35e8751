//! `--verify`: words that both sides show, and the question whether they are the same.

use serde::Serialize;

use crate::ending::{Ending, Kind, Outcome};
use crate::interrupt::Interrupt;
use crate::receive::ask;
use crate::report::Report;

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Event<'a> {
    Verify { words: &'a str, ask: bool },
}

/// Where the answer comes from.
#[derive(Clone, Copy)]
pub enum Asking {
    /// A line of standard input.
    Input,
    /// The terminal, as standard input carries data.
    Terminal,
}

/// Shows the words that the other side asked to compare.
pub fn show(words: &str, report: &Report) {
    report.event(&Event::Verify { words, ask: false });
    report.note(&format!("The other side compares words; here they are: {words}"));
}

/// Shows the words and asks; an error is a no.
pub async fn confirm(words: &str, asking: Asking, report: &Report, interrupt: &mut Interrupt) -> Outcome<()> {
    report.event(&Event::Verify { words, ask: true });
    report.note(&format!("Words to compare: {words}"));
    let question = if report.is_json() { "" } else { "Does the other side show the same words? [y/N] " };
    let answer = tokio::select! {
        answer = async {
            match asking {
                Asking::Input => ask::line(question, None).await,
                Asking::Terminal => ask::terminal(question).await,
            }
        } => answer,
        () = interrupt.heard() => return Err(Ending::interrupted(false)),
    };
    let yes = answer.is_some_and(|answer| matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"));
    if yes {
        return Ok(());
    }
    let message = "the words were not confirmed to be the same on both sides, so nothing was sent or taken";
    Err(Ending::new(Kind::Refused, message))
}
