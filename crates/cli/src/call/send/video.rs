//! Pictures, encoded or as a file has them.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use peerage::{Codec, EncodedFrame, EncoderEvent};
use peerage_codecs::bitstream;
use peerage_codecs::encoded::{EncodedVideo, VideoCodec};
use peerage_codecs::error::Error;
use peerage_codecs::picture::Picture;
use peerage_codecs::source::video::VideoFile;
use peerage_codecs::video::{Config, Encoder};
use tokio::time::Instant;

use super::{Outlet, Sent, Stop};
use crate::call::feed::Feed;

/// What encoders can be asked for.
const LEAST_BITRATE: u64 = 30_000;
const MOST_BITRATE: u64 = 100_000_000;
/// How long a file's next key frame is waited for; then what lies before it is left out.
const KEY_FRAME_WAIT: Duration = Duration::from_secs(5);

/// The name of a codec in descriptions.
fn codec_of(codec: VideoCodec) -> Option<Codec> {
    match codec {
        VideoCodec::Vp8 => Some(Codec::Vp8),
        VideoCodec::Vp9 => Some(Codec::Vp9),
        VideoCodec::H264 => Some(Codec::H264),
        VideoCodec::Av1 => Some(Codec::Av1),
        _ => None,
    }
}

/// Encodes what comes from when it can be sent.
pub fn send_pictures(outlet: &Outlet, feed: &Feed<Picture>, wanted: VideoCodec, fps: u32, sent: &Sent) {
    let mut pictures = None;
    while outlet.ready() {
        let pictures = pictures.get_or_insert_with(|| feed.subscribe(1));
        let candidates = [wanted, VideoCodec::Vp8, VideoCodec::H264, VideoCodec::Vp9];
        let taken = |codec: &VideoCodec| codec_of(*codec).is_some_and(|codec| outlet.choose(codec));
        let Some(codec) = candidates.into_iter().find(taken) else {
            return outlet.note("The other side takes none of VP8, VP9 and H.264: no pictures are sent to it".into());
        };
        match encode(outlet, pictures, codec, fps, sent) {
            Ok(Stop::Paused) => {}
            Ok(Stop::Ended) => return,
            Err(error) => return outlet.note(format!("No pictures are sent any more: {error}")),
        }
    }
}

fn encode(
    outlet: &Outlet,
    pictures: &Receiver<Arc<Picture>>,
    codec: VideoCodec,
    fps: u32,
    sent: &Sent,
) -> Result<Stop, Error> {
    let mut config = Config::default();
    config.frame_rate = fps;
    let mut encoder = Encoder::new(codec, config)?;
    let (mut key, mut paused) = (true, false);
    let mut last = None;
    loop {
        let picture = match outlet.next(pictures) {
            Ok(picture) => picture,
            Err(stop) => return Ok(stop),
        };
        while let Some(event) = outlet.sender.try_encoder_event() {
            match event {
                EncoderEvent::KeyFrame { .. } => key = true,
                EncoderEvent::TargetBitrate { bitrate: 0, .. } => paused = true,
                EncoderEvent::TargetBitrate { bitrate, .. } => {
                    paused = false;
                    encoder.set_bitrate(bitrate.clamp(LEAST_BITRATE, MOST_BITRATE) as u32)?;
                }
                _ => {}
            }
        }
        // A clock that stands still, as of a picture that waited here, is no new picture.
        if paused || last.is_some_and(|last| picture.timestamp <= last) {
            continue;
        }
        last = Some(picture.timestamp);
        let Some(coded) = encoder.encode(&picture, key)? else { continue };
        key &= !coded.key;
        sent.set_size(picture.width(), picture.height());
        match outlet.send(frame_of(coded)) {
            Ok(true) => drop(sent.frames.fetch_add(1, Ordering::Relaxed)),
            Ok(false) => {}
            Err(stop) => return Ok(stop),
        }
    }
}

/// Sends a file of coded pictures as it is.
pub fn send_file(outlet: &Outlet, path: &Path, codec: VideoCodec, repeat: bool, sent: &Sent) {
    let begun = Instant::now();
    while outlet.ready() {
        if !codec_of(codec).is_some_and(|codec| outlet.choose(codec)) {
            let why = format!("The other side does not take {codec}: {} is not sent to it", path.display());
            return outlet.note(why);
        }
        let before = begun.elapsed();
        let Ok(file) = VideoFile::open(path, repeat).map_err(|error| outlet.note(error.to_string())) else { return };
        match play(outlet, file, codec, before, sent) {
            Ok(Stop::Paused) => {}
            Ok(Stop::Ended) => return,
            Err(error) => return outlet.note(format!("{} is not sent any more: {error}", path.display())),
        }
    }
}

/// Until there is a pause. `before` is what timestamps begin with, so that they go on after it.
fn play(outlet: &Outlet, mut file: VideoFile, codec: VideoCodec, before: Duration, sent: &Sent) -> Result<Stop, Error> {
    let mut pace = Pace::new(Instant::now());
    while let Some((mut frame, _)) = file.next_frame()? {
        while let Some(event) = outlet.sender.try_encoder_event() {
            if let EncoderEvent::KeyFrame { .. } = event {
                pace.key_frame_wanted(frame.timestamp);
            }
        }
        let Some(wait) = pace.turn(&frame, Instant::now()) else { continue };
        std::thread::sleep(wait);
        if pace.is_waiting() {
            continue;
        }
        if let Some((width, height)) = bitstream::size(codec, &frame.data).filter(|_| frame.key) {
            sent.set_size(width, height);
        }
        frame.timestamp += before;
        match outlet.send(frame_of(frame)) {
            Ok(true) => drop(sent.frames.fetch_add(1, Ordering::Relaxed)),
            // Dropped since only a key frame is of use.
            Ok(false) => {}
            Err(stop) => return Ok(stop),
        }
    }
    Ok(Stop::Ended)
}

/// When frames of a file are sent, and which: none between a wish for a key frame and the next one.
struct Pace {
    start: Instant,
    /// The place in the file where a key frame was asked for.
    wanted: Option<Duration>,
}

impl Pace {
    fn new(start: Instant) -> Self {
        Self { start, wanted: None }
    }

    fn key_frame_wanted(&mut self, at: Duration) {
        self.wanted.get_or_insert(at);
    }

    /// How long to wait for a frame's turn; `None` leaves it out at once.
    fn turn(&mut self, frame: &EncodedVideo, now: Instant) -> Option<Duration> {
        let waited = self.wanted.map(|at| frame.timestamp.saturating_sub(at));
        let is_late = waited.is_some_and(|waited| waited > KEY_FRAME_WAIT);
        if frame.key {
            self.wanted = None;
            if is_late {
                // What was left out took no time: the clock goes on from here.
                self.start = now.checked_sub(frame.timestamp).unwrap_or(now);
            }
        } else if is_late {
            return None;
        }
        Some((self.start + frame.timestamp).saturating_duration_since(now))
    }

    fn is_waiting(&self) -> bool {
        self.wanted.is_some()
    }
}

fn frame_of(coded: EncodedVideo) -> EncodedFrame {
    let mut frame = EncodedFrame::new(coded.data, (coded.timestamp.as_nanos() * 9 / 100_000) as u32);
    frame.is_key = coded.key;
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(millis: u64, key: bool) -> EncodedVideo {
        EncodedVideo { timestamp: Duration::from_millis(millis), key, ..EncodedVideo::default() }
    }

    #[test]
    fn after_a_wish_for_a_key_frame_the_next_one_is_waited_for() {
        let now = Instant::now();
        let mut pace = Pace::new(now);
        assert_eq!(pace.turn(&frame(0, true), now), Some(Duration::ZERO));
        pace.key_frame_wanted(Duration::from_millis(40));
        assert_eq!(pace.turn(&frame(40, false), now), Some(Duration::from_millis(40)));
        assert!(pace.is_waiting());
        assert_eq!(pace.turn(&frame(80, true), now), Some(Duration::from_millis(80)));
        assert!(!pace.is_waiting());
    }

    #[test]
    fn what_lies_too_long_before_it_is_left_out_and_the_clock_goes_on_from_there() {
        let now = Instant::now();
        let mut pace = Pace::new(now - Duration::from_secs(1));
        pace.key_frame_wanted(Duration::from_secs(1));
        assert!(pace.turn(&frame(6_000, false), now).is_some());
        assert_eq!(pace.turn(&frame(6_040, false), now), None);
        assert_eq!(pace.turn(&frame(60_000, true), now), Some(Duration::ZERO));
        assert_eq!(pace.turn(&frame(60_040, false), now), Some(Duration::from_millis(40)));
    }
}
