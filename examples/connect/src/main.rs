//! The shortest connection: two peers in one process. In life, `offer` and `answer` travel by any means you like.

use peerage::{Configuration, DataChannelInit, Event, PeerConnection};

#[tokio::main]
async fn main() -> Result<(), peerage::Error> {
    let (a, b) = (PeerConnection::new(Configuration::default())?, PeerConnection::new(Configuration::default())?);
    let channel = a.create_data_channel("chat", DataChannelInit::default())?;

    a.set_local_description(a.create_offer().await?).await?;
    a.gathering_complete().await; // so that the description holds every candidate, and none has to follow
    b.set_remote_description(a.local_description().expect("it was set")).await?;
    b.set_local_description(b.create_answer().await?).await?;
    b.gathering_complete().await;
    a.set_remote_description(b.local_description().expect("it was set")).await?;

    channel.send("hello").await?;
    while let Some(event) = b.next_event().await {
        if let Event::DataChannel(channel) = event {
            println!("{}: {:?}", channel.label(), channel.recv().await);
            break;
        }
    }
    Ok(())
}
