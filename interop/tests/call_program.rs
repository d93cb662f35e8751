//! `peerage call` with the page on the other side, in its call with the camera and microphone that browsers have for tests.

use std::path::Path;
use std::time::Duration;

use peerage_interop::LIMIT;
use peerage_interop::bidi::Result;
use peerage_interop::browser::{Browser, Kind, Options};
use peerage_interop::expect;
use peerage_interop::program::{Run, Server};
use peerage_interop::visit::{self, Offers};

/// Pictures that make a film.
const FILM: u64 = 60;

/// Who opens the room; the other side joins it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum First {
    Program,
    Page,
}

/// When the page enters its call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Enters {
    /// With nobody there.
    Before,
    /// Together with the program's first offer of sound and pictures, which is ignored or answered without the page's own.
    Amid,
    /// When the connection stands.
    After,
}

/// Keeps the page's devices back until the program's offer of media is there.
const HOLD_DEVICES: &str = "(() => { \
    let open; const opened = new Promise((resolve) => { open = resolve; }); \
    const media = navigator.mediaDevices; const get = media.getUserMedia.bind(media); \
    media.getUserMedia = async (wanted) => { const stream = await get(wanted); await opened; return stream; }; \
    const { prototype } = RTCPeerConnection; const set = prototype.setRemoteDescription; \
    prototype.setRemoteDescription = function (description) { \
        const done = set.call(this, description); \
        if (description.type === 'offer' && description.sdp.includes('m=audio')) open(); \
        return done; }; \
    })()";

async fn meet(kind: Kind, (first, enters): (First, Enters), server: &Server, home: &Path) -> Result<(Run, Browser)> {
    let options = Options { fake_media: true, ..Options::default() };
    let mut browser = visit::open_with(kind, options, &server.url).await?;
    let test = ["call", "--test", "--recognise", "--speaker", "none", "--server", server.url.as_str()];
    let program = match first {
        First::Program => {
            let mut program = Run::start(&test, home).await?;
            let code = program.event("code", LIMIT).await?;
            visit::join(&mut browser, code["code"].as_str().unwrap_or_default(), Offers::Accept).await?;
            program
        }
        First::Page => {
            let code = visit::create(&mut browser, Offers::Accept).await?;
            if enters == Enters::Amid {
                browser.run(HOLD_DEVICES).await?;
            }
            if enters != Enters::After {
                visit::click(&mut browser, "join-camera").await?;
            }
            Run::start(&[&test[..], &[&code]].concat(), home).await?
        }
    };
    visit::connected(&mut browser, 1).await?;
    Ok((program, browser))
}

/// What came to the page so far: pictures decoded, energy of the sound.
async fn came(browser: &mut Browser) -> Result<(u64, f64)> {
    let script = "(m => [(m?.stats?.flows ?? []).filter(f => f.direction === 'in')].map(f => \
                  [f.reduce((n, f) => n + (f.frames ?? 0), 0), f.reduce((n, f) => n + (f.energy ?? 0), 0)])[0])\
                  (peeragePage.call.members[0])";
    let value = browser.run(script).await?;
    Ok((value[0].as_u64().unwrap_or(0), value[1].as_f64().unwrap_or(0.0)))
}

/// What the page knows of its call and of the connection, for who reads why a test failed.
async fn page(browser: &mut Browser) -> Result<String> {
    let script = "({ call: peeragePage.call, peers: peeragePage.peers, text: document.body.innerText.slice(0, 2000) })";
    browser.run(script).await.map(|value| value.to_string())
}

/// The page sees the program's test picture and hears its tone, and the program decodes what the page's camera shows.
async fn call(kind: Kind, first: First, enters: Enters) -> Result<()> {
    let (server, home) = (Server::start().await?, tempfile::tempdir().map_err(|e| e.to_string())?);
    let (mut program, mut browser) = meet(kind, (first, enters), &server, home.path()).await?;
    if enters == Enters::After {
        browser.until("!document.querySelector('[data-testid=join-camera]').disabled", LIMIT).await?;
        visit::click(&mut browser, "join-camera").await?;
    }
    let end = tokio::time::Instant::now() + LIMIT;
    loop {
        let (pictures, energy) = came(&mut browser).await?;
        if pictures > FILM && energy > 0.001 {
            break;
        }
        if tokio::time::Instant::now() > end {
            let call = page(&mut browser).await?;
            return Err(format!("{pictures} pictures and {energy} of sound came to the page: {call}"));
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    loop {
        let event = program.event("recognised", LIMIT).await?;
        if event["broken"].as_u64() > Some(0) {
            return Err(format!("frames of the page do not decode: {event}"));
        }
        if event["decoded"].as_u64() > Some(FILM) {
            break;
        }
        if tokio::time::Instant::now() > end + LIMIT {
            return Err(format!("too little came from the page: {event}; {}", page(&mut browser).await?));
        }
    }
    // The program says goodbye, and the page sees it go.
    let id = program.id().ok_or("the program ended")?.to_string();
    let interrupted = tokio::process::Command::new("kill").args(["-INT", &id]).status().await;
    interrupted.map_err(|e| e.to_string())?;
    browser.until("peeragePage.call.members.length === 0", LIMIT).await?;
    match program.end(LIMIT).await? {
        0 => Ok(()),
        code => Err(format!("exit code {code}")),
    }
}

async fn case(kind: Kind, first: First, enters: Enters) {
    expect::judge(&format!("call-program/{kind:?}/{first:?}/{enters:?}"), call(kind, first, enters).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn chromium_joins_the_call_of_a_program() {
    case(Kind::Chromium, First::Program, Enters::After).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_joins_the_call_of_chromium() {
    for enters in [Enters::Before, Enters::Amid, Enters::After] {
        case(Kind::Chromium, First::Page, enters).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn firefox_joins_the_call_of_a_program() {
    case(Kind::Firefox, First::Program, Enters::After).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_joins_the_call_of_firefox() {
    for enters in [Enters::Before, Enters::Amid, Enters::After] {
        case(Kind::Firefox, First::Page, enters).await;
    }
}
