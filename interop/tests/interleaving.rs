//! Large messages and small ones on two channels at once: interleaved with Firefox, one after the other with Chromium.

use bytes::Bytes;
use peerage::{DataChannel, DataChannelInit, Event, Message};
use peerage_interop::LIMIT;
use peerage_interop::bidi::Result;
use peerage_interop::browser::Kind;
use peerage_interop::expect;
use peerage_interop::pair::{Offerer, Pair, words};

/// The largest message that the library takes, and how many of them are sent.
const LARGE: usize = 256 << 10;
const COUNT: usize = 32;

/// Large messages on one channel and a small one on another, then large ones on three channels the other way.
async fn both_ways(kind: Kind, offerer: Offerer, interleaved: bool) -> Result<()> {
    let mut pair = Pair::connect(kind, offerer).await?;
    let small = pair.pc.create_data_channel("small", DataChannelInit::default()).map_err(words)?;
    pair.browser.until("opened('small')", LIMIT).await?;
    pair.browser.run("(channels.data.mode = 'sink', channels.small.mode = 'echo', true)").await?;
    small.opened().await.map_err(words)?;
    let agreed = pair.pc.transport_stats().data.is_some_and(|data| data.interleaving);
    if agreed != interleaved {
        return Err(format!("interleaving: {agreed}"));
    }

    for n in 0..COUNT {
        let (data, message) = (pair.data.clone(), Bytes::from(vec![n as u8; LARGE]));
        tokio::spawn(async move { data.send(message).await });
    }
    small.send_text("ping").await.map_err(words)?;
    let back = tokio::time::timeout(LIMIT, small.recv()).await.map_err(|_| "no echo")?;
    if back != Some(Message::Text("ping".into())) {
        return Err(format!("not what was sent: {back:?}"));
    }
    let whole = format!(
        "channels.data.bytes === {} && channels.data.chunks.every(c => c.every(b => b === c[0]))",
        LARGE * COUNT
    );
    pair.browser.until(&whole, LIMIT).await?;

    // Three channels at once in the other direction, whose messages are as large as they may be.
    let script = format!(
        "(() => {{ for (const l of ['x', 'y']) open(l); return true }})() && \
         new Promise(r => setTimeout(r, 500)).then(() => {{ for (let n = 0; n < {COUNT}; n++) \
         for (const l of ['data', 'x', 'y']) channels[l].send(new Uint8Array({LARGE}).fill(n)); return true }})"
    );
    let mut channels = vec![pair.data.clone()];
    pair.browser.run(&script).await?;
    while channels.len() < 3 {
        match tokio::time::timeout(LIMIT, pair.pc.next_event()).await.map_err(|_| "too few channels")? {
            Some(Event::DataChannel(channel)) => channels.push(channel),
            Some(_) => {}
            None => return Err("it closed".to_owned()),
        }
    }
    let readers: Vec<_> = channels.into_iter().map(|channel| tokio::spawn(read(channel))).collect();
    for reader in readers {
        reader.await.map_err(words)??;
    }
    pair.pc.close().await;
    Ok(())
}

async fn read(channel: DataChannel) -> Result<()> {
    for n in 0..COUNT {
        let got = tokio::time::timeout(LIMIT, channel.recv()).await.map_err(|_| format!("nothing after {n}"))?;
        if got != Some(Message::Binary(Bytes::from(vec![n as u8; LARGE]))) {
            return Err(format!("{}: another message than number {n}", channel.label()));
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn firefox_interleaves_and_chromium_does_not() {
    for (kind, interleaved) in [(Kind::Firefox, true), (Kind::Chromium, false)] {
        for offerer in [Offerer::Native, Offerer::Browser] {
            let outcome = both_ways(kind, offerer, interleaved).await;
            expect::judge(&format!("interleaving/{kind:?}/{offerer:?}"), outcome);
        }
    }
}
