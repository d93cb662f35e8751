//! rtc, the sans-IO stack under `webrtc`: as its example of flow control does, with more in the buffers.

use std::net::SocketAddr;
use std::time::Instant as Moment;

use bytes::BytesMut;
use rtc::data_channel::RTCDataChannelId;
use rtc::peer_connection::configuration::setting_engine::SettingEngineBuilder;
use rtc::peer_connection::event::{RTCDataChannelEvent, RTCPeerConnectionEvent};
use rtc::peer_connection::message::{RTCMessage, TaggedRTCMessage};
use rtc::peer_connection::transport::{CandidateConfig, CandidateHostConfig, RTCIceCandidate};
use rtc::peer_connection::{RTCPeerConnection, RTCPeerConnectionBuilder};
use rtc::sansio::Protocol as _;
use rtc::shared::{TaggedBytesMut, TransportContext, TransportProtocol};

use super::{BUFFER, Machine, Out};

/// A peer.
pub struct Peer {
    connection: RTCPeerConnection,
    address: SocketAddr,
    channel: Option<RTCDataChannelId>,
}

impl Peer {
    fn new(address: SocketAddr, now: Moment) -> Self {
        let settings = SettingEngineBuilder::new().with_sctp_max_receive_buffer_size(BUFFER as u32).build();
        let builder = RTCPeerConnectionBuilder::new().with_setting_engine(settings);
        let mut connection = builder.build(now).expect("the settings are good");
        let candidate = CandidateHostConfig {
            base_config: CandidateConfig {
                network: "udp".into(),
                address: address.ip().to_string(),
                port: address.port(),
                component: 1,
                ..CandidateConfig::default()
            },
            ..CandidateHostConfig::default()
        };
        let candidate = candidate.new_candidate_host().expect("an address is a candidate");
        let candidate = RTCIceCandidate::from(&candidate).to_json().expect("a candidate has a text");
        connection.add_local_candidate(candidate).expect("its own address is taken");
        Self { connection, address, channel: None }
    }
}

impl Machine for Peer {
    const NAME: &'static str = "rtc";

    fn pair(addresses: [SocketAddr; 2], now: Moment) -> [Self; 2] {
        let [mut near, mut far] = addresses.map(|address| Self::new(address, now));
        let known = "both speak the same";
        near.connection.create_data_channel("bulk", None).expect(known);
        let offer = near.connection.create_offer(None).expect(known);
        near.connection.set_local_description(now, offer.clone()).expect(known);
        far.connection.set_remote_description(now, offer).expect(known);
        let answer = far.connection.create_answer(None).expect(known);
        far.connection.set_local_description(now, answer.clone()).expect(known);
        near.connection.set_remote_description(now, answer).expect(known);
        [near, far]
    }

    fn receive(&mut self, now: Moment, from: SocketAddr, payload: &[u8]) {
        let transport = TransportContext {
            local_addr: self.address,
            peer_addr: from,
            ecn: None,
            transport_protocol: TransportProtocol::UDP,
        };
        let message = BytesMut::from(payload);
        self.connection.handle_read(TaggedBytesMut { now, transport, message }).expect("a live peer takes datagrams");
    }

    fn timeout(&mut self, now: Moment) {
        self.connection.handle_timeout(now).expect("a live peer takes time");
    }

    fn drain(&mut self, _: Moment, out: &mut Out) -> Option<Moment> {
        while let Some(event) = self.connection.poll_event() {
            if let RTCPeerConnectionEvent::OnDataChannel(RTCDataChannelEvent::OnOpen(id)) = event {
                (self.channel, out.is_open) = (Some(id), true);
            }
        }
        while let Some(TaggedRTCMessage { message, .. }) = self.connection.poll_read() {
            if let RTCMessage::DataChannelMessage(_, message) = message {
                out.messages.push(message.data.to_vec());
            }
        }
        while let Some(datagram) = self.connection.poll_write() {
            out.datagrams.push_back((datagram.transport.peer_addr, datagram.message.to_vec()));
        }
        self.connection.poll_timeout()
    }

    fn write(&mut self, now: Moment, message: &[u8]) -> bool {
        let channel = self.channel.and_then(|id| self.connection.data_channel(id));
        let Some(mut channel) = channel.filter(|channel| channel.outstanding_bytes() + message.len() <= BUFFER) else {
            return false;
        };
        channel.send(now, BytesMut::from(message)).expect("an open channel takes messages");
        true
    }
}
