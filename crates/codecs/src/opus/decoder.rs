//! The decoder, with what it does about packets that are missing.

use std::fmt;
use std::time::Duration;

use crate::audio::{Channels, RATE, samples_in};
use crate::encoded::opus_duration;
use crate::error::{CodecError, Error, Misuse, ParseError};

/// No packet sounds longer (RFC 6716 §3.2.5).
const LONGEST: Duration = Duration::from_millis(120);

/// A decoder.
pub struct Decoder {
    inner: opus::Decoder,
    channels: Channels,
}

impl Decoder {
    /// One that gives samples at 48 kHz with so many channels, whatever the packets have.
    ///
    /// # Errors
    ///
    /// What the library says.
    pub fn new(channels: Channels) -> Result<Self, Error> {
        let inner = opus::Decoder::new(RATE, channels.of_library()).map_err(failure)?;
        Ok(Self { inner, channels })
    }

    /// Decodes a packet; `samples` becomes what it has, interleaved.
    ///
    /// # Errors
    ///
    /// A malformed packet; the decoder can go on, and [`Decoder::conceal`] fills the gap.
    pub fn decode(&mut self, packet: &[u8], samples: &mut Vec<i16>) -> Result<(), Error> {
        let duration = opus_duration(packet).ok_or_else(|| malformed("its first bytes make no sense"))?;
        self.run(packet, duration, false, samples)
    }

    /// Makes up for a lost packet that lasted `duration` from the copy in the packet after it; without a copy this is
    /// [`Decoder::conceal`]. That packet is then to be decoded as usual.
    ///
    /// # Errors
    ///
    /// A malformed packet, or a duration that no packet has.
    pub fn recover(&mut self, next: &[u8], duration: Duration, samples: &mut Vec<i16>) -> Result<(), Error> {
        opus_duration(next).ok_or_else(|| malformed("its first bytes make no sense"))?;
        check(duration)?;
        self.run(next, duration, true, samples)
    }

    /// Makes up for a lost packet that lasted `duration` by going on with what was heard.
    ///
    /// # Errors
    ///
    /// A duration that no packet has.
    pub fn conceal(&mut self, duration: Duration, samples: &mut Vec<i16>) -> Result<(), Error> {
        check(duration)?;
        self.run(&[], duration, false, samples)
    }

    /// The channels of what comes out.
    pub fn channels(&self) -> Channels {
        self.channels
    }

    fn run(&mut self, packet: &[u8], duration: Duration, fec: bool, samples: &mut Vec<i16>) -> Result<(), Error> {
        samples.resize(samples_in(duration) * self.channels.count(), 0);
        let decoded = self.inner.decode(packet, samples, fec);
        samples.truncate(decoded.as_ref().map_or(0, |each| each * self.channels.count()));
        decoded.map(drop).map_err(|error| malformed(error.description()))
    }
}

fn check(duration: Duration) -> Result<(), Misuse> {
    if duration.is_zero() || duration > LONGEST || !duration.as_micros().is_multiple_of(2_500) {
        return Err(Misuse::new(format!(
            "no packet of Opus lasts {duration:?}; it is a multiple of 2.5 ms up to 120 ms"
        )));
    }
    Ok(())
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder").field("channels", &self.channels).finish_non_exhaustive()
    }
}

fn malformed(reason: &'static str) -> Error {
    ParseError::new("Opus packet", reason).into()
}

fn failure(error: opus::Error) -> Error {
    CodecError::new("Opus decoder", error.to_string()).into()
}
