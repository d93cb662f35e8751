//! Rooms with several peers, offers that are declined, peers that go away, and what a browser can take.

use std::path::{Path, PathBuf};
use std::time::Duration;

use peerage_crypto::hash::Sha256;
use peerage_interop::LIMIT;
use peerage_interop::bidi::Result;
use peerage_interop::browser::{Browser, Kind};
use peerage_interop::program::{Run, Server};
use peerage_interop::visit::{self, Offers};
use peerage_interop::{expect, memory};
use tempfile::TempDir;

const MIB: u64 = 1 << 20;
/// Long enough to be interrupted.
const LONG: u64 = 384 * MIB;

fn folder() -> Result<TempDir> {
    tempfile::tempdir().map_err(|e| e.to_string())
}

/// A file of `size` bytes, each MiB of which differs, and its hash.
fn file(folder: &Path, size: u64) -> Result<(PathBuf, String)> {
    let path = folder.join("long.bin");
    let mut hash = Sha256::new();
    let mut write = || -> std::io::Result<()> {
        use std::io::Write as _;
        let mut out = std::fs::File::create(&path)?;
        let mut piece = vec![0x5A; MIB as usize];
        for n in 0..size / MIB {
            piece[..8].copy_from_slice(&n.to_le_bytes());
            hash.update(&piece);
            out.write_all(&piece)?;
        }
        Ok(())
    };
    write().map_err(|e| e.to_string())?;
    Ok((path, hash.finish().iter().map(|b| format!("{b:02x}")).collect()))
}

async fn code_of(send: &mut Run) -> Result<String> {
    let event = send.event("code", LIMIT).await?;
    event["code"].as_str().map(str::to_owned).ok_or_else(|| format!("no code: {event}"))
}

/// Three pages and a command line in one room: everybody hears everybody, and a file goes to all who take files.
async fn crowd() -> Result<()> {
    let (server, source, out) = (Server::start().await?, folder()?, folder()?);
    let (path, sha256) = file(source.path(), 2 * MIB)?;
    let mut pages: Vec<Browser> = Vec::new();
    let mut code = String::new();
    for kind in [Kind::Chromium, Kind::Firefox, Kind::Chromium] {
        let mut browser = visit::open(kind, &server.url).await?;
        if pages.is_empty() {
            code = visit::create(&mut browser, Offers::Accept).await?;
        } else {
            visit::join(&mut browser, &code, Offers::Accept).await?;
        }
        pages.push(browser);
    }
    for page in &mut pages {
        visit::connected(page, 2).await?;
    }
    for speaker in 0..pages.len() {
        let words = format!("from page {speaker}");
        visit::say(&mut pages[speaker], &words).await?;
        for (listener, page) in pages.iter_mut().enumerate() {
            if listener != speaker {
                visit::heard(page, &words).await?;
            }
        }
    }
    let mut receive = Run::start(&["receive", &code, "--server", &server.url, "--out", "got"], out.path()).await?;
    receive.event("connected", LIMIT).await?;
    // It talks to one page at a time: the one whose offer came first.
    let mut sender = None;
    let connected = "peeragePage.peers.some(p => p.role === 'receive' && p.state === 'connected')";
    for _ in 0..100 {
        for (n, page) in pages.iter_mut().enumerate() {
            if sender.is_none() && page.run(connected).await? == true {
                sender = Some(n);
            }
        }
        if sender.is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let sender = sender.ok_or("no page is connected to the command line")?;
    visit::send(&mut pages[sender], &[&path]).await?;
    for (n, page) in pages.iter_mut().enumerate() {
        if n != sender {
            visit::received(page, 2 * MIB, &sha256).await?;
        }
    }
    let done = receive.event("done", LIMIT).await?;
    if done["sha256"] == sha256.as_str() { Ok(()) } else { Err(format!("received {done}")) }
}

#[tokio::test(flavor = "multi_thread")]
async fn three_pages_and_a_command_line_share_a_room() {
    expect::judge("crowd", crowd().await);
}

async fn declined(kind: Kind) -> Result<()> {
    let (server, home) = (Server::start().await?, folder()?);
    let (path, _) = file(home.path(), MIB)?;
    let mut send = Run::start(&["send", &path.to_string_lossy(), "--server", &server.url], home.path()).await?;
    let code = code_of(&mut send).await?;
    let mut browser = visit::open(kind, &server.url).await?;
    visit::join(&mut browser, &code, Offers::Ask).await?;
    browser.until("document.querySelector('[data-testid=offer-dialog]').open", LIMIT).await?;
    visit::click(&mut browser, "decline").await?;
    match send.end(LIMIT).await? {
        6 => Ok(()),
        code => Err(format!("exit code {code}")),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_declined_hears_of_it() {
    for kind in [Kind::Chromium, Kind::Firefox] {
        expect::judge(&format!("declined/{kind:?}"), declined(kind).await);
    }
}

/// Starts a long transfer to a page and waits until some of it is there.
async fn midway(kind: Kind, server: &Server, path: &Path, home: &Path) -> Result<(Run, Browser)> {
    let args = ["send", &path.to_string_lossy(), "--server", &server.url, "--wait", "2s"];
    let mut send = Run::start(&args, home).await?;
    let code = code_of(&mut send).await?;
    let mut browser = visit::open(kind, &server.url).await?;
    visit::join(&mut browser, &code, Offers::Accept).await?;
    browser.until(&format!("peeragePage.transfers.some(t => t.bytes > {})", LONG / 8), LIMIT).await?;
    Ok((send, browser))
}

/// The receiver's tab is closed: the sender waits for as long as it was told, and can be started again.
async fn tab_closed(kind: Kind) -> Result<()> {
    let (server, home) = (Server::start().await?, folder()?);
    let (path, sha256) = file(home.path(), LONG)?;
    let (send, mut browser) = midway(kind, &server, &path, home.path()).await?;
    browser.leave_page().await?;
    match send.end(LIMIT).await? {
        4 => {}
        code => return Err(format!("exit code {code}")),
    }
    let mut send = Run::start(&["send", &path.to_string_lossy(), "--server", &server.url], home.path()).await?;
    let code = code_of(&mut send).await?;
    browser.open(&server.url).await?;
    browser.until("window.peeragePage", LIMIT).await?;
    visit::join(&mut browser, &code, Offers::Accept).await?;
    visit::received(&mut browser, LONG, &sha256).await?;
    match send.end(LIMIT).await? {
        0 => Ok(()),
        code => Err(format!("exit code {code} the second time")),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_tab_ends_the_sender_as_resumable() {
    for kind in [Kind::Chromium, Kind::Firefox] {
        expect::judge(&format!("tab-closed/{kind:?}"), tab_closed(kind).await);
    }
}

/// The sender is killed: started again with the same command it goes on with the page that stayed.
async fn sender_killed(kind: Kind) -> Result<()> {
    let (server, home) = (Server::start().await?, folder()?);
    let (path, sha256) = file(home.path(), LONG)?;
    let (send, mut browser) = midway(kind, &server, &path, home.path()).await?;
    send.kill().await?;
    let mut send = Run::start(&["send", &path.to_string_lossy(), "--server", &server.url], home.path()).await?;
    let first = send.event("progress", LIMIT).await?;
    if first["bytes"].as_u64().unwrap_or(0) < LONG / 16 {
        return Err(format!("it began anew: {first}"));
    }
    visit::received(&mut browser, LONG, &sha256).await?;
    match send.end(LIMIT).await? {
        0 => Ok(()),
        code => Err(format!("exit code {code}")),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_sender_goes_on_with_the_page() {
    for kind in [Kind::Chromium, Kind::Firefox] {
        expect::judge(&format!("sender-killed/{kind:?}"), sender_killed(kind).await);
    }
}

/// 2 GiB into a browser's private file system; neither side holds much of it.
async fn two_gibibytes(kind: Kind) -> Result<()> {
    const SIZE: u64 = 2048 * MIB;
    let (server, home) = (Server::start().await?, folder()?);
    let (path, sha256) = file(home.path(), SIZE)?;
    let mut send = Run::start(&["send", &path.to_string_lossy(), "--server", &server.url], home.path()).await?;
    let code = code_of(&mut send).await?;
    let mut browser = visit::open(kind, &server.url).await?;
    if browser.run("peeragePage.storage").await? != "disk" {
        return Err("the browser stores nothing on disk".to_owned());
    }
    let before = memory::of_group(browser.process_group().unwrap_or(0));
    visit::join(&mut browser, &code, Offers::Accept).await?;
    let began = tokio::time::Instant::now();
    let (mut peak, mut sender) = (before, 0);
    let done = format!("peeragePage.received.some(f => f.sha256 === '{sha256}' && f.size === {SIZE})");
    while browser.run(&done).await? != true {
        peak = peak.max(memory::of_group(browser.process_group().unwrap_or(0)));
        sender = sender.max(send.id().map_or(0, memory::of_process));
        if began.elapsed() > Duration::from_secs(900) {
            return Err(format!("not done: {}", browser.run("peeragePage.transfers").await?));
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let seconds = began.elapsed().as_secs();
    eprintln!("{kind:?}: 2 GiB in {seconds} s; browser {before} kB before, {peak} kB at most; sender {sender} kB");
    // All of the browser's processes together, caches included; a file in memory would take 2,000,000 kB more.
    if peak.saturating_sub(before) > 700_000 || sender > 100 << 10 {
        return Err(format!("held in memory: {before} kB to {peak} kB, sender {sender} kB"));
    }
    match send.end(LIMIT).await? {
        0 => Ok(()),
        code => Err(format!("exit code {code}")),
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "4 GiB of disk and several minutes"]
async fn a_browser_takes_two_gibibytes() {
    for kind in [Kind::Chromium, Kind::Firefox] {
        expect::judge(&format!("two-gibibytes/{kind:?}"), two_gibibytes(kind).await);
    }
}
