//! The `peerage` binary as the tests run it: a server, and commands with JSON output.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::sync::{OnceCell, mpsc};

use crate::bidi::Result;
use crate::browser::INSECURE_HOST;

/// How long a server may take to start.
const START: Duration = Duration::from_secs(20);

/// The binary named by `PEERAGE_BINARY`, or else one that is built once per test program, into the folder that this
/// program was built in.
pub async fn binary() -> Result<PathBuf> {
    static BUILT: OnceCell<Result<PathBuf>> = OnceCell::const_new();
    BUILT.get_or_init(build).await.clone()
}

async fn build() -> Result<PathBuf> {
    if let Some(named) = std::env::var_os("PEERAGE_BINARY") {
        return Ok(named.into());
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("no workspace above")?;
    // target/debug/deps/this-test: two up is the profile's folder, three the target folder.
    let here = std::env::current_exe().map_err(|e| e.to_string())?;
    let profile = here.ancestors().nth(2).ok_or("not run by cargo")?;
    let target = profile.parent().ok_or("not run by cargo")?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(root).args(["build", "--quiet", "--package", "peerage-cli"]).env("CARGO_TARGET_DIR", target);
    if profile.ends_with("release") {
        command.arg("--release");
    }
    let status = command.status().await.map_err(|e| e.to_string())?;
    if status.success() { Ok(profile.join("peerage")) } else { Err(format!("cargo build: {status}")) }
}

/// A running `peerage serve` on loopback. Ends when dropped.
pub struct Server {
    /// Where it serves.
    pub url: String,
    address: String,
    _process: Child,
}

impl Server {
    /// Starts one on free ports.
    pub async fn start() -> Result<Self> {
        Self::start_with(&[]).await
    }

    /// Starts one on free ports with further arguments.
    pub async fn start_with(args: &[&str]) -> Result<Self> {
        let mut server = Self::run(&[&["--listen", "127.0.0.1:0", "--stun", "127.0.0.1:0"][..], args].concat()).await?;
        let scheme = if args.contains(&"--tls-cert") { "https" } else { "http" };
        server.url = format!("{scheme}://{}", server.address);
        Ok(server)
    }

    /// Starts one that is reached by a name which gives no secure context.
    pub async fn start_insecure() -> Result<Self> {
        // Free at this moment; nothing else on this machine asks for ports by number.
        let port =
            std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).map_err(|e| e.to_string())?.port();
        let url = format!("http://{INSECURE_HOST}:{port}");
        let listen = format!("127.0.0.1:{port}");
        let mut server = Self::run(&["--listen", &listen, "--public-url", &url, "--stun", "127.0.0.1:0"]).await?;
        server.url = url;
        Ok(server)
    }

    /// Starts one at these addresses, for a namespace of its own; the first one serves everything, all serve STUN.
    pub async fn start_at(addresses: &[Ipv4Addr], args: &[&str]) -> Result<Self> {
        let first = addresses.first().ok_or("no address")?;
        let mut all = vec!["--listen".to_owned(), format!("{first}:8080")];
        for address in addresses {
            all.extend(["--stun".to_owned(), format!("{address}:3478")]);
        }
        let all: Vec<&str> = all.iter().map(String::as_str).chain(args.iter().copied()).collect();
        let mut server = Self::run(&all).await?;
        server.url = format!("http://{}", server.address);
        Ok(server)
    }

    async fn run(args: &[&str]) -> Result<Self> {
        let mut process = Command::new(binary().await?)
            .arg("serve")
            .args(args)
            .kill_on_drop(true)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .map_err(|e| e.to_string())?;
        let mut lines = BufReader::new(process.stdout.take().ok_or("no output")?).lines();
        let find = async {
            while let Some(line) = lines.next_line().await.map_err(|e| e.to_string())? {
                if let Some((_, rest)) = line.split_once("HTTP and WebSocket on ") {
                    return Ok(rest.split_whitespace().next().unwrap_or_default().to_owned());
                }
            }
            Err("the server ended".to_owned())
        };
        let address = tokio::time::timeout(START, find).await.map_err(|_| "the server did not start".to_owned())??;
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(Self { url: String::new(), address, _process: process })
    }
}

/// `peerage ARGS --json` with a state folder and a working folder of its own. Ends with its handle.
async fn command(args: &[&str], home: &Path) -> Result<Command> {
    let mut command = Command::new(binary().await?);
    command.args(args).arg("--json").current_dir(home).env("HOME", home);
    command.env("XDG_STATE_HOME", home.join("state")).kill_on_drop(true);
    Ok(command)
}

/// A running command with `--json`. Ends when dropped.
pub struct Run {
    process: Child,
    events: Lines<BufReader<ChildStdout>>,
}

impl Run {
    /// Starts `peerage ARGS --json` with a state folder and a working folder of its own.
    pub async fn start(args: &[&str], home: &Path) -> Result<Self> {
        let mut process = command(args, home)
            .await?
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .map_err(|e| e.to_string())?;
        let events = BufReader::new(process.stdout.take().ok_or("no output")?).lines();
        Ok(Self { process, events })
    }

    /// The next event of a kind; an `error` event fails, others are passed over.
    pub async fn event(&mut self, kind: &str, limit: Duration) -> Result<Value> {
        self.event_seeing(kind, kind, limit, |_| {}).await
    }

    /// The same, with a look at events of another kind that come before.
    pub async fn event_seeing(
        &mut self,
        kind: &str,
        other: &str,
        limit: Duration,
        mut see: impl FnMut(&Value),
    ) -> Result<Value> {
        let find = async {
            while let Some(line) = self.events.next_line().await.map_err(|e| e.to_string())? {
                let event: Value = serde_json::from_str(&line).map_err(|e| format!("{e}: {line}"))?;
                if event["event"] == kind {
                    return Ok(event);
                }
                if event["event"] == other {
                    see(&event);
                }
                if event["event"] == "error" {
                    return Err(line);
                }
            }
            Err(format!("it ended without {kind:?}"))
        };
        tokio::time::timeout(limit, find).await.map_err(|_| format!("no {kind:?} within {limit:?}"))?
    }

    /// Its process.
    pub fn id(&self) -> Option<u32> {
        self.process.id()
    }

    /// Ends it without a chance to say goodbye.
    pub async fn kill(mut self) -> Result<()> {
        self.process.kill().await.map_err(|e| e.to_string())
    }

    /// Waits for the end and returns the exit code.
    pub async fn end(mut self, limit: Duration) -> Result<i32> {
        let wait = async {
            while let Ok(Some(_)) = self.events.next_line().await {}
            self.process.wait().await.map_err(|e| e.to_string())
        };
        let status = tokio::time::timeout(limit, wait).await.map_err(|_| "it did not end".to_owned())??;
        status.code().ok_or_else(|| status.to_string())
    }
}

/// A running `peerage pipe --json`, or `offer` or `answer`: data on standard input and output, events on standard error. Ends when dropped.
pub struct Pipe {
    process: Child,
    input: Option<ChildStdin>,
    output: ChildStdout,
    events: mpsc::UnboundedReceiver<Value>,
}

impl Pipe {
    /// Starts `peerage pipe ARGS --json`.
    pub async fn start(args: &[&str], home: &Path) -> Result<Self> {
        Self::start_as(&[&["pipe"], args].concat(), home).await
    }

    /// Starts another command that joins the streams: `peerage ARGS --json`.
    pub async fn start_as(args: &[&str], home: &Path) -> Result<Self> {
        let mut process = command(args, home)
            .await?
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| e.to_string())?;
        let output = process.stdout.take().ok_or("no output")?;
        let events = events_of(process.stderr.take().ok_or("no events")?);
        Ok(Self { input: process.stdin.take(), process, output, events })
    }

    /// The next event of a kind; an `error` event fails, others and logs are passed over.
    pub async fn event(&mut self, kind: &str, limit: Duration) -> Result<Value> {
        let find = async {
            while let Some(event) = self.events.recv().await {
                if event["event"] == kind {
                    return Ok(event);
                }
                if event["event"] == "error" {
                    return Err(event.to_string());
                }
            }
            Err(format!("it ended without {kind:?}"))
        };
        tokio::time::timeout(limit, find).await.map_err(|_| format!("no {kind:?} within {limit:?}"))?
    }

    /// Feeds standard input.
    pub async fn write(&mut self, bytes: &[u8], limit: Duration) -> Result<()> {
        let input = self.input.as_mut().ok_or("standard input is closed")?;
        let write = async { input.write_all(bytes).await.map_err(|e| e.to_string()) };
        tokio::time::timeout(limit, write).await.map_err(|_| format!("nothing taken within {limit:?}"))?
    }

    /// Ends standard input.
    pub fn end_input(&mut self) {
        self.input = None;
    }

    /// Reads exactly so many bytes of standard output.
    pub async fn read(&mut self, length: usize, limit: Duration) -> Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        let read = async { self.output.read_exact(&mut bytes).await.map_err(|e| e.to_string()) };
        tokio::time::timeout(limit, read).await.map_err(|_| format!("no {length} bytes within {limit:?}"))??;
        Ok(bytes)
    }

    /// Waits for the end and returns the exit code.
    pub async fn end(mut self, limit: Duration) -> Result<i32> {
        self.input = None;
        let wait = async {
            let _ = tokio::io::copy(&mut self.output, &mut tokio::io::sink()).await;
            self.process.wait().await.map_err(|e| e.to_string())
        };
        let status = tokio::time::timeout(limit, wait).await.map_err(|_| "it did not end".to_owned())??;
        status.code().ok_or_else(|| status.to_string())
    }
}

/// The JSON objects among the lines; everything else is a log, which goes where the test's own output goes.
fn events_of(stderr: ChildStderr) -> mpsc::UnboundedReceiver<Value> {
    let (to_test, events) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut lines = BufReader::new(stderr).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            match serde_json::from_str(&line) {
                // The test may have heard enough.
                Ok(event) => drop(to_test.send(event)),
                Err(_) => eprintln!("{line}"),
            }
        }
    });
    events
}
