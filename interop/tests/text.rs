//! Session texts between browsers and programs: carried by paste, by link and by QR code, with no server in between.

use std::time::Duration;

use peerage_interop::LIMIT;
use peerage_interop::bidi::Result;
use peerage_interop::browser::{Browser, Kind};
use peerage_interop::expect;
use peerage_interop::program::{Pipe, Server};
use peerage_interop::sample;
use peerage_interop::visit;
use peerage_signal::compact::condense::{Half, Options, condense};
use peerage_signal::compact::derive::OfferTag;
use peerage_signal::compact::description::{Kind as TextKind, LIFETIME};
use peerage_signal::compact::find::find;
use serde_json::{Value, json};

const BOTH: [Kind; 2] = [Kind::Chromium, Kind::Firefox];
const SIZE: usize = 1 << 20;

fn text(value: &Value) -> Result<String> {
    value.as_str().map(str::to_owned).ok_or_else(|| format!("no text: {value}"))
}

async fn program_text(pipe: &mut Pipe, event: &str) -> Result<String> {
    text(&pipe.event(event, LIMIT).await?["text"])
}

/// Seconds since 1970, by the clock of the browser.
async fn now(browser: &mut Browser) -> Result<u64> {
    browser.run("Math.floor(Date.now() / 1000)").await?.as_u64().ok_or_else(|| "no clock".to_owned())
}

/// What a connection made by no page of ours gives, with all its candidates, once `action` has described this side.
async fn describe(browser: &mut Browser, action: &str) -> Result<String> {
    let script = format!(
        "(async () => {{ {action}; await pc.setLocalDescription(); \
         await new Promise(done => {{ const look = () => pc.iceGatheringState === 'complete' && done(); \
         pc.addEventListener('icegatheringstatechange', look); look(); }}); return pc.localDescription.sdp }})()"
    );
    text(&browser.run(&script).await?)
}

/// One line each way between a bare channel of a browser and the streams of a program.
async fn lines(browser: &mut Browser, pipe: &mut Pipe) -> Result<()> {
    browser.until("window.channel?.readyState === 'open'", LIMIT).await?;
    browser.run("(channel.send(new TextEncoder().encode('up')), true)").await?;
    let got = pipe.read(2, LIMIT).await?;
    pipe.write(b"down", LIMIT).await?;
    browser.until("window.got === 'down'", LIMIT).await?;
    if got == b"up" { Ok(()) } else { Err(format!("read {got:?}")) }
}

const LISTEN: &str = "window.got = ''; window.listen = c => { window.channel = c; c.binaryType = 'arraybuffer'; \
                      c.onmessage = ({data}) => { window.got += new TextDecoder().decode(data) } }";

/// The browser's own offer, condensed here and answered by the program.
async fn bare_offer(kind: Kind) -> Result<()> {
    let home = sample::folder()?;
    let mut browser = Browser::start(kind).await?;
    let made =
        "window.pc = new RTCPeerConnection(); listen(pc.createDataChannel('pipe', {protocol: 'peerage.pipe.1'}))";
    let sdp = describe(&mut browser, &format!("{LISTEN}; {made}")).await?;
    let now = now(&mut browser).await?;
    let offer = condense(Half::Offer, &sdp, now, Options::default()).map_err(|e| e.to_string())?.description;
    let mut pipe = Pipe::start_as(&["answer", &offer.to_text().map_err(|e| e.to_string())?], home.path()).await?;
    let answer = find(&program_text(&mut pipe, "answer").await?).map_err(|e| e.to_string())?;
    let answer = answer.answer_to(offer.tag(), now, LIFETIME).map_err(|e| e.to_string())?.to_sdp();
    browser.run(&format!("pc.setRemoteDescription({{type: 'answer', sdp: {}}})", json!(answer))).await?;
    lines(&mut browser, &mut pipe).await
}

/// The program's offer, expanded here and answered by the browser.
async fn bare_answer(kind: Kind) -> Result<()> {
    let home = sample::folder()?;
    let mut browser = Browser::start(kind).await?;
    let mut pipe = Pipe::start_as(&["offer"], home.path()).await?;
    let offer = find(&program_text(&mut pipe, "offer").await?).map_err(|e| e.to_string())?;
    let now = now(&mut browser).await?;
    let offer = offer.newest(TextKind::Offer, now).map_err(|e| e.to_string())?;
    let made = format!(
        "window.pc = new RTCPeerConnection(); pc.ondatachannel = ({{channel}}) => listen(channel); \
         await pc.setRemoteDescription({{type: 'offer', sdp: {}}})",
        json!(offer.to_sdp())
    );
    let sdp = describe(&mut browser, &format!("{LISTEN}; {made}")).await?;
    let half = Half::Answer(OfferTag::new(&offer.fingerprint, &offer.ufrag));
    let answer = condense(half, &sdp, now, Options::default()).map_err(|e| e.to_string())?.description;
    let answer = answer.to_text().map_err(|e| e.to_string())?;
    pipe.write(format!("{answer}\n").as_bytes(), LIMIT).await?;
    lines(&mut browser, &mut pipe).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_browsers_say_becomes_a_text_that_the_program_answers() {
    for kind in BOTH {
        expect::judge(&format!("text-bare-offer/{kind:?}"), bare_offer(kind).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_program_offers_becomes_what_browsers_answer() {
    for kind in BOTH {
        expect::judge(&format!("text-bare-answer/{kind:?}"), bare_answer(kind).await);
    }
}

/// Has the page make its text.
async fn offer(browser: &mut Browser) -> Result<String> {
    visit::click(browser, "text-offer").await?;
    own(browser).await
}

/// Has the page answer a text.
async fn answer(browser: &mut Browser, offer: &str) -> Result<String> {
    visit::fill(browser, "text-given", offer).await?;
    visit::click(browser, "text-answer").await?;
    own(browser).await
}

/// Has the page take the text that came back.
async fn take(browser: &mut Browser, answer: &str) -> Result<()> {
    visit::fill(browser, "text-back", answer).await?;
    visit::click(browser, "text-take").await
}

/// The text that the page shows.
async fn own(browser: &mut Browser) -> Result<String> {
    match browser.until("peeragePage.state === 'waiting' && peeragePage.text", LIMIT).await {
        Ok(value) => text(&value),
        Err(error) => {
            let why = "[peeragePage.state, peeragePage.error, document.querySelector('[data-testid=text-given-error]').textContent]";
            Err(format!("{error}; {}", browser.run(why).await?))
        }
    }
}

/// One line each way between the page's console and the streams of a program.
async fn console(browser: &mut Browser, pipe: &mut Pipe) -> Result<()> {
    pipe.event("connected", LIMIT).await?;
    visit::connected(browser, 1).await?;
    pipe.write(b"down\n", LIMIT).await?;
    browser.until("peeragePage.pipes[0]?.text.includes('down')", LIMIT).await?;
    browser.until("document.querySelector('[data-testid=pipe-input]:enabled') !== null", LIMIT).await?;
    visit::fill(browser, "pipe-input", "up").await?;
    browser.run("(document.querySelector('[data-testid=pipe-input]').form.requestSubmit(), true)").await?;
    let got = pipe.read(3, LIMIT).await?;
    if got == b"up\n" { Ok(()) } else { Err(format!("read {got:?}")) }
}

async fn page_offers(kind: Kind) -> Result<()> {
    let (server, home) = (Server::start().await?, sample::folder()?);
    let mut browser = visit::open(kind, &server.url).await?;
    let offer = offer(&mut browser).await?;
    let mut pipe = Pipe::start_as(&["answer", &format!("Hi, answer this: {offer}")], home.path()).await?;
    let answer = program_text(&mut pipe, "answer").await?;
    take(&mut browser, &answer).await?;
    console(&mut browser, &mut pipe).await
}

/// The answer comes long after the browser has begun to check paths.
async fn page_answers(kind: Kind, later: Duration) -> Result<()> {
    let (server, home) = (Server::start().await?, sample::folder()?);
    let mut browser = visit::open(kind, &server.url).await?;
    let mut pipe = Pipe::start_as(&["offer"], home.path()).await?;
    let offer = program_text(&mut pipe, "offer").await?;
    let answer = answer(&mut browser, &offer).await?;
    tokio::time::sleep(later).await;
    pipe.write(format!("{answer}\n").as_bytes(), LIMIT).await?;
    console(&mut browser, &mut pipe).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_offers_and_the_program_answers() {
    for kind in BOTH {
        expect::judge(&format!("text-page-offer/{kind:?}"), page_offers(kind).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_offers_and_the_page_answers() {
    for kind in BOTH {
        expect::judge(&format!("text-page-answer/{kind:?}"), page_answers(kind, Duration::ZERO).await);
    }
}

/// Longer than browsers look for a path by themselves.
const SLOWLY: Duration = Duration::from_secs(75);

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_of_the_page_that_is_carried_slowly_still_connects() {
    let [chromium, firefox] = BOTH;
    let (one, two, three, four) = tokio::join!(
        page_answers(chromium, SLOWLY),
        page_answers(firefox, SLOWLY),
        pages(chromium, firefox, SLOWLY),
        pages(firefox, chromium, SLOWLY),
    );
    for (case, outcome) in
        [("Chromium", one), ("Firefox", two), ("Chromium-Firefox", three), ("Firefox-Chromium", four)]
    {
        expect::judge(&format!("text-page-late/{case}"), outcome);
    }
}

/// Messages and a file between two pages.
async fn talk(one: &mut Browser, other: &mut Browser) -> Result<()> {
    for browser in [&mut *one, &mut *other] {
        visit::connected(browser, 1).await?;
        browser.until("document.querySelectorAll('[data-testid=pipe-input]').length === 0", LIMIT).await?;
    }
    other.run("(document.querySelector('[data-testid=auto-accept]').click(), true)").await?;
    say(one, "hello there").await?;
    visit::heard(other, "hello there").await?;
    say(other, "hello back").await?;
    visit::heard(one, "hello back").await?;
    let home = sample::folder()?;
    let (path, hash) = sample::file(home.path(), "file.bin", SIZE)?;
    visit::send(one, &[&path]).await?;
    match visit::received(other, SIZE as u64, &hash).await {
        Ok(()) => Ok(()),
        Err(error) => Err(format!("{error}; sent: {}", one.run("peeragePage.transfers").await?)),
    }
}

/// Says something as soon as somebody can hear it: the channel opens a moment after the connection stands.
async fn say(browser: &mut Browser, said: &str) -> Result<()> {
    visit::fill(browser, "chat-input", said).await?;
    let script = "(document.querySelector('[data-testid=chat-send]').click(), \
                  document.querySelector('[data-testid=chat-input]').value === '')";
    browser.until(script, LIMIT).await.map(drop)
}

/// Two pages, by a link and a paste.
async fn pages(first: Kind, second: Kind, later: Duration) -> Result<()> {
    let server = Server::start().await?;
    let mut one = visit::open(first, &server.url).await?;
    offer(&mut one).await?;
    let link = text(&one.run("peeragePage.textLink").await?)?;
    let mut other = visit::open(second, &link).await?;
    visit::click(&mut other, "text-answer").await?;
    let answer = own(&mut other).await?;
    tokio::time::sleep(later).await;
    take(&mut one, &format!("On Monday, Bob wrote:\n> {answer}\n")).await?;
    talk(&mut one, &mut other).await
}

/// What the browser shows, put into a field for pictures of the other one.
async fn show(from: &mut Browser, to: &mut Browser, field: &str) -> Result<()> {
    from.run("(document.querySelector('[data-testid=text-qr]').scrollIntoView({block: 'center'}), true)").await?;
    let picture = from.screenshot().await?;
    let script = format!(
        "(() => {{ const bytes = Uint8Array.from(atob({}), c => c.charCodeAt(0)); const files = new DataTransfer(); \
         files.items.add(new File([bytes], 'screen.png', {{type: 'image/png'}})); \
         const field = document.querySelector('[data-testid={field}]'); field.files = files.files; \
         field.dispatchEvent(new Event('change')); return true }})()",
        json!(picture)
    );
    to.run(&script).await.map(drop)
}

/// Two pages that read each other's screen.
async fn screens(first: Kind, second: Kind) -> Result<()> {
    let server = Server::start().await?;
    let (mut one, mut other) = (visit::open(first, &server.url).await?, visit::open(second, &server.url).await?);
    offer(&mut one).await?;
    show(&mut one, &mut other, "text-picture").await?;
    own(&mut other).await?;
    show(&mut other, &mut one, "text-back-picture").await?;
    talk(&mut one, &mut other).await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_pages_connect_by_a_link_and_a_paste() {
    for (first, second) in [(Kind::Chromium, Kind::Firefox), (Kind::Firefox, Kind::Chromium)] {
        expect::judge(&format!("text-pages/{first:?}"), pages(first, second, Duration::ZERO).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_pages_connect_by_the_qr_codes_on_their_screens() {
    for (first, second) in [(Kind::Chromium, Kind::Firefox), (Kind::Firefox, Kind::Chromium)] {
        expect::judge(&format!("text-screens/{first:?}"), screens(first, second).await);
    }
}

async fn refused(browser: &mut Browser, field: &str, button: &str, pasted: &str, told: &str) -> Result<()> {
    visit::fill(browser, field, pasted).await?;
    visit::click(browser, button).await?;
    let script = format!("document.querySelector('[data-testid={field}-error]').textContent.includes({})", json!(told));
    browser.until(&script, LIMIT).await.map(drop)
}

/// What is pasted wrongly is told, and the right text is still taken.
async fn mistakes(kind: Kind) -> Result<()> {
    let (server, home) = (Server::start().await?, sample::folder()?);
    let mut browser = visit::open(kind, &server.url).await?;
    let mut other = Pipe::start_as(&["offer"], home.path()).await?;
    let foreign = program_text(&mut other, "offer").await?;
    for (pasted, told) in [
        ("", "Paste the text first"),
        ("hello", "no session text"),
        (&foreign[..40], "not complete"),
        (&foreign.replace(&foreign[20..24], "xxxx"), "altered"),
    ] {
        refused(&mut browser, "text-given", "text-answer", pasted, told).await?;
    }
    let offer = offer(&mut browser).await?;
    let mut wrong = Pipe::start_as(&["answer", &foreign], home.path()).await?;
    let wrong = program_text(&mut wrong, "answer").await?;
    refused(&mut browser, "text-back", "text-take", &offer, "This is an offer").await?;
    refused(&mut browser, "text-back", "text-take", &wrong, "another offer").await?;
    let mut pipe = Pipe::start_as(&["answer", &offer], home.path()).await?;
    let answer = program_text(&mut pipe, "answer").await?;
    take(&mut browser, &answer).await?;
    console(&mut browser, &mut pipe).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_pasted_wrongly_into_the_page_is_told() {
    for kind in BOTH {
        expect::judge(&format!("text-mistakes/{kind:?}"), mistakes(kind).await);
    }
}
