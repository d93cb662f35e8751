//! Two processes, their files and what they say.
#![allow(dead_code, reason = "each test uses a part of it")]

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

/// How long anything here may take; generous, as the machine may be busy.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// A place of its own for every test: sources, outputs, remembered transfers.
pub struct World {
    pub root: tempfile::TempDir,
}

/// A running `peerage`, whose JSON events are read as they come.
pub struct Peerage {
    pub child: Child,
    pub events: Receiver<String>,
    pub seen: Vec<Value>,
}

/// A `peerage` that says on standard output what it has to say.
pub fn peerage(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_peerage"));
    command.args(args).env_remove("PEERAGE_SERVER");
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    command
}

impl World {
    pub fn new() -> Self {
        Self { root: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub fn file(&self, name: &str, length: usize) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, noise(length)).unwrap();
        path
    }

    /// `side` has memories of its own.
    pub fn command(&self, side: &str, args: &[&str]) -> Command {
        let mut command = peerage(args);
        command.env("XDG_STATE_HOME", self.path(side));
        command
    }

    pub fn start(&self, side: &str, args: &[&str]) -> Peerage {
        Peerage::reading_stdout(self.command(side, args).spawn().unwrap())
    }

    pub fn send(&self, args: &[&str]) -> Peerage {
        self.start("sender", &[&["send", "--json"], args].concat())
    }

    pub fn receive(&self, out: &Path, link: &str) -> Peerage {
        self.start("receiver", &["receive", "--json", "--out", out.to_str().unwrap(), link])
    }
}

impl Peerage {
    pub fn reading_stdout(mut child: Child) -> Self {
        let stdout = child.stdout.take().unwrap();
        Self::reading(child, stdout)
    }

    pub fn reading(child: Child, status: impl Read + Send + 'static) -> Self {
        let (to_owner, events) = channel();
        thread::spawn(move || {
            for line in BufReader::new(status).lines().map_while(Result::ok) {
                if to_owner.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, events, seen: Vec::new() }
    }

    /// Waits for an event for which `wanted` holds.
    #[track_caller]
    pub fn until(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let line = match self.events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => line,
                Err(error) => panic!("no {what}: {error}; had {:?}", self.seen),
            };
            let event: Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"));
            self.seen.push(event.clone());
            if wanted(&event) {
                return event;
            }
        }
    }

    #[track_caller]
    pub fn event(&mut self, name: &str) -> Value {
        self.until(name, |event| event["event"] == name)
    }

    #[track_caller]
    pub fn link(&mut self) -> String {
        self.event("code")["link"].as_str().unwrap().to_owned()
    }

    /// Waits until some bytes, but not all, have arrived.
    #[track_caller]
    pub fn midway(&mut self, at_least: u64) {
        let event = self.until("progress", |event| event["bytes"].as_u64() >= Some(at_least));
        assert!(event["bytes"].as_u64() < event["total"].as_u64(), "too fast to be interrupted: {event}");
    }

    #[track_caller]
    pub fn exit_code(&mut self) -> Option<i32> {
        for _ in 0..PATIENCE.as_millis() / 20 {
            if let Some(status) = self.child.try_wait().unwrap() {
                self.seen.extend(self.events.iter().map(|line| serde_json::from_str::<Value>(&line).unwrap()));
                return status.code();
            }
            thread::sleep(Duration::from_millis(20));
        }
        panic!("still running; had {:?}", self.seen)
    }

    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn interrupt(&self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    }

    /// Ends it as Ctrl-C does, and gives its exit code.
    #[track_caller]
    pub fn interrupted(&mut self) -> Option<i32> {
        self.interrupt();
        self.exit_code()
    }

    pub fn has(&self, name: &str) -> bool {
        self.seen.iter().any(|event| event["event"] == name)
    }

    pub fn last(&self) -> &Value {
        self.seen.last().unwrap()
    }
}

/// A running `peerage serve`.
pub struct Server {
    child: Child,
    pub url: String,
}

impl Server {
    pub fn start(world: &World, args: &[&str]) -> Self {
        let fixed = ["serve", "--listen", "127.0.0.1:0", "--stun", "127.0.0.1:0"];
        let mut child = world.command("server", &[&fixed, args].concat()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = lines.next().unwrap().unwrap();
        let url = first.rsplit(' ').next().unwrap().to_owned();
        thread::spawn(move || lines.for_each(drop));
        Self { child, url }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Peerage {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Bytes that do not repeat.
pub fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64 ^ length as u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let mut bytes: Vec<u8> = (0..length.div_ceil(8)).flat_map(|_| next()).collect();
    bytes.truncate(length);
    bytes
}

pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

pub fn same(a: &Path, b: &Path) -> bool {
    fs::read(a).unwrap() == fs::read(b).unwrap()
}

pub fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

impl Peerage {
    /// Bytes that the first progress of a finished run reports.
    pub fn until_kept(&self) -> u64 {
        let first = self.seen.iter().find(|event| event["event"] == "progress");
        first.and_then(|event| event["bytes"].as_u64()).unwrap_or(0)
    }
}
