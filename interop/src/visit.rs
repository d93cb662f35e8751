//! The page of `peerage serve` as somebody in a browser uses it.

use std::path::Path;

use serde_json::{Value, json};

use crate::LIMIT;
use crate::bidi::Result;
use crate::browser::{Browser, Kind, Options};

/// Whether files are taken without asking: a visible switch of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offers {
    /// Taken at once.
    Accept,
    /// Asked about.
    Ask,
}

/// Starts a browser and opens the page.
pub async fn open(kind: Kind, url: &str) -> Result<Browser> {
    open_with(kind, Options::default(), url).await
}

/// Starts a browser with options and opens the page.
pub async fn open_with(kind: Kind, options: Options, url: &str) -> Result<Browser> {
    let mut browser = Browser::start_with(kind, options).await?;
    browser.open(url).await?;
    browser.until("window.peeragePage", LIMIT).await?;
    Ok(browser)
}

/// Opens a room and returns its code.
pub async fn create(browser: &mut Browser, offers: Offers) -> Result<String> {
    click(browser, "create-room").await?;
    let code = browser.until("peeragePage.state === 'joined' && peeragePage.code", LIMIT).await?;
    set_offers(browser, offers).await?;
    code.as_str().map(str::to_owned).ok_or_else(|| format!("no code: {code}"))
}

/// Types a code and joins its room.
pub async fn join(browser: &mut Browser, code: &str, offers: Offers) -> Result<()> {
    fill(browser, "code-input", code).await?;
    click(browser, "join-button").await?;
    set_offers(browser, offers).await
}

/// Waits until at least `count` peers are connected.
pub async fn connected(browser: &mut Browser, count: usize) -> Result<()> {
    let script = format!("peeragePage.peers.filter(p => p.state === 'connected').length >= {count}");
    match browser.until(&script, LIMIT).await {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("{error}; {}", browser.run("peeragePage.peers").await?)),
    }
}

/// Chooses files to send.
pub async fn send(browser: &mut Browser, files: &[&Path]) -> Result<()> {
    browser.set_files("[data-testid=file-input]", files).await
}

/// Waits until a file with this hash is there.
pub async fn received(browser: &mut Browser, size: u64, sha256: &str) -> Result<()> {
    let script = format!("peeragePage.received.some(f => f.sha256 === '{sha256}' && f.size === {size})");
    match browser.until(&script, LIMIT).await {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("{error}; {}", browser.run("peeragePage.transfers").await?)),
    }
}

/// Presses what has this test id.
pub async fn click(browser: &mut Browser, id: &str) -> Result<()> {
    let script = format!("document.querySelector('[data-testid={id}]')?.click() === undefined");
    browser.run(&script).await.map(drop)
}

/// Writes into the field with this test id.
pub async fn fill(browser: &mut Browser, id: &str, text: &str) -> Result<()> {
    let script = format!(
        "(() => {{ const e = document.querySelector('[data-testid={id}]'); e.value = {}; \
         e.dispatchEvent(new Event('input', {{bubbles: true}})); return true }})()",
        json!(text)
    );
    browser.run(&script).await.map(drop)
}

/// Says something to everybody in the room.
pub async fn say(browser: &mut Browser, text: &str) -> Result<()> {
    fill(browser, "chat-input", text).await?;
    click(browser, "chat-send").await
}

/// Waits until somebody else said this.
pub async fn heard(browser: &mut Browser, text: &str) -> Result<()> {
    let script = format!("peeragePage.messages.some(m => !m.own && m.text === {})", json!(text));
    browser.until(&script, LIMIT).await.map(drop)
}

/// Waits for a notice of this id and returns its text.
pub async fn notice(browser: &mut Browser, id: &str) -> Result<String> {
    let found = browser.until(&format!("document.querySelector('[data-notice={id}]')?.textContent"), LIMIT).await;
    match found {
        Ok(Value::String(text)) => Ok(text),
        Ok(other) => Err(format!("no text: {other}")),
        Err(error) => {
            Err(format!("{error}; {}", browser.run("[peeragePage.state, peeragePage.error, peeragePage.peers]").await?))
        }
    }
}

async fn set_offers(browser: &mut Browser, offers: Offers) -> Result<()> {
    let script = format!(
        "(() => {{ const e = document.querySelector('[data-testid=auto-accept]'); \
         if (e.checked !== {}) e.click(); return true }})()",
        offers == Offers::Accept
    );
    browser.run(&script).await.map(drop)
}
