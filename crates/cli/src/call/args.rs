//! What `call` takes.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use peerage_codecs::encoded::VideoCodec;

/// What is sent.
#[derive(Debug, Args)]
pub struct SentArgs {
    /// FILE, `pattern`, `camera`, `camera:NAME` or `none` [default: a camera if there is one]
    #[arg(long, value_name = "SOURCE", value_parser = video)]
    pub video: Option<VideoChoice>,
    /// FILE, `tone`, `mic`, `mic:NAME` or `none` [default: a microphone if there is one]
    #[arg(long, value_name = "SOURCE", value_parser = audio)]
    pub audio: Option<AudioChoice>,
    /// The test picture and the tone: --video pattern --audio tone
    #[arg(long, conflicts_with_all = ["video", "audio"])]
    pub test: bool,
    /// Width and height of what is encoded [default: 640x360 of a camera and the test picture, a file's own]
    #[arg(long, value_name = "WxH", value_parser = size)]
    pub size: Option<(u32, u32)>,
    /// Pictures a second of a camera and of the test picture
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=120))]
    pub fps: u32,
    /// What pictures are encoded as: vp8, vp9 or h264; with a participant that does not take it, the first it takes
    #[arg(long, value_name = "CODEC", default_value = "vp8", value_parser = video_codec)]
    pub video_codec: VideoCodec,
    /// The most that is sent of video to each participant, in bits a second: 500K, 2M [default: 5M]
    #[arg(long, value_name = "BITS", value_parser = bitrate)]
    pub max_bitrate: Option<u64>,
    /// Send files once instead of over and over
    #[arg(long)]
    pub once: bool,
}

/// What becomes of what arrives.
#[derive(Debug, Args)]
pub struct ArrivingArgs {
    /// The speaker's name, or `none` [default: the system's choice if there is one]
    #[arg(long, value_name = "NAME")]
    pub speaker: Option<String>,
    /// Record what arrives: .webm or .mkv, .ogg (sound), .ivf (video); a file each, OUT-2 for the second participant
    #[arg(long, value_name = "OUT", value_hint = ValueHint::FilePath)]
    pub record: Option<PathBuf>,
    /// Decode what arrives, and tell whether the test picture and a tone are in it
    #[arg(long)]
    pub recognise: bool,
}

/// Where pictures come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VideoChoice {
    /// Nowhere.
    None,
    /// The test picture.
    Pattern,
    /// A camera, by its name or the first.
    Camera(Option<String>),
    /// A file.
    File(PathBuf),
}

/// Where sound comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AudioChoice {
    /// Nowhere.
    None,
    /// A tone of 440 Hz.
    Tone,
    /// A microphone, by its name or the system's choice.
    Mic(Option<String>),
    /// A file.
    File(PathBuf),
}

fn video(text: &str) -> Result<VideoChoice, String> {
    Ok(match text.split_once(':') {
        Some(("camera", name)) => VideoChoice::Camera(Some(name.to_owned())),
        _ => match text {
            "none" => VideoChoice::None,
            "pattern" => VideoChoice::Pattern,
            "camera" => VideoChoice::Camera(None),
            "" => return Err("say a file, pattern, camera, camera:NAME or none".into()),
            file => VideoChoice::File(file.into()),
        },
    })
}

fn audio(text: &str) -> Result<AudioChoice, String> {
    Ok(match text.split_once(':') {
        Some(("mic", name)) => AudioChoice::Mic(Some(name.to_owned())),
        _ => match text {
            "none" => AudioChoice::None,
            "tone" => AudioChoice::Tone,
            "mic" => AudioChoice::Mic(None),
            "" => return Err("say a file, tone, mic, mic:NAME or none".into()),
            file => AudioChoice::File(file.into()),
        },
    })
}

fn size(text: &str) -> Result<(u32, u32), String> {
    let sides = text.split_once('x').and_then(|(width, height)| Some((width.parse().ok()?, height.parse().ok()?)));
    match sides {
        Some((width, height)) if [width, height].iter().all(|side| (16..=4096).contains(side) && side % 2 == 0) => {
            Ok((width, height))
        }
        _ => Err("say two even numbers from 16 to 4096, such as 640x360".into()),
    }
}

fn video_codec(text: &str) -> Result<VideoCodec, String> {
    match text.parse() {
        Ok(codec @ (VideoCodec::Vp8 | VideoCodec::Vp9 | VideoCodec::H264)) => Ok(codec),
        _ => Err("say vp8, vp9 or h264".into()),
    }
}

fn bitrate(text: &str) -> Result<u64, String> {
    let strip = |unit: char| text.strip_suffix([unit, unit.to_ascii_lowercase()]);
    let (digits, unit) = match (strip('K'), strip('M')) {
        (Some(digits), _) => (digits, 1e3),
        (_, Some(digits)) => (digits, 1e6),
        _ => (text, 1.0),
    };
    match digits.parse::<f64>() {
        Ok(number) if (30_000.0..=100_000_000.0).contains(&(number * unit)) => Ok((number * unit) as u64),
        _ => Err("say bits a second from 30K to 100M, such as 800K or 2.5M".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_words_or_files() {
        assert_eq!(video("camera:Front: left").unwrap(), VideoChoice::Camera(Some("Front: left".into())));
        assert_eq!(video("camera").unwrap(), VideoChoice::Camera(None));
        assert_eq!(video("./pattern").unwrap(), VideoChoice::File("./pattern".into()));
        assert_eq!(audio("mic:USB").unwrap(), AudioChoice::Mic(Some("USB".into())));
        assert_eq!(audio("a:b.ogg").unwrap(), AudioChoice::File("a:b.ogg".into()));
        assert_eq!(audio("none").unwrap(), AudioChoice::None);
        assert!(video("").is_err() && audio("").is_err());
    }

    #[test]
    fn sizes_and_rates_that_no_encoder_takes_are_refused() {
        assert_eq!(size("640x360").unwrap(), (640, 360));
        for bad in ["640", "641x360", "8x8", "640x", "9000x9000", "-2x16"] {
            assert!(size(bad).is_err(), "{bad}");
        }
        assert_eq!(
            (bitrate("800K").unwrap(), bitrate("2.5M").unwrap(), bitrate("64000").unwrap()),
            (800_000, 2_500_000, 64_000)
        );
        for bad in ["", "1", "1G", "NaN", "101M", "M", "-5M", "1KM"] {
            assert!(bitrate(bad).is_err(), "{bad}");
        }
        assert!(video_codec("av1").is_err());
        assert_eq!(video_codec("VP9").unwrap(), VideoCodec::Vp9);
    }
}
