//! webrtc-rs: the async layer over `rtc`, with a reactor thread for each of the two connections.

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use bench::meter::Meter;
use bench::options::Stack;
use bench::pattern::Pattern;
use bytes::BytesMut;
use rtc::peer_connection::configuration::setting_engine::SettingEngineBuilder;
use tokio::sync::mpsc;
use webrtc::data_channel::{DataChannel, DataChannelEvent, RTCDataChannelInit};
use webrtc::peer_connection::{
    PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCIceGatheringState,
};

mod runtime;

use runtime::Tuned;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

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

/// A connection and what its handler passes on.
struct Peer<C> {
    connection: C,
    gathered: mpsc::UnboundedReceiver<()>,
    channels: mpsc::UnboundedReceiver<Arc<dyn DataChannel>>,
}

#[tokio::main(worker_threads = 2)]
async fn main() -> Outcome<()> {
    let stack = Stack::from_command_line();
    let pattern = Pattern::new(stack.message);
    let begun = Instant::now();
    let (mut near, mut far) = (peer().await?, peer().await?);
    let ordered = RTCDataChannelInit { ordered: true, ..RTCDataChannelInit::default() };
    let sender = near.connection.create_data_channel("data", Some(ordered)).await?;
    negotiate(&mut near, &mut far).await?;
    while !matches!(sender.poll().await.ok_or("the channel did not open")?, DataChannelEvent::OnOpen) {}
    let receiver = far.channels.recv().await.ok_or("the channel did not arrive")?;
    let connect = begun.elapsed();
    let meter = Meter::start();
    let sent = tokio::spawn({
        let pattern = pattern.clone();
        async move {
            for number in 0..stack.messages() {
                sender.send(BytesMut::from(&pattern.message(number)[..])).await?;
            }
            Ok::<_, webrtc::error::Error>(sender)
        }
    });
    let mut next = 0;
    while next < stack.messages() {
        match receiver.poll().await.ok_or_else(|| format!("the channel ended at message {next}"))? {
            DataChannelEvent::OnMessage(message) => {
                pattern.check(next, &message.data)?;
                next += 1;
            }
            DataChannelEvent::OnClose => return Err(format!("the channel closed at message {next}").into()),
            _ => {}
        }
    }
    let figures = meter.stop(stack.bytes(), connect);
    drop(sent.await??);
    println!("{}", figures.to_json());
    Ok(())
}

async fn peer() -> Outcome<Peer<impl PeerConnection>> {
    let (gathered_sender, gathered) = mpsc::unbounded_channel();
    let (channel_sender, channels) = mpsc::unbounded_channel();
    let settings =
        SettingEngineBuilder::new().with_sctp_max_receive_buffer_size(BUFFER).with_include_loopback_candidate(true);
    let connection = PeerConnectionBuilder::new()
        .with_runtime(Arc::new(Tuned(webrtc::runtime::default_runtime().ok_or("there is no runtime")?)))
        .with_setting_engine(settings.build())
        .with_handler(Arc::new(Handler { gathered: gathered_sender, channels: channel_sender }))
        .with_udp_addrs(vec!["127.0.0.1:0".to_owned()])
        .with_dedicated_reactor_pool_size(2)
        .with_data_channel_send_buffer_limit(BUFFER as usize)
        .build()
        .await?;
    Ok(Peer { connection, gathered, channels })
}

async fn negotiate<C: PeerConnection>(near: &mut Peer<C>, far: &mut Peer<C>) -> Outcome<()> {
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
