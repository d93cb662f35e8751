//! The encoder.

use std::fmt;
use std::time::Duration;

use opus::{Application, Bitrate};

use crate::audio::{Channels, RATE, samples_in};
use crate::error::{CodecError, Error, Misuse};

/// No packet of one frame is longer (RFC 6716 §3.2.1).
const LONGEST_PACKET: usize = 1275;

/// What an encoder is to do.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Channels of the samples that come in; default one.
    pub channels: Channels,
    /// Bits per second, 6,000 to 510,000; default 32,000.
    pub bitrate: u32,
    /// How long each packet sounds, 10 or 20 ms; default 20. Shorter has less delay and more headers.
    pub frame: Duration,
    /// Whether each packet carries a coarse copy of the one before, where there is speech; default true. Takes a part
    /// of the bits that grows with `expected_loss`.
    pub fec: bool,
    /// Packets that will be lost, per cent, 0 to 100; default 10.
    pub expected_loss: u8,
    /// Whether silence is left out (discontinuous transmission); default false. Packets of at most two bytes then need
    /// not be sent.
    pub dtx: bool,
    /// How thoroughly it works, 0 to 10; default 9.
    pub complexity: u8,
    /// What it is for; default speech.
    pub content: Content,
}

/// What is heard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Content {
    /// People who talk: intelligible at low rates, and the only one with forward error correction.
    #[default]
    Speech,
    /// Music and anything else: faithful.
    Music,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            channels: Channels::Mono,
            bitrate: 32_000,
            frame: Duration::from_millis(20),
            fec: true,
            expected_loss: 10,
            dtx: false,
            complexity: 9,
            content: Content::Speech,
        }
    }
}

/// An encoder.
pub struct Encoder {
    inner: opus::Encoder,
    samples: usize,
}

impl Encoder {
    /// One for samples at 48 kHz.
    ///
    /// # Errors
    ///
    /// A setting outside its limits.
    pub fn new(config: &Config) -> Result<Self, Error> {
        if ![10, 20].contains(&config.frame.as_millis()) || !config.frame.subsec_micros().is_multiple_of(1000) {
            return Err(Misuse::new(format!("packets of {:?} are not made here; use 10 or 20 ms", config.frame)).into());
        }
        if config.expected_loss > 100 || config.complexity > 10 {
            return Err(Misuse::new("expected_loss is at most 100, complexity at most 10").into());
        }
        let application = match config.content {
            Content::Speech => Application::Voip,
            Content::Music => Application::Audio,
        };
        let mut encoder = opus::Encoder::new(RATE, config.channels.of_library(), application).map_err(failure)?;
        encoder.set_inband_fec(config.fec).map_err(failure)?;
        encoder.set_packet_loss_perc(i32::from(config.expected_loss)).map_err(failure)?;
        encoder.set_dtx(config.dtx).map_err(failure)?;
        encoder.set_complexity(i32::from(config.complexity)).map_err(failure)?;
        let samples = samples_in(config.frame) * config.channels.count();
        let mut encoder = Self { inner: encoder, samples };
        encoder.set_bitrate(config.bitrate)?;
        Ok(encoder)
    }

    /// Encodes one frame of interleaved samples into `packet`, whose former content is gone.
    ///
    /// # Errors
    ///
    /// Another number of samples than [`Encoder::samples`].
    pub fn encode(&mut self, samples: &[i16], packet: &mut Vec<u8>) -> Result<(), Error> {
        if samples.len() != self.samples {
            let text = format!("{} samples are not one frame, which has {}", samples.len(), self.samples);
            return Err(Misuse::new(text).into());
        }
        packet.resize(LONGEST_PACKET, 0);
        let written = self.inner.encode(samples, packet);
        packet.truncate(*written.as_ref().unwrap_or(&0));
        written.map(drop).map_err(failure)
    }

    /// Bits per second from the next frame on.
    ///
    /// # Errors
    ///
    /// Less than 6,000 or more than 510,000.
    pub fn set_bitrate(&mut self, bitrate: u32) -> Result<(), Error> {
        if !(6_000..=510_000).contains(&bitrate) {
            return Err(Misuse::new(format!("Opus has 6000 to 510000 bit/s, not {bitrate}")).into());
        }
        self.inner.set_bitrate(Bitrate::Bits(bitrate as i32)).map_err(failure)
    }

    /// What share of the packets will be lost, per cent; more than 100 counts as that.
    ///
    /// # Errors
    ///
    /// What the library says.
    pub fn set_expected_loss(&mut self, per_cent: u8) -> Result<(), Error> {
        self.inner.set_packet_loss_perc(i32::from(per_cent.min(100))).map_err(failure)
    }

    /// Samples in a frame, of all channels.
    pub fn samples(&self) -> usize {
        self.samples
    }

    /// How many samples of each channel the first ones of the first packet lie before the sound: what a file's header
    /// has to say (RFC 7845 §4.2).
    ///
    /// # Errors
    ///
    /// What the library says.
    pub fn lookahead(&mut self) -> Result<u16, Error> {
        let samples = self.inner.get_lookahead().map_err(failure)?;
        Ok(u16::try_from(samples).unwrap_or(312))
    }
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoder").field("samples", &self.samples).finish_non_exhaustive()
    }
}

fn failure(error: opus::Error) -> Error {
    CodecError::new("Opus encoder", error.to_string()).into()
}
