//! Browsers that may use nothing but the relay of `peerage serve`: real files through it, over every transport.

use std::path::{Path, PathBuf};

use peerage_crypto::hash::Sha256;
use peerage_interop::bidi::Result;
use peerage_interop::browser::{Browser, Kind, Options};
use peerage_interop::expect;
use peerage_interop::program::{Run, Server};
use peerage_interop::visit::{self, LIMIT, Offers};
use serde_json::Value;
use tempfile::TempDir;

const SIZE: usize = 16 << 20;
/// On one machine the relay and its peers share addresses that it otherwise never relays to.
const LOOPBACK: &[&str] = &["--turn-allow-peer", "127.0.0.0/8"];
const TLS: &[&str] = &["--turn-allow-peer", "127.0.0.0/8", "--tls-self-signed", "--turn-tls", "127.0.0.1:0"];

/// A file that does not repeat, and its hash.
fn file(folder: &Path) -> Result<(PathBuf, String)> {
    let mut state = 0x9E37_79B9_7F4A_7C15u64;
    let mut bytes = Vec::with_capacity(SIZE);
    while bytes.len() < SIZE {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    let path = folder.join("16 MiB.bin");
    std::fs::write(&path, &bytes).map_err(|e| e.to_string())?;
    Ok((path, hash(&bytes)))
}

fn hash(bytes: &[u8]) -> String {
    let mut hash = Sha256::new();
    hash.update(bytes);
    hash.finish().iter().map(|b| format!("{b:02x}")).collect()
}

fn folder() -> Result<TempDir> {
    tempfile::tempdir().map_err(|e| e.to_string())
}

/// Which of the relay's URLs the page may use.
#[derive(Clone, Copy, Debug)]
enum Transport {
    Udp,
    Tcp,
    Tls,
}

impl Transport {
    async fn server(self) -> Result<Server> {
        Server::start_with(if matches!(self, Self::Tls) { TLS } else { LOOPBACK }).await
    }

    /// How its URLs look.
    fn pattern(self) -> &'static str {
        match self {
            Self::Udp => "^turn:.*transport=udp",
            Self::Tcp => "^turn:.*transport=tcp",
            Self::Tls => "^turns:",
        }
    }

    /// Its name in statistics.
    fn name(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
        }
    }
}

/// Opens the page so that it uses the relay alone, over one transport; notes how every connection is configured.
async fn page(kind: Kind, server: &Server, transport: Transport) -> Result<Browser> {
    let options = Options { any_certificate: matches!(transport, Transport::Tls), ..Options::default() };
    let mut browser = visit::open_with(kind, options, &format!("{}/?relay", server.url)).await?;
    let wanted = transport.pattern();
    browser
        .run(&format!(
            "(() => {{ const Real = RTCPeerConnection; window.configurations = []; \
             window.RTCPeerConnection = class extends Real {{ constructor(given) {{ \
             configurations.push(structuredClone(given)); \
             super({{ ...given, iceServers: given.iceServers.map(s => ({{ ...s, urls: s.urls.filter(u => /{wanted}/.test(u)) }}))\
             .filter(s => s.urls.length > 0) }}) }} }}; return true }})()"
        ))
        .await?;
    Ok(browser)
}

/// What a browser says of the path to its one peer: its own side is the relay, over the transport that was left to it.
async fn relayed(browser: &mut Browser, transport: Transport) -> Result<()> {
    let selected = browser.until("peeragePage.peers[0]?.selected", LIMIT).await?;
    let protocol = transport.name();
    let shown = browser.run("document.querySelector('[data-testid=peer-path]').textContent").await?;
    let local = browser.run("peeragePage.peers[0].local.map(c => c.type)").await?;
    let alone = local.as_array().is_some_and(|all| !all.is_empty() && all.iter().all(|kind| kind == "relay"));
    if selected["local"] == "relay" && selected["protocol"] == protocol && shown == "Relayed" && alone {
        Ok(())
    } else {
        Err(format!("the path is {selected}, shown as {shown}, with candidates {local}"))
    }
}

/// What a page was told of the relay: credentials that hide the room.
async fn configured(browser: &mut Browser, code: &str) -> Result<()> {
    let given = browser.run("configurations[0]").await?;
    let servers = given["iceServers"].as_array().cloned().unwrap_or_default();
    let relay = servers.iter().find(|s| s["username"].is_string()).ok_or_else(|| format!("no relay: {given}"))?;
    let room = code.split('-').next().unwrap_or(code);
    let hidden = !relay["username"].as_str().unwrap_or_default().contains(room);
    if given["iceTransportPolicy"] == "relay" && hidden { Ok(()) } else { Err(format!("configured with {given}")) }
}

async fn page_to_page(from: Kind, to: Kind, transport: Transport) -> Result<()> {
    let (server, source) = (transport.server().await?, folder()?);
    let (path, hash) = file(source.path())?;
    let mut sender = page(from, &server, transport).await?;
    let code = visit::create(&mut sender, Offers::Accept).await?;
    let mut receiver = page(to, &server, transport).await?;
    visit::join(&mut receiver, &code, Offers::Accept).await?;
    for browser in [&mut sender, &mut receiver] {
        visit::connected(browser, 1).await?;
        configured(browser, &code).await?;
        relayed(browser, transport).await?;
    }
    visit::send(&mut sender, &[&path]).await?;
    visit::received(&mut receiver, SIZE as u64, &hash).await
}

/// The page through the relay, the command line without one.
async fn page_to_command_line(kind: Kind, transport: Transport) -> Result<()> {
    let (server, home, source) = (transport.server().await?, folder()?, folder()?);
    let (path, hash) = file(source.path())?;
    let mut browser = page(kind, &server, transport).await?;
    let code = visit::create(&mut browser, Offers::Accept).await?;
    let mut receive = Run::start(&["receive", &code, "--server", &server.url, "--out", "got"], home.path()).await?;
    visit::connected(&mut browser, 1).await?;
    relayed(&mut browser, transport).await?;
    visit::send(&mut browser, &[&path]).await?;
    let done = receive.event("done", LIMIT).await?;
    if receive.end(LIMIT).await? != 0 {
        return Err("the receiver failed".to_owned());
    }
    let got = std::fs::read(home.path().join("got").join("16 MiB.bin")).map_err(|e| e.to_string())?;
    if self::hash(&got) == hash { Ok(()) } else { Err(format!("received {done}")) }
}

/// Without a relay there is no path, and the page says so in words.
async fn without_a_relay(kind: Kind) -> Result<()> {
    let server = Server::start_with(&["--no-turn"]).await?;
    let mut first = visit::open(kind, &format!("{}/?relay", server.url)).await?;
    let code = visit::create(&mut first, Offers::Accept).await?;
    let mut second = visit::open(kind, &format!("{}/?relay", server.url)).await?;
    visit::join(&mut second, &code, Offers::Accept).await?;
    let why = first.until("document.querySelector('[data-testid=why]')?.textContent", LIMIT).await?;
    match why {
        Value::String(text) if text.contains("Only the relay may be used, and this server has none.") => Ok(()),
        other => Err(format!("it says {other}")),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn chromium_to_firefox_through_the_relay() {
    for transport in [Transport::Udp, Transport::Tcp, Transport::Tls] {
        let result = page_to_page(Kind::Chromium, Kind::Firefox, transport).await;
        expect::judge(&format!("relay-page/Chromium-Firefox/{transport:?}"), result);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn firefox_to_chromium_through_the_relay() {
    for transport in [Transport::Udp, Transport::Tcp, Transport::Tls] {
        let result = page_to_page(Kind::Firefox, Kind::Chromium, transport).await;
        expect::judge(&format!("relay-page/Firefox-Chromium/{transport:?}"), result);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relayed_page_sends_to_the_command_line() {
    for kind in [Kind::Chromium, Kind::Firefox] {
        for transport in [Transport::Udp, Transport::Tcp] {
            let result = page_to_command_line(kind, transport).await;
            expect::judge(&format!("relay-page-cli/{kind:?}/{transport:?}"), result);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_finds_no_relay_says_so() {
    for kind in [Kind::Chromium, Kind::Firefox] {
        expect::judge(&format!("relay-page/none/{kind:?}"), without_a_relay(kind).await);
    }
}
