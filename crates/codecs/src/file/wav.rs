//! WAV: plain samples, by `hound`.

use std::fmt;
use std::io::{Read, Seek, Write};

use hound::{SampleFormat, WavReader, WavSpec, WavWriter};

use crate::audio::{Channels, RATE};
use crate::error::{Error, ParseError};

/// Reads one, of any rate, with integer samples of up to 32 bits or floating ones.
pub struct Reader<R> {
    inner: WavReader<R>,
}

impl<R: Read> Reader<R> {
    /// Reads the header.
    ///
    /// # Errors
    ///
    /// What is no WAV file, or has no channels or over 32, or another rate than 4 to 384 kHz.
    pub fn new(inner: R) -> Result<Self, Error> {
        let inner = WavReader::new(inner).map_err(failure)?;
        let spec = inner.spec();
        if !(1..=32).contains(&spec.channels) || !(4_000..=384_000).contains(&spec.sample_rate) {
            let text = format!("it has {} channels at {} Hz", spec.channels, spec.sample_rate);
            return Err(refused(text).into());
        }
        Ok(Self { inner })
    }

    /// Appends up to `most` samples of all channels, as 16 bits; returns how many.
    ///
    /// # Errors
    ///
    /// A file that is cut short.
    pub fn read(&mut self, most: usize, samples: &mut Vec<i16>) -> Result<usize, Error> {
        let before = samples.len();
        let spec = self.inner.spec();
        match (spec.sample_format, spec.bits_per_sample) {
            (SampleFormat::Float, _) => {
                for sample in self.inner.samples::<f32>().take(most) {
                    let sample = sample.map_err(failure)?;
                    // A value that is no number becomes silence.
                    samples.push((sample * f32::from(i16::MAX)) as i16);
                }
            }
            (SampleFormat::Int, bits) => {
                for sample in self.inner.samples::<i32>().take(most) {
                    let sample = i64::from(sample.map_err(failure)?);
                    let shifted = if bits > 16 { sample >> (bits - 16) } else { sample << 16u16.saturating_sub(bits) };
                    samples.push(shifted.clamp(i16::MIN.into(), i16::MAX.into()) as i16);
                }
            }
        }
        Ok(samples.len() - before)
    }

    /// Samples per second of each channel.
    pub fn rate(&self) -> u32 {
        self.inner.spec().sample_rate
    }

    /// How many channels.
    pub fn channels(&self) -> usize {
        self.inner.spec().channels.into()
    }
}

impl<R> fmt::Debug for Reader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").finish_non_exhaustive()
    }
}

/// Writes one, at 48 kHz with 16 bits.
pub struct Writer<W: Write + Seek> {
    inner: WavWriter<W>,
}

impl<W: Write + Seek> Writer<W> {
    /// Writes the header.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn new(inner: W, channels: Channels) -> Result<Self, Error> {
        let channels = channels.count() as u16;
        let spec = WavSpec { channels, sample_rate: RATE, bits_per_sample: 16, sample_format: SampleFormat::Int };
        Ok(Self { inner: WavWriter::new(inner, spec).map_err(failure)? })
    }

    /// Writes interleaved samples.
    ///
    /// # Errors
    ///
    /// What the system says, and a file of over 4 GiB.
    pub fn write(&mut self, samples: &[i16]) -> Result<(), Error> {
        samples.iter().try_for_each(|&sample| self.inner.write_sample(sample)).map_err(failure)
    }

    /// Puts the length into the header.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn finish(self) -> Result<(), Error> {
        self.inner.finalize().map_err(failure)
    }
}

impl<W: Write + Seek> fmt::Debug for Writer<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}

fn failure(error: hound::Error) -> Error {
    match error {
        hound::Error::IoError(error) if error.kind() != std::io::ErrorKind::UnexpectedEof => error.into(),
        hound::Error::IoError(_) => refused("it is cut short").into(),
        other => refused(other.to_string()).into(),
    }
}

fn refused(reason: impl Into<std::borrow::Cow<'static, str>>) -> ParseError {
    ParseError::new("WAV file", reason)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn written() -> Vec<u8> {
        let mut file = Cursor::new(vec![]);
        let mut writer = Writer::new(&mut file, Channels::Stereo).unwrap();
        writer.write(&[1, -1, 32_767, -32_768]).unwrap();
        writer.finish().unwrap();
        file.into_inner()
    }

    #[test]
    fn what_was_written_is_read() {
        let file = written();
        let mut reader = Reader::new(&file[..]).unwrap();
        assert_eq!((reader.rate(), reader.channels()), (48_000, 2));
        let mut samples = vec![];
        assert_eq!(reader.read(3, &mut samples).unwrap(), 3);
        assert_eq!(reader.read(3, &mut samples).unwrap(), 1);
        assert_eq!(reader.read(3, &mut samples).unwrap(), 0);
        assert_eq!(samples, [1, -1, 32_767, -32_768]);
    }

    #[test]
    fn every_depth_becomes_sixteen_bits() {
        for (bits, sample_format) in [
            (8, SampleFormat::Int),
            (16, SampleFormat::Int),
            (24, SampleFormat::Int),
            (32, SampleFormat::Int),
            (32, SampleFormat::Float),
        ] {
            let mut file = Cursor::new(vec![]);
            let spec = WavSpec { channels: 1, sample_rate: 8_000, bits_per_sample: bits, sample_format };
            let mut writer = WavWriter::new(&mut file, spec).unwrap();
            for part in [0.5, -0.5] {
                match sample_format {
                    SampleFormat::Float => writer.write_sample(part as f32).unwrap(),
                    SampleFormat::Int => writer.write_sample((part * f64::from(1u32 << (bits - 1))) as i32).unwrap(),
                }
            }
            writer.finalize().unwrap();
            let mut samples = vec![];
            let file = file.into_inner();
            Reader::new(&file[..]).unwrap().read(9, &mut samples).unwrap();
            assert!((samples[0] - 16_384).abs() <= 1 && (samples[1] + 16_384).abs() <= 1, "{bits}: {samples:?}");
        }
    }

    #[test]
    fn a_file_that_is_cut_anywhere_ends_or_says_so() {
        let whole = written();
        let mut samples = vec![];
        for length in 0..whole.len() {
            if let Ok(mut reader) = Reader::new(&whole[..length]) {
                assert!(reader.read(100, &mut samples).is_err(), "{length}");
            }
        }
        assert!(Reader::new(&b"OggS"[..]).unwrap_err().to_string().contains("WAV file"));
    }
}
