//! IVF: the frames of one video, each with its length and its time.
//!
//! A header of 32 bytes (`DKIF`, version, its own length, codec, sides, time base, number of frames), then for each frame
//! its length (32 bits), its time (64 bits) and its bytes; all little-endian. No standard has it; libvpx's tools define it.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::time::Duration;

use super::LONGEST_FRAME;
use crate::bitstream::is_key;
use crate::encoded::{EncodedVideo, VideoCodec};
use crate::error::{Error, ParseError};

const HEADER: usize = 32;

/// Reads one.
#[derive(Debug)]
pub struct Reader<R> {
    inner: R,
    codec: VideoCodec,
    size: (u32, u32),
    /// Seconds per unit of time, as a fraction.
    unit: (u32, u32),
}

impl<R: Read> Reader<R> {
    /// Reads the header.
    ///
    /// # Errors
    ///
    /// What is no IVF file, or has a codec that is not known here.
    pub fn new(mut inner: R) -> Result<Self, Error> {
        let mut header = [0; HEADER];
        inner.read_exact(&mut header).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => Error::from(refused("it ends within its header")),
            _ => error.into(),
        })?;
        let u16_at = |at: usize| u16::from_le_bytes([header[at], header[at + 1]]);
        let u32_at = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        if header[..4] != *b"DKIF" || u16_at(4) != 0 {
            return Err(refused("it does not begin with DKIF and version 0").into());
        }
        let fourcc = [header[8], header[9], header[10], header[11]];
        let codec = VideoCodec::from_fourcc(fourcc).ok_or_else(|| {
            refused(format!("its codec {:?} is not VP8, VP9, H264 or AV1", String::from_utf8_lossy(&fourcc)))
        })?;
        // The header says rate before scale: 30 and 1 for thirty a second.
        let unit = (u32_at(20), u32_at(16));
        if unit.0 == 0 || unit.1 == 0 {
            return Err(refused("its time base is zero").into());
        }
        let longer = u64::from(u16_at(6)).saturating_sub(HEADER as u64);
        io::copy(&mut inner.by_ref().take(longer), &mut io::sink())?;
        Ok(Self { inner, codec, size: (u32::from(u16_at(12)), u32::from(u16_at(14))), unit })
    }

    /// The next frame; `None` at the end.
    ///
    /// # Errors
    ///
    /// A frame that is cut short or impossibly long.
    pub fn next_frame(&mut self) -> Result<Option<EncodedVideo>, Error> {
        let mut header = [0; 12];
        let read = read_up_to(&mut self.inner, &mut header)?;
        if read == 0 {
            return Ok(None);
        }
        if read < header.len() {
            return Err(refused("it ends within a frame").into());
        }
        let [l0, l1, l2, l3, time @ ..] = header;
        let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
        if length > LONGEST_FRAME {
            return Err(refused(format!("a frame says that it has {length} bytes")).into());
        }
        let mut data = Vec::new();
        self.inner.by_ref().take(length as u64).read_to_end(&mut data)?;
        if data.len() < length {
            return Err(refused("it ends within a frame").into());
        }
        let timestamp = self.time(u64::from_le_bytes(time));
        let timestamp = timestamp.ok_or_else(|| refused("a frame's time is beyond all bounds"))?;
        let key = is_key(self.codec, &data);
        Ok(Some(EncodedVideo { data, timestamp, key, temporal_layer: 0, layer_sync: false }))
    }

    /// What its frames are.
    pub fn codec(&self) -> VideoCodec {
        self.codec
    }

    /// Width and height, as the header has them.
    pub fn size(&self) -> (u32, u32) {
        self.size
    }

    /// One unit of time: for most files how long a frame lasts.
    pub fn unit(&self) -> Duration {
        self.time(1).unwrap_or(Duration::from_millis(33))
    }

    fn time(&self, units: u64) -> Option<Duration> {
        let nanos = u128::from(units) * 1_000_000_000 * u128::from(self.unit.0) / u128::from(self.unit.1);
        u64::try_from(nanos).ok().map(Duration::from_nanos)
    }
}

/// Writes one.
#[derive(Debug)]
pub struct Writer<W> {
    inner: W,
    frames: u32,
}

/// Written files count in ninety thousandths of a second, as RTP does.
const CLOCK: u32 = 90_000;

impl<W: Write + Seek> Writer<W> {
    /// Writes the header.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn new(mut inner: W, codec: VideoCodec, width: u16, height: u16) -> io::Result<Self> {
        let mut header = Vec::with_capacity(HEADER);
        header.extend(b"DKIF");
        header.extend(0u16.to_le_bytes());
        header.extend((HEADER as u16).to_le_bytes());
        header.extend(codec.fourcc());
        header.extend(width.to_le_bytes());
        header.extend(height.to_le_bytes());
        header.extend(CLOCK.to_le_bytes());
        header.extend(1u32.to_le_bytes());
        header.extend([0; 8]);
        inner.write_all(&header)?;
        Ok(Self { inner, frames: 0 })
    }

    /// Writes a frame.
    ///
    /// # Errors
    ///
    /// What the system says, and a frame that no reader would take.
    pub fn write(&mut self, frame: &EncodedVideo) -> io::Result<()> {
        let length = u32::try_from(frame.data.len()).ok().filter(|&length| length as usize <= LONGEST_FRAME);
        let length = length.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "a frame of over 16 MiB"))?;
        let time = (frame.timestamp.as_nanos() * u128::from(CLOCK) + 500_000_000) / 1_000_000_000;
        self.inner.write_all(&length.to_le_bytes())?;
        self.inner.write_all(&(time as u64).to_le_bytes())?;
        self.inner.write_all(&frame.data)?;
        self.frames = self.frames.saturating_add(1);
        Ok(())
    }

    /// Puts the number of frames into the header, and gives the file back.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn finish(mut self) -> io::Result<W> {
        let end = self.inner.stream_position()?;
        self.inner.seek(SeekFrom::Start(24))?;
        self.inner.write_all(&self.frames.to_le_bytes())?;
        self.inner.seek(SeekFrom::Start(end))?;
        self.inner.flush()?;
        Ok(self.inner)
    }
}

fn read_up_to(inner: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match inner.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

fn refused(reason: impl Into<std::borrow::Cow<'static, str>>) -> ParseError {
    ParseError::new("IVF file", reason)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn frame(data: &[u8], millis: u64) -> EncodedVideo {
        EncodedVideo { data: data.to_vec(), timestamp: Duration::from_millis(millis), ..EncodedVideo::default() }
    }

    fn written() -> Vec<u8> {
        let mut writer = Writer::new(Cursor::new(vec![]), VideoCodec::Vp8, 640, 360).unwrap();
        writer.write(&frame(&[0x10, 2, 3], 0)).unwrap();
        writer.write(&frame(&[0x11, 5], 40)).unwrap();
        writer.finish().unwrap().into_inner()
    }

    #[test]
    fn what_was_written_is_read() {
        let file = written();
        let mut reader = Reader::new(&file[..]).unwrap();
        assert_eq!((reader.codec(), reader.size()), (VideoCodec::Vp8, (640, 360)));
        let mut first = frame(&[0x10, 2, 3], 0);
        first.key = true;
        assert_eq!(reader.next_frame().unwrap(), Some(first));
        assert_eq!(reader.next_frame().unwrap(), Some(frame(&[0x11, 5], 40)));
        assert_eq!(reader.next_frame().unwrap(), None);
        assert_eq!(file[24..28], [2, 0, 0, 0]);
    }

    #[test]
    fn a_file_that_is_cut_anywhere_ends_or_says_so() {
        let whole = written();
        for length in 0..whole.len() {
            let Ok(mut reader) = Reader::new(&whole[..length]) else {
                assert!(length < HEADER);
                continue;
            };
            let mut frames = 0;
            let end = loop {
                match reader.next_frame() {
                    Ok(Some(_)) => frames += 1,
                    other => break other,
                }
            };
            let at_border = [32, 32 + 15].contains(&length);
            assert_eq!(end.is_ok(), at_border, "{length}");
            assert!(frames <= 1);
        }
    }

    #[test]
    fn lies_are_refused_before_they_cost_memory() {
        let mut file = written();
        file[32..36].copy_from_slice(&u32::MAX.to_le_bytes());
        let mut reader = Reader::new(&file[..]).unwrap();
        assert!(reader.next_frame().unwrap_err().to_string().contains("4294967295 bytes"));
        let mut file = written();
        file[8..12].copy_from_slice(b"MJPG");
        assert!(Reader::new(&file[..]).unwrap_err().to_string().contains("MJPG"));
        let mut file = written();
        file[16..20].fill(0);
        assert!(Reader::new(&file[..]).unwrap_err().to_string().contains("time base"));
        file = written();
        file[36..44].fill(0xff);
        file[20..24].fill(0xff);
        let mut reader = Reader::new(&file[..]).unwrap();
        assert!(reader.next_frame().unwrap_err().to_string().contains("beyond all bounds"));
    }
}
