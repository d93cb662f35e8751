//! Recordings: a file for each participant, written on a thread of its own.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use peerage_codecs::audio::Channels;
use peerage_codecs::encoded::{EncodedAudio, EncodedVideo, VideoCodec, opus_duration};
use peerage_codecs::error::Error;
use peerage_codecs::recorder::{Recorder, Summary};
use tokio::time::Instant;

use super::source::Notes;

/// What may wait for the disk; more is left out.
const QUEUE: usize = 1_024;
/// How long pictures are waited for before the file is begun without them.
const PATIENCE: Duration = Duration::from_secs(3);
/// Packets of sound that wait for a key frame where there are pictures.
const MOST_WAITING: usize = 500;

/// Where recordings go.
#[derive(Debug)]
pub struct Recordings {
    path: PathBuf,
    notes: Notes,
    threads: Mutex<Vec<JoinHandle<bool>>>,
}

/// The way to one recording.
#[derive(Clone, Debug)]
pub struct Tape(SyncSender<Piece>);

#[derive(Debug)]
enum Piece {
    Video { codec: VideoCodec, data: Bytes, ticks: u32, key: bool, at: Instant },
    Audio { data: Bytes, ticks: u32, at: Instant },
}

impl Recordings {
    /// Recordings beside this path, which gets the first. That it can be written is found out now.
    ///
    /// # Errors
    ///
    /// An ending that is not known, and what the system says.
    pub fn to(path: &Path, notes: Notes) -> Result<Self, Error> {
        let is_video = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("ivf"));
        let kinds = if is_video { (None, Some(VideoCodec::Vp8)) } else { (Some(Channels::Mono), None) };
        Recorder::create(path, kinds.0, kinds.1)?;
        Ok(Self { path: path.to_owned(), notes, threads: Mutex::new(Vec::new()) })
    }

    /// Begins the next recording.
    pub fn begin(&self) -> Tape {
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        let path = numbered(&self.path, threads.len() + 1);
        let (tape, pieces) = sync_channel(QUEUE);
        let notes = self.notes.clone();
        threads.push(std::thread::spawn(move || {
            let outcome = write(&path, &pieces);
            let done = outcome.is_ok();
            let _ = notes.send(match outcome {
                Ok(Some(written)) => format!(
                    "Recorded {} frames and {} packets of sound in {}",
                    written.frames,
                    written.packets,
                    path.display()
                ),
                Ok(None) => format!("Nothing came that {} could hold", path.display()),
                Err(error) => format!("Not recorded any more: {error}"),
            });
            done
        }));
        Tape(tape)
    }

    /// Waits until everything is written; whether it could be. Blocks.
    pub fn finish(&self) -> bool {
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        if threads.is_empty() {
            // Nobody came; what finding out has made is empty.
            let _ = std::fs::remove_file(&self.path);
        }
        threads.into_iter().fold(true, |done, thread| done & thread.join().unwrap_or(false))
    }
}

impl Tape {
    /// A frame; `at` is when it is to be shown.
    pub fn video(&self, codec: VideoCodec, data: Bytes, ticks: u32, key: bool, at: Instant) {
        self.put(Piece::Video { codec, data, ticks, key, at });
    }

    /// A packet of Opus that is played now.
    pub fn audio(&self, data: &[u8], ticks: u32) {
        self.put(Piece::Audio { data: Bytes::copy_from_slice(data), ticks, at: Instant::now() });
    }

    fn put(&self, piece: Piece) {
        if self.0.try_send(piece).is_err() {
            tracing::debug!("the recording misses something: the disk is too slow, or it failed");
        }
    }
}

/// `talk.webm`, `talk-2.webm`, ...
fn numbered(path: &Path, number: usize) -> PathBuf {
    if number == 1 {
        return path.to_owned();
    }
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push(format!("-{number}"));
    if let Some(ending) = path.extension() {
        name.push(".");
        name.push(ending);
    }
    path.with_file_name(name)
}

/// The timestamps of one stream as time since the recording began.
struct Timeline {
    rate: u32,
    last: u32,
    /// Ticks since the first one; later packets may be earlier.
    ticks: i64,
    first: Duration,
}

impl Timeline {
    fn time(this: &mut Option<Self>, rate: u32, ticks: u32, since: Duration) -> Duration {
        let line = this.get_or_insert(Self { rate, last: ticks, ticks: 0, first: since });
        line.ticks += i64::from(ticks.wrapping_sub(line.last) as i32);
        line.last = ticks;
        let nanos = i128::from(line.ticks) * 1_000_000_000 / i128::from(line.rate);
        let since = Duration::from_nanos(u64::try_from(nanos.unsigned_abs()).unwrap_or(u64::MAX));
        if nanos < 0 { line.first.saturating_sub(since) } else { line.first.saturating_add(since) }
    }
}

/// One file: how it begins depends on what comes first.
struct File<'a> {
    path: &'a Path,
    begun: Instant,
    recorder: Option<Recorder>,
    codec: Option<VideoCodec>,
    waiting: VecDeque<EncodedAudio>,
    audio: Option<Timeline>,
    video: Option<Timeline>,
}

fn write(path: &Path, pieces: &Receiver<Piece>) -> Result<Option<Summary>, Error> {
    let (recorder, codec, waiting, audio, video) = (None, None, VecDeque::new(), None, None);
    let mut file = File { path, begun: Instant::now(), recorder, codec, waiting, audio, video };
    for piece in pieces {
        match piece {
            Piece::Video { codec, data, ticks, key, at } => file.video(codec, &data, ticks, key, at)?,
            Piece::Audio { data, ticks, at } => file.audio(&data, ticks, at)?,
        }
    }
    file.finish()
}

impl File<'_> {
    fn video(&mut self, codec: VideoCodec, data: &[u8], ticks: u32, key: bool, at: Instant) -> Result<(), Error> {
        let since = at.saturating_duration_since(self.begun);
        let timestamp = Timeline::time(&mut self.video, 90_000, ticks, since);
        // A file holds one codec; its beginning is a key frame, and there may not be another one.
        if self.recorder.is_none() && key {
            self.begin(Some(codec))?;
        }
        match &mut self.recorder {
            Some(recorder) if self.codec == Some(codec) => {
                recorder.video(&EncodedVideo { data: data.to_vec(), timestamp, key, ..EncodedVideo::default() })
            }
            _ => Ok(()),
        }
    }

    fn audio(&mut self, data: &[u8], ticks: u32, at: Instant) -> Result<(), Error> {
        let Some(duration) = opus_duration(data) else { return Ok(()) };
        let since = at.saturating_duration_since(self.begun);
        let timestamp = Timeline::time(&mut self.audio, 48_000, ticks, since);
        let packet = EncodedAudio { data: data.to_vec(), timestamp, duration };
        if let Some(recorder) = &mut self.recorder {
            return recorder.audio(&packet);
        }
        self.waiting.push_back(packet);
        let pictures_come = self.video.is_some();
        let patient = self.begun.elapsed() < PATIENCE || (pictures_come && self.waiting.len() < MOST_WAITING);
        if self.takes_no_pictures() || !patient { self.begin(None) } else { Ok(()) }
    }

    fn begin(&mut self, codec: Option<VideoCodec>) -> Result<(), Error> {
        // The stereo flag of the first packet (RFC 6716 §3.1). Sound that has not come yet gets a track that holds both.
        let first = self.waiting.front().and_then(|packet| packet.data.first());
        let channels = if first.is_some_and(|toc| toc & 4 == 0) { Channels::Mono } else { Channels::Stereo };
        let mut recorder = Recorder::create(self.path, Some(channels), codec)?;
        for packet in self.waiting.drain(..) {
            recorder.audio(&packet)?;
        }
        (self.recorder, self.codec) = (Some(recorder), codec);
        Ok(())
    }

    fn finish(mut self) -> Result<Option<Summary>, Error> {
        if self.recorder.is_none() && !self.waiting.is_empty() && !self.takes_no_sound() {
            self.begin(None)?;
        }
        self.recorder.map(Recorder::finish).transpose()
    }

    fn ending_is(&self, endings: &[&str]) -> bool {
        let ending = self.path.extension().unwrap_or_default();
        endings.iter().any(|known| ending.eq_ignore_ascii_case(known))
    }

    fn takes_no_sound(&self) -> bool {
        self.ending_is(&["ivf"])
    }

    fn takes_no_pictures(&self) -> bool {
        self.ending_is(&["ogg", "opus"])
    }
}

#[cfg(test)]
mod tests {
    use peerage_codecs::file::matroska::reader::{Item, Reader};

    use super::*;

    const KEY: &[u8] = &[0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01, 7, 7];

    #[test]
    fn the_second_participant_gets_a_file_beside_the_first_one() {
        assert_eq!(numbered(Path::new("a/talk.webm"), 1), Path::new("a/talk.webm"));
        assert_eq!(numbered(Path::new("a/talk.webm"), 3), Path::new("a/talk-3.webm"));
    }

    #[test]
    fn timestamps_wrap_and_may_go_back() {
        let (mut line, first) = (None, Duration::from_secs(1));
        let mut millis = |ticks| Timeline::time(&mut line, 90_000, ticks, first).as_millis();
        assert_eq!([millis(u32::MAX - 89), millis(0), millis(90 * 40), millis(90 * 20)], [1000, 1001, 1041, 1021]);
    }

    #[test]
    fn sound_and_pictures_end_up_in_one_file_however_they_begin() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("talk.webm");
        let (notes, _told) = tokio::sync::mpsc::unbounded_channel();
        let recordings = Recordings::to(&path, notes).unwrap();
        let tape = recordings.begin();
        let now = Instant::now();
        tape.video(VideoCodec::Vp8, Bytes::from_static(&[0x11, 0, 0]), 0, false, now);
        tape.audio(&[31 << 3, 1], 7);
        tape.video(VideoCodec::Vp8, Bytes::from_static(KEY), 3600, true, now);
        tape.audio(&[31 << 3, 1], 967);
        drop(tape);
        assert!(recordings.finish());
        let mut reader = Reader::new(std::fs::File::open(&path).unwrap()).unwrap();
        let items: Vec<_> = std::iter::from_fn(|| reader.next_item().unwrap()).collect();
        assert_eq!(items.iter().filter(|item| matches!(item, Item::Audio(_))).count(), 2);
        assert_eq!(items.iter().filter(|item| matches!(item, Item::Video(_))).count(), 1);
    }

    #[test]
    fn an_ending_that_is_not_known_is_refused_before_the_call() {
        let (notes, _told) = tokio::sync::mpsc::unbounded_channel();
        let refused = Recordings::to(Path::new("/tmp/talk.avi"), notes).unwrap_err();
        assert!(refused.to_string().contains(".webm or .mkv"), "{refused}");
    }
}
