//! Data to and from browsers over a way that delays, loses and does not carry large datagrams: what the transport does
//! beyond what browsers do must not harm it there.

use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use peerage::event::ConnectionState;
use peerage::{DataChannel, DataChannelInit, Event, Message};
use peerage_interop::LIMIT;
use peerage_interop::bidi::Result;
use peerage_interop::browser::Kind;
use peerage_interop::delay::{Conditions, Delay};
use peerage_interop::pair::{Offerer, Pair, Setup, words};
use peerage_interop::{coturn, expect};
use serde_json::Value;
use tokio::sync::Mutex;

/// One way.
const WAY: Duration = Duration::from_millis(10);
/// How long a browser may take to send what it sends once.
const PATIENCE: Duration = Duration::from_secs(150);
const MIB: usize = 1 << 20;
/// What a path with a tunnel in it may carry, in bytes of UDP payload.
const TUNNEL: usize = 1280;
/// One at a time: the tests would slow each other down.
static TURN: Mutex<()> = Mutex::const_new(());

/// Numbered messages: a number, then bytes that follow from it.
const SCRIPT: &str = r#"
window.numbers = (label) => {
  const dc = channels[label];
  dc.found = []; dc.wrong = 0;
  dc.onmessage = e => {
    if (typeof e.data === 'string') { dc.ended = true; return; }
    const all = new Uint8Array(e.data), n = new DataView(e.data).getUint32(0);
    dc.found.push(n);
    if (all.length !== 4096 || all.subarray(4).some(b => b !== (n & 0xff))) dc.wrong += 1;
  };
  return true;
};
window.number = async (label, count) => {
  const dc = channels[label];
  dc.bufferedAmountLowThreshold = 1 << 18;
  for (let n = 0; n < count; n++) {
    if (dc.bufferedAmount > (1 << 20)) await new Promise(r => { dc.onbufferedamountlow = r; });
    const all = new Uint8Array(4096).fill(n & 0xff);
    new DataView(all.buffer).setUint32(0, n);
    dc.send(all);
  }
  return true;
};
"#;

/// Connects over a new way.
async fn connect(kind: Kind) -> Result<(Pair, Delay)> {
    let way = Delay::new(coturn::host(), WAY).await.map_err(words)?;
    let mut setup = Setup::new(kind, Offerer::Native);
    setup.settings.addresses = vec![coturn::host()];
    setup.settings.port_mapping = false;
    let pair = Pair::connect_by(setup, &way).await?;
    Ok((pair, way))
}

fn lossy(loss: f64) -> Conditions {
    Conditions { loss, ..Conditions::new(WAY) }
}

fn ensure(holds: bool, what: impl FnOnce() -> String) -> Result<()> {
    if holds { Ok(()) } else { Err(what()) }
}

/// Bulk under loss, so many bytes to the browser and so many back.
async fn bulk(kind: Kind, there: usize, back: usize) -> Result<()> {
    let (mut pair, way) = connect(kind).await?;
    way.set(lossy(0.01));
    pair.send(there).await?;
    pair.receive(back).await?;
    let (stats, tally) = (pair.pc.transport_stats(), way.tally(0));
    let data = stats.data.ok_or("there is no association")?;
    ensure(tally.lost > 50 && data.retransmissions > 50, || format!("next to nothing was lost: {tally:?} {data:?}"))?;
    // Neither browser tells of marks, so nobody is to be asked for any.
    let marks = [tally.marked, data.congestion_marks, data.congestion_marks_told];
    ensure(marks == [0; 3], || format!("marks were sent or told of: {tally:?} {data:?}"))?;
    pair.pc.close().await;
    Ok(())
}

/// Messages that are sent only once, beside a channel that loses nothing.
async fn partial(kind: Kind) -> Result<()> {
    const COUNT: u32 = 1000;
    let (mut pair, way) = connect(kind).await?;
    pair.browser.run(&format!("(() => {{ {SCRIPT} }})()")).await?;
    let once = DataChannelInit { max_retransmits: Some(0), ..DataChannelInit::default() };
    let once = pair.pc.create_data_channel("once", once).map_err(words)?;
    pair.browser.until("opened('once')", LIMIT).await?;
    pair.browser.run("numbers('once')").await?;

    way.set(lossy(0.02));
    let numbered = async {
        for n in 0..COUNT {
            let mut message = vec![n as u8; 4096];
            message[..4].copy_from_slice(&n.to_be_bytes());
            once.send(Bytes::from(message)).await.map_err(words)?;
        }
        Ok::<_, String>(())
    };
    tokio::try_join!(numbered, pair.send(8 * MIB))?;
    // What says that nothing more comes must not be lost.
    way.set(lossy(0.0));
    once.send_text("last").await.map_err(words)?;
    let found = pair.browser.until("channels.once.ended && [channels.once.found, channels.once.wrong]", LIMIT).await?;
    let numbers = numbers(&found[0]);
    ensure(found[1] == 0, || format!("{} messages were changed", found[1]))?;
    judge(&numbers, COUNT / 2..COUNT)?;
    ensure(numbers.is_sorted(), || "the order was not kept".to_owned())?;
    let abandoned = pair.pc.transport_stats().data.map_or(0, |data| data.messages_abandoned);
    ensure(abandoned as usize >= COUNT as usize - numbers.len(), || format!("{abandoned} were given up"))?;

    pair.receive(MIB).await?;
    pair.pc.close().await;
    Ok(())
}

/// The same from the browser, which takes everything under way for lost when it times out, so that many are given up.
async fn partial_back(kind: Kind) -> Result<()> {
    const COUNT: u32 = 200;
    let (mut pair, way) = connect(kind).await?;
    pair.browser.run(&format!("(() => {{ {SCRIPT} }})()")).await?;
    pair.browser.run("open('theirs', {ordered: false, maxRetransmits: 0})").await?;
    let theirs = accept(&pair).await?;
    pair.browser.until("opened('theirs')", LIMIT).await?;
    way.set(lossy(0.02));
    pair.browser.run(&format!("number('theirs', {COUNT})")).await?;
    pair.browser.until("channels.theirs.bufferedAmount === 0", PATIENCE).await?;
    way.set(lossy(0.0));
    // It may overtake what is still under way.
    pair.browser.run("(channels.theirs.send('last'), true)").await?;
    judge(&collect(&theirs).await?, COUNT / 10..COUNT)?;
    pair.receive(MIB).await?;
    pair.pc.close().await;
    Ok(())
}

/// The next channel that the browser opens.
async fn accept(pair: &Pair) -> Result<DataChannel> {
    let wait = async {
        loop {
            match pair.pc.next_event().await {
                Some(Event::DataChannel(channel)) => return Ok(channel),
                Some(_) => {}
                None => return Err("it closed".to_owned()),
            }
        }
    };
    tokio::time::timeout(LIMIT, wait).await.map_err(|_| "no channel".to_owned())?
}

/// The numbers of intact messages, until a text and a little longer.
async fn collect(channel: &DataChannel) -> Result<Vec<u32>> {
    let (mut numbers, mut patience) = (Vec::new(), LIMIT);
    while let Ok(message) = tokio::time::timeout(patience, channel.recv()).await {
        match message {
            Some(Message::Binary(message)) => {
                let (number, rest) = message.split_first_chunk().ok_or("a message is too short")?;
                let number = u32::from_be_bytes(*number);
                let intact = message.len() == 4096 && rest.iter().all(|b| *b == number as u8);
                ensure(intact, || format!("message {number} was changed"))?;
                numbers.push(number);
            }
            Some(Message::Text(_)) => patience = Duration::from_millis(500),
            None => return Err("the channel ended".to_owned()),
        }
    }
    Ok(numbers)
}

fn numbers(found: &Value) -> Vec<u32> {
    found.as_array().into_iter().flatten().filter_map(|n| u32::try_from(n.as_u64()?).ok()).collect()
}

/// So many arrive, none twice.
fn judge(numbers: &[u32], wanted: Range<u32>) -> Result<()> {
    let mut distinct = numbers.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    let some = wanted.contains(&(numbers.len() as u32));
    let found = || format!("{} arrived, {} of them different, not {wanted:?}", numbers.len(), distinct.len());
    ensure(some && distinct.len() == numbers.len(), found)
}

/// Large datagrams pass, and then they do not.
async fn shrinking(kind: Kind) -> Result<()> {
    let (mut pair, way) = connect(kind).await?;
    let pc = pair.pc.clone();
    let grown = async || {
        let wait = async {
            while pc.transport_stats().max_datagram <= TUNNEL {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let small = |_| format!("larger datagrams were not tried: {:?}", way.tally(0));
        tokio::time::timeout(LIMIT, wait).await.map_err(small)?;
        way.set(Conditions { max_datagram: TUNNEL, ..Conditions::new(WAY) });
        Ok(())
    };
    pair.send_with(20 * MIB, grown).await?;
    let (stats, tally) = (pair.pc.transport_stats(), way.tally(0));
    ensure(tally.largest > TUNNEL && tally.too_large > 0, || format!("no large datagrams: {tally:?}"))?;
    ensure(stats.max_datagram <= TUNNEL, || format!("{} bytes are said to pass", stats.max_datagram))?;
    pair.exchange(2 * MIB).await?;
    let state = pair.pc.connection_state();
    ensure(state == ConnectionState::Connected, || format!("{state:?}"))?;
    pair.pc.close().await;
    Ok(())
}

async fn case(name: &str, kind: Kind, run: impl Future<Output = Result<()>>) {
    let _turn = TURN.lock().await;
    expect::judge(&format!("rough/{kind:?}/{name}"), run.await);
}

#[tokio::test(flavor = "multi_thread")]
async fn bulk_crosses_a_long_way_that_loses_one_in_a_hundred_with_chromium() {
    case("bulk", Kind::Chromium, bulk(Kind::Chromium, 20 * MIB, 2 * MIB)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bulk_crosses_a_long_way_that_loses_one_in_a_hundred_with_firefox() {
    case("bulk", Kind::Firefox, bulk(Kind::Firefox, 20 * MIB, 2 * MIB)).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "browsers take half a minute each for their direction under loss"]
async fn as_much_comes_back() {
    for kind in [Kind::Chromium, Kind::Firefox] {
        case("bulk both ways", kind, bulk(kind, 20 * MIB, 20 * MIB)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_are_sent_once_are_skipped_under_load_with_chromium() {
    case("partial reliability", Kind::Chromium, partial(Kind::Chromium)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_are_sent_once_are_skipped_under_load_with_firefox() {
    case("partial reliability", Kind::Firefox, partial(Kind::Firefox)).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "browsers time out again and again where they may not repeat"]
async fn messages_that_browsers_send_once_are_skipped() {
    for kind in [Kind::Chromium, Kind::Firefox] {
        case("partial reliability back", kind, partial_back(kind)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_way_that_gets_narrower_in_mid_transfer_is_survived_with_chromium() {
    case("packet size", Kind::Chromium, shrinking(Kind::Chromium)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_way_that_gets_narrower_in_mid_transfer_is_survived_with_firefox() {
    case("packet size", Kind::Firefox, shrinking(Kind::Firefox)).await;
}
