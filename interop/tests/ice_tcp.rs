//! ICE over TCP (RFC 6544): where no UDP gets through, a browser connects to the port that we listen at, and so does
//! the library.

use peerage::configuration::Tcp;
use peerage::event::{PairProtocol, SelectedPair};
use peerage::peer_connection::SdpType;
use peerage::{Configuration, DataChannelInit, Endpoint, PeerConnection, SessionDescription, Settings};
use peerage_interop::LIMIT;
use peerage_interop::bidi::Result;
use peerage_interop::browser::{Browser, Kind, Options};
use peerage_interop::expect::{self, installed};
use peerage_interop::natives::{self, Natives};
use peerage_interop::netns::Lab;
use peerage_interop::netns::kind::Kind as Nat;
use peerage_interop::pair::{Offerer, Pair, Setup, set_remote, words};
use peerage_interop::{coturn, page};
use tokio::sync::{mpsc, oneshot};

const SIZE: usize = 16 << 20;
const LARGE: usize = 64 << 20;

/// Settings of a side that offers its one address, and this of TCP.
fn settings(tcp: Tcp) -> Settings {
    let mut settings = Settings::default();
    settings.addresses = vec![coturn::host()];
    settings.tcp = tcp;
    settings
}

/// That of a side which listens.
fn listening(simultaneous_open: bool) -> Tcp {
    Tcp::Listen { port: 0, simultaneous_open }
}

/// Whether a candidate is of TCP.
fn is_tcp(candidate: &str) -> bool {
    candidate.split_ascii_whitespace().nth(2).is_some_and(|protocol| protocol.eq_ignore_ascii_case("tcp"))
}

/// The pair in use, which must be a TCP connection to the peer.
fn over_tcp(pc: &PeerConnection) -> Result<SelectedPair> {
    let stats = pc.transport_stats();
    let pair = stats.selected.ok_or("no pair")?;
    let all_tcp = stats.pairs.iter().filter(|pair| pair.nominated).all(|pair| pair.tcp);
    if pair.protocol == PairProtocol::Tcp && all_tcp { Ok(pair) } else { Err(format!("uses {pair:?}")) }
}

/// Two native sides, either of which may be the one that listens and the one that makes the offer.
async fn natives([offerer, answerer]: [Tcp; 2]) -> Result<()> {
    let connection = |tcp| {
        let endpoint = Endpoint::new(settings(tcp)).map_err(words)?;
        endpoint.peer_connection(Configuration::default()).map_err(words)
    };
    let pair = Natives::connect(connection(offerer)?, connection(answerer)?, is_tcp).await?;
    let used = over_tcp(&pair.a)?;
    over_tcp(&pair.b)?;
    eprintln!("{offerer:?} to {answerer:?}: {used:?}");
    pair.exchange(LARGE).await?;
    over_tcp(&pair.a)?;
    over_tcp(&pair.b).map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn native_peers_connect_over_tcp_in_both_roles() {
    let cases = [
        [listening(false), Tcp::Active],
        [Tcp::Active, listening(false)],
        [listening(false), listening(false)],
        [listening(true), listening(true)],
    ];
    for (n, roles) in cases.into_iter().enumerate() {
        expect::judge(&format!("ice-tcp/native/{n}"), natives(roles).await);
    }
}

/// The browser opens the connection to our listener; nobody learns of a UDP candidate.
async fn with_browser(kind: Kind, offerer: Offerer) -> Result<()> {
    let mut setup = Setup::new(kind, offerer);
    setup.settings = settings(listening(false));
    setup.takes = is_tcp;
    let mut pair = Pair::connect_with(setup).await?;
    let used = over_tcp(&pair.pc)?;
    eprintln!("{kind:?}, {offerer:?} offers: {used:?}");
    pair.exchange(SIZE).await?;
    over_tcp(&pair.pc)?;
    let theirs = pair.browser.run(BROWSERS_PAIR).await?;
    if theirs == "tcp tcp" { Ok(()) } else { Err(format!("the browser says {theirs}")) }
}

/// What the browser says of both candidates of its pair.
const BROWSERS_PAIR: &str = "pc.getStats().then(stats => { const all = [...stats.values()]; \
    const pair = all.find(s => s.type === 'candidate-pair' && s.nominated && s.state === 'succeeded'); \
    return [pair.localCandidateId, pair.remoteCandidateId].map(id => stats.get(id).protocol).join(' ') })";

async fn browser(kind: Kind, program: &str) {
    if !installed(&format!("{kind:?} over TCP"), &[program]) {
        return;
    }
    for offerer in [Offerer::Native, Offerer::Browser] {
        expect::judge(&format!("ice-tcp/{kind:?}/{offerer:?}"), with_browser(kind, offerer).await);
    }
}

/// A browser behind a router that lets no UDP out, and our side at a public address, with all its candidates. What the
/// browser says of its pair.
async fn behind_a_wall(lab: &mut Lab, kind: Kind) -> Result<()> {
    let (public, home) = (lab.public()?, lab.home(&Nat::UdpBlocked)?);
    let (to_browser, offer) = oneshot::channel();
    let (to_native, mut words_of_browser) = mpsc::channel::<String>(2);
    let theirs = home.host.spawn(async move || {
        let options = Options { hide_addresses: true, ..Options::default() };
        let mut browser = Browser::start_with(kind, options).await?;
        browser.open(&page::blank().await?).await?;
        browser.run(&format!("(() => {{ {} }})()", page::SCRIPT)).await?;
        browser.run("start({})").await?;
        set_remote(&mut browser, &offer.await.map_err(words)?).await?;
        let answer = browser.run("pc.setLocalDescription().then(() => pc.localDescription.sdp)").await?;
        let _ = to_native.send(answer.as_str().unwrap_or_default().to_owned()).await;
        browser.until("opened('data')", LIMIT).await?;
        browser.run("(channels.data.mode = 'sink', true)").await?;
        let hash = browser.until(&format!("sinkHash('data', {SIZE})"), LIMIT).await?;
        let used = browser.run(BROWSERS_PAIR).await?;
        let _ = to_native.send(hash.as_str().unwrap_or_default().to_owned()).await;
        Ok(used)
    });
    let address = public.address;
    let ours = public.spawn(async move || {
        let mut settings = settings(listening(false));
        settings.addresses = vec![address.into()];
        let endpoint = Endpoint::new(settings).map_err(words)?;
        let pc = endpoint.peer_connection(Configuration::default()).map_err(words)?;
        let data = pc.create_data_channel("data", DataChannelInit::default()).map_err(words)?;
        pc.set_local_description(None).await.map_err(words)?;
        pc.gathering_complete().await;
        let _ = to_browser.send(pc.local_description().ok_or("no description")?);
        let answer = words_of_browser.recv().await.ok_or("no answer")?;
        pc.set_remote_description(SessionDescription::new(SdpType::Answer, answer)).await.map_err(words)?;
        let connected = tokio::time::timeout(LIMIT, data.opened()).await;
        connected.map_err(|_| format!("not connected in time: {}", pc.explain()))?.map_err(words)?;
        let sent = natives::send(&data, SIZE).await?;
        let used = over_tcp(&pc)?;
        let received = words_of_browser.recv().await.ok_or("nothing was received")?;
        let sent: String = sent.iter().map(|byte| format!("{byte:02x}")).collect();
        if sent == received { Ok(used) } else { Err(format!("the browser received {received}, sent was {sent}")) }
    });
    let (ours, theirs) = (ours.await.map_err(words)?, theirs.await.map_err(words)?);
    eprintln!("{kind:?} without UDP: {:?}", ours.map_err(|e| format!("{e}; the browser: {theirs:?}"))?);
    let theirs = theirs?;
    if theirs == "tcp tcp" { Ok(()) } else { Err(format!("the browser says {theirs}")) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn browsers_without_udp_connect_to_our_listener_across_a_kernel_nat() -> Result<()> {
    let what = "browsers without UDP";
    let Some(mut lab) = Lab::or_skip(what) else { return Ok(()) };
    for (kind, program) in [(Kind::Chromium, "chromedriver"), (Kind::Firefox, "firefox")] {
        if installed(what, &[program]) {
            expect::judge(&format!("ice-tcp/blocked/{kind:?}"), behind_a_wall(&mut lab, kind).await);
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn chromium_connects_to_our_listener() {
    browser(Kind::Chromium, "chromedriver").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn firefox_connects_to_our_listener() {
    browser(Kind::Firefox, "firefox").await;
}
