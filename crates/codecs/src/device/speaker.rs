//! What is heard here.

use std::fmt;
use std::time::Duration;

use cpal::traits::{DeviceTrait, StreamTrait};
use cpal::{Device, FromSample, SampleFormat, SizedSample, Stream, StreamConfig};

use super::QUEUE;
use super::microphone::is_end;
use super::queue::Queue;
use super::sound::{Direction, config, explain, failure, find, name, of_count};
use crate::audio::{Channels, RATE, remix};
use crate::error::{DeviceError, Error};
use crate::resample::Resampler;

/// An open speaker.
pub struct Speaker {
    name: String,
    // Dropping it ends the sound.
    _stream: Stream,
    queue: Queue,
    from: Channels,
    /// What the device takes: one or two channels are meant, any others stay silent.
    to: Channels,
    rate: u32,
    resampler: Resampler,
    remixed: Vec<i16>,
    ready: Vec<i16>,
}

impl Speaker {
    /// Opens the speaker of a name, as [`names`](super::sound::names) tells them, or the system's choice. Samples are to
    /// come with `channels`.
    ///
    /// # Errors
    ///
    /// No such device, or one that does not work.
    pub fn open(wanted: Option<&str>, channels: Channels) -> Result<Self, Error> {
        let device = find(Direction::Output, wanted)?;
        let (format, config) = config(Direction::Output, &device)?;
        let (to, rate) = (of_count(config.channels), config.sample_rate);
        let resampler = Resampler::between(RATE, rate, to)?;
        let each_second = rate as usize * to.count();
        let queue = Queue::new((each_second as f64 * QUEUE.as_secs_f64()) as usize);
        let stream = build(&device, format, config, queue.clone(), to)?;
        stream.play().map_err(|error| failure(Direction::Output, &device, &error))?;
        let (remixed, ready) = (vec![], vec![]);
        Ok(Self { name: name(&device), _stream: stream, queue, from: channels, to, rate, resampler, remixed, ready })
    }

    /// Hands over samples at 48 kHz; they sound after what waits. If too much waits, the oldest is dropped.
    ///
    /// # Errors
    ///
    /// A device that stopped working, as when it is unplugged.
    pub fn write(&mut self, samples: &[i16]) -> Result<(), Error> {
        if let Some(reason) = self.queue.failed() {
            let (kind, name) = (Direction::Output.name(), self.name.clone());
            return Err(DeviceError::Failed { kind, name, reason }.into());
        }
        self.remixed.clear();
        remix(samples, self.from.count(), self.to, &mut self.remixed);
        self.ready.clear();
        self.resampler.push(&self.remixed, &mut self.ready);
        self.queue.push(self.ready.iter().copied());
        Ok(())
    }

    /// How long what waits will sound: what a jitter buffer has to add to its delay.
    pub fn delay(&self) -> Duration {
        let samples = self.queue.len() / self.to.count();
        Duration::from_secs_f64(samples as f64 / f64::from(self.rate))
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Samples that came too fast.
    pub fn dropped(&self) -> u64 {
        self.queue.dropped()
    }
}

impl fmt::Debug for Speaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Speaker").field("name", &self.name).finish_non_exhaustive()
    }
}

fn build(
    device: &Device,
    format: SampleFormat,
    config: StreamConfig,
    queue: Queue,
    ours: Channels,
) -> Result<Stream, DeviceError> {
    let built = match format {
        SampleFormat::I16 => typed::<i16>(device, config, queue, ours),
        SampleFormat::U16 => typed::<u16>(device, config, queue, ours),
        SampleFormat::I32 => typed::<i32>(device, config, queue, ours),
        SampleFormat::F32 => typed::<f32>(device, config, queue, ours),
        SampleFormat::U8 => typed::<u8>(device, config, queue, ours),
        other => {
            let reason = format!("its samples are {other}, which is not written; choose another");
            return Err(DeviceError::Failed { kind: Direction::Output.name(), name: name(device), reason });
        }
    };
    built.map_err(|error| failure(Direction::Output, device, &error))
}

fn typed<T>(device: &Device, config: StreamConfig, queue: Queue, ours: Channels) -> Result<Stream, cpal::Error>
where
    T: SizedSample + FromSample<i16>,
{
    let channels = usize::from(config.channels);
    let failed = queue.clone();
    let sounds = move |data: &mut [T], _: &cpal::OutputCallbackInfo| {
        for frame in data.chunks_mut(channels.max(1)) {
            let mut samples = [0; 2];
            // What has not come in time is silence.
            queue.take(&mut samples[..ours.count()]);
            for (slot, sample) in frame.iter_mut().zip(samples.into_iter().chain(std::iter::repeat(0))) {
                *slot = T::from_sample_(sample);
            }
        }
    };
    let ended = move |error: cpal::Error| {
        if is_end(&error) {
            failed.fail(explain(&error));
        }
    };
    device.build_output_stream(config, sounds, ended, None)
}
