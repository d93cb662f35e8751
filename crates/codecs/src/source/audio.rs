//! Sound from a file.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Format, open, wrong_kind};
use crate::audio::Channels;
use crate::encoded::EncodedAudio;
use crate::error::Error;
use crate::file::matroska::reader::{Item, Reader as MatroskaReader};
use crate::file::{ogg, wav};
use crate::resample::Framer;

/// A file with sound.
#[derive(Debug)]
pub struct AudioFile {
    path: PathBuf,
    repeat: bool,
    sound: Sound,
    /// What the timestamps of this round begin with.
    offset: Duration,
    /// Whether this round has given anything.
    some: bool,
    /// Makes frames of what a WAV file has.
    framer: Framer,
    read: Vec<i16>,
    ended: bool,
}

#[derive(Debug)]
enum Sound {
    Ogg(ogg::Reader<BufReader<File>>),
    Matroska(MatroskaReader<BufReader<File>>),
    Wav(wav::Reader<BufReader<File>>),
}

/// What a file has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Packets of Opus that can be sent as they are: [`AudioFile::next_packet`].
    Opus(Channels),
    /// Samples to be encoded, which come at 48 kHz and with so many channels: [`AudioFile::next_samples`].
    Samples(Channels),
}

/// Samples that are read at once.
const CHUNK: usize = 4_800;

impl AudioFile {
    /// Opens a file of Ogg Opus, WebM, Matroska or WAV; with `repeat` it has no end.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, or has no sound of a known codec.
    pub fn open(path: &Path, repeat: bool) -> Result<Self, Error> {
        let sound = sound(path)?;
        let framer = match &sound {
            Sound::Wav(reader) => Framer::new(reader.rate(), reader.channels(), of_count(reader.channels()))?,
            // Never used: packets need no frames.
            _ => Framer::new(crate::audio::RATE, 1, Channels::Mono)?,
        };
        let (path, offset, read) = (path.to_owned(), Duration::ZERO, vec![]);
        Ok(Self { path, repeat, sound, offset, some: false, framer, read, ended: false })
    }

    /// The next packet; timestamps go on from round to round. `None` at the end, and for a file of samples.
    ///
    /// # Errors
    ///
    /// A file that is damaged; what came before is good.
    pub fn next_packet(&mut self) -> Result<Option<EncodedAudio>, Error> {
        let mut end = self.offset;
        loop {
            let packet = match &mut self.sound {
                Sound::Ogg(reader) => reader.next_packet()?,
                Sound::Matroska(reader) => next_audio(reader)?,
                Sound::Wav(_) => return Ok(None),
            };
            if let Some(mut packet) = packet {
                // Packets lie end to end, whatever times a file has: that is how they are to be sent.
                packet.timestamp = end;
                end += packet.duration;
                (self.offset, self.some) = (end, true);
                return Ok(Some(packet));
            }
            if !self.begin_again()? {
                return Ok(None);
            }
        }
    }

    /// Fills a frame of samples; the last one is filled up with silence. `false` at the end, and for a file of packets.
    ///
    /// # Errors
    ///
    /// A file that is damaged; what came before is good.
    pub fn next_samples(&mut self, frame: &mut [i16]) -> Result<bool, Error> {
        loop {
            if self.framer.pull(frame) {
                return Ok(true);
            }
            if self.ended {
                return Ok(self.framer.pull_last(frame));
            }
            let Sound::Wav(reader) = &mut self.sound else { return Ok(false) };
            self.read.clear();
            // Whole frames of all channels, or the last of them would end up on the wrong side.
            let most = CHUNK / reader.channels() * reader.channels();
            if reader.read(most, &mut self.read)? > 0 {
                self.some = true;
                self.framer.push(&self.read);
            } else if !self.begin_again()? {
                self.framer.finish();
                self.ended = true;
            }
        }
    }

    /// What it has.
    pub fn content(&self) -> Content {
        match &self.sound {
            Sound::Ogg(reader) => Content::Opus(reader.channels()),
            Sound::Matroska(reader) => Content::Opus(reader.audio().map_or(Channels::Mono, |track| track.channels)),
            Sound::Wav(reader) => Content::Samples(of_count(reader.channels())),
        }
    }

    /// Begins the next round, unless there is none or the last one was empty.
    fn begin_again(&mut self) -> Result<bool, Error> {
        if !self.repeat || !self.some {
            return Ok(false);
        }
        self.sound = sound(&self.path)?;
        self.some = false;
        Ok(true)
    }
}

fn of_count(channels: usize) -> Channels {
    if channels == 1 { Channels::Mono } else { Channels::Stereo }
}

fn next_audio(reader: &mut MatroskaReader<BufReader<File>>) -> Result<Option<EncodedAudio>, Error> {
    while let Some(item) = reader.next_item()? {
        if let Item::Audio(packet) = item {
            return Ok(Some(packet));
        }
    }
    Ok(None)
}

fn sound(path: &Path) -> Result<Sound, Error> {
    let (file, format) = open(path)?;
    Ok(match format {
        Format::Ogg => Sound::Ogg(ogg::Reader::new(file)?),
        Format::Wav => Sound::Wav(wav::Reader::new(file)?),
        Format::Matroska => {
            let reader = MatroskaReader::new(file)?;
            if reader.audio().is_none() {
                return Err(wrong_kind(path, "video", "sound that is Opus"));
            }
            Sound::Matroska(reader)
        }
        Format::Ivf | Format::Y4m => return Err(wrong_kind(path, "video", "sound")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tone::{Tone, frequency};

    #[test]
    fn packets_lie_end_to_end_from_round_to_round() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("talk.ogg");
        let mut writer = ogg::Writer::new(File::create(&path).unwrap(), 1, Channels::Mono, 312).unwrap();
        for index in 0..3 {
            let packet = EncodedAudio { data: vec![31 << 3, index], ..EncodedAudio::default() };
            writer.write(&packet).unwrap();
        }
        writer.finish().unwrap();
        let mut file = AudioFile::open(&path, true).unwrap();
        assert_eq!(file.content(), Content::Opus(Channels::Mono));
        for index in 0..8u8 {
            let packet = file.next_packet().unwrap().unwrap();
            assert_eq!((packet.data[1], packet.timestamp.as_millis()), (index % 3, u128::from(index) * 20));
        }
        let mut once = AudioFile::open(&path, false).unwrap();
        assert_eq!(std::iter::from_fn(|| once.next_packet().unwrap()).count(), 3);
        assert!(!once.next_samples(&mut [0; 960]).unwrap());
    }

    #[test]
    fn samples_come_in_frames_and_repeat_without_a_gap() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tone.wav");
        // Ten periods: round after round without a step.
        let mut samples = vec![0; 2 * 960];
        Tone::new(500.0, 0.5).fill(Channels::Stereo, &mut samples);
        let mut writer = wav::Writer::new(File::create(&path).unwrap(), Channels::Stereo).unwrap();
        writer.write(&samples).unwrap();
        writer.finish().unwrap();
        let mut file = AudioFile::open(&path, true).unwrap();
        assert_eq!(file.content(), Content::Samples(Channels::Stereo));
        let mut heard = vec![];
        let mut frame = [0; 2 * 480];
        for _ in 0..20 {
            assert!(file.next_samples(&mut frame).unwrap());
            heard.extend(frame.iter().step_by(2));
        }
        assert!((frequency(&heard).unwrap() / 500.0 - 1.0).abs() < 0.005);
        let mut once = AudioFile::open(&path, false).unwrap();
        let mut frame = [0; 2 * 700];
        assert!(once.next_samples(&mut frame).unwrap() && once.next_samples(&mut frame).unwrap());
        assert_eq!(frame[2 * 260..], [0; 2 * 440]);
        assert!(!once.next_samples(&mut frame).unwrap());
    }

    #[test]
    fn what_is_no_sound_is_refused_with_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("clip");
        std::fs::write(&path, b"YUV4MPEG2 W16 H16\n").unwrap();
        assert!(AudioFile::open(&path, false).unwrap_err().to_string().contains("video and no sound"));
    }
}
