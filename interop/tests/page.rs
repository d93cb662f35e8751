//! The page and the command line, in every combination: real files through a real server on this machine.

use peerage_interop::LIMIT;
use peerage_interop::bidi::Result;
use peerage_interop::browser::{Browser, Kind};
use peerage_interop::expect;
use peerage_interop::program::{Run, Server};
use peerage_interop::sample;
use peerage_interop::visit::{self, Offers};
use serde_json::Value;

const SIZE: usize = 64 << 20;

fn text(value: &Value) -> Result<&str> {
    value.as_str().ok_or_else(|| format!("no text: {value}"))
}

/// Opens the page and, with a code, joins its room.
async fn page(kind: Kind, server: &Server, code: Option<&str>) -> Result<Browser> {
    let mut browser = visit::open(kind, &server.url).await?;
    if let Some(code) = code {
        visit::join(&mut browser, code, Offers::Accept).await?;
    }
    Ok(browser)
}

async fn command_line_sends(kind: Kind) -> Result<()> {
    let (server, home) = (Server::start().await?, sample::folder()?);
    let (path, hash) = sample::file(home.path(), "64 MiB.bin", SIZE)?;
    let mut send = Run::start(&["send", &path.to_string_lossy(), "--server", &server.url], home.path()).await?;
    let code = send.event("code", LIMIT).await?;
    let mut browser = page(kind, &server, Some(text(&code["code"])?)).await?;
    visit::received(&mut browser, SIZE as u64, &hash).await?;
    let done = send.event("done", LIMIT).await?;
    if done["sha256"] != hash.as_str() {
        return Err(format!("the sender says {done}"));
    }
    match send.end(LIMIT).await? {
        0 => Ok(()),
        code => Err(format!("exit code {code}")),
    }
}

async fn command_line_receives(kind: Kind) -> Result<()> {
    let (server, home, source) = (Server::start().await?, sample::folder()?, sample::folder()?);
    let (path, hash) = sample::file(source.path(), "64 MiB.bin", SIZE)?;
    let mut browser = page(kind, &server, None).await?;
    let code = visit::create(&mut browser, Offers::Accept).await?;
    let mut receive = Run::start(&["receive", &code, "--server", &server.url, "--out", "got"], home.path()).await?;
    visit::connected(&mut browser, 1).await?;
    visit::send(&mut browser, &[&path]).await?;
    let done = receive.event("done", LIMIT).await?;
    if receive.end(LIMIT).await? != 0 {
        return Err("the receiver failed".to_owned());
    }
    let got = std::fs::read(home.path().join("got").join("64 MiB.bin")).map_err(|e| e.to_string())?;
    if sample::hash(&got) == hash && done["sha256"] == hash.as_str() { Ok(()) } else { Err(format!("received {done}")) }
}

async fn page_to_page(from: Kind, to: Kind) -> Result<()> {
    exchange(&Server::start().await?, from, to).await
}

/// A file one way, words both ways.
async fn exchange(server: &Server, from: Kind, to: Kind) -> Result<()> {
    let source = sample::folder()?;
    let (path, hash) = sample::file(source.path(), "64 MiB.bin", SIZE)?;
    let mut sender = page(from, server, None).await?;
    let code = visit::create(&mut sender, Offers::Accept).await?;
    let mut receiver = page(to, server, Some(&code)).await?;
    visit::connected(&mut sender, 1).await?;
    visit::connected(&mut receiver, 1).await?;
    visit::send(&mut sender, &[&path]).await?;
    visit::received(&mut receiver, SIZE as u64, &hash).await?;
    visit::say(&mut sender, "from the first").await?;
    visit::say(&mut receiver, "from the second").await?;
    visit::heard(&mut sender, "from the second").await?;
    visit::heard(&mut receiver, "from the first").await
}

/// Over plain HTTP there is no secure context; the page connects, chats and moves files all the same.
async fn insecure(from: Kind, to: Kind) -> Result<()> {
    let server = Server::start_insecure().await?;
    let mut browser = page(from, &server, None).await?;
    if browser.run("peeragePage.secure").await? != false {
        return Err("the context is secure, which proves nothing".to_owned());
    }
    drop(browser);
    exchange(&server, from, to).await
}

async fn phone(kind: Kind) -> Result<()> {
    let server = Server::start().await?;
    let mut browser = page(kind, &server, None).await?;
    browser.set_viewport(360, 740).await?;
    visit::create(&mut browser, Offers::Accept).await?;
    let sizes = browser
        .run(
            "({ wide: document.documentElement.scrollWidth, small: [...document.querySelectorAll('button, .button, input:not(.visually-hidden), a')]\
             .filter(e => e.offsetParent !== null && e.type !== 'checkbox').map(e => [e.dataset.testid ?? e.textContent.trim(), e.getBoundingClientRect().height])\
             .filter(([, h]) => h > 0 && h < 24) })",
        )
        .await?;
    if sizes["wide"].as_u64().unwrap_or(u64::MAX) > 360 {
        return Err(format!("the page is wider than the phone: {sizes}"));
    }
    // WCAG 2.2 §2.5.8: a target has at least 24 pixels.
    if sizes["small"].as_array().is_none_or(|small| !small.is_empty()) {
        return Err(format!("too small to touch: {sizes}"));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_sends_to_chromium() {
    expect::judge("cli-page/Chromium", command_line_sends(Kind::Chromium).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_sends_to_firefox() {
    expect::judge("cli-page/Firefox", command_line_sends(Kind::Firefox).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_receives_from_chromium() {
    expect::judge("page-cli/Chromium", command_line_receives(Kind::Chromium).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_receives_from_firefox() {
    expect::judge("page-cli/Firefox", command_line_receives(Kind::Firefox).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn chromium_sends_to_firefox_through_the_page() {
    expect::judge("page-page/Chromium-Firefox", page_to_page(Kind::Chromium, Kind::Firefox).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn firefox_sends_to_chromium_through_the_page() {
    expect::judge("page-page/Firefox-Chromium", page_to_page(Kind::Firefox, Kind::Chromium).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_secure_context_the_page_does_the_same() {
    expect::judge("insecure/Chromium-Firefox", insecure(Kind::Chromium, Kind::Firefox).await);
    expect::judge("insecure/Firefox-Chromium", insecure(Kind::Firefox, Kind::Chromium).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_fits_a_phone() {
    expect::judge("page-phone/Chromium", phone(Kind::Chromium).await);
    expect::judge("page-phone/Firefox", phone(Kind::Firefox).await);
}
