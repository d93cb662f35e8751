//! rtc: its interceptors by default and those of transport-wide numbers at both ends; packets and frames made and put together as
//! its examples do.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use rtc::dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc::interceptor::Registry;
use rtc::media::io::sample_builder::SampleBuilder;
use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::configuration::interceptor_registry::{
    configure_nack, configure_rtcp_reports, configure_simulcast_extension_headers, configure_twcc,
};
use rtc::peer_connection::configuration::media_engine::{MIME_TYPE_OPUS, MIME_TYPE_VP8, MediaEngine};
use rtc::peer_connection::configuration::setting_engine::SettingEngineBuilder;
use rtc::peer_connection::event::{RTCPeerConnectionEvent, RTCTrackEvent};
use rtc::peer_connection::message::{RTCMessage, TaggedRTCMessage};
use rtc::peer_connection::state::RTCPeerConnectionState;
use rtc::peer_connection::transport::{CandidateConfig, CandidateHostConfig, RTCIceCandidate};
use rtc::peer_connection::{RTCPeerConnection, RTCPeerConnectionBuilder};
use rtc::rtp::codec::opus::OpusPacket;
use rtc::rtp::codec::vp8::Vp8Packet;
use rtc::rtp::packetizer::{Packetizer, new_packetizer};
use rtc::rtp::sequence::new_random_sequencer;
use rtc::rtp_transceiver::RTCRtpSenderId;
use rtc::rtp_transceiver::rtp_sender::{
    RTCRtpCodec, RTCRtpCodecParameters, RTCRtpCodingParameters, RTCRtpEncodingParameters, RtpCodecKind,
};
use rtc::sansio::Protocol as _;
use rtc::shared::error::Error;
use rtc::shared::{TaggedBytesMut, TransportContext, TransportProtocol};

use crate::load::Kind;
use crate::peer::{Out, Peer as PeerOf, Plan, Role, Run as RunOf};

/// Bytes of a packet at most, before header extensions.
const MTU: usize = 1122;
/// Packets that a frame is waited for at most.
const MAX_LATE: u16 = 256;
/// Sources of the streams begin here.
const SSRC: u32 = 1000;

type Builders = HashMap<String, (usize, Samples)>;

enum Samples {
    Video(Box<SampleBuilder<Vp8Packet>>),
    Audio(Box<SampleBuilder<OpusPacket>>),
}

/// One end.
pub struct Peer {
    connection: RTCPeerConnection,
    origin: Instant,
    context: TransportContext,
    kind: Kind,
    role: Role,
    senders: Vec<RTCRtpSenderId>,
    packetizers: Vec<Box<dyn Packetizer>>,
    /// What arrives, by its track.
    tracks: Builders,
    is_connected: bool,
}

impl RunOf for BytesMut {
    fn retain(&mut self, mut arrives: impl FnMut(&[u8]) -> bool) -> bool {
        arrives(self)
    }
}

impl PeerOf for Peer {
    const NAME: &'static str = "rtc";
    type Run = BytesMut;
    type Frame = Bytes;
    type Received = Bytes;
    type Item = rtc::rtp::Packet;

    fn pair(plan: &Plan) -> Result<[Self; 2], String> {
        connect(plan).map_err(|error| error.to_string())
    }

    fn is_connected(&self) -> bool {
        self.is_connected
    }

    fn receive(&mut self, at: Duration, run: &mut BytesMut, out: &mut Out<Self>) {
        // As its examples copy out of the buffer that they receive into.
        let message = BytesMut::from(&run[..]);
        let datagram = TaggedBytesMut { now: self.origin + at, transport: self.context, message };
        self.connection.handle_read(datagram).expect("a live peer takes datagrams");
        self.take(at, out);
    }

    fn timeout(&mut self, at: Duration) {
        self.connection.handle_timeout(self.origin + at).expect("a live peer takes time");
    }

    fn send(&mut self, at: Duration, stream: usize, frame: Bytes, _: bool, _: u32) {
        let now = self.origin + at;
        let ticks = self.kind.ticks();
        let packets = self.packetizers[stream].packetize(now, &frame, ticks).expect("frames can be cut");
        for packet in packets {
            self.write(now, stream, packet);
        }
    }

    fn forward(&mut self, at: Duration, stream: usize, packet: &rtc::rtp::Packet) {
        // Its header extensions as well, as in the example: both connections number them alike.
        self.write(self.origin + at, stream, packet.clone());
    }

    fn handed_over(&mut self, _: Duration) {}

    fn select(&mut self, _: Duration, _: &mut Self) {}

    fn drain(&mut self, at: Duration, out: &mut Out<Self>) -> Option<Duration> {
        self.take(at, out);
        self.connection.poll_timeout().map(|deadline| deadline.saturating_duration_since(self.origin))
    }

    fn recycle(&mut self, _: BytesMut) {}
}

impl Peer {
    fn new(role: Role, kind: Kind, [here, there]: [SocketAddr; 2], origin: Instant) -> Result<Self, Error> {
        let mut media = MediaEngine::default();
        let codec = RTCRtpCodecParameters { rtp_codec: codec(kind), payload_type: kind.payload_type() };
        media.register_codec(codec, codec_kind(kind))?;
        let registry = configure_nack(Registry::new(), &mut media);
        configure_simulcast_extension_headers(&mut media)?;
        let registry = configure_twcc(configure_rtcp_reports(registry), &mut media)?;
        let profiles = vec![SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm];
        let settings = SettingEngineBuilder::new().with_srtp_protection_profiles(profiles).build();
        let builder = RTCPeerConnectionBuilder::new().with_setting_engine(settings).with_media_engine(media);
        let mut connection = builder.with_interceptor_registry(registry).build(origin)?;
        let candidate = CandidateHostConfig {
            base_config: CandidateConfig {
                network: "udp".into(),
                address: here.ip().to_string(),
                port: here.port(),
                component: 1,
                ..CandidateConfig::default()
            },
            ..CandidateHostConfig::default()
        };
        let candidate = RTCIceCandidate::from(&candidate.new_candidate_host()?).to_json()?;
        connection.add_local_candidate(candidate)?;
        let context = TransportContext {
            local_addr: here,
            peer_addr: there,
            ecn: None,
            transport_protocol: TransportProtocol::UDP,
        };
        let (senders, packetizers, tracks) = (Vec::new(), Vec::new(), HashMap::new());
        Ok(Self { connection, origin, context, kind, role, senders, packetizers, tracks, is_connected: false })
    }

    /// Adds a stream to send.
    fn add(&mut self, stream: usize) -> Result<(), Error> {
        let (ssrc, kind) = (SSRC + stream as u32, codec_kind(self.kind));
        let coding = RTCRtpCodingParameters { ssrc: Some(ssrc), ..Default::default() };
        let encoding =
            RTCRtpEncodingParameters { rtp_coding_parameters: coding, codec: codec(self.kind), ..Default::default() };
        let [id, track, label] = ["stream", "track", "label"].map(|name| format!("{name}-{stream}"));
        self.senders.push(self.connection.add_track(MediaStreamTrack::new(id, track, label, kind, vec![encoding]))?);
        self.packetizers.push(Box::new(new_packetizer(
            self.origin,
            MTU,
            self.kind.payload_type(),
            ssrc,
            codec(self.kind).payloader()?,
            Box::new(new_random_sequencer()),
            self.kind.clock_rate(),
        )));
        Ok(())
    }

    fn write(&mut self, now: Instant, stream: usize, mut packet: rtc::rtp::Packet) {
        let mut sender = self.connection.rtp_sender(self.senders[stream]).expect("its streams can be written to");
        packet.header.ssrc = SSRC + stream as u32;
        packet.header.payload_type = self.kind.payload_type();
        sender.write_rtp(now, packet).expect("a live peer takes packets");
    }

    /// Takes out all but the deadline.
    fn take(&mut self, at: Duration, out: &mut Out<Self>) {
        while let Some(datagram) = self.connection.poll_write() {
            out.runs.push(datagram.message);
        }
        while let Some(event) = self.connection.poll_event() {
            match event {
                RTCPeerConnectionEvent::OnConnectionStateChangeEvent(state) => {
                    self.is_connected = state == RTCPeerConnectionState::Connected;
                }
                RTCPeerConnectionEvent::OnTrack(RTCTrackEvent::OnOpen(init)) => {
                    let rate = self.kind.clock_rate();
                    let samples = match self.kind {
                        Kind::Video => {
                            Samples::Video(Box::new(SampleBuilder::new(MAX_LATE, Vp8Packet::default(), rate)))
                        }
                        Kind::Audio => Samples::Audio(Box::new(SampleBuilder::new(MAX_LATE, OpusPacket, rate))),
                    };
                    let stream = init.track_id.rsplit('-').next().and_then(|number| number.parse().ok());
                    self.tracks.insert(init.track_id, (stream.unwrap_or(0), samples));
                }
                _ => {}
            }
        }
        let now = self.origin + at;
        while let Some(TaggedRTCMessage { message, .. }) = self.connection.poll_read() {
            let RTCMessage::RtpPacket(track, packet) = message else { continue };
            let Some((stream, samples)) = self.tracks.get_mut(&track) else { continue };
            if self.role == Role::TakesIn {
                out.items.push((*stream, packet));
                continue;
            }
            samples.push(now, packet, &mut out.frames);
        }
    }
}

impl Samples {
    fn push(&mut self, now: Instant, packet: rtc::rtp::Packet, frames: &mut Vec<Bytes>) {
        match self {
            Self::Video(builder) => {
                builder.push(now, packet);
                frames.extend(std::iter::from_fn(|| builder.pop(now)).map(|sample| sample.data));
            }
            Self::Audio(builder) => {
                builder.push(now, packet);
                frames.extend(std::iter::from_fn(|| builder.pop(now)).map(|sample| sample.data));
            }
        }
    }
}

/// Both ends, with descriptions exchanged.
fn connect(plan: &Plan) -> Result<[Peer; 2], Error> {
    let origin = Instant::now();
    let [here, there] = super::addresses();
    let mut near = Peer::new(plan.roles[0], plan.kind, [here, there], origin)?;
    let mut far = Peer::new(plan.roles[1], plan.kind, [there, here], origin)?;
    (0..plan.streams).try_for_each(|stream| near.add(stream))?;
    let offer = near.connection.create_offer(None)?;
    near.connection.set_local_description(origin, offer.clone())?;
    far.connection.set_remote_description(origin, offer)?;
    let answer = far.connection.create_answer(None)?;
    far.connection.set_local_description(origin, answer.clone())?;
    near.connection.set_remote_description(origin, answer)?;
    Ok([near, far])
}

fn codec_kind(kind: Kind) -> RtpCodecKind {
    if kind == Kind::Video { RtpCodecKind::Video } else { RtpCodecKind::Audio }
}

fn codec(kind: Kind) -> RTCRtpCodec {
    let (mime_type, channels) = if kind == Kind::Video { (MIME_TYPE_VP8, 0) } else { (MIME_TYPE_OPUS, 2) };
    RTCRtpCodec {
        mime_type: mime_type.to_owned(),
        clock_rate: kind.clock_rate(),
        channels,
        sdp_fmtp_line: String::new(),
        rtcp_feedback: vec![],
    }
}
