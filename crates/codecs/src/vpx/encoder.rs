//! The encoder, set up for calls.

use std::fmt;
use std::num::NonZero;
use std::time::Duration;

use vpx_rs::enc::ctrl::{EncoderControlSet as Control, Vp9AQMode};
use vpx_rs::enc::{CodecId, ErrorResilient, KeyFrameMode};
use vpx_rs::{
    EncoderConfig, EncoderFrameFlags, EncodingDeadline, ImageFormat, Packet, RateControl, Timebase, YUVImageData,
};

use super::layers::Layers;
use crate::encoded::{EncodedVideo, VideoCodec};
use crate::error::{CodecError, Error, Misuse};
use crate::picture::Picture;
use crate::rate::Clock;
use crate::video::{Config, check_bitrate, check_picture};

/// How far the rate control follows a stretched clock. Measured: within this the rate comes out within a tenth.
const BEARABLE: (f64, f64) = (1.0 / 3.0, 3.0);

/// An encoder of VP8 or VP9.
pub struct Encoder {
    codec: CodecId,
    config: Config,
    running: Option<Running>,
    /// Whether the encoder is to be made anew for the next picture, since the rate is too far from its own.
    stale: bool,
}

struct Running {
    inner: vpx_rs::Encoder<u8>,
    clock: Clock,
    layers: Layers,
    width: u32,
    height: u32,
}

impl Encoder {
    /// One of VP8.
    ///
    /// # Errors
    ///
    /// A setting outside its limits.
    pub fn vp8(config: Config) -> Result<Self, Error> {
        Self::new(CodecId::VP8, config)
    }

    /// One of VP9, profile 0.
    ///
    /// # Errors
    ///
    /// A setting outside its limits.
    pub fn vp9(config: Config) -> Result<Self, Error> {
        Self::new(CodecId::VP9, config)
    }

    fn new(codec: CodecId, config: Config) -> Result<Self, Error> {
        config.check()?;
        Ok(Self { codec, config, running: None, stale: false })
    }

    /// See [`crate::video::Encoder::encode`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn encode(&mut self, picture: &Picture, key: bool) -> Result<Option<EncodedVideo>, Error> {
        check_picture(picture)?;
        let same_size = |r: &Running| (r.width, r.height) == (picture.width(), picture.height());
        // A key frame is due anyway: the moment to make the encoder for the rate that it now has.
        let off = |r: &Running| (r.clock.ratio() - 1.0).abs() > 0.1;
        let kept = self.running.take().filter(|r| same_size(r) && !self.stale && !(key && off(r)));
        let running = match kept {
            Some(running) => running,
            None => self.start(picture.width(), picture.height())?,
        };
        self.stale = false;
        self.running.insert(running).encode(picture, key).map_err(|error| match error {
            Failure::Caller(misuse) => misuse.into(),
            Failure::Library(error) => failure(self.codec, &error),
        })
    }

    /// See [`crate::video::Encoder::set_bitrate`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn set_bitrate(&mut self, bitrate: u32) -> Result<(), Misuse> {
        check_bitrate(bitrate)?;
        self.config.bitrate = bitrate;
        self.stale = self.running.as_mut().is_some_and(|running| !running.clock.set_target(bitrate));
        Ok(())
    }

    /// Which codec it is.
    pub fn codec(&self) -> VideoCodec {
        match self.codec {
            CodecId::VP8 => VideoCodec::Vp8,
            CodecId::VP9 => VideoCodec::Vp9,
        }
    }

    fn start(&self, width: u32, height: u32) -> Result<Running, Error> {
        let inner = self.make(width, height).map_err(|error| failure(self.codec, &error))?;
        let Config { bitrate, frame_rate, temporal_layers, .. } = self.config;
        let clock = Clock::new(bitrate, bitrate, BEARABLE, frame_rate);
        Ok(Running { inner, clock, layers: Layers::new(temporal_layers), width, height })
    }

    fn make(&self, width: u32, height: u32) -> vpx_rs::Result<vpx_rs::Encoder<u8>> {
        let config = &self.config;
        let timebase = Timebase { num: NonZero::<u32>::MIN, den: NonZero::new(1_000_000).expect("a million is not 0") };
        let rate = RateControl::ConstantBitRate(config.bitrate / 1000);
        let mut settings = EncoderConfig::<u8>::new(self.codec, width, height, timebase, rate)?;
        settings.threads = config.threads;
        settings.lag_in_frames = 0;
        if config.error_resilient || config.temporal_layers > 1 {
            settings.error_resilient = ErrorResilient::DEFAULT;
        }
        settings.kf_mode = KeyFrameMode::Auto { min_dist: 0, max_dist: config.key_interval.unwrap_or(i32::MAX as u32) };
        settings.rc_resize_allowed = None;
        settings.rc_dropframe_thresh = if config.drop_frames { 30 } else { 0 };
        // What libwebrtc sets for calls: little reserve, so that a burst is short.
        settings.rc_undershoot_pct = 100;
        settings.rc_overshoot_pct = 15;
        settings.rc_buf_initial_sz = Duration::from_millis(500);
        settings.rc_buf_optimal_sz = Duration::from_millis(600);
        settings.rc_buf_sz = Duration::from_millis(1000);
        let mut encoder = vpx_rs::Encoder::new(settings)?;
        // A key frame takes at most half of what the buffer holds, in per cent of a usual frame.
        let most_for_key = (config.frame_rate * 30).max(300);
        encoder.codec_control_set(Control::MaxIntraBitratePct(most_for_key))?;
        encoder.codec_control_set(Control::StaticThreshold(1))?;
        match self.codec {
            // Negative: this speed and no other, whatever time it takes.
            CodecId::VP8 => encoder.codec_control_set(Control::CpuUsed(-i32::from(config.speed)))?,
            CodecId::VP9 => {
                encoder.codec_control_set(Control::CpuUsed(i32::from(config.speed.clamp(5, 9))))?;
                encoder.codec_control_set(Control::Vp9AQMode(Vp9AQMode::CyclicRefresh))?;
                encoder.codec_control_set(Control::Vp9RowMT(config.threads > 1))?;
                encoder.codec_control_set(Control::Vp9TileColumns(config.threads.ilog2().min(2)))?;
            }
        }
        Ok(encoder)
    }
}

enum Failure {
    Caller(Misuse),
    Library(vpx_rs::Error),
}

impl From<vpx_rs::Error> for Failure {
    fn from(error: vpx_rs::Error) -> Self {
        Self::Library(error)
    }
}

impl Running {
    fn encode(&mut self, picture: &Picture, key: bool) -> Result<Option<EncodedVideo>, Failure> {
        let tick = self.clock.tick(picture.timestamp).map_err(Failure::Caller)?;
        let (width, height) = (self.width as usize, self.height as usize);
        let image = YUVImageData::from_raw_data(ImageFormat::I420, width, height, picture.as_bytes())?;
        if key {
            self.layers.restart();
        }
        let place = self.layers.place();
        let flags = if key { EncoderFrameFlags::FORCE_KF } else { place.flags };
        let (at, lasts) = (tick.at.as_micros() as i64, tick.lasts.as_micros() as u64);
        let packets = self.inner.encode(at, lasts, image, EncodingDeadline::Realtime, flags)?;
        let mut encoded: Option<EncodedVideo> = None;
        for packet in packets {
            let Packet::CompressedFrame(frame) = packet else { continue };
            match &mut encoded {
                None => {
                    let timestamp = picture.timestamp;
                    let (key, temporal_layer, layer_sync) = (frame.flags.is_key, place.layer, place.sync);
                    encoded = Some(EncodedVideo { data: frame.data, timestamp, key, temporal_layer, layer_sync });
                }
                Some(first) => first.data.extend_from_slice(&frame.data),
            }
        }
        if let Some(frame) = encoded.as_mut() {
            if frame.key {
                self.layers.restart();
                (frame.temporal_layer, frame.layer_sync) = (0, false);
            }
            self.layers.advance();
        }
        Ok(encoded)
    }
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoder").field("codec", &self.codec).field("config", &self.config).finish_non_exhaustive()
    }
}

fn failure(codec: CodecId, error: &vpx_rs::Error) -> Error {
    let name = match codec {
        CodecId::VP8 => "VP8 encoder",
        CodecId::VP9 => "VP9 encoder",
    };
    CodecError::new(name, error.to_string()).into()
}
