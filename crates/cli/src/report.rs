//! What the user sees: text and a progress bar, or one JSON object a line.

use std::io::{IsTerminal as _, Write as _, stderr, stdout};
use std::time::Duration;

use fast_qr::ECL;
use fast_qr::qr::{QRBuilder, QRCode};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use peerage_signal::compact::description::Description;
use peerage_signal::compact::error::DoesNotFit;
use serde::Serialize;
use tokio::time::Instant;

use crate::args::text::SpellingArgs;
use crate::ending::Ending;
use crate::text::{plain, size};

/// How often progress is told in JSON.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(250);

/// Modules along a side of a QR code of version 6.
const SIDE_MAX: usize = 41;

/// Where this run reports to.
pub struct Report {
    json: bool,
    /// Standard output carries data, so that everything else goes to standard error.
    data_on_stdout: bool,
    bar: Option<ProgressBar>,
    route: String,
    told: Option<(Instant, u64)>,
    /// Between `begin` and the end of it.
    moving: bool,
    /// Which of several this is about: a code, told with everything that is said.
    about: Option<String>,
}

/// How two peers are connected.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Connected {
    /// `host`, `srflx`, `prflx` or `relay`.
    pub local: &'static str,
    /// The same of the other side.
    pub remote: &'static str,
    /// `udp`, `tcp`, or, to a relay, `tls`.
    pub protocol: &'static str,
    /// Round-trip time.
    pub rtt_ms: Option<f64>,
    /// From both being in the room to the connection.
    pub connect_ms: u64,
}

impl Connected {
    /// `direct` or `relayed`.
    pub fn route(&self) -> &'static str {
        if self.local == "relay" || self.remote == "relay" { "relayed" } else { "direct" }
    }
}

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Event<'a> {
    Code { code: &'a str, link: &'a str },
    Connected(&'a Connected),
    Progress { bytes: u64, total: u64 },
    File { path: &'a str, bytes: u64, sha256: &'a str },
    Done { bytes: u64, seconds: f64, sha256: &'a str },
    Error { kind: &'a str, message: &'a str },
    Restarted { path: &'a str },
    Skipped { path: &'a str, reason: &'a str },
    Waiting { seconds: u64, reason: &'a str },
    Unusable { message: &'a str },
}

/// A session text in its spellings.
#[derive(Serialize)]
struct SessionText<'a> {
    event: &'a str,
    text: &'a str,
    qr: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    words: Option<&'a str>,
}

impl Report {
    /// Reports as text or JSON.
    pub fn new(json: bool, data_on_stdout: bool) -> Self {
        Self { json, data_on_stdout, bar: None, route: String::new(), told: None, moving: false, about: None }
    }

    /// A report to the same place about one of several that go on at once: without a bar, and all that it says names
    /// `about`.
    pub fn about(&self, about: String) -> Self {
        Self { about: Some(about), ..Self::new(self.json, self.data_on_stdout) }
    }

    /// The code to hand to the other side, and the command that takes it; `picture`: also as a QR code, on a terminal.
    pub fn code(&self, code: &str, link: &str, command: &str, picture: bool) {
        if self.json {
            return self.emit(&Event::Code { code, link });
        }
        self.line(&format!("Code {code}   on the other machine: {command}"));
        let terminal = if self.data_on_stdout { stderr().is_terminal() } else { stdout().is_terminal() };
        if picture
            && terminal
            && let Ok(qr) = QRBuilder::new(link).build()
        {
            self.line(&qr.to_str());
        }
    }

    /// The session text to hand to the other side. `name`: `offer` or `answer`.
    pub fn text(&self, name: &str, description: &Description, args: &SpellingArgs) -> Result<(), DoesNotFit> {
        let (text, qr) = (description.to_text()?, description.to_qr()?);
        let words = if args.words { Some(description.to_words()?) } else { None };
        if self.json {
            self.emit(&SessionText { event: name, text: &text, qr: &qr, words: words.as_deref() });
            return Ok(());
        }
        self.line(&text);
        if let Some(words) = words {
            self.line(&words);
        }
        if args.qr
            && let Some(code) = text_code(&qr)
        {
            self.line(&code.to_str());
        }
        Ok(())
    }

    /// What was pasted is of no use; another one is waited for.
    pub fn unusable(&self, message: &str) {
        let message = plain(message);
        if self.json {
            self.emit(&Event::Unusable { message: &message });
        } else {
            self.note(&message);
        }
    }

    /// The connection stands, or takes another path.
    pub fn connected(&mut self, connected: &Connected) {
        connected.route().clone_into(&mut self.route);
        if let Some(bar) = &self.bar {
            bar.set_message(self.route.clone());
        }
        if self.json {
            return self.emit(&Event::Connected(connected));
        }
        let rtt = connected.rtt_ms.map(|rtt| format!(", {rtt:.1} ms round trip")).unwrap_or_default();
        let Connected { local, remote, protocol, .. } = connected;
        self.note(&format!("Connected, {} ({local} to {remote}, {protocol}{rtt})", self.route));
    }

    /// Bytes begin to move; `done` of `total` are there already.
    pub fn begin(&mut self, done: u64, total: u64) {
        self.end_bar();
        if !self.json && self.about.is_none() && stderr().is_terminal() {
            let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
            let template = "{wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta} {msg}";
            bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.set_message(self.route.clone());
            bar.set_position(done);
            bar.reset_eta();
            self.bar = Some(bar);
        }
        self.told = None;
        self.moving = true;
        self.progress(done, total);
    }

    /// `done` of `total` bytes are where they belong.
    pub fn progress(&mut self, done: u64, total: u64) {
        if !self.moving {
            return;
        }
        if let Some(bar) = &self.bar {
            bar.set_position(done);
        }
        let now = Instant::now();
        let due = self.told.is_none_or(|(when, what)| {
            done != what && (done == total || now.duration_since(when) >= PROGRESS_INTERVAL)
        });
        if self.json && due {
            self.told = Some((now, done));
            self.emit(&Event::Progress { bytes: done, total });
        }
    }

    /// One file is complete.
    pub fn file(&mut self, path: &str, bytes: u64, sha256: &str) {
        if self.json {
            self.emit(&Event::File { path, bytes, sha256 });
        } else {
            self.note(&format!("{}  {}", plain(path), size(bytes)));
        }
    }

    /// Everything is complete.
    pub fn done(&mut self, bytes: u64, elapsed: Duration, sha256: &str) {
        self.end_bar();
        let seconds = (elapsed.as_secs_f64() * 1000.0).round() / 1000.0;
        if self.json {
            return self.emit(&Event::Done { bytes, seconds, sha256 });
        }
        let rate = (bytes as f64 / elapsed.as_secs_f64().max(0.001)) as u64;
        self.note(&format!("Done: {} in {seconds:.1} s ({}/s), SHA-256 {sha256}", size(bytes), size(rate)));
    }

    /// The run ends before it is done.
    pub fn error(&mut self, ending: &Ending) {
        self.end_bar();
        let message = plain(&ending.message);
        if self.json {
            self.emit(&Event::Error { kind: ending.kind.as_str(), message: &message });
        } else {
            self.note(&format!("peerage: {message}"));
        }
    }

    /// A file that was sent in part is sent from the start, since it changed.
    pub fn restarted(&mut self, path: &str) {
        if self.json {
            self.emit(&Event::Restarted { path });
        } else {
            self.note(&format!("{} changed since it was sent in part; it starts afresh", plain(path)));
        }
    }

    /// Something is not sent.
    pub fn skipped(&mut self, path: &str, reason: &str) {
        if self.json {
            self.emit(&Event::Skipped { path, reason });
        } else {
            self.note(&format!("Left out: {} ({reason})", plain(path)));
        }
    }

    /// The peer is gone and may come back.
    pub fn waiting(&mut self, wait: Duration, reason: &str) {
        self.end_bar();
        let reason = plain(reason);
        if self.json {
            self.emit(&Event::Waiting { seconds: wait.as_secs(), reason: &reason });
        } else {
            self.note(&format!("{reason}; waiting {} s for the other side to come back", wait.as_secs()));
        }
    }

    /// One line that stands still and is written over, on a terminal.
    pub fn status(&mut self, text: &str) {
        if self.json || !stderr().is_terminal() {
            return;
        }
        let bar = self.bar.get_or_insert_with(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            let style = ProgressStyle::with_template("{wide_msg}").unwrap_or_else(|_| ProgressStyle::default_spinner());
            bar.with_style(style)
        });
        bar.set_message(text.to_owned());
        bar.tick();
    }

    /// Takes the line of `status` away.
    pub fn end_status(&mut self) {
        self.end_bar();
    }

    /// Whether a program reads this.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// An event of a command's own, for a program.
    pub fn event(&self, event: &impl Serialize) {
        if self.json {
            self.emit(event);
        }
    }

    /// Something worth a line to a person, and none to a program.
    pub fn note(&self, text: &str) {
        if self.json {
            return;
        }
        let prefix = self.about.as_ref().map(|about| format!("[{about}] ")).unwrap_or_default();
        // A closed terminal is no reason to stop a transfer.
        let print = || drop(writeln!(stderr(), "{prefix}{text}"));
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    fn end_bar(&mut self) {
        self.moving = false;
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    fn line(&self, text: &str) {
        let _ = if self.data_on_stdout { writeln!(stderr(), "{text}") } else { writeln!(stdout(), "{text}") };
    }

    fn emit(&self, event: &impl Serialize) {
        let text = serde_json::to_string(event).expect("an event holds strings and numbers only");
        // A field more, for one of several.
        let text = match (&self.about, text.strip_suffix('}')) {
            (Some(about), Some(fields)) => {
                format!("{fields},\"receiver\":{}}}", serde_json::Value::from(about.as_str()))
            }
            _ => text,
        };
        self.line(&text);
        if !self.data_on_stdout {
            let _ = stdout().flush();
        }
    }
}

/// The QR code of a session text: of version 6 at most where that can be, for telephones read larger modules from farther
/// away, and texts have a checksum of their own.
fn text_code(text: &str) -> Option<QRCode> {
    let code = |level| QRBuilder::new(text).ecl(level).build().ok();
    code(ECL::M).filter(|code| code.size <= SIDE_MAX).or_else(|| code(ECL::L))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_call_fits_a_code_of_version_6() {
        // Of 60, 140 and 150 characters in base64url, and of a call.
        for (length, side) in [(66, 33), (154, 41), (165, 41), (308, 57)] {
            let code = text_code(&"A:7".repeat(length)[..length]).unwrap();
            assert!(code.size <= side, "{length} characters: {}", code.size);
        }
    }

    #[test]
    fn what_is_said_of_one_of_several_names_it() {
        let report = Report::new(true, true).about("7-guitar-sunset".into());
        assert!(report.is_json() && report.about.as_deref() == Some("7-guitar-sunset"));
    }

    #[test]
    fn events_have_the_fields_that_programs_rely_on() {
        let connected =
            Connected { local: "host", remote: "srflx", protocol: "udp", rtt_ms: Some(0.5), connect_ms: 12 };
        for (event, text) in [
            (Event::Code { code: "a-b", link: "l" }, r#"{"event":"code","code":"a-b","link":"l"}"#),
            (
                Event::Connected(&connected),
                r#"{"event":"connected","local":"host","remote":"srflx","protocol":"udp","rtt_ms":0.5,"connect_ms":12}"#,
            ),
            (Event::Progress { bytes: 1, total: 2 }, r#"{"event":"progress","bytes":1,"total":2}"#),
            (
                Event::File { path: "a/b", bytes: 1, sha256: "x" },
                r#"{"event":"file","path":"a/b","bytes":1,"sha256":"x"}"#,
            ),
            (
                Event::Done { bytes: 1, seconds: 0.25, sha256: "x" },
                r#"{"event":"done","bytes":1,"seconds":0.25,"sha256":"x"}"#,
            ),
            (Event::Error { kind: "gone", message: "m" }, r#"{"event":"error","kind":"gone","message":"m"}"#),
        ] {
            assert_eq!(serde_json::to_string(&event).unwrap(), text);
        }
    }
}
