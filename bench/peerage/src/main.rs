//! Peerage: a server's endpoint with all far ends, and clients' endpoints with the near ones.

use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};

use bench::options::Run;
use bench::program;
use bench::scenario::Scenario;
use bench::stack::{End, Outcome, Stack};
use bytes::Bytes;
use peerage::{Configuration, DataChannel, DataChannelInit, Endpoint, Event, Message, PeerConnection, Settings};
use tokio::sync::Mutex;

/// How many clients the connections of `idle` are spread over. A client's later connections to the same server need
/// sockets of their own, so they are made one after the other, and those of several clients at a time.
const CLIENTS: usize = 16;

/// Everything at its default but the address.
struct Peerage {
    server: Endpoint,
    clients: Clients,
}

/// The endpoints of the near ends.
enum Clients {
    /// A new one for each pair.
    Fresh,
    /// These in turn: sharing an endpoint is how one process holds many connections.
    Shared { endpoints: Vec<Mutex<Endpoint>>, next: AtomicUsize },
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

    fn new(run: &Run) -> Outcome<Self> {
        let clients = if run.scenario == Scenario::Idle {
            let endpoints = (0..CLIENTS).map(|_| endpoint().map(Mutex::new)).collect::<Outcome<_>>()?;
            Clients::Shared { endpoints, next: AtomicUsize::new(0) }
        } else {
            Clients::Fresh
        };
        Ok(Self { server: endpoint()?, clients })
    }

    async fn connect(&self) -> Outcome<(Peer, Peer)> {
        match &self.clients {
            Clients::Fresh => pair(&endpoint()?, &self.server).await,
            Clients::Shared { endpoints, next } => {
                let turn = next.fetch_add(1, Ordering::Relaxed) % endpoints.len();
                let client = endpoints.get(turn).ok_or("there is no client")?.lock().await;
                pair(&client, &self.server).await
            }
        }
    }
}

async fn pair(client: &Endpoint, server: &Endpoint) -> Outcome<(Peer, Peer)> {
    let near = client.peer_connection(Configuration::default())?;
    let far = server.peer_connection(Configuration::default())?;
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
