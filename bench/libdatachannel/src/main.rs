//! libdatachannel, through the crate `datachannel`: it has threads of its own, which call back.

use std::process::ExitCode;

use bench::options::Run;
use bench::program;
use bench::stack::{End, Outcome, Stack};
use bytes::Bytes;
use datachannel::{
    DataChannelHandler, DataChannelInfo, GatheringState, PeerConnectionHandler, RtcConfig, RtcDataChannel,
    RtcPeerConnection,
};
use tokio::sync::mpsc;

/// Bytes that may wait to be sent before a message has to.
const HIGH: usize = 1 << 20;
/// How few there have to be until more follow.
const LOW: usize = 256 << 10;

type Channel = Box<RtcDataChannel<ChannelEvents>>;

struct Libdatachannel;

/// What a channel calls.
struct ChannelEvents {
    messages: mpsc::UnboundedSender<Vec<u8>>,
    opened: mpsc::UnboundedSender<()>,
    low: mpsc::UnboundedSender<()>,
}

/// The other side of it.
struct Heard {
    messages: mpsc::UnboundedReceiver<Vec<u8>>,
    opened: mpsc::UnboundedReceiver<()>,
    low: mpsc::UnboundedReceiver<()>,
}

/// What a connection calls.
struct ConnectionEvents {
    gathered: mpsc::UnboundedSender<()>,
    channels: mpsc::UnboundedSender<(Channel, Heard)>,
    /// Of the channel that is on its way.
    heard: Option<Heard>,
}

struct Connecting {
    connection: Box<RtcPeerConnection<ConnectionEvents>>,
    gathered: mpsc::UnboundedReceiver<()>,
    channels: mpsc::UnboundedReceiver<(Channel, Heard)>,
}

struct Peer {
    channel: Channel,
    heard: Heard,
    _connection: Box<RtcPeerConnection<ConnectionEvents>>,
}

fn main() -> ExitCode {
    program::run::<Libdatachannel>()
}

impl Stack for Libdatachannel {
    type End = Peer;

    fn new(_run: &Run) -> Outcome<Self> {
        Ok(Self)
    }

    async fn connect(&self) -> Outcome<(Peer, Peer)> {
        let (mut near, mut far) = (connecting()?, connecting()?);
        let (events, mut heard) = channel_events();
        // This makes the offer too.
        let sender = near.connection.create_data_channel("data", events)?;
        near.gathered.recv().await.ok_or("gathering ended")?;
        far.connection.set_remote_description(&near.connection.local_description().ok_or("there is no offer")?)?;
        far.gathered.recv().await.ok_or("gathering ended")?;
        near.connection.set_remote_description(&far.connection.local_description().ok_or("there is no answer")?)?;
        heard.opened.recv().await.ok_or("the channel did not open")?;
        let (receiver, there) = far.channels.recv().await.ok_or("the channel did not arrive")?;
        Ok((Peer::new(sender, heard, near)?, Peer::new(receiver, there, far)?))
    }
}

impl Peer {
    fn new(mut channel: Channel, heard: Heard, connecting: Connecting) -> Outcome<Self> {
        channel.set_buffered_amount_low_threshold(LOW)?;
        Ok(Self { channel, heard, _connection: connecting.connection })
    }
}

impl End for Peer {
    type Message = Vec<u8>;

    async fn send(&mut self, message: Bytes) -> Outcome<()> {
        while self.channel.buffered_amount() > HIGH {
            self.heard.low.recv().await.ok_or("the channel ended")?;
        }
        Ok(self.channel.send(&message)?)
    }

    async fn recv(&mut self) -> Outcome<Vec<u8>> {
        Ok(self.heard.messages.recv().await.ok_or("the channel ended")?)
    }
}

// Nobody listens any more once it is closed.
impl DataChannelHandler for ChannelEvents {
    fn on_open(&mut self) {
        let _ = self.opened.send(());
    }

    fn on_message(&mut self, message: &[u8]) {
        let _ = self.messages.send(message.to_vec());
    }

    fn on_buffered_amount_low(&mut self) {
        let _ = self.low.send(());
    }
}

impl PeerConnectionHandler for ConnectionEvents {
    type DCH = ChannelEvents;

    fn data_channel_handler(&mut self, _info: DataChannelInfo) -> ChannelEvents {
        let (events, heard) = channel_events();
        self.heard = Some(heard);
        events
    }

    fn on_gathering_state_change(&mut self, state: GatheringState) {
        if state == GatheringState::Complete {
            let _ = self.gathered.send(());
        }
    }

    fn on_data_channel(&mut self, channel: Channel) {
        if let Some(heard) = self.heard.take() {
            let _ = self.channels.send((channel, heard));
        }
    }
}

fn channel_events() -> (ChannelEvents, Heard) {
    let (messages, heard_messages) = mpsc::unbounded_channel();
    let (opened, heard_opened) = mpsc::unbounded_channel();
    let (low, heard_low) = mpsc::unbounded_channel();
    let heard = Heard { messages: heard_messages, opened: heard_opened, low: heard_low };
    (ChannelEvents { messages, opened, low }, heard)
}

fn connecting() -> Outcome<Connecting> {
    let (gathered_sender, gathered) = mpsc::unbounded_channel();
    let (channel_sender, channels) = mpsc::unbounded_channel();
    let configuration = RtcConfig::new::<&str>(&[]).bind_address(&"127.0.0.1");
    let events = ConnectionEvents { gathered: gathered_sender, channels: channel_sender, heard: None };
    let connection = RtcPeerConnection::new(&configuration, events)?;
    Ok(Connecting { connection, gathered, channels })
}
