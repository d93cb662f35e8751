//! What is said here.

use std::fmt;
use std::time::Duration;

use cpal::traits::{DeviceTrait, StreamTrait};
use cpal::{Device, FromSample, SampleFormat, SizedSample, Stream, StreamConfig};

use super::QUEUE;
use super::queue::Queue;
use super::sound::{Direction, config, explain, failure, find, name};
use crate::audio::Channels;
use crate::error::{DeviceError, Error};
use crate::resample::Framer;

/// An open microphone.
pub struct Microphone {
    name: String,
    // Dropping it ends the recording.
    _stream: Stream,
    queue: Queue,
    framer: Framer,
    /// What is fetched from the queue at once: 5 ms as the device has them.
    chunk: Vec<i16>,
}

impl Microphone {
    /// Opens the microphone of a name, as [`names`](super::sound::names) tells them, or the system's choice. Samples come
    /// with `channels`.
    ///
    /// # Errors
    ///
    /// No such device, or one that does not work.
    pub fn open(wanted: Option<&str>, channels: Channels) -> Result<Self, Error> {
        let device = find(Direction::Input, wanted)?;
        let (format, config) = config(Direction::Input, &device)?;
        let count = usize::from(config.channels);
        let framer = Framer::new(config.sample_rate, count, channels)?;
        let each_second = config.sample_rate as usize * count;
        let queue = Queue::new((each_second as f64 * QUEUE.as_secs_f64()) as usize);
        let chunk = vec![0; config.sample_rate as usize / 200 * count];
        let stream = build(&device, format, config, queue.clone())?;
        stream.play().map_err(|error| failure(Direction::Input, &device, &error))?;
        Ok(Self { name: name(&device), _stream: stream, queue, framer, chunk })
    }

    /// Waits for a frame at 48 kHz. `false` if none came within `most`, which is normal for a microphone that has just
    /// been opened.
    ///
    /// # Errors
    ///
    /// A device that stopped working, as when it is unplugged.
    pub fn read(&mut self, frame: &mut [i16], most: Duration) -> Result<bool, Error> {
        while !self.framer.pull(frame) {
            let filled = self.queue.fill(&mut self.chunk, most).map_err(|reason| DeviceError::Failed {
                kind: Direction::Input.name(),
                name: self.name.clone(),
                reason,
            })?;
            if !filled {
                return Ok(false);
            }
            self.framer.push(&self.chunk);
        }
        Ok(true)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Samples that were not fetched in time.
    pub fn dropped(&self) -> u64 {
        self.queue.dropped()
    }
}

impl fmt::Debug for Microphone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Microphone").field("name", &self.name).finish_non_exhaustive()
    }
}

fn build(device: &Device, format: SampleFormat, config: StreamConfig, queue: Queue) -> Result<Stream, DeviceError> {
    let built = match format {
        SampleFormat::I16 => typed::<i16>(device, config, queue),
        SampleFormat::U16 => typed::<u16>(device, config, queue),
        SampleFormat::I32 => typed::<i32>(device, config, queue),
        SampleFormat::F32 => typed::<f32>(device, config, queue),
        SampleFormat::U8 => typed::<u8>(device, config, queue),
        other => {
            let reason = format!("its samples are {other}, which is not read; choose another");
            return Err(DeviceError::Failed { kind: Direction::Input.name(), name: name(device), reason });
        }
    };
    built.map_err(|error| failure(Direction::Input, device, &error))
}

fn typed<T>(device: &Device, config: StreamConfig, queue: Queue) -> Result<Stream, cpal::Error>
where
    T: SizedSample,
    i16: FromSample<T>,
{
    let failed = queue.clone();
    let heard = move |data: &[T], _: &cpal::InputCallbackInfo| {
        queue.push(data.iter().map(|&sample| i16::from_sample_(sample)));
    };
    let ended = move |error: cpal::Error| {
        if is_end(&error) {
            failed.fail(explain(&error));
        }
    };
    device.build_input_stream(config, heard, ended, None)
}

/// Whether nothing more will come; a late buffer or another route is no end.
pub(super) fn is_end(error: &cpal::Error) -> bool {
    use cpal::ErrorKind;
    !matches!(error.kind(), ErrorKind::Xrun | ErrorKind::DeviceChanged | ErrorKind::RealtimeDenied)
}
