//! Video from a file.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Format, open, wrong_kind};
use crate::encoded::{EncodedVideo, VideoCodec};
use crate::error::Error;
use crate::file::matroska::reader::{Item, Reader as MatroskaReader};
use crate::file::{ivf, y4m};
use crate::picture::Picture;

/// A file with video.
#[derive(Debug)]
pub struct VideoFile {
    path: PathBuf,
    repeat: bool,
    frames: Frames,
    /// What the timestamps of this round begin with.
    offset: Duration,
    /// The frame after the last one given, which says how long that one lasts.
    ahead: Option<EncodedVideo>,
    /// How long the last frame of a round lasts: as long as the one before.
    usual: Duration,
    /// Whether this round has given anything.
    some: bool,
}

#[derive(Debug)]
enum Frames {
    Ivf(ivf::Reader<BufReader<File>>),
    Matroska(MatroskaReader<BufReader<File>>),
    Y4m(y4m::Reader<BufReader<File>>),
}

/// What a file has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Frames that can be sent as they are: [`VideoFile::next_frame`].
    Encoded(VideoCodec),
    /// Pictures to be encoded, so many a second (a fraction): [`VideoFile::next_picture`].
    Pictures {
        /// Width and height.
        size: (u32, u32),
        /// Pictures in `rate.1` seconds.
        rate: (u32, u32),
    },
}

/// What a frame lasts if nothing is known.
const USUAL: Duration = Duration::from_nanos(33_333_333);

impl VideoFile {
    /// Opens a file of WebM, Matroska, IVF or Y4M; with `repeat` it has no end.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, or has no video of a known codec.
    pub fn open(path: &Path, repeat: bool) -> Result<Self, Error> {
        let frames = frames(path)?;
        let usual = match &frames {
            Frames::Y4m(reader) => Duration::from_secs(1) * reader.rate().1 / reader.rate().0,
            _ => USUAL,
        };
        let path = path.to_owned();
        Ok(Self { path, repeat, frames, offset: Duration::ZERO, ahead: None, usual, some: false })
    }

    /// The next frame and how long it lasts; timestamps go on from round to round, frames before the first key frame are
    /// left out. `None` at the end, and for a file of pictures.
    ///
    /// # Errors
    ///
    /// A file that is damaged; what came before is good.
    pub fn next_frame(&mut self) -> Result<Option<(EncodedVideo, Duration)>, Error> {
        let now = match self.ahead.take() {
            Some(frame) => frame,
            None => match self.read_or_repeat()? {
                Some(frame) => frame,
                None => return Ok(None),
            },
        };
        let next = self.read()?;
        if let Some(lasts) = next.as_ref().and_then(|next| next.timestamp.checked_sub(now.timestamp)) {
            self.usual = lasts;
        }
        if next.is_none() {
            self.offset = now.timestamp + self.usual;
        }
        self.ahead = next;
        Ok(Some((now, self.usual)))
    }

    /// The next picture into `picture`, and how long it lasts. `None` at the end, and for a file of coded frames.
    ///
    /// # Errors
    ///
    /// A file that is damaged; what came before is good.
    pub fn next_picture(&mut self, picture: &mut Picture) -> Result<Option<Duration>, Error> {
        loop {
            let Frames::Y4m(reader) = &mut self.frames else { return Ok(None) };
            if reader.read(picture)? {
                self.some = true;
                picture.timestamp += self.offset;
                return Ok(Some(self.usual));
            }
            self.offset = picture.timestamp + self.usual;
            if !self.begin_again()? {
                return Ok(None);
            }
        }
    }

    /// What it has.
    pub fn content(&self) -> Content {
        match &self.frames {
            Frames::Ivf(reader) => Content::Encoded(reader.codec()),
            Frames::Matroska(reader) => Content::Encoded(reader.video().map_or(VideoCodec::Vp8, |track| track.codec)),
            Frames::Y4m(reader) => Content::Pictures { size: reader.size(), rate: reader.rate() },
        }
    }

    fn read_or_repeat(&mut self) -> Result<Option<EncodedVideo>, Error> {
        let frame = self.read()?;
        if frame.is_some() || !self.begin_again()? {
            return Ok(frame);
        }
        self.read()
    }

    /// The next frame of this round, from its first key frame on.
    fn read(&mut self) -> Result<Option<EncodedVideo>, Error> {
        loop {
            let frame = match &mut self.frames {
                Frames::Ivf(reader) => reader.next_frame()?,
                Frames::Matroska(reader) => next_video(reader)?,
                Frames::Y4m(_) => None,
            };
            let Some(mut frame) = frame else { return Ok(None) };
            if frame.key || self.some {
                self.some = true;
                frame.timestamp = frame.timestamp.saturating_add(self.offset);
                return Ok(Some(frame));
            }
        }
    }

    /// Begins the next round, unless there is none or the last one was empty.
    fn begin_again(&mut self) -> Result<bool, Error> {
        if !self.repeat || !self.some {
            return Ok(false);
        }
        self.frames = frames(&self.path)?;
        self.some = false;
        Ok(true)
    }
}

fn next_video(reader: &mut MatroskaReader<BufReader<File>>) -> Result<Option<EncodedVideo>, Error> {
    while let Some(item) = reader.next_item()? {
        if let Item::Video(frame) = item {
            return Ok(Some(frame));
        }
    }
    Ok(None)
}

fn frames(path: &Path) -> Result<Frames, Error> {
    let (file, format) = open(path)?;
    Ok(match format {
        Format::Ivf => Frames::Ivf(ivf::Reader::new(file)?),
        Format::Y4m => Frames::Y4m(y4m::Reader::new(file)?),
        Format::Matroska => {
            let reader = MatroskaReader::new(file)?;
            if reader.video().is_none() {
                return Err(wrong_kind(path, "sound", "video"));
            }
            Frames::Matroska(reader)
        }
        Format::Ogg | Format::Wav => return Err(wrong_kind(path, "sound", "video")),
    })
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn write(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
        let path = folder.join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn ivf_of(frames: &[(u64, u8)]) -> Vec<u8> {
        let mut writer = ivf::Writer::new(Cursor::new(vec![]), VideoCodec::Vp8, 16, 16).unwrap();
        for &(millis, byte) in frames {
            let timestamp = Duration::from_millis(millis);
            writer.write(&EncodedVideo { data: vec![byte], timestamp, ..EncodedVideo::default() }).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    #[test]
    fn frames_say_how_long_they_last_and_go_on_from_round_to_round() {
        let folder = tempfile::tempdir().unwrap();
        let path = write(folder.path(), "clip", &ivf_of(&[(0, 0x11), (40, 0x10), (80, 0x11), (130, 0x11)]));
        let mut file = VideoFile::open(&path, true).unwrap();
        assert_eq!(file.content(), Content::Encoded(VideoCodec::Vp8));
        let frames = std::iter::from_fn(|| file.next_frame().unwrap());
        let told: Vec<_> =
            frames.take(7).map(|(frame, lasts)| (frame.key, frame.timestamp.as_millis(), lasts.as_millis())).collect();
        let round = |begin: u128| [(true, begin + 40, 40), (false, begin + 80, 50), (false, begin + 130, 50)];
        assert_eq!(told[..6], [round(0), round(180)].concat());
        let mut once = VideoFile::open(&path, false).unwrap();
        assert_eq!(std::iter::from_fn(|| once.next_frame().unwrap()).count(), 3);
    }

    #[test]
    fn a_file_without_frames_ends_even_if_it_is_to_repeat() {
        let folder = tempfile::tempdir().unwrap();
        for frames in [&[][..], &[(0, 0x11), (40, 0x11)]] {
            let path = write(folder.path(), "clip", &ivf_of(frames));
            assert_eq!(VideoFile::open(&path, true).unwrap().next_frame().unwrap(), None);
        }
        let path = write(folder.path(), "pictures", b"YUV4MPEG2 W16 H16\n");
        assert_eq!(VideoFile::open(&path, true).unwrap().next_picture(&mut Picture::default()).unwrap(), None);
    }

    #[test]
    fn pictures_repeat_too() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = y4m::Writer::new(vec![], 16, 16, 25).unwrap();
        for value in [1, 2] {
            let mut picture = Picture::new(16, 16).unwrap();
            picture.fill(value, 0, 0);
            writer.write(&picture).unwrap();
        }
        let path = write(folder.path(), "clip.ivf", &writer.finish().unwrap());
        let mut file = VideoFile::open(&path, true).unwrap();
        assert_eq!(file.content(), Content::Pictures { size: (16, 16), rate: (25, 1) });
        let mut picture = Picture::default();
        for (value, millis) in [(1, 0), (2, 40), (1, 80), (2, 120), (1, 160)] {
            assert_eq!(file.next_picture(&mut picture).unwrap(), Some(Duration::from_millis(40)));
            assert_eq!((picture.as_bytes()[0], picture.timestamp.as_millis()), (value, millis));
        }
    }

    #[test]
    fn what_is_no_video_is_refused_with_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let refused =
            |bytes: &[u8]| VideoFile::open(&write(folder.path(), "clip", bytes), false).unwrap_err().to_string();
        assert!(refused(b"OggS").contains("sound and no video"));
        assert!(refused(b"<html>").contains("none of WebM"));
        assert!(refused(b"").contains("none of WebM"));
        let missing = VideoFile::open(Path::new("/no/such/file"), false).unwrap_err();
        assert!(missing.to_string().starts_with("/no/such/file: "));
    }
}
