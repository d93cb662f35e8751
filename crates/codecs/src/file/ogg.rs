//! Ogg Opus (RFC 7845), by `ogg`.

use std::fmt;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::time::Duration;

use ogg::{OggReadError, PacketReader, PacketWriteEndInfo, PacketWriter};

use crate::audio::{Channels, duration_of, samples_in};
use crate::encoded::{EncodedAudio, opus_duration};
use crate::error::{Error, ParseError};

/// What may be read from the file for one packet: a packet has 61,440 bytes at most (RFC 7845 §6), pictures in the
/// comments may have more.
const LONGEST_PACKET: u64 = 1 << 20;

/// Reads the first stream of Opus that a file has.
pub struct Reader<R: Read + Seek> {
    inner: PacketReader<Limited<R>>,
    serial: u32,
    channels: Channels,
    /// Samples of each channel that are not to be heard.
    pre_skip: u16,
    /// Samples of each channel in the packets so far.
    samples: u64,
}

impl<R: Read + Seek> Reader<R> {
    /// Reads the headers.
    ///
    /// # Errors
    ///
    /// What is no Ogg file, has no Opus, or has more than two channels.
    pub fn new(inner: R) -> Result<Self, Error> {
        let mut inner = PacketReader::new(Limited { inner, left: LONGEST_PACKET });
        // A file may begin with several streams; their first packets come before all others.
        loop {
            let packet = next(&mut inner)?.ok_or_else(|| refused("it has no stream of Opus"))?;
            if !packet.first_in_stream() {
                return Err(refused("it has no stream of Opus").into());
            }
            if packet.data.starts_with(b"OpusHead") {
                let (channels, pre_skip) = head(&packet.data)?;
                let serial = packet.stream_serial();
                let mut reader = Self { inner, serial, channels, pre_skip, samples: 0 };
                let tags = reader.packet()?.ok_or_else(|| refused("it ends after its first header"))?;
                if !tags.starts_with(b"OpusTags") {
                    return Err(refused("its second header is missing").into());
                }
                return Ok(reader);
            }
        }
    }

    /// The next packet; `None` at the end. The first ones have a timestamp of zero as long as they are not to be heard.
    ///
    /// # Errors
    ///
    /// A file that is cut short or damaged, and packets that are not Opus.
    pub fn next_packet(&mut self) -> Result<Option<EncodedAudio>, Error> {
        let Some(data) = self.packet()? else { return Ok(None) };
        let duration = opus_duration(&data).ok_or_else(|| refused("a packet is not Opus"))?;
        let timestamp = duration_of(self.samples.saturating_sub(self.pre_skip.into()));
        self.samples = self.samples.saturating_add(samples_in(duration) as u64);
        Ok(Some(EncodedAudio { data, timestamp, duration }))
    }

    /// How many channels it was made from.
    pub fn channels(&self) -> Channels {
        self.channels
    }

    /// Samples of each channel at the beginning that are not to be heard.
    pub fn pre_skip(&self) -> u16 {
        self.pre_skip
    }

    fn packet(&mut self) -> Result<Option<Vec<u8>>, Error> {
        while let Some(packet) = next(&mut self.inner)? {
            if packet.stream_serial() == self.serial {
                return Ok(Some(packet.data));
            }
        }
        Ok(None)
    }
}

impl<R: Read + Seek> fmt::Debug for Reader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("channels", &self.channels)
            .field("samples", &self.samples)
            .finish_non_exhaustive()
    }
}

/// Channels and pre-skip (RFC 7845 §5.1).
fn head(packet: &[u8]) -> Result<(Channels, u16), ParseError> {
    let Some(&[version, channels, low, high, _, _, _, _, _, _, family]) =
        packet.get(8..19).and_then(|h| h.first_chunk())
    else {
        return Err(refused("its first header is cut short"));
    };
    if version & 0xf0 != 0 {
        return Err(refused(format!("it has version {version}")));
    }
    let channels = match (family, channels) {
        (0, 1) => Channels::Mono,
        (0, 2) => Channels::Stereo,
        _ => return Err(refused(format!("it has {channels} channels of family {family}; one or two can be sent"))),
    };
    Ok((channels, u16::from_le_bytes([low, high])))
}

fn next<R: Read + Seek>(reader: &mut PacketReader<Limited<R>>) -> Result<Option<ogg::Packet>, Error> {
    reader.get_mut().left = LONGEST_PACKET;
    reader.read_packet().map_err(|error| match error {
        OggReadError::ReadError(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            refused("it is cut short").into()
        }
        OggReadError::ReadError(error) if error.kind() == io::ErrorKind::FileTooLarge => {
            refused("a packet is longer than any of Opus").into()
        }
        OggReadError::ReadError(error) => error.into(),
        other => refused(other.to_string()).into(),
    })
}

/// Gives so many bytes and no more, since the library joins pages without end into one packet.
struct Limited<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let most = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let read = self.inner.read(&mut buffer[..most])?;
        self.left -= read as u64;
        Ok(read)
    }
}

impl<R: Seek> Seek for Limited<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}

/// Writes one.
pub struct Writer<W: Write> {
    inner: PacketWriter<'static, W>,
    serial: u32,
    pre_skip: u16,
    /// Samples of each channel that have been written.
    samples: u64,
    /// When the first packet was, which becomes the file's beginning.
    begins: Option<Duration>,
    /// The last packet, kept back since whoever ends the file must say so in it.
    last: Option<EncodedAudio>,
    /// Samples since a page was ended.
    in_page: u64,
}

/// What is missing between two packets is filled with packets that say so, but not without end.
const LONGEST_GAP: Duration = Duration::from_secs(60);

impl<W: Write> Writer<W> {
    /// Writes the headers. `serial` tells streams apart, any number will do; of `pre_skip`,
    /// `opus::encoder::Encoder::lookahead` of the encoder, or 312 for any.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn new(inner: W, serial: u32, channels: Channels, pre_skip: u16) -> io::Result<Self> {
        let mut writer = PacketWriter::new(inner);
        writer.write_packet(opus_head(channels, pre_skip), serial, PacketWriteEndInfo::EndPage, 0)?;
        let mut tags = b"OpusTags".to_vec();
        let vendor = concat!("peerage ", env!("CARGO_PKG_VERSION"));
        tags.extend((vendor.len() as u32).to_le_bytes());
        tags.extend(vendor.as_bytes());
        tags.extend(0u32.to_le_bytes());
        writer.write_packet(tags, serial, PacketWriteEndInfo::EndPage, 0)?;
        Ok(Self { inner: writer, serial, pre_skip, samples: 0, begins: None, last: None, in_page: 0 })
    }

    /// Writes a packet. Where packets are missing before it, what decoders conceal by takes their time.
    ///
    /// # Errors
    ///
    /// What is no packet of Opus, and what the system says.
    pub fn write(&mut self, packet: &EncodedAudio) -> Result<(), Error> {
        let duration = opus_duration(&packet.data)
            .ok_or_else(|| ParseError::new("Opus packet", "its first bytes make no sense"))?;
        let begins = *self.begins.get_or_insert(packet.timestamp);
        let due = packet.timestamp.saturating_sub(begins);
        if let Some(last) = self.last.take() {
            let mut written = self.samples + samples_in(last.duration) as u64;
            // A packet of the same kind without content (RFC 6716 §3.2.1): its decoder goes on as for a lost one.
            let lost = EncodedAudio { data: vec![last.data[0] & 0xfc], duration: frame_of(&last.data), ..last.clone() };
            self.put(last, PacketWriteEndInfo::NormalPacket)?;
            let missing = due.saturating_sub(duration_of(written)).min(LONGEST_GAP);
            let step = samples_in(lost.duration).max(1) as u64;
            // Half a packet's time is jitter, not a gap.
            for _ in 0..(samples_in(missing) as u64 + step / 2) / step {
                written += step;
                self.put(lost.clone(), PacketWriteEndInfo::NormalPacket)?;
            }
            if duration_of(written) + LONGEST_GAP < due {
                // The rest of a gap that was too long is cut out.
                self.begins = Some(packet.timestamp - duration_of(written));
            }
        }
        self.last = Some(EncodedAudio { duration, ..packet.clone() });
        Ok(())
    }

    /// Ends the file and gives it back.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn finish(mut self) -> io::Result<W> {
        if let Some(last) = self.last.take() {
            self.put(last, PacketWriteEndInfo::EndStream)?;
        }
        let mut inner = self.inner.into_inner();
        inner.flush()?;
        Ok(inner)
    }

    fn put(&mut self, packet: EncodedAudio, end: PacketWriteEndInfo) -> io::Result<()> {
        let samples = samples_in(packet.duration) as u64;
        self.samples += samples;
        self.in_page += samples;
        // A page a second, so that what is lost when the program dies is that much.
        let page_ends = self.in_page >= 48_000 && end == PacketWriteEndInfo::NormalPacket;
        let end = if page_ends { PacketWriteEndInfo::EndPage } else { end };
        if page_ends {
            self.in_page = 0;
        }
        // RFC 7845 §4.5: nothing may end before the pre-skip does.
        let position =
            if end == PacketWriteEndInfo::EndStream { self.samples.max(self.pre_skip.into()) } else { self.samples };
        self.inner.write_packet(packet.data, self.serial, end, position)
    }
}

impl<W: Write> fmt::Debug for Writer<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("samples", &self.samples).finish_non_exhaustive()
    }
}

/// The first header (RFC 7845 §5.1), which Matroska has too.
pub(crate) fn opus_head(channels: Channels, pre_skip: u16) -> Vec<u8> {
    let mut head = b"OpusHead\x01".to_vec();
    head.push(channels.count() as u8);
    head.extend(pre_skip.to_le_bytes());
    head.extend(crate::audio::RATE.to_le_bytes());
    // No gain, and channels in the usual order.
    head.extend([0, 0, 0]);
    head
}

/// How long one frame of a packet sounds.
fn frame_of(packet: &[u8]) -> Duration {
    packet.first().and_then(|toc| opus_duration(&[toc & 0xfc])).unwrap_or(Duration::from_millis(20))
}

fn refused(reason: impl Into<std::borrow::Cow<'static, str>>) -> ParseError {
    ParseError::new("Ogg Opus file", reason)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn packet(millis: u64, byte: u8) -> EncodedAudio {
        EncodedAudio { data: vec![31 << 3, byte], timestamp: MS * millis as u32, duration: MS * 20 }
    }

    fn written(packets: &[EncodedAudio]) -> Vec<u8> {
        let mut writer = Writer::new(vec![], 7, Channels::Stereo, 312).unwrap();
        packets.iter().for_each(|packet| writer.write(packet).unwrap());
        writer.finish().unwrap()
    }

    fn read(file: &[u8]) -> Vec<EncodedAudio> {
        let mut reader = Reader::new(Cursor::new(file)).unwrap();
        assert_eq!((reader.channels(), reader.pre_skip()), (Channels::Stereo, 312));
        std::iter::from_fn(|| reader.next_packet().unwrap()).collect()
    }

    #[test]
    fn what_was_written_is_read_and_begins_at_zero() {
        let packets: Vec<_> = (0..200).map(|index| packet(5_000 + 20 * index, index as u8)).collect();
        let found = read(&written(&packets));
        assert_eq!(found.len(), 200);
        for (index, (found, packet)) in found.iter().zip(&packets).enumerate() {
            assert_eq!(found.data, packet.data);
            assert_eq!(found.timestamp, duration_of((index as u64 * 960).saturating_sub(312)));
        }
    }

    #[test]
    fn a_gap_takes_its_time_and_jitter_does_not() {
        let gap = [packet(0, 1), packet(20, 2), packet(100, 3), packet(125, 4)];
        let found = read(&written(&gap));
        let lengths: Vec<usize> = found.iter().map(|packet| packet.data.len()).collect();
        assert_eq!(lengths, [2, 2, 1, 1, 1, 2, 2]);
        // A leap of an hour is not filled with an hour of nothing, and what follows is written as usual.
        let leap = [packet(0, 1), packet(3_600_000, 2), packet(3_600_020, 3)];
        assert_eq!(read(&written(&leap)).len(), 3 + 3_000);
        // Nor does a step back do harm.
        assert_eq!(read(&written(&[packet(500, 1), packet(0, 2), packet(520, 3)])).len(), 3);
    }

    #[test]
    fn a_file_that_is_cut_anywhere_ends_or_says_so() {
        let whole = written(&(0..80).map(|index| packet(20 * index, index as u8)).collect::<Vec<_>>());
        for length in 0..whole.len() {
            let Ok(mut reader) = Reader::new(Cursor::new(&whole[..length])) else { continue };
            while let Ok(Some(_)) = reader.next_packet() {}
        }
    }

    #[test]
    fn hostile_files_are_refused_with_the_reason() {
        let refused = |file: &[u8]| match Reader::new(Cursor::new(file)) {
            Ok(mut reader) => loop {
                match reader.next_packet() {
                    Ok(Some(_)) => {}
                    Ok(None) => break "nothing".to_owned(),
                    Err(error) => break error.to_string(),
                }
            },
            Err(error) => error.to_string(),
        };
        assert!(refused(b"RIFF").contains("Ogg Opus file"));
        assert!(refused(&[]).contains("Ogg Opus file"));
        // A packet over many pages, all full.
        let mut writer = PacketWriter::new(vec![]);
        writer.write_packet(opus_head(Channels::Mono, 0), 1, PacketWriteEndInfo::EndPage, 0).unwrap();
        writer.write_packet(vec![0; 2 << 20], 1, PacketWriteEndInfo::EndStream, 0).unwrap();
        assert!(refused(&writer.into_inner()).contains("longer than any"));
        let with_head = |head: Vec<u8>| {
            let mut writer = PacketWriter::new(vec![]);
            writer.write_packet(head, 1, PacketWriteEndInfo::EndPage, 0).unwrap();
            writer.write_packet(b"OpusTags".to_vec(), 1, PacketWriteEndInfo::EndStream, 0).unwrap();
            writer.into_inner()
        };
        let mut six = opus_head(Channels::Mono, 0);
        (six[9], six[18]) = (6, 1);
        assert!(refused(&with_head(six)).contains("6 channels"));
        assert!(refused(&with_head(b"OpusHead\x01\x01".to_vec())).contains("cut short"));
        assert!(refused(&with_head(b"\x01vorbis".to_vec())).contains("no stream of Opus"));
    }
}
