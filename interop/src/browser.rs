//! Starts a headless browser with a fresh profile.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::bidi::{Bidi, Result};

/// A name for this machine that browsers do not take for loopback: over plain HTTP its pages have no secure context.
pub const INSECURE_HOST: &str = "peerage.test";

/// How long a browser may take to start.
const START_TIMEOUT: Duration = Duration::from_secs(90);

/// What gives Chromium a camera and a microphone without asking anybody, and lets sound play in a page nobody touched. A
/// screen is chosen without asking, too.
const FAKE_MEDIA_OF_CHROMIUM: [&str; 4] = [
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
    "--auto-select-desktop-capture-source=Entire screen",
];

/// The same for Firefox.
const FAKE_MEDIA_OF_FIREFOX: [(&str, &str); 4] = [
    ("media.navigator.streams.fake", "true"),
    ("media.navigator.permission.disabled", "true"),
    ("media.autoplay.default", "0"),
    ("media.autoplay.blocking_policy", "0"),
];

/// The browsers that are driven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Debian's `chromium`, through `chromedriver`.
    Chromium,
    /// Debian's `firefox-esr`, which speaks BiDi itself.
    Firefox,
}

/// What is not as usual.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Host addresses are hidden behind `.local` names and loopback is not used, as people have it.
    pub hide_addresses: bool,
    /// Camera and microphone are there and permitted: a moving test picture and a tone, as each browser makes them.
    pub fake_media: bool,
    /// An authority (PEM) that is believed, also for relays.
    pub authority: Option<PathBuf>,
    /// Field trials that Chromium takes part in, as `Name/Group/` one after the other.
    pub trials: &'static str,
    /// Preferences of Firefox, with values as its `user.js` has them.
    pub preferences: &'static [(&'static str, &'static str)],
}

/// A running browser with one tab.
pub struct Browser {
    kind: Kind,
    bidi: Bidi,
    context: String,
    // Dropped in this order: the processes, then the folder they write to.
    _process: Group,
    _profile: TempDir,
}

impl Browser {
    /// Starts one that offers its addresses, loopback among them.
    pub async fn start(kind: Kind) -> Result<Self> {
        Self::start_with(kind, Options::default()).await
    }

    /// Starts one with options.
    pub async fn start_with(kind: Kind, options: Options) -> Result<Self> {
        let start = async {
            match kind {
                Kind::Chromium => chromium(options).await,
                Kind::Firefox => firefox(options).await,
            }
        };
        let (process, profile, mut bidi) = tokio::time::timeout(START_TIMEOUT, start)
            .await
            .map_err(|_| format!("{kind:?} did not start within {START_TIMEOUT:?}"))??;
        let tree = bidi.command("browsingContext.getTree", json!({})).await?;
        let context = tree["contexts"][0]["context"].as_str().ok_or("the browser has no tab")?.to_owned();
        Ok(Self { kind, bidi, context, _process: process, _profile: profile })
    }

    /// Which browser it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Opens a page and waits until it is loaded.
    pub async fn open(&mut self, url: &str) -> Result<()> {
        let params = json!({"context": self.context, "url": url, "wait": "complete"});
        self.bidi.command("browsingContext.navigate", params).await.map(drop)
    }

    /// Runs an expression (a promise is awaited) and returns its value, which must survive `JSON.stringify`.
    pub async fn run(&mut self, expression: &str) -> Result<Value> {
        self.evaluate(expression, false).await
    }

    /// The same as if somebody had just pressed something, which browsers ask for before they show a screen.
    pub async fn run_pressed(&mut self, expression: &str) -> Result<Value> {
        self.evaluate(expression, true).await
    }

    async fn evaluate(&mut self, expression: &str, pressed: bool) -> Result<Value> {
        let wrapped = format!("(async () => JSON.stringify((await ({expression})) ?? null))()");
        let params = json!({
            "expression": wrapped,
            "target": {"context": self.context},
            "awaitPromise": true,
            "resultOwnership": "none",
            "userActivation": pressed,
        });
        let reply = self.bidi.command("script.evaluate", params).await?;
        if reply["type"] == "exception" {
            return Err(format!("{:?}: {}", self.kind, reply["exceptionDetails"]["text"]));
        }
        let text = reply["result"]["value"].as_str().ok_or_else(|| format!("no value: {reply}"))?;
        serde_json::from_str(text).map_err(|e| e.to_string())
    }

    /// Runs an expression again and again until it is truthy; returns its value.
    pub async fn until(&mut self, expression: &str, limit: Duration) -> Result<Value> {
        let poll = format!(
            "(async () => {{ const end = Date.now() + {}; for (;;) {{ const v = await ({expression}); if (v) return v; \
             if (Date.now() > end) return null; await new Promise(r => setTimeout(r, 50)); }} }})()",
            limit.as_millis()
        );
        match self.run(&poll).await? {
            Value::Null => Err(format!("{:?}: not within {limit:?}: {expression}", self.kind)),
            value => Ok(value),
        }
    }

    /// Puts files into an `<input type=file>` found by a CSS selector.
    pub async fn set_files(&mut self, selector: &str, files: &[&Path]) -> Result<()> {
        let found = self
            .bidi
            .command(
                "browsingContext.locateNodes",
                json!({"context": self.context, "locator": {"type": "css", "value": selector}}),
            )
            .await?;
        let id = found["nodes"][0]["sharedId"].as_str().ok_or_else(|| format!("no element {selector}"))?;
        let params = json!({"context": self.context, "element": {"sharedId": id}, "files": files});
        self.bidi.command("input.setFiles", params).await.map(drop)
    }

    /// Ends the tab's page at once, as closing the tab does; the browser stays.
    pub async fn leave_page(&mut self) -> Result<()> {
        self.open("about:blank").await
    }

    /// The processes of the browser.
    pub fn process_group(&self) -> Option<u32> {
        self._process.0.id()
    }

    /// Sets the size of the page in CSS pixels.
    pub async fn set_viewport(&mut self, width: u32, height: u32) -> Result<()> {
        let params = json!({"context": self.context, "viewport": {"width": width, "height": height}});
        self.bidi.command("browsingContext.setViewport", params).await.map(drop)
    }

    /// A picture of the page, as PNG.
    pub async fn screenshot(&mut self) -> Result<String> {
        let reply = self.bidi.command("browsingContext.captureScreenshot", json!({"context": self.context})).await?;
        Ok(reply["data"].as_str().unwrap_or_default().to_owned())
    }
}

/// A process and all that it started, ended when dropped: a driver does not end its browser when it is killed.
struct Group(Child);

impl Drop for Group {
    fn drop(&mut self) {
        let leader = self.0.id().and_then(|id| rustix::process::Pid::from_raw(id as i32));
        if let Some(leader) = leader {
            // It may have ended already.
            let _ = rustix::process::kill_process_group(leader, rustix::process::Signal::KILL);
        }
    }
}

async fn chromium(options: Options) -> Result<(Group, TempDir, Bidi)> {
    let binary = find(&["chromium", "chromium-browser", "google-chrome"])?;
    let driver = find(&["chromedriver"])?;
    let profile = tempfile::tempdir().map_err(|e| e.to_string())?;
    let mut process = command(&driver, profile.path())
        .arg("--port=0")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map(Group)
        .map_err(|e| format!("{}: {e}", driver.display()))?;
    let out = process.0.stdout.take().expect("stdout is piped");
    let port = line_with(out, "successfully on port ").await?;
    let port: u16 = port.trim_end_matches('.').parse().map_err(|_| format!("no port in {port:?}"))?;
    let user_data = profile.path().join("profile");
    let mut args = vec![
        "--headless=new".to_owned(),
        "--no-sandbox".into(),
        "--disable-gpu".into(),
        "--disable-dev-shm-usage".into(),
        "--disable-quic".into(),
        "--no-first-run".into(),
        "--disable-background-networking".into(),
        "--disable-component-update".into(),
        "--disable-sync".into(),
        format!("--host-resolver-rules=MAP {INSECURE_HOST} 127.0.0.1"),
        format!("--user-data-dir={}", user_data.display()),
    ];
    if !options.hide_addresses {
        args.push("--disable-features=WebRtcHideLocalIpsWithMdns".into());
        args.push("--allow-loopback-in-peer-connection".into());
    }
    if options.fake_media {
        args.extend(FAKE_MEDIA_OF_CHROMIUM.map(str::to_owned));
    }
    if !options.trials.is_empty() {
        args.push(format!("--force-fieldtrials={}", options.trials));
    }
    if options.authority.is_some() {
        args.push("--ignore-certificate-errors".into());
    }
    let capabilities = json!({"capabilities": {"alwaysMatch": {
        "webSocketUrl": true,
        "unhandledPromptBehavior": "accept",
        "goog:chromeOptions": {"binary": binary, "args": args},
    }}});
    let reply = post(port, "/session", &capabilities).await?;
    let url = reply["value"]["capabilities"]["webSocketUrl"]
        .as_str()
        .ok_or_else(|| format!("chromedriver gave no BiDi address: {reply}"))?;
    Ok((process, profile, Bidi::connect(url).await?))
}

async fn firefox(options: Options) -> Result<(Group, TempDir, Bidi)> {
    let binary = find(&["firefox-esr", "firefox"])?;
    let profile = tempfile::tempdir().map_err(|e| e.to_string())?;
    let visible = if options.hide_addresses { "false" } else { "true" };
    let hidden = if options.hide_addresses { "true" } else { "false" };
    let prefs = [
        ("media.peerconnection.ice.loopback", visible),
        ("media.peerconnection.ice.obfuscate_host_addresses", hidden),
        ("network.dns.localDomains", &format!("\"{INSECURE_HOST}\"")),
        ("network.captive-portal-service.enabled", "false"),
        ("network.connectivity-service.enabled", "false"),
        ("app.update.disabledForTesting", "true"),
        ("browser.shell.checkDefaultBrowser", "false"),
        ("datareporting.policy.dataSubmissionEnabled", "false"),
        ("toolkit.telemetry.reportingpolicy.firstRun", "false"),
        ("services.settings.server", "\"data:,#remote-settings-dummy/v1\""),
        ("browser.safebrowsing.update.enabled", "false"),
    ];
    let fake: &[_] = if options.fake_media { &FAKE_MEDIA_OF_FIREFOX } else { &[] };
    let all = prefs.iter().chain(fake).chain(options.preferences);
    let text: String = all.map(|(k, v)| format!("user_pref(\"{k}\", {v});\n")).collect();
    std::fs::write(profile.path().join("user.js"), text).map_err(|e| e.to_string())?;
    if let Some(authority) = &options.authority {
        believe(authority, profile.path()).await?;
    }
    let mut process = command(&binary, profile.path())
        .args(["--headless", "--no-remote", "--remote-debugging-port", "0", "--profile"])
        .arg(profile.path())
        .arg("about:blank")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map(Group)
        .map_err(|e| format!("{}: {e}", binary.display()))?;
    let err = process.0.stderr.take().expect("stderr is piped");
    let url = line_with(err, "WebDriver BiDi listening on ").await?;
    let mut bidi = Bidi::connect(&format!("{url}/session")).await?;
    bidi.command("session.new", json!({"capabilities": {}})).await?;
    Ok((process, profile, bidi))
}

/// Puts an authority among those that Firefox believes: what a driver lets pass for pages does not count for relays.
async fn believe(authority: &Path, profile: &Path) -> Result<()> {
    let certutil = find(&["certutil"])?;
    let database = format!("sql:{}", profile.display());
    let add = ["-A", "-d", &database, "-n", "test", "-t", "C,,", "-i", &authority.to_string_lossy()];
    for args in [&["-N", "-d", &database, "--empty-password"][..], &add] {
        let status = command(&certutil, profile).args(args).status().await.map_err(|e| e.to_string())?;
        if !status.success() {
            return Err(format!("certutil {args:?}: {status}"));
        }
    }
    Ok(())
}

/// A command that leads a process group of its own and writes nowhere but into `home`.
fn command(program: &Path, home: &Path) -> Command {
    let mut command = Command::new(program);
    command.process_group(0).kill_on_drop(true).stdin(Stdio::null()).env("HOME", home).env("TMPDIR", home);
    command
}

/// What follows `mark` on the first line that has it. The stream is read on, so that the process never blocks on it.
async fn line_with(stream: impl tokio::io::AsyncRead + Unpin + Send + 'static, mark: &str) -> Result<String> {
    let mut lines = BufReader::new(stream).lines();
    while let Some(line) = lines.next_line().await.map_err(|e| e.to_string())? {
        if let Some((_, rest)) = line.split_once(mark) {
            let rest = rest.trim().to_owned();
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return Ok(rest);
        }
    }
    Err(format!("the process ended without saying {mark:?}"))
}

fn find(names: &[&str]) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found =
        names.iter().find_map(|name| std::env::split_paths(&path).map(|dir| dir.join(name)).find(|p| p.is_file()));
    found.ok_or_else(|| format!("{} is not installed", names[0]))
}

/// A minimal HTTP POST of JSON to the driver on this machine.
async fn post(port: u16, path: &str, body: &Value) -> Result<Value> {
    let run = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        let body = body.to_string();
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await?;
        // The driver keeps the connection open whatever it is asked, so the length decides.
        let mut stream = BufReader::new(stream);
        let mut length = 0;
        let mut line = String::new();
        while stream.read_line(&mut line).await? > 2 {
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
            line.clear();
        }
        let mut reply = vec![0; length];
        stream.read_exact(&mut reply).await?;
        Ok::<_, std::io::Error>(reply)
    };
    let reply = run.await.map_err(|e| format!("chromedriver: {e}"))?;
    serde_json::from_slice(&reply).map_err(|e| format!("chromedriver: {e}"))
}
