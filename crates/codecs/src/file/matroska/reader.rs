//! Reads a file, from front to back and never back.

use std::io::{self, Read};
use std::time::Duration;

use mkv_element::io::blocking_impl::ReadFrom as _;
use mkv_element::prelude::{
    BlockGroup, Cluster, Ebml, Element, Header, Info, Segment, SimpleBlock, Timestamp, TrackEntry, Tracks, VInt64,
};

use super::tracks::{AudioTrack, OPUS, TICK, VideoTrack, codec_of};
use crate::audio::Channels;
use crate::bitstream::h264;
use crate::encoded::{EncodedAudio, EncodedVideo, opus_duration};
use crate::error::{Error, ParseError};
use crate::file::LONGEST_FRAME;

/// Reads the first video of a known codec and the first sound that is Opus; other tracks are left out.
#[derive(Debug)]
pub struct Reader<R> {
    inner: R,
    video: Option<Selected<VideoTrack>>,
    audio: Option<Selected<AudioTrack>>,
    /// Nanoseconds in a tick.
    tick: u64,
    /// The time of the cluster that is being read, in ticks.
    cluster: u64,
    /// The size of the lengths in H.264's frames, and its parameter sets.
    sets: Option<(usize, Vec<u8>)>,
}

#[derive(Debug)]
struct Selected<T> {
    number: u64,
    track: T,
}

/// What a file is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Item {
    /// A frame of the video.
    Video(EncodedVideo),
    /// A packet of the sound.
    Audio(EncodedAudio),
}

/// No element that describes the file is longer.
const LONGEST_DESCRIPTION: u64 = 1 << 20;

impl<R: Read> Reader<R> {
    /// Reads up to the first cluster.
    ///
    /// # Errors
    ///
    /// What is neither WebM nor Matroska, or has neither video nor sound of a known codec.
    pub fn new(inner: R) -> Result<Self, Error> {
        let mut reader = Self { inner, video: None, audio: None, tick: TICK, cluster: 0, sets: None };
        let first = reader.header()?.filter(|header| header.id == Ebml::ID);
        let first = first.ok_or_else(|| refused("it does not begin as one"))?;
        reader.skip(&first)?;
        let mut described = false;
        while let Some(header) = reader.header()? {
            match header.id {
                id if id == Segment::ID => {}
                id if id == Info::ID => {
                    let info: Info = reader.element(&header)?;
                    reader.tick = *info.timestamp_scale;
                }
                id if id == Tracks::ID => {
                    let tracks: Tracks = reader.element(&header)?;
                    tracks.track_entry.into_iter().try_for_each(|entry| reader.select(entry))?;
                    described = true;
                }
                id if id == Cluster::ID => break,
                _ => reader.skip(&header)?,
            }
        }
        if !described {
            return Err(refused("it does not describe its tracks").into());
        }
        if reader.video.is_none() && reader.audio.is_none() {
            return Err(refused("it has neither VP8, VP9, H264 or AV1 nor Opus").into());
        }
        Ok(reader)
    }

    /// The next frame or packet; `None` at the end.
    ///
    /// # Errors
    ///
    /// A file that is cut short or damaged, and frames that are laced (several in a block).
    pub fn next_item(&mut self) -> Result<Option<Item>, Error> {
        while let Some(header) = self.header()? {
            let item = match header.id {
                id if id == Cluster::ID => None,
                id if id == Timestamp::ID => {
                    let time: Timestamp = self.element(&header)?;
                    self.cluster = *time;
                    None
                }
                id if id == SimpleBlock::ID => {
                    let body = self.body(&header, LONGEST_FRAME as u64 + 64)?;
                    self.block(&body, None)?
                }
                id if id == BlockGroup::ID => {
                    let body = self.body(&header, LONGEST_FRAME as u64 + 4096)?;
                    let group = BlockGroup::decode_body(&mut &body[..]).map_err(failure)?;
                    self.block(&group.block, Some(group.reference_block.is_empty()))?
                }
                _ => {
                    self.skip(&header)?;
                    None
                }
            };
            if item.is_some() {
                return Ok(item);
            }
        }
        Ok(None)
    }

    /// The video that is read.
    pub fn video(&self) -> Option<&VideoTrack> {
        self.video.as_ref().map(|selected| &selected.track)
    }

    /// The sound that is read.
    pub fn audio(&self) -> Option<AudioTrack> {
        self.audio.as_ref().map(|selected| selected.track)
    }

    /// Takes a track if it is the first of its kind.
    fn select(&mut self, entry: TrackEntry) -> Result<(), Error> {
        let number = *entry.track_number;
        let private = entry.codec_private.as_ref().map(|bytes| bytes.to_vec());
        if let (Some(codec), Some(video), None) = (codec_of(&entry.codec_id), &entry.video, &self.video) {
            let side = |side: u64| u32::try_from(side).unwrap_or(u32::MAX);
            let size = (side(*video.pixel_width), side(*video.pixel_height));
            if codec == crate::encoded::VideoCodec::H264 {
                let sets = private.as_deref().and_then(h264::read_configuration);
                self.sets = Some(sets.ok_or_else(|| refused("its H264 lacks its parameter sets"))?);
            }
            self.video = Some(Selected { number, track: VideoTrack { codec, size, configuration: private } });
        } else if let (OPUS, Some(audio), None) = (entry.codec_id.0.as_str(), &entry.audio, &self.audio) {
            let channels = match *audio.channels {
                1 => Channels::Mono,
                2 => Channels::Stereo,
                more => return Err(refused(format!("its sound has {more} channels; one or two can be sent")).into()),
            };
            let samples = u128::from(*entry.codec_delay) * u128::from(crate::audio::RATE) / 1_000_000_000;
            let pre_skip = u16::try_from(samples).unwrap_or(u16::MAX);
            self.audio = Some(Selected { number, track: AudioTrack { channels, pre_skip } });
        }
        Ok(())
    }

    /// What a block has for one of the two tracks (RFC 9559 §10). `key` is known for groups; simple blocks say it
    /// themselves.
    fn block(&self, block: &[u8], key: Option<bool>) -> Result<Option<Item>, Error> {
        let (number, rest) = track_number(block).ok_or_else(|| refused("a block is cut short"))?;
        let &[high, low, flags, ref data @ ..] = rest else { return Err(refused("a block is cut short").into()) };
        let is_video = self.video.as_ref().filter(|selected| selected.number == number);
        let is_audio = self.audio.as_ref().filter(|selected| selected.number == number);
        if is_video.is_none() && is_audio.is_none() {
            return Ok(None);
        }
        if flags & 0x06 != 0 {
            return Err(refused("it has several frames in a block, which is not read; remux it without lacing").into());
        }
        let ticks = i128::from(self.cluster) + i128::from(i16::from_be_bytes([high, low]));
        let nanos = u64::try_from(ticks.max(0) * i128::from(self.tick));
        let timestamp = Duration::from_nanos(nanos.map_err(|_| refused("a block's time is beyond all bounds"))?);
        if is_video.is_some() {
            let key = key.unwrap_or(flags & 0x80 != 0);
            let data = self.frame(data, key)?;
            return Ok(Some(Item::Video(EncodedVideo { data, timestamp, key, temporal_layer: 0, layer_sync: false })));
        }
        let duration = opus_duration(data).ok_or_else(|| refused("a packet is not Opus"))?;
        Ok(Some(Item::Audio(EncodedAudio { data: data.to_vec(), timestamp, duration })))
    }

    /// A frame of the video as it is sent.
    fn frame(&self, data: &[u8], key: bool) -> Result<Vec<u8>, Error> {
        let Some((length_size, sets)) = &self.sets else { return Ok(data.to_vec()) };
        let mut frame = if key { sets.clone() } else { Vec::new() };
        let whole = h264::to_start_codes(data, *length_size, &mut frame);
        whole.ok_or_else(|| refused("a frame's lengths lead beyond its end"))?;
        Ok(frame)
    }

    /// The next element's header; `None` at the end.
    fn header(&mut self) -> Result<Option<Header>, Error> {
        let mut first = [0];
        loop {
            match self.inner.read(&mut first) {
                Ok(0) => return Ok(None),
                Ok(_) => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        let mut whole = first.chain(&mut self.inner);
        let id = VInt64::read_from(&mut whole).map_err(failure)?;
        let size = VInt64::read_from(&mut whole).map_err(failure)?;
        Ok(Some(Header { id, size }))
    }

    fn element<T: Element>(&mut self, header: &Header) -> Result<T, Error> {
        let body = self.body(header, LONGEST_DESCRIPTION)?;
        T::decode_body(&mut &body[..]).map_err(failure)
    }

    fn body(&mut self, header: &Header, most: u64) -> Result<Vec<u8>, Error> {
        if header.size.is_unknown || header.size.value > most {
            return Err(refused(format!("an element says that it has {} bytes", header.size.value)).into());
        }
        let mut body = Vec::new();
        let read = self.inner.by_ref().take(header.size.value).read_to_end(&mut body)?;
        if read as u64 == header.size.value { Ok(body) } else { Err(refused("it is cut short").into()) }
    }

    fn skip(&mut self, header: &Header) -> Result<(), Error> {
        if header.size.is_unknown {
            return Err(refused("an element that is not known has no length").into());
        }
        io::copy(&mut self.inner.by_ref().take(header.size.value), &mut io::sink())?;
        Ok(())
    }
}

/// A number whose first byte says by its zeros how long it is (RFC 8794 §4).
fn track_number(block: &[u8]) -> Option<(u64, &[u8])> {
    let &first = block.first()?;
    let length = first.leading_zeros() as usize + 1;
    let (bytes, rest) = block.split_at_checked(length).filter(|_| length <= 8)?;
    let value = bytes.iter().fold(0u64, |sum, &byte| sum << 8 | u64::from(byte));
    Some((value & !(1 << (7 * length)), rest))
}

fn failure(error: mkv_element::Error) -> Error {
    match error {
        mkv_element::Error::Io(error) if error.kind() != io::ErrorKind::UnexpectedEof => error.into(),
        mkv_element::Error::Io(_) => refused("it is cut short").into(),
        other => refused(other.to_string()).into(),
    }
}

fn refused(reason: impl Into<std::borrow::Cow<'static, str>>) -> ParseError {
    ParseError::new("WebM or Matroska file", reason)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::super::writer::{Kind, Writer};
    use super::*;
    use crate::encoded::VideoCodec;

    const KEY: &[u8] = &[0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01, 7, 7];

    fn video(millis: u64, data: &[u8]) -> EncodedVideo {
        let timestamp = Duration::from_millis(millis);
        EncodedVideo { data: data.to_vec(), timestamp, key: data == KEY, ..EncodedVideo::default() }
    }

    fn audio(millis: u64) -> EncodedAudio {
        let duration = Duration::from_millis(20);
        EncodedAudio { data: vec![31 << 3, 1, 2], timestamp: Duration::from_millis(millis), duration }
    }

    fn items() -> Vec<Item> {
        let mut items = vec![];
        for index in 0..200 {
            let data = if index % 50 == 0 { KEY } else { &[0x11, 0, 0, 5] };
            items.push(Item::Video(video(index * 40, data)));
            items.push(Item::Audio(audio(index * 40)));
            items.push(Item::Audio(audio(index * 40 + 20)));
        }
        // Far apart in time, both ways.
        items.push(Item::Video(video(200_000, &[0x11, 0, 0, 6])));
        items.push(Item::Audio(audio(8_000)));
        items
    }

    fn written(kind: Kind) -> Vec<u8> {
        let track = VideoTrack::of(VideoCodec::Vp8, KEY).unwrap();
        let sound = AudioTrack { channels: Channels::Stereo, pre_skip: 312 };
        let mut writer = Writer::new(Cursor::new(vec![]), kind, Some(&track), Some(sound)).unwrap();
        for item in items() {
            match item {
                Item::Video(frame) => writer.write_video(&frame).unwrap(),
                Item::Audio(packet) => writer.write_audio(&packet).unwrap(),
            }
        }
        writer.finish().unwrap().into_inner()
    }

    #[test]
    fn what_was_written_is_read() {
        for kind in [Kind::WebM, Kind::Matroska] {
            let file = written(kind);
            let mut reader = Reader::new(&file[..]).unwrap();
            assert_eq!(reader.video(), VideoTrack::of(VideoCodec::Vp8, KEY).as_ref());
            assert_eq!(reader.audio(), Some(AudioTrack { channels: Channels::Stereo, pre_skip: 312 }));
            let found: Vec<Item> = std::iter::from_fn(|| reader.next_item().unwrap()).collect();
            assert_eq!(found, items());
        }
    }

    #[test]
    fn a_file_that_is_cut_anywhere_ends_or_says_so() {
        let whole = written(Kind::WebM);
        for length in 0..whole.len().min(3_000) {
            let Ok(mut reader) = Reader::new(&whole[..length]) else { continue };
            while let Ok(Some(_)) = reader.next_item() {}
        }
        // One that was never finished is read to where it is.
        let mut reader = Reader::new(&whole[..whole.len() / 2]).unwrap();
        let found = std::iter::from_fn(|| reader.next_item().ok().flatten()).count();
        assert!(found > 100, "{found}");
    }

    #[test]
    fn damaged_files_end_or_say_so() {
        let whole = written(Kind::WebM);
        let mut state = 5u32;
        for _ in 0..3_000 {
            let mut file = whole[..whole.len().min(2_000)].to_vec();
            for _ in 0..3 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let at = state as usize / 7 % file.len().min(600);
                file[at] = (state >> 24) as u8;
            }
            let Ok(mut reader) = Reader::new(&file[..]) else { continue };
            while let Ok(Some(_)) = reader.next_item() {}
        }
    }

    #[test]
    fn what_cannot_be_is_refused_with_the_reason() {
        assert!(Reader::new(&b"RIFF0000WAVE"[..]).unwrap_err().to_string().contains("WebM"));
        assert!(Reader::new(&[][..]).is_err());
        let huge =
            [&[0x1a, 0x45, 0xdf, 0xa3, 0x80][..], &[0x16, 0x54, 0xae, 0x6b, 0x08, 0xff, 0xff, 0xff, 0xff]].concat();
        assert!(Reader::new(&huge[..]).unwrap_err().to_string().contains("bytes"));
        let avc = VideoTrack { codec: VideoCodec::H264, size: (2, 2), configuration: None };
        let error = Writer::new(Cursor::new(vec![]), Kind::WebM, Some(&avc), None).unwrap_err();
        assert!(error.to_string().contains(".mkv"));
    }
}
