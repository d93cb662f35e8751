//! Audio and video between the library and a browser: a test picture that says which frame it is, and a tone of known pitch,
//! in both directions, recognised after decoding.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use peerage::{EncodedFrame, EncoderEvent, RtpReceiver, RtpSender};
use peerage_codecs::audio::Channels;
use peerage_codecs::encoded::VideoCodec;
use peerage_codecs::opus;
use peerage_codecs::pattern::{self, Number};
use peerage_codecs::picture::Picture;
use peerage_codecs::tone::{self, Tone};
use peerage_codecs::video::{Config, Decoder, Encoder};
use tokio::time::Instant;

use crate::bidi::Result;
use crate::pair::words;

/// What the page draws, plays, sees and hears: the counterpart of `peerage_codecs::pattern` and `tone`.
pub const SCRIPT: &str = r#"
window.crcTable = Array.from({length: 256}, (_, n) => { for (let k = 0; k < 8; k++) n = n & 1 ? 0xEDB88320 ^ (n >>> 1) : n >>> 1; return n >>> 0; });
window.check = payload => {
  let crc = 0xFFFFFFFF;
  for (let i = 0n; i < 8n; i++) crc = crcTable[(crc ^ Number(payload >> (8n * i) & 0xFFn)) & 0xFF] ^ (crc >>> 8);
  return BigInt((~(crc ^ 0xFFFFFFFF) >>> 0) & 0xFFF);
};
window.film = (width, height) => {
  const canvas = document.createElement('canvas');
  Object.assign(canvas, {width, height});
  const pen = canvas.getContext('2d');
  let frame = 0;
  const draw = () => {
    const payload = BigInt(frame & 0xFFFFFF) | BigInt(Math.floor(performance.now()) & 0xFFFFFFF) << 24n;
    const bits = payload | check(payload) << 52n;
    pen.fillStyle = '#555'; pen.fillRect(0, 0, width, height);
    pen.fillStyle = '#eee'; pen.fillRect(frame % 120 / 120 * width, height / 2, width / 20, height / 2);
    for (let i = 0; i < 64; i++) {
      const [c, r] = [i % 16, i >> 4];
      pen.fillStyle = bits >> BigInt(i) & 1n ? '#eee' : '#111';
      const [left, right] = [Math.floor(c * width / 16), Math.floor((c + 1) * width / 16)];
      const [top, bottom] = [Math.floor(r * height / 8), Math.floor((r + 1) * height / 8)];
      pen.fillRect(left, top, right - left, bottom - top);
    }
    frame++;
  };
  setInterval(draw, 33); draw();
  return canvas.captureStream(30).getVideoTracks()[0];
};
// Without a sound card Firefox runs no AudioContext: its fake microphone sounds at this pitch by a preference.
window.isFirefox = navigator.userAgent.includes('Firefox');
window.sing = async hertz => {
  if (isFirefox) return (await navigator.mediaDevices.getUserMedia({audio: true})).getAudioTracks()[0];
  window.audio ??= new AudioContext();
  audio.resume();
  const tone = audio.createOscillator(), out = audio.createMediaStreamDestination();
  tone.frequency.value = hertz; tone.connect(out); tone.start();
  return out.stream.getAudioTracks()[0];
};
window.receive = () => {
  window.numbers = new Set(); window.tracks = {};
  pc.addEventListener('track', e => {
    tracks[e.track.kind] = e.track;
    const element = document.createElement(e.track.kind);
    Object.assign(element, {autoplay: true, playsInline: true, muted: e.track.kind === 'video', srcObject: new MediaStream([e.track])});
    document.body.append(element);
    element.play().catch(() => {});
    if (e.track.kind === 'video') { window.screen_ = element; setInterval(look, 20); }
    else if (!isFirefox) {
      window.audio ??= new AudioContext();
      window.ear = audio.createAnalyser(); ear.fftSize = 8192;
      audio.createMediaStreamSource(new MediaStream([e.track])).connect(ear);
    }
  });
  return true;
};
window.look = () => {
  const {videoWidth: width, videoHeight: height} = screen_;
  if (!width) return;
  window.retina ??= document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  Object.assign(retina.canvas, {width, height});
  retina.drawImage(screen_, 0, 0);
  let bits = 0n;
  for (let i = 0; i < 64; i++) {
    const x = Math.floor((i % 16 + 0.5) * width / 16), y = Math.floor(((i >> 4) + 0.5) * height / 8);
    if (retina.getImageData(x, y, 1, 1).data[1] > 126) bits |= 1n << BigInt(i);
  }
  const payload = bits & (1n << 52n) - 1n;
  if (check(payload) === bits >> 52n) numbers.add(Number(payload & 0xFFFFFFn));
};
window.pitch = () => {
  if (!window.ear) return 0;
  if (audio.state !== 'running') audio.resume();
  const bins = new Float32Array(ear.frequencyBinCount);
  ear.getFloatFrequencyData(bins);
  const loudest = bins.indexOf(Math.max(...bins));
  return bins[loudest] > -60 ? loudest * audio.sampleRate / ear.fftSize : 0;
};
window.hears = async hertz => {
  if (isFirefox) return (await inbound('audio')).totalAudioEnergy > 0.05;
  return Math.abs(pitch() - hertz) < 8;
};
window.inbound = async kind => {
  for (const s of (await pc.getStats()).values()) if (s.type === 'inbound-rtp' && s.kind === kind) return s;
  return {};
};
"#;

/// The size of our pictures.
const SIZE: (u32, u32) = (640, 360);
/// The pitch of our tone, and of the page's, in hertz.
pub const OURS: f64 = 440.0;
/// See [`OURS`].
pub const THEIRS: f64 = 1000.0;

/// What was recognised of the page's picture and tone.
#[derive(Debug, Default)]
pub struct Recognised {
    /// Pictures whose number could be read.
    pub pictures: AtomicU32,
    /// Pictures that decoded and could not be read.
    pub unread: AtomicU32,
    /// Frames that did not decode.
    pub broken: AtomicU32,
    /// Tenths of a second in which the tone was heard, within 1 %.
    pub tones: AtomicU32,
    /// Packets of audio that came.
    pub packets: AtomicU32,
}

/// Sends the test picture until the transceiver stops.
pub async fn film(sender: RtpSender, codec: VideoCodec) -> Result<()> {
    sender.ready().await.map_err(words)?;
    let mut encoder = Encoder::new(codec, Config::default()).map_err(words)?;
    let mut picture = Picture::new(SIZE.0, SIZE.1).map_err(words)?;
    let (start, mut key) = (Instant::now(), true);
    let mut clock = tokio::time::interval(Duration::from_millis(33));
    for frame in 0.. {
        clock.tick().await;
        while let Some(event) = sender.try_encoder_event() {
            match event {
                EncoderEvent::KeyFrame { .. } => key = true,
                EncoderEvent::TargetBitrate { bitrate, .. } => {
                    encoder.set_bitrate(bitrate.clamp(100_000, 1_500_000) as u32).map_err(words)?;
                }
                _ => {}
            }
        }
        pattern::draw(Number { frame, made: start.elapsed() }, &mut picture).map_err(words)?;
        let Some(coded) = encoder.encode(&picture, key).map_err(words)? else { continue };
        key &= !coded.key;
        let mut frame = EncodedFrame::new(coded.data, (coded.timestamp.as_micros() * 9 / 100) as u32);
        frame.is_key = coded.key;
        if sender.send_frame(frame).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}

/// Sends the tone until the transceiver stops.
pub async fn sing(sender: RtpSender) -> Result<()> {
    sender.ready().await.map_err(words)?;
    let config = opus::encoder::Config::default();
    let mut encoder = opus::encoder::Encoder::new(&config).map_err(words)?;
    let mut tone = Tone::new(OURS, 0.3);
    let mut samples = vec![0; 960 * config.channels.count()];
    let mut clock = tokio::time::interval(Duration::from_millis(20));
    for timestamp in (0u32..).step_by(960) {
        clock.tick().await;
        tone.fill(config.channels, &mut samples);
        let mut packet = Vec::new();
        encoder.encode(&samples, &mut packet).map_err(words)?;
        if sender.send_frame(EncodedFrame::new(Bytes::from(packet), timestamp)).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}

/// Looks at the page's picture until the track ends.
pub async fn watch(receiver: RtpReceiver, codec: VideoCodec, seen: Arc<Recognised>) -> Result<()> {
    let mut decoder = Decoder::new(codec).map_err(words)?;
    let mut picture = Picture::new(SIZE.0, SIZE.1).map_err(words)?;
    let start = Instant::now();
    while let Some(frame) = receiver.recv_frame().await {
        let counter = match decoder.decode(&frame.payload, start.elapsed(), &mut picture) {
            Ok(true) if pattern::read(&picture).is_some() => &seen.pictures,
            Ok(true) => &seen.unread,
            Ok(false) => continue,
            Err(_) => &seen.broken,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

/// Listens to the page's tone until the track ends.
pub async fn listen(receiver: RtpReceiver, seen: Arc<Recognised>) -> Result<()> {
    let mut decoder = opus::decoder::Decoder::new(Channels::Mono).map_err(words)?;
    let (mut decoded, mut samples) = (Vec::new(), Vec::new());
    while let Some(frame) = receiver.recv_frame().await {
        seen.packets.fetch_add(1, Ordering::Relaxed);
        decoder.decode(&frame.payload, &mut decoded).map_err(words)?;
        samples.append(&mut decoded);
        if samples.len() >= 4800 {
            let heard = tone::frequency(&samples);
            if heard.is_some_and(|hertz| (hertz - THEIRS).abs() < THEIRS / 100.0) {
                seen.tones.fetch_add(1, Ordering::Relaxed);
            }
            samples.clear();
        }
    }
    Ok(())
}
