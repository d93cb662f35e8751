//! Wrong codes, rooms that do not exist, and a signalling server that alters what is sealed.

use std::time::Duration;

use peerage_interop::LIMIT;
use peerage_interop::bidi::Result;
use peerage_interop::browser::Kind;
use peerage_interop::expect;
use peerage_interop::intruder::{Alter, between};
use peerage_interop::program::{Run, Server};
use peerage_interop::visit::{self, Offers};
use tempfile::TempDir;

/// The exit code of a wrong or expired code.
const WRONG_CODE: i32 = 3;
/// A connection on this machine that takes longer does not come.
const NEVER: Duration = Duration::from_secs(10);

fn folder() -> Result<TempDir> {
    tempfile::tempdir().map_err(|e| e.to_string())
}

/// The same room with another secret.
fn wrong(code: &str) -> Result<String> {
    let last = code.chars().last().ok_or("an empty code")?;
    Ok(format!("{}{}", &code[..code.len() - 1], if last == '7' { '8' } else { '7' }))
}

/// `peerage send` of a small file; returns it with its code.
async fn sending(server: &str, home: &TempDir) -> Result<(Run, String)> {
    let path = home.path().join("small.txt");
    std::fs::write(&path, b"small").map_err(|e| e.to_string())?;
    let args = ["send", "--long-code", &path.to_string_lossy(), "--server", server];
    let mut send = Run::start(&args, home.path()).await?;
    let code = send.event("code", LIMIT).await?;
    let code = code["code"].as_str().ok_or("no code")?.to_owned();
    Ok((send, code))
}

/// `peerage receive` ends with an error of kind `code` and exit code 3.
async fn refused(server: &str, code: &str) -> Result<()> {
    let home = folder()?;
    let mut receive = Run::start(&["receive", code, "--server", server], home.path()).await?;
    match receive.event("connected", LIMIT).await {
        Ok(event) => return Err(format!("connected: {event}")),
        Err(error) if error.contains(r#""kind":"code""#) => eprintln!("{error}"),
        Err(error) => return Err(error),
    }
    match receive.end(LIMIT).await? {
        WRONG_CODE => Ok(()),
        code => Err(format!("exit code {code}")),
    }
}

/// The page joins with `code` and is refused with a notice that has these words.
async fn page_refused(kind: Kind, server: &str, code: &str, words: &str) -> Result<()> {
    let mut browser = visit::open(kind, server).await?;
    visit::join(&mut browser, code, Offers::Accept).await?;
    let notice = visit::notice(&mut browser, "failed").await?;
    if notice.contains(words) { Ok(()) } else { Err(format!("the page says {notice:?}")) }
}

async fn wrong_code_in_page(kind: Kind) -> Result<()> {
    let (server, home) = (Server::start().await?, folder()?);
    let (mut send, code) = sending(&server.url, &home).await?;
    page_refused(kind, &server.url, &wrong(&code)?, "Wrong code").await?;
    // Whoever has the right one still gets in.
    let mut browser = visit::open(kind, &server.url).await?;
    visit::join(&mut browser, &code, Offers::Accept).await?;
    send.event("done", LIMIT).await.map(drop)
}

async fn wrong_code_on_command_line(kind: Kind) -> Result<()> {
    let server = Server::start().await?;
    let mut browser = visit::open(kind, &server.url).await?;
    let code = visit::create(&mut browser, Offers::Accept).await?;
    refused(&server.url, &wrong(&code)?).await?;
    let notice = visit::notice(&mut browser, "wrong-code").await?;
    if !notice.contains("wrong code") {
        return Err(format!("the page says {notice:?}"));
    }
    // It goes on waiting.
    let state = browser.run("peeragePage.state").await?;
    if state == "joined" { Ok(()) } else { Err(format!("the page is {state}")) }
}

async fn unknown_room(kind: Kind) -> Result<()> {
    let server = Server::start().await?;
    let code = "nowhr1-0123456789abcdefghjk";
    refused(&server.url, code).await?;
    page_refused(kind, &server.url, code, "No such room").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_code_is_said_in_the_page() {
    for kind in [Kind::Chromium, Kind::Firefox] {
        expect::judge(&format!("wrong-code-page/{kind:?}"), wrong_code_in_page(kind).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_code_is_said_on_the_command_line() {
    for kind in [Kind::Chromium, Kind::Firefox] {
        expect::judge(&format!("wrong-code-cli/{kind:?}"), wrong_code_on_command_line(kind).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_room_is_said_everywhere() {
    for kind in [Kind::Chromium, Kind::Firefox] {
        expect::judge(&format!("unknown-room/{kind:?}"), unknown_room(kind).await);
    }
}

/// A server that alters everything looks like a wrong code to whoever comes through it.
async fn altered_everything() -> Result<()> {
    let (server, home) = (Server::start().await?, folder()?);
    let between = between(&server.url, Alter::Everything).await?;
    let (_send, code) = sending(&server.url, &home).await?;
    refused(&between, &code).await?;
    let home = folder()?;
    let (_send, code) = sending(&server.url, &home).await?;
    page_refused(Kind::Chromium, &between, &code, "Wrong code").await
}

/// A server that lets greetings pass and alters the rest keeps both from connecting, and no more.
async fn altered_descriptions() -> Result<()> {
    let (server, home, out) = (Server::start().await?, folder()?, folder()?);
    let between = between(&server.url, Alter::AfterGreeting).await?;
    let (mut send, code) = sending(&server.url, &home).await?;
    let mut receive = Run::start(&["receive", &code, "--server", &between], out.path()).await?;
    let (sent, received) = tokio::join!(send.event("connected", NEVER), receive.event("connected", NEVER));
    match (sent, received) {
        (Err(_), Err(_)) => Ok(()),
        (sent, received) => Err(format!("connected: {sent:?} {received:?}")),
    }
}

/// The same server without malice: what is said above is due to what it alters.
async fn unaltered() -> Result<()> {
    let (server, home, out) = (Server::start().await?, folder()?, folder()?);
    let between = between(&server.url, Alter::Nothing).await?;
    let (mut send, code) = sending(&server.url, &home).await?;
    let receive = Run::start(&["receive", &code, "--server", &between], out.path()).await?;
    send.event("connected", LIMIT).await?;
    match receive.end(LIMIT).await? {
        0 => Ok(()),
        code => Err(format!("exit code {code}")),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_alters_what_is_sealed_connects_nobody() {
    expect::judge("altered/nothing", unaltered().await);
    expect::judge("altered/everything", altered_everything().await);
    expect::judge("altered/descriptions", altered_descriptions().await);
}
