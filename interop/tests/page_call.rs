//! Calls from page to page, with the cameras and microphones that browsers have for tests.

use std::time::Duration;

use peerage_interop::LIMIT;
use peerage_interop::bidi::Result;
use peerage_interop::browser::{Browser, Kind, Options};
use peerage_interop::expect;
use peerage_interop::program::Server;
use peerage_interop::sample;
use peerage_interop::visit::{self, Offers};
use serde_json::Value;

const SIZE: usize = 8 << 20;

/// Opens the page with a camera; makes a room, or joins the one of `code`.
async fn page(kind: Kind, server: &Server, code: &mut Option<String>) -> Result<Browser> {
    let options = Options { fake_media: true, ..Options::default() };
    let mut browser = visit::open_with(kind, options, &server.url).await?;
    match code {
        Some(code) => visit::join(&mut browser, code, Offers::Accept).await?,
        None => *code = Some(visit::create(&mut browser, Offers::Accept).await?),
    }
    Ok(browser)
}

async fn pages(kinds: &[Kind], server: &Server) -> Result<Vec<Browser>> {
    let (mut all, mut code) = (Vec::new(), None);
    for kind in kinds {
        all.push(page(*kind, server, &mut code).await?);
    }
    for browser in &mut all {
        visit::connected(browser, kinds.len() - 1).await?;
    }
    Ok(all)
}

/// Presses one of the buttons to join, once it can be pressed.
async fn enter(browser: &mut Browser, button: &str) -> Result<()> {
    browser.until(&format!("!document.querySelector('[data-testid={button}]').disabled"), LIMIT).await?;
    visit::click(browser, button).await?;
    call(browser, "c.state === 'in'").await
}

/// Waits until something holds of the call, `c`, or of its only member, `m`; `x(kind)` sums what comes of a kind.
async fn call(browser: &mut Browser, holds: &str) -> Result<()> {
    let script = format!("(() => {{ const c = peeragePage.call, m = c.members[0]; return {holds} }})()");
    match browser.until(&script, LIMIT).await {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("{error}; {}", browser.run("peeragePage.call").await?)),
    }
}

/// What came from every member so far: pictures decoded, energy of the sound.
async fn came(browser: &mut Browser) -> Result<Vec<(u64, f64)>> {
    let script = "peeragePage.call.members.map(m => (m.stats?.flows ?? []).filter(f => f.direction === 'in'))\
                  .map(f => [f.reduce((n, f) => n + (f.frames ?? 0), 0), f.reduce((n, f) => n + (f.energy ?? 0), 0)])";
    let value = browser.run(script).await?;
    let rows = value.as_array().ok_or_else(|| format!("no rows: {value}"))?;
    Ok(rows.iter().map(|row| (row[0].as_u64().unwrap_or(0), row[1].as_f64().unwrap_or(0.0))).collect())
}

/// Waits until 20 more pictures and more sound have come from each of `members`.
async fn flows(browser: &mut Browser, members: usize) -> Result<()> {
    call(browser, &format!("c.members.length === {members} && c.members.every(m => m.stats)")).await?;
    let before = came(browser).await?;
    let end = tokio::time::Instant::now() + LIMIT;
    loop {
        let now = came(browser).await?;
        let more = |(now, before): (&(u64, f64), &(u64, f64))| now.0 >= before.0 + 20 && now.1 > before.1 + 0.001;
        if now.len() == members && now.iter().zip(&before).all(more) {
            return Ok(());
        }
        if tokio::time::Instant::now() > end {
            let call = browser.run("peeragePage.call").await?;
            return Err(format!("{:?}: {before:?} and then {now:?}: {call}", browser.kind()));
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// How much energy of sound comes within two seconds.
async fn energy(browser: &mut Browser) -> Result<f64> {
    let before = came(browser).await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let now = came(browser).await?;
    now.first().zip(before.first()).map(|(now, before)| now.1 - before.1).ok_or_else(|| "nobody is there".to_owned())
}

async fn muting(speaker: &mut Browser, listener: &mut Browser) -> Result<()> {
    visit::click(speaker, "call-mute").await?;
    call(listener, "m.muted").await?;
    // What was on its way comes first, which takes its time on a machine that is behind.
    let mut silence = f64::MAX;
    for _ in 0..10 {
        silence = silence.min(energy(listener).await?);
        if silence <= 1e-4 {
            break;
        }
    }
    if silence > 1e-4 {
        return Err(format!("{:?}: {silence} came from a muted microphone", listener.kind()));
    }
    visit::click(speaker, "call-mute").await?;
    call(listener, "!m.muted && m.speaking").await?;
    flows(listener, 1).await
}

/// Two pages see and hear each other, mute, send a file meanwhile, and part.
async fn pair(from: Kind, to: Kind) -> Result<()> {
    let (server, source) = (Server::start().await?, sample::folder()?);
    let (path, hash) = sample::file(source.path(), "8 MiB.bin", SIZE)?;
    let mut both = pages(&[from, to], &server).await?;
    let [first, second] = both.as_mut_slice() else { return Err("two pages were meant".to_owned()) };
    // The newcomer enters first: what it sends waits for the transceivers that the other one makes.
    enter(second, "join-camera").await?;
    call(first, "c.state === 'out' && m.says.call").await?;
    enter(first, "join-camera").await?;
    flows(first, 1).await?;
    flows(second, 1).await?;
    for browser in [&mut *first, &mut *second] {
        call(browser, "m.rates.path === 'direct' && m.rates.rtt < 1000").await?;
        call(browser, "m.stats.flows.some(f => f.direction === 'in' && f.kind === 'video' && f.codec === 'VP8')")
            .await?;
        call(browser, "m.rates.flows.some(f => f.direction === 'out' && f.bitrate > 10000)").await?;
    }
    panel(first).await?;
    panel(second).await?;
    muting(first, second).await?;
    visit::send(first, &[&path]).await?;
    visit::received(second, SIZE as u64, &hash).await?;
    flows(second, 1).await?;
    visit::click(first, "call-camera").await?;
    call(second, "!m.tracks.video && m.tracks.audio").await?;
    visit::click(first, "call-leave").await?;
    call(second, "c.members.length === 0").await?;
    visit::say(second, "still in the room").await?;
    visit::heard(first, "still in the room").await?;
    at_once(first, second).await
}

/// Both part and enter again at one moment, so that their offers meet.
async fn at_once(first: &mut Browser, second: &mut Browser) -> Result<()> {
    visit::click(second, "call-leave").await?;
    for browser in [&mut *first, &mut *second] {
        browser.until("!document.querySelector('[data-testid=join-camera]').disabled", LIMIT).await?;
    }
    for browser in [&mut *first, &mut *second] {
        visit::click(browser, "join-camera").await?;
    }
    flows(first, 1).await?;
    flows(second, 1).await
}

/// The panel has a line for each stream and plots with lines in them.
async fn panel(browser: &mut Browser) -> Result<()> {
    browser.run("(document.getElementById('stats').open = true)").await?;
    let shown = "document.querySelectorAll('.stats-table tbody tr').length >= 4 && \
                 [...document.querySelectorAll('.plot .line')].filter(l => l.getAttribute('d').includes('L')).length >= 7";
    browser.until(shown, LIMIT).await.map(drop)
}

/// Three in a mesh: each sees and hears the two others.
async fn mesh() -> Result<()> {
    let server = Server::start().await?;
    let mut all = pages(&[Kind::Chromium, Kind::Firefox, Kind::Chromium], &server).await?;
    for browser in &mut all {
        enter(browser, "join-camera").await?;
    }
    for browser in &mut all {
        flows(browser, 2).await?;
    }
    all[0].set_viewport(1100, 900).await?;
    let rows = "(() => { const tops = [...document.querySelectorAll('#tiles .tile')].map(t => t.offsetTop); \
                return tops.length === 3 && tops[0] === tops[1] && tops[1] < tops[2] })()";
    all[0].until(rows, LIMIT).await.map(drop)
}

/// A screen stands beside the camera, and goes when sharing ends.
async fn screen() -> Result<()> {
    let server = Server::start().await?;
    let mut both = pages(&[Kind::Firefox, Kind::Chromium], &server).await?;
    let [viewer, presenter] = both.as_mut_slice() else { return Err("two pages were meant".to_owned()) };
    enter(viewer, "join-watch").await?;
    enter(presenter, "join-sound").await?;
    presenter.run_pressed("document.querySelector('[data-testid=call-screen]').click() === undefined").await?;
    call(presenter, "c.screen").await?;
    call(viewer, "m.tracks.screen && !m.tracks.video").await?;
    viewer.until("document.querySelector('[data-testid=tile-screen] video')?.videoWidth > 0", LIMIT).await?;
    visit::click(presenter, "call-screen").await?;
    call(viewer, "!m.tracks.screen").await?;
    viewer.until("document.querySelector('[data-testid=tile-screen]') === null", LIMIT).await.map(drop)
}

/// Without a secure context there are no devices: the page says what to do, and lets people watch all the same.
async fn insecure(kind: Kind) -> Result<()> {
    let server = Server::start_insecure().await?;
    let mut code = None;
    let mut browser = page(kind, &server, &mut code).await?;
    enter(&mut browser, "join-camera").await?;
    for id in ["device-mic", "device-camera"] {
        let text = visit::notice(&mut browser, id).await?;
        if !text.contains("HTTPS") {
            return Err(format!("{kind:?}: {id} says {text}"));
        }
    }
    call(&mut browser, "c.muted && !c.camera").await
}

/// On a phone nothing is wider than the screen, and everything can be pressed.
async fn phone(kind: Kind) -> Result<()> {
    let server = Server::start().await?;
    let mut browser = page(kind, &server, &mut None).await?;
    browser.set_viewport(360, 740).await?;
    enter(&mut browser, "join-camera").await?;
    browser.run("(document.getElementById('stats').open = true)").await?;
    browser
        .until("document.querySelector('[data-testid=tile-self]')?.getBoundingClientRect().width > 0", LIMIT)
        .await?;
    let facts: Value = browser
        .run(
            "({ wide: document.documentElement.scrollWidth, small: [...document.querySelectorAll('#call button, #call summary')]\
             .filter(e => e.offsetParent !== null && e.getBoundingClientRect().height < 24).map(e => e.id), \
             tile: document.querySelector('[data-testid=tile-self]').getBoundingClientRect().width })",
        )
        .await?;
    let fits = facts["wide"].as_u64().is_some_and(|wide| wide <= 360);
    let touchable = facts["small"].as_array().is_some_and(Vec::is_empty);
    let seen = facts["tile"].as_f64().is_some_and(|tile| tile > 200.0);
    if !(fits && touchable && seen) {
        return Err(format!("{kind:?}: {facts}"));
    }
    devices(&mut browser).await
}

/// Another camera and another microphone are taken while the call goes on.
async fn devices(browser: &mut Browser) -> Result<()> {
    visit::click(browser, "call-devices").await?;
    for (what, on) in [("camera", "c.camera"), ("mic", "!c.muted")] {
        let select = format!("document.querySelector('[data-testid=device-{what}]')");
        browser.until(&format!("{select}?.options.length > 1"), LIMIT).await?;
        browser.run(&format!("(window.before = document.querySelector('#tiles video').srcObject?.id, {select}.selectedIndex = 1, {select}.dispatchEvent(new Event('change')))")).await?;
        if what == "camera" {
            let another = "document.querySelector('#tiles video').srcObject";
            browser.until(&format!("{another} && {another}.id !== window.before"), LIMIT).await?;
        }
        call(browser, on).await?;
    }
    visit::click(browser, "devices-close").await
}

#[tokio::test(flavor = "multi_thread")]
async fn chromium_and_chromium_see_and_hear_each_other() {
    expect::judge("call/Chromium-Chromium", pair(Kind::Chromium, Kind::Chromium).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn chromium_calls_firefox() {
    expect::judge("call/Chromium-Firefox", pair(Kind::Chromium, Kind::Firefox).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn firefox_calls_chromium() {
    expect::judge("call/Firefox-Chromium", pair(Kind::Firefox, Kind::Chromium).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn three_see_and_hear_each_other() {
    expect::judge("call/mesh", mesh().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_screen_is_shared_and_put_away() {
    expect::judge("call/screen", screen().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_secure_context_people_hear_what_to_do() {
    expect::judge("call/insecure/Chromium", insecure(Kind::Chromium).await);
    expect::judge("call/insecure/Firefox", insecure(Kind::Firefox).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_fits_a_phone_and_takes_other_devices() {
    expect::judge("call/phone/Chromium", phone(Kind::Chromium).await);
    expect::judge("call/phone/Firefox", phone(Kind::Firefox).await);
}
