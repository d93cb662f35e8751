//! webrtc: the async layer over `rtc`, with a reactor thread for each core.

use std::process::ExitCode;
use std::sync::Arc;

use async_trait::async_trait;
use bench::options::Run;
use bench::program;
use bench::stack::{End, Outcome, Stack};
use bytes::{Bytes, BytesMut};
use rtc::peer_connection::configuration::setting_engine::SettingEngineBuilder;
use tokio::sync::mpsc;
use webrtc::data_channel::{DataChannel, DataChannelEvent, RTCDataChannelInit};
use webrtc::peer_connection::{
    PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCIceGatheringState,
};

mod runtime;

use runtime::Tuned;

/// Bytes of the window, of the send buffer, and of each of a socket's; ours has as much.
const BUFFER: u32 = 4 << 20;

/// Passes on what the scenario waits for.
struct Handler {
    gathered: mpsc::UnboundedSender<()>,
    channels: mpsc::UnboundedSender<Arc<dyn DataChannel>>,
}

#[async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        if state == RTCIceGatheringState::Complete {
            // Nobody listens any more once the connection stands.
            let _ = self.gathered.send(());
        }
    }

    async fn on_data_channel(&self, channel: Arc<dyn DataChannel>) {
        let _ = self.channels.send(channel);
    }
}

struct Webrtc {
    cores: usize,
}

/// A connection and what its handler passes on.
struct Negotiating<C> {
    connection: C,
    gathered: mpsc::UnboundedReceiver<()>,
    channels: mpsc::UnboundedReceiver<Arc<dyn DataChannel>>,
}

struct Peer {
    channel: Arc<dyn DataChannel>,
    _connection: Box<dyn Send>,
}

fn main() -> ExitCode {
    program::run::<Webrtc>()
}

impl Stack for Webrtc {
    type End = Peer;

    fn new(run: &Run) -> Outcome<Self> {
        Ok(Self { cores: run.cores })
    }

    async fn connect(&self) -> Outcome<(Peer, Peer)> {
        let (mut near, mut far) = (self.peer().await?, self.peer().await?);
        let ordered = RTCDataChannelInit { ordered: true, ..RTCDataChannelInit::default() };
        let sender = near.connection.create_data_channel("data", Some(ordered)).await?;
        negotiate(&mut near, &mut far).await?;
        while !matches!(sender.poll().await.ok_or("the channel did not open")?, DataChannelEvent::OnOpen) {}
        let receiver = far.channels.recv().await.ok_or("the channel did not arrive")?;
        let end = |channel, connection| Peer { channel, _connection: connection };
        Ok((end(sender, Box::new(near.connection)), end(receiver, Box::new(far.connection))))
    }
}

impl Webrtc {
    async fn peer(&self) -> Outcome<Negotiating<impl PeerConnection + Send + 'static>> {
        let (gathered_sender, gathered) = mpsc::unbounded_channel();
        let (channel_sender, channels) = mpsc::unbounded_channel();
        let settings =
            SettingEngineBuilder::new().with_sctp_max_receive_buffer_size(BUFFER).with_include_loopback_candidate(true);
        let connection = PeerConnectionBuilder::new()
            .with_runtime(Arc::new(Tuned(webrtc::runtime::default_runtime().ok_or("there is no runtime")?)))
            .with_setting_engine(settings.build())
            .with_handler(Arc::new(Handler { gathered: gathered_sender, channels: channel_sender }))
            .with_udp_addrs(vec!["127.0.0.1:0".to_owned()])
            .with_dedicated_reactor_pool_size(self.cores)
            .with_data_channel_send_buffer_limit(BUFFER as usize)
            .build()
            .await?;
        Ok(Negotiating { connection, gathered, channels })
    }
}

impl End for Peer {
    type Message = BytesMut;

    async fn send(&mut self, message: Bytes) -> Outcome<()> {
        Ok(self.channel.send(BytesMut::from(&message[..])).await?)
    }

    async fn recv(&mut self) -> Outcome<BytesMut> {
        loop {
            match self.channel.poll().await.ok_or("the channel ended")? {
                DataChannelEvent::OnMessage(message) => return Ok(message.data),
                DataChannelEvent::OnClose => return Err("the channel closed".into()),
                _ => {}
            }
        }
    }
}

async fn negotiate<C: PeerConnection>(near: &mut Negotiating<C>, far: &mut Negotiating<C>) -> Outcome<()> {
    let offer = near.connection.create_offer(None).await?;
    near.connection.set_local_description(offer).await?;
    near.gathered.recv().await.ok_or("gathering ended")?;
    let offer = near.connection.local_description().await.ok_or("there is no offer")?;
    far.connection.set_remote_description(offer).await?;
    let answer = far.connection.create_answer(None).await?;
    far.connection.set_local_description(answer).await?;
    far.gathered.recv().await.ok_or("gathering ended")?;
    let answer = far.connection.local_description().await.ok_or("there is no answer")?;
    near.connection.set_remote_description(answer).await?;
    Ok(())
}
