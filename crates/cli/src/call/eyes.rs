//! What is seen: pictures are counted, recorded, and decoded only if somebody wants to know what they show.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use peerage::{Codec, ReceivedFrame, RtpReceiver};
use peerage_codecs::bitstream;
use peerage_codecs::encoded::VideoCodec;
use peerage_codecs::pattern;
use peerage_codecs::picture::Picture;
use peerage_codecs::video::Decoder;
use tokio::time::Instant;

use super::record::Tape;

/// Frames that wait for the decoder; when there are more, it has lost its way and begins with a key frame.
const QUEUE: usize = 60;

/// What is known of one stream of pictures.
#[derive(Debug, Default)]
pub struct Seen {
    /// Frames that arrived whole.
    pub frames: AtomicU64,
    /// Width and height of the last key frame, 16 bits each; 0 if it did not tell.
    size: AtomicU32,
    /// Pictures that were decoded.
    pub decoded: AtomicU64,
    /// Those of them that are the test picture.
    pub recognised: AtomicU64,
    /// Frames that could not be decoded.
    pub broken: AtomicU64,
    /// The decoder needs a key frame.
    lost: AtomicBool,
}

impl Seen {
    /// Width and height of the last key frame.
    pub fn size(&self) -> Option<(u32, u32)> {
        let size = self.size.load(Ordering::Relaxed);
        (size != 0).then_some((size >> 16, size & 0xFFFF))
    }
}

/// Takes what arrives until the track ends.
pub fn watch(receiver: RtpReceiver, tape: Option<Tape>, recognise: bool) -> Arc<Seen> {
    let seen = Arc::new(Seen::default());
    let told = seen.clone();
    let decoder = recognise.then(|| decode_on_thread(&seen));
    tokio::spawn(async move {
        while let Some(frame) = receiver.recv_frame().await {
            told.frames.fetch_add(1, Ordering::Relaxed);
            let Some(codec) = codec_of(frame.codec) else { continue };
            if let Some((width, height)) = bitstream::size(codec, &frame.payload).filter(|_| frame.is_key) {
                told.size.store(width << 16 | (height & 0xFFFF), Ordering::Relaxed);
            }
            if let Some(tape) = &tape {
                tape.video(codec, frame.payload.clone(), frame.timestamp.0, frame.is_key, frame.render_at.into());
            }
            if let Some(decoder) = &decoder {
                hand_over(decoder, frame, &told);
                if told.lost.swap(false, Ordering::Relaxed) {
                    receiver.request_key_frame();
                }
            }
        }
    });
    seen
}

fn hand_over(decoder: &SyncSender<ReceivedFrame>, frame: ReceivedFrame, seen: &Seen) {
    if let Err(TrySendError::Full(_)) = decoder.try_send(frame) {
        // What follows cannot be decoded without it.
        seen.broken.fetch_add(1, Ordering::Relaxed);
        seen.lost.store(true, Ordering::Relaxed);
    }
}

fn decode_on_thread(seen: &Arc<Seen>) -> SyncSender<ReceivedFrame> {
    let (outlet, frames) = sync_channel(QUEUE);
    let seen = seen.clone();
    std::thread::spawn(move || {
        if let Err(error) = decode(&frames, &seen) {
            tracing::warn!(%error, "pictures are not looked at any more");
        }
    });
    outlet
}

fn decode(frames: &Receiver<ReceivedFrame>, seen: &Seen) -> Result<(), peerage_codecs::error::Error> {
    let (mut decoder, mut picture, start) = (None, Picture::default(), Instant::now());
    for frame in frames {
        let Some(codec) = codec_of(frame.codec) else { continue };
        if decoder.as_ref().is_none_or(|(known, _)| *known != codec) {
            decoder = Some((codec, Decoder::new(codec)?));
        }
        let Some((_, decoder)) = &mut decoder else { continue };
        match decoder.decode(&frame.payload, start.elapsed(), &mut picture) {
            Ok(true) => {
                seen.decoded.fetch_add(1, Ordering::Relaxed);
                seen.recognised.fetch_add(u64::from(pattern::read(&picture).is_some()), Ordering::Relaxed);
            }
            Ok(false) => {}
            Err(error) => {
                tracing::debug!(%error, "a frame does not decode");
                seen.broken.fetch_add(1, Ordering::Relaxed);
                seen.lost.store(true, Ordering::Relaxed);
            }
        }
    }
    Ok(())
}

/// The codec of a frame, if it is one that is known here.
fn codec_of(codec: Codec) -> Option<VideoCodec> {
    match codec {
        Codec::Vp8 => Some(VideoCodec::Vp8),
        Codec::Vp9 => Some(VideoCodec::Vp9),
        Codec::H264 => Some(VideoCodec::H264),
        Codec::Av1 => Some(VideoCodec::Av1),
        _ => None,
    }
}
