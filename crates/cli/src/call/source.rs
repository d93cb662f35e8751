//! Cameras, microphones, test signals and files, each on a thread of its own.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use peerage_codecs::audio::Channels;
use peerage_codecs::encoded::VideoCodec;
use peerage_codecs::error::{Error, Misuse};
use peerage_codecs::pattern::{self, Number};
use peerage_codecs::picture::Picture;
use peerage_codecs::scale::scale;
use peerage_codecs::source::audio::{AudioFile, Content as AudioContent};
use peerage_codecs::source::video::{Content as VideoContent, VideoFile};
use peerage_codecs::tone::Tone;
use tokio::time::Instant;

use super::args::{AudioChoice, SentArgs, VideoChoice};
use super::feed::{Feed, Pool};
use crate::ending::{Ending, Kind, Outcome};
use crate::report::Report;

/// Of what is not a file.
const SIZE: (u32, u32) = (640, 360);
/// How often a source that waits looks whether it is to end.
const LOOK: Duration = Duration::from_millis(200);
/// Samples of each channel in 20 ms.
pub const FRAME: usize = 960;

/// What is sent as pictures.
#[derive(Clone, Debug)]
pub enum Video {
    /// Nothing.
    None,
    /// A file of this codec, as it is.
    File(PathBuf, VideoCodec),
    /// Pictures, to be encoded.
    Pictures(Arc<Feed<Picture>>),
}

/// What is sent as sound.
#[derive(Clone, Debug)]
pub enum Audio {
    /// Nothing.
    None,
    /// A file of Opus, as it is.
    File(PathBuf),
    /// Frames of 20 ms, to be encoded.
    Samples(Arc<Feed<Vec<i16>>>, Channels),
}

/// Everything that is sent, and how.
#[derive(Clone, Debug)]
pub struct Sources {
    /// Pictures.
    pub video: Video,
    /// Sound.
    pub audio: Audio,
    /// What pictures are encoded as.
    pub codec: VideoCodec,
    /// Pictures a second that are expected.
    pub fps: u32,
    /// Of video, in bits a second.
    pub max_bitrate: Option<u64>,
    /// Whether files begin again at their end.
    pub repeat: bool,
    control: Control,
}

/// What the threads of sources hear and say.
#[derive(Clone, Debug)]
struct Control {
    /// They end when it is set.
    stop: Arc<AtomicBool>,
    notes: Notes,
}

/// Lines for a person, from threads.
pub type Notes = tokio::sync::mpsc::UnboundedSender<String>;

impl Sources {
    /// Opens everything, so that what is missing is told before anybody is called.
    pub fn open(args: &SentArgs, notes: &Notes, report: &Report) -> Outcome<Self> {
        let control = Control { stop: Arc::new(AtomicBool::new(false)), notes: notes.clone() };
        let video = match (&args.video, args.test) {
            (_, true) => VideoChoice::Pattern,
            (Some(choice), false) => choice.clone(),
            (None, false) => default_camera(report),
        };
        let audio = match (&args.audio, args.test) {
            (_, true) => AudioChoice::Tone,
            (Some(choice), false) => choice.clone(),
            (None, false) => default_microphone(report),
        };
        let video = open_video(&video, args, &control).map_err(|error| ending(&error))?;
        let audio = open_audio(&audio, !args.once, &control).map_err(|error| ending(&error))?;
        let codec = match video {
            Video::File(_, codec) => codec,
            _ => args.video_codec,
        };
        Ok(Self { video, audio, codec, fps: args.fps, max_bitrate: args.max_bitrate, repeat: !args.once, control })
    }
}

/// Ends the threads of the sources when it goes.
#[derive(Debug)]
pub struct Stopper(Arc<AtomicBool>);

impl Stopper {
    /// For these sources.
    pub fn of(sources: &Sources) -> Self {
        Self(sources.control.stop.clone())
    }
}

impl Drop for Stopper {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What an error of a source or a sink means for the run: what was named wrongly is usage, what does not work is local.
pub fn ending(error: &Error) -> Ending {
    let kind = match error {
        Error::Misuse(_) => Kind::Usage,
        _ => Kind::Disk,
    };
    Ending::new(kind, error.to_string())
}

#[cfg(feature = "devices")]
fn default_camera(report: &Report) -> VideoChoice {
    if peerage_codecs::device::camera::names().is_empty() {
        report.note("No camera here: sending no pictures (--video FILE or --video pattern would)");
        return VideoChoice::None;
    }
    VideoChoice::Camera(None)
}

#[cfg(feature = "devices")]
fn default_microphone(report: &Report) -> AudioChoice {
    use peerage_codecs::device::sound::{Direction, names};
    if names(Direction::Input).is_empty() {
        report.note("No microphone here: sending no sound (--audio FILE or --audio tone would)");
        return AudioChoice::None;
    }
    AudioChoice::Mic(None)
}

#[cfg(not(feature = "devices"))]
fn default_camera(report: &Report) -> VideoChoice {
    report.note("Built without cameras: sending no pictures (--video FILE or --video pattern would)");
    VideoChoice::None
}

#[cfg(not(feature = "devices"))]
fn default_microphone(report: &Report) -> AudioChoice {
    report.note("Built without microphones: sending no sound (--audio FILE or --audio tone would)");
    AudioChoice::None
}

fn open_video(choice: &VideoChoice, args: &SentArgs, control: &Control) -> Result<Video, Error> {
    let feed = Arc::new(Feed::default());
    let size = args.size.unwrap_or(SIZE);
    match choice {
        VideoChoice::None => return Ok(Video::None),
        VideoChoice::Pattern => {
            // Refused here if it is too small for what the picture says.
            pattern::draw(Number { frame: 0, made: Duration::ZERO }, &mut Picture::new(size.0, size.1)?)?;
            run(&feed, control, {
                let fps = args.fps;
                move |feed, stop| draw(feed, stop, size, fps)
            });
        }
        VideoChoice::Camera(name) => open_camera(name.clone(), size, args.fps, &feed, control)?,
        VideoChoice::File(path) => {
            let file = VideoFile::open(path, !args.once)?;
            let (width, height) = match file.content() {
                VideoContent::Encoded(codec) => return Ok(Video::File(path.clone(), codec)),
                VideoContent::Pictures { size, .. } => size,
            };
            let size = args.size.unwrap_or((width & !1, height & !1));
            run(&feed, control, move |feed, stop| {
                wait(feed, stop);
                play(file, feed, stop, size)
            });
        }
    }
    Ok(Video::Pictures(feed))
}

fn open_audio(choice: &AudioChoice, repeat: bool, control: &Control) -> Result<Audio, Error> {
    let feed = Arc::new(Feed::default());
    match choice {
        AudioChoice::None => return Ok(Audio::None),
        AudioChoice::Tone => {
            let mut tone = Tone::default();
            run(&feed, control, move |feed, stop| {
                speak(feed, stop, Channels::Mono, |frame| {
                    tone.fill(Channels::Mono, frame);
                    Ok(true)
                })
            });
        }
        AudioChoice::Mic(name) => open_microphone(name.clone(), &feed, control)?,
        AudioChoice::File(path) => {
            let mut file = AudioFile::open(path, repeat)?;
            let AudioContent::Samples(channels) = file.content() else { return Ok(Audio::File(path.clone())) };
            run(&feed, control, move |feed, stop| {
                wait(feed, stop);
                speak(feed, stop, channels, |frame| file.next_samples(frame))
            });
            return Ok(Audio::Samples(feed, channels));
        }
    }
    Ok(Audio::Samples(feed, Channels::Mono))
}

/// Runs a source on a thread of its own; however it ends, the feed ends with it.
fn run<T: Send + Sync + 'static>(
    feed: &Arc<Feed<T>>,
    control: &Control,
    source: impl FnOnce(&Feed<T>, &AtomicBool) -> Result<(), Error> + Send + 'static,
) {
    let (feed, control) = (feed.clone(), control.clone());
    std::thread::spawn(move || {
        if let Err(error) = source(&feed, &control.stop) {
            let _ = control.notes.send(format!("No longer sent: {error}"));
        }
        feed.end();
    });
}

/// Draws a picture of a size, and shares it.
fn publish(
    feed: &Feed<Picture>,
    pool: &mut Pool<Picture>,
    size: (u32, u32),
    draw: impl FnOnce(&mut Picture) -> Result<(), Misuse>,
) -> Result<(), Misuse> {
    let picture = pool.fill(|picture: &mut Picture| {
        picture.reshape(size.0, size.1)?;
        draw(picture)
    })?;
    feed.publish(&picture);
    Ok(())
}

/// The test picture, so many times a second.
fn draw(feed: &Feed<Picture>, stop: &AtomicBool, size: (u32, u32), fps: u32) -> Result<(), Error> {
    let (mut pool, start) = (Pool::new(), Instant::now());
    for frame in 0u32.. {
        pace(start, Duration::from_secs(1) * frame / fps);
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let number = Number { frame, made: start.elapsed() };
        publish(feed, &mut pool, size, |picture| pattern::draw(number, picture))?;
    }
    Ok(())
}

/// A file of pictures, at its own pace.
fn play(mut file: VideoFile, feed: &Feed<Picture>, stop: &AtomicBool, size: (u32, u32)) -> Result<(), Error> {
    let (mut pool, mut read, start) = (Pool::new(), Picture::default(), Instant::now());
    while file.next_picture(&mut read)?.is_some() && !stop.load(Ordering::Relaxed) {
        pace(start, read.timestamp);
        publish(feed, &mut pool, size, |picture| scale(&read, picture))?;
    }
    Ok(())
}

/// Frames of 20 ms, at the pace at which they sound, until there are no more.
fn speak(
    feed: &Feed<Vec<i16>>,
    stop: &AtomicBool,
    channels: Channels,
    mut next: impl FnMut(&mut [i16]) -> Result<bool, Error>,
) -> Result<(), Error> {
    let (mut pool, start) = (Pool::new(), Instant::now());
    for index in 0u32.. {
        pace(start, Duration::from_millis(20) * index);
        let mut more = true;
        let frame = pool.fill(|frame: &mut Vec<i16>| {
            frame.resize(FRAME * channels.count(), 0);
            next(frame).map(|some| more = some)
        })?;
        if !more || stop.load(Ordering::Relaxed) {
            break;
        }
        feed.publish(&frame);
    }
    Ok(())
}

/// Waits for the first participant: a file that is sent once is not to be over before anybody came.
fn wait<T>(feed: &Feed<T>, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) && !feed.wait(LOOK) {}
}

/// Waits until `since` the start.
fn pace(start: Instant, since: Duration) {
    std::thread::sleep((start + since).saturating_duration_since(Instant::now()));
}

/// Opens what cannot leave its thread, and tells how that went.
#[cfg(feature = "devices")]
fn run_device<T: Send + Sync + 'static, D: 'static>(
    feed: &Arc<Feed<T>>,
    control: &Control,
    open: impl FnOnce() -> Result<D, Error> + Send + 'static,
    work: impl FnOnce(D, &Feed<T>, &AtomicBool) -> Result<(), Error> + Send + 'static,
) -> Result<(), Error> {
    let (opened, outcome) = std::sync::mpsc::channel();
    run(feed, control, move |feed, stop| match open() {
        Ok(device) => {
            let _ = opened.send(Ok(()));
            work(device, feed, stop)
        }
        Err(error) => {
            let _ = opened.send(Err(error));
            Ok(())
        }
    });
    outcome.recv().unwrap_or_else(|_| Err(std::io::Error::other("a device failed while it was opened").into()))
}

#[cfg(feature = "devices")]
fn open_camera(
    name: Option<String>,
    size: (u32, u32),
    fps: u32,
    feed: &Arc<Feed<Picture>>,
    control: &Control,
) -> Result<(), Error> {
    use peerage_codecs::device::camera::Camera;
    let open = move || Camera::open(name.as_deref(), size.0, size.1, fps);
    run_device(feed, control, open, move |mut camera, feed, stop| {
        let (mut pool, mut read, start) = (Pool::new(), Picture::default(), Instant::now());
        while !stop.load(Ordering::Relaxed) {
            camera.read(&mut read)?;
            read.timestamp = start.elapsed();
            publish(feed, &mut pool, size, |picture| scale(&read, picture))?;
        }
        Ok(())
    })
}

#[cfg(feature = "devices")]
fn open_microphone(name: Option<String>, feed: &Arc<Feed<Vec<i16>>>, control: &Control) -> Result<(), Error> {
    use peerage_codecs::device::microphone::Microphone;
    let open = move || Microphone::open(name.as_deref(), Channels::Mono);
    run_device(feed, control, open, |mut microphone, feed, stop| {
        let mut pool = Pool::new();
        while !stop.load(Ordering::Relaxed) {
            let mut some = false;
            let frame = pool.fill(|frame: &mut Vec<i16>| {
                frame.resize(FRAME, 0);
                microphone.read(frame, Duration::from_millis(100)).map(|read| some = read)
            })?;
            if some {
                feed.publish(&frame);
            }
        }
        Ok(())
    })
}

#[cfg(not(feature = "devices"))]
fn open_camera(_: Option<String>, _: (u32, u32), _: u32, _: &Arc<Feed<Picture>>, _: &Control) -> Result<(), Error> {
    Err(without("a camera", "--video FILE or --video pattern"))
}

#[cfg(not(feature = "devices"))]
fn open_microphone(_: Option<String>, _: &Arc<Feed<Vec<i16>>>, _: &Control) -> Result<(), Error> {
    Err(without("a microphone", "--audio FILE or --audio tone"))
}

/// What was asked for is not in this program.
#[cfg(not(feature = "devices"))]
pub fn without(what: &str, instead: &str) -> Error {
    std::io::Error::other(format!("this program was built without devices and cannot open {what}: use {instead}"))
        .into()
}
