//! The library against other stacks, in both roles. They are fetched from their registries, so these tests run on request.

use std::time::Duration;

use bytes::Bytes;
use peerage::event::IceGatheringState;
use peerage::{Configuration, DataChannel, DataChannelInit, Endpoint, Event, Message, PeerConnection, Settings};
use peerage_interop::bidi::Result;
use peerage_interop::expect;
use peerage_interop::foreign::{Installed, Stack};
use peerage_interop::pair::words;

const LIMIT: Duration = Duration::from_secs(30);

/// Waits until all candidates are in the local description.
async fn gathered(pc: &PeerConnection) -> Result<peerage::SessionDescription> {
    let run = async {
        while pc.ice_gathering_state() != IceGatheringState::Complete {
            pc.next_event().await.ok_or("closed")?;
        }
        pc.local_description().ok_or_else(|| "no description".to_owned())
    };
    tokio::time::timeout(LIMIT, run).await.map_err(|_| "not gathered in time".to_owned())?
}

async fn their_channel(pc: &PeerConnection) -> Result<DataChannel> {
    let run = async {
        loop {
            match pc.next_event().await {
                Some(Event::DataChannel(channel)) => return Ok(channel),
                Some(Event::Closed(reason)) => return Err(format!("closed: {reason}")),
                Some(_) => {}
                None => return Err("closed".to_owned()),
            }
        }
    };
    tokio::time::timeout(LIMIT, run).await.map_err(|_| "no channel in time".to_owned())?
}

/// Connects and has messages echoed; `offers`: the other stack makes the offer.
async fn echo(stack: &Installed, offers: bool) -> Result<()> {
    let mut peer = stack.start(offers)?;
    let endpoint = Endpoint::new(Settings::default()).map_err(words)?;
    let pc = endpoint.peer_connection(Configuration::default()).map_err(words)?;
    let channel = if offers {
        pc.set_remote_description(peer.description().await?).await.map_err(words)?;
        pc.set_local_description(None).await.map_err(words)?;
        peer.take(&gathered(&pc).await?).await?;
        their_channel(&pc).await?
    } else {
        let channel = pc.create_data_channel("data", DataChannelInit::default()).map_err(words)?;
        pc.set_local_description(None).await.map_err(words)?;
        peer.take(&gathered(&pc).await?).await?;
        pc.set_remote_description(peer.description().await?).await.map_err(words)?;
        channel
    };
    tokio::time::timeout(LIMIT, channel.opened()).await.map_err(|_| "not open in time")?.map_err(words)?;
    let mut messages: Vec<Message> = vec!["text".into(), "h\u{e9}llo \u{1F980}".into()];
    messages.extend((0..64u8).map(|n| Message::from(Bytes::from(vec![n; 60_000]))));
    for message in messages {
        channel.send(message.clone()).await.map_err(words)?;
        let back = tokio::time::timeout(LIMIT, channel.recv()).await.map_err(|_| "no echo".to_owned())?;
        if back.as_ref() != Some(&message) {
            return Err(format!("{:?} came back", back.map(|m| format!("{m:?}").chars().take(80).collect::<String>())));
        }
    }
    eprintln!("{}: {:?}", if offers { "it offers" } else { "it answers" }, pc.transport_stats().security);
    Ok(())
}

async fn both_roles(stack: Stack) {
    let installed = match Installed::new(stack).await {
        Ok(installed) => installed,
        Err(error) => return eprintln!("skipped: 2 cases, {stack:?} cannot be installed here: {error}"),
    };
    for (offers, name) in [(false, "answers"), (true, "offers")] {
        expect::judge(&format!("foreign/{stack:?}/{name}"), echo(&installed, offers).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "fetches a stack"]
async fn libdatachannel_in_both_roles() {
    both_roles(Stack::NodeDatachannel).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "fetches a stack"]
async fn werift_in_both_roles() {
    both_roles(Stack::Werift).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "fetches a stack"]
async fn aiortc_in_both_roles() {
    both_roles(Stack::Aiortc).await;
}
