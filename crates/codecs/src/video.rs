//! Video encoders and decoders behind one face.

use std::time::Duration;

use crate::encoded::{EncodedVideo, VideoCodec};
use crate::error::{Error, Misuse};
use crate::h264;
use crate::picture::Picture;
use crate::vpx;

/// What an encoder is to do.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Bits per second, 30,000 to 100,000,000; default 1,000,000. What comes out keeps to it over about a second.
    pub bitrate: u32,
    /// Pictures per second that are expected, 1 to 120; default 30. Timestamps decide, this only begins.
    pub frame_rate: u32,
    /// Threads, 1 to 16; default 1. More than a core's worth is of use from 720 lines on.
    pub threads: u32,
    /// How much less thoroughly it searches, 0 to 12; default 6. Higher is faster and looks worse.
    pub speed: u8,
    /// Whether a frame that is never sent harms only those that refer to it; default false. Costs a few per cent of
    /// the bits. On anyway with several temporal layers. VP8 and VP9.
    pub error_resilient: bool,
    /// Temporal layers, 1 to 3; default 1. With n of them, whoever leaves out the highest gets half the pictures.
    /// VP8 and VP9; others refuse more than 1.
    pub temporal_layers: u8,
    /// A key frame at least each so many frames; default none, that is when one is asked for.
    pub key_interval: Option<u32>,
    /// Whether pictures may be left out while the rate cannot be kept; default true. Without it the rate is exceeded
    /// instead. VP8 and VP9; H.264 leaves them out whatever this says.
    pub drop_frames: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            bitrate: 1_000_000,
            frame_rate: 30,
            threads: 1,
            speed: 6,
            error_resilient: false,
            temporal_layers: 1,
            key_interval: None,
            drop_frames: true,
        }
    }
}

impl Config {
    pub(crate) fn check(&self) -> Result<(), Misuse> {
        check_bitrate(self.bitrate)?;
        let limits = [
            ("frame_rate", self.frame_rate, 1, 120),
            ("threads", self.threads, 1, 16),
            ("speed", u32::from(self.speed), 0, 12),
            ("temporal_layers", u32::from(self.temporal_layers), 1, 3),
            ("key_interval", self.key_interval.unwrap_or(1), 1, i32::MAX as u32),
        ];
        for (name, value, least, most) in limits {
            if !(least..=most).contains(&value) {
                return Err(Misuse::new(format!("{name} is {value}; it must be from {least} to {most}")));
            }
        }
        Ok(())
    }
}

/// Refuses a rate that no encoder keeps.
pub(crate) fn check_bitrate(bitrate: u32) -> Result<(), Misuse> {
    if (30_000..=100_000_000).contains(&bitrate) {
        return Ok(());
    }
    Err(Misuse::new(format!("a bitrate of {bitrate} is not possible; it must be from 30000 to 100000000 bit/s")))
}

/// Refuses a picture that no encoder takes.
pub(crate) fn check_picture(picture: &Picture) -> Result<(), Misuse> {
    let (width, height) = (picture.width(), picture.height());
    if width < 16 || height < 16 || width % 2 != 0 || height % 2 != 0 {
        let text = format!("a picture of {width}x{height} cannot be encoded; scale it to even sides of at least 16");
        return Err(Misuse::new(text));
    }
    Ok(())
}

/// An encoder of any codec that is here.
#[derive(Debug)]
pub struct Encoder(Coder);

#[derive(Debug)]
enum Coder {
    Vpx(vpx::encoder::Encoder),
    H264(Box<h264::encoder::Encoder>),
}

impl Encoder {
    /// One that waits for its first picture, which decides the size.
    ///
    /// # Errors
    ///
    /// A setting outside its limits, or [`VideoCodec::Av1`].
    pub fn new(codec: VideoCodec, config: Config) -> Result<Self, Error> {
        Ok(Self(match codec {
            VideoCodec::Vp8 => Coder::Vpx(vpx::encoder::Encoder::vp8(config)?),
            VideoCodec::Vp9 => Coder::Vpx(vpx::encoder::Encoder::vp9(config)?),
            VideoCodec::H264 => Coder::H264(Box::new(h264::encoder::Encoder::new(config)?)),
            VideoCodec::Av1 => return Err(no_av1()),
        }))
    }

    /// Encodes a picture whose timestamp is later than the last one's; as a key frame if asked to. `None` if it was
    /// left out to keep the rate. A picture of another size begins anew, with a key frame.
    ///
    /// # Errors
    ///
    /// A picture with an odd side or a side below 16, a timestamp that is not later, or what the library says.
    pub fn encode(&mut self, picture: &Picture, key: bool) -> Result<Option<EncodedVideo>, Error> {
        match &mut self.0 {
            Coder::Vpx(encoder) => encoder.encode(picture, key),
            Coder::H264(encoder) => encoder.encode(picture, key),
        }
    }

    /// Bits per second from the next picture on. Several times more or less than before may cost a key frame.
    ///
    /// # Errors
    ///
    /// Less than 30,000 or more than 100,000,000.
    pub fn set_bitrate(&mut self, bitrate: u32) -> Result<(), Misuse> {
        match &mut self.0 {
            Coder::Vpx(encoder) => encoder.set_bitrate(bitrate),
            Coder::H264(encoder) => encoder.set_bitrate(bitrate),
        }
    }

    /// Which codec it is.
    pub fn codec(&self) -> VideoCodec {
        match &self.0 {
            Coder::Vpx(encoder) => encoder.codec(),
            Coder::H264(_) => VideoCodec::H264,
        }
    }
}

/// A decoder of any codec that is here.
#[derive(Debug)]
pub struct Decoder(Reader);

#[derive(Debug)]
enum Reader {
    Vpx(vpx::decoder::Decoder),
    H264(h264::decoder::Decoder),
}

impl Decoder {
    /// One that waits for a key frame.
    ///
    /// # Errors
    ///
    /// [`VideoCodec::Av1`], or what the library says.
    pub fn new(codec: VideoCodec) -> Result<Self, Error> {
        Ok(Self(match codec {
            VideoCodec::Vp8 => Reader::Vpx(vpx::decoder::Decoder::vp8()?),
            VideoCodec::Vp9 => Reader::Vpx(vpx::decoder::Decoder::vp9()?),
            VideoCodec::H264 => Reader::H264(h264::decoder::Decoder::new()?),
            VideoCodec::Av1 => return Err(no_av1()),
        }))
    }

    /// Decodes one frame into `picture`, which gets the frame's size and the timestamp. `false` if the frame shows
    /// nothing; the picture is then unchanged.
    ///
    /// # Errors
    ///
    /// Damaged bytes, or a frame that needs others which were not decoded: ask the sender for a key frame. The
    /// decoder takes nothing else until then.
    pub fn decode(&mut self, frame: &[u8], timestamp: Duration, picture: &mut Picture) -> Result<bool, Error> {
        let shown = match &mut self.0 {
            Reader::Vpx(decoder) => decoder.decode(frame, picture)?,
            Reader::H264(decoder) => decoder.decode(frame, picture)?,
        };
        if shown {
            picture.timestamp = timestamp;
        }
        Ok(shown)
    }
}

fn no_av1() -> Error {
    Misuse::new("AV1 is neither encoded nor decoded here; choose VP8, VP9 or H264").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_outside_their_limits_are_refused_by_name() {
        let refused = |change: &dyn Fn(&mut Config)| {
            let mut config = Config::default();
            change(&mut config);
            Encoder::new(VideoCodec::Vp8, config).unwrap_err().to_string()
        };
        assert!(refused(&|config| config.bitrate = 0).contains("from 30000"));
        assert!(refused(&|config| config.frame_rate = 121).contains("frame_rate is 121"));
        assert!(refused(&|config| config.threads = 0).contains("threads is 0"));
        assert!(refused(&|config| config.speed = 13).contains("speed is 13"));
        assert!(refused(&|config| config.temporal_layers = 4).contains("temporal_layers is 4"));
        assert!(refused(&|config| config.key_interval = Some(0)).contains("key_interval is 0"));
        assert!(Encoder::new(VideoCodec::Av1, Config::default()).unwrap_err().to_string().contains("choose VP8"));
        assert!(Decoder::new(VideoCodec::Av1).is_err());
    }

    #[test]
    fn pictures_that_no_encoder_takes_are_refused() {
        for codec in [VideoCodec::Vp8, VideoCodec::Vp9, VideoCodec::H264] {
            let mut encoder = Encoder::new(codec, Config::default()).unwrap();
            for (width, height) in [(15, 16), (16, 15), (17, 16), (2, 2)] {
                let picture = Picture::new(width, height).unwrap();
                assert!(encoder.encode(&picture, false).unwrap_err().to_string().contains("even sides"));
            }
            assert!(encoder.encode(&Picture::default(), false).is_err());
            let picture = Picture::new(32, 32).unwrap();
            assert!(encoder.encode(&picture, false).unwrap().is_some());
            assert!(encoder.encode(&picture, false).unwrap_err().to_string().contains("later"), "{codec}");
            assert!(encoder.set_bitrate(1).is_err());
        }
    }
}
