//! Peerage: the connections of each end on an endpoint of its own.

use std::process::ExitCode;

use bench::program;
use bench::stack::{End, Outcome, Stack};
use bytes::Bytes;
use peerage::{Configuration, DataChannel, DataChannelInit, Endpoint, Event, Message, PeerConnection, Settings};

/// Everything at its default but the address.
struct Peerage {
    near: Endpoint,
    far: Endpoint,
}

/// The last handle that is dropped closes the connection.
struct Peer {
    channel: DataChannel,
    _connection: PeerConnection,
}

fn main() -> ExitCode {
    program::run::<Peerage>()
}

impl Stack for Peerage {
    type End = Peer;

    fn new(_cores: usize) -> Outcome<Self> {
        Ok(Self { near: endpoint()?, far: endpoint()? })
    }

    async fn connect(&self) -> Outcome<(Peer, Peer)> {
        let near = self.near.peer_connection(Configuration::default())?;
        let far = self.far.peer_connection(Configuration::default())?;
        let sender = near.create_data_channel("data", DataChannelInit::default())?;
        near.set_local_description(near.create_offer().await?).await?;
        near.gathering_complete().await;
        far.set_remote_description(near.local_description().ok_or("there is no offer")?).await?;
        far.set_local_description(far.create_answer().await?).await?;
        far.gathering_complete().await;
        near.set_remote_description(far.local_description().ok_or("there is no answer")?).await?;
        while let Some(event) = far.next_event().await {
            if let Event::DataChannel(receiver) = event {
                sender.opened().await?;
                return Ok((Peer { channel: sender, _connection: near }, Peer { channel: receiver, _connection: far }));
            }
        }
        Err("the connection ended before there was a channel".into())
    }
}

impl End for Peer {
    type Message = Bytes;

    async fn send(&mut self, message: Bytes) -> Outcome<()> {
        Ok(self.channel.send(message).await?)
    }

    async fn recv(&mut self) -> Outcome<Bytes> {
        match self.channel.recv().await {
            Some(Message::Binary(message)) => Ok(message),
            Some(Message::Text(_)) => Err("a message has become text".into()),
            None => Err("the channel ended".into()),
        }
    }
}

fn endpoint() -> Outcome<Endpoint> {
    let mut settings = Settings::default();
    settings.addresses = vec!["127.0.0.1".parse()?];
    Ok(Endpoint::new(settings)?)
}
