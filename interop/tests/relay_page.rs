//! Browsers that may use nothing but the relay of `peerage serve`: real files through it, over every transport.

use std::path::PathBuf;
use std::process::Command;

use peerage_interop::LIMIT;
use peerage_interop::bidi::Result;
use peerage_interop::browser::{Browser, Kind, Options};
use peerage_interop::expect;
use peerage_interop::program::{Run, Server};
use peerage_interop::sample;
use peerage_interop::visit::{self, Offers};
use serde_json::Value;
use tempfile::TempDir;

const SIZE: usize = 16 << 20;
/// On one machine the relay and its peers share addresses that it otherwise never relays to.
const EVERYBODY: &[&str] = &["--turn-allow-peer", "0.0.0.0/0"];

/// Which of the relay's URLs the page may use.
#[derive(Clone, Copy, Debug)]
enum Transport {
    Udp,
    Tcp,
    Tls,
}

impl Transport {
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

/// A server with a relay, over TLS if that is wanted; and who is to be believed then.
struct Relay {
    server: Server,
    /// Whoever signed its certificate.
    authority: Option<PathBuf>,
    _folder: TempDir,
}

impl Relay {
    async fn start(transport: Transport) -> Result<Self> {
        let folder = sample::folder()?;
        if !matches!(transport, Transport::Tls) {
            let server = Server::start_with(EVERYBODY).await?;
            return Ok(Self { server, authority: None, _folder: folder });
        }
        let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
        let (authority, authority_key, cert, key) = (path("ca.pem"), path("ca.key"), path("cert.pem"), path("key.pem"));
        let ca = ["-addext", "basicConstraints=critical,CA:TRUE", "-keyout", &authority_key, "-out", &authority];
        openssl("/CN=authority", &ca)?;
        let signed = ["-CA", &authority, "-CAkey", &authority_key, "-keyout", &key, "-out", &cert];
        let leaf = ["-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE"];
        openssl("/CN=relay", &[&leaf[..], &signed].concat())?;
        let tls = ["--tls-cert", &cert, "--tls-key", &key, "--turn-tls", "127.0.0.1:0"];
        let mut server = Server::start_with(&[EVERYBODY, &tls[..]].concat()).await?;
        // Firefox takes no address for a relay over TLS.
        server.url = server.url.replace("127.0.0.1", "localhost");
        Ok(Self { server, authority: Some(authority.into()), _folder: folder })
    }
}

/// Makes a certificate and its key.
fn openssl(subject: &str, args: &[&str]) -> Result<()> {
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"])
        .args(["-subj", subject])
        .args(args)
        .output()
        .map_err(|e| format!("openssl: {e}"))?;
    if made.status.success() { Ok(()) } else { Err(format!("openssl: {}", String::from_utf8_lossy(&made.stderr))) }
}

/// Opens the page so that it uses the relay alone, over one transport; notes how every connection is configured.
async fn page(kind: Kind, relay: &Relay, transport: Transport) -> Result<Browser> {
    let options = Options { authority: relay.authority.clone(), ..Options::default() };
    let mut browser = visit::open_with(kind, options, &format!("{}/?relay", relay.server.url)).await?;
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
    let shown = browser.until("document.querySelector('[data-testid=peer-path]').textContent", LIMIT).await?;
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
    let (relay, source) = (Relay::start(transport).await?, sample::folder()?);
    let (path, hash) = sample::file(source.path(), "16 MiB.bin", SIZE)?;
    let mut sender = page(from, &relay, transport).await?;
    let code = visit::create(&mut sender, Offers::Accept).await?;
    let mut receiver = page(to, &relay, transport).await?;
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
    let (relay, home, source) = (Relay::start(transport).await?, sample::folder()?, sample::folder()?);
    let (path, hash) = sample::file(source.path(), "16 MiB.bin", SIZE)?;
    let mut browser = page(kind, &relay, transport).await?;
    let code = visit::create(&mut browser, Offers::Accept).await?;
    let mut receive =
        Run::start(&["receive", &code, "--server", &relay.server.url, "--out", "got"], home.path()).await?;
    visit::connected(&mut browser, 1).await?;
    relayed(&mut browser, transport).await?;
    visit::send(&mut browser, &[&path]).await?;
    let done = receive.event("done", LIMIT).await?;
    if receive.end(LIMIT).await? != 0 {
        return Err("the receiver failed".to_owned());
    }
    let got = std::fs::read(home.path().join("got").join("16 MiB.bin")).map_err(|e| e.to_string())?;
    if sample::hash(&got) == hash { Ok(()) } else { Err(format!("received {done}")) }
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
