//! Writes a file.

use std::io::{self, Seek, SeekFrom, Write};
use std::time::Duration;

use mkv_element::ClusterBlock;
use mkv_element::io::blocking_impl::WriteTo;
use mkv_element::prelude::{
    Audio, Channels, Cluster, CodecDelay, CodecId, CodecPrivate, CueClusterPosition, CuePoint, CueTime, CueTrack,
    CueTrackPositions, Cues, DocType, DocTypeReadVersion, DocTypeVersion, Ebml, EbmlMaxIdLength, EbmlMaxSizeLength,
    FlagLacing, Info, MuxingApp, PixelHeight, PixelWidth, SamplingFrequency, SeekPreRoll, SimpleBlock, Timestamp,
    TimestampScale, TrackEntry, TrackNumber, TrackType, TrackUid, Tracks, Video, WritingApp,
};

use super::tracks::{AudioTrack, OPUS, TICK, VideoTrack, codec_id};
use crate::bitstream::h264;
use crate::encoded::{EncodedAudio, EncodedVideo, VideoCodec};
use crate::file::LONGEST_FRAME;
use crate::file::ogg::opus_head;

/// Which of the two it is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// VP8, VP9 or AV1, and Opus: what browsers play.
    WebM,
    /// Any codec.
    Matroska,
}

/// Writes one, frame by frame, in the order of their coming.
#[derive(Debug)]
pub struct Writer<W> {
    inner: W,
    video: Option<VideoCodec>,
    /// Where the segment's content begins: positions count from there.
    segment: u64,
    /// Where the general information is, which gets the duration at the end.
    info: u64,
    cluster: Option<Open>,
    cues: Vec<CuePoint>,
    /// The end of what was written, in ticks.
    end: u64,
}

/// A cluster that still grows.
#[derive(Debug)]
struct Open {
    begins: u64,
    bytes: usize,
    blocks: Vec<ClusterBlock>,
    /// Whether it begins with a key frame of the video.
    key: bool,
}

const VIDEO: u8 = 1;
const AUDIO: u8 = 2;
/// A cluster ends after so many ticks, so that what is lost when the program dies is that much.
const LONGEST_CLUSTER: u64 = 2_000;
const LARGEST_CLUSTER: usize = 4 << 20;
/// One entry in the index for each key frame; days of a call have fewer.
const MOST_CUES: usize = 100_000;

impl<W: Write + Seek> Writer<W> {
    /// Writes what comes before the frames.
    ///
    /// # Errors
    ///
    /// H.264 in WebM, and what the system says.
    pub fn new(mut inner: W, kind: Kind, video: Option<&VideoTrack>, audio: Option<AudioTrack>) -> io::Result<Self> {
        if kind == Kind::WebM && video.is_some_and(|video| video.codec == VideoCodec::H264) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "WebM does not carry H264; write a .mkv file"));
        }
        let doc_type = match kind {
            Kind::WebM => "webm",
            Kind::Matroska => "matroska",
        };
        let ebml = Ebml {
            ebml_max_id_length: EbmlMaxIdLength(4),
            ebml_max_size_length: EbmlMaxSizeLength(8),
            doc_type: Some(DocType(doc_type.to_owned())),
            doc_type_version: Some(DocTypeVersion(4)),
            doc_type_read_version: Some(DocTypeReadVersion(2)),
            ..Ebml::default()
        };
        ebml.write_to(&mut inner).map_err(failure)?;
        // A segment whose length is not known until the end; a reader that comes before reads on.
        inner.write_all(&[0x18, 0x53, 0x80, 0x67, 0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff])?;
        let segment = inner.stream_position()?;
        info_of(0).write_to(&mut inner).map_err(failure)?;
        let tracks = video.map(video_entry).into_iter().chain(audio.map(audio_entry)).collect();
        Tracks { track_entry: tracks, ..Tracks::default() }.write_to(&mut inner).map_err(failure)?;
        let video = video.map(|video| video.codec);
        Ok(Self { inner, video, segment, info: segment, cluster: None, cues: vec![], end: 0 })
    }

    /// Writes a frame of the video.
    ///
    /// # Errors
    ///
    /// A file without video, a frame of over 16 MiB, and what the system says.
    pub fn write_video(&mut self, frame: &EncodedVideo) -> io::Result<()> {
        match self.video {
            None => Err(io::Error::new(io::ErrorKind::InvalidInput, "this file was begun without video")),
            Some(VideoCodec::H264) => self.put(VIDEO, frame.timestamp, frame.key, &h264::to_lengths(&frame.data)),
            Some(_) => self.put(VIDEO, frame.timestamp, frame.key, &frame.data),
        }
    }

    /// Writes a packet of the sound.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn write_audio(&mut self, packet: &EncodedAudio) -> io::Result<()> {
        self.put(AUDIO, packet.timestamp, true, &packet.data)?;
        self.end = self.end.max(ticks(packet.timestamp + packet.duration));
        Ok(())
    }

    /// Writes the index and the lengths, and gives the file back.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn finish(mut self) -> io::Result<W> {
        self.close_cluster()?;
        if !self.cues.is_empty() {
            let cue_point = std::mem::take(&mut self.cues);
            Cues { cue_point, ..Cues::default() }.write_to(&mut self.inner).map_err(failure)?;
        }
        let end = self.inner.stream_position()?;
        self.inner.seek(SeekFrom::Start(self.segment - 8))?;
        self.inner.write_all(&((end - self.segment) | 1 << 56).to_be_bytes())?;
        self.inner.seek(SeekFrom::Start(self.info))?;
        info_of(self.end).write_to(&mut self.inner).map_err(failure)?;
        self.inner.seek(SeekFrom::Start(end))?;
        self.inner.flush()?;
        Ok(self.inner)
    }

    fn put(&mut self, track: u8, timestamp: Duration, key: bool, data: &[u8]) -> io::Result<()> {
        if data.len() > LONGEST_FRAME {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a frame of over 16 MiB"));
        }
        let at = ticks(timestamp);
        let begins_anew = track == VIDEO && key;
        let fits = |open: &Open| {
            let near = at.abs_diff(open.begins) < LONGEST_CLUSTER && open.bytes + data.len() <= LARGEST_CLUSTER;
            // Players go to the beginning of clusters.
            near && !begins_anew
        };
        if !self.cluster.as_ref().is_some_and(fits) {
            self.close_cluster()?;
        }
        let new = || Open { begins: at, bytes: 0, blocks: vec![], key: begins_anew };
        let open = self.cluster.get_or_insert_with(new);
        let relative = (at as i64 - open.begins as i64) as i16;
        // RFC 9559 §10.2: the track, the time within the cluster, flags.
        let mut block = Vec::with_capacity(4 + data.len());
        block.push(0x80 | track);
        block.extend(relative.to_be_bytes());
        block.push(if key { 0x80 } else { 0 });
        block.extend_from_slice(data);
        open.bytes += block.len();
        open.blocks.push(ClusterBlock::Simple(SimpleBlock(block.into())));
        self.end = self.end.max(at);
        Ok(())
    }

    fn close_cluster(&mut self) -> io::Result<()> {
        let Some(open) = self.cluster.take() else { return Ok(()) };
        if open.key && self.cues.len() < MOST_CUES {
            let position = self.inner.stream_position()? - self.segment;
            let place = CueTrackPositions {
                cue_track: CueTrack(VIDEO.into()),
                cue_cluster_position: CueClusterPosition(position),
                ..CueTrackPositions::default()
            };
            let point =
                CuePoint { cue_time: CueTime(open.begins), cue_track_positions: vec![place], ..CuePoint::default() };
            self.cues.push(point);
        }
        let cluster = Cluster { timestamp: Timestamp(open.begins), blocks: open.blocks, ..Cluster::default() };
        cluster.write_to(&mut self.inner).map_err(failure)
    }
}

fn info_of(duration: u64) -> Info {
    let name = concat!("peerage ", env!("CARGO_PKG_VERSION")).to_owned();
    Info {
        timestamp_scale: TimestampScale(TICK),
        duration: Some(mkv_element::prelude::Duration(duration as f64)),
        muxing_app: MuxingApp(name.clone()),
        writing_app: WritingApp(name),
        ..Info::default()
    }
}

fn video_entry(track: &VideoTrack) -> TrackEntry {
    let (width, height) = track.size;
    let video =
        Video { pixel_width: PixelWidth(width.into()), pixel_height: PixelHeight(height.into()), ..Video::default() };
    TrackEntry {
        track_number: TrackNumber(VIDEO.into()),
        track_uid: TrackUid(VIDEO.into()),
        track_type: TrackType(1),
        flag_lacing: FlagLacing(0),
        codec_id: CodecId(codec_id(track.codec).to_owned()),
        codec_private: track.configuration.clone().map(|bytes| CodecPrivate(bytes.into())),
        video: Some(video),
        ..TrackEntry::default()
    }
}

fn audio_entry(track: AudioTrack) -> TrackEntry {
    let audio = Audio {
        sampling_frequency: SamplingFrequency(f64::from(crate::audio::RATE)),
        channels: Channels(track.channels.count() as u64),
        ..Audio::default()
    };
    TrackEntry {
        track_number: TrackNumber(AUDIO.into()),
        track_uid: TrackUid(AUDIO.into()),
        track_type: TrackType(2),
        flag_lacing: FlagLacing(0),
        codec_id: CodecId(OPUS.to_owned()),
        codec_private: Some(CodecPrivate(opus_head(track.channels, track.pre_skip).into())),
        codec_delay: CodecDelay(crate::audio::duration_of(track.pre_skip.into()).as_nanos() as u64),
        // What decoders need to hear before they are right: 80 ms (RFC 7845 §4.6).
        seek_pre_roll: SeekPreRoll(80_000_000),
        audio: Some(audio),
        ..TrackEntry::default()
    }
}

fn ticks(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn failure(error: mkv_element::Error) -> io::Error {
    match error {
        mkv_element::Error::Io(error) => error,
        other => io::Error::other(other),
    }
}
