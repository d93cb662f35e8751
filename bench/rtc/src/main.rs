//! rtc: sans-IO, in the loop of `bench-sansio`.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Instant;

use bench::options::Run;
use bench::program;
use bench::stack::{Outcome, Stack};
use bytes::{Bytes, BytesMut};
use rtc::data_channel::{RTCDataChannelId, RTCDataChannelInit};
use rtc::peer_connection::configuration::setting_engine::SettingEngineBuilder;
use rtc::peer_connection::event::{RTCDataChannelEvent, RTCPeerConnectionEvent};
use rtc::peer_connection::message::RTCMessage;
use rtc::peer_connection::transport::{CandidateConfig, CandidateHostConfig, RTCIceCandidate};
use rtc::peer_connection::{RTCPeerConnection, RTCPeerConnectionBuilder};
use rtc::sansio::Protocol;
use rtc::shared::{TaggedBytesMut, TransportContext, TransportProtocol};
use sansio::machine::Machine;
use sansio::peer::{Peer, connect};

/// Bytes of the receive window; ours has as much.
const WINDOW: u32 = 4 << 20;
/// Bytes that may be on their way before a message has to wait: what its example of flow control calls high.
const HIGH: usize = 1 << 20;

struct Rtc;

struct Connection {
    connection: RTCPeerConnection,
    channel: Option<RTCDataChannelId>,
    messages: VecDeque<BytesMut>,
}

fn main() -> ExitCode {
    program::run::<Rtc>()
}

impl Stack for Rtc {
    type End = Peer<Connection>;

    fn new(_run: &Run) -> Outcome<Self> {
        Ok(Self)
    }

    async fn connect(&self) -> Outcome<(Self::End, Self::End)> {
        connect().await
    }
}

impl Machine for Connection {
    type Message = BytesMut;

    fn pair(near: SocketAddr, far: SocketAddr) -> Outcome<(Self, Self)> {
        let now = Instant::now();
        let (mut offerer, mut answerer) = (connection(near, now)?, connection(far, now)?);
        let ordered = RTCDataChannelInit { ordered: true, ..RTCDataChannelInit::default() };
        offerer.create_data_channel("data", Some(ordered))?;
        let offer = offerer.create_offer(None)?;
        offerer.set_local_description(now, offer)?;
        answerer.set_remote_description(now, offerer.local_description().ok_or("there is no offer")?)?;
        let answer = answerer.create_answer(None)?;
        answerer.set_local_description(now, answer)?;
        offerer.set_remote_description(now, answerer.local_description().ok_or("there is no answer")?)?;
        let new = |connection| Self { connection, channel: None, messages: VecDeque::new() };
        Ok((new(offerer), new(answerer)))
    }

    fn is_open(&self) -> bool {
        self.channel.is_some()
    }

    fn drain(&mut self, mut datagram: impl FnMut(SocketAddr, &[u8])) -> Outcome<Option<Instant>> {
        loop {
            while let Some(event) = self.connection.poll_event() {
                if let RTCPeerConnectionEvent::OnDataChannel(RTCDataChannelEvent::OnOpen(id)) = event {
                    self.channel = Some(id);
                }
            }
            while let Some(message) = self.connection.poll_read() {
                if let RTCMessage::DataChannelMessage(_, message) = message.message {
                    self.messages.push_back(message.data);
                }
            }
            // Reading may have opened the window, which is something to send.
            let Some(transmit) = self.connection.poll_write() else { return Ok(self.connection.poll_timeout()) };
            datagram(transmit.transport.peer_addr, &transmit.message);
            while let Some(transmit) = self.connection.poll_write() {
                datagram(transmit.transport.peer_addr, &transmit.message);
            }
        }
    }

    fn poll_message(&mut self) -> Option<BytesMut> {
        self.messages.pop_front()
    }

    fn handle_datagram(&mut self, now: Instant, from: SocketAddr, local: SocketAddr, bytes: &[u8]) -> Outcome<()> {
        let transport = TransportContext {
            local_addr: local,
            peer_addr: from,
            ecn: None,
            transport_protocol: TransportProtocol::UDP,
        };
        Ok(self.connection.handle_read(TaggedBytesMut { now, transport, message: BytesMut::from(bytes) })?)
    }

    fn handle_timeout(&mut self, now: Instant) -> Outcome<()> {
        Ok(self.connection.handle_timeout(now)?)
    }

    fn write(&mut self, message: &Bytes) -> Outcome<bool> {
        let id = self.channel.ok_or("there is no channel")?;
        let mut channel = self.connection.data_channel(id).ok_or("the channel is closed")?;
        if channel.outstanding_bytes() >= HIGH {
            return Ok(false);
        }
        channel.send(Instant::now(), BytesMut::from(&message[..]))?;
        Ok(true)
    }
}

/// With its one candidate, which its descriptions will have.
fn connection(address: SocketAddr, now: Instant) -> Outcome<RTCPeerConnection> {
    let settings =
        SettingEngineBuilder::new().with_sctp_max_receive_buffer_size(WINDOW).with_include_loopback_candidate(true);
    let mut connection = RTCPeerConnectionBuilder::new().with_setting_engine(settings.build()).build(now)?;
    let candidate = CandidateHostConfig {
        base_config: CandidateConfig {
            network: "udp".to_owned(),
            address: address.ip().to_string(),
            port: address.port(),
            component: 1,
            ..CandidateConfig::default()
        },
        ..CandidateHostConfig::default()
    };
    connection.add_local_candidate(RTCIceCandidate::from(&candidate.new_candidate_host()?).to_json()?)?;
    Ok(connection)
}
