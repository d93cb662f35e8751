//! rustrtc, on the runtime of the bench.

use std::process::ExitCode;
use std::sync::Arc;

use bench::options::Run;
use bench::program;
use bench::stack::{End, Outcome, Stack};
use bytes::Bytes;
use rustrtc::config::{RtcConfiguration, RtcConfigurationBuilder};
use rustrtc::peer_connection::{PeerConnection, PeerConnectionEvent};
use rustrtc::transports::datachannel::{DataChannel, DataChannelConfig, DataChannelEvent};

struct Rustrtc;

struct Peer {
    connection: PeerConnection,
    channel: Arc<DataChannel>,
}

fn main() -> ExitCode {
    program::run::<Rustrtc>()
}

impl Stack for Rustrtc {
    type End = Peer;

    fn new(_run: &Run) -> Outcome<Self> {
        Ok(Self)
    }

    async fn connect(&self) -> Outcome<(Peer, Peer)> {
        let (near, far) = (PeerConnection::new(configuration()), PeerConnection::new(configuration()));
        let ordered = DataChannelConfig { ordered: true, ..DataChannelConfig::default() };
        let sender = near.create_data_channel("data", Some(ordered))?;
        near.set_local_description(near.create_offer().await?)?;
        near.wait_for_gathering_complete().await;
        far.set_remote_description(near.local_description().ok_or("there is no offer")?).await?;
        far.set_local_description(far.create_answer().await?)?;
        far.wait_for_gathering_complete().await;
        near.set_remote_description(far.local_description().ok_or("there is no answer")?).await?;
        let receiver = loop {
            match far.recv().await.ok_or("the connection ended before there was a channel")? {
                PeerConnectionEvent::DataChannel(channel) => break channel,
                PeerConnectionEvent::Track(_) => {}
            }
        };
        while !matches!(sender.recv().await.ok_or("the channel did not open")?, DataChannelEvent::Open) {}
        Ok((Peer { connection: near, channel: sender }, Peer { connection: far, channel: receiver }))
    }
}

impl End for Peer {
    type Message = Bytes;

    async fn send(&mut self, message: Bytes) -> Outcome<()> {
        Ok(self.connection.send_data(self.channel.id, &message).await?)
    }

    async fn recv(&mut self) -> Outcome<Bytes> {
        loop {
            match self.channel.recv().await.ok_or("the channel ended")? {
                DataChannelEvent::Message(message) => return Ok(message),
                DataChannelEvent::Close => return Err("the channel closed".into()),
                DataChannelEvent::Open | DataChannelEvent::BufferedAmountLow(_) => {}
            }
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.connection.close();
    }
}

/// Its defaults but for the address: its sockets keep the system's buffers, which larger windows overflow.
fn configuration() -> RtcConfiguration {
    RtcConfigurationBuilder::new().bind_ip("127.0.0.1".to_owned()).disable_ipv6(true).build()
}
