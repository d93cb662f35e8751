//! A call of two of ours over loopback: endpoints, descriptions, candidates, a stream of video and one of audio.

use std::time::{Duration, Instant};

use bytes::Bytes;
use peerage::configuration::MediaConfig;
use peerage::stats::StatsEntry;
use peerage::{Configuration, EncodedFrame, EncoderEvent, Endpoint, Event, MediaKind, PeerConnection};
use peerage::{RtpReceiver, RtpSender, RtpTransceiverInit, Settings};
use peerage_codecs::encoded::EncodedVideo;
use peerage_codecs::opus::encoder::{Config, Encoder};
use peerage_codecs::tone::Tone;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::film::{Inlet, Outlet};

/// How long connecting may take.
const LIMIT: Duration = Duration::from_secs(20);
/// Sound in a frame.
const SOUND: Duration = Duration::from_millis(20);

/// A call that stands.
pub struct Call {
    near: PeerConnection,
    far: PeerConnection,
    /// Ends with the call.
    sound: Option<tokio::task::JoinHandle<()>>,
}

/// Where frames leave from.
pub struct Source(RtpSender);

/// Where they arrive.
pub struct Sink {
    receiver: RtpReceiver,
    runtime: Handle,
}

impl Call {
    /// Connects two endpoints of their own; with sound beside the picture if `has_audio`.
    ///
    /// # Errors
    /// The stack refuses a step, or it takes too long.
    pub async fn begin(has_audio: bool) -> Result<(Self, Source, Sink), String> {
        let call = Self::connect(has_audio);
        tokio::time::timeout(LIMIT, call).await.map_err(|_| format!("not connected within {LIMIT:?}"))?
    }

    async fn connect(has_audio: bool) -> Result<(Self, Source, Sink), String> {
        let (near, far) = (connection()?, connection()?);
        let init = RtpTransceiverInit::default;
        let video = near.add_transceiver(MediaKind::Video, init()).map_err(words)?;
        let of_vp8: Vec<_> = MediaConfig::default().video;
        let of_vp8: Vec<_> = of_vp8.into_iter().filter(|codec| codec.name.eq_ignore_ascii_case("VP8")).collect();
        video.set_codec_preferences(&of_vp8).map_err(words)?;
        let audio = has_audio.then(|| near.add_transceiver(MediaKind::Audio, init()).map_err(words)).transpose()?;
        let offer = near.create_offer().await.map_err(words)?;
        near.set_local_description(offer.clone()).await.map_err(words)?;
        far.set_remote_description(offer).await.map_err(words)?;
        let answer = far.create_answer().await.map_err(words)?;
        far.set_local_description(answer.clone()).await.map_err(words)?;
        near.set_remote_description(answer).await.map_err(words)?;
        let (tracks, mut told) = mpsc::unbounded_channel();
        tokio::spawn(serve(near.clone(), far.clone(), tracks.clone()));
        tokio::spawn(serve(far.clone(), near.clone(), tracks));
        let sender = video.sender();
        sender.ready().await.map_err(words)?;
        let receiver = told.recv().await.ok_or("the connection is over")?;
        let sound = audio.map(|audio| tokio::spawn(sing(audio.sender())));
        let sink = Sink { receiver, runtime: Handle::current() };
        Ok((Self { near, far, sound }, Source(sender), sink))
    }

    /// Ends it, and tells what its statistics say: milliseconds that a packet waited for the pacer, and from a picture's first
    /// packet to its last, on average.
    pub async fn end(self) -> (Option<f64>, Option<f64>) {
        let (sent, received) = (self.near.get_stats(), self.far.get_stats());
        if let Some(sound) = self.sound {
            sound.abort();
        }
        self.near.close().await;
        self.far.close().await;
        let mean = |sum: Duration, count: u64| (count > 0).then(|| sum.as_secs_f64() * 1e3 / count as f64);
        let waited = sent.entries.iter().find_map(|entry| match entry {
            StatsEntry::OutboundRtp(rtp) if rtp.kind == "video" => mean(rtp.total_packet_send_delay, rtp.packets_sent),
            _ => None,
        });
        let assembled = received.entries.iter().find_map(|entry| match entry {
            StatsEntry::InboundRtp(rtp) if rtp.kind == "video" => mean(rtp.total_assembly_time, rtp.frames_received),
            _ => None,
        });
        (waited, assembled)
    }
}

impl Outlet for Source {
    fn send(&mut self, frame: EncodedVideo) -> Result<(), String> {
        let mut coded = EncodedFrame::new(frame.data, (frame.timestamp.as_micros() * 9 / 100) as u32);
        coded.is_key = frame.key;
        self.0.try_send_frame(0, coded).map(drop).map_err(words)
    }

    fn wishes(&mut self) -> (bool, Option<u64>) {
        let (mut key, mut rate) = (false, None);
        while let Some(event) = self.0.try_encoder_event() {
            match event {
                EncoderEvent::KeyFrame { .. } => key = true,
                EncoderEvent::TargetBitrate { bitrate, .. } => rate = Some(bitrate),
                _ => {}
            }
        }
        (key, rate)
    }
}

impl Inlet for Sink {
    fn recv(&mut self, patience: Duration) -> Option<(Bytes, Instant)> {
        let next = async { tokio::time::timeout(patience, self.receiver.recv_frame()).await };
        let frame = self.runtime.block_on(next).ok()??;
        Some((frame.payload, frame.render_at))
    }
}

fn connection() -> Result<PeerConnection, String> {
    let mut settings = Settings::default();
    settings.addresses = vec![std::net::Ipv4Addr::LOCALHOST.into()];
    let endpoint = Endpoint::new(settings).map_err(words)?;
    endpoint.peer_connection(Configuration::default()).map_err(words)
}

/// Carries candidates, and tells of tracks of video.
async fn serve(from: PeerConnection, to: PeerConnection, tracks: mpsc::UnboundedSender<RtpReceiver>) {
    while let Some(event) = from.next_event().await {
        match event {
            // What the other side does not take it says when nothing connects.
            Event::IceCandidate(Some(candidate)) => drop(to.add_ice_candidate(candidate).await),
            Event::Track { receiver, transceiver, .. } if transceiver.kind() == Some(MediaKind::Video) => {
                drop(tracks.send(receiver));
            }
            _ => {}
        }
    }
}

/// A tone, until the call is over.
async fn sing(sender: RtpSender) {
    let config = Config::default();
    let Ok(mut encoder) = Encoder::new(&config) else { return };
    let mut tone = Tone::new(440.0, 0.3);
    let mut samples = vec![0; encoder.samples()];
    let mut clock = tokio::time::interval(SOUND);
    let ticks = (samples.len() / config.channels.count()) as u32;
    for number in 0u32.. {
        clock.tick().await;
        tone.fill(config.channels, &mut samples);
        let mut packet = Vec::new();
        let is_coded = encoder.encode(&samples, &mut packet).is_ok();
        let frame = EncodedFrame::new(packet, number.wrapping_mul(ticks));
        if !is_coded || sender.try_send_frame(0, frame).is_err() {
            return;
        }
    }
}

fn words(error: impl std::fmt::Display) -> String {
    error.to_string()
}
