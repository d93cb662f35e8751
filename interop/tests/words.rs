//! Codes of words with the page on the other side, and with a signalling server that alters what is said.

use peerage_interop::LIMIT;
use peerage_interop::bidi::Result;
use peerage_interop::browser::{Browser, Kind};
use peerage_interop::expect;
use peerage_interop::intruder::{Alter, between};
use peerage_interop::program::{Run, Server};
use peerage_interop::sample;
use peerage_interop::visit::{self, Offers};
use serde_json::Value;
use tempfile::TempDir;

/// The exit code of a wrong or expired code.
const WRONG_CODE: i32 = 3;
const SIZE: usize = 1 << 20;
/// Large enough to be still on its way when words are compared.
const LONG: usize = 256 << 20;

/// `peerage send` of a file; returns it with its code, its link and the file's hash.
async fn sending(server: &str, home: &TempDir, size: usize) -> Result<(Run, String, String, String)> {
    let (path, hash) = sample::file(home.path(), "file.bin", size)?;
    let mut send = Run::start(&["send", &path.to_string_lossy(), "--server", server], home.path()).await?;
    let event = send.event("code", LIMIT).await?;
    let field = |name: &str| event[name].as_str().map(str::to_owned).ok_or_else(|| format!("no {name}: {event}"));
    Ok((send, field("code")?, field("link")?, hash))
}

/// The same number with other words.
fn wrong(code: &str) -> Result<String> {
    let (start, last) = code.rsplit_once('-').ok_or("no code of words")?;
    Ok(format!("{start}-{}", if last == "zoo" { "zone" } else { "zoo" }))
}

async fn refusal(browser: &mut Browser, code: &str, words: &str) -> Result<()> {
    visit::join(browser, code, Offers::Accept).await?;
    let notice = visit::notice(browser, "failed").await?;
    if notice.contains(words) { Ok(()) } else { Err(format!("the page says {notice:?}")) }
}

/// The last word of a run whose code led nowhere.
async fn refused(mut run: Run) -> Result<()> {
    match run.event("connected", LIMIT).await {
        Ok(event) => return Err(format!("connected: {event}")),
        Err(error) if error.contains(r#""kind":"code""#) => {}
        Err(error) => return Err(error),
    }
    match run.end(LIMIT).await? {
        WRONG_CODE => Ok(()),
        code => Err(format!("exit code {code}")),
    }
}

/// The page is opened by the link, and has the file; the code is spent then.
async fn linked(kind: Kind) -> Result<()> {
    let (server, home) = (Server::start().await?, sample::folder()?);
    let (send, code, link, hash) = sending(&server.url, &home, SIZE).await?;
    if link != format!("{}/#{code}", server.url.trim_end_matches('/')) {
        return Err(format!("the link is {link}"));
    }
    let mut browser = visit::open(kind, &link).await?;
    browser.until("document.querySelector('[data-testid=offer-dialog]').open", LIMIT).await?;
    visit::click(&mut browser, "accept").await?;
    visit::received(&mut browser, SIZE as u64, &hash).await?;
    match send.end(LIMIT).await? {
        0 => {}
        code => return Err(format!("exit code {code}")),
    }
    let mut late = visit::open(kind, &server.url).await?;
    refusal(&mut late, &code, "used already").await
}

async fn guessed(kind: Kind) -> Result<()> {
    let (server, home) = (Server::start().await?, sample::folder()?);
    let (send, code, ..) = sending(&server.url, &home, SIZE).await?;
    let mut browser = visit::open(kind, &server.url).await?;
    visit::fill(&mut browser, "code-input", &code.replace('-', " ").replacen(' ', " qq", 1)).await?;
    visit::click(&mut browser, "join-button").await?;
    browser
        .until("document.querySelector('[data-testid=code-error]').textContent.includes('none of the words')", LIMIT)
        .await?;
    refusal(&mut browser, &wrong(&code)?, "Wrong code").await?;
    refused(send).await
}

/// The page waits for a sender that chose its code, and both show the same words.
async fn compared(kind: Kind) -> Result<()> {
    let (server, home) = (Server::start().await?, sample::folder()?);
    let mut browser = visit::open(kind, &server.url).await?;
    visit::join(&mut browser, "7 Guitar sunset", Offers::Accept).await?;
    visit::notice(&mut browser, "meeting").await?;
    let (path, _) = sample::file(home.path(), "file.bin", LONG)?;
    let args = ["send", &path.to_string_lossy(), "--server", &server.url, "--code", "7-guitar-sunset"];
    let mut send = Run::start(&args, home.path()).await?;
    visit::connected(&mut browser, 1).await?;
    visit::click(&mut browser, "compare").await?;
    let event = send.event("verify", LIMIT).await?;
    browser.until("peeragePage.peers[0].words", LIMIT).await?;
    let shown = browser.run("peeragePage.peers[0].words").await?;
    if shown != Value::Null && shown == event["words"] { Ok(()) } else { Err(format!("{shown} and {event}")) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_receives_by_a_link_with_words() {
    for kind in [Kind::Chromium, Kind::Firefox] {
        expect::judge(&format!("words-link/{kind:?}"), linked(kind).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_guess_in_the_page_is_told_on_both_sides() {
    for kind in [Kind::Chromium, Kind::Firefox] {
        expect::judge(&format!("words-guess/{kind:?}"), guessed(kind).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_comes_first_waits_and_compares_words() {
    for kind in [Kind::Chromium, Kind::Firefox] {
        expect::judge(&format!("words-compare/{kind:?}"), compared(kind).await);
    }
}

/// A server that alters the exchange of keys leaves both without one.
async fn altered() -> Result<()> {
    let (server, home, out) = (Server::start().await?, sample::folder()?, sample::folder()?);
    let between = between(&server.url, Alter::Everything).await?;
    let (send, code, ..) = sending(&server.url, &home, SIZE).await?;
    let receive = Run::start(&["receive", &code, "--server", &between], out.path()).await?;
    let (sent, received) = tokio::join!(refused(send), refused(receive));
    sent.and(received)
}

/// The same server without malice, with the connection through it.
async fn unaltered() -> Result<()> {
    let (server, home, out) = (Server::start().await?, sample::folder()?, sample::folder()?);
    let between = between(&server.url, Alter::Nothing).await?;
    let (mut send, code, ..) = sending(&server.url, &home, SIZE).await?;
    let began = tokio::time::Instant::now();
    let receive = Run::start(&["receive", &code, "--server", &between], out.path()).await?;
    send.event("connected", LIMIT).await?;
    eprintln!("from the code to the connection: {} ms", began.elapsed().as_millis());
    match receive.end(LIMIT).await? {
        0 => Ok(()),
        code => Err(format!("exit code {code}")),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_alters_the_exchange_of_keys_gets_none() {
    expect::judge("words-altered/nothing", unaltered().await);
    expect::judge("words-altered/everything", altered().await);
}
