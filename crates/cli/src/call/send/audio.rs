//! Sound, encoded or as a file has it.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use bytes::Bytes;
use peerage::{Codec, EncodedFrame, EncoderEvent};
use peerage_codecs::audio::{Channels, RATE};
use peerage_codecs::error::Error;
use peerage_codecs::opus::encoder::{Config, Encoder};
use peerage_codecs::source::audio::AudioFile;
use tokio::time::Instant;

use super::{Outlet, Stop};
use crate::call::feed::Feed;
use crate::call::source::FRAME;

/// What Opus is asked for; more is of no use to speech.
const MOST_BITRATE: u64 = 64_000;
const LEAST_BITRATE: u64 = 6_000;

/// Encodes what comes from when it can be sent.
pub fn send_samples(outlet: &Outlet, feed: &Feed<Vec<i16>>, channels: Channels) {
    let begun = Instant::now();
    let mut frames = None;
    while outlet.ready() {
        let frames = frames.get_or_insert_with(|| feed.subscribe(5));
        if !outlet.choose(Codec::Opus) {
            return outlet.note("The other side does not take Opus: no sound is sent to it".into());
        }
        match encode(outlet, frames, channels, begun) {
            Ok(Stop::Paused) => {}
            Ok(Stop::Ended) => return,
            Err(error) => return outlet.note(format!("No sound is sent any more: {error}")),
        }
    }
}

/// Until there is a pause. `begun` is where timestamps count from, so that they go on after it.
fn encode(
    outlet: &Outlet,
    frames: &Receiver<Arc<Vec<i16>>>,
    channels: Channels,
    begun: Instant,
) -> Result<Stop, Error> {
    let mut config = Config::default();
    config.channels = channels;
    let mut encoder = Encoder::new(&config)?;
    let mut packet = Vec::new();
    let mut timestamp = ticks(begun.elapsed());
    loop {
        let frame = match outlet.next(frames) {
            Ok(frame) => frame,
            Err(stop) => return Ok(stop),
        };
        while let Some(event) = outlet.sender.try_encoder_event() {
            if let EncoderEvent::TargetBitrate { bitrate, .. } = event {
                encoder.set_bitrate(bitrate.clamp(LEAST_BITRATE, MOST_BITRATE) as u32)?;
            }
        }
        encoder.encode(&frame, &mut packet)?;
        let coded = EncodedFrame::new(Bytes::copy_from_slice(&packet), timestamp);
        timestamp = timestamp.wrapping_add(FRAME as u32);
        if let Err(stop) = outlet.send(coded) {
            return Ok(stop);
        }
    }
}

/// Sends a file of Opus as it is.
pub fn send_file(outlet: &Outlet, path: &Path, repeat: bool) {
    let begun = Instant::now();
    while outlet.ready() {
        if !outlet.choose(Codec::Opus) {
            return outlet.note(format!("The other side does not take Opus: {} is not sent", path.display()));
        }
        match play(outlet, path, repeat, begun) {
            Ok(Stop::Paused) => {}
            Ok(Stop::Ended) => return,
            Err(error) => return outlet.note(format!("{} is not sent any more: {error}", path.display())),
        }
    }
}

fn play(outlet: &Outlet, path: &Path, repeat: bool, begun: Instant) -> Result<Stop, Error> {
    let mut file = AudioFile::open(path, repeat)?;
    let (start, before) = (Instant::now(), begun.elapsed());
    while let Some(packet) = file.next_packet()? {
        std::thread::sleep((start + packet.timestamp).saturating_duration_since(Instant::now()));
        if let Err(stop) = outlet.send(EncodedFrame::new(packet.data, ticks(before + packet.timestamp))) {
            return Ok(stop);
        }
    }
    Ok(Stop::Ended)
}

/// As RTP counts, which wraps.
fn ticks(time: Duration) -> u32 {
    (time.as_nanos() * u128::from(RATE) / 1_000_000_000) as u32
}
