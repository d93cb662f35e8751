//! The other side's text: typed, piped, or in a picture of a QR code.

use std::io::{IsTerminal as _, stdin};
use std::path::Path;
use std::time::Duration;

use peerage_signal::compact::error::TextError;
use peerage_signal::compact::find::{Found, find};
use peerage_signal::link::parse_link;
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use crate::ending::{Ending, Kind, Outcome};
use crate::input::Input;
use crate::picture;
use crate::report::Report;

/// How long a message may go on after a part of it looked damaged: a paste comes in lines.
const PASTE: Duration = Duration::from_millis(400);
/// How often a picture is looked for.
const LOOK: Duration = Duration::from_millis(300);
/// Bytes of standard input in which a text is looked for, again with every line.
const MESSAGE_MAX: usize = 1 << 13;

/// Reads standard input until there is a text in it that `wanted` takes; what follows its line is data, but at a terminal
/// what was pasted along with it is not. `until`: `None` waits for ever.
pub async fn typed<T>(
    input: &mut Input,
    until: Option<Instant>,
    wanted: impl Fn(&Found) -> Result<T, TextError>,
    report: &Report,
) -> Outcome<T> {
    let mut message = Message::default();
    loop {
        let content = tokio::select! {
            content = input.next() => content,
            // What was pasted is over.
            () = sleep(PASTE), if !message.text.is_empty() => {
                if let Some(value) = message.search(&wanted) {
                    return Ok(value);
                }
                if !message.text.trim_ascii().is_empty() {
                    report.unusable(&message.fault.unwrap_or(TextError::Nothing).to_string());
                }
                message = Message::default();
                continue;
            }
            () = async { sleep_until(until.expect("guarded")).await }, if until.is_some() => {
                return Err(nobody());
            }
        };
        let Some(content) = content else {
            let found = message.search(&wanted);
            let why = message.fault.unwrap_or(TextError::Nothing);
            return found.ok_or_else(|| Ending::new(Kind::Code, why.to_string()));
        };
        let mut rest = content.map_err(|error| Ending::new(Kind::Disk, format!("standard input: {error}")))?;
        while !rest.is_empty() {
            let end = rest.iter().position(|byte| *byte == b'\n');
            message.add(&rest.split_to(end.map_or(rest.len(), |end| end + 1)));
            let found = end.and_then(|_| message.search(&wanted));
            if let Some(value) = found {
                if stdin().is_terminal() {
                    input.skip(PASTE).await;
                } else {
                    input.put_back(rest);
                }
                return Ok(value);
            }
        }
    }
}

/// The message in a picture of QR codes.
pub async fn scanned(path: &Path) -> Outcome<String> {
    let pixels = load(path).await.map_err(|error| Ending::new(Kind::Disk, format!("{}: {error}", path.display())))?;
    let told = |why: String| Ending::new(Kind::Code, format!("{}: {why}", path.display()));
    // A picture takes a moment.
    let read = tokio::task::spawn_blocking(move || picture::read(&pixels)).await;
    let message =
        read.map_err(|_| told("this picture cannot be read".to_owned()))?.map_err(|error| told(error.to_string()))?;
    let is_ours = find(&message) != Err(TextError::Nothing) || message.lines().any(|line| parse_link(line).is_ok());
    if is_ours {
        Ok(message)
    } else {
        Err(told(format!("a QR code, but not of Peerage: {}", picture::shown(&message))))
    }
}

/// Waits until there is a picture with a text in it that `wanted` takes. Standard input holds one at most.
pub async fn waited_for<T>(
    path: &Path,
    until: Instant,
    wanted: impl Fn(&Found) -> Result<T, TextError>,
    report: &Report,
) -> Outcome<T> {
    let take = async || {
        let message = scanned(path).await?;
        find(&message).and_then(|found| wanted(&found)).map_err(Ending::from(Kind::Code))
    };
    if is_stdin(path) {
        return timeout_at(until, take()).await.unwrap_or_else(|_| Err(nobody()));
    }
    let (mut last, mut seen) = (None, None);
    loop {
        let state = tokio::fs::metadata(path).await.ok().and_then(|data| Some((data.len(), data.modified().ok()?)));
        // Twice the same: nobody is writing it any more.
        if state.is_some() && state == last && state != seen {
            match take().await {
                Ok(value) => return Ok(value),
                Err(ending) => report.unusable(&ending.message),
            }
            seen = state;
        }
        last = state;
        tokio::select! {
            () = sleep(LOOK) => {}
            () = sleep_until(until) => return Err(nobody()),
        }
    }
}

fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// The bytes of a file, as many as a picture may have and one more.
async fn load(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let most = picture::BYTES_MAX as u64 + 1;
    if is_stdin(path) {
        tokio::io::stdin().take(most).read_to_end(&mut bytes).await?;
    } else {
        File::open(path).await?.take(most).read_to_end(&mut bytes).await?;
    }
    Ok(bytes)
}

fn nobody() -> Ending {
    Ending::new(Kind::Code, "nobody answered in time; run the same command again for a new text")
}

/// What was pasted so far.
#[derive(Default)]
struct Message {
    text: Vec<u8>,
    /// Why it is not what is wanted, if it looks like it.
    fault: Option<TextError>,
}

impl Message {
    fn add(&mut self, content: &[u8]) {
        self.text.extend_from_slice(content);
        let excess = self.text.len().saturating_sub(MESSAGE_MAX);
        self.text.drain(..excess);
    }

    fn search<T>(&mut self, wanted: impl Fn(&Found) -> Result<T, TextError>) -> Option<T> {
        match find(&String::from_utf8_lossy(&self.text)).and_then(|found| wanted(&found)) {
            Ok(value) => Some(value),
            Err(TextError::Nothing) => None,
            Err(fault) => {
                self.fault = Some(fault);
                None
            }
        }
    }
}
