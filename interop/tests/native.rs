//! The library against browsers, without any signalling server: descriptions and candidates go by hand.

use std::time::Duration;

use bytes::Bytes;
use peerage::{DataChannelInit, Event, Message};
use peerage_interop::LIMIT;
use peerage_interop::bidi::Result;
use peerage_interop::browser::Kind;
use peerage_interop::expect;
use peerage_interop::pair::{Offerer, Pair, description, give_candidate, set_remote, take_candidates, words};

const SIZE: usize = 64 << 20;

async fn case(kind: Kind, offerer: Offerer) {
    let run = async {
        let mut pair = Pair::connect(kind, offerer).await?;
        let stats = pair.pc.transport_stats();
        eprintln!("{kind:?}, {offerer:?} offers: {:?}, rtt {:?}", stats.security, stats.rtt);
        pair.exchange(SIZE).await?;
        pair.pc.close().await;
        pair.browser.until("log.includes('disconnected') || log.includes('failed') || log.includes('closed') || channels.data.readyState === 'closed'", LIMIT).await.map(drop)
    };
    expect::judge(&format!("native/{kind:?}/{offerer:?}"), run.await);
}

#[tokio::test(flavor = "multi_thread")]
async fn chromium_offers() {
    case(Kind::Chromium, Offerer::Browser).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn native_offers_to_chromium() {
    case(Kind::Chromium, Offerer::Native).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn firefox_offers() {
    case(Kind::Firefox, Offerer::Browser).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn native_offers_to_firefox() {
    case(Kind::Firefox, Offerer::Native).await;
}

/// Every kind of message, and every kind of channel, echoed by the browser.
async fn echo(kind: Kind) -> Result<()> {
    let mut pair = Pair::connect(kind, Offerer::Native).await?;
    let inits = [
        DataChannelInit { ordered: false, ..DataChannelInit::default() },
        DataChannelInit { max_retransmits: Some(3), ..DataChannelInit::default() },
        DataChannelInit { ordered: false, max_packet_life_time: Some(500), ..DataChannelInit::default() },
        DataChannelInit { protocol: "sub.protocol".into(), ..DataChannelInit::default() },
    ];
    for (i, init) in inits.into_iter().enumerate() {
        let label = format!("echo-{i}");
        let channel = pair.pc.create_data_channel(label.as_str(), init).map_err(words)?;
        pair.browser.until(&format!("opened('{label}')"), LIMIT).await?;
        pair.browser.run(&format!("(channels['{label}'].mode = 'echo', true)")).await?;
        let messages: [Message; 5] = [
            "text".into(),
            "".into(),
            "héllo \u{1F980}".into(),
            Bytes::new().into(),
            Bytes::from(vec![7u8; 100_000]).into(),
        ];
        for message in messages {
            channel.send(message.clone()).await.map_err(words)?;
            let back = tokio::time::timeout(LIMIT, channel.recv()).await.map_err(|_| format!("{label}: no echo"))?;
            if back.as_ref() != Some(&message) {
                return Err(format!("{label}: sent {message:?}, got {back:?}"));
            }
        }
        channel.close();
        pair.browser.until(&format!("channels['{label}'].readyState === 'closed'"), LIMIT).await?;
        tokio::time::timeout(LIMIT, channel.closed()).await.map_err(|_| format!("{label}: not closed"))?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn chromium_echoes_every_kind_of_message() {
    expect::judge("echo/Chromium", echo(Kind::Chromium).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn firefox_echoes_every_kind_of_message() {
    expect::judge("echo/Firefox", echo(Kind::Firefox).await);
}

/// 300 channels at once, half opened by either side, each carries a message each way.
async fn many_channels(kind: Kind) -> Result<()> {
    let mut pair = Pair::connect(kind, Offerer::Browser).await?;
    let mut channels = Vec::new();
    for i in 0..150 {
        channels.push(pair.pc.create_data_channel(format!("n{i}"), DataChannelInit::default()).map_err(words)?);
    }
    pair.browser.run("(() => { for (let i = 0; i < 150; i++) open('b' + i); return true })()").await?;
    while channels.len() < 300 {
        let event = tokio::time::timeout(LIMIT, pair.pc.next_event()).await.map_err(|_| "too few channels")?;
        if let Some(Event::DataChannel(channel)) = event {
            channels.push(channel);
        }
    }
    pair.browser.until("Object.values(channels).filter(c => c.readyState === 'open').length === 301", LIMIT).await?;
    pair.browser.run("(Object.values(channels).forEach(c => { c.mode = 'echo' }), true)").await?;
    for channel in &channels {
        channel.send_text(channel.label()).await.map_err(words)?;
    }
    for channel in &channels {
        let back = tokio::time::timeout(LIMIT, channel.recv()).await.map_err(|_| "no echo".to_owned())?;
        if back != Some(Message::Text(channel.label())) {
            return Err(format!("{}: got {back:?}", channel.label()));
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn three_hundred_channels_with_chromium() {
    expect::judge("channels/Chromium", many_channels(Kind::Chromium).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn three_hundred_channels_with_firefox() {
    expect::judge("channels/Firefox", many_channels(Kind::Firefox).await);
}

/// An ICE restart from either side keeps the channel and what is sent meanwhile.
async fn restart(kind: Kind, by: Offerer) -> Result<()> {
    let mut pair = Pair::connect(kind, Offerer::Native).await?;
    pair.browser.run("(channels.data.mode = 'echo', candidates.length = 0, true)").await?;
    // What is left to tell of the first generation is of no use any more.
    while tokio::time::timeout(Duration::from_millis(200), pair.pc.next_event()).await.is_ok() {}
    match by {
        Offerer::Native => {
            pair.pc.restart_ice();
            let offer = pair.pc.create_offer().await.map_err(words)?;
            pair.pc.set_local_description(offer.clone()).await.map_err(words)?;
            set_remote(&mut pair.browser, &offer).await?;
            let answer = pair.browser.run("pc.setLocalDescription().then(() => pc.localDescription.toJSON())").await?;
            pair.pc.set_remote_description(description(&answer)?).await.map_err(words)?;
        }
        Offerer::Browser => {
            pair.browser.run("(pc.restartIce(), true)").await?;
            let offer = pair.browser.run("pc.setLocalDescription().then(() => pc.localDescription.toJSON())").await?;
            pair.pc.set_remote_description(description(&offer)?).await.map_err(words)?;
            let answer = pair.pc.create_answer().await.map_err(words)?;
            pair.pc.set_local_description(answer.clone()).await.map_err(words)?;
            set_remote(&mut pair.browser, &answer).await?;
        }
    }
    let mut seen = 0;
    for n in 0..100 {
        take_candidates(&mut pair.browser, &pair.pc, &mut seen).await?;
        while let Ok(Some(event)) = tokio::time::timeout(Duration::from_millis(5), pair.pc.next_event()).await {
            if let Event::IceCandidate(candidate) = event {
                give_candidate(&mut pair.browser, candidate).await?;
            }
        }
        pair.data.send_text(format!("{n}")).await.map_err(words)?;
        let back = tokio::time::timeout(LIMIT, pair.data.recv()).await.map_err(|_| "no echo".to_owned())?;
        if back != Some(Message::Text(format!("{n}"))) {
            return Err(format!("sent {n}, got {back:?}"));
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn ice_restarts_with_both_browsers_from_both_sides() {
    for kind in [Kind::Chromium, Kind::Firefox] {
        for by in [Offerer::Native, Offerer::Browser] {
            expect::judge(&format!("restart/{kind:?}/{by:?}"), restart(kind, by).await);
        }
    }
}

/// A browser may nominate another pair after a while: nothing that is sent then is lost.
async fn idle(kind: Kind, offerer: Offerer) -> Result<()> {
    let mut pair = Pair::connect(kind, offerer).await?;
    pair.browser.run("(channels.data.mode = 'echo', true)").await?;
    for n in 0..12 {
        tokio::time::sleep(Duration::from_millis(500)).await;
        pair.data.send_text(format!("{n}")).await.map_err(words)?;
        let back = tokio::time::timeout(Duration::from_secs(5), pair.data.recv()).await;
        if back != Ok(Some(Message::Text(format!("{n}")))) {
            return Err(format!("sent {n}, got {back:?}"));
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_connection_survives_later_nominations() {
    for kind in [Kind::Chromium, Kind::Firefox] {
        for offerer in [Offerer::Native, Offerer::Browser] {
            expect::judge(&format!("idle/{kind:?}/{offerer:?}"), idle(kind, offerer).await);
        }
    }
}
