//! Other stacks, each installed into a folder of its own and run as a small script that echoes on a channel.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use peerage::SessionDescription;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::bidi::Result;
use crate::pair::description;

/// How long an installation may take.
const INSTALL: Duration = Duration::from_secs(300);
/// How long a description may take.
const LIMIT: Duration = Duration::from_secs(30);

/// The stacks, each in the version it was tested with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stack {
    /// libdatachannel, by `node-datachannel`.
    NodeDatachannel,
    /// `werift`, in TypeScript.
    Werift,
    /// `aiortc`, in Python.
    Aiortc,
}

/// A stack that is installed. Gone when dropped.
pub struct Installed {
    stack: Stack,
    folder: TempDir,
}

/// A running script. Ends when dropped.
pub struct Peer {
    input: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    _process: Child,
}

impl Installed {
    /// Installs a stack with its own package manager; an error if that cannot be done here.
    pub async fn new(stack: Stack) -> Result<Self> {
        let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
        let install = async {
            match stack {
                Stack::NodeDatachannel => npm(folder.path(), "node-datachannel@0.33.4").await,
                Stack::Werift => npm(folder.path(), "werift@0.25.2").await,
                Stack::Aiortc => {
                    run(Command::new("python3").args(["-m", "venv"]).arg(folder.path())).await?;
                    let pip = folder.path().join("bin/pip");
                    run(Command::new(pip).args(["install", "--quiet", "--only-binary", ":all:", "aiortc==1.16.0"]))
                        .await
                }
            }
        };
        tokio::time::timeout(INSTALL, install).await.map_err(|_| format!("{stack:?}: not installed in time"))??;
        Ok(Self { stack, folder })
    }

    /// Starts a peer that makes the offer, or waits for one.
    pub fn start(&self, offers: bool) -> Result<Peer> {
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("foreign");
        let (program, script) = match self.stack {
            Stack::NodeDatachannel => (PathBuf::from("node"), "node-datachannel.mjs"),
            Stack::Werift => (PathBuf::from("node"), "werift.mjs"),
            Stack::Aiortc => (self.folder.path().join("bin/python"), "aiortc.py"),
        };
        let mut process = Command::new(program)
            // Python would look for the stack beside the script, which has its name.
            .env("PYTHONSAFEPATH", "1")
            .arg(scripts.join(script))
            .arg(if offers { "offer" } else { "answer" })
            .current_dir(self.folder.path())
            .kill_on_drop(true)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .map_err(|e| e.to_string())?;
        let input = process.stdin.take().ok_or("no input")?;
        let lines = BufReader::new(process.stdout.take().ok_or("no output")?).lines();
        Ok(Peer { input, lines, _process: process })
    }
}

impl Peer {
    /// What it offers or answers, with all its candidates.
    pub async fn description(&mut self) -> Result<SessionDescription> {
        let read = async {
            while let Some(line) = self.lines.next_line().await.map_err(|e| e.to_string())? {
                // Some stacks print notes of their own.
                if let Ok(value) = serde_json::from_str::<Value>(&line) {
                    return description(&value);
                }
            }
            Err("it ended".to_owned())
        };
        tokio::time::timeout(LIMIT, read).await.map_err(|_| "no description in time".to_owned())?
    }

    /// Hands it a description with all its candidates.
    pub async fn take(&mut self, description: &SessionDescription) -> Result<()> {
        let line = json!({"type": description.kind.as_str(), "sdp": description.sdp}).to_string() + "\n";
        self.input.write_all(line.as_bytes()).await.map_err(|e| e.to_string())
    }
}

async fn npm(folder: &Path, package: &str) -> Result<()> {
    run(Command::new("npm").args(["install", "--no-audit", "--no-fund", "--prefix"]).arg(folder).arg(package)).await
}

async fn run(command: &mut Command) -> Result<()> {
    let output = command.kill_on_drop(true).stdin(Stdio::null()).output().await.map_err(|e| e.to_string())?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}
