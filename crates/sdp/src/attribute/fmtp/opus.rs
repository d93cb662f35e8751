//! Opus.

use super::Parameters;

/// What a receiver of Opus prefers (RFC 7587 §6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opus {
    /// The highest rate that it renders, in Hz. Default 48 000.
    pub max_playback_rate: u32,
    /// The highest mean rate that it wants, in bits per second, if it says.
    pub max_average_bitrate: Option<u32>,
    /// It prefers two channels. Default no.
    pub stereo: bool,
    /// It makes use of forward error correction inside the stream. Default no.
    pub in_band_fec: bool,
    /// It prefers discontinuous transmission. Default no.
    pub dtx: bool,
    /// It prefers a constant rate. Default no.
    pub cbr: bool,
    /// The shortest packet that it prefers, in milliseconds. Default 3.
    pub min_ptime: u32,
}

impl Opus {
    /// Reads the parameters; what is absent or unreadable has its default.
    pub fn of(parameters: &Parameters) -> Self {
        let set = |name: &str| parameters.value(name) == Some("1");
        Self {
            max_playback_rate: parameters.number("maxplaybackrate").unwrap_or(48_000),
            max_average_bitrate: parameters.number("maxaveragebitrate"),
            stereo: set("stereo"),
            in_band_fec: set("useinbandfec"),
            dtx: set("usedtx"),
            cbr: set("cbr"),
            min_ptime: parameters.number("minptime").unwrap_or(3),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::parameters;
    use super::*;

    #[test]
    fn both_browsers_ask_for_error_correction_and_firefox_for_stereo() {
        let chromium = Opus::of(&parameters("minptime=10;useinbandfec=1"));
        assert_eq!((chromium.min_ptime, chromium.in_band_fec, chromium.stereo, chromium.dtx), (10, true, false, false));
        let firefox = Opus::of(&parameters("maxplaybackrate=48000;stereo=1;useinbandfec=1"));
        assert_eq!((firefox.stereo, firefox.max_playback_rate, firefox.min_ptime), (true, 48_000, 3));
        assert_eq!(Opus::of(&parameters("usedtx=1;cbr=1;maxaveragebitrate=20000")).max_average_bitrate, Some(20_000));
    }
}
