//! What goes to one participant: a thread for pictures and one for sound.

mod audio;
mod video;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use peerage::error::ErrorKind;
use peerage::media::sender::Handed;
use peerage::{Codec, EncodedFrame, RtpSender};
use tokio::runtime::Handle;

use super::source::{Audio, Notes, Sources, Video};

/// How often a thread that waits for something to send looks whether it is wanted at all.
const LOOK: Duration = Duration::from_millis(500);

/// What was sent so far.
#[derive(Debug, Default)]
pub struct Sent {
    /// Pictures.
    pub frames: AtomicU64,
    /// Width and height of the last one that was encoded, 16 bits each; 0 if none was.
    size: AtomicU32,
}

impl Sent {
    /// Width and height of the last picture that was encoded.
    pub fn size(&self) -> Option<(u32, u32)> {
        let size = self.size.load(Ordering::Relaxed);
        (size != 0).then_some((size >> 16, size & 0xFFFF))
    }

    fn set_size(&self, width: u32, height: u32) {
        self.size.store(width << 16 | (height & 0xFFFF), Ordering::Relaxed);
    }
}

/// One way out, from a thread without a runtime.
struct Outlet {
    sender: RtpSender,
    runtime: Handle,
    notes: Notes,
}

/// Why a thread stops sending.
enum Stop {
    /// For now: the other side wants nothing, or another exchange is under way.
    Paused,
    /// For good.
    Ended,
}

impl Outlet {
    /// Waits until something can be sent; `false` if that never will be.
    fn ready(&self) -> bool {
        self.runtime.block_on(self.sender.ready()).is_ok()
    }

    /// Waits for what is to be sent next.
    fn next<T>(&self, from: &Receiver<T>) -> Result<T, Stop> {
        loop {
            match from.recv_timeout(LOOK) {
                Ok(item) => return Ok(item),
                Err(RecvTimeoutError::Timeout) if self.sender.codec().is_some() => {}
                Err(RecvTimeoutError::Timeout) => return Err(Stop::Paused),
                Err(RecvTimeoutError::Disconnected) => return Err(Stop::Ended),
            }
        }
    }

    /// Hands over a frame; whether it was taken.
    fn send(&self, frame: EncodedFrame) -> Result<bool, Stop> {
        match self.sender.try_send_frame(0, frame) {
            Ok(handed) => Ok(handed == Handed::Taken),
            Err(error) if error.kind() == ErrorKind::InvalidState => Err(Stop::Paused),
            // The path carries nothing now; another one may.
            Err(error) if error.kind() == ErrorKind::Network => Ok(false),
            Err(error) => {
                self.note(format!("Not sent any more: {error}"));
                Err(Stop::Ended)
            }
        }
    }

    /// Chooses the format, if the other side takes it.
    fn choose(&self, codec: Codec) -> bool {
        self.sender.codecs().contains(&codec) && self.sender.set_codec(codec).is_ok()
    }

    fn note(&self, text: String) {
        let _ = self.notes.send(text);
    }
}

/// Starts sending pictures, until the connection ends.
pub fn send_video(sources: &Sources, sender: RtpSender, notes: Notes) -> Arc<Sent> {
    let sent = Arc::new(Sent::default());
    sender.set_max_bitrate(sources.max_bitrate);
    let outlet = Outlet { sender, runtime: Handle::current(), notes };
    let told = sent.clone();
    match &sources.video {
        Video::None => {}
        Video::File(path, codec) => {
            let (path, codec, repeat) = (path.clone(), *codec, sources.repeat);
            std::thread::spawn(move || video::send_file(&outlet, &path, codec, repeat, &told));
        }
        Video::Pictures(feed) => {
            let (feed, codec, fps) = (feed.clone(), sources.codec, sources.fps);
            std::thread::spawn(move || video::send_pictures(&outlet, &feed, codec, fps, &told));
        }
    }
    sent
}

/// Starts sending sound, until the connection ends.
pub fn send_audio(sources: &Sources, sender: RtpSender, notes: Notes) {
    let outlet = Outlet { sender, runtime: Handle::current(), notes };
    match &sources.audio {
        Audio::None => {}
        Audio::File(path) => {
            let (path, repeat) = (path.clone(), sources.repeat);
            std::thread::spawn(move || audio::send_file(&outlet, &path, repeat));
        }
        Audio::Samples(feed, channels) => {
            let (feed, channels) = (feed.clone(), *channels);
            std::thread::spawn(move || audio::send_samples(&outlet, &feed, channels));
        }
    }
}
