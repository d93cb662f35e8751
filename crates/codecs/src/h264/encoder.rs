//! The encoder, set up for calls.

use std::fmt;

use openh264::OpenH264API;
use openh264::encoder as library;
use openh264::encoder::{BitRate, FrameRate, FrameType, IntraFramePeriod, RateControlMode, UsageType};
use openh264::formats::YUVSlices;
use openh264::{Timestamp, encoder::Complexity};

use crate::encoded::EncodedVideo;
use crate::error::{CodecError, Error, Misuse};
use crate::picture::Picture;
use crate::rate::Clock;
use crate::video::{Config, check_bitrate, check_picture};

/// How far the rate control follows a stretched clock. It never spends more than it was made for, so it is made for
/// half as much again, which leaves room to rise.
const BEARABLE: (f64, f64) = (1.0 / 5.0, 1.0);

/// What OpenH264 takes: level 5.2.
const LONGEST: u32 = 3840;
const SHORTEST: u32 = 2160;

/// An encoder of H.264.
pub struct Encoder {
    config: Config,
    running: Option<Running>,
    /// Whether the encoder is to be made anew for the next picture, since the rate is too far from its own.
    stale: bool,
}

struct Running {
    inner: library::Encoder,
    clock: Clock,
    width: u32,
    height: u32,
}

impl Encoder {
    /// One that waits for its first picture.
    ///
    /// # Errors
    ///
    /// A setting outside its limits, and temporal layers, which OpenH264's safe face does not have.
    pub fn new(config: Config) -> Result<Self, Error> {
        config.check()?;
        if config.temporal_layers > 1 {
            return Err(Misuse::new("H264 has no temporal layers here; use one, or VP8 or VP9").into());
        }
        Ok(Self { config, running: None, stale: false })
    }

    /// See [`crate::video::Encoder::encode`].
    ///
    /// # Errors
    ///
    /// As there, and pictures over 3840 by 2160.
    pub fn encode(&mut self, picture: &Picture, key: bool) -> Result<Option<EncodedVideo>, Error> {
        check_picture(picture)?;
        let (width, height) = (picture.width(), picture.height());
        if width.max(height) > LONGEST || width.min(height) > SHORTEST {
            return Err(Misuse::new(format!("H264 goes up to 3840x2160 here; scale {width}x{height} down")).into());
        }
        let kept = self.running.take().filter(|r| !self.stale && (r.width, r.height) == (width, height));
        let running = match kept {
            Some(running) => running,
            None => self.start(width, height)?,
        };
        self.stale = false;
        self.running.insert(running).encode(picture, key)
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

    fn start(&self, width: u32, height: u32) -> Result<Running, Error> {
        let config = &self.config;
        let base = config.bitrate / 2 * 3;
        let complexity = match config.speed {
            0..=2 => Complexity::High,
            3..=5 => Complexity::Medium,
            _ => Complexity::Low,
        };
        let settings = library::EncoderConfig::new()
            .bitrate(BitRate::from_bps(base))
            .max_frame_rate(FrameRate::from_hz(config.frame_rate as f32))
            .usage_type(UsageType::CameraVideoRealTime)
            .rate_control_mode(RateControlMode::Timestamp)
            // Without leaving pictures out its rate control has no effect, and it says so on the terminal.
            .skip_frames(true)
            .profile(library::Profile::Baseline)
            .complexity(complexity)
            .scene_change_detect(false)
            .num_threads(config.threads as u16)
            .intra_frame_period(IntraFramePeriod::from_num_frames(config.key_interval.unwrap_or(0)));
        let inner = library::Encoder::with_api_config(OpenH264API::from_source(), settings).map_err(failure)?;
        let clock = Clock::new(base, config.bitrate, BEARABLE, config.frame_rate);
        Ok(Running { inner, clock, width, height })
    }
}

impl Running {
    fn encode(&mut self, picture: &Picture, key: bool) -> Result<Option<EncodedVideo>, Error> {
        let tick = self.clock.tick(picture.timestamp)?;
        let [y, u, v] = picture.planes();
        let (size, strides) = ((y.width, y.height), (y.width, u.width, v.width));
        let source = YUVSlices::new((y.data, u.data, v.data), size, strides);
        if key {
            self.inner.force_intra_frame();
        }
        let at = Timestamp::from_millis(u64::try_from(tick.at.as_millis()).unwrap_or(u64::MAX));
        let stream = self.inner.encode_at(&source, at).map_err(failure)?;
        let key = match stream.frame_type() {
            FrameType::Skip | FrameType::Invalid => return Ok(None),
            kind => kind == FrameType::IDR,
        };
        let data = stream.to_vec();
        if data.is_empty() {
            return Ok(None);
        }
        Ok(Some(EncodedVideo { data, timestamp: picture.timestamp, key, temporal_layer: 0, layer_sync: false }))
    }
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoder").field("config", &self.config).finish_non_exhaustive()
    }
}

fn failure(error: openh264::Error) -> Error {
    CodecError::new("H264 encoder", error.to_string()).into()
}
