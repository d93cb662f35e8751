//! Round trips until channels are open, over a way of 100 ms there and back: with the handshake of DTLS in the checks
//! (draft-hancke-webrtc-sped) and the beginning of SCTP in the descriptions (draft-hancke-tsvwg-snap), where the peer
//! knows them, and without.
//!
//! Counted from when both sides have both descriptions and a candidate, until a channel is open at the later one. Machines
//! are busy with other things, so that the best of several attempts counts.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::Duration;

use peerage::event::IceCandidate;
use peerage::{
    Configuration, DataChannel, DataChannelInit, Endpoint, Event, PeerConnection, SessionDescription, Settings,
};
use peerage_interop::bidi::Result;
use peerage_interop::browser::{Browser, Kind, Options};
use peerage_interop::delay::{Content, Delay, Note, unix_time};
use peerage_interop::pair::{Offerer, description, set_remote, words};
use peerage_interop::{coturn, expect, page};
use serde_json::json;
use tokio::sync::Mutex;
use tokio::task::JoinSet;

/// One way.
const WAY: Duration = Duration::from_millis(50);
/// How long anything may take.
const LIMIT: Duration = Duration::from_secs(20);
/// How often a case is tried, at least and at most.
const ATTEMPTS: [usize; 2] = [2, 5];
/// The channel that the offerer announces in-band, and the one that both sides agreed on.
const CHANNELS: [&str; 2] = ["announced", "agreed"];
/// The stream of the latter.
const STREAM: u16 = 100;
/// How long both are watched when they are open, in which Chromium sends its next check, and after how long checks must be
/// plain again.
const WATCH: Duration = Duration::from_millis(1500);
const SETTLED: Millis = 500.0;
/// One at a time: the tests would slow each other down.
static TURN: Mutex<()> = Mutex::const_new(());

/// Notes when channels open, and takes a candidate at a given time.
const SCRIPT: &str = r#"
window.stamp = () => performance.timeOrigin + performance.now();
window.watch = (dc) => {
  const note = () => { openedAt[dc.label] = stamp(); };
  if (dc.readyState === 'open') note(); else dc.onopen = note;
};
window.begin = (announces, stream) => {
  window.pc?.close();
  start({});
  window.openedAt = {};
  pc.addEventListener('datachannel', e => watch(e.channel));
  if (announces) watch(pc.createDataChannel('announced'));
  watch(pc.createDataChannel('agreed', {negotiated: true, id: stream}));
  return true;
};
window.takeAt = async (time, candidate) => {
  while (stamp() < time - 8) await new Promise(r => setTimeout(r, 1));
  while (stamp() < time) ;
  await pc.addIceCandidate(candidate);
  return stamp();
};
"#;

/// Milliseconds since 1970.
type Millis = f64;

/// Which of the two is meant: the one that makes the offer, or the other. The numbers of [`Delay`], too.
const OFFERER: usize = 0;
const ANSWERER: usize = 1;

/// One side.
enum End<'a> {
    Page(&'a mut Browser),
    Native(Native),
}

struct Native {
    pc: PeerConnection,
    opened: Opened,
    saves: bool,
    _endpoint: Endpoint,
    _watch: JoinSet<()>,
}

/// When channels opened, by their labels.
type Opened = Arc<StdMutex<BTreeMap<String, Millis>>>;

/// What an attempt showed.
struct Figures {
    /// From the start until the two channels were open, by channel and side, in round trips.
    opened: [[f64; 2]; 2],
    /// How far apart the sides began, in milliseconds.
    skew: Millis,
    /// Both descriptions have an INIT chunk.
    snap: bool,
    /// DTLS packets in checks, by sender.
    carried: [usize; 2],
    /// Whether both sides acknowledge such packets.
    acknowledged: bool,
    /// Checks long after the channels opened, and those of them that still had to do with DTLS.
    later: [usize; 2],
    /// Datagrams with application data that the DTLS client had when its agreed channel opened. Without any, nothing of
    /// SCTP had come, and so no answer to an INIT; a busy machine may be late to see that it is open.
    before: usize,
    /// Everything that passed.
    timeline: String,
}

impl Native {
    /// One that saves round trips, or not.
    fn new(announces: bool, saves: bool) -> Result<Self> {
        let mut settings = Settings::default();
        settings.addresses = vec![coturn::host()];
        settings.port_mapping = false;
        (settings.snap, settings.sped) = (saves, saves);
        let endpoint = Endpoint::new(settings).map_err(words)?;
        let pc = endpoint.peer_connection(Configuration::default()).map_err(words)?;
        let (opened, mut tasks) = (Opened::default(), JoinSet::new());
        if announces {
            let channel = pc.create_data_channel(CHANNELS[0], DataChannelInit::default()).map_err(words)?;
            tasks.spawn(watch(channel, opened.clone()));
        }
        let agreed = DataChannelInit { negotiated: Some(STREAM), ..DataChannelInit::default() };
        let agreed = pc.create_data_channel(CHANNELS[1], agreed).map_err(words)?;
        tasks.spawn(watch(agreed, opened.clone()));
        let (events, notes) = (pc.clone(), opened.clone());
        tasks.spawn(async move {
            while let Some(event) = events.next_event().await {
                if let Event::DataChannel(channel) = event {
                    watch(channel, notes.clone()).await;
                }
            }
        });
        Ok(Self { pc, opened, saves, _endpoint: endpoint, _watch: tasks })
    }
}

async fn watch(channel: DataChannel, opened: Opened) {
    if channel.opened().await.is_ok() {
        let at = millis(unix_time());
        opened.lock().unwrap_or_else(PoisonError::into_inner).insert(channel.label(), at);
    }
}

impl End<'_> {
    async fn begin(&mut self, announces: bool) -> Result<()> {
        match self {
            Self::Page(page) => page.run(&format!("begin({announces}, {STREAM})")).await.map(drop),
            Self::Native(native) => {
                *native = Native::new(announces, native.saves)?;
                Ok(())
            }
        }
    }

    /// Makes an offer, or an answer to what came, and takes it.
    async fn describe(&mut self, side: usize) -> Result<SessionDescription> {
        match self {
            Self::Page(page) => {
                let made = page.run("pc.setLocalDescription().then(() => pc.localDescription.toJSON())").await?;
                description(&made)
            }
            Self::Native(Native { pc, .. }) => {
                let made = if side == OFFERER { pc.create_offer().await } else { pc.create_answer().await };
                let made = made.map_err(words)?;
                pc.set_local_description(made.clone()).await.map_err(words)?;
                Ok(made)
            }
        }
    }

    async fn take(&mut self, remote: &SessionDescription) -> Result<()> {
        match self {
            Self::Page(page) => set_remote(page, remote).await,
            Self::Native(native) => native.pc.set_remote_description(remote.clone()).await.map_err(words),
        }
    }

    async fn gathered(&mut self) -> Result<()> {
        match self {
            Self::Page(page) => page.until("pc.iceGatheringState === 'complete'", LIMIT).await.map(drop),
            Self::Native(native) => {
                let late = |_| "candidates are not gathered in time".to_owned();
                tokio::time::timeout(LIMIT, native.pc.gathering_complete()).await.map_err(late)
            }
        }
    }

    /// Takes a candidate at this time; when it was taken.
    async fn take_at(&mut self, time: Millis, candidate: &str) -> Result<Millis> {
        match self {
            Self::Page(page) => {
                let init = json!({"candidate": candidate, "sdpMid": "0"});
                page.run(&format!("takeAt({time}, {init})")).await?.as_f64().ok_or_else(|| "no time".to_owned())
            }
            Self::Native(native) => {
                let wait = (time - millis(unix_time())).max(0.0);
                tokio::time::sleep(Duration::from_secs_f64(wait / 1e3)).await;
                let init = IceCandidate {
                    candidate: candidate.to_owned(),
                    sdp_mid: Some("0".to_owned()),
                    sdp_mline_index: None,
                    username_fragment: None,
                };
                native.pc.add_ice_candidate(init).await.map_err(words)?;
                Ok(millis(unix_time()))
            }
        }
    }

    /// When a channel opened.
    async fn opened(&mut self, label: &str) -> Result<Millis> {
        match self {
            Self::Page(page) => {
                let at = page.until(&format!("openedAt['{label}']"), LIMIT).await?;
                at.as_f64().ok_or_else(|| format!("{at} is no time"))
            }
            Self::Native(native) => {
                let wait = async {
                    loop {
                        if let Some(at) = native.opened.lock().unwrap_or_else(PoisonError::into_inner).get(label) {
                            return *at;
                        }
                        tokio::time::sleep(Duration::from_millis(10)).await;
                    }
                };
                let waited = tokio::time::timeout(LIMIT, wait).await;
                waited.map_err(|_| format!("{label} does not open: {}", native.pc.explain()))
            }
        }
    }
}

/// Connects two sides, the offerer first.
async fn measure(ends: &mut [End<'_>; 2], client: usize, watch: bool) -> Result<Figures> {
    let ip = coturn::host();
    let way = Delay::new(ip, WAY).await.map_err(words)?;
    for (side, end) in ends.iter_mut().enumerate() {
        end.begin(side == OFFERER).await?;
    }
    let [offerer, answerer] = ends;
    let offer = offerer.describe(OFFERER).await?;
    answerer.take(&told(&offer, client)).await?;
    let answer = answerer.describe(ANSWERER).await?;
    offerer.take(&told(&answer, client)).await?;
    offerer.gathered().await?;
    answerer.gathered().await?;
    let candidate = |side| format!("candidate:1 1 udp 2130706431 {ip} {} typ host", way.address(side).port());
    let time = millis(unix_time()) + 300.0;
    let (a, b) = (candidate(OFFERER), candidate(ANSWERER));
    let (a, b) = tokio::try_join!(offerer.take_at(time, &a), answerer.take_at(time, &b))?;
    let start = a.max(b);
    let mut opened = [[0.0; 2]; 2];
    for (label, opened) in CHANNELS.iter().zip(&mut opened) {
        *opened = [offerer.opened(label).await?, answerer.opened(label).await?];
    }
    if watch {
        tokio::time::sleep(WATCH).await;
    }
    let notes = way.notes();
    let ready = opened[1][client];
    let early = |note: &&Note| note.from != client && millis(note.at) < ready;
    let round_trips = |at: Millis| (at - start) / (2.0 * WAY.as_secs_f64() * 1e3);
    let last = opened.iter().flatten().copied().fold(start, f64::max);
    let later = notes.iter().filter(|note| millis(note.at) > last + SETTLED);
    let later = later.filter(|note| matches!(note.content, Content::Stun { .. }));
    let carried = |from| notes.iter().filter(|note| note.from == from && carries(note)).count();
    Ok(Figures {
        opened: opened.map(|sides| sides.map(round_trips)),
        skew: (a - b).abs(),
        snap: [offer, answer].iter().all(|description| description.sdp.contains("a=sctp-init:")),
        carried: [carried(OFFERER), carried(ANSWERER)],
        acknowledged: (0..2).all(|side| notes.iter().any(|note| note.from == side && acknowledges(note))),
        later: [later.clone().count(), later.filter(|note| carries(note) || acknowledges(note)).count()],
        before: notes.iter().filter(early).filter(|note| note.content == Content::Dtls { application: true }).count(),
        timeline: timeline(&notes, start, opened),
    })
}

/// A description as the peer gets it: without candidates, all of which come at once later, and with the roles that are
/// wanted.
fn told(description: &SessionDescription, client: usize) -> SessionDescription {
    let stays = |line: &&str| !line.starts_with("a=candidate:") && !line.starts_with("a=end-of-candidates");
    let sdp: String = description.sdp.split_inclusive('\n').filter(stays).collect();
    let offered = if client == OFFERER { "a=setup:active" } else { "a=setup:actpass" };
    SessionDescription::new(description.kind, sdp.replace("a=setup:actpass", offered))
}

fn carries(note: &Note) -> bool {
    matches!(note.content, Content::Stun { packet: Some(1..), .. })
}

fn acknowledges(note: &Note) -> bool {
    matches!(note.content, Content::Stun { acks: Some(_), .. })
}

fn millis(at: Duration) -> Millis {
    at.as_secs_f64() * 1e3
}

/// What passed until the last channel was open, in words.
fn timeline(notes: &[Note], start: Millis, opened: [[Millis; 2]; 2]) -> String {
    let mut lines: Vec<(Millis, String)> = Vec::new();
    for note in notes {
        lines.push((millis(note.at), format!("from {}: {} bytes, {:?}", note.from, note.len, note.content)));
    }
    for (label, sides) in CHANNELS.iter().zip(opened) {
        for (side, at) in sides.iter().enumerate() {
            lines.push((*at, format!("{label} is open at {side}")));
        }
    }
    lines.sort_by(|a, b| a.0.total_cmp(&b.0));
    let last = opened.iter().flatten().copied().fold(start, f64::max);
    lines.iter().take_while(|(at, _)| *at <= last).fold(String::new(), |mut all, (at, line)| {
        // Writing to a string does not fail.
        let _ = writeln!(all, "{:8.1} {line}", at - start);
        all
    })
}

/// What is expected of a pair.
#[derive(Clone, Copy)]
struct Expected {
    /// Both descriptions have an INIT chunk, and SCTP begins with them.
    snap: bool,
    /// The DTLS client sends its flight in checks, and both sides acknowledge there.
    sped: bool,
    /// Round trips until the channels are open at the later side, at most.
    limit: f64,
}

/// Tries until the limit is kept.
async fn case(name: &str, ends: &mut [End<'_>; 2], client: usize, expected: Expected) -> Result<()> {
    let mut best = [f64::INFINITY; 2];
    let mut before = usize::MAX;
    let mut last = String::new();
    for attempt in 0..ATTEMPTS[1] {
        let figures = measure(ends, client, expected.sped && attempt == 0).await?;
        let later = figures.opened.map(|[a, b]| a.max(b));
        eprintln!(
            "{name}: announced {:.2} (at the sides {:.2?}), agreed {:.2} (at the sides {:.2?}); \
             began {:.1} ms apart, DTLS in checks {:?}, checks after that {:?}",
            later[0], figures.opened[0], later[1], figures.opened[1], figures.skew, figures.carried, figures.later
        );
        figures.check(client, expected)?;
        best = std::array::from_fn(|i| best[i].min(later[i]));
        before = before.min(figures.before);
        last = figures.timeline;
        let kept = best.iter().all(|best| *best <= expected.limit) && (before == 0) == expected.snap;
        if attempt + 1 >= ATTEMPTS[0] && kept {
            eprintln!("{name}: at best {:.2} announced, {:.2} agreed", best[0], best[1]);
            return Ok(());
        }
    }
    Err(format!(
        "at best {best:.2?} round trips, not {}; {before} datagrams with application data came before a channel was open; \
         the last attempt:\n{last}",
        expected.limit
    ))
}

impl Figures {
    /// Holds whatever the time.
    fn check(&self, client: usize, expected: Expected) -> Result<()> {
        // The server's flight may find a path that is proven already.
        let sped = self.carried[client] > 0 && self.acknowledged;
        let none = self.carried == [0; 2];
        if self.snap == expected.snap && if expected.sped { sped } else { none } && self.later[1] == 0 {
            return Ok(());
        }
        Err(format!(
            "INIT chunks in both descriptions: {}, DTLS in checks: {:?}, in checks long after: {:?}\n{}",
            self.snap, self.carried, self.later, self.timeline
        ))
    }
}

/// A browser and the library, in every role.
async fn with_browser(kind: Kind, trials: &'static str, expected: Expected) -> Result<()> {
    let _turn = TURN.lock().await;
    let options = Options { hide_addresses: true, trials, ..Options::default() };
    let mut browser = Browser::start_with(kind, options).await?;
    browser.open(&page::blank().await?).await?;
    browser.run(&format!("(() => {{ {}\n{SCRIPT} }})()", page::SCRIPT)).await?;
    for offerer in [Offerer::Browser, Offerer::Native] {
        for client in [ANSWERER, OFFERER] {
            let role = if client == OFFERER { "offerer" } else { "answerer" };
            let name = format!("{kind:?} [{trials}], {offerer:?} offers, the {role} is the DTLS client");
            let native = End::Native(Native::new(false, true)?);
            let page = End::Page(&mut browser);
            let mut ends = match offerer {
                Offerer::Browser => [page, native],
                Offerer::Native => [native, page],
            };
            case(&name, &mut ends, client, expected).await.map_err(|error| format!("{name}: {error}"))?;
        }
    }
    Ok(())
}

/// Both, as the draft of WARP has it.
#[tokio::test(flavor = "multi_thread")]
async fn chromium_with_dtls_in_checks_and_inits_in_descriptions() {
    let trials = "WebRTC-IceHandshakeDtls/Enabled/WebRTC-Sctp-Snap/Enabled/";
    let expected = Expected { snap: true, sped: true, limit: 3.0 };
    expect::judge("warp/Chromium", with_browser(Kind::Chromium, trials, expected).await);
}

/// The channels wait for no handshake of SCTP: a round trip of ICE, one of DTLS, and a way for the announcement.
#[tokio::test(flavor = "multi_thread")]
async fn chromium_with_inits_in_descriptions() {
    let expected = Expected { snap: true, sped: false, limit: 3.5 };
    expect::judge("warp/Chromium/SNAP", with_browser(Kind::Chromium, "WebRTC-Sctp-Snap/Enabled/", expected).await);
}

/// SCTP shakes hands after all, on a path that DTLS has been carried to.
#[tokio::test(flavor = "multi_thread")]
async fn chromium_with_dtls_in_checks() {
    let expected = Expected { snap: false, sped: true, limit: 4.5 };
    expect::judge(
        "warp/Chromium/SPED",
        with_browser(Kind::Chromium, "WebRTC-IceHandshakeDtls/Enabled/", expected).await,
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn chromium_as_it_comes() {
    let expected = Expected { snap: false, sped: false, limit: 5.5 };
    expect::judge("warp/Chromium/plain", with_browser(Kind::Chromium, "", expected).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn firefox_as_it_comes() {
    let expected = Expected { snap: false, sped: false, limit: 6.0 };
    expect::judge("warp/Firefox", with_browser(Kind::Firefox, "", expected).await);
}

/// The library with itself, in both roles of DTLS.
async fn natives(saves: bool, expected: Expected) -> Result<()> {
    let _turn = TURN.lock().await;
    for client in [ANSWERER, OFFERER] {
        let mut ends = [End::Native(Native::new(true, saves)?), End::Native(Native::new(false, saves)?)];
        let role = if client == OFFERER { "offerer" } else { "answerer" };
        let name = format!("the library with itself, saving: {saves}, the {role} is the DTLS client");
        case(&name, &mut ends, client, expected).await.map_err(|error| format!("{name}: {error}"))?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn native_with_native() {
    expect::judge("warp/native", natives(true, Expected { snap: true, sped: true, limit: 3.0 }).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn native_with_native_without_either() {
    expect::judge("warp/native/plain", natives(false, Expected { snap: false, sped: false, limit: 5.0 }).await);
}
