//! `peerage pipe` with the page on the other side.

use std::time::Duration;

use peerage_interop::LIMIT;
use peerage_interop::bidi::Result;
use peerage_interop::browser::{Browser, Kind};
use peerage_interop::expect;
use peerage_interop::program::{Pipe, Server};
use peerage_interop::visit::{self, Offers};

/// What goes through the pipe in one piece at the end.
const BULK: usize = 8 << 20;

/// Who opens the room; the other side joins it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum First {
    Pipe,
    Page,
}

async fn meet(kind: Kind, first: First, server: &Server, home: &std::path::Path) -> Result<(Pipe, Browser)> {
    let mut browser = visit::open(kind, &server.url).await?;
    let mut pipe = match first {
        First::Pipe => {
            let mut pipe = Pipe::start(&["--server", &server.url], home).await?;
            let code = pipe.event("code", LIMIT).await?;
            visit::join(&mut browser, code["code"].as_str().unwrap_or_default(), Offers::Ask).await?;
            pipe
        }
        First::Page => {
            let code = visit::create(&mut browser, Offers::Ask).await?;
            Pipe::start(&[&code, "--server", &server.url], home).await?
        }
    };
    pipe.event("connected", LIMIT).await?;
    browser.until("document.querySelector('[data-testid=pipe-input]:enabled') !== null", LIMIT).await?;
    Ok((pipe, browser))
}

/// One line each way, while nothing else goes through.
async fn lines(pipe: &mut Pipe, browser: &mut Browser, after: Duration) -> Result<()> {
    let down = format!("down after {after:?}\n");
    pipe.write(down.as_bytes(), LIMIT).await?;
    let shown = format!("peeragePage.pipes[0].text.includes({:?})", down.trim_end());
    if let Err(error) = browser.until(&shown, LIMIT).await {
        let state = browser.run("[peeragePage.pipes, peeragePage.peers.map(p => [p.state, p.pairs])]").await?;
        return Err(format!("{error}: {state}"));
    }
    let up = format!("up after {after:?}\n");
    visit::fill(browser, "pipe-input", up.trim_end()).await?;
    browser.run("(document.querySelector('[data-testid=pipe-input]').form.requestSubmit(), true)").await?;
    let got = pipe.read(up.len(), LIMIT).await.map_err(|e| format!("from the page, after {after:?}: {e}"))?;
    if got == up.as_bytes() { Ok(()) } else { Err(format!("read {:?}", String::from_utf8_lossy(&got))) }
}

async fn talk(kind: Kind, first: First, pauses: &[u64]) -> Result<()> {
    let (server, home) = (Server::start().await?, tempfile::tempdir().map_err(|e| e.to_string())?);
    let (mut pipe, mut browser) = meet(kind, first, &server, home.path()).await?;
    for pause in pauses {
        let pause = Duration::from_millis(*pause);
        tokio::time::sleep(pause).await;
        lines(&mut pipe, &mut browser, pause).await?;
    }
    let before = browser.run("peeragePage.pipes[0].received").await?.as_u64().unwrap_or(0);
    pipe.write(&vec![b'x'; BULK], LIMIT).await?;
    browser.until(&format!("peeragePage.pipes[0].received === {}", before + BULK as u64), LIMIT).await?;
    pipe.end_input();
    browser.until("peeragePage.pipes[0].theirEnd", LIMIT).await?;
    visit::click(&mut browser, "pipe-end").await?;
    pipe.event("done", LIMIT).await?;
    match pipe.end(LIMIT).await? {
        0 => Ok(()),
        code => Err(format!("exit code {code}")),
    }
}

async fn case(kind: Kind, first: First) {
    expect::judge(&format!("pipe/{kind:?}/{first:?}"), talk(kind, first, &[0, 2_000, 5_000]).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_that_was_first_talks_to_chromium() {
    case(Kind::Chromium, First::Pipe).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_joins_chromium() {
    case(Kind::Chromium, First::Page).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_that_was_first_talks_to_firefox() {
    case(Kind::Firefox, First::Pipe).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_joins_firefox() {
    case(Kind::Firefox, First::Page).await;
}
