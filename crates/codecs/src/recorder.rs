//! Writes what is said and seen into a file, as it was coded.

use std::collections::VecDeque;
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::time::Duration;

use crate::audio::Channels;
use crate::encoded::{EncodedAudio, EncodedVideo, VideoCodec};
use crate::error::{Error, Misuse};
use crate::file::matroska::tracks::{AudioTrack, VideoTrack};
use crate::file::matroska::writer::{Kind, Writer as MatroskaWriter};
use crate::file::{ivf, ogg};

/// Writes one file: `.ogg` or `.opus` gets the sound, `.ivf` the video, `.webm` and `.mkv` both.
///
/// A file with video begins with its first key frame; sound waits for that for up to a minute. Writing blocks.
#[derive(Debug)]
pub struct Recorder {
    target: Target,
    /// The timestamp that is the file's beginning.
    zero: Option<Duration>,
    audio: Option<Channels>,
    video: Option<VideoCodec>,
    /// Packets that came before the first key frame.
    waiting: VecDeque<EncodedAudio>,
    written: Summary,
}

/// What a file got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// Frames of the video.
    pub frames: u64,
    /// Packets of the sound.
    pub packets: u64,
    /// Frames and packets that came before the first key frame and were left out.
    pub left_out: u64,
}

#[derive(Debug)]
enum Target {
    Ogg(ogg::Writer<BufWriter<File>>),
    IvfToBegin(BufWriter<File>),
    Ivf(ivf::Writer<BufWriter<File>>),
    MatroskaToBegin(BufWriter<File>, Kind),
    Matroska(MatroskaWriter<BufWriter<File>>),
    /// Between two of the above.
    None,
}

/// How many packets wait for the first key frame: a minute of 20 ms each.
const MOST_WAITING: usize = 3_000;
/// What encoders of Opus put before the sound, where it is not known better (RFC 7845 §4.2).
const PRE_SKIP: u16 = 312;

impl Recorder {
    /// Makes the file, over one that is there. `audio` and `video` say what will come.
    ///
    /// # Errors
    ///
    /// An ending that is not known, a file that would stay empty, H.264 in WebM, and what the system says.
    pub fn create(path: &Path, audio: Option<Channels>, video: Option<VideoCodec>) -> Result<Self, Error> {
        let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        let (audio, video) = match ending.as_str() {
            "ogg" | "opus" => (audio, None),
            "ivf" => (None, video),
            "webm" | "mkv" => (audio, video),
            _ => {
                let text =
                    format!("{}: a recording ends in .webm or .mkv, .ogg (sound), or .ivf (video)", path.display());
                return Err(Misuse::new(text).into());
            }
        };
        if audio.is_none() && video.is_none() {
            return Err(Misuse::new(format!("{}: there is nothing that this file could hold", path.display())).into());
        }
        if ending == "webm" && video == Some(VideoCodec::H264) {
            return Err(Misuse::new(format!("{}: WebM does not carry H264; record to .mkv", path.display())).into());
        }
        let file = BufWriter::new(File::create(path).map_err(Error::file(path))?);
        let target = match (ending.as_str(), audio) {
            ("ogg" | "opus", Some(channels)) => Target::Ogg(ogg::Writer::new(file, SERIAL, channels, PRE_SKIP)?),
            ("ivf", _) => Target::IvfToBegin(file),
            ("webm", _) => Target::MatroskaToBegin(file, Kind::WebM),
            _ => Target::MatroskaToBegin(file, Kind::Matroska),
        };
        Ok(Self { target, zero: None, audio, video, waiting: VecDeque::new(), written: Summary::default() })
    }

    /// Takes a frame of the video. A file for sound alone takes none of it.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn video(&mut self, frame: &EncodedVideo) -> Result<(), Error> {
        let Some(codec) = self.video else { return Ok(()) };
        if matches!(self.target, Target::IvfToBegin(_) | Target::MatroskaToBegin(..)) {
            let track = Some(frame).filter(|frame| frame.key).and_then(|frame| VideoTrack::of(codec, &frame.data));
            let Some(track) = track else {
                self.written.left_out += 1;
                return Ok(());
            };
            let first_heard = self.waiting.front().map(|packet| packet.timestamp);
            self.zero = Some(first_heard.map_or(frame.timestamp, |heard| heard.min(frame.timestamp)));
            self.begin(Some(&track))?;
        }
        let frame = EncodedVideo { timestamp: self.since_begin(frame.timestamp), ..frame.clone() };
        match &mut self.target {
            Target::Ivf(writer) => writer.write(&frame)?,
            Target::Matroska(writer) => writer.write_video(&frame)?,
            _ => return Ok(()),
        }
        self.written.frames += 1;
        Ok(())
    }

    /// Takes a packet of the sound. A file for video alone takes none of it.
    ///
    /// # Errors
    ///
    /// What is no packet of Opus, and what the system says.
    pub fn audio(&mut self, packet: &EncodedAudio) -> Result<(), Error> {
        if self.audio.is_none() {
            return Ok(());
        }
        if matches!(self.target, Target::MatroskaToBegin(..)) {
            if self.video.is_some() && self.waiting.len() < MOST_WAITING {
                self.waiting.push_back(packet.clone());
                return Ok(());
            }
            // The video does not come, or is not to come.
            self.video = None;
            self.zero = Some(self.waiting.front().unwrap_or(packet).timestamp);
            self.begin(None)?;
        }
        self.zero.get_or_insert(packet.timestamp);
        self.put(packet)
    }

    /// Ends the file, which then has its lengths and its index.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn finish(mut self) -> Result<Summary, Error> {
        if matches!(self.target, Target::MatroskaToBegin(..)) && self.audio.is_some() {
            self.zero = self.waiting.front().map(|packet| packet.timestamp);
            self.begin(None)?;
        }
        match self.target {
            Target::Ogg(writer) => drop(writer.finish()?),
            Target::Ivf(writer) => drop(writer.finish()?),
            Target::Matroska(writer) => drop(writer.finish()?),
            // Without a key frame there is no video to be held.
            Target::IvfToBegin(_) | Target::MatroskaToBegin(..) | Target::None => {}
        }
        Ok(self.written)
    }

    /// Writes the beginning, and the sound that waited for it.
    fn begin(&mut self, video: Option<&VideoTrack>) -> Result<(), Error> {
        self.target = match std::mem::replace(&mut self.target, Target::None) {
            Target::IvfToBegin(file) => match video {
                Some(track) => {
                    let side = |side: u32| u16::try_from(side).unwrap_or(u16::MAX);
                    Target::Ivf(ivf::Writer::new(file, track.codec, side(track.size.0), side(track.size.1))?)
                }
                None => Target::IvfToBegin(file),
            },
            Target::MatroskaToBegin(file, kind) => {
                let audio = self.audio.map(|channels| AudioTrack { channels, pre_skip: PRE_SKIP });
                Target::Matroska(MatroskaWriter::new(file, kind, video, audio)?)
            }
            other => other,
        };
        while let Some(packet) = self.waiting.pop_front() {
            self.put(&packet)?;
        }
        Ok(())
    }

    fn put(&mut self, packet: &EncodedAudio) -> Result<(), Error> {
        let packet = EncodedAudio { timestamp: self.since_begin(packet.timestamp), ..packet.clone() };
        match &mut self.target {
            Target::Ogg(writer) => writer.write(&packet)?,
            Target::Matroska(writer) => writer.write_audio(&packet)?,
            _ => return Ok(()),
        }
        self.written.packets += 1;
        Ok(())
    }

    fn since_begin(&self, timestamp: Duration) -> Duration {
        timestamp.saturating_sub(self.zero.unwrap_or_default())
    }
}

/// Ogg tells the streams of a file apart by it; there is only one.
const SERIAL: u32 = 1;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::matroska::reader::{Item, Reader};

    const KEY: &[u8] = &[0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01, 7, 7];

    fn frame(millis: u64, key: bool) -> EncodedVideo {
        let data = if key { KEY.to_vec() } else { vec![0x11, 0, 0, 1] };
        EncodedVideo { data, timestamp: Duration::from_millis(millis), key, ..EncodedVideo::default() }
    }

    fn packet(millis: u64) -> EncodedAudio {
        let duration = Duration::from_millis(20);
        EncodedAudio { data: vec![31 << 3, 1], timestamp: Duration::from_millis(millis), duration }
    }

    fn items(path: &Path) -> Vec<(char, u128)> {
        let mut reader = Reader::new(File::open(path).unwrap()).unwrap();
        let items = std::iter::from_fn(|| reader.next_item().unwrap());
        let told = items.map(|item| match item {
            Item::Video(frame) => ('v', frame.timestamp.as_millis()),
            Item::Audio(packet) => ('a', packet.timestamp.as_millis()),
        });
        told.collect()
    }

    #[test]
    fn sound_waits_for_the_first_key_frame_and_keeps_its_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("both.WebM");
        let mut recorder = Recorder::create(&path, Some(Channels::Mono), Some(VideoCodec::Vp8)).unwrap();
        recorder.video(&frame(1_000, false)).unwrap();
        recorder.audio(&packet(1_000)).unwrap();
        recorder.audio(&packet(1_020)).unwrap();
        recorder.video(&frame(1_033, true)).unwrap();
        recorder.video(&frame(1_066, false)).unwrap();
        recorder.audio(&packet(1_040)).unwrap();
        let summary = recorder.finish().unwrap();
        assert_eq!((summary.frames, summary.packets, summary.left_out), (2, 3, 1));
        assert_eq!(items(&path), [('a', 0), ('a', 20), ('v', 33), ('v', 66), ('a', 40)]);
    }

    #[test]
    fn without_video_the_sound_is_kept_and_memory_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("late.mkv");
        let mut recorder = Recorder::create(&path, Some(Channels::Mono), Some(VideoCodec::H264)).unwrap();
        for index in 0..3_100 {
            recorder.audio(&packet(20 * index)).unwrap();
            assert!(recorder.waiting.len() <= MOST_WAITING);
        }
        recorder.video(&frame(70_000, true)).unwrap();
        assert_eq!(recorder.finish().unwrap().packets, 3_100);
        assert_eq!(items(&path).len(), 3_100);
        // And a call that ends at once leaves a file that can be read.
        let mut recorder = Recorder::create(&path, Some(Channels::Mono), Some(VideoCodec::Vp8)).unwrap();
        recorder.audio(&packet(5)).unwrap();
        recorder.finish().unwrap();
        assert_eq!(items(&path), [('a', 0)]);
    }

    #[test]
    fn each_ending_takes_what_it_holds_and_others_are_refused_with_advice() {
        let folder = tempfile::tempdir().unwrap();
        for (name, frames, packets) in [("a.ogg", 0, 1), ("a.opus", 0, 1), ("a.ivf", 1, 0), ("a.mkv", 1, 1)] {
            let path = folder.path().join(name);
            let mut recorder = Recorder::create(&path, Some(Channels::Mono), Some(VideoCodec::Vp8)).unwrap();
            recorder.video(&frame(0, true)).unwrap();
            recorder.audio(&packet(0)).unwrap();
            let summary = recorder.finish().unwrap();
            assert_eq!((summary.frames, summary.packets), (frames, packets), "{name}");
        }
        let refused = |name: &str, audio, video| {
            Recorder::create(&folder.path().join(name), audio, video).unwrap_err().to_string()
        };
        assert!(refused("a.mp4", Some(Channels::Mono), None).contains(".webm or .mkv"));
        assert!(refused("a.webm", None, Some(VideoCodec::H264)).contains("record to .mkv"));
        assert!(refused("a.ogg", None, Some(VideoCodec::Vp8)).contains("nothing"));
        assert!(refused("no/such/folder/a.ogg", Some(Channels::Mono), None).contains("no/such/folder/a.ogg"));
    }
}
